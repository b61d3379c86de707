"""Draw how many states are left of a network, and its accuracy in noise, from the tables of attractors.py.

python part1/experiments/plot_attractors.py
"""

import sys
from pathlib import Path

if not __package__:  # run as `python part1/experiments/plot_attractors.py`: import from the checkout, not from there
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

import numpy as np

from common import figures
from common.figures import BLUE, ORANGE, VERMILION
from common.tables import read_grouped

DIGITS = 10  # states, one for each first digit
HELD = 0.9  # accuracy of a network that holds the digit, at least
MARKS = {"no": ("0.55", "x", -0.15), "yes": (BLUE, "o", 0.15)}  # before and after training
IN_NOISE = ("LSTM", "RNN, curriculum")
LINES = ((BLUE, "-"), (ORANGE, "--"), (VERMILION, ":"))  # for lengths, from the shortest on


def draw_states(ax, ways):
    """States left, a row for each way, a mark for each seed before and after training; log scale."""
    for y, at in enumerate(ways.values()):
        for trained, (colour, mark, shift) in MARKS.items():
            states = [row["states"] for row in at[trained]]
            heights = y + shift + np.linspace(-0.12, 0.12, len(states))
            label = {"no": "before training", "yes": "after"}[trained] if y == 0 else None
            ax.plot(states, heights, mark, color=colour, ms=4, alpha=0.75, label=label)
    ax.axvline(DIGITS, color="0.3", lw=0.8, ls=(0, (1, 2)))
    ax.set_yticks(range(len(ways)), [way.replace(", ", ",\n") for way in ways])
    ax.set(xscale="log", ylim=(len(ways) - 0.5, -0.5), xlabel="states left (dotted: ten)")
    ax.legend(loc="upper center", bbox_to_anchor=(0.45, -0.2), ncols=2, handletextpad=0.1, columnspacing=1)


def draw_noise(ax, way, noise):
    """Accuracy against the noise, a line for each length: median and range of the seeds."""
    for (colour, line), length in zip(LINES, noise[0.0], strict=False):
        seeds = {x: [100 * row["accuracy"] for row in at[length]] for x, at in enumerate(noise.values())}
        figures.draw_median(ax, seeds, f"{length:,}", colour, line, alpha=0.12)
    ax.axhline(100 / DIGITS, color="0.3", lw=0.8, ls=(0, (1, 2)))
    ax.set_xticks(range(len(noise)), [f"{at:g}" for at in noise])
    ax.set(ylim=(-3, 104), title=way, xlabel="noise at each step")


def finding(ways):
    """How many networks that hold the digit have ten states left, and how many have more than one before training."""
    held = [row["states"] for at in ways.values() for row in at["yes"] if row["accuracy"] >= HELD]
    before = [row["states"] for at in ways.values() for row in at["no"]]
    ten = sum(states == DIGITS for states in held)
    low, high = min(held, default=0), max(held, default=0)
    return (
        f"{ten} of {len(held)} networks that still tell the digit have ten states left, all have {low} to {high};\n"
        f"before training {sum(states > 1 for states in before)} of {len(before)} have more than one"
    )


def figure(ways, noise):
    """The states that are left of all ways, and the accuracy of two of them in noise."""
    fig, axes = figures.new_figure(1, 1 + len(IN_NOISE), width=figures.PAGE, height=3.4, width_ratios=(1.1, 1, 1))
    draw_states(axes[0], ways)
    for ax, way in zip(axes[1:], IN_NOISE, strict=True):
        draw_noise(ax, way, noise[way])
    axes[1].set_ylabel("first digits predicted (%)")
    axes[1].legend(title="after digits", loc="upper right", handlelength=1.5, borderaxespad=0)
    axes[2].tick_params(labelleft=False)
    fig.suptitle(f"{finding(ways)}\na mark per seed; at the right medians and, as bands, all seeds; dotted: chance")
    return fig


def draw(folder):
    ways = read_grouped(folder / "attractors.csv", "way", "trained")
    noise = read_grouped(folder / "noise.csv", "way", "noise", "tested")
    return {"attractors": figure(ways, noise)}, ""


if __name__ == "__main__":
    figures.plot_script(__doc__, draw, "part1", csv_dir=("part1", "folder of the two tables"))
