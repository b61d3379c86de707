"""part3/page.py: one cell a character, escaped, in colours that can be read, and shown by a browser as promised."""

import html
import json
import math
import operator
import re
import unicodedata
from itertools import pairwise, product

import numpy as np
import pytest

from assets.page import PAGES
from part3 import page, score
from part3.dataset import encode
from part3.trained import Trained
from tests.browser import is_closed
from tests.test_part3_score import CHARACTERS, TEXT, directly, made_checkpoint

ATTACK = "<script>alert(1)</script>\"'&amp; </article>\n\n  \t\0\x7f"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return made_checkpoint(tmp_path_factory.mktemp("run"))


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


def test_a_browser_shows_it_and_tells_the_five_likeliest(browser, checkpoint, tmp_path):
    """Hovered, tapped and focused."""
    text = f"ab\tdef ghij\n\n{ATTACK}"
    content = made_page(checkpoint, text)
    (tmp_path / "page.html").write_text(content)
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
    assert browser.is_quiet()

    for name, place in {"hovered": 5, "focused": 1, "tapped": 7}.items():
        (came, p), *likeliest = [pair.split(":") for pair in cells(content)[place][1].split()]
        assert f"{-math.log2(float(p)):.1f} bits" in seen[name]
        words = seen[name].split()
        rows = words[words.index("bits") + 1 :]  # label, number, %
        assert [words[0], *rows[::3]] == [page.label(CHARACTERS[int(i)]) for i in (came, *(i for i, _ in likeliest))]
        assert [float(q) for q in rows[1::3]] == pytest.approx([100 * float(q) for _, q in likeliest], rel=0.06)
    shade = re.search(rf"\.{cells(content)[7][0][0]} {{ --fill: #(\w+)", (PAGES / "shared.css").read_text())[1]
    assert fill == f"rgb({', '.join(map(str, bytes.fromhex(shade)))})"
