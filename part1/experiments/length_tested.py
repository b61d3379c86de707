"""How long does a network remember that was taught at 10 digits, or by curriculum? Accuracy against the length tested.

python part1/experiments/length_tested.py

Each way of training is taught with part1/train.py's loop, then tested on held-out palindromes of other lengths without
further training, as many as part1/solved.py asks for; of a length that can no longer be solved no more are drawn.
Writes length_tested.csv; plot_length_tested.py draws it.
"""

import sys
from pathlib import Path

if not __package__:  # run as `python part1/experiments/length_tested.py`: import from the checkout, not from there
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

from common.figures import table_script
from part1 import train
from part1.dataset import PalindromeDataset
from part1.solved import is_solved, palindromes_to_draw

CURRICULUM = {"curriculum": True, "input_length": 1_000, "train_steps": 1_000}
WAYS = {  # seeds at most, and settings of part1/train.py beside one-hot digits and 10 of them to read
    "LSTM": (10, {"model_type": "LSTM"}),
    "RNN, identity": (10, {"init": "identity"}),
    "RNN": (10, {}),
    "RNN, orthogonal": (10, {"init": "orthogonal"}),
    "LSTM, chrono": (10, {"model_type": "LSTM", "init": "chrono"}),
    "LSTM, raw digits": (10, {"model_type": "LSTM", "input_dim": 1}),
    "RNN, raw digits": (10, {"input_dim": 1}),
    "RNN, curriculum": (10, {**CURRICULUM, "patience": 1}),
    "LSTM, curriculum": (10, {**CURRICULUM, "model_type": "LSTM", "patience": 4}),
}
TESTED = (10, 30, 100, 300, 1_000, 10_000)  # digits to read
COLUMNS = ("way", "seed", "taught", "updates", "cpu_seconds", "tested", "accuracy", "palindromes", "solved")
AT_ONCE = 2_500_000  # digits read at once: more than a training reads, and faster on long palindromes


def tested(model, length, seed, input_dim):
    """Accuracy, 0 to 1, at a length, on how many palindromes, and 1 if that solves it."""
    held_out, wanted = PalindromeDataset(length + 1, 1_000 + seed, held_out=True), palindromes_to_draw(length)
    wrong = count = 0
    while count < wanted and is_solved(1 - wrong / wanted, wanted, length):
        digits, target = held_out.batch(1_000)
        _, accuracy = train.evaluate(model, digits, target, input_dim, at_once=AT_ONCE)
        wrong, count = wrong + round((1 - accuracy) * len(target)), count + len(target)
    return round(1 - wrong / count, 6), count, int(count == wanted and is_solved(1 - wrong / count, count, length))


def measure(flags, points):
    """Yield the table."""

    def taught_and_tested(seed, way):
        config = train.settings(**{"input_dim": 10, "seed": seed, "device": "cpu", **WAYS[way][1]})
        model = train.build_model(config)
        result = train.train(config, model, train.build_training_set(config), show=False)
        cost = config.input_length, result["steps"], round(result["cpu_seconds"], 1)
        return [(way, seed, *cost, length, *tested(model, length, seed, config.input_dim)) for length in flags.tested]

    rows = []
    for seed in range(flags.seeds):
        ways = [way for way, (seeds, _) in WAYS.items() if seed < seeds]
        rows += [row for _, some in points.each(taught_and_tested, [seed], ways) for row in some]
    yield "length_tested", COLUMNS, sorted(rows, key=lambda row: [*WAYS].index(row[0]))


if __name__ == "__main__":
    table_script(
        __doc__,
        measure,
        "part1",
        seeds=(1, 1_000, 10, "seeds 0, 1, … of every way, at most"),
        tested=(8, 100_000, [*TESTED], "digits to read in the tests"),
    )
