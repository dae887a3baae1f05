"""Proofs to keep in a file: that an entry is in a log, verifiable offline (c2sp.org/tlog-proof@v1, ``.tlog-proof``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from timeline.merkle import HASH_BYTES, MAX_SIZE, verify_inclusion
from timeline.tlog.checkpoints import SignedCheckpoint, open_checkpoint
from timeline.tlog.keys import Verifier
from timeline.tlog.text import NoteError, as_text, encode_base64, parse_base64, parse_decimal, parse_hash

HEADER: Final = "c2sp.org/tlog-proof@v1"
MAX_HASHES: Final = 63
"""Hashes in a path of any tree below 2^63."""


@dataclass(frozen=True, slots=True)
class TlogProof:
    """Leaf index (from 0), inclusion proof (RFC 9162 section 2.1.3), the checkpoint note as it is, and extra bytes.

    The extra bytes are authenticated by nothing.
    """

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: str
    extra: bytes | None = None

    def __post_init__(self) -> None:
        """Check that the text can be written, so that what is made can be read.

        Raises:
            NoteError: it cannot.

        """
        object.__setattr__(self, "hashes", tuple(self.hashes))
        if not 0 <= self.index <= MAX_SIZE:
            raise NoteError(f"the index must be from 0 to 2^63 - 1, got {self.index}")
        if len(self.hashes) > MAX_HASHES:
            raise NoteError(f"a proof must have no more than {MAX_HASHES} hashes, got {len(self.hashes)}")
        if any(len(hash_) != HASH_BYTES for hash_ in self.hashes):
            raise NoteError(f"each hash of the proof must have {HASH_BYTES} bytes")
        if not as_text(self.checkpoint, "the checkpoint").endswith("\n"):
            raise NoteError("the checkpoint must end in a line feed")

    @property
    def text(self) -> str:
        """The contents of the file."""
        extra = [] if self.extra is None else [f"extra {encode_base64(self.extra)}"]
        head = [HEADER, *extra, f"index {self.index}", *map(encode_base64, self.hashes)]
        return "\n".join([*head, "", self.checkpoint])

    @classmethod
    def parse(cls, text: str | bytes) -> TlogProof:
        """Read a proof (C2SP tlog-proof, "Format"). Nothing in it is verified.

        Raises:
            NoteError: it is malformed.

        """
        head, empty, checkpoint = as_text(text, "the proof").partition("\n\n")
        first, *lines = head.split("\n")
        if first != HEADER:
            raise NoteError(f"a proof must begin with the line {HEADER}")
        if not empty:
            raise NoteError("a proof must have an empty line and a checkpoint after its hashes")
        extra = None
        if lines and lines[0].startswith("extra "):
            extra = parse_base64(lines.pop(0).removeprefix("extra "), "the extra data")
        if not lines or not lines[0].startswith("index "):
            raise NoteError("a proof must have a line 'index <number>' before its hashes")
        index = parse_decimal(lines.pop(0).removeprefix("index "), "the index")
        if len(lines) > MAX_HASHES:  # before decoding any
            raise NoteError(f"a proof must have no more than {MAX_HASHES} hashes, got {len(lines)}")
        return cls(index, tuple(parse_hash(line, "a hash of the proof") for line in lines), checkpoint, extra)

    def verify(self, leaf: bytes, origin: str, log: Verifier, *witnesses: Verifier) -> SignedCheckpoint:
        """Verify that the leaf with the hash `leaf` is in the log (C2SP tlog-proof, "Verifying a tlog proof").

        How many witnesses must have signed is for the caller to decide, from the note that comes back.

        Raises:
            NoteError: the checkpoint does not verify, or is another log's.
            ProofError: the leaf is not proven to be in the tree of the checkpoint.
            TimelineError: the package cryptography is not installed.

        """
        opened = open_checkpoint(self.checkpoint, origin, log, *witnesses, extensions=True)
        verify_inclusion(self.index, opened.checkpoint.size, leaf, self.hashes, opened.checkpoint.root)
        return opened
