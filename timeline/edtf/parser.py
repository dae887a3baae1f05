"""Text to value: plain dates at once, then intervals, sets and everything else by recursive descent."""

from functools import lru_cache

from timeline.edtf.axis import day
from timeline.edtf.dates import date, plain
from timeline.edtf.errors import LIMIT, EdtfError
from timeline.edtf.scanner import Scanner
from timeline.edtf.value import Edtf, End, coarsest

_Limit = tuple[Edtf | None, End]  # a date, or what it means that there is none

_MISSING: dict[str, End] = {"": "unknown", "..": "open"}


def parse(text: str) -> Edtf:
    """Read an EDTF string (ISO 8601-2:2019, levels 0 to 2; LoC EDTF specification).

    Bounds are integer seconds since 1970-01-01T00:00:00Z, the last one inclusive. Raises EdtfError, a ValueError with
    a caret, for text that is not EDTF or is longer than 120 characters; linear in the length of the text.

    edtf = date | interval | set

    >>> when = parse("2025-08-15/2025-08-18")
    >>> when.kind, when.earliest, when.latest, str(when.start)
    ('interval', 1755216000, 1755561599, '2025-08-15')
    >>> parse("2025-02-29")
    Traceback (most recent call last):
    timeline.edtf.errors.EdtfError: there is no day 29; 2025-02 has 28 days
      2025-02-29
              ^
    """
    return _parsed(text)


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Edtf:
    return plain(text) or _structured(text)


def _structured(text: str) -> Edtf:
    check_length(text)
    scan = Scanner(text, 0, len(text))
    if not text:
        raise scan.wrong("there is no date", "write one, as in 2025, 2025-08-15 or 2025-08-15/2025-08-18")
    if text[0] in "[{":
        return _set(scan)
    if "/" in text:
        return _interval(scan)
    if text.startswith("..") or text.endswith(".."):
        raise scan.error("'..' is half of an interval or set", "write ../2025, 2025/.. or [..2025]", text.index(".."))
    return date(scan)


def check_length(text: str) -> None:
    """Raise EdtfError where a text is longer than any honest date."""
    if len(text) > LIMIT:
        raise EdtfError(text, LIMIT, "the text is too long for a date", f"{LIMIT} characters are the most we read")


def _interval(scan: Scanner) -> Edtf:
    """Read ``end "/" end``: LoC EDTF L0 "Time interval", L1 "Extended interval", L2 "Interval".

    end = date | ".." | ""          ".." is open, blank unknown; at least one end says something; no time of day
    """
    slash = scan.text.index("/")
    if "/" in scan.text[slash + 1 :]:
        raise scan.error("an interval has two ends", "leave the second slash out", scan.text.index("/", slash + 1))
    if scan.text == "/":
        raise scan.error("an interval needs an end that is known or open", "write 2025/ or 2025/..", 0)
    return _between(scan, scan.text, _end(scan, 0, slash), _end(scan, slash + 1, scan.end), slash + 1)


def _end(scan: Scanner, begin: int, end: int) -> _Limit:
    text = scan.text[begin:end]
    if text in _MISSING:
        return None, _MISSING[text]
    if text.lower() in ("open", "unknown"):
        modern = "write '..' for an open end" if text.lower() == "open" else "leave an unknown end blank, as in 2025/"
        raise scan.error(f"'{text}' is from the 2012 draft", modern, begin)
    return _untimed(scan, begin, end), "known"


def _untimed(scan: Scanner, begin: int, end: int) -> Edtf:
    found = plain(scan.text[begin:end]) or date(Scanner(scan.text, begin, end))
    if found.kind == "datetime":
        # LoC EDTF L0 "Time interval": "Time of day is excluded."
        hour = scan.text.index("T", begin)
        raise scan.error("intervals and sets of EDTF have no time of day", "write the days alone", hour)
    return found


def _between(scan: Scanner, text: str, first: _Limit, last: _Limit, blame: int) -> Edtf:
    start, end = first[0], last[0]
    earliest = start.earliest if start else None
    latest = end.latest if end else None
    if earliest is not None and latest is not None and latest < earliest:
        hint = f"put the earlier first; {day(latest)} is before {day(earliest)}"
        raise scan.error("the end is before the start", hint, blame)
    known = [each for each in (start, end) if each]
    return Edtf(
        text,
        earliest,
        latest,
        "interval",
        coarsest(known),
        level=_level(text, known),
        approximate=any(each.approximate for each in known),
        uncertain=any(each.uncertain for each in known),
        start_kind="known" if start else first[1],
        end_kind="known" if end else last[1],
        start=start,
        end=end,
    )


def _level(text: str, known: list[Edtf]) -> int:
    # L1 has seasons, years below zero, marks and missing ends; L2 adds unspecified digits within an interval.
    if "X" in text:
        return 2
    return max([1 if len(known) < 2 else 0, *(each.level for each in known)])


def _set(scan: Scanner) -> Edtf:
    """Read a set: LoC EDTF L2 "Set representation"; a run of dates counts as one member.

    set     = "[" element *("," element) "]"            one of them
            | "{" element *("," element) "}"            all of them
    element = date | date ".." date | ".." date (first only) | date ".." (last only)
    """
    opening = scan.text[0]
    closing = "]" if opening == "[" else "}"
    if scan.text[-1] != closing or len(scan.text) < 3:
        where = len(scan.text) - (scan.text[-1] in "]}")
        raise scan.error("the set is not complete", f"write {opening}1960,1961{closing}", where)
    members: list[Edtf] = []
    begin, last = 1, len(scan.text) - 1
    while begin <= last:
        comma = scan.text.find(",", begin, last)
        end = last if comma < 0 else comma
        members.append(_element(scan, begin, end, first=begin == 1, last=end == last))
        begin = end + 1
    return _together(scan, tuple(members))


def _element(scan: Scanner, begin: int, end: int, *, first: bool, last: bool) -> Edtf:
    text = scan.text[begin:end]
    dots = text.find("..")
    if dots < 0:
        return _untimed(scan, begin, end)
    if text == "..":
        raise scan.error("'..' needs a date beside it", "write [..1984] or [1984..]", begin)
    if (dots == 0 and not first) or (dots == len(text) - 2 and not last):
        hint = "only the first element may begin with '..', only the last end with it"
        raise scan.error("an open element amid a set", hint, begin + dots)
    after = begin + dots + 2
    start = _untimed(scan, begin, begin + dots) if dots else None
    finish = _untimed(scan, after, end) if after < end else None
    return _between(scan, f"{start or '..'}/{finish or '..'}", (start, "open"), (finish, "open"), after)


def _together(scan: Scanner, members: tuple[Edtf, ...]) -> Edtf:
    starts = [each.earliest for each in members if each.earliest is not None]
    ends = [each.latest for each in members if each.latest is not None]
    begins = len(starts) == len(members)
    finishes = len(ends) == len(members)
    return Edtf(
        scan.text,
        min(starts) if begins else None,
        max(ends) if finishes else None,
        "one-of" if scan.text[0] == "[" else "all-of",
        coarsest(list(members)),
        level=2,
        approximate=any(each.approximate for each in members),
        uncertain=any(each.uncertain for each in members),
        start_kind="known" if begins else "open",
        end_kind="known" if finishes else "open",
        members=members,
    )
