"""Checkpoints: tensors and plain values in one file, the one before it kept, loaded without running any code."""

import copy
import io
import math
import pickle
import sys
import zipfile
from pathlib import Path

import torch

from common.files import read_regular, write_atomically

FORMAT = 1
LATEST, PREVIOUS = "checkpoint.pt", "checkpoint_previous.pt"
MOST_STEPS = 10**9  # as --train_steps allows
DEEPEST, MOST_VALUES = 10, 200_000  # what a checkpoint may hold: ours are 5 deep, and hold some values a parameter
FLOATS = (torch.float64, torch.float32, torch.float16, torch.bfloat16)  # one may stand for another


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


def load_checkpoint(folder, check=lambda path, state: None):
    """The latest state in `folder` on the CPU; the previous one, with a line on stderr, if the latest is damaged.

    Returns None if there is no checkpoint. Raises CheckpointError if there are only damaged ones, or one that is whole
    but not ours, and what `check(path, state)` raises.
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
        check(path, state)
        return state
    if paths:
        raise CheckpointError(f"no checkpoint in {folder} can be read; start anew with another output folder")
    return None


def restore(parts, state):
    """Give each of `parts`, {name: object with load_state_dict()}, the state that a checkpoint holds under its name.

    Of an optimizer only what it has gathered: how it computes follows from the settings and the device.
    """
    for name, part in parts.items():
        saved = state[name]
        if isinstance(part, torch.optim.Optimizer):
            saved = {**part.state_dict(), "state": saved["state"]}
        part.load_state_dict(saved)


def check_state(path, state, entries):
    """Raise CheckpointError, naming the file and the entry, unless a run that saves `entries` can go on from a state.

    `entries` are {name: part with a state_dict(), which takes on the state, or a value like those that it may have}.
    """
    check_entries(path, state, {"step": 0})
    parts = {name: part for name, part in entries.items() if hasattr(part, "load_state_dict")}
    values = {name: value for name, value in entries.items() if name not in parts}
    check_entries(path, state, values, state["step"])
    check_entries(path, state, {name: _template(part, state["step"]) for name, part in parts.items()}, math.inf)
    for name, part in parts.items():
        try:
            restore({name: part}, state)
        except Exception as error:  # a generator's state out of range, entries of a model that it has not, ...
            words = " ".join(str(error).split())
            raise CheckpointError(f"{path} cannot be used: {name} cannot take its state ({words:.200})") from error


def check_entries(path, found, expected, most=MOST_STEPS, where=""):
    """Raise CheckpointError, naming the file and the entry, unless `found` is like what it is `expected` to be.

    A dict has the keys of the expected one, and may have more, which nobody reads; a list is as long. A text is the
    same, or any where an empty one is expected, a whole number at most `most`, and no number negative; a float is
    finite where the expected one is. A tensor has the shape, the kind of number, and is finite; a single number, by
    which an optimizer counts, is 1 or more. Where no more than 0 updates were made, anything may be None.
    """

    def must_be(what, holds):
        if not holds:
            raise CheckpointError(f"{path} cannot be used: {where or 'its content'} is not {what}")

    if found is None and most == 0:
        return
    if isinstance(expected, torch.Tensor):
        shape, dtypes = tuple(expected.shape), FLOATS if expected.dtype in FLOATS else [expected.dtype]
        alike = isinstance(found, torch.Tensor) and found.shape == shape and found.dtype in dtypes
        alike = alike and found.layout == torch.strided and found.device.type == "cpu" and not found.is_quantized
        # Not one number that stands for many, as steps of 0 make it.
        alike = alike and found.untyped_storage().nbytes() >= found.numel() * found.element_size()
        must_be(f"a tensor of {str(expected.dtype).removeprefix('torch.')} with the shape {shape}", alike)
        must_be("finite", bool(found.isfinite().all()))
        must_be("1 or more", bool(shape or found >= 1))
    elif isinstance(expected, dict):
        must_be("a dict", isinstance(found, dict))
        for key, value in expected.items():
            must_be(f"complete: it has no {key}", key in found)
            check_entries(path, found[key], value, most, f"{where}.{key}".strip("."))
    elif isinstance(expected, (list, tuple)):
        must_be(f"a list of {len(expected)}", isinstance(found, (list, tuple)) and len(found) == len(expected))
        for n, value in enumerate(expected):
            check_entries(path, found[n], value, most, f"{where}[{n}]")
    elif isinstance(expected, str):
        must_be(f"{expected!r:.60}", isinstance(found, str) and found == (expected or found))
    elif type(expected) is int:
        must_be(f"a whole number from 0 to {most}", type(found) is int and 0 <= found <= most)
    elif isinstance(expected, float):
        must_be("a number, 0 or more", isinstance(found, float) and not found < 0)
        must_be("finite", math.isfinite(found) or not math.isfinite(expected))


def _template(part, step):
    """What a checkpoint holds of a part after so many updates, in which numbers may be others."""
    if hasattr(part, "template"):
        return part.template()
    if isinstance(part, torch.optim.Optimizer):
        part = copy.deepcopy(part)  # with parameters of its own
        for parameter in (parameter for group in part.param_groups for parameter in group["params"] if step):
            parameter.grad = torch.zeros_like(parameter) if parameter.requires_grad else None
        part.step()
        return {"state": part.state_dict()["state"]}
    return part.state_dict()


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
    content = io.BytesIO(read_regular(path))
    try:
        with zipfile.ZipFile(content) as archive:
            files = archive.infolist()
            # torch compresses nothing: what is, or says that it is larger than its file, would fill the memory.
            compressed = any(file.compress_type != zipfile.ZIP_STORED for file in files)
            if compressed or sum(file.file_size for file in files) > len(content.getbuffer()):
                raise ValueError("compressed, which a checkpoint is not")
            if bad := archive.testzip():  # torch writes checksums but does not check them
                raise ValueError(f"wrong checksum in {bad}")
    except Exception as error:  # a damaged archive can raise nearly anything in zipfile
        raise DamagedError(f"{path} is damaged ({str(error) or type(error).__name__})") from error
    content.seek(0)
    try:
        state = torch.load(content, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        what = "more than tensors and plain values; it may run code, so it was refused"
        raise CheckpointError(f"{path} holds {what}") from error
    except Exception as error:
        raise CheckpointError(f"{path} is not a checkpoint of this project ({type(error).__name__})") from error
    _check_depth(path, state)
    found = state.get("format", "none") if isinstance(state, dict) else "none"
    if type(found) is not int or found != FORMAT:
        raise CheckpointError(f"{path} has checkpoint format {found!r:.60}, this version reads format {FORMAT}")
    return state


def _check_depth(path, state):
    """Raise CheckpointError for values too deep in each other, or too many: to print or compare them may never end."""
    to_do, count = [(state, 0)], 0
    while to_do:
        value, depth = to_do.pop()
        count += 1
        if depth > DEEPEST or count > MOST_VALUES:
            most = f"more than {DEEPEST} deep in each other, or more than {MOST_VALUES:,}"
            raise CheckpointError(f"{path} is not a checkpoint of this project (its values are {most})")
        if isinstance(value, dict):
            to_do += [(part, depth + 1) for pair in value.items() for part in pair]
        elif isinstance(value, (list, tuple, set, frozenset)):
            to_do += [(part, depth + 1) for part in value]
