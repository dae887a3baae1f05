"""A page ends once it is large, whatever its limit: nothing is lost or said twice, in any format that has pages."""

import json
import tracemalloc
from contextlib import closing

import pytest
from api_client import serving

from timeline import Timeline
from timeline.api import reads
from timeline.formats import FORMATS
from timeline.query import parse_query
from timeline.views import reader

FEW = 40
LONG = "Long words, and so many of them. " * 600
SMALL_PAGE = 4_000


def event(number, **more):
    return {"id": f"event-{number}", "title": f"Event {number} · é", "when": f"2025-08-{number % 28 + 1:02d}",
            "topics": ["talks"], "actors": [{"id": "ada"}], **more}


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    with Timeline(folder / "timeline.db") as timeline:
        people = ["ada", *(f"person-{number}" for number in range(FEW))]
        timeline.append([{"type": "actor.described", "actor": {"id": id_, "kind": "person", "name": "Ada",
                                                               "note": LONG[:1000]}} for id_ in people])
        timeline.append([{"type": "event.recorded", "event": event(number, summary="é" * (number * 30))}
                         for number in range(FEW)])
        with serving(timeline, folder) as client:
            yield client


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(reader, "PAGE_BYTES", SMALL_PAGE)


def walked(client, url, **headers):
    """Go from page to page by Link, as in every format."""
    pages = []
    while url:
        pages.append(client.get(url, headers=headers))
        assert pages[-1].status_code == 200, pages[-1].text
        link = pages[-1].links.get("next")
        url = link["url"] if link else None
    return pages


QUESTIONS = ("limit=1000", "limit=60&order=desc", "topic=talks&limit=200", "from=2025-08-05&to=2025-08-20&limit=1000",
             "q=event&limit=1000", "limit=7")


@pytest.mark.parametrize("question", QUESTIONS)
def test_pages_that_end_early_give_the_same_events_in_the_same_order(client, monkeypatch, question):
    whole = [item for page in walked(client, f"/v1/events?{question}") for item in page.json()["items"]]
    client.timeline.record(id=f"later-{QUESTIONS.index(question)}", title="Later", when="1900")  # no answer is cached
    monkeypatch.setattr(reader, "PAGE_BYTES", SMALL_PAGE)
    position = client.timeline.position - 1
    pages = walked(client, f"/v1/events?{question}&at={position}")
    found = [page.json()["items"] for page in pages]
    assert [item for items in found for item in items] == whole
    sizes = [sum(len(json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode()) for item in items)
             for items in found]
    assert max(sizes) <= SMALL_PAGE
    assert len(pages) > len(whole) // 7
    assert all(page.json()["next"] == page.links["next"]["url"] for page in pages[:-1])


@pytest.mark.parametrize("format_", [name for name in FORMATS if name not in {"json", "html"}])
def test_every_format_has_the_next_page_in_its_link(client, small, format_):
    pages = walked(client, f"/v1/events?limit=1000&f={format_}")
    assert len(pages) > 5
    told = b"".join(page.content for page in pages)
    for number in range(FEW):
        assert f"Event {number} ".encode() in told or b"Event%20" in told


def test_one_event_is_always_in_a_page(client, monkeypatch):
    monkeypatch.setattr(reader, "PAGE_BYTES", 10)
    pages = walked(client, "/v1/events?limit=1000&from=2025-08&to=2025-08")
    assert [len(page.json()["items"]) for page in pages] == [1] * FEW


def test_an_actors_timeline_and_the_library_go_on_too(client, small):
    assert len(walked(client, "/v1/actors/ada/timeline?limit=1000")) > 5
    assert len(list(client.timeline.events(actor="ada", limit=1000))) == FEW
    assert len(client.timeline.ask(parse_query([("actor", "ada"), ("limit", "1000")])).bodies) < FEW


def test_a_page_that_is_just_full_is_the_last(client, monkeypatch):
    query = parse_query([("limit", "1000"), ("actor", "ada")])
    found = client.timeline.reader()
    whole = found.page(query, client.timeline.position)
    monkeypatch.setattr(reader, "PAGE_BYTES", len(whole.text.encode()) + 1)
    assert found.page(query, client.timeline.position) == whole
    monkeypatch.setattr(reader, "PAGE_BYTES", len(whole.text.encode()) - 1)
    cut = found.page(query, client.timeline.position)
    assert len(cut.bodies) == FEW - 1
    assert cut.last is not None


def test_the_bound_does_not_stay_with_the_connection(client, small):
    found = client.timeline.reader()
    found.page(parse_query([("limit", "1000")]), client.timeline.position)
    assert found.connection.execute("SELECT length(zeroblob(1000000))").fetchone() == (1_000_000,)


@pytest.mark.parametrize("limit", [3, 1000])
def test_actors_end_early_and_go_on(client, monkeypatch, limit):
    def ids(pages):
        return [item["id"] for page in pages for item in page.json()["items"]]

    whole = walked(client, f"/v1/actors?limit={limit}")
    monkeypatch.setattr(reader, "PAGE_BYTES", SMALL_PAGE)
    monkeypatch.setattr(reads, "AT_ONCE", 2)
    pages = walked(client, f"/v1/actors?limit={limit}&at={client.timeline.position}")
    assert ids(pages) == ids(whole)
    assert len(ids(whole)) == FEW + 1
    assert len(pages) >= len(whole)
    assert max(len(page.content) for page in pages) < 2 * SMALL_PAGE


def test_records_are_read_a_few_at_a_time(client, monkeypatch):
    asked = []
    records = client.timeline.records

    def some(after, limit):
        asked.append(limit)
        return records(after, limit)

    monkeypatch.setattr(client.timeline, "records", some)
    items = [item for page in walked(client, "/v1/records?limit=1000") for item in page.json()["items"]]
    assert [item["position"] for item in items] == list(range(1, client.timeline.position + 1))
    assert max(asked) == reads.AT_ONCE


@pytest.mark.slow
def test_a_thousand_events_of_a_megabyte_are_not_held_at_once(tmp_path):
    languages = [f"x{chr(97 + one)}{chr(97 + two)}" for one in range(7) for two in range(7)]
    large = {language: {"title": "T", "summary": LONG[:19_000]} for language in languages}
    with Timeline(tmp_path / "timeline.db") as timeline:
        for number in range(70):
            timeline.record(**event(number, actors=[], translations=large))
        with closing(timeline):
            query = parse_query([("limit", "1000")])
            tracemalloc.start()
            answer = timeline.ask(query)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            size = sum(map(len, answer.bodies))
    assert reader.PAGE_BYTES * 0.9 < size <= reader.PAGE_BYTES
    assert answer.cursor is not None
    assert peak < 4 * reader.PAGE_BYTES
