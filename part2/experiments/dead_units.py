"""How many units of a freshly drawn time gate never open while the steps 1, 2, …, T pass: a table in Markdown.

python part2/experiments/dead_units.py
"""

import sys
from pathlib import Path

if not __package__:  # run as `python part2/experiments/dead_units.py`: import from the checkout, not from there
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import torch

from common.arguments import Parser, whole_number
from part2.time_gate import TimeGate

LOG_TAU = ((0, 3), (1, 3), (1, 6))  # log τ is uniform between


def dead_share(T, log_tau, r_on, units):
    """Share of `units` gates with such periods, and s from U(0, τ), that are closed at every step 1, …, T."""
    tau = torch.empty(units, dtype=torch.float64).uniform_(*log_tau).exp()
    opened = torch.zeros(units, dtype=torch.bool)
    gate = TimeGate(units, tau, r_on=r_on)
    with torch.no_grad():
        for t in range(1, T + 1):
            opened |= gate(torch.tensor([t]))[0] > 0
    return 1 - opened.double().mean().item()


def main(argv=None):
    parser = Parser(__doc__.split("\n")[0])
    parser.add_argument("--input_length", nargs="+", type=whole_number(1, 100_000), default=[10, 40, 100, 1000])
    parser.add_argument("--units", type=whole_number(1, 10**7), default=100_000, help="gates drawn for each share")
    parser.add_argument("--seed", type=whole_number(0, 2**63 - 1), default=0)
    config = parser.parse_args(argv)
    torch.set_num_threads(1)
    torch.manual_seed(config.seed)
    print(f"| log τ uniform in | r_on | {' | '.join(f'T = {T}' for T in config.input_length)} |")
    print("|---|---|" + "---|" * len(config.input_length))
    for log_tau in LOG_TAU:
        for r_on in (0.05, 0.1):
            shares = [dead_share(T, log_tau, r_on, config.units) for T in config.input_length]
            print(f"| {log_tau[0]} to {log_tau[1]} | {r_on} | {' | '.join(f'{100 * s:.1f} %' for s in shares)} |")


if __name__ == "__main__":
    main()
