"""Draw what each rule of the curriculum is for from the tables of curriculum_rules.py.

python part1/experiments/plot_curriculum_rules.py
"""

import sys
from pathlib import Path

if not __package__:  # run as `python part1/experiments/plot_curriculum_rules.py`: import from the checkout
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
)
from common.files import read_table

MEASURES = {"accuracy": float, "digits_told_apart": int, "updates": int}
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION, "0.1", "0.4", "0.6", "#F0E442")


def read_rules(path, columns):
    """Rows of a table by rule: {rule: [row, a dict]}. Raises ValueError or OSError as `read_table` does."""
    rows = read_table(path, {"rule": str, "seed": int, **columns}, "part1/experiments/curriculum_rules.py")
    return grouped(rows, "rule")


@in_house_style
def figure(ends, states):
    """Accuracy at the goal by rule, a mark per seed; and hidden states after the last digit, by two rules, one seed."""
    fig, (left, *others) = new_figure(1, 1 + len(states), width=4.2 + 3.3 * len(states), height=4.0)
    for y, rows in enumerate(reversed(ends.values())):
        accuracy = [100 * row["accuracy"] for row in rows]
        # Seeds that coincide stay apart by a little height.
        heights = [y + 0.3 * (i / max(1, len(rows) - 1) - 0.5) for i in range(len(rows))]
        left.scatter(accuracy, heights, s=16, color=BLUE, marker="o", alpha=0.8, lw=0)
        right = sum(a >= 99.9 for a in accuracy)
        left.annotate(f"{right} of {len(rows)} at 99.9 %", (8, y + 0.24), fontsize=8)
    left.set_yticks(range(len(ends)), [rule.replace(", ", "\n") for rule in reversed(ends)], fontsize=8)
    xlabel = "accuracy at the goal (%), a mark per seed"
    left.set(xlim=(-3, 103), ylim=(-0.5, len(ends) - 0.4), xlabel=xlabel, title="what each rule is for")
    for ax, (rule, rows) in zip(others, states.items(), strict=True):
        for digit in range(10):
            own = [(row["component_1"], row["component_2"]) for row in rows if row["digit"] == digit]
            ax.plot(*zip(*own, strict=True), marker=f"${digit}$", color=COLOURS[digit], ms=6, lw=0, alpha=0.8)
        end = next(row for row in ends[rule] if row["seed"] == rows[0]["seed"])
        ax.set_title(f"{rule}:\n{end['digits_told_apart']} of 10 digits told apart", fontsize=9)
        ax.set(xlabel="first principal component of h", ylabel="second")
    right = {rule: sum(row["accuracy"] >= 0.999 for row in rows) for rule, rows in ends.items()}
    first, *_, last = right
    fig.suptitle(
        f"A bound that waits until the model is right, and short palindromes besides: {right[last]} seeds, not "
        f"{right[first]}. Grown too soon, first digits run together\n"
        f"middle and right: hidden states h after the last digit, seed {rows[0]['seed']}; a numeral is one palindrome, "
        "and its first digit",
        fontsize=10,
    )
    return fig


def table(ends):
    """Where the runs by each rule ended, in Markdown."""
    rows = []
    for rule, runs in ends.items():
        accuracy, apart, updates = ([run[name] for run in runs] for name in MEASURES)
        right = f"{sum(a >= 0.999 for a in accuracy)} of {len(runs)}"
        rows.append((rule, right, f"{min(accuracy):.3f}", min(apart), f"{min(updates)} to {max(updates)}"))
    lowest = ("accuracy, lowest", "digits told apart, lowest", "updates, lowest to highest")
    return markdown(("rule", "seeds at 99.9 %", *lowest), rows)


def figures(folder):
    ends = read_rules(folder / "curriculum_rules.csv", MEASURES)
    states = read_rules(folder / "curriculum_states.csv", {"digit": int, "component_1": float, "component_2": float})
    return {"curriculum": figure(ends, states)}, table(ends)


if __name__ == "__main__":
    plot_script(__doc__, figures, "part1", csv_dir=("part1", "folder of the two tables"))
