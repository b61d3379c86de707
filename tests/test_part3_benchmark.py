"""part3/benchmark.py: the yardsticks compute the same as ours, and it writes what it says."""

import json
import pickle

import pytest
import torch

from part3 import benchmark
from part3.dataset import TextDataset
from part3.model import TextGenerationModel
from tests.scripts import call

CPU = torch.device("cpu")


def test_the_yardsticks_compute_the_same_and_read_the_same_windows(tmp_path):
    torch.manual_seed(0)
    bare, ours = benchmark.BareModel(11, 7), TextGenerationModel(11, 7)
    names = {name: f"layers.{name[-1]}.{name[5:-1]}0" for name in bare.state_dict() if name.startswith("lstm.")}
    ours.load_state_dict({names.get(name, name): tensor for name, tensor in bare.state_dict().items()})
    ids = torch.randint(11, (3, 5))
    torch.testing.assert_close(bare(ids)[0], ours(ids)[0], rtol=0, atol=1e-6)

    (tmp_path / "t").write_bytes("\ufeffnaïve\r\n".encode() * 8)
    ours = TextDataset(tmp_path / "t", 30)
    course = benchmark.CourseDataset(benchmark.read_text(tmp_path / "t"), 30)
    assert all(theirs == window.tolist() for theirs, window in zip(course[5], ours[5], strict=True))
    course_batch = benchmark.training_functions(tmp_path / "t", CPU)["course_batch"]
    assert [len(course_batch()[0][0]) for _ in range(9)] == [64] * 9


def test_a_step_is_one_of_the_training_and_made_on_the_device(monkeypatch):
    checked, devices, meta = [], [], torch.device("meta")  # a device that every machine has
    monkeypatch.setattr(benchmark, "check_finite", lambda *args: checked.append(args))
    functions = benchmark.training_functions(benchmark.ROOT / "assets/book.txt", CPU)
    functions["bare"]()
    assert not checked
    functions["step"]()
    [(model, _, loss, grad_norm)] = checked
    assert isinstance(model, TextGenerationModel) and loss == pytest.approx(4, abs=0.5) and grad_norm > 0
    monkeypatch.setattr(benchmark, "build_optimizer", lambda model, config, device: devices.append(device))
    inputs, targets, _ = benchmark.training_functions(benchmark.ROOT / "assets/book.txt", meta)["batch"]()
    assert [inputs.device, targets.device, *devices] == [meta] * 4


def test_the_script_prints_and_writes_the_medians_of_both_states(tmp_path, monkeypatch, capsys):
    def here(function, *args, keep_memory):
        function, args = pickle.loads(pickle.dumps((function, args)))  # as a fresh process gets them
        states.append(keep_memory)
        return function(*args)

    states = []
    monkeypatch.setattr("common.device.in_fresh_process", here)  # part1/benchmark.py is tested with the true one
    monkeypatch.setattr(benchmark, "DRAWN_HIDDEN", (8,))
    flags = ["--rounds", 3, "--length", 2, "--json", tmp_path / "b.json"]
    status, out, _ = call(benchmark.main, *flags, capsys=capsys)
    assert status == 0 and states == [False, True, False, True]
    medians = json.loads((tmp_path / "b.json").read_text())
    ratios = "step_over_bare", "batch_over_step", "course_batch_over_step", "draw_speedup_over_plain_b64.h8"
    for key in ("step_ms", *ratios, "draw_per_second.h8.b64", "draw_speedup.h8.b1", "draw_speedup.h8.b64"):
        assert medians[key] > 0 and medians[f"{key}.kept"] > 0 and key in out
