"""The LSTM whose state decays while no sample comes: γ, and the cell with it."""

import math

import pytest
import torch
from torch.nn.utils import parameters_to_vector

from part1.lstm import LSTM
from part2.decaying_lstm import HALF_LIVES, Decay, DecayingLSTM, elapsed

B, T, D, H, K = 3, 7, 4, 5, 6
F64 = torch.float64
EXACT = {"rtol": 0, "atol": 1e-12}


def some_cell():
    torch.manual_seed(0)
    return DecayingLSTM(D, H, K).double()


def some_input():
    return torch.randn(B, T, D, dtype=F64), torch.rand(B, T, dtype=F64).cumsum(1)


def with_decay(model, w, b):
    torch.nn.init.constant_(model.gate.w, w)
    torch.nn.init.constant_(model.gate.b, b)
    return model


def test_elapsed_is_the_time_since_the_step_before_and_0_at_the_first():
    assert elapsed(torch.tensor([3, 4, 9])).tolist() == [0, 1, 5]
    t = torch.tensor([[1.7e9, 1.7e9 + 0.25], [-2.0, 0.5]], dtype=F64)  # to float32 only after the difference
    assert elapsed(t).tolist() == [[0, 0.25], [0, 2.5]]
    assert Decay(1)(t)[0, 1].item() != 1


def test_gamma_is_the_formula_and_no_state_grows():
    decay = Decay(4).double()
    decay.w.data, decay.b.data = (torch.tensor(v, dtype=F64) for v in ([0.5, 0.1, -0.3, 0.2], [0, 0.4, 0.1, -5]))
    expected = [[1, math.exp(-0.4), math.exp(-0.1), 1], [math.exp(-1), math.exp(-0.6), 1, 1]]  # after 0 and after 2
    torch.testing.assert_close(decay(torch.tensor([7, 9])), torch.tensor(expected, dtype=F64), **EXACT)
    assert decay(torch.rand(B, T)).shape == (B, T, 4)


def test_first_half_lives_are_log_uniform():
    torch.manual_seed(0)
    log = (math.log(2) / Decay(4_000).w).log()
    low, high = map(math.log, HALF_LIVES)
    assert low <= log.min() and log.max() <= high + 1e-6
    assert log.mean().item() == pytest.approx((low + high) / 2, rel=0.03)
    assert log.std().item() == pytest.approx((high - low) / math.sqrt(12), rel=0.03)


def test_without_decay_it_is_part_1s_lstm_of_the_same_seed():
    ours, (x, t) = with_decay(some_cell(), w=0, b=0), some_input()
    torch.manual_seed(0)
    plain = LSTM(D, H, K).double()
    for state in (None, tuple(torch.randn(2, B, H, dtype=F64))):
        torch.testing.assert_close(ours(x, state, True, t=t), plain(x, state, True), rtol=0, atol=0)


def test_one_step_is_part_1s_from_the_decayed_state():
    ours = some_cell()
    x, h, c, gamma = (torch.rand(n, B, dtype=F64) for n in (D, H, H, H))
    expected = LSTM.step(ours, x, gamma * h, gamma * c, ours.joined())
    torch.testing.assert_close(ours.step(x, h, c, ours.joined(), gamma), expected, **EXACT)


def test_a_long_gap_forgets_all_before_it_and_a_short_one_little():
    ours, (x, t) = some_cell(), some_input()
    other = torch.cat([torch.randn(B, 4, D, dtype=F64), x[:, 4:]], dim=1)
    after_gap = t + 1e6 * (torch.arange(T) >= 4)
    torch.testing.assert_close(ours(x, t=after_gap), ours(x[:, 4:], t=t[:, 4:]), **EXACT)
    assert (ours(x, t=t) - ours(other, t=t)).abs().max() > 1e-3


def test_padding_reaches_neither_logits_nor_gradients():
    ours, (x, t), lengths = some_cell(), some_input(), torch.tensor([4, T, 1])
    t[torch.arange(T) >= lengths[:, None]] = 0  # as in part2/dataset.py: time then runs backwards
    p = ours(x.requires_grad_(), t=t, lengths=lengths)
    p.square().sum().backward()
    assert parameters_to_vector(p.grad for p in ours.parameters()).isfinite().all()
    for b, length in enumerate(lengths.tolist()):
        torch.testing.assert_close(p[b], ours(x[b : b + 1, :length], t=t[b, :length])[0], **EXACT)
        assert (x.grad[b, length:] == 0).all() and (x.grad[b, :length] != 0).any()


def test_the_gradient_reaches_w_and_b_and_equals_finite_differences():
    ours, (x, t) = with_decay(some_cell(), w=0.3, b=0.2), some_input()

    def loss(w, b):
        parameters = {"gate.w": w, "gate.b": b}
        return torch.func.functional_call(ours, parameters, (x,), {"t": t}).square().sum()

    values = [p.detach().clone().requires_grad_() for p in (ours.gate.w, ours.gate.b)]
    assert torch.autograd.gradcheck(loss, values) and all(torch.autograd.grad(loss(*values), values)[0] != 0)
