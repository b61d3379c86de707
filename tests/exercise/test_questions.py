"""The exercise's autograder, question by question: your equations beside torch's own layers, or written out.

All sizes differ, so that a wrong axis is found. Columns are sequences: x_t is (D, B), h and c are (H, B).
"""

from types import SimpleNamespace

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from part1.lstm import LSTM
from part1.train import loss_of, update
from part1.vanilla_rnn import VanillaRNN
from part2.time_gate import AlwaysOpen, openness
from part2.time_gated_lstm import TimeGatedLSTM
from part3.sampling import choose

B, T, D, H, K = 3, 7, 4, 5, 6


def randn(*shape):
    return torch.randn(shape, dtype=torch.float64)


def new(cell, *more):
    """A cell of these sizes in float64, with weights that matter."""
    torch.manual_seed(0)
    model = cell(D, H, K, *more).double()
    for name, p in model.named_parameters():
        if not name.startswith("gate"):
            nn.init.uniform_(p, -0.8, 0.8)
    return model


def assert_equal(found, expected, where):
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10, msg=lambda message: f"{where}: {message}")


def copied(layer, model, gates):
    """torch's layer with the weights of the cell, whose gates are joined in this order."""
    with torch.no_grad():
        for theirs, name in (("weight_ih_l0", "W_{}x"), ("weight_hh_l0", "W_{}h"), ("bias_ih_l0", "b_{}")):
            getattr(layer, theirs).copy_(torch.cat([getattr(model, name.format(gate)) for gate in gates]))
        layer.bias_hh_l0.zero_()
    return layer


def same_gates(model):
    """Let a cell have fixed gates g, i, f, o, whatever its sums are; returns them, so that they need not be written."""
    gates = [randn(H, B).tanh(), *(randn(H, B).sigmoid() for _ in range(3))]
    model.gates = lambda *sums: gates
    return gates


# ---- question 1.2: the vanilla RNN, equations 1 to 3, and one update


def test_question_1_2_equation_1_is_one_step():
    model, x_t, h = new(VanillaRNN), randn(D, B), randn(H, B)
    expected = torch.tanh(model.W_hx @ x_t + model.W_hh @ h + model.b_h[:, None])
    assert_equal(model.step(x_t, h), expected, "h_t")


def test_question_1_2_equation_2_reads_the_last_state_after_the_loop():
    model, x, h_0 = new(VanillaRNN), randn(B, T, D), randn(B, H)
    layer = copied(nn.RNN(D, H, batch_first=True).double(), model, "h")
    for state in (None, h_0):
        h, _ = layer(x, None if state is None else state[None])
        p, states = model(x, state, return_states=True)
        assert_equal(states, h, "h of all steps")
        assert_equal(p, h[:, -1] @ model.W_ph.T + model.b_p, "p")
        assert_equal(model(x, state), p, "p without the states")


def test_question_1_2_equations_3_and_11_are_the_cross_entropy_of_the_softmax():
    class Fixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.p = nn.Parameter(randn(B, 10))

        def forward(self, x):
            assert x.shape == (B, T, 10), "one-hot digits"
            return self.p

    model, target = Fixed(), torch.tensor([3, 0, 9])
    y_hat = model.p.exp() / model.p.exp().sum(dim=1, keepdim=True)
    expected = -sum(y_hat[b, target[b]].log() for b in range(B)) / B
    assert_equal(loss_of(model, torch.randint(10, (B, T)), target, 10), expected, "the mean loss of the batch")


def test_question_1_2_an_update_steps_along_the_new_gradient_alone_and_clips_it():
    w, gradient = nn.Parameter(torch.zeros(2)), torch.tensor([3.0, 4.0])
    model, optimizer = SimpleNamespace(parameters=lambda: [w]), torch.optim.SGD([w], lr=1.0)
    for max_norm, expected in ((100.0, -gradient), (0.5, -1.1 * gradient)):
        norm = update(model, optimizer, w @ gradient, max_norm)
        torch.testing.assert_close(w.detach(), expected, rtol=1e-5, atol=0)
        assert norm.item() == 5, "the norm before clipping is returned"


# ---- question 1.6: the LSTM, equations 4 to 10


def test_question_1_6_equations_4_to_7_are_the_gates():
    model, sums = new(LSTM), [randn(H, B) for _ in range(4)]
    expected = [torch.tanh(sums[0]), *(1 / (1 + torch.exp(-a)) for a in sums[1:])]
    for name, found, gate in zip("gifo", model.gates(*sums), expected, strict=True):
        assert_equal(found, gate, name)


def test_question_1_6_equations_8_and_9_are_the_new_state():
    model, x_t, h, c = new(LSTM), randn(D, B), randn(H, B), randn(H, B)
    g, i, f, o = same_gates(model)
    c_t = g * i + c * f
    h_found, c_found = model.step(x_t, h, c, model.joined())
    assert_equal(c_found, c_t, "c_t")
    assert_equal(h_found, torch.tanh(c_t) * o, "h_t")


def test_question_1_6_equation_10_and_the_loop_are_torchs_lstm_and_a_linear_layer():
    model, x, state = new(LSTM), randn(B, T, D), (randn(B, H), randn(B, H))
    layer = copied(nn.LSTM(D, H, batch_first=True).double(), model, "ifgo")
    for given in (None, state):
        h, (_, c) = layer(x, None if given is None else tuple(s[None] for s in given))
        p, (h_found, c_found) = model(x, given, return_states=True)
        assert_equal(h_found, h, "h of all steps")
        assert_equal(c_found[:, -1], c[0], "c of the last step")
        assert_equal(p, h[:, -1] @ model.W_ph.T + model.b_p, "p")
        assert_equal(model(x, given), p, "p without the states")


# ---- question 2.1: the time gate, equation 12


def test_question_2_1_equation_12_rises_falls_and_repeats():
    phi, k = torch.tensor([0, 1, 2, 3, 4, 5, 7]).double() / 8, torch.tensor([0, 0.5, 1, 0.5, 0, 0, 0]).double()
    tau, s, r_on = (torch.tensor(value, dtype=torch.float64) for value in (4.0, 3.0, 0.5))
    for period in (-2, 0, 1, 12):
        assert_equal(openness(s + tau * (period + phi), tau, s, r_on), k, f"k in period {period}")


def test_question_2_1_equation_12_has_a_rhythm_for_each_unit_and_a_leak_where_it_is_closed():
    t, tau, s, r_on = (
        torch.tensor(v, dtype=torch.float64) for v in ([[1.0], [2.0]], [4.0, 10.0], [0.0, 1.0], [0.5, 0.4])
    )
    expected = torch.tensor([[1.0, 0.0], [0.05, 0.5]], dtype=torch.float64)
    assert_equal(openness(t, tau, s, r_on, leak=0.1), expected, "k of each unit")


def test_question_2_1_equation_12_passes_gradients_to_its_parameters():
    """Where the gate rises, k = 2φ / r_on: ∂k/∂s = -2 / (r_on τ), and ∂k/∂τ has the whole periods in it."""
    t, tau, s, r_on = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (41.5, 4.0, 1.0, 0.5))
    openness(t, tau, s, r_on).backward()
    expected = torch.tensor([-2 / 0.5 * 40.5 / 16, -2 / 0.5 / 4, -2 * 0.125 / 0.25], dtype=torch.float64)
    assert_equal(torch.stack([tau.grad, s.grad, r_on.grad]), expected, "the gradients of τ, s and r_on")


# ---- question 2.2: the time-gated LSTM, equations 13 to 16


def test_question_2_2_equations_13_to_16_move_the_state_by_the_openness():
    model, x_t, h, c, k = new(TimeGatedLSTM), randn(D, B), randn(H, B), randn(H, B), torch.rand(H, B).double()
    g, i, f, o = same_gates(model)
    c_t = k * (g * i + c * f) + (1 - k) * c
    h_t = k * (torch.tanh(c_t) * o) + (1 - k) * h
    h_found, c_found = model.step(x_t, h, c, model.joined(), k)
    assert_equal(c_found, c_t, "c_t")
    assert_equal(h_found, h_t, "h_t")


def test_question_2_2_a_gate_that_is_always_open_leaves_part_1s_lstm():
    model, plain, x = new(TimeGatedLSTM, AlwaysOpen(H)), new(LSTM), randn(B, T, D)
    assert_equal(model(x), plain(x), "p")


# ---- part 3, question 2.1 (c): the temperature

LOGITS = np.array([0.0, 1.0, -1.0, 2.5])


def drawn(temperature, logits=LOGITS, count=20_000):
    """The share of draws that each character has."""
    ids = choose(np.tile(logits.astype(np.float32), (count, 1)), np.random.default_rng(0), temperature=temperature)
    return torch.from_numpy(np.bincount(ids, minlength=len(logits)) / count)


def test_question_3c_draws_follow_the_softmax_of_logits_over_the_temperature():
    for temperature in (0.5, 1.0, 2.0):
        expected = F.softmax(torch.from_numpy(LOGITS) / temperature, dim=0)
        assert (drawn(temperature) - expected).abs().max() < 0.02, f"temperature {temperature}"


def test_question_3c_temperature_0_is_the_likeliest_character():
    assert drawn(0).tolist() == [0, 0, 0, 1]


def test_question_3c_large_logits_do_not_overflow():
    assert drawn(0.01, LOGITS * 1_000).tolist() == [0, 0, 0, 1]
