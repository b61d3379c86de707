"""What does the time gate cost? A training step beside part 1's LSTM, models in turn; and memory against length.

python part2/benchmark.py --json benchmark.json

Times and ratios, and what `.kept` after a key is, are as in part1/benchmark.py. Memory is counted, not sampled: the
bytes of all tensors that autograd keeps for the backward pass of one step.
"""

import sys
from pathlib import Path

if not __package__:  # run as `python part2/benchmark.py`: import from the checkout, not from part2/
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

import torch
import torch.nn.functional as F

from common.arguments import Parser, whole_number
from common.device import (
    benchmark_flags,
    choose_device,
    in_both_states,
    in_turn,
    milliseconds,
    quartiles_of_ratio,
    report_medians,
)
from part1.benchmark import training_step
from part1.lstm import LSTM
from part2.dataset import Palindromes
from part2.time_gate import AlwaysOpen, TimeGate
from part2.time_gated_lstm import TimeGatedLSTM
from part2.train import place


class OwnTimes(TimeGatedLSTM):
    """The time-gated LSTM given time stamps of its own for every sequence, as asynchronous samples have them."""

    def forward(self, x):
        return super().forward(x, t=torch.arange(1, x.shape[1] + 1).expand(len(x), -1))


def models(H):
    """Name: model, all for one-hot digits with H units; part 1's LSTM first."""
    return {
        "lstm": LSTM(10, H, 10),
        "always_open": TimeGatedLSTM(10, H, 10, AlwaysOpen(H)),
        "gated": TimeGatedLSTM(10, H, 10, TimeGate(H, leak=0.001)),
        "gated_own_times": OwnTimes(10, H, 10, TimeGate(H, leak=0.001)),
    }


def saved_bytes(model, x, target):
    """Bytes of the distinct tensors that autograd keeps for the backward pass of one step, parameters not counted."""
    own = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = F.cross_entropy(model(x), target)  # held here: what is freed could be counted twice, or not at all
    del loss
    return sum(size for address, size in kept.items() if address not in own)


def measure(T, config):
    """Quartiles, {key: (low, median, high)}, for T digits: ms of a step, its ratio, bytes kept for backward a step."""
    torch.manual_seed(0)
    torch.set_flush_denormal(True)
    device = choose_device(config.device)
    x, _, _, target = Palindromes(T + 1).batch(config.batch_size)
    x, target = x.to(device), target.to(device)
    cells = {name: place(model, device) for name, model in models(config.num_hidden).items()}
    steps = {name: training_step(model, lambda: (x, target)) for name, model in cells.items()}
    seconds = in_turn(steps, config.rounds, device)
    measured = {}
    for name, model in cells.items():
        measured[f"{name}_ms.T{T}"] = milliseconds(seconds[name])
        measured[f"{name}_over_lstm.T{T}"] = quartiles_of_ratio(seconds[name], seconds["lstm"])
        measured[f"{name}_bytes_per_step.T{T}"] = [saved_bytes(model, x, target) / T] * 3
    return measured


def main(argv=None):
    parser = Parser(__doc__)
    lengths = {"type": whole_number(2, 100_000), "default": [100, 200, 400, 800]}
    parser.add_argument("--input_length", nargs="+", **lengths, help="time steps, several lengths")
    parser.add_argument("--num_hidden", type=whole_number(1, 10_000), default=128, help="hidden units")
    parser.add_argument("--batch_size", type=whole_number(1, 1_000_000), default=128, help="palindromes per update")
    config, device = benchmark_flags(parser, argv, rounds=20)
    with parser.printing():
        measured = in_both_states([(measure, T, config) for T in config.input_length])
        report_medians(measured, config.json, device, f"batch {config.batch_size}, {config.num_hidden} units")


if __name__ == "__main__":
    main()
