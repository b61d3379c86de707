"""How far does a cell remember with its random first weights, only the readout trained? The baseline to beat.

python part1/experiments/reservoir.py

The recurrent weights stay as they were drawn; W_ph and b_p are found by least squares on h_T of training palindromes.
Beside them two predictors that only count: one sees the last digits read, as an n-gram does, one the first digit.
Prints the table, accuracy on held-out palindromes, and writes reservoir.csv.
"""

import sys
from collections import Counter, defaultdict
from itertools import product
from pathlib import Path

if not __package__:  # run as `python part1/experiments/reservoir.py`: import from the checkout, not from there
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import torch
import torch.nn.functional as F

from common.arguments import Parser, whole_number
from common.figures import grouped, markdown, spread
from common.files import write_table
from common.progress import Progress
from part1.dataset import PalindromeDataset, encode
from part1.train import build_model, settings

ROOT = Path(__file__).resolve().parents[2]
# The digits counted, the last 3 or the first. Where T - 1 ≤ 3 the last 3 include the first.
COUNTS = {"counts, last 3 digits": slice(-3, None), "counts, first digit": slice(0, 1)}
LATCH = "RNN, latch (engineered)"
CELLS = ("RNN, default", "RNN, orthogonal", "RNN, identity", LATCH, "LSTM, default", "LSTM, chrono")
COLUMNS = ("weights", "input_dim", "input_length", "seed", "accuracy", "palindromes")


def count_predictor(digits, target, new_digits):
    """Predict targets (N',) of new_digits (N', n) by the most frequent one after the same n digits (N, n).

    An unseen context gets 0. No other predictor of these digits is better on what was counted.
    """
    counts = defaultdict(Counter)
    for context, digit in zip(map(tuple, digits.tolist()), target.tolist(), strict=True):
        counts[context][digit] += 1
    most_frequent = {context: max(sorted(count), key=count.get) for context, count in counts.items()}
    return torch.tensor([most_frequent.get(context, 0) for context in map(tuple, new_digits.tolist())])


@torch.no_grad()
def last_states(model, digits, input_dim, chunk=500):
    """h_T of palindromes' digits (N, T - 1), and a 1 for the bias: (N, H + 1), float64."""
    states = [model(encode(some, input_dim), return_states=True)[1] for some in digits.split(chunk)]
    h = torch.cat([(s[0] if isinstance(s, tuple) else s)[:, -1] for s in states])
    return F.pad(h.double(), (0, 1), value=1.0)


def readout_predictor(h, target, new_h):
    """Predict targets (N',) of states new_h by the least-squares readout of h (N, H + 1) onto one-hot targets (N,).

    Solved by singular values: the states need not have full rank, and what is left of a digit may be as weak as
    rounding lets it.
    """
    W = torch.linalg.lstsq(h, F.one_hot(target, 10).double(), driver="gelsd").solution  # (H + 1, 10)
    return (new_h @ W).argmax(dim=1)


def accuracy(name, input_dim, length, seed, num_hidden, palindromes, held_out):
    """Held-out accuracy, 0 to 1, of a row of the table, on palindromes with `length` digits to read."""
    digits, target = PalindromeDataset(length + 1, seed).batch(palindromes)
    new_digits, new_target = PalindromeDataset(length + 1, seed, held_out=True).batch(held_out)
    if name in COUNTS:
        predicted = count_predictor(digits[:, COUNTS[name]], target, new_digits[:, COUNTS[name]])
    else:
        cell, init = name.removesuffix(" (engineered)").split(", ")
        sizes = {"input_dim": input_dim, "input_length": max(3, length), "num_hidden": num_hidden}  # 3: for chrono
        model = build_model(settings(model_type=cell, init=init, seed=seed, **sizes))
        h, new_h = (last_states(model, d, input_dim) for d in (digits, new_digits))
        predicted = readout_predictor(h, target, new_h)
    return (predicted == new_target).double().mean().item()


def table(rows, lengths):
    """Markdown: median (lowest to highest) accuracy in % over the seeds, a row per weights and input."""
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    lines = []
    for name, inputs in grouped(rows, "weights", "input_dim", "input_length").items():
        for dim, at_length in inputs.items():
            cells = (spread([100 * float(row["accuracy"]) for row in at_length[length]], ".1f") for length in lengths)
            lines.append((name, "raw" if dim == 1 else "one-hot", *cells))
    return markdown(("only the readout is trained", "input", *lengths), lines)


def main(argv=None):
    parser = Parser(__doc__.split("\n")[0])
    length = whole_number(1, 100_000)
    lengths = [1, 2, 5, 10, 20, 50, 100]
    parser.add_argument("--input_length", type=length, nargs="+", default=lengths, help="digits to read, T - 1")
    parser.add_argument("--input_dim", type=int, choices=(1, 10), nargs="+", default=[10], help="1: raw, 10: one-hot")
    parser.add_argument("--seeds", type=whole_number(1, 1_000), default=10, help="seeds 0, 1, … of every row")
    parser.add_argument("--num_hidden", type=whole_number(1, 10_000), default=128, help="units")
    parser.add_argument("--palindromes", type=whole_number(10, 10**6), default=5_000, help="to train the readout on")
    parser.add_argument("--held_out", type=whole_number(1, 10**6), default=3_000, help="palindromes to test it on")
    parser.add_argument("--output_dir", default=str(ROOT / "results/part1"), help="folder for reservoir.csv")
    flags = parser.parse_args(argv)
    points = list(product((*COUNTS, *CELLS), flags.input_dim, flags.input_length, range(flags.seeds)))
    rows = []
    try:
        folder = Path(flags.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        torch.set_num_threads(1)
        with Progress(len(points), unit="point") as progress:
            for point in points:
                right = accuracy(*point, flags.num_hidden, flags.palindromes, flags.held_out)
                rows.append((*point, f"{right:.4f}", flags.held_out))
                progress.advance("{}, input {}, length {}".format(*point))
        write_table(folder / "reservoir.csv", COLUMNS, rows)
    except (ValueError, OSError) as error:
        parser.error(error)
    print(table(rows, flags.input_length))


if __name__ == "__main__":
    main()
