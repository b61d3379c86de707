"""The experiments on memory: what their measures are, on cases with a known answer, and the scripts from end to end."""

import csv
import json

import pytest
import torch

from part1 import plot_frontier
from part1.curriculum_rules import RULES, AllLong, projected, told_apart, train_by_rule
from tests.scripts import run


def point(accuracy, length=20, seed=0, init="default", curriculum=False, beyond=None):
    settings = {"model_type": "RNN", "init": init, "curriculum": curriculum, "input_dim": 10, "input_length": length}
    result = {"accuracy": accuracy, "steps": 100, "cpu_seconds": 3.0}
    if beyond:
        result["accuracy_beyond"] = beyond
    return {"settings": settings | {"learning_rate": 0.001, "seed": seed}, "result": result}


def test_without_the_short_half_the_batch_is_whole_and_long():
    curriculum = AllLong(100)
    curriculum.bound = 60
    for _ in range(20):
        [(digits, target)] = curriculum.batches(9)
        assert len(digits) == len(target) == 9 and 30 <= digits.shape[1] <= 60


def test_a_digit_is_told_apart_where_nine_of_ten_answers_are_right():
    target = torch.arange(10).repeat_interleave(10)
    answer = target.clone()
    answer[:10] = 1  # every 0 is called 1
    answer[20] = 5  # one 2 of ten
    assert told_apart(target, answer) == 9
    answer[21] = 5
    assert told_apart(target, answer) == 8


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
    right, wrong = point(1.0), point(0.9)
    assert plot_frontier.frontier({10: [right] * 10, 20: [right] * 9 + [wrong], 30: [right] * 8 + [wrong] * 2}) == 20
    assert plot_frontier.frontier({10: [right, wrong], 20: [right]}) is None
    assert plot_frontier.frontier({10: [right], 20: [point(None)], 30: [right]}) == 10, "diverged is not solved"


def test_frontier_table_and_figure(tmp_path):
    for n, content in enumerate(
        (
            point(1.0, beyond={"40": 1.0, "200": 0.5}),
            point(1.0, seed=1, beyond={"40": 0.9, "200": 0.4}),
            point(1.0, 100, init="latch"),
            point(0.2, curriculum=True),
        )
    ):
        (tmp_path / f"{n}.json").write_text(json.dumps(content))
    status, out, err = run("part1/plot_frontier.py", "--sweep_dir", tmp_path, "--output_dir", tmp_path)
    assert status == 0, err
    lines = out.splitlines()[2:]
    row = "| RNN | default | one-hot digits | 20 | 20 | 2 of 2 | 100 | 3 | 0.900 to 1.000 | 0.400 to 0.500 |"
    assert lines[0] == row
    assert "default, curriculum | one-hot digits | none | 20 |" in lines[1] and "latch (engineered)" in lines[2]
    assert (tmp_path / "frontier.png").read_bytes().startswith(b"\x89PNG")


def test_curriculum_rules_and_their_figure(tmp_path):
    args = ("--input_length", 12, "--seeds", 2, "--train_steps", 60)
    assert run("part1/curriculum_rules.py", *args, "--output_dir", tmp_path)[0] == 0
    with open(tmp_path / "curriculum_rules.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["rule"] for row in rows] == [rule for rule in RULES for _ in range(2)]
    with open(tmp_path / "curriculum_states.csv", newline="") as file:
        states = list(csv.DictReader(file))
    assert {row["rule"] for row in states} == {"all long, grows at loss 0.1", "half short, grows at loss 0.01"}
    assert len(states) == 2 * 10 * 20
    status, out, err = run("part1/plot_curriculum.py", "--csv_dir", tmp_path, "--output_dir", tmp_path)
    assert status == 0, err
    assert len(out.splitlines()) == 2 + len(RULES)
    assert (tmp_path / "curriculum.png").read_bytes().startswith(b"\x89PNG")


def test_long_sequences(tmp_path):
    args = ("--input_length", 2, "--updates", 1, "--json", tmp_path / "long.json")
    status, out, err = run("part1/long_sequences.py", *args)
    assert status == 0, err
    medians = json.loads((tmp_path / "long.json").read_text())
    assert len(out.splitlines()) == 10 and len(medians) == 2 * 4 * 3
    assert medians["RNN.both.ratio"] == pytest.approx(
        medians["RNN.both.T20_ms"] / medians["RNN.both.T2_ms"], rel=0.05, abs=0.01
    )


@pytest.mark.parametrize(
    "args, named",
    [
        (("part1/plot_frontier.py", "--sweep_dir"), "no points"),
        (("part1/plot_curriculum.py", "--csv_dir"), "curriculum_rules.csv"),
        (("part1/long_sequences.py", "--json"), "no such folder"),
    ],
)
def test_what_cannot_be_read_or_written_is_said_in_one_line(tmp_path, args, named):
    (tmp_path / "curriculum_rules.csv").write_text("a,b\n1,2\n")
    path = tmp_path / "none/x.json" if args[-1] == "--json" else tmp_path
    status, out, err = run(*args, path)
    assert (status, out, err.count("\n")) == (2, "", 1) and named in err
