"""Draw accuracy against the length tested, a line for each way of training, from the table of length_tested.py.

python part1/experiments/plot_length_tested.py
"""

import sys
from pathlib import Path

if not __package__:  # run as `python part1/experiments/plot_length_tested.py`: import from the checkout, not from there
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

from common import figures
from common.figures import BLUE, VERMILION
from common.tables import read_grouped

COLUMNS = 3  # of panels


def span(values, form=",.0f"):
    """ "lowest to highest", or one number."""
    low, high = (f"{end(values):{form}}" for end in (min, max))
    return low if low == high else f"{low} to {high}"


def title(way, at_length):
    """What stands above the panel of a way, {digits tested: rows of the seeds}."""
    first, longest = next(iter(at_length.values())), max(at_length)
    taught, costs = (span([row[name] for row in first]) for name in ("taught", "cpu_seconds"))
    solved = sum(row["solved"] for row in at_length[longest])
    return f"{way}\ntaught {taught} digits in {costs} CPU-s\n{solved} of {len(first)} seeds solve {longest:,}"


def figure(ways):
    """Accuracy against the digits tested, a panel for each way: median, range and every seed; log scale."""
    rows = -(-len(ways) // COLUMNS)
    fig, axes = figures.new_figure(
        rows, COLUMNS, width=9.5, height=0.8 + 2.2 * rows, sharex=True, sharey=True, squeeze=False
    )
    for ax in axes.flat[len(ways) :]:
        ax.set_axis_off()
    for ax, (way, at_length) in zip(axes.flat, ways.items(), strict=False):
        colour = BLUE if way.startswith("LSTM") else VERMILION
        seeds = {length: [100 * row["accuracy"] for row in rows] for length, rows in at_length.items()}
        figures.draw_median(ax, seeds, way, colour)
        for length, values in seeds.items():
            ax.plot([length] * len(values), values, "o", color=colour, ms=3, alpha=0.6)
        taught = [row["taught"] for row in next(iter(at_length.values()))]
        ax.axvspan(min(taught) / 1.06, max(taught) * 1.06, color="0.93", lw=0, zorder=0)
        ax.axhline(10, color="0.3", lw=0.8, ls=(0, (1, 2)))
        ax.set_title(title(way, at_length), fontsize=9)
        ax.set(xscale="log", ylim=(-3, 104))
        ax.xaxis.set_major_formatter("{x:,.0f}")
        ax.tick_params(labelbottom=True)
    for ax in axes[:, 0]:
        ax.set_ylabel("palindromes right (%)")
    fig.supxlabel("digits to read in the test", fontsize=9)
    fig.suptitle(
        "How long is a digit remembered? Accuracy against the length tested, without further training\n"
        "one-hot digits unless said; line: median of the seeds (dots), band: lowest to highest; grey: longest taught",
        fontsize=10,
    )
    return fig


def draw(folder):
    return {"length_tested": figure(read_grouped(folder / "length_tested.csv", "way", "tested"))}, ""


if __name__ == "__main__":
    figures.plot_script(__doc__, draw, "part1", csv_dir=("part1", "folder of the table"))
