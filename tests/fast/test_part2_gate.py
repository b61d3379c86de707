"""The time gate and the time-gated LSTM: equations 12-16, and each trap of the print and of public implementations."""

import math
from fractions import Fraction

import pytest
import torch
from torch import nn

from part1.lstm import LSTM
from part2.time_gate import PARAMETERS, AlwaysOpen, TimeGate, never_opens, openness
from part2.time_gated_lstm import TimeGatedLSTM

B, T, D, H, K = 3, 7, 4, 5, 6
F64 = torch.float64
EXACT = {"rtol": 0, "atol": 1e-12}
VARIANTS = pytest.mark.parametrize("equation_15", ["assignment", "paper"])


def f64(*values):
    return torch.tensor(values, dtype=F64)


def randn(*shape):
    return torch.randn(*shape, dtype=F64)


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


@pytest.mark.parametrize("phi, k", [(0, 0), (0.1, 0.5), (0.2, 1), (0.3, 0.5), (0.4, 0), (0.7, 0), (1 - 1e-9, 0)])
def test_k_rises_from_0_to_1_at_half_r_on_and_falls_to_0_at_r_on(phi, k):
    gate = TimeGate(1, tau=10, s=3, r_on=0.4)
    for period in (-2, 0, 1, 12):
        assert gate(f64(3 + 10 * (period + phi))).item() == pytest.approx(k, abs=1e-6)


def test_k_is_1_at_the_peak_where_the_printed_strict_inequalities_give_0():
    assert openness(f64(1), f64(4), f64(0), f64(0.5)).item() == 1


@pytest.mark.parametrize("leak", [0.0, 1e-3])
def test_values_equal_exact_arithmetic_before_and_after_s(leak):
    t = torch.linspace(-60, 60, 1201, dtype=F64) + math.pi / 100  # between the leak's jumps at φ = 0
    gate = some_gate(leak)
    torch.testing.assert_close(gate(t), expected(gate, t.tolist(), leak), rtol=0, atol=1e-9)


@pytest.mark.parametrize("stored", [torch.float64, torch.float32])
@pytest.mark.parametrize("start", [1e3, 1e6, 1e7, 1_700_000_000])
def test_phases_stay_exact_at_large_times_for_the_stored_parameters(start, stored):
    gate = TimeGate(4, f64(1, 2.7, 19.3, 103), f64(0.2, 1, 10, 50), f64(0.5, 0.3, 0.3, 0.9)).to(stored)
    for t in (start + torch.linspace(0, 100, 401, dtype=F64), torch.arange(int(start), int(start) + 20)):
        torch.testing.assert_close(gate(t), expected(gate, t.tolist()), rtol=0, atol=1e-8 + 4e-15 * start)


def test_a_float32_network_keeps_the_gate_exact_at_large_times():
    model = TimeGatedLSTM(D, 1, K, TimeGate(1, tau=3, s=1, r_on=0.05))
    t = 1e6 + torch.linspace(0, 3, 101, dtype=F64)
    assert model.b_g.dtype == torch.float32 and model.gate.tau.item() == pytest.approx(3, abs=1e-14)
    as_asked = torch.tensor([[written_out(time, 3, 1, 0.05)] for time in t.tolist()], dtype=F64)
    torch.testing.assert_close(model.gate(t), as_asked, rtol=0, atol=1e-6)
    torch.testing.assert_close(model.gate(t, torch.float32).double(), as_asked, rtol=0, atol=5e-6)


def test_each_sequence_has_its_own_irregular_time_stamps():
    gate, t = some_gate(), randn(B, T) * 30
    k = gate(t)
    assert k.shape == (B, T, H)
    for b in range(B):
        assert torch.equal(k[b], gate(t[b]))


def test_a_unit_that_opens_between_the_steps_only_never_opens():
    gate = TimeGate(3, f64(4, 4, 50), f64(0.5, 3.0, 20.0), 0.1, leak=0.5)  # opens after 0.5, after 3, after 20
    assert never_opens(gate, 10).tolist() == [True, True, True]
    assert never_opens(TimeGate(3, f64(4, 4, 50), f64(0.5, 2.9, 19.9), 0.1), 10).tolist() == [True, False, True]
    assert never_opens(gate, 21).tolist() == [True, True, False]


# The gate: leak and gradients


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


@pytest.mark.parametrize("t, phase", [(3, -0.017), (50, -0.487), (1000, -9.987), (-33, 0.343)])
def test_d_phi_d_tau_has_the_floor_term(t, phase):
    """∂φ/∂τ = -(t - s) / τ², which grows with t; remainders as some libraries take them lose the whole periods."""
    tau, r_on = f64(10).requires_grad_(), 0.99
    openness(f64(t), tau, f64(1.3), f64(r_on)).backward()
    gain = (2 if (t - 1.3) / 10 % 1 < r_on / 2 else -2) / r_on
    assert tau.grad.item() / gain == pytest.approx(phase, rel=1e-9)


@pytest.mark.parametrize("leak", [0.0, 1e-3])
@pytest.mark.parametrize("shift", [-1000.0, 0.0, 1000.0])
def test_gradients_of_equation_12_equal_finite_differences(leak, shift):
    gate, t = some_gate(), shift + f64(-40.123, -3.1, 0.17, 0.55, 2.77, 9.81, 61.3)[:, None]
    values = [v.detach().clone().requires_grad_() for v in (t, gate.tau, gate.s, gate.r_on)]
    assert torch.autograd.gradcheck(lambda *v: openness(*v, leak), values, eps=1e-7, rtol=1e-6, atol=1e-5)


def test_gradients_of_the_stored_parameters_equal_finite_differences():
    gate, t = some_gate(leak=1e-3), f64(-40.123, -3.1, 0.17, 0.55, 2.77, 9.81, 61.3)
    names = [name for name, _ in gate.named_parameters()]
    assert names == ["log_tau", "shift", "logit_r_on"]

    def k(*values):
        return torch.func.functional_call(gate, dict(zip(names, values, strict=True)), (t,))

    values = [p.detach().clone().requires_grad_() for p in gate.parameters()]
    assert torch.autograd.gradcheck(k, values, eps=1e-7, rtol=1e-6, atol=1e-5)


# The gate: parameters


@pytest.mark.parametrize("tau", [1e-9, 1e-3, 1.0, 1e9])
@pytest.mark.parametrize("r_on", [1e-6, 0.5, 1 - 1e-6])
def test_no_parameter_in_range_gives_a_nan_or_an_infinite_gradient(tau, r_on):
    for s in (-1e6, 0.0, 1e6):
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


@pytest.mark.parametrize("learned", [(), ("tau",), ("s",), ("r_on",), PARAMETERS])
def test_each_parameter_is_learned_or_fixed(learned):
    gate = TimeGate(H, tau=5, s=2, r_on=0.6, learn=learned)
    before = {name: getattr(gate, name).detach() for name in PARAMETERS}
    k = gate(f64(0.31, 2.9, 3.3, 4.2, 11.1))
    if learned:
        k.square().sum().backward()
        torch.optim.Adam(gate.parameters(), lr=0.1).step()
    for name, value in before.items():
        assert torch.equal(getattr(gate, name), value) == (name not in learned), name


def test_the_parameters_are_the_values_given_and_those_saved():
    gate, other, t = some_gate(), TimeGate(H), torch.arange(50)
    torch.testing.assert_close(gate.tau, f64(2.3, 7.1, 31.0, 0.7, 11.9), rtol=1e-14, atol=0)
    torch.testing.assert_close(gate.s, f64(0.4, 6.0, -5.5, 0.65, 40.0), rtol=1e-14, atol=0)
    torch.testing.assert_close(gate.r_on, f64(0.05, 0.3, 0.5, 0.9, 0.12), rtol=1e-14, atol=0)
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
    for ours_, written in zip(ours.step(x, h, c, ours.joined(), k), (h_new, c_new), strict=True):
        torch.testing.assert_close(ours_, written, **EXACT)


@VARIANTS
@pytest.mark.parametrize("per_sequence", [False, True])
def test_with_a_gate_that_is_always_open_it_is_part_1s_lstm_called_like_it(equation_15, per_sequence):
    ours, plain, x = some_cell(equation_15, AlwaysOpen(H)), LSTM(D, H, K).double(), randn(B, T, D)
    plain.load_state_dict(ours.state_dict())
    time = {"t": torch.rand(B, T)} if per_sequence else {}
    for state in (None, tuple(randn(2, B, H))):
        found, wanted = ((p, h, c) for p, (h, c) in (ours(x, state, True, **time), plain(x, state, True)))
        for value, reference in zip(found, wanted, strict=True):
            torch.testing.assert_close(value, reference, **EXACT)
    weight = randn(B, K)
    for p, *_ in (found, wanted):
        (p * weight).sum().backward()
    for name, reference in plain.named_parameters():
        torch.testing.assert_close(getattr(ours, name).grad, reference.grad, **EXACT)
    step = x[:, 0].T, *randn(2, H, B), plain.joined()
    for value, reference in zip(ours.step(*step), plain.step(*step), strict=True):
        torch.testing.assert_close(value, reference, **EXACT)


@VARIANTS
def test_k_0_copies_the_state_exactly_and_its_jacobian_is_the_identity(equation_15):
    ours = some_cell(equation_15)
    x, k = randn(D, 1), torch.zeros(H, 1, dtype=F64)

    def step(state):
        return torch.stack(ours.step(x, state[0][:, None], state[1][:, None], ours.joined(), k))[..., 0]

    state = randn(2, H)
    assert torch.equal(step(state), state)
    jacobian = torch.autograd.functional.jacobian(step, state)
    assert torch.equal(jacobian.reshape(2 * H, 2 * H), torch.eye(2 * H, dtype=F64))


def test_a_closed_network_keeps_its_state_to_the_end_in_float32_too():
    model = TimeGatedLSTM(D, H, K, TimeGate(H, tau=100, s=50, r_on=0.05))
    state = tuple(torch.randn(2, B, H))
    _, (h, c) = model(torch.randn(B, T, D), state, return_states=True)
    assert torch.equal(h[:, -1], state[0]) and torch.equal(c[:, -1], state[1])


@VARIANTS
def test_gradcheck_of_the_network_with_its_gate(equation_15):
    ours = some_cell(equation_15)
    names = [name for name, _ in ours.named_parameters()]
    x, time = randn(2, 3, D), {"t": f64(0.55, 2.77, 6.6)}

    def logits(x, *parameters):
        return torch.func.functional_call(ours, dict(zip(names, parameters, strict=True)), (x,), time)

    inputs = [x, *(p.detach() for p in ours.parameters())]
    assert torch.autograd.gradcheck(logits, [value.clone().requires_grad_() for value in inputs], eps=1e-7, atol=1e-4)


def test_training_reaches_every_parameter_the_gates_too():
    model = TimeGatedLSTM(D, H, K, some_gate(leak=1e-3))
    model(torch.randn(B, 50, D), lengths=torch.tensor([50, 20, 41])).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
    before = [p.detach().clone() for p in model.parameters()]
    nn.utils.clip_grad_norm_(model.parameters(), 10.0)  # of float32 and float64 at once
    torch.optim.RMSprop(model.parameters(), lr=1e-3, foreach=True).step()
    for p, old in zip(model.parameters(), before, strict=True):
        assert p.isfinite().all() and not torch.equal(p, old)


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
    for b, length in enumerate(lengths.tolist()):
        torch.testing.assert_close(p[b], ours(x[b : b + 1, :length], t=t[b, :length])[0], **EXACT)
    p.square().sum().backward()
    for b, length in enumerate(lengths.tolist()):
        assert (x.grad[b, length:] == 0).all() and (x.grad[b, :length] != 0).any()


def test_a_carried_state_continues_where_its_time_does():
    ours, x, t = some_cell(), randn(B, T, D), torch.rand(T, dtype=F64).cumsum(0) * 5
    unbroken, (h, c) = ours(x, return_states=True, t=t)
    torch.testing.assert_close(ours(x[:, 4:], (h[:, 3], c[:, 3]), t=t[4:]), unbroken, **EXACT)
    torch.testing.assert_close(h[:, -1] @ ours.W_ph.T + ours.b_p, unbroken, **EXACT)  # (h, c), in this order
    upper = TimeGatedLSTM(H, H, K).double()  # layers stack, as each takes the same time stamps
    assert upper(h, t=t).shape == (B, K)


def test_the_same_seed_draws_part_1s_weights_and_three_parameters_more_a_unit():
    torch.manual_seed(3)
    plain = LSTM(10, 128, 10)
    torch.manual_seed(3)
    gated = TimeGatedLSTM(10, 128, 10)
    for name, p in plain.named_parameters():
        assert torch.equal(p, getattr(gated, name))
    assert sum(p.numel() for p in gated.parameters()) == sum(p.numel() for p in plain.parameters()) + 3 * 128


@pytest.mark.parametrize("batch", [1, 129])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_any_batch_size_and_dtype(batch, dtype):
    model, x = TimeGatedLSTM(D, H, K).to(dtype), torch.randn(batch, T, D, dtype=dtype)
    for t in (None, torch.rand(batch, T)):
        p = model(x, t=t)
        assert p.shape == (batch, K) and p.dtype == dtype and p.isfinite().all()


@pytest.mark.parametrize(
    "x, options, words",
    [
        *(((shape), {}, "x has shape") for shape in ((B, T), (B, T, D + 1), (B, 0, D))),
        *(((B, T, D), {"t": torch.zeros(shape)}, "t has shape") for shape in ((T + 1,), (T, B), (1, T), ())),
        *(((B, T, D), {"lengths": n}, "lengths") for n in ([1, 2], [1, 2, T + 1], [0, 1, 2], [1.0, 2.0, 3.0])),
    ],
)
def test_inputs_that_do_not_fit_are_refused(x, options, words):
    with pytest.raises(ValueError, match=words):
        TimeGatedLSTM(D, H, K)(torch.zeros(x), **options)


def test_an_unknown_equation_and_a_gate_of_another_size_are_refused():
    with pytest.raises(ValueError, match="choose from assignment, paper"):
        TimeGatedLSTM(D, H, K, equation_15="nonsense")
    with pytest.raises(ValueError, match="gate is for 6 units, the network has 5"):
        TimeGatedLSTM(D, H, K, TimeGate(H + 1))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("gate", [None, AlwaysOpen(H)])
def test_the_same_logits_on_a_gpu(gate):
    model, x = some_cell(gate=gate), randn(B, T, D)
    options = {"t": torch.rand(B, T, dtype=F64), "lengths": torch.tensor([1, T, 4])}
    on_cpu = model(x, **options)
    torch.testing.assert_close(model.cuda()(x.cuda(), **options).cpu(), on_cpu, rtol=0, atol=1e-10)
