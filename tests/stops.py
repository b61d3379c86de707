"""SIGTERM at random moments of a run whose evaluations are long: how soon is it saved, and is the resumed run the same?

python tests/stops.py --trials 20 --input_length 3500      # an evaluation of some ten CPU-seconds, three in a run

Part 1's LSTM, two updates, an evaluation after each and one at the end, all of 1,000 palindromes. Prints a line for
each trial; ends with status 1 if one was saved later than after 5 seconds, or ended otherwise than the unbroken run.
"""

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

if not __package__:  # run as `python tests/stops.py`: import from the checkout, not from tests/
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from tests.scripts import ROOT
from tests.test_faults import assert_same, fingerprint

CODE = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from part1 import train
train.FINAL_EVALUATION = 1_000
train.main()
"""


def start(folder, length, *more):
    flags = ["--model_type", "LSTM", "--input_length", length, "--batch_size", 8, "--train_steps", 2, "--eval_every", 1]
    command = [sys.executable, "-c", CODE, *flags, "--output_dir", folder, *more]
    return subprocess.Popen([*map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--input_length", type=int, default=3500)
    config = parser.parse_args()
    good = 0
    with tempfile.TemporaryDirectory() as place:
        began = time.monotonic()
        whole = Path(place, "whole")
        assert start(whole, config.input_length).wait() == 0
        seconds = time.monotonic() - began
        print(f"unbroken: {seconds:.0f} s", flush=True)
        for trial in range(config.trials):
            folder = Path(place, str(trial))
            process = start(folder, config.input_length)
            while not (folder / "checkpoint.pt").exists():
                time.sleep(0.01)
            time.sleep(random.Random(trial).uniform(0, 0.9 * seconds))
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate()
            waited, status = time.monotonic() - began, process.returncode
            assert status in (0, 143) and "Traceback" not in err, err
            same = "not stopped, had ended"
            if status == 143:
                assert start(folder, config.input_length, "--resume").wait() == 0
                assert_same(fingerprint(folder), fingerprint(whole))
                same = "the resumed run is that of the unbroken one"
            good += waited < 5 and status == 143
            print(f"trial {trial}: saved after {waited:.2f} s, {same}", flush=True)
    print(f"{good} of {config.trials}")
    sys.exit(good < config.trials)


if __name__ == "__main__":
    main()
