"""Made-up events of the size and shape that real ones have, the same for the same seed.

587 bytes of JSON on average; two or three of 2,000 actors with roles, a place, one source with a quote. Four events in
five last a day and three in a hundred a year or longer, as the events of a newsroom do: it is the few long ones that
make overlap queries hard.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final

ACTORS: Final = 2_000
SOURCES: Final = 500
PLACES: Final = 300
FIRST_DAY: Final = date(1990, 1, 1)
DAYS: Final = 36 * 365
SEED: Final = 20251121

_ROLES: Final = ("speaker", "participant", "host", "subject", "addressee", "relayer", "reporter")
_WORDS: Final = (
    "summit", "talks", "on", "the", "guarantees", "of", "a", "ceasefire", "between", "delegations", "after",
    "ministers", "met", "envoys", "in", "private", "and", "agreed", "nothing", "while", "troops", "withdrew", "from",
    "positions", "near", "the", "river", "as", "parliament", "debated", "sanctions", "energy", "prices", "grain",
    "exports", "prisoners", "bridges", "borders", "treaties", "elections", "budgets", "inspections", "aid", "convoys",
    "radar",
)
_LONGER: Final = (
    (0.80, 0, 0), (0.88, 1, 6), (0.94, 7, 60), (0.97, 61, 364), (0.99999, 365, 1_500), (1.0, 7_300, 36_500),
)
"""(share up to here, fewest, most days beyond the first). The last are as rare as centuries are: were there many, any
fifty events that overlap a date would be found among them, and every index would look fast."""


def background() -> Iterator[bytes]:
    """Yield the actors and sources that the events name, as lines of an import."""
    for number in range(ACTORS):
        kind = ("person", "government", "organisation", "media")[number % 4]
        actor = {"id": f"actor-{number}", "kind": kind, "name": f"Actor {number}"}
        yield _line({"type": "actor.described", "actor": actor})
    for number in range(SOURCES):
        source = {"id": f"source-{number}", "title": f"Source {number}", "published": "2025-08-20"}
        yield _line({"type": "source.described", "source": source})


def events(count: int, *, first: int = 0, seed: int = SEED) -> Iterator[bytes]:
    """Yield `count` events as lines of an import; `first` and `seed` make ids and content of another set."""
    rng = random.Random(seed + first)  # noqa: S311 - made-up data
    for number in range(first, first + count):
        yield _line({"type": "event.recorded", "event": _event(rng, number)})


def windows(count: int, days: int = 30, *, seed: int = SEED) -> list[tuple[str, str]]:
    """Give random ranges of some days within the years the events lie in."""
    rng = random.Random(seed)  # noqa: S311 - made-up data
    starts = [FIRST_DAY + timedelta(rng.randrange(DAYS - days)) for _ in range(count)]
    return [(start.isoformat(), (start + timedelta(days - 1)).isoformat()) for start in starts]


def _event(rng: random.Random, number: int) -> dict[str, object]:
    people = rng.sample(range(ACTORS), rng.choice((2, 2, 3)))
    place = rng.randrange(PLACES)
    return {
        "id": f"event-{number}",
        "title": _text(rng, 60),
        "summary": _text(rng, 160),
        "when": _when(rng),
        "actors": [{"id": f"actor-{person}", "role": rng.choice(_ROLES)} for person in people],
        "place": {"name": f"Place {place}", "id": f"place-{place}"},
        "citations": [{"source": f"source-{rng.randrange(SOURCES)}", "exact": _text(rng, 110)}],
    }


def _when(rng: random.Random) -> str:
    start = FIRST_DAY + timedelta(rng.randrange(DAYS))
    drawn = rng.random()
    fewest, most = next((fewest, most) for share, fewest, most in _LONGER if drawn < share)
    if not most:
        return start.isoformat()
    return f"{start}/{start + timedelta(rng.randint(fewest, most))}"


def _text(rng: random.Random, length: int) -> str:
    text = " ".join(rng.choices(_WORDS, k=length // 6 + 2))
    return text[:length].strip().capitalize()


def _line(change: dict[str, object]) -> bytes:
    return json.dumps(change, separators=(",", ":")).encode()
