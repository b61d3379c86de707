"""part3/dataset.py: any text file, the same ids everywhere, every window reachable, streams that continue."""

import os
import string
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from part3.dataset import ParallelStreams, RandomSentences, TextDataset, encode, read_text, split

TEXT = "".join(np.random.default_rng(0).choice(list(string.ascii_letters + " .\n"), 500))


@pytest.fixture
def book(tmp_path):
    path = tmp_path / "a book, of any name"
    path.write_text(TEXT)
    return path


def test_vocabulary_is_sorted_and_the_text_comes_back(book):
    dataset = TextDataset(book, seq_length=30)
    assert dataset.characters == "".join(sorted(set(TEXT))) and dataset.vocab_size == len(set(TEXT))
    ids = torch.cat([dataset.training, dataset.held_out])
    assert dataset.convert_to_string(ids) == TEXT
    assert split(TEXT, 0.1) == (TEXT[:450], TEXT[450:]) and split(TEXT, 0) == (TEXT, "")
    assert dataset.convert_to_string(dataset.held_out) == TEXT[450:]


@settings(max_examples=50, deadline=None)
@given(text=st.text(min_size=1, max_size=80))
def test_encode_and_back(text):
    characters = "".join(sorted(set(text)))
    assert "".join(characters[i] for i in encode(text, characters).tolist()) == text


def test_a_character_that_is_not_in_the_vocabulary_is_named():
    with pytest.raises(ValueError, match=r"'z' \(place 2\)"):
        encode("abz!", "abc")
    with pytest.raises(ValueError, match="'\U0001f600'"):
        encode("\U0001f600", "abc")


def test_items_are_windows_and_their_successors(book):
    dataset = TextDataset(book, seq_length=7)
    assert len(dataset) == 450 - 7
    for index in (0, len(dataset) - 1):
        x, y = dataset[index]
        assert dataset.convert_to_string(x) == TEXT[index : index + 7]
        assert dataset.convert_to_string(y) == TEXT[index + 1 : index + 8]
    with pytest.raises(IndexError):
        dataset[len(dataset)]


def test_random_sentences_reach_the_first_and_the_last_window_and_no_other_text(tmp_path):
    path = tmp_path / "b"
    path.write_text("abcdefghij")  # every character once: a window is known by its first
    dataset = TextDataset(path, seq_length=3, val_fraction=0.2)
    x, y, carried = RandomSentences(dataset, 400).batch()
    assert x.shape == y.shape == (400, 3) and not carried and x.dtype == torch.int64
    assert torch.equal(x[:, 1:], y[:, :-1]) and torch.equal(y, x + 1)
    assert set(x[:, 0].tolist()) == set(range(5)), "windows start at a to e; the last target is h"
    assert y.max() == 7, "i and j are held out"


def test_streams_continue_and_cover_the_text(book):
    dataset = TextDataset(book, seq_length=9)
    streams = ParallelStreams(dataset, 4)
    rounds = streams.batches_per_round
    assert rounds == 450 // 36
    batches = [streams.batch() for _ in range(2 * rounds)]
    assert [carried for *_, carried in batches] == ([False] + [True] * (rounds - 1)) * 2
    seen = set()
    for (x, y, _), (x_next, _, carried) in pairwise(batches):
        assert x.shape == (4, 9) and torch.equal(x[:, 1:], y[:, :-1])
        if carried:
            assert torch.equal(x_next[:, 0], y[:, -1])
    ring = (TEXT[:450] * 2).find
    for x, *_ in batches[:rounds]:
        for row in x:
            place = ring(dataset.convert_to_string(row))
            assert place >= 0
            seen |= {(place + k) % 450 for k in range(9)}
    assert len(seen) == 4 * rounds * 9, "no character twice in a round"


@pytest.mark.parametrize("kind", [RandomSentences, ParallelStreams])
def test_a_restored_sampler_draws_the_same_batches(book, kind):
    dataset = TextDataset(book, seq_length=9)
    sampler = kind(dataset, 4, seed=3)
    for _ in range(17):
        sampler.batch()
    state = sampler.state_dict()
    expected = [sampler.batch() for _ in range(20)]
    other = kind(dataset, 4, seed=9)
    other.load_state_dict(state)
    for (x, y, carried), (x_other, y_other, carried_other) in zip(
        expected, (other.batch() for _ in range(20)), strict=True
    ):
        assert torch.equal(x, x_other) and torch.equal(y, y_other) and carried == carried_other


def test_too_many_streams_are_refused(book):
    with pytest.raises(ValueError, match="too few for 100 streams"):
        ParallelStreams(TextDataset(book, seq_length=9), 100)


@pytest.mark.parametrize(
    "raw, text",
    [
        (b"\xef\xbb\xbfabc", "abc"),
        (b"a\r\nb\rc\n", "a\nb\nc\n"),
        (b"a\0b", "a\0b"),
        ("naïve café".encode(), "naïve café"),
        (b"no newline", "no newline"),
    ],
)
def test_bytes_become_text(tmp_path, raw, text):
    (tmp_path / "t").write_bytes(raw)
    assert read_text(tmp_path / "t") == text


def test_a_byte_that_does_not_decode_is_named_with_its_offset_and_a_hint(tmp_path):
    (tmp_path / "t").write_bytes("ein Bär".encode("latin-1"))
    with pytest.raises(ValueError, match=r"0xe4 at offset 5 is not utf-8; try .*latin-1"):
        read_text(tmp_path / "t")
    assert read_text(tmp_path / "t", "latin-1") == "ein Bär"
    with pytest.raises(ValueError, match="'klingon' is not known"):
        read_text(tmp_path / "t", "klingon")


@pytest.mark.parametrize(
    "length, val_fraction, whole", [(0, 0.1, False), (1, 0.1, False), (30, 0, False), (31, 0, True), (32, 0, True),
                                    (31, 0.1, False), (33, 0.1, False), (34, 0.1, True)]
)  # fmt: skip
def test_short_texts_work_or_say_what_they_lack(tmp_path, length, val_fraction, whole):
    (tmp_path / "t").write_text(("ab" * 50)[:length])
    if whole:
        dataset = TextDataset(tmp_path / "t", 30, val_fraction=val_fraction)
        x, _, _ = RandomSentences(dataset, 5).batch()
        assert x.shape == (5, 30) and len(dataset) >= 1
    else:
        with pytest.raises(ValueError, match=f"has {length} characters.*too few"):
            TextDataset(tmp_path / "t", 30, val_fraction=val_fraction)


def test_what_is_no_file_is_refused_without_hanging(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path, tmp_path / "fifo"):
        with pytest.raises(ValueError, match="not a regular file"):
            TextDataset(path, 30)
    with pytest.raises(OSError):
        TextDataset(tmp_path / "missing", 30)
