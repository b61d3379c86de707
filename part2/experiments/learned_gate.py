"""What learning does to the time gate's τ, s and r_on, unit by unit, and how many units never open at all.

python part2/experiments/learned_gate.py
python part2/experiments/learned_gate.py --dead_units 100000

The first draws the gates of trained networks, from the gate.csv of part2/train.py's runs, and prints a line a run. The
second prints which share of so many freshly drawn units is closed at all of the steps 1, 2, …, T, a Markdown table.
"""

import itertools
import sys
from pathlib import Path

if not __package__:  # run as `python part2/experiments/learned_gate.py`: import from the checkout, not from there
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

import numpy as np
import torch

from common.arguments import Parser, new_file, whole_number
from common.figures import BLUE, GREEN, ORANGE, PAGE, PURPLE, VERMILION, house_style, new_figure, save_figure
from common.tables import markdown, read_metrics, read_runs
from part2.time_gate import PARAMETERS, TimeGate, never_opens

ROOT = Path(__file__).resolve().parents[2]
COLUMNS = ("first_tau", "first_s", "first_r_on", "tau", "s", "r_on")
MARKS = ((BLUE, "o"), (ORANGE, "^"), (GREEN, "s"), (PURPLE, "D"), (VERMILION, "v"))
DEFAULT_RUNS = [f"palindromes100_gated_seed{seed}" for seed in range(3)]
FAR = 0.1  # of a period: a shift that moved farther is counted
LOG_TAU, R_ON, LENGTHS = ((0, 3), (1, 3), (1, 6)), (0.05, 0.1), (10, 40, 100, 1000)  # of the table of dead units


def read_gates(path, names):
    """{run: {column: (H,)}} of the named runs at `path` (as in `read_runs`). Raises ValueError or OSError."""
    tables = read_metrics(path, dict.fromkeys(COLUMNS, float), "gate.csv")
    if missing := [name for name in names if name not in tables]:
        raise ValueError(f"{path} holds no gate of {', '.join(missing)}")
    return {name: {column: np.array([row[column] for row in tables[name]]) for column in COLUMNS} for name in names}


def changes(gate):
    """How far learning moved each unit: τ and s in shares of the first period, r_on by its ratio, {name: (H,)}."""
    return {
        "tau": abs(gate["tau"] / gate["first_tau"] - 1),
        "s": abs(gate["s"] - gate["first_s"]) / gate["first_tau"],
        "r_on": gate["r_on"] / gate["first_r_on"],
    }


def summary(name, gate, run):
    """A line on what moved, for the settings `run`; also on shifts that moved far, where the steps are 1 … T."""
    moved = changes(gate)
    tau, s, r_on = map(np.median, moved.values())
    line = f"{name}: median |Δτ| / τ {tau:.4f}, |Δs| / τ {s:.4f}, r_on × {r_on:.3f}"
    if run["task"] == "frequency":  # each wave has time stamps of its own
        return line
    first = TimeGate(len(gate["tau"]), gate["first_tau"], gate["first_s"], gate["first_r_on"])
    closed, far = never_opens(first, run["input_length"]).numpy(), moved["s"] > FAR
    line += f"; {far.sum()} shifts moved by more than {FAR:.0%} of a period, {(far & closed).sum()} of them"
    return f"{line} those of the {closed.sum()} units that opened at no step"


def figure(gates):
    """After against before for τ, s (in first periods), r_on over its unit's period; a mark is a unit."""
    fig, (left, middle, right) = new_figure(1, 3, width=PAGE, height=3.2)
    for (name, gate), (colour, marker) in zip(gates.items(), MARKS, strict=False):
        style = {"color": colour, "marker": marker, "s": 9, "alpha": 0.7, "lw": 0, "label": name}
        left.scatter(gate["first_tau"], gate["tau"], **style)
        middle.scatter(gate["first_s"] / gate["first_tau"], gate["s"] / gate["first_tau"], **style)
        right.scatter(gate["tau"], gate["r_on"], **style)
        right.axhline(gate["first_r_on"][0], color=colour, lw=0.8, ls=":")
    for ax in (left, middle):
        ax.axline((1, 1), slope=1, color="0.4", lw=0.8, ls=":")
    tau, s, r_on = (np.median(np.concatenate([changes(gate)[name] for gate in gates.values()])) for name in PARAMETERS)
    left.set(xscale="log", yscale="log", xlabel="before", ylabel="after learning", title="period τ")
    middle.set(xlabel="before", title="shift s, in first periods")
    right.set(xscale="log", xlabel="period τ after learning", title="open share r_on after")
    fig.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    moved = f"τ moved by {100 * tau:.2g} %, s by {100 * s:.2g} % of a period, r_on × {r_on:.2f} (medians)"
    fig.suptitle(f"{moved}\na mark is a unit; dotted: before learning")
    return fig


def dead_share(T, log_tau, r_on, units):
    """Share of `units` with log τ uniform in log_tau and s from U(0, τ) that never open at the steps 1, …, T."""
    tau = torch.empty(units, dtype=torch.float64).uniform_(*log_tau).exp()
    return never_opens(TimeGate(units, tau, r_on=r_on), T).double().mean().item()


def dead_units(units):
    """The table of the shares that never open, Markdown, drawn from seed 0."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rows = []
    for log_tau, r_on in itertools.product(LOG_TAU, R_ON):
        shares = (f"{100 * dead_share(T, log_tau, r_on, units):.1f} %" for T in LENGTHS)
        rows.append((f"{log_tau[0]} to {log_tau[1]}", r_on, *shares))
    return markdown(("log τ uniform in", "r_on", *(f"T = {T}" for T in LENGTHS)), rows)


def main(argv=None):
    parser = Parser(__doc__)
    parser.add_argument("--runs_dir", default=ROOT / "results/part2/runs", help="folder of the runs or tables")
    parser.add_argument("--run", nargs="+", default=DEFAULT_RUNS, help=f"names of the runs, at most {len(MARKS)}")
    parser.add_argument(
        "--output", type=new_file, default=ROOT / "results/part2/learned_gate.png", help="PNG or PDF file"
    )
    dead = "instead print which share of so many units never opens; none: draw the runs"
    parser.add_argument("--dead_units", type=whole_number(1, 10**7), metavar="UNITS", help=dead)
    config = parser.parse_args(argv)
    if config.dead_units:
        print(dead_units(config.dead_units))
        return
    with parser.printing(), house_style():
        if len(config.run) > len(MARKS):
            raise ValueError(f"{len(config.run)} runs: at most {len(MARKS)} can be told apart")
        runs, gates = read_runs(config.runs_dir), read_gates(config.runs_dir, config.run)
        lines = [summary(name, gate, runs[name]) for name, gate in gates.items()]
        try:
            save_figure(figure(gates), config.output)
        finally:
            print("\n".join(lines))


if __name__ == "__main__":
    main()
