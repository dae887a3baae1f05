"""What changed in an answer between two positions of the log: what a reader of the first should hear of.

An answer can change at a position for three reasons: a record about the event itself; where a question takes the
members of groups, a description that moves an actor in or out; where it asks what had been reported by a time, a
description that dates a source otherwise. So the places (event, position) at which something may have changed are
gathered first, from version numbers or from the windows of the question's own index scans, never from two whole
answers. Then the plan of the question, the same that finds a page, is asked about these places alone: a filter is
written down once.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, pairwise
from operator import itemgetter
from typing import Any, Final, NamedTuple

import msgspec

from timeline.errors import Fault, Malformed, TooCostly
from timeline.query import Query
from timeline.records import difference
from timeline.views.plan import Plan
from timeline.views.projector import EXTRAS, MERGED
from timeline.views.reader import MAX_MEMBERS, Reader

FEW: Final = 1_000
"""So many event versions are all looked at; where there are more, the windows of the question choose among them."""

MOST: Final = 100_000
"""More places than that take longer than one question may, and too much memory."""

MOST_SPANS: Final = 500
"""Spans of positions between which a group's members change: each needs a plan of its own."""

KINDS: Final = ("added", "revised", "retracted", "removed", "merged")
"""How an event that one of two answers shows can differ in the other."""

_FOUND: Final = "SELECT rowid FROM words WHERE words MATCH :text"
Place = tuple[str, int]


class State(NamedTuple):
    """An event at a position: the version that the answer shows, its own newest version, whether that is hidden."""

    shown: int | None
    newest: int | None
    hidden: int


class Move(NamedTuple):
    """What one record did to one event of the answer."""

    position: int
    event: str
    kind: str
    before: State
    after: State


@dataclass(frozen=True, slots=True)
class Changes:
    """One page of changes in order of position, and what they come to, seen from both ends.

    `summary` counts events (not records) by comparing the two answers: `added`, `revised`, `retracted`, `removed`,
    `merged`; `corrected` is all of these but `added`: events that were in the answer at `since` and have been revised,
    retracted, merged or removed since; `events_changed` is all of them. `after` is where the next page begins.
    """

    since: int
    until: int
    items: list[dict[str, Any]]
    summary: dict[str, int]
    after: str | None


def feed(
    reader: Reader, query: Query, since: int, until: int, *, limit: int | None = None, after: str = ""
) -> Changes:
    """Give what changed in the answer to a question after position `since` and up to position `until`.

    `limit` is the most items of one page, `after` the place (``position`` or ``position.event``) after which it begins.

    Raises:
        Malformed: `until` lies before `since`, the question has a position of its own, or `after` is no place.
        TooCostly: too much has changed.

    """
    _refuse(query, since, until)
    begin = _read_place(after) if after else (since, "")
    moves, summary = _compare(_states(reader, query, since, until))
    left = moves[bisect_right(moves, begin, key=itemgetter(0, 1)) :]
    page = left if limit is None else left[:limit]
    following = f"{page[-1].position}.{page[-1].event}" if len(page) < len(left) else None
    return Changes(since, until, list(_items(reader, page, query.lang)), summary, following)


def _refuse(query: Query, since: int, until: int) -> None:
    if until < since:
        detail = f"expected a position from {since} on: until cannot lie before since"
        raise Malformed(f"until: {detail}", faults=(Fault("?until", detail),))
    if query.at is not None or query.as_of is not None or query.after is not None:
        raise Malformed("changes lie between since and until: leave out at, as_of and cursor")


def _read_place(after: str) -> tuple[int, str]:
    """Read where a page begins; a position alone means after all that its record changed."""
    position, dot, event = after.partition(".")
    if not (position.isascii() and position.isdigit() and len(position) <= 16 and len(event) <= 100):
        detail = "expected a place such as 59 or 59.alaska-summit, as `next` has it"
        raise Malformed(f"after: {detail}", faults=(Fault("?after", detail),))
    return (int(position), event) if dot else (int(position) + 1, "")


# ---------------------------------------------------------------------------------------------- comparing

def _compare(states: dict[Place, State]) -> tuple[list[Move], dict[str, int]]:
    """Walk through each event's states in order: the moves, and the two ends compared."""
    moves: list[Move] = []
    ends: Counter[str] = Counter()
    for event, places in groupby(sorted(states), itemgetter(0)):
        positions = [position for _, position in places]
        known = [states[event, position] for position in positions]
        for (_, before), (position, after) in pairwise(zip(positions, known, strict=True)):
            if before.shown != after.shown:
                kind = _kind(before, after)
                again = kind == "added" and known[0].shown is not None
                moves.append(Move(position, event, "restored" if again else kind, before, after))
        if known[0].shown != known[-1].shown:
            ends[_kind(known[0], known[-1])] += 1
    counts = {kind: ends[kind] for kind in KINDS}
    total = ends.total()
    return sorted(moves), {**counts, "corrected": total - ends["added"], "events_changed": total}


def _kind(before: State, after: State) -> str:
    """Say how the answer differs. What was retracted or merged no longer changes, so `hidden` only ever grows."""
    if before.shown is None:
        return "added"
    if after.hidden and not before.hidden:
        return "merged" if after.hidden == MERGED else "retracted"
    return "removed" if after.shown is None else "revised"


# ---------------------------------------------------------------------------------------------- places

def _places(reader: Reader, query: Query, since: int, until: int) -> set[Place]:
    """Gather every (event, position) at which the answer may have changed."""
    first, last = reader.newest(since)[0], reader.newest(until)[0]
    values = {"since": since, "until": until, "first": first, "last": last}
    narrow = query.ranged or query.on == "about" or query.text is not None or query.facets()
    if last - first <= FEW or not narrow:
        found = _taken(reader, "SELECT id, since FROM event WHERE n > :first AND n <= :last", values)
    else:
        near = _Near(_Ever(reader.connection), query, since, until)
        found = set() if near.empty else _taken(reader, near.places(), near.values | values)
    if query.members and query.actors:
        groups = msgspec.json.encode(query.actors).decode()
        found |= _taken(reader, _MEMBERS_MOVED, {**values, "groups": groups})
    if query.reported_by is not None:
        found |= _taken(reader, _SOURCES_REDATED, values)
    return found


def _taken(reader: Reader, sql: str, values: dict[str, Any]) -> set[Place]:
    """Fetch places, while they are few enough."""
    found = set(reader.connection.execute(f"{sql} LIMIT {MOST + 1:d}", values))
    if len(found) > MOST:
        raise TooCostly(f"more than {MOST:,} versions of events lie in between: ask from a later position, or narrow "
                        "the question")
    return found


class _Near(Plan):
    """Event versions in the windows and lanes of a question that came or went between two positions.

    The other filters are left to the plan that looks at each place: this one only has to leave nothing out.
    """

    def __init__(self, lookup: _Ever, query: Query, since: int, until: int) -> None:
        self._came_or_went = f"x.since <= {until:d}"
        if query.reported_by is None:  # else an older version may be the one that is shown
            self._came_or_went += f" AND x.until > {since:d} AND (x.since > {since:d} OR x.until <= {until:d})"
        super().__init__(lookup, query, until)

    def _rows(self) -> str:
        if self._query.text is not None:
            self._numbered("1")  # binds :text
        driving = self._about or (self._groups[-1] if self._groups else [])
        table, facet = ("lane", f"x.facet IN ({self._marks(driving)})") if driving else ("event", "1")
        return " UNION ALL ".join(
            self._arm(table, f"{facet} AND {window} AND {self._came_or_went}") for window in self._windows()
        )

    def places(self) -> str:
        """Give SQL for the places of all events found."""
        ids = f"SELECT e.id FROM ({self.rows}) near CROSS JOIN event e ON e.n = near.n"
        if self._query.text is not None:
            ids += f" WHERE near.n IN ({_FOUND})"
        return f"SELECT id, since FROM event WHERE id IN ({ids}) AND since > :since AND since <= :until"


class _Ever(Reader):
    """Looks up who ever belonged to a group, whatever the position."""

    def members(self, group: str, position: int) -> list[str]:  # noqa: ARG002 - that is the point
        sql = f"{_INSIDE} SELECT id FROM inside LIMIT {10 * MAX_MEMBERS:d}"
        return [row[0] for row in self.connection.execute(sql, {"groups": msgspec.json.encode([group]).decode()})]


_INSIDE: Final = (
    "WITH RECURSIVE inside(id) AS (SELECT value FROM json_each(:groups) "
    "UNION SELECT m.actor FROM inside JOIN member m ON m.of = inside.id)"
)
# A description anew closes and opens the same memberships at its position: those have not moved.
_EDGES: Final = (
    f"{_INSIDE}, edge(position, actor) AS ("
    "SELECT m.since, m.actor FROM inside JOIN member m ON m.of = inside.id "
    "WHERE m.since > :since AND m.since <= :until "
    "AND NOT EXISTS (SELECT 1 FROM member o WHERE o.of = m.of AND o.actor = m.actor AND o.until = m.since) "
    "UNION SELECT m.until, m.actor FROM inside JOIN member m ON m.of = inside.id "
    "WHERE m.until > :since AND m.until <= :until "
    "AND NOT EXISTS (SELECT 1 FROM member o WHERE o.of = m.of AND o.actor = m.actor AND o.since = m.until))"
)
_MEMBERS_MOVED: Final = (
    f"{_EDGES}, moved(position, actor) AS (SELECT position, actor FROM edge "
    "UNION SELECT moved.position, m.actor FROM moved JOIN member m ON m.of = moved.actor) "
    "SELECT DISTINCT e.id, moved.position FROM moved JOIN facet f ON f.name = 'actor/' || moved.actor "
    "JOIN lane l ON l.facet = f.facet AND l.since <= moved.position JOIN event e ON e.n = l.n"
)
_SOURCES_REDATED: Final = (
    "SELECT DISTINCT e.id, t.since FROM thing t "
    "JOIN thing o ON o.type = 'source' AND o.id = t.id AND o.until = t.since "
    "JOIN facet f ON f.name = 'source/' || t.id JOIN lane l ON l.facet = f.facet AND l.since <= t.since "
    "JOIN event e ON e.n = l.n WHERE t.type = 'source' AND t.since > :since AND t.since <= :until "
    "AND o.published IS NOT t.published"
)


# ---------------------------------------------------------------------------------------------- states

def _states(reader: Reader, query: Query, since: int, until: int) -> dict[Place, State]:
    """Give the state of every event concerned, at `since` and wherever it may have changed."""
    places = _places(reader, query, since, until)
    places |= {(event, since) for event, _ in places}
    starts = [since, *_membership_changes(reader, query, since, until)]
    spans: defaultdict[int, list[Place]] = defaultdict(list)
    for place in places:
        spans[starts[bisect_right(starts, place[1]) - 1]].append(place)
    if len(spans) > MOST_SPANS:
        raise TooCostly("the groups asked for have changed too often in between: ask from a later position, or leave "
                        "out members")
    states: dict[Place, State] = {}
    for start, some in spans.items():
        states |= _Probe(reader, query, start).states(reader, some)
    return states


def _membership_changes(reader: Reader, query: Query, since: int, until: int) -> list[int]:
    """Give the positions at which the groups asked for gained or lost members, in order."""
    if not (query.members and query.actors):
        return []
    values = {"since": since, "until": until, "groups": msgspec.json.encode(query.actors).decode()}
    sql = f"{_EDGES} SELECT DISTINCT position FROM edge ORDER BY position"
    return [row[0] for row in reader.connection.execute(sql, values)]


class _Probe(Plan):
    """The plan of a question for one event version `v` at the position of a place `k`, columns of the statement around.

    Without stored statistics SQLite would rather scan an index than look up a list of versions: hence an equality.
    """

    def _rows(self) -> str:
        choice = "x.n = v.n"
        if self._query.text is not None:
            choice += f" AND x.n IN ({_FOUND})"
        return self._numbered(choice).replace(":position", "k.position")

    def states(self, reader: Reader, places: Iterable[Place]) -> dict[Place, State]:
        """Give the state at each place. An older version than the newest is shown only where reports are asked for."""
        only = "" if self._query.reported_by is not None else "AND v.until > k.position"
        meant = "0" if self.empty else f"EXISTS (SELECT 1 FROM ({self.rows}))"
        sql = (
            "WITH k(id, position) AS MATERIALIZED (SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') "
            f"FROM json_each(:places)) SELECT k.id, k.position, v.n, v.hidden, v.until > k.position, {meant} FROM k "
            f"CROSS JOIN event v INDEXED BY event_id ON v.id = k.id AND v.since <= k.position {only}"
        )
        values = {**self.values, "places": msgspec.json.encode(places).decode()}
        states = dict.fromkeys(places, State(None, None, 0))
        for event, position, number, hidden, is_newest, is_shown in reader.connection.execute(sql, values):
            shown, newest, was_hidden = states[event, position]
            state = (number, hidden) if is_newest else (newest, was_hidden)
            states[event, position] = State(number if is_shown else shown, *state)
        return states


# ---------------------------------------------------------------------------------------------- items

def _items(reader: Reader, moves: list[Move], lang: str | None) -> Iterator[dict[str, Any]]:
    """Tell each move: which record made it, why, and what it changed in the event."""
    numbers = {number for move in moves for state in (move.before, move.after) for number in state[:2] if number}
    bodies = _bodies(reader, numbers)
    others = _others(reader, {move.position for move in moves if move.before.newest == move.after.newest})
    for move in moves:
        old, new = (bodies.get(number or 0, {}) for number in _versions(move))
        revision = others.get(move.position) or bodies[move.after.newest or 0]["revision"]
        yield {
            "change": move.kind, "event": move.event, "title": _title(new, lang),
            **({"when": new["when"]} if "when" in new else {}),
            **{name: value for name, value in revision.items() if name != "number"},
            **({"merged_into": bodies[move.after.newest or 0]["merged_into"]} if move.kind == "merged" else {}),
            **(_patch(old, new) if old else {}),
        }


def _versions(move: Move) -> tuple[int | None, int | None]:
    """Give the versions to compare: those shown, else those the event itself had before and after its own record."""
    before, after = move.before, move.after
    own = before.newest != after.newest
    old = before.shown or (before.newest if own else after.shown)
    new = after.shown or (after.newest if own else before.shown)
    return old, new


def _patch(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Give the merge patch from one version to the next (RFC 7396), and what it touches, as it was and as it is."""
    plain_old, plain_new = ({name: value for name, value in body.items() if name not in EXTRAS} for body in (old, new))
    changes = difference(plain_old, plain_new)
    touched = {"before": plain_old, "after": plain_new} if changes else {}
    return {"changes": changes} | {
        side: {name: body[name] for name in changes if name in body} for side, body in touched.items()
    }


def _title(body: dict[str, Any], lang: str | None) -> str:
    """Give the title in `lang`, or in its primary language, where it is translated (RFC 4647, lookup)."""
    translations = body.get("translations", {})
    tag = next((tag for tag in (lang or "", (lang or "").partition("-")[0]) if tag in translations), None)
    title: str = body["title"] if tag is None or body.get("lang") == lang else translations[tag]["title"]
    return title


def _bodies(reader: Reader, numbers: Iterable[int]) -> dict[int, dict[str, Any]]:
    sql = "SELECT n, body FROM event WHERE n IN (SELECT value FROM json_each(?))"
    wanted = msgspec.json.encode(sorted(numbers)).decode()
    return {number: msgspec.json.decode(body) for number, body in reader.connection.execute(sql, (wanted,))}


def _others(reader: Reader, positions: set[int]) -> dict[int, dict[str, Any]]:
    """Give the descriptions of actors and sources recorded at some positions, each naming what it describes."""
    if not positions:
        return {}
    sql = "SELECT since, type, id, body FROM thing WHERE since IN (SELECT value FROM json_each(?))"
    rows = reader.connection.execute(sql, (msgspec.json.encode(sorted(positions)).decode(),))
    return {since: {**msgspec.json.decode(body)["revision"], type_: id_} for since, type_, id_, body in rows}


__all__ = ["Changes", "feed"]
