"""common/checkpoint.py: whole or the one before; never silently wrong; never runs code."""

import io
import os
import pickle
import random
import signal
import struct
import time
import tracemalloc
import zipfile

import pytest
import torch

import common.files
import part1.train
import part2.train
import part3.generate
import part3.score
import part3.train
from common.checkpoint import (
    LATEST,
    PREVIOUS,
    CheckpointError,
    check_state,
    load_checkpoint,
    read_checkpoint,
    save_checkpoint,
)
from part1.train import OPTIMIZERS
from tests.scripts import ROOT, call


def state(number):
    torch.manual_seed(number)
    return {"step": number, "model": {"W": torch.randn(20, 30), "b": torch.arange(3)}, "name": "x", "rates": [0.1, 2]}


def assert_equal(found, number):
    expected = state(number)
    assert found["step"] == number and found["name"] == "x" and found["rates"] == [0.1, 2]
    assert all(torch.equal(found["model"][name], expected["model"][name]) for name in ("W", "b"))


def test_round_trip_and_the_one_before_is_kept(tmp_path):
    assert load_checkpoint(tmp_path) is None
    for number in (1, 2, 3):
        save_checkpoint(tmp_path, state(number))
    assert_equal(load_checkpoint(tmp_path), 3)
    assert sorted(p.name for p in tmp_path.iterdir()) == [LATEST, PREVIOUS]
    (tmp_path / LATEST).unlink()
    assert_equal(load_checkpoint(tmp_path), 2)


def two_checkpoints(folder):
    save_checkpoint(folder, state(1))
    save_checkpoint(folder, state(2))
    return folder / LATEST, (folder / LATEST).read_bytes()


def test_truncated_anywhere_falls_back_and_says_so(tmp_path, capsys):
    path, whole = two_checkpoints(tmp_path)
    lengths = [0, 1, len(whole) - 1, *random.Random(0).choices(range(len(whole)), k=50)]
    for length in lengths:
        path.write_bytes(whole[:length])
        assert_equal(load_checkpoint(tmp_path), 1)
        message = capsys.readouterr().err
        assert str(path) in message and "damaged" in message and PREVIOUS in message


def test_flipped_bits_and_zeroed_blocks_are_never_silently_wrong(tmp_path):
    path, whole = two_checkpoints(tmp_path)
    draw, fell_back = random.Random(0), 0
    for trial in range(250):
        copy = bytearray(whole)
        if trial < 200:
            copy[draw.randrange(len(copy))] ^= 1 << draw.randrange(8)
        else:
            start = draw.randrange(len(copy) - 512)
            copy[start : start + 512] = bytes(512)
        path.write_bytes(copy)
        try:
            found = load_checkpoint(tmp_path)
        except CheckpointError:
            continue
        assert_equal(found, found["step"])  # a flip in the archive's padding leaves the content whole
        fell_back += found["step"] == 1
    assert fell_back > 125


def test_only_damaged_checkpoints_are_an_error(tmp_path):
    path, _ = two_checkpoints(tmp_path)
    path.write_bytes(b"no")
    (tmp_path / PREVIOUS).write_bytes(b"")
    with pytest.raises(CheckpointError, match="no checkpoint"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize(
    "content", [{"format": 99}, {"step": 3}, [1, 2], torch.zeros(3)], ids=["newer", "no format", "list", "tensor"]
)
def test_a_foreign_file_is_refused(tmp_path, content):
    torch.save(content, tmp_path / LATEST)
    with pytest.raises(CheckpointError, match="format"):
        load_checkpoint(tmp_path)


def test_what_inflates_is_refused_before_it_is_read(tmp_path):
    """Both ways: an archive that says its size, and one that lies about it."""
    torch.save({"format": 1, "step": 0, "W": torch.zeros(2**20)}, tmp_path / "plain.pt")
    for level, name in ((zipfile.ZIP_DEFLATED, "deflated.pt"), (zipfile.ZIP_BZIP2, "bzip2.pt")):
        with zipfile.ZipFile(tmp_path / "plain.pt") as plain, zipfile.ZipFile(tmp_path / name, "w", level) as small:
            for file in plain.namelist():
                small.writestr(file, plain.read(file))
        assert (tmp_path / name).stat().st_size < 2**16
        for lies in (False, True):
            content = (tmp_path / name).read_bytes()
            (tmp_path / LATEST).write_bytes(content.replace(struct.pack("<I", 2**22), b"\0\0\0\0") if lies else content)
            tracemalloc.start()
            with pytest.raises(CheckpointError, match="damaged"):
                read_checkpoint(tmp_path / LATEST)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert peak < 2**20, f"{peak} bytes to refuse a file of {len(content)}"


@pytest.mark.parametrize(
    "kind", [list, tuple, lambda pair: {"a": pair[0], "b": pair[-1]}], ids=["list", "tuple", "dict"]
)
def test_what_lies_40_deep_is_refused_before_it_is_printed(tmp_path, kind):
    value = kind([1, 1])
    for _ in range(40):
        value = kind([value, value])
    for state in ({"format": value}, {"format": 1, "settings": value}, {"format": 1, "settings": [[1] * 400] * 1_000}):
        torch.save(state, tmp_path / LATEST)
        assert (tmp_path / LATEST).stat().st_size < 20_000
        with pytest.raises(CheckpointError, match="deep"):
            read_checkpoint(tmp_path / LATEST)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs FIFOs")
def test_a_fifo_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / LATEST)
    with pytest.raises(OSError, match="not a regular file"):
        read_checkpoint(tmp_path / LATEST)


class Payload:
    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


def payloads(marker):
    import builtins
    import subprocess

    touch = f"open({str(marker)!r}, 'w')"
    yield "system", Payload(os.system, (f"touch {marker}",))
    yield "popen", Payload(os.popen, (f"touch {marker}",))
    yield "eval", Payload(builtins.eval, (touch,))
    yield "exec", Payload(builtins.exec, (touch,))
    yield "open", Payload(builtins.open, (str(marker), "w"))
    yield "subprocess", Payload(subprocess.check_output, (["touch", str(marker)],))
    yield "getattr", Payload(builtins.getattr, ("text", "upper"))
    yield "import", Payload(builtins.__import__, ("antigravity",))
    yield "loads", Payload(pickle.loads, (pickle.dumps(Payload(os.system, (f"touch {marker}",))),))


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("name", [name for name, _ in payloads("")])
def test_malicious_pickles_are_refused_and_do_not_run(tmp_path, name, legacy):
    marker = tmp_path / "executed"
    payload = dict(payloads(marker))[name]
    torch.save({"format": 1, "step": payload}, tmp_path / LATEST, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(CheckpointError):
        load_checkpoint(tmp_path)
    assert not marker.exists()


@pytest.mark.parametrize("when", [0, 1], ids=["before the first rename", "between the two renames"])
def test_a_crash_between_renames_leaves_a_whole_checkpoint(tmp_path, monkeypatch, when):
    two_checkpoints(tmp_path)
    renames = iter(range(9))
    replace = os.replace

    def crash(*paths):
        if next(renames) == when:
            raise KeyboardInterrupt
        replace(*paths)

    monkeypatch.setattr(common.files.os, "replace", crash)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(tmp_path, state(3))
    monkeypatch.undo()
    assert_equal(load_checkpoint(tmp_path), 2)
    save_checkpoint(tmp_path, state(4))
    assert_equal(load_checkpoint(tmp_path), 4)
    assert sorted(p.name for p in tmp_path.iterdir()) == [LATEST, PREVIOUS]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_while_saving_every_time_one_loads(tmp_path):
    save_checkpoint(tmp_path, state(0))
    draw = random.Random(0)
    for _ in range(int(os.environ.get("FAULT_TRIALS", "20"))):
        child = os.fork()
        if child == 0:
            while True:
                for number in range(1, 5):
                    save_checkpoint(tmp_path, state(number))
        time.sleep(draw.uniform(0.02, 0.12))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        found = load_checkpoint(tmp_path)
        assert_equal(found, found["step"])


def test_a_full_disk_leaves_the_old_checkpoints(tmp_path, monkeypatch):
    two_checkpoints(tmp_path)

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(common.files.os, "fsync", full)
    with pytest.raises(OSError, match="bytes are free there"):
        save_checkpoint(tmp_path, state(3))
    assert_equal(load_checkpoint(tmp_path), 2)
    assert sorted(p.name for p in tmp_path.iterdir()) == [LATEST, PREVIOUS]


def test_saving_needs_no_allow_list(tmp_path):
    """What the scripts save is plain: optimizer states, a numpy generator's state, settings."""
    import numpy as np

    model = torch.nn.Linear(2, 3)
    for kind in (torch.optim.RMSprop, torch.optim.Adam, torch.optim.SGD):
        optimizer = kind(model.parameters(), lr=0.1)
        model(torch.ones(2)).sum().backward()
        optimizer.step()
        content = {"optimizer": optimizer.state_dict(), "rng": np.random.default_rng(3).bit_generator.state}
        save_checkpoint(tmp_path, content)
        assert load_checkpoint(tmp_path)["rng"] == content["rng"]


def test_the_format_number_is_first_in_the_file(tmp_path):
    save_checkpoint(tmp_path, state(1))
    buffer = io.BytesIO((tmp_path / LATEST).read_bytes())
    assert next(iter(torch.load(buffer, weights_only=True))) == "format"


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("learned", [(True, True), (True, False), (False, True)])
def test_an_optimizer_needs_a_state_of_what_is_learned_and_of_no_more(name, learned):
    parameters = [torch.nn.Parameter(torch.ones(2), requires_grad=requires_grad) for requires_grad in learned]
    optimizer = OPTIMIZERS[name](parameters, 0.1)
    sum(p.sum() for p in parameters if p.requires_grad).backward()
    optimizer.step()
    state = {"step": 1, "optimizer": optimizer.state_dict()}
    check_state("checkpoint.pt", state, {"optimizer": optimizer})
    if state["optimizer"]["state"]:
        state["optimizer"]["state"].popitem()
        with pytest.raises(CheckpointError, match="it has no"):
            check_state("checkpoint.pt", state, {"optimizer": optimizer})


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("name", [name for name, _ in payloads("")])
@pytest.mark.parametrize("script", [part1.train, part2.train, part3.train, part3.generate, part3.score])
def test_every_script_that_loads_refuses_every_malicious_pickle(tmp_path, capsys, script, name, legacy):
    marker, book = tmp_path / "executed", tmp_path / "book.txt"
    book.write_text("a book " * 20)
    state = {"format": 1, "characters": dict(payloads(marker))[name]}
    for path in ("best.pt", "checkpoint.pt", "checkpoint_previous.pt"):
        torch.save(state, tmp_path / path, _use_new_zipfile_serialization=not legacy)
    flags = {
        part1.train: ["--output_dir", tmp_path, "--resume"],
        part2.train: ["--output_dir", tmp_path, "--resume"],
        part3.train: ["--txt_file", book, "--output_dir", tmp_path, "--resume"],
        part3.generate: ["--checkpoint", tmp_path],
        part3.score: ["--checkpoint", tmp_path, "--txt_file", book],
    }
    status, out, err = call(script.main, *flags[script], capsys=capsys)
    assert legacy or "may run code" in err, err
    assert (status, out) == (2, "") and "Traceback" not in err and not marker.exists()


def test_no_unsafe_call_in_the_sources():
    sources = [path for path in ROOT.rglob("*.py") if not {"tests", ".venv"} & set(path.relative_to(ROOT).parts)]
    assert len(sources) > 10
    for word in ("weights_only=False", "pickle.load", "allow_pickle=True", "os.system", "shell=True"):
        assert not [path for path in sources if word in path.read_text()], word
