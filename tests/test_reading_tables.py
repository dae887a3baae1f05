"""Tables of other tools, TimelineJS spreadsheets and Timesketch, as documented; and the HTML in their cells."""

import csv
import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from timeline import Timeline
from timeline.formats import FORMATS, Sheet
from timeline.importing.drafts import Draft, Link, Mention, Reading, Unread
from timeline.importing.readers import timelinejs_csv, timesketch
from timeline.importing.readers.html import plain

FOREIGN = Path(__file__).parent.parent / "fixtures" / "foreign"


def table(name, reader, reading):
    """Read a sample file as the importer does: the line of a row is where it begins."""
    with (FOREIGN / name).open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file, strict=True)
        header = next(rows)
        return list(reader(header, _numbered(rows), reading))


def _numbered(rows):
    line = rows.line_num + 1
    for row in rows:
        yield line, row
        line = rows.line_num + 1


def sheet(reading=None, **cells):
    """Read one row of a TimelineJS spreadsheet from its cells; spaces in the names of columns are underscores."""
    names = [name.replace("_", " ") for name in cells]
    [found] = timelinejs_csv.read(names, [(2, list(cells.values()))], reading or Reading())
    return found


def sketch(reading=None, **row):
    """Read one object of Timesketch."""
    given = {"message": "m", "datetime": "2015-07-24T19:01:01+00:00", "timestamp_desc": "d", **row}
    [found] = timesketch.read_jsonl([(1, {k: v for k, v in given.items() if v is not ...})], reading or Reading())
    return found


# ---------------------------------------------------------------------------------------------- HTML

@pytest.mark.parametrize(("markup", "text"), [
    ("", ""), ("plain", "plain"), (" kept  as\nit is ", " kept  as\nit is "), ("a < b and c > d", "a < b and c > d"),
    ("AT&T & co", "AT&T & co"), ("Smith &amp; Sons", "Smith & Sons"), ("&eacute;t&#233; &#x2014;", "été —"),
    ("<p>One</p><p>Two</p>", "One\n\nTwo"), ("One<br>Two<br/>Three", "One\nTwo\nThree"), ("One<br><br>Two",
    "One\n\nTwo"),
    ("<p>One\n  and <b>more</b>\n</p>\n\n<p>Two</p>", "One and more\n\nTwo"), ("<ul><li>a</li><li>b</li></ul>", "a\nb"),
    ("<b>One</b>\nTwo", "One\nTwo"), ("a<script>alert('x < y')</script>b", "ab"), ("<style>p{}</style><p>x</p>", "x"),
    ("<p>one", "one"), ("<h2>H</h2>text", "H\n\ntext"), ("<td>a</td><td>b</td>", "a b"), ("<!-- no -->x", "x"),
    ("<![if x]>a<![endif]>", "a"), ("a &amp; <![x", "a &"), ("<p>&#7;x</p>", "x"), ("&lt;b&gt;", "<b>"),
    ("<p>1 < 2 and <b>3</b>", "1 < 2 and 3"), ("<b>x</b> <a href=", "x <a href="), ("<!-- <b> -->x<!-- never", "x"),
])
def test_html_becomes_the_text_it_shows(markup, text):
    assert plain(markup) == (text, [])


@pytest.mark.parametrize(("markup", "links"), [
    ('<a href="https://example.org/a">the <b>page</b></a>', [Link("https://example.org/a", "the page")]),
    ("<a href='http://example.org/?a=1&amp;b=2'>x</a>", [Link("http://example.org/?a=1&b=2", "x")]),
    ('<a href="https://e.org">a</a> <a href="https://e.org">b</a>', [Link("https://e.org", "a")]),
    ('<a href="https://e.org/1">one<a href="https://e.org/2">two', [
        Link("https://e.org/1", "one"), Link("https://e.org/2", "two")]),
    ('<a href="javascript:alert(1)">x</a>', []), ('<a href="mailto:a@b.c">x</a>', []), ("<a>x</a>", []),
    ('<a href="/relative">x</a>', []), ('<a href="https://e.org/' + "a" * 2000 + '">x</a>', []),
])
def test_links_of_http_and_https_are_collected(markup, links):
    assert plain(markup)[1] == links


def test_text_longer_than_any_summary_is_not_parsed():
    long = "<b>x</b>" * 30_000
    assert plain(long) == (long, [])


@given(st.one_of(st.text(), st.lists(st.sampled_from((
    "<p>", "</p>", "<a href='https://e.org'>", "</a>", "<br>", "<![", "<!", "<?", "<script>", "</script>", "&amp",
    "&#x",
    "text", " ", "\n", "<", ">", "\x00", "&#xD800;", "<a href", "<title>", "<svg/>",
))).map("".join)))
@example("<![if x]>")
@example("<p><<![x>![y")
@example("<!DOCTYPE [<!ENTITY")
def test_reading_html_never_raises_and_leaves_no_control_characters_of_its_own(markup):
    text, links = plain(markup)
    assert text == markup or not set(text) & {"\v", "\f", "\x07"}
    assert all(link.url == "https://e.org" for link in links)


# ---------------------------------------------------------------------------------------------- TimelineJS sheets

@pytest.mark.parametrize(("header", "known"), [
    (list(timelinejs_csv.COLUMNS), True), (["Year", "Headline"], True), (["Start Date", "Headline", "Tag"], True),
    ([" Year ", "Text", "Mine"], True), (["year", "headline"], False), (["id", "title", "when"], False),
    (["Year", "Month"], False), ([], False), (["message", "datetime", "timestamp_desc"], False),
])
def test_a_sheet_is_recognised_by_its_exact_column_names(header, known):
    assert timelinejs_csv.recognises(header) is known


def test_a_documented_sheet_is_read_row_by_row():
    reading = Reading()
    found = table("timelinejs-sheet.csv", timelinejs_csv.read, reading)
    assert [(each.line, each.event["when"]) for each in found if isinstance(each, Draft)] == [
        (3, "-3199"), (4, "-0043-03-15"), (6, "1455"), (8, "1844-05-24T08:45"), (9, "1939-09-01/1945-09-02"),
        (10, "2025-08-15T11:30:00"), (11, "2025-08"), (13, "2025-08-20"),
    ]
    uruk, caesar, bible, wire, war, meeting, month, untitled = (each for each in found if isinstance(each, Draft))
    assert uruk == Draft(
        3,
        {"title": "Writing in Uruk", "when": "-3199", "phrase": "c. 3200 BC",
         "summary": "Clay tablets, about beer & barley.\n\nSee the catalogue.",
         "media": [{"url": "https://example.org/img/tablet.jpg", "caption": "A tablet", "credit": "Museum, London",
                    "alt": "A clay tablet with signs"}]},
        actors=[Mention("Clay")],
        links=[Link("https://example.org/uruk", "the catalogue")],
    )
    assert caesar.event == {"title": "Caesar is killed", "when": "-0043-03-15"}
    assert bible.event["summary"] == 'First line,\nsecond "line".'
    assert bible.links == [Link("https://example.org/articles/bible", "An article")]
    assert wire.links == [Link("https://www.youtube.com/watch?v=abc123")]
    assert war.links == [Link("https://example.org/player/7")]
    assert war.event["phrase"] == "1939–1945"
    assert meeting.actors == [Mention("Wire, Print")]
    assert "phrase" not in month.event
    assert untitled.event["title"] == "Only a text here."
    assert "summary" not in untitled.event
    assert all(not each.foreign_id for each in found if isinstance(each, Draft))


def test_what_a_sheet_holds_that_is_no_event_or_cannot_be_kept_is_counted():
    reading = Reading()
    found = table("timelinejs-sheet.csv", timelinejs_csv.read, reading)
    assert reading.skipped == {"title slide": 1, "eras": 1}
    assert reading.losses == {
        "media thumbnails": 1, "backgrounds": 1, "fractions of a second": 1,
        "times of day: an EDTF interval has none": 1, "ends without a year, which TimelineJS drops too": 1,
    }
    assert [(each.line, each.error.detail) for each in found if isinstance(each, Unread)] == [
        (12, "Month: there is no month 13: write 1 to 12"),
        (14, "Year: the year is missing: a date needs one, as in 2025, or -44 for 44 BC"),
    ]
    assert [each.error.faults[0].pointer for each in found if isinstance(each, Unread)] == ["Month", "Year"]


@pytest.mark.parametrize(("time", "read"), [
    ("11:30", "11:30"), ("11:30:00.123", "11:30:00"), ("2:30 pm", "14:30"), ("2:30PM", "14:30"), ("12 a.m.", "00:00"),
    ("1130", "11:30"), ("930", "09:30"), ("11.30", "11:30"), ("11", "11:00"), ("0", "00:00"), ("11:30:15:5",
    "11:30:15"),
    ("11:30Z", "11:30Z"),
])
def test_the_time_column_is_read_in_every_form_that_timelinejs_takes(time, read):
    assert sheet(Year="2025", Month="8", Day="15", Time=time, Headline="x").event["when"] == f"2025-08-15T{read}"


@pytest.mark.parametrize("time", ["25:00", "11:3", "noon", "11.30.15", "11:60", "13 pm", "11:30 EST"])
def test_a_time_that_is_none_is_a_fault_of_its_column(time):
    found = sheet(Year="2025", Month="8", Day="15", Time=time, Headline="x")
    assert isinstance(found, Unread)
    assert [fault.pointer for fault in found.error.faults] == ["Time"]


@pytest.mark.parametrize(("cells", "column"), [
    ({"Year": "0", "Headline": "x"}, "Year"), ({"Year": "2025?", "Headline": "x"}, "Year"), ({"Headline": "x"}, "Year"),
    ({"Year": "2025", "Month": "2", "Day": "31", "Headline": "x"}, "Day"), ({"Year": "2025", "Headline": ""},
    "Headline"),
    ({"Year": "2025", "Month": "8", "Time": "11:30", "Headline": "x"}, "Day"),
    ({"Year": "2025", "End_Year": "2024", "Headline": "x"}, "End Year"),
    ({"Year": "2025", "End_Year": "2025", "End_Month": "13", "Headline": "x"}, "End Month"),
    ({"Start_Date": "soon", "Headline": "x"}, "Start Date"),
    ({"Start_Date": "2025", "End_Date": "2024", "Headline": "x"}, "End Date"),
])
def test_a_row_that_cannot_be_read_says_which_column_is_wrong(cells, column):
    found = sheet(**cells)
    assert isinstance(found, Unread)
    assert found.line == 2
    assert [fault.pointer for fault in found.error.faults] == [column]
    assert found.error.detail.startswith(f"{column}: ")


@pytest.mark.parametrize(("cells", "when"), [
    ({"Start_Date": "5/10/2025"}, "2025-05-10"), ({"Start_Date": "-44"}, "-0043"), ({"Start_Date": "2025-08-15"},
    "2025-08-15"),
    ({"Start_Date": "-0044-03-15"}, "-0043-03-15"), ({"Start_Date": "15 August 2025 11:30"}, "2025-08-15T11:30"),
    ({"Start_Date": "1/2/1914", "End_Date": "3/4/1918"}, "1914-01-02/1918-03-04"), ({"Start_Date": "8/2025"},
    "2025-08"),
])
def test_sheets_of_version_1_have_whole_dates_with_the_month_first(cells, when):
    found = sheet(**cells, Headline="x", Tag="Lane")
    assert found.event["when"] == when
    assert found.actors == [Mention("Lane")]


def test_an_order_that_was_said_is_stronger_than_that_of_version_1():
    reading = Reading(day_first=True)
    assert sheet(reading, Start_Date="5/10/2025", Headline="x").event["when"] == "2025-10-05"


@pytest.mark.parametrize(("cells", "phrase"), [
    ({"Year": "1850", "Display_Date": "c. 1850"}, "c. 1850"), ({"Year": "1850", "Display_Date": "1850"}, None),
    ({"Year": "2025", "Month": "8", "Display_Date": "August, 2025"}, None), ({"Year": "1850",
    "Display_Date": ""}, None),
    ({"Year": "1850", "Display_Date": "<b>Long</b> ago"}, "Long ago"),
])
def test_a_display_date_is_kept_where_it_says_more_than_the_date(cells, phrase):
    assert sheet(**cells, Headline="x").event.get("phrase") == phrase


def test_a_second_title_slide_is_an_event_as_it_is_to_timelinejs():
    reading = Reading()
    rows = [(2, ["", "First", "title"]), (3, ["2025", "Second", "Title"])]
    found = list(timelinejs_csv.read(["Year", "Headline", "Type"], rows, reading))
    assert [each.event["title"] for each in found] == ["Second"]
    assert reading.skipped == {"title slide": 1}
    assert not reading.losses


def test_columns_and_types_nobody_documented_are_counted_by_name():
    reading = Reading()
    sheet(reading, Year="2025", Headline="x", Mine="y", Other="", Type="note")
    assert reading.losses == {"column 'Mine'": 1, "type 'note'": 1}


@pytest.mark.parametrize(("media", "event", "links", "losses"), [
    ("//example.org/a.png", [{"url": "https://example.org/a.png", "caption": "c", "credit": "d"}], [], {}),
    ("https://example.org/my picture.JPG?x=1", [{"url": "https://example.org/my%20picture.JPG?x=1", "caption": "c",
                                                 "credit": "d"}], [], {}),
    ("HTTPS://example.org/a.gif", [{"url": "https://example.org/a.gif", "caption": "c", "credit": "d"}], [], {}),
    ("https://example.org/page", None, [Link("https://example.org/page", "c")], {"media credits without a picture": 1}),
    ("javascript:alert(1)", None, [], {"media without an address of http or https": 1,
                                       "media captions without a picture": 1, "media credits without a picture": 1}),
    ("", None, [], {"media captions without a picture": 1, "media credits without a picture": 1}),
])
def test_a_picture_is_kept_and_other_media_become_links(media, event, links, losses):
    reading = Reading()
    found = sheet(reading, Year="2025", Headline="x", Media=media, Media_Caption="<i>c</i>", Media_Credit="d")
    assert found.event.get("media") == event
    assert found.links == links
    assert reading.losses == losses


def test_links_in_headlines_and_captions_are_kept():
    headline, credit = '<a href="https://e.org/h">H</a>', '<a href="https://e.org/c">C</a>'
    found = sheet(Year="2025", Headline=headline, Media_Credit=credit)
    assert found.event["title"] == "H"
    assert found.links == [Link("https://e.org/h", "H"), Link("https://e.org/c", "C")]


def test_a_long_text_without_a_headline_is_cut_at_a_word_for_the_title():
    found = sheet(Year="2025", Text="word " * 100)
    assert found.event["title"] == "word " * 23 + "word …"
    assert found.event["summary"] == ("word " * 100).strip()


def test_civil_dates_get_the_zone_that_was_said_and_instants_do_not():
    reading = Reading(tz="Europe/Paris")
    assert sheet(reading, Year="2025", Headline="x").event["tz"] == "Europe/Paris"
    assert "tz" not in sheet(reading, Year="2025", Month="8", Day="15", Time="11:30Z", Headline="x").event
    assert "tz" not in sheet(Year="2025", Headline="x").event
    assert sketch(reading, datetime="2025-08-15").event["tz"] == "Europe/Paris"
    assert "tz" not in sketch(reading).event


def test_cells_without_a_column_are_a_fault_and_empty_ones_are_not():
    rows = [(2, ["2025", "x", ""]), (3, ["2025", "x", "stray"]), (4, ["2025"])]
    good, stray, short = timelinejs_csv.read(["Year", "Headline"], rows, Reading())
    assert isinstance(good, Draft)
    assert "name every column" in stray.error.detail
    assert "Headline" in short.error.detail


# ---------------------------------------------------------------------------------------------- Timesketch

@pytest.mark.parametrize(("value", "known"), [
    (["message", "datetime", "timestamp_desc"], True), (["message", "timestamp", "timestamp_desc", "x"], True),
    ({"message": "m", "datetime": "d", "timestamp_desc": "t"}, True), (["message", "datetime"], False),
    (["message", "timestamp_desc"], False), ({"type": "event.recorded", "event": {}}, False), ([], False),
    ("message", False),
    (None, False), (7, False),
])
def test_timesketch_is_recognised_by_its_required_fields(value, known):
    assert timesketch.recognises(value) is known


def test_a_documented_timesketch_csv_is_read_row_by_row():
    reading = Reading()
    found = table("timesketch.csv", timesketch.read_csv, reading)
    opened, login, started, diary, ship = (each for each in found if isinstance(each, Draft))
    assert opened == Draft(
        2,
        {"title": "File opened: letter.docx", "when": "2015-07-24T19:01:01+00:00", "topics": ["office", "exfiltration"],
         "note": "timestamp_desc: Last Access Time\nhostname: ws-01"},
        links=[Link("https://example.org/case/7", exact="he opened it")],
    )
    assert login.event["when"] == "2015-07-24T19:01:02Z"
    assert login.event["topics"] == ["logon", "night-shift"]
    assert started.event["when"] == "2015-07-24T19:01:03Z"
    assert "topics" not in started.event
    assert diary.event["when"] == "2015-07-25"
    assert ship.event["when"] == "1588-05-28T10:00:00+00:00"
    assert [(each.line, each.error.faults[0].pointer) for each in found if isinstance(each, Unread)] == [
        (7, "datetime"), (8, "message")]
    assert reading.losses == {"fractions of a second": 1, "fields of the search index": 1}
    assert [note for note in reading.notes if "timestamp was read instead" in note] == reading.notes != []


def objects(name):
    with (FOREIGN / name).open(encoding="utf-8") as file:
        return [(number, json.loads(line)) for number, line in enumerate(file, 1)]


def test_timesketch_jsonl_is_read_and_rows_of_our_export_are_one_event_again():
    reading = Reading()
    found = list(timesketch.read_jsonl(objects("timesketch.jsonl"), reading))
    assert [each.line for each in found] == [1, 2, 3, 4, 7, 8]
    first, second, third, summit, undated, broken = found
    assert first.event["note"] == "timestamp_desc: Write time\nextra_field_1: foo"
    assert (second.event["title"], second.event["summary"]) == ("Another message", "Another message\nin two lines")
    assert second.event["note"] == 'timestamp_desc: Write time\nextra: {"pid":7}'
    assert third.event["when"] == "2015-07-24T19:01:03Z"
    assert summit == Draft(
        4,
        {"title": "A meeting in Anchorage", "kind": "occurrence", "status": "disputed", "tz": "America/Anchorage",
         "summary": "Talks.", "when": "2025-08-15?", "place": {"name": "Anchorage"}, "topics": ["ukraine"],
         "note": "sources: axios-1\nquote: they met"},
        "alaska-summit",
        [Mention("donald-trump", id="donald-trump"), Mention("vladimir-putin", id="vladimir-putin")],
    )
    assert undated.event == {"title": "Nothing is known of when", "kind": "plan", "status": "reported"}
    assert isinstance(broken, Unread)
    assert reading.skipped == {"further rows of an event": 2}
    assert reading.losses["timestamps that contradict their datetime, which counts"] == 1


def test_what_our_exporter_writes_comes_back_as_it_was(tmp_path):
    event = {"id": "summit", "title": "A meeting", "when": "2025-08-15/2025-08-16", "tz": "America/Anchorage",
             "summary": "Talks.", "status": "planned", "kind": "plan", "topics": ["ukraine"]}
    with Timeline(tmp_path / "t.db") as timeline:
        timeline.record(**event)
        timeline.record(id="old", title="Before all", when="0800")
        bodies = [json.dumps(each) for each in timeline.events()]
    lines = FORMATS["timesketch"].encode(Sheet(bodies, 2)).splitlines()
    rows = [(number, json.loads(line)) for number, line in enumerate(lines, 1)]
    assert len(rows) > 2
    back = {each.foreign_id: each.event for each in timesketch.read_jsonl(rows, Reading())}
    assert back["summit"] == {name: value for name, value in event.items() if name != "id"}
    assert back["old"]["when"] == "0800"


def test_rows_of_one_event_that_differ_are_not_merged_in_silence():
    first, second = ({"message": message, "timestamp_desc": "recorded", "event_id": "a", "kind": "occurrence",
                      "status": "reported", "log_seq": 1, "datetime": "2025-01-01T00:00:00Z"} for message in "xy")
    good, bad = timesketch.read_jsonl([(1, first), (5, second)], Reading())
    assert isinstance(good, Draft)
    assert "stands in line 1 with another message" in bad.error.detail


def test_events_that_were_retracted_when_they_were_exported_stay_out():
    reading = Reading()
    row = {"message": "[retracted] x", "timestamp_desc": "recorded", "event_id": "a", "kind": "occurrence",
           "status": "reported", "log_seq": 1, "datetime": "2025-01-01T00:00:00Z", "tag": ["retracted"]}
    assert list(timesketch.read_jsonl([(1, row)], reading)) == []
    assert reading.skipped == {"rows of retracted events": 1}


def test_the_event_id_of_another_tool_is_a_column_like_any_other():
    found = sketch(event_id=4624)
    assert found.foreign_id == ""
    assert found.event["note"] == "timestamp_desc: d\nevent_id: 4624"


@pytest.mark.parametrize(("timestamp", "when"), [
    (1437764463000000, "2015-07-24T19:01:03Z"), (1437764463, "2015-07-24T19:01:03Z"), (1437764463000,
    "2015-07-24T19:01:03Z"),
    (1437764463000000000, "2015-07-24T19:01:03Z"), ("1437764463000000", "2015-07-24T19:01:03Z"),
    ("1437764463000000.0", "2015-07-24T19:01:03Z"), (0, "1970-01-01T00:00:00Z"), (-1, "1969-12-31T23:59:59Z"),
])
def test_the_unit_of_a_timestamp_alone_is_told_by_its_size(timestamp, when):
    reading = Reading()
    assert sketch(reading, datetime=..., timestamp=timestamp).event["when"] == when
    assert len(reading.notes) == 1
    assert not reading.losses


@pytest.mark.parametrize("row", [
    {"datetime": "soon"}, {"datetime": "01/02/2015 10:00"}, {"datetime": ...}, {"datetime": ..., "timestamp": "now"},
    {"datetime": ..., "timestamp": True}, {"datetime": ["2015"]}, {"message": ...}, {"message": " "}, {"message": None},
    {"datetime": "2015-02-30T10:00:00Z"},
])
def test_a_row_of_timesketch_that_cannot_be_read_is_said_to_be(row):
    found = sketch(**row)
    assert isinstance(found, Unread)
    assert found.error.faults


@pytest.mark.parametrize(("datetime", "when"), [
    ("2015-07-24T19:01:01+00:00", "2015-07-24T19:01:01+00:00"), ("2015-07-24T19:01:01", "2015-07-24T19:01:01Z"),
    ("2015-07-24 19:01:01", "2015-07-24T19:01:01Z"), ("2015-07-24T19:01:01-0500", "2015-07-24T19:01:01-05:00"),
    ("2015-07-24", "2015-07-24"), ("24 July 2015 19:01", "2015-07-24T19:01Z"), ("1588-05-28T10:00:00Z",
    "1588-05-28T10:00:00Z"),
])
def test_a_time_without_an_offset_is_utc_and_a_day_stays_a_day(datetime, when):
    assert sketch(datetime=datetime).event["when"] == when


@pytest.mark.parametrize(("tag", "topics", "lost"), [
    (["a", "B c"], ["a", "b-c"], 0), ('["a", "b"]', ["a", "b"], 0), ("a,b", ["a", "b"], 0), ("a", ["a"], 0),
    ("-", None, 0),
    ("", None, 0), ([], None, 0), ("['a', 'b']", ["a", "b"], 0), (["首脑", "a", "A"], ["a"], 1), ([7], ["7"], 0),
])
def test_tags_become_topics(tag, topics, lost):
    reading = Reading()
    assert sketch(reading, tag=tag).event.get("topics") == topics
    assert reading.losses["tags without a Latin letter or digit"] == lost


def test_a_column_too_long_for_a_note_is_counted_and_a_quote_without_an_address_is_kept():
    reading = Reading()
    found = sketch(reading, blob="x" * 3000, quote="he said", source_url="file:///tmp/x")
    assert found.event["note"] == "timestamp_desc: d\nquote: he said\nsource_url: file:///tmp/x"
    assert found.links == []
    assert reading.losses == {"column 'blob', too long for a note": 1}


def test_a_long_message_is_the_summary_and_its_beginning_the_title():
    found = sketch(message="word " * 100)
    assert found.event["title"] == ("word " * 40).strip() + " …"
    assert found.event["summary"] == ("word " * 100).strip()
