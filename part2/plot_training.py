"""Draw accuracy against updates, time-gated beside plain, from run folders of part2/train.py; print the tables.

python part2/plot_training.py
"""

import json
import math
import re
import statistics
import sys
from pathlib import Path

if not __package__:  # run as `python part2/plot_training.py`: import from the checkout, not from part2/
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from common.table import read_table
from matplotlib.ticker import NullFormatter

from common.arguments import Parser
from common.figures import BLUE, GREEN, VERMILION, new_figure, save_figure

ROOT = Path(__file__).resolve().parents[1]
GOOD = 0.99  # the held-out accuracy that the figure's titles and the tables give the updates to
CHANCE = {"palindromes": 0.1, "adding": None, "frequency": 0.5}
GATED = ("time-gated", BLUE, "-")
PLAIN = ("plain", VERMILION, "--")
CHRONO = ("plain, chrono", GREEN, "-.")
# What is drawn: {panel: {run folders' name without its seed: curve}}; panels and curves without runs are left out.
PANELS = {
    "palindromes, 100 digits": {
        "palindromes100_gated": GATED,
        "palindromes100_chrono_rate0.01": CHRONO,
        "palindromes100_lstm": PLAIN,
    },
    "palindromes, 500 digits": {
        "palindromes500_gated": GATED,
        "palindromes500_chrono_rate0.01": CHRONO,
        "palindromes500_lstm": PLAIN,
    },
    "adding, 100 steps": {
        "adding100_gated": GATED,
        "adding100_lstm": PLAIN,
    },
    "frequencies, asynchronous": {
        "asynchronous_gated": GATED,
        "asynchronous_lstm_rate0.01": PLAIN,
    },
    "frequencies, every 1 ms": {
        "standard_gated": GATED,
        "standard_lstm_rate0.003": PLAIN,
        "standard_lstm_rate0.01": ("plain, rate 0.01", GREEN, "-."),
    },
    "frequencies, every 0.1 ms": {
        "high_gated": GATED,
        "high_lstm_rate0.01": PLAIN,
    },
}


def read_runs(folder):
    """{name without its seed: [run of each seed]} of the finished runs, each a dict: settings, result, steps, accuracy.

    Raises ValueError if there are none, or if a run's files are not what part2/train.py writes.
    """
    runs = {}
    for path in sorted(Path(folder).glob("*/result.json")):
        try:
            columns = {"step": int, "heldout_accuracy": float}
            rows = read_table(path.with_name("metrics.csv"), columns, "part2/train.py")
            run = {
                "settings": json.loads(path.with_name("config.json").read_text()),
                "result": json.loads(path.read_text()),
                "steps": [row["step"] for row in rows],
                "accuracy": [row["heldout_accuracy"] for row in rows],
            }
        except (OSError, ValueError) as error:
            raise ValueError(f"{path.parent} is not a run of part2/train.py") from error
        runs.setdefault(re.sub(r"_seed\d+$", "", path.parent.name), []).append(run)
    if not runs:
        raise ValueError(f"{folder} holds no finished runs of part2/train.py")
    return runs


def steps_to(run, accuracy):
    """Updates to the first evaluation with at least this held-out accuracy; infinity if there was none."""
    return next((s for s, a in zip(run["steps"], run["accuracy"], strict=True) if a >= accuracy), math.inf)


def _updates(steps):
    return "never" if math.isinf(steps) else f"{steps:,.0f}"


def figure(runs):
    """One panel per task: medians over the seeds and their range; a run that ended early keeps its last accuracy."""
    panels = {title: {n: c for n, c in curves.items() if n in runs} for title, curves in PANELS.items()}
    panels = {title: curves for title, curves in panels.items() if curves}
    if not panels:
        raise ValueError("none of the runs is one that the figure shows")
    columns = min(3, len(panels))
    fig, axes = new_figure(
        math.ceil(len(panels) / columns),
        columns,
        width=3.4 * columns + 0.6,
        height=3.0 * math.ceil(len(panels) / columns) + 0.5,
        squeeze=False,
    )
    for ax, (title, curves) in zip(axes.flat, panels.items(), strict=False):
        lines = [title]
        for name, (label, colour, style) in curves.items():
            seeds = runs[name]
            steps = max((run["steps"] for run in seeds), key=len)
            accuracy = [[*run["accuracy"], *[run["accuracy"][-1]] * len(steps)][: len(steps)] for run in seeds]
            spread = [sorted(100 * a for a in at_step) for at_step in zip(*accuracy, strict=True)]
            ax.fill_between(steps, [s[0] for s in spread], [s[-1] for s in spread], color=colour, alpha=0.2, lw=0)
            count = f"{len(seeds)} seed{'s' * (len(seeds) > 1)}"
            ax.plot(steps, [statistics.median(s) for s in spread], style, color=colour, label=f"{label}, {count}")
            reached = statistics.median(steps_to(run, GOOD) for run in seeds)
            end = statistics.median(run["result"]["accuracy"] for run in seeds)
            lines.append(f"{label}: " + (f"{100 * end:.1f} %" if math.isinf(reached) else f"99 % at {reached:,.0f}"))
        task = next(iter(runs[name]))["settings"]["task"]
        if CHANCE[task]:
            ax.axhline(100 * CHANCE[task], color="0.3", lw=0.8, ls=(0, (1, 2)))
        ax.set_title("\n".join(lines), fontsize=8.5)
        ax.set_xscale("log")
        ax.xaxis.set_minor_formatter(NullFormatter())  # labels at 2, 3, 4 … run together where there is one decade
        ax.set_ylim(0, 103)
        ax.set_xlabel("updates")
        ax.set_ylabel("sums to within 0.04 (%)" if task == "adding" else "held-out accuracy (%)")
        ax.legend(fontsize=7, handlelength=1.7, loc="best")
    for ax in axes.flat[len(panels) :]:
        ax.set_axis_off()
    fig.suptitle(
        "What the time gate is good for: line, median of the seeds; band, lowest to highest; dots: chance", fontsize=10
    )
    return fig


def table(runs):
    """The numbers behind the figure, Markdown: a row per setting, the seeds in order."""
    lines = [
        "| run | seeds | accuracy at the end, each seed | mean ± sd | updates to 99 %, each seed | CPU s, median |",
        "|---|---|---|---|---|---|",
    ]
    for name, seeds in sorted(runs.items()):
        accuracy = [100 * run["result"]["accuracy"] for run in seeds]
        spread = f" ± {statistics.stdev(accuracy):.2f}" if len(seeds) > 1 else ""
        lines.append(
            f"| {name} | {', '.join(str(run['settings']['seed']) for run in seeds)} "
            f"| {', '.join(f'{a:.2f}' for a in accuracy)} | {statistics.mean(accuracy):.2f}{spread} "
            f"| {', '.join(_updates(steps_to(run, GOOD)) for run in seeds)} "
            f"| {statistics.median(run['result']['cpu_seconds'] for run in seeds):.0f} |"
        )
    return "\n".join(lines)


def main(argv=None):
    parser = Parser(__doc__.split("\n")[0])
    parser.add_argument("--runs_dir", default=str(ROOT / "results/part2/runs"), help="folder of the run folders")
    parser.add_argument("--output_dir", default=str(ROOT / "results/part2"), help="folder for training.png")
    config = parser.parse_args(argv)
    try:
        runs = read_runs(config.runs_dir)
        folder = Path(config.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        save_figure(figure(runs), folder / "training.png")
    except (ValueError, OSError) as error:
        parser.error(error)
    print(table(runs))


if __name__ == "__main__":
    main()
