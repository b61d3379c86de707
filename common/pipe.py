"""Printing for a reader that may have enough and leave, as `head` does."""

import os
import sys
from contextlib import contextmanager


@contextmanager
def reader_may_leave():
    """Print within it: if the reader of standard output has left, what is left to print is dropped without a word."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it flushes at its end
