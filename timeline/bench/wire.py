"""Reading over HTTP: pages that are cached and pages that are not.

Beside them: constant bytes from the same server, the same from a bare application under it, and Datasette. And what
others wait while one address asks too much.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple

from timeline.bench import data
from timeline.bench.build import dataset, naive_path
from timeline.bench.client import Server, bare, latencies, length_of, rate, request, serving
from timeline.bench.figures import Figure, Run, Series, percentile
from timeline.bench.overload import overload
from timeline.bench.peers import DATASETTE, better_threads, datasette, have, table_pages

CONNECTIONS: Final = 16
MEASURES: Final = (
    ("p50, 1 connection", "us"), ("p99, 1 connection", "us"), (f"{CONNECTIONS} connections", "answers/s"),
    ("per second of server CPU", "answers/s"),
)
AIMED: Final = 2
"""The measure that the aims speak of."""


class Kind(NamedTuple):
    """Something that answers: `name` as what is measured, `limit` as what it is compared with.

    `share`: it is asked so many times less often than the others.
    """

    server: Server
    requests: Callable[[int], Sequence[bytes]]
    name: str
    limit: str = ""
    share: int = 1


def pages(run: Run) -> Iterator[Figure]:
    """Measure (c) and (g) over HTTP."""
    with bare() as plain:
        threads: int | None = None
        for size in run.sizes:
            log, table = dataset(run.keep, size), naive_path(run.keep, size)
            with ExitStack() as stack:
                kinds = _kinds(stack.enter_context(serving(log)), plain)
                if table.is_file() and have(run, DATASETTE):
                    threads = better_threads(table) if threads is None else threads
                    server = stack.enter_context(datasette(table, threads))
                    kinds |= _peers(server, table, size, f"Datasette ({threads or 'no'} threads)")
                yield from _figures(size, kinds, _measured(run, kinds))
            yield from overload(run, size, log, _never_asked())


def _kinds(ours: Server, plain: Server) -> dict[str, Kind]:
    page = request("/v1/events?from=2001-05-01&to=2001-05-30")
    length = length_of(ours, page)
    constant = request(f"/bench/constant/{length}")
    fresh = _never_asked()
    return {
        "cached": Kind(ours, lambda count: [page] * count, "cached page"),
        "uncached": Kind(ours, lambda count: [next(fresh) for _ in range(count)], "uncached page"),
        "constant": Kind(ours, lambda count: [constant] * count, "constant", "as many constant bytes, same server"),
        "bare": Kind(plain, lambda count: [constant] * count, "bare", "as many constant bytes, bare application"),
    }


def _peers(server: Server, table: Path, size: int, name: str) -> dict[str, Kind]:
    """Ask Datasette what is easier, which start within, of ranges that hold twice 50; and what we are asked."""
    days = min(data.DAYS // 2, max(30, 100 * data.DAYS // size))

    def within(count: int) -> list[bytes]:
        return table_pages(table, data.windows(count, days, seed=data.SEED + 1))

    def overlapping(count: int) -> list[bytes]:
        return table_pages(table, data.windows(count, seed=data.SEED + 1), overlap=True)

    return {"easier": Kind(server, within, "Datasette", f"{name}, 50 that start within", 20),
            "same": Kind(server, overlapping, "Datasette", f"{name}, the same question", 400)}


def _measured(run: Run, kinds: dict[str, Kind]) -> dict[str, list[Series]]:
    """Measure all kinds in turns; the first turn is not counted."""
    count = run.amount(800, 4_000)
    taken: dict[str, list[tuple[float, ...]]] = {name: [] for name in kinds}
    for _ in range(run.repeat + 1):
        for name, kind in kinds.items():
            some = max(CONNECTIONS, count // kind.share)
            single = latencies(kind.server, kind.requests(max(10, some // 4)))
            by_clock, by_cpu = rate(kind.server, kind.requests(some), CONNECTIONS)
            taken[name].append((percentile(single, 0.5), percentile(single, 0.99), by_clock, by_cpu or 0.0))
    return {name: [Series(list(values)) for values in zip(*rows[1:], strict=True)] for name, rows in taken.items()}


def _never_asked() -> Iterator[bytes]:
    """Ask for windows that end at a second of their own, so that no cache can know them."""
    number = 0
    while True:
        for start, end in data.windows(10_000, seed=data.SEED + 1):
            minutes, second = divmod(number % 86_400, 60)
            number += 1
            yield request(f"/v1/events?from={start}&to={end}T{minutes // 60:02}:{minutes % 60:02}:{second:02}Z")


def _figures(size: int, kinds: dict[str, Kind], series: dict[str, list[Series]]) -> Iterator[Figure]:
    uncached = "page over HTTP, not cached"
    peers: list[tuple[str, str, float | None, str]] = [
        ("uncached", "easier", 25, uncached), ("uncached", "same", None, uncached)]
    pairs: list[tuple[str, str, float | None, str]] = [
        ("cached", "constant", 0.9, ""), ("cached", "bare", None, "page over HTTP, cached"),
        ("uncached", "constant", 0.2, "" if "same" in kinds else uncached), *(peers if "same" in kinds else ()),
        ("constant", "bare", None, ""),
    ]
    for ours, limit, aim, curve in pairs:
        for number, (name, unit) in enumerate(MEASURES):
            if not all(series[ours][number].values + series[limit][number].values):
                continue  # this system does not tell what a process uses
            yield Figure(subject="http", name=f"{kinds[ours].name}, {name}", unit=unit, size=size,
                         ours=series[ours][number], limit=series[limit][number], limit_name=kinds[limit].limit,
                         aim=aim if number == AIMED else None, curve="" if number else curve)
