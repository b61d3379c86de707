"""part1/lstm.py against torch.nn.LSTM, in float64, with all sizes different."""

import math

import pytest
import torch
from torch import nn

from part1 import init
from part1.lstm import LSTM

B, T, D, H, K = 3, 7, 4, 5, 6
EXACT = {"rtol": 0, "atol": 1e-10}
TORCH_ORDER = "ifgo"  # of the gates in nn.LSTM's joined weights


@pytest.fixture
def ours():
    torch.manual_seed(0)
    model = LSTM(D, H, K).double()
    for p in model.parameters():
        nn.init.uniform_(p, -0.8, 0.8)
    return model


def reference(ours, x, state):
    """torch.nn.LSTM and a linear layer with the same weights: logits, h at all times, c_T, gradients by our names."""
    lstm = nn.LSTM(D, H, batch_first=True).double()
    out = nn.Linear(H, K).double()
    joined = {"W_{}x": lstm.weight_ih_l0, "W_{}h": lstm.weight_hh_l0, "b_{}": lstm.bias_ih_l0}
    with torch.no_grad():
        lstm.bias_hh_l0.zero_()
        for name, theirs in joined.items():
            theirs.copy_(torch.cat([getattr(ours, name.format(gate)) for gate in TORCH_ORDER]))
        out.weight.copy_(ours.W_ph)
        out.bias.copy_(ours.b_p)
    h, (_, c_T) = lstm(x, None if state is None else (state[0][None], state[1][None]))

    def gradients():
        yield "W_ph", out.weight.grad
        yield "b_p", out.bias.grad
        for name, theirs in joined.items():
            for gate, part in zip(TORCH_ORDER, theirs.grad.chunk(4), strict=True):
                yield name.format(gate), part

    return out(h[:, -1]), h, c_T[0], gradients


@pytest.mark.parametrize("given_state", [False, True])
def test_outputs_states_and_gradients_equal_torch(ours, given_state):
    x = torch.randn(B, T, D, dtype=torch.float64, requires_grad=True)
    x_ref = x.detach().clone().requires_grad_()
    state = tuple(torch.randn(2, B, H, dtype=torch.float64)) if given_state else None
    p, (h, c) = ours(x, state, return_states=True)
    p_ref, h_ref, c_T, gradients = reference(ours, x_ref, state)
    assert p.shape == (B, K) and h.shape == c.shape == (B, T, H)
    torch.testing.assert_close(p, p_ref, **EXACT)
    torch.testing.assert_close(h, h_ref, **EXACT)
    torch.testing.assert_close(c[:, -1], c_T, **EXACT)

    weight = torch.randn(B, K, dtype=torch.float64)
    (p * weight).sum().backward()
    (p_ref * weight).sum().backward()
    compared = set()
    for name, theirs in gradients():
        torch.testing.assert_close(getattr(ours, name).grad, theirs, **EXACT, msg=lambda m, n=name: f"{n}: {m}")
        compared.add(name)
    assert compared == {name for name, _ in ours.named_parameters()}
    torch.testing.assert_close(x.grad, x_ref.grad, **EXACT)


def test_one_step_is_equations_4_to_9_written_out(ours):
    x, h, c = (torch.randn(n, B, dtype=torch.float64) for n in (D, H, H))
    g = torch.tanh(ours.W_gx @ x + ours.W_gh @ h + ours.b_g[:, None])
    i = torch.sigmoid(ours.W_ix @ x + ours.W_ih @ h + ours.b_i[:, None])
    f = torch.sigmoid(ours.W_fx @ x + ours.W_fh @ h + ours.b_f[:, None])
    o = torch.sigmoid(ours.W_ox @ x + ours.W_oh @ h + ours.b_o[:, None])
    c_new = g * i + c * f
    h_new = torch.tanh(c_new) * o
    for ours_, written in zip(ours.step(x, h, c, ours.joined()), (h_new, c_new), strict=True):
        torch.testing.assert_close(ours_, written, **EXACT)


def test_gradcheck(ours):
    names = [name for name, _ in ours.named_parameters()]
    x = torch.randn(2, 3, D, dtype=torch.float64)
    h_0, c_0 = torch.randn(2, 2, H, dtype=torch.float64)

    def logits(x, h_0, c_0, *parameters):
        return torch.func.functional_call(ours, dict(zip(names, parameters, strict=True)), (x, (h_0, c_0)))

    inputs = [x, h_0, c_0, *(p.detach() for p in ours.parameters())]
    assert torch.autograd.gradcheck(logits, [value.clone().requires_grad_() for value in inputs])


def test_default_and_zero_bias_init():
    for name, forget in (("default", 1), ("zero_bias", 0)):
        model = LSTM(10, 128, 10)
        init.change(model, "LSTM", name, max_length=None)
        for parameter, p in model.named_parameters():
            if parameter.startswith("W"):
                assert 0.9 / math.sqrt(128) < p.abs().max() <= 1 / math.sqrt(128)
            else:
                assert (p == (forget if parameter == "b_f" else 0)).all()


def test_chrono_spreads_time_constants_up_to_the_length():
    model = LSTM(10, 2000, 10)
    init.change(model, "LSTM", "chrono", max_length=100)
    constant = model.b_f.detach().exp()
    assert constant.min() >= 1 and constant.max() <= 99
    assert constant.mean() == pytest.approx(50, rel=0.05)
    assert constant.std() == pytest.approx(98 / math.sqrt(12), rel=0.05)
    assert torch.equal(model.b_i, -model.b_f)
    with pytest.raises(ValueError, match="at least 3"):
        init.change(model, "LSTM", "chrono", max_length=2)
