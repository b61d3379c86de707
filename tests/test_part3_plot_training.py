"""part3/plot_training.py: a figure and a table of what the runs' files hold."""

import json
import math
import re

import pytest

from common.tables import collect_runs, write_table
from part3 import plot_training
from part3.train import COLUMNS
from tests.scripts import call, run

HEADER = ",".join(COLUMNS) + "\n"


@pytest.fixture
def runs(tmp_path):
    """A folder of two seeds of one run, and of another run that has not ended."""
    result = {"steps": 30, "best_step": 20, "heldout_loss": 1.5, "heldout_loss_blocks": 1.6, "cpu_seconds": 9.4}
    for name, losses in (("a_seed0", (2.0, 1.5, 1.75)), ("a_seed1", (2.0, 1.25)), ("b", (2.5, 2.0))):
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        rows = [(10 * n, loss + 0.1, loss, loss / math.log(2), 0.1, 6 * n, 7 * n) for n, loss in enumerate(losses, 1)]
        write_table(folder / "metrics.csv", COLUMNS, rows)
        (folder / "config.json").write_text(json.dumps({"command": ["part3/train.py"]}))
        if name != "b":
            (folder / "result.json").write_text(json.dumps(result))
    return tmp_path / "runs"


def test_seeds_are_gathered_and_run_folders_and_tables_drawn_alike(runs, tmp_path, capsys):
    curves = plot_training.read_curves([runs / "b", runs], [""])
    assert [run["run"] for run in curves["a"]] == ["a_seed0", "a_seed1"] and [*curves] == ["a", "b"]
    across = list(plot_training.across_seeds(curves["a"], "heldout_loss"))
    assert across == [(10, 0.1, 2.0, 2.0, 2.0), (20, 0.2, 1.25, 1.375, 1.5)]
    flags = ["--output", tmp_path / "picture.png", "--reference", "1.9=chance"]
    status, out, err = run("part3/plot_training.py", *runs.iterdir(), *flags)
    assert status == 0 and (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG"), err
    assert re.findall(r"^\| (a.*?) \|", out, re.M) == ["a_seed0", "a_seed1", "a, mean"]
    assert "| 1.5000 | 2.164 | 1.6000 | 9 |" in out
    (tmp_path / "tables").mkdir()
    collect_runs(runs, tmp_path / "tables")
    assert call(plot_training.main, tmp_path / "tables", *flags, capsys=capsys) == (0, out, "")
    _, out, _ = call(plot_training.main, tmp_path / "tables", *flags, "--name", "c", "a_seed1", capsys=capsys)
    assert re.findall(r"^\| (a.*?) \|", out, re.M) == ["a_seed1"]


OTHER_PARTS = "step,train_loss,heldout_loss,heldout_accuracy,grad_norm,cpu_seconds,wall_seconds\n50,2,2,0.1,0.5,1,1\n"
CUT, NAN = HEADER + "10,2.1,2.0,2.9,0.1,6,7\n20,1.6\n", HEADER + "10,2.1,nan,nan,0.1,6,7\n"


@pytest.mark.parametrize("run", ["a_seed0", "b"])
@pytest.mark.parametrize("metrics", [OTHER_PARTS, CUT, NAN, HEADER])
def test_what_is_no_whole_table_of_part_3_is_refused(runs, tmp_path, capsys, run, metrics):
    (runs / run / "metrics.csv").write_text(metrics)
    status, out, err = call(plot_training.main, runs / run, "--output", tmp_path / "x.png", capsys=capsys)
    assert (status, out, err.count("\n")) == (2, "", 1) and str(runs / run) in err
    assert not (tmp_path / "x.png").exists()


BAD = {
    **{"none --output x.png": "none", "a_seed0 --output x.gif": "x.gif", "a_seed0 --output /no/such/x.png": "/no/such"},
    **{"a_seed0 --output x.png --reference low": "low", "a_seed1 --output x.png": "results of part3/train.py"},
    "a_seed0 --output x.png --name book grimm": "book or grimm",
}


@pytest.mark.parametrize("words", BAD)
def test_bad_input_is_one_line(runs, capsys, words):
    (runs / "a_seed1/result.json").write_text('{"accuracy": 1.0, "steps": 50, "cpu_seconds": 1}')
    folder, *flags = words.split()
    status, out, err = call(plot_training.main, runs / folder, *flags, capsys=capsys)
    assert (status, out, err.count("\n")) == (2, "", 1) and BAD[words] in err
