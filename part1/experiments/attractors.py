"""Why does a network hold a digit for longer than it was taught? Which of its states are left, and what noise does.

python part1/experiments/attractors.py

The explanation to be tested: training makes a set of states for each first digit which the map of one step, whatever
digit is read, does not leave and which draws in what is near. Two experiments with networks of length_tested.py; the
digits after the first are random:

1. From 1,000 histories all read the same 1,000 digits. If the map forgets, one state is left; if the explanation holds,
   ten are, one for each first digit, and fewer before training.
2. Noise is added to each unit of the state at every step. If digits lay on a slope or a plane, however flat, errors
   would add up, and accuracy would fall with the length at any noise. If the explanation holds, small noise costs
   nothing at any length, and above some noise all is soon lost.

Writes attractors.csv and noise.csv, which plot_attractors.py draws.
"""

import sys
from itertools import pairwise
from pathlib import Path

if not __package__:  # run as `python part1/experiments/attractors.py`: import from the checkout, not from there
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

import torch

from common.figures import table_script
from part1 import train
from part1.dataset import encode
from part1.experiments.length_tested import taught

TRIED = ("LSTM", "RNN, identity", "RNN", "RNN, orthogonal", "RNN, curriculum", "LSTM, raw digits", "RNN, raw digits")
HISTORIES, OWN = 1_000, 10  # sequences, and digits that each of them reads of its own
APART = 0.01  # two states are the same if no unit differs by more
NOISE = (0.0, 0.03, 0.1, 0.3, 1.0)  # standard deviation, for units from -1 to 1


@torch.no_grad()
def read(model, digits, input_dim, noise=0.0, state=None):
    """Logits (B, K) and the state, [h] or [h, c], each (B, H), after digits (B, T), from such a state or zeros.

    With noise of this standard deviation on each number of the state at each step; it is Gaussian.
    """
    for some in digits.split(1 if noise else 100, dim=1):
        before = state[0] if state and len(state) == 1 else state  # as an RNN has it, and an LSTM
        _, states = model(encode(some, input_dim), before, return_states=True)
        last = [s[:, -1] for s in (states if isinstance(states, tuple) else [states])]
        state = [s + noise * torch.randn_like(s) for s in last]
    return state[0] @ model.W_ph.T + model.b_p, state


def groups(h, apart=APART):
    """The group (N,) of each state h (N, H), from 0 on: no unit differs by more than `apart` from the group's first."""
    group = torch.full((len(h),), -1)
    number = 0
    while (left := (group < 0).nonzero()).numel():
        same = ((h - h[left[0]]).abs().amax(dim=1) <= apart) & (group < 0)
        group[same] = number
        number += 1
    return group


def states_left(model, input_dim, steps, seed):
    """How many states are left of HISTORIES after `steps` digits that all of them read, and two shares of HISTORIES.

    Those whose first digit is the most frequent one of their state, and those whose first digit the network predicts.
    """
    generator = torch.Generator().manual_seed(seed)
    own = torch.randint(10, (HISTORIES, OWN), generator=generator)
    shared = torch.randint(10, (1, steps), generator=generator).expand(HISTORIES, -1)
    logits, (h, *_) = read(model, torch.cat([own, shared], dim=1), input_dim)
    group, first = groups(h), own[:, 0]
    states = int(group.max()) + 1
    counts = torch.bincount(10 * group + first, minlength=10 * states).view(states, 10)
    told_apart = counts.amax(dim=1).sum().item() / HISTORIES
    return states, told_apart, (logits.argmax(dim=1) == first).double().mean().item()


def accuracies_in_noise(model, input_dim, noise, lengths, seed, count):
    """The share of first digits that is predicted after each of these numbers of digits, with noise at each step."""
    torch.manual_seed(seed)
    digits = torch.randint(10, (count, max(lengths)))
    state = None
    for start, end in pairwise([0, *sorted(lengths)]):
        logits, state = read(model, digits[:, start:end], input_dim, noise, state)
        yield noise, end, (logits.argmax(dim=1) == digits[:, 0]).double().mean().item()


def measure(flags, points):
    """Yield both tables."""

    def untaught_and_taught(way, seed):
        model, config, _ = taught(way, seed, flags.goal, flags.updates)
        left = [states_left(some, config.input_dim, flags.steps, seed) for some in (train.build_model(config), model)]
        sizes = flags.tested, seed, flags.sequences
        return left, [row for noise in NOISE for row in accuracies_in_noise(model, config.input_dim, noise, *sizes)]

    left, noisy = [], []
    for point, (both, in_noise) in points.each(untaught_and_taught, TRIED, range(flags.seeds)):
        left += [(*point, trained, *numbers) for trained, numbers in zip(("no", "yes"), both, strict=True)]
        noisy += [(*point, *numbers) for numbers in in_noise]
    yield "attractors", ("way", "seed", "trained", "states", "told_apart", "accuracy"), left
    yield "noise", ("way", "seed", "noise", "tested", "accuracy"), noisy


if __name__ == "__main__":
    table_script(
        __doc__,
        measure,
        "part1",
        seeds=(1, 1_000, 3, "seeds 0, 1, … of every way"),
        steps=(1, 100_000, 1_000, "digits that all read, after which states are counted"),
        tested=(2, 100_000, [30, 300, 3_000], "digits to read with noise"),
        sequences=(1, 10**6, 200, "sequences that are read with noise"),
        goal=(5, 10_000, 1_000, "digits to read at which a curriculum ends"),
        updates=(1, 10**6, 10_000, "updates at most"),
    )
