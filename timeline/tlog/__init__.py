"""The texts and files of transparency logs, as C2SP specifies them: pure functions, no storage and no network.

| specification (c2sp.org) | version | here |
|---|---|---|
| signed-note | 1.0.0 | `keys`, `notes`: Ed25519 (type 0x01) |
| tlog-checkpoint | 1.0.0 | `checkpoints` |
| tlog-cosignature | 1.0.1 | `cosignatures`: Ed25519 (type 0x04); not ML-DSA-44 |
| tlog-witness | 1.0.0 | `cosignatures.AddCheckpoint`: ``add-checkpoint``; not ``sign-subtree`` |
| tlog-tiles | 0.1.0 | `tiles` |
| tlog-proof | @v1, commit 5ba5ee8 of github.com/C2SP/C2SP | `proofs` |

Anyone's tools for these formats can read what is written here, and the tests say so with those of Go. Signing and
verifying need the package ``cryptography`` (``pip install timeline[sign]``); everything else only the standard library.
"""

from timeline.tlog.checkpoints import Checkpoint, SignedCheckpoint, open_checkpoint
from timeline.tlog.cosignatures import AddCheckpoint, CosignatureSigner, CosignatureVerifier, cosigned_at
from timeline.tlog.keys import Verifier
from timeline.tlog.notes import Note, Signature, Signer, open_note, parse_note, sign_note
from timeline.tlog.proofs import TlogProof
from timeline.tlog.text import NoteError
from timeline.tlog.tiles import (
    Tile,
    TileError,
    entry_bundle,
    parse_tile_path,
    read_entry_bundle,
    tile_bytes,
    tile_path,
    tiles_at,
    width_at,
)

__all__ = [
    "AddCheckpoint",
    "Checkpoint",
    "CosignatureSigner",
    "CosignatureVerifier",
    "Note",
    "NoteError",
    "Signature",
    "SignedCheckpoint",
    "Signer",
    "Tile",
    "TileError",
    "TlogProof",
    "Verifier",
    "cosigned_at",
    "entry_bundle",
    "open_checkpoint",
    "open_note",
    "parse_note",
    "parse_tile_path",
    "read_entry_bundle",
    "sign_note",
    "tile_bytes",
    "tile_path",
    "tiles_at",
    "width_at",
]


def __dir__() -> list[str]:
    return __all__
