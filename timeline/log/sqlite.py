"""The log in one SQLite file.

A batch is staged in memory and written in one transaction when it ends (``synchronous=FULL``): nothing touches the
file before the commit, so a failed batch has nothing to undo on disk. The tree's right edge is not stored; it is
rebuilt at opening from tile roots and at most 255 leaf hashes a level.
"""

from __future__ import annotations

import os
import re
import secrets
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import msgspec

from timeline import merkle
from timeline.connections import Readers, WriterLock, open_reader, open_writer
from timeline.errors import Conflict, Corrupt, Invalid, NotFound
from timeline.log import (
    SALT_BYTES,
    Draft,
    Head,
    Header,
    Part,
    Receipt,
    Record,
    commitment,
    decode_header,
    encode_header,
    timestamp,
)

SCHEMA_VERSION: Final = 1
APPLICATION_ID: Final = 0x544C4F47
"""``TLOG`` in the file's header: tools and `file(1)` can tell what it is."""

HEADS_KEPT: Final = 200_000
"""Stream heads kept in memory (some tens of megabytes); others are looked up."""

READ_PAGE: Final = 500
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)
ZERO_TIME: Final = "0000-00-00T00:00:00.000000Z"


class SqliteLog:
    """`timeline.log.Log` in a SQLite file. One instance writes; see `timeline.connections` for why."""

    def __init__(
        self,
        path: str | Path,
        *,
        clock: Callable[[], str] = timestamp,
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """Open `path` for writing, making it if it is not there. Clock and randomness can be handed in for tests.

        Raises:
            Busy: another process writes it.
            Conflict: the file is something else, or was written by a newer program.
            Corrupt: it is a log, but so damaged that nothing can be appended.

        """
        self.path = Path(path)
        self._clock = clock
        self._entropy = _Buffered(entropy)
        self.lock = WriterLock(Path(f"{self.path}.lock"))
        try:
            _recognise(self.path)
            self._connection = open_writer(self.path, synchronous="FULL")
            self.origin = _prepare(self._connection)
            self._connection.set_authorizer(_authorize)
            self._readers = Readers(self.path)
            self._load()
        except sqlite3.DatabaseError as error:
            self.lock.release()
            raise Corrupt(f"{self.path.name} cannot be opened ({error}): run `timeline verify`") from None
        except BaseException:
            self.lock.release()
            raise

    def _load(self) -> None:
        row = self._connection.execute("SELECT max(position) FROM record").fetchone()
        size = row[0] or 0
        self._frontier = merkle.frontier(size, self._stored_hashes)
        self._heads: dict[str, tuple[int, int]] = {}
        self._last_time = ZERO_TIME
        if size:
            query = "SELECT recorded_at FROM record WHERE position = ?"
            self._last_time = self._connection.execute(query, (size,)).fetchone()[0]
            if self._last_time is None:
                raise Corrupt(f"the record at position {size} does not say when it was recorded: run `timeline verify`")

    # ------------------------------------------------------------------ appending

    @contextmanager
    def batch(self) -> Iterator[SqliteBatch]:
        """Stage records in the block; commit them when it ends, or nothing if it raises."""
        batch = SqliteBatch(self, self._frontier.copy(), self._clock(), self._last_time)
        yield batch
        if batch.rows or batch.receipts:
            self._commit(batch)

    def _commit(self, batch: SqliteBatch) -> None:
        execute, many = self._connection.execute, self._connection.executemany
        execute("BEGIN IMMEDIATE")
        try:
            many("INSERT INTO record (position, header, leaf_hash) VALUES (?, ?, ?)", batch.rows)
            many("INSERT INTO part (position, name, salt, bytes) VALUES (?, ?, ?, ?)", batch.parts)
            many("INSERT INTO tile_root (level, n, hash) VALUES (?, ?, ?)", batch.tiles)
            many(
                "INSERT INTO stream_head (stream, sequence, position) VALUES (?, ?, ?) ON CONFLICT (stream) "
                "DO UPDATE SET sequence = excluded.sequence, position = excluded.position",
                [(stream, *head) for stream, head in batch.heads.items()],
            )
            many(
                "INSERT INTO receipt (key, digest, first, last) VALUES (?, ?, ?, ?)",
                [(key, r.digest, r.first, r.last) for key, r in batch.receipts.items()],
            )
            execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                execute("ROLLBACK")
            raise
        self._frontier, self._last_time = batch.frontier, batch.last
        if len(self._heads) + len(batch.heads) > HEADS_KEPT:
            self._heads.clear()
        self._heads.update(batch.heads)

    def stream_head(self, stream: str) -> tuple[int, int]:
        """Give (sequence, position) of the last committed record of a stream; (0, 0) where there is none."""
        head = self._heads.get(stream)
        if head is None:
            query = "SELECT sequence, position FROM stream_head WHERE stream = ?"
            head = self._connection.execute(query, (stream,)).fetchone() or (0, 0)
        return head

    def stream_heads(self, streams: Sequence[str]) -> dict[str, tuple[int, int]]:
        """Give `stream_head` of many streams."""
        rows = self._among("SELECT stream, sequence, position FROM stream_head WHERE stream IN", streams)
        return dict.fromkeys(streams, (0, 0)) | {stream: (sequence, position) for stream, sequence, position in rows}

    def unused(self, keys: Sequence[str]) -> set[str]:
        """Give those of many idempotency keys that were never used."""
        return set(keys).difference(row[0] for row in self._among("SELECT key FROM receipt WHERE key IN", keys))

    def _among(self, query: str, values: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        for start in range(0, len(values), READ_PAGE):
            some = values[start : start + READ_PAGE]
            yield from self._connection.execute(f"{query} ({', '.join('?' * len(some))})", some)

    def receipt(self, key: str) -> Receipt | None:
        """Find what an idempotency key was used for."""
        row = self._connection.execute("SELECT digest, first, last FROM receipt WHERE key = ?", (key,)).fetchone()
        return Receipt(*row) if row else None

    def header(self, position: int) -> Header:
        """Read the header of a committed record; `NotFound` beyond the head."""
        query = "SELECT CAST(header AS BLOB) FROM record WHERE position = ?"
        row = self._connection.execute(query, (position,)).fetchone()
        if row is None:
            raise NotFound(f"there is no record at position {position}")
        return decode_header(row[0])

    def random(self, count: int) -> bytes:
        """Give `count` random bytes."""
        return self._entropy(count)

    # ------------------------------------------------------------------ reading

    def reader(self) -> sqlite3.Connection:
        """Give this thread's read-only connection."""
        return self._readers.get()

    @property
    def size(self) -> int:
        """The last committed position."""
        return self._frontier.size

    def head(self) -> Head:
        """Give size and root of what is committed."""
        edge = self._frontier  # one look: a commit in another thread puts a new one in its place
        return Head(edge.size, edge.root(), self._last_time)

    def read(self, after: int = 0, limit: int | None = None) -> Iterator[Record]:
        """Yield records after a position, page by page: no read transaction stays open and pins the WAL."""
        return read_records(self._readers.get(), after, limit)

    def hashes(self, level: int, start: int, stop: int) -> list[bytes]:
        """Read stored hashes: leaf hashes at level 0, tile roots above."""
        return stored_hashes(self._readers.get(), level, start, stop)

    def _stored_hashes(self, level: int, start: int, stop: int) -> Sequence[bytes]:
        return stored_hashes(self._connection, level, start, stop)

    def position_at(self, recorded_at: str) -> int:
        """Binary search: `recorded_at` never goes backwards, so no index is needed."""
        low, high = 0, self._frontier.size
        find = self._readers.get().execute
        while low < high:
            middle = (low + high + 1) // 2
            row = find("SELECT recorded_at FROM record WHERE position = ?", (middle,)).fetchone()
            low, high = (middle, high) if row[0] <= recorded_at else (low, middle - 1)
        return low

    def bulk(self, *, active: bool) -> None:
        """Checkpoint the WAL less often while much is written (measured: 1.1 to 1.4 times faster imports)."""
        self._connection.set_authorizer(None)
        self._connection.execute(f"PRAGMA wal_autocheckpoint = {20_000 if active else 1_000}")
        self._connection.set_authorizer(_authorize)

    def close(self) -> None:
        """Checkpoint, close and let go of the lock."""
        if not self.lock.held:
            return
        self._readers.close()
        self._connection.set_authorizer(None)
        self._connection.close()
        self.lock.release()


class SqliteBatch:
    """`timeline.log.Batch`: rows waiting for one commit."""

    def __init__(self, log: SqliteLog, frontier: merkle.Frontier, now: str, last: str) -> None:
        """Start from the committed state; one batch has one `now`, and no record is older than the one before it."""
        self._log = log
        self.frontier = frontier
        self.now = now
        self.last = last
        self.rows: list[tuple[int, str, bytes]] = []
        self.parts: list[tuple[int, str, bytes, str]] = []
        self.tiles: list[tuple[int, int, bytes]] = []
        self.heads: dict[str, tuple[int, int]] = {}
        self.receipts: dict[str, Receipt] = {}
        self._expected: dict[str, tuple[int, int]] = {}
        self._unused: set[str] = set()
        self._undo: list[tuple[str, tuple[int, int] | None]] = []

    def receipt(self, key: str) -> Receipt | None:
        """Find what `key` was used for, in the log or earlier in this batch."""
        found = self.receipts.get(key)
        return found if found is not None or key in self._unused else self._log.receipt(key)

    def subject(self, position: int) -> str:
        """Give the first stream of a record, staged or stored."""
        first = self.rows[0][0] if self.rows else position + 1
        if position >= first:
            return decode_header(self.rows[position - first][1].encode()).streams[0][0]
        return self._log.header(position).streams[0][0]

    def remember(self, key: str, receipt: Receipt) -> None:
        """Keep the answer to `key` with the records it became."""
        self.receipts[key] = receipt

    def expect(self, streams: Sequence[str], keys: Sequence[str]) -> None:
        """Look up at once what committed records say of these streams and keys."""
        self._expected = self._log.stream_heads(streams)
        self._unused = self._log.unused(keys)

    def seal(self, draft: Draft) -> Record:
        """Give the draft position, time, salts, stream sequences and hash."""
        position = self.frontier.size + 1
        self.last = max(self.now, self.last)
        entropy = self._log.random(SALT_BYTES * len(draft.parts) + 8)
        parts = tuple(
            Part(name, entropy[8 + SALT_BYTES * i : 8 + SALT_BYTES * (i + 1)], data)
            for i, (name, data) in enumerate(draft.parts)
        )
        header = Header(
            author=draft.author,
            id=entropy[:8].hex(),
            parts=[(part.name, commitment(part.salt, part.data)) for part in parts],
            position=position,
            recorded_at=self.last,
            streams=[self._advance(stream, position) for stream in draft.streams],
            type=draft.type,
            v=draft.version,
            about=draft.about,
            kind=draft.kind,
            left=list(draft.left),
            sequence=draft.sequence,
            status=draft.status,
            when=draft.when,
        )
        record = Record(position, encode_header(header), parts, (), header)
        self._stage(record)
        return record

    def adopt(self, record: Record) -> Record:
        """Stage a record of another log unchanged: what follows it must be exactly what followed it there."""
        header = _foreign_header(record)
        if record.position != self.frontier.size + 1 or header.position != record.position:
            raise Invalid(f"expected the record at position {self.frontier.size + 1}, got {record.position}")
        if header.recorded_at < self.last:
            raise Invalid(f"the record at position {record.position} was recorded before the one it follows")
        _check_parts(header, record)
        for stream, sequence, previous in header.streams:
            if self._advance(stream, record.position) != (stream, sequence, previous):
                raise Invalid(f"the record at position {record.position} is out of order in stream {stream}")
        self.last = header.recorded_at
        self._stage(record)
        return record

    def _advance(self, stream: str, position: int) -> tuple[str, int, int]:
        staged = self.heads.get(stream)
        sequence, previous = staged or self._expected.get(stream) or self._log.stream_head(stream)
        self._undo.append((stream, staged))
        self.heads[stream] = (sequence + 1, position)
        return stream, sequence + 1, previous

    def _stage(self, record: Record) -> None:
        leaf = merkle.leaf_hash(record.header_bytes)
        self.rows.append((record.position, record.header_bytes.decode(), leaf))
        for part in record.parts:
            self.parts.append((record.position, part.name, part.salt, part.data.decode()))
        self.tiles.extend(self.frontier.append(leaf))

    def savepoint(self) -> Any:  # noqa: ANN401 - opaque to the caller
        """Remember how much is staged."""
        lengths = tuple(len(rows) for rows in (self.rows, self.parts, self.tiles, self._undo))
        return lengths, self.frontier.copy(), dict(self.receipts), self.last

    def rollback(self, savepoint: Any) -> None:  # noqa: ANN401 - opaque to the caller
        """Unstage what came after the savepoint."""
        lengths, frontier, receipts, self.last = savepoint
        self.frontier, self.receipts = frontier.copy(), dict(receipts)
        for stream, before in reversed(self._undo[lengths[3] :]):
            if before is None:
                self.heads.pop(stream, None)
            else:
                self.heads[stream] = before
        for rows, length in zip((self.rows, self.parts, self.tiles, self._undo), lengths, strict=True):
            del rows[length:]  # type: ignore[attr-defined]


def _foreign_header(record: Record) -> Header:
    """Read the header of a record sealed elsewhere; `Invalid` unless it is as we would have written it."""
    try:
        header = record.header
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise Invalid(f"the header at position {record.position} cannot be read") from None
    if encode_header(header) != record.header_bytes:
        raise Invalid(f"the header at position {record.position} is not in canonical form")
    if not _TIME.fullmatch(header.recorded_at):
        raise Invalid(f"the time at position {record.position} is not written as this log writes times")
    if not header.streams:
        raise Invalid(f"the record at position {record.position} belongs to no stream")
    return header


def _check_parts(header: Header, record: Record) -> None:
    if [(part.name, commitment(part.salt, part.data)) for part in record.parts] != header.parts:
        raise Invalid(f"the parts at position {record.position} do not match the header's commitments")
    if any(len(part.salt) != SALT_BYTES for part in record.parts):
        raise Invalid(f"a salt at position {record.position} has not {SALT_BYTES} bytes")


class LogFile:
    """A log that another process may be writing: reads only."""

    def __init__(self, path: str | Path) -> None:
        """Open read-only; `NotFound` or `Conflict` where there is no log."""
        self.path = Path(path)
        _recognise(self.path)
        self._connection = open_reader(self.path)
        row = self._connection.execute("SELECT value FROM meta WHERE name = 'origin'").fetchone()
        self.origin: str = row[0]

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


class _Buffered:
    """Randomness in larger gulps: one system call serves a hundred records."""

    def __init__(self, source: Callable[[int], bytes]) -> None:
        self._source = source
        self._bytes = b""
        self._at = 0

    def __call__(self, count: int) -> bytes:
        if self._at + count > len(self._bytes):
            self._bytes, self._at = self._source(max(4096, count)), 0
        taken = self._bytes[self._at : self._at + count]
        self._at += count
        return taken


def read_records(connection: sqlite3.Connection, after: int, limit: int | None) -> Iterator[Record]:
    """Yield records after a position, in pages."""
    left = limit if limit is not None else 2**62
    while left > 0:
        rows = connection.execute(
            "SELECT r.position, CAST(r.header AS BLOB), p.name, p.salt, CAST(p.bytes AS BLOB) FROM "
            "(SELECT position, header FROM record WHERE position > ? ORDER BY position LIMIT ?) r "
            "LEFT JOIN part p USING (position) ORDER BY r.position, p.name",
            (after, min(READ_PAGE, left)),
        ).fetchall()
        if not rows:
            return
        for record in _assemble(rows):
            left -= 1
            after = record.position
            yield record


def _assemble(rows: Sequence[tuple[Any, ...]]) -> Iterator[Record]:
    place, bytes_ = rows[0][:2]
    parts: tuple[Part, ...] = ()
    for position, header, name, salt, data in rows:
        if position != place:
            yield Record(place, bytes_, parts)
            place, bytes_, parts = position, header, ()
        if name is not None:
            parts = (*parts, Part(name, salt, data))
    yield Record(place, bytes_, parts)


def read_record(connection: sqlite3.Connection, position: int) -> Record | None:
    """Read one record, if there is one at that position."""
    return next(read_records(connection, position - 1, 1), None)


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


def _recognise(path: Path) -> None:
    """Refuse what is not a log of this format, before anything touches it: even WAL mode would change the file."""
    if not path.exists() or not path.stat().st_size:
        return
    try:
        with closing(open_reader(path)) as connection:
            application = connection.execute("PRAGMA application_id").fetchone()[0]
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    except sqlite3.DatabaseError:
        raise Conflict(f"{path.name} is not a timeline log (it is not an SQLite database)") from None
    if tables and application != APPLICATION_ID:
        raise Conflict(f"{path.name} is an SQLite file, but not a timeline log: choose another --db")
    if tables and version != SCHEMA_VERSION:
        raise Conflict(f"{path.name} has format {version}; this program reads format {SCHEMA_VERSION}: upgrade it")


def _prepare(connection: sqlite3.Connection) -> str:
    """Make the tables of a new file; give the log's origin."""
    if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        _create(connection)
    row = connection.execute("SELECT value FROM meta WHERE name = 'origin'").fetchone()
    origin: str = row[0]
    return origin


def _create(connection: sqlite3.Connection) -> None:
    schema = files("timeline.log").joinpath("schema.sql").read_text()
    origin = f"timeline.local/{secrets.token_hex(8)}"
    connection.executescript(f"BEGIN IMMEDIATE;{schema};INSERT INTO meta VALUES ('origin', '{origin}');"
                             f"PRAGMA application_id = {APPLICATION_ID};PRAGMA user_version = {SCHEMA_VERSION};COMMIT;")


_ALLOWED: Final = frozenset({
    sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_INSERT, sqlite3.SQLITE_TRANSACTION,
    sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE,
})


def _authorize(action: int, table: str | None, _b: str | None, _db: str | None, _trigger: str | None) -> int:
    """Let the writing connection read and insert, update only derived stream heads, and nothing else."""
    if action in _ALLOWED or (action == sqlite3.SQLITE_UPDATE and table == "stream_head"):
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY
