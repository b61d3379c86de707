"""part1/experiments: what attractors.py counts, and when longest_taught.py has seen enough."""

import pytest
import torch

from common.tables import read_records
from part1.dataset import encode
from part1.experiments.attractors import HISTORIES, groups, read, states_left
from part1.experiments.longest_taught import COLUMNS, WAYS, search
from part1.experiments.plot_attractors import HELD, finding
from part1.train import build_model, settings
from tests.scripts import ROOT, run


def test_states_are_of_one_group_if_no_unit_is_farther_from_its_first():
    h = torch.tensor([[0.0, 0.0], [0.5, 0.5], [0.01, -0.01], [0.02, 0.0], [0.5, 0.515], [0.5, 0.495]])
    assert groups(h).tolist() == [0, 1, 0, 2, 3, 1]  # the fourth is near the third alone
    assert groups(h, apart=1.0).tolist() == [0] * 6


@pytest.mark.parametrize("model_type", ["RNN", "LSTM"])
def test_digits_are_read_as_by_the_network_and_noise_is_of_its_standard_deviation(model_type):
    model = build_model(settings(input_dim=10, model_type=model_type, num_hidden=50))
    torch.nn.init.normal_(model.b_p)
    digits = torch.randint(10, (400, 105))  # more than are read at once
    logits, (h, *_) = read(model, digits[:, 3:], 10, state=read(model, digits[:, :3], 10)[1])
    with torch.no_grad():
        expected, states = model(encode(digits, 10), return_states=True)
    torch.testing.assert_close(logits, expected)
    torch.testing.assert_close(h, (states if model_type == "RNN" else states[0])[:, -1])
    torch.manual_seed(0)
    _, (noisy, *_) = read(model, digits[:, :1], 10, noise=0.1)
    added = noisy - read(model, digits[:, :1], 10)[1][0]
    assert added.std().item() == pytest.approx(0.1, rel=0.03) and abs(added.mean().item()) < 0.003


def test_a_network_that_keeps_the_first_digit_has_ten_states_left_and_one_that_forgets_has_one():
    kept = build_model(settings(input_dim=1, init="latch"))  # its signs are the digit's thermometer, and stay
    with torch.no_grad():
        kept.W_ph.zero_()
        kept.b_p.copy_(torch.eye(10)[3])  # always answers 3
    states, told_apart, accuracy = states_left(kept, 1, steps=200, seed=0)
    assert (states, told_apart) == (10, 1) and accuracy == pytest.approx(0.1, abs=0.05)
    forgets = build_model(settings(input_dim=10))
    states, told_apart, _ = states_left(forgets, 10, steps=200, seed=0)
    assert states == 1 and 0.1 <= told_apart < 0.2 and (told_apart * HISTORIES).is_integer()


def test_the_figures_title_counts_the_networks_that_hold_the_digit():
    def seeds(*counts, accuracy):
        return [{"states": count, "accuracy": accuracy} for count in counts]

    ways = {"LSTM": {"no": seeds(1, 1, accuracy=0.1), "yes": seeds(10, 12, accuracy=0.9)}}
    ways |= {"RNN": {"no": seeds(1, 3, accuracy=0.1), "yes": seeds(10, 500, accuracy=0.89)}}
    first, second = finding(ways).splitlines()
    assert first.startswith("1 of 2 networks") and "all have 10 to 12" in first and " 1 of 4 have more" in second


def test_the_committed_networks_that_hold_the_digit_have_few_states_and_tell_what_these_do():
    rows = read_records(ROOT / "results/part1/attractors.csv")
    held = [row for row in rows if row["trained"] == "yes" and row["accuracy"] >= HELD]
    assert held and all(row["told_apart"] - row["accuracy"] < 0.01 and 10 <= row["states"] < 20 for row in held)


def test_a_search_ends_with_the_second_seed_that_fails_a_length():
    def taught(length, seed):
        return ["updates", int(length < 40 or seed % 3 != 1)]  # at 40 seeds 1 and 4 fail

    rows = list(search(taught, [10, 20, 40, 80], 6))
    expected = [(length, seed) for length in (10, 20) for seed in range(6)] + [(40, seed) for seed in range(5)]
    assert [tuple(row[:2]) for row in rows] == expected
    assert rows[-1] == [40, 4, "updates", 0] and len(list(search(taught, [40, 80], 4))) == 8, "one failure is allowed"


def test_the_table_of_the_longest_taught(tmp_path):
    args = ("--lengths", 5, 4, "--seeds", 3, "--updates", 1, "--output_dir", tmp_path)
    status, _, err = run("part1/experiments/longest_taught.py", *args)
    assert status == 0, err
    rows = read_records(tmp_path / "longest_taught.csv")
    assert tuple(rows[0]) == COLUMNS
    points = [(row["way"], row["length"], row["seed"], row["updates"], row["solved"]) for row in rows]
    assert points == [(way, 4, seed, 1, 0) for way in WAYS for seed in range(2)]
