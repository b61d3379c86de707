"""Palindromes, a batch at a time, with left halves held out for evaluation."""

import functools
import math
import sys

import numpy as np
import torch
import torch.nn.functional as F
from torch.utils.data import Dataset, get_worker_info

HELD_OUT = 0.1  # share of the left halves kept out of training


class PalindromeDataset(Dataset):
    """Endless random palindromes of `seq_length` digits T; the input is the first T - 1, the target the last.

        1 7 5 2 8 2 5 7 | 1      T = 9: eight digits in, and the first one asked for again

    A palindrome is its left half, ⌈T/2⌉ digits (the middle one included, a leading 0 allowed) mirrored. Training and
    held-out palindromes never share a left half: a hash of it decides, the same one in every run, for one in ten.
    The assignment ignores that collision; we don't.

    Args:
        seq_length: T ≥ 2, length of the whole palindrome, one more than the input.
        seed: whole number ≥ 0; the training and the held-out stream of one seed differ.
        held_out: draw the held-out palindromes instead of the training ones.

    Where T ≤ 3 there are too few palindromes to hold any out: `nothing_held_out` is True and both sets are the same.
    Raises ValueError if T < 2.
    """

    def __init__(self, seq_length, seed=0, held_out=False):
        if seq_length < 2:
            raise ValueError(
                f"seq_length {seq_length}: a palindrome has at least 2 digits here, 1 to read, 1 to predict"
            )
        self.seq_length = seq_length
        self.held_out = held_out
        self.nothing_held_out = seq_length <= 3
        self.entropy = [seed, int(held_out)]
        self.rng = np.random.default_rng(self.entropy)
        self._worker_seed = None

    def generate_palindrome(self):
        """One random palindrome: (T,) int64 tensor of digits."""
        return self.generate_palindromes(1)[0]

    def generate_palindromes(self, count):
        """`count` random palindromes: (count, T) int64 tensor of digits."""
        return draw_palindromes(self.rng, count, self.seq_length, self.held_out)

    def every_palindrome(self):
        """Each palindrome of this set once, in order: (N, T). For short ones only: N grows as 10^⌈T/2⌉."""
        n = math.ceil(self.seq_length / 2)
        left = np.indices((10,) * n, dtype=np.uint8).reshape(n, -1).T  # (10^n, n)
        return _mirror(left[_in_set(left, self.seq_length, self.held_out)], self.seq_length)

    def batch(self, batch_size):
        """A random batch: digits (B, T - 1) and targets (B,), int64."""
        palindromes = self.generate_palindromes(batch_size)
        return palindromes[:, :-1], palindromes[:, -1]

    def batches(self, batch_size):
        """The batch as a list of one; a Curriculum's has two lengths."""
        return [self.batch(batch_size)]

    def __getitem__(self, index):
        """A random palindrome, whatever the index: digits (T - 1,) and target (), int64.

        In a DataLoader each worker draws a stream of its own, another one in every pass.
        """
        worker = get_worker_info()
        if worker is not None and worker.seed != self._worker_seed:
            self._worker_seed = worker.seed  # of this worker and this pass
            self.rng = np.random.default_rng([*self.entropy, worker.seed])
        palindrome = self.generate_palindrome()
        return palindrome[:-1], palindrome[-1]

    def __len__(self):
        """The stream has no end; as in the course's class, the largest length there can be."""
        return sys.maxsize

    def state_dict(self):
        """Position in the random stream, plain values."""
        return {"rng": self.rng.bit_generator.state}

    def load_state_dict(self, state):
        self.rng.bit_generator.state = state["rng"]


def draw_palindromes(rng, count, seq_length, held_out=False):
    """`count` random palindromes of `seq_length` digits from one of the two sets: (count, T) int64 tensor.

    Args:
        rng: numpy Generator.
        held_out: draw held-out ones; where T ≤ 3 nothing is held out, and both sets are the same.
    """
    n = math.ceil(seq_length / 2)
    share = 1.0 if seq_length <= 3 else HELD_OUT if held_out else 1 - HELD_OUT
    most = max(1, 2**24 // n)  # rows drawn at once: bounds the memory for long palindromes
    kept, missing = [np.empty((0, n), dtype=np.uint8)], count
    while missing > 0:
        left = rng.integers(10, size=(min(most, int(1.1 * missing / share) + 16), n), dtype=np.uint8)
        left = left[_in_set(left, seq_length, held_out)][:missing]
        kept.append(left)
        missing -= len(left)
    return _mirror(np.concatenate(kept), seq_length)


def encode(digits, input_dim):
    """Digits (B, T - 1) as input x (B, T - 1, D): raw numbers 0.0 to 9.0 if D is 1, one-hot if D is 10."""
    return digits[..., None].float() if input_dim == 1 else F.one_hot(digits, 10).float()


def _in_set(left, seq_length, held_out):
    """(N,) bool: which of the left halves (N, n) belong to the held-out set, or to the training set."""
    if seq_length <= 3:
        return np.ones(len(left), dtype=bool)
    # A sum of digits times random odd numbers modulo 2^64, mixed: the top bits are as good as uniform.
    code = _mix(left.astype(np.uint64) @ _odd_numbers(left.shape[1]))
    return (code < np.uint64(HELD_OUT * 2**64)) == held_out


@functools.cache
def _odd_numbers(n):
    return _mix(np.arange(1, n + 1, dtype=np.uint64)) | np.uint64(1)


def _mirror(left, seq_length):
    """Left halves (N, n) to palindromes (N, T)."""
    right = left[:, ::-1] if seq_length % 2 == 0 else left[:, -2::-1]
    return torch.from_numpy(np.concatenate([left, right], axis=1).astype(np.int64))


def _mix(code):
    """Scramble uint64 numbers (the finaliser of SplitMix64, Steele et al. 2014)."""
    code = (code ^ (code >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    code = (code ^ (code >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return code ^ (code >> np.uint64(31))
