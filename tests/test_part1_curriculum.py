"""part1/curriculum.py: which lengths come, when the bound grows, and a model that then remembers beyond them."""

import csv
import json

import pytest
import torch

from part1 import train
from part1.curriculum import GROWTH, RIGHT, SHORT, Curriculum
from tests.scripts import run

ONE_HOT = ["--curriculum", "--input_dim", "10"]


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
                held_out = train.PalindromeDataset(10, held_out=True).every_palindrome()
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


@pytest.mark.parametrize("model_type, input_dim", [("RNN", "10"), ("LSTM", "10")])
def test_a_model_remembers_at_ten_times_the_length_that_it_was_trained_at(model_type, input_dim):
    flags = ["--model_type", model_type, "--curriculum", "--input_dim", input_dim, "--input_length", "30"]
    config = train.build_parser().parse_args([*flags, "--train_steps", "2000", "--patience", "2"])
    torch.manual_seed(0)
    model = train.build_model(config)
    result = train.train(config, show=False, model=model)
    assert result["converged"] and result["accuracy"] >= 0.99
    digits, target = train.PalindromeDataset(301, held_out=True).batch(1_000)
    assert train.evaluate(model, digits, target, config.input_dim)[1] >= 0.99


def test_a_resumed_run_is_the_unbroken_one(tmp_path):
    args = [*ONE_HOT, "--input_length", 40, "--num_hidden", 64, "--patience", 0, "--eval_every", 20]
    assert run("part1/train.py", *args, "--train_steps", 240, "--output_dir", tmp_path / "a")[0] == 0
    assert run("part1/train.py", *args, "--train_steps", 160, "--output_dir", tmp_path / "b")[0] == 0
    status, _, err = run("part1/train.py", *args, "--train_steps", 240, "--output_dir", tmp_path / "b", "--resume")
    assert status == 0, err
    a, b = (torch.load(tmp_path / name / "checkpoint.pt", weights_only=True) for name in "ab")
    assert all(torch.equal(a["model"][name], b["model"][name]) for name in a["model"])
    assert a["training_set"] == b["training_set"] and a["training_set"]["bound"] > SHORT
    rows = []
    for name in "ab":
        with open(tmp_path / name / "metrics.csv", newline="") as file:
            rows.append([[row[c] for c in train.COLUMNS if "seconds" not in c] for row in csv.DictReader(file)])
    assert rows[0] == rows[1] and len(rows[0]) == 12


def test_a_batch_of_one_has_no_halves(tmp_path):
    status, _, err = run("part1/train.py", *ONE_HOT, "--batch_size", 1, "--output_dir", tmp_path / "run")
    assert status == 2 and "--batch_size 1" in err and err.count("\n") == 1
    assert not (tmp_path / "run").exists()
