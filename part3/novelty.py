"""How much of a sample is copied from a book: the longest passage they share, and the n-grams found there.

python part3/generate.py --length 2000 | python part3/novelty.py --txt_file assets/book.txt -

Passages are compared by name: each of the sample's passages of L characters gets a whole number, the same for the same
characters, and so does each passage of the book that stands in the sample; the book's others are UNNAMED. Names of
longer passages come from names of shorter ones (Karp, Miller & Rosenberg 1972).
"""

import sys
from pathlib import Path

if not __package__:  # run as `python part3/novelty.py`: import from the checkout, not from part3/
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import numpy as np

from common.arguments import Parser
from common.files import ignore_broken_pipe
from part3.dataset import code_points, read_input, read_text

NGRAM = 20  # characters
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


def share_found(sample, book, n=NGRAM):
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
    """Names of passages that are one named in `left`, of `length` characters, and then one named in `right`."""
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


def main(argv=None):
    parser = Parser(__doc__.split("\n")[0])
    parser.add_argument("sample", help="the text that may be copied, - for standard input")
    parser.add_argument("--txt_file", required=True, help="the book")
    parser.add_argument("--encoding", default="utf-8", help="encoding of both")
    config = parser.parse_args(argv)
    sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that cannot show a character
    try:
        book, sample = read_text(config.txt_file, config.encoding), read_input(config.sample, config.encoding)
    except KeyboardInterrupt:
        sys.exit(130)
    except (ValueError, OSError) as error:
        parser.error(error)

    passage, count = longest_shared(sample, book), len(sample) - NGRAM + 1
    quoted = repr(passage) if len(passage) <= 120 else f"{passage[:60]!r} ... {passage[-60:]!r}"
    with ignore_broken_pipe():
        print(f"longest shared passage: {len(passage)} characters{f': {quoted}' if passage else ''}")
        if count < 1:
            print(f"{NGRAM}-grams: none, the sample has only {len(sample)} characters")
        else:
            print(f"{NGRAM}-grams found in the book: {share_found(sample, book):.4f} of {count}")


if __name__ == "__main__":
    main()
