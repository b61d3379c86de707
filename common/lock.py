"""One writer per folder: a lock that the system lets go when its holder ends, however it ends."""

import fcntl
import os
import socket
import sys
import time


def lock_folder(folder):
    """Hold `folder` for this process: returns the file "lock" in it, to be kept open as long.

    Raises ValueError, with who holds it, if another process does. Waits up to a second for one that is just ending, or
    has not yet written its name. Raises OSError if the file cannot be opened or written.
    """
    file = open(folder / "lock", "a+")  # held open by the caller
    try:
        for tries_left in range(9, -1, -1):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if not tries_left:
                    file.seek(0)
                    holder = file.read().strip() or "another process"
                    file.close()
                    raise ValueError(f"output folder {folder} is in use by {holder}") from error
                time.sleep(0.1)
    except OSError as error:  # some network file systems have no locks
        print(f"warning: {folder} cannot be locked ({error.strerror}): start no second run there", file=sys.stderr)
    file.truncate(0)
    file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
    file.flush()
    return file
