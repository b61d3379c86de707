"""part1/experiments/gradient_flow.py: the formulas of question 1.1 against autograd, its measures on known answers."""

import pytest
import torch
import torch.nn.functional as F

from part1.experiments import gradient_flow
from part1.experiments.gradient_flow import bptt
from part1.lstm import LSTM
from part1.vanilla_rnn import VanillaRNN
from tests.scripts import run

B, T, D, H, K = 3, 9, 4, 5, 6
X = torch.randn(B, T, D, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
TARGET = torch.tensor([0, 5, 2])


@pytest.fixture
def rnn():
    torch.manual_seed(0)
    model = VanillaRNN(D, H, K).double()
    for p in model.parameters():
        torch.nn.init.uniform_(p, -0.8, 0.8)
    return model


def test_the_formulas_of_question_1_1_equal_autograd(rnn):
    gradients, norms, terms = bptt(rnn, X, TARGET)
    F.cross_entropy(rnn(X), TARGET).backward()
    assert gradients.keys() == dict(rnn.named_parameters()).keys()
    for name, p in rnn.named_parameters():
        assert p.grad.norm() > 1e-3
        torch.testing.assert_close(gradients[name], p.grad, rtol=0, atol=1e-10, msg=lambda m, n=name: f"{n}: {m}")

    for t in (1, 4, T - 1):  # the gradient at a step is that of the state given there
        _, h = rnn(X[:, :t], return_states=True)
        h_t = h[:, -1].detach().requires_grad_()
        F.cross_entropy(rnn(X[:, t:], h_t), TARGET).backward()
        torch.testing.assert_close(norms[t - 1], h_t.grad.norm(dim=1), rtol=1e-10, atol=0)

    W = [rnn.W_hh.detach().clone().requires_grad_() for _ in range(T)]  # a term is what the weights of its step get
    h = X.new_zeros(B, H)
    for t in range(T):
        h = (X[:, t] @ rnn.W_hx.T + h @ W[t].T + rnn.b_h).tanh()
    F.cross_entropy(h @ rnn.W_ph.T + rnn.b_p, TARGET).backward()
    assert terms[0] == 0  # h_0 = 0
    torch.testing.assert_close(terms, torch.stack([W_t.grad.norm() for W_t in W]), rtol=1e-10, atol=1e-15)


def test_the_gradient_of_the_cell_is_that_of_a_forget_gate_alone():
    model = LSTM(D, H, K).double()
    with torch.no_grad():
        for p in model.parameters():
            p.zero_()
        model.b_f.fill_(2.0)  # c_t = σ(2) c_{t-1}, and h_{t-1} reaches nothing
        model.W_ph.normal_()
    norms = gradient_flow.cell_gradient_norms(model, X, TARGET)
    assert norms.shape == (T, B) and (norms > 0).all()
    f = torch.tensor(2.0, dtype=torch.float64).sigmoid()
    torch.testing.assert_close(norms[:-1] / norms[1:], f.expand(T - 1, B), rtol=1e-10, atol=0)


def test_a_norm_does_not_underflow():
    v = torch.tensor([[3e-200, 4e-200], [0, 0], [3, 4]], dtype=torch.float64)
    torch.testing.assert_close(gradient_flow.norm(v), torch.tensor([5e-200, 0, 5], dtype=torch.float64))


def test_of_the_latch_only_the_readout_is_trained():
    model = gradient_flow.build_model("RNN, latch", 6, seed=0)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    assert gradient_flow.train_model(model, "RNN, latch", 6, seed=0, updates=3) == 3
    moved = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert moved == {"W_ph", "b_p"}


def test_a_training_length_above_the_measured_one_is_refused_before_anything_is_written(tmp_path):
    flags = ("--short_length", 101, "--output_dir", tmp_path / "new")
    status, out, err = run("part1/experiments/gradient_flow.py", *flags)
    assert (status, out, err.count("\n")) == (2, "", 1) and "--short_length 101" in err and "100" in err
    assert not (tmp_path / "new").exists()
