"""part1/experiments/optimizers.py: the walks are the update rules' own, and both scripts run from end to end."""

import csv
from argparse import Namespace

import pytest
import torch

from part1 import compare_optimizers, plot_optimizers
from part1.experiments.optimizers import SURFACES, accuracy_at, best_walk, paths, walk
from tests.scripts import run


def test_sgd_and_momentum_walk_as_their_equations_say():
    surface, start, _ = SURFACES["ravine"]
    x, y = start
    for point in walk(surface, start, "sgd", 0.01)[:5]:
        assert point == pytest.approx((x, y))
        x, y = x - 0.01 * x, y - 0.01 * 50 * y
    (x, y), (vx, vy) = start, (0, 0)
    for point in walk(surface, start, "momentum", 0.01)[:5]:
        assert point == pytest.approx((x, y))
        vx, vy = 0.9 * vx + x, 0.9 * vy + 50 * y
        x, y = x - 0.01 * vx, y - 0.01 * vy


def test_a_clipped_step_is_no_longer_than_rate_times_max_norm():
    surface, start, _ = SURFACES["cliff"]
    for max_norm, long in ((1.0, False), (None, True)):
        points = torch.tensor(walk(surface, start, "sgd", 0.5, max_norm))
        longest = (points[1:] - points[:-1]).norm(dim=1).max()
        assert (longest > 0.5 + 1e-9) == long


def test_the_surfaces_have_their_lowest_points_where_their_docstrings_say():
    for surface, lowest in (("ravine", (0.0, 0.0)), ("saddle", (0.0, 1.0)), ("saddle", (0.0, -1.0))):
        point = torch.tensor(lowest, dtype=torch.float64, requires_grad=True)
        SURFACES[surface][0](*point).backward()
        assert point.grad.abs().max() == 0
    assert SURFACES["saddle"][0](torch.tensor(0.0), torch.tensor(1.0)) == -0.25
    w, b = torch.tensor(0.0, dtype=torch.float64), torch.tensor(0.3, dtype=torch.float64)
    assert SURFACES["cliff"][0](w, b).item() == pytest.approx((torch.sigmoid(b).item() - 0.7) ** 2)


def test_the_best_walk_stays_in_the_picture_and_ends_lower_than_it_began():
    for surface, name, rate, points in paths():
        function, start, limits = SURFACES[surface]
        assert points[0] == start and len(points) == compare_optimizers.PATH_STEPS + 1
        if name != "sgd, same rate":
            assert all(low <= z <= high for point in points for z, (low, high) in zip(point, limits, strict=True))
            first, last = (function(*torch.tensor(p, dtype=torch.float64)).item() for p in (points[0], points[-1]))
            assert last < first and rate in compare_optimizers.PATH_RATES[1:-1], "the best rate lies inside the grid"
    assert best_walk("ravine", "sgd")[0] < 2 / 50, "a higher rate diverges on a curvature of 50"


def test_the_scripts_from_end_to_end(tmp_path, monkeypatch):
    monkeypatch.setattr(compare_optimizers, "RATES", [0.001, 1.0])
    compare_optimizers.main(
        ["--input_length", "3", "--train_steps", "3", "--seeds", "2", "--output_dir", str(tmp_path)]
    )
    with open(tmp_path / "optimizers.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4 * 2 * 2
    assert all((row["input_length"], row["updates"]) == ("3", "3") for row in rows)
    status, out, err = run("part1/experiments/plot_optimizers.py", "--csv_dir", tmp_path, "--output_dir", tmp_path)
    assert status == 0, err
    assert out.count("\n") == 8 and "| Adam | " in out
    for name in ("optimizers.png", "optimizer_paths.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def test_a_run_that_diverges_is_kept_and_counts_as_chance(tmp_path):
    assert accuracy_at("sgd", 1e38, 0, Namespace(input_length=3, train_steps=3)) is None
    table = tmp_path / "optimizers.csv"
    table.write_text("input_length,updates,optimizer,learning_rate,seed,accuracy\n3,4,sgd,1,0,0.7\n3,4,sgd,1,1,\n")
    assert plot_optimizers.read_accuracies(table) == ((3, 4), {"sgd": {1.0: [0.1, 0.7]}}, 1)


def test_rates_are_good_where_every_seed_is():
    assert plot_optimizers.good_rates({0.1: [0.2, 1.0], 0.01: [0.99, 1.0]}) == [0.01]


def test_a_foreign_table_is_refused_in_one_line(tmp_path):
    (tmp_path / "optimizers.csv").write_text("a,b\n1,2\n")
    status, out, err = run("part1/experiments/plot_optimizers.py", "--csv_dir", tmp_path)
    assert (status, out, err.count("\n")) == (2, "", 1) and "optimizers.csv" in err
