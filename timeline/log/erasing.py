"""What a record of type `part.erased` declares, and so makes lawful: pure functions for log, verification and views.

Erasing a body takes the other parts of the record along: what is left of it would say what the body said.
"""

from __future__ import annotations

from collections.abc import Iterable

from timeline.errors import Invalid, TimelineError
from timeline.log import BODY, ERASURE, Header, Record
from timeline.records import PartErased, restore


def declaration(record: Record) -> PartErased:
    """Read what an erasure declares; `Invalid` where its own body cannot be read."""
    header = record.header
    try:
        found = restore(header.type, header.v, record.part())
    except (KeyError, TimelineError):
        found = None
    if not isinstance(found, PartErased):
        raise Invalid(f"the record at position {record.position} declares an erasure that cannot be read")
    return found


def covered(part: str, names: Iterable[str]) -> list[str]:
    """Give those of a record's parts that go when `part` is erased.

    >>> covered("body", ["body", "quotes"]), covered("quotes", ["body", "quotes"]), covered("quotes", ["body"])
    (['body', 'quotes'], ['quotes'], [])
    """
    return [name for name in names if part in (name, BODY)]


def targets(erasure: Header) -> frozenset[str]:
    """Give the streams of the things an erasure is about: its subject, and the events merged into that."""
    streams = [stream for stream, _, _ in erasure.streams]
    return frozenset(stream for stream in streams if stream == streams[0] or stream.startswith("event/"))


def check_target(erasure: Header, change: PartErased, header: Header) -> list[str]:
    """Give the parts of a record that an erasure declares erased; `Invalid` where it has none, or is not its to erase.

    An erasure is never erased: nobody could tell any more whether what is missing was lost or taken away.
    """
    names = covered(change.part, [name for name, _ in header.parts])
    if header.position >= erasure.position or header.streams[0][0] not in targets(erasure) or header.type == ERASURE:
        raise Invalid(f"the record at position {header.position} is not one that the erasure at position "
                      f"{erasure.position} may speak of")
    if not names:
        raise Invalid(f"the record at position {header.position} never had a part {change.part}")
    return names


__all__ = ["check_target", "covered", "declaration", "targets"]
