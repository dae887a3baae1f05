"""The feed of corrections over HTTP: what changed in the answer to a question since a position."""

from __future__ import annotations

import asyncio
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from litestar import Response

from timeline.api.answers import respond
from timeline.api.asking import AnyRequest, check_actors, negotiate, number, query_pairs, take
from timeline.changes import Changes
from timeline.chronicle import Timeline
from timeline.query import MAX_LIMIT, MAX_POSITION, Parameter, Query, parse_query

FILTERS: Final = (
    "datetime", "from", "to", "match", "on", "actor", "role", "members", "kind", "status", "topic", "place", "source",
    "related", "q", "reported_by", "tz", "lang", "retracted", "undated",
)
TYPES: Final = {"json": "application/json", "ndjson": "application/x-ndjson"}
OWN: Final = (
    Parameter("since", "Position of the state that is known: what came after it is told", "59", default="0",
              number=True),
    Parameter("until", "Position up to which changes are told; without it, the newest", "120", number=True),
    Parameter("limit", f"Changes in one page, 1..{MAX_LIMIT}", "50", default="50", number=True),
    Parameter("after", "Place after which the page begins, as `next` has it: a position, or one event at a position",
              "59.alaska-summit"),
    Parameter("f", "Format of the answer; without it the Accept header decides", choices=tuple(TYPES)),
)


class ChangeReads:
    """The handler of `/v1/changes`."""

    def __init__(self, timeline: Timeline) -> None:
        """Read from this timeline."""
        self._timeline = timeline

    async def changes(self, request: AnyRequest) -> Response[bytes]:
        """Say what changed in the answer to a question between two positions."""
        own, rest = take(query_pairs(request), [parameter.name for parameter in OWN])
        query = parse_query(rest, known=FILTERS)
        since = number("since", own.get("since", "0"), 0, MAX_POSITION)
        until = number("until", own["until"], 0, MAX_POSITION) if "until" in own else None
        limit = number("limit", own.get("limit", "50"), 1, MAX_LIMIT)
        format_ = negotiate(request, TYPES)

        def compare() -> Changes:
            check_actors(self._timeline, query)
            last = self._last(query, since) if until is None else until
            return self._timeline.changes(query, since, last, limit=limit, after=own.get("after", ""))

        found = await asyncio.to_thread(compare)
        following = _next(request, found)
        headers = {"Link": f'<{following}>; rel="next"'} if following else {}
        content = _encode(found, format_, following)
        return await respond(request, content, position=found.until, final=until is not None,
                             media_type=TYPES[format_], headers=headers)

    def _last(self, query: Query, since: int) -> int:
        """Give the last position that could matter: the answer, and its ETag, stay while others change."""
        heads = self._timeline.heads
        return max(since, min(heads.position, self._timeline.reader().last_change(query, heads)))


def _next(request: AnyRequest, found: Changes) -> str | None:
    """Give the address of the next page, up to the same position."""
    if found.after is None:
        return None
    others = [pair for pair in query_pairs(request) if pair[0] not in ("until", "after")]
    return f"{request.scope['path']}?{urlencode([*others, ('until', str(found.until)), ('after', found.after)])}"


def _encode(found: Changes, format_: str, following: str | None) -> bytes:
    if format_ == "ndjson":
        return b"".join(msgspec.json.encode(item) + b"\n" for item in found.items)
    page: dict[str, Any] = {
        "items": found.items, "since": found.since, "position": found.until, "summary": found.summary,
    }
    return msgspec.json.encode(page | ({"next": following} if following else {}))


__all__ = ["FILTERS", "OWN", "TYPES", "ChangeReads"]
