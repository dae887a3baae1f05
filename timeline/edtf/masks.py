"""Digits that are not known: the first and last day a mask such as ``156X-12-25`` can mean.

ISO 8601-2:2019, 4.6 "unspecified"; LoC EDTF level 1 and 2 "Unspecified digit". Nothing here walks over the years of
a mask: whatever it holds, its outermost days are in its outermost years, but for 29 February, which waits for a leap
year; and those are found from the century and the two digits after it (100 + 25 candidates at most).
"""

from collections.abc import Iterable, Sequence

from timeline.edtf.axis import is_leap, month_length

Civil = tuple[int, int, int]


def matching(mask: str, low: int, high: int) -> list[int]:
    """Numbers of ``low..high`` (at most 0 to 99) that a mask of two digits can mean, in order.

    >>> matching("1X", 1, 12), matching("X2", 1, 31), matching("3X", 1, 28)
    ([10, 11, 12], [2, 12, 22], [])
    """
    if "X" not in mask:
        return [int(mask)] if low <= int(mask) <= high else []
    tens, ones = mask[0], mask[1]
    return [n for n in range(low, high + 1) if tens in ("X", str(n // 10)) and ones in ("X", str(n % 10))]


def year_limits(mask: str, *, negative: bool) -> tuple[int, int]:
    """First and last year that a mask of four digits can mean; there is no year -0000.

    >>> year_limits("19XX", negative=False), year_limits("0X00", negative=True)
    ((1900, 1999), (-900, -100))
    """
    least, most = int(mask.replace("X", "0")), int(mask.replace("X", "9"))
    if not negative:
        return least, most
    if least == 0 and "X" in mask:
        least = 10 ** (3 - mask.rindex("X"))
    return -most, -least


def extent(year: str, months: Sequence[int], days: Sequence[int], *, negative: bool) -> tuple[Civil, Civil] | None:
    """First and last day that exist for a mask of years, or nothing where none does.

    >>> extent("2025", range(1, 13), [31], negative=False)
    ((2025, 1, 31), (2025, 12, 31))
    >>> extent("190X", [2], [29], negative=False)
    ((1904, 2, 29), (1908, 2, 29))
    >>> extent("X900", [2], [29], negative=False)
    """
    low, high = year_limits(year, negative=negative)
    first = _pick(low, months, days)
    last = _pick(high, months[::-1], days[::-1])
    if first and last:
        return first, last
    leap = _leap_limits(year, negative=negative) if 2 in months and 29 in days else None
    if leap is None:
        return None
    return first or (leap[0], 2, 29), last or (leap[1], 2, 29)


def _pick(year: int, months: Iterable[int], days: Sequence[int]) -> Civil | None:
    return next(((year, m, d) for m in months for d in days if d <= month_length(year, m)), None)


def _leap_limits(mask: str, *, negative: bool) -> tuple[int, int] | None:
    hundreds = matching(mask[:2], 0, 99)
    ones = [n for n in matching(mask[2:], 0, 99) if n % 4 == 0]
    # The year 0000 is leap, but there is no -0000.
    least = _leap(hundreds, ones, but_zero=negative)
    most = _leap(hundreds[::-1], ones[::-1], but_zero=negative)
    if least is None or most is None:
        return None
    return (-most, -least) if negative else (least, most)


def _leap(hundreds: list[int], ones: list[int], *, but_zero: bool) -> int | None:
    years = (100 * h + n for h in hundreds for n in ones)
    return next((year for year in years if is_leap(year) and (year or not but_zero)), None)
