"""part3/benchmark.py: the yardsticks compute the same as ours, and it writes what it says."""

import json

import pytest
import torch

from part3 import benchmark
from part3.dataset import TextDataset
from part3.model import TextGenerationModel
from tests.scripts import ROOT, run


def test_the_bare_model_computes_the_same():
    torch.manual_seed(0)
    bare, ours = benchmark.BareModel(11, 7), TextGenerationModel(11, 7)
    weights = bare.state_dict()
    renamed = {}
    for name, tensor in weights.items():
        if name.startswith("lstm."):
            kind, layer = name.removeprefix("lstm.").rsplit("_l", 1)
            renamed[f"layers.{layer}.{kind}_l0"] = tensor
        else:
            renamed[name] = tensor
    ours.load_state_dict(renamed)
    ids = torch.randint(11, (3, 5))
    torch.testing.assert_close(bare(ids)[0], ours(ids)[0], rtol=0, atol=1e-6)


def test_the_courses_batches_are_windows_too():
    text = (ROOT / "assets/book.txt").read_text()
    course, ours = benchmark.CourseDataset(text, 30), TextDataset(ROOT / "assets/book.txt", 30)
    for item in (0, 1_000):
        for theirs, window in zip(course[item], ours[item], strict=True):
            assert theirs == window.tolist()


def test_the_script_prints_and_writes_the_medians(tmp_path):
    status, out, err = run("part3/benchmark.py", "--rounds", 3, "--length", 2, "--json", tmp_path / "b.json")
    assert status == 0, err
    medians = json.loads((tmp_path / "b.json").read_text())
    for key in ("step_over_bare", "batch_over_step", "draw_speedup.h128.b1", "draw_speedup.h512.b1"):
        assert medians[key] > 0 and medians[f"{key}.kept"] > 0 and key in out
    assert medians["draw_speedup.h128.b64"] > 0


def test_batches_and_updates_are_made_on_the_device(monkeypatch):
    devices = []
    monkeypatch.setattr(benchmark, "build_optimizer", lambda model, config, device: devices.append(device))
    meta = torch.device("meta")  # a device that every machine has
    text, dataset = benchmark.read(benchmark.build_parser().parse_args([]))
    inputs, targets, _ = benchmark.training_functions(text, dataset, meta)["batch"]()
    assert (inputs.device, targets.device) == (meta, meta) and devices == [meta, meta]


def test_both_sides_read_the_same_text(tmp_path):
    (tmp_path / "t").write_bytes("\ufeffnaïve\r\n".encode() * 100)
    text, dataset = benchmark.read(
        benchmark.build_parser().parse_args(["--txt_file", str(tmp_path / "t"), "--rounds", "3"])
    )
    assert "".join(sorted(set(text))) == dataset.characters and "\r" not in text


def test_a_text_too_short_for_the_rounds_is_refused_in_one_line(tmp_path):
    needed = 30 + 64 * (3 + 2)
    (tmp_path / "t").write_text("ab" * (needed // 2))
    flags = ["--txt_file", tmp_path / "t", "--length", 1, "--rounds"]
    status, out, err = run("part3/benchmark.py", *flags, 4)
    assert (status, out, err.count("\n")) == (2, "", 1) and "has 350 characters, too few for --rounds 4" in err
    status, _, err = run("part3/benchmark.py", *flags, 3)
    assert status == 0, err


@pytest.mark.parametrize(
    "flags, named",
    [(["--rounds", "1"], "'1'"), (["--json", "/no/such/x.json"], "/no/such"), (["--txt_file", "/no/t"], "/no/t")],
)
def test_bad_input_is_one_line(flags, named):
    status, out, err = run("part3/benchmark.py", *flags)
    assert (status, out, err.count("\n")) == (2, "", 1) and named in err
