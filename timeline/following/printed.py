"""The text of evidence: what a person reads, and the two checkpoints and the proof that a program reads back.

How many lines each part has is said before it, so that nothing inside a checkpoint can be taken for the end of it.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from itertools import islice
from typing import Final, NamedTuple

from timeline.errors import Malformed
from timeline.following.proving import Standing, standing
from timeline.following.reading import read
from timeline.merkle import ProofError, consistency_roots
from timeline.tlog import Checkpoint

FIRST_LINE: Final = "timeline fork-evidence v1"
NO_PROOF: Final = "consistency proof: none was given"
_COUNT: Final = re.compile(r"(first|second) checkpoint, ([1-9][0-9]{0,5}) lines:")
_PROOF: Final = re.compile(r"consistency proof, (0|[1-9][0-9]?) hashes:")

SIGNATURES: Final = "Check both signatures below with the log's verifier key (C2SP signed-note, Ed25519)."
HOW: Final = {
    Standing.TWO_ROOTS: ("If both are good, the holder of the key signed two histories. Nothing else is needed.",),
    Standing.OF_LARGER: (
        "Compute the roots from the proof below (RFC 9162 section 2.1.4.2). It leads to the larger root, so its",
        "hashes are of that tree, and to another smaller root than the one claimed. If both signatures are good, the",
        "holder of the key signed two histories.",
    ),
    Standing.OPEN: (
        "That alone does not prove two histories: a proof may have been spoilt or kept back by others than the log.",
        "Ask the log for a proof that holds. Or take all records of the larger checkpoint, check that they lead to",
        "its root, and compute the root at the smaller size: if it is not the one claimed, the holder of the key",
        "signed two histories.",
    ),
    Standing.HOLDS: ("The consistency proof holds: this is no evidence.",),
}


class Parts(NamedTuple):
    """What the text is made of, and is read back as."""

    first: str
    second: str
    proof: tuple[bytes, ...] | None


def write_text(parts: Parts, finding: str) -> str:
    """Write evidence down; the same parts give the same text."""
    first, second = read(parts.first).checkpoint, read(parts.second).checkpoint
    old, new = sorted((first, second), key=lambda each: each.size)
    return "\n".join([
        FIRST_LINE, f"log: {first.origin}", f"finding: {finding}", "",
        "What was claimed", *_claimed("First", first), *_claimed("Later", second),
        "A log only grows: one of the two has to be the beginning of the other.", "",
        "What failed", *_failed(parts.proof, old, new), "",
        "How to check it", SIGNATURES, *HOW[standing(parts.proof, old, new)], "",
        *_block("first", parts.first), "", *_block("second", parts.second), "", *_proof_lines(parts.proof), "",
    ])


def read_text(text: str) -> Parts:
    """Read the parts back. The words around them are for the caller to compare.

    Raises:
        Malformed: a part is missing or cut short.

    """
    lines = _Lines(text)
    if lines.next() != FIRST_LINE:
        raise Malformed(f"evidence: expected the first line {FIRST_LINE!r}")
    return Parts(lines.checkpoint("first"), lines.checkpoint("second"), lines.proof())


def _claimed(when: str, checkpoint: Checkpoint) -> list[str]:
    return [f"{when} the log showed a checkpoint of size {checkpoint.size} with the root", f"  {_b64(checkpoint.root)}"]


def _failed(proof: tuple[bytes, ...] | None, old: Checkpoint, new: Checkpoint) -> list[str]:
    """Say which check failed, and what it computed."""
    if old.size == new.size:
        return ["Two checkpoints of one size are of one history only if their roots are equal. These are not."]
    went = f"from size {old.size} to size {new.size}"
    if proof is None:
        return [f"No consistency proof {went} was given, so nothing shows that they are of one history."]
    try:
        old_root, new_root = consistency_roots(old.size, new.size, proof, old.root)
    except ProofError as error:
        return [f"The consistency proof {went} that was given is not one: {error}."]
    return [
        f"The consistency proof {went} that was given (RFC 9162 section 2.1.4.2) leads to these roots:",
        f"  at size {old.size}: {_compared(old_root, old.root)}",
        f"  at size {new.size}: {_compared(new_root, new.root)}",
    ]


def _compared(root: bytes, claimed: bytes) -> str:
    return f"{_b64(root)}, {'as claimed' if root == claimed else 'not the one claimed'}"


def _block(which: str, note: str) -> list[str]:
    lines = note.split("\n")[:-1]
    return [f"{which} checkpoint, {len(lines)} lines:", *lines]


def _proof_lines(proof: tuple[bytes, ...] | None) -> list[str]:
    if proof is None:
        return [NO_PROOF]
    return [f"consistency proof, {len(proof)} hashes:", *map(_b64, proof)]


def _b64(value: bytes) -> str:
    return b64encode(value).decode()


class _Lines:
    """The lines of the text, taken one after the other."""

    def __init__(self, text: str) -> None:
        self._lines = iter(text.split("\n"))

    def next(self) -> str:
        return next(self._lines, "")

    def checkpoint(self, which: str) -> str:
        for line in self._lines:
            if (found := _COUNT.fullmatch(line)) is not None and found[1] == which:
                return "".join(f"{each}\n" for each in self._take(int(found[2]), f"the {which} checkpoint"))
        raise Malformed(f"evidence: the {which} checkpoint is missing")

    def proof(self) -> tuple[bytes, ...] | None:
        line = next((line for line in self._lines if line), "")
        if line == NO_PROOF:
            return None
        if (found := _PROOF.fullmatch(line)) is None:
            raise Malformed(f"evidence: expected the consistency proof after the checkpoints, got {line[:80]!r}")
        return tuple(map(_hash, self._take(int(found[1]), "the proof")))

    def _take(self, count: int, what: str) -> list[str]:
        lines = list(islice(self._lines, count))
        if len(lines) < count:
            raise Malformed(f"evidence: {what} is cut short: expected {count} lines, got {len(lines)}")
        return lines


def _hash(line: str) -> bytes:
    try:
        return b64decode(line, validate=True)
    except (Base64Error, ValueError):
        raise Malformed(f"evidence: a hash of the proof is not base64: {line[:80]!r}") from None
