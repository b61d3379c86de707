"""Score the final weights of runs on held-out text, in three protocols: the table of results/part3/leaderboard.md.

python part3/leaderboard.py my_runs --name shakespeare_200s_

Writes leaderboard.csv, a row for each run, losses in nats per character of the held-out text:
- carried: read in one, the state carried;
- blocks: read in blocks of 256 characters, each from a zero state;
- dynamic: read in one by a model that goes on learning from what it has read (part3/evaluation.py:
  dynamic_predictions), and what that took.
A row more for each text of one file is the floor, a 5-gram (part3/ngram.py), which reads it in one.
"""

import sys
import time
from pathlib import Path

if not __package__:  # run as `python part3/leaderboard.py`: import from the checkout, not from part3/
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

from common.arguments import Parser
from common.checkpoint import LATEST
from common.device import keep_freed_memory, limit_threads
from common.figures import Points, save_table
from common.files import try_output
from common.tables import read_runs
from part3.dataset import TextDataset, files_of, split
from part3.evaluation import final_losses
from part3.ngram import NGram
from part3.score import DYNAMIC_RATE, score
from part3.text import read_text
from part3.trained import Trained

ROOT = Path(__file__).resolve().parents[1]
COLUMNS = ("run", "updates", "train_cpu_seconds", "characters", "carried", "blocks", "dynamic", "dynamic_cpu_seconds")


def main(argv=None):
    parser = Parser(__doc__)
    parser.add_argument("runs_dir", help="a folder of run folders of part3/train.py")
    parser.add_argument("--name", nargs="+", default=[""], help="only runs whose names begin with one of these")
    parser.add_argument("--output_dir", default=str(ROOT / "results/part3/runs"), help="folder for leaderboard.csv")
    config = parser.parse_args(argv)
    limit_threads()
    keep_freed_memory()
    with parser.printing():
        runs = {name: run for name, run in read_runs(config.runs_dir).items() if name.startswith(tuple(config.name))}
        if not runs:
            raise ValueError(f"{config.runs_dir} has no run whose name begins with {' or '.join(config.name)}")
        held_out = {}
        for name, run in runs.items():
            if run.get("lines") or not run["val_fraction"] or "-" in files_of(run["txt_file"]):
                raise ValueError(f"{name} cannot be scored: a list, standard input, or no held-out text")
            text = TextDataset(run["txt_file"], run["seq_length"], run["encoding"], run["val_fraction"])
            if text.digest != run["text"]:
                raise ValueError(f"{run['txt_file']} is not the text of {name}")
            held_out[name] = text.held_out
        folder = Path(config.output_dir)
        try_output(folder / "leaderboard.csv")
        folder.mkdir(parents=True, exist_ok=True)

        def scored(name):
            trained = Trained(Path(config.runs_dir) / name / LATEST)  # best.pt is the best of many looks
            losses = final_losses(trained.model(), held_out[name]).values()
            started = time.process_time()
            characters, dynamic, *_ = score(trained.model(), held_out[name], rate=DYNAMIC_RATE)
            seconds = round(time.process_time() - started, 1)
            return [name, trained.step, runs[name]["cpu_seconds"], characters, *losses, dynamic, seconds]

        def counted(path, encoding, val_fraction):
            started, text = time.process_time(), read_text(path, encoding)
            training, held_out = split(text, val_fraction)
            loss = NGram(training, 5, len(set(text))).loss(held_out)
            seconds = round(time.process_time() - started, 1)
            return [f"5gram_{Path(path).stem}", None, seconds, len(held_out) - 1, loss, None, None, None]

        made = {name: [run["text"], run["steps"], run["wall_seconds"]] for name, run in runs.items()}
        points = Points(folder / "leaderboard.unfinished.jsonl", {"made": made, "rate": DYNAMIC_RATE})
        rows = [row for _, row in points.each(scored, runs)]
        of_one_file = [run for run in runs.values() if isinstance(run["txt_file"], str)]
        texts = {tuple(run[name] for name in ("txt_file", "encoding", "val_fraction")) for run in of_one_file}
        rows += [counted(*text) for text in sorted(texts)]
        save_table(folder / "leaderboard.csv", COLUMNS, rows)
        points.end()


if __name__ == "__main__":
    main()
