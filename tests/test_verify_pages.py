"""Verification goes page by page and says what going record by record says: the same finding, position and report."""

from __future__ import annotations

import random
import shutil
import sqlite3
from contextlib import closing

import pytest
import tampering
from msgspec.structs import replace

from timeline import merkle
from timeline.chronicle import verify_file
from timeline.log import PART_DOMAIN, Draft, decode_header, encode_header
from timeline.log import verify as verification
from timeline.log.reading import READ_PAGE, LogFile
from timeline.log.sqlite import SqliteLog
from timeline.log.verify import verify
from timeline.log.verify_pages import Differs, Edge, follow, unfollow
from timeline.log.verify_reading import THREADED

SIZE = THREADED + 137
SIZES = (511, 512, 513, 1000, 1024, 1500)
"""Where checkpoints are kept, each before an erasure."""


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """Give a log of several pages and a part of one, with rows of every sort in the middle of them."""
    path = tampering.make(tmp_path_factory.mktemp("large")).path
    log = SqliteLog(path, clock=tampering.ticks(900), entropy=tampering.salts(b"large"))
    for size in SIZES:
        tampering.fill(log, size)
        log.keep_checkpoint(size, tampering.signed(size, merkle.root_at(size, log.hashes)))
        tampering.erase(log, "event", f"e{size - 3}", "body", size - 3)
    tampering.fill(log, SIZE)
    log.close()
    return path


@pytest.fixture(scope="module")
def shared(large):
    connection = tampering.relaxed(large)
    yield connection
    connection.close()


def judged(connection):
    """Give the report and what was told of the progress."""
    seen = []
    return verify(connection, seen.append), seen


def one_by_one(connection, monkeypatch):
    """Give the same where no page is looked at."""
    with monkeypatch.context() as patch:
        patch.setattr(verification, "_countable", lambda _: 0)
        return judged(connection)


def checked_alone(monkeypatch):
    """Give a list that grows with each record that is checked by itself."""
    alone, check = [], verification._State.check
    monkeypatch.setattr(verification._State, "check", lambda self, record: alone.append(record) or check(self, record))
    return alone


# ---------------------------------------------------------------------------------------------- sound logs

def test_a_sound_log_is_taken_page_by_page_whatever_it_holds(large, monkeypatch):
    alone = checked_alone(monkeypatch)
    report = verify_file(large)
    log = SqliteLog(large)

    assert report.sound
    assert (report.head, report.erased) == (log.head(), 4 + len(SIZES))
    assert alone == []
    log.close()


def test_a_report_is_the_same_page_by_page_and_record_by_record(large, monkeypatch):
    monkeypatch.setattr(verification, "PROGRESS_EVERY", READ_PAGE)
    with closing(LogFile(large)) as log:
        assert judged(log.connection()) == one_by_one(log.connection(), monkeypatch)
        assert judged(log.connection())[1] == [500, 1000, 1500, 2000, SIZE]


def test_a_connection_that_only_one_thread_may_use_is_enough(large, monkeypatch):
    alone = checked_alone(monkeypatch)
    with closing(sqlite3.connect(large)) as connection:
        assert verify(connection).head == verify_file(large).head
    assert alone == []


def test_what_is_appended_meanwhile_is_left_for_the_next_time(large, tmp_path, monkeypatch):
    path = tmp_path / "timeline.db"
    shutil.copy(large, path)
    monkeypatch.setattr(verification, "PROGRESS_EVERY", READ_PAGE)
    log = SqliteLog(path)
    reports = [verify_file(path, lambda _: tampering.fill(log, log.size + 1)) for _ in range(2)]

    assert [report.finding for report in reports] == [None, None]
    assert [report.head.size for report in reports] == [SIZE, SIZE + 5]
    log.close()


def test_a_transaction_of_the_caller_goes_on_and_one_of_our_own_does_not(large):
    with closing(sqlite3.connect(large, isolation_level=None)) as connection:
        verify(connection)
        assert not connection.in_transaction
        connection.execute("BEGIN")
        assert verify(connection).sound
        assert connection.in_transaction


@pytest.mark.parametrize("parts", [
    (("text", b"some"), ("body", b"{}")), (("body", b"of " + PART_DOMAIN + b", twice: " + PART_DOMAIN),),
    (("body", b"nul \x00 and\nline feed"), ("text", b"")), (("body", b""),), (),
])
def test_parts_in_any_order_and_of_any_bytes_are_sound(tmp_path, parts):
    path = tmp_path / "timeline.db"
    log = SqliteLog(path)
    with log.batch() as batch:
        for number in range(3):
            batch.seal(Draft(type="event.recorded", version=1, author="ada", streams=(f"event/e{number}",),
                             parts=parts))
    log.close()
    report = verify_file(path)

    assert (report.finding, report.parts) == (None, 3 * len(parts))


# ---------------------------------------------------------------------------------------------- bent logs

def bend(connection, chance):
    """Do one thing to one table: another value, a flipped bit, a row twice, a row less, a blob instead of text."""
    table = chance.choice(["record", "part", "part", "erasure", "stream_head", "receipt", "checkpoint", "tile_root"])
    column = chance.choice(list(tampering.columns_of(connection, table)))
    rowid = chance.choice(connection.execute(f"SELECT rowid FROM {table}").fetchall())[0]  # noqa: S608 - our names
    of = f"{table} WHERE rowid = {rowid}"
    value = connection.execute(f"SELECT {column} FROM {of}").fetchone()[0]  # noqa: S608 - our names
    other = connection.execute(f"SELECT {column} FROM {table} ORDER BY random() LIMIT 1").fetchone()[0]  # noqa: S608
    match chance.randrange(6):
        case 0:
            tampering.set_cell(connection, table, column, rowid, other)
        case 1:
            flipped = next(tampering.flipped(value, chance, ends=False))
            tampering.set_cell(connection, table, column, rowid, flipped)
        case 2:
            connection.execute(f"INSERT INTO {table} SELECT * FROM {of}")  # noqa: S608 - our names
        case 3:
            connection.execute(f"DELETE FROM {of}")  # noqa: S608 - our names
        case 4:
            connection.execute(f"UPDATE {table} SET {column} = CAST({column} AS BLOB) WHERE rowid = {rowid}")  # noqa: S608
        case _:
            tampering.set_cell(connection, table, column, rowid, chance.choice([None, 0, 7, 1.5, "7", b"7", ""]))


@pytest.mark.parametrize("seed", range(40))
def test_a_bent_log_is_judged_as_it_is_record_by_record(shared, monkeypatch, seed):
    """With the leaf hashes, tile roots and heads computed again or not, as a forger would."""
    chance = random.Random(seed)
    shared.execute("SAVEPOINT bent")
    try:
        bend(shared, chance)
        if seed % 8 == 0:
            bend(shared, chance)
        assert judged(shared) == one_by_one(shared, monkeypatch)
    finally:
        shared.execute("ROLLBACK TO bent")
        shared.execute("RELEASE bent")


@pytest.mark.parametrize("statement", [
    "record VALUES (502, 'x', 1.5)", "record VALUES (502, 'x', NULL)", "record VALUES (NULL, 'x', zeroblob(32))",
    "record VALUES (-5, 'x', zeroblob(32))", "record VALUES ('x', 'x', zeroblob(32))",
    "record SELECT position, header, CAST(leaf_hash AS TEXT) FROM record WHERE position = 502",
    "part VALUES (502, 'body', 'x', 'x')", "part VALUES (502, 'more', NULL, 'x')",
    "part SELECT position, CAST(name AS BLOB), salt, bytes FROM part WHERE position = 502",
    "stream_head VALUES ('', 1, 502)", "stream_head VALUES (NULL, 1, 502)", "stream_head VALUES (x'00', 1, 502)",
    "receipt VALUES ('', zeroblob(32), 1, 1, zeroblob(8))", "receipt VALUES (NULL, 1, 1, 1, 1)",
    "receipt SELECT key, CAST(digest AS TEXT), first, last, seal FROM receipt",
    "erasure VALUES (502, x'00', 503)", "erasure VALUES (502, 'body', '503')",
])
def test_a_row_more_of_a_type_that_no_column_has_is_not_overlooked(shared, monkeypatch, statement):
    """What puts columns together leaves out NULLs, and takes bytes for text."""
    shared.execute("SAVEPOINT bent")
    try:
        shared.execute(f"INSERT INTO {statement}")
        found = judged(shared)
        assert found == one_by_one(shared, monkeypatch)
        assert found[0].finding is not None
    finally:
        shared.execute("ROLLBACK TO bent")
        shared.execute("RELEASE bent")


@pytest.mark.parametrize(("bent", "as_it_is"), [
    ("header", "header || x'0a'"), ("header", "x'0a' || header"), ("header", "header || x'0a' || header"),
    ("header", "replace(header, ':', ': ')"), ("header", "''"),
])
def test_a_header_of_more_or_fewer_lines_is_not_canonical(shared, bent, as_it_is):
    """Hashed anew, so that its form is all there is to find."""
    shared.execute("SAVEPOINT bent")
    try:
        shared.execute(f"UPDATE record SET {bent} = CAST({as_it_is} AS TEXT) WHERE position = 502")  # noqa: S608 - ours
        header = shared.execute("SELECT CAST(header AS BLOB) FROM record WHERE position = 502").fetchone()[0]
        shared.execute("UPDATE record SET leaf_hash = ? WHERE position = 502", (merkle.leaf_hash(header),))
        finding = verify(shared).finding

        assert finding.position == 502
        assert finding.check in {"header", "canonical"}
    finally:
        shared.execute("ROLLBACK TO bent")
        shared.execute("RELEASE bent")


def test_a_page_of_the_file_that_nobody_uses_is_found_in_a_large_log(large, tmp_path):
    """SQLite looks for it in a connection of its own."""
    path = tmp_path / "timeline.db"
    shutil.copy(large, path)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("PRAGMA writable_schema = 1; DELETE FROM sqlite_master WHERE name = 'erasure_record'")
    finding = verify_file(path).finding

    assert (finding.position, finding.check) == (0, "file")


def test_torn_pages_of_a_large_log_are_judged_as_they_are_record_by_record(large, tmp_path, monkeypatch):
    data, chance = large.read_bytes(), random.Random(8)
    found = []
    for number in range(12):
        path, torn = tmp_path / f"{number}.db", bytearray(data)
        start = 4096 * chance.randrange(3, len(data) // 4096)
        torn[start : start + 4096] = bytes(4096)
        path.write_bytes(torn)
        with closing(sqlite3.connect(path)) as connection, closing(sqlite3.connect(path)) as other:
            found.append(judged(connection))
            assert found[-1] == one_by_one(other, monkeypatch)

    assert len([report for report, _ in found if not report.sound]) > 6


# ---------------------------------------------------------------------------------------------- what pages are made of

@pytest.mark.parametrize("step", [1, 2, 3, 7, 255, 256, 257, 500, 513])
def test_leaves_added_together_make_the_tree_they_make_one_by_one(step):
    leaves = [merkle.leaf_hash(b"%d" % number) for number in range(1500)]
    plain, edge, tiles, found = merkle.Frontier(), Edge(), [], []
    for start in range(0, len(leaves), step):
        found += edge.extend(leaves[start : start + step])
        for leaf in leaves[start : start + step]:
            tiles += plain.append(leaf)

        assert edge.size == plain.size
        assert edge.root() == plain.root()
    assert sorted(found) == sorted(tiles)
    assert edge.copy().root() == merkle.root_of(leaves)


def test_a_tile_of_tiles_is_complete_where_it_is_one_by_one():
    leaves = [b"%032d" % number for number in range(70_000)]
    plain, edge = merkle.Frontier(), Edge()
    tiles = [tile for leaf in leaves for tile in plain.append(leaf)]

    assert sorted(edge.extend(leaves)) == sorted(tiles)
    assert [tile[:2] for tile in tiles if tile[0] == 16] == [(16, 0)]
    assert edge.root() == plain.root()


def headers(large):
    with closing(LogFile(large)) as log:
        return [record.header for record in log.read()]


def test_headers_are_encoded_together_as_they_are_alone(large):
    from timeline.log import verify_pages

    found = headers(large)

    assert verify_pages._header_lines.encode_lines(found) == b"".join(encode_header(each) + b"\n" for each in found)
    assert verify_pages._headers.decode_lines(b"\n".join(map(encode_header, found))) == found


def test_a_stream_that_does_not_go_on_leaves_no_trace(large):
    found = headers(large)
    streams = {}
    follow(found[:1000], streams)
    before = dict(streams)
    follow(found[1000:1500], streams)
    unfollow([triple for header in found[1000:1500] for triple in header.streams], streams)
    assert streams == before

    stream, sequence, previous = found[1400].streams[-1]
    for wrong in ((stream, sequence + 1, previous), (stream, sequence, previous - 1), ("event/new", 2, 7),
                  ("event/new", 1, 7), ("event/new", 0, 0)):
        again = [("event/again", 1, 0), ("event/again", 2, 1401), wrong]
        page = [*found[1000:1400], replace(found[1400], streams=again), *found[1401:1500]]
        with pytest.raises(Differs):
            follow(page, streams)
        assert streams == before


def test_positions_of_any_size_are_told_apart(large):
    header = decode_header(encode_header(headers(large)[0]))
    for sequence, previous in ((2, 2**63), (0, 2**63), (2**64, 0), (1, -1), (1, 2**64)):
        with pytest.raises(Differs):
            follow([replace(header, streams=[("event/e", sequence, previous)])], {})
