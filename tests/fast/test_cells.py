"""What the vanilla RNN and the LSTM of part 1 promise alike."""

import pytest
import torch

from part1 import init, train
from part1.lstm import LSTM
from part1.vanilla_rnn import VanillaRNN

B, T, D, H, K = 3, 7, 4, 5, 6
CELLS = pytest.mark.parametrize("cell", [VanillaRNN, LSTM])


@CELLS
@pytest.mark.parametrize("batch", [1, 2, 129])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_any_batch_size_and_dtype(cell, batch, dtype):
    p = cell(D, H, K).to(dtype)(torch.randn(batch, T, D, dtype=dtype))
    assert p.shape == (batch, K) and p.dtype == dtype and p.isfinite().all()


@CELLS
def test_zeros_are_the_default_state_and_a_carried_state_goes_on(cell):
    model = cell(D, H, K).double()
    x = torch.randn(B, T, D, dtype=torch.float64)
    whole, states = model(x, return_states=True)
    states = states if isinstance(states, tuple) else (states,)

    def state(values):
        return values[0] if cell is VanillaRNN else tuple(values)

    zeros = state([torch.zeros(B, H, dtype=torch.float64) for _ in states])
    torch.testing.assert_close(model(x, zeros), whole, rtol=0, atol=1e-12)
    fourth = state([values[:, 3] for values in states])
    torch.testing.assert_close(model(x[:, 4:], fourth), whole, rtol=0, atol=1e-12)


@CELLS
@pytest.mark.parametrize("shape", [(B, T), (B, T, D + 1), (B, 0, D)])
def test_a_wrong_shape_is_refused(cell, shape):
    with pytest.raises(ValueError, match="expected"):
        cell(D, H, K)(torch.zeros(shape))


@pytest.mark.parametrize(
    "cell, name",
    [*(("RNN", name) for name in ("zero_bias", "chrono", "none")), *(("LSTM", name) for name in ("latch", "none"))],
)
def test_an_init_of_the_other_cell_is_refused_by_name(cell, name):
    with pytest.raises(ValueError, match=f"{name}.*{cell}"):
        init.change(train.MODELS[cell](D, H, K), cell, name, max_length=10)


@pytest.mark.parametrize(
    "cell, name, parameter, last",
    [
        ("RNN", "default", "W_ph", -0.036873),
        ("LSTM", "default", "W_ph", -0.009592),
        ("LSTM", "chrono", "b_f", 4.390355),
        ("RNN", "latch", "W_hx", -0.015691),
    ],
)
def test_a_seed_draws_the_weights_that_the_committed_results_began_with(cell, name, parameter, last):
    model = train.build_model(train.settings(model_type=cell, init=name, seed=3, input_dim=10, input_length=100))
    assert getattr(model, parameter).flatten()[-1].item() == pytest.approx(last, abs=1e-6)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@CELLS
def test_the_same_logits_on_a_gpu(cell):
    model, x = cell(D, H, K).double(), torch.randn(B, T, D, dtype=torch.float64)
    expected = model(x)
    torch.testing.assert_close(model.cuda()(x.cuda()).cpu(), expected, rtol=0, atol=1e-10)
