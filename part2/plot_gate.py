"""Draw how the time gate opens and closes, what τ, s and r_on do to it, and when the units of a layer are open.

python part2/plot_gate.py
"""

import math
import sys
from pathlib import Path

if not __package__:  # run as `python part2/plot_gate.py`: import from the checkout, not from part2/
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

import numpy as np
import torch

from common.arguments import Parser, number_between, positive_number
from common.figures import BLUE, PAGE, RESULTS, VERMILION, house_style, new_figure, save_figure
from part2.time_gate import PARAMETERS, R_ON_LIMITS, TimeGate, never_opens

UNITS, DURATION, SEED = 128, 40, 42  # of the layer that is measured
SHOWN = 16  # of its units that are drawn
OPEN, CLOSED = "0.82", "0.955"  # shades of the phases: told apart in grey
TIME, OPENNESS = "time t (unit of the time stamps)", "openness k(t)"


def dimension(ax, start, end, y, text, colour):
    """A dimension line from time `start` to `end` at height `y`, its text in the middle, as in a technical drawing."""
    arrow = {"arrowstyle": "<->", "color": colour, "lw": 1.3, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 9}
    ax.annotate("", (start, y), (end, y), arrowprops=arrow)
    ax.text((start + end) / 2, y + 0.035, text, color=colour, ha="center", va="bottom")
    for t in (start, end):
        ax.plot([t, t], [0, y], color=colour, lw=0.7, ls=(0, (2, 2)), zorder=1)


def curve(tau, s, r_on, start, end):
    """The gate's corners from time `start` to `end`, between which k is straight: t and k(t)."""
    periods = range(math.floor((start - s) / tau), math.ceil((end - s) / tau))
    corners = (s + tau * (n + phi) for n in periods for phi in (0, r_on / 2, r_on))
    t = np.array([start, *(corner for corner in corners if start < corner < end), end])
    return t, TimeGate(1, tau, s, r_on)(t).detach()[:, 0].numpy()


def draw_anatomy(ax, tau, s, r_on):
    """k(t) from before 0 on, with τ, s and r_on as dimension lines and the open phases shaded."""
    start, end = min(0, s) - 0.9 * tau, max(0, s) + 2.45 * tau
    ax.axvspan(start, end, color=CLOSED, lw=0, zorder=0)
    for n in range(math.floor((start - s) / tau), math.ceil((end - s) / tau)):
        for low, high, shade, word in ((n, n + r_on, OPEN, "open"), (n + r_on, n + 1, CLOSED, "closed")):
            low, high = max(s + low * tau, start), min(s + high * tau, end)
            ax.axvspan(low, high, color=shade, lw=0, zorder=0.5)
            if high - low > 0.25 * tau:
                ax.text((low + high) / 2, 1.8, word, ha="center", va="top", fontsize=8, color="0.25")
    ax.plot(*curve(tau, s, r_on, start, end), color=BLUE, lw=2, zorder=3, clip_on=False)
    ax.plot([0, 0], [0, 1.1], color="0.25", lw=0.8, zorder=1)
    if s:
        dimension(ax, 0, s, 1.1, f"s = {s:g}", VERMILION)
    dimension(ax, s, s + r_on * tau, 1.33, f"$r_{{on}}$ τ = {r_on:g} · {tau:g} = {r_on * tau:g}", "0.1")
    begin = s + tau * max(1, math.ceil(-s / tau))  # of a period after 0 and s, away from the other dimension lines
    dimension(ax, begin, begin + tau, 1.1, f"τ = {tau:g}", BLUE)
    if r_on < 0.6:
        peak, beside = (begin + tau * r_on / 2, 1), (begin + tau * (1 + r_on) / 2, 0.72)
        line = {"arrowstyle": "-", "color": "0.4", "lw": 0.7}
        ax.annotate("k = 1 at\nφ = $r_{on}$ / 2", peak, beside, ha="center", va="center", arrowprops=line, fontsize=8)
    ax.set(xlim=(start, end), ylim=(0, 1.84), yticks=[0, 0.5, 1], xlabel=TIME, ylabel=OPENNESS)
    ax.set_title("(a) Open for the share $r_{on}$ of every period τ, counted from s; else closed, k = 0")


def draw_variations(ax, tau, s, r_on):
    """k(t) with one parameter at a higher value, a row each, in front of the given gate."""
    variations = ((f"τ = {2 * tau:g}", 2 * tau, s, r_on), (f"s = {s + tau / 4:g}", tau, s + tau / 4, r_on))
    variations += ((f"$r_{{on}}$ = {(1 + r_on) / 2:.3g}", tau, s, (1 + r_on) / 2),)
    start, end = min(0.0, s), min(0.0, s) + 4 * tau
    t, given = curve(tau, s, r_on, start, end)
    for row, (_, *parameters) in enumerate(reversed(variations)):
        foot = 1.25 * row  # rows do not touch
        ax.fill_between(t, foot, foot + given, color=BLUE, alpha=0.35, lw=0)
        times, k = curve(*parameters, start, end)
        ax.plot(times, foot + k, color=VERMILION, lw=1.4)
    ax.set_yticks([1.25 * row + 0.5 for row in range(3)], [name for name, *_ in reversed(variations)])
    ax.tick_params(axis="y", length=0)
    ax.set(xlim=(start, end), ylim=(0, 3.6), xlabel=TIME, title="(b) One changed; shaded: as in (a)")


@torch.no_grad()
def draw_layer(ax):
    """When units of a layer are open, a row each, the shortest period below. Returns which of all units never open."""
    torch.manual_seed(SEED)
    gate = TimeGate(UNITS)
    shown = gate.tau.argsort()[UNITS // SHOWN - 1 :: UNITS // SHOWN]
    for row, unit in enumerate(shown.tolist()):
        tau, s, r_on = (getattr(gate, name)[unit].item() for name in PARAMETERS)
        begins = [s + n * tau for n in range(-1, math.ceil(DURATION / tau) + 1)]
        ax.broken_barh([(begin, r_on * tau) for begin in begins], (row - 0.4, 0.8), color=BLUE, lw=0.6)
    ticks = range(0, SHOWN, 5)
    ax.set_yticks(ticks, [f"{gate.tau[shown[row]]:.1f}" for row in ticks])
    title = f"(c) When {SHOWN} of the {UNITS} are open"
    ax.set(xlim=(0, DURATION), ylim=(-0.8, SHOWN - 0.2), xlabel=TIME, ylabel="period τ", title=title)
    return never_opens(gate, DURATION)


def figure(tau, s, r_on):
    """The whole figure, of a gate with these parameters and of a layer."""
    fig, axes = new_figure(2, 2, width=PAGE, height=3.72, height_ratios=[6, 5])  # a higher one is shrunk in print
    grid = axes[0, 0].get_gridspec()
    for ax in axes[0]:
        ax.remove()
    draw_anatomy(fig.add_subplot(grid[0, :]), tau, s, r_on)
    draw_variations(axes[1, 0], tau, s, r_on)
    never = draw_layer(axes[1, 1])
    for ax in fig.axes:
        ax.grid(False)
    closed = f"Closed {100 * (1 - r_on):g} % of the time, a unit keeps its state"
    fig.suptitle(f"{closed}; {never.sum()} of {UNITS} units never open in {DURATION} steps")
    return fig


def main(argv=None):
    parser = Parser(__doc__)
    parser.add_argument("--tau", type=positive_number, default=10.0, help="period, in the unit of time")
    parser.add_argument("--s", type=number_between(-1e9, 1e9), default=4.0, help="shift, in the unit of time")
    parser.add_argument("--r_on", type=number_between(*R_ON_LIMITS, True, True), default=0.3, help="share that is open")
    parser.add_argument("--output_dir", type=Path, default=str(RESULTS / "part2"), help="folder for gate.png and .pdf")
    config = parser.parse_args(argv)
    if abs(config.s) > 2 * config.tau:
        parser.error(f"--s {config.s} is more than two periods of {config.tau}; s and s mod τ are the same gate")
    with parser.printing(), house_style():
        figures = {kind: figure(config.tau, config.s, config.r_on) for kind in ("png", "pdf")}
        config.output_dir.mkdir(parents=True, exist_ok=True)
        for kind, drawn in figures.items():
            save_figure(drawn, config.output_dir / f"gate.{kind}")


if __name__ == "__main__":
    main()
