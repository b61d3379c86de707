"""submit.py: what is in the ZIP, the same bytes each time, and names that are refused."""

import os
import shutil
import subprocess
import zipfile

import pytest

import submit
from tests.scripts import ROOT, run

in_checkout = pytest.mark.skipif(
    not (ROOT / ".git").exists() or shutil.which("git") is None, reason="not a checkout of git: nothing to hand in"
)


@in_checkout
def test_the_zip_holds_report_and_code_and_runs_from_where_it_is_unpacked(tmp_path):
    status, out, err = run("submit.py", "--lastname", "jansen", cwd=tmp_path)
    assert status == 0, err
    assert os.listdir(tmp_path) == ["jansen_assignment2.zip"] and "files" in out
    with zipfile.ZipFile(tmp_path / "jansen_assignment2.zip") as archive:
        names = archive.namelist()
        assert archive.testzip() is None
        archive.extractall(tmp_path)
    assert all(name.startswith("jansen_assignment2/") for name in names) and len(set(names)) == len(names)
    for path in ("README.md", "requirements.txt", "part1/lstm.py", "part2/time_gated_lstm.py", "part3/train.sbatch"):
        assert f"jansen_assignment2/{path}" in names
    assert not [name for name in names if "/runs/" in name or name.endswith("checkpoint.pt") or "seed" in name]
    help_of = [os.sys.executable, tmp_path / "jansen_assignment2/part1/train.py", "--help"]
    assert "--model_type" in subprocess.run(help_of, capture_output=True, text=True, check=True).stdout


@in_checkout
def test_the_same_bytes_each_time_and_an_older_zip_is_replaced(tmp_path):
    (tmp_path / "ng_assignment2.zip").write_text("old")
    contents = []
    for _ in range(2):
        assert run("submit.py", "--lastname", "ng", cwd=tmp_path)[0] == 0
        contents.append((tmp_path / "ng_assignment2.zip").read_bytes())
    assert contents[0] == contents[1] and contents[0].startswith(b"PK")


@pytest.mark.parametrize("name", ["", "../x", "a b", "a/b", ".x", "-x", "con:", "é\n", "a" * 65, "7", "x.zip"])
def test_a_name_that_cannot_be_a_files_is_refused_in_one_line(tmp_path, name):
    status, out, err = run("submit.py", f"--lastname={name}", cwd=tmp_path)
    assert (status, out, err.count("\n")) == (2, "", 1) and "letters" in err
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("name", ["jansen", "Müller", "de_Vries", "Smith-Jones", "李", "x2"])
def test_names_of_every_language_are_taken(name):
    assert submit.last_name(name) == name


def test_times_and_order_do_not_depend_on_the_checkout(tmp_path):
    for number, folder in enumerate((tmp_path / "a", tmp_path / "b")):
        folder.mkdir()
        for name in ("x.py", "y.py"):
            (folder / name).write_text(name)
            os.utime(folder / name, (10**9 + number, 10**9 + number))
    a, b = (submit.make_zip(folder, ["x.py", "y.py"], "top") for folder in (tmp_path / "a", tmp_path / "b"))
    assert a == b


def test_without_git_one_line_says_so(tmp_path):
    with pytest.raises(ValueError, match="not a checkout"):
        submit.submitted_files(tmp_path)
