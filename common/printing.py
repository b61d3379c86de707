"""What is printed, and how far a run is: safe for every terminal, pipe and encoding; command lines can be pasted."""

import codecs
import io
import math
import os
import shlex
import sys
import threading
import time
import unicodedata
from functools import partial

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 5
SECONDS_BETWEEN_TEXTS = 10


class Bar(tqdm):
    """A bar that belongs to one process, and whose seconds go on when somebody sets the clock back.

    tqdm's own lock is for several, and of a worker that is killed it would leave a semaphore, of which Python warns
    below the last line.
    """

    _time = property(lambda self: time.monotonic, lambda self, clock: None)  # tqdm would set it to time.time


Bar.set_lock(threading.RLock())  # of this class alone: other users of tqdm keep theirs


class Progress:
    """Counts steps up to `total`; a `with` block ends the bar. With `show` False it says nothing.

    `seconds_left`, if given, is a function: at most so many seconds are left, however many steps.
    """

    def __init__(self, total, done=0, unit="step", show=True, seconds_left=None):
        bar = show and sys.stderr.isatty()
        self.lines = show and not bar
        # Without a share and a time left of the steps, which are not what ends it.
        form = "{n_fmt}/{total_fmt} [{elapsed}, {rate_fmt}{postfix}]" if seconds_left else None
        self.bar = Bar(total=total, initial=done, unit=unit, dynamic_ncols=True, disable=not bar, bar_format=form)
        self.seconds_left = seconds_left or (lambda: math.inf)
        self.total, self.done, self.unit = total, done, unit
        self.done_before, self.started = done, time.monotonic()
        self.said, self.text, self.shown = self.started, "", self.started

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.bar.close()

    def note(self, text):
        """Show this after the count from now on."""
        self.text = text
        left = self.seconds_left()
        limit = "" if left == math.inf else f"at most {tqdm.format_interval(max(0, left))} left, "
        self.bar.set_postfix_str(limit + text, refresh=False)

    def show(self, text):
        """Above the bar, where there is one, show a text that stays; not more often than SECONDS_BETWEEN_TEXTS."""
        if not self.bar.disable and time.monotonic() - self.shown >= SECONDS_BETWEEN_TEXTS:
            self.shown = time.monotonic()
            self.bar.write(text, file=sys.stderr)

    def advance(self, note=None, by=1):
        """So many steps are done; `note`, if given, is shown after the count from now on."""
        self.done += by
        if note is not None:
            self.note(note)
        self.bar.update(by)
        if self.lines and time.monotonic() - self.said >= SECONDS_BETWEEN_LINES:
            self.said = time.monotonic()
            left = (self.said - self.started) / (self.done - self.done_before) * (self.total - self.done)
            left = min(left, max(0, self.seconds_left()))
            count = f"{self.unit} {self.done}/{self.total}, at most {tqdm.format_interval(left)} left"
            print(f"{count}  {self.text}", file=sys.stderr, flush=True)


only_printing = False  # whether the script has nothing to do that outlasts the reader of its standard output


def print_safely():
    """From here on, nothing that is printed is an error: no character, no closed stream, no reader that has left.

    On standard output and error, a character that the encoding lacks is escaped, as in `\\u03c4`; where it is not
    UTF-8, the bytes of a file name that it cannot read come out as they are. On a terminal all is as `visible` shows
    it. Once their reader has left, as `head` does, the rest is dropped; where a script is `only_printing`, the first
    such print to standard output raises BrokenPipeError, to end it. Standard streams that are closed lead nowhere.
    """
    for name in ("stdin", "stdout", "stderr"):  # in this order each takes its own number, which a file would take else
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w", encoding="utf-8"))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and "flush" not in vars(stream):  # not a notebook's, and once
            stream.reconfigure(errors="bytes or escape")
            if stream.isatty():
                stream.write = partial(_write_visible, stream.write)
            stream.write, stream.flush = (_forgiving(stream, call) for call in (stream.write, stream.flush))


def _forgiving(stream, call):
    def called(*text):
        try:
            return call(*text)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            if only_printing and stream is sys.stdout:
                raise

    return called


def visible(text):
    """The text with escapes, as in `\\x1b`, for what is not printable; newlines, tabs and spaces of any width stay."""
    if text.isprintable():
        return text
    shown = {sign: sign for sign in text if sign.isprintable() or sign in "\n\t" or unicodedata.category(sign) == "Zs"}
    return "".join(shown.get(sign) or _escape(sign) for sign in text)


def command_line(words):
    """The words as one printable line that a shell (bash, zsh, ksh) reads as these words."""
    return " ".join(map(_quoted, words))


def _quoted(word):
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    if word.isprintable() and word.encode(encoding, "replace") == os.fsencode(word):
        return shlex.quote(word)
    signs = (chr(byte) if 32 <= byte < 127 and byte not in b"'\\" else f"\\{byte:03o}" for byte in os.fsencode(word))
    return f"$'{''.join(signs)}'"


def _write_visible(write, text):
    inside = text.strip("\r")  # a bar begins with it
    return write(text.replace(inside, visible(inside)) if inside else text)


def _escape(sign):
    return sign.encode("unicode_escape").decode()


def _bytes_or_escape(error):
    sign = error.object[error.start]
    is_byte = "\udc80" <= sign <= "\udcff" and error.encoding != "utf-8"  # which has no such bytes
    return os.fsencode(sign) if is_byte else _escape(sign), error.start + 1


codecs.register_error("bytes or escape", _bytes_or_escape)
