"""Titles and summaries in the reader's language."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec


def localised(bodies: Iterable[str], lang: str) -> list[str]:
    """Show each event's title and summary in `lang` where there is a translation; `lang` of the event says which it is.

    A tag matches itself and its primary language: ``fr-CA`` takes a ``fr`` translation (RFC 4647, lookup).
    """
    return [_localised(body, lang) for body in bodies]


def _localised(body: str, lang: str) -> str:
    event = msgspec.json.decode(body)
    translations = event.get("translations", {})
    chosen = next((tag for tag in (lang, lang.partition("-")[0]) if tag in translations), None)
    if chosen is None or event.get("lang") == lang:
        return body
    return msgspec.json.encode({**event, **translations[chosen], "lang": chosen}).decode()
