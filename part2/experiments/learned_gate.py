"""Draw the time gate's parameters before and after learning, unit by unit, from the gate.csv of finished runs.

python part2/experiments/learned_gate.py results/part2/runs/palindromes100_gated_seed0
"""

import json
import statistics
import sys
from pathlib import Path

if not __package__:  # run as `python part2/experiments/plot_learned_gate.py`: import from the checkout, not from there
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from common.arguments import Parser
from common.figures import BLUE, GREEN, ORANGE, PURPLE, VERMILION, new_figure, save_figure
from common.table import read_table

ROOT = Path(__file__).resolve().parents[2]
COLUMNS = ("first_tau", "first_s", "first_r_on", "tau", "s", "r_on")
MARKS = ((BLUE, "o"), (ORANGE, "^"), (GREEN, "s"), (PURPLE, "D"), (VERMILION, "v"))


def read_gate(folder):
    """{column: (H,) list} of a run folder's gate.csv. Raises ValueError or OSError."""
    rows = read_table(Path(folder) / "gate.csv", dict.fromkeys(COLUMNS, float), "part2/train.py")
    return {column: [row[column] for row in rows] for column in COLUMNS}


def changes(gate):
    """How far learning moved each unit: τ and s in shares of the first period, r_on by its ratio, {name: (H,)}."""
    each = list(zip(*(gate[column] for column in COLUMNS), strict=True))
    return {
        "tau": [abs(tau / first_tau - 1) for first_tau, _, _, tau, _, _ in each],
        "s": [abs(s - first_s) / first_tau for first_tau, first_s, _, _, s, _ in each],
        "r_on": [r_on / first_r_on for _, _, first_r_on, _, _, r_on in each],
    }


def never_open(gate, T):
    """Which units were open at none of the steps 1 … T before learning: (H,) list of bool."""
    units = zip(gate["first_tau"], gate["first_s"], gate["first_r_on"], strict=True)
    return [all((t - s) % tau / tau >= r_on for t in range(1, T + 1)) for tau, s, r_on in units]


def far_shifts(folder, gate, far=0.1):
    """One line on the shifts that moved by more than `far` of a period, where the steps are 1 … T; else nothing."""
    settings = json.loads((Path(folder) / "config.json").read_text())
    if settings["task"] == "frequency":  # time stamps of its own for each wave
        return ""
    closed = never_open(gate, settings["input_length"])
    moved = changes(gate)["s"]
    of_closed = [m > far for m, c in zip(moved, closed, strict=True) if c]
    return (
        f"; {sum(m > far for m in moved)} shifts moved by more than {far:.0%} of a period, {sum(of_closed)} of them "
        f"those of the {sum(closed)} units that opened at no step"
    )


def figure(gates):
    """After against before for τ, s (in first periods), r_on over its unit's period; a mark is a unit."""
    fig, (left, middle, right) = new_figure(1, 3, width=10.5, height=3.7)
    for (name, gate), (colour, marker) in zip(gates.items(), MARKS, strict=False):
        style = {"color": colour, "marker": marker, "s": 9, "alpha": 0.7, "lw": 0, "label": name}
        left.scatter(gate["first_tau"], gate["tau"], **style)
        middle.scatter(
            [s / tau for s, tau in zip(gate["first_s"], gate["first_tau"], strict=True)],
            [s / tau for s, tau in zip(gate["s"], gate["first_tau"], strict=True)],
            **style,
        )
        right.scatter(gate["tau"], gate["r_on"], **style)
        right.axhline(gate["first_r_on"][0], color=colour, lw=0.8, ls=":")
    moved = {key: [m for gate in gates.values() for m in changes(gate)[key]] for key in ("tau", "s", "r_on")}
    for ax in (left, middle):
        ax.axline((1, 1), slope=1, color="0.4", lw=0.8, ls=":")
    left.set_xscale("log")
    left.set_yscale("log")
    right.set_xscale("log")
    left.set_title(f"periods moved by {100 * statistics.median(moved['tau']):.2g} %, median")
    left.set_xlabel("period τ before learning")
    left.set_ylabel("period τ after")
    middle.set_title(f"shifts moved by {100 * statistics.median(moved['s']):.2g} % of a period, median")
    middle.set_xlabel("shift s before, in first periods")
    middle.set_ylabel("shift s after, in first periods")
    right.set_title(f"open shares grew: × {statistics.median(moved['r_on']):.2f}, median")
    right.set_xlabel("period τ after learning")
    right.set_ylabel("open share r_on after (dotted: before)")
    left.legend(fontsize=7)
    return fig


def main(argv=None):
    parser = Parser(__doc__.split("\n")[0])
    parser.add_argument("run", nargs="+", help=f"run folders of part2/train.py, at most {len(MARKS)}")
    parser.add_argument("--output", default=str(ROOT / "results/part2/learned_gate.png"), help="PNG or PDF file")
    config = parser.parse_args(argv)
    try:
        if len(config.run) > len(MARKS):
            raise ValueError(f"{len(config.run)} runs: at most {len(MARKS)} can be told apart")
        gates = {Path(run).resolve().name: read_gate(run) for run in config.run}
        notes = [far_shifts(run, gate) for run, gate in zip(config.run, gates.values(), strict=True)]
        save_figure(figure(gates), config.output)
    except (ValueError, OSError) as error:
        parser.error(error)
    for (name, gate), note in zip(gates.items(), notes, strict=True):
        moved = {key: statistics.median(values) for key, values in changes(gate).items()}
        print(
            f"{name}: median |Δτ| / τ {moved['tau']:.4f}, |Δs| / τ {moved['s']:.4f}, r_on × {moved['r_on']:.3f}{note}"
        )


if __name__ == "__main__":
    main()
