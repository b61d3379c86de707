"""Python as on Windows, as far as it can be imitated, for every process that has this folder in PYTHONPATH.

The project's files (not torch and numpy, which are built for Linux here) do not find what Windows lacks, cannot open
folders, and cannot replace a file that the process has open. Text files are cp1252 with \\r\\n, and so is what is
printed, unless the code says otherwise. Processes are spawned.
"""

import builtins
import fcntl
import io
import multiprocessing
import os
import select
import signal
import sys
from types import ModuleType, SimpleNamespace

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MODULES = "fcntl grp pty pwd resource syslog termios tty".split()
SIGNALS = {signal.SIGABRT, signal.SIGFPE, signal.SIGILL, signal.SIGINT, signal.SIGSEGV, signal.SIGTERM}
OF_OS = """
    chown fchmod fchown fork forkpty geteuid getgid getgroups getloadavg getpgid getpgrp getpriority getsid getuid
    killpg lockf mkfifo mknod nice openpty pipe2 posix_fadvise posix_spawn posix_spawnp pread pwrite register_at_fork
    sched_getaffinity sched_setaffinity sched_yield sendfile setpgid setpgrp setpriority setsid statvfs sync sysconf
    tcgetpgrp tcsetpgrp ttyname uname wait wait3 wait4 waitid O_CLOEXEC O_DIRECTORY O_NOFOLLOW O_NONBLOCK O_SYNC
    WEXITSTATUS WIFEXITED WIFSIGNALED WNOHANG WTERMSIG""".split()
OF_SIGNAL = [name for name, value in vars(signal).items() if name.startswith("SIG") and value not in SIGNALS]
OF_SIGNAL = {*OF_SIGNAL, "alarm", "pause", "pthread_kill", "pthread_sigmask", "setitimer"} - {"SIG_DFL", "SIG_IGN"}


scanned = set()  # files that were replaced: a virus scanner has each open the first time


def is_ours(file):
    return file.startswith(ROOT) and "site-packages" not in file


class AsOnWindows(ModuleType):
    """A module in which our files do not find the names `without`, and others changed."""

    def __init__(self, module, without, **changed):
        super().__init__(module.__name__)
        self._module, self._changed = module, {**dict.fromkeys(without), **changed}
        vars(self).update((name, value) for name, value in vars(module).items() if name not in self._changed)
        sys.modules[module.__name__] = self

    def __getattr__(self, name):
        if not is_ours(sys._getframe(1).f_code.co_filename):
            return getattr(self._module, name)
        if self._changed.get(name) is None:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r} on Windows")
        return self._changed[name]


def import_ours(name, into=None, *more, **options):
    if is_ours((into or {}).get("__file__", "")):
        if name in MODULES:
            raise ModuleNotFoundError(f"No module named {name!r} on Windows", name=name)
        if name == "msvcrt":
            return msvcrt
    return real_import(name, into, *more, **options)


def handle(number, handler):
    if number not in SIGNALS:
        raise ValueError("invalid signal value")
    return signal.signal(number, handler)


@staticmethod  # Python 3.10's pathlib has open as an attribute of a class
def open_text(file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, *more, **options):
    if "b" not in mode:
        encoding = "cp1252" if encoding in (None, "locale") else encoding
        newline = "\r\n" if newline is None and mode != "r" else newline
    return real_open(file, mode, buffering, encoding, errors, newline, *more, **options)


def open_file(path, *args, **options):
    if os.path.isdir(path):
        raise PermissionError(13, "Permission denied", str(path))
    return os.open(path, *args, **options)


def replace_file(source, target):
    open_here = {os.path.realpath(f"/proc/self/fd/{descriptor}") for descriptor in os.listdir("/proc/self/fd")}
    in_use = {os.path.realpath(source), os.path.realpath(target)} & open_here
    if in_use or target not in scanned:
        scanned.add(target)
        raise PermissionError(13, "The process cannot access the file because it is being used", str(target))
    os.replace(source, target)


def locking(descriptor, mode, count):
    assert (mode, count) == (2, 1) and os.lseek(descriptor, 0, os.SEEK_CUR) > 1000, "what is locked cannot be read"
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise PermissionError(13, "Permission denied") from None


real_import, builtins.__import__ = builtins.__import__, import_ours
real_open, builtins.open, io.open = io.open, open_text, open_text
AsOnWindows(os, OF_OS, access=lambda path, mode: os.path.exists(path), open=open_file, replace=replace_file)
AsOnWindows(select, ["epoll", "kqueue", "poll"])
AsOnWindows(signal, OF_SIGNAL, signal=handle)
msvcrt = SimpleNamespace(LK_NBLCK=2, locking=locking)
for method in ("fork", "forkserver"):
    del multiprocessing.context._concrete_contexts[method]
multiprocessing.set_start_method("spawn")
multiprocessing.get_all_start_methods = lambda: ["spawn"]
for stream in (sys.stdout, sys.stderr):
    stream.reconfigure(encoding="cp1252", newline="\r\n")
