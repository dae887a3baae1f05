"""The views for people: SQL views with good names over tables that are made for speed.

They are for Datasette, sqlite-utils, pandas and whatever else opens a SQLite file, and say what stands now: dates as
ISO 8601 or EDTF text, actors by name, one row for each thing. What was retracted, merged away or erased is in
`withdrawn` and nowhere else. Nothing of ours reads them, so they may change from one release to the next without
another schema version: a file that has others, or none, gets these when it is next opened for writing.

None is sorted: a view with an ORDER BY would sort a million events to show ten.
"""

from __future__ import annotations

import sqlite3
from typing import Final

_NOW: Final = "until = 9223372036854775807"
"""Of a row version: it is the last one (see schema.sql)."""

_STANDING: Final = f"event AS e WHERE e.{_NOW} AND e.hidden = 0"


def _of(body: str, *names: str) -> str:
    """Give columns from the fields of a body, under their own names; ``a.b AS c`` under another."""
    columns = []
    for name in names:
        path, _, other = name.partition(" AS ")
        columns.append(f"json_extract({body}, '$.{path}') AS \"{other or path}\"")
    return ", ".join(columns)


def _list(field: str, each: str = "value") -> str:
    """Give the items of a list in a body as one text, in their order and each once."""
    return (
        f"(SELECT group_concat(item, ', ') FROM (SELECT {each} AS item, min(key) AS place "
        f"FROM json_each(e.body, '$.{field}') GROUP BY item ORDER BY place))"
    )


def _name(actor: str) -> str:
    """Give an actor's name now, or the id where nobody has described it."""
    return (
        f"coalesce((SELECT json_extract(t.body, '$.name') FROM thing AS t WHERE t.type = 'actor' AND t.id = {actor} "
        f"AND t.{_NOW}), {actor})"
    )


_EVENT: Final = 'e.id AS event, json_extract(e.body, \'$.title\') AS title, json_extract(e.body, \'$.when\') AS "when"'
_BOUNDS: Final = _of("e.body", "earliest", "latest")
_PART_ID: Final = "json_extract(value, '$.id')"
_EACH: Final = f"FROM event AS e, json_each(e.body, '$.%s') AS item WHERE e.{_NOW} AND e.hidden = 0"

SELECTS: Final = {
    "events": f"""
        SELECT e.id, e.kind, e.status, {_of("e.body", "title", "when")}, {_BOUNDS}, {_of("e.body", "tz", "certainty")},
               {_list("actors", _name(_PART_ID))} AS actors, {_list("topics")} AS topics,
               {_of("e.body", "place.name AS place", "summary", "lang", "note")},
               {_list("citations", "json_extract(value, '$.source')")} AS sources, e.revision,
               {_of("e.body", "recorded_at", "revision.recorded_at AS revised_at", "revision.position AS position")}
        FROM {_STANDING}""",
    "actors": f"""
        SELECT t.id, t.kind, {_of("t.body", "name", "description", "wikidata", "head_of", "spokesperson_of")},
               (SELECT group_concat(value, ', ') FROM json_each(t.body, '$.member_of')) AS member_of,
               t.revision, {_of("t.body", "revision.recorded_at AS recorded_at")}
        FROM thing AS t WHERE t.type = 'actor' AND t.{_NOW}""",
    "sources": f"""
        SELECT t.id, {_of("t.body", "title", "publisher", "author", "published", "url", "lang", "sha256")},
               t.revision, {_of("t.body", "revision.recorded_at AS recorded_at")}
        FROM thing AS t WHERE t.type = 'source' AND t.{_NOW}""",
    "participations": f"""
        SELECT {_EVENT}, {_BOUNDS}, {_of("item.value", "id AS actor")},
               {_name("json_extract(item.value, '$.id')")} AS name, {_of("item.value", "role", "on_behalf_of")}
        {_EACH % "actors"}""",
    "stances": f"""
        SELECT {_EVENT}, {_BOUNDS}, {_of("item.value", "actor")},
               {_name("json_extract(item.value, '$.actor')")} AS name,
               {_of("item.value", "topic", "position", "note")}
        {_EACH % "stances"}""",
    "citations": f"""
        SELECT {_EVENT}, {_of("item.value", "source")},
               (SELECT json_extract(t.body, '$.title') FROM thing AS t WHERE t.type = 'source'
                AND t.id = json_extract(item.value, '$.source') AND t.{_NOW}) AS source_title,
               {_of("item.value", "start", "end", "exact", "phrase", "when AS dated_by_source", "span_sha256")}
        {_EACH % "citations"}""",
    "relations": f"""
        SELECT {_EVENT}, {_of("item.value", "type", "sense", "event AS other")}
        {_EACH % "relations"}""",
    "corrections": f"""
        SELECT e.id AS event, {_of("e.body", "title")}, e.revision,
               {_of("e.body", "revision.type AS type", "revision.reason AS reason", "revision.author AS author",
                    "revision.recorded_at AS recorded_at", "revision.position AS position")}
        FROM event AS e WHERE e.revision > 1""",
    "withdrawn": f"""
        SELECT e.id AS event, {_of("e.body", "title", "when")},
               CASE e.hidden WHEN 1 THEN 'retracted' WHEN 2 THEN 'merged' ELSE 'erased' END AS how,
               {_of("e.body", "merged_into")},
               coalesce(json_extract(e.body, '$.retracted.reason'), json_extract(e.body, '$.erased.reason'),
                        json_extract(e.body, '$.revision.reason')) AS reason,
               {_of("e.body", "revision.recorded_at AS recorded_at", "revision.position AS position")}
        FROM event AS e WHERE e.{_NOW} AND e.hidden > 0""",
}
"""What each view selects."""

STATEMENTS: Final = {name: f"CREATE VIEW {name} AS{select}" for name, select in SELECTS.items()}


def install(connection: sqlite3.Connection) -> None:
    """Make the views of a views file what they should be; costs one read where they are.

    A file that cannot be written just now keeps those it has: they are a convenience, and nothing rests on them.
    """
    there = dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'view'"))
    stale = [name for name, statement in STATEMENTS.items() if there.get(name) != statement]
    if not stale:
        return
    try:
        connection.execute("BEGIN IMMEDIATE")
        for name in stale:
            connection.execute(f"DROP VIEW IF EXISTS {name}")
            connection.execute(STATEMENTS[name])
        connection.execute("COMMIT")
    except sqlite3.OperationalError:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


__all__ = ["SELECTS", "STATEMENTS", "install"]
