"""An event as formats for other tools need it: its date as an interval that may be unsure, in words and in numbers.

The tools know exact moments and nothing else. So each format asks three questions: is the date `sure` (certainly this
day, this time, or from this day to that one), which are its bounds, and how is it said in words? Where a tool can show
a text for a date, it gets the words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from timeline.edtf import Edtf, parse, ymd
from timeline.parts import BODY
from timeline.wording import when_in_words

DAY: Final = 86_400
HULL: Final = 31 * DAY
"""Seconds an unsure date may span and still be of use in a calendar."""

JAVASCRIPT: Final = 8_640_000_000_000
"""Seconds either side of 1970 that a JavaScript Date can hold (ECMA-262, "Time Values and Time Range")."""

NO_DATE: Final = "no date"
NO_BOUNDS: Final = "neither a beginning nor an end is known"
NO_BEGINNING: Final = "no beginning is known: placed at the end"
NO_END: Final = "no end is known, or there is none yet: placed at the beginning"
OPEN: Final = "the beginning or the end is open or unknown"
WIDE: Final = "an unsure date that spans more than 31 days"
BEYOND: Final = "a year that the other tool cannot hold"
DOUBT: Final = "an unsure date is an interval; only the words say that it is unsure"


@dataclass(frozen=True, slots=True)
class Entry:
    """One event, decoded."""

    event: dict[str, Any]
    when: Edtf | None

    @property
    def id(self) -> str:
        """The event's id in its log."""
        return str(self.event["id"])

    @property
    def title(self) -> str:
        """The title, marked where the event was withdrawn, disputed, denied or cancelled, or is only planned."""
        mark = "retracted" if self.gone else self.event.get("status")
        return f"[{mark}] {self.event['title']}" if mark in _MARKED else str(self.event["title"])

    @property
    def summary(self) -> str:
        """The summary; empty without one."""
        return str(self.event.get("summary") or "")

    @property
    def gone(self) -> str | None:
        """Say why the event does not stand any more; None where it does."""
        if "merged_into" in self.event:
            return f"merged into {self.event['merged_into']}"
        if "retracted" in self.event:
            return str(self.event["retracted"].get("reason") or "retracted")
        if BODY in self.event.get("erased", {}).get("parts", ()):
            return str(self.event["erased"].get("reason") or "erased")
        return None

    @property
    def actors(self) -> list[str]:
        """The ids of the actors, each once, in order."""
        return list(dict.fromkeys(part["id"] for part in self.event.get("actors", ())))

    @property
    def sources(self) -> list[str]:
        """The ids of the sources cited, each once, in order."""
        return list(dict.fromkeys(citation["source"] for citation in self.event.get("citations", ())))

    @property
    def tz(self) -> str | None:
        """The IANA zone of the civil date."""
        return self.event.get("tz")

    @property
    def words(self) -> str:
        """The date in words, in the event's language where we write that."""
        return when_in_words(self.when, self.event.get("lang") or "en", self.tz, self.event.get("anchor"),
                             expected=self.event["kind"] == "plan")

    @property
    def timed(self) -> bool:
        """Whether the date has a time of day: then it is one minute or second (sets and intervals have none)."""
        return self.when is not None and self.when.kind == "datetime"

    @property
    def sure(self) -> bool:
        """Whether the date is certainly this one: a day, a time, or an interval of days, without a mark of doubt."""
        return self.when is not None and _sure(self.when)

    @property
    def civil(self) -> tuple[int | None, int | None]:
        """Earliest and latest second of the civil date, as if in UTC (of a time with an offset: in UTC)."""
        return (None, None) if self.when is None else (self.when.earliest, self.when.latest)

    @property
    def instants(self) -> tuple[int | None, int | None]:
        """Earliest and latest instant, in seconds: civil dates are read in the event's zone, without one in UTC."""
        return (None, None) if self.when is None else self.when.bounds(self.tz)

    def missing(self) -> str | None:
        """Say why the event has no place on an axis of time; None where it has one."""
        if self.when is None:
            return NO_DATE
        return NO_BOUNDS if self.civil == (None, None) else None

    def days(self) -> tuple[int, int] | str:
        """Give the first and the last second of the days in a calendar, or say why the event has no place there.

        A sure date stands there as it is, an unsure one as all the days it may be if those are few.
        """
        if self.when is None:
            return NO_DATE
        first, last = self.civil
        if first is None or last is None:
            return OPEN
        return (first, last) if self.sure or last - first < HULL else WIDE


_MARKED: Final = ("retracted", "disputed", "denied", "planned", "cancelled")


def read(body: str) -> Entry:
    """Decode an event's body as answers show it."""
    event = msgspec.json.decode(body)
    return Entry(event, parse(event["when"]) if "when" in event else None)


def _sure(when: Edtf) -> bool:
    if when.approximate or when.uncertain:
        return False
    if when.kind == "interval":
        return when.start is not None and when.end is not None and _sure(when.start) and _sure(when.end)
    if when.kind == "date":
        first, last = when.earliest, when.latest
        return when.precision == "day" and first is not None and last is not None and last - first < DAY
    return when.kind == "datetime"


def javascript(seconds: int) -> str:
    """Write an instant as JavaScript reads it in any year: beyond 0000 to 9999 with a sign and six digits (ECMA-262).

    >>> javascript(1755286200), javascript(-63517824000)
    ('2025-08-15T19:30:00Z', '-000043-03-15T00:00:00Z')
    """
    year, month, day = ymd(seconds)
    digits = f"{year:04}" if 0 <= year <= 9999 else f"{year:+07}"
    return f"{digits}-{month:02}-{day:02}T{clock(seconds)}Z"


def clock(seconds: int) -> str:
    """Write the time of day (UTC) of an instant.

    >>> clock(1755286200)
    '19:30:00'
    """
    minutes, second = divmod(seconds % DAY, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{second:02}"


def fits_javascript(*seconds: int) -> bool:
    """Whether a JavaScript Date can hold these instants."""
    return all(abs(second) <= JAVASCRIPT for second in seconds)
