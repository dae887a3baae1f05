"""Reading a timeline: everything that is answered from views alone, and so needs no right to write.

`timeline.chronicle.Timeline` reads through this while it writes; `ReadOnlyTimeline` is what another process opens
beside a running server. Every answer names the position of the log it speaks of.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from timeline.changes import Changes, feed
from timeline.connections import Readers, time_budget
from timeline.edtf import iso
from timeline.errors import NotFound
from timeline.query import Key, Query, make_cursor, parse_query, pinned
from timeline.records import difference
from timeline.views.projector import EXTRAS
from timeline.views.reader import PAGE_BYTES, Heads, Reader

BUDGET: Final = 2.0
"""Seconds one question may take."""

BUCKETS: Final = 240
_HIDING: Final = ("retracted", "merged_into", "merged_from", "erased")


@dataclass(frozen=True, slots=True)
class Answer:
    """A page of events: encoded bodies in chronological order, the position they speak of, and where to go on.

    `final` says that the answer can never change (it was asked at a position, or at a time gone by).
    """

    bodies: list[str]
    position: int
    cursor: str | None
    final: bool


class Reading:
    """Questions to the views, one read-only connection a thread."""

    _readers: Readers

    @property
    def heads(self) -> Heads:
        """The last positions at which events, actors and sources changed."""
        return self.reader().heads()

    @property
    def position(self) -> int:
        """The last position that reads see."""
        return self.heads.position

    def reader(self) -> Reader:
        """Give this thread's reader."""
        return Reader(self._readers.get())

    def resolve(self, query: Query) -> tuple[int, bool]:
        """Give the position a question speaks of, and whether that is fixed for ever.

        Raises:
            NotFound: it asks for a position the log has not reached.

        """
        heads = self.heads
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
        position = self.heads.position if at is None else self.resolve(Query(at=at))[0]
        reader = self.reader()
        body = reader.event(id_, position) if type_ == "event" else reader.thing(type_, id_, position)
        if body is None:
            raise NotFound(self._missing(type_, id_, position))
        return body

    def _missing(self, type_: str, id_: str, position: int) -> str:
        from difflib import get_close_matches  # noqa: PLC0415 - only needed to explain a mistake

        known = self.reader().near(type_, id_)
        close = [] if id_ in known else get_close_matches(id_, known, 1, 0.6)
        when = f" at position {position}" if position < self.heads.position else ""
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
        position = self.heads.position if at is None else at
        versions: list[dict[str, Any]] = []
        before: dict[str, Any] = {}
        for encoded in self.reader().history(event_id, position):
            body = msgspec.json.decode(encoded)
            event = {name: value for name, value in body.items() if name not in EXTRAS}
            version = {"revision": body["revision"], "event": event}
            if before:
                version["changes"] = difference(before, event)
            version |= {name: body[name] for name in _HIDING if name in body}
            versions.append(version)
            before = event
        return versions

    def changes(
        self, query: Query, since: int, until: int | None = None, *, limit: int | None = None, after: str = ""
    ) -> Changes:
        """Tell what changed in the answer to a question between two positions (`until`: the newest there is).

        Each item is what one record did to one event of the answer: `change` (added, revised, retracted, removed,
        merged, restored), `event`, `title`, `position`, `recorded_at`, `author`, `type` of the record and its `reason`,
        `changes` (merge patch), and what they touch, `before` and `after`.

        Raises:
            NotFound: the log has not reached `since` or `until`.
            Malformed: `until` lies before `since`, or the question has a position of its own.
            TooCostly: too much has changed to be told at once.

        """
        first, last = self.resolve(Query(at=since))[0], self.resolve(Query(at=until))[0]
        connection = self._readers.get()
        with time_budget(connection, BUDGET):
            return feed(Reader(connection), query, first, last, limit=limit, after=after)

    def positions(self, topic: str, at: int | None = None, query: Query | None = None) -> list[dict[str, Any]]:
        """List who stood where on a topic, in chronological order, with each actor's changes of stance marked.

        Each entry names the `event`, its date, `actor`, `position`, the `citations`, and, where the actor stood
        elsewhere before, `changed_from`.
        """
        query = query or Query(at=at)
        last: dict[str, str] = {}
        return [entry for event in self.each(replace(query, topics=(topic,))) for entry in _stances(event, topic, last)]

    def stances(self, topic: str, query: Query) -> tuple[list[dict[str, Any]], Key | None]:
        """Give a page of `positions`: the entries of `query.limit` events, and the place to go on from, if any.

        What an event says stays together. The page ends sooner where it would be too large (`PAGE_BYTES`). Changes of
        stance are marked as in the whole list.
        """
        position, _ = self.resolve(query)
        query = replace(pinned(query, position), topics=(topic,))
        page = self.reader().page(query, position)
        events = [msgspec.json.decode(body) for body in page.bodies]
        actors = {stance["actor"] for event in events for stance in _on(event, topic)}
        last = self._stood(topic, query, actors)
        entries: list[dict[str, Any]] = []
        size = 0
        for count, event in enumerate(events):
            found = _stances(event, topic, last)
            size += len(msgspec.json.encode(found))
            if entries and size > PAGE_BYTES:
                return entries, self.reader().page(replace(query, limit=count), position).last
            entries += found
        return entries, page.last

    def _stood(self, topic: str, query: Query, actors: set[str]) -> dict[str, str]:
        """Give where actors stood at the place a page begins after: read backwards until all of them are found."""
        found: dict[str, str] = {}
        if query.after is None or not actors:
            return found
        earliest, latest, sequence, first = query.after
        for body in self.bodies(replace(query, order="desc", after=(earliest, latest, sequence, first + 1))):
            for stance in reversed(_on(msgspec.json.decode(body), topic)):
                if stance["actor"] in actors:
                    found.setdefault(stance["actor"], stance["position"])
            if len(found) == len(actors):
                break
        return found

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


def _pairs(parameters: Mapping[str, str | int | Sequence[str]]) -> list[tuple[str, str]]:
    pairs = []
    for name, value in parameters.items():
        for item in [value] if isinstance(value, str | int | bool) else value:
            text = str(item).lower() if isinstance(item, bool) else str(item)
            pairs.append((name.removesuffix("_"), text))
    return pairs


def _on(event: Mapping[str, Any], topic: str) -> list[dict[str, Any]]:
    """Give the stances of an event on a topic, in order."""
    return [stance for stance in event.get("stances", []) if stance["topic"] == topic]


def _stances(event: Mapping[str, Any], topic: str, last: dict[str, str]) -> list[dict[str, Any]]:
    """Give the entries of one event; `last` has where each actor stood before, and is brought up to date."""
    entries = []
    for stance in _on(event, topic):
        entry = _stance_entry(event, stance)
        before = last.get(stance["actor"])
        if before is not None and before != stance["position"]:
            entry["changed_from"] = before
        last[stance["actor"]] = stance["position"]
        entries.append(entry)
    return entries


def _stance_entry(event: Mapping[str, Any], stance: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("id", "title", "when", "earliest", "latest", "status", "citations")
    entry = {("event" if name == "id" else name): event[name] for name in kept if name in event}
    return {**entry, **{name: stance[name] for name in ("actor", "position", "note") if name in stance}}
