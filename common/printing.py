"""What is printed: every character can be, none of them commands a terminal, and command lines can be pasted."""

import codecs
import os
import shlex
import sys
import unicodedata
from functools import partial


def print_safely():
    """From here on, standard output and error show a character that they cannot write, instead of an error.

    One that the encoding lacks is escaped, as in `\\u03c4`; where it is not UTF-8, the bytes of a file name that it
    cannot read come out as they are. On a terminal all is as `visible` shows it.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # not in a notebook, nor where the stream is closed
            stream.reconfigure(errors="bytes or escape")
            if stream.isatty() and "write" not in vars(stream):
                stream.write = partial(_write_visible, stream.write)


def visible(text):
    """The text with escapes, as in `\\x1b`, for what is not printable; newlines, tabs and spaces of any width stay."""
    if text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() or sign in "\n\t" or unicodedata.category(sign) == "Zs" else _escape(sign)
        for sign in text
    )


def command_line(words):
    """The words as one printable line that a shell (bash, zsh, ksh) reads as these words."""
    return " ".join(map(_quoted, words))


def _quoted(word):
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    if word.isprintable() and word.encode(encoding, "replace") == os.fsencode(word):
        return shlex.quote(word)
    signs = (chr(byte) if 32 <= byte < 127 and byte not in b"'\\" else f"\\{byte:03o}" for byte in os.fsencode(word))
    return f"$'{''.join(signs)}'"


def _write_visible(write, text):
    inside = text.strip("\r")  # a bar begins with it
    return write(text.replace(inside, visible(inside)) if inside else text)


def _escape(sign):
    return sign.encode("unicode_escape").decode()


def _bytes_or_escape(error):
    sign = error.object[error.start]
    is_byte = "\udc80" <= sign <= "\udcff" and error.encoding != "utf-8"  # which has no such bytes
    return os.fsencode(sign) if is_byte else _escape(sign), error.start + 1


codecs.register_error("bytes or escape", _bytes_or_escape)
