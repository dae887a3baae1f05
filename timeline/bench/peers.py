"""Programs of others that do a part of the same, each in its best configuration, where they are installed.

They are the extra `bench`. ``python -m timeline.bench.peers DATABASE THREADS PORT`` serves Datasette.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from timeline.bench import data
from timeline.bench.client import HOST, Server, rate, request, started
from timeline.bench.figures import Run

EVENTSOURCING: Final = "eventsourcing"
DATASETTE: Final = "datasette"
THREADS: Final = (0, 3)
"""Datasette asks its database on the event loop, or in three threads (its default)."""

PROBES: Final = 60
Rows = Sequence[tuple[int, str, bytes]]


def have(run: Run, name: str) -> bool:
    """Whether a peer is installed; where it is not, the report says how to."""
    if find_spec(name) is not None:
        return True
    run.skip(f"{name} is not compared with, as it is not installed: pip install 'timeline[bench]'")
    return False


def insert_recorder(path: Path, rows: Rows, batch: int = 1) -> float:
    """Insert events with the SQLite recorder of `eventsourcing`, so many a commit; gives seconds.

    Each is the first of its aggregate and its state is the body as it is: nothing is encoded, compressed or hashed. WAL
    and synchronous=FULL are the recorder's defaults, as durable as ours.
    """
    recorders, persistence = import_module("eventsourcing.sqlite"), import_module("eventsourcing.persistence")
    events = [persistence.StoredEvent(UUID(int=position), 1, "timeline:EventRecorded", body)
              for position, _, body in rows]
    datastore = recorders.SQLiteDatastore(str(path))
    try:
        recorder = recorders.SQLiteApplicationRecorder(datastore)
        recorder.create_table()
        begin = time.perf_counter()
        for start in range(0, len(events), batch):
            recorder.insert_events(events[start : start + batch])
        return time.perf_counter() - begin
    finally:
        datastore.close()


def datasette(database: Path, threads: int) -> AbstractContextManager[Server]:
    """Serve the naive table by Datasette under the same server as ours, so that the applications alone differ.

    Its best configuration: the database is immutable, what is asked has an index, facets are off, and no question is
    interrupted.
    """
    return started("timeline.bench.peers", str(database), str(threads))


def better_threads(database: Path) -> int:
    """Give the number of threads with which Datasette answers more."""
    found = {}
    for threads in THREADS:
        with datasette(database, threads) as server:
            rate(server, table_pages(database, data.windows(4)), 4)
            found[threads] = rate(server, table_pages(database, data.windows(PROBES)), 16)[0]
    return max(found, key=lambda threads: found[threads])


def table_pages(database: Path, windows: Sequence[tuple[str, str]], *, overlap: bool = False) -> list[bytes]:
    """Ask Datasette's table API for the first 50 events that start within a range: easier than those that overlap it.

    With `overlap`, for those. Rows as arrays of columns, its own shape and the cheapest one.
    """
    fixed = {"_sort": "earliest", "_size": 50, "_nocount": 1, "_nofacet": 1, "_nosuggest": 1, "_shape": "arrays"}
    lower = "latest__gte" if overlap else "earliest__gte"
    bounds = [{lower: _seconds(start), "earliest__lte": _seconds(end)} for start, end in windows]
    return [request(f"/{database.stem}/event.json?{urlencode({**each, **fixed})}") for each in bounds]


def _seconds(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())


def _serve(database: str, threads: int, port: int) -> None:
    from timeline.api.serve import serve_app  # noqa: PLC0415 - only the process that serves needs it

    settings = {"num_sql_threads": threads, "allow_facet": False, "suggest_facets": False, "sql_time_limit_ms": 60_000}
    application = import_module("datasette.app").Datasette([], immutables=[database], settings=settings).app()
    serve_app(application, host=HOST, port=port)


if __name__ == "__main__":
    _serve(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
