"""Ranks, several processes that train one model: which one this is, and what they exchange, in torch's words."""

import os
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from datetime import timedelta
from reprlib import repr as shortened

import torch
import torch.distributed as dist

from common.training import DivergedError

# What torchrun and srun call a process's place: among all ranks, how many there are, and among those of its node.
LAUNCHERS = (
    ("RANK", "WORLD_SIZE", "LOCAL_RANK"),
    ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID"),  # STEP: sbatch alone, without srun, starts one process
)
MEETING = timedelta(minutes=10)  # how long ranks that have started wait for the others
TIMEOUT = timedelta(minutes=30)  # rank 0 may evaluate as long while the others wait; a death is noticed at once
LAST_WORDS = 3  # seconds that a rank that has lost another waits for why


class Ranks:
    """This process among those that srun or torchrun started; without either it is the only one, `size` 1.

    Attributes: `rank` (0 ≤ rank < size; rank 0 alone writes and prints), `size`, `local_rank` (on this node).

    With one rank there is no process group, and every method gives back what it was given. With several, a method that
    exchanges something must be called by all ranks, in the same order.

    Raises ValueError, in one line, if the environment contradicts itself.
    """

    def __init__(self, environment=os.environ):
        self.rank, self.size, self.local_rank = 0, 1, 0
        names = next((names for names in LAUNCHERS if names[1] in environment), None)
        if names is None:
            return
        try:
            self.rank, self.size, self.local_rank = (int(environment[name]) for name in names)
        except (KeyError, ValueError):
            self.rank = -1
        if not 0 <= self.rank < self.size:
            found = ", ".join(f"{name}={environment[name]}" if name in environment else f"no {name}" for name in names)
            raise ValueError(f"the environment does not say which rank this is: {found}")

    def device(self, device):
        """The torch.device of this rank, where all were given `device`: each rank takes a GPU of its own.

        Raises ValueError for a device that ranks cannot share or do not have enough of.
        """
        if self.size == 1 or device.type == "cpu":
            return device
        if device.type != "cuda" or device.index is not None:
            raise ValueError(f"{self.size} ranks compute on --device cpu or cuda, not on {device}")
        # srun may show each task its own GPU only; that one is then cuda:0.
        count = torch.cuda.device_count()
        if 1 < count <= self.local_rank:
            raise ValueError(f"rank {self.rank} has no GPU: it is number {self.local_rank} of a node that has {count}")
        return torch.device("cuda", self.local_rank if count > 1 else 0)

    def connect(self, device):
        """Wait until all ranks are there and join their process group: gloo, and for gradients between GPUs nccl.

        Raises ValueError, in one line, if the environment has no address to meet at, if the ranks do not meet there
        within MEETING, if their devices are of several types, or if two have the same GPU.
        """
        if self.size == 1:
            return
        if not {"MASTER_ADDR", "MASTER_PORT"} <= set(os.environ):
            os.environ.update(_meeting_point(self.size))
        try:
            store, *_ = next(dist.rendezvous("env://", self.rank, self.size, timeout=MEETING))
        except dist.DistError as error:
            where = f"{os.environ['MASTER_ADDR']}, port {os.environ['MASTER_PORT']}"
            raise ValueError(f"the {self.size} ranks did not meet at {where} within {MEETING}") from error
        self._store = dist.PrefixStore("ranks", store)  # texts by name, for all ranks; it is kept by rank 0 or torchrun
        dist.init_process_group("gloo", timeout=TIMEOUT, store=store, rank=self.rank, world_size=self.size)
        self.same(device=device.type)
        self._gradients = None  # the group that averages them: the same one
        if device.type == "cuda":
            torch.cuda.set_device(device)
            self.apart(str(torch.cuda.get_device_properties(device).uuid))
            self._gradients = dist.new_group(backend="nccl", timeout=TIMEOUT)

    def wrap(self, model):
        """The model, its gradients averaged over the ranks during backward; rank 0's weights are everyone's."""
        if self.size == 1:
            return model
        return torch.nn.parallel.DistributedDataParallel(model, process_group=self._gradients)

    def shard(self, tensor, dim=0):
        """This rank's equal share of a tensor, cut along `dim`."""
        return tensor.tensor_split(self.size, dim)[self.rank]

    def all_gather(self, shard, dim=0):
        """The tensor that the ranks' shards make up along `dim`."""
        if self.size == 1:
            return shard
        mine = shard.cpu().contiguous()
        shards = [torch.empty_like(mine) for _ in range(self.size)]
        dist.all_gather(shards, mine)
        return torch.cat(shards, dim)

    def all_reduce_mean(self, value):
        """The mean over the ranks of a tensor with one element, in float64 precision."""
        if self.size == 1:
            return value
        value = value.detach().cpu().double()
        dist.all_reduce(value)
        return value / self.size

    def all_reduce_max(self, *numbers):
        """A list: of each whole number the highest that any rank has."""
        if self.size == 1:
            return list(numbers)
        numbers = torch.tensor(numbers)
        dist.all_reduce(numbers, dist.ReduceOp.MAX)
        return numbers.tolist()

    def broadcast(self, value):
        """Rank 0's value, any that can be pickled, on every rank."""
        if self.size == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def on_every_rank(self, function):
        """What `function()` returns, once it has returned on every rank.

        If it raised ValueError, OSError, RuntimeError or MemoryError on any, all end: rank 0 raises ValueError with the
        first such error, to say it; the others exit silently, status 2.
        """
        if self.size == 1:
            return function()
        result, problem = None, None
        try:
            result = function()
        except (ValueError, OSError, RuntimeError, MemoryError) as error:
            problem = f"rank {self.rank}: {error}" if self.rank else str(error)
        problems = [None] * self.size
        with self._losses_explained():
            dist.all_gather_object(problems, problem)
        if any(problems):
            if self.rank:
                sys.exit(2)
            raise ValueError(next(filter(None, problems)))
        return result

    def same(self, **facts):
        """Return if all ranks have rank 0's values of these facts; else end as `on_every_rank` does."""
        first = self.broadcast(facts)

        def compare():
            if names := [name for name in facts if facts[name] != first.get(name)]:
                here, there = (
                    ", ".join(f"{name} {shortened(of.get(name))}" for name in names) for of in (facts, first)
                )
                raise ValueError(f"{here}, but rank 0 has {there}")

        self.on_every_rank(compare)

    def apart(self, gpu):
        """Return if each rank has a GPU, by its name, of its own; else end as `on_every_rank` does."""
        gpus = [None] * self.size
        dist.all_gather_object(gpus, gpu)

        def compare():
            if (other := gpus.index(gpu)) != self.rank:
                raise ValueError(f"it has the GPU of rank {other}: start no more ranks on a node than it has GPUs")

        self.on_every_rank(compare)

    def run(self, function):
        """What `function()` returns, in which the ranks exchange values; its errors are told to the other ranks.

        Raises ConnectionError if another rank is lost: in one line which, and the error that it told.
        """
        with self._losses_explained():
            result = function()
        if self.size > 1:
            dist.destroy_process_group()
        return result

    def follow(self, training, stop):
        """Call `training()` as a rank other than 0, and end as rank 0 does: the same exit status, without a word.

        `stop` is this rank's StopFlag. An error here, or the loss of another rank, is one line on stderr and status 1.
        """
        try:
            result = training()
        except DivergedError:
            sys.exit(3)
        except (OSError, MemoryError, RuntimeError) as error:
            print(f"rank {self.rank} of {self.size}: {error}".partition("\n")[0], file=sys.stderr)
            sys.exit(1)
        if result is None:
            sys.exit(stop.exit_status)

    @contextmanager
    def _losses_explained(self):
        """An error in this `with` block is told to the other ranks; one of an exchange becomes a ConnectionError."""
        try:
            yield
        except Exception as error:
            # gloo's errors have no class of their own, but the name of its source file
            if isinstance(error, dist.DistError) or (isinstance(error, RuntimeError) and "gloo" in str(error)):
                raise ConnectionError(self._loss()) from None
            if self.size > 1:
                with suppress(dist.DistError):
                    self._store.set(f"end {self.rank}", f"{type(error).__name__}: {error}".partition("\n")[0])
            raise

    def _loss(self):
        """Why an exchange failed, in a line: the error that a rank has told, or which rank went without a word."""
        names = {rank: f"end {rank}" for rank in range(self.size)}
        try:
            self._store.set(names[self.rank], "")  # this one ends for want of another
            time.sleep(LAST_WORDS)
            told = {rank: self._store.get(name).decode() for rank, name in names.items() if self._store.check([name])}
            if self.rank == 0:
                time.sleep(LAST_WORDS)  # the store ends with it, and others may still ask
        except dist.DistError:
            return "rank 0 has ended"
        for rank, error in told.items():
            if error:
                return f"rank {rank} has ended, {error}"
        silent = " or ".join(str(rank) for rank in names if rank not in told)
        lost = f"rank {silent} has ended without a word, killed or out of memory"
        return lost if silent else "the connection is lost"


def run_script(main):
    """Call a script's `main()`; a process that is one of several ranks then ends at once, with the exit status of it.

    Python, clearing up, aborts now and then where ranks have exchanged values (2 of 50 in a small loop), it seems in a
    thread of gloo that still runs. A rank that has saved would then look like one that failed.
    """
    if not any(names[1] in os.environ for names in LAUNCHERS):
        return main()
    status = 1
    try:
        main()
        status = 0
    except SystemExit as end:
        status = end.code or 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _meeting_point(size):
    """Where the ranks that srun started meet: the step's first node, and a port computed from the job's number."""
    if "SLURM_STEP_NODELIST" not in os.environ:
        raise ValueError(f"{size} ranks have no address to meet at: MASTER_ADDR and MASTER_PORT are not both set")
    nodes, job, step = (os.environ[f"SLURM_{name}"] for name in ("STEP_NODELIST", "JOB_ID", "STEP_ID"))
    command = ["scontrol", "show", "hostnames", nodes]  # n[1-2] becomes n1 and n2
    first = subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout.split()[0]
    # Below the ports that systems assign by themselves (from 32768); jobs that share a node differ.
    return {"MASTER_ADDR": first, "MASTER_PORT": str(20_000 + (7 * int(job) + int(step)) % 12_000)}
