"""What is each gate of the LSTM for? Take it away, or exchange its non-linearity, and train (question 1.5 a).

python part1/experiments/gates.py

One-hot palindromes, part1/train.py's loop and default settings, until two consecutive held-out evaluations reach 99.9 %
or the updates are spent; whether that has solved the length is then decided by part1/solved.py. Writes
gates_ablation.csv (the variants), gates_forget_bias.csv (first forget biases against length) and gates_activations.csv
(the gates of a trained LSTM, by first digit); plot_gates.py draws them.
"""

import sys
from functools import partial
from itertools import product
from pathlib import Path

if not __package__:  # run as `python part1/experiments/gates.py`: import from the checkout, not from there
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

import torch
import torch.nn.functional as F
from torch import nn

from common.figures import table_script
from common.training import DivergedError
from part1 import train
from part1.dataset import PalindromeDataset, encode
from part1.lstm import LSTM
from part1.playground import NETWORKS, read_network
from part1.solved import is_solved


class Exchanged(LSTM):
    """The LSTM with some gates exchanged: `Exchanged(D, H, K, i=function of the four sums a, a dict by gate)`."""

    def __init__(self, *sizes, **functions):
        super().__init__(*sizes)
        self.functions = functions

    def gates(self, *sums):
        a = dict(zip("gifo", sums, strict=True))
        gates = dict(zip("gifo", super().gates(*sums), strict=True))
        return [self.functions[name](a) if name in self.functions else gates[name] for name in "gifo"]


class Unsquashed(LSTM):
    """The LSTM with h = c ⊙ o in equation 9."""

    def step(self, x_t, h, c, joined):
        _, c = super().step(x_t, h, c, joined)
        *_, o = self.gates(*self.sums(x_t, h, joined))
        return c * o, c


VARIANTS = {
    "LSTM": LSTM,
    "i = 1": partial(Exchanged, i=lambda a: torch.ones_like(a["i"])),
    "f = 1": partial(Exchanged, f=lambda a: torch.ones_like(a["f"])),
    "o = 1": partial(Exchanged, o=lambda a: torch.ones_like(a["o"])),
    "i = 1 - f": partial(Exchanged, i=lambda a: 1 - a["f"].sigmoid()),  # let in what is given up (Greff et al. 2017)
    "g linear": partial(Exchanged, g=lambda a: a["g"]),
    "g sigmoid": partial(Exchanged, g=lambda a: a["g"].sigmoid()),
    "i tanh": partial(Exchanged, i=lambda a: a["i"].tanh()),
    "f tanh": partial(Exchanged, f=lambda a: a["f"].tanh()),
    "o tanh": partial(Exchanged, o=lambda a: a["o"].tanh()),
    "h = c o": Unsquashed,
}
FORGET_BIASES = (-1, 0, 1, 2, 3, 5)


def with_forget_bias(b_f, *sizes):
    model = LSTM(*sizes)
    nn.init.constant_(model.b_f, b_f)
    return model


def trained(build, length, seed, updates, patience=2):
    """Train the LSTM that `build(D, H, K)` makes; the variants of a seed start from the same weights.

    Returns the model, its held-out accuracy as text, the updates made, and 1 if it has solved the length. A run that
    diverges counts as chance, 0.1, after all its updates.
    """
    run = {"input_length": length, "seed": seed, "train_steps": updates, "patience": patience}
    config = train.settings(input_dim=10, device="cpu", **run)
    torch.manual_seed(seed)
    model = build(config.input_dim, config.num_hidden, config.num_classes)
    try:
        result = train.train(config, model, train.build_training_set(config), show=False)
    except DivergedError:
        result = {"accuracy": 0.1, "steps": updates, "palindromes": 1}
    solved = is_solved(result["accuracy"], result["palindromes"], length)
    return model, f"{result['accuracy']:.4f}", result["steps"], int(solved)


def ablation(flags, points):
    """Rows of gates_ablation.csv: every variant, length and seed."""

    def variant(name, length, seed):
        return trained(VARIANTS[name], length, seed, flags.updates)[1:]

    for point, result in points.each(variant, VARIANTS, flags.input_length, range(flags.seeds)):
        yield *point, *result


def forget_bias(flags, points):
    """Rows of gates_forget_bias.csv: lengths in order, until one is not solved: longer ones are not tried."""

    def biased(b_f, seed):
        rows = []
        for length in sorted(flags.bias_length):
            _, *result = trained(partial(with_forget_bias, b_f), length, seed, flags.bias_updates)
            rows.append((b_f, length, seed, *result))
            if result[-1] == 0:
                break
        return rows

    for _, rows in points.each(biased, FORGET_BIASES, range(flags.bias_seeds)):
        yield from rows


@torch.no_grad()
def run_gates(model, x):
    """g, i, f, o and c at every step of x (B, T, D): a dict of (B, T, H)."""
    _, (h, c) = model(x, return_states=True)
    h_before = F.pad(h, (0, 0, 1, -1))  # h_0 … h_{T-1} (B, T, H)
    columns = (s.flatten(0, 1).T for s in (x, h_before))  # all steps beside each other: (D, B T), (H, B T)
    gates = model.gates(*model.sums(*columns, model.joined()))
    return dict(zip("gifoc", [*(gate.T.view(c.shape) for gate in gates), c], strict=True))


def share_explained(values, classes):
    """Share of the variance of values (N, …) that lies between their classes (N,), 0 to 1: (…); 0 if it is constant.

    The squared correlation ratio η²: 1 where the class fixes the value, about 0 where it says nothing.
    """
    means = torch.stack([values[classes == k].mean(dim=0) for k in range(int(classes.max()) + 1)])  # of each class
    share = means[classes].var(dim=0, correction=0) / values.var(dim=0, correction=0)
    return share.nan_to_num(0)  # 0 / 0


def activations(length=20, palindromes=2_000, units=6):
    """Rows of gates_activations.csv: gates and cell of the committed LSTM, taught at 10 digits, while it reads more.

    Means over the held-out palindromes with each first digit. The units are spread evenly over the ranks of the share
    of the variance of c_t that the first digit explains at the end; the last column is that share at t.
    """
    _, _, model = read_network(NETWORKS / "LSTM_10.pt")
    digits, _ = PalindromeDataset(length + 1, 1, held_out=True).batch(palindromes)
    over_time = run_gates(model, encode(digits, 10))
    first = digits[:, 0]
    share = share_explained(over_time["c"].double(), first)  # (T, H)
    ranked = share[-1].argsort(descending=True)
    shown = ranked[torch.linspace(0, len(ranked) - 1, units).long()].tolist()
    means = {name: torch.stack([gate[first == k].mean(dim=0) for k in range(10)]) for name, gate in over_time.items()}
    for unit, k, t in product(shown, range(10), range(length)):
        values = (*(means[name][k, t, unit] for name in "gifoc"), share[t, unit])
        yield unit, k, t + 1, *(f"{value:.3f}" for value in values)


def measure(flags, points):
    """Yield the three tables."""
    columns = ("unit", "first_digit", "t", *"gifoc", "first_digit_share")
    yield "gates_activations", columns, activations()
    columns = ("input_length", "seed", "accuracy", "updates", "solved")
    yield "gates_ablation", ("variant", *columns), ablation(flags, points)
    yield "gates_forget_bias", ("b_f", *columns), forget_bias(flags, points)


if __name__ == "__main__":
    table_script(
        __doc__,
        measure,
        "part1",
        input_length=(1, 100_000, [10, 20], "digits to read, of variants"),
        bias_length=(1, 100_000, [10, 20, 30, 50], "digits to read, of forget biases"),
        seeds=(1, 1_000, 5, "seeds 0, 1, … of every variant"),
        bias_seeds=(1, 1_000, 3, "seeds of every forget bias"),
        updates=(1, 10**6, 800, "updates of a variant, at most"),
        bias_updates=(1, 10**6, 500, "updates with a forget bias, at most"),
    )
