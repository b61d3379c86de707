"""A web page in which each character of a text is coloured by how much it surprised a model."""

import html
import json
from itertools import pairwise

# Paper to night, luminance falling all the way: read in colour, in grey, and with any colour vision.
LEVELS = (  # surprise from so many bits, background, ink
    (0.0, "#fffdf6", "#1d1b16"),
    (0.5, "#fdf0c4", "#1d1b16"),
    (1.0, "#fbdc8a", "#1d1b16"),
    (2.0, "#f5b95c", "#1d1b16"),
    (3.0, "#e5894b", "#1d1b16"),
    (4.5, "#b5423f", "#ffffff"),
    (6.5, "#7d2450", "#ffffff"),
    (9.0, "#3b1248", "#ffffff"),
)

STYLE = """
:root { color-scheme: light }
body { background: #fffdf6; color: #1d1b16; font: 1.06rem/1.75 Georgia, "Iowan Old Style", serif; margin: 0 auto;
  max-width: 44rem; padding: 1.5rem 1.2rem 8rem }
h1 { font-size: 1.6rem; line-height: 1.3; font-weight: normal; margin: 1rem 0 .3rem }
.facts, .legend, footer { font: .85rem/1.6 system-ui, sans-serif; color: #4a463c }
.legend { margin: 1rem 0 2rem }
.legend span { display: inline-block; padding: .1rem .6rem; border: 1px solid #0002; border-left-width: 0 }
.legend span:first-of-type { border-left-width: 1px }
.text { overflow-wrap: anywhere; white-space: pre-wrap }
.text span { padding: .16em 0; cursor: default }
.text span.newline { font-size: .8em }
.text span:hover, .text span:focus { outline: 2px solid #0072b2; outline-offset: 1px }
#likeliest { position: fixed; inset: auto 0 0 0; background: #1d1b16; color: #fffdf6; min-height: 3.4rem;
  font: .95rem/1.6 system-ui, sans-serif; padding: .6rem 1.2rem; text-align: center }
#likeliest b { font: 1.1rem Georgia, serif; background: #fffdf6; color: #1d1b16; border-radius: .2rem;
  padding: 0 .35rem }
#likeliest i { font-style: normal; white-space: nowrap; margin: 0 .5rem }
@media print { #likeliest { display: none } * { print-color-adjust: exact; -webkit-print-color-adjust: exact } }
"""

SCRIPT = """
const box = document.getElementById("likeliest"), text = document.querySelector(".text");
const chance = p => (p < 0.0001 ? p.toExponential(1) : (100 * p).toPrecision(p < 0.1 ? 2 : 3) + " %");
function show(span) {
  const n = [...text.children].indexOf(span), seen = PREDICTIONS[n];
  if (!seen) return;
  const [bits, likeliest] = seen;
  box.replaceChildren(sign(SIGNS[n]), ` came with ${chance(2 ** -bits)}: ${bits.toFixed(2)} bits. Likeliest:`);
  for (const [c, p] of likeliest) {
    const item = document.createElement("i");
    item.append(sign(VOCABULARY[c]), " " + chance(p));
    box.append(item, " ");
  }
}
function sign(character) {
  const b = document.createElement("b");
  b.textContent = character === " " ? "␣" : character;
  return b;
}
for (const event of ["mouseover", "focusin", "click"])
  text.addEventListener(event, e => e.target !== text && show(e.target));
text.addEventListener("keydown", e => {
  const to = { ArrowRight: "nextElementSibling", ArrowLeft: "previousElementSibling" }[e.key];
  const next = to && document.activeElement[to];
  if (next) { document.activeElement.tabIndex = -1; next.tabIndex = 0; next.focus(); show(next); e.preventDefault(); }
});
"""


def surprise_page(title, facts, characters, ids, bits, likeliest):
    """The page, HTML that needs nothing else: the same arguments give the same text.

    Under the pointer, the finger, or the arrow keys a character tells its surprise, and what was likeliest there.

    Args:
        title: heading.
        facts: lines of plain text below it.
        characters: the model's vocabulary, a str.
        ids: the text, N whole numbers.
        bits: surprise -log2 p of each character but the first, N - 1 numbers.
        likeliest: for each of these the likeliest characters in its place: lists of (id, probability).
    """
    signs = [_sign(characters[i]) for i in ids]
    spans = [_span(signs[0], "first", ' tabindex="0"')]
    spans += [_span(sign, f"s{_level(b)}") for sign, b in zip(signs[1:], bits, strict=True)]
    predictions = [0]  # nothing was predicted for the first character
    for b, five in zip(bits, likeliest, strict=True):
        predictions.append([round(b, 3), [[i, float(f"{p:.3g}")] for i, p in five]])
    data = {"PREDICTIONS": predictions, "SIGNS": signs, "VOCABULARY": [_sign(c) for c in characters]}
    script = "".join(f"const {name} = {_json(value)};\n" for name, value in data.items()) + SCRIPT
    colours = "".join(f".s{n} {{ background: {paper}; color: {ink} }}\n" for n, (_, paper, ink) in enumerate(LEVELS))
    ends = [f"{low:g}" for low, _, _ in LEVELS[1:]]
    names = [f"below {ends[0]}", *(f"{a} to {b}" for a, b in pairwise(ends)), f"{ends[-1]} and more"]
    legend = "".join(f'<span class="s{n}">{name}</span>' for n, name in enumerate(names))
    return f"""<!DOCTYPE html>
<html lang="und">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>{html.escape(title)}</title>
<style>{STYLE}{colours}</style>
</head>
<body>
<h1>{html.escape(title)}</h1>
<div class="facts">{"<br>".join(html.escape(fact) for fact in facts)}</div>
<div class="legend">surprise in bits, −log<sub>2</sub> p: the darker, the less the model expected it<br>
{legend}</div>
<div class="text">{"".join(spans)}</div>
<div id="likeliest" role="status">Point at a character: what did the model expect there?</div>
<script>
{script}</script>
</body>
</html>
"""


def _span(sign, classes, more=""):
    end = ""
    if sign == "⏎":
        classes, end = f"{classes} newline", "\n"
    return f'<span class="{classes}"{more}>{html.escape(sign)}{end}</span>'


def _sign(character):
    """What stands for a character on the page: itself, or a visible sign for one that has no shape."""
    if character == "\n":
        return "⏎"
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else "\ufffd" if 0x80 <= code < 0xA0 or 0xD800 <= code < 0xE000 else character


def _level(bits):
    """The number of the level that so many bits fall into."""
    return sum(bits >= low for low, _, _ in LEVELS) - 1


def _json(value):
    """JSON that can stand in a script element."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
