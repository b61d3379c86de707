"""common/fill.py: the right number in the right form, and one clear line where there is none."""

import os

import pytest

from reproduce.fill import fill


@pytest.fixture
def root(tmp_path):
    (tmp_path / "a.json").write_text('{"ratio": {"T100": 1.094, "T1.5": 3}, "list": [1, 2], "name": "x"}')
    for seed, loss in enumerate((0.6931471805599453, 2.0794415416798357)):
        (tmp_path / f"run_seed{seed}").mkdir()
        (tmp_path / f"run_seed{seed}/result.json").write_text(f'{{"loss": {loss}}}')
        (tmp_path / f"run_seed{seed}/metrics.csv").write_text(f"step,accuracy\n50,0.5\n{100 + seed},0.99\n150,1.0\n")
    (tmp_path / "c.txt").write_text("one two three\n\nfour\n")
    (tmp_path / "b.csv").write_text('cell,seed,accuracy\n"RNN, a",0,0.5\n"RNN, a",1,1.0\nLSTM,0,0.25\n')
    return tmp_path


@pytest.mark.parametrize(
    "placeholder, filled",
    [
        ("a.json | ratio.T100 | .2f", "1.09"),
        ("a.json | ratio.T1.5 | d", "3"),
        ("a.json | list.1 | d", "2"),
        ("a.json | name | s", "x"),
        ("b.csv | only accuracy, cell=LSTM | .0%", "25\N{NO-BREAK SPACE}%"),
        ('b.csv | median accuracy, cell="RNN, a" | .3f', "0.750"),
        ('b.csv | max accuracy, cell="RNN, a", seed=0 | .1f', "0.5"),
        ("b.csv | count accuracy | d", "3"),
        ("b.csv | count accuracy, accuracy>=0.5 | d", "2"),
        ("b.csv | sd accuracy, accuracy<=0.5 | .3f", "0.177"),
        ("b.csv | only accuracy, cell=LSTM | power", r"2 \cdot 10^{-1}"),
        ("run_seed*/result.json | mean loss in bits | .1f", "2.0"),
        ("run_seed1/result.json | loss in bits | .1f", "3.0"),
        ("run_seed*/result.json | max loss | .2f", "2.08"),
        ("run_seed*/metrics.csv | count step, accuracy>=0.99 | d", "4"),
        ("run_seed*/result.json | count loss, loss>=1 | d", "1"),
        ("b.csv | count accuracy, cell=LSTM, accuracy>=0.5 | d", "0"),
        ("b.csv | sum seed | .0f", "1"),
        ("c.txt | lines 1-3 | 9", "one two\nthree\n\nfour"),
        ("c.txt | lines 3-3 | 9", "four"),
        ("c.txt | line of four | d", "3"),
        ("run_seed1/metrics.csv | min step, accuracy>=0.99 | .0f", "101"),
        ("run_seed*/metrics.csv | max of min step, accuracy>=0.99 | .0f", "101"),
        ("run_seed*/metrics.csv | mean of count step, accuracy>=0.99 | .1f", "2.0"),
    ],
)
def test_a_placeholder_becomes_its_number(root, placeholder, filled):
    assert fill(f"about {{{{{placeholder}}}}} of\nit", root) == f"about {filled} of\nit"


@pytest.mark.parametrize(
    "placeholder, reason",
    [
        ("a.json | ratio.T200 | .2f", "no key T200"),
        ("a.json | ratio | .2f", "a group of values"),
        ("a.json | ratio.T100 | q", "q"),
        ("a.json | ratio.T100", "not of the form"),
        ("none.json | x | d", "none.json"),
        ("c.txt | x | d", "neither"),
        ("c.txt | line of five | d", "no line has 'five'"),
        ("c.txt | lines 2-4 | 9", "only lines 1 to 3"),
        ("b.csv | max accuracy, cell | d", "cell"),
        ("b.csv | only accuracy | d", "3 values"),
        ("none_*.json | mean x | d", "no such files"),
        ("run_seed*/result.json | loss | .2f", "'loss'"),
        ("b.csv | count accuracy, cell=GRU, accuracy>=0.5 | d", "no such rows"),
        ("run_seed*/metrics.csv | min step, accuracy>=2 | d", "no such rows"),
        ("b.csv | mode accuracy | d", "mode"),
        ("run_seed*/metrics.csv | mode of min step | d", "mode"),
        ("run_seed*/metrics.csv | max of min step, accuracy>=2 | d", "no such rows"),
        ("b.csv | max loss | d", "loss"),
        ("b.csv | max accuracy, cell=GRU | d", "no such rows"),
    ],
)
def test_one_that_cannot_be_filled_is_named_with_its_line_and_the_reason(root, placeholder, reason):
    with pytest.raises(ValueError, match="line 2: ") as caught:
        fill(f"first\n{{{{{placeholder}}}}}\n", root)
    assert placeholder in str(caught.value) and reason in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_that_has_changed_is_read_again(root):
    assert fill("{{a.json | ratio.T100 | .1f}}", root) == "1.1"
    (root / "a.json").write_text('{"ratio": {"T100": 2}}')
    os.utime(root / "a.json", ns=(1, 1))
    assert fill("{{a.json | ratio.T100 | .1f}}", root) == "2.0"


def test_text_without_placeholders_stays_and_latex_braces_too(root):
    text = "$\\frac{a}{b}$ and {x}, \\mathbf{W}_{hh}\n"
    assert fill(text, root) == text
