"""Time that a run has taken, over all its resumes."""

import time
from contextlib import contextmanager


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
