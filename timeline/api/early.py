"""What is answered before the framework, beside answers that are ready: posting in the usual shape, and live streams.

Finding the handler, its arguments and the shape of its answer costs the framework more than the handler itself, and all
it made for that stays in memory for as long as a stream is open. So a request of the usual shape goes to the very
handler the framework would have called, as a request that knows what handlers look at, and every answer passes the same
hook. Nothing is decided here but the way. What has another shape (a coded body, one without a length or too long,
parameters where none are taken, a header given twice, an unusual host) goes the long way, and so does whatever fails:
the framework is handed the error, and tells of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from litestar import Request, Response
from litestar.exceptions import InternalServerException
from litestar.types import Message, Receive, Scope, Send

from timeline.api.ready import FAILED, Handle

POSTED: Final = ("/v1/events", "/v1/records")
STREAM: Final = "/v1/stream"
LONG_WAY: Final = frozenset({b"transfer-encoding", b"content-encoding", b"expect", b"upgrade"})
_HOST: Final = re.compile(rb"[A-Za-z0-9.-]{1,255}(:[0-9]{1,5})?|\[[0-9a-f:]{2,39}\](:[0-9]{1,5})?")
_LENGTH: Final = re.compile(rb"[0-9]{1,9}")


class Asked(Request[Any, Any, Any]):
    """A request of the usual shape: its headers by name in lower case, its body as long as it says."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, given: dict[str, str], length: int) -> None:
        """Take what was found out about its shape."""
        super().__init__(scope, receive, send)
        self._given, self._length = given, length

    @property
    def headers(self) -> Any:  # noqa: ANN401 - a mapping; the framework's class costs more than all of its use
        """What was sent beside the body: each name once."""
        return self._given

    async def body(self) -> bytes:
        """Read the body. Its length is known, so that nobody waits to be told that there is no more of it.

        Raises:
            InternalServerException: the client left before it was here, as the framework has it.

        """
        if isinstance(self._body, bytes):
            return self._body
        pieces: list[bytes] = []
        left = self._length
        while left > 0:
            message = await self.receive()
            if message["type"] != "http.request":
                raise InternalServerException("client disconnected prematurely")
            pieces.append(message["body"])
            left -= len(message["body"])
            if not message.get("more_body"):
                break
        self._body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        return self._body


class Early:
    """The way past the framework for the addresses that are posted to most, and for the stream."""

    def __init__(
        self, handles: Mapping[str, Handle], hooks: Iterable[Callable[[Message, Scope], Any]], longest: int
    ) -> None:
        """Ask these handlers, by address, and have `hooks` see every answer; bodies are at most `longest` bytes."""
        self._posted = {path: handles[path] for path in POSTED}
        self._stream = handles[STREAM]
        self._hooks, self._longest = tuple(hooks), longest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Answer a request of the usual shape; False where the framework has to, which also tells what failed here."""
        handle = self._handle(scope)
        request = None if handle is None else _usual(scope, receive, send, self._longest)
        if handle is None or request is None:
            return False
        scope["path_params"], scope["path_template"] = {}, scope["path"]
        try:
            response = await handle(request)
        except Exception as error:  # noqa: BLE001 - the framework tells of it
            scope[FAILED] = error  # type: ignore[typeddict-unknown-key]
            return False
        await self._send(response, request)
        return True

    def _handle(self, scope: Scope) -> Handle | None:
        path, method = scope["path"], scope.get("method")
        if method == "POST":
            return None if scope["query_string"] else self._posted.get(path)
        return self._stream if method == "GET" and path == STREAM else None

    async def _send(self, response: Response[Any], request: Asked) -> None:
        """Send an answer, past the hooks of all answers; one of a kind of its own (a stream) writes its body itself."""
        own = None if type(response) is Response else response.to_asgi_response(None, request)
        start: Any = {"type": "http.response.start", "status": response.status_code or 200,
                      "headers": _headers(response) if own is None else own.encode_headers()}
        for hook in self._hooks:
            await hook(start, request.scope)
        await request.send(start)
        if own is not None:
            await own.send_body(request.send, request.receive)
        else:
            await request.send({"type": "http.response.body", "body": response.content, "more_body": False})


def _usual(scope: Scope, receive: Receive, send: Send, longest: int) -> Asked | None:
    """Look at the shape of a request. Nothing is refused here: what is not usual is looked at by the framework."""
    raw = dict(scope["headers"])
    if len(raw) != len(scope["headers"]) or not LONG_WAY.isdisjoint(raw) or scope.get("root_path"):  # type: ignore[arg-type]
        return None
    length = raw.get(b"content-length", b"0" if scope["method"] == "GET" else b"")  # type: ignore[typeddict-item]
    if not _LENGTH.fullmatch(length) or int(length) > longest or not _HOST.fullmatch(raw.get(b"host", b"")):
        return None
    given = {name.decode("latin-1"): value.decode("latin-1") for name, value in raw.items()}
    return Asked(scope, receive, send, given, int(length))


def _headers(response: Response[Any]) -> list[tuple[bytes, bytes]]:
    """Write headers in the framework's order: type and length stand last."""
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.headers.items()]
    headers += [(b"content-type", str(response.media_type).encode()),
                (b"content-length", b"%d" % len(response.content))]
    return headers


__all__ = ["Asked", "Early"]
