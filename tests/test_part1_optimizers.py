"""part1/experiments/optimizers.py: the walks are the update rules' own, and both scripts run from end to end."""

import pytest
import torch

from common.files import read_records
from part1.experiments import optimizers, plot_optimizers
from part1.experiments.optimizers import SURFACES, accuracy_at, walks
from tests.scripts import run


@pytest.fixture(scope="module")
def few_rates():
    """Every rule's best rate on every surface lies inside this coarser grid."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(optimizers, "PATH_RATES", optimizers.PATH_RATES[3:19:2])
        patch.setattr(optimizers, "RATES", [0.001, 1.0])
        yield


@pytest.fixture(scope="module")
def tables(few_rates, tmp_path_factory):
    """The folder of the tables of a tiny run."""
    folder = tmp_path_factory.mktemp("optimizers")
    optimizers.main(["--input_length", "3", "--train_steps", "3", "--seeds", "2", "--output_dir", str(folder)])
    torch.set_flush_denormal(False)  # which a run sets
    return folder


def test_sgd_and_momentum_walk_as_their_equations_say_each_rate_for_itself():
    surface, start, _ = SURFACES["ravine"]
    for optimizer, keep in (("sgd", 0), ("momentum", 0.9)):
        for rate, points in zip((0.01, 0.5), walks(surface, start, optimizer, (0.01, 0.5)).unbind(dim=1), strict=True):
            (x, y), (vx, vy) = start, (0, 0)
            for point in points[:5]:
                assert point.tolist() == pytest.approx((x, y))
                vx, vy = keep * vx + x, keep * vy + 50 * y
                x, y = x - rate * vx, y - rate * vy


def test_a_clipped_step_is_no_longer_than_rate_times_max_norm():
    surface, start, _ = SURFACES["cliff"]
    for max_norm, long in ((1.0, False), (None, True)):
        points = walks(surface, start, "sgd", [0.1, 0.5], max_norm)
        longest = (points[1:] - points[:-1]).norm(dim=2).max(dim=0).values
        assert ((longest > torch.tensor([0.1, 0.5]) + 1e-9) == long).all()


def test_the_surfaces_have_their_lowest_points_where_their_docstrings_say():
    for surface, lowest in (("ravine", (0.0, 0.0)), ("saddle", (0.0, 1.0)), ("saddle", (0.0, -1.0))):
        point = torch.tensor(lowest, dtype=torch.float64, requires_grad=True)
        SURFACES[surface][0](*point).backward()
        assert point.grad.abs().max() == 0
    assert SURFACES["saddle"][0](torch.tensor(0.0), torch.tensor(1.0)) == -0.25
    w, b = torch.tensor(0.0, dtype=torch.float64), torch.tensor(0.3, dtype=torch.float64)
    assert SURFACES["cliff"][0](w, b).item() == pytest.approx((torch.sigmoid(b).item() - 0.7) ** 2)


def test_the_best_walk_stays_in_the_picture_and_ends_lower_than_it_began(tables):
    paths = plot_optimizers.read_paths(tables / "optimizer_paths.csv")
    assert {surface: len(ways) for surface, ways in paths.items()} == {"ravine": 4, "saddle": 4, "cliff": 3}
    for surface, ways in paths.items():
        function, start, limits = SURFACES[surface]
        for name, rows in ways.items():
            points = torch.tensor([(row["x"], row["y"]) for row in rows], dtype=torch.float64)
            assert tuple(points[0].tolist()) == start and len(points) == optimizers.PATH_STEPS + 1
            if name != "sgd, same rate":
                low, high = torch.tensor(limits, dtype=torch.float64).T
                assert ((low <= points) & (points <= high)).all()
                assert function(*points[-1]) < function(*points[0])
                first, *_, last = optimizers.PATH_RATES
                assert first * 1.01 < rows[0]["rate"] < last * 0.99, "the best rate lies inside the grid"
    assert paths["ravine"]["sgd"][0]["rate"] < 2 / 50, "a higher rate diverges on a curvature of 50"


def test_both_figures_and_the_table(tables, tmp_path):
    rows = read_records(tables / "optimizers.csv")
    assert len(rows) == 4 * 2 * 2 and all((row["input_length"], row["updates"]) == (3, 3) for row in rows)
    status, out, err = run("part1/experiments/plot_optimizers.py", "--csv_dir", tables, "--output_dir", tmp_path)
    assert status == 0, err
    assert out.count("\n") == 8 and "| Adam | " in out
    for name in ("optimizers.png", "optimizer_paths.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def test_a_run_that_diverges_is_kept_and_counts_as_chance(tmp_path):
    assert accuracy_at("sgd", 1e38, 0, input_length=3, updates=3) is None
    table = tmp_path / "optimizers.csv"
    table.write_text("input_length,updates,optimizer,learning_rate,seed,accuracy\n3,4,sgd,1,0,0.7\n3,4,sgd,1,1,\n")
    assert plot_optimizers.read_accuracies(table) == ((3, 4), {"sgd": {1.0: [0.1, 0.7]}}, 1)


def test_rates_are_good_where_every_seed_is():
    assert plot_optimizers.good_rates({0.1: [0.2, 1.0], 0.01: [0.99, 1.0]}) == [0.01]


def test_a_foreign_table_is_refused_in_one_line(tmp_path):
    (tmp_path / "optimizers.csv").write_text("a,b\n1,2\n")
    status, out, err = run("part1/experiments/plot_optimizers.py", "--csv_dir", tmp_path)
    assert (status, out, err.count("\n")) == (2, "", 1) and "optimizers.csv" in err
