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
import time

import pytest
import torch

from part1.sweep import read_points
from tests.scripts import ROOT, run
from tests.slurm_cluster import missing, running_cluster
from tests.test_faults import assert_same, fingerprint

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))

SMALL = [
    *("--txt_file", "assets/book.txt", "--val_fraction", 0.01, "--seq_length", 10, "--lstm_num_hidden", 16),
    *("--embedding_dim", 8, "--batch_size", 8, "--patience", 0),
]
FIFTY = [*SMALL, "--train_steps", 50, "--eval_every", 1]
CHECKPOINT_EVERY = 50
LONG = [
    *(*SMALL, "--sampling", "streams", "--dropout_keep_prob", 0.8, "--train_steps", 1000, "--eval_every", 20),
    *("--checkpoint_every", CHECKPOINT_EVERY),
]


@pytest.fixture(scope="module")
def cluster():
    with running_cluster() as cluster:
        cluster.environment["PYTHON"] = sys.executable
        yield cluster


def wait_until(condition, seconds=90):
    """Wait until condition() is true, and return what it gave."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.02)
    return value


class Job:
    """A submitted script: `sbatch OPTIONS SCRIPT FLAGS`, its log in `folder`; `environment` adds to the cluster's."""

    def __init__(self, cluster, folder, options, script, flags, **environment):
        self.cluster = cluster
        self.log_file = folder / "log"
        environment = {**cluster.environment, **environment}
        command = ["sbatch", "--parsable", f"--output={self.log_file}", *options, script, *flags]
        self.number = cluster.run(*command, cwd=ROOT, env=environment)

    @property
    def log(self):
        return self.log_file.read_text() if self.log_file.exists() else ""

    def fact(self, name):
        """What `scontrol show job` says of it."""
        return re.search(rf"\b{name}=(\S*)", self.cluster.run("scontrol", "--oneliner", "show", "job", self.number))[1]

    def ended(self, seconds=90):
        """Wait for the end; returns SLURM's name for it."""
        final = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL")
        return wait_until(lambda: (state := self.fact("JobState")) in final and state, seconds)


def train(cluster, folder, flags, options=(), **environment):
    return Job(cluster, folder, options, "part3/train.sbatch", [*flags, "--output_dir", folder / "run"], **environment)


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
    wait_until(lambda: is_stopped(status_of(pid)))  # on a busy machine it stops when it next gets a core
    return pid


def status_of(pid):
    with open(f"/proc/{pid}/status") as file:
        return file.read()


def is_stopped(status):
    return "State:\tT" in status


# ---- the numbers


@pytest.fixture(scope="module", params=["sentences", "streams"])
def single(request, tmp_path_factory):
    """One process's run of fifty steps: its flags and folder."""
    flags, folder = [*FIFTY, "--sampling", request.param], tmp_path_factory.mktemp("single") / "run"
    status, _, err = run("part3/train.py", *flags, "--output_dir", folder, cwd=ROOT)
    assert status == 0, err
    return flags, folder


@pytest.mark.parametrize("options, launcher", [("--nodes=2", "srun"), ("--ntasks-per-node=2", "torchrun")])
def test_two_ranks_have_the_losses_of_one_process(cluster, tmp_path, single, options, launcher):
    flags, folder = single
    job = train(cluster, tmp_path, flags, [options], LAUNCHER=launcher)
    assert job.ended() == "COMPLETED", job.log
    assert json.loads((tmp_path / "run/config.json").read_text())["ranks"] == 2
    assert len(losses(folder)) == 50 and losses(tmp_path / "run") == pytest.approx(losses(folder), rel=0, abs=1e-5)
    assert losses(tmp_path / "run") != losses(folder)  # sums in another order: they were two


def test_in_float64_losses_and_weights_are_the_same(cluster, tmp_path):
    double = python_that(tmp_path, "import torch\ntorch.set_default_dtype(torch.float64)")
    jobs = {}
    for options in ("--nodes=1", "--nodes=2", "--ntasks-per-node=2"):
        (tmp_path / options).mkdir()
        jobs[options] = train(cluster, tmp_path / options, [*FIFTY, "--sampling", "streams"], [options], **double)
    for job in jobs.values():
        assert job.ended() == "COMPLETED", job.log
    single, *several = (tmp_path / options / "run" for options in jobs)
    assert checkpoint(single)["model"]["output.weight"].dtype == torch.float64
    for ranks in several:
        assert losses(ranks) == pytest.approx(losses(single), rel=0, abs=1e-9) and losses(ranks) != losses(single)
        assert difference(ranks, single) < 1e-9


# ---- interrupted and continued


def go_on_with(pid, number):
    """Let a training's time pass again once the signal has come to it, on its way through SLURM, and waits there."""
    bit = 1 << (number - 1)

    def has_come():
        status = status_of(pid)
        pending = any(int(mask, 16) & bit for mask in re.findall(r"(?:Shd|Sig)Pnd:\s*(\w+)", status))
        return pending or not is_stopped(status)  # SLURM may have let it go on already

    wait_until(has_come)
    os.kill(pid, signal.SIGCONT)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """What the run of the flags LONG comes to, left in peace."""
    folder = tmp_path_factory.mktemp("unbroken") / "run"
    status, _, err = run("part3/train.py", *LONG, "--output_dir", folder, cwd=ROOT)
    assert status == 0, err
    return fingerprint(folder)


def preempt(cluster, job, pid):
    everything = ["--partition=high", "--nodes=2", "--ntasks-per-node=2", "--output=/dev/null", "--wrap", "sleep 1"]
    cluster.run("sbatch", *everything)
    wait_until(lambda: "warned by SIGUSR1" in job.log)
    go_on_with(pid, signal.SIGUSR1)


def preempt_by_sigterm(cluster, job, pid):
    cluster.run("scancel", "--signal=TERM", job.number)  # to the ranks, not to the job's shell
    go_on_with(pid, signal.SIGTERM)


def near_the_time_limit(cluster, job, pid):
    wait_until(lambda: "warned by SIGUSR1" in job.log)  # SLURM looks every 30 s
    go_on_with(pid, signal.SIGUSR1)


def requeue_by_hand(cluster, job, pid):
    cluster.run("scontrol", "requeue", job.number)
    os.kill(pid, signal.SIGCONT)


def node_down(cluster, job, pid):
    node = job.fact("NodeList")
    cluster.run("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=test")
    os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize(
    "event, steps_lost",
    [
        (preempt, 0),
        (preempt_by_sigterm, 0),
        (near_the_time_limit, 0),
        (requeue_by_hand, CHECKPOINT_EVERY),
        (node_down, CHECKPOINT_EVERY),
    ],
)
def test_an_interrupted_job_goes_on(cluster, tmp_path, unbroken, event, steps_lost):
    options = ["--time=1", "--signal=B:USR1@60"] if event is near_the_time_limit else []
    job = train(cluster, tmp_path, LONG, options)
    pid = hold(tmp_path / "run")
    event(cluster, job, pid)
    wait_until(lambda: not os.path.exists(f"/proc/{pid}"))
    last, saved = int(rows(tmp_path / "run")[-1]["step"]), checkpoint(tmp_path / "run")["step"]
    assert saved >= last - steps_lost and last < 1000
    assert job.ended() == "COMPLETED", job.log
    assert int(job.fact("Restarts")) >= 1 and "run 2 on" in job.log
    for here, there in zip(fingerprint(tmp_path / "run"), unbroken, strict=True):
        assert_same(here, there)


@pytest.mark.parametrize("launcher", ["srun", "torchrun"])
def test_ranks_stop_at_the_same_step_and_a_resume_may_have_another_number(cluster, tmp_path, launcher):
    flags = [*SMALL, "--sampling", "streams", "--eval_every", 20, "--checkpoint_every", 10**6, "--train_steps", 600]
    job = train(cluster, tmp_path, flags, ["--nodes=2", "--no-requeue"], LAUNCHER=launcher)
    pid = hold(tmp_path / "run")
    cluster.run("scancel", "--batch", "--signal=USR1", job.number)
    wait_until(lambda: "warned by SIGUSR1" in job.log)
    os.kill(pid, signal.SIGCONT)
    wait_until(lambda: "back to the queue" in job.log)
    assert job.ended() == "FAILED" and job.fact("ExitCode") == "85:0", job.log  # --no-requeue
    step = checkpoint(tmp_path / "run")["step"]
    assert 100 <= step < 600 and checkpoint(tmp_path / "run")["state"][0].shape == (2, 8, 16)  # of all rows

    alone = tmp_path / "alone"
    status, _, err = run("part3/train.py", *flags, "--output_dir", alone, cwd=ROOT)
    assert status == 0, err
    status, _, err = run("part3/train.py", *flags, "--output_dir", tmp_path / "run", "--resume", cwd=ROOT)
    assert status == 0, err
    assert [row["step"] for row in rows(tmp_path / "run")] == [row["step"] for row in rows(alone)]
    assert losses(tmp_path / "run") == pytest.approx(losses(alone), abs=1e-3)  # roundings grow over 600 steps


# ---- ended for good


def test_scancel_saves_and_does_not_requeue(cluster, tmp_path, unbroken):
    job = train(cluster, tmp_path, LONG)
    pid = hold(tmp_path / "run")
    cluster.run("scancel", job.number)
    os.kill(pid, signal.SIGCONT)
    assert job.ended() == "CANCELLED"
    wait_until(lambda: "not requeued by this script" in job.log)
    assert (
        checkpoint(tmp_path / "run")["step"] >= int(rows(tmp_path / "run")[-1]["step"]) and job.fact("Restarts") == "0"
    )
    again = train(cluster, tmp_path, LONG)  # submitted again by hand, it goes on
    assert again.ended() == "COMPLETED", again.log
    for here, there in zip(fingerprint(tmp_path / "run"), unbroken, strict=True):
        assert_same(here, there)


def test_an_unknown_launcher_is_refused(cluster, tmp_path):
    job = train(cluster, tmp_path, FIFTY, LAUNCHER="mpirun")
    assert job.ended() == "FAILED" and job.fact("ExitCode") == "2:0"
    assert "'mpirun', not srun or torchrun" in job.log and not (tmp_path / "run").exists()


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


@pytest.mark.parametrize(
    "flags, statements, options, status, reason",
    [
        (["--txt_file", "no_such_book.txt"], "", [], 2, "No such file or directory: 'no_such_book.txt'"),
        (["--batch_size", 7], "", ["--nodes=2"], 2, "--batch_size 7 cannot be divided among 2 ranks"),
        (["--learning_rate", 1e37], "", ["--nodes=2"], 3, "stopped before that update"),
        ([], BREAK.format(rank=0, what="raise KeyError('the reason')"), [], 1, "KeyError: 'the reason'"),
        ([], BREAK.format(rank=1, what="raise KeyError('the reason')"), ["--nodes=2"], 1, "KeyError: 'the reason'"),
    ],
)
def test_an_error_ends_the_job_for_good(cluster, tmp_path, flags, statements, options, status, reason):
    flags = [*FIFTY, *flags, "--output_dir", tmp_path / "run"]
    environment = {**cluster.environment, **(python_that(tmp_path, statements) if statements else {})}
    command = ["sbatch", "--wait", f"--output={tmp_path / 'log'}", *options, "part3/train.sbatch", *flags]
    with pytest.raises(subprocess.CalledProcessError) as caught:
        cluster.run(*command, cwd=ROOT, env=environment, timeout=60)
    log = (tmp_path / "log").read_text()
    assert caught.value.returncode == status and reason in log and "run 2" not in log, log
    assert f"failed with exit status {status}, not requeued" in log.splitlines()[-1]


@pytest.mark.parametrize("rank", [0, 1])
def test_a_rank_that_dies_ends_the_others_and_the_job(cluster, tmp_path, rank):
    kill = BREAK.format(rank=rank, what="os.kill(os.getpid(), signal.SIGKILL)")
    job = train(cluster, tmp_path, FIFTY, ["--nodes=2"], **python_that(tmp_path, kill))
    assert job.ended(60) == "FAILED" and job.fact("Restarts") == "0", job.log
    assert "not requeued" in job.log.splitlines()[-1] and len(rows(tmp_path / "run")) == 29


# ---- the sweep

SWEEP = [
    *("--input_length", 3, 4, 5, "--seed", 0, 1, "--num_hidden", 8, "--batch_size", 16, "--train_steps", 60),
    *("--eval_every", 20, "--patience", 0),
]


def sweep(cluster, folder, array):
    """Submit the two lines of part1/sweep.sbatch: the array and the figure behind it."""
    (folder / "tables").mkdir(parents=True, exist_ok=True)
    options = [f"--array={array}", f"--output={folder}/%A_%a.log"]
    flags = [*SWEEP, "--output_dir", folder / "points"]
    job = cluster.run("sbatch", "--parsable", *options, "part1/sweep.sbatch", *flags, cwd=ROOT)
    options = [f"--dependency=afterok:{job}", "--kill-on-invalid-dep=yes", f"--output={folder}/figure.log"]
    flags = ["figure", "--sweep_dir", folder / "points", "--output_dir", folder / "figures"]
    return job, cluster.run("sbatch", "--parsable", *options, "part1/sweep.sbatch", *flags, cwd=ROOT)


def points(folder):
    """{name: settings and result without the times} of a sweep."""
    found = read_points(folder / "points")
    return {name: {k: v for k, v in point.items() if "seconds" not in k} for name, point in found.items()}


def new_points(folder, job):
    """How many points each task of an array says it trained."""
    return [int(re.search(r"(\d+) of them new", log.read_text())[1]) for log in folder.glob(f"{job}_*.log")]


def test_an_array_does_each_point_once_and_completes_what_was_cancelled(cluster, tmp_path):
    in_peace, broken = tmp_path / "in_peace", tmp_path / "broken"
    job, figure = sweep(cluster, in_peace, "0-3")
    wait_until(lambda: (in_peace / "figures/accuracy.png").exists())
    assert new_points(in_peace, job) == [3, 3, 3, 3] and len(points(in_peace)) == 12
    tasks = cluster.run("scontrol", "--oneliner", "show", "job", job).splitlines()
    assert {re.search(r" NodeList=(\S+)", task)[1] for task in tasks} == set(cluster.nodes)

    job, figure = sweep(cluster, broken, "0-3%1")  # one task at a time: there is a half-way
    wait_until(lambda: points(broken))
    cluster.run("scancel", job)
    wait_until(lambda: job not in cluster.run("squeue", "-h", "-o", "%A"))
    done = len(points(broken))
    assert 0 < done < 12
    wait_until(lambda: figure not in cluster.run("squeue", "-h", "-o", "%A"))
    assert not (broken / "figures").exists()
    job, figure = sweep(cluster, broken, "0-3")
    wait_until(lambda: (broken / "figures/accuracy.png").exists())
    assert sum(new_points(broken, job)) == 12 - done
    assert points(broken) == points(in_peace)


def test_a_sweep_that_is_no_whole_array_is_refused(cluster, tmp_path):
    for options in ([], ["--array=1-2"]):
        with pytest.raises(subprocess.CalledProcessError) as caught:
            cluster.run("sbatch", "--wait", *options, f"--output={tmp_path}/log", "part1/sweep.sbatch", cwd=ROOT)
        assert caught.value.returncode == 2 and "submit with --array=0-N" in (tmp_path / "log").read_text()


# ---- part 2: a seed for each task


def test_an_array_of_seeds_warned_of_its_time_limit_goes_on(cluster, tmp_path):
    flags = [*("--input_length", 30, "--num_hidden", 8, "--train_steps", 300, "--eval_every", 10, "--patience", 0)]
    status, _, err = run("part2/train.py", *flags, "--seed", 1, "--output_dir", tmp_path / "unbroken")
    assert status == 0, err

    environment = {**cluster.environment, "RUNS": str(tmp_path)}
    options = ["--array=0-1", f"--output={tmp_path}/%a.log"]
    command = ["sbatch", "--parsable", *options, "part2/train.sbatch", *flags]
    job = cluster.run(*command, cwd=ROOT, env=environment)
    folders = [tmp_path / f"job_run{job}_{seed}" for seed in (0, 1)]
    wait_until(lambda: all(rows(folder) for folder in folders))
    cluster.run("scancel", "--batch", "--signal=USR1", job)
    wait_until(lambda: (tmp_path / "1.log").read_text().count("stopped by SIGUSR1") == 1)
    wait_until(lambda: all((folder / "result.json").exists() for folder in folders))
    wait_until(lambda: job not in cluster.run("squeue", "-h", "-o", "%A"))
    assert difference(folders[1], tmp_path / "unbroken") == 0
    assert [int(row["step"]) for row in rows(folders[1])] == list(range(10, 301, 10))
    assert difference(*folders) > 0


def test_an_array_of_seeds_is_asked_for(cluster, tmp_path):
    with pytest.raises(subprocess.CalledProcessError) as caught:
        cluster.run("sbatch", "--wait", f"--output={tmp_path}/log", "part2/train.sbatch", cwd=ROOT)
    assert caught.value.returncode == 2 and "submit with --array=0-N" in (tmp_path / "log").read_text()
