"""Which events a question means, decided from records alone: headers say who stands where, content in which roles.

`expected` answers the question a second time, without a database, over the headers of a whole log or of whole streams.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from timeline.log import Header
from timeline.model import Source
from timeline.query import Query
from timeline.snapshots.replay import Replay, Version
from timeline.snapshots.standing import ERASED, MERGED, RETRACTED, SHOWN, Members, Standing, means, of_header


@dataclass(slots=True)
class Seen:
    """What headers say of one event: the last one that changed it, and the positions that formed it."""

    header: Header
    first: int
    hidden: int = SHOWN
    positions: set[int] = field(default_factory=set)

    def standing(self) -> Standing:
        """Give what decides membership."""
        return of_header(self.header, self.first, self.hidden)


def events_in(headers: Iterable[Header]) -> dict[str, Seen]:
    """Fold headers, in order of position, into what they say of each event."""
    seen: dict[str, Seen] = {}
    for header in headers:
        subject = header.streams[0][0]
        if header.type == "part.erased":
            for name in header.left:
                if name.startswith("event/") and (gone := seen.get(name[6:])) and gone.hidden == SHOWN:
                    gone.hidden = ERASED
        elif subject.startswith("event/"):
            _change(seen, header, subject[6:])
    return seen


def _change(seen: dict[str, Seen], header: Header, event: str) -> None:
    """Fold a header of a record that changes an event."""
    now = seen.setdefault(event, Seen(header, header.position))
    now.header = header
    now.positions.add(header.position)
    if header.type == "event.retracted":
        now.hidden = RETRACTED
    elif header.type == "events.merged":
        for name, _, _ in header.streams[1:]:
            if name.startswith("event/"):
                duplicate = seen.setdefault(name[6:], Seen(header, header.position))
                now.positions |= duplicate.positions
                duplicate.positions.add(header.position)
                duplicate.hidden = MERGED


def members_in(headers: Iterable[Header], query: Query) -> Members:
    """Give everybody under each actor asked for, from the headers of their descriptions."""
    if not query.members:
        return {}
    groups: dict[str, set[str]] = {}
    for header in headers:
        if header.type == "actor.described":
            groups[header.streams[0][0]] = {name for name, _, _ in header.streams[1:]}
    inside: dict[str, set[str]] = {}
    for actor, of in groups.items():
        for group in of:
            inside.setdefault(group, set()).add(actor)
    return {f"actor/{actor}": _closed(f"actor/{actor}", inside) for actor in query.actors}


def _closed(group: str, inside: Mapping[str, set[str]]) -> frozenset[str]:
    found, waiting = {group}, [group]
    while waiting:
        new = inside.get(waiting.pop(), set()) - found
        found |= new
        waiting += new
    return frozenset(found)


def candidates(query: Query, seen: Mapping[str, Seen], members: Members) -> list[str]:
    """Give the events that may be meant, for all that headers say; what they said once counts for `reported_by`."""
    if query.reported_by is not None:
        return list(seen)
    return [event for event, found in seen.items() if means(query, found.standing(), members)]


def expected(query: Query, names: Iterable[str], replay: Replay, members: Members) -> list[Standing]:
    """Answer the question from the content of candidates."""
    versions = (_version(query, replay, event) for event in names)
    standings = (version.standing() for version in versions if version is not None)
    return [standing for standing in standings if means(query, standing, members)]


def _version(query: Query, replay: Replay, event: str) -> Version | None:
    """Give the version a question speaks of: the newest, or the newest that had been reported by a time."""
    versions = replay.events.get(event, [])
    if query.reported_by is None:
        return versions[-1] if versions else None
    for version in reversed(versions):
        if version.hidden != SHOWN or _told(version, replay, query.reported_by):
            return version if _told(version, replay, query.reported_by) else None
    return None


def _told(version: Version, replay: Replay, by: int) -> bool:
    """Whether a version rests on sources published by a time, and on nothing younger."""
    cited = {citation.source for citation in version.event.citations}
    published = [_published(replay, source) for source in cited]
    return bool(cited) and all(end is not None and end <= by for end in published)


def _published(replay: Replay, source: str) -> int | None:
    described = replay.things.get(("source", source))
    value = described[-1].value if described else None
    return value.published.latest if isinstance(value, Source) and value.published is not None else None


__all__ = ["Seen", "candidates", "events_in", "expected", "members_in"]
