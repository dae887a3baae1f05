"""The views against a naive fold: at every position, by every path, whatever the history."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import threading
from contextlib import closing, contextmanager
from math import inf
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from timeline import ReadOnlyTimeline, Timeline, TimelineError, parse, parse_query
from timeline.edtf import iso, parse_range, ymd
from timeline.errors import Corrupt
from timeline.log import Draft
from timeline.log.sqlite import LogFile, SqliteLog
from timeline.views import classes, firsts, plan
from timeline.views.building import rebuild
from timeline.views.classes import HIGHEST, LOWEST, place, window
from timeline.views.plan import Plan
from timeline.views.projector import EXTRAS
from timeline.views.reader import Heads, Reader
from timeline.views.store import Views, views_path

# ---------------------------------------------------------------------------------------------- the naive fold

SHOWN, RETRACTED, MERGED = 0, 1, 2
JOINED = ("actors", "topics", "stances", "media", "citations", "relations")


def patched(target, patch):
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        result[name] = patched(result.get(name), value)
        if value is None:
            del result[name]
    return result


def absorbed(kept, others, gone):
    result = dict(kept)
    for name in JOINED:
        found = []
        for event in (kept, *others):
            found += [item for item in event.get(name, []) if item not in found]
        if name == "relations":
            found = [item for item in found if item["event"] not in gone]
        result.pop(name, None)
        if found:
            result[name] = found
    return result


def fold(records, n):
    """Give every version of every event, (event, since, first, hidden), and every actor and source, after n records."""
    events, things = {}, {}
    for record in records[:n]:
        body, position = json.loads(record.part()), record.position
        match record.header.type:
            case "event.recorded":
                events[body["event"]["id"]] = [(body["event"], position, position, SHOWN)]
            case "event.revised":
                versions = events[body["id"]]
                versions.append((patched(versions[-1][0], body["patch"]), position, versions[0][2], SHOWN))
            case "event.retracted":
                versions = events[body["id"]]
                versions.append((versions[-1][0], position, versions[0][2], RETRACTED))
            case "events.merged":
                versions, others = events[body["id"]], [events[name] for name in body["duplicates"]]
                event = absorbed(versions[-1][0], [other[-1][0] for other in others], {body["id"], *body["duplicates"]})
                versions.append((event, position, versions[0][2], SHOWN))
                for other in others:
                    other.append((other[-1][0], position, other[0][2], MERGED))
            case described:
                type_ = described.partition(".")[0]
                things[type_, body[type_]["id"]] = body[type_]
    return events, things


def ends(text, tz):
    lower, upper = parse(text).bounds(tz)
    return (-inf if lower is None else lower, inf if upper is None else upper)


def named(event):
    actors = {}
    for part in event.get("actors", []):
        actors.setdefault(part["id"], []).append(part.get("role"))
        if "on_behalf_of" in part:
            actors.setdefault(part["on_behalf_of"], []).append("represented")
    return actors


def belongs(things, group):
    found, before = {group}, None
    while found != before:
        before = set(found)
        found |= {id_ for (type_, id_), actor in things.items()
                  if type_ == "actor" and found & {*actor.get("member_of", []), actor.get("head_of")}}
    return found


def reported(versions, things, by):
    told = [number for number, (event, _, _, hidden) in enumerate(versions) if hidden or (
        event.get("citations") and all(
            "published" in things["source", citation["source"]]
            and ends(things["source", citation["source"]]["published"], None)[1] <= by
            for citation in event["citations"]))]
    return versions[told[-1]] if told else None


def words(event):
    texts = [event["title"], event.get("summary", ""), event.get("place", {}).get("name", "")]
    texts += [text for shown in event.get("translations", {}).values() for text in shown.values()]
    texts += [*named(event), *event.get("topics", []), *(stance["topic"] for stance in event.get("stances", []))]
    texts += [relation["event"] for relation in event.get("relations", [])]
    texts += [event["place"].get("id", event["place"]["name"].lower())] if "place" in event else []
    return set(re.findall(r"[a-z0-9]+", " ".join(texts).lower()))


def matches(event, things, asked):
    def any_of(name, found):
        return not asked.get(name) or bool(set(asked[name]) & set(found))

    actors = named(event)
    wanted = set(asked.get("actor", []))
    if asked.get("members") == "true":
        wanted = {member for actor in wanted for member in belongs(things, actor)}
    roles = [role for actor, found in actors.items() if not wanted or actor in wanted for role in found]
    stances = event.get("stances", [])
    return (
        (not wanted or bool(wanted & set(actors)))
        and any_of("role", roles) and any_of("kind", [event["kind"]]) and any_of("status", [event["status"]])
        and any_of("topic", [*event.get("topics", []), *(stance["topic"] for stance in stances)])
        and any_of("place", [event["place"].get("id", event["place"]["name"].lower())] if "place" in event else [])
        and any_of("source", [citation["source"] for citation in event.get("citations", [])])
        and any_of("related", [relation["event"] for relation in event.get("relations", [])])
        and ("q" not in asked or asked["q"] in words(event))
    )


def answer(events, things, asked):
    """Give the ids and revisions that a question means, in order."""
    lower = parse_range(asked["from"])[0] if "from" in asked else None
    upper = parse_range(asked["to"])[1] if "to" in asked else None
    ranged = lower is not None or upper is not None
    lower, upper = (-inf if lower is None else lower), (inf if upper is None else upper)
    undated = asked.get("undated", "exclude" if ranged else "include") == "include"
    shown = {SHOWN, RETRACTED} if asked.get("retracted") == "include" else {SHOWN}
    found = []
    for name, versions in events.items():
        by = parse_range(asked["reported_by"])[1] if "reported_by" in asked else None
        version = versions[-1] if by is None else reported(versions, things, by)
        if version is None or version[3] not in shown or not matches(version[0], things, asked):
            continue
        event, since, first, hidden = version
        if hidden and by is not None and not reported([(event, since, first, SHOWN)], things, by):
            continue
        date = event.get("about" if asked.get("on") == "about" else "when")
        if date is None:
            if asked.get("on") == "about" or not undated:
                continue
            key = (inf, inf)
        else:
            key = ends(date, event.get("tz"))
            inside = lower <= key[0] and key[1] <= upper
            if ranged and not (inside if asked.get("match") == "must" else key[0] <= upper and lower <= key[1]):
                continue
        found.append((date is None, *key, event.get("sequence", 0), first, name, since))
    return [(name, since) for *_, name, since in sorted(found, reverse=asked.get("order") == "desc")]


# ---------------------------------------------------------------------------------------------- random histories

DATES = (
    "2025-08-15", "2025-08-15", "2025-08-16", "2025-08", "2025", "2025-08?", "2025-XX", "2025-08-15T10:00:00Z",
    "2025-08-15T10:00:00+03:00", "2025-08-14/2025-08-20", "2025-08/..", "../2025-08-10", "/2025-08-20", "2025-08-15/",
    "[2025-08-01,2025-08-20]", "[..2025-08-18]", "-0043-03-15", "0000", "Y-10000000000", "Y10000000000", "1900/2000",
    "2025-09",
)
EVENTS = tuple(f"e{number}" for number in range(5))
ACTORS = ("ann", "bob", "cat")
TOPICS = ("nato", "troops")
SOURCES = ("s0", "s1", "s2")
WORDS = ("summit", "briefing", "denial")
PUBLISHED = (None, "2025-08-15", "2025-08", "2025-08-20?", "2025/..")


def some(values, most=2):
    return st.lists(st.sampled_from(values), max_size=most, unique=True)


event_fields = st.fixed_dictionaries({}, optional={
    "when": st.none() | st.sampled_from(DATES) | st.sampled_from(DATES),
    "about": st.none() | st.sampled_from(DATES),
    "tz": st.sampled_from(["America/Anchorage", "Europe/Moscow", None]),
    "sequence": st.integers(-1, 1),
    "kind": st.sampled_from(["occurrence", "statement"]),
    "status": st.sampled_from(["reported", "disputed"]),
    "summary": st.sampled_from(WORDS),
    "translations": st.just({"fr": {"title": "Sommet", "summary": "Réunion"}}) | st.none(),
    "actors": st.lists(st.fixed_dictionaries(
        {"id": st.sampled_from(ACTORS), "role": st.sampled_from(["speaker", "host"])},
        optional={"on_behalf_of": st.sampled_from([*ACTORS, "team"])}), max_size=2),
    "topics": some(TOPICS),
    "stances": st.lists(st.fixed_dictionaries({
        "actor": st.sampled_from(ACTORS), "topic": st.sampled_from(TOPICS), "position": st.just("for")}), max_size=1),
    "place": st.sampled_from([{"name": "Alaska"}, {"name": "Paris", "id": "paris", "lat": 48.85, "lon": 2.35}, None]),
    "citations": some(SOURCES).map(lambda names: [{"source": name} for name in names]),
    "relations": some(EVENTS[:2], 1).map(lambda names: [{"type": "denies", "event": name} for name in names]),
})


def without_nulls(fields):
    return {name: value for name, value in fields.items() if value is not None}


names = st.sampled_from(EVENTS)
recorded = st.builds(lambda id_, title, fields: {"type": "event.recorded", "event": {
    "id": id_, "title": title, **without_nulls(fields)}}, names, st.sampled_from(WORDS), event_fields)
revised = st.builds(lambda id_, patch: {"type": "event.revised", "id": id_, "patch": patch, "reason": "r"},
                    names, event_fields)
retracted = st.builds(lambda id_: {"type": "event.retracted", "id": id_, "reason": "r"}, names)
merged = st.builds(lambda id_, others: {"type": "events.merged", "id": id_, "duplicates": others, "reason": "r"},
                   names, st.lists(names, min_size=1, max_size=2, unique=True))
actors = st.builds(lambda id_, member: {"type": "actor.described", "actor": {
    "id": id_, "kind": "person", "name": id_, **({"member_of": ["team"]} if member else {})}},
    st.sampled_from(ACTORS), st.booleans())
sources = st.builds(lambda id_, published: {"type": "source.described", "source": without_nulls({
    "id": id_, "title": id_, "published": published})}, st.sampled_from(SOURCES), st.sampled_from(PUBLISHED))
histories = st.lists(recorded | recorded | revised | revised | retracted | merged | actors | sources,
                     min_size=4, max_size=16)

START = [
    *({"type": "actor.described", "actor": {"id": name, "kind": "person", "name": name}} for name in ACTORS),
    {"type": "actor.described", "actor": {"id": "team", "kind": "group", "name": "Team"}},
    *({"type": "source.described", "source": without_nulls({"id": name, "title": name, "published": PUBLISHED[number]})}
      for number, name in enumerate(SOURCES)),
]

questions = st.fixed_dictionaries({}, optional={
    "from": st.sampled_from(["2025-08-15", "2025-08-16", "2025", "Y-10000000001", "Y9999999999"]),
    "to": st.sampled_from(["2025-08-15", "2025-08", "2025-08-20", "Y10000000001"]),
    "match": st.sampled_from(["may", "must"]),
    "on": st.sampled_from(["when", "about"]),
    "actor": some([*ACTORS, "team", "nobody"]),
    "role": some(["speaker", "represented", "guest"], 1),
    "members": st.sampled_from(["true", "false"]),
    "kind": some(["statement", "plan"], 1),
    "status": some(["disputed", "reported"]),
    "topic": some(TOPICS),
    "place": some(["alaska", "paris", "mars"]),
    "source": some(SOURCES, 1),
    "related": some(EVENTS[:2], 1),
    "q": st.sampled_from([*WORDS, "sommet", "nato", "paris", "ann", "nothing"]),
    "reported_by": st.sampled_from(["2025-08-15", "2025-08-31", "2030"]),
    "order": st.sampled_from(["asc", "desc"]),
    "retracted": st.sampled_from(["exclude", "include"]),
    "undated": st.sampled_from(["exclude", "include"]),
})


def sensible(asked):
    try:
        return bool(pairs(asked)) and query(asked) is not None
    except TimelineError:
        return False  # a range that ends before it begins


def pairs(asked):
    return [(name, value) for name, given_ in asked.items()
            for value in (given_ if isinstance(given_, list) else [given_])]


def query(asked, **more):
    return parse_query([*pairs(asked), ("limit", "1000"), *((name, str(value)) for name, value in more.items())])


def append(timeline, change):
    try:
        timeline.append([change])
    except TimelineError:
        return False
    return True


def shown(bodies):
    return [((body := json.loads(each))["id"], body["revision"]["position"]) for each in bodies]


@contextmanager
def planned(early, arms):
    """Force the paths that only large timelines take."""
    before = plan.EARLY, plan.ARMS
    plan.EARLY, plan.ARMS = early, arms
    try:
        yield
    finally:
        plan.EARLY, plan.ARMS = before


modest = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
)


@given(histories, st.lists(questions.filter(sensible), min_size=4, max_size=10))
@modest
def test_the_view_at_every_position_is_the_fold_of_its_records(history, asked):
    """Every question, at every position, by every way a question can be planned."""
    with Timeline.temporary() as timeline:
        timeline.append(START)
        for change in history:
            append(timeline, change)
        records = list(timeline.records())
        reader = timeline.reader()
        for n in range(len(records) + 1):
            state = fold(records, n)
            for one in [{}, {"retracted": "include"}, *asked]:
                expected = answer(*state, one)
                for early, arms in ((50, 400), (1, 400), (50, 0)):
                    with planned(early, arms):
                        found = timeline.ask(query(one, at=n))
                        assert shown(found.bodies) == expected, (n, one)
                        assert reader.count(query(one), n) == len(expected)
                dated = timeline.density(query({**one, "undated": "exclude"}, at=n))["total"]
                assert dated == len(answer(*state, {**one, "undated": "exclude"}))


@given(histories)
@modest
def test_a_body_is_the_event_as_it_then_stood(history):
    """Content, revision numbers, tombstones and merges of every event at every position."""
    with Timeline.temporary() as timeline:
        timeline.append(START)
        for change in history:
            append(timeline, change)
        records = list(timeline.records())
        for n in range(len(records) + 1):
            events, things = fold(records, n)
            for name, versions in events.items():
                event, since, _, hidden = versions[-1]
                body = timeline.event(name, at=n)
                content = {field: value for field, value in body.items() if field not in EXTRAS}
                if "lat" in event.get("place", {}):
                    event = {**event, "place": {**event["place"], "lat": 48.85, "lon": 2.35}}
                assert content == event
                assert (body["revision"]["number"], body["revision"]["position"]) == (len(versions), since)
                assert (hidden == RETRACTED, hidden == MERGED) == ("retracted" in body, "merged_into" in body)
                assert [v["revision"]["number"] for v in timeline.history(name, at=n)] == [*range(1, len(versions) + 1)]
            for (type_, name), value in things.items():
                found = json.loads(timeline.body(type_, name, n))
                assert {field: item for field, item in found.items() if field != "revision"} == value


NOW = "2026-01-01T00:00:00.000000Z"


def contents(path):
    """Everything in a views file, but for the shape of its full-text index."""
    connection = sqlite3.connect(path)
    tables = ("state", "moment", "event", "facet", "lane", "class", "thing", "member")
    rows = {table: sorted(connection.execute(f"SELECT * FROM {table}").fetchall(), key=repr)  # noqa: S608 - ours
            for table in tables}
    connection.execute("CREATE VIRTUAL TABLE temp.terms USING fts5vocab(main, 'words', 'instance')")
    rows["words"] = sorted(connection.execute("SELECT * FROM terms").fetchall())
    connection.close()
    return rows


@given(histories)
@modest
def test_headers_alone_tell_what_a_record_is_about_and_where_it_then_stood(history):
    """Subject, kind, status and bounds are in the header: a snapshot's membership survives a lawful erasure."""
    with Timeline.temporary() as timeline:
        timeline.append(START)
        for change in history:
            append(timeline, change)
        records = list(timeline.records())
        for record in records:
            events, _ = fold(records, record.position)
            header = record.header
            type_, _, name = header.streams[0][0].partition("/")
            if type_ == "event":
                event = events[name][-1][0]
                lower, upper = ends(event["when"], event.get("tz")) if "when" in event else (None, None)
                dated = None if lower is None else tuple(
                    None if abs(end) == inf else max(-(2**53) + 1, min(end, 2**53 - 1)) for end in (lower, upper))
                assert (header.kind, header.status, header.when) == (event["kind"], event["status"], dated)
                streams = {stream for stream, _, _ in header.streams}
                assert {f"topic/{topic}" for topic in event.get("topics", [])} <= streams
                assert {f"actor/{actor}" for actor in named(event)} <= streams


@given(histories, st.integers(0, 20))
@settings(modest, max_examples=40)
def test_rebuilt_caught_up_and_grown_views_are_the_same(tmp_path_factory, history, copied):
    """One `apply`, whenever it runs: live, after the views were deleted, from an older copy, in a rebuild."""
    folder = tmp_path_factory.mktemp("views")
    path, older = folder / "timeline.db", folder / "older.db"
    with Timeline.open(path) as timeline:
        views = timeline._views.path
        timeline.append(START)
        for number, change in enumerate(history):
            append(timeline, change)
            if number == copied % len(history):
                shutil.copy(views, older)
                shutil.copy(f"{views}-wal", f"{older}-wal")
        origin = timeline.origin
        records = list(timeline.records())
    grown = contents(views)

    views.unlink()
    Timeline.open(path).close()
    assert contents(views) == grown

    views.unlink()
    shutil.move(older, views)
    shutil.move(f"{older}-wal", f"{views}-wal")
    Timeline.open(path).close()
    assert contents(views) == grown

    fresh = folder / "fresh.db"
    assert rebuild(fresh, origin, records) == len(records)
    assert contents(fresh) == grown
    shutil.rmtree(folder)


@given(histories, histories, questions.filter(sensible), st.integers(1, 3))
@settings(modest, max_examples=40)
def test_pages_add_up_to_the_whole_while_others_append(first, second, asked, limit):
    """A cursor pins the position: what is appended between two pages changes none of them."""
    with Timeline.temporary() as timeline:
        timeline.append(START)
        for change in first:
            append(timeline, change)
        position = timeline.position
        whole = timeline.ask(query(asked)).bodies
        later = iter(second)
        found, cursor = [], None
        while True:
            page = timeline.ask(parse_query([*pairs(asked), ("limit", str(limit)),
                                             *([("cursor", cursor)] if cursor else [])]))
            assert page.position == position
            assert len(page.bodies) <= limit
            found += page.bodies
            cursor = page.cursor
            if cursor is None:
                break
            append(timeline, next(later, START[0]))
        assert found == whole
        assert list(timeline.bodies(query(asked, at=position))) == whole


@given(histories, st.lists(questions.filter(sensible), min_size=3, max_size=8))
@modest
def test_an_answer_that_changed_has_another_etag(history, asked):
    """Equal `last_change` means equal bytes, for every question and any two positions."""
    asked = [{}, {"actor": ["ann"]}, {"topic": ["nato"], "actor": ["bob"]}, *asked]
    seen: list[dict[int, list[str]]] = [{} for _ in asked]
    with Timeline.temporary() as timeline:
        for change in [*START, *history]:
            append(timeline, change)
            for one, known in zip(asked, seen, strict=True):
                last = timeline.reader().last_change(query(one), timeline.heads)
                assert last <= timeline.position
                bodies = timeline.ask(query(one)).bodies
                assert known.setdefault(last, bodies) == bodies, one


def test_an_etag_stays_while_others_change():
    """An actor's timeline is 304 while everybody else is busy."""
    ann = parse_query([("actor", "ann")])
    with Timeline.temporary() as timeline:
        timeline.append(START)
        timeline.record(id="mine", title="summit", actors=[{"id": "ann"}])
        position = timeline.position
        timeline.record(id="other", title="summit", actors=[{"id": "bob"}], topics=["nato"])
        timeline.revise("other", {"title": "briefing"}, reason="r")
        timeline.describe_actor(id="ann", kind="person", name="Ann Other")

        assert timeline.reader().last_change(ann, timeline.heads) == position
        timeline.revise("other", {"actors": [{"id": "ann"}]}, reason="r")
        timeline.revise("other", {"actors": [{"id": "bob"}]}, reason="r")
        assert timeline.reader().last_change(ann, timeline.heads) == timeline.position
        timeline.merge("mine", ["other"], reason="r")
        assert timeline.reader().last_change(parse_query([("actor", "bob")]), timeline.heads) == timeline.position


# ---------------------------------------------------------------------------------------------- large timelines

@pytest.fixture(scope="module")
def large():
    """Make a timeline whose every actor is hot, with an event of every duration class there is."""
    timeline = Timeline.temporary()
    timeline.append([{"type": "actor.described", "actor": {"id": f"a{number}", "kind": "person", "name": "A"}}
                     for number in range(50)])
    changes = []
    for number in range(600):
        start = 1_600_000_000 + number * 40_000
        when = f"{stamp(start)}/{stamp(start + 86_400 * (2 ** (number % 20)))}" if number % 21 else iso(start)
        changes.append({"type": "event.recorded", "event": {
            "id": f"e{number}", "title": "summit" if number % 3 else "briefing", "when": when,
            "actors": [{"id": f"a{number % 50}"}, {"id": "a0", "role": "host"}], "topics": ["nato"]}})
    timeline.append(changes)
    yield timeline
    timeline.close()


def stamp(second):
    year, month, day = ymd(second)
    return f"{year:04}-{month:02}-{day:02}" if year < 10_000 else f"Y{year}"


@pytest.mark.parametrize("asked", [
    {"actor": ["a0"]}, {"actor": ["a0"], "order": "desc"}, {"actor": ["a0"], "from": "2020-09-20", "to": "2020-10"},
    {"actor": ["a0"], "from": "2020-09-20", "match": "must"}, {"actor": ["a0"], "role": ["host"]}, {"topic": ["nato"]},
    {"actor": [f"a{number}" for number in range(50)]}, {"q": "briefing", "actor": ["a0"]}, {},
    {"actor": [f"a{number}" for number in range(50)], "from": "2020-09-20", "to": "2020-09-25", "topic": ["nato"]},
])
def test_large_timelines_answer_as_small_ones_do(large, asked):
    """A hot actor at an early position, many duration classes, more scans than SQLite takes in one statement."""
    records = list(large.records())
    for n in (0, 50, 51, 53, 60, 64, 300, len(records)):
        expected = answer(*fold(records, n), asked)

        assert shown(large.ask(query(asked, at=n)).bodies) == expected
        assert [(e["id"], e["revision"]["position"]) for e in large.each(query(asked, at=n))] == expected


def test_large_timelines_take_the_paths_meant_for_them(large):
    """Early positions and too many scans are chosen by number, all else is a merge of index scans."""
    reader = large.reader()
    ordered = Plan(reader, query({"actor": ["a0"]}), large.position).rows
    early = Plan(reader, query({"actor": ["a0"]}, at=52), 52).rows
    many = Plan(reader, query({"actor": [f"a{number}" for number in range(50)]}), large.position).rows

    assert ordered.count("INDEXED BY lane_order") == len(reader.classes(about=False)) > 15
    assert "x.n <= 2 " in early
    assert "WHERE 1 AND 1 AND (" in many


def test_no_question_takes_a_sorter_for_a_page(large):
    """The merge of index scans needs no temporary B-tree: a page of a million events costs a page."""
    reader = large.reader()
    asked = query({"actor": ["a0"], "from": "2020", "to": "2022"})
    rows = Plan(reader, asked, large.position)
    explain = f"EXPLAIN QUERY PLAN {rows.rows} ORDER BY {rows.order()} LIMIT 51"
    steps = reader._execute(explain, rows.values).fetchall()

    assert [step[3] for step in steps if "TEMP B-TREE" in step[3]] == []


# ---------------------------------------------------------------------------------------------- duration classes

seconds = st.integers(-(2**61), 2**61)
bounds = st.tuples(st.none() | seconds, st.none() | seconds).filter(
    lambda pair: None in pair or pair[0] <= pair[1])


def inside(placed, lower, upper, *, wholly):
    condition = window(placed.class_, lower, upper, wholly=wholly)
    if condition is None:
        return False
    connection = sqlite3.connect(":memory:")
    sql = f"SELECT {condition} FROM (SELECT ? AS earliest, ? AS latest) x"  # noqa: S608 - a condition of ours
    found = connection.execute(sql, (placed.earliest, placed.latest)).fetchone()[0]
    connection.close()
    return bool(found)


@given(bounds, bounds)
@settings(max_examples=300, deadline=None)
def test_a_window_holds_just_what_overlaps_or_lies_inside(event, asked):
    """The arithmetic of the overlap index says what two comparisons say."""
    placed = place(event)
    earliest, latest = (-inf if event[0] is None else event[0]), (inf if event[1] is None else event[1])
    lower, upper = (-inf if asked[0] is None else asked[0]), (inf if asked[1] is None else asked[1])

    assert inside(placed, *asked, wholly=False) == (earliest <= upper and lower <= latest)
    assert inside(placed, *asked, wholly=True) == (lower <= earliest and latest <= upper)


def test_classes_hold_lengths_up_to_their_power_of_two():
    """A second, a day, a year; open ends and no date have classes of their own."""
    assert [place((0, length - 1)).class_ for length in (1, 2, 3, 86_400, 2**40)] == [0, 1, 2, 17, 40]
    assert [place(pair).class_ for pair in ((None, None), (None, 1), (1, None), None)] == [
        classes.OPEN_BOTH, classes.OPEN_START, classes.OPEN_END, classes.UNDATED]
    assert place((-(2**70), 2**70)) == (63, LOWEST + 1, HIGHEST - 2)


def test_undated_events_have_no_window():
    """Whether they are shown is the question's own choice."""
    assert window(classes.UNDATED, None, None, wholly=False) is None


# ---------------------------------------------------------------------------------------------- groups, words, time

@pytest.fixture
def timeline():
    with Timeline.temporary() as timeline:
        timeline.append(START)
        yield timeline


def ids(timeline, **asked):
    return [event["id"] for event in timeline.events(**asked)]


def test_members_of_members_belong_to_a_group(timeline):
    """Through any number of groups, in circles too, and only while they belong to it."""
    timeline.describe_actor(id="ann", kind="person", name="Ann", member_of=["team"])
    timeline.describe_actor(id="team", kind="group", name="Team", head_of="union")
    timeline.describe_actor(id="union", kind="group", name="Union", spokesperson_of="team")
    timeline.record(id="e0", title="summit", actors=[{"id": "ann"}])
    position = timeline.position
    timeline.describe_actor(id="ann", kind="person", name="Ann")

    assert timeline.reader().members("union", position) == ["ann", "team"]
    assert ids(timeline, actor="union", members="true", at=position) == ["e0"]
    assert ids(timeline, actor="union", members="true") == []


def test_words_are_found_without_regard_to_case_and_accents(timeline):
    """In titles, translations, places and the names of lanes; phrases in quotes; all words must be there."""
    timeline.record(id="e0", title="Zelenský à l’Élysée", place={"name": "Palais", "id": "elysee-palace"},
                    translations={"uk": {"title": "Зеленський"}}, topics=["us-troops"], when="2025-08-18")

    for q in ("zelensky", "ZELENSKÝ", "elysee", "зеленський", "palais", '"us troops"', "troops zelensky"):
        assert ids(timeline, q=q) == ["e0"], q
    for q in ("zelens", '"troops us"', "zelensky nothing", "e0"):
        assert ids(timeline, q=q) == [], q


def test_reported_by_tells_each_event_as_the_documents_of_the_time_told_it(timeline):
    """Not today's account with younger events taken away; as the log knows the sources at the position asked for."""
    timeline.describe_source(id="early", title="Early", published="2025-08-10")
    timeline.describe_source(id="late", title="Late", published="2025-08-20")
    timeline.record(id="e0", title="Possible", when="2025-08-09", citations=[{"source": "early"}])
    timeline.revise("e0", {"title": "Excluded", "citations": [{"source": "late"}]}, reason="r")
    position = timeline.position
    timeline.describe_source(id="late", title="Late", published="2025-08-11")

    def titles(**asked):
        return [event["title"] for event in timeline.events(**asked)]

    assert titles(reported_by="2025-08-09") == []
    assert titles(reported_by="2025-08-12", at=position) == ["Possible"]
    assert titles(reported_by="2025-08-12") == ["Excluded"]
    assert titles(reported_by="2025-08-20", at=position) == ["Excluded"]
    timeline.retract("e0", reason="r")
    assert titles(reported_by="2025-08-12") == []
    assert titles(reported_by="2025-08-12", retracted="include") == ["Excluded"]
    assert titles(reported_by="2025-08-12", at=position) == ["Possible"]


def test_must_without_a_range_asks_for_nothing(timeline):
    """There is nothing to lie in: every event is meant, the undated too."""
    timeline.record(id="e0", title="A", when="../2025")
    timeline.record(id="e1", title="B")

    assert ids(timeline, match="must") == ["e0", "e1"]


def test_undated_events_stand_last_and_only_where_asked(timeline):
    """With a range only on demand, whatever the match; never on=about."""
    timeline.record(id="dated", title="A", when="2025-08-15", about="2025-09")
    timeline.record(id="undated", title="B", anchor={"relation": "after", "event": "dated"})
    timeline.record(id="open", title="C", when="2025-08-16/..")

    assert ids(timeline) == ["dated", "open", "undated"]
    assert ids(timeline, from_="2025") == ["dated", "open"]
    assert ids(timeline, from_="2025", undated="include") == ["dated", "open", "undated"]
    assert ids(timeline, from_="2025", to="2025", match="must", undated="include") == ["dated", "undated"]
    assert ids(timeline, undated="exclude") == ["dated", "open"]
    assert ids(timeline, on="about", undated="include") == ["dated"]


def test_retracted_events_are_shown_with_their_tombstones_from_their_retraction_on(timeline):
    """Before it they are as they were, after it they are there for those who ask."""
    timeline.record(id="e0", title="A", when="2025-08-15")
    position = timeline.position
    timeline.retract("e0", reason="it did not happen")

    (gone,) = timeline.events(retracted="include")
    assert gone["retracted"] == {"reason": "it did not happen"}
    assert ids(timeline) == []
    (before,) = timeline.events(retracted="include", at=position)
    assert "retracted" not in before


def test_a_merge_is_undone_by_asking_for_the_time_before(timeline):
    """The duplicate stands where it stood, and the kept event has only its own."""
    timeline.record(id="e0", title="A", actors=[{"id": "ann"}])
    timeline.record(id="e1", title="B", actors=[{"id": "bob"}], relations=[{"type": "confirms", "event": "e0"}])
    position = timeline.position
    timeline.merge("e0", ["e1"], reason="one meeting")

    assert ids(timeline, at=position) == ["e0", "e1"]
    assert ids(timeline, actor="bob", at=position) == ["e1"]
    assert ids(timeline, actor="bob", retracted="include") == ["e0"]
    assert ids(timeline, related="e0") == []
    assert timeline.event("e1")["merged_into"] == "e0"
    assert timeline.event("e0")["merged_from"] == ["e1"]


def test_things_are_listed_in_order_and_found_by_name_and_kind(timeline):
    """Page by page; by any word of a name or alias, without regard to case and accents."""
    timeline.describe_actor(id="zoe", kind="media", name="Zoë", aliases=[{"text": "La Gazette"}])
    reader, position = timeline.reader(), timeline.position

    def listed(**asked):
        return [name for name, _ in reader.things("actor", position, **asked)]

    assert listed() == ["ann", "bob", "cat", "team", "zoe"]
    assert listed(after="bob", limit=2) == ["cat", "team"]
    assert listed(text="GAZETTE zoe") == ["zoe"]
    assert listed(kinds=["group", "media"]) == ["team", "zoe"]
    assert [name for name, _ in reader.things("source", 6)] == ["s0", "s1"]


def test_lanes_are_counted_as_they_stand(timeline):
    """Retracted events are not counted, earlier positions have their own numbers."""
    timeline.record(id="e0", title="A", topics=["nato"], actors=[{"id": "ann"}])
    timeline.record(id="e1", title="B", topics=["nato", "troops"])
    position = timeline.position
    timeline.retract("e1", reason="r")
    reader = timeline.reader()

    assert reader.lane_counts("topic/", position) == {"nato": 2, "troops": 1}
    assert reader.lane_counts("topic/", timeline.position) == {"nato": 1}
    assert reader.lane_counts("actor/", position) == {"ann": 1}


def test_moments_are_the_recorded_clock(timeline):
    """One for each batch, with the last position of it."""
    timeline.record(id="e0", title="A")
    moments = timeline.reader().moments(timeline.position)

    assert [position for _, position in moments] == [len(START), len(START) + 1]
    assert [timeline.reader().position_at(time) for time, _ in moments] == [len(START), len(START) + 1]
    assert timeline.reader().recorded_at(3) == moments[0][0]
    assert (timeline.reader().position_at("2000"), timeline.reader().recorded_at(0)) == (0, None)


def test_heads_tell_what_changed_last(timeline):
    """Events, actors and sources each have their own last position."""
    timeline.record(id="e0", title="A")
    timeline.describe_actor(id="ann", kind="person", name="Ann")

    assert timeline.heads == Heads(position=9, events=8, actors=9, sources=7, snapshots=0, erasures=0)


# ---------------------------------------------------------------------------------------------- a damaged log

def log_of(path, *drafts):
    log = SqliteLog(path)
    with log.batch() as batch:
        for draft in drafts:
            batch.seal(draft)
    return log


def raw_draft(type_, body):
    return Draft(type=type_, version=1, author="ada", streams=("event/e0",), parts=body and (("body", body),))


@pytest.mark.parametrize(("drafts", "sentence"), [
    ([raw_draft("event.retracted", b'{"id":"e0","reason":"r"}')],
     "record 1 speaks of an event that was never recorded: e0"),
    ([raw_draft("event.recorded", b'{"event":{"title":"A"}}')], "a record without the id of what it describes"),
    ([raw_draft("event.recorded", ())], "record 1 has lost its body: run `timeline verify`"),
])
def test_views_refuse_a_log_that_contradicts_itself(tmp_path: Path, drafts, sentence):
    """With a sentence, and leaving the views as they were."""
    log = log_of(tmp_path / "timeline.db", *drafts)
    views = Views(views_path(log.path), log.origin)
    with pytest.raises(Corrupt, match=re.escape(sentence)):
        views.catch_up(log.read())

    assert views.position == 0
    assert Reader(views.connection).heads() == Heads(0, 0, 0, 0, 0, 0)
    views.close()
    log.close()


def test_views_take_only_the_next_record(timeline):
    """Neither one twice nor one too far."""
    record = next(timeline.records(timeline.position - 1))
    with pytest.raises(Corrupt, match="views at 7 cannot take record 7"):
        timeline._views.apply(record)


# ---------------------------------------------------------------------------------------------- built beside

NOW = "2026-01-01T00:00:00.000000Z"


def stored(path):
    """Everything in a views file, in order, but for what SQLite keeps for itself."""
    with closing(sqlite3.connect(path)) as connection:
        tables = [name for name, in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
                  if not name.startswith(("words", "sqlite"))]
        query = "SELECT name, sql FROM sqlite_master WHERE type = 'index' ORDER BY name"
        indexes = connection.execute(query).fetchall()
        rows = {name: sorted(connection.execute(f"SELECT * FROM {name}")) for name in tables}  # noqa: S608
        found = connection.execute("SELECT rowid FROM words WHERE words MATCH 'seven'").fetchall()
    return indexes, rows, found


def change(number):
    word = "seven" if number % 7 == 0 else "other"
    return {"type": "event.recorded", "event": {"id": f"e-{number}", "title": f"Event {word}", "when": "2025-08-15",
                                                "topics": [f"t-{number % 5}"]}}


def filled(path, expecting, batches=3, size=300):
    """Append batches large enough to be written by a thread, and revisions of what was just recorded."""
    with Timeline(path, origin="news.example/log", clock=lambda: NOW, entropy=bytes, expecting=expecting) as timeline:
        for batch in range(batches):
            timeline.append([change(number) for number in range(batch * size, (batch + 1) * size)])
            timeline.revise(f"e-{batch * size + 3}", {"title": "Seven at last"}, reason="it was")
    return path


def test_views_built_beside_are_the_same(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, other = (filled(tmp_path / name / "timeline.db", expecting) for name, expecting in (("a", 0), ("b", 10**6)))
    assert stored(views_path(one)) == stored(views_path(other))
    assert [file.name for file in sorted((tmp_path / "b").iterdir())] == [
        file.name for file in sorted((tmp_path / "a").iterdir())]


def test_others_see_the_old_views_until_those_beside_are_complete(tmp_path):
    path = filled(tmp_path / "timeline.db", 0, batches=1)
    with Timeline.open(path, expecting=10**6) as timeline:
        timeline.append([change(number) for number in range(1000, 1300)])
        with ReadOnlyTimeline(path) as other:
            assert other.position == 301
    with ReadOnlyTimeline(path) as other:
        assert other.position == 601


def test_a_batch_that_fails_leaves_nothing_in_views_built_beside(tmp_path):
    path = tmp_path / "timeline.db"
    with Timeline.open(path, expecting=10**6) as timeline:
        timeline.append([change(number) for number in range(300)])
        with pytest.raises(TimelineError):
            timeline.append([*(change(number) for number in range(300, 600)), change(5)])
        timeline.append([change(number) for number in range(600, 900)])
    with closing(sqlite3.connect(views_path(path))) as connection:
        assert connection.execute("SELECT count(*), max(n) FROM event").fetchone() == (600, 600)


def test_views_far_behind_are_built_anew(tmp_path, monkeypatch):
    path = filled(tmp_path / "timeline.db", 0)
    expected = stored(views_path(path))
    views_path(path).unlink()
    monkeypatch.setattr("timeline.chronicle.WORTH", 100)
    rebuilt = []
    monkeypatch.setattr("timeline.chronicle.rebuild", lambda *given: rebuilt.append(rebuild(*given)))
    Timeline.open(path).close()
    assert rebuilt == [903]
    assert stored(views_path(path)) == expected


# ---------------------------------------------------------------------------------------------- drawn ahead

def eventful(path):
    """A history with everything that is not drawn ahead between what is."""
    with Timeline(path, origin="news.example/log", clock=lambda: NOW, entropy=bytes) as timeline:
        timeline.append([change(number) for number in range(40)])
        timeline.revise("e-3", {"title": "Seven at last"}, reason="it was")
        timeline.append([change(number) for number in range(40, 60)])
        timeline.merge("e-4", ["e-41", "e-42"], reason="the same")
        timeline.describe_actor(id="ada", kind="person", name="Ada")
        timeline.retract("e-5", reason="never was")
        timeline.append([change(number) for number in range(60, 90)])
        timeline.erase("e-61", "body", reason="a court said so")
        timeline.append([change(number) for number in range(90, 120)])
    return path


@pytest.fixture
def pieces(monkeypatch):
    monkeypatch.setattr(firsts, "WORTH", 0)
    monkeypatch.setattr(firsts, "PIECE", 7)


def records_of(path, cores):
    with closing(LogFile(path)) as log:
        return list(firsts.ahead(path, log.size(), log.read, cores))


def test_drawn_ahead_or_here_the_views_are_the_same(tmp_path, pieces):
    path = eventful(tmp_path / "timeline.db")
    expected = stored(views_path(path))
    for cores in (1, 2, 3):
        records = records_of(path, cores)
        assert [record.position for record in records] == list(range(1, 126))
        assert sum(isinstance(record, firsts.First) for record in records) == (0 if cores == 1 else 119)
        fresh = tmp_path / f"{cores}.views-v2.db"
        with closing(LogFile(path)) as log:
            rebuild(fresh, log.origin, records, read=lambda position, log=log: next(log.read(position - 1, 1), None))
        assert stored(fresh) == expected


def test_what_a_process_that_died_leaves_is_read_here(tmp_path, pieces, monkeypatch):
    path = eventful(tmp_path / "timeline.db")
    ask, asked = firsts._ask, []

    def once(child, after, limit):
        asked.append(after)
        if len(asked) == 5:
            child.kill()
        return ask(child, after, limit)

    monkeypatch.setattr(firsts, "_ask", once)
    records = records_of(path, 2)
    assert [record.position for record in records] == list(range(1, 126))
    assert 0 < sum(isinstance(record, firsts.First) for record in records) < 119


def test_processes_end_with_whoever_started_them(tmp_path, pieces):
    path = eventful(tmp_path / "timeline.db")
    children = Path(f"/proc/{os.getpid()}/task/{threading.get_native_id()}/children")
    before = children.read_text()
    with closing(LogFile(path)) as log:
        records = firsts.ahead(path, log.size(), log.read, 3)
        next(records)
        assert len(children.read_text().split()) == len(before.split()) + 2
        records.close()
    assert children.read_text() == before


def test_a_small_log_needs_no_other_process(tmp_path, monkeypatch):
    path = eventful(tmp_path / "timeline.db")
    monkeypatch.setattr(firsts.subprocess, "Popen", None)
    assert len(records_of(path, 8)) == 125
