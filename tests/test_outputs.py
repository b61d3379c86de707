"""Files that scripts write: tried before the work, written into what they lead to, and never lost at the end."""

import argparse
import errno
import json
import os
import shutil
import threading
from types import SimpleNamespace

import pytest
import torch

from common import figures, files
from common.arguments import Parser, new_file
from common.device import report_medians
from common.files import WriteError, append_line, try_output, write_atomically
from part3 import plot_training, temperatures
from tests.scripts import ROOT, call


def test_a_link_is_followed_and_stays(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/file").write_text("old")
    for name, leads_to in (("link", "elsewhere/file"), ("new", "elsewhere/new"), ("chain", "link")):
        (tmp_path / name).symlink_to(leads_to)
        try_output(tmp_path / name)
        write_atomically(tmp_path / name, name)
        assert (tmp_path / name).is_symlink() and (tmp_path / name).read_text() == name
    assert (tmp_path / "elsewhere/file").read_text() == "chain"
    assert sorted(os.listdir(tmp_path / "elsewhere")) == ["file", "new"]


def test_a_device_is_written_into_not_replaced(tmp_path):
    device = tmp_path / "null"
    try:
        os.mknod(device, 0o20666, os.makedev(1, 3))
        write = os.open(device, os.O_WRONLY)
    except OSError:
        pytest.skip("no devices can be made here")
    os.close(write)
    before = os.lstat(device)
    try_output(device)
    write_atomically(device, "text")
    assert (os.lstat(device).st_ino, os.lstat(device).st_rdev) == (before.st_ino, before.st_rdev)
    write_atomically("/dev/null", "text")
    with pytest.raises(WriteError, match="No space left on device"):
        write_atomically("/dev/full", "text")


def test_a_fifo_is_written_into_and_without_a_reader_does_not_wait(tmp_path):
    fifo, read = tmp_path / "fifo", []
    os.mkfifo(fifo)
    try_output(fifo)
    with pytest.raises(WriteError, match="fifo"):
        write_atomically(fifo, "text")
    descriptor = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(descriptor, True)
    reader = threading.Thread(target=lambda: read.append(open(descriptor, "rb").read()))
    write_atomically(fifo, "a")  # so that the reader waits no longer for somebody
    reader.start()
    reader.join(10)
    assert read == [b"a"] and os.path.exists(fifo)
    descriptor = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    thread = threading.Thread(target=write_atomically, args=(fifo, "b" * 200_000))  # more than a pipe holds
    thread.start()
    os.set_blocking(descriptor, True)
    with open(descriptor, "rb") as file:
        while not (content := file.read(1)):
            pass
        content += file.read()
    thread.join(10)
    assert content == b"b" * 200_000


@pytest.mark.parametrize("kind", ["a folder", "a loop", "a long name", "no folder", "below a file"])
def test_what_cannot_be_written_is_refused_before_the_work(tmp_path, capsys, kind):
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").write_text("mine")
    names = {"a folder": ".", "a loop": "loop", "a long name": "x" * 300, "no folder": "no/x", "below a file": "file/x"}
    parser = Parser("")
    parser.add_argument("--json", type=new_file)
    status, out, err = call(parser.parse_args, "--json", tmp_path / names[kind], capsys=capsys)
    assert (status, out, err.count("\n")) == (2, "", 1) and str(tmp_path / names[kind]) in err
    with pytest.raises(OSError):
        write_atomically(tmp_path / names[kind], "x")
    assert sorted(os.listdir(tmp_path)) == ["file", "loop"] and (tmp_path / "file").read_text() == "mine"


def test_trying_an_output_changes_nothing(tmp_path):
    (tmp_path / "there").write_text("old")
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("there", "new", "link", "folders/that/are/not/file"):
        try_output(tmp_path / name)
    assert sorted(os.listdir(tmp_path)) == ["link", "there"] and (tmp_path / "there").read_text() == "old"


def full(*args):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_is_status_1_at_the_start_too(tmp_path, capsys, monkeypatch):
    parser = Parser("")
    parser.add_argument("--json", type=new_file)
    monkeypatch.setattr(files.os, "fsync", full)
    status, _, err = call(parser.parse_args, "--json", tmp_path / "x", capsys=capsys)
    assert status == 1 and err.count("\n") == 1 and "bytes are free there" in err and not os.listdir(tmp_path)


def test_used_up_inodes_are_not_called_free_bytes(tmp_path, monkeypatch):
    room = {"f_bavail": 100, "f_bfree": 100, "f_blocks": 200, "f_frsize": 4096}
    monkeypatch.setattr(files.os, "fsync", full)
    monkeypatch.setattr(files.os, "statvfs", lambda path: SimpleNamespace(**room, f_files=100, f_favail=0))
    with pytest.raises(WriteError, match="no more files can be made there") as caught:
        write_atomically(tmp_path / "x", "text")
    assert "bytes are free" not in str(caught.value)
    monkeypatch.setattr(
        files.os, "statvfs", lambda path: SimpleNamespace(**room, f_files=0, f_favail=0)
    )  # btrfs counts none
    with pytest.raises(WriteError, match="bytes are free there"):
        write_atomically(tmp_path / "x", "text")
    with pytest.raises(WriteError) as caught:
        append_line(tmp_path / "no/x", "row")
    assert "free" not in str(caught.value), "room is no matter there"


def test_a_benchmark_loses_no_medians(tmp_path, capsys):
    def measure(argv):
        report_medians({"key": (1.0, 2.0, 3.0)}, str(tmp_path / "gone/x.json"), torch.device("cpu"), "small")

    status, out, _ = call(measure, capsys=capsys)
    assert "key" in out and "gone/x.json" in status and "\n" not in status
    (tmp_path / "gone").mkdir()
    assert call(measure, capsys=capsys)[0] == 0
    assert json.loads((tmp_path / "gone/x.json").read_text()) == {"key": 2.0}


@pytest.mark.parametrize("gone", [False, True])
def test_a_table_whose_folder_goes_is_printed(tmp_path, capsys, monkeypatch, gone):
    def measure(config, points):
        if gone:
            shutil.rmtree(tmp_path / "out")
        yield "numbers", ("a", "b"), [(1, None), (2, "x, y")]

    monkeypatch.setattr("sys.argv", ["script", "--output_dir", str(tmp_path / "out")])
    monkeypatch.setattr(figures, "prepare_process", lambda: None)
    status, out, err = call(lambda *_: figures.table_script("A script.", measure, "part1"), capsys=capsys)
    written = 'a,b\n1,\n2,"x, y"\n'
    if gone:
        assert out == written and "numbers.csv" in status and "\n" not in status
    else:
        assert (status, out, err) == (0, "", "") and (tmp_path / "out/numbers.csv").read_text() == written


@pytest.mark.parametrize("script", ["table", "plot", "temperatures"])
def test_a_folder_that_cannot_be_made_is_told_before_the_work(tmp_path, capsys, monkeypatch, script):
    (tmp_path / "file").write_text("mine")
    work, argv = lambda *args: pytest.fail("it works already"), ["--output_dir", str(tmp_path / "file/x")]
    monkeypatch.setattr("sys.argv", ["script", *argv])
    monkeypatch.setattr(temperatures, "written", work)
    start = {
        "table": lambda *_: figures.table_script("A script.", work, "part1"),
        "plot": lambda *_: figures.plot_script("A script.", work, "part1", argv),
        "temperatures": lambda *_: temperatures.main(argv),
    }
    status, out, err = call(start[script], capsys=capsys)
    assert (status, out, err.count("\n")) == (2, "", 1) and "file/x" in err


def test_what_a_plot_script_prints_is_printed_when_the_figure_is_lost(tmp_path, capsys):
    def draw(path):
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        (tmp_path / "out").write_text("in the way")
        return {"figure": figures.new_figure()[0]}, "the table"

    argv = ["--output_dir", str(tmp_path / "out")]
    status, out, err = call(
        lambda *_: figures.plot_script("A.", draw, "part1", argv, csv=("x", "a table")), capsys=capsys
    )
    assert status in (1, 2) and out == "the table\n" and err.count("\n") == 1


def test_plot_training_prints_its_table_when_the_figure_is_lost(tmp_path, capsys, monkeypatch):
    def lost(figure, path):
        raise WriteError(errno.ENOENT, "gone", path)

    monkeypatch.setattr(plot_training, "save_figure", lost)
    flags = [ROOT / "results/part3/runs", "--name", "book", "--output", tmp_path / "x.png"]
    status, out, err = call(plot_training.main, *flags, capsys=capsys)
    assert status == 1 and out.startswith("| run |") and err.count("\n") == 1


def test_new_file_still_names_what_is_wrong(tmp_path):
    for text, words in ((str(tmp_path), "is a folder"), (str(tmp_path / "no/x"), "no such folder")):
        with pytest.raises(argparse.ArgumentTypeError, match=words):
            new_file(text)
