"""What others would write: plain SQLite, one table, no log, no hashes, no views. The limits beside our figures."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from timeline.views.store import views_path

BATCH: Final = 1_000
SINGLY: Final = 600
"""Commits that suffice for a rate: some disks take seconds for more."""

NAIVE_QUERY: Final = "SELECT body FROM event WHERE earliest <= ? AND latest >= ? ORDER BY earliest, n LIMIT 50"


def open_raw(path: Path) -> sqlite3.Connection:
    """Open a database as durable as the log: WAL, and every commit synced."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE raw (position INTEGER PRIMARY KEY, header TEXT, body BLOB)")
    return connection


def insert_batches(path: Path, rows: Sequence[tuple[int, str, bytes]]) -> float:
    """Insert by `executemany`, 1,000 rows a commit; gives seconds."""
    with closing(open_raw(path)) as connection:
        connection.execute("PRAGMA wal_autocheckpoint = 20000")
        begin = time.perf_counter()
        for start in range(0, len(rows), BATCH):
            connection.execute("BEGIN")
            connection.executemany("INSERT INTO raw VALUES (?, ?, ?)", rows[start : start + BATCH])
            connection.execute("COMMIT")
        return time.perf_counter() - begin


def insert_singly(path: Path, rows: Sequence[tuple[int, str, bytes]]) -> float:
    """Insert one row a commit; gives seconds."""
    with closing(open_raw(path)) as connection:
        begin = time.perf_counter()
        for row in rows:
            connection.execute("INSERT INTO raw VALUES (?, ?, ?)", row)
        return time.perf_counter() - begin


def make_naive(log: Path, path: Path) -> None:
    """Copy the current events of a log into one table with an index on its start."""
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("ATTACH ? AS views", (str(views_path(log)),))
        connection.execute("CREATE TABLE event (n INTEGER PRIMARY KEY, earliest INTEGER, latest INTEGER, body TEXT)")
        connection.execute("INSERT INTO main.event SELECT n, earliest, latest, body FROM views.event WHERE hidden = 0")
        connection.execute("CREATE INDEX start ON event (earliest)")
        connection.execute("ANALYZE")


def ask_naive(connection: sqlite3.Connection, lower: int, upper: int) -> list[str]:
    """Ask for the first 50 events that overlap a range."""
    return [row[0] for row in connection.execute(NAIVE_QUERY, (upper, lower))]
