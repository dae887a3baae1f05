"""iCalendar (RFC 5545, RFC 7986), written through the `icalendar` package: it escapes text and folds lines.

* An all-day event has dates, and its DTEND is the day after the last one (RFC 5545 3.6.1). There is no midnight.
* An unsure date stands as all the days it may be while those are at most 31: STATUS:TENTATIVE, the words before the
  summary, and the EDTF text in X-TIMELINE-EDTF. Longer ones, open ones and those without a date are left out, and
  counted in X-TIMELINE-OMITTED.
* A time has a TZID only where the event has a zone; with an offset alone it is in UTC, and without either it floats
  (3.3.5, form 1). A time is an instant: no DTEND.
* A correction keeps the UID and raises SEQUENCE (3.8.7.4). A retraction stays, as STATUS:CANCELLED; ask with
  ``retracted=include`` so that calendars hear of it.
* Where the server was told its public address, a calendar says where it can be refreshed from (SOURCE, RFC 7986 5.8),
  and each event where its page is (URL).
* Actors are categories and never attendees: those would be sent invitations. Nobody is busy (TRANSP:TRANSPARENT).

A calendar says at its head what it left out, so it is made whole before it is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any, Final

from icalendar import Calendar, Event

from timeline.edtf import ymd
from timeline.edtf.axis import DAY
from timeline.edtf.zones import zone_named
from timeline.formats.events import BEYOND, DOUBT, Entry, read
from timeline.formats.sheet import Sheet

REFRESH: Final = timedelta(hours=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ZONES_FROM: Final = date(1970, 1, 1)
_ZONES_TO: Final = date(2038, 1, 1)


def write(sheet: Sheet) -> Iterator[bytes]:
    """Write a calendar."""
    calendar = Calendar()
    calendar.add("PRODID", "-//Timeline//Timeline//EN")
    calendar.add("VERSION", "2.0")
    calendar.add("NAME", f"Timeline {sheet.origin}")
    calendar.add("X-WR-CALNAME", f"Timeline {sheet.origin}")
    calendar.add("REFRESH-INTERVAL", REFRESH, parameters={"VALUE": "DURATION"})
    if sheet.own_url:
        calendar.add("URL", sheet.page_url)
        calendar.add("SOURCE", sheet.own_url, parameters={"VALUE": "URI"})
    for event in _events(sheet):
        calendar.add_component(event)
    if sheet.losses.omitted:
        calendar.add("X-TIMELINE-OMITTED", str(sheet.losses.omitted))
    starts = [event.start for event in calendar.events]
    years = [start.year for start in starts if isinstance(start, datetime)]
    calendar.add_missing_timezones(
        first_date=min(_ZONES_FROM, date(max(1, min(years, default=1970) - 1), 1, 1)),
        last_date=max(_ZONES_TO, date(min(9998, max(years, default=1970) + 1), 1, 1)),
    )
    yield calendar.to_ical(sorted=False)


def _events(sheet: Sheet) -> Iterator[Event]:
    for body in sheet.bodies:
        entry = read(body)
        days = entry.days()
        if isinstance(days, tuple) and not all(0 < ymd(second)[0] <= 9999 for second in (days[0] - DAY, days[1] + DAY)):
            days = BEYOND
        if isinstance(days, str):
            sheet.losses.left_out[days] += 1
            continue
        if not entry.sure:
            sheet.losses.reduced[DOUBT] += 1
        yield _event(entry, days, sheet)


def _event(entry: Entry, days: tuple[int, int], sheet: Sheet) -> Event:
    body, revision = entry.event, entry.event["revision"]
    event = Event()
    event.add("UID", f"{entry.id}@{sheet.origin}")
    event.add("DTSTAMP", _time_of(revision["recorded_at"]))
    for name, value in _span(entry, days).items():
        event.add(name, value)
    event.add("SUMMARY", entry.title if entry.sure else f"[{entry.words}] {entry.title}")
    event.add("CREATED", _time_of(body["recorded_at"]))
    event.add("LAST-MODIFIED", _time_of(revision["recorded_at"]))
    event.add("SEQUENCE", revision["number"] - 1)
    event.add("TRANSP", "TRANSPARENT")
    status = _status(entry)
    if status is not None:
        event.add("STATUS", status)
    for name, text in _texts(entry, sheet).items():
        event.add(name, text)
    _add_place(event, body.get("place", {}))
    return event


def _span(entry: Entry, days: tuple[int, int]) -> dict[str, Any]:
    first, last = days
    if not entry.timed or entry.when is None:
        return {"DTSTART": date(*ymd(first)), "DTEND": date(*ymd(last + 1))}
    if not entry.when.zoned and entry.tz is None:
        return {"DTSTART": _moment(first, UTC).replace(tzinfo=None)}
    zone = UTC if entry.tz is None else zone_named(entry.tz)
    if not entry.when.zoned:  # the clock as it was read, even one that the zone skipped or had twice
        return {"DTSTART": _moment(first, UTC).replace(tzinfo=zone)}
    return {"DTSTART": _moment(first, zone)}


def _moment(seconds: int, zone: tzinfo) -> datetime:
    return (_EPOCH + timedelta(seconds=seconds)).astimezone(zone)


def _time_of(recorded_at: str) -> datetime:
    return datetime.fromisoformat(recorded_at).astimezone(UTC).replace(microsecond=0)


def _status(entry: Entry) -> str | None:
    """Give the STATUS of a VEVENT (3.8.1.11): only what the record commits to."""
    if entry.gone or entry.event["status"] == "cancelled":
        return "CANCELLED"
    if not entry.sure or entry.event["status"] in ("planned", "disputed", "denied"):
        return "TENTATIVE"
    return "CONFIRMED" if entry.event["status"] == "confirmed" else None


def _texts(entry: Entry, sheet: Sheet) -> dict[str, Any]:
    body = entry.event
    sources = f"Sources: {', '.join(entry.sources)}" if entry.sources else ""
    found = {
        "DESCRIPTION": "\n\n".join(filter(None, (entry.summary, entry.gone and f"Retracted: {entry.gone}", sources))),
        "CATEGORIES": [*map(sheet.name, entry.actors), *body.get("topics", ())],
        "URL": sheet.event_url(entry.id),
        "X-TIMELINE-ID": entry.id,
        "X-TIMELINE-EDTF": body.get("when"),
        "X-TIMELINE-TZ": entry.tz,
        "X-TIMELINE-STATUS": body["status"],
    }
    return {name: value for name, value in found.items() if value}


def _add_place(event: Event, place: dict[str, Any]) -> None:
    if "name" in place:
        event.add("LOCATION", place["name"])
    if "lat" in place:
        event.add("GEO", (place["lat"], place["lon"]))
