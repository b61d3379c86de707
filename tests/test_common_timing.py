"""common/timing.py: a GPU is waited for, the one that computes."""

import torch

from common.timing import in_turn, timed


def test_the_device_that_computes_is_waited_for_before_and_behind(monkeypatch):
    calls = []
    monkeypatch.setattr(torch.accelerator, "synchronize", lambda *device: calls.append(device))
    device = torch.device("cuda:1")
    assert timed(lambda: calls.append("function"), device) >= 0
    assert calls == [(device,), "function", (device,)]


def test_functions_take_turns_and_two_rounds_are_not_counted():
    calls = []
    functions = {name: lambda name=name: calls.append(name) for name in "ab"}
    seconds = in_turn(functions, 3, torch.device("cpu"), lambda: calls.append("|"))
    assert "".join(calls) == "ab|" * 5 and [len(seconds[name]) for name in "ab"] == [3, 3]
