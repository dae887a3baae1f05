"""The widgets themselves, from npm, load what we write: right dates and counts in three zones, and no script runs.

The packages are for the tests alone: `npm install @knight-lab/timelinejs vis-timeline fullcalendar` somewhere, and
TIMELINE_NODE_MODULES names the node_modules there.

A crowd of 5,000 hostile events goes into each widget. TimelineJS3 makes a slide of each at once, which takes it half a
minute here: it gets the first thousand in one zone (all with TIMELINE_LONG) and a few hundred in the others.
"""

from __future__ import annotations

import html
import json
import os
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

import pytest
from api_client import load_seeds

from timeline import Timeline
from timeline.edtf import iso
from timeline.formats import FORMATS, Sheet, actor_name
from timeline.query import parse_query

pytestmark = pytest.mark.browser

MODULES = Path(os.environ.get("TIMELINE_NODE_MODULES") or "node_modules")
TIMELINEJS = "@knight-lab/timelinejs/dist/js/timeline.js"
TIMELINEJS_CSS = "@knight-lab/timelinejs/dist/css/timeline.css"
VIS = "vis-timeline/standalone/umd/vis-timeline-graph2d.min.js"
FULLCALENDAR = "fullcalendar/all/global.js"
SITE = "http://widgets.test"
ZONES = ("UTC", "America/Anchorage", "Pacific/Kiritimati")
EVIL = '<img src=x onerror="window.hurt=1"><script>window.hurt=1</script><iframe src="//evil.test"></iframe>'
ENTITIES = "&lt;img src=x onerror=window.hurt=1&gt; R&D"
TITLE = f"{EVIL} & <b>bold</b> \"quoted\" 'single'"

HOSTILE = [
    {"id": "html", "title": TITLE, "summary": f"{EVIL}\n\nsecond {EVIL}", "when": "2025-08-15",
     "actors": [{"id": "evil"}, {"id": "other"}], "tz": "America/Anchorage", "place": {"name": EVIL}},
    {"id": "ides", "title": "The Ides of March", "when": "-0043-03-15"},
    {"id": "deep", "title": "Long ago", "when": "Y-17E7"},
    {"id": "open-end", "title": "Goes on", "when": "2025-09-04/.."},
    {"id": "open-start", "title": "Long since", "when": "../2025-08-18"},
    {"id": "unsure", "title": "One of four days", "when": "[2025-08-15..2025-08-18]"},
    {"id": "month", "title": "Some day in August", "when": "2025-08"},
    {"id": "mixed", "title": "From August to the 20th", "when": "2025-08/2025-08-20"},
    {"id": "midnight", "title": "At midnight", "when": "2025-08-15T00:00", "tz": "UTC"},
    {"id": "evening", "title": "In the evening", "when": "2025-08-15T20:30", "tz": "America/Anchorage"},
    {"id": "year", "title": "In that year", "when": "2014"},
    {"id": "entities", "title": ENTITIES, "summary": ENTITIES, "when": "2025-08-16", "actors": [{"id": "entities"}]},
    {"id": "undated", "title": "Some day"},
]


CROWD = 5_000
FEW = 300
LONG = "Longword" * 62
RTL = "\u202e\u05e9\u05dc\u05d5\u05dd \u0627\u0644\u0633\u0644\u0627\u0645 \u2066<b>"
SORTS = ("html", "before-christ", "open-end", "open-start", "set", "rtl", "long", "evening", "undated", "month")


def member(number):
    """One of the crowd: its sort by the last digit, its day by its number, within a year that begins in February."""
    sort, day = SORTS[number % 10], first_day(number)
    later = day + timedelta(days=3)
    title, when = {
        "html": (TITLE, f"{day}"), "before-christ": (EVIL, f"-{day.year % 100 + 18:04}-{day:%m-%d}"),
        "open-end": (ENTITIES, f"{day}/.."), "open-start": (EVIL, f"../{day}"), "set": (TITLE, f"[{day}..{later}]"),
        "rtl": (RTL, f"{day}"), "long": (LONG, f"{day}~"), "evening": (TITLE, f"{day}T20:30"), "undated": (EVIL, None),
        "month": (RTL, f"{day:%Y-%m}"),
    }[sort]
    event = {"id": f"{sort}-{number}", "title": title, "summary": f"{EVIL} {number}", "when": when,
             "tz": "America/Anchorage" if sort == "evening" else None,
             "actors": [{"id": each} for each in (f"evil-{number % 7}", f"unknown-{number % 5}")[:number % 3]]}
    return {name: value for name, value in event.items() if value}


def first_day(number):
    return date(2025, 2, 1) + timedelta(days=number * 7 % 365)


def named(actor):
    """Name half of the groups, with markup; nobody knows the others."""
    return f"{EVIL}{actor}" if actor.startswith("evil") else None


@cache
def crowd_bodies():
    actors = [*(f"evil-{number}" for number in range(7)), *(f"unknown-{number}" for number in range(5))]
    with Timeline.temporary() as timeline:
        timeline.append([{"type": "actor.described", "actor": {"id": id_, "kind": "person", "name": id_}}
                         for id_ in actors])
        for first in range(0, CROWD, 1000):
            timeline.append([{"type": "event.recorded", "event": member(number)}
                             for number in range(first, first + 1000)])
        return [json.dumps(timeline.event(member(number)["id"])) for number in range(CROWD)]


def crowd(count):
    return Sheet(crowd_bodies()[:count], CROWD, origin="news.example", name_of=named)


def of_sorts(count, *sorts):
    """Give the numbers of those in a crowd that are of some sorts."""
    return [number for number in range(count) if SORTS[number % 10] in sorts]


def modules(path):
    found = MODULES / path
    if not found.exists():
        pytest.skip(f"no {path.split('/dist')[0]} from npm: set TIMELINE_NODE_MODULES")
    return found


def sheet_of(timeline):
    events = list(timeline.events(limit=1000))
    actors = {part["id"] for event in events for part in event.get("actors", ())}
    names = {actor: actor_name(timeline.body("actor", actor), "en") for actor in actors}
    return Sheet([json.dumps(event) for event in events], timeline.position, origin="news.example", name_of=names.get)


def seeds():
    with Timeline.temporary() as timeline:
        load_seeds(timeline)
        return sheet_of(timeline)


def hostile():
    with Timeline.temporary() as timeline:
        timeline.describe_actor(id="evil", kind="person", name=EVIL)
        timeline.describe_actor(id="other", kind="person", name="Other & co")
        timeline.describe_actor(id="entities", kind="person", name=ENTITIES)
        for event in HOSTILE:
            timeline.record(**event)
        return sheet_of(timeline)


@pytest.fixture(params=ZONES)
def show(browser, request):
    """Show a widget's page; what it asks of other hosts is refused and remembered."""
    context = browser.new_context(timezone_id=request.param, locale="en-US", viewport={"width": 1280, "height": 900})

    def shown(document, data):
        page = context.new_page()
        page.asked, page.errors, page.questions = [], [], []
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.route("**/*", lambda route: answer(route, page, document, data))
        page.goto(f"{SITE}/")
        return page

    yield shown
    context.close()


def answer(route, page, document, data):
    path, _, question = route.request.url.removeprefix(f"{SITE}/").partition("?")
    page.questions += [question] if question else []
    if not route.request.url.startswith(SITE):
        page.asked.append(route.request.url)
        route.abort()
    elif path in {"", "data"}:
        route.fulfill(body=data if path else document, content_type="application/json" if path else "text/html")
    elif (MODULES / path).is_file():
        route.fulfill(path=MODULES / path)
    else:
        route.fulfill(status=404)


def unhurt(page):
    """Nothing in a text ran, and no frame was made of it."""
    assert page.evaluate("window.hurt") is None
    assert not [url for url in page.asked if "evil" in url]
    assert not page.errors


# ---------------------------------------------------------------------------------------------- TimelineJS3

PATIENCE = 300_000
"""Milliseconds a widget may take to be ready: TimelineJS3 needs half a minute for thousands of events."""


def timelinejs(show, sheet):
    modules(TIMELINEJS)
    data = FORMATS["timelinejs"].encode(sheet)
    page = show(
        f"<!doctype html><meta charset=utf-8><link rel=stylesheet href='/{TIMELINEJS_CSS}'>"
        f"<div id=t style='height:800px'></div><script src='/{TIMELINEJS}'></script><script>"
        "fetch('/data').then(r => r.json()).then(data => {"
        f"window.tl = new TL.Timeline('t', data, {{script_path: '{SITE}/{Path(TIMELINEJS).parent}/', font: null}});"
        "tl.on('ready', () => {window.ready = true})})</script>", data)
    page.wait_for_function("window.ready", timeout=PATIENCE)
    return page, json.loads(data)["events"]


def test_timelinejs_shows_every_seed_event_with_its_date_in_words(show):
    page, events = timelinejs(show, seeds())
    assert len(events) == 96
    assert page.evaluate("tl.config.events.length") == 96
    assert set(page.evaluate("tl.config.events.map(e => e.unique_id)")) == {event["unique_id"] for event in events}
    page.evaluate("tl.goToId('alaska-summit')")
    date = page.locator("[id='alaska-summit'] .tl-headline-date").first
    assert date.text_content() == "15 August 2025"
    unhurt(page)


def test_timelinejs_shows_hostile_events_as_text_and_on_their_days(show):
    page, events = timelinejs(show, hostile())
    ids = {event["unique_id"] for event in events}
    assert ids == {event["id"] for event in HOSTILE} - {"undated", "deep"}
    days = page.evaluate(
        "Object.fromEntries(tl.config.events.map(e => [e.unique_id, [e.start_date, e.end_date].map(d => d && "
        "[d.data.date_obj.getFullYear(), d.data.date_obj.getMonth() + 1, d.data.date_obj.getDate(), "
        "d.data.date_obj.getHours()])]))")
    assert days["html"] == [[2025, 8, 15, 0], None]
    assert days["ides"][0][1:] == [3, 15, 0]
    assert days["unsure"] == [[2025, 8, 15, 0], [2025, 8, 18, 0]]
    assert days["mixed"] == [[2025, 8, 1, 0], [2025, 8, 20, 0]]
    assert days["midnight"] == [[2025, 8, 15, 0], None]
    assert days["evening"] == [[2025, 8, 16, 4], None]
    for event in events:
        page.evaluate("id => tl.goToId(id)", event["unique_id"])
        page.wait_for_timeout(50)
    words = dict(page.evaluate("[...document.querySelectorAll('.tl-slide')].map(s => [s.id, "
                               "(s.querySelector('.tl-headline-date') || {}).textContent])"))
    assert words["ides"] == "15 March 44 BC"
    assert words["midnight"] == "15 August 2025, 00:00 (UTC)"
    assert words["evening"] == "16 August 2025, 04:30 (UTC)"
    assert words["unsure"] == "one unknown day between 15 and 18 August 2025"
    for id_, title in (("html", TITLE), ("entities", ENTITIES)):
        assert page.locator(f"[id='{id_}'] .tl-headline").first.text_content() == title
    lanes = page.locator(".tl-timegroup-message").all_text_contents()
    assert set(lanes) == {"", EVIL.replace("<", "\u2039").replace(">", "\u203a"), html.unescape(ENTITIES)}
    unhurt(page)


def test_timelinejs_shows_a_crowd_of_hostile_events_on_their_days(show, request):
    many = CROWD if os.environ.get("TIMELINE_LONG") else 1_000  # TimelineJS3 takes half a minute for 5,000
    count = many if request.node.callspec.params["show"] == "UTC" else FEW
    page, events = timelinejs(show, crowd(count))
    dated = [number for number in range(count) if SORTS[number % 10] != "undated"]
    assert page.evaluate("tl.config.events.length") == len(events) == len(dated) == count * 9 // 10
    days = page.evaluate(
        "Object.fromEntries(tl.config.events.map(e => [e.unique_id, [e.start_date, e.end_date].map(d => d && "
        "[d.data.date_obj.getFullYear(), d.data.date_obj.getMonth() + 1, d.data.date_obj.getDate()])]))")
    assert days.keys() == {member(number)["id"] for number in dated}
    for number in dated:
        sort, day = SORTS[number % 10], first_day(number)
        start, end = days[f"{sort}-{number}"]
        if sort in {"html", "rtl", "open-start", "open-end", "long"}:
            assert (start, end) == ([day.year, day.month, day.day], None)
        elif sort == "set":
            last = day + timedelta(days=3)
            assert (start, end) == ([day.year, day.month, day.day], [last.year, last.month, last.day])
        elif sort == "evening":
            assert start == list((day + timedelta(days=1)).timetuple()[:3])
        elif sort == "month":
            assert (start[:2], end) == ([day.year, day.month], None)
        else:
            assert start[1:] == [day.month, day.day]
    for number in (0, count // 2, count - 10):
        page.evaluate("id => tl.goToId(id)", f"html-{number}")
        page.wait_for_timeout(50)
        assert page.locator(f"[id='html-{number}'] .tl-headline").first.text_content() == TITLE
    unhurt(page)


# ---------------------------------------------------------------------------------------------- vis-timeline

def vis(show, sheet, *, stack="true"):
    modules(VIS)
    data = FORMATS["vis"].encode(sheet)
    page = show(
        f"<!doctype html><meta charset=utf-8><div id=t></div><script src='/{VIS}'></script><script>"
        "fetch('/data').then(r => r.json()).then(data => {"
        "window.items = new vis.DataSet(data.items); window.groups = new vis.DataSet(data.groups);"
        "window.tl = new vis.Timeline(document.getElementById('t'), items, groups,"
        f"{{moment: date => vis.moment(date).utc(), stack: {stack}}}); window.ready = true}})</script>", data)
    page.wait_for_function("window.ready")
    return page, json.loads(data)


def drawn(page):
    return page.evaluate(
        "Object.fromEntries(Object.entries(tl.itemSet.items).map(([id, item]) => [id, [item.data.start, item.data.end]"
        ".map(d => d ? new Date(d).toISOString() : null)]))")


def test_vis_draws_every_seed_event_in_the_lane_of_every_actor(show):
    page, data = vis(show, seeds())
    assert len({item["id"].partition("@")[0] for item in data["items"]}) == 96
    assert page.evaluate("items.length") == len(data["items"])
    assert len(drawn(page)) == len(data["items"])
    lanes = page.evaluate("Object.values(tl.itemSet.groups).map(g => [g.groupId, Object.keys(g.items).length])")
    assert sum(count for lane, count in lanes if not lane.startswith("__")) == len(data["items"])
    assert drawn(page)["alaska-summit@donald-trump"] == ["2025-08-15T08:00:00.000Z", "2025-08-16T08:00:00.000Z"]
    unhurt(page)


def test_vis_shows_hostile_events_as_text_and_at_their_instants(show):
    page, _ = vis(show, hostile())
    found = drawn(page)
    assert {id_.partition("@")[0] for id_ in found} == {event["id"] for event in HOSTILE} - {"undated", "deep"}
    assert found["ides@_nobody"] == ["-000043-03-15T00:00:00.000Z", "-000043-03-16T00:00:00.000Z"]
    assert found["year@_nobody"] == ["2014-01-01T00:00:00.000Z", "2015-01-01T00:00:00.000Z"]
    assert found["unsure@_nobody"] == ["2025-08-15T00:00:00.000Z", "2025-08-19T00:00:00.000Z"]
    assert found["evening@_nobody"] == ["2025-08-16T04:30:00.000Z", None]
    page.evaluate("tl.setWindow('2025-08-10T00:00:00Z', '2025-08-25T00:00:00Z', {animation: false})")
    page.wait_for_timeout(300)
    assert TITLE in page.locator(".vis-item-content").all_text_contents()
    assert {EVIL, ENTITIES} <= set(page.locator(".vis-labelset .vis-inner").all_text_contents())
    unhurt(page)


def test_vis_shows_a_crowd_of_thousands_as_text_and_at_their_instants(show):
    page, data = vis(show, crowd(CROWD), stack="false")
    dated = [number for number in range(CROWD) if SORTS[number % 10] != "undated"]
    lanes = sum(max(1, number % 3) for number in dated)
    assert len(data["items"]) == page.evaluate("items.length") == lanes
    assert page.evaluate("groups.length") == 7 + 5 + 1
    found = {id_.partition("@")[0]: bounds for id_, bounds in drawn(page).items()}
    assert found.keys() == {member(number)["id"] for number in dated}
    for number in of_sorts(CROWD, "html", "rtl", "long"):
        day = first_day(number)
        assert found[member(number)["id"]] == [f"{day}T00:00:00.000Z", f"{day + timedelta(days=1)}T00:00:00.000Z"]
    for number in of_sorts(CROWD, "set"):
        day = first_day(number)
        assert found[f"set-{number}"] == [f"{day}T00:00:00.000Z", f"{day + timedelta(days=4)}T00:00:00.000Z"]
    for number in of_sorts(CROWD, "evening"):
        assert found[f"evening-{number}"] == [f"{evening(number):%Y-%m-%dT%H:%M:%S}.000Z", None]
    for number in of_sorts(CROWD, "before-christ"):
        year = first_day(number).year % 100 + 18
        assert found[f"before-christ-{number}"][0] == f"-{year:06}-{first_day(number):%m-%d}T00:00:00.000Z"
    for number in of_sorts(CROWD, "open-end", "open-start"):
        assert found[member(number)["id"]][1] is None
    page.evaluate("tl.setWindow('2025-08-10T00:00:00Z', '2025-08-12T00:00:00Z', {animation: false})")
    page.wait_for_timeout(300)
    assert {TITLE, LONG} & set(page.locator(".vis-item-content").all_text_contents())
    names = set(page.locator(".vis-labelset .vis-inner").all_text_contents())
    unknown = {f"unknown {number}" for number in range(5)}
    assert names == {*(f"{EVIL}evil-{number}" for number in range(7)), *unknown, "–"}
    unhurt(page)


def evening(number):
    """Give the instant (UTC) of half past eight in Anchorage on the day of an event."""
    day = first_day(number)
    return datetime(day.year, day.month, day.day, 20, 30, tzinfo=ZoneInfo("America/Anchorage")).astimezone(UTC)


# ---------------------------------------------------------------------------------------------- FullCalendar

def calendar(show, sheet):
    modules(FULLCALENDAR)
    data = FORMATS["fullcalendar"].encode(sheet)
    page = show(
        f"<!doctype html><meta charset=utf-8><div id=c></div><script src='/{FULLCALENDAR}'></script><script>"
        "window.cal = new FullCalendar.Calendar(document.getElementById('c'), {initialView: 'dayGridMonth',"
        "timeZone: 'UTC', initialDate: '2025-08-15',"
        "events: {url: '/data', startParam: 'from', endParam: 'to', timeZoneParam: 'tz'},"
        "loading: busy => {window.ready = !busy}}); cal.render()</script>", data)
    page.wait_for_function("window.ready && cal.getEvents().length")
    found = page.evaluate("Object.fromEntries(cal.getEvents().map(e => [e.id, [e.allDay, e.startStr, e.endStr]]))")
    return page, json.loads(data), found


def test_fullcalendar_has_every_seed_event_that_fits_a_calendar(show):
    page, data, found = calendar(show, seeds())
    assert len(data) == len(found) == 74
    assert found["alaska-summit"] == [True, "2025-08-15", "2025-08-16"]
    assert [sorted(dict(parse_qsl(question))) for question in page.questions] == [["from", "to", "tz"]]
    query = parse_query(parse_qsl(page.questions[0]))
    assert iso(query.lower) == "2025-07-27T00:00:00Z"
    assert found["ukraine-leaders-lack-details"] == [True, "2025-08-15", "2025-08-19"]
    unhurt(page)


def test_fullcalendar_shows_hostile_events_as_text_and_on_their_days(show):
    page, _, found = calendar(show, hostile())
    assert found.keys() == {"html", "entities", "unsure", "month", "mixed", "midnight", "evening"}
    assert found["html"] == [True, "2025-08-15", "2025-08-16"]
    assert found["mixed"] == [True, "2025-08-01", "2025-08-21"]
    assert not found["midnight"][0]
    instant = page.evaluate("cal.getEvents().find(e => e.id === 'evening').start.toISOString()")
    assert instant == "2025-08-16T04:30:00.000Z"
    assert TITLE in page.evaluate("cal.getEvents().map(e => e.title)")
    assert "<b>bold</b>" in page.locator("#c").inner_text()
    unhurt(page)


def test_fullcalendar_shows_a_crowd_of_thousands_on_their_days(show):
    page, data, found = calendar(show, crowd(CROWD))
    fit = of_sorts(CROWD, "html", "set", "rtl", "long", "evening", "month")
    assert found.keys() == {member(number)["id"] for number in fit}
    assert len(data) == len(fit) == CROWD * 6 // 10
    for number in of_sorts(CROWD, "html", "rtl", "long", "set"):
        day = first_day(number)
        days = 4 if SORTS[number % 10] == "set" else 1
        assert found[member(number)["id"]] == [True, f"{day}", f"{day + timedelta(days=days)}"]
    for number in of_sorts(CROWD, "month"):
        day = first_day(number).replace(day=1)
        after = (day + timedelta(days=31)).replace(day=1)
        assert found[f"month-{number}"] == [True, f"{day}", f"{after}"]
    instants = page.evaluate("Object.fromEntries(cal.getEvents().filter(e => !e.allDay)"
                             ".map(e => [e.id, e.start.toISOString()]))")
    assert instants == {f"evening-{number}": f"{evening(number):%Y-%m-%dT%H:%M:%S}.000Z"
                        for number in of_sorts(CROWD, "evening")}
    assert "<b>bold</b>" in page.locator("#c").inner_text()
    unhurt(page)
