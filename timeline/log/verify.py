"""Re-read a whole log and say whether it is what its hashes say: one streaming pass, the first bad position named.

Each check has its own verdict, because "damaged" is no help to someone at three in the morning. What this proves: the
file is consistent with itself. A file rewritten or cut short *consistently* is only caught against a checkpoint kept
elsewhere.

A part that is gone is a *redaction* where a record declares it erased, and is counted; it is damage where none does.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice
from operator import itemgetter
from threading import Lock
from typing import Final

import msgspec

from timeline import merkle
from timeline.log import ERASURE, Head, Header, Record, commitment, decode_header, encode_header
from timeline.log.auditing import Erasures, Finding, check_rows, checkpoint_fault
from timeline.log.files import format_of
from timeline.log.reading import is_checkpoint, read_record, read_records
from timeline.log.verify_pages import (
    Differs,
    Edge,
    Page,
    check_clock,
    check_page,
    follow,
    heads_agree,
    read_page,
    receipts_agree,
    unfollow,
)
from timeline.log.verify_reading import Reader, looked_through

PROGRESS_EVERY = 10_000
_DIFFERENCES: Final = (
    Differs, sqlite3.DatabaseError, msgspec.MsgspecError, UnicodeDecodeError, ValueError, TypeError, AttributeError,
    OverflowError,
)
"""What is raised where a page is not as most pages are."""
_NOTHING = (0, 0)


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a pass: how much was read, what it adds up to, and the first thing wrong, if anything is.

    `parts` are those that are there; `erased` counts those that are gone as a record declares.
    """

    head: Head
    parts: int
    finding: Finding | None
    erased: int = 0

    @property
    def sound(self) -> bool:
        """Whether nothing was found."""
        return self.finding is None


def verify(connection: sqlite3.Connection, progress: Callable[[int], None] = lambda _: None) -> Report:
    """Check everything stored against everything else (read-only connection), as it is at one moment."""
    connection.text_factory = lambda data: data.decode(errors="replace")  # bytes that are no text differ, no more
    state = _State(connection)
    finding: Finding | None = None
    own = not connection.in_transaction
    try:
        finding = _pass(state, progress, own=own)
    except (sqlite3.DatabaseError, UnicodeDecodeError, msgspec.MsgspecError) as error:
        finding = Finding(state.edge.size + 1, "file", f"SQLite cannot read the file here: {error}")
    except (TypeError, AttributeError, OverflowError):  # SQLite reads a type the column cannot hold: bytes were bent
        finding = Finding(state.edge.size + 1, "file", "a value is of another type than its column")
    finally:
        if own and connection.in_transaction:
            connection.rollback()
        connection.text_factory = str
    progress(state.edge.size)
    head = Head(state.edge.size, state.edge.root(), state.recorded_at)
    return Report(head, state.parts, finding, state.erasures.parts)


def _pass(state: _State, progress: Callable[[int], None], *, own: bool) -> Finding | None:
    connection = state.connection
    if own:
        connection.execute("BEGIN")  # whoever appends or erases meanwhile changes nothing of what is read here
    size = _countable(connection)
    with looked_through(connection, size if own else 0) as file_is_well, Reader(connection, size) as reader:
        if finding := state.begin():
            return finding
        _leap(state, size, reader, progress)
        for record in state.rest():
            if finding := state.check(record):
                return finding
            if record.position % PROGRESS_EVERY == 0:
                progress(record.position)
        if finding := state.check_derived(reader):
            return finding
        return None if file_is_well() else _check_file(connection)


def _check_file(connection: sqlite3.Connection) -> Finding | None:
    bad = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    return None if bad == "ok" else Finding(0, "file", bad)


def _countable(connection: sqlite3.Connection) -> int:
    """Give the last position, or 0 if the first is not 1 (NULL would stand before it): then no page is looked at."""
    first = connection.execute("SELECT position FROM record ORDER BY position LIMIT 1").fetchone()
    last = connection.execute("SELECT max(position) FROM record").fetchone()[0]
    return last if first == (1,) and type(last) is int else 0


def _leap(state: _State, size: int, reader: Reader, progress: Callable[[int], None]) -> None:
    """Check page after page, up to the first in which something differs, and leave the state as it was before that."""
    read = partial(read_page, erasures=state.has_erasures())
    with closing(reader.records(size, read)) as pages:
        while state.edge.size < size:
            before = state.mark()
            try:
                page = next(pages, None)
                if page is None:
                    return
                state.take(page, reader.quiet)
            except _DIFFERENCES:
                state.go_back(before)
                return
            reached = state.edge.size - state.edge.size % PROGRESS_EVERY
            if reached > before.edge.size:
                progress(reached)


@dataclass(frozen=True, slots=True)
class _Mark:
    """What a page changes, as it was before."""

    edge: Edge
    recorded_at: str
    parts: int
    erased: int
    next_kept: tuple[int, str, bytes] | None
    kept: int


class _State:
    """What must be carried from record to record."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.edge = Edge()
        self.recorded_at = ""
        self.parts = 0
        self.streams: dict[str, tuple[int, int]] = {}
        self.followed: Sequence[Header] = ()
        self.erasures = Erasures(connection)
        self.tiles: list[tuple[int, int, bytes]] = []
        self.format, self.origin = 0, ""

    def begin(self) -> Finding | None:
        """Start reading what is compared along the way; a checkpoint of nothing is checked before anything is read."""
        self.format = format_of(self.connection)
        row = self.connection.execute("SELECT value FROM meta WHERE name = 'origin'").fetchone()
        self.origin = row[0] if row else ""
        self._read_kept(0)
        self._keep_on()
        return self._check_checkpoints()

    def _read_kept(self, taken: int) -> None:
        kept = "SELECT size, note, seal FROM checkpoint ORDER BY size" if self.format > 1 else "SELECT 0, '', 0 LIMIT 0"
        self.kept: Iterator[tuple[int, str, bytes]] = islice(self.connection.execute(kept), taken, None)
        self.kept_taken = taken

    def _keep_on(self) -> None:
        self.next_kept = next(self.kept, None)
        self.kept_taken += 1

    # ------------------------------------------------------------------ page by page

    def has_erasures(self) -> bool:
        """Whether the table of erasures has rows."""
        found = self.format > 1 and self.connection.execute("SELECT EXISTS (SELECT 1 FROM erasure)").fetchone()[0]
        return bool(found)

    def mark(self) -> _Mark:
        """Remember where we are."""
        self.followed = ()
        return _Mark(self.edge.copy(), self.recorded_at, self.parts, self.erasures.parts, self.next_kept,
                     self.kept_taken)

    def go_back(self, mark: _Mark) -> None:
        """Undo what was taken since."""
        unfollow([triple for header in self.followed for triple in header.streams], self.streams)
        self.edge, self.recorded_at, self.parts = mark.edge, mark.recorded_at, mark.parts
        self.erasures.parts = mark.erased
        self.tiles.clear()
        self._read_kept(mark.kept)
        self.next_kept = mark.next_kept

    def take(self, page: Page, quiet: Lock) -> None:
        """Accept a page, in which everything is as it should be, or raise one of `_DIFFERENCES`."""
        sealed = check_page(page, self.edge.size)
        headers = sealed.headers
        check_clock(headers, self.recorded_at)
        follow(headers, self.streams)
        self.followed = headers
        self.recorded_at = headers[-1].recorded_at
        self.parts += sealed.parts
        self.erasures.parts += sealed.gone
        with quiet:
            if any(map(self._undeclared, headers)) or self._grown(sealed.leaves):
                raise Differs

    def _undeclared(self, header: Header) -> bool:
        """Whether a record is an erasure of which something is to be said."""
        if header.type != ERASURE or self.format == 1:
            return False
        record = read_record(self.connection, header.position)
        return record is None or self.erasures.declared(record) is not None

    def _grown(self, leaves: Sequence[bytes]) -> Finding | None:
        if self.next_kept is None or self.next_kept[0] > self.edge.size + len(leaves):
            self.tiles += self.edge.extend(leaves)
            return self._check_tiles()
        return next(filter(None, map(self._grow, leaves)), None)

    # ------------------------------------------------------------------ record by record

    def rest(self) -> Iterator[Record]:
        """Yield the records that no page had."""
        after = self.edge.size
        rows = self.connection.execute("SELECT leaf_hash FROM record WHERE ? OR position > ? ORDER BY position",
                                       (after == 0, after))
        self.leaves: Iterator[bytes] = map(itemgetter(0), rows)
        return read_records(self.connection, after, None)

    def check(self, record: Record) -> Finding | None:
        """Check one record; the order of the checks decides which verdict a fault gets."""
        expected = self.edge.size + 1
        if record.position != expected:
            return Finding(expected, "gap", f"expected position {expected}, found {record.position}")
        leaf = merkle.leaf_hash(record.header_bytes)
        if next(self.leaves, None) != leaf:
            return Finding(expected, "leaf", "the header's bytes do not hash to the stored leaf hash")
        try:
            header = decode_header(record.header_bytes)
        except msgspec.MsgspecError as error:
            return Finding(expected, "header", f"the header cannot be read: {error}")
        finding = self._check_header(header, record) or self._check_parts(header, record)
        finding = finding or self._check_streams(header)
        if finding is None and header.type == ERASURE and self.format > 1:
            finding = self.erasures.declared(record)
        return finding or self._grow(leaf)

    def _grow(self, leaf: bytes) -> Finding | None:
        self.tiles += self.edge.append(leaf)
        finding = self._check_tiles() if self.tiles else None
        if finding is None and self.next_kept is not None and self.next_kept[0] <= self.edge.size:
            finding = self._check_checkpoints()
        return finding

    def _check_header(self, header: Header, record: Record) -> Finding | None:
        if encode_header(header) != record.header_bytes:
            return Finding(record.position, "canonical", "the header is not in canonical form")
        if header.position != record.position:
            return Finding(record.position, "position", f"the header says position {header.position}")
        if header.recorded_at < self.recorded_at:
            return Finding(record.position, "clock", f"recorded at {header.recorded_at}, before the record before it")
        self.recorded_at = header.recorded_at
        return None

    def _check_parts(self, header: Header, record: Record) -> Finding | None:
        if (not record.erased
                and [(part.name, commitment(part.salt, part.data)) for part in record.parts] == header.parts):
            self.parts += len(header.parts)
            return None
        stored = {part.name: part for part in record.parts}  # something was erased or is wrong: say what
        gone = dict(zip(record.erased, record.erased_by, strict=True))
        if len(stored) < len(record.parts):
            return Finding(record.position, "extra-part", "a part is stored twice")
        for name, promised in header.parts:
            part, by = stored.pop(name, None), gone.pop(name, None)
            if part is None:
                finding = self.erasures.missing(record, name, by)
            elif commitment(part.salt, part.data) != promised:
                finding = Finding(record.position, "part", f"part {name} does not match the header's commitment")
            else:
                finding = None if by is None else self.erasures.present(record, name, by)
                self.parts += 1
            if finding is not None:
                return finding
        if stored:
            return Finding(record.position, "extra-part", f"part {next(iter(stored))} is not in the header")
        if gone:
            detail = f"the table of erasures has a part {next(iter(gone))} that the record never had"
            return Finding(record.position, "undeclared-erasure", detail)
        return None

    def _check_streams(self, header: Header) -> Finding | None:
        streams, position = self.streams, header.position
        for stream, sequence, previous in header.streams:
            if streams.get(stream, _NOTHING) != (sequence - 1, previous):
                count, last = streams.get(stream, _NOTHING)
                wanted = f"number {count + 1} after position {last}"
                return Finding(header.position, "stream", f"{stream}: expected {wanted}, found {sequence}, {previous}")
            streams[stream] = (sequence, position)
        return None

    def _check_tiles(self) -> Finding | None:
        find = "SELECT hash FROM tile_root WHERE level = ? AND n = ?"
        for level, index, node in self.tiles:
            row = self.connection.execute(find, (level, index)).fetchone()
            if row is None or row[0] != node:
                return Finding(self.edge.size, "tile", f"tile root {index} at level {level} is missing or wrong")
        self.tiles.clear()
        return None

    def _check_checkpoints(self) -> Finding | None:
        """Check the kept checkpoints that the log has just reached: name, size, root and seal."""
        while self.next_kept is not None and self.next_kept[0] <= self.edge.size:
            size, note, seal = self.next_kept
            if size != self.edge.size or not is_checkpoint(note, self.origin, size, self.edge.root()):
                return Finding(0, "checkpoint", f"the checkpoint of size {size} is not one of this log")
            if finding := checkpoint_fault(size, note, seal):
                return finding
            self._keep_on()
        return None

    def check_derived(self, reader: Reader) -> Finding | None:
        """Check what is stored beside the records: nothing more and nothing less than they imply."""
        count = self._count("tile_root")
        if count != _tile_count(self.edge.size):
            return Finding(0, "tile", f"{count} tile roots stored, {_tile_count(self.edge.size)} expected")
        strays = "SELECT position FROM part WHERE position NOT IN (SELECT position FROM record) LIMIT 1"
        if self._count("part") != self.parts and (stray := self.connection.execute(strays).fetchone()):
            return Finding(stray[0], "extra-part", "a part belongs to no record")
        return self._check_heads(reader) or self._check_rest(reader)

    def _count(self, table: str) -> int:
        count: int = self.connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 - our names
        return count

    def _check_heads(self, reader: Reader) -> Finding | None:
        if _agrees(lambda: heads_agree(reader, self._count("stream_head"), self.streams)):
            return None
        heads = 0
        found = set()
        for stream, sequence, position in self.connection.execute("SELECT stream, sequence, position FROM stream_head"):
            heads += 1
            if stream in found:
                return Finding(0, "stream-head", f"two heads of {stream} are stored")
            found.add(stream)
            if self.streams.get(stream) != (sequence, position):
                return Finding(position, "stream-head", f"the stored head of {stream} is not what the records say")
        if heads != len(self.streams):
            return Finding(0, "stream-head", f"{heads} stream heads stored, {len(self.streams)} expected")
        return None

    def _check_rest(self, reader: Reader) -> Finding | None:
        if self.format == 1:  # has neither erasures nor seals
            return None
        if self.next_kept is not None:
            return Finding(0, "checkpoint", f"a checkpoint of size {self.next_kept[0]} is kept, but the log ends at "
                           f"{self.edge.size}")
        if finding := self.erasures.leftover():
            return finding
        sealed = _agrees(lambda: receipts_agree(reader, self._count("receipt"), self.edge.size))
        return check_rows(self.connection, self.edge.size, self.origin, receipts=not sealed)


def _agrees(check: Callable[[], bool]) -> bool:
    """Whether a whole table agrees; where it cannot even be read, it does not."""
    try:
        return check()
    except _DIFFERENCES:
        return False


def _tile_count(size: int) -> int:
    count, size = 0, size >> merkle.TILE
    while size:
        count, size = count + size, size >> merkle.TILE
    return count


__all__ = ["Finding", "Report", "verify"]
