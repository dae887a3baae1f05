"""What is answered before the framework is asked: answers that are ready, and plain questions about events.

Most of what a cached page costs is finding out who answers it and how. So the messages of an answer are kept as they
went out, under everything that decided about them, and sent again while the log stands still (or for ever, where the
question is pinned). Nothing is made here: an answer is the framework's own, byte by byte, or it is not ready.

Only answers that a handler marked (`may_be_kept`) are kept, and only for requests that hold nothing else that could
matter: a token, a condition other than the ETag itself, a time, or a name to be given back go the long way.

Of the addresses that are asked most (`Short`), answers that are not ready are made by the framework's own handlers
without the framework's way to them. What fails there is told by the framework, to which it is handed over.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

from litestar import Litestar, Request, Response
from litestar.types import Receive, Scope, Send

from timeline.api.operations import Operations
from timeline.chronicle import Timeline

FAILED: Final = "timeline_failed"
"""Where a request keeps the error that its handler raised before the framework was asked."""

MARK: Final = "timeline_answer"
"""Where a handler says of a request that its answer may be kept."""

LONG_WAY: Final = frozenset({b"authorization", b"accept-datetime", b"access-control-request-method", b"x-request-id",
                             b"range", b"expect"})
MOST: Final = 4_096
ROOM: Final = 32 * 2**20
LARGEST: Final = 256 * 1024
"""Bytes of the largest answer that is kept."""

VARIES: Final = (b"accept", b"accept-encoding", b"accept-language", b"host")
"""Headers that decide about an answer: formats, codings, the language of a page, the address it gives itself."""

Key = tuple[str, bytes, tuple[bytes, ...]]
Handle = Callable[[Request[Any, Any, Any]], Awaitable[Response[Any]]]
Early = Callable[[Scope, Receive, Send], Awaitable[bool]]
"""What may answer before the framework (`timeline.api.early`); says whether it did."""

_PLAIN_HOST: Final = re.compile(rb"[A-Za-z0-9.-]{1,255}(:[0-9]{1,5})?")
"""What the framework takes for a host, too; what is a host besides, it says."""


def may_be_kept(scope: Any, position: int | None) -> None:  # noqa: ANN401 - as ASGI has it
    """Say that the answer to a request holds while the log stands at a position; None: for ever.

    It must follow from the address, the log and the headers in `VARIES` alone.
    """
    scope[MARK] = position, True


class Ready(NamedTuple):
    """An answer as it is sent: headers, body, the ETag among the headers, and the position it holds at."""

    headers: list[tuple[bytes, bytes]]
    body: bytes
    etag: bytes
    position: int | None
    template: str


class Shelf:
    """Ready answers, least recently used out first, bounded in number and bytes; all gone after an erasure."""

    def __init__(self, timeline: Timeline) -> None:
        """Keep answers of this timeline."""
        self._timeline = timeline
        self._kept: OrderedDict[Key, Ready] = OrderedDict()
        self._size = 0
        self._erasures = timeline.heads.erasures

    def __len__(self) -> int:
        """Count what is kept."""
        return len(self._kept)

    def find(self, key: Key) -> Ready | None:
        """Find an answer that still holds."""
        heads = self._timeline.heads
        if heads.erasures != self._erasures:
            self._kept.clear()
            self._size, self._erasures = 0, heads.erasures
        found = self._kept.get(key)
        if found is None:
            return None
        if found.position is not None and found.position != heads.position:
            self._drop(key)
            return None
        self._kept.move_to_end(key)
        return found

    def keep(self, key: Key, ready: Ready, erasures: int) -> None:
        """Keep an answer, unless something was erased since it was begun."""
        if erasures != self._timeline.heads.erasures or len(ready.body) > LARGEST:
            return
        self._drop(key)
        self._kept[key] = ready
        self._size += len(ready.body)
        while self._size > ROOM or len(self._kept) > MOST:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: Key) -> None:
        dropped = self._kept.pop(key, None)
        self._size -= len(dropped.body) if dropped else 0


class Short(NamedTuple):
    """An address whose handler is asked without the framework.

    `pattern` matches the paths that are short, named groups are what the handler finds in `path_params`; `template` is
    the framework's name of the address.
    """

    pattern: re.Pattern[str]
    handle: Handle
    template: str


class Application(Litestar):
    """The application, with a shelf of ready answers before it, and short ways. `shelve` puts them there."""

    shelf: Shelf | None = None
    operations: Operations | None = None
    short: tuple[Short, ...] = ()
    early: Early | None = None

    def shelve(self, timeline: Timeline, operations: Operations, short: tuple[Short, ...] = ()) -> None:
        """Send ready answers of this timeline from now on; `operations` hears of each."""
        self.shelf, self.operations, self.short = Shelf(timeline), operations, short

    async def __call__(self, scope: Scope | Any, receive: Receive | Any, send: Send | Any) -> None:  # noqa: ANN401 - as the framework has it
        """Answer a request: at once where the answer is ready."""
        if self.early is not None and (scope.get("method") == "POST" or scope.get("path") == "/v1/stream") and (
                await self.early(scope, receive, send)):
            return
        shelf = self.shelf
        key, condition = _asked(scope) if shelf is not None else (None, None)
        if shelf is None or key is None:
            await super().__call__(scope, receive, send)
            return
        ready = shelf.find(key)
        if ready is None or condition not in (None, ready.etag):
            await self._kept(shelf, key, scope, receive, send)
            return
        await self._again(ready, scope, send, unchanged=condition is not None)

    async def _again(self, ready: Ready, scope: Scope, send: Send, *, unchanged: bool) -> None:
        """Send an answer again; nothing but its headers where the client has it (RFC 9110, section 15.4.5)."""
        headers = [pair for pair in ready.headers if pair[0] not in _OF_BODY] if unchanged else list(ready.headers)
        start = {"type": "http.response.start", "status": 304 if unchanged else 200, "headers": headers}
        scope["path_template"] = ready.template
        if self.operations is not None:
            self.operations.cache.hits += 1
            self.operations.answering(start, scope, {})
        await send(start)  # type: ignore[arg-type]
        await send({"type": "http.response.body", "body": b"" if unchanged else ready.body, "more_body": False})

    async def _kept(self, shelf: Shelf, key: Key, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the handler answer, by the short way or the framework's, and keep what is sent if it may be kept."""
        erasures = self._erasures(shelf)
        sent: list[Any] = []

        async def watched(message: Any) -> None:  # noqa: ANN401 - a message of ASGI
            if len(sent) < 3:  # an answer in pieces, or one that never ends, is not kept: nor is any of it held
                sent.append(message if len(sent) < 2 else None)
            await send(message)

        await self._answer(key, scope, receive, watched)
        marked: tuple[int | None, bool] | None = scope.get(MARK)  # type: ignore[assignment]
        if marked is None or len(sent) != 2 or sent[0]["status"] != 200 or sent[1].get("more_body"):
            return
        headers = list(sent[0]["headers"])
        etag = dict(headers).get(b"etag", b"")
        ready = Ready(headers, sent[1]["body"], etag, marked[0], scope.get("path_template") or "")
        shelf.keep(key, ready, erasures)

    async def _answer(self, key: Key, scope: Scope, receive: Receive, send: Send) -> None:
        short = self._short(key, scope)
        if short is not None:
            request = _Plain(scope, receive, send)
            try:
                response = await short.handle(request)
            except Exception as error:  # noqa: BLE001 - the framework tells of it
                scope[FAILED] = error  # type: ignore[typeddict-unknown-key]
            else:
                await _send(response, request, self._wrap_send(send, scope))
                return
        await super().__call__(scope, receive, send)

    def _short(self, key: Key, scope: Any) -> Short | None:  # noqa: ANN401 - as ASGI has it
        """Find the short way, and note in the request what the framework would have noted."""
        for short in self.short:
            found = short.pattern.fullmatch(key[0])
            if found is not None:
                if scope.get("root_path") or not _PLAIN_HOST.fullmatch(key[2][_HOST]):
                    return None
                scope.setdefault("state", {})
                scope["path_params"], scope["path_template"] = found.groupdict(), short.template
                return short
        return None

    @staticmethod
    def _erasures(shelf: Shelf) -> int:
        return shelf._timeline.heads.erasures  # noqa: SLF001 - of this module


class _Plain(Request[Any, Any, Any]):
    """A request of which nothing but plain headers is looked at."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        super().__init__(scope, receive, send)
        self._given = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}

    @property
    def headers(self) -> Any:  # noqa: ANN401 - a mapping; the framework's class costs more than all of its use
        """Headers by name in lower case; those that count are there once (`_asked`)."""
        return self._given


async def _send(response: Response[Any], request: Request[Any, Any, Any], send: Send) -> None:
    """Send an answer as the framework does. Most are bytes with a length, for which it takes five times as long."""
    status, content = response.status_code or 200, response.content
    if type(response) is not Response or status != 200 or response.cookies or response.background:
        await response.to_asgi_response(None, request)(request.scope, request.receive, send)
        return
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.headers.items()]
    kind = str(response.media_type)
    headers += [(b"content-type", (f"{kind}; charset=utf-8" if kind.startswith("text/") else kind).encode("latin-1")),
                (b"content-length", b"%d" % len(content))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content, "more_body": False})


_HOST: Final = VARIES.index(b"host")
_COUNT: Final = frozenset({*VARIES, b"if-none-match"})
_OF_BODY: Final = frozenset({b"content-length", b"content-type", b"content-encoding"})


def _asked(scope: Any) -> tuple[Key | None, bytes | None]:  # noqa: ANN401 - as ASGI has it
    """Give what decides about an answer, and the ETag the client has; no key where something unusual does."""
    if scope["type"] != "http" or scope["method"] != "GET":
        return None, None
    given: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in LONG_WAY or (name in given and name in _COUNT):
            return None, None
        given[name] = value
    about = tuple([given.get(name, b"") for name in VARIES])
    return (scope["path"], scope["query_string"], about), given.get(b"if-none-match")


__all__ = ["FAILED", "Application", "Ready", "Shelf", "Short", "may_be_kept"]
