"""Memento (RFC 7089): HTTP's own way to ask what a resource said at a time, on the recorded clock.

The original resources are ``/v1/events`` with its question, ``/v1/actors/{id}/timeline`` with its question, and
``/v1/events/{id}``. Each is its own TimeGate (section 4.1.1): asked with ``Accept-Datetime`` it answers 302 to a
memento, which is the same address with ``at=<position>``. ``/v1/timemap`` before the rest of an address lists them.

An HTTP-date names a whole second. ``Accept-Datetime`` means the state at the end of that second, as ``as_of`` does, and
``Memento-Datetime`` names the second in which the record was written: fractions are cut off, not rounded. So the date
of a memento leads to that memento again, or to a later one of the same second, and never to an older one.

A memento names no neighbours: it is cached for a year, and they change.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from typing import Any, Final, Protocol
from urllib.parse import urlencode

import msgspec

from timeline.api.asking import AnyRequest, query_pairs
from timeline.errors import Malformed, NotFound
from timeline.query import Query

ACCEPT_DATETIME: Final = "accept-datetime"
LINK_FORMAT: Final = "application/link-format"
TIMEMAP_TYPES: Final = {"link": LINK_FORMAT, "json": "application/json"}
VARY: Final = "Accept, Accept-Encoding, accept-datetime"
PINS: Final = ("at", "as_of", "cursor")
"""Parameters that fix a position: an address that has one is no TimeGate."""

OF_TIMEMAP: Final = ("f", "original_f", "before")
"""Parameters of a TimeMap itself; all others are those of the original resource."""

MEMENTOS: Final = 1_000
"""Mementos on one page of a TimeMap."""

LONGEST: Final = 2_000
"""Longer addresses are not repeated for the first, previous, next and last memento: headers have their limits."""

_ROOT: Final = "/v1"
_TIMEMAP: Final = "/timemap"
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_RFC1123: Final = re.compile(
    rf"({'|'.join(_DAYS)}), ([0-9]{{2}}) ({'|'.join(_MONTHS)}) ([0-9]{{4}}) ([0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}) GMT"
)
_EXAMPLE: Final = "Wed, 20 Aug 2025 12:00:00 GMT"

RecordedAt = Callable[[int], str | None]
"""Gives the recorded time of a position, as the log writes times."""


class Changes(Protocol):
    """Positions of records that could change a resource; see `timeline.views.reader.Reader.changes`."""

    def __call__(self, first: int, last: int, limit: int, *, newest: bool) -> list[int]:
        """Give at most `limit` positions from `first` to `last`."""


def asks_for_a_time(request: AnyRequest) -> bool:
    """Whether a request negotiates in time."""
    return ACCEPT_DATETIME in request.headers


def is_pinned(query: Query) -> bool:
    """Whether a question is fixed at a position or time already (a cursor fixes the position too)."""
    return query.at is not None or query.as_of is not None


def accepted(request: AnyRequest) -> str:
    """Read Accept-Datetime (RFC 7089 section 2.1.1): the end of that second, as the log writes times.

    Raises:
        Malformed: it is not one RFC 1123 date in GMT, or there is no such day (section 4.5.3 asks for 400).

    """
    text = ", ".join(request.headers.getall(ACCEPT_DATETIME)).strip()  # two are as bad as a list of two
    return f"{_second(text).isoformat()[:19]}.999999Z"


def _second(text: str) -> datetime:
    read = _RFC1123.fullmatch(text)
    if read is None:
        zone = "; the zone is always GMT" if re.search(r"\d\s*(?!GMT$)([A-Z]{1,5}|[+-]\d{2}:?\d{2})$", text) else ""
        raise Malformed(f"Accept-Datetime: expected an RFC 1123 date such as {_EXAMPLE}, got {_shown(text)}{zone}")
    day, date, month, year, time = read.groups()
    try:
        found = datetime.fromisoformat(f"{year}-{_MONTHS.index(month) + 1:02d}-{date}T{time}+00:00")
    except ValueError:
        detail = f"there is no such day or time: {_shown(text)}"
        raise Malformed(f"Accept-Datetime: {detail}; expected one such as {_EXAMPLE}") from None
    if _DAYS[found.weekday()] != day:
        raise Malformed(f"Accept-Datetime: {date} {month} {year} is a {_DAYS[found.weekday()]}, not a {day}")
    return found


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")


def http_date(recorded_at: str) -> str:
    """Write a recorded time as an HTTP-date: the second it lies in (RFC 9110 section 5.6.7).

    >>> http_date("2025-08-20T12:00:00.999999Z")
    'Wed, 20 Aug 2025 12:00:00 GMT'
    """
    return format_datetime(datetime.fromisoformat(recorded_at), usegmt=True)


@dataclass(frozen=True, slots=True)
class Original:
    """The address of an original resource: path, and the parameters without those that pin it."""

    path: str
    pairs: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, request: AnyRequest) -> Original:
        """Give the original of a request for it or for a memento of it."""
        pairs = query_pairs(request) if request.scope["query_string"] else []
        return cls(request.scope["path"], tuple(pair for pair in pairs if pair[0] not in PINS))

    @classmethod
    def of_timemap(cls, request: AnyRequest) -> Original:
        """Give the original that a TimeMap is about: ``original_f`` is its ``f``."""
        pairs = [pair for pair in query_pairs(request) if pair[0] not in ("f", "before")]
        named = tuple(("f" if name == "original_f" else name, value) for name, value in pairs)
        return cls(_ROOT + request.scope["path"].removeprefix(_ROOT + _TIMEMAP), named)

    @property
    def address(self) -> str:
        """The address itself, which is the TimeGate too."""
        return _url(self.path, self.pairs)

    def memento(self, position: int) -> str:
        """Give the address of the state at a position."""
        return _url(self.path, (*self.pairs, ("at", str(position))))

    def timemap(self, *own: tuple[str, str]) -> str:
        """Give the address of the TimeMap, or with parameters of its `own` of another page or format of it."""
        named = [("original_f" if name == "f" else name, value) for name, value in self.pairs]
        return _url(_ROOT + _TIMEMAP + self.path.removeprefix(_ROOT), (*named, *own))

    def links(self) -> list[str]:
        """Give the links that every answer of the original and of its mementos has (section 2.2)."""
        address = self.address
        if any(name == "f" for name, _ in self.pairs):
            timemap = self.timemap()
        else:  # the same parameters: escaping them again is most of the work
            timemap = _ROOT + _TIMEMAP + address.removeprefix(_ROOT)
        return [f'<{address}>; rel="original timegate"', f'<{timemap}>; rel="timemap"; type="{LINK_FORMAT}"']


def _url(path: str, pairs: Iterable[tuple[str, str]]) -> str:
    """Write an address; escaped anew, so that nothing in it can end a link."""
    query = urlencode(list(pairs))
    return f"{path}?{query}" if query else path


def headers(request: AnyRequest, *, pinned: bool, recorded_at: str | None, following: str | None) -> dict[str, str]:
    """Give the headers of an original resource, or of a memento (section 4.1.1).

    `recorded_at` is the time of the position that a final answer speaks of; None where the answer may still change, or
    is the empty log, which no record dates. `following` is the next page.
    """
    links = [*([f'<{following}>; rel="next"'] if following else []), *Original.of(request).links()]
    found = {"Link": ", ".join(links)}
    if not pinned:
        found["Vary"] = VARY
    if recorded_at is not None:
        found["Memento-Datetime"] = http_date(recorded_at)
    return found


def gate(original: Original, changes: Changes, recorded_at: RecordedAt, wanted: int, head: int) -> dict[str, str]:
    """Answer as a TimeGate: headers of a 302 to the memento of position `wanted` (section 4.1.1).

    Before the first memento the first is given, after the last the last (section 4.5.3).

    Raises:
        NotFound: nothing that was recorded ever changed the resource, so there is no memento.

    """
    first = changes(1, head, 1, newest=False)
    if not first:
        why = "nothing has changed it" if head else "the log is empty"
        raise NotFound(f"there is no memento of this address: {why} yet. Ask without Accept-Datetime for the present")
    until_then = changes(1, wanted, 2, newest=True)
    chosen = (until_then or first)[0]
    named = {
        "first": first, "prev": until_then[1:], "": [chosen], "next": changes(chosen + 1, head, 1, newest=False),
        "last": changes(chosen, head, 1, newest=True),
    }
    links = original.links()
    if len(original.address) <= LONGEST:
        links += _mementos(original, named, recorded_at)
    return {"Location": original.memento(chosen), "Vary": VARY, "Link": ", ".join(links)}


def _mementos(original: Original, named: dict[str, list[int]], recorded_at: RecordedAt) -> list[str]:
    """Write links to mementos, oldest first; one that is first and previous has both names."""
    names: dict[int, list[str]] = {}
    for name, positions in named.items():
        for position in positions:
            names.setdefault(position, []).extend([name] if name else [])
    return [_memento(original, position, recorded_at(position) or "", *names[position]) for position in sorted(names)]


def _memento(original: Original, position: int, recorded_at: str, *names: str) -> str:
    rel = " ".join([*names, "memento"])
    return f'<{original.memento(position)}>; rel="{rel}"; datetime="{http_date(recorded_at)}"'


@dataclass(frozen=True, slots=True)
class TimeMap:
    """One page of the mementos of a resource, newest first (RFC 7089 section 5).

    `mementos` are (position, recorded time). `before` is the position the page ends before, None for the newest page;
    `older` is the recorded time of the newest memento of the page after this one, None on the last.
    """

    original: Original
    mementos: Sequence[tuple[int, str]]
    before: int | None
    older: str | None

    @classmethod
    def read(
        cls, original: Original, changes: Changes, recorded_at: RecordedAt, before: int | None, head: int
    ) -> TimeMap:
        """Look up the mementos before a position."""
        last = head if before is None else min(head, before - 1)
        found = changes(1, last, MEMENTOS + 1, newest=True)
        listed = [(position, recorded_at(position) or "") for position in found]
        older = listed[MEMENTOS][1] if len(listed) > MEMENTOS else None
        return cls(original, listed[:MEMENTOS], before, older)

    def following(self, *own: tuple[str, str]) -> str | None:
        """Give the address of the page with the next older mementos."""
        if self.older is None:
            return None
        return self.original.timemap(*own, ("before", str(self.mementos[-1][0])))

    def encode(self, format_: str, position: int) -> bytes:
        """Write the page as ``link`` or ``json``; `position` is the one it speaks of."""
        return self._json(position) if format_ == "json" else self._links().encode("ascii")

    def _links(self) -> str:
        """Write application/link-format (section 5): one link a line; the TimeMap itself is `self`."""
        own = [] if self.before is None else [("before", str(self.before))]
        covered = ""
        if self.mementos:
            oldest, newest = (http_date(self.mementos[index][1]) for index in (-1, 0))
            covered = f'; from="{oldest}"; until="{newest}"'
        lines = [
            f'<{self.original.address}>; rel="original timegate"',
            f'<{self.original.timemap(*own)}>; rel="self"; type="{LINK_FORMAT}"{covered}',
        ]
        if self.older is not None:
            until = http_date(self.older)
            lines.append(f'<{self.following()}>; rel="timemap"; type="{LINK_FORMAT}"; until="{until}"')
        lines += [_memento(self.original, *memento, *self._names(index)) for index, memento in enumerate(self.mementos)]
        return ",\n".join(lines)

    def _names(self, index: int) -> list[str]:
        first = index == len(self.mementos) - 1 and self.older is None
        last = index == 0 and self.before is None
        return [name for name, so in (("first", first), ("last", last)) if so]

    def _json(self, position: int) -> bytes:
        """Write a page of our own shape: RFC 7089 defines no JSON."""
        items = [
            {"uri": self.original.memento(at), "datetime": http_date(recorded_at), "position": at,
             "recorded_at": recorded_at}
            for at, recorded_at in self.mementos
        ]
        page: dict[str, Any] = {"original": self.original.address, "timegate": self.original.address, "items": items,
                                "position": position}
        if (following := self.following(("f", "json"))) is not None:
            page["next"] = following
        return msgspec.json.encode(page)


__all__ = ["Changes", "Original", "TimeMap", "accepted", "asks_for_a_time", "gate", "headers", "http_date", "is_pinned"]
