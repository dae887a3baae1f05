"""The log in one SQLite file.

A batch is staged in memory and written in one transaction when it ends (``synchronous=FULL``): nothing touches the
file before the commit, so a failed batch has nothing to undo on disk. The tree's right edge is not stored; it is
rebuilt at opening from tile roots and at most 255 leaf hashes a level.

An erasure deletes rows in the transaction of the record that declares it, and is done with only once no byte of them
is left in the file: see `timeline.log.purging`.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from timeline import merkle
from timeline.connections import Readers, WriterLock, open_writer
from timeline.errors import Conflict, Corrupt, Forbidden, Invalid, NotFound
from timeline.inserting import insert
from timeline.log import (
    DERIVED_KEY,
    ERASED_DIGEST,
    SALT_BYTES,
    Head,
    Header,
    Receipt,
    Record,
    decode_header,
    timestamp,
)
from timeline.log.batches import SqliteBatch
from timeline.log.erasing import targets
from timeline.log.files import SCHEMA_VERSION, prepare, recognise
from timeline.log.purging import cut, rewrite
from timeline.log.reading import (
    READ_PAGE,
    LogFile,
    checkpoints,
    facts,
    is_checkpoint,
    read_erasures,
    read_record,
    read_records,
    stored_hashes,
    stream_head,
)
from timeline.log.seals import seal_checkpoint, seal_fact, seal_receipt

HEADS_KEPT: Final = 200_000
"""Stream heads kept in memory (some tens of megabytes); others are looked up."""

ZERO_TIME: Final = "0000-00-00T00:00:00.000000Z"


class SqliteLog:
    """`timeline.log.Log` in a SQLite file. One instance writes; see `timeline.connections` for why."""

    def __init__(
        self,
        path: str | Path,
        *,
        clock: Callable[[], str] = timestamp,
        entropy: Callable[[int], bytes] = os.urandom,
        origin: str | None = None,
    ) -> None:
        """Open `path` for writing, making it if it is not there. Clock and randomness can be handed in for tests.

        `origin` is the name a new log gets; one that is there must have it. A file of format 1 is brought to format 2.

        Raises:
            Busy: another process writes it.
            Conflict: the file is something else, or was written by a newer program, or has another name.
            Invalid: `origin` can be the name of no log.
            Forbidden: the folder or the medium is read-only.
            Corrupt: it is a log, but so damaged that nothing can be appended.

        """
        self.path = Path(path)
        self._clock = clock
        self._entropy = _Buffered(entropy)
        self._writing = threading.Lock()  # one transaction at a time: facts and checkpoints come from any thread
        self._erasing = Path(f"{self.path}.erasing")
        self.lock = WriterLock(Path(f"{self.path}.lock"))
        try:
            recognise(self.path)
            self._connection = open_writer(self.path, synchronous="FULL")
            self._connection.execute("PRAGMA secure_delete = ON")
            self.origin = prepare(self._connection, origin)
            self._connection.set_authorizer(_authorize)
            self._readers = Readers(self.path)
            self._place = self.path.absolute()  # the process may go to another folder
            self._file = self._found()
            self._load()
        except sqlite3.DatabaseError as error:
            self.lock.release()
            if "readonly" in str(error):
                raise Forbidden(f"{self.path.name} cannot be written: its folder, or the medium, is read-only; reading "
                                "needs no right to write") from None
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
            with self._writing:
                self._commit(batch)

    def _commit(self, batch: SqliteBatch) -> None:
        with self._allowed(batch), self._transaction():
            insert(self._connection, "INTO record (position, header, leaf_hash)", batch.rows)
            insert(self._connection, "INTO part (position, name, salt, bytes)", batch.parts)
            insert(self._connection, "INTO tile_root (level, n, hash)", batch.tiles)
            heads = [(stream, *head) for stream, head in batch.heads.items()]
            insert(self._connection, "INTO stream_head (stream, sequence, position)", heads,
                   "ON CONFLICT (stream) DO UPDATE SET sequence = excluded.sequence, position = excluded.position")
            receipts = [(key, r.digest, r.first, r.last, seal_receipt(key, r.digest, r.first, r.last))
                        for key, r in batch.receipts.items()]
            insert(self._connection, "INTO receipt (key, digest, first, last, seal)", receipts)
            insert(self._connection, "INTO erasure (position, name, record)", batch.erased)
            if batch.erasure is not None:
                self._carry_out(batch.erasure)
        self._frontier, self._last_time = batch.frontier, batch.last
        if len(self._heads) + len(batch.heads) > HEADS_KEPT:
            self._heads.clear()
        self._heads.update(batch.heads)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._check_file()
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        self._check_file()  # again: what went into a file that has no name any more must not be acknowledged

    def _found(self) -> tuple[int, int]:
        """Give what is at the path: device and number of the file; (0, 0) where there is nothing."""
        try:
            found = self._place.stat()
        except FileNotFoundError:
            return 0, 0
        return found.st_dev, found.st_ino

    def _check_file(self) -> None:
        """Refuse to write to a file that was removed or replaced under us: whatever went into it would be lost."""
        if self._found() != self._file:
            raise Corrupt(f"{self.path.name} was removed or replaced while it was open: nothing is acknowledged any "
                          "more; end this process, and look at the file with `timeline verify --against` first")

    # ------------------------------------------------------------------ erasing

    @contextmanager
    def _allowed(self, batch: SqliteBatch) -> Iterator[None]:
        """Let a batch do what it must: only one that holds an erasure deletes parts and empties receipts.

        A change of authorizer makes SQLite prepare every statement anew, so that nothing allowed here is allowed later.
        """
        if batch.erasure is None:
            yield
            return
        self.unpurge()  # whatever happens next, the file is purged before anybody relies on it
        self._connection.set_authorizer(_authorize_erasing)
        try:
            yield
        finally:
            self._connection.set_authorizer(_authorize)

    def _carry_out(self, erasure: Header) -> None:
        """Delete the parts an erasure declares gone, and what would let their content be guessed."""
        execute, many = self._connection.execute, self._connection.executemany
        gone = execute("SELECT position, name FROM erasure WHERE record = ?", (erasure.position,)).fetchall()
        many("DELETE FROM part WHERE position = ? AND name = ?", gone)
        about = sorted({position for position, _ in gone} | self._records_of(erasure))
        emptied = [
            (after, ERASED_DIGEST, seal_receipt(after, ERASED_DIGEST, first, last), key)
            for key, first, last in execute("SELECT key, first, last FROM receipt").fetchall()
            if (at := bisect_left(about, first)) < len(about) and about[at] <= last
            and (after := self._emptied(key))
        ]
        many("UPDATE receipt SET key = ?, digest = ?, seal = ? WHERE key = ?", emptied)

    def _emptied(self, key: str) -> str:
        """Give the key of a receipt that lost its digest: one that was made from the content becomes another."""
        author, _, own = key.rpartition("\n")
        return f"{author}\nerased:{self._entropy(SALT_BYTES).hex()}" if own.startswith(DERIVED_KEY) else key

    def _records_of(self, erasure: Header) -> set[int]:
        """Walk back through the streams of what an erasure is about: positions of all records about the same things."""
        about, found = targets(erasure), set()
        for stream, _, previous in erasure.streams:
            position = previous if stream in about else 0
            while position:
                header = self.header(position)
                if header.streams[0][0] in about:
                    found.add(position)
                position = next((before for name, _, before in header.streams if name == stream), 0)
        return found

    @property
    def unpurged(self) -> bool:
        """Whether erased bytes may still stand somewhere in the file."""
        return self._erasing.exists()

    def rewrite(self) -> bool:
        """Write the file anew, so that no page keeps a copy of what was erased; False if it must be tried again."""
        with self._free():
            return rewrite(self._connection)

    def cut(self, seconds: float) -> bool:
        """Empty the WAL; False while somebody reads from it."""
        with self._free():
            return cut(self._connection, seconds)

    @contextmanager
    def _free(self) -> Iterator[None]:
        """Let our own upkeep through."""
        with self._writing:
            self._connection.set_authorizer(None)
            try:
                yield
            finally:
                self._connection.set_authorizer(_authorize)

    def unpurge(self) -> None:
        """Note that erased bytes may still stand in the files of log or views."""
        self._erasing.touch()

    def purged(self) -> None:
        """Note that nothing erased is left, here or in the views."""
        self._erasing.unlink(missing_ok=True)

    def erased(self, position: int) -> dict[str, int]:
        """Give the names of the erased parts of a record, with the position of the record that declares it."""
        return dict(self._connection.execute("SELECT name, record FROM erasure WHERE position = ?", (position,)))

    def erasures(self, record: int) -> set[tuple[int, str]]:
        """Give (position, name) of the parts that the table says a record declares erased."""
        return set(self._connection.execute("SELECT position, name FROM erasure WHERE record = ?", (record,)))

    def undeclared(self) -> int:
        """Give the first position with a part that is gone and that no record of this log declares erased; else 0."""
        query = "SELECT coalesce(min(position), 0) FROM erasure WHERE record > ?"
        found: int = self._connection.execute(query, (self.size,)).fetchone()[0]
        return found

    # ------------------------------------------------------------------ facts and checkpoints

    def note_fact(self, name: str, value: str) -> None:
        """Write down a fact about the log, such as a public key, once and for ever.

        Raises:
            Conflict: it says something else under this name.

        """
        with self._writing:
            known = facts(self._connection).get(name)
            if known is None:
                with self._transaction():
                    row = (name, value, seal_fact(name, value))
                    self._connection.execute("INSERT INTO meta (name, value, seal) VALUES (?, ?, ?)", row)
        if known not in (None, value):
            raise Conflict(f"the log says something else under {name}: what it says of itself does not change")

    def facts(self, prefix: str = "") -> dict[str, str]:
        """Give what the log says of itself, by name."""
        return facts(self._readers.get(), prefix)

    def keep_checkpoint(self, size: int, note: str) -> None:
        """Keep a checkpoint that was handed out, for ever.

        Raises:
            Invalid: it is not a checkpoint of this log at this size.
            Conflict: another note of this size is kept.

        """
        if size > self.size or not is_checkpoint(note, self.origin, size, merkle.root_at(size, self.hashes)):
            raise Invalid(f"this is not a checkpoint of {self.origin} at size {size}")
        with self._writing:
            query = "SELECT note FROM checkpoint WHERE size = ?"
            known = self._connection.execute(query, (size,)).fetchone()
            if known is None:
                with self._transaction():
                    row = (size, note, seal_checkpoint(size, note))
                    self._connection.execute("INSERT INTO checkpoint (size, note, seal) VALUES (?, ?, ?)", row)
        if known not in (None, (note,)):
            raise Conflict(f"the log keeps another checkpoint of size {size}")

    def checkpoints(self) -> list[tuple[int, str]]:
        """Give (size, note) of the checkpoints the log keeps, smallest first."""
        return checkpoints(self._readers.get())

    # ------------------------------------------------------------------ looking up

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
        with self._free():
            self._connection.execute(f"PRAGMA wal_autocheckpoint = {20_000 if active else 1_000}")

    def close(self) -> None:
        """Checkpoint, close and let go of the lock."""
        if not self.lock.held:
            return
        self._readers.close()
        self._connection.set_authorizer(None)
        self._connection.close()
        self.lock.release()


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


_ALLOWED: Final = frozenset({
    sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_INSERT, sqlite3.SQLITE_TRANSACTION,
    sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE,
})


def _authorize(action: int, table: str | None, _b: str | None, _db: str | None, _trigger: str | None) -> int:
    """Let the writing connection read and insert, update only derived stream heads, and nothing else."""
    if action in _ALLOWED or (action == sqlite3.SQLITE_UPDATE and table == "stream_head"):
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY


_ERASING: Final = frozenset({(sqlite3.SQLITE_DELETE, "part"), (sqlite3.SQLITE_UPDATE, "receipt")})


def _authorize_erasing(action: int, table: str | None, b: str | None, db: str | None, trigger: str | None) -> int:
    """Let an erasure delete parts and empty receipts besides; triggers look at which."""
    return sqlite3.SQLITE_OK if (action, table) in _ERASING else _authorize(action, table, b, db, trigger)


__all__ = [
    "HEADS_KEPT", "SCHEMA_VERSION", "LogFile", "SqliteBatch", "SqliteLog", "read_erasures", "read_record",
    "read_records", "stored_hashes", "stream_head",
]
