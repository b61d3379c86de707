"""What a run finds in its folder is damaged, foreign or crafted: one line, or it goes on; never a traceback or a wait.

In this process, with small runs of each part. CRAFTED=2000 in the environment tries so many checkpoints of each.
"""

import copy
import os
import random
import shutil
import signal

import pytest
import torch

import part1.train
import part2.train
import part3.generate
import part3.score
import part3.train
from common.checkpoint import write_checkpoint
from tests.scripts import call

SMALL = ["--num_hidden", 4, "--batch_size", 4, "--eval_every", 2, "--patience", 0, "--device", "cpu"]
PARTS = {
    "part1": (part1.train, ["--input_length", 7, "--input_dim", 10, "--curriculum", "--model_type", "LSTM", *SMALL]),
    "part2": (part2.train, ["--input_length", 4, "--log_tau", 0, 1, *SMALL]),
    "part3": (
        part3.train,
        [
            *("--seq_length", 5, "--lstm_num_hidden", 4, "--embedding_dim", 3, "--batch_size", 4, "--patience", 0),
            *("--eval_every", 2, "--sample_every", 2, "--checkpoint_every", 2, "--sampling", "streams"),
            *("--dropout_keep_prob", 0.5, "--device", "cpu"),
        ],
    ),
}
BOOK = "the cat sat on the mat and the rat sat on the hat. " * 5


@pytest.fixture(autouse=True)
def small_and_bounded(monkeypatch):
    """Evaluations are small, the process keeps its settings, and what hangs is interrupted."""
    for script in (part1.train, part2.train):
        monkeypatch.setattr(script, "EVALUATION", 20)
        monkeypatch.setattr(script, "FINAL_EVALUATION", 20)
    monkeypatch.setattr(part3.train, "keep_freed_memory", lambda: None)

    def late(*args):
        raise AssertionError("it hangs")

    signal.signal(signal.SIGALRM, late)
    yield
    signal.alarm(0)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A function that trains, in one folder after the other: each part's runs after 0 and after 4 updates are kept."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "book.txt").write_text(BOOK)
    return folder


def flags(runs, part, folder, steps, *more):
    text = ["--txt_file", runs / "book.txt"] if part == "part3" else []
    return [*text, *PARTS[part][1], "--train_steps", steps, "--output_dir", folder, *more]


@pytest.fixture
def run_of(runs, tmp_path, capsys):
    """A function that gives a copy of a part's run of 4 updates, and a function that resumes it up to 6."""

    def begin(part):
        if not (runs / part).exists():
            assert call(PARTS[part][0].main, *flags(runs, part, runs / part, 4), capsys=capsys)[0] == 0
        folder = tmp_path / part
        shutil.copytree(runs / part, folder)

        def resume(*more):
            signal.alarm(20)
            return call(PARTS[part][0].main, *flags(runs, part, folder, 6, "--resume", *more), capsys=capsys)

        return folder, resume

    return begin


def contents(folder):
    """What lies in a folder, {name: bytes, or where a link leads, or the kind of file}, but for an own lock."""
    found = {}
    for path in folder.iterdir():
        if path.is_symlink():
            found[path.name] = os.readlink(path)
        elif path.is_file() and not (path.name == "lock" and path.read_bytes().startswith(b"process ")):
            found[path.name] = path.read_bytes()
        elif not path.is_file():
            found[path.name] = os.lstat(path).st_mode
    return found


def test_resumed_without_damage(run_of):
    for part in PARTS:
        _, resume = run_of(part)
        assert resume()[0] == 0


# ---- each file of a run, damaged in each way


def damage(path, how, elsewhere):
    content = path.read_bytes()
    if how == "truncated":
        path.write_bytes(content[: len(content) // 2])
        return
    path.unlink()
    if how in ("emptied", "garbage"):
        path.write_bytes(b"" if how == "emptied" else random.Random(0).randbytes(500))
    elif how == "folder":
        path.mkdir()
    elif how == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to({"to nowhere": "nowhere", "to itself": path.name, "elsewhere": elsewhere}[how])


CONTENT, KIND = ("truncated", "emptied", "garbage"), ("folder", "fifo", "to nowhere", "to itself", "elsewhere")
COMMON = ("config.json", "metrics.csv", "checkpoint.pt", "checkpoint_previous.pt", "result.json", "lock")
FILES = {"part1": (), "part2": ("gate.csv",), "part3": ("best.pt", "samples.jsonl", "samples.md")}
# With another content these go on: the previous checkpoint is used; what is written again at the end; an empty lock.
GO_ON = {
    (name, how) for name in ("checkpoint.pt", "checkpoint_previous.pt", "gate.csv", "samples.md") for how in CONTENT
}
GO_ON |= {("lock", "emptied")}


@pytest.mark.parametrize("part", PARTS)
def test_a_damaged_file_of_a_run_is_one_line_or_it_goes_on(run_of, tmp_path, part):
    (tmp_path / "elsewhere").write_text("somebody's")
    for name in (*COMMON, *FILES[part]):
        for how in (*CONTENT, *KIND):
            folder, resume = run_of(part)
            if how == "elsewhere":
                shutil.copy(folder / name, tmp_path / "elsewhere")
            kept = (tmp_path / "elsewhere").read_bytes()
            damage(folder / name, how, tmp_path / "elsewhere")
            before = contents(folder)
            status, out, err = resume()
            if (name, how) in GO_ON:
                assert status == 0 and "Traceback" not in err, (name, how, err)
            else:
                assert (status, out, err.count("\n")) == (2, "", 1) and name in err, (name, how, err)
                assert contents(folder) == before, (name, how)
            assert (tmp_path / "elsewhere").read_bytes() == kept
            shutil.rmtree(folder)


# ---- crafted checkpoints


def deep(kind=list):
    """1.5 KB in a file, whose `repr` never ends: each list holds the one before twice."""
    value = kind([1])
    for _ in range(40):
        value = kind([value, value])
    return value


VALUES = {
    "None": None,
    "a text": "text",
    "-1": -1,
    "-1.5": -1.5,
    "nan": float("nan"),
    "inf": float("inf"),
    "huge": 10**30,
    "long": 2**2000,
    "1e308": 1e308,
    "True": True,
    "a list": [],
    "a dict": {},
    "three": [1, 2, 3],
    "a set": {1, 2},
    "bytes": b"\xff" * 9,
    "odd keys": {1: 2, None: 3, "x": 4},
    "deep": deep(),
    "deep tuple": deep(tuple),
    "a tensor": torch.zeros(7),
    "a complex one": torch.zeros(2, dtype=torch.complex64),
    "no numbers": torch.zeros(0),
    "sparse": torch.eye(3).to_sparse(),
    "repeated": torch.zeros(1).expand(10**6, 10**6),
}


def changed_tensors(tensor):
    floating = tensor.is_floating_point()
    yield "transposed", tensor.T if tensor.dim() == 2 else tensor[None]
    yield "longer", torch.cat([tensor.reshape(-1), tensor.reshape(-1)])
    yield "float64", tensor.double()
    yield "int64", tensor.long()
    yield "negative", -tensor.double() - 1 if floating else tensor
    yield "repeated in shape", torch.zeros((), dtype=tensor.dtype).expand(tensor.shape)
    if floating:
        for value in ("nan", "inf"):
            yield value, torch.full_like(tensor, float(value))
    else:
        yield "zeros", torch.zeros_like(tensor)


def places(value, where=()):
    """The way to each value within a state, a tuple of keys."""
    yield where
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inner:
        yield from places(part, (*where, key))


def crafted(state, draw):
    """A state with one thing changed, and what that is."""
    # Each entry is as likely as any other, however many tensors one holds.
    entries = [where for where in places(state) if where]
    entry = draw.choice(sorted({where[0] for where in entries}))
    where = draw.choice([where for where in entries if where[0] == entry])
    state = copy.deepcopy(state)
    parent = state
    for key in where[:-1]:
        parent = parent[key]
    old, ways = parent[where[-1]], {**VALUES, "missing": None, "another": None}
    ways |= dict(changed_tensors(old)) if isinstance(old, torch.Tensor) else {}
    how = draw.choice(list(ways))
    if how == "missing":
        del parent[where[-1]]
    elif how == "another" and isinstance(old, dict):
        old["another"] = 1
    else:
        parent[where[-1]] = ways[how]
    return state, f"{'.'.join(map(str, where))}: {how}"


@pytest.mark.parametrize("part", ["part1", pytest.param("part2", marks=pytest.mark.long), "part3"])
def test_a_crafted_checkpoint_is_one_line_or_resumes(run_of, part, capsys):
    folder, resume = run_of(part)
    whole = shutil.copytree(folder, folder.with_name("whole"))
    draw, refused, wrong = random.Random(0), 0, []
    states = [torch.load(whole / name, weights_only=True) for name in ("checkpoint.pt", "checkpoint_previous.pt")]
    count = int(os.environ.get("CRAFTED", "120"))
    for _ in range(count):
        state, what = crafted(draw.choice(states), draw)
        state.pop("format", None)
        write_checkpoint(folder / "checkpoint.pt", state)
        before = contents(folder)
        try:
            status, out, err = resume()
        except BaseException as error:
            wrong.append(f"{what}: {type(error).__name__} {error!s:.100}")
        else:
            refused += status == 2
            one_line = (status, out, err.count("\n")) == (2, "", 1) and "/checkpoint.pt" in err and len(err) < 1000
            one_line |= "metrics.csv is damaged" in err or "samples.jsonl is damaged" in err  # by its digest
            if not (status == 0 or (one_line and contents(folder) == before)):
                wrong.append(f"{what}: status {status}, {err[-300:]}")
        shutil.rmtree(folder)
        shutil.copytree(whole, folder)
    with capsys.disabled():
        print(f"\n{part}: of {count} crafted checkpoints {refused} refused, {len(wrong)} wrong")
    assert not wrong, "\n".join(wrong)
    assert count / 2 < refused < count


def test_a_crafted_model_is_one_line_or_is_used(run_of, tmp_path, capsys):
    """By the scripts that read best.pt alone."""
    folder, _ = run_of("part3")
    state, draw, count, refused = torch.load(folder / "best.pt", weights_only=True), random.Random(0), 0, 0
    (tmp_path / "text").write_text(BOOK[:60])
    scripts = (
        (part3.generate.main, ["--length", 5]),
        (part3.score.main, ["--txt_file", tmp_path / "text", "--unknown", "skip"]),
    )
    for _ in range(int(os.environ.get("CRAFTED", "120"))):
        changed, what = crafted(state, draw)
        changed.pop("format", None)
        write_checkpoint(tmp_path / "crafted.pt", changed)
        for main, flags in scripts:
            signal.alarm(20)
            status, out, err = call(main, "--checkpoint", tmp_path / "crafted.pt", *flags, capsys=capsys)
            one_line = (status, out, err.count("\n")) == (2, "", 1) and "crafted.pt" in err and len(err) < 1000
            assert one_line or (status, err) == (0, ""), (what, status, err)
            count, refused = count + 1, refused + one_line
    with capsys.disabled():
        print(f"\nof {count} crafted models {refused} refused")
    assert count / 4 < refused < count


@pytest.mark.parametrize("settings", [{"lstm_num_layers": 10**9}, {"lstm_num_hidden": 10_000}, {"embedding_dim": -1}])
def test_a_model_of_other_sizes_than_its_weights_takes_no_memory(run_of, tmp_path, capsys, settings):
    folder, _ = run_of("part3")
    state = torch.load(folder / "best.pt", weights_only=True)
    state["settings"] |= settings
    write_checkpoint(tmp_path / "crafted.pt", state)
    signal.alarm(5)
    status, _, err = call(part3.generate.main, "--checkpoint", tmp_path / "crafted.pt", capsys=capsys)
    assert status == 2 and err.count("\n") == 1 and "crafted.pt cannot be used: " in err


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_neither_written_from_nor_resumed(run_of, tmp_path, capsys, value):
    folder, resume = run_of("part3")
    for name in ("best.pt", "checkpoint.pt"):
        state = torch.load(folder / name, weights_only=True)
        state["model"]["output.weight"][0, 0] = value
        write_checkpoint(tmp_path / name, state)
    signal.alarm(20)
    status, out, err = call(part3.generate.main, "--checkpoint", tmp_path / "best.pt", capsys=capsys)
    assert (status, out, err.count("\n")) == (2, "", 1) and "model.output.weight is not finite" in err
    shutil.copy(tmp_path / "checkpoint.pt", folder)
    status, out, err = resume()
    assert (status, out, err.count("\n")) == (2, "", 1) and "model.output.weight is not finite" in err
