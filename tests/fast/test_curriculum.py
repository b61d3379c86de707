"""part1/curriculum.py: which lengths come, and when the bound grows."""

import json

import torch

from part1.curriculum import GROWTH, RIGHT, SHORT, Curriculum
from part1.dataset import PalindromeDataset


def lengths(curriculum, count=300):
    """The lengths of the short and of the long halves of so many batches: two sets."""
    halves = [[digits.shape[1] for digits, _ in curriculum.batches(4)] for _ in range(count)]
    return tuple(set(half) for half in zip(*halves, strict=True))


def test_every_short_length_and_every_one_between_half_the_bound_and_the_bound_comes():
    curriculum = Curriculum(100)
    assert lengths(curriculum) == ({1, 2, 3, 4, 5}, {3, 4, 5})
    curriculum.bound = 20
    assert lengths(curriculum) == ({1, 2, 3, 4, 5}, set(range(10, 21)))
    assert lengths(Curriculum(2)) == ({1, 2}, {1, 2}) and lengths(Curriculum(1)) == ({1}, {1})


def test_both_halves_are_palindromes_without_their_last_digit_and_none_is_held_out():
    curriculum = Curriculum(9, seed=3)
    curriculum.bound = 9
    for _ in range(20):
        for size, (digits, target) in zip((3, 4), curriculum.batches(7), strict=True):
            assert len(digits) == len(target) == size
            palindromes = torch.cat([digits, target[:, None]], dim=1)
            assert torch.equal(palindromes, palindromes.flip(1))
            if digits.shape[1] == 9:  # palindromes of ten digits: five in the left half
                held_out = PalindromeDataset(10, held_out=True).every_palindrome()
                assert not {tuple(p.tolist()) for p in palindromes} & {tuple(p.tolist()) for p in held_out}


def test_the_bound_grows_while_the_long_half_is_right_and_never_beyond_the_goal():
    curriculum = Curriculum(60)
    assert curriculum.bound == SHORT
    curriculum.grow(RIGHT)
    assert curriculum.bound == SHORT
    curriculum.grow(RIGHT / 2)
    assert curriculum.bound == SHORT + 1
    curriculum.bound = 40
    curriculum.grow(0.0)
    assert curriculum.bound == int(40 * GROWTH)
    for _ in range(10):
        curriculum.grow(0.0)
    assert curriculum.bound == 60


def test_a_restored_curriculum_goes_on_with_the_same_palindromes():
    a, b = Curriculum(50, seed=1), Curriculum(50, seed=2)
    a.bound = 30
    a.batches(8)
    b.load_state_dict(json.loads(json.dumps(a.state_dict())))
    for (digits, target), (digits_b, target_b) in zip(a.batches(8), b.batches(8), strict=True):
        assert torch.equal(digits, digits_b) and torch.equal(target, target_b)
