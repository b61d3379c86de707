"""Let a trained model write, from a checkpoint alone.

python part3/generate.py --prompt "Sleeping beauty is "
"""

import sys
from functools import partial
from pathlib import Path

if not __package__:  # run as `python part3/generate.py`: import from the checkout, not from part3/
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

import numpy as np

from common.arguments import Parser, number_between, whole_number
from part3.dataset import encode
from part3.sampling import Writer, write
from part3.text import read_input
from part3.trained import BOOK, Trained

AT_ONCE = 1_000  # items that are drawn at once
DRAWS = 20  # items drawn for one that is asked for, at most


def read_prompts(config, characters):
    """Ids (N,) of each prompt; of none, one that is empty. Raises ValueError for an unknown character, OSError."""
    texts = [read_input(config.prompt_file, config.encoding)] if config.prompt_file else config.prompt
    if texts is None:
        return [np.zeros(0, dtype=int)]
    prompts = [encode(text, characters, config.unknown).numpy() for text in texts]
    if not all(map(len, prompts)):
        raise ValueError("the prompt is empty: give at least one character that the model knows, or no prompt")
    return prompts


def beginning(trained, prompt):
    """What the model reads before it writes, ids (N ≥ 1,): the prompt; the item of a list follows a newline.

    Without a prompt a text begins as one does after an empty line, each of several with a character of its own; where
    there are no newlines, as after the vocabulary's first character, which mostly is the space.
    """
    start = "\n" if trained.lines else ""
    if not len(prompt) and not trained.lines:
        start = "\n\n" if "\n" in trained.characters else trained.characters[0]
    return np.concatenate([encode(start, trained.characters), prompt])


def write_texts(config, trained, prompt, draw):
    """Print texts with the same beginning: one as it is written, character by character, several one after the other.

    `draw(count)` yields, character after character, the ids (B,) of that many texts.
    """
    if config.num_samples == 1:
        print(prompt, end="", flush=True)
        for (i,) in draw(1):
            print(trained.characters[i], end="", flush=True)
        print()
    else:
        for n, ids in enumerate(zip(*draw(config.num_samples), strict=True), start=1):
            print(f"--- text {n}\n{prompt}{up_to(config.stop, ''.join(trained.characters[i] for i in ids))}")


def up_to(stop, text):
    """The text up to the end of the first `stop` in it; all of it if there is none."""
    return text[: text.index(stop) + len(stop)] if stop and stop in text else text


def write_items(config, trained, prompt, draw):
    """Print as many items of a list, each a line, no two alike; on stderr, how many of them stand in the training list.

    An item that does not end within --length characters is left out. There are fewer if most draws bring nothing new.
    """
    items, drawn = {}, 0  # a dict, for its order
    while len(items) < config.num_samples and drawn < DRAWS * config.num_samples:
        count = min(AT_ONCE, config.num_samples)
        for ids in zip(*draw(count), strict=True):
            rest, end, _ = "".join(trained.characters[i] for i in ids).partition("\n")
            if end and prompt + rest not in items and len(items) < config.num_samples:
                items[prompt + rest] = None
                print(prompt + rest)
        drawn += count
    known, said = trained.training_items(), ""
    if known is not None and items:
        said = f", {sum(item in known for item in items) / len(items):.1%} of them in the training list"
    print(f"{len(items)} different items of {drawn} drawn{said}", file=sys.stderr)


def main(argv=None):
    parser = Parser(__doc__)
    parser.add_argument("--checkpoint", default=BOOK, help="best.pt or checkpoint.pt of a run, or the run's folder")
    prompt = parser.add_mutually_exclusive_group()
    begin = "how texts begin, one or more, one with - at its front as --prompt=-x; None: as texts do"
    prompt.add_argument("--prompt", nargs="+", help=begin)
    prompt.add_argument("--prompt_file", help="a file with the beginning, - for standard input")
    parser.add_argument("--encoding", default="utf-8", help="encoding of --prompt_file")
    parser.add_argument("--unknown", choices=("refuse", "skip"), default="refuse", help="what unknown characters cause")
    parser.add_argument("--length", type=whole_number(1, 10**9), default=500, help="characters to write")
    temperature, words = number_between(0, 1e9, include_low=True), "0: greedy, 1: the model's own distribution"
    parser.add_argument("--temperature", nargs="+", type=temperature, default=[1.0], help=words)
    parser.add_argument("--top_k", type=whole_number(1, 10**9), help="draw among the k likeliest characters only")
    top_p = number_between(0, 1, include_high=True)
    parser.add_argument("--top_p", type=top_p, help="draw among the fewest likeliest that hold p")
    min_p = "draw among the characters that have this share of the likeliest's probability"
    parser.add_argument("--min_p", type=top_p, help=min_p)
    parser.add_argument("--stop", help="end a text with the first of these characters, in this order")
    parser.add_argument("--num_samples", type=whole_number(1, 100_000), default=1, help="texts per temperature")
    parser.add_argument("--seed", type=whole_number(0, 2**63 - 1), default=0, help="seed of the draws")
    config = parser.parse_args(argv)
    with parser.printing():
        trained = Trained(config.checkpoint)
        if trained.lines and config.stop:
            raise ValueError(f"--stop {config.stop!r} is for running text: the items of a list end with their lines")
        if unknown := {*(config.stop or "")} - {*trained.characters}:
            raise ValueError(f"--stop {config.stop!r}: the model never writes {min(unknown)!r}")
        write_some = write_items if trained.lines else write_texts
        how = {name: getattr(config, name) for name in ("top_k", "top_p", "min_p")}
        how["stop"] = encode("\n" if trained.lines else config.stop or "", trained.characters).numpy()
        prompts = read_prompts(config, trained.characters)
        rng, writer = np.random.default_rng(config.seed), Writer(trained.weights)
        for temperature in config.temperature:
            for n, prompt in enumerate(prompts, start=1):
                which = f", prompt {n}" if len(prompts) > 1 else ""
                if which or len(config.temperature) > 1:
                    print(f"--- temperature {temperature:g}{which}")
                start = beginning(trained, prompt)
                draw = partial(write, writer, start, config.length, rng, temperature=temperature, **how)
                write_some(config, trained, "".join(trained.characters[i] for i in prompt), draw)


if __name__ == "__main__":
    main()
