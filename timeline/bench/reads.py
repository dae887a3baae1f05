"""Reading in this process: ranges, an actor's timeline, and the state of long ago."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

from timeline.bench import data
from timeline.bench.build import dataset, naive_path
from timeline.bench.figures import Figure, Run, Series, percentile
from timeline.bench.naive import ask_naive
from timeline.chronicle import Timeline
from timeline.query import Query, parse_query
from timeline.views.chart import Frame
from timeline.web.chart import chart


def ranges(run: Run) -> Iterator[Figure]:
    """Measure (c) without HTTP: first pages of random 30-day windows, and what else is asked."""
    for size in run.sizes:
        log = dataset(run.keep, size, lambda done, size=size: run.progress("building", done, size))  # type: ignore[misc]
        with Timeline.open(log) as timeline, _naive(naive_path(run.keep, size)) as naive:
            yield from _of(run, size, timeline, naive)


@contextmanager
def _naive(path: Path) -> Iterator[sqlite3.Connection | None]:
    """Open the table that is compared with; None where it would be too large."""
    if not path.is_file():
        yield None
        return
    with closing(sqlite3.connect(path)) as naive:
        naive.execute("PRAGMA cache_size = -65536")
        naive.execute("PRAGMA mmap_size = 4294967296")
        yield naive


def _of(run: Run, size: int, timeline: Timeline, naive: sqlite3.Connection | None) -> Iterator[Figure]:
    count = run.amount(200, 1_000)
    windows = questions(data.windows(count))
    asked: list[tuple[Callable[[Query], object], Sequence[Query]]] = [(timeline.ask, windows)]
    if naive is not None:
        slow = max(10, min(count, 20_000_000 // size))
        asked.append((partial(_plain, naive), windows[:slow]))
    yield from _figures(size, "30 days, first 50", *_times(run, *asked), curve="30 days, in process")
    yield from _figures(size, "a year, first 50", *_times(run, (timeline.ask, questions(data.windows(count, 365)))))
    rng = random.Random(data.SEED)  # noqa: S311 - made-up data
    actors = [parse_query([("actor", f"actor-{rng.randrange(data.ACTORS)}")]) for _ in range(count)]
    yield from _figures(size, "one actor's timeline, first 50", *_times(run, (timeline.ask, actors)))
    early = max(1, timeline.position // 100)
    past = questions(data.windows(count), ("at", str(early)))
    yield from _figures(size, "30 days, as at 1/100 of the log", *_times(run, (timeline.ask, past)))
    middle = questions(data.windows(count), ("at", str(timeline.position // 2)))
    yield from _figures(size, "30 days, as at half of the log", *_times(run, (timeline.ask, middle)))
    if naive is None:
        return  # a chart of so much is refused by a server that has other things to do
    whole = [Query()] * max(2, min(20, 1_000_000 // size))
    yield from _figures(size, "chart of all of it, 12 lanes", *_times(run, (partial(_drawn, timeline), whole)))


def _plain(naive: sqlite3.Connection, query: Query) -> object:
    return ask_naive(naive, query.lower or 0, query.upper or 0)


def _drawn(timeline: Timeline, query: Query) -> object:
    return chart(timeline, query, (None, None), Frame("actor", 12, 96))


def questions(windows: Sequence[tuple[str, str]], *more: tuple[str, str]) -> list[Query]:
    """Make questions of windows."""
    return [parse_query([("from", start), ("to", end), *more]) for start, end in windows]


def _times(run: Run, *asked: tuple[Callable[[Query], object], Sequence[Query]]) -> list[tuple[Series, Series]]:
    """Give p50 and p99 in microseconds of each repeat, in turns, after one unmeasured pass."""
    found: list[list[tuple[float, float]]] = [[] for _ in asked]
    for number in range(run.repeat + 1):
        for figures, (ask, queries) in zip(found, asked, strict=True):
            taken = []
            for query in queries:
                begin = time.perf_counter()
                ask(query)
                taken.append((time.perf_counter() - begin) * 1e6)
            if number:
                figures.append((percentile(taken, 0.5), percentile(taken, 0.99)))
    return [(Series([p50 for p50, _ in rows]), Series([p99 for _, p99 in rows])) for rows in found]


def _figures(
    size: int, name: str, ours: tuple[Series, Series], limit: tuple[Series, Series] | None = None, *, curve: str = "",
) -> Iterator[Figure]:
    for number, label in enumerate(("p50", "p99")):
        yield Figure(subject="range", name=f"{name}: {label}", unit="us", size=size, ours=ours[number],
                     limit=limit[number] if limit else None,
                     limit_name="index on start, same rows, mapped" if limit else "", curve="" if number else curve)
