"""part2/plot_gate.py: the figure of the time gate, and what is said of bad arguments."""

import numpy as np
import pytest
from matplotlib.text import Text

from common.figures import house_style
from part2 import plot_gate
from tests.scripts import call, run


@pytest.fixture(scope="module")
def fig():
    with house_style():
        return plot_gate.figure(8, 3, 0.25)


def test_the_script_writes_png_and_pdf_and_prints_nothing(tmp_path):
    assert run("part2/plot_gate.py", "--output_dir", tmp_path / "new/folder") == (0, "", "")
    files = {path.name: path.read_bytes()[:4] for path in (tmp_path / "new/folder").iterdir()}
    assert files == {"gate.png": b"\x89PNG", "gate.pdf": b"%PDF"}


def test_all_values_are_drawn_in_each_varied_alone_and_every_axis_has_its_unit(fig):
    texts = " | ".join(text.get_text() for text in fig.findobj(Text))
    anatomy = "τ = 8|s = 3|0.25 · 8 = 2|open|closed|k = 1 at|openness k(t)"
    found = "Closed 75 % of the time|12 of 128 units never"
    for words in f"{anatomy}|{found}|τ = 16|s = 5|$r_{{on}}$ = 0.625".split("|"):
        assert words in texts
    lowest = [ax for ax in fig.axes if ax.get_xlabel()]
    assert len(lowest) == 3 and all("unit of the time stamps" in ax.get_xlabel() for ax in lowest)


def test_the_curve_is_the_gates_and_peaks_where_r_on_says(fig):
    anatomy = next(ax for ax in fig.axes if ax.get_title(loc="left").startswith("(a)"))
    t, k = max(anatomy.lines, key=lambda line: len(line.get_xdata())).get_data()
    for time, openness in ((3 - 8 + 1, 1), (4, 1), (12, 1), (3.5, 0.5), (2.9, 0), (5.1, 0), (0, 0)):
        assert np.interp(time, t, k) == pytest.approx(openness, abs=1e-9)


def test_each_row_of_variations_is_the_gate_with_that_parameter_alone_changed(fig):
    rows = [line.get_data() for line in fig.axes[0].lines]
    for (t, k), (tau, s, r_on), foot in zip(
        rows, ((8, 3, 0.625), (8, 5, 0.25), (16, 3, 0.25)), (0, 1.25, 2.5), strict=True
    ):
        assert k.min() == foot and np.interp(s + tau * r_on / 2, t, k) == pytest.approx(foot + 1)
        assert np.interp([s, s + tau * r_on, s + tau], t, k) == pytest.approx([foot] * 3)


@pytest.mark.parametrize("tau, s, r_on", [(1e-6, 0, 0.3), (1e6, -2e6, 0.02), (10, 4, 0.95)])
def test_any_values_are_drawn(tau, s, r_on):
    plot_gate.figure(tau, s, r_on).canvas.draw()


@pytest.mark.parametrize(
    "flag, value, words",
    [
        ("--tau", "0", "--tau"),
        ("--tau", "1e12", "tau is"),
        ("--r_on", "1.5", "--r_on"),
        ("--r_on", "1e-7", "--r_on"),
        ("--s", "nan", "--s"),
        ("--s", "21", "more than two periods"),
        ("--output_dir", "/dev/null/here", "/dev/null"),
    ],
)
def test_a_bad_argument_is_one_line_and_nothing_is_written(capsys, tmp_path, flag, value, words):
    status, out, err = call(plot_gate.main, "--output_dir", tmp_path / "new", flag, value, capsys=capsys)
    assert (status, out, err.count("\n")) == (2, "", 1) and words in err
    assert not list(tmp_path.iterdir())
