"""Other tools' files into the log: found out by content, ids that stay, actors known by name, nothing lost unsaid."""

import json
from contextlib import closing
from pathlib import Path

import pytest

from timeline import Timeline
from timeline.cli.writing import FORMATS as OPTION
from timeline.errors import Conflict, Invalid, Malformed, TimelineError
from timeline.formats import FORMATS, Sheet
from timeline.importing import NAMES, Importer, Local, Manner, find
from timeline.importing.foreign import named
from timeline.query import parse_query
from timeline.records import decode_change

HEADER = ("Year,Month,Day,Time,End Year,End Month,End Day,End Time,Display Date,Headline,Text,Media,Media Credit,"
          "Media Caption,Media Thumbnail,Alt Text,Type,Group,Background\n")
SAMPLES = Path(__file__).parent.parent / "fixtures" / "foreign"


def row(year="", month="", day="", headline="", text="", media="", group="", kind=""):
    return f'{year},{month},{day},,,,,,,"{headline}","{text}",{media},,,,,{kind},"{group}",\n'


@pytest.fixture
def timeline(tmp_path):
    with Timeline(tmp_path / "t.db") as opened:
        opened.describe_actor(id="donald-trump", kind="person", name="Donald Trump",
                              aliases=[{"text": "Trump"}, {"text": "the president", "kind": "role"}])
        opened.describe_actor(id="russia", kind="government", name="Russia", names={"fr": "Russie"})
        opened.describe_source(id="wire", title="A wire report", url="https://example.org/wire")
        yield opened


@pytest.fixture
def load(timeline, tmp_path):
    def run(name, content, **manner):
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        with closing(Local(timeline)) as target:
            return Importer(target, Manner(**manner)).run(find([path]))

    return run


def events(timeline):
    return {event["id"]: event for event in timeline.events()}


def test_a_group_is_the_actor_that_bears_its_name(timeline, load):
    load("s.csv", HEADER + row(2025, 8, 15, "One", group="TRUMP") + row(2025, 8, 16, "Two", group="Russie"))
    assert [event["actors"][0]["id"] for event in events(timeline).values()] == ["donald-trump", "russia"]


def test_a_role_names_nobody_and_an_unknown_name_is_described_as_what_it_is(timeline, load):
    """Whoever is called the president depends on where one reads it."""
    rows = row(2025, 8, 15, "One", group="the president") + row(2025, 1, 1, "Two", group="首脑")
    outcome = load("s.csv", HEADER + rows)
    assert timeline.actor("the-president")["name"] == "the president"
    assert timeline.actor(named("首脑"))["name"] == "首脑"
    assert any("the president, 首脑" in note for note in outcome.notes)


def test_a_name_of_two_actors_names_neither(timeline, load):
    timeline.describe_actor(id="trump-organization", kind="organisation", name="Trump")
    load("s.csv", HEADER + row(2025, 8, 15, "One", group="Trump"))
    assert events(timeline)["one"]["actors"][0]["id"] == "trump"


def test_importing_twice_changes_nothing_and_describes_nobody_again(timeline, load):
    sheet = HEADER + row(2025, 8, 15, "One", group="Somebody", text="<a href='https://example.org/n'>new</a>")
    first = load("s.csv", sheet)
    position = timeline.position
    again = load("s.csv", sheet)
    assert (first.new, again.new, timeline.position) == (3, 0, position)


def test_titles_that_recur_get_their_dates_and_stay_what_they_are_when_rows_are_added(timeline, load):
    rows = row(2025, 8, 15, "Press call") + row(2025, 8, 16, "Press call") + row(2025, 8, 16, "Press call")
    load("s.csv", HEADER + rows)
    assert list(events(timeline)) == ["press-call", "press-call-2025-08-16", "press-call-2025-08-16-2"]
    assert load("s.csv", HEADER + rows + row(2025, 9, 1, "Press call")).new == 1


def test_a_corrected_row_is_a_correction_and_leaves_the_rest_alone(timeline, load):
    load("s.csv", HEADER + row(2025, 8, 15, "Press call", group="Trump"))
    timeline.revise("press-call", {"topics": ["troops"], "actors": [{"id": "donald-trump", "role": "speaker"}]},
                    reason="by hand")
    with pytest.raises(Conflict) as caught:
        load("s.csv", HEADER + row(2025, 8, 16, "Press call", group="Trump"))
    assert caught.value.faults[0].pointer.endswith("s.csv:2: /event/id")
    assert "(when)" in caught.value.faults[0].detail
    assert "--revise" in caught.value.faults[0].detail
    row_ = row(2025, 8, 16, "Press call", group="Trump", text="see https://example.org")
    load("s.csv", HEADER + row_, revise="sheet")
    event = timeline.event("press-call")
    assert (event["when"], event["topics"], event["actors"]) == (
        "2025-08-16", ["troops"], [{"id": "donald-trump", "role": "speaker"}])


def test_ids_of_the_other_tool_are_kept_and_numbers_get_the_name_of_the_file(timeline, load):
    load("talks.json", [{"id": 1, "content": "One", "start": "2025-08-15"},
                        {"id": "Paris summit", "content": "Two", "start": "2025-09-04"}])
    assert set(events(timeline)) == {"talks-1", "paris-summit"}
    load("talks.json", [{"id": 1, "content": "One", "start": "2025-08-15"}], prefix="mine-")
    assert "mine-talks-1" in events(timeline)


def test_an_address_is_the_source_that_has_it(timeline, load):
    text = "<a href='https://example.org/wire'>wire</a> and <a href='https://example.org/other'>the other</a>"
    load("s.csv", HEADER + row(2025, 8, 15, "One", text=text) + row(2025, 8, 16, "Two", text=text))
    first, second = events(timeline).values()
    assert first["citations"] == second["citations"]
    assert first["citations"][0] == {"source": "wire"}
    new = timeline.source(first["citations"][1]["source"])
    assert (new["url"], new["title"]) == ("https://example.org/other", "the other")


def test_a_fault_names_the_line_and_nothing_of_the_batch_is_written(timeline, load):
    before = timeline.position
    with pytest.raises(TimelineError) as caught:
        load("s.csv", HEADER + row(2025, 8, 15, "One") + row(2025, 13, 1, "Two") + row() + row(2025, 2, 31, "X"))
    places = [fault.pointer.rpartition("/")[2].partition(": ")[0] for fault in caught.value.faults]
    assert places == ["s.csv:3", "s.csv:5"]
    assert timeline.position == before


def test_ambiguous_days_wait_for_a_word(timeline, load):
    feature = {"type": "Feature", "geometry": None, "properties": {"title": "One", "date": "10.5.2025"}}
    with pytest.raises(Invalid, match="fix line 1"):
        load("a.geojson", feature)
    load("a.geojson", feature, day_first=True)
    assert events(timeline)["one"]["when"] == "2025-05-10"


def test_the_zone_of_civil_dates_can_be_said(timeline, load):
    load("s.csv", HEADER + row(2025, 8, 15, "One"), tz="America/Anchorage")
    assert events(timeline)["one"]["tz"] == "America/Anchorage"


@pytest.mark.parametrize("tz", ["Mars/Olympus", "CEST", ""])
def test_a_zone_that_does_not_exist_is_refused_before_anything_is_read(load, timeline, tz):
    before = timeline.position
    if not tz:
        assert load("s.csv", HEADER + row(2025, 8, 15, "One"), tz=tz).new == 1
        return
    with pytest.raises(TimelineError, match="zone"):
        load("s.csv", HEADER + row(2025, 8, 15, "One"), tz=tz)
    assert timeline.position == before


@pytest.mark.parametrize(("name", "content", "said"), [
    ("a.xlsx", b"PK\x03\x04rest", "CSV UTF-8"), ("a.csv", b"\x1f\x8bxx", "packed"), ("a.json", b"%PDF-1.7", "PDF"),
])
def test_what_is_no_text_is_refused_with_what_it_is(timeline, tmp_path, name, content, said):
    path = tmp_path / name
    path.write_bytes(content)
    with closing(Local(timeline)) as target, pytest.raises(Malformed) as caught:
        Importer(target).run(find([path]))
    assert said in caught.value.faults[0].detail


def test_a_format_that_the_file_is_not_in_is_refused(load):
    with pytest.raises(Malformed) as caught:
        load("s.csv", HEADER + row(2025, 8, 15, "One"), format="ics")
    assert "leave --format out" in caught.value.faults[0].detail


def test_the_command_offers_every_format_there_is():
    assert OPTION == NAMES


# ---------------------------------------------------------------------------------------------- out, then in

@pytest.fixture(scope="module")
def seeds():
    with Timeline.temporary() as opened:
        for path in sorted(SAMPLES.parent.parent.joinpath("seeds").glob("*.ndjson")):
            opened.append([decode_change(line) for line in path.read_bytes().splitlines()])
        yield opened


def exported(timeline, name):
    answer = timeline.ask(parse_query([("limit", "1000")]))
    sheet = Sheet(answer.bodies, answer.position, None, "seeds.example",
                  lambda actor: timeline.actor(actor)["name"])
    return FORMATS[name].encode(sheet), sheet


@pytest.mark.parametrize("name", ["json", "ndjson"])
def test_our_own_formats_come_back_as_they_were(seeds, tmp_path, name):
    content, sheet = exported(seeds, name)
    assert sheet.losses.sentences() == []
    back = into_a_copy(seeds, tmp_path / f"seeds.{FORMATS[name].extension}", content)
    told = {event["id"]: event for event in seeds.events()}
    assert back.keys() == told.keys()
    derived = ("revision", "recorded_at", "merged_from")
    for key, event in told.items():
        assert without(back[key], derived) == without(event, derived)


@pytest.mark.parametrize("name", ["timelinejs", "timesketch", "ics", "vis", "fullcalendar", "geojson"])
def test_other_formats_come_back_with_ids_titles_and_dates_as_far_as_they_carry_them(seeds, tmp_path, name):
    content, sheet = exported(seeds, name)
    back = into_a_copy(seeds, tmp_path / f"seeds.{FORMATS[name].extension}", content)
    told = {event["id"]: event for event in seeds.events()}
    assert back.keys() <= told.keys()
    assert len(told) - len(back) == sheet.losses.omitted
    for key, event in back.items():
        assert told[key]["title"] in event["title"]
    same = sum(event.get("when") == told[key].get("when") for key, event in back.items())
    assert same >= {"timelinejs": 60, "vis": 60, "fullcalendar": 60}.get(name, len(back))


def into_a_copy(seeds, path, content):
    """Import into a log that knows the actors and sources, but no event."""
    path.write_bytes(content)
    with Timeline.temporary() as copy:
        for folder in sorted(SAMPLES.parent.parent.joinpath("seeds").glob("*.ndjson")):
            copy.append([change for change in map(decode_change, folder.read_bytes().splitlines())
                         if type(change).__name__ in ("ActorDescribed", "SourceDescribed")])
        with closing(Local(copy)) as target:
            Importer(target).run(find([path]))
        return {event["id"]: event for event in copy.events()}


def without(event, names):
    return {name: value for name, value in event.items() if name not in names}


# ---------------------------------------------------------------------------------------------- foreign samples

@pytest.mark.parametrize(("name", "titles"), [
    ("timelinejs-sheet.csv", ["Caesar lands", "First crossing by balloon", 'Webb "swims" across',
                              "Blériot flies across", "The tunnel is dug"]),
    ("timesketch.csv", ["Accepted publickey for ops from 192.0.2.7", 'Session opened, "root"',
                        "File written: /srv/report.pdf", "File deleted: /srv/report.pdf"]),
])
def test_a_file_in_another_tools_own_form_imports_whole_and_only_once(timeline, name, titles):
    with closing(Local(timeline)) as target:
        outcome = Importer(target).run(find([SAMPLES / "whole" / name]))
        assert any("is read as" in note for note in outcome.notes)
        assert sorted(event["title"] for event in timeline.events()) == sorted(titles)
        assert Importer(target).run(find([SAMPLES / "whole" / name])).new == 0


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.*")), ids=lambda path: path.name)
def test_a_file_with_bad_rows_is_refused_with_each_of_them_and_writes_nothing(timeline, path):
    """These samples each hold rows that cannot be read, beside many that can."""
    before = timeline.position
    with closing(Local(timeline)) as target, pytest.raises(TimelineError) as caught:
        Importer(target, Manner(day_first=True)).run(find([path]))
    assert timeline.position == before
    assert all(f"{path.name}:" in fault.pointer and fault.detail for fault in caught.value.faults)


def test_an_id_is_never_longer_than_an_id_may_be(timeline, load):
    title = "A very long title that says it all " * 9
    rows = row(2025, 8, 15, title) + row(2025, 8, 15, title) + row(2025, 8, 15, title)
    load("s.csv", HEADER + rows, prefix="the-chronicle-of-the-newsroom-")
    ids = list(events(timeline))
    assert len(set(ids)) == 3
    assert max(map(len, ids)) <= 100
    assert load("s.csv", HEADER + rows, prefix="the-chronicle-of-the-newsroom-").new == 0
