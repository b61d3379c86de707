"""Draw what three cells reach on copying and adding from the table of tasks.py.

python part2/experiments/plot_tasks.py
"""

import sys
from pathlib import Path

if not __package__:  # run as `python part2/experiments/plot_tasks.py`: import from the checkout, not from there
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

from common import figures
from common.figures import BLUE, SKY, VERMILION
from common.tables import read_grouped
from part2.dataset import ADDING_BASELINE, CopyMemory

COLOURS = {"LSTM": BLUE, "RNN": VERMILION, "time-gated LSTM": SKY}
PANELS = {  # column, title, its value without a memory
    "copying": ("right", "copying ten symbols: share that is right", 1 / CopyMemory.kinds),
    "adding": ("loss", "adding: mean squared error", ADDING_BASELINE),
}


def figure(tasks):
    """A panel for each task: a mark per seed for each cell, with and without a curriculum, at each length tested."""
    fig, axes = figures.new_figure(1, len(PANELS), width=10, height=4.4)
    for ax, (task, (column, title, baseline)) in zip(axes, PANELS.items(), strict=True):
        lengths = sorted({row["tested"] for ways in tasks[task].values() for rows in ways.values() for row in rows})
        for offset, (cell, ways) in enumerate(tasks[task].items()):
            for curriculum, rows in ways.items():
                look = {"marker": "o" if curriculum == "yes" else "x", "color": COLOURS[cell], "ms": 5, "lw": 0}
                label = f"{cell}, {'by curriculum' if curriculum == 'yes' else 'at one length'}"
                x = [lengths.index(row["tested"]) + 0.22 * (offset - 1) for row in rows]
                x = [at + (0.08 if curriculum == "yes" else -0.08) for at in x]
                ax.plot(x, [row[column] for row in rows], label=label, alpha=0.75, **look)
        ax.axhline(baseline, color="0.3", lw=0.8, ls=(0, (1, 2)))
        ax.annotate("without a memory", (0.01, baseline), xycoords=("axes fraction", "data"), va="bottom", fontsize=8)
        ax.set_xticks(range(len(lengths)), [f"{length:,}" for length in lengths])
        ax.set(title=title, xlabel=f"{'delay' if task == 'copying' else 'steps'} tested; taught: {lengths[0]}")
    axes[1].set_yscale("log")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8)
    fig.suptitle(
        "Tasks of memory, a mark per seed; every run of a task read the same number of time steps", fontsize=10
    )
    return fig


def draw(path):
    tasks = read_grouped(path, "task", "cell", "curriculum")
    if tasks.keys() != PANELS.keys():
        raise ValueError(f"{path} holds other tasks than {', '.join(PANELS)}")
    return {"tasks": figure(tasks)}, ""


if __name__ == "__main__":
    figures.plot_script(__doc__, draw, "part2", csv=("part2/tasks.csv", "the table"))
