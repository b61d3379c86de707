"""Train the time-gated LSTM, or a rival beside it, on palindromes, on the adding problem, or to tell frequencies.

python part2/train.py --task palindromes --input_length 100
python part2/train.py --task frequency --sampling asynchronous --model_type lstm
"""

import sys
from argparse import Namespace
from contextlib import suppress
from functools import partial
from pathlib import Path

if not __package__:  # run as `python part2/train.py`: import from the checkout, not from part2/
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

import torch
import torch.nn.functional as F

from common.arguments import Parser, number_between, whole_number
from common.checkpoint import restore
from common.device import choose_device, has_float64, prepare_process, told, warn_of_memory, working_device
from common.printing import Progress
from common.run_folder import RunFolder
from common.tables import write_table
from common.training import Clock, StopFlag, Stopped, check_finite, hears_signals, run_to_the_end
from part1 import init
from part1.train import COLUMNS, CONVERGED, COUNTS, MEMORY_FLAGS, OPTIMIZERS, add_training_flags, update
from part2.dataset import RESOLUTION, AddingProblem, FrequencyDiscrimination, Palindromes
from part2.decaying_lstm import Decay, DecayingLSTM, elapsed
from part2.time_gate import PARAMETERS, AlwaysOpen, TimeGate
from part2.time_gated_lstm import EQUATION_15, TimeGatedLSTM

ROOT = Path(__file__).resolve().parents[1]
TASKS = {
    "palindromes": lambda config, held_out: Palindromes(config.input_length + 1, config.seed, held_out),
    "adding": lambda config, held_out: AddingProblem(config.input_length, config.seed, held_out),
    "frequency": lambda config, held_out: FrequencyDiscrimination(config.sampling, config.seed, held_out),
}
MODELS = {
    "gated": "the LSTM with the time gate",
    "lstm": "the plain one, given the time stamps of waves as an input",
    "lstm_elapsed": "given the times between them",
    "decaying": "given these too, and its state decays between samples",
}
CLOSE = 0.04  # an error of the adding problem that counts as right (Hochreiter & Schmidhuber 1997)
TIME_UNIT = 100  # ms: the time that the plain LSTM gets as an input is counted in it, so that it stays near 1
EVALUATION, FINAL_EVALUATION, AT_ONCE = 1_000, 10_000, 250  # held-out sequences, and how many are read side by side


def build_parser():
    parser = Parser(__doc__, __file__)
    task = parser.add_argument_group("task")
    task.add_argument("--task", choices=TASKS, default="palindromes", help="what is learned")
    task.add_argument(
        "--input_length",
        type=whole_number(2, 100_000),
        default=50,
        help="time steps of a sequence; frequency has its own",
    )
    task.add_argument("--sampling", choices=RESOLUTION, default="standard", help="how waves are sampled (frequency)")
    model = parser.add_argument_group("model")
    model.add_argument("--model_type", choices=MODELS, default="gated", help="; ".join(map(": ".join, MODELS.items())))
    model.add_argument("--num_hidden", type=whole_number(1, 10_000), default=128, help="hidden units")
    model.add_argument("--init", choices=init.INITS["LSTM"], default="default", help="first weights, as in part 1")
    model.add_argument(
        "--equation_15", choices=EQUATION_15, default=EQUATION_15[0], help="tanh of the gated c, or of c̃"
    )
    gate = parser.add_argument_group("time gate; times in steps, for frequency in ms")
    log_tau = {"nargs": 2, "type": number_between(-20, 20), "default": [0.0, 3.0], "metavar": ("LOW", "HIGH")}
    gate.add_argument("--log_tau", **log_tau, help="first periods τ: their logarithm is uniform from LOW to HIGH")
    gate.add_argument(
        "--r_on", type=number_between(0, 1), default=0.05, help="share of a period in which the gate is open at first"
    )
    gate.add_argument(
        "--leak", type=number_between(0, 1, True, True), default=0.001, help="slope α of the closed phase"
    )
    gate.add_argument(
        "--learn",
        nargs="*",
        choices=PARAMETERS,
        default=list(PARAMETERS),
        help="parameters of the gate that are learned",
    )
    training = parser.add_argument_group("training")
    add_training_flags(training, "sequences", "adam")
    longer = "also test the trained model, without further training, at so many times --input_length"
    training.add_argument("--times", nargs="+", type=whole_number(2, 1_000), default=[], help=longer)
    output = parser.add_argument_group("output")
    output.add_argument("--output_dir", help="run folder; none: a new numbered one under results/part2")
    output.add_argument("--resume", action="store_true", help="resume the run in --output_dir, if there is one")
    return parser


settings = build_parser().settings  # settings(task="adding", leak=0.0): the default ones with these changes


def settings_of(config):
    """The settings that decide a run's numbers, a dict of plain values."""
    return {name: value for name, value in vars(config).items() if name not in ("times", "output_dir", "resume")}


def gets_time(config):
    """Whether the network is given the time as an input: all but the gated one, where the time means something."""
    return config.task == "frequency" and config.model_type != "gated"


def build_model(config, task):
    """The network of the settings for a task, weights and gate drawn from their seed. Raises ValueError."""
    torch.manual_seed(config.seed)
    H = config.num_hidden
    D, K = task.input_dim + gets_time(config), task.num_outputs
    cell = DecayingLSTM if config.model_type == "decaying" else TimeGatedLSTM
    model = cell(D, H, K, AlwaysOpen(H), config.equation_15)
    init.change(model, "LSTM", config.init, task.longest)
    # Gates are drawn after the weights: the same seed gives all models the same ones.
    if config.model_type == "decaying":
        model.gate = Decay(H)
    elif config.model_type == "gated":
        tau = torch.empty(H, dtype=torch.float64).uniform_(*config.log_tau).exp()
        model.gate = TimeGate(H, tau, r_on=config.r_on, leak=config.leak, learn=config.learn)
    return model


def build_parts(config, model, training_set):
    """Whose states a checkpoint holds, {name: part}: model, optimizer, training_set, held_out_set, and the clock."""
    optimizer = OPTIMIZERS[config.optimizer](model.parameters(), config.learning_rate)
    held_out_set = TASKS[config.task](config, True)
    clock = Clock()  # of training alone
    return dict(model=model, optimizer=optimizer, training_set=training_set, held_out_set=held_out_set, clock=clock)


def place(model, device):
    """The model, moved to a torch.device; all of it is then float32 where there is no float64."""
    return model.to(device, dtype=None if has_float64(device) else torch.float32)


def predict(model, x, t, lengths, config):
    """The network's outputs for a batch, (B, task.num_outputs)."""
    x = x.to(model.W_gx.device)
    if gets_time(config):
        time = t / TIME_UNIT if config.model_type == "lstm" else elapsed(t)
        x = torch.cat([x, time[..., None].to(x)], dim=2)
    return model(x, t=t, lengths=lengths)


def loss_and_right(outputs, target, regression):
    """Mean squared error or cross-entropy in nats, and how many were right (for sums: to within 0.04)."""
    if regression:
        return F.mse_loss(outputs, target), ((outputs - target).abs() < CLOSE).sum().item()
    return F.cross_entropy(outputs, target), (outputs.argmax(dim=1) == target).sum().item()


def small_step(config, device):
    """A network of the settings, of 16 units, on a device, and its loss on a batch: as `working_device` wants it."""
    config = Namespace(**{**vars(config), "num_hidden": 16, "input_length": 5, "sampling": "standard"})
    task = TASKS[config.task](config, False)
    model = place(build_model(config, task), device)
    *batch, target = task.batch(8)
    return model, loss_and_right(predict(model, *batch, config), target.to(device), task.regression)[0]


def gate_values(model):
    """τ, s and r_on of every unit now, {name: (H,)}; none without a gate."""
    return {name: getattr(model.gate, name).tolist() for name in PARAMETERS if hasattr(model.gate, name)}


@torch.no_grad()
def evaluate(model, task, count, config, stop=False):
    """Loss and accuracy, 0 to 1, on `count` sequences of a task; the leak is off, as in the paper.

    Raises Stopped, within a second or the time of a training step, once `stop` is truthy; the position in the task's
    random stream is then as it was before.
    """
    before, loss, right, training = task.state_dict(), 0.0, 0, model.training
    at_once = max(1, min(AT_ONCE, 400_000 // task.longest))
    model.eval()
    for start in range(0, count, at_once):
        if stop:
            model.train(training)
            task.load_state_dict(before)
            raise Stopped
        size = min(at_once, count - start)
        *batch, target = task.batch(size)
        outputs = predict(model, *batch, config)
        batch_loss, batch_right = loss_and_right(outputs, target.to(outputs.device), task.regression)
        loss, right = loss + batch_loss.item() * size, right + batch_right
    model.train(training)
    return loss / count, right / count


def accuracy_beyond(model, config, stop=False):
    """{length: accuracy, 0 to 1, on 1,000 held-out sequences} at --times the length that the model was trained at."""
    accuracies = {}
    for length in (n * config.input_length for n in config.times):
        longer = Namespace(**{**vars(config), "input_length": length})
        _, accuracies[length] = evaluate(model, TASKS[config.task](longer, True), EVALUATION, config, stop)
    return accuracies


def train(config, model, training_set, run=None, stop=False, show=True, device=None):
    """Train `model` in place until convergence or `train_steps`; the result is measured on fresh held-out sequences.

    `training_set` is `TASKS[config.task](config, False)`; `run` a RunFolder that keeps metrics and checkpoints, the
    gate's values before and after learning in gate.csv, and whose state is resumed from, or None; `stop` is truthy
    once a stop is requested; `device` a torch.device, None: the one that the settings name.

    Returns a dict, or None if a stop was requested: the run's checkpoint is then of the last update, and an evaluation
    that was interrupted is made again on resume. Raises DivergedError after an update that left weights that are not
    finite, before it is saved.
    """
    device = device or choose_device(config.device)
    model = place(model, device)
    first_gate = gate_values(model)  # the seed's, also when the run is resumed
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
                    heldout_loss, accuracy = evaluate(model, held_out_set, EVALUATION, config, stop)
                evaluated, solved = step, solved + 1 if accuracy >= CONVERGED else 0
                progress.note(f"loss {last[0]:.4f}, held-out accuracy {accuracy:.4f}")
                if run:
                    run.log(step, last[0], heldout_loss, accuracy, last[1], *clock.seconds())
                save()
            converged = 0 < config.patience <= solved
            if converged or step >= config.train_steps:
                with clock.paused():
                    beyond = {"accuracy_beyond": accuracy_beyond(model, config, stop)} if config.times else {}
                    heldout_loss, accuracy = evaluate(model, held_out_set, FINAL_EVALUATION, config, stop)
                if run:
                    write_gate(run.path / "gate.csv", first_gate, gate_values(model))
                score = {"accuracy": accuracy, "loss": heldout_loss, "sequences": FINAL_EVALUATION}
                return {**score, "steps": step, "converged": converged, **clock.results(), **beyond}
            if step == 0:
                save()
            if stop:
                break

            *batch, target = training_set.batch(config.batch_size)
            outputs = predict(model, *batch, config)
            loss, _ = loss_and_right(outputs, target.to(device), training_set.regression)

            grad_norm = update(model, optimizer, loss, config.max_norm)
            step, last = step + 1, [loss.item(), grad_norm.item()]
            check_finite(model, step, *last)
            progress.advance()
    save()
    return None


def write_gate(path, first, now):
    """Write the gate's values before and after learning, dicts of columns, as a table; nothing without a gate."""
    if now:
        values = {**{f"first_{name}": values for name, values in first.items()}, **now}
        write_table(path, values, ([f"{value:.6g}" for value in unit] for unit in zip(*values.values(), strict=True)))


@hears_signals
def main(argv=None):
    parser = build_parser()
    config = parser.parse_args(argv)
    if config.times and config.task == "frequency":
        parser.error("--times is for palindromes and adding: the waves of frequency have no --input_length")
    stop = StopFlag()
    try:
        if config.log_tau[0] > config.log_tau[1]:
            raise ValueError(f"--log_tau {config.log_tau[0]} {config.log_tau[1]}: the first is the larger one")
        if config.task == "palindromes" and config.input_length < 3:
            raise ValueError(f"--input_length {config.input_length}: no palindrome so short can be held out; 3 can")
        device = working_device(config.device, partial(small_step, config))
        training_set = TASKS[config.task](config, False)
        model = build_model(config, training_set)
        default = ROOT / f"results/part2/{config.task}_{config.model_type}_seed{config.seed}"
        resuming = {"resume": config.resume, "may_change": ("device", "train_steps")}
        resuming["entries"] = {**build_parts(config, model, training_set), **COUNTS}
        run = RunFolder(config.output_dir, settings_of(config), COLUMNS, ["gate.csv"], default=default, **resuming)
        # The numbers that autograd keeps of a unit and step until the backward pass (part2/benchmark.py).
        needed = 4 * 13.6 * config.batch_size * config.num_hidden * training_set.longest
        warn_of_memory(needed, device, MEMORY_FLAGS)
        prepare_process()
        run.begin(device)
    except (ValueError, OSError, RuntimeError, MemoryError) as error:
        parser.error(told(error, MEMORY_FLAGS))

    size = config.sampling if config.task == "frequency" else f"{config.input_length} steps"
    print(f"{config.task}, {size}, {config.model_type}, seed {config.seed}")
    training = partial(train, config, model, training_set, run, stop, device=device)
    result = run_to_the_end(training, run, stop, parser, config, MEMORY_FLAGS)
    print(
        f"accuracy {result['accuracy']:.4f} on {FINAL_EVALUATION} held-out sequences, loss {result['loss']:.4f}, "
        f"{result['steps']} steps, {result['wall_seconds']:.0f} s ({result['cpu_seconds']:.0f} s CPU), "
        f"{'converged' if result['converged'] else 'not converged'}, {run.path}"
    )
    for length, accuracy in result.get("accuracy_beyond", {}).items():
        print(f"accuracy {accuracy:.4f} at {length} steps, without further training")


if __name__ == "__main__":
    main()
