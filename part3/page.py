"""A text as a web page that shows, character by character, what surprised a model and what it expected instead."""

import base64
import hashlib
import unicodedata
from bisect import bisect_right
from html import escape

EDGES = (0.5, 1, 2, 3, 4, 6, 8)  # bits, between the colours
INK, FAINT, PAPER = "#221c18", "#6a5f57", "#fffefb"
# Pale to dark in even steps of lightness, so in any colour vision and in grey; (background, text), contrast ≥ 4.5.
COLOURS = (
    (PAPER, INK),
    ("#f9f1cb", INK),
    ("#fadf97", INK),
    ("#f7c066", INK),
    ("#f09841", INK),
    ("#d6682f", INK),
    ("#a1392c", "#fff"),
    ("#5c1b25", "#fff"),
)

STYLE = """
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: 3rem 1.25rem 6rem; max-width: 49rem; box-sizing: border-box;
  font: 1.0625rem/1.75 Charter, "Bitstream Charter", "Iowan Old Style", Palatino, Georgia, serif;
  color: INK; background: PAPER;
}
h1 { margin: 0; font-size: 1.9rem; font-weight: normal; line-height: 1.2; overflow-wrap: anywhere; }
p { margin: 1rem 0; max-width: 38rem; line-height: 1.55; }
.notes { max-width: none; font-size: .85rem; color: FAINT; overflow-wrap: anywhere; }
dl { display: flex; flex-wrap: wrap; gap: 1rem 2rem; margin: 1.5rem 0; }
dl div { display: flex; flex-direction: column-reverse; }
dt { font-size: .85rem; line-height: 1.3; color: FAINT; }
dd { margin: 0; font-size: 1.35rem; line-height: 1.3; font-variant-numeric: tabular-nums lining-nums; }
figure { margin: 1.5rem 0 0; padding-bottom: 1.75rem; border-bottom: 1px solid #ddd5cb; }
table { width: 100%; border-collapse: collapse; table-layout: fixed; font-size: .8rem; line-height: 1.4; }
td { height: 1.1rem; padding: 0; box-shadow: inset 0 0 0 1px #0001; }
th { padding: .25rem 0 0; font-weight: normal; text-align: left; white-space: nowrap; }
figcaption { margin-top: .5rem; font-size: .85rem; line-height: 1.4; color: FAINT; }
#text { margin-top: 1.75rem; white-space: pre-wrap; overflow-wrap: anywhere; tab-size: 4; }
#text span { cursor: pointer; padding: .12em 0; border-radius: 1px; }
#text span:hover, #text span:focus { outline: 2px solid #0072b2; outline-offset: 1px; }
#text .newline::before { content: "⏎"; font-size: .7em; }
#text .newline:not(.b3, .b4, .b5, .b6, .b7)::before { color: FAINT; } /* on darker ones it would be lost */
sub { line-height: 0; }
td, #text [data-p] { forced-color-adjust: none; }
#card {
  position: absolute; z-index: 1; box-sizing: border-box; width: 15rem; padding: .6rem .8rem;
  font-size: .9rem; line-height: 1.5; font-variant-numeric: tabular-nums lining-nums; pointer-events: none;
  color: INK; background: #fff; border: 1px solid #cfc5b9; border-radius: 6px; box-shadow: 0 3px 14px #0003;
}
#card p { max-width: none; display: flex; justify-content: space-between; gap: .8em; margin: 0; }
#card p:first-child { margin-bottom: .35rem; padding-bottom: .35rem; border-bottom: 1px solid #ddd5cb; }
#card b { min-width: 1.6em; white-space: nowrap; }
#card i { flex: 1; align-self: center; height: .6em; }
#card i::before { content: ""; display: block; width: var(--p); min-width: 1px; height: 100%; background: #b9ada0; }
#card .came { font-weight: bold; }
#card .came i::before { background: #0072b2; }
@media (max-width: 40rem) {
  html { scroll-padding-bottom: 14rem; }
  body { padding: 1.5rem 1rem 17rem; font-size: 1rem; }
  #card { position: fixed; inset: auto .5rem .5rem !important; width: auto; }
}
@media (max-width: 22rem) { table { font-size: .68rem; } }
@media print {
  body { max-width: none; padding: 0; font-size: 10.5pt; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  #card, .hint { display: none; }
}
"""
STYLE = STYLE.replace("INK", INK).replace("FAINT", FAINT).replace("PAPER", PAPER) + "\n".join(
    f".b{n} {{ background: {background}; color: {ink}; }}" for n, (background, ink) in enumerate(COLOURS)
)

SCRIPT = """
"use strict";
const text = document.getElementById("text"), card = document.getElementById("card");
const labels = text.dataset.labels.split(" ");
let current = text.firstElementChild; // where Tab goes; the arrow keys move it
current.tabIndex = 0;

const percent = p => p > 0.995 ? "> 99 %" : Number((100 * p).toPrecision(2)) + " %";
const place = cell => cell.getClientRects()[0];
const neighbour = (cell, step) => step > 0 ? cell.nextElementSibling : cell.previousElementSibling;

function row(...parts) { // of the card: [tag, text] side by side
  const line = document.createElement("p");
  for (const [tag, content] of parts) line.appendChild(document.createElement(tag)).textContent = content;
  return line;
}

function show(cell) {
  if (cell.dataset.p) {
    const [[came, p], ...likeliest] = cell.dataset.p.split(" ").map(pair => pair.split(":").map(Number));
    const bits = Math.log2(1 / p).toFixed(1) + " bits";
    card.replaceChildren(row(["b", labels[came]], ["span", percent(p)], ["span", bits]));
    for (const [id, p] of likeliest) {
      const line = row(["b", labels[id]], ["i", ""], ["span", percent(p)]);
      line.style.setProperty("--p", 100 * p + "%");
      line.classList.toggle("came", id === came);
      card.append(line);
    }
  } else card.replaceChildren(row(["span", "The first character is given, not predicted."]));
  card.hidden = false;
  const box = place(cell), space = document.documentElement.clientWidth - card.offsetWidth - 8;
  const below = box.bottom + card.offsetHeight + 8 < innerHeight;
  card.style.left = scrollX + Math.max(8, Math.min(box.left, space)) + "px";
  card.style.top = scrollY + (below ? box.bottom + 8 : box.top - 8 - card.offsetHeight) + "px";
}

function hide() { card.hidden = true; }

function go(cell) {
  if (!cell) return;
  current.removeAttribute("tabindex");
  current = cell;
  current.tabIndex = 0;
  current.focus();
}

function otherLine(step) { // the character above or below
  const from = place(current);
  let line = null, nearest = null, distance = Infinity;
  for (let cell = neighbour(current, step); cell; cell = neighbour(cell, step)) {
    const box = place(cell);
    if (line === null && box.top === from.top) continue;
    line ??= box.top;
    if (box.top !== line) break;
    if (Math.abs(box.left - from.left) < distance) [nearest, distance] = [cell, Math.abs(box.left - from.left)];
  }
  return nearest;
}

const moves = {
  ArrowLeft: () => neighbour(current, -1),
  ArrowRight: () => neighbour(current, 1),
  ArrowUp: () => otherLine(-1),
  ArrowDown: () => otherLine(1),
};
text.addEventListener("mouseover", event => { if (event.target !== text) show(event.target); });
text.addEventListener("mouseleave", () => document.activeElement === current ? show(current) : hide());
text.addEventListener("click", event => { if (event.target !== text) go(event.target); });
text.addEventListener("focusin", event => show(event.target));
text.addEventListener("focusout", hide);
text.addEventListener("keydown", event => {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.key === "Escape") return hide();
  if (!(event.key in moves)) return;
  event.preventDefault();
  go(moves[event.key]());
});
"""


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
    cells = [f"<span{_class(characters[ids[0]])}>{signs[ids[0]]}</span>"]
    for i, surprise, *expected in zip(ids[1:], bits, likeliest, probabilities, strict=True):
        pairs = [(i, 2**-surprise), *zip(*expected, strict=True)]
        p = " ".join(f"{id}:{probability:.3g}" for id, probability in pairs)
        shade = f"b{bisect_right(EDGES, surprise)}"
        cells.append(f'<span{_class(characters[i], shade)} data-p="{p}">{signs[i]}</span>')
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
    shades = "".join(f'<td class="b{n}"></td>' for n in range(len(COLOURS)))
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
    named = {"\n": "⏎", " ": "␣"}
    if character in named:
        return named[character]
    if unicodedata.category(character).startswith("M"):  # a mark that stands on another character
        return f"◌{character}"
    sign = _sign(character)
    return f"U+{ord(character):04X}" if sign == "�" or sign.isspace() else sign


def _class(character, shade=""):
    """The class attribute of a character's cell."""
    names = f"{shade} newline" if character == "\n" else shade
    return f' class="{names.strip()}"' if names else ""


def _hash(content):
    """What a Content-Security-Policy knows an inline script or style by."""
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"
