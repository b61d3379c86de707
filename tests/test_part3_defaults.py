"""part3/train.py: what flags that are not given come from, and what is carried over with them."""

import json

import pytest
import torch

from part3 import train
from part3.dataset import TextDataset
from part3.defaults import PRESETS, parse_flags
from part3.evaluation import held_out_loss
from part3.trained import HIGHEST, Trained, build_model, carry_over, write_trained
from tests.scripts import call

SIZES = {"lstm_num_hidden": 5, "lstm_num_layers": 2, "embedding_dim": 3, "dropout_keep_prob": 1.0}
BOOK = "the cat sat on the mat and the rat sat on the hat. " * 10
FEW = ("--seq_length", 5, "--batch_size", 4, "--eval_every", 1, "--device", "cpu")


@pytest.fixture
def trains(tmp_path, capsys, monkeypatch):
    """A function that calls part3/train.py with flags, and a text of its own: exit status, the two outputs."""
    monkeypatch.setattr(train, "keep_freed_memory", lambda: None)
    (tmp_path / "book.txt").write_text(BOOK)
    return lambda *flags: call(train.main, *flags, capsys=capsys)


@pytest.fixture
def source(tmp_path):
    """The path of a model of another text, its weights far from those at the start."""
    torch.manual_seed(3)
    model = build_model(7, SIZES)
    for p in model.parameters():
        torch.nn.init.uniform_(p, -1, 1)
    write_trained(tmp_path / "source.pt", model, "ahnotzß", SIZES, 9, 2.0)
    return tmp_path / "source.pt"


def test_rows_of_known_characters_are_carried_over_and_new_ones_stay_as_drawn(source):
    trained, model = Trained(source), build_model(6, SIZES)
    drawn = {name: weights.clone() for name, weights in model.state_dict().items()}
    said = carry_over(trained, model, "abhoxß")
    for name, weights in model.state_dict().items():
        if name.startswith("layers."):
            assert torch.equal(weights, trained.weights[name])
        else:
            expected = drawn[name].clone()
            expected[[0, 2, 3, 5]] = trained.weights[name][[0, 1, 3, 6]]  # a, h, o, ß
            assert torch.equal(weights, expected)
    assert "step 9" in said and "4 characters; new are 'bx', unused 3" in said and "\n" not in said
    for other in ({"lstm_num_layers": 3}, {"lstm_num_layers": 1}, {"embedding_dim": 4}):
        with pytest.raises(ValueError, match=r"source.pt is a model of other sizes: --lstm_num_hidden 5"):
            carry_over(trained, build_model(6, SIZES | other), "abhoxß")


def test_fine_tuning_starts_from_the_model_and_is_resumed_without_it(trains, source, tmp_path):
    flags = ("--txt_file", tmp_path / "book.txt", "--init_from", source, *FEW, "--learning_rate", 1e-30)
    status, out, err = trains(*flags, "--train_steps", 2, "--output_dir", tmp_path / "run")
    assert (status, err) == (0, "") and out.startswith(f"the weights of {source}, step 9, are carried over with 5")
    dataset = TextDataset(tmp_path / "book.txt", 5)
    torch.manual_seed(0)
    model = build_model(dataset.vocab_size, SIZES)
    carry_over(Trained(source), model, dataset.characters)
    rows = (tmp_path / "run/metrics.csv").read_text().splitlines()[1:]
    assert [float(row.split(",")[2]) for row in rows] == pytest.approx(2 * [held_out_loss(model, dataset.held_out)])
    config = json.loads((tmp_path / "run/config.json").read_text())
    assert SIZES.items() <= config.items() and config["init_from"] == str(source)
    source.unlink()
    status, out, err = trains("--output_dir", tmp_path / "run", "--resume", "--train_steps", 3)
    assert (status, err) == (0, "") and "carried" not in out and "best at step 1 of 3" in out


@pytest.mark.parametrize(
    "flags, named", [(["--lstm_num_hidden", 6], "other sizes"), (["--init_from", "/no/such"], "'/no/such'")]
)
def test_a_model_that_cannot_be_carried_over_is_one_line_before_anything_is_made(
    trains, source, tmp_path, flags, named
):
    words = {"--txt_file": tmp_path / "book.txt", "--init_from": source, "--output_dir": tmp_path / "run"}
    words |= dict([flags])
    status, out, err = trains(*[word for pair in words.items() for word in pair])
    assert (status, out, err.count("\n")) == (2, "", 1) and named in err and not (tmp_path / "run").exists()


def test_settings_that_are_changed_at_a_resume_count_from_there_and_stand_in_the_history(trains, tmp_path):
    def history():
        return json.loads((tmp_path / "run/config.json").read_text()).get("history")

    resumed = ("--output_dir", tmp_path / "run", "--resume", "--train_steps")
    flags = ("--txt_file", tmp_path / "book.txt", *FEW, "--output_dir", tmp_path / "run")
    assert trains(*flags, "--train_steps", 2)[0] == 0 and history() is None
    status, _, err = trains(*resumed, 4, "--learning_rate", 0.5, "--batch_size", 7, "--dropout_keep_prob", 0.5)
    assert (status, err) == (0, "")
    changed = {
        "learning_rate": [0.002, 0.5],
        "dropout_keep_prob": [1.0, 0.5],
        "train_steps": [2, 4],
        "batch_size": [4, 7],
    }
    assert history() == [{"step": 2, "changed": changed}]
    rows = [row.split(",") for row in (tmp_path / "run/metrics.csv").read_text().splitlines()[1:]]
    assert [float(row[4]) for row in rows] == [0.002, 0.002, 0.5, 0.5]
    assert trains(*resumed, 5, "--checkpoint_every", 3)[0] == 0, "the changed ones are the run's own now"
    assert history()[1:] == [{"step": 4, "changed": {"checkpoint_every": [200, 3], "train_steps": [4, 5]}}]
    status, _, err = trains(*resumed, 6, "--seq_length", 9)
    assert status == 2 and "seq_length is 5 there and 9 here" in err and len(history()) == 2


def test_a_batch_of_streams_cannot_be_changed_and_sentences_do_not_need_the_state(trains, tmp_path):
    flags = ("--txt_file", tmp_path / "book.txt", *FEW, "--train_steps", 1, "--sampling", "streams")
    assert trains(*flags, "--output_dir", tmp_path / "run")[0] == 0
    status, _, err = trains("--output_dir", tmp_path / "run", "--resume", "--batch_size", 8)
    assert status == 2 and "batch_size is 4 there and 8 here" in err


def test_a_preset_gives_defaults_that_flags_and_a_model_win_over_and_the_config_has_the_values(source, tmp_path):
    parser, text = train.build_parser(), ["--txt_file", "book.txt"]
    course, laptop = (parse_flags(parser, [*text, "--preset", name]) for name in PRESETS)
    assert parse_flags(parser, text) == course and vars(course) == vars(train.settings(txt_file="book.txt"))
    assert PRESETS["laptop"].items() <= vars(laptop).items() and laptop.embedding_dim == course.embedding_dim
    by_hand = parse_flags(parser, [*text, "--preset", "laptop", "--learning_rate", "0.1", "--init_from", str(source)])
    changed = {"learning_rate": 0.1, "init_from": str(source), **{name: SIZES[name] for name in HIGHEST}}
    assert vars(by_hand) == vars(laptop) | changed
    assert parse_flags(parser, [*text, "--preset", "laptop", "--lines"]).sampling == "sentences"
    (tmp_path / "config.json").write_text('{"batch_size": 7, "preset": "laptop"}')
    resumed = parse_flags(parser, [*text, "--output_dir", str(tmp_path), "--resume"])
    assert (resumed.preset, resumed.batch_size, resumed.lstm_num_hidden) == ("laptop", 7, 128), (
        "all stand in the config"
    )


def test_several_files_and_standard_input_which_a_resume_cannot_read_again(trains, tmp_path, monkeypatch):
    (tmp_path / "other.txt").write_text("0123456789" * 9)
    files = (tmp_path / "book.txt", tmp_path / "other.txt")
    flags = (*FEW, "--train_steps", 1, "--output_dir", tmp_path / "run")
    status, out, err = trains("--txt_file", *files, *flags)
    assert (status, err) == (0, "") and out.startswith(f"{files[0]}, {files[1]}: 540 characters for training, 60 held")
    status, out, err = trains("--output_dir", tmp_path / "run", "--resume", "--train_steps", 2)
    assert (status, err) == (0, "") and f"--txt_file {files[0]} {files[1]} --" in out
    with open(files[0], "rb") as text, monkeypatch.context() as patch:
        patch.setattr("part3.text.open", lambda number, *_, **__: text, raising=False)
        flags = (*FEW, "--train_steps", 1, "--output_dir", tmp_path / "piped", "--resume")
        assert trains("--txt_file", "-", *flags)[0] == 0
    for text in (["--txt_file", "-"], []):
        status, out, err = trains(*text, *flags)
        assert (status, out, err.count("\n")) == (2, "", 1) and "standard input cannot be read again" in err
    assert trains("--txt_file", files[0], *flags[:-4], 2, *flags[-3:])[0] == 0
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    status, _, err = trains("--txt_file", "-", *FEW)
    assert status == 2 and "--txt_file - is for one process, not for 2 ranks" in err


def test_a_resume_takes_what_is_not_given_from_the_run_and_refuses_what_is_another(trains, tmp_path):
    status, _, err = trains("--output_dir", tmp_path / "run", "--resume")
    assert status == 2 and "--txt_file is missing" in err and not (tmp_path / "run").exists()
    own = ("--sampling", "streams", "--lstm_num_hidden", 6, "--dropout_keep_prob", 0.5, *FEW, "--optimizer", "adamw")
    flags = ("--txt_file", tmp_path / "book.txt", *own)
    for name, steps in (("run", 2), ("whole", 4)):
        assert trains(*flags, "--train_steps", steps, "--output_dir", tmp_path / name)[0] == 0
    status, _, err = trains("--output_dir", tmp_path / "run", "--resume", "--optimizer", "adam")
    assert status == 2 and "optimizer is 'adamw' there and 'adam' here" in err
    assert trains("--output_dir", tmp_path / "run", "--resume", "--train_steps", 4)[0] == 0
    runs = [torch.load(tmp_path / name / "checkpoint.pt", weights_only=True) for name in ("run", "whole")]
    assert runs[0]["step"] == 4 and all(map(torch.equal, *(run["model"].values() for run in runs)))
    (tmp_path / "run/config.json").write_text('{"command": [], "python": "", "torch": "", "batch_size": "many"}')
    status, _, err = trains("--output_dir", tmp_path / "run", "--resume")
    assert status == 2 and err.count("\n") == 1 and "--batch_size: 'many' is not a whole number" in err
