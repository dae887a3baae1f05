"""Signed notes: a text, and lines that sign it (C2SP signed-note 1.0.0).

The rules are those of the specification and of Go's ``golang.org/x/mod/sumdb/note``, with two that are stricter: base64
has one form only, and *every* line of a known key must verify, not only its first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from timeline.tlog.keys import KEY_ID_BYTES, PrivateKey, Verifier, check_name
from timeline.tlog.text import NoteError, as_text, encode_base64, parse_base64

MAX_SIGNATURES: Final = 100
"""As Go's; the specification asks for at least 16."""

_DASH: Final = "\N{EM DASH} "


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: whose it says it is, and the bytes after the key id."""

    name: str
    key_id: bytes
    blob: bytes

    @property
    def line(self) -> str:
        """The line, with its line feed."""
        return f"{_DASH}{self.name} {encode_base64(self.key_id + self.blob)}\n"

    @classmethod
    def parse(cls, line: str) -> Signature:
        """Read a line, given without its line feed.

        Raises:
            NoteError: it is not a signature line.

        """
        name, space, encoded = line.removeprefix(_DASH).partition(" ")
        if not line.startswith(_DASH) or not space:
            raise NoteError("a signature line must be an em dash, a space, the key's name, a space and base64")
        check_name(name)
        data = parse_base64(encoded, "a signature")
        if len(data) <= KEY_ID_BYTES:
            raise NoteError("a signature must be longer than its key id of 4 bytes")
        return cls(name, data[:KEY_ID_BYTES], data[KEY_ID_BYTES:])


@dataclass(frozen=True, slots=True)
class Note:
    """A text with its final line feed, the signatures that were verified, and those by keys nobody asked about."""

    text: str
    verified: tuple[Signature, ...] = ()
    unverified: tuple[Signature, ...] = ()

    def signed_by(self, verifier: Verifier) -> Signature | None:
        """Give the verified signature of that key, if there is one."""
        wanted = (verifier.name, verifier.key_id)
        return next((one for one in self.verified if (one.name, one.key_id) == wanted), None)


@dataclass(frozen=True)
class Signer(PrivateKey):
    """A key that signs notes with plain Ed25519 (type 0x01)."""

    @property
    def verifier(self) -> Verifier:
        """The public half."""
        return Verifier(self.name, self.public)

    def sign(self, text: str) -> str:
        """Give the signature line over `text`. Ed25519 is deterministic: the same text gives the same line."""
        return Signature(self.name, self.key_id, self._sign(text.encode())).line


def sign_note(text: str, *signers: Signer) -> str:
    """Sign `text`; give the whole note. Further lines may be put after it (a cosignature of a witness).

    Raises:
        NoteError: the text does not end in a line feed or holds a control character, or nobody signs.

    """
    if not as_text(text, "the text of a note").endswith("\n"):
        raise NoteError("the text of a note must end in a line feed")
    if not signers:
        raise NoteError("a note must be signed by at least one key")
    return f"{text}\n{''.join(signer.sign(text) for signer in signers)}"


def parse_note(note: str | bytes, *, unsigned: bool = False) -> Note:
    """Split a note without verifying anything: all its signatures come back as unverified.

    `unsigned` lets a text without signatures through (the checkpoint of a log that has no key).

    Raises:
        NoteError: it is not a signed note, or has more than 100 signatures.

    """
    whole = as_text(note, "a note")
    if not whole.endswith("\n"):
        raise NoteError("a note must end in a line feed")
    split = whole.rfind("\n\n")  # the last empty line: the text may hold empty lines of its own
    if split < 0 and unsigned:
        return Note(whole)
    lines = whole[split + 2 : -1].split("\n")
    if split < 0 or lines == [""]:
        raise NoteError("a note must have an empty line and signatures after its text")
    if len(lines) > MAX_SIGNATURES:
        raise NoteError(f"a note must have no more than {MAX_SIGNATURES} signatures, got {len(lines)}")
    return Note(whole[: split + 1], unverified=tuple(map(Signature.parse, lines)))


def open_note(note: str | bytes, verifiers: Iterable[Verifier]) -> Note:
    """Verify a note (C2SP signed-note, "Signatures"). Trust nothing in it unless this returns.

    Lines by unknown keys are kept apart and prove nothing; repeated lines are dropped. Which of several known keys must
    have signed is for the caller to decide (`Note.signed_by`).

    Raises:
        NoteError: it is not a signed note, a known key's signature is wrong, no known key signed it, or two of the keys
            given have one name and id.
        TimelineError: the package cryptography is not installed.

    """
    parsed = parse_note(note)
    message = parsed.text.encode()
    known: dict[tuple[str, bytes], list[Verifier]] = {}
    for verifier in verifiers:
        known.setdefault((verifier.name, verifier.key_id), []).append(verifier)
    verified: dict[tuple[str, bytes], Signature] = {}
    unverified: dict[Signature, None] = {}
    for signature in parsed.unverified:
        key = (signature.name, signature.key_id)
        if key not in known:
            unverified[signature] = None
            continue
        _check(signature, known[key], message)
        verified.setdefault(key, signature)
    if not verified:
        raise NoteError("the note is not signed by any key that is known here")
    return Note(parsed.text, tuple(verified.values()), tuple(unverified))


def _check(signature: Signature, candidates: list[Verifier], message: bytes) -> None:
    key = f"{signature.name}+{signature.key_id.hex()}"
    if len(candidates) > 1:
        raise NoteError(f"the key {key} was given more than once: name each key once")
    if not candidates[0].verify(message, signature.blob):
        raise NoteError(f"the signature by {key} is wrong: the note was changed, or the key did not sign it")
