"""A book, or a list, as one tensor of character ids, and the ways to draw training batches from it."""

import hashlib
import sys
import unicodedata

import numpy as np
import torch
from torch.utils.data import Dataset

from part3.text import read_input

NO_TARGET = -100  # where a row is longer than its item; torch's cross_entropy leaves it out


class TextDataset(Dataset):
    """A text file as ids of its characters: first the training part, then the held-out part.

    Item i is the window that starts at character i of the training part: inputs (T,) and targets (T,), the inputs one
    character on, both int64. The vocabulary is sorted, so the same text gives the same ids in every process.

    Args:
        filename: a text file of any name, "-" for standard input, or a list of several. A byte-order mark is dropped,
            all line ends become a newline, every other character counts, a NUL too.
        seq_length: T ≥ 1, characters of a window.
        encoding: of the file.
        val_fraction: share of each file, 0 ≤ f < 1, held out at its end; 0 holds nothing out.
        lines: the text is a list of items, one a line, in any order; empty lines do not count. They are shuffled by
            `seed`, and a share of the items is held out. Both parts then begin with a newline, and each item ends with
            one.

    Attributes: `characters` (the sorted vocabulary, a str), `vocab_size`, `training` and `held_out` (ids, uint8, int16
    or int32, as the vocabulary needs), `item_end` (the id of a list's newline, else None), `looks_sorted` (whether a
    text that is read as no list looks like one), and `digest` (SHA-256 of the text, of a list as it was shuffled), by
    which a resumed run knows its book wherever the file has gone. A text of N characters takes about 6 N bytes while it
    is read, and N, 2 N or 4 N after.

    Raises ValueError, in one line, as `read_text` does, and for a text too short: the training part needs T + 1
    characters, the held-out part 2; of a list each an item. Raises OSError for a file that cannot be read.
    """

    def __init__(self, filename, seq_length, encoding="utf-8", val_fraction=0.1, lines=False, seed=0):
        texts = [read_input(name, encoding) for name in files_of(filename)]
        self.looks_sorted = not lines and any(map(lines_are_sorted, texts))
        training, held_out = zip(*(split(text, val_fraction) for text in texts), strict=True)
        text, cut = "".join([*training, *held_out]), sum(map(len, training))
        if lines:
            items = sorted(
                line + "\n" for text in texts for line in text.split("\n") if line
            )  # a list in another order is the same list
            items = [items[i] for i in np.random.default_rng(seed).permutation(len(items))]
            text = "".join(["\n", *items])
            cut = 1 + sum(map(len, items[: len(items) - round(val_fraction * len(items))]))
            del items
        del texts, training, held_out
        points = code_points(text)
        del text
        self.digest = hashlib.sha256(points).hexdigest()
        occurs = np.zeros(sys.maxunicode + 1, dtype=bool)
        pieces = range(0, len(points), 2**20)  # numpy takes eight bytes for every index
        for start in pieces:
            occurs[points[start : start + 2**20]] = True
        self.characters = "".join(map(chr, np.flatnonzero(occurs)))
        self.vocab_size, self.seq_length = len(self.characters), seq_length
        smallest = next(kind for kind in (np.uint8, np.int16, np.int32) if self.vocab_size <= np.iinfo(kind).max + 1)
        id_of = (occurs.cumsum() - 1).clip(min=0).astype(smallest)
        ids = np.empty(len(points), dtype=smallest)
        for start in pieces:
            ids[start : start + 2**20] = id_of[points[start : start + 2**20]]
        del points
        ids = torch.from_numpy(ids)
        self.training, self.held_out = ids[:cut], ids[cut - (lines and cut < len(ids)) :]  # a list's newline is in both
        self.item_end = self.characters.index("\n") if lines else None
        shortest = 2 if lines else seq_length + 1
        if len(self.training) < shortest or (val_fraction > 0 and len(self.held_out) < 2):
            parts = f"{len(self.training)} of them for training and {len(self.held_out)} held out"
            needed = "an item in each" if lines else f"windows of {seq_length} + 1 characters, and 2 held out"
            raise ValueError(
                f"{' and '.join(map(str, files_of(filename)))} has {len(ids)} characters, {parts}: too few for {needed}"
            )

    def convert_to_string(self, ids):
        """The text that the ids, a tensor or a list, stand for."""
        return "".join(self.characters[i] for i in torch.as_tensor(ids).tolist())

    def __len__(self):
        return len(self.training) - self.seq_length

    def __getitem__(self, index):
        if not 0 <= index < len(self):
            raise IndexError(f"window {index} of {len(self)}")
        window = self.training[index : index + self.seq_length + 1].long()
        return window[:-1], window[1:]


class RandomSentences:
    """Batches of windows that start anywhere in the text, as the assignment describes; the state starts at zero.

    `batch()` gives inputs (B, T), targets (B, T), and False: no state is carried over from the batch before. The text
    lies on `device`, and the batches are made there.
    """

    def __init__(self, dataset, batch_size, seed=0, device="cpu"):
        self.ids = dataset.training.to(device)
        self.starts = len(dataset)
        self.offsets = torch.arange(dataset.seq_length + 1, device=device)
        self.batch_size = batch_size
        self.rng = np.random.default_rng(seed)

    def batch(self):
        starts = torch.from_numpy(self.rng.integers(self.starts, size=(self.batch_size, 1))).to(self.ids.device)
        windows = self.ids[starts + self.offsets].long()  # (B, T + 1)
        return windows[:, :-1], windows[:, 1:], False

    def state_dict(self):
        return {"rng": self.rng.bit_generator.state}

    def load_state_dict(self, state):
        self.rng.bit_generator.state = state["rng"]


class RandomItems:
    """Batches of items of a list, drawn at random; each row starts with the newline before its item, the state at zero.

    `batch()` gives inputs (B, t), targets (B, t), and False. The batch is as long as its longest item; the targets of
    shorter ones end with NO_TARGET. An item of more than T characters, its newline counted, is several rows.
    """

    def __init__(self, dataset, batch_size, seed=0, device="cpu"):
        self.ids = dataset.training.to(device)
        starts, stops = ends_of_items(dataset.training, dataset.item_end)
        pieces = -(-(stops - starts) // dataset.seq_length)  # of each item
        first = pieces.cumsum(0) - pieces
        within = torch.arange(int(pieces.sum())) - first.repeat_interleave(pieces)
        self.starts = starts.repeat_interleave(pieces) + dataset.seq_length * within
        self.lengths = (stops.repeat_interleave(pieces) - self.starts).clip(max=dataset.seq_length)
        self.batch_size = batch_size
        self.rng = np.random.default_rng(seed)

    def batch(self):
        rows = torch.from_numpy(self.rng.integers(len(self.starts), size=self.batch_size))
        inputs, targets = padded(self.ids, self.starts[rows], self.lengths[rows])
        return inputs, targets, False

    def state_dict(self):
        return {"rng": self.rng.bit_generator.state}

    def load_state_dict(self, state):
        self.rng.bit_generator.state = state["rng"]


class ParallelStreams:
    """Batches whose rows begin where those of the batch before ended: truncated backpropagation through time.

    The text, closed to a ring, is read by B readers at equal distances, T characters a batch. `batch()` gives inputs
    (B, T), targets (B, T), and whether the state of the batch before is to be carried: True but for the start of a
    round, when the readers have reached each other's beginnings and start again from places drawn at random. The text
    lies on `device`, and the batches are made there.

    Raises ValueError if B readers have less than T characters each.
    """

    def __init__(self, dataset, batch_size, seed=0, device="cpu"):
        self.ids = dataset.training.to(device)
        self.seq_length, self.batch_size = dataset.seq_length, batch_size
        self.batches_per_round = len(self.ids) // (batch_size * self.seq_length)
        if self.batches_per_round < 1:
            raise ValueError(f"{len(self.ids)} characters are too few for {batch_size} streams of {self.seq_length}")
        self.rng = np.random.default_rng(seed)
        self._begin_round(0)

    def batch(self):
        carried = self.position > 0
        if not carried:
            self._begin_round(int(self.rng.integers(len(self.ids))))
        start = self.position * self.seq_length
        windows = self.streams[:, start : start + self.seq_length + 1].long()  # (B, T + 1)
        self.position = (self.position + 1) % self.batches_per_round
        return windows[:, :-1], windows[:, 1:], carried

    def state_dict(self):
        return {"rng": self.rng.bit_generator.state, "position": self.position, "shift": self.shift}

    def load_state_dict(self, state):
        if state["shift"] >= len(self.ids) or state["position"] >= self.batches_per_round:
            raise ValueError(f"shift {state['shift']} or position {state['position']} lies beyond the text")
        self.rng.bit_generator.state = state["rng"]
        self._begin_round(state["shift"])
        self.position = state["position"]

    def _begin_round(self, shift):
        """Lay the ring out from character `shift` on, and give each reader its stream: (B, batches T + 1), a view."""
        ring = torch.cat([self.ids[shift:], self.ids[:shift], self.ids[shift : shift + 1]])
        length = self.batches_per_round * self.seq_length + 1
        self.streams = ring.unfold(0, length, len(self.ids) // self.batch_size)[: self.batch_size]
        self.position, self.shift = 0, shift


def ends_of_items(ids, item_end):
    """Of each item in the ids of a list: the place of the newline before it, and of its own; two int64 (N,)."""
    places = (ids == item_end).nonzero()[:, 0]
    return places[:-1], places[1:]


def padded(ids, starts, lengths):
    """Rows of a text, ids, that start at these places (B,): inputs (B, t) and targets (B, t), int64.

    Each row has so many targets, lengths (B,), the next characters; then NO_TARGET up to the longest.
    """
    t = torch.arange(int(lengths.max()) + 1)
    windows = ids[(starts[:, None] + t).clip(max=len(ids) - 1).to(ids.device)].long()  # (B, t + 1)
    beyond = (t[:-1] >= lengths[:, None]).to(ids.device)
    return windows[:, :-1], windows[:, 1:].masked_fill(beyond, NO_TARGET)


def lines_are_sorted(text):
    """Whether a text looks like a sorted list: nearly each line at its start is greater than the one before."""
    lines = [line.casefold() for line in text[:100_000].split("\n") if line]
    return len(lines) >= 20 and sum(map(str.__lt__, lines, lines[1:])) >= 0.95 * (len(lines) - 1)


def files_of(filename):
    """The names of the files that `--txt_file` gives, a list: one alone is no list there."""
    return list(filename) if isinstance(filename, (list, tuple)) else [filename]


def split(text, val_fraction):
    """The training part of a text, a str or ids (N,), and the held-out part at its end: so large a share of it."""
    cut = len(text) - round(val_fraction * len(text))
    return text[:cut], text[cut:]


def encode(text, characters, unknown="refuse"):
    """Ids (N,) int64 of a text's characters in a sorted vocabulary, a str.

    A character that is not in it raises a ValueError that names it, and says if the vocabulary has it in another
    Unicode normalisation; with `unknown` "skip" it is left out.
    """
    vocabulary, points = code_points(characters), code_points(text)
    ids = np.searchsorted(vocabulary, points).clip(max=len(vocabulary) - 1)
    known = vocabulary[ids] == points
    if unknown == "refuse" and not known.all():
        place = int(known.argmin())
        what = f"the character {text[place]!r} (place {place}) does not occur in the training text"
        for form in ("NFC", "NFD"):
            if {*unicodedata.normalize(form, text)} <= {*characters}:
                what += f", but all do in another Unicode normalisation, {form}"
        raise ValueError(f"{what}; --unknown skip leaves such characters out")
    return torch.from_numpy(ids[known])


def code_points(text):
    """The Unicode numbers (N,) uint32 of a text's characters."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
