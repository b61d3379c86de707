"""--help of every script: a phrase for every flag, examples that it takes, defaults as one would type them."""

import re
import shlex
import sys

import pytest

from part1 import train
from tests.scripts import ROOT
from tests.test_fuzz import SCRIPTS, parser_of

FRAGMENTS = ("of ", "and ", "or ", "for ", "to ", "in ", "at ", "where ")


@pytest.fixture
def parser(request, monkeypatch):
    monkeypatch.setattr("sys.argv", ["script"])
    monkeypatch.setattr("sys.path", [*sys.path])
    with parser_of(monkeypatch, request.param) as parser:
        yield parser


@pytest.mark.parametrize("script, parser", [(script, script) for script in SCRIPTS], indirect=["parser"])
def test_help_has_a_phrase_for_every_flag_and_an_example_and_can_be_typed(script, parser):
    for action in parser._actions:
        words = action.help or ""
        assert len(words.split()) > 1 and not words.startswith(FRAGMENTS), f"{action.dest}: {words!r} is no phrase"
    text = parser.format_help()
    assert str(ROOT) not in text and not re.search(r"default: (?:None|True|False|[(\[])", text)
    examples = [shlex.split(line, comments=True) for line in text.splitlines() if line.startswith("  python ")]
    own = [words[words.index(script) :] for words in examples if script in words]
    assert own, "an example starts it from the checkout"
    known = {*parser._option_string_actions, *train.build_parser()._option_string_actions}  # a sweep takes these too
    assert not {word for words in own for word in words if word.startswith("--")} - known
