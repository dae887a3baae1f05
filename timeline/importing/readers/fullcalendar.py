"""FullCalendar events (its manual, "Event Object" and "Event Parsing").

* An end is exclusive: an all-day event that ends on the 16th lasts to the 15th. An event without a time is all day.
* A time keeps its offset; without one it is local. An event with an end is dated by its beginning, the end is noted.
* A resource is an actor, under its title where the document has `resources`. A background event is no event.
* Recurring events (`rrule`, `daysOfWeek`, `startRecur`) are refused: they are rules, not events.
* What our own writer put into `extendedProps` is read whole: the date as EDTF, status, kind, topics, place, actors.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from timeline.edtf import day, parse
from timeline.edtf.axis import DAY
from timeline.importing.drafts import Draft, Mention, Reading, Unread
from timeline.importing.readers import html
from timeline.importing.readers.timelinejs import (
    RETRACTED,
    Item,
    Lines,
    add_link,
    checked,
    each,
    one_line,
    participants,
    place_tz,
    put_title,
    span,
    unmarked,
)
from timeline.importing.readers.vis import moment

_MEMBERS: Final = {"/when": "/start", "/tz": "/start", "/summary": "/extendedProps/description", "/links": "/url",
                   "/place": "/extendedProps/location", "/actors": "/resourceId", "/note": "/end"}
_OUR_MEMBERS: Final = {"/title": "/title", "/links": "/url", "": "/extendedProps"}
_KNOWN: Final = frozenset({
    "id", "title", "start", "end", "allDay", "url", "resourceId", "resourceIds", "extendedProps", "display", "groupId",
    "classNames", "className", "color", "backgroundColor", "borderColor", "textColor", "contrastColor", "description",
    "location", "editable", "startEditable", "durationEditable", "resourceEditable", "overlap", "constraint",
    "interactive", "source", "rendering",
})
_STYLE: Final = ("classNames", "className", "color", "backgroundColor", "borderColor", "textColor")
_RECURRING: Final = ("rrule", "daysOfWeek", "startRecur", "endRecur", "startTime", "endTime", "rdate")
_CARRIED: Final = ("kind", "status", "when", "tz", "summary", "topics", "place")


def recognises(value: object) -> bool:
    """Say whether a document holds events of FullCalendar: objects with a `start`, or a rule, and no date of ours."""
    events = value.get("events") if isinstance(value, dict) else value
    if not isinstance(events, list):
        return False
    return any(isinstance(each, dict) and "content" not in each and "when" not in each and "start_date" not in each
               and ("start" in each or any(name in each for name in _RECURRING)) for each in events)


def read(document: Any, reading: Reading, lines: Lines) -> Iterator[Draft | Unread]:  # noqa: ANN401 - decoded JSON
    """Read a list of events, or ``{"events": [...]}``, where `resources` may name the resources."""
    inside = isinstance(document, dict)
    names = _resources(document.get("resources")) if inside else {}
    events = document.get("events") if inside else document
    yield from each(events, "/events" if inside else "", reading, lines, lambda line, item: _event(line, item, names))


def _resources(resources: object) -> dict[str, str]:
    if not isinstance(resources, list):
        return {}
    return {str(each["id"]): one_line(each["title"]) for each in resources
            if isinstance(each, dict) and isinstance(each.get("id"), str | int) and isinstance(each.get("title"), str)}


def _event(line: int, item: Item, names: dict[str, str]) -> Draft | None:
    if item.values.get("display", item.values.get("rendering")) in ("background", "inverse-background"):
        item.reading.skipped["background events"] += 1
        return None
    rule = next((name for name in _RECURRING if item.has(name)), None)
    if rule is not None:
        raise item.wrong(rule, "recurring events are not read: write each of them as an event with a start")
    draft = Draft(line, {}, foreign_id=item.text("id"))
    add_link(draft, item.text("url"), "", item.reading)
    extended = item.below("extendedProps")
    if extended is not None and isinstance(extended.values.get("words"), str) and "status" in extended.values:
        return _own(draft, item, extended)
    if not _put_title(draft, item):
        return None
    draft.event |= _when(item)
    place_tz(draft.event, item.reading)
    _put_texts(draft, item, extended)
    draft.actors += [Mention(names.get(each) or one_line(each)) for each in _resource_ids(item) if each.strip()]
    _count(item)
    return checked(draft, item, _MEMBERS)


def _put_title(draft: Draft, item: Item) -> bool:
    title = one_line(item.text("title"))
    if not title:
        raise item.wrong("title", "it is missing or empty: an event needs one")
    return put_title(draft.event, title, item.reading)


def _put_texts(draft: Draft, item: Item, extended: Item | None) -> None:
    """Read the description and the location, which have no place of their own in FullCalendar but are customary."""
    for holder in filter(None, (item, extended)):
        if holder.has("description"):
            summary, links = html.plain(holder.text("description"))
            draft.event["summary"] = summary
            draft.links += links
        if holder.has("location"):
            draft.event["place"] = {"name": one_line(holder.text("location"))}
    if extended is not None:
        extended.count_others(frozenset({"description", "location"}))


def _resource_ids(item: Item) -> list[str]:
    several = item.values.get("resourceIds")
    if several is not None and not (isinstance(several, list) and all(isinstance(each, str | int) for each in several)):
        raise item.wrong("resourceIds", 'expected a list of ids, such as ["a", "b"]')
    return list(dict.fromkeys([item.text("resourceId"), *map(str, several or ())]))


def _count(item: Item) -> None:
    losses = item.reading.losses
    losses.update(["colours and styles"] if any(item.has(name) for name in _STYLE) else [])
    losses.update(["groupId: which events move together"] if item.has("groupId") else [])
    item.count_others(_KNOWN)


# ---------------------------------------------------------------------------------------------- dates

def _when(item: Item) -> dict[str, str]:
    if not item.has("start"):
        raise item.wrong("start", "it is missing: an event needs a date, as in 2025-08-15")
    start = _moment(item, "start")
    end = _moment(item, "end") if item.has("end") else ""
    all_day = item.values["allDay"] if item.has("allDay") else parse(start).kind != "datetime"
    if not isinstance(all_day, bool):
        raise item.wrong("allDay", "expected true or false")
    if not all_day:
        with item.blaming("end"):
            return span(start, end or start, item.reading)
    return {"when": _days(item, start.partition("T")[0], end.partition("T")[0])}


def _moment(item: Item, name: str) -> str:
    with item.blaming(name):
        return moment(item.values[name], item.reading)


def _days(item: Item, start: str, end: str) -> str:
    """Give the days of an all-day event; an end that is its start means that day, as in FullCalendar."""
    first = parse(start)
    if not end or end == start:
        return start
    exclusive = parse(end).earliest
    if first.precision != "day" or parse(end).precision != "day" or first.earliest is None or exclusive is None:
        raise item.wrong("end", f"{start} to {end} are no days: write both as in 2025-08-15")
    if exclusive < first.earliest:
        raise item.wrong("end", f"{end} is before the start, {start}: expected the day after the last one")
    last = day(exclusive - DAY)
    return start if last == start else str(parse(f"{start}/{last}"))


# ---------------------------------------------------------------------------------------------- our own

def _own(draft: Draft, item: Item, extended: Item) -> Draft | None:
    """Read an event of our own writer, whose fields are in `extendedProps`."""
    props = extended.values
    if "retracted" in props or "merged_into" in props:
        item.reading.skipped[RETRACTED] += 1
        return None
    title = one_line(item.text("title")).removesuffix(f" ({extended.text('words')})")
    if not title:
        raise item.wrong("title", "it is missing or empty: an event needs one")
    bare, mark = unmarked(title)
    draft.event["title"] = bare if mark == props["status"] else title
    draft.event |= {name: props[name] for name in _CARRIED if name in props}
    place_tz(draft.event, item.reading)
    draft.actors += participants(extended)
    return checked(draft, item, _OUR_MEMBERS)


__all__ = ["read", "recognises"]
