"""Draw what each rule of the curriculum is for from the tables of curriculum_rules.py.

python part1/experiments/plot_curriculum_rules.py
"""

import sys
from pathlib import Path

if not __package__:  # run as `python part1/experiments/plot_curriculum_rules.py`: import from the checkout
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

import numpy as np

from common import figures
from common.figures import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION
from common.tables import read_grouped

COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION, "0.1", "0.4", "0.6", "#F0E442")


def solved(runs):
    return sum(run["solved"] for run in runs)


def rules_figure(ends, states):
    """Accuracy at the goal by rule, a mark per seed; and hidden states after the last digit, by two rules, one seed."""
    fig, (left, *others) = figures.new_figure(1, 1 + len(states), width=4.2 + 3.3 * len(states), height=4.0)
    for y, runs in enumerate(reversed(ends.values())):
        heights = np.linspace(y - 0.15, y + 0.15, len(runs))  # seeds that coincide stay apart
        left.scatter([100 * run["accuracy"] for run in runs], heights, s=16, color=BLUE, alpha=0.8, lw=0)
        left.annotate(f"{solved(runs)} of {len(runs)} solved", (8, y + 0.24), fontsize=8)
    left.set_yticks(range(len(ends)), [rule.replace(", ", "\n") for rule in reversed(ends)], fontsize=8)
    left.set(xlim=(-3, 103), ylim=(-0.5, len(ends) - 0.4), title="what each rule is for")
    left.set_xlabel("accuracy at the goal (%), a mark per seed")
    for ax, (rule, points) in zip(others, states.items(), strict=True):
        for point in points:
            look = {"marker": f"${point['digit']}$", "color": COLOURS[point["digit"]], "ms": 6, "lw": 0, "alpha": 0.8}
            ax.plot(point["component_1"], point["component_2"], **look)
        seed = points[0]["seed"]
        apart = next(run["digits_told_apart"] for run in ends[rule] if run["seed"] == seed)
        ax.set_title(f"{rule}:\n{apart} of 10 digits told apart", fontsize=9)
        ax.set(xlabel="first principal component of h", ylabel="second")
    counts = ", ".join(str(solved(runs)) for runs in ends.values())
    fig.suptitle(
        f"By the rules, from the top, {counts} of {len(runs)} seeds solve the goal\nmiddle and right: hidden states h "
        f"after the last digit, seed {seed}; a numeral is one palindrome, and its first digit",
        fontsize=10,
    )
    return fig


def draw(folder):
    ends, states = (read_grouped(folder / f"curriculum_{name}.csv", "rule") for name in ("rules", "states"))
    return {"curriculum": rules_figure(ends, states)}, ""


if __name__ == "__main__":
    figures.plot_script(__doc__, draw, "part1", csv_dir=("part1", "folder of the two tables"))
