"""Reading over HTTP: events are answered by `answers`; everything else is small and answered here."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any, Final
from urllib.parse import quote

import msgspec
from litestar import Response

from timeline.api.answers import Answers, AnyRequest, query_pairs, respond
from timeline.api.problems import NotAcceptable
from timeline.chronicle import Timeline
from timeline.errors import Fault, Malformed
from timeline.formats import localised
from timeline.log import BODY, Record
from timeline.merkle import leaf_hash
from timeline.query import MAX_LIMIT, MAX_POSITION, Query, parse_query

CLOCKS: Final = ("at", "as_of", "tz")
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

    def __init__(self, timeline: Timeline) -> None:
        """Read from this timeline."""
        self._timeline = timeline
        self._answers = Answers(timeline)

    async def index(self, request: AnyRequest) -> Response[bytes]:
        """Say what this is, how far it goes, and where to go on."""
        head = self._timeline.head()
        links = {name: f"/v1/{name}" for name in ("events", "actors", "sources", "topics", "density", "records")}
        about = {
            "origin": self._timeline.origin, "position": head.size, "root": head.root.hex(),
            "recorded_at": head.recorded_at if head.size else None,
            "links": {**links, "openapi": "/v1/openapi.json", "docs": "/docs", "page": "/"},
        }
        return respond(request, msgspec.json.encode(about), position=head.size)

    async def events(self, request: AnyRequest) -> Response[bytes]:
        """Answer a question about events."""
        return await self._answers.events(request)

    async def actor_timeline(self, request: AnyRequest) -> Response[bytes]:
        """Answer a question about one actor's events."""
        return await self._answers.events(request, request.path_params["id"])

    async def event(self, request: AnyRequest) -> Response[bytes]:
        """Give one event, retracted and merged ones too, with its revision as a strong-looking ETag for If-Match."""
        query = parse_query(query_pairs(request), known=("lang", *CLOCKS))
        position, final = self._timeline.resolve(query)
        body = self._timeline.body("event", request.path_params["id"], position)
        body = localised([body], query.lang)[0] if query.lang else body
        revision = msgspec.json.decode(body)["revision"]["number"]
        return respond(request, body.encode(), position=position, final=final, headers={"ETag": f'"{revision}"'})

    async def history(self, request: AnyRequest) -> Response[bytes]:
        """Give every revision of an event."""
        position, final = self._position(request, CLOCKS)
        versions = self._timeline.history(request.path_params["id"], position)
        content = msgspec.json.encode({"items": versions, "position": position})
        return respond(request, content, position=position, final=final)

    async def actors(self, request: AnyRequest) -> Response[bytes]:
        """List actors in order of id."""
        return self._things(request, "actor")

    async def sources(self, request: AnyRequest) -> Response[bytes]:
        """List sources in order of id."""
        return self._things(request, "source")

    async def actor(self, request: AnyRequest) -> Response[bytes]:
        """Give one actor."""
        return self._thing(request, "actor")

    async def source(self, request: AnyRequest) -> Response[bytes]:
        """Give one source."""
        return self._thing(request, "source")

    def _thing(self, request: AnyRequest, type_: str) -> Response[bytes]:
        position, final = self._position(request, CLOCKS)
        body = self._timeline.body(type_, request.path_params["id"], position)
        revision = msgspec.json.decode(body)["revision"]["number"]
        return respond(request, body.encode(), position=position, final=final, headers={"ETag": f'"{revision}"'})

    def _things(self, request: AnyRequest, type_: str) -> Response[bytes]:
        pairs = query_pairs(request)
        own, rest = _take(pairs, ("after",))
        query = parse_query(rest, known=("q", "limit", *CLOCKS))
        position, final = self._timeline.resolve(query)
        after = own.get("after", "")
        rows = self._timeline.reader().things(type_, position, after=after, limit=query.limit + 1, text=query.text)
        content, headers = _page(request, [body for _, body in rows], [id_ for id_, _ in rows], query, position)
        return respond(request, content, position=position, final=final, headers=headers)

    async def topics(self, request: AnyRequest) -> Response[bytes]:
        """List topics with the number of events under each."""
        position, final = self._position(request, CLOCKS)
        counts = await asyncio.to_thread(lambda: self._timeline.reader().lane_counts("topic/", position))
        items = [{"id": topic, "events": count, "positions": f"/v1/topics/{topic}/positions"}
                 for topic, count in counts.items()]
        content = msgspec.json.encode({"items": items, "position": position})
        return respond(request, content, position=position, final=final)

    async def positions(self, request: AnyRequest) -> Response[bytes]:
        """Say who stood where on a topic, in order, with the changes of stance marked."""
        query = parse_query(query_pairs(request), known=TOPIC_PARAMETERS)
        position, final = self._timeline.resolve(query)
        topic = request.path_params["id"]
        items = await asyncio.to_thread(self._timeline.positions, topic, None, query)
        content = msgspec.json.encode({"topic": topic, "items": items, "position": position})
        return respond(request, content, position=position, final=final)

    async def density(self, request: AnyRequest) -> Response[bytes]:
        """Count events by bucket of time."""
        own, rest = _take(query_pairs(request), ("buckets",))
        buckets = _number("buckets", own.get("buckets", "240"), 1, 240)
        query = parse_query(rest, known=DENSITY_PARAMETERS)
        counted = await asyncio.to_thread(self._timeline.density, query, buckets)
        final = counted.pop("final")
        return respond(request, msgspec.json.encode(counted), position=counted["position"], final=final)

    async def records(self, request: AnyRequest) -> Response[bytes]:
        """Give the log itself, page by page, as JSON, NDJSON or a CloudEvents batch."""
        own, rest = _take(query_pairs(request), ("after", "limit", "f"))
        _nothing_else(rest)
        after = _number("after", own.get("after", "0"), 0, MAX_POSITION)
        limit = _number("limit", own.get("limit", "50"), 1, MAX_LIMIT)
        format_ = _record_format(request, own.get("f"))
        head = self._timeline.position
        records = await asyncio.to_thread(lambda: list(self._timeline.records(after, min(limit, max(0, head - after)))))
        more = bool(records) and records[-1].position < head
        following = f"/v1/records?after={records[-1].position}&limit={limit}" if more else None
        if own.get("f") and following:
            following += f"&f={own['f']}"
        content = _write_records(records, format_, self._timeline.origin, head, following)
        headers = {"Link": f'<{following}>; rel="next"'} if following else {}
        return respond(request, content, final=len(records) == limit, media_type=RECORD_TYPES[format_], headers=headers,
                       position=head)

    async def record(self, request: AnyRequest) -> Response[bytes]:
        """Give one record of the log: it never changes."""
        _nothing_else(query_pairs(request))
        position = _number("position", request.path_params["position"], 1, MAX_POSITION)
        self._timeline.resolve(Query(at=position))
        record = next(self._timeline.records(position - 1, 1))
        return respond(request, msgspec.json.encode(shown(record)), position=position, final=True)

    def _position(self, request: AnyRequest, known: Sequence[str]) -> tuple[int, bool]:
        return self._timeline.resolve(parse_query(query_pairs(request), known=known))


def shown(record: Record) -> dict[str, Any]:
    """Show a record: header, leaf hash, and each part with the salt that opens its commitment.

    The stored text of a source is committed to but part of no answer.
    """
    parts = [
        {"name": part.name, "salt": part.salt.hex(), **({"data": msgspec.Raw(part.data)} if part.name == BODY else {})}
        for part in record.parts
    ]
    return {"position": record.position, "header": msgspec.Raw(record.header_bytes),
            "leaf_hash": leaf_hash(record.header_bytes).hex(), "parts": parts}


def _write_records(
    records: Sequence[Record], format_: str, origin: str, head: int, following: str | None
) -> bytes:
    if format_ == "ndjson":
        return b"".join(msgspec.json.encode(shown(record)) + b"\n" for record in records)
    if format_ == "cloudevents":
        return msgspec.json.encode([_cloud_event(record, origin) for record in records])
    page: dict[str, Any] = {"items": [shown(record) for record in records], "position": head}
    return msgspec.json.encode({**page, "next": following} if following else page)


def _cloud_event(record: Record, origin: str) -> dict[str, Any]:
    """Show a record as CloudEvents 1.0 (JSON event format); `sequence` is the extension of that name."""
    header = record.header
    return {
        "specversion": "1.0", "id": str(record.position), "source": f"//{origin}",
        "type": f"timeline.{header.type}.v{header.v}", "time": header.recorded_at, "subject": header.streams[0][0],
        "sequence": f"{record.position:020d}", "datacontenttype": "application/json",
        "data": msgspec.Raw(record.part()),
    }


def _record_format(request: AnyRequest, wanted: str | None) -> str:
    if wanted is not None:
        if wanted not in RECORD_TYPES:
            detail = f"expected one of {', '.join(RECORD_TYPES)}"
            raise Malformed(f"f: {detail}", faults=(Fault("?f", detail),))
        return wanted
    if request.headers.get("accept", "*/*") == "*/*":
        return "json"
    best = request.accept.best_match(list(RECORD_TYPES.values()))
    if best is None:
        raise NotAcceptable(f"this address gives {', '.join(RECORD_TYPES.values())}")
    return next(name for name, media_type in RECORD_TYPES.items() if media_type == best)


def _take(pairs: Sequence[tuple[str, str]], names: Sequence[str]) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Take parameters that are not part of a question off the list; each may be given once."""
    own: dict[str, str] = {}
    for name, value in pairs:
        if name in names:
            if name in own:
                raise Malformed(f"{name}: given more than once", faults=(Fault(f"?{name}", "given more than once"),))
            own[name] = value
    return own, [pair for pair in pairs if pair[0] not in names]


def _nothing_else(pairs: Sequence[tuple[str, str]]) -> None:
    parse_query(pairs, known=())


def _number(name: str, text: str, lowest: int, highest: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 16 and lowest <= int(text) <= highest):
        detail = f"expected a whole number {lowest}..{highest}"
        raise Malformed(f"{name}: {detail}", faults=(Fault(f"?{name}", detail),))
    return int(text)


def _page(
    request: AnyRequest, bodies: list[str], ids: list[str], query: Query, position: int
) -> tuple[bytes, dict[str, str]]:
    """Write one page of actors or sources; the next page starts after the last id."""
    tail: dict[str, Any] = {"position": position}
    headers = {}
    if len(bodies) > query.limit:
        bodies, ids = bodies[: query.limit], ids[: query.limit]
        others = [f"{name}={value}" for name, value in _encoded(request) if name not in ("after", "at", "as_of")]
        tail["next"] = f"{request.scope['path']}?{'&'.join([*others, f'at={position}', f'after={ids[-1]}'])}"
        headers["Link"] = f'<{tail["next"]}>; rel="next"'
    return b'{"items":[' + ",".join(bodies).encode() + b"]," + msgspec.json.encode(tail)[1:], headers


def _encoded(request: AnyRequest) -> Iterator[tuple[str, str]]:


    for name, value in query_pairs(request):
        yield name, quote(value)


__all__ = ["Reads", "shown"]
