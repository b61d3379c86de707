"""Draw what each gate of the LSTM is for (question 1.5 a) from the tables of gates.py.

python part1/experiments/plot_gates.py
"""

import sys
from pathlib import Path
from statistics import median

if not __package__:  # run as `python part1/experiments/plot_gates.py`: import from the checkout, not from there
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

import numpy as np

from common import figures
from common.tables import read_grouped

IMAGES = {  # title, lowest and highest value
    "g": ("g, candidate", -1, 1),
    "i": ("i, input gate", 0, 1),
    "f": ("f, forget gate", 0, 1),
    "o": ("o, output gate", 0, 1),
    "c": ("c, cell", None, None),
    "first_digit_share": ("share of c's variance\nthat the first digit explains", 0, 1),
}


def read_activations(path):
    """{gate, c, or share: (H, T) array}, the palindrome's digits (T,), updates and accuracy of the LSTM."""
    steps = read_grouped(path, "t").values()
    images = {name: np.array([[row[name] for row in units] for units in steps]).T for name in IMAGES}
    (first, *_), *_ = steps
    return images, [units[0]["digit"] for units in steps], first["updates"], first["accuracy"]


def solved(runs):
    return sum(run["solved"] for run in runs)


def variants_figure(variants):
    """Accuracy of every variant, a mark per seed, and how many seeds solved the task, a panel per length."""
    lengths = [*variants["LSTM"]]
    width = max(7.5, 4.6 * len(lengths) + 1)
    fig, axes = figures.new_figure(1, len(lengths), width=width, height=4.0, sharey=True, squeeze=False)
    for ax, length in zip(axes[0], lengths, strict=True):
        for y, (name, at_length) in enumerate(reversed(variants.items())):
            runs = at_length[length]
            heights = np.linspace(y - 0.2, y + 0.2, len(runs))
            colour = figures.VERMILION if name == "LSTM" else figures.BLUE
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
    whole, open_forget = (solved(variants[name][length]) for name in ("LSTM", "f = 1"))
    title = f"{whole} of {len(runs)} seeds of the LSTM solve {length} digits, without forget gate {open_forget}"
    if open_forget > whole:
        title = "Where nothing is to be forgotten, the LSTM learns more surely without forget gate: "
        title += f"{open_forget} of {len(runs)} seeds, not {whole}"
    fig.suptitle(f"{title}\na mark per seed; at the right, seeds solved and the median of their updates", fontsize=10)
    return fig


def forget_bias_figure(biases):
    """Longest length solved against the first forget bias, a mark per seed."""
    fig, ax = figures.new_figure(width=6.4, height=3.4)
    longest = {}
    for bias, at_length in sorted(biases.items()):
        # Lengths are tried in order and end at the first that is not solved: the n-th best seed ends where n did.
        solvers = {length: solved(runs) for length, runs in at_length.items()}
        seeds = range(len(at_length[min(at_length)]))
        longest[bias] = [max((length for length in solvers if solvers[length] > n), default=0) for n in seeds]
        for n, length in enumerate(longest[bias]):
            ax.plot(bias + 0.08 * (n - (len(seeds) - 1) / 2), length, "o^sD"[n % 4], color=figures.BLUE, ms=6)
    ax.plot([*longest], [*map(median, longest.values())], "-", color=figures.BLUE, lw=1, zorder=0)
    tried = sorted({length for at_length in biases.values() for length in at_length})
    ax.set_yticks([0, *tried], ["none", *map(str, tried)])
    ax.set(xticks=[*longest], xlabel="forget gate's bias before training")
    ax.set_ylabel("longest length solved (digits)")
    highest = max(map(median, longest.values()))
    best = " and ".join(f"{bias:g}" for bias, lengths in longest.items() if median(lengths) == highest)
    most = max(run["updates"] for at_length in biases.values() for runs in at_length.values() for run in runs)
    ax.set_title(
        f"The median seed gets farthest, to {highest:g} digits, at a bias of {best}\n"
        f"a mark per seed, line: their median; at most {most} updates a length"
    )
    return fig


def activations_figure(images, digits, updates, accuracy):
    """Gates and cell state over time on one palindrome, units sorted by what c_T still knows of the first digit."""
    share = images["first_digit_share"][:, -1]
    order = np.argsort(-share)
    fig, axes = figures.new_figure(1, len(images), width=13, height=4.2, sharey=True)
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
    knowing, f = share > 0.5, images["f"][:, 1:]
    kept = np.median(f[knowing]) if knowing.any() else np.nan
    fig.suptitle(
        f"{knowing.sum()} of {len(share)} units keep the first digit to the end; their forget gate is at {kept:.2f} "
        f"(median; all units: {np.median(f):.2f})\n"
        f"an LSTM after {updates} updates, accuracy {accuracy:.4f}, on one palindrome",
        fontsize=10,
    )
    return fig


def draw(folder):
    variants = read_grouped(folder / "gates_ablation.csv", "variant", "input_length")
    biases = read_grouped(folder / "gates_forget_bias.csv", "b_f", "input_length")
    drawn = {
        "gates_ablation": variants_figure(variants),
        "gates_forget_bias": forget_bias_figure(biases),
        "gates_activations": activations_figure(*read_activations(folder / "gates_activations.csv")),
    }
    return drawn, ""


if __name__ == "__main__":
    figures.plot_script(__doc__, draw, "part1", csv_dir=("part1", "folder of the three tables"))
