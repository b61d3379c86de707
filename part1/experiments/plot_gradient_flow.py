"""Draw the gradient at each time step, and the singular values of ∂h_T/∂h_t, from the tables of part1/experiments/gradient_flow.py.

python part1/experiments/plot_gradient_flow.py
"""

import math
import statistics
import sys
from collections import defaultdict
from pathlib import Path

if not __package__:  # run as `python part1/experiments/plot_gradient_flow.py`: import from the checkout, not from there
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from common.arguments import Parser
from common.figures import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION, new_figure, save_figure
from common.table import read_table

ROOT = Path(__file__).resolve().parents[2]
# Label, colour, line, marker of a cell, before training and after it at a short length.
STYLES = {
    "RNN, default": ("RNN, default", VERMILION, "--", "s"),
    "RNN, orthogonal": ("RNN, orthogonal", ORANGE, "-.", "X"),
    "RNN, identity": ("RNN, identity", GREEN, ":", "<"),
    "RNN, latch": ("RNN, latch (engineered)", "0.0", (0, (1, 1)), "*"),
    "LSTM, zero_bias": ("LSTM, forget bias 0", "0.55", ":", "P"),
    "LSTM, default": ("LSTM, forget bias 1", BLUE, "-", "o"),
    "LSTM, chrono": ("LSTM, chrono", SKY, "-.", "^"),
}
CURRICULUM = {
    "RNN, default": ("RNN, default, by curriculum", PURPLE, "-", "D"),
    "LSTM, default": ("LSTM, forget bias 1, by curriculum", "0.25", "--", "v"),
}
TRAINED = ("no", "short", "curriculum")
NORMS = ("norm", "ratio", "term")
RUNS = ("updates", "accuracy", "loss", "spectral_radius", "sigma_max", "norm_W_hh")
SINGULAR_VALUES = ("log10_largest", "log10_median", "log10_smallest")
FLOOR = 1e-40  # of the figure of the gradients: what falls below leaves it


def read_cells(path, columns, place=None):
    """{(cell, trained): {place: [dict of the columns, of each seed]}} of a table; an empty field is None.

    `place` is the column that tells a run's rows apart, t or distance, or None where a run has one row, at 0. Raises
    ValueError or OSError.
    """
    wanted = {"cell": str, "trained": str} | ({place: int} if place else {})
    wanted |= dict.fromkeys(columns, lambda text: float(text) if text else None)
    table = defaultdict(lambda: defaultdict(list))
    for row in read_table(path, wanted, "part1/experiments/gradient_flow.py"):
        table[row["cell"], row["trained"]][row[place] if place else 0].append(row)
    if any(cell not in STYLES or trained not in TRAINED for cell, trained in table):
        raise ValueError(f"{path} holds rows of other cells than {'; '.join(STYLES)}")
    return table


def style(cell, trained):
    return (CURRICULUM if trained == "curriculum" else STYLES)[cell]


def curve(at_place, name, relative_to=None):
    """Places, and the sorted values of the seeds there, of a column; `relative_to` divides each seed's by its own."""
    places = sorted(at_place)
    divisors = relative_to or [1] * len(at_place[places[0]])
    return places, [sorted(row[name] / d for row, d in zip(at_place[p], divisors, strict=True)) for p in places]


def draw(ax, places, seeds, label, colour, line, _marker=None):
    """Median of the seeds against the place, and their range."""
    ax.fill_between(places, [s[0] for s in seeds], [s[-1] for s in seeds], color=colour, alpha=0.2, lw=0)
    ax.plot(places, [statistics.median(s) for s in seeds], ls=line, color=colour, label=label)


def first(norms, key):
    """Median over the seeds of the ratio at t = 1."""
    return statistics.median(row["ratio"] for row in norms[key][1])


def number(log10):
    """A number given by its log10, in one or two digits: 0.043, 15, 2e-23; it may be smaller than a float can be."""
    if log10 == -math.inf:
        return "0"
    exponent = math.floor(log10 - math.log10(0.95))  # what would be rounded to 10 is 1 of the next power
    return f"{10**log10:.2g}" if -3 < log10 < 2 else f"{10 ** (log10 - exponent):.0f}e{exponent}"


def short(value):
    return number(math.log10(value) if value else -math.inf)


def draw_norms(ax, norms, runs, family, after):
    """Norm at t over norm at T against t, of the RNNs or LSTMs, before or after training; returns their keys."""
    keys = [key for key in norms if key[0].startswith(family) and (key[1] != "no") == after]
    for key in keys:
        draw(ax, *curve(norms[key], "ratio"), *style(*key))
    T = max(norms[keys[0]])
    if family == "RNN" and not after and (key := ("RNN, default", "no")) in keys:
        for name, label in (("sigma_max", "bound σ_max(W_hh)ᵀ⁻ᵗ"), ("spectral_radius", "ρ(W_hh)ᵀ⁻ᵗ")):
            value = statistics.median(row[name] for row in runs[key][0])
            ax.plot([1, T], [value ** (T - 1), 1], color=VERMILION, lw=0.8)
            at, below = (0.45 * T, 1) if name == "sigma_max" else (0.5 * T, -14)
            ax.annotate(
                f"{label}, {value:.2f}",
                (at, value ** (T - at)),
                xytext=(5, below),
                textcoords="offset points",
                fontsize=7,
            )
    ax.set_yscale("log")
    ax.set_ylim(FLOOR, 1e7)
    ax.set_xlabel(f"time step t, of {T}")
    symbol = "h" if family == "RNN" else "c"
    ax.set_ylabel(f"‖∂L/∂{symbol}ₜ‖ / ‖∂L/∂{symbol}_T‖, median palindrome")
    ax.legend(fontsize=7, loc="lower left", handlelength=3)
    return keys


def gradient_figure(norms, runs):
    """Six panels: norms before and after training, terms of ∂L/∂W_hh, and accuracy against the gradient."""
    fig, axes = new_figure(2, 3, width=12.5, height=7.6)
    for row, family in enumerate(("RNN", "LSTM")):
        for column, when in enumerate(("before training", "after training")):
            keys = draw_norms(axes[row, column], norms, runs, family, after=column == 1)
            at_first = [f"{short(first(norms, key))} {title_name(*key)}" for key in keys]
            half = (len(at_first) + 1) // 2
            text = ",\n".join(", ".join(part) for part in (at_first[:half], at_first[half:]))
            axes[row, column].set_title(f"{family}, {when}; at t = 1:\n{text}", fontsize=8.5)
    draw_terms(axes[0, 2], norms, runs)
    draw_puzzle(axes[1, 2], norms, runs)
    count = len(next(iter(runs.values()))[0])
    default, orthogonal = (short(first(norms, (f"RNN, {init}", "no"))) for init in ("default", "orthogonal"))
    fig.suptitle(
        f"Of the gradient at the last step {default} reaches the first of an untrained default RNN, {orthogonal} of an "
        f"orthogonal one\nline: median of {count} seeds, band: lowest to highest; one-hot palindromes, float64",
        fontsize=11,
    )
    return fig


def title_name(cell, trained):
    label = style(cell, trained)[0].split(", ", 1)[1]
    return (
        label.replace(" (engineered)", "")
        .replace("default, by curriculum", "curriculum")
        .replace("forget bias 1, by curriculum", "curriculum")
    )


def draw_terms(ax, norms, runs):
    """Norms of the terms of ∂L/∂W_hh, relative to their sum, before training."""
    for key in norms:
        if key[0].startswith("RNN") and key[1] == "no":
            at_step = {t: rows for t, rows in norms[key].items() if t > 1}  # h_0 = 0: no first term
            draw(ax, *curve(at_step, "term", [row["norm_W_hh"] for row in runs[key][0]]), *style(*key))
    ax.axhline(1, color="0.3", lw=0.8)
    ax.annotate("their sum, ∂L/∂W_hh", (0.02, 1), xycoords=("axes fraction", "data"), va="bottom", fontsize=7)
    ax.set_yscale("log")
    ax.set_ylim(FLOOR, 1e7)
    ax.set_xlabel("time step t of the term")
    ax.set_ylabel("‖Dₜ δₜ hₜ₋₁ᵀ‖ / ‖∂L/∂W_hh‖")
    second = first_term(norms, runs, ("RNN, default", "no"))
    ax.set_title(f"before training: the long-range terms vanish\n(default, t = 2: {short(second)}), not their sum")


def first_term(norms, runs, key):
    """Median over the seeds of the norm of the term at t = 2, relative to the sum's."""
    totals = [row["norm_W_hh"] for row in runs[key][0]]
    return statistics.median(row["term"] / total for row, total in zip(norms[key][2], totals, strict=True))


def draw_puzzle(ax, norms, runs):
    """Accuracy at the full length against what of the gradient reaches t = 1, a dot per seed, of trained models."""
    for key, rows in runs.items():
        if key[1] != "no":
            ratios = [row["ratio"] for row in norms[key][1]]
            label, colour, _, marker = style(*key)
            accuracies = [100 * row["accuracy"] for row in rows[0]]
            ax.plot(ratios, accuracies, marker, color=colour, label=label, ms=6, alpha=0.8, ls="")
    ax.axhline(10, color="0.3", lw=0.8, ls=(0, (1, 2)))
    ax.annotate("chance", (0.01, 10), xycoords=("axes fraction", "data"), va="bottom", fontsize=7)
    ax.set_xscale("log")
    ax.set_ylim(0, 104)
    T = max(next(iter(norms.values())))
    ax.set_xlabel("‖∂L/∂h₁‖ / ‖∂L/∂h_T‖ (LSTM: c), median palindrome")
    ax.set_ylabel(f"accuracy at {T} digits to read (%)")
    ax.legend(fontsize=7, loc="lower left", bbox_to_anchor=(0.02, 0.12))
    latch, learned = (
        (first(norms, key), statistics.median(row["accuracy"] for row in runs[key][0]))
        for key in (("RNN, latch", "short"), ("RNN, default", "curriculum"))
    )
    ax.set_title(
        f"memory without gradient:\nlatch {100 * latch[1]:.1f} % with {short(latch[0])},\n"
        f"learned RNN {100 * learned[1]:.1f} % with {short(learned[0])}",
        fontsize=8.5,
    )


def singular_figure(values):
    """A panel per RNN: largest, median and smallest singular value of ∂h_T/∂h_t against the distance T - t."""
    keys = [key for key in values if key[1] != "short"]
    keys.sort(key=lambda key: key[1] == "curriculum")
    fig, axes = new_figure(1, len(keys), width=2.6 * len(keys), height=3.9)
    shrinking = 0
    for ax, key in zip(axes, keys, strict=True):
        last = {}
        for name, colour, line in (("largest", VERMILION, "-"), ("median", "0.0", "--"), ("smallest", BLUE, ":")):
            distances, seeds = curve(values[key], f"log10_{name}")
            draw(ax, distances, seeds, name, colour, line)
            last[name] = statistics.median(seeds[-1])
        shrinking += last["largest"] < 0
        ax.set_ylim(top=0.05 * abs(ax.get_ylim()[0]))
        ax.set_xlabel("distance T - t (steps)")
        ax.set_title(
            f"{style(*key)[0]}:\nlargest {number(last['largest'])}, median {number(last['median'])}", fontsize=8.5
        )
    axes[0].set_ylabel("log₁₀ of the singular values of ∂h_T/∂hₜ")
    axes[0].legend(fontsize=8, loc="lower left")
    count = len(next(iter(values[keys[0]].values())))
    fig.suptitle(
        f"In {shrinking} of {len(keys)} RNNs every direction of the state has shrunk after {max(distances)} steps, to "
        f"what its title says (each panel has its own scale)\nline: median of {count} seeds, one palindrome each; "
        "band: lowest to highest; before training, but for the last panel",
        fontsize=10,
    )
    return fig


def table(norms, runs):
    """The numbers behind the figures, a Markdown table: medians over the seeds, lowest to highest for the accuracy."""
    lines = [
        "| cell | trained | updates | accuracy (%) | ρ(W_hh) | σ_max | norm at t = 1 / at T, whole batch "
        "| the same, median palindrome | norm at T |",
        "|---" * 9 + "|",
    ]
    for (cell, trained), rows in runs.items():
        key, rows = (cell, trained), rows[0]
        accuracies = sorted(100 * row["accuracy"] for row in rows)
        of_W = [
            statistics.median(row[name] for row in rows) if rows[0][name] is not None else None for name in RUNS[3:5]
        ]
        at_T = [row["norm"] for row in norms[key][max(norms[key])]]
        whole = statistics.median(row["norm"] / last for row, last in zip(norms[key][1], at_T, strict=True))
        lines.append(
            f"| {STYLES[cell][0]} | {trained} | {statistics.median(row['updates'] for row in rows):.0f} "
            f"| {statistics.median(accuracies):.1f} ({accuracies[0]:.1f} to {accuracies[-1]:.1f}) "
            f"| {' | '.join('' if value is None else f'{value:.2f}' for value in of_W)} "
            f"| {whole:.1e} | {first(norms, key):.1e} | {statistics.median(at_T):.1e} |"
        )
    return "\n".join(lines)


def main(argv=None):
    parser = Parser(__doc__.split("\n")[0])
    parser.add_argument("--csv_dir", default=str(ROOT / "results/part1"), help="folder of the three tables")
    parser.add_argument("--output_dir", default=str(ROOT / "results/part1"), help="folder for the two figures")
    config = parser.parse_args(argv)
    try:
        source = Path(config.csv_dir)
        norms = read_cells(source / "gradient_flow.csv", NORMS, "t")
        runs = read_cells(source / "gradient_flow_runs.csv", RUNS)
        values = read_cells(source / "gradient_flow_singular_values.csv", SINGULAR_VALUES, "distance")
        folder = Path(config.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        save_figure(gradient_figure(norms, runs), folder / "gradient_flow.png")
        save_figure(singular_figure(values), folder / "gradient_flow_singular_values.png")
    except (ValueError, OSError) as error:
        parser.error(error)
    print(table(norms, runs))


if __name__ == "__main__":
    main()
