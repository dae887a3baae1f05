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
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from timeline.connections import open_reader, time_budget
from timeline.edtf import iso
from timeline.errors import NotFound, TimelineError
from timeline.log import Head, Record
from timeline.log.sqlite import LogFile, SqliteLog
from timeline.log.verify import Report, verify
from timeline.query import Query, make_cursor, parse_query, pinned
from timeline.records import AnyChange, convert_change, difference
from timeline.views.projector import EXTRAS
from timeline.views.reader import Heads, Reader
from timeline.views.store import Views, readers, rebuild, remove, views_path
from timeline.writer import Appended, Request, Writer

BUDGET: Final = 2.0
"""Seconds one question may take."""

BUCKETS: Final = 240
Progress = Callable[[int], None]


def _silent(_: int) -> None:
    """Show no progress."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A page of events: encoded bodies in chronological order, the position they speak of, and where to go on.

    `final` says that the answer can never change (it was asked at a position, or at a time gone by).
    """

    bodies: list[str]
    position: int
    cursor: str | None
    final: bool


class Timeline:
    """A chronicle in one SQLite file (and its views beside it). Thread-safe; close it or use it in a `with`."""

    def __init__(self, path: str | Path, *, author: str = "local", progress: Progress = _silent) -> None:
        """Open for reading and writing, making the file if it is not there. See `open`."""
        self.path = Path(path)
        self.author = author
        if not self.path.absolute().parent.is_dir():
            raise NotFound(f"there is no directory {self.path.parent} to keep {self.path.name} in")
        self._log = SqliteLog(self.path)
        try:
            self._views = self._open_views(progress)
            self._readers = readers(self._views.path)
        except BaseException:
            self._log.close()
            raise
        self._heads = Reader(self._readers.get()).heads()
        self._listeners: list[Callable[[int], None]] = []
        self._writer = Writer(self._log, self._views, self._advanced)

    @classmethod
    def open(cls, path: str | Path, *, author: str = "local", progress: Progress = _silent) -> Self:
        """Open a timeline; `author` signs what is appended without saying who.

        Raises:
            Busy: another process is writing it.
            Conflict: the file is something else.

        """
        return cls(path, author=author, progress=progress)

    @classmethod
    def temporary(cls) -> Self:
        """Open a timeline that is gone when it is closed (for trying things out)."""
        folder = tempfile.TemporaryDirectory(prefix="timeline-")
        timeline = cls(Path(folder.name) / "timeline.db")
        timeline._folder = folder  # type: ignore[attr-defined]  # noqa: SLF001 - kept alive as long as the timeline
        return timeline

    def _open_views(self, progress: Progress) -> Views:
        """Open the views and fold what they have not seen; views of another log are built anew."""
        path = views_path(self.path)
        views = Views(path, self._log.origin)
        if not views.matches(self._header_at):
            views.close()
            remove(path)
            views = Views(path, self._log.origin)
        if views.position < self._log.head().size:
            views.catch_up(self._log.read(views.position), progress)
        return views

    def _header_at(self, position: int) -> bytes | None:
        record = next(self._log.read(position - 1, 1), None)
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
        self, changes: Sequence[AnyChange], *, author: str | None = None, key: str | None = None
    ) -> Future[list[Appended]]:
        """Queue changes that enter together or not at all; the future resolves when they are durable and visible.

        `key` makes the request idempotent: asked again with the same content, it gives the first answer, for ever.
        """
        return self._writer.submit(Request(changes, author or self.author, key))

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

    def bulk(self, *, active: bool) -> None:
        """Say that much is about to be written, or that it has been."""
        self._log.bulk(active=active)

    def subscribe(self, listener: Callable[[int], None]) -> None:
        """Call `listener(position)` in the writer thread after each commit."""
        self._listeners.append(listener)

    # ------------------------------------------------------------------ clocks

    @property
    def origin(self) -> str:
        """The log's own name."""
        return self._log.origin

    @property
    def position(self) -> int:
        """The last position that reads see."""
        return self._heads.position

    @property
    def heads(self) -> Heads:
        """The last positions at which events, actors and sources changed."""
        return self._heads

    def head(self) -> Head:
        """Give the log's size and Merkle root."""
        return self._log.head()

    def reader(self) -> Reader:
        """Give this thread's reader."""
        return Reader(self._readers.get())

    def resolve(self, query: Query) -> tuple[int, bool]:
        """Give the position a question speaks of, and whether that is fixed for ever.

        Raises:
            NotFound: it asks for a position the log has not reached.

        """
        heads = self._heads
        if query.at is not None:
            if query.at > heads.position:
                raise NotFound(f"the log ends at position {heads.position}; there is no position {query.at} yet",
                               position=heads.position)
            return query.at, True
        if query.as_of is not None:
            last = self.reader().recorded_at(heads.position) or ""
            return self.reader().position_at(query.as_of), query.as_of < last
        return heads.position, False

    # ------------------------------------------------------------------ reading

    def ask(self, query: Query) -> Answer:
        """Answer a question with one page of encoded events."""
        position, final = self.resolve(query)
        connection = self._readers.get()
        with time_budget(connection, BUDGET):
            page = Reader(connection).page(query, position)
        cursor = make_cursor(query, position, page.last) if page.last else None
        return Answer(page.bodies, position, cursor, final)

    def events(self, **parameters: str | int | Sequence[str]) -> Iterator[dict[str, Any]]:
        """Yield the events a question means, in order; parameters as in the API (`from_` for ``from``).

        Raises:
            Malformed: a parameter is unknown or cannot be read.

        """
        return self.each(parse_query(_pairs(parameters)))

    def each(self, query: Query) -> Iterator[dict[str, Any]]:
        """Yield every event of a question, page by page, all as of one position."""
        for body in self.bodies(query):
            yield msgspec.json.decode(body)

    def bodies(self, query: Query) -> Iterator[str]:
        """Yield every encoded event of a question, all as of one position."""
        position, _ = self.resolve(query)
        query = pinned(query, position)
        while True:
            page = self.reader().page(query, position)
            yield from page.bodies
            if page.last is None:
                return
            query = replace(query, after=page.last)

    def between(self, start: str, end: str, **parameters: str | int | Sequence[str]) -> list[dict[str, Any]]:
        """List the events that may have happened between two dates (EDTF), inclusive."""
        return list(self.events(from_=start, to=end, **parameters))

    def timeline(self, actor: str, **parameters: str | int | Sequence[str]) -> list[dict[str, Any]]:
        """List an actor's events in chronological order; `NotFound` for an unknown actor."""
        self.body("actor", actor)
        return list(self.events(actor=actor, **parameters))

    def body(self, type_: str, id_: str, at: int | None = None) -> str:
        """Give the encoded state of an event, actor or source, now or at a position.

        Raises:
            NotFound: there is none of that id (yet, at that position).

        """
        position = self._heads.position if at is None else self.resolve(Query(at=at))[0]
        reader = self.reader()
        body = reader.event(id_, position) if type_ == "event" else reader.thing(type_, id_, position)
        if body is None:
            raise NotFound(self._missing(type_, id_, position))
        return body

    def _missing(self, type_: str, id_: str, position: int) -> str:
        from difflib import get_close_matches  # noqa: PLC0415 - only needed to explain a mistake

        known = self.reader().near(type_, id_)
        close = [] if id_ in known else get_close_matches(id_, known, 1, 0.6)
        when = f" at position {position}" if position < self._heads.position else ""
        return f"there is no {type_} {id_}{when}{f', did you mean {close[0]}?' if close else ''}"

    def event(self, event_id: str, at: int | None = None) -> dict[str, Any]:
        """Give an event as it stands, or stood at a position; retracted and merged ones too."""
        event: dict[str, Any] = msgspec.json.decode(self.body("event", event_id, at))
        return event

    def actor(self, actor_id: str, at: int | None = None) -> dict[str, Any]:
        """Give an actor's description."""
        actor: dict[str, Any] = msgspec.json.decode(self.body("actor", actor_id, at))
        return actor

    def source(self, source_id: str, at: int | None = None) -> dict[str, Any]:
        """Give a source's description."""
        source: dict[str, Any] = msgspec.json.decode(self.body("source", source_id, at))
        return source

    def history(self, event_id: str, at: int | None = None) -> list[dict[str, Any]]:
        """List every revision of an event, oldest first: what it said, who said so, when, why, and what changed.

        Each has `revision` (number, position, recorded_at, author, type, reason), `event`, and `changes`, the merge
        patch from the revision before.
        """
        self.body("event", event_id, at)
        position = self._heads.position if at is None else at
        versions: list[dict[str, Any]] = []
        before: dict[str, Any] = {}
        for encoded in self.reader().history(event_id, position):
            body = msgspec.json.decode(encoded)
            event = {name: value for name, value in body.items() if name not in EXTRAS}
            version = {"revision": body["revision"], "event": event}
            if before:
                version["changes"] = difference(before, event)
            version |= {name: body[name] for name in ("retracted", "merged_into", "merged_from") if name in body}
            versions.append(version)
            before = event
        return versions

    def positions(self, topic: str, at: int | None = None, query: Query | None = None) -> list[dict[str, Any]]:
        """List who stood where on a topic, in chronological order, with each actor's changes of stance marked.

        Each entry names the `event`, its date, `actor`, `position`, the `citations`, and, where the actor stood
        elsewhere before, `changed_from`.
        """
        query = query or Query(at=at)
        last: dict[str, str] = {}
        entries = []
        for event in self.each(replace(query, topics=(topic,))):
            for stance in event.get("stances", []):
                if stance["topic"] != topic:
                    continue
                entry = _stance_entry(event, stance)
                before = last.get(stance["actor"])
                if before is not None and before != stance["position"]:
                    entry["changed_from"] = before
                last[stance["actor"]] = stance["position"]
                entries.append(entry)
        return entries

    def density(self, query: Query, buckets: int = BUCKETS) -> dict[str, Any]:
        """Count events by bucket of time, for overview bands: at most 240 buckets over the range or all there is."""
        position, final = self.resolve(query)
        connection = self._readers.get()
        reader = Reader(connection)
        with time_budget(connection, BUDGET):
            start, end = query.lower, query.upper
            if start is None or end is None:
                extent = reader.extent(query, position)
                if extent is None:
                    return {"position": position, "buckets": [], "total": 0, "final": final}
                start = extent[0] if start is None else start
                end = max(start, extent[1] if end is None else end)
            width = max(1, -(-(end - start + 1) // buckets))
            counted = reader.density(query, position, start, width)
        found = [
            {"start": iso(start + number * width), "end": iso(min(end, start + (number + 1) * width - 1)),
             "count": count}
            for number, count in counted
        ]
        total = sum(count for _, count in counted)
        return {"position": position, "start": iso(start), "end": iso(end), "seconds": width, "total": total,
                "buckets": found, "final": final}

    # ------------------------------------------------------------------ the log

    def records(self, after: int = 0, limit: int | None = None) -> Iterator[Record]:
        """Yield records of the log after a position."""
        return self._log.read(after, limit)

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


def rebuild_views(path: str | Path, progress: Progress = _silent) -> int:
    """Build the views anew and swap them in; gives the position they reach. Safe to interrupt.

    Raises:
        Busy: another process is writing this log (and keeps its views open).

    """
    log = SqliteLog(path)
    try:
        return rebuild(views_path(Path(path)), log.origin, log.read(), progress)
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


def _pairs(parameters: Mapping[str, str | int | Sequence[str]]) -> list[tuple[str, str]]:
    pairs = []
    for name, value in parameters.items():
        for item in [value] if isinstance(value, str | int | bool) else value:
            text = str(item).lower() if isinstance(item, bool) else str(item)
            pairs.append((name.removesuffix("_"), text))
    return pairs


def _stance_entry(event: Mapping[str, Any], stance: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("id", "title", "when", "earliest", "latest", "status", "citations")
    entry = {("event" if name == "id" else name): event[name] for name in kept if name in event}
    return {**entry, **{name: stance[name] for name in ("actor", "position", "note") if name in stance}}


__all__ = ["Answer", "Timeline", "rebuild_views", "verify_file"]
