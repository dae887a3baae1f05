"""What the log did to the answer to a question, as encoded messages that everybody who asks the same shares.

A message says what one record did to one event of the answer: an item of the feed of corrections
(`timeline.changes`), as ``/v1/changes`` has it between the position before and its own, with the event's body. So it
depends on the question and its place alone, never on who reads it or since when, and can be made once for all. Messages
are made in segments of the log; the last one grows as the log does. They are a cache: what fell out, or was never
there, is read from the views again, however far back.

An erasure changes what earlier records say, so everybody is told of it, whatever they asked for: what is left of the
event is in the message, and `shown` says whether the answer still has it. No message made before is kept.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from timeline.chronicle import Timeline
from timeline.connections import time_budget
from timeline.errors import TooCostly
from timeline.formats import localised
from timeline.log.erasing import declaration, targets
from timeline.query import Query
from timeline.reading import BUDGET
from timeline.views.plan import Plan
from timeline.views.reader import Reader

T = TypeVar("T")
SEGMENT: Final = 64
"""Positions of one segment."""

MOST_MESSAGES: Final = 5_000
"""More messages in one segment are not made: the answer is quicker read anew."""

GAP: Final = 10_000
"""So many records that could matter are told again; who missed more reads the answer anew."""

CACHE_BYTES: Final = 32 * 2**20


class Place(NamedTuple):
    """How far a client has been told: all of `position`, or (in the midst of it) up to one event in order of id."""

    position: int
    event: str = ""

    def __str__(self) -> str:
        """Write it as the id of a message, and as ``after`` of ``/v1/changes`` takes it."""
        return f"{self.position}.{self.event}" if self.event else str(self.position)

    @property
    def order(self) -> tuple[int, str]:
        """What to compare by: all of a position lies behind each event of it."""
        return (self.position, self.event) if self.event else (self.position + 1, "")

    @property
    def following(self) -> int:
        """The first position of which something may be left to tell."""
        return self.order[0]


class Message(NamedTuple):
    """A message of the stream, and the place of whoever has read it."""

    place: Place
    content: bytes


@dataclass(slots=True)
class Segment:
    """All messages after position `since` and up to `until`, which moves on; beyond its own end, there is nothing.

    Up to `lost`, too much changed to be told: whoever is not past it reads the answer anew.
    """

    since: int
    until: int
    messages: list[Message] = field(default_factory=list)
    size: int = 1_000
    lost: int = 0


class Replay:
    """Reads on from any place, for any question."""

    def __init__(self, timeline: Timeline, threads: Executor, limit: int = CACHE_BYTES) -> None:
        """Read from this timeline in these threads, and keep so many bytes of messages."""
        self._timeline, self._threads, self._limit = timeline, threads, limit
        self._segments: OrderedDict[tuple[bytes, int], Segment] = OrderedDict()
        self._size = 0
        self._erasures = 0
        self._jobs: dict[object, asyncio.Future[Any]] = {}
        self._floors: dict[bytes, tuple[int, int]] = {}

    async def after(self, query: Query, key: bytes, place: Place) -> tuple[list[Message], Place]:
        """Give some messages after a place, and the place behind them; `key` is that of the question.

        Raises:
            TooCostly: too much has changed in between.

        """
        head = self._timeline.heads.position
        if head - place.position > GAP and place.position < await self._floor(query, key, head):
            raise TooCostly(f"more than {GAP:,} records lie in between")
        number = (place.following - 1) // SEGMENT
        segment = self._kept((key, number))
        if segment is None or segment.until < min(head, (number + 1) * SEGMENT):
            segment = await self._grow(query, (key, number), segment, head)
        if place.following <= segment.lost:
            raise TooCostly(f"records {segment.since + 1} to {segment.lost} changed too much")
        start = bisect_right(segment.messages, place.order, key=lambda message: message.place.order)
        return segment.messages[start:], Place(max(segment.until, place.position))

    # ------------------------------------------------------------------ the cache

    def _kept(self, name: tuple[bytes, int]) -> Segment | None:
        """Find a segment. After an erasure none is kept: what was erased must not be told again."""
        erasures = self._timeline.heads.erasures
        if erasures != self._erasures:
            self._erasures, self._size = erasures, 0
            self._segments.clear()
        found = self._segments.get(name)
        if found is not None:
            self._segments.move_to_end(name)
        return found

    def _keep(self, name: tuple[bytes, int], segment: Segment) -> None:
        old = self._segments.pop(name, None)
        self._segments[name] = segment
        self._size += segment.size - (old.size if old else 0)
        while self._size > self._limit and len(self._segments) > 1:
            self._size -= self._segments.popitem(last=False)[1].size

    async def _grow(self, query: Query, name: tuple[bytes, int], segment: Segment | None, head: int) -> Segment:
        """Make a segment, or what it lacks, up to the head; whoever wants the same waits for the same."""
        erasures = self._erasures

        def make() -> Segment:
            return _grown(self._timeline, query, segment or Segment(name[1] * SEGMENT, name[1] * SEGMENT), head)

        grown = await self._once((name, erasures), make)
        if erasures == self._erasures == self._timeline.heads.erasures:
            self._keep(name, grown)
        return grown

    async def _floor(self, query: Query, key: bytes, head: int) -> int:
        """Give the lowest position from which this question is told again; looked up now and then."""
        looked, floor = self._floors.get(key, (-GAP, 0))
        if head - looked < GAP // 10:
            return floor

        def look() -> int:
            reader = self._timeline.reader()
            with time_budget(reader.connection, BUDGET):
                positions = reader.changes(query, 1, head, GAP + 1, newest=True)
            return positions[-1] if len(positions) > GAP else 0

        floor = await self._once((key, "floor"), look)
        if len(self._floors) > 1_000:
            self._floors.clear()
        self._floors[key] = (head, floor)
        return floor

    async def _once(self, name: object, work: Callable[[], T]) -> T:
        """Do something in a thread, once for all who want it now; one who leaves does not stop it."""
        job = self._jobs.get(name)
        if job is None:
            job = asyncio.get_running_loop().run_in_executor(self._threads, work)
            self._jobs[name] = job
            job.add_done_callback(lambda done: self._done(name, done))
        result: T = await asyncio.shield(job)
        return result

    def _done(self, name: object, job: asyncio.Future[Any]) -> None:
        del self._jobs[name]
        if not job.cancelled():
            job.exception()  # heard, even where everybody has left


# ---------------------------------------------------------------------------------------------- making messages

def _grown(timeline: Timeline, query: Query, old: Segment, head: int) -> Segment:
    """Make the messages that a segment lacks. A new one: others may be reading the old."""
    try:
        return _told(timeline, query, old, head)
    except TooCostly:
        until = min(head, old.since + SEGMENT)
        return Segment(old.since, until, lost=_last(timeline, query, old.until, until))


def _last(timeline: Timeline, query: Query, since: int, until: int) -> int:
    """Give the last position that could matter: whoever has read the answer there is not sent to read it again."""
    reader = timeline.reader()
    try:
        with time_budget(reader.connection, BUDGET):
            changes = reader.changes(query, since + 1, until, 1, newest=True)
    except TooCostly:
        return until
    return max([*changes, *_erasures(timeline, since, until)], default=since)


def _told(timeline: Timeline, query: Query, old: Segment, head: int) -> Segment:
    reader = timeline.reader()
    with time_budget(reader.connection, BUDGET):
        changes = reader.changes(query, old.until + 1, head, 1, newest=False)
    following = min([*changes, *_erasures(timeline, old.until, head)], default=head + 1)
    end = old.since + SEGMENT
    if following > end or following > head:
        return replace(old, until=max(old.until, following - 1))
    until = min(head, end)
    made = _messages(timeline, query, old.until, until)
    size = old.size + sum(len(message.content) + 200 for message in made)
    return replace(old, until=until, messages=old.messages + made, size=size)


def _messages(timeline: Timeline, query: Query, since: int, until: int) -> list[Message]:
    found = timeline.changes(query, since, until, limit=MOST_MESSAGES)
    if found.after is not None:
        raise TooCostly(f"records {since + 1} to {until} changed more than {MOST_MESSAGES:,} events")
    made = []
    for position, several in groupby(found.items, lambda item: int(item["position"])):
        items = list(several)
        for item in items:
            place = Place(position, "" if item is items[-1] else item["event"])
            made.append(Message(place, encode(place, item, _body(timeline, query, item))))
    erased = _erased(timeline, query, since, until)
    return sorted(made + erased, key=lambda message: message.place.order) if erased else made


def _erasures(timeline: Timeline, since: int, until: int) -> list[int]:
    """Give the positions of the records that erased something."""
    if since >= timeline.heads.erasures:
        return []
    sql = "SELECT DISTINCT record FROM erasure WHERE record > ? AND record <= ? ORDER BY record"
    return [row[0] for row in timeline.log_connection().execute(sql, (since, until))]


def _erased(timeline: Timeline, query: Query, since: int, until: int) -> list[Message]:
    """Tell what was erased. Whose members or sources were erased has to read the answer anew: any event may differ."""
    reader = timeline.reader()
    made = []
    for position in _erasures(timeline, since, until):
        record = timeline.record_at(position)
        events = sorted(name[6:] for name in targets(record.header) if name.startswith("event/"))
        if not events and (query.members or query.reported_by is not None):
            raise TooCostly(f"the record at position {position} erased what this question rests on")
        for event in events:
            item = {
                "change": "erased", "event": event, "shown": _shown(reader, query, event, position) is not None,
                "position": position, "recorded_at": record.header.recorded_at, "author": record.header.author,
                "type": record.header.type, "reason": declaration(record).reason,
            }
            place = Place(position, "" if event == events[-1] else event)
            made.append(Message(place, encode(place, item, reader.event(event, position) or "null")))
    return made


def encode(place: Place, item: dict[str, Any], body: str) -> bytes:
    """Write a message (WHATWG HTML section 9.2, Server-sent events). JSON has no line breaks of its own.

    What comes back into an answer is `added` once more: whether it was ever there before depends on how far back one
    looks, and a message must not depend on who reads it.
    """
    kind = "added" if item["change"] == "restored" else item["change"]
    data = msgspec.json.encode({**item, "change": kind})[:-1] + b',"body":' + body.encode() + b"}"
    return f"event: {kind}\nid: {place}\ndata: ".encode() + data + b"\n\n"


def _body(timeline: Timeline, query: Query, item: dict[str, Any]) -> str:
    """Give the event as the answer shows it at the position of an item; the tombstone of what it no longer shows."""
    reader, position, event = timeline.reader(), item["position"], item["event"]
    shown = item["change"] in ("added", "restored", "revised")
    body = _shown(reader, query, event, position) if shown and query.reported_by is not None else None
    body = body or reader.event(event, position) or "null"
    return localised([body], query.lang)[0] if query.lang and body != "null" else body


def _shown(reader: Reader, query: Query, event: str, position: int) -> str | None:
    """Give the version of an event that the answer shows, if any: what had been reported is not always its newest."""
    plan = _One(reader, query, position)
    if plan.empty:
        return None
    sql = f"SELECT e.body FROM ({plan.rows}) x CROSS JOIN event e ON e.n = x.n"  # noqa: S608 - values are bound
    row = reader.connection.execute(sql, {**plan.values, "event": event}).fetchone()
    return row[0] if row else None


class _One(Plan):
    """The plan of a question for one event, ``:event``."""

    def _rows(self) -> str:
        choice = "x.n IN (SELECT o.n FROM event o WHERE o.id = :event)"
        if self._query.text is not None:
            choice += " AND x.n IN (SELECT rowid FROM words WHERE words MATCH :text)"
        return self._numbered(choice)


__all__ = ["Message", "Place", "Replay", "encode"]
