"""Upkeep: building the views anew, and verifying the log."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

from timeline.bench.build import dataset
from timeline.bench.figures import Figure, Run, in_turns
from timeline.chronicle import rebuild_views, verify_file
from timeline.connections import open_writer
from timeline.log import PART_DOMAIN
from timeline.views.store import views_path

LATER = ("event_order", "lane_order")


def rebuilds(run: Run) -> Iterator[Figure]:
    """Measure (d): the fold of the whole log, against inserting the rows it leads to."""
    size = min(run.sizes)
    source = dataset(run.keep, size)
    log = run.fresh("timeline.db")
    shutil.copy(source, log)
    tables = _rows(views_path(source))

    def ours() -> float:
        begin = time.perf_counter()
        rebuild_views(log)
        return size / (time.perf_counter() - begin)

    mine, limit = in_turns(run.repeat, ours, lambda: size / _insert(run.fresh("views.db"), tables))
    yield Figure(subject="rebuild", name=f"views of {size:,} events built anew", unit="events/s", ours=mine,
                 limit=limit, limit_name="the same rows, ready made, without full text")


def _rows(views: Path) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(views)) as connection:
        return {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in ("event", "lane")}  # noqa: S608


def _insert(path: Path, tables: dict[str, list[tuple[object, ...]]]) -> float:
    schema = files("timeline.views").joinpath("schema.sql").read_text()
    with closing(open_writer(path, synchronous="OFF")) as connection:
        connection.executescript(schema)
        find = "SELECT sql FROM sqlite_master WHERE name = ?"
        later = [connection.execute(find, (name,)).fetchone()[0] for name in LATER]
        for name in LATER:
            connection.execute(f"DROP INDEX {name}")
        begin = time.perf_counter()
        connection.execute("BEGIN")
        for name, rows in tables.items():
            connection.executemany(f"INSERT INTO {name} VALUES ({','.join('?' * len(rows[0]))})", rows)  # noqa: S608
        for statement in later:
            connection.execute(statement)
        connection.execute("COMMIT")
        return time.perf_counter() - begin


def verifications(run: Run) -> Iterator[Figure]:
    """Measure (e): every check of the log, against hashing the same bytes and nothing else."""
    for size in run.sizes:
        log = dataset(run.keep, size)
        repeat = run.repeat if size <= 100_000 else 1

        def ours(log: Path = log) -> float:
            begin = time.perf_counter()
            report = verify_file(log)
            return report.head.size / (time.perf_counter() - begin)

        mine, limit = in_turns(repeat, ours, lambda log=log: _hashing(log))  # type: ignore[misc]
        yield Figure(subject="verify", name=f"log of {size:,} events verified", unit="records/s", ours=mine,
                     limit=limit, limit_name="SHA-256 of headers, bodies and tree alone")


def _hashing(log: Path) -> float:
    """Hash what verification hashes; reading is not counted. Gives records a second."""
    seconds, count = 0.0, 0
    with closing(sqlite3.connect(f"{log.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        query = "SELECT CAST(header AS BLOB), salt, CAST(bytes AS BLOB) FROM record JOIN part USING (position)"
        cursor = connection.execute(query)
        while rows := cursor.fetchmany(10_000):
            begin = time.perf_counter()
            for header, salt, body in rows:
                leaf = sha256(b"\x00" + header).digest()
                sha256(PART_DOMAIN + salt + body).hexdigest()
                sha256(b"\x01" + leaf + leaf).digest()
            seconds += time.perf_counter() - begin
            count += len(rows)
    return count / seconds
