"""How much of the loss's gradient comes back to each time step: the time-gated LSTM beside the plain one.

python part2/experiments/gradient_flow.py

Before training, on one-hot palindromes, in float64 (float32 shows a false hard zero below 1e-38). Writes
gradient_flow.csv; part2/experiments/plot_gradient_flow.py draws it.
"""

import sys
from pathlib import Path

if not __package__:  # run as `python part2/experiments/gradient_flow.py`: import from the checkout, not from there
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import torch
import torch.nn.functional as F

from common.arguments import Parser, whole_number
from common.files import write_atomically
from common.progress import Progress
from part2.dataset import Palindromes
from part2.time_gate import AlwaysOpen, TimeGate
from part2.time_gated_lstm import TimeGatedLSTM

ROOT = Path(__file__).resolve().parents[2]
# The cells compared: (periods log τ ~ U(low, high), or None without a gate; r_on; first weights). Without a leak.
CELLS = {
    "time-gated, forget bias 1": ((1, 6), 0.05, "default"),
    "time-gated, forget bias 0": ((1, 6), 0.05, "zero_bias"),
    "plain, forget bias 0": (None, None, "zero_bias"),
    "plain, forget bias 1": (None, None, "default"),
    "plain, chrono": (None, None, "chrono"),
}


def build_cell(name, T, num_hidden=128):
    """A float64 cell of CELLS for one-hot palindromes with T digits to read, freshly drawn."""
    log_tau, r_on, init = CELLS[name]
    model = TimeGatedLSTM(10, num_hidden, 10, AlwaysOpen(num_hidden), init=init, max_length=T).double()
    if log_tau:
        tau = torch.empty(num_hidden, dtype=torch.float64).uniform_(*log_tau).exp()
        model.gate = TimeGate(num_hidden, tau, r_on=r_on)
    return model


def gradient_norms(model, x, target):
    """Norms of the whole derivatives dL/dc_t and dL/dh_t, t = 1 … T, each (T,), of the mean cross-entropy L.

    x (B, T, D), target (B,) of classes. Each is the length of all B·H numbers: what still reaches step t through
    every path, the state h included.
    """
    B, T, _ = x.shape
    k = model.gate(torch.arange(1, T + 1))[..., None].to(x.dtype)  # (T, H or 1, 1)
    joined = model.joined()
    h = c = x.new_zeros(model.b_g.shape[0], B).requires_grad_()
    cs, hs = [], []
    for x_t, k_t in zip(x.permute(1, 2, 0), k, strict=True):
        h, c = model.step(x_t, h, c, k_t, joined)
        hs.append(h)
        cs.append(c)
    loss = F.cross_entropy(h.T @ model.W_ph.T + model.b_p, target)
    # The last c reaches the loss through h alone; where no unit is open at T, not at all.
    gradients = torch.autograd.grad(loss, cs + hs, materialize_grads=True)
    norms = torch.stack([gradient.norm() for gradient in gradients])
    return norms[:T], norms[T:]


def main(argv=None):
    parser = Parser(__doc__.split("\n")[0])
    parser.add_argument("--input_length", type=whole_number(3, 100_000), default=200, help="steps")
    parser.add_argument("--seeds", type=whole_number(1, 1_000), default=5, help="seeds 0, 1, … of every cell")
    parser.add_argument("--batch_size", type=whole_number(1, 100_000), default=64, help="palindromes")
    parser.add_argument("--output_dir", default=str(ROOT / "results/part2"), help="folder for gradient_flow.csv")
    config = parser.parse_args(argv)
    torch.set_num_threads(1)
    try:
        folder = Path(config.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        lines = ["cell,seed,t,grad_c,grad_h"]
        with Progress(len(CELLS) * config.seeds, unit="cell") as progress:
            for name in CELLS:
                for seed in range(config.seeds):
                    torch.manual_seed(seed)
                    model = build_cell(name, config.input_length)
                    x, _, _, target = Palindromes(config.input_length + 1, seed).batch(config.batch_size)
                    norms = zip(*gradient_norms(model, x.double(), target), strict=True)
                    lines += [f'"{name}",{seed},{t},{c:.3g},{h:.3g}' for t, (c, h) in enumerate(norms, start=1)]
                    progress.advance(name)
        write_atomically(folder / "gradient_flow.csv", "\n".join(lines) + "\n")
    except (ValueError, OSError) as error:
        parser.error(error)


if __name__ == "__main__":
    main()
