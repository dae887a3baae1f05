"""The live stream: thousands of clients, each told everything once and in order, whoever drops out and comes back.

Beside it stands a bare ASGI route that hands as many bytes, made once, to as many connections under the same server:
what sending them costs at least. Clients are protocols of this process; they keep ids and times, not messages.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import resource
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing
from functools import partial
from typing import Final, Self

from timeline.bench.client import HOST, Server, bare, length_of, posting, serving
from timeline.bench.figures import Figure, Run, Series, percentile
from timeline.chronicle import Timeline
from timeline.tokens import Tokens, tokens_path

_ID: Final = re.compile(rb"event: (\w+)\nid: (\d+)\n")
SPARE: Final = 200
"""Open files that this process needs for other things."""


class Client(asyncio.Protocol):
    """One listener: the ids of the messages it was told, in order, when the last one came, and how long it was."""

    def __init__(self) -> None:
        """Begin without having heard anything."""
        self.ids: list[int] = []
        self.last, self.at, self.size = -1, 0.0, 0
        self._rest = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for everything after the last message."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what asyncio promises
        self._transport, self._rest = transport, b""
        after = f"Last-Event-ID: {self.last}\r\n" if self.last >= 0 else ""
        transport.write(f"GET /v1/stream HTTP/1.1\r\nHost: {HOST}\r\n{after}\r\n".encode())

    def data_received(self, data: bytes) -> None:
        """Note what whole messages came."""
        whole, end, self._rest = (self._rest + data).rpartition(b"\n\n")
        if not end:
            return
        for name, id_ in _ID.findall(whole + end):
            if name == b"reset":
                raise RuntimeError("a client was told to read anew")
            self.last = int(id_)
            if name != b"hello":
                self.ids.append(self.last)
        self.at, self.size = time.perf_counter(), len(whole + end)

    async def connect(self, port: int) -> Self:
        """Open the stream, or open it again."""
        await asyncio.get_running_loop().create_connection(lambda: self, HOST, port)
        return self

    def drop(self) -> None:
        """Go away without a word."""
        if self._transport is not None:
            self._transport.abort()


def fans(run: Run) -> Iterator[Figure]:
    """Measure how long the last of many clients waits for a message, and that each is told each thing once."""
    wanted = run.amount(500, 5_000)
    count = min(wanted, (_files() - SPARE) // 2)
    if count < wanted:
        run.skip(f"{wanted:,} streams are not measured, but {count:,}: raise the limit of open files (ulimit -n)")
    log = run.fresh("timeline.db")
    Timeline.open(log).close()
    with closing(Tokens(tokens_path(log))) as tokens, serving(log) as server, bare() as plain:
        begin = server.memory("VmRSS")
        with closing(_Writer(server.port, tokens.create("bench", ["write"]))) as writer:
            pairs = asyncio.run(_live(server, plain, count, run.repeat * 2, writer))
        peak = server.memory()
    about = f"{count:,} clients: one event, from the append to"
    for index, (name, aim) in enumerate((("half of the clients", None), ("the last client", 1 / 1.2))):
        ours, limit = (Series([pair[side][index] for pair in pairs]) for side in (0, 1))
        yield Figure(subject="stream", name=f"{about} {name}", unit="ms", ours=ours, limit=limit, aim=aim,
                     limit_name="as many bytes, made once, from a bare application")
    if peak is not None and begin is not None:
        yield Figure(subject="stream", name=f"{count:,} clients: server, peak", unit="MB", ours=Series([peak]),
                     limit=Series([begin]), limit_name="the same server at its start")


async def _live(
    server: Server, plain: Server, count: int, repeat: int, writer: _Writer,
) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """Measure broadcasts of both servers in turns; the first turn is not counted. Then look at what ours told."""
    found = []
    async with _listening(server.port, count) as clients, _listening(plain.port, count) as others:
        for number in range(1, repeat + 2):
            ours = await _broadcast(clients, number, lambda _: writer.append())
            say = partial(_say, plain, clients[0].size)
            found.append((ours, await _broadcast(others, number, say)))
        await _nothing_is_lost(server, clients, writer, repeat + 1)
    return found[1:]


async def _nothing_is_lost(server: Server, clients: Sequence[Client], writer: _Writer, end: int) -> None:
    """Drop every second client, write on, let them come back, and look at what each was told.

    Raises:
        RuntimeError: somebody was told something twice, not at all, or out of order.

    """
    for client in clients[::2]:
        client.drop()
    for _ in range(20):
        await asyncio.to_thread(writer.append)
        end += 1
    for start in range(0, len(clients), 400):
        await asyncio.gather(*(client.connect(server.port) for client in clients[start : start + 400 : 2]))
    for _ in range(20):
        await asyncio.to_thread(writer.append)
        end += 1
    await _until(lambda: all(client.last == end for client in clients))
    wrong = [client.ids for client in clients if client.ids != list(range(1, end + 1))]
    if wrong:
        raise RuntimeError(f"{len(wrong)} of {len(clients)} clients were not told each thing once: {wrong[0][:60]}")


async def _broadcast(clients: Sequence[Client], number: int, say: Callable[[int], None]) -> tuple[float, float]:
    """Say something; gives the milliseconds until half of the clients, and all of them, have heard it."""
    begin = time.perf_counter()
    await asyncio.to_thread(say, number)
    await _until(lambda: all(client.last == number for client in clients))
    taken = [(client.at - begin) * 1_000 for client in clients]
    await asyncio.sleep(0.2)
    return percentile(taken, 0.5), max(taken)


@asynccontextmanager
async def _listening(port: int, count: int) -> AsyncIterator[list[Client]]:
    """Open so many streams, some at a time, and wait until each has begun."""
    clients: list[Client] = []
    for start in range(0, count, 200):
        clients += await asyncio.gather(*(Client().connect(port) for _ in range(min(200, count - start))))
    await _until(lambda: all(client.last >= 0 for client in clients))
    yield clients
    for client in clients:
        client.drop()
    await asyncio.sleep(0.1)


async def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not holds():
        if time.monotonic() > deadline:
            raise RuntimeError("the clients were not told everything in two minutes")
        await asyncio.sleep(0.02)


class _Writer:
    """Appends events one by one."""

    def __init__(self, port: int, secret: str) -> None:
        self._connection = http.client.HTTPConnection(HOST, port)
        self._headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
        self._number = 0

    def close(self) -> None:
        self._connection.close()

    def append(self) -> None:
        self._number += 1
        event = {"id": f"e{self._number}", "title": "Something happens", "when": "2025-09-04", "summary": "s" * 300}
        self._connection.request("POST", "/v1/events", json.dumps(event), self._headers)
        response = self._connection.getresponse()
        if response.status != http.client.CREATED:
            raise RuntimeError(response.read()[:200].decode())
        response.read()


def _say(server: Server, size: int, number: int) -> None:
    """Have the bare application tell everybody a message of so many bytes."""
    head = b"event: added\nid: %d\n" % number
    length_of(server, posting("/say", head + b"x" * (size - len(head) - 2) + b"\n\n"))


def _files() -> int:
    """Give how many files this process may open, after asking for as many as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return soft if hard == resource.RLIM_INFINITY else hard
