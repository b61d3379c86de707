"""Draw training and held-out loss against updates and CPU time, and print the table of where the runs ended.

python part3/plot_training.py results/part3/runs --name book --output results/part3/book.png
"""

import math
import os
import re
import statistics
import sys
from collections import defaultdict
from pathlib import Path

if not __package__:  # run as `python part3/plot_training.py`: import from the checkout, not from part3/
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

from matplotlib.ticker import LogLocator

from common.arguments import Parser, new_file, positive_number
from common.figures import BLUE, GREEN, ORANGE, PAGE, PURPLE, VERMILION, house_style, new_figure, save_figure
from common.tables import markdown, read_metrics, read_runs
from part3.evaluation import NUM_BLOCKS

# Only part 3's metrics have heldout_bpc, and a row that was cut off lacks wall_seconds.
COLUMNS = dict.fromkeys(("step", "train_loss", "heldout_loss", "heldout_bpc", "cpu_seconds", "wall_seconds"), float)
TABLE = {  # of where the runs ended: {column: (name of the result, digits, unit)}
    "updates": ("steps", 0, 1),
    "held out: nats, state carried": ("heldout_loss", 4, 1),
    "bits": ("heldout_loss", 3, math.log(2)),
    "nats, blocks of 256 from a zero state": ("heldout_loss_blocks", 4, 1),
    "CPU s": ("cpu_seconds", 0, 1),
}
RESULT = {name for name, *_ in TABLE.values()}
LOOKS = ((BLUE, "-"), (VERMILION, "--"), (GREEN, "-."), (PURPLE, ":"), (ORANGE, (0, (5, 1, 1, 1, 1, 1))))


def read_curves(paths, prefixes):
    """{name: [run of each seed]} of the runs at `paths` whose names begin with one of `prefixes`.

    A path is what `common.run_folder.read_runs` takes, or the folder of a run that has not ended. Runs whose names
    differ in `_seedN` alone share a name. A run is a dict: "run", its name; "rows", a dict of numbers for each
    evaluation; and its settings and results, if it has ended. Raises ValueError for what is no run of part 3 or has no
    held-out losses, and if no name begins so; OSError.
    """
    curves = defaultdict(list)
    for path in sorted(map(Path, paths)):
        if (path / "config.json").exists() and not (path / "result.json").exists():
            runs = {path.name: {}}
        else:
            runs = read_runs(path)
        metrics = read_metrics(path, COLUMNS)
        for name, run in runs.items():
            if not name.startswith(tuple(prefixes)):
                continue
            rows = metrics.get(name, [])
            if not rows or not all(math.isfinite(row["heldout_loss"]) for row in rows):
                raise ValueError(f"{path}: {name} has no held-out losses")
            if run and not RESULT <= run.keys():
                raise ValueError(f"{path}: {name} has not the results of part3/train.py")
            curves[re.sub(r"_seed\d+$", "", name)].append({"run": name, "rows": rows, **run})
    if not curves:
        raise ValueError(f"no run's name begins with {' or '.join(prefixes)}")
    return dict(sorted(curves.items()))


def across_seeds(runs, column):
    """x, lowest, mean and highest `column` at each evaluation that all runs have, x being mean minutes and updates."""
    for rows in zip(*(run["rows"] for run in runs), strict=False):
        values = [row[column] for row in rows]
        minutes = statistics.fmean(row["cpu_seconds"] for row in rows) / 60
        yield rows[0]["step"], minutes, min(values), statistics.fmean(values), max(values)


def figure(curves, references):
    """Loss against updates and CPU time: held out thick, training thin, best points as stars; and `blocks_panel`."""
    widths = [1, 1, 1.3] if references else [1, 1]  # the last has a name at each tick
    fig, axes = new_figure(1, len(widths), width=PAGE, height=2.8, width_ratios=widths)
    axes[1].sharey(axes[0])
    axes[1].tick_params(labelleft=False)
    found, bottom, top = {}, math.inf, math.inf
    for (name, seeds), (colour, line) in zip(curves.items(), LOOKS, strict=False):
        _, _, _, trained, _ = zip(*across_seeds(seeds, "train_loss"), strict=True)
        *places, low, mean, high = zip(*across_seeds(seeds, "heldout_loss"), strict=True)
        best = [min(run["rows"], key=lambda row: row["heldout_loss"]) for run in seeds]
        stars = [row["step"] for row in best], [row["cpu_seconds"] / 60 for row in best]
        losses = [row["heldout_loss"] for row in best]
        title = name.replace("_", " ")
        found[title] = statistics.fmean(losses)
        label = f"{title}: {found[title]:.3f} ({len(seeds)} seed{'s' * (len(seeds) > 1)})"
        for ax, x, star in zip(axes, places, stars, strict=False):
            ax.plot(x, mean, ls=line, color=colour, lw=1.8, label=label)
            ax.fill_between(x, low, high, color=colour, alpha=0.2, lw=0)
            ax.plot(x, trained, ls=line, color=colour, lw=0.8, alpha=0.55)
            ax.plot(star, losses, "*", color=colour, ms=8, mec="k", mew=0.6)
        bottom = min(bottom, *losses, *(row["train_loss"] for run in seeds for row in run["rows"]))
        top = min(top, 1.75 * min(losses))
    axes[0].set(xlabel="updates", ylabel="nats per character", ylim=(bottom - 0.05, top))
    axes[1].set(xlabel="CPU minutes of training", xscale="log")
    axes[1].xaxis.set(major_locator=LogLocator(subs=(1, 2, 5)), major_formatter="{x:g}", minor_formatter="")
    if references:
        axes[0].set_title(f"{NUM_BLOCKS} blocks")
        axes[1].set_title(f"{NUM_BLOCKS} blocks")
        blocks_panel(axes[2], curves, references)
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    best = min(found, key=found.get)
    fig.suptitle(
        f"Lowest held-out loss while training: {found[best]:.3f} nats per character, of {best}\n"
        f"thick: held out, in {NUM_BLOCKS} blocks; band: all seeds; star: best; thin: training; legend: mean of stars",
        fontsize=8,
    )
    return fig


def blocks_panel(ax, curves, references):
    """The held-out loss after training in blocks of 256 from a zero state, a dot a seed, beside others' numbers."""
    for n, (seeds, (colour, _)) in enumerate(zip(curves.values(), LOOKS, strict=False)):
        losses = [run["heldout_loss_blocks"] for run in seeds if "heldout_loss_blocks" in run]
        ax.plot([n] * len(losses), losses, "o", color=colour, alpha=0.7)
    for n, (loss, label) in enumerate(references):
        ax.axhline(loss, color="0.3", lw=0.9, ls=(0, (4, 1 + 2 * n)))
        where = {"xycoords": ("axes fraction", "data"), "ha": "center", "va": "bottom", "fontsize": 8}
        ax.annotate(f"{label}:\n{loss:g}", (0.5, loss), **where)
    shared = os.path.commonprefix([*curves]).rfind("_") + 1  # what all names begin with is said once, in the legend
    ax.set_xticks(range(len(curves)), [name[shared:].replace("_", "\n") for name in curves])
    ax.set(title="blocks of 256", xlim=(-0.5, len(curves) - 0.5))
    ax.margins(y=0.2)


def table(curves):
    """Where the runs ended, a Markdown table: a row for each run, then one for the mean of the seeds of a name.

    A run that has not ended has no row.
    """
    rows = []
    for name, seeds in curves.items():
        ended = [run for run in seeds if RESULT <= run.keys()]
        groups = [(run["run"], [run]) for run in ended] + [(f"{name}, mean", ended)] * (len(ended) > 1)
        for label, group in groups:
            cells = [_spread([run[key] / unit for run in group], digits) for key, digits, unit in TABLE.values()]
            rows.append((label, *cells))
    return markdown(("run", *TABLE), rows)


def _spread(values, digits):
    """The mean, followed by lowest and highest if they differ."""
    low, mean, high = (f"{value:,.{digits}f}" for value in (min(values), statistics.fmean(values), max(values)))
    return mean if low == high else f"{mean} ({low} to {high})"


def reference(text):
    """LOSS=LABEL as (loss, label)."""
    loss, _, label = text.partition("=")
    return positive_number(loss), label


def main(argv=None):
    parser = Parser(__doc__)
    folders = "run folders, or folders of runs or tables; names that differ in _seedN alone are one curve"
    parser.add_argument("runs", nargs="+", help=folders)
    parser.add_argument("--name", nargs="+", default=[""], help="only runs whose names begin with one of these")
    parser.add_argument("--output", required=True, type=new_file, help="the figure, .png or .pdf")
    words = "others' losses in blocks of 256 from a zero state, dashed beside ours in a panel of their own"
    parser.add_argument("--reference", nargs="+", type=reference, default=[], metavar="LOSS=LABEL", help=words)
    config = parser.parse_args(argv)
    with parser.printing(), house_style():
        curves = read_curves(config.runs, config.name)
        if len(curves) > len(LOOKS):
            raise ValueError(f"{len(curves)} curves are too many for one figure, {len(LOOKS)} are allowed")
        if Path(config.output).suffix not in (".png", ".pdf"):
            raise ValueError(f"--output {config.output} is neither .png nor .pdf")
        try:
            save_figure(figure(curves, config.reference), config.output)
        finally:
            print(table(curves))


if __name__ == "__main__":
    main()
