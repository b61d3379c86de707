"""part3/telling.py: advice by its stated rules."""

import math

import pytest

from part3.telling import advice


def rows(held_out, training):
    return [
        {"step": 100 * n, "heldout_loss": h, "train_loss": t}
        for n, (h, t) in enumerate(zip(held_out, training, strict=True), start=1)
    ]


FALLING, LEVEL, RISING = [3, 2.5, 2.2, 2.1, 2.0], [3, 2, 2, 2, 1.995], [3, 2, 2.1, 2.2, 2.3]
CASES = [  # held-out losses, training losses, weights, characters, keep, what it says
    (RISING, FALLING, 10, 100, 1.0, "rose by 0.30 after step 200 while the training loss fell"),
    (RISING, FALLING, 10, 100, 0.5, "--dropout_keep_prob 0.4 (now 0.5)"),
    (RISING, RISING, 10, 100, 1.0, "levelled off"),  # both rise: no overfitting
    ([3, 2, 2, 2, 2.02], FALLING, 10, 100, 1.0, "levelled off"),  # by too little
    (FALLING, FALLING, 200, 100, 1.0, "still falling, by 0.10 over the last fifth"),
    (LEVEL, FALLING, 200, 100, 1.0, "200 weights for 100 characters: try --dropout_keep_prob 0.7 (now 1)"),
    (LEVEL, FALLING, 200, 100, 0.9, "levelled off"),
    (LEVEL, FALLING, 100, 100, 1.0, "levelled off"),
    (FALLING[:4], FALLING[:4], 10, 100, 1.0, None),
    ([math.nan] * 5, FALLING, 10, 100, 1.0, None),  # nothing is held out
]


@pytest.mark.parametrize("held_out, training, weights, characters, keep, said", CASES)
def test_the_first_rule_that_holds_is_told_in_one_line(held_out, training, weights, characters, keep, said):
    found = advice(rows(held_out, training), weights, characters, keep)
    assert found == said if said is None else said in found and "\n" not in found
