"""Where an event stands at a position, and whether a question means it: in Python, beside the views' SQL.

A standing comes from the event itself (`of_event`) or from the headers of its records alone (`of_header`): headers name
kind, status, bounds, order and streams, so that membership in a timeline can be proved whatever was erased. Roles and
words are not in headers; what depends on them says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from timeline import fold
from timeline.log import Header, Span
from timeline.model import Event
from timeline.query import Query

SHOWN, RETRACTED, MERGED, ERASED = 0, 1, 2, 3
FAR: Final = 2**63
"""Beyond every bound: where an open end stands in order."""

Place = tuple[int, int, int, int]
Members = Mapping[str, frozenset[str]]
"""Facet of a group -> facets of the group and everybody in it."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What decides membership. `roles` (actor facet -> roles) is None where only headers are known."""

    id: str
    first: int
    kind: str
    status: str
    when: Span | None
    about: Span | None
    sequence: int
    facets: frozenset[str]
    hidden: int
    roles: Mapping[str, tuple[str, ...]] | None = None

    def place(self, query: Query) -> Place:
        """Give the place in chronological order: earliest, latest, sequence, position of the first record."""
        bounds = self.about if query.on == "about" else self.when
        if bounds is None:
            return FAR, FAR, self.sequence, self.first
        earliest = -FAR if bounds[0] is None else bounds[0]
        latest = FAR - 1 if bounds[1] is None else bounds[1]
        return earliest, latest, self.sequence, self.first


def of_event(event: Event, event_id: str, first: int, hidden: int) -> Standing:
    """Take the standing from an event's content."""
    lanes = fold.lanes(event)
    return Standing(
        id=event_id, first=first, kind=event.kind, status=event.status, when=fold.happened(event),
        about=fold.spoken_of(event), sequence=event.sequence, facets=frozenset(lane.facet for lane in lanes),
        hidden=hidden, roles={lane.facet: lane.roles for lane in lanes},
    )


def of_header(header: Header, first: int, hidden: int) -> Standing:
    """Take the standing from the header of the event's last record."""
    left = frozenset(header.left)
    streams = frozenset(name for name, _, _ in header.streams if not name.startswith("event/"))
    return Standing(
        id=header.streams[0][0].partition("/")[2], first=first, kind=header.kind or "", status=header.status or "",
        when=header.when, about=header.about, sequence=header.sequence, facets=streams - left, hidden=hidden,
    )


def means(query: Query, standing: Standing, members: Members) -> bool:
    """Whether a question means an event that stands so. Words (`q`) are not looked at; roles only where known."""
    shown = (SHOWN, RETRACTED) if query.retracted else (SHOWN,)
    return (
        standing.hidden in shown
        and _in_range(query, standing)
        and all(_under(group, standing, members) for group in query.facets())
        and (not query.kinds or standing.kind in query.kinds)
        and (not query.statuses or standing.status in query.statuses)
        and (not query.roles or standing.roles is None or _has_role(query, standing, members))
    )


def _in_range(query: Query, standing: Standing) -> bool:
    bounds = standing.about if query.on == "about" else standing.when
    if bounds is None:
        return query.undated and query.on == "when"
    if not query.ranged:
        return True
    earliest, latest = -FAR if bounds[0] is None else bounds[0], FAR if bounds[1] is None else bounds[1]
    lower = -FAR if query.lower is None else query.lower
    upper = FAR if query.upper is None else query.upper
    if query.match == "must":
        return lower <= earliest and latest <= upper
    return earliest <= upper and latest >= lower


def _under(group: tuple[str, ...], standing: Standing, members: Members) -> bool:
    return any(not members.get(name, frozenset((name,))).isdisjoint(standing.facets) for name in group)


def _has_role(query: Query, standing: Standing, members: Members) -> bool:
    """One of the actors asked for has one of the roles; where no actor is asked for, anybody has."""
    wanted = [name for actor in query.actors for name in members.get(f"actor/{actor}", (f"actor/{actor}",))]
    roles = standing.roles or {}
    held = [roles.get(name, ()) for name in wanted] if query.actors else list(roles.values())
    return any(role in query.roles for some in held for role in some)


__all__ = ["ERASED", "MERGED", "RETRACTED", "SHOWN", "Members", "Place", "Standing", "means", "of_event", "of_header"]
