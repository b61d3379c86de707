"""python reproduce, with tables of its own: steps in real processes, skipped, redone, refused, killed."""

import os
import resource
import signal
import time
from pathlib import Path

import pytest

from reproduce.__main__ import main
from tests.scripts import ROOT, run, start

DRIVER = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from reproduce.__main__ import main
from reproduce.runner import Step
main(sys.argv[2:], table=lambda scale: [Step(**step) for step in eval(sys.argv[1])])
"""


def writes(name, text="", inputs=(), before="", **more):
    """A step, a dict: it appends `text` to part1/NAME, after the Python statements `before`."""
    code = f"{before}\nopen('{{out}}/part1/{name}', 'a').write('{text}')"
    paths = [f"part1/{path}" for path in inputs]
    return {"name": f"part1/{name}", "command": ["-c", code], "outputs": [f"part1/{name}"], "inputs": paths, **more}


@pytest.fixture(scope="session")
def driver(tmp_path_factory):
    path = tmp_path_factory.mktemp("driver") / "driver.py"
    path.write_text(DRIVER)
    return path


@pytest.fixture
def reproduce(driver):
    """reproduce(table, folder, *flags): exit status, standard output, standard error with this table of steps."""
    return lambda table, folder, *flags: run(driver, repr(table), "--quick", "--output_dir", folder, *flags)


def wait_for(path):
    """Wait until a file is there, and return its text."""
    for _ in range(1200):
        if path.exists() and path.read_text():
            return path.read_text()
        time.sleep(0.05)
    raise AssertionError(f"{path} did not come")


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")")[1].split()[0] != "Z"
    except OSError:
        return False


def test_steps_are_made_in_order_then_skipped(reproduce, tmp_path):
    talks = "import sys; print('table'); print('progress', file=sys.stderr)"
    table = [writes("a", "A", before=talks), writes("b", "B", ["a"], "assert open('{out}/part1/a').read() == 'A'")]
    table[0] |= {"prints": "part1/a.md", "outputs": ["part1/a", "part1/a.md"]}
    status, out, _ = reproduce(table, tmp_path / "new")
    assert status == 0 and "2 of 2 steps to do" in out
    assert (tmp_path / "new/part1/a.md").read_text() == "table\n"
    assert (tmp_path / "new/logs/part1/a.log").read_text().endswith("progress\n")
    status, out, _ = reproduce(table, tmp_path / "new")
    assert status == 0 and "nothing to do" in out
    assert (tmp_path / "new/part1/a").read_text() == "A"
    (tmp_path / "new/part1/b").unlink()
    assert "1 of 2 steps to do" in reproduce(table, tmp_path / "new")[1]


def test_a_changed_command_is_done_again_without_its_leftovers_and_so_is_what_reads_its_output(reproduce, tmp_path):
    rest = [writes("b", "B", ["a"]), writes("c", "C")]
    own_folder = {"outputs": ["part1/d/e"], "folder": "part1/d"}
    leaves_more = {**writes("d/e", "E", before="open('{out}/part1/d/f', 'w')"), **own_folder}
    reproduce([writes("a", "A"), *rest, leaves_more], tmp_path)
    table = [writes("a", "D"), *rest, {**writes("d/e", "F"), **own_folder}]
    _, out, _ = reproduce(table, tmp_path)
    assert "3 of 4 steps to do" in out
    assert [(tmp_path / "part1" / name).read_text() for name in ("a", "b", "c", "d/e")] == ["D", "BB", "C", "F"]
    assert not (tmp_path / "part1/d/f").exists()


def test_a_failing_step_stops_only_what_needs_it(reproduce, tmp_path):
    table = [
        writes("a", before="print('reading'); raise SystemExit('no more paper')"),
        writes("b", "B", ["a"]),
        {**writes("c"), "outputs": ["part1/other"]},
        writes("d", "D"),
        writes("e", "E", ["b"]),
    ]
    status, _, err = reproduce(table, tmp_path)
    assert status == 1 and (tmp_path / "part1/d").exists() and not (tmp_path / "part1/b").exists()
    assert {line.split("  (")[0] for line in err.splitlines() if " failed: " in line} == {
        "part1/a failed: no more paper",
        "part1/b failed: not tried: part1/a failed",
        "part1/c failed: it did not make part1/other",
        "part1/e failed: not tried: part1/b failed",
    }
    assert (tmp_path / "logs/part1/a.log").read_text().endswith("reading\nno more paper\n")
    assert "4 of 5 steps to do" in reproduce([writes("a", "A"), *table[1:]], tmp_path)[1]


def test_two_at_a_time_but_nothing_beside_a_benchmark(reproduce, tmp_path):
    """b and c each wait until the other has begun; a, which is alone, begins when both have ended."""
    meet = """import os, time
open('{out}/%s', 'w')
for _ in range(6000):
    if os.path.exists('{out}/%s'): break
    time.sleep(0.01)
else:
    raise SystemExit('alone')"""
    after = "import os; assert os.path.exists('{out}/part1/b') and os.path.exists('{out}/part1/c')"
    table = [writes("a", before=after, alone=True, seconds=60)]
    table += [writes(x, before=meet % (x, y), seconds=120) for x, y in ("bc", "cb")]
    status, out, err = reproduce(table, tmp_path, "--workers", "2")
    assert status == 0 and "about 3 minutes: 300 CPU-seconds" in out, err


SLOW = """import os, time
open('{out}/pid', 'w').write(str(os.getpid()))
while not os.path.exists('{out}/go'): time.sleep(0.05)
"""


@pytest.mark.parametrize("kill", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_killed_it_leaves_no_process_and_resumes(driver, reproduce, tmp_path, kill):
    table = [writes("a", "A"), writes("b", "B", ["a"], SLOW), writes("c", "C", ["b"])]
    process = start(driver, repr(table), "--quick", "--output_dir", tmp_path)
    pid = wait_for(tmp_path / "pid")
    process.send_signal(kill)
    _, err = process.communicate(timeout=60)
    assert process.returncode == {signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGKILL: -9}[kill]
    line = "" if kill == signal.SIGKILL else f"stopped by {kill.name}: start the same command again to continue\n"
    assert "".join(x for x in err.splitlines(keepends=True) if "CPU-second" not in x) == line
    for _ in range(600):
        if not is_alive(pid):
            break
        time.sleep(0.05)
    assert not is_alive(pid) and not (tmp_path / "part1/b").exists()

    (tmp_path / "go").touch()
    status, out, _ = reproduce(table, tmp_path)
    assert status == 0 and "2 of 3 steps to do" in out
    assert [(tmp_path / "part1" / name).read_text() for name in "abc"] == ["A", "B", "C"]


def test_a_second_start_in_the_same_folder_is_refused(driver, reproduce, tmp_path):
    table = [writes("b", "B", before=SLOW)]
    process = start(driver, repr(table), "--quick", "--output_dir", tmp_path)
    wait_for(tmp_path / "pid")
    status, out, err = reproduce(table, tmp_path)
    assert status == 2 and not out and f"is in use by process {process.pid} on" in err and err.count("\n") == 1
    (tmp_path / "go").touch()
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_a_full_disk_costs_one_line(driver, reproduce, tmp_path):
    """Of a step, which the others survive; of the record, which ends all."""
    small = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))}
    table = [writes("a", before="print('A' * 3000, file=open('{out}/part1/a', 'w'), flush=True)"), writes("b")]
    status, _, err = run(driver, repr(table), "--quick", "--output_dir", tmp_path / "one", **small)
    assert status == 1 and "part1/a failed: OSError: [Errno 27] File too large" in err
    table = [writes(name, name) for name in "abcd"]
    status, _, err = run(driver, repr(table), "--quick", "--output_dir", tmp_path / "two", **small)
    assert status == 1 and "File too large" in err and "start the same command again to continue" in err
    assert "Traceback" not in err
    assert reproduce(table, tmp_path / "two")[0] == 0


def test_a_damaged_record_costs_one_line(reproduce, tmp_path):
    (tmp_path / "finished.json").write_text("{")
    status, out, err = reproduce([writes("a")], tmp_path)
    assert status == 2 and not out and "finished.json" in err and err.count("\n") == 1


def test_a_list_makes_nothing_its_reader_may_leave_and_what_cannot_be_made_tells_why(driver, reproduce, tmp_path):
    rest = [writes("b", "", blocked_by="there is no book"), writes("c", "", ["b"])]
    table = [writes("a", "A", seconds=90), *rest]
    status, out, _ = reproduce(table, tmp_path / "new", "--list")
    assert status == 0 and not (tmp_path / "new").exists()
    assert "part1/a  missing, 1.5 min" in out and "part1/b  cannot be made" in out and "there is no book" in out
    process = start(driver, repr(table * 200), "--quick", "--list", "--output_dir", tmp_path / "new", fresh=True)
    process.stdout.close()
    assert process.stderr.read() == "" and process.wait() == 0
    status, out, _ = reproduce(table, tmp_path / "new")
    assert status == 0 and "left out, there is no book: part1/b, part1/c" in out and "1 of 1 steps" in out


def test_only_one_part_with_what_it_reads(reproduce, tmp_path):
    table = [writes("a", "A"), writes("b", "B"), {**writes("c", "C", ["a"]), "name": "part2/c"}]
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
def test_bad_input_costs_one_line(flags, reason, capsys):
    with pytest.raises(SystemExit) as end:
        main(flags)
    out, err = capsys.readouterr()
    assert end.value.code == 2 and not out and reason in err and err.count("\n") == 1


@pytest.mark.parametrize(
    "package", ["doit", *(pytest.param(name, marks=pytest.mark.long) for name in ("jinja2", "pandas", "yaml"))]
)
def test_without_a_package_one_line_names_requirements_dev(tmp_path, package):
    (tmp_path / f"{package}.py").write_text(f"raise ModuleNotFoundError('No module named {package}', name='{package}')")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    status, out, err = run("reproduce", "--list", "--quick", fresh=True, env=environment)
    assert status == 2 and not out and package in err and "requirements-dev.txt" in err and err.count("\n") == 1
