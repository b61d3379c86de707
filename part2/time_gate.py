"""The time gate of the phased LSTM (Neil, Pfeiffer & Liu 2016): open for a part of every period."""

import math

import torch
from torch import nn

from common.device import has_float64

PARAMETERS = ("tau", "s", "r_on")
# The gate's range, kept by construction: wide enough for any use, narrow enough that no gradient overflows.
TAU_LIMITS, R_ON_LIMITS = (1e-9, 1e9), (1e-6, 1 - 1e-6)


def openness(t, tau, s, r_on, leak=0.0, dtype=None):
    """The time gate k, from 0 closed to 1 open (assignment, equation 12), of time stamps t.

        φ = ((t - s) mod τ) / τ                          (12)
        k = 2φ / r_on        where φ < r_on / 2
            2 - 2φ / r_on    where r_on / 2 ≤ φ < r_on
            leak · φ         elsewhere

    Departures: at φ = r_on / 2 the printed inequalities, strict on both sides, give 0; here it is the peak, 1. The
    leak is the paper's, 0 in the assignment.

    t, tau, s, r_on are tensors that broadcast, t, tau and s in one unit of time; pass float64, as float32 has lost the
    phase after some 10⁵ periods. The phase is what u = (t - s) / τ exceeds its floor by: t < s wraps (fmod would
    mirror it), and as the floor is a constant, no part of the derivative is lost: ∂φ/∂τ = -(t - s) / τ². The phase
    itself, 0 to 1, is small enough for any `dtype`, in which k is computed from it.
    """
    u = (t - s) / tau
    phi = (u - u.detach().floor()).to(dtype or u.dtype)
    r_on = r_on.to(phi.dtype)
    k_up = 2 * phi / r_on
    k_down = 2 - k_up
    k_closed = leak * phi
    return torch.where(phi < r_on / 2, k_up, torch.where(phi < r_on, k_down, k_closed))


def holds(condition):
    """Whether all of a tensor of truth values is true; True where there are no values to look at.

    torch.compile and torch.export trace without them, vmap and the meta device do not give them.
    """
    if torch.compiler.is_compiling():
        return True
    try:
        return bool(condition.all())
    except RuntimeError:
        return True


class TimeGate(nn.Module):
    """A rhythmic gate for each of H units: open for a share r_on of every period τ, counted from s (equation 12).

    Args:
        num_hidden: H, units.
        tau: period, in the unit of the time stamps, 1e-9 to 1e9; None draws log τ from U(0, 3), so that τ is
             1 to 20 (the paper's frequency task). For other tasks: `torch.empty(H).uniform_(1, 6).exp()`, say.
        s: shift, in the unit of the time stamps, any finite number; None draws from U(0, τ), as in the paper.
        r_on: share of the period in which the gate is open, 1e-6 to 1 - 1e-6; None takes 0.05, as in the paper.
        leak: α, 0 to 1: openness α·φ in the closed phase, without which a closed unit passes no gradient to τ, s,
              r_on. 0 in the assignment; the paper has 1e-3 in training. Off in `eval()`, as in the paper.
        learn: which of "tau", "s", "r_on" are learned; the others stay as they are (`requires_grad` False).
        leak_in_eval: keeps the leak on in `eval()`, for tests of what it does; an attribute, to be set at any time.

    tau, s and r_on are each a number or a tensor (H,), and attributes of those names give the present values (H,).
    Departure from the paper, which learns them directly: learned are log τ, s / (first τ) and logit r_on (`log_tau`,
    `shift`, `logit_r_on`). So no update leaves their range, and a step of an optimiser is a like share of a period
    for long and short ones. They are float64 in a float32 network too: an error of 1e-7 in τ is one of 0.1 in the
    phase after 10⁶ periods. (`.float()` makes them float32; phases are then exact for what float32 stores. So it has
    to be on a device without float64; the gate then computes on the CPU.)

    Raises ValueError for values out of range, of another shape, and for names to `learn` that are no parameters.
    """

    def __init__(self, num_hidden, tau=None, s=None, r_on=None, leak=0.0, learn=PARAMETERS, leak_in_eval=False):
        super().__init__()
        if not set(learn) <= set(PARAMETERS) or isinstance(learn, str):
            raise ValueError(f"learn is {learn!r}, not a collection of names among {', '.join(PARAMETERS)}")
        if not 0 <= leak <= 1:
            raise ValueError(f"leak is {leak}, not from 0 to 1")
        self.num_hidden = H = num_hidden
        drawn = torch.empty(H, dtype=torch.float64)
        tau = _per_unit("tau", drawn.uniform_(0, 3).exp() if tau is None else tau, H, *TAU_LIMITS)
        s = _per_unit("s", tau * drawn.uniform_() if s is None else s, H, -math.inf, math.inf)
        r_on = _per_unit("r_on", 0.05 if r_on is None else r_on, H, *R_ON_LIMITS)

        self.log_tau = nn.Parameter(tau.log(), requires_grad="tau" in learn)
        self.shift = nn.Parameter(s / tau, requires_grad="s" in learn)
        self.logit_r_on = nn.Parameter(r_on.logit(), requires_grad="r_on" in learn)
        self.register_buffer("first_tau", tau)  # a constant, so that s stays when τ alone is learned
        self.leak, self.leak_in_eval = leak, leak_in_eval

    @property
    def tau(self):
        return _float64(self.log_tau).clamp(*map(math.log, TAU_LIMITS)).exp()

    @property
    def s(self):
        return _float64(self.shift) * _float64(self.first_tau)

    @property
    def r_on(self):
        low, high = (math.log(r_on / (1 - r_on)) for r_on in R_ON_LIMITS)
        return _float64(self.logit_r_on).clamp(low, high).sigmoid()

    def forward(self, t, dtype=torch.float64):
        """Openness (…, H) of each unit at time stamps t: (T,), or (B, T) if each sequence has its own.

        Any finite numbers, else ValueError, in any order. They are converted to float64: what float32 has rounded away
        (at t = 10⁶ all below 0.06) does not come back. The openness is computed from the phase in `dtype`.
        """
        tau = self.tau
        t = torch.as_tensor(t, dtype=torch.float64, device=tau.device)
        if not holds(t.isfinite()):
            raise ValueError("t holds time stamps that are not finite")
        leak = self.leak if self.training or self.leak_in_eval else 0.0
        return openness(t[..., None], tau, self.s, self.r_on, leak, dtype)


class AlwaysOpen(nn.Module):
    """The gate of a plain LSTM, k = 1 for each of H units at any time: TimeGatedLSTM with it is part 1's LSTM."""

    def __init__(self, num_hidden):
        super().__init__()
        self.num_hidden = num_hidden

    def forward(self, t, dtype=torch.float64):
        """Ones (T, 1), or (B, T, 1), for time stamps t, (T,) or (B, T)."""
        return torch.ones_like(t, dtype=dtype)[..., None]


@torch.no_grad()
def never_opens(gate, T):
    """Which units of a TimeGate are closed at each of the steps 1, 2, …, T: (H,) bool. A leak opens none."""
    tau, s, r_on = gate.tau, gate.s, gate.r_on
    closed = torch.ones_like(tau, dtype=torch.bool)
    for t in range(1, T + 1):
        closed &= openness(t, tau, s, r_on) == 0
    return closed


def _float64(tensor):
    """The tensor in float64, on the CPU if its device has no such numbers."""
    return (tensor if has_float64(tensor.device) else tensor.cpu()).double()


def _per_unit(name, value, H, low, high):
    """value, a number or (H,), as a new float64 tensor (H,); ValueError if it is not that, or outside low to high."""
    value = torch.as_tensor(value, dtype=torch.float64).detach()
    if value.shape not in ((), (H,)):
        raise ValueError(f"{name} has shape {tuple(value.shape)}, expected a number or ({H},)")
    if not (value.isfinite() & (low <= value) & (value <= high)).all():
        allowed = "a finite number" if high == math.inf else f"from {low:g} to {high}"
        raise ValueError(f"{name} is {value.tolist()}, not {allowed}")
    return value.expand(H).clone()
