"""Reading what other tools write as JSON and iCalendar: samples in their documented form, every rule, hostile text."""

import json
from collections import Counter
from pathlib import Path

import pytest
from api_client import load_seeds
from hypothesis import given, settings
from hypothesis import strategies as st

from timeline import Timeline
from timeline.edtf import parse
from timeline.errors import Invalid, Malformed, TimelineError
from timeline.formats import FORMATS, Sheet
from timeline.importing.drafts import Draft, Link, Mention, Reading, Unread
from timeline.importing.readers import fullcalendar, geojson, ics, timelinejs, vis
from timeline.model import Event
from timeline.records import convert

FOREIGN = Path(__file__).parents[1] / "fixtures" / "foreign"
JSON = {"timelinejs": timelinejs, "vis": vis, "fullcalendar": fullcalendar, "geojson": geojson}
SAMPLES = {
    "timelinejs": "timelinejs.json",
    "vis": "vis.json",
    "fullcalendar": "fullcalendar.json",
    "geojson": "events.geojson",
}
EVIL = "<script>alert('1')</script>Robert'); DROP TABLE events;-- =1+1"
SHOWN = "Robert'); DROP TABLE events;-- =1+1"


def read(reader, document, **options):
    reading = Reading(**options)
    found = list(reader.read(document, reading, lambda index: 10 * (index + 1)))
    drafts = [each for each in found if isinstance(each, Draft)]
    unread = [each for each in found if isinstance(each, Unread)]
    assert len(drafts) + len(unread) == len(found)
    for draft in drafts:
        convert(draft.event, Event)
    return drafts, unread, reading


def one(reader, document, **options):
    drafts, unread, reading = read(reader, document, **options)
    assert [each.error.detail for each in unread] == []
    assert len(drafts) == 1
    return drafts[0], reading


def fault(reader, document, **options):
    drafts, unread, reading = read(reader, document, **options)
    assert drafts == []
    assert len(unread) == 1
    assert reading.losses == Counter()
    assert isinstance(unread[0].error, Invalid)
    return unread[0].error.faults[0]


def sample(name):
    return read(JSON[name], json.loads((FOREIGN / SAMPLES[name]).read_bytes()))


# ---------------------------------------------------------------------------------------------- recognising


@pytest.mark.parametrize("name", SAMPLES)
def test_each_sample_is_recognised_by_its_reader_alone(name):
    document = json.loads((FOREIGN / SAMPLES[name]).read_bytes())
    assert [each for each in JSON if JSON[each].recognises(document)] == [name]


@pytest.mark.parametrize(
    "document",
    [
        None,
        3,
        "text",
        [],
        {},
        [1, None],
        {"items": []},
        {"items": 3},
        {"events": 3},
        {"events": [1]},
        [{"id": "a", "title": "An event of ours", "when": "2025"}],
        {"items": [{"id": "a", "title": "An event of ours", "when": "2025"}], "position": 9},
        {"type": "Feature"},
        {"type": "FeatureCollection"},
    ],
)
def test_other_documents_and_our_own_are_recognised_by_none(document):
    assert not any(reader.recognises(document) for reader in (*JSON.values(), ics))


def test_a_calendar_is_recognised_by_its_first_line():
    assert ics.recognises("\ufeffbegin:vcalendar\r\n")
    assert not ics.recognises("BEGIN:VCARD")


# ---------------------------------------------------------------------------------------------- TimelineJS


def slide(**members):
    return {"events": [{"start_date": {"year": 2025}, "text": {"headline": "A"}, **members}]}


def test_a_timeline_is_read_in_its_documented_form():
    drafts, unread, reading = sample("timelinejs")
    assert drafts[0] == Draft(
        10,
        {
            "title": "First powered flight",
            "when": "1903-12-17",
            "summary": "Twelve seconds, see the log.\n\nAnd again.",
            "media": [
                {
                    "url": "https://media.example.org/flyer.jpg",
                    "caption": "The Flyer",
                    "credit": "Library & Co",
                    "alt": "A biplane above sand",
                }
            ],
        },
        "first-flight",
        [Mention("Wright brothers")],
        [Link("https://history.example.org/flight", "the log")],
    )
    assert [draft.event["when"] for draft in drafts[1:]] == ["-0043-03-15", "2025-08/2025-08-20", "1969-07-20T20:17"]
    assert drafts[1].event["phrase"] == "the Ides of March"
    assert drafts[2].event["title"] == "Talks & more talks"
    assert drafts[2].links == [Link("https://video.example.org/watch?v=1", "The speech")]
    assert "media" not in drafts[2].event
    assert [(each.line, each.error.faults[0].pointer) for each in unread] == [
        (50, "/events/4/start_date/month"),
        (60, "/events/5/start_date"),
    ]
    assert reading.skipped == {"title slide": 1, "eras": 1}
    assert reading.losses == {"member 'thumbnail'": 1, "backgrounds": 1}


def test_the_text_of_midnight_is_a_time_and_the_number_is_none():
    day = {"year": "2025", "month": "8", "day": "15"}
    assert one(timelinejs, slide(start_date={**day, "hour": "0"}))[0].event["when"] == "2025-08-15T00:00"
    assert one(timelinejs, slide(start_date={**day, "hour": 0}))[0].event["when"] == "2025-08-15"


def test_times_at_both_ends_of_a_slide_stay_as_a_note():
    draft, reading = one(
        timelinejs,
        slide(
            start_date={"year": 2025, "month": 8, "day": 15, "hour": 9}, end_date={"year": 2025, "month": 8, "day": 17}
        ),
    )
    assert draft.event["when"] == "2025-08-15/2025-08-17"
    assert draft.event["note"] == "From 2025-08-15T09:00 to 2025-08-17."
    assert reading.losses == {timelinejs.END_NOTED: 1}


@pytest.mark.parametrize(
    ("words", "when", "phrase"),
    [
        ("August 2025", "2025-08", None),
        ("2025-08", "2025-08", None),
        ("since August 2025, ongoing", "2025-08/..", None),
        ("<b>late</b> summer &amp; after", "2025-08", "late summer & after"),
    ],
)
def test_a_display_date_is_a_phrase_where_it_says_something_else(words, when, phrase):
    draft, _ = one(timelinejs, slide(start_date={"year": 2025, "month": 8}, display_date=words))
    assert (draft.event["when"], draft.event.get("phrase")) == (when, phrase)


def test_a_repeated_unique_id_gets_a_number():
    document = {"events": slide(unique_id="a")["events"] * 3}
    assert [draft.foreign_id for draft in read(timelinejs, document)[0]] == ["a", "a-2", "a-3"]


def test_a_slide_without_a_headline_has_the_first_line_of_its_text():
    assert one(timelinejs, slide(text={"text": "<p>One</p><p>Two</p>"}))[0].event["title"] == "One"
    assert fault(timelinejs, slide(text={"headline": " "})).pointer == "/events/0/text/headline"


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"start_date": "2025"}, "/events/0/start_date"),
        ({"start_date": {"year": 0}}, "/events/0/start_date"),
        ({"start_date": {"year": 2025, "month": 2, "day": 31}}, "/events/0/start_date"),
        ({"end_date": {"year": 2024}}, "/events/0/end_date"),
        ({"end_date": {"year": 2026, "month": 99}}, "/events/0/end_date/month"),
        ({"text": "A"}, "/events/0/text"),
        ({"text": {"headline": ["A"]}}, "/events/0/text/headline"),
        ({"text": {"headline": "x" * 501}}, "/events/0/text/headline"),
        ({"text": {"headline": "a\0b"}}, "/events/0/text/headline"),
        ({"text": {"headline": "a\ud800"}}, "/events/0/text/headline"),
        ({"text": {"headline": "A", "text": "x" * 20_001}}, "/events/0/text/text"),
        ({"group": "x" * 501}, "/events/0/group"),
        ({"group": {}}, "/events/0/group"),
        ({"unique_id": True}, "/events/0/unique_id"),
        ({"media": {"url": "https://x.example/a.jpg", "credit": "x" * 501}}, "/events/0/media"),
    ],
)
def test_what_is_wrong_with_a_slide_is_named_by_its_member(members, pointer):
    assert fault(timelinejs, slide(**members)).pointer.startswith(pointer)


def test_media_that_are_no_pictures_are_links_and_no_script_becomes_one():
    embedded = '<iframe src="https://video.example.org/1"></iframe>'
    assert one(timelinejs, slide(media={"url": embedded}))[0].links == [Link("https://video.example.org/1")]
    draft, reading = one(timelinejs, slide(media={"url": "javascript:alert(1)", "link": "javascript:alert(2)"}))
    assert draft.links == []
    assert reading.losses == {"media without an address of http or https": 1, "addresses that are not http or https": 1}


def test_events_that_are_no_list_are_one_error():
    _, unread, _ = read(timelinejs, {"events": {"a": 1}})
    assert unread[0].error.faults[0].pointer == "/events"


# ---------------------------------------------------------------------------------------------- vis


def test_vis_items_are_read_in_their_documented_form():
    drafts, unread, reading = sample("vis")
    assert [(draft.foreign_id, draft.event["title"], draft.event["when"]) for draft in drafts] == [
        ("1", "item 1", "2014-04-20"),
        ("2", "item 2", "2014-04-14/2014-04-18"),
        ("3", "item 3", "2014-04-19T00:00:00Z"),
        ("4", "item 4", "2014-04-23T12:00:00Z"),
        ("5", "item 5", "2014-04-25T11:30:00"),
        ("7", "item 7", "-0043-03-15"),
    ]
    assert [draft.actors for draft in drafts[:4]] == [
        [Mention("Driver")],
        [Mention("Truck & trailer")],
        [],
        [Mention("x")],
    ]
    assert drafts[1].event["summary"] == "more about it"
    assert drafts[4].event["note"] == "Ends 2014-04-25T12:30:00."
    assert [(each.line, each.error.faults[0].pointer) for each in unread] == [
        (70, "/items/6/start"),
        (90, "/items/8/id"),
    ]
    assert reading.skipped == {"background items": 1}
    assert reading.losses == {vis.FRACTION: 1, "colours and styles": 1, timelinejs.END_NOTED: 1}


@pytest.mark.parametrize(
    ("start", "when"),
    [
        (1755286200000, "2025-08-15T19:30:00Z"),
        ("1755286200000", "2025-08-15T19:30:00Z"),
        (0, "1970-01-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59Z"),
        ("/Date(1755286200000+0200)/", "2025-08-15T19:30:00Z"),
        ("2025-08-15T11:30:00.000-08:00", "2025-08-15T11:30:00-08:00"),
        ("2025-08-15 11:30", "2025-08-15T11:30"),
        ("2025-08-15?", "2025-08-15?"),
        ("15 August 2025", "2025-08-15"),
    ],
)
def test_vis_dates_are_neither_moved_nor_made_exact(start, when):
    assert one(vis, [{"content": "A", "start": start}])[0].event["when"] == when


@pytest.mark.parametrize(
    "start",
    [
        "2025",
        2025,
        "20250815",
        20250815,
        None,
        True,
        {},
        "",
        "soon",
        1e300,
        "9" * 30,
        "+012025-01-01",
        "2025-02-30",
        "2025-13-01T00:00:00Z",
        253402300800000,
    ],
)
def test_vis_dates_that_mean_nothing_or_two_things_are_refused(start):
    assert fault(vis, [{"content": "A", "start": start}]).pointer == "/0/start"


def test_a_local_time_gets_the_zone_of_the_reading_and_an_instant_does_not():
    document = [{"content": "A", "start": "2025-08-15T11:30"}, {"content": "B", "start": 1755286200000}]
    drafts, _, _ = read(vis, document, tz="Europe/Paris")
    assert [draft.event.get("tz") for draft in drafts] == ["Europe/Paris", None]


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"end": "2025-08-14"}, "/items/0/end"),
        ({"content": " "}, "/items/0/content"),
        ({"content": 3.5}, None),
        ({"content": {}}, "/items/0/content"),
        ({"end": "later"}, "/items/0/end"),
        ({"className": []}, "/items/0/className"),
    ],
)
def test_what_is_wrong_with_an_item_is_named_by_its_member(members, pointer):
    document = {"items": [{"content": "A", "start": "2025-08-15", **members}]}
    if pointer is None:
        assert one(vis, document)[0].event["title"] == "3.5"
    else:
        assert fault(vis, document).pointer == pointer


# ---------------------------------------------------------------------------------------------- FullCalendar


def test_fullcalendar_events_are_read_in_their_documented_form():
    drafts, unread, reading = sample("fullcalendar")
    assert [(draft.foreign_id, draft.event["when"]) for draft in drafts] == [
        ("a", "2025-08-01"),
        ("b", "2025-08-13/2025-08-15"),
        ("c", "2025-08-12T10:30:00-05:00"),
        ("d", "2025-08-28T07:00:00"),
        ("g", "2025-08-29T11:00:00Z"),
    ]
    assert drafts[2].event["title"] == "Meeting <1>"
    assert drafts[2].event["note"] == "Ends 2025-08-12T12:30:00-05:00."
    assert drafts[2].actors == [Mention("room-a"), Mention("room-b")]
    assert drafts[3].links == [Link("https://example.org/page")]
    assert drafts[4].event["summary"] == "What it is about"
    assert drafts[4].event["place"] == {"name": "Hall 4"}
    assert [each.error.faults[0].pointer for each in unread] == ["/4/daysOfWeek", "/5/rrule"]
    assert all("recurring events are not read" in each.error.detail for each in unread)
    assert reading.skipped == {"background events": 1}
    assert reading.losses["member 'department'"] == 1


def test_resources_have_their_titles():
    document = {
        "events": [{"title": "A", "start": "2025-08-15", "resourceId": "r"}],
        "resources": [{"id": "r", "title": "Delegation"}],
    }
    assert one(fullcalendar, document)[0].actors == [Mention("Delegation")]


@pytest.mark.parametrize(
    ("members", "when"),
    [
        ({"start": "2025-08-15", "end": "2025-08-16"}, "2025-08-15"),
        ({"start": "2025-08-15", "end": "2025-08-15"}, "2025-08-15"),
        ({"start": "2025-08-31", "end": "2025-09-02"}, "2025-08-31/2025-09-01"),
        ({"start": "2025-08-15T10:00:00", "allDay": True}, "2025-08-15"),
        ({"start": 1755286200000}, "2025-08-15T19:30:00Z"),
    ],
)
def test_an_end_is_exclusive_for_days(members, when):
    assert one(fullcalendar, [{"title": "A", **members}])[0].event["when"] == when


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"end": "2025-08-14"}, "/0/end"),
        ({"end": "2025-09"}, "/0/end"),
        ({"allDay": "yes"}, "/0/allDay"),
        ({"title": ""}, "/0/title"),
        ({"start": None}, "/0/start"),
        ({"start": [2025, 7, 15]}, "/0/start"),
        ({"resourceIds": "a"}, "/0/resourceIds"),
        ({"extendedProps": []}, "/0/extendedProps"),
        ({"extendedProps": {"words": "x", "status": "reported", "when": "soon"}}, "/0/extendedProps/when"),
        ({"extendedProps": {"words": "x", "status": "won"}}, "/0/extendedProps/status"),
        ({"extendedProps": {"words": "x", "status": "reported", "actors": 5}}, "/0/extendedProps/actors"),
        ({"extendedProps": {"words": "x", "status": "reported", "place": {"name": 5}}}, "/0/extendedProps/place/name"),
    ],
)
def test_what_is_wrong_with_a_calendar_event_is_named_by_its_member(members, pointer):
    assert fault(fullcalendar, [{"title": "A", "start": "2025-08-15", **members}]).pointer == pointer


# ---------------------------------------------------------------------------------------------- GeoJSON


def feature(geometry=None, **properties):
    return {
        "type": "FeatureCollection",
        "features": [{"type": "Feature", "geometry": geometry, "properties": {"title": "A", **properties}}],
    }


def test_features_are_read_in_their_documented_form():
    drafts, unread, reading = sample("geojson")
    assert drafts[0] == Draft(
        10,
        {
            "title": "A summit",
            "summary": "Two talk",
            "when": "2025-08-15",
            "place": {"name": "Anchorage", "lat": 61.2525, "lon": -149.806},
        },
        "summit",
    )
    assert drafts[1].event["when"] == "2011-03-11T05:46:24Z"
    assert drafts[1].event["place"] == {"name": "A quake", "lat": 38.322, "lon": 142.369}
    assert drafts[1].links == [Link("https://quakes.example.org/1")]
    assert (drafts[2].foreign_id, drafts[2].event["when"]) == ("3", "1930-03-12/1930-04-06")
    assert drafts[3].event == {"title": "Without a date"}
    assert [each.error.faults[0].pointer for each in unread] == [
        "/features/4/properties/title",
        "/features/5/geometry/coordinates",
        "/features/6/properties/title",
    ]
    assert reading.losses == {
        "altitudes": 1,
        vis.FRACTION: 1,
        "geometries other than points": 1,
        "member 'length_km'": 1,
    }


@pytest.mark.parametrize(
    ("properties", "when"),
    [
        ({"date": 1969}, "1969"),
        ({"date": "1969"}, "1969"),
        ({"timestamp": 1755286200}, "2025-08-15T19:30:00Z"),
        ({"timestamp": "1755286200000"}, "2025-08-15T19:30:00Z"),
        ({"times": ["2025-08-15", "2025-08-18"]}, "2025-08-15/2025-08-18"),
        ({"times": [1755286200000]}, "2025-08-15T19:30:00Z"),
        ({"when": "1850~", "date": "1900"}, "1850~"),
        ({"start": "1914", "end": "1918"}, "1914/1918"),
        ({"datetime": "2025-08-15T11:30:00-08:00"}, "2025-08-15T11:30:00-08:00"),
    ],
)
def test_dates_of_features_go_by_their_usual_names(properties, when):
    assert one(geojson, feature(**properties))[0].event["when"] == when


@pytest.mark.parametrize(
    ("properties", "pointer"),
    [
        ({"date": 12}, "date"),
        ({"date": 20250815}, "date"),
        ({"date": "20250815"}, "date"),
        ({"date": []}, None),
        ({"date": [1]}, "date"),
        ({"times": "x"}, "times"),
        ({"times": ["2025", "1900"]}, "times"),
        ({"end": "2025"}, "end"),
        ({"start": "2025", "end": "x"}, "end"),
        ({"title": "x" * 501}, "title"),
        ({"place": 5, "url": [1]}, "url"),
    ],
)
def test_what_is_wrong_with_a_feature_is_named_by_its_property(properties, pointer):
    if pointer is None:
        assert "when" not in one(geojson, feature(**properties))[0].event
    else:
        assert fault(geojson, feature(**properties)).pointer == f"/features/0/properties/{pointer}"


@pytest.mark.parametrize("coordinates", [[200, 10], [10, 91], [10], "10,10", [None, 1], [True, False], [1e400, 1]])
def test_coordinates_beyond_the_globe_are_refused(coordinates):
    found = fault(geojson, feature({"type": "Point", "coordinates": coordinates}))
    assert found.pointer == "/features/0/geometry/coordinates"


def test_coordinates_of_another_system_are_no_place():
    document = {**feature({"type": "Point", "coordinates": [10, 20]}), "crs": {"properties": {"name": "EPSG:3857"}}}
    draft, reading = one(geojson, document)
    assert "place" not in draft.event
    assert reading.losses == {"coordinates of another system than WGS 84": 1}


def test_a_single_feature_and_a_place_without_a_name():
    alone = feature({"type": "Point", "coordinates": [10.5, 20]})["features"][0]
    assert one(geojson, alone)[0].event["place"] == {"name": "20, 10.5", "lat": 20, "lon": 10.5}
    assert fault(geojson, {**alone, "properties": {}}).pointer == "/properties/title"


# ---------------------------------------------------------------------------------------------- iCalendar


def calendar(*lines, around=()):
    return "\r\n".join(
        [
            "BEGIN:VCALENDAR",
            "VERSION:2.0",
            *around,
            "BEGIN:VEVENT",
            "UID:u",
            "SUMMARY:A",
            *lines,
            "END:VEVENT",
            "END:VCALENDAR",
            "",
        ]
    )


def dated(*lines, **more):
    return calendar("DTSTART;VALUE=DATE:20250815", *lines, **more)


def test_a_calendar_is_read_in_its_documented_form():
    drafts, unread, reading = read(ics, (FOREIGN / "calendar.ics").read_bytes().decode())
    assert [(draft.line, draft.event["title"], draft.event["when"]) for draft in drafts] == [
        (19, "Our Blissful Anniversary", "1997-11-02"),
        (28, "Festival International de Jazz de Montreal", "2007-06-28/2007-07-08"),
        (36, "A meeting, with a comma", "2025-08-15T15:30:00Z"),
        (60, "Press briefing", "2025-09-04T09:30:00"),
        (91, "In the second calendar", "2025-08-15T19:30:00"),
    ]
    assert drafts[0].event["topics"] == ["anniversary", "personal", "special-occasion"]
    meeting = drafts[2]
    assert meeting.actors == [
        Mention("Smith, John", "organiser", "person"),
        Mention("Henry Cabot", "attendee", "person"),
        Mention("ietf-calsch", "attendee", "group"),
    ]
    assert meeting.event["place"] == {
        "name": "Conference Room - F123, Bldg. 002",
        "lat": "37.386013",
        "lon": "-122.082932",
    }
    assert meeting.event["summary"] == (
        "First line\nsecond line that is long enough to be folded in the middle of a sentence"
    )
    assert (meeting.event["kind"], meeting.event["status"]) == ("plan", "planned")
    assert meeting.event["note"] == "Ends 2025-08-15T16:30:00Z."
    assert meeting.links == [Link("https://example.com/pub/calendars/jsmith/mytime1.ics")]
    assert (drafts[3].event["tz"], drafts[3].event["status"]) == ("Europe/Paris", "cancelled")
    assert drafts[3].event["note"] == "Ends 2025-09-04T11:00:00."
    assert [(each.line, each.error.faults[0].pointer) for each in unread] == [(68, "RRULE"), (75, "DTSTART")]
    assert reading.skipped == {"alarms": 1, "to-dos": 1}
    assert reading.losses == {
        timelinejs.END_NOTED: 2,
        "property CLASS": 1,
        ics.CONVERTED: 1,
        "attendees who declined": 1,
        "rooms and equipment among the attendees": 1,
    }


def test_no_address_of_a_person_is_kept():
    draft, _ = one(
        ics, dated("ATTENDEE;CN=jane@example.com:mailto:jane@example.com", "ORGANIZER:MAILTO:joe@example.com")
    )
    assert [actor.name for actor in draft.actors] == ["joe", "jane"]
    assert "example.com" not in repr(draft)


@pytest.mark.parametrize(
    ("lines", "when"),
    [
        (["DTEND;VALUE=DATE:20250816"], "2025-08-15"),
        (["DTEND;VALUE=DATE:20250815"], "2025-08-15"),
        (["DURATION:P2D"], "2025-08-15/2025-08-16"),
        (["DURATION:P1W"], "2025-08-15/2025-08-21"),
        ([], "2025-08-15"),
    ],
)
def test_the_days_of_an_all_day_event(lines, when):
    assert one(ics, dated(*lines))[0].event["when"] == when


@pytest.mark.parametrize(
    ("lines", "event"),
    [
        (["DTSTART:20250815T113000Z"], {"when": "2025-08-15T11:30:00Z"}),
        (["DTSTART:20250815T113000"], {"when": "2025-08-15T11:30:00", "tz": "Asia/Tokyo"}),
        (
            ["DTSTART;TZID=America/Anchorage:20250815T113000"],
            {"when": "2025-08-15T11:30:00", "tz": "America/Anchorage"},
        ),
        (["DTSTART:20250815T113000Z", "DTEND:20250815T113000Z"], {"when": "2025-08-15T11:30:00Z"}),
        (
            ["DTSTART;TZID=Europe/Paris:20250329T120000", "DURATION:P1DT1H"],
            {"when": "2025-03-29T12:00:00", "tz": "Europe/Paris", "note": "Ends 2025-03-30T13:00:00."},
        ),
        (
            ["DTSTART;TZID=Europe/Paris:20250330T013000", "DURATION:PT1H"],
            {"when": "2025-03-30T01:30:00", "tz": "Europe/Paris", "note": "Ends 2025-03-30T03:30:00."},
        ),
        (
            ["DTSTART;TZID=Europe/Paris:20250815T120000", "DTEND;TZID=Europe/London:20250815T123000"],
            {"when": "2025-08-15T12:00:00", "tz": "Europe/Paris", "note": "Ends 2025-08-15T11:30:00Z."},
        ),
        (["DTSTART:20161231T235960Z"], {"when": "2016-12-31T23:59:59Z"}),
    ],
)
def test_times_keep_the_zone_that_they_were_written_in(lines, event):
    assert one(ics, calendar(*lines), tz="Asia/Tokyo")[0].event == {"title": "A", **event}


def zone(rule):
    return [
        "BEGIN:VTIMEZONE",
        "TZID:Mine",
        "BEGIN:STANDARD",
        "DTSTART:19700101T000000",
        "TZOFFSETFROM:+0100",
        "TZOFFSETTO:+0100",
        *rule,
        "END:STANDARD",
        "END:VTIMEZONE",
    ]


def test_a_zone_of_the_files_own_is_converted_and_an_unknown_one_refused():
    text = calendar("DTSTART;TZID=Mine:20250815T113000", around=zone([]))
    draft, reading = one(ics, text)
    assert draft.event == {"title": "A", "when": "2025-08-15T10:30:00Z"}
    assert reading.losses == {ics.CONVERTED: 1}
    assert fault(ics, calendar("DTSTART;TZID=Mine:20250815T113000")).pointer == "DTSTART"


@pytest.mark.parametrize("rule", ["FREQ=SECONDLY", "FREQ=YEARLY;BYSECOND=1,2,3", "FREQ=YEARLY;BYMONTH=1,2"])
def test_a_zone_that_would_take_for_ever_is_refused(rule):
    text = calendar("DTSTART;TZID=Mine:20250815T113000", around=zone([f"RRULE:{rule}"]))
    assert fault(ics, text).pointer == "DTSTART"


@pytest.mark.parametrize(
    ("lines", "pointer"),
    [
        (["RRULE:FREQ=DAILY"], "RRULE"),
        (["RDATE:20250816T000000Z"], "RDATE"),
        (["RECURRENCE-ID:20250816T000000Z"], "RECURRENCE-ID"),
        (["DTEND;VALUE=DATE:20250814"], "DTEND"),
        (["DTEND:20250816T000000Z"], "DTEND"),
        (["DURATION:PT1H"], "DURATION"),
        (["DURATION:-P1D"], "DURATION"),
        (["DURATION:P9999999D"], "DURATION"),
        (["DURATION:soon"], "DURATION"),
        (["GEO:91;0"], "GEO"),
        (["GEO:x"], "GEO"),
        (["X-TIMELINE-ID:a", "X-TIMELINE-EDTF:soon"], "X-TIMELINE-EDTF"),
        (["X-TIMELINE-ID:a", "X-TIMELINE-STATUS:won"], "X-TIMELINE-STATUS"),
        (["LOCATION:" + "x" * 501], "LOCATION"),
    ],
)
def test_what_is_wrong_with_an_event_is_named_by_its_property(lines, pointer):
    assert fault(ics, dated(*lines)).pointer.startswith(pointer)


@pytest.mark.parametrize("value", ["20250230", "99999999", "20250815T250000", "2025-08-15", "", "20250815T1130"])
def test_a_start_that_is_no_date_is_refused(value):
    assert fault(ics, calendar(f"DTSTART:{value}")).pointer == "DTSTART"


def test_an_event_without_start_or_summary_is_refused():
    assert fault(ics, calendar()).pointer == "DTSTART"
    assert fault(ics, dated().replace("SUMMARY:A\r\n", "")).pointer == "SUMMARY"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("hello", 1),
        ("BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:A\nDTSTART:20250815\n", 2),
        ("BEGIN:VCALENDAR\nEND:VEVENT\nEND:VCALENDAR\n", 2),
        ("BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:A\nno colon here\nEND:VEVENT\nEND:VCALENDAR\n", 2),
        ("BEGIN:A\n" * 100_000, 9),
    ],
)
def test_broken_files_are_errors_with_a_line(text, line):
    drafts, unread, _ = read(ics, text)
    assert drafts == []
    assert line in [each.line for each in unread]
    assert all(isinstance(each.error, Malformed) for each in unread)


def test_a_file_that_is_cut_off_gives_what_was_whole():
    drafts, unread, _ = read(ics, dated().replace("END:VCALENDAR", "BEGIN:VEVENT"))
    assert [draft.event["title"] for draft in drafts] == ["A"]
    assert sorted(each.line for each in unread) == [1, 8]


def test_html_of_a_description_is_read_and_plain_text_is_left_alone():
    draft, _ = one(ics, dated('DESCRIPTION:<p>See <a href="https://a.example/b">this</a></p>'))
    assert (draft.event["summary"], draft.links) == ("See this", [Link("https://a.example/b", "this")])
    assert one(ics, dated("DESCRIPTION:a < b &amp\\; c\\, d"))[0].event["summary"] == "a < b &amp; c, d"


# ---------------------------------------------------------------------------------------------- hostile text


@pytest.mark.parametrize(
    ("reader", "document"),
    [
        (timelinejs, slide(text={"headline": EVIL})),
        (vis, [{"content": EVIL, "start": "2025-08-15"}]),
        (geojson, feature(title=EVIL)),
    ],
)
def test_a_script_in_html_is_gone_and_the_rest_is_text(reader, document):
    assert one(reader, document)[0].event["title"] == SHOWN


def test_where_titles_are_text_markup_stays_text():
    assert one(fullcalendar, [{"title": EVIL, "start": "2025-08-15"}])[0].event["title"] == EVIL
    text = dated().replace("SUMMARY:A", f"SUMMARY:{EVIL}".replace(";", "\\;"))
    assert one(ics, text)[0].event["title"] == EVIL


# ---------------------------------------------------------------------------------------------- our own files


@pytest.fixture(scope="module")
def seeds():
    with Timeline.temporary() as timeline:
        load_seeds(timeline)
        events = {event["id"]: event for event in timeline.events(limit=1000)}
        names = {
            part["id"]: timeline.actor(part["id"])["name"]
            for event in events.values()
            for part in event.get("actors", ())
        }
    return events, names


def written(name, seeds):
    events, names = seeds
    sheet = Sheet([json.dumps(event) for event in events.values()], 9, origin="news.example/log", name_of=names.get)
    data = FORMATS[name].encode(sheet).decode()
    return (data if name == "ics" else json.loads(data)), sheet.losses.omitted


ORDER = ("certainty", "sequence")
LOST = {
    # The summary has the names of the actors behind it; a status is there where the title has its mark.
    "timelinejs": {*ORDER, "summary", "status", "kind", "lang", "topics", "tz", "note", "place", "phrase"},
    "vis": {*ORDER, "summary", "lang", "topics", "tz", "note", "place", "phrase"},
    "fullcalendar": {*ORDER, "lang", "note", "phrase"},
    "geojson": set(),
    "ics": {*ORDER, "kind", "lang", "note", "place", "phrase"},  # of a place, its id
}
FIELDS = ("title", "when", "summary", "status", "kind", "lang", "topics", "tz", "note", "place", "phrase", *ORDER)


@pytest.mark.parametrize("name", LOST)
def test_what_our_writers_wrote_is_read_back_but_for_what_they_lose(name, seeds):
    events, names = seeds
    document, omitted = written(name, seeds)
    drafts, unread, _ = read({**JSON, "ics": ics}[name], document)
    assert unread == []
    assert len({draft.foreign_id for draft in drafts}) == len(drafts) == len(events) - omitted
    lost = set()
    for draft in drafts:
        event = events[draft.foreign_id]
        lost |= {field for field in FIELDS if draft.event.get(field) != event.get(field)}
        actors = list(dict.fromkeys(part["id"] for part in event.get("actors", ())))
        if name in ("fullcalendar", "geojson"):
            assert list(dict.fromkeys(actor.id for actor in draft.actors)) == actors
        else:
            kept = actors[:1] if name == "timelinejs" else actors
            assert [actor.name for actor in draft.actors] == [names[actor] for actor in kept]
        assert draft.event["title"] == event["title"]
        assert draft.event.get("when") == event.get("when")
    assert lost == LOST[name]


@pytest.mark.parametrize("name", ["vis", "fullcalendar", "ics", "geojson", "timelinejs"])
def test_a_retracted_event_is_not_brought_back(name):
    with Timeline.temporary() as timeline:
        timeline.record(id="e", title="Title", when="2025-08-15")
        timeline.retract("e", reason="wrong")
        events = {event["id"]: event for event in timeline.events(retracted="include")}
    document, _ = written(name, (events, {}))
    drafts, unread, reading = read({**JSON, "ics": ics}[name], document)
    assert (drafts, unread, reading.skipped) == ([], [], {timelinejs.RETRACTED: 1})


# ---------------------------------------------------------------------------------------------- anything at all

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(10**16), 10**16)
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(
        [
            "2025-08-15",
            "2025-08-15T11:30:00Z",
            "2025",
            "a@b",
            "https://a.example/b.jpg",
            "<b>x</b>",
            "timeline-plan timeline-x",
            "range",
            "background",
            "Point",
            "retracted",
            "[retracted] x",
            "2025-08-15/..",
            1755286200000,
        ]
    )
)
NAMES = st.sampled_from(
    [
        "title",
        "content",
        "start",
        "end",
        "start_date",
        "end_date",
        "text",
        "headline",
        "media",
        "url",
        "group",
        "id",
        "year",
        "month",
        "day",
        "hour",
        "display_date",
        "unique_id",
        "type",
        "className",
        "allDay",
        "extendedProps",
        "words",
        "status",
        "when",
        "actors",
        "place",
        "name",
        "geometry",
        "coordinates",
        "properties",
        "revision",
        "recorded_at",
        "times",
        "timestamp",
        "resourceIds",
        "erased",
        "parts",
        "retracted",
        "credit",
        "caption",
        "link",
        "tz",
        "topics",
    ]
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=6), max_leaves=12
)
ITEMS = st.lists(st.dictionaries(NAMES, VALUES, max_size=8) | VALUES, max_size=4)
DOCUMENTS = (
    VALUES
    | ITEMS
    | st.fixed_dictionaries(
        {},
        optional={
            "events": ITEMS | VALUES,
            "items": ITEMS | VALUES,
            "features": ITEMS | VALUES,
            "groups": ITEMS | VALUES,
            "resources": ITEMS | VALUES,
            "eras": VALUES,
            "title": VALUES,
            "crs": VALUES,
            "type": st.sampled_from(["FeatureCollection", "Feature"]),
            "properties": VALUES,
            "geometry": VALUES,
        },
    )
)


@settings(max_examples=300, deadline=None)
@given(document=DOCUMENTS, name=st.sampled_from(sorted(JSON)))
def test_no_document_makes_a_reader_fail(document, name):
    assert JSON[name].recognises(document) in (True, False)
    for found in JSON[name].read(document, Reading(tz="Europe/Paris"), lambda index: index + 1):
        if isinstance(found, Draft):
            assert convert(found.event, Event).title
            assert "when" not in found.event or parse(found.event["when"])
        else:
            assert isinstance(found.error, TimelineError)
            assert found.line >= 1


PROPERTIES = st.sampled_from(
    [
        "DTSTART",
        "DTEND",
        "DURATION",
        "SUMMARY",
        "GEO",
        "CATEGORIES",
        "ATTENDEE",
        "ORGANIZER",
        "URL",
        "X-TIMELINE-ID",
        "X-TIMELINE-EDTF",
        "X-TIMELINE-STATUS",
        "STATUS",
        "BEGIN",
        "END",
        "TZID",
    ]
)
PARAMETERS = st.sampled_from(["", ";VALUE=DATE", ";TZID=Europe/Paris", ";TZID=Mine", ';CN="a:b"', ";CN", ";=", ";X=,,"])
CONTENTS = st.text(max_size=12) | st.sampled_from(
    [
        "20250815",
        "20250815T113000",
        "00010101T000000",
        "99991231T235959Z",
        "P1D",
        "PT1H",
        "P9999999W",
        "VEVENT",
        "VCALENDAR",
        "VTIMEZONE",
        "STANDARD",
        "1;2",
        "mailto:a@b",
        "CANCELLED",
        "a",
        "Mine",
    ]
)
CONTENT_LINES = st.lists(
    st.builds("{}{}:{}".format, PROPERTIES, PARAMETERS, CONTENTS) | st.text(max_size=8), max_size=10
)


@settings(max_examples=300, deadline=None)
@given(lines=CONTENT_LINES, around=CONTENT_LINES)
def test_no_calendar_makes_the_reader_fail(lines, around):
    broken = ["BEGIN:VTIMEZONE", "TZID:Mine", *around, "END:VTIMEZONE"]
    for text in (calendar(*lines, around=broken), dated(*lines, around=zone([])), "\n".join(lines)):
        for found in ics.read(text, Reading(tz="Europe/Paris")):
            if isinstance(found, Draft):
                assert convert(found.event, Event).title
            else:
                assert isinstance(found.error, TimelineError)
                assert 1 <= found.line <= text.count("\n") + text.count("\r") + 1
