"""Accuracy against length: train every point of a grid of settings, and keep one small file for each.

python part1/sweep.py --model_type RNN LSTM --input_length 4 7 10 --seed 0 1 2

The flags below take several values; any other flag of part1/train.py is taken too and holds for every point. Points
that are finished are skipped, so the same command started again completes what is missing.
"""

import itertools
import json
import multiprocessing
import os
import re
import signal
import sys
import threading
from argparse import ArgumentTypeError
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, ProcessPoolExecutor, wait
from pathlib import Path

if not __package__:  # run as `python part1/sweep.py`: import from the checkout, not from part1/
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import torch

from common.arguments import Parser, whole_number
from common.device import choose_device, cores
from common.ending import DivergedError
from common.files import write_atomically
from common.processes import warm_context
from common.progress import Progress
from common.stop import StopFlag
from part1 import train
from part1.dataset import PalindromeDataset

ROOT = Path(__file__).resolve().parents[1]


def shard(text):
    """An argument type: "I/N", part I (from 0) of N."""
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if not match or not int(match[1]) < int(match[2]):
        raise ArgumentTypeError(f"{text!r} is not I/N with 0 ≤ I < N")
    return int(match[1]), int(match[2])


def build_parser():
    parser = Parser(__doc__.split("\n")[0] + " Any other flag of part1/train.py holds for every point.")
    grid = parser.add_argument_group("grid, several values each")
    grid.add_argument("--model_type", nargs="+", default=["RNN", "LSTM"], help="cells")
    grid.add_argument("--input_length", nargs="+", default=["10"], help="digits read, T - 1")
    grid.add_argument("--input_dim", nargs="+", default=["1"], help="1: raw digits, 10: one-hot")
    grid.add_argument("--init", nargs="+", default=["default"], help="first weights")
    grid.add_argument("--learning_rate", nargs="+", default=["0.001"], help="step sizes")
    grid.add_argument("--seed", nargs="+", default=["0"], help="seeds")
    parser.add_argument(
        "--times",
        nargs="+",
        type=whole_number(2, 1_000),
        default=[],
        help="also test each trained model, without further training, at so many times the length",
    )
    parser.add_argument("--shard", type=shard, default=(0, 1), metavar="I/N", help="do part I (from 0) of N only")
    parser.add_argument("--workers", type=whole_number(1, 4096), default=cores(), help="processes, one thread each")
    parser.add_argument("--dry_run", action="store_true", help="list the points, train nothing")
    parser.add_argument("--output_dir", default=str(ROOT / "results/part1/sweep"), help="folder of the points' files")
    return parser


def grid_points(sweep, flags):
    """The settings of every point, Namespaces of part1/train.py, none twice; ends with a line if one makes no sense."""
    names = ("seed", "input_length", "model_type", "input_dim", "init", "learning_rate")
    parser = train.build_parser()
    points = {}
    for values in itertools.product(*(getattr(sweep, name) for name in names)):
        words = [word for name, value in zip(names, values, strict=True) for word in (f"--{name}", value)]
        point = parser.parse_args(words + flags)
        if point.resume:
            parser.error("--resume is not for a sweep: points that are finished are skipped anyway")
        try:
            choose_device(point.device)
            train.build_model(point)
            train.build_training_set(point)
        except ValueError as error:
            parser.error(error)
        points[point_file("", point)] = point
    return [*points.values()]


def point_file(folder, point):
    """The file of a point: its name holds what the grid varies."""
    name = (
        f"{point.model_type}_length{point.input_length}_dim{point.input_dim}_{point.init}"
        f"_lr{point.learning_rate:g}_seed{point.seed}.json"
    )
    return Path(folder) / name


def is_finished(folder, point, times=()):
    """Whether the point's file is there. Raises ValueError if it is of other settings, or was not tested at `times`."""
    path = point_file(folder, point)
    if not path.exists():
        return False
    content = json.loads(path.read_text())
    found, wanted = content["settings"], train.settings_of(point)
    different = [
        f"{name} {found.get(name)!r}, not {wanted[name]!r}" for name in wanted if found.get(name) != wanted[name]
    ]
    different += [
        f"no accuracy at length {n * point.input_length}"
        for n in times
        if str(n * point.input_length) not in content["result"].get("accuracy_beyond", {})
        and "diverged" not in content["result"]
    ]
    if different:
        raise ValueError(f"{path} has {'; '.join(different)}: name another --output_dir")
    return True


def accuracy_beyond(model, point, times):
    """{length: accuracy, 0 to 1, on 1,000 held-out palindromes} at so many times the point's length."""
    accuracies = {}
    for length in (n * point.input_length for n in times):
        digits, target = PalindromeDataset(length + 1, point.seed, held_out=True).batch(1_000)
        _, accuracies[length] = train.evaluate(model, digits, target, point.input_dim)
    return accuracies


def run_point(folder, point, times=()):
    """Train one point and write its file; a point that diverges is finished too, without an accuracy."""
    torch.manual_seed(point.seed)
    model = train.build_model(point)
    try:
        result = train.train(point, show=False, model=model)
        if times:
            result["accuracy_beyond"] = accuracy_beyond(model, point, times)
    except DivergedError as error:
        result = {"accuracy": None, "diverged": str(error)}
    device = str(choose_device(point.device))
    settings = train.settings_of(point)
    content = {"settings": settings, "result": result, "torch": torch.__version__, "computed_on": device}
    write_atomically(point_file(folder, point), json.dumps(content, indent=1) + "\n")
    return result


def _start_worker():
    """Leave Ctrl-C to the parent, and end with it, however it ends."""
    train.prepare_process()
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def end_with_parent():
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()


def run_points(folder, points, workers, total, stop, times=()):
    """Train the points in `workers` processes; returns False if it was asked to stop.

    Raises what a point raised, OSError for one, and BrokenExecutor if a process was killed; the others are ended.
    """
    executor = ProcessPoolExecutor(workers, mp_context=warm_context(), initializer=_start_worker)
    pending = {}
    try:
        with Progress(total, done=total - len(points), unit="point") as progress:
            pending = {executor.submit(run_point, folder, point, times): point for point in points}
            while pending and not stop:
                done, _ = wait(pending, timeout=0.5, return_when=FIRST_COMPLETED)
                for future in done:
                    point, result = pending.pop(future), future.result()
                    note = result.get("diverged") or f"accuracy {result['accuracy']:.4f} after {result['steps']} steps"
                    progress.advance(f"{point_file(folder, point).stem}: {note}")
    except BaseException:
        _kill_workers()
        raise
    if pending:
        _kill_workers()
    executor.shutdown()
    return not pending


def _kill_workers():
    """End the processes where they are: a point is written whole or not at all, and Python waits for all at its end."""
    for process in multiprocessing.active_children():
        process.kill()


def main(argv=None):
    parser = build_parser()
    sweep, flags = parser.parse_known_args(argv)
    folder = Path(sweep.output_dir)
    part, parts = sweep.shard
    points = grid_points(sweep, flags)[part::parts]
    try:
        finished = [is_finished(folder, point, sweep.times) for point in points]
        missing = [point for point, there in zip(points, finished, strict=True) if not there]
        if sweep.dry_run:
            for point, there in zip(points, finished, strict=True):
                print(f"{point_file(folder, point).stem}  {'finished' if there else 'missing'}")
            return
        folder.mkdir(parents=True, exist_ok=True)
    except (ValueError, OSError) as error:
        parser.error(error)

    stop = StopFlag()
    try:
        complete = run_points(folder, missing, sweep.workers, len(points), stop, sweep.times)
    except (OSError, BrokenExecutor) as error:
        print(f"{error}; the points that are finished are kept, start the same command again to go on", file=sys.stderr)
        sys.exit(1)
    if not complete:
        print(f"stopped by {stop.signal.name}: start the same command again to go on", file=sys.stderr)
        sys.exit(stop.exit_status)
    print(f"{len(points)} points in {folder}, {len(missing)} of them new")


if __name__ == "__main__":
    main()
