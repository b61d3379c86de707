"""reproduce.py: steps in real processes, skipped, redone, refused, killed; and a table that fits the project."""

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import reproduce_claims as claims
from common.arguments import Parser
from reproduce.runner import Step, expected_minutes, record_of
from reproduce.steps import steps
from tests.scripts import ROOT, run

DRIVER = """
import sys
sys.path.insert(0, sys.argv.pop(1))
import reproduce
from reproduce.runner import Step
reproduce.main(sys.argv[2:], table=lambda scale: [Step(**step) for step in eval(sys.argv[1])])
"""


def writes(name, text="", needs=(), before="", **more):
    """A step, a dict: it appends `text` to part1/NAME, after the Python statements `before`."""
    code = f"{before}\nopen('{{out}}/part1/{name}', 'a').write('{text}')"
    return {"name": f"part1/{name}", "command": ["-c", code], "outputs": [f"part1/{name}"], "needs": needs, **more}


def start(table, folder, *flags):
    """Start reproduce.py with this table of steps in a process of its own."""
    command = [sys.executable, "-c", DRIVER, str(ROOT), repr(table), "--quick", "--output_dir", str(folder), *flags]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=os.sep)


def reproduce(table, folder, *flags):
    """Run it to its end; returns exit status, standard output, standard error."""
    process = start(table, folder, *flags)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def wait_for(path):
    """Wait until a file is there, and return its text."""
    for _ in range(600):
        if path.exists() and path.read_text():
            return path.read_text()
        time.sleep(0.05)
    raise AssertionError(f"{path} did not come")


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")")[1].split()[0] != "Z"
    except OSError:
        return False


# ---- the machinery, on small tables


def test_steps_are_made_in_order_then_skipped(tmp_path):
    table = [writes("a", "A"), writes("b", "B", ["part1/a"], "assert open('{out}/part1/a').read() == 'A'")]
    status, out, _ = reproduce(table, tmp_path / "new")
    assert status == 0 and "2 of 2 steps to do" in out and "| part1/b | part1/b |" in out
    begin = time.monotonic()
    status, out, _ = reproduce(table, tmp_path / "new")
    assert status == 0 and "nothing to do" in out and time.monotonic() - begin < 10
    assert (tmp_path / "new/part1/a").read_text() == "A"
    (tmp_path / "new/part1/b").unlink()
    assert "1 of 2 steps to do" in reproduce(table, tmp_path / "new")[1]


def test_a_changed_command_is_done_again_without_its_leftovers_and_so_is_what_needs_it(tmp_path):
    rest = [writes("b", "B", ["part1/a"]), writes("c", "C")]
    reproduce([writes("a", "A"), *rest], tmp_path)
    _, out, _ = reproduce([writes("a", "D"), *rest], tmp_path)
    assert "2 of 3 steps to do" in out
    assert [(tmp_path / "part1" / name).read_text() for name in "abc"] == ["D", "BB", "C"]


def test_a_failing_step_stops_only_what_needs_it(tmp_path):
    table = [
        writes("a", before="print('reading'); raise SystemExit('no more paper')"),
        writes("b", "B", ["part1/a"]),
        {**writes("c"), "outputs": ["part1/other"]},
        writes("d", "D"),
        writes("e", "E", ["part1/b"]),
    ]
    status, _, err = reproduce(table, tmp_path)
    assert status == 1 and (tmp_path / "part1/d").exists() and not (tmp_path / "part1/b").exists()
    failed = [line.split("  (")[0] for line in err.splitlines() if " failed: " in line]
    assert failed == [
        "part1/a failed: no more paper",
        "part1/b failed: not tried: part1/a failed",
        "part1/c failed: it did not make part1/other",
        "part1/e failed: not tried: part1/b failed",
    ]
    assert (tmp_path / "logs/part1/a.log").read_text().endswith("reading\nno more paper\n")
    assert "4 of 5 steps to do" in reproduce([writes("a", "A"), *table[1:]], tmp_path)[1]


def test_what_cannot_be_done_says_why(tmp_path):
    table = [writes("a", cannot="there is no book"), writes("b", needs=["part1/a"]), writes("c")]
    status, out, _ = reproduce(table, tmp_path)
    assert status == 0 and "left out, there is no book: part1/a, part1/b" in out and "1 of 1 steps" in out


def test_a_printed_file_and_the_log(tmp_path):
    table = [writes("a", before="import sys; print('table'); print('progress', file=sys.stderr)")]
    table[0]["prints"] = "part1/a.md"
    assert reproduce(table, tmp_path)[0] == 0
    assert (tmp_path / "part1/a.md").read_text() == "table\n"
    assert "progress" in (tmp_path / "logs/part1/a.log").read_text()


def test_nothing_runs_beside_a_benchmark(tmp_path):
    clock = "import time; begin = time.time(); time.sleep(0.4); note = f'{begin} {time.time()}'"
    table = [writes(name, before=f"{clock}\nopen('{{out}}/{name}', 'w').write(note)") for name in "abc"]
    table[0]["alone"] = True
    assert reproduce(table, tmp_path, "--workers", "2")[0] == 0
    a, b, c = ([float(word) for word in (tmp_path / name).read_text().split()] for name in "abc")
    assert b[0] < c[1] and c[0] < b[1], "two at a time"
    assert a[0] > max(b[1], c[1])


SLOW = """import os, time
open('{out}/pid', 'w').write(str(os.getpid()))
while not os.path.exists('{out}/go'): time.sleep(0.05)
"""


@pytest.mark.parametrize("kill", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_killed_it_leaves_no_process_behind_and_goes_on(tmp_path, kill):
    table = [writes("a", "A"), writes("b", "B", ["part1/a"], SLOW), writes("c", "C", ["part1/b"])]
    process = start(table, tmp_path)
    pid = wait_for(tmp_path / "pid")
    process.send_signal(kill)
    out, err = process.communicate(timeout=30)
    assert process.returncode == {signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGKILL: -9}[kill]
    assert kill == signal.SIGKILL or "start the same command again" in err
    for _ in range(100):
        if not is_alive(pid):
            break
        time.sleep(0.05)
    assert not is_alive(pid) and not (tmp_path / "part1/b").exists()

    (tmp_path / "go").touch()
    status, out, _ = reproduce(table, tmp_path)
    assert status == 0 and "2 of 3 steps to do" in out
    assert [(tmp_path / "part1" / name).read_text() for name in "abc"] == ["A", "B", "C"]


def test_a_second_start_in_the_same_folder_is_refused(tmp_path):
    table = [writes("b", "B", before=SLOW)]
    process = start(table, tmp_path)
    wait_for(tmp_path / "pid")
    status, out, err = reproduce(table, tmp_path)
    assert status == 2 and not out and f"is in use by process {process.pid} on" in err and err.count("\n") == 1
    (tmp_path / "go").touch()
    process.communicate(timeout=30)
    assert process.returncode == 0


def test_a_list_makes_nothing(tmp_path):
    table = [writes("a", "A", seconds=90), writes("b", cannot="there is no book")]
    status, out, _ = reproduce(table, tmp_path / "new", "--list")
    assert status == 0 and not (tmp_path / "new").exists()
    assert "part1/a  missing, 1.5 min" in out and "part1/b  cannot be made" in out and "there is no book" in out


def test_only_one_part_with_what_it_needs(tmp_path):
    table = [writes("a", "A"), writes("b", "B"), {**writes("c", "C", ["part1/a"]), "name": "part2/c"}]
    assert reproduce(table, tmp_path, "--only", "part2")[0] == 0
    assert sorted(path.name for path in (tmp_path / "part1").iterdir()) == ["a", "c"]


@pytest.mark.parametrize(
    "flags, reason",
    [
        ([], "--quick or --full?"),
        (["--only", "part1"], "--quick or --full?"),
        (["--list"], "--quick or --full?"),
        (["--quick", "--full"], "--full: not allowed with argument --quick"),
        (["--quick", "--only", "part4"], "part4"),
        (["--quick", "--workers", "0"], "'0' is not a whole number"),
        (["--full", "--output_dir", str(ROOT / "results/part1")], "results/ holds the committed ones"),
        (["--quick", "--output_dir", str(ROOT / "README.md")], "README.md"),
    ],
)
def test_bad_input_costs_one_line(flags, reason):
    status, out, err = run("reproduce.py", *flags)
    assert status == 2 and not out and reason in err and err.count("\n") == 1


def test_expected_minutes():
    together, alone = [Step("part1/a", [], [], seconds=60)] * 4, [Step("part1/b", [], [], seconds=30, alone=True)]
    assert expected_minutes(together + alone, cores=2) == 2.5
    assert expected_minutes(together, cores=16) == 1
    assert expected_minutes([], cores=2) == 0


def test_the_report_is_made_also_where_it_cannot_be_typeset(tmp_path):
    environment = {**os.environ, "PATH": str(tmp_path)}  # neither pandoc nor LaTeX
    status, out, _ = run("reproduce.py", "--only", "report", "--output_dir", tmp_path / "new", env=environment)
    assert status == 0 and "apt-get install pandoc" in out
    text = (tmp_path / "new/report.md").read_text()
    assert text.startswith("# ") and "{{" not in text


# ---- the table of the project's steps


@pytest.mark.parametrize("scale", ["quick", "full"])
def test_steps_have_names_of_their_own_and_need_earlier_ones(scale):
    table = steps(scale)
    names = [step.name for step in table]
    outputs = [output for step in table for output in step.outputs]
    assert len({*names}) == len(names) and len({*outputs}) == len(outputs)
    for i, step in enumerate(table):
        assert {*step.needs} <= {*names[:i]}, step.name


def test_every_figure_and_table_has_a_step():
    """At both scales; of the runs and points below results/ at --full."""
    committed = {str(path.relative_to(ROOT / "results")) for path in ROOT.glob("results/part?/*") if path.is_file()}
    committed -= {f"part{part}/README.md" for part in (1, 2, 3)}
    committed -= {"part3/book.pt"}  # a trained model: best.pt of the step part3/book_best_seed0
    for scale in ("quick", "full"):
        assert committed <= {output for step in steps(scale) for output in step.outputs}
    runs = {str(path.relative_to(ROOT / "results")) for path in ROOT.glob("results/part1/*/*.json")}
    runs |= {str(path.parent.relative_to(ROOT / "results")) for path in ROOT.glob("results/part[23]/**/result.json")}
    assert runs <= {output for step in steps("full") for output in step.outputs}


class Parsed(Exception):
    pass


@pytest.mark.parametrize("scale", ["quick", "full"])
def test_every_command_is_understood_by_its_script(scale, monkeypatch, tmp_path):
    """main() of each script with the step's flags, up to where they are parsed."""
    parse = Parser.parse_args

    def parse_and_stop(self, args=None, namespace=None):
        parse(self, args, namespace)  # exits where a flag or a value is not known
        raise Parsed

    monkeypatch.setattr(Parser, "parse_args", parse_and_stop)
    for part in ("part1", "part2", "part3"):
        (tmp_path / part).mkdir()
    for step in steps(scale):
        if step.command:
            script, *flags = step.command
            main = importlib.import_module(script.removesuffix(".py").replace("/", ".")).main
            with pytest.raises(Parsed):
                main([flag.replace("{out}", str(tmp_path)) for flag in flags])


def test_full_has_the_settings_of_the_committed_runs():
    for step in steps("full"):
        if not step.command or step.command[0] not in ("part1/sweep.py", "part2/train.py", "part3/train.py"):
            continue
        script, *flags = step.command
        module = importlib.import_module(script.removesuffix(".py").replace("/", "."))
        if script == "part1/sweep.py":
            config, rest = module.build_parser().parse_known_args(flags)
            for point in module.grid_points(config, rest):
                folder = config.output_dir.replace("{out}", str(ROOT / "results"))
                module.is_finished(folder, point, config.times)  # ValueError if the settings differ
        else:
            config = module.build_parser().parse_args(flags)
            if not (ROOT / "results" / step.outputs[0] / "config.json").exists():
                continue
            committed = claims.settings_of(ROOT / "results" / step.outputs[0] / "result.json")
            different = {
                name: (wanted, committed[name])
                for name, wanted in vars(config).items()
                if name in committed and wanted != committed[name]
            }
            assert not different, step.name


# ---- the comparison


def test_every_claim_can_be_taken_from_the_committed_results():
    results = ROOT / "results"
    for compare, table in (
        (claims.numbers_of_seeds, claims.OF_SEEDS),
        (claims.numbers_of_rows, claims.OF_TABLES),
        (claims.ratios, claims.RATIOS),
    ):
        for claim, file, what in table:
            before, here, spread = compare(file, what, results, results)
            assert here and claims.verdict(before, here, spread) == "same", claim


@pytest.mark.parametrize(
    "before, here, spread, verdict",
    [
        ([1.0, 1.0], [1.0, 1.0], [0.9, 1.1], "same"),
        ([0.8, 1.0], [0.9, 0.9], [0.8, 1.0], "within the spread"),
        ([0.8, 1.0], [0.7, 0.7], [0.8, 1.0], "DIFFERS"),
        ([0.85], [0.95], [0.9 * 0.85, 1.1 * 0.85], "DIFFERS"),
    ],
)
def test_verdict(before, here, spread, verdict):
    assert claims.verdict(before, here, spread) == verdict


@pytest.mark.parametrize("numbers, low, high", [([150, 100, 300], -100, 500), ([1.0, 1.0], 0.99, 1.01)])
def test_the_expected_range(numbers, low, high):
    assert claims.expected(numbers) == pytest.approx([low, high])


def test_only_what_has_the_settings_of_the_committed_is_compared(tmp_path):
    """Points by their settings, tables by the command that made them."""
    for seed, settings in ((0, {"patience": 5}), (1, {"patience": 9})):
        for root, steps_made in (("results", 100 + seed), ("made", 200)):
            path = tmp_path / root / f"part1/a_seed{seed}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            here = {"patience": 5} if root == "made" else settings
            path.write_text(json.dumps({"settings": here, "result": {"steps": steps_made}}))
    numbers = claims.numbers_of_seeds("part1/a", "result.steps", tmp_path / "made", tmp_path / "results")
    assert numbers == [[100], [200], pytest.approx([99, 102], abs=0.01)]

    compared = claims.comparison(ROOT / "results", ROOT / "results", "full")
    assert f"| {claims.OF_SEEDS[0][0]} |" in compared, "a run, by its settings"
    assert claims.OF_TABLES[0][0] not in compared, "no record says what command made results/"


def test_a_record_that_was_cut_off_is_none(tmp_path):
    step = Step("part1/a", [], [])
    (tmp_path / "steps/part1").mkdir(parents=True)
    (tmp_path / "steps/part1/a.json").write_text('{"command": [')
    assert record_of(tmp_path, step) == {}
