"""part3/model.py against torch's stacked nn.LSTM, and part3/sampling.py against the model."""

import numpy as np
import pytest
import torch
from torch import nn

from part3.model import TextGenerationModel
from part3.sampling import Writer, choose, write

B, T, V, H, L, E = 3, 7, 11, 5, 2, 4


@pytest.fixture(params=[1, 2, 3])
def model(request):
    torch.manual_seed(0)
    model = TextGenerationModel(V, H, request.param, embedding_dim=E)
    for p in model.parameters():
        nn.init.uniform_(p, -0.9, 0.9)
    return model


def test_equals_a_stacked_lstm_of_torch(model):
    layers = len(model.layers)
    stacked = nn.LSTM(E, H, layers, batch_first=True)
    with torch.no_grad():
        for n, layer in enumerate(model.layers):
            for name, p in layer.named_parameters():
                getattr(stacked, name.replace("l0", f"l{n}")).copy_(p)
    ids = torch.randint(V, (B, T))
    state = tuple(torch.randn(2, layers, B, H))
    for start in (None, state):
        p, (h, c) = model(ids, start)
        x, (h_ref, c_ref) = stacked(model.embedding(ids), start)
        assert p.shape == (B, T, V) and h.shape == c.shape == (layers, B, H)
        torch.testing.assert_close(p, model.output(x), rtol=0, atol=1e-6)
        torch.testing.assert_close(h, h_ref, rtol=0, atol=1e-6)
        torch.testing.assert_close(c, c_ref, rtol=0, atol=1e-6)


def test_a_carried_state_goes_on(model):
    ids = torch.randint(V, (B, T))
    whole, _ = model(ids)
    first, state = model(ids[:, :3])
    second, _ = model(ids[:, 3:], state)
    torch.testing.assert_close(torch.cat([first, second], dim=1), whole, rtol=0, atol=1e-6)


def test_dropout_is_between_and_after_layers_in_training_only():
    torch.manual_seed(0)
    model = TextGenerationModel(V, 200, L, dropout_keep_prob=0.6, embedding_dim=E)
    dropped = []
    model.dropout.register_forward_hook(lambda module, before, after: dropped.append((after == 0).float().mean()))
    ids = torch.randint(V, (B, T))
    model.train()(ids)
    assert len(dropped) == L and all(share == pytest.approx(0.4, abs=0.05) for share in dropped)
    assert torch.equal(model.eval()(ids)[0], model(ids)[0])


def test_writer_equals_the_model_to_1e_5(model):
    ids = torch.randint(V, (B, 50))
    expected, _ = model.eval()(ids)
    writer = Writer(model.state_dict(), num_texts=B)
    for t in range(50):
        logits = writer.read(ids[:, t].numpy())
        np.testing.assert_allclose(logits, expected[:, t].detach().numpy(), rtol=0, atol=1e-5)


def test_writer_does_not_overflow():
    model = TextGenerationModel(V, H, L)
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(1e4)
    with np.errstate(all="raise", under="ignore"):
        assert np.isfinite(Writer(model.state_dict()).read(np.array([3]))).all()


@pytest.fixture
def logits():
    return np.random.default_rng(0).normal(size=(1, V)).astype(np.float32).repeat(40_000, axis=0)


def shares(ids):
    return np.bincount(ids, minlength=V) / len(ids)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.0])
def test_draws_follow_the_tempered_softmax(logits, temperature):
    p = torch.softmax(torch.from_numpy(logits[0]).double() / temperature, dim=0).numpy()
    drawn = shares(choose(logits, np.random.default_rng(1), temperature))
    assert np.abs(drawn - p).max() < 5 * np.sqrt(0.25 / len(logits))


def test_greedy_and_a_tiny_temperature_take_the_likeliest(logits):
    for temperature in (0, 1e-6, 1e-300):
        assert (choose(logits[:50], np.random.default_rng(1), temperature) == logits[0].argmax()).all()


def test_top_k_and_top_p_leave_the_others_out_and_keep_the_proportions(logits):
    p = torch.softmax(torch.from_numpy(logits[0]).double(), dim=0).numpy()
    order = np.argsort(-p)
    drawn = shares(choose(logits, np.random.default_rng(1), top_k=3))
    assert set(np.flatnonzero(drawn)) == set(order[:3])
    assert drawn[order[:3]] == pytest.approx(p[order[:3]] / p[order[:3]].sum(), abs=0.01)
    count = int(np.searchsorted(p[order].cumsum(), 0.6)) + 1  # the fewest that hold 0.6
    assert set(np.flatnonzero(shares(choose(logits, np.random.default_rng(1), top_p=0.6)))) == set(order[:count])
    assert set(choose(logits, np.random.default_rng(1), top_p=1e-9)) == {order[0]}
    assert set(choose(logits, np.random.default_rng(1), top_k=10**6)) == set(range(V))


@pytest.mark.parametrize(
    "how", [{"temperature": -1}, {"temperature": float("nan")}, {"temperature": float("inf")}, {"top_k": 0},
            {"top_p": 0}, {"top_p": 1.1}, {"top_p": float("nan")}]
)  # fmt: skip
def test_values_out_of_range_are_refused(logits, how):
    with pytest.raises(ValueError, match=next(iter(how))):
        choose(logits, np.random.default_rng(0), **how)


def test_write_reads_the_prompt_and_carries_the_state(model):
    """Greedy writing equals the model read over the whole text so far."""
    prompt = [3, 1, 4]
    ids = list(prompt)
    for (character,) in write(Writer(model.state_dict()), prompt, 12, np.random.default_rng(0), temperature=0):
        p, _ = model.eval()(torch.tensor([ids]))
        assert character == p[0, -1].argmax()
        ids.append(int(character))
    assert len(ids) == 15


def test_write_gives_the_same_text_for_the_same_seed_and_many_at_once(model):
    def texts(seed, count):
        steps = write(Writer(model.state_dict(), count), [0], 30, np.random.default_rng(seed))
        return np.stack(list(steps), axis=1)

    assert texts(1, 4).shape == (4, 30)
    assert (texts(1, 4) == texts(1, 4)).all() and (texts(1, 4) != texts(2, 4)).any()


def test_an_empty_prompt_is_refused(model):
    with pytest.raises(ValueError, match="prompt is empty"):
        next(write(Writer(model.state_dict()), [], 5, np.random.default_rng(0)))
