"""part1/experiments/optimizers.py: the walks are the update rules' own, and what is made of the runs."""

import pytest
import torch

from part1.experiments import optimizers, plot_optimizers
from part1.experiments.optimizers import SURFACES, accuracy_at, walks


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


def test_the_best_walk_stays_in_the_picture_and_ends_lower_than_it_began():
    paths = {}
    for surface, path, rate, _, x, y in optimizers.paths():
        paths.setdefault((surface, path, float(rate)), []).append((float(x), float(y)))
    for (surface, path, rate), points in paths.items():
        function, start, limits = SURFACES[surface]
        points = torch.tensor(points, dtype=torch.float64)
        assert tuple(points[0].tolist()) == start and len(points) == optimizers.PATH_STEPS + 1
        if path != "sgd, same rate":
            low, high = torch.tensor(limits, dtype=torch.float64).T
            assert ((low <= points) & (points <= high)).all() and function(*points[-1]) < function(*points[0])
            assert 0.0002 < rate < 9, "the best rate lies inside the grid"
            assert (surface, path) != ("ravine", "sgd") or rate < 2 / 50, "a higher one diverges on a curvature of 50"


def test_a_run_that_diverges_counts_as_chance_and_rates_are_good_where_every_seed_is():
    assert accuracy_at("sgd", 1e38, 0, input_length=3, updates=3) is None
    assert plot_optimizers.accuracies([{"accuracy": 0.7}, {"updates": 4}]) == [0.1, 0.7]
    assert plot_optimizers.good_rates({0.1: [0.2, 1.0], 0.01: [0.99, 1.0]}) == ["0.01"]
