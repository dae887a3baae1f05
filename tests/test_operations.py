"""Figures, request ids and log lines: they say what happened, name nobody, and nothing that is sent can forge them."""

import json
import logging
import re
import threading
import time
from contextlib import closing

import pytest
from api_client import problem, seeded, serving
from litestar import get
from litestar.testing import TestClient
from prometheus_client.parser import text_string_to_metric_families

from timeline import Timeline
from timeline.api.app import create_app
from timeline.api.hub import Hub, Listener
from timeline.api.operations import JsonLines, TextLines
from timeline.api.stream import Streams
from timeline.connections import open_reader
from timeline.log.sqlite import SqliteLog
from timeline.metrics import SIZES, Histogram, histogram, several, single
from timeline.views.store import views_path

EVENT = {"id": "press-call", "title": "A press call", "when": "2025-09-06"}


@pytest.fixture
def client(tmp_path):
    with seeded(tmp_path) as client:
        yield client


@pytest.fixture
def lines():
    """What the server's loggers were given, as records."""
    found = []

    class Keep(logging.Handler):
        def emit(self, record):
            found.append(record)

    keep, logger = Keep(), logging.getLogger("timeline")
    logger.addHandler(keep)
    yield found
    logger.removeHandler(keep)


def figures(client, **headers):
    """Read the figures as Prometheus does: (name, labels) -> value."""
    response = client.get("/metrics", headers=headers)
    assert response.status_code == 200
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(response.text) for sample in family.samples}


def counted(found, **labels):
    return sum(value for (name, own), value in found.items()
               if name == "timeline_http_requests_total" and labels.items() <= dict(own).items())


# ---------------------------------------------------------------------------------------------- the text format

def test_what_prometheus_reads_is_what_was_counted():
    figure = Histogram(SIZES)
    for value in (1, 2, 2, 3, 512, 513):
        figure.observe(value)
    weird = 'a"b\\c\nd'
    text = "\n".join([*histogram("h", "some sizes", figure), *single("g", "gauge", "one", 0.25),
                      *several("c_total", "counter", "many", [({"x": weird}, 2), ({"x": ""}, 10**15)])]) + "\n"
    families = {family.name: family for family in text_string_to_metric_families(text)}
    buckets = {sample.labels.get("le"): sample.value for sample in families["h"].samples}
    assert (buckets["1"], buckets["2"], buckets["4"], buckets["512"], buckets["+Inf"]) == (1, 3, 4, 5, 6)
    sizes = {sample.name: sample.value for sample in families["h"].samples}
    assert (sizes["h_sum"], sizes["h_count"]) == (1033, 6)
    assert families["g"].samples[0].value == 0.25
    assert [(sample.labels["x"], sample.value) for sample in families["c"].samples] == [(weird, 2), ("", 10**15)]


def test_metrics_are_what_prometheus_takes_and_nobody_keeps(client):
    response = client.get("/metrics")
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-store"
    families = text_string_to_metric_families(response.text)
    assert {family.type for family in families} == {"gauge", "counter", "histogram"}
    assert client.head("/metrics").content == b""


# ---------------------------------------------------------------------------------------------- figures

def test_head_lag_uptime_and_build_are_there(client):
    found = figures(client)
    assert found["timeline_log_position", ()] == client.timeline.position == 196
    assert found["timeline_views_lag_positions", ()] == 0
    assert found["timeline_writer_up", ()] == 1
    assert found["timeline_uptime_seconds", ()] >= 0
    [about] = [dict(labels) for name, labels in found if name == "timeline_build_info"]
    assert about.keys() == {"version", "python", "sqlite"}


def test_views_that_lag_are_counted_in_positions(client, monkeypatch):
    monkeypatch.setattr(type(client.timeline), "position", property(lambda _: 190))
    assert figures(client)["timeline_views_lag_positions", ()] == 6
    assert client.get("/readyz").status_code == 503


def test_appends_are_counted_with_their_time_and_those_refused_apart(client):
    before = figures(client)
    assert client.write("POST", "/v1/events", json=EVENT).status_code == 201
    assert client.write("POST", "/v1/events", json={**EVENT, "title": "Another"}).status_code == 409
    after = figures(client)
    grown = {name: after[name, ()] - before[name, ()] for name in (
        "timeline_append_seconds_count", "timeline_append_seconds_sum", "timeline_appends_refused_total",
        "timeline_append_group_requests_count", "timeline_log_position")}
    assert grown.pop("timeline_append_seconds_sum") > 0
    assert grown == {"timeline_append_seconds_count": 1, "timeline_appends_refused_total": 1,
                     "timeline_append_group_requests_count": 2, "timeline_log_position": 1}


def test_requests_that_wait_together_are_one_group(tmp_path, monkeypatch):
    with Timeline(tmp_path / "t.db") as timeline:
        entered, go = threading.Event(), threading.Event()
        commit = SqliteLog._commit

        def held(log, batch):
            entered.set()
            go.wait()
            return commit(log, batch)

        monkeypatch.setattr(SqliteLog, "_commit", held)
        change = [{"type": "event.recorded", "event": {"title": "x"}}]
        threads = [threading.Thread(target=timeline.append, args=(change,)) for _ in range(21)]
        threads[0].start()
        entered.wait()
        for thread in threads[1:]:
            thread.start()
        while timeline._writer._queue.qsize() < 20:
            time.sleep(0.001)
        go.set()
        for thread in threads:
            thread.join()
        groups = timeline.appends.groups
        assert (groups.sum, sum(groups.counts)) == (21, 2)
        assert sum(timeline.appends.seconds.counts) == 21


def test_answers_at_hand_and_answers_made_are_told_apart(client):
    def cache():
        found = figures(client)
        return tuple(found["timeline_answer_cache_total", (("result", each),)] for each in ("hit", "miss"))

    for _ in range(3):
        client.get("/v1/events?topic=us-troops")
    client.get("/v1/actors/donald-trump/timeline")
    assert cache() == (2, 2)
    client.write("POST", "/v1/events", json={**EVENT, "topics": ["us-troops"]})
    client.get("/v1/events?topic=us-troops")
    assert cache() == (2, 3)


def test_requests_are_counted_by_template_and_class_and_never_by_address(client):
    for id_ in ("alaska-summit", "washington-meeting", "nothing-of-that-name", "x" * 200):
        client.get(f"/v1/events/{id_}")
    for path in ("/wp-admin", "/.env", "/v1/nothing", "/v1/events/%0a%22"):
        client.get(path)
    client.get("/v1/events", headers={"If-None-Match": client.get("/v1/events").headers["ETag"]})
    client.request("BREW", "/v1/events")
    client.request("MILK", "/v1/events")
    client.get("/v1/events?limit=0")
    found = figures(client)
    assert counted(found, route="/v1/events/{id}", status="2xx", method="GET") == 2
    assert counted(found, route="/v1/events/{id}", status="4xx") == 3
    assert counted(found, route="none", status="4xx", method="GET") == 3
    assert counted(found, route="/v1/events", status="3xx") == 1
    assert counted(found, route="/v1/events", status="4xx", method="GET") == 1
    assert counted(found, method="other") == 2
    assert found["timeline_http_seconds_count", ()] == counted(found)
    text = client.get("/metrics").text
    assert not re.search("alaska|wp-admin|env|BREW|MILK|xxx", text)


def test_stream_clients_are_those_who_listen(client):
    hub = Hub(client.timeline)
    one, two = Listener(), Listener()
    hub._listeners |= {one, two}
    app = create_app(client.timeline, client.tokens, streams=Streams(client.timeline, hub))
    with TestClient(app) as watched:
        assert figures(watched)["timeline_stream_clients", ()] == 2
        hub.exit(one)
        assert figures(watched)["timeline_stream_clients", ()] == 1
        hub.exit(two)


# ---------------------------------------------------------------------------------------------- who may look

def test_figures_are_as_open_as_reading(tmp_path):
    with Timeline(tmp_path / "t.db") as timeline, serving(timeline, tmp_path, public_read=False) as client:
        problem(client.get("/metrics"), 401)
        problem(client.get("/metrics", headers={"X-Forwarded-For": "127.0.0.1"}), 401)
        reader = client.tokens.create("prometheus", ["read"])
        assert figures(client, Authorization=f"Bearer {reader}")["timeline_log_position", ()] == 0
        assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200


# ---------------------------------------------------------------------------------------------- request ids

@pytest.mark.parametrize("given", ["7f3c2a", "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", "a.b:c_d-E",
                                   "x" * 64])
def test_a_well_formed_id_is_taken(client, given):
    assert client.get("/v1", headers={"X-Request-Id": given}).headers["X-Request-Id"] == given
    answer = client.get("/v1/events/nothing", headers={"X-Request-Id": given})
    assert problem(answer, 404)["request_id"] == answer.headers["X-Request-Id"] == given


@pytest.mark.parametrize("given", [b"", b"x" * 65, b"a b", b"a\tb", b'"a"', b"<script>", "é".encode(), b"a\x00b",
                                   b"a,b"])
def test_any_other_id_is_replaced(client, given):
    found = client.get("/v1", headers={b"X-Request-Id": given}).headers["X-Request-Id"]
    assert re.fullmatch(r"[0-9a-f]{12}-[0-9a-f]{10}", found)


def test_every_error_has_an_id_of_its_own_and_a_good_answer_only_the_one_it_was_asked_with(client):
    answers = [client.get("/nowhere"), client.head("/nowhere"), client.get("/v1/events?limit=0"),
               client.post("/v1/events", json={}), client.request("BREW", "/v1"), client.get("/v1/events?datetime=["),
               client.get("/nowhere", headers={"Accept": "text/html"})]
    assert len({answer.headers["X-Request-Id"] for answer in answers}) == len(answers)
    for answer in (client.get("/v1"), client.head("/v1"), client.options("/v1"), client.get("/")):
        assert "X-Request-Id" not in answer.headers
    for method in ("GET", "HEAD", "OPTIONS"):
        assert client.request(method, "/v1", headers={"X-Request-Id": "mine"}).headers["X-Request-Id"] == "mine"
    assert "X-Request-Id" in client.get("/v1").headers["Access-Control-Expose-Headers"]


# ---------------------------------------------------------------------------------------------- lines

@get("/boom")
async def boom() -> None:
    raise RuntimeError("line one\n2026-11-21T00:00:00.000Z ERROR timeline forged\x1b[31m")


@pytest.fixture
def chatty():
    """Have a line for every request, as `timeline serve --log-requests` has it."""
    logger = logging.getLogger("timeline.access")
    logger.setLevel(logging.INFO)
    yield
    logger.setLevel(logging.NOTSET)


@pytest.fixture
def fragile(client):
    app = create_app(client.timeline, client.tokens, extra=[boom])
    with TestClient(app, raise_server_exceptions=False) as fragile:
        yield fragile


def shown(record, formatter):
    return formatter.format(record)


def test_a_failure_is_a_line_with_the_id_that_the_client_was_given(fragile, lines):
    told = problem(fragile.get("/boom", headers={"X-Request-Id": "abc-1"}), 500)
    assert told["request_id"] == "abc-1"
    error, access = lines
    assert (error.request_id, access.request_id, access.levelname) == ("abc-1", "abc-1", "WARNING")
    entry = json.loads(shown(error, JsonLines()))
    assert (entry["level"], entry["logger"], entry["request_id"]) == ("error", "timeline", "abc-1")
    assert "RuntimeError" in entry["exception"]
    assert json.loads(shown(access, JsonLines()))["status"] == 500


def test_no_text_from_outside_can_begin_a_line(chatty, fragile, lines):
    fragile.get("/boom")
    fragile.get("/v1/events/%0a2026-11-21T00:00:00.000Z%20ERROR%20forged%e2%80%a8x%1b[31m?q=secret")
    fragile.request("BREW", "/v1")
    assert len(lines) >= 4
    for record in lines:
        assert len(shown(record, JsonLines()).splitlines()) == 1
        assert shown(record, JsonLines()).isascii()
        first, *rest = shown(record, TextLines()).split("\n")
        assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (INFO|WARNING|ERROR) timeline", first)
        assert all(each.startswith("    ") for each in rest)
        assert first.isprintable()
        assert "secret" not in first


def test_a_quick_answer_that_did_not_fail_here_is_no_line(client, lines):
    client.get("/v1/events")
    client.get("/nowhere")
    assert lines == []


def test_where_every_request_is_a_line_it_says_route_path_status_and_whose_token_it_was(chatty, client, lines):
    client.get("/v1/events/alaska-summit?lang=fr", headers=client.writer)
    [line] = lines
    entry = json.loads(shown(line, JsonLines()))
    assert {name: entry[name] for name in ("method", "route", "path", "status", "token")} == {
        "method": "GET", "route": "/v1/events/{id}", "path": "/v1/events/alaska-summit", "status": 200,
        "token": "newsroom"}
    assert entry["ms"] >= 0
    assert "route=/v1/events/{id} path=/v1/events/alaska-summit status=200" in shown(line, TextLines())


def test_a_slow_answer_is_a_line(client, lines, monkeypatch):
    monkeypatch.setattr("timeline.api.operations.SLOW", 0.0)
    answer = client.get("/v1")
    assert [(line.levelname, line.told["route"]) for line in lines] == [("WARNING", "/v1")]
    assert answer.headers["X-Request-Id"] == lines[0].request_id


def test_secrets_are_in_no_line(chatty, client, lines):
    client.get("/v1/events", headers=client.writer)
    client.get("/v1/events", headers={"Authorization": "Bearer tl_wrong"})
    assert len(lines) == 2
    text = "".join(shown(line, form()) for line in lines for form in (JsonLines, TextLines))
    assert client.writer["Authorization"].split()[1] not in text
    assert "tl_wrong" not in text


# ---------------------------------------------------------------------------------------------- ready

def test_ready_means_that_appends_are_taken_and_nothing_is_left_to_fold(tmp_path):
    with Timeline(tmp_path / "t.db") as timeline:
        timeline.record(title="x")
        with serving(timeline, tmp_path) as client:
            assert client.get("/readyz").json() == {"ready": True, "log": 1, "views": 1, "writer": True}
            with closing(open_reader(views_path(timeline.path))) as views:
                assert views.execute("SELECT position FROM state").fetchone()[0] == 1
            timeline._writer.close()
            assert client.get("/readyz").status_code == 503
            assert figures(client)["timeline_writer_up", ()] == 0
            assert client.get("/healthz").status_code == 200
