"""Compare SGD, momentum, RMSProp and Adam (question 1.4): on palindromes, and on three surfaces that can be seen.

python part1/experiments/optimizers.py

Writes optimizers.csv, the accuracy that each update rule reaches at each learning rate, and optimizer_paths.csv, its
way over the surfaces; part1/experiments/plot_optimizers.py draws them.
"""

import math
import sys
from pathlib import Path

if not __package__:  # run as `python part1/experiments/compare_optimizers.py`: import from the checkout, not from there
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import torch
from torch import nn

from common.arguments import Parser, whole_number
from common.ending import DivergedError
from common.files import write_atomically
from common.progress import Progress
from part1.train import OPTIMIZERS, build_parser, prepare_process, train

ROOT = Path(__file__).resolve().parents[2]
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


def walk(surface, start, optimizer, rate, max_norm=None):
    """The points an update rule passes on a surface, gradients clipped to max_norm if given: list of (x, y)."""
    point = nn.Parameter(torch.tensor(start, dtype=torch.float64))
    rule = OPTIMIZERS[optimizer]([point], rate)
    points = [tuple(point.tolist())]
    for _ in range(PATH_STEPS):
        rule.zero_grad()
        surface(*point).backward()
        if max_norm:
            nn.utils.clip_grad_norm_([point], max_norm)
        rule.step()
        points.append(tuple(point.tolist()))
    return points


def best_walk(name, optimizer, max_norm=None):
    """Of a walk for each of PATH_RATES, that which ends lowest and never leaves what is drawn: its rate, its points."""
    surface, start, limits = SURFACES[name]
    best = math.inf, None, None
    for rate in PATH_RATES:
        points = walk(surface, start, optimizer, rate, max_norm)
        if all(low <= z <= high for point in points for z, (low, high) in zip(point, limits, strict=True)):
            best = min(best, (surface(*torch.tensor(points[-1])).item(), rate, points))
    return best[1:]


def paths():
    """[(surface, path, rate, points)]: every rule on ravine and saddle; SGD over the cliff, clipped and not.

    Each at its own best rate, and SGD without clipping also at the best rate with it.
    """
    found = [
        (name, optimizer, *best_walk(name, optimizer)) for name in ("ravine", "saddle") for optimizer in OPTIMIZERS
    ]
    rate, points = best_walk("cliff", "sgd", MAX_NORM)
    found.append(("cliff", "sgd, clipped", rate, points))
    found.append(("cliff", "sgd, same rate", rate, walk(*SURFACES["cliff"][:2], "sgd", rate)))
    found.append(("cliff", "sgd, own rate", *best_walk("cliff", "sgd")))
    return found


def accuracy_at(optimizer, rate, seed, config):
    """Held-out accuracy, 0 to 1, of part 1's vanilla RNN on one-hot palindromes; None if it diverged."""
    flags = (
        f"--model_type RNN --input_dim 10 --device cpu --input_length {config.input_length} --patience 0 --train_steps "
    )
    flags += f"{config.train_steps} --eval_every {config.train_steps} --optimizer {optimizer} --seed {seed}"
    try:
        return train(build_parser().parse_args([*flags.split(), "--learning_rate", str(rate)]), show=False)["accuracy"]
    except DivergedError:
        return None


def main(argv=None):
    parser = Parser(__doc__.split("\n")[0])
    parser.add_argument("--input_length", type=whole_number(1, 10_000), default=10, help="digits to read")
    parser.add_argument("--train_steps", type=whole_number(1, 10**9), default=500, help="updates of every run")
    parser.add_argument("--seeds", type=whole_number(1, 1_000), default=5, help="seeds 0, 1, … of every setting")
    parser.add_argument("--output_dir", default=str(ROOT / "results/part1"), help="folder for the CSV files")
    config = parser.parse_args(argv)
    prepare_process()
    try:
        folder = Path(config.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        lines = ["surface,path,rate,step,x,y"]
        for surface, name, rate, points in paths():
            lines += [f'{surface},"{name}",{rate:.4g},{step},{x:.5g},{y:.5g}' for step, (x, y) in enumerate(points)]
        write_atomically(folder / "optimizer_paths.csv", "\n".join(lines) + "\n")

        lines = ["input_length,updates,optimizer,learning_rate,seed,accuracy"]  # no accuracy: diverged
        setting = f"{config.input_length},{config.train_steps}"
        with Progress(len(OPTIMIZERS) * len(RATES) * config.seeds, unit="run") as progress:
            for optimizer in OPTIMIZERS:
                for rate in RATES:
                    for seed in range(config.seeds):
                        accuracy = accuracy_at(optimizer, rate, seed, config)
                        accuracy = "" if accuracy is None else f"{accuracy:.4f}"
                        lines.append(f"{setting},{optimizer},{rate:.4g},{seed},{accuracy}")
                        progress.advance(f"{optimizer}, rate {rate:.2g}")
        write_atomically(folder / "optimizers.csv", "\n".join(lines) + "\n")
    except (ValueError, OSError) as error:
        parser.error(error)


if __name__ == "__main__":
    main()
