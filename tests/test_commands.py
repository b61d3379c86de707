"""Every command on README.md and the pages of docs/ is run here at small scale, is run elsewhere, or is not, and why.

A command is a line of code, or code in a sentence, that begins with a program and has more words. Those of the scripts
in SMALL are run, each page's in order, in a folder that looks like a checkout; all others are listed by their whole
text. So a command that is new on a page is run, or fails a test until it is listed.
"""

import re
import shlex

import pytest

from common.arguments import with_flags
from tests.scripts import ROOT, run

PAGES = ["README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))]
PROGRAMS = "python python3 .venv/bin/python uv pip time srun torchrun sbatch squeue scancel scontrol tail".split()

# Script: flags that a command's own win over, and flags that win over its own and make it small.
FOLDER = "--output_dir made{n}"
SMALL = {
    "part1/train.py": (FOLDER, "--input_length 4 --num_hidden 8 --train_steps 1"),
    "part2/train.py": (FOLDER, "--input_length 4 --num_hidden 4 --train_steps 1"),
    "part3/train.py": (FOLDER, "--lstm_num_hidden 8 --train_steps 1"),
    "part3/generate.py": ("", "--length 30"),
    "part3/ngram.py": ("", "--order 2"),
    "part3/novelty.py": ("", ""),
    "part3/playground.py": ("", ""),
    "part3/score.py": ("", "--val_fraction 0.01"),
    "tests/exercise/make.py": ("", ""),
}

SUITE, CLUSTER, RANKS = ".ci/run", "tests/test_cluster.py", "tests/test_part3_benchmark_ranks.py"
INSTALL = "python3 -m venv .venv && .venv/bin/pip install -r requirements"
ON_SLURM = "sbatch part3/train.sbatch --txt_file assets/book.txt"
ELSEWHERE = {  # command: the file that runs it, mostly at small scale, and words that stand where it does
    f"{INSTALL}.txt && .venv/bin/python part1/train.py --model_type LSTM --input_length 10": (
        SUITE,
        "part1/train.py --m",
    ),
    f"{INSTALL}-dev.txt && .venv/bin/python -m pytest -n 2": (SUITE, "-m pytest -n 2"),
    f"{INSTALL}.txt": (SUITE, "part1/train.py --m"),
    "python -m pytest": (SUITE, "-m pytest -n 2"),
    "python -m pytest tests/test_cluster.py": (SUITE, "-m pytest -n 2"),
    "python -m pytest tests/test_faults.py tests/test_checkpoint.py tests/test_points.py tests/test_part1_sweep.py": (
        SUITE,
        "-m pytest -n 2",
    ),
    "FUZZ=2000 python -m pytest tests/test_fuzz.py": (SUITE, "-m pytest -n 2"),
    "python -m pytest tests/exercise": ("tests/test_exercise.py", '["tests/exercise"'),
    "python reproduce": ("tests/test_reproduce.py", '"--quick", "--output_dir"'),
    "python reproduce --quick": ("tests/test_reproduce.py", '"--quick", "--output_dir"'),
    "python reproduce --full": (SUITE, "reproduce --full --list"),
    "python reproduce --only report": (SUITE, "reproduce --quick --only report"),
    "python submit.py --lastname jansen": ("tests/test_submit.py", '"--lastname", "jansen"'),
    "python part1/sweep.py --input_length 4 7 10 --input_dim 1 10 --seed 0 1 2": (SUITE, "part1/sweep.py --input_l"),
    "python part1/sweep.py --input_length 4 10 19 --input_dim 10 --seed 0 1 --output_dir my_sweep": (
        SUITE,
        "part1/sweep.py --input_l",
    ),
    "python part1/plot_accuracy.py --sweep_dir my_sweep --output_dir my_sweep": (
        SUITE,
        "part1/plot_accuracy.py --sweep_dir",
    ),
    "python part1/plot_accuracy.py": (SUITE, "part1/plot_accuracy.py part1"),
    "python part1/experiments/length_tested.py": ("tests/test_part1_gates.py", '"length_tested": "--'),
    "python part1/benchmark.py --rounds 40": ("tests/test_part1_benchmark.py", '"--rounds", 3'),
    "python part2/plot_gate.py": ("tests/test_part2_plot_gate.py", 'run("part2/plot_gate.py"'),
    "python part2/benchmark.py --rounds 10": ("tests/test_part2_experiments.py", '"--rounds", 3'),
    "python part3/leaderboard.py my_runs --output_dir my_runs": (
        "tests/test_part3_leaderboard.py",
        "call(leaderboard.main",
    ),
    "python part3/benchmark.py --rounds 40": ("tests/test_part3_benchmark.py", '"--rounds", 3'),
    "python part3/benchmark_ranks.py --rounds 15": (RANKS, '"--rounds", 3'),
    "python part3/benchmark_ranks.py --rounds 8 --steps 4 --lstm_num_hidden 512": (RANKS, '"--steps", 2'),
    "python part3/benchmark_ranks.py --rounds 8 --steps 4 --batch_size 256": (RANKS, '"--steps", 2'),
    ".venv/bin/python part3/plot_training.py results/part3/cluster --output results/part3/cluster.png": (
        "tests/test_part3_plot_training.py",
        'run("part3/plot_training.py"',
    ),
    # In a SLURM that the tests start where it is installed, as .ci/run sees to.
    "job=$(sbatch --parsable --array=0-15 part1/sweep.sbatch --input_length 4 7 10 --seed 0 1 2)": (
        CLUSTER,
        "part1/sweep",
    ),
    "sbatch --dependency=afterok:$job --kill-on-invalid-dep=yes part1/sweep.sbatch figure": (CLUSTER, "--kill-on-inv"),
    "sbatch --array=0-2 part2/train.sbatch --input_length 100 --log_tau 1 6": (CLUSTER, "part2/train.sbatch"),
    ON_SLURM: (CLUSTER, "part3/train.sbatch"),
    f"{ON_SLURM} --output_dir results/part3/cluster": (CLUSTER, "part3/train.sbatch"),
    f"{ON_SLURM} --output_dir results/part3/job_run123": (CLUSTER, "part3/train.sbatch"),
    f"LAUNCHER=torchrun {ON_SLURM}".replace("sbatch ", "sbatch --nodes=2 ", 1): (CLUSTER, "LAUNCHER=launcher"),
    "scancel 123": (CLUSTER, '"scancel", job.number'),
    "scontrol requeue 123": (CLUSTER, "scontrol requeue {job}"),
}
GPUS, NAMED = "needs GPUs", "a part of a command, named for what it does"
NOT_RUN = {  # command: why
    "uv run part1/train.py --model_type LSTM --input_length 10": "needs uv, which downloads a second torch",
    "python assets/download.py grimm": "needs a network; tests/test_assets_download.py imitates it",
    "pip install tensorboard": "a download for one flag; tests/test_part3_train.py has a stand-in",
    ON_SLURM.replace("sbatch", "sbatch --gpus-per-node=1", 1): GPUS,
    ON_SLURM.replace("sbatch", "sbatch --gpus-per-node=4 --ntasks-per-node=4", 1): GPUS,
    ON_SLURM.replace("sbatch", "sbatch --nodes=2 --gpus-per-node=4 --ntasks-per-node=4", 1): GPUS,
    "python part3/benchmark.py --device cuda": GPUS,
    "python part1/train.py --model_type LSTM --input_length 50 --train_steps 40 --eval_every 20 --device cuda": GPUS,
    "python part3/score.py --txt_file assets/book.txt --val_fraction 0.1 --device cuda": GPUS,
    "python tests/slurm_cluster.py bash": "a shell for a person; tests/test_cluster.py starts the same cluster",
    "python tests/stops.py 20": "twenty runs of minutes that mostly sleep",
    "squeue --me": "SLURM's own list, for a person",
    "tail -f train-123.out": "a job's log, for a person",
    "pip install": NAMED,
    "RUNS=FOLDER sbatch ...": NAMED,
    "PYTHON=/elsewhere/python sbatch ...": NAMED,
    "sbatch --wait": NAMED,
    "scontrol requeue": NAMED,
    "srun --kill-on-bad-exit=1": NAMED,
    "srun --kill-on-bad-exit=1 ... &": NAMED,
}


def commands_of(page):
    """The commands of a page, in order, each on one line and without its comment."""
    text = (ROOT / page).read_text(encoding="utf-8")
    fenced = r"(?ms)^ *```\w*\n(.*?)^ *```$"
    code = [line for block in re.findall(fenced, text) for line in block.splitlines()]
    code += re.findall(r"`([^`]+)`", re.sub(fenced, "", text))
    lines = (" ".join(re.sub(r"\s#.*", "", part).split()) for part in code)
    return [line for line in lines if is_command(line)]


def is_command(line):
    """Whether a line begins with a program, after variables that are set for it, and has more words."""
    program, *more = re.sub(r"^(?:\w+=\$\(|(?:[A-Z]+=\S+ )*)", "", line).split() or [""]
    return bool(more) and program.removeprefix("/usr/bin/") in PROGRAMS


def scripts_of(command):
    """[(script, its flags)] of a command of SMALL's scripts, several if it has pipes; [] of any other."""
    programs = [shlex.split(program) for program in command.split(" | ")]
    ours = all(words[0] == "python" and words[1] in SMALL for words in programs)
    return [(words[1], words[2:]) for words in programs] if ours else []


COMMANDS = list(dict.fromkeys(command for page in PAGES for command in commands_of(page)))
LISTED = {**ELSEWHERE, **NOT_RUN}
HERE = [command for command in COMMANDS if command not in LISTED]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_run_or_listed(command):
    assert command in LISTED or scripts_of(command), "run it in a test at small scale, or list it here with the reason"


def test_what_is_listed_is_on_a_page_and_run_where_it_says():
    assert len(COMMANDS) > 70 and not LISTED.keys() - {*COMMANDS} and not ELSEWHERE.keys() & NOT_RUN.keys()
    for command, (file, words) in ELSEWHERE.items():
        assert words in (ROOT / file).read_text(encoding="utf-8"), f"{file} does not run {command}"


@pytest.mark.long
@pytest.mark.parametrize("part", sorted({script.split("/")[0] for script in SMALL}))
def test_the_commands_work_in_their_order(tmp_path, part):
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for name in ("assets", "common", "part1", "part2", "part3", "tests"):
        (checkout / name).symlink_to(ROOT / name)
    for n, command in enumerate(HERE):
        piped = {}
        for script, flags in scripts_of(command) if f"{part}/" in command else ():
            before, after = (flags.format(n=n).split() for flags in SMALL[script])
            words = with_flags(with_flags(before, flags), after)
            status, out, err = run(script, *words, cwd=checkout, **piped)
            assert status == 0, f"{command}: {err}"
            (tmp_path / "piped").write_text(out)
            piped = {"stdin": open(tmp_path / "piped")}
