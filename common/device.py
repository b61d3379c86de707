"""Which processor computes, on how many threads, with what memory, in which processes; and how long that takes."""

import ctypes
import json
import math
import multiprocessing
import os
import re
import signal
import statistics
import sys
import threading
import time
from contextlib import suppress
from multiprocessing import resource_tracker

import torch

from common.arguments import new_file, whole_number
from common.files import write_atomically
from common.printing import Progress

# How far a device may be off from the CPU, as a share of the length: products that CUDA rounds to TF32 are by 0.001.
TOLERANCE = 0.01
SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1") if hasattr(signal, name)]
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # glibc's malloc.h
STATES = {"": False, ".kept": True}  # after a benchmark's key: whether freed memory was kept for the next step


def choose_device(name):
    """The torch.device called `name`: "auto" (cuda, then mps, then cpu), "cpu", "mps", "cuda" or "cuda:1".

    Raises ValueError, in one line, for a name that is no device and for a device that is not there.
    """
    if name == "auto":
        mps = torch.backends.mps.is_available()
        return torch.device("cuda" if torch.cuda.is_available() else "mps" if mps else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda", "mps"):
        raise ValueError(f"device {name!r} is not one of auto, cpu, mps, cuda, cuda:0, cuda:1, ...")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"device {name!r} is not there: this torch sees {torch.cuda.device_count()} CUDA devices")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ValueError(f"device {name!r} is not there: this machine or this torch has no MPS")
    return device


def working_device(name, small_step):
    """The torch.device called `name`, as `choose_device` finds it, once it has made a small training step.

    `small_step` is a function of a torch.device: a model there, of the same weights on each, and its loss on a batch.
    Where "auto" found another device than the CPU, and the step raises an error there, or its loss or its gradients
    together are not the CPU's to within TOLERANCE, a line on stderr says so and the CPU is given. Raises ValueError, in
    one line, as `choose_device` does, and for a named device on which the step raises an error.
    """
    device = choose_device(name)
    if device.type == "cpu":
        return device
    try:
        found = _loss_and_gradients(small_step, device)
        wanted = _loss_and_gradients(small_step, torch.device("cpu")) if name == "auto" else ()
        if all((a - b).norm() <= TOLERANCE * b.norm() for a, b in zip(found, wanted, strict=False)):
            return device
        problem = "a training step has another loss or gradient there than on the CPU"
    except (RuntimeError, TypeError) as error:
        problem = "a training step fails there: " + str(error).partition("\n")[0]
    if name != "auto":
        raise ValueError(f"device {name!r} cannot be used: {problem}")
    print(f"device '{device}' is not used, the CPU computes: {problem}", file=sys.stderr)
    return torch.device("cpu")


def _loss_and_gradients(small_step, device):
    """What `small_step` gives on a device, on the CPU: the loss, and the gradients of all parameters as one vector."""
    model, loss = small_step(device)
    loss.backward()
    gradients = [p.grad.cpu().double().flatten() for p in model.parameters() if p.grad is not None]
    return loss.detach().cpu(), torch.cat(gradients)


def has_float64(device):
    """Whether a torch.device has numbers of 64 bits; Apple's GPUs have none."""
    return device.type != "mps"


def cores():
    """How many CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def limit_threads():
    """Compute on one CPU thread, unless OMP_NUM_THREADS in the environment says how many.

    More threads change the numbers, and where they wait for each other make small models many times slower.
    """
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)


def prepare_process():
    """Make this process compute small recurrent networks as fast as it can."""
    # 128 × 128 products are too small to share: one thread is the fastest, and cores do not change the numbers.
    torch.set_num_threads(1)
    # A gradient that vanishes passes through numbers below 1e-38, which take the processor many times longer.
    torch.set_flush_denormal(True)


def keep_freed_memory():
    """Keep freed blocks for the next step; taking them from the system anew costs a page fault for each 4 KiB."""
    with suppress(OSError, AttributeError):  # without glibc nothing happens
        mallopt = ctypes.CDLL("libc.so.6").mallopt
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def free_memory(device):
    """Bytes that are free for a torch.device now; infinity where the system does not say."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    with suppress(OSError), open("/proc/meminfo", encoding="ascii") as file:
        return next(1024 * int(line.split()[1]) for line in file if line.startswith("MemAvailable"))
    return math.inf


def warn_of_memory(needed, device, flags):
    """Say in a line on stderr that an update needs more memory, in bytes, than is free, and which flags lower it."""
    free = free_memory(device)
    if needed > free:
        line = f"an update needs about {needed / 1e9:.3g} GB of memory, and {free / 1e9:.3g} GB are free: lower {flags}"
        print(f"warning: {line}", file=sys.stderr)


def told(error, flags):
    """An error in words; one of memory, of torch or numpy, with what is free and which flags lower it."""
    text = str(error)
    if not isinstance(error, (MemoryError, torch.OutOfMemoryError)) and "can't allocate memory" not in text:
        return text
    asked = re.search(r"(\d+) bytes|allocate ([\d.]+ [KMGT]iB)", text)
    asked = asked and (f"{int(asked[1]) / 1e9:.3g} GB" if asked[1] else asked[2])
    gpu = re.search(r"GPU (\d+)", text)
    device = torch.device("cuda", int(gpu[1])) if gpu else torch.device("cpu")
    free = f"{free_memory(device) / 1e9:.3g} GB free{' on ' + str(device) if gpu else ''}"
    return f"there is not enough memory: {asked or 'more'} asked for, {free}; lower {flags}"


# ---- processes that work for this one


def warm_context(*modules):
    """The multiprocessing context of processes that compute: on Linux, forked from one that has torch and `modules`.

    Else each imports torch, and torch's compiler with its first optimizer: four seconds of CPU time.
    """
    if sys.platform == "darwin" or "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "torch._dynamo", *modules])
    return context


def start_process(context, function, *args):
    """Start `function(*args)` in a process of this context, to be killed by who starts it; it ends with this process.

    It is deaf to the signals that a terminal or a cluster sends to all processes of a job.
    """
    process = context.Process(target=_work, args=(function, args))
    if not hasattr(signal, "pthread_sigmask"):  # on Windows
        process.start()
        return process
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        resource_tracker.ensure_running()  # it unblocks two of them
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        process.start()  # it, and on Linux what it is forked from, begin with what is blocked here
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return process


def _work(function, args):
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)

    def end_with_parent():
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()
    function(*args)


# ---- how long something takes: ways timed in turn, in fresh processes, as a user gets them


def benchmark_flags(parser, argv, rounds, devices="device: cpu, cuda, cuda:1, mps, or auto"):
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


def report_medians(measured, json_file, device, sizes):
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

    A new one, as what ran before in a process changes how glibc treats the memory that is freed.
    """
    here, there = multiprocessing.Pipe()
    process = start_process(multiprocessing.get_context("spawn"), _answer, there, keep_memory, function, args)
    there.close()
    try:
        return here.recv()
    except EOFError:
        sys.exit("the process that measured has ended without a word: killed, or out of memory")
    finally:
        process.kill()
        process.join()


def _answer(pipe, keep_memory, function, args):
    torch.set_num_threads(1)
    if keep_memory:
        keep_freed_memory()
    pipe.send(function(*args))


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
