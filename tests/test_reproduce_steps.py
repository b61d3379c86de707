"""The project's steps: their table is whole; what they make is collected, and compared with what is committed."""

import dataclasses
import importlib
import json
import runpy
import subprocess
import sys

import pytest

from common.arguments import Parser
from common.tables import read_records, read_runs, write_records
from part1 import sweep
from reproduce import claims
from reproduce.__main__ import TEXTS
from reproduce.collect import collect
from reproduce.results import Results
from reproduce.steps import steps
from tests.scripts import ROOT


@pytest.mark.parametrize("scale", ["quick", "full"])
def test_steps_have_names_of_their_own_and_read_what_earlier_ones_make(scale):
    table = steps(scale)
    names = [step.name for step in table]
    outputs = [output for step in table for output in step.outputs]
    assert len({*names}) == len(names) and len({*outputs}) == len(outputs)
    made = set()
    for step in table:
        assert {*step.inputs} <= made and not (step.alone and step.inputs), step.name
        made |= {*step.outputs}


def test_every_committed_figure_and_table_has_a_step():
    listed = subprocess.run(["git", "ls-files", "results"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    committed = {path.removeprefix("results/") for path in listed.split() if (ROOT / path).exists()}
    committed -= {*(path.removeprefix("results/") for path in TEXTS.values()), "report.pdf"}
    committed -= {"part3/book.pt"}  # a trained model: best.pt of the step part3/trained/book_best_seed0
    committed = {path for path in committed if not path.startswith("part1/networks/")}  # trained, as its page tells
    assert len(committed) > 30
    for scale in ("quick", "full"):
        assert committed <= {output for step in steps(scale) for output in step.outputs}


class Parsed(Exception):
    pass


@pytest.mark.parametrize("scale", ["quick", "full"])
def test_every_command_is_understood_by_its_script(scale, monkeypatch, tmp_path):
    """Each script run with the step's flags, up to where they are parsed."""
    parse = Parser.parse_known_args

    def parse_and_stop(self, args=None, namespace=None):
        parse(self, args, namespace)  # exits where a flag or a value is not known
        raise Parsed

    monkeypatch.setattr(Parser, "parse_known_args", parse_and_stop)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for part in ("part1", "part2", "part3"):
        (tmp_path / part).mkdir()
    for step in steps(scale):
        if step.command and step.command[0] != "-m":
            words = [word.replace("{out}", str(tmp_path)) for word in step.command]
            monkeypatch.setattr(sys, "argv", words)
            with pytest.raises(Parsed):
                runpy.run_path(str(ROOT / words[0]), run_name="__main__")


def test_full_has_the_settings_of_the_committed_results():
    committed = {part: read_runs(ROOT / "results" / part / "runs") for part in ("part2", "part3")}
    points = {folder: sweep.read_points(ROOT / "results/part1" / folder) for folder in ("sweep", "memory")}
    for step in [step for step in steps("full") if step.folder]:
        script, *flags = step.command
        parser = importlib.import_module(script.removesuffix(".py").replace("/", ".")).build_parser()
        part, _, *_, name = step.folder.split("/")
        if part == "part1":
            config, rest = parser.parse_known_args(flags)
            there = points[step.folder.split("/")[2]]
            for point in sweep.grid_points(config, rest):
                assert sweep.is_finished(there, point, config.times), step.name  # ValueError if the settings differ
            continue
        found = committed[part].pop(name)
        different = {
            setting: (wanted, found[setting])
            for setting, wanted in vars(parser.parse_args(flags)).items()
            if setting in found and setting not in claims.NO_SETTINGS and wanted != found[setting]
        }
        assert not different, step.name
    assert committed == {"part2": {}, "part3": {}}, "every committed run has its step"


def test_tables_are_collected_of_runs_and_of_sweeps(tmp_path):
    for seed in (1, 0):
        run_folder = tmp_path / f"runs/a_seed{seed}"
        run_folder.mkdir(parents=True)
        (run_folder / "config.json").write_text(json.dumps({"seed": seed, "command": ["train.py"]}))
        (run_folder / "result.json").write_text('{"accuracy": 0.5}')
        (run_folder / "metrics.csv").write_text("step,loss\n1,0.5\n")
        (tmp_path / f"part1/points{seed}").mkdir(parents=True)
        settings = dict.fromkeys(sweep.VARIED, 1) | {"seed": seed}
        write_records(tmp_path / f"part1/points{seed}/points.csv", [{**settings, "accuracy": 1.0}])
    (tmp_path / "tables").mkdir()
    collect(tmp_path / "runs", tmp_path / "tables")
    collect(tmp_path / "part1", tmp_path / "tables")
    assert [*read_runs(tmp_path / "tables")] == ["a_seed0", "a_seed1"]
    assert (tmp_path / "tables/metrics.csv").read_text() == "run,step,loss\na_seed0,1,0.5\na_seed1,1,0.5\n"
    assert [point["seed"] for point in read_records(tmp_path / "tables/points.csv")] == [0, 1]


RESULTS = Results(ROOT / "results")


def test_every_claim_can_be_taken_from_the_committed_results():
    files = {f"{path}.{suffix}" for _, path, _, _ in claims.CLAIMS["of_files"] for suffix in ("csv", "json")}
    compared = [*claims.compared(RESULTS, RESULTS, files)]
    assert len(compared) == claims.NUMBERS > 40
    for claim, (before, here, spread) in compared:
        assert here and claims.verdict(before, here, spread) == "same", claim


@pytest.mark.parametrize(
    "before, here, low, high, verdict",
    [
        ([1.0, 1.0], [1.0, 1.0], 0.99, 1.01, "same"),
        ([0.8, 1.0], [0.7, 0.7], 0.6, 1.2, "within the spread"),
        ([150, 100, 300], [501, 501], -100, 500, "DIFFERS"),
    ],
)
def test_the_expected_range_and_the_verdict(before, here, low, high, verdict):
    assert claims.expected(before) == pytest.approx([low, high])
    assert claims.verdict(before, here, claims.expected(before)) == verdict


def test_only_what_has_the_settings_of_the_committed_is_compared(tmp_path):
    """Points by their settings, tables by the command that made them."""
    settings = {"model_type": "RNN", "input_length": 10, "input_dim": 1, "init": "default", "learning_rate": 0.001}
    for root, updates, patience in (("results", (100, 101), (5, 9)), ("made", (200, 200), (5, 5))):
        (tmp_path / root / "part1/sweep").mkdir(parents=True)
        rows = [{**settings, "seed": seed, "patience": patience[seed], "steps": updates[seed]} for seed in (0, 1)]
        write_records(tmp_path / root / "part1/sweep/points.csv", rows)
    made, committed = Results(tmp_path / "made"), Results(tmp_path / "results")
    numbers = claims.of_seeds(("sweep", "RNN", 10, 1), "steps", made, committed)
    assert numbers == ([100], [200], pytest.approx([98.995, 102.005]))

    of_full = {step.name: step for step in steps("full")}
    made = of_full["part1/gates"]
    of_quick = dataclasses.replace(made, command=[*made.command, "--seeds", "2"])
    for step, there in ((made, True), (of_quick, False), (of_full["part1/plot_gates"], False)):
        table = claims.comparison(ROOT / "results", ROOT / "results", [step])
        assert ("| LSTM with f = 1: accuracy |" in table) == there
