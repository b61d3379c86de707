"""Copying and adding, the tasks on which memories are compared: three cells, with and without a curriculum.

python part2/experiments/tasks.py

Each run reads the same number of time steps, with Adam, at a rate that falls linearly to 0, and in batches of 64. With
part 1's curriculum the delay, or the length, grows from 5 to the one that is asked for. The networks are then tested
there, and on longer sequences without further training. Writes tasks.csv; plot_tasks.py draws it.
"""

import sys
from pathlib import Path

if not __package__:  # run as `python part2/experiments/tasks.py`: import from the checkout, not from there
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

import torch
import torch.nn.functional as F

from common.figures import table_script
from common.training import Clock, check_finite
from part1.curriculum import Curriculum
from part1.lstm import LSTM
from part1.train import update
from part1.vanilla_rnn import VanillaRNN
from part2.dataset import AddingProblem, CopyMemory
from part2.time_gate import TimeGate
from part2.time_gated_lstm import TimeGatedLSTM

# Class, the delay or length asked for and those tested, time steps read in training, and the loss (nats, or a mean
# squared error) on the long half of a batch below which the curriculum's bound grows.
TASKS = {
    "copying": (CopyMemory, (200, 1_000), 200_000, 0.1),
    "adding": (AddingProblem, (400, 1_000), 200_000, 0.01),
}
HIDDEN, BATCH, MAX_NORM, SHORTEST = 128, 64, 1.0, 2
CELLS = {  # how it is built of D, H and K, and its first learning rate, for copying and for adding
    "LSTM": (LSTM, {"copying": 0.01, "adding": 0.01}),
    "RNN": (VanillaRNN, {"copying": 0.0003, "adding": 0.001}),
    "time-gated LSTM": (
        lambda *sizes: TimeGatedLSTM(*sizes, TimeGate(HIDDEN, first_periods())),
        {"copying": 0.01, "adding": 0.01},
    ),
}
WAYS = {  # cell, whether by curriculum, and how many seeds at most
    ("LSTM", "yes"): 10,
    ("LSTM", "no"): 3,
    ("RNN", "yes"): 3,
    ("RNN", "no"): 3,
    ("time-gated LSTM", "yes"): 3,
    ("time-gated LSTM", "no"): 3,
}
AT_ONCE = 250  # sequences read side by side in a test
COLUMNS = ("task", "cell", "curriculum", "seed", "updates", "cpu_seconds", "bound")
COLUMNS += ("tested", "loss", "right", "all_right", "sequences")


def first_periods():
    return torch.empty(HIDDEN).uniform_(1, 6).exp()


def answers(model, x, task):
    """The network's outputs at the end of x (B, T, D): (B, 10, 8) for copying, (B, 1) for adding."""
    if task.regression:
        return model(x)
    _, states = model(x, return_states=True)
    h = states[0] if isinstance(states, tuple) else states  # (B, T, H)
    return h[:, -task.symbols :] @ model.W_ph.T + model.b_p


def loss_of(outputs, target, task):
    """Mean squared error, or cross-entropy in nats."""
    return F.mse_loss(outputs, target) if task.regression else F.cross_entropy(outputs.flatten(0, 1), target.flatten())


def train(task_name, cell, by_curriculum, seed, steps):
    """A network that has read so many time steps: the model, updates made, CPU-seconds, and the curriculum's bound."""
    kind, (goal, *_), _, right = TASKS[task_name]
    build, rates = CELLS[cell]
    rate = rates[task_name]
    torch.manual_seed(seed)
    task, curriculum, clock = kind(goal, seed), Curriculum(goal, seed), Clock()
    model = build(task.input_dim, HIDDEN, task.num_outputs)
    optimizer = torch.optim.Adam(model.parameters(), lr=rate, foreach=True)
    read = updates = 0
    while read < steps:
        losses = []
        for length, count in curriculum.halves(BATCH) if by_curriculum else [(goal, BATCH)]:
            x, _, _, target = task.batch(count, max(SHORTEST, length))
            losses.append(loss_of(answers(model, x, task), target, task))
            read += x.shape[1] * count / BATCH
        optimizer.param_groups[0]["lr"] = rate * max(0, 1 - read / steps)
        grad_norm = update(model, optimizer, sum(losses) / len(losses), MAX_NORM)
        updates += 1
        check_finite(model, updates, losses[-1].item(), grad_norm.item())
        curriculum.grow(losses[-1].item(), right)
    return model, updates, clock.seconds()[0], curriculum.bound if by_curriculum else goal


@torch.no_grad()
def score(model, kind, length, seed, count):
    """Loss on `count` held-out sequences, the share of symbols right, and of sequences all right; None for adding."""
    task, loss, right = kind(length, seed, held_out=True), 0.0, []
    for start in range(0, count, AT_ONCE):
        size = min(AT_ONCE, count - start)
        x, _, _, target = task.batch(size)
        outputs = answers(model, x, task)
        loss += loss_of(outputs, target, task).item() * size / count
        right.append(outputs.argmax(dim=-1) == target)
    if task.regression:
        return loss, None, None
    right = torch.cat(right).float()  # (N, 10)
    return loss, right.mean().item(), right.min(dim=1).values.mean().item()


def measure(flags, points):
    """Yield the table."""

    def run(task, way, seed):
        cell, curriculum = way
        kind, (goal, *longer), steps, _ = TASKS[task]
        model, *cost = train(task, cell, curriculum == "yes", seed, flags.steps or steps)
        lengths = [goal, *longer]
        count = flags.sequences
        return [(task, cell, curriculum, seed, *cost, n, *score(model, kind, n, seed, count), count) for n in lengths]

    rows = []
    for way, seeds in WAYS.items():
        runs = points.each(run, TASKS, [way], range(1, min(seeds, flags.seeds) + 1))
        rows += [row for _, some in runs for row in some]
    yield "tasks", COLUMNS, rows


if __name__ == "__main__":
    table_script(
        __doc__,
        measure,
        "part2",
        seeds=(1, 10, 10, "seeds 1, 2, … of every way, at most"),
        sequences=(1, 10**6, 1_000, "held-out sequences in a test"),
        steps=(0, 10**9, 0, "time steps that a run reads; 0: those of the task"),
    )
