"""Draw what each rule of the curriculum is for from the tables of curriculum_rules.py.

python part1/experiments/plot_curriculum_rules.py
"""

import sys
from pathlib import Path

if not __package__:  # run as `python part1/experiments/plot_curriculum_rules.py`: import from the checkout
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

import numpy as np
from matplotlib.patheffects import withStroke

from common import figures
from common.figures import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION
from common.tables import read_grouped

COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION, "0.1", "0.4", "0.6", "#F0E442")


def solved(runs):
    return sum(run["solved"] for run in runs)


def rules_figure(ends, states):
    """Accuracy at the goal by rule, a mark per seed; and hidden states after the last digit, by two rules, one seed."""
    fig, (left, *others) = figures.new_figure(1, 1 + len(states), width=figures.PAGE, height=2.7)
    for y, runs in enumerate(reversed(ends.values())):
        heights = np.linspace(y - 0.15, y + 0.15, len(runs))  # seeds that coincide stay apart
        left.scatter([100 * run["accuracy"] for run in runs], heights, s=10, color=BLUE, alpha=0.8, lw=0)
        left.annotate(f"{solved(runs)} of {len(runs)} solved", (0, y + 0.25), fontsize=8)
    left.set_yticks(range(len(ends)), [rule.replace(", ", "\n").replace("at ", "at\n") for rule in reversed(ends)])
    left.set(xlim=(-3, 106), ylim=(-0.5, len(ends) - 0.4), title="a mark per seed", xlabel="accuracy (%)")
    for ax, (rule, points) in zip(others, states.items(), strict=True):
        centre = np.mean([[p["component_1"], p["component_2"]] for p in points], axis=0)
        for digit in range(10):
            place = np.array([[p["component_1"], p["component_2"]] for p in points if p["digit"] == digit])
            ax.scatter(*place.T, s=14, color=COLOURS[digit], alpha=0.7, lw=0)
            middle = place[np.abs(place - np.median(place, axis=0)).sum(axis=1).argmin()]  # a point of the cluster
            outline = [withStroke(linewidth=2.5, foreground="w")]
            out = (9 + digit % 2 * 7) * (middle - centre) / np.linalg.norm(middle - centre)  # points
            look = {"ha": "center", "va": "center", "fontsize": 11, "weight": "bold", "path_effects": outline}
            ax.annotate(digit, middle, out, textcoords="offset points", **look)
        seed = points[0]["seed"]
        apart = next(run["digits_told_apart"] for run in ends[rule] if run["seed"] == seed)
        ax.set_title(rule.replace(", ", ",\n") + f":\n{apart} of 10 digits told apart")
        ax.set(xlabel="first principal component")
        ax.margins(0.22)
    others[0].set_ylabel("second", labelpad=-2)
    best, worst = (end(ends, key=lambda rule: solved(ends[rule])) for end in (max, min))
    fig.suptitle(
        f"“{best}”: {solved(ends[best])} of {len(runs)} seeds solve the goal; “{worst}”: {solved(ends[worst])}\n"
        f"right: hidden states after the last digit, seed {seed}; a dot is a palindrome, a numeral its first digit",
    )
    return fig


def draw(folder):
    ends, states = (read_grouped(folder / f"curriculum_{name}.csv", "rule") for name in ("rules", "states"))
    return {"curriculum": rules_figure(ends, states)}, ""


if __name__ == "__main__":
    figures.plot_script(__doc__, draw, "part1", csv_dir=("part1", "folder of the two tables"))
