"""EDTF to words: which form a date has, and what a grammar is asked to say of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final

from timeline.edtf import Edtf, parse, ymd
from timeline.wording.grammars import GRAMMARS, English, Phrase
from timeline.wording.labels import deslug, language

_DATE: Final = re.compile(
    r"(?P<y0>[?~%]?)(?P<year>Y-?[0-9]+(?:E[0-9]+)?|-?[0-9X]{4})(?:S(?P<digits>[0-9]+))?(?P<y1>[?~%]?)"
    r"(?:-(?P<m0>[?~%]?)(?P<month>[0-9X]{2})(?P<m1>[?~%]?))?(?:-(?P<d0>[?~%]?)(?P<day>[0-9X]{2})(?P<d1>[?~%]?))?"
    r"(?:T(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2}))?(?P<offset>Z|[+-][0-9]{2}(?::[0-9]{2})?)?)?"
)
_SOUTH: Final = 29
_QUARTER: Final = 33


def marks(date: str) -> dict[str, str]:
    """Give the mark of doubt on each component: one on its right also covers all to its left (LoC EDTF L2).

    >>> marks("2025?-08-~15")
    {'year': '?', 'month': '', 'day': '~'}
    """
    match = _DATE.fullmatch(date)
    if match is None:
        return {}
    found = {name: "" for name in ("year", "month", "day") if match[name]}
    for number, name in enumerate(found):
        own = (match[f"{name[0]}0"] or "") + "".join(match[f"{later[0]}1"] or "" for later in list(found)[number:])
        doubt = ("~" in own or "%" in own, "?" in own or "%" in own)
        found[name] = {(True, True): "%", (True, False): "~", (False, True): "?"}.get(doubt, "")
    return found


def when_in_words(
    when: Edtf | str | None, lang: str, tz: str | None = None, anchor: Mapping[str, Any] | None = None, *,
    expected: bool = False,
) -> str:
    """Say a date in words, without claiming more than it does.

    `tz` is the IANA zone of a civil time of day. `anchor` ({relation, text or event}) stands for what has no date.
    `expected` is for plans: an open end is then not "ongoing" but not given. Text that is no EDTF raises ValueError.

    >>> when_in_words("2025-08-15/..", "en"), when_in_words("2025-08-01~", "fr")
    ('since 15 August 2025, ongoing', 'vers le 1er août 2025')
    >>> when_in_words("2025-08-15T11:30:00", "en", "America/Anchorage")
    '15 August 2025, 11:30 (America/Anchorage)'
    >>> when_in_words(None, "en", anchor={"relation": "day-after", "text": "a ceasefire in Ukraine"})
    'the day after a ceasefire in Ukraine (not dated)'
    """
    grammar = GRAMMARS[language(lang)]
    if when is None:
        text = (anchor or {}).get("text") or deslug((anchor or {}).get("event") or "")
        return grammar.anchor(anchor.get("relation", "after"), text) if anchor and text else grammar.undated
    return _words(str(when), grammar.code, tz or "", expected)


@lru_cache(maxsize=16384)
def _words(text: str, code: str, tz: str, expected: bool) -> str:  # noqa: FBT001 - a cache key, not an option
    grammar, when = GRAMMARS[code], parse(text)
    if when.kind == "interval":
        return _interval(when, grammar, expected=expected)
    if when.kind in ("one-of", "all-of"):
        return _set(when, grammar)
    return grammar.alone(_date(when, grammar)) + _time(when, grammar, tz)


def _interval(when: Edtf, grammar: English, *, expected: bool) -> str:
    first = _date(when.start, grammar) if when.start else None
    last = _date(when.end, grammar) if when.end else None
    if first and last:
        return grammar.span(first, last)
    if last:
        return grammar.until(last, when.start_kind, expected=expected)
    if first:
        return grammar.since(first, when.end_kind, expected=expected)
    return grammar.bare[when.start_kind, when.end_kind]


def _set(when: Edtf, grammar: English) -> str:
    texts = [_member(each, grammar, every=when.kind == "all-of") for each in when.members]
    if len(texts) == 1:
        return texts[0]
    return grammar.either(texts) if when.kind == "one-of" else grammar.both(texts)


def _member(member: Edtf, grammar: English, *, every: bool) -> str:
    """Say one element of a set; a run of dates means one of them, or each."""
    if member.kind != "interval":
        return grammar.alone(_date(member, grammar))
    first = _date(member.start, grammar) if member.start else None
    last = _date(member.end, grammar) if member.end else None
    mixed = member.start and member.end and member.start.precision != member.end.precision
    unit = "unknown" if mixed else member.precision
    if every:
        return grammar.each(first, last, unit)
    if first and last:
        return grammar.between(first, last, unit)
    return grammar.latest(last, unit) if last else grammar.earliest(first or Phrase(""), unit)


def _date(when: Edtf, grammar: English) -> Phrase:
    """Say one date, with its doubt: as a mark where it lies on the whole, spelled out where on a part."""
    phrase = _sure(when, grammar)
    doubts = marks(when.text)
    if len(set(doubts.values())) == 1:
        return replace(phrase, mark=next(iter(doubts.values())), plain=() if any(doubts.values()) else phrase.plain)
    by_mark: dict[str, list[str]] = {}
    for name, mark in reversed(doubts.items()):
        if mark:
            by_mark.setdefault(mark, []).append(grammar.components[name])
    details = "; ".join(grammar.doubt(mark, f" {grammar.conjunction} ".join(names)) for mark, names in by_mark.items())
    return replace(phrase, text=f"{phrase.text} ({details})", plain=())


def _sure(when: Edtf, grammar: English) -> Phrase:
    """Say one date without its marks of doubt."""
    match = _DATE.fullmatch(when.text)
    if match is None or when.earliest is None or when.latest is None:
        return Phrase(when.text)
    year, month, day = match["year"], match["month"] or "", match["day"] or ""
    if "X" in f"{year}{month}{day}":
        return _masked(when, (year, month, day), grammar)
    number = _year_number(year)
    named = grammar.year(number)
    if match["digits"]:
        return _significant(when, named, match["digits"], grammar)
    if month and int(month) > 12:
        return _season(int(month), number, grammar)
    return _named(number, int(month or 0), int(day or 0), grammar)


def _named(year: int, month: int, day: int, grammar: English) -> Phrase:
    """Say a plain year, month (day 0) or day."""
    if not month:
        return Phrase(grammar.year(year), plain=(year,))
    if not day:
        return replace(grammar.month(grammar.year(year), month), plain=(year, month))
    return replace(grammar.day(grammar.year(year), month, day), plain=(year, month, day))


def _year_number(year: str) -> int:
    digits, _, exponent = year.removeprefix("Y").partition("E")
    factor: int = 10 ** int(exponent or 0)
    return int(digits) * factor


def _significant(when: Edtf, named: str, digits: str, grammar: English) -> Phrase:
    first, last = ymd(when.earliest or 0)[0], ymd(when.latest or 0)[0]
    if first == last:
        return Phrase(named)
    return grammar.significant(named, digits.lstrip("0"), grammar.year(first), grammar.year(last))


def _season(number: int, year: int, grammar: English) -> Phrase:
    if number >= _QUARTER:
        return grammar.part(number - _QUARTER, grammar.year(year))
    crosses = number in (24, 28, 30) and year > 999
    named = f"{grammar.year(year)}–{grammar.year(year + 1)}" if crosses else grammar.year(year)
    phrase = grammar.season((number - 21) % 4, named)
    if number <= 24:
        return phrase
    return replace(phrase, text=f"{phrase.text} ({grammar.hemispheres[number >= _SOUTH]})")


def _masked(when: Edtf, parts: tuple[str, str, str], grammar: English) -> Phrase:
    """Say a date with unknown digits: by its shape where there is a word for it, else by its bounds and its form."""
    year, month, day = parts
    if not month:
        return _masked_year(when, year, grammar)
    if "X" not in year and month == "XX" and not day:
        return grammar.unknown("month", Phrase(grammar.year(int(year))))
    if "X" not in year and day == "XX" and (month == "XX" or month.isdigit()):
        named = grammar.year(int(year))
        return grammar.unknown("day", Phrase(named) if month == "XX" else grammar.month(named, int(month)))
    if month.isdigit() and day.isdigit():
        return grammar.yearly(grammar.day("", int(month), int(day)), _masked_year(when, year, grammar))
    unit = "day" if day else "month" if when.kind == "date" else when.precision
    return grammar.masked(*_edges(when, unit, grammar), unit, _form(f"{year}-{month}-{day}".rstrip("-")))


def _masked_year(when: Edtf, year: str, grammar: English) -> Phrase:
    if year == "XXXX":
        return grammar.some_year()
    if re.fullmatch(r"[1-9][0-9]{2}X", year):
        return grammar.decade(int(year[:3]) * 10)
    if re.fullmatch(r"[1-9][0-9]XX", year):
        return grammar.century(int(year[:2]) * 100)
    return grammar.masked(*_edges(when, "year", grammar), "year", _form(year))


def _form(text: str) -> str:
    """Give the mask where unknown digits are not the last ones: not every date between is meant then."""
    return "" if re.fullmatch(r"-?[0-9-]*X*(-XX)*", text) else text


def _edges(when: Edtf, unit: str, grammar: English) -> tuple[Phrase, Phrase]:
    first, last = (_edge(ymd(bound or 0), unit, grammar) for bound in (when.earliest, when.latest))
    return first, last


def _edge(bound: tuple[int, int, int], unit: str, grammar: English) -> Phrase:
    year, month, day = bound
    return _named(year, month if unit != "year" else 0, day if unit not in ("year", "month") else 0, grammar)


def _time(when: Edtf, grammar: English, tz: str) -> str:
    match = _DATE.fullmatch(when.text)
    if match is None or match["hour"] is None:
        return ""
    offset = match["offset"] or ""
    where = "UTC" if offset == "Z" else f"UTC{offset.replace('-', '−')}" if offset else ""
    zone = ", ".join(name for name in (where, tz) if name)
    clock = grammar.clock(match["hour"], match["minute"], match["second"] or "")
    return f", {clock}" + (f" ({zone})" if zone else "")
