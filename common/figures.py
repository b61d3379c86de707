"""How the project's pictures and tables look, and the scripts that make them: for reading, without a screen."""

import io
import json
import statistics
import sys
from contextlib import suppress
from itertools import product
from pathlib import Path

import matplotlib.style
import torch
from matplotlib.figure import Figure

from common.arguments import Parser, whole_number
from common.device import prepare_process
from common.files import append_line, try_output, write_atomically
from common.printing import Progress
from common.tables import table_text, write_table

RESULTS = Path(__file__).resolve().parents[1] / "results"

# Okabe & Ito (2008): told apart with any colour vision; the order alternates dark and light for readers in grey.
BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00"

PAGE = 6.3  # inches: how wide a figure of the report is in print, so that its points are points there


def house_style():
    """A context in which figures are drawn and saved so, and nobody else's settings change."""
    return matplotlib.style.context(Path(__file__).with_suffix(".mplstyle"))


def new_figure(rows=1, columns=1, width=8.0, height=3.4, **options):
    """A figure of width × height inches, and its axes; `options` are those of `Figure.subplots`."""
    figure = Figure(figsize=(width, height))  # draws into memory: no screen is asked for
    return figure, figure.subplots(rows, columns, **options)


def save_figure(figure, path):
    """Write the figure to `path`, PNG or PDF by its name; the same data give the same bytes."""
    for _ in range(3):
        figure.draw_without_rendering()  # the layout moves legends beside the axes, and these the layout
    buffer = io.BytesIO()
    kind = str(path).rsplit(".", 1)[-1]
    figure.savefig(buffer, format=kind, metadata={"CreationDate": None} if kind == "pdf" else {"Software": None})
    write_atomically(path, buffer.getvalue())


def draw_median(ax, values, label, colour, style="-", alpha=0.2, **look):
    """A line through the medians of {x: values} with a band from the lowest to the highest; `look` as Axes.plot has."""
    low, middle, high = ([end(at) for at in values.values()] for end in (min, statistics.median, max))
    ax.fill_between([*values], low, high, color=colour, alpha=alpha, lw=0)
    ax.plot([*values], middle, style, color=colour, label=label, **look)


def plot_script(doc, draw, part, argv=None, **inputs):
    """Be a plot script: save the figures that `draw` gives, and print its text.

    Args:
        doc: the script's docstring.
        draw: takes the value of each input, a Path or a list of them; returns {name: figure} and a text, or "".
        part: folder below results/ into which the figures go unless --output_dir names another.
        inputs: {flag: (default, a path below results/ or a list of them, help)}.

    Bad input is one line, before anything is written.
    """
    parser = Parser(doc)
    for flag, (default, words) in inputs.items():
        several = isinstance(default, list)
        default = [str(RESULTS / path) for path in default] if several else str(RESULTS / default)
        parser.add_argument(f"--{flag}", type=Path, default=default, nargs="+" if several else None, help=words)
    parser.add_argument("--output_dir", type=Path, default=str(RESULTS / part), help="folder for the figures")
    config = parser.parse_args(argv)
    with parser.printing(), house_style():
        try_output(config.output_dir / "figure.png")
        try:
            figures, text = draw(*(getattr(config, flag) for flag in inputs))
        except KeyError as error:
            parser.error(f"a table has no {error}: is it of another script?")
        try:
            config.output_dir.mkdir(parents=True, exist_ok=True)
            for name, figure in figures.items():
                save_figure(figure, config.output_dir / f"{name}.png")
        finally:
            print(text, end="\n" if text else "")


def table_script(doc, measure, part, check=lambda config: None, **flags):
    """Be a script that measures: write the tables that `measure` gives.

    Args:
        doc: the script's docstring.
        measure: takes the settings, a Namespace, and `points`, the Points that keep what takes minutes; yields each
            table as (name, columns, rows), written to name.csv.
        part: folder below results/ into which the tables go unless --output_dir names another.
        check: takes the settings too; raises ValueError for those that contradict each other.
        flags: {flag: (lowest, highest, default, help)} of whole numbers; several if the default is a list.

    Bad input is one line, before anything is written.
    """
    parser = Parser(doc)
    for flag, (low, high, default, words) in flags.items():
        several = "+" if isinstance(default, list) else None
        parser.add_argument(f"--{flag}", type=whole_number(low, high), nargs=several, default=default, help=words)
    parser.add_argument("--output_dir", type=Path, default=str(RESULTS / part), help="folder for the tables")
    config = parser.parse_args()
    settings = {"torch": torch.__version__, **{name: getattr(config, name) for name in flags}}
    with parser.printing():
        check(config)
        try_output(config.output_dir / "table.csv")
        config.output_dir.mkdir(parents=True, exist_ok=True)
        prepare_process()
        points = Points(config.output_dir / f"{Path(parser.prog).stem}.unfinished.jsonl", settings)
        for name, columns, rows in measure(config, points):
            save_table(config.output_dir / f"{name}.csv", columns, rows)
        points.end()


def save_table(path, columns, rows):
    """Write what was measured, as `write_table` does; where it cannot be written, print it and exit with status 1."""
    try:
        write_table(path, columns, rows)
    except OSError as error:
        print(table_text(columns, rows), end="")
        sys.exit(f"{error}: the table is printed instead")


class Points:
    """The finished points of a script, in a file of JSON lines beside its tables until they are written.

    Args:
        path: the file; what is there of the same settings counts, lines that were cut off do not.
        settings: what a result depends on beside its point, a dict of plain values.

    Raises OSError if the file cannot be read or written.
    """

    def __init__(self, path, settings):
        self.path, self.settings, self._kept = path, settings, {}
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n") if path.is_file() else [""]
        for line in lines:
            with suppress(TypeError, ValueError):
                point, result = json.loads(line)
                self._kept[point] = result
        whole = [json.dumps(pair) for pair in self._kept.items()]
        if lines != [*whole, ""]:
            write_atomically(path, "".join(line + "\n" for line in whole))

    def each(self, measure, *values):
        """Yield (point, measure(*point)) for every combination of the values, a tuple, in order; shows how far it is.

        What `measure`, a function with a name, returns is of plain values; a tuple in it becomes a list.
        """
        points = list(product(*values))
        keys = [json.dumps([measure.__name__, self.settings, point]) for point in points]
        with Progress(len(points), done=sum(key in self._kept for key in keys), unit="run") as progress:
            for point, key in zip(points, keys, strict=True):
                if key not in self._kept:
                    line = json.dumps([key, measure(*point)])
                    append_line(self.path, line)
                    _, self._kept[key] = json.loads(line)
                    progress.advance("done: " + ", ".join(map(str, point)))
                yield point, self._kept[key]

    def end(self):
        """The tables are written: remove the file."""
        self.path.unlink(missing_ok=True)
