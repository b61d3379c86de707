"""A run is a folder: config.json, metrics.csv, checkpoints, result.json; one process at a time writes there."""

import hashlib
import itertools
import json
import math
import os
import platform
import re
import socket
import stat
import sys
import time
from contextlib import suppress
from pathlib import Path

import torch

from common.checkpoint import LATEST, PREVIOUS, check_entries, check_state, load_checkpoint, save_checkpoint
from common.files import append_line, read_regular, remove_half_written, write_atomically

try:
    import fcntl
except ImportError:  # Windows has another kind of lock
    import msvcrt

    fcntl = None

METRICS, CONFIG, RESULT, LOCK = "metrics.csv", "config.json", "result.json", "lock"
OURS = {"command", "python", "torch"}  # keys of the config.json of every run: by them a run knows its folder


class RunFolder:
    """The one writer of a run's folder.

    Args:
        path: the folder, made if need be; or None for the first free `default`_run1, `default`_run2, ...
        settings: dict of plain values, written to config.json with the versions and the command line.
        columns: names in metrics.csv; the first is "step".
        files: names of the other files that the run writes there; `note` appends records to NAME.jsonl.
        resume: whether the folder may hold a run already, which is then resumed.
        may_change: names of settings that may differ from those of the run that is resumed.
        default: path prefix for numbered folders.
        entries: what a checkpoint must hold, as `check_state` takes it.
        before: settings that runs of older versions lack, a dict, with what they were then.

    `state` is the checkpoint to resume from, or None. Raises ValueError if the folder holds a run and `resume` is
    False, if another process is writing there, if the checkpoint is missing, cannot be used or has other settings, if
    the run's own tables are damaged, or if one of its names is taken by a file that no run made; what is there is then
    as it was, only the folder may have been made and a file "lock" in it. Raises OSError if the folder cannot be read
    or written. Nothing of the run is written before `begin`.
    """

    def __init__(
        self, path, settings, columns, files=(), resume=False, may_change=(), default=None, entries=None, before=None
    ):
        if resume and path is None:
            raise ValueError("--resume needs --output_dir, the folder of the run to resume")
        self.settings, self._may_change = settings, may_change
        self.path = _numbered(Path(default)) if path is None else Path(path)
        if self.path.exists() and not self.path.is_dir():
            raise ValueError(f"output folder {self.path} is a file")
        headers = {METRICS: ",".join(columns) + "\n", **{name: "" for name in files if name.endswith(".jsonl")}}
        self._files = [self.path / name for name in dict.fromkeys((CONFIG, *headers, LATEST, PREVIOUS, RESULT, *files))]
        self._refuse_others_files(resume)
        self.path.mkdir(parents=True, exist_ok=True)
        self._lock_file = lock_folder(self.path)  # held for the whole run
        try:
            self._refuse_others_files(resume)  # again: another run may have begun and ended

            def check(path, state):
                check_entries(path, state, {"step": 0, "settings": {}}, math.inf)
                state["settings"] = {**(before or {}), **state["settings"]}
                if "tables" not in state:  # an older version's, which was saved after each evaluation
                    state |= {"evaluated": state["step"], "last": [0.0, 0.0], "train_loss": 0.0}
                    state["tables"] = {name: _digest(_up_to_step(self.path / name, state["step"])) for name in headers}
                check_entries(path, state, {"tables": {name: [0, ""] for name in headers}}, math.inf)
                _compare(path, state["settings"], settings, may_change)
                check_state(path, state, entries or {})

            self.state = load_checkpoint(self.path, check) if resume else None
            # What the run's own tables are cut back to: what came after the checkpoint will come again.
            self._tables = {name: self._up_to_checkpoint(name, header.encode()) for name, header in headers.items()}
        except BaseException:
            self.close()
            raise

    def _refuse_others_files(self, resume):
        """Raise ValueError for a run that is not to be resumed, and where a name of the run's is taken by another."""
        found = [path for path in self._files if _is_there(path)]
        if self.path / CONFIG in found:
            read_object(self.path / CONFIG, OURS)
            if not resume:
                raise ValueError(f"output folder {self.path} holds a run: add --resume to resume it, or name another")
        elif found and (not resume or load_checkpoint(self.path) is None):  # a checkpoint of ours shows whose they are
            raise ValueError(f"{found[0]} is there, but no {CONFIG} of a run that made it: name another output folder")
        if self.path / RESULT in found:
            read_object(self.path / RESULT, {"steps"})

    def _up_to_checkpoint(self, name, header):
        """The bytes of a table, as they were at the checkpoint. Raises ValueError if they are others now."""
        content = _content(self.path / name)
        if self.state is None:
            if content not in (b"", header):
                raise ValueError(f"output folder {self.path} holds results but no checkpoint to resume from")
            return header
        size, _ = known = list(self.state["tables"][name])
        if _digest(content[:size]) != known:
            which = f"the checkpoint of step {self.state['step']}"
            raise ValueError(f"{self.path / name} is damaged: {which} knows it otherwise")
        return content[:size]

    def begin(self, device):
        """Write config.json, with the torch.device that computes and a history of changes; cut the tables back.

        To be called once all is checked, and threads are set. Raises OSError.
        """
        for path in self._files:
            remove_half_written(path)
        config = {
            **self.settings,
            **self._history(),
            "command": sys.argv,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
            "computed_on": str(device),
        }
        write_atomically(self.path / CONFIG, json.dumps(config, indent=2) + "\n")
        for name, content in self._tables.items():
            if content or (self.path / name).exists():
                write_atomically(self.path / name, content)

    def _history(self):
        """What was changed at resumes so far, {"history": [{"step", "changed": {name: [before, now]}}, ...]}, or {}."""
        path = self.path / CONFIG
        before = read_object(path, OURS) if path.exists() else {}
        history, now = before.get("history"), json.loads(json.dumps(self.settings))
        history = history if isinstance(history, list) else []
        names = [name for name in self._may_change if name in before and before[name] != now.get(name)]
        if names:
            changed = {name: [before[name], now.get(name)] for name in names}
            history = [*history, {"step": self.state["step"] if self.state else 0, "changed": changed}]
        return {"history": history} if history else {}

    def log(self, *row):
        """Append a row, a number for every column, to metrics.csv."""
        append_line(self.path / METRICS, ",".join(map(str, row)))

    def note(self, name, record):
        """Append a record, a dict of plain values with the key "step", to `name`.jsonl."""
        append_line(self.path / f"{name}.jsonl", json.dumps(record, ensure_ascii=False))

    def notes(self, name):
        """The records of `name`.jsonl, a list of dicts; a last line that was cut off is left out."""
        return [json.loads(line) for line in whole_lines(self.path / f"{name}.jsonl")]

    def save(self, parts, **values):
        """Save a checkpoint: the settings, the values (tensors and plain, "step" among them), and every part's state.

        `parts` is a dict of objects with `state_dict()`: model, optimizer, datasets, clock.
        """
        states = {name: part.state_dict() for name, part in parts.items()}
        tables = {name: _digest(_content(self.path / name)) for name in self._tables}
        save_checkpoint(self.path, {"settings": self.settings, "tables": tables, **values, **states})

    def finish(self, result):
        """Write result.json, a dict of plain values."""
        write_atomically(self.path / RESULT, json.dumps(result, indent=2) + "\n")

    def close(self):
        """Let another process write here."""
        self._lock_file.close()


def lock_folder(folder, name=LOCK):
    """Hold `folder` for this process: returns the file `name` in it, to be kept open as long.

    The system lets the lock go when its holder ends, however it ends. Raises ValueError, with who holds it, if another
    process does. Waits up to a second for one that is just ending, or has not yet written its name. Raises OSError if
    the file cannot be opened or written, ValueError too if it is one that no run made.
    """
    path = folder / name
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
        os.lseek(file.fileno(), 2**20, os.SEEK_SET)  # a byte after the text: what is locked, nobody else can read
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)


def read_object(path, keys=()):
    """The JSON object in a file, a dict. Raises ValueError, naming the file, if it is none or lacks one of the keys."""
    try:
        content = json.loads(read_regular(path))
        if isinstance(content, dict) and content.keys() >= set(keys):
            return content
    except (ValueError, RecursionError):
        pass
    raise ValueError(f"{path} is damaged, or not of a run: move it away, or name another folder")


def whole_lines(path):
    """The lines of a file, newlines kept, but for a last one that was cut off; none if there is no file.

    Raises ValueError if it is not UTF-8.
    """
    # Bytes, as a cut may go through a character; and str.splitlines takes U+0085 and U+2028 for ends of lines.
    try:
        return [line.decode("utf-8") + "\n" for line in _content(path).split(b"\n")[:-1]]
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is damaged: it is not UTF-8") from error


def _content(path):
    """The bytes of a file, none if it is not there."""
    return read_regular(path) if path.exists() else b""


def _up_to_step(path, step):
    """The bytes of a table's lines but for those, at its end, of later updates."""
    lines = [(re.match(r'(?:{"step": )?(\d+)', line), line) for line in whole_lines(path)]
    return "".join(line for number, line in lines if not number or int(number[1]) <= step).encode()


def _digest(content):
    return [len(content), hashlib.sha256(content).hexdigest()]


def _is_there(path):
    """Whether there is such a file. Raises ValueError for a folder, a link, a FIFO, ...: no run makes one."""
    try:
        regular = stat.S_ISREG(os.lstat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    if not regular:
        raise ValueError(f"{path} is not a regular file: move it away, or name another output folder")
    return True


def _numbered(default):
    """Make and return the first free default_run1, default_run2, ..., also when several runs start at once."""
    default.parent.mkdir(parents=True, exist_ok=True)
    for number in itertools.count(1):
        path = default.with_name(f"{default.name}_run{number}")
        with suppress(FileExistsError):
            path.mkdir()
            return path


def _compare(path, saved, wanted, may_change):
    """Raise ValueError if settings that may not change are others than the saved ones."""
    # Compared as they are printed: what a checkpoint holds for a setting need not be one.
    different = [
        f"{name} is {saved.get(name)!r:.60} there and {wanted.get(name)!r:.60} here"
        for name in sorted(saved.keys() | wanted.keys(), key=str)
        if name not in may_change and repr(saved.get(name)) != repr(wanted.get(name))
    ]
    if different:
        raise ValueError(f"{path} is of other settings: {'; '.join(different):.500}")
