"""Writing: imports in bulk, and single appends by 1, 16 and 64 writers that each wait for their own commit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from timeline.bench import data
from timeline.bench.build import import_file, rows_of, write_lines
from timeline.bench.figures import Figure, Run, in_turns
from timeline.bench.naive import BATCH, SINGLY, insert_batches, insert_singly
from timeline.bench.peers import EVENTSOURCING, Rows, have, insert_recorder
from timeline.chronicle import Timeline
from timeline.records import AnyChange, decode_change

WRITERS: Final = (1, 16, 64)


def imports(run: Run) -> Iterator[Figure]:
    """Measure (a): events a second through the whole import, and the bytes alone by others."""
    count = run.amount(5_000, 20_000)
    known = write_lines(run.fresh("background.ndjson"), data.background())
    events = write_lines(run.fresh("events.ndjson"), data.events(count))
    rows = sample_rows(run, count)

    def ours() -> float:
        log = run.fresh("timeline.db")
        import_file(log, [known])
        return count / import_file(log, [events])

    limits: dict[str, Callable[[], float]] = {
        "executemany of the same bytes, 1,000 a commit": lambda: count / insert_batches(run.fresh("raw.db"), rows),
    }
    if have(run, EVENTSOURCING):
        limits["eventsourcing's recorder, same bytes, 1,000 a commit"] = (
            lambda: count / insert_recorder(run.fresh("recorder.db"), rows, BATCH))
    mine, *others = in_turns(run.repeat, ours, *limits.values())
    for name, limit in zip(limits, others, strict=True):
        yield Figure(subject="import", name=f"import of {count:,} events: validated, logged, viewed", unit="events/s",
                     ours=mine, limit=limit, limit_name=name)


def appends(run: Run) -> Iterator[Figure]:
    """Measure (b): durable appends, each awaited, against one commit each of plain SQLite and of others."""
    count = run.amount(640, 4_800)
    rows = sample_rows(run, min(count, SINGLY))
    limits = {"sqlite3, one commit each, 1 writer": (insert_singly, "raw.db")}
    if have(run, EVENTSOURCING):
        limits["eventsourcing's recorder, one commit each, 1 writer"] = (insert_recorder, "recorder.db")
    for writers in WRITERS:
        number = count if writers > 1 else count // 4
        mine, *others = in_turns(
            run.repeat, partial(_append, run, number, writers),
            *(partial(_singly, run, insert, file, rows) for insert, file in limits.values()),
        )
        for place, (name, limit) in enumerate(zip(limits, others, strict=True)):
            yield Figure(subject="append", name=f"durable single appends, {writers} waiting writers", unit="events/s",
                         ours=mine, limit=limit, limit_name=name, aim=10 if (writers, place) == (64, 0) else None)


def _singly(run: Run, insert: Callable[[Path, Rows], float], file: str, rows: Rows) -> float:
    return len(rows) / insert(run.fresh(file), rows)


def sample_rows(run: Run, count: int) -> Rows:
    """Give the bytes that a log stores for so many events."""
    log = run.fresh("timeline.db")
    import_file(log, [write_lines(run.fresh("background.ndjson"), data.background())])
    import_file(log, [write_lines(run.fresh("events.ndjson"), data.events(count))])
    return rows_of(log)[-count:]


def _append(run: Run, count: int, writers: int) -> float:
    changes = [decode_change(line) for line in data.events(count)]
    with Timeline.open(run.fresh("timeline.db")) as timeline:
        timeline.append([decode_change(line) for line in data.background()])
        begin = time.perf_counter()
        asyncio.run(_write(timeline, changes, writers))
        return count / (time.perf_counter() - begin)


async def _write(timeline: Timeline, changes: Sequence[AnyChange], writers: int) -> None:
    async def writer(mine: Sequence[AnyChange]) -> None:
        for change in mine:
            await asyncio.wrap_future(timeline.submit([change]))

    await asyncio.gather(*(writer(changes[number::writers]) for number in range(writers)))
