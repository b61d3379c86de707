"""Bad input to a script of part 3 is one line on standard error and exit status 2, before anything is written."""

import importlib

import pytest

from common.arguments import with_flags
from part3 import train
from part3.trained import BOOK
from tests.scripts import call

NO_FILE = "--txt_file /no/such"
# Flags, and what the line names where it is not their last word; a name in capitals is a file of the test.
BAD = {
    "benchmark": ["--rounds 1", "--json /no/such/x.json", NO_FILE],
    "benchmark_ranks": ["--ranks 1", "--batch_size 7", "--json /no/such/x.json"],
    "generate": [
        *("--temperature -1", "--temperature nan", "--top_p 0", "--top_p 1.1", "--min_p 0", "--length 0"),
        *("--checkpoint /no/such.pt", "--prompt_file SNOW --unknown skip: prompt is empty"),
    ],
    "novelty": ["--txt_file TEXT /no/such", f"{NO_FILE} TEXT: /no/such", "--txt_file TEXT UMLAUT --encoding ascii"],
    "score": [
        *(NO_FILE, "--encoding klingon", "--device cuda:99", "--val_fraction 0", "--val_fraction 1", "--block_size 0"),
        *("--txt_file ONE: 1 characters to score", "--val_fraction 0.001: 1 characters to score"),
        *("--checkpoint CUT: damaged", "--html /no/such/page", "--html TEXT: overwrite", "--html MODEL: overwrite"),
    ],
    "temperatures": ["--temperature -1", NO_FILE],
    "train": [
        *(NO_FILE, "--txt_file /: not a regular file", "--encoding klingon", "--device cuda:99", "--val_fraction 1"),
        *("--seq_length 0", "--dropout_keep_prob 0", "--learning_rate inf", "--train_steps 1e6"),
        *("--lines --sampling streams: --lines", "--lines: an item in each"),
        *("--sampling streams --batch_size 9999: too few for 9999 streams", "--summary_path TEXT"),
    ],
}
DEFAULTS = {"score": "--txt_file TEXT --checkpoint MODEL", "train": "--txt_file TEXT --output_dir run"}


@pytest.mark.parametrize("script, flags", [(script, flags) for script in BAD for flags in BAD[script]])
def test_bad_input_is_one_line(tmp_path, capsys, monkeypatch, script, flags):
    for name in ("keep_freed_memory", "limit_threads"):
        monkeypatch.setattr(train, name, lambda: pytest.fail("a refused run changes nothing in its process"))
    files = {"TEXT": b"a text " * 100, "ONE": b"\xef\xbb\xbfa", "SNOW": "☃".encode(), "UMLAUT": "ü".encode()}
    files |= {"MODEL": BOOK.read_bytes(), "CUT": BOOK.read_bytes()[:-500]}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    flags, _, named = flags.partition(": ")
    monkeypatch.chdir(tmp_path)
    words = with_flags(DEFAULTS.get(script, "").split(), flags.split())
    status, out, err = call(importlib.import_module(f"part3.{script}").main, *words, capsys=capsys)
    assert (status, out, err.count("\n")) == (2, "", 1) and (named or words[-1]) in err
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == files
