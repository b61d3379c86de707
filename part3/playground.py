"""Make a web page in which a trained model writes, and shows what it expects and what its units follow.

python part3/playground.py --output page.html
"""

import sys
from pathlib import Path

if not __package__:  # run as `python part3/playground.py`: import from the checkout, not from part3/
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

from assets.page import half, make_page, refuse_overwriting, write_page
from common.arguments import Parser, new_file
from part3.dataset import encode, split
from part3.page import EDGES, label, scale, sign
from part3.text import read_text
from part3.trained import BOOK, Trained
from part3.units import BEST, SIGNALS, units_that_follow

ROOT = Path(__file__).resolve().parents[1]
READ, SHOWN = 20_000, 1_500  # characters of the held-out text that find the units, and that the page offers to read
FEWEST = 1_000  # that units are chosen on
PROMPT = "Sleeping beauty is "


def held_out_text(trained, txt_file):
    """The text that training held out, what the model does not know left out; "" if its file is not there any more.

    Raises ValueError as `read_text` does, OSError for a `txt_file` that is given and cannot be read.
    """
    own = trained.settings.get("txt_file")  # a list, if there were several
    path = ROOT / (txt_file or (own if isinstance(own, str) else ""))
    if txt_file is None and (not path.is_file() or trained.lines):  # a list is shuffled before the cut
        return ""
    text = read_text(path, trained.settings.get("encoding", "utf-8"))
    _, text = split(text, trained.settings.get("val_fraction", 0.1))
    return "".join(character for character in text if character in trained.characters)[:READ]


def writer_page(trained, text):
    """The page, a str, of a Trained model whose weights are rounded to float16, and of a held-out text or ""."""
    trained.weights = {name: tensor.half().float() for name, tensor in trained.weights.items()}
    characters = trained.characters
    units = units_that_follow(trained.model(), encode(text, characters), text) if len(text) >= FEWEST else {}
    prompt = "".join(character for character in PROMPT if character in characters) or characters[-1]
    data = {
        "characters": [*characters],
        "signs": [*map(sign, characters)],
        "labels": [*map(label, characters)],
        "hidden": trained.settings["lstm_num_hidden"],
        "layers": trained.settings["lstm_num_layers"],
        "embedding": trained.settings["embedding_dim"],
        "weights": {name: half(tensor) for name, tensor in trained.weights.items()},
        "edges": EDGES,
        "signals": SIGNALS,
        "best": BEST,
        "units": units,
        "prompt": prompt,
        "heldOut": text[:SHOWN],
    }
    shades = "".join(f'<td class="u{n}"></td>' for n in range(11))
    counts = {"vocabulary": len(characters), **{name: data[name] for name in ("layers", "hidden", "embedding")}}
    counts = {name: f"{count:,}" for name, count in counts.items()}
    return make_page("writer", "The writer", data, scale=scale(), shades=shades, **counts)


def main(argv=None):
    parser = Parser(__doc__)
    parser.add_argument("--checkpoint", default=BOOK, help="best.pt or checkpoint.pt of a run, or the run's folder")
    words = "the text of the training, whose held-out end finds the units; None: where the run found it, if it is there"
    parser.add_argument("--txt_file", help=words)
    parser.add_argument("--output", type=new_file, required=True, metavar="FILE", help="the page")
    config = parser.parse_args(argv)
    with parser.printing():
        trained = Trained(config.checkpoint)
        refuse_overwriting(config.output, trained.path, *filter(None, [config.txt_file]))
        text = held_out_text(trained, config.txt_file)
        write_page(config.output, page := writer_page(trained, text))
        print(f"{config.output}: {len(page) / 1e6:.1f} MB; {len(text):,} held-out characters chose the units it names")


if __name__ == "__main__":
    main()
