"""Re-read a whole log and say whether it is what its hashes say: one streaming pass, the first bad position named.

Each check has its own verdict, because "damaged" is no help to someone at three in the morning. What this proves: the
file is consistent with itself. A file rewritten or cut short *consistently* is only caught against a checkpoint kept
elsewhere.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import itemgetter

import msgspec

from timeline import merkle
from timeline.log import Head, Header, Record, commitment, decode_header, encode_header
from timeline.log.sqlite import read_records

PROGRESS_EVERY = 10_000
_NOTHING = (0, 0)


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong and where. `position` is 0 where no single record can be named."""

    position: int
    check: str
    detail: str


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a pass: how much was read, what it adds up to, and the first thing wrong, if anything is."""

    head: Head
    parts: int
    finding: Finding | None

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
        for record in read_records(connection, 0, None):
            if finding := state.check(record):
                break
            if record.position % PROGRESS_EVERY == 0:
                progress(record.position)
        finding = finding or state.check_derived()
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        finding = Finding(state.edge.size + 1, "file", f"SQLite cannot read the file here: {error}")
    finally:
        connection.text_factory = str
    progress(state.edge.size)
    return Report(Head(state.edge.size, state.edge.root(), state.recorded_at), state.parts, finding)


class _State:
    """What must be carried from record to record."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.edge = merkle.Frontier()
        self.recorded_at = ""
        self.parts = 0
        self.streams: dict[str, tuple[int, int]] = {}
        rows = connection.execute("SELECT leaf_hash FROM record ORDER BY position")
        self.leaves: Iterator[bytes] = map(itemgetter(0), rows)
        self.tiles: list[tuple[int, int, bytes]] = []

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
        if finding is None:
            self.tiles += self.edge.append(leaf)
            finding = self._check_tiles() if self.tiles else None
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
        if [(part.name, commitment(part.salt, part.data)) for part in record.parts] == header.parts:
            self.parts += len(header.parts)
            return None
        stored = {part.name: part for part in record.parts}  # something is wrong: say what
        for name, promised in header.parts:
            part = stored.pop(name, None)
            if part is None:
                return Finding(record.position, "missing-part", f"part {name} is gone and no erasure was recorded")
            if commitment(part.salt, part.data) != promised:
                return Finding(record.position, "part", f"part {name} does not match the header's commitment")
            self.parts += 1
        if stored:
            return Finding(record.position, "extra-part", f"part {next(iter(stored))} is not in the header")
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

    def check_derived(self) -> Finding | None:
        """Check what is stored beside the records: nothing more and nothing less than they imply."""
        count = self.connection.execute("SELECT count(*) FROM tile_root").fetchone()[0]
        if count != _tile_count(self.edge.size):
            return Finding(0, "tile", f"{count} tile roots stored, {_tile_count(self.edge.size)} expected")
        strays = "SELECT position FROM part WHERE position NOT IN (SELECT position FROM record) LIMIT 1"
        if stray := self.connection.execute(strays).fetchone():
            return Finding(stray[0], "extra-part", "a part belongs to no record")
        rows = self.connection.execute("SELECT stream, sequence, position FROM stream_head")
        heads = 0
        for stream, sequence, position in rows:
            heads += 1
            if self.streams.get(stream) != (sequence, position):
                return Finding(position, "stream-head", f"the stored head of {stream} is not what the records say")
        if heads != len(self.streams):
            return Finding(0, "stream-head", f"{heads} stream heads stored, {len(self.streams)} expected")
        return self._check_receipts()

    def _check_receipts(self) -> Finding | None:
        bad = "SELECT key, first, last FROM receipt WHERE first < 1 OR last < first OR last > ? OR length(digest) != 32"
        if row := self.connection.execute(bad, (self.edge.size,)).fetchone():
            return Finding(0, "receipt", f"the receipt of key {row[0]} names positions {row[1]}..{row[2]}")
        return None


def _tile_count(size: int) -> int:
    count, size = 0, size >> merkle.TILE
    while size:
        count, size = count + size, size >> merkle.TILE
    return count


__all__ = ["Finding", "Report", "verify"]
