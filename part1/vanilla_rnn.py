"""A vanilla recurrent network (Elman 1990) from Parameters, tanh and matrix products."""

import math

import torch
from torch import nn

INITS = ("default", "orthogonal", "identity", "latch")


class VanillaRNN(nn.Module):
    """Vanilla RNN, read out after the last step (assignment, equations 1-2).

        h_t = tanh(W_hx x_t + W_hh h_{t-1} + b_h)       (1)   h_0 = 0 unless given
        p   = W_ph h_T + b_p                            (2)   logits

    Args:
        input_dim: D, numbers per time step.
        num_hidden: H, units.
        num_classes: K, logits.
        init: "default"     every weight uniform in ±1/√H, biases 0; the spectral radius of W_hh is then
                            about 1/√3, so its long-range gradient vanishes from the start;
              "orthogonal"  the same with W_hh a random orthogonal matrix (Saxe et al. 2014);
              "identity"    the same with W_hh = I (Le, Jaitly & Hinton 2015, there with ReLU);
              "latch"       an engineered memory, not a learned one: see `_init_latch`.
        max_length: taken so that both cells are built alike; no RNN initialisation uses it.

    Raises ValueError for an `init` that is not listed.
    """

    def __init__(self, input_dim, num_hidden, num_classes, init="default", max_length=None):
        super().__init__()
        if init not in INITS:
            raise ValueError(f"init {init!r} makes no sense for the RNN: choose from {', '.join(INITS)}")
        D, H, K = input_dim, num_hidden, num_classes

        self.W_hx = nn.Parameter(torch.empty(H, D))
        self.W_hh = nn.Parameter(torch.empty(H, H))
        self.b_h = nn.Parameter(torch.zeros(H))
        self.W_ph = nn.Parameter(torch.empty(K, H))
        self.b_p = nn.Parameter(torch.zeros(K))

        for W in (self.W_hx, self.W_hh, self.W_ph):
            nn.init.uniform_(W, -1 / math.sqrt(H), 1 / math.sqrt(H))
        if init == "orthogonal":
            nn.init.orthogonal_(self.W_hh)
        elif init == "identity":
            nn.init.eye_(self.W_hh)
        elif init == "latch":
            self._init_latch()

    @torch.no_grad()
    def _init_latch(self):
        """W_hh = a·I with a > 1: each unit alone, h ← tanh(a h + u), keeps its sign while |u| < u_c(a).

        u_c(a) = √(a(a-1)) - artanh √(1-1/a). The first digit picks the signs, later ones are too weak to flip
        them. One-hot digits: a = 3 (u_c = 1.30) and W_hx = 0.6·N(0, 1). Raw digits 0..9: a = 20 (u_c = 17.3) and
        thermometer units u = w (x - θ) with w = ±0.1 and θ drawn between two digits.
        """
        H, D = self.W_hx.shape
        if D == 1:
            self.W_hh.copy_(20 * torch.eye(H))
            self.W_hx.copy_(0.2 * torch.randint(2, (H, 1)) - 0.1)
            theta = torch.randint(9, (H,)) + 0.5
            self.b_h.copy_(-self.W_hx[:, 0] * theta)
        else:
            self.W_hh.copy_(3 * torch.eye(H))
            self.W_hx.normal_(std=0.6)

    def step(self, x_t, h):
        """Equation 1 for columns: x_t (D, B), h (H, B) or None for zeros; returns h (H, B)."""
        a = torch.addmm(self.b_h[:, None], self.W_hx, x_t)
        if h is not None:
            a.addmm_(self.W_hh, h)
        return a.tanh()

    def forward(self, x, h=None, return_states=False):
        """Logits (B, K) after the last step of x (B, T, D), from the state h (B, H) or zeros.

        With `return_states` also every hidden state, h (B, T, H). Raises ValueError if x is not (B, T ≥ 1, D).
        """
        if x.dim() != 3 or x.shape[1] == 0 or x.shape[2] != self.W_hx.shape[1]:
            raise ValueError(f"x has shape {tuple(x.shape)}, expected (B, T ≥ 1, {self.W_hx.shape[1]})")
        # States are columns, as the equations have them: gates are then contiguous rows, the fastest layout.
        h = None if h is None else h.T  # (H, B)
        states = []
        for x_t in x.permute(1, 2, 0).contiguous():  # (D, B)
            h = self.step(x_t, h)
            if return_states:
                states.append(h)

        p = h.T @ self.W_ph.T + self.b_p  # (B, K)
        return (p, torch.stack(states).permute(2, 0, 1)) if return_states else p
