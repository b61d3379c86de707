"""part1/vanilla_rnn.py against torch.nn.RNN, in float64, with all sizes different."""

import math

import pytest
import torch
from torch import nn

from part1 import init
from part1.dataset import encode
from part1.vanilla_rnn import VanillaRNN

B, T, D, H, K = 3, 7, 4, 5, 6
EXACT = {"rtol": 0, "atol": 1e-10}


@pytest.fixture
def ours():
    torch.manual_seed(0)
    model = VanillaRNN(D, H, K).double()
    for p in model.parameters():
        nn.init.uniform_(p, -0.8, 0.8)
    return model


def reference(ours, x, h_0):
    """torch.nn.RNN and a linear layer with the same weights: logits, states, and a dict of their parameters."""
    rnn = nn.RNN(D, H, batch_first=True).double()
    out = nn.Linear(H, K).double()
    pairs = {
        "W_hx": rnn.weight_ih_l0,
        "W_hh": rnn.weight_hh_l0,
        "b_h": rnn.bias_ih_l0,
        "W_ph": out.weight,
        "b_p": out.bias,
    }
    with torch.no_grad():
        rnn.bias_hh_l0.zero_()
        for name, theirs in pairs.items():
            theirs.copy_(getattr(ours, name))
    states, _ = rnn(x, None if h_0 is None else h_0[None])
    return out(states[:, -1]), states, pairs


@pytest.mark.parametrize("given_state", [False, True])
def test_outputs_states_and_gradients_equal_torch(ours, given_state):
    x = torch.randn(B, T, D, dtype=torch.float64, requires_grad=True)
    x_ref = x.detach().clone().requires_grad_()
    h_0 = torch.randn(B, H, dtype=torch.float64) if given_state else None
    p, h = ours(x, h_0, return_states=True)
    p_ref, h_ref, pairs = reference(ours, x_ref, h_0)
    assert p.shape == (B, K) and h.shape == (B, T, H)
    torch.testing.assert_close(p, p_ref, **EXACT)
    torch.testing.assert_close(h, h_ref, **EXACT)

    weight = torch.randn(B, K, dtype=torch.float64)
    (p * weight).sum().backward()
    (p_ref * weight).sum().backward()
    for name, theirs in pairs.items():
        torch.testing.assert_close(getattr(ours, name).grad, theirs.grad, **EXACT, msg=lambda m, n=name: f"{n}: {m}")
    torch.testing.assert_close(x.grad, x_ref.grad, **EXACT)


def test_gradcheck(ours):
    names = [name for name, _ in ours.named_parameters()]
    x, h_0 = torch.randn(2, 3, D, dtype=torch.float64), torch.randn(2, H, dtype=torch.float64)

    def logits(x, h_0, *parameters):
        return torch.func.functional_call(ours, dict(zip(names, parameters, strict=True)), (x, h_0))

    inputs = [x.requires_grad_(), h_0.requires_grad_(), *(p.detach().requires_grad_() for p in ours.parameters())]
    assert torch.autograd.gradcheck(logits, inputs)


def test_default_init():
    model = VanillaRNN(10, 128, 10)
    for W in (model.W_hx, model.W_hh, model.W_ph):
        assert W.abs().max() <= 1 / math.sqrt(128) and W.abs().max() > 0.9 / math.sqrt(128)
    assert not model.b_h.any() and not model.b_p.any()
    radius = torch.linalg.eigvals(model.W_hh.detach()).abs().max()
    assert radius == pytest.approx(1 / math.sqrt(3), rel=0.15)


def test_orthogonal_and_identity_init():
    model = VanillaRNN(10, 64, 10)
    init.orthogonal(model)
    torch.testing.assert_close(model.W_hh @ model.W_hh.T, torch.eye(64), rtol=0, atol=1e-5)
    init.identity(model)
    assert torch.equal(model.W_hh, torch.eye(64))


@pytest.mark.parametrize("D", [1, 10])
def test_latch_tells_the_first_digit_after_200_others_without_training(D):
    torch.manual_seed(0)
    model = VanillaRNN(D, 128, 10)
    init.latch(model)
    first = torch.arange(10).repeat(40)
    digits = torch.cat([first[:, None], torch.randint(10, (400, 200))], dim=1)
    _, states = model(encode(digits, D), return_states=True)
    h = states[:, -1].detach()  # (400, H)
    known, new = h[:200].reshape(20, 10, 128).mean(dim=0), h[200:]
    assert torch.equal(torch.cdist(new, known).argmin(dim=1), first[200:])


def test_the_latch_keeps_every_sign_of_raw_digits_and_flips_some_of_one_hot_ones():
    torch.manual_seed(0)
    flipped = {}
    for D in (1, 10):
        model = VanillaRNN(D, 128, 10)
        init.latch(model)
        _, h = model(encode(torch.randint(10, (200, 100)), D), return_states=True)
        flipped[D] = (h[:, 0].sign() != h[:, -1].sign()).double().mean().item()
    u = torch.arange(10.0)[:, None] * model.W_hx.new_tensor([0.1]) - 0.1 * 0.5  # |u| of raw digits: 0.05 to 0.95
    assert 20 * math.tanh(u.abs().min().item()) > u.abs().max().item()
    assert flipped[1] == 0 and 0.02 < flipped[10] < 0.3
