"""Deciding on an erasure: what it is about, which records lose which part, and what may not be erased.

An erasure takes content away for a lawful reason and leaves the fact that something was there: the headers, and a
record that says what went, why, and by whom. It is about a thing as a whole, through all its revisions: what one
revision let go another would still show. Events that were merged into one go with it, because its records rest on
theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from timeline.errors import Conflict, Fault, Invalid, NotFound
from timeline.log import ERASURE, Header
from timeline.log.erasing import covered
from timeline.parts import BODY, QUOTES, TEXT, split
from timeline.records import PartErased

PARTS: Final = {"event": (BODY, QUOTES), "source": (BODY, TEXT), "actor": (BODY,)}
"""What can be erased of each type of thing. The body of an event takes its quotes along."""


class Own(Protocol):
    """What the log holds about a thing, uncommitted records left out."""

    def own_records(self, type_: str, id_: str) -> Sequence[tuple[Header, frozenset[str]]]:
        """Headers of the records about a thing, oldest first, each with the parts that are still there."""

    def body(self, position: int) -> bytes:
        """The body of a record that still has it."""


def merged_events(event_id: str, own: Own) -> list[str]:
    """Give the events that were merged into one, and into those; `Conflict` where it was merged itself."""
    found: list[str] = []
    waiting = [event_id]
    while waiting:
        name = waiting.pop()
        for header, _ in own.own_records("event", name):
            if header.type == "events.merged":
                subject = header.streams[0][0][6:]
                if subject != name and name == event_id:
                    raise Conflict(f"event {event_id} was merged into {subject}, which says what it said: erase "
                                   f"{subject}, and {event_id} goes with it", id=subject)
                if subject == name:
                    waiting += [stream[6:] for stream, _, _ in header.streams[1:] if stream.startswith("event/")]
        if name != event_id:
            found.append(name)
    return found


def positions(change: PartErased, things: Sequence[str], own: Own) -> list[int]:
    """Give the positions of the records that lose the part.

    Raises:
        NotFound: there is no such thing.
        Invalid: it has no such part, and never had.
        Conflict: some of its quotes stand in a body, where they cannot be erased alone.

    """
    if change.part not in PARTS[change.of]:
        expected = " or ".join(PARTS[change.of])
        raise Invalid(f"/part: expected {expected} for {_an(change.of)}, got {change.part}",
                      faults=(Fault("/part", f"expected {expected}"),))
    records = [
        (header, there)
        for thing in things
        for header, there in own.own_records(change.of, thing)
        if header.streams[0][0] == f"{change.of}/{thing}" and header.type != ERASURE
    ]
    if not records:
        raise NotFound(f"there is no {change.of} {change.id}")
    if change.part == QUOTES:
        _refuse_unsplit(change.id, records, own)
    if not any(covered(change.part, [name for name, _ in header.parts]) for header, _ in records):
        raise Invalid(f"/part: {change.of} {change.id} never had a part {change.part}",
                      faults=(Fault("/part", f"there are no {change.part} to erase"),))
    return sorted(header.position for header, there in records if covered(change.part, there))


def _refuse_unsplit(event_id: str, records: Sequence[tuple[Header, frozenset[str]]], own: Own) -> None:
    """Refuse to erase quotes while others stay behind: what was recorded in format 1 has them in its body."""
    unsplit = [
        str(header.position) for header, there in records
        if BODY in there and QUOTES not in (name for name, _ in header.parts)
        and len(split(own.body(header.position))) > 1
    ]
    if unsplit:
        raise Conflict(f"event {event_id} was recorded at position {', '.join(unsplit)} before quotes were kept apart "
                       "from the body: its quotes go with the body only", id=event_id)


def _an(type_: str) -> str:
    return f"{'an' if type_[0] in 'ae' else 'a'} {type_}"


__all__ = ["PARTS", "Own", "merged_events", "positions"]
