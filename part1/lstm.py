"""A long short-term memory network (Hochreiter & Schmidhuber 1997; Gers et al. 2000) from Parameters and products."""

import math

import torch
from torch import nn

INITS = ("default", "zero_bias", "chrono")


class LSTM(nn.Module):
    """LSTM, read out after the last step (assignment, equations 4-10).

        g_t = tanh(W_gx x_t + W_gh h_{t-1} + b_g)       (4)   input modulation
        i_t =    σ(W_ix x_t + W_ih h_{t-1} + b_i)       (5)   input gate
        f_t =    σ(W_fx x_t + W_fh h_{t-1} + b_f)       (6)   forget gate
        o_t =    σ(W_ox x_t + W_oh h_{t-1} + b_o)       (7)   output gate
        c_t = g_t ⊙ i_t + c_{t-1} ⊙ f_t                 (8)   c_0 = 0 unless given
        h_t = tanh(c_t) ⊙ o_t                           (9)   h_0 = 0 unless given
        p   = W_ph h_T + b_p                            (10)  logits

    Args:
        input_dim: D, numbers per time step.
        num_hidden: H, units.
        num_classes: K, logits.
        init: "default"    every weight uniform in ±1/√H, biases 0, but the forget gate's 1, so that it starts
                           open (Gers et al. 2000; Jozefowicz et al. 2015);
              "zero_bias"  the same with the forget gate's bias 0;
              "chrono"     b_f = log U(1, max_length - 1), b_i = -b_f: half-lives spread up to max_length
                           (Tallec & Ollivier 2018).
        max_length: time steps that chrono shall bridge, at least 3; the others do not use it.

    Raises ValueError for an `init` that is not listed, and for chrono without a `max_length` of at least 3.
    """

    def __init__(self, input_dim, num_hidden, num_classes, init="default", max_length=None):
        super().__init__()
        if init not in INITS:
            raise ValueError(f"init {init!r} makes no sense for the LSTM: choose from {', '.join(INITS)}")
        if init == "chrono" and (max_length is None or max_length < 3):
            raise ValueError(f"init 'chrono' needs a length of at least 3 steps to bridge, not {max_length}")
        D, H, K = input_dim, num_hidden, num_classes

        def gate():
            return (
                nn.Parameter(torch.empty(H, D)),
                nn.Parameter(torch.empty(H, H)),
                nn.Parameter(torch.zeros(H)),
            )

        self.W_gx, self.W_gh, self.b_g = gate()
        self.W_ix, self.W_ih, self.b_i = gate()
        self.W_fx, self.W_fh, self.b_f = gate()
        self.W_ox, self.W_oh, self.b_o = gate()
        self.W_ph = nn.Parameter(torch.empty(K, H))
        self.b_p = nn.Parameter(torch.zeros(K))

        for W in self.parameters():
            if W.dim() == 2:
                nn.init.uniform_(W, -1 / math.sqrt(H), 1 / math.sqrt(H))
        if init == "default":
            nn.init.ones_(self.b_f)
        elif init == "chrono":
            with torch.no_grad():
                self.b_f.uniform_(1, max_length - 1).log_()
                self.b_i.copy_(-self.b_f)

    def joined(self):
        """The four gates' parameters on top of each other: W_x (4H, D), W_h (4H, H), b (4H, 1)."""
        W_x = torch.cat([self.W_gx, self.W_ix, self.W_fx, self.W_ox])
        W_h = torch.cat([self.W_gh, self.W_ih, self.W_fh, self.W_oh])
        b = torch.cat([self.b_g, self.b_i, self.b_f, self.b_o])
        return W_x, W_h, b[:, None]

    @staticmethod
    def gates(x_t, h, joined):
        """Equations 4-7 for columns: x_t (D, B), h (H, B) or None for zeros; returns g, i, f, o (H, B)."""
        W_x, W_h, b = joined
        a = torch.addmm(b, W_x, x_t)  # (4H, B)
        if h is not None:
            a.addmm_(W_h, h)
        g, i, f, o = a.chunk(4)
        return g.tanh(), i.sigmoid(), f.sigmoid(), o.sigmoid()

    def step(self, x_t, h, c, joined):
        """Equations 4-9 for columns: x_t (D, B), h and c (H, B), or None for zeros; returns h, c (H, B)."""
        g, i, f, o = self.gates(x_t, h, joined)
        c = g * i if c is None else g * i + c * f
        h = c.tanh() * o
        return h, c

    def forward(self, x, state=None, return_states=False):
        """Logits (B, K) after the last step of x (B, T, D), from the state (h, c), each (B, H), or zeros.

        With `return_states` also every state, (h, c), each (B, T, H). Raises ValueError if x is not (B, T ≥ 1, D).
        """
        if x.dim() != 3 or x.shape[1] == 0 or x.shape[2] != self.W_gx.shape[1]:
            raise ValueError(f"x has shape {tuple(x.shape)}, expected (B, T ≥ 1, {self.W_gx.shape[1]})")
        # States are columns, as the equations have them: gates are then contiguous rows, the fastest layout.
        h, c = (None, None) if state is None else (state[0].T, state[1].T)  # (H, B)
        joined = self.joined()
        states = []
        for x_t in x.permute(1, 2, 0).contiguous():  # (D, B)
            h, c = self.step(x_t, h, c, joined)
            if return_states:
                states.append((h, c))

        p = h.T @ self.W_ph.T + self.b_p  # (B, K)
        if not return_states:
            return p
        return p, tuple(torch.stack(s).permute(2, 0, 1) for s in zip(*states, strict=True))
