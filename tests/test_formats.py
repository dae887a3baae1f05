"""Formats out, read back by parsers that were not written here; one test for each trap of each tool."""

from __future__ import annotations

import io
import json
import re
from datetime import UTC, date, datetime
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import feedparser
import geojson
import pytest
from api_client import load_seeds, seeded
from click.testing import CliRunner
from icalendar import Calendar
from rdflib import Graph, URIRef

from timeline import Timeline
from timeline.cli.reading import FORMAT_NAMES
from timeline.cli.root import cli
from timeline.formats import FORMATS, Losses, Sheet
from timeline.formats.events import BEYOND, DOUBT, NO_BEGINNING, NO_DATE, NO_END, OPEN, WIDE
from timeline.formats.timesketch import CUT, DROPPED, UNDATED

ORIGIN = "news.example/log"
EVIL = "<script>alert('1')</script> & \"<b>\""


def bodies_of(timeline, **question):
    return [json.dumps(event) for event in timeline.events(limit=1000, **question)]


@pytest.fixture
def timeline():
    with Timeline.temporary() as timeline:
        yield timeline


@pytest.fixture(scope="module")
def seed_bodies():
    with Timeline.temporary() as timeline:
        load_seeds(timeline)
        return bodies_of(timeline)


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with seeded(tmp_path_factory.mktemp("formats")) as client:
        yield client


def bodies(timeline, *events):
    """Record events and give their bodies; those without an id are e0, e1 ..."""
    for number, event in enumerate(events):
        for part in event.get("actors", ()):
            timeline.describe_actor(id=part["id"], kind="person", name=part["id"].upper())
        timeline.record(**{"id": f"e{number}", "title": "Title", **event})
    return bodies_of(timeline, retracted="include")


def written(name, bodies, **more):
    sheet = Sheet(bodies, 9, origin=ORIGIN, **more)
    return FORMATS[name].encode(sheet), sheet.losses


def by_id(name, timeline, *events, key="id"):
    content, losses = written(name, bodies(timeline, *events))
    found = json.loads(content)
    items = found if isinstance(found, list) else found.get("events") or found.get("items") or found.get("features")
    return {item[key]: item for item in items}, losses


def calendar(bodies, **more):
    content, losses = written("ics", bodies, **more)
    parsed = Calendar.from_ical(content)
    return {str(event["X-TIMELINE-ID"]): event for event in parsed.walk("VEVENT")}, parsed, losses


# ---------------------------------------------------------------------------------------------- the table

def test_the_command_line_names_every_format():
    assert list(FORMAT_NAMES) == [*FORMATS, "log"]


def test_every_format_has_a_media_type_of_its_own():
    assert len({format_.media_type for format_ in FORMATS.values()}) == len(FORMATS)
    assert all(name == format_.name and format_.description for name, format_ in FORMATS.items())


@pytest.mark.parametrize("name", FORMATS)
def test_an_empty_page_is_well_formed(name):
    content, losses = written(name, [])
    assert losses.sentences() == []
    if "json" in FORMATS[name].media_type and name not in {"ndjson", "timesketch"}:
        json.loads(content)
    elif name == "ics":
        assert Calendar.from_ical(content).walk("VEVENT") == []
    elif name == "atom":
        assert ET.fromstring(content).find("{http://www.w3.org/2005/Atom}updated").text  # noqa: S314


@pytest.mark.parametrize("name", FORMATS)
def test_writing_is_repeatable_and_takes_any_iterable(name, seed_bodies):
    once, losses = written(name, seed_bodies)
    again, other = written(name, iter(seed_bodies))
    assert once == again
    assert losses == other


@pytest.mark.parametrize("name", sorted(FORMATS.keys() - {"json", "ndjson", "csv"}))
def test_every_seed_event_is_written_or_counted_as_left_out(name, seed_bodies):
    content, losses = written(name, seed_bodies)
    ids = {json.loads(body)["id"] for body in seed_bodies}
    text = content.decode().replace("\r\n ", "")
    named = {id_ for id_ in ids if re.search(rf"(?<![a-z0-9-]){id_}(?![a-z0-9-])", text)}
    assert len(ids) == 97
    assert len(named) + losses.omitted == len(ids)


@pytest.mark.parametrize("name", FORMATS)
def test_what_was_erased_is_written_as_the_tombstone_it_is(name, timeline):
    bodies(timeline, {"title": "Secret words", "when": "2025-08-15", "actors": [{"id": "a"}]})
    timeline.erase("e0", "body", reason="a court order")
    left = bodies_of(timeline, retracted="include")
    assert "Secret" not in left[0]
    content, losses = written(name, left)
    assert (b"e0" in content or name == "atom") == (losses.omitted == 0)
    if name == "atom":
        assert b"<at:deleted-entry" in content
        assert b"a court order" in content


def test_losses_are_sentences_and_headers():
    losses = Losses()
    assert losses.headers() == {}
    losses.left_out.update({"no date": 3, "another": 1})
    losses.reduced["unsure"] = 2
    assert losses.sentences() == ["left out 3: no date", "left out 1: another", "reduced 2: unsure"]
    assert losses.headers() == {"Timeline-Omitted": "4", "Timeline-Reduced": "2"}


# ---------------------------------------------------------------------------------------------- TimelineJS3

def slides(timeline, *events):
    return by_id("timelinejs", timeline, *events, key="unique_id")


def test_timelinejs_start_and_end_have_the_same_parts(timeline, seed_bodies):
    found, _ = slides(timeline, {"when": "2025-08/2025-08-20"}, {"when": "2014/2025-09"}, {"when": "195X"},
                      {"when": "2025-21"})
    assert (found["e0"]["start_date"], found["e0"]["end_date"]) == (
        {"year": "2025", "month": "8", "day": "1"}, {"year": "2025", "month": "8", "day": "20"})
    assert (found["e1"]["start_date"], found["e1"]["end_date"]) == (
        {"year": "2014", "month": "1"}, {"year": "2025", "month": "9"})
    assert (found["e2"]["start_date"], found["e2"]["end_date"]) == ({"year": "1950"}, {"year": "1959"})
    assert (found["e3"]["start_date"], found["e3"]["end_date"]) == (
        {"year": "2025", "month": "3"}, {"year": "2025", "month": "5"})
    for slide in json.loads(written("timelinejs", seed_bodies)[0])["events"]:
        assert slide.get("end_date", slide["start_date"]).keys() == slide["start_date"].keys()


def test_timelinejs_has_no_end_that_equals_the_start(timeline):
    found, _ = slides(timeline, {"when": "2025-08-15"}, {"when": "2025-08"}, {"when": "2025"})
    assert [slide["start_date"] for slide in found.values()] == [
        {"year": "2025"}, {"year": "2025", "month": "8"}, {"year": "2025", "month": "8", "day": "15"}]
    assert not any("end_date" in slide for slide in found.values())


def test_timelinejs_parts_are_text_with_the_hour_0_and_no_hour_where_none_is_known(timeline):
    found, _ = slides(timeline, {"when": "2025-08-15T00:00Z"}, {"when": "2025-08-15T00:00:05Z"},
                      {"when": "2025-08-15"})
    assert found["e0"]["start_date"] == {"year": "2025", "month": "8", "day": "15", "hour": "0", "minute": "0"}
    assert found["e1"]["start_date"]["second"] == "5"
    assert "hour" not in found["e2"]["start_date"]


def test_timelinejs_times_are_in_one_zone_that_is_said(timeline):
    found, _ = slides(timeline, {"when": "2025-08-15T20:30", "tz": "America/Anchorage"},
                      {"when": "2025-08-15T20:30:07+02:00", "tz": "Europe/Paris"}, {"when": "2025-08-15T20:30"})
    assert found["e0"]["display_date"] == "16 August 2025, 04:30 (UTC)"
    assert (found["e0"]["start_date"]["day"], found["e0"]["start_date"]["hour"]) == ("16", "4")
    assert found["e1"]["display_date"] == "15 August 2025, 18:30:07 (UTC)"
    assert found["e2"]["display_date"] == "15 August 2025, 20:30"
    assert found["e2"]["start_date"]["hour"] == "20"


def test_timelinejs_counts_years_before_christ_as_historians_do(timeline):
    found, _ = slides(timeline, {"when": "-0043-03-15"}, {"when": "0000"}, {"when": "0001"})
    assert [found[id_]["start_date"]["year"] for id_ in ("e0", "e1", "e2")] == ["-44", "-1", "1"]
    assert found["e0"]["display_date"] == "15 March 44 BC"


def test_timelinejs_leaves_out_and_counts_what_it_would_drop_or_stumble_over(timeline):
    found, losses = slides(timeline, {}, {"when": "Y-17E7"}, {"when": "../.."}, {"when": "2025-08-15?"})
    assert found.keys() == {"e3"}
    assert found["e3"]["start_date"] == {"year": "2025", "month": "8", "day": "15"}
    assert found["e3"]["display_date"] == "perhaps 15 August 2025"
    assert losses.left_out[NO_DATE] == losses.left_out[BEYOND] == 1
    assert losses.omitted == 3
    assert losses.reduced == {DOUBT: 1}


def test_timelinejs_says_an_open_end_in_words(timeline):
    found, losses = slides(timeline, {"when": "2025-09-04/.."}, {"when": "../2025-08-18"})
    assert found["e0"]["display_date"] == "since 4 September 2025, ongoing"
    assert found["e1"]["display_date"] == "until 18 August 2025 (start open)"
    assert found["e1"]["start_date"] == {"year": "2025", "month": "8", "day": "18"}
    assert losses.reduced == {NO_BEGINNING: 1, NO_END: 1}


def test_timelinejs_gets_text_where_it_reads_html(timeline):
    media = [{"url": "https://example.org/page"},
             {"url": "https://example.org/a.JPG?x=1", "caption": EVIL, "credit": EVIL}]
    found, _ = slides(timeline, {"title": EVIL, "summary": f"{EVIL}\n\nmore\nlines", "when": "2025", "media": media})
    slide = found["e0"]
    assert slide["text"]["headline"] == (
        "&lt;script&gt;alert(&#x27;1&#x27;)&lt;/script&gt; &amp; &quot;&lt;b&gt;&quot;")
    assert re.findall(r"<[^>]*>", slide["text"]["text"]) == ["<p>", "</p>", "<p>", "<br>", "</p>"]
    assert slide["media"]["url"] == "https://example.org/a.JPG?x=1"
    assert "<" not in slide["media"]["caption"] + slide["media"]["credit"]
    assert slide["autolink"] is False


def test_timelinejs_lanes_are_safe_after_their_entities_are_decoded(timeline):
    content, _ = written("timelinejs", bodies(timeline, {"when": "2025", "actors": [{"id": "a"}]}),
                         name_of={"a": f"{EVIL} &lt;img&gt;"}.get)
    group = json.loads(content)["events"][0]["group"]
    assert "<" not in group
    assert "&amp;lt;img" in group


# ---------------------------------------------------------------------------------------------- vis-timeline

def vis(timeline, *events):
    return by_id("vis", timeline, *events)


def test_vis_every_lane_an_item_names_is_there(timeline, seed_bodies):
    data = json.loads(written("vis", [*seed_bodies, *bodies(timeline, {"when": "2025"})])[0])
    groups = [group["id"] for group in data["groups"]]
    assert {item["group"] for item in data["items"]} == set(groups)
    assert len(groups) == len(set(groups))
    assert len({item["id"] for item in data["items"]}) == len(data["items"])
    assert all(group["content"] for group in data["groups"])


def test_vis_dates_are_instants_and_never_digits_alone(timeline, seed_bodies):
    found, _ = vis(timeline, {"when": "2025"}, {"when": "2025-08-15", "tz": "America/Anchorage"},
                   {"when": "-0043-03-15"}, {"when": "2025-08-15T20:30", "tz": "America/Anchorage"})
    assert (found["e0@_nobody"]["start"], found["e0@_nobody"]["end"]) == (
        "2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z")
    assert (found["e1@_nobody"]["start"], found["e1@_nobody"]["end"]) == (
        "2025-08-15T08:00:00Z", "2025-08-16T08:00:00Z")
    assert found["e2@_nobody"]["start"] == "-000043-03-15T00:00:00Z"
    assert found["e3@_nobody"]["start"] == "2025-08-16T04:30:00Z"
    assert "end" not in found["e3@_nobody"]
    instant = re.compile(r"([+-]\d{6}|\d{4})-\d\d-\d\dT\d\d:\d\d:\d\dZ")
    for item in json.loads(written("vis", seed_bodies)[0])["items"]:
        assert all(instant.fullmatch(item[name]) for name in ("start", "end") if name in item)
        assert ("end" in item) == (item["type"] == "range")
        assert item["content"]


def test_vis_shows_doubt_as_a_class_and_in_words(timeline):
    found, losses = vis(timeline, {"when": "[2025-08-15..2025-08-18]"}, {"when": "2025-08-15"}, {"when": "2025-08/.."})
    assert "timeline-unsure" in found["e0@_nobody"]["className"]
    assert found["e0@_nobody"]["title"] == "one unknown day between 15 and 18 August 2025"
    assert "timeline-unsure" not in found["e1@_nobody"]["className"]
    assert found["e2@_nobody"]["type"] == "point"
    assert losses.reduced == {DOUBT: 1, NO_END: 1}


def test_vis_one_item_for_each_actor_and_text_where_it_reads_html(timeline):
    found, losses = vis(timeline, {"when": "2025", "title": EVIL, "actors": [
        {"id": "a", "role": "speaker"}, {"id": "b"}, {"id": "a", "role": "host"}]}, {"title": "undated"})
    assert found.keys() == {"e0@a", "e0@b"}
    assert "<" not in found["e0@a"]["content"] + found["e0@a"]["title"]
    assert losses.left_out == {NO_DATE: 1}


# ---------------------------------------------------------------------------------------------- FullCalendar

def test_fullcalendar_days_have_exclusive_ends_and_times_have_none(timeline):
    found, losses = by_id(
        "fullcalendar", timeline, {"when": "2025-08-15", "tz": "America/Anchorage"}, {"when": "2025-02-28/2025-03-01"},
        {"when": "2025-08-15T00:00", "tz": "Europe/Paris"}, {"when": "2025-08-15T00:00"},
        {"when": "[2025-08-15..2025-08-18]"}, {"when": "2025"}, {"when": "2025-08-15/.."}, {}, {"when": "-0043-03-15"})
    assert [(found[f"e{n}"]["start"], found[f"e{n}"].get("end"), found[f"e{n}"]["allDay"]) for n in range(5)] == [
        ("2025-08-15", "2025-08-16", True), ("2025-02-28", "2025-03-02", True),
        ("2025-08-14T22:00:00Z", None, False), ("2025-08-15T00:00:00", None, False), ("2025-08-15", "2025-08-19", True)]
    assert losses.left_out == {WIDE: 1, OPEN: 1, NO_DATE: 1, BEYOND: 1}
    assert "timeline-unsure" in found["e4"]["classNames"]
    assert found["e4"]["extendedProps"]["when"] == "[2025-08-15..2025-08-18]"


# ---------------------------------------------------------------------------------------------- iCalendar

def test_ics_a_day_is_a_date_and_ends_before_the_next(timeline):
    events, _, losses = calendar(bodies(timeline, {"when": "2025-08-15", "tz": "America/Anchorage"},
                                        {"when": "2025-02-28/2025-03-01"}, {"when": "2022-02-24/2025-08-31"}))
    spans = {id_: (event["DTSTART"].dt, event["DTEND"].dt) for id_, event in events.items()}
    assert spans == {"e0": (date(2025, 8, 15), date(2025, 8, 16)), "e1": (date(2025, 2, 28), date(2025, 3, 2)),
                     "e2": (date(2022, 2, 24), date(2025, 9, 1))}
    assert events["e0"]["DTSTART"].params == {"VALUE": "DATE"}
    assert str(events["e0"]["X-TIMELINE-TZ"]) == "America/Anchorage"
    assert losses.sentences() == []


def test_ics_an_unsure_date_is_tentative_and_keeps_its_edtf(timeline):
    events, _, losses = calendar(bodies(
        timeline, {"when": "[2025-08-15..2025-08-18]", "status": "confirmed"}, {"when": "2025-08-15?"},
        {"when": "2025-08"}, {"when": "[2025-08-15,2025-08-18]"}))
    spans = {id_: (event["DTSTART"].dt, event["DTEND"].dt) for id_, event in events.items()}
    assert spans["e0"] == spans["e3"] == (date(2025, 8, 15), date(2025, 8, 19))
    assert spans["e1"] == (date(2025, 8, 15), date(2025, 8, 16))
    assert spans["e2"] == (date(2025, 8, 1), date(2025, 9, 1))
    assert {str(event["STATUS"]) for event in events.values()} == {"TENTATIVE"}
    assert [str(events[id_]["X-TIMELINE-EDTF"]) for id_ in ("e0", "e3")] == [
        "[2025-08-15..2025-08-18]", "[2025-08-15,2025-08-18]"]
    assert str(events["e1"]["SUMMARY"]) == "[perhaps 15 August 2025] Title"
    assert losses.reduced == {DOUBT: 4}


def test_ics_leaves_out_what_has_no_days_and_says_so(timeline):
    events, parsed, losses = calendar(bodies(
        timeline, {"when": "2025-08-15"}, {"when": "2025"}, {"when": "2025-08-15/.."}, {"when": "../2025"}, {},
        {"when": "-0043-03-15"}, {"when": "[2025-08-01..2025-09-01]"}, {"when": "9999-12-31"}))
    assert events.keys() == {"e0"}
    assert str(parsed["X-TIMELINE-OMITTED"]) == "7"
    assert losses.left_out == {WIDE: 2, OPEN: 2, NO_DATE: 1, BEYOND: 2}


def test_ics_a_time_has_a_zone_only_where_the_event_has_one(timeline):
    content, _ = written("ics", bodies(
        timeline, {"when": "2025-08-15T11:30", "tz": "America/Anchorage"}, {"when": "2025-08-15T11:30+02:00"},
        {"when": "2025-08-15T00:00"}, {"when": "2025-08-15T11:30Z", "tz": "Europe/Paris"}))
    found = {str(event["X-TIMELINE-ID"]): event["DTSTART"] for event in Calendar.from_ical(content).walk("VEVENT")}
    assert found["e0"].params["TZID"] == "America/Anchorage"
    assert found["e0"].dt == datetime(2025, 8, 15, 19, 30, tzinfo=UTC)
    assert found["e1"].dt == datetime(2025, 8, 15, 9, 30, tzinfo=UTC)
    assert b"DTSTART:20250815T093000Z\r\n" in content
    assert found["e2"].dt == datetime(2025, 8, 15)  # noqa: DTZ001 - it floats
    assert b"DTSTART:20250815T000000\r\n" in content
    assert found["e3"].dt == datetime(2025, 8, 15, 13, 30, tzinfo=ZoneInfo("Europe/Paris"))
    assert b"DTEND" not in content
    zones = [str(zone["TZID"]) for zone in Calendar.from_ical(content).walk("VTIMEZONE")]
    assert sorted(zones) == ["America/Anchorage", "Europe/Paris"]
    assert content.index(b"VTIMEZONE") < content.index(b"VEVENT")


def test_ics_zones_reach_back_to_old_events(timeline):
    content, _ = written("ics", bodies(timeline, {"when": "1914-06-28T10:50", "tz": "Europe/Paris"}))
    zone = Calendar.from_ical(content).walk("VTIMEZONE")[0]
    assert zone.to_tz(lookup_tzid=False).utcoffset(datetime(1914, 6, 28, 10, 50)) == (  # noqa: DTZ001 - civil time
        ZoneInfo("Europe/Paris").utcoffset(datetime(1914, 6, 28, 10, 50)))  # noqa: DTZ001 - civil time


def test_ics_a_correction_raises_the_sequence_and_a_retraction_cancels(timeline):
    timeline.record(id="a", title="One", when="2025-08-15", status="confirmed")
    before, _, _ = calendar(bodies_of(timeline))
    timeline.revise("a", {"title": "Two"}, reason="a slip")
    after, _, _ = calendar(bodies_of(timeline))
    timeline.retract("a", reason="never happened")
    gone, _, _ = calendar(bodies_of(timeline, retracted="include"))
    states = [(str(found["a"]["UID"]), found["a"]["SEQUENCE"], str(found["a"]["STATUS"]), str(found["a"]["SUMMARY"]))
              for found in (before, after, gone)]
    assert states == [(f"a@{ORIGIN}", 0, "CONFIRMED", "One"), (f"a@{ORIGIN}", 1, "CONFIRMED", "Two"),
                      (f"a@{ORIGIN}", 2, "CANCELLED", "[retracted] Two")]
    assert gone["a"]["LAST-MODIFIED"].dt >= before["a"]["LAST-MODIFIED"].dt
    assert "never happened" in str(gone["a"]["DESCRIPTION"])


def test_ics_text_comes_back_as_it_was_and_lines_are_folded(timeline):
    title = "Ünï; code, back\\slash: “quotes” 首脑会议 " * 6
    summary = "line one\nline two; BEGIN:VALARM\n\nEND:VEVENT"
    content, _ = written("ics", bodies(timeline, {
        "title": title.strip(), "summary": summary, "when": "2025-08-15", "actors": [{"id": "a"}], "topics": ["t"],
        "place": {"name": "A, B", "lat": 61.25, "lon": -149.5}}), name_of={"a": "Doe; Jane, Dr"}.get)
    event = Calendar.from_ical(content).walk("VEVENT")[0]
    assert str(event["SUMMARY"]) == title.strip()
    assert str(event["DESCRIPTION"]) == summary
    assert event.categories == ["Doe; Jane, Dr", "t"]
    assert str(event["LOCATION"]) == "A, B"
    assert (event["GEO"].latitude, event["GEO"].longitude) == (61.25, -149.5)
    assert all(len(line) <= 75 for line in content.split(b"\r\n"))
    assert "ATTENDEE" not in event


# ---------------------------------------------------------------------------------------------- feeds

def test_json_feed_is_dated_by_when_it_was_recorded(timeline):
    content, losses = written("jsonfeed", bodies(timeline, {
        "when": "2025-08-15", "actors": [{"id": "a"}], "topics": ["t"], "lang": "en", "summary": EVIL}), next="/n?a=b")
    feed = json.loads(content)
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    assert feed["title"]
    assert feed["next_url"] == "/n?a=b"
    item = feed["items"][0]
    event = timeline.event("e0")
    assert item["date_published"] == event["recorded_at"]
    assert item["date_modified"] == event["revision"]["recorded_at"]
    assert item["id"].startswith("urn:uuid:")
    assert item["content_text"] == f"15 August 2025.\n\n{EVIL}"
    assert item["tags"] == ["a", "t"]
    assert (item["_timeline"]["when"], item["_timeline"]["id"]) == ("2025-08-15", "e0")
    assert losses.omitted == 0
    known = {"id", "url", "title", "content_text", "date_published", "date_modified", "tags", "language", "image"}
    assert {name for name in item if not name.startswith("_")} <= known


def test_ids_in_feeds_stay_when_the_text_changes_and_differ_between_logs(timeline):
    sheets = [Sheet([], 1, origin=origin) for origin in ("one.example", "two.example")]
    assert sheets[0].urn("events", "a") != sheets[1].urn("events", "a")
    assert sheets[0].urn("events", "a") != sheets[0].urn("actors", "a") != sheets[0].urn()


@pytest.mark.filterwarnings("ignore::DeprecationWarning:feedparser")
def test_atom_is_read_by_feedparser(timeline):
    content, _ = written("atom", bodies(timeline, {
        "title": EVIL, "when": "[2025-08-15..2025-08-18]", "actors": [{"id": "a"}], "topics": ["t"],
        "summary": "plain & <i>text</i>", "place": {"name": "P", "lat": 61.25, "lon": -149.5}, "lang": "en"}),
        next="/v1/events?cursor=x&f=atom")
    headers = {"content-type": "application/atom+xml", "content-location": "https://news.example/v1/events?f=atom"}
    feed = feedparser.parse(io.BytesIO(content), response_headers=headers, sanitize_html=False)
    assert not feed.bozo, feed.get("bozo_exception")
    assert feed.version == "atom10"
    entry = feed.entries[0]
    event = timeline.event("e0")
    assert entry.title == EVIL
    assert entry.title_detail.type == "text/plain"
    assert entry.content[0].value == (
        "One unknown day between 15 and 18 August 2025.\n\nplain & <i>text</i>")
    assert (entry.published, entry.updated) == (event["recorded_at"], event["revision"]["recorded_at"])
    assert feed.feed.updated == event["revision"]["recorded_at"]
    assert entry.link == "https://news.example/events/e0"
    assert [link.href for link in feed.feed.links if link.rel == "next"] == [
        "https://news.example/v1/events?cursor=x&f=atom"]
    assert entry.dcterms_temporal == "[2025-08-15..2025-08-18]"
    assert entry.where["coordinates"] == (-149.5, 61.25)
    assert [tag.term for tag in entry.tags] == ["t"]


def test_atom_has_a_tombstone_for_what_was_withdrawn(timeline):
    bodies(timeline, {"when": "2025-08-15"}, {"when": "2025-08-16"})
    timeline.retract("e0", reason=EVIL)
    content, _ = written("atom", bodies_of(timeline, retracted="include"))
    root = ET.fromstring(content)  # noqa: S314 - our own
    atom, at = "{http://www.w3.org/2005/Atom}", "{http://purl.org/atompub/tombstones/1.0}"
    tombstones = root.findall(f"{at}deleted-entry")
    urn = Sheet([], 1, origin=ORIGIN).urn("events", "e0")
    assert [stone.attrib for stone in tombstones] == [
        {"ref": urn, "when": timeline.event("e0")["revision"]["recorded_at"]}]
    assert tombstones[0].findtext(f"{at}comment") == EVIL
    assert len(root.findall(f"{atom}entry")) == 1
    assert urn not in [entry.findtext(f"{atom}id") for entry in root.findall(f"{atom}entry")]


def test_atom_of_the_seeds_has_what_every_entry_must_have(seed_bodies):
    root = ET.fromstring(written("atom", seed_bodies)[0])  # noqa: S314 - our own
    atom = "{http://www.w3.org/2005/Atom}"
    assert all(len(root.findall(f"{atom}{name}")) == 1 for name in ("id", "title", "updated", "author"))
    entries = root.findall(f"{atom}entry")
    assert len({entry.findtext(f"{atom}id") for entry in entries}) == len(entries) == 97
    assert all(entry.findtext(f"{atom}{name}") for entry in entries for name in ("title", "updated", "content"))


# ---------------------------------------------------------------------------------------------- Timesketch

def rows(timeline, *events):
    content, losses = written("timesketch", bodies(timeline, *events))
    return [json.loads(line) for line in content.splitlines()], losses


def test_timesketch_has_a_row_for_each_bound_that_says_what_it_is(timeline):
    found, losses = rows(timeline, {"when": "2025-08-15", "tz": "America/Anchorage"}, {"when": "2025-08-16/.."}, {})
    recorded = [row["datetime"] for row in found if row["timestamp_desc"] == "recorded"]
    assert [(row["event_id"], row["timestamp_desc"], row["datetime"]) for row in found
            if row["timestamp_desc"] != "recorded"] == [
        ("e0", "event earliest", "2025-08-15T08:00:00+00:00"), ("e0", "event latest", "2025-08-16T07:59:59+00:00"),
        ("e1", "event earliest", "2025-08-16T00:00:00+00:00")]
    assert len(recorded) == 3
    assert all({"message", "datetime", "timestamp_desc"} <= row.keys() for row in found)
    assert all(datetime.fromisoformat(row["datetime"]).tzinfo for row in found)
    assert not [name for row in found for name in row if name.startswith("_") or name == "timestamp"]
    assert losses.reduced == {UNDATED: 1}


def test_timesketch_gets_no_row_that_it_would_drop_and_no_text_that_it_would_refuse(timeline):
    found, losses = rows(timeline, {"when": "1699-12-31/1700-01-01"}, {"when": "-0043-03-15"},
                         {"when": "2025", "summary": "é" * 20_000})
    assert [(row["event_id"], row["timestamp_desc"]) for row in found] == [
        ("e1", "recorded"), ("e0", "event latest"), ("e0", "recorded"),
        *(("e2", description) for description in ("event earliest", "event latest", "recorded"))]
    assert len(found[-1]["summary"].encode()) == 32_766
    assert losses.reduced == {DROPPED: 2, CUT: 1}


# ---------------------------------------------------------------------------------------------- GeoJSON, JSON-LD

def test_geojson_has_longitude_first_and_null_where_there_is_no_place(timeline):
    content, losses = written("geojson", bodies(
        timeline, {"place": {"name": "Anchorage", "lat": 61.25, "lon": -149.5}}, {"place": {"name": "Somewhere"}}, {}))
    found = geojson.loads(content)
    assert isinstance(found, geojson.FeatureCollection)
    assert found.is_valid, found.errors()
    features = {feature.id: feature for feature in found.features}
    assert features["e0"].geometry == geojson.Point((-149.5, 61.25))
    assert features["e1"].geometry is None
    assert features["e2"].geometry is None
    assert "geometry" in json.loads(content)["features"][1]
    assert features["e1"].properties["place"]["name"] == "Somewhere"
    assert losses.sentences() == []


def graph_of(content):
    document = json.loads(content)
    assert document["@context"] == "https://schema.org"
    document["@context"] = {"@vocab": "https://schema.org/"}  # what is there, without the network
    return Graph().parse(data=json.dumps(document), format="json-ld")


def asked(graph, pattern):
    query = f"PREFIX s: <https://schema.org/> SELECT ?o WHERE {{ {pattern} }}"
    return sorted(str(row[0]) for row in graph.query(query))


@pytest.mark.filterwarnings("ignore::DeprecationWarning:rdflib", "ignore::DeprecationWarning:pyparsing")
def test_json_ld_is_a_graph_of_postings_about_events(timeline):
    content, losses = written("jsonld", bodies(
        timeline, {"when": "2025-08-15", "actors": [{"id": "a", "role": "speaker"}], "status": "planned",
                   "place": {"name": "P", "lat": 61.25, "lon": -149.5, "wikidata": "Q797"}},
        {"when": "[2025-08-15..2025-08-18]"}, {"when": "-0043-03-15"}, {},
        {"when": "2025-08-15T20:30", "tz": "America/Anchorage"}))
    graph = graph_of(content)
    sheet = Sheet([], 1, origin=ORIGIN)
    assert (URIRef(sheet.urn()), None, URIRef("https://schema.org/LiveBlogPosting")) in graph
    assert len(asked(graph, "?b a s:LiveBlogPosting ; s:liveBlogUpdate ?o . ?o a s:BlogPosting ; s:about ?e . "
                            "?e a s:Event")) == 5
    first = sheet.urn("events", "e0")
    assert asked(graph, f"<{first}> s:temporalCoverage ?o") == ["2025-08-15"]
    assert asked(graph, f"<{first}#event> s:startDate ?o") == asked(graph, f"<{first}#event> s:endDate ?o") == [
        "2025-08-15"]
    assert asked(graph, f"<{first}#event> s:actor ?r . ?r s:roleName ?o") == ["speaker"]
    assert asked(graph, f"<{first}#event> s:location ?p . ?p s:sameAs ?o") == ["http://www.wikidata.org/entity/Q797"]
    unsure = sheet.urn("events", "e1")
    assert asked(graph, f"<{unsure}> s:temporalCoverage ?o") == ["[2025-08-15..2025-08-18]"]
    assert asked(graph, f"<{unsure}#event> s:startDate ?o") == []
    assert asked(graph, f"<{sheet.urn('events', 'e4')}#event> s:startDate ?o") == ["2025-08-16T04:30:00Z"]
    assert asked(graph, f"<{first}> s:datePublished ?o") == [timeline.event("e0")["recorded_at"]]
    assert sum(losses.reduced.values()) == 2


def test_json_ld_can_stand_in_a_script_of_a_page(timeline):
    content, _ = written("jsonld", bodies(timeline, {"title": "</script><script>alert(1)</script>"}))
    assert b"<" not in content
    assert json.loads(content)["liveBlogUpdate"][0]["headline"] == "</script><script>alert(1)</script>"


def test_json_ld_tells_a_correction_and_a_retraction(timeline):
    bodies(timeline, {"when": "2025"})
    timeline.retract("e0", reason="never happened")
    update = json.loads(written("jsonld", bodies_of(timeline, retracted="include"))[0])["liveBlogUpdate"][0]
    assert update["creativeWorkStatus"] == "Retracted"
    assert update["correction"]["text"] == "never happened"


# ---------------------------------------------------------------------------------------------- over HTTP, in a shell

@pytest.mark.parametrize("name", FORMATS)
def test_the_api_gives_every_format_by_name_and_by_accept(client, name):
    media_type = FORMATS[name].media_type
    by_name = client.get(f"/v1/events?f={name}&limit=5")
    by_accept = client.get("/v1/events?limit=5", headers={"Accept": media_type})
    assert by_name.status_code == by_accept.status_code == 200
    assert by_name.headers["Content-Type"].partition(";")[0] == media_type
    assert by_accept.headers["Content-Type"] == by_name.headers["Content-Type"]


def test_the_api_says_how_many_events_a_format_left_out(client):
    answer = client.get("/v1/events?f=ics&limit=1000")
    assert answer.headers["Timeline-Omitted"] == "23"
    assert answer.headers["Timeline-Reduced"] == "21"
    assert len(Calendar.from_ical(answer.content).walk("VEVENT")) == 97 - 23
    again = client.get("/v1/events?f=ics&limit=1000", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304
    assert "Timeline-Omitted" not in client.get("/v1/events?limit=1000").headers


def test_the_api_names_actors_in_the_language_asked_for(client):
    found = client.get("/v1/events?f=vis&actor=russia&lang=fr&limit=5").json()
    assert {"id": "russia", "content": "Russie"}.items() <= next(
        group for group in found["groups"] if group["id"] == "russia").items()


def test_the_shell_names_actors_and_tells_what_was_left_out(tmp_path):
    with Timeline(tmp_path / "t.db") as timeline:
        timeline.describe_actor(id="a", kind="person", name="Ada")
        timeline.record(id="dated", title="Dated", when="2025-08-15", actors=[{"id": "a"}])
        timeline.record(id="undated", title="Undated")
        origin = timeline.origin
    run = CliRunner().invoke(cli, ["--db", str(tmp_path / "t.db"), "export", "-f", "ics"])
    assert run.exit_code == 0, run.output
    event = Calendar.from_ical(run.stdout).walk("VEVENT")[0]
    assert (str(event["UID"]), event.categories) == (f"dated@{origin}", ["Ada"])
    assert run.stderr == "left out 1: no date\n"
