"""What a run survives: kills, signals, a second start, a full disk, damaged and malicious checkpoints.

Real processes. Every script that trains is held to the same promises. FAULT_TRIALS=80 in the environment repeats the
kills 80 times.
"""

import csv
import fcntl
import os
import pty
import random
import resource
import shutil
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
import torch

import part3.generate
import part3.score
import part3.train
from common.checkpoint import load_checkpoint
from tests.fast.test_checkpoint import payloads
from tests.scripts import ROOT, run, start

COMMON = ["--patience", 0, "--eval_every", 10, "--train_steps"]
PALINDROMES = ["part1/train.py", "--input_length", 6, "--num_hidden", 16, "--batch_size", 32, *COMMON]
TEXT = [
    *("part3/train.py", "--txt_file", ROOT / "assets/book.txt", "--val_fraction", 0.01, "--seq_length", 10),
    *("--lstm_num_hidden", 16, "--embedding_dim", 8, "--dropout_keep_prob", 0.8, "--batch_size", 8),
    *("--sample_every", 20, "--checkpoint_every", 10, *COMMON),
]
GATED = ["part2/train.py", "--num_hidden", 16, "--batch_size", 8, "--patience", 0]
KINDS = {
    "RNN": [*PALINDROMES[:1], "--model_type", "RNN", *PALINDROMES[1:]],
    "LSTM": [*PALINDROMES[:1], "--model_type", "LSTM", *PALINDROMES[1:]],
    "gated": [*GATED, "--input_length", 6, "--log_tau", 0, 1, "--eval_every", 10, "--train_steps"],
    "waves": [*GATED, "--task", "frequency", "--eval_every", 100, "--train_steps"],
    "sentences": TEXT,
    "streams": [*TEXT[:1], "--sampling", "streams", *TEXT[1:]],
}


def small(kind, steps=200):
    """Script and flags of a small training."""
    return [*KINDS[kind], steps]


def fingerprint(folder):
    """All that must be the same after a resume: weights, optimizer, random streams, metrics but for times, result."""
    state = torch.load(folder / "checkpoint.pt", weights_only=True)
    state.pop("clock")
    with open(folder / "metrics.csv") as file:
        rows = [{k: v for k, v in row.items() if not k.endswith("seconds")} for row in csv.DictReader(file)]
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
    """Finished runs to compare with, one of each kind: folder and seconds of training."""
    runs = {}
    for kind in KINDS:
        folder = tmp_path_factory.mktemp(f"unbroken_{kind}")
        status, _, err = run(*small(kind), "--output_dir", folder)
        assert status == 0, err
        with open(folder / "metrics.csv") as file:
            runs[kind] = folder, float(list(csv.DictReader(file))[-1]["wall_seconds"])
    return runs


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


@pytest.mark.parametrize("trial", range(int(os.environ.get("FAULT_TRIALS", "6"))))
def test_killed_at_a_random_time_and_resumed_equals_unbroken(tmp_path, unbroken, trial):
    kind = list(KINDS)[trial % len(KINDS)]
    whole, seconds = unbroken[kind]
    process = start(*small(kind), "--output_dir", tmp_path / "run")
    wait_for(tmp_path / "run/config.json", process)
    time.sleep(random.Random(trial).uniform(0, seconds))
    process.kill()
    process.communicate()
    assert steps_lost(tmp_path / "run") <= (100 if kind == "waves" else 10), "one checkpoint interval at the most"
    status, _, err = run(*small(kind), "--output_dir", tmp_path / "run", "--resume")
    assert status == 0, err
    assert_same(fingerprint(tmp_path / "run"), fingerprint(whole))
    assert not list((tmp_path / "run").glob("*.tmp"))


@pytest.mark.parametrize("kind", ["LSTM", "streams"])
def test_a_chain_of_resumes_equals_unbroken(tmp_path, unbroken, kind):
    """Ends at 9, 10 and 199 steps: before and at an evaluation, and before the end."""
    for steps in (9, 10, 199, 200):
        status, _, err = run(*small(kind, steps), "--output_dir", tmp_path, "--resume")
        assert status == 0, err
    state, rows, *_ = fingerprint(tmp_path)
    whole_state, whole_rows, *_ = fingerprint(unbroken[kind][0])
    for name in ("model", "optimizer", "training_set" if kind == "LSTM" else "sampler"):
        assert_same(state[name], whole_state[name], name)
    # Each end of the chain evaluates once more; the rows at every tenth step have the same training loss.
    tenth = {row["step"]: row["train_loss"] for row in rows}
    assert all(tenth[row["step"]] == row["train_loss"] for row in whole_rows)


@pytest.mark.parametrize(
    "number, status", [(signal.SIGTERM, 143), (signal.SIGUSR1, 85), (signal.SIGINT, 130)], ids=lambda value: str(value)
)
@pytest.mark.parametrize("kind", ["LSTM", "streams"])
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
    command = err.splitlines()[-1].split("resume with: ")[1]
    resumed = subprocess.run(
        command.replace("python ", f"{sys.executable} ", 1), shell=True, capture_output=True, text=True, cwd=ROOT
    )
    assert resumed.returncode == 0, resumed.stderr
    assert_same(fingerprint(folder), fingerprint(unbroken[kind][0]))


def take_the_terminal():
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def test_ctrl_c_on_a_terminal_with_its_bar(tmp_path):
    terminal, child = pty.openpty()
    process = start(
        *small("LSTM", 100_000), "--output_dir", tmp_path / "run", stdin=child, stdout=child, stderr=child,
        start_new_session=True, preexec_fn=take_the_terminal,
    )  # fmt: skip
    os.close(child)
    wait_for(tmp_path / "run/checkpoint_previous.pt", process)
    os.write(terminal, b"\x03")
    shown = b""
    while True:
        try:
            part = os.read(terminal, 4096)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        shown += part
    assert process.wait(timeout=30) == 130
    text = shown.decode()
    assert "Traceback" not in text and "stopped by SIGINT" in text and "step/s" in text and "left" not in text


def test_started_twice_in_one_folder_exactly_one_runs(tmp_path):
    for trial in range(2):
        folder = tmp_path / str(trial)
        flags = [*small("RNN", 200), "--output_dir", folder, "--resume"]
        processes = [start(*flags) for _ in range(2)]
        errors = [process.communicate(timeout=120)[1] for process in processes]
        statuses = [process.returncode for process in processes]
        # Slow starts may not overlap at all: then the second finds a finished run, and only reports it again.
        if sorted(statuses) == [0, 2]:
            message = errors[statuses.index(2)]
            assert "in use by process" in message and message.count("\n") == 1
        else:
            assert statuses == [0, 0]
        with open(folder / "metrics.csv") as file:
            assert [int(row["step"]) for row in csv.DictReader(file)] == list(range(10, 201, 10))


def test_a_folder_in_use_is_refused(tmp_path):
    process = start(*small("RNN", 10**6), "--output_dir", tmp_path / "run")
    try:
        wait_for(tmp_path / "run/metrics.csv", process)
        status, _, err = run(*small("RNN", 10**6), "--output_dir", tmp_path / "run", "--resume")
        assert status == 2 and f"in use by process {process.pid}" in err and err.count("\n") == 1
    finally:
        process.kill()
        process.communicate()


def limit_files_to(size):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


@pytest.mark.parametrize("kind", ["palindromes", "sentences", "streams"])
def test_a_full_disk_is_one_line_and_the_old_checkpoint_is_resumed(tmp_path, kind):
    """The first checkpoint (no optimizer state yet) fits under the limit, the next does not."""
    flags = ["part1/train.py", "--num_hidden", 64, "--patience", 0, "--eval_every", 10, "--train_steps", 30]
    if kind != "palindromes":
        flags = small(kind, 30)
    assert run(*flags, "--output_dir", tmp_path / "whole")[0] == 0
    size = (tmp_path / "whole/checkpoint.pt").stat().st_size - 1
    status, _, err = run(*flags, "--output_dir", tmp_path / "run", preexec_fn=limit_files_to(size))
    last = err.splitlines()[-1]
    assert status == 1 and "Traceback" not in err and "checkpoint.pt" in last and "bytes are free" in last
    assert torch.load(tmp_path / "run/checkpoint.pt", weights_only=True)["step"] == 0
    status, _, err = run(*flags, "--output_dir", tmp_path / "run", "--resume")
    assert status == 0, err
    assert_same(fingerprint(tmp_path / "run"), fingerprint(tmp_path / "whole"))


@pytest.fixture(params=["RNN", "sentences"])
def finished(tmp_path, unbroken, request):
    """A copy of a finished run, and the command to resume it."""
    shutil.copytree(unbroken[request.param][0], tmp_path / "run")
    return tmp_path / "run", [*small(request.param, 410), "--output_dir", tmp_path / "run", "--resume"]


def test_a_truncated_checkpoint_falls_back_to_the_previous_and_says_so(finished):
    folder, flags = finished
    path = folder / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[:-100])
    status, _, err = run(*flags)
    assert status == 0 and "checkpoint.pt is damaged" in err and "checkpoint_previous.pt" in err
    with open(folder / "metrics.csv") as file:
        assert [int(row["step"]) for row in csv.DictReader(file)] == list(range(10, 411, 10))


@pytest.mark.parametrize(
    "finished, change, named",
    [
        ("RNN", ["--model_type", "LSTM"], "model_type is 'RNN' there and 'LSTM' here"),
        ("RNN", ["--num_hidden", "17"], "num_hidden is 16 there and 17 here"),
        ("sentences", ["--lstm_num_hidden", "17"], "lstm_num_hidden is 16 there and 17 here"),
        ("sentences", ["--seed", "9"], "seed is 0 there and 9 here"),
    ],
    indirect=["finished"],
)
def test_a_checkpoint_of_another_run_is_refused_and_says_what_differs(finished, change, named):
    folder, flags = finished
    before = {p.name: p.read_bytes() for p in folder.iterdir() if p.name != "lock"}
    status, out, err = run(*flags, *change)
    assert (status, out, err.count("\n")) == (2, "", 1) and named in err
    assert before == {p.name: p.read_bytes() for p in folder.iterdir() if p.name != "lock"}


class Malicious:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_a_malicious_checkpoint_is_refused_and_does_not_run(tmp_path, finished, legacy):
    folder, flags = finished
    marker = tmp_path / "executed"
    for name in ("checkpoint.pt", "checkpoint_previous.pt"):
        torch.save({"format": 1, "x": Malicious(marker)}, folder / name, _use_new_zipfile_serialization=not legacy)
    status, _, err = run(*flags)
    assert status == 2 and "Traceback" not in err and not marker.exists()


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("name", [name for name, _ in payloads("")])
@pytest.mark.parametrize("script", [part3.train, part3.generate, part3.score])
def test_every_script_that_loads_refuses_every_malicious_pickle(tmp_path, capsys, script, name, legacy):
    marker, book = tmp_path / "executed", tmp_path / "book.txt"
    book.write_text("a book " * 20)
    state = {"format": 1, "characters": dict(payloads(marker))[name]}
    for path in ("best.pt", "checkpoint.pt", "checkpoint_previous.pt"):
        torch.save(state, tmp_path / path, _use_new_zipfile_serialization=not legacy)
    flags = {
        part3.train: ["--txt_file", book, "--output_dir", tmp_path, "--resume"],
        part3.generate: ["--checkpoint", tmp_path],
        part3.score: ["--checkpoint", tmp_path, "--txt_file", book],
    }
    with pytest.raises(SystemExit) as caught:
        script.main(list(map(str, flags[script])))
    captured = capsys.readouterr()
    assert (caught.value.code, captured.out) == (2, "") and "Traceback" not in captured.err and not marker.exists()


def test_a_file_in_the_way_and_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("mine")
    places = [tmp_path / "file", tmp_path / "file/below", Path("/proc/here")]
    for place in places:
        status, out, err = run("part1/train.py", "--output_dir", place)
        assert (status, out, err.count("\n")) == (2, "", 1) and str(place) in err, place
    assert (tmp_path / "file").read_text() == "mine" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("word", ["weights_only=False", "pickle.load", "allow_pickle=True", "os.system", "shell=True"])
def test_no_unsafe_call_in_the_sources(word):
    sources = [path for path in ROOT.rglob("*.py") if not {"tests", ".venv"} & set(path.relative_to(ROOT).parts)]
    assert len(sources) > 10
    assert not [path for path in sources if word in path.read_text()]
