"""What every test gets."""

import signal

import pytest

from common.training import EXIT_STATUS

# A shell's `&` and nohup leave Ctrl-C ignored, and a child process would inherit that: the scripts that are tested with
# Ctrl-C would never hear it.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="also the tests that take minutes each")


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--long"):
        for item in items:
            if "long" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="takes minutes: pytest --long"))


@pytest.fixture(autouse=True)
def signal_handlers():
    """A script's main() called in this process must not keep Ctrl-C from ending the tests."""
    before = {number: signal.getsignal(number) for number in EXIT_STATUS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Chromium, for the tests of one file; they are skipped where there is none."""
    from tests.browser import CHROMIUM, Browser  # here: a student's copy of tests/exercise has no browser.py

    if CHROMIUM is None:
        pytest.skip("no chromium, chromium-browser or google-chrome on this machine")
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()
