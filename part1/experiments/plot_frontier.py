"""Draw the longest length that each way of training solves, and print the table. Trains nothing.

python part1/experiments/plot_frontier.py

A seed is solved if its held-out palindromes leave 95 % certainty of an accuracy of 99.9 % or more (see frontier.py).
"""

import sys
from pathlib import Path

if not __package__:  # run as `python part1/experiments/plot_frontier.py`: import from the checkout, not from there
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from common.figures import BLUE, SKY, VERMILION, in_house_style, markdown, new_figure, plot_script
from part1.experiments.frontier import MEMORIES, frontier, read_rows

INPUTS = {10: "one-hot digits", 1: "raw digits"}
STYLES = {
    "LSTM": {"color": BLUE, "edgecolor": "white"},
    "time-gated LSTM": {"color": SKY, "edgecolor": "white", "hatch": "xx"},
    "RNN": {"color": VERMILION, "edgecolor": "white", "hatch": "///"},
}
HEADINGS = {
    "learned": "learned by gradient descent",
    "reservoir": "reservoir, only the readout learned",
    "engineered": "engineered: built into the first weights",
}


def low_to_high(values, form):
    """Those of the values that are known, lowest and highest, each in the format `form`."""
    values = [value for value in values if value is not None] or [None]
    low, high = ("–" if value is None else f"{value:{form}}" for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def table(rows):
    """Markdown: a row per way of training and input, learned memory first, then the reservoir, then the engineered.

    Updates, CPU time and the accuracies at longer lengths are those of the seeds that solved the length.
    """
    lines = []
    for row in sorted(rows, key=lambda row: (MEMORIES.index(row.memory), row)):
        length, longest = frontier(rows[row]), f"{max(rows[row]):,}"
        of_length = ["none", longest] + ["–"] * 5
        if length is not None:
            seeds = rows[row][length].values()
            points = [point for point in seeds if point.solved]
            cost = (low_to_high([getattr(p, name) for p in points], ",.0f") for name in ("updates", "cpu_seconds"))
            beyond = (low_to_high([p.beyond.get(n * length) for p in points], ".3f") for n in (2, 10))
            of_length = [f"{length:,}", longest, f"{len(points)} of {len(seeds)}", *cost, *beyond]
        lines.append((row.memory, row.cell, row.way, INPUTS[row.input_dim], *of_length))
    columns = ("memory", "cell", "first weights, training", "input", "longest length solved", "longest tried")
    return markdown((*columns, "seeds", "updates", "CPU s", "accuracy at 2 ×", "at 10 ×"), lines)


@in_house_style
def figure(rows):
    """A bar per way of training, both inputs beside each other, as long as the longest length solved; log scale."""
    best = {}  # {row without its input: longest length solved with either input}
    for row in rows:
        way = row._replace(input_dim=None)
        best[way] = max(best.get(way, 1), frontier(rows[row]) or 1)
    lines = []  # (label, row) from the bottom up: the ways of one kind of memory, then its heading, which has no row
    for memory in reversed(MEMORIES):
        ways = sorted((way for way in best if way.memory == memory), key=lambda way: (best[way], way[:3]))
        lines += [(f"{way.cell}, {way.way}", way) for way in ways]
        lines += [(HEADINGS[memory], None)] if ways else []

    inputs = [dim for dim in INPUTS if any(dim == row.input_dim for row in rows)]
    fig, axes = new_figure(1, len(inputs), width=9.5, height=1.2 + 0.25 * len(lines), sharey=True, squeeze=False)
    for ax, dim in zip(axes[0], inputs, strict=True):
        for y, (_, way) in enumerate(lines):
            if way:
                _draw_bar(ax, y, way, rows.get(way._replace(input_dim=dim)))
            else:
                ax.axhline(y + 0.5, color="0.6", lw=0.6)
        ax.set(xscale="log", xlim=(1, 60_000), ylim=(-0.6, len(lines) - 0.4))
        ax.set(title=INPUTS[dim], xlabel="digits to read; + is the longest tried")
        ax.xaxis.set_major_formatter("{x:,.0f}")
        ax.grid(axis="y", visible=False)
    ticks = axes[0, 0].set_yticks(range(len(lines)), [label for label, _ in lines], fontsize=8)
    for tick, (_, way) in zip(ticks, lines, strict=True):
        tick.label1.set_fontweight("normal" if way else "bold")

    learned = {way: length for way, length in best.items() if way.memory == "learned"}
    plain = max((length for way, length in learned.items() if "curriculum" not in way.way), default=1)
    fig.suptitle(
        f"Learned memory: to {max(learned.values(), default=1):,} digits, without a curriculum to {plain:,}\n"
        "longest length that at least 9 of 10 seeds solved (in brackets: how many did)",
        fontsize=10,
    )
    return fig


def _draw_bar(ax, y, way, at_length):
    """The bar of one way and input, {digits: {seed: Point}}; None if it was not tried."""
    if at_length is None:
        ax.annotate("not tried", (1.15, y), fontsize=7, color="0.4", va="center")
        return
    length = frontier(at_length)
    style = STYLES[way.cell]
    if way.memory != "learned":  # hollow: not all of it was learned
        style = {"color": "white", "edgecolor": "0.3", "hatch": {"reservoir": "", "engineered": "..."}[way.memory]}
    ax.barh(y, length or 1, height=0.65, **style)
    seeds = at_length[length or min(at_length)].values()
    note = "none" if length is None else f"{length:,}{'+' if length == max(at_length) else ''}"
    note += f"  ({sum(point.solved for point in seeds)} of {len(seeds)})"
    ax.annotate(note, (1.08 * (length or 1), y), fontsize=7, va="center")


def figures(sweep_folders, runs_folder, reservoir_csv):
    rows = read_rows(sweep_folders, runs_folder, reservoir_csv)
    return {"frontier": figure(rows)}, table(rows)


if __name__ == "__main__":
    plot_script(
        __doc__,
        figures,
        "part1",
        sweep_dir=(["part1/memory", "part1/sweep"], "folders of sweeps; an earlier one wins"),
        runs_dir=("part2/runs", "folder of part 2's runs"),
        reservoir=("part1/reservoir.csv", "table of part1/experiments/reservoir.py"),
    )
