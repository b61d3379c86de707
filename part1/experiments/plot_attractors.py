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

DIGITS = 10  # and as many states if each first digit has one
SHOWN = ("LSTM", "RNN")  # ways whose accuracy in noise is drawn
LINES = ((BLUE, "-"), (ORANGE, "--"), (VERMILION, ":"))  # of the lengths tested, from short to long


def draw_states(ax, ways):
    """States left, a row for each way, a mark for each seed before and after training; log scale."""
    for y, at in enumerate(ways.values()):
        for trained, colour, shift in (("no", "0.6", -0.17), ("yes", BLUE, 0.17)):
            left = [row["states"] for row in at[trained]]
            heights = y + shift + np.linspace(-0.1, 0.1, len(left))
            label = f"{'after' if trained == 'yes' else 'before'} training" if y == 0 else None
            ax.plot(left, heights, "o", color=colour, ms=4, alpha=0.8, mew=0, label=label)
    ax.axvline(DIGITS, color="0.3", lw=0.8, ls=(0, (1, 2)))
    ax.set_yticks(range(len(ways)), ways)
    ax.invert_yaxis()
    ax.set(xscale="log", xlabel="states left (dotted: ten)")
    ax.legend(loc="upper center", bbox_to_anchor=(0.4, -0.2), ncols=2, handletextpad=0.2, columnspacing=1)


def draw_noise(ax, way, noise):
    """Accuracy against the noise, a line for each length: median and range of the seeds."""
    strengths = [*noise]
    for (colour, line), length in zip(LINES, noise[strengths[0]], strict=False):
        seeds = {x: [100 * row["accuracy"] for row in noise[at][length]] for x, at in enumerate(strengths)}
        figures.draw_median(ax, seeds, f"{length:,}", colour, line, alpha=0.12)
    ax.axhline(100 / DIGITS, color="0.3", lw=0.8, ls=(0, (1, 2)))
    ax.set_xticks(range(len(strengths)), [f"{at:g}" for at in strengths])
    ax.set(ylim=(-3, 104), title=way, xlabel="noise on each unit")


def finding(ways):
    """How many networks of which ways have ten states left, in words."""
    left = {way: [row["states"] for row in at["yes"]] for way, at in ways.items()}
    found = [f"{sum(n == DIGITS for n in seeds)} of {len(seeds)} of “{way}”" for way, seeds in left.items()]
    return found


def figure(ways, noise):
    fig, axes = figures.new_figure(1, 1 + len(SHOWN), width=figures.PAGE, height=3.2, width_ratios=(1.2, 1, 1))
    draw_states(axes[0], ways)
    for ax, way in zip(axes[1:], SHOWN, strict=True):
        draw_noise(ax, way, noise[way])
    axes[1].set_ylabel("first digits told (%)")
    fig.legend(*axes[1].get_legend_handles_labels())
    return fig


def draw(folder):
    ways = read_grouped(folder / "attractors.csv", "way", "trained")
    noise = read_grouped(folder / "noise.csv", "way", "noise", "tested")
    return {"attractors": figure(ways, noise)}, ""


if __name__ == "__main__":
    figures.plot_script(__doc__, draw, "part1", csv_dir=("part1", "folder of the two tables"))
