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
import random
from collections.abc import Callable, Coroutine, Iterator, Sequence
from functools import partial
from typing import Any, Final

import msgspec
from litestar import Response
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Send

from timeline.api.asking import AnyRequest, check_actors, query_pairs, take
from timeline.api.changes import FILTERS
from timeline.api.hub import BLOCK, Hub, Listener, Tell, Told, may_wait, ping
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

HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
REASONS: Final = {
    "unknown": "the id sent is not one of this stream",
    "beyond": "this log is shorter than the id sent says: it is another log, or an older copy of it",
    "gap": "too much has changed since to be told again",
}
"""Why a client has to read the answer anew."""


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
        talk = partial(self._talk, self._hub.enter(), query, request.headers.get("last-event-id") or parameter)
        return _Streamed(partial(_Body, talk))

    @property
    def clients(self) -> int:
        """How many streams are open."""
        return len(self._hub)

    async def close(self) -> None:
        """End every stream, and take no more."""
        await self._hub.close()

    async def _talk(self, listener: Listener, query: Query, last: str | None, send: Send, receive: Receive) -> None:
        """Write what one connection carries, until the client leaves or there is no more. The hub may cancel this."""
        listener.task = asyncio.current_task()
        watching = _Watch(receive, listener)
        try:
            await self._tell(listener, query, last, send)
        finally:
            self._hub.exit(listener)
            watching.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _tell(self, listener: Listener, query: Query, last: str | None, send: Send) -> None:
        head, key = self._timeline.position, query.key()
        listener.place = Place(head) if last is None else read_place(last) or Place(-1)
        reason = self._refusal(listener.place)
        hello = _hello(listener.place) if reason is None else b""
        await self._give(listener, send, f"retry: {RETRY}\n\n".encode() + hello)
        if reason is not None:
            await self._reset(listener, send, reason)
        after = partial(self._after, query, key)
        while not self._ends(listener):
            if listener.place == Place(listener.place.position) and listener.place.position >= self._timeline.position:
                if await self._hub.rest(listener, key, after, self._ping, self._carried):
                    await self._give(listener, send, ping(listener.place))
            else:
                await self._missed(listener, after, send)
            if listener.sent >= self._carried:  # many reach this at once, and should not all come back at once
                await self._give(listener, send, f"retry: {random.randint(100, RETRY)}\n\n".encode())  # noqa: S311 - no secret
                return

    async def _after(self, query: Query, key: bytes, place: Place) -> Told:
        return Told(*await self._replay.after(query, key, place))

    def _refusal(self, place: Place) -> str | None:
        """Say why a client cannot go on from a place, if it cannot."""
        if place.position < 0:
            return "unknown"
        return "beyond" if place.position > self._timeline.position else None

    async def _missed(self, listener: Listener, after: Tell, send: Send) -> None:
        """Give messages that the client has not been told; none of those made before something was erased."""
        erasures = self._hub.erasures
        try:
            messages, behind = await after(listener.place)
        except TooCostly:
            await self._reset(listener, send, "gap")
            return
        for block in _blocks(messages):
            if self._ends(listener) or listener.sent >= self._carried or self._hub.erasures != erasures:
                return
            listener.place = block[-1].place
            await self._give(listener, send, b"".join(message.content for message in block))
            await asyncio.sleep(0)  # handing over never waits: let the others have their turn
        listener.place = behind

    def _ends(self, listener: Listener) -> bool:
        return listener.gone or self._hub.closing

    async def _give(self, listener: Listener, send: Send, content: bytes) -> None:
        """Send bytes, and see whether the server beneath takes them at once."""
        listener.sent += len(content)
        listener.at = asyncio.get_running_loop().time()
        given = send({"type": "http.response.body", "body": content, "more_body": True})
        listener.hand = None if may_wait(given) else send
        await given

    async def _reset(self, listener: Listener, send: Send, reason: str) -> None:
        """Tell a client to read the answer anew; it hears of what comes after the position given."""
        head = self._timeline.position
        listener.place = Place(head)
        data = msgspec.json.encode({"position": head, "reason": reason, "detail": REASONS[reason]})
        await self._give(listener, send, f"event: reset\nid: {listener.place}\ndata: ".encode() + data + b"\n\n")


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
    """Has a stream written."""

    def __init__(self, talk: Callable[[Send, Receive], Coroutine[Any, Any, None]], **shape: Any) -> None:  # noqa: ANN401
        super().__init__(**shape)
        self._talk = talk

    def send_body(self, send: Send, receive: Receive) -> Coroutine[Any, Any, None]:
        """Write until there is no more to write."""
        return self._talk(send, receive)


class _Watch:
    """Hears of a client's leaving: by a future, which servers of compiled code give, and not by a task for each."""

    def __init__(self, receive: Receive, listener: Listener) -> None:
        self._receive, self._listener = receive, listener
        self._wait()

    def _wait(self) -> None:
        waiting: Any = self._receive()
        self._waiting = asyncio.ensure_future(waiting) if asyncio.iscoroutine(waiting) else waiting
        self._waiting.add_done_callback(self._heard)

    def _heard(self, done: Any) -> None:  # noqa: ANN401 - the server's own kind of future
        if done.cancelled():
            return
        if done.exception() is not None or done.result()["type"] == "http.disconnect":
            self._listener.leave()
        else:
            self._wait()

    def cancel(self) -> None:
        """Wait no more."""
        self._waiting.cancel()


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
