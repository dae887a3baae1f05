"""How a question's rows are found: a lazy merge of index scans.

One covering index scan for each duration class (and driving facet), joined by ``UNION ALL ... ORDER BY``, which SQLite
runs as a merge of sorted scans without a sorter, so that it stops after a page. All conditions stand inside the arms; a
LIMIT inside an arm would cost a temporary B-tree each (measured: five times slower), so it stands outside.

Hot actor at an early position: nearly every row of the lane is younger than the position asked for, and the ordered
scan would pass over all of them. There the few rows that are old enough are taken by number instead (`n` grows with
position) and sorted; see `EARLY`. Full-text matches are taken by number too.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final, Protocol

from timeline import fold
from timeline.query import Query, search_terms
from timeline.views import classes
from timeline.views.versions import ERASED, RETRACTED, SHOWN

EARLY: Final = 50
"""A position below 1/50 of the views' size is early."""

ARMS: Final = 400
"""SQLite takes 500 terms in one compound SELECT."""

SHAPES: Final = 256
"""Shapes of questions whose SQL is remembered. Values are bound, so text and prepared statement are those of a shape;
making the text took as long as finding a page."""

_ORDER: Final = ("earliest", "latest", "sequence", "first")


class Lookup(Protocol):
    """What a plan must look up in the views."""

    def groups(self, query: Query, position: int) -> list[list[int]]:
        """Facet numbers of each group of the question."""

    def facet_ids(self, names: Iterable[str]) -> list[int]:
        """Numbers of facets."""

    def with_members(self, query: Query, group: tuple[str, ...], position: int) -> list[str]:
        """Facets of a group, members included where asked."""

    def classes(self, *, about: bool) -> list[int]:
        """Duration classes in use."""

    def early(self, position: int, share: int) -> int | None:
        """Number of the newest event version at a position, if it is below one in `share` of all; else None."""


class Plan:
    """`rows` is SQL giving (earliest, latest, sequence, first, n) of the rows meant; `values` are its parameters."""

    def __init__(self, lookup: Lookup, query: Query, position: int) -> None:
        """Plan a question at a position."""
        self._lookup, self._query, self._position = lookup, query, position
        self.values: dict[str, str | int | None] = {
            "position": position, "lower": query.lower, "upper": query.upper, "by": query.reported_by,
        }
        self._groups = lookup.groups(query, position)
        self._about = lookup.facet_ids([fold.ABOUT]) if query.on == "about" else []
        self._classes = [
            class_ for class_ in lookup.classes(about=query.on == "about")
            if class_ != classes.UNDATED or query.undated
        ]
        impossible = (query.on == "about" and not self._about) or not all(self._groups)
        self.rows = "" if impossible else self._rows()

    @property
    def empty(self) -> bool:
        """Whether it is plain without looking that nothing is meant."""
        return not self.rows

    def order(self, prefix: str = "") -> str:
        """Give the ORDER BY terms of the question."""
        return _order(self._query.order, prefix)

    def page(self) -> str:
        """Give SQL for one row: bodies of a page and one event more, a line each, and their numbers, both in order.

        One row is one step of SQLite, and one wait for the interpreter's lock. The subselect has an order and a limit
        and is the outer loop of the join; SQLite keeps such an order for `group_concat`. Bodies are JSON, and so have
        no line breaks of their own.
        """
        return _page("group_concat(e.body, '\n'), group_concat(x.n)", self.rows, self.order(), self._query.limit + 1)

    def listed(self) -> str:
        """Give SQL for the rows of a page and of one event more: number, earliest, latest, sequence, first.

        Without bodies: SQLite sorts these rows once more, and would hold all it sorts.
        """
        columns = ", ".join(f"x.{name}" for name in ("n", *_ORDER))
        listed = _page(columns, self.rows, self.order(), self._query.limit + 1)
        return f"{listed} ORDER BY {self.order('x.')}"

    def place(self) -> str:
        """Give SQL for the place at which the event of number ``:n`` is sorted; `values` has the rest."""
        if not self._about:
            return f"SELECT {', '.join(_ORDER)} FROM event WHERE n = :n"
        self.values["about"] = self._about[0]
        return f"SELECT {', '.join(_ORDER)} FROM lane WHERE n = :n AND facet = :about"

    def _rows(self) -> str:
        if self._query.text is not None:
            return self._numbered("x.n IN (SELECT rowid FROM words WHERE words MATCH :text)")
        if self._query.at is not None:
            newest = self._lookup.early(self._position, EARLY)
            if newest is not None:
                return self._numbered(f"x.n <= {newest:d}")
        driving = self._about or (self._groups[-1] if self._groups else [])
        probes = self._groups if self._about else self._groups[:-1]
        windows = self._windows()
        if len(windows) * max(1, len(driving)) > ARMS:
            return self._numbered("1")
        conditions = self._conditions(probes)
        if not driving:
            return _merged("event", (), windows, conditions)
        return _merged("lane", tuple(map(self._mark, driving)), windows, conditions)

    @staticmethod
    def _arm(table: str, conditions: str) -> str:
        return _scan(table, conditions)

    def _numbered(self, choice: str) -> str:
        """Rows chosen by number rather than in order; the ORDER BY outside sorts them."""
        if self._query.text is not None:
            terms = (term.replace('"', '""') for term in search_terms(self._query.text))
            self.values["text"] = " ".join(f'"{term}"' for term in terms) or '""'
        windows = " OR ".join(f"({window})" for window in self._windows())
        if not windows:
            return ""
        columns = ", ".join(f"x.{name} AS {name}" for name in (*_ORDER, "n"))
        table, facet = ("lane", f"x.facet = {self._mark(self._about[0])}") if self._about else ("event", "1")
        conditions = f"{choice} AND {facet} AND ({windows}) AND {self._conditions(self._groups)}"
        return f"SELECT {columns} FROM {table} x CROSS JOIN event e ON e.n = x.n WHERE {conditions}"

    def _windows(self) -> tuple[str, ...]:
        """Give a condition for each duration class that can hold rows of the range."""
        query = self._query
        wholly = query.match == "must" and query.ranged
        return _windows(tuple(self._classes), classes.shape(query.lower, query.upper, wholly=wholly), wholly=wholly)

    def _conditions(self, probes: list[list[int]]) -> str:
        query = self._query
        hidden = [SHOWN, *([RETRACTED, ERASED] if query.retracted else [ERASED] if query.erased else [])]
        shown = f"x.hidden IN ({', '.join(map(str, hidden))})" if hidden[1:] else f"x.hidden = {SHOWN}"
        conditions = ["x.since <= :position", shown]
        if query.reported_by is None:
            conditions.append("x.until > :position")
        if query.after is not None:
            sign = "<" if query.order == "desc" else ">"
            last = self._marks(query.after)
            conditions.append(f"({', '.join(f'x.{name}' for name in _ORDER)}) {sign} ({last})")
        conditions += [_probe(f"p.facet IN ({self._marks(group)})") for group in probes]
        if query.kinds:
            conditions.append(f"e.kind IN ({self._marks(query.kinds)})")
        if query.statuses:
            conditions.append(f"e.status IN ({self._marks(query.statuses)})")
        if query.roles:
            conditions.append(self._role())
        if query.reported_by is not None:
            conditions.append(self._reported())
        return " AND ".join(conditions)

    def _mark(self, value: str | int) -> str:
        """Give a parameter for a value: what is in the text makes a statement that must be prepared anew."""
        name = f"v{len(self.values)}"
        self.values[name] = value
        return f":{name}"

    def _marks(self, values: Iterable[str | int]) -> str:
        return ", ".join(map(self._mark, values))

    def _role(self) -> str:
        """One of the actors asked for has one of the roles; where no actor is asked for, anybody has."""
        having = [f"instr(p.roles, {self._mark(f'|{role}|')})" for role in self._query.roles]
        condition = f"({' OR '.join(having)})"
        actors = next((group for group in self._query.facets() if group[0].startswith("actor/")), None)
        if actors is None:
            return _probe(condition)
        facets = self._lookup.facet_ids(self._lookup.with_members(self._query, actors, self._position))
        return _probe(f"p.facet IN ({self._marks(facets)}) AND {condition}")

    def _reported(self) -> str:
        """Pick of each event the newest version all of whose sources had certainly been published by then.

        What was reported by a time is not today's account with younger events taken away: each event is shown as the
        documents of that time told it. A version cites at least one source, and each was published by then; no later
        version (at this position) can say the same of itself, and none withdraws the event.
        """
        later = (
            "SELECT 1 FROM event y WHERE y.id = e.id AND y.since > e.since AND y.since <= :position "
            f"AND (y.hidden > 0 OR ({_told('y.n')}))"
        )
        return f"{_told('e.n')} AND NOT EXISTS ({later})"


@lru_cache(SHAPES)
def _windows(
    found: tuple[int, ...], shape: tuple[int | None, int | None], *, wholly: bool
) -> tuple[str, ...]:
    """Give a condition for each of some duration classes that can hold rows of a range of this shape."""
    each = [
        (class_, "1" if class_ == classes.UNDATED else classes.window(class_, *shape, wholly=wholly, named=True))
        for class_ in found
    ]
    return tuple(f"x.class = {class_:d} AND {window}" for class_, window in each if window is not None)


@lru_cache(SHAPES)
def _merged(table: str, facets: tuple[str, ...], windows: tuple[str, ...], conditions: str) -> str:
    """Merge one sorted scan for each facet and window; what stands under several facets is found once."""
    if not facets:
        return " UNION ALL ".join(_scan(table, f"{window} AND {conditions}") for window in windows)
    arms = [_scan(table, f"x.facet = {mark} AND {window} AND {conditions}") for mark in facets for window in windows]
    return (" UNION " if len(facets) > 1 else " UNION ALL ").join(arms)


def _scan(table: str, conditions: str) -> str:
    """One sorted scan. What only the event row knows (kind, status) is looked up for the rows that got so far."""
    columns = ", ".join(f"x.{name} AS {name}" for name in (*_ORDER, "n"))
    join = "CROSS JOIN event e ON e.n = x.n " if "e." in conditions else ""
    return f"SELECT {columns} FROM {table} x INDEXED BY {table}_order {join}WHERE {conditions}"


@lru_cache(SHAPES)
def _page(columns: str, rows: str, order: str, limit: int) -> str:
    """Give columns of the first rows and of their events."""
    return f"SELECT {columns} FROM ({rows} ORDER BY {order} LIMIT {limit:d}) x CROSS JOIN event e ON e.n = x.n"


@lru_cache(SHAPES)
def _order(order: str, prefix: str) -> str:
    direction = " DESC" if order == "desc" else ""
    return ", ".join(f"{prefix}{name}{direction}" for name in _ORDER)


def _told(n: str) -> str:
    """Whether an event version rests on sources published by a time, and on nothing younger."""
    cites = (
        "SELECT 1 FROM lane l JOIN facet f ON f.facet = l.facet LEFT JOIN thing t ON t.type = 'source' "
        "AND t.id = substr(f.name, 8) AND t.since <= :position AND t.until > :position "
        f"WHERE l.n = {n} AND f.name >= 'source/' AND f.name < 'source0'"
    )
    return f"EXISTS ({cites}) AND NOT EXISTS ({cites} AND (t.published IS NULL OR t.published > :by))"


def _probe(condition: str) -> str:
    return f"EXISTS (SELECT 1 FROM lane p WHERE p.n = x.n AND {condition})"
