"""part1/experiments/gradient_flow.py: the formulas of question 1.1 against autograd, its measures on cases with a known answer."""

import csv

import pytest
import torch
import torch.nn.functional as F

from part1.experiments.gradient_flow import (
    CELLS,
    bptt,
    cell_gradient_norms,
    graded_singular_values,
    jacobian_singular_values,
    norm,
    train_model,
)
from part1.lstm import LSTM
from part1.vanilla_rnn import VanillaRNN
from tests.scripts import run

B, T, D, H, K = 3, 9, 4, 5, 6


@pytest.fixture
def rnn():
    torch.manual_seed(0)
    model = VanillaRNN(D, H, K).double()
    for p in model.parameters():
        torch.nn.init.uniform_(p, -0.8, 0.8)
    return model


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(B, T, D, dtype=torch.float64, generator=generator), torch.tensor([0, 5, 2])


def test_the_formulas_of_question_1_1_equal_autograd(rnn, batch):
    x, target = batch
    gradients, _, _ = bptt(rnn, x, target)
    F.cross_entropy(rnn(x), target).backward()
    assert gradients.keys() == dict(rnn.named_parameters()).keys()
    for name, p in rnn.named_parameters():
        assert p.grad.norm() > 1e-3
        torch.testing.assert_close(gradients[name], p.grad, rtol=0, atol=1e-10, msg=lambda m, n=name: f"{n}: {m}")


def test_the_gradient_at_a_step_is_that_of_the_state_given_there(rnn, batch):
    x, target = batch
    _, norms, _ = bptt(rnn, x, target)
    for t in (1, 4, T - 1):
        _, h = rnn(x[:, :t], return_states=True)
        h_t = h[:, -1].detach().requires_grad_()
        F.cross_entropy(rnn(x[:, t:], h_t), target).backward()
        torch.testing.assert_close(norms[t - 1], h_t.grad.norm(dim=1), rtol=1e-10, atol=0)


def test_a_term_is_what_the_weights_used_at_its_step_get(rnn, batch):
    x, target = batch
    gradients, _, terms = bptt(rnn, x, target)
    W = [rnn.W_hh.detach().clone().requires_grad_() for _ in range(T)]  # the same numbers, apart for each step
    h = x.new_zeros(B, H)
    for t in range(T):
        h = (x[:, t] @ rnn.W_hx.T + h @ W[t].T + rnn.b_h).tanh()
    F.cross_entropy(h @ rnn.W_ph.T + rnn.b_p, target).backward()
    assert terms[0] == 0  # h_0 = 0
    torch.testing.assert_close(terms, torch.stack([W_t.grad.norm() for W_t in W]), rtol=1e-10, atol=1e-15)
    torch.testing.assert_close(sum(W_t.grad for W_t in W), gradients["W_hh"], rtol=0, atol=1e-10)


def test_the_gradient_of_the_cell_is_that_of_a_forget_gate_alone():
    model = LSTM(D, H, K).double()
    with torch.no_grad():
        for p in model.parameters():
            p.zero_()
        model.b_f.fill_(2.0)  # c_t = σ(2) c_{t-1}, and h_{t-1} reaches nothing
        model.W_ph.normal_()
    norms = cell_gradient_norms(model, torch.randn(B, T, D, dtype=torch.float64), torch.tensor([0, 5, 2]))
    assert norms.shape == (T, B) and (norms > 0).all()
    f = torch.tensor(2.0, dtype=torch.float64).sigmoid()
    torch.testing.assert_close(norms[:-1] / norms[1:], f.expand(T - 1, B), rtol=1e-10, atol=0)


def test_a_norm_does_not_underflow():
    torch.testing.assert_close(
        norm(torch.tensor([[3e-200, 4e-200], [0, 0], [3, 4]], dtype=torch.float64)),
        torch.tensor([5e-200, 0, 5], dtype=torch.float64),
    )


def test_singular_values_of_near_steps_are_those_of_autograds_jacobian(rnn, batch):
    x = batch[0][0]
    for distance, values in jacobian_singular_values(rnn, x, [1, 2, 5]):
        _, h = rnn(x[None, :-distance], return_states=True)
        J = torch.autograd.functional.jacobian(
            lambda h_t, d=distance: rnn(x[None, -d:], h_t[None], return_states=True)[1][0, -1], h[0, -1].detach()
        )
        torch.testing.assert_close(10**values, torch.linalg.svdvals(J), rtol=1e-8, atol=0)


def test_singular_values_stay_exact_over_hundreds_of_decades():
    """With h = 0 the Jacobian is a power of W_hh, here U diag(d) U^T, whose singular values are powers of d."""
    model, steps = VanillaRNN(D, H, K).double(), 90
    d = torch.tensor([1.5, 1.1, 0.3, 1e-2, 1e-4], dtype=torch.float64)
    with torch.no_grad():
        torch.manual_seed(0)
        U = torch.linalg.qr(torch.randn(H, H, dtype=torch.float64)).Q
        model.W_hh.copy_(U @ torch.diag(d) @ U.T)
    x = torch.zeros(steps + 1, D, dtype=torch.float64)
    ((_, values),) = jacobian_singular_values(model, x, [steps])
    torch.testing.assert_close(values, steps * d.log10(), rtol=1e-8, atol=1e-6)
    assert values[-1] < -350  # far below what a float64 can hold


def test_graded_values_equal_torchs_where_that_one_resolves_them():
    torch.manual_seed(0)
    V = torch.randn(6, 6, dtype=torch.float64)
    log_d = torch.tensor([5.0, 1.0, -3.0, -7.0, -13.0, -18.0], dtype=torch.float64)
    direct = torch.linalg.svdvals(log_d.exp()[:, None] * V).log()
    assert log_d[0] - log_d[-1] > 20  # so the steps are taken, not torch's function
    torch.testing.assert_close(graded_singular_values(log_d, V), direct, rtol=0, atol=1e-5)


def test_of_the_latch_only_the_readout_is_trained():
    torch.manual_seed(0)
    model = VanillaRNN(10, 16, 10, init="latch")
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    assert train_model(model, "RNN, latch", 6, seed=0, updates=3) == 3
    moved = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert moved == {"W_ph", "b_p"}


def test_the_tables_and_their_figures(tmp_path):
    sizes = ("--input_length", 12, "--short_length", 4, "--updates", 2, "--num_hidden", 6, "--seeds", 2)
    status, _, err = run("part1/experiments/gradient_flow.py", *sizes, "--output_dir", tmp_path)
    assert status == 0, err
    models = 2 * (2 * len(CELLS) + 2)
    for name, rows in (("", 12 * models), ("_runs", models), ("_singular_values", 2 * (2 * 4 + 1) * 6)):
        with open(tmp_path / f"gradient_flow{name}.csv", newline="") as file:
            assert len(list(csv.DictReader(file))) == rows, name
    status, out, err = run("part1/experiments/plot_gradient_flow.py", "--csv_dir", tmp_path, "--output_dir", tmp_path / "new")
    assert status == 0, err
    assert "RNN, default" in out and "LSTM, chrono" in out
    for name in ("gradient_flow.png", "gradient_flow_singular_values.png"):
        assert (tmp_path / "new" / name).read_bytes().startswith(b"\x89PNG")


def test_bad_input_costs_one_line(tmp_path):
    status, out, err = run("part1/experiments/gradient_flow.py", "--short_length", 101, "--output_dir", tmp_path / "new")
    assert (status, out, err.count("\n")) == (2, "", 1) and "--short_length 101" in err and "100" in err
    assert not (tmp_path / "new").exists()
    (tmp_path / "gradient_flow.csv").write_text("cell,trained,seed,t,norm,ratio,term\n")
    status, out, err = run("part1/experiments/plot_gradient_flow.py", "--csv_dir", tmp_path, "--output_dir", tmp_path)
    assert (status, out, err.count("\n")) == (2, "", 1) and "gradient_flow.csv" in err
