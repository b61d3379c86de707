"""Train a vanilla RNN or an LSTM to say the last digit of a palindrome.

python part1/train.py --model_type LSTM --input_length 10
"""

import math
import sys
from pathlib import Path

if not __package__:  # run as `python part1/train.py`: import from the checkout, not from part1/
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import torch
import torch.nn.functional as F
from torch import nn

from common.arguments import Parser, positive_number, whole_number
from common.clock import Clock
from common.device import choose_device
from common.ending import DivergedError, run_to_the_end
from common.memory import keep_freed_memory
from common.progress import Progress
from common.run_folder import RunFolder
from common.stop import StopFlag
from part1.curriculum import Curriculum
from part1.dataset import PalindromeDataset, encode
from part1.lstm import LSTM
from part1.vanilla_rnn import VanillaRNN

ROOT = Path(__file__).resolve().parents[1]
MODELS = {"RNN": VanillaRNN, "LSTM": LSTM}
OPTIMIZERS = {
    "rmsprop": lambda parameters, lr: torch.optim.RMSprop(parameters, lr=lr, foreach=True),
    "sgd": lambda parameters, lr: torch.optim.SGD(parameters, lr=lr, foreach=True),
    "momentum": lambda parameters, lr: torch.optim.SGD(parameters, lr=lr, momentum=0.9, foreach=True),
    "adam": lambda parameters, lr: torch.optim.Adam(parameters, lr=lr, foreach=True),
}
COLUMNS = (
    "step",
    "train_loss",
    "heldout_loss",
    "heldout_accuracy",
    "grad_norm",
    "cpu_seconds",
    "wall_seconds",
)
CONVERGED = 0.999  # held-out accuracy that counts as solved
EVALUATION, FINAL_EVALUATION = 1_000, 10_000  # held-out palindromes drawn each time


def build_parser():
    parser = Parser(__doc__)
    model = parser.add_argument_group("model")
    model.add_argument("--model_type", choices=MODELS, default="RNN", help="which cell")
    model.add_argument(
        "--input_length",
        type=whole_number(1, 100_000),
        default=10,
        help="digits that are read, T - 1: the palindrome has one more, which is to be said",
    )
    model.add_argument("--input_dim", type=int, choices=(1, 10), default=1, help="1: a raw digit, 10: one-hot")
    model.add_argument("--num_classes", type=whole_number(10, 100_000), default=10, help="logits, one per digit")
    model.add_argument("--num_hidden", type=whole_number(1, 10_000), default=128, help="units")
    model.add_argument(
        "--init",
        choices=("default", "zero_bias", "chrono", "orthogonal", "identity", "latch"),
        default="default",
        help="first weights; zero_bias and chrono are for the LSTM, orthogonal, identity and latch for the RNN",
    )
    training = parser.add_argument_group("training")
    training.add_argument(
        "--curriculum",
        action="store_true",
        help="train at lengths below a bound that grows to --input_length while the model is right",
    )
    add_training_flags(training, "palindromes", "rmsprop")
    output = parser.add_argument_group("output")
    output.add_argument("--output_dir", help="run folder; none: a new numbered one under results/part1")
    output.add_argument("--resume", action="store_true", help="go on with the run in --output_dir, if there is one")
    return parser


def add_training_flags(group, sequences, optimizer):
    """The flags of the training loop, which part 2 shares: what is drawn, in words, and the update rule by default."""
    group.add_argument("--batch_size", type=whole_number(1, 1_000_000), default=128, help=f"{sequences} a step")
    group.add_argument("--optimizer", choices=OPTIMIZERS, default=optimizer, help="update rule")
    group.add_argument("--learning_rate", type=positive_number, default=0.001, help="its step size")
    group.add_argument("--train_steps", type=whole_number(1, 10**9), default=10_000, help="updates at the most")
    group.add_argument("--max_norm", type=positive_number, default=10.0, help="longest gradient, by clipping")
    group.add_argument("--eval_every", type=whole_number(1, 10**9), default=50, help="updates per evaluation")
    group.add_argument(
        "--patience",
        type=whole_number(0, 10**9),
        default=5,
        help=f"stop after so many evaluations running with {CONVERGED} held-out accuracy; 0: never",
    )
    group.add_argument("--seed", type=whole_number(0, 2**63 - 1), default=0, help=f"of weights and {sequences}")
    group.add_argument("--device", default="auto", help="auto (cuda, then mps, then cpu), cpu, cuda, cuda:1, mps")


def settings_of(config):
    """The settings that decide a run's numbers, a dict of plain values."""
    return {name: value for name, value in vars(config).items() if name not in ("output_dir", "resume")}


def prepare_process():
    """Make this process compute as fast as it can at these sizes, however long the sequences are."""
    # 128 × 128 products are too small to share: one thread is the fastest, and cores do not change the numbers.
    torch.set_num_threads(1)
    # A gradient that vanishes passes through numbers below 1e-38, which take the processor many times longer.
    torch.set_flush_denormal(True)
    keep_freed_memory()


def build_model(config):
    """The cell of the settings, with freshly drawn weights. Raises ValueError for an init that is not the cell's."""
    model = MODELS[config.model_type]
    return model(config.input_dim, config.num_hidden, config.num_classes, config.init, max_length=config.input_length)


def build_training_set(config):
    """The palindromes to train on: all of one length, or of the lengths of a curriculum.

    Raises ValueError for a batch that cannot be halved, as a curriculum does.
    """
    if config.curriculum:
        if config.batch_size < 2:
            raise ValueError(f"--batch_size {config.batch_size}: a curriculum's batch has two halves, so at least 2")
        return Curriculum(config.input_length, config.seed)
    return PalindromeDataset(config.input_length + 1, config.seed)


@torch.no_grad()
def evaluate(model, digits, target, input_dim):
    """Mean cross-entropy in nats and accuracy, 0 to 1, on digits (N, T - 1) and their targets (N,)."""
    device = next(model.parameters()).device
    loss, correct = 0.0, 0
    part = max(1, min(1_000, 2_000_000 // digits.shape[1]))  # palindromes at once: bounds the memory for long ones
    for digits_part, target_part in zip(digits.split(part), target.split(part), strict=True):
        logits = model(encode(digits_part.to(device), input_dim))  # (B, K)
        target_part = target_part.to(device)
        loss += F.cross_entropy(logits, target_part, reduction="sum").item()
        correct += (logits.argmax(dim=1) == target_part).sum().item()
    return loss / len(target), correct / len(target)


def held_out_palindromes(dataset, count):
    """`count` random held-out palindromes, or each once where there are few (T ≤ 6): digits, targets."""
    if dataset.seq_length > 6:
        return dataset.batch(count)
    palindromes = dataset.every_palindrome()
    return palindromes[:, :-1], palindromes[:, -1]


def train(config, run=None, stop=False, show=True, model=None):
    """Train until convergence or `train_steps`; the accuracy returned is on held-out palindromes drawn afresh.

    Args:
        config: the settings of `build_parser`.
        run: RunFolder that keeps metrics and checkpoints, and whose state is gone on from; or None.
        stop: what turns true when the process is asked to stop.
        show: whether to show progress.
        model: what is trained, in place, instead of the cell of the settings: x (B, T - 1, D) to logits (B, K).

    Returns a dict (accuracy, loss, steps, ...), or None if it was asked to stop; the run's checkpoint is then of the
    last step made. Raises DivergedError before the update that would use a loss or gradient that is not finite.
    """
    torch.manual_seed(config.seed)
    device = choose_device(config.device)
    model = (model or build_model(config)).to(device)
    optimizer = OPTIMIZERS[config.optimizer](model.parameters(), config.learning_rate)
    training_set = build_training_set(config)
    held_out_set = PalindromeDataset(config.input_length + 1, config.seed, held_out=True)
    clock = Clock()

    parts = {
        "model": model,
        "optimizer": optimizer,
        "training_set": training_set,
        "held_out_set": held_out_set,
        "clock": clock,
    }
    step, solved = 0, 0  # updates made; evaluations running that were as good as CONVERGED
    if run and run.state:
        step, solved = run.state["step"], run.state["solved"]
        run.restore(parts)
    elif run:
        run.save(parts, step=step, solved=solved)

    with Progress(config.train_steps, done=step, show=show) as progress:
        while step < config.train_steps and not 0 < config.patience <= solved:
            if stop:
                if run:
                    run.save(parts, step=step, solved=solved)
                return None

            losses = []
            for digits, target in training_set.batches(config.batch_size):  # one; a curriculum has two of a half
                x = encode(digits.to(device), config.input_dim)  # (B, T - 1, D)
                logits = model(x)  # (B, K)
                losses.append(F.cross_entropy(logits, target.to(device)))  # equations (3) and (11), softmax and all
            loss = sum(losses) / len(losses)

            optimizer.zero_grad()
            loss.backward()
            # What the template asks about: a gradient longer than max_norm is scaled down to that length. Through many
            # steps it can explode (question 1.1), and one such update would throw the weights far away; its direction
            # stays. It does not help a gradient that vanishes.
            grad_norm = nn.utils.clip_grad_norm_(model.parameters(), config.max_norm)
            loss, grad_norm = loss.item(), grad_norm.item()
            if not (math.isfinite(loss) and math.isfinite(grad_norm)):
                raise DivergedError(f"step {step + 1}: loss {loss:g}, length of the gradient {grad_norm:g}")
            optimizer.step()
            step += 1
            if config.curriculum:
                training_set.grow(losses[-1].item())

            note = None
            if step % config.eval_every == 0 or step == config.train_steps:
                digits, target = held_out_palindromes(held_out_set, EVALUATION)
                heldout_loss, accuracy = evaluate(model, digits, target, config.input_dim)
                if not math.isfinite(heldout_loss):  # the update itself overflowed: keep the checkpoint before it
                    raise DivergedError(f"step {step}: held-out loss {heldout_loss:g}")
                solved = solved + 1 if accuracy >= CONVERGED else 0
                note = f"loss {loss:.4f}, held-out accuracy {accuracy:.4f}"
                if run:
                    metrics = (step, loss, heldout_loss, accuracy, grad_norm)
                    run.log(*metrics, f"{clock.cpu_seconds:.3f}", f"{clock.wall_seconds:.3f}")
                    run.save(parts, step=step, solved=solved)
            progress.advance(note)

    digits, target = held_out_palindromes(held_out_set, FINAL_EVALUATION)
    heldout_loss, accuracy = evaluate(model, digits, target, config.input_dim)
    return {
        "accuracy": accuracy,
        "loss": heldout_loss,
        "palindromes": len(target),
        "held_out": not held_out_set.nothing_held_out,
        "steps": step,
        "converged": 0 < config.patience <= solved,
        "cpu_seconds": round(clock.cpu_seconds, 3),
        "wall_seconds": round(clock.wall_seconds, 3),
    }


def main(argv=None):
    parser = build_parser()
    config = parser.parse_args(argv)
    if config.resume and config.output_dir is None:
        parser.error("--resume needs --output_dir, the folder of the run to go on with")
    prepare_process()
    stop = StopFlag()
    try:
        device = choose_device(config.device)
        build_model(config)
        build_training_set(config)
        run = RunFolder(
            config.output_dir,
            settings_of(config),
            COLUMNS,
            resume=config.resume,
            may_change=("device", "train_steps"),
            default=ROOT / f"results/part1/{config.model_type}_length{config.input_length}_seed{config.seed}",
            device=device,
        )
    except (ValueError, OSError, RuntimeError) as error:
        parser.error(error)

    print(
        f"{config.model_type}, input length {config.input_length} (palindromes of {config.input_length + 1} digits), "
        f"{'raw digits' if config.input_dim == 1 else 'one-hot digits'}, init {config.init}, seed {config.seed}"
    )
    result = run_to_the_end(
        lambda: train(config, run, stop),
        run,
        stop,
        again=parser.command(config, output_dir=run.path, resume=True),
        advice=f"a lower --learning_rate (now {config.learning_rate:g}) or --max_norm (now {config.max_norm:g})",
    )
    print(
        f"accuracy {result['accuracy']:.4f} on {result['palindromes']} "
        f"{'held-out palindromes' if result['held_out'] else 'palindromes (too few to hold any out)'}, "
        f"loss {result['loss']:.4f}, {result['steps']} steps, {result['wall_seconds']:.0f} s "
        f"({result['cpu_seconds']:.0f} s CPU), {'converged' if result['converged'] else 'not converged'}, {run.path}"
    )


if __name__ == "__main__":
    main()
