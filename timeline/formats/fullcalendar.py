"""FullCalendar events ("Event Parsing" and "Event Object" of its manual).

An end is exclusive. A date is a day in every zone, so all-day events have dates and never a time; a time is in UTC, or
floats where nobody knows the zone. Titles are text there. Its page asks us with ``startParam: "from"``,
``endParam: "to"``, ``timeZoneParam: "tz"``.

A calendar has no place for "some time in 2014": an unsure date stands as all the days it may be while those are at most
31, and is left out and counted otherwise. Years have four digits.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from timeline.edtf import day, ymd
from timeline.formats.events import BEYOND, DOUBT, Entry, javascript, read
from timeline.formats.sheet import Sheet, joined

_CARRIED: Final = ("kind", "status", "when", "tz", "summary", "actors", "topics", "place", "retracted", "merged_into")


def write(sheet: Sheet) -> Iterator[bytes]:
    """Write an array of events."""
    yield b"["
    yield from joined(_events(sheet))
    yield b"]"


def _events(sheet: Sheet) -> Iterator[bytes]:
    for body in sheet.bodies:
        entry = read(body)
        days = entry.days()
        if isinstance(days, tuple) and not all(0 < ymd(second)[0] <= 9999 for second in (days[0], days[1] + 1)):
            days = BEYOND
        if isinstance(days, str):
            sheet.losses.left_out[days] += 1
            continue
        if not entry.sure:
            sheet.losses.reduced[DOUBT] += 1
        yield msgspec.json.encode(_event(entry, *days))


def _event(entry: Entry, first: int, last: int) -> dict[str, Any]:
    event = entry.event
    classes = [f"timeline-{event['kind']}", f"timeline-{'retracted' if entry.gone else event['status']}"]
    return {
        "id": entry.id,
        "title": entry.title if entry.sure else f"{entry.title} ({entry.words})",
        **_time(entry, first, last),
        "classNames": classes if entry.sure else [*classes, "timeline-unsure"],
        "extendedProps": {"words": entry.words, **{name: event[name] for name in _CARRIED if name in event}},
    }


def _time(entry: Entry, first: int, last: int) -> dict[str, Any]:
    if not entry.timed:
        return {"allDay": True, "start": day(first), "end": day(last + 1)}
    zoned = entry.tz is not None or (entry.when is not None and entry.when.zoned)
    start = javascript(entry.instants[0] or 0 if zoned else first)
    return {"allDay": False, "start": start if zoned else start.removesuffix("Z")}
