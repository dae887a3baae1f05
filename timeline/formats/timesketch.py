"""Timesketch JSONL (google/timesketch, "Import from JSON or CSV"): one row for each moment that is known of an event.

A row has `message`, `datetime` with its offset, and `timestamp_desc`, which says why this time stands there: "event
earliest" and "event latest" are the bounds of the date, "recorded" is when this log took it in. So a day has two rows
and never a midnight that nobody spoke of. Rows of years before 1700 or after 9999 are dropped by Timesketch with one
line in its log: they are left out here, and counted. No field is longer than its index takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from timeline.edtf import iso, ymd
from timeline.formats.events import Entry, read
from timeline.formats.sheet import Sheet

KEYWORD: Final = 32_766
"""Bytes of text that OpenSearch indexes as one keyword; it refuses the row beyond."""

DROPPED: Final = "a bound before 1700 or after 9999: no row for it"
CUT: Final = "a text longer than 32,766 bytes is cut"
UNDATED: Final = "no date: only the row that says when it was recorded"


def write(sheet: Sheet) -> Iterator[bytes]:
    """Write one row a line."""
    for body in sheet.bodies:
        entry = read(body)
        common = _common(entry, sheet)
        for reason, holds in ((UNDATED, entry.when is None), (DROPPED, _drops(entry))):
            sheet.losses.reduced.update([reason] if holds else [])
        for moment, description in _moments(entry):
            row = {"message": entry.title, "datetime": moment, "timestamp_desc": description, **common}
            yield msgspec.json.encode(row) + b"\n"


def _drops(entry: Entry) -> bool:
    return any(bound is not None and not _taken(bound) for bound in entry.instants)


def _taken(second: int) -> bool:
    return 1700 <= ymd(second)[0] <= 9999


def _moments(entry: Entry) -> Iterator[tuple[str, str]]:
    for bound, description in zip(entry.instants, ("event earliest", "event latest"), strict=True):
        if bound is not None and _taken(bound):
            yield iso(bound).replace("Z", "+00:00"), description
    yield entry.event["revision"]["recorded_at"].replace("Z", "+00:00"), "recorded"


def _common(entry: Entry, sheet: Sheet) -> dict[str, Any]:
    event = entry.event
    quotes = [citation["exact"] for citation in event.get("citations", ()) if "exact" in citation]
    found = {
        "event_id": entry.id, "edtf": event.get("when"), "tz": entry.tz, "kind": event["kind"],
        "status": event["status"], "summary": entry.summary, "actors": ", ".join(entry.actors),
        "sources": ", ".join(entry.sources), "quote": " / ".join(quotes), "place": event.get("place", {}).get("name"),
        "log_seq": event["revision"]["position"],
        "tag": [*event.get("topics", ()), *(["retracted"] if entry.gone else [])],
    }
    return {name: _short(value, sheet) for name, value in found.items() if value}


def _short(value: object, sheet: Sheet) -> object:
    if not isinstance(value, str) or len(value.encode()) <= KEYWORD:
        return value
    sheet.losses.reduced[CUT] += 1
    return value.encode()[:KEYWORD].decode(errors="ignore")
