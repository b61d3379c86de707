"""Train a two-layer LSTM on a book, character by character.

python part3/train.py --txt_file assets/book.txt

Started by srun or torchrun as several ranks, they share each batch: the settings, and but for dropout's masks the
numbers, are those of one process. On a SLURM cluster: part3/train.sbatch.
"""

import math
import shlex
import signal
import sys
import time
from datetime import datetime
from functools import partial
from pathlib import Path

if not __package__:  # run as `python part3/train.py`: import from the checkout, not from part3/
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from common.arguments import Parser, number_between, positive_number, whole_number
from common.checkpoint import write_checkpoint
from common.clock import Clock
from part3.ranks import Ranks, run_script
from common.device import choose_device, limit_threads
from common.ending import DivergedError, run_to_the_end
from common.memory import keep_freed_memory
from common.progress import Progress
from common.random_state import TorchRandom
from common.run_folder import NoFolder, RunFolder
from common.stop import StopFlag
from part3.dataset import ParallelStreams, RandomSentences, TextDataset
from part3.evaluation import evaluate
from part3.optimizer import OPTIMIZERS, SCHEDULES, build_optimizer, learning_rate_at
from part3.samples import greedy_sample, write_table
from part3.trained import BEST, Trained, build_model

ROOT = Path(__file__).resolve().parents[1]
SAMPLERS = {"sentences": RandomSentences, "streams": ParallelStreams}
COLUMNS = ("step", "train_loss", "heldout_loss", "heldout_bpc", "learning_rate", "cpu_seconds", "wall_seconds")
NUM_STRETCHES = 16  # of the held-out part, read side by side while training: faster, and a little higher
MAY_CHANGE = {  # settings of a run that goes on; a cosine needs to know its end beforehand
    "step": ("device", "max_minutes", "patience", "ranks", "txt_file", "train_steps"),
    "cosine": ("device", "max_minutes", "patience", "ranks", "txt_file"),
}


def build_parser():
    parser = Parser(__doc__.split("\n")[0])
    text = parser.add_argument_group("text")
    text.add_argument("--txt_file", required=True, help="the book, a text file")
    text.add_argument("--encoding", default="utf-8", help="of the file")
    text.add_argument(
        "--val_fraction", type=number_between(0, 1, low_too=True), default=0.1, help="held out, at the end"
    )
    text.add_argument("--seq_length", type=whole_number(1, 100_000), default=30, help="characters of a window, T")
    text.add_argument("--sampling", choices=SAMPLERS, default="sentences", help="random windows, or streams with state")
    model = parser.add_argument_group("model")
    model.add_argument("--lstm_num_hidden", type=whole_number(1, 10_000), default=128, help="units of a layer")
    model.add_argument("--lstm_num_layers", type=whole_number(1, 100), default=2, help="layers")
    model.add_argument("--embedding_dim", type=whole_number(1, 10_000), default=64, help="numbers for a character")
    model.add_argument(
        "--dropout_keep_prob", type=number_between(0, 1, high_too=True), default=1.0, help="1: no dropout"
    )
    training = parser.add_argument_group("training")
    training.add_argument("--batch_size", type=whole_number(1, 1_000_000), default=64, help="windows a step")
    training.add_argument("--optimizer", choices=OPTIMIZERS, default="adam", help="update rule")
    training.add_argument("--learning_rate", type=positive_number, default=2e-3, help="at the start")
    training.add_argument("--schedule", choices=SCHEDULES, default="step", help="how the learning rate falls")
    training.add_argument(
        "--learning_rate_decay", type=number_between(0, 1, high_too=True), default=0.96, help="step: factor"
    )
    training.add_argument(
        "--learning_rate_step", type=whole_number(1, 10**9), default=5000, help="step: updates between"
    )
    training.add_argument("--train_steps", type=whole_number(1, 10**9), default=1_000_000, help="updates at the most")
    training.add_argument("--max_norm", type=positive_number, default=5.0, help="longest gradient, by clipping")
    training.add_argument("--eval_every", type=whole_number(1, 10**9), default=200, help="updates per held-out loss")
    training.add_argument(
        "--patience", type=whole_number(0, 10**9), default=10, help="stop after so many without a new best; 0: never"
    )
    training.add_argument(
        "--max_minutes",
        type=positive_number,
        help="stop and save after so many minutes of training alone, over all resumes",
    )
    training.add_argument("--seed", type=whole_number(0, 2**63 - 1), default=0, help="of weights, windows and samples")
    training.add_argument("--device", default="auto", help="auto (cuda, then mps, then cpu), cpu, cuda, cuda:1, mps")
    output = parser.add_argument_group("output")
    output.add_argument("--print_every", type=whole_number(1, 10**9), default=5, help="updates per line of progress")
    output.add_argument("--sample_every", type=whole_number(1, 10**9), default=100, help="updates per sample of text")
    output.add_argument("--checkpoint_every", type=whole_number(1, 10**9), default=200, help="updates per checkpoint")
    output.add_argument("--summary_path", help="folder for TensorBoard events, if tensorboard is installed")
    output.add_argument("--output_dir", help="run folder; none: a new numbered one under results/part3")
    output.add_argument("--resume", action="store_true", help="go on with the run in --output_dir, if there is one")
    return parser


def settings_of(config):
    """The settings that decide a run's numbers, a dict of plain values."""
    apart = ("output_dir", "resume", "summary_path", "print_every")
    return {name: value for name, value in vars(config).items() if name not in apart}


def ended_by(config, values, clock):
    """The setting by which training has come to its end, or None."""
    if values["step"] >= config.train_steps:
        return "train_steps"
    if 0 < config.patience <= values["since_best"]:
        return "patience"
    if config.max_minutes is not None and clock.wall_seconds >= 60 * config.max_minutes:
        return "max_minutes"
    return None


def held_out_loss(dataset, model, clock):
    """The loss on the held-out part, read in stretches side by side; nan if nothing is held out."""
    if not len(dataset.held_out):
        return math.nan
    with clock.paused():
        return evaluate(model, dataset.held_out, stretch=max(1, (len(dataset.held_out) - 1) // NUM_STRETCHES))


def log_held_out(config, dataset, model, run, values, train_loss, loss, clock, summary):
    """Write the held-out loss to metrics and summary, and keep the model if it is the best so far."""
    rate = learning_rate_at(values["step"] - 1, config)
    row = (values["step"], train_loss, loss, loss / math.log(2), rate)
    run.log(*row, f"{clock.cpu_seconds:.3f}", f"{clock.wall_seconds:.3f}")
    if summary:
        for name, value in zip(COLUMNS[1:5], row[1:], strict=True):
            summary.add_scalar(name, value, values["step"])
    if loss < values["best_loss"] or not len(dataset.held_out):
        values.update(best_loss=loss, since_best=0)
        best = {"step": values["step"], "settings": settings_of(config), "characters": dataset.characters}
        write_checkpoint(run.path / BEST, {**best, "heldout_loss": loss, "model": model.state_dict()})
    else:
        values["since_best"] += 1


def final_losses(run, dataset, device):
    """Step and held-out losses of the run's best model, in nats per character (None if nothing is held out), a dict.

    `heldout_loss`: the text in one, the state carried. `heldout_loss_blocks`: in blocks of 256, each from a zero state,
    as nanoGPT measures (there random blocks, here all of them, one after the other).
    """
    trained = Trained(run.path)
    model = trained.model().to(device)
    ways = {"heldout_loss": None, "heldout_loss_blocks": 256}
    losses = {
        name: evaluate(model, dataset.held_out, way) if len(dataset.held_out) else None for name, way in ways.items()
    }
    return {"best_step": trained.step, **losses}


def train(config, dataset, run, stop, ranks, summary=None):
    """Train until convergence on the held-out part, `train_steps` or `max_minutes`; returns a dict of results.

    Returns None if it was asked to stop; the run's checkpoint is then of the last step made. Raises DivergedError, on
    every rank, before the update that would use a loss or gradient that is not finite; and behind an update that
    overflowed, before anything that was made of it is written.

    All ranks draw the same batch and each takes its rows: the step, the sums over the batch and the end are common,
    and so are the weights. Rank 0 alone measures, draws samples, writes, and has results to return.
    """
    torch.manual_seed(config.seed)
    device = ranks.device(choose_device(config.device))
    model = build_model(dataset.vocab_size, settings_of(config)).to(device)
    sampler = SAMPLERS[config.sampling](dataset, config.batch_size, config.seed, device)
    clock = Clock()

    values = {
        "step": 0,
        "state": None,  # (h, c) that the next batch carries on, of this rank's rows
        "best_loss": math.inf,  # held out
        "since_best": 0,  # evaluations
        "characters": dataset.characters,
    }
    parts = {"model": model, "sampler": sampler, "random": TorchRandom(), "clock": clock}
    if run.state:
        values = {name: run.state[name] for name in values}
        run.restore(parts)
        if values["state"]:
            values["state"] = tuple(ranks.part(part, dim=1).to(device) for part in values["state"])
    parts["optimizer"] = optimizer = build_optimizer(model, config, device, run.state and run.state["optimizer"])
    if ranks.rank:  # dropout differs between ranks; rank 0's is the one that a checkpoint holds
        rng = np.random.default_rng([config.seed, values["step"], ranks.rank])
        torch.manual_seed(int(rng.integers(2**63)))
    predict = ranks.share(model)

    def check_weights():
        """Raise DivergedError if the last update overflowed; every rank does, as all have the same weights."""
        # While the sum of their squares is finite, so is every product of the model's (Cauchy-Schwarz).
        length = nn.utils.get_total_norm(model.parameters()).item()
        if not math.isfinite(length):
            raise DivergedError(f"step {values['step']}: length of the weights {length:g}")

    def save():
        check_weights()
        state = values["state"] and tuple(ranks.whole(part, dim=1) for part in values["state"])
        run.save(parts, **{**values, "state": state})

    def must_end():
        """Whether training is over, and the signal to stop by, or 0: the same on every rank."""
        over = ranks.rank == 0 and ended_by(config, values, clock) is not None
        return ranks.highest(over, stop.signal or 0)

    if not run.state:
        save()
    start, start_step = time.monotonic(), values["step"]
    with Progress(config.train_steps, done=values["step"], show=ranks.rank == 0) as progress:
        while True:
            over, number = must_end()
            if over:
                break
            if number:
                stop.signal = signal.Signals(number)
                save()
                return None
            for group in optimizer.param_groups:
                group["lr"] = learning_rate_at(values["step"], config)

            inputs, targets, carried = sampler.batch()  # (B, T)
            inputs, targets = ranks.part(inputs), ranks.part(targets)
            logits, state = predict(inputs, values["state"] if carried else None)  # (B, T, V)
            loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())  # equations (17) and (18)

            optimizer.zero_grad()
            loss.backward()
            grad_norm = nn.utils.clip_grad_norm_(model.parameters(), config.max_norm)
            train_loss = ranks.mean(loss).item()
            if not (math.isfinite(train_loss) and math.isfinite(grad_norm.item())):
                raise DivergedError(f"step {values['step'] + 1}: loss {train_loss:g}, gradient {grad_norm.item():g}")
            optimizer.step()
            values["state"] = tuple(part.detach() for part in state) if config.sampling == "streams" else None
            values["step"] = step = values["step"] + 1

            note = None
            if step % config.print_every == 0:
                accuracy = ranks.mean((logits.argmax(dim=2) == targets).double().mean()).item()
                speed = (step - start_step) * config.batch_size / (time.monotonic() - start)
                note = (
                    f"{datetime.now():%Y-%m-%d %H:%M}, batch size {config.batch_size}, {speed:.0f} examples/s, "
                    f"accuracy {accuracy:.2f}, loss {train_loss:.3f}"
                )
                if math.isfinite(values["best_loss"]):
                    note += f", best held out {values['best_loss']:.3f}"
            if step % config.sample_every == 0:
                check_weights()
                if ranks.rank == 0:
                    with clock.paused():
                        run.note("samples", greedy_sample(model, dataset, step, config.seed))
            if step % config.eval_every == 0 or step == config.train_steps:
                check_weights()
                heldout_loss = ranks.from_first(held_out_loss(dataset, model, clock) if ranks.rank == 0 else None)
                if len(dataset.held_out) and not math.isfinite(heldout_loss):
                    raise DivergedError(f"step {step}: held-out loss {heldout_loss:g}")
                if ranks.rank == 0:
                    log_held_out(config, dataset, model, run, values, train_loss, heldout_loss, clock, summary)
            if step % config.checkpoint_every == 0 or step == config.train_steps:
                save()
            progress.advance(note)
    save()
    if ranks.rank:
        return {}
    with clock.paused():
        losses = final_losses(run, dataset, device)
    return {
        "ended_by": ended_by(config, values, clock),
        "steps": values["step"],
        **losses,
        "cpu_seconds": round(clock.cpu_seconds, 3),
        "wall_seconds": round(clock.wall_seconds, 3),
    }


def open_summary(path):
    """A writer of TensorBoard events; None, with a line that says how to get it, if tensorboard is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        print("--summary_path needs tensorboard: pip install tensorboard; going on without", file=sys.stderr)
        return None
    return SummaryWriter(path)


def follow(config, dataset, run, stop, ranks):
    """Train along as a rank that rank 0 speaks for, and end as rank 0 does: the same exit status, without a word."""
    try:
        result = ranks.together(partial(train, config, dataset, run, stop, ranks))
    except DivergedError:
        sys.exit(3)
    if result is None:
        sys.exit(stop.exit_status)


def main(argv=None):
    parser = build_parser()
    config = parser.parse_args(argv)
    if config.resume and config.output_dir is None:
        parser.error("--resume needs --output_dir, the folder of the run to go on with")
    keep_freed_memory()
    limit_threads()
    stop = StopFlag()
    try:
        ranks = Ranks()
        device = ranks.device(choose_device(config.device))
        if config.batch_size % ranks.size:
            raise ValueError(f"--batch_size {config.batch_size} cannot be divided among {ranks.size} ranks")
        dataset = TextDataset(config.txt_file, config.seq_length, config.encoding, config.val_fraction)
        SAMPLERS[config.sampling](dataset, config.batch_size)
        ranks.connect(device)
        if ranks.rank == 0:
            run = RunFolder(
                config.output_dir,
                {**settings_of(config), "text": dataset.digest, "ranks": ranks.size},
                COLUMNS,
                resume=config.resume,
                may_change=MAY_CHANGE[config.schedule],
                default=ROOT / f"results/part3/{Path(config.txt_file).stem}",
                device=device,
            )
        state = ranks.from_first(run.state if ranks.rank == 0 else None)
    except (ValueError, OSError, RuntimeError) as error:
        parser.error(error)
    if ranks.rank:
        return follow(config, dataset, NoFolder(state), stop, ranks)

    print(
        f"{config.txt_file}: {len(dataset.training)} characters for training, {len(dataset.held_out)} held out, "
        f"{dataset.vocab_size} distinct; {config.lstm_num_layers} layers of {config.lstm_num_hidden}, {config.sampling}"
    )
    again = parser.command(config, output_dir=run.path, resume=True)
    advice = f"a lower --learning_rate (now {config.learning_rate:g}) or --max_norm (now {config.max_norm:g})"
    summary = open_summary(config.summary_path) if config.summary_path else None

    def training():
        result = ranks.together(partial(train, config, dataset, run, stop, ranks, summary))
        if result is not None:
            write_table(run)
        return result

    result = run_to_the_end(training, run, stop, again, advice)
    loss = result["heldout_loss"]
    measured = (
        f"held-out loss {loss:.4f} nats ({loss / math.log(2):.4f} bits) per character" if loss else "nothing held out"
    )
    print(
        f"{measured}, best at step {result['best_step']} of {result['steps']}, "
        f"{result['wall_seconds']:.0f} s ({result['cpu_seconds']:.0f} s CPU), {run.path}"
    )
    setting = result["ended_by"]
    if (setting, config.schedule) != ("train_steps", "cosine"):
        longer = {setting: 2 * getattr(config, setting)}
        print(f"go on with: {parser.command(config, output_dir=run.path, resume=True, **longer)}")
    print(f"write with: {shlex.join(['python', 'part3/generate.py', '--checkpoint', str(run.path)])}")


if __name__ == "__main__":
    run_script(main)
