"""How well does a trained model predict a text, and how much of a sample is copied from a book?

python part3/score.py --txt_file assets/book.txt --val_fraction 0.1 --html surprise.html
python part3/score.py --txt_file assets/book.txt --novelty sample.txt
"""

import math
import sys
from pathlib import Path

if not __package__:  # run as `python part3/score.py`: import from the checkout, not from part3/
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import torch.nn.functional as F

from common.arguments import Parser, number_between, whole_number
from common.device import choose_device
from common.files import write_atomically
from part3.dataset import encode, read_text
from part3.evaluation import predictions
from part3.novelty import longest_shared, share_found
from part3.page import surprise_page
from part3.trained import BOOK, Trained

ON_THE_PAGE = 20_000  # characters; more would make a browser slow
N_GRAM = 20


def build_parser():
    parser = Parser(__doc__.split("\n")[0])
    parser.add_argument("--txt_file", required=True, help="the text, - for standard input")
    parser.add_argument("--encoding", default="utf-8", help="of the files")
    parser.add_argument("--checkpoint", default=BOOK, help="best.pt or checkpoint.pt of a run, or the run's folder")
    parser.add_argument("--unknown", choices=("refuse", "skip"), default="refuse", help="characters new to the model")
    parser.add_argument(
        "--val_fraction", type=number_between(0, 1, high_too=True), default=1.0, help="score this share, at the end"
    )
    parser.add_argument(
        "--stretch", type=whole_number(1, 10**9), help="read stretches of so many characters, each from a zero state"
    )
    parser.add_argument("--html", metavar="FILE", help="write a page with each character coloured by its surprise")
    parser.add_argument(
        "--novelty", metavar="SAMPLE", help="only say how much of this file, - for standard input, is in the text"
    )
    parser.add_argument("--device", default="auto", help="auto (cuda, then mps, then cpu), cpu, cuda, cuda:1, mps")
    return parser


def score(model, ids, stretch=None):
    """Mean loss in nats per character, accuracy (0 to 1) and number of predictions over a text, ids (N ≥ 2,)."""
    loss, correct, count = 0.0, 0, 0
    for logits, targets in predictions(model, ids, stretch):
        loss += F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum").item()
        correct += (logits.argmax(dim=2) == targets).sum().item()
        count += targets.numel()
    return loss / count, correct / count, count


def surprises(model, ids):
    """Surprise in bits of each character but the first, and its five likeliest rivals: lists of (id, probability)."""
    bits, likeliest = [], []
    for logits, targets in predictions(model, ids):
        log_p = F.log_softmax(logits[0].double(), dim=1)  # (t, V)
        bits += (-log_p.gather(1, targets[0][:, None])[:, 0] / math.log(2)).tolist()
        p, five = log_p.exp().topk(min(5, log_p.shape[1]), dim=1)
        likeliest += [list(zip(i, q, strict=True)) for i, q in zip(five.tolist(), p.tolist(), strict=True)]
    return bits, likeliest


def read(filename, encoding):
    """The text of a file, or of standard input for "-". Raises ValueError and OSError."""
    if filename != "-":
        return read_text(filename, encoding)
    return sys.stdin.read().removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def novelty(sample, book):
    """Lines that say how much of the sample is copied from the book."""
    shared = longest_shared(sample, book)
    excerpt = shared if len(shared) <= 200 else f"{shared[:100]} [...] {shared[-100:]}"
    yield f"longest passage shared with the book: {len(shared)} of {len(sample)} characters: {excerpt!r}"
    share = share_found(sample, book, N_GRAM)
    known = "none: the sample is shorter" if math.isnan(share) else f"{100 * share:.1f} %"
    yield f"{N_GRAM}-grams of the sample that stand in the book: {known}"


def main(argv=None):
    parser = build_parser()
    config = parser.parse_args(argv)
    try:
        text = read(config.txt_file, config.encoding)
        if config.novelty:
            sample = read(config.novelty, config.encoding)
            print("\n".join(novelty(sample, text)))
            return
        device = choose_device(config.device)
        trained = Trained(config.checkpoint)
        ids = encode(text, trained.characters, config.unknown)
        skipped = len(text) - len(ids)
        ids = ids[len(ids) - round(config.val_fraction * len(ids)) :]
        if len(ids) < 2:
            raise ValueError(f"{config.txt_file}: {len(ids)} characters to read, at least 2 are needed to predict one")
        if config.html and not Path(config.html).resolve().parent.is_dir():
            raise ValueError(f"--html {config.html}: there is no such folder")
    except (ValueError, OSError) as error:
        parser.error(error)

    model = trained.model().to(device)
    loss, accuracy, count = score(model, ids, config.stretch)
    manner = f"in stretches of {config.stretch}, each from a zero state" if config.stretch else "in one, state carried"
    facts = [
        f"{loss:.4f} nats per character, {loss / math.log(2):.4f} bits, perplexity {math.exp(loss):.3f}, "
        f"next character right {100 * accuracy:.1f} %",
        f"{count} characters of {config.txt_file} predicted, {manner}; {skipped} unknown ones skipped",
        f"by {trained.path}, step {trained.step}",
    ]
    print("\n".join(facts))
    if config.html:
        shown = ids[:ON_THE_PAGE]
        if len(shown) < len(ids):
            facts.append(f"the first {ON_THE_PAGE} characters are shown")
        bits, likeliest = surprises(model, shown)
        page = surprise_page("What surprised the model", facts, trained.characters, shown.tolist(), bits, likeliest)
        try:
            write_atomically(config.html, page)
        except OSError as error:
            sys.exit(str(error))
        print(f"{config.html}: {len(shown)} characters")


if __name__ == "__main__":
    main()
