"""Draw what each gate of the LSTM is for (question 1.5 a) from the tables of gates.py.

python part1/experiments/plot_gates.py
"""

import sys
from pathlib import Path
from statistics import median

if not __package__:  # run as `python part1/experiments/plot_gates.py`: import from the checkout, not from there
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import numpy as np

from common.figures import BLUE, VERMILION, grouped, in_house_style, markdown, new_figure, plot_script, spread
from common.files import read_table

SCRIPT = "part1/experiments/gates.py"
MARKS = ("o", "^", "s", "D")
IMAGES = {  # title, lowest and highest value
    "g": ("g, candidate", -1, 1),
    "i": ("i, input gate", 0, 1),
    "f": ("f, forget gate", 0, 1),
    "o": ("o, output gate", 0, 1),
    "c": ("c, cell", None, None),
    "first_digit_share": ("share of c's variance\nthat the first digit explains", 0, 1),
}


def read_runs(path, key):
    """{value of the column `key`: {digits to read: [row of each seed, a dict]}}, in the file's order.

    Raises ValueError or OSError as `read_table` does, and so does `read_activations`.
    """
    columns = {key: str, "input_length": int, "accuracy": float, "updates": int, "solved": int}
    return grouped(read_table(path, columns, SCRIPT), key, "input_length")


def read_activations(path):
    """{gate, c, or share: (H, T) array}, the palindrome's digits (T,), updates and accuracy of the LSTM."""
    whole = dict.fromkeys(("updates", "t", "digit", "unit"), int)
    rows = read_table(path, whole | dict.fromkeys(("accuracy", *IMAGES), float), SCRIPT)
    T, H = max(row["t"] for row in rows), max(row["unit"] for row in rows) + 1
    images = {name: np.array([row[name] for row in rows]).reshape(T, H).T for name in IMAGES}
    return images, [row["digit"] for row in rows[::H]], rows[0]["updates"], rows[0]["accuracy"]


def solved(runs):
    return sum(run["solved"] for run in runs)


def lengths_of(found):
    return sorted({length for at_length in found.values() for length in at_length})


@in_house_style
def variants_figure(variants):
    """Accuracy of every variant, a mark per seed, and how many seeds solved the task, a panel per length."""
    lengths = lengths_of(variants)
    width = max(7.5, 4.6 * len(lengths) + 1)
    fig, axes = new_figure(1, len(lengths), width=width, height=4.0, sharey=True, squeeze=False)
    for ax, length in zip(axes[0], lengths, strict=True):
        for y, (name, at_length) in enumerate(reversed(variants.items())):
            runs = at_length[length]
            heights = [y + 0.4 * (n / max(1, len(runs) - 1) - 0.5) for n in range(len(runs))]
            colour = VERMILION if name == "LSTM" else BLUE
            ax.scatter([100 * run["accuracy"] for run in runs], heights, s=16, color=colour, lw=0, alpha=0.85)
            note = f"{solved(runs)} of {len(runs)}"
            if solved(runs):
                note += f", {median(run['updates'] for run in runs if run['solved']):.0f}"
            ax.annotate(note, (105, y), fontsize=7.5, va="center", annotation_clip=False)
        ax.axvline(10, color="0.3", lw=0.8, ls=(0, (1, 2)))
        ax.set(xlim=(0, 102), xlabel="accuracy on held-out palindromes (%), dotted: chance")
        most = max(run["updates"] for at_length in variants.values() for run in at_length[length])
        ax.set_title(f"{length} digits to read, at most {most} updates", fontsize=9)
    axes[0, 0].set_yticks(range(len(variants)), reversed(variants))
    whole, open_forget = (solved(variants[name][lengths[-1]]) for name in ("LSTM", "f = 1"))
    count = len(variants["LSTM"][lengths[-1]])
    title = f"{whole} of {count} seeds of the LSTM solve {lengths[-1]} digits, without forget gate {open_forget}"
    if open_forget > whole:
        title = (
            "Where nothing is to be forgotten, the LSTM learns more surely without forget gate: "
            f"{open_forget} of {count} seeds, not {whole}"
        )
    fig.suptitle(f"{title}\na mark per seed; at the right, seeds solved and the median of their updates", fontsize=10)
    return fig


@in_house_style
def forget_bias_figure(biases):
    """Longest length solved against the first forget bias, a mark per seed."""
    fig, ax = new_figure(width=6.4, height=3.4)
    longest = {}
    for bias, at_length in biases.items():
        seeds = len(at_length[min(at_length)])
        # Lengths are tried in order and end at the first that is not solved: the n-th best seed ends where n did.
        solvers = {length: solved(runs) for length, runs in at_length.items()}
        best = [max((length for length in solvers if solvers[length] > n), default=0) for n in range(seeds)]
        longest[float(bias)] = best
        for n, length in enumerate(best):
            ax.plot(float(bias) + 0.08 * (n - (seeds - 1) / 2), length, MARKS[n % len(MARKS)], color=BLUE, ms=6)
    at, tried = sorted(longest), lengths_of(biases)
    ax.plot(at, [median(longest[bias]) for bias in at], "-", color=BLUE, lw=1, zorder=0)
    ax.set_yticks([0, *tried], ["none", *map(str, tried)])
    ylabel = "longest of the lengths tried that is solved (digits)"
    ax.set(xticks=at, xlabel="forget gate's bias before training", ylabel=ylabel)
    best = max(at, key=lambda bias: (median(longest[bias]), min(longest[bias])))
    most = max(run["updates"] for at_length in biases.values() for runs in at_length.values() for run in runs)
    ax.set_title(
        f"A forget gate that starts open remembers longer; best at a bias of {best:g}\n"
        f"a mark per seed, line: their median; at most {most} updates a length"
    )
    return fig


@in_house_style
def activations_figure(images, digits, updates, accuracy):
    """Gates and cell state over time on one palindrome, units sorted by what c_T still knows of the first digit."""
    order = np.argsort(-images["first_digit_share"][:, -1])
    fig, axes = new_figure(1, len(images), width=13, height=4.2, sharey=True)
    for ax, (name, image) in zip(axes, images.items(), strict=True):
        title, low, high = IMAGES[name]
        if low is None:
            low, high = -np.abs(image).max(), np.abs(image).max()
        cmap = "PuOr" if low < 0 else "viridis"
        shown = ax.imshow(image[order], cmap, aspect="auto", vmin=low, vmax=high, interpolation="none")
        ax.set_title(title, fontsize=9)
        ax.set_xticks(range(len(digits)), digits, fontsize=6)
        ax.set_xlabel("digit read at t = 1, 2, …")
        ax.grid(visible=False)
        fig.colorbar(shown, ax=ax, location="bottom", aspect=12)
    axes[0].set_ylabel("unit, those that know the first digit on top")
    share = images["first_digit_share"]
    knowing = (share[:, -1] > 0.5).sum()
    kept = np.median(images["f"][order[:knowing], 1:]) if knowing else np.nan
    fig.suptitle(
        f"{knowing} of {len(share)} units keep the first digit to the end; their forget gate is at {kept:.2f} "
        f"(median; all units: {np.median(images['f'][:, 1:]):.2f})\n"
        f"an LSTM after {updates} updates, accuracy {accuracy:.4f}, on one palindrome",
        fontsize=10,
    )
    return fig


def table(variants):
    """The numbers of the ablation in Markdown: seeds solved, and their accuracy."""
    lengths, rows = lengths_of(variants), []
    for name, at_length in variants.items():
        accuracies = {length: [run["accuracy"] for run in at_length[length]] for length in lengths}
        cells = (f"{solved(at_length[n])} of {len(a)}, {spread(a, '.3f')}" for n, a in accuracies.items())
        rows.append((name, *cells))
    return markdown(["variant", *(f"{length} digits: solved, accuracy" for length in lengths)], rows)


def figures(folder):
    variants = read_runs(folder / "gates_ablation.csv", "variant")
    drawn = {
        "gates_ablation": variants_figure(variants),
        "gates_forget_bias": forget_bias_figure(read_runs(folder / "gates_forget_bias.csv", "b_f")),
        "gates_activations": activations_figure(*read_activations(folder / "gates_activations.csv")),
    }
    return drawn, table(variants)


if __name__ == "__main__":
    plot_script(__doc__, figures, "part1", csv_dir=("part1", "folder of the three tables"))
