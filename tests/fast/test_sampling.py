"""part3/sampling.py against the model and the distributions it names; generate.py hands its flags on."""

import numpy as np
import pytest
import torch
from torch import nn

from part3 import generate
from part3.sampling import Writer, choose, write
from part3.trained import build_model, write_trained
from tests.scripts import call

B, T, V = 3, 40, 11
CHARACTERS = "abcdefghijk"
SETTINGS = {"lstm_num_hidden": 5, "dropout_keep_prob": 1.0, "embedding_dim": 4}
LOGITS = np.random.default_rng(0).normal(size=(1, V)).astype(np.float32).repeat(40_000, axis=0)
P = torch.from_numpy(LOGITS[0]).double().softmax(0).numpy()  # the model's own distribution


def model_of(layers):
    """A model in evaluation, whose predictions are far from even."""
    torch.manual_seed(0)
    model = build_model(V, {**SETTINGS, "lstm_num_layers": layers}).eval()
    for p in model.parameters():
        nn.init.uniform_(p, -0.9, 0.9)
    return model


def shares(**how):
    """The share of each character among draws from LOGITS."""
    return np.bincount(choose(LOGITS, np.random.default_rng(1), **how), minlength=V) / len(LOGITS)


def greedily(model, prompt, length):
    """What the model finds likeliest, one character at a time, each time from the whole text so far."""
    ids = list(prompt)
    for _ in range(length):
        ids.append(int(model(torch.tensor([ids]))[0][0, -1].argmax()))
    return ids[len(prompt) :]


def texts(writer, prompt, length, num_texts, seed=0, **how):
    """What the writer writes, a list of ids for each text."""
    return np.array(list(write(writer, prompt, length, np.random.default_rng(seed), num_texts, **how))).T.tolist()


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_writer_equals_the_model_to_1e_5_and_does_not_overflow(layers):
    model, ids = model_of(layers), torch.randint(V, (B, T))
    expected, writer = model(ids)[0].detach().numpy(), Writer(model.state_dict())
    writer.copy(B)
    for t in range(T):
        np.testing.assert_allclose(writer.read(ids[:, t].numpy()), expected[:, t], rtol=0, atol=1e-5)
    with np.errstate(all="raise", under="ignore"):
        assert np.isfinite(Writer({name: 1e4 * p for name, p in model.state_dict().items()}).read([3])).all()


@pytest.mark.parametrize("temperature", [0, 5e-324, 1e-6, 0.3, 1.0, 2.0])
@pytest.mark.filterwarnings("error")
def test_draws_follow_the_tempered_softmax_and_at_0_are_the_likeliest(temperature):
    tempered = (P / P.max()) ** (1 / max(temperature, 1e-6))
    difference = np.abs(shares(temperature=temperature) - tempered / tempered.sum()).max()
    assert difference < 5 * np.sqrt(0.25 / len(LOGITS))


@pytest.mark.parametrize("top_k", [None, 1, 3, V - 1, V, 10**6])
@pytest.mark.parametrize("top_p", [None, 1e-9, 0.6, 0.9, 1])
def test_top_k_and_top_p_keep_the_fewest_likeliest_in_their_proportions(top_k, top_p):
    order = np.argsort(-P)
    kept = order[: int(np.searchsorted(P[order].cumsum(), top_p)) + 1] if top_p else order
    kept, drawn = kept[:top_k], shares(top_k=top_k, top_p=top_p)
    assert set(np.flatnonzero(drawn)) == set(kept)
    assert drawn[kept] == pytest.approx(P[kept] / P[kept].sum(), abs=0.01)


@pytest.mark.parametrize("min_p", [1e-9, 0.2, 0.5, 1])
@pytest.mark.parametrize("top_k", [None, 3])
def test_min_p_keeps_those_that_have_a_share_of_the_likeliest_in_their_proportions(min_p, top_k):
    kept = np.flatnonzero(P >= min_p * P.max())
    kept = kept[np.argsort(-P[kept])][:top_k]
    drawn = shares(min_p=min_p, top_k=top_k)
    assert set(np.flatnonzero(drawn)) == set(kept) and (min_p < 1e-3 or len(kept) < V)
    assert drawn[kept] == pytest.approx(P[kept] / P[kept].sum(), abs=0.01)


@pytest.mark.parametrize(
    "name, values", {"temperature": (-1, np.nan, np.inf), "top_k": (0,), "top_p": (0, 1.1), "min_p": (0, 2)}.items()
)
def test_values_out_of_range_are_refused(name, values):
    for value in values:
        with pytest.raises(ValueError, match=f"{name} {value}"):
            shares(**{name: value})


@pytest.mark.parametrize("num_texts", [1, 4])
def test_a_prompt_is_read_once_and_every_text_continues_it(num_texts):
    class Watched(Writer):
        def read(self, ids):
            rows.append(len(ids))
            return super().read(ids)

    rows, prompt, model = [], [3, 1, 4, 1], model_of(2)
    writer = Watched(model.state_dict())
    for _ in range(2):  # the second time it begins anew
        assert texts(writer, prompt, 12, num_texts, temperature=0) == num_texts * [greedily(model, prompt, 12)]
    assert rows == 2 * (4 * [1] + 12 * [num_texts])
    with pytest.raises(ValueError, match="prompt is empty"):
        texts(writer, [], 5, num_texts)


@pytest.mark.parametrize("stop", [[4], [1, 7], [2, 2]])
def test_it_ends_once_each_text_has_had_the_stop_and_no_sooner(stop):
    whole = texts(Writer(model_of(2).state_dict()), [0], 2_000, 3, seed=5)
    written = texts(Writer(model_of(2).state_dict()), [0], 2_000, 3, seed=5, stop=stop)

    def end(ids):
        return next((n for n in range(len(stop), len(ids) + 1) if ids[n - len(stop) : n] == stop), len(ids))

    length = max(map(end, whole))
    assert written == [ids[:length] for ids in whole] and len({*map(end, whole)}) > 1 and length < 2_000


def test_texts_differ_by_their_draws_and_by_the_seed():
    one, again, other = (texts(Writer(model_of(2).state_dict()), [0], 30, 4, seed) for seed in (1, 1, 2))
    assert one == again != other and len(set(map(tuple, one))) == 4


def test_generate_hands_its_flags_on(tmp_path, capsys):
    def written(*flags):
        start = ("--checkpoint", tmp_path, "--prompt", "cab", "--length", 60)
        return call(generate.main, *start, *flags, capsys=capsys)[1]

    model = model_of(2)
    write_trained(tmp_path / "best.pt", model, CHARACTERS, {**SETTINGS, "lstm_num_layers": 2}, 1, 2.0)
    greedy = "cab" + "".join(CHARACTERS[i] for i in greedily(model, [2, 0, 1], 60)) + "\n"
    assert [written(*flags.split()) for flags in ("--temperature 0", "--top_k 1", "--top_p 0.01")] == 3 * [greedy]
    assert written() == written() != greedy
    assert written("--seed", "1") != written() != written("--temperature", "0.5")
    assert written("--num_samples", "2", "--temperature", "0") == f"--- text 1\n{greedy}--- text 2\n{greedy}"
