"""Steps, each a command, done with doit: one process a core, finished ones skipped, any end survived.

What the steps make lies in one output folder, beside a log of each (logs/NAME.log) and doit's record of what is
finished (finished.json): the command of each step, its seconds, and the state of the files that it read.
"""

import os
import shlex
import shutil
import subprocess
import sys
import time
from contextlib import nullcontext
from dataclasses import dataclass

from doit.control import TaskControl
from doit.dependency import Dependency, JsonDB
from doit.exceptions import TaskFailed
from doit.reporter import ZeroReporter
from doit.runner import MThreadRunner
from doit.task import dict_to_task
from doit.tools import config_changed

from common.files import write_atomically
from common.printing import Progress

# Around each command: when the pipe to the process that runs the steps closes, as it does when that process ends,
# however it ends, the command is killed with all processes of its group.
LEASH = """
import os, signal, subprocess, sys, threading
def end():
    sys.stdin.buffer.read()
    os.killpg(0, signal.SIGKILL)
command = subprocess.Popen([sys.executable, *sys.argv[1:]], stdin=subprocess.DEVNULL)
threading.Thread(target=end, daemon=True).start()
os._exit(command.wait() % 256)
"""


@dataclass(frozen=True)
class Step:
    """A command and what it makes; paths are from the output folder."""

    name: str  # unique; a file's name, or one in a folder
    command: list  # the words after `python`, started in the checkout; {out} is the output folder
    outputs: list  # the files that it makes; no two steps make the same
    inputs: list = ()  # the files that it reads and that earlier steps make
    seconds: int = 1  # of CPU time that it is expected to take
    alone: bool = False  # nothing else may run at the same time, as for a benchmark; such a step has no inputs
    prints: str = None  # the output that takes what the command prints; else the log does
    folder: str = None  # the folder that is this step's own, where it resumes after an interruption
    blocked_by: str = None  # why it cannot be done here, one line; None where it can


def blocked(steps):
    """Why steps cannot be done, {name: reason}: what reads the output of a blocked step is blocked for its reason."""
    reasons, missing = {}, {}
    for step in steps:
        if reason := step.blocked_by or next((missing[path] for path in step.inputs if path in missing), None):
            reasons[step.name] = reason
            missing |= dict.fromkeys(step.outputs, reason)
    return reasons


def expected_minutes(steps, workers):
    """How long the steps take with so many at a time."""
    shared = [step.seconds for step in steps if not step.alone]
    alone = sum(step.seconds for step in steps if step.alone)
    return (max([sum(shared) / workers, *shared], default=0) + alone) / 60


class Database(JsonDB):
    """doit's record, as one JSON file that is whole at any moment."""

    def dump(self):
        write_atomically(self.name, self.codec.encode(self._db) + "\n")


def open_record(folder):
    """doit's record of what is finished in the folder. Raises DatabaseException if it is damaged."""
    return Dependency(Database, str(folder / "finished.json"))


def task_of(folder, step, *actions):
    """The step as doit's task: finished if its command and the files that it reads are those of the last time."""
    return dict_to_task(
        {
            "name": step.name,
            "actions": actions,
            "file_dep": [str(folder / path) for path in step.inputs],
            "targets": [str(folder / path) for path in step.outputs],
            "uptodate": [config_changed(shlex.join(step.command))],
            "io": {"capture": False},
        }
    )


def unfinished(folder, steps):
    """Those of the steps that are to be done: what is not finished, and what reads their outputs."""
    record, to_do, changing = open_record(folder), [], set()
    for step in steps:
        if changing & {*step.inputs} or record.get_status(task_of(folder, step), {}).status != "up-to-date":
            to_do.append(step)
            changing |= {*step.outputs}
    return to_do


class Reporter(ZeroReporter):
    """Writes the record after each step, shows the progress, and keeps why steps failed, {name: one line}."""

    def __init__(self, record, steps, progress):
        self.record, self.progress, self.failed = record, progress, {}
        self.seconds = {step.name: step.seconds for step in steps}

    def add_success(self, task):
        self.record.backend.dump()
        self.progress.advance(f"{task.name}: {task.values['wall_seconds']:.0f} s", by=self.seconds[task.name])

    def skip_uptodate(self, task):  # what it reads was made again, and is as it was
        self.progress.advance(by=self.seconds[task.name])

    def add_failure(self, task, fail):
        needed = [name for name in task.task_dep if name in self.failed]
        self.failed[task.name] = f"not tried: {needed[0]} failed" if needed else " ".join(fail.message.split())
        self.progress.advance(f"{task.name}: failed", by=self.seconds[task.name])


def run_steps(folder, root, steps, workers, lock):
    """Do the steps, those that are alone last; returns {name of a step that failed: one line that says why}.

    `lock` is a file that stays locked while any of the processes lives; they end with this one. Raises OSError if the
    record cannot be written.
    """
    failed = {}
    with Progress(sum(step.seconds for step in steps), unit="CPU-second") as progress:
        for alone in (False, True):
            group, record = [step for step in steps if step.alone == alone], open_record(folder)
            reporter = Reporter(record, group, progress)
            control = TaskControl([task_of(folder, step, (run, [folder, root, step, lock])) for step in group])
            control.process(None)
            runner = MThreadRunner(record, reporter, continue_=True, num_process=1 if alone else workers)
            runner.run_all(control.task_dispatcher())
            failed |= reporter.failed
    return failed


def run(folder, root, step, lock):
    """Run a step's command to its end: returns how long it took, a dict for the record, or TaskFailed with one line."""
    log, started = folder / "logs" / f"{step.name}.log", time.monotonic()
    words = [word.replace("{out}", str(folder)) for word in step.command]
    first_line = f"python {shlex.join(step.command)}\n"
    try:
        if log.exists() and not log.read_text(encoding="utf-8", errors="replace").startswith(first_line):
            # The log is of another command: this one could not resume what that has left.
            if step.folder:
                shutil.rmtree(folder / step.folder, ignore_errors=True)
            for output in step.outputs:
                (folder / output).unlink(missing_ok=True)
        for path in (log, *(folder / output for output in step.outputs)):
            path.parent.mkdir(parents=True, exist_ok=True)
        with (
            open(log, "w", encoding="utf-8") as log_file,
            nullcontext(log_file) if not step.prints else open(folder / step.prints, "wb") as printed,
        ):
            log_file.write(first_line)
            log_file.flush()
            process = subprocess.Popen(
                [sys.executable, "-c", LEASH, *words],
                cwd=root,
                env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"},  # as their logs are read
                stdin=subprocess.PIPE,
                stdout=printed,
                stderr=log_file,
                start_new_session=True,
                pass_fds=[lock.fileno()],
            )
        status = process.wait()
        process.stdin.close()
        lines = log.read_text(encoding="utf-8", errors="replace").split("\n")[1:]
    except OSError as error:
        return TaskFailed(str(error))
    if status:
        return TaskFailed(next((line for line in reversed(lines) if line.strip()), f"exit status {status}"))
    if missing := [output for output in step.outputs if not (folder / output).exists()]:
        return TaskFailed(f"it did not make {missing[0]}")
    return {"wall_seconds": round(time.monotonic() - started, 1)}
