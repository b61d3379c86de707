"""The time gate and the time-gated LSTM: equations 12-16, and each trap of the print and of public implementations."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call

from part1.lstm import LSTM
from part2.time_gate import AlwaysOpen, TimeGate, never_opens, openness
from part2.time_gated_lstm import TimeGatedLSTM

B, T, D, H, K = 3, 7, 4, 5, 6
F64 = torch.float64
EXACT = {"rtol": 0, "atol": 1e-12}
VARIANTS = pytest.mark.parametrize("equation_15", ["assignment", "paper"])


def f64(*values):
    return torch.tensor(values, dtype=F64)


def randn(*shape):
    return torch.randn(*shape, dtype=F64)


VALUES = {
    "tau": f64(2.3, 7.1, 31.0, 0.7, 11.9),
    "s": f64(0.4, 6.0, -5.5, 0.65, 40.0),
    "r_on": f64(0.05, 0.3, 0.5, 0.9, 0.12),
}


def some_gate(**options):
    return TimeGate(H, **{**VALUES, **options})


def some_cell(equation_15="assignment", gate=None):
    torch.manual_seed(0)
    model = TimeGatedLSTM(D, H, K, gate or some_gate(leak=1e-3), equation_15).double()
    for name, p in model.named_parameters():
        if not name.startswith("gate"):
            nn.init.uniform_(p, -0.8, 0.8)
    return model


def gradients_are_right(module, *values, **options):
    """Compare the gradients of the module's output, of the values and of every parameter, to finite differences."""
    names = [name for name, _ in module.named_parameters()]
    parameters = [p.detach().clone().requires_grad_() for p in module.parameters()]

    def output(*inputs):
        given, changed = inputs[: len(values)], dict(zip(names, inputs[len(values) :], strict=True))
        return functional_call(module, changed, given, options)

    return torch.autograd.gradcheck(output, [*values, *parameters], eps=1e-7, rtol=1e-6, atol=1e-5)


# The gate: values


def written_out(*values):
    """Equation 12 in exact arithmetic, from the very numbers that the floats t, tau, s, r_on are; 1 at the peak."""
    t, tau, s, r_on = (np.array([*map(Fraction, value.tolist())]) for value in values)
    phi = (t[:, None] - s) % tau / tau  # (T, H)
    k = np.maximum(0, np.minimum(2 * phi / r_on, 2 - 2 * phi / r_on))
    return torch.from_numpy(k.astype(float))


@pytest.mark.parametrize("period", [-2, 0, 1, 12])
def test_k_rises_from_0_to_1_at_half_r_on_where_the_print_has_0_and_falls_to_0_at_r_on(period):
    phi, k = f64(0, 1, 2, 3, 4, 5, 7) / 8, f64(0, 0.5, 1, 0.5, 0, 0, 0)
    assert torch.equal(openness(3 + 4 * (period + phi), f64(4), f64(3), f64(0.5)), k)


@pytest.mark.parametrize("stored", [torch.float64, torch.float32])
@pytest.mark.parametrize("start", [-60, 1_000_000, 1_700_000_000])
def test_phases_are_exact_before_s_and_at_large_times_for_the_stored_parameters(start, stored):
    gate = TimeGate(4, f64(1, 2.7, 19.3, 103), f64(0.2, 1, 10, 50), f64(0.5, 0.3, 0.3, 0.9)).to(stored)
    for t in (start + torch.linspace(0, 100, 401, dtype=F64), torch.arange(start, start + 20)):
        exact = written_out(t, gate.tau, gate.s, gate.r_on)
        torch.testing.assert_close(gate(t), exact, rtol=0, atol=1e-8 + 4e-15 * abs(start))
        torch.testing.assert_close(gate(t, torch.float32), exact.float(), rtol=0, atol=1e-5)


def test_a_unit_that_opens_between_the_steps_only_never_opens():
    gate = TimeGate(3, f64(4, 4, 50), f64(0.5, 3.0, 20.0), 0.1, leak=0.5)  # opens after 0.5, after 3, after 20
    assert never_opens(gate, 10).tolist() == [True, True, True]
    assert never_opens(gate, 21).tolist() == [True, True, False]
    assert never_opens(TimeGate(3, f64(4, 4, 50), f64(0.5, 2.9, 19.9), 0.1), 10).tolist() == [True, False, True]


# The gate: leak and gradients


def test_the_leak_is_on_in_training_and_off_in_eval_unless_asked_for():
    gate, closed = TimeGate(1, tau=10, s=0, r_on=0.1, leak=1e-3), f64(5)
    assert gate.training and gate(closed).item() == pytest.approx(0.5e-3, rel=1e-12)
    assert gate.eval()(closed).item() == 0
    gate.leak_in_eval = True
    assert gate(closed).item() == pytest.approx(0.5e-3, rel=1e-12)
    assert TimeGate(1, tau=10, s=0, r_on=0.1)(closed).item() == 0


@pytest.mark.parametrize("leak", [0.0, 1e-3, 1.0])
def test_a_closed_unit_passes_the_leaks_gradient_alone_and_d_phi_d_tau_has_the_floor_term(leak):
    """∂φ/∂τ = -(t - s) / τ², which grows with t; remainders as some libraries take them lose the whole periods."""
    for t in (7, 57, 1007, -33):
        tau, s, r_on = (v.requires_grad_() for v in (f64(10), f64(1), f64(0.1)))
        openness(f64(t), tau, s, r_on, leak).backward()
        gradient = torch.cat([tau.grad, s.grad, r_on.grad])
        torch.testing.assert_close(gradient, leak * f64(-(t - 1) / 100, -0.1, 0), **EXACT)


@pytest.mark.parametrize("shift", [-1000.0, 0.0, 1000.0])
def test_gradients_of_the_stored_parameters_equal_finite_differences(shift):
    gate = some_gate(leak=1e-3)
    assert [name for name, _ in gate.named_parameters()] == ["log_tau", "shift", "logit_r_on"]
    assert gradients_are_right(gate, shift + f64(-40.123, -3.1, 0.17, 0.55, 2.77, 9.81, 61.3))


# The gate: parameters


def assert_sound(gate, t):
    """Parameters in their range, openness from 0 to 1, gradients finite."""
    k = gate(t)
    k.sum().backward()
    assert (gate.tau > 0).all() and gate.tau.isfinite().all() and ((gate.r_on > 0) & (gate.r_on < 1)).all()
    assert k.min() >= 0 and k.max() <= 1 and all(p.grad.isfinite().all() for p in gate.parameters())


def test_no_parameter_in_range_gives_a_nan_or_an_infinite_gradient():
    for tau, s, r_on in itertools.product((1e-9, 1.0, 1e9), (-1e6, 0.0, 1e6), (1e-6, 0.5, 1 - 1e-6)):
        assert_sound(TimeGate(1, tau, s, r_on, 1e-3), f64(-1e9, -1, 0, 1e-9, 0.5, s, s + tau, s + tau * r_on / 2, 1e9))


@pytest.mark.parametrize("value", [-1e6, -800.0, 800.0, 1e6])
def test_no_update_takes_a_parameter_out_of_range(value):
    gate = TimeGate(H, leak=1e-3)
    with torch.no_grad():
        for p in gate.parameters():
            p.fill_(value)
    assert_sound(gate, torch.arange(20))


def test_the_parameters_are_the_values_given_and_those_saved():
    gate, other, t = some_gate(), TimeGate(H), torch.arange(50)
    for name, values in VALUES.items():
        torch.testing.assert_close(getattr(gate, name), values, rtol=1e-14, atol=0)
    other.load_state_dict(gate.state_dict())
    assert torch.equal(gate(t), other(t))


def test_drawn_are_tau_log_uniform_from_1_to_20_s_within_the_period_and_r_on_5_percent():
    torch.manual_seed(0)
    gate = TimeGate(4000)
    for drawn, high in ((gate.tau.log(), 3), (gate.s / gate.tau, 1)):
        assert drawn.min() >= 0 and drawn.max() <= high
        assert drawn.mean().item() == pytest.approx(high / 2, rel=0.03)
        assert drawn.std().item() == pytest.approx(high / math.sqrt(12), rel=0.03)
    torch.testing.assert_close(gate.r_on, torch.full((4000,), 0.05, dtype=F64), **EXACT)


# The cell


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
    torch.testing.assert_close(ours.step(x, h, c, ours.joined(), k), (h_new, c_new), **EXACT)


@VARIANTS
@pytest.mark.parametrize("per_sequence", [False, True])
def test_with_a_gate_that_is_always_open_it_is_part_1s_lstm_called_like_it(equation_15, per_sequence):
    ours, plain, x = some_cell(equation_15, AlwaysOpen(H)), LSTM(D, H, K).double(), randn(B, T, D)
    plain.load_state_dict(ours.state_dict())
    time = {"t": torch.rand(B, T)} if per_sequence else {}
    for state in (None, tuple(randn(2, B, H))):
        found, wanted = ours(x, state, True, **time), plain(x, state, True)
        torch.testing.assert_close(found, wanted, **EXACT)
    weight = randn(B, K)
    for p, _ in (found, wanted):
        (p * weight).sum().backward()
    for name, reference in plain.named_parameters():
        torch.testing.assert_close(getattr(ours, name).grad, reference.grad, **EXACT)
    step = x[:, 0].T, *randn(2, H, B), plain.joined()
    torch.testing.assert_close(ours.step(*step), plain.step(*step), **EXACT)


@VARIANTS
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("batch", [1, 129])
def test_a_closed_network_of_any_dtype_copies_its_state_and_the_gradient_exactly(equation_15, dtype, batch):
    model = TimeGatedLSTM(D, H, K, TimeGate(H, tau=100, s=50, r_on=0.05), equation_15).to(dtype)
    state = torch.randn(2, batch, H, dtype=dtype, requires_grad=True)
    p, states = model(torch.randn(batch, T, D, dtype=dtype), tuple(state), return_states=True)
    last, weight = torch.stack(states)[:, :, -1], torch.randn_like(state)
    (last * weight).sum().backward()
    assert torch.equal(last, state) and torch.equal(state.grad, weight)
    assert p.shape == (batch, K) and p.dtype == dtype and p.isfinite().all()


@VARIANTS
def test_gradcheck_of_the_network_with_its_gate(equation_15):
    assert gradients_are_right(some_cell(equation_15), randn(2, 3, D).requires_grad_(), t=f64(0.55, 2.77, 6.6))


def test_time_stamps_are_1_to_T_unless_given_and_need_not_be_regular():
    ours, x = some_cell(), randn(B, T, D)
    torch.testing.assert_close(ours(x), ours(x, t=torch.arange(1.0, T + 1)), **EXACT)
    t = torch.rand(B, T, dtype=F64).cumsum(1) * 9
    logits = ours(x, t=t)
    for b in range(B):
        torch.testing.assert_close(logits[b], ours(x[b : b + 1], t=t[b])[0], **EXACT)
    assert not torch.allclose(logits, ours(x))


def test_padding_reaches_neither_logits_nor_gradients():
    ours, lengths = some_cell(), torch.tensor([4, T, 1])
    x, t = randn(B, T, D).requires_grad_(), torch.rand(B, T, dtype=F64).cumsum(1)
    p = ours(x, t=t, lengths=lengths)
    p.square().sum().backward()
    for b, length in enumerate(lengths.tolist()):
        torch.testing.assert_close(p[b], ours(x[b : b + 1, :length], t=t[b, :length])[0], **EXACT)
        assert (x.grad[b, length:] == 0).all() and (x.grad[b, :length] != 0).any()


def read(shape=(B, T, D), **options):
    """Call a network with an input of this shape."""
    TimeGatedLSTM(D, H, K)(torch.zeros(shape), **options)


@pytest.mark.parametrize(
    "function, options, words",
    [
        *((some_gate, {"tau": tau}, "tau is") for tau in (0, -1, math.inf, math.nan, 1e10)),
        *((some_gate, {"r_on": r_on}, "r_on is") for r_on in (0, 1, -0.1, 2, math.nan)),
        *((some_gate, {"s": s}, "s is") for s in (math.inf, math.nan)),
        *((some_gate, {"leak": leak}, "leak is") for leak in (-1e-3, 2, math.nan)),
        *((some_gate, {"learn": names}, "learn is") for names in (("period",), "s")),
        (some_gate, {"tau": torch.ones(H + 1)}, "tau has shape"),
        *((read, {"t": f64(*[stamp] * T)}, "not finite") for stamp in (math.nan, math.inf)),
        *((read, {"shape": shape}, "x has shape") for shape in ((B, T), (B, T, D + 1), (B, 0, D))),
        *((read, {"t": torch.zeros(shape)}, "t has shape") for shape in ((T + 1,), (T, B), (1, T), ())),
        *((read, {"lengths": n}, "lengths") for n in ([1, 2], [1, 2, T + 1], [0, 1, 2], [1.0, 2.0, 3.0])),
        (some_cell, {"equation_15": "nonsense"}, "choose from assignment, paper"),
        (some_cell, {"gate": AlwaysOpen(H + 1)}, "gate is for 6 units, the network has 5"),
    ],
)
def test_what_is_out_of_range_or_does_not_fit_is_refused_by_name(function, options, words):
    with pytest.raises(ValueError, match=words):
        function(**options)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("gate", [None, AlwaysOpen(H)])
def test_the_same_logits_on_a_gpu(gate):
    model, x = some_cell(gate=gate), randn(B, T, D)
    options = {"t": torch.rand(B, T, dtype=F64), "lengths": torch.tensor([1, T, 4])}
    on_cpu = model(x, **options)
    torch.testing.assert_close(model.cuda()(x.cuda(), **options).cpu(), on_cpu, rtol=0, atol=1e-10)
