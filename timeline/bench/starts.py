"""Starting: from the start of the process until the first page is answered, however large the log."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager

from timeline.bench.build import dataset
from timeline.bench.client import Server, bare, latencies, request, timeline_serve
from timeline.bench.figures import Figure, Run, in_turns
from timeline.chronicle import Timeline
from timeline.tokens import Tokens, tokens_path

PAGE = request("/v1/events?limit=50")


def starts(run: Run) -> Iterator[Figure]:
    """Measure the start of a server, against one of an empty log, and against a bare application."""
    empty = run.fresh("timeline.db")
    Timeline.open(empty).close()
    Tokens(tokens_path(empty)).close()  # the first server of a log makes them
    constant = request("/bench/constant/100")
    for size in run.sizes:
        log = dataset(run.keep, size)
        mine, none, plain = in_turns(
            run.repeat, lambda log=log: _first(timeline_serve(log), PAGE),  # type: ignore[misc]
            lambda: _first(timeline_serve(empty), PAGE), lambda: _first(bare(), constant),
        )
        name = "from `timeline serve` to its first page"
        yield Figure(subject="start", name=name, unit="ms", size=size, ours=mine, limit=none,
                     limit_name="the same with an empty log", curve="start-up to the first page")
        yield Figure(subject="start", name=name, unit="ms", size=size, ours=mine, limit=plain,
                     limit_name="a bare application that imports the server")


def _first(server: AbstractContextManager[Server], page: bytes) -> float:
    """Give the milliseconds until the first answer; ending the process is not counted."""
    begin = time.perf_counter()
    with server as started:
        latencies(started, [page])
        return 1_000 * (time.perf_counter() - begin)
