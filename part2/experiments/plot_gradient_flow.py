"""Draw the norm of the gradient at each time step from the CSV file of part2/experiments/gradient_flow.py.

python part2/experiments/plot_gradient_flow.py
"""

import statistics
import sys
from pathlib import Path

if not __package__:  # run as `python part2/experiments/plot_gradient_flow.py`: import from the checkout, not from there
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from common.figures import BLUE, GREEN, ORANGE, SKY, VERMILION, grouped, in_house_style, new_figure, plot_script
from common.files import read_table

STYLES = {
    "time-gated, forget bias 1": (BLUE, "-"),
    "time-gated, forget bias 0": (SKY, "--"),
    "plain, forget bias 0": (ORANGE, ":"),
    "plain, forget bias 1": (VERMILION, "--"),
    "plain, chrono": (GREEN, "-."),
}


def read_norms(path):
    """{cell: {t: rows, one a seed}}, grad_c and grad_h in each. Raises ValueError or OSError."""
    columns = {"cell": str, "t": int, "grad_c": float, "grad_h": float}
    cells = grouped(read_table(path, columns, "part2/experiments/gradient_flow.py"), "cell", "t")
    if cells.keys() != STYLES.keys():
        raise ValueError(f"{path} holds other cells than {'; '.join(STYLES)}")
    return cells


def median(rows, state):
    return statistics.median(row[f"grad_{state}"] for row in rows)


@in_house_style
def figure(cells):
    """Median over the seeds and their range against the time step, log scale: dL/dc_t, and dL/dh_t beside it."""
    fig, axes = new_figure(1, 2, width=10, height=4.2, sharey=True)
    for ax, state in zip(axes, "ch", strict=True):
        for cell, at_step in cells.items():
            colour, style = STYLES[cell]
            steps, seeds = list(at_step), [[row[f"grad_{state}"] for row in rows] for rows in at_step.values()]
            ax.fill_between(steps, list(map(min, seeds)), list(map(max, seeds)), color=colour, alpha=0.2, lw=0)
            ax.plot(steps, list(map(statistics.median, seeds)), style, color=colour, label=cell)
        ax.set(yscale="log", xlabel=f"time step t, of {steps[-1]}", ylabel=f"‖∂L/∂{state}ₜ‖, whole batch")
        ax.set_title(f"gradient at the {'cell' if state == 'c' else 'hidden'} state {state}ₜ")
    axes[0].legend(fontsize=8)
    gated, plain = (median(cells[f"{cell}, forget bias 1"][1], "c") for cell in ("time-gated", "plain"))
    title = f"The gradient at the first of {steps[-1]} steps, before training: {gated:.0e} with the time gate, "
    title += f"{plain:.0e} without\nline: median of {len(seeds[0])} seeds, band: lowest to highest; float64"
    fig.suptitle(title, fontsize=10)
    return fig


def figures(path):
    cells, lines = read_norms(path), []
    for cell, at_step in cells.items():
        for t in sorted({1, max(at_step) // 2, max(at_step)}):
            c, h = (median(at_step[t], state) for state in "ch")
            lines.append(f"{cell}: t = {t}, median norm of dL/dc {c:.1e}, of dL/dh {h:.1e}")
    return {"gradient_flow": figure(cells)}, "\n".join(lines)


if __name__ == "__main__":
    plot_script(__doc__, figures, "part2", csv=("part2/gradient_flow.csv", "the table"))
