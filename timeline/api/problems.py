"""Every error is one shape: RFC 9457 problem details with JSON pointers, on every route."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException

from timeline.errors import Fault, TimelineError

MEDIA_TYPE: Final = "application/problem+json"
_log = logging.getLogger("timeline")

EXPLAINED: Final = {
    HTTPStatus.NOT_FOUND: "there is nothing at this address: /v1 lists what there is",
    HTTPStatus.METHOD_NOT_ALLOWED: "this address does not take that method: see the Allow header",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "the body is larger than one request may be (1 MB): send smaller batches",
}


class UnsupportedMedia(TimelineError):
    """The body is not of a type this address takes (RFC 9110 section 15.5.16)."""

    code, status, title = "unsupported-media-type", 415, "Unsupported media type"


class NotAcceptable(TimelineError):
    """None of the types asked for can be given (RFC 9110 section 15.5.7)."""

    code, status, title = "not-acceptable", 406, "Not acceptable"


def problem(
    status: int, code: str, title: str, detail: str, faults: tuple[Fault, ...] = (),
    members: dict[str, Any] | None = None, headers: dict[str, str] | None = None,
) -> Response[bytes]:
    """Make a problem document. `errors` holds a pointer (RFC 6901; ``?name`` for parameters) and a detail each."""
    document: dict[str, Any] = {
        "type": f"/problems/{code}", "title": title, "status": status, "detail": detail, **(members or {}),
    }
    if faults:
        document["errors"] = [{"pointer": fault.pointer, "detail": fault.detail} for fault in faults]
    kept = {"Cache-Control": "no-store", **(headers or {})}
    return Response(msgspec.json.encode(document), status_code=status, media_type=MEDIA_TYPE, headers=kept)


def from_timeline(_: Request[Any, Any, Any], error: TimelineError) -> Response[bytes]:
    """Show one of our own errors."""
    members = dict(error.members)
    headers = {}
    if (seconds := members.pop("retry_after", None)) is not None:
        headers["Retry-After"] = str(seconds)
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="timeline"'
    members.pop("pid", None)
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.error("%s: %s", error.code, error.detail)
    return problem(error.status, error.code, error.title, error.detail, error.faults, members, headers)


def from_framework(_: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """Show an error of the framework in our shape."""
    status = HTTPStatus(error.status_code)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return crash(_, error)
    detail = EXPLAINED.get(status, status.description or status.phrase)
    code = status.phrase.lower().replace(" ", "-")
    return problem(status, code, status.phrase, detail, headers=dict(error.headers or {}))


def crash(_: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Show nothing of a bug but that it is one; the log has the rest."""
    _log.error("unexpected error", exc_info=error)
    return problem(500, "internal", "Internal error", "something went wrong here; the server's log says what")
