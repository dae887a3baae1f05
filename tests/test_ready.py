"""Answers that are ready: the framework's own bytes, never those of before, never those that are not for everybody."""

import pytest
from litestar.testing import TestClient

from timeline import Timeline
from timeline.api.app import create_app
from timeline.api.ready import LARGEST, MOST, Ready, Shelf
from timeline.tokens import Tokens

SAME = ("date",)


@pytest.fixture
def timeline(tmp_path):
    with Timeline(tmp_path / "t.db") as opened:
        opened.describe_actor(id="ada", kind="person", name="Ada", names={"fr": "Ada L."})
        opened.record(id="one", title="One", summary="Some words. " * 200, when="2025-08-15", actors=[{"id": "ada"}])
        yield opened


@pytest.fixture
def client(timeline, tmp_path):
    tokens = Tokens(tmp_path / "tokens.db")
    with TestClient(create_app(timeline, tokens)) as client:
        client.write = {"Authorization": f"Bearer {tokens.create('a', ['admin'], None)}"}
        yield client


def shelf(client):
    return client.app.shelf


def told(response):
    return response.status_code, response.content, sorted(response.headers.multi_items())


@pytest.mark.parametrize("path", [
    "/v1/events", "/v1/events?f=csv", "/v1/actors/ada/timeline?limit=5", "/v1/events?at=2",
                                  "/v1/chart", "/", "/?lang=fr", "/events/one", "/actors/ada", "/compare", "/topics"])
@pytest.mark.parametrize("headers", [{}, {"Accept-Encoding": "identity"}, {"Accept": "text/csv, */*;q=0.1"},
                                     {"Accept-Language": "fr", "Host": "news.example"}])
def test_a_ready_answer_is_the_frameworks_own(client, path, headers):
    first = client.get(path, headers=headers)
    assert len(shelf(client)) == 1
    again = client.get(path, headers=headers)
    assert told(again) == told(first)
    assert len(shelf(client)) == 1


def test_nothing_is_ready_once_the_log_has_moved(client):
    before = client.get("/v1/events").json()["items"]
    client.get("/")
    client.post("/v1/events", json={"title": "Two", "when": "2025-08-16"}, headers=client.write)
    assert len(client.get("/v1/events").json()["items"]) == len(before) + 1
    assert "Two" in client.get("/").text


def test_a_pinned_answer_stays_ready(client):
    first = client.get("/v1/events?at=2")
    client.post("/v1/events", json={"title": "Two"}, headers=client.write)
    again = client.get("/v1/events?at=2")
    assert told(again) == told(first)


def test_nothing_is_ready_once_something_was_erased(client):
    assert "One" in client.get("/v1/events?at=2").text
    client.get("/?at=2")
    answer = client.post("/v1/erasures", headers=client.write,
                         json={"id": "one", "part": "body", "reason": "a court ordered it"})
    assert answer.is_success, answer.text
    assert "Some words" not in client.get("/v1/events?at=2").text
    assert "Some words" not in client.get("/?at=2").text


def test_what_differs_by_header_is_not_mixed_up(client):
    french, english, again = (client.get("/", headers={"Accept-Language": lang}).text for lang in ("fr", "en", "fr"))
    assert french == again != english
    for host in ("a.example", "b.example", "a.example"):
        assert f"http://{host}/" in client.get("/", headers={"Host": host}).text
    for accept, kind in (("text/csv", "text/csv"), ("application/json", "application/json"), ("text/csv", "text/csv")):
        assert client.get("/v1/events", headers={"Accept": accept}).headers["Content-Type"].startswith(kind)


def test_whoever_has_it_is_told_that_it_is_the_same(client):
    first = client.get("/v1/events")
    for etag, status in ((first.headers["ETag"], 304), ('"other"', 200), ("*", 304), (first.headers["ETag"], 304)):
        answer = client.get("/v1/events", headers={"If-None-Match": etag})
        assert answer.status_code == status
        assert answer.headers["ETag"] == first.headers["ETag"]
        assert answer.headers["Cache-Control"] == first.headers["Cache-Control"]
        assert bool(answer.content) == (status == 200)


@pytest.mark.parametrize("headers", [{"X-Request-Id": "mine"}, {"Accept-Datetime": "Thu, 01 Jan 2099 00:00:00 GMT"},
                                     {"Authorization": "Bearer wrong"}])
def test_what_is_for_one_request_alone_goes_the_long_way(client, headers):
    client.get("/v1/events")
    answer = client.get("/v1/events", headers=headers, follow_redirects=False)
    if "X-Request-Id" in headers:
        assert answer.headers["X-Request-Id"] == "mine"
    else:
        assert answer.status_code in (302, 401)
    assert "X-Request-Id" not in client.get("/v1/events").headers


def test_a_private_server_keeps_nothing_ready(timeline, tmp_path):
    tokens = Tokens(tmp_path / "private.db")
    with TestClient(create_app(timeline, tokens, public_read=False)) as client:
        secret = {"Authorization": f"Bearer {tokens.create('a', ['read'], None)}"}
        assert client.get("/v1/events", headers=secret).status_code == 200
        assert client.get("/v1/events").status_code == 401
        assert shelf(client) is None


def test_errors_heads_and_snapshots_are_not_kept(client):
    for path in ("/v1/events?from=never", "/events/nothing", "/v1/events/none", "/docs", "/readyz", "/snapshots"):
        client.get(path)
    client.head("/v1/events")
    assert len(shelf(client)) <= 1  # the list of snapshots is a page like others


def test_figures_count_ready_answers(client):
    for _ in range(3):
        client.get("/v1/events")
    figures = client.get("/metrics").text
    assert 'timeline_answer_cache_total{result="hit"} 2' in figures
    assert 'timeline_http_requests_total{method="GET",route="/v1/events",status="2xx"} 3' in figures


def test_the_shelf_is_bounded(timeline):
    kept = Shelf(timeline)
    for number in range(MOST + 10):
        kept.keep((f"/{number}", b"", ()), Ready([], b"x", b"", None, "/"), 0)
    assert len(kept) == MOST
    assert kept.find(("/0", b"", ())) is None
    assert kept.find((f"/{MOST + 9}", b"", ())) is not None
    kept.keep(("/large", b"", ()), Ready([], b"x" * (LARGEST + 1), b"", None, "/"), 0)
    assert kept.find(("/large", b"", ())) is None
    for number in range(300):
        kept.keep((f"/big{number}", b"", ()), Ready([], b"x" * LARGEST, b"", None, "/"), 0)
    assert len(kept) <= 130
