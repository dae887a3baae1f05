"""Ed25519 keys and their text forms (C2SP signed-note 1.0.0, "Signature types" and "Verifier keys"; RFC 8032).

The arithmetic is that of the package ``cryptography`` (OpenSSL), loaded when the first key is used. Ed25519 libraries
differ about hostile keys and signatures at the edges of RFC 8032: changing the library changes those verdicts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from hashlib import sha256
from secrets import token_bytes
from typing import TYPE_CHECKING, ClassVar, Final, Self

from timeline.errors import TimelineError
from timeline.tlog.text import NoteError, as_text, encode_base64, parse_base64

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ED25519: Final = 0x01
"""Signature type of a plain Ed25519 signature over the text."""

COSIGNATURE: Final = 0x04
"""Signature type of a timestamped Ed25519 cosignature (C2SP tlog-cosignature)."""

KEY_ID_BYTES: Final = 4
KEY_BYTES: Final = 32
_KEY_ID: Final = re.compile(r"[0-9a-f]{8}")
_PRIVATE: Final = "PRIVATE+KEY+"


def check_name(name: str) -> None:
    """Check the name of a key: not empty, no space, no ``+`` (C2SP signed-note, "Format").

    Raises:
        NoteError: it is not that.

    """
    as_text(name, "the name of a key")
    if not name or "+" in name or any(character.isspace() for character in name):
        raise NoteError("the name of a key must not be empty and must hold neither spaces nor plus signs")


def key_id(name: str, type_byte: int, public: bytes) -> bytes:
    """SHA-256(name || 0x0A || type || public key)[:4] (C2SP signed-note, "Signatures")."""
    return sha256(name.encode() + b"\n" + bytes([type_byte]) + public).digest()[:KEY_ID_BYTES]


@dataclass(frozen=True)
class Verifier:
    """A public key that signs notes: its name and the 32 bytes of RFC 8032."""

    type_byte: ClassVar[int] = ED25519

    name: str
    public: bytes
    key_id: bytes = field(init=False)

    def __post_init__(self) -> None:
        """Check name and length, and derive the id.

        Raises:
            NoteError: the name or the key cannot be one.

        """
        check_name(self.name)
        if len(self.public) != KEY_BYTES:
            raise NoteError(f"an Ed25519 public key must have {KEY_BYTES} bytes, got {len(self.public)}")
        object.__setattr__(self, "key_id", key_id(self.name, self.type_byte, self.public))

    @classmethod
    def parse(cls, vkey: str) -> Self:
        """Read a vkey, ``<name>+<id in hex>+<base64 of type and key>``.

        Raises:
            NoteError: it is malformed, is of another type, or its id does not belong to its name and key.

        """
        name, _, rest = vkey.partition("+")
        id_hex, _, encoded = rest.partition("+")  # only two: base64 may hold plus signs
        verifier = cls(name, _material(encoded, cls.type_byte, "the verifier key"))
        _check_id(id_hex, verifier.key_id, "the verifier key")
        return verifier

    @property
    def vkey(self) -> str:
        """The key as text, to be handed out."""
        return f"{self.name}+{self.key_id.hex()}+{encode_base64(bytes([self.type_byte]) + self.public)}"

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether `signature` (what follows the key id) is this key's over `message`, the text of a note."""
        return verify_ed25519(self.public, message, signature)


@dataclass(frozen=True)
class PrivateKey:
    """The secret half, in the form of Go's ``golang.org/x/mod/sumdb/note``: a seed of 32 bytes (RFC 8032 5.1.5)."""

    type_byte: ClassVar[int] = ED25519

    name: str
    seed: bytes = field(repr=False)  # never in a log line
    public: bytes = field(init=False)

    def __post_init__(self) -> None:
        """Check name and length, and derive the public key.

        Raises:
            NoteError: the name or the seed cannot be one.
            TimelineError: the package cryptography is not installed.

        """
        check_name(self.name)
        if len(self.seed) != KEY_BYTES:
            raise NoteError(f"an Ed25519 seed must have {KEY_BYTES} bytes, got {len(self.seed)}")
        object.__setattr__(self, "public", _private(self.seed).public_key().public_bytes_raw())

    @classmethod
    def generate(cls, name: str) -> Self:
        """Make a new key from the system's random numbers."""
        return cls(name, token_bytes(KEY_BYTES))

    @classmethod
    def parse(cls, skey: str) -> Self:
        """Read ``PRIVATE+KEY+<name>+<id in hex>+<base64 of type and seed>``. What is wrong is said without the secret.

        Raises:
            NoteError: it is malformed, is of another type, or its id does not belong to its name and key.
            TimelineError: the package cryptography is not installed.

        """
        if not skey.startswith(_PRIVATE):
            raise NoteError(f"a signer key must begin with {_PRIVATE}")
        name, _, rest = skey.removeprefix(_PRIVATE).partition("+")
        id_hex, _, encoded = rest.partition("+")
        key = cls(name, _material(encoded, cls.type_byte, "the signer key"))
        _check_id(id_hex, key.key_id, "the signer key")
        return key

    @property
    def key_id(self) -> bytes:
        """The id of the public key: 4 bytes."""
        return key_id(self.name, self.type_byte, self.public)

    @property
    def skey(self) -> str:
        """The key as text, to be kept secret."""
        return f"{_PRIVATE}{self.name}+{self.key_id.hex()}+{encode_base64(bytes([self.type_byte]) + self.seed)}"

    def _sign(self, message: bytes) -> bytes:
        return _private(self.seed).sign(message)


def verify_ed25519(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` (64 bytes) is the Ed25519 signature of `message` (RFC 8032 section 5.1.7).

    Raises:
        TimelineError: the package cryptography is not installed.

    """
    try:
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - an optional package
        from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415 - an optional package
            Ed25519PublicKey,
        )
    except ImportError:
        raise _missing() from None
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _private(seed: bytes) -> Ed25519PrivateKey:
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415 - an optional package
            Ed25519PrivateKey,
        )
    except ImportError:
        raise _missing() from None
    return Ed25519PrivateKey.from_private_bytes(seed)


def _missing() -> TimelineError:
    return TimelineError("signatures need the package cryptography, which is not installed: install timeline[sign]")


def _material(encoded: str, type_byte: int, what: str) -> bytes:
    """Give what follows the type byte in the base64 part of a key."""
    data = parse_base64(encoded, f"the last part of {what}")
    if not data or data[0] != type_byte:
        found = f"0x{data[0]:02x}" if data else "none"
        raise NoteError(f"{what} must be of signature type 0x{type_byte:02x}, got {found}")
    return data[1:]


def _check_id(id_hex: str, expected: bytes, what: str) -> None:
    if not _KEY_ID.fullmatch(id_hex):
        raise NoteError(f"the id in {what} must be 8 lowercase hexadecimal digits")
    if bytes.fromhex(id_hex) != expected:
        raise NoteError(f"the id in {what} is {id_hex}, but its name and key give {expected.hex()}")
