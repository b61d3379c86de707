"""Draw what each gate of the LSTM is for (question 1.5 a) from the tables of gates.py.

python part1/experiments/plot_gates.py
"""

import sys
from pathlib import Path
from statistics import median

if not __package__:  # run as `python part1/experiments/plot_gates.py`: import from the checkout, not from there
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

import numpy as np

from common import figures
from common.tables import read_grouped

IMAGES = {"i": "input gate i", "f": "forget gate f", "c": "cell c"}


def solved(runs):
    return sum(run["solved"] for run in runs)


def variants_figure(variants):
    """Accuracy of every variant, a mark per seed, and how many seeds solved the task, a panel per length."""
    lengths = [*variants["LSTM"]]
    fig, axes = figures.new_figure(1, len(lengths), width=figures.PAGE, height=2.9, sharey=True, squeeze=False)
    for ax, length in zip(axes[0], lengths, strict=True):
        for y, (name, at_length) in enumerate(reversed(variants.items())):
            runs = at_length[length]
            heights = np.linspace(y - 0.2, y + 0.2, len(runs))
            colour = figures.VERMILION if name == "LSTM" else figures.BLUE
            ax.scatter([100 * run["accuracy"] for run in runs], heights, s=10, color=colour, lw=0, alpha=0.85)
            note = f"{solved(runs)} of {len(runs)}"
            if solved(runs):
                note += f", {median(run['updates'] for run in runs if run['solved']):.0f}"
            ax.annotate(note, (105, y), fontsize=8, va="center", annotation_clip=False)
        ax.axvline(10, color="0.3", lw=0.8, ls=(0, (1, 2)))
        ax.set(xlim=(0, 102), xlabel="held-out accuracy (%), dotted: chance")
        most = max(run["updates"] for at_length in variants.values() for run in at_length[length])
        ax.set_title(f"{length} digits to read, at most {most} updates")
    axes[0, 0].set_yticks(range(len(variants)), reversed(variants))
    whole, open_forget = (solved(variants[name][length]) for name in ("LSTM", "f = 1"))
    title = f"{whole} of {len(runs)} seeds of the LSTM solve {length} digits, without forget gate {open_forget}"
    if open_forget > whole:
        title = f"Without forget gate more seeds solve {length} digits: {open_forget} of {len(runs)}, not {whole}"
    fig.suptitle(f"{title}\na mark per seed; at the right, seeds solved and the median of their updates")
    return fig


def forget_bias_figure(biases):
    """Longest length solved against the first forget bias, a mark per seed."""
    fig, ax = figures.new_figure(width=figures.PAGE, height=3.0)
    longest = {}
    for bias, at_length in sorted(biases.items()):
        # Lengths are tried in order and end at the first that is not solved: the n-th best seed ends where n did.
        solvers = {length: solved(runs) for length, runs in at_length.items()}
        seeds = range(len(at_length[min(at_length)]))
        longest[bias] = [max((length for length in solvers if solvers[length] > n), default=0) for n in seeds]
        for n, length in enumerate(longest[bias]):
            ax.plot(bias + 0.08 * (n - (len(seeds) - 1) / 2), length, "o^sD"[n % 4], color=figures.BLUE, ms=6)
    ax.plot([*longest], [*map(median, longest.values())], "-", color=figures.BLUE, lw=1, zorder=0)
    tried = sorted({length for at_length in biases.values() for length in at_length})
    ax.set_yticks([0, *tried], ["none", *map(str, tried)])
    ax.set(xticks=[*longest], xlabel="forget gate's bias before training")
    ax.set_ylabel("longest length solved (digits)")
    highest = max(map(median, longest.values()))
    best = " and ".join(f"{bias:g}" for bias, lengths in longest.items() if median(lengths) == highest)
    most = max(run["updates"] for at_length in biases.values() for runs in at_length.values() for run in runs)
    ax.set_title(
        f"The median seed gets farthest, to {highest:g} digits, at a bias of {best}\n"
        f"a mark per seed, line: their median; at most {most} updates a length"
    )
    return fig


def activations_figure(units):
    """Gates and cell over time, a block of ten rows for each unit: their means for each first digit."""
    fig, axes = figures.new_figure(1, len(IMAGES), width=figures.PAGE, height=3.9, sharey=True)
    rows = [[*over_time.values()] for digits in units.values() for over_time in digits.values()]
    length = len(rows[0])
    for ax, (name, title) in zip(axes, IMAGES.items(), strict=True):
        image = np.array([[at_t[0][name] for at_t in row] for row in rows]).reshape(len(units), 10, length)
        low, high, colours = (0, 1, "viridis") if name != "c" else (-abs(image).max(), abs(image).max(), "PuOr")
        image = np.pad(image, ((0, 0), (0, 1), (0, 0)), constant_values=np.nan).reshape(-1, length)  # a gap below each
        box = (0.5, length + 0.5, len(image), 0)
        shown = ax.imshow(image, colours, aspect="auto", vmin=low, vmax=high, interpolation="none", extent=box)
        ax.set(title=title, xlabel="digits read, t", xticks=range(5, length + 1, 5))
        ax.grid(visible=False)
        fig.colorbar(shown, ax=ax, location="bottom", aspect=15)
    shares = [100 * unit[0][length][0]["first_digit_share"] for unit in units.values()]
    labels = [f"unit {unit}:\n{share:.0f} %" for unit, share in zip(units, shares, strict=True)]
    axes[0].set_yticks(range(5, 11 * len(units), 11), labels)
    f = median(at_t[0]["f"] for row in rows for at_t in row[1:])
    found = f"The first digit explains {min(shares):.0f} to {max(shares):.0f} % of the variance of c"
    fig.suptitle(
        f"{found} after {length} digits; median forget gate: {f:.2f}\n"
        "six units of an LSTM taught at 10 digits; rows of a block: means for first digits 0 (top) to 9;\n"
        "at the left, the share of the unit's variance that the first digit explains at the end"
    )
    return fig


def draw(folder):
    variants = read_grouped(folder / "gates_ablation.csv", "variant", "input_length")
    biases = read_grouped(folder / "gates_forget_bias.csv", "b_f", "input_length")
    activations = read_grouped(folder / "gates_activations.csv", "unit", "first_digit", "t")
    drawn = {
        "gates_ablation": variants_figure(variants),
        "gates_forget_bias": forget_bias_figure(biases),
        "gates_activations": activations_figure(activations),
    }
    return drawn, ""


if __name__ == "__main__":
    figures.plot_script(__doc__, draw, "part1", csv_dir=("part1", "folder of the three tables"))
