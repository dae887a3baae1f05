"""Following a log: what advances, what is refused, and what evidence of a fork proves."""

import itertools
import json
import subprocess
import sys
import threading
from base64 import b64decode, b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import httpx
import msgspec
import pytest

from timeline.errors import Busy, Conflict, Corrupt, Invalid, Malformed, NotFound, TimelineError
from timeline.following import Evidence, Follower, Fork, Source, against
from timeline.merkle import (
    EMPTY,
    ProofError,
    consistency_proof,
    consistency_roots,
    leaf_hash,
    node_hash,
    root_of,
    verify_consistency,
)
from timeline.tlog import Checkpoint, CosignatureSigner, Signer, parse_note, sign_note

SOON = 15.0


class Log:
    """A log in memory; `twist` is the index from which another history has other records."""

    def __init__(self, origin="log.example/a", records=40, twist=None, seed=7):
        self.signer = Signer(origin, bytes([seed]) * 32)
        self.vkey = self.signer.verifier.vkey
        self.origin = origin
        self.leaves = [
            leaf_hash(b"%d%s" % (number, b"x" if twist is not None and number >= twist else b""))
            for number in range(records)
        ]

    def root(self, size):
        return root_of(self.leaves[:size])

    def text(self, size):
        return Checkpoint(self.origin, size, self.root(size)).text

    def note(self, size):
        return sign_note(self.text(size), self.signer)

    def proof(self, old, new):
        if new > len(self.leaves):
            raise ProofError(f"a tree of {len(self.leaves)} has no leaf {new}")
        return consistency_proof(old, new, lambda _, start, stop: self.leaves[start:stop])


def never(old, new):
    pytest.fail(f"nobody needs a proof from {old} to {new}")


@pytest.fixture
def log():
    return Log()


@pytest.fixture
def fork():
    return Log(twist=3)


@pytest.fixture
def state(tmp_path):
    return tmp_path / "follow.json"


@pytest.fixture(params=["with a key", "without a key"])
def follower(request, state, log):
    return Follower(state, log.vkey if request.param == "with a key" else None)


def remembered(state):
    return json.loads(state.read_bytes())["note"]


# ---------------------------------------------------------------------- what advances

def test_the_first_use_trusts_and_every_later_one_checks(follower, state, log):
    sizes = [5, 5, 8, 9, 40]
    outcomes = [follower.check(log.note(size), log.proof) for size in sizes]
    assert [each.kind for each in outcomes] == ["first", "unchanged", "advanced", "advanced", "advanced"]
    assert [each.before for each in outcomes] == [None, 5, 5, 8, 9]
    assert [each.size for each in outcomes] == sizes
    assert [each.root for each in outcomes] == [log.root(size) for size in sizes]
    assert remembered(state) == log.note(40)


def test_every_pair_of_sizes_advances(tmp_path, log):
    for old, new in itertools.combinations(range(14), 2):
        follower = Follower(tmp_path / f"{old}-{new}.json", log.vkey)
        follower.check(log.note(old), never)
        assert follower.check(log.note(new), log.proof).kind == "advanced"


def test_it_says_whether_a_signature_was_verified(tmp_path, log):
    assert Follower(tmp_path / "a", log.vkey).check(log.note(5), never).signed
    assert not Follower(tmp_path / "b").check(log.note(5), never).signed


def test_a_log_without_a_key_can_be_followed(state, log):
    follower = Follower(state)
    follower.check(log.text(5), never)
    assert follower.check(log.text(8).encode(), log.proof).kind == "advanced"
    with pytest.raises(Fork):
        follower.check(Log(twist=3).text(9), Log(twist=3).proof)


def test_an_older_answer_is_no_fork_and_does_not_set_back(follower, state, log):
    follower.check(log.note(9), never)
    outcome = follower.check(log.note(5), log.proof)
    assert (outcome.kind, outcome.size, outcome.before) == ("older", 5, 9)
    assert remembered(state) == log.note(9)


def test_the_key_is_remembered(state, log):
    Follower(state, log.vkey).check(log.note(5), never)
    unsigned = Follower(state)
    assert unsigned.check(log.note(6), log.proof).signed
    with pytest.raises(Invalid, match="no good signature"):
        unsigned.check(Log(seed=8).note(7), log.proof)
    with pytest.raises(Invalid, match="another key"):
        Follower(state, Log(seed=8).vkey).check(log.note(7), log.proof)
    assert remembered(state) == log.note(6)


def test_a_key_that_comes_later_is_remembered_from_then_on(state, log):
    Follower(state).check(log.note(5), never)
    assert Follower(state, log.vkey).check(log.note(5), never).kind == "unchanged"
    with pytest.raises(Invalid, match="no good signature"):
        Follower(state).check(log.text(6) + "\n— x AAAAAAAA\n", log.proof)


def test_a_key_that_comes_later_has_to_be_that_of_what_is_remembered(state, log):
    Follower(state).check(Log(seed=8).note(5), never)
    with pytest.raises(Invalid, match="does not hold"):
        Follower(state, log.vkey).check(log.note(6), log.proof)


# ---------------------------------------------------------------------- what is refused

def refused(follower, state, kind, note, proof, words):
    before = state.read_bytes()
    with pytest.raises(kind, match=words) as caught:
        follower.check(note, proof)
    assert state.read_bytes() == before
    return caught.value


def test_another_root_at_the_same_size(follower, state, log, fork):
    follower.check(log.note(5), never)
    error = refused(follower, state, Fork, fork.note(5), never, "two roots at size 5")
    assert (error.status, error.exit_code) == (409, 7)
    assert error.evidence == Evidence(log.note(5), fork.note(5), None)


@pytest.mark.parametrize(("old", "new"), [(4, 5), (4, 8), (5, 8), (7, 40), (8, 9)])
def test_a_history_that_forked_before(follower, state, log, fork, old, new):
    follower.check(log.note(old), never)
    error = refused(follower, state, Fork, fork.note(new), fork.proof, "does not extend")
    assert error.evidence == Evidence(log.note(old), fork.note(new), tuple(fork.proof(old, new)))
    assert error.evidence.finding == "not-extended"


def test_a_log_that_was_cut_short_cannot_prove_that_it_was_not(follower, state, log):
    follower.check(log.note(9), never)
    short = Log(records=5)
    error = refused(follower, state, Fork, short.note(5), short.proof, "cut short")
    assert error.evidence == Evidence(log.note(9), log.note(5), None)
    assert error.evidence.finding == "shorter"


def test_a_shorter_log_with_another_history(follower, state, log, fork):
    follower.check(log.note(9), never)
    error = refused(follower, state, Fork, fork.note(5), fork.proof, "does not lie in the past")
    assert error.evidence.proof == tuple(fork.proof(5, 9))


def test_an_empty_log_after_one_with_records_is_refused(follower, state, log):
    follower.check(log.note(9), never)
    refused(follower, state, Fork, log.note(0), never, "cut short")


def test_a_log_that_gives_no_proof_is_not_believed(follower, state, log):
    def none(old, new):
        raise Conflict("no")

    follower.check(log.note(5), never)
    refused(follower, state, Conflict, log.note(9), none, "no proof was given that size 9 extends size 5")


def test_a_proof_that_cannot_be_had_now_is_no_fork(follower, state, log):
    def busy(old, new):
        raise Busy("later")

    follower.check(log.note(5), never)
    refused(follower, state, Busy, log.note(9), busy, "later")
    refused(follower, state, Busy, log.note(3), busy, "later")


@pytest.mark.parametrize("spoil", [
    lambda proof: proof[:-1], lambda proof: [*proof, bytes(32)], lambda _: [], lambda proof: proof[::-1],
    lambda proof: [proof[0][::-1], *proof[1:]], lambda proof: [*proof[:-1], proof[-1][:31]],
])
def test_a_spoilt_proof_is_refused_and_proves_nothing(follower, state, log, spoil):
    follower.check(log.note(7), never)
    error = refused(follower, state, Fork, log.note(30), lambda old, new: spoil(log.proof(old, new)), "does not extend")
    assert not error.evidence.check(log.vkey).proved


def test_another_log_is_refused(state, log):
    follower = Follower(state)
    follower.check(log.note(5), never)
    refused(follower, state, Conflict, Log("log.example/b").note(5), never, "another log")


def test_a_bad_signature_is_refused(state, log):
    follower = Follower(state, log.vkey)
    with pytest.raises(Invalid, match="no good signature"):
        follower.check(Log(seed=8).note(5), never)
    assert not state.exists()
    follower.check(log.note(5), never)
    for note in (Log(seed=8).note(6), log.note(6).replace("\n6\n", "\n7\n"), log.text(6) + "\n— x AAAAAAAA\n"):
        refused(follower, state, Invalid, note, never, "no good signature")


@pytest.mark.parametrize("note", [
    "", "nothing", b"\xff\n", "log.example/a\n05\n", "a\n5\nshort\n", "<html>\n\n<body>\n",
    f"a\n0\n{b64encode(bytes(32)).decode()}\n",
    f"a\x1b[2Jb\n5\n{b64encode(bytes(32)).decode()}\n",
    f"a\u202eb\n5\n{b64encode(bytes(32)).decode()}\n",
    f"a\u009bb\n5\n{b64encode(bytes(32)).decode()}\n",
])
def test_what_is_not_a_checkpoint_is_refused(state, note):
    with pytest.raises(Malformed, match="checkpoint"):
        Follower(state).check(note, never)
    assert not state.exists()


@pytest.mark.parametrize("content", [
    b"", b"{}", b"[]", b"\xff\xfe", b'{"format": "timeline follower v2", "note": "x", "vkey": null}',
    b'{"format": "timeline follower v1", "note": "x", "vkey": null}',
    b'{"format": "timeline follower v1", "note": "x", "vkey": null, "more": 1}',
    b'{"format": "timeline follower v1", "note": "a\\n5\\nAAAA\\n", "vkey": "x"}',
])
def test_a_state_that_cannot_be_read_is_not_made_anew(follower, state, log, content):
    state.write_bytes(content)
    refused(follower, state, Invalid, log.note(5), never, r"follow\.json")


def test_a_state_of_which_a_byte_was_changed_does_not_go_unnoticed(state, log):
    Follower(state, log.vkey).check(log.note(5), never)
    sound = state.read_bytes()
    for index in range(0, len(sound), 7):
        state.write_bytes(sound[:index] + bytes([sound[index] ^ 1]) + sound[index + 1:])
        try:
            Follower(state, log.vkey).check(log.note(6), log.proof)
        except TimelineError:
            continue
        assert msgspec.json.decode(sound)["note"] == log.note(5)
        assert remembered(state) == log.note(6)  # the blank between two members


def test_two_processes_do_not_check_at_once(state, log):
    def meanwhile(old, new):
        with pytest.raises(Busy):
            Follower(state).check(log.note(40), log.proof)
        return log.proof(old, new)

    Follower(state).check(log.note(5), never)
    assert Follower(state).check(log.note(9), meanwhile).kind == "advanced"
    assert not list(state.parent.glob("*.new"))


def test_the_state_needs_a_directory(tmp_path, log):
    with pytest.raises(NotFound, match="no directory"):
        Follower(tmp_path / "nowhere" / "x.json").check(log.note(5), never)


def test_a_key_has_to_be_one(state):
    with pytest.raises(Malformed, match="vkey"):
        Follower(state, "nonsense")


# ---------------------------------------------------------------------- evidence

def cases():
    log, fork = Log(), Log(twist=3)
    yield "same size", Evidence(log.note(5), fork.note(5), None)
    yield "not extended", Evidence(log.note(7), fork.note(30), tuple(fork.proof(7, 30)))
    yield "from a power of two", Evidence(log.note(8), fork.note(30), tuple(fork.proof(8, 30)))
    yield "spoilt", Evidence(log.note(7), fork.note(30), (bytes(32),))
    yield "empty proof", Evidence(log.note(7), fork.note(30), ())
    yield "shorter", Evidence(log.note(30), fork.note(7), tuple(fork.proof(7, 30)))
    yield "no proof", Evidence(log.note(30), log.note(7), None)
    witness = CosignatureSigner("witness.example/w1", bytes(32))
    both = [each.note(5) + witness.sign(each.text(5), 1_756_000_000) for each in (log, fork)]
    yield "cosigned", Evidence(*both, None)
    crafty = [
        sign_note(f"{each.text(5)}second checkpoint, 1 lines:\nconsistency proof, 1 hashes:\n", each.signer)
        for each in (log, fork)
    ]
    yield "crafty extension lines", Evidence(*crafty, None)


CASES = dict(cases())
PROVED = {"same size", "not extended", "cosigned", "crafty extension lines"}


@pytest.mark.parametrize("name", CASES)
def test_evidence_is_read_back_as_it_was_written(tmp_path, name):
    evidence = CASES[name]
    path = evidence.write(tmp_path / "evidence.txt")
    content = path.read_bytes()
    assert Evidence.parse(content) == evidence == Evidence.parse(content.decode())
    assert content == evidence.text().encode()
    assert evidence.first in content.decode()
    assert evidence.second in content.decode()
    for hash_ in evidence.proof or ():
        assert b64encode(hash_) in content


@pytest.mark.parametrize("name", CASES)
def test_evidence_says_what_it_proves(name):
    verdict = CASES[name].check(Log().vkey)
    assert verdict.proved == (name in PROVED)
    assert verdict.statement.startswith("Proved:" if name in PROVED else "Not proved by this alone:")


@pytest.mark.parametrize("name", CASES)
def test_a_byte_of_evidence_cannot_be_changed(name):
    """What is still accepted is of the same checkpoints, and proves the same or, with another proof, nothing."""
    evidence = CASES[name]
    content = evidence.text().encode()
    for index in range(0, len(content), 3):
        changed = content[:index] + bytes([content[index] ^ 1]) + content[index + 1:]
        try:
            found = Evidence.parse(changed)
            verdict = found.check(Log().vkey)
        except (Malformed, Invalid):
            continue
        assert not verdict.proved or verdict == evidence.check(Log().vkey)
        for one, other in ((found.first, evidence.first), (found.second, evidence.second)):
            assert parse_note(one).text == parse_note(other).text
    for index in range(0, len(content), 5):
        with pytest.raises(Malformed):
            Evidence.parse(content[:index])
    with pytest.raises(Malformed):
        Evidence.parse(content + b"\n")


@pytest.mark.parametrize(("old", "new"), [
    ("two", "2"), ("signed two histories", "signed nothing"), ("same-size", "shorter"),
    ("finding", "Finding"), ("First the log", "Last the log"), ("checkpoint, 5 lines:", "checkpoint, 4 lines:"),
    ("none was given", "it was perfect"), ("\n", "\r\n"),
])
def test_the_words_of_evidence_cannot_be_changed(old, new):
    text = CASES["same size"].text()
    assert old in text
    with pytest.raises(Malformed, match="evidence"):
        Evidence.parse(text.replace(old, new))


@pytest.mark.parametrize("old", range(1, 30))
def test_a_fork_that_answers_from_its_own_tree_convicts_itself_unless_the_old_size_is_a_power_of_two(log, old):
    fork = Log(twist=0)
    evidence = Evidence(log.note(old), fork.note(30), tuple(fork.proof(old, 30)))
    assert evidence.check(log.vkey).proved == (old & (old - 1) != 0)


def test_evidence_is_for_one_key_only():
    with pytest.raises(Invalid, match="no good signature"):
        CASES["same size"].check(Log(seed=8).vkey)
    with pytest.raises(Malformed, match="vkey"):
        CASES["same size"].check("nonsense")


def test_what_is_no_fork_is_no_evidence(log):
    with pytest.raises(Invalid, match="one history"):
        Evidence(log.note(7), log.note(30), tuple(log.proof(7, 30))).check(log.vkey)
    with pytest.raises(Invalid, match="one history"):
        Evidence(log.note(7), log.note(7), None).check(log.vkey)
    with pytest.raises(Invalid, match="no good signature"):
        Evidence(log.note(7), Log(twist=3).text(7), None).check(log.vkey)
    shared = Signer("log.example/a", bytes([7]) * 32)
    other = sign_note(Checkpoint("log.example/b", 7, Log(twist=3).root(7)).text, shared)
    with pytest.raises(Invalid, match="two logs"):
        Evidence(log.note(7), other, None).check(log.vkey)


def test_evidence_shows_where_the_proof_really_leads(log, fork):
    evidence = CASES["not extended"]
    computed = consistency_roots(7, 30, evidence.proof, log.root(7))
    assert computed == (fork.root(7), fork.root(30))
    for root in computed:
        assert b64encode(root).decode() in evidence.text()


def test_the_roots_of_a_proof_are_those_that_verify(log):
    for old, new in itertools.combinations(range(1, 33), 2):
        proof = log.proof(old, new)
        assert consistency_roots(old, new, proof, log.root(old)) == (log.root(old), log.root(new))
        for index in range(len(proof)):
            spoilt = [*proof[:index], node_hash(proof[index], EMPTY), *proof[index + 1:]]
            roots = consistency_roots(old, new, spoilt, log.root(old))
            verify_consistency(old, new, spoilt, *roots)
            assert roots[1] != log.root(new)  # so no spoilt proof makes an honest log look like a fork
        for wrong in (proof[:-1], [*proof, EMPTY], [*proof[:-1], b"short"]):
            with pytest.raises(ProofError):
                consistency_roots(old, new, wrong, log.root(old))


def test_older_evidence_is_never_overwritten(tmp_path):
    path = tmp_path / "evidence.txt"
    first, second = CASES["same size"], CASES["spoilt"]
    assert [each.write(path).name for each in (first, first, second, second)] == [
        "evidence.txt", "evidence.txt", "evidence-2.txt", "evidence-2.txt"]
    assert first.name != second.name
    assert first.name == Evidence.parse(path.read_bytes()).name


@pytest.mark.parametrize("content", [
    b"", b"\xff", b"x" * 2_000_000, b"timeline fork-evidence v2\n", b"timeline fork-evidence v1\n",
    b"timeline fork-evidence v1\nfirst checkpoint, 999999 lines:\n",
])
def test_what_is_not_evidence_is_refused(content):
    with pytest.raises(Malformed, match="evidence"):
        Evidence.parse(content)


# ---------------------------------------------------------------------- a checkpoint kept elsewhere

def test_a_log_agrees_with_its_own_checkpoints(log):
    for size in range(41):
        told = against(log.note(size), 40, log.root, log.origin, log.vkey)
        assert "agrees" in told
        assert f"{size:,}" in told or size == 0
        assert against(log.text(size).encode(), 40, log.root, log.origin)
    assert "shows nothing" in against(log.note(0), 40, log.root, log.origin)


@pytest.mark.parametrize(("size", "words"), [(40, "the size of the checkpoint"), (30, "rewritten")])
def test_a_log_with_another_history_disagrees(log, fork, size, words):
    with pytest.raises(Fork, match=words) as caught:
        against(log.note(size), 40, fork.root, log.origin, log.vkey)
    evidence = caught.value.evidence
    assert Evidence.parse(evidence.text()) == evidence
    assert evidence.finding == "same-size"
    with pytest.raises(Invalid):
        evidence.check(log.vkey)  # what a file holds is signed by nobody


def test_a_log_that_is_shorter_than_its_checkpoint(log):
    with pytest.raises(Corrupt, match=r"30 records and the checkpoint 40.*cut short") as caught:
        against(log.note(40), 30, never, log.origin)
    assert caught.value.exit_code == 7


def test_a_checkpoint_of_another_log_or_key_says_nothing(log):
    with pytest.raises(Conflict, match="another log"):
        against(Log("log.example/b").note(5), 40, log.root, log.origin)
    with pytest.raises(Invalid, match="no good signature"):
        against(Log(seed=8).note(5), 40, log.root, log.origin, log.vkey)
    with pytest.raises(Invalid, match="no good signature"):
        against(log.note(5).replace("\n5\n", "\n6\n"), 40, log.root, log.origin, log.vkey)
    with pytest.raises(Malformed):
        against("5 0123", 40, log.root, log.origin)


# ---------------------------------------------------------------------- by HTTP

class Web:
    """A server in a few lines, which shows one log at one size."""

    def __init__(self, log, size):
        self.log, self.size = log, size
        self.asked = []

    def answer(self, target):
        self.asked.append(target)
        parts = urlsplit(target)
        if parts.path == "/checkpoint":
            return 200, self.log.note(self.size).encode()
        if parts.path == "/v1/proofs/consistency":
            old, new = (int(parse_qs(parts.query)[name][0]) for name in ("old", "new"))
            if not old <= new <= self.size:
                return 400, b"{}"
            proof = [b64encode(each).decode() for each in self.log.proof(old, new)]
            return 200, json.dumps({"old": old, "new": new, "proof": proof}).encode()
        return 404, b"{}"

    @property
    def transport(self):
        def handle(request):
            status, content = self.answer(str(request.url))
            return httpx.Response(status, content=content)

        return httpx.MockTransport(handle)


def test_a_server_is_followed(follower, log, fork):
    web = Web(log, 5)
    assert follower.follow("http://x/", web.transport).kind == "first"
    web.size = 9
    assert follower.follow("http://x", web.transport).kind == "advanced"
    assert web.asked[-1] == "http://x/v1/proofs/consistency?old=5&new=9"
    web.size = 5
    with pytest.raises(Fork, match="answered 400"):
        follower.follow("http://x", web.transport)
    web.log, web.size = fork, 12
    with pytest.raises(Fork, match="does not extend"):
        follower.follow("http://x", web.transport)


@pytest.mark.parametrize(("status", "content", "kind", "words"), [
    (404, b"", Conflict, "answered 404"), (302, b"", Conflict, "answered 302"), (500, b"", Busy, "later"),
    (429, b"", Busy, "later"), (200, b"x" * 200_000, Conflict, "more than"), (200, b"<html>", Malformed, "checkpoint"),
])
def test_a_server_that_answers_something_else(state, status, content, kind, words):
    transport = httpx.MockTransport(lambda _: httpx.Response(status, content=content))
    with pytest.raises(kind, match=words):
        Follower(state).follow("http://x", transport)
    assert not state.exists()


@pytest.mark.parametrize("content", [
    b"", b"[]", b"{}", b'{"proof": 5}', b'{"proof": ["?"]}', b'{"proof": [5]}', '{"proof": ["é"]}'.encode(),
    b"\xff", json.dumps({"proof": [b64encode(bytes(32)).decode()] * 64}).encode(),
])
def test_a_proof_that_is_not_one(content):
    with Source("http://x", httpx.MockTransport(lambda _: httpx.Response(200, content=content))) as source, \
            pytest.raises(Conflict, match="proof"):
        source.consistency(3, 5)


def test_a_server_that_is_not_there(state):
    def refuse(request):
        raise httpx.ConnectError("no")

    with pytest.raises(Busy, match="cannot reach"):
        Follower(state).follow("http://x", httpx.MockTransport(refuse))
    for url in ("x", "ftp://x", "http://[", "http://\x00", "http://", "http:///x", "http://x?y=1", "http://x/#z"):
        with pytest.raises(Malformed, match="url"):
            Follower(state).follow(url)


# ---------------------------------------------------------------------- the command, in a process of its own

PROGRAM = """
import sys
from timeline.cli.root import cli
from timeline.cli.witnessing import follow
cli.add_command(follow)
cli.main(sys.argv[1:])
"""


@pytest.fixture
def web(log):
    shown = Web(log, 5)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, content = shown.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        shown.url = f"http://127.0.0.1:{server.server_port}"
        yield shown
        server.shutdown()
        thread.join(SOON)


def follow(folder, *arguments):
    done = subprocess.run([sys.executable, "-c", PROGRAM, "follow", *arguments], cwd=folder, capture_output=True,
                          text=True, timeout=60, check=False)
    assert "Traceback" not in done.stderr
    return done


def test_the_command_follows_a_log_and_writes_evidence(tmp_path, web, log, fork):
    first = follow(tmp_path, web.url)
    assert (first.returncode, first.stderr) == (0, "")
    assert "first use: size 5 is trusted as it came" in first.stdout
    assert "not verified" in first.stdout
    web.size = 9
    second = follow(tmp_path, web.url, "--json", "--vkey", log.vkey)
    assert second.returncode == 0
    assert json.loads(second.stdout) == {"outcome": "advanced", "origin": log.origin, "size": 9,
                                         "root": log.root(9).hex(), "before": 5, "signed": True}
    third = follow(tmp_path, web.url)
    assert "size 9, as it was" in third.stdout
    assert "not verified" not in third.stdout
    web.log = fork
    fourth = follow(tmp_path, web.url)
    assert fourth.returncode == 7
    assert "two roots at size 9" in fourth.stderr
    [kept] = tmp_path.glob("fork-*.txt")
    assert kept.name in fourth.stderr
    assert Evidence.parse(kept.read_bytes()).check(log.vkey).proved
    fifth = follow(tmp_path, web.url, "--json", "--evidence", "mine.txt")
    assert fifth.returncode == 7
    assert json.loads(fifth.stdout)["evidence"] == "mine.txt"
    assert (tmp_path / "mine.txt").read_bytes() == kept.read_bytes()
    [state] = tmp_path.glob("follow-127.0.0.1-*.json")
    assert b64decode(remembered(state).split("\n")[2]) == log.root(9)


@pytest.mark.parametrize(("arguments", "code", "words"), [
    (["nonsense"], 2, "expected http"), (["http://127.0.0.1:9", "--vkey", "x"], 2, "vkey"),
    (["http://127.0.0.1:1"], 6, "cannot reach"), ([], 2, "URL"),
])
def test_what_is_wrong_with_a_command_is_said(tmp_path, arguments, code, words):
    done = follow(tmp_path, *arguments)
    assert done.returncode == code
    assert words in done.stderr
