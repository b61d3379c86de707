"""What does the time gate cost? A training step beside part 1's LSTM, models in turn; and memory against length.

python part2/benchmark.py --json benchmark.json

Times and ratios, and what `.kept` after a key is, are as in part1/benchmark.py. Memory is counted, not sampled: the
bytes of all tensors that autograd keeps for the backward pass of one step.
"""

import json
import statistics
import sys
from pathlib import Path

if not __package__:  # run as `python part2/benchmark.py`: import from the checkout, not from part2/
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import torch
import torch.nn.functional as F

from common.arguments import Parser, new_file, whole_number
from common.device import choose_device, describe, in_fresh_process, in_turn, quartiles_of_ratio
from common.files import write_atomically
from common.progress import Progress
from part1.benchmark import STATES, training_step
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
    """{model: (seconds of every round, bytes kept for the backward pass)} for T digits to read, in this process."""
    torch.manual_seed(0)
    torch.set_flush_denormal(True)
    device = choose_device(config.device)
    x, _, _, target = Palindromes(T + 1).batch(config.batch_size)
    x, target = x.to(device), target.to(device)
    cells = {name: place(model, device) for name, model in models(config.num_hidden).items()}
    seconds = in_turn({name: training_step(model, x, target) for name, model in cells.items()}, config.rounds, device)
    return {name: (seconds[name], saved_bytes(model, x, target)) for name, model in cells.items()}


def main(argv=None):
    parser = Parser(__doc__.split("\n")[0])
    parser.add_argument("--input_length", nargs="+", type=whole_number(2, 100_000), default=[100, 200, 400, 800])
    parser.add_argument("--num_hidden", type=whole_number(1, 10_000), default=128, help="units")
    parser.add_argument("--batch_size", type=whole_number(1, 1_000_000), default=128, help="palindromes a step")
    parser.add_argument("--rounds", type=whole_number(3, 100_000), default=20, help="times that each model is timed")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, mps, or auto")
    parser.add_argument("--json", type=new_file, metavar="FILE", help="write the medians there")
    config = parser.parse_args(argv)
    try:
        device = choose_device(config.device)
    except ValueError as error:
        parser.error(error)
    figures = {}
    lines = [f"torch {torch.__version__}, {describe(device)}, batch {config.batch_size}, {config.num_hidden} units"]
    with Progress(len(config.input_length) * len(STATES), unit="process") as progress:
        for T in config.input_length:
            for state, keep_memory in STATES.items():
                measured = in_fresh_process(measure, T, config, keep_memory=keep_memory)
                for name, (seconds, memory) in measured.items():
                    low, ratio, high = quartiles_of_ratio(seconds, measured["lstm"][0])
                    milliseconds = 1000 * statistics.median(seconds)
                    figures[f"{name}_ms.T{T}{state}"] = round(milliseconds, 3)
                    figures[f"{name}_over_lstm.T{T}{state}"] = round(ratio, 4)
                    figures[f"{name}_bytes_per_step.T{T}"] = round(memory / T)  # in either state the same
                    time = f"{milliseconds:9.1f} ms  {ratio:6.3f} × lstm ({low:.3f} to {high:.3f})"
                    lines.append(f"{f'{name}.T{T}{state}':<26} {time}  {memory / T / 1e6:6.3f} MB per time step")
                progress.advance(f"T = {T}{state}")
    print("\n".join(lines))
    if config.json:
        write_atomically(config.json, json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
