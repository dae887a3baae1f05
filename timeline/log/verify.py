"""Re-read a whole log and say whether it is what its hashes say: one streaming pass, the first bad position named.

Each check has its own verdict, because "damaged" is no help to someone at three in the morning. What this proves: the
file is consistent with itself. A file rewritten or cut short *consistently* is only caught against a checkpoint kept
elsewhere.

A part that is gone is a *redaction* where a record declares it erased, and is counted; it is damage where none does.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import itemgetter

import msgspec

from timeline import merkle
from timeline.log import ERASURE, Head, Header, Record, commitment, decode_header, encode_header
from timeline.log.auditing import Erasures, Finding, check_rows, checkpoint_fault
from timeline.log.files import format_of
from timeline.log.reading import is_checkpoint, read_records

PROGRESS_EVERY = 10_000
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
    """Check everything stored against everything else (read-only connection)."""
    connection.text_factory = lambda data: data.decode(errors="replace")  # bytes that are no text differ, no more
    state = _State(connection)
    finding: Finding | None = None
    try:
        finding = state.begin()
        for record in read_records(connection, 0, None) if finding is None else ():
            if finding := state.check(record):
                break
            if record.position % PROGRESS_EVERY == 0:
                progress(record.position)
        finding = finding or state.check_derived()
        if finding is None and (bad := connection.execute("PRAGMA integrity_check(1)").fetchone()[0]) != "ok":
            finding = Finding(0, "file", bad)
    except (sqlite3.DatabaseError, UnicodeDecodeError, msgspec.MsgspecError) as error:
        finding = Finding(state.edge.size + 1, "file", f"SQLite cannot read the file here: {error}")
    except (TypeError, AttributeError, OverflowError):  # SQLite reads a type the column cannot hold: bytes were bent
        finding = Finding(state.edge.size + 1, "file", "a value is of another type than its column")
    finally:
        connection.text_factory = str
    progress(state.edge.size)
    head = Head(state.edge.size, state.edge.root(), state.recorded_at)
    return Report(head, state.parts, finding, state.erasures.parts)


class _State:
    """What must be carried from record to record."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.edge = merkle.Frontier()
        self.recorded_at = ""
        self.parts = 0
        self.streams: dict[str, tuple[int, int]] = {}
        self.erasures = Erasures(connection)
        self.tiles: list[tuple[int, int, bytes]] = []
        self.format, self.origin = 0, ""

    def begin(self) -> Finding | None:
        """Start reading what is compared along the way; a checkpoint of nothing is checked before anything is read."""
        execute = self.connection.execute
        self.format = format_of(self.connection)
        row = execute("SELECT value FROM meta WHERE name = 'origin'").fetchone()
        self.origin = row[0] if row else ""
        rows = execute("SELECT leaf_hash FROM record ORDER BY position")
        self.leaves: Iterator[bytes] = map(itemgetter(0), rows)
        kept = "SELECT size, note, seal FROM checkpoint ORDER BY size" if self.format > 1 else "SELECT 0, '', 0 LIMIT 0"
        self.kept: Iterator[tuple[int, str, bytes]] = iter(execute(kept))
        self.next_kept = next(self.kept, None)
        return self._check_checkpoints()

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
            self.next_kept = next(self.kept, None)
        return None

    def check_derived(self) -> Finding | None:
        """Check what is stored beside the records: nothing more and nothing less than they imply."""
        count = self.connection.execute("SELECT count(*) FROM tile_root").fetchone()[0]
        if count != _tile_count(self.edge.size):
            return Finding(0, "tile", f"{count} tile roots stored, {_tile_count(self.edge.size)} expected")
        strays = "SELECT position FROM part WHERE position NOT IN (SELECT position FROM record) LIMIT 1"
        if stray := self.connection.execute(strays).fetchone():
            return Finding(stray[0], "extra-part", "a part belongs to no record")
        return self._check_heads() or self._check_rest()

    def _check_heads(self) -> Finding | None:
        rows = self.connection.execute("SELECT stream, sequence, position FROM stream_head")
        heads = 0
        found = set()
        for stream, sequence, position in rows:
            heads += 1
            if stream in found:
                return Finding(0, "stream-head", f"two heads of {stream} are stored")
            found.add(stream)
            if self.streams.get(stream) != (sequence, position):
                return Finding(position, "stream-head", f"the stored head of {stream} is not what the records say")
        if heads != len(self.streams):
            return Finding(0, "stream-head", f"{heads} stream heads stored, {len(self.streams)} expected")
        return None

    def _check_rest(self) -> Finding | None:
        if self.format == 1:  # has neither erasures nor seals
            return None
        if self.next_kept is not None:
            return Finding(0, "checkpoint", f"a checkpoint of size {self.next_kept[0]} is kept, but the log ends at "
                           f"{self.edge.size}")
        return self.erasures.leftover() or check_rows(self.connection, self.edge.size, self.origin)


def _tile_count(size: int) -> int:
    count, size = 0, size >> merkle.TILE
    while size:
        count, size = count + size, size >> merkle.TILE
    return count


__all__ = ["Finding", "Report", "verify"]
