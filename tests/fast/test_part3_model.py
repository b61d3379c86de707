"""part3/model.py against torch's stacked nn.LSTM."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from part3.model import TextGenerationModel

B, T, V, H, L, E = 3, 7, 11, 5, 2, 4


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_equals_a_stacked_lstm_of_torch_also_with_the_state_carried(layers):
    torch.manual_seed(0)
    model, stacked = TextGenerationModel(V, H, layers, embedding_dim=E), nn.LSTM(E, H, layers, batch_first=True)
    for p in model.parameters():
        nn.init.uniform_(p, -0.9, 0.9)
    weights = [layer.state_dict() for layer in model.layers]
    stacked.load_state_dict({f"{k[:-1]}{n}": tensor for n, w in enumerate(weights) for k, tensor in w.items()})
    ids = torch.randint(V, (B, T))
    for start in (None, tuple(torch.randn(2, layers, B, H))):
        p, (h, c) = model(ids, start)
        x, states = stacked(model.embedding(ids), start)
        assert p.shape == (B, T, V) and h.shape == c.shape == (layers, B, H)
        assert_close((p, (h, c)), (model.output(x), states), rtol=0, atol=1e-6)
        first, between = model(ids[:, :3], start)
        assert_close(torch.cat([first, model(ids[:, 3:], between)[0]], dim=1), p, rtol=0, atol=1e-6)


def test_dropout_is_between_and_after_layers_in_training_only():
    torch.manual_seed(0)
    model = TextGenerationModel(V, 200, L, dropout_keep_prob=0.6, embedding_dim=E)
    dropped = []
    model.dropout.register_forward_hook(lambda module, before, after: dropped.append((after == 0).float().mean()))
    ids = torch.randint(V, (B, T))
    model.train()(ids)
    assert len(dropped) == L and all(share == pytest.approx(0.4, abs=0.05) for share in dropped)
    assert torch.equal(model.eval()(ids)[0], model(ids)[0])
