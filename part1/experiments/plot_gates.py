"""Draw what each gate of the LSTM is for (question 1.5 a) from the CSV files of part1/experiments/gates.py.

python part1/experiments/plot_gates.py
"""

import statistics
import sys
from collections import defaultdict
from pathlib import Path

if not __package__:  # run as `python part1/experiments/plot_gates.py`: import from the checkout, not from there
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import numpy as np

from common.arguments import Parser
from common.figures import BLUE, VERMILION, new_figure, save_figure
from common.table import read_table

ROOT = Path(__file__).resolve().parents[2]
MARKS = ("o", "^", "s", "D")
SCRIPT = "part1/experiments/gates.py"
RUNS = {"input_length": int, "accuracy": float, "updates": int, "solved": int}
GATES = {"g": (-1, 1), "i": (0, 1), "f": (0, 1), "o": (0, 1), "c": (None, None), "first_digit_share": (0, 1)}


def read_runs(path, key):
    """{value of the column `key`: {digits to read: [(accuracy, updates, solved) of each seed]}}, in the file's order.

    Raises ValueError or OSError, as `read_activations` does.
    """
    found = defaultdict(lambda: defaultdict(list))
    for row in read_table(path, {key: str, **RUNS}, SCRIPT):
        found[row[key]][row["input_length"]].append((row["accuracy"], row["updates"], row["solved"] == 1))
    return found


def read_activations(path):
    """{gate, c, or share: (H, T) array}, the palindrome's digits (T,), updates and accuracy of the LSTM."""
    whole = dict.fromkeys(("updates", "t", "digit", "unit"), int)
    rows = read_table(path, whole | dict.fromkeys(("accuracy", *GATES), float), SCRIPT)
    T, H = (max(row[name] for row in rows) for name in ("t", "unit"))
    images = {name: np.array([row[name] for row in rows]).reshape(T, H + 1).T for name in GATES}
    return images, [row["digit"] for row in rows[:: H + 1]], rows[0]["updates"], rows[0]["accuracy"]


def _solved(runs):
    return sum(solved for _, _, solved in runs)


def variants_figure(variants):
    """Accuracy of every variant, a mark per seed, and how many seeds solved the task, a panel per length."""
    lengths = sorted({length for at_length in variants.values() for length in at_length})
    fig, axes = new_figure(
        1, len(lengths), width=max(7.5, 4.6 * len(lengths) + 1), height=4.0, sharey=True, squeeze=False
    )
    for ax, length in zip(axes[0], lengths, strict=True):
        for y, (name, at_length) in enumerate(reversed(variants.items())):
            runs = at_length[length]
            heights = [y + 0.4 * (n / max(1, len(runs) - 1) - 0.5) for n in range(len(runs))]
            colour = VERMILION if name == "LSTM" else BLUE
            ax.scatter([100 * a for a, _, _ in runs], heights, s=16, color=colour, lw=0, alpha=0.85)
            note = f"{_solved(runs)} of {len(runs)}"
            if _solved(runs):
                note += f", {statistics.median(u for _, u, solved in runs if solved):.0f}"
            ax.annotate(note, (105, y), fontsize=7.5, va="center", annotation_clip=False)
        ax.axvline(10, color="0.3", lw=0.8, ls=(0, (1, 2)))
        ax.set_xlim(0, 102)
        ax.set_xlabel("accuracy on held-out palindromes (%), dotted: chance")
        most = max(u for at_length in variants.values() for _, u, _ in at_length[length])
        ax.set_title(f"{length} digits to read, at most {most} updates", fontsize=9)
    axes[0, 0].set_yticks(range(len(variants)), reversed(variants))
    whole, open_forget = (_solved(variants[name][lengths[-1]]) for name in ("LSTM", "f = 1"))
    count = len(variants["LSTM"][lengths[-1]])
    title = (
        "Where nothing is to be forgotten, the LSTM learns more surely without forget gate: "
        f"{open_forget} of {count} seeds, not {whole}"
    )
    if open_forget <= whole:
        title = f"{whole} of {count} seeds of the LSTM solve {lengths[-1]} digits, without forget gate {open_forget}"
    fig.suptitle(f"{title}\na mark per seed; at the right, seeds solved and the median of their updates", fontsize=10)
    return fig


def forget_bias_figure(biases):
    """Longest length solved against the first forget bias, a mark per seed."""
    fig, ax = new_figure(width=6.4, height=3.4)
    longest = {}
    for bias, at_length in biases.items():
        seeds = len(at_length[min(at_length)])
        # Lengths are tried in order and end at the first that is not solved: the n-th best seed ends where n did.
        best = [
            max((length for length in at_length if _solved(at_length[length]) > n), default=0) for n in range(seeds)
        ]
        longest[float(bias)] = best
        for n, length in enumerate(best):
            ax.plot(float(bias) + 0.08 * (n - (seeds - 1) / 2), length, MARKS[n % len(MARKS)], color=BLUE, ms=6)
    at = sorted(longest)
    ax.plot(at, [statistics.median(longest[bias]) for bias in at], "-", color=BLUE, lw=1, zorder=0)
    tried = sorted({length for at_length in biases.values() for length in at_length})
    ax.set_yticks([0, *tried], ["none", *map(str, tried)])
    ax.set_xticks(at)
    ax.set_xlabel("forget gate's bias before training")
    ax.set_ylabel("longest of the lengths tried that is solved (digits)")
    best = max(at, key=lambda bias: (statistics.median(longest[bias]), min(longest[bias])))
    most = max(u for at_length in biases.values() for runs in at_length.values() for _, u, _ in runs)
    ax.set_title(
        f"A forget gate that starts open remembers longer; best at a bias of {best:g}\n"
        f"a mark per seed, line: their median; at most {most} updates a length"
    )
    return fig


def activations_figure(images, digits, updates, accuracy):
    """Gates and cell state over time on one palindrome, units sorted by what c_T still knows of the first digit."""
    order = np.argsort(-images["first_digit_share"][:, -1])
    fig, axes = new_figure(1, len(images), width=13, height=4.2, sharey=True)
    titles = {"g": "g, candidate", "i": "i, input gate", "f": "f, forget gate", "o": "o, output gate", "c": "c, cell"}
    for ax, (name, image) in zip(axes, images.items(), strict=True):
        low, high = GATES[name]
        if low is None:
            high = np.abs(image).max()
            low = -high
        shown = ax.imshow(
            image[order],
            aspect="auto",
            vmin=low,
            vmax=high,
            cmap="PuOr" if low < 0 else "viridis",
            interpolation="none",
        )
        ax.set_title(titles.get(name, "share of c's variance\nthat the first digit explains"), fontsize=9)
        ax.set_xticks(range(len(digits)), digits, fontsize=6)
        ax.set_xlabel("digit read at t = 1, 2, …")
        ax.grid(visible=False)
        fig.colorbar(shown, ax=ax, location="bottom", aspect=12)
    axes[0].set_ylabel("unit, those that know the first digit on top")
    share = images["first_digit_share"]
    knowing = (share[:, -1] > 0.5).sum()
    kept = (np.median(images["f"][order[:knowing], 1:]) if knowing else np.nan), np.median(images["f"][:, 1:])
    fig.suptitle(
        f"{knowing} of {len(share)} units keep the first digit to the end; their forget gate is at {kept[0]:.2f} "
        f"(median; all units: {kept[1]:.2f})\n"
        f"an LSTM after {updates} updates, accuracy {accuracy:.4f}, on one palindrome",
        fontsize=10,
    )
    return fig


def main(argv=None):
    parser = Parser(__doc__.split("\n")[0])
    parser.add_argument("--csv_dir", default=str(ROOT / "results/part1"), help="folder of the three tables")
    parser.add_argument("--output_dir", default=str(ROOT / "results/part1"), help="folder for the three figures")
    config = parser.parse_args(argv)
    source, folder = Path(config.csv_dir), Path(config.output_dir)
    try:
        variants = read_runs(source / "gates_ablation.csv", "variant")
        biases = read_runs(source / "gates_forget_bias.csv", "b_f")
        activations = read_activations(source / "gates_activations.csv")
        folder.mkdir(parents=True, exist_ok=True)
        save_figure(variants_figure(variants), folder / "gates_ablation.png")
        save_figure(forget_bias_figure(biases), folder / "gates_forget_bias.png")
        save_figure(activations_figure(*activations), folder / "gates_activations.png")
    except (ValueError, OSError) as error:
        parser.error(error)
    lengths = sorted({length for at_length in variants.values() for length in at_length})
    print(f"| variant | {' | '.join(f'{n} digits: solved, accuracy' for n in lengths)} |")
    print("|---" * (1 + len(lengths)) + "|")
    for name, at_length in variants.items():
        cells = []
        for length in lengths:
            accuracy = sorted(a for a, _, _ in at_length[length])
            cells.append(
                f"{_solved(at_length[length])} of {len(accuracy)}, {statistics.median(accuracy):.3f} "
                f"({accuracy[0]:.3f} to {accuracy[-1]:.3f})"
            )
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
