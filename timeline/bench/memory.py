"""Memory: the most that an import and a server ever hold."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence

from timeline.bench import data
from timeline.bench.build import dataset, write_lines
from timeline.bench.client import latencies, request, serving
from timeline.bench.figures import Figure, Run, Series


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
    for size in run.sizes:
        with serving(dataset(run.keep, size)) as server:
            idle = server.memory("VmRSS")
            questions = data.windows(run.amount(500, 5_000), seed=data.SEED + 2)
            latencies(server, [request(f"/v1/events?from={start}&to={end}") for start, end in questions])
            peak_ = server.memory()
        if idle is not None and peak_ is not None:
            name = f"server of {size:,} events after {len(questions):,} pages, peak"
            yield Figure(subject="memory", name=name, unit="MB", ours=Series([peak_]), limit=Series([idle]),
                         limit_name="the same server at its start")


def _peak(arguments: Sequence[str]) -> float:
    command = [sys.executable, "-m", "timeline.bench.child", *arguments]
    return float(subprocess.run(command, check=True, capture_output=True).stdout)  # noqa: S603 - our own program
