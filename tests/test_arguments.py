"""common/arguments.py: argument types, errors in one line, settings, and the command that gives them again."""

import argparse
import shlex

import pytest

from common.arguments import Parser, number_between, positive_number, whole_number

SHARE = number_between(0, 1, include_high=True)


@pytest.mark.parametrize(
    "parse, texts, allowed",
    [
        (whole_number(1, 7), ["0", "-1", "1.5", "1e6", "nan", "inf", "ten", "", "8", "1_0 0"], "from 1 to 7"),
        (positive_number, ["0", "-1", "nan", "inf", "-inf", "1e308", "fast", ""], "number above 0 and below 1e"),
        (SHARE, ["0", "1.1", "-1", "nan", "inf", "x"], "above 0 to 1"),
    ],
)
def test_an_argument_type_refuses_and_names_the_value_and_the_range(parse, texts, allowed):
    for text in texts:
        with pytest.raises(argparse.ArgumentTypeError, match=allowed) as caught:
            parse(text)
        assert repr(text) in str(caught.value)


def test_an_argument_type_takes_its_ends():
    assert [whole_number(1, 7)(text) for text in ("1", "7")] == [1, 7]
    assert [positive_number(text) for text in ("1e-300", "3e8")] == [1e-300, 3e8]
    assert SHARE("1") == 1 and number_between(0, 1, include_low=True)("0") == 0


def test_parser_fails_in_one_line_with_status_2(capsys):
    parser = Parser("something")
    parser.add_argument("--size", type=whole_number(1, 3))
    with pytest.raises(SystemExit) as caught:
        parser.parse_args(["--size", "x\ny"])
    captured = capsys.readouterr()
    assert caught.value.code == 2 and captured.out == ""
    assert captured.err.count("\n") == 1 and "--size" in captured.err and "from 1 to 3" in captured.err


def test_parser_takes_no_abbreviations():
    parser = Parser("something")
    parser.add_argument("--learning_rate")
    with pytest.raises(SystemExit):
        parser.parse_args(["--learning", "1"])


def test_settings_are_the_defaults_with_changes():
    parser = Parser("something")
    parser.add_argument("--size", type=int, default=3)
    parser.add_argument("--fast", action="store_true")
    assert vars(parser.settings(size=4)) == {"size": 4, "fast": False}
    with pytest.raises(TypeError, match="speed"):
        parser.settings(speed=1)


def test_command_gives_the_same_settings_again():
    parser = Parser("something")
    parser.add_argument("--size", type=int, default=3)
    parser.add_argument("--name", default=None)
    parser.add_argument("--fast", action="store_true")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    config = parser.parse_args(["--size", "4", "--seeds", "1", "2"])
    command = parser.command(config, name="a folder", fast=True)
    again = parser.parse_args(shlex.split(command)[2:])
    assert vars(again) == {"size": 4, "name": "a folder", "fast": True, "seeds": [1, 2]}
