"""Appending over HTTP: each request one event, answered when it is durable, by one client and by 64 at once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import count as counting
from typing import Final

from timeline.bench import data
from timeline.bench.build import import_file, write_lines
from timeline.bench.client import Server, bare, length_of, posting, rate, serving
from timeline.bench.figures import Figure, Run, Series, in_turns
from timeline.bench.naive import SINGLY, insert_singly
from timeline.bench.writes import sample_rows
from timeline.tokens import Tokens, tokens_path

CONNECTIONS: Final = (1, 64)


def posts(run: Run) -> Iterator[Figure]:
    """Measure durable appends over HTTP, against POST with a constant answer and against one commit each."""
    count = run.amount(640, 4_800)
    rows = sample_rows(run, min(count, SINGLY))
    log = run.fresh("timeline.db")
    import_file(log, [write_lines(run.fresh("background.ndjson"), data.background())])
    with closing(Tokens(tokens_path(log))) as tokens, serving(log) as server, bare() as plain:
        bodies = _Bodies(tokens.create("bench", ["write"]))
        length = length_of(server, bodies.take(1)[0])
        for connections in CONNECTIONS:
            number = count if connections > 1 else count // 4
            rate(server, bodies.take(number), connections)  # nobody's first time is counted
            same = bodies.same(f"/bench/constant/{length}", number)
            ours, *limits = in_turns(
                run.repeat,
                lambda n=number, at_once=connections: rate(server, bodies.take(n), at_once)[0],  # type: ignore[misc]
                partial(_rate, server, same, connections), partial(_rate, plain, same, connections),
                lambda: len(rows) / insert_singly(run.fresh("raw.db"), rows),
            )
            yield from _figures(connections, length, ours, limits)


def _rate(server: Server, requests: Sequence[bytes], connections: int) -> float:
    return rate(server, requests, connections)[0]


def _figures(connections: int, length: int, ours: Series, limits: Sequence[Series]) -> Iterator[Figure]:
    names = (f"POST, constant {length:,} bytes, same server", f"POST, constant {length:,} bytes, bare application",
             "sqlite3, one commit each, 1 writer")
    several = f"{connections} connection{'s' if connections > 1 else ''}"
    for name, limit in zip(names, limits, strict=True):
        yield Figure(subject="post", name=f"durable appends over HTTP, {several}", unit="events/s", ours=ours,
                     limit=limit, limit_name=name, aim=0.6 if connections > 1 and name == names[0] else None)


class _Bodies:
    """Requests that each record another event."""

    def __init__(self, secret: str) -> None:
        self._secret, self._batches = secret, counting(1)

    def take(self, number: int) -> list[bytes]:
        """Give so many that nobody has sent yet."""
        return self._made("/v1/events", number, next(self._batches) * 1_000_000)

    def same(self, path: str, number: int) -> list[bytes]:
        """Give requests of the same size for another address."""
        return self._made(path, number, 1_000_000)

    def _made(self, path: str, number: int, first: int) -> list[bytes]:
        events = (json.loads(line)["event"] for line in data.events(number, first=first))
        return [posting(path, json.dumps(event, separators=(",", ":")).encode(), self._secret) for event in events]
