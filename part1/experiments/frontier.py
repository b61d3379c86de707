"""Which lengths were solved, and by which way of training: read from the files of every experiment that remembers.

`read_rows` gives {Row: {digits to read: {seed: Point}}}, `frontier` the longest length that a row solved.
"""

import json
import math
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from common.table import read_table

SOLVED, CONFIDENCE = 0.999, 0.95  # a seed is solved if this accuracy is the lower bound at least, so sure
MOST = 0.9  # share of the seeds that must be solved
MEMORIES = ("learned", "reservoir", "engineered")  # by gradient descent; only its readout; built into the first weights


class Row(NamedTuple):
    """A way of training: one of MEMORIES, the cell, its first weights and the like, 1 for raw digits or 10."""

    memory: str
    cell: str
    way: str
    input_dim: int


class Point(NamedTuple):
    """One seed at one length; `beyond` is {length: accuracy} without further training. None: there are none."""

    solved: bool
    beyond: dict
    updates: int | None = None
    cpu_seconds: float | None = None


def is_solved(accuracy, palindromes, every_one=False):
    """Whether so many random palindromes leave 95 % certainty that 99.9 % of all would be right.

    The bound is Clopper and Pearson's, exact and one-sided: were one answer in a thousand wrong, so few errors would
    come in at most 5 % of such tests. 3,000 without an error pass, 10,000 with up to four. If `every_one` there is was
    tried, nothing is left to chance, and all must be right.
    """
    errors = round((1 - accuracy) * palindromes)
    if every_one:
        return errors == 0
    if errors >= (1 - SOLVED) * palindromes:  # more than half of such tests have as few
        return False
    so_few = (math.comb(palindromes, k) * (1 - SOLVED) ** k * SOLVED ** (palindromes - k) for k in range(errors + 1))
    return sum(so_few) <= 1 - CONFIDENCE


def frontier(at_length):
    """The longest of {digits to read: {seed: Point}} that MOST seeds solved, and all shorter ones; None if none."""
    longest = None
    for length in sorted(at_length):
        seeds = at_length[length].values()
        if sum(point.solved for point in seeds) < MOST * len(seeds):
            break
        longest = length
    return longest


def read_rows(sweep_folders, runs_folder, reservoir_csv):
    """{Row: {digits to read: {seed: Point}}} of part1/sweep.py, part2/train.py (the gate) and part1/experiments/reservoir.py.

    A point of the same row, length and seed in an earlier folder hides that in a later one. Raises ValueError if the
    folders hold no points of the sweep, or if a file is something else; OSError if one cannot be read.
    """
    rows = defaultdict(lambda: defaultdict(dict))
    sources = [
        *((_swept, path) for folder in sweep_folders for path in sorted(Path(folder).glob("*.json"))),
        *((_gated, path) for path in sorted(Path(runs_folder).glob("palindromes*_gated_seed*/result.json"))),
    ]
    if not sources or sources[0][0] is _gated:
        raise ValueError(f"no points of part1/sweep.py in {', '.join(map(str, sweep_folders))}")
    for read, path in sources:
        try:
            row, length, seed, point = read(path)
        except (ValueError, KeyError, TypeError) as error:
            script = "part1/sweep.py" if read is _swept else "part2/train.py"
            raise ValueError(f"{path} is not a point of {script}") from error
        rows[row][length].setdefault(seed, point)
    return {**rows, **_best_reservoirs(reservoir_csv)}


def _swept(path):
    content = json.loads(path.read_text())
    settings, result = content["settings"], content["result"]
    way = settings["init"] + (", curriculum" if settings["curriculum"] else "")
    if settings["learning_rate"] != 0.001:
        way += f", rate {settings['learning_rate']:g}"
    memory = "engineered" if settings["init"] == "latch" else "learned"
    row, length = Row(memory, settings["model_type"], way, settings["input_dim"]), settings["input_length"]
    diverged = result["accuracy"] is None
    solved = not diverged and is_solved(result["accuracy"], result["palindromes"], length <= 5)
    return row, length, settings["seed"], _point(solved, result)


def _gated(path):
    settings, result = (json.loads(path.with_name(name).read_text()) for name in ("config.json", "result.json"))
    low, high = settings["log_tau"]
    row = Row("learned", "time-gated LSTM", f"{settings['init']}, log τ {low:g} to {high:g}", 10)
    solved = is_solved(result["accuracy"], 10_000)  # part2/train.py has no other number
    return row, settings["input_length"], settings["seed"], _point(solved, result)


def _point(solved, result):
    beyond = {int(length): accuracy for length, accuracy in result.get("accuracy_beyond", {}).items()}
    return Point(solved, beyond, result.get("steps"), result.get("cpu_seconds"))


def _best_reservoirs(path):
    """The rows of reservoir.csv: of each cell and input the random weights that reach farthest, drawn and not built."""
    columns = {
        "weights": str,
        "input_dim": int,
        "input_length": int,
        "seed": int,
        "accuracy": float,
        "palindromes": int,
    }
    rows = defaultdict(lambda: defaultdict(dict))
    for line in read_table(path, columns, "part1/experiments/reservoir.py"):
        cell, _, weights = line["weights"].partition(", ")
        if cell != "counts" and "engineered" not in weights:
            row = Row("reservoir", cell, f"{weights}, readout only", line["input_dim"])
            point = Point(is_solved(line["accuracy"], line["palindromes"]), {})
            rows[row][line["input_length"]][line["seed"]] = point
    best = {}
    for row in sorted(rows, key=lambda row: frontier(rows[row]) or 0):
        best[row.cell, row.input_dim] = row
    return {row: rows[row] for row in best.values()}
