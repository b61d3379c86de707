"""part3/score.py, page.py and novelty.py: exact scores, exact copies, and a page that a browser shows as promised."""

import base64
import hashlib
import html
import json
import math
import os
import shutil
import string
import subprocess
import sys
import unicodedata
from contextlib import contextmanager
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from common.checkpoint import write_checkpoint
from part3 import page, score
from part3.dataset import TextDataset, encode
from part3.novelty import longest_shared, share_found
from part3.trained import Trained, build_model
from tests.scripts import run, start

CHARACTERS = "".join(sorted(string.printable[:95] + "\n\t\0\x7f\x85\xa0\u0301\u202eé☃"))
TEXT = "".join(CHARACTERS[i] for i in np.random.default_rng(0).integers(len(CHARACTERS), size=700))
ATTACK = "<script>alert(1)</script>\"'&amp; </article>\n\n  \t\0\x7f"
SETTINGS = {"lstm_num_hidden": 9, "lstm_num_layers": 2, "dropout_keep_prob": 0.5, "embedding_dim": 7}
CHROMIUM = next(filter(shutil.which, ("chromium", "chromium-browser", "google-chrome")), None)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A model of random weights, as part3/train.py writes it, whose predictions are far from even."""
    torch.manual_seed(0)
    model = build_model(len(CHARACTERS), SETTINGS)
    with torch.no_grad():
        model.output.weight.mul_(20)
    path = tmp_path_factory.mktemp("run") / "best.pt"
    write_checkpoint(path, {"step": 1, "settings": SETTINGS, "characters": CHARACTERS, "model": model.state_dict()})
    return path


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(TEXT, newline="")
    return path


def directly(checkpoint, text):
    """Loss in nats of each character but the first, and whether it was the likeliest, from one call of the model."""
    ids = encode(text, CHARACTERS)
    logits, _ = Trained(checkpoint).model()(ids[None, :-1])
    return F.cross_entropy(logits[0], ids[1:], reduction="none"), (logits[0].argmax(1) == ids[1:]).double()


def printed(out):
    """The numbers that the script printed, by name."""
    rows = [line for line in out.splitlines() if line[20:22] == "  "]
    return {line[:20].strip(): float(line[20:].replace(",", "")) for line in rows}


def main(*args, capsys):
    """The exit status and the two outputs of the script, run in this process."""
    try:
        score.main([*map(str, args)])
        status = 0
    except SystemExit as ending:
        status = ending.code
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_score_equals_one_call_of_the_model(checkpoint, text):
    nats, hits = directly(checkpoint, TEXT)
    count, loss, accuracy = score.score(Trained(checkpoint).model(), encode(TEXT, CHARACTERS))
    assert count == len(TEXT) - 1 and hits.mean() > 0
    assert loss == pytest.approx(nats.mean().item(), abs=1e-5)
    assert accuracy == pytest.approx(hits.mean().item(), abs=1e-12)
    status, out, err = run("part3/score.py", "--txt_file", text, "--checkpoint", checkpoint.parent)
    assert status == 0, err
    assert "text.txt: 700 characters, read in one, the state carried" in out and "step 1\n" in out
    assert printed(out) == pytest.approx(
        {
            "characters predicted": 699,
            "nats per character": loss,
            "bits per character": loss / math.log(2),
            "perplexity": math.exp(loss),
            "accuracy": accuracy,
        },
        abs=5e-4,
    )


def test_stretches_each_begin_with_a_zero_state(checkpoint, text, capsys):
    parts = [directly(checkpoint, TEXT[start : start + 65]) for start in range(0, 640, 64)]  # 59 characters are left
    expected = torch.cat([nats for nats, _ in parts])
    count, loss, accuracy = score.score(Trained(checkpoint).model(), encode(TEXT, CHARACTERS), stretch=64)
    assert count == len(expected) == 640 and loss == pytest.approx(expected.mean().item(), abs=1e-5)
    assert accuracy == pytest.approx(torch.cat([hits for _, hits in parts]).mean().item())
    bits, _, _ = score.expectations(Trained(checkpoint).model(), encode(TEXT, CHARACTERS), stretch=64)
    torch.testing.assert_close(bits, expected / math.log(2), rtol=1e-4, atol=1e-5)
    _, out, _ = main("--txt_file", text, "--checkpoint", checkpoint, "--stretch", 64, capsys=capsys)
    assert "read in stretches of 64 characters, each from a zero state" in out and printed(out)["accuracy"] > 0
    _, out, _ = main("--txt_file", text, "--checkpoint", checkpoint, "--stretch", 699, capsys=capsys)
    assert "read in one" in out


@pytest.mark.parametrize("fraction", [0.1, 0.333, 0.0107])
def test_the_part_scored_is_what_training_held_out(checkpoint, text, capsys, fraction):
    held_out = TextDataset(text, 5, val_fraction=fraction)
    part = held_out.convert_to_string(held_out.held_out)
    _, out, _ = main("--txt_file", text, "--checkpoint", checkpoint, "--val_fraction", fraction, capsys=capsys)
    assert f"the last {100 * fraction:g} %: {len(part)} characters" in out
    assert printed(out)["nats per character"] == pytest.approx(directly(checkpoint, part)[0].mean().item(), abs=1e-4)


def test_each_surprise_and_the_five_likeliest(checkpoint):
    nats, _ = directly(checkpoint, TEXT)
    model, ids = Trained(checkpoint).model(), encode(TEXT, CHARACTERS)
    for stretch in (None, 50):
        bits, likeliest, probabilities = score.expectations(model, ids, stretch)
        assert len(bits) == (699 if stretch is None else 650) and likeliest.shape == probabilities.shape
    bits, likeliest, probabilities = score.expectations(model, ids)
    torch.testing.assert_close(bits, nats / math.log(2), rtol=1e-5, atol=1e-5)
    p = model(ids[None, :-1])[0][0].softmax(dim=1)
    torch.testing.assert_close(p.gather(1, likeliest), probabilities)
    assert likeliest.shape == (699, 5) and (probabilities.diff() <= 0).all() and probabilities.sum(1).max() <= 1 + 1e-6
    torch.testing.assert_close(probabilities[:, 0], p.max(dim=1).values)


@settings(max_examples=300, deadline=None)
@given(st.text("ab\n", max_size=14), st.text("ab\n", max_size=14), st.integers(1, 5))
def test_novelty_is_what_brute_force_finds(sample, book, n):
    passages = (
        sample[i : i + length] for length in range(len(sample), -1, -1) for i in range(len(sample) - length + 1)
    )
    assert longest_shared(sample, book) == next(passage for passage in passages if passage in book)
    found = [sample[i : i + n] in book for i in range(len(sample) - n + 1)]
    assert share_found(sample, book, n) == pytest.approx(np.mean(found) if found else math.nan, nan_ok=True)


def test_novelty_needs_no_model(text, tmp_path, capsys, monkeypatch):
    flags = ["--txt_file", text, "--checkpoint", "/no/such.pt", "--novelty"]
    sample = f"ÄÄÄÄ{TEXT[100:400]}ÖÖÖÖ"
    (tmp_path / "sample.txt").write_text(sample, newline="")
    status, out, err = main(*flags, tmp_path / "sample.txt", capsys=capsys)
    assert status == 0, err
    copied = TEXT[100:400]
    assert f"longest shared passage: 300 characters: {copied[:60]!r} ... {copied[-60:]!r}\n" in out
    assert f"20-grams found in the book: {281 / 289:.4f} of 289\n" in out
    for sample in ("", "ÄÖ"):
        (tmp_path / "sample.txt").write_text(sample)
        status, out, _ = main(*flags, tmp_path / "sample.txt", capsys=capsys)
        assert status == 0 and "passage: 0 characters\n" in out and f"the sample has only {len(sample)}" in out
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")  # a terminal that cannot show TEXT
    assert not (TEXT[:60] + TEXT[-60:]).isascii()
    with open(text) as file:
        status, out, err = run("part3/score.py", *flags, "-", stdin=file)
    assert status == 0 and "longest shared passage: 700 characters" in out and "1.0000 of 681" in out, err


@pytest.mark.parametrize(
    "flags, named",
    [
        (["--txt_file", "/no/such.txt"], "/no/such.txt"),
        (["--txt_file", "/"], "not a regular file"),
        (["--encoding", "utf-16"], "is not utf-16"),
        (["--encoding", "klingon"], "klingon"),
        (["--checkpoint", "/no/such.pt"], "/no/such.pt"),
        (["--checkpoint", "TXT"], "damaged"),
        (["--checkpoint", "CUT"], "damaged"),
        (["--val_fraction", "0"], "'0'"),
        (["--val_fraction", "1"], "'1'"),
        (["--val_fraction", "0.001"], "1 characters to score"),
        (["--stretch", "0"], "'0'"),
        (["--device", "cuda:99"], "cuda:99"),
        (["--html", "/no/such/page.html"], "/no/such/page.html"),
        (["--html", "/"], "--html / "),
        (["--html", ""], "--html "),
        (["--html", "TXT"], "overwrite"),
        (["--html", "CHECKPOINT"], "overwrite"),
        (["--novelty", "/no/such.txt"], "/no/such.txt"),
        (["--novelty", "TXT", "--html", "page.html"], "--html"),
        (["--novelty", "-", "--txt_file", "-"], "standard input"),
    ],
)
def test_bad_input_costs_one_line(checkpoint, text, tmp_path, capsys, flags, named):
    (tmp_path / "odd.txt").write_bytes(TEXT.encode() + b"!" * (len(TEXT.encode()) % 2 == 0))  # no whole 16-bit units
    (tmp_path / "cut.pt").write_bytes(checkpoint.read_bytes()[:-500])
    places = {"TXT": text, "CUT": tmp_path / "cut.pt", "CHECKPOINT": checkpoint}
    source = tmp_path / "odd.txt" if "utf-16" in flags else text
    flags = [places.get(flag, flag) for flag in flags]
    status, out, err = main("--txt_file", source, "--checkpoint", checkpoint, *flags, capsys=capsys)
    assert (status, out, err.count("\n")) == (2, "", 1) and named in err


@pytest.mark.parametrize("raw, count", [(b"", 0), (b"a", 1), (b"\xef\xbb\xbfa", 1)])
def test_a_text_of_less_than_two_characters(checkpoint, tmp_path, capsys, raw, count):
    (tmp_path / "short.txt").write_bytes(raw)
    status, out, err = main("--txt_file", tmp_path / "short.txt", "--checkpoint", checkpoint, capsys=capsys)
    assert (status, out, err.count("\n")) == (2, "", 1) and f"{count} characters to score" in err


def test_unknown_characters_are_named_or_skipped(checkpoint, tmp_path, capsys):
    path = tmp_path / "text.txt"
    path.write_text("aßbЖc")
    status, _, err = main("--txt_file", path, "--checkpoint", checkpoint, capsys=capsys)
    assert status == 2 and "'ß' (place 1)" in err and err.count("\n") == 1
    _, out, _ = main("--txt_file", path, "--checkpoint", checkpoint, "--unknown", "skip", capsys=capsys)
    assert out.startswith("2 characters that the model does not know were skipped\n")
    assert printed(out)["nats per character"] == pytest.approx(directly(checkpoint, "abc")[0].mean().item(), abs=1e-4)


@contextmanager
def standard_input(path):
    """Read standard input, file descriptor 0, from a file."""
    before = os.dup(0)
    with open(path) as file:
        os.dup2(file.fileno(), 0)
    try:
        yield
    finally:
        os.dup2(before, 0)
        os.close(before)


@pytest.mark.parametrize("raw", [b"\xef\xbb\xbfa\r\nb\0c\rd", "a\nb\0c\nd".encode("utf-16")])
def test_standard_input_is_read_as_a_file_is(checkpoint, tmp_path, capsys, raw):
    (tmp_path / "text").write_bytes(raw)
    encoding = "utf-8" if raw.startswith(b"\xef") else "utf-16"
    flags = ["--checkpoint", checkpoint, "--txt_file", "-", "--encoding"]
    with standard_input(tmp_path / "text"):
        status, out, err = main(*flags, encoding, capsys=capsys)
    assert status == 0, err
    assert printed(out)["characters predicted"] == 6
    expected = directly(checkpoint, "a\nb\0c\nd")[0].mean().item()
    assert printed(out)["nats per character"] == pytest.approx(expected, abs=1e-4)
    with standard_input(tmp_path / "text"):
        status, out, err = main(*flags, "ascii", capsys=capsys)
    assert (status, out, err.count("\n")) == (2, "", 1) and "standard input" in err


def test_it_ends_quietly_on_ctrl_c_and_when_nobody_reads(checkpoint, text, monkeypatch, capsys):
    process = start("part3/score.py", "--txt_file", text, "--checkpoint", checkpoint, fresh=True)
    process.stdout.close()
    assert (process.wait(timeout=60), process.stderr.read()) == (0, "")

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(score, "read", interrupted)
    assert main("--txt_file", "-", "--checkpoint", checkpoint, capsys=capsys) == (130, "", "")


def test_a_perplexity_beyond_all_numbers(checkpoint, text, monkeypatch, capsys):
    monkeypatch.setattr(score, "score", lambda *_: (699, 1e4, 0.0))
    status, out, _ = main("--txt_file", text, "--checkpoint", checkpoint, capsys=capsys)
    assert status == 0 and printed(out)["perplexity"] == math.inf


class Cells(HTMLParser):
    """A page taken apart: text and data-p of the cells, the labels, and every attribute."""

    def __init__(self, content):
        super().__init__()
        self.cells, self.attributes, self.tags, self.labels, self.inside = [], [], [], None, False
        self.feed(content)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes
        attributes = dict(attributes)
        if attributes.get("id") == "text":
            self.inside, self.labels = True, attributes["data-labels"].split(" ")
        elif self.inside:
            assert tag == "span"
            self.cells.append(["", attributes])

    def handle_endtag(self, tag):
        self.inside &= tag != "article"

    def handle_data(self, data):
        if self.inside:
            self.cells[-1][0] += data


def made_page(checkpoint, text, **changes):
    """A page of the text under the checkpoint."""
    ids = encode(text, CHARACTERS)
    parts = (part.tolist() for part in score.expectations(Trained(checkpoint).model(), ids))
    told = {"title": "a <b> & \"c\" 'd'", "facts": {"bits & <pieces>": "1.5"}, "notes": "</p> & more", **changes}
    return page.surprise_page(**told, characters=CHARACTERS, ids=ids.tolist(), **dict(zip(NAMES, parts, strict=True)))


NAMES = ("bits", "likeliest", "probabilities")


def sign(character):
    """What a page shows for a character."""
    if character == "\n" or (character >= " " and character not in "\x7f\x85\u202e"):
        return character
    return {"\x7f": "␡", "\x85": "�", "\u202e": "�"}.get(character) or chr(ord(character) + 0x2400)


@pytest.mark.parametrize("text", [TEXT, ATTACK, "a\n\n\nb\n", '""'])
def test_a_page_has_one_cell_a_character_with_what_was_expected(checkpoint, text):
    parsed = Cells(made_page(checkpoint, text))
    assert [content for content, _ in parsed.cells] == [sign(character) for character in text]
    assert "class" not in parsed.cells[0][1] or parsed.cells[0][1]["class"] == "newline"
    assert "data-p" not in parsed.cells[0][1], "the first was not predicted"
    nats, _ = directly(checkpoint, text)
    for character, surprise, (_, attributes) in zip(text[1:], nats / math.log(2), parsed.cells[1:], strict=True):
        (came, p), *likeliest = [pair.split(":") for pair in attributes["data-p"].split()]
        assert CHARACTERS[int(came)] == character and -math.log2(float(p)) == pytest.approx(surprise.item(), abs=0.01)
        assert len(likeliest) == 5 and sum(float(q) for _, q in likeliest) <= 1 + 5 * 0.0005  # each is rounded
        shade = int(attributes["class"].split()[0][1:])
        assert [0, *page.EDGES][shade] <= surprise + 1e-4 and surprise - 1e-4 <= [*page.EDGES, math.inf][shade]
        assert ("newline" in attributes["class"]) == (character == "\n")
    labels = parsed.labels
    assert len(labels) == len(set(labels)) == len(CHARACTERS) and all(labels)
    shown = dict(zip(CHARACTERS, labels, strict=True))
    assert [shown[c] for c in "\n \0\t\x7f\x85\xa0\u202e\u0301é<"] == [
        "⏎", "␣", "␀", "␉", "␡", "U+0085", "U+00A0", "U+202E", "◌\u0301", "é", "<",
    ]  # fmt: skip


def test_a_page_is_whole_escaped_and_always_the_same(checkpoint):
    content = made_page(checkpoint, ATTACK)
    assert content == made_page(checkpoint, ATTACK)
    parsed = Cells(content)
    assert parsed.tags.count("script") == 1 and parsed.tags.count("style") == 1 and "alert(1)" not in content
    assert not {name for name, _ in parsed.attributes} & {"src", "href", "style", "onclick"}
    assert "http:" not in content and "https:" not in content and "url(" not in content and "@import" not in content
    assert "<b>" not in content and "&lt;b&gt; &amp; &quot;c&quot; &#x27;d&#x27;" in content
    assert "<pieces>" not in content and "&lt;/p&gt; &amp; more" in content
    allowed = {ord(character) for character in "\n"}
    assert not [c for c in content if unicodedata.category(c) == "Cc" and ord(c) not in allowed], "control characters"
    content.encode()


def test_lone_surrogates_do_not_stop_a_page():
    content = page.surprise_page("t", {}, "", "\ud800a", [1, 0], [1.0], [[0, 1]], [[0.5, 0.5]])
    assert "�" in content and "U+D800" in content and content.encode()


def luminance(colour):
    """Relative luminance of #rgb or #rrggbb (WCAG 2)."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    parts = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def test_colours_darken_and_every_text_stands_out():
    backgrounds = [luminance(background) for background, _ in page.COLOURS]
    assert len(backgrounds) == len(page.EDGES) + 1 and all(a > 1.08 * b for a, b in pairwise(backgrounds))
    for background, (_, ink) in zip(backgrounds, page.COLOURS, strict=True):
        low, high = sorted((background, luminance(ink)))
        assert (high + 0.05) / (low + 0.05) >= 4.5
    faintest = backgrounds[2]  # the darkest that bears the faint sign of a newline
    assert (faintest + 0.05) / (luminance(page.FAINT) + 0.05) >= 4.5


def test_a_long_text_is_shown_in_part_and_stays_small(checkpoint, tmp_path, capsys):
    (tmp_path / "long.txt").write_text((TEXT.replace("\n", " ") * 40)[: score.SHOWN + 5_000], newline="")
    flags = ["--txt_file", tmp_path / "long.txt", "--checkpoint", checkpoint, "--html", tmp_path / "page.html"]
    status, out, err = main(*flags, capsys=capsys)
    assert status == 0, err
    told = "the first 20,000 of 25,000 characters"
    content = (tmp_path / "page.html").read_text()
    assert told in out and f"Shown are {told}" in content
    assert content.count("<span") == 20_000 and len(content.encode()) < 5e6
    assert f"<dd>{printed(out)['nats per character']:.4f}</dd>" in content
    assert "best.pt, step 1" in content and str(tmp_path) not in content and "long.txt" in content


@pytest.mark.skipif(sys.platform != "linux", reason="this system has no file names that are not UTF-8")
def test_a_file_name_that_is_not_utf_8(checkpoint, tmp_path, capsys):
    path = tmp_path / os.fsdecode(b"caf\xe9.txt")
    path.write_text("abc")
    status, out, err = main("--txt_file", path, "--checkpoint", checkpoint, "--html", tmp_path / "p", capsys=capsys)
    assert status == 0 and out.startswith("caf\\udce9.txt: 3 characters"), err
    assert "<h1>caf?.txt</h1>" in (tmp_path / "p").read_text()


PROBE = """
const seen = { errors, violations }, cells = text.children;
const look = name => { seen[name] = card.hidden ? null : card.innerText; };
const press = key => {
  document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  return [...cells].indexOf(document.activeElement);
};
look("before");
cells[5].dispatchEvent(new MouseEvent("mouseover", { bubbles: true })); look("hovered");
text.dispatchEvent(new MouseEvent("mouseleave")); look("away");
seen.tabbable = [...cells].map(cell => cell.tabIndex).indexOf(0);
cells[0].focus(); look("first");
seen.right = press("ArrowRight"); look("focused");
seen.left = press("ArrowLeft");
seen.down = press("ArrowDown"); seen.up = press("ArrowUp");
press("Escape"); look("escaped");
cells[7].click(); look("tapped");
seen.tapped_at = [...cells].indexOf(document.activeElement);
seen.number_tabbable = [...cells].filter(cell => cell.tabIndex === 0).length;
const box = card.getBoundingClientRect();
seen.card_in_window = box.left >= 0 && box.right <= innerWidth && box.height > 80;
seen.background = getComputedStyle(cells[7]).backgroundColor;
seen.bar = getComputedStyle(card.querySelector("i"), "::before").width;
setTimeout(() => { document.title = JSON.stringify(seen); }, 100); // violations are told a little later
"""
LISTEN = """
const errors = [], violations = [];
addEventListener("error", event => errors.push(event.message));
addEventListener("securitypolicyviolation", event => violations.push(event.violatedDirective));
"""


def allow(content, script):
    """A page that may also run an inline script."""
    key = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return content.replace("script-src '", f"script-src 'sha256-{key}' '", 1)


def browse(path, tmp_path):
    """The document that a real browser has made of a page, as HTML."""
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    done = subprocess.run(
        [*command, "--virtual-time-budget=1000", "--dump-dom", path.as_uri()], capture_output=True, timeout=120
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium, chromium-browser or google-chrome on this machine")
def test_a_browser_shows_it_and_tells_the_five_likeliest(checkpoint, tmp_path):
    """Hovered, tapped and focused; and no script runs but the page's own."""
    text = f"ab\tdef ghij\n\n{ATTACK}"
    content = made_page(checkpoint, text)
    probed = allow(allow(content, PROBE), LISTEN).replace("<title>", f"<script>{LISTEN}</script><title>")
    probed = probed.replace("</body>", f"<script>document.title = 'ran'</script><script>{PROBE}</script></body>")
    (tmp_path / "page.html").write_text(probed)
    for _ in range(5):  # a window without a screen does not always get the focus, and then no focus event comes
        dom = browse(tmp_path / "page.html", tmp_path)
        seen = json.loads(html.unescape(dom.split("<title>")[1].split("</title>")[0]))
        if seen["first"]:
            break

    assert [shown for shown, _ in Cells(dom).cells] == [sign(character) for character in text]
    assert seen["errors"] == [] and seen["violations"] == ["script-src-elem"], "only the script that was not allowed"
    assert seen["before"] is None and seen["away"] is None and seen["escaped"] is None
    assert seen["first"] and "not predicted" in seen["first"]
    assert (seen["tabbable"], seen["right"], seen["left"], seen["up"], seen["tapped_at"]) == (0, 1, 0, 0, 7)
    assert text[seen["down"] - 1] == "\n", "the line below begins there"
    assert seen["number_tabbable"] == 1 and seen["card_in_window"]

    nats, _ = directly(checkpoint, text)
    labels = dict(zip(CHARACTERS, Cells(content).labels, strict=True))
    p = Trained(checkpoint).model()(encode(text, CHARACTERS)[None, :-1])[0][0].softmax(dim=1)
    for name, place in {"hovered": 5, "focused": 1, "tapped": 7}.items():
        words = seen[name].split()
        assert words[0] == labels[text[place]] and words[-1] == "%"
        assert f"{nats[place - 1].item() / math.log(2):.1f} bits" in " ".join(words)
        best = p[place - 1].topk(5)
        rows = words[words.index("bits") + 1 :]  # label, number, %
        assert rows[::3] == [labels[CHARACTERS[i]] for i in best.indices.tolist()]
        for shown, probability in zip(rows[1::3], best.values.tolist(), strict=True):
            assert float(shown) == pytest.approx(100 * probability, rel=0.06)
    shade = int(Cells(content).cells[7][1]["class"][1:])
    red, green, blue = (int(page.COLOURS[shade][0][i : i + 2], 16) for i in (1, 3, 5))
    assert seen["background"] == f"rgb({red}, {green}, {blue})" and float(seen["bar"][:-2]) > 0
