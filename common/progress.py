"""How far a run is: a bar on a terminal, a plain line every few seconds anywhere else."""

import sys
import threading
import time

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 5


class Bar(tqdm):
    """A bar that belongs to one process, and whose seconds go on when somebody sets the clock back.

    tqdm's own lock is for several, and of a worker that is killed it would leave a semaphore, of which Python warns
    below the last line.
    """

    _time = property(lambda self: time.monotonic, lambda self, clock: None)  # tqdm would set it to time.time


Bar.set_lock(threading.RLock())  # of this class alone: other users of tqdm keep theirs


class Progress:
    """Counts steps up to `total`; a `with` block ends the bar. With `show` False it says nothing."""

    def __init__(self, total, done=0, unit="step", show=True):
        bar = show and sys.stderr.isatty()
        self.lines = show and not bar
        self.bar = Bar(total=total, initial=done, unit=unit, dynamic_ncols=True, disable=not bar)
        self.total, self.done, self.unit = total, done, unit
        self.done_before, self.started = done, time.monotonic()
        self.said, self.text = self.started, ""

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.bar.close()

    def note(self, text):
        """Show this after the count from now on."""
        self.text = text
        self.bar.set_postfix_str(text, refresh=False)

    def advance(self, note=None, by=1):
        """So many steps are done; `note`, if given, is shown after the count from now on."""
        self.done += by
        if note is not None:
            self.note(note)
        self.bar.update(by)
        if self.lines and time.monotonic() - self.said >= SECONDS_BETWEEN_LINES:
            self.said = time.monotonic()
            left = (self.said - self.started) / (self.done - self.done_before) * (self.total - self.done)
            count = f"{self.unit} {self.done}/{self.total}, at most {tqdm.format_interval(left)} left"
            print(f"{count}  {self.text}", file=sys.stderr, flush=True)
