"""Compare SGD, momentum, RMSProp and Adam (question 1.4): on palindromes, and on three surfaces that can be seen.

python part1/experiments/optimizers.py

Writes optimizers.csv, the accuracy that each update rule reaches at each learning rate, and optimizer_paths.csv, its
way over the surfaces; plot_optimizers.py draws them.
"""

import math
import sys
from itertools import product
from pathlib import Path

if not __package__:  # run as `python part1/experiments/optimizers.py`: import from the checkout, not from there
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

import torch
from torch import nn

from common.figures import table_script
from common.training import DivergedError
from part1 import train

RATES = [10 ** (n / 2) for n in range(-8, 1)]  # 0.0001 to 1, half a decade apart
PATH_RATES = [10 ** (n / 4) for n in range(-16, 5)]  # 0.0001 to 10, a quarter of a decade apart
PATH_STEPS = 60
MAX_NORM = 1.0  # of the clipped paths over the cliff; part1/train.py's own is 10


def ravine(x, y):
    """A quadratic whose curvature is 50 times greater across (y) than along (x); lowest at (0, 0).

    Its axes are the coordinates': the best case for RMSProp and Adam, which scale each coordinate by itself.
    """
    return (x**2 + 50 * y**2) / 2


def saddle(x, y):
    """Falls along y on both sides of a saddle at (0, 0), to -1/4 at (0, ±1)."""
    return x**2 / 2 - y**2 / 2 + y**4 / 4


def cliff(w, b):
    """(σ(h_50) - 0.7)² of a recurrent network of one unit, h_t = w σ(h_{t-1}) + b, h_0 = 0 (Pascanu et al. 2013)."""
    h = torch.zeros_like(w)
    for _ in range(50):
        h = w * h.sigmoid() + b
    return (h.sigmoid() - 0.7) ** 2


# The surface, where every path over it begins, and how far it is drawn: x and y from, to.
SURFACES = {
    "ravine": (ravine, (-4.0, 1.0), ((-5.0, 2.0), (-1.5, 1.5))),
    "saddle": (saddle, (-1.5, 0.01), ((-2.0, 1.0), (-0.5, 1.6))),
    "cliff": (cliff, (5.0, -2.35), ((3.0, 6.0), (-3.2, 0.6))),
}


def walks(surface, start, optimizer, rates, max_norm=None):
    """The points an update rule passes from `start`, at all `rates` at once: (PATH_STEPS + 1, number of rates, 2).

    With `max_norm` every gradient is clipped to this length.
    """
    points = [nn.Parameter(torch.tensor(start, dtype=torch.float64)) for _ in rates]
    groups = [{"params": [point], "lr": rate} for point, rate in zip(points, rates, strict=True)]
    rule = train.OPTIMIZERS[optimizer](groups, lr=0.0)  # each group has its own
    passed = [torch.stack(points).detach()]
    for _ in range(PATH_STEPS):
        rule.zero_grad()
        surface(*torch.stack(points).T).sum().backward()  # no point knows of another
        for point in points if max_norm else ():
            nn.utils.clip_grad_norm_(point, max_norm)
        rule.step()
        passed.append(torch.stack(points).detach())
    return torch.stack(passed)


def best_walk(name, optimizer, max_norm=None):
    """Of the walks at PATH_RATES, that which ends lowest and never leaves what is drawn: its rate, its points."""
    surface, start, limits = SURFACES[name]
    points = walks(surface, start, optimizer, PATH_RATES, max_norm)
    low, high = torch.tensor(limits, dtype=torch.float64).T
    inside = ((low <= points) & (points <= high)).all(dim=2).all(dim=0)
    height = surface(*points[-1].T).float()  # of heights that are equal to seven digits the lowest rate counts
    best = torch.where(inside, height, math.inf).argmin()
    return PATH_RATES[best], points[:, best]


def paths():
    """Rows of optimizer_paths.csv: every rule on ravine and saddle; SGD over the cliff, clipped and not.

    Each at its own best rate, and SGD without clipping also at the best rate with it.
    """
    rate, clipped = best_walk("cliff", "sgd", MAX_NORM)
    both = product(("ravine", "saddle"), train.OPTIMIZERS)
    found = [
        *((surface, rule, *best_walk(surface, rule)) for surface, rule in both),
        ("cliff", "sgd, clipped", rate, clipped),
        ("cliff", "sgd, same rate", rate, walks(*SURFACES["cliff"][:2], "sgd", [rate])[:, 0]),
        ("cliff", "sgd, own rate", *best_walk("cliff", "sgd")),
    ]
    for surface, path, rate, points in found:
        for step, (x, y) in enumerate(points.tolist()):
            yield surface, path, f"{rate:.4g}", step, f"{x:.5g}", f"{y:.5g}"


def accuracy_at(optimizer, rate, seed, input_length, updates):
    """Held-out accuracy, 0 to 1, of part 1's vanilla RNN on one-hot palindromes, as text; None if it diverged."""
    run = {"optimizer": optimizer, "learning_rate": rate, "seed": seed, "train_steps": updates, "eval_every": updates}
    config = train.settings(input_dim=10, input_length=input_length, patience=0, device="cpu", **run)
    try:
        result = train.train(config, train.build_model(config), train.build_training_set(config), show=False)
    except DivergedError:
        return None
    return f"{result['accuracy']:.4f}"


def measure(flags, points):
    """Yield both tables."""
    yield "optimizer_paths", ("surface", "path", "rate", "step", "x", "y"), paths()
    length, updates = flags.input_length, flags.train_steps

    def accuracy(*point):
        return accuracy_at(*point, length, updates)

    rows = (
        (length, updates, optimizer, f"{rate:.4g}", seed, reached)
        for (optimizer, rate, seed), reached in points.each(accuracy, train.OPTIMIZERS, RATES, range(flags.seeds))
    )
    yield "optimizers", ("input_length", "updates", "optimizer", "learning_rate", "seed", "accuracy"), rows


if __name__ == "__main__":
    table_script(
        __doc__,
        measure,
        "part1",
        input_length=(1, 10_000, 10, "digits to read"),
        train_steps=(1, 10**9, 500, "updates of every run"),
        seeds=(1, 1_000, 5, "seeds 0, 1, … of every setting"),
    )
