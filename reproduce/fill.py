"""Put numbers from the files of results into a text, so that none is typed by hand.

A placeholder stands in double braces: file, what is taken from it, and how it is written, apart by bars.

    {{results/part2/benchmark.json | gated_over_lstm.T100 | .2f}}       a number of a JSON file, by its keys
    {{results/part3/book_seed*.json | mean loss in bits | .3f}}         a statistic over files that are alike
    {{results/part1/reservoir.csv | median accuracy, input_length=20, weights="RNN, default" | .1%}}
    {{results/part2/runs/a_seed*/metrics.csv | max of min step, heldout_accuracy>=0.99 | ,.0f}}
    {{results/part3/temperatures.txt | lines 1-9 | 72}}                 lines of a text, none longer than that
    {{part1/lstm.py | line of def step | d}}                            the number of the first line that has this

Of a CSV file, or of several JSON or CSV files that a pattern with * names, a statistic is taken: count, sum, min,
median, mean, sd (of the sample), max, or only where there is one value. It is over the rows (of CSV) or the files (of
JSON) in which other columns or keys have the values given, or are at least (>=) or at most (<=) so large; a value with
a comma stands in double quotes. `max of min x` is the largest over the files of the smallest in each, and so on.
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
import textwrap
from pathlib import Path

PLACEHOLDER = re.compile(r"\{\{(.+?)\}\}")
LINES = re.compile(r"lines (\d+)-(\d+)")
OVER_FILES = re.compile(r"(\w+) of (.+)")


def _only(values):
    if len(values) != 1:
        raise ValueError(f"only, but there are {len(values)} values")
    return values[0]


STATISTICS = {
    "count": len,
    "sum": sum,
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


def value(file, what, root):
    """The number, or the text, that a placeholder's first two parts mean, from the files below the folder `root`.

    Raises OSError, ValueError, KeyError, IndexError (beyond a list's end) or TypeError where there is none.
    """
    what, in_bits = re.subn(r" in bits\b", "", what)
    paths = sorted(Path(root).glob(file)) if "*" in file else [Path(root) / file]
    if not paths:
        raise ValueError("no such files")
    texts = [_read(path) for path in paths]
    if what.startswith(("lines ", "line of ")):
        return _of_text(texts[0], what)
    if over_files := OVER_FILES.fullmatch(what):
        of_each = [value(str(path.relative_to(root)), over_files[2], root) for path in paths]
        number = _statistic_named(over_files[1])(of_each)
    elif file.endswith(".csv"):
        number = _statistic(
            [row for text in texts for row in csv.DictReader(io.StringIO(text))], what, dict.__getitem__
        )
    elif file.endswith(".json"):
        contents = [json.loads(text) for text in texts]
        number = _statistic(contents, what, _under) if "*" in file else _under(contents[0], what)
    else:
        raise ValueError("neither a .json nor a .csv file")
    return number / math.log(2) if in_bits else number


def _written(placeholder, root):
    parts = [part.strip() for part in placeholder.split("|")]
    if len(parts) != 3:
        raise ValueError("not of the form file | what | format")
    file, what, form = parts
    number = value(file, what, root)
    if LINES.fullmatch(what):
        return "\n".join(textwrap.fill(line, int(form)) for line in number.splitlines())
    if form == "power":
        digits, exponent = f"{number:.0e}".split("e")
        return rf"{digits} \cdot 10^{{{int(exponent)}}}"
    return format(number, form).replace("%", "\N{NO-BREAK SPACE}%")


def _of_text(text, what):
    """Lines of a text, or the number of the first that has something in it."""
    lines = text.splitlines()
    if match := LINES.fullmatch(what):
        first, last = int(match[1]), int(match[2])
        if not 1 <= first <= last <= len(lines):
            raise ValueError(f"there are only lines 1 to {len(lines)}")
        return "\n".join(lines[first - 1 : last])
    wanted = what.removeprefix("line of ")
    found = [number for number, line in enumerate(lines, start=1) if wanted in line]
    if not found:
        raise ValueError(f"no line has {wanted!r}")
    return found[0]


def _read(path):
    return _read_version(path, path.stat().st_mtime_ns)


@functools.cache
def _read_version(path, _):
    return path.read_text(encoding="utf-8")


def _under(content, keys):
    """The value under the keys, apart by full stops; where a key itself has full stops, the longest that fits."""
    rest = keys.split(".")
    while rest:
        for length in range(len(rest), 0, -1):
            key = ".".join(rest[:length])
            if isinstance(content, dict) and key in content:
                content, rest = content[key], rest[length:]
                break
            if isinstance(content, list) and length == 1 and key.isdigit():
                content, rest = content[int(key)], rest[1:]
                break
        else:
            raise KeyError(f"no key {'.'.join(rest)}")
    if not isinstance(content, (int, float, str)):
        raise TypeError("a group of values, not one")
    return content


CONDITIONS = {
    "=": lambda found, wanted: str(found) == wanted,
    ">=": lambda found, wanted: float(found) >= float(wanted),
    "<=": lambda found, wanted: float(found) <= float(wanted),
}


def _statistic(rows, what, value_of):
    """A statistic of one column, or key, over the rows that a list of conditions picks; value_of(row, name)."""
    words, *conditions = next(csv.reader(io.StringIO(_quoted(what)), skipinitialspace=True))
    statistic, _, column = words.partition(" ")
    compute = _statistic_named(statistic)
    conditions = [_condition(text) for text in conditions]
    for how in ("=", ">=", "<="):
        wanted = [(name, to) for name, found, to in conditions if found == how]
        rows = [row for row in rows if all(CONDITIONS[how](value_of(row, name), to) for name, to in wanted)]
        # None so large is an answer where rows are counted; none of that name is a mistake of the placeholder.
        if not rows and (how == "=" or statistic not in ("count", "sum")):
            raise ValueError("no such rows")
    return compute([float(value_of(row, column)) for row in rows])


def _statistic_named(name):
    if name not in STATISTICS:
        raise ValueError(f"{name!r} is none of {', '.join(STATISTICS)}")
    return STATISTICS[name]


def _condition(text):
    match = re.fullmatch(r"(.+?)(>=|<=|=)(.*)", text)
    if not match:
        raise ValueError(f"{text!r} is no condition: name=value, name>=value or name<=value")
    return match.groups()


def _quoted(what):
    """column="a, b" as csv quotes it: "column=a, b"."""
    return re.sub(r'(\w+)="([^"]*)"', r'"\1=\2"', what)
