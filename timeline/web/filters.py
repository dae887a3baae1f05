"""What a reader asked a page for: the question, what of it could not be read, and links that keep the rest.

A form sends its empty fields too; they mean nothing and are left out. A value that cannot be read is reported beside
its field and left out of the question, so that one typing error does not throw away nine good filters.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode

from timeline.chronicle import Timeline
from timeline.errors import Malformed, NotFound
from timeline.query import BY_NAME, Pairs, Query, parse_query

CLOCKS: Final = ("lang", "reported_by", "at", "as_of")
"""What every link keeps: the language, and the time a reader has travelled to."""

QUIET: Final = frozenset({"lang", "cursor", "limit", "order", "tz", "match", "undated", "on", "members"})
"""Parameters that choose how events are shown rather than which: they make no chip of their own."""

Pair = tuple[str, str]


@dataclass(slots=True)
class Asked:
    """A question as it arrived. `faults` has one sentence for each parameter that was left out of `query`."""

    given: list[Pair]
    query: Query
    faults: dict[str, str] = field(default_factory=dict)
    position: int = 0
    final: bool = False

    @property
    def status(self) -> int:
        """The HTTP status of the answer."""
        return 400 if self.faults else 200

    def values(self, name: str) -> list[str]:
        """Every value given for a parameter, readable or not."""
        return [value for other, value in self.given if other == name]

    def value(self, name: str) -> str:
        """Give the first value of a parameter, or nothing."""
        return next(iter(self.values(name)), "")

    def without(self, *names: str) -> list[Pair]:
        """Every parameter but these."""
        return [pair for pair in self.given if pair[0] not in names]

    def kept(self) -> list[Pair]:
        """List the readable parameters that every link keeps."""
        return [pair for pair in self.given if pair[0] in CLOCKS and pair[0] not in self.faults]


def read(timeline: Timeline, pairs: Pairs, known: Iterable[str] = BY_NAME, extra: Sequence[Pair] = ()) -> Asked:
    """Read a question, leaving out what cannot be read; `extra` is asked for besides, and not by the reader."""
    given = [(name, value.strip()) for name, value in pairs if value.strip()]
    asked = Asked(given, Query())
    asked.query = _readable(asked, known, extra)
    try:
        asked.position, asked.final = timeline.resolve(asked.query)
    except NotFound as error:
        asked.faults["at"] = error.detail
        asked.query = _readable(asked, known, extra)
        asked.position, asked.final = timeline.resolve(asked.query)
    return asked


def _readable(asked: Asked, known: Iterable[str], extra: Sequence[Pair]) -> Query:
    while True:
        try:
            return parse_query([*(pair for pair in asked.given if pair[0] not in asked.faults), *extra], known=known)
        except Malformed as error:
            new = {fault.pointer[1:]: fault.detail for fault in error.faults}
            if not new.keys() - asked.faults.keys():
                raise
            asked.faults = {**new, **asked.faults}


def url(path: str, pairs: Iterable[Pair]) -> str:
    """Write a path with its parameters.

    >>> url("/", [("actor", "axios"), ("q", "a b&c")])
    '/?actor=axios&q=a+b%26c'
    """
    query = urlencode(list(pairs))
    return f"{path}?{query}" if query else path
