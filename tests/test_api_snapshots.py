"""Snapshots over HTTP: publishing, the bytes that were cited, bundles, digests, and what an erasure changes."""

import gzip
import json
from base64 import b64decode
from hashlib import sha256

import pytest
from api_client import problem, seeded

from timeline.api.snapshots import Cache, Kept, Key, live_question, read_question
from timeline.errors import Invalid
from timeline.query import parse_query
from timeline.records import canonical
from timeline.snapshots import Published, decode_bundle, decode_snapshot, find, publish, verify_bundle
from timeline.snapshots.question import normal_form
from timeline.tlog import Signer

FOREVER = "public, max-age=31536000, immutable"
REVALIDATE = "public, max-age=0, must-revalidate"
LEAVITT = {"actor": ["karoline-leavitt"], "from": "2025-08", "at": 120}


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with seeded(tmp_path_factory.mktemp("snapshots")) as client:
        yield client


@pytest.fixture
def own(tmp_path):
    with seeded(tmp_path) as client:
        yield client


@pytest.fixture(scope="module")
def published(client):
    response = client.write("POST", "/v1/snapshots", json=LEAVITT)
    assert response.status_code in (200, 201), response.text
    return response.json()


def digest_of(header):
    assert header.startswith("sha-256=:")
    assert header.endswith(":")
    return b64decode(header[9:-1], validate=True)


# ---------------------------------------------------------------------------------------------- publishing

def test_publishing_says_what_was_published_and_where_it_is(own):
    size = own.timeline.position
    response = own.write("POST", "/v1/snapshots", json=LEAVITT)
    assert response.status_code == 201
    about = response.json()
    assert response.headers["Location"] == f"/v1/snapshots/{about['id']}" == about["links"]["snapshot"]
    assert response.headers["Cache-Control"] == "no-store"
    assert about["log"] == {"origin": own.timeline.origin, "root": own.timeline.root_at(120).hex(), "size": 120}
    assert about["published"]["position"] == size + 1 == own.timeline.position
    assert about["published"]["author"] == "newsroom"
    assert about["intact"] is True
    assert about["query"] == normal_form(parse_query([("actor", "karoline-leavitt"), ("from", "2025-08")]))
    for link in about["links"].values():
        assert own.get(link).status_code == 200
    assert find(own.timeline, about["id"]).snapshot.id == about["id"]


def test_publishing_again_is_the_first_publication(own):
    first = own.write("POST", "/v1/snapshots", json=LEAVITT)
    again = own.write("POST", "/v1/snapshots", json={"at": "120", "actor": "karoline-leavitt", "from": "2025-08"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    moved = own.write("POST", "/v1/snapshots", json={**LEAVITT, "at": 121})
    assert moved.status_code == 201
    assert moved.json()["id"] != first.json()["id"]


@pytest.mark.parametrize(("body", "status", "pointer"), [
    ({"colour": "red"}, 422, "/colour"), ({"cursor": "x"}, 422, "/cursor"), ({"lang": "fr"}, 422, "/lang"),
    ({"limit": 5}, 422, "/limit"), ({"order": "desc"}, 422, "/order"), ({"actor": ["nobody-at-all"]}, 422, "/actor"),
    ({"from": "2025-13"}, 422, "/from"), ({"match": "perhaps"}, 422, "/match"), ({"from": None}, 422, "/from"),
    ({"from": 1.5}, 422, "/from"), ({"from": {"a": 1}}, 422, "/from"), ({"at": [1, 2]}, 422, "/at"),
    ({"actor": [["ann"]]}, 422, "/actor"), ({"members": "perhaps"}, 422, "/members"), ({"f": "csv"}, 422, "/f"),
    ({"at": 999_999}, 404, None), ([], 422, ""), ("text", 422, ""), ({"at": -1}, 422, "/at"),
    ({"as_of": "x"}, 422, "/as_of"),
])
def test_what_is_no_question_is_refused_with_a_pointer(client, body, status, pointer):
    before = client.timeline.position
    problem(client.write("POST", "/v1/snapshots", json=body), status, pointer)
    assert client.timeline.position == before


def test_presentation_is_refused_with_its_reason(client):
    found = problem(client.write("POST", "/v1/snapshots", json={"lang": "fr"}), 422, "/lang")
    assert "whole answer" in found["errors"][0]["detail"]


def test_an_unknown_actor_is_told_who_may_have_been_meant(client):
    found = problem(client.write("POST", "/v1/snapshots", json={"actor": "karoline-leavit"}), 422, "/actor")
    assert "did you mean karoline-leavitt?" in found["detail"]


def test_only_a_writer_publishes(client):
    problem(client.post("/v1/snapshots", json={}), 401)
    reader = {"Authorization": f"Bearer {client.tokens.create('reader', ['read'])}"}
    problem(client.post("/v1/snapshots", json={}, headers=reader), 403)
    problem(client.write("POST", "/v1/snapshots", content=b'{"at":1,"at":2}',
                         headers={"Content-Type": "application/json"}), 400, "/at")


def test_a_body_says_what_an_address_says():
    body = {"actor": ["b", "a"], "members": True, "at": 7, "retracted": "include", "role": "speaker", "q": "x y"}
    pairs = [("actor", "a"), ("actor", "b"), ("members", "true"), ("at", "7"), ("retracted", "include"),
             ("role", "speaker"), ("q", "x y")]
    assert read_question(body) == parse_query(pairs)
    with pytest.raises(Invalid, match="/limit"):
        read_question({"limit": 1})


# ---------------------------------------------------------------------------------------------- lists

def test_the_list_is_newest_first_and_pages(own):
    made = [own.write("POST", "/v1/snapshots", json={"at": at}).json()["id"] for at in (10, 20, 30, 40, 50)]
    found, url = [], "/v1/snapshots?limit=2"
    while url:
        response = own.get(url)
        assert response.status_code == 200
        page = response.json()
        found += [item["id"] for item in page["items"]]
        url = page.get("next")
        assert (response.links.get("next") or {}).get("url") == url
        assert all(own.get(item["links"]["snapshot"]).status_code == 200 for item in page["items"])
    assert found == made[::-1]
    problem(own.get("/v1/snapshots?limit=0"), 400, "?limit")
    problem(own.get("/v1/snapshots?before=x"), 400, "?before")


def test_a_log_without_snapshots_lists_none(own):
    assert own.get("/v1/snapshots").json() == {"items": [], "position": own.timeline.position}


# ---------------------------------------------------------------------------------------------- one snapshot

@pytest.mark.parametrize("accept", [
    "*/*", "application/json", "application/vnd.timeline.snapshot+json", "application/*", "text/html, */*;q=0.1"])
def test_the_bytes_are_those_that_were_cited(client, published, accept):
    response = client.get(published["links"]["snapshot"], headers={"Accept": accept})
    assert response.status_code == 200
    assert sha256(response.content).hexdigest() == published["content"]
    assert decode_snapshot(response.content).id == published["id"]
    wanted = "application/json" if accept == "application/json" else "application/vnd.timeline.snapshot+json"
    assert response.headers["Content-Type"] == wanted
    assert response.headers["Cache-Control"] == FOREVER
    assert published["content"] in response.headers["ETag"]
    assert response.headers["Timeline-Position"] == "120"


def test_a_bundle_is_verified_by_whoever_gets_it(client, published):
    asked, negotiated = (
        client.get(published["links"]["snapshot"], **how)
        for how in ({"params": {"f": "bundle"}}, {"headers": {"Accept": "application/vnd.timeline.bundle+json"}})
    )
    assert asked.content == negotiated.content
    assert asked.headers["Content-Type"] == "application/vnd.timeline.bundle+json"
    assert asked.headers["Cache-Control"] == REVALIDATE  # a key may be made for the log later, and then it is signed
    report = verify_bundle(decode_bundle(asked.content), id_=published["id"])
    assert report.verdict == "ok"


def test_the_id_is_the_digest_of_the_manifest(client, published):
    response = client.get(published["links"]["snapshot"], params={"f": "manifest"})
    assert sha256(response.content).hexdigest() == published["id"]
    assert canonical(response.json()) == response.content
    assert response.headers["Cache-Control"] == FOREVER


@pytest.mark.parametrize("format_", ["json", "bundle", "manifest"])
@pytest.mark.parametrize("coding", ["gzip", "identity"])
def test_digests_are_of_the_bytes_that_were_sent(client, published, format_, coding):
    url = published["links"]["snapshot"]
    with client.stream("GET", url, params={"f": format_}, headers={"Accept-Encoding": coding}) as response:
        sent = b"".join(response.iter_raw())
        headers = response.headers
    packed = headers.get("Content-Encoding") == "gzip"
    assert packed == (coding == "gzip" and format_ != "manifest")  # which is too short for it to be worth while
    assert digest_of(headers["Content-Digest"]) == digest_of(headers["Repr-Digest"]) == sha256(sent).digest()
    plain = gzip.decompress(sent) if packed else sent
    assert sha256(plain).hexdigest() in headers["ETag"]
    assert {"Accept", "Accept-Encoding"} <= set(headers["Vary"].split(", "))


def test_what_is_known_is_not_sent_again(client, published):
    for format_ in ("json", "bundle", "manifest"):
        first = client.get(published["links"]["snapshot"], params={"f": format_})
        again = client.get(published["links"]["snapshot"], params={"f": format_},
                           headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert "Content-Digest" not in again.headers
        assert again.headers["Cache-Control"] == first.headers["Cache-Control"]


def test_it_is_a_memento_of_the_question_as_it_is_answered_now(client, published):
    response = client.get(published["links"]["snapshot"])
    live = client.get(response.links["original"]["url"])
    then = client.get(response.links["original"]["url"] + "&at=120&limit=1000")
    assert live.status_code == 200
    shown = [entry["event"]["id"] for entry in response.json()["entries"]]
    assert [item["id"] for item in then.json()["items"]] == shown
    assert response.headers["Memento-Datetime"] == then.headers["Memento-Datetime"]
    assert response.links["alternate"] == {"url": published["links"]["page"], "rel": "alternate", "type": "text/html"}


def test_the_empty_log_has_no_date(own):
    made = own.write("POST", "/v1/snapshots", json={"at": 0}).json()
    response = own.get(made["links"]["snapshot"])
    assert response.json()["entries"] == []
    assert "Memento-Datetime" not in response.headers
    assert verify_bundle(decode_bundle(own.get(made["links"]["bundle"]).content)).verdict == "ok"


@pytest.mark.parametrize("id_", ["0" * 64, "abc", "f" * 63, "a" * 65])
def test_an_unknown_snapshot_is_not_found(client, id_):
    found = problem(client.get(f"/v1/snapshots/{id_}"), 404)
    assert "no snapshot" in found["detail"]
    assert client.get(f"/snapshots/{id_}", headers={"Accept": "text/html"}).status_code == 404


def test_other_formats_and_parameters_are_refused(client, published):
    url = published["links"]["snapshot"]
    problem(client.get(url, params={"f": "csv"}), 400, "?f")
    problem(client.get(url, params={"f": "plain"}), 400, "?f")
    problem(client.get(url, params={"at": "3"}), 400, "?at")
    problem(client.get(url, headers={"Accept": "image/png"}), 406)


def test_a_key_made_later_signs_bundles_from_then_on(own):
    made = own.write("POST", "/v1/snapshots", json={}).json()
    bare = own.get(made["links"]["bundle"])
    signer = Signer.generate(own.timeline.origin)
    own.timeline.sign_with(signer)
    signed = own.get(made["links"]["bundle"], headers={"If-None-Match": bare.headers["ETag"]})
    assert signed.status_code == 200
    report = verify_bundle(decode_bundle(signed.content), id_=made["id"], vkey=signer.verifier.vkey)
    assert {check.state for check in report.checks} == {"ok"}


def test_a_snapshot_says_the_same_while_the_log_moves_on(own):
    made = own.write("POST", "/v1/snapshots", json={"place": "alaska"}).json()
    before = own.get(made["links"]["snapshot"]).content
    own.timeline.revise("alaska-summit", {"title": "Changed"}, reason="a test")
    assert own.get(made["links"]["snapshot"]).content == before
    assert own.get(made["links"]["bundle"]).status_code == 200


# ---------------------------------------------------------------------------------------------- pure parts

@pytest.mark.parametrize("pairs", [
    [], [("actor", "a"), ("actor", "b"), ("members", "true")], [("from", "2025-08"), ("to", "2025-09-04")],
    [("datetime", "2025-08-15"), ("tz", "Europe/Paris"), ("match", "must")], [("from", "2025"), ("undated", "include")],
    [("undated", "exclude")], [("q", 'boots "on the ground" & more')], [("reported_by", "2025-08-18")],
    [("on", "about"), ("from", "2025-09")], [("retracted", "include"), ("kind", "plan"), ("status", "denied")],
    [("role", "speaker"), ("topic", "t"), ("place", "p"), ("source", "s"), ("related", "r")], [("from", "-0043-03-15")],
])
def test_a_question_in_normal_form_is_written_as_an_address_that_means_it(pairs):
    form = normal_form(parse_query(pairs))
    assert normal_form(parse_query(live_question(form))) == form


def test_a_question_that_no_address_can_say_has_none():
    assert live_question({"lower": 2**53 - 1}) is None


def test_the_cache_is_bounded():
    def kept(size):
        return Kept(b"x" * size, None, Published(None, 1, "", "", ""), None)

    cache = Cache(limit=200_000)
    keys = [Key(str(number), "json", 0, "") for number in range(40)]
    for key in keys:
        cache.put(key, kept(1_000))
        assert cache.get(keys[0]) is not None
    assert sum(cache.get(key) is not None for key in keys) == 20
    cache.put(keys[-1], kept(50_000))
    assert [cache.get(key) for key in keys] == [None] * 40
    assert cache._size == 0


def test_the_client_of_the_command_line_and_the_api_agree(own):
    made = publish(own.timeline, parse_query([("topic", "us-troops")]))
    response = own.get(f"/v1/snapshots/{made.snapshot.id}")
    assert response.content == made.snapshot.content()
    assert json.loads(response.content)["log"]["size"] == made.snapshot.log.size
