"""How long does a time-gated LSTM remember that was taught at 100 digits? Accuracy against the length tested.

python part2/experiments/length_tested.py

What part1/experiments/length_tested.py asks of part 1's cells, of the gate: taught with part2/train.py's loop, at the
settings of its runs on palindromes, then tested on other lengths without further training, its leak off. Writes
length_tested.csv, which part 1's plot_length_tested.py draws beside the others.
"""

import sys
from functools import lru_cache
from pathlib import Path

if not __package__:  # run as `python part2/experiments/length_tested.py`: import from the checkout, not from there
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

from common.figures import table_script
from part1.experiments.length_tested import COLUMNS, FLAGS, tested_rows
from part2 import train
from part2.dataset import Palindromes

WAYS = {"time gate": {"log_tau": (1.0, 6.0), "eval_every": 25}}  # settings of part2/train.py, as in its runs.txt


@lru_cache(maxsize=1)
def taught(way, seed, goal, updates):
    """The model of a way and a seed, its settings, and the length taught, updates and CPU-seconds.

    Args:
        goal: digits to read.
        updates: how many there are at most.
    """
    config = train.settings(input_length=goal, train_steps=updates, seed=seed, device="cpu", **WAYS[way])
    training_set = train.TASKS["palindromes"](config, False)
    model = train.build_model(config, training_set)
    result = train.train(config, model, training_set, show=False)
    config.input_dim = Palindromes.input_dim  # part 1's test asks how digits are encoded
    return model.eval(), config, (goal, result["steps"], round(result["cpu_seconds"], 1))


def measure(flags, points):
    """Yield the table."""
    yield "length_tested", COLUMNS, tested_rows(taught, WAYS, flags, points)


if __name__ == "__main__":
    table_script(
        __doc__,
        measure,
        "part2",
        **FLAGS,
        goal=(3, 10_000, 100, "digits to read in training"),
    )
