"""What a chart of a question draws: how many events there are, in which lanes, and those of one window of time.

A window with few events gives each of them. One with many is counted by lane and slot (column) inside SQLite, and only
what stands alone in its slot, and the most important event of each other slot, is read: a million rows make a
screenful. An event is counted where its first finite bound lies, moved into the window where that is outside; one
without any at the start.

*Importance* is the number of sources an event cites and of events it bears on (at least 1), and of its revisions; of
equals the one recorded first. It is the event's own, whatever window is looked at, so zooming never reshuffles (but
that sources do not count in a scan of everything: see `sweep`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from timeline.query import Query
from timeline.views import sweep
from timeline.views.classes import HIGHEST, LOWEST
from timeline.views.plan import Plan
from timeline.views.reader import Reader
from timeline.views.sweep import AMONG, RANK, VISIBLE

SINGLE: Final = 300
"""Events that are drawn singly at most."""

BINS: Final = 120
"""Bins of the overview at most."""

WIDE: Final = 20_000
"""Events of a window from which scanning whole indexes takes less than looking each of them up."""

PREFIXES: Final = {"actor": "actor/", "topic": "topic/", "place": "place/"}
LANES: Final = (*PREFIXES, "kind", "none")
Bounds = tuple[int | None, int | None]
Span = tuple[int, int]

_NOWHERE: Final = (0, 0)
"""Stands for the window where nothing has an end: many events that are open on both sides make one cluster a lane."""

_BOUNDED: Final = f"BETWEEN {LOWEST + 1:d} AND {HIGHEST - 2:d}"
_DATED: Final = f"earliest < {HIGHEST:d}"
_NOTHING: Final = "SELECT 0 AS earliest, 0 AS latest, 0 AS sequence, 0 AS first, 0 AS n WHERE 0"
_WEIGHING: Final = (
    "+facet IN (SELECT facet FROM facet WHERE (name >= 'source/' AND name < 'source0') "
    "OR (name >= 'related/' AND name < 'related0'))"
)
_WEIGHT: Final = f"(SELECT max(1, count(*)) FROM lane c WHERE c.n = r.n AND {_WEIGHING})"


class Frame(NamedTuple):
    """How a chart is divided: what its lanes are, how many at most, and the columns of the window."""

    by: str
    most: int
    slots: int


class Spot(NamedTuple):
    """Where a row of the views stands: its number, its ends as they are indexed, and what orders it among equals."""

    n: int
    earliest: int
    latest: int
    sequence: int
    first: int

    @property
    def order(self) -> tuple[int, int, int, int]:
        """The chronological order of `/v1/events`."""
        return self.earliest, self.latest, self.sequence, self.first

    @property
    def bounds(self) -> Bounds:
        """First and last second; None where open."""
        return (None if self.earliest <= LOWEST else self.earliest,
                None if self.latest >= HIGHEST - 1 else self.latest)


@dataclass(slots=True)
class Cluster:
    """Events of one lane (None: of no lane that is drawn) and slot, with the row of the most important."""

    lane: int | None
    start: int
    end: int
    count: int
    spot: Spot
    rank: int


@dataclass(slots=True)
class Sight:
    """Everything a chart draws. `bodies` are those of `singles` and of the clusters' titles, by number."""

    count: int
    undated: int
    extent: Span | None
    window: Span | None
    overview: tuple[int, int, list[int]] | None = None
    lanes: list[tuple[str, int]] = field(default_factory=list)
    other_lanes: int = 0
    in_window: int = 0
    singles: dict[Spot, list[int]] = field(default_factory=dict)
    clusters: list[Cluster] = field(default_factory=list)
    bodies: dict[int, str] = field(default_factory=dict)


def look(reader: Reader, query: Query, position: int, window: Bounds, frame: Frame) -> Sight:
    """Look at a window of a question's answer as the log stood at `position`.

    Args:
        reader: the views.
        query: the question; a date range of its own narrows what is drawn, the window only what is looked at.
        position: position of the log, at most that of the views.
        window: first and last second; None for where the dated events begin or end.
        frame: how it is divided.

    """
    return _Look(reader, query, position, frame).at(window)


@contextmanager
def unmoved(reader: Reader) -> Iterator[None]:
    """Read everything from one state of the views: an erasure writes rows anew."""
    if reader.connection.in_transaction:
        yield
        return
    reader.connection.execute("BEGIN")
    try:
        yield
    finally:
        reader.connection.execute("ROLLBACK")


def resolved(window: Bounds, extent: Span | None) -> Span | None:
    """Close the open sides of a window where the dated events end; none that it meets is lost by that.

    >>> resolved((None, None), (0, 99)), resolved((50, None), (0, 99)), resolved((500, None), (0, 99))
    ((0, 99), (50, 99), (500, 500))
    """
    lower, upper = window
    if lower is not None and upper is not None:
        return lower, upper
    if extent is None:
        only = lower if upper is None else upper
        return None if only is None else (only, only)
    if lower is not None:
        return lower, max(lower, extent[1])
    return (extent[0], extent[1]) if upper is None else (min(upper, extent[0]), upper)


def divided(span: Span, parts: int) -> tuple[int, int]:
    """Give width and number of equal parts (at most `parts`, of whole seconds) that cover a span.

    >>> divided((0, 99), 24), divided((5, 5), 24)
    ((5, 20), (1, 1))
    """
    length = span[1] - span[0] + 1
    width = -(-length // parts)
    return width, -(-length // width)


def _slot(span: Span, width: int) -> str:
    """Give the SQL that finds the part of a span in which a row is counted."""
    start, end = span
    first = f"CASE WHEN earliest {_BOUNDED} THEN earliest WHEN latest {_BOUNDED} THEN latest ELSE {start:d} END"
    return f"(min(max({first}, {start:d}), {end:d}) - {start:d}) / {width:d}"


class _Look:
    """One look: what is asked is the same in all its statements."""

    def __init__(self, reader: Reader, query: Query, position: int, frame: Frame) -> None:
        self._reader, self._query, self._position, self._frame = reader, query, position, frame
        self._plan = Plan(reader, query, position)
        self._keys: list[int | str] = []
        """Of each lane that is drawn, what tells its rows: number of a facet, or a kind."""

    def _all(self, sql: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        return self._reader.connection.execute(sql, values).fetchall()

    @property
    def _plain(self) -> bool:
        """Whether simply every event is meant: then whole indexes may be scanned, in any order."""
        query = self._query
        narrow = (query.facets(), query.text, query.kinds, query.statuses, query.roles, query.ranged)
        other = query.reported_by is not None or query.on != "when" or not query.undated
        return not (any(narrow) or other or query.retracted or query.erased)

    def at(self, window: Bounds) -> Sight:
        """Look at a window."""
        if self._plain and self._position > WIDE and (extent := sweep.extent(self._reader, self._position)):
            return self._swept(extent, window)
        sight = self._counted(window)
        if not sight.count:
            return sight
        sight.overview = self._overview(sight.extent)
        self._lanes(sight)
        whole = sight.window in (None, sight.extent)
        rows, values = self._rows(sight.window)
        sight.in_window = sight.count - sight.undated if whole else self._all(
            f"SELECT count(*) FROM ({rows})", values)[0][0]
        self._drawn(sight, rows, values)
        return sight

    def _drawn(self, sight: Sight, rows: str, values: Mapping[str, Any]) -> None:
        if sight.in_window <= SINGLE:
            self._singly(sight, rows, values)
        else:
            self._clustered(sight, sight.window or _NOWHERE, rows, values)
        self._read(sight)

    def _swept(self, extent: Span, window: Bounds) -> Sight:
        """Look at a window of everything there is: all of it is counted in one scan of an index."""
        sight = Sight(0, 0, extent, resolved(window, extent))
        shown = sight.window or extent
        rows, values = self._rows(shown)
        sight.in_window = self._all(f"SELECT count(*) FROM (SELECT 1 FROM ({rows}) LIMIT {WIDE + 1:d})", values)[0][0]
        width, bins = divided(extent, BINS)
        sight.overview = extent[0], width, [0] * bins
        if sight.in_window <= WIDE:
            _tally(sight, sweep.bins(self._reader, self._position, _slot(extent, width)))
            self._lanes(sight)
            self._drawn(sight, rows, values)
        else:
            self._wide(sight, shown, _slot(extent, width))
        return sight

    def _wide(self, sight: Sight, window: Span, bin_: str) -> None:
        """Count everything and what lies in a wide window at once, and draw that."""
        kinds = self._frame.by == "kind"
        if not kinds:
            self._lanes(sight)
        width, _ = divided(window, self._frame.slots)
        asked = sweep.Asked(self._position, window, _slot(window, width), self._keys)
        groups = sweep.kinds(self._reader, asked, bin_) if kinds else sweep.sweep(self._reader, asked, bin_)
        _tally(sight, ((group.bin, group.number) for group in groups))
        sight.in_window = sum(group.number for group in groups if group.slot is not None)
        if kinds:
            counts: Counter[str] = Counter()
            for group in groups:
                counts[str(group.key)] += group.number
            self._chosen(sight, counts)
        elif self._keys:
            groups += sweep.lanes(self._reader, asked)
        self._gathered(sight, window, width, groups)
        self._read(sight)

    def _gathered(self, sight: Sight, window: Span, width: int, groups: Iterable[sweep.Group]) -> None:
        """Put the groups of a sweep together, which told bins apart as well."""
        lanes: dict[int | str | None, int | None] = {key: number for number, key in enumerate(self._keys)}
        found: dict[tuple[int | None, int], Cluster] = {}
        for group in groups:
            if group.slot is None or not group.rest:
                continue
            key = lanes.get(group.key), group.slot
            new = _cluster(key, group.rest, group.rank, Spot(*group.spot), window, width)
            old = found.get(key)
            if old is not None:
                new = replace(new if new.rank > old.rank else old, count=new.count + old.count)
            found[key] = new
        _drawn(sight, list(found.values()))

    # ------------------------------------------------------------------ the whole question

    def _counted(self, window: Bounds) -> Sight:
        """Count the events, and find the hull of their finite bounds."""
        if self._plan.empty:
            return Sight(0, 0, None, resolved(window, None))
        sql = (
            f"SELECT count(*), coalesce(sum(earliest = {HIGHEST:d}), 0), "
            f"min(CASE WHEN earliest {_BOUNDED} THEN earliest WHEN latest {_BOUNDED} THEN latest END), "
            f"max(CASE WHEN latest {_BOUNDED} THEN latest WHEN earliest {_BOUNDED} THEN earliest END) "
            f"FROM ({self._plan.rows})"
        )
        count, undated, first, last = self._all(sql, self._plan.values)[0]
        extent = None if first is None else (first, last)
        return Sight(count, undated, extent, resolved(window, extent))

    def _overview(self, extent: Span | None) -> tuple[int, int, list[int]] | None:
        """Count the dated events by bins of the whole extent."""
        if extent is None:
            return None
        width, number = divided(extent, BINS)
        sql = f"SELECT {_slot(extent, width)}, count(*) FROM ({self._plan.rows}) WHERE {_DATED} GROUP BY 1"
        counts = [0] * number
        for bin_, count in self._all(sql, self._plan.values):
            counts[bin_] = count
        return extent[0], width, counts

    def _lanes(self, sight: Sight) -> None:
        """Choose the lanes with most events of the whole question: they stay where they are, whatever window."""
        by = self._frame.by
        if by == "none":
            return
        self._chosen(sight, self._kinds() if by == "kind" else self._facets(PREFIXES[by]))

    def _chosen(self, sight: Sight, counts: Mapping[str, int]) -> None:
        by = self._frame.by
        chosen = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        sight.lanes, sight.other_lanes = chosen[: self._frame.most], max(0, len(chosen) - self._frame.most)
        if by == "kind":
            self._keys = [kind for kind, _ in sight.lanes]
        else:
            names = {f"{PREFIXES[by]}{id_}": number for number, (id_, _) in enumerate(sight.lanes)}
            found = self._all("SELECT name, facet FROM facet WHERE name IN (SELECT value FROM json_each(:names))",
                              {"names": json.dumps(list(names))})
            self._keys = [facet for _, facet in sorted((names[name], facet) for name, facet in found)]

    def _kinds(self) -> dict[str, int]:
        if self._plain:
            return sweep.kind_counts(self._reader, self._position)
        sql = f"SELECT e.kind, count(*) FROM ({self._plan.rows}) r CROSS JOIN event e ON e.n = r.n GROUP BY 1"
        return dict(self._all(sql, self._plan.values))

    def _facets(self, prefix: str) -> dict[str, int]:
        if self._plain:
            return self._reader.lane_counts(prefix, self._position)
        numbers = "SELECT facet FROM facet WHERE name >= :prefix AND name < :beyond"
        counted = (
            f"SELECT l.facet, count(*) AS number FROM ({self._plan.rows}) r CROSS JOIN lane l ON l.n = r.n "
            f"WHERE +l.facet IN ({numbers}) GROUP BY 1"
        )
        sql = (f"SELECT substr(f.name, length(:prefix) + 1), c.number FROM ({counted}) c "
               "CROSS JOIN facet f ON f.facet = c.facet")
        beyond = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        return dict(self._all(sql, {**self._plan.values, "prefix": prefix, "beyond": beyond}))

    # ------------------------------------------------------------------ the window

    def _rows(self, window: Span | None) -> tuple[str, dict[str, Any]]:
        """Give the rows that a window may meet: those that `/v1/events` finds with `match=may`."""
        query = self._query
        if window is None:  # nothing is bounded on any side: all of it
            return f"SELECT * FROM ({self._plan.rows}) WHERE {_DATED}", dict(self._plan.values)
        if not query.ranged:
            lower, upper = window
            plan = Plan(self._reader, replace(query, lower=lower, upper=upper, match="may", undated=False),
                        self._position)
            return plan.rows or _NOTHING, dict(plan.values)
        values = {**self._plan.values, "begin": window[0], "end": window[1]}
        return f"SELECT * FROM ({self._plan.rows}) WHERE {_DATED} AND earliest <= :end AND latest >= :begin", values

    def _singly(self, sight: Sight, rows: str, values: Mapping[str, Any]) -> None:
        """Draw every event."""
        sql = f"SELECT n, earliest, latest, sequence, first FROM ({rows})"
        spots = sorted((Spot(*row) for row in self._all(sql, values)), key=lambda spot: spot.order)
        lanes = self._lanes_of([spot.n for spot in spots])
        sight.singles = {spot: sorted(lanes.get(spot.n, [])) for spot in spots}

    def _lanes_of(self, numbers: Sequence[int]) -> dict[int, list[int]]:
        """Give the lanes that rows stand in, of those that are drawn."""
        if not self._keys:
            return {}
        places = {key: number for number, key in enumerate(self._keys)}
        among = "IN (SELECT value FROM json_each(:numbers))"
        sql = (f"SELECT n, kind FROM event WHERE n {among}" if self._frame.by == "kind"
               else f"SELECT n, facet FROM lane WHERE n {among} AND +facet {AMONG}")
        found: dict[int, list[int]] = {}
        for n, key in self._all(sql, {"numbers": json.dumps(numbers), "lanes": json.dumps(self._keys)}):
            if key in places:
                found.setdefault(n, []).append(places[key])
        return found

    def _clustered(self, sight: Sight, window: Span, rows: str, values: Mapping[str, Any]) -> None:
        """Count by lane and slot. What stands alone is drawn singly, the most important 300 of those."""
        width, _ = divided(window, self._frame.slots)
        sql = (
            f"SELECT lane, {_slot(window, width)}, count(*), max(({_WEIGHT} + revision) * {RANK:d} - first), n, "
            f"earliest, latest, sequence, first FROM ({self._located(rows)}) r GROUP BY 1, 2"
        )
        lanes: dict[int | str | None, int | None] = {key: number for number, key in enumerate(self._keys)}
        _drawn(sight, [
            _cluster((lanes.get(lane), slot), count, rank, Spot(*spot), window, width)
            for lane, slot, count, rank, *spot in self._all(sql, {**values, "lanes": json.dumps(self._keys)})
        ])

    def _located(self, rows: str) -> str:
        """Give rows with the lane of each: one for each lane, or one without."""
        columns = "r.n, r.earliest, r.latest, r.sequence, r.first"
        revision = "(SELECT revision FROM event e WHERE e.n = r.n) AS revision"
        if self._frame.by == "none":
            return f"SELECT {columns}, NULL AS lane, {revision} FROM ({rows}) r"
        if self._frame.by == "kind":
            return (f"SELECT {columns}, CASE WHEN e.kind {AMONG} THEN e.kind END AS lane, e.revision "
                    f"FROM ({rows}) r CROSS JOIN event e ON e.n = r.n")
        return (f"SELECT {columns}, l.facet AS lane, {revision} FROM ({rows}) r "
                f"LEFT JOIN lane l ON l.n = r.n AND +l.facet {AMONG}")

    def _read(self, sight: Sight) -> None:
        numbers = [*(spot.n for spot in sight.singles), *(cluster.spot.n for cluster in sight.clusters)]
        sight.bodies = dict(self._all("SELECT n, body FROM event WHERE n IN (SELECT value FROM json_each(:numbers))",
                                      {"numbers": json.dumps(numbers)}))


def _tally(sight: Sight, bins: Iterable[tuple[int | None, int]]) -> None:
    """Add up what was counted by bin of the overview; None: not dated."""
    for bin_, number in bins:
        sight.count += number
        if bin_ is None:
            sight.undated += number
        elif sight.overview is not None:
            sight.overview[2][bin_] += number


def _cluster(key: tuple[int | None, int], count: int, rank: int, spot: Spot, window: Span, width: int) -> Cluster:
    start = window[0] + key[1] * width
    return Cluster(key[0], start, min(window[1], start + width - 1), count, spot, rank)


def _drawn(sight: Sight, clusters: list[Cluster]) -> None:
    """Draw what stands alone in a slot: the most important events where they are too many."""
    kept: dict[Spot, list[int]] = {}
    for cluster in sorted(clusters, key=lambda each: -each.rank):
        if cluster.count > 1 or (cluster.spot not in kept and len(kept) == SINGLE):
            sight.clusters.append(cluster)
        else:
            lanes = kept.setdefault(cluster.spot, [])
            lanes += [] if cluster.lane is None else [cluster.lane]
    sight.singles = {spot: sorted(kept[spot]) for spot in sorted(kept, key=lambda spot: spot.order)}
    sight.clusters.sort(key=lambda each: (each.start, -1 if each.lane is None else each.lane))


def place_of(reader: Reader, place: str, position: int) -> str | None:
    """Give the body of an event at a place, which says what the place is called: the first in its lane."""
    sql = (
        "SELECT e.body FROM facet f CROSS JOIN lane x INDEXED BY lane_order ON x.facet = f.facet "
        f"CROSS JOIN event e ON e.n = x.n WHERE f.name = :name AND {VISIBLE} LIMIT 1"
    )
    row = reader.connection.execute(sql, {"name": f"place/{place}", "position": position}).fetchone()
    return row[0] if row else None


def stances(reader: Reader, topic: str, query: Query, position: int) -> list[str]:
    """Give the events in which somebody takes a stance on a topic, in chronological order.

    They are all there are at `position` (and had been reported by the time `query` asks for), whatever else it asks:
    from what stance an actor turned does not depend on what is looked at. Of a topic with too many events, none.
    """
    plan = Plan(reader, Query(topics=(topic,), reported_by=query.reported_by, at=position), position)
    if plan.empty or reader.connection.execute(
        "SELECT count(*) > :most FROM (SELECT 1 FROM facet f CROSS JOIN lane l INDEXED BY lane_order "
        "ON l.facet = f.facet WHERE f.name = :name LIMIT :most + 1)", {"name": f"topic/{topic}", "most": WIDE}
    ).fetchone()[0]:
        return []
    sql = (f"SELECT e.body FROM ({plan.rows}) x CROSS JOIN event e ON e.n = x.n "
           f"WHERE instr(e.body, '\"stances\":') ORDER BY {plan.order('x.')}")
    return [row[0] for row in reader.connection.execute(sql, plan.values)]
