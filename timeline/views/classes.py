"""Duration classes: overlap queries that stay flat as the log grows.

Events that may overlap [a, b] are those with ``earliest <= b and latest >= a``. No B-tree answers two inequalities, and
one century-long event among millions of one-day ones spoils any bound on ``earliest``. So rows are put in classes by
the length of their interval: class k holds lengths below 2^k seconds, hence in class k only
``earliest >= a - (2^k - 1)`` can reach a. A question scans each class's small window and merges them lazily
(`reader`). Unbounded intervals have classes of their own.
"""

from __future__ import annotations

from typing import Final, NamedTuple

LOWEST: Final = -(2**62)
HIGHEST: Final = 2**62
"""Sentinels for unbounded ends: beyond any date we accept, and still 64-bit integers."""

OPEN_BOTH: Final = 64
OPEN_START: Final = 65
OPEN_END: Final = 66
UNDATED: Final = 67

Bounds = tuple[int | None, int | None]


class Placed(NamedTuple):
    """An interval as it is indexed."""

    class_: int
    earliest: int
    latest: int


def place(bounds: Bounds | None) -> Placed:
    """Give class and sortable ends; undated events stand after everything dated.

    >>> place((0, 86_399))
    Placed(class_=17, earliest=0, latest=86399)
    """
    if bounds is None:
        return Placed(UNDATED, HIGHEST, HIGHEST)
    earliest = LOWEST if bounds[0] is None else max(LOWEST + 1, min(bounds[0], HIGHEST - 2))
    latest = HIGHEST - 1 if bounds[1] is None else max(LOWEST + 1, min(bounds[1], HIGHEST - 2))
    if bounds[0] is None:
        return Placed(OPEN_BOTH if bounds[1] is None else OPEN_START, earliest, latest)
    if bounds[1] is None:
        return Placed(OPEN_END, earliest, latest)
    return Placed((latest - earliest).bit_length(), earliest, latest)


def bounds(class_: int, earliest: int, latest: int) -> Bounds | None:
    """Give back the bounds that were placed.

    >>> bounds(*place((0, None))), bounds(*place(None))
    ((0, None), None)
    """
    if class_ == UNDATED:
        return None
    return None if earliest == LOWEST else earliest, None if latest == HIGHEST - 1 else latest


def window(class_: int, lower: int | None, upper: int | None, *, wholly: bool, named: bool = False) -> str | None:
    """Give the SQL condition under which rows of a class meet a range; None where none of them can.

    `named` puts the parameters ``:lower`` and ``:upper`` in the place of the numbers: questions of one shape then share
    one prepared statement, and preparing takes three times as long as finding a page.
    The scanned table is `x`: the event table that may be joined has columns of the same names.
    """
    if class_ == UNDATED:
        return None
    low, high = (":lower", ":upper") if named else (str(lower), str(upper))
    if wholly:
        return _inside(class_, lower, upper, low, high)
    conditions = []
    if upper is not None:
        conditions.append(f"x.earliest <= {high}")
    if lower is not None:
        if class_ < OPEN_BOTH:
            conditions.append(f"x.earliest >= {low} - {(1 << class_) - 1:d}")
        elif class_ == OPEN_START:
            conditions.append(f"x.earliest = {LOWEST:d}")
        conditions.append(f"x.latest >= {low}")
    return " AND ".join(conditions) or "1"


def _inside(class_: int, lower: int | None, upper: int | None, low: str, high: str) -> str | None:
    """Condition for lying wholly inside; an end that is open can only lie inside an open range."""
    open_start, open_end = class_ in (OPEN_BOTH, OPEN_START), class_ in (OPEN_BOTH, OPEN_END)
    if (open_start and lower is not None) or (open_end and upper is not None):
        return None
    if lower is not None and upper is not None and class_ and (1 << (class_ - 1)) > upper - lower:
        return None
    conditions = []
    if lower is not None:
        conditions.append(f"x.earliest >= {low}")
    if upper is not None:
        conditions += [f"x.earliest <= {high}", f"x.latest <= {high}"]
    return " AND ".join(conditions) or "1"


def shape(lower: int | None, upper: int | None, *, wholly: bool) -> Bounds:
    """Give the simplest range that meets the same classes: with `named`, its windows are those of the range itself.

    >>> shape(1_754_000_000, 1_754_086_399, wholly=False), shape(1_754_000_000, 1_754_086_399, wholly=True)
    ((0, 0), (0, 131071))
    """
    if lower is None or upper is None or not wholly:
        return None if lower is None else 0, None if upper is None else 0
    return 0, (1 << (upper - lower).bit_length()) - 1 if upper >= lower else -1
