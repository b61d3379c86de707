"""part3/leaderboard.py: the final weights of each run, on its own held-out text, as part3/score.py scores them."""

import json
import re

import pytest

from common.tables import read_records
from part3 import leaderboard, ngram, score, train
from tests.scripts import ROOT, call

TINY = ("--lstm_num_hidden", 6, "--embedding_dim", 3, "--batch_size", 4, "--seq_length", 9, "--eval_every", 2)
LOSS = re.compile(r"nats per character +(\S+)")


@pytest.fixture
def runs(tmp_path, capsys, monkeypatch):
    """A folder of two runs on texts of their own, a_seed0 and b_seed1, whose best weights are not there."""
    monkeypatch.setattr(train, "keep_freed_memory", lambda: None)
    monkeypatch.setattr(leaderboard, "keep_freed_memory", lambda: None)
    book = (ROOT / "assets/book.txt").read_text()
    for name, start, share in (("a_seed0", 0, 0.2), ("b_seed1", 9_000, 0.3)):
        text = tmp_path / f"{name}.txt"
        text.write_text(book[start : start + 3_000])
        flags = ("--txt_file", text, "--val_fraction", share, *TINY, "--train_steps", 3)
        assert call(train.main, *flags, "--output_dir", tmp_path / f"runs/{name}", capsys=capsys)[0] == 0
        (tmp_path / f"runs/{name}/best.pt").write_bytes(b"the best of many looks")
    return tmp_path / "runs"


def test_a_row_a_run_is_what_score_prints_of_its_final_weights(runs, tmp_path, capsys):
    assert call(leaderboard.main, runs, "--output_dir", tmp_path / "new", capsys=capsys)[0] == 0
    rows = read_records(tmp_path / "new/leaderboard.csv")
    assert [row["run"] for row in rows] == ["a_seed0", "b_seed1", "5gram_a_seed0", "5gram_b_seed1"]
    assert [row["characters"] for row in rows] == [599, 899] * 2
    for row, floor, share in zip(rows[:2], rows[2:], (0.2, 0.3), strict=True):
        flags = ("--txt_file", tmp_path / f"{row['run']}.txt", "--val_fraction", share)
        for protocol, more in (("carried", ()), ("blocks", ("--block_size", 256)), ("dynamic", ("--dynamic",))):
            final = runs / row["run"] / "checkpoint.pt"
            _, out, _ = call(score.main, *flags, *more, "--checkpoint", final, capsys=capsys)
            assert float(LOSS.search(out)[1]) == pytest.approx(row[protocol], abs=6e-5)
        _, out, _ = call(ngram.main, *flags, capsys=capsys)
        assert f" {floor['carried']:.4f} nats" in out
        assert row["dynamic"] != row["carried"] != row["blocks"] and row["updates"] == 3


def test_a_name_chooses_the_runs_and_one_that_chooses_none_is_refused(runs, tmp_path, capsys):
    assert call(leaderboard.main, runs, "--name", "b", "--output_dir", runs, capsys=capsys)[0] == 0
    assert [row["run"] for row in read_records(runs / "leaderboard.csv")] == ["b_seed1", "5gram_b_seed1"]
    status, _, err = call(leaderboard.main, runs, "--name", "c", "d", "--output_dir", tmp_path / "new", capsys=capsys)
    assert status == 2 and err.endswith(f"{runs} has no run whose name begins with c or d\n")
    assert not (tmp_path / "new").exists()


def test_a_text_that_has_changed_and_runs_that_cannot_be_scored_are_refused(runs, tmp_path, capsys):
    (tmp_path / "a_seed0.txt").write_text("another text. " * 300)
    status, _, err = call(leaderboard.main, runs, "--output_dir", tmp_path / "new", capsys=capsys)
    assert status == 2 and "a_seed0.txt is not the text of a_seed0" in err
    config = json.loads((runs / "b_seed1/config.json").read_text())
    for changed in ({"lines": True}, {"val_fraction": 0}, {"txt_file": ["x.txt", "-"]}):
        (runs / "b_seed1/config.json").write_text(json.dumps(config | changed))
        status, _, err = call(leaderboard.main, runs, "--name", "b", "--output_dir", tmp_path / "new", capsys=capsys)
        assert status == 2 and "b_seed1 cannot be scored: a list, standard input, or no held-out text" in err
    assert not (tmp_path / "new").exists()
