"""Palindromes of growing length: what is to be remembered for long is first remembered for a short time."""

import numpy as np

from part1.dataset import draw_palindromes

SHORT = 5  # digits to read: half of every batch stays at most so short, and the bound begins there
RIGHT = 0.01  # nats: a loss on the long half below which the bound grows
GROWTH = 1.1


class Curriculum:
    """Training palindromes whose lengths grow with what the model can do.

    A batch has two halves. One has a short length, 1 to SHORT digits to read; the other a long one, drawn between half
    the bound and the bound. The bound begins at SHORT and grows by GROWTH whenever the loss on the long half is below
    RIGHT, until it is the goal. Why half of each batch stays short: see results/part1/README.md.

    Args:
        goal: digits to read at last, T - 1 ≥ 1.
        seed: whole number ≥ 0.
    """

    def __init__(self, goal, seed=0):
        self.goal = goal
        self.bound = min(SHORT, goal)
        self.rng = np.random.default_rng([seed, 0])

    def halves(self, batch_size):
        """The short and the long half of a batch of B ≥ 2: the length of each, and how many sequences it has."""
        short = self.rng.integers(1, min(SHORT, self.goal), endpoint=True)
        long = self.rng.integers((self.bound + 1) // 2, self.bound, endpoint=True)
        return (int(short), batch_size // 2), (int(long), batch_size - batch_size // 2)

    def batches(self, batch_size):
        """The short and the long half of a batch, each digits (B', T' - 1) and targets (B',), int64; B ≥ 2 in all."""
        halves = self.halves(batch_size)
        palindromes = [draw_palindromes(self.rng, count, length + 1) for length, count in halves]
        return [(p[:, :-1], p[:, -1]) for p in palindromes]

    def grow(self, loss, right=RIGHT):
        """Raise the bound if the loss on the long half, in nats, is below `right`."""
        if loss < right:
            self.bound = min(self.goal, max(self.bound + 1, int(GROWTH * self.bound)))

    def state_dict(self):
        """The bound and the position in the random stream, plain values."""
        return {"bound": self.bound, "rng": self.rng.bit_generator.state}

    def load_state_dict(self, state):
        if not min(SHORT, self.goal) <= state["bound"] <= self.goal:
            raise ValueError(f"bound {state['bound']}: it lies between {min(SHORT, self.goal)} and {self.goal}")
        self.bound = state["bound"]
        self.rng.bit_generator.state = state["rng"]
