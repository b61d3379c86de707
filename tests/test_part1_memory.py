"""The experiments on memory: what their measures are, on cases with a known answer, and the scripts from end to end."""

import csv
import json

import pytest
import torch

from part1 import frontier, plot_frontier
from part1.experiments.curriculum_rules import RULES, AllLong, projected, told_apart, train_by_rule
from tests.scripts import run


def point(accuracy, length=20, seed=0, init="default", curriculum=False, beyond=None, palindromes=10_000, rate=0.001):
    settings = {"model_type": "RNN", "init": init, "curriculum": curriculum, "input_dim": 10, "input_length": length}
    result = {"accuracy": accuracy, "palindromes": palindromes, "steps": 100, "cpu_seconds": 3.0}
    if beyond:
        result["accuracy_beyond"] = beyond
    return {"settings": settings | {"learning_rate": rate, "seed": seed}, "result": result}


def write_points(folder, *points):
    folder.mkdir(parents=True, exist_ok=True)
    for n, content in enumerate(points):
        (folder / f"{n}.json").write_text(json.dumps(content))
    return folder


def write_gated_run(runs, length, seed, accuracy, **result):
    folder = runs / f"palindromes{length}_gated_seed{seed}"
    folder.mkdir(parents=True)
    settings = {"input_length": length, "seed": seed, "init": "default", "log_tau": [1.0, 6.0]}
    (folder / "config.json").write_text(json.dumps(settings))
    (folder / "result.json").write_text(json.dumps({"accuracy": accuracy, "steps": 70, "cpu_seconds": 9.0} | result))


def write_reservoir(path, *lines):
    path.write_text("\n".join(["weights,input_dim,input_length,seed,accuracy,palindromes", *lines]) + "\n")
    return path


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


@pytest.mark.parametrize(
    "errors, palindromes, every_one, solved",
    [
        (0, 3_000, False, True),
        (10, 3_000, False, False),
        (1, 3_000, False, False),
        (0, 2_995, False, True),
        (0, 2_994, False, False),  # 0.999 ** 2994 is above 5 %
        (4, 10_000, False, True),
        (5, 10_000, False, False),
        (5_000, 10_000, False, False),
        (0, 102, False, False),
        (0, 102, True, True),
        (1, 102, True, False),
        (1, 5_000, True, False),
    ],
)
def test_a_seed_is_solved_if_95_percent_are_sure_of_99_9_percent(errors, palindromes, every_one, solved):
    assert frontier.is_solved(1 - errors / palindromes, palindromes, every_one) == solved


def test_the_frontier_is_the_longest_length_before_the_first_that_fails():
    def seeds(right, wrong=0):
        return dict(enumerate([frontier.Point(True, {})] * right + [frontier.Point(False, {})] * wrong))

    assert frontier.frontier({10: seeds(10), 20: seeds(9, 1), 30: seeds(8, 2)}) == 20
    assert frontier.frontier({10: seeds(1, 1), 20: seeds(1)}) is None
    assert frontier.frontier({10: seeds(1), 20: seeds(0, 1), 30: seeds(1)}) == 10


def test_points_are_read_from_every_experiment_and_none_counts_twice(tmp_path):
    first = write_points(tmp_path / "first", point(1.0, seed=0), point(None, seed=1), point(1.0, seed=0, rate=0.01))
    later = write_points(
        tmp_path / "later",
        point(0.2, seed=0),  # the same row, length and seed: hidden
        point(1.0, seed=2),
        point(1.0, 5, seed=0, palindromes=102),
        point(0.99, 5, seed=1, palindromes=102),
        point(1.0, 99, init="latch"),
    )
    write_gated_run(tmp_path / "runs", 500, 0, 0.9996, accuracy_beyond={"1000": 0.5})
    write_gated_run(tmp_path / "runs", 500, 1, 0.9995)
    weights = ("default", 10, 1.0), ("orthogonal", 10, 1.0), ("orthogonal", 20, 1.0), ("latch (engineered)", 50, 1.0)
    reservoir = write_reservoir(
        tmp_path / "reservoir.csv",
        '"counts, first digit",10,50,0,1.0000,3000',
        *(f'"RNN, {name}",10,{length},0,{accuracy},3000' for name, length, accuracy in weights),
        '"RNN, orthogonal",10,20,1,1.0,2000',
        '"RNN, orthogonal",10,50,0,0.9997,3000',
    )
    rows = frontier.read_rows([first, later], tmp_path / "runs", reservoir)
    solved = {
        row: {length: {seed: p.solved for seed, p in at.items()} for length, at in lengths.items()}
        for row, lengths in rows.items()
    }
    assert solved == {
        frontier.Row("learned", "RNN", "default", 10): {20: {0: True, 1: False, 2: True}, 5: {0: True, 1: False}},
        frontier.Row("learned", "RNN", "default, rate 0.01", 10): {20: {0: True}},
        frontier.Row("engineered", "RNN", "latch", 10): {99: {0: True}},
        frontier.Row("learned", "time-gated LSTM", "default, log τ 1 to 6", 10): {500: {0: True, 1: False}},
        frontier.Row("reservoir", "RNN", "orthogonal, readout only", 10): {
            10: {0: True},
            20: {0: True, 1: False},
            50: {0: False},
        },
    }
    gated = rows[frontier.Row("learned", "time-gated LSTM", "default, log τ 1 to 6", 10)]
    assert gated[500][0] == frontier.Point(True, {1000: 0.5}, 70, 9.0)


def test_frontier_table_and_figure(tmp_path):
    ten = [point(1.0, seed=n, beyond={"40": 1.0, "200": 0.5}) for n in range(8)]
    ten += [point(1.0, seed=8, beyond={"40": 0.9, "200": 0.4}), point(0.3, seed=9, beyond={"40": 0.1, "200": 0.1})]
    sweep = write_points(tmp_path / "sweep", *ten, point(1.0, 100, init="latch"), point(0.2, curriculum=True))
    write_gated_run(tmp_path / "runs", 100, 0, 1.0)
    reservoir = write_reservoir(tmp_path / "reservoir.csv", '"LSTM, chrono",10,50,0,1.0000,3000')
    args = ("--sweep_dir", sweep, "--runs_dir", tmp_path / "runs", "--reservoir", reservoir, "--output_dir", tmp_path)
    status, out, err = run("part1/experiments/plot_frontier.py", *args)
    assert status == 0, err
    assert out.splitlines()[2:] == [
        "| learned | RNN | default | one-hot digits | 20 | 20 | 9 of 10 | 100 | 3 | 0.900 to 1.000 | 0.400 to 0.500 |",
        "| learned | RNN | default, curriculum | one-hot digits | none | 20 | – | – | – | – | – |",
        "| learned | time-gated LSTM | default, log τ 1 to 6 | one-hot digits | 100 | 100 | 1 of 1 | 70 | 9 | – | – |",
        "| reservoir | LSTM | chrono, readout only | one-hot digits | 50 | 50 | 1 of 1 | – | – | – | – |",
        "| engineered | RNN | latch | one-hot digits | 100 | 100 | 1 of 1 | 100 | 3 | – | – |",
    ]
    assert (tmp_path / "frontier.png").read_bytes().startswith(b"\x89PNG")


def test_the_figure_keeps_learned_reservoir_and_engineered_apart():
    solved = {7: {0: frontier.Point(True, {})}}
    rows = {
        frontier.Row("engineered", "RNN", "latch", 10): solved,
        frontier.Row("learned", "RNN", "default", 10): solved,
        frontier.Row("reservoir", "LSTM", "chrono", 10): solved,
    }
    ax = plot_frontier.figure(rows).axes[0]
    labels = [label.get_text() for label in ax.get_yticklabels()]
    headings = plot_frontier.HEADINGS
    assert labels == [
        "RNN, latch",
        headings["engineered"],
        "LSTM, chrono",
        headings["reservoir"],
        "RNN, default",
        headings["learned"],
    ]
    looks = {(bar.get_facecolor(), bar.get_hatch()) for bar in ax.patches}
    assert len(looks) == 3


def test_curriculum_rules_and_their_figure(tmp_path):
    args = ("--input_length", 12, "--seeds", 2, "--train_steps", 60)
    assert run("part1/experiments/curriculum_rules.py", *args, "--output_dir", tmp_path)[0] == 0
    with open(tmp_path / "curriculum_rules.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["rule"] for row in rows] == [rule for rule in RULES for _ in range(2)]
    with open(tmp_path / "curriculum_states.csv", newline="") as file:
        states = list(csv.DictReader(file))
    assert {row["rule"] for row in states} == {"all long, grows at loss 0.1", "half short, grows at loss 0.01"}
    assert len(states) == 2 * 10 * 20
    status, out, err = run("part1/experiments/plot_curriculum_rules.py", "--csv_dir", tmp_path, "--output_dir", tmp_path)
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
        (("part1/experiments/plot_frontier.py", "--sweep_dir"), "no points"),
        (("part1/experiments/plot_curriculum_rules.py", "--csv_dir"), "curriculum_rules.csv"),
        (("part1/long_sequences.py", "--json"), "no such folder"),
    ],
)
def test_what_cannot_be_read_or_written_is_said_in_one_line(tmp_path, args, named):
    (tmp_path / "curriculum_rules.csv").write_text("a,b\n1,2\n")
    path = tmp_path / "none/x.json" if args[-1] == "--json" else tmp_path
    status, out, err = run(*args, path)
    assert (status, out, err.count("\n")) == (2, "", 1) and named in err


@pytest.mark.parametrize("broken", ["sweep/0.json", "runs/palindromes100_gated_seed0/config.json", "reservoir.csv"])
def test_a_file_of_something_else_is_named(tmp_path, broken):
    write_points(tmp_path / "sweep", point(1.0))
    write_gated_run(tmp_path / "runs", 100, 0, 1.0)
    reservoir = write_reservoir(tmp_path / "reservoir.csv", '"LSTM, chrono",10,50,0,1.0000,3000')
    (tmp_path / broken).write_text('{"a": 1}')
    args = ("--sweep_dir", tmp_path / "sweep", "--runs_dir", tmp_path / "runs", "--reservoir", reservoir)
    status, out, err = run("part1/experiments/plot_frontier.py", *args, "--output_dir", tmp_path)
    named = broken.removesuffix("config.json")  # the folder of a run
    assert (status, out, err.count("\n")) == (2, "", 1) and named in err
