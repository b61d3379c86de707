"""Make the ZIP that the assignment asks for: report and code, with the directories kept.

python submit.py --lastname jansen      # jansen_assignment2.zip in the current folder

It holds the files of this folder as they are now, but no runs and nothing hidden or that .gitignore names. The same
files give the same bytes.
"""

import argparse
import io
import os
import re
import zipfile
from pathlib import Path

from common.arguments import Parser
from common.files import write_atomically

ROOT = Path(__file__).resolve().parent
# A file's name on every system: letters of any language, digits, hyphen and underscore, at most 64 of them.
NAME = re.compile(r"[^\W\d_][\w-]{0,63}")
NEEDED = (
    *("results/report.md", "results/report.pdf", "part1/vanilla_rnn.py", "part1/lstm.py", "part1/train.py"),
    *("part2/time_gated_lstm.py", "part2/train.py", "part3/model.py", "part3/train.py", "part3/generate.py"),
)
# What .gitignore names, and what is hidden.
IGNORED = re.compile(
    r"(.*/)?(\..*|__pycache__|venv|(uv\.)?lock|lock_.*|.*\.(py[cod]|tmp|unfinished\.jsonl)|checkpoint.*\.pt|best\.pt)"
    r"|[^/]*\.out|reproduced|results/[^/]*/[^/]*_run\d[^/]*|assets/(?!book\.txt)[^/]*\.txt"
)


def last_name(text):
    """An argument type: a name that can begin a file's name everywhere."""
    if not NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not 1 to 64 letters, digits, - or _, a letter first")
    return text


def submitted_files(root):
    """Paths in the folder `root` that are handed in, sorted. Raises ValueError if the report or a part is missing."""
    paths = sorted(path for path in _walked(root) if (root / path).is_file())
    runs = {os.path.dirname(path) for path in paths if os.path.basename(path) == "config.json"}
    paths = [path for path in paths if os.path.dirname(path) not in runs and not path.endswith("_assignment2.zip")]
    if missing := [path for path in NEEDED if path not in paths]:
        raise ValueError(f"{missing[0]} is not there: without it there is nothing to hand in")
    return paths


def _walked(root):
    """Paths of the files below `root` that are not to be ignored."""
    for folder, folders, names in os.walk(root):
        inside = Path(folder).relative_to(root)
        folders[:] = [name for name in folders if not IGNORED.fullmatch((inside / name).as_posix())]
        yield from (path for name in names if not IGNORED.fullmatch(path := (inside / name).as_posix()))


def make_zip(root, paths, top):
    """The ZIP archive as bytes, every path under the folder `top`; no time of the files is in it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in paths:
            content = (root / path).read_bytes()
            entry = zipfile.ZipInfo(f"{top}/{path}", date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix, wherever it is made
            entry.external_attr = (0o755 if content.startswith(b"#!") else 0o644) << 16  # Windows has no such bit
            archive.writestr(entry, content)
    return buffer.getvalue()


def main(argv=None):
    parser = Parser(__doc__)
    parser.add_argument("--lastname", type=last_name, required=True, help="last name of who hands it in")
    config = parser.parse_args(argv)
    top = f"{config.lastname}_assignment2"
    with parser.printing():
        paths = submitted_files(ROOT)
        archive = make_zip(ROOT, paths, top)
        write_atomically(f"{top}.zip", archive)
        print(f"{top}.zip: {len(paths)} files, {len(archive) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
