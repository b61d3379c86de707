"""Draw the longest length that each way of training solves, from the files of part1/sweep.py; print the table.

python part1/plot_frontier.py
"""

import json
import sys
from collections import defaultdict
from pathlib import Path

if not __package__:  # run as `python part1/plot_frontier.py`: import from the checkout, not from part1/
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from common.arguments import Parser
from common.figures import BLUE, VERMILION, new_figure, save_figure

ROOT = Path(__file__).resolve().parents[1]
SOLVED, MOST = 0.999, 0.9  # accuracy of a solved seed; share of the seeds that must be solved
INPUTS = {10: "one-hot digits", 1: "raw digits"}
ENGINEERED = "latch"


def read_points(folders):
    """{(cell, first weights and the like, input_dim): {digits to read: [point of each seed]}}.

    Raises ValueError if there are none, or if a file is something else.
    """
    points = defaultdict(lambda: defaultdict(list))
    for path in sorted(path for folder in folders for path in Path(folder).glob("*.json")):
        try:
            content = json.loads(path.read_text())
            settings = content["settings"]
            way = settings["init"] + (", curriculum" if settings["curriculum"] else "")
            if settings["learning_rate"] != 0.001:
                way += f", rate {settings['learning_rate']:g}"
            points[settings["model_type"], way, settings["input_dim"]][settings["input_length"]].append(content)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path} is not a point of part1/sweep.py") from error
    if not points:
        raise ValueError(f"no points of part1/sweep.py in {', '.join(map(str, folders))}")
    return points


def solved(seeds):
    """Which of the points of one length are solved, a list of bool."""
    return [(point["result"]["accuracy"] or 0) >= SOLVED for point in seeds]


def frontier(at_length):
    """The longest length of {digits: points} solved on MOST of its seeds, all shorter ones tried too; None if none."""
    longest = None
    for length in sorted(at_length):
        right = solved(at_length[length])
        if sum(right) < MOST * len(right):
            break
        longest = length
    return longest


def _range(values, form="{:,.0f}"):
    low, high = form.format(min(values)), form.format(max(values))
    return low if low == high else f"{low} to {high}"


def table(points):
    """Markdown: a row per cell, way and input, learned memory before the engineered one."""
    lines = [
        "| cell | first weights, training | input | longest length solved | longest tried | seeds | updates | CPU s "
        "| accuracy at 2 × | at 10 × |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for (cell, way, dim), at_length in sorted(points.items(), key=lambda row: (ENGINEERED in row[0][1], row[0])):
        length = frontier(at_length)
        row = [cell, way + (" (engineered)" if ENGINEERED in way else ""), INPUTS[dim]]
        if length is None:
            row += ["none", f"{max(at_length):,}"] + ["–"] * 5
        else:
            results = [point["result"] for point in at_length[length]]
            tested = [result.get("accuracy_beyond", {}) for result in results]
            beyond = [[a[str(n * length)] for a in tested if str(n * length) in a] for n in (2, 10)]
            row += [
                f"{length:,}",
                f"{max(at_length):,}",
                f"{sum(solved(at_length[length]))} of {len(results)}",
                _range([r["steps"] for r in results]),
                _range([r["cpu_seconds"] for r in results]),
                *(_range(values, "{:.3f}") if values else "–" for values in beyond),
            ]
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines)


def figure(points):
    """A bar per cell and way, both inputs beside each other, as long as the longest length solved; log scale."""
    ways = {(cell, way) for cell, way, _ in points}
    best = {row: max(frontier(points[(*row, dim)]) or 1 for dim in INPUTS if (*row, dim) in points) for row in ways}
    rows = sorted(ways, key=lambda row: (ENGINEERED not in row[1], best[row], row))
    inputs = [dim for dim in INPUTS if any(dim == d for *_, d in points)]
    fig, axes = new_figure(1, len(inputs), width=9.5, height=1.2 + 0.27 * len(rows), sharey=True, squeeze=False)
    for ax, dim in zip(axes[0], inputs, strict=True):
        for y, row in enumerate(rows):
            if (*row, dim) not in points:
                ax.annotate("not tried", (1.15, y), fontsize=7, color="0.4", va="center")
                continue
            at_length = points[(*row, dim)]
            length = frontier(at_length)
            engineered = ENGINEERED in row[1]
            style = {"color": BLUE if row[0] == "LSTM" else VERMILION, "hatch": "" if row[0] == "LSTM" else "///"}
            if engineered:
                style = {"color": "white", "edgecolor": "0.3", "hatch": "..."}
            ax.barh(y, length or 1, height=0.65, **{"edgecolor": "white", **style})
            count = len(at_length[length or min(at_length)])
            note = "none" if length is None else f"{length:,}{'+' if length == max(at_length) else ''}  ({count} seeds)"
            ax.annotate(note, (1.08 * (length or 1), y), fontsize=7, va="center")
        ax.set_xscale("log")
        ax.set_xlim(1, 20_000)
        ax.set_title(INPUTS[dim])
        ax.set_xlabel("digits to read; + is the longest tried")
        ax.grid(axis="y", visible=False)
    labels = [f"{cell}, {way}" + (" (engineered)" if ENGINEERED in way else "") for cell, way in rows]
    axes[0, 0].set_yticks(range(len(rows)), labels, fontsize=8)
    learned = [row for row in rows if ENGINEERED not in row[1]]
    plain = max(best[row] for row in learned if "curriculum" not in row[1])
    title = f"Learned memory: to {max(best[row] for row in learned):,} digits, without a curriculum to {plain:,}"
    fig.suptitle(f"{title}\nlongest length with 99.9 % on at least 9 of 10 of the seeds", fontsize=10)
    return fig


def main(argv=None):
    parser = Parser(__doc__.split("\n")[0])
    folders = [str(ROOT / "results/part1/memory"), str(ROOT / "results/part1/sweep")]
    parser.add_argument("--sweep_dir", nargs="+", default=folders, help="folders of the points' files")
    parser.add_argument("--output_dir", default=str(ROOT / "results/part1"), help="folder for frontier.png")
    config = parser.parse_args(argv)
    try:
        points = read_points(config.sweep_dir)
        folder = Path(config.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        save_figure(figure(points), folder / "frontier.png")
    except (ValueError, OSError) as error:
        parser.error(error)
    print(table(points))


if __name__ == "__main__":
    main()
