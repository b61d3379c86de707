"""Draw accuracy against the length tested, a line for each way of training, from the tables of length_tested.py.

python part1/experiments/plot_length_tested.py
"""

import statistics
import sys
from pathlib import Path

if not __package__:  # run as `python part1/experiments/plot_length_tested.py`: import from the checkout, not from there
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

from common import figures
from common.figures import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION
from common.tables import read_grouped

PANELS = {  # title: {way: colour and line}
    "LSTM, one-hot digits": {
        "LSTM": (BLUE, "-"),
        "LSTM, chrono": (SKY, "--"),
        "LSTM, curriculum": ("0.2", "-."),
        "time gate": (ORANGE, ":"),
    },
    "RNN, one-hot digits": {
        "RNN": (VERMILION, "-"),
        "RNN, identity": (GREEN, "--"),
        "RNN, curriculum": ("0.2", "-."),
        "RNN, orthogonal": (PURPLE, ":"),
    },
    "raw digits": {"LSTM, raw digits": (BLUE, "-"), "RNN, raw digits": (VERMILION, "--")},
}


def span(values, form=",.0f"):
    """ "lowest to highest", or one number."""
    low, high = (f"{end(values):{form}}" for end in (min, max))
    return low if low == high else f"{low} to {high}"


def longest(ways):
    """The longest length, in digits, on which all seeds of all ways were tested. Raises ValueError if there is none."""
    tested = []
    for at_length in ways.values():
        seeds = max(map(len, at_length.values()))
        tested.append({length for length, rows in at_length.items() if len(rows) == seeds})
    if not (of_all := set.intersection(*tested)):
        raise ValueError("there is no length on which all seeds of all ways were tested")
    return max(of_all)


def solved(rows):
    """How many seeds solve the length of these rows, in words."""
    return f"{sum(row['solved'] for row in rows)} of {len(rows)}"


def label(way, at_length, length):
    """What the legend says of a way: digits taught, cost, the seeds that solve `length`, and those that solve more."""
    rows = at_length[length]
    taught, cost = span([row["taught"] for row in rows]), statistics.median(row["cpu_seconds"] for row in rows)
    lines = [way.removesuffix(", raw digits"), f"{taught}; {cost:.0f} s; {solved(rows)}"]
    lines += [f"at {longer:,}: {solved(at_length[longer])}" for longer in at_length if longer > length]
    return "\n".join(lines)


def finding(ways):
    """The ways of which most seeds solve the longest length, in words."""
    length = longest(ways)
    count = {way: sum(row["solved"] for row in rows[length]) for way, rows in ways.items()}
    best = [way for way in ways if count[way] == max(count.values())]
    seeds = f"{solved(ways[best[0]][length])} seeds of {' and of '.join(f'“{way}”' for way in best)}"
    return f"{seeds} solve {length:,} digits\nLines: medians; bands and dots: all seeds; dotted: chance.\n" + (
        f"Legend: digits taught; CPU-seconds of training (median); seeds that solve {length:,}"
    )


def figure(ways):
    """Accuracy against the digits tested, a line for each way: median, range and every seed; log scale."""
    fig, axes = figures.new_figure(1, len(PANELS), width=figures.PAGE, height=3.4, sharey=True)
    for ax, (title, styles) in zip(axes, PANELS.items(), strict=True):
        for way, (colour, line) in styles.items():
            seeds = {length: [100 * row["accuracy"] for row in rows] for length, rows in ways[way].items()}
            figures.draw_median(ax, seeds, label(way, ways[way], longest(ways)), colour, line, alpha=0.1)
            for length, values in seeds.items():
                ax.plot([length] * len(values), values, "o", color=colour, ms=2.5, alpha=0.6)
        ax.axhline(10, color="0.3", lw=0.8, ls=(0, (1, 2)))
        ax.set(xscale="log", ylim=(-3, 104), title=title, xlabel="digits read in the test")
        ax.legend(loc="upper center", bbox_to_anchor=(0.45, -0.33), handlelength=1.6, handletextpad=0.5)
    axes[0].set_ylabel("held-out accuracy (%)")
    fig.suptitle(finding(ways))
    return fig


def draw(tables):
    ways = {way: rows for table in tables for way, rows in read_grouped(table, "way", "tested").items()}
    return {"length_tested": figure(ways)}, ""


if __name__ == "__main__":
    tables = ["part1/length_tested.csv", "part2/length_tested.csv"]
    figures.plot_script(__doc__, draw, "part1", csv=(tables, "both tables: part 1's and the gate's"))
