"""Can the time gate's parameters be learned from data? Find a teacher's again, from starts at growing distance.

python part2/experiments/recover_gate.py

A student gate sees time stamps and how far the teacher's gate is open at them, nothing else, and lessens the mean
squared difference. One of its parameters starts wrong, by a known distance, and is learned; the other two are right.
Times are counted in periods of the teacher, so its τ is 1. Writes recovery.csv, which plot_recover_gate.py draws.
"""

import sys
from pathlib import Path

if not __package__:  # run as `python part2/experiments/recover_gate.py`: import from the checkout, not from there
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

import torch

from common.figures import table_script
from part2.time_gate import TimeGate

R_ON = 0.1  # the teachers' open share
# How far the student's start is off: τ by a factor 1 + distance, s by distance · τ, r_on by a factor.
DISTANCES = {
    "tau": (-0.3, -0.1, -0.03, -0.01, -0.003, -0.001, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3),
    "s": (-0.45, -0.3, -0.2, -0.1, -0.05, -0.02, 0.02, 0.05, 0.1, 0.2, 0.3, 0.45),
    "r_on": (0.1, 0.2, 0.5, 2.0, 4.0, 8.0),
}
HORIZONS = ("2", "10", "100", "growing")  # time stamps are uniform from 0 to so many periods; growing: 1 to 100
LEAKS = (0.0, 0.1)  # the student's; the teacher has none
TOLERANCE = 0.01  # found: so near, τ and r_on as a share, s as a share of the period
BATCH = 256  # time stamps per update
RATE = 0.01  # Adam's first step size, falling linearly to 0; for τ over the horizon, up to which its error adds up


def start(parameter, distance, s):
    """τ, s, r_on of students (N,) whose `parameter` is off by `distance` from teachers with shifts s (N,)."""
    tau = torch.full_like(s, 1 + distance if parameter == "tau" else 1)
    r_on = torch.full_like(s, R_ON * distance if parameter == "r_on" else R_ON)
    return tau, s + distance if parameter == "s" else s, r_on


def recovered(parameter, student, s):
    """Which students (N,) have found the `parameter` of their teachers: τ = 1, s up to whole periods, or R_ON."""
    errors = {"tau": student.tau - 1, "s": (student.s - s + 0.5) % 1 - 0.5, "r_on": student.r_on / R_ON - 1}
    return errors[parameter].abs() < TOLERANCE


def learn(student, teacher, parameter, horizon, updates, generator):
    """Fit the student's openness to the teacher's at random time stamps; every unit is a problem of its own."""
    optimizer = torch.optim.Adam([p for p in student.parameters() if p.requires_grad])
    for step in range(updates):
        done = step / updates
        span = 100**done if horizon == "growing" else float(horizon)
        optimizer.param_groups[0]["lr"] = RATE * (1 - done) / (span if parameter == "tau" else 1)
        t = span * torch.rand(BATCH, dtype=torch.float64, generator=generator)
        loss = (student(t) - teacher(t)).square().mean(dim=0).sum()  # a sum over units: each has its own gradient
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def recovery(parameter, horizon, leak, teachers, updates, seed):
    """Share of the teachers found again from each of the parameter's DISTANCES, a list."""
    generator = torch.Generator().manual_seed(seed)
    s = torch.rand(teachers, dtype=torch.float64, generator=generator)
    tau, first_s, r_on = map(torch.cat, zip(*(start(parameter, d, s) for d in DISTANCES[parameter]), strict=True))
    H, s = len(tau), s.repeat(len(DISTANCES[parameter]))
    student = TimeGate(H, tau, first_s, r_on, leak, learn=[parameter])
    learn(student, TimeGate(H, 1.0, s, R_ON, learn=()), parameter, horizon, updates, generator)
    return recovered(parameter, student, s).double().view(-1, teachers).mean(dim=1).tolist()


def measure(config, points):
    """Yield the table."""

    def shares_found(*point):
        return recovery(*point, config.teachers, config.updates, config.seed)

    rows = []
    for (parameter, horizon, leak), shares in points.each(shares_found, DISTANCES, HORIZONS, LEAKS):
        for distance, share in zip(DISTANCES[parameter], shares, strict=True):
            rows.append((parameter, horizon, f"{leak:g}", f"{distance:g}", f"{share:.4f}"))
    yield "recovery", ("parameter", "horizon", "leak", "distance", "recovered"), rows


if __name__ == "__main__":
    table_script(
        __doc__,
        measure,
        "part2",
        teachers=(1, 10_000, 32, "gates to be found, each from every start"),
        updates=(1, 10**6, 3_000, "updates for each start"),
        seed=(0, 2**63 - 1, 0, "seed of the gates and time stamps"),
    )
