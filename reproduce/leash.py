"""Run a command that ends when its starter ends, however that ends: python common/leash.py COMMAND...

The starter gives a pipe as standard input and keeps the other end. When that end closes, by intent or because the
starter is gone, the process group is killed, the command's own processes with it: so start this with a group of its own
(`start_new_session=True`).
"""

import os
import signal
import subprocess
import sys
import threading


def end_with_starter():
    sys.stdin.buffer.read()
    os.killpg(os.getpgrp(), signal.SIGKILL)


def main():
    command = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
    threading.Thread(target=end_with_starter, daemon=True).start()
    status = command.wait()
    sys.stdout.flush()
    os._exit(status if status >= 0 else 128 - status)  # no waiting for the thread that reads


if __name__ == "__main__":
    main()
