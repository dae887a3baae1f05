"""Answers as bytes: negotiation, ETags before any work, a byte cache, compression, paging links.

An answer to a question is a function of (normal form, format, position of the last record that could change it): that
is its ETag and its cache key. So an actor's timeline stays 304 while others change, and no cached page is ever stale.
"""

from __future__ import annotations

import asyncio
import gzip
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final
from urllib.parse import urlencode

from litestar import Request, Response

from timeline.api.problems import NotAcceptable
from timeline.chronicle import Timeline
from timeline.connections import time_budget
from timeline.errors import Fault, Malformed
from timeline.formats import FORMATS, Format, Sheet, localised
from timeline.query import Query, make_cursor, parse_query
from timeline.reading import BUDGET

FOREVER: Final = "public, max-age=31536000, immutable"
REVALIDATE: Final = "public, max-age=0, must-revalidate"
VARY: Final = "Accept, Accept-Encoding"
CACHE_BYTES: Final = 64 * 2**20
WORTH_GZIP: Final = 1_000
GZIP_LEVEL: Final = 4
AnyRequest = Request[Any, Any, Any]


@dataclass(slots=True)
class Cached:
    """An answer and what it depends on."""

    query: Query
    format: Format
    checked: int
    etag: str
    headers: dict[str, str]
    body: bytes
    packed: bytes | None = None


class AnswerCache:
    """Answers by (path, query string, format), least recently used out first, bounded in bytes."""

    def __init__(self, limit: int = CACHE_BYTES) -> None:
        """Start empty."""
        self._limit = limit
        self._size = 0
        self._answers: OrderedDict[tuple[str, str, str], Cached] = OrderedDict()

    def get(self, key: tuple[str, str, str]) -> Cached | None:
        """Find an answer; the caller checks whether it still holds."""
        found = self._answers.get(key)
        if found is not None:
            self._answers.move_to_end(key)
        return found

    def put(self, key: tuple[str, str, str], answer: Cached) -> None:
        """Keep an answer, dropping the oldest ones beyond the limit."""
        old = self._answers.pop(key, None)
        self._size += _weight(answer) - (_weight(old) if old else 0)
        self._answers[key] = answer
        while self._size > self._limit:
            _, dropped = self._answers.popitem(last=False)
            self._size -= _weight(dropped)


def _weight(answer: Cached) -> int:
    return 2 * len(answer.body) + 2_000


class Answers:
    """Answers questions about events over HTTP."""

    def __init__(self, timeline: Timeline) -> None:
        """Answer from this timeline."""
        self._timeline = timeline
        self._cache = AnswerCache()

    async def events(self, request: AnyRequest, actor: str | None = None) -> Response[bytes]:
        """Answer `/v1/events`, or the same of one actor."""
        raw = request.scope["query_string"].decode("latin-1")
        key = (request.scope["path"], raw, negotiated_name(request))
        found = self._cache.get(key)
        if found is None or not self._holds(found):
            found = await self._answer(request, actor, found)
            self._cache.put(key, found)
        return conditional(request, found)

    def _holds(self, found: Cached) -> bool:
        """Whether a cached answer is still the answer; costs nothing while the log stands still."""
        heads = self._timeline.heads
        if found.query.at is not None or found.checked == heads.position:
            return True
        if found.query.as_of is not None:
            return False
        if found.etag != self._etag(found.query, found.format, self._timeline.reader().last_change(found.query, heads)):
            return False
        found.checked = heads.position
        return True

    async def _answer(self, request: AnyRequest, actor: str | None, old: Cached | None) -> Cached:
        query, format_ = (old.query, old.format) if old else read_question(request, actor)
        if actor is not None:
            self._timeline.body("actor", actor)
        if is_bounded(query):
            return self._compute(request, query, format_)
        return await asyncio.to_thread(self._compute, request, query, format_)

    def _compute(self, request: AnyRequest, query: Query, format_: Format) -> Cached:
        """Ask the views: at the position of the last record that mattered, so that equal ETags mean equal bytes."""
        timeline = self._timeline
        heads = timeline.heads
        position, final = timeline.resolve(query)
        reader = timeline.reader()
        if not final:
            position = min(position, reader.last_change(query, heads))
        with time_budget(reader.connection, BUDGET):
            page = reader.page(query, position)
        bodies = localised(page.bodies, query.lang) if query.lang else page.bodies
        following = None
        if page.last is not None:
            following = next_url(request, make_cursor(query, position, page.last))
        headers = {
            "ETag": self._etag(query, format_, position),
            "Cache-Control": FOREVER if final else REVALIDATE,
            "Vary": VARY,
            "Timeline-Position": str(position),
        }
        if following is not None:
            headers["Link"] = f'<{following}>; rel="next"'
        body = format_.encode(Sheet(bodies, position, following))
        return Cached(query, format_, heads.position, headers["ETag"], headers, body)

    @staticmethod
    def _etag(query: Query, format_: Format, position: int) -> str:
        digest = sha256(query.key() + format_.name.encode()).hexdigest()[:16]
        return f'W/"{position}-{digest}"'


def is_bounded(query: Query) -> bool:
    """Whether an index gives the page directly: such reads are faster on the event loop than in a thread.

    Anything that may have to look at many rows for one that fits runs in a thread, under a time budget.
    """
    scans = (query.text, query.kinds, query.statuses, query.roles, query.reported_by, query.members or None)
    return all(not scan for scan in scans) and len(query.facets()) <= 1 and query.match == "may" and query.at is None


def read_question(request: AnyRequest, actor: str | None = None) -> tuple[Query, Format]:
    """Read the question and the format from a URL."""
    pairs = query_pairs(request)
    format_ = negotiate(request, pairs)
    pairs = [pair for pair in pairs if pair[0] != "f"]
    if actor is not None:
        if any(name == "actor" for name, _ in pairs):
            raise Malformed("actor: this address names the actor already", faults=(Fault("?actor", "leave it out"),))
        pairs.append(("actor", actor))
    return parse_query(pairs), format_


def query_pairs(request: AnyRequest) -> list[tuple[str, str]]:
    """Give the parameters of a URL in order, repeated ones too."""
    return [(name, value) for name, value in request.query_params.multi_items()]


def negotiated_name(request: AnyRequest) -> str:
    """Give what of the Accept header can matter, as part of a cache key."""
    return request.headers.get("accept", "")[:200]


def negotiate(request: AnyRequest, pairs: Sequence[tuple[str, str]]) -> Format:
    """Choose the format: `f=` first, else the Accept header (RFC 9110 section 12.5.1).

    Raises:
        Malformed: `f` is none of the formats.
        NotAcceptable: Accept excludes them all.

    """
    wanted = [value for name, value in pairs if name == "f"]
    if len(wanted) > 1:
        raise Malformed("f: given more than once", faults=(Fault("?f", "given more than once"),))
    if wanted:
        if wanted[0] not in FORMATS:
            detail = f"expected one of {', '.join(FORMATS)}"
            raise Malformed(f"f: {detail}", faults=(Fault("?f", detail),))
        return FORMATS[wanted[0]]
    accept = request.headers.get("accept", "*/*")
    if accept in ("*/*", "application/json"):
        return FORMATS["json"]
    offered = {format_.media_type.partition(";")[0]: format_ for format_ in FORMATS.values()}
    best = request.accept.best_match(list(offered))
    if best is None or ("q=0" in accept.replace(" ", "") and "," not in accept):
        raise NotAcceptable(f"this address gives {', '.join(offered)}")
    return offered[best]


def next_url(request: AnyRequest, cursor: str) -> str:
    """Give the address of the next page: the same question with the cursor."""
    pairs = [(name, value) for name, value in query_pairs(request) if name != "cursor"]
    return f"{request.scope['path']}?{urlencode([*pairs, ('cursor', cursor)])}"


def conditional(request: AnyRequest, answer: Cached) -> Response[bytes]:
    """Send an answer, or 304 where the client has it (RFC 9110 section 13.1.2: weak comparison)."""
    if matches(request.headers.get("if-none-match"), answer.etag):
        return Response(b"", status_code=304, headers=answer.headers, media_type=answer.format.media_type)
    headers, body = answer.headers, answer.body
    if len(body) >= WORTH_GZIP and accepts_gzip(request.headers.get("accept-encoding", "")):
        if answer.packed is None:
            answer.packed = gzip.compress(body, GZIP_LEVEL, mtime=0)
        headers, body = {**headers, "Content-Encoding": "gzip"}, answer.packed
    return Response(body, headers=headers, media_type=answer.format.media_type)


def matches(header: str | None, etag: str) -> bool:
    """Whether an If-None-Match header names this ETag."""
    if header is None:
        return False
    tags = {tag.strip().removeprefix("W/") for tag in header.split(",")}
    return "*" in tags or etag.removeprefix("W/") in tags


def accepts_gzip(header: str) -> bool:
    """Whether gzip may be sent: named, and not with q=0 (RFC 9110 section 12.5.3).

    >>> accepts_gzip("br, gzip"), accepts_gzip("gzip;q=0"), accepts_gzip("")
    (True, False, False)
    """
    for item in header.split(","):
        coding, _, parameters = item.strip().partition(";")
        if coding.strip().lower() in ("gzip", "x-gzip"):
            weight = parameters.strip().lower().removeprefix("q=")
            return weight.strip("0.") != "" or not weight
    return False


def respond(
    request: AnyRequest, content: bytes, *, position: int | None = None, final: bool = False, status: int = 200,
    media_type: str = "application/json", headers: dict[str, str] | None = None,
) -> Response[bytes]:
    """Send bytes with an ETag of their own (small answers that are not worth caching)."""
    etag = f'W/"{sha256(content).hexdigest()[:20]}"'
    known = {"Cache-Control": FOREVER if final else REVALIDATE, "Vary": VARY, "ETag": etag, **(headers or {})}
    if position is not None:
        known["Timeline-Position"] = str(position)
    if request.method in ("GET", "HEAD") and matches(request.headers.get("if-none-match"), known["ETag"]):
        return Response(b"", status_code=304, headers=known, media_type=media_type)
    if len(content) >= WORTH_GZIP and accepts_gzip(request.headers.get("accept-encoding", "")):
        content = gzip.compress(content, GZIP_LEVEL, mtime=0)
        known["Content-Encoding"] = "gzip"
    return Response(content, status_code=status, headers=known, media_type=media_type)


__all__ = ["Answers", "AnyRequest", "negotiate", "query_pairs", "respond"]
