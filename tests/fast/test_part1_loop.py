"""The loop of part1/train.py and the tests after it, held line by line: change the line, and a test here fails."""

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from common import training
from common.run_folder import RunFolder
from common.tables import read_records
from part1 import sweep, train
from part1.curriculum import Curriculum
from part1.dataset import PalindromeDataset, _in_set

TINY = {"num_hidden": 8, "batch_size": 16, "input_length": 8, "eval_every": 1, "patience": 0, "device": "cpu"}


def trained(train_steps=3, run=None, training_set=None, **changes):
    """Model and result of a tiny training."""
    config = train.settings(**{**TINY, "train_steps": train_steps, **changes})
    model = train.build_model(config)
    return model, train.train(config, model, training_set or train.build_training_set(config), run, show=False)


def a_run(path, **changes):
    run = RunFolder(path, {}, train.COLUMNS, **changes)
    run.begin("cpu")
    return run


@pytest.fixture
def scripted(monkeypatch):
    """A function that lets evaluations find these accuracies, one after the other, the last one for ever."""

    def script(*accuracies):
        found = itertools.chain(accuracies, itertools.repeat(accuracies[-1]))
        monkeypatch.setattr(train, "evaluate", lambda *args: (0.5, next(found)))

    return script


@pytest.fixture
def evaluated(monkeypatch):
    """The digits and targets of all evaluations, a list that fills."""
    seen, evaluate = [], train.evaluate

    def keep(model, digits, target, *more):
        seen.append((digits, target))
        return evaluate(model, digits, target, *more)

    monkeypatch.setattr(train, "evaluate", keep)
    return seen


def held_out(digits):
    """Which palindromes, of which all digits but the last are given, belong to the held-out set."""
    T = digits.shape[1] + 1
    return _in_set(digits[:, : (T + 1) // 2].numpy().astype(np.uint8), T, held_out=True)


def length_of_update(max_norm):
    model, _ = trained(1, optimizer="sgd", learning_rate=1.0, max_norm=max_norm)
    before = train.build_model(train.settings(**TINY))
    return sum((a - b).square().sum() for a, b in zip(model.parameters(), before.parameters(), strict=True)).sqrt()


def test_a_gradient_is_clipped_to_max_norm():
    assert length_of_update(1e-3).item() == pytest.approx(1e-3, rel=1e-2)
    assert length_of_update(1e9).item() > 1e-2, "a gradient that is shorter stays as it is"


def test_the_gradient_is_that_of_the_last_batch_alone():
    """Without zero_grad the second step of SGD would be longer by the first gradient."""
    config = train.settings(**TINY, optimizer="sgd", learning_rate=0.1)
    model, training_set = train.build_model(config), train.build_training_set(config)
    for _ in range(2):
        before = {name: p.detach().clone() for name, p in model.named_parameters()}
        state = training_set.state_dict()
        digits, target = training_set.batch(16)
        loss = F.cross_entropy(model(train.encode(digits, 1)), target)
        gradients = torch.autograd.grad(loss, list(model.parameters()))
        training_set.load_state_dict(state)
        train.train(train.settings(**TINY, optimizer="sgd", learning_rate=0.1, train_steps=1), model, training_set,
                    show=False)  # fmt: skip
        for (name, p), gradient in zip(model.named_parameters(), gradients, strict=True):
            torch.testing.assert_close(p.detach(), before[name] - 0.1 * gradient)


@pytest.mark.parametrize("accuracies, steps", [((1, 0, 1, 1), 4), ((1, 1), 2), ((1, 0.9985, 1, 0.9985), 9)])
def test_only_consecutive_good_evaluations_end_the_training(scripted, accuracies, steps):
    scripted(*accuracies)
    _, result = trained(9, patience=2)
    assert result["steps"] == steps and result["converged"] == (steps < 9)


def test_the_curriculum_hears_the_loss_of_its_long_half():
    class Listening(Curriculum):
        def batches(self, batch_size):
            self.last = super().batches(batch_size)
            return self.last

        def grow(self, loss):
            self.heard = loss

    curriculum = Listening(8)
    model, _ = trained(1, training_set=curriculum, curriculum=True, learning_rate=1e-12)
    short, long = (F.cross_entropy(model(train.encode(digits, 1)), target).item() for digits, target in curriculum.last)
    assert curriculum.heard == pytest.approx(long, rel=1e-5) and abs(long - short) > 1e-4


def test_accuracy_is_measured_on_held_out_palindromes_only(evaluated):
    trained(2)
    config = train.settings(**TINY)
    sweep.accuracy_beyond(train.build_model(config), config, [2])
    assert [len(digits) for digits, _ in evaluated] == [1_000, 1_000, 10_000, 1_000]
    for digits, target in evaluated:
        assert held_out(digits).all() and torch.equal(digits[:, 0], target)
    assert evaluated[-1][0].shape[1] == 16


def test_training_palindromes_are_never_held_out():
    for held in (PalindromeDataset(9).batch(500)[0], *(digits for digits, _ in Curriculum(3).batches(500))):
        assert held.shape[1] < 3 or not held_out(held).any()


def test_the_final_accuracy_is_of_palindromes_drawn_afresh(evaluated):
    trained(1)
    assert not {tuple(row) for row in evaluated[0][0].tolist()} >= {tuple(row) for row in evaluated[1][0].tolist()}
    trained(1, input_length=7)  # so few held-out palindromes that each is tried once
    assert [len(digits) for digits, _ in evaluated[2:]] == [1_012, 1_012]


def test_the_clock_stands_while_it_evaluates(monkeypatch, tmp_path):
    hands = {"process_time": 0.0}
    monkeypatch.setattr(training.time, "process_time", lambda: hands["process_time"])

    def evaluate(*args):
        hands["process_time"] += 1_000
        return 0.5, 0.0

    monkeypatch.setattr(train, "evaluate", evaluate)
    _, result = trained(3, a_run(tmp_path))
    assert result["cpu_seconds"] == 0
    assert [row["cpu_seconds"] for row in read_records(tmp_path / "metrics.csv")] == [0] * 3


class StopAt:
    """A stop flag that is truthy from the n-th look on."""

    def __init__(self, looks):
        self.looks = looks

    def __bool__(self):
        self.looks -= 1
        return self.looks <= 0


@pytest.mark.parametrize("looks", range(1, 17))
def test_a_stop_at_any_look_saves_the_last_update_and_a_resume_is_the_unbroken_run(tmp_path, monkeypatch, looks):
    """Two looks in each of three evaluations, one before each update, and ten in the final evaluation."""
    monkeypatch.setattr(train, "AT_ONCE", 8 * 500)
    monkeypatch.setattr(train, "FINAL_EVALUATION", 5_000)
    config = train.settings(**TINY, train_steps=3, curriculum=True)
    whole, expected = trained(3, a_run(tmp_path / "whole"), curriculum=True)
    run = a_run(tmp_path / "run")
    stop = StopAt(looks)
    assert train.train(config, train.build_model(config), train.build_training_set(config), run, stop) is None
    run.close()
    run = a_run(tmp_path / "run", resume=True)
    assert run.state["step"] == min(3, (looks + 1) // 3) and stop.looks == 0, "it ends at the look that finds it"
    model = train.build_model(train.settings(**{**TINY, "seed": 9}))  # its weights come from the checkpoint
    result = train.train(config, model, train.build_training_set(config), run, show=False)
    timeless = [{name: found[name] for name in found if "seconds" not in name} for found in (result, expected)]
    assert timeless[0] == timeless[1]
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), whole.parameters(), strict=True))
    rows = [read_records(tmp_path / name / "metrics.csv") for name in ("run", "whole")]
    for columns in ("step", "train_loss", "heldout_loss", "heldout_accuracy", "grad_norm"):
        assert [row[columns] for row in rows[0]] == [row[columns] for row in rows[1]]


def test_an_update_that_ruins_the_weights_is_not_saved(tmp_path):
    run = a_run(tmp_path)
    with pytest.raises(training.DivergedError, match="step 1: "):
        trained(3, run, optimizer="sgd", learning_rate=3e38, max_norm=1e30)
    run.close()
    assert a_run(tmp_path, resume=True).state["step"] == 0


def test_a_refused_command_line_leaves_the_process_as_it_was(tmp_path, capsys):
    tiny = torch.tensor(1e-39)
    before = torch.get_num_threads()
    (tmp_path / "config.json").write_text("{}")
    for flags in (["--init", "chrono"], ["--output_dir", str(tmp_path)]):
        with pytest.raises(SystemExit):
            train.main(flags)
    assert (tiny * 1.0).item() > 0, "denormal numbers are not taken as 0"
    assert torch.get_num_threads() == before and capsys.readouterr().err.count("\n") == 2


def test_points_that_are_collected_stand_in_one_table(tmp_path):
    point = train.settings(**TINY, train_steps=2)
    for seed in (1, 0):
        point.seed = seed
        sweep.run_point(tmp_path, point, torch.device("cpu"), [2])
    names = [f"RNN_length8_dim1_default_lr0.001_seed{seed}" for seed in (0, 1)]
    beside = sweep.read_points(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{name}.json" for name in names]
    sweep.collect_points(tmp_path, names[1:])
    assert sweep.read_points(tmp_path) == beside and (tmp_path / f"{names[0]}.json").exists()
    sweep.collect_points(tmp_path, names)
    assert sweep.read_points(tmp_path) == beside and not list(tmp_path.glob("*.json"))
    assert list(sweep.read_points(tmp_path)) == names and list(beside[names[0]]["accuracy_beyond"]) == ["16"]
    assert sweep.is_finished(beside, point, [2])
    for changed, times in ((train.settings(**TINY, train_steps=3), ()), (point, [3])):
        with pytest.raises(ValueError, match="name another"):
            sweep.is_finished(beside, changed, times)
