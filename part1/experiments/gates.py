"""What is each gate of the LSTM for? Take it away, or exchange its non-linearity, and train (question 1.5 a).

python part1/experiments/gates.py

One-hot palindromes, part1/train.py's loop and default settings, until two held-out evaluations running reach 99.9 %
(solved), or the updates are spent. Writes gates_ablation.csv (the variants), gates_forget_bias.csv (first forget biases
against length) and gates_activations.csv (the gates of a trained LSTM over one palindrome); part1/experiments/plot_gates.py draws
them.
"""

import sys
from pathlib import Path

if not __package__:  # run as `python part1/experiments/ablate_gates.py`: import from the checkout, not from there
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import torch

from common.arguments import Parser, whole_number
from common.ending import DivergedError
from common.files import write_atomically
from common.progress import Progress
from part1 import train
from part1.dataset import PalindromeDataset, encode
from part1.lstm import LSTM

ROOT = Path(__file__).resolve().parents[2]


def one(a):
    """A gate that is not there: open, whatever its pre-activation a."""
    return torch.ones_like(a)


def linear(a):
    return a


class ExchangedLSTM(LSTM):
    """The LSTM with other non-linearities in equations 4-9, a function of the pre-activation each.

    Weights are drawn as the LSTM draws them, so a seed's variants start from the same ones. What starts differently is
    the gate: σ(0) = 1/2 and tanh(0) = 0; the forget gate's bias 1 gives σ(1) = 0.73 and tanh(1) = 0.76.
    """

    def __init__(self, *sizes, g=torch.tanh, i=torch.sigmoid, f=torch.sigmoid, o=torch.sigmoid, c=torch.tanh):
        super().__init__(*sizes)
        self.of_g, self.of_i, self.of_f, self.of_o, self.of_c = g, i, f, o, c

    def gates(self, x_t, h, joined):
        W_x, W_h, b = joined
        a = torch.addmm(b, W_x, x_t)  # (4H, B)
        if h is not None:
            a.addmm_(W_h, h)
        g, i, f, o = a.chunk(4)
        return self.of_g(g), self.of_i(i), self.of_f(f), self.of_o(o)

    def step(self, x_t, h, c, joined):
        g, i, f, o = self.gates(x_t, h, joined)
        c = g * i if c is None else g * i + c * f
        h = self.of_c(c) * o
        return h, c


class CoupledLSTM(LSTM):
    """The LSTM with i = 1 - f: what is let in is what is given up (Greff et al. 2017); i's own weights rest."""

    def gates(self, x_t, h, joined):
        g, _, f, o = super().gates(x_t, h, joined)
        return g, 1 - f, f, o


VARIANTS = {
    "LSTM": (LSTM, {}),
    "i = 1": (ExchangedLSTM, {"i": one}),
    "f = 1": (ExchangedLSTM, {"f": one}),
    "o = 1": (ExchangedLSTM, {"o": one}),
    "i = 1 - f": (CoupledLSTM, {}),
    "g linear": (ExchangedLSTM, {"g": linear}),
    "g sigmoid": (ExchangedLSTM, {"g": torch.sigmoid}),
    "i tanh": (ExchangedLSTM, {"i": torch.tanh}),
    "f tanh": (ExchangedLSTM, {"f": torch.tanh}),
    "o tanh": (ExchangedLSTM, {"o": torch.tanh}),
    "h = c o": (ExchangedLSTM, {"c": linear}),
}
FORGET_BIASES = (-1, 0, 1, 2, 3, 5)


def settings(input_length, seed, updates, num_hidden):
    """part1/train.py's default settings but for these, one-hot digits, and a patience of 2 evaluations, not 5."""
    words = f"--model_type LSTM --input_dim 10 --device cpu --patience 2 --input_length {input_length} --seed {seed}"
    return train.build_parser().parse_args(f"{words} --train_steps {updates} --num_hidden {num_hidden}".split())


def build_variant(name, config):
    """A variant of VARIANTS, drawn from the seed of the settings."""
    torch.manual_seed(config.seed)
    model, options = VARIANTS[name]
    return model(config.input_dim, config.num_hidden, config.num_classes, **options)


def train_model(model, config):
    """Train `model` with part1/train.py's loop; returns final held-out accuracy, updates made, and whether solved.

    A run that diverges counts as chance, 0.1, after all its updates.
    """
    try:
        result = train.train(config, show=False, model=model)
    except DivergedError:
        return 0.1, config.train_steps, False
    return result["accuracy"], result["steps"], result["converged"]


def ablation(lengths, seeds, updates, num_hidden, progress):
    """Rows of gates_ablation.csv: every variant, length and seed."""
    for name in VARIANTS:
        for length in lengths:
            for seed in range(seeds):
                config = settings(length, seed, updates, num_hidden)
                accuracy, steps, solved = train_model(build_variant(name, config), config)
                progress.advance(f"{name}, length {length}: accuracy {accuracy:.4f} after {steps} updates")
                yield f"{name},{length},{seed},{accuracy:.4f},{steps},{solved:d}"


def forget_bias(lengths, seeds, updates, num_hidden, progress):
    """Rows of gates_forget_bias.csv: lengths in order, until one is not solved: longer ones are not tried."""
    for b_f in FORGET_BIASES:
        for seed in range(seeds):
            solved = True
            for length in sorted(lengths):
                if solved:
                    config = settings(length, seed, updates, num_hidden)
                    model = build_variant("LSTM", config)
                    torch.nn.init.constant_(model.b_f, b_f)
                    accuracy, steps, solved = train_model(model, config)
                    yield f"{b_f},{length},{seed},{accuracy:.4f},{steps},{solved:d}"
                    progress.advance(f"b_f = {b_f}, length {length}: accuracy {accuracy:.4f} after {steps} updates")
                else:
                    progress.advance()


@torch.no_grad()
def run_gates(model, x):
    """g, i, f, o and c at every step of x (B, T, D): a dict of (T, B, H)."""
    h = c = None
    joined, over_time = model.joined(), {name: [] for name in "gifoc"}
    for x_t in x.permute(1, 2, 0):  # (D, B)
        gates = model.gates(x_t, h, joined)
        h, c = model.step(x_t, h, c, joined)
        for name, values in zip("gifoc", (*gates, c), strict=True):
            over_time[name].append(values.T)
    return {name: torch.stack(values) for name, values in over_time.items()}


def share_explained(values, classes):
    """Share of the variance of values (N, H) that lies between their classes (N,), 0 to 1: (H,); 0 if it is constant.

    The squared correlation ratio η²: 1 where the class fixes the value, about 0 where it says nothing.
    """
    total = values.var(dim=0, correction=0)
    between = sum(
        (classes == k).double().mean() * (values[classes == k].mean(dim=0) - values.mean(dim=0)).square()
        for k in classes.unique()
    )
    return torch.where(total > 0, between / total.clamp(min=1e-30), 0.0)


def activations(length, updates, num_hidden, palindromes=2_000):
    """Rows of gates_activations.csv: a trained LSTM's gates on one held-out palindrome, and what c_t keeps on average.

    The last column is the share of the variance of c_t over `palindromes` that the first digit explains.
    """
    config = settings(length, 0, updates, num_hidden)
    config.patience = 5  # as part1/train.py trains
    model = build_variant("LSTM", config)
    accuracy, steps, _ = train_model(model, config)
    digits, _ = PalindromeDataset(length + 1, 1, held_out=True).batch(palindromes)
    over_time = run_gates(model, encode(digits, config.input_dim))
    for t in range(length):
        share = share_explained(over_time["c"][t].double(), digits[:, 0])
        for unit in range(num_hidden):
            values = ",".join(f"{over_time[name][t, 0, unit]:.3f}" for name in "gifoc")
            yield f"{steps},{accuracy:.4f},{t + 1},{digits[0, t]},{unit},{values},{share[unit]:.3f}"


def main(argv=None):
    parser = Parser(__doc__.split("\n")[0])
    length = whole_number(1, 100_000)
    parser.add_argument("--input_length", type=length, nargs="+", default=[10, 20], help="digits to read, of variants")
    parser.add_argument("--bias_length", type=length, nargs="+", default=[10, 20, 30, 50], help="of forget biases")
    parser.add_argument("--seeds", type=whole_number(1, 1_000), default=5, help="seeds 0, 1, … of every variant")
    parser.add_argument("--bias_seeds", type=whole_number(1, 1_000), default=3, help="and of every forget bias")
    parser.add_argument("--updates", type=whole_number(1, 10**6), default=800, help="at the most, of the variants")
    parser.add_argument("--bias_updates", type=whole_number(1, 10**6), default=500, help="and of the forget biases")
    parser.add_argument("--num_hidden", type=whole_number(1, 10_000), default=128, help="units")
    parser.add_argument("--output_dir", default=str(ROOT / "results/part1"), help="folder for the three tables")
    config = parser.parse_args(argv)
    train.prepare_process()
    lengths, bias_lengths = config.input_length, config.bias_length
    runs = len(VARIANTS) * len(lengths) * config.seeds + len(FORGET_BIASES) * len(bias_lengths) * config.bias_seeds
    try:
        folder = Path(config.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        with Progress(runs, unit="run") as progress:
            tables = {
                "activations": (
                    "updates,accuracy,t,digit,unit,g,i,f,o,c,first_digit_share",
                    activations(max(lengths), 2 * config.updates, config.num_hidden),
                ),
                "ablation": (
                    "variant,input_length,seed,accuracy,updates,solved",
                    ablation(lengths, config.seeds, config.updates, config.num_hidden, progress),
                ),
                "forget_bias": (
                    "b_f,input_length,seed,accuracy,updates,solved",
                    forget_bias(bias_lengths, config.bias_seeds, config.bias_updates, config.num_hidden, progress),
                ),
            }
            for name, (header, rows) in tables.items():
                write_atomically(folder / f"gates_{name}.csv", "\n".join([header, *rows]) + "\n")
    except (ValueError, OSError) as error:
        parser.error(error)


if __name__ == "__main__":
    main()
