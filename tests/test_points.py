"""common/figures.py, Points: what is measured once is kept, and counts for the same settings, after a kill too."""

import json
import shutil
import signal
import time
from functools import partial

import pytest

from common.figures import Points
from tests.scripts import run, start

long = partial(pytest.param, marks=pytest.mark.long)


@pytest.fixture
def measured():
    return []


@pytest.fixture
def square(measured):
    def square(name, x):
        if x == 13:
            raise KeyboardInterrupt
        measured.append((name, x))
        return {"square": x * x, "row": (name, None, 0.1)}

    return square


def test_the_rest_is_measured_and_what_is_given_is_the_same(tmp_path, measured, square):
    path, settings = tmp_path / "a.unfinished.jsonl", {"updates": 3}
    with pytest.raises(KeyboardInterrupt):
        list(Points(path, settings).each(square, ["a"], [1, 2, 13]))
    assert len(path.read_text().splitlines()) == 2, "each is kept as soon as it is there"
    with open(path, "a") as file:
        file.write('["square", {"updates": 3}, ["a", 4], {"squ')  # killed while it wrote
    points = Points(path, settings)
    resumed = list(points.each(square, ["a"], [1, 2, 4]))
    assert measured == [("a", 1), ("a", 2), ("a", 4)] and all(map(json.loads, path.read_text().splitlines()))
    assert resumed == list(Points(tmp_path / "b", settings).each(square, ["a"], [1, 2, 4]))
    assert resumed[2] == (("a", 4), {"square": 16, "row": ["a", None, 0.1]})
    points.end()
    assert not path.exists()


def test_other_settings_and_other_functions_are_measured_anew(tmp_path, measured, square):
    def cube(name, x):
        return x**3

    for settings in ({"updates": 3}, {"updates": 4}, {"updates": 3}):
        list(Points(tmp_path / "points", settings).each(square, "a", [1]))
    assert measured == [("a", 1)] * 2
    assert list(Points(tmp_path / "points", {"updates": 3}).each(cube, "a", [1])) == [(("a", 1), 1)]


EXPERIMENT = ["part1/experiments/optimizers.py", "--input_length", 3, "--train_steps", 5, "--seeds", 2]


def run_well(*args):
    status, _, err = run(*args)
    assert status == 0, err


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    """The tables of an experiment that nothing interrupted, {name: bytes}."""
    folder = tmp_path_factory.mktemp("experiment")
    run_well(*EXPERIMENT, "--output_dir", folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("number, status", [(signal.SIGKILL, -9), long(signal.SIGTERM, -15), long(signal.SIGINT, 130)])
def test_an_experiment_that_is_ended_goes_on_with_the_points_it_has(tmp_path, experiment, number, status):
    kept = tmp_path / "optimizers.unfinished.jsonl"
    process = start(*EXPERIMENT, "--output_dir", tmp_path)
    while not kept.exists() or kept.read_bytes().count(b"\n") < 5:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    assert (*process.communicate(timeout=60), process.returncode) == ("", "", status)
    lines = kept.read_text().splitlines(keepends=True)
    assert 5 <= len(lines) < 72
    shutil.copytree(tmp_path, tmp_path / "again")
    run_well(*EXPERIMENT, "--output_dir", tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.*")} == experiment

    # A point that is kept is not measured again: what is changed in it comes out.
    (tmp_path / "again/optimizers.unfinished.jsonl").write_text(
        "".join([lines[0][:-2].rpartition(",")[0], ', "other"]\n'])
    )
    run_well(*EXPERIMENT, "--output_dir", tmp_path / "again")
    assert (tmp_path / "again/optimizers.csv").read_text().splitlines()[1].endswith(",other")
