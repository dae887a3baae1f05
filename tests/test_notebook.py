"""Notebooks: pandas reads our addresses from a real server, Datasette and sqlite-utils open the views file."""

from __future__ import annotations

import asyncio
import csv
import io
import re
import shlex
import sqlite3
import urllib.request
import warnings
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest
from api_client import load_seeds
from sqlite_utils.cli import cli as sqlite_utils
from test_serve import server

from timeline import Timeline
from timeline.formats.csv import COLUMNS, READABLE, read_row
from timeline.views import readable
from timeline.views.readable import SELECTS, STATEMENTS
from timeline.views.store import views_path

README = (Path(__file__).parents[1] / "README.md").read_text()
SECTION = re.search(r"^## In a notebook\n(.*?)^## ", README, re.DOTALL | re.MULTILINE)[1]
AS_TEXT = {"dtype": str, "keep_default_na": False}
MANY = 2_345
RTL = "\u202e\u05e9\u05dc\u05d5\u05dd"
ODD = [
    {"id": "ides", "title": "The Ides of March", "when": "-0043-03-15"},
    {"id": "deep", "title": "Long ago", "when": "Y-17E7"},
    {"id": "far", "title": "Far ahead", "when": "Y12000"},
    {"id": "goes-on", "title": "NA", "summary": "null", "note": "None", "when": "2025-09-04/.."},
    {"id": "007", "title": "007", "when": "2025"},
    {"id": "1e3", "title": "1e3", "when": "2025", "sequence": 2},
    {"id": "nan", "title": "nan", "summary": "N/A", "when": "2025"},
    {"id": "quoted", "title": 'a "quoted", title; with 1,000 things', "summary": 'one\ntwo\n\nthree, "four"',
     "note": f"tab\there and {RTL}"},
    {"id": "formula", "title": "=cmd|' /C calc'!A0", "summary": "-1", "note": "'=x"},
]


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """A server over the seeds and events that a careless reader would change."""
    path = tmp_path_factory.mktemp("odd") / "timeline.db"
    with Timeline.open(path) as timeline:
        load_seeds(timeline)
        for event in ODD:
            timeline.record(**event)
        events = {event["id"]: event for event in timeline.events(limit=1000)}
    with server(path) as (_, port):
        yield f"http://127.0.0.1:{port}", events


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A server over more events than a page holds."""
    path = tmp_path_factory.mktemp("many") / "timeline.db"
    with Timeline.open(path) as timeline:
        for first in range(0, MANY, 1000):
            timeline.append([{"type": "event.recorded", "event": {
                "id": f"e-{number}", "title": f"Event {number}", "when": f"{1000 + number % 900}", "topics": ["a", "b"],
            }} for number in range(first, min(first + 1000, MANY))])
    with server(path) as (_, port):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def seeds(tmp_path):
    """The views file of the seeds, closed, with one event of each sort that does not stand any more."""
    path = tmp_path / "timeline.db"
    with Timeline.open(path) as timeline:
        load_seeds(timeline)
        for name in ("kept", "twin", "gone", "wiped"):
            timeline.record(id=name, title=f"Secret {name}", when="2025-08-15", actors=[{"id": "axios"}])
        timeline.merge("kept", ["twin"], reason="the same")
        timeline.retract("gone", reason="never happened")
        timeline.erase("wiped", "body", reason="a court order")
        timeline.revise("kept", {"title": "Kept"}, reason="a better title")
    return views_path(path)


# ---------------------------------------------------------------------------------------------- pandas

def test_read_csv_gives_every_text_as_it_was_written(odd):
    url, events = odd
    frame = pd.read_csv(f"{url}/v1/events?f=csv&limit=1000", **AS_TEXT)
    assert list(frame.columns) == [column.name for column in COLUMNS]
    assert list(frame["id"]) == list(events)
    for row in frame.to_dict("records"):
        event, back = events[row["id"]], read_row({name: row[name] for name in READABLE})
        for field in ("id", "title", "summary", "note", "when", "topics", "sequence", "actors", "relations"):
            assert back.get(field) == event.get(field)
    raw = urllib.request.urlopen(f"{url}/v1/events?f=csv&limit=1000").read().decode()  # noqa: S310 - our own server
    assert list(csv.DictReader(io.StringIO(raw, newline=""))) == frame.to_dict("records")


def test_read_csv_without_arguments_reads_too_and_changes_no_id(odd):
    url, events = odd
    frame = pd.read_csv(f"{url}/v1/events?f=csv&limit=1000")
    assert len(frame) == len(events)
    assert pd.api.types.is_string_dtype(frame["when"])
    assert {"007", "1e3"} <= set(frame["id"].dropna())


def test_bounds_are_utc_instants_where_they_fit_and_nothing_breaks_where_they_do_not(odd):
    url, events = odd
    frame = pd.read_csv(f"{url}/v1/events?f=csv&limit=1000", **AS_TEXT).set_index("id")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bounds = pd.to_datetime(frame["earliest"], format="ISO8601", utc=True, errors="coerce")
    assert str(bounds.dtype).endswith("UTC]")
    assert bounds["alaska-summit"] == pd.Timestamp("2025-08-15T08:00:00Z")
    assert bounds[["deep", "far"]].isna().all()
    assert frame.loc["deep", "earliest"] == events["deep"]["earliest"] == "-170000000-01-01T00:00:00Z"
    assert frame.loc["ides", "earliest"] == "-0043-03-15T00:00:00Z"
    assert frame.loc["goes-on", "latest"] == ""
    inside = f"{url}/v1/events?f=csv&from=2025-08&to=2025-09&match=must"
    parsed = pd.read_csv(inside, parse_dates=["earliest", "latest"])
    assert len(parsed) == 50
    assert all(str(parsed[name].dtype).endswith("UTC]") for name in ("earliest", "latest"))
    kept = pd.read_csv(f"{url}/v1/events?f=csv&limit=1000", parse_dates=["earliest"], date_format="ISO8601")
    assert "-0043-03-15T00:00:00Z" in set(kept["earliest"])


def test_read_json_reads_lines_and_pages_without_changing_anything(odd):
    url, events = odd
    frame = pd.read_json(f"{url}/v1/events?f=ndjson&limit=1000", lines=True, dtype=False)
    assert list(frame["id"]) == list(events)
    assert list(frame["title"]) == [event["title"] for event in events.values()]
    assert frame.set_index("id").loc["alaska-summit", "actors"] == events["alaska-summit"]["actors"]
    flat = pd.json_normalize(pd.read_json(f"{url}/v1/events?limit=1000", typ="series")["items"]).set_index("id")
    assert flat.loc["alaska-summit", "place.name"] == events["alaska-summit"]["place"]["name"]
    assert flat.loc["007", "when"] == "2025"
    table = pd.read_json(f"{url}/v1/events?limit=1000")
    assert table.loc[0, "items"] == next(iter(events.values()))


def test_an_answer_without_events_is_a_frame_without_rows(odd):
    url = f"{odd[0]}/v1/events?from=1500&to=1501&match=must"
    assert len(pd.read_csv(f"{url}&f=csv")) == 0
    assert list(pd.read_csv(f"{url}&f=csv").columns) == [column.name for column in COLUMNS]
    assert pd.read_json(f"{url}&f=ndjson", lines=True).empty
    assert pd.json_normalize(pd.read_json(url, typ="series")["items"]).empty


@pytest.mark.parametrize("headers", [
    {"Accept-Encoding": "gzip"}, {"User-Agent": ""}, {"User-Agent": "Mozilla/5.0"}, {"Accept": "text/csv"}])
def test_headers_that_notebooks_send_change_nothing(odd, headers):
    url, events = odd
    frame = pd.read_csv(f"{url}/v1/events?f=csv&limit=1000", storage_options=headers, **AS_TEXT)
    assert list(frame["id"]) == list(events)


def test_head_tells_what_get_would_give(odd):
    url = f"{odd[0]}/v1/events?f=csv&limit=1000"
    asked = urllib.request.Request(url, method="HEAD")  # noqa: S310 - our own server
    with urllib.request.urlopen(asked) as head, urllib.request.urlopen(url) as got:  # noqa: S310
        assert head.headers["Content-Type"] == "text/csv; charset=utf-8"
        assert head.headers["Content-Length"] == str(len(got.read()))
        assert head.headers["ETag"] == got.headers["ETag"]


def test_every_page_is_read_by_the_loop_of_the_readme(many):
    told = notebook(many)
    assert len(told["events"]) == len(told["nested"]) == len(told["flat"]) == 1000
    assert len(told["topics"]) == 2000
    assert sorted(told["everything"]["id"]) == sorted(f"e-{number}" for number in range(MANY))
    assert str(told["events"]["earliest"].dtype).endswith("UTC]")


def notebook(url):
    """Run the Python of the README's section against a server, as somebody who pastes it would."""
    code = "\n".join(re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL))
    assert "http://localhost:8000" in code
    told = {}
    exec(compile(code.replace("http://localhost:8000", url), "README.md", "exec"), told)  # noqa: S102 - our own text
    return told


# ---------------------------------------------------------------------------------------------- Datasette, sqlite-utils

def rows(path, question):
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(question)]


def test_the_views_for_people_say_what_stands_now(seeds):
    with Timeline.open(seeds.with_name("timeline.db")) as timeline:
        standing = {event["id"]: event for event in timeline.events(limit=1000)}
    events = {row["id"]: row for row in rows(seeds, "SELECT * FROM events")}
    assert events.keys() == standing.keys()
    for id_, row in events.items():
        assert all(row[name] == standing[id_].get(name) for name in ("title", "when", "earliest", "latest", "status"))
    summit = events["alaska-summit"]
    assert summit["actors"].startswith("Donald Trump, Vladimir Putin")
    assert (summit["when"], summit["earliest"]) == ("2025-08-15", "2025-08-15T08:00:00Z")
    parts = rows(seeds, "SELECT * FROM participations WHERE event = 'alaska-summit'")
    assert [(row["actor"], row["role"]) for row in parts] == [
        (part["id"], part["role"]) for part in standing["alaska-summit"]["actors"]]
    counts = {name: rows(seeds, f"SELECT count(*) AS n FROM {name}")[0]["n"] for name in SELECTS}  # noqa: S608
    for name, field in (("participations", "actors"), ("stances", "stances"), ("citations", "citations"),
                        ("relations", "relations")):
        assert counts[name] == sum(len(event.get(field, ())) for event in standing.values())


def test_what_does_not_stand_any_more_is_in_its_own_view_with_the_reason(seeds):
    found = {row["event"]: (row["how"], row["merged_into"], row["reason"])
             for row in rows(seeds, "SELECT * FROM withdrawn")}
    assert found == {"twin": ("merged", "kept", "the same"), "gone": ("retracted", None, "never happened"),
                     "wiped": ("erased", None, "a court order")}
    kept = rows(seeds, "SELECT * FROM corrections WHERE event = 'kept' ORDER BY revision")
    assert [(row["type"], row["reason"]) for row in kept] == [
        ("events.merged", "the same"), ("event.revised", "a better title")]
    everything = [row for name in SELECTS for row in rows(seeds, f"SELECT * FROM {name}")]  # noqa: S608
    assert "Secret wiped" not in str(everything)


def test_the_views_for_people_hold_text_and_numbers_and_no_blobs_or_json(seeds):
    for name in SELECTS:
        values = [value for row in rows(seeds, f"SELECT * FROM {name}") for value in row.values()]  # noqa: S608
        assert values
        assert {type(value) for value in values} <= {str, int, type(None)}
        assert not [value for value in values if isinstance(value, str) and value.startswith(("{", '["'))]


def test_an_older_views_file_gets_them_without_being_built_anew(seeds):
    with closing(sqlite3.connect(seeds)) as connection:
        marked = connection.execute("UPDATE facet SET name = 'topic/mark' WHERE facet = 1 RETURNING 1").fetchall()
        connection.execute("DROP VIEW events")
        connection.execute("DROP VIEW actors")
        connection.execute("CREATE VIEW actors AS SELECT 'of an older release' AS id")
        connection.execute("CREATE VIEW mine AS SELECT 1 AS one")
        connection.commit()
    assert marked
    with Timeline.open(seeds.with_name("timeline.db")):
        pass
    views = {row["name"]: row["sql"] for row in rows(seeds, "SELECT name, sql FROM sqlite_master WHERE type = 'view'")}
    assert views == {**STATEMENTS, "mine": "CREATE VIEW mine AS SELECT 1 AS one"}
    assert rows(seeds, "SELECT name FROM facet WHERE facet = 1") == [{"name": "topic/mark"}]


def test_a_views_file_that_cannot_be_changed_just_now_stays_as_it_is(seeds):
    with closing(sqlite3.connect(seeds, isolation_level=None)) as connection:
        connection.execute("DROP VIEW events")
        connection.execute("PRAGMA query_only = 1")
        readable.install(connection)
        assert not connection.in_transaction
        connection.execute("PRAGMA query_only = 0")
        readable.install(connection)
        assert connection.execute("SELECT count(*) FROM events").fetchone()[0] == 98


def test_datasette_shows_the_views_as_the_readme_says(seeds):
    datasette = pytest.importorskip("datasette.app", reason="datasette is not installed")
    assert f"datasette serve --immutable {seeds.name}\n" in SECTION

    async def ask():
        site = datasette.Datasette([], immutables=[str(seeds)])
        await site.invoke_startup()
        base = site.urls.database(seeds.stem)
        listed = await site.client.get(f"{base}.json")
        page = await site.client.get(f"{base}/events.json?_shape=array&id=alaska-summit")
        shown = await site.client.get(f"{base}/events?_facet=kind&_sort=earliest")
        return listed, page, shown

    listed, page, shown = asyncio.run(ask())
    assert [view["name"] for view in listed.json()["views"]] == list(SELECTS)
    assert [event["title"] for event in page.json()] == ["Trump and Putin meet in Alaska"]
    assert shown.status_code == 200
    assert "Trump and Putin meet in Alaska" in shown.text


def test_the_commands_of_the_readme_print_tables(seeds, monkeypatch, capsys):
    monkeypatch.chdir(seeds.parent)
    told = [line for line in "".join(re.findall(r"```sh\n(.*?)```", SECTION, re.DOTALL)).splitlines()
            if line.startswith("sqlite-utils")]
    assert len(told) == 2
    for line in told:
        sqlite_utils.main(shlex.split(line)[1:], standalone_mode=False)
        table = capsys.readouterr().out
        assert len(table.splitlines()) > 10
        assert "Russia" in table
    assert rows(seeds, "SELECT count(*) AS n FROM events") == [{"n": 98}]
