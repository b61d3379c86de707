"""Worker processes that start fast."""

import multiprocessing
import sys


def warm_context(*modules):
    """The multiprocessing context of processes that compute: on Linux, forked from one that has torch and `modules`.

    Else each would import torch, and torch's compiler with its first optimizer: four seconds of CPU time.
    """
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "torch._dynamo", *modules])
    return context
