"""Reading over HTTP: pages that are cached and pages that are not, beside constant bytes from the same server."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence

from timeline.bench import data
from timeline.bench.build import dataset
from timeline.bench.client import HOST, Server, answer, latencies, rate, request, serving
from timeline.bench.figures import Figure, Run, Series, percentile

CONNECTIONS = 16


def pages(run: Run) -> Iterator[Figure]:
    """Measure (c) and (g) over HTTP."""
    for size in run.sizes:
        with serving(dataset(run.keep, size)) as server:
            yield from _of(run, size, server)


def _of(run: Run, size: int, server: Server) -> Iterator[Figure]:
    count = run.amount(800, 4_000)
    repeats = run.repeat + 1  # the first is not counted
    alone = count // 4
    windows = data.windows(repeats * (count + alone), seed=data.SEED + 1)
    fresh = iter([_never_asked(number, *window) for number, window in enumerate(windows)])
    page = request("/v1/events?from=2001-05-01&to=2001-05-30")
    length = _length(server, page)
    constant = request(f"/bench/constant/{length}")
    kinds = ("cached", "uncached", "constant")
    taken: dict[str, list[tuple[float, float, float, float]]] = {kind: [] for kind in kinds}
    for _ in range(repeats):
        for kind in kinds:
            single = latencies(server, _requests(kind, page, constant, fresh, alone))
            many = _requests(kind, page, constant, fresh, count)
            by_clock, by_cpu = rate(server, many, CONNECTIONS)
            taken[kind].append((percentile(single, 0.5), percentile(single, 0.99), by_clock, by_cpu or 0.0))
    series = {kind: [Series(list(values)) for values in zip(*rows[1:], strict=True)] for kind, rows in taken.items()}
    yield from _figures(size, length, series)


def _requests(kind: str, page: bytes, constant: bytes, fresh: Iterator[bytes], count: int) -> Sequence[bytes]:
    if kind == "uncached":
        return [next(fresh) for _ in range(count)]
    return [page if kind == "cached" else constant] * count


def _never_asked(number: int, start: str, end: str) -> bytes:
    """Ask for a window that ends at a second of its own, so that no cache can know it."""
    minutes, second = divmod(number % 86_400, 60)
    return request(f"/v1/events?from={start}&to={end}T{minutes // 60:02}:{minutes % 60:02}:{second:02}Z")


def _length(server: Server, page: bytes) -> int:
    with socket.create_connection((HOST, server.port), 30) as connection:
        connection.sendall(page)
        return answer(connection)


def _figures(size: int, length: int, series: dict[str, list[Series]]) -> Iterator[Figure]:
    names = (("p50, 1 connection", "us"), ("p99, 1 connection", "us"), (f"{CONNECTIONS} connections", "answers/s"),
             ("per second of server CPU", "answers/s"))
    for kind in ("cached", "uncached"):
        for number, (name, unit) in enumerate(names):
            if not all(series["constant"][number].values):
                continue  # this system does not tell what a process uses
            yield Figure(subject="http", name=f"{size:,} events: {kind} page, {name}", unit=unit,
                         ours=series[kind][number], limit=series["constant"][number],
                         limit_name=f"constant {length:,} bytes, same server")
