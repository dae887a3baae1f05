"""What a snapshot is, to the byte: canonical JSON without clock, host, float, signature or locale.

Two digests. The *id* is the SHA-256 of the manifest (log, question, and for each event the positions that formed it):
it needs no content, so it survives a lawful erasure. The *content* digest covers the bytes with everything the events
say. The same log, question and size give the same bytes on any machine for ever; `PROJECTOR` changes with the fold.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Annotated, Any, Final, Protocol, TypeVar

import msgspec
from msgspec import Meta, Struct

from timeline.errors import Invalid, Malformed
from timeline.records import canonical, check_depth

FORMAT: Final = "timeline.snapshot/1"
MANIFEST: Final = "timeline.manifest/1"
MEDIA_TYPE: Final = "application/vnd.timeline.snapshot+json"
PROJECTOR: Final = {"name": "timeline", "version": 1}
"""Which fold made the events. Raise the version with any change of what a record means."""

Hex = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]
Position = Annotated[int, Meta(ge=1)]


class LogAt(Struct, frozen=True, forbid_unknown_fields=True):
    """A log at a size, with the Merkle root of that size in hexadecimal."""

    origin: str
    root: Hex
    size: Annotated[int, Meta(ge=0)]


class Entry(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One event: what it says, the records that formed it, and what is derived from them.

    `earliest` and `latest` are RFC 3339 text, absent where unbounded. `erased` says what was taken away since.
    """

    event: dict[str, Any]
    positions: list[Position]
    revision: dict[str, Any]
    earliest: str | None = None
    latest: str | None = None
    merged_from: list[str] = []
    retracted: dict[str, Any] | None = None
    erased: dict[str, Any] | None = None


class Snapshot(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=False):
    """The answer to one question at one size of the log, whole and in one order."""

    actors: list[dict[str, Any]]
    entries: list[Entry]
    format: str
    log: LogAt
    projector: dict[str, Any]
    query: dict[str, Any]
    sources: list[dict[str, Any]]

    def content(self) -> bytes:
        """Give the canonical bytes."""
        return canonical(self)

    def manifest(self) -> dict[str, Any]:
        """Give what the id is made of: the question, the log, and what formed each entry."""
        return manifest(self.log, self.query, [(entry.event["id"], entry.positions) for entry in self.entries])

    @property
    def id(self) -> str:
        """The snapshot's id, in hexadecimal."""
        return digest(canonical(self.manifest()))


def manifest(log: LogAt, query: dict[str, Any], formed: Sequence[tuple[str, list[int]]]) -> dict[str, Any]:
    """Give the manifest of entries known by id and positions."""
    return {
        "entries": [[event, positions] for event, positions in formed], "format": MANIFEST,
        "log": {"origin": log.origin, "root": log.root, "size": log.size}, "projector": PROJECTOR, "query": query,
    }


def named(entries: Iterable[Entry]) -> tuple[set[str], set[str]]:
    """Give the actors and sources that entries name."""
    actors: set[str] = set()
    sources: set[str] = set()
    for entry in entries:
        event = entry.event
        for part in event.get("actors", ()):
            actors.update(filter(None, (part["id"], part.get("on_behalf_of"))))
        actors.update(stance["actor"] for stance in event.get("stances", ()))
        sources.update(citation["source"] for citation in event.get("citations", ()))
    return actors, sources


def digest(data: bytes) -> str:
    """Give the SHA-256 of bytes, in hexadecimal."""
    return sha256(data).hexdigest()


class Document(Protocol):
    """A snapshot or a bundle: what has a format and one canonical form."""

    @property
    def format(self) -> str:
        """Which format it is of."""


Made = TypeVar("Made", bound=Document)


def decode_strictly(data: bytes, decoder: msgspec.json.Decoder[Made], what: str, format_: str) -> Made:
    """Read a document strictly: its bytes must be the canonical ones.

    That refuses members named twice, other spellings of numbers and text, and white space, all at once.

    Raises:
        Malformed: not JSON, or not in canonical form.
        Invalid: it is not a document of this format.

    """
    check_depth(data)
    try:
        made = decoder.decode(data)
    except msgspec.ValidationError as error:
        raise Invalid(f"not a {what}: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(f"not a {what}: {error}") from None
    if made.format != format_:
        raise Invalid(f"format: expected {format_}, got {made.format!r}")
    if canonical(made) != data.strip(b"\n"):
        raise Malformed(f"the {what} is not in canonical form: some byte was changed, or a program wrote it anew")
    return made


_decoder = msgspec.json.Decoder(Snapshot)


def decode_snapshot(data: bytes) -> Snapshot:
    """Read a snapshot; see `decode_strictly` for the errors."""
    return decode_strictly(data, _decoder, "snapshot", FORMAT)


__all__ = [
    "FORMAT", "MEDIA_TYPE", "PROJECTOR", "Entry", "LogAt", "Snapshot", "decode_snapshot", "decode_strictly", "digest",
    "manifest", "named",
]
