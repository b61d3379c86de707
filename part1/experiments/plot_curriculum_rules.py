"""Draw what each rule of the curriculum is for from the tables of curriculum_rules.py.

python part1/experiments/plot_curriculum_rules.py
"""

import sys
from pathlib import Path
from textwrap import fill

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


def clusters(place, digit, gap=0.06):
    """The clusters of states, each as (digits, centre): place (N, 2), whose first digits are digit (N,).

    Two states are of one cluster if steps from dot to dot lead from one to the other, each shorter than the share `gap`
    of the whole extent. A digit belongs to the cluster that has most of its states; others are strays.
    """
    distance = np.linalg.norm(place[:, None] - place, axis=2)
    cluster, before = np.arange(len(place)), None
    while not np.array_equal(cluster, before):  # a state takes the lowest number near it
        cluster, before = np.where(distance < gap * distance.max(), cluster, len(place)).min(axis=1), cluster
    homes = {}
    for d in np.unique(digit).tolist():
        numbers, counts = np.unique(cluster[digit == d], return_counts=True)
        homes.setdefault(numbers[counts.argmax()], []).append(d)
    return [(digits, place[cluster == home].mean(axis=0)) for home, digits in homes.items()]


def places(points):
    """Where the states of a table's rows are, (N, 2), and their first digits, (N,)."""
    return np.array([[p["component_1"], p["component_2"]] for p in points]), np.array([p["digit"] for p in points])


def draw_states(ax, points):
    """A dot a palindrome, coloured by its first digit; at each cluster its digits."""
    place, digit = places(points)
    ax.scatter(*place.T, s=14, c=[COLOURS[d] for d in digit], alpha=0.7, lw=0)
    outline = [withStroke(linewidth=2.5, foreground="w")]
    for digits, centre in clusters(place, digit):
        right, up = np.where(centre < place.mean(axis=0), 1, -1)  # the label is on the side of the middle
        look = {"ha": "left" if right > 0 else "right", "va": "center", "fontsize": 11, "weight": "bold"}
        words = fill(" ".join(map(str, digits)), width=3)
        ax.annotate(words, centre, (6 * right, 3 * up), textcoords="offset points", path_effects=outline, **look)
    ax.set(xlabel="first principal component")
    ax.margins(0.1)


def rules_figure(ends, states):
    """Accuracy at the goal by rule, a mark per seed; and hidden states after the last digit, by two rules, one seed."""
    fig, (left, *others) = figures.new_figure(1, 1 + len(states), width=figures.PAGE, height=2.6)
    for y, runs in enumerate(reversed(ends.values())):
        heights = np.linspace(y - 0.15, y + 0.15, len(runs))  # seeds that coincide stay apart
        left.scatter([100 * run["accuracy"] for run in runs], heights, s=10, color=BLUE, alpha=0.8, lw=0)
        left.annotate(f"{solved(runs)} of {len(runs)} solved", (0, y + 0.25), fontsize=8)
    short = {rule: rule.replace("grows at", "at").replace(", ", ",\n") for rule in ends}
    left.set_yticks(range(len(ends)), reversed(short.values()))
    left.set(xlim=(-3, 106), ylim=(-0.5, len(ends) - 0.4), title="a dot per seed", xlabel="accuracy (%)")
    for ax, (rule, points) in zip(others, states.items(), strict=True):
        draw_states(ax, points)
        seed = points[0]["seed"]
        apart = next(run["digits_told_apart"] for run in ends[rule] if run["seed"] == seed)
        ax.set_title(f"{short[rule].replace(chr(10), ' ')}:\n{apart} of 10 told apart")
    others[0].set_ylabel("second", labelpad=-2)
    best, worst = (end(ends, key=lambda rule: solved(ends[rule])) for end in (max, min))
    fig.suptitle(
        f"“{best}”: {solved(ends[best])} of {len(runs)} seeds solve the goal; “{worst}”: {solved(ends[worst])}\n"
        f"right: hidden states after the last digit, seed {seed}; numerals: the first digits in a cluster",
    )
    return fig


def draw(folder):
    ends, states = (read_grouped(folder / f"curriculum_{name}.csv", "rule") for name in ("rules", "states"))
    return {"curriculum": rules_figure(ends, states)}, ""


if __name__ == "__main__":
    figures.plot_script(__doc__, draw, "part1", csv_dir=("part1", "folder of the two tables"))
