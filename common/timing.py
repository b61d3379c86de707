"""Times that can be compared on a noisy machine: functions in turn, CPU time, ratios within a round."""

import statistics
import time

import torch


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


def in_turn(functions, rounds, device, after_round=lambda: None):
    """Seconds of every round, {name: [seconds, ...]}, for functions {name: function} called one after the other.

    Two rounds before the first are not counted: they fill the caches. `after_round` is called behind each.
    """
    seconds = {name: [] for name in functions}
    for _ in range(rounds + 2):
        for name, function in functions.items():
            seconds[name].append(timed(function, device))
        after_round()
    return {name: values[2:] for name, values in seconds.items()}


def quartiles_of_ratio(numerators, denominators):
    """Lower quartile, median and upper quartile over the rounds of one round's ratio: what slows one slows both."""
    return statistics.quantiles((a / b for a, b in zip(numerators, denominators, strict=True)), n=4)
