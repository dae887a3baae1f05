"""Reading ahead for `timeline.log.verify`: a thread has SQLite read while Python hashes what was read before.

SQLite needs no lock of Python's while it walks through a table and puts together what a page holds.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import msgspec

from timeline.connections import open_reader
from timeline.errors import NotFound
from timeline.log.reading import READ_PAGE

ROWS: Final = 2_000
"""Rows of a page of another table."""

THREADED: Final = 2_000
"""Logs of fewer records are not worth a thread."""

SERIALIZED: Final = 3
"""`sqlite3.threadsafety` of an SQLite whose connections threads may share (PEP 249)."""

T = TypeVar("T")
_keys: Final = msgspec.json.Decoder(list[str])


class Reader:
    """Reads a page ahead, on a connection that nobody else uses meanwhile without holding `quiet`."""

    def __init__(self, connection: sqlite3.Connection, size: int) -> None:
        """Read a log of so many records; with a thread, where it is worth one and the connection allows it."""
        self._connection = connection
        self._thread = ThreadPoolExecutor(1, "timeline-verify")
        self._ahead = size >= THREADED and self._may_share()
        self.quiet = threading.Lock()
        """Two users of the connection wait for each other here, and not within SQLite: one of them may hold Python's
        own lock there, without which the other cannot go on."""

    def __enter__(self) -> Self:
        """Use in a `with` block."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
                 ) -> None:
        """Wait for what is being read."""
        self._thread.shutdown()

    def _may_share(self) -> bool:
        """Whether another thread may use this connection (`check_same_thread`)."""
        if sqlite3.threadsafety < SERIALIZED:
            return False
        error = self._thread.submit(self._connection.execute, "SELECT 1").exception()
        return not isinstance(error, sqlite3.ProgrammingError)

    def records(self, size: int, read: Callable[[sqlite3.Connection, int], T]) -> Generator[T, None, None]:
        """Yield what `read` gives for the page after position 0, after `READ_PAGE`, and so on up to `size`."""
        places = iter(range(0, size, READ_PAGE))
        return self._pages(read, lambda _: next(places, None))

    def rows(self, query: str) -> Generator[tuple[list[str], list[Any]], None, None]:
        """Yield the keys of some rows, and what a query puts together of their other columns.

        The query is asked with the key to go on after, and how many rows to read at most; it gives the keys first, as
        a JSON array. Rows whose key is empty or no text are not found so.
        """
        def read(connection: sqlite3.Connection, after: str) -> tuple[list[str], list[Any]]:
            keys, *columns = connection.execute(query, (after, ROWS)).fetchone()
            return _keys.decode(keys), columns

        def following(page: tuple[list[str], list[Any]] | None) -> str | None:
            if page is None:
                return ""
            return page[0][-1] if len(page[0]) == ROWS else None

        return self._pages(read, following)

    def _pages(
        self, read: Callable[[sqlite3.Connection, Any], T], following: Callable[[T | None], Any]
    ) -> Generator[T, None, None]:
        """Yield pages; nothing is being read any more once this is closed."""
        pending = self._start(read, following(None))
        try:
            while pending is not None:
                page = pending.result()
                pending = self._start(read, following(page))
                yield page
        finally:
            if pending is not None and not pending.cancel():
                wait([pending])

    def _start(self, read: Callable[[sqlite3.Connection, Any], T], place: object) -> Future[T] | None:
        if place is None:
            return None

        begun = threading.Event()

        def locked() -> T:
            with self.quiet:
                begun.set()
                return read(self._connection, place)

        if self._ahead:
            pending = self._thread.submit(locked)
            begun.wait()  # or else it would begin when we wait for it: Python's lock is not given away that soon
            return pending
        found: Future[T] = Future()
        found.set_result(locked())
        return found


@contextmanager
def looked_through(connection: sqlite3.Connection, size: int) -> Iterator[Callable[[], bool]]:
    """Have SQLite look through its file meanwhile, in another connection; what is given waits and says if all is well.

    If not, or where there is no file or one of few records, it says that nothing is known.
    """
    path = connection.execute("SELECT file FROM pragma_database_list WHERE name = 'main'").fetchone()[0]
    if not path or size < THREADED:
        yield lambda: False
        return
    try:
        reader = open_reader(Path(path))
    except (NotFound, sqlite3.DatabaseError):
        yield lambda: False
        return
    with closing(reader) as other, ThreadPoolExecutor(1, "timeline-verify-file") as thread:
        found = thread.submit(lambda: other.execute("PRAGMA integrity_check(1)").fetchone()[0] == "ok")
        try:
            yield lambda: found.exception() is None and found.result()
        finally:
            other.interrupt()


__all__ = ["Reader", "looked_through"]
