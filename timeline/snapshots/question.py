"""The normal form of a question in a snapshot: what is meant, without how it was shown or paged."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, Final

import msgspec

from timeline.errors import Invalid
from timeline.query import DEFAULT_LIMIT, Query

PRESENTATION: Final = ("cursor", "lang", "limit", "order")
"""Parameters that choose a page, an order or a language: a snapshot is the whole answer, in one order, untranslated."""

MAX_SAFE: Final = 2**53 - 1


def normal_form(query: Query) -> dict[str, Any]:
    """Give what decides which events are meant: defaults left out, sets sorted, bounds in seconds, position left out.

    Bounds stay within the integers every JSON parser keeps exact (RFC 8785): 285 million years either way.
    """
    meant = replace(query, at=None, as_of=None, lang=None, order="asc", limit=DEFAULT_LIMIT, after=None)
    return {name: _safe(value) for name, value in meant.normal().items()}


def question(form: dict[str, Any], size: int) -> Query:
    """Read a normal form back: the question at the position a log of that size stands at.

    Raises:
        Invalid: it is no normal form.

    """
    known = {field.name for field in fields(Query)} - {"at", "as_of", "lang", "order", "limit", "after", "erased"}
    if unknown := sorted(set(form) - known):
        raise Invalid(f"query: unknown member {unknown[0]}")
    try:
        query = msgspec.convert({**form, "at": size}, Query)
    except msgspec.ValidationError as error:
        raise Invalid(f"query: {error}") from None
    if normal_form(query) != form:
        raise Invalid("query: not in normal form")
    return query


def _safe(value: Any) -> Any:  # noqa: ANN401 - the values of a question
    return max(-MAX_SAFE, min(value, MAX_SAFE)) if type(value) is int else value


__all__ = ["PRESENTATION", "normal_form", "question"]
