"""Steps that build on each other: a command each, one process per core, finished ones skipped, any end survived.

What a step makes lies below one output folder, with the step's log (logs/NAME.log) and its record (steps/NAME.json:
the command, and the time that it took once it is finished). The record decides what is still to be done.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from common.files import write_atomically
from common.progress import Progress

LEASH = Path(__file__).with_name("leash.py")


@dataclass(frozen=True)
class Step:
    """A command and what it makes.

    Args:
        name: of the step, unique; a file's name, or one in a folder.
        command: what comes behind `python`, a list of words, started in the folder `root`; {out} is the output folder.
        outputs: the files or folders that it makes, paths from the output folder; no two steps make the same.
        needs: names of the steps that must be finished before, all earlier in the list.
        seconds: CPU-seconds that it is expected to take.
        alone: whether nothing else may run beside it, as for a benchmark.
        prints: the output that takes what the command prints; else the log does.
        cannot: why it cannot be done here, one line; None where it can.
    """

    name: str
    command: list
    outputs: list
    needs: list = ()
    seconds: int = 1
    alone: bool = False
    prints: str = None
    cannot: str = None


def record_of(folder, step):
    """The step's record, a dict, {} if it has none."""
    try:
        return json.loads((folder / "steps" / f"{step.name}.json").read_text())
    except (OSError, ValueError):
        return {}


def is_finished(folder, step):
    """Whether the step was finished with the very command it has now, and all that it makes is there."""
    record = record_of(folder, step)
    return (
        "wall_seconds" in record
        and record["command"] == step.command
        and all((folder / output).exists() for output in step.outputs)
    )


def sort_out(folder, steps):
    """What is to be done, a list of steps; and why others cannot be, {name: reason}.

    To be done is what is not finished, and what needs something that is to be done. What needs a step that cannot be
    done cannot be either, for the same reason.
    """
    to_do, cannot = [], {}
    for step in steps:
        if step.cannot:
            cannot[step.name] = step.cannot
        elif blocked := [name for name in step.needs if name in cannot]:
            cannot[step.name] = cannot[blocked[0]]
        elif not is_finished(folder, step) or {done.name for done in to_do} & {*step.needs}:
            to_do.append(step)
    return to_do, cannot


def expected_minutes(steps, cores):
    """How long the steps take on so many cores."""
    together = [step.seconds for step in steps if not step.alone]
    alone = sum(step.seconds for step in steps if step.alone)
    return (max([sum(together) / cores, *together], default=0) + alone) / 60


def run_steps(folder, root, steps, cores, stop, lock):
    """Do the steps (those of `sort_out`); returns {name of a step that failed: one line that says why}.

    Returns early, all processes ended, when the flag `stop` is set. What needs a failed step is left out and fails too.
    `lock` is a file that stays locked while any of the processes lives.
    """
    for step in steps:
        _begin_record(folder, step)
    waiting, running, failed = list(steps), {}, {}
    with Progress(sum(step.seconds for step in steps), unit="CPU-second") as progress:
        try:
            while (waiting or running) and not stop:
                for step in list(waiting):
                    if blocked := [name for name in step.needs if name in failed]:
                        waiting.remove(step)
                        failed[step.name] = f"not tried: {blocked[0]} failed"
                while step := _next(waiting, running, cores):
                    waiting.remove(step)
                    running[step.name] = step, _start(folder, root, step, lock), time.monotonic()
                time.sleep(0.05)
                for step, process, started in list(running.values()):
                    pid, status, usage = os.wait4(process.pid, os.WNOHANG)
                    if not pid:
                        continue
                    process.returncode = os.waitstatus_to_exitcode(status)
                    process.stdin.close()
                    del running[step.name]
                    wall, cpu = time.monotonic() - started, usage.ru_utime + usage.ru_stime
                    if error := _error(folder, step, process.returncode):
                        failed[step.name] = error
                    else:
                        _write_record(folder, step, wall_seconds=round(wall, 1), cpu_seconds=round(cpu, 1))
                    note = f"{step.name}: {'failed' if step.name in failed else f'{wall:.0f} s'}"
                    progress.advance(note, by=step.seconds)
        finally:
            for _, process, _ in running.values():
                process.stdin.close()  # its leash ends it
            for _, process, _ in running.values():
                process.wait()
    return {step.name: failed[step.name] for step in steps if step.name in failed}


def _next(waiting, running, cores):
    """The first step that can start now, or None; one that must be alone when no other can."""
    if len(running) >= cores or any(step.alone for step, *_ in running.values()):
        return None
    undone = {step.name for step in waiting} | running.keys()
    ready = [step for step in waiting if not undone & {*step.needs}]
    together = [step for step in ready if not step.alone]
    return together[0] if together else ready[0] if ready and not running else None


def _start(folder, root, step, lock):
    """Start the step's command as a process on a leash; returns its Popen."""
    log = folder / "logs" / f"{step.name}.log"
    for path in (log, *(folder / output for output in step.outputs)):
        path.parent.mkdir(parents=True, exist_ok=True)
    words = [word.replace("{out}", str(folder)) for word in step.command]
    with (
        open(log, "w", encoding="utf-8") as log_file,
        nullcontext(log_file) if not step.prints else open(folder / step.prints, "w") as printed,
    ):
        log_file.write(f"python {shlex.join(words)}\n")
        log_file.flush()
        return subprocess.Popen(
            [sys.executable, str(LEASH), sys.executable, *words],
            cwd=root,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=printed,
            stderr=log_file,
            start_new_session=True,
            pass_fds=[lock.fileno()],
        )


def _error(folder, step, status):
    """What went wrong with a step that ended with this exit status, one line; None if nothing did."""
    if status:
        lines = (folder / "logs" / f"{step.name}.log").read_text(encoding="utf-8", errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines[1:]) if line.strip()), f"exit status {status}")
    missing = [output for output in step.outputs if not (folder / output).exists()]
    return f"it did not make {missing[0]}" if missing else None


def _begin_record(folder, step):
    """From now on the step is unfinished; what another command of it has left is removed, as it could not go on."""
    if record_of(folder, step).get("command", step.command) != step.command:
        for output in step.outputs:
            path = folder / output
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    _write_record(folder, step)


def _write_record(folder, step, **seconds):
    path = folder / "steps" / f"{step.name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps({"command": step.command, "outputs": list(step.outputs), **seconds}) + "\n")
