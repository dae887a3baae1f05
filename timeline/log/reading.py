"""Reading a log's file: records, hashes, streams and checkpoints, from any connection to it."""

from __future__ import annotations

import sqlite3
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from timeline.connections import open_reader
from timeline.errors import Corrupt
from timeline.log import Part, Record
from timeline.log.files import format_of, origin_of, recognise

READ_PAGE: Final = 500

# One statement, so that parts and erasures are of one moment: an erasure may be committed between any two.
_RECORDS: Final = (
    "SELECT r.position, CAST(r.header AS BLOB), r.gone, p.name, p.salt, CAST(p.bytes AS BLOB) FROM "
    "(SELECT position, header, {gone} AS gone FROM record WHERE position > ? ORDER BY position LIMIT ?) r "
    "LEFT JOIN part p USING (position) ORDER BY r.position, p.name"
)
_GONE: Final = (  # asked in three steps, since most logs have no erasure and most records none
    "CASE WHEN EXISTS (SELECT 1 FROM erasure) THEN "
    "CASE WHEN EXISTS (SELECT 1 FROM erasure WHERE position = record.position) THEN "
    "(SELECT json_group_array(json_array(name, record)) FROM erasure WHERE position = record.position) END END"
)
_FORMATS: Final = {1: _RECORDS.format(gone="NULL"), 2: _RECORDS.format(gone=_GONE)}
_gone = msgspec.json.Decoder(list[tuple[str, int]])


class LogFile:
    """A log that another process may be writing: reads only."""

    def __init__(self, path: str | Path) -> None:
        """Open read-only; `NotFound` or `Conflict` where there is no log."""
        self.path = Path(path)
        recognise(self.path)
        self._connection = open_reader(self.path)
        self.origin = origin_of(self._connection)

    def size(self) -> int:
        """Give the last position."""
        size: int = self._connection.execute("SELECT coalesce(max(position), 0) FROM record").fetchone()[0]
        return size

    def read(self, after: int = 0, limit: int | None = None) -> Iterator[Record]:
        """Yield records after a position."""
        return read_records(self._connection, after, limit)

    def connection(self) -> sqlite3.Connection:
        """Give the read-only connection, for verification."""
        return self._connection

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def read_records(connection: sqlite3.Connection, after: int, limit: int | None) -> Iterator[Record]:
    """Yield records after a position, in pages."""
    left = limit if limit is not None else 2**62
    query = _FORMATS[format_of(connection)]
    while left > 0:
        rows = connection.execute(query, (after, min(READ_PAGE, left))).fetchall()
        if not rows:
            return
        for record in _assemble(rows):
            left -= 1
            after = record.position
            yield record


def _assemble(rows: Sequence[tuple[Any, ...]]) -> Iterator[Record]:
    place, bytes_, gone = rows[0][:3]
    parts: tuple[Part, ...] = ()
    for position, header, erased, name, salt, data in rows:
        if position != place:
            yield _record(place, bytes_, parts, gone)
            place, bytes_, gone, parts = position, header, erased, ()
        if name is not None:
            parts = (*parts, Part(name, salt, data))
    yield _record(place, bytes_, parts, gone)


def _record(position: int, header: bytes, parts: tuple[Part, ...], gone: str | None) -> Record:
    if gone is None:
        return Record(position, header, parts)
    erased = _gone.decode(gone)
    return Record(position, header, parts, tuple(name for name, _ in erased), None, tuple(by for _, by in erased))


def read_record(connection: sqlite3.Connection, position: int) -> Record | None:
    """Read one record, if there is one at that position."""
    record = next(read_records(connection, position - 1, 1), None)
    return record if record is not None and record.position == position else None


def read_erasures(connection: sqlite3.Connection, positions: Iterable[int]) -> dict[tuple[int, str], int]:
    """Give which parts of some records were erased: (position, part) -> position of the record that says so."""
    if format_of(connection) == 1:
        return {}
    query = "SELECT position, name, record FROM erasure WHERE position IN (SELECT value FROM json_each(?))"
    rows = connection.execute(query, (msgspec.json.encode(list(positions)).decode(),))
    return {(position, name): record for position, name, record in rows}


def stream_head(connection: sqlite3.Connection, stream: str) -> tuple[int, int]:
    """Give (sequence, position) of the last record of a stream; (0, 0) where there is none."""
    query = "SELECT sequence, position FROM stream_head WHERE stream = ?"
    sequence, position = connection.execute(query, (stream,)).fetchone() or (0, 0)
    return sequence, position


def stored_hashes(connection: sqlite3.Connection, level: int, start: int, stop: int) -> list[bytes]:
    """Read leaf hashes (level 0) or tile roots [start, stop)."""
    if level == 0:
        query = "SELECT leaf_hash FROM record WHERE position > ? AND position <= ? ORDER BY position"
        rows = connection.execute(query, (start, stop)).fetchall()
    else:
        query = "SELECT hash FROM tile_root WHERE level = ? AND n >= ? AND n < ? ORDER BY n"
        rows = connection.execute(query, (level, start, stop)).fetchall()
    if len(rows) != stop - start:
        raise Corrupt(f"the Merkle tree lacks stored hashes at level {level}: run `timeline verify`")
    return [row[0] for row in rows]


def checkpoints(connection: sqlite3.Connection) -> list[tuple[int, str]]:
    """Give (size, note) of the checkpoints the log keeps, smallest first."""
    return connection.execute("SELECT size, note FROM checkpoint ORDER BY size").fetchall()


def is_checkpoint(note: str, origin: str, size: int, root: bytes) -> bool:
    """Whether a note is a checkpoint of this log at this size (C2SP tlog-checkpoint: its first three lines).

    Signatures are not looked at: whoever trusts a checkpoint knows whose they must be.
    """
    return note.split("\n")[:3] == [origin, str(size), b64encode(root).decode()]


def facts(connection: sqlite3.Connection, prefix: str = "") -> dict[str, str]:
    """Give what the log says of itself, by name: its origin, its public keys."""
    rows = connection.execute("SELECT name, value FROM meta ORDER BY name").fetchall()
    return {name: value for name, value in rows if name.startswith(prefix)}


__all__ = [
    "LogFile", "checkpoints", "facts", "is_checkpoint", "read_erasures", "read_record", "read_records",
    "stored_hashes", "stream_head",
]
