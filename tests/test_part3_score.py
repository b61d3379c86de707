"""part3/score.py, page.py and novelty.py: the score is the model's, the page shows it in a real browser."""

import html.parser
import json
import math
import re
import shutil
import subprocess

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from common.checkpoint import write_checkpoint
from part3 import score
from part3.novelty import longest_shared, share_found
from part3.trained import build_model
from tests.scripts import run

CHARACTERS = "\x00\n \"&'()/1<>abcdehilnoprstuwy"
TEXT = 'the cat sat on the "old" cushion <b>\nand ate & slept <script>alert(1)</script>\n' * 3
SETTINGS = {"lstm_num_hidden": 9, "lstm_num_layers": 2, "dropout_keep_prob": 0.5, "embedding_dim": 4}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A checkpoint of a model with random weights, and a text that it knows the characters of."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("score")
    model = build_model(len(CHARACTERS), SETTINGS)
    for p in model.parameters():
        torch.nn.init.uniform_(p, -1, 1)
    state = {"step": 7, "settings": SETTINGS, "characters": CHARACTERS, "model": model.state_dict()}
    write_checkpoint(folder / "best.pt", state)
    (folder / "text.txt").write_text(TEXT)
    return folder


def by_hand(folder, text, stretch=None):
    """Loss in nats and accuracy by one call of the model."""
    state = torch.load(folder / "best.pt", weights_only=True)
    model = build_model(len(CHARACTERS), SETTINGS)
    model.load_state_dict(state["model"])
    ids = torch.tensor([CHARACTERS.index(c) for c in text])
    stretch = stretch or len(ids) - 1
    rows = (len(ids) - 1) // stretch
    inputs, targets = (ids[start:][: rows * stretch].view(rows, stretch) for start in (0, 1))
    logits = model.eval()(inputs)[0].flatten(0, 1)
    loss = F.cross_entropy(logits, targets.flatten()).item()
    return loss, (logits.argmax(1) == targets.flatten()).double().mean().item()


def start(folder, *args, text=None, **popen):
    return run("part3/score.py", "--checkpoint", folder, "--txt_file", text or folder / "text.txt", *args, **popen)


@pytest.mark.parametrize("stretch, val_fraction", [(None, 1), (None, 0.25), (16, 1)])
def test_the_score_is_the_models(folder, stretch, val_fraction):
    scored = TEXT[len(TEXT) - round(val_fraction * len(TEXT)) :]
    loss, accuracy = by_hand(folder, scored, stretch)
    flags = ["--val_fraction", val_fraction, *(["--stretch", stretch] if stretch else [])]
    status, out, err = start(folder, *flags)
    assert status == 0, err
    nats, bits, perplexity, right = map(float, re.findall(r"\d+\.\d+", out.splitlines()[0]))
    assert nats == pytest.approx(loss, abs=1e-4) and bits == pytest.approx(loss / math.log(2), abs=1e-4)
    assert perplexity == pytest.approx(math.exp(loss), abs=1e-3) and right == pytest.approx(100 * accuracy, abs=0.06)


def test_unknown_characters_and_standard_input(folder, tmp_path):
    (tmp_path / "t.txt").write_text(TEXT + "Z")
    status, _, err = start(folder, text=tmp_path / "t.txt")
    assert status == 2 and "'Z'" in err and "--unknown skip" in err and err.count("\n") == 1
    expected = start(folder)[1].splitlines()[0]
    status, out, _ = start(folder, "--unknown", "skip", text=tmp_path / "t.txt")
    assert status == 0 and out.splitlines()[0] == expected and "1 unknown" in out
    with open(folder / "text.txt") as file:
        assert start(folder, text="-", stdin=file)[1].splitlines()[0] == expected


@given(st.text("ab", max_size=30), st.text("ab", max_size=30), st.integers(1, 6))
def test_novelty_equals_brute_force(sample, book, n):
    passages = [sample[i:j] for i in range(len(sample)) for j in range(i + 1, len(sample) + 1)]
    assert longest_shared(sample, book) == max((p for p in passages if p in book), key=len, default="")
    grams = [sample[i : i + n] for i in range(len(sample) - n + 1)]
    share = sum(gram in book for gram in grams) / len(grams) if grams else math.nan
    assert share_found(sample, book, n) == pytest.approx(share, nan_ok=True)


def test_novelty_of_a_sample(folder, tmp_path):
    copied = TEXT[10:60]
    (tmp_path / "sample.txt").write_text("wholly new " + copied)
    status, out, err = start(folder, "--novelty", tmp_path / "sample.txt", "--checkpoint", "/not/needed")
    assert status == 0, err
    # Of the 42 20-grams 31 lie in the copied passage alone.
    assert f"50 of 61 characters: {copied!r}" in out and "73.8 %" in out
    (tmp_path / "sample.txt").write_text("short")
    assert "none: the sample is shorter" in start(folder, "--novelty", tmp_path / "sample.txt")[1]


@pytest.mark.parametrize(
    "flags, named",
    [
        (["--txt_file", "/no/such.txt"], "/no/such.txt"),
        (["--txt_file", "/"], "not a regular file"),
        (["--txt_file", "/dev/null"], "not a regular file"),
        (["--checkpoint", "/no/such.pt"], "/no/such.pt"),
        (["--checkpoint", __file__], "damaged"),
        (["--val_fraction", "0"], "'0'"),
        (["--val_fraction", "0.001"], "0 characters"),
        (["--stretch", "0"], "'0'"),
        (["--html", "/no/such/page.html"], "/no/such"),
        (["--novelty", "/no/such.txt"], "/no/such.txt"),
        (["--encoding", "klingon"], "klingon"),
        (["--device", "cuda:99"], "cuda:99"),
    ],
)
def test_bad_input_is_one_line(folder, capsys, flags, named):
    with pytest.raises(SystemExit) as caught:
        score.main(["--txt_file", str(folder / "text.txt"), "--checkpoint", str(folder), *flags])
    captured = capsys.readouterr()
    assert (caught.value.code, captured.out, captured.err.count("\n")) == (2, "", 1) and named in captured.err


class Page(html.parser.HTMLParser):
    """What the page shows: the characters of the text, and every attribute that could name something outside."""

    def __init__(self, source):
        super().__init__()
        self.spans, self.outside, self.in_text, self.data = [], [], False, ""
        self.feed(source)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.outside += [name for name in attributes if name in ("src", "href")] + [tag] * (tag in ("link", "img"))
        if tag == "div":
            self.in_text = attributes.get("class") == "text"
        if tag == "span" and self.in_text:
            self.spans.append((attributes["class"], ""))

    def handle_data(self, data):
        if self.in_text and self.spans:
            self.spans[-1] = (self.spans[-1][0], self.spans[-1][1] + data)

    def handle_endtag(self, tag):
        if tag == "div":
            self.in_text = False


@pytest.fixture(scope="module")
def page(folder, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "page.html"
    (path.parent / "text.txt").write_text("\x00" + TEXT)
    status, out, err = start(folder, "--html", path, text=path.parent / "text.txt")
    assert status == 0 and "page.html" in out, err
    return path


def test_the_page_holds_the_text_and_nothing_from_outside(page):
    source = page.read_text()
    seen = Page(source)
    shown = "".join(text for _, text in seen.spans)
    assert shown.replace("⏎\n", "\n").replace("␀", "\x00") == "\x00" + TEXT
    assert seen.spans[0][0] == "first" and all(re.match(r"s\d", name) for name, _ in seen.spans[1:])
    assert seen.outside == [] and "http:" not in source and "https:" not in source
    assert source.count("<script>") == 1  # that of the text is escaped


def test_the_colours_are_the_surprises(page):
    source = page.read_text()
    predictions = json.loads(re.search(r"^const PREDICTIONS = (.*);$", source, re.MULTILINE)[1])
    for (name, _), (bits, five) in zip(Page(source).spans[1:], predictions[1:], strict=True):
        assert name.split()[0] == f"s{sum(bits >= low for low in (0.5, 1, 2, 3, 4.5, 6.5, 9))}"
        p = [q for _, q in five]
        assert len(five) == 5 and p == sorted(p, reverse=True) and sum(p) <= 1.01
        assert 2**-bits <= p[0] * 1.01


def test_levels_are_legible_and_fall_in_luminance():
    from part3.page import LEVELS

    def luminance(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    papers = [luminance(paper) for _, paper, _ in LEVELS]
    assert papers == sorted(papers, reverse=True)
    for paper, (_, _, ink) in zip(papers, LEVELS, strict=True):
        light, dark = sorted([paper, luminance(ink)], reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5  # WCAG 2, level AA


def test_a_browser_shows_what_was_likeliest(page, tmp_path):
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("no chromium is installed")
    probe = """<script>{
      const spans = document.querySelectorAll(".text span"), box = document.getElementById("likeliest");
      spans[5].dispatchEvent(new MouseEvent("mouseover", {bubbles: true}));
      const hovered = box.innerText;
      spans[0].focus();
      document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowRight", bubbles: true}));
      const stepped = box.innerText;
      document.title = JSON.stringify([hovered, stepped, spans.length, getComputedStyle(spans[5]).backgroundColor]);
    }</script>"""
    (tmp_path / "probe.html").write_text(page.read_text().replace("</body>", probe + "</body>"))
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'user'}"]
    result = subprocess.run(
        [*command, "--dump-dom", f"file://{tmp_path / 'probe.html'}"], capture_output=True, text=True, timeout=120
    )
    title = re.search("<title>(.*?)</title>", result.stdout, re.DOTALL)[1]
    hovered, stepped, count, colour = json.loads(title.replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">"))
    assert count == 1 + len(TEXT)
    for said, character in ((hovered, "c"), (stepped, "t")):
        assert said.startswith(character) and said.count("%") == 6 and "bits" in said
    assert colour.startswith("rgb")
