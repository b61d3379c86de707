"""part3/benchmark_ranks.py: counts every byte of the gradient, and writes what it says."""

import json

import pytest

from part3.dataset import TextDataset
from part3.model import TextGenerationModel
from tests.scripts import ROOT, run


@pytest.mark.long
def test_the_script_prints_and_writes_the_medians(tmp_path):
    flags = ["--rounds", 3, "--steps", 2, "--lstm_num_hidden", 8, "--batch_size", 6, "--json", tmp_path / "b.json"]
    status, out, err = run("part3/benchmark_ranks.py", *flags)
    assert status == 0, err
    medians = json.loads((tmp_path / "b.json").read_text())
    for key in ("steps_per_second.1", "steps_per_second.2", "speedup.2", "cpu_speedup.2"):
        assert medians[key] > 0 and key in out
    vocab_size = TextDataset(ROOT / "assets/book.txt", 30).vocab_size
    numbers = sum(parameter.numel() for parameter in TextGenerationModel(vocab_size, 8).parameters())
    assert medians["bytes_per_step"] == 4 * numbers + 32  # float32; three whole numbers, and the loss in float64
