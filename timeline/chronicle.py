"""The facade: a timeline as one thing to write to and to ask.

    >>> from timeline import Timeline
    >>> with Timeline.temporary() as timeline:
    ...     _ = timeline.describe_actor(id="ada-lovelace", kind="person", name="Ada Lovelace")
    ...     _ = timeline.record(id="note-g", title="Note G is published", when="1843-08",
    ...                         actors=[{"id": "ada-lovelace", "role": "author"}])
    ...     _ = timeline.revise("note-g", {"when": "1843-09"}, reason="the journal appeared in September")
    ...     [(event["title"], event["when"]) for event in timeline.between("1843", "1844", actor="ada-lovelace")]
    [('Note G is published', '1843-09')]

Appending is decide + log + views, in one writer thread (`timeline.writer`); reading is views only. Every answer names
the position of the log it speaks of.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, closing
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

import msgspec

from timeline.connections import open_reader
from timeline.errors import NotFound, TimelineError
from timeline.log import Head, Record, timestamp
from timeline.log.sqlite import LogFile, SqliteLog
from timeline.log.verify import Report, verify
from timeline.metrics import Appends
from timeline.proving import Proving
from timeline.reading import Answer, Reading
from timeline.records import AnyChange, PartErased, SnapshotPublished, convert, convert_change
from timeline.views import elsewhere
from timeline.views.building import WORTH, Building, rebuild
from timeline.views.firsts import ahead
from timeline.views.reader import Heads, Reader
from timeline.views.store import Views, readers, remove, views_path
from timeline.writer import Appended, Request, Writer

Progress = Callable[[int], None]

_STATES: Final = """SELECT json_group_array(json_array(e.id, e.since, e.body)) FROM json_each(?) w
CROSS JOIN event e INDEXED BY event_id
ON e.id = json_extract(w.value, '$[0]') AND e.since = json_extract(w.value, '$[1]')"""


def _silent(_: int) -> None:
    """Show no progress."""


class Timeline(Reading, Proving):
    """A chronicle in one SQLite file (and its views beside it). Thread-safe; close it or use it in a `with`."""

    def __init__(
        self, path: str | Path, *, author: str = "local", origin: str | None = None, progress: Progress = _silent,
        clock: Callable[[], str] = timestamp, entropy: Callable[[int], bytes] = os.urandom, expecting: int = 0,
    ) -> None:
        """Open for reading and writing, making the file if it is not there. See `open`.

        Clock and randomness can be handed in: with both fixed, the same changes make the same log to the byte.
        """
        self.path = Path(path)
        self.author = author
        if not self.path.absolute().parent.is_dir():
            raise NotFound(f"there is no directory {self.path.parent} to keep {self.path.name} in")
        self._log = SqliteLog(self.path, origin=origin, clock=clock, entropy=entropy)
        self._building: Building | None = None
        try:
            self._views = self._open_views(progress, expecting)
            self._readers = readers(self._views.path)
        except BaseException:
            self._log.close()
            raise
        self._heads = Reader(self._readers.get()).heads()
        self._listeners: list[Callable[[int], None]] = []
        self._writer = Writer(self._log, self._views, self._advanced)
        self._writer.purge()  # what an interrupted erasure left

    @classmethod
    def open(
        cls, path: str | Path, *, author: str = "local", origin: str | None = None, progress: Progress = _silent,
        expecting: int = 0,
    ) -> Self:
        """Open a timeline; `author` signs what is appended without saying who.

        `origin` names a log that is made now: an address without its scheme, such as ``news.example/log``. Where more
        changes are `expecting` to be written than the log has, its views are built beside the old ones meanwhile and
        swapped in when it is closed: other processes see the old ones until then, and only the fold's own questions
        (what is there of this id?) can be asked here.

        Raises:
            Busy: another process is writing it.
            Conflict: the file is something else, or a log of another name.

        """
        return cls(path, author=author, origin=origin, progress=progress, expecting=expecting)

    @classmethod
    def temporary(cls) -> Self:
        """Open a timeline that is gone when it is closed (for trying things out)."""
        folder = tempfile.TemporaryDirectory(prefix="timeline-")
        timeline = cls(Path(folder.name) / "timeline.db")
        timeline._folder = folder  # type: ignore[attr-defined]
        return timeline

    def _open_views(self, progress: Progress, expecting: int) -> Views:
        """Open the views and fold what they have not seen; views of another log are built anew."""
        path, size = views_path(self.path), self._log.size
        if expecting >= max(WORTH, size):
            self._building = Building(path, self._log.origin, self._record)
            self._building.views.catch_up(ahead(self.path, size, self._log.read), progress)
            return self._building.views
        views = Views(path, self._log.origin, self._record)
        if not views.matches(self._header_at):
            views.close()
            remove(path)
            views = Views(path, self._log.origin, self._record)
        begun, erasures = views.position, views.erasures
        if size - begun >= max(WORTH, begun):  # so far behind that to begin anew is quicker
            views.close()
            rebuild(path, self._log.origin, ahead(self.path, size, self._log.read), progress, self._record)
            views = Views(path, self._log.origin, self._record)
        elif begun < size:
            views.catch_up(self._log.read(begun), progress)
        if begun and views.erasures > erasures:  # they knew what has been erased since
            self._log.unpurge()
        return views

    def _record(self, position: int) -> Record | None:
        return next(self._log.read(position - 1, 1), None)

    def _header_at(self, position: int) -> bytes | None:
        record = self._record(position)
        return None if record is None else record.header_bytes

    def _advanced(self, _: int) -> None:
        self._heads = Reader(self._views.connection).heads()
        for listener in self._listeners:
            try:
                listener(self._heads.position)
            except Exception:
                logging.getLogger("timeline").exception("a listener failed")  # it must not stop the writer

    # ------------------------------------------------------------------ writing

    def submit(
        self, changes: Sequence[AnyChange], *, author: str | None = None, key: str | None = None,
        done: Future[list[Appended]] | None = None,
    ) -> Future[list[Appended]]:
        """Queue changes that enter together or not at all; the future resolves when they are durable and visible.

        `key` makes the request idempotent: asked again with the same content, it gives the first answer, for ever.
        `done` is the future, where the caller has one of its own.
        """
        author = author or self.author
        return self._writer.submit(
            Request(changes, author, key) if done is None else Request(changes, author, key, done=done))

    def append(
        self, changes: Iterable[AnyChange | Mapping[str, Any]], *, author: str | None = None, key: str | None = None
    ) -> list[Appended]:
        """Append changes atomically and wait until they are durable.

        Raises:
            Invalid: a change is wrong; the fault's pointer says where.
            Conflict: an id is taken, a key was used for something else.
            NotFound: there is nothing of that id to change.
            VersionMismatch: somebody changed it since.

        """
        return self.submit(_ready(list(changes)), author=author, key=key).result()

    def publish(self, snapshot: SnapshotPublished, *, author: str | None = None) -> Appended:
        """Record that a snapshot was published (`timeline.snapshots.publish` makes it)."""
        return self._writer.submit(Request((snapshot,), author or self.author)).result()[0]

    def erase(
        self, id_: str, part: str, *, reason: str, of: Literal["event", "actor", "source"] = "event",
        ground: str | None = None, author: str | None = None,
    ) -> Appended:
        """Erase a part of a thing, in all its revisions, for a lawful reason: bytes and salts are gone when it returns.

        The log still verifies, and says what went and why. `position` is that of the record that declares it, `new` is
        False where there was nothing left to erase. Whether the files are clean already, `is_purged` says.

        Raises:
            NotFound: there is nothing of that id.
            Invalid: it has no such part.
            Conflict: the event was merged into another, with which it goes.

        """
        values = {"type": "part.erased", "id": id_, "of": of, "part": part, "reason": reason, "ground": ground}
        change = convert({name: value for name, value in values.items() if value is not None}, PartErased)
        return self._writer.submit(Request((change,), author or self.author)).result()[0]

    def undeclared(self) -> int:
        """Give the first position with a part that is gone and that no record declares erased; 0 where none is."""
        return self._log.undeclared()

    @property
    def is_purged(self) -> bool:
        """Whether no erased byte is left in the files; the next start tries again where a reader was in the way."""
        return not self._log.unpurged

    def adopt(self, records: Sequence[tuple[Record, str | None, bytes | None]]) -> None:
        """Append records of another log unchanged, with their idempotency receipts (restoring an exported log)."""
        self._writer.submit(Request((), self.author, adopt=records)).result()

    def record(self, **event: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of timeline.model.Event
        """Record an event and return it as it now stands."""
        return self._one({"type": "event.recorded", "event": event})

    def revise(self, event_id: str, patch: Mapping[str, Any], *, reason: str, expected: int | None = None
               ) -> dict[str, Any]:
        """Correct an event by a merge patch (RFC 7396) and return it as it now stands."""
        change = {"type": "event.revised", "id": event_id, "patch": dict(patch), "reason": reason}
        return self._one(change if expected is None else {**change, "expected": expected})

    def retract(self, event_id: str, *, reason: str, expected: int | None = None) -> dict[str, Any]:
        """Withdraw an event; its history stays."""
        change = {"type": "event.retracted", "id": event_id, "reason": reason}
        return self._one(change if expected is None else {**change, "expected": expected})

    def merge(self, event_id: str, duplicates: Iterable[str], *, reason: str) -> dict[str, Any]:
        """Fold duplicate records of one happening into `event_id`."""
        change = {"type": "events.merged", "id": event_id, "duplicates": list(duplicates), "reason": reason}
        return self._one(change)

    def describe_actor(self, **actor: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of timeline.model.Actor
        """Introduce an actor, or describe it anew."""
        return self._one({"type": "actor.described", "actor": actor})

    def describe_source(self, **source: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of timeline.model.Source
        """Introduce a source, or describe it anew."""
        return self._one({"type": "source.described", "source": source})

    def _one(self, change: Mapping[str, Any]) -> dict[str, Any]:
        appended = self.append([change])[0]
        body = self.body(appended.type, appended.id)
        result: dict[str, Any] = msgspec.json.decode(body)
        return result

    def states(self, wanted: Sequence[tuple[str, int]]) -> dict[tuple[str, int], str]:
        """Give events, encoded, as the records at some positions left them: (id, position) to body, of those found.

        One row for all: each row would let go of the interpreter's lock once more, and wait to have it back.
        """
        if not wanted:
            return {}
        row = self._readers.get().execute(_STATES, (msgspec.json.encode(wanted).decode(),)).fetchone()
        found: list[tuple[str, int, str]] = msgspec.json.decode(row[0])
        return {(id_, position): body for id_, position, body in found}

    def bulk(self, *, active: bool) -> None:
        """Say that much is about to be written, or that it has been."""
        self._log.bulk(active=active)
        self._views.bulk(active=active)

    @property
    def is_building(self) -> bool:
        """Whether the views are being built beside the old ones, so that closing takes a while."""
        return self._building is not None

    def subscribe(self, listener: Callable[[int], None]) -> None:
        """Call `listener(position)` in the writer thread after each commit."""
        self._listeners.append(listener)

    # ------------------------------------------------------------------ the log

    @property
    def is_writing(self) -> bool:
        """Whether appends are taken."""
        return self._writer.is_alive

    @property
    def appends(self) -> Appends:
        """What the writer counts: how long appends take, how many share a commit."""
        return self._writer.figures

    def announce(self, url: str) -> None:
        """Tell other processes that want to write where the server is."""
        self._log.lock.describe({"url": url})

    @property
    def origin(self) -> str:
        """The log's own name."""
        return self._log.origin

    @property
    def heads(self) -> Heads:
        """The last positions at which events, actors and sources changed."""
        return self._heads

    def head(self) -> Head:
        """Give the log's size and Merkle root."""
        return self._log.head()

    def log_connection(self) -> sqlite3.Connection:
        """Give this thread's read-only connection to the log."""
        return self._log.reader()

    def verify(self, progress: Progress = _silent) -> Report:
        """Re-read the whole log and check it against its own hashes."""
        connection = open_reader(self.path)
        try:
            return verify(connection, progress)
        finally:
            connection.close()

    def close(self) -> None:
        """Finish what is queued and let go of the files."""
        if hasattr(self, "_writer"):
            self._writer.close()
            self._readers.close()
            self._writer.purge(0)  # where a reader was in the way
            if self._building is not None:
                building, self._building = self._building, None
                building.finish()
            self._views.close()
            self._log.close()
        if folder := getattr(self, "_folder", None):
            folder.cleanup()

    def __enter__(self) -> Self:
        """Use in a `with` block."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
                 ) -> None:
        """Close at the end of the block."""
        self.close()


class ReadOnlyTimeline(Reading, Proving):
    """A timeline that another process is writing, or that nobody may write here: the same questions, from its views."""

    def __init__(self, path: str | Path, *, progress: Progress = _silent) -> None:
        """Open without the right to write. See `open`."""
        self.path = Path(path)
        with ExitStack() as opened:
            self._file = opened.enter_context(closing(LogFile(self.path)))
            self._readers = readers(opened.enter_context(elsewhere.readable(self._file, progress)))
            opened.callback(self._readers.close)
            self._opened = opened.pop_all()

    @classmethod
    def open(cls, path: str | Path, *, progress: Progress = _silent) -> Self:
        """Open for reading.

        In a folder that nobody can write, views are built for this reader alone where there are none up to date.

        Raises:
            NotFound: there is no such file, or it has no views yet.
            Conflict: the file is something else, or cannot be read where it is.

        """
        return cls(path, progress=progress)

    @property
    def origin(self) -> str:
        """The log's own name."""
        return self._file.origin

    def log_connection(self) -> sqlite3.Connection:
        """Give the read-only connection to the log."""
        return self._file.connection()

    def close(self) -> None:
        """Close the files."""
        self._opened.close()

    def __enter__(self) -> Self:
        """Use in a `with` block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close at the end of the block."""
        self.close()


AnyTimeline = Timeline | ReadOnlyTimeline
"""What can be read and proved from, whoever writes."""


def rebuild_views(path: str | Path, progress: Progress = _silent) -> int:
    """Build the views anew and swap them in; gives the position they reach. Safe to interrupt.

    Raises:
        Busy: another process is writing this log (and keeps its views open).

    """
    log = SqliteLog(path)
    try:
        def read(position: int) -> Record | None:
            return next(log.read(position - 1, 1), None)

        records = ahead(log.path, log.size, log.read)
        return rebuild(views_path(Path(path)), log.origin, records, progress, read)
    finally:
        log.close()


def verify_file(path: str | Path, progress: Progress = _silent) -> Report:
    """Verify a log that another process may be writing."""
    log = LogFile(path)
    try:
        return verify(log.connection(), progress)
    finally:
        log.close()


def _ready(changes: Sequence[AnyChange | Mapping[str, Any]]) -> list[AnyChange]:
    """Read changes given as plain values; a fault in one of several names its number."""
    ready = []
    for number, change in enumerate(changes):
        try:
            ready.append(convert_change(dict(change)) if isinstance(change, Mapping) else change)
        except TimelineError as error:
            raise error.at(f"/{number}") if len(changes) > 1 else error from None
    return ready


__all__ = ["Answer", "AnyTimeline", "ReadOnlyTimeline", "Timeline", "rebuild_views", "verify_file"]
