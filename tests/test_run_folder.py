"""common/run_folder.py: numbered, locked, cut back on resume, and nothing written before it is sure."""

import json
import os
import re
import threading

import pytest
import torch

from common.checkpoint import read_checkpoint, restore, write_checkpoint
from common.run_folder import RunFolder
from common.tables import collect_runs, read_metrics, read_runs

COLUMNS = ("step", "loss")
SETTINGS = {"model_type": "RNN", "num_hidden": 5, "train_steps": 10}


class Part:
    def __init__(self, value):
        self.value = value

    def state_dict(self):
        return {"value": self.value}

    def load_state_dict(self, state):
        self.value = state["value"]


def begun(path, resume=False, files=(), **more):
    run = RunFolder(path, SETTINGS, COLUMNS, ("samples.jsonl", *files), resume=resume, **more)
    run.begin("cpu")
    return run


def a_run(path, steps=(1, 2, 3), saved=2, result=None):
    run = begun(path)
    run.save({"part": Part(0)}, step=0)
    for step in steps:
        run.log(step, step / 10)
        run.note("samples", {"step": step, "text": "ß"})
        if step == saved:
            run.save({"part": Part(step)}, step=step)
    if result:
        run.finish(result)
    run.close()


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "lock"}


def test_a_run_is_a_folder(tmp_path):
    a_run(tmp_path / "run")
    names = {p.name for p in (tmp_path / "run").iterdir()}
    assert names == {"config.json", "metrics.csv", "samples.jsonl", "checkpoint.pt", "checkpoint_previous.pt", "lock"}
    config = json.loads((tmp_path / "run/config.json").read_text())
    assert config["num_hidden"] == 5 and config["torch"] == torch.__version__ and config["threads"] >= 1
    assert config["computed_on"] == "cpu"
    assert (tmp_path / "run/metrics.csv").read_text() == "step,loss\n1,0.1\n2,0.2\n3,0.3\n"


def test_numbered_folders_are_all_different_even_at_once(tmp_path):
    runs = []

    def claim():
        runs.append(RunFolder(None, SETTINGS, COLUMNS, default=tmp_path / "deep/name"))

    threads = [threading.Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {run.path.name for run in runs} == {f"name_run{n}" for n in range(1, 9)}


def test_a_folder_with_a_run_is_refused_unless_it_is_resumed(tmp_path):
    a_run(tmp_path)
    before = contents(tmp_path)
    with pytest.raises(ValueError, match="holds a run: add --resume"):
        RunFolder(tmp_path, SETTINGS, COLUMNS)
    assert before == contents(tmp_path)


def test_a_resume_restores_and_cuts_the_metrics_back(tmp_path):
    a_run(tmp_path)
    with open(tmp_path / "metrics.csv", "a") as file:
        file.write("4,0.")  # a row that was cut off
    before = contents(tmp_path)
    run = RunFolder(tmp_path, SETTINGS, COLUMNS, resume=True)
    assert before == contents(tmp_path), "nothing is written before it begins"
    run.begin("cpu")
    part = Part(None)
    restore({"part": part}, run.state)
    assert run.state["step"] == 2 and part.value == 2
    assert (tmp_path / "metrics.csv").read_text() == "step,loss\n1,0.1\n2,0.2\n"


@pytest.mark.parametrize("resume", [False, True])
def test_files_that_the_run_did_not_make_are_left_alone(tmp_path, resume):
    if resume:
        a_run(tmp_path)
    for name in ("my_other_log.jsonl", "notes.csv", "metrics.csv.12.tmp", "my.tmp"):
        (tmp_path / name).write_text('{"step": 1}\n{"step": 9}\n')
    begun(tmp_path, resume)
    for name in ("my_other_log.jsonl", "notes.csv", "metrics.csv.12.tmp", "my.tmp"):
        assert (tmp_path / name).read_text() == '{"step": 1}\n{"step": 9}\n'


def test_what_a_killed_writer_left_half_written_is_removed(tmp_path):
    a_run(tmp_path)
    for name in ("checkpoint.pt.0123abcd.tmp", "metrics.csv.deadbeef.tmp"):
        (tmp_path / name).write_text("half")
    begun(tmp_path, resume=True)
    assert not list(tmp_path.glob("*.tmp"))


NAMES = (
    "config.json",
    "metrics.csv",
    "samples.jsonl",
    "checkpoint.pt",
    "checkpoint_previous.pt",
    "result.json",
    "more",
)


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("name", [*NAMES, "lock"])
@pytest.mark.parametrize("content", ["", "{}", "step,loss\n1,0.1\n"])
def test_a_file_that_no_run_made_is_named_and_all_is_left_alone(tmp_path, name, resume, content):
    (tmp_path / name).write_text(content)
    (tmp_path / "best.pt").write_text("not a name of this run")
    if (name, content) == ("lock", ""):  # as a run leaves it that is killed before it has written there
        return begun(tmp_path, resume).close()
    with pytest.raises(ValueError, match="checkpoint in" if name.endswith(".pt") and resume else name):
        begun(tmp_path, resume, files=["more"])
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        name: content,
        "best.pt": "not a name of this run",
    }


def test_a_folder_with_other_files_is_none_of_a_run(tmp_path):
    for name in ("best.pt", "notes.csv", "config.yaml", "metrics.csv.bak"):
        (tmp_path / name).write_text("mine")
    begun(tmp_path)
    assert all((tmp_path / name).read_text() == "mine" for name in ("best.pt", "notes.csv", "config.yaml"))


def test_a_run_whose_config_is_lost_is_known_by_its_checkpoint(tmp_path):
    a_run(tmp_path)
    (tmp_path / "config.json").unlink()
    with pytest.raises(ValueError, match=r"metrics\.csv is there, but no config\.json"):
        begun(tmp_path)
    assert begun(tmp_path, resume=True).state["step"] == 2 and (tmp_path / "config.json").exists()


# How metrics.csv is changed.
CHANGES = {
    "a mark": lambda text: b"\xef\xbb\xbf" + text,
    "carriage returns": lambda text: text.replace(b"\n", b"\r\n"),
    "another column": lambda text: text.replace(b"\n", b",1\n"),
    "another name": lambda text: text.replace(b"loss", b"cost"),
    "no number": lambda text: text.replace(b"1,0.1", b"x,0.1"),
    "not UTF-8": lambda text: text.replace(b"1,0.1", b"1,\xff"),
    "a flipped bit": lambda text: text.replace(b"1,0.1", b"1,0.3"),
    "a row less": lambda text: text.replace(b"1,0.1\n", b""),
    "emptied": lambda text: b"",
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_damaged_table_is_named_before_anything_is_written(tmp_path, change):
    a_run(tmp_path)
    path = tmp_path / "metrics.csv"
    path.write_bytes(CHANGES[change](path.read_bytes()))
    before = contents(tmp_path)
    with pytest.raises(ValueError, match=r"metrics\.csv is damaged"):
        begun(tmp_path, resume=True)
    assert before == contents(tmp_path)


def test_a_damaged_record_is_named(tmp_path):
    a_run(tmp_path)
    (tmp_path / "samples.jsonl").write_text('{"step": 1}\n{"st\n')
    with pytest.raises(ValueError, match=r"samples\.jsonl is damaged"):
        begun(tmp_path, resume=True)
    (tmp_path / "samples.jsonl").write_text("[" * 100_000 + "\n")
    with pytest.raises(ValueError, match=r"samples\.jsonl is damaged"):
        begun(tmp_path, resume=True)


def make_older(folder):
    """Make the checkpoints those of an older version."""
    for path in folder.glob("checkpoint*.pt"):
        state = read_checkpoint(path)
        del state["tables"], state["format"]
        write_checkpoint(path, state)


def test_an_older_versions_checkpoint_cuts_the_tables_back_by_their_steps(tmp_path):
    a_run(tmp_path)
    make_older(tmp_path)
    run = begun(tmp_path, resume=True)
    assert (tmp_path / "metrics.csv").read_text() == "step,loss\n1,0.1\n2,0.2\n"
    assert [record["step"] for record in run.notes("samples")] == [1, 2] and run.state["evaluated"] == 2


def test_a_setting_that_an_older_version_did_not_have_is_what_it_was_then(tmp_path):
    a_run(tmp_path)
    make_older(tmp_path)
    more = {"columns": COLUMNS, "files": ["samples.jsonl"], "resume": True, "before": {"precision": "float32"}}
    with pytest.raises(ValueError, match="precision is 'float32' there and 'bfloat16' here"):
        RunFolder(tmp_path, {**SETTINGS, "precision": "bfloat16"}, **more)
    RunFolder(tmp_path, {**SETTINGS, "precision": "float32"}, **more).close()


def test_a_row_that_was_written_after_the_checkpoint_of_its_step_is_not_kept_twice(tmp_path):
    """A stop within an evaluation saves without its row; the resumed run writes it, and may be killed then."""
    run = begun(tmp_path)
    run.save({}, step=2)
    run.log(2, 0.2)
    run.close()
    run = begun(tmp_path, resume=True)
    run.log(2, 0.2)
    assert (tmp_path / "metrics.csv").read_text() == "step,loss\n2,0.2\n"


@pytest.mark.parametrize("name", ["config.json", "result.json", "metrics.csv"])
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs FIFOs")
def test_a_fifo_among_the_runs_that_are_read_does_not_wait(tmp_path, name):
    a_run(tmp_path, result={"steps": 3})
    (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name)
    with pytest.raises(OSError, match="not a regular file"):
        read_runs(tmp_path)
        read_metrics(tmp_path, {"loss": float})


def test_a_record_may_hold_any_character(tmp_path):
    """Also those that str.splitlines takes for ends of lines, and a last record cut in the middle of a character."""
    a_run(tmp_path, steps=())
    run = begun(tmp_path, resume=True)
    record = {"step": 0, "text": "a\x85\u2028\u2029\x0b\x0c\x1c\r\nß"}
    run.note("samples", record)
    run.save({}, step=0)
    with open(tmp_path / "samples.jsonl", "ab") as file:
        file.write('{"step": 1, "text": "ß'.encode()[:-1])
    assert run.notes("samples") == [record]
    run.close()
    resumed = begun(tmp_path, resume=True)
    assert resumed.notes("samples") == [record] and (tmp_path / "samples.jsonl").read_bytes().count(b"\n") == 1


def test_resume_works_on_the_first_start_too(tmp_path):
    assert RunFolder(tmp_path / "new", SETTINGS, COLUMNS, resume=True).state is None


def test_other_settings_are_refused_and_named(tmp_path):
    a_run(tmp_path)
    other = {**SETTINGS, "model_type": "LSTM", "num_hidden": 6, "train_steps": 20}
    with pytest.raises(ValueError) as caught:
        RunFolder(tmp_path, other, COLUMNS, resume=True, may_change=("train_steps",))
    assert "model_type is 'RNN' there and 'LSTM' here" in str(caught.value)
    assert "num_hidden is 5 there and 6 here" in str(caught.value) and "train_steps" not in str(caught.value)
    assert (tmp_path / "metrics.csv").read_text().count("\n") == 4
    longer = {**SETTINGS, "train_steps": 20}
    assert RunFolder(tmp_path, longer, COLUMNS, resume=True, may_change=("train_steps",)).state["step"] == 2


def test_results_without_a_checkpoint_are_not_overwritten(tmp_path):
    a_run(tmp_path)
    for path in tmp_path.glob("*.pt"):
        path.unlink()
    with pytest.raises(ValueError, match="no checkpoint"):
        RunFolder(tmp_path, SETTINGS, COLUMNS, resume=True)
    assert (tmp_path / "metrics.csv").read_text().count("\n") == 4


def test_a_second_writer_is_refused_and_told_who_holds_it(tmp_path):
    holder = RunFolder(tmp_path, SETTINGS, COLUMNS)
    with pytest.raises(ValueError, match=f"in use by process {os.getpid()} on "):
        RunFolder(tmp_path, SETTINGS, COLUMNS, resume=True)
    holder.close()
    RunFolder(tmp_path, SETTINGS, COLUMNS, resume=True)


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ValueError, match="is a file"):
        RunFolder(tmp_path / "file", SETTINGS, COLUMNS)
    with pytest.raises(OSError):
        RunFolder(tmp_path / "file/under", SETTINGS, COLUMNS)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_file_system_without_locks_is_warned_of(tmp_path, monkeypatch, capsys):
    def no_locks(*args):
        raise OSError(37, "No locks available")

    monkeypatch.setattr("common.run_folder._lock", no_locks)
    RunFolder(tmp_path, SETTINGS, COLUMNS)
    assert "cannot be locked" in capsys.readouterr().err


def test_collected_runs_read_as_their_folders_do(tmp_path):
    """Settings, results, metrics and records; a run that is not finished is left out."""
    runs = tmp_path / "runs"
    for name, accuracy in (("a_seed0", 0.5), ("a_seed1", None)):
        a_run(runs / name, result={"accuracy": accuracy, "beyond": {"20": 0.25}})
        with open(runs / name / "samples.jsonl", "w", encoding="utf-8", newline="\n") as file:
            file.write('{"step": 1, "text": "ß, \\n"}\n')
        (runs / name / "gate.csv").write_text("tau,s\n1,2\n")
    a_run(runs / "unfinished")
    collect_runs(runs, tmp_path)
    expected = {name: {key: value for key, value in values.items() if value is not None}
                for name, values in read_runs(runs).items()}  # fmt: skip
    assert read_runs(tmp_path) == expected and list(expected) == ["a_seed0", "a_seed1"]
    assert expected["a_seed0"]["beyond"] == {"20": 0.25} and expected["a_seed0"]["model_type"] == "RNN"
    assert expected["a_seed0"]["command"].startswith("python ")
    columns = {"step": int, "loss": float}
    assert read_metrics(tmp_path, columns) == read_metrics(runs, columns)
    assert read_metrics(runs / "a_seed0", columns)["a_seed0"][1] == {"step": 2, "loss": 0.2}
    assert read_metrics(tmp_path, {"tau": float}, "gate.csv") == {name: [{"tau": 1.0}] for name in expected}
    first = (tmp_path / "samples.jsonl").read_text(encoding="utf-8").splitlines()[0]
    assert json.loads(first) == {"run": "a_seed0", "step": 1, "text": "ß, \n"}


@pytest.mark.parametrize("name, text", [("runs.csv", "a,b\n1,2\n"), ("a/config.json", "[1]"), ("x.txt", "")])
def test_what_is_no_run_is_named(tmp_path, name, text):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/result.json").write_text("{}")
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=re.escape(str(tmp_path))):
        read_runs(tmp_path)
