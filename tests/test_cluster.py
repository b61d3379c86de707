"""The job scripts of all parts on a real SLURM cluster of two nodes: what a job survives, and its numbers.

Dropout is off where ranks are compared with one process: each rank draws masks of its own.
"""

import csv
import json
import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
import torch

from common.arguments import with_flags
from part1.sweep import read_points
from tests.scripts import ROOT, run
from tests.slurm_cluster import Job, missing, running_cluster, wait_until
from tests.test_faults import assert_same, fingerprint

long = partial(pytest.param, marks=pytest.mark.long)
pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))

SMALL = [
    *("--txt_file", "assets/book.txt", "--val_fraction", 0.01, "--seq_length", 10, "--lstm_num_hidden", 16),
    *("--embedding_dim", 8, "--batch_size", 8, "--patience", 0),
]
FIFTY = [*SMALL, "--train_steps", 50, "--eval_every", 1]
STEPS, CHECKPOINT_EVERY = 300, 50
LONG = [*SMALL, "--sampling", "streams", "--train_steps", STEPS, "--eval_every", 20]
DROPOUT = [*LONG, "--dropout_keep_prob", 0.8, "--checkpoint_every", CHECKPOINT_EVERY]


@pytest.fixture(scope="module")
def cluster():
    with running_cluster() as cluster:
        cluster.environment["PYTHON"] = sys.executable
        yield cluster


def train(cluster, folder, flags, options=(), **environment):
    return Job(cluster, folder, options, "part3/train.sbatch", [*flags, "--output_dir", folder / "run"], **environment)


def failure(cluster, folder, options, script, flags, **environment):
    """Submit what fails; returns the exit status of `sbatch --wait` and the job's log."""
    with pytest.raises(subprocess.CalledProcessError) as caught:
        Job(cluster, folder, ["--wait", *options], script, flags, **environment)
    return caught.value.returncode, (folder / "log").read_text()


def train_here(script, *flags):
    status, _, err = run(script, *flags, cwd=ROOT)
    assert status == 0, err


def python_that(folder, statements):
    """A stand-in for Python in train.sbatch that runs `statements` before what part3/train.py does."""
    path = folder / "python"
    code = f"{statements}\nfrom part3.ranks import run_script\nfrom part3.train import main\nrun_script(main)"
    path.write_text(f'#!/bin/sh\nshift\nexec \'{sys.executable}\' -c "$CODE" "$@"\n')
    path.chmod(0o755)
    return {"PYTHON": str(path), "CODE": code}


def rows(folder):
    path = folder / "metrics.csv"
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return list(csv.DictReader(line for line in lines if line.endswith("\n")))


def losses(folder):
    return [float(row["train_loss"]) for row in rows(folder)]


def checkpoint(folder):
    return torch.load(folder / "checkpoint.pt", weights_only=True)


def difference(a, b):
    """The largest difference between the weights of two runs."""
    a, b = checkpoint(a)["model"], checkpoint(b)["model"]
    return max((a[name] - b[name]).abs().max().item() for name in a)


def hold(folder, step=100):
    """Stop the time of a training, rank 0's, once it has written the metrics of `step`; returns its process number."""
    wait_until(lambda: (found := rows(folder)) and int(found[-1]["step"]) >= step)
    pid = int((folder / "lock").read_text().split()[1])
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: is_held(pid))  # on a busy machine it stops when it next gets a core
    return pid


def is_held(pid, without=0):
    """Whether a process is stopped, and no signal of the number `without` has come to it and waits."""
    status = Path(f"/proc/{pid}/status").read_text()
    pending = [int(mask, 16) << 1 for mask in re.findall(r"(?:Shd|Sig)Pnd:\s*(\w+)", status)]
    return "State:\tT" in status and not any(mask >> without & 1 for mask in pending)


@pytest.mark.parametrize(
    "sampling, dtype", [("sentences", "float32"), long("streams", "float32"), long("streams", "float64")]
)
def test_two_ranks_have_the_numbers_of_one_process(cluster, tmp_path, sampling, dtype):
    python, launcher, tolerance, jobs = {}, "torchrun", 1e-5, {}
    if dtype == "float64":
        python = python_that(tmp_path, "import torch\ntorch.set_default_dtype(torch.float64)")
        launcher, tolerance = "srun", 1e-9
    for options, by in (("--nodes=1", "srun"), ("--nodes=2", "srun"), ("--ntasks-per-node=2", launcher)):
        (tmp_path / options).mkdir()
        flags = [*FIFTY, "--sampling", sampling]
        jobs[options] = train(cluster, tmp_path / options, flags, [options], LAUNCHER=by, **python)
    for job in jobs.values():
        assert job.ended() == "COMPLETED", job.log
    single, *pairs = (tmp_path / options / "run" for options in jobs)
    assert len(losses(single)) == 50 and str(checkpoint(single)["model"]["output.weight"].dtype) == f"torch.{dtype}"
    for pair in pairs:
        assert json.loads((pair / "config.json").read_text())["ranks"] == 2
        assert losses(pair) == pytest.approx(losses(single), rel=0, abs=tolerance)
        assert losses(pair) != losses(single)  # sums in another order: they were two
        assert dtype == "float32" or difference(pair, single) < tolerance


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """What the run of the flags DROPOUT comes to, left in peace."""
    folder = tmp_path_factory.mktemp("unbroken") / "run"
    train_here("part3/train.py", *DROPOUT, "--output_dir", folder)
    return fingerprint(folder)


@pytest.mark.parametrize(
    "command, number, steps_lost",
    [
        long("sbatch --partition=high --nodes=2 --ntasks-per-node=2 --output=/dev/null --wrap=true", signal.SIGUSR1, 0),
        long("scancel --signal=TERM {job}", signal.SIGTERM, 0),  # preempted so: to the ranks, not to the job's shell
        long("scontrol update JobId={job} TimeLimit=2", signal.SIGUSR1, 0),  # minutes; SLURM looks every 30 s
        ("scontrol requeue {job}", None, CHECKPOINT_EVERY),
        long("scontrol update NodeName={node} State=DOWN Reason=test", None, CHECKPOINT_EVERY),
    ],
)
def test_an_interrupted_job_goes_on(cluster, tmp_path, unbroken, command, number, steps_lost):
    job, folder = train(cluster, tmp_path, DROPOUT), tmp_path / "run"
    pid = hold(folder)
    cluster.run(*command.format(job=job.number, node=job.fact("NodeList")).split())
    if number:  # on its way through SLURM; SLURM itself may let the process run on
        wait_until(lambda: not is_held(pid, without=number))
        cluster.run("scontrol", "update", f"JobId={job.number}", "TimeLimit=60", check=False)  # or it is warned again
    os.kill(pid, signal.SIGCONT)
    wait_until(lambda: not Path(f"/proc/{pid}").exists())
    last = int(rows(folder)[-1]["step"])
    assert checkpoint(folder)["step"] >= last - steps_lost and last < STEPS
    assert job.ended() == "COMPLETED", job.log
    assert int(job.fact("Restarts")) >= 1 and "run 2 on" in job.log
    assert ("warned by SIGUSR1" in job.log) == (number == signal.SIGUSR1)
    assert_same(fingerprint(folder), unbroken)


@pytest.mark.parametrize("launcher", ["srun", long("torchrun")])
def test_ranks_stop_at_the_same_step_and_a_resume_may_have_another_number(cluster, tmp_path, launcher):
    flags, folder, alone = [*LONG, "--checkpoint_every", 10**6], tmp_path / "run", tmp_path / "alone"
    job = train(cluster, tmp_path, flags, ["--nodes=2", "--no-requeue"], LAUNCHER=launcher)
    pid = hold(folder)
    cluster.run("scancel", "--batch", "--signal=USR1", job.number)
    wait_until(lambda: "warned by SIGUSR1" in job.log)
    os.kill(pid, signal.SIGCONT)
    assert job.ended() == "FAILED" and job.fact("ExitCode") == "85:0" and "back to the queue" in job.log, job.log
    saved = checkpoint(folder)
    assert 100 <= saved["step"] < STEPS and saved["state"][0].shape == (2, 8, 16)  # of all rows
    train_here("part3/train.py", *flags, "--output_dir", alone)
    train_here("part3/train.py", *flags, "--output_dir", folder, "--resume")
    assert [row["step"] for row in rows(folder)] == [row["step"] for row in rows(alone)]
    assert losses(folder) == pytest.approx(losses(alone), abs=1e-3)  # roundings grow over the steps


def test_scancel_saves_and_does_not_requeue(cluster, tmp_path, unbroken):
    job, folder = train(cluster, tmp_path, DROPOUT), tmp_path / "run"
    pid = hold(folder)
    cluster.run("scancel", job.number)
    os.kill(pid, signal.SIGCONT)
    assert job.ended() == "CANCELLED"
    wait_until(lambda: "not requeued by this script" in job.log)
    assert checkpoint(folder)["step"] >= int(rows(folder)[-1]["step"]) and job.fact("Restarts") == "0"
    job = train(cluster, tmp_path, DROPOUT)  # submitted again by hand, it resumes
    assert job.ended() == "COMPLETED", job.log
    assert_same(fingerprint(folder), unbroken)


@pytest.mark.parametrize(
    "script, options, launcher, reason",
    [
        ("part3/train.sbatch", [], "mpirun", "'mpirun', not srun or torchrun"),
        ("part1/sweep.sbatch", [], "", "submit with --array=0-N"),
        ("part1/sweep.sbatch", ["--array=1-2"], "", "submit with --array=0-N"),
        ("part2/train.sbatch", [], "", "submit with --array=0-N"),
    ],
)
def test_a_wrong_submission_is_refused(cluster, tmp_path, script, options, launcher, reason):
    status, log = failure(cluster, tmp_path, options, script, ["--output_dir", tmp_path / "run"], LAUNCHER=launcher)
    assert status == 2 and reason in log and not (tmp_path / "run").exists()


BREAK = """
import os, signal
from torch import nn
clip, calls = nn.utils.clip_grad_norm_, []
def clip_or_break(*args):
    calls.append(1)
    if len(calls) == 30 and os.environ["SLURM_PROCID"] == "{rank}":
        {what}
    return clip(*args)
nn.utils.clip_grad_norm_ = clip_or_break
"""
RAISE, KILL = "raise KeyError('the reason')", "os.kill(os.getpid(), signal.SIGKILL)"


@pytest.mark.parametrize(
    "flags, statements, options, status, reason",
    [
        (["--txt_file", "no_such_book.txt"], "", [], 2, "No such file or directory: 'no_such_book.txt'"),
        long(["--batch_size", 7], "", ["--nodes=2"], 2, "--batch_size 7 cannot be divided among 2 ranks"),
        long(["--learning_rate", 9e29], "", ["--nodes=2"], 3, "diverged, the last good checkpoint"),
        long([], BREAK.format(rank=0, what=RAISE), [], 1, "KeyError: 'the reason'"),
        long([], BREAK.format(rank=1, what=RAISE), ["--nodes=2"], 1, "KeyError: 'the reason'"),
        long([], BREAK.format(rank=0, what=KILL), ["--nodes=2"], None, ""),
        long([], BREAK.format(rank=1, what=KILL), ["--nodes=2"], None, ""),
    ],
)
def test_an_error_ends_the_job_for_good(cluster, tmp_path, flags, statements, options, status, reason):
    flags = with_flags(list(map(str, FIFTY)), [*map(str, flags), "--output_dir", str(tmp_path / "run")])
    python = python_that(tmp_path, statements) if statements else {}
    found, log = failure(cluster, tmp_path, options, "part3/train.sbatch", flags, **python)
    assert found > 0 and reason in log and "run 2" not in log, log
    assert f"failed with exit status {found}, not requeued" in log.splitlines()[-1]
    assert status in (None, found) and (not statements or len(rows(tmp_path / "run")) == 29)


SWEEP = "--input_length 3 4 5 --seed 0 --num_hidden 8 --train_steps 60 --eval_every 20 --patience 0".split()


def sweep(cluster, folder, array):
    """Submit the two lines of part1/sweep.sbatch: the array and the figure after it."""
    folder.mkdir(exist_ok=True)
    options = [f"--array={array}", f"--output={folder}/%A_%a.log"]
    job = Job(cluster, folder, options, "part1/sweep.sbatch", [*SWEEP, "--output_dir", folder / "points"])
    options = [f"--dependency=afterok:{job.number}", "--kill-on-invalid-dep=yes"]
    flags = ["figure", "--sweep_dir", folder / "points", "--output_dir", folder / "figures"]
    return job, Job(cluster, folder, options, "part1/sweep.sbatch", flags)


def points(folder):
    """{name: settings and result without the times} of a sweep."""
    points = read_points(folder / "points").items()
    return {name: {k: v for k, v in point.items() if "seconds" not in k} for name, point in points}


def new_points(folder, job):
    """How many points each task of an array says it trained."""
    return [int(re.search(r"(\d+) of them new", log.read_text())[1]) for log in folder.glob(f"{job.number}_*.log")]


def test_an_array_does_each_point_once_and_completes_what_was_cancelled(cluster, tmp_path):
    in_peace, broken = tmp_path / "in_peace", tmp_path / "broken"
    job, figure = sweep(cluster, in_peace, "0-2")
    wait_until((in_peace / "figures/accuracy.png").exists)
    assert new_points(in_peace, job) == [2, 2, 2] and len(points(in_peace)) == 6
    tasks = cluster.run("scontrol", "--oneliner", "show", "job", job.number).splitlines()
    assert {re.search(r" NodeList=(\S+)", task)[1] for task in tasks} == set(cluster.nodes)

    job, figure = sweep(cluster, broken, "0-3%1")  # one task at a time: there is a half-way
    wait_until(lambda: points(broken))
    cluster.run("scancel", job.number)
    job.leave_the_queue()
    done = len(points(broken))
    figure.leave_the_queue()
    assert 0 < done < 6 and not (broken / "figures").exists()
    job, figure = sweep(cluster, broken, "0-2")
    wait_until((broken / "figures/accuracy.png").exists)
    assert sum(new_points(broken, job)) == 6 - done and points(broken) == points(in_peace)


def warn_two_of_three(cluster, folder, script, flags):
    """Two tasks of an array are warned while the third runs, and end; then it may end too. Returns their run folders.

    Of the two one has the array's own number as SLURM_JOB_ID, the other does not.
    """
    job = Job(cluster, folder, ["--array=0-2", f"--output={folder}/%a.log"], script, flags, RUNS=str(folder))
    folders = [folder / f"job_run{job.number}_{task}" for task in range(3)]
    with ThreadPoolExecutor(3) as pool:  # at once, or one would be at its end before another is held
        pids = list(pool.map(hold, folders))
    assert [job.fact("JobId", task) == job.number for task in range(3)] == [False, False, True]
    started = job.fact("StartTime", 0)
    for task in (1, 2):
        cluster.run("scancel", "--batch", "--signal=USR1", f"{job.number}_{task}")
        wait_until(lambda pid=pids[task]: not is_held(pid, without=signal.SIGUSR1))
        os.kill(pids[task], signal.SIGCONT)
    assert [job.ended(task) for task in (1, 2)] == ["COMPLETED"] * 2
    assert [job.fact("Restarts", task) for task in range(3)] == ["0", "1", "1"]
    assert (job.fact("JobState", 0), job.fact("StartTime", 0)) == ("RUNNING", started) and is_held(pids[0])
    os.kill(pids[0], signal.SIGCONT)
    assert job.ended(0) == "COMPLETED" and "stopped by" not in (folder / "0.log").read_text()
    return folders


@pytest.mark.long
def test_only_the_warned_tasks_of_an_array_of_seeds_come_back(cluster, tmp_path):
    flags = ["--input_length", 10, "--num_hidden", 8, "--train_steps", 400, "--eval_every", 20, "--patience", 0]
    train_here("part2/train.py", *flags, "--seed", 1, "--output_dir", tmp_path / "unbroken")
    folders = warn_two_of_three(cluster, tmp_path, "part2/train.sbatch", flags)
    assert difference(folders[1], tmp_path / "unbroken") == 0 and difference(*folders[1:]) > 0
    assert [int(row["step"]) for row in rows(folders[1])] == list(range(20, 401, 20))


@pytest.mark.long
def test_only_the_warned_tasks_of_an_array_of_jobs_come_back(cluster, tmp_path, unbroken):
    for folder in warn_two_of_three(cluster, tmp_path, "part3/train.sbatch", DROPOUT):
        assert_same(fingerprint(folder), unbroken)
