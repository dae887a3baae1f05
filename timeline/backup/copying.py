"""Copying an SQLite file that others write, and judging the copy of a log.

SQLite's online backup, in steps, inside one read transaction. Without the transaction every commit of another
connection makes it begin again: with 780 commits a second, a copy of 311 MB had begun 2,300 times after a minute and
was nowhere; inside one it took 0.5 s. ``VACUUM INTO`` cannot be had: SQLite 3.40 fails on read-only connections where
a table has a generated column. While the copy lasts, the source's WAL only grows.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from timeline import merkle
from timeline.chronicle import verify_file
from timeline.connections import open_reader
from timeline.errors import Busy, Corrupt, TimelineError
from timeline.log.files import SCHEMA_VERSION, format_of
from timeline.log.purging import rewrite
from timeline.log.reading import stored_hashes
from timeline.log.sqlite import SqliteLog
from timeline.log.verify import Finding, Report

Progress = Callable[[str, int, int], None]
"""Told what is being done, how much of it is, and how much there is."""

STEP: Final = 2_000
"""Pages in one step: 8 MB."""

TRIES: Final = 40
"""Steps in a row that may find a file locked, a quarter of a second apart."""


_NO_ROOM: Final = ("(disk I/O error)", "(database or disk is full)")


def silent(_what: str, _done: int, _total: int) -> None:
    """Show no progress."""


def copy_database(source: sqlite3.Connection, target: Path, progress: Progress, *, anew: bool = False) -> None:
    """Copy what a connection sees at one instant into one file that needs no other beside it.

    `anew` writes every page of the copy anew, so that none keeps what was erased.

    Raises:
        Busy: somebody holds the source for longer than ten seconds.
        Corrupt: the source cannot be read.

    """
    try:
        with closing(sqlite3.connect(target, isolation_level=None)) as copy:
            copy.execute("PRAGMA synchronous = OFF")  # the caller waits for the disk, once
            source.execute("BEGIN")
            try:
                source.execute("SELECT count(*) FROM sqlite_master").fetchone()  # the first read fixes the instant
                source.backup(copy, pages=STEP, progress=_meter(progress))
            finally:
                source.execute("ROLLBACK")
            if anew and not rewrite(copy):
                raise Busy("there is not enough room to leave out what was erased: make room and try again")
            copy.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise Busy("somebody holds the file: try again when it is free", retry_after=10) from None
        raise
    except sqlite3.DatabaseError:
        raise Corrupt("SQLite cannot read the file that was to be copied: run `timeline verify`") from None


def _meter(progress: Progress) -> Callable[[int, int, int], None]:
    left, tries = -1, 0

    def step(_status: int, remaining: int, total: int) -> None:
        nonlocal left, tries
        tries = tries + 1 if remaining == left else 0
        left = remaining
        if tries > TRIES:
            raise Busy("somebody holds the file: try again when it is free", retry_after=10)
        progress("copying", total - remaining, total)

    return step


def revive(path: Path, name: str, progress: Progress) -> Report:
    """Open a copy for writing, as whoever restores it will (format 1 becomes format 2), and read all of it.

    Raises:
        Corrupt: it is damaged, or no log any more; the sentence names the first bad position.

    """
    report = judge(path, name, progress)
    with closing(open_reader(path)) as connection:
        old = format_of(connection) < SCHEMA_VERSION
    try:
        SqliteLog(path).close()
    except TimelineError as error:
        raise Corrupt(f"{name} is damaged: it can be read, but not be opened for writing: {error.detail}") from None
    return judge(path, name, progress) if old else report


def judge(path: Path, name: str, progress: Progress) -> Report:
    """Verify a copy that nobody writes; see `revive`."""
    report = examine(path, name, progress)
    if report.finding is not None:
        raise damage(name, report.finding)
    return report


def examine(path: Path, name: str, progress: Progress) -> Report:
    """Verify a copy, and leave the judgement to the caller; `Corrupt` where it cannot be opened as a log at all."""
    try:
        size = _count(path)
        return verify_file(path, lambda position: progress("verifying", position, size))
    except sqlite3.DatabaseError:
        raise Corrupt(f"{name} is damaged: SQLite cannot read it") from None
    except Corrupt:
        raise
    except TimelineError as error:
        raise Corrupt(f"{name} is damaged: {error.detail}") from None


def _count(path: Path) -> int:
    with closing(open_reader(path)) as connection:
        size: int = connection.execute("SELECT coalesce(max(position), 0) FROM record").fetchone()[0]
        return size


@contextmanager
def room() -> Iterator[None]:
    """Tell a file that could not be opened for want of room from one that is damaged."""
    try:
        yield
    except Corrupt as error:
        if any(said in error.detail for said in _NO_ROOM):
            raise sqlite3.OperationalError("database or disk is full") from None
        raise


def damage(name: str, finding: Finding) -> Corrupt:
    """Say in a sentence what verification found."""
    where = f"at position {finding.position:,}" if finding.position else "in what is stored beside the records"
    sound = finding.position - 1
    rest = f"; the {sound:,} records before it are sound" if sound > 0 else ""
    return Corrupt(f"{name} is damaged {where}: {finding.detail} (check: {finding.check}){rest}",
                   position=finding.position)


def root_at(connection: sqlite3.Connection, size: int) -> bytes:
    """Derive the root of the first `size` records from the hashes that a log stores (RFC 9162 section 2.1.1)."""
    return merkle.root_at(size, lambda level, start, stop: stored_hashes(connection, level, start, stop))


__all__ = ["Progress", "copy_database", "damage", "examine", "judge", "revive", "room", "root_at", "silent"]
