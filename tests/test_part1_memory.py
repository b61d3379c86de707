"""The experiments on memory: what their measures are, on cases with a known answer, and the scripts from end to end."""

import pytest
import torch

from common.tables import write_records
from part1 import plot_accuracy
from part1.curriculum import Curriculum
from part1.experiments import plot_frontier as frontier
from part1.experiments.curriculum_rules import draw_batches, projected, told_apart, train_by_rule
from tests.scripts import run


def point(accuracy, length=20, seed=0, **changes):
    """A row of a sweep; an accuracy of None: it diverged."""
    settings = {"model_type": "RNN", "init": "default", "curriculum": False, "input_dim": 10, "learning_rate": 0.001}
    result = {"accuracy": accuracy, "palindromes": 10_000, "steps": 100, "cpu_seconds": 3.0}
    result = {"diverged": "step 3"} if accuracy is None else result
    return {**settings, "input_length": length, "seed": seed, **result, **changes}


def gated(length, seed, accuracy, name="gated", sequences=10_000):
    settings = {"input_length": length, "seed": seed, "init": "default", "log_tau": [1.0, 6.0]}
    result = {"accuracy": accuracy, "steps": 70, "cpu_seconds": 9.0, "sequences": sequences}
    return {"run": f"palindromes{length}_{name}_seed{seed}", **settings, **result}


def write(path, *records):
    """Write a table and return its folder."""
    path.parent.mkdir(exist_ok=True)
    write_records(path, records)
    return path.parent


def write_reservoir(path, *lines):
    columns = ("weights", "input_length", "seed", "accuracy")
    write_records(path, [dict(zip(columns, line, strict=True), input_dim=10, palindromes=3_000) for line in lines])
    return path


def test_without_the_short_half_the_batch_is_whole_and_long():
    curriculum = Curriculum(100)
    curriculum.bound = 60
    for _ in range(20):
        [(digits, target)] = draw_batches(curriculum, 9, short_half=False)
        assert len(digits) == len(target) == 9 and 30 <= digits.shape[1] <= 60


def test_a_digit_is_told_apart_where_nine_of_ten_answers_are_right():
    target = torch.arange(10).repeat_interleave(10)
    answer = target.clone()
    answer[:10] = 1  # every 0 is called 1
    for digit, apart in ((20, 9), (21, 8)):  # one 2 of ten, then two
        answer[digit] = 5
        assert told_apart(target, answer) == apart


def test_the_projection_keeps_distances_in_a_plane():
    plane = torch.linalg.qr(torch.randn(7, 2, dtype=torch.float64)).Q.T
    flat = torch.randn(20, 2, dtype=torch.float64)
    shown = projected(flat @ plane + 3)
    torch.testing.assert_close(torch.cdist(shown, shown), torch.cdist(flat, flat))


def test_training_by_a_rule_ends_after_twenty_updates_at_the_goal_or_when_they_are_spent():
    _, updates, bound = train_by_rule("half short, grows at loss 0.1", 5, 0, 50)
    assert (updates, bound) == (20, 5), "the bound begins at 5"
    assert train_by_rule("all long, grows at loss 0.01", 50, 0, 3)[1] == 3


def test_the_frontier_is_the_longest_length_before_the_first_that_fails():
    def seeds(right, wrong=0):
        return dict(enumerate([{"solved": True}] * right + [{"solved": False}] * wrong))

    assert frontier.frontier({10: seeds(10), 20: seeds(9, 1), 30: seeds(8, 2)}) == 20
    assert frontier.frontier({10: seeds(1, 1), 20: seeds(1)}) is None
    assert frontier.frontier({10: seeds(1), 20: seeds(0, 1), 30: seeds(1)}) == 10


def test_points_are_read_from_every_experiment_and_none_counts_twice(tmp_path):
    first = write(tmp_path / "first/points.csv", point(1.0), point(None, seed=1), point(1.0, learning_rate=0.01))
    hidden = point(0.2)  # as it has the row, length and seed of an earlier one
    five = point(1.0, 5, palindromes=102), point(0.99, 5, seed=1, palindromes=102)
    later = write(tmp_path / "later/points.csv", hidden, point(1.0, seed=2), *five, point(1.0, 99, init="latch"))
    too_few, others = gated(500, 2, 1.0, sequences=2_000), gated(500, 3, 1.0, name="gated_fixed")  # other settings
    runs = write(tmp_path / "runs/runs.csv", gated(500, 0, 0.9996), gated(500, 1, 0.9995), too_few, others)
    lines = [("RNN, orthogonal", *line) for line in ((10, 0, 1.0), (20, 0, 1.0), (20, 1, 0.9), (50, 0, 0.9997))]
    lines += [("counts, first digit", 50, 0, 1.0), ("RNN, latch (engineered)", 50, 0, 1.0), ("RNN, default", 5, 0, 1.0)]
    rows = frontier.read_rows([first, later], runs, write_reservoir(tmp_path / "reservoir.csv", *lines))
    best = {10: {0: True}, 20: {0: True, 1: False}, 50: {0: False}}
    assert {
        row: {length: {seed: p["solved"] for seed, p in at.items()} for length, at in lengths.items()}
        for row, lengths in rows.items()
    } == {
        frontier.Row("learned", "RNN", "default", 10): {20: {0: True, 1: False, 2: True}, 5: {0: True, 1: False}},
        frontier.Row("learned", "RNN", "default, rate 0.01", 10): {20: {0: True}},
        frontier.Row("engineered", "RNN", "latch", 10): {99: {0: True}},
        frontier.Row("learned", "time-gated LSTM", "default, log τ 1 to 6", 10): {500: {0: True, 1: False, 2: False}},
        frontier.Row("reservoir", "RNN", "orthogonal, readout only", 10): best,
    }


@pytest.fixture
def results(tmp_path):
    """Arguments of plot_frontier.py: a sweep, part 2's runs, and the reservoir's table, all in tmp_path."""
    ten = [point(1.0, seed=n, accuracy_beyond={"40": 1.0, "200": 0.5}) for n in range(8)]
    ten += [point(1.0, seed=8, accuracy_beyond={"40": 0.9, "200": 0.4}), point(0.3, seed=9)]
    sweep = write(tmp_path / "sweep/points.csv", *ten, point(1.0, 100, init="latch"), point(0.2, 30, curriculum=True))
    runs = write(tmp_path / "runs/runs.csv", gated(100, 0, 1.0))
    reservoir = write_reservoir(tmp_path / "reservoir.csv", ("LSTM, chrono", 50, 0, 1.0))
    return "--sweep_dir", sweep, "--runs_dir", runs, "--reservoir", reservoir, "--output_dir", tmp_path / "new"


def test_the_frontier_is_drawn(tmp_path, results):
    status, out, err = run("part1/experiments/plot_frontier.py", *results)
    assert status == 0, err
    assert out == ""
    assert (tmp_path / "new/frontier.png").read_bytes().startswith(b"\x89PNG")


def test_the_figure_keeps_learned_reservoir_and_engineered_apart():
    ways = ("engineered", "RNN", "latch"), ("reservoir", "LSTM", "chrono"), ("learned", "RNN", "default")
    ax = frontier.figure({frontier.Row(*way, 10): {7: {0: {"solved": True}}} for way in ways}).axes[0]
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels[::2] == ["RNN, latch", "LSTM, chrono", "RNN, default"]
    assert labels[1::2] == [frontier.MEMORIES[memory] for memory, *_ in ways]
    assert len({(bar.get_facecolor(), bar.get_hatch()) for bar in ax.patches}) == 3


@pytest.mark.parametrize(
    "path, content, named",
    [
        ("sweep/points.csv", "a,b\n1,2\n", "sweep/points.csv"),
        ("sweep/points.csv", "", "no points"),
        ("runs/runs.csv", "a,b\n1,2\n", "runs/runs.csv"),
        ("runs/runs.csv", "run,input_length,seed\npalindromes9_gated_seed0,9,0\n", "runs"),
        ("reservoir.csv", "a,b\n1,2\n", "reservoir.csv"),
    ],
)
def test_a_table_of_something_else_is_named_in_one_line(tmp_path, results, path, content, named):
    (tmp_path / path).write_text(content)
    status, out, err = run("part1/experiments/plot_frontier.py", *results)
    assert (status, out, err.count("\n")) == (2, "", 1) and named in err and not (tmp_path / "new").exists()


def test_curves_of_several_sweeps_an_earlier_folder_wins(tmp_path):
    first = write(tmp_path / "first/points.csv", point(0.5), point(0.7, 30, curriculum=True))
    later = write(tmp_path / "later/points.csv", point(1.0), point(1.0, seed=1))
    curves = plot_accuracy.read_curves([first, later])
    assert {key: plot_accuracy.accuracies(results) for key, results in curves.items()} == {
        (("RNN", "default", 0.001), 10, 21): [0.5, 1.0],
        (("RNN", "default, curriculum", 0.001), 10, 31): [0.7],
    }
