"""Draw how SGD, momentum, RMSProp and Adam compare, from the CSV files of part1/compare_optimizers.py.

python part1/plot_optimizers.py
"""

import csv
import statistics
import sys
from collections import defaultdict
from pathlib import Path

if not __package__:  # run as `python part1/plot_optimizers.py`: import from the checkout, not from part1/
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import numpy as np
import torch

from common.arguments import Parser
from common.figures import BLUE, GREEN, ORANGE, VERMILION, new_figure, save_figure
from part1.compare_optimizers import SURFACES

ROOT = Path(__file__).resolve().parents[1]
GOOD = 0.99
STYLES = {
    "sgd": ("SGD", ORANGE, ":", "s"),
    "momentum": ("momentum", GREEN, "-.", "^"),
    "rmsprop": ("RMSProp", BLUE, "-", "o"),
    "adam": ("Adam", VERMILION, "--", "D"),
    "sgd, not clipped": ("SGD", VERMILION, ":", "s"),
    "sgd, clipped": ("SGD, gradient clipped", BLUE, "-", "o"),
}


def read_accuracies(path):
    """{optimizer: {learning rate: [accuracy of each seed, sorted]}}; a run that diverged counts as chance, 0.1."""
    found = defaultdict(lambda: defaultdict(list))
    for row in _rows(path, ("optimizer", "learning_rate", "seed", "accuracy")):
        found[row["optimizer"]][float(row["learning_rate"])].append(float(row["accuracy"] or 0.1))
    return {name: {rate: sorted(values) for rate, values in rates.items()} for name, rates in found.items()}


def read_paths(path):
    """{surface: {path: (learning rate, [(x, y)])}}."""
    found = defaultdict(dict)
    for row in _rows(path, ("surface", "path", "rate", "step", "x", "y")):
        _, points = found[row["surface"]].setdefault(row["path"], (float(row["rate"]), []))
        points.append((float(row["x"]), float(row["y"])))
    return found


def _rows(path, columns):
    with open(path, newline="") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != columns:
            raise ValueError(f"{path} is not a table of part1/compare_optimizers.py")
        rows = list(reader)
    if not rows:
        raise ValueError(f"{path} holds no rows")
    return rows


def good_rates(rates):
    """The learning rates at which every seed reaches GOOD, in order."""
    return [rate for rate, values in sorted(rates.items()) if values[0] >= GOOD]


def accuracy_figure(accuracies):
    """Accuracy against the learning rate, a line per optimizer: median of the seeds and their range."""
    fig, ax = new_figure(width=7.2, height=3.8)
    for name, rates in accuracies.items():
        label, colour, line, marker = STYLES[name]
        at = sorted(rates)
        seeds = [[100 * a for a in rates[rate]] for rate in at]
        ax.fill_between(at, [s[0] for s in seeds], [s[-1] for s in seeds], color=colour, alpha=0.15, lw=0)
        good = good_rates(rates)
        note = f"{min(good):.2g} to {max(good):.2g}" if len(good) > 1 else f"{good[0]:.2g}" if good else "none"
        ax.plot(at, [statistics.median(s) for s in seeds], line, color=colour, marker=marker, label=f"{label}: {note}")
    ax.axhline(10, color="0.3", lw=0.8, ls=(0, (1, 2)))
    ax.set_xscale("log")
    ax.set_ylim(0, 103)
    ax.set_xlabel("learning rate")
    ax.set_ylabel("accuracy on held-out palindromes (%)")
    ax.legend(title="rates with 99 % on every seed", fontsize=8, title_fontsize=8)
    count = {name: len(good_rates(rates)) for name, rates in accuracies.items()}
    best = max(count, key=count.get)
    ax.set_title(
        f"{STYLES[best][0]} forgives most: {count[best]} of the {len(at)} rates are good on every seed\n"
        f"line: median of {len(seeds[0])} seeds, band: lowest to highest; dots: chance"
    )
    return fig


def paths_figure(paths):
    """Contours of the three surfaces, and the way that each rule takes over them."""
    fig, axes = new_figure(1, 3, width=12, height=4.0)
    titles = {
        "ravine": "ravine: SGD swings across and crawls along",
        "saddle": "saddle: scaling each coordinate leaves it at once",
        "cliff": "cliff: one long gradient throws away what was found",
    }
    for ax, (surface, ways) in zip(axes, paths.items(), strict=True):
        function, start, (xs, ys) = SURFACES[surface]
        x, y = np.meshgrid(np.linspace(*xs, 200), np.linspace(*ys, 200))
        z = function(torch.from_numpy(x), torch.from_numpy(y)).numpy()
        levels = np.quantile(z, np.linspace(0, 1, 16)) if surface != "cliff" else np.linspace(0, 0.5, 16)
        ax.contourf(x, y, z, levels=np.unique(levels), cmap="Greys", alpha=0.5)
        for name, (rate, points) in ways.items():
            label, colour, line, marker = STYLES[name]
            px, py = zip(*points, strict=True)
            ax.plot(px, py, line, color=colour, marker=marker, ms=3, lw=1.3, markevery=3, label=f"{label}, {rate:.2g}")
        ax.plot(*start, "k*", ms=10)
        ax.set_xlim(*xs)
        ax.set_ylim(*ys)
        ax.grid(visible=False)
        ax.set_title(titles[surface], fontsize=9)
        ax.set_xlabel("weight w" if surface == "cliff" else "x")
        ax.set_ylabel("bias b" if surface == "cliff" else "y")
        ax.legend(fontsize=7, framealpha=0.9, frameon=True, edgecolor="0.8", loc="best")
    steps = len(points) - 1
    fig.suptitle(f"{steps} updates from the star, at the learning rate given (dark is high)", fontsize=10)
    return fig


def main(argv=None):
    parser = Parser(__doc__.split("\n")[0])
    parser.add_argument("--csv_dir", default=str(ROOT / "results/part1"), help="folder of the two tables")
    parser.add_argument("--output_dir", default=str(ROOT / "results/part1"), help="folder for the two figures")
    config = parser.parse_args(argv)
    try:
        accuracies = read_accuracies(Path(config.csv_dir) / "optimizers.csv")
        paths = read_paths(Path(config.csv_dir) / "optimizer_paths.csv")
        folder = Path(config.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        save_figure(accuracy_figure(accuracies), folder / "optimizers.png")
        save_figure(paths_figure(paths), folder / "optimizer_paths.png")
    except (ValueError, KeyError, OSError) as error:
        parser.error(error)
    print("| optimizer | best rate | accuracy there, median (lowest to highest) | rates with 99 % on every seed |")
    print("|---|---|---|---|")
    for name, rates in accuracies.items():
        best = max(rates, key=lambda rate: (statistics.median(rates[rate]), rates[rate][0]))
        values = rates[best]
        print(
            f"| {STYLES[name][0]} | {best:.2g} | {statistics.median(values):.4f} ({values[0]:.4f} to {values[-1]:.4f}) "
            f"| {', '.join(f'{rate:.2g}' for rate in good_rates(rates)) or 'none'} |"
        )


if __name__ == "__main__":
    main()
