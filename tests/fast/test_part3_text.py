"""part3/text.py: what bytes are taken for, what they are said to look like, and what is never let in."""

import bz2
import gzip
import lzma
import random
import zlib

import pytest

from part3.dataset import encode
from part3.text import decode, guess, read_text

ENGLISH = "“It’s a bear – naïve, a café’s …”, she said. €5.\n" * 20
CHINESE = "话说天下大势，分久必合，合久必分。周末七国分争，并入于秦。\n"
JAPANESE = "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。\n"
KOREAN = "모든 행복한 가정은 서로 닮았고, 불행한 가정은 제각각 나름으로 불행하다.\n"
RUSSIAN = "Все счастливые семьи похожи друг на друга, каждая несчастливая семья несчастлива.\n"


@pytest.mark.parametrize(
    "raw, found",
    [
        *((ENGLISH.encode(name), name) for name in ("utf-8", "cp1252", "utf-16-le", "utf-16-be")),
        *((ENGLISH.encode(name), name) for name in ("utf-16", "utf-32")),
        (b"\xef\xbb\xbf" + ENGLISH.encode(), "utf-8"),
        (CHINESE.encode("gb18030"), "gb18030"),
        (CHINESE.encode("utf-16-le"), "utf-16-le"),
        (JAPANESE.encode("euc_jp"), "euc_jp"),
        (gzip.compress(b"a", mtime=0), "a gzip file"),
        (bz2.compress(b"a"), "a bzip2 file"),
        (lzma.compress(b"a"), "an xz file"),
        (b"PK\3\4 and more", "a ZIP file"),
        (b"%PDF-1.7", "a PDF file"),
    ],
)
def test_what_bytes_look_like(raw, found):
    assert guess(raw).startswith(f"{found}: ")
    assert ("unpack it" in guess(raw)) == (" " in found)


@pytest.mark.parametrize(
    "raw",
    [
        *(RUSSIAN.encode("cp1251"), RUSSIAN.encode("koi8-r"), JAPANESE.encode("shift_jis")),
        *(KOREAN.encode("euc_kr"), random.Random(0).randbytes(500), zlib.compress(b"a" * 99)),
    ],
)
def test_no_encoding_is_named_that_would_spoil_the_text(raw):
    assert guess(raw) is None
    what = "an encoding of its language" if raw[0] > 0x7F and b" " in raw[:5] else "."
    with pytest.raises(ValueError, match=f"a.txt: the byte 0x.. at offset .* is not utf-8; it looks like {what}"):
        decode(raw, "utf-8", "a.txt")


def test_controls_are_warned_of_in_one_line_that_names_the_encoding_without_them(capsys):
    assert decode(ENGLISH.encode("cp1252"), "cp1252", "a.txt") == ENGLISH
    assert decode(b"a\tb\f\nc\rd", "utf-8", "a.txt") == "a\tb\f\nc\nd" and capsys.readouterr().err == ""
    decode(ENGLISH.encode("cp1252"), "latin-1", "a.txt")
    what = "U+0093 at place 0 is the first of 140 control characters; it looks like cp1252: try --encoding cp1252"
    assert capsys.readouterr().err == f"warning: a.txt: {what}\n"
    decode(b"a\0b\0 \0", "utf-8", "b")
    assert "U+0000 at place 1 is the first of 3 control characters; it looks like utf-16-le" in capsys.readouterr().err
    decode(b"a text \x1b[1m bold", "utf-8", "c")
    assert capsys.readouterr().err == "warning: c: U+001B at place 7 is the first of 1 control characters\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16", "utf-32"])
def test_a_mark_is_no_text(encoding):
    assert decode("\ufeffa\ufeff".encode(encoding), encoding, "a") == "a\ufeff"


def test_half_of_a_character_is_refused_where_it_is_read():
    for encoding in ("utf-7", "unicode_escape", "utf-16-le"):
        raw = "ab\ud83d".encode(encoding, "surrogatepass")
        try:
            raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        with pytest.raises(ValueError, match=r"a.txt: U\+D83D at place 2 is half of a character"):
            decode(raw, encoding, "a.txt")
    assert decode("ab😀".encode("utf-16-le"), "utf-16-le", "a.txt") == "ab😀"


@pytest.mark.parametrize("encoding", ["klingon", "", "a\0b", "\udce9", "hex", "undefined", "x" * 10_000])
def test_an_encoding_that_is_none_is_named(encoding, tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    with pytest.raises(ValueError, match="is not known to Python"):
        read_text(tmp_path / "a", encoding)


def test_another_normalisation_is_named():
    for text, vocabulary, form in (("ae\u0301", "aeé", "NFC"), ("aéa", "ae\u0301", "NFD")):
        with pytest.raises(ValueError, match=f"but all do in another Unicode normalisation, {form}; --unknown"):
            encode(text, vocabulary)
    with pytest.raises(ValueError, match=r"'ß' \(place 0\) does not occur in the training text; --unknown"):
        encode("ß", "ae\u0301")
