"""Lawful erasure: content gone from every file, everything still verified, and loss told apart from erasure."""

import json
import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from litestar.testing import TestClient
from test_views import ACTORS, EVENTS, SOURCES, START, append, histories, modest

from timeline import Timeline, parse_query
from timeline.api.app import create_app
from timeline.chronicle import rebuild_views, verify_file
from timeline.cli import cli
from timeline.connections import open_reader
from timeline.errors import Conflict, Corrupt, Invalid, NotFound
from timeline.importing.archive import read_log, write_log
from timeline.importing.files import File
from timeline.log.sqlite import LogFile
from timeline.snapshots import compare_with_log, find, freeze, make_bundle, publish, verify_bundle
from timeline.tokens import Tokens
from timeline.views.store import views_path

SECRETS = ["Xylophonic", "Quixotical", "Zephyrhills", "Wherewithalx"]
DIGEST = "5e884898da28047151d0e56f8dc6292773603d0d6aabbddc5e884898da280471"


@pytest.fixture
def timeline(tmp_path):
    with Timeline.open(tmp_path / "t.db") as timeline:
        timeline.describe_actor(id="ann", kind="person", name="Ann")
        timeline.describe_source(id="plain", title="A report")
        timeline.describe_source(id="letter", title="A letter", text="The Wherewithalx of the letter")
        timeline.append([{"type": "event.recorded", "key": "import:0123", "event": {
            "id": "secret", "title": "Xylophonic news", "summary": "Quixotical matters", "when": "2025-08-15",
            "topics": ["peace"], "actors": [{"id": "ann", "role": "speaker"}],
            "citations": [{"source": "plain", "exact": "Zephyrhills", "start": 4, "end": 15, "span_sha256": DIGEST}],
        }}])
        timeline.revise("secret", {"summary": "Quixotical matters, again"}, reason="more of it")
        timeline.record(id="other", title="Something else", when="2025-08-16", actors=[{"id": "ann"}])
        yield timeline


def raw(folder):
    """Read every byte of every file of log and views."""
    return {path.name: path.read_bytes() for path in Path(folder).iterdir() if path.is_file()}


def holding(folder, *needles):
    return {name for name, data in raw(folder).items() for needle in needles
            if (needle if isinstance(needle, bytes) else needle.encode()) in data
            or (isinstance(needle, str) and needle.lower().encode() in data)}


def salts(timeline, event):
    positions = timeline.stream(f"event/{event}", timeline.position)
    return [part.salt for position in positions for part in timeline.record_at(position).parts]


# ------------------------------------------------------------------------------- bytes

def test_no_byte_of_an_erased_body_is_left_in_any_file(timeline, tmp_path):
    secrets, salted = SECRETS[:3], salts(timeline, "secret")
    reader = open_reader(timeline.path)  # somebody else has the file open
    reader.execute("SELECT count(*) FROM part").fetchone()
    assert holding(tmp_path, *secrets, *salted, DIGEST)
    done = timeline.erase("secret", "body", reason="under seal", ground="court order")
    assert done.new
    assert timeline.is_purged
    assert holding(tmp_path, *secrets, *salted, DIGEST) == set()
    assert holding(tmp_path, "Something else")
    reader.close()


def test_no_byte_of_erased_quotes_is_left_and_the_fact_stays(timeline, tmp_path):
    timeline.erase("secret", "quotes", reason="licence ended")
    assert holding(tmp_path, "Zephyrhills", DIGEST) == set()
    event = timeline.event("secret")
    assert event["title"] == "Xylophonic news"
    assert event["citations"] == [{"source": "plain", "start": 4, "end": 15}]
    assert event["erased"]["parts"] == ["quotes"]
    assert event["erased"]["reason"] == "licence ended"
    assert [item["id"] for item in timeline.events(q="xylophonic")] == ["secret"]


def test_no_byte_of_an_erased_text_is_left(timeline, tmp_path):
    timeline.erase("letter", "text", of="source", reason="licence ended")
    assert holding(tmp_path, "Wherewithalx") == set()
    assert timeline.source("letter")["title"] == "A letter"
    assert timeline.verify().sound


# ------------------------------------------------------------------------------- what stays

def test_the_log_still_verifies_and_says_what_went(timeline):
    root = timeline.root_at(6)
    done = timeline.erase("secret", "body", reason="under seal", ground="court order")
    report = timeline.verify()
    assert report.sound, report.finding
    assert timeline.root_at(6) == root
    record = timeline.record_at(done.position)
    said = json.loads(record.part())
    assert (said["id"], said["part"], said["reason"], said["ground"], said["records"]) == (
        "secret", "body", "under seal", "court order", [4, 5])
    assert timeline.record_at(4).parts == ()
    assert timeline.record_at(4).erased == ("body", "quotes")


def test_an_erased_event_is_a_tombstone_at_every_position(timeline):
    timeline.erase("secret", "body", reason="under seal")
    for at in (4, 5, timeline.position):
        assert [each["id"] for each in timeline.events(actor="ann", at=at)] == (["other"] if at > 5 else [])
        shown = list(timeline.events(actor="ann", at=at, retracted="include"))
        tombstone = next(each for each in shown if each["id"] == "secret")
        assert tombstone["erased"]["reason"] == "under seal"
        assert "summary" not in tombstone
        assert timeline.event("secret", at)["erased"]
    assert list(timeline.events(q="xylophonic", retracted="include")) == []
    assert [version["event"].get("summary") for version in timeline.history("secret")] == [None, None]


def test_erasing_twice_changes_nothing(timeline):
    first = timeline.erase("secret", "quotes", reason="a")
    again = timeline.erase("secret", "quotes", reason="b")
    assert (again.position, again.new) == (first.position, False)
    whole = timeline.erase("secret", "body", reason="c")
    assert whole.new
    assert not timeline.erase("secret", "quotes", reason="d").new
    assert timeline.verify().sound


def test_an_erased_event_no_longer_changes(timeline):
    timeline.erase("secret", "body", reason="under seal")
    merging = {"type": "events.merged", "id": "other", "duplicates": ["secret"], "reason": "r"}
    for act in (lambda: timeline.revise("secret", {"title": "New"}, reason="r"),
                lambda: timeline.retract("secret", reason="r"),
                lambda: timeline.append([merging])):
        with pytest.raises(Conflict, match="was erased"):
            act()
    with pytest.raises(Conflict):
        timeline.record(id="secret", title="Again")


def test_a_key_whose_content_was_erased_is_not_used_again(timeline):
    change = {"type": "event.recorded", "key": "mine", "event": {"id": "keyed", "title": "Keyed"}}
    timeline.append([change])
    timeline.erase("keyed", "body", reason="r")
    with pytest.raises(Conflict, match="erased"):
        timeline.append([change])


@pytest.mark.parametrize(("id_", "part", "of", "error", "sentence"), [
    ("nothing", "body", "event", NotFound, "there is no event nothing"),
    ("other", "quotes", "event", Invalid, "never had a part quotes"),
    ("secret", "text", "event", Invalid, "expected body or quotes"),
    ("ann", "text", "actor", Invalid, "expected body for an actor"),
    ("plain", "text", "source", Invalid, "never had a part text"),
])
def test_what_cannot_be_erased_is_told(timeline, id_, part, of, error, sentence):
    before = timeline.position
    with pytest.raises(error, match=sentence):
        timeline.erase(id_, part, of=of, reason="r")
    assert timeline.position == before


def test_merged_events_go_with_the_one_they_were_merged_into(timeline, tmp_path):
    timeline.record(id="double", title="Doppelganger", when="2025-08-15")
    timeline.append([{"type": "events.merged", "id": "secret", "duplicates": ["double"], "reason": "one happening"}])
    with pytest.raises(Conflict, match="erase secret"):
        timeline.erase("double", "body", reason="r")
    timeline.erase("secret", "body", reason="r")
    assert holding(tmp_path, "Doppelganger", "Xylophonic") == set()
    assert timeline.verify().sound


def test_an_actor_is_erased_to_its_id(timeline, tmp_path):
    timeline.describe_actor(id="bob", kind="person", name="Bobbingtonia", aliases=[{"text": "Bobsleighs"}])
    timeline.erase("bob", "body", of="actor", reason="right to be forgotten")
    assert holding(tmp_path, "Bobbingtonia", "Bobsleighs") == set()
    assert timeline.actor("bob")["erased"]["reason"] == "right to be forgotten"
    assert timeline.verify().sound


# ------------------------------------------------------------------------------- live, caught up, rebuilt

def rows(path):
    """Give the content of a views file, without the numbers rows happen to have in the full-text index."""
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        def all_of(query):
            return sorted(map(tuple, connection.execute(query)), key=repr)
        return {
            "event": all_of("SELECT * FROM event"),
            "lane": all_of("SELECT l.n, f.name, l.class, l.earliest, l.latest, l.sequence, l.first, l.since, l.until, "
                           "l.hidden, l.roles FROM lane l JOIN facet f USING (facet)"),
            "thing": all_of("SELECT * FROM thing"),
            "member": all_of("SELECT * FROM member"),
            "state": all_of("SELECT position, events, actors, sources, erasures FROM state"),
            "words": [all_of(f"SELECT rowid FROM words WHERE words MATCH '{word}'")  # noqa: S608 - our own words
                      for word in ("summit", "nato", "ann", "sommet", "erased")],
        }


erasures = st.lists(st.tuples(
    st.sampled_from([*(("event", name) for name in EVENTS), *(("actor", name) for name in ACTORS),
                     *(("source", name) for name in SOURCES)]),
    st.sampled_from(["body", "quotes", "text"])), min_size=1, max_size=4)


@given(histories, erasures, histories)
@settings(modest, max_examples=50)
def test_erased_views_are_those_that_a_rebuild_gives(tmp_path_factory, first, erased, second):
    folder = tmp_path_factory.mktemp("erasure")
    path = folder / "t.db"
    with Timeline.open(path) as timeline:
        timeline.append(START)
        for change in first:
            append(timeline, change)
        shutil.copy(views_path(path), folder / "old.views")  # whatever of the views stands before the erasure
        for (of, id_), part in erased:
            try:
                timeline.erase(id_, part, of=of, reason="r")
            except (Conflict, Invalid, NotFound):
                continue
        for change in second:
            append(timeline, change)
        assert timeline.verify().sound
        assert timeline.is_purged
    live = rows(views_path(path))
    rebuild_views(path)
    assert rows(views_path(path)) == live
    shutil.rmtree(folder)


def test_views_that_missed_an_erasure_are_cleaned_when_they_catch_up(timeline, tmp_path):
    """The process may die after the log has let go and before the views have."""
    path = timeline.path
    timeline.close()
    for suffix in ("", "-wal"):
        if Path(f"{views_path(path)}{suffix}").exists():
            shutil.copy(f"{views_path(path)}{suffix}", tmp_path / f"before{suffix}")
    with Timeline.open(path) as again:
        again.erase("secret", "body", reason="r")
    for suffix in ("", "-wal"):
        if (tmp_path / f"before{suffix}").exists():
            shutil.move(tmp_path / f"before{suffix}", f"{views_path(path)}{suffix}")
    assert holding(tmp_path, "Xylophonic")
    Path(f"{path}.erasing").touch()
    with Timeline.open(path) as again:
        assert again.is_purged
        assert again.event("secret")["erased"]
    assert holding(tmp_path, "Xylophonic", "Quixotical") == set()


# ------------------------------------------------------------------------------- loss is not erasure

def bent(path, *statements):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)


@pytest.mark.parametrize(("statement", "check"), [
    ("DELETE FROM part WHERE position = 6", "missing-part"),
    ("DELETE FROM erasure WHERE position = 4 AND name = 'body'", "erasure-table"),
    ("INSERT INTO erasure VALUES (6, 'body', 7)", None),
    ("DELETE FROM part WHERE position = 6; INSERT INTO erasure VALUES (6, 'body', 7)", None),
    ("INSERT INTO part VALUES (4, 'body', zeroblob(16), 'x')", None),
])
def test_undeclared_loss_is_damage_with_a_verdict_of_its_own(timeline, statement, check):
    timeline.erase("secret", "body", reason="r")
    path = timeline.path
    timeline.close()
    assert verify_file(path).sound
    bent(path, *statement.split("; "))
    finding = verify_file(path).finding
    assert finding is not None
    if check:
        assert finding.check == check


def exported(path):
    with closing(LogFile(path)) as log:
        return list(write_log(log))


def restore(timeline, lines):
    read_log(timeline, File(Path("log"), 0), lines, lambda *_: None)


def test_an_exported_log_keeps_its_erasures_and_its_root(timeline, tmp_path):
    timeline.erase("secret", "body", reason="r")
    timeline.record(id="later", title="Later")
    root, path = timeline.head().root, timeline.path
    timeline.close()
    lines = exported(path)

    copy = tmp_path / "copy"
    copy.mkdir()
    with Timeline.open(copy / "c.db") as restored:
        restore(restored, lines)
        assert restored.head().root == root
        assert restored.verify().sound
        assert restored.event("secret")["erased"]["reason"] == "r"
    cut = tmp_path / "cut"
    cut.mkdir()
    with Timeline.open(cut / "c.db") as restored, pytest.raises(Corrupt, match="no record of this log says"):
        restore(restored, lines[:6])


def test_a_copy_that_was_restored_before_an_erasure_follows_it(timeline, tmp_path):
    path = timeline.path
    before = exported(path)
    timeline.erase("secret", "body", reason="r")
    after = exported(path)

    copy = tmp_path / "copy"
    copy.mkdir()
    with Timeline.open(copy / "c.db") as restored:
        restore(restored, before)
        assert holding(copy, "Xylophonic")
        restore(restored, after)
        assert restored.event("secret")["erased"]
        assert restored.verify().sound
        assert holding(copy, "Xylophonic", "Quixotical") == set()


# ------------------------------------------------------------------------------- snapshots

@pytest.mark.parametrize("part", ["quotes", "body"])
def test_a_published_snapshot_keeps_its_id_and_says_what_was_erased(timeline, part):
    published = publish(timeline, parse_query([("actor", "ann")]))
    before = published.snapshot
    timeline.erase("secret", part, reason="under seal")
    again = find(timeline, before.id)
    assert again.snapshot.id == before.id
    assert not again.intact
    entry = next(each for each in again.snapshot.entries if each.event["id"] == "secret")
    assert entry.erased["reason"] == "under seal"
    assert ("title" in entry.event) == (part == "quotes")
    report = verify_bundle(make_bundle(timeline, again.snapshot, again.position), id_=before.id)
    assert report.verdict == "ok", report.checks
    states = {check.name: check.state for check in report.checks}
    assert states["complete"] == "ok"
    assert states["content"] == "unknown"
    assert [each["event"] for each in report.erased] == ["secret"]
    size = before.log.size
    check = compare_with_log(again.snapshot, timeline.origin, timeline.records(0, size), timeline.record_at)
    assert check.state == "ok"


@pytest.mark.parametrize("question", [[("actor", "ann")], [], [("actor", "ann"), ("role", "speaker")],
                                      [("retracted", "include")]])
def test_a_snapshot_made_after_an_erasure_of_a_time_before_is_whole(timeline, question):
    before = timeline.position
    timeline.erase("secret", "body", reason="r")
    for at in (before, timeline.position):
        made = freeze(timeline, parse_query([*question, ("at", str(at))]))
        report = verify_bundle(make_bundle(timeline, made, None), id_=made.id)
        assert report.verdict == "ok", report.checks
        assert compare_with_log(made, timeline.origin, timeline.records(0, at), timeline.record_at).state == "ok"


def test_an_event_that_lost_its_quotes_was_revised_and_lost_its_body_is_still_verified(timeline):
    timeline.erase("secret", "quotes", reason="first")
    timeline.revise("secret", {"summary": "Shorter"}, reason="second")
    published = publish(timeline, parse_query([("actor", "ann")]))
    timeline.erase("secret", "body", reason="third")
    again = find(timeline, published.snapshot.id)
    report = verify_bundle(make_bundle(timeline, again.snapshot, again.position), id_=published.snapshot.id)
    assert report.verdict == "ok", report.checks


# ------------------------------------------------------------------------------- over HTTP, at the command line

@pytest.fixture
def client(timeline, tmp_path):
    tokens = Tokens(tmp_path / "tokens.db")
    with TestClient(create_app(timeline, tokens)) as client:
        client.writer = {"Authorization": f"Bearer {tokens.create('w', ['write'], None)}"}
        client.admin = {"Authorization": f"Bearer {tokens.create('a', ['admin'], None)}"}
        yield client


def test_answers_from_before_an_erasure_are_given_no_more(client):
    addresses = ["/v1/events", "/v1/events?at=5", "/v1/actors/ann/timeline?at=5", "/v1/events/secret",
                 "/v1/events/secret?at=4", "/v1/events/secret/history", "/v1/records", "/v1/records/4",
                 "/v1/events?f=csv", "/", "/events/secret", "/actors/ann"]
    before = {address: client.get(address) for address in addresses}
    assert all("Xylophonic" in answer.text for answer in before.values())
    body = {"id": "secret", "part": "body", "reason": "under seal"}
    done = client.post("/v1/erasures", json=body, headers=client.admin)
    assert (done.status_code, done.json()["purged"]) == (201, True)
    for address, old in before.items():
        tag = {"If-None-Match": old.headers["ETag"]} if "ETag" in old.headers else {}
        answer = client.get(address, headers=tag)
        assert answer.status_code == 200, address
        assert "Xylophonic" not in answer.text, address
        assert "Quixotical" not in answer.text, address
    assert client.post("/v1/erasures", json=body, headers=client.admin).status_code == 200


def test_only_an_administrator_erases(client):
    body = {"id": "secret", "part": "body", "reason": "under seal"}
    assert client.post("/v1/erasures", json=body).status_code == 401
    assert client.post("/v1/erasures", json=body, headers=client.writer).status_code == 403
    change = {"type": "part.erased", "id": "secret", "part": "body", "reason": "r", "records": [4]}
    assert client.post("/v1/records", json=[change], headers=client.admin).status_code == 422
    assert client.get("/v1/events/secret").json()["title"] == "Xylophonic news"


@pytest.mark.parametrize(("body", "pointer"), [
    ({"id": "secret", "part": "body"}, "/reason"), ({"id": "secret", "part": "body", "reason": ""}, "/reason"),
    ({"id": "Not a slug", "part": "body", "reason": "r"}, "/id"),
    ({"id": "secret", "part": "text", "reason": "r"}, "/part"),
    ({"id": "secret", "part": "body", "reason": "r", "of": "place"}, "/of"),
])
def test_a_wrong_erasure_says_where(client, body, pointer):
    answer = client.post("/v1/erasures", json=body, headers=client.admin)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer


def test_the_command_asks_first_and_tells_what_is_left_to_do(timeline):
    path = str(timeline.path)
    timeline.close()
    run = CliRunner().invoke
    refused = run(cli, ["--db", path, "erase", "secret", "--part", "body", "--reason", "r"])
    assert refused.exit_code == 2
    assert "--yes" in refused.stderr
    done = run(cli, ["--db", path, "erase", "secret", "--part", "body", "--reason", "r", "--yes"])
    assert done.exit_code == 0, done.output
    assert "position 7" in done.output
    assert "backups" in done.stderr
    again = run(cli, ["--db", path, "erase", "secret", "--part", "body", "--reason", "r", "--yes", "--json"])
    assert json.loads(again.stdout)["new"] is False
    assert run(cli, ["--db", path, "erase", "nobody", "--part", "body", "--reason", "r", "--yes"]).exit_code == 3
    assert run(cli, ["--db", path, "verify"]).exit_code == 0


def test_many_erasures_among_many_appends_leave_a_sound_log(tmp_path):
    draw = random.Random(7)
    with Timeline.open(tmp_path / "t.db") as timeline:
        for number in range(60):
            timeline.record(id=f"e{number}", title=f"Word{number}word", when="2025")
            if number % 9 == 5:
                timeline.erase(f"e{draw.randrange(number)}", "body", reason="r")
        assert timeline.verify().sound
        assert timeline.is_purged
