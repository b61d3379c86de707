"""Draw how far off the time gate's parameters may start to be found, from part2/experiments/recover_gate.py's table.

python part2/experiments/plot_recover_gate.py
"""

import sys
from collections import defaultdict
from pathlib import Path

if not __package__:  # run as `python part2/experiments/plot_recover_gate.py`: import from the checkout, not from there
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from common.figures import BLUE, GREEN, ORANGE, VERMILION, in_house_style, new_figure, plot_script
from common.files import read_table

STYLES = {
    "2": (BLUE, "-", "o"),
    "10": (GREEN, "--", "s"),
    "100": (VERMILION, "-.", "^"),
    "growing": (ORANGE, "-", "D"),
}
AXES = {
    "tau": ("period τ", "starts off by a share of itself", "symlog"),
    "s": ("shift s", "starts off by a share of the period", "linear"),
    "r_on": ("open share r_on", "starts at so many times its value", "log"),
}


def read_recovery(path):
    """{parameter: {(horizon, leak): [(distance, share recovered)]}}. Raises ValueError or OSError."""
    recovery = defaultdict(lambda: defaultdict(list))
    columns = {"parameter": str, "horizon": str, "leak": float, "distance": float, "recovered": float}
    for row in read_table(path, columns, "part2/experiments/recover_gate.py"):
        recovery[row["parameter"]][row["horizon"], row["leak"]].append((row["distance"], row["recovered"]))
    horizons = {horizon for cases in recovery.values() for horizon, _ in cases}
    if recovery.keys() != AXES.keys() or not horizons <= STYLES.keys():
        raise ValueError(f"{path} is not of {', '.join(AXES)} with time stamps that span {', '.join(STYLES)}")
    return recovery


@in_house_style
def figure(recovery):
    """Share of teachers found against the distance of the start; a line per horizon, without the leak."""
    fig, axes = new_figure(1, 3, width=10.5, height=3.8, sharey=True)
    for ax, (parameter, (name, xlabel, scale)) in zip(axes, AXES.items(), strict=True):
        for (horizon, leak), points in recovery[parameter].items():
            if leak > 0:
                continue
            colour, style, marker = STYLES[horizon]
            label = "1 growing to 100 periods" if horizon == "growing" else f"{horizon} periods"
            x, share = zip(*sorted(points), strict=True)
            ax.plot(x, [100 * s for s in share], style, color=colour, marker=marker, label=label, alpha=0.85)
        ax.set_title(name)
        ax.set_xlabel(xlabel)
        if scale == "symlog":
            ax.set_xscale("symlog", linthresh=0.001)
            ticks = (-0.3, -0.01, 0, 0.01, 0.3)
            ax.set_xticks(ticks, [f"{100 * tick:+g} %" for tick in ticks])
        elif scale == "log":
            ax.set_xscale("log")
            ticks = sorted(x)
            ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
            ax.minorticks_off()
    axes[0].set_ylabel("teachers found again (%)")
    axes[1].legend(fontsize=8, title="time stamps span", title_fontsize=8)
    fig.suptitle(
        "A period can be learned only from near it, the nearer the longer the data last; unless their span grows\n"
        "each point: the share of the teachers from one start; learned alone, the others known; no leak",
        fontsize=10,
    )
    return fig


def figures(path):
    recovery = read_recovery(path)
    lines = [
        f"{parameter}, {horizon} periods, leak {leak:g}: {', '.join(f'{d:+g} {s:.2f}' for d, s in points)}"
        for parameter, cases in recovery.items()
        for (horizon, leak), points in cases.items()
    ]
    return {"recovery": figure(recovery)}, "\n".join(lines)


if __name__ == "__main__":
    plot_script(__doc__, figures, "part2", csv=("part2/recovery.csv", "the table"))
