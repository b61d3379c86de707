"""A run is a folder: config.json, metrics.csv, checkpoints, result.json. Runs that are kept become tables."""

import csv
import json
import os
import platform
import shlex
import socket
import sys
import time
from collections import defaultdict
from pathlib import Path

import torch

from common.checkpoint import LATEST, PREVIOUS, CheckpointError, load_checkpoint, save_checkpoint
from common.files import append_line, read_records, remove_half_written, write_atomically, write_records, write_table

try:
    import fcntl
except ImportError:  # Windows has another kind of lock
    import msvcrt

    fcntl = None

METRICS, RUNS = "metrics.csv", "runs.csv"


class RunFolder:
    """The one writer of a run's folder.

    Args:
        path: the folder, made if need be; or None for the first free `default`_run1, `default`_run2, ...
        settings: dict of plain values, written to config.json with the versions and the command line.
        columns: names in metrics.csv; the first is "step".
        notes: names of the run's files of records, NAME.jsonl, that `note` may write.
        resume: whether the folder may hold a run already, which is then resumed.
        may_change: names of settings that may differ from those of the run that is resumed.
        default: path prefix for numbered folders.
        since: settings that checkpoints made before there were such lack, with what they were then, a dict.

    `state` is the checkpoint to resume from, or None. Raises ValueError if the folder holds a run and `resume` is
    False, if another process is writing there, if the checkpoint is missing, cannot be used or has other settings, or
    if the run's own tables are damaged; the run there is then as it was, only the folder may have been made and its
    file "lock" written. Raises OSError if the folder cannot be read or written. Nothing of the run is written before
    `begin`.
    """

    def __init__(self, path, settings, columns, notes=(), resume=False, may_change=(), default=None, since=None):
        self.columns = columns
        self.settings = settings
        if resume and path is None:
            raise ValueError("--resume needs --output_dir, the folder of the run to resume")
        self.path = _numbered(Path(default)) if path is None else Path(path)
        if self.path.exists() and not self.path.is_dir():
            raise ValueError(f"output folder {self.path} is a file")
        if not resume and (self.path / "config.json").exists():
            raise ValueError(f"output folder {self.path} holds a run: add --resume to resume it, or name another")
        self.path.mkdir(parents=True, exist_ok=True)
        self._lock_file = lock_folder(self.path)  # held for the whole run
        try:
            self.state = load_checkpoint(self.path) if resume else None
            step = -1 if self.state is None else self.state["step"]
            evaluated = -1 if self.state is None else self.state.get("evaluated", step)
            if self.state is not None:
                _compare(self.path, {**(since or {}), **self.state["settings"]}, settings, may_change)
            elif _whole_lines(self.path / METRICS)[1:]:
                raise ValueError(f"output folder {self.path} holds results but no checkpoint to resume from")
            # What the run's own tables are cut back to: what came after the checkpoint will come again.
            self._tables = {self.path / METRICS: self._rows_up_to(evaluated)}
            if self.state is not None:
                self._tables |= {path: _records_up_to(path, step) for path in map(self._notes_path, notes)}
        except BaseException:
            self.close()
            raise

    def begin(self, device):
        """Write config.json, with the torch.device that computes, and cut the tables back to the checkpoint.

        To be called once all is checked, and threads are set. Raises OSError.
        """
        for name in ("config.json", "result.json", LATEST, PREVIOUS, METRICS):
            remove_half_written(self.path / name)
        config = {
            **self.settings,
            "command": sys.argv,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
            "computed_on": str(device),
        }
        write_atomically(self.path / "config.json", json.dumps(config, indent=2) + "\n")
        for path, lines in self._tables.items():
            write_atomically(path, "".join(lines))

    def log(self, *row):
        """Append a row, a number for every column, to metrics.csv."""
        append_line(self.path / METRICS, ",".join(map(str, row)))

    def note(self, name, record):
        """Append a record, a dict of plain values with the key "step", to `name`.jsonl."""
        append_line(self._notes_path(name), json.dumps(record, ensure_ascii=False))

    def notes(self, name):
        """The records of `name`.jsonl, a list of dicts; a last line that was cut off is left out."""
        return [json.loads(line) for line in _whole_lines(self._notes_path(name))]

    def save(self, parts, **values):
        """Save a checkpoint: the settings, the values (tensors and plain, "step" among them), and every part's state.

        `parts` is a dict of objects with `state_dict()`: model, optimizer, datasets, clock.
        """
        states = {name: part.state_dict() for name, part in parts.items()}
        save_checkpoint(self.path, {"settings": self.settings, **values, **states})

    def finish(self, result):
        """Write result.json, a dict of plain values."""
        write_atomically(self.path / "result.json", json.dumps(result, indent=2) + "\n")

    def close(self):
        """Let another process write here."""
        self._lock_file.close()

    def _notes_path(self, name):
        return self.path / f"{name}.jsonl"

    def _rows_up_to(self, step):
        """The lines of metrics.csv, header included, up to `step`. Raises ValueError if a row is none of ours."""
        path, kept = self.path / METRICS, [",".join(self.columns) + "\n"]
        for line in _whole_lines(path)[1:]:
            values = line.rstrip("\n").split(",")
            if len(values) != len(self.columns) or not values[0].isdigit():
                raise ValueError(f"{path} is damaged: {line.rstrip()[:60]!r} is no row of {', '.join(self.columns)}")
            if int(values[0]) <= step:
                kept.append(line)
        return kept


def lock_folder(folder):
    """Hold `folder` for this process: returns the file "lock" in it, to be kept open as long.

    The system lets the lock go when its holder ends, however it ends. Raises ValueError, with who holds it, if another
    process does. Waits up to a second for one that is just ending, or has not yet written its name. Raises OSError if
    the file cannot be opened or written.
    """
    file = open(folder / "lock", "a+", encoding="utf-8")  # held open by the caller
    try:
        for tries_left in range(9, -1, -1):
            try:
                _lock(file)
                break
            except (BlockingIOError, PermissionError) as error:
                if not tries_left:
                    file.seek(0)
                    holder = file.read().strip() or "another process"
                    file.close()
                    raise ValueError(f"output folder {folder} is in use by {holder}") from error
                time.sleep(0.1)
    except OSError as error:  # some network file systems have no locks
        print(f"warning: {folder} cannot be locked ({error.strerror}): start no second run there", file=sys.stderr)
    file.truncate(0)
    file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
    file.flush()
    return file


def _lock(file):
    """Lock an open file. Raises BlockingIOError, or PermissionError on Windows, if it is locked; other OSErrors."""
    if fcntl:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    else:
        os.lseek(file.fileno(), 2**20, os.SEEK_SET)  # a byte behind the text: what is locked, nobody else can read
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)


# ---- runs that are kept: one table of settings and results, one of each kind of record


def collect_runs(runs_folder, output_dir):
    """Write the finished runs in `runs_folder` as tables into `output_dir`: the folders themselves are then not needed.

    runs.csv has a row a run: "run", its folder's name, then what config.json and result.json hold; metrics.csv has
    their rows, and so has every other CSV file of a run, each after the name of its run; records of a .jsonl file get
    the key "run". Raises ValueError, naming the folder, if there is no finished run, or one cannot be read; OSError.
    """
    runs = read_runs(runs_folder)
    write_records(Path(output_dir) / RUNS, [{"run": run, **values} for run, values in runs.items()])
    tables, records = defaultdict(list), defaultdict(list)
    for run in runs:
        for path in sorted((Path(runs_folder) / run).glob("*.csv")):
            header, *rows = csv.reader(_whole_lines(path))
            tables[path.name] += [] if tables[path.name] else [["run", *header]]
            tables[path.name] += [[run, *row] for row in rows]
        for path in sorted((Path(runs_folder) / run).glob("*.jsonl")):
            records[path.name] += [json.dumps({"run": run, **json.loads(line)}, ensure_ascii=False) + "\n"
                                   for line in _whole_lines(path)]  # fmt: skip
    for name, (header, *rows) in tables.items():
        write_table(Path(output_dir) / name, header, rows)
    for name, lines in records.items():
        write_atomically(Path(output_dir) / name, "".join(lines))


def read_runs(path):
    """{name: {setting or result: value}} of the finished runs at `path`, in the order of their names.

    `path` is a run's folder, a folder of such folders, or the folder of the tables that `collect_runs` wrote. Raises
    ValueError, naming the path, if it is none of these or a file is damaged; OSError if it cannot be read.
    """
    path = Path(path)
    if (path / RUNS).exists():
        records = read_records(path / RUNS)
        if not all("run" in record for record in records):
            raise ValueError(f"{path / RUNS} is not a table of runs")
        return {record.pop("run"): record for record in records}
    folders = [path] if (path / "config.json").exists() else [found.parent for found in path.glob("*/config.json")]
    runs = {}
    for folder in sorted(folders):
        if (folder / "result.json").exists():
            try:
                config, result = (json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
                                  for name in ("config", "result"))  # fmt: skip
                runs[folder.name] = {**config, "command": shlex.join(["python", *config["command"]]), **result}
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(f"{folder} is not a run: config.json or result.json is damaged") from error
    if not runs:
        raise ValueError(f"{path} holds no finished run")
    return runs


def read_metrics(path, columns, name=METRICS):
    """{run: rows} of a table of the runs at `path` (as in `read_runs`), a row being a dict of `columns`: {name: type}.

    Raises ValueError, naming the file, if it has not these columns; OSError if it cannot be read.
    """
    path = Path(path)
    if (path / RUNS).exists():
        files = {None: path / name}
    elif (path / "config.json").exists():  # of one run, ended or not
        files = {path.name: path / name}
    else:
        files = {run: path / run / name for run in read_runs(path)}
    rows = defaultdict(list)
    for run, file in files.items():
        try:
            for row in csv.DictReader(_whole_lines(file)):
                rows[run or row["run"]].append({column: read(row[column]) for column, read in columns.items()})
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{file} has not the columns {', '.join(columns)}") from error
    return dict(rows)


def _records_up_to(path, step):
    """The lines of a .jsonl file up to `step`. Raises ValueError if one is no record."""
    try:
        return [line for line in _whole_lines(path) if json.loads(line)["step"] <= step]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is damaged: it holds a line that is no record with a step") from error


def _whole_lines(path):
    """The lines of a file, newlines kept, but for a last one that was cut off; none if there is no file."""
    # Bytes, as a cut may go through a character; and str.splitlines takes U+0085 and U+2028 for ends of lines.
    lines = path.read_bytes().split(b"\n") if path.exists() else [b""]
    return [line.decode("utf-8") + "\n" for line in lines[:-1]]


def _numbered(default):
    """Make and return the first free default_run1, default_run2, ..., also when several runs start at once."""
    default.parent.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        path = default.with_name(f"{default.name}_run{number}")
        try:
            path.mkdir()
            return path
        except FileExistsError:
            number += 1


def _compare(path, saved, wanted, may_change):
    different = [
        f"{name} is {saved.get(name)!r} there and {wanted.get(name)!r} here"
        for name in sorted(saved.keys() | wanted.keys())
        if name not in may_change and saved.get(name) != wanted.get(name)
    ]
    if different:
        raise CheckpointError(f"the run in {path} has other settings: {'; '.join(different)}")
