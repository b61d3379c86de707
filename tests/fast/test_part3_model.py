"""part3/model.py against torch's stacked nn.LSTM."""

import pytest
import torch
from torch import nn

from part3.model import TextGenerationModel

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


def test_a_text_in_two_with_the_state_carried_is_the_text_in_one(model):
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
