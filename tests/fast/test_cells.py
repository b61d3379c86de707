"""part1/vanilla_rnn.py and part1/lstm.py against torch's own, in float64, with all sizes different."""

import pytest
import torch
from torch import nn

from part1.lstm import LSTM
from part1.vanilla_rnn import VanillaRNN

B, T, D, H, K = 3, 7, 4, 5, 6
CELLS = pytest.mark.parametrize("cell", [VanillaRNN, LSTM])
TORCH_ORDER = "ifgo"  # of the gates in nn.LSTM's joined weights
NAMES = {
    VanillaRNN: {"weight_ih_l0": ["W_hx"], "weight_hh_l0": ["W_hh"], "bias_ih_l0": ["b_h"]},
    LSTM: {
        "weight_ih_l0": [f"W_{gate}x" for gate in TORCH_ORDER],
        "weight_hh_l0": [f"W_{gate}h" for gate in TORCH_ORDER],
        "bias_ih_l0": [f"b_{gate}" for gate in TORCH_ORDER],
    },
}


def assert_equal(found, expected, name=""):
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10, msg=lambda message: f"{name}: {message}")


def new(cell, scale=0.8):
    torch.manual_seed(0)
    model = cell(D, H, K).double()
    for p in model.parameters():
        nn.init.uniform_(p, -scale, scale)
    return model


def randn(*size):
    return torch.randn(size, dtype=torch.float64)


def state_of(cell, tensors):
    """A state as the cell takes it: h, or (h, c)."""
    return tensors[0] if cell is VanillaRNN else tuple(tensors)


def as_tuple(states):
    return states if isinstance(states, tuple) else (states,)


@CELLS
@pytest.mark.parametrize("given_state", [False, True])
def test_outputs_states_and_gradients_equal_torch(cell, given_state):
    ours = new(cell)
    theirs = (nn.RNN if cell is VanillaRNN else nn.LSTM)(D, H, batch_first=True).double()
    out = nn.Linear(H, K).double()
    with torch.no_grad():
        theirs.bias_hh_l0.zero_()
        for name, parts in NAMES[cell].items():
            getattr(theirs, name).copy_(torch.cat([getattr(ours, part) for part in parts]))
        out.weight.copy_(ours.W_ph)
        out.bias.copy_(ours.b_p)
    x = randn(B, T, D).requires_grad_()
    x_theirs = x.detach().clone().requires_grad_()
    tensors = [randn(B, H), randn(B, H)]
    state, state_theirs = state_of(cell, tensors), state_of(cell, [tensor[None] for tensor in tensors])
    p, states = ours(x, state if given_state else None, return_states=True)
    h_theirs, last = theirs(x_theirs, state_theirs if given_state else None)
    p_theirs = out(h_theirs[:, -1])
    assert_equal(p, p_theirs)
    assert_equal(as_tuple(states)[0], h_theirs)
    for found, expected in zip(as_tuple(states), as_tuple(last), strict=True):
        assert_equal(found[:, -1], expected[0])

    weight = randn(B, K)
    (p * weight).sum().backward()
    (p_theirs * weight).sum().backward()
    expected = {"W_ph": out.weight.grad, "b_p": out.bias.grad}
    for name, parts in NAMES[cell].items():
        expected |= dict(zip(parts, getattr(theirs, name).grad.chunk(len(parts)), strict=True))
    assert expected.keys() == {name for name, _ in ours.named_parameters()}
    for name, gradient in expected.items():
        assert_equal(getattr(ours, name).grad, gradient, name)
    assert_equal(x.grad, x_theirs.grad, "x")


@CELLS
def test_gradcheck(cell):
    model = new(cell)
    names = [name for name, _ in model.named_parameters()]
    states = [randn(2, H) for _ in range(1 + (cell is LSTM))]

    def logits(x, *values):
        state, parameters = values[: len(states)], values[len(states) :]
        arguments = (x, state_of(cell, state))
        return torch.func.functional_call(model, dict(zip(names, parameters, strict=True)), arguments)

    inputs = [randn(2, 3, D), *states, *(p.detach() for p in model.parameters())]
    assert torch.autograd.gradcheck(logits, [value.clone().requires_grad_() for value in inputs])


def test_one_step_is_equations_4_to_9_written_out():
    model = new(LSTM)
    x, h, c = randn(D, B), randn(H, B), randn(H, B)
    g = torch.tanh(model.W_gx @ x + model.W_gh @ h + model.b_g[:, None])
    i = torch.sigmoid(model.W_ix @ x + model.W_ih @ h + model.b_i[:, None])
    f = torch.sigmoid(model.W_fx @ x + model.W_fh @ h + model.b_f[:, None])
    o = torch.sigmoid(model.W_ox @ x + model.W_oh @ h + model.b_o[:, None])
    c_t = g * i + c * f
    for found, expected in zip(model.step(x, h, c, model.joined()), (torch.tanh(c_t) * o, c_t), strict=True):
        assert_equal(found, expected)


@CELLS
@pytest.mark.parametrize("batch, dtype", [(1, torch.float32), (2, torch.float64), (129, torch.bfloat16)])
def test_any_batch_size_and_dtype(cell, batch, dtype):
    p = cell(D, H, K).to(dtype)(torch.randn(batch, T, D, dtype=dtype))
    assert p.shape == (batch, K) and p.dtype == dtype and p.isfinite().all()


@CELLS
def test_zeros_are_the_default_state_and_a_carried_state_continues(cell):
    model, x = new(cell), randn(B, T, D)
    whole, states = model(x, return_states=True)
    zeros = [torch.zeros(B, H, dtype=torch.float64) for _ in as_tuple(states)]
    assert_equal(model(x, state_of(cell, zeros)), whole)
    assert_equal(model(x[:, 4:], state_of(cell, [s[:, 3] for s in as_tuple(states)])), whole)


@CELLS
@pytest.mark.parametrize("shape", [(B, T), (B, T, D + 1), (B, 0, D)])
def test_a_wrong_shape_is_refused(cell, shape):
    with pytest.raises(ValueError, match="expected"):
        cell(D, H, K)(torch.zeros(shape))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@CELLS
def test_the_same_logits_on_a_gpu(cell):
    model, x = new(cell), randn(B, T, D)
    expected = model(x)
    assert_equal(model.cuda()(x.cuda()).cpu(), expected)
