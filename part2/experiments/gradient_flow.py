"""How much of the loss's gradient comes back to each time step: the time-gated LSTM beside the plain one.

python part2/experiments/gradient_flow.py

Before training, on one-hot palindromes, in float64 (float32 shows a false hard zero below 1e-38). Writes
gradient_flow.csv; part2/experiments/plot_gradient_flow.py draws it.
"""

import sys
from pathlib import Path

if not __package__:  # run as `python part2/experiments/gradient_flow.py`: import from the checkout, not from there
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

import torch
import torch.nn.functional as F

from common.figures import table_script
from part2.dataset import Palindromes
from part2.train import build_model, settings

GATED, PLAIN = {"model_type": "gated", "log_tau": (1.0, 6.0), "leak": 0.0}, {"model_type": "lstm"}
CELLS = {  # what is compared: settings of part2/train.py
    "time-gated, forget bias 1": {**GATED, "init": "default"},
    "time-gated, forget bias 0": {**GATED, "init": "zero_bias"},
    "plain, forget bias 0": {**PLAIN, "init": "zero_bias"},
    "plain, forget bias 1": {**PLAIN, "init": "default"},
    "plain, chrono": {**PLAIN, "init": "chrono"},
}


def gradient_norms(model, x, target):
    """Norms of the whole derivatives dL/dc_t and dL/dh_t, t = 1 … T, each (T,), of the mean cross-entropy L.

    Each is the length of all B·H numbers, through every path from step t on. x (B, T, D), target (B,) of classes.
    """
    states, step = [], model.step

    def recorded_step(*inputs):
        states.append(step(*inputs))
        return states[-1]

    model.step = recorded_step
    loss = F.cross_entropy(model(x), target)
    del model.step  # the class's own again
    hs, cs = zip(*states, strict=True)
    # The last c reaches the loss through h alone; where no unit is open at T, not at all.
    gradients = torch.autograd.grad(loss, cs + hs, materialize_grads=True)
    return torch.stack([gradient.norm() for gradient in gradients]).chunk(2)


def measure(config, points):
    """Yield the table."""

    def run(name, seed):
        task = Palindromes(config.input_length + 1, seed)
        model = build_model(settings(seed=seed, **CELLS[name]), task).double()
        x, _, _, target = task.batch(config.batch_size)
        norms = zip(*gradient_norms(model, x.double(), target), strict=True)
        return [(name, seed, t, f"{c:.3g}", f"{h:.3g}") for t, (c, h) in enumerate(norms, start=1)]

    rows = (row for _, rows in points.each(run, CELLS, range(config.seeds)) for row in rows)
    yield "gradient_flow", ("cell", "seed", "t", "grad_c", "grad_h"), rows


if __name__ == "__main__":
    table_script(
        __doc__,
        measure,
        "part2",
        input_length=(3, 100_000, 200, "time steps"),
        seeds=(1, 1_000, 5, "seeds 0, 1, … of every cell"),
        batch_size=(1, 100_000, 64, "palindromes in the batch"),
    )
