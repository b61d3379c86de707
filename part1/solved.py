"""What "solved" means, everywhere in this project: 99.9 % of the palindromes are right, and that is 95 % sure."""

import math

SOLVED, CONFIDENCE = 0.999, 0.95
LONG = 1_000  # digits to read: beyond, fewer palindromes are drawn, as each takes long
FEW = 7  # digits to read: up to here at most 1,012 palindromes are held out, and each is tried once


def palindromes_to_draw(input_length):
    """How many random held-out palindromes with so many digits to read tell whether a seed has solved the length."""
    return 10_000 if input_length <= LONG else 3_000


def is_solved(accuracy, palindromes, input_length):
    """Whether a seed that is right on this share, 0 to 1, of so many held-out palindromes has solved their length.

    The bound on its accuracy is then at least 99.9 %: 10,000 draws pass with up to four errors, 3,000 without one.
    Where few are held out each was tried: there the accuracy itself is to be 99.9 %, and there is no bound.
    """
    if not accuracy >= SOLVED:  # nor where it is NaN, that of a run that diverged
        return False
    return input_length <= FEW or bound(accuracy, palindromes) >= SOLVED


def bound(accuracy, palindromes):
    """The bound on an accuracy that was measured on so many random palindromes, as `lower_bound` has it."""
    return lower_bound(round((1 - accuracy) * palindromes), palindromes)


def lower_bound(errors, count):
    """The one-sided 95 % bound of Clopper and Pearson on an accuracy, 0 to 1, after `errors` in `count` draws.

    Were the accuracy lower, so few errors would come in less than 5 % of such tests.
    """
    low, high = 0.0, 1.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        so_few = sum(map(math.exp, (_log_chance(k, count, middle) for k in range(errors + 1))))
        low, high = (low, middle) if so_few > 1 - CONFIDENCE else (middle, high)
    return low


def _log_chance(errors, count, accuracy):
    """The logarithm of the probability of just so many errors, by the binomial distribution."""
    choices = math.lgamma(count + 1) - math.lgamma(errors + 1) - math.lgamma(count - errors + 1)
    return choices + (count - errors) * math.log(accuracy) + errors * math.log1p(-accuracy)
