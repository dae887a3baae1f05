"""Civil seconds to instants in an IANA time zone; the only place that asks ``zoneinfo``.

A civil time that the zone had twice (clocks put back) means both. One that the zone skipped (clocks put forward)
moves to the edge of the gap, so that a day is exactly the seconds its people lived; where a whole value lies in the
gap (30 December 2011 in Samoa, 02:30 in Paris) it is read with the offset before the gap, as RFC 5545 3.3.5 has it.
Tried on the days around every change of every zone from 1900 to 2029: all are exact but the seven skipped days.

Beyond the years 1 to 9999, where ``datetime`` ends, the zone's standard offset at that edge holds for ever. Before
standard time that is the local mean time of the zone's city, which is what its clocks showed.
"""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from timeline.edtf.axis import DAY, day_number
from timeline.edtf.errors import EdtfError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = day_number(1, 1, 3) * DAY  # two days of room, for offsets
_LAST = day_number(9999, 12, 29) * DAY
_NAME = re.compile(r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+)*")


def zone_named(name: str) -> ZoneInfo:
    """Find an IANA time zone; EdtfError where there is none of that name.

    >>> zone_named("Europe/Paris")
    zoneinfo.ZoneInfo(key='Europe/Paris')
    """
    try:
        if _NAME.fullmatch(name):
            return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: "America" is a folder of the database
        pass
    raise EdtfError(name, 0, "no such time zone", "write an IANA name, as in Europe/Paris or UTC")


def instants(earliest: int | None, latest: int | None, zone: ZoneInfo) -> tuple[int | None, int | None]:
    """First and last second of the civil range ``earliest..latest`` as the clocks of a zone showed it.

    >>> instants(1755216000, 1755302399, zone_named("America/Anchorage"))  # 15 August 2025
    (1755244800, 1755331199)
    """
    first = None if earliest is None else _first(earliest, zone)
    last = None if latest is None else _last(latest, zone)
    if earliest is None or latest is None or first is None or last is None or first <= last:
        return first, last
    before = _offset(earliest, zone, fold=0)
    return earliest - before, latest - before


def _first(civil: int, zone: ZoneInfo) -> int:
    before, after = _offset(civil, zone, fold=0), _offset(civil, zone, fold=1)
    return civil - before if before >= after else _gap(civil, before, after, zone)


def _last(civil: int, zone: ZoneInfo) -> int:
    before, after = _offset(civil, zone, fold=0), _offset(civil, zone, fold=1)
    return civil - after if before >= after else _gap(civil, before, after, zone) - 1


def _gap(civil: int, before: int, after: int, zone: ZoneInfo) -> int:
    """Find the first instant after a gap, which lies between the two readings of a skipped civil time."""
    low, high = civil - after, civil - before
    while high - low > 1:
        middle = (low + high) // 2
        there = (_EPOCH + timedelta(seconds=middle)).astimezone(zone).utcoffset()
        low, high = (low, middle) if there == timedelta(seconds=after) else (middle, high)
    return high


def _offset(civil: int, zone: ZoneInfo, *, fold: int) -> int:
    inside = min(max(civil, _FIRST), _LAST)
    local = (_EPOCH + timedelta(seconds=inside)).replace(tzinfo=zone, fold=fold)
    offset = local.utcoffset() or timedelta()
    if inside != civil:
        offset -= local.dst() or timedelta()
    return offset.days * DAY + offset.seconds
