"""What commands print: tables for people, JSON for programs, errors for both.

Text from the log is never read as markup. Without a terminal there are no colours and no progress bars.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import rich_click as click

from timeline.errors import Fault

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

WIDE = 120


def plain_streams() -> None:
    """Let no character be a reason to fail: what the terminal cannot show becomes an escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def console(*, error: bool = False) -> Console:
    """Give a console; output that goes into a file or a pipe is as wide as a wide terminal."""
    from rich.console import Console

    stream = sys.stderr if error else sys.stdout
    width = None if stream.isatty() or os.environ.get("COLUMNS") else WIDE
    return Console(file=stream, width=width, markup=False, highlight=False, emoji=False)


def print_json(value: object) -> None:
    """Print a value as JSON."""
    write(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")


def write(data: bytes) -> None:
    """Write bytes to standard output."""
    sys.stdout.flush()
    sys.stdout.buffer.write(data)


def say(text: str = "") -> None:
    """Print a line."""
    click.echo(text)


def note(text: str) -> None:
    """Print a line that is not part of the answer."""
    click.echo(text, err=True)


def complain(detail: str, faults: Iterable[Fault] = ()) -> None:
    """Print an error: one line, then its faults."""
    sentence, *more = detail.splitlines() or [""]
    label = click.style("error:", fg="red", bold=True) if sys.stderr.isatty() and not os.environ.get("NO_COLOR") else (
        "error:")
    lines = [f"{label} {sentence}", *(f"  {line}" for line in more)]
    for fault in faults:
        if fault.detail not in detail:
            first, *rest = fault.detail.splitlines()
            place = _place(fault)
            lines += [f"  {place}: {first}" if place else f"  {first}", *(f"  {line}" for line in rest)]
    click.echo("\n".join(lines), err=True)


def _place(fault: Fault) -> str:
    """Name where a fault is, as the command line calls it."""
    if fault.pointer.startswith("?"):
        return "--" + fault.pointer[1:].replace("_", "-")
    return fault.pointer


@contextmanager
def progress(description: str, total: float | None, *, bytes_: bool = False) -> Iterator[Progress | None]:
    """Show a progress bar on standard error, where that is a terminal. The bar has one task, number 0."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    amount = DownloadColumn() if bytes_ else MofNCompleteColumn()
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), amount, TextColumn("{task.fields[extra]}"),
               TimeRemainingColumn())
    with Progress(*columns, console=console(error=True), transient=True) as bar:
        bar.add_task(description, total=total, extra="")
        yield bar


def advance(bar: Any, completed: float, extra: str = "") -> None:  # noqa: ANN401 - a Progress, or nothing to show
    """Move the bar, if there is one."""
    if bar is not None:
        bar.update(bar.task_ids[0], completed=completed, extra=extra)
