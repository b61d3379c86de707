"""What a run survives: kills, signals, a second start, a full disk, a lack of memory, a damaged checkpoint.

Real processes. Every script that trains is held to the same promises, some kinds of run with --long only.
FAULT_TRIALS=80 in the environment repeats the kills 80 times.
"""

import contextlib
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from functools import cache, partial
from pathlib import Path

import pytest
import torch

from common.arguments import with_flags
from common.checkpoint import load_checkpoint
from common.tables import read_records
from tests.scripts import ROOT, new_terminal, run, start

OFTEN = ["--patience", 0, "--eval_every", 10]
PALINDROMES = ["part1/train.py", "--input_length", 6, "--num_hidden", 16, "--batch_size", 32, *OFTEN]
GATED = ["part2/train.py", "--num_hidden", 16, "--batch_size", 8, *OFTEN]
TEXT = [
    *("part3/train.py", "--txt_file", ROOT / "assets/book.txt", "--val_fraction", 0.01, "--seq_length", 10),
    *("--lstm_num_hidden", 16, "--embedding_dim", 8, "--dropout_keep_prob", 0.8, "--batch_size", 8),
    *("--sample_every", 20, "--checkpoint_every", 10, *OFTEN),
]
KINDS = {
    "LSTM": [*PALINDROMES, "--model_type", "LSTM"],
    "gated": [*GATED, "--input_length", 6, "--log_tau", 0, 1],
    "streams": [*TEXT, "--sampling", "streams"],
    "RNN": [*PALINDROMES, "--model_type", "RNN"],
    "sentences": TEXT,
    "waves": [*GATED[:-1], 100, "--task", "frequency"],
}
long = partial(pytest.param, marks=pytest.mark.long)


def small(kind, steps=200):
    """Script and flags of a small training."""
    return [*KINDS[kind], "--train_steps", steps]


def ends_well(*args):
    """Run a training to its end; what it says on standard error."""
    status, _, err = run(*args)
    assert status == 0, err
    return err


def fingerprint(folder):
    """All that must be the same after a resume: weights, optimizer, random streams, metrics but for times, result."""
    state = torch.load(folder / "checkpoint.pt", weights_only=True)
    state.pop("clock")
    state.pop("tables")  # digests of metrics.csv, which has times, and of the samples, compared below
    rows = [{k: v for k, v in row.items() if not k.endswith("seconds")} for row in read_records(folder / "metrics.csv")]
    result = [line for line in (folder / "result.json").read_text().splitlines() if "seconds" not in line]
    samples = [path.read_text() for path in sorted(folder.glob("samples*"))]
    return state, rows, result, samples


def assert_same(a, b, where="state"):
    assert type(a) is type(b), where
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b), where
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            if key != "train_steps":
                assert_same(a[key], b[key], f"{where}.{key}")
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b), where
        for index, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same(x, y, f"{where}[{index}]")
    else:
        assert a == b, where


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """A function of a kind: its finished run to compare with, folder and seconds of training."""

    @cache
    def run_of(kind):
        folder = tmp_path_factory.mktemp(f"unbroken_{kind}")
        ends_well(*small(kind), "--output_dir", folder)
        return folder, read_records(folder / "metrics.csv")[-1]["wall_seconds"]

    return run_of


def wait_for(path, process, seconds=120):
    """Wait until the process has written the file."""
    end = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None and time.monotonic() < end, f"{path} never came"
        time.sleep(0.005)


def steps_lost(folder):
    """Updates between the checkpoint that a resume begins with and the last row written; 0 before the first row."""
    state = load_checkpoint(folder)
    rows = (folder / "metrics.csv").read_text().splitlines()[1:] if (folder / "metrics.csv").exists() else []
    steps = [int(row.split(",")[0]) for row in rows if row.count(",") == 6]
    return max(0, max(steps, default=0) - (state["step"] if state else 0))


TRIALS = int(os.environ.get("FAULT_TRIALS", "0"))


@pytest.mark.parametrize("trial", range(TRIALS) if TRIALS else [0, 1, 2, long(3), long(4), long(5)])
def test_killed_at_a_random_time_and_resumed_equals_unbroken(tmp_path, unbroken, trial):
    kind = list(KINDS)[trial % len(KINDS)]
    whole, seconds = unbroken(kind)
    process = start(*small(kind), "--output_dir", tmp_path / "run")
    wait_for(tmp_path / "run/config.json", process)
    time.sleep(random.Random(trial).uniform(0, seconds))
    process.kill()
    process.communicate()
    assert steps_lost(tmp_path / "run") <= (100 if kind == "waves" else 10), "one checkpoint interval at the most"
    ends_well(*small(kind), "--output_dir", tmp_path / "run", "--resume")
    assert_same(fingerprint(tmp_path / "run"), fingerprint(whole))
    assert not list((tmp_path / "run").glob("*.tmp"))


@pytest.mark.parametrize("kind", [long("LSTM"), "streams"])
def test_a_chain_of_resumes_equals_unbroken(tmp_path, unbroken, kind):
    """Ends at 9, 10 and 199 steps: before and at an evaluation, and before the end."""
    for steps in (9, 10, 199, 200):
        ends_well(*small(kind, steps), "--output_dir", tmp_path, "--resume")
    state, rows, *_ = fingerprint(tmp_path)
    whole_state, whole_rows, *_ = fingerprint(unbroken(kind)[0])
    for name in ("model", "optimizer", "training_set" if kind == "LSTM" else "sampler"):
        assert_same(state[name], whole_state[name], name)
    # Each end of the chain evaluates once more; the rows at every tenth step have the same training loss.
    tenth = {row["step"]: row["train_loss"] for row in rows}
    assert all(tenth[row["step"]] == row["train_loss"] for row in whole_rows)


@pytest.mark.parametrize(
    "kind, number, status",
    [
        long("LSTM", signal.SIGTERM, 143),
        ("LSTM", signal.SIGINT, 130),
        long("LSTM", signal.SIGUSR1, 85),
        long("streams", signal.SIGTERM, 143),
        long("streams", signal.SIGINT, 130),
        ("streams", signal.SIGUSR1, 85),
    ],
    ids=str,
)
def test_a_signal_saves_the_current_step_and_the_resume_equals_unbroken(tmp_path, unbroken, kind, number, status):
    folder = tmp_path / "run"
    process = start(*small(kind), "--output_dir", folder)
    wait_for(folder / "metrics.csv", process)  # from the first evaluation on, at step 10 of 200
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == status
    assert "Traceback" not in err and "saved" in err and "--resume" in err.splitlines()[-1]
    assert not (folder / "result.json").exists()

    # The line that says how to resume is a command that works as it stands.
    command = err.splitlines()[-1].split("resume with: python ")[1]
    resumed = subprocess.run(f"{sys.executable} {command}", shell=True, capture_output=True, text=True, cwd=ROOT)
    assert resumed.returncode == 0, resumed.stderr
    assert_same(fingerprint(folder), fingerprint(unbroken(kind)[0]))


def test_ctrl_c_on_a_terminal_with_its_bar(tmp_path):
    terminal, child = new_terminal()
    process = start(*small("LSTM", 100_000), "--output_dir", tmp_path / "run", stdout=child, stderr=child)
    os.close(child)
    wait_for(tmp_path / "run/checkpoint_previous.pt", process)
    process.send_signal(signal.SIGINT)
    shown = b""
    with contextlib.suppress(OSError):  # the other end is closed
        while part := os.read(terminal, 4096):
            shown += part
    assert process.wait(timeout=30) == 130
    text = shown.decode()
    assert "Traceback" not in text and "stopped by SIGINT" in text and "step/s" in text and "left" not in text


def test_a_folder_in_use_is_refused(tmp_path):
    process = start(*small("RNN", 10**6), "--output_dir", tmp_path / "run")
    try:
        wait_for(tmp_path / "run/metrics.csv", process)
        status, _, err = run(*small("RNN", 10**6), "--output_dir", tmp_path / "run", "--resume")
        assert status == 2 and f"in use by process {process.pid}" in err and err.count("\n") == 1
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("kind", [long("RNN"), long("gated"), "streams"])
def test_a_full_disk_is_one_line_and_the_old_checkpoint_is_resumed(tmp_path, kind):
    """The first checkpoint (no optimizer state yet) fits under the limit, the next does not."""
    flags = small(kind, 30)
    ends_well(*flags, "--output_dir", tmp_path / "whole")
    size = (tmp_path / "whole/checkpoint.pt").stat().st_size - 1

    def limit_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    status, _, err = run(*flags, "--output_dir", tmp_path / "run", preexec_fn=limit_files)
    last = err.splitlines()[-1]
    assert status == 1 and "Traceback" not in err and "checkpoint.pt" in last and "bytes are free" in last
    assert torch.load(tmp_path / "run/checkpoint.pt", weights_only=True)["step"] == 0
    ends_well(*flags, "--output_dir", tmp_path / "run", "--resume")
    assert_same(fingerprint(tmp_path / "run"), fingerprint(tmp_path / "whole"))


@pytest.mark.parametrize(
    "flags",
    [
        long(["part1/train.py", "--model_type", "LSTM", "--input_length", 100, "--batch_size", 1_000_000]),
        [*TEXT[:3], "--batch_size", 1_000_000, "--seq_length", 1_000, "--lstm_num_hidden", 1_000],
    ],
    ids=lambda flags: flags[0],
)
def test_memory_that_cannot_be_had_is_foretold_and_then_one_line(tmp_path, flags):
    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (6 * 2**30, 6 * 2**30))

    status, _, err = run(*flags, "--device", "cpu", "--output_dir", tmp_path / "run", preexec_fn=limit)
    warning, *_, last = err.splitlines()
    assert status == 1 and re.search(r"an update needs about [\d.e+]+ GB of memory", warning), err
    assert "there is not enough memory: " in last and "lower --" in last and "Traceback" not in err


def finished(unbroken, kind, folder):
    """Copy a finished run into the folder; the command to resume it."""
    shutil.copytree(unbroken(kind)[0], folder)
    return [*small(kind, 410), "--output_dir", folder, "--resume"]


@pytest.mark.parametrize("kind", ["RNN", "sentences"])
def test_a_truncated_checkpoint_falls_back_to_the_previous_and_says_so(tmp_path, unbroken, kind):
    flags = finished(unbroken, kind, tmp_path / "run")
    path = tmp_path / "run/checkpoint.pt"
    path.write_bytes(path.read_bytes()[:-100])
    err = ends_well(*flags)
    assert "checkpoint.pt is damaged" in err and "checkpoint_previous.pt" in err
    assert [row["step"] for row in read_records(tmp_path / "run/metrics.csv")] == list(range(10, 411, 10))


@pytest.mark.parametrize(
    "kind, change, named",
    [
        ("RNN", ["--model_type", "LSTM"], "model_type is 'RNN' there and 'LSTM' here"),
        ("RNN", ["--num_hidden", 17], "num_hidden is 16 there and 17 here"),
        ("sentences", ["--lstm_num_hidden", 17], "lstm_num_hidden is 16 there and 17 here"),
        ("sentences", ["--seed", 9], "seed is 0 there and 9 here"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused_and_says_what_differs(tmp_path, unbroken, kind, change, named):
    def files():
        return {path.name: path.read_bytes() for path in tmp_path.glob("run/*") if path.name != "lock"}

    flags = finished(unbroken, kind, tmp_path / "run")
    before = files()
    status, out, err = run(*with_flags([*map(str, flags)], [*map(str, change)]))
    assert (status, out, err.count("\n")) == (2, "", 1) and named in err and files() == before


def test_a_file_in_the_way_and_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("mine")
    places = [tmp_path / "file", tmp_path / "file/below", Path("/proc/here")]
    for place in places:
        status, out, err = run("part1/train.py", "--output_dir", place)
        assert (status, out, err.count("\n")) == (2, "", 1) and str(place) in err, place
    assert (tmp_path / "file").read_text() == "mine" and len(list(tmp_path.iterdir())) == 1
