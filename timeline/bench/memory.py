"""Memory: the most that an import and a server ever hold."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence

from timeline.bench import data
from timeline.bench.build import dataset, write_lines
from timeline.bench.client import latencies, request, timeline_serve
from timeline.bench.figures import Figure, Run, Series
from timeline.chronicle import Timeline
from timeline.tokens import Tokens, tokens_path


def peaks(run: Run) -> Iterator[Figure]:
    """Measure (f): peaks of resident memory, the interpreter with all modules loaded as the limit."""
    bare = Series([_peak([])])
    count = run.amount(5_000, 50_000)
    files = [write_lines(run.fresh("background.ndjson"), data.background()),
             write_lines(run.fresh("events.ndjson"), data.events(count))]
    log = run.fresh("timeline.db")
    peak = _peak([str(log), *map(str, files)])
    yield Figure(subject="memory", name=f"import of {count:,} events, peak", unit="MB", ours=Series([peak]), limit=bare,
                 limit_name="the same modules, doing nothing")
    yield from _servers(run)


def _servers(run: Run) -> Iterator[Figure]:
    """Measure the resident memory of a server against the size of its log."""
    empty = run.fresh("timeline.db")
    Timeline.open(empty).close()
    Tokens(tokens_path(empty)).close()  # the first server of a log makes them, and loads what that takes
    with timeline_serve(empty) as server:
        none = server.memory("VmRSS")
    for size in run.sizes:
        with timeline_serve(dataset(run.keep, size)) as server:
            idle = server.memory("VmRSS")
            questions = data.windows(run.amount(500, 5_000), seed=data.SEED + 2)
            latencies(server, [request(f"/v1/events?from={start}&to={end}") for start, end in questions])
            peak = server.memory()
        if none is None or idle is None or peak is None:
            run.skip("the memory of servers is not measured: this system does not say what a process holds")
            return
        yield Figure(subject="memory", name="server at its start", unit="MB", size=size, ours=Series([idle]),
                     limit=Series([none]), limit_name="a server of an empty log", curve="server at its start")
        yield Figure(subject="memory", name=f"server after {len(questions):,} pages, peak", unit="MB", size=size,
                     ours=Series([peak]), limit=Series([idle]), limit_name="the same server at its start",
                     curve="server, peak")


def _peak(arguments: Sequence[str]) -> float:
    command = [sys.executable, "-m", "timeline.bench.child", *arguments]
    return float(subprocess.run(command, check=True, capture_output=True).stdout)  # noqa: S603 - our own program
