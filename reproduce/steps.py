"""The steps: every figure and table, its command at both scales, from the table in steps.yaml.

{out} in a command is the output folder; what is trained there lies in {out}/partN/trained.
"""

import re
import shlex
from pathlib import Path

import yaml

from common.arguments import with_flags
from reproduce.runner import Step

ROOT = Path(__file__).resolve().parents[1]
PICTURE = "a picture of a page, taken in a browser"  # why it is not made here
PARTS = ("part1", "part2", "part3", "report")


def read_yaml(name):
    """What a YAML file beside this one holds, with its `words` put in where a text has {word}."""
    content = yaml.safe_load((Path(__file__).parent / name).read_text(encoding="utf-8"))
    words = {"out": "{out}", **content.pop("words", {})}

    def filled(value):
        if isinstance(value, dict):
            return {key: filled(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [filled(inner) for inner in value]
        return value.format(**words) if isinstance(value, str) else value

    return filled(content)


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
        """The step that collects what was trained into tables; returns the tables."""
        command = f"-m reproduce.collect {{out}}/{part}/{trained} {{out}}/{part}/{name}"
        inputs = self.made_by(f"{part}/{trained}/")
        self.add(f"{part}/{name}", command, [f"{name}/{file}" for file in files], ("", 3), inputs=inputs)
        return self.made_by(f"{part}/{name}")

    def made_by(self, *beginnings):
        """The outputs of the steps whose names begin so and that can be done here."""
        steps = [step for step in self.made if step.name.startswith(beginnings) and not step.blocked_by]
        return [output for step in steps for output in step.outputs]


def steps(scale):
    """The steps of a scale, "quick" or "full": a list of Step, each after those whose outputs it reads."""
    table = Table(scale)
    add_sweeps(table)
    add_runs(table)
    add_books(table)
    add_experiments(table)
    for script, scales in TABLE["benchmarks"].items():
        table.add(
            script, f"{script}.py --json {{out}}/{script}.json", [f"{Path(script).name}.json"], *scales, alone=True
        )
    # The text with the numbers of results/; typeset with the figures made here if pandoc and LaTeX are there.
    command = ["reproduce", "--only", "report", "--output_dir", "{out}"]
    table.made.append(Step("report/report", command, ["report.md"], seconds=10, alone=True))
    return table.made


def add_sweeps(table):
    for name, (flags, *scales) in TABLE["sweeps"].items():
        table.add_training("part1", name, "part1/sweep.py --workers 1", flags, "points.csv", *scales)
    points = table.add_tables("part1", "sweep", "trained/sweep", ["points.csv"])
    table.add_tables("part1", "memory", "trained/memory", ["points.csv"])
    command = "part1/plot_accuracy.py --sweep_dir {out}/part1/sweep --output_dir {out}/part1"
    figures = ["accuracy.png", "accuracy_inits.png"]
    table.add("part1/plot_accuracy", command, figures, ("", 4), inputs=points, prints="accuracy.md")


def add_runs(table):
    lines = (ROOT / "part2/runs.txt").read_text(encoding="utf-8")
    runs = re.findall(r"^--output_dir \S+/(\S+)_seed(\d+) (.*)$", lines, re.MULTILINE)
    for name, seed, flags in runs:
        (more, seeds, quick_seconds), seconds = TABLE["runs"].get(name, TABLE["runs"]["others"])
        scales = (more, quick_seconds) if int(seed) < seeds else None, ("", seconds)
        table.add_training("part2", f"{name}_seed{seed}", "part2/train.py --resume", flags, "result.json", *scales)
    tables = table.add_tables("part2", "runs", "trained", ["runs.csv", "metrics.csv", "gate.csv"])
    command = "part2/plot_training.py --runs_dir {out}/part2/runs --output_dir {out}/part2"
    table.add("part2/plot_training", command, ["training.png"], ("", 4), inputs=tables, prints="training.md")
    script, one = "part2/experiments/learned_gate.py", "--run palindromes100_gated_seed0"
    command = f"{script} --runs_dir {{out}}/part2/runs --output {{out}}/part2/learned_gate.png"
    table.add("part2/learned_gate", command, ["learned_gate.png"], (one, 3), ("", 3), inputs=tables)
    scales = ("--dead_units 5000", 3), ("--dead_units 100000", 55)
    table.add("part2/dead_units", script, [], *scales, prints="dead_units.md")
    table.add("part2/plot_gate", "part2/plot_gate.py --output_dir {out}/part2", ["gate.png", "gate.pdf"], ("", 4))


def add_books(table):
    def missing(text):
        where = f"assets/{text}.txt"
        there = (ROOT / where).exists()
        return None if there else f"{where} is not there: with a network, python assets/download.py {text}"

    for name, (text, flags, *scales) in TABLE["books"].items():
        more, seeds, seconds = scales[not table.quick]
        for seed in range(seeds):
            run = name if name == "shakespeare_long" else f"{name}_seed{seed}"
            flags_of_seed = f"--txt_file assets/{text}.txt --seed {seed} {flags}"
            script, scale, reason = "part3/train.py --resume", (more, seconds), missing(text)
            table.add_training("part3", run, script, flags_of_seed, "result.json", scale, blocked_by=reason)
    tables = table.add_tables("part3", "runs", "trained", ["runs.csv", "metrics.csv", "samples.jsonl"])
    for book, (text, flags) in TABLE["figures"].items():
        command = f"part3/plot_training.py {{out}}/part3/runs --name {book}_ --output {{out}}/part3/{book}.png"
        more = {"inputs": tables, "prints": f"{book}.md", "blocked_by": missing(text)}
        table.add(f"part3/plot_{book}", command, [f"{book}.png"], (flags, 4), **more)

    checkpoint, model = best_book(table)
    for name, flags in TABLE["written"].items():
        command = f"part3/generate.py {checkpoint} {flags}"
        table.add(f"part3/write_{name}", command, [], ("", 4), inputs=model, prints=f"{name}.txt")
    command = "part3/novelty.py --txt_file assets/book.txt {out}/part3/sample.txt"
    table.add("part3/novelty", command, [], ("", 4), inputs=["part3/sample.txt"], prints="novelty.txt")
    command = (
        f"part3/score.py --txt_file assets/book.txt --val_fraction 0.1 --html {{out}}/part3/page.html {checkpoint}"
    )
    table.add("part3/page", command, ["page.html"], ("", 5), inputs=model)
    table.add(
        "part3/playground",
        f"part3/playground.py --output {{out}}/part3/playground.html {checkpoint}",
        ["playground.html"],
        ("", 8),
        inputs=model,
    )
    table.add("part3/page.png", "", ["page.png", "playground.png"], ("", 0), blocked_by=PICTURE)


def best_book(table):
    """The flag for the model that writes, and the step's output that it stands beside.

    At the quick scale it is the committed one, as seconds of training teach none to write.
    """
    run = "part3/trained/book_best_seed0"
    return ("", []) if table.quick else (f"--checkpoint {{out}}/{run}", table.made_by(run))


def add_experiments(table):
    """Each experiment with its figure; part 1's reservoir; and the figure of what all parts remember."""
    for script, (quick, full, tables, figures) in TABLE["experiments"].items():
        part, *_, name = script.split("/")
        checkpoint, model = best_book(table) if part == "part3" else ("", [])
        command = f"{script}.py --output_dir {{out}}/{part} {checkpoint}"
        table.add(f"{part}/{name}", command, tables, quick, full, inputs=model)
        source = f"--csv_dir {{out}}/{part}" if part == "part1" else f"--csv {{out}}/{part}/{tables[0]}"
        command = f"{script.removesuffix(name)}plot_{name}.py {source} --output_dir {{out}}/{part}"
        table.add(f"{part}/plot_{name}", command, figures, ("", 3), inputs=[f"{part}/{file}" for file in tables])
    command = "part1/experiments/reservoir.py --output_dir {out}/part1"
    scales = ("--seeds 2 --input_length 1 2 5 10 20 50", 16), ("", 170)
    table.add("part1/reservoir", command, ["reservoir.csv"], *scales)
    gated = [path for path in table.made_by("part2/trained/palindromes") if "_gated_seed" in path]
    inputs = ["part1/memory/points.csv", "part1/sweep/points.csv", "part1/reservoir.csv", *gated]
    command = (
        "part1/experiments/plot_frontier.py --sweep_dir {out}/part1/memory {out}/part1/sweep "
        "--runs_dir {out}/part2/trained --reservoir {out}/part1/reservoir.csv --output_dir {out}/part1"
    )
    table.add("part1/plot_frontier", command, ["frontier.png"], ("", 3), inputs=inputs)
