"""The small strict pieces every format here is made of: UTF-8 text, decimal numbers, base64."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from typing import Final

from timeline.merkle import HASH_BYTES, MAX_SIZE

_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f]")
_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,18}")  # [0-9]: \d would let other scripts' digits in


class NoteError(ValueError):
    """The text is not in the format it should be in, or no known key signed it; `str()` is fit to be shown."""


def as_text(data: str | bytes, what: str) -> str:
    """Give the text of a note: valid UTF-8, no control character but line feed (C2SP signed-note, "Format").

    Raises:
        NoteError: it is not that.

    """
    try:
        text = data.decode() if isinstance(data, bytes) else data
        text.encode()  # a str may hold lone surrogates, which have no UTF-8
    except UnicodeError:
        raise NoteError(f"{what} must be valid UTF-8") from None
    if _CONTROL.search(text):
        raise NoteError(f"{what} must hold no control characters but line feeds")
    return text


def parse_decimal(text: str, what: str) -> int:
    """Read an ASCII decimal below 2^63 without leading zeros.

    Raises:
        NoteError: it is not that.

    """
    if not _DECIMAL.fullmatch(text) or int(text) > MAX_SIZE:
        raise NoteError(f"{what} must be a decimal number below 2^63, without leading zeros")
    return int(text)


def parse_base64(text: str, what: str) -> bytes:
    """Read standard padded base64 (RFC 4648 section 4), in the one form that an encoder writes.

    Unused bits that are not zero are refused (RFC 4648 section 3.5): one signature has one text.

    Raises:
        NoteError: it is not that.

    """
    try:
        data = b64decode(text, validate=True)
    except ValueError:
        data = b""
    if encode_base64(data) != text:
        raise NoteError(f"{what} must be standard base64 with its padding (RFC 4648 section 4)")
    return data


def encode_base64(data: bytes) -> str:
    """Write standard padded base64 (RFC 4648 section 4)."""
    return b64encode(data).decode()


def parse_hash(text: str, what: str) -> bytes:
    """Read the base64 of one SHA-256 hash, 32 bytes.

    Raises:
        NoteError: it is not that.

    """
    data = parse_base64(text, what)
    if len(data) != HASH_BYTES:
        raise NoteError(f"{what} must be the base64 of {HASH_BYTES} bytes, got {len(data)}")
    return data
