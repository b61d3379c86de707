"""How well a model predicts a text: its logits for every character, and their mean cross-entropy."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from common.printing import Progress
from common.training import Stopped

CHUNK = 8192  # characters read at once, of all blocks together
LOGITS = 8_000_000  # numbers at once, 32 MB: with a large vocabulary fewer characters are read at once
NUM_BLOCKS = 16  # that the held-out text is read in while training: faster, and the loss a little higher
WHOLE = 200_000  # characters: a held-out text up to so long is evaluated whole while training
SHARE = 0.1  # of the characters trained on between two evaluations: so much of a longer one


@torch.no_grad()
def predictions(model, ids, block_size=None, stop=False):
    """Yield logits (B, t, V) and targets (B, t), int64, over a text, ids (N ≥ 2,), chunk after chunk of its B blocks.

    Args:
        block_size: characters of a block, each read from a zero state; None: the text in one, the state carried. The
            blocks are read side by side, and characters at the end that fill no block are left out.
        stop: is truthy once a stop is requested; then Stopped is raised before the next chunk.
    """
    device, at_once = next(model.parameters()).device, characters_at_once(model)
    block_size = min(block_size or len(ids), len(ids) - 1)
    B = (len(ids) - 1) // block_size
    inputs, targets = (ids[start:][: B * block_size].view(B, block_size) for start in (0, 1))
    state, training = None, model.training
    model.eval()
    try:
        chunk = max(1, at_once // B)
        for x, y in zip(inputs.split(chunk, dim=1), targets.split(chunk, dim=1), strict=True):
            if stop:
                raise Stopped
            logits, state = model(x.long().to(device), state)
            yield logits, y.long().to(device)
    finally:
        model.train(training)


def characters_at_once(model):
    """How many characters of a text are read at once, so that their logits do not need more memory than LOGITS."""
    return max(1, min(CHUNK, LOGITS // model.output.out_features))


def parts_of(model, ids, block_size=None):
    """A text, ids (N ≥ 2,), in parts of as many whole blocks as are read side by side; most texts are one part."""
    block_size = min(block_size or len(ids), len(ids) - 1)
    size = block_size * characters_at_once(model)
    last = (len(ids) - 1) // block_size * block_size
    return [ids[start : min(start + size, last) + 1] for start in range(0, last, size)]


def evaluate(model, ids, block_size=None, stop=False, progress=None):
    """Mean cross-entropy in nats per character of a text; arguments as in `predictions`, and a Progress to advance."""
    total, count = 0.0, 0
    for part in parts_of(model, ids, block_size):
        for logits, targets in predictions(model, part, block_size, stop):
            total += F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum").item()
            count += targets.numel()
            if progress:
                progress.advance(by=targets.numel())
    return total / count


def part_to_evaluate(length, trained_on, seed):
    """Where the part of a held-out text that is evaluated while training starts and stops: all of it, if it is short.

    Of a longer one it is SHARE of the characters that are trained on between two evaluations, from a place that the
    seed draws; at least as many as blocks need. So most of the time is training, however long the text.
    """
    if length <= WHOLE:
        return [0, length]
    size = min(length, max(2 * NUM_BLOCKS, round(SHARE * trained_on)))
    start = int(np.random.default_rng([seed, length]).integers(length - size + 1))
    return [start, start + size]


def held_out_loss(model, ids, stop=False):
    """The loss on held-out text, ids (N,), while training: in NUM_BLOCKS blocks; nan if nothing is held out."""
    return evaluate(model, ids, max(1, (len(ids) - 1) // NUM_BLOCKS), stop) if len(ids) else math.nan


def final_losses(model, ids, stop=False):
    """Losses on the held-out text, ids (N,), in nats per character, a dict; None if nothing is held out.

    `heldout_loss`: the text in one, the state carried. `heldout_loss_blocks`: in blocks of 256, each from a zero state,
    as nanoGPT measures (there random blocks, here all of them, one after the other).
    """
    sizes = {"heldout_loss": None, "heldout_loss_blocks": 256}
    if not len(ids):
        return dict.fromkeys(sizes)
    with Progress(len(sizes) * len(ids), unit="held-out character") as progress:
        return {name: evaluate(model, ids, block_size, stop, progress) for name, block_size in sizes.items()}
