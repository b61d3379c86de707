"""Command lines whose mistakes cost one clear line: argument types that name what is allowed."""

import argparse
import math
import os
import shlex
import sys
from contextlib import contextmanager
from pathlib import Path

from common.files import WriteError, try_output


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that shows defaults, takes no abbreviations, and fails in one line.

    Its exit status is then 2, but 1 for a WriteError: a full disk, or a folder that is gone, is not bad input.
    Parsing lets standard output show `\\u03c4` for a character that its encoding lacks, as on Windows in a pipe.
    """

    def __init__(self, description):
        super().__init__(
            description=description,
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
            allow_abbrev=False,
        )

    def parse_known_args(self, *words):  # parse_args calls it too
        if hasattr(sys.stdout, "reconfigure"):  # not in a notebook
            sys.stdout.reconfigure(errors="backslashreplace")
        try:
            return super().parse_known_args(*words)
        except OSError as error:  # of new_file
            self.error(error)

    def error(self, message):
        self.exit(
            1 if isinstance(message, WriteError) else 2, f"{self.prog}: error: {' '.join(str(message).split())}\n"
        )

    @contextmanager
    def printing(self):
        """Within it the script reads and prints: what goes wrong there ends it in one line, or silently.

        ValueError and OSError are errors as above. Ctrl-C ends with status 130. If the reader of standard output has
        left, as `head` does, the rest is dropped.
        """
        try:
            yield
            sys.stdout.flush()
        except BrokenPipeError:  # Python would complain of what is left when it flushes at its end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except KeyboardInterrupt:
            sys.exit(130)
        except (ValueError, OSError) as error:
            self.error(error)

    def settings(self, **changes):
        """The default settings with these changes, a Namespace, for a caller that is no command line.

        Raises TypeError for a name that is no flag. The values are taken as they are.
        """
        config = argparse.Namespace(
            **{action.dest: action.default for action in self._actions if action.dest != "help"}
        )
        if unknown := changes.keys() - vars(config).keys():
            raise TypeError(f"no such setting: {', '.join(sorted(unknown))}")
        vars(config).update(changes)
        return config

    def command(self, config, **changes):
        """The command line that gives the settings `config`, a Namespace, with `changes`: what is not default."""
        words = ["python", sys.argv[0]]
        for name, value in {**vars(config), **changes}.items():
            if value is True:
                words.append(f"--{name}")
            elif value != self.get_default(name):
                values = value if isinstance(value, list) else [value]
                words += [f"--{name}", *map(str, values)]
        return shlex.join(words)


def whole_number(minimum, maximum):
    """An argument type: a whole number from minimum to maximum."""

    def parse(text):
        try:
            value = int(text)
        except ValueError:
            value = None
        if value is None or not minimum <= value <= maximum:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {minimum} to {maximum}")
        return value

    return parse


def positive_number(text):
    """An argument type: a finite number above 0."""
    value = _number(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a finite number above 0")
    return value


def number_between(low, high, include_low=False, include_high=False):
    """An argument type: a number from low to high, the ends themselves only where said."""

    def parse(text):
        value = _number(text)
        if not (low < value < high or (include_low and value == low) or (include_high and value == high)):
            ends = f"{'from' if include_low else 'above'} {low} {'to' if include_high else 'and below'} {high}"
            raise argparse.ArgumentTypeError(f"{text!r} is not a number {ends}")
        return value

    return parse


def new_file(text):
    """An argument type: the path of a file that can be written, in a folder that is there; it is tried."""
    if Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is a folder, not a file")
    if not os.path.isdir(os.path.dirname(os.path.realpath(text))):
        raise argparse.ArgumentTypeError(f"{text!r}: there is no such folder")
    try_output(text)
    return text


def _number(text):
    try:
        return float(text)
    except ValueError:
        return math.nan
