"""Witnesses: their signatures on other logs' checkpoints, and how they are asked for them.

C2SP tlog-cosignature 1.0.1 (Ed25519, ``cosignature/v1``) and tlog-witness 1.0.0 (``add-checkpoint``). A cosignature
says: at that time, this was the largest consistent tree of that log that I had seen. The ML-DSA-44 form is not here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from timeline.merkle import HASH_BYTES, MAX_SIZE
from timeline.tlog.checkpoints import Checkpoint
from timeline.tlog.keys import COSIGNATURE, PrivateKey, Verifier, verify_ed25519
from timeline.tlog.notes import Signature, parse_note
from timeline.tlog.text import NoteError, as_text, encode_base64, parse_decimal, parse_hash

MAX_PROOF: Final = 63
"""Lines of proof in one request, and hashes in a path of any tree below 2^63."""

_TIME_BYTES: Final = 8
_SIGNATURE_BYTES: Final = 64


def _message(time: int, text: bytes) -> bytes:
    """Give what is signed (C2SP tlog-cosignature, "Ed25519 signed message")."""
    return b"cosignature/v1\ntime %d\n" % time + text


@dataclass(frozen=True)
class CosignatureVerifier(Verifier):
    """The public key of a witness (type 0x04). `open_note` takes it like any other verifier."""

    type_byte: ClassVar[int] = COSIGNATURE

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether `signature` (time as u64 big-endian, then 64 bytes) is this witness's on the checkpoint `message`."""
        time = int.from_bytes(signature[:_TIME_BYTES], "big")
        if len(signature) != _TIME_BYTES + _SIGNATURE_BYTES or time > MAX_SIZE:
            return False
        return verify_ed25519(self.public, _message(time, message), signature[_TIME_BYTES:])


@dataclass(frozen=True)
class CosignatureSigner(PrivateKey):
    """The secret key of a witness."""

    type_byte: ClassVar[int] = COSIGNATURE

    @property
    def verifier(self) -> CosignatureVerifier:
        """The public half."""
        return CosignatureVerifier(self.name, self.public)

    def sign(self, text: str, time: int) -> str:
        """Give the cosignature line on the text of a checkpoint, at `time` in seconds since 1970-01-01T00:00:00Z.

        Raises:
            NoteError: the text is not a checkpoint, or the time is not from 1 to 2^63 - 1. (A witness's answer must not
                omit the time: C2SP tlog-witness, "add-checkpoint".)

        """
        Checkpoint.parse(text, extensions=True)
        if not 1 <= time <= MAX_SIZE:
            raise NoteError(f"the time of a cosignature must be from 1 to 2^63 - 1 seconds, got {time}")
        blob = time.to_bytes(_TIME_BYTES, "big") + self._sign(_message(time, text.encode()))
        return Signature(self.name, self.key_id, blob).line


def cosigned_at(signature: Signature) -> int:
    """Give the time a cosignature names, in seconds since 1970-01-01T00:00:00Z; it is signed, so verify it first.

    Raises:
        NoteError: it is not an Ed25519 cosignature.

    """
    time = int.from_bytes(signature.blob[:_TIME_BYTES], "big")
    if len(signature.blob) != _TIME_BYTES + _SIGNATURE_BYTES or time > MAX_SIZE:
        raise NoteError("the signature is not a timestamped Ed25519 cosignature")
    return time


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """What a witness is asked with ``POST /add-checkpoint`` (C2SP tlog-witness, "add-checkpoint").

    This is the form only. Whether the old size is the one last cosigned, is not above the new one, and is proven, is
    for the witness to check: each has an answer of its own.
    """

    old_size: int
    proof: tuple[bytes, ...]
    """Consistency proof from the old size to the checkpoint's (RFC 9162 section 2.1.4)."""
    checkpoint_note: str

    def __post_init__(self) -> None:
        """Check that a witness can read it.

        Raises:
            NoteError: it could not.

        """
        object.__setattr__(self, "proof", tuple(self.proof))
        if not 0 <= self.old_size <= MAX_SIZE:
            raise NoteError(f"the old size must be from 0 to 2^63 - 1, got {self.old_size}")
        if len(self.proof) > MAX_PROOF:
            raise NoteError(f"a request must have no more than {MAX_PROOF} lines of proof, got {len(self.proof)}")
        if any(len(hash_) != HASH_BYTES for hash_ in self.proof):
            raise NoteError(f"each hash of the proof must have {HASH_BYTES} bytes")
        Checkpoint.parse(parse_note(self.checkpoint_note).text, extensions=True)

    def body(self) -> str:
        """Give the body of the request."""
        lines = [f"old {self.old_size}", *map(encode_base64, self.proof), "", self.checkpoint_note]
        return "\n".join(lines)

    @classmethod
    def parse(cls, body: str | bytes) -> AddCheckpoint:
        """Read the body of a request. Nothing in it is verified.

        Raises:
            NoteError: it is malformed: answer 400.

        """
        head, empty, note = as_text(body, "the request").partition("\n\n")
        old, *proof = head.split("\n")
        if not empty or not old.startswith("old "):
            raise NoteError("the request must be a line 'old <size>', lines of proof, an empty line and a checkpoint")
        if len(proof) > MAX_PROOF:  # before decoding any
            raise NoteError(f"a request must have no more than {MAX_PROOF} lines of proof, got {len(proof)}")
        hashes = (parse_hash(line, "a line of the proof") for line in proof)
        return cls(parse_decimal(old.removeprefix("old "), "the old size"), tuple(hashes), note)
