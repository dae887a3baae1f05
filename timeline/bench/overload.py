"""Overload: how long others wait while one address asks far more than it may.

All are told apart by X-Forwarded-For, as behind one proxy, and the server has the limits that `timeline serve` has.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple

import uvloop

from timeline.bench.client import HOST, Server, length, limited
from timeline.bench.figures import Figure, Run, Series, percentile

FLOOD: Final = 190
"""Connections of the address that asks too much: each has one request under way, always."""

OTHERS: Final = 10
"""Addresses with one connection each."""

PAUSE: Final = 0.02
"""Seconds between two requests of one of the others: a quarter of what it may ask."""

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Told(NamedTuple):
    """What a crowd was told: microseconds of each answer to the others, refusals of the one a second."""

    waited: list[float]
    refusals: float


def overload(run: Run, size: int, log: Path, pages: Iterator[bytes]) -> Iterator[Figure]:
    """Measure what the others wait with the one and without."""
    count = run.amount(20, 100)
    quiet: list[list[float]] = []
    flooded: list[Told] = []
    with limited(log) as server:
        for _ in range(run.repeat + 1):
            for flood, found in ((0, quiet), (FLOOD, flooded)):
                each = [[_of(next(pages), f"203.0.113.{number}") for _ in range(count)] for number in range(OTHERS)]
                told = uvloop.run(_crowd(server, each, [_of(next(pages), "198.51.100.1") for _ in range(flood)]))
                found.append(told.waited if found is quiet else told)  # type: ignore[arg-type]
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        yield Figure(subject="http", name=f"uncached page, {name}, while {FLOOD} connections of another ask too much",
                     unit="us", size=size, ours=Series([percentile(each.waited, share) for each in flooded[1:]]),
                     limit=Series([percentile(waited, share) for waited in quiet[1:]]), limit_name="the same, alone")
    yield Figure(subject="http", name=f"refusals meanwhile, {FLOOD} connections", unit="answers/s", size=size,
                 ours=Series([each.refusals for each in flooded[1:]]))


def _of(each: bytes, address: str) -> bytes:
    return each.replace(b"\r\n\r\n", f"\r\nX-Forwarded-For: {address}\r\n\r\n".encode())


async def _crowd(server: Server, others: Sequence[Sequence[bytes]], flood: Sequence[bytes]) -> Told:
    waited: list[float] = []
    refused = [0]
    tasks = [asyncio.ensure_future(_flood(server, each, refused)) for each in flood]
    try:
        async with asyncio.timeout(300):
            while refused[0] < len(flood):  # noqa: ASYNC110 - until what it may ask at once is spent
                await asyncio.sleep(PAUSE)
            begin, before = time.perf_counter(), refused[0]
            await asyncio.gather(*(_ask(server, each, waited) for each in others))
        return Told(waited, (refused[0] - before) / (time.perf_counter() - begin))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def _connected(server: Server) -> AsyncIterator[Streams]:
    reader, writer = await asyncio.open_connection(HOST, server.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def _ask(server: Server, requests: Sequence[bytes], waited: list[float]) -> None:
    """Ask politely.

    Raises:
        ConnectionError: an answer is not 200.

    """
    async with _connected(server) as streams:
        for each in requests:
            await asyncio.sleep(PAUSE)
            begin = time.perf_counter()
            head = await _answer(streams, each)
            waited.append((time.perf_counter() - begin) * 1e6)
            if not head.startswith(b"HTTP/1.1 200"):
                raise ConnectionError(head[:300].decode(errors="replace"))


async def _flood(server: Server, each: bytes, refused: list[int]) -> None:
    """Ask the same again and again, whatever is answered."""
    async with _connected(server) as streams:
        while True:
            head = await _answer(streams, each)
            refused[0] += head.startswith(b"HTTP/1.1 429")


async def _answer(streams: Streams, each: bytes) -> bytes:
    """Send a request and read its answer; gives its head."""
    reader, writer = streams
    writer.write(each)
    head = await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(length(head))
    return head


__all__ = ["overload"]
