"""An LSTM whose state decays while no sample comes, as in GRU-D (Che et al. 2018): a rival of the time gate."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from part1.lstm import LSTM
from part2.time_gated_lstm import TimeGatedLSTM

HALF_LIVES = (1.0, 100.0)  # first ones, in the unit of the time stamps: their logarithm is uniform between these


def elapsed(t):
    """The time since the step before, of time stamps t (T,) or (B, T); 0 at the first step."""
    return t.diff(dim=-1, prepend=t[..., :1])


class Decay(nn.Module):
    """The share of its state that each of H units keeps through the time since the step before.

        γ_t = exp(-max(0, w ⊙ (t_t - t_{t-1}) + b))     (Che et al. 2018, with a diagonal W)

    w is drawn so that half-lives are log-uniform in HALF_LIVES; b starts at 0. Both are learned.
    """

    def __init__(self, num_hidden):
        super().__init__()
        self.num_hidden = num_hidden
        half_life = torch.empty(num_hidden).uniform_(*map(math.log, HALF_LIVES)).exp()
        self.w = nn.Parameter(math.log(2) / half_life)
        self.b = nn.Parameter(torch.zeros(num_hidden))

    def forward(self, t, dtype=torch.float64):
        """γ (T, H), or (B, T, H), for time stamps t, (T,) or (B, T)."""
        return (-F.relu(self.w * elapsed(t).to(self.w)[..., None] + self.b)).exp().to(dtype)


class DecayingLSTM(TimeGatedLSTM):
    """Part 1's LSTM whose h and c decay before each step; `forward` is that of `TimeGatedLSTM`.

        h_t, c_t = equations 4-9 of x_t from γ_t ⊙ h_{t-1} and γ_t ⊙ c_{t-1}

    Its gate is a `Decay`. Departures from GRU-D: here h and c decay, there h alone, as it has no c; and inputs do not
    decay here, as none is missing.
    """

    own_gate = Decay

    def step(self, x_t, h, c, joined, gamma_t):
        """As part 1's step, from the decayed state, for γ_t (H, B or 1)."""
        return LSTM.step(self, x_t, gamma_t * h, gamma_t * c, joined)
