"""part3/train.py: learns a book, keeps the best, and can be drawn from by the checkpoint alone."""

import csv
import json
import math
import shutil

import pytest
import torch

from common.checkpoint import write_checkpoint
from common.device import choose_device
from part3 import train
from part3.dataset import RandomSentences, TextDataset
from part3.evaluation import evaluate, held_out_loss
from part3.trained import BOOK as BOOK_MODEL
from part3.trained import Trained
from tests.fast.test_common import ASCII_LOCALE
from tests.scripts import ROOT, run

BOOK = "the cat sat on the mat and the rat sat on the hat. " * 40
SMALL = [
    *("--seq_length", 10, "--lstm_num_hidden", 32, "--embedding_dim", 8, "--batch_size", 16, "--learning_rate", 0.02),
    *("--eval_every", 20, "--sample_every", 10, "--train_steps", 120),
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run on a small text: its folder and what the script printed."""
    folder = tmp_path_factory.mktemp("part3")
    (folder / "book.txt").write_text(BOOK)
    status, out, err = run("part3/train.py", "--txt_file", folder / "book.txt", *SMALL, "--output_dir", folder / "run")
    assert status == 0, err
    return folder / "run", out


def test_it_learns_and_keeps_the_best(finished):
    folder, out = finished
    with open(folder / "metrics.csv") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == train.COLUMNS and [int(row["step"]) for row in rows] == list(range(20, 121, 20))
    losses = [float(row["heldout_loss"]) for row in rows]
    assert losses[-1] < 0.3 < losses[0]
    assert float(rows[0]["heldout_bpc"]) == pytest.approx(losses[0] / math.log(2))
    best = torch.load(folder / "best.pt", weights_only=True)
    assert best["step"] == 20 * (1 + losses.index(min(losses))) and best["heldout_loss"] == min(losses)
    assert best["characters"] == "".join(sorted(set(BOOK)))
    result = json.loads((folder / "result.json").read_text())
    assert result["ended_by"] == "train_steps" and result["best_step"] == best["step"]
    dataset = TextDataset(folder.parent / "book.txt", 10)
    assert result["heldout_loss"] == pytest.approx(evaluate(Trained(folder).model(), dataset.held_out), rel=1e-6)
    assert (
        f"{result['heldout_loss']:.4f} nats" in out
        and "train longer with: " in out
        and "--train_steps 240" in out
        and "write with: python part3/generate.py" in out
    )


def test_samples_are_greedy_and_five_end_in_the_table(finished):
    folder, _ = finished
    samples = [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]
    assert [sample["step"] for sample in samples] == list(range(10, 121, 10))
    assert all(len(s["text"]) == 30 and s["text"][0] == s["first"] and s["temperature"] == 0 for s in samples)
    table = (folder / "samples.md").read_text()
    assert table.count("\n") == 7 and repr(samples[0]["text"]) in table and repr(samples[-1]["text"]) in table


def test_a_run_on_any_book_can_be_resumed_whatever_the_locale(tmp_path):
    """Samples hold characters that are not ASCII, and those that str.splitlines takes for ends of lines."""
    (tmp_path / "book.txt").write_text("ß\x85\u2028\u2029" * 100, encoding="utf-8")
    flags = ["--txt_file", tmp_path / "book.txt", *SMALL[:-1], 20, "--output_dir", tmp_path / "run"]
    status, _, err = run("part3/train.py", *flags, env=ASCII_LOCALE, fresh=True)
    assert status == 0, err
    assert "\x85" in (tmp_path / "run/samples.jsonl").read_text(encoding="utf-8")
    status, _, err = run("part3/train.py", *flags, "--train_steps", 30, "--resume", env=ASCII_LOCALE, fresh=True)
    assert status == 0, err
    assert [json.loads(line)["step"] for line in open(tmp_path / "run/samples.jsonl", "rb")] == [10, 20, 30]
    assert "ß" in (tmp_path / "run/samples.md").read_text(encoding="utf-8")


def test_config_says_which_device_computed(finished):
    config = json.loads((finished[0] / "config.json").read_text())
    assert (config["device"], config["computed_on"]) == ("auto", str(choose_device("auto")))


def test_max_minutes_counts_training_over_all_resumes_as_its_help_says(tmp_path, finished, capsys):
    shutil.copytree(finished[0], tmp_path / "run")
    state = torch.load(tmp_path / "run/checkpoint.pt", weights_only=True)
    write_checkpoint(tmp_path / "run/checkpoint.pt", {**state, "clock": {"cpu_seconds": 61.0, "wall_seconds": 61.0}})
    place = ["--txt_file", finished[0].parent / "book.txt", "--output_dir", tmp_path / "run", "--resume"]
    train.main(list(map(str, [*place, *SMALL, "--train_steps", 10**6, "--patience", 0, "--max_minutes", 1])))
    assert "best at step" in capsys.readouterr().out
    result = json.loads((tmp_path / "run/result.json").read_text())
    assert (result["ended_by"], result["steps"]) == ("max_minutes", 120)
    assert "minutes of training alone, over all resumes" in " ".join(train.build_parser().format_help().split())


def test_the_model_of_the_book_loads_and_predicts_as_well_as_when_it_was_saved():
    state = torch.load(BOOK_MODEL, weights_only=True)
    dataset = TextDataset(ROOT / "assets/book.txt", state["settings"]["seq_length"])
    assert state["settings"].keys() == train.settings_of(train.settings()).keys()
    trained = Trained(BOOK_MODEL)
    assert trained.characters == dataset.characters and trained.step == 4000
    assert held_out_loss(trained.model(), dataset.held_out) == pytest.approx(state["heldout_loss"], rel=1e-6)


def test_a_run_of_an_older_version_is_resumed_as_if_unbroken(tmp_path, finished):
    """Its sampler drew many batches at once, and its state was a tuple, or None where none is carried."""
    flags = ["--txt_file", finished[0].parent / "book.txt", *SMALL, "--output_dir", tmp_path / "run"]
    assert run("part3/train.py", *flags, "--train_steps", 60)[0] == 0
    state = torch.load(tmp_path / "run/checkpoint.pt", weights_only=True)
    pool = RandomSentences(TextDataset(finished[0].parent / "book.txt", 10), 16).state_dict()
    write_checkpoint(tmp_path / "run/checkpoint.pt", {**state, "sampler": {**pool, "used": 60}, "state": None})
    status, _, err = run("part3/train.py", *flags, "--resume")
    assert status == 0, err
    resumed, unbroken = (Trained(folder / "checkpoint.pt").weights for folder in (tmp_path / "run", finished[0]))
    assert all(torch.equal(resumed[name], unbroken[name]) for name in unbroken)


def test_a_file_that_cannot_be_written_at_the_very_end_is_one_line(tmp_path, finished):
    (tmp_path / "run/samples.md").mkdir(parents=True)
    flags = ["--txt_file", finished[0].parent / "book.txt", *SMALL[:-1], 20, "--output_dir", tmp_path / "run"]
    status, _, err = run("part3/train.py", *flags)
    assert status == 1 and "Traceback" not in err and "samples.md" in err.splitlines()[-1]
    assert not (tmp_path / "run/result.json").exists()
    (tmp_path / "run/samples.md").rmdir()
    status, _, err = run("part3/train.py", *flags, "--resume")
    assert status == 0, err
    assert (tmp_path / "run/samples.md").exists() and (tmp_path / "run/result.json").exists()


def test_a_resume_knows_its_book(tmp_path):
    (tmp_path / "a.txt").write_text(BOOK)
    (tmp_path / "b.txt").write_text(BOOK.replace("cat", "tac"))
    flags = [*SMALL[:-1], 20, "--output_dir", tmp_path / "run", "--resume"]
    assert run("part3/train.py", "--txt_file", tmp_path / "a.txt", *flags)[0] == 0
    status, _, err = run("part3/train.py", "--txt_file", tmp_path / "b.txt", *flags)
    assert status == 2 and "text is" in err and err.count("\n") == 1
    (tmp_path / "a.txt").rename(tmp_path / "moved.txt")
    assert run("part3/train.py", "--txt_file", tmp_path / "moved.txt", *flags)[0] == 0


def test_without_tensorboard_a_line_says_how_to_get_it(monkeypatch, capsys):
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    assert train.open_summary("anywhere") is None
    assert "pip install tensorboard" in capsys.readouterr().err


def test_the_model_writes_what_it_learned(finished):
    flags = ["--checkpoint", finished[0], "--prompt", "the cat ", "--length", 60, "--temperature", 0]
    status, out, err = run("part3/generate.py", *flags)
    assert status == 0, err
    assert len(out) == 8 + 60 + 1 and out.startswith("the cat sat on the ")


@pytest.mark.parametrize(
    "flags, named",
    [
        (["--txt_file", "/no/such.txt"], "/no/such.txt"),
        (["--txt_file", "/"], "not a regular file"),
        (["--seq_length", "0"], "'0'"),
        (["--val_fraction", "1"], "'1'"),
        (["--dropout_keep_prob", "0"], "'0'"),
        (["--learning_rate", "inf"], "'inf'"),
        (["--encoding", "klingon"], "klingon"),
        (["--sampling", "streams", "--batch_size", "9999"], "too few for 9999 streams"),
        (["--device", "cuda:99"], "cuda:99"),
        (["--train_steps", "1e6"], "'1e6'"),
    ],
)
def test_train_refuses_bad_input_in_one_line(finished, tmp_path, capsys, monkeypatch, flags, named):
    for name in ("keep_freed_memory", "limit_threads"):
        monkeypatch.setattr(train, name, lambda: pytest.fail("a refused run changes nothing in its process"))
    with pytest.raises(SystemExit) as caught:
        train.main(["--txt_file", str(finished[0].parent / "book.txt"), *flags, "--output_dir", str(tmp_path / "run")])
    captured = capsys.readouterr()
    assert (caught.value.code, captured.out, captured.err.count("\n")) == (2, "", 1) and named in captured.err
    assert not (tmp_path / "run").exists()
