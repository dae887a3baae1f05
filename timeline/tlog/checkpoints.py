"""Checkpoints: how large a log is, and the root of its tree (C2SP tlog-checkpoint 1.0.0).

A checkpoint is a signed note. That of a log without a key is its text alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from timeline.merkle import HASH_BYTES, MAX_SIZE
from timeline.tlog.keys import Verifier
from timeline.tlog.notes import Note, open_note
from timeline.tlog.text import NoteError, as_text, encode_base64, parse_decimal, parse_hash


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Origin (the log's name), number of leaves, root hash (32 bytes).

    Whether the root of an empty log is that of the empty tree is no matter of form, and not checked here: a witness
    answers it in another way than a malformed text (C2SP tlog-witness, "add-checkpoint").
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()
    """Further lines: opaque, audited by nobody, not recommended."""

    def __post_init__(self) -> None:
        """Check that the text can be written, so that what is made can be read.

        Raises:
            NoteError: it cannot.

        """
        for line, what in [(self.origin, "the origin"), *((line, "an extension line") for line in self.extensions)]:
            if not line or "\n" in as_text(line, what):
                raise NoteError(f"{what} must be one line that is not empty")
        if not 0 <= self.size <= MAX_SIZE:
            raise NoteError(f"the size of a tree must be from 0 to 2^63 - 1, got {self.size}")
        if len(self.root) != HASH_BYTES:
            raise NoteError(f"the root hash must have {HASH_BYTES} bytes, got {len(self.root)}")

    @property
    def text(self) -> str:
        """The text of the note: what is signed."""
        return "".join(f"{line}\n" for line in (self.origin, self.size, encode_base64(self.root), *self.extensions))

    @classmethod
    def parse(cls, text: str | bytes, *, extensions: bool = False) -> Checkpoint:
        """Read the text of a checkpoint, without signatures (C2SP tlog-checkpoint, "Note text").

        `extensions` tolerates further lines: the specification lets a log have them, ours never do.

        Raises:
            NoteError: it is not a checkpoint.

        """
        lines = as_text(text, "a checkpoint").split("\n")
        if len(lines) < 4 or lines.pop():
            raise NoteError("a checkpoint must be three lines, each with a line feed: origin, size, root hash")
        origin, size, root, *rest = lines
        if rest and not extensions:
            raise NoteError("a checkpoint must have no lines after its root hash")
        return cls(origin, parse_decimal(size, "the size"), parse_hash(root, "the root hash"), tuple(rest))


class SignedCheckpoint(NamedTuple):
    """A checkpoint and the note it came in, whose `verified` signatures tell who else signed."""

    checkpoint: Checkpoint
    note: Note


def open_checkpoint(
    note: str | bytes, origin: str, log: Verifier, *others: Verifier, extensions: bool = False
) -> SignedCheckpoint:
    """Verify a checkpoint: by the key of the log, and of the log named `origin`.

    A good signature by one of `others` (witnesses) is not enough: they are reported in the note.

    Raises:
        NoteError: the note does not verify, the log did not sign it, or it is another log's.
        TimelineError: the package cryptography is not installed.

    """
    opened = open_note(note, (log, *others))
    if not opened.signed_by(log):
        raise NoteError(f"the checkpoint is not signed by the log's key {log.name}+{log.key_id.hex()}")
    checkpoint = Checkpoint.parse(opened.text, extensions=extensions)
    if checkpoint.origin != origin:
        raise NoteError(f"the checkpoint is of the log {checkpoint.origin}, expected {origin}")
    return SignedCheckpoint(checkpoint, opened)
