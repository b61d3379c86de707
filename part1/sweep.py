"""Accuracy against length: train every point of a grid of settings, and collect the results in one table.
Any other flag of part1/train.py holds for every point.

python part1/sweep.py --model_type RNN LSTM --input_length 4 7 10 --seed 0 1 2

While it runs, each finished point is a small file in the output folder; when it ends they become rows of the folder's
points.csv. Points that are finished are skipped, so the same command started again completes what is missing.
"""

import csv
import itertools
import json
import re
import sys
from argparse import ArgumentTypeError
from contextlib import suppress
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path

if not __package__:  # run as `python part1/sweep.py`: import from the checkout, not from part1/
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

import torch

from common.arguments import Parser, whole_number
from common.device import choose_device, cores, prepare_process, start_process, told, warm_context, working_device
from common.files import try_output, write_atomically
from common.printing import Progress
from common.run_folder import lock_folder
from common.tables import read_records, write_records
from common.training import DivergedError, StopFlag, hears_signals
from part1 import train
from part1.dataset import PalindromeDataset

ROOT = Path(__file__).resolve().parents[1]
POINTS = "points.csv"
VARIED = ("model_type", "input_length", "input_dim", "init", "learning_rate", "seed")  # by the grid


def shard(text):
    """An argument type: "I/N", part I (from 0) of N."""
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if not match or not int(match[1]) < int(match[2]):
        raise ArgumentTypeError(f"{text!r} is not I/N with 0 ≤ I < N")
    return int(match[1]), int(match[2])


def build_parser():
    parser = Parser(__doc__)
    grid = parser.add_argument_group("grid, several values each")
    grid.add_argument("--model_type", nargs="+", default=["RNN", "LSTM"], help="which cells")
    grid.add_argument("--input_length", nargs="+", default=["10"], help="digits read, T - 1")
    grid.add_argument("--input_dim", nargs="+", default=["1"], help="1: raw digits, 10: one-hot")
    grid.add_argument("--init", nargs="+", default=["default"], help="first weights")
    grid.add_argument("--learning_rate", nargs="+", default=["0.001"], help="step sizes")
    grid.add_argument("--seed", nargs="+", default=["0"], help="seeds of weights and palindromes")
    times = "also test each trained model, without further training, at so many times the length"
    parser.add_argument("--times", nargs="+", type=whole_number(2, 1_000), default=[], help=times)
    parser.add_argument("--shard", type=shard, default="0/1", metavar="I/N", help="do part I (from 0) of N only")
    parser.add_argument("--workers", type=whole_number(1, 4096), default=cores(), help="processes, one thread each")
    parser.add_argument("--dry_run", action="store_true", help="list the points, train nothing")
    parser.add_argument("--output_dir", default=str(ROOT / "results/part1/sweep"), help="folder of the points' files")
    return parser


def grid_points(sweep, flags):
    """The settings of every point, Namespaces of part1/train.py, none twice; ends with a line if one makes no sense."""
    parser = train.build_parser()
    points = {}
    for values in itertools.product(*(getattr(sweep, name) for name in ("seed", *VARIED[:-1]))):
        words = [f"--{name}={value}" for name, value in zip(("seed", *VARIED[:-1]), values, strict=True)]
        point = parser.parse_args(words + flags)
        if point.resume:
            parser.error("--resume is not for a sweep: points that are finished are skipped anyway")
        try:
            choose_device(point.device)
            train.check(point)
        except ValueError as error:
            parser.error(error)
        points[name_of(vars(point))] = point
    return [*points.values()]


def name_of(settings):
    """The name of a point with these settings, a dict: what the grid varies."""
    cell, length, dim, init, rate, seed = (settings[name] for name in VARIED)
    rate = str(rate).removesuffix(".0")  # all its digits: two rates may differ in the ninth
    return f"{cell}_length{length}_dim{dim}_{init}_lr{rate}_seed{seed}"


def read_points(folder):
    """The finished points in a sweep's folder, {name: settings and result, a dict}: in its table, or still beside it.

    A file, or a row of the table, that is damaged is named in a line on stderr and left out. Raises ValueError, naming
    it, if all of the table is; OSError if a file cannot be read.
    """
    folder, points = Path(folder), {}
    for path in [*sorted(folder.glob("*_seed*.json")), folder / POINTS]:  # the table last: points move there meanwhile
        try:
            records = read_records(path) if path.name == POINTS else [json.loads(path.read_text(encoding="utf-8"))]
        except FileNotFoundError:
            continue
        except (ValueError, csv.Error):
            records = [None]
        found = {}
        for record in records:
            with suppress(KeyError, TypeError):
                if "diverged" in record or 0 <= record["accuracy"] <= 1:
                    found[name_of(record)] = record
        if path.name == POINTS and records and not found:
            raise ValueError(f"{path} holds no point of part1/sweep.py")
        if damaged := len(records) - len(found):
            print(f"warning: {path} is damaged: {damaged} of {len(records)} points are left out", file=sys.stderr)
        points |= found
    return points


def collect_points(folder, names):
    """Move the files of the points called `names` into the folder's table. Raises ValueError, OSError as `read_points`.

    Tasks of an array may do so at the same time: a lock lets in one after the other.
    """
    table = Path(folder) / POINTS
    with lock_folder(table.parent):
        points, running = read_points(folder), {path.stem for path in table.parent.glob("*.json")} - {*names}
        rows = [record for name, record in points.items() if name not in running]
        if rows:
            write_records(table, sorted(rows, key=lambda record: [record[name] for name in VARIED]))
        for name in names:
            (table.parent / f"{name}.json").unlink(missing_ok=True)


def is_finished(finished, point, times=()):
    """Whether a point is among the `finished`. Raises ValueError if with other settings, or not tested at `times`."""
    found, wanted = finished.get(name_of(vars(point))), train.settings_of(point)
    if found is None:
        return False
    different = [
        f"{name} {found.get(name)!r}, not {wanted[name]!r}" for name in wanted if found.get(name) != wanted[name]
    ]
    different += [
        f"no accuracy at length {n * point.input_length}"
        for n in times
        if str(n * point.input_length) not in found.get("accuracy_beyond", {}) and "diverged" not in found
    ]
    if different:
        raise ValueError(f"{name_of(vars(point))} is there with {'; '.join(different)}: name another --output_dir")
    return True


def accuracy_beyond(model, point, times):
    """{length: accuracy, 0 to 1, on 1,000 held-out palindromes} at so many times the point's length."""
    accuracies = {}
    for length in (n * point.input_length for n in times):
        digits, target = PalindromeDataset(length + 1, point.seed, held_out=True).batch(1_000)
        _, accuracies[length] = train.evaluate(model, digits, target, point.input_dim)
    return accuracies


def run_point(folder, point, device, times=()):
    """Train one point and write its file; a point that diverges is finished too, without an accuracy.

    To be run in a process of its own: for want of memory, or of room for the file, it ends with a line and status 1.
    """
    prepare_process()
    try:
        model = train.build_model(point)
        try:
            result = train.train(point, model, train.build_training_set(point), show=False, device=device)
            if times:
                result["accuracy_beyond"] = accuracy_beyond(model, point, times)
        except DivergedError as error:
            result = {"diverged": str(error)}
        made = {"torch": torch.__version__, "computed_on": str(device)}
        record = {**train.settings_of(point), **result, **made}
        write_atomically(Path(folder) / f"{name_of(record)}.json", json.dumps(record, indent=1) + "\n")
    except (MemoryError, OSError, RuntimeError) as error:
        sys.exit(f"{name_of(vars(point))}: {told(error, train.MEMORY_FLAGS)}")


def run_points(folder, points, device, workers, total, stop, times=()):
    """Train the points, each in a process of its own, so many at once; returns the names of those that failed.

    If a stop is requested, the processes are ended. Raises OSError if a point failed and none can be written any more.
    """
    context, waiting, running, failed = warm_context("__main__"), points[::-1], {}, []
    with Progress(total, done=total - len(points), unit="point") as progress:
        try:
            while (waiting or running) and not stop:
                while waiting and len(running) < workers:
                    point = waiting.pop()
                    process = start_process(context, run_point, folder, point, device, times)
                    running[process.sentinel] = name_of(vars(point)), process
                for sentinel in wait(running, timeout=0.5):
                    name, process = running.pop(sentinel)
                    process.join()
                    if process.exitcode == 0:
                        result = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
                        ended = result.get("diverged") or "accuracy {accuracy:.4f} after {steps} steps".format(**result)
                        progress.advance(f"{name}: {ended}")
                        continue
                    failed.append(name)
                    if process.exitcode < 0:
                        lower = f"lower {train.MEMORY_FLAGS}, or --workers"
                        print(f"{name}: its process was killed; if for want of memory, {lower}", file=sys.stderr)
                    try_output(folder / POINTS)
        finally:  # end the processes where they are: a point is written whole or not at all
            for _, process in running.values():
                process.kill()
                process.join()
    return failed


@hears_signals
def main(argv=None):
    parser = build_parser()
    sweep, flags = parser.parse_known_args(argv)
    stop = StopFlag()
    folder = Path(sweep.output_dir)
    index, count = sweep.shard
    points = grid_points(sweep, flags)[index::count]
    try:
        known = read_points(folder)
        finished = [is_finished(known, point, sweep.times) for point in points]
        missing = [point for point, there in zip(points, finished, strict=True) if not there]
        if sweep.dry_run:
            for point, there in zip(points, finished, strict=True):
                print(f"{name_of(vars(point))}  {'finished' if there else 'missing'}")
            return
        device = working_device(missing[0].device, partial(train.small_step, missing[0])) if missing else None
        folder.mkdir(parents=True, exist_ok=True)
        lock = lock_folder(folder, f"lock_{index}_of_{count}")  # of an array's tasks each has its own
    except (ValueError, OSError, RecursionError) as error:
        parser.error(error)

    again = "finished points are kept: start the same command again to continue"
    with lock:
        try:
            failed = run_points(folder, missing, device, sweep.workers, len(points), stop, sweep.times)
            if not failed and not stop:
                collect_points(folder, [name_of(vars(point)) for point in points])
        except (OSError, ValueError) as error:
            sys.exit(f"{error}; {again}")
        if stop:
            print(f"stopped by {stop.signal.name}; {again}", file=sys.stderr)
            sys.exit(stop.exit_status)
        if failed:
            sys.exit(f"{len(failed)} of {len(missing)} points failed; {again}")
    print(f"{len(points)} points in {folder / POINTS}, {len(missing)} of them new")


if __name__ == "__main__":
    main()
