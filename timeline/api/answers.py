"""Answers as bytes: ETags before any work, a byte cache, compression, paging links.

An answer to a question is a function of (address, format, position of the last record that could change it): that is
its ETag and its cache key. So an actor's timeline stays 304 while others change, and no cached page is ever stale.
"""

from __future__ import annotations

import asyncio
import gzip
from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Final
from urllib.parse import urlencode

import msgspec
from litestar import Response

from timeline import __version__
from timeline.api import memento
from timeline.api.asking import AnyRequest, check_actors, chosen_format, is_bounded, query_pairs, read_question
from timeline.api.negotiation import accepts_gzip, matches
from timeline.api.ready import may_be_kept
from timeline.chronicle import Timeline
from timeline.connections import time_budget
from timeline.formats import Format, Sheet, actor_name, localised
from timeline.metrics import CacheFigures
from timeline.query import Query, make_cursor
from timeline.reading import BUDGET
from timeline.views.reader import Heads, Page, Reader

FOREVER: Final = "public, max-age=31536000, immutable"
REVALIDATE: Final = "public, max-age=0, must-revalidate"
VARY: Final = "Accept, Accept-Encoding"
CACHE_BYTES: Final = 64 * 2**20
WORTH_GZIP: Final = 1_000
WORTH_THREAD: Final = 64_000
"""Bytes whose compression (a millisecond and more) should not hold up everybody else."""

GZIP_LEVEL: Final = 4
Key = tuple[str, bytes, str]


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
        self._answers: OrderedDict[Key, Cached] = OrderedDict()

    def get(self, key: Key) -> Cached | None:
        """Find an answer; the caller checks whether it still holds."""
        found = self._answers.get(key)
        if found is not None:
            self._answers.move_to_end(key)
        return found

    def put(self, key: Key, answer: Cached) -> None:
        """Keep an answer, dropping the oldest ones beyond the limit."""
        old = self._answers.pop(key, None)
        self._size += _weight(key, answer) - (_weight(key, old) if old else 0)
        self._answers[key] = answer
        while self._size > self._limit:
            other, dropped = self._answers.popitem(last=False)
            self._size -= _weight(other, dropped)


def _weight(key: Key, answer: Cached) -> int:
    """Estimate what an answer takes: body and compressed body, and its address in the key, the query and the links."""
    return 2 * len(answer.body) + 8 * (len(key[0]) + len(key[1])) + 4_000


class Answers:
    """Answers questions about events over HTTP."""

    def __init__(self, timeline: Timeline, base: str = "", figures: CacheFigures | None = None) -> None:
        """Answer from this timeline; `base` is where the world knows the server, for feeds that name themselves."""
        self._timeline = timeline
        self._base = base
        self._cache = AnswerCache()
        self.figures = figures or CacheFigures()
        self._erasures = timeline.heads.erasures
        self._salt = f"{timeline.origin} {__version__} {base}"

    async def events(self, request: AnyRequest, actor: str | None = None) -> Response[bytes]:
        """Answer `/v1/events`, or the same of one actor; with Accept-Datetime, as their TimeGate."""
        if memento.asks_for_a_time(request) and (redirect := await self._gate(request, actor)) is not None:
            return redirect
        key = (request.scope["path"], request.scope["query_string"], chosen_format(request))
        if self._erasures != (erasures := self._timeline.heads.erasures):  # what was erased is kept nowhere
            self._erasures, self._cache = erasures, AnswerCache()
        kept = self._cache  # an answer made before an erasure must not get into the cache of after
        found = kept.get(key)
        if found is not None and await self._holds(key, found):
            self.figures.hits += 1
        else:
            self.figures.misses += 1
            found = await self._answer(request, key, actor, found)
            kept.put(key, found)
        may_be_kept(request.scope, None if found.query.at is not None else found.checked)
        return await conditional(request, found)

    async def _gate(self, request: AnyRequest, actor: str | None) -> Response[bytes] | None:
        """Answer as a TimeGate; None where the address is pinned, and so is none (the header then says nothing)."""
        query, _ = read_question(request, actor)
        if memento.is_pinned(query):
            return None
        recorded_at = memento.accepted(request)

        def choose() -> dict[str, str]:
            self.check(query, actor)
            reader, head = self._timeline.reader(), self._timeline.position
            with time_budget(reader.connection, BUDGET):
                wanted = min(head, reader.position_at(recorded_at))
                return memento.gate(memento.Original.of(request), partial(reader.changes, query), reader.recorded_at,
                                    wanted, head)

        return redirected(await asyncio.to_thread(choose))

    def check(self, query: Query, actor: str | None) -> None:
        """Refuse a question about actors nobody knows: 404 where the address names one, else 422."""
        if actor is not None:
            self._timeline.body("actor", actor)
        else:
            check_actors(self._timeline, query)

    async def _holds(self, key: Key, found: Cached) -> bool:
        """Whether a cached answer is still the answer; costs nothing while the log stands still."""
        heads = self._timeline.heads
        if found.query.at is not None or found.checked == heads.position:
            return True
        if found.query.as_of is not None:
            return False
        if found.query.members:  # groups within groups: not on the event loop
            last = await asyncio.to_thread(self._last_change, found.query, heads)
        else:
            last = self._last_change(found.query, heads)
        if found.etag != self._etag(key, last, heads):
            return False
        found.checked = max(found.checked, heads.position)
        return True

    def _last_change(self, query: Query, heads: Heads) -> int:
        return self._timeline.reader().last_change(query, heads)

    async def _answer(self, request: AnyRequest, key: Key, actor: str | None, old: Cached | None) -> Cached:
        query, format_ = (old.query, old.format) if old else read_question(request, actor, key[2])
        if format_.light and is_bounded(query) and all(self._knows(actor) for actor in query.actors):
            return self._compute(request, key, query, format_)

        def compute() -> Cached:
            self.check(query, actor)
            return self._compute(request, key, query, format_)

        return await asyncio.to_thread(compute)

    def _knows(self, actor: str) -> bool:
        return self._timeline.reader().thing("actor", actor, self._timeline.position) is not None

    def _compute(self, request: AnyRequest, key: Key, query: Query, format_: Format) -> Cached:
        """Ask the views: at the position of the last record that mattered, so that equal ETags mean equal bytes."""
        timeline = self._timeline
        heads = timeline.heads
        position, final = timeline.resolve(query)
        reader = timeline.reader()
        with time_budget(reader.connection, BUDGET):
            if not final:
                position = min(position, reader.last_change(query, heads))
            page = reader.page(query, position)
        headers = {
            "ETag": self._etag(key, position, heads), "Cache-Control": FOREVER if final else REVALIDATE, "Vary": VARY,
            "Timeline-Position": str(position),
        }
        following = None if page.last is None else next_url(request, make_cursor(query, position, page.last))
        headers |= memento.headers(request, pinned=memento.is_pinned(query), following=following,
                                   recorded_at=reader.recorded_at(position) if final else None)
        headers |= {"Content-Security-Policy": format_.policy} if format_.policy else {}
        sheet = Sheet(_bodies(page, query, format_), position, following, timeline.origin,
                      _Names(reader, position, query.lang),
                      base=self._base, address=_own_address(request, format_.name) if self._base else "")
        body = format_.encode(sheet)
        return Cached(query, format_, heads.position, headers["ETag"], headers | sheet.losses.headers(), body)

    def _etag(self, key: Key, position: int, heads: Heads) -> str:
        """Name an answer by address, format and position; another log or program may answer otherwise.

        So may this one after an erasure. `heads` were looked at before the answer: an answer never has the name of one
        that was made later, when less was left to say.
        """
        path, raw, name = key
        known = f"{self._salt}\0{heads.erasures}\0{path}\0{name}\0"
        digest = sha256(known.encode("utf-8", "surrogatepass") + raw).hexdigest()[:16]
        return f'W/"{position}-{digest}"'


def _bodies(page: Page, query: Query, format_: Format) -> list[str]:
    """Give the bodies of a page as its format takes them: JSON joins them by commas, which is done to all at once."""
    if query.lang:
        return localised(page.bodies, query.lang)
    if format_.name == "json":
        return [page.text.replace("\n", ",")]
    return page.bodies


class _Names:
    """What names actors as they were called at a position; each is looked up once."""

    def __init__(self, reader: Reader, position: int, lang: str | None) -> None:
        self._reader, self._position, self._lang = reader, position, lang
        self._known: dict[str, str | None] = {}

    def __call__(self, actor: str) -> str | None:
        if actor not in self._known:
            body = self._reader.thing("actor", actor, self._position)
            self._known[actor] = None if body is None else actor_name(body, self._lang)
        return self._known[actor]


def revision_tag(body: str) -> str:
    """Give the ETag of one event, actor or source: its revision, and the last erasure if something of it was erased."""
    values = msgspec.json.decode(body)
    erased = values.get("erased")
    number = values["revision"]["number"]
    return f'"{number}-{erased["position"]}"' if erased else f'"{number}"'


def _own_address(request: AnyRequest, format_: str) -> str:
    """Give the address that gives this answer whatever the Accept header says: with its format."""
    pairs = [(name, value) for name, value in query_pairs(request) if name != "f"]
    return f"{request.scope['path']}?{urlencode([*pairs, ('f', format_)])}"


def next_url(request: AnyRequest, cursor: str) -> str:
    """Give the address of the next page: the same question with the cursor."""
    pairs = [(name, value) for name, value in query_pairs(request) if name != "cursor"]
    return f"{request.scope['path']}?{urlencode([*pairs, ('cursor', cursor)])}"


async def conditional(request: AnyRequest, answer: Cached) -> Response[bytes]:
    """Send an answer, or 304 where the client has it."""
    if matches(request.headers.get("if-none-match"), answer.etag):
        return Response(b"", status_code=304, headers=answer.headers, media_type=answer.format.media_type)
    headers, body = answer.headers, answer.body
    if len(body) >= WORTH_GZIP and accepts_gzip(request.headers.get("accept-encoding", "")):
        if answer.packed is None:
            answer.packed = await packed(body)
        headers, body = {**headers, "Content-Encoding": "gzip"}, answer.packed
    return Response(body, headers=headers, media_type=answer.format.media_type)


def redirected(headers: dict[str, str]) -> Response[bytes]:
    """Send to a memento. Which one may change with the next record, but not what stands there."""
    return Response(b"", status_code=302, headers={"Cache-Control": REVALIDATE, **headers}, media_type="text/plain")


async def packed(body: bytes) -> bytes:
    """Compress; in a thread what takes long."""
    if len(body) < WORTH_THREAD:
        return gzip.compress(body, GZIP_LEVEL, mtime=0)
    return await asyncio.to_thread(gzip.compress, body, GZIP_LEVEL, mtime=0)


async def respond(
    request: AnyRequest, content: bytes, *, position: int | None = None, final: bool = False, status: int = 200,
    media_type: str = "application/json", headers: dict[str, str] | None = None,
) -> Response[bytes]:
    """Send bytes with an ETag of their own (answers that are not worth caching)."""
    known = {"Cache-Control": FOREVER if final else REVALIDATE, "Vary": VARY, **(headers or {})}
    if position is not None:
        known["Timeline-Position"] = str(position)
    if status == 200:
        etag = known.setdefault("ETag", f'W/"{sha256(content).hexdigest()[:20]}"')
        if matches(request.headers.get("if-none-match"), etag):
            return Response(b"", status_code=304, headers=known, media_type=media_type)
    if len(content) >= WORTH_GZIP and accepts_gzip(request.headers.get("accept-encoding", "")):
        content = await packed(content)
        known["Content-Encoding"] = "gzip"
    return Response(content, status_code=status, headers=known, media_type=media_type)


__all__ = ["Answers", "redirected", "respond"]
