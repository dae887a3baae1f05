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

from timeline.merkle import ProofError, consistency_roots, verify_consistency
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
