"""Which numbers are compared with the committed ones, and the comparison.

A number differs by more than its spread if its median over what was made here lies outside the committed seeds (or
rows) by more than these are apart, and by more than a hundredth of it: a fresh seed lies outside ten others in two of
eleven cases, by chance alone. A ratio of times, which stands alone, differs if it is more than a tenth away.

Compared is only what was made with the settings of the committed results: a run or a point of a sweep if its row says
so, a table or a ratio if its command is that of --full.
"""

import statistics
from numbers import Number
from pathlib import Path

from reproduce.results import Results
from reproduce.steps import read_yaml, steps

CLAIMS = read_yaml("claims.yaml")
NUMBERS = sum(len(columns) for _, _, columns in CLAIMS["of_seeds"]) + len(CLAIMS["of_files"])
# Columns of points and runs that are no settings: what came out, and where it was made.
NO_SETTINGS = [
    *("accuracy", "loss", "palindromes", "held_out", "sequences", "steps", "converged", "ended_by", "best_step"),
    *("heldout_loss", "heldout_loss_blocks", "accuracy_beyond", "cpu_seconds", "wall_seconds"),
    *("command", "python", "torch", "threads", "computed_on", "txt_file"),  # the text itself is compared by its digest
]


def of_seeds(which, column, made, committed):
    """The committed numbers of the seeds that have the same settings here, those made here, and their range."""
    old, new = (getattr(results, which[0])(*which[1:]) for results in (committed, made))
    same = {*settings_of(old)} & {*settings_of(new)}
    numbers = [rows[column] for rows in (old, new)]
    before, here = ([*of[settings_of(rows).isin(same)]] for of, rows in zip(numbers, (old, new), strict=True))
    return before, here, expected([*numbers[0]])


def settings_of(rows):
    """The settings of each row, a Series of texts; 5 and 5.0 are the same setting."""
    values = rows.drop(columns=NO_SETTINGS, errors="ignore")
    return values.map(lambda value: f"{value:g}" if isinstance(value, Number) else str(value)).agg(" ".join, axis=1)


def of_file(path, which, column, made, committed):
    """The committed numbers in a table or of a benchmark, those made here, and their range."""
    if which is None:
        before, here = ([results.benchmark(Path(path).parent)[column]] for results in (committed, made))
        return before, here, [0.9 * before[0], 1.1 * before[0]]
    before, here = ([*results.table(path, **which)[column]] for results in (committed, made))
    return before, here, expected(before)


def expected(numbers):
    """The range, a pair, in which others made in the same way are expected: twice as far out as these lie."""
    low, high = min(numbers), max(numbers)
    margin = max(high - low, abs(statistics.median(numbers)) / 100)
    return [low - margin, high + margin]


def verdict(before, here, spread):
    """ "same", "within the spread" or "DIFFERS", of two lists of numbers and the range that is expected."""
    if shown(before) == shown(here):
        return "same"
    return "within the spread" if spread[0] <= statistics.median(here) <= spread[1] else "DIFFERS"


def shown(numbers):
    low, middle, high = (f"{f(numbers):,.5g}" for f in (min, statistics.median, max))
    return middle if low == high else f"{middle} ({low} to {high})"


def compared(made, committed, files):
    """Yield (claim, numbers as of `of_seeds`) for all that can be compared; `files` were made as --full makes them."""
    for name, rows, columns in CLAIMS["of_seeds"]:
        for column in columns:
            try:
                yield f"{name}: {column}", of_seeds(rows, column, made, committed)
            except (OSError, ValueError):  # none was made
                pass
    for claim, path, which, column in CLAIMS["of_files"]:
        if f"{path}.{'csv' if which else 'json'}" in files:
            yield claim, of_file(path, which, column, made, committed)


def comparison(folder, committed_folder, made_steps):
    """A Markdown table of the numbers that these steps made in `folder` and that can be compared; how many differ."""
    of_full = {step.name: step.command for step in steps("full")}
    as_full = [step for step in made_steps if step.command == of_full.get(step.name)]
    files = {path for step in as_full for path in step.outputs}
    rows, verdicts = [], []
    for claim, (before, here, spread) in compared(Results(folder), Results(committed_folder), files):
        if here:
            verdicts.append(verdict(before, here, spread))
            rows.append(f"| {claim} | {len(here)} | {shown(before)} | {shown(here)} | {verdicts[-1]} |\n")
    return f"""A number DIFFERS (by more than its spread) if its median here lies farther outside the committed seeds or
rows than these are apart, and than a hundredth of it; a ratio of times, if it is more than a tenth away.
Median (lowest to highest):

| number | seeds or rows | committed | here | |
|---|---|---|---|---|
{"".join(rows)}
{len(rows)} of {NUMBERS} numbers were made with the settings of the committed ones and are
compared: {verdicts.count("same")} the same, {verdicts.count("DIFFERS")} differ by more than their spread."""
