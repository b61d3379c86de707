"""part2/train.py: both cells learn in the same conditions, each task is scored as it says, bad input is one line."""

import csv
import json
import math

import pytest
import torch

from part1.lstm import LSTM
from part2 import train
from part2.dataset import AddingProblem, FrequencyDiscrimination, Palindromes
from part2.time_gated_lstm import AlwaysOpen, TimeGatedLSTM
from tests.scripts import run


def config(*flags):
    return train.build_parser().parse_args([str(flag) for flag in flags])


@pytest.mark.parametrize("model_type", ["gated", "lstm"])
def test_it_learns_short_palindromes(tmp_path, model_type):
    flags = ["--model_type", model_type, "--input_length", 6, "--log_tau", 0, 1, "--r_on", 0.5, "--learning_rate", 0.01]
    status, out, err = run("part2/train.py", *flags, "--train_steps", 600, "--output_dir", tmp_path / "run")
    assert status == 0, err
    result = json.loads((tmp_path / "run/result.json").read_text())
    assert result["accuracy"] >= 0.999 and result["converged"] and result["steps"] < 600
    with open(tmp_path / "run/metrics.csv") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == list(range(50, result["steps"] + 1, 50))
    assert f"accuracy {result['accuracy']:.4f}" in out


def test_the_plain_cell_is_part_1s_lstm():
    torch.manual_seed(0)
    open_gate, plain = TimeGatedLSTM(3, 5, 2, AlwaysOpen(5)).double(), LSTM(3, 5, 2).double()
    plain.load_state_dict(open_gate.state_dict())
    x = torch.randn(4, 7, 3, dtype=torch.float64)
    torch.testing.assert_close(open_gate(x), plain(x), rtol=0, atol=1e-12)


def test_both_cells_begin_with_the_same_weights():
    task, models = Palindromes(6), {}
    for model_type in ("gated", "lstm"):
        torch.manual_seed(3)
        models[model_type] = train.build_model(config("--model_type", model_type, "--num_hidden", 5), task)
    gated, plain = (dict(model.named_parameters()) for model in models.values())
    assert set(gated) - set(plain) == {"gate.log_tau", "gate.shift", "gate.logit_r_on"}
    assert all(torch.equal(gated[name], plain[name]) for name in plain)


def test_what_is_not_to_be_learned_stays(tmp_path):
    flags = [
        "--learn",
        "s",
        "--input_length",
        4,
        "--num_hidden",
        5,
        "--train_steps",
        5,
        "--output_dir",
        tmp_path / "run",
    ]
    status, _, err = run("part2/train.py", *flags)
    assert status == 0, err
    state = torch.load(tmp_path / "run/checkpoint.pt", weights_only=True)["model"]
    torch.manual_seed(0)
    first = train.build_model(config(*flags), Palindromes(5)).state_dict()
    same = {name: torch.equal(state[name], first[name]) for name in ("gate.log_tau", "gate.logit_r_on", "gate.shift")}
    assert same == {"gate.log_tau": True, "gate.logit_r_on": True, "gate.shift": False}


def test_a_resumed_run_writes_the_gate_of_an_unbroken_one(tmp_path):
    flags = ["--input_length", 5, "--num_hidden", 4, "--eval_every", 2, "--r_on", 0.3]
    for name, steps in (("whole", [6]), ("broken", [3, 6])):
        for last in steps:
            more = ["--train_steps", last, "--resume", "--output_dir", tmp_path / name]
            assert run("part2/train.py", *flags, *more)[0] == 0
    whole, broken = ((tmp_path / name / "gate.csv").read_text() for name in ("whole", "broken"))
    assert whole == broken
    first, last = zip(*(map(float, line.split(",")[2::3]) for line in whole.splitlines()[1:]), strict=True)
    assert set(first) == {0.3} and set(last) != {0.3}, "the first values are those before any learning"


def test_the_score_of_each_task():
    loss, right = train.loss_and_right(torch.tensor([[1.0], [0.5]]), torch.tensor([[1.03], [0.6]]), regression=True)
    assert loss.item() == pytest.approx((0.03**2 + 0.1**2) / 2) and right == 1
    loss, right = train.loss_and_right(torch.zeros(3, 2), torch.tensor([0, 1, 1]), regression=False)
    assert loss.item() == pytest.approx(0.6931, abs=1e-4) and right == 1


def test_only_the_plain_lstm_gets_the_time_as_an_input():
    task = FrequencyDiscrimination()
    for model_type, input_dim in (("gated", 1), ("lstm", 2)):
        settings = config("--task", "frequency", "--model_type", model_type, "--num_hidden", 4)
        model = train.build_model(settings, task)
        assert model.W_gx.shape == (4, input_dim)
        x, t, lengths, _ = task.batch(6)
        logits = train.predict(model, x, t, lengths, settings)
        # What stands in the padding does not matter.
        padding = torch.arange(x.shape[1]) >= lengths[:, None]
        x[padding], t[padding] = 9.0, 7.0
        torch.testing.assert_close(train.predict(model, x, t, lengths, settings), logits)


@pytest.mark.parametrize("sampling, longest", [("standard", 125), ("high", 1250), ("asynchronous", 124)])
def test_chrono_bridges_the_longest_wave_and_not_the_input_length(sampling, longest):
    settings = config("--task", "frequency", "--init", "chrono", "--num_hidden", 2_000, "--input_length", 9)
    model = train.build_model(settings, FrequencyDiscrimination(sampling))
    assert math.log(longest - 1) - 0.1 < model.b_f.max().item() <= math.log(longest - 1)


def test_the_leak_is_off_while_evaluating():
    settings = config("--leak", 1, "--num_hidden", 4, "--task", "adding", "--input_length", 5)
    model, modes = train.build_model(settings, AddingProblem(5)), []
    model.gate.register_forward_pre_hook(lambda gate, _: modes.append(gate.training))
    train.evaluate(model, AddingProblem(5), 500, settings)
    assert modes == [False, False] and model.training


@pytest.mark.parametrize(
    "task, held_out",
    [
        ("palindromes", lambda length: Palindromes(length + 1, held_out=True)),
        ("adding", lambda length: AddingProblem(length, held_out=True)),
    ],
)
def test_the_trained_model_is_tested_at_times_the_length(tmp_path, task, held_out):
    flags = ["--task", task, "--input_length", 5, "--num_hidden", 6, "--train_steps", 4, "--r_on", 0.5]
    folder = tmp_path / "run"
    status, out, err = run("part2/train.py", *flags, "--output_dir", folder)
    assert status == 0, err
    without = json.loads((folder / "result.json").read_text())
    assert "accuracy_beyond" not in without
    status, out, err = run("part2/train.py", *flags, "--output_dir", folder, "--times", 2, 3, "--resume")
    assert status == 0, f"it is not one of the settings that a resume compares: {err}"
    assert "times" not in json.loads((folder / "config.json").read_text())
    result = json.loads((folder / "result.json").read_text())
    assert {name: result[name] for name in ("accuracy", "loss", "steps")} == {
        name: without[name] for name in ("accuracy", "loss", "steps")
    }, "the longer ones do not change the score at the length itself"

    settings = config(*flags)
    model = train.build_model(settings, train.TASKS[task](settings, False))
    model.load_state_dict(torch.load(folder / "checkpoint.pt", weights_only=True)["model"])
    expected = {str(n): train.evaluate(model, held_out(n), 1_000, settings)[1] for n in (10, 15)}
    assert result["accuracy_beyond"] == expected
    assert "at 15 steps" in out


@pytest.mark.parametrize(
    "flags, named",
    [
        (["--task", "sums"], "'sums'"),
        (["--input_length", "1"], "'1'"),
        (["--input_length", "2"], "--input_length 2"),
        (["--log_tau", "2", "1"], "the first is the larger"),
        (["--log_tau", "0", "99"], "'99'"),
        (["--r_on", "0"], "'0'"),
        (["--r_on", "1"], "'1'"),
        (["--leak", "2"], "'2'"),
        (["--learn", "period"], "'period'"),
        (["--sampling", "slow"], "'slow'"),
        (["--device", "cuda:99"], "cuda:99"),
        (["--times", "1"], "'1'"),
        (["--times", "2", "--task", "frequency"], "--times"),
        (["--resume"], "--output_dir"),
    ],
)
def test_bad_input_is_one_line(tmp_path, capsys, flags, named):
    output = [] if flags == ["--resume"] else ["--output_dir", str(tmp_path / "run")]
    with pytest.raises(SystemExit) as caught:
        train.main([*flags, *output])
    captured = capsys.readouterr()
    assert (caught.value.code, captured.out, captured.err.count("\n")) == (2, "", 1) and named in captured.err
    assert not (tmp_path / "run").exists()
