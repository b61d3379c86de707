"""Put numbers from the files of results into a text, so that none is typed by hand.

A placeholder stands in double braces: file, what is taken from it, and how it is written, apart by bars.

    {{results/part2/benchmark.json | gated_over_lstm.T100 | .2f}}       a number of a JSON file, by its keys
    {{results/part3/book_seed*.json | mean loss in bits | .3f}}         a statistic over files that are alike
    {{results/part1/reservoir.csv | median accuracy, input_length=20, weights="RNN, default" | .1%}}
    {{results/part2/runs/a_seed*/metrics.csv | min step, heldout_accuracy>=0.99 | ,.0f}}

Of a CSV file, or of several JSON or CSV files that a pattern with * names, a statistic is taken: count, min, median,
mean, sd (of the sample), max, or only where there is one value. The rows of CSV files are those whose other columns
have the values given, or are at least (>=) or at most (<=) so large; a value with a comma stands in double quotes.
`in bits` turns nats into bits. The third part is a Python format specification, or `power`: 2 \\cdot 10^{-23}, for
formulas.
"""

import csv
import functools
import io
import json
import math
import re
import statistics
from pathlib import Path

PLACEHOLDER = re.compile(r"\{\{(.+?)\}\}")


def _only(values):
    if len(values) != 1:
        raise ValueError(f"only, but there are {len(values)} values")
    return values[0]


STATISTICS = {
    "count": len,
    "min": min,
    "median": statistics.median,
    "mean": statistics.mean,
    "sd": statistics.stdev,
    "max": max,
    "only": _only,
}


def fill(text, root):
    """The text with every placeholder filled from the files below the folder `root`.

    Raises ValueError that names the line, the placeholder, and what is wrong with it.
    """
    lines = []
    for number, line in enumerate(text.splitlines(keepends=True), start=1):

        def written(match, number=number):
            try:
                return _written(match[1], root)
            except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
                raise ValueError(f"line {number}: {match[0]}: {error}") from error

        lines.append(PLACEHOLDER.sub(written, line))
    return "".join(lines)


def files_of(text):
    """The files, or patterns of files, that the text's placeholders name, a sorted list of paths as written."""
    return sorted({match[1].split("|")[0].strip() for match in PLACEHOLDER.finditer(text)})


def value(file, what, root):
    """The number, or the text, that a placeholder's first two parts mean, from the files below the folder `root`.

    Raises OSError, ValueError, KeyError or TypeError where there is none.
    """
    what, in_bits = re.subn(r" in bits\b", "", what)
    if not file.endswith((".json", ".csv")):
        raise ValueError("neither a .json nor a .csv file")
    paths = sorted(Path(root).glob(file)) if "*" in file else [Path(root) / file]
    if not paths:
        raise ValueError("no such files")
    texts = [_read(path) for path in paths]
    if file.endswith(".csv"):
        number = _from_csv(texts, what)
    elif "*" in file:
        statistic, _, keys = what.partition(" ")
        number = _statistic(statistic)([_from_json(text, keys) for text in texts])
    else:
        number = _from_json(texts[0], what)
    return number / math.log(2) if in_bits else number


def _written(placeholder, root):
    parts = [part.strip() for part in placeholder.split("|")]
    if len(parts) != 3:
        raise ValueError("not of the form file | what | format")
    number = value(parts[0], parts[1], root)
    if parts[2] == "power":
        digits, exponent = f"{number:.0e}".split("e")
        return rf"{digits} \cdot 10^{{{int(exponent)}}}"
    return format(number, parts[2])


def _read(path):
    return _read_version(path, path.stat().st_mtime_ns)


@functools.cache
def _read_version(path, _):
    return path.read_text(encoding="utf-8")


def _statistic(name):
    if name not in STATISTICS:
        raise ValueError(f"{name!r} is none of {', '.join(STATISTICS)}")
    return STATISTICS[name]


def _from_json(text, keys):
    """The value under the keys, apart by full stops; where a key itself has full stops, the longest that fits."""
    value, rest = json.loads(text), keys.split(".")
    while rest:
        for length in range(len(rest), 0, -1):
            key = ".".join(rest[:length])
            if isinstance(value, dict) and key in value:
                value, rest = value[key], rest[length:]
                break
            if isinstance(value, list) and length == 1 and key.isdigit():
                value, rest = value[int(key)], rest[1:]
                break
        else:
            raise KeyError(f"no key {'.'.join(rest)}")
    if not isinstance(value, (int, float, str)):
        raise TypeError("a group of values, not one")
    return value


CONDITIONS = {
    "=": lambda cell, wanted: cell == wanted,
    ">=": lambda cell, wanted: float(cell) >= float(wanted),
    "<=": lambda cell, wanted: float(cell) <= float(wanted),
}


def _from_csv(texts, what):
    """A statistic of a column over the rows of all texts that a list of conditions picks."""
    words, *conditions = next(csv.reader(io.StringIO(_quoted(what)), skipinitialspace=True))
    statistic, _, column = words.partition(" ")
    statistic = _statistic(statistic)
    picked = [re.fullmatch(r"(.+?)(>=|<=|=)(.*)", condition).groups() for condition in conditions]
    rows = [row for text in texts for row in csv.DictReader(io.StringIO(text))]
    for name in (column, *(name for name, _, _ in picked)):
        if not rows or name not in rows[0]:
            raise KeyError(f"no column {name}")
    values = [float(row[column]) for row in rows if all(CONDITIONS[how](row[name], to) for name, how, to in picked)]
    if not values:
        raise ValueError("no such rows")
    return statistic(values)


def _quoted(what):
    """column="a, b" as csv quotes it: "column=a, b"."""
    return re.sub(r'(\w+)="([^"]*)"', r'"\1=\2"', what)
