"""The tables of a results folder as pandas rows, picked as the texts and the comparison ask for them."""

import json
from functools import cache, cached_property
from pathlib import Path

import pandas


class Results:
    """What lies in a folder that is laid out as results/ is; each file is read once.

    Its methods return rows, a DataFrame, and raise ValueError if there are none; OSError for a file that is not there.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        self._read = cache(lambda path: pandas.read_csv(self.folder / path, keep_default_na=False, na_values=[""]))

    def table(self, path, **equal):
        """Rows of `path`.csv in which the columns `equal` have these values."""
        rows = self._read(f"{path}.csv")
        for column, value in equal.items():
            text = not pandas.api.types.is_numeric_dtype(rows[column])  # as "10" stands beside "growing"
            rows = rows[rows[column] == (str(value) if text else value)]
            if rows.empty:
                raise ValueError(f"{path}.csv has no such rows: {column} = {value}")
        return rows

    def sweep(self, cell, length, dim, init="default", rate=0.001, folder="sweep"):
        """Part 1's points of a cell that reads so many digits, a row a seed; dim 1: raw digits, 10: one-hot."""
        settings = {"model_type": cell, "input_length": length, "input_dim": dim, "init": init, "learning_rate": rate}
        return self.table(f"part1/{folder}/points", **settings)

    def memory(self, *point):
        """The same of the points that were taught to remember long."""
        return self.sweep(*point, folder="memory")

    def tested(self, way, length):
        """Part 1's networks that were taught in this way, and the time gate's, tested at so many digits."""
        return self.table(f"part{2 if way == 'time gate' else 1}/length_tested", way=way, tested=length)

    def beyond(self, points, length):
        """Accuracy at so many digits of points that were tested beyond their own length, a Series."""
        return points.accuracy_beyond.map(lambda accuracies: json.loads(accuracies)[str(length)])

    def runs(self, part, name, table="runs"):
        """Rows of the runs called `name`, of all seeds, in the part's table of runs."""
        rows = self._read(f"{part}/runs/{table}.csv")
        rows = rows[rows.run.str.replace(r"_seed\d+$", "", regex=True) == name]
        if rows.empty:
            raise ValueError(f"{part}/runs/{table}.csv has no runs {name}")
        return rows

    def metrics(self, part, name):
        """Rows of what was measured while these runs trained."""
        return self.runs(part, name, "metrics")

    def updates_to(self, accuracy, name):
        """Updates after which each of part 2's runs `name` first had this held-out accuracy, a Series."""
        rows = self.metrics("part2", name)
        first = rows[rows.heldout_accuracy >= accuracy].groupby("run").step.min()
        if len(first) < rows.run.nunique():
            raise ValueError(f"not every run {name} reaches {accuracy}")
        return first

    def gate_move(self, name):
        """By which share of itself the median unit's period moved in part 2's runs `name`."""
        return self.runs("part2", name, "gate").eval("tau / first_tau - 1").abs().median()

    def benchmark(self, part, name="benchmark"):
        """What the part's benchmark measured, a dict."""
        return json.loads((self.folder / part / f"{name}.json").read_text(encoding="utf-8"))

    def lines(self, path, first, last):
        """Lines `first` to `last` of a text."""
        lines = (self.folder / path).read_text(encoding="utf-8").splitlines()
        if not 1 <= first <= last <= len(lines):
            raise ValueError(f"{path} has only lines 1 to {len(lines)}")
        return "\n".join(lines[first - 1 : last])

    def samples(self, run):
        """Five records, evenly spaced, of what a run of part 3 wrote greedily while it learned."""
        found = self._samples[self._samples.run == run].to_dict("records")
        return [found[round(n * (len(found) - 1) / 4)] for n in range(5)]

    def loops(self, name):
        """Share of samples whose last six characters occurred earlier in them, by quarter of part 3's runs `name`."""
        rows = self._samples[self._samples.run.str.replace(r"_seed\d+$", "", regex=True) == name]
        loop = rows.text.map(lambda text: text[-6:] in text[:-1])
        quarter = rows.groupby("run").cumcount() * 4 // rows.groupby("run").text.transform("size")
        return loop.groupby([rows.run, quarter]).mean().groupby(level=1).mean()

    @cached_property
    def _samples(self):
        """What part 3's runs wrote greedily while they learned."""
        return pandas.read_json(self.folder / "part3/runs/samples.jsonl", lines=True, dtype=False, convert_dates=False)
