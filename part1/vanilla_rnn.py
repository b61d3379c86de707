"""A vanilla recurrent network (Elman 1990) from Parameters, tanh and matrix products."""

import torch
from torch import nn

from part1 import init


class VanillaRNN(nn.Module):
    """Vanilla RNN, read out after the last step (assignment, equations 1-2).

        h_t = tanh(W_hx x_t + W_hh h_{t-1} + b_h)       (1)   h_0 = 0 unless given
        p   = W_ph h_T + b_p                            (2)   logits

    Args:
        input_dim: D, numbers per time step.
        num_hidden: H, units.
        num_classes: K, logits.

    Its first weights are those of `init.uniform`; part1/init.py has others.
    """

    def __init__(self, input_dim, num_hidden, num_classes):
        super().__init__()
        D, H, K = input_dim, num_hidden, num_classes
        self.W_hx, self.W_hh, self.b_h = (nn.Parameter(torch.empty(size)) for size in ((H, D), (H, H), (H,)))
        self.W_ph, self.b_p = (nn.Parameter(torch.empty(size)) for size in ((K, H), (K,)))
        init.uniform(self)

    def step(self, x_t, h):
        """Equation 1 for columns: x_t (D, B), h (H, B); returns h (H, B)."""
        a = torch.addmm(self.b_h[:, None], self.W_hx, x_t)
        return torch.addmm(a, self.W_hh, h).tanh()  # (1)

    def forward(self, x, state=None, return_states=False):
        """Logits (B, K) after the last step of x (B, T, D), from the state h (B, H) or zeros.

        With `return_states` also every hidden state, h (B, T, H). Raises ValueError if x is not (B, T ≥ 1, D).
        """
        if x.dim() != 3 or x.shape[1] == 0 or x.shape[2] != self.W_hx.shape[1]:
            raise ValueError(f"x has shape {tuple(x.shape)}, expected (B, T ≥ 1, {self.W_hx.shape[1]})")
        # States are columns, as the equations have them: gates are then contiguous rows, the fastest layout.
        h = x.new_zeros(len(self.b_h), x.shape[0]) if state is None else state.T  # (H, B)
        states = []
        for x_t in x.permute(1, 2, 0).contiguous():  # (D, B)
            h = self.step(x_t, h)
            if return_states:
                states.append(h)

        p = torch.addmm(self.b_p, h.T, self.W_ph.T)  # (2) as rows, (B, K)
        return (p, torch.stack(states).permute(2, 0, 1)) if return_states else p
