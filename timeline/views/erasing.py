"""Taking what was erased out of the views: every version that rested on it is drawn anew, in its place.

The log has let go of the parts already, so folding the records of an event once more gives what a rebuild would give:
the same code, the same rows. They keep their numbers (those grow with the position) and their validity. The full-text
index holds no text, so a row of it is taken out by saying exactly what it was made of; `optimize` then merges the
index into one piece, in which no older piece keeps the words.
"""

from __future__ import annotations

import sqlite3
from typing import Any, Protocol

import msgspec

from timeline.errors import Corrupt
from timeline.log import Header, Record
from timeline.log.erasing import declaration
from timeline.parts import BODY, join
from timeline.records import ActorDescribed, AnyFact, PartErased, SourceDescribed, restore
from timeline.views.things import describe
from timeline.views.versions import Current, Drawn, Versions, draw, words_of


class Folding(Protocol):
    """What the fold must lend."""

    def read(self, position: int) -> Record | None:
        """Read a record of the log as it now is."""

    def declared(self, position: int) -> dict[str, Any]:
        """Give what an erasure says of itself."""

    def lanes(self, n: int, drawn: Drawn, since: int, until: int, hidden: int) -> list[tuple[Any, ...]]:
        """Give the lane rows of a version."""

    def flush(self) -> None:
        """Write what is buffered."""


def gone_from(record: Record) -> dict[str, int]:
    """Give the parts that a record has lost, with the record that declares each (0 where that is not known)."""
    if not record.erased:
        return {}
    return dict(zip(record.erased, record.erased_by or (0,) * len(record.erased), strict=True))


def change_in(record: Record) -> AnyFact | None:
    """Decode what is left of a record; None where its body was erased, and `Corrupt` where it was merely lost."""
    header = record.header
    if BODY in record.erased:
        return None
    try:
        return restore(header.type, header.v, join(record.contents()))
    except KeyError:
        raise Corrupt(f"record {record.position} has lost its body: run `timeline verify`") from None


def declared_by(erasure: Record) -> dict[str, Any]:
    """Give what readers may know of an erasure."""
    change = declaration(erasure)
    known = {"position": erasure.position, "recorded_at": erasure.header.recorded_at, "reason": change.reason}
    return known if change.ground is None else {**known, "ground": change.ground}


def erase(connection: sqlite3.Connection, fold: Folding, header: Header, change: PartErased) -> None:
    """Draw anew whatever an erasure changes. Everything is flushed before and after."""
    if change.of == "event":
        _Events(connection, fold).erase([name[6:] for name, _, _ in header.streams if name.startswith("event/")])
    else:
        _erase_descriptions(connection, fold, change)


def _lost(fold: Folding, position: int) -> Record:
    record = fold.read(position)
    if record is None:
        raise Corrupt(f"the log has no record at position {position}, of which something was erased")
    return record


class _Events:
    """Draws every version of some events anew. They are complete: what was merged into them is among them."""

    def __init__(self, connection: sqlite3.Connection, fold: Folding) -> None:
        self._connection, self._execute, self._fold = connection, connection.execute, fold
        self._current: dict[str, Current] = {}
        self._rows: dict[tuple[str, int], tuple[int, int, str]] = {}
        self._forgotten = False

    def erase(self, event_ids: list[str]) -> None:
        query = "SELECT id, since, n, until, body FROM event WHERE id IN (SELECT value FROM json_each(?))"
        rows = self._execute(query, (msgspec.json.encode(event_ids).decode(),)).fetchall()
        self._rows = {(event_id, since): (n, until, body) for event_id, since, n, until, body in rows}
        versions = Versions(self._find, self._put)
        for position in sorted({since for _, since in self._rows}):
            record = _lost(self._fold, position)
            versions.apply(record.header, change_in(record), gone_from(record))
        self._fold.flush()  # facets that stood nowhere yet
        if self._forgotten:
            self._execute("INSERT INTO words (words) VALUES ('optimize')")

    def _find(self, event_id: str) -> Current:
        if event_id not in self._current:
            raise Corrupt(f"an erasure leaves out event {event_id}, which was merged with what it erases")
        return self._current[event_id]

    def _put(self, event_id: str, new: Current, header: Header, extra: dict[str, Any]) -> None:
        n, until, old = self._rows[event_id, header.position]
        new.n = n
        drawn = draw(new, header, extra, self._fold.declared)
        class_, earliest, latest, sequence, _ = drawn.place
        self._execute(
            "UPDATE event SET class = ?, earliest = ?, latest = ?, sequence = ?, kind = ?, status = ?, hidden = ?, "
            "body = ? WHERE n = ?",
            (class_, earliest, latest, sequence, new.event.kind, new.event.status, new.hidden, drawn.body, n),
        )
        self._execute("DELETE FROM lane WHERE n = ?", (n,))
        self._connection.executemany(
            "INSERT INTO lane (n, facet, class, earliest, latest, sequence, first, since, until, hidden, roles) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            self._fold.lanes(n, drawn, header.position, until, new.hidden),
        )
        self._reword(n, words_of(msgspec.json.decode(old)), drawn.words)
        self._current[event_id] = new

    def _reword(self, n: int, old: str | None, new: str | None) -> None:
        if old == new:
            return
        if old is not None:
            self._execute("INSERT INTO words (words, rowid, text) VALUES ('delete', ?, ?)", (n, old))
            self._forgotten = True
        if new is not None:
            self._execute("INSERT INTO words (rowid, text) VALUES (?, ?)", (n, new))


def _erase_descriptions(connection: sqlite3.Connection, fold: Folding, change: PartErased) -> None:
    """Draw the descriptions of an actor or a source anew that have lost something."""
    query = "SELECT n, since, revision FROM thing WHERE type = ? AND id = ?"
    for n, since, revision in connection.execute(query, (change.of, change.id)).fetchall():
        if since not in change.records:
            continue
        record = _lost(fold, since)
        found = change_in(record)
        described = describe(record, found if isinstance(found, ActorDescribed | SourceDescribed) else None)
        body = described.encode(record.header, revision, fold.declared)
        connection.execute(
            "UPDATE thing SET kind = ?, words = ?, body = ?, text = ?, published = ? WHERE n = ?",
            (described.kind, described.words, body, described.text, described.published, n),
        )
        if found is None and change.of == "actor":
            connection.execute("DELETE FROM member WHERE actor = ? AND since = ?", (change.id, since))


__all__ = ["change_in", "declared_by", "erase", "gone_from"]
