"""part1/dataset.py: palindromes mirror, streams repeat, and no left half is on both sides."""

import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from part1.dataset import HELD_OUT, PalindromeDataset, _in_set, encode


@settings(max_examples=60, deadline=None)
@given(T=st.integers(2, 60), count=st.integers(1, 40), seed=st.integers(0, 2**63 - 1), held_out=st.booleans())
def test_every_palindrome_mirrors_and_has_its_length(T, count, seed, held_out):
    palindromes = PalindromeDataset(T, seed, held_out).generate_palindromes(count)
    assert palindromes.shape == (count, T) and palindromes.dtype == torch.int64
    assert torch.equal(palindromes, palindromes.flip(1))
    assert 0 <= palindromes.min() and palindromes.max() <= 9


@pytest.mark.parametrize("T", [2, 3, 4, 11, 30])
def test_target_is_the_digit_left_out_and_equals_the_first(T):
    digits, target = PalindromeDataset(T, seed=3).batch(50)
    assert digits.shape == (50, T - 1) and target.shape == (50,)
    assert torch.equal(target, digits[:, 0])


def test_generate_palindrome_and_indexing_give_one():
    dataset = PalindromeDataset(9)
    assert dataset.generate_palindrome().shape == (9,)
    digits, target = dataset[0]
    assert digits.shape == (8,) and target.shape == () and target == digits[0]
    assert len(dataset) == sys.maxsize


@pytest.mark.parametrize("T", [4, 5, 6, 7, 8])
def test_training_and_held_out_left_halves_part_all_there_are(T):
    n = (T + 1) // 2
    training, held_out = (
        {tuple(row) for row in PalindromeDataset(T, held_out=side).every_palindrome()[:, :n].tolist()}
        for side in (False, True)
    )
    assert not training & held_out
    assert len(training) + len(held_out) == 10**n
    # Binomial around one in ten; 4 standard deviations.
    assert abs(len(held_out) - HELD_OUT * 10**n) < 4 * np.sqrt(HELD_OUT * (1 - HELD_OUT) * 10**n)
    assert {half[0] for half in held_out} == set(range(10)), "a digit that is never asked for"


@pytest.mark.parametrize("T", [4, 7, 12, 101])
@pytest.mark.parametrize("held_out", [False, True])
def test_random_draws_stay_on_their_side_of_the_hash(T, held_out):
    n = (T + 1) // 2
    dataset = PalindromeDataset(T, seed=1, held_out=held_out)
    left = dataset.generate_palindromes(500)[:, :n].numpy().astype(np.uint8)
    assert _in_set(left, T, held_out).all()
    assert not _in_set(left, T, not held_out).any()


@pytest.mark.parametrize("T", [2, 3])
def test_nothing_is_held_out_where_there_are_too_few(T):
    training, held_out = PalindromeDataset(T), PalindromeDataset(T, held_out=True)
    assert training.nothing_held_out and held_out.nothing_held_out
    assert torch.equal(training.every_palindrome(), held_out.every_palindrome())
    assert len(training.every_palindrome()) == 10 ** ((T + 1) // 2)


def test_held_out_draws_are_uniform_over_first_digits():
    target = PalindromeDataset(21, held_out=True).batch(20_000)[1]
    counts = target.bincount(minlength=10).double()
    chi_squared = ((counts - 2000) ** 2 / 2000).sum()
    assert chi_squared < 27.9  # 99.9 % quantile, 9 degrees of freedom


def test_no_palindrome_comes_twice():
    dataset = PalindromeDataset(60, seed=1)  # 10^30 left halves: a repeat would be a bug, not chance
    rows = torch.cat([dataset.generate_palindromes(n) for n in (1, 128, 1, 3000, 128)])
    assert len(torch.unique(rows, dim=0)) == len(rows)


class Twenty(PalindromeDataset):
    def __len__(self):
        return 20


@pytest.mark.parametrize("num_workers", [0, 2])
def test_no_worker_of_a_data_loader_and_no_second_pass_gives_a_palindrome_again(num_workers):
    torch.manual_seed(0)
    loader = DataLoader(Twenty(60, seed=1), batch_size=5, num_workers=num_workers)
    rows = torch.cat([digits for _ in range(2) for digits, _ in loader])
    assert len(rows) == len(torch.unique(rows, dim=0)) == 40


def test_same_seed_same_stream_other_seed_or_side_another():
    stream = PalindromeDataset(20, seed=5).generate_palindromes(30)
    assert torch.equal(stream, PalindromeDataset(20, seed=5).generate_palindromes(30))
    assert not torch.equal(stream, PalindromeDataset(20, seed=6).generate_palindromes(30))
    assert not torch.equal(stream, PalindromeDataset(20, seed=5, held_out=True).generate_palindromes(30))


def test_the_stream_of_a_seed_stays_what_it_is():
    """A numpy that draws other numbers, or another order of drawing, would make every committed seed another one."""

    def first_two(T, held_out):
        return ["".join(map(str, row)) for row in PalindromeDataset(T, 7, held_out).generate_palindromes(2).tolist()]

    assert first_two(11, False) == ["52896269825", "06541614560"]
    assert first_two(11, True) == ["29031213092", "65861716856"]
    assert first_two(5, True) == ["48584", "91919"]


@pytest.mark.parametrize("drawn", [0, 7, 1000])
def test_state_dict_continues_where_the_stream_was(drawn):
    dataset = PalindromeDataset(20, seed=5)
    dataset.batch(drawn)
    other = PalindromeDataset(20, seed=0)
    other.load_state_dict(dataset.state_dict())
    for _ in range(3):
        assert all(torch.equal(*pair) for pair in zip(dataset.batch(9), other.batch(9), strict=True))


def test_the_state_of_an_old_checkpoint_is_taken_too():
    """Before, palindromes came from a pool, and the state told how much of it was used."""
    rng = PalindromeDataset(20, seed=5).state_dict()["rng"]
    PalindromeDataset(20).load_state_dict({"rng": rng, "pool": 3276, "used": 128})


def test_encode_raw_and_one_hot():
    digits = torch.tensor([[3, 0, 9], [1, 1, 2]])
    assert torch.equal(encode(digits, 1), digits[:, :, None].float())
    one_hot = encode(digits, 10)
    assert one_hot.shape == (2, 3, 10) and torch.equal(one_hot.argmax(2), digits) and (one_hot.sum(2) == 1).all()


def test_too_short_a_palindrome_is_refused():
    with pytest.raises(ValueError, match="seq_length 1"):
        PalindromeDataset(1)
