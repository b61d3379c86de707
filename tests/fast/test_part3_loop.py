"""The loop of part3/train.py and its evaluation, held line by line: change the line, and a test here fails."""

import signal
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from common import run_folder, training
from common.run_folder import RunFolder
from common.tables import read_records
from part3 import evaluation, precision, train
from part3.dataset import TextDataset
from part3.evaluation import evaluate, held_out_loss
from part3.model import TextGenerationModel
from part3.ranks import Ranks
from part3.trained import Trained, build_model

BOOK = "the cat sat on the mat and the rat sat on the hat. " * 3
TINY = {
    **{"seq_length": 5, "lstm_num_hidden": 7, "lstm_num_layers": 1, "embedding_dim": 3, "batch_size": 4, "patience": 0},
    **{"eval_every": 1, "sample_every": 10**6, "checkpoint_every": 10**6},
}


def skip_without(name):
    """Skip a test where this processor has no instructions for numbers of this precision."""
    try:
        precision.check_precision(name, torch.device("cpu"))
    except ValueError as error:
        pytest.skip(str(error))


class NoStop:
    """A stop flag that nothing sets."""

    signal = None

    def __bool__(self):
        return self.signal is not None


@pytest.fixture
def start(tmp_path):
    """A function that trains a tiny model in a run folder, by default with weights that make its state matter."""
    (tmp_path / "book.txt").write_text(BOOK)

    def start(name="run", resume=False, scale=5, stop=None, **changes):
        config = train.settings(txt_file=str(tmp_path / "book.txt"), **{**TINY, **changes})
        dataset = TextDataset(config.txt_file, config.seq_length, val_fraction=config.val_fraction)
        sampler = train.SAMPLERS[config.sampling](dataset, config.batch_size, config.seed)
        torch.manual_seed(config.seed)
        model = build_model(dataset.vocab_size, train.settings_of(config))
        with torch.no_grad():
            for p in model.parameters():
                p.mul_(scale)
        free = ("train_steps", "patience")
        run = RunFolder(tmp_path / name, train.settings_of(config), train.COLUMNS, ("samples.jsonl",), resume, free)
        run.begin("cpu")
        stop = NoStop() if stop is None else stop
        try:
            return model, train.train(config, dataset, sampler, model, run, stop, Ranks({}))
        finally:
            run.close()

    return start


def column(folder, name):
    return [row[name] for row in read_records(folder / "metrics.csv")]


def loss_of(model, inputs, targets, state=None):
    """The loss of one call of the model, and the state after it."""
    logits, state = model(inputs, state)
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten()).item(), state


@pytest.mark.parametrize("max_norm", [1e-3, 1e9])
def test_a_gradient_is_clipped_to_max_norm(start, max_norm):
    model, _ = start(train_steps=2, max_norm=max_norm)
    length = nn.utils.get_total_norm([p.grad for p in model.parameters()]).item()
    assert length == pytest.approx(1e-3, rel=1e-2) if max_norm < 1 else length > 1e-2, "a shorter one stays as it is"


def test_an_update_is_one_step_along_the_gradient_of_its_loss_alone():
    model, x = nn.Linear(3, 2), torch.ones(1, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    for _ in range(2):  # a second update has forgotten the gradient of the first
        before = model.weight.detach().clone()
        grad_norm = train.update(model, optimizer, model(x).sum(), max_norm=0.2)
        assert grad_norm.item() == pytest.approx(8**0.5), "of the length before clipping"
        torch.testing.assert_close(model.weight, before - 0.2 / 8**0.5)


CARRIED = {"sentences": [False] * 14, "streams": ([False] + [True] * 5) * 2 + [False, True]}  # rounds of six batches


@pytest.mark.parametrize("sampling", CARRIED)
def test_the_state_is_carried_from_batch_to_batch_of_a_round_of_streams(start, tmp_path, sampling):
    model, _ = start(train_steps=14, sampling=sampling, learning_rate=1e-30)
    sampler = train.SAMPLERS[sampling](TextDataset(tmp_path / "book.txt", 5), 4)
    state, losses, cold = None, [], []
    for carried in CARRIED[sampling]:
        inputs, targets, _ = sampler.batch()
        cold.append(loss_of(model, inputs, targets)[0])
        loss, state = loss_of(model, inputs, targets, state if carried else None)
        losses.append(loss)
    assert column(tmp_path / "run", "train_loss") == pytest.approx(losses, rel=1e-6)
    assert [a != pytest.approx(b, rel=1e-5) for a, b in zip(losses, cold, strict=True)] == CARRIED[sampling]


def test_the_learning_rate_follows_its_schedule(start, tmp_path):
    start(train_steps=3, learning_rate=0.5, learning_rate_decay=0.5, learning_rate_step=2)
    assert column(tmp_path / "run", "learning_rate") == [0.5, 0.5, 0.25]


@pytest.mark.parametrize("chunk", [7, 10**6])
def test_evaluation_carries_the_state_from_chunk_to_chunk(monkeypatch, chunk):
    monkeypatch.setattr(evaluation, "CHUNK", chunk)
    torch.manual_seed(0)
    model = TextGenerationModel(7, 6, embedding_dim=5, dropout_keep_prob=0.5)
    for p in model.parameters():
        nn.init.uniform_(p, -2, 2)
    ids = torch.randint(7, (1, 64))
    model.eval()
    pieces = [ids] + [ids[:, start : start + 21] for start in (0, 20, 40)]  # all, and blocks of 20 and what follows
    whole, *blocks = (loss_of(model, piece[:, :-1], piece[:, 1:])[0] for piece in pieces)
    model.train()
    found = [evaluate(model, ids[0].int(), block_size) for block_size in (None, 10**6, 20)]
    assert found == pytest.approx([whole, whole, sum(blocks) / 3], rel=1e-5) and model.training
    assert found[2] != pytest.approx(whole, rel=1e-3)


@pytest.mark.parametrize("chunk", [7, 10**6])
def test_the_items_of_a_list_are_evaluated_each_from_a_zero_state(monkeypatch, chunk):
    monkeypatch.setattr(evaluation, "CHUNK", chunk)
    torch.manual_seed(0)
    model = TextGenerationModel(5, 6, embedding_dim=4)
    for p in model.parameters():
        nn.init.uniform_(p, -2, 2)
    items = [[0, 3, 1, 0], [0, 2, 0], [0, 4, 4, 1, 2, 3, 1, 0], [0, 1, 2, 0]]  # 0 is the newline
    losses = [(loss_of(model, torch.tensor([i[:-1]]), torch.tensor([i[1:]]))[0], len(i) - 1) for i in items]
    mean = sum(loss * count for loss, count in losses) / sum(count for _, count in losses)
    ids = torch.tensor([0, *(i for item in items for i in item[1:])], dtype=torch.uint8)
    assert evaluate(model, ids, item_end=0) == held_out_loss(model, ids, item_end=0) == pytest.approx(mean, rel=1e-5)
    assert evaluate(model, ids) != pytest.approx(mean, rel=1e-3)
    assert evaluation.final_losses(model, ids, item_end=0) == {"heldout_loss": pytest.approx(mean, rel=1e-5)}


def test_the_best_is_kept_and_patience_counts_evaluations_without_a_new_one(start, monkeypatch, tmp_path):
    monkeypatch.setattr(train, "held_out_loss", Mock(side_effect=(3.0, 3.1, 2.9, 2.95, 2.9, 1.0)))
    _, result = start(train_steps=9, patience=2)
    assert (result["ended_by"], result["steps"], result["best_step"]) == ("patience", 5, 3)
    best = Trained(tmp_path / "run")
    final = evaluate(best.model(), TextDataset(tmp_path / "book.txt", 5).held_out)
    assert best.step == 3 and result["heldout_loss"] == pytest.approx(final), "of the best model, not of the last"
    monkeypatch.setattr(train, "held_out_loss", Mock(side_effect=(3.0, 3.1, 1.0)))
    _, result = start(resume=True, train_steps=9, patience=3)
    assert (result["steps"], result["best_step"]) == (6, 3), "a resume knows how many there were"


def test_with_nothing_held_out_the_last_model_is_the_best_and_max_minutes_are_of_the_clock(start):
    _, result = start(train_steps=3, val_fraction=0.0, patience=1)
    assert (result["ended_by"], result["best_step"], result["heldout_loss"]) == ("train_steps", 3, None)
    clocks = [SimpleNamespace(wall_seconds=seconds) for seconds in (119.0, 120.0)]
    assert [train.ended_by(train.settings(max_minutes=2.0), 5, 0, c) for c in clocks] == [None, "max_minutes"]


def test_the_clock_counts_training_alone(start, monkeypatch, tmp_path):
    """Each update takes one second of a clock that stands still otherwise, everything else a thousand."""
    passed = []  # seconds
    for name in ("process_time", "monotonic"):
        monkeypatch.setattr(training.time, name, lambda: sum(passed, 0.0))

    def takes(seconds, place, *names):
        for name in names:
            function = getattr(place, name)
            monkeypatch.setattr(place, name, lambda *a, f=function, **k: passed.append(seconds) or f(*a, **k))

    takes(1, train, "update")
    takes(1000, train, "held_out_loss", "final_losses", "greedy_sample", "write_trained", "write_samples")
    takes(1000, RunFolder, "log", "note")
    takes(1000, run_folder, "save_checkpoint")
    _, result = start(train_steps=4, sample_every=1, checkpoint_every=2)
    assert column(tmp_path / "run", "cpu_seconds") == column(tmp_path / "run", "wall_seconds") == [1, 2, 3, 4]
    assert result["cpu_seconds"] == result["wall_seconds"] == 4


class StopAt(NoStop):
    """A StopFlag for which SIGTERM arrives at the n-th look."""

    def __init__(self, looks):
        self.looks = looks

    @property
    def signal(self):
        self.looks -= 1
        return signal.SIGTERM if self.looks <= 0 else None

    @signal.setter
    def signal(self, value):
        assert value == signal.SIGTERM


STEPS = [0, 1, 2, 2, 2, 3, 4, 4, 4, *[5] * 7]  # updates that are saved if it stops at a look, from the first on


LOOKS = [({}, looks) for looks in range(1, 17)]
LOOKS += [
    ({name: value}, looks) for name, value in (("sampling", "streams"), ("precision", "bfloat16")) for looks in (4, 14)
]


@pytest.mark.parametrize("how, looks", LOOKS, ids=str)
def test_a_stop_at_any_look_saves_the_last_update_and_a_resume_is_the_unbroken_run(
    start, tmp_path, monkeypatch, looks, how
):
    """One look before each of five updates and the end, two in each of three evaluations, four in the final losses."""
    skip_without(how.get("precision", "float32"))
    monkeypatch.setattr(evaluation, "CHUNK", 8)
    how = {"train_steps": 5, "eval_every": 2, "dropout_keep_prob": 0.5, "scale": 1, "learning_rate": 0.1, **how}
    whole, expected = start("whole", **how)
    stop = StopAt(looks)
    assert start(stop=stop, **how)[1] is None
    steps = torch.load(tmp_path / "run/checkpoint.pt", weights_only=True)["step"]
    assert steps == STEPS[looks - 1]
    resumed, result = start(resume=True, **how)
    assert all(torch.equal(a, b) for a, b in zip(resumed.parameters(), whole.parameters(), strict=True))
    for name in ("step", "train_loss", "heldout_loss", "learning_rate"):
        assert column(tmp_path / "run", name) == column(tmp_path / "whole", name)
    timeless = {name: value for name, value in result.items() if "seconds" not in name}
    assert timeless.items() <= expected.items()


def test_bfloat16_trains_in_it_and_measures_in_float32(start, tmp_path):
    skip_without("bfloat16")
    models = {name: start(name, train_steps=2, precision=name)[0] for name in precision.PRECISIONS}
    losses = [column(tmp_path / name, "train_loss")[0] for name in models]  # of the same weights and windows
    assert losses[0] != losses[1] == pytest.approx(losses[0], rel=0.02)
    assert losses[1] != torch.tensor(losses[1]).bfloat16().item(), "the loss itself is float32"
    model, held_out = models["bfloat16"], TextDataset(tmp_path / "book.txt", 5).held_out
    assert column(tmp_path / "bfloat16", "heldout_loss")[1] == held_out_loss(model, held_out)
    _, result = start("bfloat16", train_steps=2, precision="bfloat16", resume=True)
    best = Trained(tmp_path / "bfloat16")
    assert result["heldout_loss"] == evaluate(best.model(), held_out)
    assert {x.dtype for x in [*best.weights.values(), *(p.grad for p in model.parameters())]} == {torch.float32}


def test_a_precision_is_refused_where_there_are_no_instructions_for_it(monkeypatch, tmp_path):
    def refused(device, name="bfloat16"):
        try:
            return precision.check_precision(name, torch.device(device))
        except ValueError as error:
            return f"this {device} device" in str(error) and "\n" not in str(error)

    for instructions, expected in (({}, True), ({"amx_bf16": False}, True), ({"avx512_bf16": True}, None)):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda found=instructions: found)
        assert refused("cpu") == expected and refused("cpu", "float32") is None
    assert refused("mps") and refused("mps", "float32") is None
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    config = train.settings(txt_file="none", output_dir=str(tmp_path / "run"), precision="bfloat16", device="cpu")
    with pytest.raises(ValueError, match="--precision bfloat16 is for"):
        train.prepare(config, Ranks({}), torch.device("cpu"))
    assert not (tmp_path / "run").exists()


def test_a_resume_has_the_precision_of_its_run(start):
    start(train_steps=1)
    with pytest.raises(ValueError, match="precision is 'float32' there and 'bfloat16' here"):
        start(resume=True, precision="bfloat16")


def test_a_step_is_saved_once(start, monkeypatch):
    save = Mock(side_effect=run_folder.save_checkpoint)
    monkeypatch.setattr(run_folder, "save_checkpoint", save)
    start(train_steps=4, checkpoint_every=2)
    start(resume=True, train_steps=5, checkpoint_every=2)
    assert [saved.args[1]["step"] for saved in save.call_args_list] == [0, 2, 4, 5]


RUINED = [  # what is due at the update that ruins the weights, the fourth, and the last steps that stand in the files
    ({"train_steps": 4}, {}),
    ({"stop": StopAt(5)}, {}),
    ({"eval_every": 1}, {"best.pt": 3, "metrics.csv": 3}),
    ({"sample_every": 1}, {"samples.jsonl": 3}),
    ({"checkpoint_every": 1}, {"checkpoint.pt": 3, "checkpoint_previous.pt": 2}),
]


@pytest.mark.parametrize("due, written", RUINED)
def test_nothing_is_written_of_an_update_that_ruins_the_weights(start, monkeypatch, tmp_path, due, written):
    monkeypatch.setattr(train, "learning_rate_at", lambda step, config: 0.02 if step < 3 else 1e37)
    with pytest.raises(training.DivergedError, match=r"^step 4: loss .*, of the weights (inf|nan)$"):
        start(**{"eval_every": 10**6, "train_steps": 9, "scale": 1, **due})
    steps = {path.name: torch.load(path, weights_only=True)["step"] for path in (tmp_path / "run").glob("*.pt")}
    steps["metrics.csv"] = len(column(tmp_path / "run", "step"))
    steps |= {path.name: path.read_text().count("\n") for path in (tmp_path / "run").glob("*.jsonl")}
    assert steps == {"checkpoint.pt": 0, "metrics.csv": 0, **written}
