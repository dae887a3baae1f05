"""Dates as sources give them: EDTF (ISO 8601-2:2019) levels 0, 1 and 2, with usable bounds.

>>> when = parse("2025-08~")
>>> str(when), when.approximate, day(when.earliest), day(when.latest)
('2025-08~', True, '2025-08-01', '2025-08-31')

Why our own parser: no library gives usable bounds. The PyPI ``edtf`` needs 5 to 24 ms for one string, drops the time
of day, ends ``2025-08-15/`` ten years later and accepts 29 February 2025; the npm ``edtf`` ends ``1670..1672`` in 1670.

The decisions where the standard leaves room:

* Bounds are what the text says and nothing more: ``?``, ``~`` and ``%`` are flags and never widen them.
* A civil date is whole: 86400 seconds, ``latest`` inclusive, read as if in UTC; ``bounds(tz)`` reads it in a zone.
* Seasons are meteorological; 21 to 24 are northern, winter runs into the next year (``2025-24`` ends 2026-02-28).
* An unknown end (``2025/``) is not an open one (``2025/..``): both are unbounded, ``end_kind`` tells them apart.
* ``2025-08-31/2025-08`` stands: only an end that is over before the start begins is refused.
* ``2025-08-15T11:30`` is our one extension: EDTF wants seconds, sources rarely have them. It is that whole minute.
* Years stay below 10**11 either way, so that every bound fits a signed 64-bit integer; text ends at 120 characters.

Layout: ``axis`` days and seconds; ``scanner`` and ``errors`` the caret; ``masks`` digits that are unknown; ``value``
the parsed date; ``dates`` one date; ``parser`` intervals and sets; ``zones`` civil time to instants; ``ranges`` the
bounds of a query.
"""

from timeline.edtf.axis import day, iso, ymd
from timeline.edtf.errors import EdtfError
from timeline.edtf.parser import parse
from timeline.edtf.ranges import parse_range
from timeline.edtf.value import Edtf

__all__ = ["Edtf", "EdtfError", "day", "iso", "parse", "parse_range", "ymd"]


def __dir__() -> list[str]:
    return __all__
