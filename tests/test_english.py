"""The pages that people read: sentences of at most 35 words, tables of 12 rows, pages of results of 1,800 words."""

import re

import pytest

from tests.scripts import ROOT

SENTENCE, PAGE = 35, 1_800  # words at most
ROWS = 12  # of a table at most
WRITTEN = ["README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))]
RESULTS = ["docs/results.md", *(f"results/part{part}/README.md" for part in (1, 2, 3))]


def sentences(page):
    """The sentences of a Markdown page, outside front matter, code, tables, pictures and the marks of numbers."""
    page = re.sub(r"\A---\n.*?\n---\n", "", page, flags=re.DOTALL)
    page = re.sub(r"```.*?```|<!--.*?-->|<img[^>]*>", "", page, flags=re.DOTALL)
    page = re.sub(r"^\|.*$|^#+ .*$|^\s*$", "\n\n", page, flags=re.MULTILINE)
    page = re.sub(r"^\s*(?:[-*]|\d+\.) ", "\n\n", page, flags=re.MULTILINE)  # an item is a paragraph of its own
    page = re.sub(r"`[^`]*`", "CODE", page)
    page = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", page)
    for paragraph in re.split(r"\n\s*\n", page):
        yield from re.split(r"(?<=[.!?])[*\")]*\s+(?=[\"(*\[]*[A-Z])", " ".join(paragraph.split()))


def words(sentence):
    return [word for word in sentence.split() if re.search(r"\w", word)]


@pytest.mark.parametrize("page", WRITTEN)
def test_no_sentence_is_longer_than_35_words(page):
    found = list(sentences((ROOT / page).read_text(encoding="utf-8")))
    long = [f"{len(words(sentence))}: {sentence}" for sentence in found if len(words(sentence)) > SENTENCE]
    assert len(found) > 3 and not long, "\n".join(long)


@pytest.mark.parametrize("page", RESULTS)
def test_no_page_of_results_is_longer_than_1_800_words(page):
    assert len((ROOT / page).read_text(encoding="utf-8").split()) <= PAGE


@pytest.mark.parametrize("page", sorted({*WRITTEN, *RESULTS, "results/report.md", "results/part3/leaderboard.md"}))
def test_no_table_is_longer_than_12_rows(page):
    tables = re.findall(r"(?:^\|.*\n)+", (ROOT / page).read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert max((len(table.splitlines()) - 2 for table in tables), default=0) <= ROWS
