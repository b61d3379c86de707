"""The experiments' tables: the command line that writes them, and how the plots read them."""

import csv
from itertools import product
from pathlib import Path

from common.arguments import Parser, whole_number
from common.figures import RESULTS, grouped
from common.files import read_records, write_table
from common.progress import Progress
from common.training import DivergedError
from part1.train import prepare_process


def table_script(doc, measure, check=lambda config: None, **flags):
    """Be a script that measures: write the tables that `measure` gives.

    Args:
        doc: the script's docstring.
        measure: takes the settings, a Namespace; yields each table as (name, columns, rows), written to name.csv.
        check: takes the settings too; raises ValueError for those that contradict each other.
        flags: {flag: (lowest, highest, default, help)} of whole numbers; several if the default is a list.

    Bad input is one line, before anything is written.
    """
    parser = Parser(doc.split("\n")[0])
    for flag, (low, high, default, words) in flags.items():
        several = "+" if isinstance(default, list) else None
        parser.add_argument(f"--{flag}", type=whole_number(low, high), nargs=several, default=default, help=words)
    parser.add_argument("--output_dir", type=Path, default=str(RESULTS / "part1"), help="folder for the tables")
    config = parser.parse_args()
    try:
        check(config)
        config.output_dir.mkdir(parents=True, exist_ok=True)
        prepare_process()
        for name, columns, rows in measure(config):
            write_table(config.output_dir / f"{name}.csv", columns, rows)
    except (ValueError, OSError, DivergedError) as error:
        parser.error(error)


def with_progress(*values):
    """Every combination of the values, a tuple, one after the other, and how far it is on standard error."""
    points = list(product(*values))
    with Progress(len(points), unit="run") as progress:
        for point in points:
            yield point
            progress.advance("done: " + ", ".join(map(str, point)))


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
