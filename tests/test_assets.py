"""assets/book.txt is what assets/README.md says."""

import re
from collections import Counter

from part3.text import read_text
from tests.scripts import ROOT

TEXT = read_text(ROOT / "assets/book.txt")


def test_size_and_typography():
    assert len(TEXT) > 200_000 and len(set(TEXT)) == 65 and TEXT.isascii()
    assert max(map(len, TEXT.splitlines())) <= 72


def test_sixty_four_tales_and_no_sentence_twice():
    tales = TEXT.split("\n\n\n")
    assert len(tales) == 64 and all(3_000 < len(tale) < 5_000 for tale in tales)
    titles = [tale.split("\n")[0] for tale in tales]
    assert len(set(titles)) == 64 and all(title == title.upper() for title in titles)
    sentences = re.split(r"(?<=[.!?])\s+", TEXT.replace("\n", " "))
    assert not [s for s, count in Counter(sentences).items() if count > 1 and len(s) > 40]
