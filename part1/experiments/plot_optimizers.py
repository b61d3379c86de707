"""Draw how SGD, momentum, RMSProp and Adam compare, from the tables of optimizers.py.

python part1/experiments/plot_optimizers.py
"""

import sys
from pathlib import Path
from statistics import median

if not __package__:  # run as `python part1/experiments/plot_optimizers.py`: import from the checkout, not from there
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

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
    "sgd, clipped": ("SGD clipped to length 1", BLUE, "-", "o"),
    "sgd, same rate": ("SGD not clipped, same rate", VERMILION, ":", "s"),
    "sgd, own rate": ("SGD not clipped, own rate", GREEN, "-.", "^"),
}
# A surface's title, and what path_measure says of the paths over it.
TITLES = {
    "ravine": ("ravine, along the axes: height at the end", "height at the end"),
    "saddle": ("saddle: updates until |y| > 0.5", "updates until |y| > 0.5"),
    "cliff": ("cliff of a one-unit RNN: height at the end", "height at the end"),
}


def good_rates(rates):
    """The learning rates at which every seed reaches GOOD, as text."""
    return [f"{rate:.2g}" for rate, values in rates.items() if values[0] >= GOOD]


def best_rate(rates):
    """The learning rate with the highest median accuracy over the seeds, then the highest lowest one."""
    return max(rates, key=lambda rate: (median(rates[rate]), rates[rate][0]))


def accuracy_figure(run, reached):
    """Accuracy against the learning rate, a panel per optimizer: median of the seeds, and a dot for each."""
    fig, axes = figures.new_figure(1, len(reached), width=11.5, height=3.6, sharey=True)
    for ax, (name, rates) in zip(axes, reached.items(), strict=True):
        label, colour, line, marker = STYLES[name]
        for rate, values in rates.items():
            dots = [100 * a for a in values]
            ax.plot([rate] * len(dots), dots, "o", color=colour, ms=4, alpha=0.5, mew=0, clip_on=False)
        ax.plot([*rates], [100 * median(values) for values in rates.values()], line, color=colour, marker=marker)
        ax.axhline(10, color="0.3", lw=0.8, ls=(0, (1, 2)))
        good = good_rates(rates) or ["no rate"]
        good = ", ".join(good) if len(good) < 3 else f"{len(good)} rates"  # more would not fit
        title = f"{label}: best {best_rate(rates):.2g}\n99 % on every seed: {good}"
        ax.set(xscale="log", ylim=(0, 103), xlabel="learning rate", title=title)
    axes[0].set_ylabel("accuracy on held-out palindromes (%)")
    axes[0].annotate("chance", (min(rates), 10), xytext=(0, 3), textcoords="offset points", fontsize=7)
    most = max(reached, key=lambda name: len(good_rates(reached[name])))
    fig.suptitle(
        f"{STYLES[most][0]} forgives most: {len(good_rates(reached[most]))} of {len(rates)} learning rates are good "
        f"on every seed\nvanilla RNN, {run['input_length']} one-hot digits to read, after {run['updates']:,} updates; "
        f"line: median of {len(values)} seeds, dots: each",
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
    fig, axes = figures.new_figure(1, 3, width=12, height=5.6)
    for ax, (surface, ways) in zip(axes, paths.items(), strict=True):
        function, start, (xs, ys) = SURFACES[surface]
        title, measure = TITLES[surface]
        x, y = torch.meshgrid(*(torch.linspace(*ends, 200, dtype=torch.float64) for ends in (xs, ys)), indexing="xy")
        z, share = function(x, y), torch.linspace(0, 1, 16, dtype=torch.float64)
        levels = share / 2 if surface == "cliff" else z.quantile(share).unique()
        ax.contourf(x, y, z, levels=levels, cmap="Greys", alpha=0.5)
        for name, rows in ways.items():
            label, colour, line, marker = STYLES[name]
            points = [(row["x"], row["y"]) for row in rows]
            label = f"{label} at {rows[0]['rate']:.2g}: {path_measure(surface, points)}"
            look = {"color": colour, "marker": marker, "ms": 3.5, "lw": 1.3, "markevery": 3}
            ax.plot(*zip(*points, strict=True), line, label=label, **look)
        ax.plot(*start, "k*", ms=10)
        ax.grid(visible=False)
        ax.set_title(title, fontsize=9)
        xlabel, ylabel = ("weight w", "bias b") if surface == "cliff" else "xy"
        ax.set(xlim=xs, ylim=ys, xlabel=xlabel, ylabel=ylabel)
        ax.legend(title=f"rule at learning rate: {measure}", loc="upper center", bbox_to_anchor=(0.5, -0.13))
    fig.suptitle(
        f"{len(points) - 1} updates from the star (dark is high)\nlearning rate: of a grid, that whose path ends "
        "lowest and never leaves the picture (“same rate”: the clipped one's)",
        fontsize=10,
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
