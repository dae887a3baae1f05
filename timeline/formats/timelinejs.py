"""TimelineJS3 JSON (NUKnightLab/TimelineJS3, "JSON Data Format"; read in its source, 3.9.11).

What the widget does with dates, and what is done about it here:

* It tests whether two dates are equal by the parts of the first one, and drops the end if so: both have the same parts.
* A number 0 for the hour loses the time: parts are strings, and there is no hour where none is known.
* It knows no time zone and builds dates in the reader's: days are civil days, which are the same in every zone; times
  are in UTC, and the text shown says so. A time without a zone stays as it is.
* It counts years as historians do: EDTF ``-0043`` is 44 BC, year -44. There is no year 0.
* It checks nothing (month 13 is "February"): only parts of parsed dates are written.
* It knows no doubt: `display_date` is shown instead of the dates, and has the words.

* It strips `group` and `display_date` of markup, decodes their entities and then writes them as HTML: text that was
  escaped once would run. There, angle brackets become guillemets and an ampersand is escaped, so that nothing is left
  to strip or to run.

Headlines, texts and credits are HTML too: they get escaped text. Ids are ours, so that links survive a new headline.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from timeline.edtf import iso, ymd
from timeline.edtf.axis import month_length
from timeline.formats.events import (
    BEYOND,
    DAY,
    DOUBT,
    NO_BEGINNING,
    NO_END,
    Entry,
    clock,
    fits_javascript,
    read,
)
from timeline.formats.markup import paragraphs, picture, text
from timeline.formats.sheet import Sheet, joined
from timeline.wording import when_in_words

_PARTS: Final = ("year", "month", "day", "hour", "minute", "second")
_GUILLEMETS: Final = str.maketrans("<>", "\u2039\u203a")
SEVERAL: Final = "several actors: only the first has its lane"


def write(sheet: Sheet) -> Iterator[bytes]:
    """Write ``{"scale": "human", "events": [...]}``. Without a single event the widget shows an error."""
    yield b'{"scale":"human","events":['
    yield from joined(_slides(sheet))
    yield b"]}"


def _slides(sheet: Sheet) -> Iterator[bytes]:
    for body in sheet.bodies:
        entry = read(body)
        reason = entry.missing() or (None if _holds(entry) else BEYOND)
        if reason is not None:
            sheet.losses.left_out[reason] += 1
            continue
        yield msgspec.json.encode(_slide(entry, sheet))


def _holds(entry: Entry) -> bool:
    return fits_javascript(*(bound for bound in (*entry.civil, *entry.instants) if bound is not None))


def _slide(entry: Entry, sheet: Sheet) -> dict[str, Any]:
    start, end = _dates(entry)
    _count(entry, sheet)
    names = [sheet.name(actor) for actor in entry.actors]
    slide = {
        "unique_id": entry.id,
        "start_date": start,
        "display_date": _label(_shown(entry)),
        "text": {"headline": text(entry.title), "text": paragraphs(entry.summary, ", ".join(names))},
        "autolink": False,
    }
    if end is not None:
        slide["end_date"] = end
    if names:
        slide["group"] = _label(names[0])
    medium = picture(entry.event)
    if medium is not None:
        slide["media"] = {name: text(medium[name]) if name != "url" else medium[name]
                          for name in ("url", "caption", "credit", "alt") if name in medium}
    return slide


def _label(plain: str) -> str:
    """Write text for what the widget decodes before it writes it as HTML: safe whether it decodes or not."""
    return plain.translate(_GUILLEMETS).replace("&", "&amp;")


def _count(entry: Entry, sheet: Sheet) -> None:
    first, last = entry.civil
    reasons = {NO_BEGINNING: first is None, NO_END: last is None,
               DOUBT: first is not None and last is not None and not entry.sure, SEVERAL: len(entry.actors) > 1}
    sheet.losses.reduced.update([reason for reason, holds in reasons.items() if holds])


def _shown(entry: Entry) -> str:
    """Say the date; a time is said in the zone that its parts are in."""
    first, _ = entry.instants
    if not entry.timed or first is None or not _in_utc(entry):
        return entry.words
    digits = clock(first) if _to_the_second(entry) else f"{clock(first)[:5]}:00"
    return when_in_words(f"{iso(first)[:-9]}{digits}Z", entry.event.get("lang") or "en")


def _in_utc(entry: Entry) -> bool:
    return entry.tz is not None or (entry.when is not None and entry.when.zoned)


def _to_the_second(entry: Entry) -> bool:
    return entry.when is not None and entry.when.precision == "second"


def _dates(entry: Entry) -> tuple[dict[str, str], dict[str, str] | None]:
    first, last = entry.instants if entry.timed and _in_utc(entry) else entry.civil
    start, end = (next(bound for bound in pair if bound is not None) for pair in ((first, last), (last, first)))
    if entry.timed:
        return _parts(start, 6 if _to_the_second(entry) else 5), None
    length = _length(start, end, entry)
    parts, end_parts = _parts(start, length), _parts(end, length)
    return parts, None if parts == end_parts else end_parts


def _length(first: int, last: int, entry: Entry) -> int:
    """Count the parts that both dates need so that nothing is lost: years, or months, or days."""
    if entry.when is not None and entry.when.precision == "day":
        return 3
    _, month, day = ymd(first)
    year, last_month, last_day = ymd(last)
    if day != 1 or last_day != month_length(year, last_month) or None in entry.civil:
        return 3
    return 1 if (month, last_month) == (1, 12) else 2


def _parts(seconds: int, length: int) -> dict[str, str]:
    year, *rest = (*ymd(seconds), seconds % DAY // 3600, seconds % 3600 // 60, seconds % 60)
    parts = (year if year > 0 else year - 1, *rest)
    return {name: str(part) for name, part in zip(_PARTS[:length], parts, strict=False)}
