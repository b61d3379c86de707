"""Run the project's scripts in processes of their own, from another working directory.

A user's `python SCRIPT ARGS` imports torch first and, at the first optimizer, torch's compiler: four seconds in which
nothing is tested. So the processes here are forked from one that has imported both, where a test does not ask for what
a fork cannot give. `.ci/run` starts each part's scripts as a user does, and the cluster's jobs are started so too.
"""

import atexit
import os
import runpy
import signal
import struct
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import torch

with suppress(ImportError):  # not on Windows
    import fcntl
    import pty
    import termios

from common.device import warm_context

ROOT = Path(__file__).resolve().parents[1]
ASCII_LOCALE = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "OMP_NUM_THREADS": "1"}

warm = warm_context("matplotlib.figure")


class Forked:
    """A forked process that is `python SCRIPT ARGS`, with as much of Popen as the tests use."""

    def __init__(self, script, args, env, cwd):
        self.args = [script, *args]
        self._folder = tempfile.TemporaryDirectory()
        self._outputs = [Path(self._folder.name, name) for name in ("out", "err")]
        self._process = warm.Process(target=_become, args=(script, args, env, cwd, self._outputs))
        self._process.start()
        self.pid = self._process.pid
        atexit.register(self.kill)  # or Python would wait at its end for what a failed test has left

    @property
    def returncode(self):
        return self._process.exitcode

    def poll(self):
        return self._process.exitcode

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout=None):
        self._process.join(timeout)
        if self.poll() is None:
            raise subprocess.TimeoutExpired(self.args, timeout)
        return tuple(path.read_text() for path in self._outputs)


def _become(script, args, env, cwd, outputs):
    """In the forked process: be `python SCRIPT ARGS` from here on, with standard output and error in files."""
    for stream, path in zip((1, 2), outputs, strict=True):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    torch.set_num_threads(1)  # OMP_NUM_THREADS comes too late for this process
    sys.argv = [script, *args]
    sys.path[:] = [os.path.dirname(script), *(path for path in sys.path if path not in ("", str(ROOT)))]
    runpy.run_path(script, run_name="__main__")


def start(script, *args, fresh=False, env=None, cwd=os.sep, **popen):
    """Start `python SCRIPT ARGS` from outside the checkout, with output and errors kept apart as text.

    It is forked, or, if `fresh` or with options of Popen, a Popen with pipes: for a locale, a terminal, a limit.
    """
    script, args = str(ROOT / script), list(map(str, args))
    env = {**(env or os.environ), "OMP_NUM_THREADS": "1"}  # several small processes at once: a thread each
    if not fresh and not popen:
        return Forked(script, args, env, cwd)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, script, *args], env=env, cwd=cwd, **{**pipes, **popen})


def run(script, *args, timeout=300, **options):
    """Run a script to its end; returns exit status, standard output, standard error."""
    process = start(script, *args, **options)
    try:
        out, err = process.communicate(timeout=timeout)
    finally:
        process.kill()
    return process.returncode, out, err


def new_terminal():
    """A terminal of 24 lines of 100 columns: two file numbers, where it is read and what a script takes for one."""
    terminal, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    return terminal, child


def call(main, *args, capsys):
    """Call a script's `main` in this process; returns exit status, standard output, standard error, as `run` does."""
    status = 0
    try:
        main([*map(str, args)])
    except SystemExit as ending:
        status = ending.code
    return status, *capsys.readouterr()
