"""Whole pages of a sound log at once: the quick way of `timeline.log.verify`, which accepts and never judges.

SQLite puts the columns of a page together, so that they cross into Python in a few values. What is compared is what the
record-by-record check compares. A page in which anything at all differs is left to that check, as if nobody had looked
at it, and so is the rest of the log: findings are made in one place. Pages begin where that check reads its own.

Columns that are put together lose where a row ends and what type it had. `read_page` says how that is made up for.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain
from operator import le, length_hint, lt
from typing import Final

import msgspec

from timeline import merkle
from timeline.log import PART_DOMAIN, SALT_BYTES, Header
from timeline.log.reading import READ_PAGE
from timeline.log.seals import SEAL_BYTES, seal_receipt
from timeline.log.verify_reading import Reader

_PAGE: Final = (  # one statement, during which SQLite does not need Python's lock
    "SELECT * FROM (SELECT json_group_array(position), CAST(group_concat(header, x'0a') AS BLOB), "  # noqa: S608
    "CAST(group_concat(leaf_hash, '') AS BLOB), total(leaf_hash >= x'' AND length(leaf_hash) = 32) FROM "
    "(SELECT position, CAST(header AS BLOB) AS header, leaf_hash FROM record WHERE position > ?1 AND position <= ?2 "
    "ORDER BY position)), (SELECT json_group_array(position), json_group_array(name), "
    f"CAST(group_concat(salted, x'{PART_DOMAIN.hex()}') AS BLOB), "
    f"total(salt >= x'' AND length(salt) = {SALT_BYTES}) FROM "
    "(SELECT position, name, salt, salt || CAST(bytes AS BLOB) AS salted FROM part "
    "WHERE position > ?1 AND position <= ?2 ORDER BY position, name))"
)
_GONE: Final = "SELECT position, name, record FROM erasure WHERE position > ? AND position <= ?"

_HEADS: Final = (
    "SELECT json_group_array(stream), json_group_array(sequence), json_group_array(position) FROM "
    "(SELECT stream, sequence, position FROM stream_head WHERE stream > ? ORDER BY stream LIMIT ?)"
)
_RECEIPTS: Final = (
    "SELECT json_group_array(key), CAST(group_concat(digest, '') AS BLOB), "  # noqa: S608 - constants
    "json_group_array(first), "
    "json_group_array(last), CAST(group_concat(seal, '') AS BLOB) FROM "
    "(SELECT key, digest, first, last, seal FROM receipt WHERE key > ? AND digest >= x'' AND length(digest) = 32 "
    f"AND seal >= x'' AND length(seal) = {SEAL_BYTES} ORDER BY key LIMIT ?)"
)

_headers: Final = msgspec.json.Decoder(Header)
_header_lines: Final = msgspec.json.Encoder()
_integers: Final = msgspec.json.Decoder(list[int])
_names: Final = msgspec.json.Decoder(list[str])


class Differs(Exception):
    """Something in a page is not as in most pages."""


@dataclass(frozen=True, slots=True)
class Page:
    """The columns of some records, each of one piece, and of their parts."""

    positions: list[int]
    headers: bytes
    leaves: bytes
    part_positions: list[int]
    names: list[str]
    salted: list[bytes]
    gone: dict[tuple[int, str], int]


@dataclass(frozen=True, slots=True)
class Sealed:
    """A page whose headers, hashes and parts agree with each other."""

    headers: list[Header]
    leaves: list[bytes]
    parts: int
    """How many are there; `gone` counts those that the table of erasures says are not."""

    gone: int


def read_page(connection: sqlite3.Connection, after: int, *, erasures: bool) -> Page:
    """Read the records of positions `after` + 1 to `after` + `READ_PAGE`.

    JSON arrays keep values and types of positions and names, one for each row. Hashes and salts are counted if they are
    blobs of their length. Headers and parts are split at what is not in them: if it is, the pieces are too many, and
    they are too few if one is NULL.

    Raises:
        sqlite3.DatabaseError, msgspec.MsgspecError, Differs: it is not all as it should be.

    """
    span = (after, after + READ_PAGE)
    row = connection.execute(_PAGE, span).fetchone()
    positions, headers, leaves, hashes, part_positions, names, salted, salts = row
    gone = connection.execute(_GONE, span).fetchall() if erasures else ()
    places = {(position, name): by for position, name, by in gone}
    if len(places) < len(gone) or any(type(by) is not int for by in places.values()):
        raise Differs
    page = Page(
        _integers.decode(positions), headers or b"", leaves or b"", _integers.decode(part_positions),
        _names.decode(names), [] if salted is None else salted.split(PART_DOMAIN), places,
    )
    if hashes != len(page.positions) or salts != len(page.names):
        raise Differs
    return page


def check_page(page: Page, after: int) -> Sealed:
    """Check positions, leaf hashes, canonical form and parts: all that a page can be asked alone.

    The headers are decoded and encoded again together. That they are as they were, each with one line feed after it,
    says that none has a line feed inside, so that each is its own line, and canonical.

    Raises:
        Differs, msgspec.MsgspecError: something is not as in most pages.

    """
    span = list(range(after + 1, after + 1 + len(page.positions)))
    lines = page.headers.split(b"\n")
    headers = _headers.decode_lines(page.headers)
    leaves = [sha256(b"\x00" + line).digest() for line in lines]
    if (page.positions != span or len(lines) != len(span) or b"".join(leaves) != page.leaves
            or _header_lines.encode_lines(headers) != page.headers + b"\n"
            or [header.position for header in headers] != span):
        raise Differs
    _check_parts(page, headers)
    return Sealed(headers, leaves, len(page.names), len(page.gone))


def _check_parts(page: Page, headers: Sequence[Header]) -> None:
    found = [sha256(PART_DOMAIN + salted).hexdigest() for salted in page.salted]
    if not len(found) == len(page.names) == len(page.part_positions):
        raise Differs
    positions = [header.position for header in headers for _ in header.parts]
    parts = [part for header in headers for part in header.parts]
    if not page.gone and page.part_positions == positions and list(zip(page.names, found, strict=True)) == parts:
        return
    promised = {(position, name): digest for position, (name, digest) in zip(positions, parts, strict=True)}
    stored = zip(page.part_positions, page.names, strict=True)
    kept = dict(zip(stored, found, strict=True))
    if len(promised) < len(parts) or len(kept) < len(found) or page.gone.keys() & kept.keys():
        raise Differs
    if promised.keys() != page.gone.keys() | kept.keys() or any(promised[place] != kept[place] for place in kept):
        raise Differs


def check_clock(headers: Sequence[Header], since: str) -> None:
    """Raise `Differs` if a record is older than the one before it, or the first of them older than `since`."""
    times = [since, *[header.recorded_at for header in headers]]
    if not all(map(le, times, times[1:])):
        raise Differs


def follow(headers: Sequence[Header], streams: dict[str, tuple[int, int]]) -> None:
    """Go on with every stream; change nothing, and raise `Differs`, if a record does not follow the last of one."""
    get, nothing = streams.get, (0, 0)
    for count, header in enumerate(headers):
        position, triples = header.position, iter(header.streams)
        for stream, sequence, previous in triples:
            if get(stream, nothing) != (sequence - 1, previous):
                done = len(header.streams) - length_hint(triples) - 1
                unfollow([*chain.from_iterable(each.streams for each in headers[:count]), *header.streams[:done]],
                         streams)
                raise Differs
            streams[stream] = (sequence, position)


def unfollow(triples: Sequence[tuple[str, int, int]], streams: dict[str, tuple[int, int]]) -> None:
    """Take back the last of what `follow` did: each (stream, sequence, position before) says what was there before."""
    for stream, sequence, previous in reversed(triples):
        if previous:
            streams[stream] = (sequence - 1, previous)
        else:
            del streams[stream]


class Edge(merkle.Frontier):
    """The right edge of the tree, to which many leaves can be added at once."""

    __slots__ = ()

    def extend(self, leaves: Sequence[bytes]) -> list[tuple[int, int, bytes]]:
        """Add leaf hashes, as `append` does one by one, level by level; return the tile roots that became complete."""
        row, stack, level, index = list(leaves), self._stack, 0, self.size
        tiles: list[tuple[int, int, bytes]] = []
        left: list[bytes] = []
        while row:
            if index & 1:
                row, index = [stack.pop(), *row], index - 1
            if len(row) & 1:
                left.append(row.pop())
            pairs = iter(row)
            row = [sha256(b"\x01" + first + second).digest() for first, second in zip(pairs, pairs, strict=True)]
            level, index = level + 1, index >> 1
            if level % merkle.TILE == 0:
                tiles += [(level, index + count, node) for count, node in enumerate(row)]
        stack.extend(reversed(left))
        self.size += len(leaves)
        return tiles

    def copy(self) -> Edge:
        """Return an independent copy."""
        return Edge(self.size, self._stack)


def heads_agree(reader: Reader, count: int, streams: Mapping[str, tuple[int, int]]) -> bool:
    """Whether the heads of streams, of which so many are stored, are those that the records lead to, each once."""
    seen, last = 0, ""
    with closing(reader.rows(_HEADS)) as pages:
        for names, (sequences, positions) in pages:
            found = list(zip(_integers.decode(sequences), _integers.decode(positions), strict=True))
            if found != [streams.get(name) for name in names] or not _ascend([last, *names]):
                return False
            seen += len(names)
            last = names[-1] if names else last
    return seen == count == len(streams)


def receipts_agree(reader: Reader, count: int, size: int) -> bool:
    """Whether so many receipts are stored, each agrees with its seal, and none speaks of more than `size` records."""
    seen, last = 0, ""
    with closing(reader.rows(_RECEIPTS)) as pages:
        for keys, (joined, firsts, lasts, seals) in pages:
            digests = _cut(joined or b"", 32)
            first, final = _integers.decode(firsts), _integers.decode(lasts)
            expected = map(seal_receipt, keys, digests, first, final)
            if (b"".join(expected) != (seals or b"") or not len(keys) == len(digests) == len(first) == len(final)
                    or not all(map(le, first, final)) or not _ascend([last, *keys])
                    or (keys and not 1 <= min(first) <= max(final) <= size)):
                return False
            seen += len(keys)
            last = keys[-1] if keys else last
    return seen == count


def _ascend(names: Sequence[str]) -> bool:
    """Whether no name stands twice, as SQLite orders names (by code points, as Python does)."""
    return all(map(lt, names, names[1:]))


def _cut(data: bytes, length: int) -> list[bytes]:
    return [data[start : start + length] for start in range(0, len(data), length)]


__all__ = [
    "Differs", "Edge", "Page", "Sealed", "check_clock", "check_page", "follow", "heads_agree", "read_page",
    "receipts_agree", "unfollow",
]
