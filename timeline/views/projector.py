"""The fold: one `apply(record)`, the same for live appends, catch-up and rebuild.

It runs inside a transaction of the views' one writing connection. Rows are buffered and flushed in bulk; anything that
must see its own batch (the current version of an event) is kept in `_current` until the flush.
"""

from __future__ import annotations

import sqlite3
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

import msgspec

from timeline import fold
from timeline.edtf import iso
from timeline.errors import Corrupt
from timeline.log import Header, Record
from timeline.model import Actor, Event, Source
from timeline.parts import join
from timeline.records import (
    ActorDescribed,
    AnyFact,
    EventRecorded,
    EventRetracted,
    EventRevised,
    EventsMerged,
    PartErased,
    SnapshotPublished,
    SourceDescribed,
    convert,
    restore,
    wire,
)
from timeline.views import classes

OPEN: Final = 2**63 - 1
SHOWN, RETRACTED, MERGED = 0, 1, 2
FACETS_KEPT: Final = 100_000

EXTRAS: Final = ("earliest", "latest", "recorded_at", "revision", "retracted", "merged_into", "merged_from")
"""What a body says beyond the event itself; `event_of` takes it off again."""


class Current(msgspec.Struct):
    """The newest version of an event, as the fold needs it."""

    n: int
    revision: int
    position: int
    first: int
    hidden: int
    event: Event
    recorded_at: str
    merged_from: list[str]


class Projector:
    """Folds records into the views of one connection. Call `flush` before reading and before committing."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Start from what the views hold."""
        self._connection = connection
        self._execute = connection.execute
        self._facets: dict[str, int] = {}
        self.load()

    def load(self) -> None:
        """Read where the views stand; forget everything buffered (after a rollback)."""
        row = self._execute("SELECT position, events, actors, sources, snapshots, erasures FROM state").fetchone()
        self.position, self._events, self._actors, self._sources, self._snapshots, self._erasures = row
        self._header = b""
        self._n = self._execute("SELECT coalesce(max(n), 0) FROM event").fetchone()[0]
        self._next_facet = self._execute("SELECT coalesce(max(facet), 0) FROM facet").fetchone()[0]
        self._classes = {tuple(row) for row in self._execute("SELECT class, about FROM class")}
        self._facets.clear()
        self._absent: set[str] = set()
        self._clear()

    def _clear(self) -> None:
        self._event_rows: list[tuple[Any, ...]] = []
        self._lane_rows: list[tuple[Any, ...]] = []
        self._word_rows: list[tuple[int, str]] = []
        self._closed: list[tuple[int, int]] = []
        self._touched: dict[int, int] = {}
        self._new_facets: list[tuple[int, str]] = []
        self._current: dict[str, Current] = {}
        self._moment: dict[str, int] = {}

    # ------------------------------------------------------------------ the fold

    def apply(self, record: Record, change: AnyFact | None = None) -> None:
        """Fold the next record. `change` spares decoding what the writer has just encoded.

        Raises:
            Corrupt: the record is not the next one, or contradicts the state it meets.

        """
        if record.position != self.position + 1:
            raise Corrupt(f"views at {self.position} cannot take record {record.position}")
        header = record.header
        if change is None:
            change = restore(header.type, header.v, _body_of(record))
        match change:
            case EventRecorded():
                self._recorded(header, change.event)
            case EventRevised():
                self._revised(header, change)
            case EventRetracted():
                self._retracted(header, change)
            case EventsMerged():
                self._merged(header, change)
            case ActorDescribed():
                self._described_actor(header, change)
            case SourceDescribed():
                self._described_source(header, change, record)
            case PartErased():
                self._erased(header, change)
            case SnapshotPublished():
                self._published(header, change)
        self._touch(header)
        self.position = header.position
        self._header = record.header_bytes
        self._moment[header.recorded_at] = header.position

    def _recorded(self, header: Header, event: Event) -> None:
        event_id = _known(event.id)
        new = Current(0, 1, header.position, header.position, SHOWN, event, header.recorded_at, [])
        self._insert(event_id, new, header, None)

    def _revised(self, header: Header, change: EventRevised) -> None:
        old = self.current(change.id)
        new = self._next(header, change.id, old, event=fold.revise(old.event, change.patch))
        self._insert(change.id, new, header, change.reason)

    def _retracted(self, header: Header, change: EventRetracted) -> None:
        new = self._next(header, change.id, self.current(change.id), hidden=RETRACTED)
        self._insert(change.id, new, header, change.reason, {"retracted": {"reason": change.reason}})

    def _merged(self, header: Header, change: EventsMerged) -> None:
        kept = self.current(change.id)
        others = [self.current(duplicate) for duplicate in change.duplicates]
        event = fold.absorb(kept.event, [other.event for other in others])
        merged_from = [*kept.merged_from, *change.duplicates]
        new = self._next(header, change.id, kept, event=event, merged_from=merged_from)
        self._insert(change.id, new, header, change.reason)
        for duplicate, other in zip(change.duplicates, others, strict=True):
            gone = self._next(header, duplicate, other, hidden=MERGED)
            self._insert(duplicate, gone, header, change.reason, {"merged_into": change.id})

    def _next(self, header: Header, event_id: str, old: Current, **changes: Any) -> Current:  # noqa: ANN401
        """Close the old version at this position and prepare the next one."""
        if old.n > 0:
            self._closed.append((header.position, old.n))
            self._current.pop(event_id, None)
        return msgspec.structs.replace(
            old, n=0, revision=old.revision + 1, position=header.position, **changes
        )

    def _insert(
        self, event_id: str, new: Current, header: Header, reason: str | None, extra: dict[str, Any] | None = None
    ) -> None:
        self._n += 1
        new.n = self._n
        event = new.event
        placed = classes.place(fold.happened(event))
        order = (placed.class_, placed.earliest, placed.latest, event.sequence, new.first)
        body = _body(new, header, reason, extra or {})
        self._event_rows.append((
            self._n, event_id, new.revision, header.position, OPEN, new.first, placed.class_, placed.earliest,
            placed.latest, event.sequence, event.kind, event.status, new.hidden, body.decode(),
        ))
        found = fold.lanes(event)
        for lane in found:
            self._lane(lane, order, header.position, new.hidden)
        self._seen(placed.class_, about=0)
        if event.about is not None:
            about = classes.place(fold.spoken_of(event))
            where = (about.class_, about.earliest, about.latest, event.sequence, new.first)
            self._lane(fold.Lane(fold.ABOUT), where, header.position, new.hidden)
            self._seen(about.class_, about=1)
        self._word_rows.append((self._n, _words(event, found)))
        self._current[event_id] = new
        self._absent.discard(event_id)

    def _lane(self, lane: fold.Lane, order: tuple[int, ...], position: int, hidden: int) -> None:
        roles = f"|{'|'.join(lane.roles)}|" if lane.roles else ""
        self._lane_rows.append((self._n, self._facet(lane.facet), *order, position, OPEN, hidden, roles))

    def _seen(self, class_: int, *, about: int) -> None:
        if (class_, about) not in self._classes:
            self._classes.add((class_, about))
            self._execute("INSERT INTO class (class, about) VALUES (?, ?)", (class_, about))

    def _facet(self, name: str) -> int:
        facet = self._facets.get(name)
        if facet is None:
            row = self._execute("SELECT facet FROM facet WHERE name = ?", (name,)).fetchone()
            if row is None:
                self._next_facet += 1
                facet = self._next_facet
                self._new_facets.append((facet, name))
            else:
                facet = row[0]
            if len(self._facets) >= FACETS_KEPT and not self._new_facets:
                self._facets.clear()
            self._facets[name] = facet
        return facet

    def _touch(self, header: Header) -> None:
        """Note which facets this record could change: its streams are the facets of the versions before and after."""
        if not header.type.startswith("event"):
            return
        self._events = header.position
        touched = self._touched
        for stream, _, _ in header.streams:
            if not stream.startswith("event/"):
                touched[self._facet(stream)] = header.position

    # ------------------------------------------------------------------ actors and sources

    def _described_actor(self, header: Header, change: ActorDescribed) -> None:
        actor = change.actor
        actor_id = _known(actor.id)
        words = " ".join([actor.name, *actor.names.values(), *(alias.text for alias in actor.aliases)])
        self._thing("actor", actor_id, actor, header, change.reason, actor.kind, words)
        self._actors = header.position
        close = "UPDATE member SET until = ? WHERE actor = ? AND until = ?"
        self._execute(close, (header.position, actor_id, OPEN))
        for group in {*actor.member_of, actor.head_of, actor.spokesperson_of} - {None}:
            row = (actor_id, group, header.position, OPEN)
            self._execute("INSERT INTO member (actor, of, since, until) VALUES (?, ?, ?, ?)", row)

    def _described_source(self, header: Header, change: SourceDescribed, record: Record) -> None:
        source = change.source
        text = next((part.data.decode() for part in record.parts if part.name == "text"), source.text)
        shown = msgspec.structs.replace(source, text=None)
        published = source.published.latest if source.published is not None else None
        words = " ".join(filter(None, [source.title, source.publisher, source.author]))
        self._thing("source", _known(source.id), shown, header, change.reason, "source", words, text, published)
        self._sources = header.position

    def _thing(  # noqa: PLR0913 - one table holds actors and sources
        self, type_: str, id_: str, value: Actor | Source, header: Header, reason: str | None, kind: str, words: str,
        text: str | None = None, published: int | None = None,
    ) -> None:
        find = "SELECT n, revision FROM thing WHERE type = ? AND id = ? AND until = ?"
        row = self._execute(find, (type_, id_, OPEN)).fetchone()
        revision = 1
        if row is not None:
            self._execute("UPDATE thing SET until = ? WHERE n = ?", (header.position, row[0]))
            revision = row[1] + 1
        body = _splice(wire(value), {"revision": _revision(header, revision, reason)})
        self._execute(
            "INSERT INTO thing (type, id, revision, since, until, kind, words, body, text, published) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (type_, id_, revision, header.position, OPEN, kind, folded(f"{id_} {words}"), body.decode(), text,
             published),
        )

    # ------------------------------------------------------------------ erasures and snapshots

    def _erased(self, header: Header, _: PartErased) -> None:
        self._erasures = header.position

    def _published(self, header: Header, change: SnapshotPublished) -> None:
        manifest = change.manifest
        body = {
            "id": change.id, "content": change.content, "entries": change.entries, "query": manifest["query"],
            "log": manifest["log"], "published": {"position": header.position, "recorded_at": header.recorded_at,
                                                  "author": header.author},
        }
        row = (change.id, header.position, msgspec.json.encode(body).decode())
        self._execute("INSERT INTO snapshot (id, position, body) VALUES (?, ?, ?)", row)
        self._snapshots = header.position

    # ------------------------------------------------------------------ state

    def current(self, event_id: str) -> Current:
        """Give the newest version of an event, buffered or stored; `Corrupt` where the log speaks of none."""
        found = self.find(event_id)
        if found is None:
            raise Corrupt(f"record {self.position + 1} speaks of an event that was never recorded: {event_id}")
        return found

    def expect(self, event_ids: Iterable[str]) -> None:
        """Look at once which of many events are not there, rather than one by one."""
        wanted = set(event_ids)
        query = "SELECT DISTINCT id FROM event WHERE id IN (SELECT value FROM json_each(?))"
        there = {row[0] for row in self._execute(query, (msgspec.json.encode(wanted).decode(),))}
        self._absent = wanted - there

    def find(self, event_id: str) -> Current | None:
        """Give the newest version of an event, if there is one."""
        if event_id in self._current:
            return self._current[event_id]
        if event_id in self._absent:
            return None
        query = "SELECT n, revision, first, hidden, body FROM event WHERE id = ? ORDER BY since DESC LIMIT 1"
        row = self._execute(query, (event_id,)).fetchone()
        if row is None:
            return None
        body = msgspec.json.decode(row[4])
        event = event_of(body)
        position = body["revision"]["position"]
        n, revision, first, hidden, _ = row
        return Current(n, revision, position, first, hidden, event, body["recorded_at"], body.get("merged_from", []))

    def exists(self, event_id: str) -> bool:
        """Whether an event of this id was ever recorded."""
        if event_id in self._current:
            return True
        if event_id in self._absent:
            return False
        return self._execute("SELECT 1 FROM event WHERE id = ? LIMIT 1", (event_id,)).fetchone() is not None

    def flush(self) -> None:
        """Write what is buffered."""
        many = self._connection.executemany
        many("INSERT INTO facet (facet, name, last) VALUES (?, ?, 0)", self._new_facets)
        many(f"INSERT INTO event VALUES ({','.join('?' * 14)})", self._event_rows)
        many(
            "INSERT INTO lane (n, facet, class, earliest, latest, sequence, first, since, until, hidden, roles) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            self._lane_rows,
        )
        many("INSERT INTO words (rowid, text) VALUES (?, ?)", self._word_rows)
        many("UPDATE event SET until = ? WHERE n = ?", self._closed)
        many("UPDATE lane SET until = ? WHERE n = ?", self._closed)
        many("UPDATE facet SET last = ? WHERE facet = ?", [(last, facet) for facet, last in self._touched.items()])
        many(
            "INSERT INTO moment (recorded_at, position) VALUES (?, ?) "
            "ON CONFLICT (recorded_at) DO UPDATE SET position = excluded.position",
            list(self._moment.items()),
        )
        if self._header:
            self._execute(
                "UPDATE state SET position = ?, header = ?, events = ?, actors = ?, sources = ?, snapshots = ?, "
                "erasures = ?",
                (self.position, sha256(self._header).digest(), self._events, self._actors, self._sources,
                 self._snapshots, self._erasures),
            )
        self._clear()


@lru_cache(32_768)
def _text_of(second: int) -> str:
    """Write a bound: most events begin and end with a day, so the same ones come again and again."""
    return iso(second)


def _body_of(record: Record) -> bytes:
    try:
        return join(record.contents())
    except KeyError:
        raise Corrupt(f"record {record.position} has lost its body: run `timeline verify`") from None


def _body(new: Current, header: Header, reason: str | None, extra: dict[str, Any]) -> bytes:
    """Encode an event version once, as every answer will show it."""
    bounds = fold.happened(new.event) or (None, None)
    derived: dict[str, Any] = {
        "earliest": None if bounds[0] is None else _text_of(bounds[0]),
        "latest": None if bounds[1] is None else _text_of(bounds[1]),
        "recorded_at": new.recorded_at,
        "revision": _revision(header, new.revision, reason),
        **extra,
    }
    if new.merged_from:
        derived["merged_from"] = new.merged_from
    return _splice(wire(new.event), derived)


def _revision(header: Header, number: int, reason: str | None) -> dict[str, Any]:
    revision = {
        "number": number, "position": header.position, "recorded_at": header.recorded_at, "author": header.author,
        "type": header.type,
    }
    return revision if reason is None else {**revision, "reason": reason}


def _splice(body: bytes, more: dict[str, Any]) -> bytes:
    """Add members to an encoded, non-empty JSON object."""
    return body[:-1] + b"," + msgspec.json.encode(more)[1:]


def event_of(body: dict[str, Any]) -> Event:
    """Take the event out of an answer's body."""
    return convert({name: value for name, value in body.items() if name not in EXTRAS}, Event)


def _known(id_: str | None) -> str:
    if id_ is None:
        raise Corrupt("a record without the id of what it describes")
    return id_


def _words(event: Event, found: Iterable[fold.Lane]) -> str:
    texts = [event.title, event.summary or "", event.place.name if event.place else ""]
    for translation in event.translations.values():
        texts += [translation.title, translation.summary or ""]
    texts += [lane.facet.partition("/")[2].replace("-", " ") for lane in found if not lane.facet.startswith("source/")]
    return " ".join(filter(None, texts))


def folded(text: str) -> str:
    """Fold case and accents, so that Zelenský finds zelensky."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in plain if not unicodedata.combining(character))
