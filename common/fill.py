"""Put numbers from the files of results into a text, so that none is typed by hand.

A placeholder stands in double braces: file, what is taken from it, and how it is written, apart by bars.

    {{results/part2/benchmark.json | gated.ratio.T100 | .2f}}       a number of a JSON file, by its keys
    {{results/part1/reservoir.csv | median accuracy, input_length=20, weights="RNN, default" | .1%}}

From a CSV file a statistic (count, min, median, mean, max, or only where there is one row) of a column is taken, over
the rows whose other columns have the values given; a value with a comma stands in double quotes. The third part is a
Python format specification.
"""

import csv
import functools
import io
import json
import re
import statistics
from pathlib import Path

PLACEHOLDER = re.compile(r"\{\{(.+?)\}\}")


def _only(values):
    if len(values) != 1:
        raise ValueError(f"only, but there are {len(values)} rows")
    return values[0]


STATISTICS = {
    "count": len,
    "min": min,
    "median": statistics.median,
    "mean": statistics.mean,
    "max": max,
    "only": _only,
}


def fill(text, root):
    """The text with every placeholder filled from the files below the folder `root`.

    Raises ValueError that names the line, the placeholder, and what is wrong with it.
    """
    lines = []
    for number, line in enumerate(text.splitlines(keepends=True), start=1):

        def value(match, number=number):
            try:
                return _value(match[1], Path(root))
            except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
                raise ValueError(f"line {number}: {match[0]}: {error}") from error

        lines.append(PLACEHOLDER.sub(value, line))
    return "".join(lines)


def files_of(text):
    """The files that the text's placeholders name, a sorted list of paths as written."""
    return sorted({match[1].split("|")[0].strip() for match in PLACEHOLDER.finditer(text)})


def _value(placeholder, root):
    parts = [part.strip() for part in placeholder.split("|")]
    if len(parts) != 3:
        raise ValueError("not of the form file | what | format")
    path, what, form = root / parts[0], parts[1], parts[2]
    if path.suffix == ".json":
        number = _from_json(_read(path), what)
    elif path.suffix == ".csv":
        number = _from_csv(_read(path), what)
    else:
        raise ValueError("neither a .json nor a .csv file")
    return format(number, form)


@functools.cache
def _read(path):
    return path.read_text(encoding="utf-8")


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


def _from_csv(text, what):
    """A statistic of a column over the rows that a list of column=value picks."""
    words, *conditions = next(csv.reader(io.StringIO(_quoted(what)), skipinitialspace=True))
    statistic, _, column = words.partition(" ")
    if statistic not in STATISTICS:
        raise ValueError(f"{statistic!r} is none of {', '.join(STATISTICS)}")
    picked = dict(condition.split("=", 1) for condition in conditions)
    rows = list(csv.DictReader(io.StringIO(text)))
    for name in (column, *picked):
        if not rows or name not in rows[0]:
            raise KeyError(f"no column {name}")
    values = [float(row[column]) for row in rows if all(row[name] == value for name, value in picked.items())]
    if not values:
        raise ValueError("no such rows")
    return STATISTICS[statistic](values)


def _quoted(what):
    """column="a, b" as csv quotes it: "column=a, b"."""
    return re.sub(r'(\w+)="([^"]*)"', r'"\1=\2"', what)
