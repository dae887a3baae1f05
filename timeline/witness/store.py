"""What a witness must never forget: the latest checkpoint it cosigned, one row for each log, in SQLite.

Check and set are one statement, and it is durable before anything is answered: two requests that race, or a process
that is killed, can lose a cosignature but never make the witness sign backwards (C2SP tlog-witness, add-checkpoint).
A store that is put back from a backup has forgotten what came after: give such a witness a new key.
"""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import Final, NamedTuple

from timeline.connections import WriterLock, open_writer
from timeline.errors import Conflict, NotFound

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS cosigned(
  origin TEXT PRIMARY KEY,
  size INTEGER NOT NULL CHECK(size >= 0),
  root BLOB NOT NULL CHECK(length(root) = 32),
  note TEXT NOT NULL,
  time INTEGER NOT NULL
) STRICT;
CREATE TRIGGER IF NOT EXISTS cosigned_once BEFORE INSERT ON cosigned
WHEN EXISTS(SELECT 1 FROM cosigned WHERE origin = NEW.origin) BEGIN SELECT RAISE(ABORT, 'known already'); END;
CREATE TRIGGER IF NOT EXISTS cosigned_forward BEFORE UPDATE ON cosigned
WHEN NEW.origin <> OLD.origin OR NEW.size < OLD.size OR (NEW.size = OLD.size AND NEW.root <> OLD.root)
BEGIN SELECT RAISE(ABORT, 'backwards'); END;
CREATE TRIGGER IF NOT EXISTS cosigned_kept BEFORE DELETE ON cosigned BEGIN SELECT RAISE(ABORT, 'kept for ever'); END;
"""
"""The triggers stop accidents and our own bugs: the table itself refuses to go back."""


class Cosigned(NamedTuple):
    """The latest checkpoint of a log that the witness cosigned."""

    size: int
    root: bytes
    note: str
    """The checkpoint with the log's signature and the witness's own."""
    time: int
    """When it was cosigned, in seconds since the epoch."""


class Store:
    """The rows of one witness. Thread-safe; one process at a time."""

    def __init__(self, path: Path) -> None:
        """Open the file, making it where it is not there yet.

        Raises:
            NotFound: there is no directory to keep it in.
            Busy: another process has it open.
            Conflict: the file is something else.

        """
        try:
            self._lock_file = WriterLock(path.with_name(path.name + ".lock"))
        except FileNotFoundError:
            raise NotFound(f"there is no directory to keep {path.name} in: make it first") from None
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        try:
            self._connection = open_writer(path, synchronous="FULL")
            self._connection.executescript(SCHEMA)
        except sqlite3.DatabaseError:
            self.close()
            raise Conflict(f"{path.name} is not the store of a witness: name another file") from None

    def close(self) -> None:
        """Close the file and let another process have it."""
        if self._connection is not None:
            self._connection.close()
        self._lock_file.release()

    @property
    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            raise RuntimeError("the store is closed")
        return self._connection

    def latest(self, origin: str) -> Cosigned | None:
        """Give the latest checkpoint cosigned for a log."""
        with self._lock:
            row = self._open.execute(
                "SELECT size, root, note, time FROM cosigned WHERE origin = ?", (origin,)
            ).fetchone()
        return None if row is None else Cosigned(*row)

    def advance(self, origin: str, known: Cosigned | None, new: Cosigned) -> bool:
        """Put `new` in the place of `known`, durably; False where `known` is no longer the latest."""
        with self._lock:
            return (self._begin(origin, new) if known is None else self._replace(origin, known, new)).rowcount == 1

    def _begin(self, origin: str, new: Cosigned) -> sqlite3.Cursor:
        return self._open.execute(
            "INSERT INTO cosigned SELECT ?, ?, ?, ?, ? WHERE NOT EXISTS(SELECT 1 FROM cosigned WHERE origin = ?)",
            (origin, *new, origin),
        )

    def _replace(self, origin: str, known: Cosigned, new: Cosigned) -> sqlite3.Cursor:
        """Check and set in one statement; the caller checked that `new` extends `known`."""
        return self._open.execute(
            "UPDATE cosigned SET size = ?, root = ?, note = ?, time = ? WHERE origin = ? AND size = ? AND root = ?",
            (*new, origin, known.size, known.root),
        )
