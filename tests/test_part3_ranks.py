"""part3/ranks.py without a cluster: who a process is, and what ranks on this machine tell each other."""

import csv
import json
import os
import socket

import pytest
import torch

from part3.ranks import Ranks
from tests.scripts import ROOT, run, start

SRUN = {"SLURM_PROCID": "2", "SLURM_STEP_NUM_TASKS": "6", "SLURM_LOCALID": "1"}
TORCHRUN = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "0"}


@pytest.mark.parametrize(
    "environment, place",
    [
        ({}, (0, 1, 0)),
        (SRUN, (2, 6, 1)),
        (TORCHRUN, (3, 4, 0)),
        ({**SRUN, **TORCHRUN}, (3, 4, 0)),  # torchrun inside srun
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "4", "SLURM_LOCALID": "0"}, (0, 1, 0)),  # sbatch without srun
    ],
)
def test_the_environment_says_which_rank_this_is(environment, place):
    ranks = Ranks(environment)
    assert (ranks.rank, ranks.size, ranks.local_rank) == place


@pytest.mark.parametrize(
    "wrong", [{"RANK": "4"}, {"RANK": "-1"}, {"RANK": ""}, {"LOCAL_RANK": "x"}, {"WORLD_SIZE": "0"}]
)
def test_a_contradiction_is_named(wrong):
    with pytest.raises(ValueError, match=r"does not say which rank this is: RANK=.*WORLD_SIZE="):
        Ranks({**TORCHRUN, **wrong})
    with pytest.raises(ValueError, match="RANK=None"):
        Ranks({"WORLD_SIZE": "2"})


def test_every_rank_takes_a_gpu_of_its_own(monkeypatch):
    cuda, cpu = torch.device("cuda"), torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert Ranks(SRUN).device(cuda) == torch.device("cuda:1") and Ranks(SRUN).device(cpu) == cpu
    assert Ranks({}).device(cuda) == cuda
    with pytest.raises(ValueError, match="rank 2 has no GPU"):
        Ranks({**SRUN, "SLURM_LOCALID": "2"}).device(cuda)
    for device in ("cuda:1", "mps"):
        with pytest.raises(ValueError, match="--device cpu or cuda"):
            Ranks(SRUN).device(torch.device(device))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)  # srun --gpus-per-task=1 shows each its own
    assert Ranks(SRUN).device(cuda) == torch.device("cuda:0")


def test_the_shards_make_up_the_batch():
    batch = torch.arange(24).view(6, 4)
    shards = [Ranks({**TORCHRUN, "RANK": str(rank), "WORLD_SIZE": "3"}).shard(batch) for rank in range(3)]
    assert [shard.shape for shard in shards] == [(2, 4)] * 3 and torch.equal(torch.cat(shards), batch)
    alone = Ranks({})
    assert alone.shard(batch).equal(batch) and alone.all_gather(batch) is batch
    assert alone.all_reduce_mean(batch) is batch and alone.all_reduce_max(3, True) == [3, True]
    assert alone.broadcast("x") == "x" and alone.wrap(batch) is batch and alone.run(lambda: "y") == "y"


def ranks_here(size, *flags, script="part3/train.py"):
    """The ranks of a script that start here as torchrun would start them: [(exit status, output, errors)]."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(probe.getsockname()[1]), "OMP_NUM_THREADS": "1"}
    started = []
    for rank in range(size):
        place = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size)}
        started.append(start(script, *flags, env={**os.environ, **where, **place}))
    ended = [process.communicate(timeout=120) for process in started]
    return [(process.returncode, *texts) for process, texts in zip(started, ended, strict=True)]


SMALL = ["--seq_length", 5, "--lstm_num_hidden", 7, "--embedding_dim", 3, "--eval_every", 2, "--patience", 2]


@pytest.fixture
def book(tmp_path):
    (tmp_path / "book.txt").write_text("the cat sat on the mat and the rat sat on the hat. " * 40)
    return tmp_path / "book.txt"


def test_rank_0_decides_on_the_end_and_writes_and_prints_alone(tmp_path, book):
    flags = ["--txt_file", book, *SMALL, "--batch_size", 6, "--learning_rate", 1e-9, "--output_dir", tmp_path / "run"]
    first, second, third = ranks_here(3, *flags)
    assert (first[0], second[0], third[0]) == (0, 0, 0), first[2] + second[2] + third[2]
    assert "held-out loss" in first[1] and second[1] == third[1] == ""
    result = json.loads((tmp_path / "run/result.json").read_text())
    assert result["ended_by"] == "patience" and result["steps"] < 50


def test_ranks_refuse_bad_input_before_anything_is_written(tmp_path, book):
    flags = ["--txt_file", book, *SMALL, "--output_dir", tmp_path / "run"]
    environment = {**os.environ, **TORCHRUN}
    status, out, err = run("part3/train.py", *flags, "--batch_size", 6, env=environment)
    assert (status, out, err.count("\n")) == (2, "", 1) and "--batch_size 6 cannot be divided among 4 ranks" in err
    status, out, err = run("part3/train.py", *flags, env={**environment, "RANK": "7"})
    assert (status, out, err.count("\n")) == (2, "", 1) and "RANK=7" in err
    assert not (tmp_path / "run").exists()


DIVERGING = """
import sys
sys.path.insert(0, {root!r})
from part3 import train
train.learning_rate_at = lambda step, config: 0.02 if step < 3 else 1e37
train.run_script(train.main)
"""


def test_an_update_that_ruins_the_weights_ends_all_ranks_alike(tmp_path, book):
    script = tmp_path / "diverging.py"
    script.write_text(DIVERGING.format(root=str(ROOT)))
    flags = ["--txt_file", book, *SMALL, "--eval_every", 1, "--batch_size", 6, "--output_dir", tmp_path / "run"]
    first, second = ranks_here(2, *flags, script=script)
    assert first[0] == 3 and first[2].splitlines()[-1].startswith("step 4: loss "), first[2]
    assert second == (3, "", "")
    assert (tmp_path / "run/metrics.csv").read_text().splitlines()[-1].startswith("3,")


def test_two_ranks_have_the_losses_of_one_process_and_a_resume_may_have_another_number(tmp_path, book):
    flags = ["--txt_file", book, *SMALL, "--eval_every", 1, "--sampling", "streams", "--batch_size", 6]

    def losses(name, size, steps):
        ended = ranks_here(size, *flags, "--train_steps", steps, "--output_dir", tmp_path / name, "--resume")
        assert [status for status, *_ in ended] == [0] * size, ended
        with open(tmp_path / name / "metrics.csv") as file:
            return [float(row[name]) for row in csv.DictReader(file) for name in ("train_loss", "heldout_loss")]

    alone = losses("alone", 1, 10)
    losses("run", 2, 4)
    state, _ = torch.load(tmp_path / "run/checkpoint.pt", weights_only=True)["state"]
    assert state.shape == (2, 6, 7), "of all rows"
    losses("run", 3, 7)
    several = losses("run", 1, 10)
    assert several == pytest.approx(alone, rel=0, abs=1e-5) and several != alone, "sums in another order"


def test_a_folder_in_use_ends_all_ranks_in_a_line(tmp_path, book):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/config.json").write_text("{}")
    first, second = ranks_here(2, "--txt_file", book, *SMALL, "--output_dir", tmp_path / "run")
    assert first[0] == 2 and "holds a run" in first[2]
    assert second[0] == 1 and "another rank has ended" in second[2]
    assert "Traceback" not in first[2] + second[2]
