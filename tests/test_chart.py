"""The chart: it draws exactly what `/v1/events` finds, its counts add up, and a wide window costs one scan."""

from __future__ import annotations

import json
import random
from collections import Counter
from functools import cache

import pytest
from api_client import problem, seeded, serving
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from timeline import Timeline, parse, parse_query
from timeline.views import chart as looking
from timeline.views.chart import Frame, divided, look, resolved
from timeline.web import chart as drawing
from timeline.web.chart import core

EVENT_KEYS = {"id", "title", "lang", "when", "words", "shape", "start", "end", "core", "kind", "status", "revision",
              "lanes", "sources", "relations"}
KEYS = {"position", "recorded_at", "pinned", "count", "undated", "in_window", "range", "window", "overview", "lanes",
        "other_lanes", "events", "clusters"}


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with seeded(tmp_path_factory.mktemp("chart")) as client:
        yield client


def asked(client, path, pairs):
    response = client.get(path, params=pairs)
    assert response.status_code == 200, response.text
    return response.json()


def listed(client, pairs):
    """Every event that `/v1/events` finds, page by page."""
    found, cursor = [], []
    while True:
        page = asked(client, "/v1/events", [*pairs, ("limit", "40"), *cursor])
        found += page["items"]
        if "next" not in page:
            return found
        cursor = [("cursor", page["next"].rpartition("cursor=")[2])]


def lanes_of(event, by):
    if by == "kind":
        return {event["kind"]}
    if by == "topic":
        return {*event.get("topics", []), *(stance["topic"] for stance in event.get("stances", []))}
    if by == "place":
        return {event["place"]["id"]} if "place" in event else set()
    names = [part.get(name) for part in event.get("actors", []) for name in ("id", "on_behalf_of")]
    return {name for name in names if name and by == "actor"}


# ---------------------------------------------------------------------------------------------- the same events

DATES = ("2025-08", "2025-08-15", "2025-08-15/2025-08-18", "../2025-08-16", "2025-08-20/..", "1955", "2025-08-31/2029",
         "-0043", "Y170000002", "2025-08-15T19:30:00Z/2025-08-16T09:00:00+02:00", "1953/2025-08-17")
FILTERS = st.fixed_dictionaries({}, optional={
    "at": st.integers(1, 196).map(str),
    "reported_by": st.sampled_from(["2025-08-17", "2025-08-18", "2025-08-19", "2025-08-20"]),
    "actor": st.sampled_from(["donald-trump", "united-states", "karoline-leavitt"]),
    "members": st.just("true"), "topic": st.sampled_from(["us-troops", "security-guarantees"]),
    "place": st.sampled_from(["alaska", "paris", "white-house"]), "kind": st.sampled_from(["statement", "plan"]),
    "status": st.just("confirmed"), "q": st.sampled_from(["troops", "summit", "nothing-of-that"]),
    "role": st.just("speaker"), "related": st.just("alaska-summit"), "on": st.just("about"),
    "retracted": st.just("include"), "tz": st.sampled_from(["Europe/Paris", "America/Anchorage"]),
})
SHAPE = st.fixed_dictionaries({}, optional={
    "lanes": st.sampled_from(["actor", "topic", "place", "kind", "none"]),
    "max_lanes": st.integers(1, 50).map(str), "slots": st.integers(24, 240).map(str),
})


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(question=FILTERS, shape=SHAPE, window=st.none() | st.sampled_from(DATES))
def test_a_window_has_the_events_that_the_list_has(client, question, shape, window):
    if question.get("actor") and int(question.get("at", "196")) < 60:
        question = {**question, "at": "60"}
    pairs = list(question.items())
    everything, by = listed(client, pairs), shape.get("lanes", "actor")
    dated = listed(client, [*pairs, ("datetime", window)]) if window else [
        event for event in everything if event.get("about" if "on" in question else "when")]
    drawn = asked(client, "/v1/chart", [*pairs, *shape.items(), *([("window", window)] if window else [])])
    names = [lane["id"] for lane in drawn["lanes"]]
    counts = Counter(lane for event in everything for lane in lanes_of(event, by))

    assert drawn.keys() == KEYS
    assert [event["id"] for event in drawn["events"]] == [event["id"] for event in dated]
    assert (drawn["count"], drawn["in_window"], drawn["clusters"]) == (len(everything), len(dated), [])
    assert [(lane["id"], lane["count"]) for lane in drawn["lanes"]] == sorted(
        counts.items(), key=lambda item: (-item[1], item[0]))[: int(shape.get("max_lanes", "12"))]
    assert drawn["other_lanes"] == len(counts) - len(names)
    assert [{names[lane] for lane in event["lanes"]} for event in drawn["events"]] == [
        lanes_of(event, by) & set(names) for event in dated]
    assert sum(drawn["overview"]["counts"] if drawn["overview"] else []) == drawn["count"] - drawn["undated"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(window=st.sampled_from(DATES), own=st.sampled_from(DATES), match=st.sampled_from(["may", "must"]))
def test_a_window_narrows_a_question_with_a_range_of_its_own(client, window, own, match):
    pairs = [("datetime", own), ("match", match)]
    meant, met = listed(client, pairs), {event["id"] for event in listed(client, [("datetime", window)])}
    drawn = asked(client, "/v1/chart", [*pairs, ("window", window)])

    assert [event["id"] for event in drawn["events"]] == [event["id"] for event in meant if event["id"] in met]
    assert (drawn["count"], drawn["undated"]) == (len(meant), 0)


def test_events_say_what_is_drawn_of_them(client):
    drawn = asked(client, "/v1/chart", [])
    events = {event["id"]: event for event in drawn["events"]}
    bodies = {event["id"]: event for event in listed(client, [])}

    for id_, event in events.items():
        body = bodies[id_]
        assert event.keys() >= EVENT_KEYS
        assert [event[name] for name in ("title", "when", "kind", "status")] == [
            body[name] for name in ("title", "when", "kind", "status")]
        assert event["revision"] == body["revision"]["number"]
        assert event["sources"] == len({citation["source"] for citation in body["citations"]})
        assert len(event["relations"]) == len(body.get("relations", []))
        bounds = parse(body["when"]).bounds(body.get("tz"))
        assert (event["start"], event["end"]) == bounds
        assert event.get("outcome") == body.get("outcome", {}).get("state")
        assert len(event.get("stance", [])) == len(body.get("stances", []))
    assert events["alaska-summit"]["words"].startswith("15 August 2025")
    assert drawn["undated"] == drawn["count"] - len(events) == 1


def test_a_turn_of_stance_is_marked_whatever_window_is_looked_at(client):
    def turns(**pairs):
        drawn = asked(client, "/v1/chart", pairs)
        return {event["id"]: [stance for stance in event["stance"] if "changed_from" in stance]
                for event in drawn["events"] if any("changed_from" in stance for stance in event.get("stance", []))}

    positions = asked(client, "/v1/topics/us-troops/positions", {})["items"]
    ruled_out = next(entry for entry in positions if entry["actor"] == "donald-trump" and "changed_from" in entry)
    told = [{"topic": "us-troops", "position": "against", "changed_from": "open"}]

    assert turns()[ruled_out["event"]] == told
    assert turns(window="2025-08-19/..", kind="statement")[ruled_out["event"]] == told
    assert ruled_out["event"] not in turns(reported_by="2025-08-18")


def test_asked_what_statements_are_about_events_stand_where_that_is(client):
    bodies = {event["id"]: event for event in listed(client, [("on", "about")])}
    events = asked(client, "/v1/chart", {"on": "about"})["events"]
    assert {event["id"]: event["when"] for event in events} == {id_: body["about"] for id_, body in bodies.items()}
    assert all((event["start"], event["end"]) == parse(event["when"]).bounds(bodies[event["id"]].get("tz"))
               for event in events)


def test_titles_names_and_dates_are_in_the_language_asked_for(client):
    fr = asked(client, "/v1/chart", {"lang": "fr-CA", "lanes": "kind"})
    titles = {event["id"]: (event["title"], event["lang"]) for event in fr["events"]}
    bodies = {event["id"]: event for event in listed(client, [("lang", "fr-CA")])}

    assert titles == {id_: (bodies[id_]["title"], bodies[id_].get("lang")) for id_ in titles}
    assert sorted(lane["name"] for lane in fr["lanes"]) == ["déclaration", "fait", "projet"]
    assert next(event["words"] for event in fr["events"] if event["id"] == "alaska-summit").startswith("15 août 2025")
    actors = asked(client, "/v1/chart", {"lang": "fr", "max_lanes": "50"})["lanes"]
    states = {lane["id"]: (lane["name"], lane["lang"]) for lane in actors}
    assert states["united-states"] == ("États-Unis", "fr")
    plain = asked(client, "/v1/chart", {})["lanes"]
    assert ("donald-trump", "Donald Trump", None) in [(lane["id"], lane["name"], lane["lang"]) for lane in plain]
    topics = asked(client, "/v1/chart", {"lanes": "topic"})["lanes"]
    assert "US troops" in [lane["name"] for lane in topics]
    places = asked(client, "/v1/chart", {"lanes": "place"})["lanes"]
    assert ("alaska", "Alaska") in [(lane["id"], lane["name"]) for lane in places]


# ---------------------------------------------------------------------------------------------- many events

ODD = ("1843", "[2024-01-01..2024-01-09]", "2024-02/2024-05", "../2024-03-01", "2024-03-01/..", "[..2024-06-01]", None,
       "2024-XX-11", "1990-01-01/2090-01-01", "2024-05-05T10:00:00Z", "../..")


def made_up(rng, number):
    when = rng.choice(ODD) if rng.random() < 0.1 else f"2024-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}"
    event = {"id": f"event-{number}", "title": f"Event {number}", "kind": rng.choice(["occurrence", "statement"]),
             "actors": [{"id": f"actor-{int(rng.paretovariate(0.7)) % 30}"} for _ in range(rng.randrange(3))],
             "topics": rng.sample(["war", "peace", "trade"], rng.randrange(2)),
             "citations": [{"source": f"source-{each}"} for each in rng.sample(range(6), rng.randrange(4))]}
    if rng.random() < 0.1:
        event["place"] = {"name": "Bad Ems", "id": "bad-ems"}
    if number and rng.random() < 0.1:
        event["relations"] = [{"type": "follows", "event": f"event-{rng.randrange(number)}"}]
    return event | ({} if when is None else {"when": when})


@pytest.fixture(scope="module")
def busy(tmp_path_factory):
    """A timeline of 900 events: far more than are drawn singly."""
    rng = random.Random(7)
    with Timeline(tmp_path_factory.mktemp("busy") / "timeline.db") as timeline:
        timeline.append([{"type": "actor.described", "actor": {"id": f"actor-{n}", "kind": "person", "name": f"A {n}"}}
                         for n in range(30)])
        timeline.append([{"type": "source.described", "source": {"id": f"source-{n}", "title": f"S {n}"}}
                         for n in range(6)])
        timeline.append([{"type": "event.recorded", "event": made_up(rng, number)} for number in range(900)])
        for number in range(0, 900, 45):
            timeline.revise(f"event-{number}", {"title": "Corrected"}, reason="a misprint")
        for number in range(1, 900, 90):
            timeline.retract(f"event-{number}", reason="made up")
        yield timeline


def weight(event):
    cited = {citation["source"] for citation in event.get("citations", [])}
    bears = {relation["event"] for relation in event.get("relations", [])}
    return max(1, len(cited) + len(bears)) + event["revision"]["number"]


def anchor(event, window):
    start, end = parse(event["when"]).bounds()
    first = start if start is not None else end if end is not None else window[0]
    return min(max(first, window[0]), window[1])


def meets(event, window):
    if "when" not in event:
        return False
    start, end = parse(event["when"]).bounds()
    return (start is None or start <= window[1]) and (end is None or end >= window[0])


def counted(events, window, width, lanes, by):
    """Count by lane and slot, from bodies alone."""
    found = {}
    for event in events:
        inside = [number for number, lane in enumerate(lanes) if lane in lanes_of(event, by)] or [None]
        for lane in inside:
            found.setdefault((lane, (anchor(event, window) - window[0]) // width), []).append(event)
    return found


@cache
def seconds(text):
    return parse(text).bounds()


WINDOWS = (None, "2024", "2024-01/2024-06", "1500/2024-08", "2024-03-15/..")


@pytest.mark.parametrize("by", ["actor", "topic", "place", "kind", "none"])
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("scanned", [False, True])
def test_clusters_and_single_events_add_up_lane_by_lane_and_slot_by_slot(busy, by, window, scanned, monkeypatch):
    monkeypatch.setattr(looking, "WIDE", 100 if scanned else 1_000_000)
    events = list(busy.each(parse_query([])))
    frame = Frame(by, 2 if by == "topic" else 1 if by == "kind" else 6, 48)
    drawn, _ = drawing.chart(busy, parse_query([]), seconds(window) if window else (None, None), frame)
    span = drawn["window"]["start"], drawn["window"]["end"]
    inside = [event for event in events if meets(event, span)]
    width = divided(span, 48)[0]
    wanted = counted(inside, span, width, [lane["id"] for lane in drawn["lanes"]], by)
    found = Counter()
    for cluster in drawn["clusters"]:
        assert (cluster["start"] - span[0]) % width == 0
        found[cluster["lane"], (cluster["start"] - span[0]) // width] += cluster["count"]
    bodies = {event["id"]: event for event in events}
    for event in drawn["events"]:
        for lane in event["lanes"] or [None]:
            found[lane, (anchor(bodies[event["id"]], span) - span[0]) // width] += 1

    assert found == {key: len(each) for key, each in wanted.items()}
    assert drawn["in_window"] == len(inside) > 300
    assert (drawn["count"], drawn["undated"]) == (len(events), sum("when" not in event for event in events))
    overview, hull = drawn["overview"], (drawn["range"]["start"], drawn["range"]["end"])
    bins = Counter((anchor(event, hull) - hull[0]) // overview["width"] for event in events if "when" in event)
    assert overview["counts"] == [bins[number] for number in range(len(overview["counts"]))]
    assert hull == (seconds("1843")[0], seconds("2090-01-01")[1])
    if not scanned:
        for cluster in drawn["clusters"]:
            rivals = wanted[cluster["lane"], (cluster["start"] - span[0]) // width]
            best = max(rivals, key=weight)
            assert (cluster["id"], cluster["title"]) == (best["id"], best["title"]) or (
                weight(bodies[cluster["id"]]) == weight(best))


@pytest.mark.parametrize("by", ["actor", "topic", "place", "kind", "none"])
@pytest.mark.parametrize("position", [40, 300, 700, 950])
def test_scans_of_everything_count_as_looking_events_up_does(busy, by, position, monkeypatch):
    def seen(window, wide):
        monkeypatch.setattr(looking, "WIDE", wide)
        return look(busy.reader(), parse_query([("at", str(position))]), position, window, Frame(by, 5, 24))

    for window in map(seconds, ("2024-03", "2024-03-10/2024-03-12", "1990")):
        assert seen(window, min(position - 1, 400)) == seen(window, 10**6)  # few in it, all else scanned
    wide, looked_up = seen((None, None), 0), seen((None, None), 10**6)
    for name in ("count", "undated", "extent", "window", "overview", "lanes", "other_lanes", "in_window"):
        assert getattr(wide, name) == getattr(looked_up, name)


@pytest.mark.parametrize("scanned", [False, True])
def test_the_event_that_stands_for_a_cluster_still_stands_when_zooming_in(busy, scanned, monkeypatch):
    monkeypatch.setattr(looking, "WIDE", 0 if scanned else 1_000_000)
    monkeypatch.setattr(looking, "SINGLE", 0)
    days = parse_query([("from", "2024-07"), ("to", "2024-12"), ("match", "must")])
    query = parse_query([]) if scanned else days
    frame = Frame("none", 1, 24)
    wide = look(busy.reader(), query, busy.position, seconds("2024-07-01/2024-12-31"), frame)
    for cluster in wide.clusters[1:]:  # what began before the window is counted in its first slot
        near = look(busy.reader(), query, busy.position, (cluster.start - 86_400, cluster.end), frame)
        assert cluster.spot in [each.spot for each in near.clusters]
        assert next(each.rank for each in near.clusters if each.spot == cluster.spot) == cluster.rank


@pytest.mark.parametrize("by", ["actor", "none"])
def test_at_most_300_events_are_drawn_singly_and_they_are_the_most_important(busy, by, monkeypatch):
    monkeypatch.setattr(looking, "SINGLE", 20)
    drawn, _ = drawing.chart(busy, parse_query([]), seconds("2024"), Frame(by, 50, 240))
    lone = [cluster for cluster in drawn["clusters"] if cluster["count"] == 1]
    bodies = {event["id"]: event for event in busy.each(parse_query([]))}

    assert len(drawn["events"]) == 20
    assert lone
    assert min(weight(bodies[event["id"]]) for event in drawn["events"]) >= max(
        weight(bodies[cluster["id"]]) for cluster in lone)
    assert [event["id"] for event in drawn["events"]] == [
        id_ for id_ in bodies if id_ in {event["id"] for event in drawn["events"]}]


def test_a_question_with_filters_is_clustered_too(busy):
    query = parse_query([("kind", "statement"), ("kind", "occurrence"), ("retracted", "include")])
    drawn, _ = drawing.chart(busy, query, (None, None), Frame("none", 12, 24))

    assert drawn["count"] == 900
    assert sum(cluster["count"] for cluster in drawn["clusters"]) + len(drawn["events"]) == drawn["in_window"]


def test_a_question_that_takes_too_long_is_refused(busy, tmp_path, monkeypatch):
    monkeypatch.setattr(drawing, "BUDGET", 0)
    with serving(busy, tmp_path) as client:
        found = problem(client.get("/v1/chart?max_lanes=50"), 503)
    assert "narrow" in found["detail"]


# ---------------------------------------------------------------------------------------------- extremes

@pytest.fixture
def timeline(tmp_path):
    with Timeline(tmp_path / "timeline.db") as timeline:
        yield timeline


def drawn_of(timeline, *pairs, window=(None, None), by="none"):
    return drawing.chart(timeline, parse_query(pairs), window, Frame(by, 12, 96))[0]


def test_an_empty_log_draws_nothing(timeline):
    drawn = drawn_of(timeline)
    assert drawn == {"position": 0, "recorded_at": None, "pinned": False, "count": 0, "undated": 0, "in_window": 0,
                     "range": None, "window": None, "overview": None, "lanes": [], "other_lanes": 0, "events": [],
                     "clusters": []}
    assert drawn_of(timeline, window=(5, 9))["window"] == {"start": 5, "end": 9}
    assert drawn_of(timeline, window=(None, 9))["window"] == {"start": 9, "end": 9}


def test_undated_events_are_only_counted(timeline):
    for number in range(3):
        timeline.record(id=f"event-{number}", title="Some day")
    drawn = drawn_of(timeline, by="kind")

    assert (drawn["count"], drawn["undated"], drawn["in_window"], drawn["events"]) == (3, 3, 0, [])
    assert (drawn["range"], drawn["window"], drawn["overview"]) == (None, None, None)
    assert drawn["lanes"] == [{"id": "occurrence", "name": "occurrence", "count": 3, "lang": "en"}]


@pytest.mark.parametrize("when", [
    "Y170000002", "Y-99999999999", "Y99999999999", "-0043", "0000", "2025-08-15T19:30:00Z",
])
def test_one_event_is_all_the_range_there_is_however_far(timeline, when):
    timeline.record(id="it", title="It happens", when=when)
    drawn, (start, end) = drawn_of(timeline), parse(when).bounds()

    assert drawn["range"] == drawn["window"] == {"start": start, "end": end}
    assert sum(drawn["overview"]["counts"]) == drawn["in_window"] == 1
    assert (drawn["events"][0]["start"], drawn["events"][0]["end"]) == (start, end)
    overview = drawn["overview"]
    assert overview["start"] + overview["width"] * len(overview["counts"]) > end
    assert len(overview["counts"]) <= 120


def test_both_ends_of_time_fit_into_one_chart(timeline):
    for number, when in enumerate(["Y-99999999999", "Y99999999999", "2025", "../2025", "2025/..", "../.."]):
        timeline.record(id=f"event-{number}", title="It happens", when=when)
    drawn = drawn_of(timeline)

    assert drawn["in_window"] == sum(drawn["overview"]["counts"]) == 6
    assert [(event["start"] is None, event["end"] is None) for event in drawn["events"]] == [
        (parse(event["when"]).earliest is None, parse(event["when"]).latest is None) for event in drawn["events"]]
    assert {event["shape"] for event in drawn["events"]} == {"within", "until", "since", "always"}


def test_events_without_any_end_have_no_range_but_are_drawn(timeline):
    timeline.append([{"type": "event.recorded", "event": {"id": f"event-{n}", "title": "Ever", "when": "../.."}}
                     for n in range(301)])
    few, many = drawn_of(timeline, ("at", "300")), drawn_of(timeline)

    assert (few["range"], few["window"], few["in_window"], len(few["events"])) == (None, None, 300, 300)
    assert (many["range"], many["window"], many["in_window"]) == (None, None, 301)
    assert [cluster["count"] for cluster in many["clusters"]] == [301]
    assert drawn_of(timeline, window=(5, 9))["in_window"] == 301


def test_many_events_of_one_second_are_one_cluster(timeline):
    when = "2025-08-15T19:30:00Z"
    timeline.append([{"type": "event.recorded", "event": {"id": f"event-{n}", "title": "At once", "when": when}}
                     for n in range(301)])
    drawn, second = drawn_of(timeline), parse(when).earliest

    assert drawn["clusters"] == [{"lane": None, "start": second, "end": second, "count": 301, "title": "At once",
                                  "id": "event-0"}]
    assert drawn["overview"] == {"start": second, "width": 1, "counts": [301]}


@pytest.mark.parametrize("window", [(10**12, 10**12 + 5), (10**12, None), (None, -(10**12))])
def test_a_window_outside_of_the_range_has_only_what_may_last_till_then(timeline, window):
    for number, when in enumerate(["2025", "../2025", "2025/..", "../.."]):
        timeline.record(id=f"event-{number}", title="It happens", when=when)
    drawn = drawn_of(timeline, window=window)
    open_end = {None: "../2025", 10**12: "2025/.."}[window[0]]

    assert {event["when"] for event in drawn["events"]} == {open_end, "../.."}
    assert drawn["count"] == 4
    assert drawn["window"]["start"] <= drawn["window"]["end"]


def test_a_turn_of_stance_is_one_of_what_had_been_reported_and_only_where_it_turns(timeline):
    timeline.describe_actor(id="ada", kind="person", name="Ada")
    for source, published in (("late", "2025-08-20"), ("early", "2025-08-18")):
        timeline.describe_source(id=source, title="A paper", published=published)
    for day, source, position in ((15, "late", "for"), (16, "early", "against"), (17, "early", "against")):
        timeline.record(id=f"day-{day}", title="She speaks", when=f"2025-08-{day}", citations=[{"source": source}],
                        stances=[{"actor": "ada", "topic": "nato", "position": position}])
    told = [event["stance"][0].get("changed_from") for event in drawn_of(timeline)["events"]]
    then = drawn_of(timeline, ("reported_by", "2025-08-19"))
    early = [event["stance"][0].get("changed_from") for event in then["events"]]

    assert (told, early) == ([None, "for", None], [None, None])


@pytest.mark.parametrize("own", [[], [("from", "1900")]])
def test_a_window_of_one_second_meets_what_begins_or_ends_in_it(timeline, own):
    timeline.record(id="it", title="It happens", when="2025-08-15")
    start, end = parse("2025-08-15").bounds()
    assert [drawn_of(timeline, *own, window=(second, second))["in_window"]
            for second in (start - 1, start, end, end + 1)] == [0, 1, 1, 0]


def test_withdrawn_and_erased_events_are_marked_as_such(timeline):
    timeline.describe_source(id="paper", title="A paper")
    for name in ("withdrawn", "gone", "quoted"):
        timeline.record(id=name, title=f"Secret {name}", when="2025-08-15",
                        citations=[{"source": "paper", "exact": "said"}])
    timeline.retract("withdrawn", reason="not so")
    timeline.retract("gone", reason="not so")
    timeline.erase("gone", "body", reason="under seal")
    timeline.erase("quoted", "quotes", reason="licence ended")
    shown, all_ = (
        {event["id"]: event for event in drawn_of(timeline, ("retracted", choice), ("lang", "fr"))["events"]}
        for choice in ("exclude", "include")
    )

    assert shown.keys() == {"quoted"}
    assert (shown["quoted"]["erased"], "retracted" in shown["quoted"]) == (True, False)
    assert all_["withdrawn"]["retracted"] is True
    assert (all_["gone"]["title"], all_["gone"]["lang"], all_["gone"]["erased"]) == ("[effacé]", "fr", True)
    assert all_["gone"]["words"] == "15 août 2025"
    assert "Secret gone" not in json.dumps(all_)


def test_text_is_given_as_it_is_and_never_as_markup(timeline):
    timeline.describe_actor(id="ada", kind="person", name="<b>Ada</b>")
    timeline.record(id="it", title="<script>1</script>", when="2025", actors=[{"id": "ada"}])
    drawn = drawn_of(timeline, by="actor")
    assert (drawn["events"][0]["title"], drawn["lanes"][0]["name"]) == ("<script>1</script>", "<b>Ada</b>")


@pytest.mark.parametrize(("when", "wanted"), [
    ("2025-08/2025-10", ("2025-08-31T23:59:59Z", "2025-10-01T00:00:00Z")),
    ("2025-08-15/2025-10", ("2025-08-15T00:00:00Z", "2025-10-01T00:00:00Z")),
    ("2025-08-15~/2025-08-20", ("2025-08-15T23:59:59Z", "2025-08-20T23:59:59Z")),
    ("2025-08-15/2025-08-18", None), ("2025-08/2025-08", None), ("2025/..", None), ("2025-08", None),
    ("[2025-08-01..2025-08-09]", None),
])
def test_the_core_of_an_interval_is_what_is_certain_of_it(when, wanted):
    assert core(when) == (wanted and [parse(end).earliest for end in wanted])


def test_a_core_is_read_in_the_zone_of_its_event():
    assert core("2025-08-15/2025-10", "Europe/Paris") == [parse("2025-08-14T22:00:00Z").earliest,
                                                         parse("2025-09-30T22:00:00Z").earliest]


@pytest.mark.parametrize(("window", "extent", "wanted"), [
    ((None, None), None, None), ((None, 7), None, (7, 7)), ((None, -5), (0, 9), (-5, -5)), ((None, 5), (0, 9), (0, 5)),
    ((20, None), (0, 9), (20, 20)), ((3, 4), (0, 9), (3, 4)),
])
def test_open_sides_of_a_window_close_where_events_end(window, extent, wanted):
    assert resolved(window, extent) == wanted


# ---------------------------------------------------------------------------------------------- over HTTP

def test_an_answer_names_its_position_and_is_not_sent_twice(client):
    live, fixed = client.get("/v1/chart"), client.get("/v1/chart?at=59")

    assert live.headers["Timeline-Position"] == str(live.json()["position"]) == "196"
    assert "must-revalidate" in live.headers["Cache-Control"]
    assert "immutable" in fixed.headers["Cache-Control"]
    assert (live.json()["pinned"], fixed.json()["pinned"], fixed.json()["position"]) == (False, True, 59)
    assert client.get("/v1/chart", headers={"If-None-Match": live.headers["ETag"]}).status_code == 304
    assert client.get("/v1/chart?at=59", headers={"If-None-Match": live.headers["ETag"]}).status_code == 200
    assert fixed.json()["recorded_at"] == client.get("/v1/records/59").json()["header"]["recorded_at"]


@pytest.mark.parametrize(("query", "pointer"), [
    ("window=2025-09/2025-08", "?window"), ("window=soon", "?window"), ("window=../..", "?window"),
    ("window=", "?window"),
    ("window=2025&window=2026", "?window"), ("lanes=colour", "?lanes"), ("max_lanes=0", "?max_lanes"),
    ("max_lanes=51", "?max_lanes"), ("slots=23", "?slots"), ("slots=241", "?slots"), ("limit=5", "?limit"),
    ("cursor=x", "?cursor"), ("order=desc", "?order"), ("f=csv", "?f"), ("tz=Mars&window=2025", "?tz"),
])
def test_what_cannot_be_read_is_named(client, query, pointer):
    problem(client.get(f"/v1/chart?{query}"), 400, pointer)


def test_unknown_actors_and_positions_are_named(client):
    problem(client.get("/v1/chart?actor=donald-trumpp"), 422, "?actor")
    problem(client.get("/v1/chart?at=99999"), 404)


def test_a_window_is_read_in_the_zone_of_the_question(client):
    paris = asked(client, "/v1/chart", {"window": "2025-08-15", "tz": "Europe/Paris"})["window"]
    assert paris == {"start": parse("2025-08-14T22:00:00Z").earliest, "end": parse("2025-08-15T21:59:59Z").earliest}
