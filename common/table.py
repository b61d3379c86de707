"""Tables as CSV files: read with their types, or refused in one line."""

import csv


def read_table(path, columns, made_by):
    """Rows of a CSV file, a list of dicts.

    Args:
        columns: {name: type} of the columns that are wanted, a type being a function of the field's text; others are
            left out.
        made_by: the script that writes such tables, for the message.

    Raises ValueError, naming the path, for a table without these columns or without rows, OSError as `open` does.
    """
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = [{name: read(row[name]) for name, read in columns.items()} for row in csv.DictReader(file)]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is not a table of {made_by}") from error
    if not rows:
        raise ValueError(f"{path} holds no rows")
    return rows
