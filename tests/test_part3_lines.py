"""part3/train.py --lines: a list is learned item by item, and part3/generate.py then writes items."""

import random
import re
from itertools import islice

import pytest

from common.run_folder import read_object
from part3 import generate, train
from tests.scripts import call

ITEMS = [f"{a}{b}{c}" for a in "bdfkmt" for b in "aeiou" for c in ("n", "rel", "sor")]
SMALL = ("--seq_length", 9, "--lstm_num_hidden", 24, "--lstm_num_layers", 1, "--embedding_dim", 4, "--batch_size", 16)
SMALL += ("--learning_rate", 0.02, "--eval_every", 100, "--sample_every", 100, "--device", "cpu", "--seed", 1)

# The grammar of made-up names: two or three syllables, their vowels all dark or all light.
SYLLABLES = [
    [f"{a}{vowel}{b}" for a in "bdfgklmnprst" for vowel in vowels for b in ("", "l", "n", "r")]
    for vowels in ("aou", "ei")
]
NAME = re.compile("|".join(f"([bdfgklmnprst][{vowels}][lnr]?){{2,3}}" for vowels in ("aou", "ei")))


@pytest.fixture
def lists(tmp_path, monkeypatch):
    """The paths of the list, sorted, and in another order."""
    monkeypatch.setattr(train, "keep_freed_memory", lambda: None)
    (tmp_path / "sorted").write_text("\n".join(sorted(ITEMS)))
    (tmp_path / "shuffled").write_text("\n".join(random.Random(0).sample(ITEMS, len(ITEMS))) + "\n")
    return tmp_path / "sorted", tmp_path / "shuffled"


def test_a_list_in_any_order_gives_the_same_run_and_then_whole_items(lists, tmp_path, capsys):
    for path in lists:
        flags = ("--txt_file", path, "--lines", *SMALL, "--output_dir", tmp_path / f"{path.name}_run")
        status, out, err = call(train.main, *flags, "--train_steps", 100, capsys=capsys)
        assert (status, err) == (0, "") and ", a list\n" in out
    losses = [(tmp_path / f"{path.name}_run/metrics.csv").read_text().splitlines()[1].split(",")[:5] for path in lists]
    assert losses[0] == losses[1]
    folder = tmp_path / "sorted_run"
    samples = (folder / "samples.jsonl").read_text()
    assert samples.endswith('\\n"}\n'), "an item up to its end"
    assert call(train.main, "--output_dir", folder, "--resume", "--train_steps", 200, capsys=capsys)[0] == 0

    def written(*flags):
        status, out, err = call(generate.main, "--checkpoint", folder, *flags, capsys=capsys)
        assert status == 0 and out.endswith("\n")
        return out.splitlines(), err

    items, err = written("--num_samples", 40)
    assert len(set(items)) == 40 and len({item[0] for item in items}) > 3, "the first letters are drawn too"
    dataset = train.TextDataset(lists[0], 9, lines=True, seed=1)
    training = dataset.convert_to_string(dataset.training).split("\n")
    share = sum(item in training for item in items) / 40
    assert 0.5 < share < 1 and err.startswith("40 different items of ")
    assert err.endswith(f" drawn, {share:.1%} of them in the training list\n")
    items, err = written("--num_samples", 5, "--prompt", "ba", "--temperature", 0)
    assert len(items) == 1 and items[0].startswith("ba") and err.startswith("1 different items of 100 drawn")
    lists[0].unlink()
    items, err = written("--num_samples", 3, "--length", 4)
    assert len(items) == 3 and all(len(item) <= 3 for item in items) and "training" not in err
    status, _, err = call(generate.main, "--checkpoint", folder, "--stop", "a", capsys=capsys)
    assert status == 2 and "--stop 'a' is for running text" in err


def test_sorted_lines_without_the_flag_are_warned_of_and_ranks_refused(lists, tmp_path, capsys, monkeypatch):
    flags = ("--txt_file", lists[0], *SMALL, "--train_steps", 1, "--output_dir", tmp_path / "run")
    status, out, err = call(train.main, *flags, capsys=capsys)
    assert status == 0 and ", sentences\n" in out and err.count("\n") == 1 and "sorted" in err and "--lines" in err
    status, _, err = call(train.main, *flags, "--resume", "--lines", capsys=capsys)
    assert status == 2 and "lines is False there and True here" in err
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    status, _, err = call(train.main, *flags, "--lines", capsys=capsys)
    assert status == 2 and err.count("\n") == 1 and "--lines is for one process, not for 2 ranks" in err


def made_up_names(draw):
    """Yield names of the grammar."""
    while True:
        syllables = draw.choice(SYLLABLES)
        yield "".join(draw.choice(syllables) for _ in range(draw.choice((2, 3))))


@pytest.mark.long
def test_of_32_000_names_the_grammar_is_learned_and_their_order_does_not_count(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(train, "keep_freed_memory", lambda: None)
    names = [*islice(dict.fromkeys(islice(made_up_names(random.Random(0)), 60_000)), 32_000)]
    assert len(names) == 32_000 and all(map(NAME.fullmatch, names))
    losses = []
    for order, listed in (("shuffled", names), ("sorted", sorted(names))):
        (tmp_path / order).write_text("\n".join(listed) + "\n")
        flags = ("--txt_file", tmp_path / order, "--lines", "--train_steps", 1_500)
        flags += ("--output_dir", tmp_path / f"{order}_run")
        assert call(train.main, *flags, capsys=capsys)[0] == 0
        losses.append(read_object(tmp_path / f"{order}_run/result.json")["heldout_loss"])
    assert losses[0] == pytest.approx(losses[1], abs=0.02)
    flags = ("--checkpoint", tmp_path / "sorted_run", "--num_samples", 1_000)
    status, out, err = call(generate.main, *flags, capsys=capsys)
    written = out.splitlines()
    assert status == 0 and out.endswith("\n") and len(set(written)) == len(written) == 1_000
    accepted = sum(bool(NAME.fullmatch(name)) for name in written)
    print(f"\n{accepted} of 1,000 names accepted; held-out losses {losses}; {err}")
    assert accepted >= 950
