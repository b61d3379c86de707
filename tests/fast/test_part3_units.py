"""part3/units.py: what units follow, their signals, and correlations that nothing has chosen."""

import numpy as np
import pytest
import torch

from part3.dataset import encode
from part3.model import TextGenerationModel
from part3.sampling import Writer
from part3.units import correlations, features, signals, units_that_follow


def test_features_of_a_text():
    text = 'A b.\n"Go, "\n\nI'
    found = {name: values.int().tolist() for name, values in features(text).items()}
    assert found == {
        "inside quotation marks": [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0],
        "how far into the line": [1, 2, 3, 4, 0, 1, 2, 3, 4, 5, 6, 0, 0],
        "how far into the word": [1, 0, 1, 2, 0, 1, 2, 3, 4, 0, 1, 0, 0],
        "a capital letter comes next": [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1],
        "the sentence ends next": [0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    }
    left_open = features('"a\n\nb')["inside quotation marks"].int().tolist()
    assert left_open == [1, 1, 1, 0], "a paragraph's end closes it"
    assert features("“a” b")["inside quotation marks"].int().tolist() == [1, 1, 0, 0]


def test_signals_are_those_of_the_recurrence():
    torch.manual_seed(0)
    model = TextGenerationModel(11, lstm_num_hidden=7, lstm_num_layers=3, embedding_dim=5)
    ids = torch.randint(11, (40,))
    writer, found = Writer(model.state_dict()), [*signals(model, ids)]
    for t, i in enumerate(ids.tolist()):
        writer.read([i])
        for layer, values in enumerate(found):
            i_t, f_t, g_t, o_t, c_t, h_t = values[:, t].numpy()
            before = values[4, t - 1].numpy() if t else 0
            assert h_t == pytest.approx(writer.h[0, 7 * layer : 7 * layer + 7], abs=1e-5)
            assert c_t == pytest.approx(writer.c[layer][0], abs=1e-5)
            assert c_t == pytest.approx(f_t * before + i_t * g_t, abs=1e-5)
            assert h_t == pytest.approx(o_t * np.tanh(c_t), abs=1e-5)


def test_correlations_are_pearsons():
    values, table = torch.randn(6, 50, 3), torch.randn(50, 2)
    values[0, :, 0] = 1.0
    found = correlations(values, table)
    assert found[0, 0].tolist() == [0, 0], "what never changes follows nothing"
    expected = np.corrcoef(values[2, :, 1], table[:, 1])[0, 1]
    assert found[2, 1, 1].item() == pytest.approx(expected, abs=1e-5)


def test_correlations_of_the_halves(monkeypatch):
    """A unit that knows what is asked for is found; its r is that of the second half, which did not choose it."""
    text = 'He said "no". ' * 40 + 'He said "no" ' * 40
    values = torch.randn(6, len(text) - 1, 5, generator=torch.manual_seed(0))
    quoted = features(text)["inside quotation marks"]
    values[4, :, 3] = quoted * torch.where(torch.arange(len(quoted)) < len(quoted) // 2, 1.0, -2.0) + 3
    monkeypatch.setattr("part3.units.signals", lambda model, ids: [values])
    found = units_that_follow(None, encode(text, "".join(sorted({*text}))), text)
    assert found["inside quotation marks"][0] == (0, 3, "c", pytest.approx(-1.0, abs=1e-4))
    assert "how far into the line" in found and "a capital letter comes next" in found
