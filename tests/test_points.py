"""common.printing.py: what is measured once is kept, and counts only for the same settings."""

import json

import pytest

from common.figures import Points


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
