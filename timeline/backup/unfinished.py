"""Work under a name that says it is unfinished, and the one rename that finishes it.

The folder is locked while somebody works in it. One without a lock was left by somebody who died, and is removed by
the next who works beside it. Everything is on the disk (fsync) before it gets its name, and the name after that.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from timeline.errors import Busy, Conflict, NotFound

SUFFIXES: Final = (".unfinished-backup", ".unfinished-restore")


@contextmanager
def unfinished(target: Path, suffix: str) -> Iterator[Path]:
    """Give an empty folder beside `target` to work in, for its owner only; whatever is left in it goes at the end.

    Raises:
        NotFound: there is no directory to put it in.
        Busy: somebody else is at work on the same target.

    """
    parent = target.absolute().parent
    if not parent.is_dir():
        raise NotFound(f"there is no directory {target.parent} to put {target.name} in")
    for left in [path for each in SUFFIXES for path in parent.glob(f"*{each}")]:
        _sweep(left)
    folder = parent / f"{target.name}{suffix}"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    descriptor = _lock(folder)
    if descriptor is None:
        raise Busy(f"{target.name} is being made by another process: wait until it has finished", retry_after=10)
    try:
        yield folder
    finally:
        if _is(descriptor, folder):
            shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def _lock(folder: Path) -> int | None:
    """Take the lock of a folder that is there; None where somebody has it."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is(descriptor, folder):
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None


def _is(descriptor: int, folder: Path) -> bool:
    """Whether the folder that was locked still has that name: a finished one has another."""
    try:
        return os.path.samestat(os.fstat(descriptor), folder.lstat())
    except OSError:
        return False


def _sweep(folder: Path) -> None:
    """Remove a folder that nobody works in any more."""
    descriptor = _lock(folder)
    if descriptor is not None:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def refuse_existing(path: Path, advice: str) -> None:
    """Raise `Conflict` where something has that name, a broken link too."""
    if os.path.lexists(path):
        raise Conflict(f"{path.name} is there already, and nothing is overwritten: {advice}")


def settle(folder: Path, *files: Path) -> None:
    """Wait until files and the names in their folder are on the disk."""
    for path in (*files, folder):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


__all__ = ["SUFFIXES", "refuse_existing", "settle", "unfinished"]
