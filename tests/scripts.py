"""Start the project's scripts as a user would: real processes, another working directory."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def start(script, *args, **popen):
    """Start `python SCRIPT ARGS` from outside the checkout; returns the Popen, output piped as text."""
    command = [sys.executable, str(ROOT / script), *map(str, args)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}  # several small processes at once: a thread each
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": os.sep, "env": environment}
    options.update(popen)
    return subprocess.Popen(command, **options)


def run(script, *args, timeout=300, **popen):
    """Run a script to its end; returns exit status, standard output, standard error."""
    process = start(script, *args, **popen)
    try:
        out, err = process.communicate(timeout=timeout)
    finally:
        process.kill()
    return process.returncode, out, err
