"""What does the temperature do? Measure texts that a trained model writes at many of them (question 2.1 c).

python part3/temperatures.py

Each text begins with a random character of its seed. Writes temperatures.csv, a row for each temperature and seed:
known_words, the share of the text's words that occur in the book; repeated, the share of its 20-grams that occurred
earlier in the same text; copied, the share of them that occur in the book. part3/plot_temperatures.py draws it.
"""

import hashlib
import math
import re
import sys
from pathlib import Path

if not __package__:  # run as `python part3/temperatures.py`: import from the checkout, not from part3/
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

import numpy as np

from common.arguments import Parser, number_between, whole_number
from common.figures import Points, save_table
from common.files import try_output
from part3.novelty import NGRAM, ngrams, share_found
from part3.sampling import Writer, write
from part3.text import read_text
from part3.trained import BOOK, Trained

ROOT = Path(__file__).resolve().parents[1]
COLUMNS = ("temperature", "seed", "characters", "known_words", "repeated", "copied")


def words_of(text):
    """The words of a text in lower case, a list: letters, and apostrophes between them."""
    return re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)*", text.lower())


def share_known(text, vocabulary):
    """The share, 0 to 1, of the text's words that are in `vocabulary`, a set; nan for a text without words."""
    words = words_of(text)
    return sum(word in vocabulary for word in words) / len(words) if words else math.nan


def share_repeated(text, n=NGRAM):
    """The share, 0 to 1, of the text's n-grams that stand earlier in it; nan if it has none."""
    grams = list(ngrams(text, n))
    return 1 - len(set(grams)) / len(grams) if grams else math.nan


def written(trained, temperature, length, seed):
    """A text of `length` characters after a random first one."""
    rng = np.random.default_rng(seed)
    first = rng.integers(len(trained.characters), size=1)
    ids = write(Writer(trained.weights), first, length, rng, temperature=temperature)
    return "".join(trained.characters[i] for (i,) in ids)


def main(argv=None):
    parser = Parser(__doc__)
    parser.add_argument("--checkpoint", default=BOOK, help="best.pt or checkpoint.pt of a run, or the run's folder")
    parser.add_argument("--txt_file", default=str(ROOT / "assets/book.txt"), help="the book that it was trained on")
    temperature, many = number_between(0, 1e9, include_low=True), [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 2, 3]
    parser.add_argument("--temperature", nargs="+", type=temperature, default=many, help="draw at these; 0: greedy")
    parser.add_argument("--length", type=whole_number(NGRAM, 10**7), default=5_000, help="characters of a text")
    parser.add_argument("--seeds", type=whole_number(1, 1_000), default=5, help="texts per temperature")
    parser.add_argument("--output_dir", default=str(ROOT / "results/part3"), help="folder for temperatures.csv")
    config = parser.parse_args(argv)
    with parser.printing():
        trained = Trained(config.checkpoint)
        book = read_text(config.txt_file)
        folder = Path(config.output_dir)
        try_output(folder / "temperatures.csv")
        folder.mkdir(parents=True, exist_ok=True)
        vocabulary = set(words_of(book))

        def measured(temperature, seed):
            text = written(trained, temperature, config.length, seed)
            shares = (share_known(text, vocabulary), share_repeated(text), share_found(text, book))
            return [f"{temperature:g}", seed, len(text), *(f"{share:.4f}" for share in shares)]

        read = hashlib.sha256(trained.path.read_bytes() + book.encode()).hexdigest()
        points = Points(folder / "temperatures.unfinished.jsonl", {"read": read, "length": config.length})
        rows = [row for _, row in points.each(measured, config.temperature, range(config.seeds))]
        save_table(folder / "temperatures.csv", COLUMNS, rows)
        points.end()


if __name__ == "__main__":
    main()
