"""Draw accuracy against the length tested, a line for each way of training, from the table of length_tested.py.

python part1/experiments/plot_length_tested.py
"""

import sys
from pathlib import Path

if not __package__:  # run as `python part1/experiments/plot_length_tested.py`: import from the checkout, not from there
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

from common import figures
from common.figures import BLUE, GREEN, PURPLE, SKY, VERMILION
from common.tables import read_grouped

PANELS = {  # title: {way: colour and line}
    "LSTM, one-hot digits": {"LSTM": (BLUE, "-"), "LSTM, chrono": (SKY, "--")},
    "RNN, one-hot digits": {
        "RNN": (VERMILION, "-"),
        "RNN, identity": (GREEN, "--"),
        "RNN, orthogonal": (PURPLE, ":"),
        "RNN, curriculum": ("0.2", "-."),
    },
    "raw digits": {"LSTM, raw digits": (BLUE, "-"), "RNN, raw digits": (VERMILION, "--")},
}


def span(values, form=",.0f"):
    """ "lowest to highest", or one number."""
    low, high = (f"{end(values):{form}}" for end in (min, max))
    return low if low == high else f"{low} to {high}"


def solved(at_length):
    """How many seeds of a way, {digits tested: rows of the seeds}, solve the longest length, in words."""
    rows = at_length[max(at_length)]
    return f"{sum(row['solved'] for row in rows)} of {len(rows)}"


def label(way, at_length):
    """What the legend says of a way."""
    taught = span([row["taught"] for row in next(iter(at_length.values()))])
    return f"{way.removesuffix(', raw digits')}; {taught}: {solved(at_length)}"


def finding(ways):
    """The way of which most seeds solve the longest length, in words."""
    longest = max(length for at_length in ways.values() for length in at_length)
    best = max(ways, key=lambda way: sum(row["solved"] for row in ways[way][longest]))
    taught = span([row["taught"] for row in ways[best][longest]])
    seeds = f"{solved(ways[best])} seeds of “{best}”"
    found = f"Taught at {taught} digits, {seeds} solve {longest:,} without further training"
    return f"{found}\nlines: medians; bands and dots: all seeds; dotted: chance; legend: taught, solved {longest:,}"


def figure(ways):
    """Accuracy against the digits tested, a line for each way: median, range and every seed; log scale."""
    fig, axes = figures.new_figure(1, len(PANELS), width=figures.PAGE, height=3.0, sharey=True)
    for ax, (title, styles) in zip(axes, PANELS.items(), strict=True):
        for way, (colour, line) in styles.items():
            seeds = {length: [100 * row["accuracy"] for row in rows] for length, rows in ways[way].items()}
            figures.draw_median(ax, seeds, label(way, ways[way]), colour, line, alpha=0.1)
            for length, values in seeds.items():
                ax.plot([length] * len(values), values, "o", color=colour, ms=2.5, alpha=0.6)
        ax.axhline(10, color="0.3", lw=0.8, ls=(0, (1, 2)))
        ax.set(xscale="log", ylim=(-3, 104), title=title, xlabel="digits read in the test")
        ax.legend(loc="upper center", bbox_to_anchor=(0.45, -0.27), handlelength=1.3, handletextpad=0.5)
    axes[0].set_ylabel("held-out accuracy (%)")
    fig.suptitle(finding(ways))
    return fig


def draw(folder):
    return {"length_tested": figure(read_grouped(folder / "length_tested.csv", "way", "tested"))}, ""


if __name__ == "__main__":
    figures.plot_script(__doc__, draw, "part1", csv_dir=("part1", "folder of the table"))
