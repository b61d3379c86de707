"""part3/novelty.py: exact copies, as brute force finds them."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from part3 import novelty
from part3.novelty import longest_shared, share_found
from tests.scripts import call, run

BOOK = "".join(chr(c) for c in np.random.default_rng(0).integers(32, 256, size=700))


@settings(max_examples=300, deadline=None)
@given(st.text("ab\n", max_size=14), st.text("ab\n", max_size=14), st.integers(1, 5))
def test_novelty_is_what_brute_force_finds(sample, book, n):
    lengths = range(len(sample), -1, -1)
    passages = (sample[i : i + length] for length in lengths for i in range(len(sample) - length + 1))
    assert longest_shared(sample, book) == next(passage for passage in passages if passage in book)
    found = [sample[i : i + n] in book for i in range(len(sample) - n + 1)]
    assert share_found(sample, book, n) == pytest.approx(np.mean(found) if found else math.nan, nan_ok=True)


def test_the_script_prints_what_was_copied(tmp_path, capsys, monkeypatch):
    book, copied = tmp_path / "book.txt", BOOK[100:400]
    book.write_text(BOOK, encoding="utf-8", newline="")
    passage, share = f"300 characters: {copied[:60]!r} ... {copied[-60:]!r}", f"{281 / 289:.4f} of 289"
    for sample, told in {
        f"ЖЖЖЖ{copied}ЖЖЖЖ": f"longest shared passage: {passage}\n20-grams found in the book: {share}\n",
        "ЖЖ": "longest shared passage: 0 characters\n20-grams: none, the sample has only 2 characters\n",
    }.items():
        (tmp_path / "sample.txt").write_text(sample, encoding="utf-8", newline="")
        assert call(novelty.main, "--txt_file", book, tmp_path / "sample.txt", capsys=capsys)[:2] == (0, told)
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")  # a terminal that cannot show BOOK
    with open(book) as file:
        status, out, err = run("part3/novelty.py", "--txt_file", book, "-", stdin=file)
    assert status == 0 and "longest shared passage: 700 characters" in out and "1.0000 of 681" in out, err
