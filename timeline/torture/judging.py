"""After the fact: is what was acknowledged there, is every batch whole, does the log verify, are the views a fold."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from timeline import merkle
from timeline.chronicle import Timeline, verify_file
from timeline.connections import open_reader
from timeline.log import Record
from timeline.log.sqlite import LogFile, stored_hashes
from timeline.torture.verdicts import Verdict
from timeline.views.building import rebuild
from timeline.views.store import remove, views_path


@dataclass(slots=True)
class Sent:
    """One request: the events it records, and what was heard of it.

    `positions` are those it was told, or None: then nobody knows whether it was done.
    """

    key: str
    ids: list[str]
    positions: list[int] | None = None
    refused: bool = False
    """It was told that nothing of it was done (a status of 4xx)."""

    tried: int = field(default=0)


def places(path: Path) -> dict[str, list[int]]:
    """Give the positions at which each event was recorded."""
    found: dict[str, list[int]] = defaultdict(list)
    with closing(LogFile(path)) as log:
        for record in log.read():
            if record.header.type == "event.recorded":
                found[record.header.streams[0][0].removeprefix("event/")].append(record.position)
    return found


def judge_requests(verdict: Verdict, there: dict[str, list[int]], requests: Iterable[Sent]) -> None:
    """Compare what was heard with what is there."""
    for request in requests:
        found = [there.get(id_, []) for id_ in request.ids]
        held = [places[0] for places in found if places]
        if any(len(places) > 1 for places in found):
            verdict.fault("twice", f"{request.key} is in the log more than once")
        elif request.positions is not None and held != request.positions:
            kind = "torn" if held and len(held) < len(found) else "lost"
            verdict.fault(kind, f"{request.key} was acknowledged at {request.positions} and is at {held or 'no place'}")
        elif 0 < len(held) < len(found):
            verdict.fault("torn", f"{request.key}: {len(held)} of {len(found)} events are there")
        elif held and held != list(range(held[0], held[0] + len(held))):
            verdict.fault("torn", f"{request.key} is spread over {held}")
        elif held and request.refused:
            verdict.fault("lies", f"{request.key} was refused and is there")


def judge_log(verdict: Verdict, path: Path) -> int:
    """Verify the log; gives its size."""
    report = verify_file(path)
    if not report.sound:
        verdict.fault("unsound", f"verify: {report.finding.detail if report.finding else 'not sound'}")
    return report.head.size


def judge_views(verdict: Verdict, path: Path) -> None:
    """Bring the views up to date as any start does, and compare them with a fold of the whole log, row by row."""
    with Timeline.open(path) as timeline:
        size = timeline.head().size
        if timeline.position != size:
            verdict.fault("differing", f"the views stand at {timeline.position}, the log at {size}")
    own = views_path(path)
    anew = path.with_name("anew.db")
    with closing(LogFile(path)) as log:
        def read(position: int) -> Record | None:
            return next(log.read(position - 1, 1), None)

        rebuild(anew, log.origin, log.read(), read=read)
    if digest(own) != digest(anew):
        verdict.fault("differing", f"the views of {size} records are not what a fold of them gives")
    remove(anew)


def judge(verdict: Verdict, path: Path, requests: Iterable[Sent]) -> int:
    """Look at everything; gives the size of the log. What cannot be opened at all is a fault too."""
    try:
        judge_views(verdict, path)
        size = judge_log(verdict, path)
        judge_requests(verdict, places(path), requests)
    except Exception as error:  # noqa: BLE001 - whatever it is, a log that nobody can open is not sound
        verdict.fault("unsound", f"the log cannot be used: {type(error).__name__}: {error}")
        return 0
    return size


def root_at(path: Path, size: int) -> str:
    """Give the root the log had at a size, in hexadecimal."""
    with closing(open_reader(path)) as connection:
        return merkle.root_at(size, lambda level, start, stop: stored_hashes(connection, level, start, stop)).hex()


def digest(path: Path) -> str:
    """Give a digest of every row of a views file.

    Numbers that only join tables are replaced by the names they stand for, and of the full-text index the terms with
    their places count: how they are cut into segments depends on how many records shared a commit.
    """
    told = sha256()
    with closing(sqlite3.connect(path)) as connection:
        for query in _queries(connection):
            rows: list[tuple[Any, ...]] = sorted(connection.execute(query).fetchall(), key=repr)
            told.update(f"{query}\n".encode())
            for row in rows:
                told.update(repr(row).encode("utf-8", "surrogatepass") + b"\n")
    return told.hexdigest()


def _queries(connection: sqlite3.Connection) -> list[str]:
    """List what to read: every table there is, so that none that is added later is forgotten."""
    connection.execute("CREATE VIRTUAL TABLE temp.terms USING fts5vocab(main, 'words', 'instance')")
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1")
              if not name.startswith(("words", "sqlite_"))]
    joined = {
        "facet": "SELECT name, last FROM facet",
        "lane": "SELECT n, (SELECT name FROM facet WHERE facet = lane.facet), class, earliest, latest, sequence, "
                "first, since, until, hidden, roles FROM lane",
    }
    named = [joined.get(table, f'SELECT * FROM "{table}"') for table in tables]  # noqa: S608 - names of our own tables
    return [*named, "SELECT * FROM temp.terms"]


__all__ = ["Sent", "digest", "judge", "judge_log", "judge_requests", "judge_views", "places", "root_at"]
