"""The log's file: told from other files, made, and brought from format 1 to format 2 in place.

Format 2 added what erasing needs: the table of erasures, and seals on the rows that no hash covers. An upgrade leaves
records, parts and tree as they are, byte for byte: whoever kept a checkpoint of the log still finds it there.
"""

from __future__ import annotations

import re
import secrets
import sqlite3
from contextlib import closing
from importlib.resources import files
from pathlib import Path
from typing import Final

from timeline.connections import open_reader
from timeline.errors import Conflict, Corrupt, Fault, Invalid
from timeline.log.seals import seal_checkpoint, seal_fact, seal_receipt

SCHEMA_VERSION: Final = 2
READABLE: Final = (1, 2)
"""Formats that can be read; what is opened for writing is brought to the newest."""

APPLICATION_ID: Final = 0x544C4F47
"""``TLOG`` in the file's header: tools and `file(1)` can tell what it is."""

PAGE: Final = 4096
"""Bytes of a page, as SQLite makes them unless told otherwise."""

MAX_ORIGIN: Final = 255
_NO_ORIGIN: Final = re.compile(r"[\s+\x00-\x1f\x7f-\x9f]|://")


def checked_origin(origin: str) -> str:
    """Give a name for a new log, or say why it cannot be one (C2SP tlog-checkpoint: a URL without its scheme).

    Raises:
        Invalid: it is empty, too long, or has characters that a signed note does not take.

    """
    found = _NO_ORIGIN.search(origin)
    if origin and len(origin) <= MAX_ORIGIN and found is None:
        return origin
    wrong = f"got {found[0]!r} in it" if found else "got nothing" if not origin else f"got {len(origin)} characters"
    detail = (f"expected a name such as news.example/log: 1 to {MAX_ORIGIN} characters, without spaces, plus signs, "
              f"control characters and ://; {wrong}")
    raise Invalid(f"origin: {detail}", faults=(Fault("?origin", detail),))


def recognise(path: Path) -> None:
    """Refuse what is not a log of a known format, before anything touches it: even WAL mode would change the file.

    Raises:
        Conflict: the file is something else, or was written by a newer program, or cannot be read where it is.

    """
    if not path.exists() or not path.stat().st_size:
        return
    try:
        with closing(open_reader(path)) as connection:
            application = connection.execute("PRAGMA application_id").fetchone()[0]
            version = format_of(connection)
            tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    except sqlite3.DatabaseError as error:
        if _is_unfinished(path, error):
            return
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
            raise Conflict(f"{path.name} cannot be read where it is: SQLite has to write beside it, and may not (is "
                           "the folder read-only?); copy the log to a folder of your own") from None
        raise Conflict(f"{path.name} is not a timeline log (it is not an SQLite database)") from None
    if tables and application != APPLICATION_ID:
        raise Conflict(f"{path.name} is an SQLite file, but not a timeline log: choose another --db")
    if tables and version not in READABLE:
        raise Conflict(f"{path.name} has format {version}; this program reads format {SCHEMA_VERSION}: upgrade it")


def _is_unfinished(path: Path, error: sqlite3.DatabaseError) -> bool:
    """Whether somebody was killed while making this file: one page, and a journal that takes it back at the next start.

    A reader may not do that, so it cannot look into the file; the writer looks again (`prepare`) once it has been done.
    """
    code = getattr(error, "sqlite_errorcode", 0)
    return code == sqlite3.SQLITE_READONLY_ROLLBACK and path.stat().st_size <= PAGE


def format_of(connection: sqlite3.Connection) -> int:
    """Give the format of an open log."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def prepare(connection: sqlite3.Connection, origin: str | None = None) -> str:
    """Make the tables of a new file, or upgrade an old one; give the log's origin.

    Raises:
        Invalid: `origin` can be the name of no log.
        Conflict: the log has another name.

    """
    if origin is not None:
        checked_origin(origin)
    if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        _create(connection, origin or f"timeline.local/{secrets.token_hex(8)}")
    elif connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise Conflict("this is an SQLite file, but not a timeline log: choose another --db")
    elif format_of(connection) < SCHEMA_VERSION:
        _upgrade(connection)
    own = origin_of(connection)
    if origin not in (None, own):
        raise Conflict(f"this log is {own}, not {origin}: a log keeps the name it was made with", origin=own)
    return own


def origin_of(connection: sqlite3.Connection) -> str:
    """Give the log's own name; `Corrupt` where it has lost it."""
    row = connection.execute("SELECT value FROM meta WHERE name = 'origin'").fetchone()
    if row is None:
        raise Corrupt("the log has lost its name: the file is damaged")
    origin: str = row[0]
    return origin


def _schema() -> str:
    return files("timeline.log").joinpath("schema.sql").read_text()


def _create(connection: sqlite3.Connection, origin: str) -> None:
    _run(connection, f"{_schema()};PRAGMA application_id = {APPLICATION_ID};PRAGMA user_version = {SCHEMA_VERSION}",
         (origin,))


_AWAY: Final = """
ALTER TABLE meta RENAME TO meta_1;
ALTER TABLE receipt RENAME TO receipt_1;
ALTER TABLE checkpoint RENAME TO checkpoint_1;
"""
_BACK: Final = """
INSERT INTO meta SELECT name, value, seal_fact(name, value) FROM meta_1;
INSERT INTO receipt SELECT key, digest, first, last, seal_receipt(key, digest, first, last) FROM receipt_1;
INSERT INTO checkpoint SELECT size, note, seal_checkpoint(size, note) FROM checkpoint_1;
DROP TABLE meta_1;
DROP TABLE receipt_1;
DROP TABLE checkpoint_1;
PRAGMA user_version = 2;
"""


def _upgrade(connection: sqlite3.Connection) -> None:
    """Bring format 1 to format 2 in one transaction: it is done, or nothing has happened."""
    triggers = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]
    drop = "".join(f'DROP TRIGGER "{name}";' for name in triggers)  # the schema makes them again
    for name, count, function in (("seal_fact", 2, seal_fact), ("seal_receipt", 4, seal_receipt),
                                  ("seal_checkpoint", 2, seal_checkpoint)):
        connection.create_function(name, count, function, deterministic=True)
    _run(connection, f"{drop}{_AWAY}{_schema()}{_BACK}")


def _run(connection: sqlite3.Connection, script: str, origin: tuple[str, ...] = ()) -> None:
    try:
        connection.executescript(f"BEGIN IMMEDIATE;{script};")
        for name in origin:
            connection.execute("INSERT INTO meta VALUES ('origin', ?, ?)", (name, seal_fact("origin", name)))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


__all__ = ["APPLICATION_ID", "SCHEMA_VERSION", "checked_origin", "format_of", "origin_of", "prepare", "recognise"]
