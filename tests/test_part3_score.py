"""part3/score.py: exact scores, of the part that was held out, of any text, by blocks, by dynamic evaluation."""

import math
import os
import re
import string
import sys
from unittest.mock import Mock

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from common.arguments import with_flags
from part3 import score
from part3.dataset import TextDataset, encode
from part3.evaluation import PIECE, predictions
from part3.trained import Trained, build_model, write_trained
from tests.scripts import call, run, start

CHARACTERS = "".join(sorted(string.printable[:95] + "\n\t\0\x7f\x85\xa0\u0301\u202eé☃"))
TEXT = "".join(CHARACTERS[i] for i in np.random.default_rng(0).integers(len(CHARACTERS), size=700))
ATTACK = "<script>alert(1)</script>\"'&amp; </article>\n\n  \t\0\x7f"
SETTINGS = {"lstm_num_hidden": 9, "lstm_num_layers": 2, "dropout_keep_prob": 0.5, "embedding_dim": 7}


def made_checkpoint(folder):
    """A model of random weights, as part3/train.py writes it, whose predictions are far from even."""
    torch.manual_seed(0)
    model = build_model(len(CHARACTERS), SETTINGS)
    torch.nn.init.uniform_(model.output.weight, -6, 6)
    write_trained(folder / "best.pt", model, CHARACTERS, SETTINGS, 1, 2.0)
    return folder / "best.pt"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return made_checkpoint(tmp_path_factory.mktemp("run"))


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(TEXT, newline="")
    return path


def directly(checkpoint, text, block_size=10**9):
    """Loss in nats (M,) and probabilities (M, V) of each predicted character, from one call of the model a block."""
    ids, model = encode(text, CHARACTERS), Trained(checkpoint).model()
    block_size = min(block_size, len(ids) - 1)
    starts = range(0, len(ids) - block_size, block_size)
    logits = torch.cat([model(ids[None, start : start + block_size])[0][0] for start in starts])
    return F.cross_entropy(logits, ids[1 : len(logits) + 1], reduction="none"), logits.softmax(dim=1)


def printed(out):
    """The numbers that the script printed, by name."""
    return {row[:20].strip(): float(row[20:].replace(",", "")) for row in out.splitlines() if row[20:22] == "  "}


@pytest.fixture
def scored(checkpoint, text, capsys):
    """A function that runs the script in this process, on TEXT unless its flags name another: exit status, outputs."""
    default = ["--txt_file", str(text), "--checkpoint", str(checkpoint)]
    return lambda *flags: call(score.main, *with_flags(default, [*map(str, flags)]), capsys=capsys)


@pytest.mark.parametrize("block_size", [None, 1, 64, 699, 10**6])
@pytest.mark.parametrize("shown", [0, 1, 100, 10**6])
def test_score_and_expectations_are_those_of_one_call_a_block(checkpoint, monkeypatch, block_size, shown):
    monkeypatch.setattr("part3.evaluation.CHUNK", 150)  # a block of 699 is read in five pieces
    nats, p = directly(checkpoint, TEXT, block_size or 10**9)
    ids = encode(TEXT, CHARACTERS)
    count, mean, accuracy, expected = score.score(Trained(checkpoint).model(), ids, block_size, shown)
    assert count == len(nats) == (640 if block_size == 64 else 699)
    assert mean == pytest.approx(nats.mean().item(), abs=1e-5)
    assert accuracy == pytest.approx((p.argmax(dim=1) == ids[1 : count + 1]).double().mean().item()) and accuracy > 0
    best = p[:shown].topk(5, dim=1)
    for found, direct in zip(expected, (nats[:shown] / math.log(2), best.indices, best.values), strict=True):
        assert np.array(found).reshape(direct.shape) == pytest.approx(direct.detach().numpy(), rel=1e-4, abs=1e-5)


def test_the_script_prints_the_score_and_how_the_text_was_read(checkpoint, text, scored, monkeypatch):
    _, out, err = run("part3/score.py", "--txt_file", text, "--checkpoint", checkpoint.parent)
    assert "text.txt: 700 characters, read in one, the state carried" in out and "step 1\n" in out, err
    count, nats, accuracy, _ = score.score(Trained(checkpoint).model(), encode(TEXT, CHARACTERS))
    numbers = [count, nats, nats / math.log(2), math.exp(nats), accuracy]
    assert list(printed(out).values()) == pytest.approx(numbers, rel=1e-6, abs=5e-4)
    _, out, _ = scored("--block_size", 64)
    assert "in blocks of 64 characters, each from a zero state" in out and printed(out)["characters predicted"] == 640
    assert "read in one" in scored("--block_size", 699)[1]
    monkeypatch.setattr(score, "score", lambda *_: (699, 1e4, 0.0, ([], [], [])))
    assert printed(scored()[1])["perplexity"] == math.inf


@pytest.mark.parametrize("rate", [0.0, 0.01])
def test_dynamic_evaluation_learns_from_each_character_after_it_was_scored_in_their_order(checkpoint, rate):
    """Against a loop that reads the whole text so far anew for each piece."""
    ids, model, losses = encode(TEXT[:90], CHARACTERS), Trained(checkpoint).model(), []
    state, squares = None, [torch.zeros(())] * 99
    for n in range(0, 89, PIECE):
        x, y = ids[n : min(n + PIECE, 89)], ids[n + 1 : n + PIECE + 1]
        logits, state = model(x[None], state)
        loss, state = F.cross_entropy(logits[0], y, reduction="none"), [tensor.detach() for tensor in state]
        losses += loss.tolist()
        gradients = torch.autograd.grad(loss.mean(), [*model.parameters()])
        with torch.no_grad():
            for k, (p, g) in enumerate(zip(model.parameters(), gradients, strict=True)):
                squares[k] = 0.999 * squares[k] + 0.001 * g * g
                p -= rate * g / ((squares[k] / (1 - 0.999 ** (n // PIECE + 1))).sqrt() + 1e-8)
    count, nats, _, expected = score.score(Trained(checkpoint).model(), ids, shown=89, rate=rate)
    assert count == 89 and nats == pytest.approx(sum(losses) / 89, rel=1e-5)
    assert np.array(expected[0]) * math.log(2) == pytest.approx(losses, rel=1e-4, abs=1e-5)
    carried = score.score(Trained(checkpoint).model(), ids)[1]
    assert (nats == pytest.approx(carried, rel=1e-5)) == (rate == 0)
    other, order = Trained(checkpoint).model(), torch.cat([ids[:60], ids[60:].flip(0)])
    then = score.score(other, order, shown=89, rate=rate)[3][0]
    assert then[:59] == expected[0][:59] and not other.training, "what comes later changes nothing before"


def test_dynamic_evaluation_by_the_script(scored, monkeypatch):
    carried, dynamic = (printed(scored(*flags)[1]) for flags in ([], ["--dynamic", "--dynamic_rate", 0.01]))
    assert (
        dynamic["characters predicted"] == 699 and dynamic["nats per character"] < carried["nats per character"] - 0.1
    )
    assert "at a rate of 0.01 (dynamic evaluation)" in scored("--dynamic", "--dynamic_rate", 0.01)[1]
    with monkeypatch.context() as patch:
        patch.setattr(score, "score", lambda *_: (699, math.nan, 0.0, ([], [], [])))
        refused = scored("--dynamic", "--dynamic_rate", 1e29)
    alone = scored("--dynamic_rate", 0.01)
    assert alone[0] == 2 and "--dynamic_rate 0.01 is for --dynamic" in alone[2] and alone[2].count("\n") == 1
    blocks = scored("--dynamic", "--block_size", 9)
    for (status, out, err), named in ((refused, "1e+29 is too high"), (blocks, "--block_size out")):
        assert (status, out) == (2, "") and named in err.splitlines()[-1]  # the text has control characters


def is_score_of(out, checkpoint, text):
    return printed(out)["nats per character"] == pytest.approx(directly(checkpoint, text)[0].mean().item(), abs=1e-4)


def test_the_part_scored_is_what_training_held_out(checkpoint, text, scored):
    dataset = TextDataset(text, 5, val_fraction=0.333)
    part = dataset.convert_to_string(dataset.held_out)
    _, out, _ = scored("--val_fraction", 0.333)
    assert f"the last 33.3 %: {len(part)} characters" in out and is_score_of(out, checkpoint, part)


def test_unknown_characters_are_named_or_skipped(checkpoint, text, scored):
    text.write_text("aßbЖc")
    status, _, err = scored()
    assert status == 2 and "'ß' (place 1)" in err and err.count("\n") == 1
    _, out, _ = scored("--unknown", "skip")
    assert out.startswith("2 characters that the model does not know were skipped\n")
    assert is_score_of(out, checkpoint, "abc")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_standard_input_is_read_as_a_file_is(checkpoint, text, scored, monkeypatch, encoding):
    text.write_bytes("a\r\nb\0c\rd".encode(encoding))
    opened = Mock(side_effect=lambda descriptor, mode, closefd: open(text, mode))
    monkeypatch.setattr("part3.text.open", opened, raising=False)
    status, out, err = scored("--txt_file", "-", "--encoding", encoding.removesuffix("-sig"))
    assert status == 0 and out.startswith("standard input: 7 characters"), err
    assert is_score_of(out, checkpoint, "a\nb\0c\nd")
    status, out, err = scored("--txt_file", "-", "--encoding", "ascii")
    assert (status, out, err.count("\n")) == (2, "", 1) and "standard input" in err


def test_it_ends_quietly_on_ctrl_c_and_when_nobody_reads(checkpoint, text, scored, monkeypatch):
    process = start("part3/score.py", "--txt_file", text, "--checkpoint", checkpoint, fresh=True)
    process.stdout.close()
    assert process.wait(timeout=60) == 0
    assert re.fullmatch("warning: .*text.txt: U.* control characters\n", process.stderr.read())
    monkeypatch.setattr(score, "read_input", Mock(side_effect=KeyboardInterrupt))
    assert scored() == (130, "", "")


def test_a_long_text_is_shown_in_part_and_stays_small(text, tmp_path, scored, monkeypatch):
    readings = []
    monkeypatch.setattr(score, "predictions", lambda *args: readings.append(args) or predictions(*args))
    text.write_text((TEXT.replace("\n", " ") * 40)[: score.SHOWN + 5_000], newline="")
    _, out, err = scored("--html", tmp_path / "page.html")
    assert len(readings) == 1, f"the page needs no second one {err}"
    told, content = "the first 20,000 of 25,000 characters", (tmp_path / "page.html").read_text()
    assert told in out and f"Shown are {told}" in content
    assert content.count("<span") == 20_000 and len(content.encode()) < 5e6
    assert f"<dd>{printed(out)['nats per character']:.4f}</dd>" in content
    assert "best.pt, step 1" in content and str(tmp_path) not in content and "text.txt" in content


@pytest.mark.skipif(sys.platform != "linux", reason="this system has no file names that are not UTF-8")
def test_a_file_name_that_is_not_utf_8(tmp_path, scored):
    path = tmp_path / os.fsdecode(b"caf\xe9.txt")
    path.write_text("abc")
    status, out, err = scored("--txt_file", path, "--html", tmp_path / "p")
    assert status == 0 and out.startswith("caf\\udce9.txt: 3 characters"), err
    assert "<h1>caf?.txt</h1>" in (tmp_path / "p").read_text()
