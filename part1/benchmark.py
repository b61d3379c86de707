"""How fast are the cells written by hand? A training step beside torch's own, models in turn, as a user gets it.

python part1/benchmark.py --json benchmark.json

Each figure is CPU time on one thread (on a GPU: wall time, the GPU waited for), the median over rounds. A ratio is the
median over the rounds of one round's ratio, with its quartiles: what slows the machine slows both sides of it.

- rnn, lstm: a training step of ours on a batch that lies there; nn_: torch's own layer; textbook_: a cell as a tutorial
  writes it, two products a gate and step; _products: the recurrent products alone, the floor.
- batch: a batch of ours; whole_: it and the step; course_: the same with the textbook cell and the batches of the
  course's template, a digit at a time through a DataLoader, here in the main process.

All of it is measured twice, in a fresh process each: as Python starts, and, with `.kept` after the key, with freed
memory kept for the next step (`common.device.keep_freed_memory`), where nn.LSTM is at its best. Denormal numbers are
taken as 0, as part1/train.py has it.
"""

import math
import sys
from pathlib import Path

if not __package__:  # run as `python part1/benchmark.py`: import from the checkout, not from part1/
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset

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
from part1.dataset import PalindromeDataset, encode
from part1.lstm import LSTM
from part1.train import OPTIMIZERS, update
from part1.vanilla_rnn import VanillaRNN


class TorchModel(nn.Module):
    """The yardstick: nn.RNN or nn.LSTM and nn.Linear."""

    def __init__(self, kind, D, H, K):
        super().__init__()
        self.rnn = kind(D, H, batch_first=True)
        self.out = nn.Linear(H, K)

    def forward(self, x):
        return self.out(self.rnn(x)[0][:, -1])


class TextbookRNN(VanillaRNN):
    """Equations 1-2 as a tutorial writes them: rows, one product per weight matrix and step."""

    def forward(self, x):
        h = x.new_zeros(len(x), len(self.b_h))
        for x_t in x.unbind(dim=1):
            h = torch.tanh(x_t @ self.W_hx.T + h @ self.W_hh.T + self.b_h)
        return h @ self.W_ph.T + self.b_p


class TextbookLSTM(LSTM):
    """Equations 4-10 as a tutorial writes them: rows, two products per gate and step."""

    def forward(self, x):
        h = c = x.new_zeros(len(x), len(self.b_g))
        for x_t in x.unbind(dim=1):
            g = torch.tanh(x_t @ self.W_gx.T + h @ self.W_gh.T + self.b_g)
            i = torch.sigmoid(x_t @ self.W_ix.T + h @ self.W_ih.T + self.b_i)
            f = torch.sigmoid(x_t @ self.W_fx.T + h @ self.W_fh.T + self.b_f)
            o = torch.sigmoid(x_t @ self.W_ox.T + h @ self.W_oh.T + self.b_o)
            c = g * i + c * f
            h = torch.tanh(c) * o
        return h @ self.W_ph.T + self.b_p


class CourseDataset(Dataset):
    """Palindromes as the course's template draws them: one at a time, a digit at a time, none held out."""

    def __init__(self, seq_length):
        self.seq_length = seq_length

    def __len__(self):
        return sys.maxsize

    def __getitem__(self, item):
        """Digits (T - 1,), float32, and the target, an int."""
        left = np.array([np.random.randint(10) for _ in range(math.ceil(self.seq_length / 2))], dtype=np.float32)
        palindrome = np.concatenate([left, left[: self.seq_length // 2][::-1]])
        return palindrome[:-1], int(palindrome[-1])


class Products(nn.Module):
    """The floor: nothing but a cell's T - 1 recurrent products of a step, forward and backward."""

    def __init__(self, gates, D, H, K):
        super().__init__()
        self.W = nn.Parameter(torch.empty(gates * H, H).uniform_(-0.1, 0.1))

    def forward(self, x):
        h = torch.ones(self.W.shape[1], len(x), device=x.device)
        grad = torch.ones(self.W.shape[0], len(x), device=x.device)
        for _ in range(x.shape[1] - 1):
            self.W @ h  # forward
            self.W.T @ grad  # with respect to h
            grad @ h.T  # with respect to W


def models(D, H, K):
    """Name: model, all with the same sizes; the two cells' yardsticks first."""
    return {
        "nn_rnn": TorchModel(nn.RNN, D, H, K),
        "rnn": VanillaRNN(D, H, K),
        "textbook_rnn": TextbookRNN(D, H, K),
        "rnn_products": Products(1, D, H, K),
        "nn_lstm": TorchModel(nn.LSTM, D, H, K),
        "lstm": LSTM(D, H, K),
        "textbook_lstm": TextbookLSTM(D, H, K),
        "lstm_products": Products(4, D, H, K),
    }


RATIOS = [(name, f"nn_{cell}") for cell in ("rnn", "lstm") for name in (cell, f"textbook_{cell}", f"{cell}_products")]
RATIOS += [("batch", "lstm")]


def training_step(model, batch):
    """A function that makes one update of the model, as part1/train.py makes it, on what `batch` gives: x, target."""
    if isinstance(model, Products):
        return torch.no_grad()(lambda: model(batch()[0]))
    optimizer = OPTIMIZERS["rmsprop"](model.parameters(), 0.0001)

    def step():
        x, target = batch()
        update(model, optimizer, F.cross_entropy(model(x), target), max_norm=10.0)

    return step


def prepared(T, config):
    """For T input digits: the device, {name: model} there, and functions that give a batch of ours, of the course's."""
    torch.manual_seed(0)
    torch.set_flush_denormal(True)
    device, dataset = choose_device(config.device), PalindromeDataset(T + 1)
    loader = iter(DataLoader(CourseDataset(T + 1), config.batch_size))

    def batch():
        digits, target = dataset.batch(config.batch_size)
        return encode(digits.to(device), config.input_dim), target.to(device)

    def course_batch():
        digits, target = next(loader)
        return encode(digits.long().to(device), config.input_dim), target.to(device)

    cells = models(config.input_dim, config.num_hidden, 10)
    return device, {name: model.to(device) for name, model in cells.items()}, batch, course_batch


def measure_steps(T, config):
    """Quartiles, {key: (low, median, high)}, for T input digits: ms of a step or a batch, and RATIOS."""
    device, cells, batch, _ = prepared(T, config)
    lying_there = batch()
    functions = {name: training_step(model, lambda: lying_there) for name, model in cells.items()}
    seconds = in_turn({**functions, "batch": batch}, config.rounds, device)
    measured = {f"{name}_ms.T{T}": milliseconds(values) for name, values in seconds.items()}
    for name, base in RATIOS:
        measured[f"{name}_over_{'step' if name == 'batch' else base}.T{T}"] = quartiles_of_ratio(
            seconds[name], seconds[base]
        )
    return measured


def measure_whole(T, config, cell):
    """Quartiles, {key: (low, median, high)}, for T digits: ms of a cell's whole updates, ours and the course's."""
    device, cells, batch, course_batch = prepared(T, config)
    ours, course = training_step(cells[cell], batch), training_step(cells[f"textbook_{cell}"], course_batch)
    seconds = in_turn({"whole": ours, "course": course}, config.rounds, device)
    measured = {f"{way}_{cell}_ms.T{T}": milliseconds(values) for way, values in seconds.items()}
    ratio = quartiles_of_ratio(seconds["course"], seconds["whole"])
    return {**measured, f"course_over_whole_{cell}.T{T}": ratio}


def main(argv=None):
    parser = Parser(__doc__)
    lengths = {"type": whole_number(2, 100_000), "default": [5, 10, 50, 100]}
    parser.add_argument("--input_length", nargs="+", **lengths, help="digits to read, several lengths")
    parser.add_argument("--input_dim", type=int, choices=(1, 10), default=1, help="1: a raw digit, 10: one-hot")
    parser.add_argument("--num_hidden", type=whole_number(1, 10_000), default=128, help="hidden units")
    parser.add_argument("--batch_size", type=whole_number(1, 1_000_000), default=128, help="palindromes per update")
    config, device = benchmark_flags(parser, argv, rounds=100)
    with parser.printing():
        steps = [(measure_steps, T, config) for T in config.input_length]
        whole = [(measure_whole, T, config, cell) for T in config.input_length for cell in ("rnn", "lstm")]
        measured = in_both_states(steps + whole)
        report_medians(measured, config.json, device, f"batch {config.batch_size}, {config.num_hidden} units")


if __name__ == "__main__":
    main()
