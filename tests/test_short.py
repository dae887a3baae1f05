"""The short way to a page of events and the framework's: the same bytes, the same figures, and no check less."""

import asyncio
import logging
import re

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from timeline import Timeline
from timeline.api import answers
from timeline.api import app as app_module
from timeline.api.app import common_headers, create_app
from timeline.api.limits import Limited, Limits
from timeline.errors import TimelineError
from timeline.tokens import Tokens

OURS = re.compile(rb"[0-9a-f]{12}-[0-9a-f]{10}")
"""An id that the server made for a request: another one for each."""

QUESTIONS = (
    "/v1/events", "/v1/events?", "/v1/events?limit=2", "/v1/events?from=2025-08-03&to=2025-08-09",
    "/v1/events?to=2025-08-04", "/v1/events?from=2025-08-03T00:00:00Z&to=2025-08-05T10:20:30+02:00",
    "/v1/events?from=2025-08-03T10:00:00%2B02:00", "/v1/events?datetime=2025-08-02/2025-08-05&limit=2&order=desc",
    "/v1/events?datetime=../2025-08&match=must", "/v1/events?actor=ada", "/v1/events?actor=ada&actor=bob&limit=3",
    "/v1/events?actor=nobody", "/v1/events?topic=tea", "/v1/events?kind=statement", "/v1/events?q=word",
    "/v1/events?q=%C3%A9t%C3%A9", "/v1/events?lang=fr", "/v1/events?at=4", "/v1/events?as_of=2100",
    "/v1/events?reported_by=2025-08-10", "/v1/events?on=about", "/v1/events?role=speaker&actor=ada",
    "/v1/events?members=true&actor=team", "/v1/events?tz=Europe/Paris&from=2025-08-03", "/v1/events?limit=1000",
    "/v1/events?f=csv", "/v1/events?f=ndjson&limit=2", "/v1/events?f=html", "/v1/events?f=ics&limit=2",
    "/v1/events?f=json", "/v1/actors/ada/timeline", "/v1/actors/ada/timeline?limit=2&f=csv",
    "/v1/actors/bob/timeline?from=2025-08-03", "/v1/events?from=never", "/v1/events?limit=0",
    "/v1/events?limit=2&limit=3", "/v1/events?colour=red", "/v1/events?f=doc",
    "/v1/events?from=2025-08-09&to=2025-08-03", "/v1/events?at=999", "/v1/events?cursor=abc", "/v1/events?actor=A%20B",
    "/v1/events?q=%FF", "/v1/events?tz=Mars", "/v1/events?" + "a=b&" * 300, "/v1/events?q=" + "a" * 20_000,
    "/v1/actors/nobody/timeline", "/v1/actors/ada/timeline?actor=bob", "/v1/actors/A%20B/timeline",
    "/v1/actors//timeline", "/v1/actors/" + "a" * 101 + "/timeline", "/v1/actors/ada-/timeline", "/v1/events/",
    "//v1/events", "/v1/actors/ada/timeline/",
)
HEADERS = (
    {}, {"accept": "application/json"}, {"accept": "text/csv, */*;q=0.1"}, {"accept": "text/html"},
    {"accept": "image/png"}, {"accept-encoding": "gzip, br"}, {"accept-encoding": "gzip;q=0"}, {"if-none-match": "*"},
    {"if-none-match": '"other"'}, {"host": "news.example:8443"}, {"host": "[::1]:80"}, {"host": "no host"},
    {"host": ""}, {"host": "a,b"}, {"x-request-id": "mine"}, {"authorization": "Bearer wrong"},
    {"authorization": "Basic xyz"}, {"accept-datetime": "Thu, 01 Jan 2099 00:00:00 GMT"}, {"accept-datetime": "now"},
    {"range": "bytes=0-9"}, {"origin": "https://other.example", "access-control-request-method": "GET"},
    {"accept-language": "fr", "cookie": "a=b"},
)


@pytest.fixture(scope="module")
def timeline(tmp_path_factory):
    with Timeline(tmp_path_factory.mktemp("short") / "t.db") as opened:
        opened.describe_actor(id="ada", kind="person", name="Ada", names={"fr": "Ada L."})
        opened.describe_actor(id="team", kind="organisation", name="Team")
        opened.describe_actor(id="bob", kind="person", name="Bob", member_of=["team"])
        opened.describe_source(id="paper", title="Paper", published="2025-08-05")
        for day in range(1, 10):
            opened.record(
                id=f"day-{day}", title=f'Day {day}, "quoted"', summary="Some words,\nété. " * (400 if day == 3 else 9),
                when=f"2025-08-0{day}", about="2024" if day % 2 else "2023", topics=["tea"] if day % 3 else [],
                actors=[{"id": "ada", "role": "speaker"}] + ([{"id": "bob"}] if day > 4 else []),
                kind="statement" if day % 2 else "occurrence", citations=[{"source": "paper"}],
            )
        opened.record(id="undated", title="Undated")
        for number in range(300):
            opened.record(id=f"many-{number}", title=f"Many {number}", when="1999", summary="w " * 400, topics=["many"])
        opened.retract("day-9", reason="wrong")
        yield opened


class Both:
    """One application that has short ways and one that has none, over the same timeline; both are asked the same."""

    def __init__(self, timeline, folder, *, wrapped=False, **limits):
        self.tokens = Tokens(folder / "tokens.db")
        self.limits = Limits(**limits), Limits(**limits)
        self.apps = [create_app(timeline, self.tokens, limits=each) for each in self.limits]
        self.apps[1].short = ()
        self.asked = [Limited(app, limits, common_headers) if wrapped else app
                      for app, limits in zip(self.apps, self.limits, strict=True)]

    async def one(self, app, method, path, headers, client=("127.0.0.1", 1)):
        raw, _, query = path.partition("?")
        given = {"host": "127.0.0.1", **headers}
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
            "path": raw.replace("%20", " "), "raw_path": raw.encode(), "query_string": query.encode(), "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in given.items() if value],
            "client": client, "server": ("127.0.0.1", 80), "extensions": {}, "state": {},
        }
        messages = []

        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            messages.append({**message, "headers": list(message["headers"])} if "headers" in message else dict(message))

        await app(scope, receive, send)
        return messages

    def told(self, method, path, headers=(), **more):
        """Give what both send, ids of our own making left out."""
        async def ask():
            return [await self.one(app, method, path, dict(headers), **more) for app in self.asked]

        return [OURS.sub(b"-", repr(messages).encode()) for messages in asyncio.run(ask())]

    def same(self, method, path, headers=(), **more):
        short, long = self.told(method, path, headers, **more)
        assert short == long
        return short

    def figures(self):
        """Give what both count, times left out."""
        told = asyncio.run(self._metrics())
        return [[line for line in text.splitlines() if re.match(
            r"timeline_(http_requests|answer_cache|refused|requests_in|large)", line)] for text in told]

    async def _metrics(self):
        return [(await self.one(app, "GET", "/metrics", {}))[1]["body"].decode() for app in self.apps]


@pytest.fixture(scope="module")
def both(timeline, tmp_path_factory):
    return Both(timeline, tmp_path_factory.mktemp("both"))


@pytest.fixture
def framework(monkeypatch):
    """Count what the framework is asked."""
    count, own = [], Litestar.__call__

    async def counted(self, scope, receive, send):
        count.append(scope["path"])
        await own(self, scope, receive, send)

    monkeypatch.setattr(Litestar, "__call__", counted)
    return count


@pytest.mark.parametrize("path", QUESTIONS)
def test_every_question_is_answered_the_same_by_both_ways(both, path):
    for headers in HEADERS:
        both.same("GET", path, headers.items())
        both.same("GET", path, headers.items())  # now that it is ready
    for method in ("HEAD", "OPTIONS", "DELETE"):
        both.same(method, path)


def test_both_ways_count_the_same(timeline, tmp_path):
    both = Both(timeline, tmp_path)
    for path in QUESTIONS:
        for _ in range(2):
            both.same("GET", path)
    short, long = both.figures()
    assert short == long
    assert any('route="/v1/actors/{id}/timeline",status="2xx"} ' in line for line in short)


def test_plain_questions_are_not_asked_of_the_framework(timeline, tmp_path, framework):
    both = Both(timeline, tmp_path)
    for path in ("/v1/events", "/v1/events?from=2025-08&limit=2", "/v1/events?q=word&f=csv", "/v1/actors/ada/timeline"):
        asyncio.run(both.one(both.apps[0], "GET", path, {"accept-encoding": "gzip"}))
    assert framework == []
    for path in ("/v1/events?from=never", "/v1/events/day-1", "/v1/actors", "/v1/events/", "/v1/actors/a_b/timeline"):
        asyncio.run(both.one(both.apps[0], "GET", path, {}))
    for headers in ({"host": "no host"}, {"authorization": "Bearer no"}, {"x-request-id": "mine"}):
        asyncio.run(both.one(both.apps[0], "GET", "/v1/events?limit=7", headers))
    assert len(framework) == 8


def test_an_etag_of_the_one_way_is_known_to_the_other(timeline, tmp_path):
    both = Both(timeline, tmp_path)
    start = asyncio.run(both.one(both.apps[1], "GET", "/v1/events?limit=3", {}))[0]
    etag = dict(start["headers"])[b"etag"].decode()
    assert b"'status': 304" in both.same("GET", "/v1/events?limit=3", {"if-none-match": etag}.items())


def test_pages_follow_each_other_the_same(both):
    path = "/v1/events?limit=4"
    for _ in range(5):
        sent = both.same("GET", path)
        path = re.search(rb'"next":"([^"]*)"', sent)[1].decode()
    assert "cursor=" in path


def test_a_server_that_is_full_says_so_once(timeline, tmp_path):
    both = Both(timeline, tmp_path, requests=1)
    for limits in both.limits:
        limits.places.enter("203.0.113.1")
    assert b"'status': 503" in both.same("GET", "/v1/events?limit=5")
    for limits in both.limits:
        limits.places.leave("203.0.113.1")
    assert b"'status': 200" in both.same("GET", "/v1/events?limit=5")
    assert [limits.refused["busy"] for limits in both.limits] == [1, 1]
    assert [limits.places.taken for limits in both.limits] == [0, 0]
    short, long = both.figures()
    assert short == long


def test_an_address_that_asks_too_often_is_refused_the_same(timeline, tmp_path):
    clocked = {"rate": 0.2, "clock": lambda: 5.0}
    both = Both(timeline, tmp_path, wrapped=True, **clocked)
    statuses = [re.search(rb"'status': (\d+)", both.same("GET", f"/v1/events?limit={n}", client=("203.0.113.9", 1)))[1]
                for n in range(1, 5)]
    assert statuses == [b"200", b"200", b"429", b"429"]
    assert [limits.refused["address"] for limits in both.limits] == [2, 2]


def test_a_large_answer_is_handed_over_in_pieces_the_same(both):
    sent = both.same("GET", "/v1/events?topic=many&limit=1000")
    assert sent.count(b"http.response.body") > 2
    assert [limits.deliveries.taken for limits in both.limits] == [0, 0]
    assert not [key for app in both.apps for key in app.shelf._kept if b"many" in key[1]]


def test_a_question_that_takes_too_long_is_refused_the_same(timeline, tmp_path, monkeypatch):
    class Costly(TimelineError):
        code, status, title = "too-costly", 503, "Too costly"

    def raising(*_):
        raise Costly("the question took longer than 2 s: narrow the date range or add a filter", retry_after=1)

    both = Both(timeline, tmp_path)
    monkeypatch.setattr(answers, "time_budget", raising)
    assert b"'status': 503" in both.same("GET", "/v1/events?limit=6")
    assert [limits.places.taken for limits in both.limits] == [0, 0]


def test_what_crashes_is_told_and_logged_the_same(timeline, tmp_path, monkeypatch, caplog):
    def crash(*_):
        raise ZeroDivisionError("a secret")

    both = Both(timeline, tmp_path)
    monkeypatch.setattr(answers, "time_budget", crash)
    with caplog.at_level(logging.ERROR):
        sent = both.same("GET", "/v1/events?limit=6")
    assert b"'status': 500" in sent
    assert b"secret" not in sent
    assert [record.message for record in caplog.records] == ["unexpected error"] * 2
    assert all(record.exc_info[0] is ZeroDivisionError for record in caplog.records)


def test_access_lines_are_the_same(timeline, tmp_path, monkeypatch, caplog):
    with caplog.at_level(logging.INFO, "timeline.access"):
        both = Both(timeline, tmp_path)
        both.same("GET", "/v1/events?limit=6")
        both.same("GET", "/v1/events?limit=no")
    told = [{name: value for name, value in record.told.items() if name != "ms"} for record in caplog.records]
    assert [told[0], told[2]] == [told[1], told[3]]
    assert [each["status"] for each in told] == [200, 200, 400, 400]


def test_a_private_server_has_no_short_way(timeline, tmp_path):
    app = create_app(timeline, Tokens(tmp_path / "private.db"), public_read=False)
    assert app.short == ()
    with TestClient(app) as client:
        assert client.get("/v1/events").status_code == 401


def test_an_error_on_the_short_way_is_of_the_handler_alone(timeline, tmp_path, monkeypatch):
    """What goes wrong once the answer has begun is not answered again."""
    both = Both(timeline, tmp_path)
    started = []

    async def send(message):
        started.append(message["type"])
        raise ConnectionError("gone")

    scope = {"type": "http", "method": "GET", "path": "/v1/events", "query_string": b"", "headers": [(b"host", b"a")],
             "client": None, "root_path": "", "state": {}}
    with pytest.raises(ConnectionError):
        asyncio.run(both.apps[0](scope, None, send))
    assert started == ["http.response.start"]


def test_the_addresses_that_are_short_are_in_the_table():
    assert app_module.SHORT == ("/v1/events", "/v1/actors/{id}/timeline")
