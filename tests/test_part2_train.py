"""part2/train.py as a command: both cells learn in the same conditions, and --times tests a finished run further."""

import json

import pytest

from common.tables import read_records
from tests.scripts import run


@pytest.mark.parametrize("model_type", ["gated", "lstm"])
def test_it_learns_short_palindromes(tmp_path, model_type):
    flags = ["--model_type", model_type, "--input_length", 6, "--log_tau", 0, 1, "--r_on", 0.5, "--learning_rate", 0.01]
    status, out, err = run("part2/train.py", *flags, "--train_steps", 600, "--output_dir", tmp_path)
    assert status == 0, err
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["accuracy"] >= 0.999 and result["converged"] and result["steps"] < 600
    steps = [row["step"] for row in read_records(tmp_path / "metrics.csv")]
    assert steps == list(range(50, result["steps"] + 1, 50))
    assert f"accuracy {result['accuracy']:.4f}" in out and "converged" in out
    assert (tmp_path / "gate.csv").exists() == (model_type == "gated")


def test_a_finished_run_is_tested_at_times_the_length_by_a_resume(tmp_path):
    flags = ["--task", "adding", "--input_length", 5, "--num_hidden", 6, "--train_steps", 4, "--output_dir", tmp_path]
    results = []
    for more in ([], ["--times", 2, 3, "--resume"]):
        status, out, err = run("part2/train.py", *flags, *more)
        assert status == 0, err
        results.append(json.loads((tmp_path / "result.json").read_text()))
    assert "times" not in json.loads((tmp_path / "config.json").read_text()), "it is no setting of the training"
    assert list(results[1].pop("accuracy_beyond")) == ["10", "15"] and "at 15 steps" in out
    assert all(results[1][name] == results[0][name] for name in ("accuracy", "loss", "steps")), "at the length itself"
