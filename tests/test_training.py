"""common/training.py: the clock, weights that are not finite, a second Ctrl-C; and imports that change nothing."""

import os
import signal
import subprocess
import sys

import pytest
import torch

from common import training
from common.training import Clock, DivergedError, check_finite
from tests.scripts import ROOT


@pytest.fixture
def hands(monkeypatch):
    """The clock's two hands, {name: seconds}, to be moved by hand."""
    time = {"process_time": 50.0, "monotonic": 70.0}
    for name in time:
        monkeypatch.setattr(training.time, name, lambda name=name: time[name])
    return time


def test_a_clock_continues_where_it_was_and_stands_while_paused(hands):
    clock = Clock()
    clock.load_state_dict({"cpu_seconds": 100.0, "wall_seconds": 200.0})
    hands["process_time"] += 1.5
    hands["monotonic"] += 2.5
    assert clock.seconds() == (101.5, 202.5)
    with clock.paused():
        hands["process_time"] += 10
    hands["process_time"] += 1
    assert clock.state_dict() == {"cpu_seconds": 102.5, "wall_seconds": 202.5}


def test_weights_that_are_not_finite_are_told_with_their_step():
    model = torch.nn.Linear(2, 2)
    check_finite(model, 3, 0.5, 1.0)
    with torch.no_grad():
        model.weight[0, 0] = torch.inf
    with pytest.raises(DivergedError, match=r"step 3: loss 0\.5, length of the gradient nan, of the weights inf"):
        check_finite(model, 3, torch.tensor(0.5), torch.nan)


DEAF = """
import time
from common.training import StopFlag
stop = StopFlag()
print("ready", flush=True)
while True:
    time.sleep(0.01)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send Ctrl-C to a process")
def test_a_second_ctrl_c_ends_at_once():
    process = subprocess.Popen([sys.executable, "-c", DEAF], cwd=ROOT, stdout=subprocess.PIPE)
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=0.5)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130


IMPORTING = """
import signal, matplotlib, torch, tqdm
def settings():
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    return dict(matplotlib.rcParams), tqdm.tqdm.get_lock(), torch.get_num_threads(), torch.initial_seed(), handlers
before = settings()
import common.figures, common.printing, part1.sweep, part2.train, part3.train, part3.generate
assert settings() == before
"""


def test_importing_changes_nothing_global():
    subprocess.run([sys.executable, "-c", IMPORTING], cwd=ROOT, check=True)
