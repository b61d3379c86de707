"""Draw the gradient at each time step, and how little of it memory needs, from the tables of gradient_flow.py.

python part1/experiments/plot_gradient_flow.py
"""

import math
import sys
from pathlib import Path
from statistics import median

if not __package__:  # run as `python part1/experiments/plot_gradient_flow.py`: import from the checkout, not from there
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

from common import figures
from common.figures import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION
from common.tables import read_grouped

# Label, colour, line, marker of a cell, before training and after it at a short length; below, by curriculum.
STYLES = {
    "RNN, default": ("RNN, default", VERMILION, "--", "s"),
    "RNN, orthogonal": ("RNN, orthogonal", ORANGE, "-.", "X"),
    "RNN, identity": ("RNN, identity", GREEN, ":", "<"),
    "RNN, latch": ("RNN, latch (engineered)", "0.0", (0, (1, 1)), "*"),
    "LSTM, zero_bias": ("LSTM, forget bias 0", "0.55", ":", "P"),
    "LSTM, default": ("LSTM, forget bias 1", BLUE, "-", "o"),
    "LSTM, chrono": ("LSTM, chrono", SKY, "-.", "^"),
    "RNN, default, curriculum": ("RNN, default, by curriculum", PURPLE, "-", "D"),
    "LSTM, default, curriculum": ("LSTM, forget bias 1, by curriculum", "0.25", "--", "v"),
}


def read_cells(folder, name, *place):
    """{(cell, trained): [row of each seed, a dict]} of a table, or by `place`, {t or distance: [row of each seed]}."""
    cells = read_grouped(folder / f"gradient_flow{name}.csv", "cell", "trained", *place)
    return {(cell, trained): rows for cell, trainings in cells.items() for trained, rows in trainings.items()}


def style(cell, trained):
    return STYLES[f"{cell}, curriculum" if trained == "curriculum" else cell]


def column(at_place, name):
    return {place: [float(row[name]) for row in rows] for place, rows in at_place.items()}  # float: of "-inf"


def of(rows, name):
    """Median over the seeds of a column; None if it is empty."""
    return median(float(row[name]) for row in rows) if name in rows[0] else None


def number(log10):
    """A number given by its log10, in one or two digits: 0.043, 15, 2e-23; it may be smaller than a float can be."""
    if log10 == -math.inf:
        return "0"
    exponent = math.floor(log10 - math.log10(0.95))  # what would be rounded to 10 is 1 of the next power
    return f"{10**log10:.2g}" if -3 < log10 < 2 else f"{10 ** (log10 - exponent):.0f}e{exponent}"


def ratio(norms, key, which):
    """{t: [of each seed]}: the norm at t over that at T, of the median palindrome ("median") or the whole batch."""
    if which == "median":
        return column(norms[key], "ratio")
    last = column(norms[key], "norm")[max(norms[key])]
    return {t: [a / b for a, b in zip(at, last, strict=True)] for t, at in column(norms[key], "norm").items()}


def at_first(norms, key, which):
    """What of the gradient at T reaches t = 1, median over the seeds, as text."""
    value = median(ratio(norms, key, which)[1])
    return number(math.log10(value) if value else -math.inf)


def gradient_figure(norms, runs):
    """Two panels: the gradient at each step before training; and after it, accuracy against the gradient at step 1."""
    fig, (left, right) = figures.new_figure(1, 2, width=figures.PAGE, height=3.1)
    T = max(norms["RNN, default", "no"])
    for key in norms:
        if key[1] == "no" and key[0] != "RNN, latch":
            label, colour, line, marker = style(*key)
            look = {"marker": marker, "markevery": [0], "clip_on": False}
            figures.draw_median(left, ratio(norms, key, "median"), label, colour, line, **look)
    left.set(xlabel=f"time step t, of {T}", ylabel="‖∂L/∂hₜ‖ / ‖∂L/∂h_T‖ (LSTM: c)")
    left.set(yscale="log", ylim=(1e-28, 1e2))
    left.set_title("before training, median palindrome")
    for key, rows in runs.items():
        if key[1] != "no":
            label, colour, _, marker = style(*key)
            accuracy = [100 * row["accuracy"] for row in rows]
            look = {"marker": marker, "color": colour, "ls": "", "ms": 5, "alpha": 0.8}
            right.plot(ratio(norms, key, "median")[1], accuracy, label=label, **look)
            right.plot(ratio(norms, key, "batch")[1], accuracy, **{**look, "mfc": "none"})
    right.axhline(10, color="0.3", lw=0.8, ls=(0, (1, 2)))
    right.annotate("chance", (0.01, 10), xycoords=("axes fraction", "data"), va="bottom", fontsize=8)
    right.set(xscale="log", xlabel="the same at t = 1; hollow: whole batch")
    right.set(ylim=(0, 104), ylabel=f"accuracy at {T} digits (%)")
    fig.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    right.set_title("after it, at 10 digits or by curriculum")
    by_curriculum = "RNN, default", "curriculum"
    accuracy, seeds = of(runs[by_curriculum], "accuracy"), len(runs[by_curriculum])
    shrunk = (at_first(norms, by_curriculum, which) for which in ("median", "batch"))
    fig.suptitle(
        f"A vanilla RNN right on {100 * accuracy:.1f} % of {T} digits: the gradient at the last step shrinks to\n"
        "{} (median palindrome) or {} (whole batch) at the first; ".format(*shrunk)
        + f"medians of {seeds} seeds, band: all"
    )
    return fig


def draw(folder):
    norms, runs = read_cells(folder, "", "t"), read_cells(folder, "_runs")
    return {"gradient_flow": gradient_figure(norms, runs)}, ""


if __name__ == "__main__":
    figures.plot_script(__doc__, draw, "part1", csv_dir=("part1", "folder of both tables"))
