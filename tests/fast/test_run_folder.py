"""common/run_folder.py: numbered, locked, cut back on resume, and nothing written before it is sure."""

import json
import os
import re
import threading

import pytest
import torch

from common.checkpoint import restore
from common.run_folder import RunFolder, collect_runs, read_metrics, read_runs

COLUMNS = ("step", "loss")
SETTINGS = {"model_type": "RNN", "num_hidden": 5, "train_steps": 10}


class Part:
    def __init__(self, value):
        self.value = value

    def state_dict(self):
        return {"value": self.value}

    def load_state_dict(self, state):
        self.value = state["value"]


def begun(path, resume=False, **more):
    run = RunFolder(path, SETTINGS, COLUMNS, notes=("samples",), resume=resume, **more)
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


@pytest.mark.parametrize(
    "name, text", [("metrics.csv", "step,loss\n1,0.1\nx,0.2\n"), ("samples.jsonl", '{"step": 1}\n{"st\n')]
)
def test_a_damaged_table_is_named_before_anything_is_written(tmp_path, name, text):
    a_run(tmp_path)
    (tmp_path / name).write_text(text)
    before = contents(tmp_path)
    with pytest.raises(ValueError, match=f"{name} is damaged"):
        begun(tmp_path, resume=True)
    assert before == contents(tmp_path)


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
