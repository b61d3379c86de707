"""Draw training and held-out loss against updates and CPU time, and print the table of where the runs ended.

python part3/plot_training.py results/part3/book_* --output results/part3/book.png
"""

import json
import math
import re
import statistics
import sys
from collections import defaultdict
from pathlib import Path

if not __package__:  # run as `python part3/plot_training.py`: import from the checkout, not from part3/
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from matplotlib.ticker import LogLocator

from common.arguments import Parser, positive_number
from common.figures import BLUE, GREEN, ORANGE, PURPLE, VERMILION, new_figure, save_figure
from common.table import read_table

# What tells part 3's metrics from the other parts' is heldout_bpc; a row that was cut off lacks wall_seconds.
COLUMNS = ("step", "train_loss", "heldout_loss", "heldout_bpc", "cpu_seconds", "wall_seconds")
RESULT = ("steps", "heldout_loss", "heldout_loss_blocks", "cpu_seconds")
LOOKS = ((BLUE, "-"), (VERMILION, "--"), (GREEN, "-."), (PURPLE, ":"), (ORANGE, (0, (5, 1, 1, 1, 1, 1))))


def read_runs(folders):
    """{name: [rows of each run]} of run folders; runs whose names differ in `_seedN` alone share a name.

    Rows are dicts of numbers, a row per evaluation. Raises ValueError for a folder that holds no run of part 3 or no
    held-out losses, OSError.
    """
    runs = defaultdict(list)
    for folder in sorted(map(Path, folders)):
        rows = read_table(folder / "metrics.csv", dict.fromkeys(COLUMNS, float), "part3/train.py")
        if not all(math.isfinite(row["heldout_loss"]) for row in rows):
            raise ValueError(f"{folder}: metrics.csv holds no held-out losses")
        runs[re.sub(r"_seed\d+$", "", folder.name)].append(rows)
    return runs


def across_seeds(runs, column):
    """x, lowest, mean and highest `column` at each evaluation that all runs have, x being mean minutes and updates."""
    for rows in zip(*runs, strict=False):
        values = [row[column] for row in rows]
        minutes = statistics.fmean(row["cpu_seconds"] for row in rows) / 60
        yield rows[0]["step"], minutes, min(values), statistics.fmean(values), max(values)


def figure(runs, references):
    """Loss against updates (left) and CPU time (right): held out thick, training thin, best points as stars."""
    fig, axes = new_figure(1, 2, sharey=True, height=4.4)
    for (name, seeds), (colour, line) in zip(runs.items(), LOOKS, strict=False):
        label = f"{name.replace('_', ' ')} ({len(seeds)} seed{'s' * (len(seeds) > 1)})"
        for column, width, dash, alpha in (("heldout_loss", 1.8, line, 1), ("train_loss", 0.8, line, 0.55)):
            steps, minutes, low, mean, high = zip(*across_seeds(seeds, column), strict=True)
            for ax, x in zip(axes, (steps, minutes), strict=True):
                shown = label if column == "heldout_loss" else None
                ax.plot(x, mean, dash, color=colour, lw=width, alpha=alpha, label=shown)
                if column == "heldout_loss":
                    ax.fill_between(x, low, high, color=colour, alpha=0.2, lw=0)
        for rows in seeds:
            best = min(rows, key=lambda row: row["heldout_loss"])
            for ax, x in zip(axes, (best["step"], best["cpu_seconds"] / 60), strict=True):
                ax.plot(x, best["heldout_loss"], "*", color=colour, ms=10, mec="k", mew=0.6)
    for ax in axes:
        for n, (loss, label) in enumerate(references):
            ax.axhline(loss, color="0.3", lw=0.9, ls=(0, (4, 1 + 2 * n)))
            if ax is axes[0]:
                ax.annotate(
                    f"{label}: {loss:g}", (0.98, loss), xycoords=("axes fraction", "data"), ha="right", va="bottom"
                )
    best = {name: [min(row["heldout_loss"] for row in rows) for rows in seeds] for name, seeds in runs.items()}
    axes[0].set_xlabel("updates")
    axes[1].set_xlabel("CPU minutes of training (logarithmic)")
    axes[1].set_xscale("log")
    axes[1].xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes[1].xaxis.set_major_formatter("{x:g}")
    axes[1].xaxis.set_minor_formatter("")
    axes[0].set_ylabel("cross-entropy (nats per character)")
    lowest = min(map(min, best.values()))
    train_losses = [row["train_loss"] for seeds in runs.values() for rows in seeds for row in rows]
    axes[0].set_ylim(min(lowest, *train_losses, *(loss for loss, _ in references)) - 0.05, 1.75 * lowest)
    axes[1].legend(loc="upper right")
    found = "; ".join(f"{name.replace('_', ' ')} {statistics.fmean(losses):.3f}" for name, losses in best.items())
    fig.suptitle(
        f"Best held-out loss while training, nats per character, mean over seeds:\n{found}\n"
        "thick: held out, band: lowest to highest seed, star: best; thin: training batches, mean over seeds",
        fontsize=9.5,
    )
    return fig


def read_result(folder):
    """A run's result.json, a dict. Raises ValueError, naming it, if it is not one of part 3."""
    path = folder / "result.json"
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
        return {name: result[name] for name in RESULT}
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is not a result of part3/train.py") from error


def table(folders):
    """Where the runs ended, a Markdown table: a row for each run, then one for the mean of the seeds of a name.

    A run that has not ended has no row. Raises ValueError or OSError as `read_result` does.
    """
    results = defaultdict(dict)
    for folder in sorted(map(Path, folders)):
        if (folder / "result.json").exists():
            results[re.sub(r"_seed\d+$", "", folder.name)][folder.name] = read_result(folder)
    lines = [
        "| run | updates | held out: nats, state carried | bits | nats, blocks of 256 from a zero state | CPU s |",
        "|---|---|---|---|---|---|",
    ]
    for name, runs in results.items():
        groups = [*((run, [result]) for run, result in runs.items()), (f"{name}, mean", list(runs.values()))]
        for label, group in groups if len(runs) > 1 else groups[:1]:
            carried = _spread([result["heldout_loss"] for result in group], 4)
            bits = _spread([result["heldout_loss"] / math.log(2) for result in group], 3)
            blocks = _spread([result["heldout_loss_blocks"] for result in group], 4)
            updates = _spread([result["steps"] for result in group], 0)
            seconds = _spread([result["cpu_seconds"] for result in group], 0)
            lines.append(f"| {label} | {updates} | {carried} | {bits} | {blocks} | {seconds} |")
    return "\n".join(lines)


def _spread(values, digits):
    """The mean, with lowest and highest behind it if they differ."""
    low, mean, high = (f"{value:,.{digits}f}" for value in (min(values), statistics.fmean(values), max(values)))
    return mean if low == high else f"{mean} ({low} to {high})"


def reference(text):
    """LOSS=LABEL as (loss, label)."""
    loss, _, label = text.partition("=")
    return positive_number(loss), label


def build_parser():
    parser = Parser(__doc__.split("\n")[0])
    parser.add_argument("runs", nargs="+", help="run folders; those that differ in _seedN alone are one curve")
    parser.add_argument("--output", required=True, help="the figure, .png or .pdf")
    parser.add_argument(
        "--reference", nargs="+", type=reference, default=[], metavar="LOSS=LABEL", help="horizontal lines"
    )
    return parser


def main(argv=None):
    parser = build_parser()
    config = parser.parse_args(argv)
    try:
        runs = read_runs(config.runs)
        if len(runs) > len(LOOKS):
            raise ValueError(f"{len(runs)} curves are too many for one figure, {len(LOOKS)} are allowed")
        if Path(config.output).suffix not in (".png", ".pdf"):
            raise ValueError(f"--output {config.output} is neither .png nor .pdf")
        lines = table(config.runs)
        save_figure(figure(runs, config.reference), config.output)
    except (ValueError, OSError) as error:
        parser.error(error)
    print(lines)


if __name__ == "__main__":
    main()
