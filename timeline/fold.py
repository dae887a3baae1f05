"""What records mean: how an event changes, and in which lanes it stands. Pure functions, used by decision and view.

A *facet* is anything an event can be found by exactly: ``actor/donald-trump``, ``topic/us-troops``, ``place/alaska``,
``source/...``, ``related/alaska-summit`` (it answers that event). The record's streams and the view's lanes have the
same names, so that what a query filters on is what the log can one day prove complete.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import msgspec

from timeline.model import Event
from timeline.records import convert, merge, plain

ABOUT: Final = "about"
"""The lane of everything that speaks of a date, placed at that date rather than when it was said."""

REPRESENTED: Final = "represented"
"""The role of somebody on whose behalf another actor takes part."""

Bounds = tuple[int | None, int | None]


class Lane(NamedTuple):
    """One facet an event stands under, with the roles it has there (actors) and its own bounds (`about`)."""

    facet: str
    roles: tuple[str, ...] = ()


def happened(event: Event) -> Bounds | None:
    """Bounds of `when` in the event's own zone, in seconds; None for what is not dated."""
    return event.when.bounds(event.tz) if event.when is not None else None


def spoken_of(event: Event) -> Bounds | None:
    """Bounds of `about` in the event's own zone."""
    return event.about.bounds(event.tz) if event.about is not None else None


def lanes(event: Event) -> list[Lane]:
    """Every facet of an event, once each, sorted by name.

    An actor's lane is every event that names the actor: as a participant or as the one a participant acts for.
    """
    roles: dict[str, list[str]] = {}
    for part in event.actors:
        roles.setdefault(part.id, []).append(part.role)
        if part.on_behalf_of is not None:
            roles.setdefault(part.on_behalf_of, []).append(REPRESENTED)
    found = [Lane(f"actor/{actor}", tuple(dict.fromkeys(names))) for actor, names in roles.items()]
    return sorted([*found, *map(Lane, _other_facets(event))])


def facets(event: Event) -> set[str]:
    """Names of `lanes`, without the roles: this is asked of every record."""
    names = _other_facets(event)
    for part in event.actors:
        names.add(f"actor/{part.id}")
        if part.on_behalf_of is not None:
            names.add(f"actor/{part.on_behalf_of}")
    return names


def _other_facets(event: Event) -> set[str]:
    names = {f"topic/{topic}" for topic in event.topics}
    for stance in event.stances:
        names.add(f"topic/{stance.topic}")
    for citation in event.citations:
        names.add(f"source/{citation.source}")
    for relation in event.relations:
        names.add(f"related/{relation.event}")
    if event.place is not None:
        names.add(f"place/{event.place.slug}")
    return names


def streams(event_id: str, *versions: Event) -> tuple[str, ...]:
    """Streams a record about this event belongs to: its own first, then each facet it has or had."""
    return (f"event/{event_id}", *sorted(set().union(*map(facets, versions))))


def revise(event: Event, patch: dict[str, Any]) -> Event:
    """Apply a merge patch; `Invalid` with a pointer where the result is no event."""
    return convert(merge(plain(event), patch), Event)


def absorb(kept: Event, duplicates: Iterable[Event]) -> Event:
    """Fold duplicates into the event that is kept: it gains their actors, sources, topics, stances and relations.

    What the kept event says of itself (title, date, status) stands: a merge joins records, it does not settle disputes.
    """
    others = list(duplicates)
    gone = {kept.id, *(other.id for other in others)}

    def joined(name: str) -> list[Any]:
        everything = [item for version in (kept, *others) for item in getattr(version, name)]
        return [item for number, item in enumerate(everything) if item not in everything[:number]]

    return msgspec.structs.replace(
        kept,
        actors=joined("actors"),
        topics=joined("topics"),
        stances=joined("stances"),
        media=joined("media"),
        citations=joined("citations"),
        relations=[relation for relation in joined("relations") if relation.event not in gone],
    )
