"""What `doctor` looks at. Each finding says what is, and what to do; looking takes no lock and changes nothing."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from timeline.errors import TimelineError

if TYPE_CHECKING:
    from timeline.log.reading import LogFile

SAFE_SQLITE: Final = (3, 51, 3)
QUICK: Final = 20_000
"""Records that are re-read; the rest is for `timeline verify`."""

MB: Final = 2**20
LOW: Final = 100 * MB
"""Bytes free under which somebody should make room."""

FULL: Final = 8 * MB
"""Bytes free under which an append may fail: the WAL alone takes 4 MB before it is folded in."""

LONG_WAL: Final = 512 * MB
"""Bytes of a WAL that cannot be emptied: it is cut to 64 MB whenever nobody reads from it."""

SKEW: Final = 5.0
"""Seconds a clock may be behind the newest record: machines that keep time are closer."""

MAGIC: Final = b"SQLite format 3\0"
AID: Final = "keep a copy of it and of what is beside it as they are, then restore a backup (`timeline restore`)"

State = Literal["ok", "warn", "fail"]


class Check(NamedTuple):
    """One thing looked at, and what to do about it."""

    name: str
    state: State
    detail: str


def examine(path: Path, key: Path | None = None) -> Iterator[Check]:
    """Look at everything; no check stops the others. `key` is the private key's file, if it is not beside the log."""
    yield _sqlite()
    yield _zones()
    yield from _disk(path)
    if not path.is_file():
        yield _absent(path)
        return
    yield from _permissions(path)
    if (wrong := _head(path)) is not None:
        yield Check("log", "fail", wrong)
    else:
        yield from _opened(path)
    yield from _left(path)
    yield from _key(path, key)


# ---------------------------------------------------------------------------------------------- the machine

def _sqlite() -> Check:
    version = sqlite3.sqlite_version
    if sqlite3.sqlite_version_info >= SAFE_SQLITE:
        return Check("SQLite", "ok", version)
    return Check("SQLite", "ok", f"{version}: before 3.51.3 two writing connections could corrupt a WAL; the lock for "
                                 "one writer avoids that, so do not write the file with other programs")


def _zones() -> Check:
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo("America/Anchorage")
    except (LookupError, ValueError, OSError):
        return Check("time zones", "fail", "no IANA data: install the package tzdata")
    return Check("time zones", "ok", "IANA data found")


def _disk(path: Path) -> Iterator[Check]:
    folder = path.absolute().parent
    if not folder.is_dir():
        yield Check("disk", "fail", f"there is no directory {folder}: make it, or choose another --db")
        return
    free = shutil.disk_usage(folder).free
    size = path.stat().st_size if path.is_file() else 0
    there = f"{free / 2**30:.1f} GB free, the log has {size / MB:.1f} MB"
    if free < FULL:
        yield Check("disk", "fail", f"the disk is full ({free / MB:.1f} MB free): appends fail, and nothing that was "
                                    "acknowledged is lost; make room, then restart the server")
    elif free < max(3 * size, LOW):
        yield Check("disk", "warn", f"{there}: too little to rebuild the views, to erase or to back up in safety; make "
                                    "room")
    else:
        yield Check("disk", "ok", there)
    files = os.statvfs(folder)
    if files.f_files and not files.f_favail:
        yield Check("disk", "fail", "no file can be made any more (no inodes are left): remove files that nobody needs")


# ---------------------------------------------------------------------------------------------- the files

def _absent(path: Path) -> Check:
    from timeline.views.store import views_path

    if views_path(path).exists() or any(Path(f"{path}{suffix}").exists() for suffix in ("-wal", ".erasing")):
        return Check("log", "fail", f"{path.name} is gone, and files that belong to it are still there: find out who "
                                    f"moved it; if nobody has it, `timeline restore BACKUP --db {path.name}`")
    return Check("log", "warn", f"there is no log at {path}: `timeline demo` or `timeline import FILE` makes one, --db "
                                "chooses another")


def _permissions(path: Path) -> Iterator[Check]:
    """Say what this user may not do, and who may."""
    from timeline.connections import may_write
    from timeline.views.store import views_path

    user = f"this user ({_user(os.geteuid())})"
    owner = _user(path.stat().st_uid)
    if not os.access(path, os.R_OK):
        yield Check("permissions", "fail", f"{user} may not read {path.name}, which belongs to {owner}: run this as "
                                           f"{owner}")
    elif os.statvfs(path).f_flag & os.ST_RDONLY:
        yield Check("permissions", "warn", "the medium is read-only: everything can be read, nothing recorded")
    elif not may_write(path):
        yield Check("permissions", "warn", f"{user} may not write {path.name} or its folder: everything can be read, "
                                           f"nothing recorded; to write, run this as {owner}")
    else:
        beside = (Path(f"{path}.lock"), views_path(path))
        for each in (each for each in beside if each.exists() and not os.access(each, os.R_OK | os.W_OK)):
            yield Check("permissions", "fail", f"{user} may not write {each.name}, which belongs to "
                                               f"{_user(each.stat().st_uid)}: `chown {owner} {each.name}`")


def _user(number: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"


def _head(path: Path) -> str | None:
    """Say what the first bytes show to be wrong (https://sqlite.org/fileformat2.html#the_database_header)."""
    from timeline.log.files import APPLICATION_ID, SCHEMA_VERSION

    try:
        with path.open("rb") as file:
            head = file.read(100)
    except PermissionError:
        return "not looked at: it may not be read"
    size = path.stat().st_size
    if not head:
        return f"the file is empty: if it has had records, {AID}; if not, remove it"
    if len(head) < 100 or not head.startswith(MAGIC):
        return (f"{path.name} is not a timeline log (it is not an SQLite database): choose another --db; if it was "
                f"one, {AID}")
    pages, page = int.from_bytes(head[28:32]), int.from_bytes(head[16:18])
    page = 65_536 if page == 1 else page
    version, application = int.from_bytes(head[60:64]), int.from_bytes(head[68:72])
    if application == APPLICATION_ID and version > SCHEMA_VERSION:
        return (f"it was written by a newer program (format {version}; this one reads format {SCHEMA_VERSION}): use "
                "that program, or upgrade this one; the log is not touched")
    if size < pages * page and not _size(Path(f"{path}-wal")):
        return f"the file was cut short: it has {size:,} bytes of {pages * page:,}; {AID}"
    return None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _opened(path: Path) -> Iterator[Check]:
    """Look into the log."""
    from timeline.log.reading import LogFile

    try:
        with closing(LogFile(path)) as log:
            size = log.size()
            yield Check("log", "ok", f"{log.origin}, {size:,} records")
            writing = _writer(path)
            yield writing
            yield from _wal(path, busy=writing.state == "ok" and "being written" in writing.detail)
            yield from _clock(log, size)
            yield _views(log, size)
            yield _hashes(log, size)
    except TimelineError as error:
        yield Check("log", "fail", error.detail)
    except sqlite3.DatabaseError:
        yield Check("log", "fail", f"SQLite cannot read the file, so it is damaged: {AID}; without one, `timeline "
                                   "verify` says up to where it is sound")
    except PermissionError:
        yield Check("log", "fail", "it may not be read")


def _writer(path: Path) -> Check:
    from timeline.connections import WriterLock, may_write

    try:
        busy = WriterLock.holder_of(Path(f"{path}.lock"))
    except PermissionError:
        return Check("writer", "warn", "whether somebody is writing cannot be seen: the lock's file may not be read")
    if busy is not None:
        return Check("writer", "ok", busy.detail)
    return Check("writer", "ok", "nobody is writing" + ("" if may_write(path) else ", and this user may not"))


def _wal(path: Path, *, busy: bool) -> Iterator[Check]:
    wal = Path(f"{path}-wal")
    size = _size(wal)
    if size > LONG_WAL:
        yield Check("WAL", "warn", f"{wal.name} has {size / MB:,.0f} MB: somebody has been reading for long and keeps "
                                   "it from being emptied; end old readers (Litestream, open tools), then restart the "
                                   "server")
    elif size and not busy:
        yield Check("WAL", "ok", f"{wal.name} holds the newest records, as after a crash: it belongs to the log, so "
                                 "never move one without the other; the next command that writes folds it in")


def _clock(log: LogFile, size: int) -> Iterator[Check]:
    """Compare this machine's clock with the newest record: times in the log never go backwards."""
    from timeline.log import timestamp

    query = "SELECT recorded_at FROM record WHERE position = ?"
    row = log.connection().execute(query, (size,)).fetchone()
    try:
        newest, now = datetime.fromisoformat(row[0]), datetime.fromisoformat(timestamp())
    except (TypeError, ValueError):  # no record, or none that says: `hashes` has that
        return
    behind = (newest - now).total_seconds()
    if behind > SKEW:
        yield Check("clock", "warn", f"this machine's clock is {_span(behind)} behind the newest record ({row[0]}): "
                                     "until it has caught up, whatever is recorded gets that time; set the clock (NTP) "
                                     "before more is written")
    else:
        yield Check("clock", "ok", f"the newest record is of {row[0]}")


def _span(seconds: float) -> str:
    for length, name in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * length:
            return f"{seconds / length:,.0f} {name}"
    return f"{seconds:,.0f} seconds"


def _hashes(log: LogFile, size: int) -> Check:
    from timeline.log.verify import verify

    if size > QUICK:
        return Check("hashes", "warn", f"not checked: more than {QUICK:,} records; run `timeline verify`")
    finding = verify(log.connection()).finding
    if finding is None:
        return Check("hashes", "ok", "every record agrees with its hashes")
    name = log.path.name
    saved = (f"without a backup, `timeline restore {name} --db saved.db --at {finding.position - 1}` saves what is "
             "before it" if finding.position > 1 else "without a backup, look for an export")
    return Check("hashes", "fail", f"position {finding.position}: {finding.detail}: write nothing more into it; {AID}; "
                                   f"{saved}")


def _views(log: LogFile, size: int) -> Check:
    from timeline.connections import open_reader
    from timeline.views.store import views_path

    views = views_path(log.path)
    if not views.is_file():
        return Check("views", "warn", "not there: the next command builds them; nothing is lost")
    try:
        with closing(open_reader(views)) as connection:
            row = connection.execute("SELECT origin, position, header FROM state").fetchone()
    except (sqlite3.DatabaseError, TimelineError, OSError):
        return Check("views", "fail", f"{views.name} cannot be read: stop the server, run `timeline rebuild` (nothing "
                                      "is lost), start it again")
    return _standing(log, size, views.name, row)


def _standing(log: LogFile, size: int, name: str, row: tuple[Any, ...] | None) -> Check:
    """Say where views stand beside their log."""
    from timeline.log.reading import read_record

    if row is None or row[0] != log.origin:
        return Check("views", "warn", f"{name} belongs to another log: the next command builds it anew; find out how "
                                      "it came here")
    position, header = row[1:]
    if position > size:
        return Check("views", "fail", f"{name} is ahead of the log: it has seen {position:,} records and the log has "
                                      f"{size:,}. An older file was put in the log's place, or it was cut short: write "
                                      "nothing, look for the newer file or a backup, and compare with `timeline verify "
                                      "--against CHECKPOINT`. If the log is right, `timeline rebuild`")
    last = read_record(log.connection(), position) if position else None
    if position and (last is None or sha256(last.header_bytes).digest() != header):
        return Check("views", "fail", f"{name} was made of another history: record {position:,} is not the one it saw. "
                                      "If the log was restored or replaced on purpose, `timeline rebuild`; if not, "
                                      "compare with `timeline verify --against CHECKPOINT`")
    if position < size:
        return Check("views", "warn", f"{name}, position {position:,}: {size - position:,} records behind; the next "
                                      "command that writes catches up; if a server is writing, restart it")
    return Check("views", "ok", f"{name}, position {position:,}: up to date")


def _left(path: Path) -> Iterator[Check]:
    """Name what was left unfinished, and what nobody needs any more."""
    from timeline.views.store import outdated, views_path

    if Path(f"{path}.erasing").exists():
        yield Check("erasure", "warn", "an erasure is not finished: what was erased may still stand in the files; "
                                       "while nobody reads them, restart the server, or run `timeline show`")
    old = sorted(each.name for each in outdated(views_path(path)))
    if old:
        yield Check("old views", "warn", f"{', '.join(old)}: of another version of this program, or of a rebuild that "
                                         "was cut off; remove them when no other version is in use")


def _key(path: Path, key: Path | None) -> Iterator[Check]:
    from timeline.cli.keys import key_path

    place = key or key_path(path)
    if place.is_file() and place.stat().st_mode & 0o077:
        yield Check("key", "warn", f"{place.name} may be read by other users of this machine, who can then sign as "
                                   f"this log: `chmod 600 {place.name}`")
    elif key is not None and not place.is_file():
        yield Check("key", "fail", f"--key: there is no file {place.name}: checkpoints are not signed")
