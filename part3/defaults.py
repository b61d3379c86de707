"""What flags are that are not given: as in the run that is resumed, as in --init_from's model, or as of --preset."""

import sys
from pathlib import Path

from common.arguments import setting_words, with_flags
from common.checkpoint import LATEST, PREVIOUS
from common.run_folder import CONFIG, read_object
from part3.dataset import files_of
from part3.trained import HIGHEST, Trained

PRESETS = {  # course: the assignment's settings, which the flags have as defaults; laptop: the best for its time
    "course": {},
    "laptop": {
        **{"lstm_num_hidden": 384, "sampling": "streams", "seq_length": 30, "batch_size": 32, "patience": 0},
        **{"optimizer": "adamw", "learning_rate": 4e-3, "schedule": "cosine", "train_steps": 2600},
    },
}
RESUMED = ("device", "max_minutes", "patience", "ranks", "txt_file")  # may be others in a resumed run
RESUMED += ("learning_rate", "checkpoint_every", "dropout_keep_prob")


def parse_flags(parser, argv=None):
    """The settings that the words `argv` give, a Namespace; what they leave open is looked up as above.

    Exits as `parser.error` does.
    """
    words = sys.argv[1:] if argv is None else [*argv]
    given = parser.parse_args(words)
    found = dict(PRESETS[given.preset])
    if given.lines:
        found.pop("sampling", None)
    try:
        if given.init_from and not is_resumed(given):
            found |= {name: Trained(given.init_from).settings[name] for name in HIGHEST}
        if given.resume and given.output_dir and (Path(given.output_dir) / CONFIG).exists():
            found |= read_object(Path(given.output_dir) / CONFIG)
    except (ValueError, OSError) as error:
        parser.error(error)
    found = {name: value for name, value in found.items() if name in vars(given)}
    config = parser.parse_args(with_flags(setting_words(found), words))
    if config.txt_file and len(config.txt_file) == 1:
        (config.txt_file,) = config.txt_file
    if config.txt_file is None:
        parser.error("--txt_file is missing: the book, a text file")
    if config.lines and config.sampling == "streams":
        parser.error("--lines starts each item from a zero state, --sampling streams carries it: give one of them")
    if "-" in files_of(config.txt_file) and is_resumed(config):
        parser.error("--txt_file -: standard input cannot be read again; give a file with the same text to resume")
    return config


def may_change(config):
    """Names of settings that may be others in a resumed run of these.

    A cosine needs to know its end from the start; streams carry a state for each row of the batch.
    """
    steps, batch = ("train_steps",) * (config.schedule == "step"), ("batch_size",) * (config.sampling == "sentences")
    return (*RESUMED, *steps, *batch)


def only_alone(config):
    """A flag that is not for several ranks, or None."""
    return "--lines" if config.lines else "--txt_file -" if "-" in files_of(config.txt_file) else None


def is_resumed(config):
    """Whether there is a checkpoint to resume from."""
    return bool(config.resume and config.output_dir) and any(
        (Path(config.output_dir) / name).exists() for name in (LATEST, PREVIOUS)
    )
