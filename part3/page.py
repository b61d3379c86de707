"""A text as a web page that shows, character by character, what surprised a model and what it expected instead."""

import unicodedata
from bisect import bisect_right
from html import escape

from assets.page import make_page

EDGES = (0.5, 1, 2, 3, 4, 6, 8)  # bits, between the shades .b0, .b1, ... of the pages
HINT = "Point at a character or tap it, or press Tab and the arrow keys, to see the likeliest in its place."


def surprise_page(title, facts, notes, characters, ids, bits, likeliest, probabilities):
    """A whole HTML page, a str: every character on the colour of its surprise, -log2 p bits, with what was expected.

    Args:
        title: the text's name.
        facts: {name: value} of str, shown as figures.
        notes: a sentence or more, shown below them.
        characters: the vocabulary, a str.
        ids: (N ≥ 1,) the text; its first character was not predicted.
        bits: (N - 1,) surprises of the others.
        likeliest, probabilities: (N - 1, k) ids of what was likeliest in their place, and how likely.
    """
    signs = [escape(sign(character)) for character in characters]
    newlines = [" newline" * (character == "\n") for character in characters]
    cells = [f'<span class="{newlines[ids[0]]}">{signs[ids[0]]}</span>']
    for i, surprise, *expected in zip(ids[1:], bits, likeliest, probabilities, strict=True):
        pairs = [(i, 2**-surprise), *zip(*expected, strict=True)]
        p = " ".join(f"{id}:{probability:.3g}" for id, probability in pairs)
        shade = f"b{bisect_right(EDGES, surprise)}{newlines[i]}"
        cells.append(f'<span class="{shade}" data-p="{p}">{signs[i]}</span>')
    return make_page(
        "surprise",
        f"Surprise in {title}",
        [label(character) for character in characters],
        title=escape(title),
        figures="".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in facts.items()),
        notes=escape(notes),
        legend=f'<figure>{scale()}<figcaption class="hint">{HINT}</figcaption></figure>',
        cells="".join(cells),
    )


def scale():
    """The colours of surprise, a table in HTML: from 0 bits on, with the probabilities that they mean."""
    shades = "".join(f'<td class="b{n}"></td>' for n in range(len(EDGES) + 1))
    bits = "".join(f"<th>{edge:g}</th>" for edge in EDGES)
    chances = "".join(f"<th>{f'1/{2**edge}' if edge >= 1 else '0.7'}</th>" for edge in EDGES)
    return f"<table><tr>{shades}</tr><tr><th>0 bits</th>{bits}</tr><tr><th><i>p</i> = 1</th>{chances}</tr></table>"


def sign(character):
    """How a text shows a character: itself, a control picture, or � for one without a sign of its own."""
    if character == "\n" or character.isprintable() or unicodedata.category(character) == "Zs":
        return character
    if character < " ":
        return chr(0x2400 + ord(character))
    return "␡" if character == "\x7f" else "�"


def label(character):
    """How a character is named: visible, and without a space."""
    if unicodedata.category(character).startswith("M"):  # a mark that stands on another character
        return f"◌{character}"
    shown = {"\n": "⏎", " ": "␣"}.get(character) or sign(character)
    return f"U+{ord(character):04X}" if shown == "�" or shown.isspace() else shown
