"""The .sbatch files without SLURM: which command they start."""

import os
import subprocess

import pytest

from tests.scripts import ROOT

TASK = {"SLURM_ARRAY_TASK_ID": "1", "SLURM_ARRAY_TASK_COUNT": "3", "SLURM_ARRAY_TASK_MAX": "2"}
TASK |= {"SLURM_ARRAY_JOB_ID": "7", "SLURM_CPUS_PER_TASK": "2", "SLURM_JOB_ID": "9"}


@pytest.mark.parametrize(
    "script, given, own",
    [
        ("part1/sweep.sbatch", ["--shard", "0/9", "--workers=5"], ["--shard", "1/3", "--workers", "2"]),
        (
            "part2/train.sbatch",
            ["--seed=3", "--output_dir", "a folder", "--resume"],
            ["--seed", "1", "--output_dir", "results/part2/job_run7_1", "--resume"],
        ),
    ],
)
def test_a_flag_that_is_given_takes_the_place_of_the_job_scripts_own(tmp_path, script, given, own):
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    python.chmod(0o755)
    for flags, expected in (([], own), (given, given)):
        command = ["bash", script, "--input_length", "5", *flags]
        env = {**os.environ, **TASK, "PYTHON": str(python)}
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
        assert done.stdout.splitlines() == [script.replace(".sbatch", ".py"), "--input_length", "5", *expected]
