"""What a model writes while it learns (question (b)): records over the training, and five of them as a table."""

import numpy as np

from common.files import write_atomically
from part3.sampling import Writer, write

SAMPLE_LENGTH = 30  # characters


def greedy_sample(model, dataset, step, seed):
    """A record of what the model writes greedily after a first character drawn at random (question (b)).

    Of a list it is an item, up to its end.
    """
    rng = np.random.default_rng([seed, step])
    first = rng.integers(dataset.vocab_size)
    writer = Writer(model.state_dict())
    before, stop = ([], ()) if dataset.item_end is None else ([dataset.item_end], [dataset.item_end])
    steps = write(writer, [*before, first], SAMPLE_LENGTH - 1, rng, stop=stop, temperature=0)
    text = dataset.convert_to_string([first, *(int(i[0]) for i in steps)])
    return {"step": step, "temperature": 0, "first": text[0], "text": text}


def write_samples(run):
    """Write samples.md: five samples evenly spaced over the training so far (question (b))."""
    records = run.notes("samples")
    chosen = [records[round(n * (len(records) - 1) / 4)] for n in range(5)] if len(records) >= 5 else records
    rows = [f"| {record['step']} | `{record['text']!r}` |" for record in chosen]
    lines = ["| step | greedy sample after a random first character |", "|---|---|", *rows]
    write_atomically(run.path / "samples.md", "\n".join(lines) + "\n")
