"""Draw accuracy against palindrome length from the tables of part1/sweep.py, and print the numbers of the figure.

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
from part1.solved import is_solved
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
FIGURES = {  # curves, title
    "accuracy": ([*CURVES][:2], "How long a palindrome's first digit is remembered, at the default settings"),
    "accuracy_inits": ([*CURVES][2:], "First weights decide: the same task from others, and with other learning rates"),
}


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


def figure(points, curves, title):
    """Accuracy against palindrome length, raw digits and one-hot apart: medians, all seeds, and their range."""
    inputs = [d for d in INPUTS if any(c in curves and dim == d for c, dim, _ in points)]
    fig, axes = figures.new_figure(1, len(inputs), sharey=True, squeeze=False, height=3.6 + 0.12 * len(curves))
    for ax, input_dim in zip(axes[0], inputs, strict=True):
        lines = [f"{INPUTS[input_dim]}: every seed solved"]
        for rank, curve in enumerate(curves):
            label, colour, marker, line = CURVES[curve]
            found = by_length(points, curve, input_dim)
            seeds = {T: [100 * accuracy for accuracy in accuracies(results)] for T, results in found.items()}
            for T, values in seeds.items():
                ax.plot([T] * len(values), values, marker, color=colour, ms=2.5, alpha=0.6)
            if seeds:
                # Curves that coincide stay visible: each is drawn under the one before, and wider.
                width = {"lw": 1.4 + rank, "ms": 5 + rank, "zorder": 3 - 0.1 * rank}
                figures.draw_median(ax, seeds, label, colour, line, 0.15, marker=marker, **width)
            T = solved_up_to(points, curve, input_dim)
            lines.append(f"{label} {f'to T = {T}' if T else 'at no length'}")
        ax.axhline(10, color="0.3", lw=0.8, ls=(0, (1, 2)))
        ax.annotate("chance", (0.01, 10), xycoords=("axes fraction", "data"), va="bottom", fontsize=8)
        ax.set_title("\n".join(lines), fontsize=8.5)
        ax.set(xlabel="palindrome length T (digits; T - 1 are read)", ylim=(0, 103))
    axes[0, 0].set_ylabel("accuracy on held-out palindromes (%)")
    axes[0, -1].legend(loc="best", fontsize=8, markerscale=0.6)
    seeds = {len(results) for (c, _, _), results in points.items() if c in curves}
    count = " to ".join(str(n) for n in sorted({min(seeds), max(seeds)}))
    fig.suptitle(f"{title}\nline: median of {count} seeds, band: lowest to highest, dots: each seed", fontsize=10)
    return fig


def table(points):
    """The numbers behind the figures, a Markdown table: a row per curve, input and length."""
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
    shown = {name: ([curve for curve in curves if curve in found], title) for name, (curves, title) in FIGURES.items()}
    return {name: figure(points, *what) for name, what in shown.items() if what[0]}, table(points)


def main(argv=None):
    sweeps = ["part1/sweep"], "folders of sweeps' points; an earlier one wins"
    figures.plot_script(__doc__, draw, "part1", argv, sweep_dir=sweeps)


if __name__ == "__main__":
    main()
