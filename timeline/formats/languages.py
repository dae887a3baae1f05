"""Titles, summaries and names in the reader's language."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec


def localised(bodies: Iterable[str], lang: str) -> list[str]:
    """Show each event's title and summary in `lang` where there is a translation; `lang` of the event says which it is.

    A tag matches itself and its primary language: ``fr-CA`` takes a ``fr`` translation (RFC 4647, lookup).
    """
    return [_localised(body, lang) for body in bodies]


def actor_name(body: str, lang: str | None) -> str:
    """Take an actor's name out of its body, in `lang` where it has one there (RFC 4647, lookup).

    >>> actor_name('{"name": "Germany", "names": {"fr": "Allemagne"}}', "fr-CA")
    'Allemagne'
    """
    actor = msgspec.json.decode(body)
    names = actor.get("names", {})
    return str(next((names[tag] for tag in _tags(lang) if tag in names), actor["name"]))


def _tags(lang: str | None) -> tuple[str, ...]:
    return () if lang is None else (lang, lang.partition("-")[0])


def _localised(body: str, lang: str) -> str:
    event = msgspec.json.decode(body)
    translations = event.get("translations", {})
    chosen = next((tag for tag in _tags(lang) if tag in translations), None)
    if chosen is None or event.get("lang") == lang:
        return body
    return msgspec.json.encode({**event, **translations[chosen], "lang": chosen}).decode()
