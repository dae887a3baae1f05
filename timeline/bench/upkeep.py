"""Upkeep: building the views anew, and verifying the log."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Final

import msgspec

from timeline.bench.build import dataset
from timeline.bench.figures import Figure, Run, in_turns
from timeline.chronicle import rebuild_views, verify_file
from timeline.connections import open_writer
from timeline.log import PART_DOMAIN
from timeline.views.building import LATER
from timeline.views.store import views_path
from timeline.views.versions import words_of

TABLES: Final = ("event", "facet", "lane", "moment", "thing", "member", "class", "snapshot")
CHUNK: Final = 10_000
LARGE: Final = 200_000
"""Logs of more events are rebuilt and verified once."""


def rebuilds(run: Run) -> Iterator[Figure]:
    """Measure (d): the fold of the whole log, against writing the rows it leads to."""
    for size in run.sizes:
        source = dataset(run.keep, size)
        log = run.fresh("timeline.db")
        shutil.copy(source, log)
        mine, limit = in_turns(run.repeat if size <= LARGE else 1,
                               lambda log=log, size=size: size / _rebuild(log),  # type: ignore[misc]
                               lambda source=source, size=size: size / _write(  # type: ignore[misc]
                                   run.fresh("views.db"), views_path(source)))
        log.unlink()
        yield Figure(subject="rebuild", name="views built anew", unit="events/s", size=size, ours=mine, limit=limit,
                     limit_name="the same rows, ready made, with full text", curve="rebuild, per event", aim=0.75)


def _rebuild(log: Path) -> float:
    begin = time.perf_counter()
    rebuild_views(log)
    return time.perf_counter() - begin


def _write(path: Path, views: Path) -> float:
    """Write the rows of existing views into a file of the same form; reading and preparing them is not counted.

    As a rebuild does, it makes two indexes last and syncs nothing until the end.
    """
    schema = files("timeline.views").joinpath("schema.sql").read_text()
    with closing(open_writer(path, synchronous="OFF")) as connection, closing(_read_only(views)) as source:
        connection.executescript(schema)
        find = "SELECT sql FROM sqlite_master WHERE name = ?"
        later = [connection.execute(find, (name,)).fetchone()[0] for name in LATER]
        for name in LATER:
            connection.execute(f"DROP INDEX {name}")
        seconds = 0.0
        for statement, rows in _prepared(source):
            begin = time.perf_counter()
            connection.execute("BEGIN")
            connection.executemany(statement, rows)
            connection.execute("COMMIT")
            seconds += time.perf_counter() - begin
        begin = time.perf_counter()
        for statement in later:
            connection.execute(statement)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return seconds + time.perf_counter() - begin


def _prepared(source: sqlite3.Connection) -> Iterator[tuple[str, list[tuple[object, ...]]]]:
    """Yield statements and rows for them, some at a time, so that a log of any size can be measured."""
    for name in TABLES:
        cursor = source.execute(f"SELECT * FROM {name}")  # noqa: S608 - constants
        places = ",".join("?" * len(cursor.description))
        while rows := cursor.fetchmany(CHUNK):
            yield f"INSERT INTO {name} VALUES ({places})", rows  # noqa: S608 - constants
    cursor = source.execute("SELECT n, body FROM event")
    while rows := cursor.fetchmany(CHUNK):
        texts: list[tuple[object, ...]] = [(n, words_of(msgspec.json.decode(body))) for n, body in rows]
        yield "INSERT INTO words (rowid, text) VALUES (?, ?)", texts


def _read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)


def verifications(run: Run) -> Iterator[Figure]:
    """Measure (e): every check of the log, against hashing the same bytes, and against reading and hashing them."""
    for size in run.sizes:
        log = dataset(run.keep, size)
        if (finding := verify_file(log).finding) is not None:  # it would be measured up to there only
            run.fail(f"verify: the kept log of {size:,} events is damaged ({finding.detail}): delete it, and the next "
                     "run makes it anew")
            continue

        def ours(log: Path = log) -> float:
            begin = time.perf_counter()
            report = verify_file(log)
            return report.head.size / (time.perf_counter() - begin)

        mine, hashed, read = in_turns(run.repeat if size <= LARGE else 1, ours,
                                      lambda log=log: _hashing(log, reading=False),  # type: ignore[misc]
                                      lambda log=log: _hashing(log, reading=True))  # type: ignore[misc]
        yield Figure(subject="verify", name="log verified", unit="records/s", size=size, ours=mine, limit=hashed,
                     curve="verify, per record", aim=0.8,
                     limit_name="SHA-256 of headers, parts and tree alone, on one core")
        yield Figure(subject="verify", name="log verified, reading counted", unit="records/s", size=size, ours=mine,
                     limit=read, limit_name="the same bytes read from SQLite and hashed, on one core")


def _hashing(log: Path, *, reading: bool) -> float:
    """Hash what verification hashes: a header, its parts and one node of the tree a record. Gives records a second.

    Reading from SQLite is counted, or it is not.
    """
    with closing(_read_only(log)) as connection:
        leaves = connection.execute("SELECT CAST(header AS BLOB) FROM record")
        parts = connection.execute("SELECT salt, CAST(bytes AS BLOB) FROM part")
        count, seconds = _timed(leaves, _hash_leaves, reading=reading)
        return count / (seconds + _timed(parts, _hash_parts, reading=reading)[1])


def _timed(
    cursor: sqlite3.Cursor, hash_: Callable[[list[tuple[bytes, ...]]], None], *, reading: bool
) -> tuple[int, float]:
    """Give how many rows there are, and the seconds it takes to hash them, and to read them where that is counted."""
    count, seconds, begin = 0, 0.0, time.perf_counter()
    while rows := cursor.fetchmany(CHUNK):
        begin = begin if reading else time.perf_counter()
        hash_(rows)
        count, now = count + len(rows), time.perf_counter()
        seconds, begin = seconds + now - begin, now
    return count, seconds


def _hash_leaves(rows: list[tuple[bytes, ...]]) -> None:
    for (header,) in rows:
        leaf = sha256(b"\x00" + header).digest()
        sha256(b"\x01" + leaf + leaf).digest()


def _hash_parts(rows: list[tuple[bytes, ...]]) -> None:
    for salt, body in rows:
        sha256(PART_DOMAIN + salt + body).hexdigest()
