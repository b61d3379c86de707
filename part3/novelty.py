"""How much of a sample is copied from a book: the longest passage they share, and the n-grams found there.

Passages are compared by name: each of the sample's passages of L characters gets a whole number, the same for the same
characters, and so does each passage of the book that stands in the sample; the book's others are UNNAMED. Names of
longer passages come from names of shorter ones (Karp, Miller & Rosenberg 1972).
"""

import numpy as np

from part3.dataset import code_points

UNNAMED = -1


def longest_shared(sample, book):
    """The longest passage, a str, that stands in sample and book; the first in the sample if several are as long.

    Time grows as N log n log L, for N characters in the book, n in the sample and L shared.
    """
    single = _named(code_points(sample), code_points(book))
    doubled, names, length = [], single, 1  # doubled: names of passages of 1, 2, 4, ... characters, while any is shared
    while _shared(names).any():
        doubled.append(names)
        names, length = _joined(names, names, length), 2 * length

    names, length, found = None, 0, 0
    for k in reversed(range(len(doubled))):
        longer = doubled[k] if names is None else _joined(names, doubled[k], length)
        shared = _shared(longer)
        if shared.any():
            names, length, found = longer, length + 2**k, int(shared.argmax())
    return sample[found : found + length]


def share_found(sample, book, n=20):
    """The share, 0 to 1, of the sample's n-grams that stand in the book; nan if the sample has none."""
    single = names = _named(code_points(sample), code_points(book))
    for length in range(1, n):
        names = _joined(names, single, length)
    found = _shared(names)
    return float(found.mean()) if len(found) else float("nan")


def _named(sample, book):
    """Names of the values in two arrays, one after the other: a tuple of two arrays of whole numbers."""
    known, names = np.unique(sample, return_inverse=True)
    if len(known) == 0:
        return names, np.full(len(book), UNNAMED)
    places = np.searchsorted(known, book).clip(max=len(known) - 1)
    return names, np.where(known[places] == book, places, UNNAMED)


def _joined(left, right, length):
    """Names of passages that are one named in `left`, of `length` characters, and behind it one named in `right`."""
    base = len(right[0]) + 1  # above every name
    pairs = []
    for first, second in zip(left, right, strict=True):
        second = second[length:]
        first = first[: len(second)]
        pairs.append(np.where((first == UNNAMED) | (second == UNNAMED), UNNAMED, first * base + second))
    return _named(*pairs)


def _shared(names):
    """For each passage of the sample whether it stands in the book."""
    in_sample, in_book = names
    present = np.zeros(len(in_sample) + 1, dtype=bool)
    present[in_book] = True  # UNNAMED marks the last place, which no name has
    return present[in_sample]
