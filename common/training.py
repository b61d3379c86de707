"""What every training needs around its loop: when to stop, how long it took, random state, and how it ends."""

import atexit
import functools
import math
import os
import signal
import sys
import threading
import time
from contextlib import contextmanager

import torch
from torch import nn

from common.checkpoint import CheckpointError
from common.device import told

EXIT_STATUS = {
    signal.SIGTERM: 143,  # 128 + 15, as the shell says it
    signal.SIGINT: 130,  # Ctrl-C
}
MAY_BE_DEAF = [signal.SIGINT]  # to stay ignored where it was as the script started, as a shell's & and nohup leave it
if hasattr(signal, "SIGUSR1"):  # not on Windows
    EXIT_STATUS[signal.SIGUSR1] = 85  # saved, to be continued: the job script requeues on it
    EXIT_STATUS[signal.SIGHUP] = 129  # the terminal was closed
    MAY_BE_DEAF.append(signal.SIGHUP)


class StopFlag:
    """False until a signal of EXIT_STATUS arrives, then True; a second Ctrl-C ends the process at once.

    `signal` is the one that arrived, or None. In a thread, where none can be heard, a line on stderr says so.
    """

    def __init__(self):
        self.signal, self._interrupted = None, False
        if threading.current_thread() is not threading.main_thread():
            print("this is not the main thread: no signal will be heard, to save and stop", file=sys.stderr)
            return
        for number in EXIT_STATUS:
            if number not in MAY_BE_DEAF or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._set)

    def _set(self, number, frame):
        if number == signal.SIGINT and self._interrupted:
            os._exit(EXIT_STATUS[signal.SIGINT])
        self._interrupted = number == signal.SIGINT or self._interrupted
        self.signal = self.signal or signal.Signals(number)  # the first tells the end

    def __bool__(self):
        return self.signal is not None

    @property
    def exit_status(self):
        """What a process that stopped for this signal exits with."""
        return EXIT_STATUS[self.signal]


def hears_signals(main):
    """Decorate a main() that makes a StopFlag: who calls it as a function finds the handlers of signals as before.

    In a script, signals are ignored on its way out: Python gives its handlers up before it is gone, and one would then
    change the exit status that tells the end.
    """
    if main.__module__ == "__main__":
        atexit.register(lambda: [signal.signal(number, signal.SIG_IGN) for number in EXIT_STATUS])
        return main

    @functools.wraps(main)
    def called(*args):
        before = {number: signal.getsignal(number) for number in EXIT_STATUS}
        try:
            return main(*args)
        finally:
            for number, handler in before.items():
                if signal.getsignal(number) is not handler:  # never so in a thread
                    signal.signal(number, handler)

    return called


class Clock:
    """CPU seconds of this process, all threads together, and wall seconds, from where a resumed run left off."""

    def __init__(self):
        self.load_state_dict({"cpu_seconds": 0.0, "wall_seconds": 0.0})

    @property
    def cpu_seconds(self):
        return time.process_time() - self._cpu_start

    @property
    def wall_seconds(self):
        return time.monotonic() - self._wall_start

    def seconds(self):
        """CPU and wall seconds, to the millisecond."""
        return round(self.cpu_seconds, 3), round(self.wall_seconds, 3)

    def results(self):
        """The same as part of a run's result, {"cpu_seconds": …, "wall_seconds": …}."""
        return dict(zip(("cpu_seconds", "wall_seconds"), self.seconds(), strict=True))

    def state_dict(self):
        return {"cpu_seconds": self.cpu_seconds, "wall_seconds": self.wall_seconds}

    def load_state_dict(self, state):
        self._cpu_start = time.process_time() - state["cpu_seconds"]
        self._wall_start = time.monotonic() - state["wall_seconds"]

    @contextmanager
    def paused(self):
        """What happens in this `with` block does not count."""
        state = self.state_dict()
        try:
            yield
        finally:
            self.load_state_dict(state)


class TorchRandom:
    """The state of torch's global generators, on the CPU and on the CUDA devices there are."""

    def state_dict(self):
        return {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all()}

    def template(self):
        """What any checkpoint holds: another machine may have had other CUDA devices."""
        return {"cpu": torch.get_rng_state()}

    def load_state_dict(self, state):
        torch.set_rng_state(state["cpu"])
        if len(state["cuda"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(state["cuda"])


class Stopped(Exception):
    """A stop was requested in the middle of something that can be made again."""


class DivergedError(FloatingPointError):
    """The weights are not finite any more; the message gives the step, the loss and the gradient."""


def check_finite(model, step, loss, grad_norm):
    """Raise DivergedError if update `step`, made from this loss and this length of the gradient, ruined the weights.

    A loss or gradient that is not finite ruins them too, so this one look after each update is enough. It asks for the
    sum of the squares of all weights: while that is finite, so is every product of them (Cauchy-Schwarz).
    """
    length = nn.utils.get_total_norm(model.parameters()).item()
    if not math.isfinite(length):
        loss, grad_norm = (torch.as_tensor(value).item() for value in (loss, grad_norm))
        values = f"loss {loss:g}, length of the gradient {grad_norm:g}, of the weights {length:g}"
        raise DivergedError(f"step {step}: {values}")


def run_to_the_end(train, run, stop, parser, config, memory_flags):
    """Call `train()`, write what it returns to the run's result.json, and return it.

    Exits instead with one line on stderr if training was stopped (train() returned None; the signal's status), if it
    diverged (3, with what to try), or if memory or the disk failed or damaged a file (1). `parser` and `config`, the
    script's, give the command that resumes the run; `memory_flags` names the flags that lower the memory it takes.
    """
    try:
        result = train()
        if result is not None:
            run.finish(result)
            return result
        line, status = f"stopped by {stop.signal.name}, saved in {run.path}", stop.exit_status
    except DivergedError as error:
        lower = f"a lower --learning_rate (now {config.learning_rate}) or --max_norm (now {config.max_norm})"
        print(f"{error}: diverged, the last good checkpoint is in {run.path}. Try {lower}.", file=sys.stderr)
        sys.exit(3)
    except (MemoryError, RuntimeError) as error:
        line = told(error, memory_flags)
        if isinstance(error, RuntimeError) and line == str(error):
            raise  # no lack of memory
        print(f"{line}. The last checkpoint is in {run.path}.", file=sys.stderr)
        sys.exit(1)
    except (OSError, CheckpointError) as error:
        line, status = str(error), 1
    print(f"{line}; resume with: {parser.command(config, output_dir=run.path, resume=True)}", file=sys.stderr)
    sys.exit(status)
