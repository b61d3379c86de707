"""Files that are either the old ones or the new ones, never a half."""

import errno
import glob
import os
import re
import secrets
import shutil
import stat
import time
from contextlib import contextmanager, suppress
from pathlib import Path

FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))  # no room on the disk, or in the user's share of it


class WriteError(OSError):
    """What was to be written could not be, for want of room, of a folder that is gone, or of leave to write there."""


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
        with _written_beside(path, content) as beside:
            if keep_previous_as is not None and path.exists():
                _rename(path, keep_previous_as)
            _rename(beside, path)
        with suppress(OSError):  # through a power cut; Windows opens no folders, some network file systems refuse it
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


def try_output(path):
    """Raise OSError, a WriteError as `write_atomically` does, if no file could be written to `path`; changes nothing.

    For a folder that is to be made, or is there, give the path of any file in it.
    """
    path, replaceable = _destination(path)
    if replaceable:
        while not path.parent.exists():
            path = path.parent
        with _cause_told(path), _written_beside(path, bytes(4096)):
            pass


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


@contextmanager
def _written_beside(path, content):
    """The path of a new file with these bytes, on the disk, in the folder of `path`; it goes if it is not renamed."""
    beside = path.with_name(f"{path.name[:50]}.{secrets.token_hex(4)}.tmp")
    try:
        with open(beside, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield beside
    finally:
        beside.unlink(missing_ok=True)


def _rename(old, new):
    """Rename a file, over another if need be; Windows refuses while somebody reads it: again, up to a second."""
    for _ in range(9):
        with suppress(PermissionError):
            return os.replace(old, new)
        time.sleep(0.1)
    os.replace(old, new)
