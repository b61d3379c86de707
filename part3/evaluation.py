"""How well a model predicts a text: its logits for every character, and their mean cross-entropy."""

import math

import torch
import torch.nn.functional as F

CHUNK = 8192  # characters read at once, of all blocks together: bounds the memory
NUM_BLOCKS = 16  # that the held-out text is read in while training: faster, and the loss a little higher


@torch.no_grad()
def predictions(model, ids, block_size=None):
    """Yield logits (B, t, V) and targets (B, t), int64, over a text, ids (N ≥ 2,), chunk after chunk of its B blocks.

    Args:
        block_size: characters of a block, each read from a zero state; None: the text in one, the state carried. The
            blocks are read side by side, and characters at the end that fill no block are left out.
    """
    device = next(model.parameters()).device
    block_size = min(block_size or len(ids), len(ids) - 1)
    B = (len(ids) - 1) // block_size
    inputs, targets = (ids[start:][: B * block_size].view(B, block_size).long().to(device) for start in (0, 1))
    state, training = None, model.training
    model.eval()
    try:
        chunk = max(1, CHUNK // B)
        for x, y in zip(inputs.split(chunk, dim=1), targets.split(chunk, dim=1), strict=True):
            logits, state = model(x, state)
            yield logits, y
    finally:
        model.train(training)


def evaluate(model, ids, block_size=None):
    """Mean cross-entropy in nats per character of a text; arguments as in `predictions`."""
    total, count = 0.0, 0
    for logits, targets in predictions(model, ids, block_size):
        total += F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum").item()
        count += targets.numel()
    return total / count


def held_out_loss(model, ids):
    """The loss on the held-out text, ids (N,), while training: in NUM_BLOCKS blocks; nan if nothing is held out."""
    return evaluate(model, ids, max(1, (len(ids) - 1) // NUM_BLOCKS)) if len(ids) else math.nan


def final_losses(model, ids):
    """Losses on the held-out text, ids (N,), in nats per character, a dict; None if nothing is held out.

    `heldout_loss`: the text in one, the state carried. `heldout_loss_blocks`: in blocks of 256, each from a zero state,
    as nanoGPT measures (there random blocks, here all of them, one after the other).
    """
    sizes = {"heldout_loss": None, "heldout_loss_blocks": 256}
    return {name: evaluate(model, ids, block_size) if len(ids) else None for name, block_size in sizes.items()}
