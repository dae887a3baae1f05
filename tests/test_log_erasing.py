"""Erasure where it is hardest: free space, old pages, old files, old formats, receipts, and what came later."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing

import pytest

from timeline import Timeline
from timeline.chronicle import ReadOnlyTimeline, verify_file
from timeline.errors import Conflict, Invalid, NotFound, TimelineError
from timeline.importing import Importer, Local, find
from timeline.log import Draft, Receipt
from timeline.log.sqlite import LogFile, SqliteLog
from timeline.records import decode_change
from timeline.views.store import views_path

TITLE, SUMMARY, LATER, QUOTE = "Xylotitle", "Quarksummary", "Ploverlater", "Grimquote"
DIGEST = "ab12" * 16
EVERYTHING = (TITLE, SUMMARY, LATER, QUOTE, DIGEST)

EVENT = {
    "id": "e-one", "title": f"The {TITLE} speech", "summary": f"{SUMMARY} was said.", "when": "2025-08-15",
    "topics": ["nato"], "citations": [{"source": "paper", "start": 3, "end": 9, "exact": QUOTE, "span_sha256": DIGEST}],
}


def fill(timeline):
    timeline.describe_source(id="paper", title="The Paper", published="2025-08-16")
    timeline.append([{"type": "event.recorded", "event": EVENT, "key": "once"}])
    timeline.revise("e-one", {"title": f"The {LATER} speech", "topics": ["troops"]}, reason="r")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "timeline.db"


@pytest.fixture
def timeline(path):
    with Timeline.open(path) as timeline:
        fill(timeline)
        yield timeline


def left(folder, needles):
    """Give those words that stand in any file of a folder, as they are or in lower case."""
    data = b"".join(file.read_bytes() for file in folder.iterdir())
    return {needle for needle in needles if needle.encode() in data or needle.lower().encode() in data}


def terms(path):
    """Give the words of the full-text index: on the disk they are cut where they begin alike."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE VIRTUAL TABLE temp.terms USING fts5vocab(main, 'words', 'row')")
        return {row[0] for row in connection.execute("SELECT term FROM terms")}


def receipts(path):
    with closing(LogFile(path)) as log:
        return log.connection().execute("SELECT key, digest, first, last FROM receipt ORDER BY first").fetchall()


# ---------------------------------------------------------------------------------------------- not a byte left

def test_no_copy_is_left_in_the_free_space_of_pages(path):
    """SQLite moves rows between pages and does not clear what they leave behind; writing the file anew does."""
    words = [f"w{number:04}{'qxzj'[number % 4] * 9}" for number in range(900)]
    with Timeline.open(path) as timeline:
        for start in range(0, 900, 300):
            timeline.append([decode_change(json.dumps({"type": "event.recorded", "event": {
                "id": f"e{number}", "title": words[number], "summary": words[number] * (number % 11) or "S"}}))
                for number in range(start, start + 300)])
        gone = range(0, 900, 23)
        for number in gone:
            timeline.erase(f"e{number}", "body", reason="r")

        assert left(path.parent, [words[number] for number in gone]) == set()
        assert not {words[number] for number in gone} & terms(views_path(path))
        assert {words[1], words[2]} <= terms(views_path(path))
        assert timeline.verify().erased == len(gone)


def test_readers_that_are_open_but_idle_are_not_in_the_way(timeline, path):
    with ReadOnlyTimeline.open(path) as reader, closing(LogFile(path)) as log:
        assert reader.event("e-one")["title"] == f"The {LATER} speech"
        assert next(log.read(1, 1)).position == 2
        timeline.erase("e-one", "body", reason="r")

        assert timeline.is_purged
        assert left(path.parent, EVERYTHING) == set()
        assert reader.event("e-one")["title"] == "[erased]"


def test_while_somebody_reads_old_pages_the_files_are_not_said_to_be_clean(timeline, path, monkeypatch):
    """Until that has ended: the next append then finishes it."""
    monkeypatch.setattr("timeline.writer.Writer.purge.__defaults__", (0.05,))
    with closing(LogFile(path)) as log:
        log.connection().execute("BEGIN")
        log.connection().execute("SELECT count(*) FROM record").fetchone()
        timeline.erase("e-one", "body", reason="r")
        assert timeline.event("e-one")["title"] == "[erased]"
        assert not timeline.is_purged
        timeline.record(id="during", title="T")
        assert not timeline.is_purged
    for name in ("after", "and-after-that"):  # the first is told before the files are looked at again
        timeline.record(id=name, title="T")

    assert timeline.is_purged
    assert left(path.parent, EVERYTHING) == set()


@pytest.mark.parametrize("closing_finds_it_free", [True, False])
def test_the_end_or_the_next_start_finishes_what_a_reader_held_up(path, monkeypatch, closing_finds_it_free):
    monkeypatch.setattr("timeline.writer.Writer.purge.__defaults__", (0.05,))
    with Timeline.open(path) as timeline:
        fill(timeline)
        log = LogFile(path)
        log.connection().execute("BEGIN")
        log.connection().execute("SELECT count(*) FROM record").fetchone()
        timeline.erase("e-one", "body", reason="r")
        if closing_finds_it_free:
            log.close()
    if closing_finds_it_free:
        assert left(path.parent, EVERYTHING) == set()
    log.close()
    with Timeline.open(path) as timeline:
        assert timeline.is_purged
    assert left(path.parent, EVERYTHING) == set()


def test_an_erasure_whose_files_cannot_be_written_anew_is_finished_later(timeline, path, monkeypatch):
    """A full disk, say: what was asked for is recorded, and the files are not said to be clean."""
    monkeypatch.setattr("timeline.log.sqlite.rewrite", lambda _: False)
    assert timeline.erase("e-one", "body", reason="r").new
    assert not timeline.is_purged
    timeline.record(id="other", title="T")
    assert not timeline.is_purged
    monkeypatch.undo()
    timeline.close()
    with Timeline.open(path) as again:
        assert again.is_purged
    assert left(path.parent, EVERYTHING) == set()


def test_views_that_come_back_from_before_an_erasure_are_cleaned(path):
    """Nothing in the log's folder says so but the views themselves: they know what the log has let go."""
    views, kept = views_path(path), path.with_name("kept")
    with Timeline.open(path) as timeline:
        fill(timeline)
    kept.write_bytes(views.read_bytes())
    with Timeline.open(path) as timeline:
        timeline.erase("e-one", "body", reason="r")
    kept.replace(views)
    with Timeline.open(path) as timeline:
        assert timeline.event("e-one")["title"] == "[erased]"
        assert left(path.parent, EVERYTHING) == set()
        assert not {TITLE.lower(), LATER.lower()} & terms(views)


def test_views_of_older_versions_are_removed_and_a_neighbours_are_not(timeline, path):
    names = ("timeline.views-v1.db", "timeline.views-v1.db-wal", "timeline.views-v2.db.new", "other.views-v1.db")
    for name in names:
        path.with_name(name).write_text(TITLE)
    timeline.erase("e-one", "body", reason="r")

    assert [name for name in names if path.with_name(name).exists()] == ["other.views-v1.db"]


# ---------------------------------------------------------------------------------------------- what comes later

def test_quotes_that_come_later_are_another_erasure(timeline, path):
    """An erasure is of what there is; each version says what it lost, and when."""
    timeline.erase("e-one", "quotes", reason="first")
    timeline.revise("e-one", {"citations": [{"source": "paper", "exact": f"{QUOTE}2"}]}, reason="r")
    assert timeline.event("e-one")["citations"] == [{"source": "paper", "exact": f"{QUOTE}2"}]
    done = timeline.erase("e-one", "quotes", reason="second")

    assert (done.new, done.position) == (True, 6)
    assert left(path.parent, [QUOTE]) == set()
    assert [timeline.event("e-one", at=at)["erased"]["position"] for at in (2, 3, 5)] == [4, 4, 6]
    assert timeline.verify().sound


def test_after_the_quotes_the_body_can_still_go_and_then_nothing_is_left(timeline):
    done = [timeline.erase("e-one", part, reason="r") for part in ("quotes", "body", "quotes", "body")]

    assert [(one.new, one.position) for one in done] == [(True, 4), (True, 5), (False, 5), (False, 5)]
    assert timeline.event("e-one")["erased"]["parts"] == ["body", "quotes"]
    assert timeline.verify().erased == 3


def test_an_erased_event_can_be_referred_to_but_not_recorded_again(timeline):
    timeline.erase("e-one", "body", reason="r")
    timeline.record(id="answer", title="T", relations=[{"type": "follows", "event": "e-one"}])
    with pytest.raises(Conflict, match="there is an event e-one already"):
        timeline.record(**EVENT)


def test_an_actor_that_was_erased_may_be_described_anew(timeline, path):
    timeline.describe_actor(id="ann", kind="person", name="Ann Actress", member_of=["ann-s-group"])
    timeline.record(id="said", title="T", actors=[{"id": "ann"}])
    timeline.erase("ann", "body", of="actor", reason="r")
    assert [event["id"] for event in timeline.timeline("ann")] == ["said"]
    assert list(timeline.events(actor="ann-s-group", members=True)) == []
    described = timeline.describe_actor(id="ann", kind="person", name="A. A.")

    assert described["revision"]["number"] == 2
    assert timeline.actor("ann", at=4)["name"] == "[erased]"
    assert left(path.parent, ["Actress"]) == set()


def test_describing_a_source_as_it_stands_without_its_erased_text_changes_nothing(timeline):
    timeline.describe_source(id="essay", title="Essay", text="A text.")
    timeline.erase("essay", "text", of="source", reason="r")
    before = timeline.source("essay")
    plain = {name: value for name, value in before.items() if name not in ("revision", "erased")}

    assert timeline.describe_source(**plain) == before


def test_no_client_can_send_an_erasure_as_a_change():
    with pytest.raises(TimelineError, match=r"part\.erased"):
        decode_change(b'{"type":"part.erased","id":"e-one","part":"body","records":[2],"reason":"r"}')


# ---------------------------------------------------------------------------------------------- receipts

def test_a_receipt_of_a_request_that_changed_nothing_loses_its_digest_too(timeline, path):
    """It repeats the whole event, quotes and all, and names a record that lost nothing."""
    whole = {name: value for name, value in timeline.event("e-one").items()
             if name not in ("earliest", "latest", "recorded_at", "revision")}
    patch = {"type": "event.revised", "id": "e-one", "patch": whole, "reason": "r", "key": "again"}
    assert not timeline.append([patch])[0].new
    assert [(key, first) for key, _, first, _ in receipts(path)] == [("local\nonce", 2), ("local\nagain", 3)]
    timeline.erase("e-one", "quotes", reason="r")

    assert {digest for _, digest, *_ in receipts(path)} == {bytes(32)}
    with pytest.raises(Conflict, match="erased"):
        timeline.append([patch])


def test_receipts_of_others_stay(timeline, path):
    other = {"type": "event.recorded", "event": {"id": "other", "title": "T"}, "key": "other"}
    timeline.append([other])
    timeline.erase("e-one", "body", reason="r")

    assert [digest == bytes(32) for _, digest, *_ in receipts(path)] == [True, False]
    assert timeline.append([other])[0].position == 4


def test_keys_made_from_the_content_go_with_it(path, tmp_path):
    """An import makes the key of a row from the row: a digest anyone could guess at, were it kept."""
    rows = tmp_path / "rows.ndjson"
    rows.write_text("\n".join(json.dumps({"id": name, "title": f"{TITLE} {name}"}) for name in ("one", "two")))

    def run():
        with Timeline.open(path) as timeline, closing(Local(timeline)) as target:
            return Importer(target).run(find([str(rows)]))

    assert run().new == 2
    before = {key for key, *_ in receipts(path)}
    with Timeline.open(path) as timeline:
        timeline.erase("one", "body", reason="r")
    after = {key for key, *_ in receipts(path)}
    (gone,), (instead,) = before - after, after - before

    assert left(path.parent, [gone.partition("import:")[2]]) == set()
    assert re.fullmatch(r"local\nerased:[0-9a-f]{32}", instead)
    assert verify_file(path).sound
    with pytest.raises(Conflict) as caught:
        run()
    assert "event one was erased for a lawful reason: take it out of the file too" in caught.value.faults[0].detail


# ---------------------------------------------------------------------------------------------- format 1

FORMAT_1 = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE record (
    position INTEGER PRIMARY KEY CHECK (position >= 1), header TEXT NOT NULL,
    leaf_hash BLOB NOT NULL CHECK (length(leaf_hash) = 32),
    recorded_at TEXT AS (header ->> '$.recorded_at') VIRTUAL
) STRICT, WITHOUT ROWID;
CREATE TABLE part (
    position INTEGER NOT NULL, name TEXT NOT NULL, salt BLOB NOT NULL CHECK (length(salt) = 16), bytes TEXT NOT NULL,
    PRIMARY KEY (position, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE tile_root (
    level INTEGER NOT NULL, n INTEGER NOT NULL, hash BLOB NOT NULL CHECK (length(hash) = 32), PRIMARY KEY (level, n)
) STRICT, WITHOUT ROWID;
CREATE TABLE stream_head (
    stream TEXT PRIMARY KEY, sequence INTEGER NOT NULL, position INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE receipt (
    key TEXT PRIMARY KEY, digest BLOB NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE checkpoint (size INTEGER PRIMARY KEY, note TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TRIGGER record_no_delete BEFORE DELETE ON record BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
CREATE TRIGGER part_no_delete BEFORE DELETE ON part BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
CREATE TRIGGER receipt_no_update BEFORE UPDATE ON receipt BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
PRAGMA application_id = 1414287175;
PRAGMA user_version = 1;
PRAGMA journal_mode = WAL;
"""
"""The tables of format 1, with some of their triggers."""


def old_draft(type_, subject, body, *streams):
    """Draft a record as format 1 had it: everything in the body, nothing of `about`, `left` and order in the header."""
    return Draft(type=type_, version=1, author="local", streams=(subject, *streams), parts=(("body", body.encode()),),
                 **({"kind": "occurrence", "status": "reported", "when": (0, 86_399)} if "event" in type_ else {}))


@pytest.fixture
def old(path, tmp_path):
    """Make a log in format 1: an event with quotes in its body, revised; 300 records in all; receipts."""
    event = json.dumps({"event": {**EVENT, "kind": "occurrence", "status": "reported", "certainty": "stated"}},
                       separators=(",", ":"), sort_keys=True)
    drafts = [
        old_draft("source.described", "source/paper", '{"source":{"id":"paper","title":"The Paper"}}'),
        old_draft("event.recorded", "event/e-one", event, "source/paper", "topic/nato"),
        old_draft("event.revised", "event/e-one", '{"id":"e-one","patch":{"topics":["troops"]},"reason":"r"}',
                  "source/paper", "topic/nato", "topic/troops"),
        *(old_draft("event.recorded", f"event/n{number}", json.dumps({"event": {"id": f"n{number}", "title": "N"}}))
          for number in range(297)),
    ]
    with closing(SqliteLog(tmp_path / "new.db")) as log:
        with log.batch() as batch:
            for draft in drafts:
                batch.seal(draft)
            batch.remember("local\nonce", Receipt(b"\x07" * 32, 2, 2))
            batch.remember("local\nother", Receipt(b"\x08" * 32, 9, 9))
        head, origin = log.head(), log.origin
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(FORMAT_1)
        connection.execute("ATTACH ? AS new", (str(tmp_path / "new.db"),))
        connection.execute("INSERT INTO meta SELECT name, value FROM new.meta")
        connection.execute("INSERT INTO record (position, header, leaf_hash) "
                           "SELECT position, header, leaf_hash FROM new.record")
        for table, columns in (("part", "*"), ("tile_root", "*"), ("stream_head", "*"),
                               ("receipt", "key, digest, first, last")):
            connection.execute(f"INSERT INTO {table} SELECT {columns} FROM new.{table}")  # noqa: S608 - our names
    for file in tmp_path.glob("new.db*"):
        file.unlink()
    return head, origin


def test_a_log_of_format_1_is_read_and_verified_as_it_is(old, path):
    before = path.read_bytes()
    report = verify_file(path)
    with closing(LogFile(path)) as log:
        assert (log.origin, log.size(), next(log.read(1, 1)).erased) == (old[1], 300, ())

    assert report.sound
    assert report.head == old[0]
    assert before == path.read_bytes()


def test_a_log_of_format_1_is_brought_to_format_2_where_it_is_written(old, path, tmp_path):
    """In place, beside readers, with the same root, and with the tables a new log has."""
    fresh = tmp_path / "fresh.db"
    SqliteLog(fresh).close()
    with closing(LogFile(path)) as reader:
        begun = reader.read(0)
        assert next(begun).position == 1
        with Timeline.open(path) as timeline:
            assert (timeline.head(), timeline.origin) == old
            assert timeline.event("e-one")["topics"] == ["troops"]
            assert [record.position for record in begun] == [*range(2, 301)]
            assert [record.position for record in reader.read(298)] == [299, 300]
            timeline.record(id="new", title="New")
            assert timeline.verify().sound
    assert [(key, digest[:1]) for key, digest, *_ in receipts(path)] == [("local\nonce", b"\x07"),
                                                                         ("local\nother", b"\x08")]
    shapes = []
    for file in (fresh, path):
        with closing(sqlite3.connect(file)) as connection:
            names = connection.execute("SELECT type, name FROM sqlite_master ORDER BY 1, 2").fetchall()
            columns = {name: connection.execute(f"PRAGMA table_info({name})").fetchall()
                       for type_, name in names if type_ == "table"}
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            triggers = connection.execute("SELECT sql FROM sqlite_master WHERE type = 'trigger' ORDER BY 1").fetchall()
            shapes.append((names, columns, version, triggers))
    assert shapes[0] == shapes[1]


def test_an_upgrade_that_fails_leaves_format_1_behind(old, path, monkeypatch):
    def fail(*_):
        raise ValueError

    monkeypatch.setattr("timeline.log.files.seal_receipt", fail)
    for _ in range(2):
        with pytest.raises((TimelineError, sqlite3.Error)):
            SqliteLog(path)
    monkeypatch.undo()
    assert verify_file(path).head == old[0]
    with Timeline.open(path) as timeline:
        assert (timeline.head(), timeline.origin) == old


def test_quotes_in_a_body_of_format_1_go_with_the_body_only(old, path):
    """An erasure of quotes that left some behind would be worse than none."""
    with Timeline.open(path) as timeline:
        assert timeline.event("e-one")["citations"][0]["exact"] == QUOTE
        with pytest.raises(Conflict, match="at position 2 before quotes were kept apart"):
            timeline.erase("e-one", "quotes", reason="r")
        timeline.revise("e-one", {"citations": [{"source": "paper", "exact": f"{QUOTE}2"}]}, reason="r")
        with pytest.raises(Conflict, match="at position 2 before"):
            timeline.erase("e-one", "quotes", reason="r")
        timeline.erase("e-one", "body", reason="r")

        assert left(path.parent, EVERYTHING) == set()
        assert timeline.verify().sound
        assert [event["id"] for event in timeline.events(topic="troops", retracted="include")] == ["e-one"]
    assert [key for key, digest, *_ in receipts(path) if digest == bytes(32)] == ["local\nonce"]


# ---------------------------------------------------------------------------------------------- the log's own facts

@pytest.mark.parametrize("origin", ["news.example/log", "a", "x" * 255, "éditeur.example/journal"])
def test_a_new_log_gets_the_name_it_is_given_and_keeps_it(path, origin):
    with Timeline.open(path, origin=origin) as timeline:
        assert timeline.origin == origin
    Timeline.open(path, origin=origin).close()
    with pytest.raises(Conflict, match=re.escape(f"this log is {origin}, not other.example")):
        Timeline.open(path, origin="other.example")
    with Timeline.open(path) as timeline:
        assert timeline.origin == origin


@pytest.mark.parametrize("origin", ["", "two words", "a+b", "a\nb", "a\x00b", "https://news.example/log", "x" * 256,
                                    "a\u00a0b", "a\x85b"])
def test_what_no_signed_note_can_carry_is_no_name(path, origin):
    with pytest.raises(Invalid, match=r"expected a name such as news\.example/log"):
        SqliteLog(path, origin=origin)
    with closing(SqliteLog(path)) as log:
        assert log.origin.startswith("timeline.local/")


def test_facts_are_written_once(path):
    with closing(SqliteLog(path)) as log:
        log.note_fact("key/a", "one")
        log.note_fact("key/a", "one")
        log.note_fact("key/b", "two")
        with pytest.raises(Conflict, match="something else under key/a"):
            log.note_fact("key/a", "other")
        assert log.facts("key/") == {"key/a": "one", "key/b": "two"}
    assert verify_file(path).sound


def test_checkpoints_are_kept_if_they_are_of_this_log(timeline, path):
    log = timeline._log
    notes = {size: timeline.checkpoint(size).text for size in (0, 1, 3)}
    for size, note in [*notes.items(), *notes.items()]:
        log.keep_checkpoint(size, note)
    assert log.checkpoints() == sorted(notes.items())
    other = notes[3].replace(timeline.origin, "x")
    for size, note in ((2, notes[3]), (2, notes[1]), (4, notes[3]), (2, ""), (3, other)):
        with pytest.raises(Invalid, match="not a checkpoint of"):
            log.keep_checkpoint(size, note)
    with pytest.raises(Conflict, match="another checkpoint of size 3"):
        log.keep_checkpoint(3, notes[3] + "\nmore")
    assert timeline.verify().sound
    timeline.erase("e-one", "body", reason="r")
    assert timeline.verify().sound


def test_a_batch_takes_an_erasure_only_alone(timeline, tmp_path):
    """Adopted or sealed: it deletes what is committed, in the very commit that says so."""
    timeline.erase("e-one", "quotes", reason="r")
    records = list(timeline.records())
    with closing(SqliteLog(tmp_path / "other.db")) as log:
        with log.batch() as batch:
            for record in records[:3]:
                batch.adopt(record)
        with log.batch() as batch:
            mark = batch.savepoint()
            batch.seal(Draft(type="event.recorded", version=1, author="a", streams=("event/x",), parts=()))
            with pytest.raises(Invalid):
                batch.adopt(records[3])
            batch.rollback(mark)
            batch.adopt(records[3])
            mark = batch.savepoint()
            with pytest.raises(Invalid, match="nothing enters the log together with the erasure"):
                batch.seal(Draft(type="event.recorded", version=1, author="a", streams=("event/x",), parts=()))
            batch.rollback(mark)
        assert log.head() == timeline.head()
    assert verify_file(tmp_path / "other.db").erased == 1


def test_what_an_erasure_may_not_speak_of_is_refused(timeline, path):
    """Neither of others' records, nor of erasures, nor of what never was."""
    timeline.record(id="other", title="T")
    timeline.erase("e-one", "quotes", reason="r")
    timeline.close()
    with closing(SqliteLog(path)) as log:
        for body, sentence in (
            ('{"id":"e-one","of":"event","part":"body","reason":"r","records":[4]}', "not one that the erasure"),
            ('{"id":"e-one","of":"event","part":"body","reason":"r","records":[5]}', "not one that the erasure"),
            ('{"id":"e-one","of":"event","part":"body","reason":"r","records":[6]}', "no record at position 6"),
            ('{"id":"e-one","of":"event","part":"text","reason":"r","records":[2]}', "never had a part text"),
            ('{"id":"e-one"}', "cannot be read"),
        ):
            with pytest.raises((Invalid, NotFound), match=sentence), log.batch() as batch:
                batch.seal(Draft(type="part.erased", version=1, author="eve", streams=("event/e-one",),
                                 parts=(("body", body.encode()),)))
        assert log.size == 5
    assert verify_file(path).sound
