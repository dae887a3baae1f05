"""Questions answered from the views: every read names the position it speaks of.

How rows are found is decided in `plan`.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from timeline.query import Key, Query, search_terms
from timeline.views import classes
from timeline.views.plan import Plan
from timeline.views.projector import folded

MAX_MEMBERS: Final = 2_000
PAGE_BYTES: Final = 32 * 2**20
"""Bytes at which a page of events, actors or sources ends, whatever its limit: what a server holds for one answer is
bounded, however long they are. One is always in it."""

_MICROSECOND: Final = timedelta(microseconds=1)
_THINGS: Final = "SELECT since FROM thing WHERE type = '{}' AND since BETWEEN :first AND :last"


@dataclass(frozen=True, slots=True)
class Page:
    """One page of events: encoded bodies in order, a line each, and the place to go on from if there is more."""

    text: str
    last: Key | None

    @property
    def bodies(self) -> list[str]:
        """Give the bodies one by one."""
        return self.text.split("\n") if self.text else []


@dataclass(frozen=True, slots=True)
class Heads:
    """How far the views are, and the last position at which each kind of thing changed."""

    position: int
    events: int
    actors: int
    sources: int
    snapshots: int
    erasures: int


class Reader:
    """Reads from one connection. Every method takes the position it speaks of."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Read from this connection."""
        self.connection = connection
        self._execute = connection.execute

    # ------------------------------------------------------------------ clock

    def heads(self) -> Heads:
        """Give the current positions."""
        query = "SELECT position, events, actors, sources, snapshots, erasures FROM state"
        return Heads(*self._execute(query).fetchone())

    def position_at(self, recorded_at: str) -> int:
        """Give the last position recorded at or before a time; 0 where nothing was."""
        query = "SELECT position FROM moment WHERE recorded_at <= ? ORDER BY recorded_at DESC LIMIT 1"
        row = self._execute(query, (recorded_at,)).fetchone()
        return row[0] if row else 0

    def recorded_at(self, position: int) -> str | None:
        """Give the time at which a position was recorded; None where there is no such position.

        Found by halving the time: positions grow with it, and an index on them would cost every append.
        """
        ends = "SELECT (SELECT min(recorded_at) FROM moment), (SELECT max(recorded_at) FROM moment)"
        row = self._execute(ends).fetchone()  # asked for together they would be looked for in every row
        if position < 1 or row[0] is None or position > self.position_at(row[1]):
            return None
        low, high = (datetime.fromisoformat(text) for text in row)
        while low < high:
            middle = low + (high - low) // 2
            if self.position_at(_recorded(middle)) >= position:
                high = middle
            else:
                low = middle + _MICROSECOND
        return _recorded(low)

    def last_change(self, query: Query, heads: Heads) -> int:
        """Give the position of the last record that could change this question's answer (for its ETag)."""
        last = heads.events
        for group in query.facets():
            last = min(last, max(self._lasts(self.with_members(query, group, heads.position)), default=0))
        if query.members:
            last = max(last, heads.actors)
        return max(last, heads.sources) if query.reported_by is not None else last

    def changes(self, query: Query, first: int, last: int, limit: int, *, newest: bool) -> list[int]:
        """Give positions from `first` to `last` of records that could change the answer to a question.

        Those are the positions at which a version of an event that stands under every facet asked for began or ended;
        other conditions (dates, words, kinds) are not looked at, so a record may have left the answer as it was.

        Args:
            query: the question; what pins it is not looked at.
            first: lowest position, inclusive.
            last: highest position, inclusive.
            limit: most positions.
            newest: newest first, else oldest first.

        """
        found: list[int] = []
        wanted = 2 * limit  # a version often begins where another ends: one position, two rows
        while True:
            rows = self._changes(query, first, last, wanted, newest=newest)
            found += dict.fromkeys(rows)
            if len(found) >= limit or len(rows) < wanted:
                return found[:limit]
            first, last = (first, found[-1] - 1) if newest else (found[-1] + 1, last)

    def _changes(self, query: Query, first: int, last: int, limit: int, *, newest: bool) -> list[int]:
        direction = "DESC" if newest else "ASC"
        values: dict[str, Any] = {"first": first, "last": last, "limit": limit}
        groups = [self.facet_ids(self._ever(query, group)) for group in query.facets()]
        if len(groups) > 1:
            groups.sort(key=self._lane_rows)
        if groups:
            values |= {f"group{number}": str(group) for number, group in enumerate(groups)}
            arms = _lane_ends(len(groups))
        else:  # whatever ends a version of an event begins another of it; versions are numbered in order of position
            values |= {"low": self.newest(first - 1)[0], "high": self.newest(last)[0]}
            numbered = f"n > :low AND n <= :high ORDER BY n {direction} LIMIT :limit"
            arms = [f"SELECT position FROM (SELECT since AS position FROM event WHERE {numbered})"]
        if query.members:
            arms.append(_THINGS.format("actor"))
        if query.reported_by is not None:
            arms.append(_THINGS.format("source"))
        sql = f"SELECT position FROM ({' UNION ALL '.join(arms)}) ORDER BY position {direction} LIMIT :limit"
        return [row[0] for row in self._execute(sql, values)]

    def _ever(self, query: Query, group: tuple[str, ...]) -> list[str]:
        """Give the facets of a group of the question, with everyone who was ever a member where it asks for members."""
        if not query.members or not group[0].startswith("actor/"):
            return list(group)
        sql = (
            "WITH RECURSIVE inside(id) AS (SELECT substr(value, 7) FROM json_each(?) UNION "
            f"SELECT m.actor FROM inside JOIN member m ON m.of = inside.id LIMIT {MAX_MEMBERS}) "
            "SELECT 'actor/' || id FROM inside"
        )
        return [row[0] for row in self._execute(sql, (json.dumps(group),))]

    def _lane_rows(self, facets: list[int]) -> int:
        sql = "SELECT count(*) FROM lane WHERE facet IN (SELECT value FROM json_each(?))"
        return int(self._execute(sql, (str(facets),)).fetchone()[0])

    def event_changes(self, event_id: str, first: int, last: int, limit: int, *, newest: bool) -> list[int]:
        """Give positions from `first` to `last` at which an event was recorded, revised, retracted or merged."""
        direction = "DESC" if newest else "ASC"
        sql = f"SELECT since FROM event WHERE id = ? AND since BETWEEN ? AND ? ORDER BY since {direction} LIMIT ?"
        return [row[0] for row in self._execute(sql, (event_id, first, last, limit))]

    def _lasts(self, names: Sequence[str]) -> list[int]:
        return [row[0] for row in self._execute(
            f"SELECT last FROM facet WHERE name IN ({_marks(names)})", names
        )]

    # ------------------------------------------------------------------ events

    def page(self, query: Query, position: int) -> Page:
        """Give one chronological page of the events a question means, as the log stood at `position`."""
        plan = Plan(self, query, position)
        if plan.empty:
            return Page("", None)
        usual = self.connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, PAGE_BYTES)
        try:
            return self._spliced(plan, query)
        except sqlite3.DataError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_TOOBIG:
                raise
        finally:
            self.connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, usual)
        return self._cut(plan, query)

    def _spliced(self, plan: Plan, query: Query) -> Page:
        """Have the bodies of a page put together where they are."""
        text, numbers = self._execute(plan.page(), plan.values).fetchone()
        if text is None:
            return Page("", None)
        if numbers.count(",") < query.limit:
            return Page(text, None)
        last = int(numbers.rsplit(",", 2)[-2])
        place = self._execute(plan.place(), {**plan.values, "n": last}).fetchone()
        return Page(text[: text.rindex("\n")], place)

    def _cut(self, plan: Plan, query: Query) -> Page:
        """Put together what fits into a page, and one event at least; the next page goes on after it."""
        places = self._execute(plan.listed(), plan.values).fetchall()
        bodies: list[str] = []
        size = 0
        for number, *_ in places[: query.limit]:
            body = self._execute("SELECT body FROM event WHERE n = ?", (number,)).fetchone()[0]
            size += len(body.encode()) + 1
            if bodies and size > PAGE_BYTES:
                break
            bodies.append(body)
        last = places[len(bodies) - 1][1:] if len(bodies) < len(places) else None
        return Page("\n".join(bodies), last)

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

    def positions(self, event_id: str, until: int) -> list[int]:
        """Give the positions of the records that changed an event, oldest first."""
        query = "SELECT since FROM event WHERE id = ? AND since <= ? ORDER BY since"
        return [row[0] for row in self._execute(query, (event_id, until))]

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

    def snapshot(self, id_: str) -> tuple[int, str] | None:
        """Give the position that published a snapshot, and its body."""
        query = "SELECT position, body FROM snapshot WHERE id = ?"
        row = self._execute(query, (id_,)).fetchone()
        return None if row is None else (row[0], row[1])

    def snapshots(self, before: int, limit: int) -> list[tuple[int, str]]:
        """Give (position, body) of published snapshots, newest first."""
        query = "SELECT position, body FROM snapshot WHERE position < ? ORDER BY position DESC LIMIT ?"
        return list(self._execute(query, (before, limit)))

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
        found = self._execute("SELECT group_concat(class) FROM class WHERE about = ?", (int(about),)).fetchone()[0]
        return [int(class_) for class_ in found.split(",")] if found else []  # in one row: see `Plan.page`

    def newest(self, position: int) -> tuple[int, int]:
        """Give the number of the newest event version at a position, and of all."""
        last = self._last()
        return self._newest(position, last), last

    def early(self, position: int, share: int) -> int | None:
        """Give the number of the newest event version at a position, if it is below one in `share` of all."""
        last = self._last()
        high = -(-last // share)  # the lowest number that is not
        return None if not last or self._since(high) <= position else self._newest(position, high - 1)

    def _last(self) -> int:
        return int(self._execute("SELECT coalesce(max(n), 0) FROM event").fetchone()[0])

    def _since(self, number: int) -> int:
        return int(self._execute("SELECT since FROM event WHERE n = ?", (number,)).fetchone()[0])

    def _newest(self, position: int, high: int) -> int:
        """Find by halving, as versions are numbered in order of position."""
        low = 0
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self._since(middle) <= position else (low, middle - 1)
        return low


def _lane_ends(groups: int) -> list[str]:
    """Give arms with the ends of all versions that stand under every group; the first, smallest group drives."""
    inside = "IN (SELECT value FROM json_each(:group{}))"
    probes = "".join(
        f" AND EXISTS (SELECT 1 FROM lane p WHERE p.n = x.n AND p.facet {inside.format(number)})"
        for number in range(1, groups)
    )
    lanes = f"FROM lane x INDEXED BY lane_order WHERE x.facet {inside.format(0)}{probes}"
    return [f"SELECT x.{end} AS position {lanes} AND x.{end} BETWEEN :first AND :last" for end in ("since", "until")]


def _recorded(moment: datetime) -> str:
    """Write a time as the log writes times: of fixed width, so that they sort as text."""
    return f"{moment.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def _marks(values: Sequence[Any]) -> str:
    return ", ".join("?" * len(values))
