"""A reader that leaves is no error of the script that prints for it."""

import pytest

from tests.scripts import start


@pytest.mark.parametrize(
    "command",
    [
        ("reproduce", "--full", "--list"),
        pytest.param(("part3/generate.py", "--length", 100_000), marks=pytest.mark.long),
        ("part3/generate.py", "--length", 1_200, "--num_samples", 100),
    ],
)
def test_a_reader_that_leaves_ends_it_without_a_word(command):
    process = start(*command, fresh=True)
    assert process.stdout.read(20)
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(timeout=60) == 0
