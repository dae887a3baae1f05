"""Checkpoints, proofs and tiles over HTTP, checked by those who do not trust this server.

The tree is computed a second time here, from the headers that /v1/records gives, by the recursion of RFC 9162 section
2.1.1 and nothing else; a reader of tiles computes it a third time from /tile alone.
"""

import base64
import json
from hashlib import sha256

import httpx
import pytest
from api_client import problem, serving

from timeline import Timeline, merkle
from timeline.following.source import Source
from timeline.tlog import (
    Signer,
    TlogProof,
    Verifier,
    open_checkpoint,
    parse_note,
    read_entry_bundle,
    tile_path,
    tiles_at,
)

SIZES = (0, 1, 2, 3, 7, 8, 255, 256, 257, 300, 511, 512, 515)
HEAD = SIZES[-1]
JSON = {"Accept": "application/json"}


def mth(leaves):
    """MTH(D[0:n]) as RFC 9162 section 2.1.1 defines it."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def fill(timeline, count):
    timeline.append([{"type": "source.described", "source": {"id": f"s-{timeline.log_size + n}", "title": f"Ω {n}"}}
                     for n in range(count)])


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """A log with a key and 515 records."""
    folder = tmp_path_factory.mktemp("proofs")
    with Timeline(folder / "timeline.db") as timeline:
        fill(timeline, HEAD)
        timeline.sign_with(Signer(timeline.origin, bytes(range(32))))
        with serving(timeline, folder) as client:
            yield client


@pytest.fixture(scope="module")
def headers(client):
    """The headers of all records, byte for byte as the answers have them."""
    found, url = [], "/v1/records?limit=100&f=ndjson"
    for after in range(0, HEAD, 100):
        for line in client.get(f"{url}&after={after}").content.splitlines():
            start = line.index(b'"header":') + len(b'"header":')
            found.append(line[start:line.index(b',"leaf_hash"')])
    assert len(found) == HEAD
    return found


@pytest.fixture(scope="module")
def leaves(headers):
    return [sha256(b"\x00" + header).digest() for header in headers]


@pytest.fixture(scope="module")
def roots(leaves):
    return {size: mth(leaves[:size]) for size in SIZES}


@pytest.fixture
def small(tmp_path):
    """A log without a key, that grows."""
    with Timeline(tmp_path / "timeline.db") as timeline, serving(timeline, tmp_path) as client:
        yield client


def hashes(texts):
    return [base64.b64decode(text, validate=True) for text in texts]


def is_immutable(response):
    return "immutable" in response.headers["Cache-Control"]


# ---------------------------------------------------------------------------------------------- checkpoints


@pytest.mark.parametrize("size", SIZES)
def test_the_checkpoint_of_every_size_has_the_root_of_its_records(client, roots, size):
    response = client.get(f"/v1/checkpoint?size={size}")
    found = response.json()
    verifier = Verifier.parse(found["key"])
    opened = open_checkpoint(found["note"], found["origin"], verifier).checkpoint
    assert (opened.size, opened.root) == (found["size"], bytes.fromhex(found["root"])) == (size, roots[size])
    assert is_immutable(response)
    assert (found["recorded_at"] is None) == (size == 0)
    assert response.headers["Timeline-Position"] == str(size)
    for asked in ({"headers": {"Accept": "text/plain"}}, {"params": {"size": size, "f": "text"}}):
        text = client.get(f"/v1/checkpoint?size={size}", **asked)
        assert text.text == found["note"]
        assert text.headers["Content-Type"] == "text/plain; charset=utf-8"


def test_the_newest_checkpoint_is_of_all_records_and_changes(client, small):
    response = client.get("/v1/checkpoint")
    assert response.json() == client.get(f"/v1/checkpoint?size={HEAD}").json()
    assert not is_immutable(response)
    empty = small.get("/v1/checkpoint")
    fill(small.timeline, 1)
    after = small.get("/v1/checkpoint", headers={"If-None-Match": empty.headers["ETag"]})
    assert (after.status_code, after.json()["size"]) == (200, 1)


def test_without_a_key_a_checkpoint_is_its_bare_text_and_may_be_signed_later(small):
    fill(small.timeline, 3)
    response = small.get("/v1/checkpoint?size=2")
    found = response.json()
    assert "key" not in found
    assert parse_note(found["note"], unsigned=True).text == found["note"]
    assert not is_immutable(response)
    assert not is_immutable(small.get("/v1/proofs/inclusion?position=1&size=2"))
    assert is_immutable(small.get("/v1/proofs/consistency?old=1&new=2"))
    assert "timeline key generate" in problem(small.get("/checkpoint"), 404)["detail"]
    problem(small.get("/v1/proofs/inclusion?position=1&f=tlog-proof"), 404)
    small.timeline.sign_with(Signer(small.timeline.origin, bytes(32)))
    signed = small.get("/v1/checkpoint?size=2", headers={"If-None-Match": response.headers["ETag"]})
    assert signed.json()["note"].startswith(found["note"])
    assert is_immutable(signed)


# ---------------------------------------------------------------------------------------------- inclusion


@pytest.mark.parametrize("size", [size for size in SIZES if size])
def test_every_proof_of_inclusion_leads_to_the_root(client, headers, leaves, roots, size):
    positions = sorted({1, 2, size, (size + 1) // 2, min(size, 256), min(size, 257)} & set(range(1, size + 1)))
    for position in positions:
        response = client.get(f"/v1/proofs/inclusion?position={position}&size={size}")
        found = response.json()
        assert is_immutable(response)
        assert (found["position"], found["leaf_index"], found["size"]) == (position, position - 1, size)
        assert bytes.fromhex(found["leaf_hash"]) == leaves[position - 1]
        assert json.dumps(found["header"], ensure_ascii=False, separators=(",", ":")).encode() == headers[position - 1]
        assert bytes.fromhex(found["root"]) == roots[size]
        merkle.verify_inclusion(position - 1, size, leaves[position - 1], hashes(found["proof"]), roots[size])
        assert found["note"] == client.get(f"/v1/checkpoint?size={size}").json()["note"]


def test_every_position_of_the_whole_log_is_proved(client, leaves, roots):
    for position in range(1, HEAD + 1):
        found = client.get(f"/v1/proofs/inclusion?position={position}").json()
        merkle.verify_inclusion(position - 1, HEAD, leaves[position - 1], hashes(found["proof"]), roots[HEAD])


def test_a_proof_does_not_prove_another_record(client, leaves, roots):
    found = client.get("/v1/proofs/inclusion?position=100&size=300").json()
    with pytest.raises(merkle.ProofError):
        merkle.verify_inclusion(99, 300, leaves[100], hashes(found["proof"]), roots[300])
    with pytest.raises(merkle.ProofError):
        merkle.verify_inclusion(100, 300, leaves[99], hashes(found["proof"]), roots[300])


@pytest.mark.parametrize("size", [2, 255, 256, 257, 515])
def test_several_records_are_proved_at_once(client, leaves, roots, size):
    wanted = sorted({1, 2, size // 2 + 1, size})
    response = client.get("/v1/proofs/inclusion", params=[("size", size), *(("position", p) for p in wanted[::-1])])
    found = response.json()
    assert found["positions"] == wanted
    assert hashes(found["proof"]) == gaps(leaves[:size], {position - 1 for position in wanted})
    assert [bytes.fromhex(leaf) for leaf in found["leaf_hashes"]] == [leaves[position - 1] for position in wanted]
    assert [header["position"] for header in found["headers"]] == wanted
    known = {position - 1: leaves[position - 1] for position in wanted}
    assert merkle.root_from_multiproof(known, size, hashes(found["proof"])) == roots[size]
    assert is_immutable(response)


def gaps(leaves, wanted, start=0):
    """The roots of the largest subtrees that hold none of the wanted leaves, from left to right."""
    if not wanted:
        return [mth(leaves)]
    if len(leaves) == 1:
        return []
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    left = {index for index in wanted if index < start + k}
    return gaps(leaves[:k], left, start) + gaps(leaves[k:], wanted - left, start + k)


def test_a_position_given_twice_is_proved_once(client):
    found = client.get("/v1/proofs/inclusion?position=9&position=9&size=20").json()
    assert (found["positions"], len(found["leaf_hashes"])) == ([9], 1)


@pytest.mark.parametrize("asked", [{"params": {"f": "tlog-proof"}}, {"headers": {"Accept": "text/plain"}}])
def test_a_tlog_proof_is_verified_offline_with_the_key_and_the_header_in_it(client, headers, leaves, asked):
    parameters = {"position": 300, "size": 400, **asked.get("params", {})}
    response = client.get("/v1/proofs/inclusion", params=parameters, headers=asked.get("headers"))
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert is_immutable(response)
    found = TlogProof.parse(response.content)
    assert found.extra == headers[299]
    verifier = Verifier.parse(client.get("/v1/checkpoint").json()["key"])
    opened = found.verify(sha256(b"\x00" + found.extra).digest(), verifier.name, verifier)
    assert opened.checkpoint.size == 400
    with pytest.raises(merkle.ProofError):
        found.verify(leaves[300], verifier.name, verifier)


# ---------------------------------------------------------------------------------------------- consistency


def test_every_size_extends_every_smaller_one(client, roots):
    for old in SIZES:
        for new in SIZES:
            response = client.get(f"/v1/proofs/consistency?old={old}&new={new}")
            if old > new:
                found = problem(response, 400, "?old")
                assert "cannot extend" in found["detail"]
                continue
            found = response.json()
            assert is_immutable(response)
            assert (found["old_root"], found["new_root"]) == (roots[old].hex(), roots[new].hex())
            if old:
                merkle.verify_consistency(old, new, hashes(found["proof"]), roots[old], roots[new])
            else:
                assert found["proof"] == []


def test_without_a_new_size_it_is_all_there_is(client, roots):
    response = client.get("/v1/proofs/consistency?old=257")
    found = response.json()
    merkle.verify_consistency(257, HEAD, hashes(found["proof"]), roots[257], roots[HEAD])
    assert found["new"] == HEAD
    assert not is_immutable(response)


def test_a_follower_reads_the_checkpoint_and_the_proof(client, roots):
    def pass_on(request):
        answer = client.get(request.url.raw_path.decode())
        return httpx.Response(answer.status_code, content=answer.content)

    with Source("http://log", httpx.MockTransport(pass_on)) as source:
        opened = parse_note(source.checkpoint())
        assert opened.text.splitlines()[1] == str(HEAD)
        merkle.verify_consistency(300, HEAD, source.consistency(300, HEAD), roots[300], roots[HEAD])


# ---------------------------------------------------------------------------------------------- refused


@pytest.mark.parametrize(("url", "status", "pointer"), [
    ("/v1/checkpoint?size=516", 404, None),
    ("/v1/checkpoint?size=9007199254740991", 404, None),
    ("/v1/checkpoint?size=9007199254740992", 400, "?size"),
    ("/v1/checkpoint?size=-1", 400, "?size"),
    ("/v1/checkpoint?size=1&size=1", 400, "?size"),
    ("/v1/checkpoint?size=", 400, "?size"),
    ("/v1/checkpoint?size=٣", 400, "?size"),
    ("/v1/checkpoint?f=csv", 400, "?f"),
    ("/v1/checkpoint?at=5", 400, "?at"),
    ("/v1/proofs/inclusion", 400, "?position"),
    ("/v1/proofs/inclusion?position=0", 400, "?position"),
    ("/v1/proofs/inclusion?position=x", 400, "?position"),
    ("/v1/proofs/inclusion?position=516", 404, None),
    ("/v1/proofs/inclusion?position=5&position=516", 404, None),
    ("/v1/proofs/inclusion?position=5&size=516", 404, None),
    ("/v1/proofs/inclusion?position=5&position=6&size=516", 404, None),
    ("/v1/proofs/inclusion?position=6&size=5", 400, "?position"),
    ("/v1/proofs/inclusion?position=1&size=0", 400, "?size"),
    ("/v1/proofs/inclusion?position=5&position=6&f=tlog-proof", 400, "?f"),
    ("/v1/proofs/inclusion?position=5&colour=red", 400, "?colour"),
    ("/v1/proofs/consistency", 400, "?old"),
    ("/v1/proofs/consistency?new=5", 400, "?old"),
    ("/v1/proofs/consistency?old=5&new=4", 400, "?old"),
    ("/v1/proofs/consistency?old=516", 404, None),
    ("/v1/proofs/consistency?old=5&new=516", 404, None),
    ("/v1/proofs/consistency?old=5&f=json", 400, "?f"),
    ("/checkpoint?size=5", 400, "?size"),
    ("/tile/0/000?x=1", 400, "?x"),
])
def test_what_cannot_be_proved_is_refused_in_words(client, url, status, pointer):
    found = problem(client.get(url), status, pointer)
    if status == 404:
        assert found["position"] == HEAD
        assert str(HEAD) in found["detail"]


def test_a_type_it_does_not_have_is_not_acceptable(client):
    problem(client.get("/v1/checkpoint", headers={"Accept": "text/csv"}), 406)
    problem(client.get("/v1/proofs/inclusion?position=1", headers={"Accept": "text/csv"}), 406)


# ---------------------------------------------------------------------------------------------- tiles


def tiles_reader(client, vkey):
    """A client that knows the vkey and C2SP tlog-tiles and nothing else: it gives size, root and entries."""
    verifier = Verifier.parse(vkey)
    checkpoint = open_checkpoint(client.get("/checkpoint").content, verifier.name, verifier).checkpoint
    leaves, entries = [], []
    for index in range(-(-checkpoint.size // 256)):
        width = min(256, checkpoint.size - index * 256)
        data = client.get("/" + tile_path(0, index, width)).content
        assert len(data) == 32 * width
        leaves += [data[at : at + 32] for at in range(0, len(data), 32)]
        entries += read_entry_bundle(client.get("/" + tile_path(None, index, width)).content)
    return checkpoint, leaves, entries


def test_tiles_alone_give_the_root_and_the_entries(client, headers, leaves):
    checkpoint, found, entries = tiles_reader(client, client.get("/v1/checkpoint").json()["key"])
    assert checkpoint.size == HEAD
    assert checkpoint.root == mth(found)
    assert found == leaves
    assert entries == headers
    assert [sha256(b"\x00" + entry).digest() for entry in entries] == found
    upper = client.get("/tile/1/000.p/2").content
    assert upper == mth(leaves[:256]) + mth(leaves[256:512])


def test_every_tile_of_every_published_size_is_there(client, leaves):
    for size in SIZES:
        for tile in tiles_at(size):
            response = client.get("/" + tile.path)
            assert response.status_code == 200, tile.path
            assert is_immutable(response)
            assert response.headers["Content-Type"] == "application/octet-stream"
            if tile.level == 0:
                assert response.content == b"".join(leaves[tile.index * 256 : tile.index * 256 + tile.width])
            elif tile.level is None:
                assert len(read_entry_bundle(response.content)) == tile.width


@pytest.mark.parametrize(("size", "there", "absent"), [
    (0, [], ["0/000", "0/000.p/1", "entries/000.p/1", "1/000.p/1", "entries/000"]),
    (255, ["0/000.p/255", "entries/000.p/255", "0/000.p/1"], ["0/000", "entries/000", "1/000.p/1", "0/001.p/1"]),
    (256, ["0/000", "entries/000", "1/000.p/1"], ["0/001.p/1", "1/000.p/2", "1/000", "2/000.p/1"]),
    (257, ["0/000", "0/001.p/1", "entries/001.p/1", "1/000.p/1"], ["0/001.p/2", "entries/001", "1/000.p/2"]),
])
def test_a_log_has_the_tiles_of_its_size_and_no_others(small, size, there, absent):
    if size:
        fill(small.timeline, size)
    small.timeline.sign_with(Signer(small.timeline.origin, bytes(32)))
    checkpoint, leaves, _ = tiles_reader(small, small.timeline.signer.verifier.vkey)
    assert (checkpoint.size, checkpoint.root) == (size, mth(leaves))
    for path in there:
        assert small.get(f"/tile/{path}").status_code == 200, path
    for path in absent:
        found = problem(small.get(f"/tile/{path}"), 404)
        assert (found["position"], f"{size} records" in found["detail"]) == (size, True)


@pytest.mark.parametrize("path", [
    "0/0", "0/00", "0/0000", "00/000", "64/000", "-1/000", "0/000.p/0", "0/000.p/256", "0/000.p/01", "0/000.p/",
    "0/x000", "0/x000/000", "0/x001", "0/001/000", "0/000.P/5", "x/000", "entries/0", "Entries/000", "data/000", "0",
    "0/000/5", "0/%D9%A0%D9%A0%D9%A0", "0/000%00", "%2e%2e/0/000", "0/" + "x999/" * 7 + "999", "0/" + "9" * 4000,
])
def test_only_the_one_path_of_a_tile_leads_to_it(client, path):
    problem(client.get(f"/tile/{path}"), 404)


def test_a_tile_and_the_checkpoint_are_read_like_everything_else(client):
    for path in ("/checkpoint", "/tile/0/000", "/tile/entries/001", "/tile/0/002.p/3"):
        got = client.get(path, headers={"Origin": "https://example.org"})
        assert got.headers["Access-Control-Allow-Origin"] == "*"
        head = client.head(path)
        assert (head.content, head.headers["ETag"]) == (b"", got.headers["ETag"])
        assert client.get(path, headers={"If-None-Match": got.headers["ETag"]}).status_code == 304
    checkpoint = client.get("/checkpoint")
    assert checkpoint.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert checkpoint.headers["Cache-Control"] == "public, max-age=5"


def test_they_are_reads_where_reading_needs_a_token(tmp_path):
    with Timeline(tmp_path / "timeline.db") as timeline:
        fill(timeline, 2)
        timeline.sign_with(Signer(timeline.origin, bytes(32)))
        with serving(timeline, tmp_path, public_read=False) as client:
            for path in ("/checkpoint", "/tile/0/000.p/2", "/v1/checkpoint", "/v1/proofs/inclusion?position=1",
                         "/v1/proofs/consistency?old=1&new=2"):
                problem(client.get(path), 401)
                allowed = client.get(path, headers=client.writer)
                assert allowed.status_code == 200
                assert allowed.headers["Cache-Control"].startswith("private")
