"""How fast are training, batches and drawing? Each beside the plain way, taken in turn, as a user gets it.

python part3/benchmark.py --json benchmark.json

Each figure is CPU time on one thread (on a GPU: wall time, the GPU waited for), the median over rounds. A ratio is the
median over the rounds of one round's ratio, with its quartiles.

- step: an update as part3/train.py makes it, batch and check of the weights included; bare: `nn.LSTM`, embedding,
  linear output, loss and the same optimizer, as few lines as it takes, on a batch that lies there.
- batch: a batch of random sentences; course_batch: the course's way, a window at a time as Python lists of characters
  through a DataLoader, here in the main process.
- draw: `part3/sampling.py`, of b texts at once; plain: the loop that calls `nn.LSTM` once per character.

All of it is measured twice, in fresh processes: as Python starts, and, with `.kept` after the key, with freed memory
kept, as part3/train.py keeps it (`common.device.keep_freed_memory`).
"""

import sys
from functools import partial
from pathlib import Path

if not __package__:  # run as `python part3/benchmark.py`: import from the checkout, not from part3/
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset, RandomSampler

from common.arguments import Parser, whole_number
from common.device import (
    benchmark_flags,
    choose_device,
    in_both_states,
    in_turn,
    milliseconds,
    quartiles_of_ratio,
    report_medians,
)
from common.training import check_finite
from part3.dataset import RandomSentences, TextDataset
from part3.model import TextGenerationModel
from part3.optimizer import build_optimizer
from part3.sampling import Writer, write
from part3.text import read_text
from part3.train import settings, update
from part3.trained import build_model

ROOT = Path(__file__).resolve().parents[1]
DEFAULTS = settings()
BATCH_SIZE, SEQ_LENGTH, EMBEDDING_DIM = DEFAULTS.batch_size, DEFAULTS.seq_length, DEFAULTS.embedding_dim
DRAWN_HIDDEN = (128, 256, 512)


class BareModel(nn.Module):
    """The yardstick: one stacked nn.LSTM between an embedding and a linear output."""

    def __init__(self, vocab_size, num_hidden):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, EMBEDDING_DIM)
        self.lstm = nn.LSTM(EMBEDDING_DIM, num_hidden, num_layers=2, batch_first=True)
        self.output = nn.Linear(num_hidden, vocab_size)

    def forward(self, ids, state=None):
        h, state = self.lstm(self.embedding(ids), state)
        return self.output(h), state


class CourseDataset(Dataset):
    """Windows as the course's template makes them: Python lists of ids, one character at a time."""

    def __init__(self, text, seq_length):
        self.text, self.seq_length = text, seq_length
        self.id_of = {character: i for i, character in enumerate(sorted(set(text)))}

    def __len__(self):
        return len(self.text) - self.seq_length

    def __getitem__(self, item):
        inputs = [self.id_of[character] for character in self.text[item : item + self.seq_length]]
        targets = [self.id_of[character] for character in self.text[item + 1 : item + self.seq_length + 1]]
        return inputs, targets


def training_functions(filename, device):
    """{name: function} of a step of ours, a bare one, a batch of ours and the course's. Raises as TextDataset."""
    dataset, windows = TextDataset(filename, SEQ_LENGTH), CourseDataset(read_text(filename), SEQ_LENGTH)
    sampler = RandomSentences(dataset, BATCH_SIZE, device=device)
    forever = RandomSampler(windows, replacement=True, num_samples=10**12)
    loader = iter(DataLoader(windows, BATCH_SIZE, sampler=forever))
    V = dataset.vocab_size
    models = {"bare": BareModel(V, DEFAULTS.lstm_num_hidden), "step": build_model(V, vars(DEFAULTS))}
    optimizers = {name: build_optimizer(model.to(device), DEFAULTS, device) for name, model in models.items()}
    lying_there = sampler.batch()

    def bare_step(name="bare", batch=lying_there):
        inputs, targets, _ = batch
        logits, _ = models[name](inputs)
        loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
        return loss, update(models[name], optimizers[name], loss, DEFAULTS.max_norm)

    def step():
        loss, grad_norm = bare_step("step", sampler.batch())
        check_finite(models["step"], 0, loss.item(), grad_norm)

    return {"bare": bare_step, "step": step, "batch": sampler.batch, "course_batch": lambda: next(loader)}


@torch.no_grad()
def plain_loop(model, num_texts, length):
    """Draw `length` characters for each text as a tutorial does: nn.LSTM once per character."""
    ids, state = torch.zeros(num_texts, 1, dtype=torch.int64), None
    for _ in range(length):
        logits, state = model(ids, state)
        ids = torch.multinomial(F.softmax(logits[:, -1], dim=1), 1)


def drawing_functions(vocab_size, num_hidden, length):
    """{(way, number of texts): function} that draws `length` characters for each text, on the CPU."""
    bare = BareModel(vocab_size, num_hidden)
    writer = Writer(TextGenerationModel(vocab_size, num_hidden, embedding_dim=EMBEDDING_DIM).state_dict())
    rng = np.random.default_rng(0)
    ways = {
        "plain": lambda num_texts: plain_loop(bare, num_texts, length),
        "draw": lambda num_texts: list(write(writer, [0], length, rng, num_texts)),
    }
    return {(way, n): partial(function, n) for n in (1, 64) for way, function in ways.items()}


def measure_training(config):
    """Quartiles, {key: (low, median, high)}: ms of a step or batch, and ratios."""
    torch.manual_seed(0)
    device = choose_device(config.device)
    seconds = in_turn(training_functions(config.txt_file, device), config.rounds, device)
    measured = {f"{name}_ms": milliseconds(values) for name, values in seconds.items()}
    for name, base in (("step", "bare"), ("batch", "step"), ("course_batch", "step")):
        measured[f"{name}_over_{base}"] = quartiles_of_ratio(seconds[name], seconds[base])
    return measured


def measure_drawing(config, vocab_size, H):
    """Quartiles, {key: (low, median, high)}: characters per second with H units a layer, and ratios."""
    torch.manual_seed(0)
    seconds = in_turn(drawing_functions(vocab_size, H, config.length), config.rounds, torch.device("cpu"))
    measured = {}
    for (way, num_texts), values in seconds.items():
        drawn = [num_texts * config.length] * config.rounds
        measured[f"{way}_per_second.h{H}.b{num_texts}"] = quartiles_of_ratio(drawn, values)
    # A character of one text beside the plain loop's; one of 64 texts at once beside the loop over one, and over 64.
    of_64 = [value / 64 for value in seconds["draw", 64]]
    measured[f"draw_speedup.h{H}.b1"] = quartiles_of_ratio(seconds["plain", 1], seconds["draw", 1])
    measured[f"draw_speedup.h{H}.b64"] = quartiles_of_ratio(seconds["plain", 1], of_64)
    measured[f"draw_speedup_over_plain_b64.h{H}"] = quartiles_of_ratio(seconds["plain", 64], seconds["draw", 64])
    return measured


def main(argv=None):
    parser = Parser(__doc__)
    parser.add_argument("--txt_file", default=ROOT / "assets/book.txt", help="text whose windows are drawn")
    parser.add_argument("--length", type=whole_number(1, 10**6), default=100, help="characters drawn a round and text")
    config, device = benchmark_flags(parser, argv, 50, "device of the training step: cpu, cuda, cuda:1, mps, or auto")
    with parser.printing():
        vocab_size = TextDataset(config.txt_file, SEQ_LENGTH).vocab_size
        drawing = [(measure_drawing, config, vocab_size, H) for H in DRAWN_HIDDEN]
        measured = in_both_states([(measure_training, config), *drawing])
        report_medians(measured, config.json, device, f"2 layers, batch {BATCH_SIZE}, T {SEQ_LENGTH}")


if __name__ == "__main__":
    main()
