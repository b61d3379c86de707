"""Draw what the LSTM's gates are for, from the tables of part1/ablate_gates.py, and print the numbers to quote.

python part1/plot_gates.py
"""

import csv
import statistics
import sys
from pathlib import Path

if not __package__:  # run as `python part1/plot_gates.py`: import from the checkout, not from part1/
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import numpy as np

from common.arguments import Parser
from common.figures import BLUE, VERMILION, new_figure, save_figure

ROOT = Path(__file__).resolve().parents[1]
LABELS = {
    "LSTM": "the LSTM itself",
    "i = 1": "no input gate, i = 1",
    "f = 1": "no forget gate, f = 1",
    "o = 1": "no output gate, o = 1",
    "i = 1 - f": "coupled, i = 1 - f",
    "g linear": "linear g",
    "g sigmoid": "σ for g",
    "i tanh": "tanh for i",
    "f tanh": "tanh for f",
    "o tanh": "tanh for o",
    "h = c o": "no tanh on c, h = c ⊙ o",
}


def read_table(path, types):
    """Rows of a CSV file as dicts, columns turned into their types. Raises ValueError or OSError, naming the path."""
    try:
        with open(path, newline="") as file:
            rows = [{name: kind(row[name]) for name, kind in types.items()} for row in csv.DictReader(file)]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is not a table of part1/ablate_gates.py") from error
    if not rows:
        raise ValueError(f"{path} has no rows")
    return rows


def read_runs(path, varied, kind):
    """{length: {value of the column `varied`: [run of each seed]}} of gates_ablation.csv or gates_forget_bias.csv."""
    types = {varied: kind, "input_length": int, "accuracy": float, "updates": int, "solved": int}
    runs = {}
    for run in read_table(path, types):
        runs.setdefault(run["input_length"], {}).setdefault(run[varied], []).append(run)
    return runs


def median_updates(runs):
    """Median updates of the runs that solved the task; None if none did."""
    solved = [run["updates"] for run in runs if run["solved"]]
    return statistics.median(solved) if solved else None


def ablation_figure(runs):
    """Updates until solved of every variant, a dot per seed; those not solved at the right, with their accuracy."""
    fig, axes = new_figure(1, len(runs), width=10, height=4.6, sharey=True, squeeze=False)
    limit = max(run["updates"] for variants in runs.values() for seeds in variants.values() for run in seeds)
    for ax, (length, variants) in zip(axes[0], sorted(runs.items()), strict=True):
        for row, name in enumerate(LABELS):
            seeds = variants.get(name, [])
            ticks = np.linspace(-0.2, 0.2, len(seeds)) if len(seeds) > 1 else [0]
            for run, shift in zip(seeds, ticks, strict=True):
                marker, colour = ("o", BLUE) if run["solved"] else ("X", VERMILION)
                x = run["updates"] if run["solved"] else 1.06 * limit
                ax.plot(x, row + shift, marker, color=colour, ms=4.5, alpha=0.8)
            if median_updates(seeds):
                ax.plot([median_updates(seeds)] * 2, [row - 0.35, row + 0.35], color="0.2", lw=1.5)
            failed = sorted(100 * run["accuracy"] for run in seeds if not run["solved"])
            if failed:
                same = f"{failed[0]:.0f}" == f"{failed[-1]:.0f}"
                text = f"{failed[0]:.0f} %" if same else f"{failed[0]:.0f} to {failed[-1]:.0f} %"
                ax.annotate(text, (1.09 * limit, row), va="center", fontsize=7.5)
        ax.axvspan(1.02 * limit, 1.32 * limit, color="0.95", lw=0)
        ax.set_xlim(0, 1.32 * limit)
        ax.set_xticks(ax.get_xticks()[ax.get_xticks() <= limit])
        ax.set_xlabel(f"updates until solved; right: not within {limit}, accuracy")
        whole = [name for name in LABELS if variants.get(name) and all(run["solved"] for run in variants[name])]
        ax.set_title(f"{length} digits to read: {len(whole)} of {len(variants)} solved by every seed")
    axes[0, 0].set_yticks(range(len(LABELS)), LABELS.values())
    axes[0, 0].invert_yaxis()
    fig.suptitle(ablation_finding(runs) + "\ndots: each seed, line: median of those that solved it", fontsize=10)
    return fig


def ablation_finding(runs):
    """The figure's title: which parts the LSTM can do without, and which not, at the longest length."""
    variants = runs[max(runs)]
    whole = [name for name, seeds in variants.items() if name != "LSTM" and all(run["solved"] for run in seeds)]
    none = [name for name, seeds in variants.items() if not any(run["solved"] for run in seeds)]
    return (
        f"{max(runs)} digits: every seed still solves it with {'; '.join(whole) or 'no part changed'}\n"
        f"no seed does with {'; '.join(none) or 'none of them'}"
    )


def forget_bias_figure(runs):
    """Share of the seeds that solve each length from each first forget bias, and their updates: a heat map."""
    lengths, biases = sorted(runs), sorted(runs[min(runs)])
    seeds = len(runs[lengths[0]][biases[0]])
    count = np.array([[sum(run["solved"] for run in runs[n].get(b, [])) for n in lengths] for b in biases])
    fig, ax = new_figure(width=5.6, height=3.8)
    ax.grid(False)
    ax.imshow(count / seeds, cmap="Blues", vmin=0, vmax=1.3, aspect="auto")
    for row, b in enumerate(biases):
        for column, n in enumerate(lengths):
            median = median_updates(runs[n].get(b, []))
            text = f"{count[row, column]} of {seeds}" + (f"\n{median:.0f} updates" if median else "")
            if b not in runs[n]:
                text = "not tried"
            colour = "white" if count[row, column] / seeds > 0.8 else "0.2"
            ax.annotate(text, (column, row), ha="center", va="center", fontsize=8, color=colour)
    ax.set_xticks(range(len(lengths)), lengths)
    ax.set_yticks(range(len(biases)), [f"{b:g}  (f = {1 / (1 + np.exp(-b)):.2f})" for b in biases])
    ax.set_xlabel("digits to read")
    ax.set_ylabel("first forget bias b_f, and f at the start")
    limit = max(run["updates"] for at in runs.values() for found in at.values() for run in found)
    longest = {b: max([n for column, n in enumerate(lengths) if count[row, column] == seeds], default=0) for row, b in enumerate(biases)}
    far = [b for b in biases if longest[b] == max(longest.values())]
    ax.set_title(
        f"Every seed solves {max(longest.values())} digits within {limit} updates\n"
        f"only from b_f = {', '.join(f'{b:g}' for b in far)}"
    )
    return fig


def read_activations(path):
    """{column: (T, H) array} of gates_activations.csv, with the digits (T,), and the updates and accuracy behind it."""
    values = ("g", "i", "f", "o", "c", "first_digit_share")
    types = {"updates": int, "accuracy": float, "t": int, "digit": int, "unit": int} | dict.fromkeys(values, float)
    rows = read_table(path, types)
    T = max(row["t"] for row in rows)
    if len(rows) % T:
        raise ValueError(f"{path} lacks rows: {len(rows)} are not the same for each of {T} steps")
    over_time = {name: np.array([row[name] for row in rows]).reshape(T, -1) for name in (*values, "digit")}
    return over_time | {"digit": over_time["digit"][:, 0], "updates": rows[0]["updates"], "accuracy": rows[0]["accuracy"]}


def activations_figure(over_time):
    """The gates and the cell of a trained LSTM over a palindrome, units × time, sorted by the cell after the last step."""
    T, H = over_time["c"].shape
    order = np.argsort(-over_time["c"][-1])
    largest = np.abs(over_time["c"]).max()
    panels = {
        "i": ("input gate i", "cividis", (0, 1)),
        "f": ("forget gate f", "cividis", (0, 1)),
        "o": ("output gate o", "cividis", (0, 1)),
        "g": ("candidate g", "cividis", (-1, 1)),
        "c": ("cell c", "cividis", (-largest, largest)),
    }
    fig, axes = new_figure(1, len(panels), width=12, height=4.2, sharey=True)
    for ax, (name, (label, colours, (low, high))) in zip(axes, panels.items(), strict=True):
        ax.grid(False)
        picture = ax.imshow(over_time[name][:, order].T, cmap=colours, vmin=low, vmax=high, aspect="auto")
        fig.colorbar(picture, ax=ax, orientation="horizontal", shrink=0.8, aspect=16, pad=0.02)
        size = np.abs(over_time[name]).mean(axis=1)
        symbol = f"|{name}|" if low < 0 else name
        ax.set_title(f"{label}\nmean {symbol}: {size[0]:.2f} at t = 1,\n{size[-1]:.2f} at t = {T}", fontsize=9)
        ax.set_xticks(range(T), over_time["digit"], fontsize=7)
        ax.set_xlabel("digit read at t")
    axes[0].set_ylabel(f"{H} units, by c after the last step")
    sizes = {name: np.abs(over_time[name]).mean(axis=1) for name in "ifogc"}
    moved = max(np.ptp(sizes[name]) for name in "ifo")
    fig.suptitle(
        f"The gates' means move by at most {moved:.2f}; the candidate grows from {sizes['g'][0]:.2f} to "
        f"{sizes['g'][-1]:.2f} and holds the digit: LSTM, {T} digits to read, solved after "
        f"{over_time['updates']} updates",
        fontsize=10,
    )
    return fig


def read_cuts(path):
    return read_table(path, {"cut": str, "accuracy": float})


def main(argv=None):
    parser = Parser(__doc__.split("\n")[0])
    parser.add_argument("--csv_dir", default=str(ROOT / "results/part1"), help="folder of the tables gates_*.csv")
    parser.add_argument("--output_dir", default=str(ROOT / "results/part1"), help="folder for the figures gates_*.png")
    config = parser.parse_args(argv)
    tables, folder = Path(config.csv_dir), Path(config.output_dir)
    try:
        ablation = read_runs(tables / "gates_ablation.csv", "variant", str)
        forget_bias = read_runs(tables / "gates_forget_bias.csv", "b_f", float)
        over_time = read_activations(tables / "gates_activations.csv")
        cuts = read_cuts(tables / "gates_cuts.csv")
        folder.mkdir(parents=True, exist_ok=True)
        save_figure(ablation_figure(ablation), folder / "gates_ablation.png")
        save_figure(forget_bias_figure(forget_bias), folder / "gates_forget_bias.png")
        save_figure(activations_figure(over_time), folder / "gates_activations.png")
    except (ValueError, OSError) as error:
        parser.error(error)
    for table, name in ((ablation, "{}"), (forget_bias, "b_f = {:g}")):
        for length, variants in sorted(table.items()):
            for value, runs in variants.items():
                accuracies = sorted(run["accuracy"] for run in runs)
                print(
                    f"{name.format(value)}, length {length}: {sum(run['solved'] for run in runs)} of {len(runs)} solved, "
                    f"median updates {median_updates(runs) or 'none'}, accuracy {accuracies[0]:.4f} to {accuracies[-1]:.4f}"
                )
    for t in (0, len(over_time["c"]) // 2, len(over_time["c"]) - 1):
        means = ", ".join(f"{name} {np.abs(over_time[name][t]).mean():.2f}" for name in "gifoc")
        share = np.median(over_time["first_digit_share"][t])
        print(f"t = {t + 1}: mean sizes {means}; of c_t's variance the first digit explains {share:.2f} (median unit)")
    for row in cuts:
        print(f"trained, then {row['cut']}: accuracy {row['accuracy']:.4f}")


if __name__ == "__main__":
    main()
