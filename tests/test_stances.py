"""Who stood where on a topic, page by page: as the whole list, changes of stance included."""

import itertools
import json

import pytest
from api_client import problem, serving

from timeline import Timeline, parse_query
from timeline.query import Query
from timeline.reading import Reading
from timeline.views import reader

ADDRESS = "/v1/topics/treaty/positions"
PLACES = ("for", "against", "open", "for", "conditional", "unclear", "against")
PEOPLE = ("ada", "bo", "cy")


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stances")
    with Timeline(folder / "timeline.db") as timeline:
        timeline.append([{"type": "actor.described", "actor": {"id": id_, "kind": "person", "name": id_}}
                         for id_ in (*PEOPLE, "late")])
        places = itertools.cycle(PLACES)
        for number in range(40):
            stances = [{"actor": PEOPLE[(number + step) % 3], "topic": "treaty", "position": next(places),
                        "note": "é" * 50} for step in range(number % 4)]
            if number in (11, 38):
                stances.append({"actor": "late", "topic": "treaty", "position": next(places)})
            stances.append({"actor": "ada", "topic": "other", "position": "open"})
            timeline.record(id=f"event-{number}", title=f"Event {number}", when=f"2025-{number // 4 + 1:02d}",
                            topics=["treaty", "other"], actors=[{"id": "ada"}], stances=stances)
        with serving(timeline, folder) as client:
            yield client


def walked(client, url):
    pages = []
    while url:
        response = client.get(url)
        assert response.status_code == 200, response.text
        pages.append(response.json())
        url = pages[-1].get("next")
        assert url == (response.links["next"]["url"] if "next" in response.links else None)
    return pages


@pytest.mark.parametrize("limit", [1, 2, 7, 39, 40, 41])
@pytest.mark.parametrize("question", ["", "&actor=ada", "&from=2025-03&to=2025-08", "&at=30"])
def test_pages_together_are_the_whole_list(client, limit, question):
    whole = client.get(f"{ADDRESS}?{question.removeprefix('&')}").json()
    assert "next" not in whole
    assert any("changed_from" in item for item in whole["items"])
    pages = walked(client, f"{ADDRESS}?limit={limit}{question}")
    assert [item for page in pages for item in page["items"]] == whole["items"]
    assert {page["position"] for page in pages} == {whole["position"]}
    assert all(len({item["event"] for item in page["items"]}) <= limit for page in pages)


def test_the_whole_list_is_the_librarys(client):
    assert client.get(ADDRESS).json()["items"] == json.loads(json.dumps(client.timeline.positions("treaty")))


def test_a_page_that_is_too_large_ends_after_an_event(client, monkeypatch):
    whole = client.get(ADDRESS).json()["items"]
    items, following = client.timeline.stances("treaty", Query(limit=1000))
    assert (items, following) == (client.timeline.positions("treaty"), None)
    monkeypatch.setattr("timeline.reading.PAGE_BYTES", 2_000)
    pages = walked(client, f"{ADDRESS}?limit=1000&tz=UTC")
    assert len(pages) > 5
    assert [item for page in pages for item in page["items"]] == whole
    for before, after in itertools.pairwise(pages):
        assert before["items"][-1]["event"] != after["items"][0]["event"]


def test_pages_of_events_that_are_too_large_go_on_too(client, monkeypatch):
    whole = client.get(ADDRESS).json()["items"]
    monkeypatch.setattr(reader, "PAGE_BYTES", 3_000)
    pages = walked(client, f"{ADDRESS}?limit=1000&retracted=include")
    assert len(pages) > 5
    assert [item for page in pages for item in page["items"]] == whole


def test_a_page_reads_back_no_further_than_it_has_to(client, monkeypatch):
    read = []
    bodies = Reading.bodies

    def counting(self, query):
        for body in bodies(self, query):
            read.append(body)
            yield body

    first = client.get(f"{ADDRESS}?limit=38&actor=ada").json()
    monkeypatch.setattr(Reading, "bodies", counting)
    following = client.get(first["next"]).json()["items"]
    assert {item["actor"] for item in following} >= {"bo", "late"}
    assert len(read) == 27  # to event 11, where `late` was heard last
    read.clear()
    assert client.get(f"{ADDRESS}?limit=5").json()["items"]
    assert not read


@pytest.mark.parametrize(("rest", "pointer"), [
    ("limit=0", "?limit"), ("limit=1001", "?limit"), ("limit=x", "?limit"), ("limit=1&limit=2", "?limit"),
    ("cursor=nonsense", "?cursor"), ("topic=other", "?topic"), ("order=desc", "?order"),
])
def test_what_is_wrong_is_named(client, rest, pointer):
    problem(client.get(f"{ADDRESS}?{rest}"), 400, pointer)


def test_a_cursor_is_good_for_its_own_question_alone(client):
    following = client.get(f"{ADDRESS}?limit=2").json()["next"]
    problem(client.get(following.replace("/treaty/", "/other/")), 400, "?cursor")
    problem(client.get(f"{following}&actor=ada"), 400, "?cursor")
    cursor = following.partition("cursor=")[2]
    problem(client.get(f"/v1/events?limit=2&cursor={cursor}"), 400, "?cursor")
    assert client.get(f"/v1/events?topic=treaty&limit=2&cursor={cursor}").status_code == 200  # the very same question


def test_a_question_of_its_own_can_be_paged_in_the_library(client):
    query = parse_query([("actor", "ada"), ("limit", "3")])
    items, last = client.timeline.stances("treaty", query)
    assert last is not None
    assert {item["event"] for item in items} <= {"event-0", "event-1", "event-2"}
