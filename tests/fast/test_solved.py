"""part1/solved.py: the one meaning of "solved"."""

import math

import pytest

from part1.solved import is_solved, lower_bound, palindromes_to_draw


@pytest.mark.parametrize("count", [1, 30, 3_000])
def test_the_bound_after_no_error_is_that_of_the_closed_form(count):
    assert lower_bound(0, count) == pytest.approx(0.05 ** (1 / count), abs=1e-8)


@pytest.mark.parametrize("errors, count", [(1, 20), (4, 10_000), (20, 20)])
def test_at_the_bound_so_few_errors_have_a_chance_of_five_percent(errors, count):
    p = lower_bound(errors, count)
    chance = sum(math.comb(count, k) * (1 - p) ** k * p ** (count - k) for k in range(min(errors, count - 1) + 1))
    assert chance == pytest.approx(0.05, rel=1e-3) if errors < count else p == pytest.approx(0, abs=1e-8)


def test_a_seed_is_solved_if_95_percent_are_sure_of_99_9_percent():
    for palindromes, most in ((2_994, None), (2_995, 0), (3_000, 0), (10_000, 4)):  # 0.999 ** 2994 is above 5 %
        for errors in (0, 1, 4, 5, palindromes // 2):
            solved = most is not None and errors <= most
            assert is_solved(1 - errors / palindromes, palindromes, 10) == solved
    assert not is_solved(math.nan, 10_000, 10), "one that diverged"


def test_where_each_palindrome_is_tried_the_accuracy_itself_counts():
    assert is_solved(1, 102, 4) and is_solved(1 - 1 / 1012, 1012, 7) and not is_solved(1 - 2 / 1012, 1012, 7)
    assert not is_solved(1, 1012, 8), "drawn ones, and too few"


def test_what_is_drawn_can_solve_each_length():
    assert all(is_solved(1, palindromes_to_draw(length), length) for length in (8, 1_000, 1_001, 100_000))
