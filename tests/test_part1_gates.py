"""part1/experiments: gates.py and reservoir.py; the scripts that write tables and draw them, from end to end."""

import numpy as np
import pytest
import torch

from common.tables import read_grouped, read_records
from part1.dataset import PalindromeDataset, encode
from part1.experiments import plot_length_tested
from part1.experiments.attractors import NOISE, TRIED
from part1.experiments.gates import VARIANTS, run_gates, share_explained, with_forget_bias
from part1.experiments.length_tested import WAYS, read_out, score
from part1.experiments.plot_curriculum_rules import clusters, places
from part1.lstm import LSTM
from part1.train import build_model, settings
from tests.scripts import ROOT, run


def variant(name):
    torch.manual_seed(0)
    return VARIANTS[name](10, 6, 10).double()


def test_every_variant_but_the_named_change_is_the_lstm():
    """Same weights, one step from a given state, beside equations 4-9 written out with the change."""
    torch.manual_seed(1)
    x, h, c = torch.rand(10, 3).double(), torch.rand(6, 3).double(), torch.rand(6, 3).double()
    weights = variant("LSTM").state_dict()

    def a(gate):
        return weights[f"W_{gate}x"] @ x + weights[f"W_{gate}h"] @ h + weights[f"b_{gate}"][:, None]

    g, i, f, o = a("g").tanh(), a("i").sigmoid(), a("f").sigmoid(), a("o").sigmoid()
    expected = {
        "LSTM": (g * i + c * f, o),
        "i = 1": (g + c * f, o),
        "f = 1": (g * i + c, o),
        "o = 1": (g * i + c * f, 1),
        "i = 1 - f": (g * (1 - f) + c * f, o),
        "g linear": (a("g") * i + c * f, o),
        "g sigmoid": (a("g").sigmoid() * i + c * f, o),
        "i tanh": (g * a("i").tanh() + c * f, o),
        "f tanh": (g * i + c * a("f").tanh(), o),
        "o tanh": (g * i + c * f, a("o").tanh()),
        "h = c o": (g * i + c * f, o),
    }
    assert expected.keys() == VARIANTS.keys()
    for name, (c_new, gate) in expected.items():
        model = variant(name)
        assert all(torch.equal(model.state_dict()[key], W) for key, W in weights.items()), name
        h_t, c_t = model.step(x, h, c, model.joined())
        torch.testing.assert_close(c_t, c_new)
        torch.testing.assert_close(h_t, (c_new if name == "h = c o" else c_new.tanh()) * gate)


def test_a_forget_bias_changes_b_f_alone():
    torch.manual_seed(0)
    biased, default = with_forget_bias(3, 10, 6, 10).double().state_dict(), variant("LSTM").state_dict()
    assert {name for name in default if not torch.equal(biased[name], default[name])} == {"b_f"}


def test_the_gates_over_time_are_those_of_the_forward_pass():
    model, x = LSTM(10, 6, 10).double(), torch.rand(2, 7, 10).double()
    g, i, f, o, c = run_gates(model, x).values()
    _, (h, c_forward) = model(x, return_states=True)
    before = torch.cat([torch.zeros(2, 1, 6), c[:, :-1]], dim=1)
    torch.testing.assert_close(c, c_forward)
    torch.testing.assert_close(g * i + before * f, c)
    torch.testing.assert_close(o * c.tanh(), h)


def test_the_share_explained_is_one_where_the_class_fixes_the_value_and_nought_where_it_says_nothing():
    values = torch.tensor([[1.0, 1.0, 2.0], [1.0, 3.0, 2.0], [5.0, 1.0, 2.0], [5.0, 3.0, 2.0]]).double()
    assert share_explained(values, torch.tensor([0, 0, 1, 1])).tolist() == pytest.approx([1, 0, 0])


class Reader(torch.nn.Module):
    """Answers with the first digit read, but for the first `wrong` palindromes of all that it reads."""

    def __init__(self, wrong):
        super().__init__()
        self.wrong, self.nothing = wrong, torch.nn.Parameter(torch.zeros(1))

    def forward(self, x):
        answers, now = x[:, 0].clone(), min(self.wrong, len(x))
        answers[:now] = 1 - answers[:now]
        self.wrong -= now
        return answers


@pytest.mark.parametrize(
    "length, wrong, expected",
    [
        (12, 4, (0.9996, 10_000, 1)),
        (12, 5, (0.995, 1_000, 0)),  # no more are drawn
        (12, 1_500, (0.0, 1_000, 0)),
        (2_000, 0, (1.0, 3_000, 1)),
        (2_000, 1, (0.999, 1_000, 0)),
    ],
)
def test_as_many_palindromes_are_drawn_as_tell_whether_a_length_is_solved(length, wrong, expected):
    assert score(Reader(wrong), length, 0, 10) == expected


def test_a_digit_that_is_kept_in_another_way_is_found_by_a_readout_that_is_fitted():
    model = build_model(settings(input_dim=10, init="latch"))  # its own readout is as it was drawn
    own, fitted = read_out(model, 30, 0)
    assert own < 0.5 and fitted > 0.95
    digits, _ = PalindromeDataset(31, 1_000, held_out=True).batch(1_000)
    assert own == (model(encode(digits, 10)).argmax(dim=1) == digits[:, 0]).double().mean().item()


TINY = {
    "gates": "--seeds 1 --bias_seeds 1 --updates 2 --bias_updates 2 --input_length 3 --bias_length 3 4",
    "gradient_flow": "--input_length 12 --short_length 4 --updates 2 --seeds 1",
    "curriculum_rules": "--input_length 12 --seeds 2 --train_steps 60",
    "optimizers": "--input_length 3 --train_steps 3 --seeds 1",
    "length_tested": "--goal 5 --tested 8 12 --seeds 1 --updates 2 --kept 12",
    "attractors": "--goal 5 --tested 3 5 --seeds 1 --updates 1 --steps 3 --sequences 2",
}
ROWS = {  # 6 of the biases: none at 4 digits, as none solves 3
    "gates": {"gates_ablation": len(VARIANTS), "gates_forget_bias": 6, "gates_activations": 6 * 10 * 20},
    "gradient_flow": {"gradient_flow": 12 * 16, "gradient_flow_runs": 16},
    "curriculum_rules": {"curriculum_rules": 2 * 4, "curriculum_states": 2 * 10 * 20},
    "optimizers": {"optimizers": 4 * 9, "optimizer_paths": 11 * 61},
    "length_tested": {"length_tested": 2 * len(WAYS), "length_read_out": 2 * 3},
    "attractors": {"attractors": 2 * len(TRIED), "noise": 2 * len(NOISE) * len(TRIED)},
}
DRAWN = {
    "gates": {"gates_ablation.png", "gates_forget_bias.png", "gates_activations.png"},
    "gradient_flow": {"gradient_flow.png"},
    "curriculum_rules": {"curriculum.png"},
    "optimizers": {"optimizers.png", "optimizer_paths.png"},
    "length_tested": set(),  # it is drawn with the gate's: the next test
    "attractors": {"attractors.png"},
}


@pytest.mark.parametrize("script", TINY)
def test_tables_and_their_figures(tmp_path, script):
    status, _, err = run(f"part1/experiments/{script}.py", *TINY[script].split(), "--output_dir", tmp_path)
    assert status == 0, err
    assert {path.stem: len(read_records(path)) for path in tmp_path.iterdir()} == ROWS[script]
    if DRAWN[script]:
        folders = ("--csv_dir", tmp_path, "--output_dir", tmp_path / "new")
        status, out, err = run(f"part1/experiments/plot_{script}.py", *folders)
        assert status == 0, err
        assert {path.name for path in (tmp_path / "new").iterdir()} == DRAWN[script] and out == ""


def test_the_figure_of_the_lengths_tested_tells_of_the_longest_on_which_all_seeds_were_tested():
    def rows(taught, *solved):
        return [{"taught": taught, "cpu_seconds": 4 + n, "solved": one} for n, one in enumerate(solved)]

    ways = {
        "LSTM": {10: rows(10, 1, 1, 1), 300: rows(10, 1, 0, 1), 1_000: rows(10, 1)},
        "RNN": {10: rows(10, 1, 1, 1), 300: rows(10, 0, 0, 1), 1_000: rows(10, 1)},
    }
    assert plot_length_tested.longest(ways) == 300
    assert plot_length_tested.label("LSTM, raw digits", ways["LSTM"], 300) == "LSTM\n10; 5 s; 2 of 3\nat 1,000: 1 of 1"
    assert plot_length_tested.finding(ways).startswith("2 of 3 seeds of “LSTM” solve 300 digits\n")
    assert plot_length_tested.finding(ways | {"other": ways["LSTM"]}).startswith(
        "2 of 3 seeds of “LSTM” and of “other”"
    )
    ways["RNN"] = {20: rows(10, 1, 1, 1)}
    with pytest.raises(ValueError, match="no length on which all"):
        plot_length_tested.longest(ways)


def test_states_are_of_one_cluster_if_short_steps_lead_from_one_to_the_other():
    place = np.array([[0, 0], [1, 0], [2, 0], [40, 0], [0, 40], [1, 40], [20, 20]], dtype=float)
    (digits, centre), *others = clusters(place, np.array([7, 8, 7, 9, 3, 3, 3]))
    assert digits == [3] and centre.tolist() == [0.5, 40]
    assert [(d, c.tolist()) for d, c in others] == [([7, 8], [1, 0]), ([9], [40, 0])]


def test_of_the_committed_states_those_of_the_whole_curriculum_alone_have_a_cluster_for_each_digit():
    merged, apart = (
        [digits for digits, _ in clusters(*places(points))]
        for points in read_grouped(ROOT / "results/part1/curriculum_states.csv", "rule").values()
    )
    assert apart == [[digit] for digit in range(10)] and len(merged) < 10


def test_the_reservoir_and_the_counts(tmp_path):
    args = ("--input_length", 2, 8, "--seeds", 1, "--output_dir", tmp_path)
    status, _, err = run("part1/experiments/reservoir.py", *args)
    assert status == 0, err
    rows = read_records(tmp_path / "reservoir.csv")
    accuracy = {(row["weights"], row["input_length"]): row["accuracy"] for row in rows}
    assert accuracy["counts, first digit", 8] == 1, "the first digit read is the one asked for"
    assert accuracy["counts, last 3 digits", 8] < 0.2 and accuracy["counts, last 3 digits", 2] == 1
    assert accuracy["RNN, latch (engineered)", 8] > 0.9


@pytest.mark.parametrize(
    "script, flag, value, named",
    [
        ("gates", "--seeds", 0, "--seeds"),
        ("reservoir", "--output_dir", "/dev/null/x", "/dev/null/x"),
        ("plot_gates", "--csv_dir", "/nowhere", "/nowhere"),
        ("plot_length_tested", "--csv", "/nowhere", "/nowhere"),
        *((f"plot_{name}", "--csv_dir", None, next(iter(ROWS[name])) + ".csv") for name in ROWS if DRAWN[name]),
    ],
)
def test_bad_input_costs_one_line(tmp_path, script, flag, value, named):
    if value is None:  # a table of something else
        (tmp_path / named).write_text("a,b\n1,2\n")
    args = ("--output_dir", tmp_path / "new", flag, tmp_path if value is None else value)
    status, out, err = run(f"part1/experiments/{script}.py", *args)
    assert (status, out, err.count("\n")) == (2, "", 1) and named in err and not (tmp_path / "new").exists()
