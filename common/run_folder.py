"""A run is a folder: config.json, metrics.csv, checkpoints, result.json."""

import csv
import io
import json
import platform
import sys
from pathlib import Path

import torch

from common.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from common.files import append_line, write_atomically
from common.lock import lock_folder


class RunFolder:
    """The one writer of a run's folder.

    Args:
        path: the folder, made if need be; or None for the first free `default`_run1, `default`_run2, ...
        settings: dict of plain values, written to config.json with the versions and the command line.
        columns: names in metrics.csv; the first is "step".
        resume: whether the folder may hold a run already, which then goes on.
        may_change: names of settings that may differ from those of the run that goes on.
        default: path prefix for numbered folders.
        device: the torch.device that computes, for config.json's "computed_on"; None: it is not told.

    `state` is the checkpoint to go on from, or None. Raises ValueError if the folder holds a run and `resume` is False,
    if another process is writing there, or if the checkpoint is missing, cannot be used or has other settings; the run
    there is then as it was, only the folder may have been made and its file "lock" written. Raises OSError if the
    folder cannot be read or written.
    """

    def __init__(self, path, settings, columns, resume=False, may_change=(), default=None, device=None):
        self.columns = columns
        self.settings = settings
        self.device = device
        self.path = _numbered(Path(default)) if path is None else Path(path)
        if self.path.exists() and not self.path.is_dir():
            raise ValueError(f"output folder {self.path} is a file")
        if not resume and (self.path / "config.json").exists():
            raise ValueError(f"output folder {self.path} holds a run: add --resume to go on with it, or name another")
        self.path.mkdir(parents=True, exist_ok=True)
        self._lock_file = lock_folder(self.path)  # held for the whole run
        try:
            self.state = load_checkpoint(self.path) if resume else None
            if self.state is not None:
                _compare(self.path, self.state["settings"], settings, may_change)
            elif self._rows():
                raise ValueError(f"output folder {self.path} holds results but no checkpoint to go on from")
            self._write_config()
            self._cut_back(0 if self.state is None else self.state["step"])
        except BaseException:
            self.close()
            raise

    def log(self, *row):
        """Append a row, a number for every column, to metrics.csv."""
        append_line(self.path / "metrics.csv", ",".join(map(str, row)))

    def note(self, name, record):
        """Append a record, a dict of plain values with the key "step", to `name`.jsonl."""
        append_line(self.path / f"{name}.jsonl", json.dumps(record, ensure_ascii=False))

    def notes(self, name):
        """The records of `name`.jsonl, a list of dicts; a last line that was cut off is left out."""
        return [json.loads(line) for line in _whole_lines(self.path / f"{name}.jsonl")]

    def save(self, parts, **values):
        """Save a checkpoint: the settings, the values (tensors and plain, "step" among them), and every part's state.

        `parts` is a dict of objects with `state_dict()`: model, optimizer, datasets, clock.
        """
        states = {name: part.state_dict() for name, part in parts.items()}
        save_checkpoint(self.path, {"settings": self.settings, **values, **states})

    def restore(self, parts):
        """Give every part the state that it had when the run's checkpoint was saved."""
        for name, part in parts.items():
            part.load_state_dict(self.state[name])

    def finish(self, result):
        """Write result.json, a dict of plain values."""
        write_atomically(self.path / "result.json", json.dumps(result, indent=2) + "\n")

    def close(self):
        """Let another process write here."""
        self._lock_file.close()

    def _write_config(self):
        config = {
            **self.settings,
            "command": sys.argv,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
        }
        if self.device is not None:
            config["computed_on"] = str(self.device)
        write_atomically(self.path / "config.json", json.dumps(config, indent=2) + "\n")

    def _rows(self):
        """The rows of metrics.csv, dicts of text."""
        return list(csv.DictReader(_whole_lines(self.path / "metrics.csv")))

    def _cut_back(self, step):
        """Keep the rows and records up to `step`: what came later will come again."""
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, self.columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(row for row in self._rows() if int(row["step"]) <= step)
        write_atomically(self.path / "metrics.csv", text.getvalue())
        for path in self.path.glob("*.jsonl"):
            kept = [line for line in _whole_lines(path) if json.loads(line)["step"] <= step]
            write_atomically(path, "".join(kept))


class NoFolder:
    """The run folder of a process that leaves the writing to another, rank 0: what it is told comes to nothing.

    Args:
        state: the checkpoint that the writer goes on from, or None.
    """

    def __init__(self, state):
        self.state = state

    def log(self, *row):
        pass

    def note(self, name, record):
        pass

    def save(self, parts, **values):
        pass

    restore = RunFolder.restore


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
