"""Events that name events which come later in the file: put in order, and circles opened.

A chronological export is full of them: a plan of March is answered in May, but what it depends on was recorded after.
The log takes no reference into the void, so an event waits until those it names are in. Where events name each other,
no order helps: each is recorded without what is missing, and completed by a revision that says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final, Protocol, TypeVar

import msgspec

from timeline.model import Event
from timeline.records import AnyChange, EventRecorded, EventRevised, plain

REASON: Final = "completed by the import: it names events that were recorded after it"


class Carrier(Protocol):
    """Whatever carries a change."""

    @property
    def change(self) -> AnyChange:
        """The change."""


Carried = TypeVar("Carried", bound=Carrier)


def references(change: AnyChange) -> set[str]:
    """Give the ids of the events that a newly recorded event names."""
    if not isinstance(change, EventRecorded):
        return set()
    event = change.event
    named = [*(relation.event for relation in event.relations), *event.depends_on]
    if event.anchor is not None and event.anchor.event is not None:
        named.append(event.anchor.event)
    if event.outcome is not None:
        named += event.outcome.evidence
    return set(named)


def ordered(items: Sequence[Carried], exists: Callable[[str], bool]) -> tuple[list[Carried], list[Carried]]:
    """Split items into those that can be recorded now, in an order that works, and those that name what is not there.

    The order of the file is kept wherever it can be. Descriptions come before events; a retraction or revision after
    its event stays after it, as it waits with it. `exists` tells whether an event is in the log.
    """
    first = {id_: number for number, item in reversed(list(enumerate(items))) if (id_ := _recorded(item.change))}
    unknown: set[str] = {name for item in items for name in references(item.change) if name not in first}
    absent = {name for name in unknown if not exists(name)}
    graph = {number: {first[name] for name in _needs(item.change) if name in first and first[name] != number}
             for number, item in enumerate(items)}
    late = _reached(graph, {number for number, item in enumerate(items) if references(item.change) & absent})
    order: list[int] | None = None
    while order is None:
        open_ = {number: needs - late for number, needs in graph.items() if number not in late}
        try:
            order = list(TopologicalSorter(open_).static_order())
        except CycleError as error:
            late = _reached(graph, {*late, *error.args[1]})
    depth: dict[int, int] = {}
    for number in order:
        depth[number] = max([number, *(depth[need] for need in graph[number] if need not in late)])
    rank = {number: place for place, number in enumerate(order)}
    ready = sorted(order, key=lambda number: (depth[number], rank[number]))
    return [items[number] for number in ready], [items[number] for number in sorted(late)]


def opened(change: EventRecorded, missing: Iterable[str]) -> tuple[EventRecorded, EventRevised]:
    """Split an event into its recording without what it names in vain, and the revision that completes it."""
    without, event = frozenset(missing), change.event
    bare = msgspec.structs.replace(
        event, relations=[each for each in event.relations if each.event not in without],
        depends_on=[each for each in event.depends_on if each not in without],
        anchor=None if event.anchor is not None and event.anchor.event in without else event.anchor,
        outcome=event.outcome and msgspec.structs.replace(
            event.outcome, evidence=[each for each in event.outcome.evidence if each not in without]),
    )
    full, less = plain(event), plain(bare)
    patch: dict[str, Any] = {name: value for name, value in full.items() if less.get(name) != value}
    return EventRecorded(event=bare), EventRevised(id=_id(event), patch=patch, reason=REASON)


def _id(event: Event) -> str:
    if event.id is None:
        msg = "an event without an id cannot be named by another one"
        raise ValueError(msg)
    return event.id


def _recorded(change: AnyChange) -> str | None:
    return change.event.id if isinstance(change, EventRecorded) else None


def _needs(change: AnyChange) -> set[str]:
    """Give the events that must be in before a change: those it names, and the one it revises or retracts."""
    own = getattr(change, "id", None)
    return references(change) | ({own} if isinstance(own, str) else set()) | set(getattr(change, "duplicates", ()))


def _reached(graph: dict[int, set[int]], late: set[int]) -> set[int]:
    """Add all that needs what is late."""
    found, fresh = set(late), set(late)
    while fresh:
        fresh = {number for number, needs in graph.items() if number not in found and needs & found}
        found |= fresh
    return found


__all__ = ["REASON", "opened", "ordered", "references"]
