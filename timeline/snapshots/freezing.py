"""Making a snapshot from a timeline: the views say which events are meant, the log gives the root.

A published snapshot is assembled from its manifest, which stays in the log: it keeps its id, and says what was erased.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol

import msgspec

from timeline.errors import Invalid
from timeline.query import MAX_LIMIT, Query
from timeline.records import plain
from timeline.snapshots.document import FORMAT, PROJECTOR, Entry, LogAt, Snapshot, named
from timeline.snapshots.question import normal_form, question
from timeline.views.projector import event_of
from timeline.views.reader import Reader

MAX_ENTRIES: Final = 20_000
"""Events in one snapshot: its manifest is one record of the log."""

Formed = tuple[str, list[int]]
"""An event, and the positions of the records that formed it."""


class Freezable(Protocol):
    """What a snapshot is made from: views, and the root of the log at its size."""

    @property
    def origin(self) -> str:
        """The log's name."""

    def resolve(self, query: Query) -> tuple[int, bool]:
        """Give the position a question speaks of."""

    def reader(self) -> Reader:
        """Give the views."""

    def root_at(self, size: int) -> bytes:
        """Give the log's root at a size."""


def freeze(timeline: Freezable, query: Query) -> Snapshot:
    """Freeze the whole answer to a question, at the position it speaks of.

    Raises:
        NotFound: the log has not reached that position.
        Invalid: the answer is too large for one snapshot.

    """
    size, _ = timeline.resolve(query)
    form = normal_form(query)
    formed = list(_formed(timeline.reader(), question(form, size), size))
    return assemble(timeline, form, size, formed)


def assemble(timeline: Freezable, form: dict[str, Any], size: int, formed: Sequence[Formed]) -> Snapshot:
    """Put the snapshot of a manifest together: each event as the last of its records left it."""
    reader = timeline.reader()
    entries = [_entry(reader, event, positions) for event, positions in formed]
    actors, sources = named(entries)
    return Snapshot(
        actors=_things(reader, "actor", actors, size), entries=entries, format=FORMAT,
        log=LogAt(timeline.origin, timeline.root_at(size).hex(), size), projector=PROJECTOR, query=form,
        sources=_things(reader, "source", sources, size),
    )


def _formed(reader: Reader, query: Query, size: int) -> Iterator[Formed]:
    query = replace(query, limit=MAX_LIMIT, erased=True)
    count = 0
    while True:
        page = reader.page(query, size)
        for encoded in page.bodies:
            body = msgspec.json.decode(encoded)
            if _is_gone(body) and body["erased"]["position"] <= size:
                continue  # at that size it stood nowhere any more
            yield body["id"], sorted(_positions(reader, body["id"], body["revision"]["position"], body))
        count += len(page.bodies)
        if count > MAX_ENTRIES:
            raise Invalid(f"more than {MAX_ENTRIES:,} events: narrow the question, a snapshot holds its whole answer")
        if page.last is None:
            return
        query = replace(query, after=page.last)


def _positions(reader: Reader, event: str, until: int, body: dict[str, Any]) -> set[int]:
    """Give the positions that formed an event: its own records, and those of the events merged into it."""
    found = set(reader.positions(event, until))
    for duplicate in body.get("merged_from", ()):
        absorbed = reader.event(duplicate, until)
        if absorbed is not None:
            merged = msgspec.json.decode(absorbed)
            found |= _positions(reader, duplicate, merged["revision"]["position"], merged)
    return found


def _entry(reader: Reader, event: str, positions: list[int]) -> Entry:
    encoded = reader.event(event, positions[-1])
    if encoded is None:
        raise Invalid(f"there is no event {event} at position {positions[-1]}")
    body = msgspec.json.decode(encoded)
    shown = {"id": event} if _is_gone(body) else plain(event_of(body))
    kept = {name: body[name] for name in ("earliest", "latest", "merged_from", "retracted", "erased") if name in body}
    return Entry(event=shown, positions=positions, revision=body["revision"], **kept)


def _is_gone(body: dict[str, Any]) -> bool:
    return "body" in body.get("erased", {}).get("parts", ())


def _things(reader: Reader, type_: str, ids: Iterable[str], size: int) -> list[dict[str, Any]]:
    """Give actors or sources as they were described at that size, sorted by id."""
    found = []
    for id_ in sorted(ids):
        body = reader.thing(type_, id_, size)
        if body is not None:
            values = msgspec.json.decode(body)
            values["revision"] = {name: values["revision"][name] for name in ("author", "position", "recorded_at")}
            found.append(values)
    return found


__all__ = ["MAX_ENTRIES", "assemble", "freeze"]
