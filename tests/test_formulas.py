"""Every formula of the report against the code, question by question."""

import math
import re

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from part1 import curriculum
from part1.lstm import LSTM
from part1.vanilla_rnn import VanillaRNN
from part2.time_gate import openness
from part2.time_gated_lstm import TimeGatedLSTM
from tests.scripts import ROOT

MADE = (ROOT / "results/report.md").read_text()

# ---- 1.1 and clipping

B, T, D, H, K = 3, 7, 4, 5, 6


def rnn_and_batch():
    torch.manual_seed(2)
    model = VanillaRNN(D, H, K).double()
    torch.nn.init.normal_(model.b_h)
    return model, torch.randn(1, T, D).double(), torch.tensor([4])


def test_question_1_1_the_gradients_as_the_report_writes_them():
    """The ordered product, k = t + 1 leftmost, beside automatic differentiation."""
    model, x, target = rnn_and_batch()
    p, h = model(x, return_states=True)
    F.cross_entropy(p, target).backward()

    h = torch.cat([torch.zeros(1, H), h[0]]).detach()  # h[t], t = 0 … T
    error = (p.softmax(dim=1)[0] - F.one_hot(target, K)[0]).detach()
    W_hh, W_ph, D_k = model.W_hh.detach(), model.W_ph.detach(), [torch.diag(1 - h_t * h_t) for h_t in h]
    dW_hh, dW_hx = torch.zeros_like(W_hh), torch.zeros_like(model.W_hx)
    for t in range(1, T + 1):
        product = torch.eye(H).double()
        for k in range(t + 1, T + 1):
            product = product @ W_hh.T @ D_k[k]
        delta_t = product @ W_ph.T @ error
        dW_hh += torch.outer(D_k[t] @ delta_t, h[t - 1])
        dW_hx += torch.outer(D_k[t] @ delta_t, x[0, t - 1])
    for found, expected in (
        (torch.outer(error, h[T]), model.W_ph.grad),
        (dW_hh, model.W_hh.grad),
        (dW_hx, model.W_hx.grad),
    ):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.floats(0.2, 3))
def test_question_1_1_the_bound_of_the_gradient_at_each_step(seed, scale):
    torch.manual_seed(seed)
    model = VanillaRNN(D, H, K).double()
    with torch.no_grad():
        model.W_hh.mul_(scale * math.sqrt(H))
    _, h = model(torch.randn(1, T, D).double(), return_states=True)
    sigma = torch.linalg.matrix_norm(model.W_hh, 2).item()
    delta = [torch.randn(H).double()]  # δ_T, δ_{T-1}, …
    for t in reversed(range(1, T)):
        delta.append(model.W_hh.T @ ((1 - h[0, t] ** 2) * delta[-1]))
    for distance, delta_t in enumerate(delta):
        assert delta_t.norm().item() <= sigma**distance * delta[0].norm().item() * (1 + 1e-9)


# ---- 1.4


def steps_of(optimizer, gradients):
    """The weight after each of the gradients, from 0."""
    w, path = torch.nn.Parameter(torch.zeros(1).double()), []
    optimizer = optimizer([w])
    for g in gradients:
        w.grad = torch.tensor([g], dtype=torch.float64)
        optimizer.step()
        path.append(w.item())
    return path


GRADIENTS = [0.3, -2.0, 5.0, 0.01, 0.01]


def test_question_1_4_momentum():
    beta, rate, v, w, path = 0.9, 0.1, 0.0, 0.0, []
    for g in GRADIENTS:
        v = beta * v + g
        w -= rate * v
        path.append(w)
    assert steps_of(lambda p: torch.optim.SGD(p, lr=rate, momentum=beta), GRADIENTS) == pytest.approx(path, rel=1e-12)
    long = steps_of(lambda p: torch.optim.SGD(p, lr=rate, momentum=beta), [1.0] * 400)
    assert long[-2] - long[-1] == pytest.approx(rate / (1 - beta)), "a constant gradient adds up to 1 / (1 - β) times"


def test_question_1_4_rmsprop():
    alpha, rate, eps, s, w, path = 0.99, 0.1, 1e-8, 0.0, 0.0, []
    for g in GRADIENTS:
        s = alpha * s + (1 - alpha) * g * g
        w -= rate * g / (math.sqrt(s) + eps)
        path.append(w)
    found = steps_of(lambda p: torch.optim.RMSprop(p, lr=rate, alpha=alpha, eps=eps), GRADIENTS)
    assert found == pytest.approx(path, rel=1e-12)
    large = steps_of(lambda p: torch.optim.RMSprop(p, lr=rate), [1e6 * g for g in GRADIENTS])
    assert large == pytest.approx(found, rel=1e-4), "steps do not depend on the gradient's scale"


def test_question_1_4_adam():
    (b1, b2), rate, eps, m, s, w, path = (0.9, 0.999), 0.1, 1e-8, 0.0, 0.0, 0.0, []
    for n, g in enumerate(GRADIENTS, start=1):
        m, s = b1 * m + (1 - b1) * g, b2 * s + (1 - b2) * g * g
        w -= rate * m / (1 - b1**n) / (math.sqrt(s / (1 - b2**n)) + eps)
        path.append(w)
    assert steps_of(lambda p: torch.optim.Adam(p, lr=rate, betas=(b1, b2), eps=eps), GRADIENTS) == pytest.approx(path)
    assert path[0] == pytest.approx(-rate), "the first step is as long as the rate"
    same, alternating = (
        steps_of(lambda p: torch.optim.Adam(p, lr=rate), [sign**n for n in range(400)]) for sign in (1.0, -1.0)
    )
    assert same[-2] - same[-1] == pytest.approx(rate) and abs(alternating[-2] - alternating[-1]) < 0.1 * rate


# ---- 1.5 and 1.6


def count(parameters):
    return sum(W.numel() for W in parameters)


@pytest.mark.parametrize("n, d", [(128, 1), (128, 10), (7, 3), (1, 1)])
def test_question_1_5_b_the_parameters_of_the_cell(n, d):
    model = LSTM(d, n, 10)
    cell = [W for name, W in model.named_parameters() if not name.endswith("p") and "_p" not in name]
    assert count(cell) == 4 * (n * d + n**2 + n) == 4 * n * (d + n + 1)
    assert count(model.parameters()) - count(cell) == 10 * n + 10
    assert count(torch.nn.LSTM(d, n).parameters()) - count(cell) == 4 * n
    assert count(TimeGatedLSTM(d, n, 10).parameters()) - count(model.parameters()) == 3 * n


def test_question_1_5_b_the_numbers_in_the_report():
    said = [int(number.replace("{,}", "")) for number in re.findall(r"\d+\{,\}\d+", MADE)]
    assert said == [4 * (128 * 1 + 128**2 + 128), 128 * 10 + 10]


def test_question_1_5_a_the_forget_gate_is_the_derivative_along_the_cell_and_its_half_life():
    torch.manual_seed(0)
    model = LSTM(D, H, K).double()
    x_t, h, c = torch.randn(D, 1).double(), torch.randn(H, 1).double(), torch.randn(H, 1).double()
    _, _, f, _ = model.gates(*model.sums(x_t, h, model.joined()))
    derivative = torch.autograd.functional.jacobian(lambda c: model.step(x_t, h, c, model.joined())[1][:, 0], c)
    torch.testing.assert_close(derivative[:, :, 0], torch.diag(f[:, 0]))
    steps = math.log(2) / -f.log()
    torch.testing.assert_close(f**steps, torch.full_like(f, 0.5))


def test_question_1_6_the_forget_gate_at_the_start():
    said = float(re.search(r"\\sigma\(1\) \\approx ([\d.]+)", MADE)[1])
    assert round(torch.ones(1).sigmoid().item(), 2) == said and LSTM(D, H, K).b_f.eq(1).all()


def test_the_rules_of_the_curriculum_are_those_that_the_report_tells():
    assert (curriculum.SHORT, curriculum.RIGHT, curriculum.GROWTH) == (5, 0.01, 1.1)


# ---- part 2


def test_question_2_2_the_derivative_along_the_cell_is_one_where_the_gate_is_closed():
    torch.manual_seed(0)
    model = TimeGatedLSTM(D, H, K).double()
    x_t, h, c, k_t = (
        torch.randn(D, 1),
        torch.randn(H, 1),
        torch.randn(H, 1),
        torch.tensor([[0.0, 1.0, 0.3, 0.5, 0.9]]).T,
    )
    x_t, h, c, k_t = (tensor.double() for tensor in (x_t, h, c, k_t))
    _, _, f, _ = model.gates(*model.sums(x_t, h, model.joined()))
    derivative = torch.autograd.functional.jacobian(lambda c: model.step(x_t, h, c, model.joined(), k_t)[1][:, 0], c)
    torch.testing.assert_close(derivative[:, :, 0], torch.diag((1 - k_t * (1 - f))[:, 0]))
    assert derivative[0, 0, 0] == 1


@settings(max_examples=50, deadline=None)
@given(u=st.floats(0.02, 0.98), n=st.integers(-3, 40), rise=st.booleans())
def test_question_2_2_b_the_derivatives_of_the_open_gate(u, n, rise):
    tau, s, r_on = (torch.tensor(value, requires_grad=True, dtype=torch.float64) for value in (7.0, 1.3, 0.3))
    phi = (u / 2 if rise else (1 + u) / 2) * r_on.item()
    t = (n + phi) * tau.item() + s.item()
    openness(torch.tensor(t, dtype=torch.float64), tau, s, r_on).backward()
    up = 1 if rise else -1
    assert s.grad.item() == pytest.approx(up * 2 / r_on.item() * -1 / tau.item(), rel=1e-9)
    assert tau.grad.item() == pytest.approx(up * 2 / r_on.item() * -(t - s.item()) / tau.item() ** 2, rel=1e-9)
    assert r_on.grad.item() == pytest.approx(-up * 2 * phi / r_on.item() ** 2, rel=1e-9)


# ---- part 3


def test_question_a_nats_and_bits():
    characters = len(set((ROOT / "assets/book.txt").read_text()))
    said, bits = re.search(r"\\log_2 (\d+) \\approx ([\d.]+)", MADE).groups()
    assert int(said) == characters and round(math.log(characters) / math.log(2), 2) == float(bits)
    uniform = F.cross_entropy(torch.zeros(1, characters), torch.tensor([3])).item()  # nats of a guess
    assert uniform / math.log(2) == pytest.approx(math.log2(characters))
