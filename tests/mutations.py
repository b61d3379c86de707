"""Does a test fail when the line that it protects is changed? Each change in a copy of the checkout, one at a time.

python tests/mutations.py               # all, a few minutes
python tests/mutations.py clip streak   # those whose names hold one of the words

Prints a line for each change; ends with status 1 if the tests passed with one of them.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# What is changed: name, parts whose tests/fast/test_part*_loop.py are to fail, file, words of its code, words instead.
MUTATIONS = [
    ("no clipping, parts 1 and 2", "12", "part1/train.py", "parameters(), max_norm)", "parameters(), 1e9)"),
    ("no clipping, part 3", "3", "part3/train.py", "parameters(), max_norm)", "parameters(), 1e9)"),
    ("the gradient is never set back", "1", "part1/train.py", "optimizer.zero_grad()", "pass"),
    ("part 1: the streak is never reset", "1", "part1/train.py", "CONVERGED else 0", "CONVERGED else solved"),
    ("part 2: the streak is never reset", "2", "part2/train.py", "CONVERGED else 0", "CONVERGED else solved"),
    ("the curriculum grows on its short half", "1", "part1/train.py", "losses[-1].item()", "losses[0].item()"),
    ("part 1: evaluated on training palindromes", "1", "part1/train.py", "seed, held_out=True)", "seed)"),
    ("part 1: longer ones of training palindromes", "1", "part1/sweep.py", "seed, held_out=True)", "seed)"),
    ("part 2: evaluated on its training stream", "2", "part2/train.py", "(config, True)", "(config, False)"),
    ("part 2: longer ones of the training stream", "2", "part2/train.py", "(longer, True)", "(longer, False)"),
    ("part 1: the clock runs in evaluation", "1", "part1/train.py", "with clock.paused():", "if True:"),
    ("part 2: the clock runs in evaluation", "2", "part2/train.py", "with clock.paused():", "if True:"),
    ("part 2: time counted in another unit", "2", "part2/train.py", "TIME_UNIT = 100", "TIME_UNIT = 1"),
    ("part 3: evaluation forgets the state", "3", "part3/evaluation.py", "to(device), state)", "to(device), None)"),
    ("part 3: streams forget the state", "3", "part3/train.py", "state if carried else None", "None"),
    ("part 1: an evaluation is deaf", "1", "part1/train.py", "config.input_dim, stop)", "config.input_dim)"),
    (
        "part 1: an interrupted one is not made again",
        "1",
        "part1/train.py",
        '"evaluated", "solved", "last"))',
        '"step", "solved", "last"))',
    ),
    ("part 2: its stream goes on after a stop", "2", "part2/train.py", "task.load_state_dict(before)", "pass"),
    ("part 3: an interrupted one is not made again", "3", "part3/train.py", 'saved["evaluated"]', 'saved["step"]'),
    ("weights not finite are saved", "1", "common/training.py", "if not math.isfinite(length):", "if False:"),
]


def copy_checkout(folder):
    """The files of the checkout that tests need, in a folder of their own."""
    for name in ("assets", "common", "part1", "part2", "part3", "reproduce", "results", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*_run[0-9]*"))
    for path in ROOT.glob("*.toml"):
        shutil.copy(path, folder)


def try_mutation(folder, parts, path, words, instead):
    """Whether the tests of each part fail with the words changed: one line that says so. Puts the words back."""
    before = (folder / path).read_text(encoding="utf-8")
    if words not in before:
        return "NOT TRIED: the words are not there any more"
    (folder / path).write_text(before.replace(words, instead), encoding="utf-8")
    try:
        for test in (f"tests/fast/test_part{part}_loop.py" for part in parts):
            command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", test]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
            if done.returncode != 1:  # 0: all passed; 2 to 5: pytest could not run them
                return f"NOT NOTICED by {test}: {(done.stdout + done.stderr).strip().splitlines()[-1]}"
    finally:
        (folder / path).write_text(before, encoding="utf-8")
    return "noticed"


def main():
    chosen = [m for m in MUTATIONS if not sys.argv[1:] or any(word in m[0] for word in sys.argv[1:])]
    noticed = 0
    with tempfile.TemporaryDirectory() as folder:
        copy_checkout(Path(folder))
        for name, *mutation in chosen:
            outcome = try_mutation(Path(folder), *mutation)
            noticed += outcome == "noticed"
            print(f"{name}: {outcome}", flush=True)
    print(f"{noticed} of {len(chosen)} changes were noticed")
    sys.exit(noticed < len(chosen))


if __name__ == "__main__":
    main()
