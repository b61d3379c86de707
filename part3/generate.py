"""Let a trained model write, from a checkpoint alone.

python part3/generate.py --prompt "Sleeping beauty is "
"""

import sys
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


def read_prompts(config, characters):
    """Ids (N ≥ 1,) of each prompt. Raises ValueError for an empty one or an unknown character, OSError."""
    texts = [read_input(config.prompt_file, config.encoding)] if config.prompt_file else config.prompt
    if texts is None:
        return [np.random.default_rng(config.seed).integers(len(characters), size=1)]
    prompts = [encode(text, characters, config.unknown).numpy() for text in texts]
    if not all(map(len, prompts)):
        raise ValueError("the prompt is empty: give at least one character that the model knows, or no prompt")
    return prompts


def write_texts(config, trained, prompt, temperature, rng):
    """Print the texts of one prompt: one as it is written, character by character, several one after the other."""
    how = {"temperature": temperature, "top_k": config.top_k, "top_p": config.top_p}
    steps = write(Writer(trained.weights), prompt, config.length, rng, config.num_samples, **how)
    begin = "".join(trained.characters[i] for i in prompt)
    if config.num_samples == 1:
        print(begin, end="", flush=True)
        for (i,) in steps:
            print(trained.characters[i], end="", flush=True)
        print()
    else:
        for n, text in enumerate(zip(*steps, strict=True), start=1):
            print(f"--- text {n}\n{begin}{''.join(trained.characters[i] for i in text)}")


def main(argv=None):
    parser = Parser(__doc__)
    parser.add_argument("--checkpoint", default=BOOK, help="best.pt or checkpoint.pt of a run, or the run's folder")
    prompt = parser.add_mutually_exclusive_group()
    begin = "how texts begin, one or more, one with - at its front as --prompt=-x; None: a random character"
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
    parser.add_argument("--num_samples", type=whole_number(1, 100_000), default=1, help="texts per temperature")
    parser.add_argument("--seed", type=whole_number(0, 2**63 - 1), default=0, help="seed of the draws")
    config = parser.parse_args(argv)
    with parser.printing():
        trained = Trained(config.checkpoint)
        prompts = read_prompts(config, trained.characters)
        rng = np.random.default_rng(config.seed)
        for temperature in config.temperature:
            for n, prompt in enumerate(prompts, start=1):
                which = f", prompt {n}" if len(prompts) > 1 else ""
                if which or len(config.temperature) > 1:
                    print(f"--- temperature {temperature:g}{which}")
                write_texts(config, trained, prompt, temperature, rng)


if __name__ == "__main__":
    main()
