"""part2/train.py's settings, scores and loop: each line that decides a number, on models of a few units."""

import csv
import itertools
import math
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
import torch
import torch.nn.functional as F
from torch.nn.utils import parameters_to_vector

from common import training
from common.run_folder import RunFolder
from common.tables import read_runs
from part1 import init
from part1.lstm import LSTM
from part2 import train
from part2.dataset import AddingProblem, FrequencyDiscrimination, Palindromes
from part2.time_gate import PARAMETERS, TimeGate
from tests.scripts import ROOT, call

TINY = {"num_hidden": 5, "batch_size": 4, "input_length": 6, "device": "cpu", "eval_every": 1, "r_on": 0.5}


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def trained(folder, stop=False, resume=False, **changes):
    """Settings, model, result and rows of metrics of a short run."""
    config = train.settings(**{**TINY, **changes})
    task = train.TASKS[config.task](config, False)
    model = train.build_model(config, task)
    run = RunFolder(folder, {}, train.COLUMNS, resume=resume)
    run.begin("cpu")
    try:
        return config, model, train.train(config, model, task, run, stop), rows_of(folder / "metrics.csv")
    finally:
        run.close()


@pytest.fixture
def scripted(monkeypatch):
    """A function that lets evaluations find these accuracies, one after the other, then 0."""

    def script(*accuracies):
        found = itertools.chain(accuracies, itertools.repeat(0.0))
        monkeypatch.setattr(train, "evaluate", lambda *args: (0.5, next(found)))

    return script


# The loop


@pytest.mark.parametrize("max_norm", [1e-3, 1e9])
def test_a_gradient_is_clipped_to_max_norm(tmp_path, max_norm):
    settings = {"optimizer": "sgd", "learning_rate": 1.0, "max_norm": max_norm, "task": "adding", "train_steps": 1}
    config, model, _, rows = trained(tmp_path, **settings)
    first = train.build_model(config, AddingProblem(6))
    moved = parameters_to_vector(model.parameters()) - parameters_to_vector(first.parameters())
    norm = float(rows[0]["grad_norm"])  # before clipping
    assert 1e-2 < norm and moved.norm().item() == pytest.approx(min(norm, max_norm), rel=1e-3)


@pytest.mark.parametrize("patience, steps", [(3, 6), (0, 9)])
def test_only_consecutive_good_evaluations_end_the_training_and_none_at_patience_0(tmp_path, scripted, patience, steps):
    scripted(1, 1, 0.9989, 0.999, 1, 1)
    _, _, result, rows = trained(tmp_path, patience=patience, train_steps=9)
    assert result["steps"] == len(rows) == steps and result["converged"] == (patience > 0)


@pytest.mark.parametrize("task", ["palindromes", "adding"])
def test_it_is_evaluated_on_the_held_out_stream_then_on_more_of_it(tmp_path, task):
    def held_out(length):
        return Palindromes(length + 1, 3, True) if task == "palindromes" else AddingProblem(length, 3, True)

    config, model, result, (row,) = trained(tmp_path, task=task, seed=3, train_steps=1, times=[2])
    stream = held_out(6)
    first, second = (train.evaluate(model, stream, count, config) for count in (1_000, 10_000))
    assert (float(row["heldout_loss"]), float(row["heldout_accuracy"])) == first
    assert (result["loss"], result["accuracy"], result["sequences"]) == (*second, 10_000)
    assert result["accuracy_beyond"] == {12: train.evaluate(model, held_out(12), 1_000, config)[1]}


def test_the_clock_counts_training_and_stands_while_it_evaluates(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(training, "time", SimpleNamespace(process_time=lambda: now[0], monotonic=lambda: now[0]))

    def takes(seconds, result):
        def function(*args):
            now[0] += seconds
            return result

        return function

    monkeypatch.setattr(train, "evaluate", takes(1_000, (0.5, 0.0)))
    monkeypatch.setattr(train, "update", takes(1, torch.ones(())))
    _, _, result, rows = trained(tmp_path, train_steps=3, times=[2])
    for clock in ("cpu_seconds", "wall_seconds"):
        assert [float(row[clock]) for row in rows] == [1, 2, 3] and result[clock] == 3


@pytest.mark.parametrize("learn", [[], ["tau"], ["s"], ["r_on"]])
def test_what_is_not_to_be_learned_stays_and_gate_csv_has_both_ends(tmp_path, learn):
    config, model, _, _ = trained(tmp_path, learn=learn, train_steps=4)
    first = train.build_model(config, Palindromes(7)).gate
    for name in PARAMETERS:
        assert torch.equal(getattr(model.gate, name), getattr(first, name)) == (name not in learn)
    rows = rows_of(tmp_path / "gate.csv")
    assert [float(row["first_s"]) for row in rows] == pytest.approx(first.s.tolist(), rel=1e-5)
    assert [float(row["s"]) for row in rows] == pytest.approx(model.gate.s.tolist(), rel=1e-5)


@pytest.mark.parametrize("looks", range(1, 16))
def test_a_stop_at_any_look_saves_the_last_update_and_a_resume_is_the_unbroken_run(tmp_path, monkeypatch, looks):
    """Two looks in each of two evaluations, one before each of five updates, two at another length, four at the end."""
    for name, size in {"EVALUATION": 8, "FINAL_EVALUATION": 16, "AT_ONCE": 4}.items():
        monkeypatch.setattr(train, name, size)
    stop = MagicMock()
    stop.__bool__.side_effect = [False] * (looks - 1) + [True]  # a look more is an error
    settings = {"train_steps": 5, "eval_every": 3, "init": "chrono", "times": [2]}
    _, whole, expected, _ = trained(tmp_path / "whole", **settings)
    assert trained(tmp_path / "broken", stop, **settings)[2] is None
    steps = torch.load(tmp_path / "broken/checkpoint.pt", weights_only=True)["step"]
    assert steps == [0, 1, 2, 3, 3, 3, 4, *[5] * 8][looks - 1]
    _, model, result, _ = trained(tmp_path / "broken", resume=True, **settings)
    assert torch.equal(*(parameters_to_vector(cell.parameters()) for cell in (model, whole)))
    for table in ("metrics.csv", "gate.csv"):
        found, wanted = (rows_of(tmp_path / name / table) for name in ("broken", "whole"))
        for row, reference in zip([*found, result], [*wanted, expected], strict=True):
            assert [row[n] for n in row if "seconds" not in n] == [reference[n] for n in row if "seconds" not in n]
    assert {row["first_r_on"] for row in found} == {"0.5"} != {row["r_on"] for row in found}


@pytest.mark.parametrize("model_type", ["lstm_elapsed", "decaying"])
def test_a_rival_learns_on_waves_also_when_it_is_resumed_and_writes_no_gate(tmp_path, monkeypatch, model_type):
    for name in ("EVALUATION", "FINAL_EVALUATION"):
        monkeypatch.setattr(train, name, 8)
    settings = {"task": "frequency", "sampling": "asynchronous", "model_type": model_type, "train_steps": 3}
    config, whole, *_ = trained(tmp_path / "whole", **settings)
    trained(tmp_path / "broken", **{**settings, "train_steps": 2})
    _, model, *_ = trained(tmp_path / "broken", resume=True, **settings)
    first = train.build_model(config, FrequencyDiscrimination("asynchronous"))
    for name, weights in whole.named_parameters():
        assert torch.equal(weights, model.get_parameter(name)) and not torch.equal(weights, first.get_parameter(name))
    assert not (tmp_path / "whole/gate.csv").exists()


# The scores


def test_the_score_of_each_task():
    loss, right = train.loss_and_right(torch.tensor([[1.0], [0.5]]), torch.tensor([[1.03], [0.6]]), regression=True)
    assert loss.item() == pytest.approx((0.03**2 + 0.1**2) / 2) and right == 1
    loss, right = train.loss_and_right(torch.zeros(3, 2), torch.tensor([0, 1, 1]), regression=False)
    assert loss.item() == pytest.approx(math.log(2)) and right == 1


@pytest.mark.parametrize("count", [1, 250, 501])
def test_an_evaluation_is_the_mean_over_as_many_sequences_as_asked_for(count):
    class Drawn(Palindromes):
        def batch(self, batch_size):
            drawn.append(super().batch(batch_size))
            return drawn[-1]

    drawn, config = [], train.settings(**TINY, leak=0.0)
    model = train.build_model(config, Drawn(7))
    loss, accuracy = train.evaluate(model, Drawn(7), count, config)
    x, target = (torch.cat([batch[i] for batch in drawn]) for i in (0, 3))
    logits = model(x)
    assert len(target) == count and max(len(batch[0]) for batch in drawn) <= train.AT_ONCE
    assert accuracy == pytest.approx((logits.argmax(1) == target).double().mean().item())
    assert loss == pytest.approx(F.cross_entropy(logits, target).item(), rel=1e-5)


def test_the_leak_is_off_while_evaluating_and_on_again_after():
    config, x = train.settings(**TINY), AddingProblem(6).batch(9)[0]
    model = train.build_model(config, AddingProblem(6))
    model.gate = TimeGate(5, tau=1e6, s=5e5, leak=1.0)  # closed at every step
    found = train.evaluate(model, AddingProblem(6), 300, config)
    assert model.training and model(x).std() > 0
    model.gate.leak = 0.0
    assert train.evaluate(model, AddingProblem(6), 300, config) == found and model(x).std() == 0


# The network


@pytest.mark.parametrize("first", ["default", "chrono"])
def test_all_cells_begin_with_the_same_weights_of_the_seed_and_have_their_own_parameters_of_each_unit(first):
    def network(model_type, seed=3):
        config = train.settings(**TINY, model_type=model_type, seed=seed, init=first)
        return dict(train.build_model(config, Palindromes(7)).named_parameters())

    torch.manual_seed(3)
    part_1s = LSTM(10, 5, 10)
    init.change(part_1s, "LSTM", first, 6)
    own = {"gated": ("log_tau", "shift", "logit_r_on"), "decaying": ("w", "b")}
    for model_type in train.MODELS:
        weights = network(model_type)
        assert all(tuple(weights.pop(f"gate.{name}").shape) == (5,) for name in own.get(model_type, ()))
        torch.testing.assert_close(weights, dict(part_1s.named_parameters()), rtol=0, atol=0)
    assert not torch.equal(weights["W_gx"], network("lstm", seed=4)["W_gx"])


def test_flags_say_how_the_gate_begins():
    gate = train.build_model(train.settings(**TINY, log_tau=[4, 5], leak=0.2), Palindromes(7)).gate
    assert 4 <= gate.log_tau.min() and gate.log_tau.max() <= 5 and gate.leak == 0.2
    assert gate.r_on.tolist() == pytest.approx([0.5] * 5)


@pytest.mark.parametrize("model_type", train.MODELS)
def test_all_but_the_gated_lstm_get_the_time_of_waves_as_an_input_in_100_ms_or_since_the_sample_before(model_type):
    task = FrequencyDiscrimination("asynchronous")
    x, t, lengths, _ = task.batch(6)
    config = train.settings(task="frequency", model_type=model_type, num_hidden=4)
    model = train.build_model(config, task)
    since = torch.cat([torch.zeros(6, 1), (t[:, 1:] - t[:, :-1]).float()], dim=1)
    time = {"gated": [], "lstm": [t.float() / 100]}.get(model_type, [since])
    read = torch.cat([x, *(of[..., None] for of in time)], dim=2)
    outputs = train.predict(model, x, t, lengths, config)
    torch.testing.assert_close(outputs, model(read, t=t, lengths=lengths), rtol=0, atol=1e-6)


@pytest.mark.parametrize("sampling, longest", [("standard", 125), ("high", 1250), ("asynchronous", 124)])
def test_chrono_bridges_the_longest_wave_and_not_the_input_length(sampling, longest):
    config = train.settings(task="frequency", init="chrono", num_hidden=2_000, input_length=9)
    model = train.build_model(config, FrequencyDiscrimination(sampling))
    assert math.log(longest - 1) - 0.1 < model.b_f.max().item() <= math.log(longest - 1)


# The command line


NAMED_BY_VALUE = (
    "--task sums, --input_length 1, --log_tau 0 99, --r_on 0, --r_on 1, --leak 2, --learn period, --sampling slow, "
    "--init identity, --times 1"
)


@pytest.mark.parametrize(
    "flags, named",
    [
        *((flags, repr(flags.split()[-1])) for flags in NAMED_BY_VALUE.split(", ")),
        ("--input_length 2", "--input_length 2"),
        ("--log_tau 2 1", "the first is the larger"),
        ("--device cuda:99", "cuda:99"),
        ("--times 2 --task frequency", "--times"),
        ("--resume", "--output_dir"),
    ],
)
def test_bad_input_is_one_line_and_changes_nothing(tmp_path, capsys, flags, named):
    output = [] if flags == "--resume" else ["--output_dir", tmp_path / "run"]
    status, out, err = call(train.main, *flags.split(), *output, capsys=capsys)
    assert (status, out, err.count("\n")) == (2, "", 1) and named in err
    assert not (tmp_path / "run").exists()


def test_the_recorded_flags_are_those_of_the_kept_runs():
    kept, recorded = read_runs(ROOT / "results/part2/runs"), set()
    for line in (ROOT / "part2/runs.txt").read_text().splitlines()[1:]:
        config = train.build_parser().parse_args(line.split())
        run = Path(config.output_dir).name
        recorded.add(run)
        settings = {name: value for name, value in train.settings_of(config).items() if name in kept[run]}
        assert settings and settings == {name: kept[run][name] for name in settings}, run
    assert recorded == kept.keys()
