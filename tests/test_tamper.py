"""What bends the log is found, by the check that names it; what cannot be found from inside is said to be so."""

from __future__ import annotations

import random
import re
import sqlite3
from collections import Counter
from contextlib import closing, contextmanager
from itertools import pairwise

import pytest
import tampering
from tampering import EVENT, KEYS, QUOTE, SIZE, SOURCE, relaxed, rows_of, set_cell

from timeline.chronicle import verify_file
from timeline.errors import Conflict
from timeline.log.verify import verify


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return tampering.make(tmp_path_factory.mktemp("tamper"))


@pytest.fixture(scope="module")
def shared(made):
    """Give one copy to all the tests of a kind that put back what they bent."""
    connection = relaxed(made.path)
    yield connection
    assert verify(connection).sound
    connection.close()


@pytest.fixture
def bent(made):
    connection = relaxed(made.path)
    yield connection
    connection.close()


@contextmanager
def put_back(connection):
    """Undo what is done in the block."""
    connection.execute("SAVEPOINT bent")
    try:
        yield
    finally:
        connection.execute("ROLLBACK TO bent")
        connection.execute("RELEASE bent")


def finding(connection):
    found = verify(connection).finding
    return None if found is None else (found.check, found.position)


# ---------------------------------------------------------------------------------------------- the log itself

def test_the_log_has_a_row_of_every_sort_and_is_sound(shared):
    report = verify(shared)
    types = {row[0] for row in shared.execute("SELECT header ->> '$.type' FROM record")}
    parts = Counter(row[0] for row in shared.execute("SELECT name FROM part"))
    emptied = shared.execute("SELECT key FROM receipt WHERE digest = zeroblob(32) ORDER BY key").fetchall()

    assert report.sound
    assert (report.head.size, report.erased) == (SIZE, 4)
    assert types >= {"event.recorded", "event.revised", "event.retracted", "events.merged", "source.described",
                     "actor.described", "part.erased"}
    assert {"body", "quotes", "text"} == set(parts)
    assert [key.split("\n")[1][:7] for (key,) in emptied] == ["erased:", "request"]
    tables = {row[0] for row in shared.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert set(KEYS) == tables
    assert all(rows_of(shared, table) for table in KEYS)


# ---------------------------------------------------------------------------------------------- one bit

def own(row, _):
    """It is found where the row belongs."""
    return {row["position"]}


def moved_record(row, to):
    """It is found where it is missing, or where it stands too early."""
    return {row["position"]} if to > row["position"] else {max(to, 1), to + 1}


def moved_part(row, to):
    """It is found where it is missing, or where it stands too early."""
    return {row["position"], to} if 1 <= to < row["position"] else {row["position"]}


def moved_erasure(row, to):
    """It is found at the part that is missing, or at an earlier one that is there."""
    return {to} if 1 <= to < row["position"] else {row["position"]}


def tile(*_):
    """It is found when the tile is full."""
    return {256}


def nowhere(*_):
    """No position can be named."""
    return {0}


def at_head(row, _):
    """It is found where the stream ends, or only by counting, if its name is now another's."""
    return {row["position"], 0}


def anywhere(row, to):
    """The row itself says where it belongs, and that is what was bent."""
    return {to}


FOUND_BY = {
    ("record", "position"): ({"gap", "leaf", "extra-part"}, moved_record),
    ("record", "header"): ({"leaf"}, own),
    ("record", "leaf_hash"): ({"leaf"}, own),
    ("part", "position"): ({"missing-part", "part", "extra-part"}, moved_part),
    ("part", "name"): ({"missing-part"}, own),
    ("part", "salt"): ({"part"}, own),
    ("part", "bytes"): ({"part"}, own),
    ("tile_root", "level"): ({"tile"}, tile),
    ("tile_root", "n"): ({"tile"}, tile),
    ("tile_root", "hash"): ({"tile"}, tile),
    ("stream_head", "stream"): ({"stream-head"}, at_head),
    ("stream_head", "sequence"): ({"stream-head"}, own),
    ("stream_head", "position"): ({"stream-head"}, anywhere),
    ("receipt", "key"): ({"receipt"}, nowhere),
    ("receipt", "digest"): ({"receipt"}, nowhere),
    ("receipt", "first"): ({"receipt"}, nowhere),
    ("receipt", "last"): ({"receipt"}, nowhere),
    ("receipt", "seal"): ({"receipt"}, nowhere),
    ("checkpoint", "size"): ({"checkpoint"}, nowhere),
    ("checkpoint", "note"): ({"checkpoint"}, nowhere),
    ("checkpoint", "seal"): ({"checkpoint"}, nowhere),
    ("meta", "name"): ({"meta", "checkpoint"}, nowhere),
    ("meta", "value"): ({"meta", "checkpoint"}, nowhere),
    ("meta", "seal"): ({"meta"}, nowhere),
    ("erasure", "position"): ({"erasure-table", "undeclared-erasure"}, moved_erasure),
    ("erasure", "name"): ({"erasure-table"}, own),
    ("erasure", "record"): ({"erasure-table", "undeclared-erasure"}, own),
}
"""(table, column) -> the checks that find one flipped bit in it, and where."""


def test_every_column_of_every_table_has_its_check(shared):
    columns = {(table, column) for table in KEYS for column in tampering.columns_of(shared, table)}

    assert columns == set(FOUND_BY)


@pytest.mark.parametrize(("table", "column"), FOUND_BY)
def test_one_flipped_bit_in_any_row_is_found_by_the_right_check(shared, table, column):
    chance = random.Random(f"{table}.{column}")
    checks, place = FOUND_BY[table, column]
    verdicts, missed = set(), []
    for rowid, row in rows_of(shared, table):
        for value in tampering.flipped(row[column], chance, ends=rowid % 4 == 0):
            with put_back(shared):
                set_cell(shared, table, column, rowid, value)
                found = finding(shared)
            if found is None or found[1] not in place(row, value):
                missed.append((rowid, row[column], value, found))
            else:
                verdicts.add(found[0])

    assert missed == []
    assert checks >= verdicts


TYPES = (None, 7, 1.5, "", "7", b"", b"7")


@pytest.mark.parametrize(("table", "column"), FOUND_BY)
def test_a_value_of_another_type_is_a_finding_and_no_traceback(shared, table, column):
    rows = rows_of(shared, table)
    for rowid, _ in (rows[0], rows[len(rows) // 2], rows[-1]):
        for value in TYPES:
            with put_back(shared):
                set_cell(shared, table, column, rowid, value)
                assert finding(shared) is not None, f"{table}.{column} = {value!r} was not found"


def test_a_stream_head_that_takes_the_name_of_its_twin_is_found(made, tmp_path):
    """Two streams may end at one record. One bit makes two heads of the one of them, and none of the other."""
    path, data = tmp_path / "timeline.db", made.path.read_bytes()
    head, twin = b"\x01\x01event/e124\x02\x7f", b"\x01\x01event/e126\x02\x7f"
    assert (data.count(head), data.count(twin)) == (1, 1)
    path.write_bytes(data.replace(head, twin))

    report = verify_file(path)

    assert report.finding is not None


def in_memory(image):
    """Open the bytes of a file, not as WAL: memory has none (SQLite file format, section 1.3.3)."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.deserialize(bytes(image[:18]) + b"\x01\x01" + bytes(image[20:]))
    return connection


@pytest.mark.slow
def test_every_bit_of_the_file_is_found_or_means_nothing(made):
    """Bits of the disk, wherever they are: pages, lengths, types, free space."""
    image, chance = made.path.read_bytes(), random.Random(300)
    with closing(in_memory(image)) as connection:
        stored = tampering.contents(connection)
    bits = [bit for bit in (chance.randrange(len(image) * 8) for _ in range(1500)) if bit >= 800]
    sound = 0
    for bit in bits:
        bent = bytearray(image)
        bent[bit // 8] ^= 1 << bit % 8
        with closing(in_memory(bent)) as connection:
            if verify(connection).sound:
                sound += 1
                assert stored == tampering.contents(connection), f"bit {bit} of the file was flipped unseen"

    assert 0 < sound < len(bits) / 2


def test_a_row_whose_key_was_bent_on_disk_is_found_although_a_scan_still_meets_it_in_its_old_place(made):
    """SQLite walks on from row to row, and does not look again whether the keys still ascend."""
    image = made.path.read_bytes()
    cells = list(re.finditer(rb"[\x05\x06]\x01[\x15\x19],.{1,2}([\x01-\x7f])(?:body|quotes)", image, re.DOTALL))
    unseen = []
    for cell in cells:
        bent = bytearray(image)
        bent[cell.start(1)] ^= 64
        with closing(in_memory(bent)) as connection:
            if verify(connection).sound:
                unseen.append(cell[1][0])

    assert len(cells) > 100
    assert unseen == []


@pytest.mark.parametrize(("offset", "sentence"), [
    (0, "is not an SQLite database"), (63, "reads format 2"), (71, "not a timeline log"),
])
def test_a_bent_file_header_is_refused_with_a_sentence(made, tmp_path, offset, sentence):
    """The magic, the format and the application's number (SQLite file format, section 1.3)."""
    path = tmp_path / "timeline.db"
    data = bytearray(made.path.read_bytes())
    data[offset] ^= 4
    path.write_bytes(data)

    with pytest.raises(Conflict, match=sentence):
        verify_file(path)


# ---------------------------------------------------------------------------------------------- whole rows

UNSEEN = {"receipt", "checkpoint"}
"""Tables no hash covers: a row that goes leaves no trace, and whoever can write one can seal it."""

DELETED = {
    "record": ({"gap", "extra-part"}, own), "part": ({"missing-part"}, own), "tile_root": ({"tile"}, tile),
    "stream_head": ({"stream-head"}, nowhere), "erasure": ({"erasure-table"}, own),
}


@pytest.mark.parametrize("table", DELETED)
def test_any_row_deleted_is_found(shared, table):
    checks, place = DELETED[table]
    for rowid, row in rows_of(shared, table):
        with put_back(shared):
            shared.execute(f"DELETE FROM {table} WHERE rowid = ?", (rowid,))  # noqa: S608 - our names
            found = finding(shared)
        assert found is not None, f"row {row} of {table} was deleted unseen"
        assert found[0] in checks
        assert found[1] in place(row, None)


@pytest.mark.parametrize("table", sorted(UNSEEN))
def test_a_deleted_receipt_or_kept_checkpoint_is_not_claimed_to_be_found(bent, table):
    bent.execute(f"DELETE FROM {table}")  # noqa: S608 - our names

    assert verify(bent).sound


def test_a_log_that_lost_its_name_is_found_and_one_that_lost_a_key_is_not(bent):
    bent.execute("DELETE FROM meta WHERE name = 'key/1'")
    assert verify(bent).sound
    bent.execute("DELETE FROM meta")
    assert finding(bent) == ("checkpoint", 0)
    bent.execute("DELETE FROM checkpoint")
    assert finding(bent) == ("meta", 0)


SWAPPED = {
    ("record", "header"): ({"leaf"}, own), ("record", "header, leaf_hash"): ({"position"}, own),
    ("record", "leaf_hash"): ({"leaf"}, own), ("part", "salt"): ({"part"}, own), ("part", "bytes"): ({"part"}, own),
    ("part", "salt, bytes"): ({"part"}, own), ("stream_head", "sequence, position"): ({"stream-head"}, own),
    ("receipt", "digest"): ({"receipt"}, nowhere), ("receipt", "first, last"): ({"receipt"}, nowhere),
    ("receipt", "digest, first, last, seal"): ({"receipt"}, nowhere), ("checkpoint", "note"): ({"checkpoint"}, nowhere),
    ("checkpoint", "note, seal"): ({"checkpoint"}, nowhere), ("meta", "value"): ({"checkpoint"}, nowhere),
    ("meta", "value, seal"): ({"checkpoint"}, nowhere),
    ("erasure", "record"): ({"undeclared-erasure", "erasure-table"}, own),
}


@pytest.mark.parametrize(("table", "columns"), SWAPPED)
def test_neighbours_that_swap_their_contents_are_found(shared, table, columns):
    checks, place = SWAPPED[table, columns]
    names = columns.split(", ")
    rows = rows_of(shared, table)
    seen = 0
    for (first, one), (second, two) in pairwise(rows):
        if all(one[name] == two[name] for name in names):
            continue
        seen += 1
        with put_back(shared):
            for name in names:
                set_cell(shared, table, name, first, two[name])
                set_cell(shared, table, name, second, one[name])
            found = finding(shared)
        assert found is not None, f"{columns} of {one} and {two} were swapped unseen"
        assert found[0] in checks
        assert found[1] in place(one, None) | place(two, None)
    assert seen


@pytest.mark.parametrize("last", [100, 256, SIZE])
@pytest.mark.parametrize("by", [-1, 1, 1000])
def test_records_that_are_renumbered_are_found(bent, last, by):
    """Alone, or with their parts; up to some position, or from there."""
    for tables in (("record",), ("record", "part")):
        for condition in ("position <= ?", "position >= ?"):
            with put_back(bent):
                for table in tables:
                    statement = f"UPDATE {table} SET position = position + {by} WHERE {condition}"  # noqa: S608 - ours
                    bent.execute(statement, (last,))
                found = finding(bent)
            assert found is not None
            assert found[0] in {"gap", "leaf", "position", "missing-part", "extra-part", "part"}


@pytest.mark.parametrize(("statement", "found"), [
    ("record SELECT 301, header, leaf_hash FROM record WHERE position = 300", ("position", 301)),
    ("record VALUES (301, '{}', zeroblob(32))", ("leaf", 301)),
    ("record SELECT 0, header, leaf_hash FROM record WHERE position = 1", ("leaf", 2)),
    ("part VALUES (17, 'more', zeroblob(16), '{}')", ("extra-part", 17)),
    ("part VALUES (21, 'body', zeroblob(16), '{}')", ("part", 21)),
    ("part VALUES (301, 'body', zeroblob(16), '{}')", ("extra-part", 301)),
    ("tile_root VALUES (8, 1, zeroblob(32))", ("tile", 0)),
    ("tile_root SELECT * FROM tile_root", ("tile", 0)),
    ("stream_head VALUES ('event/more', 1, 17)", ("stream-head", 17)),
    ("stream_head SELECT * FROM stream_head", ("stream-head", 0)),
    ("receipt VALUES ('more', zeroblob(32), 2, 1, zeroblob(8))", ("receipt", 0)),
    ("receipt VALUES ('more', zeroblob(32), 1, 1, zeroblob(8))", ("receipt", 0)),
    ("receipt VALUES ('more', zeroblob(3), 1, 1, zeroblob(8))", ("receipt", 0)),
    ("checkpoint VALUES (7, 'more', zeroblob(8))", ("checkpoint", 0)),
    ("checkpoint SELECT 301, note, seal FROM checkpoint WHERE size = 300", ("checkpoint", 0)),
    ("meta VALUES ('key/2', 'more', zeroblob(8))", ("meta", 0)),
    ("erasure VALUES (17, 'body', 271)", ("undeclared-erasure", 17)),
    ("erasure VALUES (17, 'body', 300)", ("undeclared-erasure", 17)),
    ("erasure VALUES (17, 'more', 271)", ("undeclared-erasure", 17)),
    ("erasure VALUES (271, 'body', 272)", ("undeclared-erasure", 271)),
    ("erasure VALUES (301, 'body', 302)", ("undeclared-erasure", 301)),
])
def test_an_inserted_row_is_found(bent, statement, found):
    bent.execute(f"INSERT INTO {statement}")

    assert found == finding(bent)


@pytest.mark.parametrize("position", [1, 17, 81, 256, SIZE])
def test_a_record_that_is_there_twice_is_found(bent, position):
    bent.execute("INSERT INTO record SELECT * FROM record WHERE position = ?", (position,))
    found = finding(bent)

    assert found is not None
    assert found[1] in {position, position + 1}


@pytest.mark.parametrize("position", [5, 61, 81, SIZE])
def test_a_part_that_is_there_twice_is_found(bent, position):
    """The forged one first: readers are shown both, and only one of them opens the commitment."""
    parts = bent.execute("SELECT * FROM part WHERE position = ?", (position,)).fetchall()
    bent.execute("DELETE FROM part WHERE position = ?", (position,))
    for _, name, salt, data in parts:
        bent.execute("INSERT INTO part VALUES (?, ?, ?, ?)", (position, name, bytes(16), data + " "))
        bent.execute("INSERT INTO part VALUES (?, ?, ?, ?)", (position, name, salt, data))

    assert finding(bent) is not None


def test_a_forged_part_beside_the_real_one_is_found_in_a_file_sqlite_calls_sound(made, tmp_path):
    """Another primary key, which leaves the pages as they are, makes room for a second part of one name."""
    path = tmp_path / "timeline.db"
    path.write_bytes(made.path.read_bytes())
    connection = sqlite3.connect(path)
    connection.executescript("""
        PRAGMA writable_schema = 1;
        UPDATE sqlite_master SET sql = replace(sql, 'KEY (position, name)', 'KEY (position, name, salt)')
        WHERE name = 'part';
        DELETE FROM sqlite_master WHERE name = 'part_once';
    """)
    connection.close()
    connection = sqlite3.connect(path)
    connection.execute("INSERT INTO part SELECT 5, name, zeroblob(16), replace(bytes, 'Event 5', 'Forged') "
                       "FROM part WHERE position = 5")
    connection.commit()
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()

    assert verify_file(path).finding is not None


def test_a_part_put_back_after_its_erasure_is_found(made, bent):
    """Whoever kept the older file has the words; the log says that they went."""
    older = sqlite3.connect(made.older)
    for position, name in ((SOURCE, "body"), (SOURCE, "text"), (QUOTE, "quotes"), (EVENT, "body")):
        row = older.execute("SELECT * FROM part WHERE position = ? AND name = ?", (position, name)).fetchone()
        with put_back(bent):
            bent.execute("INSERT INTO part VALUES (?, ?, ?, ?)", row)
            assert ("unerased-part", position) == finding(bent)
            bent.execute("DELETE FROM erasure WHERE position = ? AND name = ?", (position, name))
            assert ("unerased-part", position) == finding(bent)
    older.close()
