"""What becomes of memory that is freed: kept for the next step, or given back to the system."""

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4  # glibc's malloc.h


def keep_freed_memory():
    """Keep freed blocks for the next step; taking them from the system anew costs a page fault for each 4 KiB.

    Without glibc nothing happens.
    """
    _mallopt({M_MMAP_MAX: 0, M_TRIM_THRESHOLD: 2**31 - 1})


def return_freed_memory():
    """Give freed blocks of 128 KiB and more back to the system at once: the thresholds that glibc begins with, held.

    Left alone, glibc raises them by the blocks that it sees freed, so that what ran before in a process makes the next
    faster.
    """
    _mallopt({M_MMAP_MAX: 65_536, M_MMAP_THRESHOLD: 2**17, M_TRIM_THRESHOLD: 2**17})


def _mallopt(options):
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    for option, value in options.items():
        mallopt(option, value)
