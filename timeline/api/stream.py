"""The live stream: Server-Sent Events (WHATWG HTML section 9.2) that tell what changes in the answer to a question.

The first message, ``hello``, says at which position the stream begins. Its id, like that of every message, is the
place in the log that a client has been told of. With it (``Last-Event-ID``) a client goes on where it was, and is told
each thing once: messages are read from the log's views, not from a buffer. Where that cannot be done (the id is of
another log, or too much has changed) it gets ``reset``, reads ``/v1/events`` anew, and hears what comes next.

An id that is no place at all is answered by ``reset`` too where a browser sent it: it would repeat it for ever, and
shows nobody a 400. In the parameter it is 400, as somebody wrote it.

The server beneath takes whatever it is given, whether or not the client reads it (measured: 200 MB for a client that
reads nothing). So a connection carries only so many bytes, and then ends; a client that reads comes back at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import msgspec
from litestar import Response
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Send

from timeline.api.asking import AnyRequest, check_actors, query_pairs, take
from timeline.api.changes import FILTERS
from timeline.api.hub import Hub, Listener
from timeline.api.replay import Message, Place, Replay
from timeline.chronicle import Timeline
from timeline.errors import Fault, Malformed, TooCostly
from timeline.query import MAX_POSITION, Parameter, Query, parse_query

TYPE: Final = "text/event-stream"
OWN: Final = (
    Parameter("last_event_id", "Id of the last message that was read, for clients that cannot send Last-Event-ID",
              "59"),
)
PING: Final = 15.0
"""Seconds of silence after which a comment is sent, so that nothing in between takes the connection for dead."""

RETRY: Final = 3_000
"""Milliseconds after which a client comes back when a connection ends."""

CARRIED: Final = 1_000_000
"""Bytes that one connection carries: the most that a client who does not read can make the server hold."""

BLOCK: Final = 64_000
"""Bytes that are handed over at once."""

HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
REASONS: Final = {
    "unknown": "the id sent is not one of this stream",
    "beyond": "this log is shorter than the id sent says: it is another log, or an older copy of it",
    "gap": "too much has changed since to be told again",
}
"""Why a client has to read the answer anew."""


@dataclass(slots=True)
class _Told:
    """How far a client is. `sent` counts the bytes of its connection, `at` is when the last of them went."""

    place: Place
    sent: int = 0
    at: float = 0


class Streams:
    """The handler of `/v1/stream`."""

    def __init__(self, timeline: Timeline, hub: Hub, *, ping: float = PING, carried: int = CARRIED) -> None:
        """Stream from this timeline to the listeners of a hub."""
        self._timeline, self._hub = timeline, hub
        self._replay = Replay(timeline, hub.threads)
        self._ping, self._carried = ping, carried

    async def stream(self, request: AnyRequest) -> Response[Any]:
        """Open a stream.

        Raises:
            Malformed: a parameter is unknown or cannot be read.
            Invalid: an actor is unknown.
            Busy: as many streams are open as may be.

        """
        own, rest = take(query_pairs(request), [parameter.name for parameter in OWN])
        query = parse_query(rest, known=FILTERS)
        parameter = _read_parameter(own)
        if query.actors:
            await asyncio.to_thread(check_actors, self._timeline, query)
        if request.method == "HEAD":
            return _Streamed(_NoLength)
        listener = self._hub.enter()
        chunks = self._chunks(listener, query, request.headers.get("last-event-id") or parameter)
        return _Streamed(partial(_Body, chunks, listener, self._hub))

    @property
    def clients(self) -> int:
        """How many streams are open."""
        return len(self._hub)

    async def close(self) -> None:
        """End every stream, and take no more."""
        await self._hub.close()

    async def _chunks(self, listener: Listener, query: Query, last: str | None) -> AsyncGenerator[bytes, None]:
        """Give what one connection carries."""
        head, key = self._timeline.position, query.key()
        told = _Told(Place(head) if last is None else read_place(last) or Place(-1))
        reason = self._refusal(told.place)
        yield self._sent(told, f"retry: {RETRY}\n\n".encode() + (_hello(told.place) if reason is None else b""))
        if reason is not None:
            yield self._reset(told, reason)
        while not self._ends(listener):
            listener.wake.clear()
            if told.place == Place(told.place.position) and told.place.position >= self._timeline.position:
                if await self._is_silent(listener, told):
                    yield self._sent(told, f": ping\nid: {told.place}\n\n".encode())
            else:
                async for block in self._missed(listener, query, key, told):
                    yield block
            if told.sent >= self._carried:  # many reach this at once, and should not all come back at once
                yield f"retry: {random.randint(100, RETRY)}\n\n".encode()  # noqa: S311 - no secret
                return

    def _refusal(self, place: Place) -> str | None:
        """Say why a client cannot go on from a place, if it cannot."""
        if place.position < 0:
            return "unknown"
        return "beyond" if place.position > self._timeline.position else None

    async def _missed(
        self, listener: Listener, query: Query, key: bytes, told: _Told
    ) -> AsyncGenerator[bytes, None]:
        """Give messages that the client has not been told; none of those made before something was erased."""
        erasures = self._timeline.heads.erasures
        try:
            messages, behind = await self._replay.after(query, key, told.place)
        except TooCostly:
            yield self._reset(told, "gap")
            return
        for block in _blocks(messages):
            if self._ends(listener) or told.sent >= self._carried or self._timeline.heads.erasures != erasures:
                return
            told.place = block[-1].place
            yield self._sent(told, b"".join(message.content for message in block))
            await asyncio.sleep(0)  # handing over never waits: let the others have their turn
        told.place = behind

    async def _is_silent(self, listener: Listener, told: _Told) -> bool:
        """Wait until there may be something to tell; or say that nothing was sent for so long that a ping is due."""
        left = told.at + self._ping - asyncio.get_running_loop().time()
        if left <= 0:
            return True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(left):
                await listener.wake.wait()
        return False

    def _ends(self, listener: Listener) -> bool:
        return listener.gone or self._hub.closing

    def _sent(self, told: _Told, content: bytes) -> bytes:
        told.sent += len(content)
        told.at = asyncio.get_running_loop().time()
        return content

    def _reset(self, told: _Told, reason: str) -> bytes:
        """Tell a client to read the answer anew; it hears of what comes after the position given."""
        head = self._timeline.position
        told.place = Place(head)
        data = msgspec.json.encode({"position": head, "reason": reason, "detail": REASONS[reason]})
        return self._sent(told, f"event: reset\nid: {told.place}\ndata: ".encode() + data + b"\n\n")


class _Streamed(Response[bytes]):
    """A response that goes on until the client leaves or the server ends; `write` makes what writes it."""

    def __init__(self, write: Callable[..., ASGIResponse]) -> None:
        super().__init__(b"", media_type=TYPE, headers=dict(HEADERS))
        self._write = write

    def to_asgi_response(self, *_: Any, **__: Any) -> ASGIResponse:  # noqa: ANN401 - the framework's many options
        """Give what writes it; nothing it could be told makes a difference."""
        return self._write(media_type=TYPE, headers=dict(self.headers))


class _NoLength(ASGIResponse):
    """An answer of which nobody can say how long it is."""

    _should_set_content_length = False


class _Body(_NoLength):
    """Writes the chunks of a stream, and listens for the client's leaving."""

    def __init__(
        self, chunks: AsyncGenerator[bytes, None], listener: Listener, hub: Hub, **shape: Any  # noqa: ANN401
    ) -> None:
        super().__init__(**shape)
        self._chunks, self._listener, self._hub = chunks, listener, hub

    async def send_body(self, send: Send, receive: Receive) -> None:
        """Write until there is no more to write. The hub may cancel this when the server ends."""
        self._listener.task = asyncio.current_task()
        watching = asyncio.create_task(_watch(receive, self._listener))
        try:
            async with contextlib.aclosing(self._chunks):
                async for chunk in self._chunks:
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
        finally:
            self._hub.exit(self._listener)
            watching.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _watch(receive: Receive, listener: Listener) -> None:
    """Wait until the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
    listener.leave()


def _blocks(messages: Sequence[Message]) -> Iterator[list[Message]]:
    """Put messages together into blocks of about the same size."""
    block: list[Message] = []
    size = 0
    for message in messages:
        block.append(message)
        size += len(message.content)
        if size >= BLOCK:
            yield block
            block, size = [], 0
    if block:
        yield block


def _hello(place: Place) -> bytes:
    return f'event: hello\nid: {place}\ndata: {{"position":{place.position}}}\n\n'.encode()


def read_place(text: str) -> Place | None:
    """Read the id of a message; None where it is none."""
    position, dot, event = text.partition(".")
    if not (position.isascii() and position.isdigit() and len(position) <= 16 and int(position) <= MAX_POSITION):
        return None
    if dot and not (event and len(event) <= 100 and event.isprintable()):
        return None
    return Place(int(position), event)


def _read_parameter(own: dict[str, str]) -> str | None:
    last = own.get("last_event_id")
    if last is not None and read_place(last) is None:
        detail = "expected the id of a message of this stream, such as 59"
        raise Malformed(f"last_event_id: {detail}", faults=(Fault("?last_event_id", detail),))
    return last


__all__ = ["OWN", "TYPE", "Streams"]
