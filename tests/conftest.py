"""What every test gets."""

import signal

import pytest

from common.stop import EXIT_STATUS


@pytest.fixture(autouse=True)
def signal_handlers():
    """A script's main() called in this process must not keep Ctrl-C from ending the tests."""
    before = {number: signal.getsignal(number) for number in EXIT_STATUS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
