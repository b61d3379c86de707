"""Draw how many seeds solve each palindrome length, from the tables of part1/sweep.py, and print the numbers.

python part1/plot_accuracy.py
"""

import math
import sys
from collections import defaultdict
from pathlib import Path
from statistics import median

if not __package__:  # run as `python part1/plot_accuracy.py`: import from the checkout, not from part1/
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

from common import figures
from common.figures import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION
from common.tables import markdown, spread
from part1.solved import is_solved, lower_bound
from part1.sweep import read_points

INPUTS = {1: "raw digits", 10: "one-hot digits"}
# (cell, init, learning rate): label, colour, marker, line. The first two are the defaults.
CURVES = {
    ("LSTM", "default", 0.001): ("LSTM", BLUE, "o", "-"),
    ("RNN", "default", 0.001): ("vanilla RNN", VERMILION, "s", "--"),
    ("LSTM", "chrono", 0.001): ("LSTM, chrono", SKY, "^", "-"),
    ("LSTM", "chrono", 0.01): ("LSTM, chrono, rate 0.01", PURPLE, "v", "-."),
    ("LSTM", "default", 0.003): ("LSTM, rate 0.003", "0.35", "D", ":"),
    ("LSTM", "zero_bias", 0.001): ("LSTM, forget bias 0", "0.6", "P", "-"),
    ("RNN", "orthogonal", 0.001): ("RNN, orthogonal", ORANGE, "X", "--"),
    ("RNN", "identity", 0.001): ("RNN, identity", GREEN, "<", ":"),
    ("RNN", "latch", 0.001): ("RNN, latch (engineered)", "0.0", "*", "-"),
}
FIGURES = {"accuracy": [*CURVES][:2], "accuracy_inits": [*CURVES][2:]}


def read_curves(folders):
    """{(curve, input_dim, T): [result of each seed]} of sweeps; T is the palindrome length.

    A point of an earlier folder hides that with the same settings in a later one. Raises ValueError if there are no
    points, or if a file holds something else; OSError if one cannot be read.
    """
    points, curves = {}, defaultdict(list)
    for folder in reversed(folders):
        points |= {(name, point.get("curriculum")): point for name, point in read_points(folder).items()}
    for (_, curriculum), point in points.items():
        curve = point["model_type"], point["init"] + (", curriculum" if curriculum else ""), point["learning_rate"]
        curves[curve, point["input_dim"], point["input_length"] + 1].append(point)
    if not curves:
        raise ValueError(f"no points of part1/sweep.py in {', '.join(map(str, folders))}")
    return curves


def accuracies(results):
    """Accuracies of the seeds, sorted; one that diverged, and so has none, counts as chance."""
    return sorted(0.1 if result.get("accuracy") is None else result["accuracy"] for result in results)


def count_solved(results):
    """How many of the seeds have solved their length; none that diverged."""
    found = [result for result in results if result.get("accuracy") is not None]
    return sum(is_solved(result["accuracy"], result["palindromes"], result["input_length"]) for result in found)


def by_length(points, curve, input_dim):
    """{T: results of the seeds} of a curve, in order of T."""
    return {T: points[c, dim, T] for c, dim, T in sorted(points) if (c, dim) == (curve, input_dim)}


def solved_up_to(points, curve, input_dim):
    """The longest T up to which every seed of the curve solved every length tried; None if not even the first."""
    longest = None
    for T, results in by_length(points, curve, input_dim).items():
        if count_solved(results) < len(results):
            break
        longest = T
    return longest


def interval(solved, count):
    """The share of seeds that solved in %, and how far the 90 % interval of Clopper and Pearson reaches down and up."""
    low, share, high = lower_bound(count - solved, count), solved / count, 1 - lower_bound(solved, count)
    return 100 * share, 100 * (share - low), 100 * (high - share)


def figure(points, curves):
    """Share of the seeds that solved each palindrome length, with its interval; a panel for each kind of input."""
    inputs = [d for d in INPUTS if any(c in curves and dim == d for c, dim, _ in points)]
    height = 2.1 + 0.2 * len(curves)
    fig, axes = figures.new_figure(1, len(inputs), width=figures.PAGE, sharey=True, squeeze=False, height=height)
    farthest = []
    for ax, input_dim in zip(axes[0], inputs, strict=True):
        shown = [curve for curve in curves if by_length(points, curve, input_dim)]
        ends = {curve: solved_up_to(points, curve, input_dim) or 0 for curve in shown}
        for rank, curve in enumerate(shown):
            label, colour, marker, line = CURVES[curve]
            found = by_length(points, curve, input_dim)
            share, *reach = zip(*(interval(count_solved(seeds), len(seeds)) for seeds in found.values()), strict=True)
            x = [T * 1.025 ** (rank - (len(shown) - 1) / 2) for T in found]  # beside each other
            label += f": T = {ends[curve]}" if ends[curve] else ": none"
            look = {"color": colour, "marker": marker, "ls": line, "ms": 4, "lw": 1.3, "elinewidth": 0.9, "capsize": 2}
            ax.errorbar(x, share, reach, label=label, **look)
        farthest.append(f"T = {max(ends.values())} with {INPUTS[input_dim]}")
        tried = sorted({T for c, dim, T in points if dim == input_dim and c in shown})
        ax.set(xscale="log", ylim=(-4, 104), title=INPUTS[input_dim], xlabel="palindrome length T (digits)")
        ax.set_xticks(tried, [T if 1.1 * before < T else "" for before, T in zip([0, *tried], tried, strict=False)])
        ax.minorticks_off()
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.3), title="all seeds solve, up to")
    axes[0, 0].set_ylabel("seeds that solved T (%)")
    seeds = {len(results) for (c, _, _), results in points.items() if c in curves}
    count = " to ".join(str(n) for n in sorted({min(seeds), max(seeds)}))
    title = f"At best, all {count} seeds solve lengths up to {' and '.join(farthest)}"
    fig.suptitle(f"{title}\nmarks: the share of the seeds that solved; bars: its 90 % interval (Clopper and Pearson)")
    return fig


def table(points):
    """The numbers of the figures, a Markdown table: a row per curve, input and length."""
    order, rows = [*CURVES, *sorted({curve for curve, _, _ in points} - CURVES.keys())], []
    for (curve, dim, T), results in sorted(points.items(), key=lambda item: (order.index(item[0][0]), *item[0][1:])):
        values = accuracies(results)
        costs = ([result[name] for result in results if name in result] for name in ("steps", "cpu_seconds"))
        costs = (f"{median(cost or [math.nan]):.0f}" for cost in costs)
        solved = f"{count_solved(results)} of {len(results)}"
        rows.append((*curve[:2], f"{curve[2]:g}", INPUTS[dim], T, solved, spread(values, ".4f"), *costs))
    numbers = ("accuracy, median (lowest to highest)", "updates, median", "CPU s, median")
    return markdown(("cell", "init", "rate", "input", "T", "seeds solved", *numbers), rows)


def draw(sweep_dirs):
    points = read_curves(sweep_dirs)
    found = {curve for curve, _, _ in points}
    for cell, init, rate in sorted(found - CURVES.keys()):
        print(f"in the table only, as it has no curve: {cell}, {init}, rate {rate:g}", file=sys.stderr)
    shown = {name: [curve for curve in curves if curve in found] for name, curves in FIGURES.items()}
    return {name: figure(points, curves) for name, curves in shown.items() if curves}, table(points)


def main(argv=None):
    sweeps = ["part1/sweep"], "folders of sweeps' points; an earlier one wins"
    figures.plot_script(__doc__, draw, "part1", argv, sweep_dir=sweeps)


if __name__ == "__main__":
    main()
