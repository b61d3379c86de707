"""A trained model from its checkpoint alone: weights, vocabulary and settings; the book is not needed."""

from pathlib import Path

import torch
import torch.nn.functional as F

from common.checkpoint import LATEST, CheckpointError, check_entries, read_checkpoint, write_checkpoint
from part3.dataset import TextDataset, encode, files_of
from part3.model import TextGenerationModel

BEST = "best.pt"
HIGHEST = {"lstm_num_hidden": 10_000, "lstm_num_layers": 100, "embedding_dim": 10_000}  # as part3/train.py allows
BOOK = Path(__file__).resolve().parents[1] / "results/part3/book.pt"  # trained on assets/book.txt


class Trained:
    """What part3/train.py made.

    Args:
        path: best.pt or checkpoint.pt of a run, or the run's folder: its best.pt, or before the first evaluation its
            checkpoint.pt.

    Attributes: `path`, `weights` (a state_dict, on the CPU), `characters` (the sorted vocabulary, a str), `settings`
    (of the training, a dict), `step`, `lines` (whether the text was a list).

    Raises CheckpointError for a file that part 3 did not write, OSError if it cannot be opened.
    """

    def __init__(self, path):
        self.path = Path(path)
        if self.path.is_dir():
            self.path /= BEST if (self.path / BEST).exists() else LATEST
        state = read_checkpoint(self.path)
        if not {"characters", "model", "settings", "step"} <= state.keys():
            raise CheckpointError(f"{self.path} is no checkpoint of part3/train.py: vocabulary or weights are missing")
        self.settings, self.characters, self.step = state["settings"], state["characters"], state["step"]
        for name, highest in HIGHEST.items():
            check_entries(self.path, state, {"settings": {name: 1}}, highest)
        text = (isinstance(self.characters, str) and "".join(sorted({*self.characters}))) or "text"
        plain = {"step": 0, "settings": {"dropout_keep_prob": 1.0}, "characters": text}
        check_entries(self.path, state, plain)
        V, H, E = len(self.characters), self.settings["lstm_num_hidden"], self.settings["embedding_dim"]
        # The large ones first: a model of these settings then takes no more memory than the file did.
        shapes = {"embedding.weight": (V, E), "output.weight": (V, H)}
        shapes |= {f"layers.{n}.weight_hh_l0": (4 * H, H) for n in range(self.settings["lstm_num_layers"])}
        large = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
        check_entries(self.path, state, {"model": large})
        expected = build_model(V, self.settings).state_dict()
        check_entries(self.path, state, {"model": expected})
        self.lines = self.settings.get("lines") is True
        if self.lines and "\n" not in self.characters:
            raise CheckpointError(f"{self.path} cannot be used: settings.lines is True, but no item of a list can end")
        self.weights = {name: state["model"][name].float() for name in expected}

    def model(self):
        """The TextGenerationModel, ready to predict."""
        model = build_model(len(self.characters), self.settings)
        model.load_state_dict(self.weights)
        return model.eval()

    def training_items(self):
        """The items of the list that it was trained on, a set; None if it is not there any more, or was no list."""
        names = ("txt_file", "encoding", "val_fraction", "seed")
        try:
            txt_file, encoding, val_fraction, seed = (self.settings[name] for name in names)
            if "-" in files_of(txt_file):
                return None
            dataset = TextDataset(txt_file, 1, encoding, val_fraction, True, seed)
        except (OSError, ValueError, KeyError, TypeError, ArithmeticError):  # settings may be crafted
            return None
        same = dataset.characters == self.characters
        return {*dataset.convert_to_string(dataset.training).split("\n")} if same else None


@torch.no_grad()
def carry_over(trained, model, characters):
    """Give a model, in place, the weights of a Trained one of its sizes, for fine-tuning on another text.

    `characters` is the model's vocabulary, a sorted str; those that are new keep their rows in embedding and output as
    they were drawn. Returns one line that says what was carried over. Raises ValueError if the sizes are others.
    """
    known = "".join(character for character in characters if character in trained.characters)
    new = "".join(character for character in characters if character not in trained.characters)
    own, here, there = model.state_dict(), encode(known, characters), encode(known, trained.characters)

    def for_a_character(name):  # whether it has a row for each
        return name.startswith(("embedding.", "output."))

    shapes = [{name: w.shape[for_a_character(name) :] for name, w in m.items()} for m in (trained.weights, own)]
    if shapes[0] != shapes[1]:
        sizes = ", ".join(f"--{size} {trained.settings[size]}" for size in HIGHEST)
        raise ValueError(f"{trained.path} is a model of other sizes: {sizes}")
    for name, weights in own.items():
        saved = trained.weights[name].to(weights.device)
        if for_a_character(name):
            weights[here] = saved[there]
        else:
            weights.copy_(saved)
    what = f"the weights of {trained.path}, step {trained.step}, are carried over with {len(known)} characters"
    return f"{what}; new are {new!r:.60}, unused {len(trained.characters) - len(known)}"


def write_trained(path, model, characters, settings, step, heldout_loss):
    """Write a file that Trained reads, with the loss that chose it. Raises OSError."""
    state = {"step": step, "settings": settings, "characters": characters, "heldout_loss": heldout_loss}
    write_checkpoint(path, {**state, "model": model.state_dict()})


def build_model(vocab_size, settings):
    """A TextGenerationModel of the settings (a dict, part3/train.py's names), with freshly drawn weights."""
    names = ("lstm_num_hidden", "lstm_num_layers", "dropout_keep_prob", "embedding_dim")
    return TextGenerationModel(vocab_size, **{name: settings[name] for name in names})


def memory_of_an_update(config, vocab_size):
    """Bytes that an update of part3/train.py takes, about: what the layers keep of each character, and its logits."""
    kept = 18 * config.lstm_num_layers * config.lstm_num_hidden + 4 * vocab_size  # numbers
    return 4 * config.batch_size * config.seq_length * kept


def small_step(settings, device):
    """A model of the settings, of 16 units a layer, on a device, and its loss on a batch: for `working_device`."""
    torch.manual_seed(0)
    model = build_model(11, {**settings, "lstm_num_hidden": 16, "dropout_keep_prob": 1.0}).to(device)
    ids = (torch.arange(48).view(8, 6) % 11).to(device)
    return model, F.cross_entropy(model(ids[:, :-1])[0].flatten(0, 1), ids[:, 1:].flatten())
