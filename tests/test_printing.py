"""common/printing.py and common/arguments.py: what is printed, what a terminal is spared, what can be pasted."""

import ast
import io
import os
import shlex
import subprocess
import sys

import pytest

from common.arguments import Parser, with_flags
from common.printing import Progress, command_line, visible
from tests.scripts import ROOT, new_terminal

HOSTILE = "a\x1b]0;title\x07 b\x9b31m \u202eevil\rx é→字"
SHOWN = r"a\x1b]0;title\x07 b\x9b31m \u202eevil\rx é→字"
NAMES = ["книга и ночь", "-x", "--", "a'b\"c $HOME `id` \\", "two\nlines", "\x1b[2J", "caf\udce9", "é", "tab\t"]
LOCALES = {  # names of files are bytes, whatever is read into them
    "UTF-8": {},
    "ASCII": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "Latin-1 on UTF-8": {"PYTHONIOENCODING": "latin-1"},
}
PRINTS = """
import sys
from common.arguments import Parser
parser = Parser("prints")
parser.add_argument("text", nargs="?", default="")
print(parser.parse_args().text)
print(sys.argv[1], file=sys.stderr)
"""
RESUMES = """
import sys
from pathlib import Path
from common.arguments import Parser
parser = Parser("resumes")
parser.add_argument("--output_dir")
parser.add_argument("--txt_file")
names, sys.argv = sys.argv[1:], ["SCRIPT"]
for name in names:
    text = "./--" if name == "--" else name
    config = parser.parse_args([f"--output_dir=./{name}", f"--txt_file={text}"])
    print(parser.command(config, output_dir=Path(config.output_dir)))
"""


def in_terminal(*command, **options):
    """What a command writes on a terminal."""
    terminal, child = new_terminal()
    subprocess.run(command, stdout=child, stderr=child, cwd=ROOT, timeout=60, **options)
    os.close(child)
    shown = b""
    while part := _read(terminal):
        shown += part
    os.close(terminal)
    return shown.decode().replace("\r\n", "\n")


def _read(terminal):
    try:
        return os.read(terminal, 10_000)
    except OSError:  # all is read
        return b""


def test_what_is_not_printable_is_escaped_and_the_rest_stays():
    assert visible(HOSTILE) == SHOWN
    assert visible("a\n\tb\u3000c\u00a0d\ud800") == "a\n\tb\u3000c\u00a0d\\ud800"


def test_a_terminal_is_shown_escapes_and_a_pipe_gets_all_as_it_is():
    command = [sys.executable, "-c", PRINTS, HOSTILE]
    assert in_terminal(*command) == f"{SHOWN}\n{SHOWN}\n"
    piped = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    assert piped.stdout == piped.stderr == f"{HOSTILE}\n".encode()


def test_a_bar_on_a_terminal_still_returns_to_the_beginning_of_its_line():
    code = (
        "from common.arguments import Parser\nfrom common.printing import Progress\nParser('bar').parse_args()\n"
        "with Progress(3) as progress:\n    progress.advance('\\x1b[1mbold')\n    progress.bar.refresh()"
    )
    shown = in_terminal(sys.executable, "-c", code)
    assert shown.startswith("\r") and "1/3" in shown and r"\x1b[1mbold" in shown and r"\r" not in shown


def test_seconds_of_a_bar_go_on_when_the_clock_is_set_back(monkeypatch):
    from common.printing import Bar

    with Bar(total=3, file=io.StringIO()) as bar:
        monkeypatch.setattr("time.time", lambda: 0.0)
        assert bar._time() >= bar.start_t and 0 <= bar.format_dict["elapsed"] < 60


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are not bytes everywhere")
@pytest.mark.parametrize("locale", LOCALES)
def test_every_name_is_printed_and_the_command_that_resumes_can_be_pasted(locale, tmp_path):
    command, environment = [sys.executable, "-c", RESUMES, *NAMES], {**os.environ, **LOCALES[locale]}
    printed = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True).stdout
    assert printed.count(b"\n") == len(NAMES)
    (tmp_path / "python").write_text('#!/bin/sh\nshift\nprintf "%s\\0" "$@"\n')
    (tmp_path / "python").chmod(0o755)
    path = {**environment, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    pasted = subprocess.run(["bash", "-c", printed], env=path, capture_output=True, check=True).stdout
    dashed = {"-x": ["--output_dir=./-x", "--txt_file=-x"], "--": ["--output_dir=./--", "--txt_file", "./--"]}
    given = [dashed.get(name, ["--output_dir", name, "--txt_file", name]) for name in NAMES]
    assert pasted.split(b"\0")[:-1] == [os.fsencode(word) for words in given for word in words]


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are not bytes everywhere")
def test_a_name_that_the_locale_cannot_read_is_printed_as_its_bytes_and_any_sign_can_be():
    environment = {**os.environ, **LOCALES["ASCII"]}
    done = subprocess.run([sys.executable, "-c", PRINTS, "книга"], cwd=ROOT, env=environment, capture_output=True)
    assert done.stdout == done.stderr == "книга\n".encode()
    code = "from common.printing import print_safely; print_safely(); print('\\u03c4 \\ud800')"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True)
    assert done.stdout == b"\\u03c4 \\ud800\n", done.stderr


def test_a_command_line_is_read_as_its_words():
    words = ["python", "a b", "it's", "ä", "-x", ""]
    assert shlex.split(command_line(words)) == words
    assert command_line(["\x1b", "a'\n"]) == r"$'\033' $'a\047\012'"


@pytest.fixture
def parser():
    parser = Parser("something")
    parser.add_argument("--rate", type=float)
    parser.add_argument("--fast", action="store_true")
    parser.add_argument("--times", nargs="+", type=float)
    parser.add_argument("--output_dir")
    parser.add_argument("rest", nargs="*")
    return parser


@pytest.mark.parametrize(
    "words, named",
    [
        (["--rate", "1", "--rate", "2"], "--rate is given twice: '1' and '2'"),
        (["--times", "1", "2", "--fast", "--times=3"], "--times is given twice: '1' '2' and '3'"),
        (["--output_dir", ""], "--output_dir '' is no value"),
        (["--output_dir="], "--output_dir '' is no value"),
        (["--output_dir=--"], "--output_dir '--' is no value"),
        (["--output_dir", "--"], "expected one argument"),
        (["--output_dir", "-x"], "expected one argument"),
        (["--rat", "1"], "unrecognized arguments: --rat"),
    ],
)
def test_too_wide_a_door_is_closed_in_one_line(parser, capsys, words, named):
    with pytest.raises(SystemExit):
        parser.parse_args(words)
    err = capsys.readouterr().err
    assert named in err and err.count("\n") == 1


def test_what_begins_with_a_dash_can_be_given(parser):
    assert parser.parse_args(["--times", "-1e-5", "-.5", "-2"]).times == [-1e-5, -0.5, -2]
    assert parser.parse_args(["--output_dir=-x", "--fast", "--fast"]).output_dir == "-x"
    assert parser.parse_args(["--rate", "1", "--", "--rate", "--rate"]).rest == ["--rate", "--rate"]


def test_flags_take_the_place_of_those_of_the_same_name():
    assert (
        with_flags(["x.py", "--a", "1", "2", "--b", "--c=3"], ["--a=4", "--c", "5"]) == "x.py --b --a=4 --c 5".split()
    )


def test_every_file_that_is_opened_as_text_has_its_encoding():
    """In a Latin-1 locale the report's ± would be read as Â±."""
    wrong = []
    for path in [
        *ROOT.glob("*.py"),
        *(p for d in ("assets", "common", "part*", "reproduce") for p in ROOT.glob(f"{d}/**/*.py")),
    ]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and not _says_its_encoding(node):
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not wrong


def _says_its_encoding(call):
    name = getattr(call.func, "attr", getattr(call.func, "id", None))
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    if "encoding" in given:
        return True
    if name in ("read_text", "write_text") and isinstance(call.func, ast.Attribute):
        return False
    if getattr(given.get("text"), "value", False):  # subprocess
        return False
    opens = isinstance(call.func, ast.Name) and name == "open"
    mode = given.get("mode") or (call.args[1] if len(call.args) > 1 else ast.Constant("r"))
    return not opens or "b" in ast.literal_eval(mode)


def test_progress_prints_lines_where_there_is_no_terminal(capsys, monkeypatch):
    monkeypatch.setattr("common.printing.SECONDS_BETWEEN_LINES", 0)
    for show in (False, True):
        with Progress(9, done=6, show=show) as progress:
            progress.advance("loss 1.5")
            progress.advance()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and lines[0].startswith("step 7/9, at most 00:0") and lines[1].endswith("loss 1.5")


def test_progress_knows_a_limit_of_time_and_shows_texts_on_a_terminal_alone(capsys, monkeypatch):
    monkeypatch.setattr("common.printing.SECONDS_BETWEEN_LINES", 0)
    monkeypatch.setattr("common.printing.SECONDS_BETWEEN_TEXTS", 0)
    with Progress(10**9, seconds_left=lambda: 61.5) as progress:
        progress.advance("loss 1.5")
        progress.show("a sample")
    assert capsys.readouterr().err == "step 1/1000000000, at most 01:01 left  loss 1.5\n"
    with monkeypatch.context() as patch:
        patch.setattr(sys.stderr, "isatty", lambda: True)
        with Progress(10**9, seconds_left=lambda: 61.5) as progress:
            progress.advance("loss 1.5")
            progress.show("a sample")
            monkeypatch.setattr("common.printing.SECONDS_BETWEEN_TEXTS", 100)
            progress.show("too soon")
            progress.bar.refresh()
    shown = capsys.readouterr().err
    assert "a sample\n" in shown and "too soon" not in shown
    assert "at most 01:01 left, loss 1.5" in shown.splitlines()[-1] and "?" not in shown.splitlines()[-1]
