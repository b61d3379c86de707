"""Draw the longest length that each way of training solves. Trains nothing.

python part1/experiments/plot_frontier.py

Reads the tables of part1/sweep.py, part2/train.py (its time gate) and part1/experiments/reservoir.py.
"""

import re
import sys
from collections import defaultdict, namedtuple
from fnmatch import fnmatch
from pathlib import Path

if not __package__:  # run as `python part1/experiments/plot_frontier.py`: import from the checkout, not from there
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

from common import figures
from common.figures import BLUE, SKY, VERMILION
from common.tables import read_grouped, read_runs
from part1.solved import is_solved
from part1.sweep import read_points

MOST = 0.9  # share of the seeds that must be solved
INPUTS = {10: "one-hot digits", 1: "raw digits"}
STYLES = {
    "LSTM": {"color": BLUE, "edgecolor": "white"},
    "time-gated LSTM": {"color": SKY, "edgecolor": "white", "hatch": "xx"},
    "RNN": {"color": VERMILION, "edgecolor": "white", "hatch": "///"},
    "reservoir": {"color": "white", "edgecolor": "0.3"},  # hollow: not all of it was learned
    "engineered": {"color": "white", "edgecolor": "0.3", "hatch": "..."},
}
MEMORIES = {
    "learned": "learned by gradient descent",
    "reservoir": "reservoir, only the readout learned",
    "engineered": "engineered: built into the first weights",
}


# A way of training: one of MEMORIES, the cell, its first weights and the like, 1 for raw digits or 10.
Row = namedtuple("Row", ("memory", "cell", "way", "input_dim"))


def count_solved(seeds):
    return sum(result["solved"] for result in seeds.values())


def frontier(at_length):
    """The longest of {digits to read: {seed: result}} that MOST seeds solved, and all shorter ones; None if none."""
    longest = None
    for length, seeds in sorted(at_length.items()):
        if count_solved(seeds) < MOST * len(seeds):
            break
        longest = length
    return longest


def read_rows(sweep_folders, runs_folder, reservoir_csv):
    """{Row: {digits to read: {seed: result, a dict, "solved" added}}} of all that remembers.

    A point of the same row, length and seed in an earlier folder hides that in a later one; of the reservoirs only the
    random weights that reach farthest are kept. Raises ValueError if a sweep's folders hold no points, or if a file is
    something else; OSError if one cannot be read.
    """
    sources = [(folder, _swept, read_points(folder).values()) for folder in sweep_folders]
    if not any(points for *_, points in sources):
        raise ValueError(f"no points of part1/sweep.py in {', '.join(map(str, sweep_folders))}")
    runs = read_runs(runs_folder).items()
    gated = [run for name, run in runs if fnmatch(name, "palindromes*_gated_seed*")]  # no other settings
    weights = read_grouped(reservoir_csv, "weights").items()
    drawn = [line for name, lines in weights if not re.search("counts|engineered", str(name)) for line in lines]
    rows = defaultdict(lambda: defaultdict(dict))
    for path, read, results in [*sources, (runs_folder, _gated, gated), (reservoir_csv, _reservoir, drawn)]:
        try:
            for result in results:
                row, solved = read(result)
                rows[row][result["input_length"]].setdefault(result["seed"], {**result, "solved": solved})
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path} holds a row that is no result ({error})") from error
    by_frontier = sorted(rows, key=lambda row: frontier(rows[row]) or 0)
    best = {(row.cell, row.input_dim): row for row in by_frontier if row.memory == "reservoir"}
    return {row: rows[row] for row in rows if row.memory != "reservoir" or row in best.values()}


def _swept(run):
    """The row of a run of part 1's sweep, and whether it is solved."""
    way = run["init"] + (", curriculum" if run["curriculum"] else "")
    if run["learning_rate"] != 0.001:
        way += f", rate {run['learning_rate']:g}"
    row = Row("engineered" if run["init"] == "latch" else "learned", run["model_type"], way, run["input_dim"])
    return row, "diverged" not in run and is_solved(run["accuracy"], run["palindromes"], run["input_length"])


def _gated(run):
    """The row of a run of part 2, and whether it is solved."""
    low, high = run["log_tau"]
    row = Row("learned", "time-gated LSTM", f"{run['init']}, log τ {low:g} to {high:g}", 10)
    return row, is_solved(run["accuracy"], run["sequences"], run["input_length"])


def _reservoir(line):
    """The row of a line of reservoir.csv, and whether it is solved."""
    cell, weights = line["weights"].split(", ")
    row = Row("reservoir", cell, f"{weights}, readout only", line["input_dim"])
    return row, is_solved(line["accuracy"], line["palindromes"], line["input_length"])


def figure(rows):
    """A bar per way of training, both inputs beside each other, as long as the longest length solved; log scale."""
    best = {}  # {row without its input: longest length solved with either input}
    for row in rows:
        way = row._replace(input_dim=None)
        best[way] = max(best.get(way, 1), frontier(rows[row]) or 1)
    lines = []  # (label, row) from the bottom up: the ways of one kind of memory, then its heading, which has no row
    for memory, heading in reversed(MEMORIES.items()):
        ways = sorted((way for way in best if way.memory == memory), key=lambda way: (best[way], way[:3]))
        lines += [(f"{way.cell}, {way.way}", way) for way in ways]
        lines += [(heading, None)] if ways else []

    fig, axes = figures.new_figure(1, len(INPUTS), width=9.5, height=1.2 + 0.25 * len(lines), sharey=True)
    for ax, (dim, title) in zip(axes, INPUTS.items(), strict=True):
        for y, (_, way) in enumerate(lines):
            if way is None:
                ax.axhline(y + 0.5, color="0.6", lw=0.6)
            elif at_length := rows.get(way._replace(input_dim=dim)):
                _draw_bar(ax, y, way, at_length)
        ax.set(xscale="log", xlim=(1, 60_000), ylim=(-0.6, len(lines) - 0.4))
        ax.set(title=title, xlabel="digits to read; +: the longest tried; no bar: not tried")
        ax.xaxis.set_major_formatter("{x:,.0f}")
        ax.grid(axis="y", visible=False)
    ticks = axes[0].set_yticks(range(len(lines)), [label for label, _ in lines], fontsize=8)
    for tick, (_, way) in zip(ticks, lines, strict=True):
        tick.label1.set_fontweight("normal" if way else "bold")

    fig.suptitle(
        "The longest length taught and solved: by at least 9 of 10 seeds (in brackets: how many did)\n"
        "how far the networks are right beyond the length that they were taught is another question: see the table",
        fontsize=10,
    )
    return fig


def _draw_bar(ax, y, way, at_length):
    """The bar of one way and input, {digits: {seed: result}}."""
    length = frontier(at_length)
    ax.barh(y, length or 1, height=0.65, **STYLES[way.cell if way.memory == "learned" else way.memory])
    seeds = at_length[length or min(at_length)]
    note = "none" if length is None else f"{length:,}{'+' if length == max(at_length) else ''}"
    note += f"  ({count_solved(seeds)} of {len(seeds)})"
    ax.annotate(note, (1.08 * (length or 1), y), fontsize=7, va="center")


def draw(*paths):
    rows = read_rows(*paths)
    return {"frontier": figure(rows)}, ""


if __name__ == "__main__":
    figures.plot_script(
        __doc__,
        draw,
        "part1",
        sweep_dir=(["part1/memory", "part1/sweep"], "folders of sweeps; an earlier one wins"),
        runs_dir=("part2/runs", "folder of part 2's runs"),
        reservoir=("part1/reservoir.csv", "table of part1/experiments/reservoir.py"),
    )
