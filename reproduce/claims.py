"""Which numbers reproduce.py compares with the committed ones, and the comparison.

A number differs by more than its spread if its median over what was made here lies outside the committed seeds (or
rows) by more than these are apart, and by more than a hundredth of it: a fresh seed lies outside ten others in two of
eleven cases, by chance alone. A ratio of times, which stands alone, differs if it is more than a tenth away.

Compared is only what was made with the settings of the committed results: a run or a point of a sweep if its settings
say so, a table or a ratio if its command is that of --full.
"""

import json
import statistics

from reproduce.fill import value
from reproduce.runner import is_finished
from reproduce.steps import steps

# Of the seeds of runs and points: claim, path without _seedN, key of the value in its file.
OF_SEEDS = [
    ("RNN, 10 raw digits: accuracy", "part1/sweep/RNN_length10_dim1_default_lr0.001", "result.accuracy"),
    ("RNN, 10 raw digits: updates", "part1/sweep/RNN_length10_dim1_default_lr0.001", "result.steps"),
    ("RNN, 10 one-hot digits: updates", "part1/sweep/RNN_length10_dim10_default_lr0.001", "result.steps"),
    ("RNN, 19 raw digits: accuracy", "part1/sweep/RNN_length19_dim1_default_lr0.001", "result.accuracy"),
    ("RNN, 19 one-hot digits: accuracy", "part1/sweep/RNN_length19_dim10_default_lr0.001", "result.accuracy"),
    ("LSTM, 10 raw digits: accuracy", "part1/sweep/LSTM_length10_dim1_default_lr0.001", "result.accuracy"),
    ("LSTM, 10 raw digits: updates", "part1/sweep/LSTM_length10_dim1_default_lr0.001", "result.steps"),
    ("LSTM, 10 one-hot digits: updates", "part1/sweep/LSTM_length10_dim10_default_lr0.001", "result.steps"),
    ("LSTM, 29 raw digits: accuracy", "part1/sweep/LSTM_length29_dim1_default_lr0.001", "result.accuracy"),
    ("LSTM, chrono, 29 one-hot digits: updates", "part1/sweep/LSTM_length29_dim10_chrono_lr0.01", "result.steps"),
    ("LSTM, forget bias 0, 10 digits: updates", "part1/sweep/LSTM_length10_dim10_zero_bias_lr0.001", "result.steps"),
    ("RNN, orthogonal, 16 digits: updates", "part1/sweep/RNN_length16_dim10_orthogonal_lr0.001", "result.steps"),
    ("RNN, latch, 29 digits: accuracy", "part1/sweep/RNN_length29_dim10_latch_lr0.001", "result.accuracy"),
    ("RNN, curriculum, 1,000 digits: accuracy", "part1/memory/RNN_length1000_dim10_default_lr0.001", "result.accuracy"),
    ("RNN, curriculum, 1,000 digits: updates", "part1/memory/RNN_length1000_dim10_default_lr0.001", "result.steps"),
    (
        "the same RNN at 10,000 digits: accuracy",
        "part1/memory/RNN_length1000_dim10_default_lr0.001",
        "result.accuracy_beyond.10000",
    ),
    ("RNN, curriculum, 20 raw digits: updates", "part1/memory/RNN_length20_dim1_default_lr0.001", "result.steps"),
    ("LSTM, curriculum, 1,000 digits: updates", "part1/memory/LSTM_length1000_dim10_default_lr0.001", "result.steps"),
    ("time gate, 100 digits: accuracy", "part2/runs/palindromes100_gated", "accuracy"),
    ("time gate, 100 digits: updates", "part2/runs/palindromes100_gated", "steps"),
    ("LSTM, chrono, 100 digits: updates", "part2/runs/palindromes100_chrono_rate0.01", "steps"),
    ("adding, time gate: accuracy", "part2/runs/adding100_gated", "accuracy"),
    ("adding, LSTM: accuracy", "part2/runs/adding100_lstm", "accuracy"),
    ("asynchronous waves, time gate: accuracy", "part2/runs/asynchronous_gated", "accuracy"),
    ("asynchronous waves, LSTM: accuracy", "part2/runs/asynchronous_lstm_rate0.01", "accuracy"),
    ("waves every 1 ms, time gate: accuracy", "part2/runs/standard_gated", "accuracy"),
    ("book, default settings: held-out nats", "part3/book_default", "heldout_loss"),
    ("book, best settings: held-out nats", "part3/book_best", "heldout_loss"),
    ("Grimm, default settings: held-out nats", "part3/grimm_default", "heldout_loss"),
    ("Tiny Shakespeare, 2,700 updates: held-out nats", "part3/shakespeare_short", "heldout_loss"),
]
# Of the rows of tables: claim, file, column and which rows.
OF_TABLES = [
    ("curriculum, whole: accuracy", "part1/curriculum_rules.csv", 'accuracy, rule="half short, grows at loss 0.01"'),
    ("curriculum, no rule: accuracy", "part1/curriculum_rules.csv", 'accuracy, rule="all long, grows at loss 0.1"'),
    ("gradient at step 1, RNN", "part1/gradient_flow.csv", 'ratio, cell="RNN, default", trained=no, t=1'),
    ("RMSProp at 0.001: accuracy", "part1/optimizers.csv", "accuracy, optimizer=rmsprop, learning_rate=0.001"),
    ("LSTM with f = 1, 20 digits: accuracy", "part1/gates_ablation.csv", 'accuracy, variant="f = 1", input_length=20'),
    ("random RNN, 10 digits: accuracy", "part1/reservoir.csv", 'accuracy, input_length=10, weights="RNN, default"'),
    ("gradient at step 1, time gate", "part2/gradient_flow.csv", 'grad_c, cell="time-gated, forget bias 1", t=1'),
    ("words known, temperature 1", "part3/temperatures.csv", "known_words, temperature=1"),
]
# Ratios of times: claim, file, key.
RATIOS = [
    ("our LSTM beside nn.LSTM, T = 100", "part1/benchmark.json", "lstm_over_nn_lstm.T100"),
    ("our RNN beside nn.RNN, T = 100", "part1/benchmark.json", "rnn_over_nn_rnn.T100"),
    ("time gate beside the LSTM, T = 100", "part2/benchmark.json", "gated_over_lstm.T100"),
    ("a step of part 3 beside a bare one", "part3/benchmark.json", "step_over_bare"),
]


def settings_of(path):
    """The settings that the numbers of a run's or a point's file depend on, a dict."""
    config = path.with_name("config.json")
    if not config.exists():
        return json.loads(path.read_text())["settings"]
    # Where it was made is no setting; and the text itself is compared by its digest.
    no_setting = {"command", "python", "torch", "threads", "computed_on", "txt_file"}
    return {name: found for name, found in json.loads(config.read_text()).items() if name not in no_setting}


def numbers_of_seeds(path, key, made, committed):
    """The committed numbers of the seeds that have the same settings here, those made here, and their range."""
    pattern = f"{path}_seed*.json" if key.startswith("result.") else f"{path}_seed*/result.json"
    here = [
        file.relative_to(made) for file in sorted(made.glob(pattern)) if (committed / file.relative_to(made)).exists()
    ]
    here = [file for file in here if settings_of(made / file) == settings_of(committed / file)]
    every = [file.relative_to(committed) for file in sorted(committed.glob(pattern))]
    old, new, all_old = (
        [value(str(file), key, root) for file in files]
        for files, root in ((here, committed), (here, made), (every, committed))
    )
    return [old, new, expected(all_old)]


def numbers_of_rows(file, what, made, committed):
    """Lowest, median and highest of the rows: committed and made here, and the range of the committed."""
    names = ("min", "median", "max")
    old, new = ([value(file, f"{name} {what}", root) for name in names] for root in (committed, made))
    return [old, new, expected(old)]


def expected(numbers):
    """The range, a pair, in which others made in the same way are expected: twice as far out as these lie."""
    low, high = min(numbers), max(numbers)
    margin = max(high - low, abs(statistics.median(numbers)) / 100)
    return [low - margin, high + margin]


def ratios(file, key, made, committed):
    """The committed ratio and the one made here, and how far it may be."""
    old, new = value(file, key, committed), value(file, key, made)
    return [[old], [new], [0.9 * old, 1.1 * old]]


def verdict(committed, here, spread):
    """ "same", "within the spread" or "DIFFERS", of two lists of numbers and the range that is expected."""
    if shown(committed) == shown(here):
        return "same"
    low, high = spread
    return "within the spread" if low <= statistics.median(here) <= high else "DIFFERS"


def shown(numbers):
    low, middle, high = (f"{f(numbers):,.5g}" for f in (min, statistics.median, max))
    return middle if low == high else f"{middle} ({low} to {high})"


def comparison(made, committed, scale):
    """A Markdown table of the numbers in the folder `made` that can be compared, and how many differ."""
    command_of_full = {step.name: step.command for step in steps("full")}
    full = {  # files that a command of --full has made
        output
        for step in steps(scale)
        for output in step.outputs
        if step.command == command_of_full.get(step.name) and is_finished(made, step)
    }
    claims = [(claim, numbers_of_seeds(path, key, made, committed)) for claim, path, key in OF_SEEDS]
    for compare, table in ((numbers_of_rows, OF_TABLES), (ratios, RATIOS)):
        claims += [(claim, compare(file, what, made, committed)) for claim, file, what in table if file in full]
    rows, verdicts = [], []
    for claim, (before, here, spread) in claims:
        if here:
            verdicts.append(verdict(before, here, spread))
            rows.append(f"| {claim} | {len(here)} | {shown(before)} | {shown(here)} | {verdicts[-1]} |")
    total = len(OF_SEEDS) + len(OF_TABLES) + len(RATIOS)
    return "\n".join(
        [
            "A number DIFFERS (by more than its spread) if its median here lies farther outside the committed seeds or",
            "rows than these are apart, and than a hundredth of it; a ratio of times, if it is more than a tenth away.",
            "Median (lowest to highest):",
            "",
            "| number | seeds | committed | here | |",
            "|---|---|---|---|---|",
            *rows,
            "",
            f"{len(rows)} of {total} numbers were made with the settings of the committed ones and are compared: "
            f"{verdicts.count('same')} the same, {verdicts.count('DIFFERS')} differ by more than their spread.",
        ]
    )
