"""Part 2's experiments: what their measures are, on cases with a known answer, and the scripts from end to end."""

import csv
import json

import pytest
import torch
import torch.nn.functional as F

from common.run_folder import collect_runs
from part2 import benchmark, plot_training
from part2.dataset import Palindromes
from part2.experiments import learned_gate, recover_gate
from part2.experiments.gradient_flow import CELLS, gradient_norms
from part2.time_gate import AlwaysOpen, TimeGate
from part2.time_gated_lstm import TimeGatedLSTM
from part2.train import build_model, settings
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
    loss = F.cross_entropy(model(x[:, at:], (h, c), t=torch.arange(at + 1, 8)), target)
    assert loss.item() == pytest.approx(F.cross_entropy(model(x), target).item(), abs=1e-12)
    direct_h, direct_c = torch.autograd.grad(loss, (h, c))
    # dL/dh_t is what reaches h_t; dL/dc_t is the whole: also what goes through h_t = k tanh(c_t) o + (1 - k) h_{t-1}.
    assert norms[1][at - 1].item() == pytest.approx(direct_h.norm().item(), rel=1e-10)
    k = model.gate(torch.tensor([at]))  # (1, H)
    k_times_o = (h - (1 - k) * h_before) / c.tanh()
    whole = direct_c + direct_h * k_times_o * (1 - c.tanh() ** 2)
    assert norms[0][at - 1].item() == pytest.approx(whole.norm().item(), rel=1e-8)


def test_where_every_unit_stays_closed_the_gradient_passes_unchanged():
    model = build_model(settings(**CELLS["time-gated, forget bias 0"], num_hidden=5), Palindromes(21)).double()
    model.gate = TimeGate(5, tau=1000.0, s=19.5, r_on=0.01)  # opens at t = 20 and never before
    c, h = gradient_norms(model, torch.rand(4, 20, 10, dtype=torch.float64), torch.zeros(4, dtype=torch.long))
    assert torch.equal(c[:19], c[:1].expand(19)) and c[0] > 0
    assert torch.allclose(h[:19], h[:1].expand(19), rtol=1e-14, atol=0)


def test_the_cells_of_the_comparison_have_no_leak_and_the_forget_bias_they_are_named_for():
    for name, changes in CELLS.items():
        model = build_model(settings(**changes, num_hidden=4), Palindromes(31))
        assert isinstance(model.gate, AlwaysOpen) == name.startswith("plain")
        assert getattr(model.gate, "leak", 0) == 0
        if "bias" in name:
            assert (model.b_f == float(name[-1])).all()


def test_a_gate_is_found_from_near_but_not_from_far():
    shares = recover_gate.recovery("tau", "100", 0.0, teachers=4, updates=600, seed=0)
    found = dict(zip(recover_gate.DISTANCES["tau"], shares, strict=True))
    assert found[0.001] == found[-0.001] == 1 and found[0.1] == found[-0.3] == 0
    assert max(recover_gate.recovery("s", "10", 0.0, teachers=4, updates=600, seed=0)) == 1


def test_a_shift_counts_as_found_up_to_whole_periods():
    student = TimeGate(3, 1.0, torch.tensor([2.3, -0.695, 0.4]), 0.1)
    assert recover_gate.recovered("s", student, torch.full((3,), 0.3)).tolist() == [True, True, False]


def test_dead_units_are_those_that_no_step_opens():
    torch.manual_seed(0)
    assert learned_gate.dead_share(100, (0, 3), 1 - 1e-6, 1000) == 0
    # Period e^5: opens once in 148 steps for 15 of them; before step 1 is past its shift, up to chance, never.
    assert learned_gate.dead_share(10, (5, 5), 0.1, 20_000) == pytest.approx(1 - (10 - 1 + 14.84) / 148.4, abs=0.02)
    assert learned_gate.dead_share(200, (5, 5), 0.1, 1_000) == 0


def test_memory_for_the_backward_pass_is_linear_in_length():
    torch.manual_seed(0)
    for name, model in benchmark.models(16).items():
        short, middle, long = (
            benchmark.saved_bytes(model, torch.rand(8, T, 10), torch.zeros(8, dtype=torch.long)) for T in (50, 100, 200)
        )
        assert long - middle == pytest.approx(2 * (middle - short), rel=0.01), name
        assert middle > 50 * 8 * 16 * 4, name


def test_the_benchmark_prints_and_writes_the_same_figures(tmp_path):
    args = ("--input_length", 4, "--rounds", 3, "--num_hidden", 4, "--batch_size", 2)
    status, out, err = run("part2/benchmark.py", *args, "--json", tmp_path / "b.json")
    assert status == 0, err
    figures = json.loads((tmp_path / "b.json").read_text())
    assert figures["lstm_over_lstm.T4"] == figures["lstm_over_lstm.T4.kept"] == 1 and figures["gated_ms.T4.kept"] > 0
    assert len(figures) == 4 * (2 * 2 + 1) and out.count("gated_own_times.T4") == 2
    assert run("part2/benchmark.py", "--json", tmp_path / "no/b.json")[0] == 2


def test_gradient_flow_and_its_figure(tmp_path):
    args = ("--input_length", 6, "--seeds", 2, "--batch_size", 4)
    assert run("part2/experiments/gradient_flow.py", *args, "--output_dir", tmp_path)[0] == 0
    with open(tmp_path / "gradient_flow.csv", newline="") as file:
        assert len(list(csv.DictReader(file))) == len(CELLS) * 2 * 6
    table = ("--csv", tmp_path / "gradient_flow.csv", "--output_dir", tmp_path)
    status, out, _ = run("part2/experiments/plot_gradient_flow.py", *table)
    assert status == 0 and "plain, chrono: t = 1," in out
    assert (tmp_path / "gradient_flow.png").read_bytes().startswith(b"\x89PNG")


def test_recovery_and_its_figure(tmp_path):
    assert run("part2/experiments/recover_gate.py", "--teachers", 2, "--updates", 3, "--output_dir", tmp_path)[0] == 0
    table = ("--csv", tmp_path / "recovery.csv", "--output_dir", tmp_path)
    status, out, _ = run("part2/experiments/plot_recover_gate.py", *table)
    assert status == 0 and len(out.splitlines()) == 3 * len(recover_gate.HORIZONS) * len(recover_gate.LEAKS)
    assert (tmp_path / "recovery.png").read_bytes().startswith(b"\x89PNG")


@pytest.fixture(scope="module", params=["folders", "tables"])
def runs(request, tmp_path_factory):
    """Short runs named as the figures want them, of which only the gated have a gate: as folders, and as tables."""
    folder = tmp_path_factory.mktemp("runs")
    args = ("--input_length", 5, "--num_hidden", 4, "--train_steps", 4, "--eval_every", 2)
    for name, seed in (("palindromes100_gated", 0), ("palindromes100_gated", 1), ("palindromes100_lstm", 0)):
        flags = (*args, "--seed", seed, "--model_type", name[15:], "--output_dir", folder / f"{name}_seed{seed}")
        status, _, err = run("part2/train.py", *flags)
        assert status == 0, err
    if request.param == "folders":
        return folder
    tables = tmp_path_factory.mktemp("tables")
    collect_runs(folder, tables)
    return tables


def test_training_curves_and_their_table(runs, tmp_path):
    status, out, err = run("part2/plot_training.py", "--runs_dir", runs, "--output_dir", tmp_path)
    assert status == 0, err
    assert "| palindromes100_gated | 0, 1 |" in out and "| never, never |" in out
    assert (tmp_path / "training.png").read_bytes().startswith(b"\x89PNG")


def test_updates_to_an_accuracy_are_those_of_the_first_evaluation_that_has_it():
    found = {"steps": (5, 10, 15), "accuracies": (0.2, 0.99, 0.5)}
    assert plot_training.steps_to(found, 0.99) == 10
    assert plot_training.steps_to(found, 0.995) == float("inf")


def test_the_learned_gate_and_its_figure(runs, tmp_path):
    names = [f"palindromes100_gated_seed{seed}" for seed in (0, 1)]
    gate = learned_gate.read_gates(runs, names)[names[1]]
    assert len(gate["tau"]) == 4 and gate["first_r_on"].tolist() == [0.05] * 4
    args = ("part2/experiments/learned_gate.py", "--runs_dir", runs, "--output", tmp_path / "g.png", "--run")
    status, out, err = run(*args, *names)
    assert status == 0, err
    assert f"{names[1]}: median" in out and "units that opened at no step" in out
    status, out, err = run(*args, "palindromes100_lstm_seed0")
    assert (status, out) == (2, "") and "no gate of palindromes100_lstm_seed0" in err


def test_changes_are_shares_of_the_first_period_and_a_ratio():
    first = {"first_tau": 10.0, "first_s": 3.0, "first_r_on": 0.1}
    moved = learned_gate.changes(
        {n: torch.tensor([v]) for n, v in {**first, "tau": 8.0, "s": 4.0, "r_on": 0.2}.items()}
    )
    assert [moved[name].item() for name in ("tau", "s", "r_on")] == pytest.approx([0.2, 0.1, 2])


def test_the_table_of_dead_units_is_printed(tmp_path):
    status, out, _ = run("part2/experiments/learned_gate.py", "--dead_units", 50)
    assert status == 0 and out.count("\n") == 8 and out.startswith("| log τ uniform in | r_on | T = 10 |")


@pytest.mark.parametrize(
    "args",
    [
        ("part2/plot_training.py", "--runs_dir"),
        ("part2/experiments/learned_gate.py", "--runs_dir"),
        ("part2/experiments/plot_gradient_flow.py", "--csv"),
        ("part2/experiments/plot_recover_gate.py", "--csv"),
    ],
)
def test_a_plot_says_in_one_line_what_it_cannot_read(tmp_path, args):
    (tmp_path / "gate.csv").write_text("tau\nx\n")
    for path in (tmp_path / "gate.csv", tmp_path, tmp_path / "nowhere"):
        status, out, err = run(*args, path)
        assert (status, out) == (2, "") and err.count("\n") == 1 and "Traceback" not in err
