"""Answers that are ready: the very messages the framework sent last time, found before it is asked again.

Most of what a cached page costs is finding out who answers it and how. So the messages of an answer are kept as they
went out, under everything that decided about them, and sent again while the log stands still (or for ever, where the
question is pinned). Nothing is made here: an answer is the framework's own, byte by byte, or it is not ready.

Only answers that a handler marked (`may_be_kept`) are kept, and only for requests that hold nothing else that could
matter: a token, a condition other than the ETag itself, a time, or a name to be given back go the long way.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Final, NamedTuple

from litestar import Litestar
from litestar.types import Receive, Scope, Send

from timeline.api.operations import Operations
from timeline.chronicle import Timeline

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


class Application(Litestar):
    """The application, with a shelf of ready answers before it. `shelve` puts it there."""

    shelf: Shelf | None = None
    operations: Operations | None = None

    def shelve(self, timeline: Timeline, operations: Operations) -> None:
        """Send ready answers of this timeline from now on; `operations` hears of each."""
        self.shelf, self.operations = Shelf(timeline), operations

    async def __call__(self, scope: Scope | Any, receive: Receive | Any, send: Send | Any) -> None:  # noqa: ANN401 - as the framework has it
        """Answer a request: at once where the answer is ready."""
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
        """Let the framework answer, and keep what it sends if it may be kept."""
        erasures = self._erasures(shelf)
        sent: list[Any] = []

        async def watched(message: Any) -> None:  # noqa: ANN401 - a message of ASGI
            if len(sent) < 3:  # an answer in pieces, or one that never ends, is not kept: nor is any of it held
                sent.append(message if len(sent) < 2 else None)
            await send(message)

        await super().__call__(scope, receive, watched)
        marked: tuple[int | None, bool] | None = scope.get(MARK)  # type: ignore[assignment]
        if marked is None or len(sent) != 2 or sent[0]["status"] != 200 or sent[1].get("more_body"):
            return
        headers = [(bytes(name), bytes(value)) for name, value in sent[0]["headers"]]
        etag = dict(headers).get(b"etag", b"")
        ready = Ready(headers, sent[1]["body"], etag, marked[0], scope.get("path_template") or "")
        shelf.keep(key, ready, erasures)

    @staticmethod
    def _erasures(shelf: Shelf) -> int:
        return shelf._timeline.heads.erasures  # noqa: SLF001 - of this module


_COUNT: Final = frozenset({*VARIES, b"if-none-match"})
_OF_BODY: Final = frozenset({b"content-length", b"content-encoding"})


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


__all__ = ["Application", "Ready", "Shelf", "may_be_kept"]
