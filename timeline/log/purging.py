"""Leaving no erased byte behind in an SQLite file, the log's or the views'.

Deleting is not enough, even with ``secure_delete``: old pages stand in the WAL until it is checkpointed and cut, and
when SQLite moves rows between pages it leaves copies in the free space of the page they came from (measured with 3.40:
in one of 150 erasures). So the file is written anew (``VACUUM``), copied out of the WAL, and the WAL cut to nothing.
"""

from __future__ import annotations

import sqlite3
from typing import Final

WAIT: Final = 5_000
"""Milliseconds a connection waits for others, as `timeline.connections` sets it."""


def rewrite(connection: sqlite3.Connection) -> bool:
    """Copy every row into new pages, by way of a file rather than memory: logs are larger than that.

    False where it must be tried again: it takes as much room again as the file has.
    """
    connection.execute("PRAGMA temp_store = FILE")
    try:
        connection.execute("VACUUM")
    except sqlite3.OperationalError:
        return False
    finally:
        connection.execute("PRAGMA temp_store = MEMORY")
    return True


def cut(connection: sqlite3.Connection, seconds: float) -> bool:
    """Copy the WAL into the file and cut it to nothing; False where somebody reads longer than the `seconds` waited."""
    connection.execute(f"PRAGMA busy_timeout = {int(seconds * 1000):d}")
    try:
        busy: int = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    except sqlite3.OperationalError:
        return False
    finally:
        connection.execute(f"PRAGMA busy_timeout = {WAIT:d}")
    return not busy


__all__ = ["cut", "rewrite"]
