"""CPU time of an update against the length of the sequence: what denormal numbers and page faults cost, and without.

python part1/long_sequences.py --json results/part1/long_sequences.json

Two things can make ten times the length take more than ten times the time, and part1/train.py (`prepare_process`)
rules both out: a gradient that vanishes passes through denormal numbers, which processors handle slowly, and glibc may
give the freed memory of each step back to the system, which costs a page fault for each 4 KiB of the next.
"""

import json
import statistics
import sys
import time
from pathlib import Path

if not __package__:  # run as `python part1/long_sequences.py`: import from the checkout, not from part1/
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import torch
import torch.nn.functional as F
from common.memory import keep_freed_memory, return_freed_memory
from common.processes import warm_context

from common.arguments import Parser, new_file, whole_number
from common.files import write_atomically
from common.progress import Progress
from part1.dataset import PalindromeDataset, encode
from part1.train import MODELS, OPTIMIZERS

# (denormal numbers taken as 0, freed memory kept for the next step)
MEASURES = {
    "neither": (False, False),
    "no denormals": (True, False),
    "memory kept": (False, True),
    "both": (True, True),
}


def update_seconds(cell, length, measures, updates):
    """CPU seconds of each of `updates` updates in this process: one-hot digits, batch 128, 128 units, default init."""
    flush, keep = MEASURES[measures]
    torch.set_num_threads(1)
    torch.set_flush_denormal(flush)
    (keep_freed_memory if keep else return_freed_memory)()
    torch.manual_seed(0)
    model = MODELS[cell](10, 128, 10)
    optimizer = OPTIMIZERS["rmsprop"](model.parameters(), 0.001)
    dataset, seconds = PalindromeDataset(length + 1), []
    for _ in range(updates + 1):
        start = time.process_time()
        digits, target = dataset.batch(128)
        optimizer.zero_grad()
        F.cross_entropy(model(encode(digits, 10)), target).backward()
        optimizer.step()
        seconds.append(time.process_time() - start)
    return seconds[1:]  # the first one makes what later ones reuse


def main(argv=None):
    parser = Parser(__doc__.split("\n")[0])
    parser.add_argument("--input_length", type=whole_number(2, 10_000), default=100, help="and ten times as many")
    parser.add_argument("--updates", type=whole_number(1, 10_000), default=5, help="that are timed for each median")
    parser.add_argument("--json", type=new_file, metavar="FILE", help="write the medians there")
    config = parser.parse_args(argv)

    lengths = config.input_length, 10 * config.input_length
    jobs = [(cell, length, name, config.updates) for cell in MODELS for name in MEASURES for length in lengths]
    medians = {}
    # A process for each: what a process has freed changes how glibc treats it, and the settings stay with a process.
    with warm_context().Pool(1, maxtasksperchild=1) as pool, Progress(len(jobs)) as progress:
        for cell, length, name, updates in jobs:
            seconds = statistics.median(pool.apply(update_seconds, (cell, length, name, updates)))
            medians[f"{cell}.{name}.T{length}_ms"] = round(1_000 * seconds, 2)
            progress.advance()
    print(f"| CPU ms per update | T = {lengths[0]} | T = {lengths[1]} | ratio |\n|---|---|---|---|")
    for cell in MODELS:
        for name in MEASURES:
            short, long = (medians[f"{cell}.{name}.T{length}_ms"] for length in lengths)
            medians[f"{cell}.{name}.ratio"] = round(long / short, 2)
            print(f"| {cell}, {name} | {short:.1f} | {long:.0f} | {long / short:.1f} |")
    if config.json:
        write_atomically(config.json, json.dumps(medians, indent=1) + "\n")


if __name__ == "__main__":
    main()
