"""The time axis: seconds since 1970-01-01T00:00:00Z in the proleptic Gregorian calendar, for any year.

``datetime`` ends at the years 1 and 9999; chronicles do not. Years are astronomical: 0 is 1 BCE, -43 is 44 BCE
(ISO 8601-1:2019, 4.3.2). There are no leap seconds: every day has 86400.
"""

DAY = 86400

_EPOCH = 719_469  # days from the imaginary day before 0000-03-01 to 1970-01-01
_MONTHS = (0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def is_leap(year: int) -> bool:
    """Whether the year has a 29 February.

    >>> is_leap(2000), is_leap(1900), is_leap(0), is_leap(-4)
    (True, False, True, True)
    """
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def month_length(year: int, month: int) -> int:
    """Count the days of a month (1 to 12).

    >>> month_length(2024, 2), month_length(2025, 2)
    (29, 28)
    """
    return 29 if month == 2 and is_leap(year) else _MONTHS[month]


def day_number(year: int, month: int, day: int) -> int:
    """Count the days from 1970-01-01 to a civil date.

    >>> day_number(1970, 1, 1), day_number(2025, 8, 15), day_number(-43, 3, 15)
    (0, 20315, -735160)
    """
    # The year is taken to begin in March, so that the leap day is its last; 153 days make every five months.
    if month > 2:
        month -= 3
    else:
        month += 9
        year -= 1
    return 365 * year + year // 4 - year // 100 + year // 400 + (153 * month + 2) // 5 + day - _EPOCH


def ymd(seconds: int) -> tuple[int, int, int]:
    """Civil year, month and day (UTC) of a second of the axis.

    >>> ymd(1755216000), ymd(-1)
    ((2025, 8, 15), (1969, 12, 31))
    """
    cycle, left = divmod(seconds // DAY + _EPOCH - 1, 146_097)  # 400 years
    year = (left - left // 1460 + left // 36_524 - left // 146_096) // 365
    left -= 365 * year + year // 4 - year // 100
    month = (5 * left + 2) // 153
    day_of_month = left - (153 * month + 2) // 5 + 1
    year += 400 * cycle
    return (year, month + 3, day_of_month) if month < 10 else (year + 1, month - 9, day_of_month)


def day(seconds: int) -> str:
    """Write the civil day (UTC) of a second of the axis; beyond 0000 to 9999 the year has a sign (ISO 8601-1, 4.3.2).

    >>> day(1755216000), day(-62167219201), day(2**40)
    ('2025-08-15', '-0001-12-31', '+36812-02-20')
    """
    year, month, day_of_month = ymd(seconds)
    return f"{_year(year)}-{month:02}-{day_of_month:02}"


def iso(seconds: int) -> str:
    """Write a second of the axis as RFC 3339 text in UTC; beyond 0000 to 9999 the year has a sign.

    >>> iso(1755286200), iso(-62167219201)
    ('2025-08-15T19:30:00Z', '-0001-12-31T23:59:59Z')
    """
    minutes, second = divmod(seconds % DAY, 60)
    return f"{day(seconds)}T{minutes // 60:02}:{minutes % 60:02}:{second:02}Z"


def _year(year: int) -> str:
    if 0 <= year <= 9999:
        return f"{year:04}"
    return f"{'+' if year > 0 else '-'}{abs(year):04}"
