"""Bounds of a query: EDTF, RFC 3339 instants and the OGC interval grammar in one parameter."""

from timeline.edtf.dates import date, plain
from timeline.edtf.parser import check_length, parse
from timeline.edtf.scanner import Scanner
from timeline.edtf.value import Edtf
from timeline.edtf.zones import zone_named

Bounds = tuple[int | None, int | None]


def parse_range(text: str, tz: str | None = None) -> Bounds:
    """Read the range of a query: first and last second since 1970-01-01T00:00:00Z, ``None`` where unbounded.

    range = set | end | end "/" end         OGC 17-069r3, 7.15.5 ``datetime``, with EDTF for ends
    end   = date | instant | ".." | ""      at least one end is a date or an instant
    instant = RFC 3339 date-time            lower-case t and z pass; fractions of a second are rounded down

    Civil ends are read in the IANA zone ``tz`` (``None``: UTC), instants keep their offset. A vague end counts whole:
    the range ``2025-08/2025-09`` ends with September. Raises EdtfError for anything else, and for an unknown zone.

    >>> parse_range("2025-08-15t19:30:00z/..")
    (1755286200, None)
    >>> parse_range("2025-08-15", "Europe/Moscow")
    (1755205200, 1755291599)
    >>> parse_range("2025-08-15T11:30:00 03:00")
    Traceback (most recent call last):
    timeline.edtf.errors.EdtfError: a space in the range; a '+' that is not escaped arrives as a space: write %2B
      2025-08-15T11:30:00 03:00
                         ^
    """
    if tz is not None:
        zone_named(tz)
    check_length(text)
    scan = Scanner(text, 0, len(text))
    _refuse_foreign_characters(scan)
    if not text:
        raise scan.wrong("the range is empty", "write a date or two, as in 2025-08-15/2025-08-18")
    if text[0] in "[{":
        return parse(text).bounds(tz)
    if "/" in text:
        return _interval(scan, tz)
    if text == "..":
        raise scan.wrong("the range has no date", "leave the parameter out to ask for all time")
    return _end(scan, 0, scan.end).bounds(tz)


def _refuse_foreign_characters(scan: Scanner) -> None:
    space = scan.text.find(" ")
    if space >= 0:
        hint = "leave it out"
        if ":" in scan.text[:space]:
            hint = "a '+' that is not escaped arrives as a space: write %2B"
        elif space and ":" in scan.text[space:]:
            hint = "write T between day and time"
        raise scan.error("a space in the range", hint, space)
    comma = scan.text.find(",")
    if comma >= 0 and scan.text[0] not in "[{":
        raise scan.error("a comma in the range", "write fractions of a second with a full stop", comma)


def _interval(scan: Scanner, tz: str | None) -> Bounds:
    slash = scan.text.index("/")
    second = scan.text.find("/", slash + 1)
    if second >= 0:
        raise scan.error("the range has more than two ends", "leave the second slash out", second)
    earliest = latest = None
    start, end = scan.text[:slash], scan.text[slash + 1 :]
    unbounded = ("", "..")
    if start in unbounded and end in unbounded:
        raise scan.error("the range has no date", "leave the parameter out to ask for all time", 0)
    if start not in unbounded:
        earliest = _end(scan, 0, slash).bounds(tz)[0]
    if end not in unbounded:
        latest = _end(scan, slash + 1, scan.end).bounds(tz)[1]
    if earliest is not None and latest is not None and latest < earliest:
        raise scan.error("the range ends before it starts", "put the earlier end first", slash + 1)
    return earliest, latest


def _end(scan: Scanner, begin: int, end: int) -> Edtf:
    return plain(scan.text[begin:end]) or date(Scanner(scan.text, begin, end, rfc3339=True))
