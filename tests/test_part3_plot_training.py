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
