"""The feed of corrections against two full answers: whatever the history, the question and the two positions."""

from __future__ import annotations

import json
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

import pytest
from api_client import load_seeds, problem, seeded
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from test_views import START, append, histories, modest, pairs, query, questions, sensible

from timeline import ReadOnlyTimeline, Timeline, changes, parse_query
from timeline.cli.changing import changes as command
from timeline.cli.remote import Remote
from timeline.cli.root import Settings
from timeline.errors import Malformed, NotFound, TooCostly
from timeline.records import merge
from timeline.views.projector import EXTRAS
from timeline.views.reader import Reader

# ---------------------------------------------------------------------------------------------- against full answers


def answered(timeline, asked, position):
    """Give the answer at a position as {id: body}."""
    found = map(json.loads, timeline.ask(query(asked, at=position)).bodies)
    return {body["id"]: body for body in found}


def asks(asked):
    return parse_query([pair for pair in pairs(asked) if pair[0] != "order"])


def content(body):
    return {name: value for name, value in body.items() if name not in EXTRAS}


def own(timeline, event, position):
    """Give the state of an event itself, or nothing where it was not recorded yet."""
    try:
        return timeline.event(event, at=position)
    except NotFound:
        return {}


def expected_end(timeline, before, after, event, until):
    """Say from full answers and the event's own state what the summary should count it as, if anything."""
    old, new = before.get(event), after.get(event)
    if old is None:
        return None if new is None else "added"
    if new is not None and new["revision"]["number"] == old["revision"]["number"]:
        return None
    state = own(timeline, event, until)
    if "retracted" in state and "retracted" not in old:
        return "retracted"
    if "merged_into" in state:
        return "merged"
    return "removed" if new is None else "revised"


def check(timeline, asked, since, until):
    """Walk through the items record by record beside the full answers, and compare the summary with the two ends."""
    found = timeline.changes(asks(asked), since, until)
    answers = {position: answered(timeline, asked, position) for position in range(since, until + 1)}
    start = answers[since]
    items = {(item["position"], item["event"]): item for item in found.items}
    assert len(items) == len(found.items)
    assert list(items) == sorted(items)
    assert all(since < position <= until for position, _ in items)
    for position in range(since + 1, until + 1):
        before, after = answers[position - 1], answers[position]
        for event in before.keys() | after.keys():
            old, new = before.get(event), after.get(event)
            item = items.pop((position, event), None)
            if old == new:
                assert item is None, (asked, position, event)
                continue
            assert item is not None, (asked, position, event)
            check_item(timeline, item, old, new, came_back=event in start)
    assert not items
    kinds = [expected_end(timeline, start, answers[until], event, until) for event in start.keys() | answers[until]]
    counts = {kind: kinds.count(kind) for kind in ("added", "revised", "retracted", "removed", "merged")}
    changed = sum(counts.values())
    assert found.summary == {**counts, "corrected": changed - counts["added"], "events_changed": changed}


def check_item(timeline, item, old, new, *, came_back):
    position = item["position"]
    before, after = (own(timeline, item["event"], at) for at in (position - 1, position))
    record = next(timeline.records(position - 1, 1)).header
    assert (item["type"], item["author"], item["recorded_at"]) == (record.type, record.author, record.recorded_at)
    assert item["title"] == (new or (after if before != after else old))["title"]
    if old is None:
        assert item["change"] == ("restored" if came_back else "added")
    elif "merged_into" in after:
        assert (item["change"], item["merged_into"]) == ("merged", after["merged_into"])
    elif "retracted" in after and "retracted" not in old:
        assert item["change"] == "retracted"
    else:
        assert item["change"] == ("removed" if new is None else "revised")
    if record.type.startswith("event"):
        assert item.get("reason") == after["revision"].get("reason")
        assert ("changes" in item) == bool(before)
    if old is not None and new is not None:
        assert merge(content(old), item["changes"]) == content(new)
        assert item.get("before", {}) == {name: old[name] for name in item["changes"] if name in old}
        assert item.get("after", {}) == {name: new[name] for name in item["changes"] if name in new}


@contextmanager
def few(number):
    """Force the choice by windows that only large logs take."""
    before = changes.FEW
    changes.FEW = number
    try:
        yield
    finally:
        changes.FEW = before


@given(histories, st.lists(questions.filter(sensible), min_size=3, max_size=6), st.data())
@modest
def test_the_items_lead_from_the_one_answer_to_the_other(history, asked, data):
    with Timeline.temporary() as timeline:
        timeline.append(START)
        for change in history:
            append(timeline, change)
        last = timeline.position
        for one in [{}, {"retracted": "include"}, *asked]:
            since = data.draw(st.integers(0, last))
            until = data.draw(st.integers(since, last))
            for number in (changes.FEW, 0):
                with few(number):
                    check(timeline, one, since, until)


memberships = st.lists(
    st.tuples(st.sampled_from(["ann", "bob", "cat"]), st.lists(st.sampled_from(["team", "club"]), unique=True))
    | st.tuples(st.sampled_from(["team", "club"]), st.sampled_from([[], ["team"], ["club"]]))
    | st.tuples(st.sampled_from(["e0", "e1"]), st.lists(st.sampled_from(["ann", "bob", "club"]), unique=True)),
    min_size=3, max_size=14)


@given(memberships, st.data())
@modest
def test_members_who_come_and_go_bring_their_events(steps, data):
    asked = {"actor": ["team"], "members": "true"}
    with Timeline.temporary() as timeline:
        timeline.append([*START, {"type": "actor.described", "actor": {"id": "club", "kind": "group", "name": "Club"}}])
        for number, (name, names) in enumerate(steps):
            if name.startswith("e"):
                event = {"id": name, "title": "summit", "actors": [{"id": each} for each in names]}
                if not append(timeline, {"type": "event.recorded", "event": event}):
                    patch = {"actors": [{"id": each} for each in names] or None}
                    append(timeline, {"type": "event.revised", "id": name, "patch": patch, "reason": "r"})
            else:
                kind = "group" if name in ("team", "club") else "person"
                timeline.describe_actor(id=name, kind=kind, name=f"{name} {number}", member_of=names)
        since = data.draw(st.integers(len(START), timeline.position))
        for one in (asked, {**asked, "role": ["participant"]}):
            for number in (changes.FEW, 0):
                with few(number):
                    check(timeline, one, since, timeline.position)


dated = st.lists(
    st.tuples(st.sampled_from(["s0", "s1"]), st.sampled_from([None, "2025-08-10", "2025-08-20"]))
    | st.tuples(st.sampled_from(["e0", "e1"]), st.lists(st.sampled_from(["s0", "s1"]), unique=True, max_size=2))
    | st.tuples(st.sampled_from(["e0", "e1"]), st.none()),
    min_size=4, max_size=14)


@given(dated, st.data())
@modest
def test_sources_dated_anew_change_what_had_been_reported(steps, data):
    with Timeline.temporary() as timeline:
        timeline.append(START)
        for number, (name, value) in enumerate(steps):
            if name.startswith("s"):
                published = {} if value is None else {"published": value}
                timeline.describe_source(id=name, title=f"{name} {number}", **published)
            elif value is None:
                append(timeline, {"type": "event.retracted", "id": name, "reason": "r"})
            else:
                event = {"id": name, "title": f"t{number}", "citations": [{"source": each} for each in value]}
                if not append(timeline, {"type": "event.recorded", "event": event}):
                    patch = {"title": f"t{number}", "citations": event["citations"] or None}
                    append(timeline, {"type": "event.revised", "id": name, "patch": patch, "reason": "r"})
        since = data.draw(st.integers(0, timeline.position))
        for one in ({"reported_by": "2025-08-15"}, {"reported_by": "2025-08-15", "retracted": "include"},
                    {"reported_by": "2025-08-15", "source": ["s0"]}):
            for number in (changes.FEW, 0):
                with few(number):
                    check(timeline, one, since, timeline.position)


@given(histories, histories, st.integers(1, 4))
@modest
def test_pages_add_up_to_the_whole_while_others_append(first, second, limit):
    with Timeline.temporary() as timeline:
        timeline.append(START)
        for change in first:
            append(timeline, change)
        until = timeline.position
        whole = timeline.changes(parse_query([]), 0)
        later = iter(second)
        found, after = [], ""
        while True:
            page = timeline.changes(parse_query([]), 0, until, limit=limit, after=after)
            assert len(page.items) <= limit
            assert page.summary == whole.summary
            found += page.items
            if page.after is None:
                break
            after = page.after
            append(timeline, next(later, START[0]))
        assert found == whole.items


def test_one_record_may_change_several_events_and_a_page_may_end_among_them():
    with Timeline.temporary() as timeline:
        for name in ("a", "b", "c"):
            timeline.record(id=name, title=name)
        timeline.merge("b", ["a", "c"], reason="one happening")
        found = timeline.changes(parse_query([]), 3)
        assert [(item["event"], item["change"], item.get("merged_into")) for item in found.items] == [
            ("a", "merged", "b"), ("b", "revised", None), ("c", "merged", "b")]
        assert {item["reason"] for item in found.items} == {"one happening"}
        page = timeline.changes(parse_query([]), 3, limit=2)
        assert page.after == "4.b"
        assert timeline.changes(parse_query([]), 3, limit=2, after="4.b").items == found.items[2:]
        assert timeline.changes(parse_query([]), 3, after="4").items == []
        assert timeline.changes(parse_query([]), 0, after="3").items == found.items


def test_what_left_and_came_back_is_restored():
    with Timeline.temporary() as timeline:
        timeline.record(id="call", title="A call", topics=["nato"])
        timeline.revise("call", {"topics": ["troops"]}, reason="a slip")
        timeline.revise("call", {"topics": ["nato"]}, reason="no slip")
        asked = parse_query([("topic", "nato")])
        assert [item["change"] for item in timeline.changes(asked, 1).items] == ["removed", "restored"]
        assert timeline.changes(asked, 1).summary["revised"] == 1
        assert [item["change"] for item in timeline.changes(asked, 0).items] == ["added", "removed", "added"]
        assert timeline.changes(asked, 0).summary["added"] == 1
        assert timeline.changes(asked, 2).items[0]["changes"] == {"topics": ["nato"]}


def test_a_change_of_membership_names_the_actor():
    with Timeline.temporary() as timeline:
        timeline.append(START)
        timeline.record(id="call", title="A call", actors=[{"id": "ann"}])
        since = timeline.position
        timeline.describe_actor(id="ann", kind="person", name="Ann", member_of=["team"])
        timeline.describe_actor(id="ann", kind="person", name="Ann Other", member_of=["team"])
        asked = parse_query([("actor", "team"), ("members", "true")])
        (item,) = timeline.changes(asked, since).items
        assert (item["change"], item["type"], item["actor"], item["changes"]) == ("added", "actor.described", "ann", {})


@pytest.mark.parametrize("number", [changes.FEW, 0])
def test_what_leaves_a_lane_is_found_though_its_newest_version_stands_elsewhere(number):
    with Timeline.temporary() as timeline:
        timeline.record(id="call", title="A call", topics=["nato"], when="2025-08-15")
        timeline.revise("call", {"topics": ["troops"]}, reason="another topic")
        timeline.revise("call", {"when": "2025-09-15"}, reason="another month")
        with few(number):
            for asked, since in (({"topic": ["nato"]}, 1), ({"to": "2025-08"}, 1), ({"to": "2025-08"}, 2)):
                check(timeline, asked, since, 3)
                item = timeline.changes(asks(asked), since).items[-1]
                assert (item["change"], item["before"].keys()) == ("removed", item["changes"].keys())


@pytest.mark.parametrize("number", [changes.FEW, 0])
def test_an_account_long_superseded_here_may_be_the_one_that_was_reported_then(number):
    """The version shown ended before the span begins: its successor rests on a source that came too late."""
    with Timeline.temporary() as timeline:
        for name, published in (("early", "2025-08-01"), ("other", "2025-08-02"), ("late", "2025-09-01")):
            timeline.describe_source(id=name, title=name, published=published)
        timeline.record(id="call", title="A call", topics=["nato"], citations=[{"source": "early"}])
        timeline.revise("call", {"topics": ["troops"], "citations": [{"source": "late"}]}, reason="a later report")
        since = timeline.position
        timeline.revise("call", {"citations": [{"source": "other"}]}, reason="another report")
        asked = {"topic": ["nato"], "reported_by": "2025-08-15"}
        with few(number):
            check(timeline, asked, since, timeline.position)
            assert [item["change"] for item in timeline.changes(asks(asked), since).items] == ["removed"]


@pytest.mark.parametrize("number", [changes.FEW, 0])
def test_a_group_that_joins_brings_the_events_of_its_members(number):
    with Timeline.temporary() as timeline:
        timeline.append(START)
        timeline.describe_actor(id="club", kind="group", name="Club")
        timeline.describe_actor(id="ann", kind="person", name="Ann", member_of=["club"])
        timeline.record(id="call", title="A call", actors=[{"id": "ann"}])
        since = timeline.position
        for groups in (["team"], []):
            timeline.describe_actor(id="club", kind="group", name="Club", member_of=groups)
        asked = {"actor": ["team"], "members": "true"}
        with few(number):
            check(timeline, asked, since, timeline.position)
            items = timeline.changes(asks(asked), since).items
        assert [(item["change"], item["event"], item["actor"]) for item in items] == [
            ("added", "call", "club"), ("removed", "call", "club")]


def test_spans_and_questions_that_cannot_be(monkeypatch):
    with Timeline.temporary() as timeline:
        timeline.record(id="call", title="A call")
        timeline.record(id="talk", title="A talk")
        with pytest.raises(NotFound, match="ends at position 2"):
            timeline.changes(parse_query([]), 3)
        with pytest.raises(NotFound, match="ends at position 2"):
            timeline.changes(parse_query([]), 0, 3)
        with pytest.raises(Malformed, match="from 2 on"):
            timeline.changes(parse_query([]), 2, 1)
        with pytest.raises(Malformed, match="leave out at"):
            timeline.changes(parse_query([("at", "1")]), 0)
        for place in ("x", "-1", "²", "1" * 17, ".call", "1." + "x" * 101):
            with pytest.raises(Malformed, match="expected a place"):
                timeline.changes(parse_query([]), 0, after=place)
        monkeypatch.setattr(changes, "MOST", 1)
        with pytest.raises(TooCostly, match="later position"):
            timeline.changes(parse_query([]), 0)


def test_groups_that_change_too_often_are_too_costly(monkeypatch):
    with Timeline.temporary() as timeline:
        timeline.append(START)
        timeline.record(id="call", title="A call", actors=[{"id": "ann"}])
        for groups in (["team"], [], ["team"]):
            timeline.describe_actor(id="ann", kind="person", name="Ann", member_of=groups)
        asked = parse_query([("actor", "team"), ("members", "true")])
        assert [item["change"] for item in timeline.changes(asked, 0).items] == ["added", "removed", "added"]
        monkeypatch.setattr(changes, "MOST_SPANS", 2)
        with pytest.raises(TooCostly, match="leave out members"):
            timeline.changes(asked, 0)


def test_whole_answers_are_never_compared(monkeypatch):
    """A change of one event among many is found through its own versions: nothing reads a page of the answer."""
    with Timeline.temporary() as timeline:
        timeline.append([{"type": "event.recorded", "event": {"id": f"e{n}", "title": "A talk"}} for n in range(300)])
        since = timeline.position
        timeline.revise("e7", {"title": "A call"}, reason="r")
        looked_at = []
        probe = changes._Probe.states

        def states(self, reader, places):
            looked_at.extend(places)
            return probe(self, reader, places)

        monkeypatch.setattr(changes._Probe, "states", states)
        monkeypatch.setattr(Reader, "page", None)
        for number in (changes.FEW, 0):
            looked_at.clear()
            with few(number):
                assert [item["event"] for item in timeline.changes(parse_query([]), since).items] == ["e7"]
            assert sorted(looked_at) == [("e7", since), ("e7", since + 1)]


# ---------------------------------------------------------------------------------------------- the real timeline


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with seeded(tmp_path_factory.mktemp("changes")) as client:
        yield client


def test_the_alaska_summit_was_corrected(client):
    found = client.get("/v1/changes?since=59&until=196&place=alaska").json()
    summit = [item for item in found["items"] if item["event"] == "alaska-summit"]
    assert {item["change"] for item in summit} == {"revised"}
    assert all(item["reason"] for item in summit)
    dates = [(item["before"]["when"], item["changes"]["when"]) for item in summit if "when" in item["changes"]]
    assert dates == [("[..2025-08-18]", "2025-08-11/2025-08-17"), ("2025-08-11/2025-08-17", "2025-08-15")]
    assert found["summary"]["corrected"] >= 1
    assert (found["since"], found["position"]) == (59, 196)


def test_every_pair_of_positions_of_the_real_timeline():
    with Timeline.temporary() as timeline:
        load_seeds(timeline)
        for asked in ({}, {"actor": ["united-states"], "members": "true"}, {"reported_by": "2025-08-20"},
                      {"from": "2025-08-15", "to": "2025-08-15", "match": "must"}, {"q": "troops"},
                      {"on": "about", "from": "2025-08-20"}):
            for since, until in ((0, 196), (59, 120), (100, 196), (196, 196)):
                check(timeline, asked, since, until)


def test_a_question_in_french_has_french_titles(client):
    items = client.get("/v1/changes?since=59&place=alaska&lang=fr-CA").json()["items"]
    assert "Rencontre Trump–Poutine en Alaska" in [item["title"] for item in items]


# ---------------------------------------------------------------------------------------------- over HTTP


def test_pages_lines_and_links(client):
    whole = client.get("/v1/changes?since=59&limit=1000").json()
    found, url = [], "/v1/changes?since=59&limit=50"
    while url:
        response = client.get(url)
        page = response.json()
        found += page["items"]
        url = page.get("next")
        assert page["position"] == whole["position"]
        assert page["summary"] == whole["summary"]
        assert response.headers.get("Link") == (f'<{url}>; rel="next"' if url else None)
        assert url is None or parse_qs(urlsplit(url).query)["until"] == [str(whole["position"])]
    assert found == whole["items"]
    lines = client.get("/v1/changes?since=59&limit=1000&f=ndjson")
    assert lines.headers["Content-Type"] == "application/x-ndjson"
    assert [json.loads(line) for line in lines.content.splitlines()] == found


def test_an_answer_stays_while_others_change(tmp_path):
    with seeded(tmp_path) as own_client:
        url = "/v1/changes?since=100&actor=karoline-leavitt"
        first = own_client.get(url)
        fixed = own_client.get(f"{url}&until={first.json()['position']}")
        assert "immutable" in fixed.headers["Cache-Control"]
        assert "immutable" not in first.headers["Cache-Control"]
        own_client.timeline.record(id="other", title="Another thing")
        assert own_client.get(url, headers={"If-None-Match": first.headers["ETag"]}).status_code == 304
        event = first.json()["items"][0]["event"]
        own_client.timeline.revise(event, {"title": "Otherwise"}, reason="a test")
        again = own_client.get(url, headers={"If-None-Match": first.headers["ETag"]}).json()
        assert (again["items"][-1]["event"], again["items"][-1]["reason"]) == (event, "a test")
        assert own_client.get(f"{url}&until={first.json()['position']}").content == fixed.content


@pytest.mark.parametrize(("question", "status", "pointer"), [
    ("since=100000", 404, None), ("until=100000", 404, None), ("since=100&until=99", 400, "?until"),
    ("since=x", 400, "?since"), ("until=-1", 400, "?until"), ("limit=0", 400, "?limit"), ("limit=1001", 400, "?limit"),
    ("after=nowhere", 400, "?after"), ("since=1&since=2", 400, "?since"), ("at=3", 400, "?at"), ("f=csv", 400, "?f"),
    ("cursor=x", 400, "?cursor"), ("order=desc", 400, "?order"), ("actor=donald-trumpp", 422, "?actor"),
])
def test_what_cannot_be_asked(client, question, status, pointer):
    problem(client.get(f"/v1/changes?{question}"), status, pointer)


# ---------------------------------------------------------------------------------------------- library, command line


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "timeline.db"
    with Timeline(path) as timeline:
        load_seeds(timeline)
    return path


def run(settings, *arguments, code=0):
    result = CliRunner().invoke(command, [str(each) for each in arguments], obj=settings)
    assert result.exit_code == code, result.output
    return result.stdout


def test_a_log_that_another_process_writes_can_be_asked(log):
    timeline = ReadOnlyTimeline.open(log)
    assert timeline.changes(parse_query([("place", "alaska")]), 59).summary["corrected"] >= 1
    timeline.close()


def test_the_command_tells_what_changed_and_why(log):
    settings = Settings(log, None, None, chosen=True)
    shown = run(settings, "--since", 59, "--until", 196, "--place", "alaska")
    for text in ("revised Trump and Putin meet in Alaska · alaska-summit", "why: ", "- [..2025-08-18]",
                 "+ 2025-08-11/2025-08-17", "from position 59 to 196", "of those known at 59 corrected"):
        assert text in shown
    assert run(settings, "--since", 196) == "0 events changed from position 196 to 196\n"
    found = json.loads(run(settings, "--since", 59, "--json"))
    assert found["summary"]["events_changed"] > 10
    assert len(found["items"]) > 50


def test_a_server_is_asked_page_by_page(log, monkeypatch, client):
    monkeypatch.setattr("timeline.cli.remote.MAX_LIMIT", 7)
    remote = Remote("http://testserver", None)
    remote._client.close()
    remote._client = client
    found = remote.changes([("since", "59"), ("until", "196"), ("topic", "us-troops")])
    with Timeline(log) as timeline:
        here = timeline.changes(parse_query([("topic", "us-troops")]), 59, 196)
    assert len(here.items) > 7
    assert [(item["position"], item["event"]) for item in found["items"]] == [
        (item["position"], item["event"]) for item in here.items]
    assert found["summary"] == here.summary
