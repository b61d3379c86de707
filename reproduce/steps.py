"""The steps of reproduce.py: every figure and table, its command at both scales, and the CPU-seconds it may take.

--full has the settings of the committed results, and as its seconds sums of what their files say. --quick has few
seeds, short lengths and few updates; its seconds were measured on the same 2-core AMD EPYC. A pair (flags, seconds) is
of one scale; where only one stands, it is of both. {out} in a command is the output folder.
"""

import re
import shlex
from itertools import product
from pathlib import Path

from reproduce.runner import Step

ROOT = Path(__file__).resolve().parent
PARTS = ("part1", "part2", "part3", "report")

# Part 1's sweeps, a step for each seed: (name, folder, cell, first weights, learning rate, further flags), then for
# quick (None: left out) and for full: digits to read, inputs (1: raw, 10: one-hot), seeds, CPU-seconds of one seed.
LENGTHS = [4, 7, 10, 13, 16, 19, 24, 29]
TIMES = "--times 2 10"
CURRICULUM = "--times 2 10 --curriculum"
SWEEPS = [
    (("rnn", "sweep", "RNN", "default", "0.001", ""), ([4, 7, 10], [1, 10], 2, 18), (LENGTHS, [1, 10], 5, 540)),
    (("lstm", "sweep", "LSTM", "default", "0.001", ""), ([4, 10], [1, 10], 2, 20), (LENGTHS, [1, 10], 5, 790)),
    (("chrono", "sweep", "LSTM", "chrono", "0.01", ""), ([29], [10], 1, 17), ([29, 49], [1, 10], 3, 160)),
    (("chrono_99", "sweep", "LSTM", "chrono", "0.01", ""), None, ([99], [10], 3, 90)),
    (("zero_bias", "sweep", "LSTM", "zero_bias", "0.001", ""), ([10], [10], 1, 17), ([10, 19], [1, 10], 3, 350)),
    (
        ("orthogonal", "sweep", "RNN", "orthogonal", "0.001", ""),
        ([10, 16], [10], 2, 8),
        ([10, 16, 24, 29], [1, 10], 3, 290),
    ),
    (("latch", "sweep", "RNN", "latch", "0.001", ""), ([29], [10], 2, 7), ([29, 99], [1, 10], 3, 25)),
    (
        ("curriculum", "memory", "RNN", "default", "0.001", f"{CURRICULUM} --patience 1 --train_steps 1000"),
        ([1000], [10], 2, 30),
        ([1000], [10], 10, 30),
    ),
    (
        ("curriculum", "memory", "LSTM", "default", "0.001", f"{CURRICULUM} --patience 4 --train_steps 1000"),
        None,
        ([1000], [10], 10, 180),
    ),
    (("curriculum_raw", "memory", "RNN", "default", "0.001", CURRICULUM), ([20], [1], 2, 10), ([20, 100], [1], 10, 80)),
    (("curriculum_raw", "memory", "LSTM", "default", "0.001", CURRICULUM), None, ([100], [1], 10, 35)),
    (("ten_seeds_chrono", "memory", "LSTM", "chrono", "0.01", TIMES), None, ([100], [10], 10, 115)),
    (("ten_seeds_chrono_200", "memory", "LSTM", "chrono", "0.01", TIMES), None, ([200], [10], 10, 450)),
    (("ten_seeds_chrono_raw", "memory", "LSTM", "chrono", "0.01", TIMES), None, ([49], [1], 10, 110)),
    (("ten_seeds", "memory", "LSTM", "default", "0.001", TIMES), None, ([29], [10], 10, 190)),
    (("ten_seeds_raw", "memory", "LSTM", "default", "0.001", TIMES), None, ([24], [1], 10, 110)),
    (
        ("ten_seeds_orthogonal_50", "memory", "RNN", "orthogonal", "0.0001", f"{TIMES} --patience 20"),
        None,
        ([50], [10], 10, 40),
    ),
    (("ten_seeds", "memory", "RNN", "default", "0.001", TIMES), None, ([10], [10], 10, 7)),
    (("ten_seeds_raw", "memory", "RNN", "default", "0.001", TIMES), None, ([13], [1], 10, 8)),
    (("ten_seeds_orthogonal", "memory", "RNN", "orthogonal", "0.001", TIMES), None, ([16], [1, 10], 10, 15)),
    (("ten_seeds_identity", "memory", "RNN", "identity", "0.001", TIMES), None, ([10], [1, 10], 10, 20)),
    (("identity_20", "memory", "RNN", "identity", "0.001", TIMES), None, ([20], [10], 1, 85)),
    (("ten_seeds_latch", "memory", "RNN", "latch", "0.001", f"{TIMES} --patience 2"), None, ([1000], [1, 10], 10, 110)),
    (("ten_seeds_zero_bias", "memory", "LSTM", "zero_bias", "0.001", TIMES), None, ([10], [1, 10], 10, 35)),
]

# Part 2's runs, a step for each line of part2/runs.txt, by their folder's name without _seedN. For quick (None: left
# out): further flags, seeds, CPU-seconds of one seed; for full the CPU-seconds of one seed. What is not named is like
# OTHER_RUNS.
OTHER_RUNS = None, 160
RUNS = {
    "palindromes100_gated": (("", 1, 42), 55),
    "palindromes100_chrono_rate0.01": (("--train_steps 75", 2, 14), 98),
    "palindromes100_lstm": (("--train_steps 75", 2, 14), 420),
    "palindromes100_gated_fixed": (None, 55),
    "palindromes100_gated_leak0": (None, 40),
    "palindromes500_gated": (None, 680),
    "palindromes500_chrono_rate0.01": (None, 270),
    "adding100_gated": (("--train_steps 100", 1, 14), 195),
    "adding100_lstm": (("--train_steps 100", 1, 14), 185),
    "asynchronous_gated": (("--train_steps 150 --eval_every 50", 2, 15), 165),
    "asynchronous_lstm_rate0.01": (("--train_steps 150 --eval_every 50", 2, 15), 145),
    "standard_gated": (("--train_steps 150 --eval_every 50", 1, 15), 165),
    "standard_lstm_rate0.01": (("--train_steps 150 --eval_every 50", 1, 15), 150),
    "high_gated": (None, 720),
    "high_lstm_rate0.01": (None, 660),
}

# Part 3's runs, a step for each seed: text, flags; then for quick: further flags, seeds, CPU-seconds of one seed; for
# full: further flags, seeds, CPU-seconds of one seed.
CARRIED = "--sampling streams --batch_size 32 --optimizer adamw --schedule cosine --patience 0"
BEST = f"{CARRIED} --lstm_num_hidden 256 --seq_length 50 --dropout_keep_prob 0.5 --learning_rate 3e-3"
SHORT = f"{CARRIED} --lstm_num_hidden 256 --learning_rate 4e-3"
LONG = f"{CARRIED} --lstm_num_hidden 512 --seq_length 50 --dropout_keep_prob 0.6 --learning_rate 3e-3"
FEW = "--train_steps 200 --eval_every 50"
FEWER = "--train_steps 100 --eval_every 25"
BOOKS = {
    "book_default": ("book", "", (FEW, 2, 13), ("", 3, 290)),
    "book_streams": ("book", "--sampling streams", (FEW, 2, 13), ("", 3, 240)),
    "book_best": ("book", BEST, (FEWER, 1, 20), ("--train_steps 4000", 3, 450)),
    "grimm_default": ("grimm", "", (FEW, 2, 13), ("", 3, 430)),
    "grimm_best": ("grimm", BEST, (FEWER, 1, 20), ("--train_steps 4000", 3, 490)),
    "shakespeare_short": ("tinyshakespeare", SHORT, (FEWER, 1, 20), ("--train_steps 2700 --eval_every 270", 3, 180)),
    "shakespeare_long": ("tinyshakespeare", LONG, (FEWER, 1, 50), ("--train_steps 5900 --eval_every 590", 1, 2150)),
}
REFERENCE = "--reference '1.4697=nanoGPT, baby GPT' '1.88=nanoGPT, CPU settings'"
DOWNLOAD = "with a network, python assets/download.py"

# What a trained model writes into a file: name, flags of part3/generate.py.
PROMPTS = [
    *("Sleeping beauty is ", "The king said", "Once there was a", "The old woman opened the door and"),
    *("In the winter the river", "The fox looked at the goose and", "Nobody in Pennywell", "The youngest daughter"),
    *("At midnight the clock", "And so the miller"),
]
WRITTEN = {
    "temperatures": "--temperature 0.5 1 2 --length 400 --prompt 'The miller'",
    "completions": f"--temperature 0.5 --length 100 --prompt {shlex.join(PROMPTS)}",
    "sample": "--length 5000 --temperature 0.5",
}

# Tables and the figures drawn from them, two steps: name, script, tables; flags and CPU-seconds for quick and for full;
# the script that draws, figures.
EXPERIMENTS = [
    (
        ("part1/curriculum", "curriculum_rules", ["curriculum_rules.csv", "curriculum_states.csv"]),
        ("--input_length 100 --seeds 2 --train_steps 300", 16),
        ("", 1500),
        ("plot_curriculum", ["curriculum.png"]),
    ),
    (
        (
            "part1/gradient_flow",
            "gradient_flow",
            ["gradient_flow.csv", "gradient_flow_runs.csv", "gradient_flow_singular_values.csv"],
        ),
        ("--input_length 50 --short_length 5 --seeds 2 --updates 150", 25),
        ("", 700),
        ("plot_gradient_flow", ["gradient_flow.png", "gradient_flow_singular_values.png"]),
    ),
    (
        ("part1/optimizers", "compare_optimizers", ["optimizers.csv", "optimizer_paths.csv"]),
        ("--input_length 5 --seeds 2 --train_steps 75", 20),
        ("", 450),
        ("plot_optimizers", ["optimizers.png", "optimizer_paths.png"]),
    ),
    (
        ("part1/gates", "ablate_gates", ["gates_ablation.csv", "gates_forget_bias.csv", "gates_activations.csv"]),
        ("--input_length 5 --bias_length 5 10 --seeds 2 --bias_seeds 2 --updates 100 --bias_updates 50", 30),
        ("", 2000),
        ("plot_gates", ["gates_ablation.png", "gates_forget_bias.png", "gates_activations.png"]),
    ),
    (
        ("part2/gradient_flow", "gradient_flow", ["gradient_flow.csv"]),
        ("", 7),
        ("", 7),
        ("plot_gradient_flow", ["gradient_flow.png"]),
    ),
    (
        ("part2/recovery", "recover_gate", ["recovery.csv"]),
        ("--teachers 4 --updates 300", 9),
        ("", 170),
        ("plot_recovery", ["recovery.png"]),
    ),
    (
        ("part3/temperatures", "temperatures", ["temperatures.csv"]),
        ("--seeds 2 --length 2000", 6),
        (" --checkpoint {out}/part3/book_best_seed0", 26),
        ("plot_temperatures", ["temperatures.png"]),
    ),
]

# Benchmarks: flags and CPU-seconds for quick and for full. Nothing runs beside them.
BENCHMARKS = {
    "part1/long_sequences": (("--input_length 20 --updates 1", 12), ("--updates 3", 60)),
    "part1/benchmark": (("--rounds 5", 10), ("--rounds 60", 90)),
    "part2/benchmark": (("--rounds 3 --input_length 100 200", 12), ("--rounds 10", 160)),
    "part3/benchmark": (("--rounds 3 --length 10", 10), ("--rounds 40", 700)),
    "part3/benchmark_ranks": (("--rounds 3 --steps 5", 12), ("", 60)),
}


class Table:
    """The steps of one scale, in order: `made`, a list of Step."""

    def __init__(self, scale):
        self.quick, self.made = scale == "quick", []

    def add(self, name, command, outputs, quick, full=None, **more):
        """A step; quick and full: (flags, CPU-seconds), quick's for both where full's are not given."""
        flags, seconds = quick if self.quick or full is None else full
        outputs = [f"{name.split('/')[0]}/{output}" for output in outputs]
        self.made.append(Step(name, shlex.split(f"{command} {flags}"), outputs, seconds=seconds, **more))

    def add_printing(self, name, command, output, quick, full=None, outputs=(), **more):
        """A step whose standard output is the file `output`."""
        prints = f"{name.split('/')[0]}/{output}"
        self.add(name, command, [*outputs, output], quick, full, prints=prints, **more)

    def names(self, *beginnings):
        return [step.name for step in self.made if step.name.startswith(beginnings)]


def steps(scale):
    """The steps of a scale, "quick" or "full": a list of Step, each behind those that it needs."""
    table = Table(scale)
    add_sweeps(table)
    add_runs(table)
    add_books(table)
    for (name, script, tables), quick, full, (plot, figures) in EXPERIMENTS:
        part = name.split("/")[0]
        trained = table.names("part3/book_best_seed0") if "--checkpoint" in full[0] and scale == "full" else []
        table.add(name, f"{part}/{script}.py --output_dir {{out}}/{part}", tables, quick, full, needs=trained)
        source = f"--csv_dir {{out}}/{part}" if part == "part1" else f"--csv {{out}}/{part}/{tables[0]}"
        command = f"{part}/{plot}.py {source} --output_dir {{out}}/{part}"
        table.add(f"{part}/{plot}", command, figures, ("", 3), needs=[name])
    table.add("part2/plot_gate", "part2/plot_gate.py --output_dir {out}/part2", ["gate.png", "gate.pdf"], ("", 4))
    table.add_printing("part2/dead_units", "part2/experiments/dead_units.py", "dead_units.md", ("--units 5000", 3), ("", 55))
    add_frontier(table)
    for name, (quick, full) in BENCHMARKS.items():
        output = f"{name.split('/')[1]}.json"
        table.add(name, f"{name}.py --json {{out}}/{name}.json", [output], quick, full, alone=True)
    # Last, the text with the numbers of results/; typeset with the figures made here if there is a TeX engine.
    command = "reproduce.py --only report --output_dir {out}"
    table.made.append(Step("report/report", command.split(), ["report.md"], seconds=10, alone=True))
    return table.made


def add_sweeps(table):
    for (name, folder, cell, init, rate, flags), quick, full in SWEEPS:
        lengths, inputs, seeds, seconds = (quick or ([], [], 0, 0)) if table.quick else full
        for seed in range(seeds):
            points = [
                f"{cell}_length{length}_dim{dim}_{init}_lr{rate}_seed{seed}.json"
                for length, dim in product(lengths, inputs)
            ]
            table.add(
                f"part1/{folder}_{name}_{cell}_seed{seed}",
                f"part1/sweep.py --workers 1 --output_dir {{out}}/part1/{folder} --model_type {cell} --init {init} "
                f"--learning_rate {rate} --input_length {_words(lengths)} --input_dim {_words(inputs)} --seed {seed}",
                [f"{folder}/{point}" for point in points],
                (flags, seconds),
            )
    table.add_printing(
        "part1/plot_accuracy",
        "part1/plot_accuracy.py --sweep_dir {out}/part1/sweep --output_dir {out}/part1",
        "accuracy.md",
        ("", 4),
        outputs=["accuracy.png", "accuracy_inits.png"],
        needs=table.names("part1/sweep_"),
    )


def add_runs(table):
    for line in (ROOT / "part2/runs.txt").read_text().splitlines():
        name, seed = re.search(r"results/part2/runs/(\S+)_seed(\d+)", line).groups()
        quick, seconds = RUNS.get(name, OTHER_RUNS)
        more, seeds, quick_seconds = quick or ("", 0, 0)
        if int(seed) < seeds or not table.quick:
            command = f"part2/train.py --resume {line.replace('results/', '{out}/')}"
            run = f"runs/{name}_seed{seed}"
            table.add(f"part2/{run}", command, [run], (more, quick_seconds), ("", seconds))
    table.add_printing(
        "part2/plot_training",
        "part2/plot_training.py --runs_dir {out}/part2/runs --output_dir {out}/part2",
        "training.md",
        ("", 4),
        outputs=["training.png"],
        needs=table.names("part2/runs/"),
    )
    gated = table.names("part2/runs/palindromes100_gated_seed")[:3]
    table.add(
        "part2/plot_learned_gate",
        f"part2/experiments/learned_gate.py {_below_out(gated)} --output {{out}}/part2/learned_gate.png",
        ["learned_gate.png"],
        ("", 3),
        needs=gated,
    )


def add_books(table):
    for name, (text, flags, *scales) in BOOKS.items():
        more, seeds, seconds = scales[not table.quick]
        for seed in range(seeds):
            folder = name if name == "shakespeare_long" else f"{name}_seed{seed}"
            command = f"part3/train.py --resume --output_dir {{out}}/part3/{folder} --txt_file assets/{text}.txt"
            cannot = (
                None if (ROOT / f"assets/{text}.txt").exists() else f"assets/{text}.txt is not there: {DOWNLOAD} {text}"
            )
            table.add(
                f"part3/{folder}", f"{command} --seed {seed} {flags} {more}", [folder], ("", seconds), cannot=cannot
            )
    for book, more in (("book", ""), ("grimm", ""), ("shakespeare", REFERENCE)):
        runs = table.names(f"part3/{book}_")
        command = f"part3/plot_training.py {_below_out(runs)} --output {{out}}/part3/{book}.png {more}"
        table.add_printing(f"part3/plot_{book}", command, f"{book}.md", ("", 4), outputs=[f"{book}.png"], needs=runs)

    # What a model writes: at the quick scale the committed one, as seconds of training teach none to write.
    checkpoint = "" if table.quick else "--checkpoint {out}/part3/book_best_seed0"
    trained = [] if table.quick else ["part3/book_best_seed0"]
    for name, flags in WRITTEN.items():
        command = f"part3/generate.py {checkpoint} {flags}"
        table.add_printing(f"part3/write_{name}", command, f"{name}.txt", ("", 4), needs=trained)
    command = "part3/score.py --txt_file assets/book.txt --novelty {out}/part3/sample.txt"
    table.add_printing("part3/novelty", command, "novelty.txt", ("", 4), needs=["part3/write_sample"])
    command = (
        f"part3/score.py --txt_file assets/book.txt --val_fraction 0.1 --html {{out}}/part3/page.html {checkpoint}"
    )
    table.add("part3/page", command, ["page.html"], ("", 5), needs=trained)
    table.add("part3/page.png", "", ["page.png"], ("", 0), cannot="it is a picture of page.html taken in a browser")


def add_frontier(table):
    """Part 1's reservoir, and the figure that shows it beside what was learned, by the gate of part 2 as well."""
    command = "part1/experiments/reservoir.py --output_dir {out}/part1"
    quick = ("--seeds 2 --input_length 1 2 5 10 20 50", 16)
    table.add_printing("part1/reservoir", command, "reservoir.md", quick, ("", 170), outputs=["reservoir.csv"])
    gated = [run for run in table.names("part2/runs/palindromes") if "_gated_seed" in run]
    table.add_printing(
        "part1/plot_frontier",
        "part1/experiments/plot_frontier.py --sweep_dir {out}/part1/memory {out}/part1/sweep --runs_dir {out}/part2/runs "
        "--reservoir {out}/part1/reservoir.csv --output_dir {out}/part1",
        "frontier.md",
        ("", 3),
        outputs=["frontier.png"],
        needs=[*table.names("part1/sweep_", "part1/memory_", "part1/reservoir"), *gated],
    )


def _words(values):
    return " ".join(map(str, values))


def _below_out(names):
    return _words(f"{{out}}/{name}" for name in names)
