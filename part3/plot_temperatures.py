"""Draw what the temperature does to a text, from the table of part3/temperatures.py; print the numbers.

python part3/plot_temperatures.py
"""

import statistics
import sys
from pathlib import Path

if not __package__:  # run as `python part3/plot_temperatures.py`: import from the checkout, not from part3/
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

from common import figures
from common.figures import BLUE, GREEN, VERMILION
from common.tables import markdown, read_grouped, spread

MEASURES = {
    "known_words": ("words that stand in the book", BLUE, "o-"),
    "repeated": ("20-grams that the text has had before", VERMILION, "s--"),
    "copied": ("20-grams that stand in the book", GREEN, "^-."),
}


def figure(shares):
    """A line per measure against the temperature: median of the seeds, band from the lowest to the highest."""
    fig, ax = figures.new_figure(width=figures.PAGE, height=2.3)
    for name, (label, colour, style) in MEASURES.items():
        figures.draw_median(ax, {t: measured[name] for t, measured in shares.items()}, label, colour, style)
    ax.set(xlabel="temperature (0: greedy, 1: the model's own distribution)", ylabel="share (%)", ylim=(0, 102))
    ax.legend(loc="upper right")
    coldest, hottest = min(shares), max(shares)
    repeated, known = shares[coldest]["repeated"], shares[hottest]["known_words"]
    ax.set_title(
        f"Cold text repeats itself ({statistics.median(repeated):.0f} % at {coldest:g}), hot text is no language\n"
        f"({statistics.median(known):.0f} % known words at {hottest:g}); "
        f"line: median of {len(repeated)} texts, band: lowest to highest"
    )
    return fig


def draw(path):
    texts = sorted(read_grouped(path, "temperature").items())
    shares = {t: {name: [100 * row[name] for row in those] for name in MEASURES} for t, those in texts}  # per cent
    lines = [(f"{t:g}", *(spread(values, ".1f") for values in measured.values())) for t, measured in shares.items()]
    labels = [label for label, *_ in MEASURES.values()]
    return {"temperatures": figure(shares)}, markdown(["temperature", *labels], lines)


if __name__ == "__main__":
    figures.plot_script(__doc__, draw, "part3", csv=("part3/temperatures.csv", "the table"))
