"""The application: routes, errors, headers, and nothing that opens a file."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final

import msgspec
from litestar import HttpMethod, Request, Response
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.types import Message, Scope

from timeline import __version__
from timeline.api import openapi
from timeline.api.answers import respond
from timeline.api.asking import MAX_URL, AnyRequest
from timeline.api.auth import grant_of, require
from timeline.api.early import Early
from timeline.api.embedding import Embedding
from timeline.api.hub import Hub
from timeline.api.limits import LARGE, Limits
from timeline.api.operations import BEGUN, Operations
from timeline.api.pages import Assets
from timeline.api.problems import Problems, TooLong, without_body
from timeline.api.ready import FAILED, Application, Handle, Short
from timeline.api.routes import Route, table
from timeline.api.stream import Streams
from timeline.chronicle import Timeline
from timeline.errors import Fault, Invalid, NotFound, TimelineError, Unauthorized
from timeline.model import SLUG_PATTERN
from timeline.tokens import Tokens

MAX_BODY: Final = 1_000_000
MAX_ID: Final = 100
SHORT: Final = ("/v1/events", "/v1/actors/{id}/timeline")
"""Addresses that are answered without the framework's way to their handlers, which costs as much as their answer."""

READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
EXPOSED: Final = (b"ETag, Link, Location, Timeline-Position, Timeline-Omitted, Timeline-Reduced, Content-Digest, "
                  b"Repr-Digest, Memento-Datetime, Retry-After, X-Request-Id")
COMMON: Final = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"))
OPEN: Final = (*COMMON, (b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", EXPOSED))
ASKED: Final = "Accept, Accept-Datetime, If-None-Match, Last-Event-ID, Authorization"


def create_app(
    timeline: Timeline, tokens: Tokens, *, public_read: bool = True, extra: Iterable[Any] = (),
    streams: Streams | None = None, embedding: Embedding | None = None, limits: Limits | None = None,
) -> Application:
    """Make the application over an open timeline.

    `extra` are further Litestar handlers (benchmarks use them); `streams` are the live ones, for whoever wants them
    otherwise than they are by default. They end when the application does. `embedding` says where the world knows the
    server, and who may frame its embeds. `limits` are those that `Limited` puts around it.
    """
    limits = limits or Limits()
    streams = streams or Streams(timeline, Hub(timeline))
    assets = Assets()
    problems = Problems(assets.url)
    operations = Operations(timeline, lambda: streams.clients)
    routes = table(timeline, assets, streams, embedding, operations.cache)
    encoded = msgspec.json.encode(openapi.document(routes, __version__))

    async def openapi_json(request: AnyRequest) -> Response[bytes]:
        return await respond(request, encoded)

    async def alive(request: AnyRequest) -> Response[bytes]:
        return await respond(request, b'{"status":"ok"}', headers={"Cache-Control": "no-store"})

    async def ready(request: AnyRequest) -> Response[bytes]:
        """Say whether appends are taken and views have seen everything that is in the log."""
        head, seen, writing = timeline.head().size, timeline.position, timeline.is_writing
        good = writing and seen == head
        content = msgspec.json.encode({"ready": good, "log": head, "views": seen, "writer": writing})
        status = 200 if good else 503
        return await respond(request, content, status=status, headers={"Cache-Control": "no-store"})

    async def metrics(request: AnyRequest) -> Response[bytes]:
        """Give every figure, those of limits too."""
        response = await operations.metrics(request)
        response.content += limits.figures().encode()
        return response

    routes += [
        Route("GET", "/v1/openapi.json", openapi_json, "This document", documented=False),
        Route("GET", "/healthz", alive, "Whether the process answers", documented=False, scope="none"),
        Route("GET", "/readyz", ready, "Whether it takes appends and its views are at the head", documented=False,
              scope="none"),
        Route("GET", "/metrics", metrics, "Figures for Prometheus", documented=False, types=("text/plain",)),
    ]
    handles = _handles(routes, tokens, limits, public_read=public_read)
    app = Application(
        [*(_handler(path, *handle) for path, handle in handles.items()), *extra],
        exception_handlers={
            TimelineError: problems.from_timeline,
            HTTPException: problems.from_framework,
            Exception: problems.crash,
        },
        before_send=[_before_send(operations)],
        on_shutdown=[streams.close],
        request_max_body_size=MAX_BODY,
        openapi_config=None,
        logging_config=None,
        debug=False,
    )
    app.early = Early({path: handle for path, (handle, _) in handles.items()}, app.before_send, MAX_BODY)
    if public_read:
        app.shelve(timeline, operations, _short(handles))
    return app


def _handles(
    routes: list[Route], tokens: Tokens, limits: Limits, *, public_read: bool
) -> dict[str, tuple[Handle, list[HttpMethod]]]:
    """Make one handler for each path, and say what methods it takes."""
    paths: dict[str, list[Route]] = {}
    for route in routes:
        paths.setdefault(route.path, []).append(route)
    return {path: _handle(same, tokens, limits, public_read=public_read) for path, same in paths.items()}


def _handle(
    routes: list[Route], tokens: Tokens, limits: Limits, *, public_read: bool
) -> tuple[Handle, list[HttpMethod]]:
    """Make the handler of one path: GET and HEAD are one, and OPTIONS is answered from the table."""
    by_method = {route.method: route for route in routes}
    if "GET" in by_method:
        by_method["HEAD"] = by_method["GET"]
    allowed = ", ".join(sorted([*by_method, "OPTIONS"]))

    async def handle(request: Request[Any, Any, Any]) -> Response[Any]:
        request.scope.setdefault(BEGUN, time.perf_counter())  # type: ignore[typeddict-item]
        if (failed := request.scope.get(FAILED)) is not None:  # before the framework was asked: it tells
            raise failed  # type: ignore[misc]
        route = by_method.get(request.method)
        if route is None:
            return _options(request, allowed)
        open_to_all = route.scope == "none" or (route.scope == "read" and public_read)
        if not open_to_all or (route.scope != "none" and "authorization" in request.headers):
            _let_in(request, tokens, route.scope, limits, public_read=public_read)
        _check_address(request)
        if route.scope == "none":
            response = await route.handler(request)
        else:
            with limits.hand(request):
                response = await route.handler(request)
        if not open_to_all and "Cache-Control" in response.headers:  # no cache may show it to anybody else
            response.headers["Cache-Control"] = response.headers["Cache-Control"].replace("public", "private")
        if route.endless:  # the hub counts who listens
            return response
        if request.method == "HEAD":
            return without_body(response)
        return limits.deliver(response, request.scope) if len(response.content) >= LARGE else response

    return handle, [HttpMethod(method) for method in (*by_method, "OPTIONS")]


def _handler(path: str, handle: Handle, methods: list[HttpMethod]) -> HTTPRouteHandler:
    return HTTPRouteHandler(_path(path), http_method=methods, status_code=200, name=path)(handle)


def _short(handles: Mapping[str, tuple[Handle, list[HttpMethod]]]) -> tuple[Short, ...]:
    """Give the addresses that are asked most; what cannot be an id is told so by the framework."""
    id_ = f"(?P<id>[a-z0-9-]{{1,{MAX_ID}}})"
    return tuple(Short(re.compile(path.replace("{id}", id_)), handles[path][0], path) for path in SHORT)


def _let_in(request: AnyRequest, tokens: Tokens, scope: str, limits: Limits, *, public_read: bool) -> None:
    """Let a request pass that needs a token or brought one, within the limits of its token and of its address."""
    if "authorization" in request.headers:
        limits.check_guessing(request.scope)
    try:
        require(request, tokens, scope, public_read=public_read)
    except Unauthorized:
        if "authorization" in request.headers:
            limits.guessed(request.scope)
        raise
    limits.spend(grant_of(request))


def _check_address(request: AnyRequest) -> None:
    """Refuse what cannot be the id of anything before it is looked for, compared with others or written."""
    if len(request.scope["path"]) > MAX_URL:
        raise TooLong(f"the address is longer than {MAX_URL} bytes")
    id_ = request.path_params.get("id")
    if id_ is None or (len(id_) <= MAX_ID and re.fullmatch(SLUG_PATTERN, id_)):
        return
    detail = f"expected an id: at most {MAX_ID} lower-case ASCII letters, digits and single hyphens"
    if request.method == "PUT":
        raise Invalid(f"/id: {detail}", faults=(Fault("/id", detail),))
    raise NotFound(f"there is nothing of that id: {detail}")


def _options(request: AnyRequest, allowed: str) -> Response[bytes]:
    """Answer OPTIONS with what the address takes (RFC 9110 section 9.3.7), and CORS for reads only."""
    headers = {"Allow": allowed}
    if request.headers.get("access-control-request-method") in ("GET", "HEAD"):
        headers |= {"Access-Control-Allow-Methods": "GET, HEAD", "Access-Control-Max-Age": "86400",
                    "Access-Control-Allow-Headers": ASKED}
    return Response(b"", status_code=204, headers=headers)


def _path(path: str) -> str:
    """Write a path as the framework wants it: a parameter is one segment unless it says `path`."""
    return re.sub(r"\{(\w+)\}", r"{\1:str}", path)


def _before_send(operations: Operations) -> Callable[[Message, Scope], Awaitable[None]]:
    """Give the one hook of every answer, errors too: it costs something, so there is one."""

    async def before_send(message: Message, scope: Scope) -> None:
        if message["type"] == "http.response.start":
            given = dict(scope["headers"])
            common_headers(message["headers"], scope, given)  # type: ignore[arg-type]
            operations.answering(message, scope, given)

    return before_send


def common_headers(headers: list[tuple[bytes, bytes]], scope: Scope, given: Mapping[bytes, bytes]) -> None:
    """Add what every answer carries, errors too: no sniffing, no referrer, and CORS for reads."""
    asked = given.get(b"access-control-request-method")
    reading = scope["method"] in READING and (  # type: ignore[typeddict-item]
        asked is None or asked.decode("latin-1") in READING)
    headers.extend(OPEN if reading else COMMON)
