"""What stops which statement: triggers in any session, the authorizer in ours, and hashes where neither did.

For each there are two verdicts. What passes in a foreign session is then found by verification or, where it changed
nothing that is stored, is not.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
import tampering
from tampering import KEYS, SOURCE

from timeline.chronicle import verify_file
from timeline.log.seals import seal_receipt
from timeline.log.sqlite import SqliteLog, _authorize, _authorize_erasing
from timeline.log.verify import verify

CHANGED = {
    "record": "header = '{}'", "part": "bytes = '{}'", "tile_root": "hash = zeroblob(32)",
    "stream_head": "sequence = 9", "receipt": "digest = zeroblob(31)", "checkpoint": "note = ''",
    "meta": "value = 'x'", "erasure": "record = 300",
}
GUARDED = sorted(set(KEYS) - {"stream_head"})
"""Tables with triggers. Heads of streams are derived, and are updated with each record."""

TAKEN = {
    "record": "record (position, header, leaf_hash) VALUES (17, '{}', zeroblob(32))",
    "part": "part VALUES (17, 'body', zeroblob(16), '{}')",
    "tile_root": "tile_root VALUES (8, 0, zeroblob(32))",
    "receipt": "receipt VALUES ((SELECT min(key) FROM receipt), zeroblob(32), 1, 1, zeroblob(8))",
    "checkpoint": "checkpoint VALUES (100, 'x', zeroblob(8))",
    "meta": "meta VALUES ('origin', 'x', zeroblob(8))",
    "erasure": f"erasure VALUES ({SOURCE}, 'body', 300)",
    "stream_head": "stream_head VALUES ('topic/t0', 9, 9)",
}
"""For each table a row whose key is taken."""

DENIED = "not authorized"
APPEND_ONLY = "the log is append-only"


def statements(table):
    """Give (statement, what stops it in our own session) for what changes rows that are there."""
    key, change, row = KEYS[table].split(", ")[0], CHANGED[table], TAKEN[table]
    update, one = f"UPDATE {table} SET", f"{key} = (SELECT min({key}) FROM {table})"  # noqa: S608 - our names
    return [
        (f"{update} {change}", DENIED),
        (f"{update} {change} WHERE {one}", DENIED),
        (f"UPDATE OR IGNORE {table} SET {change}", DENIED),  # noqa: S608 - our names
        (f"UPDATE OR REPLACE {table} SET {key} = (SELECT max({key}) FROM {table})", DENIED),  # noqa: S608 - our names
        (f"DELETE FROM {table}", DENIED),  # noqa: S608 - our names
        (f"DELETE FROM {table} WHERE {one}", DENIED),  # noqa: S608 - our names
        (f"INSERT INTO {row} ON CONFLICT DO UPDATE SET {change}", DENIED),
        (f"INSERT OR REPLACE INTO {row}", APPEND_ONLY),
        (f"REPLACE INTO {row}", APPEND_ONLY),
        (f"INSERT OR IGNORE INTO {row}", APPEND_ONLY),
        (f"INSERT INTO {row}", APPEND_ONLY),
    ]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return tampering.make(tmp_path_factory.mktemp("tamper"))


@pytest.fixture
def path(made, tmp_path):
    """Give a copy of the log's file."""
    path = tmp_path / "timeline.db"
    path.write_bytes(made.path.read_bytes())
    return path


def plain(path):
    """Open the file as somebody else's program would, with the triggers as they are."""
    return sqlite3.connect(path, isolation_level=None)


def found(path):
    """Say which check finds what; "" where nothing is wrong."""
    finding = verify_file(path).finding
    return "" if finding is None else finding.check


def contents(path):
    with closing(plain(path)) as connection:
        return tampering.contents(connection), connection.execute("SELECT * FROM sqlite_master").fetchall()


# ---------------------------------------------------------------------------------------------- rows

def test_every_table_is_in_the_matrix(path):
    with closing(plain(path)) as connection:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}

    assert tables == set(CHANGED) == set(TAKEN)


@pytest.mark.parametrize("table", GUARDED)
def test_triggers_stop_whatever_changes_a_row_in_any_session(path, table):
    before = contents(path)
    for statement, _ in statements(table):
        with closing(plain(path)) as connection, pytest.raises(sqlite3.IntegrityError, match=APPEND_ONLY):
            connection.execute(statement)
        with closing(plain(":memory:")) as connection:
            connection.execute("ATTACH ? AS log", (str(path),))
            with pytest.raises(sqlite3.IntegrityError, match=APPEND_ONLY):
                connection.execute(statement)

    assert before == contents(path)


@pytest.mark.parametrize("table", GUARDED)
def test_the_authorizer_stops_whatever_changes_a_row_in_our_own_session(path, table):
    """What inserts is let through to the triggers; what updates or deletes never gets there."""
    before = contents(path)
    with closing(SqliteLog(path)) as log:
        for statement, own in statements(table):
            with pytest.raises(sqlite3.DatabaseError, match=own):
                log._connection.execute(statement)

    assert before == contents(path)


@pytest.mark.parametrize("table", GUARDED)
def test_what_an_erasure_may_do_is_no_more_than_the_triggers_let_through(path, table):
    """The authorizer of an erasure lets parts be deleted and receipts be emptied; triggers look at which."""
    before = contents(path)
    with closing(SqliteLog(path)) as log:
        log._connection.set_authorizer(_authorize_erasing)
        for statement, _ in statements(table):
            with pytest.raises(sqlite3.DatabaseError, match=f"{DENIED}|{APPEND_ONLY}"):
                log._connection.execute(statement)

    assert before == contents(path)


def test_after_an_erasure_nothing_may_be_deleted_again(path):
    with closing(SqliteLog(path)) as log:
        tampering.erase(log, "event", "e5", "body", 5)
        for statement in ("DELETE FROM part", "DELETE FROM part WHERE position = 5", "UPDATE receipt SET last = 1"):
            with pytest.raises(sqlite3.DatabaseError, match=DENIED):
                log._connection.execute(statement)

    assert found(path) == ""


@pytest.mark.parametrize(("statement", "own"), [
    (statement, DENIED if statement.startswith("DELETE") else "") for statement, _ in statements("stream_head")[:-2]
])
def test_stream_heads_are_derived_and_what_bends_them_is_found(path, made, statement, own):
    """No trigger guards them. Our own session may update them; hashes, not rules, say what they must be."""
    with closing(plain(path)) as connection:
        connection.execute(statement)
    assert found(path) == "stream-head"

    path.write_bytes(made.path.read_bytes())
    with closing(SqliteLog(path)) as log:
        if own:
            with pytest.raises(sqlite3.DatabaseError, match=own):
                log._connection.execute(statement)
        else:
            log._connection.execute(statement)
    assert found(path) == ("" if own else "stream-head")


@pytest.mark.parametrize(("statement", "check"), [
    ("INSERT INTO record (position, header, leaf_hash) VALUES (301, '{}', zeroblob(32))", "leaf"),
    ("INSERT INTO record (position, header, leaf_hash) SELECT 301, header, leaf_hash FROM record WHERE position = 300",
     "position"),
    ("INSERT INTO part VALUES (17, 'more', zeroblob(16), '{}')", "extra-part"),
    ("INSERT INTO part VALUES (301, 'body', zeroblob(16), '{}')", "extra-part"),
    ("INSERT INTO tile_root VALUES (8, 1, zeroblob(32))", "tile"),
    ("INSERT INTO stream_head VALUES ('event/more', 1, 17)", "stream-head"),
    ("INSERT INTO receipt VALUES ('more', zeroblob(32), 1, 1, zeroblob(8))", "receipt"),
    ("INSERT INTO checkpoint VALUES (17, 'more', zeroblob(8))", "checkpoint"),
    ("INSERT INTO meta VALUES ('more', 'more', zeroblob(8))", "meta"),
    ("INSERT INTO erasure VALUES (17, 'body', 300)", "undeclared-erasure"),
])
def test_a_row_that_is_added_passes_triggers_and_authorizer_and_is_found(path, made, statement, check):
    """A log is there to be added to; what is added must be what the headers say."""
    with closing(plain(path)) as connection:
        connection.execute(statement)
    assert check == found(path)

    path.write_bytes(made.path.read_bytes())
    with closing(SqliteLog(path)) as log:
        log._connection.execute(statement)
    assert check == found(path)


@pytest.mark.parametrize(("table", "column"), [
    ("record", "header"), ("record", "leaf_hash"), ("part", "bytes"), ("part", "salt"), ("tile_root", "hash"),
    ("stream_head", "stream"), ("receipt", "digest"), ("receipt", "seal"), ("checkpoint", "note"),
    ("checkpoint", "seal"), ("meta", "value"), ("erasure", "name"),
])
def test_blob_handles_which_pass_triggers_and_authorizers_have_no_row_to_open(path, table, column):
    with closing(SqliteLog(path)) as log, pytest.raises(sqlite3.OperationalError, match="without rowid"):
        log._connection.blobopen(table, column, 1)
    with closing(plain(path)) as connection, pytest.raises(sqlite3.OperationalError, match="without rowid"):
        connection.blobopen(table, column, 1)


# ---------------------------------------------------------------------------------------------- beyond rows

BEYOND = [
    (["DROP TRIGGER record_no_update"], ""),
    (["DROP TRIGGER record_no_update",
      "UPDATE record SET header = replace(header, 'local', 'eve') WHERE position = 17"], "leaf"),
    (["DROP TRIGGER record_no_delete", "DELETE FROM record WHERE position = 17"], "gap"),
    (["DROP TRIGGER part_no_update", "UPDATE part SET bytes = '{}' WHERE position = 17"], "part"),
    (["DROP TRIGGER part_no_delete", "DELETE FROM part WHERE position = 17"], "missing-part"),
    (["DROP TRIGGER tile_no_delete", "DELETE FROM tile_root"], "tile"),
    (["DROP TRIGGER erasure_no_delete", "DELETE FROM erasure"], "erasure-table"),
    (["DROP TRIGGER meta_no_update", "UPDATE meta SET value = 'x' WHERE name = 'key/1'"], "meta"),
    (["DROP TRIGGER receipt_no_update", "UPDATE receipt SET last = last + 1"], "receipt"),
    (["DROP TRIGGER checkpoint_no_update", "UPDATE checkpoint SET note = note || 'x'"], "checkpoint"),
    *[([f"DROP TABLE {table}"], "file") for table in KEYS],
    (["ALTER TABLE record RENAME TO gone"], "file"),
    (["ALTER TABLE record RENAME COLUMN header TO gone"], "file"),
    (["ALTER TABLE part RENAME COLUMN bytes TO gone"], "file"),
    (["ALTER TABLE part ADD COLUMN more TEXT"], ""),
    (["PRAGMA writable_schema = 1", "DELETE FROM sqlite_master WHERE type = 'trigger'"], ""),
    (["PRAGMA writable_schema = 1", "DELETE FROM sqlite_master WHERE tbl_name = 'part'"], "file"),
    (["PRAGMA ignore_check_constraints = 1",
      "INSERT INTO record (position, header, leaf_hash) VALUES (301, '{}', x'')"], "leaf"),
    (["PRAGMA user_version = 1"], "erasure-table"),
    (["PRAGMA recursive_triggers = 0"], ""), (["PRAGMA secure_delete = 0"], ""), (["PRAGMA synchronous = 0"], ""),
    (["CREATE TABLE more (x)"], ""), (["CREATE INDEX more ON record (header)"], ""),
    (["CREATE TRIGGER more AFTER INSERT ON record BEGIN DELETE FROM stream_head; END"], ""),
    (["CREATE TEMP TABLE more (x)"], ""), (["CREATE VIEW more AS SELECT 1"], ""),
    (["CREATE TEMP TRIGGER more AFTER INSERT ON record BEGIN SELECT 1; END"], ""),
    (["ATTACH ':memory:' AS other"], ""), (["VACUUM"], ""), (["VACUUM INTO 'copy.db'"], ""), (["REINDEX"], ""),
    (["ANALYZE"], ""),
]
"""What no trigger sees, and which check finds what it did to the rows."""


@pytest.mark.parametrize(("script", "check"), BEYOND)
def test_what_goes_round_the_triggers_is_found_by_what_it_did_to_the_rows(path, script, check, monkeypatch):
    """Nothing is found where nothing that is stored was changed: rules are no evidence."""
    monkeypatch.chdir(path.parent)
    with closing(plain(path)) as connection:
        for statement in script:
            connection.execute(statement)
    with closing(plain(path)) as connection:
        finding = verify(connection).finding

    assert check == ("" if finding is None else finding.check)


@pytest.mark.parametrize("statement", [script[0] for script, _ in BEYOND])
def test_the_authorizer_stops_what_goes_round_the_triggers(path, statement, monkeypatch):
    monkeypatch.chdir(path.parent)
    before, files = contents(path), sorted(path.parent.iterdir())
    with closing(SqliteLog(path)) as log, pytest.raises(sqlite3.DatabaseError, match=f"{DENIED}|authorization denied"):
        log._connection.execute(statement)

    assert before == contents(path)
    assert {*files, path.with_name("timeline.db.lock")} == set(path.parent.iterdir())


def test_a_part_is_not_deleted_by_a_row_that_says_so_without_being_found(path):
    """The trigger believes the table of erasures; verification believes the records."""
    with closing(plain(path)) as connection:
        connection.execute("INSERT INTO erasure VALUES (17, 'body', 300)")
        assert connection.execute("DELETE FROM part WHERE position = 17").rowcount == 1

    assert found(path) == "undeclared-erasure"


def test_a_vacuum_leaves_the_log_as_it_was(path):
    before, report = contents(path)[0], verify_file(path)
    with closing(plain(path)) as connection:
        connection.execute("VACUUM")

    assert (before, report) == (contents(path)[0], verify_file(path))


def test_receipts_emptied_while_an_erasure_is_the_newest_record_are_found(path):
    """The one time a trigger lets receipts change; their seals must follow."""
    with closing(SqliteLog(path)) as log:
        tampering.erase(log, "event", "e5", "body", 5)
    assert found(path) == ""
    with closing(plain(path)) as connection:
        with pytest.raises(sqlite3.IntegrityError, match=APPEND_ONLY):
            connection.execute("UPDATE receipt SET last = first + 1, digest = zeroblob(32)")
        connection.execute("UPDATE receipt SET digest = zeroblob(32)")

    assert found(path) == "receipt"


def test_a_receipt_forged_with_its_seal_is_not_claimed_to_be_found(path):
    """Seals find damage. Whoever can write the file can compute them."""
    with closing(plain(path)) as connection:
        connection.execute("INSERT INTO receipt VALUES ('eve', zeroblob(32), 1, 1, ?)",
                           (seal_receipt("eve", bytes(32), 1, 1),))

    assert found(path) == ""


def test_the_authorizer_can_be_lifted_by_code_in_our_own_process(path):
    """It stops our own bugs, and no intruder: what is then done is for the triggers, and for the hashes."""
    with closing(SqliteLog(path)) as log:
        log._connection.set_authorizer(None)
        with pytest.raises(sqlite3.IntegrityError, match=APPEND_ONLY):
            log._connection.execute("DELETE FROM record")
        log._connection.execute("DROP TRIGGER record_no_delete")
        log._connection.execute("DELETE FROM record WHERE position = 17")
        log._connection.set_authorizer(_authorize)

    assert found(path) == "gap"
