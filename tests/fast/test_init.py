"""part1/init.py: what each of the first weights is, and that a seed draws the same ones."""

import math

import pytest
import torch

from part1 import init, train
from part1.dataset import encode
from part1.lstm import LSTM
from part1.vanilla_rnn import VanillaRNN


@pytest.mark.parametrize(
    "cell, name, forget", [(VanillaRNN, "default", 0), (LSTM, "default", 1), (LSTM, "zero_bias", 0)]
)
def test_matrices_are_uniform_and_biases_0_but_the_forget_gate_s(cell, name, forget):
    model = cell(10, 128, 10)
    init.change(model, "LSTM" if cell is LSTM else "RNN", name, max_length=None)
    for parameter, p in model.named_parameters():
        if parameter.startswith("W"):
            assert 0.9 / math.sqrt(128) < p.abs().max() <= 1 / math.sqrt(128)
        else:
            assert (p == (forget if parameter == "b_f" else 0)).all()
    if cell is VanillaRNN:
        radius = torch.linalg.eigvals(model.W_hh.detach()).abs().max()
        assert radius == pytest.approx(1 / math.sqrt(3), rel=0.15)


def test_chrono_spreads_time_constants_up_to_the_length():
    model = LSTM(10, 2000, 10)
    init.change(model, "LSTM", "chrono", max_length=100)
    constant = model.b_f.detach().exp()
    assert constant.min() >= 1 and constant.max() <= 99
    assert constant.mean() == pytest.approx(50, rel=0.05)
    assert constant.std() == pytest.approx(98 / math.sqrt(12), rel=0.05)
    assert torch.equal(model.b_i, -model.b_f)


def test_orthogonal_and_identity():
    model = VanillaRNN(10, 64, 10)
    init.orthogonal(model)
    torch.testing.assert_close(model.W_hh @ model.W_hh.T, torch.eye(64), rtol=0, atol=1e-5)
    init.identity(model)
    assert torch.equal(model.W_hh, torch.eye(64))


@pytest.mark.parametrize("D, flipped", [(1, (0, 0)), (10, (0.02, 0.3))])
def test_the_latch_tells_the_first_digit_after_200_others_without_training(D, flipped):
    """Of raw digits no sign flips, as a·tanh(min |u|) > max |u|; of one-hot ones some do."""
    torch.manual_seed(0)
    model = VanillaRNN(D, 128, 10)
    init.latch(model)
    first = torch.arange(10).repeat(40)
    digits = torch.cat([first[:, None], torch.randint(10, (400, 200))], dim=1)
    h = model(encode(digits, D), return_states=True)[1].detach()
    known, fresh = h[:200, -1].reshape(20, 10, 128).mean(dim=0), h[200:, -1]
    assert torch.equal(torch.cdist(fresh, known).argmin(dim=1), first[200:])
    low, high = flipped
    assert low <= (h[:, 0].sign() != h[:, -1].sign()).double().mean() <= high
    assert 20 * math.tanh(0.1 * 0.5) > 0.1 * 8.5, "raw: u = ±0.1 (x - θ), θ between two digits"


@pytest.mark.parametrize(
    "cell, name, length, reason",
    [
        *(("RNN", name, 10, f"{name}.*RNN") for name in ("zero_bias", "chrono", "none")),
        *(("LSTM", name, 10, f"{name}.*LSTM") for name in ("latch", "none")),
        ("LSTM", "chrono", 2, "at least 3"),
    ],
)
def test_what_makes_no_sense_for_the_cell_is_refused_by_name(cell, name, length, reason):
    with pytest.raises(ValueError, match=reason):
        init.change(train.MODELS[cell](1, 5, 10), cell, name, length)


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
