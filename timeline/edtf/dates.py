"""One date: year, month, day, time of day, season, and what is masked or in doubt about them."""

import re
from collections.abc import Sequence

from timeline.edtf.axis import DAY, day_number, month_length
from timeline.edtf.masks import Civil, extent, matching, year_limits
from timeline.edtf.scanner import DIGITS, Scanner
from timeline.edtf.value import Edtf, Kind, Precision

_PLAIN = re.compile(r"([0-9]{4})(?:-(0[1-9]|1[0-2])(?:-([0-3][0-9]))?)?")
_LEVEL_1_MASK = re.compile(r"-?(?:[0-9]{3}X|[0-9]{2}XX|[0-9]{4}-XX|[0-9]{4}-[0-9]{2}-XX|[0-9]{4}-XX-XX)")
_YEAR_DIGITS = 11  # so that the bounds of every year fit a signed 64-bit integer

_ALL_MONTHS = range(1, 13)
_ALL_DAYS = range(1, 32)

# ISO 8601-2:2019, 4.8 "sub-year groupings": first month, number of months. Meteorological seasons; 29 to 32 are
# southern. What begins in December ends in February of the next year.
_SEASONS: dict[int, tuple[int, int]] = {
    **dict.fromkeys((21, 25, 31), (3, 3)),
    **dict.fromkeys((22, 26, 32), (6, 3)),
    **dict.fromkeys((23, 27, 29), (9, 3)),
    **dict.fromkeys((24, 28, 30), (12, 3)),
    **{33 + n: (1 + 3 * n, 3) for n in range(4)},
    **{37 + n: (1 + 4 * n, 4) for n in range(3)},
    **{40 + n: (1 + 6 * n, 6) for n in range(2)},
}


def plain(text: str) -> Edtf | None:
    """Read ``YYYY``, ``YYYY-MM`` or ``YYYY-MM-DD`` at once (most dates are), or leave it to ``date``."""
    match = _PLAIN.fullmatch(text)
    if match is None:
        return None
    year_text, month_text, day_text = match.groups()
    year = int(year_text)
    if month_text is None:
        return Edtf(text, day_number(year, 1, 1) * DAY, day_number(year + 1, 1, 1) * DAY - 1, "date", "year")
    month = int(month_text)
    if day_text is None:
        earliest = day_number(year, month, 1) * DAY
        return Edtf(text, earliest, earliest + month_length(year, month) * DAY - 1, "date", "month")
    day = int(day_text)
    if not 1 <= day <= month_length(year, month):
        return None
    earliest = day_number(year, month, day) * DAY
    return Edtf(text, earliest, earliest + DAY - 1, "date", "day")


def date(scan: Scanner) -> Edtf:
    """Read all of the scanner's part as one date; EdtfError where it is none.

    date      = long-year | year [significant] [mark] | year "-" season | year "-" month ["-" day] ["T" time]
    year      = [mark] ["-"] 4(digit | "X") [mark]      LoC EDTF L0 "Date", L1 "Negative calendar year"
    month     = [mark] 2(digit | "X") [mark]            a mark on the right also covers all to its left (L2), one on
    day       = [mark] 2(digit | "X") [mark]            the left its component alone; at the very end it is L1
    season    = [mark] ("21".."41") [mark]              L1 "Seasons", L2 "Sub-year groupings"
    mark      = "?" | "~" | "%"                         uncertain, approximate, both
    """
    if not scan.part:
        raise scan.wrong("a date is missing", "write one, as in 2025-08-15")
    if scan.peek() == "Y":
        return _long_year(scan)
    _mark(scan)
    negative = bool(scan.take("-"))
    year = _year(scan, negative=negative)
    if scan.peek() == "S":
        number = -_digits_known(scan, year) if negative else _digits_known(scan, year)
        return _significant(scan, number)
    _mark(scan)
    if not scan.take("-"):
        return _years(scan, year, negative=negative)
    month = _component(scan, "month")
    if month.isdigit() and int(month) in _SEASONS:
        return _season(scan, year, int(month), negative=negative)
    months = _months(scan, month)
    if not scan.take("-"):
        return _month(scan, year, months, negative=negative)
    return _day(scan, year, months, negative=negative)


def _mark(scan: Scanner) -> None:
    mark = scan.take("?~%")
    if mark and scan.peek() and scan.peek() in "?~%":
        raise scan.wrong("two marks in a row", "the '?~' of the 2012 draft is now '%', both uncertain and approximate")
    scan.marks += mark


def _component(scan: Scanner, name: str) -> str:
    _mark(scan)
    found = scan.field(2, name)
    _mark(scan)
    return found


def _year(scan: Scanner, *, negative: bool) -> str:
    year = scan.field(4, "year")
    if negative and year == "0000":
        raise scan.error("there is no year -0000", "write 0000 for 1 BCE, -0001 for 2 BCE", scan.field_at - 1)
    return year


def _digits_known(scan: Scanner, year: str) -> int:
    if "X" in year:
        raise scan.wrong("significant digits need a year without X", "write 1950S2 or 19XX")
    return int(year)


def _years(scan: Scanner, year: str, *, negative: bool) -> Edtf:
    _finish(scan)
    first, last = year_limits(year, negative=negative)
    precision = _span(len(year) - len(year.rstrip("X")))
    return _calendar(scan, "date", precision, ((first, 1, 1), (last, 12, 31)))


def _span(unknown_digits: int) -> Precision:
    spans: tuple[Precision, ...] = ("year", "decade", "century", "millennium")
    return spans[min(unknown_digits, 3)]


def _months(scan: Scanner, month: str) -> Sequence[int]:
    if month == "XX":
        return _ALL_MONTHS
    months = matching(month, 1, 12)
    if not months:
        hint = "write 01 to 12, or 21 to 41 for a season, quarter or half"
        raise scan.error(f"there is no month {month}", hint, scan.field_at)
    return months


def _month(scan: Scanner, year: str, months: Sequence[int], *, negative: bool) -> Edtf:
    _finish(scan)
    first, last = year_limits(year, negative=negative)
    end = (last, months[-1], month_length(last, months[-1]))
    return _calendar(scan, "date", "month", ((first, months[0], 1), end))


def _day(scan: Scanner, year: str, months: Sequence[int], *, negative: bool) -> Edtf:
    day = _component(scan, "day")
    days = _ALL_DAYS if day == "XX" else matching(day, 1, 31)
    limits = extent(year, months, days, negative=negative)
    if limits is None:
        raise scan.error(f"there is no day {day}", _days_there_are(year, months, days), scan.field_at)
    if scan.letter("T"):
        return _timed(scan, limits[0])
    _finish(scan)
    return _calendar(scan, "date", "day", limits)


def _days_there_are(year: str, months: Sequence[int], days: Sequence[int]) -> str:
    if len(months) > 1 or "X" in year or not days:
        return "write 01 to 31, as many as the month has, or X for unknown digits"
    return f"{year}-{months[0]:02} has {month_length(int(year), months[0])} days"


def _season(scan: Scanner, year: str, number: int, *, negative: bool) -> Edtf:
    _finish(scan, "a season has no day")
    month, months = _SEASONS[number]
    low, high = year_limits(year, negative=negative)
    over, last = divmod(month + months - 2, 12)
    end = (high + over, last + 1, month_length(high + over, last + 1))
    groups: tuple[Precision, ...] = ("season", "quarter", "quadrimester", "semester")
    precision = groups[(number > 32) + (number > 36) + (number > 39)]
    return _calendar(scan, "season", precision, ((low, month, 1), end), least=1 if number < 25 else 2)


def _long_year(scan: Scanner) -> Edtf:
    """Read a year beyond four digits: LoC EDTF L1 "Letter-prefixed calendar year", L2 "Exponential year".

    long-year   = "Y" ["-"] digits ["E" digits] [significant] [mark]
    significant = "S" digits                            L2 "Significant digits"; more than the year has: all of them
    """
    begin = scan.at
    scan.take("Y")
    negative = bool(scan.take("-"))
    digits = scan.run(DIGITS)
    exponent = scan.run(DIGITS) if scan.take("E") else "0"
    if not digits or not exponent:
        raise scan.wrong("the year needs digits", "write Y170000002 or Y-17E7")
    if digits[0] == "0":
        raise scan.error("a year after Y does not begin with 0", "leave the zeros out", begin + 1 + negative)
    length = len(digits) + int(exponent)
    if length > _YEAR_DIGITS:
        raise scan.error("the year is out of reach", f"{_YEAR_DIGITS} digits are the most we count", begin)
    year = int(digits) * 10 ** int(exponent)
    if length < 5:
        raise scan.error("Y is for years beyond four digits", f"write {'-' * negative}{year:04}", begin)
    number = -year if negative else year
    if scan.peek() == "S":
        return _significant(scan, number)
    _mark(scan)
    _finish(scan, "a year after Y has no month")
    least = 2 if "E" in scan.part else 1
    return _calendar(scan, "date", "year", ((number, 1, 1), (number, 12, 31)), least=least)


def _significant(scan: Scanner, year: int) -> Edtf:
    scan.take("S")
    begin = scan.at
    digits = scan.run(DIGITS)
    if not digits.strip("0"):
        raise scan.error("the number of significant digits is missing", "write 1 or more, as in 1950S2", begin)
    _mark(scan)
    _finish(scan, "a year with significant digits has no month")
    unknown = max(0, len(str(abs(year))) - int(digits))
    step = 10**unknown
    low = abs(year) // step * step
    first, last = (low, low + step - 1) if year >= 0 else (1 - low - step, -low)
    return _calendar(scan, "date", _span(unknown), ((first, 1, 1), (last, 12, 31)), least=2)


def _timed(scan: Scanner, day: Civil) -> Edtf:
    """Read ``"T" time``: LoC EDTF L0 "Date and time". Without seconds it is our extension, the whole minute.

    time   = hh ":" mm [":" ss] [offset]                24:00:00 is the next day's midnight; no leap seconds
    offset = "Z" | ("+" | "-") hh [":" mm]
    """
    if scan.marks or "X" in scan.text[scan.begin : scan.at]:
        hint = "leave the time or the marks out"
        raise scan.error("a time of day needs a day without marks and X", hint, scan.at - 1)
    hour = _number(scan, "hour", 24)
    _colon(scan)
    minute = _number(scan, "minute", 59 if hour < 24 else 0)
    exact = bool(scan.take(":"))
    second = _number(scan, "second", 59 if hour < 24 else 0) if exact else 0
    if scan.rfc3339 and exact and scan.take("."):
        _fraction(scan)
    offset = _offset(scan)
    _finish(scan, "the time ends before this")
    earliest = day_number(*day) * DAY + hour * 3600 + minute * 60 + second - (offset or 0)
    return Edtf(
        scan.part,
        earliest,
        earliest if exact else earliest + 59,
        "datetime",
        "second" if exact else "minute",
        level=_level(scan),
        zoned=offset is not None,
    )


def _number(scan: Scanner, name: str, most: int) -> int:
    number = int(scan.field(2, name, DIGITS))
    if number > most:
        raise scan.error(f"there is no {name} {number:02} here", f"write 00 to {most:02}", scan.field_at)
    return number


def _colon(scan: Scanner) -> None:
    if not scan.take(":"):
        raise scan.wrong("a time needs a colon", "write hours and minutes as 11:30")


def _fraction(scan: Scanner) -> None:
    # Bounds are whole seconds: a fraction is dropped, that is rounded down, at either end.
    if not scan.run(DIGITS):
        raise scan.wrong("the fraction needs digits", "write 19:30:00.5 or leave the full stop out")


def _offset(scan: Scanner) -> int | None:
    """Seconds east of UTC; nothing where the time is civil. -00:00 is UTC (RFC 3339, 4.3)."""
    if scan.letter("Z"):
        return 0
    sign = scan.take("+-")
    if not sign:
        return None
    hours = _number(scan, "offset hour", 23)
    minutes = _number(scan, "offset minute", 59) if scan.take(":") else 0
    east = hours * 3600 + minutes * 60
    return -east if sign == "-" else east


def _finish(scan: Scanner, reason: str = "the date ends before this") -> None:
    if scan.peek() == "T":
        raise scan.wrong("a time of day needs a day", "write it after a day, once, as in 2025-08-15T11:30:00")
    if scan.at < scan.end:
        raise scan.wrong(reason, "leave the rest out, or write / between two dates")


def _calendar(scan: Scanner, kind: Kind, precision: Precision, days: tuple[Civil, Civil], *, least: int = 0) -> Edtf:
    first, last = days
    marks = scan.marks
    return Edtf(
        scan.part,
        day_number(*first) * DAY,
        day_number(*last) * DAY + DAY - 1,
        kind,
        precision,
        level=max(least, _level(scan)),
        approximate="~" in marks or "%" in marks,
        uncertain="?" in marks or "%" in marks,
    )


def _level(scan: Scanner) -> int:
    """Level of a date by its form: L1 has years below zero, one mark at the end and the commonest masks."""
    text = scan.part.rstrip("?~%")
    if scan.marks and (len(scan.marks) > 1 or text == scan.part):
        return 2
    if "X" in text:
        return 1 if _LEVEL_1_MASK.fullmatch(text) else 2
    return 1 if scan.marks or text.startswith("-") else 0
