"""vis-timeline items and groups (visjs/vis-timeline, "Data Format"; its `convert` read in the source).

* A number, a string of digits or ``/Date(1755286200000)/`` counts milliseconds since 1970. Digits that are also a year
  or a day, "2025" and "20250815", are refused: vis draws them in 1970, and nobody means that.
* A date stays a day, although vis draws it from midnight. An end that is a date is the last day, as it is written.
* A date with a time but no zone vis reads in the reader's zone: it stays local. A time with an end is dated by its
  beginning, the end is noted. Milliseconds are cut.
* `content` and `title` are HTML. The group is an actor, under its `content`. A background is no event.
* Our own writer has one item a lane, ``event@actor``: they become one event again. Its dates are instants; the words
  beside them say which date was meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from timeline.edtf import day, iso, parse, ymd
from timeline.errors import Invalid
from timeline.formats.vis import NOBODY
from timeline.importing.drafts import Draft, Mention, Reading, Unread
from timeline.importing.readers import dates
from timeline.importing.readers.timelinejs import (
    Item,
    Lines,
    checked,
    each,
    one_line,
    place_tz,
    put_title,
    said_in,
    span,
    wrong,
)
from timeline.model import slugify

FRACTION: Final = "fractions of a second"
_MEMBERS: Final = {"/title": "/content", "/summary": "/title", "/when": "/start", "/tz": "/start", "/actors": "/group",
                   "/links": "/content", "/note": "/end"}
_KNOWN: Final = frozenset({"id", "content", "start", "end", "type", "group", "title", "className", "style", "subgroup",
                           "editable", "selectable", "align", "limitSize"})
_STYLE: Final = ("className", "style", "align")
_OURS: Final = re.compile(r"timeline-(occurrence|statement|plan) timeline-([a-z]+)((?: timeline-[a-z-]+)*)")
_ASP: Final = re.compile(r"/?Date\((-?[0-9]{1,16})(?:[+-][0-9]{4})?\)/?", re.IGNORECASE)
_MOMENT: Final = re.compile(
    r"([+-][0-9]{6}|[0-9]{4})(-[0-9]{2}-[0-9]{2})"
    r"(?:[T ]([0-9]{2}:[0-9]{2}(?::[0-9]{2})?)(?:[.,]([0-9]{1,9}))?\s?(Z|[+-][0-9]{2}:?[0-9]{2})?)?", re.IGNORECASE)
_MOST: Final = 8_640_000_000_000_000
_HOURS: Final = (0, 14, -12)
"""Hours to add to an instant in UTC so that every zone's civil day of it is among the results."""


def milliseconds(value: float, reading: Reading) -> str:
    """Give milliseconds since 1970 as an EDTF instant; a fraction of a second is cut and counted.

    Raises:
        Invalid: beyond what a JavaScript date can hold.

    >>> milliseconds(1755286200000, Reading())
    '2025-08-15T19:30:00Z'
    """
    if not -_MOST <= value <= _MOST:
        raise Invalid("too many milliseconds for a date: expected at most 8640000000000000 either side of 1970")
    if value % 1000:
        reading.losses[FRACTION] += 1
    return _instant(int(value // 1000))


def _instant(seconds: int) -> str:
    year = ymd(seconds)[0]
    if abs(year) > 9999:
        raise Invalid(f"the year {year} cannot have a month in EDTF: write the year alone, as in Y{year}")
    return iso(seconds)


def moment(value: object, reading: Reading) -> str:
    """Give the EDTF text of a date as JavaScript programs write it: milliseconds, ISO 8601, or in words.

    Raises:
        Invalid: it is none, or one that can mean two things.

    >>> moment("2025-08-15 11:30:00.000-0800", Reading()), moment("-000043-03-15", Reading())
    ('2025-08-15T11:30:00-08:00', '-0043-03-15')
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Invalid("expected a date: text such as 2025-08-15, or milliseconds since 1970")
    text = str(int(value) if isinstance(value, float) and value.is_integer() else value).strip()
    if isinstance(value, int | float) or re.fullmatch(r"-?[0-9]{1,17}", text):
        if len(text) in (4, 8) and text.isdecimal() and text[0] in "12":
            raise Invalid(f"{text} is a moment of 1970 here, in milliseconds, and looks like a date: write it as in "
                          "2025-08-15, or 2025-01-01 for the beginning of a year")
        return milliseconds(int(text) if isinstance(value, str) else value, reading)
    if asp := _ASP.fullmatch(text):
        return milliseconds(int(asp[1]), reading)
    return _written(text, reading)


def _written(text: str, reading: Reading) -> str:
    match = _MOMENT.fullmatch(text)
    if match is None:
        return dates.read_date(text, reading)
    year, rest, time, fraction, zone = match.groups()
    number = int(year)
    if abs(number) > 9999:
        raise Invalid(f"the year {number} cannot have a month in EDTF: write the year alone, as in Y{number}")
    when = f"{'-' if number < 0 else ''}{abs(number):04}{rest}"
    if time:
        when += f"T{time}{_offset(zone or '')}"
        if fraction and fraction.strip("0"):
            reading.losses[FRACTION] += 1
    return dates.read_date(when, reading)


def _offset(zone: str) -> str:
    if not zone or zone in "Zz":
        return zone.upper()
    return zone if ":" in zone else f"{zone[:3]}:{zone[3:]}"


# ---------------------------------------------------------------------------------------------- items

@dataclass(slots=True)
class _Seen:
    """What was met so far: the drafts of our own events, and every id."""

    groups: dict[str, str]
    own: dict[tuple[str, str], Draft] = field(default_factory=dict)
    ids: set[str] = field(default_factory=set)


def recognises(value: object) -> bool:
    """Say whether a document holds items of vis: objects with `content` and `start`."""
    items = value.get("items") if isinstance(value, dict) else value
    if not isinstance(items, list):
        return False
    if not items:
        return isinstance(value, dict) and isinstance(value.get("groups"), list)
    return any(isinstance(each, dict) and "content" in each and "start" in each for each in items)


def read(document: Any, reading: Reading, lines: Lines) -> Iterator[Draft | Unread]:  # noqa: ANN401 - decoded JSON
    """Read a list of items, or ``{"items": [...], "groups": [...]}``. Items of one event of ours become one draft."""
    inside = isinstance(document, dict)
    seen = _Seen(_groups(document.get("groups")) if inside else {})
    items = document.get("items") if inside else document
    found = each(items, "/items" if inside else "", reading, lines, lambda line, item: _item(line, item, seen))
    yield from list(found)  # a later item may add an actor to an earlier draft


def _groups(groups: object) -> dict[str, str]:
    """Map ids of groups to what is shown for them."""
    if not isinstance(groups, list):
        return {}
    known = [Item(group, "/groups", Reading()) for group in groups if isinstance(group, dict)]
    return {_id(group.values["id"]): _shown(group) for group in known if isinstance(group.values.get("id"), str | int)}


def _id(value: object) -> str:
    return str(value).strip() if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def _shown(group: Item) -> str:
    try:
        return group.line("content")
    except Invalid:
        return ""


def _item(line: int, item: Item, seen: _Seen) -> Draft | None:
    if item.values.get("type") == "background":
        item.reading.skipped["background items"] += 1
        return None
    _refuse_second(item, seen)
    ours = _OURS.fullmatch(item.text("className"))
    lane = _id(item.values.get("group"))
    foreign_id = _id(item.values.get("id"))
    if ours and lane and foreign_id.endswith(f"@{lane}"):
        return _own(line, item, seen, ours)
    draft = Draft(line, {}, foreign_id=foreign_id)
    if not _put_content(draft, item):
        return None
    draft.event |= _when(item)
    place_tz(draft.event, item.reading)
    if name := (seen.groups.get(lane) or one_line(lane)):
        draft.actors.append(Mention(name))
    losses = item.reading.losses
    losses.update(["colours and styles"] if any(item.has(name) for name in _STYLE) else [])
    losses.update(["subgroups"] if item.has("subgroup") else [])
    item.count_others(_KNOWN)
    return checked(draft, item, _MEMBERS)


def _refuse_second(item: Item, seen: _Seen) -> None:
    """Refuse an id that another item has: vis does, too."""
    foreign_id = _id(item.values.get("id"))
    if foreign_id and foreign_id in seen.ids:
        raise item.wrong("id", f"{foreign_id[:100]!r} is the id of an item before it: every item needs its own")
    seen.ids.add(foreign_id)


def _put_content(draft: Draft, item: Item) -> bool:
    content, links = item.markup("content")
    if not content.strip():
        raise item.wrong("content", "it is empty: an item needs a text, which becomes the title")
    draft.links += links
    tooltip, more = item.markup("title")
    if tooltip and one_line(tooltip) != one_line(content):
        draft.event["summary"] = tooltip
        draft.links += more
    return put_title(draft.event, one_line(content), item.reading)


def _when(item: Item) -> dict[str, str]:
    if not item.has("start"):
        raise item.wrong("start", "it is missing: an item needs a date, as in 2025-08-15")
    with item.blaming("start"):
        start = moment(item.values["start"], item.reading)
    if not item.has("end") or item.values.get("type") in ("box", "point"):
        return {"when": start}
    with item.blaming("end"):
        return span(start, moment(item.values["end"], item.reading), item.reading)


# ---------------------------------------------------------------------------------------------- our own

def _own(line: int, item: Item, seen: _Seen, ours: re.Match[str]) -> Draft | None:
    """Read an item of our own writer: one lane of an event. Only the first lane makes a draft."""
    lane = _id(item.values["group"])
    event_id = _id(item.values["id"]).removesuffix(f"@{lane}")
    name = seen.groups.get(lane) or lane
    mention = [] if lane == NOBODY else [Mention(name, id=slugify(lane) if slugify(lane) == lane else "")]
    key = (event_id, repr([item.values.get(each) for each in ("content", "start", "end")]))
    if key in seen.own:
        seen.own[key].actors += checked(Draft(line, {"title": "-"}, actors=mention), item, _MEMBERS).actors
        return None
    draft = Draft(line, {"kind": ours[1]}, foreign_id=event_id, actors=mention)
    if ours[2] != "retracted":
        draft.event["status"] = ours[2]
    content = item.line("content")
    if not content:
        raise item.wrong("content", "it is empty: an item needs a text, which becomes the title")
    if not put_title(draft.event, content, item.reading):
        return None
    draft.event |= _own_when(item, ours[3])
    place_tz(draft.event, item.reading)
    seen.own[key] = checked(draft, item, {**_MEMBERS, "/kind": "/className", "/status": "/className"})
    return draft


def _own_when(item: Item, classes: str) -> dict[str, str]:
    """Find the date whose words stand in the tooltip near the instants; else the instants are the date."""
    if item.values.get("type") == "box" or not item.has("start"):
        return _when(item)
    with item.blaming("start"):
        starts = _days(moment(item.values["start"], Reading()), 0)
    with item.blaming("end"):
        ends = _days(moment(item.values["end"], Reading()), 1) if item.has("end") else starts
    if said := said_in(item.line("title"), starts, ends):
        return {"when": said}
    if "timeline-open" in classes:
        raise item.wrong("title", "it does not say which open date is meant: expected the words that the item was "
                                  "written with")
    return _when(item)


def _days(when: str, before: int) -> list[str]:
    """Give the days, months and years that an instant may begin or end, wherever it was read."""
    seconds = parse(when).earliest
    if seconds is None:
        raise wrong("", "expected an instant")
    found = [day(seconds - before + 3600 * hours) for hours in _HOURS]
    return list(dict.fromkeys([*found, *(text.rpartition("-")[0] for text in found),
                               *(text.rpartition("-")[0].rpartition("-")[0] for text in found)]))


__all__ = ["milliseconds", "moment", "read", "recognises"]
