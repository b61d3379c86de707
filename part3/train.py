"""Train a two-layer LSTM on a book, character by character.

python part3/train.py --txt_file assets/book.txt

Started by srun or torchrun as several ranks, they share each batch: the settings, and but for dropout's masks the
numbers, are those of one process. On a SLURM cluster: part3/train.sbatch.
"""

import math
import os
import signal
import sys
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path

if not __package__:  # run as `python part3/train.py`: import from the checkout, not from part3/
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word
os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # C++ would write pages around the line of a rank that ends

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from common.arguments import Parser, new_folder, number_between, positive_number, whole_number
from common.checkpoint import restore
from common.device import choose_device, keep_freed_memory, limit_threads, told, warn_of_memory, working_device
from common.printing import Progress
from common.run_folder import RunFolder
from common.training import (
    Clock,
    StopFlag,
    Stopped,
    TorchRandom,
    check_finite,
    hears_signals,
    run_to_the_end,
)
from part3.dataset import ParallelStreams, RandomItems, RandomSentences, TextDataset, files_of
from part3.defaults import PRESETS, is_resumed, may_change, only_alone, parse_flags
from part3.evaluation import final_losses, held_out_loss, part_to_evaluate
from part3.optimizer import OPTIMIZERS, SCHEDULES, build_optimizer, learning_rate_at
from part3.precision import PRECISIONS, check_precision, computing_in
from part3.ranks import Ranks, run_script
from part3.samples import greedy_sample, write_samples
from part3.summary import Summary
from part3.telling import say_result, say_text, warn_of_text
from part3.trained import BEST, Trained, build_model, carry_over, memory_of_an_update, small_step, write_trained

ROOT = Path(__file__).resolve().parents[1]
SAMPLERS = {"sentences": RandomSentences, "streams": ParallelStreams}
COLUMNS = ("step", "train_loss", "heldout_loss", "heldout_bpc", "learning_rate", "cpu_seconds", "wall_seconds")
MEMORY_FLAGS = "--batch_size, --seq_length or --lstm_num_hidden"  # that lower the memory of an update


def build_parser():
    parser = Parser(__doc__, __file__)
    updates, share = whole_number(1, 10**9), number_between(0, 1, include_high=True)
    text = parser.add_argument_group("text")
    text.add_argument("--txt_file", nargs="+", help="the book, one text file or several; - for standard input")
    text.add_argument("--encoding", default="utf-8", help="encoding of the file")
    text.add_argument("--val_fraction", type=number_between(0, 1, True), default=0.1, help="share held out at the end")
    text.add_argument("--lines", action="store_true", help="the text is a list, an item a line: names, titles, ...")
    text.add_argument("--seq_length", type=whole_number(1, 100_000), default=30, help="characters of a window, T")
    text.add_argument("--sampling", choices=SAMPLERS, default="sentences", help="random windows, or streams with state")
    parser.add_argument("--preset", choices=PRESETS, default="course", help="defaults for some of the flags below")
    model = parser.add_argument_group("model")
    model.add_argument("--init_from", help="a run, its best.pt or checkpoint.pt: fine-tune its model, of its sizes")
    model.add_argument("--lstm_num_hidden", type=whole_number(1, 10_000), default=128, help="units of a layer")
    model.add_argument("--lstm_num_layers", type=whole_number(1, 100), default=2, help="number of layers")
    model.add_argument("--embedding_dim", type=whole_number(1, 10_000), default=64, help="numbers for a character")
    model.add_argument("--dropout_keep_prob", type=share, default=1.0, help="share of outputs kept; 1: no dropout")
    training = parser.add_argument_group("training")
    training.add_argument("--batch_size", type=whole_number(1, 1_000_000), default=64, help="windows per update")
    training.add_argument("--optimizer", choices=OPTIMIZERS, default="adam", help="update rule")
    training.add_argument("--learning_rate", type=positive_number, default=2e-3, help="learning rate at the start")
    training.add_argument("--schedule", choices=SCHEDULES, default="step", help="how the learning rate falls")
    training.add_argument("--learning_rate_decay", type=share, default=0.96, help="step: factor of the learning rate")
    training.add_argument("--learning_rate_step", type=updates, default=5000, help="step: updates between the factors")
    training.add_argument("--train_steps", type=updates, default=1_000_000, help="updates at most")
    training.add_argument("--max_norm", type=positive_number, default=5.0, help="clip gradients to this norm")
    training.add_argument("--eval_every", type=updates, default=200, help="updates between held-out losses")
    patience = "stop after so many consecutive evaluations without a new best; 0: never"
    training.add_argument("--patience", type=whole_number(0, 10**9), default=10, help=patience)
    minutes = "stop and save after so many minutes of training alone, over all resumes"
    training.add_argument("--max_minutes", type=positive_number, help=minutes)
    seed = whole_number(0, 2**63 - 1)
    training.add_argument("--seed", type=seed, default=0, help="seed of weights, windows and samples")
    training.add_argument("--device", default="auto", help="auto (cuda, then mps, then cpu), cpu, cuda, cuda:1, mps")
    precision = "precision of products in training; bfloat16: faster where the device has it, rounded to 3 digits"
    training.add_argument("--precision", choices=PRECISIONS, default="float32", help=precision)
    output = parser.add_argument_group("output")
    output.add_argument("--print_every", type=updates, default=5, help="updates per line of progress")
    output.add_argument("--sample_every", type=updates, default=100, help="updates per sample of text")
    output.add_argument("--checkpoint_every", type=updates, default=200, help="updates per checkpoint")
    output.add_argument("--summary_path", type=new_folder, help="folder for TensorBoard events, if it is installed")
    output.add_argument("--output_dir", help="run folder; none: a new numbered one under results/part3")
    output.add_argument("--resume", action="store_true", help="resume the run in --output_dir, if there is one")
    return parser


def settings(**changes):
    """The default settings with these changes, a Namespace: `settings(txt_file="assets/book.txt", seed=1)`."""
    return build_parser().settings(**changes)


def settings_of(config):
    """The settings that decide a run's numbers, a dict of plain values."""
    apart = ("output_dir", "resume", "summary_path", "print_every")
    return {name: value for name, value in vars(config).items() if name not in apart}


def build_parts(config, model, sampler, device):
    """Whose states a checkpoint holds, {name: part}: model, optimizer, sampler, torch's random numbers, the clock."""
    optimizer, clock = build_optimizer(model, config, device), Clock()  # the clock is of training alone
    return dict(model=model, optimizer=optimizer, sampler=sampler, random=TorchRandom(), clock=clock)


def ended_by(config, step, since_best, clock):
    """The setting that ends training here, or None."""
    if step >= config.train_steps:
        return "train_steps"
    if 0 < config.patience <= since_best:
        return "patience"
    if config.max_minutes is not None and clock.wall_seconds >= 60 * config.max_minutes:
        return "max_minutes"
    return None


def evaluated_part(dataset, config):
    """Where the part of the held-out text that is evaluated while training starts and stops, characters of it."""
    trained_on = config.eval_every * config.batch_size * config.seq_length
    return part_to_evaluate(len(dataset.held_out), trained_on, config.seed)


def update(model, optimizer, loss, max_norm):
    """One update of the weights from the gradient of `loss`; returns the gradient's norm, as it was before clipping."""
    optimizer.zero_grad()
    loss.backward()
    grad_norm = nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    optimizer.step()
    return grad_norm


def train(config, dataset, sampler, model, run, stop, ranks, summary=None):
    """Train `model` in place until convergence on the held-out text, `train_steps` or `max_minutes`.

    All ranks draw the same batch and each takes its rows; the gradient and the end are common, and so are the weights.
    Rank 0 alone has a `run`, a RunFolder whose state is resumed from (the others None): it decides on the end,
    evaluates, draws samples, writes, and has results. `stop` is a StopFlag.

    Returns a dict of results, or None if a stop was requested: the run's checkpoint is then of the last update, and an
    evaluation that was interrupted is made again on resume. Raises DivergedError, on every rank, after an update that
    left weights that are not finite, before it is saved.
    """
    device = next(model.parameters()).device
    saved = ranks.broadcast(run and run.state)
    parts = build_parts(config, model, sampler, device)
    optimizer, clock = parts["optimizer"], parts["clock"]
    step, evaluated, train_loss = 0, 0, None  # updates made, at the last evaluation; loss of the last update
    best_loss, since_best = math.inf, 0  # held out; evaluations without a new best
    state = None  # (h, c) after the last batch, each (L, B, H), of this rank's rows
    if saved:
        step, best_loss, since_best = saved["step"], saved["best_loss"], saved["since_best"]
        evaluated, train_loss = saved["evaluated"], saved["train_loss"]
        if config.sampling == "streams" and saved["state"]:
            state = [ranks.shard(tensor, dim=1).to(device, torch.float32) for tensor in saved["state"]]
        restore(parts, saved)
    saved_at = (step, evaluated) if saved else None
    heldout_part = slice(*evaluated_part(dataset, config))
    if ranks.rank:  # dropout differs between ranks; rank 0's masks are those that a checkpoint holds
        torch.manual_seed(int(np.random.default_rng([config.seed, step, ranks.rank]).integers(2**63)))
    predict = ranks.wrap(model)

    left = config.max_minutes and (lambda: 60 * config.max_minutes - clock.wall_seconds)
    with Progress(config.train_steps, done=step, show=ranks.rank == 0, seconds_left=left) as progress:
        while True:
            if run and step > evaluated and (step % config.eval_every == 0 or step == config.train_steps):
                rate, seconds = optimizer.param_groups[0]["lr"], clock.seconds()
                with clock.paused(), suppress(Stopped):
                    heldout_loss = held_out_loss(model, dataset.held_out[heldout_part], stop, dataset.item_end)
                    numbers = (train_loss, heldout_loss, heldout_loss / math.log(2), rate)
                    run.log(step, *numbers, *seconds)
                    if summary:
                        summary.add(step, dict(zip(COLUMNS[1:5], numbers, strict=True)))
                    evaluated, since_best = step, since_best + 1
                    if heldout_loss < best_loss or math.isnan(heldout_loss):  # nan: nothing is held out
                        best_loss, since_best = heldout_loss, 0
                        write_trained(run.path / BEST, model, dataset.characters, settings_of(config), step, best_loss)
            ending = run and ended_by(config, step, since_best, clock)
            unsaved = run and (step, evaluated) != saved_at  # rank 0 decides
            over, signal_number, unsaved = ranks.all_reduce_max(bool(ending), stop.signal or 0, bool(unsaved))
            if unsaved and (over or signal_number or step % config.checkpoint_every == 0):
                values = {"step": step, "evaluated": evaluated, "train_loss": train_loss}
                values |= {"best_loss": best_loss, "since_best": since_best}
                values["state"] = state and [ranks.all_gather(tensor, dim=1) for tensor in state]
                if run:
                    with clock.paused():
                        run.save(parts, characters=dataset.characters, **values)
                saved_at = step, evaluated
            if signal_number:
                stop.signal = signal.Signals(signal_number)
                return None
            if over:
                break

            for group in optimizer.param_groups:
                group["lr"] = learning_rate_at(step, config)
            inputs, targets, carried = sampler.batch()  # (B, T)
            inputs, targets = ranks.shard(inputs), ranks.shard(targets)
            with computing_in(config.precision, device):
                logits, state = predict(inputs, state if carried else None)  # (B, T, V)
            state = [tensor.detach() for tensor in state]  # gradients end at the batch's first character
            logits = logits.to(torch.promote_types(logits.dtype, torch.float32))  # of bfloat16
            loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())  # equations (17) and (18)

            grad_norm = update(model, optimizer, loss, config.max_norm)
            step += 1
            train_loss = ranks.all_reduce_mean(loss).item()
            check_finite(model, step, train_loss, grad_norm)

            note = None
            if step % config.print_every == 0:
                accuracy = ranks.all_reduce_mean((logits.argmax(dim=2) == targets)[targets >= 0].float().mean()).item()
                B, now = config.batch_size, f"{datetime.now():%Y-%m-%d %H:%M}"
                note = f"{now}, batch size {B}, {B * step / clock.wall_seconds:.0f} examples/s, accuracy {accuracy:.2f}"
                best = f", best held out {best_loss:.3f}" if math.isfinite(best_loss) else ""
                note += f", loss {train_loss:.3f}{best}"
            if run and step % config.sample_every == 0:
                with clock.paused():
                    sample = greedy_sample(model, dataset, step, config.seed)
                    run.note("samples", sample)
                    progress.show(f"step {step}: {sample['text']!r}")
            progress.advance(note)
    if not run:
        return {}
    losses = None
    with clock.paused(), suppress(Stopped):
        write_samples(run)
        best = Trained(run.path)
        losses = final_losses(best.model().to(device), dataset.held_out, stop, dataset.item_end)
    return losses and {"ended_by": ending, "steps": step, "best_step": best.step, **losses, **clock.results()}


def load(config, ranks, device):
    """The data, the sampler and the model."""
    name = config.device if ranks.size == 1 else str(device)  # "auto" may end on the CPU, which one of several may not
    device = working_device(name, partial(small_step, settings_of(config)))
    check_precision(config.precision, device)
    cut = (config.val_fraction, config.lines, config.seed)
    dataset = TextDataset(config.txt_file, config.seq_length, config.encoding, *cut)
    sampler = (RandomItems if config.lines else SAMPLERS[config.sampling])(
        dataset, config.batch_size, config.seed, device
    )
    torch.manual_seed(config.seed)
    return dataset, sampler, build_model(dataset.vocab_size, settings_of(config)).to(device)


def begin(config, dataset, sampler, model, ranks):
    """The run that begins and its summary; None and None but on rank 0."""
    run, summary, device = None, None, next(model.parameters()).device
    if ranks.rank == 0:
        warn_of_text(dataset)
        warn_of_memory(memory_of_an_update(config, dataset.vocab_size) / ranks.size, device, MEMORY_FLAGS)
        wanted = {**settings_of(config), "text": dataset.digest, "ranks": ranks.size}
        wanted["evaluated_part"] = evaluated_part(dataset, config)
        about = {"resume": config.resume, "may_change": may_change(config)}
        said = None
        if config.init_from and not is_resumed(config):
            said = carry_over(Trained(config.init_from), model, dataset.characters)
        about |= {"default": ROOT / f"results/part3/{Path(files_of(config.txt_file)[0]).stem}"}
        about["before"] = {
            "precision": "float32",
            "evaluated_part": [0, len(dataset.held_out)],
            "lines": False,
            "preset": "course",
        }
        files = ["samples.jsonl", "samples.md", BEST]
        shape = (config.lstm_num_layers, config.batch_size, config.lstm_num_hidden)
        entries = {"best_loss": math.inf, "since_best": 0, "evaluated": 0, "train_loss": 0.0}
        entries |= {"characters": dataset.characters}
        if config.sampling == "streams":  # else each batch starts from zero
            entries["state"] = [torch.empty(shape, device="meta")] * 2
        entries |= build_parts(config, model, sampler, device)
        run = RunFolder(config.output_dir, wanted, COLUMNS, files, **about, entries=entries)
        if run.state and run.state["best_loss"] != math.inf:  # there was an evaluation
            Trained(run.path / BEST)
    keep_freed_memory()
    limit_threads()
    if run:
        summary = Summary(config.summary_path) if config.summary_path else None
        run.begin(device)
        if said:
            print(said)
    return run, summary


def prepare(config, ranks, device):
    """The data, the sampler, the model, and on rank 0 the run that begins and its summary (None on others).

    Raises ValueError, OSError or RuntimeError, on rank 0 for all, before anything of the run is written.
    """
    dataset, sampler, model = ranks.on_every_rank(partial(load, config, ranks, device))
    facts = {"text": dataset.digest, "vocabulary": dataset.characters, **settings_of(config)}
    del facts["txt_file"]  # nodes have copies
    ranks.same(**facts)
    return dataset, sampler, model, *ranks.on_every_rank(partial(begin, config, dataset, sampler, model, ranks))


@hears_signals
def main(argv=None):
    parser = build_parser()
    config = parse_flags(parser, argv)
    stop = StopFlag()
    try:
        ranks = Ranks()
        device = ranks.device(choose_device(config.device))
        if config.batch_size % ranks.size:
            raise ValueError(f"--batch_size {config.batch_size} cannot be divided among {ranks.size} ranks")
        if ranks.size > 1 and (flag := only_alone(config)):
            raise ValueError(f"{flag} is for one process, not for {ranks.size} ranks")
        ranks.connect(device)
        dataset, sampler, model, run, summary = prepare(config, ranks, device)
    except (ValueError, OSError, RuntimeError, MemoryError) as error:
        parser.error(told(error, MEMORY_FLAGS))

    training = partial(ranks.run, partial(train, config, dataset, sampler, model, run, stop, ranks, summary))
    if not run:
        return ranks.follow(training, stop)
    say_text(config, dataset, run)
    result = run_to_the_end(training, run, stop, parser, config, MEMORY_FLAGS)
    say_result(parser, config, dataset, run, result, sum(p.numel() for p in model.parameters()))


if __name__ == "__main__":
    run_script(main)
