"""part3/stages.py: its training is part3/train.py's, and its table and texts are of the moments asked for."""

import ast

import torch

from common.tables import grouped, read_records
from part3 import train
from part3.dataset import TextDataset
from part3.stages import training
from part3.temperatures import share_repeated
from part3.trained import Trained
from tests.scripts import ROOT, call, run

TINY = {"lstm_num_hidden": 6, "embedding_dim": 3, "batch_size": 4, "seq_length": 9, "train_steps": 12}


def test_its_models_are_those_of_train_bit_for_bit(tmp_path, capsys):
    book = tmp_path / "book.txt"
    book.write_text((ROOT / "assets/book.txt").read_text()[:3_000])
    given = TINY | {"txt_file": str(book), "seed": 3, "learning_rate_step": 5}
    flags = [word for name, value in given.items() for word in (f"--{name}", value)]
    more = ["--eval_every", 4, "--sample_every", 4, "--output_dir", tmp_path / "run"]
    assert call(train.main, *flags, *more, capsys=capsys)[0] == 0
    (*_, model) = training(train.settings(**given), TextDataset(book, TINY["seq_length"]))
    trained = Trained(tmp_path / "run/checkpoint.pt")
    assert trained.step == 12 and all(map(torch.equal, model.state_dict().values(), trained.weights.values()))


def test_the_table_and_the_texts(tmp_path):
    flags = ("--train_steps", 1, 3, "--length", 60, "--output_dir", tmp_path)
    status, out, err = run("part3/stages.py", *flags)
    assert status == 0, err
    stages = grouped(read_records(tmp_path / "stages.csv"), "step")
    lines = out.splitlines()
    assert [*stages] == [1, 3] and lines[::2] == [f"--- seed 0, after {step} updates" for step in stages]
    for rows, line in zip(stages.values(), lines[1::2], strict=True):
        shares = sorted(row["repeated"] for row in rows)
        text = ast.literal_eval(line)
        assert len(text) == 60 and len(rows) == 65 and [row["first"] for row in rows] == [*range(65)]
        assert round(share_repeated(text), 4) == shares[32]
