"""part3/sampling.py against the model and the distributions it names; generate.py hands its flags on."""

import numpy as np
import pytest
import torch
from torch import nn

from part3 import generate
from part3.model import TextGenerationModel
from part3.sampling import Writer, choose, write
from part3.trained import write_trained
from tests.scripts import call

B, T, V, H, E = 3, 40, 11, 5, 4
CHARACTERS = "abcdefghijk"


@pytest.fixture(params=[1, 2, 3])
def model(request):
    """A model with so many layers, in evaluation, whose predictions are far from even."""
    torch.manual_seed(0)
    model = TextGenerationModel(V, H, request.param, embedding_dim=E).eval()
    for p in model.parameters():
        nn.init.uniform_(p, -0.9, 0.9)
    return model


@pytest.fixture
def logits():
    return np.random.default_rng(0).normal(size=(1, V)).astype(np.float32).repeat(40_000, axis=0)


@pytest.fixture
def p(logits):
    """The model's own distribution."""
    return torch.from_numpy(logits[0]).double().softmax(0).numpy()


def shares(ids):
    return np.bincount(ids, minlength=V) / len(ids)


def greedily(model, prompt, length):
    """What the model finds likeliest, one character at a time, each time from the whole text so far."""
    ids = list(prompt)
    for _ in range(length):
        ids.append(int(model(torch.tensor([ids]))[0][0, -1].argmax()))
    return ids[len(prompt) :]


def test_writer_equals_the_model_to_1e_5(model):
    ids = torch.randint(V, (B, T))
    expected = model(ids)[0].detach().numpy()
    writer = Writer(model.state_dict())
    writer.copy(B)
    for t in range(T):
        np.testing.assert_allclose(writer.read(ids[:, t].numpy()), expected[:, t], rtol=0, atol=1e-5)


def test_writer_does_not_overflow():
    model = TextGenerationModel(V, H)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1e4)
    with np.errstate(all="raise", under="ignore"):
        assert np.isfinite(Writer(model.state_dict()).read([3])).all()


@pytest.mark.parametrize("temperature", [0, 5e-324, 1e-6, 0.3, 1.0, 2.0])
@pytest.mark.filterwarnings("error")
def test_draws_follow_the_tempered_softmax_and_at_0_are_the_likeliest(logits, p, temperature):
    tempered = (p / p.max()) ** (1 / max(temperature, 1e-6))
    drawn = shares(choose(logits, np.random.default_rng(1), temperature))
    assert np.abs(drawn - tempered / tempered.sum()).max() < 5 * np.sqrt(0.25 / len(logits))


@pytest.mark.parametrize("top_k", [None, 1, 3, V - 1, V, 10**6])
@pytest.mark.parametrize("top_p", [None, 1e-9, 0.6, 0.9, 1])
def test_top_k_and_top_p_keep_the_fewest_likeliest_in_their_proportions(logits, p, top_k, top_p):
    order = np.argsort(-p)
    kept = order[: int(np.searchsorted(p[order].cumsum(), top_p)) + 1] if top_p else order
    kept = kept[:top_k]
    drawn = shares(choose(logits, np.random.default_rng(1), top_k=top_k, top_p=top_p))
    assert set(np.flatnonzero(drawn)) == set(kept)
    assert drawn[kept] == pytest.approx(p[kept] / p[kept].sum(), abs=0.01)


OUT_OF_RANGE = {"temperature": (-1, np.nan, np.inf), "top_k": (0,), "top_p": (0, 1.1, np.nan)}


@pytest.mark.parametrize("name, value", [(name, value) for name, values in OUT_OF_RANGE.items() for value in values])
def test_values_out_of_range_are_refused(logits, name, value):
    with pytest.raises(ValueError, match=f"{name} {value}"):
        choose(logits, np.random.default_rng(0), **{name: value})


@pytest.mark.parametrize("num_texts", [1, 4])
def test_a_prompt_is_read_once_and_every_text_goes_on_from_it(model, num_texts):
    class Watched(Writer):
        def read(self, ids):
            rows.append(len(ids))
            return super().read(ids)

    rows, prompt = [], [3, 1, 4, 1]
    writer = Watched(model.state_dict())
    for _ in range(2):  # the second time it begins anew
        texts = np.array(list(write(writer, prompt, 12, np.random.default_rng(0), num_texts, temperature=0))).T
        assert texts.tolist() == num_texts * [greedily(model, prompt, 12)]
    assert rows == 2 * (4 * [1] + 12 * [num_texts])
    with pytest.raises(ValueError, match="prompt is empty"):
        next(write(writer, [], 5, np.random.default_rng(0)))


def test_texts_differ_by_their_draws_and_by_the_seed(model):
    def texts(seed):
        return np.array(list(write(Writer(model.state_dict()), [0], 30, np.random.default_rng(seed), 4))).T.tolist()

    assert texts(1) == texts(1) != texts(2)
    assert len({tuple(text) for text in texts(1)}) == 4


def test_generate_hands_its_flags_on(tmp_path, capsys):
    torch.manual_seed(0)
    settings = {"lstm_num_hidden": H, "lstm_num_layers": 2, "dropout_keep_prob": 1.0, "embedding_dim": E}
    model = TextGenerationModel(V, H, 2, embedding_dim=E).eval()
    write_trained(tmp_path / "best.pt", model, CHARACTERS, settings, 1, 2.0)

    def written(*flags):
        start = ("--checkpoint", tmp_path, "--prompt", "cab", "--length", 60)
        return call(generate.main, *start, *flags, capsys=capsys)[1]

    ids = greedily(model, [2, 0, 1], 60)
    greedy = "cab" + "".join(CHARACTERS[i] for i in ids) + "\n"
    for flags in (["--temperature", "0"], ["--top_k", "1"], ["--top_p", "0.01"]):
        assert written(*flags) == greedy
    assert written() == written() != greedy
    assert written("--seed", "1") != written() != written("--temperature", "0.5")
    assert written("--num_samples", "2", "--temperature", "0") == f"--- text 1\n{greedy}--- text 2\n{greedy}"
