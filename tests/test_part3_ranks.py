"""part3/ranks.py without a cluster: who a process is, and what ranks on this machine tell each other."""

import json
import os
import re
import socket
from datetime import timedelta

import pytest
import torch

from common.tables import read_records
from part3 import ranks, train
from part3.precision import check_precision
from part3.ranks import Ranks
from tests.scripts import ROOT, call, start

SRUN = {"SLURM_PROCID": "2", "SLURM_STEP_NUM_TASKS": "6", "SLURM_LOCALID": "1"}
TORCHRUN = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "0"}


def test_the_environment_says_which_rank_this_is():
    sbatch_alone = {"SLURM_PROCID": "0", "SLURM_NTASKS": "4", "SLURM_LOCALID": "0"}
    torchrun_inside_srun = {**SRUN, **TORCHRUN}
    found = map(Ranks, ({}, sbatch_alone, SRUN, TORCHRUN, torchrun_inside_srun))
    places = [(ranks.rank, ranks.size, ranks.local_rank) for ranks in found]
    assert places == [(0, 1, 0), (0, 1, 0), (2, 6, 1), (3, 4, 0), (3, 4, 0)]
    for wrong in ({"RANK": "4"}, {"RANK": "-1"}, {"RANK": ""}, {"LOCAL_RANK": "x"}, {"WORLD_SIZE": "0"}):
        with pytest.raises(ValueError, match=r"does not say which rank this is: RANK=.*WORLD_SIZE="):
            Ranks({**TORCHRUN, **wrong})
    with pytest.raises(ValueError, match="no RANK, WORLD_SIZE=2, no LOCAL_RANK"):
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


def ranks_here(size, *flags, script="part3/train.py", **of_rank_1):
    """The ranks of a training that start here as torchrun would start them: [(exit status, output, errors)].

    Rank 1 has other values of the flags that `of_rank_1` names.
    """
    with socket.socket() as probe:
        probe.bind(("", 0))
        where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(probe.getsockname()[1]), "OMP_NUM_THREADS": "1"}
    started = []
    for rank in range(size):
        place = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size)}
        own = list(flags)
        for name, value in of_rank_1.items() if rank == 1 else ():
            own[own.index(f"--{name}") + 1] = value
        started.append(start(script, *own, env={**os.environ, **where, **place}))
    ended = [process.communicate(timeout=120) for process in started]
    return [(process.returncode, *texts) for process, texts in zip(started, ended, strict=True)]


def broken(folder, statements):
    """A script that does what part3/train.py does, after these statements."""
    path = folder / "broken.py"
    lines = ["import os, signal, sys, torch", f"sys.path.insert(0, {str(ROOT)!r})", "from part3 import ranks, train"]
    path.write_text("\n".join([*lines, statements, "ranks.run_script(train.main)"]))
    return path


@pytest.fixture
def flags(tmp_path):
    """Flags of a small training into tmp_path/run, 6 windows an update."""
    (tmp_path / "book.txt").write_text("the cat sat on the mat and the rat sat on the hat. " * 40)
    small = ["--seq_length", 5, "--lstm_num_hidden", 7, "--embedding_dim", 3, "--eval_every", 1, "--patience", 2]
    return ["--txt_file", tmp_path / "book.txt", *small, "--batch_size", 6, "--output_dir", tmp_path / "run"]


def test_rank_0_decides_on_the_end_and_writes_and_prints_alone(tmp_path, flags):
    first, second = ranks_here(2, *flags, "--learning_rate", 1e-9)
    assert first[0] == 0 and "held-out loss" in first[1] and second == (0, "", ""), first[2]
    result = json.loads((tmp_path / "run/result.json").read_text())
    assert result["ended_by"] == "patience" and result["steps"] < 50
    first, second = ranks_here(2, *flags)  # into the same folder
    assert first[0] == 2 and first[2].count("\n") == 1 and "holds a run" in first[2] and second == (2, "", "")


def test_ranks_refuse_bad_input_before_anything_is_written(tmp_path, flags, capsys, monkeypatch):
    for rank, named in {"0": "--batch_size 6 cannot be divided among 4 ranks", "7": "RANK=7"}.items():
        for name, value in {**TORCHRUN, "RANK": rank}.items():
            monkeypatch.setitem(os.environ, name, value)
        status, out, err = call(train.main, *flags, capsys=capsys)
        assert (status, out, err.count("\n")) == (2, "", 1) and named in err and not (tmp_path / "run").exists()


@pytest.mark.parametrize("missing", ["LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"])
def test_ranks_of_an_incomplete_launcher_are_refused_in_one_line(tmp_path, flags, capsys, monkeypatch, missing):
    complete = {**TORCHRUN, "WORLD_SIZE": "6", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}
    for name, value in complete.items():
        monkeypatch.setitem(os.environ, name, value)
    monkeypatch.delitem(os.environ, missing)
    status, out, err = call(train.main, *flags, capsys=capsys)
    assert (status, out, err.count("\n")) == (2, "", 1) and missing in err and not (tmp_path / "run").exists()


def test_ranks_whose_first_does_not_answer_are_told_so_in_one_line(tmp_path, flags, capsys, monkeypatch):
    monkeypatch.setattr(ranks, "MEETING", timedelta(seconds=1))
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = str(nobody.getsockname()[1])
        for name, value in {**TORCHRUN, "WORLD_SIZE": "6", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}.items():
            monkeypatch.setitem(os.environ, name, value)
        status, out, err = call(train.main, *flags, capsys=capsys)
    said = f"the 6 ranks did not meet at 127.0.0.1, port {port} within 0:00:01"
    assert (status, out, err.count("\n")) == (2, "", 1) and said in err and not (tmp_path / "run").exists()


def test_ranks_that_see_different_texts_or_settings_are_refused_before_anything_is_written(tmp_path, flags):
    (tmp_path / "copy.txt").write_text((tmp_path / "book.txt").read_text())
    (tmp_path / "other.txt").write_text((tmp_path / "book.txt").read_text().replace("hat", "fog"))
    for change, said in (
        (
            {"txt_file": tmp_path / "other.txt"},
            r"rank 1: text '\w+\.\.\.\w+', vocabulary ' .*f.*', but rank 0 has text '",
        ),
        (
            {"seq_length": 6, "embedding_dim": 4},
            "rank 1: seq_length 6, embedding_dim 4, but rank 0 has seq_length 5, ",
        ),
    ):
        first, second = ranks_here(2, *flags, **change)
        assert first[:2] == (2, "") and first[2].count("\n") == 1 and re.search(said, first[2]), first[2]
        assert second == (2, "", "") and not (tmp_path / "run").exists()
    ended = ranks_here(2, *flags, "--train_steps", 1, txt_file=tmp_path / "copy.txt")
    assert [status for status, *_ in ended] == [0, 0], "the same text in two files"


@pytest.mark.parametrize("gpu, status", [("'one'", 2), ("str(self.rank)", 0)])
def test_ranks_that_have_the_same_gpu_are_refused(tmp_path, flags, gpu, status):
    connecting = f"connect = ranks.Ranks.connect\ndef both(self, device): connect(self, device); self.apart({gpu})"
    script = broken(tmp_path, f"{connecting}\nranks.Ranks.connect = both")
    first, second = ranks_here(2, *flags, "--train_steps", 1, script=script)
    assert first[0] == second[0] == status and not second[2]
    said = "train.py: error: rank 1: it has the GPU of rank 0: start no more ranks on a node than it has GPUs\n"
    assert (first[2] == said) == (status == 2)


def test_ranks_on_devices_of_different_types_are_refused(tmp_path, flags):
    cuda = 'ranks.Ranks.device = lambda self, device: torch.device(("cpu", "cuda")[self.rank])'
    first, second = ranks_here(2, *flags, script=broken(tmp_path, cuda))
    assert first[0] == 2 and "rank 1: device 'cuda', but rank 0 has device 'cpu'" in first[2]
    assert second == (2, "", "") and not (tmp_path / "run").exists()


BREAK = """
update, calls = train.update, []
def update_or_break(*args):
    calls.append(1)
    if len(calls) == 5 and os.environ["RANK"] == "{rank}":
        {what}
    return update(*args)
train.update = update_or_break
"""
OS_ERROR, KILL = "raise OSError('no space left')", "os.kill(os.getpid(), signal.SIGKILL)"


@pytest.mark.parametrize(
    "rank, what, cause",
    [
        (1, OS_ERROR, "rank 1 has ended, OSError: no space left"),
        (1, KILL, "rank 1 has ended without a word, killed or out of memory"),
        (0, OS_ERROR, "rank 0 has ended"),
    ],
)
def test_the_cause_of_a_ranks_end_is_passed_on(tmp_path, flags, rank, what, cause):
    ended = ranks_here(3, *flags, script=broken(tmp_path, BREAK.format(rank=rank, what=what)))
    for other, (status, _, err) in enumerate(ended):
        last = err.rstrip().rpartition("\n")[2]  # torch in C++ may have spoken before
        if other != rank:
            assert status == 1 and (f"rank {other} of 3: {cause}" == last or last.startswith(f"{cause}; resume with: "))
        elif what == OS_ERROR:
            assert status == 1 and (
                f"rank {other} of 3: no space left" == last or last.startswith("no space left; resu")
            )
    assert [row["step"] for row in read_records(tmp_path / "run/metrics.csv")] == [1, 2, 3, 4]


def test_an_update_that_ruins_the_weights_ends_all_ranks_alike(tmp_path, flags):
    first, second = ranks_here(2, *flags, "--learning_rate", 9e29)
    assert first[0] == 3 and first[2].splitlines()[-1].startswith("step 1: loss ") and second == (3, "", ""), first[2]
    assert (tmp_path / "run/metrics.csv").read_text().count("\n") == 1, "its header alone"


@pytest.mark.parametrize("precision, rounded", [("float32", 1e-5), ("bfloat16", 1e-2)])
def test_ranks_have_the_losses_of_one_process_and_a_resume_may_have_another_number(tmp_path, flags, precision, rounded):
    try:
        check_precision(precision, torch.device("cpu"))
    except ValueError as error:
        pytest.skip(str(error))

    def losses(name, size, steps):
        more = ["--sampling", "streams", "--train_steps", steps, "--output_dir", tmp_path / name, "--resume"]
        more += ["--precision", precision]
        ended = ranks_here(size, *flags[:-2], *more)  # without its --output_dir
        assert [status for status, *_ in ended] == [0] * size, ended
        rows = read_records(tmp_path / name / "metrics.csv")
        return [row[column] for row in rows for column in ("train_loss", "heldout_loss")]

    alone = losses("alone", 1, 10)
    losses("run", 2, 4)
    state, _ = torch.load(tmp_path / "run/checkpoint.pt", weights_only=True)["state"]
    assert state.shape == (2, 6, 7), "of all rows"
    losses("run", 3, 7)
    several = losses("run", 1, 10)
    assert several == pytest.approx(alone, rel=0, abs=rounded) and several != alone, "sums in another order"
