"""Draw how far off the time gate's parameters may start to be found, from part2/experiments/recover_gate.py's table.

python part2/experiments/plot_recover_gate.py
"""

import sys
from pathlib import Path

if not __package__:  # run as `python part2/experiments/plot_recover_gate.py`: import from the checkout, not from there
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

from common.figures import BLUE, GREEN, ORANGE, PAGE, VERMILION, new_figure, plot_script
from common.tables import read_grouped

STYLES = {
    2: (BLUE, "-", "o", "2 periods"),
    10: (GREEN, "--", "s", "10 periods"),
    100: (VERMILION, "-.", "^", "100 periods"),
    "growing": (ORANGE, "-", "D", "1 growing to 100 periods"),
}
AXES = {
    "tau": ("period τ", "start off by"),
    "s": ("shift s", "start off by (periods)"),
    "r_on": ("open share r_on", "start (times its value)"),
}


def figure(recovery):
    """Share of teachers found against the distance of the start; a line per horizon, without the leak."""
    fig, axes = new_figure(1, 3, width=PAGE, height=2.6, sharey=True)
    for ax, (parameter, (name, xlabel)) in zip(axes, AXES.items(), strict=True):
        for horizon, rows in recovery[parameter].items():
            colour, style, marker, label = STYLES[horizon]
            x = [row["distance"] for row in rows[0]]
            y = [100 * row["recovered"] for row in rows[0]]
            ax.plot(x, y, style, color=colour, marker=marker, label=label, alpha=0.85)
        ax.set(title=name, xlabel=xlabel)
    tau, _, r_on = axes
    tau.set_xscale("symlog", linthresh=0.001)
    ticks = (-0.3, 0, 0.3)
    tau.set_xticks(ticks, [f"{100 * tick:+g} %" for tick in ticks])
    r_on.set_xscale("log")
    r_on.set_xticks(x, [f"{tick:g}" for tick in x])
    r_on.minorticks_off()
    tau.set_ylabel("teachers found again (%)")
    fig.legend(*r_on.get_legend_handles_labels(), loc="outside lower center", ncols=4, title="time stamps span")
    far = {horizon: min(row["recovered"] for row in rows[0]) for horizon, rows in recovery["tau"].items()}
    found = ", ".join(f"{100 * share:.0f} % ({horizon})" for horizon, share in far.items())
    title = f"τ found from the worst start, by periods spanned: {found}"
    fig.suptitle(f"{title}\na mark: share of the teachers found from one start, the other parameters known, no leak")
    return fig


def figures(path):
    recovery = read_grouped(path, "parameter", "horizon", "leak")
    lines = []
    for parameter, horizons in recovery.items():
        for horizon, leaks in horizons.items():
            for leak, rows in leaks.items():
                shares = ", ".join(f"{row['distance']:+g} {row['recovered']:.2f}" for row in rows)
                lines.append(f"{parameter}, {horizon} periods, leak {leak:g}: {shares}")
    return {"recovery": figure(recovery)}, "\n".join(lines)


if __name__ == "__main__":
    plot_script(__doc__, figures, "part2", csv=("part2/recovery.csv", "the table"))
