"""part3/train.py: learns a book, keeps the best, and can be drawn from by the checkpoint alone."""

import json
import math
import os
import shutil
import subprocess
import sys

import pytest
import torch

from common.device import choose_device
from common.tables import read_records
from part3 import train
from part3.dataset import TextDataset
from part3.evaluation import evaluate, held_out_loss
from part3.summary import Summary
from part3.trained import BOOK as BOOK_MODEL
from part3.trained import Trained
from tests.scripts import ASCII_LOCALE, ROOT, run, start

BOOK = "the cat sat on the mat and the rat sat on the hat. " * 40
SMALL = [
    *("--seq_length", 10, "--lstm_num_hidden", 32, "--embedding_dim", 8, "--batch_size", 16, "--learning_rate", 0.02),
    *("--eval_every", 20, "--sample_every", 10, "--train_steps"),
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run on a small text: its folder and what the script printed."""
    folder = tmp_path_factory.mktemp("part3")
    (folder / "book.txt").write_text(BOOK)
    flags = ["--txt_file", folder / "book.txt", *SMALL, 120, "--output_dir", folder / "run"]
    status, out, err = run("part3/train.py", *flags)
    assert status == 0, err
    return folder / "run", out


def test_it_learns_and_keeps_the_best(finished):
    folder, out = finished
    rows = read_records(folder / "metrics.csv")
    assert tuple(rows[0]) == train.COLUMNS and [row["step"] for row in rows] == list(range(20, 121, 20))
    losses = [row["heldout_loss"] for row in rows]
    assert losses[-1] < 0.3 < losses[0] and rows[0]["heldout_bpc"] == pytest.approx(losses[0] / math.log(2))
    best = torch.load(folder / "best.pt", weights_only=True)
    assert best["step"] == 20 * (1 + losses.index(min(losses))) and best["heldout_loss"] == min(losses)
    assert best["characters"] == "".join(sorted(set(BOOK)))
    result = json.loads((folder / "result.json").read_text())
    assert (result["ended_by"], result["best_step"]) == ("train_steps", best["step"])
    held_out = TextDataset(folder.parent / "book.txt", 10).held_out
    assert result["heldout_loss"] == pytest.approx(evaluate(Trained(folder).model(), held_out), rel=1e-6)
    for words in (
        f"{result['heldout_loss']:.4f} nats",
        "advice: the held-out loss ",
        "train longer with: ",
        "--train_steps 240",
        "write with: python",
    ):
        assert words in out
    config = json.loads((folder / "config.json").read_text())
    assert (config["device"], config["computed_on"]) == ("auto", str(choose_device("auto")))


def test_the_command_that_trains_longer_gives_more_than_the_run_has_had(finished, tmp_path):
    folder = shutil.copytree(finished[0], tmp_path / "run")
    status, out, err = run("part3/train.py", "--output_dir", folder, "--resume", "--train_steps", 20)
    assert status == 0 and "best at step 120 of 120" in out and "--train_steps 240 " in out, err


def test_samples_are_greedy_and_five_end_in_the_table(finished):
    folder, _ = finished
    samples = [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]
    assert [sample["step"] for sample in samples] == list(range(10, 121, 10))
    assert all(len(s["text"]) == 30 and s["text"][0] == s["first"] and s["temperature"] == 0 for s in samples)
    table = (folder / "samples.md").read_text()
    assert table.count("\n") == 7 and repr(samples[0]["text"]) in table and repr(samples[-1]["text"]) in table
    flags = ["--checkpoint", folder, "--prompt", "the cat ", "--length", 60, "--temperature", 0]
    status, out, err = run("part3/generate.py", *flags)
    assert status == 0 and len(out) == 8 + 60 + 1 and out.startswith("the cat sat on the "), err


LATIN_1 = {**os.environ, "PYTHONIOENCODING": "latin-1"}


@pytest.mark.long
@pytest.mark.parametrize("locale", [ASCII_LOCALE, LATIN_1])
def test_a_run_with_names_that_the_locale_cannot_read_ends_well_and_its_last_line_can_be_pasted(tmp_path, locale):
    (tmp_path / "книга.txt").write_text("Märchen → Bär, " * 30, encoding="utf-8")
    flags = ["--txt_file", "книга.txt", "--lstm_num_hidden", 4, "--seq_length", 5, "--output_dir", "вы ход", "--resume"]
    for steps in (10, 20):
        process = start(
            "part3/train.py", *flags, "--train_steps", steps, env=locale, fresh=True, cwd=tmp_path, text=False
        )
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0 and b"Traceback" not in err, err
    write = out.decode(errors="surrogateescape").splitlines()[-1].removeprefix("write with: python part3/generate.py")
    command = f"{sys.executable} {ROOT}/part3/generate.py {write} --length 3"
    done = subprocess.run(["bash", "-c", os.fsencode(command)], cwd=tmp_path, env=locale, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_a_run_on_any_book_can_be_resumed_whatever_the_locale_and_knows_its_book(tmp_path):
    """Samples hold characters that are not ASCII, and those that str.splitlines takes for ends of lines."""

    def trained(name, steps, **options):
        flags = ["--txt_file", tmp_path / name, *SMALL, steps, "--output_dir", tmp_path / "run", "--resume"]
        return run("part3/train.py", *flags, **options)

    (tmp_path / "a.txt").write_text("ß\x85\u2028\u2029" * 100, encoding="utf-8")
    (tmp_path / "b.txt").write_text("ß\x85\u2029\u2028" * 100, encoding="utf-8")
    status, _, err = trained("a.txt", 20, env=ASCII_LOCALE, fresh=True)
    assert status == 0 and "\x85" in (tmp_path / "run/samples.jsonl").read_text(encoding="utf-8"), err
    status, _, err = trained("b.txt", 30)
    warning, refusal = err.splitlines()  # of its control character U+0085
    assert status == 2 and "U+0085" in warning and "text is" in refusal
    (tmp_path / "a.txt").rename(tmp_path / "moved.txt")
    status, _, err = trained("moved.txt", 30, env=ASCII_LOCALE, fresh=True)
    assert status == 0, err
    assert [json.loads(line)["step"] for line in open(tmp_path / "run/samples.jsonl", "rb")] == [10, 20, 30]
    assert "ß" in (tmp_path / "run/samples.md").read_text(encoding="utf-8")


def test_the_model_of_the_book_loads_and_predicts_as_well_as_when_it_was_saved():
    state, trained = torch.load(BOOK_MODEL, weights_only=True), Trained(BOOK_MODEL)
    dataset = TextDataset(ROOT / "assets/book.txt", state["settings"]["seq_length"])
    assert state["settings"].keys() == train.settings_of(train.settings()).keys()
    assert trained.characters == dataset.characters and trained.step == 4600
    assert held_out_loss(trained.model(), dataset.held_out) == pytest.approx(state["heldout_loss"], rel=1e-6)


def test_without_tensorboard_a_line_says_how_to_get_it(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    Summary("anywhere").add(1, {"train_loss": 2.0})
    assert "pip install tensorboard" in capsys.readouterr().err


def test_a_cosine_cannot_be_resumed_to_another_end(tmp_path):
    (tmp_path / "book.txt").write_text(BOOK)
    flags = ["--txt_file", tmp_path / "book.txt", "--schedule", "cosine", "--output_dir", tmp_path / "run", *SMALL]
    assert run("part3/train.py", *flags, 4)[0] == 0
    status, out, err = run("part3/train.py", *flags, 8, "--resume")
    assert (status, out, err.count("\n")) == (2, "", 1) and "train_steps is 4 there and 8 here" in err
