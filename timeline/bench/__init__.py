"""`timeline bench`: what this machine does, beside the limits it sets, in one run.

Every figure stands beside a limit measured in turns with it (raw SQLite, bare hashing, constant bytes from the same
server), because absolute figures speak of the machine and ratios speak of the program. Subjects: `writes`, `reads`,
`wire` (HTTP), `streams`, `upkeep`, `proofs`, `memory`; `data` is what is measured with, `naive` and `client` what it is
measured against.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from timeline.bench import memory, proofs, reads, show, streams, upkeep, wire, writes
from timeline.bench.figures import Figure, Run, machine

QUICK: Final = 10_000
SUBJECTS: Final[dict[str, Callable[[Run], Iterator[Figure]]]] = {
    "import": writes.imports,
    "append": writes.appends,
    "range": reads.ranges,
    "http": wire.pages,
    "rebuild": upkeep.rebuilds,
    "verify": upkeep.verifications,
    "proof": proofs.inclusions,
    "snapshot": proofs.snapshots,
    "memory": memory.peaks,
    "stream": streams.fans,
}


def main(argv: list[str]) -> int:
    """Measure what is asked for and print it; gives the exit code."""
    options = _options(argv)
    keep = options.keep or Path(tempfile.mkdtemp(prefix="timeline-bench-"))
    sizes, repeat = sorted(set(options.size or [QUICK])), options.repeat or (2 if options.quick else 5)
    run = Run(sizes=sizes, repeat=repeat, keep=keep, quick=options.quick)
    try:
        figures = _measured(run, options.only or list(SUBJECTS))
    finally:
        shutil.rmtree(run.scratch, ignore_errors=True)
        if options.keep is None:
            shutil.rmtree(keep, ignore_errors=True)
    about = machine()
    if options.json:
        sys.stdout.write(show.as_json(figures, about).decode() + "\n")
        return 0
    console = Console(width=None if sys.stdout.isatty() else 200, highlight=False)
    console.print(show.heading(about, run.repeat), markup=False)
    console.print(show.table(figures))
    return 0


def _measured(run: Run, subjects: Sequence[str]) -> list[Figure]:
    figures: list[Figure] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=show.progress_console(), transient=True) as progress:
        task = progress.add_task("", total=len(subjects))
        detail = progress.add_task("", visible=False)

        def advance(text: str, done: int, total: int) -> None:
            progress.update(detail, description=f"  {text}", completed=done, total=total, visible=done < total)

        run.progress = advance
        for number, subject in enumerate(subjects):
            progress.update(task, description=subject, completed=number)
            figures += SUBJECTS[subject](run)
    return figures


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="timeline bench", description="Measure this machine beside its own limits.")
    parser.add_argument("--quick", action="store_true", help="small amounts: seconds rather than minutes")
    parser.add_argument("--size", type=_size, action="append", metavar="N",
                        help=f"events in the logs that are read; repeatable (default {QUICK})")
    parser.add_argument("--only", type=_subjects, metavar="NAMES", help=f"some of {','.join(SUBJECTS)}")
    parser.add_argument("--repeat", type=_size, metavar="N", help="times each thing is measured (default 5, quick 2)")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the logs that are built, and use them again")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args(argv)


def _size(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 100_000_000:
        raise argparse.ArgumentTypeError(f"expected a number from 1, got {text}")
    return number


def _subjects(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in SUBJECTS:
            raise argparse.ArgumentTypeError(f"unknown subject {name}: expected some of {', '.join(SUBJECTS)}")
    return names


__all__ = ["SUBJECTS", "main"]
