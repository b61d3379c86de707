"""The time gate and the time-gated LSTM: equations 12-16, and each trap of the print and of public implementations."""

import math
from fractions import Fraction

import pytest
import torch
from torch import nn

from part1.lstm import LSTM
from part2.time_gate import AlwaysOpen, TimeGate
from part2.time_gated_lstm import TimeGatedLSTM, openness

B, T, D, H, K = 3, 7, 4, 5, 6
F64 = torch.float64
EXACT = {"rtol": 0, "atol": 1e-12}
VARIANTS = pytest.mark.parametrize("equation_15", ["assignment", "paper"])


def f64(*values):
    return torch.tensor(values, dtype=F64)


def written_out(t, tau, s, r_on, leak=0.0):
    """Equation 12 in exact arithmetic, from the very numbers that the floats are; 1 at the peak."""
    t, tau, s, r_on, leak = map(Fraction, (t, tau, s, r_on, leak))
    phi = (t - s) % tau / tau
    if phi < r_on / 2:
        return float(2 * phi / r_on)
    return float(2 - 2 * phi / r_on if phi < r_on else leak * phi)


def expected(gate, t, leak=0.0):
    """Equation 12 in exact arithmetic for each time stamp and unit of the gate, from its stored parameters."""
    units = list(zip(gate.tau.tolist(), gate.s.tolist(), gate.r_on.tolist(), strict=True))
    return torch.tensor([[written_out(time, *unit, leak) for unit in units] for time in t], dtype=F64)


def some_gate(leak=0.0, **options):
    tau, s, r_on = f64(2.3, 7.1, 31.0, 0.7, 11.9), f64(0.4, 6.0, -5.5, 0.65, 40.0), f64(0.05, 0.3, 0.5, 0.9, 0.12)
    return TimeGate(H, tau, s, r_on, leak, **options)


def some_cell(equation_15="assignment", gate=None):
    torch.manual_seed(0)
    model = TimeGatedLSTM(D, H, K, gate or some_gate(leak=1e-3), equation_15).double()
    for name, p in model.named_parameters():
        if not name.startswith("gate"):
            nn.init.uniform_(p, -0.8, 0.8)
    return model


# The gate: values


@pytest.mark.parametrize(
    "phi, k", [(0, 0), (0.1, 0.5), (0.2, 1), (0.3, 0.5), (0.4, 0), (0.41, 0), (0.7, 0), (1 - 1e-9, 0)]
)
def test_k_rises_from_0_to_1_at_half_r_on_and_falls_to_0_at_r_on(phi, k):
    gate = TimeGate(1, tau=10, s=3, r_on=0.4)
    for period in (0, 1, 12):
        assert gate(f64(3 + 10 * (period + phi))).item() == pytest.approx(k, abs=1e-6)


def test_k_is_1_at_the_peak_where_the_printed_strict_inequalities_give_0():
    assert TimeGate(1, tau=4, s=0, r_on=0.5)(f64(1)).item() == pytest.approx(1, abs=1e-12)
    assert openness(f64(1), f64(4), f64(0), f64(0.5)).item() == 1


def test_k_is_continuous_around_its_corners():
    gate = TimeGate(1, tau=1, s=0, r_on=0.4)
    for corner, k in ((0, 0), (0.2, 1), (0.4, 0), (1, 0)):
        torch.testing.assert_close(gate(corner + f64(-1e-9, 0, 1e-9))[:, 0], f64(k, k, k), rtol=0, atol=1e-7)


def test_values_equal_exact_arithmetic_and_stay_from_0_to_1():
    t = torch.linspace(-60, 60, 1201, dtype=F64) + math.pi / 100  # between the leak's jumps at φ = 0
    for leak in (0.0, 1e-3):
        gate = some_gate(leak)
        k = gate(t)
        torch.testing.assert_close(k, expected(gate, t.tolist(), leak), rtol=0, atol=1e-9)
        assert k.min() >= 0 and k.max() <= 1


def test_the_sign_of_s_is_the_assignments_opening_begins_at_s():
    gate = TimeGate(1, tau=10, s=3, r_on=0.2)
    assert gate(f64(2.9)).item() == 0 and gate(f64(3.1)).item() > 0 and gate(f64(-2.9)).item() == 0


def test_time_before_s_wraps_and_is_not_mirrored():
    gate = TimeGate(1, tau=10, s=3, r_on=0.4)
    late = torch.linspace(3, 13, 41, dtype=F64)[1:-1]
    for periods in (1, 2, 100):
        torch.testing.assert_close(gate(late - 10 * periods), gate(late), rtol=0, atol=1e-9)
    mirrored = openness((late - 3).abs(), f64(10), f64(0), f64(0.4))
    before = gate(3 - (late - 3))[:, 0]
    assert not torch.allclose(before, mirrored)


@pytest.mark.parametrize("periods", [1e3, 1e5, 1e6, 1e7])
def test_phases_stay_exact_at_large_times(periods):
    t = periods + torch.linspace(0, 1, 101, dtype=F64)
    gate = TimeGate(1, tau=1, s=0, r_on=0.5)
    torch.testing.assert_close(gate(t), expected(gate, t.tolist()), rtol=0, atol=1e-6)


@pytest.mark.parametrize("stored", [torch.float64, torch.float32])
def test_large_times_are_exact_for_the_stored_parameters_of_any_period(stored):
    gate = TimeGate(4, f64(1, 2.7, 19.3, 103), f64(0.2, 1, 10, 50), f64(0.05, 0.05, 0.3, 0.9)).to(stored)
    t = 1e6 + torch.linspace(0, 100, 401, dtype=F64)
    torch.testing.assert_close(gate(t), expected(gate, t.tolist()), rtol=0, atol=1e-6)


def test_a_float32_network_keeps_the_gate_exact_at_large_times():
    model = TimeGatedLSTM(D, 1, K, TimeGate(1, tau=3, s=1, r_on=0.05))
    t = 1e6 + torch.linspace(0, 3, 101, dtype=F64)
    assert model.b_g.dtype == torch.float32 and model.gate.tau.item() == pytest.approx(3, abs=1e-14)
    k = model.gate(t, torch.float32)
    torch.testing.assert_close(k.double(), expected(model.gate, t.tolist()), rtol=0, atol=5e-6)
    as_asked = torch.tensor([[written_out(time, 3, 1, 0.05)] for time in t.tolist()], dtype=F64)
    torch.testing.assert_close(model.gate(t), as_asked, rtol=0, atol=1e-6)


def test_whole_numbers_and_unix_seconds_are_time_stamps_too():
    gate = TimeGate(1, tau=10, s=1, r_on=0.4)
    t = torch.arange(1_700_000_000, 1_700_000_020)
    torch.testing.assert_close(gate(t), expected(gate, t.tolist()), rtol=0, atol=1e-6)


def test_each_sequence_has_its_own_irregular_time_stamps():
    gate = some_gate()
    t = torch.randn(B, T, dtype=F64) * 30
    k = gate(t)
    assert k.shape == (B, T, H)
    for b in range(B):
        assert torch.equal(k[b], gate(t[b]))


def test_each_unit_has_its_own_gate_not_their_mean():
    gate, t = some_gate(), torch.linspace(0, 50, 101, dtype=F64)
    for unit in range(H):
        alone = TimeGate(1, gate.tau[unit].item(), gate.s[unit].item(), gate.r_on[unit].item())
        torch.testing.assert_close(gate(t)[:, unit], alone(t)[:, 0], rtol=0, atol=1e-9)


def test_the_open_share_of_time_is_r_on():
    gate = TimeGate(1, tau=7, s=2, r_on=0.3)
    k = gate((torch.arange(7000, dtype=F64) + 0.5) / 1000)
    assert (k > 0).double().mean().item() == pytest.approx(0.3, abs=2e-3)
    assert k.mean().item() == pytest.approx(0.15, abs=1e-3)


# The gate: leak


def test_the_leak_is_on_in_training_and_off_in_eval_unless_asked_for():
    gate, closed = TimeGate(1, tau=10, s=0, r_on=0.1, leak=1e-3), f64(5)
    assert gate.training and gate(closed).item() == pytest.approx(0.5e-3, rel=1e-12)
    assert gate.eval()(closed).item() == 0
    gate.leak_in_eval = True
    assert gate(closed).item() == pytest.approx(0.5e-3, rel=1e-12)
    assert TimeGate(1, tau=10, s=0, r_on=0.1)(closed).item() == 0


def test_a_closed_unit_passes_no_gradient_without_the_leak_and_the_leaks_with_it():
    for leak in (0.0, 1e-3):
        tau, s, r_on = (v.requires_grad_() for v in (f64(10), f64(1), f64(0.1)))
        openness(f64(7.0), tau, s, r_on, leak).sum().backward()
        torch.testing.assert_close(torch.cat([tau.grad, s.grad, r_on.grad]), leak * f64(-0.06, -0.1, 0), **EXACT)


# The gate: gradients


@pytest.mark.parametrize("t, phase", [(3, -0.017), (50, -0.487), (1000, -9.987), (-33, 0.343)])
def test_d_phi_d_tau_has_the_floor_term(t, phase):
    tau, s, r_on = f64(10).requires_grad_(), f64(1.3).requires_grad_(), f64(0.99)
    k = openness(f64(t), tau, s, r_on)
    d_tau, d_s = torch.autograd.grad(k.sum(), (tau, s))
    phi = (t - 1.3) / 10 % 1
    gain = (2 if phi < 0.99 / 2 else -2) / 0.99
    assert d_tau.item() / gain == pytest.approx(-(phi + (t - 1.3) // 10) / 10, rel=1e-9)
    assert d_tau.item() / gain == pytest.approx(phase, rel=1e-9)
    assert d_s.item() / gain == pytest.approx(-1 / 10, rel=1e-9)


def test_r_on_gets_a_gradient_on_both_slopes():
    for t, sign in ((0.1, -1), (0.3, 1)):
        r_on = f64(0.4).requires_grad_()
        openness(f64(t), f64(1), f64(0), r_on).sum().backward()
        assert r_on.grad.item() == pytest.approx(sign * 2 * t / 0.4**2, rel=1e-12)


@pytest.mark.parametrize("leak", [0.0, 1e-3])
@pytest.mark.parametrize("shift", [-1000.0, 0.0, 1000.0])
def test_gradients_of_equation_12_equal_finite_differences_before_and_after_s(leak, shift):
    gate, t = some_gate(), shift + f64(-40.123, -3.1, 0.17, 0.55, 2.77, 9.81, 61.3)[:, None]
    values = [v.detach().clone().requires_grad_() for v in (t, gate.tau, gate.s, gate.r_on)]
    assert torch.autograd.gradcheck(lambda *v: openness(*v, leak), values, eps=1e-7, rtol=1e-6, atol=1e-5)


def test_gradients_of_the_stored_parameters_equal_finite_differences():
    gate = some_gate(leak=1e-3)
    t = f64(-40.123, -3.1, 0.17, 0.55, 2.77, 9.81, 61.3)
    names = [name for name, _ in gate.named_parameters()]
    assert names == ["log_tau", "shift", "logit_r_on"]

    def k(*values):
        return torch.func.functional_call(gate, dict(zip(names, values, strict=True)), (t,))

    values = [p.detach().clone().requires_grad_() for p in gate.parameters()]
    assert torch.autograd.gradcheck(k, values, eps=1e-7, rtol=1e-6, atol=1e-5)


def test_gradients_are_right_to_1e_6_relative():
    gate = some_gate()
    t = f64(-40.123, -3.1, 0.17, 0.55, 2.77, 9.81, 61.3)
    weight = torch.randn(len(t), H, dtype=F64, generator=torch.Generator().manual_seed(1))
    (gate(t) * weight).sum().backward()
    for p in gate.parameters():
        for unit in range(H):
            with torch.no_grad():
                sums, kept = [], p[unit].item()
                for eps in (-2e-6, -1e-6, 1e-6, 2e-6):
                    p[unit] = kept + eps
                    sums.append((gate(t) * weight).sum().item())
                p[unit] = kept
            numeric = (sums[0] - 8 * sums[1] + 8 * sums[2] - sums[3]) / 12e-6  # fourth order
            assert p.grad[unit].item() == pytest.approx(numeric, rel=1e-6, abs=1e-7)


# The gate: parameters


@pytest.mark.parametrize("tau", [1e-9, 1e-3, 1.0, 1e9])
@pytest.mark.parametrize("r_on", [1e-6, 0.5, 1 - 1e-6])
@pytest.mark.parametrize("s", [-1e6, 0.0, 1e6])
def test_no_parameter_in_range_gives_a_nan_or_an_infinite_gradient(tau, r_on, s):
    gate = TimeGate(1, tau, s, r_on, leak=1e-3)
    k = gate(f64(-1e9, -1, 0, 1e-9, 0.5, s, s + tau, s + tau * r_on / 2, 1e9))
    k.sum().backward()
    assert k.isfinite().all() and k.min() >= 0 and k.max() <= 1
    assert all(p.grad.isfinite().all() for p in gate.parameters())


@pytest.mark.parametrize("value", [-1e6, -800.0, 800.0, 1e6])
def test_no_update_takes_a_parameter_out_of_range(value):
    gate = TimeGate(H, leak=1e-3)
    with torch.no_grad():
        for p in gate.parameters():
            p.fill_(value)
    k = gate(torch.arange(20))
    k.sum().backward()
    assert (gate.tau > 0).all() and gate.tau.isfinite().all() and ((gate.r_on > 0) & (gate.r_on < 1)).all()
    assert k.isfinite().all() and all(p.grad.isfinite().all() for p in gate.parameters())


@pytest.mark.parametrize("learned", [(), ("tau",), ("s",), ("r_on",), ("tau", "s", "r_on")])
def test_each_parameter_is_learned_or_fixed(learned):
    gate = TimeGate(H, tau=5, s=2, r_on=0.6, learn=learned)
    before = {name: getattr(gate, name).detach() for name in ("tau", "s", "r_on")}
    k = gate(f64(0.31, 2.9, 3.3, 4.2, 11.1))
    if learned:
        k.square().sum().backward()
        torch.optim.Adam(gate.parameters(), lr=0.1).step()
    for name, value in before.items():
        assert torch.equal(getattr(gate, name), value) == (name not in learned), name


def test_the_parameters_are_the_values_given():
    gate = some_gate()
    torch.testing.assert_close(gate.tau, f64(2.3, 7.1, 31.0, 0.7, 11.9), rtol=1e-14, atol=0)
    torch.testing.assert_close(gate.s, f64(0.4, 6.0, -5.5, 0.65, 40.0), rtol=1e-14, atol=0)
    torch.testing.assert_close(gate.r_on, f64(0.05, 0.3, 0.5, 0.9, 0.12), rtol=1e-14, atol=0)


def test_drawn_are_tau_log_uniform_from_1_to_20_s_within_the_period_and_r_on_5_percent():
    torch.manual_seed(0)
    gate = TimeGate(4000)
    log_tau, share = gate.tau.log(), gate.s / gate.tau
    for drawn, high in ((log_tau, 3), (share, 1)):
        assert drawn.min() >= 0 and drawn.max() <= high
        assert drawn.mean().item() == pytest.approx(high / 2, rel=0.03)
        assert drawn.std().item() == pytest.approx(high / math.sqrt(12), rel=0.03)
    torch.testing.assert_close(gate.r_on, torch.full((4000,), 0.05, dtype=F64), **EXACT)


def test_a_saved_gate_loads_as_it_was():
    gate, other, t = some_gate(), TimeGate(H), torch.arange(50)
    other.load_state_dict(gate.state_dict())
    assert torch.equal(gate(t), other(t))


@pytest.mark.parametrize(
    "options, words",
    [
        *(({"tau": tau}, "tau is") for tau in (0, -1, math.inf, math.nan, 1e10)),
        *(({"r_on": r_on}, "r_on is") for r_on in (0, 1, -0.1, 2, math.nan)),
        *(({"s": s}, "s is") for s in (math.inf, math.nan)),
        *(({"leak": leak}, "leak is") for leak in (-1e-3, 2, math.nan)),
        ({"tau": torch.ones(H + 1)}, "tau has shape"),
        ({"learn": ("period",)}, "learn is"),
        ({"learn": "tau"}, "learn is"),
    ],
)
def test_a_parameter_out_of_range_is_refused_by_name(options, words):
    with pytest.raises(ValueError, match=words):
        TimeGate(H, **options)


@pytest.mark.parametrize("stamp", [math.nan, math.inf])
def test_a_time_stamp_that_is_not_finite_is_refused(stamp):
    with pytest.raises(ValueError, match="finite"):
        TimeGate(H)(f64(1, stamp))


# The cell


class Constant(nn.Module):
    """A gate that is always open by k."""

    def __init__(self, k):
        super().__init__()
        self.k = k

    def forward(self, t, dtype=F64):
        return torch.full((*t.shape, H), self.k, dtype=dtype)


@VARIANTS
def test_one_step_is_equations_4_to_7_and_13_to_16_written_out(equation_15):
    ours = some_cell(equation_15)
    x, h, c, k = (torch.rand(n, B, dtype=F64) for n in (D, H, H, H))
    g = torch.tanh(ours.W_gx @ x + ours.W_gh @ h + ours.b_g[:, None])
    i = torch.sigmoid(ours.W_ix @ x + ours.W_ih @ h + ours.b_i[:, None])
    f = torch.sigmoid(ours.W_fx @ x + ours.W_fh @ h + ours.b_f[:, None])
    o = torch.sigmoid(ours.W_ox @ x + ours.W_oh @ h + ours.b_o[:, None])
    c_tilde = g * i + c * f
    c_new = k * c_tilde + (1 - k) * c
    h_tilde = torch.tanh(c_new if equation_15 == "assignment" else c_tilde) * o
    h_new = k * h_tilde + (1 - k) * h
    for ours_, written in zip(ours.step(x, h, c, k, ours.joined()), (h_new, c_new), strict=True):
        torch.testing.assert_close(ours_, written, **EXACT)


@VARIANTS
@pytest.mark.parametrize("per_sequence", [False, True])
def test_k_1_everywhere_is_part_1s_lstm(equation_15, per_sequence):
    ours = some_cell(equation_15)
    ours.gate = Constant(1.0)
    plain = LSTM(D, H, K).double()
    plain.load_state_dict(ours.state_dict())
    x = torch.randn(B, T, D, dtype=F64)
    t = torch.rand(B, T) if per_sequence else None
    for state in (None, tuple(torch.randn(2, B, H, dtype=F64))):
        p, (h, c) = ours(x, t, state, return_states=True)
        p_plain, (h_plain, c_plain) = plain(x, state, return_states=True)
        for value, reference in ((p, p_plain), (h, h_plain), (c, c_plain)):
            torch.testing.assert_close(value, reference, **EXACT)
    weight = torch.randn(B, K, dtype=F64)
    (p * weight).sum().backward()
    (p_plain * weight).sum().backward()
    for name, reference in plain.named_parameters():
        torch.testing.assert_close(getattr(ours, name).grad, reference.grad, **EXACT)


@VARIANTS
def test_k_0_copies_the_state_exactly_and_its_jacobian_is_the_identity(equation_15):
    ours = some_cell(equation_15)
    x, h, c = (torch.randn(n, B, dtype=F64) for n in (D, H, H))
    k = torch.zeros(H, 1, dtype=F64)
    h_new, c_new = ours.step(x, h, c, k, ours.joined())
    assert torch.equal(h_new, h) and torch.equal(c_new, c)

    def step(state):
        return torch.stack(ours.step(x[:, :1], state[0][:, None], state[1][:, None], k, ours.joined()))

    jacobian = torch.autograd.functional.jacobian(step, torch.stack([h[:, 0], c[:, 0]]))
    assert torch.equal(jacobian.reshape(2 * H, 2 * H), torch.eye(2 * H, dtype=F64))


def test_a_closed_network_keeps_its_state_to_the_end_in_float32_too():
    model = TimeGatedLSTM(D, H, K, TimeGate(H, tau=100, s=50, r_on=0.05))
    state = tuple(torch.randn(2, B, H))
    _, (h, c) = model(torch.randn(B, T, D), state=state, return_states=True)
    assert torch.equal(h[:, -1], state[0]) and torch.equal(c[:, -1], state[1])


def test_the_two_readings_of_equation_15_differ_only_while_the_gate_is_half_open():
    printed, paper = some_cell("assignment"), some_cell("paper")
    x, h, c = (torch.randn(n, B, dtype=F64) for n in (D, H, H))
    for k, same in ((0.0, True), (0.5, False), (1.0, True)):
        k_t = torch.full((H, 1), k, dtype=F64)
        (h_1, c_1), (h_2, c_2) = (cell.step(x, h, c, k_t, cell.joined()) for cell in (printed, paper))
        assert torch.equal(c_1, c_2) and torch.allclose(h_1, h_2, rtol=0, atol=1e-12) == same


@VARIANTS
def test_gradcheck_of_a_step(equation_15):
    ours = some_cell(equation_15)
    x, h, c, k = (torch.rand(n, 2, dtype=F64) for n in (D, H, H, H))
    inputs = [value.detach().clone().requires_grad_() for value in (x, h, c, k, *ours.joined())]
    assert torch.autograd.gradcheck(lambda x, h, c, k, *joined: ours.step(x, h, c, k, joined), inputs)


@VARIANTS
def test_gradcheck_of_the_network_with_its_gate(equation_15):
    ours = some_cell(equation_15)
    names = [name for name, _ in ours.named_parameters()]
    x, t = torch.randn(2, 3, D, dtype=F64), f64(0.55, 2.77, 6.6)

    def logits(x, *parameters):
        return torch.func.functional_call(ours, dict(zip(names, parameters, strict=True)), (x, t))

    inputs = [x, *(p.detach() for p in ours.parameters())]
    assert torch.autograd.gradcheck(logits, [value.clone().requires_grad_() for value in inputs], eps=1e-7, atol=1e-4)


def test_training_reaches_every_parameter_the_gates_too():
    model = TimeGatedLSTM(D, H, K, some_gate(leak=1e-3))
    model(torch.randn(B, 50, D), lengths=torch.tensor([50, 20, 41])).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
    before = [p.detach().clone() for p in model.parameters()]
    nn.utils.clip_grad_norm_(model.parameters(), 10.0)  # of float32 and float64 at once
    torch.optim.RMSprop(model.parameters(), lr=1e-3).step()
    assert all(
        p.isfinite().all() and not torch.equal(p, old) for p, old in zip(model.parameters(), before, strict=True)
    )


def test_eval_takes_the_leak_out_of_the_network():
    model, x = some_cell(gate=TimeGate(H, tau=100, s=50, r_on=0.05, leak=1e-3)), torch.randn(B, T, D, dtype=F64)
    assert model(x, return_states=True)[1][0].abs().max() > 0
    assert model.eval()(x, return_states=True)[1][0].abs().max() == 0


def test_time_stamps_are_1_to_T_unless_given_and_need_not_be_regular():
    ours, x = some_cell(), torch.randn(B, T, D, dtype=F64)
    torch.testing.assert_close(ours(x), ours(x, torch.arange(1.0, T + 1)), **EXACT)
    t = torch.rand(B, T, dtype=F64).cumsum(1) * 9
    together = ours(x, t)
    for b in range(B):
        torch.testing.assert_close(together[b], ours(x[b : b + 1], t[b])[0], **EXACT)
    assert not torch.allclose(together, ours(x))


def test_padding_reaches_neither_logits_nor_gradients():
    ours, lengths = some_cell(), torch.tensor([4, T, 1])
    x = torch.randn(B, T, D, dtype=F64, requires_grad=True)
    t = torch.rand(B, T, dtype=F64).cumsum(1)
    p = ours(x, t, lengths=lengths)
    for b, length in enumerate(lengths.tolist()):
        torch.testing.assert_close(p[b], ours(x[b : b + 1, :length], t[b, :length])[0], **EXACT)
    p.square().sum().backward()
    for b, length in enumerate(lengths.tolist()):
        assert (x.grad[b, length:] == 0).all() and (x.grad[b, :length] != 0).any()


def test_a_carried_state_goes_on_where_its_time_does():
    ours, x, t = some_cell(), torch.randn(B, T, D, dtype=F64), torch.rand(T, dtype=F64).cumsum(0) * 5
    whole, (h, c) = ours(x, t, return_states=True)
    torch.testing.assert_close(ours(x[:, 4:], t[4:], (h[:, 3], c[:, 3])), whole, **EXACT)
    torch.testing.assert_close(h[:, -1] @ ours.W_ph.T + ours.b_p, whole, **EXACT)  # (h, c), in this order
    zeros = tuple(torch.zeros(2, B, H, dtype=F64))
    torch.testing.assert_close(ours(x, t, zeros), whole, **EXACT)


def test_cells_stack_as_each_takes_the_same_time_stamps():
    lower, upper = some_cell(), TimeGatedLSTM(H, H, K).double()
    x, t = torch.randn(B, T, D, dtype=F64), torch.rand(B, T).cumsum(1)
    _, (h, _) = lower(x, t, return_states=True)
    assert upper(h, t).shape == (B, K)


def test_the_same_seed_draws_part_1s_weights_and_three_parameters_more_a_unit():
    torch.manual_seed(3)
    plain = LSTM(10, 128, 10)
    torch.manual_seed(3)
    gated = TimeGatedLSTM(10, 128, 10)
    for name, p in plain.named_parameters():
        assert torch.equal(p, getattr(gated, name))
    assert sum(p.numel() for p in gated.parameters()) == sum(p.numel() for p in plain.parameters()) + 3 * 128
    assert TimeGatedLSTM(D, H, K, init="chrono", max_length=100).b_f.max() > 0


@pytest.mark.parametrize("batch", [1, 129])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_any_batch_size_and_dtype(batch, dtype):
    model, x = TimeGatedLSTM(D, H, K).to(dtype), torch.randn(batch, T, D, dtype=dtype)
    for t in (None, torch.rand(batch, T)):
        p = model(x, t)
        assert p.shape == (batch, K) and p.dtype == dtype and p.isfinite().all()


@pytest.mark.parametrize("shape", [(B, T), (B, T, D + 1), (B, 0, D)])
def test_a_wrong_shape_is_refused(shape):
    with pytest.raises(ValueError, match="x has shape"):
        TimeGatedLSTM(D, H, K)(torch.zeros(shape))


@pytest.mark.parametrize("t", [torch.zeros(T + 1), torch.zeros(T, B), torch.zeros(1, T), 3.0])
def test_time_stamps_of_a_wrong_shape_are_refused(t):
    with pytest.raises(ValueError, match="t has shape"):
        TimeGatedLSTM(D, H, K)(torch.zeros(B, T, D), t)


@pytest.mark.parametrize("lengths", [[1, 2], [1, 2, T + 1], [0, 1, 2], [1.0, 2.0, 3.0]])
def test_lengths_that_do_not_fit_are_refused(lengths):
    with pytest.raises(ValueError, match="lengths"):
        TimeGatedLSTM(D, H, K)(torch.zeros(B, T, D), lengths=torch.tensor(lengths))


def test_an_unknown_equation_and_a_gate_of_another_size_are_refused():
    with pytest.raises(ValueError, match="choose from assignment, paper"):
        TimeGatedLSTM(D, H, K, equation_15="nonsense")
    with pytest.raises(ValueError, match="gate is for 6 units, the network has 5"):
        TimeGatedLSTM(D, H, K, TimeGate(H + 1))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("gate", [None, AlwaysOpen(H)])
def test_the_same_logits_on_a_gpu(gate):
    model, x = some_cell(gate=gate), torch.randn(B, T, D, dtype=F64)
    t, lengths = torch.rand(B, T, dtype=F64), torch.tensor([1, T, 4])
    expected_ = model(x, t, lengths=lengths)
    on_gpu = model.cuda()(x.cuda(), t, lengths=lengths).cpu()
    torch.testing.assert_close(on_gpu, expected_, rtol=0, atol=1e-10)
