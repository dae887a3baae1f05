"""A parsed date: a frozen value with its exact text, its bounds and what the source left open."""

import math
from dataclasses import dataclass, field
from typing import Literal, get_args

from timeline.edtf.zones import instants, zone_named

Kind = Literal["date", "datetime", "season", "interval", "one-of", "all-of"]
End = Literal["known", "open", "unknown"]
Precision = Literal[
    "unknown",
    "millennium",
    "century",
    "decade",
    "year",
    "semester",
    "quadrimester",
    "season",
    "quarter",
    "month",
    "day",
    "minute",
    "second",
]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
"""Every precision, from coarse to fine."""


@dataclass(frozen=True, slots=True, repr=False)
class Edtf:
    """A date, season, interval or set of ISO 8601-2:2019 (EDTF). Made by ``parse``; equal where the text is equal.

    ``earliest``, ``latest``
        Seconds since 1970-01-01T00:00:00Z, ``latest`` inclusive, ``None`` where unbounded. Text without an offset is
        civil and read as if in UTC; see ``bounds``. Marks of doubt never widen them.
    ``start_kind``, ``end_kind``
        "known", "open" (``..``: still going on, or since ever) or "unknown" (blank: there is one, nobody knows it).
    ``precision``
        What the source commits to, whether or not its digits are known: ``2025-XX`` has "month". A set or interval
        has that of its coarsest date. "millennium" is a thousand years or coarser (``XXXX``, ``Y171010000S3``),
        "quadrimester" four months, "semester" six, "unknown" an interval without any date.
    ``approximate``, ``uncertain``
        Whether any component carries ``~`` or ``%``, ``?`` or ``%`` (LoC EDTF, "Qualification of a date").
    ``level``
        Lowest EDTF level (0, 1 or 2) that has this form.
    ``kind``
        "date", "datetime", "season" (any of 21 to 41, quarters and halves too), "interval", "one-of", "all-of".
    ``zoned``
        Whether the text has an offset or Z, so that its bounds are instants.
    ``members``
        Elements of a set in the order written, a run ``a..b`` as the interval ``a/b``; () for all else.
    ``start``, ``end``
        Dates of an interval; ``None`` where open or unknown, and for all else.
    """

    text: str
    earliest: int | None = field(compare=False)
    latest: int | None = field(compare=False)
    kind: Kind = field(compare=False)
    precision: Precision = field(compare=False)
    level: int = field(default=0, compare=False)
    approximate: bool = field(default=False, compare=False)
    uncertain: bool = field(default=False, compare=False)
    zoned: bool = field(default=False, compare=False)
    start_kind: End = field(default="known", compare=False)
    end_kind: End = field(default="known", compare=False)
    members: tuple["Edtf", ...] = field(default=(), compare=False)
    start: "Edtf | None" = field(default=None, compare=False)
    end: "Edtf | None" = field(default=None, compare=False)

    def __str__(self) -> str:
        return self.text

    def __reduce__(self) -> "tuple[object, tuple[str]]":
        from timeline.edtf.parser import parse  # noqa: PLC0415 - the parser is made of this class

        return parse, (self.text,)

    def __repr__(self) -> str:
        return f"parse({self.text!r})"

    @property
    def sort_key(self) -> tuple[float, float]:
        """Chronological key: earliest, then latest, in seconds; infinite where unbounded."""
        return (
            -math.inf if self.earliest is None else self.earliest,
            math.inf if self.latest is None else self.latest,
        )

    def bounds(self, tz: str | None = None) -> tuple[int | None, int | None]:
        """Earliest and latest instant, in seconds, with civil text read in an IANA time zone (``None``: UTC).

        A timed value with an offset keeps it. Beyond the years 1 to 9999 the zone's standard offset there is used.
        Raises EdtfError where the zone does not exist.

        >>> from timeline.edtf import iso, parse
        >>> [iso(second) for second in parse("2025-03-30").bounds("Europe/Paris")]  # a day of 23 hours
        ['2025-03-29T23:00:00Z', '2025-03-30T21:59:59Z']
        """
        if tz is None:
            return self.earliest, self.latest
        zone = zone_named(tz)
        return (self.earliest, self.latest) if self.zoned else instants(self.earliest, self.latest, zone)

    def overlaps(self, other: "Edtf") -> bool:
        """Whether both can have happened at one time: their bounds share a second.

        >>> from timeline.edtf import parse
        >>> parse("2025-08").overlaps(parse("2025-08-31/..")), parse("2025-08").overlaps(parse("2025-09"))
        (True, False)
        """
        earliest, latest = self.sort_key
        other_earliest, other_latest = other.sort_key
        return earliest <= other_latest and other_earliest <= latest

    def within(self, other: "Edtf") -> bool:
        """Whether this surely lies inside the other: no second of its bounds is outside.

        >>> from timeline.edtf import parse
        >>> parse("2025-08-15").within(parse("2025-08")), parse("2025-08/").within(parse("2025"))
        (True, False)
        """
        earliest, latest = self.sort_key
        other_earliest, other_latest = other.sort_key
        return other_earliest <= earliest and latest <= other_latest


del Edtf.__dataclass_fields__  # msgspec would read and write a dataclass field by field; a date's JSON form is its text


def coarsest(dates: "list[Edtf]") -> Precision:
    """Coarsest precision among some dates; "unknown" where there are none."""
    return min((each.precision for each in dates), key=PRECISIONS.index, default="unknown")
