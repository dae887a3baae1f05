"""Questions answered from the views: every read names the position it speaks of.

How rows are found is decided in `plan`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from timeline.query import Key, Query, search_terms
from timeline.views import classes
from timeline.views.plan import Plan
from timeline.views.projector import folded

MAX_MEMBERS: Final = 2_000


@dataclass(frozen=True, slots=True)
class Page:
    """One page of events: encoded bodies in order, and the place to go on from if there is more."""

    bodies: list[str]
    last: Key | None


@dataclass(frozen=True, slots=True)
class Heads:
    """How far the views are, and the last position at which each kind of thing changed."""

    position: int
    events: int
    actors: int
    sources: int


class Reader:
    """Reads from one connection. Every method takes the position it speaks of."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Read from this connection."""
        self.connection = connection
        self._execute = connection.execute

    # ------------------------------------------------------------------ clock

    def heads(self) -> Heads:
        """Give the current positions."""
        return Heads(*self._execute("SELECT position, events, actors, sources FROM state").fetchone())

    def position_at(self, recorded_at: str) -> int:
        """Give the last position recorded at or before a time; 0 where nothing was."""
        query = "SELECT position FROM moment WHERE recorded_at <= ? ORDER BY recorded_at DESC LIMIT 1"
        row = self._execute(query, (recorded_at,)).fetchone()
        return row[0] if row else 0

    def recorded_at(self, position: int) -> str | None:
        """Give the time at which a position was recorded."""
        query = "SELECT recorded_at FROM moment WHERE position >= ? ORDER BY recorded_at LIMIT 1"
        row = self._execute(query, (position,)).fetchone() if position else None
        return row[0] if row else None

    def last_change(self, query: Query, heads: Heads) -> int:
        """Give the position of the last record that could change this question's answer (for its ETag)."""
        last = heads.events
        for group in query.facets():
            last = min(last, max(self._lasts(self.with_members(query, group, heads.position)), default=0))
        if query.members:
            last = max(last, heads.actors)
        return max(last, heads.sources) if query.reported_by is not None else last

    def _lasts(self, names: Sequence[str]) -> list[int]:
        return [row[0] for row in self._execute(
            f"SELECT last FROM facet WHERE name IN ({_marks(names)})", names
        )]

    # ------------------------------------------------------------------ events

    def page(self, query: Query, position: int) -> Page:
        """Give one chronological page of the events a question means, as the log stood at `position`."""
        plan = Plan(self, query, position)
        if plan.empty:
            return Page([], None)
        order = plan.order()
        sql = (
            f"SELECT e.body, x.earliest, x.latest, x.sequence, x.first FROM ({plan.rows} ORDER BY {order} "
            f"LIMIT {query.limit + 1:d}) x CROSS JOIN event e ON e.n = x.n ORDER BY {plan.order('x.')}"
        )
        rows = self._execute(sql, plan.values).fetchall()
        more = len(rows) > query.limit
        rows = rows[: query.limit]
        return Page([row[0] for row in rows], tuple(rows[-1][1:]) if more else None)

    def count(self, query: Query, position: int) -> int:
        """Count the events a question means."""
        plan = Plan(self, query, position)
        if plan.empty:
            return 0
        return int(self._execute(f"SELECT count(*) FROM ({plan.rows})", plan.values).fetchone()[0])

    def density(self, query: Query, position: int, start: int, width: int) -> list[tuple[int, int]]:
        """Count dated events by the bucket their earliest time falls in (before `start`: in the first)."""
        plan = Plan(self, query, position)
        if plan.empty:
            return []
        sql = (
            f"SELECT max(0, (earliest - {start:d}) / {width:d}), count(*) FROM ({plan.rows}) "
            f"WHERE earliest < {classes.HIGHEST:d} GROUP BY 1 ORDER BY 1"
        )
        return list(self._execute(sql, plan.values))

    def extent(self, query: Query, position: int) -> tuple[int, int] | None:
        """Give the first and last bounded second of the events a question means."""
        plan = Plan(self, query, position)
        if plan.empty:
            return None
        bounded = f"BETWEEN {classes.LOWEST + 1:d} AND {classes.HIGHEST - 2:d}"
        sql = (
            f"SELECT min(CASE WHEN earliest {bounded} THEN earliest ELSE latest END), "
            f"max(CASE WHEN latest {bounded} THEN latest ELSE earliest END) FROM ({plan.rows}) "
            f"WHERE earliest {bounded} OR latest {bounded}"
        )
        row = self._execute(sql, plan.values).fetchone()
        return None if row is None or row[0] is None else (row[0], row[1])

    def event(self, event_id: str, position: int) -> str | None:
        """Give an event's body as it stood, retracted and merged ones too."""
        query = "SELECT body FROM event WHERE id = ? AND since <= ? AND until > ?"
        row = self._execute(query, (event_id, position, position)).fetchone()
        return row[0] if row else None

    def history(self, event_id: str, position: int) -> list[str]:
        """Give every version of an event up to a position, oldest first."""
        query = "SELECT body FROM event WHERE id = ? AND since <= ? ORDER BY since"
        return [row[0] for row in self._execute(query, (event_id, position))]

    # ------------------------------------------------------------------ things

    def thing(self, type_: str, id_: str, position: int) -> str | None:
        """Give an actor's or source's body as it stood."""
        query = "SELECT body FROM thing WHERE type = ? AND id = ? AND since <= ? AND until > ?"
        row = self._execute(query, (type_, id_, position, position)).fetchone()
        return row[0] if row else None

    def things(
        self, type_: str, position: int, *, after: str = "", limit: int = 50, text: str | None = None,
        kinds: Sequence[str] = (),
    ) -> list[tuple[str, str]]:
        """Give (id, body) of actors or sources in order of id."""
        sql = "SELECT id, body FROM thing WHERE type = ? AND id > ? AND since <= ? AND until > ?"
        values: list[Any] = [type_, after, position, position]
        for term in search_terms(text or ""):
            sql += " AND instr(words, ?)"
            values.append(folded(term))
        if kinds:
            sql += f" AND kind IN ({_marks(kinds)})"
            values += kinds
        return list(self._execute(f"{sql} ORDER BY id LIMIT ?", [*values, limit]))

    def source_text(self, source_id: str, position: int) -> str | None:
        """Give the stored text of a source, for checking citations; it is part of no answer."""
        query = "SELECT text FROM thing WHERE type = 'source' AND id = ? AND since <= ? AND until > ?"
        row = self._execute(query, (source_id, position, position)).fetchone()
        return row[0] if row else None

    def lane_counts(self, prefix: str, position: int) -> dict[str, int]:
        """Count the events now standing under each facet of a kind (``actor/``, ``topic/``, ``place/``)."""
        sql = (
            "SELECT substr(f.name, ?), count(*) FROM facet f CROSS JOIN lane l INDEXED BY lane_order "
            "ON l.facet = f.facet WHERE f.name >= ? AND f.name < ? AND l.since <= ? AND l.until > ? AND l.hidden = 0 "
            "GROUP BY f.name ORDER BY f.name"
        )
        values = (len(prefix) + 1, prefix, prefix[:-1] + chr(ord(prefix[-1]) + 1), position, position)
        return dict(self._execute(sql, values).fetchall())

    def members(self, group: str, position: int) -> list[str]:
        """Give everyone who belongs to a group, through groups within it, sorted."""
        sql = (
            "WITH RECURSIVE inside(id) AS (SELECT actor FROM member WHERE of = ?1 AND since <= ?2 AND until > ?2 UNION "
            "SELECT m.actor FROM inside JOIN member m ON m.of = inside.id AND m.since <= ?2 AND m.until > ?2 "
            f"LIMIT {MAX_MEMBERS}) SELECT id FROM inside WHERE id <> ?1 ORDER BY id"
        )
        return [row[0] for row in self._execute(sql, (group, position))]

    def near(self, type_: str, prefix: str, limit: int = 2_000) -> list[str]:
        """Give ids that might have been meant: those that start like what was written, else some."""
        table, where = ("event", "1") if type_ == "event" else ("thing", f"type = '{type_}'")
        sql = f"SELECT DISTINCT id FROM {table} WHERE {where} AND id >= ? AND id < ? LIMIT ?"
        rows = self._execute(sql, (prefix[:1], prefix[:1] + "\x7f", limit)).fetchall()
        return [row[0] for row in rows or self._execute(sql, ("", "\x7f", limit))]

    def moments(self, position: int, limit: int = 500) -> list[tuple[str, int]]:
        """Give the newest recorded times up to a position, with the last position of each, oldest first."""
        query = "SELECT recorded_at, position FROM moment WHERE position <= ? ORDER BY recorded_at DESC LIMIT ?"
        return self._execute(query, (position, limit)).fetchall()[::-1]

    # ------------------------------------------------------------------ for the plan

    def facet_ids(self, names: Iterable[str]) -> list[int]:
        """Give the numbers of facets; names that stand nowhere have none."""
        wanted = list(names)
        return [row[0] for row in self._execute(
            f"SELECT facet FROM facet WHERE name IN ({_marks(wanted)}) ORDER BY facet", wanted
        )]

    def with_members(self, query: Query, group: tuple[str, ...], position: int) -> list[str]:
        """Give the facets of a group of the question, with the members of the actors where it asks for them."""
        if not query.members or not group[0].startswith("actor/"):
            return list(group)
        names = set(group)
        for name in group:
            names.update(f"actor/{member}" for member in self.members(name.partition("/")[2], position))
        return sorted(names)

    def groups(self, query: Query, position: int) -> list[list[int]]:
        """Give the facet numbers of each group of the question, members included where asked."""
        return [self.facet_ids(self.with_members(query, group, position)) for group in query.facets()]

    def classes(self, *, about: bool) -> list[int]:
        """Give the duration classes in use."""
        return [row[0] for row in self._execute("SELECT class FROM class WHERE about = ?", (int(about),))]

    def newest(self, position: int) -> tuple[int, int]:
        """Give the number of the newest event version at a position, and of all."""
        last = self._execute("SELECT coalesce(max(n), 0) FROM event").fetchone()[0]
        low, high = 0, last
        while low < high:
            middle = (low + high + 1) // 2
            since = self._execute("SELECT since FROM event WHERE n = ?", (middle,)).fetchone()[0]
            low, high = (middle, high) if since <= position else (low, middle - 1)
        return low, last


def _marks(values: Sequence[Any]) -> str:
    return ", ".join("?" * len(values))
