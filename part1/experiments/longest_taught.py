"""Up to which length can a network be taught? The longest that 9 of 10 seeds solve within 10,000 updates.

python part1/experiments/longest_taught.py

For each way of training the length is doubled from 10 digits on. At each length the seeds are trained one by one with
part1/train.py's loop, until it ends by itself; part1/solved.py says which of them have solved it. Once two seeds have
failed, the length has, and neither more seeds nor longer lengths are tried. Writes longest_taught.csv.
"""

import sys
from functools import partial
from pathlib import Path

if not __package__:  # run as `python part1/experiments/longest_taught.py`: import from the checkout, not from there
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

from common.figures import table_script
from part1 import train
from part1.solved import is_solved

WAYS = {  # settings of part1/train.py beside one-hot digits; for each its rate in part 1's sweeps
    "RNN": {},
    "RNN, identity": {"init": "identity"},
    "RNN, orthogonal": {"init": "orthogonal", "learning_rate": 0.0001},
    "RNN, latch": {"init": "latch"},
    "RNN, curriculum": {"curriculum": True},
    "RNN, curriculum, raw digits": {"curriculum": True, "input_dim": 1},
    "LSTM": {"model_type": "LSTM"},
    "LSTM, chrono": {"model_type": "LSTM", "init": "chrono", "learning_rate": 0.01},
    "LSTM, curriculum": {"model_type": "LSTM", "curriculum": True},
    "LSTM, curriculum, raw digits": {"model_type": "LSTM", "curriculum": True, "input_dim": 1},
}
COLUMNS = ("way", "length", "seed", "updates", "cpu_seconds", "accuracy", "palindromes", "solved")
FAILURES = 2  # seeds; then a length has failed


def taught(way, length, seed, updates):
    """The end of a row of the table, "updates" to "solved": a network that is taught at a length."""
    config = train.settings(**{"input_dim": 10, "input_length": length, "seed": seed, "device": "cpu", **WAYS[way]})
    config.train_steps = updates
    model, training_set = train.build_model(config), train.build_training_set(config)
    result = train.train(config, model, training_set, show=False)
    score = result["accuracy"], result["palindromes"]
    return [result["steps"], round(result["cpu_seconds"], 1), *score, int(is_solved(*score, length))]


def search(taught, lengths, seeds):
    """Yield rows of one way: length, seed, and what `taught` gives of these, which ends with whether it is solved."""
    for length in lengths:
        failed = 0
        for seed in range(seeds):
            row = taught(length, seed)
            yield [length, seed, *row]
            failed += not row[-1]
            if failed == FAILURES:
                return


def measure(flags, points):
    """Yield the table."""

    def kept(*point):
        ((_, row),) = points.each(taught, *([value] for value in (*point, flags.updates)))
        return row

    rows = [[way, *row] for way in WAYS for row in search(partial(kept, way), sorted(flags.lengths), flags.seeds)]
    yield "longest_taught", COLUMNS, rows


if __name__ == "__main__":
    table_script(
        __doc__,
        measure,
        "part1",
        lengths=(4, 100_000, [10, 20, 40, 80, 160, 320, 640], "digits to read"),
        seeds=(1, 1_000, 10, "seeds 0, 1, … of every length, at most"),
        updates=(1, 10**6, 10_000, "updates at most"),
    )
