"""Draw accuracy against palindrome length from the tables of part1/sweep.py, and print the numbers of the figure.

python part1/plot_accuracy.py
"""

import math
import statistics
import sys
from collections import defaultdict
from pathlib import Path

if not __package__:  # run as `python part1/plot_accuracy.py`: import from the checkout, not from part1/
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from common.figures import (
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    in_house_style,
    markdown,
    new_figure,
    plot_script,
    spread,
)  # fmt: skip
from part1.sweep import read_points
from part1.train import CONVERGED

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
DEFAULTS, OTHERS = list(CURVES)[:2], list(CURVES)[2:]


def read_curves(folders):
    """{(curve, input_dim, T): [result of each seed]} of sweeps; T is the palindrome length.

    A point of an earlier folder hides that with the same settings in a later one. Raises ValueError if there are no
    points, or if a file holds something else; OSError if one cannot be read.
    """
    points, curves = {}, defaultdict(list)
    for folder in reversed(folders):
        points |= {(name, point.get("curriculum")): point for name, point in read_points(folder).items()}
    for (_, curriculum), point in points.items():
        init = point["init"] + (", curriculum" if curriculum else "")
        curve = point["model_type"], init, point["learning_rate"]
        curves[curve, point["input_dim"], point["input_length"] + 1].append(point)
    if not curves:
        raise ValueError(f"no points of part1/sweep.py in {', '.join(map(str, folders))}")
    return curves


def accuracies(results):
    """Accuracies of the seeds, sorted; one that diverged, and so has none, counts as chance."""
    return sorted(0.1 if result.get("accuracy") is None else result["accuracy"] for result in results)


def solved_up_to(points, curve, input_dim):
    """The longest T up to which every seed of the curve solved every length tried; None if not even the first."""
    longest = None
    for T in sorted(T for c, d, T in points if (c, d) == (curve, input_dim)):
        if accuracies(points[curve, input_dim, T])[0] < CONVERGED:
            break
        longest = T
    return longest


@in_house_style
def figure(points, curves, title):
    """Accuracy against palindrome length, raw digits and one-hot apart: medians, all seeds, and their range."""
    inputs = [d for d in INPUTS if any((c in curves and dim == d) for c, dim, _ in points)]
    fig, axes = new_figure(1, len(inputs), sharey=True, squeeze=False, height=3.6 + 0.12 * len(curves))
    for ax, input_dim in zip(axes[0], inputs, strict=True):
        for rank, curve in enumerate(curves):
            lengths = sorted(T for c, d, T in points if (c, d) == (curve, input_dim))
            if not lengths:
                continue
            label, colour, marker, line = CURVES[curve]
            seeds = [accuracies(points[curve, input_dim, T]) for T in lengths]
            medians = [100 * statistics.median(values) for values in seeds]
            ax.fill_between(
                lengths, [100 * v[0] for v in seeds], [100 * v[-1] for v in seeds], color=colour, alpha=0.15, lw=0
            )
            for T, values in zip(lengths, seeds, strict=True):
                ax.plot([T] * len(values), [100 * v for v in values], marker, color=colour, ms=2.5, alpha=0.6)
            # Curves that coincide stay visible: each is drawn under the one before, and wider.
            width = {"lw": 1.4 + rank, "ms": 5 + rank, "zorder": 3 - 0.1 * rank}
            ax.plot(lengths, medians, line, color=colour, marker=marker, label=label, **width)
        ax.axhline(10, color="0.3", lw=0.8, ls=(0, (1, 2)))
        ax.annotate("chance", (0.01, 10), xycoords=("axes fraction", "data"), va="bottom", fontsize=8)
        lines = [f"{INPUTS[input_dim]}: every seed solved"]
        for curve in curves:
            T = solved_up_to(points, curve, input_dim)
            lines.append(f"{CURVES[curve][0]} {f'to T = {T}' if T else 'at no length'}")
        ax.set_title("\n".join(lines), fontsize=8.5)
        ax.set_xlabel("palindrome length T (digits; T - 1 are read)")
        ax.set_ylim(0, 103)
    axes[0, 0].set_ylabel("accuracy on held-out palindromes (%)")
    axes[0, -1].legend(loc="best", fontsize=8, markerscale=0.6)
    seeds = {len(results) for (c, _, _), results in points.items() if c in curves}
    count = f"{min(seeds)}" if len(seeds) == 1 else f"{min(seeds)} to {max(seeds)}"
    fig.suptitle(f"{title}\nline: median of {count} seeds, band: lowest to highest, dots: each seed", fontsize=10)
    return fig


def table(points):
    """The numbers behind the figures, a Markdown table: a row per curve, input and length."""
    order, rows = [*CURVES, *sorted({curve for curve, _, _ in points} - CURVES.keys())], []
    for (curve, dim, T), results in sorted(points.items(), key=lambda item: (order.index(item[0][0]), *item[0][1:])):
        values = accuracies(results)
        steps, seconds = (
            statistics.median([result[name] for result in results if name in result] or [math.nan])
            for name in ("steps", "cpu_seconds")
        )
        solved = f"{sum(v >= CONVERGED for v in values)} of {len(values)}"
        setting = (*curve[:2], f"{curve[2]:g}", INPUTS[dim], T)
        rows.append((*setting, solved, spread(values, ".4f"), f"{steps:.0f}", f"{seconds:.0f}"))
    numbers = ("accuracy, median (lowest to highest)", "updates, median", "CPU s, median")
    return markdown(("cell", "init", "rate", "input", "T", "seeds solved", *numbers), rows)


def figures(sweep_dirs):
    points = read_curves(sweep_dirs)
    found = {curve for curve, _, _ in points}
    for cell, init, rate in sorted(found - CURVES.keys()):
        print(f"in the table only, as it has no curve: {cell}, {init}, rate {rate:g}", file=sys.stderr)
    shown = {
        "accuracy": (DEFAULTS, "How long a palindrome's first digit is remembered, at the default settings"),
        "accuracy_inits": (OTHERS, "First weights decide: the same task from others, and with other learning rates"),
    }
    drawn = {name: ([curve for curve in curves if curve in found], title) for name, (curves, title) in shown.items()}
    return {name: figure(points, *what) for name, what in drawn.items() if what[0]}, table(points)


def main(argv=None):
    sweeps = ["part1/sweep"], "folders of sweeps' points; an earlier one wins"
    plot_script(__doc__, figures, "part1", argv, sweep_dir=sweeps)


if __name__ == "__main__":
    main()
