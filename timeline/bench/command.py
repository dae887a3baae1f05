"""The command: what is asked for is measured, and shown as a table and curves, as JSON or as an SVG document."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from timeline.bench import memory, plot, posts, proofs, reads, show, starts, streams, svg, upkeep, wire, writes
from timeline.bench.figures import Figure, Run, machine
from timeline.errors import TimelineError

QUICK: Final = 10_000
SUBJECTS: Final[dict[str, Callable[[Run], Iterator[Figure]]]] = {
    "import": writes.imports,
    "append": writes.appends,
    "range": reads.ranges,
    "http": wire.pages,
    "post": posts.posts,
    "start": starts.starts,
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
    about = machine(run.scratch)
    try:
        figures = _measured(run, options.only or list(SUBJECTS))
    finally:
        shutil.rmtree(run.scratch, ignore_errors=True)
        if options.keep is None:
            shutil.rmtree(keep, ignore_errors=True)
    _report(run, figures, about, options)
    return 1 if run.failed else 0


def _report(run: Run, figures: Sequence[Figure], about: Mapping[str, Any], options: argparse.Namespace) -> None:
    panels = plot.panels(figures)
    if options.svg is not None:
        options.svg.write_text(svg.document(panels, _machine_in_words(about)), encoding="utf-8")
    if options.json:
        sys.stdout.write(show.as_json(figures, about, run.skipped).decode() + "\n")
        return
    console = Console(width=None if sys.stdout.isatty() else 240, highlight=False)
    console.print(show.heading(about, run.repeat), markup=False)
    console.print(show.table(figures))
    for text in (*map(plot.text, panels), *run.skipped):
        console.print(f"\n{text}", markup=False)


def _machine_in_words(about: Mapping[str, Any]) -> str:
    return (f"{about['processor']}, {about['cores']} cores, load {about['load']}, sync {about['sync_us']} us; "
            f"timeline {about['timeline']}, Python {about['python']}, SQLite {about['sqlite']}")


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
            try:
                for figure in SUBJECTS[subject](run):
                    figures.append(figure)  # noqa: PERF402 - what was measured before a failure is kept
            except (RuntimeError, OSError, subprocess.SubprocessError, TimelineError) as error:
                run.fail(f"{subject} could not be measured to its end: {_reason(error)}")
    return figures


def _reason(error: Exception) -> str:
    """Say what went wrong, without the paths and commands that some errors tell."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, subprocess.SubprocessError):
        return "a process of the bench failed"
    if isinstance(error, TimelineError):
        return error.detail
    return str(error) or "it took too long"


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="timeline bench", description="Measure this machine beside its own limits.")
    parser.add_argument("--quick", action="store_true", help="small amounts: seconds rather than minutes")
    parser.add_argument("--size", type=_size, action="append", metavar="N",
                        help=f"events in the logs that are read; repeatable (default {QUICK})")
    parser.add_argument("--only", type=_subjects, metavar="NAMES", help=f"some of {','.join(SUBJECTS)}")
    parser.add_argument("--repeat", type=_size, metavar="N", help="times each thing is measured (default 5, quick 2)")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the logs that are built, and use them again")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw cost against size; needs two sizes or more")
    options = parser.parse_args(argv)
    if options.svg is not None and len(set(options.size or [])) < 2:
        parser.error("--svg: give --size at least twice, such as --size 10000 --size 100000: a curve needs two points")
    if options.svg is not None:
        try:
            options.svg.touch()
        except OSError as error:
            parser.error(f"--svg: this file cannot be written: {error.strerror}; give another one")
    return options


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
