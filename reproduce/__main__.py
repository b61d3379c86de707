"""Make every figure and table of the project again, in order; then show where their numbers differ from the committed.

python reproduce --quick          # at small scale, in minutes
python reproduce --full           # with the settings that the committed results were made with
python reproduce --only report    # put the numbers of results/ into the report and the README, typeset the report

What is made lies in reproduced/quick or reproduced/full, laid out as results/ is, with logs/ beside it. Steps that are
finished are skipped, so the same command goes on after any interruption. reproduce_steps.py is the table of the steps,
reproduce_claims.py that of the numbers that are compared.
"""

import os
import shlex
import sys
from pathlib import Path

from common.arguments import Parser, whole_number
from common.device import cores
from common.files import write_atomically
from reproduce.fill import fill
from common.lock import lock_folder
from common.pipe import reader_may_leave
from reproduce.runner import expected_minutes, is_finished, record_of, run_steps, sort_out
from common.stop import StopFlag
from reproduce.typeset import make_pdf
from reproduce.claims import comparison
from reproduce.steps import PARTS, steps

ROOT = Path(__file__).resolve().parent
TEXTS = {"reproduce/report.md": "results/report.md", "reproduce/front_page.md": "README.md"}  # with placeholders: filled


def build_parser():
    parser = Parser(__doc__.split("\n")[0])
    scale = parser.add_mutually_exclusive_group()
    scale.add_argument("--quick", action="store_true", help="few seeds, short lengths, few updates")
    scale.add_argument("--full", action="store_true", help="the settings of the committed results")
    parser.add_argument("--only", choices=PARTS, help="one part, with what it needs of others")
    parser.add_argument("--list", action="store_true", help="say what would be made, and how; make nothing")
    parser.add_argument("--output_dir", help="folder for all of it; none: reproduced/quick or reproduced/full")
    parser.add_argument("--workers", type=whole_number(1, 4096), default=cores(), help="processes, one thread each")
    return parser


def chosen(table, part):
    """The steps of a part, and those that they need; all for None."""
    wanted = {step.name for step in table if part in (None, step.name.split("/")[0])}
    for step in reversed(table):
        if step.name in wanted:
            wanted |= {*step.needs}
    return [step for step in table if step.name in wanted]


def make_texts(folder=None):
    """Fill the texts, or the report alone into `folder`; typeset the report beside its text, or say what that lacks.

    Raises ValueError for a placeholder that cannot be filled, before anything is written, and OSError.
    """
    texts = TEXTS if folder is None else {"reproduce/report.md": Path(folder).resolve() / "report.md"}
    filled = {ROOT / made: fill((ROOT / source).read_text(), ROOT) for source, made in texts.items()}
    for made, text in filled.items():
        made.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(made, text)
        print(f"{os.path.relpath(made)}: filled from results/")
    report = ROOT / texts["reproduce/report.md"]
    pdf = report.with_suffix(".pdf")
    try:
        make_pdf(report, pdf, ROOT / "reproduce/report.tex")
        print(f"{os.path.relpath(pdf)}: typeset")
    except ValueError as error:
        print(error)


def list_steps(folder, table, to_do, cannot):
    """What each step makes, how, in how many minutes, and where it stands."""
    for step in table:
        state = "cannot be made" if step.name in cannot else "missing" if step in to_do else "done"
        print(f"{step.name}  {state}, {step.seconds / 60:.1f} min")
        print(f"    {files_of(step)}")
        print(f"    {cannot.get(step.name) or in_shell(step, folder)}")


def files_of(step):
    """What the step makes, in few words."""
    if len(step.outputs) > 3:
        return f"{len(step.outputs)} files in {os.path.dirname(step.outputs[0])}"
    return ", ".join(step.outputs)


def in_shell(step, folder):
    """The step's command as it is typed in the checkout."""
    words = [word.replace("{out}", os.path.relpath(folder, ROOT)) for word in step.command]
    prints = f" > {os.path.relpath(folder / step.prints, ROOT)}" if step.prints else ""
    return f"python {shlex.join(words)}{prints}"


def summary(folder, table):
    """A table of what is made, a row per finished step: its files, wall and CPU seconds."""
    lines = ["| step | files | wall s | CPU s |", "|---|---|---|---|"]
    for step in table:
        if is_finished(folder, step):
            record = record_of(folder, step)
            lines.append(
                f"| {step.name} | {files_of(step)} | {record['wall_seconds']:.0f} | {record['cpu_seconds']:.0f} |"
            )
    return "\n".join(lines)


def main(argv=None, table=steps):
    parser = build_parser()
    config = parser.parse_args(argv)
    if not (config.quick or config.full):
        if config.only != "report" or config.list:
            parser.error("--quick or --full? (only --only report goes without)")
        try:
            make_texts(config.output_dir)
        except (OSError, ValueError) as error:
            parser.error(error)
        return

    scale = "full" if config.full else "quick"
    folder = Path(config.output_dir or ROOT / "reproduced" / scale).resolve()
    if folder.is_relative_to(ROOT / "results"):
        parser.error(f"--output_dir {config.output_dir}: results/ holds the committed ones, name another folder")
    table = chosen(table(scale), config.only)
    to_do, cannot = sort_out(folder, table)
    if config.list:
        with reader_may_leave():
            list_steps(folder, table, to_do, cannot)
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = lock_folder(folder)
    except (OSError, ValueError) as error:
        parser.error(error)

    for reason in dict.fromkeys(cannot.values()):
        names = [name for name in cannot if cannot[name] == reason]
        print(f"left out, {reason}: {', '.join(names)}")
    print(
        f"{len(to_do)} of {len(table) - len(cannot)} steps to do, about {expected_minutes(to_do, config.workers):.0f} "
        f"minutes: {sum(step.seconds for step in to_do):,} CPU-seconds, {config.workers} processes at a time"
        if to_do
        else f"nothing to do: all {len(table) - len(cannot)} steps are finished",
        flush=True,
    )
    stop = StopFlag()
    try:
        failed = run_steps(folder, ROOT, to_do, config.workers, stop, lock)
    except OSError as error:  # a full disk: what is finished is kept
        print(f"{error}: start the same command again to go on", file=sys.stderr)
        sys.exit(1)
    if stop:
        print(f"stopped by {stop.signal.name}: start the same command again to go on", file=sys.stderr)
        sys.exit(stop.exit_status)
    print(f"\n{summary(folder, table)}\n\n{comparison(folder, ROOT / 'results', scale)}")
    for name, error in failed.items():
        print(f"{name} failed: {error}  ({os.path.relpath(folder)}/logs/{name}.log)", file=sys.stderr)
    if failed:
        sys.exit(1)


if __name__ == "__main__":
    main()
