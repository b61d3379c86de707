"""Draw what each rule of the curriculum is for from the CSV files of part1/experiments/curriculum_rules.py.

python part1/experiments/plot_curriculum_rules.py
"""

import sys
from collections import defaultdict
from pathlib import Path

if not __package__:  # run as `python part1/experiments/plot_curriculum.py`: import from the checkout, not from there
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from common.arguments import Parser
from common.figures import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION, new_figure, save_figure
from common.table import read_table

ROOT = Path(__file__).resolve().parents[2]
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION, "0.1", "0.4", "0.6", "#F0E442")


def read_rules(path, columns):
    """Rows of a table by rule: {rule: [row, a dict]}. Raises ValueError or OSError."""
    rules = defaultdict(list)
    for row in read_table(path, {"rule": str, "seed": int, **columns}, "part1/experiments/curriculum_rules.py"):
        rules[row["rule"]].append(row)
    return rules


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
    left.set_ylim(-0.5, len(ends) - 0.4)
    left.set_xlim(-3, 103)
    left.set_xlabel("accuracy at the goal (%), a mark per seed")
    left.set_title("what each rule is for")
    for ax, (rule, rows) in zip(others, states.items(), strict=True):
        for digit in range(10):
            own = [(row["component_1"], row["component_2"]) for row in rows if row["digit"] == digit]
            ax.plot(*zip(*own, strict=True), marker=f"${digit}$", color=COLOURS[digit], ms=6, lw=0, alpha=0.8)
        end = next(row for row in ends[rule] if row["seed"] == rows[0]["seed"])
        ax.set_title(f"{rule}:\n{end['digits_told_apart']} of 10 digits told apart", fontsize=9)
        ax.set_xlabel("first principal component of h")
        ax.set_ylabel("second")
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


def main(argv=None):
    parser = Parser(__doc__.split("\n")[0])
    parser.add_argument("--csv_dir", default=str(ROOT / "results/part1"), help="folder of the two tables")
    parser.add_argument("--output_dir", default=str(ROOT / "results/part1"), help="folder for curriculum.png")
    config = parser.parse_args(argv)
    try:
        columns = {"updates": int, "accuracy": float, "digits_told_apart": int}
        ends = read_rules(Path(config.csv_dir) / "curriculum_rules.csv", columns)
        columns = {"digit": int, "component_1": float, "component_2": float}
        states = read_rules(Path(config.csv_dir) / "curriculum_states.csv", columns)
        folder = Path(config.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        save_figure(figure(ends, states), folder / "curriculum.png")
    except (ValueError, OSError) as error:
        parser.error(error)
    print("| rule | seeds at 99.9 % | accuracy, lowest | digits told apart, lowest | updates, lowest to highest |")
    print("|---|---|---|---|---|")
    for rule, rows in ends.items():
        accuracy = [row["accuracy"] for row in rows]
        updates = [row["updates"] for row in rows]
        print(
            f"| {rule} | {sum(a >= 0.999 for a in accuracy)} of {len(rows)} | {min(accuracy):.3f} "
            f"| {min(row['digits_told_apart'] for row in rows)} | {min(updates)} to {max(updates)} |"
        )


if __name__ == "__main__":
    main()
