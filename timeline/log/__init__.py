"""The log: one append-only table of records, one total order without gaps, one writer.

A record is a canonical JSON *header* (the Merkle leaf) and one or more *parts*. The header holds a salted commitment
to each part, ``SHA-256("timeline/part/v1" 00 || salt || bytes)``, so that a part can one day be erased lawfully and
everything still verifies; without the salt, a short quote or a name could be guessed from its digest.

The header names every stream the record belongs to (``event/alaska-summit``, ``actor/donald-trump``) with the record's
sequence number in it and the position before: that is optimistic concurrency and, later, the proof that an actor's
timeline omits nothing. Whatever decides membership in a query is in the header; names and prose never are.

`Log` is the contract; its docstrings are the law that `tests/log_contract.py` checks on every implementation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Annotated, Final, Protocol

import msgspec
from msgspec import Meta, Struct

PART_DOMAIN: Final = b"timeline/part/v1\x00"
SALT_BYTES: Final = 16
"""128 bits, as RFC 9901 asks of salts that must hide guessable content."""

ERASED_DIGEST: Final = bytes(32)
"""Stands in a receipt for the digest of content that was erased."""

DERIVED_KEY: Final = "import:"
"""Idempotency keys that begin so are made from the content: they are erased with it."""

ERASURE: Final = "part.erased"
"""The type of record that declares parts of earlier records erased. Only it may make them go."""

BODY: Final = "body"
Span = tuple[int | None, int | None]


class Header(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """What is hashed. `when` and `about` hold bounds of the event in seconds, null where unbounded.

    `parts` are (name, commitment in hexadecimal), `streams` (name, sequence from 1, position before or 0). A record
    belongs to the streams its event leaves as well as to those it is in; `left` names the ones it leaves. So headers
    alone decide who stands in a timeline, and in which order, whatever is erased later.

    The fields stand in the order of their names, which is the canonical one (RFC 8785): nothing need be sorted.
    """

    about: Span | None = None
    author: str
    id: str
    kind: str | None = None
    left: list[str] = []
    parts: list[tuple[str, str]]
    position: Annotated[int, Meta(ge=1)]
    recorded_at: str
    sequence: int = 0
    status: str | None = None
    streams: list[tuple[str, int, int]]
    type: str
    v: Annotated[int, Meta(ge=0)]
    when: Span | None = None


class Draft(Struct, frozen=True, kw_only=True, gc=False):
    """A record before it has a place: everything but position, time, salts and stream sequences.

    The first of `streams` is the record's subject: the event, actor or source it is about.
    """

    type: str
    version: int
    author: str
    streams: tuple[str, ...]
    parts: tuple[tuple[str, bytes], ...]
    about: Span | None = None
    kind: str | None = None
    left: tuple[str, ...] = ()
    sequence: int = 0
    status: str | None = None
    when: Span | None = None


class Part(Struct, frozen=True, gc=False):
    """One part as stored. `data` are the exact bytes committed to."""

    name: str
    salt: bytes
    data: bytes


@dataclass(slots=True)
class Record:
    """A sealed record: exactly the bytes that were hashed, and its parts."""

    position: int
    header_bytes: bytes
    parts: tuple[Part, ...]
    erased: tuple[str, ...] = ()
    """Names of the parts that a later record declares erased."""

    _header: Header | None = field(default=None, repr=False)

    erased_by: tuple[int, ...] = ()
    """Positions of the records that declare it, in the order of `erased`; empty where only the names are known."""

    @property
    def header(self) -> Header:
        """The decoded header."""
        if self._header is None:
            self._header = decode_header(self.header_bytes)
        return self._header

    def part(self, name: str = BODY) -> bytes:
        """Give the bytes of one part; `KeyError` where it is missing."""
        return self.contents()[name]

    def contents(self) -> dict[str, bytes]:
        """Give the bytes of every part that is there, by name."""
        return {part.name: part.data for part in self.parts}


@dataclass(frozen=True, slots=True)
class Head:
    """How far the log goes: its size (the last position) and the Merkle root of that size."""

    size: int
    root: bytes
    recorded_at: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an idempotency key was used for: the digest of the content, and the positions it became.

    The digest is not salted, so anyone could guess at the content. It is zero once something of that was erased: the
    key was used, and can never be used again.
    """

    digest: bytes
    first: int
    last: int

    @property
    def erased(self) -> bool:
        """Whether something of what the key was used for was erased."""
        return self.digest == ERASED_DIGEST


class Batch(Protocol):
    """Records being appended together: all of them, or none."""

    def receipt(self, key: str) -> Receipt | None:
        """Find what `key` was used for, in the log or earlier in this batch."""

    def subject(self, position: int) -> str:
        """Give the first stream of the record at a position, in the log or earlier in this batch."""

    def expect(self, streams: Sequence[str], keys: Sequence[str]) -> None:
        """Look up at once the streams and keys about to be used. A hint: nothing depends on it."""

    def seal(self, draft: Draft) -> Record:
        """Give the draft the next position, hash it and stage it.

        A record of type `ERASURE` is alone in its batch: in the same commit the parts it declares erased are gone, and
        the digests of what they held. `Invalid` where it speaks of parts that never were.
        """

    def adopt(self, record: Record) -> Record:
        """Stage a record sealed elsewhere, bytes unchanged. `Invalid` unless it is exactly the next one.

        Parts may be missing that it says (`erased`, `erased_by`) a later record declares erased; that one must follow.
        """

    def remember(self, key: str, receipt: Receipt) -> None:
        """Keep the answer to `key` for ever."""

    def savepoint(self) -> object:
        """Mark a place to come back to."""

    def rollback(self, savepoint: object) -> None:
        """Take back everything staged since the mark."""


class Log(Protocol):
    """An append-only, gapless, totally ordered sequence of records."""

    @property
    def origin(self) -> str:
        """The log's own name, chosen when it was made; part of every checkpoint."""

    def batch(self) -> AbstractContextManager[Batch]:
        """Append on leaving the block, durably: when it returns, the records survive a power cut. One at a time."""

    def head(self) -> Head:
        """Give size and root."""

    def read(self, after: int = 0, limit: int | None = None) -> Iterator[Record]:
        """Yield records with positions > `after`, in order. Safe beside a writer."""

    def hashes(self, level: int, start: int, stop: int) -> list[bytes]:
        """Give stored hashes (see `timeline.merkle.Hashes`)."""

    def position_at(self, recorded_at: str) -> int:
        """Give the last position recorded at or before a time (0: nothing was)."""

    def close(self) -> None:
        """Let go of the file and of the right to write."""


_header_encoder = msgspec.json.Encoder()
_header_decoder = msgspec.json.Decoder(Header)


def encode_header(header: Header) -> bytes:
    """Encode canonically: these bytes are the Merkle leaf."""
    return _header_encoder.encode(header)


def decode_header(data: bytes) -> Header:
    """Decode a stored header."""
    return _header_decoder.decode(data)


def commitment(salt: bytes, data: bytes) -> str:
    """Commit to a part's bytes, in hexadecimal."""
    return sha256(PART_DOMAIN + salt + data).hexdigest()


def timestamp(now: datetime | None = None) -> str:
    """Give UTC as fixed-width RFC 3339 text with microseconds: it sorts as text, and has one form."""
    moment = now or datetime.now(UTC)  # noqa: TID251 - the one clock of the package
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
