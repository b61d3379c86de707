"""reproduce/texts.py: expressions become numbers of the results, and a text becomes a PDF."""

import json
import shutil

import pytest

from reproduce.__main__ import main
from reproduce.texts import digest_of, fill, make_pdf

RUN_ROWS = """run,seed,loss,steps
gated_seed0,0,0.6931471805599453,1000
gated_seed1,1,1.3862943611198906,1000
gated_fixed_seed0,0,9,
"""
METRICS_ROWS = """run,step,heldout_accuracy
gated_seed0,5,0.5
gated_seed0,10,0.99
gated_seed0,15,1
gated_seed1,11,0.99
"""
POINTS_ROWS = """model_type,input_length,input_dim,init,learning_rate,seed,accuracy,palindromes,accuracy_beyond
RNN,10,1,default,0.001,0,0.9995,10000,"{""20"": 0.5}"
RNN,10,1,default,0.001,1,1.0,10000,"{""20"": 0.75}"
"""


@pytest.fixture
def results(tmp_path):
    """A small folder of results."""
    samples = [json.dumps({"run": run, "step": n, "text": f"{run}\u2028{n}"}) for run in ("x", "y") for n in range(9)]
    for path, text in {
        "part1/a.csv": 'cell,seed,share,horizon\n"RNN, a",0,0.5,10\n"RNN, a",1,1.0,growing\nLSTM,0,3e-9,10\n',
        "part1/sweep/points.csv": POINTS_ROWS,
        "part1/benchmark.json": '{"lstm.T10": 1.094}',
        "part2/runs/runs.csv": RUN_ROWS,
        "part2/runs/metrics.csv": METRICS_ROWS,
        "part3/a.txt": "one two three\n\nfour\n",
        "part3/runs/samples.jsonl": "\n".join(samples) + "\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    "expression, filled",
    [
        ('benchmark("part1")["lstm.T10"] | fixed(2)', "1.09"),
        ('table("part1/a", cell="LSTM", seed=0).share.item() | power', r"3 \cdot 10^{-9}"),
        ('table("part1/a", horizon=10, cell="RNN, a").share.item() | percent', "50\N{NO-BREAK SPACE}%"),
        ('table("part1/a", cell="RNN, a").share.std() | percent(1)', "35.4\N{NO-BREAK SPACE}%"),
        ('sweep("RNN", 10, 1) | solved', "1"),
        ('sweep("RNN", 10, 1) | solvers', "1 of 2"),
        ('beyond(sweep("RNN", 10, 1), 20).max() | fixed(2)', "0.75"),
        ('runs("part2", "gated").loss.mean() | bits | fixed(1)', "1.5"),
        ('runs("part2", "gated").steps.sum() | number', "2,000"),
        ('metrics("part2", "gated").query("step >= 15").heldout_accuracy.mean() | percent', "100\N{NO-BREAK SPACE}%"),
        ('updates_to(0.99, "gated") | span', "10 to 11"),
        ('lines("part3/a.txt", 1, 3) | wrap(9)', "one two\nthree\n\nfour"),
        ('samples("y")[1].text | pprint', r"'y\u20282'"),
    ],
)
def test_an_expression_becomes_its_number(results, expression, filled):
    assert fill(f"about {{{{ {expression} }}}} of\nit\n", results) == f"about {filled} of\nit\n"


@pytest.mark.parametrize(
    "expression, reason",
    [
        ('benchmark("part1")["lstm.T200"] | fixed(2)', "lstm.T200"),
        ('benchmark("part2")["x"] | number', "benchmark.json"),
        ('lines("part3/a.txt", 2, 4)', "only lines 1 to 3"),
        ('table("part1/none").x.item()', "none.csv"),
        ('table("part1/a", cell="GRU").share.max() | number', "no such rows: cell = GRU"),
        ('table("part1/a", gate="GRU").share.max() | number', "gate"),
        ('table("part1/a").loss.max() | number', "loss"),
        ('table("part1/a").query("share > 2").share.max() | number', "nan"),
        ('runs("part2", "gate").loss.mean() | number', "no runs gate"),
        ('updates_to(2, "gated") | span', "not every run gated reaches 2"),
        ("sweep(", "unexpected"),
        ("nothing | number", "nothing"),
        ("1 | roman", "roman"),
    ],
)
def test_one_that_cannot_be_filled_is_named_with_its_line_and_the_reason(results, expression, reason):
    with pytest.raises(ValueError, match=r"^text, line 2: ") as caught:
        fill(f"first\n{{{{ {expression} }}}}\n", results)
    assert reason in str(caught.value) and "\n" not in str(caught.value)


LATEX = shutil.which("pandoc") and shutil.which("pdflatex")
needs_latex = pytest.mark.skipif(not LATEX, reason="pandoc or pdflatex is not installed")


@needs_latex
def test_the_same_text_gives_the_same_pdf_which_names_the_text(tmp_path):
    text = tmp_path / "text.md"
    text.write_text(
        "# Title\n\n## One\n\n$\\frac{a}{b}$, 2 × 3 ± 1\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```\nx\n```\n"
    )
    for name in ("a.pdf", "b.pdf"):
        make_pdf(text, tmp_path / name)
    a, b = ((tmp_path / name).read_bytes() for name in ("a.pdf", "b.pdf"))
    assert a == b and digest_of(text).encode() in a
    text.write_text("# Another\n")
    assert digest_of(text).encode() not in a


@needs_latex
def test_latex_that_cannot_be_typeset_is_told_in_one_line(tmp_path):
    (tmp_path / "text.md").write_text("# Title\n\n$\\nosuchcommand$\n")
    with pytest.raises(ValueError, match=r"text\.md cannot be typeset: .*Undefined control sequence") as caught:
        make_pdf(tmp_path / "text.md", tmp_path / "a.pdf")
    assert "\n" not in str(caught.value) and not (tmp_path / "a.pdf").exists()


def test_the_report_is_made_also_where_it_cannot_be_typeset(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))  # neither pandoc nor LaTeX
    main(["--only", "report", "--output_dir", str(tmp_path / "new")])
    assert "pandoc and pdflatex not found (on Debian: apt-get install pandoc" in capsys.readouterr().out
    text = (tmp_path / "new/report.md").read_text()
    assert text.startswith("# ") and "{{" not in text
