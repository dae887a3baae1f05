"""The life of a views file: found beside its log, written, brought up to date.

The file's name carries the schema version, so an upgrade builds the new file beside the old one (see `building`).
Deleting the views is always safe.

Views hold content, so what is erased from the log must go from here too, and from files of older versions beside.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Final

from timeline.connections import Readers, open_writer
from timeline.log import Record
from timeline.log.purging import cut, rewrite
from timeline.records import AnyFact
from timeline.views import readable
from timeline.views.firsts import First
from timeline.views.projector import Projector, no_log

VERSION: Final = 2
"""Raise it with any change of schema.sql or of the fold: old files are then left aside and new ones built."""

FLUSH_EVERY: Final = 2_000
COMMIT_EVERY: Final = 20_000
"""Records folded in one transaction: pages that many of them touch are then written once."""

Read = Callable[[int], Record | None]


def views_path(log_path: Path) -> Path:
    """Give the place of a log's views: ``timeline.db`` -> ``timeline.views-v2.db``."""
    return log_path.with_name(f"{log_path.name.removesuffix('.db')}.views-v{VERSION}.db")


class Views:
    """The writing side of a views file, for the one process that writes the log."""

    def __init__(self, path: Path, origin: str, read: Read = no_log) -> None:
        """Open the file, making it anew if it is not there, not of this log, or damaged.

        `read` gives a record of the log by its position: what an erasure changes is folded anew from there.
        """
        self.path = path
        self.origin = origin
        try:
            self._connection, self.projector = _open(path, origin, read)
        except (sqlite3.DatabaseError, LookupError):
            remove(path)
            _make(path, origin)
            self._connection, self.projector = _open(path, origin, read)

    def matches(self, header_at: Callable[[int], bytes | None]) -> bool:
        """Whether these views were folded from a prefix of the log at hand (and not of a file it has replaced)."""
        row = self._connection.execute("SELECT position, header FROM state").fetchone()
        if row[0] == 0:
            return True
        header = header_at(row[0])
        return header is not None and sha256(header).digest() == row[1]

    @property
    def position(self) -> int:
        """The last record folded."""
        position: int = self.projector.position
        return position

    @property
    def erasures(self) -> int:
        """The position of the last erasure folded."""
        erasures: int = self._connection.execute("SELECT erasures FROM state").fetchone()[0]
        return erasures

    def begin(self) -> None:
        """Start a transaction; reads of the projector's connection see its own rows."""
        self._connection.execute("BEGIN IMMEDIATE")

    def apply(self, record: Record | First, change: AnyFact | None = None) -> None:
        """Fold one record in the open transaction."""
        self.projector.apply(record, change)

    def flush_behind(self) -> None:
        """Begin to write what is buffered, if it is much, while something else is done."""
        self.projector.flush_behind()

    def commit(self) -> None:
        """Flush and commit."""
        self.projector.flush()
        self._connection.execute("COMMIT")

    def rollback(self) -> None:
        """Forget everything since `begin`."""
        self.projector.abandon()
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        self.projector.load()

    def savepoint(self) -> None:
        """Mark a place inside the transaction."""
        self.projector.flush()
        self._connection.execute("SAVEPOINT item")

    def release(self) -> None:
        """Keep what came after the mark."""
        self._connection.execute("RELEASE item")

    def rollback_item(self) -> None:
        """Forget what came after the mark."""
        self._connection.execute("ROLLBACK TO item")
        self._connection.execute("RELEASE item")
        self.projector.load()

    def catch_up(self, records: Iterable[Record | First], progress: Callable[[int], None] = lambda _: None) -> None:
        """Fold the records the views have not seen, in transactions of some thousands: safe to interrupt."""
        self.begin()
        try:
            for record in records:
                self.apply(record)
                if record.position % COMMIT_EVERY == 0:
                    self.commit()
                    self.begin()
                if record.position % FLUSH_EVERY == 0:
                    self.flush_behind()
                    progress(record.position)
            self.commit()
        except BaseException:
            self.rollback()
            raise
        progress(self.position)

    @property
    def connection(self) -> sqlite3.Connection:
        """The writing connection: it sees rows of the open transaction, as decisions must."""
        return self._connection

    def bulk(self, *, active: bool) -> None:
        """Checkpoint the WAL less often while much is written."""
        self._connection.execute(f"PRAGMA wal_autocheckpoint = {20_000 if active else 1_000}")

    def rewrite(self) -> bool:
        """Write the file anew and remove older ones, so that no copy of what was erased is kept; False: try again."""
        for older in outdated(self.path):
            remove(older)
        return rewrite(self._connection)

    def cut(self, seconds: float) -> bool:
        """Empty the WAL; False while somebody reads from it."""
        return cut(self._connection, seconds)

    def close(self) -> None:
        """Close the file."""
        self.projector.close()
        self._connection.close()


def remove(path: Path, *, keep_main: bool = False) -> None:
    """Delete a database file with its WAL and shared memory."""
    for suffix in ("-wal", "-shm", *(() if keep_main else ("",))):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def outdated(path: Path) -> list[Path]:
    """Find the views files of other versions beside this one, and what interrupted rebuilds left."""
    stem = path.name.rpartition(".views-v")[0]
    pattern = re.compile(rf"{re.escape(stem)}\.views-v\d+\.db(\.new)?")
    return [file for file in path.parent.iterdir() if pattern.fullmatch(file.name) and file.name != path.name]


def readers(path: Path) -> Readers:
    """Give read-only connections to a views file, one a thread."""
    return Readers(path)


def _open(path: Path, origin: str, read: Read) -> tuple[sqlite3.Connection, Projector]:
    """Open the views of this log; `LookupError` where they are another log's."""
    connection = open_writer(path, synchronous="NORMAL")
    try:
        if connection.execute("SELECT origin FROM state").fetchone() != (origin,):
            raise LookupError(origin)
        connection.execute("PRAGMA secure_delete = ON")
        readable.install(connection)
        return connection, Projector(connection, read)
    except BaseException:
        connection.close()
        raise


def _make(path: Path, origin: str) -> None:
    schema = files("timeline.views").joinpath("schema.sql").read_text()
    with closing(open_writer(path, synchronous="NORMAL")) as connection:
        connection.executescript(f"BEGIN IMMEDIATE;{schema};COMMIT;")
        connection.execute("INSERT INTO state VALUES (1, ?, 0, x'', 0, 0, 0, 0, 0)", (origin,))
