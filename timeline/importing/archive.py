"""A whole log as NDJSON: records with the exact bytes that were hashed, out and in again.

One line a record: ``{"position":1,"header":"...","parts":[{"name":"body","salt":"<hex>","bytes":"..."}]}``, with the
idempotency receipt that belongs to it alone, if there is one, and what was erased of it (``{"body":120}``: by which
record). Read into an empty log it gives the same Merkle root;
read into a log it began as, it adds what is missing; any other log refuses it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from timeline.chronicle import Timeline
from timeline.errors import Conflict, Corrupt, Fault, Invalid, Malformed, TimelineError
from timeline.importing.files import File
from timeline.log import ERASURE, Part, Record
from timeline.log.sqlite import LogFile

BATCH = 500
Hex = Annotated[str, Meta(pattern=r"^([0-9a-f]{2})*$")]
Adoptable = tuple[Record, str | None, bytes | None]


class PartLine(Struct, forbid_unknown_fields=True):
    """One part of a record."""

    name: str
    salt: Hex
    bytes: str


class ReceiptLine(Struct, forbid_unknown_fields=True):
    """What an idempotency key was used for."""

    key: str
    digest: Hex


class RecordLine(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One record."""

    position: int
    header: str
    parts: list[PartLine]
    receipt: ReceiptLine | None = None
    erased: dict[str, int] = {}


_decoder = msgspec.json.Decoder(RecordLine)
_encode = msgspec.json.Encoder().encode


def write_log(log: LogFile) -> Iterator[bytes]:
    """Yield the lines of a log. It may be written meanwhile: it ends where it ended when this began."""
    size = log.size()
    receipts = _receipts(log)
    waiting = next(receipts, None)
    for record in log.read(0, size):
        receipt = None
        while waiting is not None and waiting[0] <= record.position:
            if waiting[0] == record.position and receipt is None:
                receipt = ReceiptLine(waiting[1], waiting[2].hex())
            waiting = next(receipts, None)
        parts = [PartLine(part.name, part.salt.hex(), part.data.decode()) for part in record.parts]
        erased = dict(zip(record.erased, record.erased_by, strict=True))
        yield _encode(RecordLine(record.position, record.header_bytes.decode(), parts, receipt, erased)) + b"\n"


def _receipts(log: LogFile) -> Iterator[tuple[int, str, bytes]]:
    query = "SELECT first, key, digest FROM receipt WHERE first = last ORDER BY first, key"
    yield from log.connection().cursor().execute(query)


def read_log(
    timeline: Timeline, file: File, lines: Iterable[bytes], progress: Callable[[int, int], None]
) -> tuple[int, int]:
    """Adopt the records of a log's lines that this log does not hold yet; gives how many are new, and were there.

    Raises:
        Malformed: a line is no record of a log.
        Invalid: a record contradicts its own hashes, or is not the next one.
        Conflict: this log holds another record at one of the positions.

    """
    held, count, there = timeline.records(), 0, 0
    batch: list[tuple[int, Adoptable]] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        item = _record(file, number, line)
        record = item[0]
        if record.position <= timeline.position and not batch:
            _same(next(held), record, file, number)
            there += 1
            continue
        alone = _is_erasure(file, number, record)
        if alone and batch:
            count += _adopt(timeline, file, batch)
            batch = []
        batch.append((number, item))
        if alone or len(batch) == BATCH:
            count += _adopt(timeline, file, batch)
            progress(count, there)
            batch = []
    count += _adopt(timeline, file, batch) if batch else 0
    if lost := timeline.undeclared():
        raise Corrupt(f"{file.name}: a part at position {lost} is gone, and no record of this log says that it was "
                      "erased: the export is damaged or was cut short")
    return count, there


def _is_erasure(file: File, number: int, record: Record) -> bool:
    """Whether a record is an erasure: it takes things away, and enters alone."""
    try:
        return record.header.type == ERASURE
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _placed(Malformed(f"not a record of a log: {error}"), file, number) from None


def _same(mine: Record, other: Record, file: File, number: int) -> None:
    if (mine.position, mine.header_bytes) != (other.position, other.header_bytes):
        detail = (f"this log holds another record at position {mine.position}: "
                  "a log goes into an empty log, or into one it began as")
        raise _placed(Conflict(detail), file, number)


def _record(file: File, number: int, line: bytes) -> Adoptable:
    try:
        read = _decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _placed(Malformed(f"not a record of a log: {error}"), file, number) from None
    parts = tuple(Part(part.name, bytes.fromhex(part.salt), part.bytes.encode()) for part in read.parts)
    erased_by = tuple(read.erased.values())
    record = Record(read.position, read.header.encode(), parts, tuple(read.erased), erased_by=erased_by)
    if read.receipt is None:
        return record, None, None
    return record, read.receipt.key, bytes.fromhex(read.receipt.digest)


def _adopt(timeline: Timeline, file: File, batch: Sequence[tuple[int, Adoptable]]) -> int:
    """Adopt a batch; where it fails, go one by one to name the line."""
    try:
        timeline.adopt([item for _, item in batch])
    except TimelineError as error:
        if len(batch) == 1:
            raise _placed(error, file, batch[0][0]) from None
        for one in batch:
            _adopt(timeline, file, [one])
        raise Invalid(f"{file.name}: {error.detail}") from None
    return len(batch)


def _placed(error: TimelineError, file: File, number: int) -> TimelineError:
    detail = f"{file.name}, line {number:,}: {error.detail}; what came before it is in and stays in"
    return type(error)(detail, faults=(Fault(f"{file.name}:{number}", error.detail),), **error.members)


__all__ = ["read_log", "write_log"]
