"""part3/generate.py: what its flags promise, and how it ends."""

import os
import signal
import subprocess

import pytest
import torch

from part3 import generate
from part3.trained import build_model, write_trained
from tests.scripts import call, run, start

SETTINGS = {"lstm_num_hidden": 4, "lstm_num_layers": 2, "dropout_keep_prob": 1.0, "embedding_dim": 3}


@pytest.fixture
def folder(tmp_path):
    """The folder of a run, its weights random."""
    torch.manual_seed(0)
    write_trained(tmp_path / "best.pt", build_model(9, SETTINGS), " acehmsté", SETTINGS, 1, 2.0)
    return tmp_path


@pytest.fixture
def written(folder, capsys):
    """A function that runs the script in this process: exit status, the two outputs."""
    return lambda *flags: call(generate.main, "--checkpoint", folder, *flags, capsys=capsys)


def test_each_temperature_and_each_prompt_has_a_heading(written):
    _, out, _ = written("--temperature", 0.5, 1, "--length", 20)
    assert out.splitlines()[::2] == ["--- temperature 0.5", "--- temperature 1"]
    _, out, _ = written("--prompt", "the c", "a hat", "--length", 3)
    headings, texts = out.splitlines()[::2], out.splitlines()[1::2]
    assert headings == ["--- temperature 1, prompt 1", "--- temperature 1, prompt 2"]
    assert texts[0].startswith("the c") and texts[1].startswith("a hat") and {len(text) for text in texts} == {5 + 3}


def test_a_prompt_from_a_file_and_its_unknown_characters(written, tmp_path):
    (tmp_path / "p.txt").write_text("the\ncat")
    flags = ["--length", 5, "--prompt_file", tmp_path / "p.txt"]
    status, _, err = written(*flags)
    assert status == 2 and r"'\n' (place 3)" in err and "--unknown skip" in err and err.count("\n") == 1
    status, out, _ = written(*flags, "--unknown", "skip")
    assert status == 0 and out.startswith("thecat") and len(out) == 6 + 5 + 1


def test_it_writes_as_it_goes_and_ctrl_c_ends_it_quietly(folder):
    flags = ["--checkpoint", folder, "--length", 10**9, "--prompt_file", "-"]
    process = start("part3/generate.py", *flags, stdin=subprocess.PIPE)
    process.stdin.write("the cat")
    process.stdin.close()
    assert process.stdout.read(60).startswith("the cat")  # long before it is done
    process.send_signal(signal.SIGINT)
    process.stdout.read()
    assert process.wait(timeout=60) == 130 and process.stderr.read() == ""


def test_a_terminal_that_cannot_show_a_character_gets_its_number(folder):
    flags = ["--checkpoint", folder, "--prompt", "é", "--length", 1, "--temperature", 0]
    status, out, err = run("part3/generate.py", *flags, env={**os.environ, "PYTHONIOENCODING": "ascii"}, fresh=True)
    assert (status, err) == (0, "") and out.startswith(r"\xe9")


def test_prompts_with_a_dash_a_mark_an_encoding_or_another_normalisation(written, tmp_path):
    assert written("--prompt=-1e5", "--unknown", "skip", "--length", 2)[1].startswith("e")
    assert "'-' (place 0)" in written("--prompt", "-1.5")[2]
    for raw, encoding in (("té".encode("cp1252"), "cp1252"), ("\ufeffté".encode("utf-16-le"), "utf-16-le")):
        (tmp_path / "p.txt").write_bytes(raw)
        flags = ["--prompt_file", tmp_path / "p.txt", "--length", 2]
        status, out, err = written(*flags, "--encoding", encoding)
        assert (status, err) == (0, "") and out.startswith("té") and len(out) == 2 + 2 + 1
        status, _, err = written(*flags)
        assert status == 2 and f"--encoding {encoding if raw[0] == 116 else 'utf-16'}" in err
    status, _, err = written("--prompt", "te\u0301")
    assert status == 2 and "another Unicode normalisation, NFC" in err and err.count("\n") == 1


def test_a_mark_on_standard_input_is_no_text(folder):
    process = start(
        "part3/generate.py", "--checkpoint", folder, "--prompt_file", "-", "--length", 1, stdin=subprocess.PIPE
    )
    out, err = process.communicate("\ufeffthe", timeout=60)
    assert process.returncode == 0 and out.startswith("the") and err == ""
