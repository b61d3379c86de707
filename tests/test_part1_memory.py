"""The experiments on memory: what their measures are, on cases with a known answer, and the scripts from end to end."""

import torch
from PIL import Image, ImageSequence

from common.tables import write_records
from part1 import plot_accuracy
from part1.curriculum import Curriculum
from part1.experiments.animate_curriculum import HELD, PER_SECOND, frames_of
from part1.experiments.curriculum_rules import draw_batches, projected, told_apart, train_by_rule
from tests.scripts import ROOT, run


def point(accuracy, length=20, seed=0, **changes):
    """A row of a sweep; an accuracy of None: it diverged."""
    settings = {"model_type": "RNN", "init": "default", "curriculum": False, "input_dim": 10, "learning_rate": 0.001}
    result = {"accuracy": accuracy, "palindromes": 10_000, "steps": 100, "cpu_seconds": 3.0}
    result = {"diverged": "step 3"} if accuracy is None else result
    return {**settings, "input_length": length, "seed": seed, **result, **changes}


def write(path, *records):
    """Write a table and return its folder."""
    path.parent.mkdir(exist_ok=True)
    write_records(path, records)
    return path.parent


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


def test_the_animation_has_a_frame_for_each_look_at_the_training(tmp_path):
    frames, target = frames_of(10, 0, every=4, most_updates=9)
    assert [updates for updates, *_ in frames] == [0, 4, 8] and len(target) == len(frames[0][-1]) == 200
    assert not torch.equal(frames[0][-1], frames[-1][-1])
    flags = ("--input_length", 10, "--every", 4, "--train_steps", 9, "--output", tmp_path / "a.gif")
    assert run("part1/experiments/animate_curriculum.py", *flags) == (0, "", "")
    with Image.open(tmp_path / "a.gif") as made:  # a frame that is held is one frame or several, as Pillow has it
        shown = [frame.info["duration"] for frame in ImageSequence.Iterator(made)]
    assert len(shown) >= 3 and sum(shown) == 1000 / PER_SECOND * (2 + HELD)
    assert (ROOT / "results/part1/curriculum.gif").stat().st_size < 300_000


def test_curves_of_several_sweeps_an_earlier_folder_wins(tmp_path):
    first = write(tmp_path / "first/points.csv", point(0.5), point(0.7, 30, curriculum=True))
    later = write(tmp_path / "later/points.csv", point(1.0), point(1.0, seed=1))
    curves = plot_accuracy.read_curves([first, later])
    assert {key: plot_accuracy.accuracies(results) for key, results in curves.items()} == {
        (("RNN", "default", 0.001), 10, 21): [0.5, 1.0],
        (("RNN", "default, curriculum", 0.001), 10, 31): [0.7],
    }
