"""A log of 300 records with a row of every sort, and ways to bend the file of it.

Nothing here knows what verification finds: `test_tamper.py` says that.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import shake_256
from itertools import count
from pathlib import Path
from typing import Any

from timeline import merkle
from timeline.chronicle import Timeline
from timeline.log import Draft, decode_header
from timeline.log.sqlite import SqliteLog
from timeline.records import PartErased, payload
from timeline.tlog import Checkpoint, Signer, sign_note

ORIGIN = "tamper.example/log"
SIGNER = Signer(ORIGIN, bytes(range(32)))
VKEY = SIGNER.verifier.vkey

SIZE = 300
YOUNGER = 268
"""The size of the copy that was made before anything was erased."""
SOURCE, QUOTE, EVENT = 21, 41, 50
"""Positions of a source that loses its body and text, of an event that loses its quotes, and of one that loses all."""
ERASURES = (271, 272, 273)
KEPT = (0, 1, 100, 256, SIZE)
"""Sizes whose checkpoints the log keeps."""

KEYS = {
    "record": "position", "part": "position, name", "tile_root": "level, n", "stream_head": "stream", "receipt": "key",
    "checkpoint": "size", "meta": "name", "erasure": "position, name",
}
"""Every table of the log, and the columns by which its rows are told apart."""


@dataclass(frozen=True)
class Made:
    """The log's file, a copy of it from earlier, and the signed checkpoint that somebody kept."""

    path: Path
    older: Path
    note: str


def ticks(start: int = 0):
    """Give a clock that goes on by one second a call."""
    seconds = count(start)
    return lambda: f"2026-01-01T00:{(now := next(seconds)) // 60:02}:{now % 60:02}.000000Z"


def salts(seed: bytes):
    """Give randomness that is the same in every run."""
    calls = count()
    return lambda size: shake_256(seed + b"%d" % next(calls)).digest(size)


def make(folder: Path) -> Made:
    """Make the log: every sort of record, two parts and three, receipts, checkpoints, a fact, and two erasures."""
    path, older = folder / "timeline.db", folder / "older.db"
    with Timeline(path, origin=ORIGIN, clock=ticks(), entropy=salts(b"timeline")) as timeline:
        for number in range(1, YOUNGER + 1):
            timeline.append([change(number)], key=key(number) if number % 3 else None)
    shutil.copy(path, older)
    log = SqliteLog(path, clock=ticks(400), entropy=salts(b"log"))
    fill(log, 270)
    erase(log, "source", "s21", "body", SOURCE)
    erase(log, "event", "e41", "quotes", QUOTE)
    erase(log, "event", "e50", "body", EVENT)
    fill(log, SIZE)
    log.note_fact("key/1", VKEY)
    for size in KEPT:
        log.keep_checkpoint(size, signed(size, merkle.root_at(size, log.hashes)))
    log.close()
    return Made(path, older, signed(SIZE, log.head().root))


def key(number: int) -> str:
    """Name a request; some names are made of the content."""
    return f"import:{number}" if number % 2 else f"request-{number}"


def change(number: int) -> dict[str, Any]:
    """Give the change that becomes the record at a position."""
    text = f"On day {number} it was said that the harbour stays closed."
    match number % 20:
        case 0:
            return {"type": "event.retracted", "id": f"e{number - 2}", "reason": "it did not happen"}
        case 1:
            return _cited(number, f"s{number - 20}") if number % 40 == 1 and number > 20 else _source(number, text)
        case 7 if number > 20:
            return {"type": "events.merged", "id": f"e{number - 1}", "duplicates": [f"e{number - 3}"],
                    "reason": "the same happening"}
        case 9 | 13 | 17:
            return {"type": "event.revised", "id": f"e{number - 1}", "patch": {"title": f"Title {number}, better"},
                    "reason": "better known"}
        case 2:
            return {"type": "actor.described", "actor": {"id": "ada", "kind": "person", "name": f"Ada {number}"}}
        case _:
            actors = [{"id": "ada", "role": "author"}] if number % 5 == 0 else []
            return {"type": "event.recorded", "event": {
                "id": f"e{number}", "title": f"Event {number} in Åbo", "when": f"2025-{number % 12 + 1:02}",
                "topics": [f"t{number % 4 * 11}"], "actors": actors}}


def _source(number: int, text: str) -> dict[str, Any]:
    source = {"id": f"s{number}", "title": f"Report {number}", "url": f"https://example.org/{number}", "text": text}
    return {"type": "source.described", "source": source}


def _cited(number: int, source: str) -> dict[str, Any]:
    citation = {"source": source, "start": 0, "end": 6, "exact": "On day"}
    return {"type": "event.recorded", "event": {"id": f"e{number}", "title": f"Event {number}", "when": "2025-08-15",
                                                "citations": [citation]}}


def fill(log: SqliteLog, size: int, author: str = "local") -> None:
    """Append plain records until the log has that size."""
    with log.batch() as batch:
        for number in range(log.size + 1, size + 1):
            body = f'{{"event":{{"id":"e{number}","title":"Event {number}"}}}}'.encode()
            batch.seal(Draft(type="event.recorded", version=1, author=author, streams=(f"event/e{number}", "topic/t0"),
                             parts=(("body", body),), kind="occurrence", status="reported", when=(number, None)))


def fill_with(log: SqliteLog, id_: str, title: str) -> None:
    """Append one revision of an event, with words to look for."""
    body = f'{{"id":"{id_}","patch":{{"title":"{title}"}},"reason":"better known"}}'.encode()
    with log.batch() as batch:
        batch.seal(Draft(type="event.revised", version=1, author="local", streams=(f"event/{id_}", "topic/t0"),
                         parts=(("body", body),), kind="occurrence", status="reported", when=(1, None)))


def erase(log: SqliteLog, of: str, id_: str, part: str, position: int) -> None:
    """Erase a part of one record, as the log offers it, and purge the file."""
    fact = PartErased(id=id_, of=of, part=part, records=[position], reason="asked for", ground="GDPR Art. 17")
    with log.batch() as batch:
        batch.seal(Draft(type="part.erased", version=1, author="local", streams=(f"{of}/{id_}",),
                         parts=(("body", payload(fact)),)))
    assert log.rewrite()
    assert log.cut(5)
    log.purged()


def signed(size: int, root: bytes) -> str:
    """Sign a checkpoint of the log."""
    return sign_note(Checkpoint(ORIGIN, size, root).text, SIGNER)


# ---------------------------------------------------------------------------------------------- bending

def relaxed(path: Path) -> sqlite3.Connection:
    """Copy a log into memory without any rule: bytes on a disk obey none, neither types nor keys nor triggers."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    file = sqlite3.connect(path)
    file.backup(connection)
    file.close()
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {name}")
    for table, key_ in KEYS.items():
        columns = ", ".join(f"{name} {type_}" for name, type_ in columns_of(connection, table).items())
        names = ", ".join(columns_of(connection, table))
        connection.executescript(f"""
            CREATE TABLE raw ({columns});
            INSERT INTO raw ({names}) SELECT {names} FROM {table} ORDER BY {key_};
            DROP TABLE {table};
            ALTER TABLE raw RENAME TO {table};
            CREATE INDEX {table}_key ON {table} ({key_});
        """)  # noqa: S608 - our names
    return connection


def columns_of(connection: sqlite3.Connection, table: str) -> dict[str, str]:
    """Give name and type of the columns that are stored."""
    return {row[1]: row[2] for row in connection.execute(f"PRAGMA table_info({table})")}


def rows_of(connection: sqlite3.Connection, table: str) -> list[tuple[int, dict[str, Any]]]:
    """Give (rowid, row) of a relaxed table, text as text."""
    cursor = connection.execute(f"SELECT rowid, * FROM {table} ORDER BY rowid")  # noqa: S608 - our names
    names = [each[0] for each in cursor.description[1:]]
    return [(row[0], dict(zip(names, row[1:], strict=True))) for row in cursor.fetchall()]


def set_cell(connection: sqlite3.Connection, table: str, column: str, rowid: int, value: Any) -> None:
    """Put a value in one place; bytes take the place of text without being text."""
    text = columns_of(connection, table)[column] == "TEXT" and isinstance(value, bytes)
    place = "CAST(? AS TEXT)" if text else "?"
    statement = f"UPDATE {table} SET {column} = {place} WHERE rowid = ?"  # noqa: S608 - our names
    assert connection.execute(statement, (value, rowid)).rowcount == 1


def flipped(value: Any, chance: random.Random, *, ends: bool) -> Iterator[Any]:
    """Flip one bit: any bit, or one in the first, the middle and the last byte as well."""
    data = as_bytes(value)
    bits = [chance.randrange(len(data) * 8)]
    if ends:
        bits += [8 * byte + chance.randrange(8) for byte in (0, len(data) // 2, len(data) - 1)]
    for bit in bits:
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        yield int.from_bytes(changed, signed=True) if isinstance(value, int) else bytes(changed)


def as_bytes(value: int | str | bytes) -> bytes:
    """Give the bytes of a value; integers have eight."""
    if isinstance(value, int):
        return value.to_bytes(8, signed=True)
    return value.encode() if isinstance(value, str) else value


def contents(connection: sqlite3.Connection) -> dict[str, list[tuple[Any, ...]]]:
    """Give every value that is stored, as bytes where it may be no text."""
    found = {}
    for table, key_ in KEYS.items():
        names = [f"CAST({name} AS BLOB)" if type_ == "TEXT" else name
                 for name, type_ in columns_of(connection, table).items()]
        statement = f"SELECT {', '.join(names)} FROM {table} ORDER BY {key_}"  # noqa: S608 - our names
        found[table] = connection.execute(statement).fetchall()
    return found


# ---------------------------------------------------------------------------------------------- forging

def rederive(connection: sqlite3.Connection) -> None:
    """Make leaf hashes, tile roots and stream heads anew from the headers, as whoever forges a log can."""
    execute, edge, tiles, heads = connection.execute, merkle.Frontier(), [], {}
    for position, data in execute("SELECT position, CAST(header AS BLOB) FROM record ORDER BY position").fetchall():
        leaf = merkle.leaf_hash(data)
        execute("UPDATE record SET leaf_hash = ? WHERE position = ?", (leaf, position))
        tiles += edge.append(leaf)
        heads |= {stream: (sequence, position) for stream, sequence, _ in decode_header(data).streams}
    execute("DELETE FROM tile_root")
    execute("DELETE FROM stream_head")
    connection.executemany("INSERT INTO tile_root (level, n, hash) VALUES (?, ?, ?)", tiles)
    connection.executemany("INSERT INTO stream_head (stream, sequence, position) VALUES (?, ?, ?)",
                           [(stream, *head) for stream, head in heads.items()])


def cut(connection: sqlite3.Connection, size: int) -> None:
    """Cut a log short as its keeper could: everything that speaks of what went is cut with it."""
    for condition in ("record WHERE position > ?", "part WHERE position > ?", "receipt WHERE last > ?",
                      "checkpoint WHERE size > ?", "erasure WHERE record > ?"):
        connection.execute(f"DELETE FROM {condition}", (size,))  # noqa: S608 - our names
    rederive(connection)
