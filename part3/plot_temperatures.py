"""Draw what the temperature does to a text, from the table of part3/temperatures.py; print the numbers.

python part3/plot_temperatures.py
"""

import statistics
import sys
from collections import defaultdict
from pathlib import Path

if not __package__:  # run as `python part3/plot_temperatures.py`: import from the checkout, not from part3/
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from common.figures import BLUE, GREEN, VERMILION, in_house_style, markdown, new_figure, plot_script, spread
from common.files import read_table

MEASURES = {
    "known_words": ("words that stand in the book", BLUE, "o-"),
    "repeated": ("20-grams that the text has had before", VERMILION, "s--"),
    "copied": ("20-grams that stand in the book", GREEN, "^-."),
}


def read_shares(path):
    """{measure: {temperature: [share of each seed]}}. Raises ValueError or OSError."""
    shares = {name: defaultdict(list) for name in MEASURES}
    for row in read_table(path, dict.fromkeys(("temperature", *MEASURES), float), "part3/temperatures.py"):
        for name in MEASURES:
            shares[name][row["temperature"]].append(row[name])
    return shares


@in_house_style
def figure(shares):
    """A line per measure against the temperature: median of the seeds, band from the lowest to the highest."""
    fig, ax = new_figure(width=6.4, height=3.4)
    for name, (label, colour, style) in MEASURES.items():
        temperatures = sorted(shares[name])
        per_cent = [[100 * share for share in shares[name][t]] for t in temperatures]
        ax.plot(temperatures, [statistics.median(p) for p in per_cent], style, color=colour, label=label)
        ax.fill_between(temperatures, list(map(min, per_cent)), list(map(max, per_cent)), color=colour, alpha=0.2, lw=0)
    ax.set_ylim(0, 102)
    ax.set_xlabel("temperature (0: greedy, 1: the model's own distribution)")
    ax.set_ylabel("share (%)")
    ax.legend(loc="upper right")
    coldest, hottest = (f(shares["repeated"]) for f in (min, max))
    ax.set_title(
        f"Cold text repeats itself ({100 * statistics.median(shares['repeated'][coldest]):.0f} % at {coldest:g}), "
        f"hot text is no language\n({100 * statistics.median(shares['known_words'][hottest]):.0f} % known words at "
        f"{hottest:g}); line: median of {len(shares['copied'][coldest])} texts, band: lowest to highest"
    )
    return fig


def figures(path):
    shares = read_shares(path)
    rows = [
        (f"{t:g}", *(spread([100 * share for share in shares[name][t]], ".1f") for name in MEASURES))
        for t in sorted(shares["copied"])
    ]
    return {"temperatures": figure(shares)}, markdown(
        ("temperature", *(label for label, *_ in MEASURES.values())), rows
    )


if __name__ == "__main__":
    plot_script(__doc__, figures, "part3", csv=("part3/temperatures.csv", "the table"))
