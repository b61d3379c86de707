"""How long does a network remember that was taught at 10 digits, or by curriculum? Accuracy against the length tested.

python part1/experiments/length_tested.py

Each way of training is taught with part1/train.py's loop, then tested on held-out palindromes of other lengths without
further training, as many as part1/solved.py asks for; of a length that can no longer be solved no more are drawn. A
curriculum, too, ends once the network is right at its goal: the longest length taught may be below it. Writes
length_tested.csv, which plot_length_tested.py draws, and length_read_out.csv: what a readout fitted to the states at
one length finds there, beside the network's own, to tell a digit that is lost from one that is kept in another way.
"""

import sys
from functools import lru_cache
from pathlib import Path

if not __package__:  # run as `python part1/experiments/length_tested.py`: import from the checkout, not from there
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

import torch

from common.figures import table_script
from part1 import train
from part1.dataset import PalindromeDataset
from part1.experiments.reservoir import last_states, readout_predictor
from part1.solved import is_solved, palindromes_to_draw

CURRICULUM = {"curriculum": True, "train_steps": 1_000}  # to --goal digits
WAYS = {  # settings of part1/train.py beside one-hot digits and 10 of them to read
    "LSTM": {"model_type": "LSTM"},
    "RNN, identity": {"init": "identity"},
    "RNN": {},
    "RNN, orthogonal": {"init": "orthogonal"},
    "LSTM, chrono": {"model_type": "LSTM", "init": "chrono"},
    "LSTM, raw digits": {"model_type": "LSTM", "input_dim": 1},
    "RNN, raw digits": {"input_dim": 1},
    "RNN, curriculum": CURRICULUM,
    "LSTM, curriculum": {"model_type": "LSTM", **CURRICULUM},
}
READ_OUT = ("RNN", "RNN, identity", "RNN, orthogonal")  # is the digit lost where these are wrong?
TESTED = (10, 30, 100, 300, 1_000, 10_000, 100_000)  # digits to read
FAR = 10_000  # digits: longer tests take minutes a network, and are of the first seeds alone
COLUMNS = ("way", "seed", "taught", "updates", "cpu_seconds", "tested", "accuracy", "palindromes", "solved")
FLAGS = {  # of a table_script that tests so
    "seeds": (1, 1_000, 10, "seeds 0, 1, … of every way"),
    "far_seeds": (0, 1_000, 3, f"seeds of every way, the first, that are tested beyond {FAR:,} digits"),
    "tested": (8, 100_000, [*TESTED], "digits to read in the tests"),
    "updates": (1, 10**6, 10_000, "updates at most"),
}
AT_ONCE = 10_000_000  # digits read at once, about 2 GB: long palindromes are read in fewer, larger products


def score(model, length, seed, input_dim):
    """Accuracy, 0 to 1, at a length, on how many palindromes, and 1 if that solves it."""
    held_out, wanted = PalindromeDataset(length + 1, 1_000 + seed, held_out=True), palindromes_to_draw(length)
    wrong = count = 0
    while count < wanted and is_solved(1 - wrong / wanted, wanted, length):
        digits, target = held_out.batch(1_000 if length <= FAR else 250)
        _, accuracy = train.evaluate(model, digits, target, input_dim, at_once=AT_ONCE)
        wrong, count = wrong + round((1 - accuracy) * len(target)), count + len(target)
    return round(1 - wrong / count, 6), count, int(count == wanted and is_solved(1 - wrong / count, count, length))


@torch.no_grad()
def read_out(model, length, seed):
    """Accuracy, 0 to 1, at a length by the model's own readout, and by one that is fitted there to its states."""
    digits, target = PalindromeDataset(length + 1, 1_000 + seed).batch(2_000)
    new_digits, new_target = PalindromeDataset(length + 1, 1_000 + seed, held_out=True).batch(1_000)
    h, new_h = (last_states(model, some, 100) for some in (digits, new_digits))  # with a 1 for the bias
    own = new_h.float() @ torch.cat([model.W_ph, model.b_p[:, None]], dim=1).T
    answers = own.argmax(dim=1), readout_predictor(h, target, new_h)
    return [(answer == new_target).double().mean().item() for answer in answers]


@lru_cache(maxsize=1)
def taught(way, seed, goal, updates):
    """The model of a way and a seed, its settings, and the longest length taught, updates and CPU-seconds.

    Args:
        goal: digits to read at which a curriculum ends.
        updates: how many there are at most.
    """
    config = train.settings(**{"input_dim": 10, "seed": seed, "device": "cpu", **WAYS[way]})
    config.train_steps = min(config.train_steps, updates)
    config.input_length = goal if config.curriculum else config.input_length
    model, training_set = train.build_model(config), train.build_training_set(config)
    result = train.train(config, model, training_set, show=False)
    longest = getattr(training_set, "bound", config.input_length)
    return model, config, (longest, result["steps"], round(result["cpu_seconds"], 1))


def tested_rows(taught, ways, flags, points):
    """Rows of the table: of every way and seed what `taught` gives, tested at every length, the far ones on few seeds.

    Args:
        taught: takes a way, a seed, the goal and the most updates; returns what `taught` above does.
        flags: what FLAGS says.
        points: the Points that keep each test.
    """

    def taught_and_tested(seed, way, length):
        model, config, cost = taught(way, seed, flags.goal, flags.updates)
        return way, seed, *cost, length, *score(model, length, seed, config.input_dim)

    far_seeds, near = min(flags.far_seeds, flags.seeds), [length for length in flags.tested if length <= FAR]
    rows = [*points.each(taught_and_tested, range(far_seeds), ways, flags.tested)]
    rows += points.each(taught_and_tested, range(far_seeds, flags.seeds), ways, near)
    return sorted((row for _, row in rows), key=lambda row: ([*ways].index(row[0]), row[1]))


def measure(flags, points):
    """Yield both tables."""

    def taught_and_read_out(way, seed):
        model, *_ = taught(way, seed, flags.goal, flags.updates)
        return [(way, seed, length, *read_out(model, length, seed)) for length in (flags.kept, flags.kept + 1)]

    yield "length_tested", COLUMNS, tested_rows(taught, WAYS, flags, points)
    read = points.each(taught_and_read_out, READ_OUT, range(flags.seeds))
    yield "length_read_out", ("way", "seed", "tested", "own", "fitted"), [row for _, some in read for row in some]


if __name__ == "__main__":
    table_script(
        __doc__,
        measure,
        "part1",
        **FLAGS,
        goal=(5, 10_000, 1_000, "digits to read at which a curriculum ends"),
        kept=(1, 100_000, 1_000, "digits to read, and one more, where the states are read out anew"),
    )
