"""Hostile values on every flag of every script: refused in one line, or taken; never a traceback, a hang or a file.

In this process, up to where the work begins. FUZZ=2000 in the environment tries so many, FUZZ_SEED=1 others.
"""

import os
import random
import runpy
import signal
import sys
import warnings
from contextlib import contextmanager

import pytest
import torch
import torch._dynamo  # an optimizer imports it: among the patches below it would be left half imported

from common import figures
from common.arguments import Parser, with_flags
from common.run_folder import RunFolder
from reproduce.steps import steps
from tests.scripts import ROOT

TRIES, SEED = int(os.environ.get("FUZZ", 300)), int(os.environ.get("FUZZ_SEED", 0))
MAKE = "tests/exercise/make.py"
SCRIPTS = sorted(
    str(path.relative_to(ROOT))
    for path in [*ROOT.glob("*.py"), *ROOT.glob("assets/*.py"), *ROOT.glob("part*/**/*.py"), ROOT / MAKE]
    if "\nif __name__ ==" in path.read_text(encoding="utf-8")
)
SCRIPTS.append("reproduce")
NUMBERS = (
    *(
        "0",
        "-0",
        "-1",
        "1",
        "2",
        "3",
        "7",
        "0.5",
        "1.5",
        "-1.5",
        "+5",
        " 7 ",
        "1_000",
        "١٢",
        "0x10",
        "1e5",
        "1" * 5_000,
    ),
    *("nan", "inf", "-inf", "1e308", "-1e308", "1e309", "5e-324", "1e-324", "-1e-5", "99999999999999999999999", "1/2"),
)
TEXTS = (
    *("", " ", "-", "--", "-x", "--x", "---", "é", "e\u0301", "\x1b[31m", "\u202e", "\udce4", "\ud800", "a\0b", "a\nb"),
    *("x" * 300, "x" * 5_000, "%s%d{0}", "$(id)", "'\"", "*", "klingon", "utf-16", "utf-7", "hex", "idna", "punycode"),
    *("unicode_escape", "auto", "cuda:99", "cuda:-1", "mps", "meta", "http://", "http://[", "file:///etc/passwd"),
)
PATHS = (
    *("fifo", "folder", "loop", "loop/x", "folder/loop", "dangling", "link", "empty", "noise", "surrogate", "latin"),
    *(
        "book.txt",
        "book.txt/x",
        "no/such",
        "d/" * 2_000 + "x",
        "/",
        ".",
        "..",
        "/dev/null",
        "/dev/full",
        "/proc/self/mem",
    ),
    *("/dev/null/x", "run", "run/config.json", "foreign.pt", "table.csv", "x.png", "folder/x.pdf", "~", "~nobody"),
)
PLACES = ("dir", "file", "csv", "html", "json", "output", "checkpoint", "path", "run", "sample")
BASE = {  # values of the flags that are required, and of those that would name a place in the checkout
    **{"--output_dir": "out", "--output": "out.png", "--txt_file": "book.txt", "--lastname": "ng", "--device": "cpu"},
    **{"sample": "book.txt", "name": "11", "runs": str(ROOT / "results/part3/runs"), "--quick": None, "--workers": "1"},
}


class Worked(BaseException):
    """All was taken: the work would begin here."""


class Hung(BaseException):
    """It took too long."""


def work(*args, **options):
    raise Worked


def hang(number, frame):
    raise Hung


@pytest.fixture(autouse=True)
def no_work(monkeypatch):
    """Whatever takes time, writes or goes to the network says that all was taken."""
    for name in (
        *("common.figures.new_figure", "common.figures.prepare_process", "common.device.in_fresh_process"),
        *("common.device.in_both_states", "common.device.start_process", "multiprocessing.get_context"),
        *("part3.sampling.Writer.__init__", "part3.evaluation.predictions", "assets.page.make_page"),
        *(
            "reproduce.runner.run_steps",
            "reproduce.texts.fill",
            "zipfile.ZipFile.writestr",
            "submit.submitted_files",
            "urllib.request.urlopen",
        ),
    ):
        monkeypatch.setattr(name, work)
    monkeypatch.setattr(RunFolder, "begin", work)
    monkeypatch.setattr(sys, "path", [*sys.path])
    threads, flushes = torch.get_num_threads(), torch.tensor([1e-40]).mul(1).item() == 0
    before = signal.signal(signal.SIGALRM, hang)
    yield
    signal.signal(signal.SIGALRM, before)
    torch.set_num_threads(threads)
    torch.set_flush_denormal(flushes)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with files of somebody else's, and of every kind that there is."""
    for name, content in {
        **{
            "book.txt": b"It was the old miller's third son who found the key.\n" * 40,
            "empty": b"",
            "noise": b"\0\xff" * 99,
        },
        **{"surrogate": b"\x00\xd8a\0", "latin": "Bär ".encode("latin-1") * 99, "foreign.pt": b"PK\3\4mine"},
        **{"table.csv": b"a,b\n1,2\n", "x.png": b"mine", "data.jsonl": b'{"step": 1}\n'},
    }.items():
        (tmp_path / name).write_bytes(content)
    for folder in ("folder", "run"):
        (tmp_path / folder).mkdir()
    (tmp_path / "run/config.json").write_text("{}")
    (tmp_path / "folder/mine").write_text("mine")
    os.mkfifo(tmp_path / "fifo")
    for link, target in {
        "loop": "loop",
        "folder/loop": "../folder/loop",
        "dangling": "none",
        "link": "book.txt",
    }.items():
        (tmp_path / link).symlink_to(target)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def snapshot(place):
    """{path: kind, size, content of files} of all below a folder."""
    found = {}
    for folder, folders, names in os.walk(place):
        for name in [*folders, *names]:
            path = os.path.join(folder, name)
            kind = os.lstat(path).st_mode
            content = os.readlink(path) if os.path.islink(path) else None
            if os.path.isfile(path) and content is None:
                with open(path, "rb") as file:
                    content = file.read()
            found[path] = kind, content
    return found


def run(script, words):
    """Run a script in this process: its exit status, or the exception that it ends with, "" for none."""
    sys.argv = [script, *words]
    signal.alarm(10)
    try:
        runpy.run_path(str(ROOT / script), run_name="__main__")
        return 0
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException as error:
        return error
    finally:
        signal.alarm(0)


@contextmanager
def parser_of(monkeypatch, script):
    """The Parser with which a script reads its command line."""
    found = []

    def keep(self, *_):
        found.append(self)
        raise Worked

    with monkeypatch.context() as patch:
        patch.setattr(Parser, "parse_known_args", keep)
        run(script, [])
    yield found[0]


def hostile_words(rng, actions):
    """A command line with one to three hostile values."""
    base = []
    for action in actions:
        name = action.option_strings[-1] if action.option_strings else action.dest
        if name in BASE:
            base += [name] * bool(action.option_strings) + [BASE[name]] * (BASE[name] is not None)
    more = []
    for action in rng.sample(actions, min(len(actions), rng.choice((1, 1, 1, 2, 3)))):
        likely = PATHS if any(word in action.dest for word in PLACES) else NUMBERS if action.type else TEXTS
        count = action.nargs if isinstance(action.nargs, int) else rng.choice((1, 1, 1, 2)) if action.nargs else 1
        values = [rng.choice(rng.choice((NUMBERS, TEXTS, PATHS, *[likely] * 6))) for _ in range(count)]
        if action.choices and rng.random() < 0.5:
            values = [str(rng.choice([*action.choices]))]
        if not action.option_strings:
            more += values
        elif action.nargs == 0:
            more.append(action.option_strings[-1])
        elif rng.random() < 0.3:
            more.append(f"{action.option_strings[-1]}={values[0]}")
        else:
            more += [action.option_strings[-1], *values]
    return with_flags(base, more) if rng.random() < 0.95 else [*base, *more]


def complaint(script, words, place, before, outcome, err):
    """What is wrong with an outcome, in a line; None if all is well."""
    lines = [line for line in err.splitlines() if not line.startswith(("warning: ", "device "))]
    after = snapshot(place)
    changed = {path for path in before if before[path] != after.get(path)}
    new = {
        path
        for path in after.keys() - before.keys()
        if os.path.isfile(path) and not os.path.basename(path).startswith("lock")
    }
    if isinstance(outcome, BaseException) and not isinstance(outcome, Worked):
        return f"{type(outcome).__name__}: {outcome}"
    if changed:
        return f"changed {sorted(changed)}"
    if new and outcome != 0:
        return f"left {sorted(new)}"
    if outcome in (1, 2) and (len(lines) != 1 or "Traceback" in err):
        return f"{len(lines)} lines"
    return None


def test_no_hostile_value_gets_further_than_one_line(place, monkeypatch, capfd):
    rng, parsers, wrong = random.Random(SEED), {}, []
    counts = dict.fromkeys(("refused", "taken"), 0)
    monkeypatch.setattr(sys, "argv", sys.argv)
    warnings.simplefilter("ignore")
    for script in SCRIPTS:
        with parser_of(monkeypatch, script) as parser:
            parsers[script] = [action for action in parser._actions if action.dest != "help"]
    assert len(parsers) > 25 and figures.new_figure is work and steps
    before = snapshot(place)
    for number in range(TRIES):
        script = rng.choice(SCRIPTS)
        words = hostile_words(rng, parsers[script])
        capfd.readouterr()
        outcome = run(script, words)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL if number == signal.SIGTERM else signal.default_int_handler)
        err = capfd.readouterr().err
        if said := complaint(script, words, place, before, outcome, err):
            wrong.append(
                f"{script} {[word[:60] for word in words]}: {said[:300]} {err[-300:] if 'lines' in said else ''}"
            )
        counts["refused" if outcome in (1, 2) else "taken"] += 1
        for path in sorted(snapshot(place).keys() - before.keys(), reverse=True):
            os.rmdir(path) if os.path.isdir(path) else os.remove(path)
        assert not (changed := {p for p in before if snapshot(place).get(p) != before[p]}), (script, words, changed)
    with capfd.disabled():
        print(f"\n{TRIES} tries: {counts['refused']} refused, {counts['taken']} taken, {len(wrong)} wrong", end=" ")
    assert not wrong, "\n".join(wrong)
    assert counts["refused"] > TRIES / 3 and counts["taken"] > TRIES / 20
