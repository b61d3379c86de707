"""SIGTERM at random moments of a run whose evaluations take 30 s each: how soon is it saved, does it resume the same?

python tests/stops.py 20

Part 1's LSTM, two updates, an evaluation after each and one at the end, each in 30 pieces made to take a second. Prints
a line for each trial; ends with status 1 if one was saved later than after 5 seconds, or the resumed run is another.
"""

import random
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

if not __package__:  # run as `python tests/stops.py`: import from the checkout, not from tests/
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from tests.scripts import ROOT
from tests.test_faults import assert_same, fingerprint

CODE = f"""
import sys, time
sys.path.insert(0, {str(ROOT)!r})
from part1 import train
train.FINAL_EVALUATION, train.AT_ONCE, encode = 1_000, 680, train.encode
train.encode = lambda *args: time.sleep(1) or encode(*args)
train.main()
"""
FLAGS = "--model_type LSTM --input_length 20 --num_hidden 16 --batch_size 8 --train_steps 2 --eval_every 1".split()
SECONDS = 3 * 30 + 2  # of a run


def start(folder, *more):
    command = [sys.executable, "-c", CODE, *FLAGS, "--output_dir", str(folder), *more]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def trial(folder, number):
    """Seconds from the signal until a run is saved; it is resumed, and ends."""
    process = start(folder)
    while not (folder / "checkpoint.pt").exists():
        time.sleep(0.01)
    time.sleep(random.Random(number).uniform(0, SECONDS - 2))
    began, before = time.monotonic(), {path.stat().st_ino for path in folder.glob("checkpoint*.pt")}
    process.send_signal(signal.SIGTERM)
    while {path.stat().st_ino for path in folder.glob("checkpoint.pt")} <= before and process.poll() is None:
        time.sleep(0.01)
    seconds = time.monotonic() - began
    _, err = process.communicate()
    assert process.returncode == 143 and "saved in" in err and "Traceback" not in err, err
    assert start(folder, "--resume").wait() == 0
    return seconds


def main():
    trials, good = int(sys.argv[1]), 0
    with tempfile.TemporaryDirectory() as place, ThreadPoolExecutor(4) as pool:
        folders = [Path(place, str(number)) for number in range(trials)]
        stopped = pool.map(trial, folders, range(trials))
        whole = Path(place, "whole")
        assert start(whole).wait() == 0
        for number, seconds in enumerate(stopped):
            assert_same(fingerprint(folders[number]), fingerprint(whole))
            good += seconds < 5
            print(f"trial {number}: saved after {seconds:.2f} s, resumed as the unbroken one", flush=True)
    print(f"{good} of {trials}")
    sys.exit(good < trials)


if __name__ == "__main__":
    main()
