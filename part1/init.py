"""First weights of the cells, a function each with its paper; `INITS` lists by name those of each cell.

The cells are built with the default ones. The other functions change such a cell in place, before any training; what
they draw comes from torch's global generator.
"""

import math

import torch
from torch import nn


def uniform(model):
    """Every matrix uniform in ±1/√H, as torch does; every bias 0. The RNN is built so.

    The spectral radius of its W_hh is then about 1/√3, so its gradient over many steps vanishes from the start.
    """
    bound = 1 / math.sqrt(model.W_ph.shape[1])
    for W in model.parameters():
        if W.dim() == 2:
            nn.init.uniform_(W, -bound, bound)
        else:
            nn.init.zeros_(W)


def open_forget_gate(model):
    """`uniform`, but b_f = 1, so that the forget gate starts open (Gers et al. 2000; Jozefowicz et al. 2015).

    The LSTM is built so.
    """
    uniform(model)
    nn.init.ones_(model.b_f)


def as_built(model):
    """The weights that the cell was built with."""


def zero_bias(model):
    """b_f = 0: the LSTM's forget gate starts half open, σ(0) = 1/2."""
    nn.init.zeros_(model.b_f)


@torch.no_grad()
def chrono(model, max_length):
    """b_f = log U(1, max_length - 1), b_i = -b_f: time constants of the cell up to `max_length` steps.

    Tallec & Ollivier 2018; `max_length` is at least 3.
    """
    model.b_f.uniform_(1, max_length - 1).log_()
    model.b_i.copy_(-model.b_f)


def orthogonal(model):
    """W_hh a random orthogonal matrix (Saxe, McClelland & Ganguli 2014)."""
    nn.init.orthogonal_(model.W_hh)


def identity(model):
    """W_hh = I (Le, Jaitly & Hinton 2015, there with ReLU)."""
    nn.init.eye_(model.W_hh)


@torch.no_grad()
def latch(model):
    """An engineered memory, not a learned one: W_hh = a·I with a > 1, so each unit, h ← tanh(a h + u), keeps its sign.

    A saturated unit keeps it while |u| < √(a(a-1)) - artanh √(1-1/a), but the first digit does not saturate all of
    them. One-hot digits: a = 3 and W_hx = 0.6·N(0, 1); a part of the signs still flips, mostly at step 2, and those
    that are left tell the digit. Raw digits 0..9: a = 20 and thermometer units u = w (x - θ), w = ±0.1, θ drawn
    between two digits; there a·tanh(min |u|) > max |u| holds, and no sign flips.
    """
    H, D = model.W_hx.shape
    if D == 1:
        model.W_hh.copy_(20 * torch.eye(H))
        model.W_hx.copy_(0.2 * torch.randint(2, (H, 1)) - 0.1)
        theta = torch.randint(9, (H,)) + 0.5
        model.b_h.copy_(-model.W_hx[:, 0] * theta)
    else:
        model.W_hh.copy_(3 * torch.eye(H))
        model.W_hx.normal_(std=0.6)


INITS = {
    "RNN": {"default": as_built, "orthogonal": orthogonal, "identity": identity, "latch": latch},
    "LSTM": {"default": as_built, "zero_bias": zero_bias, "chrono": chrono},
}


def change(model, cell, name, max_length):
    """Give a new cell, an "RNN" or an "LSTM", the first weights `name`; chrono bridges `max_length` steps.

    Raises ValueError as `check` does.
    """
    check(cell, name, max_length)
    INITS[cell][name](model, *([max_length] if name == "chrono" else []))


def check(cell, name, max_length):
    """Raise ValueError for a name that is not listed for the cell, and for chrono with less than 3 steps to bridge."""
    if name not in INITS[cell]:
        raise ValueError(f"init {name!r} makes no sense for the {cell}: choose from {', '.join(INITS[cell])}")
    if name == "chrono" and max_length < 3:
        raise ValueError(f"init 'chrono' needs a length of at least 3 steps to bridge, not {max_length}")
