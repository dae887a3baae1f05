"""A batch of records waiting for one commit: sealed or adopted, numbered in their streams, hashed, not stored yet."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, Protocol

import msgspec

from timeline import merkle
from timeline.errors import Invalid
from timeline.log import (
    ERASURE,
    SALT_BYTES,
    Draft,
    Header,
    Part,
    Receipt,
    Record,
    commitment,
    decode_header,
    encode_header,
)
from timeline.log.erasing import check_target, declaration

_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)


class Committed(Protocol):
    """What a batch must know of the log it will be added to."""

    def random(self, count: int) -> bytes:
        """Give random bytes."""

    def header(self, position: int) -> Header:
        """Give a header."""

    def receipt(self, key: str) -> Receipt | None:
        """Give what a key was used for."""

    def unused(self, keys: Sequence[str]) -> set[str]:
        """Give those of many keys that were never used."""

    def stream_head(self, stream: str) -> tuple[int, int]:
        """Give (sequence, position) of a stream's last record."""

    def stream_heads(self, streams: Sequence[str]) -> dict[str, tuple[int, int]]:
        """Give those of many streams."""

    def erased(self, position: int) -> dict[str, int]:
        """Give the erased parts of a record, with the record that declares each."""

    def erasures(self, record: int) -> set[tuple[int, str]]:
        """Give what the table says a record declares erased."""


class SqliteBatch:
    """`timeline.log.Batch`: rows waiting for one commit."""

    def __init__(self, log: Committed, frontier: merkle.Frontier, now: str, last: str) -> None:
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
        self.erased: list[tuple[int, str, int]] = []
        self.erasure: Header | None = None
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
        self._check_parts(header, record)
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

    def _check_parts(self, header: Header, record: Record) -> None:
        """Check that the parts open their commitments; stage as erased those that a later record must declare so."""
        gone = dict(zip(record.erased, record.erased_by, strict=True))
        names = {name for name, _ in header.parts}
        for name, by in gone.items():
            if name not in names or by <= record.position:
                raise Invalid(f"the record at position {record.position} says that its part {name} was erased at "
                              f"position {by}, which cannot be")
            self.erased.append((record.position, name, by))
        kept = [(name, digest) for name, digest in header.parts if name not in gone]
        if [(part.name, commitment(part.salt, part.data)) for part in record.parts] != kept:
            raise Invalid(f"the parts at position {record.position} do not match the header's commitments")
        if any(len(part.salt) != SALT_BYTES for part in record.parts):
            raise Invalid(f"a salt at position {record.position} has not {SALT_BYTES} bytes")

    def _erase(self, record: Record) -> None:
        """Stage what an erasure declares. It is alone, so everything it speaks of is committed."""
        if self.rows:
            raise Invalid(f"the erasure at position {record.position} must enter the log alone")
        header, change = record.header, declaration(record)
        expected = self._log.erasures(record.position)
        for position in change.records:
            before = self._log.erased(position)
            for name in check_target(header, change, self._log.header(position)):
                by = before.get(name)
                if by is None:
                    self.erased.append((position, name, record.position))
                elif by > record.position:
                    raise Invalid(f"position {position} says that its part {name} was erased at position {by}, but the "
                                  f"record at position {record.position} declares it too, and comes before")
                expected.discard((position, name))
        if expected:
            position, name = min(expected)
            raise Invalid(f"position {position} says that its part {name} was erased at position {record.position}, "
                          "but the record there does not declare it")
        self.erasure = header

    def _stage(self, record: Record) -> None:
        if self.erasure is not None:
            raise Invalid(f"nothing enters the log together with the erasure at position {self.erasure.position}")
        if record.header.type == ERASURE:
            self._erase(record)
        leaf = merkle.leaf_hash(record.header_bytes)
        self.rows.append((record.position, record.header_bytes.decode(), leaf))
        for part in record.parts:
            self.parts.append((record.position, part.name, part.salt, part.data.decode()))
        self.tiles.extend(self.frontier.append(leaf))

    def savepoint(self) -> Any:  # noqa: ANN401 - opaque to the caller
        """Remember how much is staged."""
        lengths = tuple(len(rows) for rows in (self.rows, self.parts, self.tiles, self.erased, self._undo))
        return lengths, self.frontier.copy(), dict(self.receipts), self.last

    def rollback(self, savepoint: Any) -> None:  # noqa: ANN401 - opaque to the caller
        """Unstage what came after the savepoint."""
        lengths, frontier, receipts, self.last = savepoint
        self.frontier, self.receipts = frontier.copy(), dict(receipts)
        self.erasure = self.erasure if lengths[0] else None
        for stream, before in reversed(self._undo[lengths[-1] :]):
            if before is None:
                self.heads.pop(stream, None)
            else:
                self.heads[stream] = before
        staged = (self.rows, self.parts, self.tiles, self.erased, self._undo)
        for rows, length in zip(staged, lengths, strict=True):
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


__all__ = ["SqliteBatch"]
