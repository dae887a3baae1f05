"""Restoring: copied under another name, read from the first record to the last, views built, and only then named."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from timeline.backup.copying import Progress, copy_database, damage, examine, judge, revive, room, root_at, silent
from timeline.backup.manifest import LOG, TOKENS, Manifest, digest_of, read_manifest
from timeline.backup.prefix import Taken, take
from timeline.backup.unfinished import refuse_existing, settle, unfinished
from timeline.chronicle import rebuild_views
from timeline.errors import Conflict, Corrupt, NotFound, TimelineError
from timeline.log import Head
from timeline.log.sqlite import LogFile, SqliteLog
from timeline.log.verify import Report
from timeline.views.store import remove, views_path

FREE: Final = "choose another --db, or move it away"


@dataclass(frozen=True, slots=True)
class Restored:
    """A log that was restored and read in full.

    `head` is the log's as it now is. `at` is the position that was asked for, whose root was compared; the records
    after it, `redeclared` of them, declare again what was erased later. `later` counts checkpoints that were handed
    out and speak of a longer history. `damage` says what is wrong with the backup beyond the position.
    """

    path: Path
    origin: str
    head: Head
    at: int
    root: bytes
    tokens: bool
    redeclared: int = 0
    later: int = 0
    damage: str | None = None


@dataclass(frozen=True, slots=True)
class _Source:
    """What is restored from: a folder that `back_up` made, or the bare file of a log, however it was saved."""

    name: str
    log: Path
    tokens: Path | None
    manifest: Manifest | None


def restore(
    backup: Path, path: Path, *, tokens: Path | None = None, at: int | None = None, progress: Progress = silent
) -> Restored:
    """Bring a backup back as the log `path`, which must not be there; `tokens` is where its tokens go, if wanted.

    `backup` is a folder made by `back_up`, or the file of a log that was saved otherwise. With `at`, the new log holds
    the records up to that position, and has the root that the backup's log had then.

    Raises:
        NotFound: there is no such backup, or it ends before `at`.
        Conflict: there is a file of that name.
        Busy: somebody restores the same log.
        Corrupt: the backup is damaged (up to `at`), or is not the log that was backed up.

    """
    source = _found(backup, tokens is not None)
    _refuse(source, path, tokens)
    with unfinished(path, ".unfinished-restore") as folder, room():
        fresh = folder / path.name
        with closing(_opened(source)) as log:
            done = (_whole if at is None else _until)(source, log, fresh, at or 0, progress)
        size = done.head.size
        _built(fresh, size, progress)
        kept = _place(folder, source, path, tokens)
    return Restored(path, done.origin, done.head, done.at, done.root, kept, done.redeclared, done.later, done.damage)


def _found(backup: Path, tokens: bool) -> _Source:  # noqa: FBT001 - whether they are wanted
    if not backup.exists():
        raise NotFound(f"there is no backup {backup}")
    if not backup.is_dir():
        return _Source(backup.name, backup, None, None)
    manifest = read_manifest(backup)
    if not (backup / LOG).is_file():
        raise Corrupt(f"{backup.name} is damaged: {LOG} is gone")
    if tokens and manifest.tokens is not None:
        _check_tokens(backup, manifest.tokens)
    return _Source(backup.name, backup / LOG, backup / TOKENS if manifest.tokens else None, manifest)


def _check_tokens(backup: Path, digest: str) -> None:
    if not (backup / TOKENS).is_file() or digest_of(backup / TOKENS) != digest:
        raise Corrupt(f"{backup.name} is damaged: {TOKENS} is gone or was changed; --no-tokens restores the log alone, "
                      "and `timeline token create` makes new ones")


def _opened(source: _Source) -> LogFile:
    try:
        return LogFile(source.log)
    except (TimelineError, sqlite3.DatabaseError) as error:
        if source.manifest is None and isinstance(error, TimelineError):
            raise
        raise Corrupt(f"{source.name} is damaged: SQLite cannot read its log") from None


def _refuse(source: _Source, path: Path, tokens: Path | None) -> None:
    """Refuse to overwrite: a stranger's WAL beside the new file would even be taken for its own."""
    for each in (path, *(Path(f"{path}{suffix}") for suffix in ("-wal", "-journal"))):
        if each == path or (each.exists() and each.stat().st_size):
            refuse_existing(each, FREE)
    for twin in {path.name.removesuffix(".db"), f"{path.name.removesuffix('.db')}.db"} - {path.name}:
        if path.with_name(twin).exists():
            raise Conflict(f"{path.name} would share its views with {twin}: choose another --db")
    same = tokens is None or source.tokens is None or (
        tokens.is_file() and digest_of(tokens) == digest_of(source.tokens))
    if not same and tokens is not None:
        refuse_existing(tokens, f"{FREE}; --no-tokens leaves it as it is")


# ---------------------------------------------------------------------------------------------- the log

def _whole(source: _Source, log: LogFile, fresh: Path, _: int, progress: Progress) -> Restored:
    """Restore all there is; `Corrupt` where it is not what was backed up."""
    copy_database(log.connection(), fresh, progress)
    report = revive(fresh, source.name, progress)
    _compare(source, log, report)
    head = report.head
    return Restored(fresh, log.origin, head, head.size, head.root, tokens=False)


def _compare(source: _Source, log: LogFile, report: Report) -> None:
    manifest, head = source.manifest, report.head
    if manifest is None:
        return
    if (log.origin, head.size, head.root.hex()) != (manifest.origin, manifest.size, manifest.root):
        raise Corrupt(f"{source.name} does not hold the log that was backed up: it agrees with itself, but has size "
                      f"{head.size} and root {head.root.hex()}, where size {manifest.size} and root {manifest.root} "
                      "were written down: it was altered or cut as a whole")


def _until(source: _Source, log: LogFile, fresh: Path, at: int, progress: Progress) -> Restored:
    """Restore the records up to a position. Damage beyond it is told, and harms nothing."""
    report = examine(source.log, source.name, progress)
    size = log.size()
    if not 0 <= at <= size:
        raise NotFound(f"--at: {source.name} has the positions 0 to {size}, not {at}")
    finding = report.finding
    if finding is not None and not at < finding.position:
        raise damage(source.name, finding)
    if finding is None:
        _compare(source, log, report)
    expected = root_at(log.connection(), at)
    with closing(SqliteLog(fresh, origin=log.origin)) as target:
        taken = take(log, target, at, progress)
        root = root_at(target.reader(), at)
    head = judge(fresh, fresh.name, progress).head
    if root != expected:
        raise Corrupt(f"the records up to position {at} give another root than {source.name} says: it is damaged")
    return _told(fresh, log.origin, head, taken, at, root, None if finding is None else damage(source.name, finding))


def _told(
    fresh: Path, origin: str, head: Head, taken: Taken, at: int, root: bytes, damaged: Corrupt | None
) -> Restored:
    return Restored(fresh, origin, head, at, root, tokens=False, redeclared=len(taken.again), later=taken.later,
                    damage=None if damaged is None else damaged.detail)


# ---------------------------------------------------------------------------------------------- files

def _built(fresh: Path, size: int, progress: Progress) -> None:
    """Build the views: what every question is answered from."""
    reached = rebuild_views(fresh, lambda position: progress("building views", position, size))
    if reached != size:
        raise Corrupt(f"the views end at position {reached}, the log at {size}: run `timeline verify`")


def _place(folder: Path, source: _Source, path: Path, tokens: Path | None) -> bool:
    """Wait for the disk and give the files their names, the log last: without it, nothing was restored."""
    views, kept = views_path(path), tokens is not None and source.tokens is not None
    moves = [(folder / views.name, views), (folder / path.name, path)]
    if kept and tokens is not None and source.tokens is not None:
        shutil.copyfile(source.tokens, folder / TOKENS)
        (folder / TOKENS).chmod(0o600)
        moves.insert(0, (folder / TOKENS, tokens))
    settle(folder, *(old for old, _ in moves))
    _refuse(source, path, tokens)
    remove(views)  # of a log that is not there
    for old, new in moves[:-1]:
        old.replace(new)
    try:
        os.link(*moves[-1])  # unlike a rename, never takes the place of a file
    except FileExistsError:
        raise Conflict(f"{path.name} came to be there meanwhile, and nothing is overwritten: {FREE}") from None
    except OSError:  # a file system without hard links
        moves[-1][0].rename(path)
    settle(path.absolute().parent)
    return kept


__all__ = ["Restored", "restore"]
