"""One scan of everything: for charts of a whole log, whose rows are too many to be looked up one by one.

Everything stands in an index that is scanned once, the lanes drawn in theirs. Rows are grouped by their ends first, in
the order of the index, and only those groups by bin of the overview and slot of the window: nothing is sorted but a
fraction of the rows (measured: twice as fast). A million events take about a second.

Sources cited are in no such index by event. So here an event's importance is the number of events it bears on and of
its revisions.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from timeline.views.classes import HIGHEST, LOWEST, OPEN_BOTH, UNDATED
from timeline.views.reader import Reader
from timeline.views.versions import SHOWN

RANK: Final = 1 << 41
"""More than there are positions: importance times this, less the position, puts the first of equals in front."""

VISIBLE: Final = f"x.since <= :position AND x.until > :position AND x.hidden = {SHOWN}"
AMONG: Final = "IN (SELECT value FROM json_each(:lanes))"
_DATED: Final = f"x.earliest < {HIGHEST:d}"
_INSIDE: Final = f"{_DATED} AND x.earliest <= :end AND x.latest >= :begin"
_REVISION: Final = "CASE WHEN x.since = x.first THEN 1 ELSE (SELECT revision FROM event e WHERE e.n = x.n) END"
_BEARING: Final = (
    "WITH bearing (n, relations) AS MATERIALIZED (SELECT l.n, count(*) FROM facet f CROSS JOIN lane l INDEXED BY "
    "lane_order ON l.facet = f.facet WHERE f.name >= 'related/' AND f.name < 'related0' GROUP BY l.n)"
)
_RANKED: Final = (
    f"(coalesce((SELECT relations FROM bearing b WHERE b.n = x.n), 0) + {{revision}}) * {RANK:d} - x.first"
)
_ENDS: Final = "x.class, x.earliest, x.latest"
_BEST: Final = "max(rank), n, earliest, latest, sequence, first"


class Group(NamedTuple):
    """Events of one bin, slot and lane; None: not dated, outside of the window, in no lane.

    `rest` are those that stand in no lane of their own; `rank` and `spot` are of the most important of these.
    """

    bin: int | None
    slot: int | None
    key: int | str | None
    number: int
    rest: int
    rank: int
    spot: tuple[int, ...]


def extent(reader: Reader, position: int) -> tuple[int, int] | None:
    """Give the hull of the finite bounds of all events, from the ends of each duration class."""
    found: list[int] = []
    for class_ in reader.classes(about=False):
        if class_ not in (UNDATED, OPEN_BOTH):
            found += _ends(reader, class_, position)
    return (min(found), max(found)) if found else None


def _ends(reader: Reader, class_: int, position: int) -> list[int]:
    """Give the finite ends of the first and last events of a class, and of the one that lasts longest."""
    where = f"FROM event x INDEXED BY event_order WHERE x.class = :class AND {VISIBLE}"
    values = {"class": class_, "position": position}
    execute = reader.connection.execute
    ends = [
        execute(f"SELECT x.earliest, x.latest {where} ORDER BY {order} LIMIT 1", values).fetchone()
        for order in ("x.earliest, x.latest", "x.earliest DESC, x.latest DESC")
    ]
    bounds = [end for row in ends if row for end in row if LOWEST < end < HIGHEST - 1]
    if class_ < OPEN_BOTH and ends[1]:  # what ends later than the last to begin began within the length of its class
        values["since"] = max(LOWEST, ends[1][0] - (1 << class_) + 1)
        bounds.append(execute(f"SELECT max(x.latest) {where} AND x.earliest >= :since", values).fetchone()[0])
    return bounds


class Asked(NamedTuple):
    """What sweeps of a wide window share: position, window, the SQL that finds a row's slot, and the lanes' facets."""

    position: int
    window: tuple[int, int]
    slot: str
    lanes: Sequence[int | str]


def bins(reader: Reader, position: int, bin_: str) -> list[tuple[int | None, int]]:
    """Count everything by bin; `bin_` is the SQL that finds it from `earliest` and `latest`. None: not dated."""
    ends = (f"SELECT x.earliest, x.latest, count(*) AS number FROM event x INDEXED BY event_order WHERE {VISIBLE} "
            f"GROUP BY {_ENDS}")
    sql = f"SELECT CASE WHEN {_DATED} THEN {bin_} END, sum(number) FROM ({ends}) x GROUP BY 1"
    return reader.connection.execute(sql, {"position": position}).fetchall()


def kind_counts(reader: Reader, position: int) -> dict[str, int]:
    """Count everything by kind."""
    sql = f"SELECT x.kind, count(*) FROM event x NOT INDEXED WHERE {VISIBLE} GROUP BY 1"
    return dict(reader.connection.execute(sql, {"position": position}).fetchall())


def sweep(reader: Reader, asked: Asked, bin_: str) -> list[Group]:
    """Group everything by bin and slot; what stands in one of the lanes is counted, and no part of the rest."""
    outside, rank = "1", _RANKED.format(revision=_REVISION)
    if asked.lanes:
        outside = f"x.n NOT IN (SELECT n FROM lane INDEXED BY lane_order WHERE facet {AMONG})"
        rank = f"CASE WHEN {outside} THEN {rank} END"
    ends = (
        f"SELECT x.earliest, x.latest, count(*) AS number, sum({outside}) AS rest, max({rank}) AS rank, x.n, "
        f"x.sequence, x.first FROM event x INDEXED BY event_order WHERE {VISIBLE} GROUP BY {_ENDS}"
    )
    sql = (
        f"{_BEARING} SELECT CASE WHEN {_DATED} THEN {bin_} END, CASE WHEN {_INSIDE} THEN {asked.slot} END, NULL, "
        f"sum(number), sum(rest), {_BEST} FROM ({ends}) x GROUP BY 1, 2"
    )
    return _groups(reader, sql, asked)


def lanes(reader: Reader, asked: Asked) -> list[Group]:
    """Group what lies in the window by slot and lane."""
    ends = (
        f"SELECT x.facet, x.earliest, x.latest, count(*) AS number, max({_RANKED.format(revision=_REVISION)}) AS rank, "
        f"x.n, x.sequence, x.first FROM lane x INDEXED BY lane_order WHERE x.facet {AMONG} AND {VISIBLE} AND {_INSIDE} "
        f"GROUP BY x.facet, {_ENDS}"
    )
    sql = (f"{_BEARING} SELECT NULL, {asked.slot}, facet, sum(number), sum(number), {_BEST} FROM ({ends}) "
           "GROUP BY 2, 3")
    return _groups(reader, sql, asked)


def kinds(reader: Reader, asked: Asked, bin_: str) -> list[Group]:
    """Group everything by bin, slot and kind, which only the rows themselves know."""
    rows = (
        f"SELECT CASE WHEN {_DATED} THEN {bin_} END AS bin, CASE WHEN {_INSIDE} THEN {asked.slot} END AS slot, x.kind, "
        f"count(*) AS number, max({_RANKED.format(revision='x.revision')}) AS rank, x.n FROM event x NOT INDEXED "
        f"WHERE {VISIBLE} GROUP BY 1, 2, 3"
    )
    sql = (f"{_BEARING} SELECT g.bin, g.slot, g.kind, g.number, g.number, g.rank, e.n, e.earliest, e.latest, "
           f"e.sequence, e.first FROM ({rows}) g CROSS JOIN event e ON e.n = g.n")
    return _groups(reader, sql, asked)


def _groups(reader: Reader, sql: str, asked: Asked) -> list[Group]:
    values: dict[str, Any] = {"position": asked.position, "begin": asked.window[0], "end": asked.window[1],
                              "lanes": json.dumps(asked.lanes)}
    rows = reader.connection.execute(sql, values)
    return [Group(bin_, slot, key, number, rest, rank, tuple(spot))
            for bin_, slot, key, number, rest, rank, *spot in rows]
