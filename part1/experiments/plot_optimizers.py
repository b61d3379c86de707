"""Draw how SGD, momentum, RMSProp and Adam compare, from the tables of optimizers.py.

python part1/experiments/plot_optimizers.py
"""

import sys
from pathlib import Path
from statistics import median

if not __package__:  # run as `python part1/experiments/plot_optimizers.py`: import from the checkout, not from there
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

import numpy as np
import torch

from common import figures
from common.figures import BLUE, GREEN, ORANGE, VERMILION
from common.tables import read_grouped
from part1.experiments.optimizers import SURFACES
from part1.plot_accuracy import accuracies

GOOD = 0.99
STYLES = {
    "sgd": ("SGD", ORANGE, ":", "s"),
    "momentum": ("momentum", GREEN, "-.", "^"),
    "rmsprop": ("RMSProp", BLUE, "-", "o"),
    "adam": ("Adam", VERMILION, "--", "D"),
    "sgd, clipped": ("clipped", BLUE, "-", "o"),
    "sgd, same rate": ("same rate", VERMILION, ":", "s"),
    "sgd, own rate": ("own rate", GREEN, "-.", "^"),
}
# A surface's title, and what path_measure says of the paths over it.
TITLES = {
    "ravine": ("ravine", "height at the end"),
    "saddle": ("saddle", "updates to |y| > 0.5"),
    "cliff": ("cliff of an RNN, SGD", "height at the end"),
}


def good_rates(rates):
    """The learning rates at which every seed reaches GOOD, as text."""
    return [f"{rate:.2g}" for rate, values in rates.items() if values[0] >= GOOD]


def best_rate(rates):
    """The learning rate with the highest median accuracy over the seeds, then the highest lowest one."""
    return max(rates, key=lambda rate: (median(rates[rate]), rates[rate][0]))


def accuracy_figure(run, reached):
    """Accuracy against the learning rate: median of the seeds for each optimizer, and a bar from lowest to highest."""
    fig, ax = figures.new_figure(width=figures.PAGE, height=2.5)
    for rank, (name, rates) in enumerate(reached.items()):
        label, colour, line, marker = STYLES[name]
        x = [rate * 1.06 ** (rank - 1.5) for rate in rates]  # beside each other
        seeds = 100 * np.array([*rates.values()])  # sorted: (rates, seeds)
        middle = np.median(seeds, axis=1)
        reach = [middle - seeds[:, 0], seeds[:, -1] - middle]
        label += f": best {best_rate(rates):.2g}; {len(good_rates(rates))} good"
        look = {"color": colour, "ls": line, "marker": marker, "ms": 4, "lw": 1.3, "elinewidth": 0.9, "capsize": 2}
        ax.errorbar(x, middle, reach, label=label, **look)
    ax.axhline(10, color="0.3", lw=0.8, ls=(0, (1, 2)), label="chance")
    ax.set(xscale="log", ylim=(0, 103), xlabel="learning rate", ylabel="held-out accuracy (%)")
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), title=f"good: {100 * GOOD:g} % on every seed")
    most = max(reached, key=lambda name: len(good_rates(reached[name])))
    fig.suptitle(
        f"{STYLES[most][0]} forgives most: {len(good_rates(reached[most]))} of {len(rates)} learning rates are good\n"
        f"vanilla RNN, {run['input_length']} one-hot digits, {run['updates']:,} updates; "
        f"marks: median of {seeds.shape[1]} seeds, bars: lowest to highest",
    )
    return fig


def path_measure(surface, points):
    """What tells the paths over a surface apart, as text: updates away from the saddle, or the height at the end."""
    if surface == "saddle":
        return str(next((step for step, (_, y) in enumerate(points) if abs(y) > 0.5), "never"))
    return f"{SURFACES[surface][0](*torch.tensor(points[-1], dtype=torch.float64)).item():.2g}"


def paths_figure(paths):
    """Contours of the three surfaces, and the way that each rule takes over them."""
    fig, axes = figures.new_figure(1, 3, width=figures.PAGE, height=3.4)
    found = {}
    for ax, (surface, ways) in zip(axes, paths.items(), strict=True):
        function, start, (xs, ys) = SURFACES[surface]
        x, y = torch.meshgrid(*(torch.linspace(*ends, 200, dtype=torch.float64) for ends in (xs, ys)), indexing="xy")
        z, share = function(x, y), torch.linspace(0, 1, 16, dtype=torch.float64)
        levels = share / 2 if surface == "cliff" else z.quantile(share).unique()
        ax.contourf(x, y, z, levels=levels, cmap="Greys", alpha=0.5)
        for name, rows in ways.items():
            label, colour, line, marker = STYLES[name]
            points = [(row["x"], row["y"]) for row in rows]
            found[surface, name] = path_measure(surface, points)
            label = f"{label}, {rows[0]['rate']:.2g}: {found[surface, name]}"
            look = {"color": colour, "marker": marker, "ms": 3, "lw": 1.2, "markevery": 3}
            ax.plot(*zip(*points, strict=True), line, label=label, **look)
        ax.plot(*start, "k*", ms=9)
        ax.grid(visible=False)
        title, measure = TITLES[surface]
        xlabel, ylabel = ("weight w", "bias b") if surface == "cliff" else "xy"
        ax.set(xlim=xs, ylim=ys, xlabel=xlabel, ylabel=ylabel, title=title)
        ax.legend(title=f"rule, rate: {measure}", loc="upper center", bbox_to_anchor=(0.45, -0.3), handlelength=1.6)
    fig.suptitle(
        f"Updates to leave the saddle: Adam {found['saddle', 'adam']}, SGD {found['saddle', 'sgd']}; height beyond the "
        f"cliff: clipped {found['cliff', 'sgd, clipped']}, else {found['cliff', 'sgd, own rate']}\n"
        f"{len(points) - 1} updates from the star; dark is high; each at its best rate of a grid "
        "(same rate: the clipped one's)\n"
        "The ravine along the axes suits adaptive rates; torch's RMSProp makes a first step of ten times the rate",
        fontsize=8,
    )
    return fig


def draw(folder):
    grouped = read_grouped(folder / "optimizers.csv", "optimizer", "learning_rate")
    reached = {name: {rate: accuracies(rates[rate]) for rate in sorted(rates)} for name, rates in grouped.items()}
    run = next(run for rates in grouped.values() for seeds in rates.values() for run in seeds)
    paths = read_grouped(folder / "optimizer_paths.csv", "surface", "path")
    return {"optimizers": accuracy_figure(run, reached), "optimizer_paths": paths_figure(paths)}, ""


if __name__ == "__main__":
    figures.plot_script(__doc__, draw, "part1", csv_dir=("part1", "folder of the two tables"))
