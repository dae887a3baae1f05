"""What a checkpoint and a proof look like as JSON: the same from the server and on the command line.

Roots and leaf hashes are hexadecimal, as everywhere in this API; the hashes of a proof are standard base64, as C2SP
writes them. A header is the exact text that was hashed: canonical JSON, without spaces.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from timeline.chronicle import AnyTimeline
from timeline.errors import NotFound
from timeline.merkle import HASH_BYTES, ProofError, leaf_hash
from timeline.tlog import TlogProof
from timeline.tlog.text import NoteError, encode_base64, parse_hash

NO_KEY: Final = (
    "this log has no key, so it signs nothing: `timeline key generate` makes one for its server; /v1/checkpoint gives "
    "size and root without a signature"
)


class CheckpointBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """How large the log was, its root and the note that says so; `key` (a vkey) where the note is signed."""

    origin: str
    size: int
    root: str
    recorded_at: str | None
    """When the last record of that size was recorded; null for an empty log."""
    note: str
    key: str | None = None


class Inclusion(msgspec.Struct, frozen=True, omit_defaults=True):
    """That one record is in the log of a size (RFC 9162 section 2.1.3)."""

    position: int
    size: int
    leaf_index: int
    leaf_hash: str
    root: str
    proof: list[str]
    header: msgspec.Raw
    note: str
    key: str | None = None


class Inclusions(msgspec.Struct, frozen=True, omit_defaults=True):
    """That many records are in the log of a size, at once (see `timeline.merkle.multiproof`)."""

    positions: list[int]
    size: int
    leaf_hashes: list[str]
    root: str
    proof: list[str]
    headers: list[msgspec.Raw]
    note: str
    key: str | None = None


class Consistency(msgspec.Struct, frozen=True):
    """That the log of one size extends that of another (RFC 9162 section 2.1.4)."""

    old: int
    new: int
    old_root: str
    new_root: str
    proof: list[str]


def checkpoint(timeline: AnyTimeline, size: int | None = None) -> CheckpointBody:
    """Give the checkpoint of a size, or of the whole log; `NotFound` beyond the head."""
    shown = timeline.checkpoint(size)
    recorded_at = timeline.record_at(shown.size).header.recorded_at if shown.size else None
    return CheckpointBody(
        shown.origin, shown.size, shown.root.hex(), recorded_at, timeline.checkpoint_text(shown.size), vkey(timeline)
    )


def inclusion(timeline: AnyTimeline, position: int, size: int) -> Inclusion:
    """Prove one record. `NotFound` for a size beyond the head, `Invalid` for a position beyond the size."""
    proof = _texts(timeline.prove_inclusion(position, size))
    header = timeline.record_at(position).header_bytes
    return Inclusion(
        position, size, position - 1, leaf_hash(header).hex(), timeline.root_at(size).hex(), proof, msgspec.Raw(header),
        timeline.checkpoint_text(size), vkey(timeline),
    )


def inclusions(timeline: AnyTimeline, positions: Iterable[int], size: int) -> Inclusions:
    """Prove several records at once, in the order of the log. Errors as of `inclusion`."""
    wanted = sorted(set(positions))
    for position in (*wanted[:1], *wanted[-1:]):
        timeline.prove_inclusion(position, size)  # refuses what lies outside
    headers = [timeline.record_at(position).header_bytes for position in wanted]
    return Inclusions(
        wanted, size, [leaf_hash(header).hex() for header in headers], timeline.root_at(size).hex(),
        _texts(timeline.prove_all(wanted, size)), [msgspec.Raw(header) for header in headers],
        timeline.checkpoint_text(size), vkey(timeline),
    )


def consistency(timeline: AnyTimeline, old: int, new: int) -> Consistency:
    """Prove that the log only grew. `NotFound` for a size beyond the head, `Invalid` where `old` is the larger."""
    proof = _texts(timeline.prove_consistency(old, new))
    return Consistency(old, new, timeline.root_at(old).hex(), timeline.root_at(new).hex(), proof)


def tlog_proof(timeline: AnyTimeline, position: int, size: int) -> str:
    """Prove one record in a file of its own (c2sp.org/tlog-proof@v1); its extra data is the record's header.

    Raises:
        NotFound: the log has no key, or not that many records.
        Invalid: the position lies beyond the size.

    """
    if timeline.signer is None:
        raise NotFound(NO_KEY)
    proof = timeline.prove_inclusion(position, size)
    header = timeline.record_at(position).header_bytes
    return TlogProof(position - 1, tuple(proof), timeline.checkpoint_text(size), header).text


def vkey(timeline: AnyTimeline) -> str | None:
    """Give the public key of the log, if it has one here."""
    return None if timeline.signer is None else timeline.signer.verifier.vkey


def hashes(proof: Iterable[str]) -> list[bytes]:
    """Read the hashes of a proof back.

    Raises:
        ProofError: one is not the base64 of 32 bytes.

    """
    try:
        return [parse_hash(text, "a hash of the proof") for text in proof]
    except NoteError as error:
        raise ProofError(str(error)) from None


def root(text: str) -> bytes:
    """Read a root or a leaf hash back.

    Raises:
        ProofError: it is not 32 bytes in hexadecimal.

    """
    try:
        data = bytes.fromhex(text)
    except ValueError:
        data = b""
    if len(data) != HASH_BYTES:
        raise ProofError(f"expected {HASH_BYTES} bytes in hexadecimal")
    return data


def _texts(proof: Iterable[bytes]) -> list[str]:
    return [encode_base64(hash_) for hash_ in proof]
