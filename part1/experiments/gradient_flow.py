"""How much of the loss's gradient comes back to each time step, and does memory need it (question 1.1)?

python part1/experiments/gradient_flow.py

One-hot palindromes, float64 (float32 shows a false hard zero below 1e-38), from every first weights: before training;
after part1/train.py's loop at a short length; and, for the two default cells, after its curriculum. Of the latch, an
engineered memory, only the readout is trained. Writes gradient_flow.csv (per time step: norm of the gradient, of the
whole batch; its ratio to that at T, of the median palindrome; norm of the term of ∂L/∂W_hh) and gradient_flow_runs.csv
(accuracy, W_hh); plot_gradient_flow.py draws them.
"""

import sys
from pathlib import Path

if not __package__:  # run as `python part1/experiments/gradient_flow.py`: import from the checkout, not from there
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

import torch
import torch.nn.functional as F

from common.figures import table_script
from part1 import train
from part1.dataset import PalindromeDataset, encode
from part1.vanilla_rnn import VanillaRNN

RNNS = ("RNN, default", "RNN, orthogonal", "RNN, identity", "RNN, latch")
CELLS = (*RNNS, "LSTM, zero_bias", "LSTM, default", "LSTM, chrono")
BY_CURRICULUM = ("RNN, default", "LSTM, default")
COLUMNS = {  # of each table, after cell, trained, seed
    "": ("t", "norm", "ratio", "term"),
    "_runs": ("updates", "accuracy", "loss", "spectral_radius", "sigma_max", "norm_W_hh"),
}
HELD_OUT, BATCH = 2_000, 64  # palindromes: of an accuracy, of a gradient


@torch.no_grad()
def bptt(model, x, target):
    """Back-propagation through time of the vanilla RNN, by the formulas of question 1.1.

        δ_T = W_phᵀ (ŷ - y),   D_t = diag(1 - h_t²),   δ_t = ∂L/∂h_t = W_hhᵀ D_{t+1} δ_{t+1}
        ∂L/∂W_ph = (ŷ - y) h_Tᵀ                         the last step alone
        ∂L/∂W_hh = Σ_t D_t δ_t h_{t-1}ᵀ                 every step: D_t [Π_{k=t+1..T} W_hhᵀ D_k] δ_T h_{t-1}ᵀ
        ∂L/∂W_hx = Σ_t D_t δ_t x_tᵀ,   ∂L/∂b_h = Σ_t D_t δ_t

    x is (B, T, D), target (B,); L is the mean cross-entropy over the batch. Returns the gradients, a dict by parameter,
    the norms of δ_t, t = 1 … T, for each sequence (T, B), and of the terms of ∂L/∂W_hh (T,), the first 0 as h_0 is.
    """
    p, h = model(x, return_states=True)  # (B, K), (B, T, H)
    h_before = F.pad(h, (0, 0, 1, 0))  # h_0 … h_T (B, T + 1, H)
    error = (p.softmax(dim=1) - F.one_hot(target, p.shape[1])) / len(x)  # ŷ - y (B, K)

    gradients = {name: torch.zeros_like(W) for name, W in model.named_parameters()}
    gradients["W_ph"], gradients["b_p"] = error.T @ h[:, -1], error.sum(dim=0)
    delta, norms, terms = error @ model.W_ph, [], []  # a row for each δ_t: (B, H)
    for t in reversed(range(x.shape[1])):
        norms.append(norm(delta))
        delta_a = delta * (1 - h[:, t] ** 2)  # D_t δ_t
        term = delta_a.T @ h_before[:, t]
        terms.append(norm(term.flatten()))
        gradients["W_hh"] += term
        gradients["W_hx"] += delta_a.T @ x[:, t]
        gradients["b_h"] += delta_a.sum(dim=0)
        delta = delta_a @ model.W_hh
    return gradients, torch.stack(norms[::-1]), torch.stack(terms[::-1])


def cell_gradient_norms(model, x, target):
    """Norms of the LSTM's whole derivatives ∂L/∂c_t (those through h_t included), t = 1 … T, as `bptt`'s: (T, B)."""
    (h, c), joined, cs = model.first_state(x), model.joined(), []
    for x_t in x.permute(1, 2, 0):  # (D, B)
        h, c = model.step(x_t, h, c, joined)
        cs.append(c)
    loss = F.cross_entropy(h.T @ model.W_ph.T + model.b_p, target)
    return torch.stack([norm(gradient.T) for gradient in torch.autograd.grad(loss, cs)])


def norm(v):
    """Euclidean norm over the last axis; scaled first, as squares underflow below 1e-154."""
    largest = v.abs().amax(dim=-1, keepdim=True).clamp(min=1e-300)
    return (largest * (v / largest).norm(dim=-1, keepdim=True)).squeeze(-1)


@torch.no_grad()
def build_model(cell, input_length, seed):
    """A cell of CELLS with its first weights, which may depend on the length."""
    model_type, init = cell.split(", ")
    run = {"model_type": model_type, "init": init, "input_length": input_length, "seed": seed}
    return train.build_model(train.settings(input_dim=10, **run))


def train_model(model, cell, length, seed, updates, curriculum=False):
    """Train `model` in place with part1/train.py's loop, default settings but for one-hot digits and a patience of 2.

    Returns the updates made. Of the latch only W_ph and b_p are trained.
    """
    if cell == "RNN, latch":
        for W in (model.W_hx, model.W_hh, model.b_h):
            W.requires_grad_(False)
    run = {"input_length": length, "seed": seed, "train_steps": updates, "curriculum": curriculum}
    config = train.settings(input_dim=10, patience=2, device="cpu", **run)
    return train.train(config, model, train.build_training_set(config), show=False)["steps"]


def measure_model(model, updates, length, seed):
    """The rows of a model, trained for so many updates, in each of the tables: {name: [values]}; makes it float64."""
    digits, target = PalindromeDataset(length + 1, seed, held_out=True).batch(HELD_OUT)
    loss, accuracy = train.evaluate(model, digits, target, 10)
    run = [updates, f"{accuracy:.4f}", f"{loss:.4g}"]
    model, x, target = model.double(), encode(digits[:BATCH], 10).double(), target[:BATCH]
    if isinstance(model, VanillaRNN):
        gradients, norms, terms = bptt(model, x, target)
        terms = [f"{term:.4g}" for term in terms]
        radius, sigma_max = torch.linalg.eigvals(model.W_hh).abs().max(), torch.linalg.matrix_norm(model.W_hh, 2)
        run += [f"{radius:.4f}", f"{sigma_max:.4f}", f"{gradients['W_hh'].norm():.4g}"]
    else:
        norms, terms = cell_gradient_norms(model, x, target), [None] * length
        run += [None] * 3
    wholes = [f"{whole:.4g}" for whole in norm(norms)]
    ratios = [f"{ratio:.4g}" for ratio in (norms / norms[-1]).nanmedian(dim=1).values]  # 0 / 0: no loss at all
    steps = zip(range(1, length + 1), wholes, ratios, terms, strict=True)
    return {"": list(steps), "_runs": [run]}


def check(flags):
    """Raise ValueError for a training length that is longer than the one measured at."""
    if flags.short_length > flags.input_length:
        raise ValueError(f"--short_length {flags.short_length}: at most --input_length, {flags.input_length}")


def measure(flags, points):
    """Yield both tables."""
    lengths = {"no": None, "short": flags.short_length, "curriculum": flags.input_length}
    tables = {name: [] for name in COLUMNS}

    def run(cell, trained, seed):
        if trained == "curriculum" and cell not in BY_CURRICULUM:
            return {}
        model, updates = build_model(cell, flags.input_length, seed), 0
        if trained != "no":
            updates = train_model(model, cell, lengths[trained], seed, flags.updates, trained == "curriculum")
        return measure_model(model, updates, flags.input_length, seed)

    for point, measured in points.each(run, CELLS, lengths, range(flags.seeds)):
        for name, rows in measured.items():
            tables[name] += [(*point, *row) for row in rows]
    for name, rows in tables.items():
        yield f"gradient_flow{name}", ("cell", "trained", "seed", *COLUMNS[name]), rows


if __name__ == "__main__":
    table_script(
        __doc__,
        measure,
        "part1",
        check,
        input_length=(3, 100_000, 100, "digits to read, where it is measured"),
        short_length=(3, 100_000, 10, "digits to read, where it is trained"),
        updates=(1, 10**6, 1_000, "updates at most, until solved"),
        seeds=(1, 1_000, 5, "seeds 0, 1, … of every cell"),
    )
