"""How much of a sample is copied from a book: the longest passage they share, and the n-grams found there.

python part3/generate.py --length 2000 | python part3/novelty.py --txt_file assets/book.txt -
"""

import math
import sys
from pathlib import Path

if not __package__:  # run as `python part3/novelty.py`: import from the checkout, not from part3/
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

from common.arguments import Parser
from part3.text import read_input, read_text

NGRAM = 20  # characters


def longest_shared(sample, book):
    """The longest passage, a str, that stands in sample and book; the first in the sample if several are as long.

    Time grows as nN, for n characters in the sample and N in the book: about two seconds for 5,000 and 250,000.
    """
    found, length = 0, 0
    for start in range(len(sample)):
        while start + length < len(sample) and sample[start : start + length + 1] in book:
            found, length = start, length + 1
    return sample[found : found + length]


def share_found(sample, book, n=NGRAM):
    """The share, 0 to 1, of the sample's n-grams that stand in the book; nan if the sample has none."""
    grams = list(ngrams(sample, n))
    found = set(grams).intersection(ngrams(book, n))
    return sum(gram in found for gram in grams) / len(grams) if grams else math.nan


def ngrams(text, n=NGRAM):
    """The passages of n characters of a text, one after the other."""
    return (text[i : i + n] for i in range(len(text) - n + 1))


def main(argv=None):
    parser = Parser(__doc__)
    parser.add_argument("sample", help="the text that may be copied, - for standard input")
    parser.add_argument("--txt_file", required=True, help="the book")
    parser.add_argument("--encoding", default="utf-8", help="encoding of both")
    config = parser.parse_args(argv)
    with parser.printing():
        book, sample = read_text(config.txt_file, config.encoding), read_input(config.sample, config.encoding)
        passage, share = longest_shared(sample, book), share_found(sample, book)
        quoted = repr(passage) if len(passage) <= 120 else f"{passage[:60]!r} ... {passage[-60:]!r}"
        print(f"longest shared passage: {len(passage)} characters{f': {quoted}' if passage else ''}")
        if len(sample) < NGRAM:
            print(f"{NGRAM}-grams: none, the sample has only {len(sample)} characters")
        else:
            print(f"{NGRAM}-grams found in the book: {share:.4f} of {len(sample) - NGRAM + 1}")


if __name__ == "__main__":
    main()
