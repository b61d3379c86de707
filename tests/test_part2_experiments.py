"""Part 2's experiments: what their measures are, on cases with a known answer, and the scripts from end to end."""

import csv
import json
import math

import pytest
import torch
import torch.nn.functional as F

from common.tables import collect_runs, read_records
from part2 import benchmark, plot_training
from part2.dataset import AddingProblem, CopyMemory, Palindromes
from part2.experiments import learned_gate, length_tested, plot_tasks, recover_gate, tasks
from part2.experiments.gradient_flow import CELLS, gradient_norms
from part2.time_gate import AlwaysOpen, TimeGate
from part2.time_gated_lstm import TimeGatedLSTM
from part2.train import build_model, settings
from tests.scripts import ROOT, run


def done(script, *args):
    """What a script that ends well prints."""
    status, out, err = run(f"part2/{script}", *args)
    assert status == 0, err
    return out


def is_png(path):
    return path.read_bytes().startswith(b"\x89PNG")


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


def test_a_gate_is_found_from_near_but_not_from_far_and_a_shift_up_to_whole_periods():
    shares = recover_gate.recovery("tau", "100", 0.0, teachers=4, updates=600, seed=0)
    found = dict(zip(recover_gate.DISTANCES["tau"], shares, strict=True))
    assert found[0.001] == found[-0.001] == 1 and found[0.1] == found[-0.3] == 0
    assert max(recover_gate.recovery("s", "10", 0.0, teachers=4, updates=600, seed=0)) == 1
    student = TimeGate(3, 1.0, torch.tensor([2.3, -0.695, 0.4]), 0.1)
    assert recover_gate.recovered("s", student, torch.full((3,), 0.3)).tolist() == [True, True, False]


def test_dead_units_are_those_that_no_step_opens():
    torch.manual_seed(0)
    assert learned_gate.dead_share(100, (0, 3), 1 - 1e-6, 1000) == 0
    # Period e^5: opens once in 148 steps for 15 of them; before step 1 is past its shift, up to chance, never.
    assert learned_gate.dead_share(10, (5, 5), 0.1, 20_000) == pytest.approx(1 - (10 - 1 + 14.84) / 148.4, abs=0.02)
    out = done("experiments/learned_gate.py", "--dead_units", 50)
    assert out.count("\n") == 8 and out.startswith("| log τ uniform in | r_on | T = 10 |")


def test_memory_for_the_backward_pass_is_linear_in_length():
    for name, model in benchmark.models(16).items():
        short, middle, long = (
            benchmark.saved_bytes(model, torch.rand(8, T, 10), torch.zeros(8, dtype=torch.long)) for T in (50, 100, 200)
        )
        assert long - middle == pytest.approx(2 * (middle - short), rel=0.01), name
        assert middle > 50 * 8 * 16 * 4, name


def test_the_benchmark_prints_and_writes_the_same_figures(tmp_path):
    args = ("--input_length", 4, "--rounds", 3, "--num_hidden", 4, "--batch_size", 2)
    out = done("benchmark.py", *args, "--json", tmp_path / "b.json")
    figures = json.loads((tmp_path / "b.json").read_text())
    assert figures["lstm_over_lstm.T4"] == figures["lstm_over_lstm.T4.kept"] == 1 and figures["gated_ms.T4.kept"] > 0
    assert len(figures) == 4 * 3 * 2 and out.count("gated_own_times") == 6
    assert run("part2/benchmark.py", "--json", tmp_path / "no/b.json")[0] == 2


def test_gradient_flow_and_its_figure(tmp_path):
    args = ("--input_length", 6, "--seeds", 2, "--batch_size", 4, "--output_dir", tmp_path)
    done("experiments/gradient_flow.py", *args)
    with open(tmp_path / "gradient_flow.csv", newline="") as file:
        assert len(list(csv.DictReader(file))) == len(CELLS) * 2 * 6
    table = ("--csv", tmp_path / "gradient_flow.csv", "--output_dir", tmp_path)
    assert done("experiments/plot_gradient_flow.py", *table) == ""
    assert is_png(tmp_path / "gradient_flow.png")


def test_recovery_and_its_figure(tmp_path):
    done("experiments/recover_gate.py", "--teachers", 2, "--updates", 3, "--output_dir", tmp_path)
    out = done("experiments/plot_recover_gate.py", "--csv", tmp_path / "recovery.csv", "--output_dir", tmp_path)
    assert len(out.splitlines()) == 3 * len(recover_gate.HORIZONS) * len(recover_gate.LEAKS)
    assert is_png(tmp_path / "recovery.png")


def test_the_gate_is_tested_at_other_lengths_and_drawn_beside_part_1s_cells(tmp_path):
    flags = "--goal 8 --tested 8 12 10001 --seeds 2 --far_seeds 1 --updates 2"
    done("experiments/length_tested.py", *flags.split(), "--output_dir", tmp_path / "gate")
    rows = read_records(tmp_path / "gate/length_tested.csv")
    assert [(row["seed"], row["tested"]) for row in rows] == [(0, 8), (0, 12), (0, 10001), (1, 8), (1, 12)]
    assert {(row["way"], row["taught"], row["updates"]) for row in rows} == {("time gate", 8, 2)}
    tables = ("--csv", ROOT / "results/part1/length_tested.csv", tmp_path / "gate/length_tested.csv")
    status, out, err = run("part1/experiments/plot_length_tested.py", *tables, "--output_dir", tmp_path)
    assert (status, out) == (2, "") and "no length on which all" in err  # 8 and 12 are not among part 1's


def test_the_gate_that_is_tested_has_its_leak_off_and_is_the_seeds():
    model, config, (goal, updates, _) = length_tested.taught("time gate", 3, 8, 1)
    assert not model.training and (goal, updates, config.input_dim) == (8, 1, 10)
    untaught = build_model(settings(input_length=8, seed=3, log_tau=(1.0, 6.0)), Palindromes(9))
    assert torch.allclose(model.gate.tau, untaught.gate.tau, rtol=0.01)


def test_the_answers_of_copying_are_those_of_the_last_ten_steps():
    torch.manual_seed(0)
    task, x = CopyMemory(3), torch.rand(4, 23, 10)
    for build, _ in tasks.CELLS.values():
        model = build(10, 128, 8)
        outputs = tasks.answers(model, x, task)
        for n in (1, 10):  # the logits after the first of them, and after the last
            torch.testing.assert_close(outputs[:, n - 1], model(x[:, : 13 + n]))


class Says(torch.nn.Module):
    """Copies, but for the first symbol of every fourth sequence."""

    W_ph, b_p = torch.eye(8), torch.zeros(8)

    def forward(self, x, return_states):
        h = torch.zeros(len(x), x.shape[1], 8)
        h[:, -10:] = x[:, :10, :8]
        h[::4, -10] = h[::4, -10].roll(1, 1)
        return None, h


def test_the_score_of_copying_is_of_symbols_and_of_whole_sequences():
    _, right, whole = tasks.score(Says(), CopyMemory, 5, 0, 1_000)
    assert (right, whole) == (pytest.approx(0.9748), pytest.approx(0.748))  # 63 of 250 are wrong


def test_the_score_of_adding_is_the_mean_squared_error():
    loss, *nothing = tasks.score(lambda x: torch.ones(len(x), 1), AddingProblem, 30, 0, 900)
    assert loss == pytest.approx(1 / 6, abs=0.02) and nothing == [None, None]


def test_every_run_reads_as_many_steps_and_a_curriculum_grows(monkeypatch):
    _, updates, _, bound = tasks.train("copying", "RNN", False, 0, 500)
    assert (updates, bound) == (3, 200), "220 steps each"
    for right, grown in ((9.0, True), (0.0, False)):
        monkeypatch.setitem(tasks.TASKS, "copying", (CopyMemory, (20,), 0, right))
        assert (tasks.train("copying", "RNN", True, 0, 300)[3] > 5) == grown


def test_tasks_and_their_figure(tmp_path):
    done("experiments/tasks.py", "--seeds", 1, "--steps", 20, "--sequences", 4, "--output_dir", tmp_path)
    with open(tmp_path / "tasks.csv", newline="") as file:
        assert len(list(csv.DictReader(file))) == len(tasks.WAYS) * (2 + 2)
    assert done("experiments/plot_tasks.py", "--csv", tmp_path / "tasks.csv", "--output_dir", tmp_path) == ""
    assert is_png(tmp_path / "tasks.png")


def test_the_figures_title_counts_the_seeds_that_have_learned_a_task_where_they_were_taught():
    def seeds(*values):
        pairs = [zip((200, 1_000), value, strict=True) for value in values]
        return [{"tested": n, "right": some, "loss": 1 - some} for pair in pairs for n, some in pair]

    good, bad, later = (0.991, 0.2), (0.98, 0.98), (0.1, 1.0)
    ways = {"LSTM,\nby curriculum": seeds(good, good, bad), "LSTM,\nat one length": seeds(later)}
    ways |= {"RNN,\nby curriculum": seeds(good), "RNN,\nat one length": seeds(good, later)}
    found = plot_tasks.finding({"copying": ways, "adding": {**ways, "RNN,\nat one length": seeds(bad)}})
    assert found.startswith("2 of 3 LSTMs") and ", 2 of 3 add" in found
    assert "1 of 3 copy" in found and "0 of 2 add" in found


def test_training_curves_and_the_learned_gate_of_runs_as_folders_and_as_tables(tmp_path):
    args = ("--input_length", 5, "--num_hidden", 4, "--train_steps", 4, "--eval_every", 2)
    folders, tables = tmp_path / "folders", tmp_path / "tables"
    names = [f"palindromes100_{run}" for run in ("gated_seed0", "gated_seed1", "lstm_seed0")]  # as the figures want
    for name in names:
        _, cell, seed = name.split("_")
        done("train.py", *args, "--seed", seed[-1], "--model_type", cell, "--output_dir", folders / name)
    tables.mkdir()
    collect_runs(folders, tables)
    for runs in (folders, tables):
        out = done("plot_training.py", "--runs_dir", runs, "--output_dir", tmp_path)
        assert "| palindromes100_gated | 0, 1 |" in out and "| never, never |" in out
        gate = learned_gate.read_gates(runs, names[:2])[names[1]]
        assert len(gate["tau"]) == 4 and gate["first_r_on"].tolist() == [0.05] * 4
    assert is_png(tmp_path / "training.png")

    args = ("--runs_dir", tables, "--output", tmp_path / "gate.png", "--run")
    out = done("experiments/learned_gate.py", *args, *names[:2])
    assert f"{names[1]}: median" in out and "units that opened at no step" in out and is_png(tmp_path / "gate.png")
    status, out, err = run("part2/experiments/learned_gate.py", *args, names[2])
    assert (status, out) == (2, "") and f"no gate of {names[2]}" in err


def test_updates_to_an_accuracy_are_those_of_the_first_evaluation_that_has_it():
    found = {"steps": (5, 10, 15), "accuracies": (0.2, 0.99, 0.5)}
    assert [plot_training.steps_to(found, accuracy) for accuracy in (0.99, 0.995)] == [10, math.inf]


def test_changes_are_shares_of_the_first_period_and_a_ratio():
    gate = {"first_tau": 10.0, "first_s": 3.0, "first_r_on": 0.1, "tau": 8.0, "s": 4.0, "r_on": 0.2}
    moved = learned_gate.changes({name: torch.tensor([value]) for name, value in gate.items()})
    assert [moved[name].item() for name in ("tau", "s", "r_on")] == pytest.approx([0.2, 0.1, 2])


@pytest.mark.parametrize(
    "script, flag",
    [
        ("plot_training.py", "--runs_dir"),
        ("experiments/learned_gate.py", "--runs_dir"),
        ("experiments/plot_gradient_flow.py", "--csv"),
        ("experiments/plot_recover_gate.py", "--csv"),
        ("experiments/plot_tasks.py", "--csv"),
    ],
)
def test_a_plot_says_in_one_line_what_it_cannot_read(tmp_path, script, flag):
    (tmp_path / "gate.csv").write_text("tau\nx\n")
    for path in (tmp_path / "gate.csv", tmp_path, tmp_path / "nowhere"):
        status, out, err = run(f"part2/{script}", flag, path)
        assert (status, out) == (2, "") and err.count("\n") == 1 and "Traceback" not in err
