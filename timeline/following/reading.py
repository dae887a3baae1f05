"""Reading a checkpoint somebody hands over: a signed note, or the bare text of a log without a key."""

from __future__ import annotations

from dataclasses import dataclass

from timeline.errors import Invalid, Malformed
from timeline.merkle import EMPTY
from timeline.tlog import Checkpoint, NoteError, Verifier, open_note, parse_note


@dataclass(frozen=True, slots=True)
class Shown:
    """A checkpoint as it was shown: its words, and what they say."""

    note: str
    """Verbatim."""
    checkpoint: Checkpoint
    signed: bool
    """Whether a signature was verified against a key."""


def read(note: str | bytes, verifier: Verifier | None = None) -> Shown:
    """Read a checkpoint; with a key, its signature has to be there and good.

    Raises:
        Malformed: it is not a checkpoint (C2SP tlog-checkpoint) or not a note (C2SP signed-note).
        Invalid: it has no good signature of the key.

    """
    try:
        whole = parse_note(note, unsigned=True)
        checkpoint = Checkpoint.parse(whole.text, extensions=True)
    except NoteError as error:
        raise Malformed(f"checkpoint: {error}") from None
    if not checkpoint.origin.isprintable():
        raise Malformed(f"checkpoint: the origin holds characters that cannot be shown: {checkpoint.origin!r}")
    if checkpoint.size == 0 and checkpoint.root != EMPTY:
        raise Malformed("checkpoint: the root of size 0 is the hash of the empty string (RFC 6962 section 2.1)")
    if verifier is not None:
        _verify(note, verifier)
    return Shown(note if isinstance(note, str) else note.decode(), checkpoint, verifier is not None)


def _verify(note: str | bytes, verifier: Verifier) -> None:
    try:
        open_note(note, [verifier])
    except NoteError as error:
        raise Invalid(f"checkpoint: no good signature of the key {verifier.vkey}: {error}") from None


def read_key(vkey: str) -> Verifier:
    """Read a verifier key (C2SP signed-note).

    Raises:
        Malformed: it is not one.

    """
    try:
        return Verifier.parse(vkey)
    except NoteError as error:
        raise Malformed(f"vkey: {error}; expected NAME+ID+KEY, as the log publishes it") from None
