"""Which processor computes, on how many threads, with what memory."""

import ctypes
import math
import os
import re
import sys

import torch

# How far a device may be off from the CPU, as a share of the length: products that CUDA rounds to TF32 are by 0.001.
TOLERANCE = 0.01
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # glibc's malloc.h


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

    The CPU needs no such trial. Where "auto" found another device, and the step raises an error there, or its loss or
    its gradients together are not the CPU's to within TOLERANCE, a line on stderr says so and the CPU is given.

    Args:
        small_step: a function of a torch.device: a model there, of the same weights on each, and its loss on a batch.

    Raises ValueError, in one line, as `choose_device` does, and for a named device on which the step raises an error.
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


def has_float64(device):
    """Whether a torch.device has numbers of 64 bits; Apple's GPUs have none."""
    return device.type != "mps"


def cores():
    """How many CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def limit_threads():
    """Compute on one CPU thread, unless OMP_NUM_THREADS in the environment says how many.

    More threads change the order of sums, and so the numbers; and threads that wait for each other on a busy machine
    make small models many times slower.
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
    """Keep freed blocks for the next step; taking them from the system anew costs a page fault for each 4 KiB.

    Without glibc nothing happens.
    """
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    mallopt(M_MMAP_MAX, 0)
    mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def free_memory(device):
    """Bytes that are free for a torch.device now; infinity where the system does not say."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            return next(1024 * int(line.split()[1]) for line in file if line.startswith("MemAvailable"))
    except OSError:
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
    free = free_memory(torch.device("cpu"))
    return f"there is not enough memory: {asked or 'more'} asked for, {free / 1e9:.3g} GB free; lower {flags}"


def _loss_and_gradients(small_step, device):
    """What `small_step` gives on a device, on the CPU: the loss, and the gradients of all parameters as one vector."""
    model, loss = small_step(device)
    loss.backward()
    gradients = [p.grad.cpu().double().flatten() for p in model.parameters() if p.grad is not None]
    return loss.detach().cpu(), torch.cat(gradients)
