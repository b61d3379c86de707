"""What a training tells: of its text at the beginning; its losses, advice, and the commands to go on, at the end."""

import math
import sys
from functools import partial
from statistics import fmean

from common.arguments import flag_words
from common.printing import command_line
from common.tables import read_metrics
from part3.dataset import files_of

FEWEST = 5  # evaluations that advice needs
FALL, RISE = 0.01, 0.03  # nats of held-out loss that count: a fall over the last fifth, a rise above the best


def warn_of_text(dataset):
    """Warn on stderr of a text that may not be what it was taken for."""
    if dataset.vocab_size > 20_000:
        words = "is the text in another --encoding, or binary?"
        print(f"warning: {dataset.vocab_size} distinct characters: {words}", file=sys.stderr)
    if dataset.looks_sorted:
        print("warning: the lines are sorted; if the text is a list of names, say, add --lines", file=sys.stderr)


def say_text(config, dataset, run):
    """Print what a run, a RunFolder, trains on and evaluates, and with what model."""
    parts = f"{len(dataset.training)} characters for training, {len(dataset.held_out)} held out"
    start, end = run.settings["evaluated_part"]
    if end - start < len(dataset.held_out):
        parts += f" (while training {end - start} of them are evaluated, from the {start + 1}th on)"
    parts += f", {dataset.vocab_size} distinct; {config.lstm_num_layers} layers of {config.lstm_num_hidden}"
    files = ", ".join(map(str, files_of(config.txt_file)))
    print(f"{files}: {parts}, {'a list' if config.lines else config.sampling}")


def say_result(parser, config, dataset, run, result, parameters):
    """Print how well the model of a run predicts, what that suggests, and how to train it longer and to write with it.

    `result` is the run's, `parameters` the number of the model's weights.
    """
    loss, setting = result["heldout_loss"], result["ended_by"]
    bits = "nothing held out"
    if loss is not None:
        bits = f"held-out loss {loss:.4f} nats ({loss / math.log(2):.4f} bits) per character"
    seconds = f"{result['wall_seconds']:.0f} s ({result['cpu_seconds']:.0f} s CPU)"
    print(f"{bits}, best at step {result['best_step']} of {result['steps']}, {seconds}, {run.path}")
    tables = read_metrics(run.path, {"step": int, "train_loss": float, "heldout_loss": float})
    if said := advice(tables.get(run.path.name, []), parameters, len(dataset.training), config.dropout_keep_prob):
        print(f"advice: {said}")
    resume = partial(parser.command, config, output_dir=run.path, resume=True)
    if (setting, config.schedule) != ("train_steps", "cosine"):
        # Twice what it has had: a resumed run may have been given less than that.
        had = {"train_steps": result["steps"], "max_minutes": round(result["wall_seconds"] / 60, 1)}
        more = 2 * max(getattr(config, setting), had.get(setting, 0))
        print(f"train longer with: {resume(**{setting: more})}")
    print(f"write with: {command_line(['python', 'part3/generate.py', *flag_words('checkpoint', run.path)])}")


def advice(rows, parameters, characters, keep):
    """What the numbers of a training suggest, in a line, or None: the first of these rules that holds.

    1. The held-out loss ends more than RISE above its best, the training loss below what it was then: overfitting.
    2. The held-out loss fell by more than FALL over the last fifth of the evaluations: it was still learning.
    3. There are more weights than characters for training, and no dropout.
    4. Else it has levelled off.

    Args:
        rows: dicts with "step", "train_loss", "heldout_loss", one an evaluation; fewer than FEWEST are not judged.
        parameters: weights of the model.
        characters: of the text for training.
        keep: --dropout_keep_prob.
    """
    losses = [row["heldout_loss"] for row in rows]
    if len(rows) < FEWEST or any(map(math.isnan, losses)):
        return None
    best = losses.index(min(losses))
    then, now = rows[best]["train_loss"], fmean(row["train_loss"] for row in rows[-3:])  # of a batch, of three
    rise, fall = losses[-1] - losses[best], losses[-1 - math.ceil(len(rows) / 5)] - losses[-1]
    less = f"--dropout_keep_prob {min(0.7, 0.8 * keep):.2g} (now {keep:g}), a smaller model or more text"
    if rise > RISE and now < then:
        what = f"the held-out loss rose by {rise:.2f} after step {rows[best]['step']} while the training loss fell"
        return f"{what}, which is overfitting: try {less}"
    if fall > FALL:
        return f"the held-out loss was still falling, by {fall:.2f} over the last fifth: more updates would lower it"
    if parameters > characters and keep == 1:
        return f"the model has {parameters:,} weights for {characters:,} characters: try {less}"
    return "the held-out loss has levelled off: try a larger model, another learning rate or more text"
