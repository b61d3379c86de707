"""Predict a text by counting: a 5-gram with back-off, the floor that a network has to beat.

python part3/ngram.py --txt_file assets/book.txt
"""

import math
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from statistics import fmean

if not __package__:  # run as `python part3/ngram.py`: import from the checkout, not from part3/
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

from common.arguments import Parser, number_between, whole_number
from part3.dataset import split
from part3.text import read_text

DISCOUNT = 0.75  # of each count, for what was not seen there


class NGram:
    """The next character's probability by counts, with interpolated absolute discounting (Ney, Essen & Kneser 1994).

        p(x | c) = (max(n(cx) - d, 0) + d · kinds(c) · p(x | c')) / n(c)

    n(cx) counts the context c with x after it, n(c) with any character, kinds(c) is how many different ones follow it;
    c' is c without its first character, d is DISCOUNT. Where nothing follows c it is p(x | c'). Below the context of no
    character all are equally likely.

    Args:
        text: what is counted.
        order: characters of an n-gram, at least 1; a context has one less at most.
        vocabulary: how many characters there are, also those that do not occur in the text.
    """

    def __init__(self, text, order, vocabulary):
        self.order, self.vocabulary = order, vocabulary
        self.after = defaultdict(Counter)  # context: counts of the characters after it
        for length in range(order):
            for i in range(length, len(text)):
                self.after[text[i - length : i]][text[i]] += 1
        self.total = {context: counts.total() for context, counts in self.after.items()}

    def probability(self, character, context):
        """Of a character after a context of at most `order` - 1 characters."""
        p = 1 / self.vocabulary
        for start in range(len(context), -1, -1):  # from no context to the whole
            counts = self.after.get(context[start:])
            if counts is None:
                break
            p = (max(counts[character] - DISCOUNT, 0) + DISCOUNT * len(counts) * p) / self.total[context[start:]]
        return p

    def loss(self, text):
        """Mean cross-entropy in nats of each character of a text, 2 at least, but the first, after those before it."""
        contexts = (text[max(0, i - self.order + 1) : i] for i in range(1, len(text)))
        return -fmean(map(math.log, map(self.probability, text[1:], contexts)))


def main(argv=None):
    parser = Parser(__doc__)
    parser.add_argument("--txt_file", required=True, help="the book, a text file")
    parser.add_argument("--encoding", default="utf-8", help="encoding of the file")
    parser.add_argument("--val_fraction", type=number_between(0, 1), default=0.1, help="share held out at the end")
    parser.add_argument("--order", type=whole_number(1, 20), default=5, help="characters of an n-gram, n")
    config = parser.parse_args(argv)
    with parser.printing():
        text = read_text(config.txt_file, config.encoding)
        training, held_out = split(text, config.val_fraction)
        if not training or len(held_out) < 2:
            parts = f"{len(training)} of them for training and {len(held_out)} held out"
            raise ValueError(f"{config.txt_file} has {len(text)} characters, {parts}: too few for 1 and 2")
        started = time.process_time()
        model = NGram(training, config.order, len(set(text)))
        counted = time.process_time() - started
        nats = model.loss(held_out)
        print(f"{len(held_out):,} characters held out: {nats:.4f} nats, {nats / math.log(2):.4f} bits per character")
        print(f"{config.order}-gram of {len(training):,} characters, counted in {counted:.1f} CPU-seconds")


if __name__ == "__main__":
    main()
