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
from errno import EACCES, EROFS
from pathlib import Path
from typing import Any, Final

from timeline.errors import Busy, Conflict, Forbidden, NotFound, TooCostly

PROGRESS_STEPS: Final = 5_000
"""SQLite virtual-machine steps between two looks at the clock (some tens of microseconds)."""

_NOTHING_BESIDE: Final = frozenset({14, 8 | 6 << 8, 8 | 5 << 8})
"""What SQLite says of a WAL database where it may not make the files it needs (https://sqlite.org/wal.html#readonly):
SQLITE_CANTOPEN, SQLITE_READONLY_DIRECTORY and SQLITE_READONLY_CANTINIT, for which not every driver has names."""


def open_writer(path: Path, *, synchronous: str) -> sqlite3.Connection:
    """Open the one connection that may write. `synchronous` is FULL for the log, NORMAL for what can be rebuilt."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    own = ("journal_mode = WAL", f"synchronous = {synchronous}", "journal_size_limit = 67108864")
    return _configured(connection, *own)


def open_reader(path: Path) -> sqlite3.Connection:
    """Open a read-only connection.

    SQLite reads a WAL database only where it may make files beside it. Where nothing can be written, the file is taken
    for immutable, which is sound as long as nobody else writes it either: closing the connection looks whether
    somebody has.

    Raises:
        NotFound: there is no such file.
        Conflict: nothing can be written beside the file, and its WAL holds what is not in it yet.
        PermissionError: it may not be read.

    """
    try:
        return _connected(path, "mode=ro")  # setting it up reads the file's first page
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode not in _NOTHING_BESIDE or may_write(path):
            raise
    return _immutable(path)


def may_write(path: Path) -> bool:
    """Whether this process may write a file, and make others beside it."""
    place = path.resolve()
    return os.access(place.parent, os.W_OK | os.X_OK) and (os.access(place, os.W_OK) or not place.exists())


def _connected(path: Path, how: str, factory: type[sqlite3.Connection] = sqlite3.Connection) -> sqlite3.Connection:
    place = path.resolve()
    try:
        connection = sqlite3.connect(f"{place.as_uri()}?{how}", uri=True, isolation_level=None, factory=factory,
                                     check_same_thread=False, cached_statements=512)
    except sqlite3.OperationalError:
        if place.exists() and not os.access(place, os.R_OK):
            raise PermissionError(EACCES, os.strerror(EACCES), str(place)) from None
        raise NotFound(f"no database at {path.name}") from None
    return _configured(connection, "query_only = 1")


def _immutable(path: Path) -> sqlite3.Connection:
    place = path.resolve()
    before = _look(place)
    wal = place.with_name(f"{place.name}-wal")
    if wal.is_file() and wal.stat().st_size:
        raise Conflict(f"{path.name} cannot be read where it is: {wal.name} beside it holds what is not in it yet, and "
                       "nothing can be written there; copy both to a folder of your own and read the copy (--db)")
    connection = _connected(path, "mode=ro&immutable=1", _Immutable)
    if isinstance(connection, _Immutable):
        connection.file, connection.before = place, before
    return connection


def _look(path: Path) -> tuple[int, ...]:
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


class _Immutable(sqlite3.Connection):
    """A connection to a file that nobody is thought to write: `Busy` on closing where somebody has."""

    file: Path | None = None
    before: tuple[int, ...] = ()

    def close(self) -> None:
        """Close, and look at the file again."""
        super().close()
        file, self.file = self.file, None
        if file is not None and _look(file) != self.before:
            raise Busy(f"{file.name} was written while it was read as a file that nobody writes: run this again")


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
            Forbidden: it is on a read-only medium.
            PermissionError: this user may not write there.

        """
        self.path = path
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            if error.errno != EROFS:
                raise
            raise Forbidden(f"{path.name.removesuffix('.lock')} is on a read-only medium: it can be read there, not "
                            "written; copy it to a folder of your own (--db)") from None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = _noted(self._descriptor)
            os.close(self._descriptor)
            raise Busy(_explain(path, holder), retry_after=1, **holder) from None
        self.describe(note or {})

    @staticmethod
    def holder_of(path: Path) -> Busy | None:
        """Give what somebody who wants to write would be told; None where nobody writes. Changes and makes no file.

        Raises:
            PermissionError: the lock's file may not be read.

        """
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return Busy(_explain(path, _noted(descriptor)))
        finally:
            os.close(descriptor)
        return None

    def describe(self, note: dict[str, Any]) -> None:
        """Write into the lock file who holds it (process id, and the address of a server)."""
        text = json.dumps({"pid": os.getpid(), **note}).encode()
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, text, 0)

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


def _noted(descriptor: int) -> dict[str, Any]:
    """Read what the holder of a lock wrote into its file."""
    try:
        holder = json.loads(os.pread(descriptor, 1000, 0) or b"{}")
    except ValueError:
        return {}
    return holder if isinstance(holder, dict) else {}


def _explain(path: Path, holder: dict[str, Any]) -> str:
    name = path.name.removesuffix(".lock")
    if url := holder.get("url"):
        return f"{name} is being written by the server at {url}: go through it with --url {url}"
    who = f"process {holder['pid']}" if "pid" in holder else "another process"
    return f"{name} is being written by {who}: wait until it has finished"
