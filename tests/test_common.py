"""common/: argument types, devices, files and tables, clock, progress, stop flag, figures."""

import argparse
import os
import shlex
import signal
import subprocess
import sys
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from common import device, training
from common.arguments import Parser, number_between, positive_number, whole_number
from common.device import choose_device, has_float64, in_fresh_process, in_turn, timed
from common.files import append_line, write_atomically
from common.printing import Progress
from common.tables import read_records, write_records
from common.training import Clock, DivergedError, check_finite
from tests.scripts import ROOT

SHARE = number_between(0, 1, include_high=True)


@pytest.mark.parametrize(
    "parse, texts, allowed",
    [
        (whole_number(1, 7), ["0", "-1", "1.5", "1e6", "nan", "inf", "ten", "", "8", "1_0 0"], "from 1 to 7"),
        (positive_number, ["0", "-1", "nan", "inf", "-inf", "1e308", "fast", ""], "number above 0 and below 1e"),
        (SHARE, ["0", "1.1", "-1", "nan", "inf", "x"], "above 0 to 1"),
    ],
)
def test_an_argument_type_refuses_and_names_the_value_and_the_range(parse, texts, allowed):
    for text in texts:
        with pytest.raises(argparse.ArgumentTypeError, match=allowed) as caught:
            parse(text)
        assert repr(text) in str(caught.value)


def test_an_argument_type_takes_its_ends():
    assert [whole_number(1, 7)(text) for text in ("1", "7")] == [1, 7]
    assert [positive_number(text) for text in ("1e-300", "3e8")] == [1e-300, 3e8]
    assert SHARE("1") == 1 and number_between(0, 1, include_low=True)("0") == 0


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


def test_settings_are_the_defaults_with_changes():
    parser = Parser("something")
    parser.add_argument("--size", type=int, default=3)
    parser.add_argument("--fast", action="store_true")
    assert vars(parser.settings(size=4)) == {"size": 4, "fast": False}
    with pytest.raises(TypeError, match="speed"):
        parser.settings(speed=1)


def test_command_gives_the_same_settings_again():
    parser = Parser("something")
    parser.add_argument("--size", type=int, default=3)
    parser.add_argument("--name", default=None)
    parser.add_argument("--fast", action="store_true")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    config = parser.parse_args(["--size", "4", "--seeds", "1", "2"])
    command = parser.command(config, name="a folder", fast=True)
    again = parser.parse_args(shlex.split(command)[2:])
    assert vars(again) == {"size": 4, "name": "a folder", "fast": True, "seeds": [1, 2]}


@pytest.mark.parametrize("name", ["cuda:99", "gpu", "", "cuda:x", "meta", "xpu"])
def test_a_device_that_is_not_there_is_named(name):
    assert choose_device("cpu") == torch.device("cpu")
    with pytest.raises(ValueError, match=r"\A[^\n]*\Z") as caught:
        choose_device(name)
    assert repr(name) in str(caught.value)


def test_auto_takes_mps_where_there_is_no_cuda(monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    for cuda, found in ((False, "mps"), (True, "cuda")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda cuda=cuda: cuda)
        assert choose_device("auto").type == found and choose_device("mps").type == "mps"
    assert [has_float64(torch.device(name)) for name in ("cpu", "cuda:1", "mps")] == [True, True, False]


def test_write_atomically_keeps_the_previous_file(tmp_path):
    path, previous = tmp_path / "a", tmp_path / "b"
    write_atomically(path, "one", keep_previous_as=previous)
    assert path.read_text() == "one" and not previous.exists()
    write_atomically(path, b"two", keep_previous_as=previous)
    assert path.read_text() == "two" and previous.read_text() == "one"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full, a device that is always full")
def test_a_full_disk_is_told_with_the_path_and_the_free_space(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_text("old")
    with pytest.raises(OSError, match=r"No space left on device \([\d,]+ bytes are free there\)"):
        append_line("/dev/full", "row")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("common.files.os.fsync", full)
    with pytest.raises(OSError, match="bytes are free there") as caught:
        write_atomically(path, "new")
    assert str(path) in str(caught.value)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


WRITING = """
import sys
from common.files import write_atomically
for _ in range(200):
    write_atomically(sys.argv[1], sys.argv[2] * 100_000)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows replaces no file while it is read")
def test_two_writers_of_one_file_never_tear_it(tmp_path):
    path = tmp_path / "a"
    write_atomically(path, "a" * 100_000)
    writers = [subprocess.Popen([sys.executable, "-c", WRITING, path, letter], cwd=ROOT) for letter in "ab"]
    while any(writer.poll() is None for writer in writers):
        assert path.read_text() in ("a" * 100_000, "b" * 100_000)
    assert [writer.returncode for writer in writers] == [0, 0] and list(tmp_path.iterdir()) == [path]


def test_records_are_read_as_they_were_written(tmp_path):
    records = [{"cell": "RNN", "rate": 1e-3, "taus": [1.0, 6.0], "fast": True}, {"cell": 'a, "b"', "beyond": {"20": 1}}]
    write_records(tmp_path / "a.csv", [*records, {"cell": None, "rate": 2}])
    assert read_records(tmp_path / "a.csv") == [*records, {"rate": 2}]


ASCII_LOCALE = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "OMP_NUM_THREADS": "1"}
IN_ASCII = """
import sys
from common.files import append_line
from common.tables import read_records, write_table
append_line(sys.argv[1], "na\\u00efve")
write_table(sys.argv[2], ["cell"], [["\\u03c4"]])
assert read_records(sys.argv[2]) == [{"cell": "\\u03c4"}]
"""


def test_files_are_utf_8_whatever_the_locale(tmp_path):
    command = [sys.executable, "-c", IN_ASCII, tmp_path / "line", tmp_path / "table.csv"]
    subprocess.run(command, cwd=ROOT, env=ASCII_LOCALE, check=True)
    assert (tmp_path / "line").read_bytes() == "naïve\n".encode()
    assert (tmp_path / "table.csv").read_bytes() == "cell\nτ\n".encode()


PRODUCT = """
import os
import common
import numpy as np
np.ones((600, 600), np.float32) @ np.ones((600, 600), np.float32)
print(len(os.listdir("/proc/self/task")))
"""


@pytest.mark.skipif(
    not os.path.isdir("/proc/self/task") or device.cores() < 2, reason="threads are counted on Linux, with two cores"
)
@pytest.mark.parametrize("asked, threads", [({}, 1), ({"OMP_NUM_THREADS": "2"}, 2), ({"OPENBLAS_NUM_THREADS": "2"}, 2)])
def test_the_products_of_numpy_take_one_thread_unless_more_are_asked_for(asked, threads):
    free = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    done = subprocess.run([sys.executable, "-c", PRODUCT], cwd=ROOT, env=free | asked, check=True, capture_output=True)
    assert int(done.stdout) == threads


@pytest.fixture
def hands(monkeypatch):
    """The clock's two hands, {name: seconds}, to be moved by hand."""
    time = {"process_time": 50.0, "monotonic": 70.0}
    for name in time:
        monkeypatch.setattr(training.time, name, lambda name=name: time[name])
    return time


def test_a_clock_continues_where_it_was_and_stands_while_paused(hands):
    clock = Clock()
    clock.load_state_dict({"cpu_seconds": 100.0, "wall_seconds": 200.0})
    hands["process_time"] += 1.5
    hands["monotonic"] += 2.5
    assert clock.seconds() == (101.5, 202.5)
    with clock.paused():
        hands["process_time"] += 10
    hands["process_time"] += 1
    assert clock.state_dict() == {"cpu_seconds": 102.5, "wall_seconds": 202.5}


def test_weights_that_are_not_finite_are_told_with_their_step():
    model = torch.nn.Linear(2, 2)
    check_finite(model, 3, 0.5, 1.0)
    with torch.no_grad():
        model.weight[0, 0] = torch.inf
    with pytest.raises(DivergedError, match=r"step 3: loss 0\.5, length of the gradient nan, of the weights inf"):
        check_finite(model, 3, torch.tensor(0.5), torch.nan)


def test_the_device_that_computes_is_waited_for_before_and_after(monkeypatch):
    calls = []
    monkeypatch.setattr(torch.accelerator, "synchronize", lambda *devices: calls.append(devices))
    cuda = torch.device("cuda:1")
    assert timed(lambda: calls.append("function"), cuda) >= 0
    assert calls == [(cuda,), "function", (cuda,)]


def test_functions_take_turns_and_two_rounds_are_not_counted():
    calls = []
    functions = {name: lambda name=name: calls.append(name) for name in "ab"}
    seconds = in_turn(functions, 3, torch.device("cpu"))
    assert "".join(calls) == "ab" * 5 and [len(seconds[name]) for name in "ab"] == [3, 3]


def test_a_fresh_process_has_one_thread_and_keeps_freed_memory_only_if_told(monkeypatch):
    assert in_fresh_process(torch.get_num_threads) == 1
    assert in_fresh_process(os.getpid) != os.getpid()
    kept = []
    monkeypatch.setattr(device, "keep_freed_memory", lambda: kept.append(True))
    for keep in (False, True):
        device._answer(Mock(), keep, int, ())
    assert kept == [True]


def test_a_lack_of_memory_is_told_with_what_was_asked_for_and_the_flags_that_lower_it(monkeypatch, capsys):
    monkeypatch.setattr(device, "free_memory", lambda of: 3e9 if of.type == "cpu" else 2e7)
    with pytest.raises(RuntimeError) as of_torch:
        torch.empty(10**15, dtype=torch.uint8)
    with pytest.raises(MemoryError) as of_numpy:
        np.empty(10**15, dtype=np.uint8)
    for caught, asked in ((of_torch, "1e+06 GB"), (of_numpy, "909. TiB")):
        line = f"there is not enough memory: {asked} asked for, 3 GB free; lower --x"
        assert device.told(caught.value, "--x") == line
    of_cuda = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 22.00 MiB. GPU 1 has a total capacity of …")
    line = "there is not enough memory: 22.00 MiB asked for, 0.02 GB free on cuda:1; lower --x"
    assert device.told(of_cuda, "--x") == line
    assert device.told(RuntimeError("something else"), "--x") == "something else"
    for needed, lines in ((2e9, 0), (4e9, 1)):
        device.warn_of_memory(needed, torch.device("cpu"), "--x")
        err = capsys.readouterr().err
        assert err.count("\n") == lines and (not lines or "about 4 GB of memory, and 3 GB are free: lower --x" in err)


IMPORTING = """
import signal, matplotlib, torch, tqdm
def settings():
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    return dict(matplotlib.rcParams), tqdm.tqdm.get_lock(), torch.get_num_threads(), torch.initial_seed(), handlers
before = settings()
import common.figures, common.printing, part1.sweep, part2.train, part3.train, part3.generate
assert settings() == before
"""


def test_importing_changes_nothing_global():
    subprocess.run([sys.executable, "-c", IMPORTING], cwd=ROOT, check=True)


def test_progress_prints_lines_where_there_is_no_terminal(capsys, monkeypatch):
    monkeypatch.setattr("common.printing.SECONDS_BETWEEN_LINES", 0)
    for show in (False, True):
        with Progress(9, done=6, show=show) as progress:
            progress.advance("loss 1.5")
            progress.advance()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and lines[0].startswith("step 7/9, at most 00:0") and lines[1].endswith("loss 1.5")


def test_progress_knows_a_limit_of_time_and_shows_texts_on_a_terminal_alone(capsys, monkeypatch):
    monkeypatch.setattr("common.printing.SECONDS_BETWEEN_LINES", 0)
    monkeypatch.setattr("common.printing.SECONDS_BETWEEN_TEXTS", 0)
    with Progress(10**9, seconds_left=lambda: 61.5) as progress:
        progress.advance("loss 1.5")
        progress.show("a sample")
    assert capsys.readouterr().err == "step 1/1000000000, at most 01:01 left  loss 1.5\n"
    with monkeypatch.context() as patch:
        patch.setattr(sys.stderr, "isatty", lambda: True)
        with Progress(10**9, seconds_left=lambda: 61.5) as progress:
            progress.advance("loss 1.5")
            progress.show("a sample")
            monkeypatch.setattr("common.printing.SECONDS_BETWEEN_TEXTS", 100)
            progress.show("too soon")
            progress.bar.refresh()
    shown = capsys.readouterr().err
    assert "a sample\n" in shown and "too soon" not in shown
    assert "at most 01:01 left, loss 1.5" in shown.splitlines()[-1] and "?" not in shown.splitlines()[-1]


DEAF = """
import time
from common.training import StopFlag
stop = StopFlag()
print("ready", flush=True)
while True:
    time.sleep(0.01)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send Ctrl-C to a process")
def test_a_second_ctrl_c_ends_at_once():
    process = subprocess.Popen([sys.executable, "-c", DEAF], cwd=ROOT, stdout=subprocess.PIPE)
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=0.5)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130
