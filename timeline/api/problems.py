"""Every error is one shape: RFC 9457 problem details with JSON pointers, on every route."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException

from timeline.api.negotiation import best_type
from timeline.api.operations import request_id
from timeline.errors import Fault, TimelineError
from timeline.web import page

MEDIA_TYPE: Final = "application/problem+json"
PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
AnyRequest = Request[Any, Any, Any]
_log = logging.getLogger("timeline")

PAGE: Final = "text/html"
FRAMEWORK: Final = {
    400: ("malformed", "Malformed request", "the request cannot be read"),
    404: ("not-found", "Not found", "there is nothing at this address: /v1 lists what there is"),
    405: ("method-not-allowed", "Method not allowed", "this address does not take that method: see the Allow header"),
    413: ("too-large", "Too large", "the body is larger than one request may be (1 MB): send smaller batches"),
    500: ("internal", "Internal error", "something went wrong here; the server's log says what"),
}
"""What the framework says, in our words: code (the end of the problem type), title and detail by status."""


class UnsupportedMedia(TimelineError):
    """The body is not of a type this address takes (RFC 9110 section 15.5.16)."""

    code, status, title = "unsupported-media-type", 415, "Unsupported media type"


class NotAcceptable(TimelineError):
    """None of the types asked for can be given (RFC 9110 section 15.5.7)."""

    code, status, title = "not-acceptable", 406, "Not acceptable"


class TooLong(TimelineError):
    """The address is longer than any question needs (RFC 9110 section 15.5.15)."""

    code, status, title = "uri-too-long", 414, "Address too long"


class TooManyRequests(TimelineError):
    """More requests, or more bad tokens, than this server allows; Retry-After says when to come again (RFC 6585)."""

    code, status, title = "too-many-requests", 429, "Too many requests"


class TooSlow(TimelineError):
    """The body of the request did not come in time (RFC 9110 section 15.5.9)."""

    code, status, title = "too-slow", 408, "Request too slow"


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


class Problems:
    """Handlers of everything that is raised: problem documents, and pages where a person asked for a page."""

    def __init__(self, asset: Callable[[str], str]) -> None:
        """Show pages with these assets."""
        self._asset = asset

    def from_timeline(self, request: AnyRequest, error: TimelineError) -> Response[bytes]:
        """Show one of our own errors."""
        members = dict(error.members)
        headers = {}
        if (seconds := members.pop("retry_after", None)) is not None:
            headers["Retry-After"] = str(seconds)
        if error.status == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = 'Bearer realm="timeline"'
        members.pop("pid", None)
        members["request_id"] = request_id(request.scope)
        if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            _log.error("%s: %s", error.code, error.detail, extra={"request_id": members["request_id"]})
        made = problem(error.status, error.code, error.title, error.detail, error.faults, members, headers)
        return self._shown(request, made, error.title, error.detail)

    def from_framework(self, request: AnyRequest, error: HTTPException) -> Response[bytes]:
        """Show an error of the framework in our shape."""
        if error.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return self.crash(request, error)
        known = FRAMEWORK.get(error.status_code)
        phrase = HTTPStatus(error.status_code).phrase
        code, title, detail = known or (f"http-{error.status_code}", phrase, phrase)
        members = {"request_id": request_id(request.scope)}
        made = problem(error.status_code, code, title, detail, members=members, headers=_tidy(error.headers))
        return self._shown(request, made, title, detail)

    def crash(self, request: AnyRequest, error: Exception) -> Response[bytes]:
        """Show nothing of a bug but that it is one; the log has the rest."""
        members = {"request_id": request_id(request.scope)}
        _log.error("unexpected error", exc_info=error, extra=members)
        code, title, detail = FRAMEWORK[500]
        return self._shown(request, problem(500, code, title, detail, members=members), title, detail)

    def _shown(self, request: AnyRequest, made: Response[bytes], title: str, detail: str) -> Response[bytes]:
        """Turn a problem document into a page where the address is one for people and the reader prefers a page."""
        status = made.status_code or 500
        if not request.scope["path"].startswith("/v1") and _wants_page(request):
            made.content = page.problem_page(status, title, detail, "en", self._asset).html.encode()
            made.media_type = PAGE
            made.headers |= {"Content-Security-Policy": PAGE_POLICY, "Vary": "Accept"}
        return without_body(made) if request.method == "HEAD" else made


def _wants_page(request: AnyRequest) -> bool:
    accept = request.headers.get("accept")
    return accept is not None and best_type(accept, [MEDIA_TYPE, "application/json", PAGE]) == PAGE


def _tidy(headers: Mapping[str, str] | None) -> dict[str, str]:
    """Write Allow sorted, as OPTIONS has it: the framework's order changes from run to run."""
    given = {name.title(): value for name, value in (headers or {}).items()}
    return {**given, **({"Allow": ", ".join(sorted(given["Allow"].split(", ")))} if "Allow" in given else {})}


def without_body(response: Response[bytes]) -> Response[bytes]:
    """Give the answer to HEAD: the headers GET would have, and nothing else (RFC 9110 section 9.3.2)."""
    media_type = str(response.media_type)
    if response.status_code != HTTPStatus.NOT_MODIFIED:
        charset = "; charset=utf-8" if media_type.startswith("text/") else ""
        response.headers["Content-Type"] = media_type + charset
        response.headers["Content-Length"] = str(len(response.content))
    response.content = b""
    return response
