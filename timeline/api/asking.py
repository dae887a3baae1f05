"""What a URL asks: parameters read strictly, the format of the answer, and whether it is cheap to answer."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qsl

from timeline.api.negotiation import best_type
from timeline.api.problems import AnyRequest, NotAcceptable, TooLong
from timeline.chronicle import Timeline
from timeline.errors import Fault, Invalid, Malformed
from timeline.formats import FORMATS, Format
from timeline.query import Query, parse_query

MAX_URL: Final = 16_384
"""Longer addresses are refused before anything looks at them."""

MAX_PARAMETERS: Final = 200

WORTH: Final = {"text/html": 0.5}
"""A page is worth half of what data are: a browser that takes anything gets JSON, and so no cache that overlooks Vary
gives a program a page that a browser asked for. Who wants HTML most by far, or says `f=html`, has it."""


def query_pairs(request: AnyRequest) -> list[tuple[str, str]]:
    """Give the parameters of a URL in order, repeated ones too.

    Raises:
        Malformed: they are too many, or one is not UTF-8 (which a lenient reader would change without a word).

    """
    return list(_pairs(request.scope["query_string"]))


@lru_cache(64)
def _pairs(raw: bytes) -> tuple[tuple[str, str], ...]:
    """Read parameters; remembered, as the question, its links and its next page ask for the same ones in turn."""
    if len(raw) > MAX_URL:
        raise TooLong(f"the address is longer than {MAX_URL} bytes: ask in several requests")
    if raw.count(b"&") >= MAX_PARAMETERS:
        detail = f"at most {MAX_PARAMETERS} are taken"
        raise Malformed(f"parameters: {detail}", faults=(Fault("?", detail),))
    try:
        text = raw.decode("utf-8")
        if "%" not in text and "+" not in text:  # nothing is escaped: as below, in a third of the time
            return tuple((name, value) for name, _, value in [each.partition("=") for each in text.split("&") if each])
        return tuple(parse_qsl(text, keep_blank_values=True, errors="strict"))
    except UnicodeDecodeError:
        raise Malformed("a parameter is not UTF-8", faults=(_not_utf8(raw),)) from None


def _not_utf8(raw: bytes) -> Fault:
    for name, value in parse_qsl(raw.decode("latin-1"), keep_blank_values=True, errors="replace"):
        if "\ufffd" in value or not value.isascii():
            return Fault(f"?{name}", "not UTF-8")
    return Fault("?", "not UTF-8")


def chosen_format(request: AnyRequest) -> str:
    """Name the format of the answer; costs nothing where neither `f=` nor Accept says anything unusual."""
    accept = request.headers.get("accept")
    if accept in (None, "*/*", "application/json") and b"f=" not in request.scope["query_string"]:
        return "json"
    types = {name: format_.media_type.partition(";")[0] for name, format_ in FORMATS.items()}
    return negotiate(request, types)


def negotiate(request: AnyRequest, types: dict[str, str]) -> str:
    """Choose a format by name: `f=` first, else the Accept header (RFC 9110 section 12.5.1).

    Raises:
        Malformed: `f` is none of the formats.
        NotAcceptable: Accept excludes them all.

    """
    wanted = take(query_pairs(request), ("f",))[0].get("f")
    if wanted is not None:
        if wanted not in types:
            detail = f"expected one of {', '.join(types)}"
            raise Malformed(f"f: {detail}", faults=(Fault("?f", detail),))
        return wanted
    best = best_type(request.headers.get("accept"), list(types.values()), WORTH)
    if best is None:
        raise NotAcceptable(f"this address gives {', '.join(types.values())}")
    return next(name for name, media_type in types.items() if media_type == best)


def read_question(
    request: AnyRequest, actor: str | None = None, format_: str | None = None
) -> tuple[Query, Format]:
    """Read the question and the format from a URL; `format_` is the name of the format, where that is known."""
    pairs = [pair for pair in query_pairs(request) if pair[0] != "f"]
    if actor is not None:
        if any(name == "actor" for name, _ in pairs):
            raise Malformed("actor: this address names the actor already", faults=(Fault("?actor", "leave it out"),))
        pairs.append(("actor", actor))
    return parse_query(pairs), FORMATS[format_ or chosen_format(request)]


def is_bounded(query: Query) -> bool:
    """Whether an index gives the page directly: such reads are faster on the event loop than in a thread.

    Anything that may have to look at many rows for one that fits runs in a thread, under a time budget.
    """
    scans = query.text or query.kinds or query.statuses or query.roles or query.members or query.as_of
    plain = query.match == "may" and query.on == "when" and query.at is None and query.reported_by is None
    return plain and not scans and sum(map(len, query.facets())) <= 1


def check_actors(timeline: Timeline, query: Query) -> None:
    """Refuse a question about actors that nobody has described: an empty answer would hide a misspelling.

    Raises:
        Invalid: with the nearest match of each.

    """
    reader, position = timeline.reader(), timeline.position
    unknown = [actor for actor in query.actors if reader.thing("actor", actor, position) is None]
    if unknown:
        faults = tuple(Fault("?actor", f"unknown actor {actor}{_meant(timeline, actor)}") for actor in unknown)
        raise Invalid(f"actor: {faults[0].detail}", faults=faults)


def _meant(timeline: Timeline, actor: str) -> str:
    close = get_close_matches(actor, timeline.reader().near("actor", actor), 1, 0.6)
    return f", did you mean {close[0]}?" if close else ""


def take(pairs: Sequence[tuple[str, str]], names: Sequence[str]) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Take parameters that are not part of a question off the list; each may be given once."""
    own: dict[str, str] = {}
    for name, value in pairs:
        if name in names:
            if name in own:
                raise Malformed(f"{name}: given more than once", faults=(Fault(f"?{name}", "given more than once"),))
            own[name] = value
    return own, [pair for pair in pairs if pair[0] not in names]


def no_parameters(request: AnyRequest) -> None:
    """Refuse parameters where none are taken."""
    parse_query(query_pairs(request), known=())


def number(name: str, text: str, lowest: int, highest: int) -> int:
    """Read a whole number of a range."""
    if not (text.isascii() and text.isdigit() and len(text) <= 16 and lowest <= int(text) <= highest):
        detail = f"expected a whole number {lowest}..{highest}"
        raise Malformed(f"{name}: {detail}", faults=(Fault(f"?{name}", detail),))
    return int(text)


__all__ = ["AnyRequest", "check_actors", "chosen_format", "is_bounded", "negotiate", "no_parameters", "number",
           "query_pairs", "read_question", "take"]
