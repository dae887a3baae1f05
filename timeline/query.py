"""Questions to a timeline: one table of parameters that API, command line, documentation and tests share.

A question is parsed once into a frozen `Query` with every default filled in and every date resolved to seconds, so that
the same question always has the same normal form: cache keys, ETags and cursors are made from it.
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final, NamedTuple, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from timeline.edtf import EdtfError, iso, parse_range
from timeline.errors import Fault, Malformed
from timeline.model import SLUG_PATTERN, Kind, Status, slugify
from timeline.records import canonical

MAX_LIMIT: Final = 1000
DEFAULT_LIMIT: Final = 50
MAX_TEXT: Final = 200
MAX_REPEATS: Final = 50
MAX_POSITION: Final = 2**53 - 1
REMEMBERED: Final = 64
"""Characters of a date up to which what it means is remembered."""

Key = tuple[int, int, int, int]
"""Place of an event in a chronological page: earliest, latest, sequence, position of its first record."""


class Parameter(NamedTuple):
    """One parameter of a question, as documentation and the command line show it."""

    name: str
    description: str
    example: str = ""
    repeatable: bool = False
    choices: tuple[str, ...] = ()
    default: str = ""
    number: bool = False


PARAMETERS: Final = (
    Parameter("datetime", "Range of `when`: an EDTF date, an RFC 3339 instant, or an interval a/b, ../b, a/..",
              "2025-08-15/2025-08-19"),
    Parameter("from", "Start of the range, inclusive: EDTF or RFC 3339", "2025-08"),
    Parameter("to", "End of the range, inclusive: EDTF or RFC 3339", "2025-09-04"),
    Parameter("match", "may: the event may lie in the range; must: it certainly lies wholly inside", "must",
              choices=("may", "must"), default="may"),
    Parameter("on", "Which date the range speaks of: when it happened or was said, or what it is about", "about",
              choices=("when", "about"), default="when"),
    Parameter("actor", "Id of an actor; repeat for any of several", "karoline-leavitt", repeatable=True),
    Parameter("role", "Role that the actor (or, without `actor`, anyone) has in the event", "speaker",
              repeatable=True),
    Parameter("members", "Also the members of the groups and governments named by `actor`", "true",
              choices=("true", "false"), default="false"),
    Parameter("kind", "Kind of event", "statement", repeatable=True, choices=get_args(Kind)),
    Parameter("status", "Status of the event", "disputed", repeatable=True, choices=get_args(Status)),
    Parameter("topic", "Topic", "us-troops", repeatable=True),
    Parameter("place", "Id of a place", "alaska", repeatable=True),
    Parameter("source", "Id of a source that is cited", "", repeatable=True),
    Parameter("related", "Id of an event that the events answer, deny, follow or belong to", "alaska-summit",
              repeatable=True),
    Parameter("q", 'Words in title, summary, translations, place, actors and topics; "..." for a phrase',
              "boots ground"),
    Parameter("reported_by", "What had certainly been reported by then: each event as the sources published by that "
              "time told it", "2025-08-18"),
    Parameter("at", "Position of the log: the state after that many records, for ever the same", "120", number=True),
    Parameter("as_of", "Time on the recorded clock: what this log knew then (EDTF or RFC 3339)", "2026-01-01"),
    Parameter("tz", "IANA zone in which dates of the question are read", "Europe/Paris", default="UTC"),
    Parameter("lang", "Show title and summary in this language where there is a translation", "fr"),
    Parameter("order", "Chronological order, or the reverse", "desc", choices=("asc", "desc"), default="asc"),
    Parameter("limit", f"Most in one page, 1..{MAX_LIMIT}; one of 32 MB ends there", "50",
              default=str(DEFAULT_LIMIT), number=True),
    Parameter("cursor", "Opaque place to go on from, as given in `next`; it pins the position of the first page"),
    Parameter("retracted", "Whether retracted events are shown too, with their tombstones", "include",
              choices=("exclude", "include"), default="exclude"),
    Parameter("undated", "Whether events without a date are shown: by default only where no range is given", "include",
              choices=("exclude", "include")),
)
BY_NAME: Final = {parameter.name: parameter for parameter in PARAMETERS}
_ALL: Final = frozenset(BY_NAME)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A question in normal form. `lower`/`upper` are seconds, None where the range is open; see PARAMETERS.

    `erased` asks for tombstones as well, for snapshots of a time before an erasure: nobody's question, no parameter.
    """

    lower: int | None = None
    upper: int | None = None
    match: str = "may"
    on: str = "when"
    actors: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    members: bool = False
    kinds: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    related: tuple[str, ...] = ()
    text: str | None = None
    reported_by: int | None = None
    at: int | None = None
    as_of: str | None = None
    lang: str | None = None
    order: str = "asc"
    limit: int = DEFAULT_LIMIT
    after: Key | None = None
    retracted: bool = False
    undated: bool = True
    erased: bool = False

    @property
    def ranged(self) -> bool:
        """Whether a date range is given."""
        return self.lower is not None or self.upper is not None

    def facets(self) -> list[tuple[str, ...]]:
        """Facet groups that must each be met by one of their members (without group expansion)."""
        groups = (("actor", self.actors), ("topic", self.topics), ("place", self.places),
                  ("source", self.sources), ("related", self.related))
        return [tuple(f"{prefix}/{name}" for name in names) for prefix, names in groups if names]

    def normal(self) -> dict[str, Any]:
        """Everything that decides which events are meant and how they are shown, defaults left out, sets sorted."""
        values = {name: value for name, default in _DEFAULTS if (value := getattr(self, name)) != default}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    def key(self) -> bytes:
        """Canonical bytes of the normal form: a cache key."""
        return canonical(self.normal())

    def fingerprint(self) -> str:
        """Short digest of what must not change from page to page."""
        same = {name: value for name, value in self.normal().items() if name not in _PAGING}
        return sha256(canonical(same)).hexdigest()[:12]


_DEFAULTS: Final = tuple((field.name, field.default) for field in fields(Query))
_UNPRINTABLE: Final = re.compile("[\x00-\x08\x0e-\x1f\x7f\ud800-\udfff]")
_PAGING: Final = frozenset({"after", "at", "as_of", "limit", "lang"})


def parse_query(pairs: Iterable[tuple[str, str]], *, known: Iterable[str] = BY_NAME) -> Query:
    """Read a question from (name, value) pairs, as they stand in a URL.

    Raises:
        Malformed: with one fault for each unknown, repeated or unreadable parameter.

    """
    reader = _Reader(pairs, _ALL if known is BY_NAME else frozenset(known))
    query = reader.read()
    if reader.faults:
        first = reader.faults[0]
        raise Malformed(f"{first.pointer[1:]}: {first.detail}", faults=tuple(reader.faults))
    return query


class _Reader:
    """Reads parameters one by one, collecting every fault rather than stopping at the first."""

    def __init__(self, pairs: Iterable[tuple[str, str]], known: frozenset[str]) -> None:
        self.faults: list[Fault] = []
        self.values: dict[str, list[str]] = {}
        for name, value in pairs:
            if name not in known:
                self.fault(name, _unknown(name, known))
            elif name in self.values and not BY_NAME[name].repeatable:
                self.fault(name, "given more than once")
            else:
                self.values.setdefault(name, []).append(value)
        for name, given in self.values.items():
            if len(given) > MAX_REPEATS:
                self.fault(name, f"given {len(given)} times, at most {MAX_REPEATS} are taken")

    def fault(self, name: str, detail: str) -> None:
        self.faults.append(Fault(f"?{name}", detail))

    def one(self, name: str) -> str | None:
        given = self.values.get(name)
        return given[0] if given else None

    def choice(self, name: str) -> str:
        """Read one of the choices of a parameter; nothing stands for the default."""
        value = self.values[name][0]
        if value not in BY_NAME[name].choices:
            self.fault(name, f"expected {_either(BY_NAME[name].choices)}, got {_shown(value)}")
        return value or BY_NAME[name].default

    def several(self, name: str) -> tuple[str, ...]:
        given = self.values[name]
        for value in given:
            if choices := BY_NAME[name].choices:
                if value not in choices:
                    self.fault(name, f"expected {_either(choices)}, got {_shown(value)}")
            elif not re.fullmatch(SLUG_PATTERN, value):
                hint = slugify(value, "")
                self.fault(name, f"expected an id (a slug{f' such as {hint}' if hint else ''}), got {_shown(value)}")
        return tuple(sorted(set(given)))

    def number(self, name: str, lowest: int, highest: int) -> int | None:
        value = self.values[name][0]
        if not (value.isascii() and value.isdigit() and len(value) <= 20 and lowest <= int(value) <= highest):
            self.fault(name, f"expected a whole number {lowest}..{highest}, got {_shown(value)}")
            return None
        return int(value)

    def bounds(self, name: str, tz: str | None) -> tuple[int | None, int | None]:
        value = self.one(name)
        if value is None:
            return None, None
        try:
            return (_bounds if len(value) <= REMEMBERED else parse_range)(value, tz)
        except EdtfError as error:
            self.fault(name, str(error))
            return None, None

    def time(self, name: str, tz: str | None) -> int | None:
        """Read one time: the end of what is given."""
        if name not in self.values:
            return None
        count = len(self.faults)
        end = self.bounds(name, tz)[1]
        if end is None and self.one(name) is not None and len(self.faults) == count:
            self.fault(name, f"expected a time, got {_shown(self.one(name) or '')}, which never ends")
        return end

    def read(self) -> Query:
        tz = self.zone()
        lower, upper = self.range(tz)
        reported_by, as_of = self.time("reported_by", tz), self.time("as_of", tz)
        if self.one("at") and self.one("as_of"):
            self.fault("as_of", "give either at (a position) or as_of (a time), not both")
        found: dict[str, Any] = {"undated": lower is None and upper is None}
        for name, (field, read) in _READ.items():
            if name in self.values:
                found[field] = read(self, name)
        query = Query(lower=lower, upper=upper, reported_by=reported_by,
                      as_of=None if as_of is None else _as_of(as_of), **found)
        return self.resume(query)

    def zone(self) -> str | None:
        """Give the zone of the question; None for UTC, where nobody said."""
        tz = self.one("tz")
        if not tz:
            return None
        try:
            ZoneInfo(tz)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            self.fault("tz", f"expected an IANA time zone such as Europe/Paris, got {_shown(tz)}")
            return None
        return tz

    def range(self, tz: str | None) -> tuple[int | None, int | None]:
        if self.one("datetime") is not None:
            for name in ("from", "to"):
                if self.one(name) is not None:
                    self.fault(name, "give either datetime or from/to, not both")
            return self.bounds("datetime", tz)
        lower, upper = self.bounds("from", tz)[0], self.bounds("to", tz)[1]
        if lower is not None and upper is not None and upper < lower:
            self.fault("to", "ends before from begins: exchange them")
        return lower, upper

    def text(self, name: str) -> str | None:
        value = self.values[name][0]
        if len(value) > MAX_TEXT:
            self.fault(name, f"at most {MAX_TEXT} characters")
        if _UNPRINTABLE.search(value):
            self.fault(name, "control characters and lone surrogates are no words: leave them out")
        return unicodedata.normalize("NFC", " ".join(value.split()))[:MAX_TEXT] or None

    def lang(self, name: str) -> str:
        value = self.values[name][0]
        if not (value.isascii() and value.replace("-", "").isalnum() and len(value) <= 35):
            self.fault(name, f"expected a language tag such as fr, got {_shown(value)}")
        return value

    def resume(self, query: Query) -> Query:
        cursor = self.one("cursor")
        if cursor is None or self.faults:
            return query
        try:
            return resume(query, cursor)
        except Malformed as error:
            self.fault("cursor", error.detail)
            return query


_READ: Final[dict[str, tuple[str, Callable[[_Reader, str], Any]]]] = {
    "match": ("match", _Reader.choice),
    "on": ("on", _Reader.choice),
    "actor": ("actors", _Reader.several),
    "role": ("roles", _Reader.several),
    "members": ("members", lambda reader, name: reader.choice(name) == "true"),
    "kind": ("kinds", _Reader.several),
    "status": ("statuses", _Reader.several),
    "topic": ("topics", _Reader.several),
    "place": ("places", _Reader.several),
    "source": ("sources", _Reader.several),
    "related": ("related", _Reader.several),
    "q": ("text", _Reader.text),
    "at": ("at", lambda reader, name: reader.number(name, 0, MAX_POSITION)),
    "lang": ("lang", _Reader.lang),
    "order": ("order", _Reader.choice),
    "limit": ("limit", lambda reader, name: reader.number(name, 1, MAX_LIMIT) or DEFAULT_LIMIT),
    "retracted": ("retracted", lambda reader, name: reader.choice(name) == "include"),
    "undated": ("undated", lambda reader, name: reader.choice(name) == "include"),
}
"""How parameters are read into what field of a question, in the order in which faults are told; dates come before."""

_bounds: Final = lru_cache(4_096)(parse_range)


def make_cursor(query: Query, position: int, last: Key) -> str:
    """Give the opaque place after `last` in this question's answer at this position."""
    return base64.urlsafe_b64encode(canonical([query.fingerprint(), position, last])).decode().rstrip("=")


def resume(query: Query, cursor: str) -> Query:
    """Continue a question where a cursor says; `Malformed` if the cursor is not one of this question's."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        fingerprint, position, key = msgspec.json.decode(
            base64.b64decode(padded, altchars=b"-_", validate=True), type=tuple[str, int, Key]
        )
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        raise Malformed("not a cursor: take it from `next` of the page before, unchanged") from None
    if fingerprint != query.fingerprint():
        raise Malformed("the cursor belongs to another question: filters must stay the same from page to page")
    if query.at not in (None, position) or not 0 <= position <= MAX_POSITION or any(abs(n) > 2**62 for n in key):
        raise Malformed("the cursor belongs to another position")
    return replace(query, at=position, as_of=None, after=key)


def pinned(query: Query, position: int) -> Query:
    """Fix a question at a position."""
    return replace(query, at=position, as_of=None)


def _as_of(second: int) -> str:
    """Give the end of that second as the log writes times; before year 0 nothing was recorded, after 9999 all."""
    text = iso(second)
    if text.startswith("-"):
        return "0000-00-00T00:00:00.000000Z"
    return "9999-12-31T23:59:59.999999Z" if text.startswith("+") else f"{text[:-1]}.999999Z"


def search_terms(text: str) -> Iterator[str]:
    """Split a search into words and "quoted phrases", each safe to give to FTS5 in double quotes.

    >>> list(search_terms('boots "on the ground" NEAR('))
    ['boots', 'on the ground', 'NEAR(']
    """
    for number, piece in enumerate(text.split('"')):
        yield from [piece.strip()] if number % 2 and piece.strip() else piece.split() if not number % 2 else []


def _unknown(name: str, known: frozenset[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - only needed to explain a mistake

    close = get_close_matches(name, known, 1)
    return f"unknown parameter{f', did you mean {close[0]}?' if close else ''}"


def _either(choices: tuple[str, ...]) -> str:
    return ", ".join(choices[:-1]) + f" or {choices[-1]}"


def _shown(value: str) -> str:
    return repr(value if len(value) <= 60 else value[:57] + "...")


Pairs = Iterable[tuple[str, str]]
