"""A log as it stood at a position: its records up to there, adopted byte for byte, so that it has the root of then.

What was erased later is gone from the backup too, and stays gone. The record that declared it lies beyond the position,
so the same is declared again, right after it: for each thing as it stood then, with the reason that was given. So the
new log verifies, and its first records are those of the old one.

Receipts of idempotency keys, facts and kept checkpoints come along as far as they speak of records that do.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Final

from msgspec.structs import replace as changed

from timeline.backup.copying import Progress
from timeline.erasures import merged_events
from timeline.errors import Conflict, Corrupt
from timeline.log import BODY, ERASURE, Draft, Header, Receipt, Record
from timeline.log.auditing import check_rows
from timeline.log.erasing import declaration
from timeline.log.files import format_of
from timeline.log.reading import LogFile, checkpoints, facts, read_record, stream_head
from timeline.log.sqlite import SqliteLog
from timeline.records import PartErased, payload

GROUP: Final = 2_000
"""Records in one commit."""

AUTHOR: Final = "restore"
"""Signs what is declared again."""

LONGEST_REASON: Final = 2_000


@dataclass(slots=True)
class Again:
    """An erasure that is declared again: what it says, and the header it gets its place from."""

    number: int
    change: PartErased
    streams: tuple[str, ...]
    standing: Header | None


@dataclass(slots=True)
class Taken:
    """What came along. `later` counts kept checkpoints that speak of a longer history."""

    again: list[Again] = field(default_factory=list)
    later: int = 0


def take(source: LogFile, target: SqliteLog, at: int, progress: Progress) -> Taken:
    """Fill an empty log with the first `at` records of another.

    Raises:
        Corrupt: a receipt or a fact does not agree with its seal.
        Invalid: a record contradicts its own hashes.

    """
    connection = source.connection()
    _check_seals(connection, source)
    again = _again(connection, at)
    numbers = {(each.number, place): at + order
               for order, each in enumerate(again, 1) for place in each.change.records}
    target.bulk(active=True)
    for records in _groups(source.read(0, at)):
        with target.batch() as batch:
            for record in records:
                batch.adopt(_renumbered(record, at, numbers))
        progress("copying records", records[-1].position, at)
    for each in again:
        with target.batch() as batch:
            batch.seal(_draft(each))
    target.purged()  # nothing that was erased was ever in this file
    return Taken(again, _rest(connection, target, at))


def _check_seals(connection: sqlite3.Connection, source: LogFile) -> None:
    if format_of(connection) > 1 and (finding := check_rows(connection, source.size(), source.origin)):
        raise Corrupt(f"{source.path.name} is damaged in what is stored beside the records: {finding.detail}")


def _groups(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Put records together for one commit; an erasure enters alone."""
    group: list[Record] = []
    for record in records:
        alone = record.header.type == ERASURE
        if group and (alone or len(group) == GROUP):
            yield group
            group = []
        group.append(record)
        if alone:
            yield group
            group = []
    if group:
        yield group


def _renumbered(record: Record, at: int, numbers: dict[tuple[int, int], int]) -> Record:
    """Say of a part that was erased later where in the new log that is declared."""
    if all(by <= at for by in record.erased_by):
        return record
    by = tuple(each if each <= at else numbers[each, record.position] for each in record.erased_by)
    return replace(record, erased_by=by)


# ---------------------------------------------------------------------------------------------- erased later

def _again(connection: sqlite3.Connection, at: int) -> list[Again]:
    """Give what was erased after a position of what stood before it: one declaration for each thing as it was then."""
    if format_of(connection) == 1:
        return []
    rows = connection.execute("SELECT record, position FROM erasure WHERE position <= ? AND record > ? "
                              "ORDER BY record, position", (at, at)).fetchall()
    own, gone = _Then(connection, at), {record: set[int]() for record, _ in rows}
    found: list[Again] = []
    for record, position in rows:
        gone[record].add(position)
    for number, positions in gone.items():
        erasure = read_record(connection, number)
        if erasure is None:
            raise Corrupt(f"the erasure at position {number} is gone: run `timeline verify`")
        found += _apart(number, erasure, positions, own)
    return found


def _apart(number: int, erasure: Record, gone: set[int], own: _Then) -> Iterator[Again]:
    """Tell an erasure again, for each of the things it was about: events merged since were several then."""
    change = declaration(erasure)
    subjects = {position: own.subject(position) for position in change.records if position <= own.at}
    for id_ in sorted({_root(change.of, subject.partition("/")[2], own) for subject in subjects.values()}):
        merged = merged_events(id_, own) if change.of == "event" else []
        things = (f"{change.of}/{id_}", *(f"event/{other}" for other in merged))
        places = sorted(position for position, subject in subjects.items() if subject in things)
        if not gone.isdisjoint(places):
            said = changed(change, id=id_, records=places, reason=_reason(change.reason, number))
            yield Again(number, said, things, own.standing(things[0]))


def _root(of: str, id_: str, own: _Then) -> str:
    """Give the event that an event had been merged into by then; any other thing is its own root."""
    while of == "event":
        try:
            merged_events(id_, own)
        except Conflict as error:
            id_ = str(error.members["id"])
        else:
            break
    return id_


def _reason(reason: str, number: int) -> str:
    longer = f"{reason} (erased at position {number} of the log that this one was restored from)"
    return longer if len(longer) <= LONGEST_REASON else reason


def _draft(again: Again) -> Draft:
    """Make the record; its header says where an event stands afterwards, as `timeline.decisions` has it."""
    draft = Draft(type=ERASURE, version=1, author=AUTHOR, streams=again.streams,
                  parts=((BODY, payload(again.change)),))
    header = again.standing
    if header is None or again.change.of != "event":
        return draft
    left = frozenset(header.left)
    facets = sorted(name for name, _, _ in header.streams if not name.startswith("event/") and name not in left)
    streams = (*draft.streams, *facets)
    return changed(
        draft, streams=streams, left=tuple(sorted(streams)) if again.change.part == BODY else (), kind=header.kind,
        status=header.status, when=header.when, about=header.about, sequence=header.sequence,
    )


class _Then:
    """`timeline.erasures.Own` at a position: what the log held about a thing then."""

    def __init__(self, connection: sqlite3.Connection, at: int) -> None:
        self._connection, self.at = connection, at

    def header(self, position: int) -> Header:
        record = read_record(self._connection, position)
        if record is None:
            raise Corrupt(f"the record at position {position} is gone: run `timeline verify`")
        return record.header

    def subject(self, position: int) -> str:
        return self.header(position).streams[0][0]

    def _stream(self, stream: str) -> Iterator[Header]:
        """Give the headers of a stream up to the position, newest first."""
        _, position = stream_head(self._connection, stream)
        while position:
            header = self.header(position)
            if position <= self.at:
                yield header
            position = next((before for name, _, before in header.streams if name == stream), 0)

    def own_records(self, type_: str, id_: str) -> Sequence[tuple[Header, frozenset[str]]]:
        stream = f"{type_}/{id_}"
        return [(header, frozenset()) for header in self._stream(stream)
                if header.streams[0][0] == stream or header.type == "events.merged"][::-1]

    def standing(self, stream: str) -> Header | None:
        """Give the last header of a thing, which says where it stood."""
        return next((header for header in self._stream(stream) if header.streams[0][0] == stream), None)

    def body(self, position: int) -> bytes:
        record = read_record(self._connection, position)
        return b"" if record is None else record.contents().get(BODY, b"")


# ---------------------------------------------------------------------------------------------- beside the records

def _rest(connection: sqlite3.Connection, target: SqliteLog, at: int) -> int:
    """Copy receipts, facts and checkpoints; give how many checkpoints speak of a longer history."""
    rows = connection.execute("SELECT key, digest, first, last FROM receipt WHERE last <= ?", (at,))
    while some := rows.fetchmany(GROUP):
        with target.batch() as batch:
            for key, digest, first, last in some:
                batch.remember(key, Receipt(digest, first, last))
    for name, value in facts(connection).items():
        if name != "origin":
            target.note_fact(name, value)
    later = count()
    for size, note in checkpoints(connection):
        if size <= at:
            target.keep_checkpoint(size, note)
        else:
            next(later)
    return next(later)


__all__ = ["Again", "Taken", "take"]
