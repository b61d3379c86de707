"""An LSTM with a time gate, the phased LSTM (Neil, Pfeiffer & Liu 2016), on top of part 1's LSTM."""

import torch

from part1.lstm import LSTM
from part2.time_gate import TimeGate, holds

EQUATION_15 = ("assignment", "paper")


class TimeGatedLSTM(LSTM):
    """Part 1's LSTM with a time gate, read out after the last step (assignment, equations 4-7 and 12-16).

        c̃_t = g_t ⊙ i_t + c_{t-1} ⊙ f_t                 (13)
        c_t = k_t ⊙ c̃_t + (1 - k_t) ⊙ c_{t-1}           (14)   c_0 = 0 unless given
        h̃_t = tanh(c_t) ⊙ o_t                           (15)   in the paper tanh(c̃_t) ⊙ o_t
        h_t = k_t ⊙ h̃_t + (1 - k_t) ⊙ h_{t-1}           (16)   h_0 = 0 unless given
        p   = W_ph h_T + b_p                            (10)   logits

    Args:
        input_dim, num_hidden, num_classes: as part 1's LSTM; the same seed draws the same weights.
        gate: a TimeGate or AlwaysOpen of num_hidden units; None takes `TimeGate(num_hidden)`.
        equation_15: "assignment", tanh of the gated cell c, as printed, or "paper", tanh of the candidate c̃, as in
                     Neil, Pfeiffer & Liu 2016. They differ where 0 < k < 1.

    Departure from the paper: no peephole connections from c to the gates, which the assignment does not have.
    Raises ValueError for an `equation_15` that is not listed, and for a gate of another size.
    """

    own_gate = TimeGate  # where none is given

    def __init__(self, input_dim, num_hidden, num_classes, gate=None, equation_15="assignment"):
        super().__init__(input_dim, num_hidden, num_classes)
        if equation_15 not in EQUATION_15:
            raise ValueError(f"equation_15 {equation_15!r} is unknown: choose from {', '.join(EQUATION_15)}")
        self.equation_15 = equation_15
        self.gate = self.own_gate(num_hidden) if gate is None else gate
        if self.gate.num_hidden != num_hidden:
            raise ValueError(f"the gate is for {self.gate.num_hidden} units, the network has {num_hidden}")

    def step(self, x_t, h, c, joined, k_t=1.0):
        """Equations 4-7 and 13-16 for an openness k_t (H, B or 1), else as part 1's step; returns h, c (H, B).

        lerp(a, b, k) is (1 - k) a + k b, and exactly a at k = 0, exactly b at k = 1.
        """
        g, i, f, o = self.gates(*self.sums(x_t, h, joined))
        c_tilde = g * i + c * f  # (13)
        c = torch.lerp(c, c_tilde, k_t)  # (14)
        h_tilde = (c if self.equation_15 == "assignment" else c_tilde).tanh() * o  # (15)
        h = torch.lerp(h, h_tilde, k_t)  # (16)
        return h, c

    def forward(self, x, state=None, return_states=False, t=None, lengths=None):
        """Logits (B, K) after the last step of x (B, T, D), from the state (h, c), each (B, H), or zeros.

        t: time stamps (T,), or (B, T) if each sequence has its own; None is 1, 2, …, T.
        lengths: (B,) whole numbers 1 to T, for sequences padded at their end: each is read out after its own last
                 step, so that no padding reaches its logits. (Time stamps of padding: any finite number.)

        With `return_states` also every state, (h, c), each (B, T, H); those of padding have no meaning. Raises
        ValueError for other shapes, other lengths, and, with a TimeGate, for time stamps that are not finite.
        """
        h, c = self.first_state(x, state)
        B, T, _ = x.shape
        t = torch.arange(1, T + 1) if t is None else torch.as_tensor(t)
        if t.shape != (B, T)[-t.dim() :]:
            raise ValueError(f"t has shape {tuple(t.shape)}, expected ({T},) or ({B}, {T})")
        if lengths is not None:
            lengths = torch.as_tensor(lengths, device=x.device)
            if lengths.shape != (B,) or lengths.is_floating_point() or not holds((lengths >= 1) & (lengths <= T)):
                raise ValueError(f"lengths are not {B} whole numbers from 1 to {T}")

        k = self.gate(t, torch.promote_types(x.dtype, torch.float32)).to(x)  # (T, H) or (B, T, H)
        k = k[..., None] if t.dim() == 1 else k.permute(1, 2, 0).contiguous()  # (T, H, 1) or (T, H, B)
        joined = self.joined()
        states = []
        for x_t, k_t in zip(x.permute(1, 2, 0).contiguous(), k, strict=True):  # (D, B), (H, B or 1)
            h, c = self.step(x_t, h, c, joined, k_t)
            if return_states or lengths is not None:
                states.append((h, c))

        if lengths is not None:
            h = torch.stack([h for h, _ in states])[lengths - 1, :, torch.arange(B, device=x.device)].T  # (H, B)
        p = torch.addmm(self.b_p, h.T, self.W_ph.T)  # (10) as rows, (B, K)
        if not return_states:
            return p
        return p, tuple(torch.stack(s).permute(2, 0, 1) for s in zip(*states, strict=True))
