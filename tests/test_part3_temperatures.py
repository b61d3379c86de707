"""part3/temperatures.py: its three measures are what they are called, and the figure comes from its table."""

import csv
import math

import pytest

from part3 import plot_temperatures, temperatures
from part3.temperatures import share_known, share_repeated, words_of
from tests.scripts import ROOT, call, run


def test_words_are_letters_in_lower_case_with_the_apostrophes_between_them():
    words = words_of("\"It's the Miller's,\" said 'Jem', 3 times_over.")
    assert words == ["it's", "the", "miller's", "said", "jem", "times", "over"]


def test_the_share_of_known_words():
    assert share_known("The cat, the dog", {"the", "cat"}) == 0.75
    assert math.isnan(share_known("... 12", {"the"}))


@pytest.mark.parametrize("text, share", [("abcdef", 0), ("aaaaaa", 0.75), ("abcabc", 0.25), ("ab", math.nan)])
def test_the_share_of_repeated_passages(text, share):
    assert share_repeated(text, n=3) == pytest.approx(share, nan_ok=True)


def test_the_table_and_its_figure(tmp_path, capsys):
    flags = ["--length", 400, "--seeds", 2, "--output_dir", tmp_path]
    assert call(temperatures.main, "--temperature", 0, 1, 3, *flags, capsys=capsys)[0] == 0
    with open(tmp_path / "temperatures.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["temperature"], row["seed"]) for row in rows] == [(t, s) for t in "013" for s in "01"]
    known, repeated = (
        {(row["temperature"], row["seed"]): float(row[name]) for row in rows} for name in ("known_words", "repeated")
    )
    assert min(known["0", s] for s in "01") > max(known["3", s] for s in "01")
    assert min(repeated["0", s] for s in "01") > max(repeated["1", s] for s in "01")
    flags = ["--csv", tmp_path / "temperatures.csv", "--output_dir", tmp_path]
    assert len(call(plot_temperatures.main, *flags, capsys=capsys)[1].splitlines()) == 5
    assert (tmp_path / "temperatures.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "args, named",
    [
        (("part3/temperatures.py", "--temperature", "-1"), "-1"),
        (("part3/temperatures.py", "--txt_file", "no_such_book.txt"), "no_such_book.txt"),
        (("part3/plot_temperatures.py", "--csv", ROOT / "results/part3/runs/runs.csv"), "runs.csv"),
    ],
)
def test_bad_input_costs_one_line(args, named):
    status, out, err = run(*args)
    assert (status, out, err.count("\n")) == (2, "", 1) and named in err
