"""Files that are either the old ones or the new ones, never a half; tables; and output that a reader may cut short."""

import csv
import errno
import glob
import io
import json
import os
import re
import secrets
import shutil
import stat
import time
from contextlib import contextmanager
from pathlib import Path

FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))  # no room on the disk, or in the user's share of it


class WriteError(OSError):
    """What was to be written could not be, or there is no room for it: no fault of what the user gave."""


def write_atomically(path, content, keep_previous_as=None):
    """Write bytes, or text as UTF-8, beside `path`, bring it to the disk, rename it; a crash leaves the old or the new.

    Where `path` is a link, the file that it leads to is written so; what is not a regular file, a device or a FIFO, is
    written into. With `keep_previous_as`, the old file first moves there. Several processes may write one path: each
    has a file of its own beside it, and the last to rename wins. Raises WriteError, naming the path, and on a full disk
    the free space; then nothing has changed and nothing half-written stays there.
    """
    content = content.encode() if isinstance(content, str) else content
    with _cause_told(path):
        path, replaceable = _destination(path)
        if not replaceable:
            # A FIFO that nobody reads raises an error, where opening it would else wait.
            flag = getattr(os, "O_NONBLOCK", 0)
            with open(os.open(path, os.O_WRONLY | flag), "wb") as file:
                if flag:
                    os.set_blocking(file.fileno(), True)
                file.write(content)
            return
        beside = _write_beside(path, content)
        try:
            if keep_previous_as is not None and path.exists():
                _rename(path, keep_previous_as)
            _rename(beside, path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)


def try_output(path):
    """Raise OSError if no file could be written to `path`, WriteError if for want of room; changes nothing.

    For a folder that is to be made, or is there, give the path of any file in it.
    """
    path, replaceable = _destination(path)
    if replaceable:
        while not path.parent.exists():
            path = path.parent
        try:
            with _cause_told(path):
                _write_beside(path, bytes(4096)).unlink()
        except WriteError as error:
            if error.errno in FULL:
                raise
            raise OSError(error.errno, error.strerror, error.filename) from error


def remove_half_written(path):
    """Remove what writers of `path` that were killed have left beside it; no other may be writing it now."""
    path = Path(path)
    for beside in path.parent.glob(f"{glob.escape(path.name)}.*.tmp"):
        if re.fullmatch(r"[0-9a-f]{8}", beside.name.removeprefix(f"{path.name}.").removesuffix(".tmp")):
            beside.unlink(missing_ok=True)


def append_line(path, line):
    """Append a line to a UTF-8 text file and bring it to the disk. Raises WriteError as `write_atomically` does."""
    with _cause_told(path), open(path, "a", encoding="utf-8", newline="\n") as file:
        file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())


def write_table(path, columns, rows):
    """Write a CSV file, atomically: names of its columns, and rows, a sequence of values each; None is left empty."""
    write_atomically(path, table_text(columns, rows))


def table_text(columns, rows):
    """The text of such a file."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([columns, *rows])
    return text.getvalue()


def write_records(path, records):
    """Write a CSV file, atomically, with a row for each of `records`, dicts of plain values that may be nested.

    Text stands as it is, everything else as JSON, and what is None or not there is an empty cell.
    """
    columns = dict.fromkeys(name for record in records for name in record)
    write_table(path, columns, [[_cell(record.get(name)) for name in columns] for record in records])


def read_records(path):
    """What `write_records` wrote, a list of dicts, empty cells left out. Raises OSError as `read_regular` does."""
    file = io.StringIO(read_regular(path).decode(), newline="")
    return [{name: _value(cell) for name, cell in row.items() if cell} for row in csv.DictReader(file)]


def read_regular(path):
    """The bytes of a regular file. Raises OSError as `open` does, and for a FIFO or a device, which might never end."""
    if not stat.S_ISREG(os.stat(path).st_mode) and not os.path.isdir(path):  # of a folder, open says so
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    with open(path, "rb") as file:
        return file.read()


@contextmanager
def _cause_told(path):
    """Raise what goes wrong in the `with` block as a WriteError that names `path`, and says how much room there is."""
    try:
        yield
    except OSError as error:
        words, parent = error.strerror or str(error), os.path.dirname(os.path.realpath(path))
        if error.errno in (*FULL, errno.EFBIG) and os.path.isdir(parent):
            words += f" ({_room(parent)})"
        raise WriteError(error.errno, words, str(path)) from error


def _room(folder):
    """How much more fits into a folder's file system, in words: its bytes, or its files where none may be added."""
    files = os.statvfs(folder) if hasattr(os, "statvfs") else None
    if files and files.f_files and not files.f_favail:
        return "no more files can be made there, whatever their size"
    return f"{shutil.disk_usage(folder).free:,} bytes are free there"


def _destination(path):
    """Where links lead from `path`, and whether that is, or would be, a regular file, which can be replaced.

    Raises OSError for a folder, for links in a loop and for a name that is too long.
    """
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        mode = stat.S_IFREG
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    return (Path(os.path.realpath(path)), True) if stat.S_ISREG(mode) else (Path(path), False)


def _write_beside(path, content):
    """Write bytes into a new file in the folder of `path`, down to the disk; returns its path."""
    beside = path.with_name(f"{path.name[:50]}.{secrets.token_hex(4)}.tmp")
    try:
        with open(beside, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    return beside


def _rename(old, new):
    """Rename a file, over another if need be; Windows refuses while somebody reads it: again, up to a second."""
    for tries_left in range(9, -1, -1):
        try:
            return os.replace(old, new)
        except PermissionError:
            if not tries_left:
                raise
            time.sleep(0.1)


def _cell(value):
    return value if isinstance(value, str) or value is None else json.dumps(value)


def _value(cell):
    try:
        return json.loads(cell)
    except ValueError:
        return cell


def _sync_folder(folder):
    """Make a rename last through a power cut, where the system can."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows opens no folders
        return
    try:
        os.fsync(descriptor)
    except OSError:  # some network file systems refuse it; the rename itself is done
        pass
    finally:
        os.close(descriptor)
