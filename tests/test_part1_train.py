"""part1/train.py: it learns, it counts, it reports, and bad input costs one line."""

import json
import math
import re
import subprocess
import sys

import pytest
import torch

from common.tables import read_records
from part1 import train
from part1.dataset import PalindromeDataset
from part1.vanilla_rnn import VanillaRNN
from tests.scripts import ROOT, call, run

SCRIPT = "part1/train.py"
# Training loss at steps 2, 4, ..., 10 of `--train_steps 10 --eval_every 2`, seed 0, torch 2.13 on a CPU.
GOLDEN_RNN = [2.409961, 2.395097, 2.370787, 2.304577, 2.286380]
GOLDEN_LSTM = [2.466333, 2.321519, 2.314695, 2.304276, 2.263271]
TINY = ["--num_hidden", 8, "--batch_size", 16, "--patience", 0]


def result_of(folder):
    return json.loads((folder / "result.json").read_text())


@pytest.mark.parametrize("model_type, init", [("RNN", "default"), ("RNN", "orthogonal"), ("LSTM", "default")])
def test_it_learns_palindromes_of_five_digits_and_ends_by_itself(tmp_path, model_type, init):
    args = ["--model_type", model_type, "--init", init, "--input_length", 4, "--input_dim", 10]
    status, out, err = run(SCRIPT, *args, "--output_dir", tmp_path / "run")
    assert status == 0, err
    result = result_of(tmp_path / "run")
    assert result["accuracy"] >= 0.999 and result["converged"] and result["steps"] < 2_000
    assert result["palindromes"] == 102 and result["held_out"], "each held-out palindrome of 5 digits once"
    last = out.splitlines()[-1]
    assert "accuracy 1.0000" in last and "loss" in last and f"{result['steps']} steps" in last
    assert str(tmp_path / "run") in last and "palindromes of 5 digits" in out


def test_exactly_train_steps_updates_and_a_row_per_evaluation(tmp_path):
    status, _, err = run(SCRIPT, *TINY, "--train_steps", 25, "--eval_every", 10, "--output_dir", tmp_path)
    assert status == 0, err
    rows = read_records(tmp_path / "metrics.csv")
    assert [row["step"] for row in rows] == [10, 20, 25] and tuple(rows[0]) == train.COLUMNS
    assert all(math.isfinite(value) for row in rows for value in row.values())
    assert result_of(tmp_path)["steps"] == 25 and not result_of(tmp_path)["converged"]
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert state["step"] == 25 and state["optimizer"]["state"][0]["step"] == 25


def test_same_seed_same_numbers_and_another_seed_others(tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        args = ["--model_type", "LSTM", "--train_steps", 20, "--eval_every", 5, "--seed", seed]
        assert run(SCRIPT, *TINY, *args, "--output_dir", tmp_path / name)[0] == 0
    a, b, c = (
        [
            [row[name] for name in train.COLUMNS if not name.endswith("seconds")]
            for row in read_records(tmp_path / name / "metrics.csv")
        ]
        for name in "abc"
    )
    assert a == b and a != c


def test_the_first_losses_of_seed_0(tmp_path):
    """Another torch may round differently, not more."""
    for model_type, expected in (("RNN", GOLDEN_RNN), ("LSTM", GOLDEN_LSTM)):
        flags = ["--model_type", model_type, "--train_steps", 10, "--eval_every", 2]
        assert run(SCRIPT, *flags, "--output_dir", tmp_path / model_type)[0] == 0
        losses = [row["train_loss"] for row in read_records(tmp_path / model_type / "metrics.csv")]
        assert losses == pytest.approx(expected, rel=1e-4)


def test_the_command_can_be_repeated_at_once_and_makes_numbered_folders(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(train, "ROOT", tmp_path)
    for _ in range(2):
        train.main([str(word) for word in [*TINY, "--train_steps", 2]])
    names = sorted(p.name for p in (tmp_path / "results/part1").iterdir())
    assert names == ["RNN_length10_seed0_run1", "RNN_length10_seed0_run2"]


def test_short_palindromes_say_that_nothing_is_held_out(tmp_path):
    args = ["--input_length", 2, "--train_steps", 2, "--output_dir", tmp_path]
    status, out, _ = run(SCRIPT, *TINY, *args)
    assert status == 0 and "on 100 palindromes (too few to hold any out)" in out


@pytest.mark.parametrize("optimizer", train.OPTIMIZERS)
def test_every_optimizer_takes_a_step(optimizer):
    config = train.settings(optimizer=optimizer, train_steps=3, num_hidden=8)
    assert train.train(config, train.build_model(config), train.build_training_set(config), show=False)["steps"] == 3


@pytest.mark.parametrize(
    "flags",
    [
        ["--learning_rate", "9e29"],
        ["--learning_rate", "9e29", "--optimizer", "sgd", "--eval_every", "1"],
        ["--learning_rate", "9e29", "--model_type", "LSTM", "--input_dim", "10"],
    ],
)
def test_weights_that_are_not_finite_end_the_run_and_are_not_saved(tmp_path, flags):
    status, _, err = run(SCRIPT, *TINY, *flags, "--output_dir", tmp_path)
    assert status == 3, err
    assert "Traceback" not in err and "lower --learning_rate" in err and "step " in err
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert all(value.isfinite().all() for value in state["model"].values())
    assert not (tmp_path / "result.json").exists()


def test_evaluate_is_the_mean_over_all_chunks():
    torch.manual_seed(0)
    model = VanillaRNN(1, 8, 10)
    digits, target = PalindromeDataset(11, held_out=True).batch(2_345)  # more than two chunks
    loss, accuracy = train.evaluate(model, digits, target, input_dim=1)
    p = model(digits[..., None].float())
    assert loss == pytest.approx(torch.nn.functional.cross_entropy(p, target).item(), rel=1e-5)
    assert accuracy == pytest.approx((p.argmax(1) == target).double().mean().item())


@pytest.mark.parametrize("script", ["train", pytest.param("plot_accuracy", marks=pytest.mark.long)])
def test_help_from_anywhere_and_as_a_module(script):
    status, out, _ = run(f"part1/{script}.py", "--help")
    assert status == 0 and "default" in out
    for command, folder in ((["-m", f"part1.{script}"], ROOT), ([f"{script}.py"], ROOT / "part1")):
        done = subprocess.run([sys.executable, *command, "--help"], cwd=folder, capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (0, out)


BAD = [
    ("--model_type", ["GRU", ""], "choose from|is no value"),
    ("--input_length", ["0", "-1", "1.5", "nan", "inf", "1e6", "ten", "10000000"], "from 1 to 100000"),
    ("--input_dim", ["3", "0", "x"], "choose from|invalid int"),
    ("--num_classes", ["9", "0", "nan"], "from 10 to"),
    ("--num_hidden", ["0", "-1", "2.5", "text"], "from 1 to"),
    ("--batch_size", ["0", "-1", "nan", "1e6"], "from 1 to"),
    ("--learning_rate", ["0", "-1", "nan", "inf", "fast"], "above 0"),
    ("--max_norm", ["0", "-1", "nan", "inf"], "above 0"),
    ("--train_steps", ["0", "-1", "1e6", "nan"], "from 1 to"),
    ("--eval_every", ["0", "-1", "1.5"], "from 1 to"),
    ("--patience", ["-1", "1.5", "nan"], "from 0 to"),
    ("--seed", ["-1", "1.5", "99999999999999999999"], "from 0 to"),
    ("--init", ["chrono", "zero_bias", "xavier"], "makes no sense for the RNN|choose from"),
    ("--optimizer", ["adagrad"], "choose from"),
    ("--device", ["gpu", "cuda:77", "cuda:x"], "device"),
]


@pytest.mark.parametrize(
    "flags, allowed",
    [
        *(([flag, value], allowed) for flag, values, allowed in BAD for value in values),
        (["--model_type", "LSTM", "--init", "chrono", "--input_length", "2"], "at least 3"),
    ],
)
def test_bad_input_is_one_line_status_2_and_writes_nothing(tmp_path, capsys, flags, allowed):
    status, out, err = call(train.main, *flags, "--output_dir", tmp_path / "run", capsys=capsys)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert flags[-1] in err and re.search(allowed, err) and not (tmp_path / "run").exists()


def test_resume_needs_a_folder(capsys):
    assert "--resume needs --output_dir" in call(train.main, "--resume", capsys=capsys)[2]
