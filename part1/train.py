"""Train a vanilla RNN or an LSTM to predict the last digit of a palindrome.

python part1/train.py --model_type LSTM --input_length 10
"""

import sys
from contextlib import suppress
from functools import partial
from pathlib import Path

if not __package__:  # run as `python part1/train.py`: import from the checkout, not from part1/
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

import torch
import torch.nn.functional as F
from torch import nn

from common.arguments import Parser, positive_number, whole_number
from common.checkpoint import restore
from common.device import choose_device, prepare_process, told, warn_of_memory, working_device
from common.printing import Progress
from common.run_folder import RunFolder
from common.training import Clock, StopFlag, Stopped, check_finite, hears_signals, run_to_the_end
from part1 import init
from part1.curriculum import Curriculum
from part1.dataset import PalindromeDataset, encode
from part1.lstm import LSTM
from part1.solved import FEW
from part1.vanilla_rnn import VanillaRNN

ROOT = Path(__file__).resolve().parents[1]
MODELS = {"RNN": VanillaRNN, "LSTM": LSTM}
OPTIMIZERS = {
    "rmsprop": lambda parameters, lr: torch.optim.RMSprop(parameters, lr=lr, foreach=True),
    "sgd": lambda parameters, lr: torch.optim.SGD(parameters, lr=lr, foreach=True),
    "momentum": lambda parameters, lr: torch.optim.SGD(parameters, lr=lr, momentum=0.9, foreach=True),
    "adam": lambda parameters, lr: torch.optim.Adam(parameters, lr=lr, foreach=True),
}
COLUMNS = ("step", "train_loss", "heldout_loss", "heldout_accuracy", "grad_norm", "cpu_seconds", "wall_seconds")
COUNTS = {"evaluated": 0, "solved": 0, "last": [0.0, 0.0]}  # what else a checkpoint holds, and of which kind it is
CONVERGED = 0.999  # held-out accuracy of an evaluation that --patience counts; what is solved: part1/solved.py
EVALUATION, FINAL_EVALUATION = 1_000, 10_000  # held-out palindromes drawn each time
MEMORY_FLAGS = "--input_length, --batch_size or --num_hidden"  # that lower the memory of an update
AT_ONCE = 400_000  # digits that an evaluation reads between two looks at the stop flag: an LSTM takes about a second


def build_parser():
    parser = Parser(__doc__, __file__)
    model = parser.add_argument_group("model")
    model.add_argument("--model_type", choices=MODELS, default="RNN", help="which cell")
    digits = "digits that are read, T - 1: the palindrome has one more, which is to be predicted"
    model.add_argument("--input_length", type=whole_number(1, 100_000), default=10, help=digits)
    model.add_argument("--input_dim", type=int, choices=(1, 10), default=1, help="1: a raw digit, 10: one-hot")
    model.add_argument("--num_classes", type=whole_number(10, 100_000), default=10, help="logits, one per digit")
    model.add_argument("--num_hidden", type=whole_number(1, 10_000), default=128, help="hidden units")
    inits = dict.fromkeys(name for names in init.INITS.values() for name in names)
    whose = "first weights; zero_bias and chrono are for the LSTM, orthogonal, identity and latch for the RNN"
    model.add_argument("--init", choices=inits, default="default", help=whose)
    training = parser.add_argument_group("training")
    growing = "train at lengths below a bound that grows to --input_length while the model is right"
    training.add_argument("--curriculum", action="store_true", help=growing)
    add_training_flags(training, "palindromes", "rmsprop")
    output = parser.add_argument_group("output")
    output.add_argument("--output_dir", help="run folder; none: a new numbered one under results/part1")
    output.add_argument("--resume", action="store_true", help="resume the run in --output_dir, if there is one")
    return parser


def add_training_flags(group, sequences, optimizer):
    """The flags of the training loop, which part 2 shares: what is drawn, in words, and the update rule by default."""
    group.add_argument("--batch_size", type=whole_number(1, 1_000_000), default=128, help=f"{sequences} per update")
    group.add_argument("--optimizer", choices=OPTIMIZERS, default=optimizer, help="update rule")
    group.add_argument("--learning_rate", type=positive_number, default=0.001, help="step size of the update rule")
    group.add_argument("--train_steps", type=whole_number(1, 10**9), default=10_000, help="updates at most")
    group.add_argument("--max_norm", type=positive_number, default=10.0, help="clip gradients to this norm")
    group.add_argument("--eval_every", type=whole_number(1, 10**9), default=50, help="updates between evaluations")
    patience = f"stop after so many consecutive evaluations with {CONVERGED} held-out accuracy; 0: never"
    group.add_argument("--patience", type=whole_number(0, 10**9), default=5, help=patience)
    group.add_argument("--seed", type=whole_number(0, 2**63 - 1), default=0, help=f"seed of weights and {sequences}")
    group.add_argument("--device", default="auto", help="auto (cuda, then mps, then cpu), cpu, cuda, cuda:1, mps")


settings = build_parser().settings  # settings(model_type="LSTM", input_dim=10): the default ones with these changes


def check(config):
    """Raise ValueError for settings that contradict each other."""
    init.check(config.model_type, config.init, config.input_length)
    if config.curriculum and config.batch_size < 2:
        raise ValueError(f"--batch_size {config.batch_size}: a curriculum's batch has two halves, so at least 2")


def settings_of(config):
    """The settings that decide a run's numbers, a dict of plain values."""
    return {name: value for name, value in vars(config).items() if name not in ("output_dir", "resume")}


def build_model(config):
    """The cell of the settings, its weights drawn from their seed. Raises ValueError as `init.change` does."""
    torch.manual_seed(config.seed)
    model = MODELS[config.model_type](config.input_dim, config.num_hidden, config.num_classes)
    init.change(model, config.model_type, config.init, config.input_length)
    return model


def memory_of_an_update(config):
    """Bytes that autograd keeps of a batch until its backward pass, about; measured as by part2/benchmark.py."""
    of_a_step = {"RNN": 1.1, "LSTM": 7.2}[config.model_type]  # numbers a unit
    return 4 * of_a_step * config.batch_size * config.num_hidden * config.input_length


def build_training_set(config):
    """The palindromes to train on: all of one length, or of the lengths of a curriculum."""
    if config.curriculum:
        return Curriculum(config.input_length, config.seed)
    return PalindromeDataset(config.input_length + 1, config.seed)


def build_parts(config, model, training_set):
    """Whose states a checkpoint holds, {name: part}: model, optimizer, training_set, held_out_set, and the clock."""
    optimizer = OPTIMIZERS[config.optimizer](model.parameters(), config.learning_rate)
    held_out_set = PalindromeDataset(config.input_length + 1, config.seed, held_out=True)
    clock = Clock()  # of training alone
    return dict(model=model, optimizer=optimizer, training_set=training_set, held_out_set=held_out_set, clock=clock)


def small_step(config, device):
    """A cell of the settings' kind, of 16 units, on a device, and its loss on a batch: as `working_device` wants it."""
    torch.manual_seed(0)
    model = MODELS[config.model_type](config.input_dim, 16, config.num_classes).to(device)
    return model, loss_of(model, *PalindromeDataset(6).batch(8), config.input_dim)


@torch.no_grad()
def evaluate(model, digits, target, input_dim, stop=False, at_once=None):
    """Mean cross-entropy in nats and accuracy, 0 to 1, on digits (N, T - 1) and their targets (N,).

    So many digits are read `at_once`, of all palindromes together; None: AT_ONCE. Raises Stopped, within a second or
    the time of a training step, once `stop` is truthy.
    """
    device = next(model.parameters()).device
    loss, correct = 0.0, 0
    chunk = max(1, min(1_000, (at_once or AT_ONCE) // digits.shape[1]))  # palindromes
    for digits_chunk, target_chunk in zip(digits.split(chunk), target.split(chunk), strict=True):
        if stop:
            raise Stopped
        logits = model(encode(digits_chunk.to(device), input_dim))  # (B, K)
        target_chunk = target_chunk.to(device)
        loss += F.cross_entropy(logits, target_chunk, reduction="sum").item()
        correct += (logits.argmax(dim=1) == target_chunk).sum().item()
    return loss / len(target), correct / len(target)


def held_out_score(model, dataset, count, input_dim, stop=False):
    """Accuracy, 0 to 1, and loss in nats on `count` random palindromes of a held-out set, or on each where T ≤ 8.

    Raises Stopped as `evaluate` does; the position in the set's random stream is then as it was before.
    """
    before = dataset.state_dict()
    if dataset.seq_length - 1 > FEW:
        digits, target = dataset.batch(count)
    else:
        palindromes = dataset.every_palindrome()
        digits, target = palindromes[:, :-1], palindromes[:, -1]
    try:
        loss, accuracy = evaluate(model, digits, target, input_dim, stop)
    except Stopped:
        dataset.load_state_dict(before)
        raise
    return {"accuracy": accuracy, "loss": loss, "palindromes": len(target), "held_out": not dataset.nothing_held_out}


def loss_of(model, digits, target, input_dim):
    """Mean cross-entropy in nats, a scalar tensor, of digits (B, T - 1) and their targets (B,): equations 3 and 11."""
    device = next(model.parameters()).device
    logits = model(encode(digits.to(device), input_dim))  # (B, K)
    return F.cross_entropy(logits, target.to(device))  # (3) and (11), softmax and all


def update(model, optimizer, loss, max_norm):
    """One update of the weights from the gradient of `loss`; returns the gradient's norm, as it was before clipping."""
    optimizer.zero_grad()
    loss.backward()
    # The template asks what this does: a gradient longer than max_norm is scaled down to that length; its direction
    # stays. Through many steps it can explode (question 1.1), and one such update would throw the weights far away.
    # It does not help a gradient that vanishes.
    grad_norm = nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    optimizer.step()
    return grad_norm


def train(config, model, training_set, run=None, stop=False, show=True, device=None):
    """Train `model` in place until convergence or `train_steps`; the result is measured on fresh held-out palindromes.

    `training_set` is `build_training_set(config)`, or another with its methods; `run` a RunFolder that keeps metrics
    and checkpoints and whose state is resumed from, or None; `stop` is truthy once a stop is requested; `device` a
    torch.device, None: the one that the settings name.

    Returns a dict (accuracy, loss, steps, ...), or None if a stop was requested: the run's checkpoint is then of the
    last update, and an evaluation that was interrupted is made again on resume. Raises DivergedError after an update
    that left weights that are not finite, before it is saved.
    """
    model = model.to(device := device or choose_device(config.device))
    parts = build_parts(config, model, training_set)
    optimizer, held_out_set, clock = parts["optimizer"], parts["held_out_set"], parts["clock"]
    step, evaluated, solved = 0, 0, 0  # updates made, at the last evaluation; consecutive ones as good as CONVERGED
    last = None  # loss and gradient's norm of the last update
    if run and run.state:
        restore(parts, run.state)
        step, evaluated, solved, last = (run.state[name] for name in ("step", "evaluated", "solved", "last"))

    def save():
        if run:
            run.save(parts, step=step, evaluated=evaluated, solved=solved, last=last)

    with Progress(config.train_steps, done=step, show=show) as progress, suppress(Stopped):
        while True:
            if step > evaluated and (step % config.eval_every == 0 or step == config.train_steps):
                with clock.paused():
                    score = held_out_score(model, held_out_set, EVALUATION, config.input_dim, stop)
                evaluated, solved = step, solved + 1 if score["accuracy"] >= CONVERGED else 0
                progress.note(f"loss {last[0]:.4f}, held-out accuracy {score['accuracy']:.4f}")
                if run:
                    run.log(step, last[0], score["loss"], score["accuracy"], last[1], *clock.seconds())
                save()
            converged = 0 < config.patience <= solved
            if converged or step >= config.train_steps:
                with clock.paused():
                    score = held_out_score(model, held_out_set, FINAL_EVALUATION, config.input_dim, stop)
                return {**score, "steps": step, "converged": converged, **clock.results()}
            if step == 0:
                save()
            if stop:
                break

            batches = training_set.batches(config.batch_size)  # one; a curriculum has two of a half
            losses = [loss_of(model, digits, target, config.input_dim) for digits, target in batches]
            loss = sum(losses) / len(losses)
            grad_norm = update(model, optimizer, loss, config.max_norm)
            step, last = step + 1, [loss.item(), grad_norm.item()]
            check_finite(model, step, *last)
            if config.curriculum:
                training_set.grow(losses[-1].item())  # the long half's
            progress.advance()
    save()
    return None


@hears_signals
def main(argv=None):
    parser = build_parser()
    config = parser.parse_args(argv)
    stop = StopFlag()
    try:
        check(config)
        device = working_device(config.device, partial(small_step, config))
        model, training_set = build_model(config), build_training_set(config)
        default = ROOT / f"results/part1/{config.model_type}_length{config.input_length}_seed{config.seed}"
        resuming = {"resume": config.resume, "may_change": ("device", "train_steps")}
        resuming["entries"] = {**build_parts(config, model, training_set), **COUNTS}
        run = RunFolder(config.output_dir, settings_of(config), COLUMNS, default=default, **resuming)
        warn_of_memory(memory_of_an_update(config), device, MEMORY_FLAGS)
        prepare_process()
        run.begin(device)
    except (ValueError, OSError, RuntimeError, MemoryError) as error:
        parser.error(told(error, MEMORY_FLAGS))

    print(
        f"{config.model_type}, input length {config.input_length} (palindromes of {config.input_length + 1} digits), "
        f"{'raw digits' if config.input_dim == 1 else 'one-hot digits'}, init {config.init}, seed {config.seed}"
    )
    training = partial(train, config, model, training_set, run, stop, device=device)
    result = run_to_the_end(training, run, stop, parser, config, MEMORY_FLAGS)
    print(
        f"accuracy {result['accuracy']:.4f} on {result['palindromes']} "
        f"{'held-out palindromes' if result['held_out'] else 'palindromes (too few to hold any out)'}, "
        f"loss {result['loss']:.4f}, {result['steps']} steps, {result['wall_seconds']:.0f} s "
        f"({result['cpu_seconds']:.0f} s CPU), {'converged' if result['converged'] else 'not converged'}, {run.path}"
    )


if __name__ == "__main__":
    main()
