"""What is each gate of the LSTM for? Take it away, or exchange its non-linearity, and train (question 1.5 a).

python part1/experiments/gates.py

One-hot palindromes, part1/train.py's loop and default settings, until two consecutive held-out evaluations reach 99.9 %
(solved), or the updates are spent. Writes gates_ablation.csv (the variants), gates_forget_bias.csv (first forget biases
against length) and gates_activations.csv (the gates of a trained LSTM over one palindrome); plot_gates.py draws them.
"""

import sys
from functools import partial
from itertools import product
from pathlib import Path

if not __package__:  # run as `python part1/experiments/gates.py`: import from the checkout, not from there
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import torch
import torch.nn.functional as F
from torch import nn

from common.arguments import Parser, whole_number
from common.files import write_table
from common.progress import Progress
from common.training import DivergedError
from part1 import train
from part1.dataset import PalindromeDataset, encode
from part1.lstm import LSTM

ROOT = Path(__file__).resolve().parents[2]


class Exchanged(LSTM):
    """The LSTM with other non-linearities of its gates, {gate: function of its sum a}: `Exchanged(D, H, K, i=tanh)`.

    It starts from the LSTM's own first weights, but not from its gates: where σ(0) = 1/2, tanh(0) = 0, and the forget
    gate's bias of 1 gives σ(1) = 0.73 or tanh(1) = 0.76.
    """

    def __init__(self, *sizes, **functions):
        super().__init__(*sizes)
        self.functions = functions

    def gates(self, *sums):
        gates = zip("gifo", super().gates(*sums), sums, strict=True)
        return [self.functions[name](a) if name in self.functions else gate for name, gate, a in gates]


class Coupled(LSTM):
    """The LSTM with i = 1 - f: what is let in is what is given up (Greff et al. 2017); i's own weights are unused."""

    def gates(self, *sums):
        g, _, f, o = super().gates(*sums)
        return g, 1 - f, f, o


class Unsquashed(LSTM):
    """The LSTM with h = c ⊙ o in equation 9."""

    def step(self, x_t, h, c, joined):
        _, c = super().step(x_t, h, c, joined)
        *_, o = self.gates(*self.sums(x_t, h, joined))
        return c * o, c


VARIANTS = {
    "LSTM": LSTM,
    "i = 1": partial(Exchanged, i=torch.ones_like),
    "f = 1": partial(Exchanged, f=torch.ones_like),
    "o = 1": partial(Exchanged, o=torch.ones_like),
    "i = 1 - f": Coupled,
    "g linear": partial(Exchanged, g=lambda a: a),
    "g sigmoid": partial(Exchanged, g=torch.sigmoid),
    "i tanh": partial(Exchanged, i=torch.tanh),
    "f tanh": partial(Exchanged, f=torch.tanh),
    "o tanh": partial(Exchanged, o=torch.tanh),
    "h = c o": Unsquashed,
}
FORGET_BIASES = (-1, 0, 1, 2, 3, 5)
RUN = ("input_length", "seed", "accuracy", "updates", "solved")  # the columns of a run but the first


def trained(build, input_length, num_hidden, seed, updates, patience=2):
    """Train the LSTM that `build(D, H, K)` makes with part1/train.py's loop and default settings, on one-hot digits.

    Returns the model, its held-out accuracy as text, the updates made, and 1 if the task is solved. A run that diverges
    counts as chance, 0.1, after all its updates. The variants of a seed start from the same weights.
    """
    run = {"input_length": input_length, "seed": seed, "train_steps": updates, "patience": patience}
    config = train.settings(model_type="LSTM", input_dim=10, device="cpu", **run)
    torch.manual_seed(seed)
    model = build(config.input_dim, num_hidden, config.num_classes)
    try:
        result = train.train(config, model, train.build_training_set(config), show=False)
    except DivergedError:
        result = {"accuracy": 0.1, "steps": updates, "converged": False}
    return model, f"{result['accuracy']:.4f}", result["steps"], int(result["converged"])


def ablation(flags):
    """Rows of gates_ablation.csv: every variant, length and seed."""
    for (name, build), length, seed in product(VARIANTS.items(), flags.input_length, range(flags.seeds)):
        yield name, length, seed, *trained(build, length, flags.num_hidden, seed, flags.updates)[1:]


def with_forget_bias(b_f, *sizes):
    model = LSTM(*sizes)
    nn.init.constant_(model.b_f, b_f)
    return model


def forget_bias(flags):
    """Rows of gates_forget_bias.csv: lengths in order, until one is not solved: longer ones are not tried."""
    for b_f, seed in product(FORGET_BIASES, range(flags.bias_seeds)):
        for length in sorted(flags.bias_length):
            build = partial(with_forget_bias, b_f)
            _, *result = trained(build, length, flags.num_hidden, seed, flags.bias_updates)
            yield b_f, length, seed, *result
            if result[-1] == 0:
                break


@torch.no_grad()
def run_gates(model, x):
    """g, i, f, o and c at every step of x (B, T, D): a dict of (B, T, H)."""
    _, (h, c) = model(x, return_states=True)
    h_before = F.pad(h, (0, 0, 1, -1))  # h_0 … h_{T-1} (B, T, H)
    columns = (s.flatten(0, 1).T for s in (x, h_before))  # all steps beside each other: (D, B T), (H, B T)
    gates = model.gates(*model.sums(*columns, model.joined()))
    return dict(zip("gifoc", [*(gate.T.view(c.shape) for gate in gates), c], strict=True))


def share_explained(values, classes):
    """Share of the variance of values (N, …) that lies between their classes (N,), 0 to 1: (…); 0 if it is constant.

    The squared correlation ratio η²: 1 where the class fixes the value, about 0 where it says nothing.
    """
    means = torch.stack([values[classes == k].mean(dim=0) for k in range(int(classes.max()) + 1)])  # of each class
    share = means[classes].var(dim=0, correction=0) / values.var(dim=0, correction=0)
    return share.nan_to_num(0)  # 0 / 0


def activations(flags, palindromes=2_000):
    """Rows of gates_activations.csv: a trained LSTM's gates on one held-out palindrome, and what c_t keeps on average.

    The last column is the share of the variance of c_t over `palindromes` that the first digit explains.
    """
    length, H = max(flags.input_length), flags.num_hidden
    model, accuracy, steps, _ = trained(LSTM, length, H, 0, 2 * flags.updates, patience=5)  # part1/train.py's patience
    digits, _ = PalindromeDataset(length + 1, 1, held_out=True).batch(palindromes)
    over_time = run_gates(model, encode(digits, 10))
    share = share_explained(over_time["c"].double(), digits[:, 0])  # (T, H)
    for t, unit in product(range(length), range(H)):
        values = (*(over_time[name][0, t, unit] for name in "gifoc"), share[t, unit])
        yield steps, accuracy, t + 1, digits[0, t].item(), unit, *(f"{value:.3f}" for value in values)


def main(argv=None):
    parser = Parser(__doc__.split("\n")[0])
    length, seeds, updates = (whole_number(1, most) for most in (100_000, 1_000, 10**6))
    parser.add_argument("--input_length", type=length, nargs="+", default=[10, 20], help="digits to read, of variants")
    parser.add_argument("--bias_length", type=length, nargs="+", default=[10, 20, 30, 50], help="of forget biases")
    parser.add_argument("--seeds", type=seeds, default=5, help="seeds 0, 1, … of every variant")
    parser.add_argument("--bias_seeds", type=seeds, default=3, help="seeds of every forget bias")
    parser.add_argument("--updates", type=updates, default=800, help="updates of a variant, at most")
    parser.add_argument("--bias_updates", type=updates, default=500, help="updates with a forget bias, at most")
    parser.add_argument("--num_hidden", type=whole_number(1, 10_000), default=128, help="units")
    parser.add_argument("--output_dir", default=str(ROOT / "results/part1"), help="folder for the three tables")
    flags = parser.parse_args(argv)
    runs = len(VARIANTS) * len(flags.input_length) * flags.seeds
    runs += len(FORGET_BIASES) * len(flags.bias_length) * flags.bias_seeds  # at most
    columns = ("updates", "accuracy", "t", "digit", "unit", *"gifoc", "first_digit_share")
    try:
        folder = Path(flags.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        train.prepare_process()
        write_table(folder / "gates_activations.csv", columns, activations(flags))
        with Progress(runs, unit="run") as progress:
            for name, column, rows in (("ablation", "variant", ablation), ("forget_bias", "b_f", forget_bias)):
                kept = []
                for row in rows(flags):
                    kept.append(row)
                    progress.advance("{} {}, length {}, seed {}: accuracy {}".format(column, *row))
                write_table(folder / f"gates_{name}.csv", (column, *RUN), kept)
    except (ValueError, OSError) as error:
        parser.error(error)


if __name__ == "__main__":
    main()
