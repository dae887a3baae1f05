"""What a request accepts: media types, codings, languages and ETags (RFC 9110, sections 12 and 13)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

MOST: Final = 50
"""Items of a header that are looked at; nobody sends more in good faith."""

EQUAL: Final[Mapping[str, float]] = MappingProxyType({})

_WEIGHT: Final = re.compile(r"\s*q\s*=\s*([01](?:\.[0-9]{0,3})?)\s*", re.IGNORECASE)


def weighted(header: str) -> list[tuple[str, float]]:
    """Read a list of items with weights, in the order they were sent; items with a broken weight are left out.

    >>> weighted("text/html, text/csv; q=0.5, x/y;q=no")
    [('text/html', 1.0), ('text/csv', 0.5)]
    """
    found = []
    for item in header.split(",")[:MOST]:
        name, *parameters = item.split(";")
        weights = [parameter for parameter in parameters if parameter.strip()[:1].lower() == "q"]
        read = _WEIGHT.fullmatch(weights[0]) if weights else None
        if name.strip() and (read is not None or not weights):
            found.append((name.strip().lower(), min(1.0, float(read[1])) if read else 1.0))
    return found


def best_type(accept: str | None, offered: Sequence[str], worth: Mapping[str, float] = EQUAL) -> str | None:
    """Choose what is wanted most, the first of `offered` where several are; None where all are excluded.

    The most specific range speaks of a type: ``text/csv;q=0, */*`` takes anything but CSV. `worth` is what a type is
    to us, 1 where nothing is said; both weights are multiplied (the server's own preferences, section 12.1).

    >>> best_type("text/*;q=0.5, application/json", ["application/json", "text/csv"])
    'application/json'
    >>> best_type("application/json;q=0", ["application/json"]) is None
    True
    >>> best_type("text/html, */*;q=0.8", ["application/json", "text/html"], {"text/html": 0.5})
    'application/json'
    """
    if accept is None or not accept.strip():
        return offered[0]
    weights = dict(reversed(weighted(accept)))

    def weight(media_type: str) -> float:
        ranges = (media_type, f"{media_type.partition('/')[0]}/*", "*/*")
        return next((weights[each] for each in ranges if each in weights), 0.0) * worth.get(media_type, 1.0)

    best = max(offered, key=weight)
    return best if weight(best) > 0 else None


def accepts_gzip(header: str) -> bool:
    """Whether gzip may be sent: named, and not with q=0 (RFC 9110 section 12.5.3).

    >>> accepts_gzip("br, gzip"), accepts_gzip("gzip;q=0"), accepts_gzip("")
    (True, False, False)
    """
    return any(weight > 0 for name, weight in weighted(header) if name in ("gzip", "x-gzip"))


def accepted_languages(header: str) -> list[str]:
    """Read Accept-Language, best first (RFC 9110 section 12.5.4).

    >>> accepted_languages("en;q=0.5, fr-CA, fr;q=0.9, de;q=0")
    ['fr-ca', 'fr', 'en']
    """
    wanted = [(tag, weight) for tag, weight in weighted(header) if weight > 0]
    return [tag for tag, _ in sorted(wanted, key=lambda pair: -pair[1])]


def matches(header: str | None, etag: str) -> bool:
    """Whether an If-None-Match header names this ETag (weak comparison, RFC 9110 section 13.1.2)."""
    if header is None:
        return False
    tags = {tag.strip().removeprefix("W/") for tag in header.split(",")}
    return "*" in tags or etag.removeprefix("W/") in tags


__all__ = ["accepted_languages", "accepts_gzip", "best_type", "matches"]
