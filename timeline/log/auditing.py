"""What `verify` checks beside hashes: erasures against the records that declare them, and sealed rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from timeline.errors import Invalid
from timeline.log import ERASURE, Header, Record, decode_header
from timeline.log.erasing import check_target, declaration
from timeline.log.reading import read_record
from timeline.log.seals import seal_checkpoint, seal_fact, seal_receipt


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong and where. `position` is 0 where no single record can be named."""

    position: int
    check: str
    detail: str


class Erasures:
    """Compares missing parts, the table of erasures and the records that declare them, record by record.

    An erasure comes after what it erases. So a missing part is believed to the table as it is read, and the table is
    compared with each declaration as that is read, and at the end with those that never came. What must be kept is one
    number for each erasure.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Look things up on this connection."""
        self._execute = connection.execute
        self._connection = connection
        self._declared: set[int] = set()
        self.parts = 0

    def missing(self, record: Record, name: str, by: int | None) -> Finding | None:
        """Judge a part that is not there, and that the table says `by` declares erased."""
        if by is not None:
            self.parts += 1
            return None
        declared = self._declared_by(record.position, name)
        if declared:
            return Finding(record.position, "erasure-table", f"part {name} was erased, as the record at position "
                           f"{declared} declares, but the table of erasures does not say so")
        return Finding(record.position, "missing-part", f"part {name} is gone and no erasure was recorded")

    def present(self, record: Record, name: str, by: int) -> Finding:
        """Judge a part that is there although the table says it was erased."""
        if is_declared(self._connection, by, record.position, name):
            return _unerased(record.position, name, by)
        return _undeclared(record.position, name, by)

    def declared(self, erasure: Record) -> Finding | None:
        """Compare what an erasure declares with the table: nothing more, nothing less, and nothing of it left."""
        position = erasure.position
        try:
            change = declaration(erasure)
            rows = set(self._execute("SELECT position, name FROM erasure WHERE record = ?", (position,)))
            for place in change.records:
                for name in check_target(erasure.header, change, self._header(place)):
                    if finding := self._in_table(place, name, position):
                        return finding
                    rows.discard((place, name))
        except Invalid as error:
            return Finding(position, "erasure", error.detail)
        if rows:
            place, name = min(rows)
            return _undeclared(place, name, position)
        self._declared.add(position)
        return None

    def _in_table(self, position: int, name: str, by: int) -> Finding | None:
        query = "SELECT record FROM erasure WHERE position = ? AND name = ?"
        row = self._execute(query, (position, name)).fetchone()
        if row is not None and row[0] <= by:
            return None
        there = "SELECT 1 FROM part WHERE position = ? AND name = ?"
        if row is None and self._execute(there, (position, name)).fetchone():
            return _unerased(position, name, by)
        return Finding(position, "erasure-table", f"the record at position {by} declares part {name} erased, and the "
                       f"table of erasures says {'nothing of it' if row is None else f'position {row[0]} does'}")

    def _header(self, position: int) -> Header:
        row = self._execute("SELECT CAST(header AS BLOB) FROM record WHERE position = ?", (position,)).fetchone()
        if row is None:
            raise Invalid(f"it speaks of position {position}, which is beyond the log")
        return decode_header(row[0])

    def leftover(self) -> Finding | None:
        """Find a row of the table that no record declares."""
        for position, name, by in self._execute("SELECT position, name, record FROM erasure ORDER BY position, name"):
            if by not in self._declared:
                return _undeclared(position, name, by)
        return None

    def _declared_by(self, position: int, name: str) -> int:
        """Look through all later erasures for one that declares this: only done where something is wrong already."""
        query = "SELECT position FROM record WHERE position > ? AND instr(header, ?) ORDER BY position"
        for (by,) in self._execute(query, (position, f'"type":"{ERASURE}"')).fetchall():
            if is_declared(self._connection, by, position, name):
                return int(by)
        return 0


def is_declared(connection: sqlite3.Connection, by: int, position: int, name: str) -> bool:
    """Whether the record at position `by` declares a part erased."""
    erasure, record = read_record(connection, by), read_record(connection, position)
    if erasure is None or record is None or erasure.header.type != ERASURE:
        return False
    try:
        change = declaration(erasure)
        return position in change.records and name in check_target(erasure.header, change, record.header)
    except Invalid:
        return False


def _unerased(position: int, name: str, by: int) -> Finding:
    return Finding(position, "unerased-part", f"part {name} is still there, although the record at position {by} "
                   "declares it erased")


def _undeclared(position: int, name: str, by: int) -> Finding:
    return Finding(position, "undeclared-erasure", f"the table of erasures says that the record at position {by} "
                   f"declares part {name} erased, but that record does not")


# ---------------------------------------------------------------------------------------------- sealed rows

def check_rows(connection: sqlite3.Connection, size: int, origin: str, *, receipts: bool = True) -> Finding | None:
    """Check facts against their seals, and `receipts` too, which must agree with the size of the log as well."""
    found = next(_receipts(connection, size), None) if receipts else None
    return found or next(_facts(connection, origin), None)


def _receipts(connection: sqlite3.Connection, size: int) -> Iterator[Finding]:
    for key, digest, first, last, seal in connection.execute("SELECT key, digest, first, last, seal FROM receipt"):
        if not (1 <= first <= last <= size and len(digest) == 32):
            yield Finding(0, "receipt", f"the receipt of key {key} names positions {first}..{last}")
        elif seal != seal_receipt(key, digest, first, last):
            yield Finding(0, "receipt", f"the receipt of key {key} does not agree with its seal")


def _facts(connection: sqlite3.Connection, origin: str) -> Iterator[Finding]:
    for name, value, seal in connection.execute("SELECT name, value, seal FROM meta"):
        if seal != seal_fact(name, value):
            yield Finding(0, "meta", f"what the log says of itself under {name} does not agree with its seal")
    if not origin:
        yield Finding(0, "meta", "the log has lost its name")


def checkpoint_fault(size: int, note: str, seal: bytes) -> Finding | None:
    """Check a kept checkpoint against its seal."""
    if seal == seal_checkpoint(size, note):
        return None
    return Finding(0, "checkpoint", f"the checkpoint of size {size} does not agree with its seal")


__all__ = ["Erasures", "Finding", "check_rows", "checkpoint_fault", "is_declared"]
