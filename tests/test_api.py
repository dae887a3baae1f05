"""The API over HTTP: answers, filters, caching, negotiation, writing, and every way to be refused."""

import csv
import gzip
import io
import json
import logging
import re

import pytest
from api_client import load_seeds, problem, seeded, serving

from timeline import Timeline
from timeline.api import asking, reads
from timeline.api.answers import AnswerCache, Cached
from timeline.api.pages import Assets, explained
from timeline.api.routes import table
from timeline.formats import FORMATS
from timeline.query import Query
from timeline.snapshots import publish
from timeline.tlog import Signer

VALUES = {
    "/v1/events/{id}": "alaska-summit",
    "/v1/actors/{id}": "donald-trump",
    "/v1/topics/{id}": "us-troops",
    "/v1/sources/{id}": "report-2025-08-18-us-troops-possible",
    "/v1/records/{position}": "1",
    "/v1/snapshots/{id}": "",  # the fixture publishes one: its id depends on the log
    "/snapshots/{id}": "",
    "/v1/timemap/events/{id}": "alaska-summit",
    "/v1/timemap/actors/{id}": "donald-trump",
    "/events/{id}": "alaska-summit",
    "/actors/{id}": "donald-trump",
    "/topics/{id}": "us-troops",
    "/embed/events/{id}": "alaska-summit",
    "/embed/snapshots/{id}": "",
    "/problems/{code}": "malformed",
    "/assets/{name}": "page.css",
    "/tile/{tile:path}": "entries/000.p/5",
}
NEEDED = {"/v1/proofs/inclusion": "?position=5", "/v1/proofs/consistency": "?old=5",
          "/oembed": "?url=http://testserver.local/"}
"""Parameters without which there is nothing to answer."""

EVENT = {"title": "A thing happens", "when": "2025-08-20", "actors": [{"id": "donald-trump", "role": "agent"}]}


def address(path):
    for start, value in VALUES.items():
        if path.startswith(start):
            return path.replace(start, start.partition("{")[0] + value)
    return path


def question(path):
    return address(path) + NEEDED.get(path, "")


def routes():
    with Timeline.temporary() as timeline:
        table_ = table(timeline, Assets())
    found = [(route.method, route.path) for route in table_]
    endless = {route.path for route in table_ if route.endless}
    return [*found, ("GET", "/v1/openapi.json"), ("GET", "/healthz"), ("GET", "/readyz")], endless


ROUTES, ENDLESS = routes()
"""ENDLESS: addresses whose answers never end, so they cannot be read whole. tests/test_stream.py reads those."""

PATHS = sorted({path for _, path in ROUTES})
READ = sorted(path for method, path in ROUTES if method == "GET" and path not in ENDLESS)


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """Read only: the tests that write have a timeline of their own."""
    with seeded(tmp_path_factory.mktemp("api")) as client:
        client.timeline.sign_with(Signer(client.timeline.origin, bytes(32)))
        id_ = publish(client.timeline, Query(actors=("karoline-leavitt",))).snapshot.id
        VALUES.update({"/v1/snapshots/{id}": id_, "/snapshots/{id}": id_, "/embed/snapshots/{id}": id_})
        yield client


@pytest.fixture
def own(tmp_path):
    with seeded(tmp_path) as client:
        yield client


def ids(response):
    assert response.status_code == 200, response.text
    return [item["id"] for item in response.json()["items"]]


# ---------------------------------------------------------------------------------------------- every route


@pytest.mark.parametrize("path", READ)
def test_get(client, path):
    response = client.get(question(path))
    assert response.status_code == 200
    assert response.content
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("coding", ["gzip", "identity"])
@pytest.mark.parametrize("path", READ)
def test_head_is_get_without_a_body(client, path, coding):
    got, head = (
        client.request(method, question(path), headers={"Accept-Encoding": coding}) for method in ("GET", "HEAD")
    )
    assert head.status_code == got.status_code
    assert head.content == b""
    assert head.headers == got.headers


@pytest.mark.parametrize("path", READ)
def test_304(client, path):
    first = client.get(question(path))
    if "ETag" not in first.headers:
        assert path in ("/healthz", "/readyz") or first.headers["Cache-Control"] == "no-store"
    for method in ("GET", "HEAD"):
        again = client.request(method, question(path), headers={"If-None-Match": f'"x", {first.headers["ETag"]}'})
        if first.headers["Cache-Control"] != "no-store":
            assert again.status_code == 304
            assert again.content == b""
            assert "Content-Length" not in again.headers
            assert again.headers["ETag"] == first.headers["ETag"]
            assert again.headers["Vary"] == first.headers["Vary"]
            assert again.headers["Cache-Control"] == first.headers["Cache-Control"]


@pytest.mark.parametrize("path", PATHS)
def test_options_and_405_list_the_same_methods(client, path):
    methods = {method for method, other in ROUTES if other == path} | {"OPTIONS"}
    methods |= {"HEAD"} if "GET" in methods else set()
    response = client.options(address(path))
    assert response.status_code == 204
    assert response.content == b""
    assert set(response.headers["Allow"].split(", ")) == methods
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"} - methods:
        refused = client.request(method, address(path))
        problem(refused, 405)
        assert refused.headers["Allow"] == response.headers["Allow"]


@pytest.mark.parametrize("path", [path for path in READ if path.startswith("/v1")])
def test_parameters_nobody_knows_are_refused(client, path):
    if path in ("/v1", "/v1/openapi.json"):
        return
    problem(client.get(address(path), params={"colour": "red"}), 400, "?colour")
    bad = client.get(address(path) + "?q=%ff")
    problem(bad, 400, "?q")
    assert bad.headers["Access-Control-Allow-Origin"] == "*"
    problem(client.get(address(path) + "?a=" + "x" * 20_000), 414)
    problem(client.get(address(path) + "?" + "a=1&" * 300), 400, "?")


@pytest.mark.parametrize("path", [path for path in PATHS if "{" in path])
@pytest.mark.parametrize("name", ["%00", "%ff", "nothing-of-the-kind", "A", "a" * 5000, "..%2f..%2fetc", "%0d%0aX:1"])
def test_nothing_there(client, path, name):
    url = re.sub(r"\{[\w:]+\}", name, path)
    response = client.get(url)
    if path.startswith("/v1/topics") and name == "nothing-of-the-kind":
        assert ids(response) if response.json()["items"] else True
        return
    if path.endswith("/{position}"):
        assert response.status_code in (400, 404)
    elif response.headers["Content-Type"].startswith("text/html"):
        assert response.status_code == 404
    else:
        problem(response, 404)


def test_cors_is_for_reads_only(client):
    asked = {"Origin": "https://example.org", "Access-Control-Request-Method": "GET"}
    allowed = client.options("/v1/events", headers=asked)
    assert allowed.headers["Access-Control-Allow-Origin"] == "*"
    assert allowed.headers["Access-Control-Allow-Methods"] == "GET, HEAD"
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        refused = client.options("/v1/events", headers={**asked, "Access-Control-Request-Method": method})
        assert not [name for name in refused.headers if name.startswith("access-control-allow")]
    written = client.write("POST", "/v1/events", json={})
    assert "Access-Control-Allow-Origin" not in written.headers
    for path in ("/v1/events?limit=0", "/nope", "/v1/events/nope"):
        assert client.get(path).headers["Access-Control-Allow-Origin"] == "*"


# ---------------------------------------------------------------------------------------------- questions

FILTERS = [
    (
        "from=2025-08-18&to=2025-08-19",
        lambda e: (e["latest"] or "9") >= "2025-08-18" and (e["earliest"] or "0") < "2025-08-20",
    ),
    (
        "datetime=2025-08-18/2025-08-19&match=must",
        lambda e: "2025-08-18" <= e["earliest"] <= e["latest"] < "2025-08-20",
    ),
    ("actor=karoline-leavitt", lambda e: "karoline-leavitt" in [a["id"] for a in e["actors"]]),
    (
        "actor=karoline-leavitt&role=speaker",
        lambda e: (
            {"id": "karoline-leavitt", "role": "speaker"}.items()
            <= next(a for a in e["actors"] if a["id"] == "karoline-leavitt").items()
        ),
    ),
    ("kind=plan", lambda e: e["kind"] == "plan"),
    ("status=denied&status=disputed", lambda e: e["status"] in ("denied", "disputed")),
    ("topic=us-troops", lambda e: "us-troops" in e["topics"]),
    ("place=alaska", lambda e: e["place"]["id"] == "alaska"),
    (
        "source=report-2025-08-18-us-troops-possible",
        lambda e: "report-2025-08-18-us-troops-possible" in [c["source"] for c in e["citations"]],
    ),
    ("related=alaska-summit", lambda e: "alaska-summit" in [r["event"] for r in e["relations"]]),
    ("q=guarantees", lambda e: "uarant" in json.dumps(e)),
    ("on=about&from=2025-08-20", lambda e: "about" in e),
    ("tz=Europe/Paris&from=2025-08-19", lambda e: (e["latest"] or "9") >= "2025-08-18T22"),
]


@pytest.mark.parametrize(("question", "holds"), FILTERS)
def test_filters(client, question, holds):
    items = client.get(f"/v1/events?limit=1000&{question}").json()["items"]
    assert items
    assert all(map(holds, items))
    everything = client.get("/v1/events?limit=1000").json()["items"]
    assert len(items) < len(everything)


def test_order_and_languages(client):
    up, down = (ids(client.get(f"/v1/events?limit=1000&order={order}")) for order in ("asc", "desc"))
    assert up == down[::-1]
    french = client.get("/v1/events/alaska-summit?lang=fr-CA").json()
    assert (french["lang"], french["title"]) == ("fr", "Rencontre Trump–Poutine en Alaska")
    page = client.get("/v1/events?place=alaska&lang=fr").json()["items"]
    assert {item["lang"] for item in page} == {"fr"}


def test_members(own):
    alone = ids(own.get("/v1/events?actor=european-allies&limit=1000"))
    together = ids(own.get("/v1/events?actor=european-allies&members=true&limit=1000"))
    assert set(alone) <= set(together)
    first = own.get("/v1/events?actor=european-allies&members=true")
    put = own.write("PUT", "/v1/actors/ada", json={"kind": "person", "name": "Ada", "member_of": ["european-allies"]})
    assert put.status_code == 201
    after = own.get("/v1/events?actor=european-allies&members=true", headers={"If-None-Match": first.headers["ETag"]})
    assert after.status_code == 200
    assert (
        own.get(
            "/v1/events?actor=european-allies&members=true", headers={"If-None-Match": after.headers["ETag"]}
        ).status_code
        == 304
    )


def test_what_was_reported_by_a_day(client):
    early = ids(client.get("/v1/events?reported_by=2025-08-19&limit=1000"))
    late = ids(client.get("/v1/events?reported_by=2025-12-31&limit=1000"))
    assert 0 < len(early) < len(late)
    assert ids(client.get("/v1/events?reported_by=1970-01-01T00:00:00Z")) == []


def test_a_position_gives_the_same_bytes_for_ever(own):
    at = own.timeline.position
    urls = [
        f"/v1/events?at={at}",
        f"/v1/actors/donald-trump/timeline?at={at}&f=csv",
        f"/v1/events/alaska-summit?at={at}",
        f"/v1/actors?at={at}",
        f"/v1/events/alaska-summit/history?at={at}",
        f"/v1/density?at={at}",
        f"/v1/topics?at={at}",
        f"/v1/topics/us-troops/positions?at={at}",
        f"/v1/events?members=true&at={at}",
    ]
    before = [own.get(url) for url in urls]
    assert {response.headers["Cache-Control"] for response in before} == {"public, max-age=31536000, immutable"}
    own.timeline.revise("alaska-summit", {"title": "Changed", "topics": ["us-troops"]}, reason="a test")
    own.timeline.describe_actor(id="zoe", kind="person", name="Zoe")
    assert own.get("/v1/events/alaska-summit").json()["title"] == "Changed"
    assert [own.get(url).content for url in urls] == [response.content for response in before]
    problem(own.get("/v1/events?at=100000"), 404)
    problem(own.get("/v1/events/alaska-summit?at=100000"), 404)
    problem(own.get("/v1/records/100000"), 404)


def test_a_time_gone_by_is_fixed_and_one_to_come_is_not(own):
    gone = own.get("/v1/events?as_of=2020")
    assert ids(gone) == []
    assert "immutable" in gone.headers["Cache-Control"]
    ahead = own.get("/v1/events?as_of=2999&limit=1000")
    assert "immutable" not in ahead.headers["Cache-Control"]
    own.timeline.record(id="new-one", title="New", when="2025")
    after = own.get("/v1/events?as_of=2999&limit=1000")
    assert after.headers["ETag"] != ahead.headers["ETag"]
    assert "new-one" in ids(after)


@pytest.mark.parametrize(
    "question", ["order=asc", "order=desc", "topic=us-troops", "from=2025-08&match=may", "q=troops"]
)
def test_pages_are_one_state_while_others_append(own, question):
    whole = ids(own.get(f"/v1/events?limit=1000&{question}"))
    found, url, number = [], f"/v1/events?limit=7&{question}", 0
    while url:
        response = own.get(url)
        found += ids(response)
        url = response.json().get("next")
        assert (response.links.get("next") or {}).get("url") == url
        number += 1
        own.timeline.record(id=f"later-{number}", title="New troops", when="2025-08-01", topics=["us-troops"])
        own.timeline.revise("alaska-summit", {"title": f"troops {number}"}, reason="a test")
        if "cursor" in str(response.url):
            assert "immutable" in response.headers["Cache-Control"]
    assert found == whole
    assert number > 1


def test_lists_page_too(client):
    everyone = ids(client.get("/v1/actors?limit=1000"))
    found, url = [], "/v1/actors?limit=10"
    while url:
        response = client.get(url)
        found += ids(response)
        url = response.json().get("next")
        assert ("Link" in response.headers) == bool(url)
    assert found == everyone == sorted(everyone)
    assert ids(client.get("/v1/actors?q=leavitt")) == ["karoline-leavitt"]
    assert len(ids(client.get("/v1/sources"))) == 5


def test_topics_positions_density(client):
    topics = {item["id"]: item for item in client.get("/v1/topics").json()["items"]}
    positions = client.get(topics["us-troops"]["positions"]).json()["items"]
    assert any("changed_from" in entry for entry in positions)
    one = client.get("/v1/topics/us-troops/positions?actor=donald-trump").json()["items"]
    assert one
    assert len(one) < len(positions)
    density = client.get("/v1/density?from=2025-08-01&to=2025-08-31&buckets=31").json()
    assert density["total"] == sum(bucket["count"] for bucket in density["buckets"]) > 50
    problem(client.get("/v1/density?buckets=0"), 400, "?buckets")
    problem(client.get("/v1/density?actor=donald-trumpp"), 422, "?actor")
    problem(client.get("/v1/topics/us-troops/positions?actor=donald-trumpp"), 422, "?actor")


def test_index_and_health(own):
    about = own.get("/v1").json()
    assert about["position"] == own.timeline.position
    assert len(about["root"]) == 64
    assert own.get("/healthz").json() == {"status": "ok"}
    assert own.get("/readyz").json()["ready"] is True
    assert own.get("/healthz", headers=own.writer).status_code == 200
    own.timeline._writer.close()
    assert own.get("/readyz", headers={"If-None-Match": "*"}).status_code == 503


# ---------------------------------------------------------------------------------------------- caching


def test_a_timeline_stays_while_others_change(own):
    urls = [
        "/v1/actors/karoline-leavitt/timeline",
        "/v1/events?topic=us-troops",
        "/v1/events?actor=axios&topic=us-troops",
    ]
    tags = {url: own.get(url).headers["ETag"] for url in urls}
    own.timeline.record(title="Elsewhere", when="2025-08-20", actors=[{"id": "vladimir-putin"}])
    own.timeline.describe_actor(id="zoe", kind="person", name="Zoe")
    for url in urls:
        assert own.get(url, headers={"If-None-Match": tags[url]}).status_code == 304
    event = own.timeline.record(id="hers", title="Hers", when="2025-08-20", actors=[{"id": "karoline-leavitt"}])
    url = urls[0]
    changed = own.get(url, headers={"If-None-Match": tags[url]})
    assert event["id"] in ids(changed)
    own.timeline.revise("hers", {"actors": [{"id": "axios"}]}, reason="not hers")
    gone = own.get(url, headers={"If-None-Match": changed.headers["ETag"]})
    assert event["id"] not in ids(gone)
    own.timeline.retract("hers", reason="nothing of the kind")
    assert own.get(url, headers={"If-None-Match": gone.headers["ETag"]}).status_code in (200, 304)
    assert own.get(urls[1], headers={"If-None-Match": tags[urls[1]]}).status_code == 304


def test_equal_etags_mean_equal_bytes(own):
    urls = [
        "/v1/events",
        "/v1/events?actor=donald-trump&limit=5",
        "/v1/events?limit=5&actor=donald-trump",
        "/v1/actors/donald-trump/timeline?limit=5",
        "/v1/events?f=csv",
        "/v1/events?reported_by=2025-08-20",
        "/v1/events?actor=european-allies&members=true",
        "/v1/events?as_of=2999",
        "/v1/events?retracted=include",
        "/v1/events?undated=include&from=2025",
        "/v1/actors",
        "/v1/topics",
        "/v1/events/alaska-summit",
        "/v1/density?actor=donald-trump",
        "/v1/events?lang=fr",
        "/v1/events?role=speaker",
        "/v1/events?kind=plan",
        "/v1/events?related=alaska-summit",
        "/",
        "/v1/records?limit=1000",
        "/v1/records?limit=3",
    ]
    bodies = {}
    changes = [
        lambda: None,
        lambda: own.timeline.record(id="a", title="A", when="2025-08-18", actors=[{"id": "donald-trump"}]),
        lambda: own.timeline.describe_actor(id="zoe", kind="person", name="Zoe", member_of=["european-allies"]),
        lambda: own.timeline.record(
            id="b",
            title="B",
            actors=[{"id": "zoe", "role": "speaker"}],
            relations=[{"type": "follows", "event": "alaska-summit"}],
        ),
        lambda: own.timeline.revise("a", {"actors": None, "kind": "plan"}, reason="x"),
        lambda: own.timeline.describe_source(id="report-2025-08-18-us-troops-possible", title="T", published="2030"),
        lambda: own.timeline.merge("b", ["a"], reason="same"),
        lambda: own.timeline.revise("alaska-summit", {"note": "n"}, reason="x"),
        lambda: own.timeline.retract("b", reason="x"),
    ]
    for change in changes:
        change()
        for url in urls:
            plain = own.get(url, headers={"Accept-Encoding": "identity"})
            packed = own.get(url, headers={"Accept-Encoding": "gzip"})
            assert plain.content == packed.content
            assert (
                bodies.setdefault(plain.headers["ETag"] + ("" if "W/" in plain.headers["ETag"] else url), plain.content)
                == plain.content
            ), url
            fresh = own.get(f"{url}{'&' if '?' in url else '?'}tz=UTC") if url.startswith("/v1/events?") else None
            if fresh is not None and "f=csv" not in url:
                assert fresh.json()["items"] == plain.json()["items"], url  # what a cache holds is what is asked anew


def test_the_cache_is_bounded():
    cache = AnswerCache(limit=100_000)
    for number in range(200):
        answer = Cached(Query(), FORMATS["json"], 1, "", {}, b"x" * (number % 7) * 1000)
        cache.put((f"/{number % 50}", b"q" * number, "json"), answer)
        assert 0 < cache._size <= 100_000
    cache.put(("/big", b"", "json"), Cached(Query(), FORMATS["json"], 1, "", {}, b"x" * 200_000))
    assert cache._size == 0
    assert cache.get(("/big", b"", "json")) is None


def test_gzip(client):
    def coding(header):
        response = client.get("/v1/events", headers={"Accept-Encoding": header})
        assert "Accept-Encoding" in response.headers["Vary"]
        assert response.json()["items"]
        return response.headers.get("Content-Encoding")

    assert coding("gzip") == coding("br, GZIP;q=0.1") == "gzip"
    assert coding("gzip;q=0") == coding("gzip; q=0.000") == coding("identity") == coding("br") is None
    with client.stream("GET", "/v1/events", headers={"Accept-Encoding": "gzip"}) as response:
        raw = b"".join(response.iter_raw())
    assert len(raw) == int(response.headers["Content-Length"])
    assert json.loads(gzip.decompress(raw))["items"]


# ---------------------------------------------------------------------------------------------- negotiation


@pytest.mark.parametrize(
    ("accept", "given"),
    [
        ("*/*", "application/json"),
        ("text/csv", "text/csv; charset=utf-8"),
        ("application/json;q=0.5", "application/json"),
        ("text/csv;q=0.1, application/x-ndjson;q=0.9", "application/x-ndjson"),
        ("text/*", "text/csv; charset=utf-8"),
        ("application/json;q=0, */*;q=0.1", "application/x-ndjson"),
        ("image/png, */*;q=0.1", "application/json"),
        ("", "application/json"),
        ("application/json;q=nonsense, text/csv", "text/csv; charset=utf-8"),
    ],
)
def test_accept(client, accept, given):
    response = client.get("/v1/events", headers={"Accept": accept})
    assert response.headers["Content-Type"] == given
    assert "Accept" in response.headers["Vary"].split(", ")


def test_formats(client):
    for accept in ("image/png", "application/json;q=0", "*/*;q=0"):
        problem(client.get("/v1/events", headers={"Accept": accept}), 406)
        problem(client.get("/v1/records", headers={"Accept": accept}), 406)
    assert (
        client.get("/v1/events?f=csv", headers={"Accept": "image/png"}).headers["Content-Type"].startswith("text/csv")
    )
    for path in ("/v1/events", "/v1/records"):
        problem(client.get(f"{path}?f=xml"), 400, "?f")
        problem(client.get(f"{path}?f=json&f=json"), 400, "?f")
    lines = client.get("/v1/events?f=ndjson&limit=3").text.splitlines()
    assert [json.loads(line)["id"] for line in lines] == ids(client.get("/v1/events?limit=3"))
    long = "application/json" + ", x/y" * 100
    other = client.get("/v1/events", headers={"Accept": long + ", text/csv"})
    assert other.headers["Content-Type"] == client.get("/v1/events", headers={"Accept": long}).headers["Content-Type"]


def test_csv_is_harmless(own):
    own.timeline.record(id="evil", title="=HYPERLINK(1)", summary="@x", when="-0044-03-15", topics=["evil"])
    rows = list(csv.DictReader(io.StringIO(own.get("/v1/events?topic=evil&f=csv").text)))
    assert [(row["title"], row["summary"], row["when"]) for row in rows] == [("'=HYPERLINK(1)", "'@x", "-0044-03-15")]


def test_records_in_every_format(own, monkeypatch):
    head = own.timeline.position
    page = own.get("/v1/records?limit=1000").json()
    assert [item["position"] for item in page["items"]] == list(range(1, head + 1))
    assert (page["position"], page.get("next")) == (head, None)
    lines = own.get("/v1/records?f=ndjson&limit=5&after=10").text.splitlines()
    assert [json.loads(line)["position"] for line in lines] == [11, 12, 13, 14, 15]
    assert own.get("/v1/records/11").json() == json.loads(lines[0])
    events = own.get("/v1/records?limit=1000", headers={"Accept": "application/cloudevents-batch+json"}).json()
    assert {event["specversion"] for event in events} == {"1.0"}
    assert events[0]["type"] == "timeline.actor.described.v1"
    full = own.get(f"/v1/records?after={head - 2}&limit=2")
    assert "immutable" in full.headers["Cache-Control"]
    own.timeline.record(title="One more")
    again = own.get(f"/v1/records?after={head - 2}&limit=2")
    assert again.content == full.content
    assert len(own.get(full.json()["next"]).json()["items"]) == 1
    monkeypatch.setattr(reads, "PAGE_BYTES", 2000)
    found, url = [], "/v1/records?limit=1000"
    while url:
        page = own.get(url).json()
        found += [item["position"] for item in page["items"]]
        url = page.get("next")
    assert found == list(range(1, head + 2))


def test_cloudevents_come_in_again(own, tmp_path):
    events = own.get("/v1/records?f=cloudevents&limit=1000").content
    sent_as = {"Content-Type": "application/cloudevents-batch+json"}
    (tmp_path / "copy").mkdir()
    with Timeline(tmp_path / "copy" / "timeline.db") as copy, serving(copy, tmp_path / "copy") as other:
        assert other.write("POST", "/v1/records", content=events, headers=sent_as).status_code == 201
        mine, theirs = (client.get("/v1/events?limit=1000").json()["items"] for client in (own, other))
        assert [item["title"] for item in mine] == [item["title"] for item in theirs]
        bad = [{"type": "timeline.event.recorded.v1", "data": {"event": {**EVENT, "actors": [{"id": "nobody-x"}]}}}]
        problem(other.write("POST", "/v1/records", json=bad, headers=sent_as), 422, "/0/data/event/actors/0/id")
        bad = [{"type": "timeline.event.recorded.v1", "data": {"event": {"title": 1}}}]
        problem(other.write("POST", "/v1/records", json=bad, headers=sent_as), 422, "/0/data/event/title")
        problem(other.write("POST", "/v1/records", json=[{"data": 1}], headers=sent_as), 422, "/0/type")


# ---------------------------------------------------------------------------------------------- bad questions


@pytest.mark.parametrize(
    ("question", "status", "pointer"),
    [
        ("from=2025-02-30", 400, "?from"),
        ("from=2025-09&to=2025-08", 400, "?to"),
        ("datetime=2025-09/2025-08", 400, "?datetime"),
        ("actor=donald-trumpp", 422, "?actor"),
        ("actor=Donald Trump", 400, "?actor"),
        ("colour=red", 400, "?colour"),
        ("limit=0", 400, "?limit"),
        ("limit=1001", 400, "?limit"),
        ("limit=5&limit=5", 400, "?limit"),
        ("limit=ten", 400, "?limit"),
        ("limit=-1", 400, "?limit"),
        ("cursor=nonsense", 400, "?cursor"),
        ("cursor=%0d%0aX-Evil:1", 400, "?cursor"),
        ("at=-1", 400, "?at"),
        ("at=1&as_of=2025", 400, "?as_of"),
        ("tz=Mars/Phobos", 400, "?tz"),
        ("kind=rumour", 400, "?kind"),
        ("q=%00", 400, "?q"),
        ("q=%ff", 400, "?q"),
        ("%ff=1", 400, "?"),
        ("q=%ed%a0%80", 400, "?q"),
        ("q=" + "x" * 300, 400, "?q"),
        ("as_of=2025/..", 400, "?as_of"),
        ("lang=%00", 400, "?lang"),
        ("match=perhaps", 400, "?match"),
        ("from=" + "1" * 5000, 400, "?from"),
        ("at=1&cursor=WyJhIiwxLFsxLDEsMSwxXV0", 400, "?cursor"),
        ("topic=x&" * 60, 400, "?topic"),
    ],
)
def test_bad_questions(client, question, status, pointer):
    found = problem(client.get(f"/v1/events?{question}"), status)
    pointers = [fault["pointer"] for fault in found["errors"]]
    assert any(each.startswith(pointer) for each in pointers), pointers
    if question == "actor=donald-trumpp":
        assert "did you mean donald-trump?" in found["detail"]


@pytest.mark.parametrize(
    "text", ['"', "NEAR(", "a OR", "*", "col:x", "^a", "a AND NOT b", "(", "{a b}: c", "-", "''", "%"]
)
def test_full_text_operators_are_words(client, text):
    assert client.get("/v1/events", params={"q": text}).status_code == 200
    assert client.get("/v1/actors", params={"q": text}).status_code == 200


def test_one_actor_names_itself(client):
    problem(client.get("/v1/actors/donald-trump/timeline?actor=axios"), 400, "?actor")
    assert "did you mean donald-trump?" in problem(client.get("/v1/actors/donald-trumpp/timeline"), 404)["detail"]
    problem(client.get("/v1/actors?after=%00"), 400, "?after")
    problem(client.get("/v1/records?after=x"), 400, "?after")
    problem(client.get("/v1/records/0"), 400)


# ---------------------------------------------------------------------------------------------- writing


def test_record_revise_retract(own):
    made = own.write("POST", "/v1/events", json={"id": "x", **EVENT})
    assert made.status_code == 201
    assert (made.headers["Location"], made.headers["ETag"]) == ("/v1/events/x", '"1"')
    assert made.json()["revision"]["author"] == "newsroom"
    patched = own.write(
        "PATCH",
        "/v1/events/x",
        json={"title": "Another", "reason": "better"},
        headers={"If-Match": '"1"', "Content-Type": "application/merge-patch+json"},
    )
    assert (patched.status_code, patched.json()["title"]) == (200, "Another")
    late = own.write("PATCH", "/v1/events/x", json={"title": "Late", "reason": "late"}, headers={"If-Match": '"1"'})
    assert problem(late, 412)["current"] == 2
    problem(own.write("PATCH", "/v1/events/x", json={"title": "No reason"}), 422, "/reason")
    problem(own.write("PATCH", "/v1/events/x", json={"title": 5, "reason": "r"}), 422, "/title")
    problem(
        own.write("PATCH", "/v1/events/x", json={"actors": [{"id": "nobody-x"}], "reason": "r"}), 422, "/actors/0/id"
    )
    problem(own.write("PATCH", "/v1/events/x", json={"id": "y", "reason": "r"}), 422, "/id")
    problem(own.write("PATCH", "/v1/events/x", json=[1]), 422, "")
    problem(own.write("PATCH", "/v1/events/nope", json={"title": "T", "reason": "r"}), 404)
    problem(own.write("PATCH", "/v1/events/x", json={"reason": "r"}, headers={"If-Match": "yes"}), 400)
    problem(own.write("DELETE", "/v1/events/x"), 400, "?reason")
    problem(own.write("DELETE", "/v1/events/x?reason=" + "r" * 3000), 422, "?reason")
    problem(own.write("DELETE", "/v1/events/x?reason=r", headers={"If-Match": '"1"'}), 412)
    gone = own.write("DELETE", "/v1/events/x?reason=untrue", headers={"If-Match": '"2"'})
    assert gone.json()["retracted"]["reason"] == "untrue"
    assert [item["revision"]["type"] for item in own.get("/v1/events/x/history").json()["items"]] == [
        "event.recorded",
        "event.revised",
        "event.retracted",
    ]
    problem(own.write("PATCH", "/v1/events/x", json={"title": "T", "reason": "r"}), 409)
    assert "x" not in ids(own.get("/v1/events?limit=1000"))
    assert "x" in ids(own.get("/v1/events?limit=1000&retracted=include"))


def test_only_if_there_is_none(own):
    new = {"If-None-Match": "*"}
    assert own.write("POST", "/v1/events", json={"id": "x", **EVENT}, headers=new).status_code == 201
    assert problem(own.write("POST", "/v1/events", json={"id": "x", **EVENT}, headers=new), 412)["current"] == 1
    problem(own.write("POST", "/v1/events", json={"id": "x", **EVENT}), 409, "/id")
    for path, body in (("/v1/actors/ada", {"kind": "person", "name": "Ada"}), ("/v1/sources/s", {"title": "S"})):
        assert own.write("PUT", path, json=body, headers=new).status_code == 201
        problem(own.write("PUT", path, json=body, headers=new), 412)
        assert own.write("PUT", path, json=body).status_code == 200
        assert own.write("PUT", path, json={**body, "note": "n"}, headers={"If-Match": '"1"'}).headers["ETag"] == '"2"'
        problem(own.write("PUT", path, json={**body, "note": "m"}, headers={"If-Match": '"1"'}), 412)
        problem(own.write("PUT", path, json={**body, "id": "other"}), 422, "/id")
        problem(own.write("PUT", path, json={**body, "note": "\x07"}), 422, "/note")
        problem(own.write("PUT", path.rpartition("/")[0] + "/Not%20An%20Id", json=body), 422, "/id")
        assert own.get(path, headers={"If-None-Match": '"2"'}).status_code == 304


def test_idempotency(own):
    key = {"Idempotency-Key": '"7f3c"'}
    first = own.write("POST", "/v1/events", json=EVENT, headers=key)
    again = own.write("POST", "/v1/events", json=EVENT, headers=key)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.content == again.content
    assert first.headers["Timeline-Position"] == again.headers["Timeline-Position"]
    problem(own.write("POST", "/v1/events", json={**EVENT, "title": "Other"}, headers=key), 409)
    problem(own.write("POST", "/v1/events", json=EVENT, headers={"Idempotency-Key": "a b"}), 400)
    changes = [{"type": "event.recorded", "event": EVENT}] * 2
    one, two = (own.write("POST", "/v1/records", json=changes, headers={"Idempotency-Key": "k"}) for _ in range(2))
    assert (one.status_code, two.status_code) == (201, 200)
    assert [item["id"] for item in one.json()["items"]] == [item["id"] for item in two.json()["items"]]


def test_a_batch_is_atomic(own):
    head = own.timeline.position
    good = {"type": "event.recorded", "event": EVENT}
    bad = {"type": "event.recorded", "event": {**EVENT, "actors": [{"id": "donald-trumpp"}]}}
    found = problem(own.write("POST", "/v1/records", json=[good, good, good, bad]), 422, "/3/event/actors/0/id")
    assert "did you mean donald-trump?" in found["detail"]
    problem(own.write("POST", "/v1/records", json=[bad]), 422, "/0/event/actors/0/id")
    problem(
        own.write("POST", "/v1/records", json=[good, {"type": "event.recorded", "event": {}}]), 422, "/1/event/title"
    )
    problem(own.write("POST", "/v1/records", json=[good, {"type": "nonsense"}]), 422, "/1/type")
    problem(own.write("POST", "/v1/records", json=[good, 5]), 422, "/1")
    problem(own.write("POST", "/v1/records", json=[]), 422, "")
    small = [{"type": "actor.described", "actor": {"id": f"a{n}", "kind": "person", "name": "x"}} for n in range(1001)]
    problem(own.write("POST", "/v1/records", json=small), 422, "")
    lines = b"\n".join([json.dumps(good).encode(), b"", b"{nonsense"])
    problem(
        own.write("POST", "/v1/records", content=lines, headers={"Content-Type": "application/x-ndjson"}), 400, "/1"
    )
    assert own.timeline.position == head
    lines = b"\n".join([json.dumps(good).encode()] * 3)
    made = own.write("POST", "/v1/records", content=lines, headers={"Content-Type": "application/x-ndjson"})
    assert [item["position"] for item in made.json()["items"]] == [head + 1, head + 2, head + 3]
    assert own.write("POST", "/v1/records", json=small[:1000]).status_code == 201


BAD_BODIES = [
    (b"{", 400, None),
    (b"", 400, None),
    (b'{"title":"x"', 400, None),
    (b"[" * 5000, 400, None),
    (b'{"a":' * 5000, 400, None),
    (b'{"title":"x","title":"y"}', 400, "/title"),
    (b'{"title":5}', 422, "/title"),
    (b"[]", 422, ""),
    (b"null", 422, ""),
    (b'{"title":"x","colour":1}', 422, "/colour"),
    (b'{"title":"x","actors":[{"id":"a","x":1}]}', 422, "/actors/0/x"),
    (b'{"title":"a\\u0007b"}', 422, "/title"),
    (b'{"title":"a\\u0000b"}', 422, "/title"),
    (b'{"title":"\\ud800"}', 400, None),
    (b'{"title":"\xff"}', 400, None),
    (b'{"title":"x","when":"2025-02-30"}', 422, "/when"),
    (b'{"title":""}', 422, "/title"),
    (b'{"title":"x","when":"2025-09/2025-08"}', 422, "/when"),
    (b'{"title":"x","tz":"Mars/Phobos"}', 422, "/tz"),
    (b'{"title":"x","actors":[{"id":"donald-trumpp"}]}', 422, "/actors/0/id"),
    (b'{"title":"x","sequence":1.5}', 422, "/sequence"),
    (b'{"title":"x","sequence":99999999999999999999999}', 422, "/sequence"),
    (b'{"title":NaN}', 400, None),
    (b'{"title":"x","id":"Not a slug"}', 422, "/id"),
    (b'{"title":"' + b"x" * 501 + b'"}', 422, "/title"),
    (b'{"title":"' + b"x" * 1_100_000 + b'"}', 413, None),
    (b'{"title":"x","place":{"name":"p","lat":1}}', 422, "/place"),
]


@pytest.mark.parametrize(("body", "status", "pointer"), BAD_BODIES)
def test_bad_bodies(client, body, status, pointer):
    for method, path in (
        ("POST", "/v1/events"),
        ("PUT", "/v1/actors/a"),
        ("PATCH", "/v1/events/alaska-summit"),
        ("POST", "/v1/records"),
        ("PUT", "/v1/sources/s"),
    ):
        response = client.write(method, path, content=body, headers={"Content-Type": "application/json"})
        if path == "/v1/events":
            problem(response, status, pointer)
        else:
            assert response.status_code in (400, 413, 422)
            problem(response, response.status_code)


@pytest.mark.parametrize(("method", "path"), [pair for pair in ROUTES if pair[0] not in ("GET", "DELETE")])
def test_only_its_own_types(client, method, path):
    for sent in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        problem(client.write(method, address(path), content=b"{}", headers={"Content-Type": sent}), 415)
    packed = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    problem(client.write(method, address(path), content=b"{}", headers=packed), 415)
    right = {"events": EVENT, "actors": {"kind": "person", "name": "x"}, "sources": {"title": "x"}, "records": [],
             "snapshots": {}, "erasures": {"id": "x", "part": "body", "reason": "r"}}
    problem(client.write(method, address(path) + "?x=1", json=right[path.split("/")[2]]), 400, "?x")


@pytest.mark.parametrize(("method", "path"), [pair for pair in ROUTES if pair[0] != "GET"])
def test_who_may_write(own, method, path):
    def status(secret):
        headers = {"Authorization": secret} if secret else {}
        response = own.request(method, address(path), headers=headers, json={"x": 1})
        problem(response, response.status_code)
        if response.status_code == 401:
            assert response.headers["WWW-Authenticate"].startswith("Bearer")
        return response.status_code

    create = own.tokens.create
    assert status(None) == status("Bearer tl_nonsense") == status("Basic eDp5") == status("Bearer") == 401
    assert status("Bearer " + create("old", ["write"], expires="2020-01-01")) == 401
    revoked = create("gone", ["write"])
    own.tokens.revoke(own.tokens.all()[-1]["id"])
    assert status(f"Bearer {revoked}") == 401
    assert status("Bearer " + create("reader", ["read"])) == 403
    assert status("bearer " + create("writer", ["write"])) in ((403,) if path == "/v1/erasures" else (400, 422))
    assert status("Bearer " + create("boss", ["admin"])) in (400, 422)


def test_reads_may_be_closed(tmp_path):
    with Timeline(tmp_path / "timeline.db") as timeline:
        load_seeds(timeline)
        with serving(timeline, tmp_path, public_read=False) as client:
            problem(client.get("/v1/events"), 401)
            problem(client.get("/"), 401)
            assert client.get("/healthz").status_code == 200
            reader = {"Authorization": "Bearer " + client.tokens.create("r", ["read"])}
            for path in ("/v1/events", "/v1/events?at=5", "/v1/records/1", "/"):
                assert client.get(path, headers=reader).headers["Cache-Control"].startswith("private")
            tag = client.get("/v1/events", headers=reader).headers["ETag"]
            again = client.get("/v1/events", headers={**reader, "If-None-Match": tag})
            assert (again.status_code, again.headers["Cache-Control"].split(",")[0]) == (304, "private")
            made = client.write("POST", "/v1/events", json=EVENT)
            assert made.json()["revision"]["author"] == "newsroom"
            problem(client.get("/v1/events", headers={"Authorization": "Bearer no"}), 401)


# ---------------------------------------------------------------------------------------------- bugs and problems


def test_a_bug_shows_nothing(client, monkeypatch, caplog):
    def broken(*_, **__):
        raise RuntimeError("secret path /etc/passwd")

    for name in ("resolve", "head"):
        monkeypatch.setattr(type(client.timeline), name, broken)
    for method, path in (("GET", "/v1/events?limit=49"), ("GET", "/v1"), ("HEAD", "/v1")):
        caplog.clear()
        with caplog.at_level(logging.ERROR, "timeline"):
            response = client.request(method, path)
        assert response.status_code == 500
        if method == "GET":
            assert "secret" not in str(problem(response, 500))
        logged = [record for record in caplog.records if record.name == "timeline"]
        assert "secret path" in str(logged[0].exc_info[1])
    page = client.get("/", headers={"Accept": "text/html"})
    assert page.status_code == 500
    assert "secret" not in page.text


def test_a_question_too_costly(client, monkeypatch):
    monkeypatch.setattr("timeline.api.answers.BUDGET", -1.0)
    monkeypatch.setattr("timeline.connections.PROGRESS_STEPS", 1)
    response = client.get("/v1/events?q=troops&limit=48")
    problem(response, 503)
    assert response.headers["Retry-After"] == "1"


def test_every_problem_type_has_a_page(client):
    seen = {
        problem(client.get(path), status)["type"]
        for path, status in (
            ("/nope", 404),
            ("/v1/events?limit=0", 400),
            ("/v1/events?actor=nobody-x", 422),
            ("/v1/events?at=99999", 404),
        )
    }
    seen |= {problem(client.delete("/v1"), 405)["type"]}
    seen |= {f"/problems/{code}" for code in explained()}
    for address_ in seen:
        assert client.get(address_).status_code == 200, address_


def test_the_cheap_are_known():
    assert asking.is_bounded(Query(actors=("a",)))
    for costly in (
        Query(text="a"),
        Query(reported_by=0),
        Query(on="about"),
        Query(at=1),
        Query(actors=("a", "b")),
        Query(members=True),
        Query(as_of="2025"),
        Query(match="must"),
        Query(topics=("a",), places=("b",)),
    ):
        assert not asking.is_bounded(costly)
