"""Draw the norm of the gradient at each time step from the CSV file of part2/experiments/gradient_flow.py.

python part2/experiments/plot_gradient_flow.py
"""

import statistics
import sys
from pathlib import Path

if not __package__:  # run as `python part2/experiments/plot_gradient_flow.py`: import from the checkout, not from there
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

from common import figures
from common.figures import BLUE, GREEN, ORANGE, SKY, VERMILION
from common.tables import read_grouped

STYLES = {
    "time-gated, forget bias 1": (BLUE, "-"),
    "time-gated, forget bias 0": (SKY, "--"),
    "plain, forget bias 0": (ORANGE, ":"),
    "plain, forget bias 1": (VERMILION, "--"),
    "plain, chrono": (GREEN, "-."),
}


def figure(cells):
    """Median over the seeds and their range against the time step, log scale: dL/dc_t, and dL/dh_t beside it."""
    fig, axes = figures.new_figure(1, 2, width=figures.PAGE, height=3.4, sharey=True)
    for ax, state in zip(axes, "ch", strict=True):
        for cell, at_step in cells.items():
            norms = {t: [row[f"grad_{state}"] for row in rows] for t, rows in at_step.items()}
            figures.draw_median(ax, norms, cell, *STYLES[cell])
        ax.set(yscale="log", xlabel=f"time step t, of {max(norms)}", ylabel=f"‖∂L/∂{state}ₜ‖, whole batch")
        ax.set_title(f"{'cell' if state == 'c' else 'hidden'} state {state}ₜ")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    first = (cells[f"{cell}, forget bias 1"][1] for cell in ("time-gated", "plain"))
    gated, plain = (statistics.median(row["grad_c"] for row in rows) for rows in first)
    title = f"The gradient at the first of {max(norms)} steps is {gated:.0e} with the time gate, {plain:.0e} without\n"
    title += f"before training, float64; line: median of {len(norms[1])} seeds, band: lowest to highest"
    fig.suptitle(title)
    return fig


def draw(path):
    return {"gradient_flow": figure(read_grouped(path, "cell", "t"))}, ""


if __name__ == "__main__":
    figures.plot_script(__doc__, draw, "part2", csv=("part2/gradient_flow.csv", "the table"))
