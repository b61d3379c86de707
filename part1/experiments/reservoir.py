"""How far does a cell remember with its random first weights, only the readout trained? The baseline to beat.

python part1/experiments/reservoir.py

The recurrent weights stay as they were drawn; W_ph and b_p are found by least squares on h_T of training palindromes.
Beside them two predictors that only count: one sees the last digits read, as an n-gram does, one the first digit.
Writes reservoir.csv: accuracy on held-out palindromes.
"""

import sys
from pathlib import Path

if not __package__:  # run as `python part1/experiments/reservoir.py`: import from the checkout, not from there
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

import torch
import torch.nn.functional as F

from common.figures import table_script
from part1.dataset import PalindromeDataset, encode
from part1.train import build_model, settings

# The digits counted, the last 3 or the first. Where T - 1 ≤ 3 the last 3 include the first.
COUNTS = {"counts, last 3 digits": slice(-3, None), "counts, first digit": slice(0, 1)}
LATCH = "RNN, latch (engineered)"
CELLS = ("RNN, default", "RNN, orthogonal", "RNN, identity", LATCH, "LSTM, default", "LSTM, chrono")
TRAINING, HELD_OUT = 5_000, 3_000  # palindromes: to train the readout on, to test it on
COLUMNS = ("weights", "input_dim", "input_length", "seed", "accuracy", "palindromes")


def count_predictor(digits, target, new_digits):
    """Predict targets (N',) of new_digits (N', n) by the most frequent one after the same n digits (N, n).

    An unseen context gets 0. No other predictor of these digits is better on what was counted.
    """
    places = 10 ** torch.arange(digits.shape[1])
    contexts, new_contexts = ((d * places).sum(dim=1) for d in (digits, new_digits))
    counts = torch.bincount(10 * contexts + target, minlength=10 ** (len(places) + 1)).view(-1, 10)
    return counts.argmax(dim=1)[new_contexts]


@torch.no_grad()
def last_states(model, digits, chunk=500):
    """h_T of one-hot palindromes' digits (N, T - 1), and a 1 for the bias: (N, H + 1), float64."""
    states = [model(encode(some, 10), return_states=True)[1] for some in digits.split(chunk)]
    h = torch.cat([(s[0] if isinstance(s, tuple) else s)[:, -1] for s in states])
    return F.pad(h.double(), (0, 1), value=1.0)


def readout_predictor(h, target, new_h):
    """Predict targets (N',) of states new_h by the least-squares readout of h (N, H + 1) onto one-hot targets (N,).

    Solved by singular values: the states need not have full rank, and what is left of a digit may be as weak as
    rounding lets it.
    """
    W = torch.linalg.lstsq(h, F.one_hot(target, 10).double(), driver="gelsd").solution  # (H + 1, 10)
    return (new_h @ W).argmax(dim=1)


def accuracy(name, length, seed):
    """Held-out accuracy, 0 to 1, of a row of the table, on palindromes with `length` digits to read."""
    digits, target = PalindromeDataset(length + 1, seed).batch(TRAINING)
    new_digits, new_target = PalindromeDataset(length + 1, seed, held_out=True).batch(HELD_OUT)
    if name in COUNTS:
        predicted = count_predictor(digits[:, COUNTS[name]], target, new_digits[:, COUNTS[name]])
    else:
        cell, init = name.removesuffix(" (engineered)").split(", ")
        sizes = {"input_dim": 10, "input_length": max(3, length)}  # 3: for chrono
        model = build_model(settings(model_type=cell, init=init, seed=seed, **sizes))
        predicted = readout_predictor(last_states(model, digits), target, last_states(model, new_digits))
    return (predicted == new_target).double().mean().item()


def measure(flags, points):
    """Yield the table."""
    measured = points.each(accuracy, (*COUNTS, *CELLS), flags.input_length, range(flags.seeds))
    rows = ((name, 10, length, seed, f"{share:.4f}", HELD_OUT) for (name, length, seed), share in measured)
    yield "reservoir", COLUMNS, rows


if __name__ == "__main__":
    table_script(
        __doc__,
        measure,
        "part1",
        input_length=(1, 100_000, [1, 2, 5, 10, 20, 50, 100], "digits to read, T - 1"),
        seeds=(1, 1_000, 10, "seeds 0, 1, … of every row"),
    )
