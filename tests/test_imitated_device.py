"""The scripts on a device that is imitated: one without float64, as Apple's GPUs, and one that errs."""

import json
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from common import device
from part1 import sweep
from part1 import train as part1
from part2 import train as part2
from part3 import score
from part3 import train as part3
from tests.scripts import call

DEVICE, CPU = torch.device("lazy"), torch.device("cpu")  # one for which torch has no code of its own, and no checks


class Elsewhere(torch.Tensor):
    """A tensor that says it is on DEVICE; what it holds, `held`, is a tensor on the CPU."""

    @staticmethod
    def __new__(cls, held):
        how = {"strides": held.stride(), "dtype": held.dtype, "device": DEVICE}
        return torch.Tensor._make_wrapper_subclass(cls, held.shape, **how)

    def __init__(self, held):
        self.held = held

    def __reduce_ex__(self, protocol):
        return self.held.__reduce_ex__(protocol)  # in a checkpoint it is a tensor as others are

    def __format__(self, how):
        return format(self.item(), how)

    def tolist(self):
        return self.held.tolist()

    __torch_dispatch__ = None  # all goes through Imitation


class Imitation(TorchDispatchMode):
    """While it is on, DEVICE computes, on the CPU, and refuses float64 as mps does; tensors on the CPU may be so.

    `change`, a function of an operation's name and of what it gives on DEVICE, gives what it is to give instead.
    """

    def __init__(self, change=lambda name, x: x):
        super().__init__()
        self.change = change

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        there = {id(x.held): x for x in tree_leaves((args, kwargs)) if isinstance(x, Elsewhere)}
        on_device = torch.device(kwargs["device"]) == DEVICE if kwargs.get("device") else bool(there)

        def to_cpu(x):
            return x.held if isinstance(x, Elsewhere) else CPU if isinstance(x, torch.device) else x

        def back(x):
            if not isinstance(x, torch.Tensor) or not on_device:
                return x
            if x.dtype == torch.float64:
                raise TypeError(f"{function}: the device has no float64")
            return there[id(x)] if id(x) in there else Elsewhere(self.change(function.__name__, x))

        return tree_map(back, function(*tree_map(to_cpu, args), **tree_map(to_cpu, kwargs)))


SMALL = {"train_steps": 3, "eval_every": 2, "batch_size": 4}
PART1 = {**SMALL, "input_length": 5, "num_hidden": 6}
PART3 = {**SMALL, "seq_length": 5, "lstm_num_hidden": 6, "sample_every": 1, "checkpoint_every": 2, "print_every": 1}
ONE_STEP = {"train_steps": 1, "eval_every": 1}  # of a hundred time steps
TRAININGS = {
    "RNN": (part1, PART1),
    "LSTM": (part1, {**PART1, "model_type": "LSTM", "optimizer": "adam"}),
    "curriculum": (part1, {**PART1, "curriculum": True}),
    "time gate": (part2, {**PART1, "task": "palindromes", "times": 2}),
    "time gate in ms": (part2, {**SMALL, **ONE_STEP, "num_hidden": 6, "task": "frequency"}),
    "time as an input": (part2, {**SMALL, **ONE_STEP, "num_hidden": 6, "task": "frequency", "model_type": "lstm"}),
    "sentences": (part3, {**PART3, "dropout_keep_prob": 0.5}),
    "streams": (part3, {**PART3, "sampling": "streams", "schedule": "cosine"}),
}


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    """A function that calls a training script's main in a folder of its own: its status, stderr, and `computed_on`.

    Any --device, also "auto", finds DEVICE, which an Imitation has to be on for.
    """
    (tmp_path / "book.txt").write_text("the cat sat on the mat and the rat sat on the hat. " * 3)
    stop = MagicMock(signal=None)
    stop.__bool__.return_value = False
    for part in (part1, part2, part3):
        monkeypatch.setattr(part, "StopFlag", lambda: stop)
    for place in (device, sweep, part1, part2, part3):
        monkeypatch.setattr(place, "choose_device", lambda name: DEVICE)
    for part in (part1, part2):
        monkeypatch.setattr(part, "EVALUATION", 8)
        monkeypatch.setattr(part, "FINAL_EVALUATION", 8)
    for place in ("part2.train", "part2.time_gate"):
        monkeypatch.setattr(f"{place}.has_float64", lambda device: device == CPU)
    for name in ("part1.train.prepare_process", "part2.train.prepare_process", "part3.train.keep_freed_memory"):
        monkeypatch.setattr(name, lambda: None)  # they are for good

    def run(part, **settings):
        settings |= {"output_dir": tmp_path / "run", **({"txt_file": tmp_path / "book.txt"} if part == part3 else {})}
        flags = [f"--{name}" if value is True else f"--{name}={value}" for name, value in settings.items()]
        status, _, err = call(part.main, *flags, capsys=capsys)
        path = tmp_path / "run/config.json"
        return status, err, path.exists() and json.loads(path.read_text())["computed_on"]

    return run


WAVES = ("time gate in ms", "time as an input")  # a hundred time steps, each slow here


@pytest.mark.parametrize(
    "part, settings",
    [pytest.param(*TRAININGS[name], id=name, marks=[pytest.mark.long] * (name in WAVES)) for name in TRAININGS],
)
def test_no_training_or_evaluation_makes_a_float64_tensor_on_the_device(run, tmp_path, capsys, part, settings):
    with Imitation():
        status, err, computed_on = run(part, **settings)
        assert (status, computed_on) == (0, "lazy") and "the CPU computes" not in err
        settings |= {"train_steps": 5} if settings.get("schedule") != "cosine" else {}
        assert run(part, **settings, resume=True)[0] == 0
        if part == part3:
            checkpoint = ["--checkpoint", tmp_path / "run", "--html", tmp_path / "page.html", "--device", "auto"]
            status, out, err = call(score.main, "--txt_file", tmp_path / "book.txt", *checkpoint, capsys=capsys)
            assert status == 0 and "nats per character" in out and err == ""


def failing(name, x):
    raise RuntimeError(f"{name} has no kernel\nCompile with")


CHANGES = {  # what the device makes of results, and which device "auto" is to compute on then
    "no kernel": (failing, "cpu"),
    "forward": (lambda name, x: x * 1.2 if name.startswith("tanh.") else x, "cpu"),
    "backward": (lambda name, x: x * 1.2 if name.startswith("tanh_backward") else x, "cpu"),
    "not a number": (lambda name, x: x * torch.nan if name.startswith("tanh.") else x, "cpu"),
    "rounded": (lambda name, x: x * 1.001 if name.startswith("tanh.") else x, "lazy"),
}


@pytest.mark.parametrize("change, expected", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("training", ["RNN", "time gate", "sentences"])
def test_auto_tries_the_device_and_computes_on_the_cpu_where_it_errs(run, training, change, expected):
    part, settings = TRAININGS[training]
    with Imitation(change):
        status, err, computed_on = run(part, **settings, device="auto")
    said = [line for line in err.splitlines() if "device 'lazy' is not used, the CPU computes" in line]
    assert (status, computed_on, len(said)) == (0, expected, expected == "cpu")


@pytest.mark.parametrize("training", ["RNN", "time gate", "sentences"])
def test_a_named_device_that_fails_is_refused_in_one_line_and_one_that_errs_is_taken(run, training):
    part, settings = TRAININGS[training]
    with Imitation(failing):
        status, err, computed_on = run(part, **settings, device="mps")
    assert (status, err.count("\n"), computed_on) == (2, 1, False) and "no kernel" in err and "'mps'" in err
    with Imitation(CHANGES["forward"][0]):
        assert run(part, **settings, device="mps")[::2] == (0, "lazy")


def test_of_several_ranks_none_computes_on_the_cpu_instead(run):
    with Imitation(failing), pytest.raises(ValueError, match=r"^device 'lazy' cannot be used: .* has no kernel$"):
        part3.load(part3.settings(txt_file="none"), SimpleNamespace(rank=1, size=2), DEVICE)


def test_score_and_sweep_try_the_device_too(run, tmp_path, capsys):
    with Imitation(failing):
        *done, err = call(score.main, "--txt_file", tmp_path / "book.txt", "--device", "auto", capsys=capsys)
        assert done[0] == 0 and "nats per character" in done[1] and "the CPU computes" in err
        status, _, err = call(sweep.main, "--device", "mps", "--output_dir", tmp_path / "sweep", capsys=capsys)
        assert (status, err.count("\n")) == (2, 1) and "no kernel" in err and not (tmp_path / "sweep").exists()
