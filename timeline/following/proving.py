"""Where a consistency proof really leads, and what follows about the holder of the key that signed both checkpoints.

Two checkpoints of one size with different roots prove two histories by themselves. With different sizes it depends on
the consistency proof (RFC 9162 section 2.1.4):

- It leads to the larger root that was signed, and to another smaller one: that proves two histories. Hashes that lead
  to a root are those of its tree, unless SHA-256 is broken; so the larger tree does not begin with the smaller.
- It does not lead to the larger root, or there is none: that proves nothing. Whoever handed it over may have spoilt it.
  It is a challenge, which an honest log meets with a proof that holds. Where the smaller size is a power of two, the
  proof starts from the smaller root itself, and so can only fail in this way.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from timeline.merkle import HASH_BYTES, ProofError, node_hash, verify_consistency
from timeline.tlog import Checkpoint


class Standing(Enum):
    """What two checkpoints of one log and a proof between them come to, provided that both are signed."""

    TWO_ROOTS = "two roots at one size"
    OF_LARGER = "the proof is of the larger tree, which does not begin with the smaller"
    OPEN = "no proof, or one that may have been spoilt"
    HOLDS = "one history"


def standing(proof: Sequence[bytes] | None, old: Checkpoint, new: Checkpoint) -> Standing:
    """Judge a proof between two checkpoints; `old` is the smaller."""
    if old.size == new.size:
        return Standing.HOLDS if old.root == new.root else Standing.TWO_ROOTS
    if proof is None:
        return Standing.OPEN
    try:
        verify_consistency(old.size, new.size, proof, old.root, new.root)
    except ProofError:
        return Standing.OF_LARGER if _leads_to_larger(proof, old, new) else Standing.OPEN
    return Standing.HOLDS


def _leads_to_larger(proof: Sequence[bytes], old: Checkpoint, new: Checkpoint) -> bool:
    try:
        return consistency_roots(old.size, new.size, proof, old.root)[1] == new.root
    except ProofError:
        return False


def consistency_roots(old: int, new: int, proof: Sequence[bytes], old_root: bytes) -> tuple[bytes, bytes]:
    """Compute the roots a proof leads to, at `old` and at `new`; it holds if they are those claimed.

    Where `old` is a power of two, the proof starts from `old_root` itself (RFC 9162 section 2.1.4.2, step 2).

    Raises:
        ProofError: it has not the shape of a proof between these sizes.

    """
    if not 0 < old < new:
        raise ProofError(f"nothing to prove between sizes {old} and {new}")
    if not proof:
        raise ProofError("the proof is empty")
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    if any(len(hash_) != HASH_BYTES for hash_ in path):
        raise ProofError(f"expected hashes of {HASH_BYTES} bytes")
    fn, sn = old - 1, new - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    first = second = path[0]
    for hash_ in path[1:]:
        if sn == 0:
            raise ProofError("the proof is too long")
        if fn & 1 or fn == sn:
            first, second = node_hash(hash_, first), node_hash(hash_, second)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            second = node_hash(second, hash_)
        fn, sn = fn >> 1, sn >> 1
    if sn:
        raise ProofError("the proof is too short")
    return first, second
