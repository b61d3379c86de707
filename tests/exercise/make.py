"""Make the exercise: a copy of this checkout in which the bodies of some functions are to be written.

python tests/exercise/make.py --output ../exercise
python tests/exercise/make.py --output ../exercise --questions 1.2 1.6    # only these; the other code is given

In the copy `python -m pytest tests/exercise` grades what was written, question by question.
"""

import ast
import re
import sys
from pathlib import Path

if not __package__:  # run as `python tests/exercise/make.py`: import from the checkout, not from tests/exercise/
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from common.arguments import Parser
from submit import submitted_files

ROOT = Path(__file__).resolve().parents[2]
BLANKS = {  # question: {file: functions, each with what is to be written}
    "1.2": {
        "part1/vanilla_rnn.py": {"VanillaRNN.step": "equation 1", "VanillaRNN.forward": "the loop and equation 2"},
        "part1/train.py": {"loss_of": "equations 3 and 11", "update": "one update, its gradient clipped"},
    },
    "1.6": {
        "part1/lstm.py": {
            "LSTM.gates": "equations 4 to 7",
            "LSTM.step": "equations 8 and 9",
            "LSTM.forward": "the loop and equation 10",
        },
    },
    "2.1": {"part2/time_gate.py": {"openness": "equation 12"}},
    "2.2": {"part2/time_gated_lstm.py": {"TimeGatedLSTM.step": "equations 13 to 16"}},
    "3c": {"part3/sampling.py": {"choose": "the temperature"}},
}
# What would give the answers away, and what needs it.
LEFT_OUT = re.compile(r"results/report\..*|reproduce/.*|tests/(?!exercise/|conftest\.py|__init__\.py).*")


def blanked(source, functions):
    """The Python text `source` without the bodies of these functions, {name: what is to be written there}.

    Signatures and docstrings stay. Raises KeyError for a function that is not there.
    """
    tree, lines = ast.parse(source), source.splitlines()
    owners = {"": tree} | {f"{node.name}.": node for node in tree.body if isinstance(node, ast.ClassDef)}
    found = {
        prefix + node.name: node.body
        for prefix, owner in owners.items()
        for node in owner.body
        if isinstance(node, ast.FunctionDef)
    }
    # From below, so that the lines above keep their place.
    for name in sorted(functions, key=lambda name: found[name][0].lineno, reverse=True):
        docstring, *body = found[name]
        indent = " " * docstring.col_offset
        lines[docstring.end_lineno : body[-1].end_lineno] = [f'{indent}raise NotImplementedError("{functions[name]}")']
    return "\n".join(lines) + "\n"


def copy_checkout(folder, questions):
    """Copy the checkout to `folder`, with the functions of the questions blanked."""
    blanks = {path: functions for question in questions for path, functions in BLANKS[question].items()}
    for path in submitted_files(ROOT):
        if not LEFT_OUT.fullmatch(path):
            content = (ROOT / path).read_bytes()
            if path in blanks:
                content = blanked(content.decode(), blanks[path]).encode()
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)


def build_parser():
    parser = Parser(__doc__)
    parser.add_argument("--output", required=True, metavar="DIR", help="folder to make; it must be new or empty")
    whose = "whose functions are to be written"
    parser.add_argument("--questions", nargs="+", choices=BLANKS, default=[*BLANKS], help=f"questions {whose}")
    return parser


def main(argv=None):
    parser = build_parser()
    config = parser.parse_args(argv)
    folder = Path(config.output)
    with parser.printing():
        if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
            raise ValueError(f"--output {config.output}: it must be new or an empty folder")
        copy_checkout(folder, config.questions)
        print(f"{folder}: questions {', '.join(config.questions)} are to be written; python -m pytest tests/exercise")


if __name__ == "__main__":
    main()
