"""Draw the gradient at each time step, and the singular values of ∂h_T/∂h_t, from the tables of gradient_flow.py.

python part1/experiments/plot_gradient_flow.py
"""

import math
import sys
from pathlib import Path
from statistics import median

if not __package__:  # run as `python part1/experiments/plot_gradient_flow.py`: import from the checkout, not from there
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from common.figures import (
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    grouped,
    in_house_style,
    markdown,
    new_figure,
    plot_script,
    spread,
)
from common.files import read_table
from part1.experiments.gradient_flow import COLUMNS

# Label, colour, line, marker of a cell, before training and after it at a short length.
STYLES = {
    "RNN, default": ("RNN, default", VERMILION, "--", "s"),
    "RNN, orthogonal": ("RNN, orthogonal", ORANGE, "-.", "X"),
    "RNN, identity": ("RNN, identity", GREEN, ":", "<"),
    "RNN, latch": ("RNN, latch (engineered)", "0.0", (0, (1, 1)), "*"),
    "LSTM, zero_bias": ("LSTM, forget bias 0", "0.55", ":", "P"),
    "LSTM, default": ("LSTM, forget bias 1", BLUE, "-", "o"),
    "LSTM, chrono": ("LSTM, chrono", SKY, "-.", "^"),
}
CURRICULUM = {
    "RNN, default": ("RNN, default, by curriculum", PURPLE, "-", "D"),
    "LSTM, default": ("LSTM, forget bias 1, by curriculum", "0.25", "--", "v"),
}
LOG = {"yscale": "log", "ylim": (1e-40, 1e7)}  # what falls below leaves the figure


def read_cells(folder, name):
    """{(cell, trained): {t, distance or 0: [row of each seed, a dict]}} of a table; an empty field is None.

    Raises ValueError or OSError as `read_table` does.
    """
    path, place = folder / f"gradient_flow{name}.csv", COLUMNS[name][0]
    numbers = dict.fromkeys(COLUMNS[name], lambda text: float(text) if text else None)
    rows = read_table(path, {"cell": str, "trained": str, **numbers}, "part1/experiments/gradient_flow.py")
    for row in rows:
        row["key"], row["place"] = (row["cell"], row["trained"]), 0 if place == "updates" else int(row[place])
        if row["cell"] not in (CURRICULUM if row["trained"] == "curriculum" else STYLES):
            raise ValueError(f"{path} holds rows of other cells than {'; '.join(STYLES)}")
    return grouped(rows, "key", "place")


def style(cell, trained):
    return (CURRICULUM if trained == "curriculum" else STYLES)[cell]


def draw(ax, at_place, name, label, colour, line, relative_to=None):
    """Median of the seeds of a column against the place, and their range; `relative_to` divides each seed's."""
    places = sorted(at_place)
    divisors = relative_to or [1] * len(at_place[places[0]])
    seeds = [[row[name] / d for row, d in zip(at_place[place], divisors, strict=True)] for place in places]
    ax.fill_between(places, list(map(min, seeds)), list(map(max, seeds)), color=colour, alpha=0.2, lw=0)
    ax.plot(places, list(map(median, seeds)), ls=line, color=colour, label=label)


def of(rows, name):
    """Median over the seeds of a column; None if it is empty."""
    return None if rows[0][name] is None else median(row[name] for row in rows)


def number(log10):
    """A number given by its log10, in one or two digits: 0.043, 15, 2e-23; it may be smaller than a float can be."""
    if log10 == -math.inf:
        return "0"
    exponent = math.floor(log10 - math.log10(0.95))  # what would be rounded to 10 is 1 of the next power
    return f"{10**log10:.2g}" if -3 < log10 < 2 else f"{10 ** (log10 - exponent):.0f}e{exponent}"


def short(value):
    return number(math.log10(value) if value else -math.inf)


@in_house_style
def gradient_figure(norms, runs):
    """Six panels: norms before and after training, terms of ∂L/∂W_hh, and accuracy against the gradient."""
    fig, axes = new_figure(2, 3, width=12.5, height=7.6)
    for row, family in enumerate(("RNN", "LSTM")):
        for column, when in enumerate(("before training", "after training")):
            draw_norms(axes[row, column], norms, runs, family, when)
    draw_terms(axes[0, 2], norms, runs)
    draw_puzzle(axes[1, 2], norms, runs)
    default, orthogonal = (short(of(norms[f"RNN, {init}", "no"][1], "ratio")) for init in ("default", "orthogonal"))
    fig.suptitle(
        f"Of the gradient at the last step {default} reaches the first of an untrained default RNN, {orthogonal} of an "
        f"orthogonal one\nline: median of {len(next(iter(runs.values()))[0])} seeds, band: lowest to highest; one-hot "
        "palindromes, float64",
        fontsize=11,
    )
    return fig


def draw_norms(ax, norms, runs, family, when):
    """Norm at t over norm at T against t, of the RNNs or LSTMs, before or after training."""
    keys = [key for key in norms if key[0].startswith(family) and (key[1] == "no") == (when == "before training")]
    at_first = []
    for key in keys:
        label, colour, line, _ = style(*key)
        draw(ax, norms[key], "ratio", label, colour, line)
        name = label.split(", ")[-1].removesuffix(" (engineered)").removeprefix("by ")
        at_first.append(f"{short(of(norms[key][1], 'ratio'))} {name}")
    T = max(norms[keys[0]])
    if ("RNN, default", "no") in keys:
        bounds = ("sigma_max", "bound σ_max(W_hh)ᵀ⁻ᵗ", 0.45 * T, 1), ("spectral_radius", "ρ(W_hh)ᵀ⁻ᵗ", 0.5 * T, -14)
        for name, label, at, below in bounds:
            value = of(runs["RNN, default", "no"][0], name)
            ax.plot([1, T], [value ** (T - 1), 1], color=VERMILION, lw=0.8)
            place = {"xytext": (5, below), "textcoords": "offset points", "fontsize": 7}
            ax.annotate(f"{label}, {value:.2f}", (at, value ** (T - at)), **place)
    state = "h" if family == "RNN" else "c"
    ax.set(xlabel=f"time step t, of {T}", ylabel=f"‖∂L/∂{state}ₜ‖ / ‖∂L/∂{state}_T‖, median palindrome", **LOG)
    ax.legend(fontsize=7, loc="lower left", handlelength=3)
    half = (len(at_first) + 1) // 2
    text = ",\n".join(", ".join(names) for names in (at_first[:half], at_first[half:]))
    ax.set_title(f"{family}, {when}; at t = 1:\n{text}", fontsize=8.5)


def draw_terms(ax, norms, runs):
    """Norms of the terms of ∂L/∂W_hh, relative to their sum, before training."""
    for key in norms:
        if key[0].startswith("RNN") and key[1] == "no":
            after_first = {t: rows for t, rows in norms[key].items() if t > 1}  # h_0 = 0: no first term
            totals = [row["norm_W_hh"] for row in runs[key][0]]
            draw(ax, after_first, "term", *style(*key)[:3], totals)
            if key[0] == "RNN, default":
                second = median(row["term"] / total for row, total in zip(norms[key][2], totals, strict=True))
    ax.axhline(1, color="0.3", lw=0.8)
    ax.annotate("their sum, ∂L/∂W_hh", (0.02, 1), xycoords=("axes fraction", "data"), va="bottom", fontsize=7)
    ax.set(xlabel="time step t of the term", ylabel="‖Dₜ δₜ hₜ₋₁ᵀ‖ / ‖∂L/∂W_hh‖", **LOG)
    ax.set_title(f"before training: the long-range terms vanish\n(default, t = 2: {short(second)}), not their sum")


def draw_puzzle(ax, norms, runs):
    """Accuracy at the full length against what of the gradient reaches t = 1, a dot per seed, of trained models."""
    for key, rows in runs.items():
        if key[1] != "no":
            ratios, accuracies = [row["ratio"] for row in norms[key][1]], [100 * row["accuracy"] for row in rows[0]]
            label, colour, _, marker = style(*key)
            ax.plot(ratios, accuracies, marker, color=colour, label=label, ms=6, alpha=0.8, ls="")
    ax.axhline(10, color="0.3", lw=0.8, ls=(0, (1, 2)))
    ax.annotate("chance", (0.01, 10), xycoords=("axes fraction", "data"), va="bottom", fontsize=7)
    ylabel = f"accuracy at {max(next(iter(norms.values())))} digits to read (%)"
    xlabel = "‖∂L/∂h₁‖ / ‖∂L/∂h_T‖ (LSTM: c), median palindrome"
    ax.set(xscale="log", ylim=(0, 104), xlabel=xlabel, ylabel=ylabel)
    ax.legend(fontsize=7, loc="lower left", bbox_to_anchor=(0.02, 0.12))
    latch, learned = (
        f"{100 * of(runs[key][0], 'accuracy'):.1f} % with {short(of(norms[key][1], 'ratio'))}"
        for key in (("RNN, latch", "short"), ("RNN, default", "curriculum"))
    )
    ax.set_title(f"memory without gradient:\nlatch {latch},\nlearned RNN {learned}", fontsize=8.5)


@in_house_style
def singular_figure(values):
    """A panel per RNN: largest, median and smallest singular value of ∂h_T/∂h_t against the distance T - t."""
    keys = sorted((key for key in values if key[1] != "short"), key=lambda key: key[1] == "curriculum")
    fig, axes = new_figure(1, len(keys), width=2.6 * len(keys), height=3.9)
    shrinking = 0
    for ax, key in zip(axes, keys, strict=True):
        for name, colour, line in (("largest", VERMILION, "-"), ("median", "0.0", "--"), ("smallest", BLUE, ":")):
            draw(ax, values[key], f"log10_{name}", name, colour, line)
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
    for (cell, trained), at in runs.items():
        first, last = (norms[cell, trained][t] for t in (1, max(norms[cell, trained])))
        whole = median(a["norm"] / b["norm"] for a, b in zip(first, last, strict=True))
        of_W = [
            "" if (value := of(at[0], name)) is None else f"{value:.2f}" for name in ("spectral_radius", "sigma_max")
        ]
        accuracy = spread([100 * row["accuracy"] for row in at[0]], ".1f")
        numbers = (f"{value:.1e}" for value in (whole, of(first, "ratio"), of(last, "norm")))
        rows.append((STYLES[cell][0], trained, f"{of(at[0], 'updates'):.0f}", accuracy, *of_W, *numbers))
    columns = ("cell", "trained", "updates", "accuracy (%)", "ρ(W_hh)", "σ_max")
    norms = ("norm at t = 1 / at T, whole batch", "the same, median palindrome", "norm at T")
    return markdown((*columns, *norms), rows)


def figures(folder):
    norms, runs, values = (read_cells(folder, name) for name in COLUMNS)
    names = {"gradient_flow": gradient_figure(norms, runs), "gradient_flow_singular_values": singular_figure(values)}
    return names, table(norms, runs)


if __name__ == "__main__":
    plot_script(__doc__, figures, "part1", csv_dir=("part1", "folder of the three tables"))
