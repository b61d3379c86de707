"""Texts as they are read: decoded, or told what their bytes look like instead."""

import codecs
import os
import re
import sys
from pathlib import Path

CONTROL = re.compile("[\0-\x08\x0b\x0e-\x1f\x80-\x9f]")  # C0 but for tab, newlines and form feed; C1
HALF = re.compile("[\ud800-\udfff]")
BEGINNINGS = {  # of files, and what they are; a UTF-32 mark begins as a UTF-16 one
    **{codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32", codecs.BOM_UTF8: "utf-8"},
    **{codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"},
    **{b"\x1f\x8b": "a gzip file", b"PK\3\4": "a ZIP file", b"\xfd7zXZ\0": "an xz file", b"BZh": "a bzip2 file"},
    **{b"(\xb5/\xfd": "a zstd file", b"7z\xbc\xaf": "a 7z file", b"%PDF": "a PDF file"},
}
LIKELY = {  # signs, and the share of a text that they are: bytes of another encoding often decode, but not to these
    **{"utf-8": (r"\A", 0), "utf-16-le": ("[ \n。，]", 0.01), "utf-16-be": ("[ \n。，]", 0.01)},
    **{"euc_jp": ("[ぁ-ヿ]", 0.1), "gb18030": ("[的一是不了，。]", 0.03), "cp1252": ("[A-Za-z]", 0.4)},
}


def read_text(filename, encoding="utf-8"):
    """The text of a file: no byte-order mark, every line end a newline. Control characters are warned of, in one line.

    Raises ValueError, in one line: for what is no regular file; for bytes that do not decode, with the first and what
    they look like; for an unknown encoding; for half of a surrogate pair, which no encoding can write. Raises OSError.
    """
    if os.path.exists(filename) and not os.path.isfile(filename):
        raise ValueError(f"{filename} is not a regular file")
    return decode(Path(filename).read_bytes(), encoding, filename)


def read_input(filename, encoding="utf-8"):
    """As `read_text`, but "-" is standard input."""
    if filename != "-":
        return read_text(filename, encoding)
    with open(0, "rb", closefd=False) as file:
        return decode(file.read(), encoding, "standard input")


def decode(raw, encoding, name):
    """The text that bytes hold, as `read_text` gives it; `name` is theirs, for what is said."""
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        byte = f"the byte 0x{raw[error.start]:02x} at offset {error.start} is not {encoding}"
        binary = re.search(rb"[\0-\x08\x0e-\x1f]", raw)
        what = guess(raw) or ("binary" if binary else "an encoding of its language: try that as --encoding")
        raise ValueError(f"{name}: {byte}; it looks like {what}") from error
    except (LookupError, ValueError) as error:  # ValueError: a NUL in the name
        raise ValueError(f"--encoding {encoding!r} is not known to Python; try utf-8 or cp1252") from error
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if half := HALF.search(text):
        what = f"U+{ord(half[0]):04X} at place {half.start()} is half of a character: no encoding can write it"
        raise ValueError(f"{name}: {what}")
    if first := CONTROL.search(text):
        count, found = sum(1 for _ in CONTROL.finditer(text)), guess(raw)
        which = f"U+{ord(first[0]):04X} at place {first.start()} is the first of {count:,} control characters"
        print(f"warning: {name}: {which}{f'; it looks like {found}' if found else ''}", file=sys.stderr)
    return text


def guess(raw):
    """What bytes look like that are no text in the encoding tried, and what to do, in words; None if no idea."""
    if found := next((what for beginning, what in BEGINNINGS.items() if raw.startswith(beginning)), None):
        return f"{found}: unpack it, or give another" if " " in found else f"{found}: try --encoding {found}"
    for encoding, (signs, share) in LIKELY.items():
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        if not CONTROL.search(text) and len(re.findall(signs, text)) >= share * len(text):
            return f"{encoding}: try --encoding {encoding}"
    return None
