"""Writing over HTTP: strict bodies, scopes, revisions (If-Match), idempotency keys. Nothing is ever overwritten."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from litestar import Response

from timeline.api.arrivals import Arrivals, Shown
from timeline.api.asking import AnyRequest, no_parameters, query_pairs
from timeline.api.auth import author_of
from timeline.api.problems import UnsupportedMedia
from timeline.chronicle import Timeline
from timeline.errors import Conflict, Fault, Invalid, Malformed, TimelineError, VersionMismatch
from timeline.model import Actor, Event, Source, decode_hook
from timeline.records import (
    ActorDescribed,
    AnyChange,
    EventRecorded,
    EventRetracted,
    EventRevised,
    SourceDescribed,
    check_depth,
    convert_change,
    decode,
    parse,
)
from timeline.writer import Appended

BATCH: Final = 1_000
JSON: Final = ("application/json",)
PATCH: Final = ("application/merge-patch+json", "application/json")
CLOUD: Final = ("application/cloudevents-batch+json",)
LINES: Final = ("application/json", "application/x-ndjson", "application/ndjson", *CLOUD)


class _Revision(msgspec.Struct):
    number: int


class _Numbered(msgspec.Struct):
    """What is wanted of a body as it is shown: the rest of it is skipped."""

    revision: _Revision


_numbered: Final = msgspec.json.Decoder(_Numbered)
_event: Final = msgspec.json.Decoder(Event, dec_hook=decode_hook)  # making one takes as long as using it
_DESCRIBING: Final = (EventRecorded, ActorDescribed, SourceDescribed)


class Writes:
    """Handlers of POST, PATCH, PUT and DELETE; each needs the scope `write`."""

    def __init__(self, timeline: Timeline) -> None:
        """Write to this timeline."""
        self._timeline, self._arrivals = timeline, Arrivals(timeline)

    async def record(self, request: AnyRequest) -> Response[bytes]:
        """Record an event."""
        event = parse(await body_of(request, JSON), _event)
        _no_parameters(request)
        create_only = request.headers.get("if-none-match") == "*"
        try:
            return await self._one(request, EventRecorded(event=event, expected=0 if create_only else None))
        except Conflict as error:
            if create_only and "revision" in error.members:
                raise VersionMismatch(error.detail, expected=0, current=error.members["revision"]) from None
            raise

    async def revise(self, request: AnyRequest) -> Response[bytes]:
        """Revise an event by a merge patch; the member `reason` says why and is not part of the event."""
        patch = decode(await body_of(request, PATCH), dict[str, Any])
        _no_parameters(request)
        reason = patch.pop("reason", None)
        if not isinstance(reason, str) or not reason.strip():
            raise Invalid("/reason: say why the event is revised; readers will see it",
                          faults=(Fault("/reason", "required field is missing: a sentence"),))
        values = {"type": "event.revised", "id": request.path_params["id"], "patch": patch, "reason": reason}
        change = convert_change(values)  # can fail at /reason only
        return await self._one(request, _expecting(change, revision_expected(request)))

    async def retract(self, request: AnyRequest) -> Response[bytes]:
        """Retract an event; the parameter `reason` says why."""
        pairs = query_pairs(request)
        reasons = [value for name, value in pairs if name == "reason"]
        if len(reasons) != 1 or len(pairs) != 1 or not reasons[0].strip():
            detail = "give the parameter reason, once, and no other: a sentence that readers will see"
            raise Malformed(f"reason: {detail}", faults=(Fault("?reason", detail),))
        values = {"type": "event.retracted", "id": request.path_params["id"], "reason": reasons[0]}
        try:
            return await self._one(request, _expecting(convert_change(values), revision_expected(request)))
        except Invalid as error:
            raise pointed(error, lambda pointer: pointer.replace("/reason", "?reason")) from None

    async def describe_actor(self, request: AnyRequest) -> Response[bytes]:
        """Describe an actor."""
        actor = decode(await body_of(request, JSON), Actor)
        _no_parameters(request)
        named = msgspec.structs.replace(actor, id=_same_id(actor.id, request))
        return await self._one(request, ActorDescribed(actor=named, expected=_description_expected(request)))

    async def describe_source(self, request: AnyRequest) -> Response[bytes]:
        """Describe a source."""
        source = decode(await body_of(request, JSON), Source)
        _no_parameters(request)
        named = msgspec.structs.replace(source, id=_same_id(source.id, request))
        return await self._one(request, SourceDescribed(source=named, expected=_description_expected(request)))

    async def batch(self, request: AnyRequest) -> Response[bytes]:
        """Append changes together: all of them, or none."""
        _no_parameters(request)
        sent_as = content_type(request)
        changes = read_batch(await body_of(request, LINES), sent_as)
        try:
            appended, _ = await self._append(request, changes)
        except TimelineError as error:
            raise pointed(error, lambda pointer: _in_batch(pointer, len(changes), sent_as)) from None
        items = [{"type": one.type, "id": one.id, "position": one.position, "new": one.new} for one in appended]
        content = msgspec.json.encode({"items": items, "position": self._timeline.position})
        status = 201 if any(one.new for one in appended) else 200
        headers = {"Cache-Control": "no-store"}
        return Response(content, status_code=status, media_type="application/json", headers=headers)

    async def _one(self, request: AnyRequest, change: AnyChange) -> Response[bytes]:
        """Append one change and show the thing as it now stands."""
        try:
            answer, shown = await self._append(request, [change])
        except TimelineError as error:
            raise pointed(error, _in_body) from None
        appended = answer[0]
        path = f"/v1/{appended.type}s/{appended.id}"
        body = shown.get((appended.id, appended.position)) if appended.type == "event" else None
        if body is None:  # as it stood then: others may have revised it since
            body = self._timeline.body(appended.type, appended.id, appended.position)
        revision = _numbered.decode(body).revision.number
        headers = {"Location": path, "ETag": f'"{revision}"', "Timeline-Position": str(appended.position),
                   "Cache-Control": "no-store"}
        described = isinstance(change, _DESCRIBING)
        created = appended.new and described and revision == 1
        return Response(body.encode(), status_code=201 if created else 200, media_type="application/json",
                        headers=headers)

    async def _append(self, request: AnyRequest, changes: Sequence[AnyChange]) -> tuple[list[Appended], Shown]:
        return await self._arrivals.append(changes, author=author_of(request), key=idempotency_key(request))


def pointed(error: TimelineError, move: Callable[[str], str]) -> TimelineError:
    """Point into the body that was sent, where the writer points into the change it was made into."""
    faults = tuple(Fault(move(fault.pointer), fault.detail) for fault in error.faults)
    start, colon, rest = error.detail.partition(": ")
    known = colon and start in {fault.pointer for fault in error.faults}
    return type(error)(f"{move(start)}: {rest}" if known else error.detail, faults=faults, **error.members)


def _in_body(pointer: str) -> str:
    """Take the change off: the body held the event, patch, actor or source itself."""
    return re.sub(r"^/(event|patch|actor|source)(?=/|$)", "", pointer)


def _in_batch(pointer: str, size: int, sent_as: str) -> str:
    """Name the item, which the writer leaves out where there is only one; a CloudEvent holds the change in `data`."""
    number, _, rest = ("0", "", pointer.removeprefix("/")) if size == 1 else pointer.removeprefix("/").partition("/")
    inner = "/data" if sent_as in CLOUD and rest and rest != "type" else ""
    return f"/{number}{inner}/{rest}" if rest else f"/{number}"


def _expecting(change: AnyChange, expected: int | None) -> AnyChange:
    if isinstance(change, EventRevised | EventRetracted) and expected is not None:
        return msgspec.structs.replace(change, expected=expected)
    return change


async def body_of(request: AnyRequest, accepted: Sequence[str]) -> bytes:
    """Read the body; 415 unless it says it is of a type this address takes.

    A wrong type is refused because a browser may send text/plain across origins without asking first.
    """
    sent = content_type(request)
    if sent not in accepted:
        raise UnsupportedMedia(f"send the body as {accepted[0]}, got {sent or 'no Content-Type'}"[:200])
    if request.headers.get("content-encoding", "identity") != "identity":
        raise UnsupportedMedia("send the body uncompressed")
    return await request.body()


def content_type(request: AnyRequest) -> str:
    """Give the media type of the body without its parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def read_batch(body: bytes, sent_as: str) -> list[AnyChange]:
    """Read changes from a JSON list, NDJSON lines or a CloudEvents batch."""
    if sent_as.endswith("ndjson"):
        values = []
        for number, line in enumerate(filter(None, map(bytes.strip, body.splitlines()))):
            try:
                values.append(decode(line, dict[str, Any]))
            except (Invalid, Malformed) as error:
                raise error.at(f"/{number}") from None
    else:
        check_depth(body)
        values = decode(body, list[dict[str, Any]])
    if sent_as in CLOUD:
        values = [_from_cloud_event(value) for value in values]
    if not 1 <= len(values) <= BATCH:
        raise Invalid(f"a batch holds 1 to {BATCH} changes, got {len(values)}",
                      faults=(Fault("", f"expected 1..{BATCH} changes"),))
    return [_change(value, number, sent_as) for number, value in enumerate(values)]


def _change(value: dict[str, Any], number: int, sent_as: str) -> AnyChange:
    try:
        return convert_change(value)
    except Invalid as error:
        raise pointed(error, lambda pointer: _in_batch(f"/{number}{pointer}", 2, sent_as)) from None


def _from_cloud_event(value: dict[str, Any]) -> dict[str, Any]:
    """Take the change out of a CloudEvent: its data, under the record type that `type` ends with."""
    data = value.get("data")
    type_ = re.sub(r"^timeline\.|\.v\d+$", "", str(value.get("type", "")))
    return {**(data if isinstance(data, dict) else {}), "type": type_}


def revision_expected(request: AnyRequest) -> int | None:
    """Read If-Match: the revision that was read, in quotes; ``*`` expects only that there is one."""
    header = request.headers.get("if-match")
    if header is None or header.strip() == "*":
        return None
    found = re.fullmatch(r'"?(\d{1,15})(?:-\d{1,15})?"?', header.strip())
    if found is None:
        raise Malformed('If-Match: expected a revision in quotes, such as "3" (the ETag of the event)')
    return int(found[1])


def _description_expected(request: AnyRequest) -> int | None:
    return 0 if request.headers.get("if-none-match") == "*" else revision_expected(request)


def idempotency_key(request: AnyRequest) -> str | None:
    """Read Idempotency-Key: a string in quotes, or bare."""
    header = request.headers.get("idempotency-key")
    if header is None:
        return None
    key = header.strip().strip('"')
    if not re.fullmatch(r"[\x21-\x7e]{1,255}", key):
        raise Malformed("Idempotency-Key: expected 1 to 255 printable ASCII characters without spaces")
    return key


def _no_parameters(request: AnyRequest) -> None:
    if request.scope["query_string"]:  # nearly never: what there is not need not be read
        no_parameters(request)


def _same_id(sent: str | None, request: AnyRequest) -> str:
    wanted: str = request.path_params["id"]
    if sent not in (None, wanted):
        raise Invalid("/id: not the id in the address", faults=(Fault("/id", f"expected {wanted}, or leave it out"),))
    return wanted
