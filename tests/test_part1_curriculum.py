"""The curriculum from end to end: a model that remembers beyond the lengths that it was trained at, and resumes."""

import pytest
import torch

from common.tables import read_records
from part1 import train
from part1.curriculum import SHORT
from part1.dataset import PalindromeDataset
from tests.scripts import run

ONE_HOT = ["--curriculum", "--input_dim", "10"]


@pytest.mark.parametrize("model_type", ["RNN", "LSTM"])
def test_a_model_remembers_at_ten_times_the_length_that_it_was_trained_at(model_type):
    more = {"input_dim": 10, "input_length": 30, "train_steps": 2000, "patience": 2}
    config = train.settings(model_type=model_type, curriculum=True, **more)
    model = train.build_model(config)
    result = train.train(config, model, train.build_training_set(config), show=False)
    assert result["converged"] and result["accuracy"] >= 0.99
    digits, target = PalindromeDataset(301, held_out=True).batch(1_000)
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
    rows = [
        [[row[c] for c in train.COLUMNS if "seconds" not in c] for row in read_records(tmp_path / name / "metrics.csv")]
        for name in "ab"
    ]
    assert rows[0] == rows[1] and len(rows[0]) == 12


def test_a_batch_of_one_has_no_halves(tmp_path):
    status, _, err = run("part1/train.py", *ONE_HOT, "--batch_size", 1, "--output_dir", tmp_path / "run")
    assert status == 2 and "--batch_size 1" in err and err.count("\n") == 1
    assert not (tmp_path / "run").exists()
