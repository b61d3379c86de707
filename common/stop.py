"""Being asked to stop: a flag that the training loop looks at after every step."""

import atexit
import os
import signal

EXIT_STATUS = {
    signal.SIGTERM: 143,  # 128 + 15, as the shell says it
    signal.SIGUSR1: 85,  # saved, to be continued: the job script requeues on it
    signal.SIGINT: 130,  # Ctrl-C
}


class StopFlag:
    """False until SIGTERM, SIGUSR1 or Ctrl-C arrives, then True; a second Ctrl-C ends the process at once.

    `signal` is the one that arrived, or None.
    """

    def __init__(self):
        self.signal = None
        for number in EXIT_STATUS:
            signal.signal(number, self._set)
        atexit.register(_ignore_on_the_way_out)

    def _set(self, number, frame):
        if number == signal.SIGINT and self.signal == signal.SIGINT:
            os._exit(EXIT_STATUS[signal.SIGINT])
        self.signal = signal.Signals(number)

    def __bool__(self):
        return self.signal is not None

    @property
    def exit_status(self):
        """What a process that stopped for this signal exits with."""
        return EXIT_STATUS[self.signal]


def _ignore_on_the_way_out():
    """Python gives its handlers up before it is gone; a signal would then change the exit status that tells the end."""
    for number in EXIT_STATUS:
        signal.signal(number, signal.SIG_IGN)
