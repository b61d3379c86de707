"""common/files.py and others that write text: UTF-8, whatever the locale."""

import os
import subprocess
import sys

from tests.scripts import ROOT

ASCII_LOCALE = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "OMP_NUM_THREADS": "1"}


def in_ascii_locale(code):
    """What Python code prints where the locale's encoding is ASCII."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, env=ASCII_LOCALE, capture_output=True, text=True, check=True).stdout


def test_a_line_is_appended_as_utf_8(tmp_path):
    in_ascii_locale(f"from common.files import append_line; append_line({str(tmp_path / 'a')!r}, 'na\\u00efve')")
    assert (tmp_path / "a").read_bytes() == "naïve\n".encode()


FAILING_STEP = """
from pathlib import Path
from reproduce.runner import Step, run_steps
folder = Path({folder!r})
child = "import sys; sys.stderr.buffer.write(bytes([0xC3, 0x9F])); sys.exit(1)"
with open(folder / "lock", "w") as lock:
    print(ascii(run_steps(folder, folder, [Step("s", ["-c", child], [])], 1, False, lock)))
"""


def test_a_log_is_read_as_utf_8(tmp_path):
    assert in_ascii_locale(FAILING_STEP.format(folder=str(tmp_path))) == ascii({"s": "ß"}) + "\n"
