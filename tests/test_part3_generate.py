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


def test_texts_end_with_stop(written):
    whole = written("--length", 60, "--prompt", "the c")[1]
    assert whole.count("e") > 2
    assert written("--length", 60, "--prompt", "the c", "--stop", "e")[1] == whole[: whole.index("e", 5) + 1] + "\n"
    texts = written("--length", 60, "--num_samples", 3, "--stop", "e")[1].splitlines()[1::2]
    assert all(text.find("e") in (-1, len(text) - 1) for text in texts) and any(len(text) < 60 for text in texts)
    status, out, err = written("--stop", "ex")
    assert (status, out, err.count("\n")) == (2, "", 1) and "--stop 'ex': the model never writes 'x'" in err


@pytest.mark.parametrize("characters, start", [("\nacehmst\u00e9", "\n\n"), (" acehmst\u00e9", " ")])
def test_without_a_prompt_each_text_begins_as_those_it_has_read(tmp_path, capsys, characters, start):
    torch.manual_seed(0)
    model = build_model(9, SETTINGS)
    for p in model.parameters():
        torch.nn.init.uniform_(p, -2, 2)
    write_trained(tmp_path / "best.pt", model, characters, SETTINGS, 1, 2.0)
    ids = torch.tensor([[characters.index(c) for c in start]])
    p = model(ids)[0][0, -1].softmax(0).tolist()
    flags = ("--checkpoint", tmp_path, "--length", 1, "--num_samples", 2_000)
    firsts = call(generate.main, *flags, capsys=capsys)[1].split("--- text ")[1:]
    firsts = [text.partition("\n")[2][0] for text in firsts]
    assert [firsts.count(c) / 2_000 for c in characters] == pytest.approx(p, abs=0.05)


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
