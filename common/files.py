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


def write_atomically(path, content, keep_previous_as=None):
    """Write bytes, or text as UTF-8, beside `path`, bring it to the disk, rename it; a crash leaves the old or the new.

    With `keep_previous_as`, the old file first moves there. Several processes may write one path: each has a file of
    its own beside it, and the last to rename wins. Raises OSError, naming the path and the free space, for example on
    a full disk; then nothing has changed and nothing half-written stays there.
    """
    path = Path(path)
    beside = path.with_name(f"{path.name[:200]}.{secrets.token_hex(4)}.tmp")
    try:
        with _free_space_told(path), open(beside, "xb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        if keep_previous_as is not None and path.exists():
            _rename(path, keep_previous_as)
        _rename(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def remove_half_written(path):
    """Remove what writers of `path` that were killed have left beside it; no other may be writing it now."""
    path = Path(path)
    for beside in path.parent.glob(f"{glob.escape(path.name)}.*.tmp"):
        if re.fullmatch(r"[0-9a-f]{8}", beside.name.removeprefix(f"{path.name}.").removesuffix(".tmp")):
            beside.unlink(missing_ok=True)


def append_line(path, line):
    """Append a line to a UTF-8 text file and bring it to the disk. Raises OSError as `write_atomically` does."""
    with _free_space_told(path), open(path, "a", encoding="utf-8", newline="\n") as file:
        file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())


def write_table(path, columns, rows):
    """Write a CSV file, atomically: names of its columns, and rows, a sequence of values each; None is left empty."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([columns, *rows])
    write_atomically(path, text.getvalue())


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
def _free_space_told(path):
    try:
        yield
    except OSError as error:
        parent = Path(path).parent
        free = f" ({shutil.disk_usage(parent).free:,} bytes are free there)" if parent.is_dir() else ""
        raise OSError(error.errno, f"{error.strerror}{free}", str(path)) from error


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
