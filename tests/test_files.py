"""common/files.py and common/tables.py: whole files, full disks, two writers, records, any locale."""

import os
import subprocess
import sys

import pytest

from common.files import append_line, write_atomically
from common.tables import read_records, write_records
from tests.scripts import ASCII_LOCALE, ROOT


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
