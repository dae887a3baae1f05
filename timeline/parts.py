"""How the content of a record is split into parts that can be erased one by one.

A record's *body* holds the dated fact: who, when, where, what. Its *quotes* hold the words of others that citations
repeat, and the digests of those words, which anyone could try to guess. Erasing the quotes keeps the fact.

Works on canonical bytes, of records of events only; everything else is body alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from timeline.records import canonical

BODY: Final = "body"
QUOTES: Final = "quotes"
TEXT: Final = "text"
"""The part that holds a source's own text, apart from its description."""

QUOTED: Final = ("exact", "phrase", "prefix", "span_sha256", "suffix")
"""Members of a citation that repeat the source, or give away what it says there to whoever guesses."""


_MARKS: Final = tuple(f'"{name}":'.encode() for name in QUOTED)


def split(body: bytes) -> tuple[tuple[str, bytes], ...]:
    """Split a payload into (name, bytes) parts, sorted by name. What has no quotes stays as it is.

    >>> split(b'{"event":{"citations":[{"exact":"no","source":"a"}],"title":"T"}}')[1]
    ('quotes', b'[{"exact":"no"}]')
    """
    if b'"citations":[' not in body or not any(mark in body for mark in _MARKS):
        return ((BODY, body),)  # most have nothing to split, and to see that is cheaper than to decode it
    values = msgspec.json.decode(body)
    cited = _citations(values)
    quotes = [{name: citation.pop(name) for name in QUOTED if name in citation} for citation in cited]
    if not any(quotes):
        return ((BODY, body),)
    return (BODY, canonical(values)), (QUOTES, canonical(quotes))


def join(parts: Mapping[str, bytes]) -> bytes:
    """Put the payload together again; quotes that are gone stay away. `KeyError` where the body is gone.

    >>> join(dict(split(b'{"event":{"citations":[{"exact":"no","source":"a"}],"title":"T"}}')))
    b'{"event":{"citations":[{"exact":"no","source":"a"}],"title":"T"}}'
    """
    body = parts[BODY]
    if QUOTES not in parts:
        return body
    values = msgspec.json.decode(body)
    for citation, quoted in zip(_citations(values), msgspec.json.decode(parts[QUOTES]), strict=True):
        citation.update(quoted)
    return canonical(values)


def _citations(values: dict[str, Any]) -> list[dict[str, Any]]:
    """Find the citations of an event, or of the patch that revises one."""
    holder = values.get("event") or values.get("patch") or {}
    found: Iterable[dict[str, Any]] = holder.get("citations") or ()
    return list(found)


__all__ = ["BODY", "QUOTED", "QUOTES", "TEXT", "join", "split"]
