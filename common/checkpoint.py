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


def save_checkpoint(folder, state):
    """Write `state`, a dict of tensors and plain values, as the folder's latest checkpoint; keep the one before.

    Killed at any moment, at least one whole checkpoint is left. Raises OSError, for example on a full disk; the
    checkpoints that were there still are.
    """
    buffer = io.BytesIO()  # torch.save to a path hides the cause when the disk is full
    torch.save({"format": FORMAT, **state}, buffer)
    folder = Path(folder)
    write_atomically(folder / LATEST, buffer.getbuffer(), keep_previous_as=folder / PREVIOUS)


def load_checkpoint(folder):
    """The latest state in `folder` on the CPU; the previous one, with a line on stderr, if the latest is damaged.

    Returns None if there is no checkpoint. Raises CheckpointError if there are only damaged ones, or one that is whole
    but not ours: another format, or a pickle that asks for more than tensors and plain values (it is not run).
    """
    paths = [path for path in (Path(folder) / LATEST, Path(folder) / PREVIOUS) if path.exists()]
    for path in paths:
        try:
            state = _read(path)
        except _Damaged as damage:
            print(f"warning: {path} is damaged ({damage}), it is passed over", file=sys.stderr)
            continue
        if path.name == PREVIOUS:
            print(f"warning: going on from {path}", file=sys.stderr)
        return state
    if paths:
        raise CheckpointError(f"no checkpoint in {folder} can be read; start anew with another output folder")
    return None


class _Damaged(Exception):
    pass


def _read(path):
    try:
        with zipfile.ZipFile(path) as archive:  # torch writes checksums but does not check them
            bad = archive.testzip()
    except Exception as error:  # a damaged archive can raise nearly anything in zipfile
        raise _Damaged(str(error) or type(error).__name__) from error
    if bad is not None:
        raise _Damaged(f"wrong checksum in {bad}")
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
