"""part1/benchmark.py: what it compares computes the same, and it writes what it says."""

import json

import pytest
import torch

from part1 import benchmark
from tests.scripts import run


@pytest.mark.parametrize("cell, others", [("rnn", ["textbook_rnn"]), ("lstm", ["textbook_lstm"])])
def test_the_slower_forms_compute_the_same(cell, others):
    torch.manual_seed(0)
    models = benchmark.models(2, 5, 3)
    x = torch.randn(4, 7, 2, dtype=torch.float64)
    expected = models[cell].double()(x)
    for name in others:
        models[name].double().load_state_dict(models[cell].state_dict())
        torch.testing.assert_close(models[name](x), expected, rtol=0, atol=1e-12)


def test_the_courses_palindromes_are_palindromes():
    for T in (2, 7, 12):
        digits, target = benchmark.CourseDataset(T)[0]
        palindrome = [*digits.astype(int), target]
        assert len(palindrome) == T and palindrome == palindrome[::-1] and {*palindrome} <= {*range(10)}


def test_a_training_step_learns_from_each_batch_that_it_asks_for():
    model = benchmark.models(1, 5, 10)["rnn"]
    before, asked = model.W_hx.clone(), []

    def batch():
        asked.append(1)
        return torch.rand(4, 7, 1), torch.arange(4)

    step = benchmark.training_step(model, batch)
    step(), step()
    assert len(asked) == 2 and not torch.equal(before, model.W_hx)


def test_the_yardstick_has_the_sizes_of_ours():
    models = benchmark.models(2, 5, 3)
    for ours, torchs, biases in (("rnn", "nn_rnn", 5), ("lstm", "nn_lstm", 20)):
        count = [sum(p.numel() for p in models[name].parameters()) for name in (ours, torchs)]
        assert count[1] - count[0] == biases  # torch has a second bias for each gate


def test_the_script_prints_and_writes_the_medians(tmp_path):
    sizes = ["--input_length", 3, "--num_hidden", 4, "--batch_size", 5, "--rounds", 3]
    status, out, err = run("part1/benchmark.py", *sizes, "--json", tmp_path / "b.json")
    assert status == 0, err
    medians = json.loads((tmp_path / "b.json").read_text())
    for key in ("lstm_over_nn_lstm.T3", "rnn_over_nn_rnn.T3", "batch_over_step.T3", "course_over_whole_lstm.T3"):
        assert medians[key] > 0 and medians[f"{key}.kept"] > 0
    assert "lstm_over_nn_lstm.T3" in out and "one thread" in out


@pytest.mark.parametrize("flags, named", [(["--rounds", "1"], "'1'"), (["--json", "/no/such/x.json"], "/no/such")])
def test_bad_input_is_one_line(flags, named):
    status, out, err = run("part1/benchmark.py", *flags)
    assert (status, out, err.count("\n")) == (2, "", 1) and named in err
