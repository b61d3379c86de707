"""The steps: every figure and table, its command at both scales, from the table in steps.yaml.

{out} in a command is the output folder; what is trained there lies in {out}/partN/trained.
"""

import re
import shlex
from fnmatch import fnmatch
from pathlib import Path

import yaml

from common.arguments import with_flags
from reproduce.runner import Step

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("part1", "part2", "part3", "report")


def read_yaml(name):
    """What a YAML file beside this one holds, with its `words` put in where the file has {word}."""
    text = (Path(__file__).parent / name).read_text(encoding="utf-8")
    for word, meant in yaml.safe_load(text).get("words", {}).items():
        text = text.replace(f"{{{word}}}", str(meant))
    return yaml.safe_load(text)


TABLE = read_yaml("steps.yaml")


class Table:
    """The steps of one scale, in order: `made`, a list of Step."""

    def __init__(self, scale):
        self.quick, self.made = scale == "quick", []

    def add(self, name, command, outputs, *scales, prints=None, **more):
        """A step that makes `outputs`, and `prints` of what it prints, in its part; scales: both, or quick, full."""
        if (flags_and_seconds := scales[0] if self.quick else scales[-1]) is None:
            return
        flags, seconds = flags_and_seconds
        outputs = [f"{name.split('/')[0]}/{output}" for output in [*outputs, *([prints] if prints else [])]]
        prints = outputs[-1] if prints else None
        words = with_flags(shlex.split(command), shlex.split(flags))
        self.made.append(Step(name, words, outputs, seconds=seconds, prints=prints, **more))

    def add_training(self, part, name, script, flags, result, *scales, **more):
        """A step that trains into a folder of its own and resumes there."""
        folder = f"trained/{name}"
        command = f"{script} --output_dir {{out}}/{part}/{folder} {flags}"
        self.add(f"{part}/{folder}", command, [f"{folder}/{result}"], *scales, folder=f"{part}/{folder}", **more)

    def add_tables(self, part, name, trained, files):
        """The step that collects what was trained into tables."""
        command = f"-m reproduce.collect {{out}}/{part}/{trained} {{out}}/{part}/{name}"
        inputs = self.made_by(f"{part}/{trained}/*")
        self.add(f"{part}/{name}", command, [f"{name}/{file}" for file in files], ("", 3), inputs=inputs)

    def made_by(self, *patterns):
        """The outputs of the steps whose names match one of these and that can be done here."""
        steps = [step for step in self.made if not step.blocked_by and any(fnmatch(step.name, p) for p in patterns)]
        return [output for step in steps for output in step.outputs]


def steps(scale):
    """The steps of a scale, "quick" or "full": a list of Step, each after those whose outputs it reads."""
    table = Table(scale)
    for name, (flags, *scales) in TABLE["sweeps"].items():
        table.add_training("part1", name, "part1/sweep.py --workers 1", flags, "points.csv", *scales)
    for name in ("sweep", "memory"):
        table.add_tables("part1", name, f"trained/{name}", ["points.csv"])
    add_runs(table)
    add_books(table)
    add_experiments(table)
    for name, step in TABLE["others"].items():
        about = {key: step[key] for key in ("prints", "blocked_by") if key in step}
        inputs = table.made_by(*step.get("reads", []))
        about |= {"blocked_by": f"{step['reads'][0]} cannot be made"} if "reads" in step and not inputs else {}
        table.add(name, step["command"], step.get("makes", []), *step["scales"], inputs=inputs, **about)
    for script, scales in TABLE["benchmarks"].items():
        command, output = f"{script}.py --json {{out}}/{script}.json", f"{Path(script).name}.json"
        table.add(script, command, [output], *scales, alone=True)
    # The text with the numbers of results/; typeset with the figures made here if pandoc and LaTeX are there.
    command = ["reproduce", "--only", "report", "--output_dir", "{out}"]
    table.made.append(Step("report/report", command, ["report.md"], seconds=10, alone=True))
    return table.made


def add_runs(table):
    """Part 2's runs and their tables."""
    lines = (ROOT / "part2/runs.txt").read_text(encoding="utf-8")
    for name, seed, flags in re.findall(r"^--output_dir \S+/(\S+)_seed(\d+) (.*)$", lines, re.MULTILINE):
        (more, seeds, quick_seconds), seconds = TABLE["runs"].get(name, TABLE["runs"]["others"])
        scales = (more, quick_seconds) if int(seed) < seeds else None, ("", seconds)
        table.add_training("part2", f"{name}_seed{seed}", "part2/train.py --resume", flags, "result.json", *scales)
    table.add_tables("part2", "runs", "trained", ["runs.csv", "metrics.csv", "gate.csv"])


def add_books(table):
    """Part 3's runs, their tables and figures; what needs a text that is not there is blocked."""

    def missing(text):
        path = f"assets/{text}.txt"
        reason = f"{path} is not there: with a network, python assets/download.py {text}"
        return None if (ROOT / path).exists() else reason

    for name, (text, flags, *scales) in TABLE["books"].items():
        more, seeds, seconds = scales[not table.quick] or ("", 0, 0)
        for seed in range(seeds):
            run, flags_of_seed = f"{name}_seed{seed}", f"--txt_file assets/{text}.txt --seed {seed} {flags}"
            script, scale, about = "part3/train.py --resume", (more, seconds), {"blocked_by": missing(text)}
            table.add_training("part3", run, script, flags_of_seed, "result.json", scale, **about)
    table.add_tables("part3", "runs", "trained", ["runs.csv", "metrics.csv", "samples.jsonl"])
    for book, (text, names, flags) in TABLE["figures"].items():
        command = f"part3/plot_training.py {{out}}/part3/runs --name {names} --output {{out}}/part3/{book}.png"
        more = {"inputs": table.made_by("part3/runs"), "prints": f"{book}.md", "blocked_by": missing(text)}
        table.add(f"part3/plot_{book}", command, [f"{book}.png"], (flags, 4), **more)


def add_experiments(table):
    """Each experiment with its figures, if it has some of its own."""
    for script, (quick, full, tables, figures) in TABLE["experiments"].items():
        part, *_, name = script.split("/")
        table.add(f"{part}/{name}", f"{script}.py --output_dir {{out}}/{part}", tables, quick, full)
        if not figures:
            continue
        source = f"--csv_dir {{out}}/{part}" if part == "part1" else f"--csv {{out}}/{part}/{tables[0]}"
        command = f"{script.removesuffix(name)}plot_{name}.py {source} --output_dir {{out}}/{part}"
        table.add(f"{part}/plot_{name}", command, figures, ("", 3), inputs=[f"{part}/{file}" for file in tables])
