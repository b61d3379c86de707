"""How does greedy text change while the model learns? Measure it at five moments of a training (question 2.1 b).

python part3/stages.py

The model of part3/train.py at its default settings writes greedily after each character of the book's vocabulary.
Writes stages.csv, a row for each text; repeated is, as in part3/temperatures.py, the share of its 20-grams that
occurred earlier in it, 0 without a loop. Prints for each moment the text whose share is the median.
"""

import sys
from pathlib import Path

if not __package__:  # run as `python part3/stages.py`: import from the checkout, not from part3/
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

import numpy as np
import torch
import torch.nn.functional as F

from common.figures import table_script
from part3.dataset import RandomSentences, TextDataset
from part3.novelty import NGRAM
from part3.optimizer import build_optimizer, learning_rate_at
from part3.sampling import Writer, write
from part3.temperatures import share_repeated
from part3.train import ROOT, build_model, settings, settings_of, update


def training(config, dataset):
    """Yield the model after each update of part3/train.py on sentences; its evaluations, left out, change nothing."""
    sampler = RandomSentences(dataset, config.batch_size, config.seed, torch.device("cpu"))
    torch.manual_seed(config.seed)
    model = build_model(dataset.vocab_size, settings_of(config))
    optimizer = build_optimizer(model, config, torch.device("cpu"))
    for step in range(config.train_steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(step, config)
        inputs, targets, _ = sampler.batch()  # (B, T)
        logits, _ = model(inputs)  # (B, T, V)
        update(model, optimizer, F.cross_entropy(logits.flatten(0, 1), targets.flatten()), config.max_norm)
        yield model


def greedy_texts(model, dataset, length):
    """A text of `length` characters after each character of the vocabulary, which it begins with."""
    writer, rng = Writer(model.state_dict()), np.random.default_rng(0)  # nothing is drawn
    ids = range(dataset.vocab_size)
    texts = ([first, *(int(i) for (i,) in write(writer, [first], length - 1, rng, temperature=0))] for first in ids)
    return [dataset.convert_to_string(text) for text in texts]


def measure(flags, points):
    """Yield the table."""

    def run(seed):
        config = settings(txt_file=str(ROOT / "assets/book.txt"), seed=seed, train_steps=max(flags.train_steps))
        dataset = TextDataset(config.txt_file, config.seq_length)
        models = enumerate(training(config, dataset), start=1)
        return [
            (step, greedy_texts(model, dataset, flags.length)) for step, model in models if step in flags.train_steps
        ]

    rows = []
    for (seed,), stages in points.each(run, range(flags.seeds)):
        for step, texts in stages:
            shares = [share_repeated(text) for text in texts]
            rows += [(seed, step, first, f"{share:.4f}") for first, share in enumerate(shares)]
            median = sorted(range(len(texts)), key=shares.__getitem__)[len(texts) // 2]
            print(f"--- seed {seed}, after {step} updates\n{texts[median]!r}")
    yield "stages", ("seed", "step", "first", "repeated"), rows


if __name__ == "__main__":
    table_script(
        __doc__,
        measure,
        "part3",
        train_steps=(1, 10**6, [100, 2000, 3900, 5700, 7600], "updates after which it writes"),
        length=(NGRAM, 10**6, 300, "characters of a text"),
        seeds=(1, 1_000, 1, "trainings, of seeds 0, 1, …"),
    )
