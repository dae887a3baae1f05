"""Servers in processes of their own, and a client that costs little: prepared requests, answers counted, not read."""

from __future__ import annotations

import asyncio
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final, cast

import uvloop

HOST: Final = "127.0.0.1"
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_GOOD: Final = (b"HTTP/1.1 200", b"HTTP/1.1 201")


class Server:
    """A server process of the bench."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        """Remember where it listens."""
        self.process, self.port = process, port

    def memory(self, field: str = "VmHWM") -> float | None:
        """Give the most memory it ever held (or holds: ``VmRSS``), in MB; None where the system does not say."""
        try:
            text = Path(f"/proc/{self.process.pid}/status").read_text()
        except OSError:
            return None
        return int(text.partition(f"{field}:")[2].split()[0]) / 1024

    def cpu(self) -> float | None:
        """Give the processor seconds it has used; None where the system does not say."""
        try:
            clocks = [int(path.read_text().split()[0]) for path in
                      Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")]
        except OSError:
            return None
        return sum(clocks) / 1e9 if clocks else None


@contextmanager
def started(module: str, *arguments: str) -> Iterator[Server]:
    """Start ``python -m MODULE ARGUMENTS... PORT`` and wait until it listens; end it with the block.

    Raises:
        RuntimeError: it ended, or did not listen within a minute.

    """
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-W", "ignore", "-m", module, *arguments, str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 - our own
    try:
        _wait(process, port)
        yield Server(process, port)
    finally:
        process.terminate()
        process.wait(20)


def serving(log: Path) -> AbstractContextManager[Server]:
    """Serve a log as `timeline serve` does, with the routes of `timeline.bench.server` beside."""
    return started("timeline.bench.server", str(log))


def limited(log: Path) -> AbstractContextManager[Server]:
    """Serve a log behind one proxy, with the limits that `timeline serve` has."""
    return started("timeline.bench.server", str(log), "limited")


def timeline_serve(log: Path) -> AbstractContextManager[Server]:
    """Serve a log by `timeline serve` itself."""
    return started("timeline.cli", "--db", str(log), "serve", "--port")


def bare() -> AbstractContextManager[Server]:
    """Serve constant bytes without a framework, under the same server: see `timeline.bench.bare`."""
    return started("timeline.bench.bare")


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection((HOST, port), 1).close()
        except OSError:
            time.sleep(0.005)  # a start-up is measured with it
        else:
            return
    raise RuntimeError("a server of the bench did not start: run `timeline serve` to see why")


def request(path: str) -> bytes:
    """Prepare a request."""
    return f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nAccept: application/json\r\n\r\n".encode()


def posting(path: str, body: bytes, secret: str = "") -> bytes:
    """Prepare a request with a JSON body, and a token where one is given."""
    token = f"Authorization: Bearer {secret}\r\n" if secret else ""
    head = f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\n{token}Content-Type: application/json\r\nContent-Length: "
    return f"{head}{len(body)}\r\n\r\n".encode() + body


def length_of(server: Server, each: bytes) -> int:
    """Send one request; gives the length of the body of its answer."""
    with socket.create_connection((HOST, server.port), 30) as connection:
        connection.sendall(each)
        return answer(connection)


def answer(connection: socket.socket) -> int:
    """Read one answer; gives the length of its body.

    Raises:
        ConnectionError: its status is neither 200 nor 201, or it does not say how long it is.

    """
    head = b""
    while (end := head.find(b"\r\n\r\n")) < 0:
        more = connection.recv(1 << 18)
        if not more:
            raise ConnectionError("the server closed the connection")
        head += more
    length = _length(head, end)
    left = length - (len(head) - end - 4)
    while left > 0:
        more = connection.recv(1 << 18)
        if not more:
            raise ConnectionError("the server closed the connection")
        left -= len(more)
    return length


def _length(head: bytes, end: int) -> int:
    if not head.startswith(_GOOD):
        raise ConnectionError(head[:300].decode(errors="replace"))
    return length(head, end + 2)


def length(head: bytes, end: int | None = None) -> int:
    """Give the length of a body as the head of an answer (up to `end`) says it.

    Raises:
        ConnectionError: it does not.

    """
    found = _LENGTH.search(head, 0, len(head) if end is None else end)
    if found is None:
        raise ConnectionError(head[:300].decode(errors="replace"))
    return int(found[1])


def latencies(server: Server, requests: Sequence[bytes]) -> list[float]:
    """Send requests one after the other; gives microseconds."""
    taken = []
    with socket.create_connection((HOST, server.port), 30) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for each in requests:
            begin = time.perf_counter()
            connection.sendall(each)
            answer(connection)
            taken.append((time.perf_counter() - begin) * 1e6)
    return taken


class _Asker(asyncio.Protocol):
    """A connection that sends the next request as soon as its last one is answered, until there are none."""

    def __init__(self, waiting: Iterator[bytes], ended: asyncio.Future[None]) -> None:
        self._waiting, self.ended = waiting, ended
        self._head, self._left = b"", 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own is no subclass of it

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(exc or ConnectionError("the server closed the connection"))

    def ask(self) -> None:
        """Send the next request, or end."""
        assert self._transport is not None  # noqa: S101 - asked when connected
        following = next(self._waiting, None)
        if following is not None:
            self._transport.write(following)
        elif not self.ended.done():
            self.ended.set_result(None)

    def data_received(self, data: bytes) -> None:
        if self._left:
            self._left -= len(data)
        else:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            try:
                self._left = _length(self._head, end) - (len(self._head) - end - 4)
            except ConnectionError as error:
                self.ended.set_exception(error)
                return
            self._head = b""
        if self._left <= 0:
            self._left = 0
            self.ask()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


def rate(server: Server, requests: Sequence[bytes], connections: int) -> tuple[float, float | None]:
    """Send requests over some connections at once; gives answers a second by the clock and by the server's CPU.

    No connection waits for another one: each has one request under way.

    Raises:
        ConnectionError: an answer is not 200 or 201, or the server went away.

    """
    seconds, spent = uvloop.run(_ask(server, requests, connections))
    return len(requests) / seconds, len(requests) / spent if spent > 0 else None


async def _ask(server: Server, requests: Sequence[bytes], connections: int) -> tuple[float, float]:
    loop, waiting = asyncio.get_running_loop(), iter(requests)
    askers = [_Asker(waiting, loop.create_future()) for _ in range(connections)]
    for asker in askers:
        await loop.create_connection(lambda asker=asker: asker, HOST, server.port)  # type: ignore[misc]
    used, begin = server.cpu(), time.perf_counter()
    try:
        for asker in askers:
            asker.ask()
        async with asyncio.timeout(300):
            await asyncio.gather(*(asker.ended for asker in askers))
        seconds, after = time.perf_counter() - begin, server.cpu()
    finally:
        for asker in askers:
            asker.close()
    return seconds, after - used if used is not None and after is not None else 0.0
