"""Writing: imports in bulk, and single appends by 1, 16 and 64 writers that each wait for their own commit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence

from timeline.bench import data
from timeline.bench.build import import_file, rows_of, write_lines
from timeline.bench.figures import Figure, Run, in_turns
from timeline.bench.naive import insert_batches, insert_singly
from timeline.chronicle import Timeline
from timeline.records import AnyChange, decode_change

WRITERS = (1, 16, 64)


def imports(run: Run) -> Iterator[Figure]:
    """Measure (a): events a second through the whole import, and the bytes alone through `executemany`."""
    count = run.amount(5_000, 20_000)
    known = write_lines(run.fresh("background.ndjson"), data.background())
    events = write_lines(run.fresh("events.ndjson"), data.events(count))
    sample = run.fresh("timeline.db")
    import_file(sample, [known])
    import_file(sample, [events])
    rows = rows_of(sample)[-count:]

    def ours() -> float:
        log = run.fresh("timeline.db")
        import_file(log, [known])
        return count / import_file(log, [events])

    def limit() -> float:
        return count / insert_batches(run.fresh("raw.db"), rows)

    mine, raw = in_turns(run.repeat, ours, limit)
    yield Figure(subject="import", name=f"import of {count:,} events: validated, logged, viewed", unit="events/s",
                 ours=mine, limit=raw, limit_name="executemany of the same bytes, 1,000 a commit")


def appends(run: Run) -> Iterator[Figure]:
    """Measure (b): durable appends, each awaited, against one commit each of plain SQLite."""
    count = run.amount(640, 4_800)
    sample = run.fresh("timeline.db")
    import_file(sample, [write_lines(run.fresh("background.ndjson"), data.background())])
    import_file(sample, [write_lines(run.fresh("events.ndjson"), data.events(count))])
    rows = rows_of(sample)[-count:]
    for writers in WRITERS:
        number = count if writers > 1 else count // 4
        mine, raw = in_turns(
            run.repeat,
            lambda writers=writers, number=number: number / _append(run, number, writers),  # type: ignore[misc]
            lambda number=number: number / insert_singly(run.fresh("raw.db"), rows[:number]),  # type: ignore[misc]
        )
        yield Figure(subject="append", name=f"durable single appends, {writers} waiting writers", unit="events/s",
                     ours=mine, limit=raw, limit_name="sqlite3, one commit each, 1 writer")


def _append(run: Run, count: int, writers: int) -> float:
    changes = [decode_change(line) for line in data.events(count)]
    with Timeline.open(run.fresh("timeline.db")) as timeline:
        timeline.append([decode_change(line) for line in data.background()])
        begin = time.perf_counter()
        asyncio.run(_write(timeline, changes, writers))
        return time.perf_counter() - begin


async def _write(timeline: Timeline, changes: Sequence[AnyChange], writers: int) -> None:
    async def writer(mine: Sequence[AnyChange]) -> None:
        for change in mine:
            await asyncio.wrap_future(timeline.submit([change]))

    await asyncio.gather(*(writer(changes[number::writers]) for number in range(writers)))
