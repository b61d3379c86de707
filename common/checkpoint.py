"""Checkpoints: tensors and plain values in one file, the one before it kept, loaded without running any code."""

import io
import pickle
import sys
import zipfile
from pathlib import Path

import torch

from common.files import write_atomically

FORMAT = 1
LATEST, PREVIOUS = "checkpoint.pt", "checkpoint_previous.pt"


class CheckpointError(ValueError):
    """A checkpoint that must not be used; the message is one line that says why."""


class DamagedError(CheckpointError):
    """A checkpoint that was cut off or changed since it was written."""


def save_checkpoint(folder, state):
    """Write `state`, a dict of tensors and plain values, as the folder's latest checkpoint; keep the one before.

    Killed at any moment, at least one whole checkpoint is left. Raises OSError, for example on a full disk; the
    checkpoints that were there still are.
    """
    write_checkpoint(Path(folder) / LATEST, state, keep_previous_as=Path(folder) / PREVIOUS)


def load_checkpoint(folder):
    """The latest state in `folder` on the CPU; the previous one, with a line on stderr, if the latest is damaged.

    Returns None if there is no checkpoint. Raises CheckpointError if there are only damaged ones, or one that is whole
    but not ours.
    """
    paths = [path for path in (Path(folder) / LATEST, Path(folder) / PREVIOUS) if path.exists()]
    for path in paths:
        try:
            state = read_checkpoint(path)
        except DamagedError as damage:
            print(f"warning: {damage}; trying the one before it", file=sys.stderr)
            continue
        if path.name == PREVIOUS:
            print(f"warning: resuming from {path}", file=sys.stderr)
        return state
    if paths:
        raise CheckpointError(f"no checkpoint in {folder} can be read; start anew with another output folder")
    return None


def restore(parts, state):
    """Give each of `parts`, {name: object with load_state_dict()}, the state that a checkpoint holds under its name."""
    for name, part in parts.items():
        part.load_state_dict(state[name])


def write_checkpoint(path, state, keep_previous_as=None):
    """Write one checkpoint file, atomically; `keep_previous_as` as in `write_atomically`."""
    buffer = io.BytesIO()  # torch.save to a path hides the cause when the disk is full
    torch.save({"format": FORMAT, **state}, buffer)
    write_atomically(path, buffer.getbuffer(), keep_previous_as)


def read_checkpoint(path):
    """The state in one checkpoint file, on the CPU.

    Raises DamagedError if its checksums are wrong, CheckpointError if it is not ours: another format, or a pickle that
    asks for more than tensors and plain values (it is not run), and OSError if it cannot be opened.
    """
    with open(path, "rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                bad = archive.testzip()  # torch writes checksums but does not check them
        except Exception as error:  # a damaged archive can raise nearly anything in zipfile
            raise DamagedError(f"{path} is damaged ({error or type(error).__name__})") from error
    if bad is not None:
        raise DamagedError(f"{path} is damaged (wrong checksum in {bad})")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} holds more than tensors and plain values; it may run code, so it was refused"
        ) from error
    except Exception as error:
        raise CheckpointError(f"{path} is not a checkpoint of this project ({type(error).__name__})") from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        found = state.get("format", "none") if isinstance(state, dict) else "none"
        raise CheckpointError(f"{path} has checkpoint format {found}, this version reads format {FORMAT}")
    return state
