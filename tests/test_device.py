"""common/device.py: which processor, how many threads, what memory, and how long something takes."""

import os
import subprocess
import sys
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from common import device
from common.device import choose_device, has_float64, in_fresh_process, in_turn, timed
from tests.scripts import ROOT


@pytest.mark.parametrize("name", ["cuda:99", "gpu", "", "cuda:x", "meta", "xpu"])
def test_a_device_that_is_not_there_is_named(name):
    assert choose_device("cpu") == torch.device("cpu")
    with pytest.raises(ValueError, match=r"\A[^\n]*\Z") as caught:
        choose_device(name)
    assert repr(name) in str(caught.value)


def test_auto_takes_mps_where_there_is_no_cuda(monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    for cuda, found in ((False, "mps"), (True, "cuda")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda cuda=cuda: cuda)
        assert choose_device("auto").type == found and choose_device("mps").type == "mps"
    assert [has_float64(torch.device(name)) for name in ("cpu", "cuda:1", "mps")] == [True, True, False]


PRODUCT = """
import os
import common
import numpy as np
np.ones((600, 600), np.float32) @ np.ones((600, 600), np.float32)
print(len(os.listdir("/proc/self/task")))
"""


@pytest.mark.skipif(
    not os.path.isdir("/proc/self/task") or device.cores() < 2, reason="threads are counted on Linux, with two cores"
)
@pytest.mark.parametrize("asked, threads", [({}, 1), ({"OMP_NUM_THREADS": "2"}, 2), ({"OPENBLAS_NUM_THREADS": "2"}, 2)])
def test_the_products_of_numpy_take_one_thread_unless_more_are_asked_for(asked, threads):
    free = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    done = subprocess.run([sys.executable, "-c", PRODUCT], cwd=ROOT, env=free | asked, check=True, capture_output=True)
    assert int(done.stdout) == threads


def test_the_device_that_computes_is_waited_for_before_and_after(monkeypatch):
    calls = []
    monkeypatch.setattr(torch.accelerator, "synchronize", lambda *devices: calls.append(devices))
    cuda = torch.device("cuda:1")
    assert timed(lambda: calls.append("function"), cuda) >= 0
    assert calls == [(cuda,), "function", (cuda,)]


def test_functions_take_turns_and_two_rounds_are_not_counted():
    calls = []
    functions = {name: lambda name=name: calls.append(name) for name in "ab"}
    seconds = in_turn(functions, 3, torch.device("cpu"))
    assert "".join(calls) == "ab" * 5 and [len(seconds[name]) for name in "ab"] == [3, 3]


def test_a_fresh_process_has_one_thread_and_keeps_freed_memory_only_if_told(monkeypatch):
    assert in_fresh_process(torch.get_num_threads) == 1
    assert in_fresh_process(os.getpid) != os.getpid()
    kept = []
    monkeypatch.setattr(device, "keep_freed_memory", lambda: kept.append(True))
    for keep in (False, True):
        device._answer(Mock(), keep, int, ())
    assert kept == [True]


def test_a_lack_of_memory_is_told_with_what_was_asked_for_and_the_flags_that_lower_it(monkeypatch, capsys):
    monkeypatch.setattr(device, "free_memory", lambda of: 3e9 if of.type == "cpu" else 2e7)
    with pytest.raises(RuntimeError) as of_torch:
        torch.empty(10**15, dtype=torch.uint8)
    with pytest.raises(MemoryError) as of_numpy:
        np.empty(10**15, dtype=np.uint8)
    for caught, asked in ((of_torch, "1e+06 GB"), (of_numpy, "909. TiB")):
        line = f"there is not enough memory: {asked} asked for, 3 GB free; lower --x"
        assert device.told(caught.value, "--x") == line
    of_cuda = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 22.00 MiB. GPU 1 has a total capacity of …")
    line = "there is not enough memory: 22.00 MiB asked for, 0.02 GB free on cuda:1; lower --x"
    assert device.told(of_cuda, "--x") == line
    assert device.told(RuntimeError("something else"), "--x") == "something else"
    for needed, lines in ((2e9, 0), (4e9, 1)):
        device.warn_of_memory(needed, torch.device("cpu"), "--x")
        err = capsys.readouterr().err
        assert err.count("\n") == lines and (not lines or "about 4 GB of memory, and 3 GB are free: lower --x" in err)
