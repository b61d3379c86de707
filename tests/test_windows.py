"""The scripts as on Windows, imitated by tests/windows/sitecustomize.py: they run, and write what they write here."""

import os
import re
import time

import pytest

from common.tables import read_records
from tests.scripts import ROOT, run, start

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="it is Linux that imitates Windows")
WINDOWS = {"env": {**os.environ, "PYTHONPATH": str(ROOT / "tests/windows")}, "encoding": "cp1252"}
TINY = ("--num_hidden", 4, "--batch_size", 2, "--eval_every", 5, "--patience", 0)


def outcome(folder):
    """What the files of a run hold, {name: bytes}, but for checkpoints, the lock, and times in metrics.csv."""
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".csv", ".jsonl", ".txt")}
    files["metrics.csv"] = re.sub(rb",[\d.]+,[\d.]+(?=\r?\n)", b"", files["metrics.csv"])
    return files


def both(script, *args, folder=None):
    """Run a script on Windows and here, with an output folder of its own each; returns what the two printed."""
    printed = []
    for name, options in (("windows", WINDOWS), ("here", {})):
        where = ("--output_dir", folder / name) if folder else ()
        status, out, err = run(script, *args, *where, **options)
        assert status == 0, err
        printed.append(out)
    return printed


@pytest.mark.long
def test_a_folder_in_use_is_refused_and_a_killed_run_resumed(tmp_path):
    train = ("part1/train.py", *TINY, "--output_dir", tmp_path / "run", "--resume")
    killed = start(*train, "--train_steps", 10**6, **WINDOWS)
    try:
        while not (rows := tmp_path / "run/metrics.csv").exists() or rows.read_bytes().count(b"\n") < 2:
            assert killed.poll() is None, killed.communicate()
            time.sleep(0.1)
        status, out, err = run(*train, **WINDOWS)
        assert (status, out) == (2, "") and f"is in use by process {killed.pid} on " in err and err.count("\n") == 1
    finally:
        killed.kill()
        killed.communicate()
    steps = 5 * rows.read_bytes().count(b"\n") + 10
    status, out, err = run(*train, "--train_steps", steps, **WINDOWS)
    assert status == 0 and f"{steps} steps" in out, err
    status, out, err = run("part1/train.py", *TINY, "--output_dir", tmp_path / "here", "--train_steps", steps)
    assert status == 0 and outcome(tmp_path / "run") == outcome(tmp_path / "here"), err


@pytest.mark.long
def test_a_gated_run_is_the_same(tmp_path):
    both("part2/train.py", *TINY, "--input_length", 5, "--train_steps", 10, folder=tmp_path)
    assert outcome(tmp_path / "windows") == outcome(tmp_path / "here")


@pytest.mark.long
def test_a_book_is_read_and_written_the_same(tmp_path):
    (tmp_path / "book.txt").write_text("Märchen → Bär, " * 30, encoding="utf-8")
    flags = ("--txt_file", tmp_path / "book.txt", "--lstm_num_hidden", 4, "--seq_length", 5)
    every = ("--train_steps", 10, "--eval_every", 5, "--sample_every", 5)
    both("part3/train.py", *flags, *every, folder=tmp_path)
    assert outcome(tmp_path / "windows") == outcome(tmp_path / "here")
    windows, here = both("part3/generate.py", "--checkpoint", tmp_path / "here", "--prompt", "Bär →", "--length", 100)
    assert windows == here.replace("→", "\\u2192")


@pytest.mark.long
def test_a_sweep_has_the_same_points(tmp_path):
    grid = ("--model_type", "RNN", "--seed", 0, 1, "--workers", 1)
    both("part1/sweep.py", *TINY, *grid, "--train_steps", 5, folder=tmp_path)
    windows, here = (
        [{name: value for name, value in point.items() if "seconds" not in name} for point in read_records(table)]
        for table in (tmp_path / "windows/points.csv", tmp_path / "here/points.csv")
    )
    assert windows == here and len(here) == 2 and b"\r" not in (tmp_path / "windows/points.csv").read_bytes()


def test_the_zip_has_the_same_bytes(tmp_path):
    zips = []
    for options in (WINDOWS, {}):
        status, _, err = run("submit.py", "--lastname", "ng", cwd=tmp_path, **options)
        assert status == 0, err
        zips.append((tmp_path / "ng_assignment2.zip").read_bytes())
    assert zips[0] == zips[1]


def test_what_windows_cannot_is_one_line(tmp_path):
    status, out, err = run("reproduce", "--quick", "--output_dir", tmp_path / "out", **WINDOWS)
    assert (status, out, err.count("\n")) == (2, "", 1) and "needs Linux or macOS" in err
    assert not (tmp_path / "out").exists()
