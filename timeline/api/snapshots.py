"""Snapshots over HTTP: published by POST, then served for ever as the bytes that were cited, or with their proof.

The bytes of a snapshot are a function of its id until something in it is lawfully erased; a bundle also depends on the
key that signs checkpoints. Both are kept in memory by what they depend on, as making them takes many reads.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from http import HTTPStatus
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

import msgspec
from litestar import Response

from timeline import snapshots
from timeline.api.answers import FOREVER, REVALIDATE, VARY, WORTH_GZIP, packed, respond
from timeline.api.asking import AnyRequest, check_actors, negotiate, no_parameters, number, query_pairs, take
from timeline.api.auth import author_of
from timeline.api.memento import http_date
from timeline.api.negotiation import accepts_gzip, matches
from timeline.api.writes import JSON, body_of, pointed
from timeline.chronicle import Timeline
from timeline.edtf import iso
from timeline.errors import Fault, Invalid, Malformed, TimelineError, TooCostly
from timeline.query import DEFAULT_LIMIT, MAX_LIMIT, MAX_POSITION, Parameter, Query, parse_query
from timeline.records import canonical, decode
from timeline.snapshots import Published
from timeline.snapshots.bundle import MEDIA_TYPE as BUNDLE_TYPE
from timeline.snapshots.document import MEDIA_TYPE as SNAPSHOT_TYPE
from timeline.snapshots.document import Entry
from timeline.snapshots.question import PRESENTATION, normal_form, question

TYPES: Final = {"json": SNAPSHOT_TYPE, "bundle": BUNDLE_TYPE, "manifest": "application/vnd.timeline.manifest+json"}
ALL_TYPES: Final = (*TYPES.values(), "application/json")
LIST_PARAMETERS: Final = (
    Parameter("limit", f"Snapshots in one page, 1..{MAX_LIMIT}", str(DEFAULT_LIMIT), default=str(DEFAULT_LIMIT),
              number=True),
    Parameter("before", "Position before which they were published", "198", number=True),
)
PARAMETERS: Final = (
    Parameter("f", "The snapshot's own bytes, all that verifies them, or what its id is the digest of; without it the "
              "Accept header decides", "bundle", choices=tuple(TYPES)),
)
CACHE_BYTES: Final = 32 * 2**20
_WHOLE: Final = "a snapshot is the whole answer, in one order, untranslated: leave it out"
_PLURALS: Final = {
    "actors": "actor", "roles": "role", "kinds": "kind", "statuses": "status", "topics": "topic", "places": "place",
    "sources": "source", "related": "related",
}


class Kept(NamedTuple):
    """One representation of a snapshot: its bytes, plain and compressed, and when the log reached its size."""

    body: bytes
    packed: bytes | None
    published: Published
    recorded_at: str | None


@dataclass(frozen=True, slots=True)
class Key:
    """What a representation depends on."""

    id: str
    format: str
    erasures: int
    signer: str


class Cache:
    """Representations, least recently used out first, bounded in bytes."""

    def __init__(self, limit: int = CACHE_BYTES) -> None:
        """Start empty."""
        self._limit = limit
        self._size = 0
        self._kept: OrderedDict[Key, Kept] = OrderedDict()

    def get(self, key: Key) -> Kept | None:
        """Find a representation."""
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def put(self, key: Key, kept: Kept) -> None:
        """Keep a representation, dropping the oldest ones beyond the limit."""
        old = self._kept.pop(key, None)
        self._size += _weight(kept) - (_weight(old) if old else 0)
        self._kept[key] = kept
        while self._size > self._limit:
            self._size -= _weight(self._kept.popitem(last=False)[1])


def _weight(kept: Kept) -> int:
    """Estimate what a representation takes; the snapshot's own values take some five times its bytes."""
    return 6 * len(kept.body) + len(kept.packed or b"") + 4_000


class Snapshots:
    """Handlers of `/v1/snapshots`."""

    def __init__(self, timeline: Timeline) -> None:
        """Serve the snapshots of this timeline."""
        self._timeline = timeline
        self._cache = Cache()

    async def publish(self, request: AnyRequest) -> Response[bytes]:
        """Freeze the answer to a question and publish it; the same question at the same position is the same one."""
        values = decode(await body_of(request, JSON), dict[str, Any])
        no_parameters(request)
        query = read_question(values)
        before = self._timeline.position
        author = author_of(request)

        def freeze() -> Published:
            check_actors(self._timeline, query)
            return snapshots.publish(self._timeline, query, author=author)

        try:
            made = await asyncio.to_thread(freeze)
        except TimelineError as error:
            raise pointed(error, _in_body) from None
        about = summary(made)
        headers = {"Location": about["links"]["snapshot"], "Cache-Control": "no-store",
                   "Timeline-Position": str(made.position)}
        status = HTTPStatus.CREATED if made.position > before else HTTPStatus.OK
        return Response(msgspec.json.encode(about), status_code=status, media_type="application/json", headers=headers)

    async def listed(self, request: AnyRequest) -> Response[bytes]:
        """List published snapshots, newest first."""
        own, rest = take(query_pairs(request), ("limit", "before"))
        parse_query(rest, known=())
        limit = number("limit", own.get("limit", str(DEFAULT_LIMIT)), 1, MAX_LIMIT)
        before = number("before", own["before"], 0, MAX_POSITION) if "before" in own else MAX_POSITION
        position = self._timeline.position
        items = await asyncio.to_thread(snapshots.listed, self._timeline, before, limit + 1)
        page: dict[str, Any] = {"items": [{**item, "links": links(item["id"])} for item in items[:limit]],
                                "position": position}
        headers = {}
        if len(items) > limit:
            last = items[limit - 1]["published"]["position"]
            page["next"] = f"/v1/snapshots?{urlencode({'limit': limit, 'before': last})}"
            headers["Link"] = f'<{page["next"]}>; rel="next"'
        return await respond(request, msgspec.json.encode(page), position=position, headers=headers)

    async def one(self, request: AnyRequest) -> Response[bytes]:
        """Give a snapshot: its own bytes, its bundle or its manifest."""
        format_, media_type = _chosen(request)
        signer = self._timeline.signer
        key = Key(request.path_params["id"], format_, self._timeline.heads.erasures,
                  signer.verifier.vkey if signer else "")
        kept = self._cache.get(key)
        if kept is None:
            kept = await asyncio.to_thread(self._made, key)
            if len(kept.body) >= WORTH_GZIP:
                kept = kept._replace(packed=await packed(kept.body))
            self._cache.put(key, kept)
        return _sent(request, kept, format_, media_type)

    def _made(self, key: Key) -> Kept:
        """Make a representation: the slow part."""
        made = snapshots.find(self._timeline, key.id)
        if key.format == "bundle":
            body = snapshots.make_bundle(self._timeline, made.snapshot, made.position).encoded()
        elif key.format == "manifest":
            body = canonical(made.snapshot.manifest())
        else:
            body = made.snapshot.content()
        size = made.snapshot.log.size
        return Kept(body, None, made, self._timeline.record_at(size).header.recorded_at if size else None)


def _chosen(request: AnyRequest) -> tuple[str, str]:
    """Choose format and media type; whoever asks for plain JSON gets the snapshot's own bytes."""
    own, rest = take(query_pairs(request), ("f",))
    parse_query(rest, known=())
    format_ = negotiate(request, TYPES if "f" in own else {**TYPES, "plain": "application/json"})
    return ("json", "application/json") if format_ == "plain" else (format_, TYPES[format_])


def _sent(request: AnyRequest, kept: Kept, format_: str, media_type: str) -> Response[bytes]:
    """Send a representation, or 304. Digests are of the bytes that are sent, compressed ones too (RFC 9530)."""
    made, body = kept.published, kept.body
    settled = format_ == "manifest" or (format_ == "json" and made.intact)
    headers = {
        "ETag": f'W/"{sha256(body).hexdigest()}"', "Cache-Control": FOREVER if settled else REVALIDATE, "Vary": VARY,
        "Timeline-Position": str(made.snapshot.log.size), "Link": _link(made),
    }
    if kept.recorded_at is not None:
        headers["Memento-Datetime"] = http_date(kept.recorded_at)
    if not made.intact:
        headers["Timeline-Erased"] = "since published"
    if matches(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(b"", status_code=304, headers=headers, media_type=media_type)
    if kept.packed is not None and accepts_gzip(request.headers.get("accept-encoding", "")):
        body, headers["Content-Encoding"] = kept.packed, "gzip"
    digest = f"sha-256=:{b64encode(sha256(body).digest()).decode()}:"
    return Response(body, headers={**headers, "Content-Digest": digest, "Repr-Digest": digest}, media_type=media_type)


def _link(made: Published) -> str:
    """Name the page for people, and the question as it is answered now (RFC 7089 section 2.2.1)."""
    page = f'<{links(made.snapshot.id)["page"]}>; rel="alternate"; type="text/html"'
    live = live_question(made.snapshot.query)
    return page if live is None else f'<{address("/v1/events", live)}>; rel="original", {page}'


def links(id_: str) -> dict[str, str]:
    """Give the addresses of a snapshot."""
    own = f"/v1/snapshots/{id_}"
    return {"snapshot": own, "bundle": f"{own}?f=bundle", "page": f"/snapshots/{id_}"}


def address(path: str, pairs: list[tuple[str, str]]) -> str:
    """Write an address; escaped, so that nothing in it can end a link."""
    return f"{path}?{urlencode(pairs)}" if pairs else path


def summary(made: Published) -> dict[str, Any]:
    """Say what was published, in short."""
    snapshot = made.snapshot
    return {
        "id": snapshot.id, "content": made.content, "entries": len(snapshot.entries), "query": snapshot.query,
        "log": {"origin": snapshot.log.origin, "root": snapshot.log.root, "size": snapshot.log.size},
        "published": {"position": made.position, "recorded_at": made.recorded_at, "author": made.author},
        "intact": made.intact, "links": links(snapshot.id),
    }


# ---------------------------------------------------------------------------------------------- questions

def read_question(values: Mapping[str, Any]) -> Query:
    """Read a question from a body: the parameters of `/v1/events`, as text, numbers, booleans, and lists of these.

    Raises:
        Invalid: a parameter is unknown, cannot be read, or chooses a page; the pointers say which.

    """
    faults = [Fault(f"/{name}", _WHOLE) for name in values if name in PRESENTATION]
    pairs: list[tuple[str, str]] = []
    for name, value in values.items():
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, bool):
                pairs.append((name, "true" if each else "false"))
            elif isinstance(each, str | int):
                pairs.append((name, str(each)))
            else:
                faults.append(Fault(f"/{name}", "expected text, a whole number, true or false, or a list of these"))
    if faults:
        raise Invalid(f"{faults[0].pointer}: {faults[0].detail}", faults=tuple(faults))
    try:
        return parse_query(pairs)
    except Malformed as error:
        found = pointed(error, _in_body)
        raise Invalid(f"{found.faults[0].pointer}: {found.faults[0].detail}", faults=found.faults) from None


def _in_body(pointer: str) -> str:
    """Point at a member of the body where the fault was seen in a parameter."""
    return f"/{pointer.removeprefix('?')}" if pointer.startswith("?") else pointer


def live_question(form: Mapping[str, Any]) -> list[tuple[str, str]] | None:
    """Write a normal form as parameters of `/v1/events`; None where it has dates that no parameter can say."""
    pairs = [(_PLURALS[name], value) for name in _PLURALS for value in form.get(name, ())]
    pairs += [(name, form[name]) for name in ("match", "on") if name in form]
    pairs += [(name, iso(form[key])) for name, key in (("from", "lower"), ("to", "upper")) if key in form]
    pairs += [("reported_by", iso(form["reported_by"]))] if "reported_by" in form else []
    pairs += [("q", form["text"])] if "text" in form else []
    pairs += [("members", "true")] if form.get("members") else []
    pairs += [("retracted", "include")] if form.get("retracted") else []
    ranged = "lower" in form or "upper" in form
    if form.get("undated", True) == ranged:
        pairs.append(("undated", "include" if ranged else "exclude"))
    try:
        return pairs if normal_form(parse_query(pairs)) == form else None
    except Malformed:
        return None


# ---------------------------------------------------------------------------------------------- for the pages

def described(timeline: Timeline, id_: str) -> dict[str, Any]:
    """Give everything the page of a snapshot shows, as plain values.

    `since` says what became of its events: how many were corrected, None where counting would take too long.
    """
    made = snapshots.find(timeline, id_)
    live = live_question(made.snapshot.query)
    return {
        **summary(made), "now": snapshots.digest(made.snapshot.content()),
        "events": [_body(entry) for entry in made.snapshot.entries], "since": _corrected(timeline, made),
        "changes": address("/v1/changes", [("since", str(made.snapshot.log.size)), *(live or [])]),
        "live": None if live is None else address("/", live),
        "key": timeline.signer.verifier.vkey if timeline.signer else None,
    }


def _body(entry: Entry) -> dict[str, Any]:
    """Show an entry as answers show events."""
    more = {"retracted": entry.retracted, "erased": entry.erased}
    return {**entry.event, "earliest": entry.earliest, "latest": entry.latest, "revision": entry.revision,
            "merged_from": entry.merged_from, **{name: value for name, value in more.items() if value is not None}}


def _corrected(timeline: Timeline, made: Published) -> int | None:
    size = made.snapshot.log.size
    try:
        found = timeline.changes(replace(question(made.snapshot.query, size), at=None), size, limit=1)
    except TooCostly:
        return None
    return found.summary["corrected"]


__all__ = ["ALL_TYPES", "LIST_PARAMETERS", "PARAMETERS", "Snapshots", "described", "links", "live_question",
           "read_question"]
