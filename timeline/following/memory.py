"""The small file in which a follower remembers one checkpoint; it is replaced whole or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from timeline.errors import Invalid, NotFound

FORMAT: Final = "timeline follower v1"


class Remembered(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is kept: the checkpoint that held last, verbatim, and the key it was verified with, if there was one."""

    format: str
    note: str
    vkey: str | None


def load(path: Path) -> Remembered | None:
    """Read the file; None where there is none yet.

    Raises:
        Invalid: it is not such a file. It is never made anew by itself: that would trust whatever comes next.

    """
    try:
        remembered = msgspec.json.decode(path.read_bytes(), type=Remembered)
    except FileNotFoundError:
        return None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        remembered = None
    if remembered is None or remembered.format != FORMAT:
        raise Invalid(
            f"{path.name} is not what a follower remembers: put it back from a copy, or remove it to begin anew, "
            "which trusts the next checkpoint as it comes"
        )
    return remembered


def save(path: Path, note: str, vkey: str | None) -> None:
    """Replace the file in one step, durably."""
    content = msgspec.json.format(msgspec.json.encode(Remembered(FORMAT, note, vkey)), indent=2) + b"\n"
    new = path.with_name(f"{path.name}.new")
    try:
        with new.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except FileNotFoundError:
        raise NotFound(f"there is no directory to keep {path.name} in: make it first") from None
    except OSError:
        with suppress(OSError):
            new.unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
