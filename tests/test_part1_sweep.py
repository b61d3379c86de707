"""part1/sweep.py: every point once, none lost, none torn; part1/plot_accuracy.py draws what they hold."""

import contextlib
import json
import os
import random
import signal
import time
from functools import partial
from pathlib import Path

import pytest

try:
    import resource
except ImportError:  # not on Windows
    resource = None

from common.arguments import with_flags
from common.device import choose_device
from common.run_folder import lock_folder
from common.tables import write_records
from common.training import EXIT_STATUS
from part1 import plot_accuracy, sweep
from tests.scripts import call, run, start

long = partial(pytest.param, marks=pytest.mark.long)
SCRIPT = "part1/sweep.py"
GRID = ["--model_type", "RNN", "LSTM", "--input_length", "3", "5", "--seed", "1", "--workers", "1"]
TINY = ["--num_hidden", "8", "--batch_size", "16", "--train_steps", "20", "--eval_every", "10"]


def points_in(folder):
    """{name: settings and result, but for times}: of the table and of points that stand beside it."""
    points = sweep.read_points(folder)
    return {name: {key: x for key, x in point.items() if "seconds" not in key} for name, point in points.items()}


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep")
    status, out, err = run(SCRIPT, *GRID[:-1], 2, *TINY, "--output_dir", folder)
    assert status == 0, err
    assert "4 points" in out and "4 of them new" in out
    return folder


def test_every_point_is_a_row_of_one_table_with_its_settings(unbroken):
    assert {path.name for path in unbroken.iterdir()} == {"points.csv", "lock", "lock_0_of_1"}
    points = points_in(unbroken)
    assert len(points) == 4
    point = points["LSTM_length5_dim1_default_lr0.001_seed1"]
    assert (point["model_type"], point["input_length"], point["seed"]) == ("LSTM", 5, 1)
    assert point["num_hidden"] == 8 and point["steps"] == 20 and 0 <= point["accuracy"] <= 1
    assert point["device"] == "auto" and point["computed_on"] == choose_device("auto").type


def test_a_point_is_what_train_gives(unbroken, tmp_path):
    flags = ["--model_type", "LSTM", "--input_length", "5", "--seed", "1"]
    assert run("part1/train.py", *flags, *TINY, "--output_dir", tmp_path)[0] == 0
    alone = json.loads((tmp_path / "result.json").read_text())
    swept = points_in(unbroken)["LSTM_length5_dim1_default_lr0.001_seed1"]
    assert {name: swept[name] for name in alone if "seconds" not in name}.items() <= alone.items()


def test_a_point_is_tested_beyond_its_length_without_further_training(unbroken, tmp_path):
    grid = ["--model_type", "RNN", "--input_length", "3", "--seed", "1"]
    assert run(SCRIPT, *grid, *TINY, "--times", 2, 10, "--output_dir", tmp_path)[0] == 0
    name = "RNN_length3_dim1_default_lr0.001_seed1"
    point, plain = points_in(tmp_path)[name], points_in(unbroken)[name]
    accuracy = point.pop("accuracy_beyond")
    assert point == plain and list(accuracy) == ["6", "30"] and all(0 <= a <= 1 for a in accuracy.values())
    assert "0 of them new" in run(SCRIPT, *grid, *TINY, "--times", 10, "--output_dir", tmp_path)[1]
    status, _, err = run(SCRIPT, *grid, *TINY, "--times", 5, "--output_dir", tmp_path)
    assert status == 2 and "no accuracy at length 15" in err


def test_finished_points_are_skipped_and_new_ones_join_the_table(unbroken, tmp_path):
    before = (unbroken / "points.csv").read_bytes()
    status, out, _ = run(SCRIPT, *GRID, *TINY, "--output_dir", unbroken)
    assert status == 0 and "0 of them new" in out and (unbroken / "points.csv").read_bytes() == before
    for index in (1, 0):  # an array's tasks
        assert run(SCRIPT, *GRID, *TINY, "--output_dir", tmp_path, "--shard", f"{index}/2")[0] == 0
    assert points_in(tmp_path) == points_in(unbroken)


def test_shards_part_the_grid_and_dry_run_lists_it(tmp_path):
    listed = []
    for index in range(3):
        flags = [*GRID, *TINY, "--output_dir", tmp_path / "none", "--shard", f"{index}/3", "--dry_run"]
        status, out, _ = run(SCRIPT, *flags)
        assert status == 0
        listed += out.splitlines()
    assert len(listed) == len(set(listed)) == 4 and all(line.endswith("missing") for line in listed)
    assert not (tmp_path / "none").exists()


def test_other_settings_in_the_same_folder_are_refused(unbroken):
    status, _, err = run(SCRIPT, *GRID, *TINY[2:], "--num_hidden", "9", "--output_dir", unbroken)
    assert status == 2 and "num_hidden 8, not 9" in err and err.count("\n") == 1


@pytest.mark.parametrize("number, status", [long(signal.SIGINT, 130), (signal.SIGTERM, 143), long(signal.SIGKILL, -9)])
def test_stopped_and_started_again_gives_the_same_table(unbroken, tmp_path, number, status):
    process = start(SCRIPT, *GRID[:-1], 2, *TINY, "--output_dir", tmp_path, start_new_session=True)
    end = time.monotonic() + 120
    while not any(tmp_path.iterdir()) and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(random.Random(number).uniform(0, 0.3))
    process.send_signal(number)
    _, err = process.communicate(timeout=60)  # ends only when the workers, who share the pipe, have ended too
    assert process.returncode in (status, 0) and "Traceback" not in err
    assert "Warning" not in err or number == signal.SIGKILL  # Python's, that it cleared up what the killed one had
    status, _, err = run(SCRIPT, *GRID, *TINY, "--output_dir", tmp_path)
    assert status == 0, err
    assert points_in(tmp_path) == points_in(unbroken) and not list(tmp_path.glob("*.json"))


def test_a_point_that_diverges_is_finished_without_an_accuracy(tmp_path):
    status, _, err = run(SCRIPT, "--model_type", "RNN", "--learning_rate", "9e29", *TINY, "--output_dir", tmp_path)
    assert status == 0, err
    (point,) = points_in(tmp_path).values()
    assert "accuracy" not in point and "step 1: " in point["diverged"]


@pytest.mark.parametrize(
    "flags, named",
    [
        (["--shard", "3/3"], "'3/3' is not I/N"),
        (["--shard", "x"], "'x' is not I/N"),
        (["--workers", "0"], "'0' is not a whole number"),
        (["--input_length", "4", "0"], "'0' is not a whole number"),
        (["--seed", "1.5"], "'1.5' is not a whole number"),
        (["--model_type", "RNN", "LSTM", "--init", "chrono"], "makes no sense for the RNN"),
        (["--learning_rate", "nan"], "'nan' is not a number above 0"),
        (["--device", "cuda:99"], "cuda:99"),
        (["--resume"], "--resume"),
        (["--curriculum", "--batch_size", "1"], "--batch_size 1"),
        (["--no_such_flag"], "--no_such_flag"),
        (["--in", "5"], "--in 5"),
        (["--seed", "1", "--seed", "2"], "--seed is given twice: '1' and '2'"),
        (["--max_norm", "1", "--max_norm=2"], "--max_norm is given twice: '1' and '2'"),
        (["--output_dir="], "--output_dir '' is no value"),
        (["--output_dir", "/proc/here"], "/proc/here"),
    ],
)
def test_bad_input_is_one_line(tmp_path, capsys, flags, named):
    flags = with_flags(["--output_dir", str(tmp_path / "sweep")], flags)
    status, out, err = call(sweep.main, *flags, capsys=capsys)
    assert (status, out, err.count("\n")) == (2, "", 1) and named in err
    assert not (tmp_path / "sweep").exists()


def test_no_point_is_trained_twice():
    words = ["--seed", "0", "0", "--learning_rate", "0.001", "1e-3", "--model_type", "RNN"]
    assert len(sweep.grid_points(*sweep.build_parser().parse_known_args(words))) == 1


def test_rates_that_differ_in_the_ninth_digit_are_two_points():
    words = ["--learning_rate", "0.001", "0.00100000001", "1", "--model_type", "RNN"]
    points = sweep.grid_points(*sweep.build_parser().parse_known_args(words))
    assert [sweep.name_of(vars(point)).split("_")[4] for point in points] == ["lr0.001", "lr0.00100000001", "lr1"]


@pytest.mark.long
@pytest.mark.skipif(resource is None, reason="no limits of processes here")
def test_a_full_disk_ends_the_sweep_in_a_line(tmp_path):
    """The second point, which would take minutes, is not trained first."""
    flags = [*TINY[:4], "--model_type", "RNN", "--input_length", "4", "2000", "--workers", 1, "--output_dir", tmp_path]

    def no_room():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

    status, _, err = run(SCRIPT, *flags, "--train_steps", 10**6, "--patience", 1, timeout=90, preexec_fn=no_room)
    assert status == 1 and "start the same command again" in err and "Traceback" not in err
    assert "bytes are free" in err and [path.name for path in tmp_path.iterdir()] == ["lock_0_of_1"]


def test_a_curve_that_the_figure_does_not_know_is_in_the_table(unbroken, tmp_path, capsys):
    points, rates = sweep.read_points(unbroken).values(), {3: 0.001, 5: 0.5}
    write_records(tmp_path / "points.csv", [p | {"learning_rate": rates[p["input_length"]]} for p in points])
    plot_accuracy.main(["--sweep_dir", str(tmp_path), "--output_dir", str(tmp_path)])
    out, err = capsys.readouterr()
    assert "RNN, default, rate 0.5" in err and "| RNN | default | 0.5 | raw digits | 6 |" in out
    assert (tmp_path / "accuracy.png").exists()


def test_figures_and_table_from_the_files(unbroken, tmp_path, capsys):
    plot_accuracy.main(["--sweep_dir", str(unbroken), "--output_dir", str(tmp_path)])
    assert (tmp_path / "accuracy.png").read_bytes()[:4] == b"\x89PNG"
    rows = capsys.readouterr().out.splitlines()[2:]
    assert len(rows) == 4  # a row per cell and length
    assert rows[0].startswith("| LSTM | default | 0.001 | raw digits | 4 | 0 of 1 |")
    first = (tmp_path / "accuracy.png").read_bytes()
    plot_accuracy.main(["--sweep_dir", str(unbroken), "--output_dir", str(tmp_path)])
    assert (tmp_path / "accuracy.png").read_bytes() == first


def test_solved_up_to_stops_at_the_first_length_that_a_seed_failed():
    curve = ("LSTM", "default", 0.001)
    accuracy = {5: [1.0, 0.9995], 9: [1.0, 0.9996], 11: [1.0, 0.9995], 14: [1.0, 1.0]}

    def points_at(T):
        return [{"accuracy": a, "palindromes": 10_000, "input_length": T - 1} for a in accuracy[T]]

    points = {(curve, 1, T): points_at(T) for T in accuracy}
    assert plot_accuracy.solved_up_to(points, curve, 1) == 9
    points[curve, 1, 5][0]["accuracy"] = None  # diverged
    assert plot_accuracy.solved_up_to(points, curve, 1) is None


def children(pid):
    """The processes below `pid` that multiprocessing's forkserver is, or has forked."""
    found = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        with contextlib.suppress(OSError):  # one of a moment, as an import starts them
            if "forkserver" in Path(f"/proc/{child}/cmdline").read_text():
                found.append(int(child))
    return found


@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="finds the worker through /proc")
def test_a_sweep_goes_on_when_the_process_of_a_point_is_killed(unbroken, tmp_path):
    grid = ["--model_type", "RNN", "--input_length", 900, 3, "--seed", 0, "--workers", 1, "--output_dir", tmp_path]
    process = start(SCRIPT, *grid, *TINY[:-4], "--patience", 1)
    end, before, workers = time.monotonic() + 60, None, []
    while not workers or workers != before:  # there to stay
        assert time.monotonic() < end
        time.sleep(0.5)
        before, workers = workers, [worker for server in children(process.pid) for worker in children(server)]
    os.kill(workers[0], signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    killed, last = (line for line in err.splitlines() if "point " not in line)
    assert process.returncode == 1 and killed.startswith(
        "RNN_length900_dim1_default_lr0.001_seed0: its process was killed"
    )
    assert last.startswith("1 of 2 points failed; ") and "start the same command again" in last
    assert list(points_in(tmp_path)) == ["RNN_length3_dim1_default_lr0.001_seed0"]


@pytest.mark.long
@pytest.mark.skipif(resource is None, reason="no limits of processes here")
def test_a_sweep_goes_on_when_a_point_lacks_memory(tmp_path):
    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (8 * 2**30, 8 * 2**30))

    grid = ["--model_type", "RNN", "--input_length", 100_000, 3, "--seed", 0, "--workers", 1, "--output_dir", tmp_path]
    few = ["--num_hidden", 4, "--batch_size", 100_000, "--train_steps", 1]
    status, _, err = run(SCRIPT, *grid, *few, preexec_fn=limit)
    lacking, last = (line for line in err.splitlines() if "point " not in line)
    assert status == 1 and "length100000" in lacking and "there is not enough memory: " in lacking, err
    assert "lower --input_length" in lacking and last.startswith("1 of 2 points failed; ")
    assert list(points_in(tmp_path)) == ["RNN_length3_dim1_default_lr0.001_seed0"]


def test_a_second_sweep_in_the_folder_is_refused_but_for_another_task_of_an_array(unbroken, tmp_path):
    with lock_folder(tmp_path, "lock_0_of_2"):
        flags = [*GRID, *TINY, "--output_dir", tmp_path, "--shard"]
        status, out, err = run(SCRIPT, *flags, "0/2")
        assert (status, out, err.count("\n")) == (2, "", 1) and f"in use by process {os.getpid()}" in err
        assert run(SCRIPT, *flags, "1/2")[0] == 0
    assert len(points_in(tmp_path)) == 2


def test_a_damaged_point_is_named_and_made_again(unbroken, tmp_path):
    header, *rows = (unbroken / "points.csv").read_text().splitlines(keepends=True)
    (tmp_path / "points.csv").write_text("".join([header, *rows[2:], rows[0].replace("0.", "x.")]))
    name, point = next(iter(sweep.read_points(unbroken).items()))
    (tmp_path / f"{name}.json").write_text(json.dumps(point)[:-9])
    status, out, err = run(SCRIPT, *GRID[:-1], 2, *TINY, "--output_dir", tmp_path)
    assert status == 0 and "4 points" in out and "2 of them new" in out
    assert (
        f"{name}.json is damaged: 1 of 1 points are left out" in err and "points.csv is damaged: 1 of 3 points" in err
    )
    assert points_in(tmp_path) == points_in(unbroken)


def in_group(group):
    """The command lines of the processes of a group that are there and no zombies."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, _, of = (path / "stat").read_text().rpartition(")")[2].split()[:3]
            if int(of) == group and state != "Z":
                found.append((path / "cmdline").read_text())
    return found


MOMENTS = {  # of a sweep: what has happened
    "importing": lambda pid, folder: "libtorch" in Path(f"/proc/{pid}/maps").read_text(),
    "beginning": lambda pid, folder: (folder / "lock_0_of_1").exists(),
    "forking": lambda pid, folder: len(children(pid)) >= 1,
    "working": lambda pid, folder: len(list(folder.glob("*_seed*.json"))) > 1,
}
CASES = [("importing", "SIGINT"), ("working", "SIGUSR1")]
MORE = [(moment, f"SIG{name}") for moment in MOMENTS for name in ("INT", "TERM", "USR1", "HUP")]


@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="watches the processes through /proc")
@pytest.mark.parametrize("moment, name", [*CASES, *(long(*case) for case in MORE if case not in CASES)])
def test_a_sweep_whose_whole_group_is_signalled_ends_in_a_line_and_leaves_nobody(tmp_path, moment, name):
    number = getattr(signal, name)
    folder, few = tmp_path / "sweep", [*TINY[:-4], "--patience", 1, "--eval_every", 10]
    grid = ["--model_type", "RNN", "--input_length", 3, 4, 900, 901, "--workers", 2, "--output_dir", folder]
    process = start(SCRIPT, *grid, *few, fresh=True, start_new_session=True)
    while not MOMENTS[moment](process.pid, folder):
        assert process.poll() is None
        time.sleep(0.01)
    time.sleep(random.Random(name).uniform(0, 0.2))
    os.killpg(process.pid, number)
    _, err = process.communicate(timeout=60)  # until nobody has its streams any more
    lines = [line for line in err.splitlines() if not line.startswith("point ")]
    of_a_shell = 128 - process.returncode if process.returncode < 0 else process.returncode
    assert of_a_shell in (EXIT_STATUS[number], 128 + number), err
    assert len(lines) <= 1 and all(line.startswith(f"stopped by {name}; ") for line in lines), err
    assert lines or moment in ("importing", "beginning")
    for _ in range(600):  # the last to end have no memory any more, but still are in the table of processes
        if not in_group(process.pid):
            break
        time.sleep(0.05)
    assert in_group(process.pid) == []


@pytest.mark.parametrize("text, named", [(None, "no points"), ("a,b\n1,2\n", "points.csv holds no point")])
def test_a_folder_without_points_is_one_line(tmp_path, text, named):
    if text:
        (tmp_path / "points.csv").write_text(text)
    status, _, err = run("part1/plot_accuracy.py", "--sweep_dir", tmp_path, "--output_dir", tmp_path / "out")
    assert status == 2 and named in err and err.count("\n") == 1 and not (tmp_path / "out").exists()


def test_the_interval_of_a_share_of_seeds():
    share, down, up = plot_accuracy.interval(5, 5)
    assert (share, up) == (100, pytest.approx(0, abs=1e-4))
    assert down == pytest.approx(100 * (1 - 0.05 ** (1 / 5)), abs=1e-4)  # all of five solve so rarely below that
    (share, down, up), (other, *turned) = plot_accuracy.interval(2, 5), plot_accuracy.interval(3, 5)
    assert (share, other) == (40, 60) and (up, down) == pytest.approx(turned, abs=1e-4)
