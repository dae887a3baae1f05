"""Logs to measure: made by the real import, kept where `--keep` says, with the naive table beside them."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Final

from timeline.bench import data
from timeline.bench.naive import make_naive
from timeline.chronicle import Timeline
from timeline.importing import Importer, Local, expected, find

Progress = Callable[[int], None]
CHUNK: Final = 100_000
NAIVE: Final = 2_000_000
"""Beyond so many events nothing is compared with the naive table: it takes seconds for a page, and the disk's room."""



def write_lines(path: Path, lines: Iterable[bytes]) -> Path:
    """Write the lines of an import into a file."""
    with path.open("wb") as stream:
        stream.writelines(line + b"\n" for line in lines)
    return path


def import_file(log: Path, paths: Iterable[Path], progress: Progress = lambda _: None) -> float:
    """Import files as `timeline import` does; gives the seconds it took, from opening the log to closing it."""
    begin, found = time.perf_counter(), find(paths)
    with Timeline.open(log, expecting=expected(found)) as timeline, closing(Local(timeline)) as target:
        timeline.bulk(active=True)
        Importer(target, progress=lambda outcome: progress(outcome.new)).run(found)
        timeline.bulk(active=False)
    return time.perf_counter() - begin


def dataset(folder: Path, size: int, progress: Progress = lambda _: None) -> Path:
    """Give a log of so many made-up events, building what is not there yet; `naive_path` is beside it if not too large.

    A build that was interrupted goes on where it stopped: an import takes nothing twice.
    """
    log, done = folder / f"events-{size}.db", folder / f"events-{size}.done"
    if done.is_file():
        return log
    folder.mkdir(parents=True, exist_ok=True)
    with Timeline.open(log, expecting=size) as timeline, closing(Local(timeline)) as target:
        timeline.bulk(active=True)
        _import(target, write_lines(folder / f"background-{size}.ndjson", data.background()))
        for first in range(0, size, CHUNK):
            part = write_lines(folder / f"part-{size}.ndjson", data.events(min(CHUNK, size - first), first=first))
            _import(target, part, lambda new, first=first: progress(first + new))  # type: ignore[misc]
        timeline.bulk(active=False)
    if size <= NAIVE:
        make_naive(log, naive_path(folder, size))
    done.touch()
    return log


def _import(target: Local, part: Path, progress: Progress = lambda _: None) -> None:
    """Import a file and remove it."""
    Importer(target, progress=lambda outcome: progress(outcome.settled)).run(find([part]))
    part.unlink()


def naive_path(folder: Path, size: int) -> Path:
    """Give the place of the table that is compared with."""
    return folder / f"naive-{size}.db"


def rows_of(log: Path) -> list[tuple[int, str, bytes]]:
    """Give (position, header, body) of every record: the bytes that an import must store, whatever else it does."""
    with closing(sqlite3.connect(log)) as connection:
        bodies = "SELECT position, CAST(bytes AS BLOB) AS body FROM part WHERE name = 'body'"
        query = f"SELECT position, header, body FROM record JOIN ({bodies}) USING (position)"  # noqa: S608 - constant
        return connection.execute(query).fetchall()
