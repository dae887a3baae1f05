"""Bearer tokens: who may read, write and administer, in a small database of their own beside the log.

A token's secret is shown once, when it is made. Only its SHA-256 is kept: the secret has 256 random bits, so a slow
hash would protect nothing that is not out of reach already, and how long a lookup by digest takes tells nothing of it.
The file is apart from the log on purpose: a log may be given to anybody.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import re
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from timeline.errors import Conflict, Fault, Invalid, NotFound

if TYPE_CHECKING:
    from sqlite_utils import Database

PREFIX: Final = "tl_"
"""Lets scanners of leaked secrets recognise one."""

IMPLIED: Final = {"read": {"read"}, "write": {"read", "write"}, "admin": {"read", "write", "admin"}}
"""Each scope, and what it allows."""

SCOPES: Final = tuple(IMPLIED)
TOUCH_EVERY: Final = 60.0
"""Seconds between two notes of when a token was last used."""

_NAME: Final = re.compile(r"[\x20-\x7e]{1,100}")


@dataclass(frozen=True, slots=True)
class Grant:
    """What a good token allows, and whose it is."""

    id: int
    name: str
    scopes: frozenset[str]


def tokens_path(log_path: Path) -> Path:
    """Give the place of a log's tokens: ``timeline.db`` -> ``timeline.tokens.db``."""
    return log_path.with_name(f"{log_path.stem}.tokens.db")


class Tokens:
    """The tokens of one log. Thread-safe; several processes may use the file at once."""

    def __init__(self, path: str | Path, *, clock: Callable[[], float] = time.time) -> None:
        """Open the file, making it readable by its owner only if it is not there.

        Raises:
            NotFound: there is no directory to keep it in.
            Conflict: the file is something else.

        """
        self.path = Path(path)
        self._clock = clock
        self._lock = threading.Lock()
        self._touched: dict[int, float] = {}
        self._known: tuple[tuple[int, bytes] | None, dict[bytes, Grant]] = (None, {})
        try:
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            raise NotFound(f"there is no directory {self.path.parent} to keep {self.path.name} in") from None
        self._connection = sqlite3.connect(self.path, timeout=1.0, check_same_thread=False)
        try:
            made = "SELECT count(*) FROM sqlite_master WHERE name IN ('token', 'idx_token_digest')"
            if self._connection.execute(made).fetchone() != (2,):
                self._prepare()
        except sqlite3.DatabaseError:
            self._let_go()
            raise Conflict(f"{self.path.name} is not a file of tokens") from None

    @property
    def _database(self) -> Database:
        """The file as sqlite-utils has it, for what is done rarely: importing it takes up to a second.

        (It imports pandas where that is installed.)
        """
        from sqlite_utils import Database  # noqa: PLC0415

        return Database(self._connection)

    def _prepare(self) -> None:
        tokens = self._database.table("token")
        tokens.create(
            {"id": int, "digest": bytes, "name": str, "scopes": str, "created": str, "expires": str, "revoked": str,
             "last_used": str},
            pk="id", not_null={"digest", "name", "scopes", "created"}, if_not_exists=True,
        )
        tokens.create_index(["digest"], unique=True, if_not_exists=True)
        self._connection.commit()

    def create(self, name: str, scopes: Iterable[str], expires: str | None = None) -> str:
        """Make a token and give its secret, which is kept nowhere. `expires` is its last day (ISO, UTC).

        Raises:
            Invalid: the name, a scope or the date is wrong.

        """
        wanted = sorted(set(scopes))
        faults = tuple(_faults(name, wanted, expires))
        if faults:
            raise Invalid(f"{faults[0].pointer[1:]}: {faults[0].detail}", faults=faults)
        secret = PREFIX + secrets.token_urlsafe(32)
        row = {"digest": _digest(secret), "name": name, "scopes": " ".join(wanted), "created": self._now(),
               "expires": expires, "revoked": None, "last_used": None}
        with self._lock:
            self._database.table("token").insert(row)
            self._connection.commit()
        return secret

    def check(self, secret: str) -> Grant | None:
        """Give what a secret allows; None for one that is unknown, expired or revoked.

        What was found is remembered while the file is as it was and the second lasts: asking it takes 20 us and lets go
        of the interpreter's lock several times, which is worse where a writer waits for it.
        """
        digest, now = _digest(secret), self._moment()
        since, known = self._known
        if now is not None and now == since and (grant := known.get(digest)) is not None:
            return grant
        grant = self._find(digest)
        if grant is not None and now is not None and now == self._moment():  # else it may be of before or of after
            if now != since:
                known = {}
                self._known = now, known
            known[digest] = grant
        return grant

    def _moment(self) -> tuple[int, bytes] | None:
        """Give the second, and how often the file was changed; None where it does not say.

        The first page of a SQLite file counts its transactions, whoever made them (SQLite's file format, section
        1.3.10), unless it has a write-ahead log (section 1.3.3).
        """
        head = os.pread(self._file, 10, 18)
        return (int(self._clock()), head) if head[:2] == b"\1\1" else None

    def _find(self, digest: bytes) -> Grant | None:
        find = "SELECT id, digest, name, scopes, expires FROM token WHERE digest = ? AND revoked IS NULL"
        with self._lock:
            row = self._connection.execute(find, (digest,)).fetchone()
            if row is None or not hmac.compare_digest(row[1], digest):
                return None
            if row[4] is not None and self._now()[:10] > row[4]:
                return None
            self._touch(row[0])
        return Grant(row[0], row[2], frozenset(word for scope in row[3].split() for word in IMPLIED[scope]))

    def _touch(self, id_: int) -> None:
        """Note that a token was used, once a minute at most; a full disk or a locked file must not fail a request."""
        now = self._clock()
        if now - self._touched.get(id_, -TOUCH_EVERY) < TOUCH_EVERY:
            return
        self._touched[id_] = now
        connection = self._connection
        try:
            connection.execute("UPDATE token SET last_used = ? WHERE id = ?", (self._now(), id_))
            connection.commit()
        except sqlite3.Error:
            with contextlib.suppress(sqlite3.Error):
                connection.rollback()

    def all(self) -> list[dict[str, Any]]:
        """List every token ever made, without secrets and digests."""
        columns = ("id", "name", "scopes", "created", "expires", "revoked", "last_used")
        with self._lock:
            rows = list(self._database.table("token").rows_where(order_by="id", select=", ".join(columns)))
        return [{**row, "scopes": row["scopes"].split()} for row in rows]

    def revoke(self, id_: int) -> None:
        """Make a token useless from now on; `NotFound` where there is none of that number."""
        with self._lock:
            connection = self._connection
            change = "UPDATE token SET revoked = coalesce(revoked, ?) WHERE id = ?"
            changed = connection.execute(change, (self._now(), id_)).rowcount
            connection.commit()
        if not changed:
            raise NotFound(f"there is no token {id_}")

    def _now(self) -> str:
        return datetime.fromtimestamp(self._clock(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._let_go()

    def _let_go(self) -> None:
        """Close the file: the descriptor last, as closing one gives up every lock that this process has on it."""
        self._connection.close()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _digest(secret: str) -> bytes:
    return sha256(secret.encode("utf-8", "surrogatepass")).digest()


def _faults(name: str, scopes: list[str], expires: str | None) -> Iterable[Fault]:
    if not _NAME.fullmatch(name):
        yield Fault("/name", "expected 1 to 100 printable ASCII characters: it signs what the token appends")
    if not scopes:
        yield Fault("/scopes", f"expected at least one of {', '.join(SCOPES)}")
    for scope in scopes:
        if scope not in IMPLIED:
            yield Fault("/scopes", f"unknown scope {scope!r}: expected {', '.join(SCOPES)}")
    if expires is not None:
        try:
            if date.fromisoformat(expires).isoformat() != expires:
                raise ValueError(expires)
        except ValueError:
            yield Fault("/expires", f"expected a day such as 2027-01-31, got {expires!r}")


__all__ = ["SCOPES", "Grant", "Tokens", "tokens_path"]
