"""Dates as people write them, English and French, to EDTF: no field that was not written, no guess between two senses.

What is written is told from what is not by reading it twice with `dateutil`, with other defaults: where both agree, the
text said so. `dateutil` alone would take "A 5" for a day of this month, "10.5.2025" for 5 October and drop "EST" with a
warning; so it only sees text whose every word is accounted for here.

What is chosen where words leave room:

* "between A and B" is one unknown day of that span, ``[A..B]``; "from A to B", "A – B" lasted, ``A/B``.
* "before A" and "after A" exclude A: before 1850 is ``[..1849]``. "by A" includes it: ``[..A]``.
* "since A" goes on: ``A/..``, as do "A – present", "A – today". "from A" has an end nobody names: ``A/``.
* "until A" began nobody says when: ``/A``.
* "c. 1850 – 1860" marks the date it stands at, and only that one: ``1850~/1860``.
* An hour alone, "2 pm", is its first minute: EDTF has no hours.
* A season is EDTF's: winter 2025 is ``2025-24``, and so is winter 2025-2026.
* "2019-21" is valid EDTF, spring 2019, and also how people write 2019 to 2021: refused, as only here two senses of
  valid EDTF are in use. What cannot be two years, such as ``2025-21``, passes.
* "1900s" is a decade or a century: refused. "early", "mid" and "late" are refused: EDTF has no words for them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Final

from timeline.edtf import Edtf, EdtfError, parse, ymd
from timeline.edtf.axis import month_length
from timeline.errors import Fault, Invalid
from timeline.importing.drafts import Reading
from timeline.importing.readers import calendar_dates as calendar
from timeline.importing.readers.calendar_dates import refusal, year_text

LONGEST: Final = 120
"""Characters of the longest date that is read, as in `timeline.edtf`: `dateutil` is slow on long text."""

TIMES_LOST: Final = "times of day: an EDTF interval has none"

_SPAN: Final = re.compile(r"\s+(?:to|until|till|through|thru|au|jusqu'au|jusqu'en|jusqu'à)\s+|\s*[–—]\s*|\s+[-/à]\s+")
_BETWEEN: Final = re.compile(r"(?:between|entre)\s+(?:le\s+)?(.+?)\s+(?:and|et)\s+(?:le\s+)?(.+)")
_FROM: Final = re.compile(r"(?:(?:from|du|de|à partir de|à partir du)\s+|d')(.+)")
_YEARS: Final = re.compile(r"([0-9]{4})\s?([-–—])\s?([0-9]{4}|[0-9]{2})")
_EITHER: Final = re.compile(r"([0-9]{2})([0-9]{2})-([0-9]{2})")
_DAYS: Final = re.compile(
    r"([0-9]{1,2})(?:st|nd|rd|th|er)?\s?[-–—]\s?([0-9]{1,2}(?:st|nd|rd|th)?\s.*[^\W\d_]{3}.*)"
)
_MONTHS: Final = re.compile(r"([^\W\d_]{3,}\.?)-([^\W\d_]{3,}\.?\s[0-9]{4})")
_DAYS_LATER: Final = re.compile(
    r"([^\W\d_]{3,}\.?)\s([0-9]{1,2})(?:st|nd|rd|th)?\s?[-–—]\s?([0-9]{1,2})(?:st|nd|rd|th)?,?\s([0-9]{4})"
)
_DAY: Final = re.compile(r"(?:the |le )?[0-9]{1,2}(?:st|nd|rd|th|er)?")
_MONTH: Final = re.compile(r"(?:[0-9]{1,2}(?:st|nd|rd|th|er)?\s)?[^\W\d_]{3,}\.?(?:\s[0-9]{1,2}(?:st|nd|rd|th)?)?")
_TAIL: Final = re.compile(r"[0-9]{1,2}(?:st|nd|rd|th|er)?(\s(?:of |de |d')?[^\W\d_]{3,}\.?,?\s[0-9]{4})")
_NOW: Final = frozenset({"present", "the present", "now", "today", "ongoing", "aujourd'hui", "présent"})
_ABOUT: Final = re.compile(
    r"(?:(?:c|ca|approx|env)\.?\s|ca?\.|ca?(?=[0-9])|~|"
    r"(?:circa|about|around|approximately|roughly|vers|environ)\s)\s*(.+)"
)
_PERHAPS: Final = re.compile(r"(?:probably|possibly|perhaps|maybe|probablement|peut-être)\s(.+)|(.+?)\s?(?:\?|\(\?\))")
_BOUND: Final = re.compile(
    r"(before|prior to|avant le|avant|after|après le|après|since|depuis le|depuis|until|till|up to|jusqu'au|jusqu'en|"
    r"jusqu'à|by|no later than|on or before|no earlier than|on or after|from|à partir du|à partir de|dès)\s+(.+)"
)
_SENSES: Final[dict[str, str]] = {
    "before": "before", "prior to": "before", "avant": "before", "avant le": "before",
    "after": "after", "après": "after", "après le": "after",
    "since": "{}/..", "depuis": "{}/..", "depuis le": "{}/..",
    "until": "/{}", "till": "/{}", "up to": "/{}", "jusqu'au": "/{}", "jusqu'en": "/{}", "jusqu'à": "/{}",
    "by": "[..{}]", "no later than": "[..{}]", "on or before": "[..{}]",
    "no earlier than": "[{}..]", "on or after": "[{}..]",
    "from": "{}/", "à partir du": "{}/", "à partir de": "{}/", "dès": "{}/",
}
_FOLDED: Final = str.maketrans({
    "\N{RIGHT SINGLE QUOTATION MARK}": "'", "\N{LEFT SINGLE QUOTATION MARK}": "'",
    "\N{MODIFIER LETTER APOSTROPHE}": "'",
    "\N{MINUS SIGN}": "-", "\N{HYPHEN}": "-", "\N{NON-BREAKING HYPHEN}": "-", "\N{FIGURE DASH}": "–",
})


def read_date(text: str, reading: Reading) -> str:
    """Give the EDTF text (ISO 8601-2:2019) of a date as people write it; valid EDTF is given back as it is.

    A time without an offset stays local. A fraction of a second is cut and counted in `reading.losses`; `day_first`
    of `reading` decides 10/5/2025.

    Raises:
        Invalid: it is no date, or one that can mean two things, or says more than EDTF can hold.

    >>> [read_date(text, Reading()) for text in ("August 2025", "vers 1850", "15 août 2025 à 14h30", "44 BC")]
    ['2025-08', '1850~', '2025-08-15T14:30', '-0043']
    """
    given = text.strip()
    if not given:
        raise Invalid("the date is empty: write one, as in 2025-08-15")
    if len(given) > LONGEST:
        raise Invalid(f"{given[:40]!r} … is too long for a date: {LONGEST} characters are the most that are read")
    _refuse_two_senses(given)
    try:
        return str(parse(given))
    except EdtfError:
        pass
    cleaned = _cleaned(given)
    try:
        return str(parse(_read(cleaned, reading)))
    except EdtfError as error:
        raise Invalid(f"{given!r} is no date: {error.reason}; {error.hint}") from None
    except Invalid as error:
        raise Invalid(error.detail.replace(repr(cleaned), repr(given), 1)) from None


def read_time(text: str, reading: Reading) -> str:
    """Give the EDTF text of a time of day alone, such as 11:30, 2:30 pm or 14h30, with its offset where it has one.

    Raises:
        Invalid: it is no time of day.

    >>> read_time("2:30 pm", Reading()), read_time("11:30:15+02:00", Reading())
    ('14:30', '11:30:15+02:00')
    """
    if len(text) > LONGEST:
        raise Invalid(f"{text[:40]!r} … is too long for a time of day")
    return calendar.read_time(_cleaned(text), reading)


def _cleaned(text: str) -> str:
    """Fold what makes no difference: composition, quotes, kinds of hyphens and spaces, capitals."""
    return " ".join(unicodedata.normalize("NFC", text).translate(_FOLDED).split()).lower()


def _refuse_two_senses(text: str) -> None:
    """Refuse what EDTF reads as a season or a part of a year, and people write for two years: 1939-41."""
    match = _EITHER.fullmatch(text)
    if match and int(match[3]) > 20 and int(match[3]) > int(match[2]):
        first, last = match[1] + match[2], match[1] + match[3]
        raise Invalid(f"{text!r} can mean {first} to {last}, or a part of {first} in EDTF: write {first}/{last}, or "
                      f"the part in words, as in spring {first}")


def _read(text: str, reading: Reading) -> str:
    found = calendar.season(text)
    if found is not None:
        return found
    for attempt in (_between, _span, _bounded, _perhaps, _about):
        found = attempt(text, reading)
        if found is not None:
            return found
    return calendar.read(text, reading)


# ---------------------------------------------------------------------------------------------- two dates

def _between(text: str, reading: Reading) -> str | None:
    match = _BETWEEN.fullmatch(text)
    if match is None:
        return None
    start, end = (_read(each, reading) for each in _completed(match[1], match[2]))
    return _ordered(f"[{start}..{end}]")


def _span(text: str, reading: Reading) -> str | None:
    """Read two dates with a word or a dash between them; None where there is nothing of the kind."""
    years = _year_span(text)
    if years:
        return years
    if match := _DAYS_LATER.fullmatch(text):
        month, first, last, year = match.groups()
        return join(_read(f"{first} {month} {year}", reading), _read(f"{last} {month} {year}", reading), reading)
    pair = _pair(text)
    if pair is None or calendar.is_time(pair[1]):
        return None
    if pair[1] in _NOW:
        return _ordered(f"{_dateless_time(_read(pair[0], reading))}/..")
    start, end = _completed(*pair)
    return join(_read(start, reading), _read(end, reading), reading)


def _pair(text: str) -> tuple[str, str] | None:
    text, begun = (match[1], True) if (match := _FROM.fullmatch(text)) else (text, False)
    if match := _DAYS.fullmatch(text) or _MONTHS.fullmatch(text):
        return match[1], match[2]
    parts = _SPAN.split(text)
    if len(parts) != 2 or not all(parts) or (not begun and _BOUND.fullmatch(text)):
        return None
    return parts[0], re.sub("^(?:the|le) ", "", parts[1])


def _year_span(text: str) -> str | None:
    """Read 1914-1918 and 1914–18; "2001–05" could be a month whose hyphen a word processor made a dash."""
    match = _YEARS.fullmatch(text)
    if match is None:
        return None
    first, dash, last = match.groups()
    if len(last) == 4:
        return join(first, last)
    if int(last) <= int(first[2:]) or (dash == "-" and 1 <= int(last) <= 12):
        return None
    if int(last) <= 12:
        raise refusal(text, f"can mean the years {first} to {first[:2]}{last}, or a month",
                      f"write {first}/{first[:2]}{last} or {first}-{last}")
    return join(first, first[:2] + last)


def _completed(start: str, end: str) -> tuple[str, str]:
    """Let the first of two dates have the month and the year that stand at the second one: 15 to 18 August 2025."""
    if _DAY.fullmatch(start) and (tail := _TAIL.fullmatch(end)):
        return start.removeprefix("the ").removeprefix("le ") + tail[1], end
    if _MONTH.fullmatch(start) and calendar.has_month(start) and (year := re.search(r"[^0-9]([0-9]{4})$", end)):
        return f"{start} {year[1]}", end
    return start, end


def join(start: str, end: str, reading: Reading | None = None) -> str:
    """Give the EDTF interval (LoC EDTF, L0 "Time interval") from one date to another; one date where they are equal.

    An interval has no times of day: of two times on one day the first stays, of others the days; where a `reading` is
    given this is counted in its losses. The beginning of an interval and the end of another one are taken.

    Raises:
        Invalid: either is no EDTF, or a set, or the end is before the start.

    >>> join("2025-08-15", "2025-08-18"), join("2025-08", "2025-08")
    ('2025-08-15/2025-08-18', '2025-08')
    >>> join("2025-08-15T11:30Z", "2025-08-15T12:30Z"), join("2025-08-15T23:00", "2025-08-16T01:00")
    ('2025-08-15T11:30Z', '2025-08-15/2025-08-16')
    """
    first, last = _parsed(start), _parsed(end)
    if start == end:
        return start
    if "datetime" in (first.kind, last.kind):
        return _joined_times(first, last, reading)
    for each in (first, last):
        if each.kind in ("one-of", "all-of"):
            raise Invalid(f"{each} cannot be an end of an interval: it is a set; write one date at either end")
    return _ordered(f"{_edge(first, 'start')}/{_edge(last, 'end')}")


def _parsed(text: str) -> Edtf:
    try:
        return parse(text)
    except EdtfError as error:
        raise Invalid(f"{text!r} is no EDTF date: {error.reason}; {error.hint}") from None


def _edge(when: Edtf, side: str) -> str:
    if when.kind != "interval":
        return str(when)
    ends = str(when).split("/")
    return ends[0] if side == "start" else ends[1]


def _joined_times(first: Edtf, last: Edtf, reading: Reading | None) -> str:
    same_kind = first.kind == last.kind and first.zoned == last.zoned
    if same_kind and first.earliest is not None and last.latest is not None and last.latest < first.earliest:
        raise Invalid(f"the end {last} is before the start {first}: put the earlier first")
    if same_kind and (first.earliest, first.latest) == (last.earliest, last.latest):
        return str(first)
    if reading is not None:
        reading.losses[TIMES_LOST] += 1
    days = [str(each).partition("T")[0] for each in (first, last)]
    if days[0] == days[1]:
        return str(first)
    if same_kind and days[0] > days[1]:  # in order as instants, not as days of their own zones
        days.reverse()
    return join(days[0], days[1])


def _ordered(text: str) -> str:
    """Give a composed date back; Invalid with the reason where EDTF does not allow it."""
    try:
        return str(parse(text))
    except EdtfError as error:
        hint = "put the earlier first" if "before" in error.reason else error.hint
        raise Invalid(f"{text} is no date: {error.reason}; {hint}") from None


def _dateless_time(value: str) -> str:
    if parse(value).kind == "datetime":
        raise Invalid(f"{value} cannot begin an interval: EDTF intervals have no time of day; write the day alone")
    return value


# ---------------------------------------------------------------------------------------------- one side, and doubt

def _bounded(text: str, reading: Reading) -> str | None:
    match = _BOUND.fullmatch(text)
    if match is None:
        return None
    sense, value = _SENSES[match[1]], _read(match[2], reading)
    if sense in ("before", "after"):
        beyond = _beyond(parse(value), before=sense == "before")
        return f"[..{beyond}]" if sense == "before" else f"[{beyond}..]"
    when = parse(value)
    if when.kind not in ("date", "season"):
        raise refusal(text, f"needs one date after {match[1]!r}, without a time of day", "write the day alone")
    return sense.format(value)


def _beyond(when: Edtf, *, before: bool) -> str:
    """Give the last day, month or year before a date, or the first after it, in the precision of the date."""
    edge = when.earliest if before else when.latest
    if when.kind not in ("date", "season") or edge is None:
        raise Invalid(f"a date before or after {when} cannot be said in EDTF: write one date, without a time of day")
    year, month, day = ymd(edge - 1 if before else edge + 1)
    mark = "%" if when.approximate and when.uncertain else "~" * when.approximate + "?" * when.uncertain
    if when.precision == "day":
        return f"{year_text(year)}-{month:02}-{day:02}{mark}"
    if when.precision in ("month", "season", "quarter", "quadrimester", "semester"):
        return f"{year_text(year)}-{month:02}{mark}"
    return year_text(year) + mark


def _perhaps(text: str, reading: Reading) -> str | None:
    match = _PERHAPS.fullmatch(text)
    return None if match is None else _marked(_read(match[1] or match[2], reading), "?")


def _about(text: str, reading: Reading) -> str | None:
    match = _ABOUT.fullmatch(text)
    return None if match is None else _marked(_read(match[1], reading), "~")


def _marked(value: str, mark: str) -> str:
    """Put a mark of doubt at the end of a date, or of both ends of an interval (LoC EDTF, L1 "Qualification")."""
    when = parse(value)
    if when.kind == "interval":
        return "/".join(_marked(each, mark) if each not in ("", "..") else each for each in value.split("/"))
    if when.kind not in ("date", "season"):
        raise Invalid(f"{value} with a doubt cannot be said in EDTF: give one date, without a time of day")
    if value[-1] in "?~%":
        return value if value[-1] in ("%", mark) else value[:-1] + "%"
    return value + mark


# ---------------------------------------------------------------------------------------------- dates in parts

_PARTS: Final[dict[str, tuple[int, int]]] = {
    "month": (1, 12), "day": (1, 31), "hour": (0, 23), "minute": (0, 59), "second": (0, 59), "millisecond": (0, 999),
}


def from_parts(parts: Mapping[str, object], reading: Reading | None = None) -> str:
    """Give the EDTF text of a date in parts, as TimelineJS has it: `year`, `month`, ... `millisecond`, text or numbers.

    Years are counted as historians do: -44 is 44 BC, ``-0043``. Digits may hold spaces and commas. Absent and empty
    parts are unknown, and so is a number 0 for a month or a day; "0" for an hour is midnight. A number 0 for an hour
    without minutes TimelineJS shows as no time at all, and so it is none here. Minutes without hours are refused.

    Raises:
        Invalid: there is no year, a part is no whole number or out of range, or that day does not exist; the fault
            points at the part.

    >>> from_parts({"year": "-44", "month": 3, "day": "15"}), from_parts({"year": 2025, "month": 0, "day": 0})
    ('-0043-03-15', '2025')
    """
    numbers = {name: number for name in ("year", *_PARTS) if (number := _part(name, parts.get(name))) is not None}
    if "year" not in numbers:
        raise _wrong("year", "the year is missing: a date needs one, as in 2025, or -44 for 44 BC")
    year = numbers["year"]
    if year == 0:
        raise _wrong("year", "there is no year 0: write -1 for 1 BC, or 1 for AD 1")
    if parts.get("hour") == 0 and (numbers.get("minute") or numbers.get("second")):
        numbers["hour"] = 0
    _check_parts(numbers)
    if numbers.get("millisecond") and reading is not None:
        reading.losses[calendar.FRACTION] += 1
    return _from_numbers(year if year > 0 else year + 1, numbers)


def _wrong(part: str, detail: str) -> Invalid:
    return Invalid(detail, faults=(Fault(f"/{part}", detail),))


def _part(name: str, value: object) -> int | None:
    if value is None or isinstance(value, bool):
        return None
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    digits = re.sub(r"[\s,]", "", text).replace("−", "-")
    if not digits or (value == 0 and name not in ("year", "minute", "second")):
        return None
    if not re.fullmatch(r"[+-]?[0-9]{1,11}", digits):
        like = "2025" if name == "year" else "8"
        raise _wrong(name, f"the {name} {str(value)[:40]!r} is no whole number: write digits, as in {like}")
    return int(digits)


def _check_parts(numbers: Mapping[str, int]) -> None:
    for name, (least, most) in _PARTS.items():
        if name in numbers and not least <= numbers[name] <= most:
            raise _wrong(name, f"there is no {name} {numbers[name]}: write {least} to {most}")
    for name, needed in (("day", "month"), ("hour", "day"), ("minute", "hour"), ("second", "minute")):
        if needed not in numbers and numbers.get(name):
            raise _wrong(name, f"there is a {name}, but no {needed}: write the {needed} too, or leave the {name} out")


def _from_numbers(year: int, numbers: Mapping[str, int]) -> str:
    text = year_text(year)
    if len(numbers) > 1 and text.startswith("Y"):
        raise _wrong("month", f"the year {numbers['year']} cannot have a month: in EDTF a year of five digits is alone")
    for name in ("month", "day"):
        if name not in numbers:
            return text
        text += f"-{numbers[name]:02}"
    if numbers["day"] > month_length(year, numbers["month"]):
        raise _wrong("day", calendar.no_such_day(year, numbers["month"], numbers["day"]))
    if "hour" not in numbers:
        return text
    text += f"T{numbers['hour']:02}:{numbers.get('minute', 0):02}"
    return f"{text}:{numbers['second']:02}" if numbers.get("second") else text


__all__ = ["TIMES_LOST", "from_parts", "join", "read_date", "read_time"]
