"""common/: argument types, device choice, atomic files, clock, progress, stop flag."""

import argparse
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from common.arguments import Parser, number_between, positive_number, whole_number
from common.clock import Clock
from common.device import choose_device
from common.files import append_line, write_atomically
from common.progress import Progress


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "1e6", "nan", "inf", "ten", "", "8", "1_0 0"])
def test_whole_number_refuses_and_names_the_value_and_the_range(text):
    with pytest.raises(argparse.ArgumentTypeError, match="from 1 to 7") as caught:
        whole_number(1, 7)(text)
    assert repr(text) in str(caught.value)


def test_whole_number_takes_its_ends():
    assert [whole_number(1, 7)(text) for text in ("1", "7")] == [1, 7]


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "-inf", "fast", ""])
def test_positive_number_refuses(text):
    with pytest.raises(argparse.ArgumentTypeError, match="finite number above 0"):
        positive_number(text)


def test_positive_number_takes_small_and_large():
    assert [positive_number(text) for text in ("1e-300", "3e8")] == [1e-300, 3e8]


@pytest.mark.parametrize("text", ["0", "1.1", "-1", "nan", "inf", "x"])
def test_number_between_refuses_and_names_the_ends(text):
    with pytest.raises(argparse.ArgumentTypeError, match="above 0 to 1"):
        number_between(0, 1, high_too=True)(text)
    assert number_between(0, 1, high_too=True)("1") == 1 and number_between(0, 1, low_too=True)("0") == 0


def test_parser_fails_in_one_line_with_status_2(capsys):
    parser = Parser("something")
    parser.add_argument("--size", type=whole_number(1, 3))
    with pytest.raises(SystemExit) as caught:
        parser.parse_args(["--size", "x\ny"])
    captured = capsys.readouterr()
    assert caught.value.code == 2 and captured.out == ""
    assert captured.err.count("\n") == 1 and "--size" in captured.err and "from 1 to 3" in captured.err


def test_parser_takes_no_abbreviations():
    parser = Parser("something")
    parser.add_argument("--learning_rate")
    with pytest.raises(SystemExit):
        parser.parse_args(["--learning", "1"])


def test_command_gives_the_same_settings_again():
    import shlex

    parser = Parser("something")
    parser.add_argument("--size", type=int, default=3)
    parser.add_argument("--name", default=None)
    parser.add_argument("--fast", action="store_true")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    config = parser.parse_args(["--size", "4", "--seeds", "1", "2"])
    command = parser.command(config, name="a folder", fast=True)
    again = parser.parse_args(shlex.split(command)[2:])
    assert vars(again) == {"size": 4, "name": "a folder", "fast": True, "seeds": [1, 2]}


def test_device_auto_and_cpu():
    best = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    assert choose_device("auto").type == best
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["cuda:99", "gpu", "", "cuda:x", "meta", "xpu"])
def test_a_device_that_is_not_there_is_named(name):
    with pytest.raises(ValueError) as caught:
        choose_device(name)
    assert repr(name) in str(caught.value) and "\n" not in str(caught.value)


def test_where_float64_is_needed_it_is_not_mps(monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto").type == choose_device("mps").type == "mps"
    assert choose_device("auto", needs_float64=True).type == "cpu"
    with pytest.raises(ValueError, match="'mps' has no float64"):
        choose_device("mps", needs_float64=True)


def test_write_atomically_keeps_the_previous_file(tmp_path):
    path, previous = tmp_path / "a", tmp_path / "b"
    write_atomically(path, "one", keep_previous_as=previous)
    assert path.read_text() == "one" and not previous.exists()
    write_atomically(path, b"two", keep_previous_as=previous)
    assert path.read_text() == "two" and previous.read_text() == "one"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full, a device that is always full")
def test_a_full_disk_is_told_with_the_path_and_the_free_space(tmp_path):
    path = tmp_path / "a"
    path.with_name("a.tmp").symlink_to("/dev/full")
    path.write_text("old")
    with pytest.raises(OSError, match=r"No space left on device \([\d,]+ bytes are free there\)") as caught:
        write_atomically(path, "new")
    assert str(path) in str(caught.value)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
    with pytest.raises(OSError, match="bytes are free there"):
        append_line("/dev/full", "row")


def test_clock_goes_on_where_it_was():
    clock = Clock()
    clock.load_state_dict({"cpu_seconds": 100.0, "wall_seconds": 200.0})
    start = time.process_time()
    while time.process_time() < start + 0.02:
        pass
    state = clock.state_dict()
    assert 100.02 <= state["cpu_seconds"] < 110 and 200.0 < state["wall_seconds"] < 260


def test_a_paused_clock_stands(tmp_path):
    clock = Clock()
    with clock.paused():
        time.sleep(0.3)
    assert clock.wall_seconds < 0.2


def test_progress_says_lines_where_there_is_no_terminal(capsys, monkeypatch):
    monkeypatch.setattr("common.progress.SECONDS_BETWEEN_LINES", 0)
    with Progress(9, done=6) as progress:
        progress.advance("loss 1.5")
        progress.advance()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and lines[0].startswith("step 7/9, at most 00:0") and lines[1].endswith("loss 1.5")


def test_progress_can_be_silent(capsys, monkeypatch):
    monkeypatch.setattr("common.progress.SECONDS_BETWEEN_LINES", 0)
    with Progress(3, show=False) as progress:
        progress.advance()
    assert capsys.readouterr().err == ""


STOPPABLE = """
import sys, time
from common.stop import StopFlag
stop = StopFlag()
print("ready", flush=True)
while not stop or "deaf" in sys.argv:
    time.sleep(0.01)
sys.exit(stop.exit_status)
"""


@pytest.mark.parametrize(
    "number, status", [(signal.SIGTERM, 143), (signal.SIGUSR1, 85), (signal.SIGINT, 130)], ids=lambda value: str(value)
)
def test_stop_flag_is_set_by_a_signal(number, status):
    process = subprocess.Popen([sys.executable, "-c", STOPPABLE], stdout=subprocess.PIPE)
    process.stdout.readline()
    process.send_signal(number)
    assert process.wait(timeout=10) == status


def test_a_second_ctrl_c_ends_at_once():
    process = subprocess.Popen([sys.executable, "-c", STOPPABLE, "deaf"], stdout=subprocess.PIPE)
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    time.sleep(0.2)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=10) == 130
