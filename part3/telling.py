"""What a training tells at its end: its losses, and the commands that go on from there."""

import math
from functools import partial

from common.arguments import flag_words
from common.printing import command_line


def say_result(parser, config, run, result):
    """Print how well the model of a run, a RunFolder, predicts, and how to train it longer and to write with it."""
    loss, setting = result["heldout_loss"], result["ended_by"]
    bits = "nothing held out"
    if loss is not None:
        bits = f"held-out loss {loss:.4f} nats ({loss / math.log(2):.4f} bits) per character"
    seconds = f"{result['wall_seconds']:.0f} s ({result['cpu_seconds']:.0f} s CPU)"
    print(f"{bits}, best at step {result['best_step']} of {result['steps']}, {seconds}, {run.path}")
    resume = partial(parser.command, config, output_dir=run.path, resume=True)
    if (setting, config.schedule) != ("train_steps", "cosine"):
        print(f"train longer with: {resume(**{setting: 2 * getattr(config, setting)})}")
    print(f"write with: {command_line(['python', 'part3/generate.py', *flag_words('checkpoint', run.path)])}")
