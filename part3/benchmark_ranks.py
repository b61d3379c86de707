"""What a second rank brings: steps per second of one process and of several at the same global batch, in turn.

python part3/benchmark_ranks.py --json benchmark_ranks.json

Each round times the same number of updates, first by one process, then by all ranks together, on this machine's CPU,
one thread each; the other side waits and computes nothing. A ratio is the median over the rounds of one round's ratio,
with its quartiles.

- speedup: in wall time, of a machine whose cores may have other work.
- cpu_speedup: the CPU time of the one process over that of the rank that took most, exchange included: what the speedup
  comes to when every rank has a core to itself and never waits.
- bytes_per_step: what a rank gives to be added up in an update: the gradient, as DistributedDataParallel hands it over,
  the loss, and whether training ends.
"""

import multiprocessing
import os
import socket
import sys
from contextlib import contextmanager
from pathlib import Path

if not __package__:  # run as `python part3/benchmark_ranks.py`: import from the checkout, not from part3/
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

import torch
import torch.nn.functional as F
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook

from common.arguments import Parser, new_file, whole_number
from common.device import keep_freed_memory, quartiles_of_ratio, report_medians, start_process
from common.printing import Progress
from common.training import Clock, check_finite
from part3.dataset import RandomSentences, TextDataset
from part3.model import TextGenerationModel
from part3.optimizer import OPTIMIZERS
from part3.ranks import Ranks
from part3.train import update

ROOT = Path(__file__).resolve().parents[1]


def compute(config, environment, pipe):
    """A rank: for each word from the pipe make `config.steps` updates; send wall and CPU seconds, bytes an update."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    keep_freed_memory()
    os.environ.update(environment)
    ranks = Ranks()
    ranks.connect(torch.device("cpu"))
    dataset = TextDataset(config.txt_file, config.seq_length)
    sampler = RandomSentences(dataset, config.batch_size)
    model = TextGenerationModel(dataset.vocab_size, config.lstm_num_hidden)
    predict = ranks.wrap(model)
    optimizer = OPTIMIZERS["adam"](model.parameters(), 2e-3)
    updates, sent = 0, []  # bytes

    def count(group, bucket):
        sent.append(bucket.buffer().nbytes)
        return allreduce_hook(group, bucket)

    if ranks.size > 1:
        predict.register_comm_hook(None, count)
    while pipe.recv() == "go":
        clock = Clock()
        for _ in range(config.steps):
            ranks.all_reduce_max(False, 0, False)
            inputs, targets, _ = sampler.batch()
            logits, _ = predict(ranks.shard(inputs))
            loss = F.cross_entropy(logits.flatten(0, 1), ranks.shard(targets).flatten())
            grad_norm = update(model, optimizer, loss, max_norm=5.0)
            check_finite(model, updates, ranks.all_reduce_mean(loss).item(), grad_norm)
            updates += 1
        exchanged = sum(sent) / updates + 4 * 8  # three whole numbers, and the loss in float64
        pipe.send((clock.wall_seconds, clock.cpu_seconds, exchanged))


@contextmanager
def processes(config, size):
    """The pipes to `size` new ranks that compute together."""
    context = multiprocessing.get_context("spawn")
    with socket.socket() as probe:
        probe.bind(("", 0))
        port = str(probe.getsockname()[1])
    started = []
    for rank in range(size):
        place = {"RANK": str(rank), "WORLD_SIZE": str(size), "LOCAL_RANK": str(rank)}
        place |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        here, there = context.Pipe()
        process = start_process(context, compute, config, place, there)
        there.close()  # a rank that dies then ends the waiting for it
        started.append((process, here))
    try:
        yield [pipe for _, pipe in started]
    finally:
        for process, _ in started:
            process.kill()
            process.join()


def main(argv=None):
    parser = Parser(__doc__)
    parser.add_argument("--txt_file", default=ROOT / "assets/book.txt", help="text whose windows are drawn")
    parser.add_argument("--ranks", type=whole_number(2, 1024), default=2, help="processes that are compared with one")
    parser.add_argument("--lstm_num_hidden", type=whole_number(1, 10_000), default=128, help="units of a layer")
    parser.add_argument("--batch_size", type=whole_number(1, 10**6), default=64, help="windows per update of all ranks")
    parser.add_argument("--seq_length", type=whole_number(1, 100_000), default=30, help="characters of a window, T")
    parser.add_argument("--steps", type=whole_number(1, 10**6), default=20, help="updates per round")
    parser.add_argument("--rounds", type=whole_number(3, 100_000), default=20, help="times that each side is timed")
    parser.add_argument("--json", type=new_file, metavar="FILE", help="write the medians there")
    config = parser.parse_args(argv)
    with parser.printing():
        if config.batch_size % config.ranks:
            raise ValueError(f"--batch_size {config.batch_size} cannot be divided among {config.ranks} ranks")
        TextDataset(config.txt_file, config.seq_length)

        rounds = {"one": [], "several": []}
        with processes(config, 1) as one, processes(config, config.ranks) as several:
            with Progress(config.rounds + 1, unit="round") as progress:
                for _ in range(config.rounds + 1):
                    for name, pipes in (("one", one), ("several", several)):
                        for pipe in pipes:
                            pipe.send("go")
                        ended = [pipe.recv() for pipe in pipes]
                        rounds[name].append([max(values) for values in zip(*ended, strict=True)])
                    progress.advance()
        # The first round fills the caches.
        (one, one_cpu, _), (several, several_cpu, sent) = (zip(*kept[1:], strict=True) for kept in rounds.values())
        steps = [config.steps] * config.rounds
        measured = {
            "steps_per_second.1": quartiles_of_ratio(steps, one),
            f"steps_per_second.{config.ranks}": quartiles_of_ratio(steps, several),
            f"speedup.{config.ranks}": quartiles_of_ratio(one, several),
            f"cpu_speedup.{config.ranks}": quartiles_of_ratio(one_cpu, several_cpu),
            "bytes_per_step": [max(sent)] * 3,
        }
        sizes = f"2 layers of {config.lstm_num_hidden}, global batch {config.batch_size}, T {config.seq_length}"
        report_medians(measured, config.json, torch.device("cpu"), sizes)


if __name__ == "__main__":
    main()
