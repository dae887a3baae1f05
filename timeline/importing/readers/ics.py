"""iCalendar (RFC 5545), through the parts of the `icalendar` package: content lines, durations, VTIMEZONE.

The package's own walk over a file drops what it cannot read and knows no lines; so components are told apart here, line
by line, and a broken event does not touch the next one.

* A DATE is a day and DTEND is exclusive (3.6.1): one day is one date. A DATE-TIME with Z is in UTC, with the TZID of an
  IANA zone local in that zone, without either floating (3.3.5, form 1) and so local.
* A TZID that is no IANA name is converted to UTC by its VTIMEZONE (3.6.5), which is counted.
* EDTF has no times of day in intervals: an event with a time is dated by its beginning, its end is noted.
* A rule is not an event: RRULE, RDATE and RECURRENCE-ID are refused, and the other events read.
* Attendees and organiser are actors by their name (CN), else by what stands before the @: no address is kept. Whoever
  declined did not attend. Categories are topics.
* STATUS:CANCELLED is the status "cancelled", TENTATIVE a plan. CONFIRMED says that a meeting will be held, which is
  not what "confirmed" says of a report; it says nothing here.
* In events of our own writer (X-TIMELINE-ID) the date is X-TIMELINE-EDTF, and categories are the actors' names and then
  the topics, which are slugs. A retracted event, CANCELLED with another X-TIMELINE-STATUS, is skipped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import partial
from typing import Any, Final, NamedTuple

from icalendar import Timezone
from icalendar.parser import Contentline, split_on_unescaped_comma, unescape_backslash
from icalendar.prop import vDuration

from timeline.edtf import EdtfError, parse
from timeline.edtf.zones import zone_named
from timeline.errors import Fault, Invalid, Malformed, TimelineError
from timeline.formats.events import Entry
from timeline.importing.drafts import Draft, Mention, Reading, Unread
from timeline.importing.readers import html
from timeline.importing.readers.timelinejs import (
    RETRACTED,
    Item,
    add_link,
    checked,
    one_line,
    place_tz,
    span,
    unmarked,
)
from timeline.model import SLUG_PATTERN, slugify

CONVERTED: Final = "time zones that are not IANA ones: times were converted to UTC by the file's own definition"
_SKIPPED: Final = {"VTODO": "to-dos", "VJOURNAL": "journal entries", "VFREEBUSY": "free and busy times",
                   "VALARM": "alarms"}
_SILENT: Final = frozenset({"UID", "DTSTAMP", "CREATED", "LAST-MODIFIED", "SEQUENCE", "TRANSP", "STATUS", "DTSTART",
                            "DTEND", "DURATION", "SUMMARY", "DESCRIPTION", "LOCATION", "GEO", "URL", "ATTENDEE",
                            "ORGANIZER", "CATEGORIES", "EXDATE", "X-TIMELINE-ID", "X-TIMELINE-EDTF", "X-TIMELINE-TZ",
                            "X-TIMELINE-STATUS"})
"""Properties that are read, or that say nothing about what happened."""

_REFUSED: Final = {"RRULE": "recurring events", "RDATE": "recurring events",
                   "RECURRENCE-ID": "changed repetitions of recurring events"}
_STAMP: Final = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})(?:T([0-9]{2})([0-9]{2})([0-9]{2})(Z?))?")
_HTML: Final = re.compile(r"<(?:a|b|br|div|em|font|html|i|li|ol|p|span|strong|table|u|ul)\b[^<>]*>", re.IGNORECASE)
_RULE: Final = re.compile(
    r"(?:(?:FREQ=YEARLY|BYMONTH=[0-9]+|(?:BYDAY|BYMONTHDAY|UNTIL|COUNT|INTERVAL|WKST)=[^;]*)(?:;|$))+", re.IGNORECASE)
_DEEPEST: Final = 8


class Property(NamedTuple):
    """One content line (3.1), unfolded: its value is still escaped. `params` hold text, or lists of it."""

    line: int
    name: str
    params: dict[str, Any]
    value: str


@dataclass(slots=True)
class Component:
    """A component and the line it begins at; `error` is the first thing wrong with its lines, `text` how it stands."""

    name: str
    line: int
    properties: list[Property] = field(default_factory=list)
    children: list[Component] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    error: TimelineError | None = None

    def first(self, name: str) -> Property | None:
        """Give the first property of a name."""
        return next((each for each in self.properties if each.name == name), None)

    def all(self, name: str) -> list[Property]:
        """Give the properties of a name."""
        return [each for each in self.properties if each.name == name]

    def words(self, name: str) -> str:
        """Give the text of a property (3.3.11), without space around it; "" where it is absent."""
        return unescape_backslash(found.value).strip() if (found := self.first(name)) else ""


def recognises(value: object) -> bool:
    """Say whether text begins as a calendar does (3.4)."""
    return isinstance(value, str) and value.lstrip("\ufeff \t\r\n")[:15].upper() == "BEGIN:VCALENDAR"


def read(document: str, reading: Reading, _lines: Callable[[int], int] | None = None) -> Iterator[Draft | Unread]:
    """Read the events of a calendar, or of several in one file; lines are counted here."""
    broken: list[Unread] = []
    for outer in _components(document, broken):
        inner = outer.children if outer.name == "VCALENDAR" else [outer]
        zones = {one_line(each.words("TZID")): each for each in inner if each.name == "VTIMEZONE"}
        zone_of = partial(_zone_of, zones, {})
        for each in inner:
            if each.name == "VEVENT":
                yield from _event(each, reading, zone_of)
            elif each.name in _SKIPPED:
                reading.skipped[_SKIPPED[each.name]] += 1
    yield from broken


# ---------------------------------------------------------------------------------------------- lines

def _components(document: str, broken: list[Unread]) -> Iterator[Component]:
    """Yield the outermost components; what stands outside of any, or never ends, is broken."""
    stack: list[Component] = []
    for number, line in _unfolded(document):
        if not line.strip():
            continue
        name, _, value = line.strip().upper().partition(":")
        if name == "BEGIN" and len(stack) == _DEEPEST:
            broken.append(Unread(number, Malformed("components stand in components deeper than any calendar's")))
            return
        if name == "BEGIN":
            stack.append(Component(value.strip(), number, text=[line]))
        elif name == "END":
            yield from _ended(value.strip(), number, stack, broken)
        elif stack:
            stack[-1].text.append(line)
            _add(stack[-1], number, line)
        else:
            broken.append(Unread(number, Malformed("expected BEGIN:VCALENDAR: this line is in no calendar")))
            return
    broken += [Unread(each.line, Malformed(f"BEGIN:{each.name[:40]} has no END:{each.name[:40]}: the file is cut off, "
                                           "or the line is missing")) for each in reversed(stack)]
    if stack and stack[0].name == "VCALENDAR":
        yield stack[0]  # what was complete inside is read all the same


def _unfolded(document: str) -> Iterator[tuple[int, str]]:
    """Yield the content lines with the number of their first line (3.1): a line that begins with space goes on."""
    begun, parts = 1, [""]
    for number, line in enumerate(re.split(r"\r\n|\n|\r", document.removeprefix("\ufeff")), 1):
        if line[:1] in (" ", "\t"):
            parts.append(line[1:])
            continue
        yield begun, "".join(parts)
        begun, parts = number, [line]
    yield begun, "".join(parts)


def _ended(name: str, number: int, stack: list[Component], broken: list[Unread]) -> Iterator[Component]:
    if not stack or stack[-1].name != name:
        expected = f"END:{stack[-1].name[:40]}" if stack else "BEGIN:VCALENDAR"
        broken.append(Unread(number, Malformed(f"END:{name[:40]} ends nothing here: expected {expected}")))
        return
    done = stack.pop()
    done.text.append(f"END:{name}")
    if not stack:
        yield done
        return
    stack[-1].children.append(done)
    stack[-1].text += done.text


def _add(component: Component, number: int, line: str) -> None:
    try:
        name, params, value = Contentline(line).raw_parts()  # type: ignore[no-untyped-call]
    except (ValueError, AssertionError, IndexError):
        wrong = Malformed(f"line {number} is no content line: expected NAME:value, or NAME;PARAMETER=...:value")
        component.error = component.error or wrong
        return
    component.properties.append(Property(number, name.upper(), dict(params), value))


def _text_of(params: dict[str, Any], name: str) -> str:
    """Give a parameter's text; of several values the first."""
    value = params.get(name) or ""
    return one_line(str(value[0] if isinstance(value, list) else value))


# ---------------------------------------------------------------------------------------------- events

ZoneOf = Callable[[str], tzinfo | None]


def _event(event: Component, reading: Reading, zone_of: ZoneOf) -> Iterator[Draft | Unread]:
    own = Reading(reading.day_first, reading.tz)
    try:
        if event.error is not None:
            raise event.error
        draft = _draft(event, own, zone_of)
    except TimelineError as error:
        yield Unread(event.line, error)
        return
    reading.losses.update(own.losses)
    reading.skipped.update(own.skipped)
    if draft is not None:
        yield draft


def _draft(event: Component, reading: Reading, zone_of: ZoneOf) -> Draft | None:
    for name, what in _REFUSED.items():
        if event.first(name) is not None:
            raise _wrong(name, f"{what} are not read: write each repetition as an event of its own")
    ours = event.first("X-TIMELINE-ID") is not None
    status = event.words("STATUS").upper()
    if ours and status == "CANCELLED" and event.words("X-TIMELINE-STATUS") != "cancelled":
        reading.skipped[RETRACTED] += 1
        return None
    draft = Draft(event.line, {"title": one_line(event.words("SUMMARY"))}, foreign_id=event.words("UID"))
    if not draft.event["title"]:
        raise _wrong("SUMMARY", "it is missing or empty: an event needs one, which becomes the title")
    draft.event |= _when(event, reading, zone_of)
    _put_status(draft, status)
    _put_place(draft, event)
    _put_people(draft, event, reading)
    if ours:
        _put_own(draft, event)
    else:
        _put_texts(draft, event, reading)
    place_tz(draft.event, reading)
    reading.losses.update(f"property {each.name[:40]}" for each in event.properties if each.name not in _SILENT)
    reading.skipped.update(_SKIPPED.get(each.name, "parts of events that are no events") for each in event.children)
    return _checked(draft, reading)


def _wrong(name: str, detail: str) -> Invalid:
    return Invalid(f"{name}: {detail}", faults=(Fault(name, detail),))


def _checked(draft: Draft, reading: Reading) -> Draft:
    """Refuse what the log would refuse, by the name of the property."""
    members = {"/title": "SUMMARY", "/summary": "DESCRIPTION", "/when": "DTSTART", "/tz": "DTSTART",
               "/place": "LOCATION", "/topics": "CATEGORIES", "/actors": "ATTENDEE", "/links": "URL", "/note": "DTEND",
               "/status": "X-TIMELINE-STATUS"}
    return checked(draft, Item({}, "", reading), members)


def _put_status(draft: Draft, status: str) -> None:
    if status == "CANCELLED":
        draft.event["status"] = "cancelled"
    elif status == "TENTATIVE":
        draft.event |= {"kind": "plan", "status": "planned"}


def _put_place(draft: Draft, event: Component) -> None:
    name = one_line(event.words("LOCATION"))
    point: dict[str, str] = {}
    geo = event.first("GEO")
    if geo is not None:
        match = re.fullmatch(r"\s*([+-]?[0-9]{1,3}(?:\.[0-9]{1,20})?)\s*;\s*([+-]?[0-9]{1,3}(?:\.[0-9]{1,20})?)\s*",
                             geo.value)
        if match is None or abs(float(match[1])) > 90 or abs(float(match[2])) > 180:
            raise _wrong("GEO", f"{geo.value[:40]!r} is no place: expected latitude;longitude, such as 61.2;-149.8")
        point = {"lat": match[1].lstrip("+"), "lon": match[2].lstrip("+")}
    if name or point:
        draft.event["place"] = {"name": name or f"{point['lat']}, {point['lon']}", **point}


def _put_texts(draft: Draft, event: Component, reading: Reading) -> None:
    """Put the description, which many programs write as HTML, the address, and the categories as topics."""
    summary = event.words("DESCRIPTION")
    if _HTML.search(summary):
        summary, draft.links = html.plain(summary)
    if summary:
        draft.event["summary"] = summary
    add_link(draft, event.words("URL"), "", reading)
    slugs = {category: slugify(category, "") for category in _categories(event)}
    topics = list(dict.fromkeys(slug for slug in slugs.values() if slug))
    if topics:
        draft.event["topics"] = topics[:50]
    reading.losses.update("categories that make no topic" for slug in slugs.values() if not slug)
    if len(topics) > 50:
        reading.losses["categories after the fiftieth"] += 1


def _categories(event: Component) -> list[str]:
    """Give the categories (3.8.1.2) of all such lines, each once."""
    found = [one_line(each) for line in event.all("CATEGORIES") for each in split_on_unescaped_comma(line.value)]
    return list(dict.fromkeys(filter(None, found)))


def _put_own(draft: Draft, event: Component) -> None:
    """Put what our own writer says in its own properties."""
    draft.foreign_id = event.words("X-TIMELINE-ID")
    status, when, tz = (event.words(f"X-TIMELINE-{name}") for name in ("STATUS", "EDTF", "TZ"))
    draft.event.pop("kind", None)
    draft.event |= {name: value for name, value in (("status", status), ("when", when), ("tz", tz)) if value}
    try:
        unsure = bool(when) and not Entry({}, parse(when)).sure
    except EdtfError as error:
        raise _wrong("X-TIMELINE-EDTF", f"{when[:120]!r} is no EDTF date: {error.reason}; {error.hint}") from None
    title = draft.event["title"]
    if unsure and title.startswith("["):
        title = title.partition("] ")[2] or title
    bare, mark = unmarked(title)
    draft.event["title"] = bare if mark == status else title
    paragraphs = event.words("DESCRIPTION").split("\n\n")
    if paragraphs[-1].startswith("Sources: "):
        paragraphs.pop()
    if any(paragraphs):
        draft.event["summary"] = "\n\n".join(paragraphs)
    categories = _categories(event)
    first = next((at for at in range(len(categories), 0, -1) if not re.match(SLUG_PATTERN, categories[at - 1])), 0)
    draft.actors += [Mention(name) for name in categories[:first]]
    if categories[first:]:
        draft.event["topics"] = categories[first:]


# ---------------------------------------------------------------------------------------------- people

def _put_people(draft: Draft, event: Component, reading: Reading) -> None:
    """Put the organiser and the attendees (3.8.4.1, 3.8.4.3), each name once."""
    people = [("organiser", each) for each in event.all("ORGANIZER")]
    people += [("attendee", each) for each in event.all("ATTENDEE")]
    for role, each in people:
        if _text_of(each.params, "PARTSTAT").upper() == "DECLINED":
            reading.losses["attendees who declined"] += 1
            continue
        kind = _text_of(each.params, "CUTYPE").upper() or "INDIVIDUAL"
        if kind in ("ROOM", "RESOURCE"):
            reading.losses["rooms and equipment among the attendees"] += 1
            continue
        name = _person(each)
        if name and all(name != known.name for known in draft.actors):
            kinds = {"INDIVIDUAL": "person", "GROUP": "group"}
            draft.actors.append(Mention(name, role, kinds.get(kind, "")))


def _person(given: Property) -> str:
    """Give a name: CN (3.2.2), else the part of the address before the @, which alone says who it may be."""
    name = _text_of(given.params, "CN") or re.sub(r"(?i)^mailto:", "", given.value.strip())
    return one_line(name.partition("@")[0] if re.fullmatch(r"\S+@\S+", name) else name)[:500]


# ---------------------------------------------------------------------------------------------- dates

def _when(event: Component, reading: Reading, zone_of: ZoneOf) -> dict[str, str]:
    start = event.first("DTSTART")
    if start is None:
        raise _wrong("DTSTART", "it is missing: an event needs one, such as DTSTART;VALUE=DATE:20250815")
    end, duration = event.first("DTEND"), event.first("DURATION")
    begin = _stamp(start)
    if not isinstance(begin, datetime):
        return {"when": _days(begin, end, duration)}
    found = _placed(begin, start, zone_of, reading)
    if end is not None:
        last = _stamp(end)
        if not isinstance(last, datetime):
            raise _wrong("DTEND", "it is a date and DTSTART a time: expected both of one kind (RFC 5545, 3.8.2.2)")
        return _spanned(found, _placed(last, end, zone_of, reading, found.get("tz")), "DTEND", reading)
    if duration is not None:
        return _spanned(found, _after(begin, found, _length(duration)), "DURATION", reading)
    return found


def _stamp(given: Property) -> date | datetime:
    """Read a DATE (3.3.4) or DATE-TIME (3.3.5). Second 60 is a leap second, read as 59 like the RFC allows."""
    match = _STAMP.fullmatch(given.value.strip())
    try:
        if match is None:
            raise ValueError
        year, month, day, hour, minute, second = (int(each) if each else 0 for each in match.groups()[:6])
        if match[4] is None:
            return date(year, month, day)
        return datetime(year, month, day, hour, minute, min(second, 59) if second == 60 else second,
                        tzinfo=UTC if match[7] else None)
    except ValueError:
        raise _wrong(given.name, f"{given.value[:40]!r} is no date: expected one such as 20250815, 20250815T113000 or "
                                 "20250815T193000Z") from None


def _days(first: date, end: Property | None, duration: Property | None) -> str:
    """Give the days of an all-day event. An end on its first day is one day: programs write that, and mean it."""
    last = first
    if end is not None:
        after = _stamp(end)
        if isinstance(after, datetime):
            raise _wrong("DTEND", "it is a time and DTSTART a date: expected both of one kind (RFC 5545, 3.8.2.2)")
        if after < first:
            raise _wrong("DTEND", f"{after} is before DTSTART, {first}: expected the day after the last one")
        last = max(first, after - timedelta(days=1))
    elif duration is not None:
        length = _length(duration)
        if length % timedelta(days=1) or length <= timedelta(0):
            raise _wrong("DURATION", f"{duration.value[:40]!r} of a date: expected whole days, such as P3D")
        last = _moved(first, length - timedelta(days=1))
    return str(first) if last == first else f"{first}/{last}"


def _length(duration: Property) -> timedelta:
    try:
        length: timedelta = vDuration.from_ical(duration.value.strip())  # type: ignore[no-untyped-call]
    except ValueError:
        raise _wrong("DURATION", f"{duration.value[:40]!r} is no duration: expected one such as P3D or PT1H30M"
                     ) from None
    if length < timedelta(0):
        raise _wrong("DURATION", "it is negative: expected one such as PT1H30M")
    return length


def _moved(begin: Any, length: timedelta) -> Any:  # noqa: ANN401 - a date gives a date, a datetime a datetime
    try:
        return begin + length
    except OverflowError:
        raise _wrong("DURATION", "it ends after the year 9999: expected a shorter one") from None


def _placed(moment: datetime, given: Property, zone_of: ZoneOf, reading: Reading,
            tz: str | None = None) -> dict[str, str]:
    """Give `when`, and `tz` where it is an IANA zone. An end in another zone than `tz` is given in UTC."""
    tzid = _text_of(given.params, "TZID")
    if moment.tzinfo is not None or not tzid:
        return {"when": _edtf(moment)}
    if _is_iana(tzid):
        if tz is None or tz == tzid or given.name == "DTSTART":
            return {"when": _edtf(moment), "tz": tzid}
        return {"when": _in_utc(moment, zone_named(tzid), given), "tz": tzid}
    zone = zone_of(tzid)
    if zone is None:
        raise _wrong(given.name, f"the time zone {tzid[:60]!r} is no IANA name, such as Europe/Paris, and the calendar "
                                 "does not define it in a VTIMEZONE that can be read")
    if given.name == "DTSTART":
        reading.losses[CONVERTED] += 1
    return {"when": _in_utc(moment, zone, given)}


def _in_utc(moment: datetime, zone: tzinfo, given: Property) -> str:
    try:
        return _edtf(moment.replace(tzinfo=zone).astimezone(UTC))
    except (OverflowError, ValueError):
        raise _wrong(given.name, "it cannot be converted to UTC: expected a year from 1 to 9999") from None


def _edtf(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat(timespec="seconds") + ("Z" if moment.tzinfo else "")


def _is_iana(tzid: str) -> bool:
    try:
        zone_named(tzid)
    except EdtfError:
        return False
    return True


def _after(begin: datetime, found: dict[str, str], length: timedelta) -> dict[str, str]:
    """Give the end of an event that lasts so long: hours are exact, days those of the calendar (3.3.6)."""
    if found["when"].endswith("Z") or "tz" not in found:
        start = datetime.fromisoformat(found["when"].removesuffix("Z"))
        return {"when": _edtf(_moved(start, length)) + "Z" * found["when"].endswith("Z")}
    zone = zone_named(found["tz"])
    days, rest = timedelta(days=length.days), timedelta(seconds=length.seconds)
    local = _moved(begin, days).replace(tzinfo=zone)
    try:
        return {"when": _edtf(_moved(local.astimezone(UTC), rest).astimezone(zone).replace(tzinfo=None))}
    except OverflowError:
        raise _wrong("DURATION", "it ends after the year 9999: expected a shorter one") from None


def _spanned(start: dict[str, str], end: dict[str, str], name: str, reading: Reading) -> dict[str, str]:
    try:
        return {**start, **span(start["when"], end["when"], reading)}
    except Invalid as error:
        raise _wrong(name, error.detail) from None


def _zone_of(zones: dict[str, Component], known: dict[str, tzinfo], tzid: str) -> tzinfo | None:
    """Make a zone of the file's own VTIMEZONE; None where there is none, or none that can be read."""
    if tzid not in known and tzid in zones and not _is_endless(zones[tzid]):
        try:
            block = "\r\n".join(zones[tzid].text) + "\r\n"
            made = Timezone.from_ical(block)
            zone = made.to_tz(lookup_tzid=False) if isinstance(made, Timezone) else None
            datetime(2025, 1, 1, tzinfo=zone).utcoffset()
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, ArithmeticError):
            return None
        if zone is not None:
            known[tzid] = zone
    return known.get(tzid)


def _is_endless(zone: Component) -> bool:
    """Whether a zone has rules that no real one has, such as a change every second: they would take for ever."""
    return any(not _RULE.fullmatch(each.value.strip()) for part in zone.children for each in part.all("RRULE"))


__all__ = ["read", "recognises"]
