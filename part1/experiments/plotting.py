"""What the plot scripts here share: rows in groups, numbers as text, and a command line."""

import statistics
from pathlib import Path

from common.arguments import Parser
from common.figures import save_figure

RESULTS = Path(__file__).resolve().parents[2] / "results"


def grouped(rows, *columns):
    """{value of the first of `columns`: {value of the second: … [row]}} of rows, dicts, in their order."""
    if not columns:
        return rows
    groups = {}
    for row in rows:
        groups.setdefault(row[columns[0]], []).append(row)
    return {value: grouped(those, *columns[1:]) for value, those in groups.items()}


def spread(values, form):
    """ "median (lowest to highest)", each in the format `form`."""
    median, low, high = (f"{value:{form}}" for value in (statistics.median(values), min(values), max(values)))
    return f"{median} ({low} to {high})"


def markdown(columns, rows):
    """A Markdown table: names of its columns, and rows, a sequence of values each."""
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in [columns, *rows]]
    return "\n".join([lines[0], "|---" * len(columns) + "|", *lines[1:]])


def plot(doc, draw, **inputs):
    """Be a plot script: save the figures that `draw` gives, {name: figure}, and print its text.

    `doc` is the script's docstring; `inputs` are {flag: (default, a path below results/ or a list of them, help)}, and
    `draw` takes the value of each. Bad input is one line, before anything is written.
    """
    parser = Parser(doc.split("\n")[0])
    for flag, (default, words) in inputs.items():
        several = isinstance(default, list)
        default = [str(RESULTS / path) for path in default] if several else str(RESULTS / default)
        parser.add_argument(f"--{flag}", type=Path, default=default, nargs="+" if several else None, help=words)
    parser.add_argument("--output_dir", type=Path, default=str(RESULTS / "part1"), help="folder for the figures")
    config = parser.parse_args()
    try:
        figures, text = draw(*(getattr(config, flag) for flag in inputs))
        config.output_dir.mkdir(parents=True, exist_ok=True)
        for name, figure in figures.items():
            save_figure(figure, config.output_dir / f"{name}.png")
    except (ValueError, KeyError, OSError) as error:
        parser.error(error)
    print(text)
