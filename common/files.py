"""Files that are either the old ones or the new ones, never a half; and what to say when a disk is full."""

import os
import shutil
from contextlib import contextmanager
from pathlib import Path


def write_atomically(path, content, keep_previous_as=None):
    """Write bytes, or text as UTF-8, beside `path`, bring it to the disk, rename it; a crash leaves the old or the new.

    With `keep_previous_as`, the old file first moves there. Raises OSError, naming the path and the free space, for
    example on a full disk; then nothing has changed and nothing half-written stays behind.
    """
    path = Path(path)
    beside = path.with_name(path.name + ".tmp")
    try:
        with _free_space_told(path), open(beside, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        if keep_previous_as is not None and path.exists():
            os.replace(path, keep_previous_as)
        os.replace(beside, path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def append_line(path, line):
    """Append a line to a UTF-8 text file and bring it to the disk. Raises OSError as `write_atomically` does."""
    with _free_space_told(path), open(path, "a", encoding="utf-8") as file:
        file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _free_space_told(path):
    try:
        yield
    except OSError as error:
        free = shutil.disk_usage(Path(path).parent).free
        raise OSError(error.errno, f"{error.strerror} ({free:,} bytes are free there)", str(path)) from error


def _sync_folder(folder):
    """Make a rename last through a power cut, where the system can."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:  # some network file systems refuse it; the rename itself is done
        pass
    finally:
        os.close(descriptor)
