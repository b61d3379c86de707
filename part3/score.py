"""Score a text under a trained model: how well is each next character predicted? A page can show it.

python part3/score.py --txt_file assets/book.txt --val_fraction 0.1 --html page.html
"""

import math
import sys
from functools import partial
from pathlib import Path

if not __package__:  # run as `python part3/score.py`: import from the checkout, not from part3/
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

import torch

from assets.page import refuse_overwriting, write_page
from common.arguments import Parser, new_file, number_between, whole_number
from common.device import limit_threads, working_device
from part3.dataset import encode, split
from part3.evaluation import dynamic_predictions, parts_of, predictions
from part3.page import surprise_page
from part3.text import read_input
from part3.trained import BOOK, Trained, small_step

SHOWN = 20_000  # characters, from the first on, that a page shows
DYNAMIC_RATE = 2e-4  # chosen on training text, see docs/part3.md
LIKELIEST = 5  # next characters that a page gives for each


def score(model, ids, block_size=None, shown=0, rate=None):
    """How well a model predicts a text, ids (N ≥ 2,), and what it expected of the first `shown` predicted characters.

    Returns how many characters were predicted (the blocks as in `predictions`), their mean cross-entropy in nats, the
    share of them that was likeliest; and for the M ≤ `shown` first their surprises in bits (M,), the ids of the
    likeliest in their place and the probabilities of these, (M, LIKELIEST), or fewer for a smaller vocabulary: lists.
    With a `rate` the model, in place, learns from the text while it reads it in one, as in `dynamic_predictions`.
    """
    block_size = min(block_size or len(ids), len(ids) - 1)
    count, nats, hits, expected = 0, 0.0, 0, []
    for part in parts_of(model, ids, block_size) if rate is None else [ids]:
        reading = predictions(model, part, block_size) if rate is None else dynamic_predictions(model, part, rate)
        shown_here, read, pieces = max(0, shown - count), 0, []
        for logits, targets in reading:  # of all blocks of the part, the next t characters
            log_p = logits.log_softmax(dim=2)  # (B, t, V)
            surprise = -log_p.gather(2, targets[..., None])[..., 0]  # nats (B, t)
            count += targets.numel()
            nats += surprise.sum().item()
            hits += (logits.argmax(dim=2) == targets).sum().item()

            place = slice(math.ceil(shown_here / block_size)), slice(max(0, shown_here - read))  # blocks, characters
            best = log_p[place].topk(min(LIKELIEST, log_p.shape[2]), dim=2)
            pieces.append((surprise[place] / math.log(2), best.indices, best.values.exp()))
            read += targets.shape[1]
        expected.append([torch.cat(lists, dim=1).flatten(0, 1)[:shown_here] for lists in zip(*pieces, strict=True)])
    expected = [torch.cat(lists).tolist() for lists in zip(*expected, strict=True)]
    return count, nats / count, hits / count, expected


def print_score(config):
    """Print how well the model predicts the text, and write the page if asked for. Raises ValueError, OSError."""
    text = read_input(config.txt_file, config.encoding)
    trained = Trained(config.checkpoint)
    if config.html:
        refuse_overwriting(config.html, config.txt_file, trained.path)
    model = trained.model().to(working_device(config.device, partial(small_step, trained.settings)))
    title = "standard input" if config.txt_file == "-" else Path(config.txt_file).name
    if config.val_fraction is not None:
        _, text = split(text, config.val_fraction)
        title += f", the last {100 * config.val_fraction:g} %"
    ids = encode(text, trained.characters, config.unknown)
    if len(ids) < 2:
        raise ValueError(f"{config.txt_file}: {len(ids)} characters to score; at least 2 are needed")
    if len(ids) < len(text):
        print(f"{len(text) - len(ids)} characters that the model does not know were skipped")

    rate = None
    if config.dynamic:
        rate = DYNAMIC_RATE if config.dynamic_rate is None else config.dynamic_rate
    count, nats, accuracy, expected = score(model, ids, config.block_size, SHOWN - 1 if config.html else 0, rate)
    if rate and not math.isfinite(nats):
        raise ValueError(f"--dynamic_rate {rate:g} is too high: the model diverged on {config.txt_file}")
    reading = f"in blocks of {config.block_size} characters, each from a zero state"
    if config.block_size is None or config.block_size >= len(ids) - 1:
        reading = "in one, the state carried"
    if config.dynamic:
        reading += f", the model learning from what it has read at a rate of {rate:g} (dynamic evaluation)"
    facts = {
        "characters predicted": f"{count:,}",
        "nats per character": f"{nats:.4f}",
        "bits per character": f"{nats / math.log(2):.4f}",
        "perplexity": f"{math.inf if nats > 700 else math.exp(nats):.3f}",  # beyond, exp overflows
        "accuracy": f"{accuracy:.4f}",
    }
    print(f"{title}: {len(ids):,} characters, read {reading}; {trained.path}, step {trained.step}")
    for name, value in facts.items():
        print(f"{name:20}  {value:>10}")
    if config.html:
        shown = ids[: len(expected[0]) + 1].tolist()  # the first is not predicted
        part = f"the first {len(shown):,} of {len(ids):,} characters"
        notes = f"Model: {'/'.join(trained.path.parts[-2:])}, step {trained.step:,}. The text was read {reading}."
        if len(shown) < len(ids):
            notes += f" Shown are {part}; the figures are of all."
        page = surprise_page(title, facts, notes, trained.characters, shown, *expected)
        write_page(config.html, page)
        print(f"{config.html}: {part}")


def main(argv=None):
    parser = Parser(__doc__)
    parser.add_argument("--txt_file", required=True, help="the text, - for standard input")
    parser.add_argument("--encoding", default="utf-8", help="encoding of the text")
    parser.add_argument("--checkpoint", default=BOOK, help="best.pt or checkpoint.pt of a run, or the run's folder")
    parser.add_argument("--unknown", choices=("refuse", "skip"), default="refuse", help="what unknown characters cause")
    end = "score this share at the end, as training held it out; None: all"
    parser.add_argument("--val_fraction", type=number_between(0, 1), help=end)
    blocks = "read blocks of so many characters, each from a zero state; None: all in one, the state carried"
    parser.add_argument("--block_size", type=whole_number(1, 10**9), help=blocks)
    dynamic = "the model goes on learning from the text, each character once it is scored (Krause et al. 2018)"
    parser.add_argument("--dynamic", action="store_true", help=dynamic)
    rate = number_between(0, 1e30, include_low=True)
    parser.add_argument("--dynamic_rate", type=rate, help=f"learning rate of --dynamic; {DYNAMIC_RATE:g} if not given")
    page = f"also write a page of the first {SHOWN:,} characters, coloured by surprise"
    parser.add_argument("--html", type=new_file, metavar="FILE", help=page)
    parser.add_argument("--device", default="cpu", help="auto (cuda, then mps, then cpu), cpu, cuda, cuda:1, mps")
    config = parser.parse_args(argv)
    if config.dynamic and config.block_size:
        parser.error("--dynamic reads the text in one, not in blocks: leave --block_size out")
    if config.dynamic_rate is not None and not config.dynamic:
        parser.error(f"--dynamic_rate {config.dynamic_rate:g} is for --dynamic: add that, or leave the rate out")
    limit_threads()
    with parser.printing():
        print_score(config)


if __name__ == "__main__":
    main()
