"""Seals: short digests of the rows that no Merkle leaf covers, so that a flipped bit in them is seen.

A seal finds damage, not forgery: whoever can write the file can compute it. Receipts, the log's own facts and the
checkpoints it keeps have one; records, parts, tile roots, stream heads and erasures are checked against the hashes.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

SEAL_BYTES: Final = 8
_RECEIPT: Final = b"timeline/receipt/v1\x00"
_FACT: Final = b"timeline/fact/v1\x00"
_CHECKPOINT: Final = b"timeline/checkpoint/v1\x00"


def seal_receipt(key: str, digest: bytes, first: int, last: int) -> bytes:
    """Seal a receipt. What has a fixed length stands first, so that no two receipts are written alike."""
    fixed = len(digest).to_bytes(8) + digest + first.to_bytes(8, signed=True) + last.to_bytes(8, signed=True)
    return sha256(_RECEIPT + fixed + key.encode()).digest()[:SEAL_BYTES]


def seal_fact(name: str, value: str) -> bytes:
    """Seal what the log says of itself under a name."""
    text = name.encode()
    return sha256(_FACT + len(text).to_bytes(8) + text + value.encode()).digest()[:SEAL_BYTES]


def seal_checkpoint(size: int, note: str) -> bytes:
    """Seal a kept checkpoint, signatures and all."""
    return sha256(_CHECKPOINT + size.to_bytes(8, signed=True) + note.encode()).digest()[:SEAL_BYTES]


__all__ = ["SEAL_BYTES", "seal_checkpoint", "seal_fact", "seal_receipt"]
