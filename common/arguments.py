"""Command lines whose mistakes cost one clear line: argument types that name what is allowed."""

import argparse
import math
import os
import re
import signal
import sys
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path

from common import ROOT, printing
from common.files import WriteError, try_output


class Help(argparse.RawDescriptionHelpFormatter):
    """Show defaults as they are typed: lists without brackets, paths of the checkout from there, none for no value."""

    def _get_help_string(self, action):
        values = action.default if isinstance(action.default, list) else [action.default]
        if not action.help or not values or values[0] in ("", None, argparse.SUPPRESS) or isinstance(values[0], bool):
            return action.help
        shown = " ".join(str(value).removeprefix(f"{ROOT}{os.sep}") for value in values)
        return f"{action.help} (default: {shown.replace('%', '%%')})"


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that shows defaults and fails in one line.

    Its exit status is then 2, but 1 for a WriteError: a full disk, or a folder that is gone, is not bad input.
    It takes no abbreviations, no flag twice and no empty value. Once it has parsed, the script prints safely. `doc` is
    the script's docstring: its first paragraph and its lines of commands are the help. `script` is the path of what
    `command` starts.
    """

    def __init__(self, doc, script=None):
        self.script = script or sys.argv[0]
        examples = "".join(f"  {line}\n" for line in doc.splitlines() if line.startswith("python "))
        super().__init__(
            prog=os.path.basename(self.script),
            description=doc.split("\n\n")[0],
            epilog=examples and f"examples, from the checkout:\n{examples}",
            formatter_class=Help,
            allow_abbrev=False,
        )
        self._negative_number_matcher = re.compile(r"-\.?\d")  # -1e-5 is a value too

    def parse_known_args(self, args=None, namespace=None):  # parse_args calls it too
        printing.print_safely()
        words = sys.argv[1:] if args is None else [*args]
        self._check_flags(words)
        try:
            return super().parse_known_args(words, namespace)
        except OSError as error:  # of new_file
            self.error(error)

    def _check_flags(self, words):
        """Refuse a flag that is given twice with values, or whose value is empty."""
        given, first = [], {}  # [flag, its values, ...]; {flag: its values}
        for word in takewhile("--".__ne__, words):
            if word.startswith("--"):
                flag, equals, value = word.partition("=")
                given.append([flag, *[value] * bool(equals)])
            elif given:
                given[-1].append(word)
        for flag, *values in given:
            said = " ".join(map(repr, values))
            if first.get(flag):
                self.error(f"{flag} is given twice: {first[flag]} and {said}")
            if "" in values or values == ["--"]:  # Python before 3.13 drops --flag=--
                self.error(f"{flag} {said} is no value; a file called -- is ./--")
            first[flag] = said

    def error(self, message):
        line = " ".join(str(message).split())
        self.exit(1 if isinstance(message, WriteError) else 2, f"{self.prog}: error: {line}\n")

    @contextmanager
    def printing(self):
        """Within it the script reads and prints: what goes wrong there ends it in one line, or silently.

        ValueError, OSError and a training that diverges are errors as above. Ctrl-C ends with status 130. If the reader
        of standard output has left, as `head` does, the rest is dropped.
        """
        quiet = signal.getsignal(signal.SIGINT) == signal.SIG_DFL  # see common/__init__.py
        if quiet:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        printing.only_printing = True
        try:
            yield
            sys.stdout.flush()
        except BrokenPipeError:
            pass
        except KeyboardInterrupt:
            sys.exit(130)
        except (ValueError, OSError, FloatingPointError, RecursionError) as error:  # the last: of a thousand folders
            self.error(error)
        finally:
            printing.only_printing = False
            if quiet:
                signal.signal(signal.SIGINT, signal.SIG_DFL)

    def settings(self, **changes):
        """The default settings with these changes, a Namespace, for a caller that is no command line.

        Raises TypeError for a name that is no flag. The values are taken as they are.
        """
        config = argparse.Namespace(**{flag.dest: flag.default for flag in self._actions if flag.dest != "help"})
        if unknown := changes.keys() - vars(config).keys():
            raise TypeError(f"no such setting: {', '.join(sorted(unknown))}")
        vars(config).update(changes)
        return config

    def command(self, config, **changes):
        """The command line that gives the settings `config`, a Namespace, with `changes`: what is not default."""
        started = os.path.realpath(sys.argv[0]) == os.path.realpath(self.script)  # not where a notebook calls main()
        words = ["python", sys.argv[0] if started else os.path.relpath(self.script)]
        settings = {**vars(config), **changes}
        words += setting_words({name: settings[name] for name in settings if settings[name] != self.get_default(name)})
        return printing.command_line(words)


def flag_words(name, value):
    """The words of a command line that give the flag `name` this value, a Path or plain, whatever it begins with."""
    if str(value).startswith("-"):
        return [f"--{name}={'./' * isinstance(value, Path)}{value}"]
    return [f"--{name}", str(value)]


def setting_words(settings):
    """The words of a command line that give these settings, {name: plain value}; None and False are not given."""
    words = []
    for name, value in settings.items():
        if value is True:
            words.append(f"--{name}")
        elif isinstance(value, list):
            words += [f"--{name}", *map(str, value)]
        elif value is not None and value is not False:
            words += flag_words(name, value)
    return words


def with_flags(words, more):
    """The words of a command line, then `more`, whose flags take the place of those of the same names."""
    replaced, kept, keep = {word.partition("=")[0] for word in more if word.startswith("--")}, [], True
    for word in words:
        keep = word.partition("=")[0] not in replaced if word.startswith("--") else keep
        kept += [word] * keep
    return [*kept, *more]


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


def number_between(low, high, include_low=False, include_high=False):
    """An argument type: a number from low to high, the ends themselves only where said."""

    def parse(text):
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (low < value < high or (include_low and value == low) or (include_high and value == high)):
            ends = f"{'from' if include_low else 'above'} {low} {'to' if include_high else 'and below'} {high}"
            raise argparse.ArgumentTypeError(f"{text!r} is not a number {ends}")
        return value

    return parse


positive_number = number_between(0, 1e30)  # far from where a float32 overflows


def new_file(text):
    """An argument type: the path of a file that can be written, in a folder that is there; it is tried."""
    if os.path.isdir(text):  # Path.is_dir raises for a name too long
        raise argparse.ArgumentTypeError(f"{text!r} is a folder, not a file")
    if not os.path.isdir(os.path.dirname(os.path.realpath(text))):  # Path.resolve raises for links in a circle
        raise argparse.ArgumentTypeError(f"{text!r}: there is no such folder")
    try_output(text)
    return text


def new_folder(text):
    """An argument type: the path of a folder that can be written into, or made; it is tried."""
    try_output(Path(text) / "file")
    return text
