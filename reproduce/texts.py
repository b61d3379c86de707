"""The numbers of the pages, so that none is typed by hand: from templates, or between marks in a page; and the PDF.

A template's expressions take rows of the tables in results/ (reproduce/results.py), compute with pandas, and end with
how the number is written:

    {{ sweep("RNN", 10, 1).accuracy.median() | percent(1) }}       part 1: cell, digits to read, inputs
    {{ runs("part3", "book_best").heldout_loss.mean() | bits | fixed(3) }}
    {{ table("part1/reservoir", weights="RNN, default", input_length=20).accuracy.max() | percent(1) }}
    {{ tested("RNN, curriculum", 1000).updates | span }}           lowest to highest

A page written by hand is its own template; there the number stands between two marks that Markdown does not show:

    <!-- tested("RNN, curriculum", 1000).updates | span -->100 to 300<!-- / -->
"""

import hashlib
import math
import os
import re
import shutil
import subprocess
import textwrap
from pathlib import Path

import jinja2

from part1.solved import bound, is_solved
from reproduce.results import Results

MARKED = r"(?s)(<!-- ([^/].*?) -->)(.*?)(<!-- / -->)"  # expression, number; its lines are counted on
PACKAGES = "pandoc texlive-latex-recommended texlive-fonts-recommended"


def written(number, form):
    """The number in this format. Raises ValueError for one that is not finite, as that of no rows."""
    if not math.isfinite(number):
        raise ValueError(f"{number} is no number to be written")
    return format(number, form)


def solved(rows):
    """Whether the seed of each row has solved its length, a Series."""
    if "solved" in rows:
        return rows.solved
    return rows.apply(lambda row: is_solved(row.accuracy, row.palindromes, row.input_length), axis=1)


def mean_and_sd(column, digits=1):
    """97.9 % ± 0.6, of shares from 0 to 1."""
    return f"{FILTERS['percent'](column.mean(), digits)} ± {written(100 * column.std(), f'.{digits}f')}"


def power(number):
    """2 \\cdot 10^{-23}, for formulas."""
    digits, exponent = written(number, ".0e").split("e")
    return rf"{digits} \cdot 10^{{{int(exponent)}}}"


FILTERS = {
    "number": lambda number: written(number, ",.0f"),
    "fixed": lambda number, digits: written(number, f".{digits}f"),
    "percent": lambda number, digits=0: written(number, f".{digits}%").replace("%", "\N{NO-BREAK SPACE}%"),
    "mean_and_sd": mean_and_sd,
    "power": power,
    "span": lambda column: f"{written(column.min(), ',.0f')} to {written(column.max(), ',.0f')}",
    "bits": lambda nats: nats / math.log(2),
    "solved": lambda rows: solved(rows).sum(),
    "solvers": lambda rows: f"{solved(rows).sum()} of {len(rows)}",
    "bound": lambda rows: min(map(bound, rows.accuracy, rows.palindromes)),
    "fenced": lambda text: f"\n```\n{text}\n```\n",
    "wrap": lambda text, width: "\n".join(textwrap.fill(line, width) for line in text.splitlines()),
}


def fill(text, folder, name="text"):
    """The template `text` with the numbers of the results folder. Raises ValueError: name, line, and what is wrong."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, keep_trailing_newline=True)
    environment.filters |= FILTERS
    text = re.sub(MARKED, lambda mark: mark[1] + "{{ " + mark[2] + "\n" * mark[3].count("\n") + " }}" + mark[4], text)
    results = Results(folder)
    names = {name: getattr(results, name) for name in dir(results) if not name.startswith("_")}
    try:
        return environment.from_string(text).render(names)
    except jinja2.TemplateSyntaxError as error:
        raise ValueError(f"{name}, line {error.lineno}: {error}") from error
    except Exception as error:  # whatever pandas raises for what is not there
        line, trace = None, error.__traceback__
        while trace:
            line = trace.tb_lineno if trace.tb_frame.f_code.co_filename == "<template>" else line
            trace = trace.tb_next
        raise ValueError(f"{name}, line {line}: {type(error).__name__}: {error}") from error


def digest_of(markdown):
    """What the PDF of a Markdown file carries in its information, to show which text it was made from."""
    return hashlib.sha256(Path(markdown).read_bytes()).hexdigest()


def make_pdf(markdown, pdf):
    """Typeset a Markdown file, its figures given by paths from its own folder; the same text gives the same bytes.

    Raises ValueError, in one line, if pandoc or pdflatex is missing or LaTeX does not take the text.
    """
    if missing := [program for program in ("pandoc", "pdflatex") if shutil.which(program) is None]:
        raise ValueError(f"{' and '.join(missing)} not found (on Debian: apt-get install {PACKAGES}): no PDF is made")
    looks, markdown = Path(__file__).with_name("report.yaml"), Path(markdown).resolve()
    info = f"header-includes=\\pdfinfo{{/MadeFrom ({digest_of(markdown)})}}"
    done = subprocess.run(
        ["pandoc", "--defaults", looks, "--variable", info, "--output", Path(pdf).resolve(), markdown],
        cwd=markdown.parent,
        env={**os.environ, "SOURCE_DATE_EPOCH": "0", "FORCE_SOURCE_DATE": "1"},
        capture_output=True,
        encoding="utf-8",
        errors="replace",
    )
    if done.returncode != 0:
        reason = [line for line in done.stderr.splitlines() if line.startswith("!")] or done.stderr.splitlines()[-1:]
        raise ValueError(f"{markdown.name} cannot be typeset: {' '.join(reason)}")
