"""part3/plot_training.py: a figure and a table of what the runs' files say."""

import json
import math

import pytest

from part3 import plot_training
from part3.train import COLUMNS
from tests.scripts import run


@pytest.fixture
def runs(tmp_path):
    """Two seeds of one run, and another run that has not ended."""
    for name, losses in (("a_seed0", (2.0, 1.5, 1.75)), ("a_seed1", (2.0, 1.25)), ("b", (2.5, 2.0))):
        folder = tmp_path / name
        folder.mkdir()
        rows = [
            (10 * n, loss + 0.1, loss, loss / math.log(2), 0.1, 6 * n, 7 * n) for n, loss in enumerate(losses, start=1)
        ]
        lines = [",".join(COLUMNS), *(",".join(map(str, row)) for row in rows)]
        (folder / "metrics.csv").write_text("\n".join(lines) + "\n")
        if name != "b":
            result = {"steps": 30, "best_step": 20, "heldout_loss": 1.5, "heldout_loss_blocks": 1.6, "cpu_seconds": 9.4}
            (folder / "result.json").write_text(json.dumps(result))
    return [tmp_path / name for name in ("a_seed0", "a_seed1", "b")]


def refused(capsys, folder, output):
    """The line with which the script refuses a folder, with nothing printed or drawn."""
    with pytest.raises(SystemExit) as caught:
        plot_training.main([str(folder), "--output", str(output)])
    captured = capsys.readouterr()
    assert (caught.value.code, captured.out, captured.err.count("\n")) == (2, "", 1) and not output.exists()
    return captured.err


@pytest.mark.parametrize(
    "metrics",
    [
        "step,train_loss,heldout_loss,heldout_accuracy,grad_norm,cpu_seconds,wall_seconds\n50,2.3,2.2,0.1,0.5,1,1\n",
        ",".join(COLUMNS) + "\n10,2.1,2.0,2.9,0.1,6,7\n20,1.6,1.",  # cut off
        ",".join(COLUMNS) + "\n",
        "",
    ],
)
def test_what_is_no_whole_table_of_part_3_is_refused(runs, tmp_path, capsys, metrics):
    (runs[0] / "metrics.csv").write_text(metrics)
    assert str(runs[0] / "metrics.csv") in refused(capsys, runs[0], tmp_path / "x.png")


@pytest.mark.parametrize("result", ['{"accuracy": 1.0, "steps": 50, "cpu_seconds": 1}', '{"steps"', "[]"])
def test_another_result_is_refused(runs, tmp_path, capsys, result):
    (runs[0] / "result.json").write_text(result)
    assert str(runs[0] / "result.json") in refused(capsys, runs[0], tmp_path / "x.png")


def test_seeds_are_gathered(runs):
    gathered = plot_training.read_runs(runs)
    assert {name: len(seeds) for name, seeds in gathered.items()} == {"a": 2, "b": 1}
    across = list(plot_training.across_seeds(gathered["a"], "heldout_loss"))
    assert across == [(10, 0.1, 2.0, 2.0, 2.0), (20, 0.2, 1.25, 1.375, 1.5)]


def test_the_script_draws_and_prints(runs, tmp_path):
    picture = tmp_path / "picture.png"
    status, out, err = run("part3/plot_training.py", *runs, "--output", picture, "--reference", "1.9=chance")
    assert status == 0, err
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert [line.split("|")[1].strip() for line in out.splitlines()[2:]] == ["a_seed0", "a_seed1", "a, mean"]
    assert "| 1.5000 | 2.164 | 1.6000 | 9 |" in out


@pytest.mark.parametrize(
    "flags, named",
    [
        (["/no/such", "--output", "x.png"], "/no/such"),
        (["RUN", "--output", "x.gif"], "x.gif"),
        (["RUN", "--output", "/no/such/x.png"], "/no/such"),
        (["RUN", "--output", "x.png", "--reference", "low"], "low"),
    ],
)
def test_bad_input_is_one_line(runs, capsys, flags, named):
    with pytest.raises(SystemExit) as caught:
        plot_training.main([str(runs[0]) if flag == "RUN" else flag for flag in flags])
    captured = capsys.readouterr()
    assert (caught.value.code, captured.out, captured.err.count("\n")) == (2, "", 1) and named in captured.err
