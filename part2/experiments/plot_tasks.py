"""Draw what three cells reach on copying and adding from the table of tasks.py.

python part2/experiments/plot_tasks.py
"""

import sys
from pathlib import Path

if not __package__:  # run as `python part2/experiments/plot_tasks.py`: import from the checkout, not from there
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

import numpy as np

from common import figures
from common.figures import BLUE, ORANGE
from common.tables import read_grouped
from part2.dataset import ADDING_BASELINE, CopyMemory

PANELS = {  # task: column and its factor, what it is, its value without a memory, what is tested
    "copying": ("right", 100, "copying: symbols right (%)", 100 / CopyMemory.kinds, "delay {:,}"),
    "adding": ("loss", 1, "adding: mean squared error", ADDING_BASELINE, "{:,} steps"),
}
COPIED, ADDED = 0.99, 0.01  # least share of symbols, largest mean squared error of a seed that has learned a task
WORDS = {"yes": "by curriculum", "no": "at one length"}


def draw_task(ax, ways, column, factor, title, baseline, words):
    """A row for each cell and way of training, a mark for each seed, at the length taught and at a longer one."""
    for y, rows in enumerate(ways.values()):
        lengths = sorted({row["tested"] for row in rows})
        for length, colour, mark, shift in zip(lengths, (BLUE, ORANGE), "o^", (-0.18, 0.18), strict=True):
            values = [factor * row[column] for row in rows if row["tested"] == length]
            heights = y + shift + np.linspace(-0.12, 0.12, len(values))
            label = words.format(length) if y == 0 else None
            ax.plot(values, heights, mark, color=colour, ms=4, alpha=0.75, mew=0, label=label)
    ax.axvline(baseline, color="0.3", lw=0.8, ls=(0, (1, 2)))
    ax.set_yticks(range(len(ways)), ways)
    ax.set(title=title, ylim=(len(ways) - 0.5, -0.5))
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.09), ncols=2, handletextpad=0.1, columnspacing=1)


def finding(tasks):
    """How many LSTMs by curriculum, and how many networks without it, have learned each task, in words."""

    def learned(task, rows):
        at_taught = [row for row in rows if row["tested"] == min(row["tested"] for row in rows)]
        good = [row["right"] >= COPIED if task == "copying" else row["loss"] <= ADDED for row in at_taught]
        return f"{sum(good)} of {len(good)}"

    by_curriculum, without = [], []
    for task, ways in tasks.items():
        by_curriculum.append(learned(task, ways[f"LSTM,\n{WORDS['yes']}"]))
        without.append(learned(task, [row for way, rows in ways.items() if WORDS["no"] in way for row in rows]))
    return (
        f"{by_curriculum[0]} LSTMs by curriculum copy {100 * COPIED:g} % right, "
        f"{by_curriculum[1]} add to an MSE of {ADDED:g};\n"
        f"of the networks taught at one length {without[0]} copy so much, and {without[1]} add so well"
    )


def figure(tasks):
    """A panel for each task."""
    fig, axes = figures.new_figure(1, len(PANELS), width=figures.PAGE, height=3.6, sharey=True)
    for ax, (task, panel) in zip(axes, PANELS.items(), strict=True):
        draw_task(ax, tasks[task], *panel)
    axes[0].set(xlim=(0, 104))
    axes[1].set(xscale="log")
    fig.suptitle(f"{finding(tasks)}\na mark per seed; blue: tested as taught; dotted: without a memory")
    return fig


def draw(path):
    tasks = read_grouped(path, "task", "cell", "curriculum")
    if tasks.keys() != PANELS.keys():
        raise ValueError(f"{path} holds other tasks than {', '.join(PANELS)}")
    flat = {
        task: {f"{cell},\n{WORDS[way]}": rows for cell, ways in cells.items() for way, rows in ways.items()}
        for task, cells in tasks.items()
    }
    return {"tasks": figure(flat)}, ""


if __name__ == "__main__":
    figures.plot_script(__doc__, draw, "part2", csv=("part2/tasks.csv", "the table"))
