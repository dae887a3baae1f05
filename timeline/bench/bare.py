"""A bare ASGI application under the server and process model of ours: what remains when there is no framework.

``python -m timeline.bench.bare PORT``. ``/bench/constant/N`` answers N constant bytes (to POST: 201, once the body is
here); ``/v1/stream`` is told whatever is posted to ``/say``, by handing the same bytes to everybody.
"""

from __future__ import annotations

import asyncio
import sys
from functools import lru_cache
from typing import Any, Final

import uvloop

from timeline.api.serve import ROOM, _allow, _serve

STREAMS: Final = 20_000
"""Streams that may be open at once: as many as files, most of the time."""

JSON: Final = [(b"content-type", b"application/json")]
Told = dict[str, Any]


@lru_cache(8)
def _constant(size: int) -> tuple[list[tuple[bytes, bytes]], bytes]:
    return [*JSON, (b"content-length", b"%d" % size)], b"x" * size


class Bare:
    """The application: routes are told apart by hand, and nothing is checked."""

    def __init__(self) -> None:
        """Begin without having said anything."""
        self._said: list[bytes] = []
        self._more = asyncio.Event()

    async def __call__(self, scope: Told, receive: Any, send: Any) -> None:  # noqa: ANN401 - as ASGI has it
        """Answer."""
        if scope["type"] != "http":
            return
        path = scope["path"]
        if path == "/v1/stream":
            await self._listen(send)
            return
        body = await _body(receive) if scope["method"] == "POST" else None
        if path == "/say" and body is not None:
            self._said.append(body)
            self._more.set()
            self._more = asyncio.Event()
        headers, content = _constant(2 if path == "/say" else int(path.rpartition("/")[2]))
        await send({"type": "http.response.start", "status": 200 if body is None else 201, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _listen(self, send: Any) -> None:  # noqa: ANN401 - as ASGI has it
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"event: hello\nid: 0\n\n", "more_body": True})
        heard = len(self._said)
        while True:
            while heard < len(self._said):
                await send({"type": "http.response.body", "body": self._said[heard], "more_body": True})
                heard += 1
            await self._more.wait()


async def _body(receive: Any) -> bytes:  # noqa: ANN401 - as ASGI has it
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


async def _run(port: int) -> None:
    await _serve(Bare(), "127.0.0.1", port, connections=STREAMS + ROOM)


if __name__ == "__main__":
    _allow(STREAMS)
    uvloop.run(_run(int(sys.argv[1])))
