"""What a backup says of itself: ``backup.json``, beside the log it speaks of."""

from __future__ import annotations

from hashlib import file_digest
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from timeline.errors import Corrupt, NotFound

MANIFEST: Final = "backup.json"
LOG: Final = "log.db"
TOKENS: Final = "tokens.db"
Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class Manifest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Size and root (RFC 9162 section 2.1.1) of the log as it was copied; `tokens` is the SHA-256 of that file."""

    format: Literal["timeline-backup/1"] = "timeline-backup/1"
    origin: str
    size: Annotated[int, Meta(ge=0)]
    root: Digest
    recorded_at: str
    made_at: str
    tokens: Digest | None = None

    def write(self, folder: Path) -> None:
        """Write it into the folder of the backup."""
        content = msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"
        (folder / MANIFEST).write_bytes(content)


def read_manifest(folder: Path) -> Manifest:
    """Read what a backup says of itself.

    Raises:
        NotFound: the folder is no backup.
        Corrupt: it cannot be read.

    """
    try:
        return msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except FileNotFoundError:
        raise NotFound(f"{folder.name} is no backup: there is no {MANIFEST} in it; name a folder that `timeline backup`"
                       " made") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Corrupt(f"{folder.name} is damaged: {MANIFEST} cannot be read: {error}") from None


def digest_of(path: Path) -> str:
    """Give the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


__all__ = ["LOG", "MANIFEST", "TOKENS", "Manifest", "digest_of", "read_manifest"]
