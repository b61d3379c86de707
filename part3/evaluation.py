"""How well a model predicts a text: its logits for every character, and their mean cross-entropy."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from common.printing import Progress
from common.training import Stopped
from part3.dataset import ends_of_items, padded

CHUNK = 8192  # characters read at once, of all blocks together
LOGITS = 8_000_000  # numbers at once, 32 MB: with a large vocabulary fewer characters are read at once
PIECE = 20  # characters that dynamic evaluation learns from at once
NUM_BLOCKS = 16  # that the held-out text is read in while training: faster, and the loss a little higher
WHOLE = 200_000  # characters: a held-out text up to so long is evaluated whole while training
SHARE = 0.1  # of the characters trained on between two evaluations: so much of a longer one


def predictions(model, ids, block_size=None, stop=False):
    """Yields logits (B, t, V) and targets (B, t), int64, over a text, ids (N ≥ 2,), chunk after chunk of its B blocks.

    Args:
        block_size: characters of a block, each read from a zero state; None: the text in one, the state carried. The
            blocks are read side by side, and characters at the end that fill no block are left out.
        stop: is truthy once a stop is requested; then Stopped is raised before the next chunk.
    """
    return read(model, *blocks(ids, block_size), stop)


def dynamic_predictions(model, ids, rate):
    """Yield logits (1, t, V) and targets (1, t), int64, of a text in one, from a model that goes on learning from it.

    Dynamic evaluation (Krause et al. 2018): once PIECE characters are predicted, the weights, in place, make a step of
    `rate` against the gradient of their mean loss, each divided by the root of its mean square, as in their RMS rule;
    but that is gathered on the way here (Adam's, without momentum), and nothing draws the weights back. So each
    character is predicted before it is learned from, in the order of the text; the state is carried, without dropout.
    """
    optimizer, state = torch.optim.Adam(model.parameters(), lr=rate, betas=(0.0, 0.999)), None
    model.train()  # CUDA's LSTM has no gradient else
    model.dropout.eval()
    for x, y in zip(ids[None, :-1].split(PIECE, dim=1), ids[None, 1:].split(PIECE, dim=1), strict=True):
        logits, (h, c) = model(x.long().to(next(model.parameters()).device), state)
        state, targets = (h.detach(), c.detach()), y.long().to(logits.device)
        yield logits.detach(), targets
        optimizer.zero_grad()
        F.cross_entropy(logits.flatten(0, 1), targets.flatten()).backward()
        optimizer.step()
    model.eval()


def blocks(ids, block_size=None):
    """Inputs and targets, (B, block_size) each, as `predictions` reads them."""
    block_size = min(block_size or len(ids), len(ids) - 1)
    B = (len(ids) - 1) // block_size
    return [ids[start:][: B * block_size].view(B, block_size) for start in (0, 1)]


@torch.no_grad()
def read(model, inputs, targets, stop=False):
    """Yield logits (B, t, V) and targets (B, t), int64, chunk after chunk of rows that are read from a zero state."""
    device = next(model.parameters()).device
    state, training = None, model.training
    model.eval()
    try:
        chunk = max(1, characters_at_once(model) // len(inputs))
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


def items_of(model, ids, item_end):
    """The items of a list, ids (N,), as inputs and targets (B, t), the longest first: as many as are read at once."""
    starts, stops = ends_of_items(ids, item_end)
    lengths, order = (stops - starts).sort(descending=True)
    starts = starts[order]
    while len(starts):
        B = max(1, characters_at_once(model) // int(lengths[0]))
        yield padded(ids, starts[:B], lengths[:B])
        starts, lengths = starts[B:], lengths[B:]


def evaluate(model, ids, block_size=None, stop=False, progress=None, item_end=None):
    """Mean cross-entropy in nats per character of a text; arguments as in `predictions`, and a Progress to advance.

    With `item_end`, the id of the newline of a list: of its items, each read from a zero state; nan if there is none.
    """
    total, count = 0.0, 0
    parts = (blocks(part, block_size) for part in parts_of(model, ids, block_size))
    for inputs, targets in parts if item_end is None else items_of(model, ids, item_end):
        for logits, next_ids in read(model, inputs, targets, stop):
            total += F.cross_entropy(logits.flatten(0, 1), next_ids.flatten(), reduction="sum").item()
            predicted = int((next_ids >= 0).sum())
            count += predicted
            if progress:
                progress.advance(by=predicted)
    return total / count if count else math.nan


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


def held_out_loss(model, ids, stop=False, item_end=None):
    """The loss on held-out text, ids (N,), while training: in NUM_BLOCKS blocks; nan if nothing is held out.

    With `item_end` as in `evaluate`.
    """
    block_size = max(1, (len(ids) - 1) // NUM_BLOCKS)
    return evaluate(model, ids, block_size, stop, item_end=item_end) if len(ids) else math.nan


def final_losses(model, ids, stop=False, item_end=None):
    """Losses on the held-out text, ids (N,), in nats per character, a dict; None if nothing is held out.

    `heldout_loss`: the text in one, the state carried. `heldout_loss_blocks`: in blocks of 256, each from a zero state,
    as nanoGPT measures (there random blocks, here all of them, one after the other). Of a list, with `item_end` as in
    `evaluate`, there is the first alone, its items read from a zero state each.
    """
    sizes = {"heldout_loss": None} | ({"heldout_loss_blocks": 256} if item_end is None else {})
    if not len(ids):
        return dict.fromkeys(sizes)
    with Progress(len(sizes) * len(ids), unit="held-out character") as progress:
        return {name: evaluate(model, ids, block_size, stop, progress, item_end) for name, block_size in sizes.items()}
