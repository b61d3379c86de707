"""Why does a network hold a digit longer than it was taught to? What is left of its states, and what noise does to them.

python part1/experiments/attractors.py

The explanation to be tested: training makes a set of states for each first digit that the map of one step, whatever
digit is read, does not leave, and that draws in what is near. Two experiments, for networks of length_tested.py, in
which digits after the first are random:

1. From 1,000 histories all read the same 1,000 digits. If the map forgets, one state is left; if the explanation holds
   ten are, one for each first digit, and before training fewer.
2. Noise is added to each unit of the state at every step. If digits lay on a slope, or a plane, however flat, errors
   would add up, and accuracy fall with the length at any noise. If the explanation holds, small noise costs nothing at
   any length, and there is a noise above which all is lost soon.

Writes attractors.csv and noise.csv, which plot_attractors.py draws.
"""

import sys
from pathlib import Path

if not __package__:  # run as `python part1/experiments/attractors.py`: import from the checkout, not from there
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

import torch

from common.figures import table_script
from part1 import train
from part1.dataset import encode
from part1.experiments.length_tested import WAYS, taught

TRIED = ("LSTM", "RNN, identity", "RNN", "RNN, orthogonal", "RNN, curriculum", "LSTM, raw digits", "RNN, raw digits")
HISTORIES, OWN = 1_000, 10  # sequences, and digits that each of them reads of its own
APART = 0.01  # states are the same if no unit differs by more
NOISE = (0.0, 0.03, 0.1, 0.3, 1.0)  # standard deviation, for units from -1 to 1


@torch.no_grad()
def read(model, digits, input_dim, state=None, noise=0.0):
    """Logits (B, K) and the state after digits (B, T), from a state or zeros.

    Gaussian noise of this standard deviation is added to every number of the state after each step.
    """
    together = 1 if noise else 100  # steps between two looks at the state
    for some in digits.split(together, dim=1):
        logits, states = model(encode(some, input_dim), state, return_states=True)
        state = tuple(s[:, -1] for s in states) if isinstance(states, tuple) else states[:, -1]
        if noise:
            add = (lambda s: s + noise * torch.randn_like(s))
            state = tuple(map(add, state)) if isinstance(state, tuple) else add(state)
    h = state[0] if isinstance(state, tuple) else state
    return h @ model.W_ph.T + model.b_p, state


def groups(h, apart=APART):
    """The group of each state h (N, H), numbered from 0: those in which no unit is `apart` from the group's first."""
    group = torch.full((len(h),), -1)
    number = 0
    while (left := (group < 0).nonzero()).numel():
        same = ((h - h[left[0]]).abs().amax(dim=1) <= apart) & (group < 0)
        group[same] = number
        number += 1
    return group


def states_left(model, input_dim, steps, seed):
    """How many states are left of HISTORIES after `steps` common digits; how well they tell, and the network tells, the
    first digits, each a share of the histories."""
    generator = torch.Generator().manual_seed(seed)
    own = torch.randint(10, (HISTORIES, OWN), generator=generator)
    common = torch.randint(10, (1, steps), generator=generator).expand(HISTORIES, -1)
    logits, state = read(model, torch.cat([own, common], dim=1), input_dim)
    group = groups(state[0] if isinstance(state, tuple) else state)
    counts = torch.zeros(int(group.max()) + 1, 10).index_put_((group, own[:, 0]), torch.ones(HISTORIES), True)
    told_apart = counts.max(dim=1).values.sum().item() / HISTORIES
    return len(counts), told_apart, (logits.argmax(dim=1) == own[:, 0]).double().mean().item()


def accuracy_in_noise(model, input_dim, noise, steps, seed, count):
    """The share of first digits that are predicted after so many digits, with noise at each step."""
    torch.manual_seed(seed)
    digits = torch.randint(10, (count, steps))
    logits, _ = read(model, digits, input_dim, noise=noise)
    return (logits.argmax(dim=1) == digits[:, 0]).double().mean().item()


def measure(flags, points):
    """Yield both tables."""

    def untaught_and_taught(way, seed):
        config = train.settings(**{"input_dim": 10, "seed": seed, "device": "cpu", **WAYS[way]})
        first = train.build_model(config)
        model, config, _ = taught(way, seed, flags.goal, flags.updates)
        lefts = [states_left(some, config.input_dim, flags.steps, seed) for some in (first, model)]
        in_noise = [
            (noise, length, accuracy_in_noise(model, config.input_dim, noise, length, seed, flags.sequences))
            for noise in NOISE
            for length in flags.tested
        ]
        return lefts, in_noise

    left, noisy = [], []
    for (way, seed), (lefts, in_noise) in points.each(untaught_and_taught, TRIED, range(flags.seeds)):
        left += [(way, seed, trained, *numbers) for trained, numbers in zip(("no", "yes"), lefts, strict=True)]
        noisy += [(way, seed, *numbers) for numbers in in_noise]
    yield "attractors", ("way", "seed", "trained", "states", "told_apart", "accuracy"), left
    yield "noise", ("way", "seed", "noise", "tested", "accuracy"), noisy


if __name__ == "__main__":
    table_script(
        __doc__,
        measure,
        "part1",
        seeds=(1, 1_000, 5, "seeds 0, 1, … of every way"),
        steps=(1, 100_000, 1_000, "common digits after which states are counted"),
        tested=(2, 100_000, [30, 300, 3_000], "digits to read with noise"),
        sequences=(1, 10**6, 250, "sequences that are read with noise"),
        goal=(5, 10_000, 1_000, "digits to read at which a curriculum ends"),
        updates=(1, 10**6, 10_000, "updates at most"),
    )
