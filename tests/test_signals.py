"""Signals, closed streams, readers that leave, threads and notebooks: silence or one line, the promised status."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.scripts import ROOT, start

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has other signals")
TINY = ("--num_hidden", 4, "--batch_size", 4, "--eval_every", 10**6, "--train_steps", 10**9)


def test_the_terminal_closes_and_the_run_is_saved_but_under_nohup_it_goes_on(tmp_path):
    for deaf, status in (((), 129), ((signal.SIGHUP, signal.SIGINT), 143)):

        def ignore(deaf=deaf):
            for number in (signal.SIGHUP, signal.SIGINT):  # the tests themselves may run under nohup
                signal.signal(number, signal.SIG_IGN if number in deaf else signal.SIG_DFL)

        folder = tmp_path / str(status)
        process = start("part1/train.py", *TINY, "--output_dir", folder, preexec_fn=ignore)
        while not (folder / "checkpoint.pt").exists():
            assert process.poll() is None
            time.sleep(0.05)
        for number in deaf or (signal.SIGHUP,):
            process.send_signal(number)
        time.sleep(0.5)
        assert not deaf or process.poll() is None
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
        assert process.returncode == status and "saved in" in err and "Traceback" not in err


OFTEN_USED = ["part1/train.py", "part2/experiments/plot_recover_gate.py", "part3/generate.py"]
WITHOUT_TORCH = ("part2/playground.py", "part3/novelty.py", "reproduce/collect.py")  # over before a signal could come
SCRIPTS = sorted(
    str(path.relative_to(ROOT))
    for folder in ("part1", "part2", "part3", "reproduce")
    for path in (ROOT / folder).rglob("*.py")
    if "__main__" in path.read_text(encoding="utf-8") and path.relative_to(ROOT).as_posix() not in WITHOUT_TORCH
)


@pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="sees through /proc what a process imports")
@pytest.mark.parametrize("script", [s if s in OFTEN_USED else pytest.param(s, marks=pytest.mark.long) for s in SCRIPTS])
def test_while_a_script_imports_ctrl_c_and_sigterm_end_it_silently(script):
    for number in (signal.SIGINT, signal.SIGTERM):
        process = start(script, fresh=True)
        while "libtorch" not in Path(f"/proc/{process.pid}/maps").read_text():
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(number)
        assert (*process.communicate(timeout=60), process.returncode) == ("", "", -number)  # 128 + number in a shell


LONG = ["part1/sweep.py", "--dry_run", "--seed", *range(300)]


@pytest.mark.parametrize(
    "command",
    [pytest.param(["part3/train.py", "--help"], marks=pytest.mark.long), LONG, ["assets/download.py", "--list"]],
)
def test_what_nobody_reads_is_dropped(command):
    process = start(*command, fresh=True)
    process.stdout.close()
    assert (process.stderr.read(), process.wait(timeout=60)) == ("", 0)


@pytest.mark.long
def test_a_training_goes_on_when_nobody_reads_its_progress(tmp_path, monkeypatch):
    """Its lines on standard error too, as with `2>&1 | head -1`."""
    read, write = os.pipe()
    steps = (*TINY[:-1], 3_000)
    env = {**os.environ, "PYTHONUNBUFFERED": "1"}
    process = start("part1/train.py", *steps, "--output_dir", tmp_path, stdout=write, stderr=write, env=env)
    os.close(read)
    os.close(write)
    assert process.wait(timeout=120) == 0 and (tmp_path / "result.json").exists()


TRAIN = ("part1/train.py", "--num_hidden", 4, "--train_steps", 2, "--output_dir", "run")
SWEEP = ("part1/sweep.py", "--num_hidden", 4, "--train_steps", 2, "--workers", 1, "--output_dir", "sweep")
ALL = ">&- 2>&- <&-"


@pytest.mark.parametrize(
    "command, closed",
    [
        pytest.param(("part3/train.py", "--help"), ALL, marks=pytest.mark.long),
        pytest.param(("part3/generate.py", "--length", 20), ALL, marks=pytest.mark.long),
        pytest.param(SWEEP, ALL, marks=pytest.mark.long),
        (TRAIN, ALL),
        *(pytest.param(TRAIN, closed, marks=pytest.mark.long) for closed in (">&-", "2>&-")),
    ],
)
def test_closed_streams_are_no_error(tmp_path, command, closed):
    words = " ".join([sys.executable, str(ROOT / command[0]), *map(str, command[1:])])
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(["bash", "-c", f"{words} {closed}"], cwd=tmp_path, capture_output=True, text=True, env=env)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    for path in tmp_path.glob("*/*"):  # nothing printed went into a file that took the number of a closed stream
        assert b"accuracy 0" not in path.read_bytes() and b"RNN, input" not in path.read_bytes()


CODE = """
import os, signal, sys, threading
from part1 import train
sys.argv = ["/somewhere/ipykernel_launcher.py", "-f", "kernel.json"]
flags = ["--num_hidden", "4", "--output_dir", os.environ["FOLDER"], "--train_steps"]
"""


def called(tmp_path, code):
    """Python code from a notebook, as it were."""
    env = {**os.environ, "FOLDER": str(tmp_path / "run")}
    done = subprocess.run([sys.executable, "-c", CODE + code], cwd=ROOT, capture_output=True, text=True, env=env)
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.mark.long
def test_in_a_thread_no_signal_is_heard_and_a_line_says_so(tmp_path):
    done = called(tmp_path, 'threading.Thread(target=train.main, args=[[*flags, "2"]]).start()')
    assert done.returncode == 0 and "2 steps" in done.stdout
    assert done.stderr.count("\n") == 1 and "no signal" in done.stderr


def test_who_calls_main_finds_the_signals_as_before_and_the_command_names_the_script(tmp_path):
    code = """
before = [signal.getsignal(number) for number in (1, 2, 10, 15)]
threading.Timer(3, os.kill, (os.getpid(), signal.SIGTERM)).start()
try:
    train.main([*flags, "1000000000"])
except SystemExit as end:
    assert end.code == 143
assert [signal.getsignal(number) for number in (1, 2, 10, 15)] == before
import atexit
atexit.register(lambda: os.kill(os.getpid(), signal.SIGTERM))  # runs first: and ends it, as before main() was called
"""
    done = called(tmp_path, code)
    assert done.returncode == -signal.SIGTERM and done.stderr.count("\n") == 1
    assert " python part1/train.py --num_hidden 4 " in done.stderr
