"""Draw how SGD, momentum, RMSProp and Adam compare, from the CSV files of part1/experiments/optimizers.py.

python part1/experiments/plot_optimizers.py
"""

import statistics
import sys
from collections import defaultdict
from pathlib import Path

if not __package__:  # run as `python part1/experiments/plot_optimizers.py`: import from the checkout, not from there
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import numpy as np
import torch

from common.arguments import Parser
from common.figures import BLUE, GREEN, ORANGE, VERMILION, new_figure, save_figure
from common.table import read_table
from part1.experiments.optimizers import SURFACES

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = "part1/experiments/optimizers.py"
GOOD = 0.99
STYLES = {
    "sgd": ("SGD", ORANGE, ":", "s"),
    "momentum": ("momentum", GREEN, "-.", "^"),
    "rmsprop": ("RMSProp", BLUE, "-", "o"),
    "adam": ("Adam", VERMILION, "--", "D"),
    "sgd, clipped": ("SGD clipped to length 1", BLUE, "-", "o"),
    "sgd, same rate": ("SGD not clipped, same rate", VERMILION, ":", "s"),
    "sgd, own rate": ("SGD not clipped, own rate", GREEN, "-.", "^"),
}
# A surface's title, and what path_measure says of the paths over it.
TITLES = {
    "ravine": ("ravine: SGD swings across, then crawls along", "height at the end"),
    "saddle": ("saddle: a scale for each coordinate leaves it soonest", "updates until |y| > 0.5"),
    "cliff": ("cliff: one long gradient throws away what was found", "height at the end"),
}


def read_accuracies(path):
    """(digits to read, updates), {optimizer: {learning rate: [accuracy of each seed, sorted]}}, runs that diverged.

    A run that diverged counts as chance, 0.1. Raises ValueError or OSError, as `read_paths` does.
    """
    found, diverged = defaultdict(lambda: defaultdict(list)), 0
    numbers = {"input_length": int, "updates": int, "learning_rate": float}
    rows = read_table(path, {**numbers, "optimizer": str, "accuracy": str}, SCRIPT)
    for row in rows:
        found[row["optimizer"]][row["learning_rate"]].append(float(row["accuracy"] or 0.1))
        diverged += row["accuracy"] == ""
    accuracies = {name: {rate: sorted(values) for rate, values in rates.items()} for name, rates in found.items()}
    return (rows[0]["input_length"], rows[0]["updates"]), accuracies, diverged


def read_paths(path):
    """{surface: {path: (learning rate, [(x, y)])}}."""
    found = defaultdict(dict)
    for row in read_table(path, {"surface": str, "path": str, "rate": float, "x": float, "y": float}, SCRIPT):
        _, points = found[row["surface"]].setdefault(row["path"], (row["rate"], []))
        points.append((row["x"], row["y"]))
    return found


def good_rates(rates):
    """The learning rates at which every seed reaches GOOD, in order."""
    return [rate for rate, values in sorted(rates.items()) if values[0] >= GOOD]


def best_rate(rates):
    """The learning rate with the highest median accuracy over the seeds, then the highest lowest one."""
    return max(rates, key=lambda rate: (statistics.median(rates[rate]), rates[rate][0]))


def accuracy_figure(setting, accuracies):
    """Accuracy against the learning rate, a panel per optimizer: median of the seeds, and a dot for each."""
    fig, axes = new_figure(1, len(accuracies), width=11.5, height=3.6, sharey=True)
    for ax, (name, rates) in zip(axes, accuracies.items(), strict=True):
        label, colour, line, marker = STYLES[name]
        at = sorted(rates)
        for rate in at:
            dots = [100 * a for a in rates[rate]]
            ax.plot([rate] * len(dots), dots, "o", color=colour, ms=4, alpha=0.5, mew=0, clip_on=False)
        ax.plot(at, [100 * statistics.median(rates[rate]) for rate in at], line, color=colour, marker=marker)
        ax.axhline(10, color="0.3", lw=0.8, ls=(0, (1, 2)))
        ax.set_xscale("log")
        ax.set_ylim(0, 103)
        ax.set_xlabel("learning rate")
        good = [f"{rate:.2g}" for rate in good_rates(rates)] or ["no rate"]
        good = ", ".join(good) if len(good) < 3 else f"{len(good)} rates"  # more would not fit
        ax.set_title(f"{label}: best {best_rate(rates):.2g}\n99 % on every seed: {good}")
    axes[0].set_ylabel("accuracy on held-out palindromes (%)")
    axes[0].annotate("chance", (at[0], 10), xytext=(0, 3), textcoords="offset points", fontsize=7)
    count = {name: len(good_rates(rates)) for name, rates in accuracies.items()}
    most = max(count, key=count.get)
    fig.suptitle(
        f"{STYLES[most][0]} forgives most: {count[most]} of {len(at)} learning rates are good on every seed\n"
        f"vanilla RNN, {setting[0]} one-hot digits to read, after {setting[1]:,} updates; "
        f"line: median of {len(rates[at[0]])} seeds, dots: each",
        fontsize=10,
    )
    return fig


def path_measure(surface, points):
    """What tells the paths over a surface apart, as text: updates away from the saddle, or the height at the end."""
    if surface == "saddle":
        return str(next((step for step, (_, y) in enumerate(points) if abs(y) > 0.5), "never"))
    return f"{SURFACES[surface][0](*torch.tensor(points[-1], dtype=torch.float64)).item():.2g}"


def paths_figure(paths):
    """Contours of the three surfaces, and the way that each rule takes over them."""
    fig, axes = new_figure(1, 3, width=12, height=5.6)
    for ax, (surface, ways) in zip(axes, paths.items(), strict=True):
        function, start, (xs, ys) = SURFACES[surface]
        title, measure = TITLES[surface]
        x, y = np.meshgrid(np.linspace(*xs, 200), np.linspace(*ys, 200))
        z = function(torch.from_numpy(x), torch.from_numpy(y)).numpy()
        levels = np.quantile(z, np.linspace(0, 1, 16)) if surface != "cliff" else np.linspace(0, 0.5, 16)
        ax.contourf(x, y, z, levels=np.unique(levels), cmap="Greys", alpha=0.5)
        for name, (rate, points) in ways.items():
            label, colour, line, marker = STYLES[name]
            px, py = zip(*points, strict=True)
            label = f"{label} at {rate:.2g}: {path_measure(surface, points)}"
            ax.plot(px, py, line, color=colour, marker=marker, ms=3.5, lw=1.3, markevery=3, label=label)
        ax.plot(*start, "k*", ms=10)
        ax.set_xlim(*xs)
        ax.set_ylim(*ys)
        ax.grid(visible=False)
        ax.set_title(title, fontsize=9)
        ax.set_xlabel("weight w" if surface == "cliff" else "x")
        ax.set_ylabel("bias b" if surface == "cliff" else "y")
        ax.legend(title=f"rule at learning rate: {measure}", loc="upper center", bbox_to_anchor=(0.5, -0.13))
    fig.suptitle(
        f"{len(points) - 1} updates from the star (dark is high)\n"
        "learning rate: of a grid, that whose path ends lowest and never leaves the picture "
        "(“same rate”: the clipped one's)",
        fontsize=10,
    )
    return fig


def main(argv=None):
    parser = Parser(__doc__.split("\n")[0])
    parser.add_argument("--csv_dir", default=str(ROOT / "results/part1"), help="folder of the two tables")
    parser.add_argument("--output_dir", default=str(ROOT / "results/part1"), help="folder for the two figures")
    config = parser.parse_args(argv)
    try:
        setting, accuracies, diverged = read_accuracies(Path(config.csv_dir) / "optimizers.csv")
        paths = read_paths(Path(config.csv_dir) / "optimizer_paths.csv")
        folder = Path(config.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        save_figure(accuracy_figure(setting, accuracies), folder / "optimizers.png")
        save_figure(paths_figure(paths), folder / "optimizer_paths.png")
    except (ValueError, KeyError, OSError) as error:
        parser.error(error)
    print(f"{setting[0]} digits to read, {setting[1]} updates; runs that diverged: {diverged}\n")
    print("| optimizer | best rate | accuracy there, median (lowest to highest) | rates with 99 % on every seed |")
    print("|---|---|---|---|")
    for name, rates in accuracies.items():
        best = best_rate(rates)
        values = rates[best]
        print(
            f"| {STYLES[name][0]} | {best:.2g} | {statistics.median(values):.4f} ({values[0]:.4f} to {values[-1]:.4f}) "
            f"| {', '.join(f'{rate:.2g}' for rate in good_rates(rates)) or 'none'} |"
        )


if __name__ == "__main__":
    main()
