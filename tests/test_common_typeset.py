"""common/typeset.py: the same text gives the same bytes, and what is missing or broken costs one line."""

import shutil

import pytest

from reproduce.typeset import digest_of, make_pdf
from tests.scripts import ROOT

HEADER = ROOT / "reproduce/report.tex"
needs_latex = pytest.mark.skipif(
    not (shutil.which("pandoc") and shutil.which("pdflatex")), reason="pandoc or pdflatex is not installed"
)


@needs_latex
def test_the_same_text_gives_the_same_bytes_which_name_the_text(tmp_path):
    text = tmp_path / "text.md"
    text.write_text(
        "# Title\n\n## One\n\n$\\frac{a}{b}$, 2 × 3 ± 1\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```\nx\n```\n"
    )
    for name in ("a.pdf", "b.pdf"):
        make_pdf(text, tmp_path / name, HEADER)
    a, b = ((tmp_path / name).read_bytes() for name in ("a.pdf", "b.pdf"))
    assert a == b and digest_of(text).encode() in a
    text.write_text("# Another\n")
    assert digest_of(text).encode() not in a


@needs_latex
def test_latex_that_cannot_be_typeset_is_told_in_one_line(tmp_path):
    text = tmp_path / "text.md"
    text.write_text("# Title\n\n$\\nosuchcommand$\n")
    with pytest.raises(ValueError, match=r"text\.md cannot be typeset: .*Undefined control sequence") as caught:
        make_pdf(text, tmp_path / "a.pdf", HEADER)
    assert "\n" not in str(caught.value) and not (tmp_path / "a.pdf").exists()


def test_without_pandoc_one_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "text.md").write_text("# Title\n")
    with pytest.raises(ValueError, match=r"pandoc and pdflatex not found .*apt-get install pandoc") as caught:
        make_pdf(tmp_path / "text.md", tmp_path / "a.pdf", HEADER)
    assert "\n" not in str(caught.value)
