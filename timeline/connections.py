"""How this package opens SQLite files: one writing connection, any number of read-only ones, a lock beside the file.

Why one writer: SQLite before 3.51.3 can corrupt a WAL when two connections write and checkpoint at the same instant,
and the SQLite most systems ship is older. So one connection of one process writes *and* checkpoints, guarded by an
advisory lock on a file of its own. (Locking the database file itself would undo SQLite's own locks: POSIX drops all of
a process's locks on a file when any descriptor of it is closed.) Readers are ``mode=ro`` and never checkpoint.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from timeline.errors import Busy, NotFound, TooCostly

PROGRESS_STEPS: Final = 5_000
"""SQLite virtual-machine steps between two looks at the clock (some tens of microseconds)."""


def open_writer(path: Path, *, synchronous: str) -> sqlite3.Connection:
    """Open the one connection that may write. `synchronous` is FULL for the log, NORMAL for what can be rebuilt."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    own = ("journal_mode = WAL", f"synchronous = {synchronous}", "journal_size_limit = 67108864")
    return _configured(connection, *own)


def open_reader(path: Path) -> sqlite3.Connection:
    """Open a read-only connection. `NotFound` where there is no such file."""
    uri = f"{path.resolve().as_uri()}?mode=ro"
    try:
        connection = sqlite3.connect(
            uri, uri=True, isolation_level=None, check_same_thread=False, cached_statements=512
        )
    except sqlite3.OperationalError:
        raise NotFound(f"no database at {path.name}") from None
    return _configured(connection, "query_only = 1")


def _configured(connection: sqlite3.Connection, *own: str) -> sqlite3.Connection:
    """Set what every connection has and what this one has of its own; the waiting time comes first: WAL may wait."""
    try:
        for setting in ("busy_timeout = 5000", "cache_size = -65536", "temp_store = MEMORY", *own):
            connection.execute(f"PRAGMA {setting}")
    except BaseException:
        connection.close()
        raise
    return connection


class Readers:
    """One read-only connection for each thread that asks."""

    def __init__(self, path: Path) -> None:
        """Remember where the file is; nothing is opened yet."""
        self.path = path
        self._local = threading.local()
        self._all: list[sqlite3.Connection] = []
        self._lock = threading.Lock()

    def get(self) -> sqlite3.Connection:
        """Give this thread's connection."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = open_reader(self.path)
            self._local.connection = connection
            with self._lock:
                self._all.append(connection)
        return connection

    def close(self) -> None:
        """Close every connection of every thread."""
        with self._lock:
            for connection in self._all:
                connection.close()
            self._all.clear()
        self._local = threading.local()


@contextmanager
def time_budget(connection: sqlite3.Connection, seconds: float) -> Iterator[None]:
    """Stop any statement of the block that outlives `seconds`, with `TooCostly`."""
    deadline = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > deadline, PROGRESS_STEPS)
    try:
        yield
    except sqlite3.OperationalError as error:
        if "interrupted" not in str(error):
            raise
        raise TooCostly(
            f"the question took longer than {seconds:g} s: narrow the date range or add a filter", retry_after=1
        ) from None
    finally:
        connection.set_progress_handler(None, 0)


class WriterLock:
    """The right to write, held by one process at a time; the file says who holds it."""

    def __init__(self, path: Path, note: dict[str, Any] | None = None) -> None:
        """Take the lock or raise `Busy` naming the holder.

        Raises:
            Busy: another process writes this log; the sentence says how to go through it.

        """
        self.path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = self._holder()
            os.close(self._descriptor)
            raise Busy(_explain(path, holder), retry_after=1, **holder) from None
        self.describe(note or {})

    def describe(self, note: dict[str, Any]) -> None:
        """Write into the lock file who holds it (process id, and the address of a server)."""
        text = json.dumps({"pid": os.getpid(), **note}).encode()
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, text, 0)

    def _holder(self) -> dict[str, Any]:
        try:
            holder = json.loads(os.pread(self._descriptor, 1000, 0) or b"{}")
        except ValueError:
            return {}
        return holder if isinstance(holder, dict) else {}

    @property
    def held(self) -> bool:
        """Whether the right to write is still ours."""
        return self._descriptor >= 0

    def release(self) -> None:
        """Let another process write. Closing the descriptor drops the lock, as does the end of the process."""
        if self._descriptor >= 0:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = -1


def _explain(path: Path, holder: dict[str, Any]) -> str:
    name = path.name.removesuffix(".lock")
    if url := holder.get("url"):
        return f"{name} is being written by the server at {url}: go through it with --url {url}"
    who = f"process {holder['pid']}" if "pid" in holder else "another process"
    return f"{name} is being written by {who}: wait until it has finished"
