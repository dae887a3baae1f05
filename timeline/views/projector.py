"""The fold: one `apply(record)`, the same for live appends, catch-up and rebuild.

It runs inside a transaction of the views' one writing connection. Rows are buffered and flushed in bulk; anything that
must see its own batch (the current version of an event) is kept in `_current` until the flush. Large batches are
written by a thread (`flush_behind`) while the next records are folded, or the log commits: SQLite works without
Python's lock. Whatever looks at the database first waits for that.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from hashlib import sha256
from typing import Any, Final, NamedTuple

import msgspec

from timeline import fold
from timeline.errors import Corrupt
from timeline.inserting import insert
from timeline.log import ERASURE, Header, Record
from timeline.records import ActorDescribed, AnyFact, PartErased, SnapshotPublished, SourceDescribed
from timeline.views import classes
from timeline.views.erasing import change_in, declared_by, erase, gone_from
from timeline.views.firsts import First
from timeline.views.things import DESCRIPTIONS, describe, folded
from timeline.views.versions import (
    ERASED,
    EXTRAS,
    MERGED,
    RETRACTED,
    SHOWN,
    Current,
    Drawn,
    Ghost,
    Versions,
    draw,
    event_of,
    gone_of,
    is_tombstone,
)

OPEN: Final = 2**63 - 1
FACETS_KEPT: Final = 200_000
BEHIND: Final = 200
"""Fewest event versions that are worth handing to a thread (that takes as long as writing two or three)."""

LANES: Final = "INTO lane (n, facet, class, earliest, latest, sequence, first, since, until, hidden, roles)"


class Projector:
    """Folds records into the views of one connection. Call `flush` before reading and before committing."""

    def __init__(self, connection: sqlite3.Connection, read: Callable[[int], Record | None]) -> None:
        """Start from what the views hold. `read` gives a record of the log by its position, where there is one."""
        self._connection = connection
        self._read = read
        self._versions = Versions(self.current, self._put)
        self._facets: dict[str, int] = {}
        self._behind: Future[None] | None = None
        self._thread: ThreadPoolExecutor | None = None
        self.load()

    def load(self) -> None:
        """Read where the views stand; forget everything buffered (after a rollback)."""
        row = self._execute("SELECT position, events, actors, sources, snapshots, erasures FROM state").fetchone()
        self.position, self._events, self._actors, self._sources, self._snapshots, self._erasures = row
        self._digest = b""
        self._n = self._execute("SELECT coalesce(max(n), 0) FROM event").fetchone()[0]
        self._next_facet = self._execute("SELECT coalesce(max(facet), 0) FROM facet").fetchone()[0]
        self._classes = {tuple(row) for row in self._execute("SELECT class, about FROM class")}
        self._facets.clear()
        self._all_facets = not self._next_facet
        self._absent: set[str] = set()
        self._declarations: dict[int, dict[str, Any]] = {}
        self._clear()

    def _clear(self) -> None:
        self._event_rows: list[tuple[Any, ...]] = []
        self._lane_rows: list[tuple[Any, ...]] = []
        self._word_rows: list[tuple[int, str]] = []
        self._closed: list[tuple[int, int]] = []
        self._touched: dict[int, int] = {}
        self._new_facets: list[tuple[int, str, int]] = []
        self._current: dict[str, Current | None] = {}  # None: among the rows, and to be read back from there
        self._moment: dict[str, int] = {}

    # ------------------------------------------------------------------ the fold

    def apply(self, record: Record | First, change: AnyFact | None = None) -> None:
        """Fold the next record. `change` spares decoding what the writer has just encoded.

        Raises:
            Corrupt: the record is not the next one, or contradicts the state it meets.

        """
        if record.position != self.position + 1:
            raise Corrupt(f"views at {self.position} cannot take record {record.position}")
        if isinstance(record, First):
            self._apply_first(record)
            return
        header, gone = record.header, gone_from(record)
        if change is None:
            change = change_in(record)
        match change:
            case ActorDescribed() | SourceDescribed():
                self._described(record, change)
            case PartErased():
                self._erased(record, change)
            case SnapshotPublished():
                self._published(header, change)
            case None if header.type in DESCRIPTIONS:
                self._described(record, None)
            case _:
                self._versions.apply(header, change, gone)
        if header.type.startswith("event") or (header.type == ERASURE and header.streams[0][0][:6] == "event/"):
            self._touch(header.position, [name for name, _, _ in header.streams if not name.startswith("event/")])
        self._reached(header.position, header.recorded_at, sha256(record.header_bytes).digest())

    def _apply_first(self, first: First) -> None:
        """Fold the record of a new event that was drawn ahead."""
        position = first.position
        self._n += 1
        self._add(first.id, 1, position, first.kind, first.status, SHOWN, first.drawn)
        self._current[first.id] = None
        self._touch(position, first.streams)
        self._reached(position, first.recorded_at, first.digest)

    def _reached(self, position: int, recorded_at: str, digest: bytes) -> None:
        self.position, self._digest = position, digest
        self._moment[recorded_at] = position

    def _put(self, event_id: str, new: Current, header: Header, extra: dict[str, Any]) -> None:
        """Close the version before at this position, and put the new one into the rows to be written."""
        if new.n > 0:
            self._closed.append((header.position, new.n))
        self._n += 1
        new.n = self._n
        drawn = draw(new, header, extra, self.declared)
        self._add(event_id, new.revision, header.position, new.event.kind, new.event.status, new.hidden, drawn)
        self._current[event_id] = new
        self._absent.discard(event_id)

    def _add(
        self, event_id: str, revision: int, position: int, kind: str, status: str, hidden: int, drawn: Drawn
    ) -> None:
        """Put the rows of version `_n` to those to be written."""
        class_, earliest, latest, sequence, first = drawn.place
        self._event_rows.append((
            self._n, event_id, revision, position, OPEN, first, class_, earliest, latest, sequence, kind, status,
            hidden, drawn.body,
        ))
        self._lane_rows += self.lanes(self._n, drawn, position, OPEN, hidden)
        if drawn.words is not None:
            self._word_rows.append((self._n, drawn.words))

    def lanes(self, n: int, drawn: Drawn, since: int, until: int, hidden: int) -> list[tuple[Any, ...]]:
        """Give the lane rows of a version; new facets and classes are noted."""
        known, facet = self._facets.get, self._facet
        self._seen(drawn.place[0], about=0)
        rows = [(n, known(name) or facet(name), *place, since, until, hidden, roles)
                for name, place, roles in drawn.lanes]
        if drawn.lanes and drawn.lanes[-1][0] == fold.ABOUT:
            self._seen(drawn.lanes[-1][1][0], about=1)
        return rows

    def _seen(self, class_: int, *, about: int) -> None:
        if (class_, about) not in self._classes:
            self._classes.add((class_, about))
            self._execute("INSERT INTO class (class, about) VALUES (?, ?)", (class_, about))

    def _facet(self, name: str) -> int:
        facet = self._facets.get(name)
        if facet is None:
            find = "SELECT facet FROM facet WHERE name = ?"
            row = None if self._all_facets else self._execute(find, (name,)).fetchone()
            if row is None:
                self._next_facet += 1
                facet = self._next_facet
                self._new_facets.append((facet, name, 0))
            else:
                facet = row[0]
            if len(self._facets) >= FACETS_KEPT and not self._new_facets:
                self._facets.clear()
                self._all_facets = False
            self._facets[name] = facet
        return facet

    def _touch(self, position: int, facets: Sequence[str]) -> None:
        """Note which facets a record could change: its streams are the facets of the versions before and after."""
        self._events = position
        known, touched = self._facets.get, self._touched
        for name in facets:
            touched[known(name) or self._facet(name)] = position

    # ------------------------------------------------------------------ actors and sources

    def _described(self, record: Record, change: ActorDescribed | SourceDescribed | None) -> None:
        header, position = record.header, record.position
        described = describe(record, change)
        find = "SELECT n, revision FROM thing WHERE type = ? AND id = ? AND until = ?"
        row = self._execute(find, (described.type, described.id, OPEN)).fetchone()
        if row is not None:
            self._execute("UPDATE thing SET until = ? WHERE n = ?", (position, row[0]))
        revision = 1 if row is None else row[1] + 1
        body = described.encode(header, revision, self.declared)
        self._execute(
            "INSERT INTO thing (type, id, revision, since, until, kind, words, body, text, published) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (described.type, described.id, revision, position, OPEN, described.kind, described.words, body,
             described.text, described.published),
        )
        if described.type == "source":
            self._sources = position
            return
        self._actors = position
        close = "UPDATE member SET until = ? WHERE actor = ? AND until = ?"
        self._execute(close, (position, described.id, OPEN))
        rows = [(described.id, group, position, OPEN) for group in described.groups]
        self._connection.executemany("INSERT INTO member (actor, of, since, until) VALUES (?, ?, ?, ?)", rows)

    # ------------------------------------------------------------------ erasures and snapshots

    def _erased(self, record: Record, change: PartErased) -> None:
        """Draw anew what an erasure changes, from records that have lost their parts by now."""
        self.flush()
        self._erasures = record.position
        self._declarations[record.position] = declared_by(record)
        erase(self._connection, self, record.header, change)
        if change.of == "actor":
            self._actors = record.position
        elif change.of == "source":
            self._sources = record.position

    def read(self, position: int) -> Record | None:
        """Read a record of the log as it now is; None beyond its end."""
        return self._read(position)

    def declared(self, position: int) -> dict[str, Any]:
        """Give what an erasure says of itself to readers; its position alone while the log has not got so far."""
        found = self._declarations.get(position)
        if found is None:
            record = self.read(position)
            if record is None or record.header.type != ERASURE:
                return {"position": position}
            found = self._declarations[position] = declared_by(record)
        return found

    def _published(self, header: Header, change: SnapshotPublished) -> None:
        manifest = change.manifest
        body = {
            "id": change.id, "content": change.content, "entries": change.entries, "query": manifest["query"],
            "log": manifest["log"], "published": {"position": header.position, "recorded_at": header.recorded_at,
                                                  "author": header.author},
        }
        row = (change.id, header.position, msgspec.json.encode(body).decode())
        self._execute("INSERT INTO snapshot (id, position, body) VALUES (?, ?, ?)", row)
        self._snapshots = header.position

    # ------------------------------------------------------------------ state

    def current(self, event_id: str) -> Current:
        """Give the newest version of an event, buffered or stored; `Corrupt` where the log speaks of none."""
        found = self.find(event_id)
        if found is None:
            raise Corrupt(f"record {self.position + 1} speaks of an event that was never recorded: {event_id}")
        return found

    def expect(self, event_ids: Iterable[str]) -> None:
        """Look at once which of many events are not there, rather than one by one."""
        wanted = set(event_ids)
        query = "SELECT DISTINCT id FROM event WHERE id IN (SELECT value FROM json_each(?))"
        there = {row[0] for row in self._execute(query, (msgspec.json.encode(wanted).decode(),))}
        self._absent = wanted - there

    def find(self, event_id: str) -> Current | None:
        """Give the newest version of an event, if there is one."""
        if event_id in self._current:
            if (current := self._current[event_id]) is not None:
                return current
            self.flush()
        elif event_id in self._absent:
            return None
        query = "SELECT n, revision, first, hidden, body FROM event WHERE id = ? ORDER BY since DESC LIMIT 1"
        row = self._execute(query, (event_id,)).fetchone()
        if row is None:
            return None
        body = msgspec.json.decode(row[4])
        position = body["revision"]["position"]
        n, revision, first, hidden, _ = row
        return Current(n, revision, position, first, hidden, event_of(body), body["recorded_at"],
                       body.get("merged_from", []), gone_of(body), self._ghost(n) if is_tombstone(body) else None)

    def _ghost(self, n: int) -> Ghost:
        """Read back what a tombstone's rows hold."""
        when = self._execute("SELECT class, earliest, latest FROM event WHERE n = ?", (n,)).fetchone()
        lanes = self._execute(
            "SELECT f.name, l.class, l.earliest, l.latest FROM lane l JOIN facet f ON f.facet = l.facet WHERE l.n = ? "
            "ORDER BY f.name", (n,),
        ).fetchall()
        about = next((classes.bounds(*place) for name, *place in lanes if name == fold.ABOUT), None)
        return Ghost(classes.bounds(*when), about, tuple(name for name, *_ in lanes if name != fold.ABOUT))

    def exists(self, event_id: str) -> bool:
        """Whether an event of this id was ever recorded."""
        if event_id in self._current:
            return True
        if event_id in self._absent:
            return False
        return self._execute("SELECT 1 FROM event WHERE id = ? LIMIT 1", (event_id,)).fetchone() is not None

    # ------------------------------------------------------------------ writing

    def flush(self) -> None:
        """Write what is buffered."""
        self._settle()
        self._write(self._taken())

    def flush_behind(self) -> None:
        """Write what is buffered in a thread, if it is much; the next to look at the database waits for it."""
        if len(self._event_rows) < BEHIND:
            return
        self._settle()
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="timeline-views")
        self._behind = self._thread.submit(self._write, self._taken())

    def abandon(self) -> None:
        """Let what is being written end, whatever comes of it: it is about to be rolled back."""
        with suppress(sqlite3.Error):
            self._settle()

    def close(self) -> None:
        """Let go of the thread."""
        if self._thread is not None:
            self._thread.shutdown()

    def _execute(self, statement: str, values: Iterable[Any] = ()) -> sqlite3.Cursor:
        self._settle()
        return self._connection.execute(statement, tuple(values))

    def _settle(self) -> None:
        """Wait for what is being written; raise what went wrong with it."""
        if self._behind is not None:
            behind, self._behind = self._behind, None
            behind.result()

    def _taken(self) -> _Buffered:
        """Take what is buffered out of the buffer."""
        state = None
        if self._digest:
            state = (self.position, self._digest, self._events, self._actors, self._sources, self._snapshots,
                     self._erasures)
        taken = _Buffered(self._new_facets, self._event_rows, self._lane_rows, self._word_rows, self._closed,
                          [(last, facet) for facet, last in self._touched.items()], list(self._moment.items()), state)
        self._clear()
        return taken

    def _write(self, rows: _Buffered) -> None:
        into, many = self._connection, self._connection.executemany
        insert(into, "INTO facet (facet, name, last)", rows.facets)
        insert(into, "INTO event", rows.events)
        insert(into, LANES, rows.lanes)
        insert(into, "INTO words (rowid, text)", rows.words)
        many("UPDATE event SET until = ? WHERE n = ?", rows.closed)
        many("UPDATE lane SET until = ? WHERE n = ?", rows.closed)
        many("UPDATE facet SET last = ? WHERE facet = ?", rows.touched)
        insert(into, "INTO moment (recorded_at, position)", rows.moments,
               "ON CONFLICT (recorded_at) DO UPDATE SET position = excluded.position")
        if rows.state is not None:
            into.execute("UPDATE state SET position = ?, header = ?, events = ?, actors = ?, sources = ?, "
                         "snapshots = ?, erasures = ?", rows.state)


class _Buffered(NamedTuple):
    """Rows on their way into the tables, and where the views stand once they are there."""

    facets: list[tuple[int, str, int]]
    events: list[tuple[Any, ...]]
    lanes: list[tuple[Any, ...]]
    words: list[tuple[int, str]]
    closed: list[tuple[int, int]]
    touched: list[tuple[int, int]]
    moments: list[tuple[str, int]]
    state: tuple[Any, ...] | None


def no_log(_: int) -> Record | None:
    """Stand for a log that cannot be read: its erasures are then known by their positions alone."""
    return None


__all__ = [
    "ERASED", "EXTRAS", "MERGED", "OPEN", "RETRACTED", "SHOWN", "Current", "Projector", "event_of", "folded", "no_log",
]
