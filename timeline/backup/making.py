"""Making a backup: copied, restored for a trial, and only then named."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from timeline.backup.copying import Progress, copy_database, revive, room, root_at, silent
from timeline.backup.manifest import LOG, TOKENS, Manifest, digest_of
from timeline.backup.unfinished import refuse_existing, settle, unfinished
from timeline.connections import open_reader
from timeline.errors import Conflict, Corrupt
from timeline.log import Head, timestamp
from timeline.log.sqlite import LogFile

TRIAL: Final = "trial.db"


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that was restored and found good. `erased` counts parts that are gone as a record declares."""

    folder: Path
    origin: str
    head: Head
    parts: int
    erased: int
    tokens: bool


def back_up(path: Path, target: Path, *, tokens: Path | None = None, progress: Progress = silent) -> Made:
    """Copy a log, which may be written meanwhile, into a new folder; `tokens` is the file of its tokens, if wanted.

    The copy is restored for a trial inside the unfinished folder: opened for writing, read from the first record to
    the last, and its root derived anew and compared with that of the log at that size. It needs room for two copies.

    Raises:
        NotFound: there is no log, or no directory to put the backup in.
        Conflict: `target` is there already.
        Busy: somebody makes a backup of this name, or holds the file for too long.
        Corrupt: what was copied is damaged; nothing is kept.

    """
    refuse_existing(target, "choose another name, such as one with the date")
    with closing(LogFile(path)) as log, unfinished(target, ".unfinished-backup") as folder, room():
        anew = Path(f"{path}.erasing").exists()
        copy_database(log.connection(), folder / LOG, progress, anew=anew)
        made = _tried(log, folder, target, tokens is not None and tokens.is_file(), progress)
        if made.tokens and tokens is not None:
            with closing(open_reader(tokens)) as source:
                copy_database(source, folder / TOKENS, silent)
        _finish(folder, made)
    return made


def _tried(log: LogFile, folder: Path, target: Path, tokens: bool, progress: Progress) -> Made:  # noqa: FBT001 - a fact
    """Restore the copy for a trial; give what it is."""
    trial, name = folder / TRIAL, f"the copy of {log.path.name}"
    shutil.copyfile(folder / LOG, trial)
    report = revive(trial, name, progress)
    try:
        root = root_at(log.connection(), report.head.size)
    except sqlite3.DatabaseError:
        raise Corrupt(f"SQLite cannot read {log.path.name}: run `timeline verify`") from None
    if root != report.head.root:
        raise Corrupt(f"the root of the copy is not the one that {log.path.name} has at size {report.head.size}: run "
                      "`timeline verify`; nothing was kept")
    for left in folder.glob(f"{TRIAL}*"):
        left.unlink()
    return Made(target, log.origin, report.head, report.parts, report.erased, tokens)


def _finish(folder: Path, made: Made) -> None:
    """Write down what was found, wait for the disk, and give the folder its name."""
    digest = digest_of(folder / TOKENS) if made.tokens else None
    Manifest(origin=made.origin, size=made.head.size, root=made.head.root.hex(), recorded_at=made.head.recorded_at,
             made_at=timestamp(), tokens=digest).write(folder)
    files = sorted(folder.iterdir())
    for file in files:
        file.chmod(0o600)
    settle(folder, *files)
    refuse_existing(made.folder, "choose another name, such as one with the date")
    try:
        folder.rename(made.folder)
    except OSError:
        raise Conflict(f"{made.folder.name} came to be there meanwhile: choose another name") from None
    settle(made.folder.absolute().parent)


__all__ = ["Made", "back_up"]
