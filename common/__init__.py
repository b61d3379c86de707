"""Plumbing that every part shares, one thing a file.

A script imports it before torch, which takes seconds: Ctrl-C ends it meanwhile as the system ends a program, without a
word. `Parser.printing` and `StopFlag` do so in their own ways later.
"""

import signal
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ("assets", "part1", "part2", "part3", "reproduce", "submit.py")

_started = Path(getattr(sys.modules["__main__"], "__file__", None) or "nowhere").resolve()
_is_ours = _started.is_relative_to(ROOT) and _started.relative_to(ROOT).parts[0] in SCRIPTS
if _is_ours and signal.getsignal(signal.SIGINT) == signal.default_int_handler:  # not where Ctrl-C is ignored
    signal.signal(signal.SIGINT, signal.SIG_DFL)
