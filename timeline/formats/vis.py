"""vis-timeline: items and groups (visjs/vis-timeline, read in its declarations and tried, 8.5.4).

What it does with what it gets, and what is done about it here:

* A date without a time is midnight of the reader, a string of digits is milliseconds: every date is an instant with Z
  and, beyond the years 0 to 9999, an expanded year. Which zone the axis has, the page decides (`moment`).
* An item of no known group is not drawn and nothing is said: every group an item names is there.
* `content` and `title` are HTML: they get escaped text.
* One item has one group: an event stands once in the lane of each of its actors, as item ``event@actor``.
* There is no doubt: unsure items have the class ``timeline-unsure`` and say so in words. Ends are exclusive.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from timeline.formats.events import BEYOND, DOUBT, NO_BEGINNING, NO_END, Entry, fits_javascript, javascript, read
from timeline.formats.markup import text
from timeline.formats.sheet import Sheet, joined

NOBODY: Final = "_nobody"
"""The lane of events without actors; no slug begins like that."""


def write(sheet: Sheet) -> Iterator[bytes]:
    """Write ``{"items": [...], "groups": [...]}``: what two DataSets take."""
    lanes: dict[str, str] = {}
    yield b'{"items":['
    yield from joined(_items(sheet, lanes))
    groups = [{"id": lane, "content": text(name), "order": order} for order, (lane, name) in enumerate(lanes.items())]
    yield b'],"groups":' + msgspec.json.encode(groups) + b"}"


def _items(sheet: Sheet, lanes: dict[str, str]) -> Iterator[bytes]:
    for body in sheet.bodies:
        entry = read(body)
        first, last = entry.instants
        reason = entry.missing() or (
            None if fits_javascript(*(bound for bound in (first, last) if bound is not None)) else BEYOND)
        if reason is not None:
            sheet.losses.left_out[reason] += 1
            continue
        shape = _shape(entry, sheet)
        for actor in entry.actors or [NOBODY]:
            if actor not in lanes:
                lanes[actor] = "–" if actor == NOBODY else sheet.name(actor)
            yield msgspec.json.encode({"id": f"{entry.id}@{actor}", "group": actor, **shape})


def _shape(entry: Entry, sheet: Sheet) -> dict[str, Any]:
    first, last = entry.instants
    classes = [f"timeline-{entry.event['kind']}", f"timeline-{'retracted' if entry.gone else entry.event['status']}"]
    shape: dict[str, Any] = {"content": text(entry.title), "title": text(entry.words)}
    if first is None or last is None:
        sheet.losses.reduced[NO_BEGINNING if first is None else NO_END] += 1
        classes.append("timeline-open-beginning" if first is None else "timeline-open-end")
        known = last if first is None else first
        shape |= {"type": "point", "start": javascript(known or 0)}
    elif entry.timed:
        shape |= {"type": "box", "start": javascript(first)}
    else:
        shape |= {"type": "range", "start": javascript(first), "end": javascript(last + 1)}
        if not entry.sure:
            sheet.losses.reduced[DOUBT] += 1
            classes.append("timeline-unsure")
    return {**shape, "className": " ".join(classes)}
