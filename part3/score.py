"""Score a text under a trained model: how well each next character is predicted; or find what a sample copied from it.

python part3/score.py --txt_file assets/book.txt --val_fraction 0.1 --html page.html
python part3/generate.py --length 2000 | python part3/score.py --txt_file assets/book.txt --novelty -

With --novelty, two texts are compared: no model is loaded and no score is printed.
"""

import math
import sys
from pathlib import Path

if not __package__:  # run as `python part3/score.py`: import from the checkout, not from part3/
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import torch
import torch.nn.functional as F

from common.arguments import Parser, number_between, whole_number
from common.device import choose_device, limit_threads
from common.files import write_atomically
from common.pipe import reader_may_leave
from part3.dataset import encode, read_text
from part3.evaluation import predictions
from part3.novelty import longest_shared, share_found
from part3.page import surprise_page
from part3.trained import BOOK, Trained

SHOWN = 20_000  # characters, from the first on, that go into a page
LIKELIEST = 5  # next characters that a page tells
NGRAM = 20  # characters


def build_parser():
    parser = Parser(__doc__.split("\n")[0])
    parser.add_argument("--txt_file", required=True, help="the text, - for standard input; with --novelty the book")
    parser.add_argument("--encoding", default="utf-8", help="of the files")
    parser.add_argument("--checkpoint", default=BOOK, help="best.pt or checkpoint.pt of a run, or the run's folder")
    parser.add_argument("--unknown", choices=("refuse", "skip"), default="refuse", help="characters new to the model")
    parser.add_argument(
        "--val_fraction",
        type=number_between(0, 1),
        help="score this part at the end, as held out in training; none: all",
    )
    parser.add_argument(
        "--stretch",
        type=whole_number(1, 10**9),
        help="read so many characters each from a zero state; none: all in one",
    )
    parser.add_argument("--html", help=f"also write a page of the first {SHOWN:,} characters, coloured by surprise")
    parser.add_argument("--device", default="cpu", help="auto (cuda, then mps, then cpu), cpu, cuda, cuda:1, mps")
    parser.add_argument(
        "--novelty",
        metavar="SAMPLE",
        help="no score: how much of the file SAMPLE, - for standard input, is copied from --txt_file",
    )
    return parser


def read(filename, encoding):
    """The text of a file, or of standard input for "-". Raises as `read_text` does."""
    if filename != "-":
        return read_text(filename, encoding)
    try:
        with open(0, encoding=encoding, closefd=False) as file:
            return file.read().removeprefix("\ufeff")
    except (UnicodeDecodeError, LookupError) as error:
        raise ValueError(f"standard input: {error}; try another --encoding") from error


def held_out(text, val_fraction):
    """The part at the end of a text that TextDataset holds out; None: all of it."""
    return text if val_fraction is None else text[len(text) - round(val_fraction * len(text)) :]


def score(model, ids, stretch=None):
    """Of a text: characters predicted, mean cross-entropy in nats, share that was likeliest; as in `predictions`."""
    count, nats, hits = 0, 0.0, 0
    for logits, targets in predictions(model, ids, stretch):
        count += targets.numel()
        nats += F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum").item()
        hits += (logits.argmax(dim=2) == targets).sum().item()
    return count, nats / count, hits / count


def expectations(model, ids, stretch=None):
    """For each character predicted (M of them): its surprise in bits (M,), the ids of the likeliest and their
    probabilities (M, LIKELIEST), fewer for a smaller vocabulary; arguments as in `predictions`."""
    stretch = min(stretch or len(ids), len(ids) - 1)
    parts = []
    for start in range(0, (len(ids) - 1) // stretch * stretch, stretch):  # one after the other, in the text's order
        for logits, targets in predictions(model, ids[start : start + stretch + 1]):
            log_p = logits[0].log_softmax(dim=1)  # (t, V)
            bits = -log_p.gather(1, targets[0][:, None])[:, 0] / math.log(2)
            best = log_p.topk(min(LIKELIEST, log_p.shape[1]), dim=1)
            parts.append((bits, best.indices, best.values.exp()))
    return [torch.cat(part) for part in zip(*parts, strict=True)]


def print_novelty(sample, book):
    """Print the longest passage that a sample shares with a book, and the share of its n-grams that stand there."""
    passage = longest_shared(sample, book)
    told = repr(passage) if len(passage) <= 120 else f"{passage[:60]!r} ... {passage[-60:]!r}"
    print(f"longest shared passage: {len(passage)} characters{f': {told}' if passage else ''}")
    count = len(sample) - NGRAM + 1
    if count < 1:
        print(f"{NGRAM}-grams: none, the sample has only {len(sample)} characters")
    else:
        print(f"{NGRAM}-grams found in the book: {share_found(sample, book, NGRAM):.4f} of {count}")


def check(config):
    """Raise ValueError for flags that contradict each other, or a page that could not be written."""
    if config.novelty is not None:
        for flag in ("val_fraction", "stretch", "html"):
            if getattr(config, flag) is not None:
                raise ValueError(f"--{flag} is for a score, and --novelty prints none: leave one of them out")
        if config.novelty == config.txt_file == "-":
            raise ValueError("--txt_file and --novelty cannot both be standard input")
    elif config.html is not None and (Path(config.html).is_dir() or not Path(config.html).parent.is_dir()):
        raise ValueError(f"--html {config.html} is not a file in a folder that exists")


def print_score(config):
    """Print how well the model predicts the text, and write the page if asked for. Raises ValueError, OSError."""
    text = read(config.txt_file, config.encoding)
    trained = Trained(config.checkpoint)
    if config.html and Path(config.html).resolve() in {Path(config.txt_file).resolve(), trained.path.resolve()}:
        raise ValueError(f"--html {config.html} would overwrite what is read")
    model = trained.model().to(choose_device(config.device))
    part = held_out(text, config.val_fraction)
    ids = encode(part, trained.characters, config.unknown)
    if len(ids) < 2:
        raise ValueError(f"{config.txt_file}: {len(ids)} characters to score; at least 2 are needed")

    title = "standard input" if config.txt_file == "-" else Path(config.txt_file).name
    if config.val_fraction is not None:
        title += f", the last {100 * config.val_fraction:g} %"
    reading = f"in stretches of {config.stretch} characters, each from a zero state"
    if config.stretch is None or config.stretch >= len(ids) - 1:
        reading = "in one, the state carried"
    if len(ids) < len(part):
        print(f"{len(part) - len(ids)} characters that the model does not know were skipped")
    count, nats, accuracy = score(model, ids, config.stretch)
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
        write_page(config, trained, model, ids, title, facts, reading)


def main(argv=None):
    parser = build_parser()
    config = parser.parse_args(argv)
    limit_threads()
    sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that cannot show a character
    try:
        check(config)
        with reader_may_leave():
            if config.novelty is None:
                print_score(config)
            else:
                book, sample = (read(filename, config.encoding) for filename in (config.txt_file, config.novelty))
                print_novelty(sample, book)
    except KeyboardInterrupt:
        sys.exit(130)
    except (ValueError, OSError) as error:
        parser.error(error)


def write_page(config, trained, model, ids, title, facts, reading):
    """Write the page of a text, its first SHOWN characters, and say so. Raises OSError."""
    bits, likeliest, probabilities = (part.tolist() for part in expectations(model, ids[:SHOWN], config.stretch))
    shown = ids[: len(bits) + 1].tolist()
    notes = f"Model: {'/'.join(trained.path.parts[-2:])}, step {trained.step:,}. The text was read {reading}."
    if len(shown) < len(ids):
        notes += f" Shown are the first {len(shown):,} of {len(ids):,} characters; the figures are of all."
    page = surprise_page(title, facts, notes, trained.characters, shown, bits, likeliest, probabilities)
    write_atomically(config.html, page.encode(errors="replace"))  # a file's name need not be UTF-8
    print(f"{config.html}: the first {len(shown):,} of {len(ids):,} characters")


if __name__ == "__main__":
    main()
