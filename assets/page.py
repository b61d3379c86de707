"""Web pages that need nothing from elsewhere: a page's HTML, CSS and JavaScript from assets/pages/, in one file."""

import base64
import hashlib
import json
import os
import re
from html import escape
from pathlib import Path

import numpy as np

from common.files import write_atomically

PAGES = Path(__file__).resolve().parent / "pages"


def make_page(name, title, data, /, **parts):
    """A whole HTML page, a str, of NAME.html, NAME.css and NAME.js, the latter two after what all pages share.

    It forbids itself to load anything: a browser runs its one script and style, known by their hashes. Same arguments,
    same page.

    Args:
        title: of the window.
        data: plain values as JSON has them, `data` in the script.
        parts: HTML by name, in the place of {{name}} in NAME.html.
    """
    style, script = (_read(f"shared.{kind}") + _read(f"{name}.{kind}") for kind in ("css", "js"))
    policy = f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; base-uri 'none'"
    return _filled(
        _read("frame.html"),
        policy=f"{policy}; form-action 'none'",
        title=escape(title),
        style=style,
        body=_filled(_read(f"{name}.html"), **parts),
        data=json.dumps(data, separators=(",", ":")).replace("<", r"\u003c"),  # no tag, no comment begins in it
        script=script,
    )


def refuse_overwriting(path, *read):
    """Raise ValueError if a page's path is one of the files that are read."""
    if os.path.realpath(path) in map(os.path.realpath, read):
        raise ValueError(f"{path} would overwrite what is read")


def write_page(path, page):
    """Write a page. Raises OSError as `write_atomically` does."""
    write_atomically(path, page.encode(errors="replace"))  # a file's name need not be UTF-8


def half(numbers):
    """Numbers, an array or tensor of any shape, as base64 of their float16, row after row.

    Raises ValueError if one is beyond what float16 holds, 65,504.
    """
    with np.errstate(over="ignore"):
        rounded = np.asarray(numbers).astype("<f2")
    if not np.isfinite(rounded).all():
        raise ValueError("a weight is beyond 65,504, the largest float16")
    return base64.b64encode(rounded.tobytes()).decode()


def _read(name):
    return (PAGES / name).read_text(encoding="utf-8")


def _filled(template, **parts):
    """The template with each {{name}} replaced, once: what is put in is not looked into."""
    return re.sub(r"{{(\w+)}}", lambda found: parts[found[1]], template)


def _hash(content):
    """What a Content-Security-Policy knows an inline script or style by."""
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"
