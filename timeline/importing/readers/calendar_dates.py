"""One date in words or digits, English or French: its day, month, season, year, decade or century, and time of day.

Every word must be known and in its place; what is left over is an error that names what is wrong with it.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final, NoReturn

from dateutil.parser import parser, parserinfo

from timeline.edtf.axis import month_length
from timeline.errors import Invalid
from timeline.importing.drafts import Reading

FRACTION: Final = "fractions of a second"


def refusal(text: str, wrong: str, right: str) -> Invalid:
    """Make the error of a date: what it is, what is wrong with it, what would be right."""
    return Invalid(f"{text!r} {wrong}: {right}")


def year_text(year: int) -> str:
    """Write an astronomical year (0 is 1 BC) as EDTF has it: four digits, or Y and more (LoC EDTF, L1).

    >>> year_text(850), year_text(-43), year_text(-11999)
    ('0850', '-0043', 'Y-11999')
    """
    sign, digits = "-" * (year < 0), f"{abs(year):04}"
    return f"{'Y' * (len(digits) > 4)}{sign}{digits}"


_WEEKDAYS: Final[list[tuple[str, ...]]] = [
    ("mon", "monday", "lundi"), ("tue", "tues", "tuesday", "mardi"), ("wed", "wednesday", "mercredi"),
    ("thu", "thur", "thurs", "thursday", "jeudi"), ("fri", "friday", "vendredi"), ("sat", "saturday", "samedi"),
    ("sun", "sunday", "dimanche"),
]
_MONTHS: Final[list[tuple[str, ...]]] = [
    ("jan", "january", "janvier", "janv"), ("feb", "febr", "february", "février", "fevrier", "févr", "fév"),
    ("mar", "march", "mars"), ("apr", "april", "avril", "avr"), ("may", "mai"), ("jun", "june", "juin"),
    ("jul", "july", "juillet", "juil"), ("aug", "august", "août", "aout"), ("sep", "sept", "september", "septembre"),
    ("oct", "october", "octobre"), ("nov", "november", "novembre"), ("dec", "december", "décembre", "decembre", "déc"),
]


class _Words(parserinfo):
    """The names that `dateutil` may meet. It never sees a word that is not in its place, so only spaces are jumped."""

    JUMP = [" "]  # noqa: RUF012 - as the base class has it
    WEEKDAYS = _WEEKDAYS  # type: ignore[assignment] # dateutil takes any number of names
    MONTHS = _MONTHS  # type: ignore[assignment] # as above


_WORDS: Final = _Words()
_PARSER: Final = parser(_WORDS)
_DEFAULTS: Final = (datetime(2000, 1, 1, 1, 1, 1, 1), datetime(2004, 2, 2, 2, 2, 2, 2))  # noqa: DTZ001 - civil time
_FIELDS: Final = ("year", "month", "day", "hour", "minute", "second", "microsecond")

_CLOCK: Final = (
    r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?(?:\s?[ap]\.?m\b\.?)?|[0-9]{1,2}\s?[ap]\.?m\b\.?|"
    r"[0-9]{1,2}\s?h\b|[0-9]{1,2}\s?h\s?[0-9]{2}\b"
)
_TIMED: Final = re.compile(
    rf"(?P<date>.+?)(?:(?<=[0-9])t|,?\s(?:at\s|à\s|@\s|[-–—]\s)?|,)(?P<clock>{_CLOCK})(?P<zone>.*)"
)
_CLOCK_FIRST: Final = re.compile(
    rf"(?P<clock>{_CLOCK})(?P<zone>\s?z|\s(?:utc|gmt)|\s?[+-][0-9]{{2}}:?[0-9]{{2}}|),?\s(?:on\s|le\s)?(?P<date>.+)"
)
_CLOCK_ALONE: Final = re.compile(rf"(?P<clock>{_CLOCK})(?P<zone>.*)")
_BARE_CLOCK: Final = re.compile(rf"(?:at\s|à\s)?(?:{_CLOCK})(?:\s?(?:z|utc|gmt|[+-][0-9:]+))?")
_ZONE: Final = re.compile(
    r"\s?\(?(?:z|utc|gmt|(?:utc|gmt)?\s?(?P<sign>[+-])(?P<hours>[0-9]{1,2})(?::?(?P<minutes>[0-9]{2}))?)\)?"
    r"(?:\s\([a-z]{2,5}\))?"  # RFC 5322, 3.3: the name beside an offset is a comment
)
_COMPACT: Final = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})(?:t([0-9]{2})([0-9]{2})([0-9]{2})?(z?))?")

_ERAS: Final = (
    r"\s?(?:(?P<bc>b\.?\s?c\.?(?:\s?e\.?)?|av(?:ant|\.)?\s?j\.?[\s-]*c\.?|avant j[ée]sus[\s-]christ|avant notre ère)|"
    r"a\.?d\.?|c\.?e\.?|ap(?:rès|r?\.)?\s?j\.?[\s-]*c\.?|de notre ère)"
)
_ERA: Final = re.compile(
    rf"(?P<date>.*?)(?<![0-9])(?P<year>[0-9]{{1,3}}(?:[ ,][0-9]{{3}})+|[0-9]{{1,11}}){_ERAS}"
)
_ERA_FIRST: Final = re.compile(r"(?P<date>(?:.*\s)?)a\.?d\.?\s?(?P<year>[0-9]{1,4})")

_WORD: Final = r"(?P<month>[^\W\d_]{3,})\.?"
_DAY: Final = r"(?P<day>[0-9]{1,2})(?:st|nd|rd|th|er|\.)?"
_YEAR: Final = r"(?P<year>[0-9]{3,4})"
_OF: Final = r"(?:of\s|de\s|d')?"
_SHAPES: Final = tuple(re.compile(shape) for shape in (
    _YEAR,
    r"(?P<year>[0-9]{4})(?P<dot>[-/.])(?P<month>[0-9]{1,2})(?:(?P=dot)(?P<day>[0-9]{1,2}))?",
    r"(?P<month>[0-9]{1,2})[-/.](?P<year>[0-9]{4})",
    rf"{_WORD},?[\s-]{_OF}{_YEAR}",
    rf"{_DAY}[\s./-]?{_OF}{_WORD},?[\s./-]{_OF}{_YEAR}",
    rf"{_WORD}[\s-](?:the\s)?{_DAY}(?:,\s?|\s){_YEAR}",
    rf"{_YEAR},?[\s-]{_WORD}(?:[\s-]{_DAY})?",
))
_NUMERIC: Final = re.compile(
    r"(?P<first>[0-9]{1,2})(?P<dot>[-/.])\s?(?P<second>[0-9]{1,2})(?P=dot)\s?(?P<year>[0-9]{4})"
)

_SEASONS: Final = {
    "spring": 21, "printemps": 21, "summer": 22, "été": 22, "ete": 22, "autumn": 23, "fall": 23, "automne": 23,
    "winter": 24, "hiver": 24,
}
_SEASON: Final = re.compile(
    rf"(?:the\s|l'|le\s)?(?P<season>{'|'.join(_SEASONS)}),?\s(?:of\s|de\s)?(?P<year>[0-9]{{4}})"
    r"(?:\s?[-/–]\s?(?P<next>[0-9]{4}|[0-9]{2}))?"
)
_PARTS_OF_YEAR: Final = re.compile(
    r"(?P<a>[qths])(?P<number>[1-4])[\s/-]?(?P<year>[0-9]{4})|"
    r"(?P<year_>[0-9]{4})[\s/-]?(?P<a_>[qths])(?P<number_>[1-4])"
)
_DECADE: Final = re.compile(
    rf"(?:(?:the\s)?(?P<year>[0-9]{{1,3}}0)'?s|(?:les\s)?années\s(?P<year_>[0-9]{{1,3}}0))(?P<era>{_ERAS})?"
)
_CENTURY: Final = re.compile(
    r"(?:the\s|le\s)?(?:(?P<number>[0-9]{1,2})(?:st|nd|rd|th|ème|eme|er|e)|(?P<roman>[ivx]{1,5})(?:ème|eme|er|e)?)"
    rf"[\s-](?:century|cent\.|c\.|siècle|siecle)(?P<era>{_ERAS})?"
)
_ROMAN: Final = {numeral: number for number, numeral in enumerate((
    "i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii", "xiii", "xiv", "xv", "xvi", "xvii",
    "xviii", "xix", "xx", "xxi",
), 1)}
_RELATIVE: Final = re.compile(
    r"\b(?:yesterday|today|tonight|tomorrow|now|ago|last|next|this|hier|aujourd'hui|demain|maintenant|dernier|dernière|"
    r"prochain|prochaine|il y a|ce|cette)\b"
)
_PART_WORDS: Final = re.compile(r"\b(?:early|mid|late|beginning|end|début|mi|milieu|fin)\b")
_SHORT_YEAR: Final = re.compile(
    r"'?[0-9]{2}'?s?|[0-9]{1,2}([-/.])[0-9]{1,2}\1[0-9]{2}|"
    r"[0-9]{1,2}[a-z]{0,2}[\s./-]?(?:of\s|de\s)?[^\W\d_]{3,}\.?,?[\s./-]'?[0-9]{2}|"
    r"[^\W\d_]{3,}\.?\s[0-9]{1,2}[a-z]{0,2},\s?'?[0-9]{2}|[^\W\d_]{3,}\.?\s'[0-9]{2}|"
    r"(?:les\s)?années\s[0-9]{2}"
)
_NO_YEAR: Final = re.compile(
    r"[0-9]{1,2}[a-z]{0,2}[\s./-]?(?:of\s|de\s)?[^\W\d_]{3,}\.?|"
    r"[^\W\d_]{3,}\.?(?:\s(?:the\s)?[0-9]{1,2}[a-z]{0,2})?"
)


def is_time(text: str) -> bool:
    """Say whether a text is a time of day and nothing else."""
    return _BARE_CLOCK.fullmatch(text) is not None


def has_month(text: str) -> bool:
    """Say whether a word of a text names a month."""
    return any(_WORDS.month(word) for word in re.findall(r"[^\W\d_]+", text))


def no_such_day(year: int, month: int, day: int) -> str:
    """Say that a month has no such day, and how many it has."""
    return f"there is no day {day}: {year_text(year)}-{month:02} has {month_length(year, month)} days"


def read(text: str, reading: Reading) -> str:
    """Give the EDTF text of one date in folded text (one space between words, lower case), or raise Invalid."""
    for attempt in (season, _part_of_year, _decade, _century):
        found = attempt(text)
        if found is not None:
            return found
    compact = _COMPACT.fullmatch(text)
    if compact:
        year, month, day, hour, minute, second, zulu = compact.groups(default="")
        clock = ":".join(filter(None, (hour, minute, second)))
        text = f"{year}-{month}-{day}" + (f"t{clock}{zulu}" if clock else "")
    if is_time(text):
        raise refusal(text, "is a time without a day", "write the day too, as in 2025-08-15 11:30")
    match = _TIMED.fullmatch(text) or _CLOCK_FIRST.fullmatch(text)
    if match is None:
        return _date(text, reading)
    clock, zone = _clock(text, match["clock"]), _zone(text, match["zone"], match["clock"])
    return _date(match["date"].rstrip(","), reading, clock, zone)


def read_time(text: str, reading: Reading) -> str:
    """Give the EDTF text of a time of day alone, in folded text, with its offset; Invalid where it is none."""
    match = _CLOCK_ALONE.fullmatch(text)
    if match is None:
        raise refusal(text, "is no time of day", "write it as 11:30, 11:30:15 or 2:30 pm")
    found = _date("1 january 2000", reading, _clock(text, match["clock"]), _zone(text, match["zone"], match["clock"]))
    return found.partition("T")[2]


# ---------------------------------------------------------------------------------------------- days

def _date(text: str, reading: Reading, clock: str = "", zone: str = "") -> str:
    bare, weekday = _without_weekday(text)
    fields, year = _fields(text, bare, reading)
    # Years that dateutil would take for short ones are read as one of the same 400-year cycle: months are as long.
    proxy = year if 1000 <= year <= 9999 else 2000 + year % 400
    month = _month(text, fields["month"]) if "month" in fields else ""
    numbers = _given(" ".join(filter(None, (fields.get("day"), month, str(proxy), clock))))
    if numbers is None or numbers.get("day") != (int(fields["day"]) if "day" in fields else None):
        _refuse_numbers(text, fields, year, month)
    if weekday is not None:
        _check_weekday(text, year, numbers, weekday)
    if clock and "day" not in numbers:
        raise refusal(text, "has a time of day but no day", "write the day too, or leave the time out")
    if numbers.get("microsecond"):
        reading.losses[FRACTION] += 1
    return _edtf(year, numbers) + zone


def _given(text: str) -> dict[str, int] | None:
    """Give the fields that a text has, by reading it with two defaults; None where it is not a date."""
    try:
        first, second = (_PARSER.parse(text, default=default) for default in _DEFAULTS)
    except (ValueError, OverflowError):
        return None
    pairs = {name: (getattr(first, name), getattr(second, name)) for name in _FIELDS}
    return {name: pair[0] for name, pair in pairs.items() if pair[0] == pair[1]}


def _edtf(year: int, numbers: dict[str, int]) -> str:
    text = year_text(year)
    for name in ("month", "day"):
        text += f"-{numbers[name]:02}" if name in numbers else ""
    if "hour" in numbers:
        text += f"T{numbers['hour']:02}:{numbers.get('minute', 0):02}"
        text += f":{numbers['second']:02}" if "second" in numbers else ""
    return text


def _fields(text: str, bare: str, reading: Reading) -> tuple[dict[str, str], int]:
    """Give the day and month of a date as written, where they stand, and its year, 0 for 1 BC."""
    bare, year = _without_era(bare)
    match = next(filter(None, (shape.fullmatch(bare) for shape in _SHAPES)), None)
    if match is not None:
        fields = {name: value for name, value in match.groupdict().items() if value and name != "dot"}
    elif numeric := _NUMERIC.fullmatch(bare):
        fields = _day_and_month(text, numeric, reading)
    else:
        _refuse(text)
    if match is not None and _may_be_years(match):
        first, last, month = match["year"], match["year"][:2] + match["month"], match["month"]
        other = f"{first}-{month}" if int(month) <= 12 else first
        raise refusal(text, f"can mean {first} to {last}, or one date of {first}", f"write {first}/{last} or {other}")
    written = int(fields.pop("year"))
    return fields, written if year is None else year


def _may_be_years(match: re.Match[str]) -> bool:
    """Say whether 2001/05 is two years as well; with a hyphen it is ISO 8601."""
    found = match.groupdict()
    if found.get("dot") not in ("/", ".") or found.get("day"):
        return False
    return len(found["month"]) == 2 and int(found["month"]) > int(found["year"][2:])


def _without_era(text: str) -> tuple[str, int | None]:
    """Give a date with 2000 in the place of a year that has an era, and that year, 0 for 1 BC."""
    match = _ERA.fullmatch(text) or _ERA_FIRST.fullmatch(text)
    if match is None:
        return text, None
    year = int(re.sub("[ ,]", "", match["year"]))
    if year == 0:
        raise refusal(text, "has a year 0, and there is none", "write 1 BC or AD 1")
    return f"{match['date']}2000", 1 - year if match.groupdict().get("bc") else year


def _day_and_month(text: str, match: re.Match[str], reading: Reading) -> dict[str, str]:
    first, second = match["first"], match["second"]
    day_first = reading.day_first
    if int(first) > 12 or first.zfill(2) == second.zfill(2):
        day_first = True
    elif int(second) > 12:
        day_first = False
    if day_first is None:
        raise refusal(text, "is ambiguous: the day or the month may come first", "say which by --day-first or "
                      "--month-first, or write the month in letters")
    day, month = (first, second) if day_first else (second, first)
    return {"day": day, "month": month, "year": match["year"]}


def _month(text: str, written: str) -> str:
    """Give a month as dateutil cannot mistake it: its name."""
    if not written.isdecimal():
        if _WORDS.month(written) is None:
            _refuse(text, f"has {written!r} where a month should stand")
        return written
    if not 1 <= int(written) <= 12:
        raise refusal(text, f"has no month {written}", "write 1 to 12")
    return _MONTHS[int(written) - 1][0]


def _without_weekday(text: str) -> tuple[str, int | None]:
    """Take the weekday and the small words off the beginning of a date."""
    text = re.sub(r"^(?:on\s|le\s)", "", text)
    word, dot, rest = re.match(r"([^\W\d_]*)(\.?,?\s)?(.*)", text).groups()  # type: ignore[union-attr] # matches ""
    weekday = _WORDS.weekday(word) if dot and rest else None
    bare = text if weekday is None else rest
    return re.sub(r"^(?:on\sthe\s|on\s|the\s|in\s|le\s|en\s)", "", bare), weekday


def _check_weekday(text: str, year: int, numbers: dict[str, int], weekday: int) -> None:
    if "day" not in numbers:
        raise refusal(text, "has a weekday but no day of the month", "write the day, as in 15 August 2025")
    # Before 1924 the weekday may be right in the Julian calendar, which Greece was the last country to leave.
    actual = weekday if year < 1924 else datetime(year, numbers["month"], numbers["day"]).weekday()  # noqa: DTZ001 - civil
    if actual != weekday:
        names = [_WEEKDAYS[number][1].capitalize() for number in (actual, weekday)]
        raise refusal(text, f"contradicts itself: that day is a {names[0]}, not a {names[1]}", "correct either")


# ---------------------------------------------------------------------------------------------- times of day

def _clock(text: str, written: str) -> str:
    """Write a time of day as dateutil reads it without a doubt."""
    clock = re.sub(r"\s?h\s?", ":", written.replace(",", "."))
    clock = f"{clock}00" if clock.endswith(":") else clock
    half = re.search(r"\s?([ap])\.?m\.?$", clock)
    if half:
        clock = f"{clock[: half.start()]} {half[1]}m"
    hour, minute, second = (
        int(each) for each in [*re.findall(r"[0-9]+", clock.partition(".")[0]), "0", "0"][:3]
    )
    if not (1 <= hour <= 12 if half else hour <= 23) or minute > 59 or second > 59:
        raise refusal(text, f"has no time of day in {written!r}", "write 00:00 to 23:59:59, or 1 to 12 with am or pm")
    return clock


def _zone(text: str, written: str, clock: str) -> str:
    """Give the offset after a time of day as EDTF has it."""
    if not written.strip():
        return ""
    match = _ZONE.fullmatch(written)
    if match is None:
        if re.fullmatch(r"\s?\(?[^\W\d_]{2,6}\)?", written):
            raise refusal(text, f"has the time zone {written.strip().upper()}, and such letters mean several offsets",
                          "write the offset, as in +02:00, or Z for UTC")
        if re.fullmatch(r"\s?[(\[]?[a-z_]+/[a-z_/]+[)\]]?", written):
            raise refusal(text, "names a time zone, which a date cannot hold",
                          "write the offset, as in +02:00, or leave the name out and say it by --tz")
        raise refusal(text, f"has {written.strip()!r} after the time of day", "leave it out, or write an offset, as in "
                      "+02:00")
    if match["sign"] is None:
        return "Z"
    hours, minutes = int(match["hours"]), int(match["minutes"] or 0)
    if hours > 14 or minutes > 59:
        raise refusal(text, f"has no offset in {written.strip()!r}", "write -12:00 to +14:00")
    _refuse_two_times(text, written, clock)
    return f"{match['sign']}{hours:02}:{minutes:02}"


def _refuse_two_times(text: str, written: str, clock: str) -> None:
    """Refuse 10:00-11:00, unless the second time would be before the first one: then it is an offset."""
    later = re.fullmatch(r"\s?-([0-9]{1,2}:[0-9]{2})", written)
    if later and re.fullmatch(r"[0-9]{1,2}:[0-9]{2}", clock) and later[1].zfill(5) > clock.zfill(5):
        raise refusal(text, "can have an offset, or two times", f"write {clock}:00{written.strip()}, or one time")


# ---------------------------------------------------------------------------------------------- longer than a month

def season(text: str) -> str | None:
    """Read a season (ISO 8601-2:2019, 4.8): spring 2025; winter 2024-2025 is that of 2024."""
    match = _SEASON.fullmatch(text)
    if match is None:
        return None
    year, number, following = match["year"], _SEASONS[match["season"]], match["next"]
    if following and (number != 24 or f"{int(year) + 1:04}"[-len(following) :] != following):
        raise refusal(text, "names one season and two years", f"write {match['season']} {year}")
    return f"{year}-{number}"


def _part_of_year(text: str) -> str | None:
    """Read quarters and halves: Q3 2025, T3 2025, H1 2025, S1 2025."""
    match = _PARTS_OF_YEAR.fullmatch(text)
    if match is None:
        return None
    letter, number, year = (match[name] or match[f"{name}_"] for name in ("a", "number", "year"))
    if letter in "hs":
        return f"{year}-{39 + int(number)}" if int(number) < 3 else None
    return f"{year}-{32 + int(number)}"


def _decade(text: str) -> str | None:
    """Read 1940s as 194X; the 440s BC are 449 to 440 BC, which no mask has."""
    match = _DECADE.fullmatch(text)
    if match is None:
        return None
    year = match["year"] or match["year_"]
    if match["bc"]:
        return _one_of(-int(year) - 8, 1 - int(year))
    if len(year) == 2 and not match["era"]:
        _refuse(text, "has a year of two digits")
    if year.endswith("00") and match["year"]:
        raise refusal(text, "can be ten years or a hundred", f"write {year[:-1]}X or {year[:-2]}XX")
    return f"{year.zfill(4)[:-1]}X"


def _century(text: str) -> str | None:
    """Read the 19th century as 18XX; the 5th century BC, 500 to 401 BC, is -04XX; the first ones are years 1 to 100."""
    match = _CENTURY.fullmatch(text)
    if match is None:
        return None
    number = int(match["number"]) if match["number"] else _ROMAN.get(match["roman"], 0)
    if not 1 <= number <= 99:
        raise refusal(text, "is no century", "write one, as in 19th century, or its years, as in 18XX")
    if number == 1:
        return _one_of(-99, 0) if match["bc"] else _one_of(1, 100)
    return f"{'-' if match['bc'] else ''}{number - 1:02}XX"


def _one_of(first: int, last: int) -> str:
    return f"[{year_text(first)}..{year_text(last)}]"


# ---------------------------------------------------------------------------------------------- refusals

def _refuse_numbers(text: str, fields: dict[str, str], year: int, month: str) -> NoReturn:
    number = _WORDS.month(month) if month else None
    if "day" in fields and number and not 1 <= int(fields["day"]) <= month_length(year, number):
        raise refusal(text, "is no date", no_such_day(year, number, int(fields["day"])))
    _refuse(text)


def _refuse(text: str, wrong: str = "is no date that can be read") -> NoReturn:
    """Say what is wrong with text of no known form, as closely as can be told."""
    if _RELATIVE.search(text):
        raise refusal(text, "depends on the day it was said", "write the date itself, as in 15 August 2025")
    if _PART_WORDS.search(text):
        raise refusal(text, "names a vague part, for which EDTF has no words", "write its limits, as in "
                      "between 2025-08-01 and 2025-08-10, or leave the word out")
    if _WORDS.weekday(text.strip(".,")) is not None:
        raise refusal(text, "is a weekday alone", "write the date, as in 15 August 2025")
    if _SHORT_YEAR.fullmatch(text):
        raise refusal(text, "has a year of two digits", "write all four, as in 1925 or 2025, or AD 25")
    if _NO_YEAR.fullmatch(text) and has_month(text):
        raise refusal(text, "has no year", "write it, as in 15 August 2025")
    raise refusal(text, wrong, "write it as 2025-08-15, 15 August 2025, August 2025, 2025 or 1940s")
