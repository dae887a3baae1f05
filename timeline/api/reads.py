"""Reading over HTTP: events are answered by `answers`; everything else is small and answered here."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

import msgspec
from litestar import Response

from timeline.api import memento
from timeline.api.answers import Answers, next_url, redirected, respond, revision_tag
from timeline.api.asking import AnyRequest, check_actors, negotiate, no_parameters, number, query_pairs, take
from timeline.chronicle import Timeline
from timeline.connections import time_budget
from timeline.errors import Fault, Malformed
from timeline.formats import FORMATS, localised
from timeline.log import BODY, Record
from timeline.merkle import leaf_hash
from timeline.metrics import CacheFigures
from timeline.model import SLUG_PATTERN
from timeline.parts import TEXT, join
from timeline.query import BY_NAME, MAX_LIMIT, MAX_POSITION, Key, Query, make_cursor, parse_query, pinned, resume
from timeline.reading import BUDGET
from timeline.views import reader as views
from timeline.views.reader import Reader

T = TypeVar("T")
PAGE_BYTES: Final = 8_000_000
"""A page of records ends once it is that large, whatever the limit says."""

AT_ONCE: Final = 25
"""Records, actors or sources read at once, before it is seen how large they are."""

INDEXED: Final = (
    "events", "actors", "sources", "topics", "density", "chart", "changes", "stream", "snapshots", "records",
    "checkpoint",
)
CLOCKS: Final = ("at", "as_of", "tz")
TIMEMAP_PARAMETERS: Final = tuple(name for name in BY_NAME if name not in memento.PINS)
"""What a TimeMap of events takes: the question whose mementos it lists, which nothing pins."""

TOPIC_PARAMETERS: Final = (*CLOCKS, "actor", "members", "from", "to", "datetime", "match", "reported_by", "retracted")
DENSITY_PARAMETERS: Final = (
    "datetime", "from", "to", "match", "on", "actor", "role", "members", "kind", "status", "topic", "place", "source",
    "related", "q", "reported_by", "at", "as_of", "tz", "retracted",
)
RECORD_TYPES: Final = {
    "json": "application/json", "ndjson": "application/x-ndjson", "cloudevents": "application/cloudevents-batch+json",
}


class Reads:
    """Handlers of GET and HEAD; each takes the request and gives a response."""

    def __init__(self, timeline: Timeline, base: str = "", cache: CacheFigures | None = None) -> None:
        """Read from this timeline; `base` is the address of the server where the world knows it."""
        self._timeline = timeline
        self._answers = Answers(timeline, base, cache)

    async def index(self, request: AnyRequest) -> Response[bytes]:
        """Say what this is, how far it goes, and where to go on."""
        head = self._timeline.head()
        links = {name: f"/v1/{name}" for name in INDEXED}
        about = {
            "origin": self._timeline.origin, "position": head.size, "root": head.root.hex(),
            "recorded_at": head.recorded_at if head.size else None,
            "links": {**links, "openapi": "/v1/openapi.json", "docs": "/docs", "page": "/", "embed": "/embed",
                      "edit": "/edit"},
        }
        return await respond(request, msgspec.json.encode(about), position=head.size)

    async def events(self, request: AnyRequest) -> Response[bytes]:
        """Answer a question about events."""
        return await self._answers.events(request)

    async def actor_timeline(self, request: AnyRequest) -> Response[bytes]:
        """Answer a question about one actor's events."""
        return await self._answers.events(request, request.path_params["id"])

    async def event(self, request: AnyRequest) -> Response[bytes]:
        """Give one event, retracted and merged ones too, with its revision as a strong-looking ETag for If-Match.

        With Accept-Datetime, answer as its TimeGate.
        """
        if memento.asks_for_a_time(request):
            query = parse_query(query_pairs(request), known=("lang", *CLOCKS))
            if not memento.is_pinned(query):
                return redirected(await asyncio.to_thread(self._event_gate, request, memento.accepted(request)))
        return await self._thing(request, "event")

    def _event_gate(self, request: AnyRequest, recorded_at: str) -> dict[str, str]:
        id_, head, reader = request.path_params["id"], self._timeline.position, self._timeline.reader()
        self._timeline.body("event", id_)
        return memento.gate(memento.Original.of(request), partial(reader.event_changes, id_), reader.recorded_at,
                            min(head, reader.position_at(recorded_at)), head)

    async def event_timemap(self, request: AnyRequest) -> Response[bytes]:
        """List the mementos of one event: its revisions."""
        own, rest = take(query_pairs(request), ("f", "before"))
        parse_query(rest, known=("lang", "tz"))
        id_ = request.path_params["id"]

        def changes(reader: Reader) -> memento.Changes:
            self._timeline.body("event", id_)
            return partial(reader.event_changes, id_)

        return await self._timemap(request, own, changes)

    async def events_timemap(self, request: AnyRequest) -> Response[bytes]:
        """List the mementos of a question about events."""
        return await self._question_timemap(request, None)

    async def actor_timemap(self, request: AnyRequest) -> Response[bytes]:
        """List the mementos of a question about one actor's events."""
        return await self._question_timemap(request, request.path_params["id"])

    async def _question_timemap(self, request: AnyRequest, actor: str | None) -> Response[bytes]:
        own, rest = take(query_pairs(request), memento.OF_TIMEMAP)
        if own.get("original_f", "json") not in FORMATS:
            detail = f"expected one of {', '.join(FORMATS)}"
            raise Malformed(f"original_f: {detail}", faults=(Fault("?original_f", detail),))
        known = [name for name in TIMEMAP_PARAMETERS if actor is None or name != "actor"]
        query = parse_query(rest, known=known)
        query = query if actor is None else replace(query, actors=(actor,))

        def changes(reader: Reader) -> memento.Changes:
            self._answers.check(query, actor)
            return partial(reader.changes, query)

        # Who belonged to a group may be learnt later, and then what they did before counts too.
        return await self._timemap(request, own, changes, settled=not query.members)

    async def _timemap(
        self, request: AnyRequest, own: dict[str, str], changes: Callable[[Reader], memento.Changes], *,
        settled: bool = True,
    ) -> Response[bytes]:
        """Give one page of a TimeMap; only the newest page changes, as positions below a position are fixed."""
        before = number("before", own["before"], 1, MAX_POSITION) if "before" in own else None
        format_ = negotiate(request, memento.TIMEMAP_TYPES)
        original, head = memento.Original.of_timemap(request), self._timeline.position
        page = await self._ask(lambda reader: memento.TimeMap.read(
            original, changes(reader), reader.recorded_at, before, head))
        final = settled and before is not None and before <= head + 1
        position = before - 1 if final and before is not None else head
        content = await asyncio.to_thread(page.encode, format_, position)
        following = page.following(*((("f", own["f"]),) if "f" in own else ()))
        headers = {"Link": f'<{following}>; rel="next"'} if following else {}
        return await respond(request, content, position=position, final=final, headers=headers,
                             media_type=memento.TIMEMAP_TYPES[format_])

    async def history(self, request: AnyRequest) -> Response[bytes]:
        """Give every revision of an event."""
        position, final = self._position(request, CLOCKS)
        versions = await asyncio.to_thread(self._timeline.history, request.path_params["id"], position)
        content = msgspec.json.encode({"items": versions, "position": position})
        return await respond(request, content, position=position, final=final)

    async def actors(self, request: AnyRequest) -> Response[bytes]:
        """List actors in order of id."""
        return await self._things(request, "actor")

    async def sources(self, request: AnyRequest) -> Response[bytes]:
        """List sources in order of id."""
        return await self._things(request, "source")

    async def actor(self, request: AnyRequest) -> Response[bytes]:
        """Give one actor."""
        return await self._thing(request, "actor")

    async def source(self, request: AnyRequest) -> Response[bytes]:
        """Give one source."""
        return await self._thing(request, "source")

    async def _thing(self, request: AnyRequest, type_: str) -> Response[bytes]:
        query = parse_query(query_pairs(request), known=("lang", *CLOCKS) if type_ == "event" else CLOCKS)
        position, final = self._timeline.resolve(query)
        id_, reader = request.path_params["id"], self._timeline.reader()
        body = reader.event(id_, position) if type_ == "event" else reader.thing(type_, id_, position)
        if body is None:  # to find out what was meant takes longer than to answer
            body = await asyncio.to_thread(self._timeline.body, type_, id_, position)
        body = localised([body], query.lang)[0] if query.lang else body
        headers = {"ETag": revision_tag(body)}
        if type_ == "event":
            headers |= memento.headers(request, pinned=memento.is_pinned(query), following=None,
                                       recorded_at=reader.recorded_at(position) if final else None)
        return await respond(request, body.encode(), position=position, final=final, headers=headers)

    async def _things(self, request: AnyRequest, type_: str) -> Response[bytes]:
        own, rest = take(query_pairs(request), ("after",))
        query = parse_query(rest, known=("q", "limit", *CLOCKS))
        position, final = self._timeline.resolve(query)
        after = _id("after", own.get("after", ""))
        rows, more = await self._ask(lambda reader: _fitting(reader, type_, query, position, after))
        content, headers = _page(request, rows, position, more=more)
        return await respond(request, content, position=position, final=final, headers=headers)

    async def _ask(self, question: Callable[[Reader], T]) -> T:
        """Ask the views in a thread, under the time budget of one question."""
        def asked() -> T:
            reader = self._timeline.reader()
            with time_budget(reader.connection, BUDGET):
                return question(reader)

        return await asyncio.to_thread(asked)

    async def topics(self, request: AnyRequest) -> Response[bytes]:
        """List topics with the number of events under each."""
        position, final = self._position(request, CLOCKS)
        counts = await self._ask(lambda reader: reader.lane_counts("topic/", position))
        items = [{"id": topic, "events": count, "positions": f"/v1/topics/{topic}/positions"}
                 for topic, count in counts.items()]
        content = msgspec.json.encode({"items": items, "position": position})
        return await respond(request, content, position=position, final=final)

    async def positions(self, request: AnyRequest) -> Response[bytes]:
        """Say who stood where on a topic, in order, with the changes of stance marked, page by page."""
        own, rest = take(query_pairs(request), ("cursor", "limit"))
        topic = request.path_params["id"]
        limit = number("limit", own.get("limit", str(MAX_LIMIT)), 1, MAX_LIMIT)
        query = replace(parse_query(rest, known=TOPIC_PARAMETERS), topics=(topic,), limit=limit)
        query = _resumed(query, own["cursor"]) if "cursor" in own else query
        position, final = self._timeline.resolve(query)
        query = pinned(query, position)

        def stances(_: Reader) -> tuple[list[dict[str, Any]], Key | None]:
            check_actors(self._timeline, query)
            return self._timeline.stances(topic, query)

        items, last = await self._ask(stances)
        page: dict[str, Any] = {"topic": topic, "items": items, "position": position}
        headers = {}
        if last is not None:
            page["next"] = next_url(request, make_cursor(query, position, last))
            headers["Link"] = f'<{page["next"]}>; rel="next"'
        return await respond(request, msgspec.json.encode(page), position=position, final=final, headers=headers)

    async def density(self, request: AnyRequest) -> Response[bytes]:
        """Count events by bucket of time."""
        own, rest = take(query_pairs(request), ("buckets",))
        buckets = number("buckets", own.get("buckets", "240"), 1, 240)
        query = parse_query(rest, known=DENSITY_PARAMETERS)

        def count() -> dict[str, Any]:
            check_actors(self._timeline, query)
            return self._timeline.density(query, buckets)

        counted = await asyncio.to_thread(count)
        final = counted.pop("final")
        return await respond(request, msgspec.json.encode(counted), position=counted["position"], final=final)

    async def records(self, request: AnyRequest) -> Response[bytes]:
        """Give the log itself, page by page, as JSON, NDJSON or a CloudEvents batch."""
        own, rest = take(query_pairs(request), ("after", "limit", "f"))
        parse_query(rest, known=())
        after = number("after", own.get("after", "0"), 0, MAX_POSITION)
        limit = number("limit", own.get("limit", "50"), 1, MAX_LIMIT)
        format_ = negotiate(request, RECORD_TYPES)
        head = self._timeline.position
        write = WRITERS[format_]
        items, last = await asyncio.to_thread(self._written, after, min(limit, max(0, head - after)), write)
        # A page that is full says nothing of the head, so it never changes.
        full = len(items) == limit or (bool(items) and last < head)
        following = _next_records(last, own) if full else None
        position = last if full else head
        content = _join(items, format_, position, following)
        headers = {"Link": f'<{following}>; rel="next"'} if following else {}
        return await respond(request, content, final=full, media_type=RECORD_TYPES[format_], headers=headers,
                             position=position)

    def _written(self, after: int, limit: int, write: Callable[[Record, str], bytes]) -> tuple[list[bytes], int]:
        """Write records until there are enough, or they are so large that a page should end here."""
        items: list[bytes] = []
        last, size = after, 0
        while len(items) < limit and size < PAGE_BYTES:
            for record in self._timeline.records(last, min(AT_ONCE, limit - len(items))):
                items.append(write(record, self._timeline.origin))
                last, size = record.position, size + len(items[-1])
                if size >= PAGE_BYTES:
                    break
        return items, last

    async def record(self, request: AnyRequest) -> Response[bytes]:
        """Give one record of the log: it never changes."""
        no_parameters(request)
        position = number("position", request.path_params["position"], 1, MAX_POSITION)
        self._timeline.resolve(Query(at=position))
        record = next(self._timeline.records(position - 1, 1))
        return await respond(request, msgspec.json.encode(shown(record)), position=position, final=True)

    def _position(self, request: AnyRequest, known: Sequence[str]) -> tuple[int, bool]:
        return self._timeline.resolve(parse_query(query_pairs(request), known=known))


def shown(record: Record) -> dict[str, Any]:
    """Show a record: header, leaf hash, and each part with the salt that opens its commitment.

    The stored text of a source is committed to but part of no answer. What was erased is named.
    """
    parts = [
        {"name": part.name, "salt": part.salt.hex(), **({} if part.name == TEXT else {"data": msgspec.Raw(part.data)})}
        for part in record.parts
    ]
    return {"position": record.position, "header": msgspec.Raw(record.header_bytes),
            "leaf_hash": leaf_hash(record.header_bytes).hex(), "parts": parts,
            **({"erased": list(record.erased)} if record.erased else {})}


def _join(items: Sequence[bytes], format_: str, position: int, following: str | None) -> bytes:
    if format_ == "ndjson":
        return b"".join(item + b"\n" for item in items)
    if format_ == "cloudevents":
        return b"[" + b",".join(items) + b"]"
    tail = {"position": position, **({"next": following} if following else {})}
    return b'{"items":[' + b",".join(items) + b"]," + msgspec.json.encode(tail)[1:]


def _next_records(last: int, own: dict[str, str]) -> str:
    return "/v1/records?" + urlencode({**own, "after": str(last)})


def _plain(record: Record, _: str) -> bytes:
    return msgspec.json.encode(shown(record))


def _cloud_event(record: Record, origin: str) -> bytes:
    """Show a record as CloudEvents 1.0 (JSON event format); `sequence` is the extension of that name."""
    header = record.header
    return msgspec.json.encode({
        "specversion": "1.0", "id": str(record.position), "source": f"//{origin}",
        "type": f"timeline.{header.type}.v{header.v}", "time": header.recorded_at, "subject": header.streams[0][0],
        "sequence": f"{record.position:020d}", "datacontenttype": "application/json",
        **({} if BODY in record.erased else {"data": msgspec.Raw(join(record.contents()))}),
    })


WRITERS: Final = {"json": _plain, "ndjson": _plain, "cloudevents": _cloud_event}


def _resumed(query: Query, cursor: str) -> Query:
    try:
        return resume(query, cursor)
    except Malformed as error:
        raise Malformed(f"cursor: {error.detail}", faults=(Fault("?cursor", error.detail),)) from None


def _id(name: str, value: str) -> str:
    if value and not (len(value) <= 100 and re.fullmatch(SLUG_PATTERN, value)):
        raise Malformed(f"{name}: expected an id", faults=(Fault(f"?{name}", "expected an id, as `next` has it"),))
    return value


def _fitting(reader: Reader, type_: str, query: Query, position: int, after: str) -> tuple[list[tuple[str, str]], bool]:
    """Give (id, body) of the actors or sources that fit into a page, one at least, and whether there are more."""
    rows: list[tuple[str, str]] = []
    size = 0
    while True:
        some = reader.things(type_, position, after=after, limit=AT_ONCE, text=query.text)
        for row in some:
            size += len(row[1].encode()) + 1
            if len(rows) == query.limit or (rows and size > views.PAGE_BYTES):
                return rows, True
            rows.append(row)
        if len(some) < AT_ONCE:
            return rows, False
        after = rows[-1][0]


def _page(
    request: AnyRequest, rows: list[tuple[str, str]], position: int, *, more: bool
) -> tuple[bytes, dict[str, str]]:
    """Write one page of actors or sources; the next page starts after the last id, at the same position."""
    tail: dict[str, Any] = {"position": position}
    headers = {}
    if more:
        others = [pair for pair in query_pairs(request) if pair[0] not in ("after", "at", "as_of")]
        others += [("at", str(position)), ("after", rows[-1][0])]
        tail["next"] = f"{request.scope['path']}?{urlencode(others)}"
        headers["Link"] = f'<{tail["next"]}>; rel="next"'
    items = ",".join(body for _, body in rows).encode()
    return b'{"items":[' + items + b"]," + msgspec.json.encode(tail)[1:], headers


__all__ = ["Reads", "shown"]
