"""Draw the gradient at each time step, and the singular values of ∂h_T/∂h_t, from the tables of gradient_flow.py.

python part1/experiments/plot_gradient_flow.py
"""

import math
import sys
from pathlib import Path
from statistics import median

if not __package__:  # run as `python part1/experiments/plot_gradient_flow.py`: import from the checkout, not from there
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from common import figures
from common.figures import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION
from part1.experiments.tables import read_grouped

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
LOG = {"yscale": "log", "ylim": (1e-40, 1e7)}  # what falls below leaves the figure


def read_cells(folder, name, *place):
    """{(cell, trained): [row of each seed, a dict]} of a table, or by `place`, {t or distance: [row of each seed]}."""
    cells = read_grouped(folder / f"gradient_flow{name}.csv", "cell", "trained", *place)
    return {(cell, trained): rows for cell, trainings in cells.items() for trained, rows in trainings.items()}


def style(cell, trained):
    return STYLES[f"{cell}, curriculum" if trained == "curriculum" else cell]


def draw_median(ax, seeds, label, colour, line):
    """Median of {place: value of each seed} against the place, and their range."""
    low, middle, high = ([end(values) for values in seeds.values()] for end in (min, median, max))
    ax.fill_between([*seeds], low, high, color=colour, alpha=0.2, lw=0)
    ax.plot([*seeds], middle, ls=line, color=colour, label=label)


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


def at_first(norms, *key):
    """What of the gradient at T reaches t = 1, as text."""
    ratio = of(norms[key][1], "ratio")
    return number(math.log10(ratio) if ratio else -math.inf)


@figures.in_house_style
def gradient_figure(norms, runs):
    """Six panels: norms before and after training, terms of ∂L/∂W_hh, and accuracy against the gradient."""
    fig, axes = figures.new_figure(2, 3, width=12.5, height=7.6)
    for row, family in zip(axes, ("RNN", "LSTM"), strict=True):
        keys = [key for key in norms if key[0].startswith(family)]
        draw_norms(row[0], norms, [key for key in keys if key[1] == "no"], f"{family}, before training")
        draw_norms(row[1], norms, [key for key in keys if key[1] != "no"], f"{family}, after training")
    draw_bounds(axes[0, 0], max(norms["RNN, default", "no"]), runs["RNN, default", "no"])
    draw_terms(axes[0, 2], norms, runs)
    draw_puzzle(axes[1, 2], norms, runs)
    default, orthogonal = (at_first(norms, f"RNN, {init}", "no") for init in ("default", "orthogonal"))
    fig.suptitle(
        f"Of the gradient at the last step {default} reaches the first of an untrained default RNN, {orthogonal} of an "
        f"orthogonal one\nline: median of {len(runs['RNN, default', 'no'])} seeds, band: lowest to highest; one-hot "
        "palindromes, float64",
        fontsize=11,
    )
    return fig


def draw_norms(ax, norms, keys, title):
    """Norm at t over norm at T against t, of the models called `keys`."""
    names = []
    for key in keys:
        label, colour, line, _ = style(*key)
        draw_median(ax, column(norms[key], "ratio"), label, colour, line)
        name = label.split(", ")[-1].removesuffix(" (engineered)").removeprefix("by ")
        names.append(f"{at_first(norms, *key)} {name}")
    state = "h" if title.startswith("RNN") else "c"
    ylabel = f"‖∂L/∂{state}ₜ‖ / ‖∂L/∂{state}_T‖, median palindrome"
    ax.set(xlabel=f"time step t, of {max(norms[keys[0]])}", ylabel=ylabel, **LOG)
    ax.legend(fontsize=7, loc="lower left", handlelength=3)
    half = (len(names) + 1) // 2
    ax.set_title(f"{title}; at t = 1:\n{', '.join(names[:half])},\n{', '.join(names[half:])}", fontsize=8.5)


def draw_bounds(ax, T, runs):
    """Powers of two measures of W_hh, one of which bounds the gradient."""
    bounds = ("sigma_max", "bound σ_max(W_hh)ᵀ⁻ᵗ", 0.45 * T, 1), ("spectral_radius", "ρ(W_hh)ᵀ⁻ᵗ", 0.5 * T, -14)
    for name, label, at, below in bounds:
        value = of(runs, name)
        ax.plot([1, T], [value ** (T - 1), 1], color=VERMILION, lw=0.8)
        place = {"xytext": (5, below), "textcoords": "offset points", "fontsize": 7}
        ax.annotate(f"{label}, {value:.2f}", (at, value ** (T - at)), **place)


def draw_terms(ax, norms, runs):
    """Norms of the terms of ∂L/∂W_hh, relative to their sum, before training."""
    terms = {}
    for key, at in norms.items():
        if key[0].startswith("RNN") and key[1] == "no":
            sums = [row["norm_W_hh"] for row in runs[key]]
            terms[key] = {
                t: [row["term"] / whole for row, whole in zip(rows, sums, strict=True)]
                for t, rows in at.items()
                if t > 1  # h_0 = 0: no first term
            }
            draw_median(ax, terms[key], *style(*key)[:3])
    second = number(math.log10(median(terms["RNN, default", "no"][2])))
    ax.axhline(1, color="0.3", lw=0.8)
    ax.annotate("their sum, ∂L/∂W_hh", (0.02, 1), xycoords=("axes fraction", "data"), va="bottom", fontsize=7)
    ax.set(xlabel="time step t of the term", ylabel="‖Dₜ δₜ hₜ₋₁ᵀ‖ / ‖∂L/∂W_hh‖", **LOG)
    ax.set_title(f"before training: the long-range terms vanish\n(default, t = 2: {second}), not their sum")


def draw_puzzle(ax, norms, runs):
    """Accuracy at the full length against what of the gradient reaches t = 1, a dot per seed, of trained models."""
    for key, rows in runs.items():
        if key[1] != "no":
            label, colour, _, marker = style(*key)
            accuracy = [100 * row["accuracy"] for row in rows]
            ax.plot(column(norms[key], "ratio")[1], accuracy, marker, color=colour, label=label, ms=6, alpha=0.8, ls="")
    ax.axhline(10, color="0.3", lw=0.8, ls=(0, (1, 2)))
    ax.annotate("chance", (0.01, 10), xycoords=("axes fraction", "data"), va="bottom", fontsize=7)
    ax.set(xscale="log", xlabel="‖∂L/∂h₁‖ / ‖∂L/∂h_T‖ (LSTM: c), median palindrome")
    ax.set(ylim=(0, 104), ylabel=f"accuracy at {max(norms['RNN, default', 'no'])} digits to read (%)")
    ax.legend(fontsize=7, loc="lower left", bbox_to_anchor=(0.02, 0.12))
    latch, learned = (
        f"{100 * of(runs[key], 'accuracy'):.1f} % with {at_first(norms, *key)}"
        for key in (("RNN, latch", "short"), ("RNN, default", "curriculum"))
    )
    ax.set_title(f"memory without gradient:\nlatch {latch},\nlearned RNN {learned}", fontsize=8.5)


@figures.in_house_style
def singular_figure(values):
    """A panel per RNN: largest, median and smallest singular value of ∂h_T/∂h_t against the distance T - t."""
    keys = sorted((key for key in values if key[1] != "short"), key=lambda key: key[1] == "curriculum")
    fig, axes = figures.new_figure(1, len(keys), width=2.6 * len(keys), height=3.9)
    shrinking = 0
    for ax, key in zip(axes, keys, strict=True):
        for name, colour, line in (("largest", VERMILION, "-"), ("median", "0.0", "--"), ("smallest", BLUE, ":")):
            draw_median(ax, column(values[key], f"log10_{name}"), name, colour, line)
        farthest = max(values[key])
        largest, middle = (of(values[key][farthest], f"log10_{name}") for name in ("largest", "median"))
        shrinking += largest < 0
        ax.set_ylim(top=0.05 * abs(ax.get_ylim()[0]))
        ax.set_xlabel("distance T - t (steps)")
        ax.set_title(f"{style(*key)[0]}:\nlargest {number(largest)}, median {number(middle)}", fontsize=8.5)
    axes[0].set_ylabel("log₁₀ of the singular values of ∂h_T/∂hₜ")
    axes[0].legend(fontsize=8, loc="lower left")
    fig.suptitle(
        f"In {shrinking} of {len(keys)} RNNs every direction of the state has shrunk after {farthest} steps, to "
        f"what its title says (each panel has its own scale)\nline: median of {len(values[key][farthest])} seeds, one "
        "palindrome each; band: lowest to highest; before training, but for the last panel",
        fontsize=10,
    )
    return fig


def table(norms, runs):
    """The numbers of the figures in Markdown: medians over the seeds, for the accuracy from lowest to highest too."""
    rows = []
    for (cell, trained), seeds in runs.items():
        first, last = (norms[cell, trained][t] for t in (1, max(norms[cell, trained])))
        whole = median(a["norm"] / b["norm"] for a, b in zip(first, last, strict=True))
        of_W = [of(seeds, name) for name in ("spectral_radius", "sigma_max")]
        of_W = ["" if value is None else f"{value:.2f}" for value in of_W]
        accuracy = figures.spread([100 * row["accuracy"] for row in seeds], ".1f")
        numbers = (f"{value:.1e}" for value in (whole, of(first, "ratio"), of(last, "norm")))
        rows.append((STYLES[cell][0], trained, f"{of(seeds, 'updates'):.0f}", accuracy, *of_W, *numbers))
    columns = ("cell", "trained", "updates", "accuracy (%)", "ρ(W_hh)", "σ_max")
    norms = ("norm at t = 1 / at T, whole batch", "the same, median palindrome", "norm at T")
    return figures.markdown((*columns, *norms), rows)


def draw(folder):
    norms, runs = read_cells(folder, "", "t"), read_cells(folder, "_runs")
    singular = singular_figure(read_cells(folder, "_singular_values", "distance"))
    drawn = {"gradient_flow": gradient_figure(norms, runs), "gradient_flow_singular_values": singular}
    return drawn, table(norms, runs)


if __name__ == "__main__":
    figures.plot_script(__doc__, draw, "part1", csv_dir=("part1", "folder of the three tables"))
