"""part3/train.py and generate.py: learns a book, keeps the best, writes from the checkpoint alone."""

import csv
import json
import math
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from common.checkpoint import write_checkpoint
from common.device import choose_device
from part3 import train
from part3.dataset import TextDataset
from part3.evaluation import evaluate
from part3.model import TextGenerationModel
from part3.trained import Trained, build_model
from tests.scripts import run, start
from tests.test_common_files import ASCII_LOCALE

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


def test_evaluate_is_the_mean_cross_entropy_with_the_state_carried():
    torch.manual_seed(0)
    model = TextGenerationModel(7, 6, embedding_dim=5, dropout_keep_prob=0.5)
    ids = torch.randint(7, (1_201,), dtype=torch.int32)  # more than one stretch of 512
    logits, _ = model.eval()(ids[None, :-1].long())
    expected = F.cross_entropy(logits[0], ids[1:].long()).item()
    model.train()
    assert evaluate(model, ids) == pytest.approx(expected, rel=1e-5)
    assert model.training
    assert evaluate(model, ids, stretch=150) == pytest.approx(expected, rel=0.02)
    assert math.isfinite(evaluate(model, ids[:2], stretch=256))


def test_patience_ends_a_run_that_gets_no_better(tmp_path, finished):
    flags = ["--learning_rate", 1e-9, "--eval_every", 2, "--patience", 3, "--output_dir", tmp_path / "run"]
    status, _, err = run("part3/train.py", "--txt_file", finished[0].parent / "book.txt", *SMALL, *flags)
    assert status == 0, err
    assert json.loads((tmp_path / "run/result.json").read_text())["steps"] < 120


def test_any_book_can_be_gone_on_with_whatever_the_locale(tmp_path):
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


def overflowing(step, config):
    """A learning rate whose fourth update takes the weights beyond what float32 can compute with."""
    return 0.02 if step < 3 else 1e37


def not_finite():
    """An `evaluate` whose third loss is not a number."""
    losses = iter((2.0, 1.9, math.nan))
    return lambda *args, **how: next(losses)


def steps_written(folder):
    """The steps of a folder's checkpoints, rows and samples: {file name: a step, or a list of them}."""
    steps = {path.name: torch.load(path, weights_only=True)["step"] for path in folder.glob("*.pt")}
    steps["metrics.csv"] = [int(row.split(",")[0]) for row in (folder / "metrics.csv").read_text().split()[1:]]
    if (folder / "samples.jsonl").exists():
        steps["samples.jsonl"] = [json.loads(line)["step"] for line in open(folder / "samples.jsonl")]
    return steps


@pytest.fixture
def diverge(tmp_path, finished, capsys):
    """A function that trains with flags, nothing being due but what they say: the last line, and the steps written."""

    def diverge(*flags):
        never = ["--sample_every", 10**6, "--eval_every", 10**6, "--checkpoint_every", 10**6]
        flags = [
            "--txt_file",
            finished[0].parent / "book.txt",
            *SMALL,
            *never,
            *flags,
            "--output_dir",
            tmp_path / "run",
        ]
        with pytest.raises(SystemExit) as caught:
            train.main(list(map(str, flags)))
        captured = capsys.readouterr()
        assert caught.value.code == 3 and "held-out loss" not in captured.out
        return captured.err.splitlines()[-1], steps_written(tmp_path / "run")

    return diverge


@pytest.mark.parametrize(
    "flags, written",
    [
        (["--eval_every", 1], {"checkpoint.pt": 0, "best.pt": 3, "metrics.csv": [1, 2, 3]}),
        (["--eval_every", 1, "--val_fraction", 0], {"checkpoint.pt": 0, "best.pt": 3, "metrics.csv": [1, 2, 3]}),
        (["--checkpoint_every", 1], {"checkpoint.pt": 3, "checkpoint_previous.pt": 2, "metrics.csv": []}),
        (["--sample_every", 1], {"checkpoint.pt": 0, "metrics.csv": [], "samples.jsonl": [1, 2, 3]}),
        (["--train_steps", 4], {"checkpoint.pt": 0, "metrics.csv": []}),
    ],
)
def test_nothing_is_written_of_an_update_that_overflows(monkeypatch, diverge, flags, written):
    monkeypatch.setattr(train, "learning_rate_at", overflowing)
    line, steps = diverge(*flags)
    assert line.startswith("step 4: length of the weights inf: stopped") and steps == written


@pytest.mark.parametrize("ended_by", ["signal", "max_minutes"])
def test_weights_that_overflowed_are_not_saved_on_a_signal_or_at_the_end(monkeypatch, diverge, ended_by):
    def overflow_and_end(step, config):
        if step == 3 and ended_by == "signal":
            signal.raise_signal(signal.SIGUSR1)
        elif step == 3:
            config.max_minutes = 1e-9
        return overflowing(step, config)

    monkeypatch.setattr(train, "learning_rate_at", overflow_and_end)
    line, steps = diverge()
    assert line.startswith("step 4: length of the weights inf: stopped")
    assert steps == {"checkpoint.pt": 0, "metrics.csv": []}


def test_a_held_out_loss_that_is_not_finite_ends_the_run_before_it_is_written(monkeypatch, diverge):
    monkeypatch.setattr(train, "evaluate", not_finite())
    line, steps = diverge("--eval_every", 1, "--checkpoint_every", 1)
    assert line.startswith("step 3: held-out loss nan: stopped")
    assert steps == {"checkpoint.pt": 2, "checkpoint_previous.pt": 1, "best.pt": 2, "metrics.csv": [1, 2]}


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


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full, a device that is always full")
def test_a_disk_that_is_full_at_the_very_end_is_one_line(tmp_path, finished):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/samples.md.tmp").symlink_to("/dev/full")
    flags = ["--txt_file", finished[0].parent / "book.txt", *SMALL[:-1], 20, "--output_dir", tmp_path / "run"]
    status, _, err = run("part3/train.py", *flags)
    last = err.splitlines()[-1]
    assert status == 1 and "Traceback" not in err and "samples.md" in last and "bytes are free" in last
    assert not (tmp_path / "run/result.json").exists()
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


def generate(*args, **popen):
    return run("part3/generate.py", *args, **popen)


def test_it_writes_what_it_learned_from_the_checkpoint_alone(finished):
    status, out, err = generate("--checkpoint", finished[0], "--prompt", "the cat ", "--length", 60, "--temperature", 0)
    assert status == 0, err
    assert len(out) == 8 + 60 + 1 and out.startswith("the cat sat on the ")


def test_same_seed_same_text_and_several_at_once(finished):
    flags = ["--checkpoint", finished[0] / "best.pt", "--prompt", "t", "--length", 40, "--num_samples", 3]
    first, again, other = (generate(*flags, "--seed", seed)[1] for seed in (1, 1, 2))
    assert first == again != other and first.count("--- text") == 3


def test_several_temperatures(finished):
    status, out, _ = generate("--checkpoint", finished[0], "--temperature", 0.5, 1, 2, "--length", 20, "--top_k", 5)
    assert status == 0 and [line for line in out.splitlines() if line.startswith("--- ")] == [
        "--- temperature 0.5", "--- temperature 1", "--- temperature 2",
    ]  # fmt: skip


def test_several_prompts(finished):
    status, out, _ = generate("--checkpoint", finished[0], "--prompt", "the c", "a hat", "--length", 3)
    lines = out.splitlines()
    assert status == 0 and (lines[0], lines[2]) == ("--- temperature 1, prompt 1", "--- temperature 1, prompt 2")
    assert lines[1].startswith("the c") and lines[3].startswith("a hat")


def test_prompt_from_a_file_and_unknown_characters(finished, tmp_path):
    (tmp_path / "p.txt").write_text("the\ncat")
    flags = ["--checkpoint", finished[0], "--length", 5, "--prompt_file", tmp_path / "p.txt"]
    status, _, err = generate(*flags)
    assert status == 2 and r"'\n' (place 3)" in err and "--unknown skip" in err and err.count("\n") == 1
    status, out, _ = generate(*flags, "--unknown", "skip")
    assert status == 0 and out.startswith("thecat")


def test_it_writes_as_it_goes_and_stops_when_nobody_reads(finished):
    process = start("part3/generate.py", "--checkpoint", finished[0], "--length", 10**9, "--prompt_file", "-",
                    stdin=subprocess.PIPE)  # fmt: skip
    process.stdin.write("the cat")
    process.stdin.close()
    assert process.stdout.read(60).startswith("the cat")  # long before it is done
    process.stdout.close()
    assert process.wait(timeout=60) == 0 and process.stderr.read() == ""


def test_ctrl_c_ends_writing_quietly(finished):
    process = start("part3/generate.py", "--checkpoint", finished[0], "--length", 10**9, fresh=True)
    process.stdout.read(10)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "")


def test_without_a_checkpoint_named_it_writes_from_the_book():
    status, out, err = run("part3/generate.py", "--prompt", "Sleeping beauty is ", "--length", 20)
    assert (status, err) == (0, "") and out.startswith("Sleeping beauty is ") and len(out) == 19 + 20 + 1


def test_a_terminal_that_cannot_show_a_character_gets_its_number(tmp_path):
    settings = {"lstm_num_hidden": 4, "lstm_num_layers": 1, "dropout_keep_prob": 1.0, "embedding_dim": 2}
    state = {"step": 1, "settings": settings, "characters": "é", "model": build_model(1, settings).state_dict()}
    write_checkpoint(tmp_path / "best.pt", state)
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    status, out, err = generate("--checkpoint", tmp_path, "--length", 2, env=environment, fresh=True)
    assert (status, out, err) == (0, r"\xe9" * 3 + "\n", "")


@pytest.mark.parametrize(
    "flags, named",
    [
        (["--temperature", "-1"], "'-1'"),
        (["--temperature", "nan"], "'nan'"),
        (["--top_p", "0"], "'0'"),
        (["--top_p", "1.1"], "'1.1'"),
        (["--length", "0"], "'0'"),
        (["--prompt", ""], "prompt is empty"),
        (["--checkpoint", "/no/such.pt"], "/no/such.pt"),
    ],
)
def test_generate_refuses_bad_input_in_one_line(finished, capsys, flags, named):
    from part3 import generate as script

    with pytest.raises(SystemExit) as caught:
        script.main(["--checkpoint", str(finished[0]), *flags])
    captured = capsys.readouterr()
    assert (caught.value.code, captured.out, captured.err.count("\n")) == (2, "", 1) and named in captured.err


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
def test_train_refuses_bad_input_in_one_line(finished, tmp_path, capsys, flags, named):
    with pytest.raises(SystemExit) as caught:
        train.main(["--txt_file", str(finished[0].parent / "book.txt"), *flags, "--output_dir", str(tmp_path / "run")])
    captured = capsys.readouterr()
    assert (caught.value.code, captured.out, captured.err.count("\n")) == (2, "", 1) and named in captured.err
    assert not (tmp_path / "run").exists()
