"""submit.py: what is in the ZIP, with git and without, the same bytes each time, and what is refused."""

import os
import shutil
import subprocess
import sys
import zipfile

import pytest

import submit
from tests.scripts import ROOT, run

IGNORED = ["a.tmp", "results/part1/x_run1/metrics.csv", "results/part3/best.pt", "assets/grimm.txt", "train-1.out"]
RUN = ["results/part2/mine/config.json", "results/part2/mine/metrics.csv"]
NEW = ["part2/mine.py", "notes.txt", "results/part1/mine/points.csv"]


def write(folder, *paths):
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(path)


@pytest.fixture(params=["git", "no git"])
def checkout(request, tmp_path):
    """A small project, with files of its own that are new, ignored, changed, or a run; in git or not."""
    folder = tmp_path / "checkout"
    write(folder, *submit.NEEDED, "README.md", "results/part1/old.csv", "assets/book.txt")
    shutil.copy(ROOT / ".gitignore", folder / ".gitignore")
    if request.param == "git":
        if shutil.which("git") is None:
            pytest.skip("git is not installed")
        git = ["git", "-c", "user.name=a", "-c", "user.email=a", "-C", folder]
        for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "all"]):
            subprocess.run([*git, *command], check=True)
    write(folder, *IGNORED, *RUN, *NEW, ".venv/lib/x.py", "common/__pycache__/x.pyc", "ng_assignment2.zip")
    (folder / "part1/lstm.py").write_text("not committed")
    (folder / "results/part1/old.csv").unlink()
    return folder


def test_the_working_tree_as_it_is_without_runs_and_ignored_files(checkout):
    paths = submit.submitted_files(checkout)
    assert {*paths} - {".gitignore"} == {*submit.NEEDED, "README.md", "assets/book.txt", *NEW} and paths == sorted(
        paths
    )
    archive = checkout.parent / "a.zip"
    archive.write_bytes(submit.make_zip(checkout, paths, "top"))
    with zipfile.ZipFile(archive) as made:
        assert made.read("top/part1/lstm.py") == b"not committed"


GIT = ["git", "-c", "user.name=a", "-c", "user.email=a", "-c", "core.excludesFile=/dev/null", "-C"]


def git(folder, *words, status=0):
    assert subprocess.run([*GIT, folder, *words], capture_output=True).returncode == status


def merge_conflict(folder):
    """Both sides have changed one file: the index has it three times."""
    git(folder, "checkout", "-qb", "other", "-f")
    for text in ("theirs", "ours"):
        (folder / "part1/lstm.py").write_text(text)
        git(folder, "commit", "-qam", text)
        git(folder, "checkout", "-qB", text, "other" if text == "ours" else "HEAD")
        if text == "theirs":
            git(folder, "checkout", "-q", "other")
            git(folder, "reset", "-q", "--hard", "HEAD~1")
    git(folder, "merge", "-q", "theirs", status=1)


STATES = {  # of git, in which a ZIP was empty, lacked a file or had one three times
    "an index that is empty": lambda folder: git(folder, "rm", "-rq", "--cached", "."),
    "a file taken out of the index": lambda folder: git(folder, "rm", "-q", "--cached", "part3/model.py"),
    "an index that is damaged": lambda folder: (folder / ".git/index").write_bytes(b"x"),
    "another repository in the environment": lambda folder: (
        (folder.parent / ".git/info/exclude").write_text("part3"),
        os.environ.update(GIT_DIR=str(folder.parent / ".git")),
    ),
    "a merge conflict": merge_conflict,
    "an export inside another repository": lambda folder: shutil.rmtree(folder / ".git"),
    "an export that is ignored there": lambda folder: (
        shutil.rmtree(folder / ".git"),
        (folder.parent / ".gitignore").write_text("checkout\n"),
    ),
    "git init": lambda folder: (shutil.rmtree(folder / ".git"), git(folder, "init", "-q")),
}


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
@pytest.mark.parametrize("state", STATES)
def test_every_file_is_there_once_whatever_git_thinks(tmp_path, state, monkeypatch):
    monkeypatch.setenv("GIT_DIR", "")  # comes back as it was
    monkeypatch.delenv("GIT_DIR")
    folder = tmp_path / "checkout"
    write(folder, *submit.NEEDED, "README.md")
    shutil.copy(ROOT / ".gitignore", folder / ".gitignore")
    for repository in (tmp_path, folder):
        git(repository, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "all")
    STATES[state](folder)
    paths = submit.submitted_files(folder)
    assert [path for path in paths if path != ".gitignore"] == sorted([*submit.NEEDED, "README.md"])


@pytest.mark.parametrize("path", ["results/report.pdf", "part3/train.py"])
def test_without_the_report_or_a_part_nothing_is_made(checkout, path):
    (checkout / path).unlink()
    with pytest.raises(ValueError, match=f"{path} is not there"):
        submit.submitted_files(checkout)


def test_the_zip_runs_where_it_is_unpacked_and_makes_the_same_zip_there(tmp_path):
    status, out, err = run("submit.py", "--lastname", "jansen", cwd=tmp_path)
    assert status == 0, err
    assert os.listdir(tmp_path) == ["jansen_assignment2.zip"] and "files" in out
    with zipfile.ZipFile(tmp_path / "jansen_assignment2.zip") as archive:
        names = archive.namelist()
        assert archive.testzip() is None
        archive.extractall(tmp_path)
    assert all(name.startswith("jansen_assignment2/") for name in names) and len({*names}) == len(names)
    named = (
        "README.md",
        "requirements.txt",
        "part3/train.sbatch",
        "assets/pages/shared.js",
        "results/part2/runs/runs.csv",
    )
    for path in named:
        assert f"jansen_assignment2/{path}" in names
    assert not [name for name in names if name.endswith(("checkpoint.pt", ".pyc", "config.json"))]
    unpacked = tmp_path / "jansen_assignment2"
    help_of = [sys.executable, unpacked / "part1/train.py", "--help"]
    assert "--model_type" in subprocess.run(help_of, capture_output=True, text=True, check=True).stdout
    assert {f"jansen_assignment2/{path}" for path in submit.submitted_files(unpacked)} == {
        name for name in names if not name.startswith("jansen_assignment2/.")
    }


def test_an_older_zip_is_replaced_and_times_and_order_change_nothing(tmp_path):
    for number, folder in enumerate((tmp_path / "a", tmp_path / "b")):
        write(folder, "x.py", "y.py")
        for name in ("x.py", "y.py"):
            os.utime(folder / name, (10**9 + number, 10**9 + number))
    a, b = (submit.make_zip(folder, ["x.py", "y.py"], "top") for folder in (tmp_path / "a", tmp_path / "b"))
    assert a == b
    (tmp_path / "ng_assignment2.zip").write_text("old")
    assert run("submit.py", "--lastname", "ng", cwd=tmp_path)[0] == 0
    assert (tmp_path / "ng_assignment2.zip").read_bytes().startswith(b"PK")


@pytest.mark.parametrize("name", ["", "../x", "a b", "a/b", ".x", "-x", "con:", "é\n", "a" * 65, "7", "x.zip"])
def test_a_name_that_cannot_be_a_files_is_refused_in_one_line(tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        submit.main([f"--lastname={name}"])
    out, err = capsys.readouterr()
    assert (end.value.code, out, err.count("\n")) == (2, "", 1) and ("letters" if name else "is no value") in err
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("name", ["jansen", "Müller", "de_Vries", "Smith-Jones", "李", "x2"])
def test_names_of_every_language_are_taken(name):
    assert submit.last_name(name) == name
