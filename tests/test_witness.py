"""The witness: its dialogue over HTTP, what it must never sign, and how a log asks it."""

import re
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from base64 import b64decode, b64encode
from hashlib import sha256

import httpx
import pytest
from litestar.testing import TestClient

from timeline.errors import Busy, Conflict, Forbidden, Invalid, Malformed, NotFound, TimelineError
from timeline.merkle import EMPTY, consistency_proof, leaf_hash, root_of
from timeline.tlog import (
    AddCheckpoint,
    Checkpoint,
    CosignatureSigner,
    CosignatureVerifier,
    Signer,
    Verifier,
    cosigned_at,
    open_note,
    sign_note,
)
from timeline.witness.app import create_witness
from timeline.witness.client import cosign
from timeline.witness.judging import MAX_BODY, Stale, Witness
from timeline.witness.store import Cosigned, Store

NOW = 1_756_000_000
SOON = 15.0
WITNESS = CosignatureSigner("witness.example/w1", bytes(range(32)))


class Log:
    """A log in memory; `twist` is the index from which another history has other records."""

    def __init__(self, origin="log.example/a", records=40, twist=None, seed=7):
        self.signer = Signer(origin, bytes([seed]) * 32)
        self.origin = origin
        self.leaves = [
            leaf_hash(b"%d%s" % (number, b"x" if twist is not None and number >= twist else b""))
            for number in range(records)
        ]

    def note(self, size, root=None):
        root = root_of(self.leaves[:size]) if root is None else root
        return sign_note(Checkpoint(self.origin, size, root).text, self.signer)

    def proof(self, old, new):
        return consistency_proof(old, new, lambda _, start, stop: self.leaves[start:stop])

    def request(self, old, new):
        return AddCheckpoint(old, self.proof(old, new) if old <= new else (), self.note(new)).body()


@pytest.fixture
def store(tmp_path):
    opened = Store(tmp_path / "witness.db")
    yield opened
    opened.close()


@pytest.fixture
def log():
    return Log()


def serving(store, *verifiers, signer=WITNESS, clock=lambda: NOW):
    app = create_witness(store, signer, {verifier.name: verifier for verifier in verifiers}, clock)
    return TestClient(app, raise_server_exceptions=False)


@pytest.fixture
def client(store, log):
    with serving(store, log.signer.verifier) as client:
        yield client


def post(client, body):
    return client.post("/add-checkpoint", content=body)


def text_of(note):
    return note.rpartition("\n\n")[0] + "\n"


# ---------------------------------------------------------------------- foreign dialogues

SIGSUM = "sigsum.org/v1/tree/4d6d8825a6bb689d459628312889dfbb0bcd41b5211d9e1ce768b0ff0309e562"
SIGSUM_KEY = bytes.fromhex("ffdc2d4d98e4124d3feaf788c0c2f9abfd796083d1f0495437f302ec79cf100f")
ROOT3, ROOT5 = "RcCI1Nk56ZcSmIEfIn0SleqtV7uvrlXNccFx595Iwl0=", "QrtXrQZCCvpIgsSmOsah7HdICzMLLyDfxToMql9WTjY="
SIG1 = "UgIom7fPZTqpxWWhyjWduBvTvGVqsokMbqTArsQilegKoFBJQjUFAmQ0+YeSPM3wfUQMFSzVnnNuWRTYrajXpNUbIQY="
SIG3 = "UgIom2VbtIcdFbwFAy1n7s6IkAxIY6J/GQOTuZF2ORV39d75cbAj2aQYwyJre36kezNobZs4SUUdrcawfAB8WVrx6go="
SIG5 = "UgIomw/EOJmWi0i1FQsOj+etB7F8IccFam/jgd6wzRns4QPVmyEZtdvl1U2KEmLOZ/ASRcWJi0tW90dJWAShei7sDww="


def sigsum(old, proof, size, root, signature, origin=SIGSUM):
    return "\n".join([f"old {old}", *proof, "", origin, str(size), root, "", f"— {origin} {signature}", ""])


def test_the_scripted_dialogue_of_litewitness(store):
    """FiloSottile/torchwood cmd/litewitness/testdata/litewitness.txt; an unknown log is 404 since tlog-witness 1.0."""
    one, two, three, four = (b64encode(bytes([42, number]) + bytes(30)).decode() for number in (1, 2, 3, 4))
    zero = b64encode(bytes([42]) + bytes(31)).decode()
    bent = b64encode(bytes([42, 2]) + bytes(28) + b"\x00\x10").decode()
    inner = "+fUDV+k970B4I3uKrqJM4aP1lloPZP8mvr2Z4wRw2LI="
    other = "wgiIFdZfYNv6WU1OllBKsWnLYIS/DBMqt8Uh/S4OukE="
    verifier = Verifier(SIGSUM, SIGSUM_KEY)
    assert verifier.key_id == b64decode(SIG1)[:4]
    dialogue = [
        (sigsum(0, [], 1, zero, SIG1), 200, "— example.com/witness "),
        (sigsum(1, [one, two], 3, ROOT3, SIG3.replace("6go=", "6gx=")), 400, "base64"),
        (sigsum(1, [one, two], 3, ROOT3, SIG3.replace("x6go=", "y6go=")), 403, "signature"),
        (sigsum(1, [one, two], 3, ROOT3, SIG3, SIGSUM[:-1] + "3"), 404, "does not know"),
        (sigsum(1, [], 3, ROOT3, SIG3), 422, "consistency proof"),
        (sigsum(1, [one, bent], 3, ROOT3, SIG3), 422, "consistency proof"),
        (sigsum(1, [one, two], 3, ROOT3, SIG3), 200, "— example.com/witness "),
        (sigsum(1, [one, inner, four], 5, ROOT5, SIG5), 409, "3\n"),
        (sigsum(3, [two, three, other, four], 5, ROOT5, SIG5), 200, "— example.com/witness "),
        (sigsum(0, [], 5, ROOT5, SIG5), 409, "5\n"),
    ]
    with serving(store, verifier, signer=CosignatureSigner("example.com/witness", bytes(range(32)))) as client:
        for number, (body, status, part) in enumerate(dialogue):
            response = post(client, body)
            assert response.status_code == status, (number, response.text)
            assert part in response.text, number
            if status == 409:
                assert response.text == part
                assert response.headers["Content-Type"] == "text/x.tlog.size"
    assert store.latest(SIGSUM).size == 5


MONKEYS = "monkeys+db4d9f7e+AULaJMvTtDLHPUcUrjdDad9vDlh/PTfC2VV60JUtCfWT"
MONKEYS_SECRET = "PRIVATE+KEY+monkeys+db4d9f7e+ATWIAF3yVBG+Hv1rZFQoNt/BaURkLPtOFMAM2HrEeIr6"
BANANAS = "bananas+cf639f13+AaPjhFnPCQnid/Ql32KWhmh+uk72FVRfK+2DLmO3BI3M"
WITNESS_SECRET = "PRIVATE+KEY+witness+f13a86db+AaLa/dfyBhyo/m0Z7WCi98ENVZWtrP8pxgRNrx7tIWiA"
M_INIT = (
    "monkeys\n5\n41smjBUiAU70EtKlT6lIOIYtRTYxYXsDB+XHfcvu/BE=\n\n— monkeys 202fftzGl3LVoqjXfwCFZZXs8I+5G22+Ek2K0AOyBuSJ"
    "/8/CZawNF+6fNlTKOCd622pbzJNkkJFWuw9DbicZCkEx9AY=\n"
)
M_NEXT = (
    "monkeys\n8\nV8K9aklZ4EPB+RMOk1/8VsJUdFZR77GDtZUQq84vSbo=\n\n— monkeys 202ffoUEboiQYpHzICeaFmoy3RNviHTpAxYrq/eO4QQV"
    "QMvu9UebKBMX2MJC76NLthZaKsnKbCA8GxrjePZhvDCH7Ag=\n"
)
CONS_PROOF = [bytes.fromhex(each) for each in (
    "b9e1d62618f7fee8034e4c5010f727ab24d8e4705cb296c374bf2025a87a10d2",
    "aac66cd7a79ce4012d80762fe8eec3a77f22d1ca4145c3f4cee022e7efcd599d",
    "89d0f753f66a290c483b39cd5e9eafb12021293395fad3d4a2ad053cfbcfdc9e",
    "29e40bb79c966f4c6fe96aff6f30acfce5f3e8d84c02215175d6e018a5dee833",
)]
ROOT_5 = bytes.fromhex("e35b268c1522014ef412d2a54fa94838862d453631617b0307e5c77dcbeefc11")
FALSE_ROOT_5 = b"\xff" * 8 + ROOT_5[8:]


def monkeys(size, root):
    return sign_note(Checkpoint("monkeys", size, root).text, Signer.parse(MONKEYS_SECRET))


@pytest.mark.parametrize(("first", "old", "second", "proof", "status"), [
    pytest.param(monkeys(5, ROOT_5), 5, M_NEXT, CONS_PROOF, 200, id="consistent"),
    pytest.param(monkeys(5, ROOT_5), 2, M_NEXT, [], 409, id="old size is not the current one"),
    pytest.param(monkeys(0, EMPTY), 0, monkeys(5, ROOT_5), CONS_PROOF, 422, id="from zero with a proof"),
    pytest.param(monkeys(0, EMPTY), 0, monkeys(5, ROOT_5), [], 200, id="from zero without a proof"),
    pytest.param(monkeys(0, EMPTY), 0, monkeys(5, ROOT_5), [b"\x02"], 400, id="from zero, a hash of one byte"),
    pytest.param(monkeys(5, ROOT_5), 5, monkeys(5, ROOT_5), [], 200, id="known already"),
    pytest.param(monkeys(5, ROOT_5), 5, monkeys(5, FALSE_ROOT_5), [], 422, id="known with another root"),
    pytest.param(monkeys(4, ROOT_5), 4, monkeys(5, ROOT_5), [], 422, id="no proof"),
    pytest.param(M_NEXT, 8, M_INIT, CONS_PROOF, 400, id="smaller"),
    pytest.param(M_INIT, 5, M_NEXT, [b"\xaa" * 2, b"\xbb" * 2, b"\xcc" * 2, b"\xdd" * 2], 400, id="garbage as proof"),
    pytest.param(M_INIT, 5, M_NEXT, CONS_PROOF[::-1], 422, id="proof in the wrong order"),
    pytest.param(M_INIT, 5, M_INIT, CONS_PROOF, 422, id="known already, with a proof"),
])
def test_the_update_cases_of_transparency_dev_witness(store, first, old, second, proof, status):
    """transparency-dev/witness witness/witness_test.go, TestUpdate; a hash of a wrong length is malformed here."""
    signer = CosignatureSigner("witness", Signer.parse(WITNESS_SECRET).seed)

    def body(size, hashes, note):
        return "\n".join([f"old {size}", *(b64encode(each).decode() for each in hashes), "", note])

    with serving(store, Verifier.parse(MONKEYS), signer=signer) as client:
        assert post(client, body(0, [], first)).status_code == 200
        before = store.latest("monkeys")
        response = post(client, body(old, proof, second))
        assert response.status_code == status, response.text
        if status == 200:
            opened = open_note(text_of(second) + "\n" + response.text, [signer.verifier])
            assert cosigned_at(opened.verified[0]) == NOW
        else:
            assert "—" not in response.text
            assert store.latest("monkeys") == before


# ---------------------------------------------------------------------- answers

def test_a_cosignature_is_given_and_what_was_cosigned_can_be_fetched(client, log):
    response = post(client, log.request(0, 5))
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/plain")
    place = f"/{sha256(log.origin.encode()).hexdigest()}/checkpoint"
    note = client.get(place).text
    opened = open_note(note, [log.signer.verifier, WITNESS.verifier])
    assert [each.name for each in opened.verified] == [log.origin, WITNESS.name]
    assert opened.text == text_of(log.note(5))
    assert opened.verified[1].line == response.text
    assert client.get(f"/{sha256(b'other').hexdigest()}/checkpoint").status_code == 404


def test_nothing_was_cosigned_yet(client, log):
    assert client.get(f"/{sha256(log.origin.encode()).hexdigest()}/checkpoint").status_code == 404


def test_it_says_what_it_is(client, log):
    response = client.get("/")
    assert response.status_code == 200
    assert WITNESS.verifier.vkey in response.text
    assert log.origin in response.text
    found = re.search(r"^  (\S+\+\S+)$", response.text, re.MULTILINE)
    assert CosignatureVerifier.parse(found[1]) == WITNESS.verifier


def test_an_old_size_is_asked_for_when_nothing_was_cosigned(client, log):
    response = post(client, log.request(3, 5))
    assert (response.status_code, response.text) == (409, "0\n")


@pytest.mark.parametrize(("mangle", "status"), [
    (lambda _: "", 400),
    (lambda body: body.replace("old 0", "old 00"), 400),
    (lambda body: body.replace("old 0", "old -1"), 400),
    (lambda body: body.replace("old 0", "old ٣"), 400),
    (lambda body: body.replace("old 0", "old 9223372036854775808"), 400),
    (lambda body: body.replace("old 0", "new 0"), 400),
    (lambda body: body.replace("\n", "\r\n"), 400),
    (lambda body: body.replace("\n\n", "\n", 1), 400),
    (lambda body: body[:-1], 400),
    (lambda body: body.replace("old 0\n", "old 0\n" + f"{'A' * 43}=\n" * 64), 400),
    (lambda body: body.replace("old 0\n", "old 0\nnot base64\n"), 400),
    (lambda body: body.replace("\n5\n", "\n05\n"), 400),
    (lambda body: body.replace("old 0", "old 6"), 400),
    (lambda body: body.encode() + b"\xff\n", 400),
    (lambda body: body.partition("— ")[0], 400),
    (lambda body: body.replace("\n5\n", "\n6\n"), 403),
    (lambda body: body.replace("— log.example/a", "— log.example/b"), 403),
    (lambda _: "x" * (MAX_BODY + 1), 413),
])
def test_a_bad_request_is_refused_and_nothing_is_kept(client, store, log, mangle, status):
    response = post(client, mangle(log.request(0, 5)))
    assert response.status_code == status, response.text
    assert response.text.count("\n") == 1
    assert "Traceback" not in response.text
    assert store.latest(log.origin) is None


@pytest.mark.parametrize(("method", "path", "status"), [
    ("GET", "/add-checkpoint", 405), ("POST", "/sign-subtree", 404), ("GET", "/x/y/z", 404), ("POST", "/", 405),
])
def test_other_addresses_are_refused_in_plain_text(client, method, path, status):
    response = client.request(method, path)
    assert response.status_code == status
    assert response.headers["Content-Type"].startswith("text/plain")


def test_a_bug_is_shown_to_nobody(store, log):
    def clock():
        raise ZeroDivisionError("secret")

    with serving(store, log.signer.verifier, clock=clock) as client:
        response = post(client, log.request(0, 5))
    assert response.status_code == 500
    assert "signed nothing" in response.text
    assert "secret" not in response.text
    assert store.latest(log.origin) is None


def test_a_signature_of_somebody_else_alone_is_not_enough(client, log):
    stranger = Log(seed=8)
    assert stranger.origin == log.origin
    assert post(client, stranger.request(0, 5)).status_code == 403


def test_a_wrong_signature_beside_a_good_one_is_refused(client, log):
    forged = AddCheckpoint(0, (), log.note(5) + log.note(6).rpartition("\n\n")[2]).body()
    assert post(client, forged).status_code == 403


def test_signatures_of_strangers_are_ignored_and_not_handed_on(client, store, log):
    request = AddCheckpoint(0, (), log.note(5) + Log("stranger.example/x").signer.sign(text_of(log.note(5)))).body()
    assert post(client, request).status_code == 200
    assert "stranger" not in store.latest(log.origin).note


def test_a_size_of_zero_has_the_root_of_the_empty_tree(client, log):
    assert post(client, AddCheckpoint(0, (), log.note(0, bytes(32))).body()).status_code == 422
    assert post(client, AddCheckpoint(0, (), log.note(0)).body()).status_code == 200
    assert post(client, log.request(0, 7)).status_code == 200


def test_extension_lines_are_cosigned_with_the_rest(client, log):
    text = Checkpoint(log.origin, 5, root_of(log.leaves[:5]), ("more words",)).text
    response = post(client, AddCheckpoint(0, (), sign_note(text, log.signer)).body())
    assert response.status_code == 200
    assert open_note(f"{text}\n{response.text}", [WITNESS.verifier]).verified


def test_each_log_has_a_row_of_its_own(store):
    logs = [Log("log.example/a", seed=1), Log("log.example/b", seed=2)]
    with serving(store, *(each.signer.verifier for each in logs)) as client:
        for each in logs:
            assert post(client, each.request(0, 5)).status_code == 200
        assert post(client, logs[1].request(5, 9)).status_code == 200
    assert [store.latest(each.origin).size for each in logs] == [5, 9]


def test_every_growth_is_cosigned_and_no_fork_is(client, store, log):
    fork = Log(twist=3)
    assert post(client, log.request(0, 4)).status_code == 200
    for old in range(4, 30):
        response = post(client, fork.request(old, old + 1))
        assert response.status_code == 422, old
        response = post(client, AddCheckpoint(old, (), fork.note(old)).body())
        assert response.status_code == 422
        assert "two histories" in response.text
        assert post(client, log.request(old, old + 1)).status_code == 200
    assert store.latest(log.origin).root == root_of(log.leaves[:30])


# ---------------------------------------------------------------------- memory

def test_it_never_signs_backwards_after_a_restart(tmp_path, log):
    for old, new, status in ((0, 9, 200), (0, 5, 409), (9, 9, 200), (9, 12, 200), (9, 11, 409)):
        store = Store(tmp_path / "witness.db")
        with serving(store, log.signer.verifier) as client:
            assert post(client, log.request(old, new)).status_code == status
        store.close()


def test_times_never_go_back(store, log):
    moments = iter([NOW, NOW - 100, NOW + 1])
    witness = Witness(store, WITNESS, {log.origin: log.signer.verifier}, lambda: next(moments))
    times = []
    for old, new in ((0, 3), (3, 5), (5, 5)):
        line = witness.add_checkpoint(log.request(old, new).encode())
        opened = open_note(f"{text_of(log.note(new))}\n{line}", [WITNESS.verifier])
        times.append(cosigned_at(opened.verified[0]))
    assert times == [NOW, NOW, NOW + 1]


@pytest.mark.parametrize("statement", [
    "UPDATE cosigned SET size = 3",
    "UPDATE cosigned SET root = zeroblob(32)",
    "UPDATE cosigned SET origin = 'other'",
    "DELETE FROM cosigned",
    "INSERT OR REPLACE INTO cosigned VALUES ('log.example/a', 3, zeroblob(32), '', 0)",
])
def test_the_table_itself_refuses_to_go_back(tmp_path, statement):
    store = Store(tmp_path / "witness.db")
    assert store.advance("log.example/a", None, Cosigned(5, bytes(31) + b"\x01", "note", NOW))
    store.close()
    connection = sqlite3.connect(tmp_path / "witness.db")
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute(statement)
    connection.close()


def test_check_and_set(store):
    first, second, third = (Cosigned(size, bytes([size]) * 32, "", NOW) for size in (1, 2, 3))
    assert store.advance("a", None, first)
    assert not store.advance("a", None, second)
    assert store.advance("a", first, second)
    assert not store.advance("a", first, third)
    assert not store.advance("b", first, second)
    assert store.latest("a") == second
    assert store.latest("b") is None


def test_two_requests_that_race_do_not_roll_back(store, log):
    """The race of the specification: the smaller one is checked first, and comes second to the store."""
    witness = Witness(store, WITNESS, {log.origin: log.signer.verifier}, lambda: NOW)
    witness.add_checkpoint(log.request(0, 3).encode())
    checked, overtaken = threading.Event(), threading.Event()

    def stalled():
        checked.set()
        assert overtaken.wait(SOON)
        return NOW

    slow = Witness(store, WITNESS, {log.origin: log.signer.verifier}, stalled)
    caught = []

    def submit():
        try:
            slow.add_checkpoint(log.request(3, 5).encode())
        except Stale as error:
            caught.append(error.size)

    thread = threading.Thread(target=submit)
    thread.start()
    assert checked.wait(SOON)
    witness.add_checkpoint(log.request(3, 8).encode())
    overtaken.set()
    thread.join(SOON)
    assert caught == [8]
    assert store.latest(log.origin).size == 8


def test_of_two_histories_submitted_at_once_one_is_cosigned(store, log):
    histories = [log, Log(twist=0)]
    witness = Witness(store, WITNESS, {log.origin: log.signer.verifier}, lambda: NOW)
    for size in range(1, 20):
        start, signed = threading.Barrier(2), []

        def submit(history, start=start, signed=signed, size=size):
            start.wait(SOON)
            try:
                witness.add_checkpoint(history.request(size - 1, size).encode())
                signed.append(history)
            except TimelineError:
                pass

        threads = [threading.Thread(target=submit, args=(each,)) for each in histories]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SOON)
        assert len(signed) == 1
        assert store.latest(log.origin).root == root_of(signed[0].leaves[:size])


def test_one_process_at_a_time_has_the_store(tmp_path, store):
    with pytest.raises(Busy):
        Store(tmp_path / "witness.db")


def test_a_store_has_to_be_one(tmp_path):
    (tmp_path / "notes.txt").write_text("not a database, but long enough to be looked at" * 100)
    with pytest.raises(Conflict, match=r"notes\.txt is not the store"):
        Store(tmp_path / "notes.txt")
    with pytest.raises(NotFound, match="no directory"):
        Store(tmp_path / "nowhere" / "witness.db")


# ---------------------------------------------------------------------- the client

def through(client):
    """Let the client under test reach the application without a network; keep what was sent."""
    sent = []

    def handle(request):
        sent.append(request)
        answer = client.request(request.method, request.url.path, content=request.content)
        return httpx.Response(answer.status_code, headers={"Content-Type": answer.headers["Content-Type"]},
                              content=answer.content)

    transport = httpx.MockTransport(handle)
    transport.sent = sent
    return transport


def answering(*answers):
    left = list(answers)
    return httpx.MockTransport(lambda _: left.pop(0))


def ask(log, size, transport, **options):
    url = "http://witness.example/"
    return cosign(log.note(size), log.proof, url, WITNESS.verifier, transport=transport, **options)


def stale(size):
    return httpx.Response(409, headers={"Content-Type": "text/x.tlog.size"}, content=f"{size}\n".encode())


def test_a_log_gets_its_checkpoints_cosigned(client, log):
    transport = through(client)
    for size in (0, 5, 8, 8, 40):
        note = ask(log, size, transport)
        opened = open_note(note, [log.signer.verifier, WITNESS.verifier])
        assert len(opened.verified) == 2
        assert opened.text == text_of(log.note(size))
    assert len(transport.sent) == 8


def test_a_size_that_is_known_saves_a_request(client, log):
    transport = through(client)
    ask(log, 5, transport)
    ask(log, 9, transport, known=5)
    assert len(transport.sent) == 2


def test_an_older_cosignature_is_replaced_and_others_stay(client, log):
    other = CosignatureSigner("witness.example/w2", b"2" * 32)
    text = text_of(log.note(5))
    note = log.note(5) + other.sign(text, NOW) + WITNESS.sign(text, NOW - 1000)
    cosigned = cosign(note, log.proof, "http://witness.example", WITNESS.verifier, transport=through(client))
    opened = open_note(cosigned, [log.signer.verifier, other.verifier, WITNESS.verifier])
    assert [each.name for each in opened.verified] == [log.origin, other.name, WITNESS.name]
    assert cosigned_at(opened.signed_by(WITNESS.verifier)) == NOW
    assert not opened.unverified


def test_a_log_that_forked_gets_no_cosignature(client, log):
    ask(log, 9, through(client))
    for size in (9, 12):
        with pytest.raises(Conflict, match="two histories"):
            ask(Log(twist=3), size, through(client))


def test_a_log_that_was_cut_short_gets_no_cosignature(client, log):
    ask(log, 9, through(client))
    with pytest.raises(Conflict, match="has cosigned 9 records"):
        ask(log, 5, through(client))


@pytest.mark.parametrize(("status", "kind", "words"), [
    (400, Malformed, "cannot read"), (403, Forbidden, "no good signature"), (404, NotFound, "does not know this log"),
    (409, Conflict, "does not say which"), (422, Conflict, "two histories"), (429, Busy, "later"),
    (500, Busy, "later"), (503, Busy, "later"), (302, Conflict, "not what a witness answers"),
])
def test_a_refusal_becomes_a_sentence(log, status, kind, words):
    with pytest.raises(kind, match=f"http://witness.example/add-checkpoint answered {status}: .*{words}"):
        ask(log, 5, answering(httpx.Response(status, content=b"<html>\x1b[31m")))


def test_an_endless_conflict_ends(log):
    with pytest.raises(Busy, match="at the same time"):
        ask(log, 9, answering(stale(3), stale(4)))
    with pytest.raises(Conflict, match="another root of size 0"):
        ask(log, 9, answering(stale(0)))


@pytest.mark.parametrize("content", [b"", b"5", b"05\n", b"-1\n", b"five\n", b"9" * 40 + b"\n"])
def test_a_conflict_without_a_size_is_refused(log, content):
    with pytest.raises(Conflict, match="does not say which"):
        ask(log, 9, answering(httpx.Response(409, headers={"Content-Type": "text/x.tlog.size"}, content=content)))


def forged_lines(log):
    text, other = text_of(log.note(5)), CosignatureSigner(WITNESS.name, b"f" * 32)
    good = WITNESS.sign(text, NOW)
    yield "nothing", ""
    yield "another text", WITNESS.sign(text_of(log.note(6)), NOW)
    yield "another key of that name", other.sign(text, NOW)
    yield "no line feed", good[:-1]
    yield "a bit flipped", good.replace(good[-10], "A" if good[-10] != "A" else "B")
    yield "the log's own signature", log.signer.sign(text)
    yield "not UTF-8", b"\xff\xfe"


FORGED = dict(forged_lines(Log()))


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_answer_is_refused(log, name):
    content = FORGED[name] if isinstance(FORGED[name], bytes) else FORGED[name].encode()
    with pytest.raises(Invalid, match="without a good cosignature"):
        ask(log, 5, answering(httpx.Response(200, content=content)))


def test_an_answer_may_not_bring_extension_lines_of_its_own(log):
    """Put after the text, these lines make a longer text that the witness really signed."""
    longer = text_of(log.note(5)) + "\nextra\n"
    blob = WITNESS._sign(b"cosignature/v1\ntime %d\n" % NOW + longer.encode())
    line = b64encode(WITNESS.key_id + NOW.to_bytes(8, "big") + blob).decode()
    assert open_note(f"{longer}\n— {WITNESS.name} {line}\n", [WITNESS.verifier]).verified
    with pytest.raises(Invalid, match="another text"):
        ask(log, 5, answering(httpx.Response(200, content=f"extra\n\n— {WITNESS.name} {line}\n".encode())))


def test_lines_of_strangers_in_an_answer_are_ignored(log):
    text = text_of(log.note(5))
    lines = CosignatureSigner("stranger.example", b"s" * 32).sign(text, NOW) + WITNESS.sign(text, NOW)
    note = ask(log, 5, answering(httpx.Response(200, content=lines.encode())))
    assert note == log.note(5) + WITNESS.sign(text, NOW)


def test_an_answer_without_end_is_not_read(log):
    with pytest.raises(Invalid, match="more than"):
        ask(log, 5, answering(httpx.Response(200, content=b"x" * 100_000)))


def test_a_witness_that_is_not_there(log):
    def refuse(request):
        raise httpx.ConnectError("no")

    with pytest.raises(Busy, match="cannot reach"):
        ask(log, 5, httpx.MockTransport(refuse))
    with pytest.raises(Malformed, match="expected http"):
        cosign(log.note(5), log.proof, "ftp://x", WITNESS.verifier)
    with pytest.raises(Malformed, match="checkpoint"):
        cosign("nothing", log.proof, "http://x", WITNESS.verifier)


# ---------------------------------------------------------------------- the command, in a process of its own

PROGRAM = """
import sys
from timeline.cli.root import cli
from timeline.cli.witnessing import follow, witness
cli.add_command(witness)
cli.add_command(follow)
cli.main(sys.argv[1:])
"""


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def command(*arguments):
    return [sys.executable, "-c", PROGRAM, *map(str, arguments)]


def wait_for(port, process):
    deadline = time.monotonic() + SOON
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_witness_that_is_killed_remembers(tmp_path, log):
    port = free_port()
    run = command("witness", "--key", "w.key", "--name", "witness.example/p", "--log", log.signer.verifier.vkey,
                  "--store", "w.db", "--port", port)
    keys = set()
    for number, end in enumerate((signal.SIGKILL, signal.SIGTERM)):
        process = subprocess.Popen(run, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            wait_for(port, process)
            vkey = re.search(r"^  (witness\.example\S+)$", httpx.get(f"http://127.0.0.1:{port}/").text, re.MULTILINE)[1]
            keys.add(vkey)
            url, verifier = f"http://127.0.0.1:{port}", CosignatureVerifier.parse(vkey)
            if number:
                with pytest.raises(Conflict, match="has cosigned 9"):
                    cosign(log.note(5), log.proof, url, verifier)
            else:
                assert cosign(log.note(9), log.proof, url, verifier).startswith(log.note(9))
            process.send_signal(end)
            assert process.wait(SOON) == (0 if number else -signal.SIGKILL)
        finally:
            process.kill()
            assert "Traceback" not in process.communicate()[1]
    assert len(keys) == 1
    assert stat.S_IMODE((tmp_path / "w.key").stat().st_mode) == 0o600


@pytest.mark.parametrize(("arguments", "code", "words"), [
    (["--log", MONKEYS], 3, "there is no file w.key"),
    (["--log", "monkeys+1+x", "--name", "w"], 2, "vkey"),
    (["--log", MONKEYS, "--log", MONKEYS.replace("monkeys", "m"), "--name", "w"], 2, "vkey"),
    (["--log", MONKEYS, "--name", "two words"], 2, "spaces"),
    (["--name", "w"], 2, "--log"),
])
def test_what_is_wrong_with_a_command_is_said(tmp_path, arguments, code, words):
    done = subprocess.run(command("witness", "--key", "w.key", *arguments), cwd=tmp_path, capture_output=True,
                          text=True, timeout=60, check=False)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_secret_key_is_never_shown(tmp_path):
    (tmp_path / "w.key").write_text(WITNESS.skey.replace("+04", "+05") + "x")
    done = subprocess.run(command("witness", "--key", "w.key", "--log", MONKEYS), cwd=tmp_path, capture_output=True,
                          text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "w.key does not hold the key of a witness" in done.stderr
    assert WITNESS.skey.rpartition("+")[2][:20] not in done.stderr
