"""Make the ZIP that the assignment asks for: report and code, with the directories kept.

python submit.py --lastname jansen      # jansen_assignment2.zip in the current folder

In it is what git tracks, without the runs behind the results. The same files give the same bytes.
"""

import argparse
import io
import os
import re
import subprocess
import zipfile
from pathlib import Path

from common.arguments import Parser
from common.files import write_atomically

ROOT = Path(__file__).resolve().parent
# A file's name on every system: letters of any language, digits, hyphen and underscore, at most 64 of them.
NAME = re.compile(r"[^\W\d_][\w-]{0,63}")


def last_name(text):
    """An argument type: a name that can begin a file's name everywhere."""
    if not NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not 1 to 64 letters, digits, - or _, a letter first")
    return text


def is_run(path):
    """Whether a path is of a run, a sweep or a checkpoint's folder: what lies in a folder below results/partN."""
    return path.startswith("results/") and path.count("/") > 2


def submitted_files(root):
    """Paths in the checkout `root` that git tracks and that are handed in, sorted. Raises ValueError without git."""
    try:
        command = ["git", "-C", str(root), "ls-files", "-z"]
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise ValueError(f"{root} is not a checkout that git can list: the ZIP holds what git tracks") from error
    tracked = sorted(path for path in listed.split("\0") if path and not is_run(path))
    missing = [path for path in tracked if not (root / path).is_file()]
    if missing:
        raise ValueError(f"{missing[0]} is tracked but not there: restore or commit first")
    return tracked


def make_zip(root, paths, top):
    """The ZIP archive as bytes, every path under the folder `top`; no time of the checkout is in it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in paths:
            entry = zipfile.ZipInfo(f"{top}/{path}", date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix, wherever it is made
            entry.external_attr = (0o755 if os.access(root / path, os.X_OK) else 0o644) << 16
            archive.writestr(entry, (root / path).read_bytes())
    return buffer.getvalue()


def main(argv=None):
    parser = Parser(__doc__.split("\n")[0])
    parser.add_argument("--lastname", type=last_name, required=True, help="of who hands it in")
    config = parser.parse_args(argv)
    top = f"{config.lastname}_assignment2"
    try:
        paths = submitted_files(ROOT)
        archive = make_zip(ROOT, paths, top)
        write_atomically(f"{top}.zip", archive)
    except (ValueError, OSError) as error:
        parser.error(error)
    print(f"{top}.zip: {len(paths)} files, {len(archive) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
