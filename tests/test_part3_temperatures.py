"""part3/temperatures.py: its three measures are what they are called, and the figure comes from its table."""

import math

import pytest

from common.tables import grouped, read_records
from part3 import temperatures
from part3.temperatures import share_known, share_repeated, words_of
from tests.scripts import ROOT, call, run


def test_words_are_letters_in_lower_case_with_their_apostrophes_and_shares_are_counted():
    words = words_of("\"It's the Miller's,\" said 'Jem', 3 times_over.")
    assert words == ["it's", "the", "miller's", "said", "jem", "times", "over"]
    assert share_known("The cat, the dog", {"the", "cat"}) == 0.75
    assert math.isnan(share_known("... 12", {"the"}))
    shares = [share_repeated(text, n=3) for text in ("abcdef", "aaaaaa", "abcabc", "ab")]
    assert shares == pytest.approx([0, 0.75, 0.25, math.nan], nan_ok=True)


def test_the_table_and_its_figure(tmp_path, capsys):
    flags = ["--temperature", 0, 1, 3, "--length", 400, "--seeds", 2, "--output_dir", tmp_path]
    assert call(temperatures.main, *flags, capsys=capsys)[0] == 0
    rows = read_records(tmp_path / "temperatures.csv")
    assert [(row["temperature"], row["seed"]) for row in rows] == [(t, s) for t in (0, 1, 3) for s in (0, 1)]
    cold, warm, hot = grouped(rows, "temperature").values()
    assert min(row["known_words"] for row in cold) > max(row["known_words"] for row in hot)
    assert min(row["repeated"] for row in cold) > max(row["repeated"] for row in warm)
    assert all(row["known_words"] > row["repeated"] for row in warm)
    flags = ["--csv", tmp_path / "temperatures.csv", "--output_dir", tmp_path]
    status, out, err = run("part3/plot_temperatures.py", *flags)
    assert (status, len(out.splitlines())) == (0, 5), err
    assert (tmp_path / "temperatures.png").read_bytes().startswith(b"\x89PNG")
    status, out, err = run("part3/plot_temperatures.py", "--csv", ROOT / "results/part3/runs/runs.csv")
    assert (status, out, err.count("\n")) == (2, "", 1) and "runs.csv is not a table" in err
