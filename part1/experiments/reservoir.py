"""How far does a cell remember with its random first weights, only the readout trained? The baseline to beat.

python part1/experiments/reservoir.py

The recurrent weights stay as they were drawn; W_ph and b_p are found by least squares on h_T of training palindromes.
Beside them two predictors that only count: one sees the last digits read, as an n-gram does, one the first digit.
Prints the table, accuracy on held-out palindromes, and writes reservoir.csv.
"""

import statistics
import sys
from collections import defaultdict
from pathlib import Path

if not __package__:  # run as `python part1/experiments/reservoir.py`: import from the checkout, not from there
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import torch
import torch.nn.functional as F

from common.arguments import Parser, whole_number
from common.files import write_atomically
from common.progress import Progress
from part1.dataset import PalindromeDataset, encode
from part1.lstm import LSTM
from part1.vanilla_rnn import VanillaRNN

ROOT = Path(__file__).resolve().parents[2]
# The digits counted: column of the first, and of the one behind the last. The last 3 include the first where T - 1 ≤ 3.
COUNTS = {"counts, last 3 digits": (-3, None), "counts, first digit": (0, 1)}
CELLS = {
    "RNN, default": (VanillaRNN, "default"),
    "RNN, orthogonal": (VanillaRNN, "orthogonal"),
    "RNN, identity": (VanillaRNN, "identity"),
    "RNN, latch (engineered)": (VanillaRNN, "latch"),
    "LSTM, default": (LSTM, "default"),
    "LSTM, chrono": (LSTM, "chrono"),
}


def count_predictor(digits, target, new_digits):
    """Predict targets (N',) of new_digits (N', n) by the most frequent one behind the same n digits (N, n); an unseen
    context gets 0. No other predictor of these digits is better on what was counted.
    """
    counts = defaultdict(lambda: [0] * 10)
    for context, digit in zip(map(tuple, digits.tolist()), target.tolist(), strict=True):
        counts[context][digit] += 1
    most_frequent = {context: count.index(max(count)) for context, count in counts.items()}
    return torch.tensor([most_frequent.get(context, 0) for context in map(tuple, new_digits.tolist())])


@torch.no_grad()
def last_states(model, digits, input_dim, part=500):
    """h_T of palindromes' digits (N, T - 1), with a 1 behind it for the bias: (N, H + 1), float64."""
    h = [model(encode(d, input_dim), return_states=True)[1] for d in digits.split(part)]
    h = torch.cat([(states[0] if isinstance(states, tuple) else states)[:, -1] for states in h])
    return F.pad(h.double(), (0, 1), value=1.0)


def readout_predictor(h, target, new_h):
    """Predict targets (N',) of states new_h by the least-squares readout of h (N, H + 1) onto one-hot targets (N,).

    Solved by singular values: the states need not have full rank, and what is left of a digit may be as weak as
    rounding lets it.
    """
    W = torch.linalg.lstsq(h, F.one_hot(target, 10).double(), driver="gelsd").solution  # (H + 1, 10)
    return (new_h @ W).argmax(dim=1)


def accuracy(name, length, input_dim, seed, num_hidden, palindromes, held_out):
    """Held-out accuracy, 0 to 1, of a row of the table, on palindromes with `length` digits to read."""
    digits, target = PalindromeDataset(length + 1, seed).batch(palindromes)
    new_digits, new_target = PalindromeDataset(length + 1, seed, held_out=True).batch(held_out)
    if name in COUNTS:
        seen = slice(*COUNTS[name])
        predicted = count_predictor(digits[:, seen], target, new_digits[:, seen])
    else:
        torch.manual_seed(seed)
        cell, init = CELLS[name]
        model = cell(input_dim, num_hidden, 10, init, max_length=max(3, length))  # chrono bridges at least 3 steps
        h, new_h = (last_states(model, d, input_dim) for d in (digits, new_digits))
        predicted = readout_predictor(h, target, new_h)
    return (predicted == new_target).double().mean().item()


def table(rows, lengths):
    """Markdown: median (lowest to highest) accuracy in % over the seeds, a row per weights and input."""
    lines = [
        f"| only the readout is trained | input | {' | '.join(map(str, lengths))} |",
        "|---" * (2 + len(lengths)) + "|",
    ]
    for name, input_dim in dict.fromkeys((name, input_dim) for name, input_dim, *_ in rows):
        cells = []
        for length in lengths:
            values = sorted(100 * row[-1] for row in rows if row[:3] == (name, input_dim, length))
            cells.append(f"{statistics.median(values):.1f} ({values[0]:.1f} to {values[-1]:.1f})")
        lines.append(f"| {name} | {'raw' if input_dim == 1 else 'one-hot'} | {' | '.join(cells)} |")
    return "\n".join(lines)


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
    config = parser.parse_args(argv)
    torch.set_num_threads(1)
    rows = []
    try:
        folder = Path(config.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        points = [
            (name, input_dim, length, seed)
            for name in (*COUNTS, *CELLS)
            for input_dim in config.input_dim
            for length in config.input_length
            for seed in range(config.seeds)
        ]
        with Progress(len(points), unit="point") as progress:
            for name, input_dim, length, seed in points:
                sizes = config.num_hidden, config.palindromes, config.held_out
                rows.append((name, input_dim, length, seed, accuracy(name, length, input_dim, seed, *sizes)))
                progress.advance(f"{name}, length {length}")
        lines = ["weights,input_dim,input_length,seed,accuracy,palindromes"]
        lines += [
            f'"{name}",{dim},{length},{seed},{value:.4f},{config.held_out}' for name, dim, length, seed, value in rows
        ]
        write_atomically(folder / "reservoir.csv", "\n".join(lines) + "\n")
    except (ValueError, OSError) as error:
        parser.error(error)
    print(table(rows, config.input_length))


if __name__ == "__main__":
    main()
