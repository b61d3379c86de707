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


@pytest.mark.parametrize(
    "flags, named",
    [(["--rounds", "1"], "'1'"), (["--json", "/no/such/x.json"], "/no/such"), (["--txt_file", "/no/t"], "/no/t")],
)
def test_bad_input_is_one_line(flags, named):
    status, out, err = run("part3/benchmark.py", *flags)
    assert (status, out, err.count("\n")) == (2, "", 1) and named in err
