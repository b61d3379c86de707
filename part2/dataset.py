"""Tasks of memory: part 1's palindromes, adding, copying, and sine waves told apart by their period.

All are endless random streams, drawn a batch at a time, with one interface:

    x, t, lengths, target = task.batch(batch_size)

    x        (B, T, task.input_dim) float32, what the network reads
    t        (B, T) float64, time stamps for the gate; None: the steps 1, 2, …, T
    lengths  (B,) int64, 1 to T, steps before the padding at the end; None: all T
    target   (B, 1) float32 to predict where `task.regression` is True, else (B,) int64, 0 to task.num_outputs - 1;
             for copying (B, 10) int64, one for each of the last 10 steps

`task.longest` is the most steps that a sequence can have. A batch_size or a seed that is too small is a ValueError.
"""

import math

import numpy as np
import torch

from part1.dataset import PalindromeDataset, encode

ADDING_BASELINE = 1 / 6  # MSE of always answering 1
PERIODS = (1, 100)  # ms, class 0
TARGET_PERIODS = (5, 6)  # ms, class 1, left out of class 0
DURATIONS = (15, 125)  # ms; a wave starts and ends between 0 and 125 ms
POINTS = (15, 125)  # asynchronous samples of a wave, the last number excluded, as in the notebook
RESOLUTION = {"standard": 1.0, "high": 0.1, "asynchronous": None}  # ms from sample to sample


class _Stream:
    """The random stream of a `seed`, a whole number ≥ 0, for training, or another one that is `held_out`.

    Held out means drawn from another seed sequence, not from other sequences: the numbers are continuous (two
    sequences of even ten float32 values agree with probability 2^-200 or so), so unlike palindromes none comes twice,
    in training or across, and nothing can be learned by heart. The position in the stream can be saved.
    """

    def __init__(self, seed, held_out):
        # held_out first: numpy splits a seed ≥ 2^32 into words, and [seed, held_out] could then meet another seed's.
        self.rng = np.random.default_rng([bool(held_out), seed])

    def state_dict(self):
        """Position in the random stream, plain values; to continue bit by bit, ask for the same batch sizes."""
        return {"rng": self.rng.bit_generator.state}

    def load_state_dict(self, state):
        self.rng.bit_generator.state = state["rng"]


class Palindromes(PalindromeDataset):
    """Part 1's palindromes of T digits, one-hot, the last to be predicted; all else as part 1's PalindromeDataset."""

    input_dim, num_outputs, regression = 10, 10, False
    longest = property(lambda self: self.seq_length - 1)

    def batch(self, batch_size):
        """x (B, T - 1, 10), None, None, target (B,)."""
        digits, target = super().batch(batch_size)
        return encode(digits, self.input_dim), None, None, target


class AddingProblem(_Stream):
    """Add the two marked ones of T random numbers.

        value   .31 .87 .05 .62 .44 …       U(0, 1)
        marker   0   1   0   0   1  …       target .87 + .44

    The definition of Le, Jaitly & Hinton 2015: T steps, at least 2 (else ValueError), and marks at any two of them, all
    pairs alike. Departures from Hochreiter & Schmidhuber 1997, who posed the problem: there values are from U(-1, 1),
    the length varies by a tenth, the first mark is among the first ten steps, and the target is scaled to 0 to 1.

    Always answering 1, the mean, gives a mean squared error of 2 · 1/12 = 1/6 ≈ 0.167 (`ADDING_BASELINE`), the
    variance of a sum of two U(0, 1); nothing that ignores the markers or the values does better. (The 0.1767 printed
    by Le et al. and copied since is a slip.)
    """

    input_dim, num_outputs, regression = 2, 1, True

    def __init__(self, T, seed=0, held_out=False):
        if T < 2:
            raise ValueError(f"T {T}: two numbers to add take at least 2 steps")
        super().__init__(seed, held_out)
        self.T = self.longest = T

    def batch(self, batch_size, T=None):
        """x (B, T, 2), value and marker, None, None, target (B, 1), not (B,): an MSE against (B, 1) won't broadcast.

        T ≥ 2 is another length than the longest, for a curriculum.
        """
        B, T = _checked(batch_size), T or self.T
        rows = np.arange(B)
        first = self.rng.integers(T, size=B)
        second = (first + self.rng.integers(1, T, size=B)) % T
        x = np.zeros((B, T, 2), dtype=np.float32)
        x[:, :, 0] = self.rng.random((B, T), dtype=np.float32)
        x[rows, first, 1] = x[rows, second, 1] = 1
        target = x[rows, first, 0] + x[rows, second, 0]
        return torch.from_numpy(x), None, None, torch.from_numpy(target[:, None])


class CopyMemory(_Stream):
    """Say ten symbols again after a delay, in their order (Hochreiter & Schmidhuber 1997; Arjovsky et al. 2016).

        read    3 1 4 1 5 2 6 5 3 5 - - … - > - - - - - - - - - -
        say                                   3 1 4 1 5 2 6 5 3 5

    The symbols are 0 to 7, so that 30 bits are to be held; "-" is a blank, ">" asks for them. From the last symbol to
    the first answer there are `delay` ≥ 1 steps (else ValueError), the last of them ">"; steps in all: delay + 20. Each
    step is one-hot, of ten. Departure from Arjovsky et al.: only the ten answers count, not the blanks before them.

    Without a memory nothing is better than chance, an eighth of the symbols right, and a loss of log 8 nats.
    """

    symbols, kinds, input_dim, num_outputs, regression = 10, 8, 10, 8, False

    def __init__(self, delay, seed=0, held_out=False):
        if delay < 1:
            raise ValueError(f"delay {delay}: the step that asks for the symbols takes 1")
        super().__init__(seed, held_out)
        self.delay, self.longest = delay, delay + 2 * self.symbols

    def batch(self, batch_size, delay=None):
        """x (B, T, 10), None, None, target (B, 10); `delay` ≥ 1 is another one than the task's, for a curriculum."""
        B, delay = _checked(batch_size), delay or self.delay
        target = self.rng.integers(self.kinds, size=(B, self.symbols))
        read = np.full((B, delay + 2 * self.symbols), self.kinds)
        read[:, : self.symbols] = target
        read[:, self.symbols + delay - 1] = self.kinds + 1
        return encode(torch.from_numpy(read), self.input_dim), None, None, torch.from_numpy(target)


class FrequencyDiscrimination(_Stream):
    """Tell sine waves with a period of 5 to 6 ms (class 1) from faster and slower ones (class 0).

    The task of Neil, Pfeiffer & Liu 2016, section 3.1, with the numbers of their program (public_plstm, freq_task.py),
    which their notebook's results stand on. All times in ms; a `sampling` that is not listed is a ValueError:

        period    class 1: U(5, 6); class 0: log-uniform on (1, 5) and (6, 100)
        phase     U(0, 2π), amplitude 1, no noise
        duration  U(15, 125), start U(0, 125 - duration)
        samples   "standard"      every 1 ms from the start: 16 to 125 of them
                  "high"          every 0.1 ms: 151 to 1250
                  "asynchronous"  15 to 124 of them, however long the wave, at sorted U(start, start + duration)

    Departures from their program:
    - It pads sequences on the left, masked; here they are padded at the end, as `TimeGatedLSTM.forward` has it.
    - Class 0 there is log-uniform on all of (1, 100), and the 4 % that fall between 5 and 6 are called class 1, so
      that 52 % are; here they are left out. Half of a batch is of each class, in random order; in an odd batch a coin
      decides which has one more.
    - Phases there are U(0, duration) radians, uniform but for the last turn begun. Time stamps there are float32.

    The sample values are all x has: a network without a gate is to be given t as a second input, as in the paper.
    """

    input_dim, num_outputs, regression = 1, 2, False

    def __init__(self, sampling="standard", seed=0, held_out=False):
        if sampling not in RESOLUTION:
            raise ValueError(f"sampling {sampling!r} is unknown: choose from {', '.join(RESOLUTION)}")
        super().__init__(seed, held_out)
        self.step = RESOLUTION[sampling]
        self.longest = math.ceil(DURATIONS[1] / self.step) if self.step else POINTS[1] - 1

    def batch(self, batch_size):
        """x (B, T, 1), t (B, T) in ms, lengths (B,), target (B,): T is the longest of this batch; padding is 0."""
        B = _checked(batch_size)
        target = (self.rng.permutation(B) + self.rng.integers(2)) % 2
        period = self._periods(target)
        phase = self.rng.uniform(0, 2 * math.pi, B)
        duration = self.rng.uniform(*DURATIONS, B)
        start = self.rng.uniform(0, DURATIONS[1] - duration)
        t, lengths = self._times(start, duration)
        padding = np.arange(t.shape[1]) >= lengths[:, None]
        t[padding] = 0
        x = np.where(padding, 0, np.sin(2 * math.pi * t / period[:, None] + phase[:, None]))
        return tuple(map(torch.from_numpy, (x.astype(np.float32)[..., None], t, lengths, target)))

    def _periods(self, target):
        """A period in ms for each of the classes `target` (B,)."""
        shortest, longest, low, high = map(math.log, PERIODS + TARGET_PERIODS)
        other = self.rng.uniform(shortest, longest - (high - low), len(target))
        other += (high - low) * (other > low)  # skips 5 to 6
        return np.where(target == 1, self.rng.uniform(*TARGET_PERIODS, len(target)), np.exp(other))

    def _times(self, start, duration):
        """Time stamps (B, T) of waves from start (B,) that last duration (B,), rising up to lengths (B,)."""
        if self.step:
            lengths = np.ceil(duration / self.step).astype(np.int64)
            return start[:, None] + self.step * np.arange(lengths.max()), lengths
        lengths = self.rng.integers(*POINTS, size=len(start))
        u = self.rng.random((len(start), lengths.max()))
        u[np.arange(u.shape[1]) >= lengths[:, None]] = 1  # sorted to the end, where the padding is
        return start[:, None] + duration[:, None] * np.sort(u, axis=1), lengths


def _checked(batch_size):
    if batch_size < 1:
        raise ValueError(f"batch_size {batch_size}: a batch has at least one sequence")
    return batch_size
