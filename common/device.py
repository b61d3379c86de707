"""Which processor computes, on how many threads, with what memory."""

import ctypes
import os

import torch

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # glibc's malloc.h


def choose_device(name, needs_float64=False):
    """The torch.device called `name`: "auto" (cuda, then mps, then cpu), "cpu", "mps", "cuda" or "cuda:1".

    With `needs_float64` mps is none of them: it has no such numbers. Raises ValueError, in one line, for a name that
    is no device and for a device that is not there.
    """
    if name == "auto":
        mps = torch.backends.mps.is_available() and not needs_float64
        return torch.device("cuda" if torch.cuda.is_available() else "mps" if mps else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda", "mps"):
        raise ValueError(f"device {name!r} is not one of auto, cpu, mps, cuda, cuda:0, cuda:1, ...")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"device {name!r} is not there: this torch sees {torch.cuda.device_count()} CUDA devices")
    if device.type == "mps" and needs_float64:
        raise ValueError(f"device {name!r} has no float64 numbers, which the phases of the time gate need")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ValueError(f"device {name!r} is not there: this machine or this torch has no MPS")
    return device


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
