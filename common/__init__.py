"""Plumbing that every part shares, one thing a file.

A script imports it before torch, which takes seconds: Ctrl-C ends it meanwhile as the system ends a program, without a
word. `Parser.printing` and `StopFlag` do so in their own ways later. It comes before NumPy as well, whose products then
take one thread, unless the environment says otherwise.
"""

import os
import signal
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ("assets", "part1", "part2", "part3", "reproduce", "submit.py")

# Part 3's writer makes small products, one after the other: threads that share one wait for each other, and where the
# cores are busy they take many times longer. torch has a number of its own, which common/device.py sets.
os.environ.setdefault("OPENBLAS_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "1"))

_started = Path(getattr(sys.modules["__main__"], "__file__", None) or "nowhere").resolve()
_is_ours = _started.is_relative_to(ROOT) and _started.relative_to(ROOT).parts[0] in SCRIPTS
if _is_ours and signal.getsignal(signal.SIGINT) == signal.default_int_handler:  # not where Ctrl-C is ignored
    signal.signal(signal.SIGINT, signal.SIG_DFL)
