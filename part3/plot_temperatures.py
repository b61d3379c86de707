"""Draw what the temperature does to a text, from the table of part3/temperatures.py; print the numbers.

python part3/plot_temperatures.py
"""

import statistics
import sys
from collections import defaultdict
from pathlib import Path

if not __package__:  # run as `python part3/plot_temperatures.py`: import from the checkout, not from part3/
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from common.arguments import Parser
from common.figures import BLUE, GREEN, VERMILION, new_figure, save_figure
from common.table import read_table

ROOT = Path(__file__).resolve().parents[1]
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


def main(argv=None):
    parser = Parser(__doc__.split("\n")[0])
    parser.add_argument("--csv", default=str(ROOT / "results/part3/temperatures.csv"), help="the table")
    parser.add_argument("--output_dir", default=str(ROOT / "results/part3"), help="folder for temperatures.png")
    config = parser.parse_args(argv)
    try:
        shares = read_shares(config.csv)
        folder = Path(config.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        save_figure(figure(shares), folder / "temperatures.png")
    except (ValueError, OSError) as error:
        parser.error(error)
    print("| temperature | " + " | ".join(label for label, *_ in MEASURES.values()) + " |\n|---|---|---|---|")
    for t in sorted(shares["copied"]):
        cells = [sorted(100 * share for share in shares[name][t]) for name in MEASURES]
        print(
            f"| {t:g} | " + " | ".join(f"{statistics.median(c):.1f} ({c[0]:.1f} to {c[-1]:.1f})" for c in cells) + " |"
        )


if __name__ == "__main__":
    main()
