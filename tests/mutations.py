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
PART1, PART2, PART3 = (f"tests/fast/test_part{n}_loop.py" for n in (1, 2, 3))
CLIP = "grad_norm = nn.utils.clip_grad_norm_(model.parameters(), max_norm)"
# What is changed: {name: (file, its line, what stands there instead, the tests that are to fail)}.
MUTATIONS = {
    "part 1 and 2: no clipping": (
        "part1/train.py",
        CLIP,
        "grad_norm = nn.utils.get_total_norm(model.parameters())",
        [PART1, PART2],
    ),
    "part 3: no clipping": (
        "part3/train.py",
        CLIP,
        "grad_norm = nn.utils.get_total_norm(model.parameters())",
        [PART3],
    ),
    "part 1: the gradient is never set back": ("part1/train.py", "optimizer.zero_grad()", "pass", [PART1]),
    "part 1: the streak is never reset": (
        "part1/train.py",
        'solved = solved + 1 if score["accuracy"] >= CONVERGED else 0',
        'solved = solved + (score["accuracy"] >= CONVERGED)',
        [PART1],
    ),
    "part 2: the streak is never reset": (
        "part2/train.py",
        "solved = solved + 1 if accuracy >= CONVERGED else 0",
        "solved = solved + (accuracy >= CONVERGED)",
        [PART2],
    ),
    "the curriculum grows on its short half": (
        "part1/train.py",
        "training_set.grow(losses[-1].item())",
        "training_set.grow(losses[0].item())",
        [PART1],
    ),
    "part 1: evaluated on training palindromes": (
        "part1/train.py",
        "held_out_set = PalindromeDataset(config.input_length + 1, config.seed, held_out=True)",
        "held_out_set = PalindromeDataset(config.input_length + 1, config.seed)",
        [PART1],
    ),
    "part 1: longer lengths tested on training palindromes": (
        "part1/sweep.py",
        "PalindromeDataset(length + 1, point.seed, held_out=True)",
        "PalindromeDataset(length + 1, point.seed)",
        [PART1],
    ),
    "part 2: evaluated on its training stream": (
        "part2/train.py",
        "held_out_set = TASKS[config.task](config, True)",
        "held_out_set = TASKS[config.task](config, False)",
        [PART2],
    ),
    "part 2: longer lengths tested on the training stream": (
        "part2/train.py",
        "TASKS[config.task](longer, True)",
        "TASKS[config.task](longer, False)",
        [PART2],
    ),
    "part 1: the clock runs while it evaluates": (
        "part1/train.py",
        "with clock.paused():",
        "if True:",
        [PART1],
    ),
    "part 2: the clock runs while it evaluates": ("part2/train.py", "with clock.paused():", "if True:", [PART2]),
    "part 2: time counted in another unit": ("part2/train.py", "TIME_UNIT = 100", "TIME_UNIT = 1", [PART2]),
    "part 3: evaluation forgets the state between chunks": (
        "part3/evaluation.py",
        "model(x, state)",
        "model(x, None)",
        [PART3],
    ),
    "part 3: streams forget the state between batches": (
        "part3/train.py",
        'predict(inputs, values["state"] if carried else None)',
        "predict(inputs, None)",
        [PART3],
    ),
    "weights that are not finite are saved": (
        "common/training.py",
        "if not math.isfinite(length):",
        "if False:",
        [PART1],
    ),
}


def copy_checkout(folder):
    """The files of the checkout that tests need, in a folder of their own."""
    for name in ("assets", "common", "part1", "part2", "part3", "reproduce", "results", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*_run[0-9]*"))
    for path in ROOT.glob("*.toml"):
        shutil.copy(path, folder)


def try_mutation(folder, path, line, instead, tests):
    """Whether every one of the tests' files fails with the line changed: one line that says so. Puts the line back."""
    before = (folder / path).read_text(encoding="utf-8")
    if line not in before:
        return "NOT TRIED: the line is not there any more"
    (folder / path).write_text(before.replace(line, instead), encoding="utf-8")
    try:
        for test in tests:
            command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", test]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
            if done.returncode != 1:  # 0: all passed; 2 to 5: pytest could not run them
                return f"NOT NOTICED by {test}: {(done.stdout + done.stderr).strip().splitlines()[-1]}"
    finally:
        (folder / path).write_text(before, encoding="utf-8")
    return "noticed"


def main():
    chosen = {name: m for name, m in MUTATIONS.items() if not sys.argv[1:] or any(w in name for w in sys.argv[1:])}
    outcomes = {}
    with tempfile.TemporaryDirectory() as folder:
        copy_checkout(Path(folder))
        for name, mutation in chosen.items():
            outcomes[name] = try_mutation(Path(folder), *mutation)
            print(f"{name}: {outcomes[name]}", flush=True)
    noticed = sum(outcome == "noticed" for outcome in outcomes.values())
    print(f"{noticed} of {len(chosen)} changes were noticed")
    sys.exit(noticed < len(chosen))


if __name__ == "__main__":
    main()
