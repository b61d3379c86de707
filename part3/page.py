"""A text as a web page that shows, character by character, what surprised a model and what it expected instead."""

import base64
import hashlib
import unicodedata
from bisect import bisect_right
from html import escape
from pathlib import Path

EDGES = (0.5, 1, 2, 3, 4, 6, 8)  # bits, between the shades .b0, .b1, ... of page.css
STYLE, SCRIPT = (Path(__file__).with_name(name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))


def surprise_page(title, facts, notes, characters, ids, bits, likeliest, probabilities):
    """A whole HTML page, a str: every character on the colour of its surprise, -log2 p bits, with what was expected.

    It needs nothing from elsewhere, and forbids itself to: a browser runs its one script and style, known by their
    hashes, and loads nothing. Same arguments, same page.

    Args:
        title: the text's name.
        facts: {name: value} of str, shown as figures.
        notes: a sentence or more, shown below them.
        characters: the vocabulary, a str.
        ids: (N ≥ 1,) the text; its first character was not predicted.
        bits: (N - 1,) surprises of the others.
        likeliest, probabilities: (N - 1, k) ids of what was likeliest in their place, and how likely.
    """
    signs = [escape(_sign(character)) for character in characters]
    newlines = [" newline" * (character == "\n") for character in characters]
    cells = [f'<span class="{newlines[ids[0]]}">{signs[ids[0]]}</span>']
    for i, surprise, *expected in zip(ids[1:], bits, likeliest, probabilities, strict=True):
        pairs = [(i, 2**-surprise), *zip(*expected, strict=True)]
        p = " ".join(f"{id}:{probability:.3g}" for id, probability in pairs)
        shade = f"b{bisect_right(EDGES, surprise)}{newlines[i]}"
        cells.append(f'<span class="{shade}" data-p="{p}">{signs[i]}</span>')
    labels = escape(" ".join(_label(character) for character in characters))
    policy = f"default-src 'none'; style-src '{_hash(STYLE)}'; script-src '{_hash(SCRIPT)}'; base-uri 'none'"
    figures = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in facts.items())
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Surprise in {escape(title)}</title>
<style>{STYLE}</style>
</head>
<body>
<header>
<h1>{escape(title)}</h1>
<p>A network read this text and said, before each character, how likely it was. The darker a character, the less it was
expected: the surprise at one of probability <i>p</i> is −log<sub>2</sub> <i>p</i> bits.</p>
<dl>{figures}</dl>
<p class="notes">{escape(notes)}</p>
{_legend()}
</header>
<article id="text" lang="" dir="auto" translate="no" data-labels="{labels}">{"".join(cells)}</article>
<div id="card" role="status" hidden></div>
<script>{SCRIPT}</script>
</body>
</html>
"""


def _legend():
    """The scale of colours, from 0 bits on, with the probabilities that they mean."""
    shades = "".join(f'<td class="b{n}"></td>' for n in range(len(EDGES) + 1))
    bits = "".join(f"<th>{edge:g}</th>" for edge in EDGES)
    chances = "".join(f"<th>{f'1/{2**edge}' if edge >= 1 else ''}</th>" for edge in EDGES)
    return f"""<figure>
<table><tr>{shades}</tr><tr><th>0 bits</th>{bits}</tr><tr><th><i>p</i> = 1</th>{chances}</tr></table>
<figcaption class="hint">Point at a character or tap it, or press Tab and the arrow keys, to see the likeliest in its
place.</figcaption>
</figure>"""


def _sign(character):
    """How the text shows a character: itself, a control picture, or � for one without a sign of its own."""
    if character == "\n" or character.isprintable() or unicodedata.category(character) == "Zs":
        return character
    if character < " ":
        return chr(0x2400 + ord(character))
    return "␡" if character == "\x7f" else "�"


def _label(character):
    """How the card names a character: visible, and without a space."""
    if unicodedata.category(character).startswith("M"):  # a mark that stands on another character
        return f"◌{character}"
    sign = {"\n": "⏎", " ": "␣"}.get(character) or _sign(character)
    return f"U+{ord(character):04X}" if sign == "�" or sign.isspace() else sign


def _hash(content):
    """What a Content-Security-Policy knows an inline script or style by."""
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"
