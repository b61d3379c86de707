"""Make every figure and table of the project again; then show where their numbers differ from the committed ones.

python reproduce --quick          # at small scale, in minutes
python reproduce --full           # with the settings that the committed results were made with
python reproduce --only report    # put the numbers of results/ into the report and the pages, typeset the report

What is made lies in reproduced/quick or reproduced/full, laid out as results/ is, with logs/ beside it. Steps that are
finished are skipped, so the same command resumes after any interruption. reproduce/steps.yaml is the table of the
steps, reproduce/claims.yaml that of the numbers that are compared.
"""

import os
import signal
import sys
from pathlib import Path

if not __package__:  # run as `python reproduce`: import from the checkout, not from reproduce/
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

try:
    from doit.dependency import DatabaseException

    from reproduce.claims import comparison
    from reproduce.runner import blocked, expected_minutes, run_steps, unfinished
    from reproduce.texts import fill, make_pdf
except ModuleNotFoundError as error:
    print(f"reproduce: error: {error}: pip install -r requirements-dev.txt brings what this needs", file=sys.stderr)
    sys.exit(2)

from common.arguments import Parser, whole_number
from common.device import cores
from common.files import write_atomically
from common.printing import command_line
from common.run_folder import lock_folder
from reproduce.steps import PARTS, ROOT, steps

TEXTS = {  # templates, and what they become
    "reproduce/report.md": "results/report.md",
    "reproduce/results.md": "docs/results.md",
    "reproduce/part1.md": "results/part1/README.md",
    "reproduce/part2.md": "results/part2/README.md",
    "reproduce/leaderboard.md": "results/part3/leaderboard.md",
    "README.md": "README.md",
    "docs/cluster.md": "docs/cluster.md",
    "docs/teaching.md": "docs/teaching.md",
    "results/part3/book.md": "results/part3/book.md",
    "reproduce/part3.md": "results/part3/README.md",
}


def build_parser():
    parser = Parser(__doc__)
    scale = parser.add_mutually_exclusive_group()
    scale.add_argument("--quick", action="store_true", help="few seeds, short lengths, few updates")
    scale.add_argument("--full", action="store_true", help="the settings of the committed results")
    parser.add_argument("--only", choices=PARTS, help="one part, with what it needs of others")
    parser.add_argument("--list", action="store_true", help="list what would be made, and how; make nothing")
    parser.add_argument("--output_dir", help="folder for all of it; none: reproduced/quick or reproduced/full")
    parser.add_argument("--workers", type=whole_number(1, 4096), default=cores(), help="processes, one thread each")
    return parser


def chosen(table, part):
    """The steps of a part, and those whose outputs they read; all for None."""
    names, read = set(), set()
    for step in reversed(table):
        if part in (None, step.name.split("/")[0]) or read & {*step.outputs}:
            names.add(step.name)
            read |= {*step.inputs}
    return [step for step in table if step.name in names]


def make_texts(folder=None):
    """Fill the texts, or the report alone into `folder`; typeset the report, or print why that is not possible.

    Raises ValueError for an expression that cannot be filled, before anything is written, and OSError.
    """
    texts = TEXTS if folder is None else {"reproduce/report.md": Path(folder).resolve() / "report.md"}
    sources = {source: (ROOT / source).read_text(encoding="utf-8") for source in texts}
    for source, text in {source: fill(text, ROOT / "results", source) for source, text in sources.items()}.items():
        made = ROOT / texts[source]
        made.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(made, text)
        print(f"{os.path.relpath(made)}: filled from results/")
    report = ROOT / texts["reproduce/report.md"]
    try:
        make_pdf(report, report.with_suffix(".pdf"))
        print(f"{os.path.relpath(report.with_suffix('.pdf'))}: typeset")
    except ValueError as error:
        print(error)


def list_steps(folder, table, to_do, reasons):
    """Print what each step makes, how, in how many minutes, and where it stands."""
    for step in table:
        state = "cannot be made" if step.name in reasons else "missing" if step in to_do else "done"
        words = command_line(word.replace("{out}", os.path.relpath(folder, ROOT)) for word in step.command)
        prints = f" > {os.path.relpath(folder / step.prints, ROOT)}" if step.prints else ""
        print(f"{step.name}  {state}, {step.seconds / 60:.1f} min")
        print(f"    {', '.join(step.outputs)}")
        print(f"    {reasons.get(step.name) or f'python {words}{prints}'}")


def stop(number, frame):
    """What the first Ctrl-C or SIGTERM does; later ones do nothing."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt(signal.Signals(number))


def main(argv=None, table=steps):
    parser = build_parser()
    config = parser.parse_args(argv)
    if not (config.quick or config.full):
        if config.only != "report" or config.list:
            parser.error("--quick or --full? (only --only report goes without)")
        with parser.printing():
            return make_texts(config.output_dir)

    scale = "full" if config.full else "quick"
    if not (config.list or hasattr(os, "killpg")):
        parser.error("this needs Linux or macOS; Windows can --list, and fill the texts")
    folder = Path(os.path.realpath(config.output_dir or ROOT / "reproduced" / scale))  # resolve raises for a loop
    if folder.is_relative_to(ROOT / "results"):
        parser.error(f"--output_dir {config.output_dir}: results/ holds the committed ones, name another folder")
    table = chosen(table(scale), config.only)
    reasons = blocked(table)
    possible = [step for step in table if step.name not in reasons]
    try:
        if not config.list:
            folder.mkdir(parents=True, exist_ok=True)
            lock = lock_folder(folder)
        to_do = unfinished(folder, possible)
    except (OSError, ValueError, RecursionError, DatabaseException) as error:
        parser.error(error)
    if config.list:
        with parser.printing():
            list_steps(folder, table, to_do, reasons)
        return

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    for reason in dict.fromkeys(reasons.values()):
        print(f"left out, {reason}: {', '.join(name for name in reasons if reasons[name] == reason)}")
    minutes, seconds = expected_minutes(to_do, config.workers), sum(step.seconds for step in to_do)
    work = f"{len(to_do)} of {len(possible)} steps to do, about {minutes:.0f} minutes: {seconds:,} CPU-seconds, "
    work += f"{config.workers} processes at a time"
    print(work if to_do else f"nothing to do: all {len(possible)} steps are finished", flush=True)
    try:
        failed = run_steps(folder, ROOT, to_do, config.workers, lock)
        made = [step for step in possible if step.name not in failed]
        print(f"\n{comparison(folder, ROOT / 'results', made)}")
    except KeyboardInterrupt as stopped:
        print(f"stopped by {stopped.args[0].name}: start the same command again to continue", file=sys.stderr)
        sys.exit(128 + stopped.args[0])
    except OSError as error:  # a full disk: what is finished is kept
        print(f"{error}: start the same command again to continue", file=sys.stderr)
        sys.exit(1)
    for name, error in failed.items():
        print(f"{name} failed: {error}  ({os.path.relpath(folder)}/logs/{name}.log)", file=sys.stderr)
    if failed:
        sys.exit(1)


if __name__ == "__main__":
    main()
