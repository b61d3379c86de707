"""What the vanilla RNN and the LSTM of part 1 promise alike."""

import pytest
import torch

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
    "cell, init",
    [
        *((VanillaRNN, init) for init in ("zero_bias", "chrono", "nonsense")),
        *((LSTM, init) for init in ("orthogonal", "identity", "latch", "nonsense")),
    ],
)
def test_an_init_of_the_other_cell_is_refused_by_name(cell, init):
    with pytest.raises(ValueError, match=f"{init}.*{'RNN' if cell is VanillaRNN else 'LSTM'}"):
        cell(D, H, K, init=init, max_length=10)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@CELLS
def test_the_same_logits_on_a_gpu(cell):
    model, x = cell(D, H, K).double(), torch.randn(B, T, D, dtype=torch.float64)
    expected = model(x)
    torch.testing.assert_close(model.cuda()(x.cuda()).cpu(), expected, rtol=0, atol=1e-10)
