"""`verify`, `rebuild` and `doctor`: whether the log is sound, and the views, and the machine."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import rich_click as click

from timeline.cli.opening import present
from timeline.cli.options import as_json
from timeline.cli.output import advance, console, print_json, progress, say
from timeline.errors import Corrupt, TimelineError

if TYPE_CHECKING:
    from timeline.cli.root import Settings
    from timeline.log.verify import Report

SAFE_SQLITE: Final = (3, 51, 3)
QUICK: Final = 20_000
"""Records that doctor re-reads; the rest is for `timeline verify`."""

PROVED: Final = """\
This proves that the file agrees with itself: every record with its hash, its place, its streams and the Merkle tree.
It does not prove that nobody rewrote or cut the file as a whole: for that, compare size and root with a checkpoint
kept elsewhere. Nor that a source told the truth: nobody can prove that."""


@click.command()
@as_json
@click.pass_context
def verify(context: click.Context, /, *, as_json: bool) -> None:
    """Read the whole log again and check it against its own hashes; exit code 7 where it is damaged.

    Works while a server is writing the log.

    \b
    timeline verify
    timeline verify --json > report.json
    """
    settings: Settings = context.obj
    report = _verified(settings.db)
    finding = report.finding
    if as_json:
        print_json({
            "sound": report.sound, "size": report.head.size, "root": report.head.root.hex(), "parts": report.parts,
            "recorded_at": report.head.recorded_at,
            "finding": None if finding is None else
            {"position": finding.position, "check": finding.check, "detail": finding.detail},
        })
        context.exit(0 if finding is None else Corrupt.exit_code)
    if finding is not None:
        where = f"at position {finding.position:,}" if finding.position else "in what is stored beside the records"
        before = f"; the {finding.position - 1:,} records before it are sound" if finding.position > 1 else ""
        raise Corrupt(f"{settings.db.name} is damaged {where}: {finding.detail} (check: {finding.check}){before}")
    say(f"{settings.db.name} is sound: {report.head.size:,} records, {report.parts:,} parts")
    say(f"size {report.head.size}  root {report.head.root.hex()}")
    say()
    say(PROVED)


def _verified(path: Path) -> Report:
    from timeline.chronicle import verify_file
    from timeline.log.sqlite import LogFile

    try:
        with closing(LogFile(present(path))) as log:
            size = log.size()
    except sqlite3.DatabaseError:
        raise Corrupt(f"{path.name} is damaged: SQLite cannot read it") from None
    with progress("verifying", size) as bar:
        return verify_file(path, lambda position: advance(bar, position))


@click.command()
@as_json
@click.pass_obj
def rebuild(settings: Settings, /, *, as_json: bool) -> None:
    """Build the views anew from the log. Safe at any time, and safe to interrupt: the old ones stay until the end.

    \b
    timeline rebuild
    """
    from timeline.chronicle import rebuild_views
    from timeline.log.sqlite import LogFile

    with closing(LogFile(present(settings.db))) as log:
        size = log.size()
    with progress("rebuilding", size) as bar:
        position = rebuild_views(settings.db, lambda position: advance(bar, position))
    if as_json:
        print_json({"position": position})
    else:
        say(f"the views stand at position {position:,}")


class Check(NamedTuple):
    """One thing looked at: ok, warn or fail, and what to do about it."""

    name: str
    state: str
    detail: str


@click.command()
@as_json
@click.pass_context
def doctor(context: click.Context, /, *, as_json: bool) -> None:
    """Look at the log, its views and the machine, and say what is wrong; exit code 1 where something fails.

    \b
    timeline doctor
    """
    settings: Settings = context.obj
    checks = list(examine(settings.db))
    if as_json:
        print_json([check._asdict() for check in checks])
    else:
        console().print(_checks_table(checks))
    context.exit(1 if any(check.state == "fail" for check in checks) else 0)


def _checks_table(checks: list[Check]) -> Any:  # noqa: ANN401 - a Table; importing it here would be slow
    from rich import box
    from rich.table import Table
    from rich.text import Text

    styles = {"ok": "green", "warn": "yellow", "fail": "bold red"}
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("Check", "", "What"):
        table.add_column(name, overflow="fold")
    for check in checks:
        table.add_row(Text(check.name), Text(check.state, style=styles[check.state]), Text(check.detail))
    return table


def examine(path: Path) -> Iterator[Check]:
    """Look at everything; no check stops the others."""
    yield _sqlite()
    yield _zones()
    yield _disk(path)
    if not path.is_file():
        yield Check("log", "warn", f"there is no log at {path}: `timeline demo` or `timeline import FILE` makes one")
        return
    try:
        yield from _log(path)
    except TimelineError as error:
        yield Check("log", "fail", error.detail)
    except sqlite3.DatabaseError:
        yield Check("log", "fail", "SQLite cannot read the file: restore it from a backup or an export")


def _sqlite() -> Check:
    version = sqlite3.sqlite_version
    if sqlite3.sqlite_version_info >= SAFE_SQLITE:
        return Check("SQLite", "ok", version)
    return Check("SQLite", "ok", f"{version}: before 3.51.3 two writing connections could corrupt a WAL; the lock for "
                                 "one writer avoids that, so do not write the file with other programs")


def _zones() -> Check:
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo("America/Anchorage")
    except (LookupError, ValueError, OSError):
        return Check("time zones", "fail", "no IANA data: install the package tzdata")
    return Check("time zones", "ok", "IANA data found")


def _disk(path: Path) -> Check:
    folder = path.absolute().parent
    if not folder.is_dir():
        return Check("disk", "fail", f"there is no directory {folder}")
    free = shutil.disk_usage(folder).free
    size = path.stat().st_size if path.is_file() else 0
    enough = free > max(3 * size, 100 * 2**20)
    return Check("disk", "ok" if enough else "warn", f"{free / 2**30:.1f} GB free, the log has {size / 2**20:.1f} MB"
                 + ("" if enough else ": too little to rebuild the views in safety"))


def _log(path: Path) -> Iterator[Check]:
    from timeline.log.sqlite import LogFile
    from timeline.log.verify import verify as pass_over

    with closing(LogFile(path)) as log:
        size = log.size()
        yield Check("log", "ok", f"{log.origin}, {size:,} records")
        yield _writer(path)
        yield _views(path, log.origin, size)
        if size > QUICK:
            yield Check("hashes", "warn", f"not checked: more than {QUICK:,} records; run `timeline verify`")
            return
        finding = pass_over(log.connection()).finding
        if finding is None:
            yield Check("hashes", "ok", "every record agrees with its hashes")
        else:
            yield Check("hashes", "fail", f"position {finding.position}: {finding.detail}")


def _writer(path: Path) -> Check:
    from timeline.connections import WriterLock
    from timeline.errors import Busy

    try:
        WriterLock(Path(f"{path}.lock")).release()
    except Busy as error:
        return Check("writer", "ok", error.detail)
    except PermissionError:
        return Check("writer", "warn", "no permission to write here: reading only")
    return Check("writer", "ok", "nobody is writing")


def _views(path: Path, origin: str, size: int) -> Check:
    from timeline.connections import open_reader
    from timeline.views.store import views_path

    views = views_path(path)
    if not views.is_file():
        return Check("views", "warn", "not there: the next command builds them")
    try:
        with closing(open_reader(views)) as connection:
            row = connection.execute("SELECT origin, position FROM state").fetchone()
    except sqlite3.DatabaseError:
        return Check("views", "fail", f"{views.name} cannot be read: run `timeline rebuild`")
    if row is None or row[0] != origin:
        return Check("views", "warn", f"{views.name} belongs to another log: the next command builds it anew")
    behind = size - row[1]
    state = "ok" if behind == 0 else "warn" if behind > 0 else "fail"
    told = {"ok": "up to date", "warn": f"{behind:,} records behind, caught up by the next command that writes",
            "fail": "ahead of the log: run `timeline rebuild`"}
    return Check("views", state, f"{views.name}, position {row[1]:,}: {told[state]}")
