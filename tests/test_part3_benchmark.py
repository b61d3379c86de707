"""part3/benchmark.py: the yardsticks compute the same as ours, and it writes what it says."""

import json
import pickle

import pytest
import torch

from part3 import benchmark
from part3.dataset import TextDataset
from part3.model import TextGenerationModel
from tests.scripts import ROOT, call


def test_the_bare_model_computes_the_same():
    torch.manual_seed(0)
    bare, ours = benchmark.BareModel(11, 7), TextGenerationModel(11, 7)
    names = {name: f"layers.{name[-1]}.{name[5:-1]}0" for name in bare.state_dict() if name.startswith("lstm.")}
    ours.load_state_dict({names.get(name, name): tensor for name, tensor in bare.state_dict().items()})
    ids = torch.randint(11, (3, 5))
    torch.testing.assert_close(bare(ids)[0], ours(ids)[0], rtol=0, atol=1e-6)


def test_the_courses_batches_are_windows_too():
    text = (ROOT / "assets/book.txt").read_text()
    course, ours = benchmark.CourseDataset(text, 30), TextDataset(ROOT / "assets/book.txt", 30)
    for item in (0, 1_000):
        for theirs, window in zip(course[item], ours[item], strict=True):
            assert theirs == window.tolist()


def test_the_script_prints_and_writes_the_medians_of_both_states(tmp_path, monkeypatch, capsys):
    def here(function, *args, keep_memory):
        function, args = pickle.loads(pickle.dumps((function, args)))  # as a fresh process gets them
        states.append(keep_memory)
        return function(*args)

    states = []
    monkeypatch.setattr(benchmark, "in_fresh_process", here)  # part1/benchmark.py is tested with the true one
    monkeypatch.setattr(benchmark, "DRAWN_HIDDEN", (8,))
    flags = ["--rounds", 3, "--length", 2, "--json", tmp_path / "b.json"]
    status, out, _ = call(benchmark.main, *flags, capsys=capsys)
    assert status == 0 and states == [False, False, True, True]
    medians = json.loads((tmp_path / "b.json").read_text())
    for key in ("step_ms", "step_over_bare", "batch_over_step", "course_batch_over_step", "draw_per_second.h8.b64",
                "draw_speedup.h8.b1", "draw_speedup.h8.b64", "draw_speedup_over_plain_b64.h8"):  # fmt: skip
        assert medians[key] > 0 and medians[f"{key}.kept"] > 0 and key in out


def test_batches_and_updates_are_made_on_the_device(monkeypatch):
    devices = []
    monkeypatch.setattr(benchmark, "build_optimizer", lambda model, config, device: devices.append(device))
    meta = torch.device("meta")  # a device that every machine has
    text, dataset = benchmark.read(benchmark.build_parser().parse_args([]))
    inputs, targets, _ = benchmark.training_functions(text, dataset, meta)["batch"]()
    assert (inputs.device, targets.device) == (meta, meta) and devices == [meta, meta]


def read(path, rounds):
    return benchmark.read(benchmark.build_parser().parse_args(["--txt_file", str(path), "--rounds", str(rounds)]))


def test_both_sides_read_the_same_text(tmp_path):
    (tmp_path / "t").write_bytes("\ufeffnaïve\r\n".encode() * 100)
    text, dataset = read(tmp_path / "t", 3)
    assert "".join(sorted(set(text))) == dataset.characters and "\r" not in text


def test_a_text_has_enough_batches_for_the_rounds(tmp_path):
    (tmp_path / "t").write_text("ab" * ((30 + 64 * (3 + 2)) // 2))
    text, dataset = read(tmp_path / "t", 3)
    course_batch = benchmark.training_functions(text, dataset, torch.device("cpu"))["course_batch"]
    assert [len(course_batch()[0][0]) for _ in range(3 + 2)] == [64] * 5
    with pytest.raises(ValueError, match="has 350 characters, too few for --rounds 4"):
        read(tmp_path / "t", 4)


@pytest.mark.parametrize(
    "flags, named",
    [(["--rounds", "1"], "'1'"), (["--json", "/no/such/x.json"], "/no/such"), (["--txt_file", "/no/t"], "/no/t")],
)
def test_bad_input_is_one_line(capsys, flags, named):
    status, out, err = call(benchmark.main, *flags, capsys=capsys)
    assert (status, out, err.count("\n")) == (2, "", 1) and named in err
