"""Up to which length can a network be taught? The longest that 9 of 10 seeds solve within 10,000 updates.

python part1/experiments/longest_taught.py

For each way of training the length is doubled from 10 digits on. At each length the seeds are trained one by one with
part1/train.py's loop, until it ends by itself; part1/solved.py says which of them have solved it. Once two seeds have
failed, the length has, and longer ones are not tried. Writes longest_taught.csv.
"""

import sys
from pathlib import Path

if not __package__:  # run as `python part1/experiments/longest_taught.py`: import from the checkout, not from there
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

from common.figures import table_script
from part1 import train
from part1.solved import is_solved

WAYS = {  # settings of part1/train.py beside one-hot digits; the rates are the best of 0.0001, 0.001 and 0.01
    "RNN": {},
    "RNN, identity": {"init": "identity"},
    "RNN, orthogonal": {"init": "orthogonal", "learning_rate": 0.0001},
    "RNN, curriculum": {"curriculum": True},
    "LSTM": {"model_type": "LSTM"},
    "LSTM, chrono": {"model_type": "LSTM", "init": "chrono", "learning_rate": 0.01},
    "LSTM, curriculum": {"model_type": "LSTM", "curriculum": True},
}
COLUMNS = ("way", "length", "seed", "updates", "cpu_seconds", "accuracy", "palindromes", "solved")
FAILURES = 2  # seeds; then a length has failed


def taught(way, length, seed, updates):
    """A network that is taught at a length: the rest of its row of the table."""
    config = train.settings(**{"input_dim": 10, "input_length": length, "seed": seed, "device": "cpu", **WAYS[way]})
    config.train_steps = updates
    model, training_set = train.build_model(config), train.build_training_set(config)
    result = train.train(config, model, training_set, show=False)
    score = result["accuracy"], result["palindromes"]
    return [result["steps"], round(result["cpu_seconds"], 1), *score, int(is_solved(*score, length))]


def search(ways, taught, lengths, seeds):
    """Rows of the table: `taught` is a function of way, length and seed, and gives a row's end."""
    for way in ways:
        for length in lengths:
            failed = 0
            for seed in range(seeds):
                row = taught(way, length, seed)
                yield [way, length, seed, *row]
                failed += not row[-1]
                if failed == FAILURES:
                    break
            if failed == FAILURES:
                break


def measure(flags, points):
    """Yield the table."""

    def kept(*point):
        ((_, row),) = points.each(taught, *([value] for value in (*point, flags.updates)))
        return row

    yield "longest_taught", COLUMNS, list(search(WAYS, kept, flags.lengths, flags.seeds))


if __name__ == "__main__":
    table_script(
        __doc__,
        measure,
        "part1",
        lengths=(4, 100_000, [10, 20, 40, 80, 160, 320, 640], "digits to read, each longer than the one before"),
        seeds=(1, 1_000, 10, "seeds 0, 1, … of every length, at most"),
        updates=(1, 10**6, 10_000, "updates at most"),
    )
