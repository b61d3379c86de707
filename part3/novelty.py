"""How much of a sample is copied from a book: the longest passage they share, and the n-grams found there.

Passages are compared by name: a passage of L characters of the joined text, sample first, gets a whole number, the same
for the same characters. Names of longer passages come from names of shorter ones (Karp, Miller & Rosenberg 1972).
"""

import numpy as np

from part3.dataset import code_points


def longest_shared(sample, book):
    """The longest passage, a str, that stands in sample and book; the first in the sample if several are as long.

    Time grows as N log N log L, for N characters in both together and L shared.
    """
    characters = code_points(sample + book)
    doubled = []  # names of passages of 1, 2, 4, ... characters, while any is shared
    names, length = characters, 1
    while _in_book(names, length, len(sample)).any():
        doubled.append(names)
        names, length = _joined(names, names, length), 2 * length

    names, length, found = None, 0, 0
    for k in reversed(range(len(doubled))):
        longer = doubled[k] if names is None else _joined(names, doubled[k], length)
        shared = _in_book(longer, length + 2**k, len(sample))
        if shared.any():
            names, length, found = longer, length + 2**k, int(shared.argmax())
    return sample[found : found + length]


def share_found(sample, book, n=20):
    """The share, 0 to 1, of the sample's n-grams that stand in the book; nan if the sample has none."""
    names, length = code_points(sample + book), 1
    characters = names
    while length < n:
        names, length = _joined(names, characters, length), length + 1
    found = _in_book(names, n, len(sample))
    return float(found.mean()) if len(found) else float("nan")


def _joined(left, right, length):
    """Names of passages that are one named in `left`, of `length` characters, and behind it one named in `right`."""
    right = right[length:].astype(np.int64)
    pairs = left[: len(right)].astype(np.int64) * (right.max(initial=0) + 1) + right
    return np.unique(pairs, return_inverse=True)[1]


def _in_book(names, length, sample_length):
    """For each passage of `length` characters in the sample, whether it stands in the book."""
    return np.isin(names[: max(0, sample_length - length + 1)], names[sample_length:])
