"""part3/ngram.py: probabilities that are ones, the loss of a text by hand, and the script."""

import math

import pytest

from part3 import ngram
from part3.ngram import DISCOUNT, NGram
from tests.scripts import call

TEXT = "abracadabra, abracadabra! a cad."


@pytest.mark.parametrize("order", [1, 2, 5])
def test_after_any_context_the_probabilities_add_up_to_1_also_of_what_never_occurs(order):
    characters = sorted({*TEXT, "ж", "z"})
    model = NGram(TEXT, order, len(characters))
    for context in ("", "a", "ж", "aж", "жa", "abra", "bra,", "cad.", "жжжж"):
        context = context[-(order - 1) :] if order > 1 else ""
        probabilities = [model.probability(character, context) for character in characters]
        assert min(probabilities) > 0 and math.fsum(probabilities) == pytest.approx(1, abs=1e-12), context


def test_a_context_that_does_not_occur_is_left_for_the_longest_end_that_does():
    model = NGram(TEXT, 4, 10)
    for unseen, seen in (("жra", "ra"), ("жжa", "a"), ("aaж", ""), ("d.", "")):  # the last: nothing follows
        assert model.probability("b", unseen) == model.probability("b", seen)
    assert model.probability("b", "dra") == model.probability("b", "ra") < model.probability("b", "a")


def test_the_loss_of_a_tiny_text_by_hand():
    d, uniform = DISCOUNT, 1 / 3  # of a, b and c
    a, b = ((n - d + 2 * d * uniform) / 5 for n in (3, 2))  # of "aabab", two kinds
    c = 2 * d * uniform / 5
    a_after_b = (1 - d + d * a) / 1
    c_after_a = 2 * d * c / 3  # after a: a, b, b
    b_after_a = (2 - d + 2 * d * b) / 3
    expected = -math.log(b_after_a * a_after_b * c_after_a * a) / 4  # the first is not predicted; c was not followed
    assert NGram("aabab", 2, 3).loss("abaca") == pytest.approx(expected, rel=1e-12)
    assert NGram("aabab", 1, 3).loss("ca") == pytest.approx(-math.log(a), rel=1e-12)


def test_the_script_says_what_is_held_out_and_its_loss_in_nats_and_bits(tmp_path, capsys):
    book = tmp_path / "book.txt"
    book.write_text(TEXT * 20, encoding="utf-8")
    nats = NGram(TEXT * 18, 3, 9).loss(TEXT * 2)
    status, out, err = call(ngram.main, "--txt_file", book, "--order", 3, capsys=capsys)
    assert (status, err) == (0, "")
    assert out.startswith(
        f"64 characters held out: {nats:.4f} nats, {nats / math.log(2):.4f} bits per character\n3-gram"
    )


@pytest.mark.parametrize(
    "flags, named",
    [
        ("--order 0", "'0'"),
        ("--val_fraction 0", "'0'"),
        ("--val_fraction 0.1", "9 characters, 8 of them for training and 1 held out"),
        ("--encoding utf-16", "utf-16"),
        ("--txt_file nowhere.txt", "nowhere.txt"),
    ],
)
def test_bad_input_is_one_line(tmp_path, capsys, flags, named):
    (tmp_path / "short.txt").write_text("nine char")
    status, out, err = call(ngram.main, "--txt_file", tmp_path / "short.txt", *flags.split(), capsys=capsys)
    assert (status, out, err.count("\n")) == (2, "", 1) and named in err
