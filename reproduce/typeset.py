"""A PDF from a Markdown file, through pandoc and LaTeX."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

PACKAGES = "pandoc texlive-latex-recommended texlive-fonts-recommended"


def digest_of(markdown_path):
    """What the PDF of a Markdown file carries in its information, to show which text it was made from."""
    return hashlib.sha256(Path(markdown_path).read_bytes()).hexdigest()


def make_pdf(markdown_path, pdf_path, header_path):
    """Typeset a Markdown file whose figures are given by paths from its own folder; the same text, the same bytes.

    header_path: LaTeX put before the document, which decides how it looks.

    Raises ValueError, in one line, if pandoc or pdflatex is missing or LaTeX does not take the text.
    """
    missing = [program for program in ("pandoc", "pdflatex") if shutil.which(program) is None]
    if missing:
        raise ValueError(f"{' and '.join(missing)} not found (on Debian: apt-get install {PACKAGES}): no PDF is made")
    markdown_path = Path(markdown_path).resolve()
    variables = {
        "documentclass": "article",
        "fontsize": "10pt",
        "fontfamily": "mathptmx",
        "colorlinks": "true",
        "header-includes": f"\\pdfinfo{{/MadeFrom ({digest_of(markdown_path)})}}",
    }
    command = [
        *("pandoc", markdown_path.name, "--output", Path(pdf_path).resolve(), "--pdf-engine=pdflatex"),
        # The first heading is the title. A figure stays where it is named, with the text's caption below it.
        *("--from", "markdown-implicit_figures", "--shift-heading-level-by=-1"),
        *("--include-in-header", Path(header_path).resolve()),
        *(word for name, value in variables.items() for word in ("--variable", f"{name}={value}")),
    ]
    same_date = {**os.environ, "SOURCE_DATE_EPOCH": "0", "FORCE_SOURCE_DATE": "1"}
    done = subprocess.run(command, cwd=markdown_path.parent, env=same_date, capture_output=True, text=True)
    if done.returncode != 0:
        reason = [line for line in done.stderr.splitlines() if line.startswith("!")] or done.stderr.splitlines()[-1:]
        raise ValueError(f"{markdown_path.name} cannot be typeset: {' '.join(reason)}")
