"""part1/experiments/gates.py and reservoir.py: variants are what they are called; the scripts run from end to end."""

import pytest
import torch

from common.files import read_records
from part1.experiments.gates import VARIANTS, run_gates, share_explained, with_forget_bias
from part1.lstm import LSTM
from tests.scripts import run


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
    model = LSTM(10, 6, 10).double()
    x = torch.rand(2, 7, 10).double()
    over_time = run_gates(model, x)
    _, (h, c) = model(x, return_states=True)
    g, i, f, o = (over_time[name] for name in "gifo")
    before = torch.cat([torch.zeros(2, 1, 6), c[:, :-1]], dim=1)
    torch.testing.assert_close(over_time["c"], c)
    torch.testing.assert_close(g * i + before * f, c)
    torch.testing.assert_close(o * c.tanh(), h)


def test_the_share_explained_is_one_where_the_class_fixes_the_value_and_nought_where_it_says_nothing():
    classes = torch.tensor([0, 0, 1, 1])
    values = torch.tensor([[1.0, 1.0, 2.0], [1.0, 3.0, 2.0], [5.0, 1.0, 2.0], [5.0, 3.0, 2.0]]).double()
    assert share_explained(values, classes).tolist() == pytest.approx([1, 0, 0])


def test_ablation_and_its_figures(tmp_path):
    tiny = ("--seeds", 1, "--bias_seeds", 1, "--updates", 2, "--bias_updates", 2, "--num_hidden", 4)
    lengths = ("--input_length", 3, "--bias_length", 3, 4)
    status, _, err = run("part1/experiments/gates.py", *tiny, *lengths, "--output_dir", tmp_path)
    assert status == 0, err
    variants, biases = (read_records(tmp_path / f"gates_{name}.csv") for name in ("ablation", "forget_bias"))
    assert [row["variant"] for row in variants] == list(VARIANTS)
    assert {row["input_length"] for row in biases} == {3}, "no longer one after what is not solved"
    status, out, err = run("part1/experiments/plot_gates.py", "--csv_dir", tmp_path, "--output_dir", tmp_path)
    assert status == 0, err
    assert len(out.splitlines()) == 2 + len(VARIANTS)
    for name in ("ablation", "forget_bias", "activations"):
        assert (tmp_path / f"gates_{name}.png").read_bytes().startswith(b"\x89PNG")


def test_the_reservoir_and_the_counts(tmp_path):
    args = ("--input_length", 2, 8, "--seeds", 1, "--num_hidden", 32, "--palindromes", 1000, "--output_dir", tmp_path)
    status, out, err = run("part1/experiments/reservoir.py", *args)
    assert status == 0, err
    rows = read_records(tmp_path / "reservoir.csv")
    accuracy = {(row["weights"], row["input_length"]): row["accuracy"] for row in rows}
    assert accuracy["counts, first digit", 8] == 1, "the first digit read is the one asked for"
    assert accuracy["counts, last 3 digits", 8] < 0.2 and accuracy["counts, last 3 digits", 2] == 1
    assert accuracy["RNN, latch (engineered)", 8] > 0.9
    assert len(out.splitlines()) == 2 + 8 and "| counts, first digit | one-hot | 100.0 (100.0 to 100.0) |" in out


@pytest.mark.parametrize(
    "args, named",
    [
        (("part1/experiments/gates.py", "--seeds", "0"), "--seeds"),
        (("part1/experiments/reservoir.py", "--output_dir", "/dev/null/x"), "/dev/null/x"),
        (("part1/experiments/plot_gates.py", "--csv_dir", "/nowhere"), "/nowhere"),
    ],
)
def test_bad_input_costs_one_line(args, named):
    status, out, err = run(*args)
    assert (status, out, err.count("\n")) == (2, "", 1) and named in err
