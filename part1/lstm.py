"""A long short-term memory network (Hochreiter & Schmidhuber 1997; Gers et al. 2000) from Parameters and products."""

import torch
from torch import nn

from part1 import init


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

    Its first weights are those of `init.open_forget_gate`; part1/init.py has others.
    """

    def __init__(self, input_dim, num_hidden, num_classes):
        super().__init__()
        D, H, K = input_dim, num_hidden, num_classes

        def gate():
            return (nn.Parameter(torch.empty(size)) for size in ((H, D), (H, H), (H,)))

        self.W_gx, self.W_gh, self.b_g = gate()
        self.W_ix, self.W_ih, self.b_i = gate()
        self.W_fx, self.W_fh, self.b_f = gate()
        self.W_ox, self.W_oh, self.b_o = gate()
        self.W_ph, self.b_p = (nn.Parameter(torch.empty(size)) for size in ((K, H), (K,)))
        init.open_forget_gate(self)

    def gates(self, a_g, a_i, a_f, a_o):
        """Equations 4-7 of the four sums in their brackets, each (H, B); returns g, i, f, o."""
        g = a_g.tanh()  # (4)
        i = a_i.sigmoid()  # (5)
        f = a_f.sigmoid()  # (6)
        o = a_o.sigmoid()  # (7)
        return g, i, f, o

    def step(self, x_t, h, c, joined):
        """Equations 4-9 for columns: x_t (D, B), h and c (H, B), parameters as `joined()` gives them; returns h, c."""
        g, i, f, o = self.gates(*self.sums(x_t, h, joined))
        c = g * i + c * f  # (8)
        h = c.tanh() * o  # (9)
        return h, c

    def forward(self, x, state=None, return_states=False):
        """Logits (B, K) after the last step of x (B, T, D), from the state (h, c), each (B, H), or zeros.

        With `return_states` also every state, (h, c), each (B, T, H). Raises ValueError if x is not (B, T ≥ 1, D).
        """
        h, c = self.first_state(x, state)
        joined = self.joined()
        states = []
        for x_t in x.permute(1, 2, 0).contiguous():  # (D, B)
            h, c = self.step(x_t, h, c, joined)
            if return_states:
                states.append((h, c))

        p = torch.addmm(self.b_p, h.T, self.W_ph.T)  # (10) as rows, (B, K)
        if not return_states:
            return p
        return p, tuple(torch.stack(s).permute(2, 0, 1) for s in zip(*states, strict=True))

    def first_state(self, x, state=None):
        """h_0 and c_0 as columns (H, B) for x (B, T, D); ValueError if x is not of that shape."""
        if x.dim() != 3 or x.shape[1] == 0 or x.shape[2] != self.W_gx.shape[1]:
            raise ValueError(f"x has shape {tuple(x.shape)}, expected (B, T ≥ 1, {self.W_gx.shape[1]})")
        # States are columns, as the equations have them: gates are then contiguous rows, the fastest layout.
        if state is None:
            zeros = x.new_zeros(len(self.b_g), x.shape[0])
            return zeros, zeros
        return state[0].T, state[1].T

    def joined(self):
        """The four gates' parameters as one matrix [W_x b W_h] (4H, D + 1 + H): one product a step instead of eight."""
        W_x = torch.cat([self.W_gx, self.W_ix, self.W_fx, self.W_ox])
        W_h = torch.cat([self.W_gh, self.W_ih, self.W_fh, self.W_oh])
        b = torch.cat([self.b_g, self.b_i, self.b_f, self.b_o])
        return torch.cat([W_x, b[:, None], W_h], dim=1)

    @staticmethod
    def sums(x_t, h, joined):
        """W_x x_t + b + W_h h_{t-1} of the four gates g, i, f, o, each (H, B)."""
        return (joined @ torch.cat([x_t, torch.ones_like(x_t[:1]), h])).chunk(4)
