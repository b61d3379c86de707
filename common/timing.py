"""How long something takes: ways timed in turn, in fresh processes, as a user gets them; printed and written."""

import json
import multiprocessing
import statistics
import sys
import time

import torch

from common.arguments import new_file, whole_number
from common.device import choose_device, keep_freed_memory
from common.files import write_atomically
from common.printing import Progress

STATES = {"": False, ".kept": True}  # what follows a key: whether freed memory was kept for the next step


def parse_flags(parser, argv, rounds, devices="cpu, cuda, cuda:1, mps, or auto"):
    """Add the flags of every benchmark, parse, and choose: returns the settings, a Namespace, and the torch.device.

    `rounds` is the default number of rounds, `devices` says in words which there are.
    """
    parser.add_argument("--rounds", type=whole_number(3, 100_000), default=rounds, help="times that each way is timed")
    parser.add_argument("--device", default="cpu", help=devices)
    parser.add_argument("--json", type=new_file, metavar="FILE", help="write the medians there")
    config = parser.parse_args(argv)
    try:
        return config, choose_device(config.device)
    except ValueError as error:
        parser.error(error)


def in_both_states(measurements):
    """What the measurements return, {key: (lower quartile, median, upper quartile)}, in both memory STATES.

    A measurement is (function, *arguments), all of it picklable. Each runs in a fresh process in each state.
    """
    measured = {}
    with Progress(len(STATES) * len(measurements), unit="process") as progress:
        for function, *args in measurements:
            for state, keep_memory in STATES.items():
                quartiles = in_fresh_process(function, *args, keep_memory=keep_memory)
                measured |= {key + state: values for key, values in quartiles.items()}
                progress.advance()
    return measured


def report(measured, json_file, device, sizes):
    """Print {key: (lower quartile, median, upper quartile)} below a line that says on what, and write the medians.

    Exits with status 1, in one line, if they cannot be written.
    """
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{device.type}, one thread"
    print(f"torch {torch.__version__}, {name}, {sizes}")
    for key, (low, median, high) in measured.items():
        print(f"{key:<38} {median:12.4g}  ({low:.4g} to {high:.4g})")
    if json_file:
        medians = {key: float(f"{median:.6g}") for key, (_, median, _) in measured.items()}
        try:
            write_atomically(json_file, json.dumps(medians, indent=1) + "\n")
        except OSError as error:
            sys.exit(f"{error}: the medians are the printed ones")


def in_fresh_process(function, *args, keep_memory=False):
    """What `function(*args)` returns in a new Python process on one thread, all of it picklable.

    What ran before in a process changes how glibc treats the memory that is freed, so a benchmark that is to tell what
    a user gets starts one for each state: as Python starts, or with freed memory kept (`keep_freed_memory`).
    """
    with multiprocessing.get_context("spawn").Pool(1, _prepare, [keep_memory]) as pool:
        return pool.apply(function, args)


def timed(function, device):
    """Seconds that one call takes: CPU time, or on a GPU wall time until the GPU is done."""
    if device.type == "cpu":
        start = time.process_time()
        function()
        return time.process_time() - start
    torch.accelerator.synchronize(device)
    start = time.perf_counter()
    function()
    torch.accelerator.synchronize(device)
    return time.perf_counter() - start


def in_turn(functions, rounds, device):
    """Seconds of every round, {name: [seconds, ...]}, for functions {name: function} called one after the other.

    Two rounds before the first are not counted: they fill the caches.
    """
    seconds = {name: [] for name in functions}
    for _ in range(rounds + 2):
        for name, function in functions.items():
            seconds[name].append(timed(function, device))
    return {name: values[2:] for name, values in seconds.items()}


def milliseconds(seconds):
    """Lower quartile, median and upper quartile of seconds, in milliseconds."""
    return statistics.quantiles((1000 * value for value in seconds), n=4)


def quartiles_of_ratio(numerators, denominators):
    """Lower quartile, median and upper quartile over the rounds of one round's ratio: what slows one slows both."""
    return statistics.quantiles((a / b for a, b in zip(numerators, denominators, strict=True)), n=4)


def _prepare(keep_memory):
    torch.set_num_threads(1)
    if keep_memory:
        keep_freed_memory()
