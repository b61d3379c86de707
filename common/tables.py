"""Tables: how they are written and read, grouped and printed; and runs that are kept, as tables."""

import csv
import io
import json
import shlex
import statistics
from collections import defaultdict
from pathlib import Path

from common.files import read_regular, write_atomically
from common.run_folder import CONFIG, METRICS, RESULT, read_object, whole_lines

RUNS = "runs.csv"


def write_table(path, columns, rows):
    """Write a CSV file, atomically: names of its columns, and rows, a sequence of values each; None is left empty."""
    write_atomically(path, table_text(columns, rows))


def table_text(columns, rows):
    """The text of such a file."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([columns, *rows])
    return text.getvalue()


def write_records(path, records):
    """Write a CSV file, atomically, with a row for each of `records`, dicts of plain values that may be nested.

    Text stands as it is, everything else as JSON, and what is None or not there is an empty cell.
    """
    columns = dict.fromkeys(name for record in records for name in record)
    write_table(path, columns, [[_cell(record.get(name)) for name in columns] for record in records])


def _cell(value):
    return value if isinstance(value, str) or value is None else json.dumps(value)


def read_records(path):
    """What `write_records` wrote, a list of dicts, empty cells left out. Raises OSError as `read_regular` does."""
    file = io.StringIO(read_regular(path).decode(), newline="")
    return [{name: _value(cell) for name, cell in row.items() if cell} for row in csv.DictReader(file)]


def _value(cell):
    try:
        return json.loads(cell)
    except ValueError:
        return cell


def grouped(rows, *columns):
    """{value of the first of `columns`: {value of the second: … [row]}} of rows, dicts, in their order."""
    if not columns:
        return rows
    groups = defaultdict(list)
    for row in rows:
        groups[row[columns[0]]].append(row)
    return {value: grouped(those, *columns[1:]) for value, those in groups.items()}


def read_grouped(path, *columns):
    """Rows of a table, dicts without empty fields, as `grouped` by these columns.

    Raises ValueError, naming the path, if the table has not these columns, or no rows; OSError as `open` does.
    """
    try:
        rows = grouped(read_records(path), *columns)
    except (KeyError, TypeError, ValueError, csv.Error):
        rows = None
    if not rows:
        raise ValueError(f"{path} is not a table of rows with {', '.join(columns)}")
    return rows


def markdown(columns, rows):
    """A Markdown table: names of its columns, and rows, a sequence of values each."""
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in [columns, *rows]]
    return "\n".join([lines[0], "|---" * len(columns) + "|", *lines[1:]])


def spread(values, form):
    """ "median (lowest to highest)", each in the format `form`."""
    median, low, high = (f"{value:{form}}" for value in (statistics.median(values), min(values), max(values)))
    return f"{median} ({low} to {high})"


def collect_runs(runs_folder, output_dir):
    """Write the finished runs in `runs_folder` as tables into `output_dir`: the folders themselves are then not needed.

    runs.csv has a row a run: "run", its folder's name, then what config.json and result.json hold; metrics.csv has
    their rows, and so has every other CSV file of a run, each after the name of its run; records of a .jsonl file get
    the key "run". Raises ValueError, naming the folder, if there is no finished run, or one cannot be read; OSError.
    """
    runs = read_runs(runs_folder)
    write_records(Path(output_dir) / RUNS, [{"run": run, **values} for run, values in runs.items()])
    tables, records = defaultdict(list), defaultdict(list)
    for run in runs:
        for path in sorted((Path(runs_folder) / run).glob("*.csv")):
            header, *rows = csv.reader(whole_lines(path))
            tables[path.name] = tables[path.name] or [["run", *header]]
            tables[path.name] += [[run, *row] for row in rows]
        for path in sorted((Path(runs_folder) / run).glob("*.jsonl")):
            lines = ({"run": run, **json.loads(line)} for line in whole_lines(path))
            records[path.name] += [json.dumps(line, ensure_ascii=False) + "\n" for line in lines]
    for name, (header, *rows) in tables.items():
        write_table(Path(output_dir) / name, header, rows)
    for name, lines in records.items():
        write_atomically(Path(output_dir) / name, "".join(lines))


def read_runs(path):
    """{name: {setting or result: value}} of the finished runs at `path`, in the order of their names.

    `path` is a run's folder, a folder of such folders, or the folder of the tables that `collect_runs` wrote. Raises
    ValueError, naming the path, if it is none of these or a file is damaged; OSError if it cannot be read.
    """
    path = Path(path)
    if (path / RUNS).exists():
        records = read_grouped(path / RUNS, "run").values()
        return {record.pop("run"): record for record, *_ in records}
    folders = [path] if (path / CONFIG).exists() else [found.parent for found in path.glob(f"*/{CONFIG}")]
    runs = {}
    for folder in sorted(folders):
        if (folder / RESULT).exists():
            config, result = read_object(folder / CONFIG, {"command"}), read_object(folder / RESULT)
            runs[folder.name] = {**config, "command": shlex.join(["python", *map(str, config["command"])]), **result}
    if not runs:
        raise ValueError(f"{path} holds no finished run")
    return runs


def read_metrics(path, columns, name=METRICS):
    """{run: rows} of a table of the runs at `path` (as in `read_runs`), a row being a dict of `columns`: {name: type}.

    Raises ValueError, naming the file, if it has not these columns; OSError if it cannot be read.
    """
    path = Path(path)
    if (path / RUNS).exists():
        files = {None: path / name}
    elif (path / CONFIG).exists():  # of one run, ended or not
        files = {path.name: path / name}
    else:
        files = {run: path / run / name for run in read_runs(path)}
    rows = defaultdict(list)
    for run, file in files.items():
        try:
            for row in csv.DictReader(whole_lines(file)):
                rows[run or row["run"]].append({column: read(row[column]) for column, read in columns.items()})
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{file} has not the columns {', '.join(columns)}") from error
    return dict(rows)
