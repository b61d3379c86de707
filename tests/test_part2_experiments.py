"""Part 2's experiments: what their measures are, on cases with a known answer, and the scripts from end to end."""

import csv
import json

import pytest
import torch
import torch.nn.functional as F

from part1.lstm import LSTM
from part2 import benchmark, plot_learned_gate, plot_training, recover_gate
from part2.experiments.dead_units import dead_share
from part2.experiments.gradient_flow import CELLS, build_cell, gradient_norms
from part2.time_gate import AlwaysOpen, TimeGate
from part2.time_gated_lstm import TimeGatedLSTM
from tests.scripts import run


def test_the_gradient_at_a_step_is_that_of_a_perturbed_state():
    torch.manual_seed(0)
    model = TimeGatedLSTM(10, 6, 10, TimeGate(6, tau=4.0, r_on=0.8)).double()
    x, target = torch.rand(3, 7, 10, dtype=torch.float64), torch.tensor([1, 2, 3])
    norms = gradient_norms(model, x, target)
    at = 3  # the state after so many steps, given as the first state of the others
    _, (h, c) = model(x[:, :at], return_states=True)
    h_before = h[:, -2].detach()
    h, c = (state[:, -1].detach().requires_grad_() for state in (h, c))
    loss = F.cross_entropy(model(x[:, at:], torch.arange(at + 1, 8), (h, c)), target)
    assert loss.item() == pytest.approx(F.cross_entropy(model(x), target).item(), abs=1e-12)
    direct_h, direct_c = torch.autograd.grad(loss, (h, c))
    # dL/dh_t is what reaches h_t; dL/dc_t is the whole: also what goes through h_t = k tanh(c_t) o + (1 - k) h_{t-1}.
    assert norms[1][at - 1].item() == pytest.approx(direct_h.norm().item(), rel=1e-10)
    k = model.gate(torch.tensor([at]))  # (1, H)
    k_times_o = (h - (1 - k) * h_before) / c.tanh()
    whole = direct_c + direct_h * k_times_o * (1 - c.tanh() ** 2)
    assert norms[0][at - 1].item() == pytest.approx(whole.norm().item(), rel=1e-8)


def test_where_every_unit_stays_closed_the_gradient_passes_unchanged():
    torch.manual_seed(0)
    model = build_cell("time-gated, forget bias 0", 20, 5)
    model.gate = TimeGate(5, tau=1000.0, s=19.5, r_on=0.01)  # opens at t = 20 and never before
    c, h = gradient_norms(model, torch.rand(4, 20, 10, dtype=torch.float64), torch.zeros(4, dtype=torch.long))
    assert torch.equal(c[:19], c[:1].expand(19)) and c[0] > 0
    assert torch.allclose(h[:19], h[:1].expand(19), rtol=1e-14, atol=0)


def test_every_cell_of_the_comparison_can_be_built():
    for name in CELLS:
        model = build_cell(name, 30, 4)
        assert isinstance(model.gate, AlwaysOpen) == name.startswith("plain")


def test_a_gate_is_found_from_near_but_not_from_far():
    found = dict(
        zip(
            recover_gate.DISTANCES["tau"],
            recover_gate.recovery("tau", "100", 0.0, teachers=4, updates=600, seed=0),
            strict=True,
        )
    )
    assert found[0.001] == found[-0.001] == 1 and found[0.1] == found[-0.3] == 0
    assert max(recover_gate.recovery("s", "10", 0.0, teachers=4, updates=600, seed=0)) == 1


def test_a_shift_counts_as_found_up_to_whole_periods():
    student = TimeGate(3, 1.0, torch.tensor([2.3, -0.695, 0.4]), 0.1)
    assert recover_gate.recovered("s", student, torch.full((3,), 0.3)).tolist() == [True, True, False]


def test_dead_units_are_those_that_no_step_opens():
    torch.manual_seed(0)
    assert dead_share(100, (0, 3), 1 - 1e-6, 1000) == 0
    # Period e^5: opens once in 148 steps for 15 of them; before step 1 is past its shift, up to chance, never.
    assert dead_share(10, (5, 5), 0.1, 20_000) == pytest.approx(1 - (10 - 1 + 14.84) / 148.4, abs=0.02)
    assert dead_share(200, (5, 5), 0.1, 1_000) == 0


def test_memory_for_the_backward_pass_is_linear_in_length():
    torch.manual_seed(0)
    for name, model in benchmark.models(16).items():
        short, middle, long = (
            benchmark.saved_bytes(model, torch.rand(8, T, 10), torch.zeros(8, dtype=torch.long)) for T in (50, 100, 200)
        )
        assert long - middle == pytest.approx(2 * (middle - short), rel=0.01), name
        assert middle > 50 * 8 * 16 * 4, name


def test_the_always_open_cell_of_the_benchmark_is_part_1s():
    torch.manual_seed(3)
    gated = TimeGatedLSTM(10, 8, 10, AlwaysOpen(8))
    torch.manual_seed(3)
    plain, x = LSTM(10, 8, 10), torch.rand(2, 5, 10)
    assert torch.equal(gated(x), plain(x))


def test_the_benchmark_prints_and_writes_the_same_figures(tmp_path):
    args = ("--input_length", 4, 8, "--rounds", 3, "--num_hidden", 4, "--batch_size", 2)
    status, out, err = run("part2/benchmark.py", *args, "--json", tmp_path / "b.json")
    assert status == 0, err
    figures = json.loads((tmp_path / "b.json").read_text())
    assert figures["lstm_over_lstm.T4"] == 1 and figures["gated_ms.T8"] > 0
    assert out.count("gated_own_times") == 2
    assert run("part2/benchmark.py", "--json", tmp_path / "no/b.json")[0] == 2


def test_gradient_flow_and_its_figure(tmp_path):
    args = ("--input_length", 6, "--seeds", 2, "--batch_size", 4)
    assert run("part2/experiments/gradient_flow.py", *args, "--output_dir", tmp_path)[0] == 0
    with open(tmp_path / "gradient_flow.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(CELLS) * 2 * 6
    status, out, _ = run(
        "part2/experiments/plot_gradient_flow.py", "--csv", tmp_path / "gradient_flow.csv", "--output_dir", tmp_path
    )
    assert status == 0 and "plain, chrono: t = 1," in out
    assert (tmp_path / "gradient_flow.png").read_bytes().startswith(b"\x89PNG")


def test_recovery_and_its_figure(tmp_path):
    assert run("part2/experiments/recover_gate.py", "--teachers", 2, "--updates", 3, "--output_dir", tmp_path)[0] == 0
    status, out, _ = run("part2/experiments/plot_recover_gate.py", "--csv", tmp_path / "recovery.csv", "--output_dir", tmp_path)
    assert status == 0 and len(out.splitlines()) == 3 * len(recover_gate.HORIZONS) * len(recover_gate.LEAKS)
    assert (tmp_path / "recovery.png").read_bytes().startswith(b"\x89PNG")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with a short run of two seeds, named as the figure wants it."""
    folder = tmp_path_factory.mktemp("runs")
    args = ("--input_length", 5, "--num_hidden", 4, "--train_steps", 4, "--eval_every", 2)
    for seed in (0, 1):
        status, _, err = run(
            "part2/train.py", *args, "--seed", seed, "--output_dir", folder / f"palindromes100_gated_seed{seed}"
        )
        assert status == 0, err
    return folder


def test_training_curves_and_their_table(runs, tmp_path):
    status, out, err = run("part2/plot_training.py", "--runs_dir", runs, "--output_dir", tmp_path)
    assert status == 0, err
    assert "| palindromes100_gated | 0, 1 |" in out and "| never, never |" in out
    assert (tmp_path / "training.png").read_bytes().startswith(b"\x89PNG")


def test_updates_to_an_accuracy_are_those_of_the_first_evaluation_that_has_it():
    found = {"steps": [5, 10, 15], "accuracy": [0.2, 0.99, 0.5]}
    assert plot_training.steps_to(found, 0.99) == 10
    assert plot_training.steps_to(found, 0.995) == float("inf")


def test_the_learned_gate_and_its_figure(runs, tmp_path):
    gate = plot_learned_gate.read_gate(runs / "palindromes100_gated_seed0")
    assert len(gate["tau"]) == 4 and gate["first_r_on"] == [0.05] * 4
    status, out, err = run(
        "part2/experiments/learned_gate.py", runs / "palindromes100_gated_seed0", "--output", tmp_path / "g.png"
    )
    assert status == 0, err
    assert "palindromes100_gated_seed0: median" in out
    moved = plot_learned_gate.changes({c: [1.0, 2.0] for c in plot_learned_gate.COLUMNS} | {"tau": [1.5, 2.0]})
    assert moved["tau"] == [0.5, 0] and moved["r_on"] == [1, 1]


def test_a_unit_that_opens_between_the_steps_only_never_opens():
    gate = {"first_tau": [4.0, 4.0, 50.0], "first_s": [0.5, 3.0, 20.0], "first_r_on": [0.1, 0.1, 0.1]}
    assert plot_learned_gate.never_open(gate, 10) == [True, False, True]  # open from 0.5, from 3, and from 20 on
    assert plot_learned_gate.never_open(gate, 20) == [True, False, False]


@pytest.mark.parametrize(
    "args",
    [
        ("part2/plot_training.py", "--runs_dir"),
        ("part2/experiments/learned_gate.py",),
        ("part2/experiments/plot_gradient_flow.py", "--csv"),
        ("part2/experiments/plot_recover_gate.py", "--csv"),
    ],
)
def test_a_plot_says_in_one_line_what_it_cannot_read(tmp_path, args):
    (tmp_path / "gate.csv").write_text("tau\nx\n")
    path = tmp_path if args[-1].endswith(("dir", "gate.py")) else tmp_path / "gate.csv"
    status, out, err = run(*args, path)
    assert (status, out) == (2, "") and err.count("\n") == 1 and "Traceback" not in err
