"""The SQLite log: the contract, and what is its own: one writer, immutability, tampering and sudden death."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest
from log_contract import LogContract, append, draft, mth

from timeline import merkle
from timeline.chronicle import Timeline, rebuild_views, verify_file
from timeline.errors import Busy, Conflict, Corrupt, NotFound
from timeline.log import Receipt, decode_header, encode_header
from timeline.log.sqlite import SCHEMA_VERSION, LogFile, SqliteLog
from timeline.log.verify import verify


class TestSqliteLog(LogContract):
    """The contract, kept by SQLite."""

    def open(self, folder, clock):
        return SqliteLog(folder / "timeline.db", clock=clock)


def python(code, *arguments):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


# ---------------------------------------------------------------------------------------------- one writer

def test_a_second_writer_is_told_who_writes(tmp_path):
    """In the same process and in another one: Busy, with the process that holds the log."""
    import os

    path = tmp_path / "timeline.db"
    log = SqliteLog(path)
    expected = f"timeline.db is being written by process {os.getpid()}: wait until it has finished"

    with pytest.raises(Busy) as caught:
        SqliteLog(path)
    result = python("import sys; from timeline.log.sqlite import SqliteLog; SqliteLog(sys.argv[1])", path)

    log.close()
    assert expected == caught.value.detail
    assert os.getpid() == caught.value.members["pid"]
    assert f"timeline.errors.Busy: {expected}" == result.stderr.splitlines()[-1]


def test_a_second_writer_is_sent_to_the_server(tmp_path):
    """Where a server writes the log, the sentence says how to go through it."""
    log = SqliteLog(tmp_path / "timeline.db")
    log.lock.describe({"url": "http://127.0.0.1:8000"})

    with pytest.raises(Busy) as caught:
        SqliteLog(tmp_path / "timeline.db")

    log.close()
    assert caught.value.detail == ("timeline.db is being written by the server at http://127.0.0.1:8000: "
            "go through it with --url http://127.0.0.1:8000")


def test_a_lock_file_of_another_hand_is_no_obstacle_to_the_sentence(tmp_path):
    """Whatever stands in the lock file, the answer is a sentence."""
    import fcntl

    path = tmp_path / "timeline.db.lock"
    for text in ("", "not JSON", "[1]", '{"url": ""}'):
        path.write_text(text)
        with path.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            with pytest.raises(Busy, match=r"^timeline\.db is being written by another process: wait until it has"):
                SqliteLog(tmp_path / "timeline.db")


def test_the_right_to_write_ends_with_the_process(tmp_path):
    """A lock file left behind stops nobody; closing twice does no harm."""
    path = tmp_path / "timeline.db"
    log = SqliteLog(path)
    log.close()
    log.close()

    assert (tmp_path / "timeline.db.lock").read_bytes() == b""
    SqliteLog(path).close()


def test_another_process_reads_beside_the_writer(tmp_path):
    """Readers need no lock and see what is committed."""
    path = tmp_path / "timeline.db"
    log = SqliteLog(path)
    append(log, draft(1), draft(2))

    code = "import sys; from timeline.log.sqlite import LogFile; f = LogFile(sys.argv[1]); print(f.size(), f.origin)"
    result = python(code, path)

    log.close()
    assert f"2 {log.origin}\n" == result.stdout


# ---------------------------------------------------------------------------------------------- foreign files

def foreign_text(path):
    path.write_bytes(b"This is no database, it is a diary. " * 50)


def foreign_database(path):
    connection = sqlite3.connect(path)
    connection.executescript("CREATE TABLE meta (name, value); INSERT INTO meta VALUES ('name', 'value');")
    connection.close()


def newer_log(path):
    SqliteLog(path).close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()


@pytest.mark.parametrize(("make", "sentence"), [
    (foreign_text, "timeline.db is not a timeline log (it is not an SQLite database)"),
    (foreign_database, "timeline.db is an SQLite file, but not a timeline log: choose another --db"),
    (newer_log, f"timeline.db has format {SCHEMA_VERSION + 1}; this program reads format {SCHEMA_VERSION}: upgrade it"),
])
@pytest.mark.parametrize("opened", [SqliteLog, LogFile, Timeline.open, rebuild_views, verify_file])
def test_a_file_that_is_no_log_is_refused_and_left_as_it_was(tmp_path, make, sentence, opened):
    """Not a byte of somebody else's file changes, and the right to write is given back."""
    path = tmp_path / "timeline.db"
    make(path)
    before = path.read_bytes()

    for _ in range(2):
        with pytest.raises(Conflict) as caught:
            opened(path)
        assert sentence == caught.value.detail

    assert before == path.read_bytes()
    assert [file.name for file in tmp_path.iterdir() if "views" in file.name] == []


def test_reading_where_there_is_no_file_is_not_found(tmp_path):
    """A reader makes no file."""
    with pytest.raises(NotFound, match=r"no database at nothing\.db"):
        LogFile(tmp_path / "nothing.db")

    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_becomes_a_log(tmp_path):
    """As `touch` or `mktemp` leave it."""
    path = tmp_path / "timeline.db"
    path.touch()
    log = SqliteLog(path)
    log.close()

    assert log.origin.startswith("timeline.local/")


# ---------------------------------------------------------------------------------------------- immutability

def test_bulk_mode_keeps_the_authorizer(tmp_path):
    """The one PRAGMA that is ours does not leave the door open."""
    log = SqliteLog(tmp_path / "timeline.db")
    for active in (True, False):
        log.bulk(active=active)
        with pytest.raises(sqlite3.DatabaseError, match="not authorized"):
            log._connection.execute("PRAGMA user_version = 7")
        append(log, draft(1))
    log.close()


# ---------------------------------------------------------------------------------------------- tampering

SIZE = 300


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Make a log of 300 records, two parts now and then, a hundred receipts; no two names one bit apart."""
    path = tmp_path_factory.mktemp("tamper") / "timeline.db"
    seconds = count(10)
    log = SqliteLog(path, clock=lambda: f"2026-01-01T00:00:{next(seconds)}.000000Z")
    for start in range(0, SIZE, 30):
        with log.batch() as batch:
            for number in range(start, start + 30):
                record = batch.seal(draft(number % 20 * 101, f"actor/a{number % 7 * 11}", parts=1 + (number % 50 == 0)))
                if number % 3 == 0:
                    batch.remember(f"key{number}", Receipt(bytes(32), record.position, record.position))
    log.close()
    return path


def opened(path):
    """Copy a log into memory and drop its triggers, as somebody with an editor would."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    file = sqlite3.connect(path)
    file.backup(connection)
    file.close()
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {name}")
    # The virtual column would refuse a header that is no JSON, which bytes on a disk do not.
    connection.executescript("""
        CREATE TABLE raw (position INTEGER PRIMARY KEY, header TEXT, leaf_hash BLOB) WITHOUT ROWID;
        INSERT INTO raw SELECT position, header, leaf_hash FROM record;
        DROP TABLE record;
        ALTER TABLE raw RENAME TO record;
    """)
    return connection


@pytest.fixture
def tampered(source):
    connection = opened(source)
    connection.execute("BEGIN")
    yield connection
    connection.close()


def test_an_untouched_log_is_sound(tampered, source):
    """The pass reads everything and adds it up to the head."""
    seen = []
    report = verify(tampered, seen.append)
    log = SqliteLog(source)

    assert report.sound
    assert (log.head(), SIZE + SIZE // 50) == (report.head, report.parts)
    assert seen == [SIZE]
    log.close()


def rehash(connection, position, header):
    """Replace a header and hash it again, as a better-informed intruder would."""
    data = header if isinstance(header, bytes) else encode_header(header)
    connection.execute("UPDATE record SET header = CAST(? AS TEXT), leaf_hash = ? WHERE position = ?",
                       (data, merkle.leaf_hash(data), position))


def changed(connection, at, /, **changes):
    import msgspec

    row = connection.execute("SELECT CAST(header AS BLOB) FROM record WHERE position = ?", (at,)).fetchone()
    return msgspec.structs.replace(decode_header(row[0]), **changes)


@pytest.mark.parametrize(("check", "forge"), [
    ("header", lambda _: b"not JSON"),
    ("file", lambda _: b'{"author":"\xff\xff"}'),
    ("header", lambda c: encode_header(changed(c, 100))[:-1] + b',"more":1}'),
    ("canonical", lambda c: encode_header(changed(c, 100)).replace(b":", b": ", 1)),
    ("canonical", lambda c: encode_header(changed(c, 100))[:-1] + b',"v":1}'),
    ("position", lambda c: changed(c, 100, position=101)),
    ("clock", lambda c: changed(c, 100, recorded_at="2020-01-01T00:00:00.000000Z")),
    ("part", lambda c: changed(c, 100, parts=[("body", "0" * 64)])),
    ("missing-part", lambda c: changed(c, 100, parts=[*changed(c, 100).parts, ("more", "0" * 64)])),
    ("extra-part", lambda c: changed(c, 100, parts=[])),
    ("stream", lambda c: changed(c, 100, streams=[("event/e1919", 6, 80), ("actor/a11", 15, 93)])),
    ("stream", lambda c: changed(c, 100, streams=[("event/e1919", 5, 81), ("actor/a11", 15, 93)])),
    ("stream", lambda c: changed(c, 100, streams=[("event/new", 2, 99)])),
])
def test_a_forged_header_that_hashes_is_found_by_what_it_says(tampered, check, forge):
    """Whoever recomputes the leaf hash still meets the other checks."""
    rehash(tampered, 100, forge(tampered))
    finding = verify(tampered).finding

    assert finding is not None
    assert (check, 100) == (finding.check, finding.position)


def test_a_forged_header_that_says_nothing_wrong_is_found_by_its_tile(tampered):
    """Another author, everything recomputed but the tree: the tile root differs."""
    rehash(tampered, 100, changed(tampered, 100, author="eve"))
    finding = verify(tampered).finding

    assert finding is not None
    assert (finding.check, finding.position) == ("tile", 256)


def cut(connection, size):
    """Cut a log short as its owner could: everything that is derived is cut with it."""
    for table in ("record", "part"):
        connection.execute(f"DELETE FROM {table} WHERE position > ?", (size,))  # noqa: S608 - our names
    connection.execute("DELETE FROM receipt WHERE last > ?", (size,))
    connection.execute("DELETE FROM tile_root WHERE level = 8 AND n >= ?", (size // 256,))
    heads = {}
    for (header,) in connection.execute("SELECT CAST(header AS BLOB) FROM record ORDER BY position"):
        record = decode_header(header)
        heads.update({stream: (sequence, record.position) for stream, sequence, _ in record.streams})
    connection.execute("DELETE FROM stream_head")
    connection.executemany("INSERT INTO stream_head VALUES (?, ?, ?)", [(name, *head) for name, head in heads.items()])


@pytest.mark.parametrize("size", [0, 1, 200, 256, 299])
def test_a_log_cut_short_consistently_is_sound_and_has_the_root_of_its_size(tampered, size):
    """Truncation cannot be seen from inside: only a checkpoint of a larger size, kept elsewhere, tells."""
    headers = [row[0] for row in tampered.execute("SELECT CAST(header AS BLOB) FROM record ORDER BY position")]
    cut(tampered, size)
    report = verify(tampered)

    assert report.sound
    assert (size, mth(headers[:size])) == (report.head.size, report.head.root)


def test_a_torn_file_is_reported_and_not_raised(source, tmp_path):
    """Pages overwritten in the middle: SQLite's own complaint becomes a finding."""
    path = tmp_path / "torn.db"
    data = bytearray(source.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 8192] = bytes(8192)
    path.write_bytes(data)
    report = verify_file(path)

    assert not report.sound


def test_a_raw_edit_passes_integrity_check_and_not_verify(source, tmp_path):
    """The page is as SQLite left it, but for one letter of a body."""
    path = tmp_path / "edited.db"
    data = source.read_bytes()
    path.write_bytes(data.replace(b'"number":707,', b'"number":708,', 1))
    connection = sqlite3.connect(path)
    checked = connection.execute("PRAGMA integrity_check").fetchone()[0]
    connection.close()

    assert checked == "ok"
    assert verify_file(path).finding.check == "part"


def test_a_missing_tile_is_said_when_it_is_needed(tmp_path, source):
    """Opening a log whose tree is incomplete fails with a way on, and gives the lock back."""
    path = tmp_path / "timeline.db"
    path.write_bytes(source.read_bytes())
    connection = sqlite3.connect(path)
    connection.executescript("DROP TRIGGER tile_no_delete; DELETE FROM tile_root;")
    connection.close()

    for _ in range(2):
        with pytest.raises(Corrupt, match="run `timeline verify`"):
            SqliteLog(path)


# ---------------------------------------------------------------------------------------------- sudden death

APPENDER = """
import sys, threading
from timeline import Timeline

timeline = Timeline.open(sys.argv[1])
lock = threading.Lock()

def work(name):
    for number in range(100_000):
        event = {"title": f"{name} {number}", "when": "2025-08", "topics": [f"t{number % 5}"]}
        change = {"type": "event.recorded", "event": event}
        if number % 4 == 3:
            change = {"type": "event.revised", "id": appended.id, "patch": {"when": f"2025-{number % 12 + 1:02}"},
                      "reason": "better known"}
        appended, = timeline.append([change])
        with lock:
            print(appended.position, appended.id, flush=True)

threads = [threading.Thread(target=work, args=(sys.argv[2] + letter,)) for letter in "abc"]
[thread.start() for thread in threads]
"""


def test_whatever_was_acknowledged_survives_kill_9(tmp_path):
    """Killed at a random moment, four times over: nothing is lost, the log verifies, the views equal a fold."""
    path: Path = tmp_path / "timeline.db"
    chance = random.Random(2025)
    acknowledged: dict[int, str] = {}
    for round_ in range(4):
        command = [sys.executable, "-c", APPENDER, str(path), f"r{round_}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
            for _ in range(chance.randrange(1, 120)):
                position, name = child.stdout.readline().decode().split()
                acknowledged[int(position)] = name
            child.kill()
            for line in child.stdout.read().decode().splitlines(keepends=True):
                if line.endswith("\n") and len(line.split()) == 2:
                    acknowledged[int(line.split()[0])] = line.split()[1]

        with Timeline.open(path) as timeline:
            records = {record.position: record.header.streams[0][0] for record in timeline.records()}
            assert timeline.verify().sound
            assert len(records) == timeline.position == timeline.head().size
            assert {position: f"event/{name}" for position, name in acknowledged.items()}.items() <= records.items()
            caught_up = list(timeline.events(limit=1000))
        rebuild_views(path)
        with Timeline.open(path) as timeline:
            assert caught_up == list(timeline.events(limit=1000))


# ---------------------------------------------------------------------------------------------- faults of the file

def test_a_commit_that_fails_halfway_leaves_nothing(tmp_path):
    """The header was written and its part was refused: neither is there, and the next append is good."""
    with closing(SqliteLog(tmp_path / "timeline.db")) as log:
        append(log, draft(1))
        head = log.head()

        def fail():
            with log.batch() as batch:
                batch.seal(draft(2))
                batch.parts.append(batch.parts[0])

        with pytest.raises(sqlite3.IntegrityError, match="this part exists"):
            fail()
        assert log.head() == head
        assert [record.position for record in log.read()] == [1]
        append(log, draft(2))
        assert verify_file(log.path).sound


def test_streams_that_are_not_kept_in_memory_are_looked_up(tmp_path, monkeypatch):
    """A log of more streams than memory should hold numbers them all the same."""
    monkeypatch.setattr("timeline.log.sqlite.HEADS_KEPT", 2)
    with closing(SqliteLog(tmp_path / "timeline.db")) as log:
        for number in (1, 2, 3, 1, 2, 3):
            append(log, draft(number))

        found = [record.header.streams[0][1:] for record in log.read()]

    assert found == [(1, 0), (1, 0), (1, 0), (2, 1), (2, 2), (2, 3)]


def test_a_header_beyond_the_head_is_not_found(tmp_path):
    """Neither invented nor a traceback."""
    with closing(SqliteLog(tmp_path / "timeline.db")) as log, pytest.raises(NotFound, match="no record at position 7"):
        log.header(7)


def test_a_log_whose_last_header_is_gone_is_corrupt(source, tmp_path):
    """It cannot go on from there, says so, and gives the lock back."""
    path = tmp_path / "timeline.db"
    path.write_bytes(source.read_bytes())
    connection = sqlite3.connect(path)
    connection.executescript("DROP TRIGGER record_no_update; UPDATE record SET header = '{}' WHERE position = 300;")
    connection.close()

    for _ in range(2):
        with pytest.raises(Corrupt, match="run `timeline verify`"):
            SqliteLog(path)
    assert verify_file(path).finding.check == "leaf"
