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
from common.figures import BLUE, ORANGE, RESULTS, VERMILION, house_style, new_figure, save_figure
from part2.time_gate import R_ON_LIMITS, TimeGate, never_opens

UNITS, DURATION, SEED = 128, 40, 42  # of the layer in the image
PIXELS, SAMPLES = 800, 16  # columns of the image, and the time stamps that each is the mean of
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
                ax.text((low + high) / 2, 1.66, word, ha="center", va="top", fontsize=8, color="0.25")
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
    ax.set(xlim=(start, end), ylim=(0, 1.7), yticks=[0, 0.5, 1], xlabel=TIME, ylabel=OPENNESS)
    ax.set_title("(a) Open for the share $r_{on}$ of every period τ, counted from s; else closed, k = 0")


def draw_variations(axes, tau, s, r_on):
    """k(t) with each parameter alone at a lower value, the given one and a higher one: a column a parameter."""
    variations = (
        ("tau", "τ", "(b) τ alone: how often", (tau / 2, tau, 2 * tau)),
        ("s", "s", "(c) s alone: when", (s - tau / 4, s, s + tau / 4)),
        ("r_on", "$r_{on}$", "(d) $r_{on}$ alone: how long", (r_on / 3, r_on, r_on + (1 - r_on) * 0.6)),
    )
    start, end = min(0.0, s), min(0.0, s) + 4 * tau
    styles = ((ORANGE, "0.35", ""), (BLUE, BLUE, ", as in (a)"), (ORANGE, "0.35", ""))
    for column, (name, symbol, title, values) in zip(axes.T, variations, strict=True):
        for ax, value, (area, line, words) in zip(column, values, styles, strict=True):
            t, k = curve(**{"tau": tau, "s": s, "r_on": r_on, name: value}, start=start, end=end)
            ax.fill_between(t, k, color=area, alpha=0.35, lw=0)
            ax.plot(t, k, color=line, lw=1.4, clip_on=False)
            ax.text(1, 1.09, f"{symbol} = {value:.3g}{words}", transform=ax.transAxes, ha="right", fontsize=8)
            ax.set(xlim=(start, end), ylim=(0, 1), yticks=[0, 1])
            ax.tick_params(labelbottom=ax in axes[2], labelleft=ax in axes[:, 0])
        column[0].set_title(title, pad=16)
        column[2].set_xlabel(TIME, fontsize=8)
    axes[1, 0].set_ylabel(OPENNESS)


@torch.no_grad()
def draw_layer(ax, fig):
    """When each unit of a layer is open, an image: a row a unit, the shortest period below; darker is more open."""
    torch.manual_seed(SEED)
    gate = TimeGate(UNITS)
    k = gate((torch.arange(PIXELS * SAMPLES, dtype=torch.float64) + 0.5) * DURATION / (PIXELS * SAMPLES))
    taus, order = gate.tau.sort()
    pixels = k.reshape(PIXELS, SAMPLES, UNITS).mean(1).T[order].numpy()
    place = {"aspect": "auto", "origin": "lower", "extent": (0, DURATION, 0.5, UNITS + 0.5)}
    image = ax.imshow(pixels, cmap="Blues", vmin=0, vmax=1, interpolation="nearest", **place)
    fig.colorbar(image, ax=ax, label="openness k (mean over a pixel)", pad=0.02, ticks=[0, 0.5, 1])
    ticks = (1, UNITS // 4, UNITS // 2, 3 * UNITS // 4, UNITS)
    ax.set_yticks(ticks, [f"{n}: τ = {taus[n - 1]:.3g}" for n in ticks])
    title = f"(e) {UNITS} units with τ and s drawn as in the paper, $r_{{on}}$ = {gate.r_on[0]:g}: "
    title += f"{100 * (k > 0).double().mean():.1f} % are open on average;\ntime stamps 1, 2, … {DURATION} alone "
    title += f"find {never_opens(gate, DURATION).sum()} of the {UNITS} never open"
    ax.set(xlabel=TIME, ylabel="unit, by period τ", title=title)


def figure(tau, s, r_on):
    """The whole figure, of a gate with these parameters and of a layer."""
    fig, axes = new_figure(5, 3, width=8.2, height=9.6, height_ratios=[3.6, 0.8, 0.8, 0.8, 3.6])
    grid = axes[0, 0].get_gridspec()
    for ax in (*axes[0], *axes[4]):
        ax.remove()
    draw_anatomy(fig.add_subplot(grid[0, :]), tau, s, r_on)
    draw_variations(axes[1:4], tau, s, r_on)
    draw_layer(fig.add_subplot(grid[4, :]), fig)
    for ax in fig.axes:
        ax.grid(False)
    title = "The time gate updates a unit in a short share of each of its periods, and copies its state in between"
    fig.suptitle(title, fontsize=10.5)
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
