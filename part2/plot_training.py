"""Draw accuracy against updates, time-gated beside plain, from the runs of part2/train.py; print the tables.

python part2/plot_training.py
"""

import math
import re
import statistics
import sys
from pathlib import Path

if not __package__:  # run as `python part2/plot_training.py`: import from the checkout, not from part2/
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

from matplotlib.ticker import NullFormatter

from common.figures import BLUE, GREEN, PAGE, PURPLE, VERMILION, draw_median, new_figure, plot_script
from common.tables import markdown, read_metrics, read_runs

GOOD = 0.99  # the held-out accuracy that the figure's legends and the tables give the updates to
GATED, PLAIN = ("time-gated", BLUE, "-"), ("plain", VERMILION, "--")
CHRONO = "plain, chrono", GREEN, "-."
ELAPSED, DECAYING = ("plain, Δt", GREEN, "-."), ("decaying, Δt", PURPLE, ":")
# A panel for each task: its title, and a curve for each setting, where there are runs named TASK_SETTING_seedN.
PANELS = {
    "palindromes100": ("palindromes, 100 digits", {"gated": GATED, "chrono_rate0.01": CHRONO, "lstm": PLAIN}),
    "asynchronous70": ("frequencies, irregular", {"gated": GATED, "decaying": DECAYING, "elapsed": ELAPSED}),
    "adding100": ("adding, 100 steps", {"gated": GATED, "lstm": PLAIN}),
}
CHANCE = {"palindromes": 10, "frequencies": 50}  # %, by the first word of a panel


def by_setting(path):
    """{name without its seed: [settings, result, "steps" and "accuracies" of each]}. Raises ValueError or OSError."""
    metrics = read_metrics(path, {"step": int, "heldout_accuracy": float})
    runs = {}
    for name, run in read_runs(path).items():
        if name not in metrics or not {"seed", "accuracy", "cpu_seconds"} <= run.keys():
            raise ValueError(f"{path}: {name} is not a run of part2/train.py")
        run["steps"], run["accuracies"] = zip(*(row.values() for row in metrics[name]), strict=True)
        runs.setdefault(re.sub(r"_seed\d+$", "", name), []).append(run)
    return runs


def steps_to(run, accuracy):
    """Updates to the first evaluation with at least this held-out accuracy; infinity if there was none."""
    return next((s for s, a in zip(run["steps"], run["accuracies"], strict=True) if a >= accuracy), math.inf)


def draw_curve(ax, seeds, label, colour, style):
    """Median over the seeds and their range; a run that ended early keeps its last accuracy. The label has both."""
    steps = max((run["steps"] for run in seeds), key=len)
    padded = [[*run["accuracies"], *[run["accuracies"][-1]] * len(steps)][: len(steps)] for run in seeds]
    spread = {step: [100 * a for a in at_step] for step, at_step in zip(steps, zip(*padded, strict=True), strict=True)}
    reached = statistics.median(steps_to(run, GOOD) for run in seeds)
    ends = f"{100 * at_end(seeds):.1f} %" if math.isinf(reached) else f"99 % at {reached:,.0f}"
    draw_median(ax, spread, f"{label} ({len(seeds)}): {ends}", colour, style)


def at_end(seeds):
    return statistics.median(run["accuracy"] for run in seeds)


def figure(runs):
    """A panel per task, empty without runs, the settings' medians in its legend. Raises ValueError if all are empty."""
    fig, axes = new_figure(1, len(PANELS), width=PAGE, height=2.9)
    ahead = []  # whether all seeds of the gated LSTM end above all others, for each task
    for ax, (task, (title, curves)) in zip(axes, PANELS.items(), strict=True):
        drawn = {curve: runs[f"{task}_{name}"] for name, curve in curves.items() if f"{task}_{name}" in runs}
        if not drawn:
            ax.set_axis_off()
            continue
        for curve, seeds in drawn.items():
            draw_curve(ax, seeds, *curve)
        ends = {curve: [run["accuracy"] for run in seeds] for curve, seeds in drawn.items()}
        if (gated := ends.pop(GATED, None)) and ends:
            ahead.append(min(gated) > max(map(max, ends.values())))
        kind = title.split(",")[0]
        if kind in CHANCE:
            ax.axhline(CHANCE[kind], color="0.3", lw=0.8, ls=(0, (1, 2)))
        ylabel = "sums to within 0.04 (%)" if kind == "adding" else "held-out accuracy (%)"
        lowest = 45 if kind == "frequencies" else 0  # no run is far below chance
        ax.set(xscale="log", ylim=(lowest, 103), xlabel="updates", ylabel=ylabel, title=title)
        ax.xaxis.set_minor_formatter(NullFormatter())  # labels at 2, 3, 4 … run together where there is one decade
        ax.legend(loc="upper center", bbox_to_anchor=(0.45, -0.28), handlelength=1.6)
    if not any(ax.axison for ax in axes):
        raise ValueError("none of the runs is one that the figure shows")
    fig.suptitle(
        f"All seeds of the time-gated LSTM end above all of its rivals’ on {sum(ahead)} of {len(ahead)} tasks\n"
        "line: median of the seeds (their number), band: lowest to highest, dots: chance"
    )
    return fig


def table(runs):
    """The numbers of all runs, Markdown: a row per setting, the seeds in order."""
    rows = []
    for name, seeds in sorted(runs.items()):
        accuracy = [100 * run["accuracy"] for run in seeds]
        mean = f"{statistics.mean(accuracy):.2f}" + (f" ± {statistics.stdev(accuracy):.2f}" if len(seeds) > 1 else "")
        updates = ", ".join(f"{steps_to(run, GOOD):,}".replace("inf", "never") for run in seeds)
        seconds = statistics.median(run["cpu_seconds"] for run in seeds)
        each = ", ".join(str(run["seed"]) for run in seeds), ", ".join(f"{a:.2f}" for a in accuracy)
        rows.append((name, *each, mean, updates, f"{seconds:.0f}"))
    columns = ("accuracy at the end, each seed", "mean ± sd", "updates to 99 %, each seed", "CPU s, median")
    return markdown(("run", "seeds", *columns), rows)


def figures(path):
    runs = by_setting(path)
    return {"training": figure(runs)}, table(runs)


if __name__ == "__main__":
    plot_script(__doc__, figures, "part2", runs_dir=("part2/runs", "folder of the runs or their tables"))
