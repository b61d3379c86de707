"""Which lengths were solved, and by which way of training: read from the tables of every experiment that remembers.

`read_rows` gives {Row: {digits to read: {seed: Point}}}, `frontier` the longest length that a row solved.
"""

import math
from collections import defaultdict
from fnmatch import fnmatch
from typing import NamedTuple

from common.files import read_table
from common.run_folder import read_runs
from part1.sweep import read_points

SOLVED, CONFIDENCE = 0.999, 0.95  # a seed is solved if the lower bound of its accuracy, so sure, is at least 0.999
MOST = 0.9  # share of the seeds that must be solved
MEMORIES = ("learned", "reservoir", "engineered")  # by gradient descent; only its readout; built into the first weights


class Row(NamedTuple):
    """A way of training: one of MEMORIES, the cell, its first weights and the like, 1 for raw digits or 10."""

    memory: str
    cell: str
    way: str
    input_dim: int


class Point(NamedTuple):
    """One seed at one length; `beyond` is {length: accuracy} without further training; None where nothing is known."""

    solved: bool
    beyond: dict
    updates: int | None = None
    cpu_seconds: float | None = None


def is_solved(accuracy, palindromes, every_one=False):
    """Whether so many random palindromes leave 95 % certainty that 99.9 % of all would be right.

    The bound is Clopper and Pearson's, exact and one-sided: were one answer in a thousand wrong, so few errors would
    come in at most 5 % of such tests. 3,000 without an error pass, 10,000 with up to four. With `every_one` all that
    there are were tried, nothing is left to chance, and all must be right.
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
    """{Row: {digits to read: {seed: Point}}} of part1/sweep.py, part2/train.py (gated) and experiments/reservoir.py.

    A point of the same row, length and seed in an earlier folder hides that in a later one. Raises ValueError if a
    sweep's folders hold no points, or if a file is something else; OSError if one cannot be read.
    """
    sources = [(folder, _swept, list(read_points(folder).values())) for folder in sweep_folders]
    if not any(points for *_, points in sources):
        raise ValueError(f"no points of part1/sweep.py in {', '.join(map(str, sweep_folders))}")
    runs = read_runs(runs_folder)
    gated = [run for name, run in runs.items() if fnmatch(name, "palindromes*_gated_seed*")]  # no other settings
    rows = defaultdict(lambda: defaultdict(dict))
    for path, read, results in [*sources, (runs_folder, _gated, gated)]:
        try:
            for result in results:
                row, point = read(result)
                rows[row][result["input_length"]].setdefault(result["seed"], point)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path} holds a row that is no result ({error})") from error
    return {**rows, **_best_reservoirs(reservoir_csv)}


def _swept(run):
    """The row and point of a run of part 1's sweep."""
    way = run["init"] + (", curriculum" if run["curriculum"] else "")
    if run["learning_rate"] != 0.001:
        way += f", rate {run['learning_rate']:g}"
    row = Row("engineered" if run["init"] == "latch" else "learned", run["model_type"], way, run["input_dim"])
    solved = "diverged" not in run and is_solved(
        run["accuracy"], run["palindromes"], every_one=run["input_length"] <= 5
    )
    return row, _point(solved, run)


def _gated(run):
    """The row and point of a run of part 2."""
    low, high = run["log_tau"]
    row = Row("learned", "time-gated LSTM", f"{run['init']}, log τ {low:g} to {high:g}", 10)
    return row, _point(is_solved(run["accuracy"], run["sequences"]), run)


def _point(solved, result):
    beyond = {int(length): accuracy for length, accuracy in result.get("accuracy_beyond", {}).items()}
    return Point(solved, beyond, result.get("steps"), result.get("cpu_seconds"))


def _best_reservoirs(path):
    """The rows of reservoir.csv: of each cell and input the random weights that reach farthest, drawn and not built."""
    columns = {"weights": str, **dict.fromkeys(("input_dim", "input_length", "seed", "palindromes"), int)}
    rows = defaultdict(lambda: defaultdict(dict))
    for line in read_table(path, {**columns, "accuracy": float}, "part1/experiments/reservoir.py"):
        cell, _, weights = line["weights"].partition(", ")
        if cell != "counts" and "engineered" not in weights:
            row = Row("reservoir", cell, f"{weights}, readout only", line["input_dim"])
            point = Point(is_solved(line["accuracy"], line["palindromes"]), {})
            rows[row][line["input_length"]][line["seed"]] = point
    best = {(row.cell, row.input_dim): row for row in sorted(rows, key=lambda row: frontier(rows[row]) or 0)}
    return {row: rows[row] for row in best.values()}
