"""common/run_folder.py: numbered, locked, cut back on resume, and nothing written before it is sure."""

import json
import os
import threading

import pytest
import torch

from common.run_folder import RunFolder

COLUMNS = ("step", "loss")
SETTINGS = {"model_type": "RNN", "num_hidden": 5, "train_steps": 10}


class Part:
    def __init__(self, value):
        self.value = value

    def state_dict(self):
        return {"value": self.value}

    def load_state_dict(self, state):
        self.value = state["value"]


def a_run(path, steps=(1, 2, 3), saved=2):
    run = RunFolder(path, SETTINGS, COLUMNS)
    run.save({"part": Part(0)}, step=0)
    for step in steps:
        run.log(step, step / 10)
        if step == saved:
            run.save({"part": Part(step)}, step=step)
    run.close()


def test_a_run_is_a_folder(tmp_path):
    a_run(tmp_path / "run")
    names = {p.name for p in (tmp_path / "run").iterdir()}
    assert names == {"config.json", "metrics.csv", "checkpoint.pt", "checkpoint_previous.pt", "lock"}
    config = json.loads((tmp_path / "run/config.json").read_text())
    assert config["num_hidden"] == 5 and config["torch"] == torch.__version__ and config["threads"] >= 1
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


def test_a_folder_with_a_run_is_refused_unless_it_goes_on(tmp_path):
    a_run(tmp_path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    with pytest.raises(ValueError, match="holds a run: add --resume"):
        RunFolder(tmp_path, SETTINGS, COLUMNS)
    assert before == {p.name: p.read_bytes() for p in tmp_path.iterdir()}


def test_going_on_restores_and_cuts_the_metrics_back(tmp_path):
    a_run(tmp_path)
    with open(tmp_path / "metrics.csv", "a") as file:
        file.write("4,0.")  # a row that was cut off
    run = RunFolder(tmp_path, SETTINGS, COLUMNS, resume=True)
    part = Part(None)
    run.restore({"part": part})
    assert run.state["step"] == 2 and part.value == 2
    assert (tmp_path / "metrics.csv").read_text() == "step,loss\n1,0.1\n2,0.2\n"


def test_a_record_may_hold_any_character(tmp_path):
    """Also those that str.splitlines takes for ends of lines, and a last record cut in the middle of a character."""
    a_run(tmp_path, steps=())
    run = RunFolder(tmp_path, SETTINGS, COLUMNS, resume=True)
    record = {"step": 0, "text": "a\x85\u2028\u2029\x0b\x0c\x1c\r\nß"}
    run.note("samples", record)
    with open(tmp_path / "samples.jsonl", "ab") as file:
        file.write('{"step": 1, "text": "ß'.encode()[:-1])
    assert run.notes("samples") == [record]
    run.close()
    resumed = RunFolder(tmp_path, SETTINGS, COLUMNS, resume=True)
    assert resumed.notes("samples") == [record] and (tmp_path / "samples.jsonl").read_bytes().count(b"\n") == 1


def test_the_device_that_computed_is_told_and_may_change(tmp_path):
    a_run(tmp_path)
    assert "computed_on" not in json.loads((tmp_path / "config.json").read_text())
    for device in ("cpu", "cuda:1"):
        RunFolder(tmp_path, SETTINGS, COLUMNS, resume=True, device=torch.device(device)).close()
        assert json.loads((tmp_path / "config.json").read_text())["computed_on"] == device


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

    monkeypatch.setattr("common.lock.fcntl.flock", no_locks)
    RunFolder(tmp_path, SETTINGS, COLUMNS)
    assert "cannot be locked" in capsys.readouterr().err
