"""How well a model predicts a text: its logits for every character, and their mean cross-entropy."""

import torch
import torch.nn.functional as F

CHARACTERS_AT_ONCE = 8192  # of all stretches together; one of each at the least


@torch.no_grad()
def predictions(model, ids, stretch=None):
    """Yield logits (B, t, V) and targets (B, t), int64, over a text, ids (N ≥ 2,), the state carried from part to part.

    Args:
        stretch: characters of a stretch; the text's stretches are then read side by side, each from a zero state, and
            characters at the end that fill no stretch are left out. None, or more than there are: the text in one.
    """
    device = next(model.parameters()).device
    stretch = min(stretch or len(ids), len(ids) - 1)
    B = (len(ids) - 1) // stretch
    inputs, targets = (ids[start:][: B * stretch].view(B, stretch).long().to(device) for start in (0, 1))
    state, training = None, model.training
    model.eval()
    try:
        at_once = max(1, CHARACTERS_AT_ONCE // B)
        for x, y in zip(inputs.split(at_once, dim=1), targets.split(at_once, dim=1), strict=True):
            logits, state = model(x, state)
            yield logits, y
    finally:
        model.train(training)


def evaluate(model, ids, stretch=None):
    """Mean cross-entropy in nats per character of a text; arguments as in `predictions`."""
    total, count = 0.0, 0
    for logits, targets in predictions(model, ids, stretch):
        total += F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum").item()
        count += targets.numel()
    return total / count
