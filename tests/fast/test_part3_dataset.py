"""part3/dataset.py: any text file, the same ids everywhere, every window reachable, streams that continue."""

import os
import string
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from part3.dataset import NO_TARGET, ParallelStreams, RandomItems, RandomSentences, TextDataset, encode, split
from part3.text import read_text

TEXT = "".join(np.random.default_rng(0).choice(list(string.ascii_letters + " .\n"), 500))


@pytest.fixture
def dataset(tmp_path):
    (tmp_path / "a book, of any name").write_text(TEXT)
    return TextDataset(tmp_path / "a book, of any name", seq_length=9)


def test_vocabulary_is_sorted_the_text_comes_back_and_items_are_windows(dataset):
    assert dataset.characters == "".join(sorted(set(TEXT))) and dataset.vocab_size == len(set(TEXT))
    parts = dataset.convert_to_string(dataset.training), dataset.convert_to_string(dataset.held_out)
    assert parts == split(TEXT, 0.1) == (TEXT[:450], TEXT[450:]) and split(TEXT, 0) == (TEXT, "")
    assert len(dataset) == 450 - 9  # windows, with their successors
    for index in (0, len(dataset) - 1):
        x, y = map(dataset.convert_to_string, dataset[index])
        assert (x, y) == (TEXT[index : index + 9], TEXT[index + 1 : index + 10])
    with pytest.raises(IndexError):
        dataset[len(dataset)]


@settings(max_examples=50, deadline=None)
@given(text=st.text(min_size=1, max_size=80))
def test_encode_and_back(text):
    characters = "".join(sorted(set(text)))
    assert "".join(characters[i] for i in encode(text, characters).tolist()) == text


def test_a_character_that_is_not_in_the_vocabulary_is_named():
    with pytest.raises(ValueError, match=r"'\U0001f600' \(place 2\)"):
        encode("ab\U0001f600z", "abc")


def test_random_sentences_reach_the_first_and_the_last_window_and_no_other_text(tmp_path):
    (tmp_path / "b").write_text("abcdefghij")  # every character once: a window is known by its first
    x, y, carried = RandomSentences(TextDataset(tmp_path / "b", seq_length=3, val_fraction=0.2), 400).batch()
    assert x.shape == y.shape == (400, 3) and not carried and x.dtype == torch.int64
    assert torch.equal(x[:, 1:], y[:, :-1]) and torch.equal(y, x + 1)
    assert set(x[:, 0].tolist()) == set(range(5)), "windows start at a to e; the last target is h"


def test_streams_continue_and_cover_the_text(dataset):
    streams = ParallelStreams(dataset, 4)
    rounds = streams.batches_per_round
    batches = [streams.batch() for _ in range(2 * rounds)]
    assert rounds == 450 // 36 and [carried for *_, carried in batches] == ([False] + [True] * (rounds - 1)) * 2
    for (x, y, _), (x_next, _, carried) in pairwise(batches):
        assert x.shape == (4, 9) and torch.equal(x[:, 1:], y[:, :-1])
        assert not carried or torch.equal(x_next[:, 0], y[:, -1])
    places = [(TEXT[:450] * 2).find(dataset.convert_to_string(row)) for x, *_ in batches[:rounds] for row in x]
    seen = {(place + k) % 450 for place in places for k in range(9)}
    assert min(places) >= 0 and len(seen) == 4 * rounds * 9, "no character twice in a round"
    with pytest.raises(ValueError, match="too few for 100 streams"):
        ParallelStreams(dataset, 100)


def drawn(sampler, count):
    return [[x.tolist(), y.tolist(), carried] for x, y, carried in (sampler.batch() for _ in range(count))]


@pytest.mark.parametrize("kind", [RandomSentences, ParallelStreams, RandomItems])
def test_a_restored_sampler_draws_the_same_batches(dataset, kind, tmp_path):
    dataset = list_of(tmp_path, ITEMS) if kind == RandomItems else dataset
    sampler, other = kind(dataset, 4, seed=3), kind(dataset, 4, seed=9)
    drawn(sampler, 17)
    state = sampler.state_dict()
    expected = drawn(sampler, 20)
    other.load_state_dict(state)
    assert drawn(other, 20) == expected


def test_bytes_become_text_or_the_first_that_does_not_is_named_with_its_offset_and_a_hint(tmp_path):
    for raw, text in ((b"\xef\xbb\xbfabc", "abc"), (b"a\r\nb\rc\n", "a\nb\nc\n"), ("naïve\0".encode(), "naïve\0")):
        (tmp_path / "t").write_bytes(raw)
        assert read_text(tmp_path / "t") == text
    (tmp_path / "t").write_bytes("ein Bär".encode("latin-1"))
    with pytest.raises(ValueError, match=r"0xe4 at offset 5 is not utf-8; it looks like cp1252: try --encoding cp1252"):
        read_text(tmp_path / "t")
    assert read_text(tmp_path / "t", "latin-1") == "ein Bär"
    with pytest.raises(ValueError, match="'klingon' is not known"):
        read_text(tmp_path / "t", "klingon")
    if hasattr(os, "mkfifo"):  # not on Windows
        os.mkfifo(tmp_path / "fifo")  # refused without hanging
    for path in (tmp_path, *tmp_path.glob("fifo")):
        with pytest.raises(ValueError, match="not a regular file"):
            read_text(path)


def test_the_end_of_each_of_several_files_is_held_out(tmp_path):
    for name, text in (("a", TEXT), ("b", "0123456789" * 2)):
        (tmp_path / name).write_text(text)
    both = TextDataset([tmp_path / "a", tmp_path / "b"], seq_length=9)
    assert both.convert_to_string(both.training) == TEXT[:450] + "012345678901234567"
    assert both.convert_to_string(both.held_out) == TEXT[450:] + "89" and set(both.characters) == {*TEXT, *"0123456789"}
    assert TextDataset([tmp_path / "a"], 9).digest == TextDataset(tmp_path / "a", 9).digest != both.digest
    (tmp_path / "c").write_text("b\na\n")
    lists = TextDataset([tmp_path / "c", tmp_path / "b"], 9, val_fraction=0.5, lines=True)
    assert {len(lists.held_out), len(lists.training)} in ({3, 24}, {5, 22})


ITEMS = [f"{a}{b * n}" for a in "abcdefghij" for n, b in enumerate("xyz", start=1)]  # of 2, 3 and 4 characters


def list_of(tmp_path, items, seq_length=9, **how):
    (tmp_path / "list").write_text("\n\n".join(items))  # empty lines do not count
    return TextDataset(tmp_path / "list", seq_length, lines=True, **how)


def test_a_list_is_shuffled_by_the_seed_alone_and_a_tenth_of_its_items_is_held_out(tmp_path):
    here, reversed_, other = (
        list_of(tmp_path, items, seed=seed) for items, seed in ((ITEMS, 1), (ITEMS[::-1], 1), (ITEMS, 2))
    )
    assert here.digest == reversed_.digest != other.digest
    parts = [here.convert_to_string(ids) for ids in (here.training, here.held_out)]
    assert all(part[0] == part[-1] == "\n" == here.characters[here.item_end] for part in parts)
    training, held_out = (part[1:-1].split("\n") for part in parts)
    assert len(held_out) == 3 and sorted(training + held_out) == sorted(ITEMS) and training != sorted(training)
    assert len(list_of(tmp_path, ITEMS, val_fraction=0).held_out) == 0
    for items in ([], ["a"]):
        with pytest.raises(ValueError, match="too few for an item in each"):
            list_of(tmp_path, items, val_fraction=0.5)


@pytest.mark.parametrize("seq_length", [9, 3])
def test_a_row_is_an_item_after_a_newline_and_a_long_one_goes_on_in_another_row(tmp_path, seq_length):
    dataset = list_of(tmp_path, ITEMS, seq_length)
    inputs, targets, carried = RandomItems(dataset, 2_000).batch()
    assert inputs.shape == targets.shape == (2_000, min(seq_length, 5)) and not carried
    assert inputs.dtype == targets.dtype == torch.int64
    rows = set()
    for x, y in zip(inputs, targets, strict=True):
        length = int((y != NO_TARGET).sum())
        assert torch.equal(x[1:length], y[: length - 1]) and (y[length:] == NO_TARGET).all()
        rows.add(dataset.convert_to_string([x[0], *y[:length]]))
    items = dataset.convert_to_string(dataset.training)[1:-1].split("\n")
    whole = [f"\n{item}\n" for item in items]
    assert rows == {
        item[start : start + seq_length + 1] for item in whole for start in range(0, len(item) - 1, seq_length)
    }


def test_sorted_lines_look_like_a_list(tmp_path):
    for lines, looks in (
        (sorted(ITEMS), True),
        (ITEMS[::-1], False),
        (["aa"] * 50, False),
        (sorted(ITEMS)[:19], False),
    ):
        (tmp_path / "t").write_text("\n".join(lines))
        assert TextDataset(tmp_path / "t", 2).looks_sorted == looks


@pytest.mark.parametrize("val_fraction, enough", [(0, 31), (0.1, 34)])
def test_short_texts_work_or_say_what_they_lack(tmp_path, val_fraction, enough):
    for length in (0, 1, enough - 1):
        (tmp_path / "t").write_text(("ab" * 50)[:length])
        with pytest.raises(ValueError, match=f"has {length} characters.*too few"):
            TextDataset(tmp_path / "t", 30, val_fraction=val_fraction)
    (tmp_path / "t").write_text(("ab" * 50)[:enough])
    x, _, _ = RandomSentences(TextDataset(tmp_path / "t", 30, val_fraction=val_fraction), 5).batch()
    assert x.shape == (5, 30)
