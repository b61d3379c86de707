"""A run is a folder: config.json, metrics.csv, checkpoints, result.json. Runs that are kept become tables."""

import csv
import hashlib
import json
import math
import os
import platform
import re
import shlex
import socket
import stat
import sys
import time
from collections import defaultdict
from pathlib import Path

import torch

from common.checkpoint import (
    LATEST,
    PREVIOUS,
    CheckpointError,
    check_entries,
    check_state,
    load_checkpoint,
    save_checkpoint,
)
from common.files import (
    append_line,
    read_records,
    read_regular,
    remove_half_written,
    write_atomically,
    write_records,
    write_table,
)

try:
    import fcntl
except ImportError:  # Windows has another kind of lock
    import msvcrt

    fcntl = None

METRICS, RUNS = "metrics.csv", "runs.csv"
CONFIG, RESULT, LOCK = "config.json", "result.json", "lock"
OURS = {"command", "python", "torch"}  # keys of the config.json of every run: by them a run knows its folder


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
        files: names of other files that the run will write there.
        entries: what a checkpoint must hold, as `check_state` takes it; None: it is not looked into.

    `state` is the checkpoint to resume from, or None. Raises ValueError if the folder holds a run and `resume` is
    False, if another process is writing there, if the checkpoint is missing, cannot be used or has other settings, if
    the run's own tables are damaged, or if one of its names is taken by a file that no run made; what is there is then
    as it was, only the folder may have been made and a file "lock" in it. Raises OSError if the folder cannot be read
    or written. Nothing of the run is written before `begin`.
    """

    def __init__(
        self,
        path,
        settings,
        columns,
        notes=(),
        resume=False,
        may_change=(),
        default=None,
        since=None,
        files=(),
        entries=None,
    ):
        self.columns = columns
        self.settings = settings
        if resume and path is None:
            raise ValueError("--resume needs --output_dir, the folder of the run to resume")
        self.path = _numbered(Path(default)) if path is None else Path(path)
        if self.path.exists() and not self.path.is_dir():
            raise ValueError(f"output folder {self.path} is a file")
        tables = [METRICS, *map("{}.jsonl".format, notes)]
        self._files = [self.path / name for name in (CONFIG, *tables, LATEST, PREVIOUS, RESULT, *files)]
        self._refuse_others_files(resume)
        self.path.mkdir(parents=True, exist_ok=True)
        self._lock_file = lock_folder(self.path)  # held for the whole run
        try:
            self._refuse_others_files(resume)  # again: another run may have begun and ended

            def check(path, state):
                check_entries(path, state, {"step": 0, "settings": {}})
                _compare(path, {**(since or {}), **state["settings"]}, settings, may_change)
                check_state(path, state, entries or {})
                check_entries(path, state, {"tables": {name: [0, ""] for name in tables}}, math.inf)

            self.state = load_checkpoint(self.path, check) if resume else None
            # What the run's own tables are cut back to: what came after the checkpoint will come again.
            self._contents = {self.path / name: self._up_to_checkpoint(self.path / name) for name in tables}
        except BaseException:
            self.close()
            raise

    def _refuse_others_files(self, resume):
        """Raise ValueError for a run that is not to be resumed, and where a name of the run's is taken by another."""
        found = [path for path in self._files if _is_there(path)]
        if self.path / CONFIG in found:
            _read_object(self.path / CONFIG, OURS)
            if not resume:
                raise ValueError(f"output folder {self.path} holds a run: add --resume to resume it, or name another")
        elif found and (not resume or load_checkpoint(self.path) is None):  # a checkpoint of ours shows whose they are
            raise ValueError(f"{found[0]} is there, but no {CONFIG} of a run that made it: name another output folder")
        if self.path / RESULT in found:
            _read_object(self.path / RESULT, {"steps"})

    def begin(self, device):
        """Write config.json, with the torch.device that computes, and cut the tables back to the checkpoint.

        To be called once all is checked, and threads are set. Raises OSError.
        """
        for path in self._files:
            remove_half_written(path)
        config = {
            **self.settings,
            "command": sys.argv,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
            "computed_on": str(device),
        }
        write_atomically(self.path / CONFIG, json.dumps(config, indent=2) + "\n")
        self._digests = {}  # of each table as far as it is written: bytes, and their SHA-256
        for path, content in self._contents.items():
            self._digests[path] = [len(content), hashlib.sha256(content)]
            if content or path.exists():
                write_atomically(path, content)

    def log(self, *row):
        """Append a row, a number for every column, to metrics.csv."""
        self._append(self.path / METRICS, ",".join(map(str, row)))

    def note(self, name, record):
        """Append a record, a dict of plain values with the key "step", to `name`.jsonl."""
        self._append(self._notes_path(name), json.dumps(record, ensure_ascii=False))

    def notes(self, name):
        """The records of `name`.jsonl, a list of dicts; a last line that was cut off is left out."""
        return [json.loads(line) for line in _whole_lines(self._notes_path(name))]

    def save(self, parts, **values):
        """Save a checkpoint: the settings, the values (tensors and plain, "step" among them), and every part's state.

        `parts` is a dict of objects with `state_dict()`: model, optimizer, datasets, clock.
        """
        states = {name: part.state_dict() for name, part in parts.items()}
        tables = {path.name: [size, digest.hexdigest()] for path, (size, digest) in self._digests.items()}
        save_checkpoint(self.path, {"settings": self.settings, "tables": tables, **values, **states})

    def finish(self, result):
        """Write result.json, a dict of plain values."""
        write_atomically(self.path / RESULT, json.dumps(result, indent=2) + "\n")

    def close(self):
        """Let another process write here."""
        self._lock_file.close()

    def _notes_path(self, name):
        return self.path / f"{name}.jsonl"

    def _append(self, path, line):
        append_line(path, line)
        line = f"{line}\n".encode()
        self._digests[path][0] += len(line)
        self._digests[path][1].update(line)

    def _up_to_checkpoint(self, path):
        """The bytes of a table, as they were at the checkpoint. Raises ValueError if they are others now."""
        header = ",".join(self.columns) + "\n" if path.name == METRICS else ""
        if self.state is None:
            if len(_whole_lines(path)) > bool(header):
                raise ValueError(f"output folder {self.path} holds results but no checkpoint to resume from")
            return header.encode()
        if "tables" not in self.state:  # an older checkpoint
            return _lines_up_to(path, header, self.state["step"]).encode()
        size, digest = self.state["tables"][path.name]
        content = read_regular(path)[:size] if path.exists() else b""
        if (len(content), hashlib.sha256(content).hexdigest()) != (size, digest):
            raise ValueError(f"{path} is damaged: the checkpoint of step {self.state['step']} knows it otherwise")
        return content


def lock_folder(folder):
    """Hold `folder` for this process: returns the file "lock" in it, to be kept open as long.

    The system lets the lock go when its holder ends, however it ends. Raises ValueError, with who holds it, if another
    process does. Waits up to a second for one that is just ending, or has not yet written its name. Raises OSError if
    the file cannot be opened or written, ValueError too if it is one that no run made.
    """
    path = folder / LOCK
    _is_there(path)
    file = open(path, "a+", encoding="utf-8", errors="replace")  # held open by the caller
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
    file.seek(0)
    if not re.fullmatch(r"(process \d+ on .*\n)?", file.read(1000)):
        file.close()
        raise ValueError(f"{path} is not the lock of a run: move it away, or name another output folder")
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
    folders = [path] if (path / CONFIG).exists() else [found.parent for found in path.glob(f"*/{CONFIG}")]
    runs = {}
    for folder in sorted(folders):
        if (folder / RESULT).exists():
            config, result = _read_object(folder / CONFIG, {"command"}), _read_object(folder / RESULT)
            runs[folder.name] = {**config, "command": shlex.join(["python", *map(str, config["command"])]), **result}
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
    elif (path / CONFIG).exists():  # of one run, ended or not
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


def _is_there(path):
    """Whether there is such a file. Raises ValueError for a folder, a link, a FIFO, ...: no run makes one."""
    try:
        mode = os.lstat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False
    if not stat.S_ISREG(mode):
        raise ValueError(
            f"{path} is not a regular file, as a run makes it: move it away, or name another output folder"
        )
    return True


def _read_object(path, keys=()):
    """The JSON object in a file, a dict. Raises ValueError, naming the file, if it is none or lacks one of the keys."""
    try:
        content = json.loads(read_regular(path))
        if isinstance(content, dict) and content.keys() >= set(keys):
            return content
    except (ValueError, RecursionError):
        pass
    raise ValueError(f"{path} is damaged, or not of a run: move it away, or name another folder")


def _lines_up_to(path, header, step):
    """What a CSV file, which has a header, or a .jsonl file holds up to `step`. Raises ValueError if it is damaged."""
    lines = _whole_lines(path)
    kept, names = lines[:1] if header else [], header.split(",")
    try:
        if kept != [header][: len(kept)]:
            raise ValueError
        for line in lines[len(kept) :]:
            cells = line.split(",")
            if header and (len(cells) != len(names) or not cells[0].isdigit()):
                raise ValueError
            if (int(cells[0]) if header else json.loads(line)["step"]) <= step:
                kept.append(line)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        what = f"row of {', '.join(names).strip()}" if header else "record with a step"
        raise ValueError(f"{path} is damaged: it holds a line that is no {what}") from error
    return "".join(kept) or header


def _whole_lines(path):
    """The lines of a file, newlines kept, but for a last one that was cut off; none if there is no file.

    Raises ValueError if it is not UTF-8.
    """
    # Bytes, as a cut may go through a character; and str.splitlines takes U+0085 and U+2028 for ends of lines.
    lines = read_regular(path).split(b"\n") if path.exists() else [b""]
    try:
        return [line.decode("utf-8") + "\n" for line in lines[:-1]]
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is damaged: it is not UTF-8") from error


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
    # Compared as they are printed: what a checkpoint holds for a setting need not be one.
    different = [
        f"{name} is {saved.get(name)!r:.60} there and {wanted.get(name)!r:.60} here"
        for name in sorted(saved.keys() | wanted.keys(), key=str)
        if name not in may_change and repr(saved.get(name)) != repr(wanted.get(name))
    ]
    if different:
        raise CheckpointError(f"{path} is of other settings: {'; '.join(different):.500}")
