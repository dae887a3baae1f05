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
    roles: dict[str, tuple[str, ...]] = dict.fromkeys(_other_facets(event), ())
    for part in event.actors:
        _add(roles, f"actor/{part.id}", part.role)
        if part.on_behalf_of is not None:
            _add(roles, f"actor/{part.on_behalf_of}", REPRESENTED)
    return list(map(Lane._make, sorted(roles.items())))


def _add(roles: dict[str, tuple[str, ...]], facet: str, role: str) -> None:
    """Note a role once, in the order in which roles are named."""
    known = roles.get(facet, ())
    if role not in known:
        roles[facet] = (*known, role)


def facets(event: Event) -> set[str]:
    """Names of `lanes`, without the roles: this is asked of every record."""
    names = _other_facets(event)
    for part in event.actors:
        names.add(f"actor/{part.id}")
        if part.on_behalf_of is not None:
            names.add(f"actor/{part.on_behalf_of}")
    return names


def _other_facets(event: Event) -> set[str]:
    names = {f"source/{citation.source}" for citation in event.citations}
    if event.place is not None:
        names.add(f"place/{event.place.slug}")
    if event.topics or event.stances:
        names.update(f"topic/{topic}" for topic in event.topics)
        names.update(f"topic/{stance.topic}" for stance in event.stances)
    if event.relations:
        names.update(f"related/{relation.event}" for relation in event.relations)
    return names


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
