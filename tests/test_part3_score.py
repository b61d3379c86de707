"""part3/score.py and page.py: exact scores, and a page that a browser shows as promised."""

import html
import json
import math
import operator
import os
import re
import string
import sys
import unicodedata
from itertools import pairwise, product
from unittest.mock import Mock

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from assets.page import PAGES
from common.arguments import with_flags
from part3 import page, score
from part3.dataset import TextDataset, encode
from part3.evaluation import PIECE, predictions
from part3.trained import Trained, build_model, write_trained
from tests.browser import CHROMIUM, Browser, is_closed
from tests.scripts import call, run, start

CHARACTERS = "".join(sorted(string.printable[:95] + "\n\t\0\x7f\x85\xa0\u0301\u202eé☃"))
TEXT = "".join(CHARACTERS[i] for i in np.random.default_rng(0).integers(len(CHARACTERS), size=700))
ATTACK = "<script>alert(1)</script>\"'&amp; </article>\n\n  \t\0\x7f"
SETTINGS = {"lstm_num_hidden": 9, "lstm_num_layers": 2, "dropout_keep_prob": 0.5, "embedding_dim": 7}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A model of random weights, as part3/train.py writes it, whose predictions are far from even."""
    torch.manual_seed(0)
    model = build_model(len(CHARACTERS), SETTINGS)
    torch.nn.init.uniform_(model.output.weight, -6, 6)
    path = tmp_path_factory.mktemp("run") / "best.pt"
    write_trained(path, model, CHARACTERS, SETTINGS, 1, 2.0)
    return path


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


def cells(content):
    """Of each character's cell in a page: its classes, what was expected (data-p), and its text."""
    found = re.findall(r'<span class="([^"]*)"(?: data-p="([^"]*)")?[^>]*>([^<]*)</span>', content)
    return [(classes.split(), pairs, html.unescape(shown)) for classes, pairs, shown in found]


def made_page(checkpoint, text):
    """A page of the text under the checkpoint."""
    ids = encode(text, CHARACTERS)
    *_, expected = score.score(Trained(checkpoint).model(), ids, shown=len(ids) - 1)
    told = ("a <b> & \"c\" 'd'", {"bits & <pieces>": "1.5"}, "</p> & more")  # title, facts, notes
    return page.surprise_page(*told, CHARACTERS, ids.tolist(), *expected)


def signs(text):
    """What a page shows for the characters of a text."""
    return [{"\0": "␀", "\t": "␉", "\x7f": "␡", "\x85": "�", "\u202e": "�"}.get(c, c) for c in text]


@pytest.mark.parametrize("text", [TEXT, ATTACK, "a\n\n\nb\n", '""'])
def test_a_page_has_one_cell_a_character_with_what_was_expected(checkpoint, text):
    content = made_page(checkpoint, text)
    (classes, expected, _), *predicted = cells(content)
    assert [shown for *_, shown in cells(content)] == signs(text)
    assert (classes, expected) == (["newline"] * (text[0] == "\n"), ""), "the first was not predicted"
    nats, _ = directly(checkpoint, text)
    for character, surprise, (classes, pairs, _) in zip(text[1:], nats / math.log(2), predicted, strict=True):
        (came, p), *likeliest = [pair.split(":") for pair in pairs.split()]
        assert CHARACTERS[int(came)] == character and -math.log2(float(p)) == pytest.approx(surprise.item(), abs=0.01)
        assert len(likeliest) == 5 and sum(float(q) for _, q in likeliest) <= 1 + 5 * 0.0005  # each is rounded
        shade = int(classes[0][1:])
        assert [0, *page.EDGES][shade] <= surprise + 1e-4 and surprise - 1e-4 <= [*page.EDGES, math.inf][shade]
        assert classes[1:] == ["newline"] * (character == "\n")
    labels = json.loads(re.search('id="data">(.*?)</script>', content)[1])
    assert len(labels) == len(set(labels)) == len(CHARACTERS) and all(labels)
    shown = [labels[CHARACTERS.index(c)] for c in "\n \0\t\x7f\x85\xa0\u202e\u0301é<"]
    assert shown == "⏎ ␣ ␀ ␉ ␡ U+0085 U+00A0 U+202E ◌\u0301 é <".split(" ")


def test_a_page_is_whole_escaped_and_always_the_same(checkpoint):
    content = made_page(checkpoint, ATTACK)
    assert content == made_page(checkpoint, ATTACK)
    assert content.count("<script>") == content.count("<style") == 1 and "alert(1)" not in content
    assert is_closed(content)
    assert "http:" not in content and "https:" not in content and "url(" not in content and "@import" not in content
    assert "<b>" not in content and "&lt;b&gt; &amp; &quot;c&quot; &#x27;d&#x27;" in content
    assert "<pieces>" not in content and "&lt;/p&gt; &amp; more" in content
    assert not [c for c in content if unicodedata.category(c) == "Cc" and c != "\n"], "control characters"
    lone_surrogate = page.surprise_page("t", {}, "", "\ud800a", [1, 0], [1.0], [[0, 1]], [[0.5, 0.5]])
    assert "�" in lone_surrogate and "U+D800" in lone_surrogate and lone_surrogate.encode()


def luminance(colour):
    """Relative luminance of #rrggbb (WCAG 2, its curve as a power)."""
    return np.dot((np.frombuffer(bytes.fromhex(colour[1:]), np.uint8) / 255) ** 2.2, (0.2126, 0.7152, 0.0722))


def test_colours_grow_stronger_and_every_text_stands_out():
    light, dark = (PAGES / "shared.css").read_text().split("@media (prefers-color-scheme: dark)")
    for css, stronger in ((light, operator.gt), (dark, operator.lt)):
        shades = re.findall(r"^ *\.b\d { --fill: (#\w+); --on: (#\w+); }$", css, re.MULTILINE)
        fills = [luminance(fill) for fill, _ in shades]
        assert len(shades) == len(page.EDGES) + 1
        assert all(stronger(a, b) and max(a, b) > 1.08 * min(a, b) for a, b in pairwise(fills))
        names = dict(re.findall(r"--(\w+): (#\w+);", css.split("}")[0]))
        inks, papers = ("ink", "faint", "mark", "strong"), ("paper", "sheet")
        texts = [(names[ink], names[paper]) for ink, paper in product(inks, papers)]
        signs = [(names["ink"], names[end]) for end in ("cold", "warm")]
        for low, high in (sorted(map(luminance, pair)) for pair in (*shades, *texts, *signs)):
            assert (high + 0.05) / (low + 0.05) >= 4.5


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


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium, chromium-browser or google-chrome on this machine")
def test_a_browser_shows_it_and_tells_the_five_likeliest(checkpoint, tmp_path):
    """Hovered, tapped and focused."""
    text = f"ab\tdef ghij\n\n{ATTACK}"
    content = made_page(checkpoint, text)
    (tmp_path / "page.html").write_text(content)
    browser = Browser(tmp_path / "profile")
    browser.open(tmp_path / "page.html")
    seen = {}

    def look(name=None):
        seen[name] = browser.run("card.hidden ? null : card.innerText")
        return seen[name]

    def focused():
        return browser.run("[...text.children].indexOf(document.activeElement)")

    def go(key):
        browser.press(key)
        return focused()

    assert browser.run("[...text.children].map(cell => cell.textContent)") == signs(text)
    assert look() is None
    browser.move("#text span:nth-child(6)")
    assert look("hovered")
    browser.move("h1")
    assert look() is None
    assert go("Tab") == 0 and "not predicted" in look()
    assert go("ArrowRight") == 1 and look("focused")
    assert go("ArrowLeft") == 0
    assert text[go("ArrowDown") - 1] == "\n", "the line below begins there"
    assert go("ArrowUp") == 0
    browser.press("Escape")
    assert look() is None
    browser.click("#text span:nth-child(8)")
    assert focused() == 7 and look("tapped")
    assert browser.run("[...text.children].filter(cell => cell.tabIndex === 0).length") == 1
    box = browser.run("card.getBoundingClientRect().toJSON()")
    assert box["left"] >= 0 and box["right"] <= 1280 and box["height"] > 80
    fill = browser.run("getComputedStyle(text.children[7]).backgroundColor")
    assert browser.requests == browser.complaints == []
    browser.close()

    for name, place in {"hovered": 5, "focused": 1, "tapped": 7}.items():
        (came, p), *likeliest = [pair.split(":") for pair in cells(content)[place][1].split()]
        assert f"{-math.log2(float(p)):.1f} bits" in seen[name]
        words = seen[name].split()
        rows = words[words.index("bits") + 1 :]  # label, number, %
        assert [words[0], *rows[::3]] == [page.label(CHARACTERS[int(i)]) for i in (came, *(i for i, _ in likeliest))]
        assert [float(q) for q in rows[1::3]] == pytest.approx([100 * float(q) for _, q in likeliest], rel=0.06)
    shade = re.search(rf"\.{cells(content)[7][0][0]} {{ --fill: #(\w+)", (PAGES / "shared.css").read_text())[1]
    assert fill == f"rgb({', '.join(map(str, bytes.fromhex(shade)))})"
