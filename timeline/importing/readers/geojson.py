"""GeoJSON (RFC 7946): features that are events, with a point where they happened.

The format says where, and leaves to each file how it says what and when. So the usual names are tried, in this order:

* title: `title`, `name`, `headline`; summary: `description`, `summary`;
* date: `when`, `date`, `datetime`, `start` with `end`, `timestamp`, `times` ([first, last]);
* place: `place`, `name`, else the coordinates. An address: `url`, `link`.

A whole number of four digits is a year there; of nine or more, a time since 1970, in milliseconds from 100,000,000,000
on (1973), else in seconds. Other numbers are refused. A feature without a date is an event without one.

Only points are places here; coordinates are WGS 84 (section 4), and those of another system (`crs`, withdrawn with
RFC 7946) are not taken. Features of our own writer are read whole, but for citations: their sources are not there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from timeline.errors import Invalid
from timeline.importing.drafts import Draft, Reading, Unread
from timeline.importing.readers import html
from timeline.importing.readers.timelinejs import (
    RETRACTED,
    Item,
    Lines,
    add_link,
    checked,
    each,
    kind_of,
    participants,
    place_tz,
    span,
    wrong,
)
from timeline.importing.readers.vis import milliseconds, moment
from timeline.model import Event
from timeline.parts import BODY
from timeline.views.projector import EXTRAS

_TITLES: Final = ("title", "name", "headline")
_SUMMARIES: Final = ("description", "summary")
_DATES: Final = ("when", "date", "datetime", "start", "timestamp", "times")
_LINKS: Final = ("url", "link")
_KNOWN: Final = frozenset({*_TITLES, *_SUMMARIES, *_DATES, *_LINKS, "end", "id", "place"})
_GEOMETRIES: Final = frozenset({"MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon",
                                "GeometryCollection"})
_OURS: Final = frozenset(Event.__struct_fields__) - {"id", "actors", "citations"}
_WGS84: Final = ("CRS84", "4326")


def recognises(value: object) -> bool:
    """Say whether a document is a FeatureCollection or a Feature (sections 3.2 and 3.3)."""
    if not isinstance(value, dict):
        return False
    if value.get("type") == "FeatureCollection":
        return isinstance(value.get("features"), list)
    return value.get("type") == "Feature" and "properties" in value


def read(document: Any, reading: Reading, lines: Lines) -> Iterator[Draft | Unread]:  # noqa: ANN401 - decoded JSON
    """Read the features of a collection, or a single one."""
    if not isinstance(document, dict):
        yield Unread(1, wrong("", f"expected a FeatureCollection or a Feature, got {kind_of(document)}"))
        return
    elsewhere = "crs" in document and not any(name in str(document["crs"]) for name in _WGS84)
    if document.get("type") == "FeatureCollection" or "features" in document:
        yield from each(document.get("features"), "/features", reading, lines,
                        lambda line, item: _feature(line, item, elsewhere=elsewhere))
        return
    yield from each([document], "", reading, lines, lambda line, item: _feature(
        line, Item(item.values, "", item.reading), elsewhere=elsewhere))


def _feature(line: int, item: Item, *, elsewhere: bool) -> Draft | None:
    properties = item.below("properties") or Item({}, f"{item.pointer}/properties", item.reading)
    draft = Draft(line, {}, foreign_id=item.text("id") or properties.text("id"))
    if isinstance(properties.values.get("revision"), dict) and "recorded_at" in properties.values:
        return _own(draft, item, properties)
    _put_texts(draft, properties)
    draft.event |= _when(properties)
    place_tz(draft.event, item.reading)
    place = _place(item, properties, elsewhere=elsewhere)
    if place:
        draft.event["place"] = place
    properties.count_others(_KNOWN)
    return checked(draft, item, _members(properties))


def _members(properties: Item) -> dict[str, str]:
    """Say which members the fields of this feature are from."""
    found = {"/title": _first(properties, _TITLES), "/summary": _first(properties, _SUMMARIES),
             "/when": _first(properties, _DATES), "/tz": _first(properties, _DATES),
             "/links": _first(properties, _LINKS), "/note": "end",
             "/place/name": "place" if properties.has("place") else "name"}
    members = {field: f"/properties/{name}" for field, name in found.items() if name}
    return {**members, "/place": "/geometry/coordinates"}


def _first(properties: Item, names: tuple[str, ...]) -> str:
    return next((name for name in names if properties.has(name)), "")


def _put_texts(draft: Draft, properties: Item) -> None:
    name = _first(properties, _TITLES)
    title = properties.line(name) if name else ""
    if not title:
        raise properties.wrong(name or "title", "there is no title: expected one of title, name or headline")
    draft.event["title"] = title
    if name := _first(properties, _SUMMARIES):
        summary, links = html.plain(properties.text(name))
        draft.event |= {"summary": summary} if summary else {}
        draft.links += links
    if name := _first(properties, _LINKS):
        add_link(draft, properties.text(name), "", properties.reading)


# ---------------------------------------------------------------------------------------------- dates

def _when(properties: Item) -> dict[str, str]:
    name = _first(properties, _DATES)
    if not name:
        if properties.has("end"):
            raise properties.wrong("end", "there is an end and no start: write the start too, or the date as EDTF")
        return {}
    if name == "times":
        return _times(properties)
    with properties.blaming(name):
        start = _date(properties.values[name], properties.reading)
    if name != "start" or not properties.has("end"):
        return {"when": start}
    with properties.blaming("end"):
        return span(start, _date(properties.values["end"], properties.reading), properties.reading)


def _times(properties: Item) -> dict[str, str]:
    times = properties.values["times"]
    if not isinstance(times, list) or not times:
        raise properties.wrong("times", f"expected a list of a first and a last date, got {kind_of(times)}")
    if len(times) > 2:
        properties.reading.losses["times between the first and the last"] += 1
    with properties.blaming("times"):
        first, last = (_date(times[index], properties.reading) for index in (0, -1))
        return span(first, last, properties.reading)


def _date(value: object, reading: Reading) -> str:
    """Give the EDTF text of a date in a property: text, a year, or a time since 1970.

    >>> [_date(value, Reading()) for value in (1969, 1755286200, 1755286200000, "15 August 2025")]
    ['1969', '2025-08-15T19:30:00Z', '2025-08-15T19:30:00Z', '2025-08-15']
    """
    text = str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
    digits = text.strip().removesuffix(".0")
    if digits.isascii() and digits.isdigit() and len(digits) != 8:
        if len(digits) == 4:
            return digits
        if 9 <= len(digits) <= 15:
            number = int(digits)
            return milliseconds(number if number >= 10**11 else number * 1000, reading)
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise Invalid(f"{text[:40]} is no date: expected text such as 2025-08-15, a year of four digits, or "
                      "milliseconds since 1970")
    return moment(value, reading)


# ---------------------------------------------------------------------------------------------- places

def _place(item: Item, properties: Item, *, elsewhere: bool) -> dict[str, Any]:
    given = properties.values.get("place")
    if isinstance(given, dict):
        named = properties.below("place")
        name = named.line("name") if named else ""
    else:
        name = properties.line("place")
    point = _point(item)
    if point and elsewhere:
        item.reading.losses["coordinates of another system than WGS 84"] += 1
        point = {}
    if not point:
        return {"name": name} if name else {}
    return {"name": name or properties.line("name") or f"{point['lat']}, {point['lon']}", **point}


def _point(item: Item) -> dict[str, float]:
    """Give latitude and longitude of a Point: its position is longitude, latitude, altitude (section 3.1.1)."""
    geometry = item.below("geometry")
    if geometry is None:
        return {}
    kind = geometry.values.get("type")
    if isinstance(kind, str) and kind in _GEOMETRIES:
        item.reading.losses["geometries other than points"] += 1
        return {}
    if kind != "Point":
        raise geometry.wrong("type", f"expected Point or another geometry of RFC 7946, got {str(kind)[:40]!r}")
    position = geometry.values.get("coordinates")
    if position == []:  # section 3.1: like a null geometry
        return {}
    if not isinstance(position, list) or len(position) < 2 or not all(
            isinstance(number, int | float) and not isinstance(number, bool) for number in position):
        raise geometry.wrong("coordinates", "expected [longitude, latitude] in degrees, such as [-149.8, 61.2]")
    if abs(position[0]) > 180 or abs(position[1]) > 90:
        raise geometry.wrong("coordinates", f"{str(position[:2])[:60]} is on no globe: "
                                            "expected [longitude, latitude] in degrees, such as [-149.8, 61.2]")
    if len(position) > 2:
        item.reading.losses["altitudes"] += 1
    return {"lat": round(position[1], 7), "lon": round(position[0], 7)}


# ---------------------------------------------------------------------------------------------- our own

def _own(draft: Draft, item: Item, properties: Item) -> Draft | None:
    """Read a feature of our own writer: its properties are the event, as answers show it."""
    values = properties.values
    if "retracted" in values or "merged_into" in values or _is_erased(values):
        item.reading.skipped[RETRACTED] += 1
        return None
    draft.event |= {name: value for name, value in values.items() if name in _OURS}
    draft.actors += participants(properties)
    if values.get("citations"):
        item.reading.losses["citations: their sources are not in the file"] += 1
    properties.count_others(_OURS | frozenset(EXTRAS) | {"id", "actors", "citations"})
    place_tz(draft.event, item.reading)
    return checked(draft, item, {"": "/properties"})


def _is_erased(values: Mapping[str, Any]) -> bool:
    erased = values.get("erased")
    parts = erased.get("parts") if isinstance(erased, dict) else None
    return isinstance(parts, list) and BODY in parts


__all__ = ["read", "recognises"]
