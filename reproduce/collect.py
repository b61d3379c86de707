"""Tables, as in results/, of what was trained: python -m reproduce.collect TRAINED TABLES

TRAINED is a folder of run folders, or of the folders of sweeps; TABLES is where their tables go.
"""

import sys
from pathlib import Path

from common.tables import collect_runs, read_records, write_records
from part1.sweep import POINTS, VARIED


def collect(trained, tables):
    """Raises ValueError if nothing finished is there, and OSError."""
    if sweeps := sorted(trained.glob(f"*/{POINTS}")):
        points = [point for sweep in sweeps for point in read_records(sweep)]
        write_records(tables / POINTS, sorted(points, key=lambda point: [point[name] for name in VARIED]))
    else:
        collect_runs(trained, tables)


if __name__ == "__main__":
    collect(*map(Path, sys.argv[1:]))
