"""What holds together is sound, however it came about: only a checkpoint kept elsewhere shows a rewritten log."""

from __future__ import annotations

from contextlib import closing

import msgspec
import pytest
import tampering
from tampering import ERASURES, EVENT, ORIGIN, QUOTE, SIZE, SOURCE, VKEY, YOUNGER, relaxed

from timeline import merkle
from timeline.connections import open_reader
from timeline.errors import Corrupt, Invalid
from timeline.following import Evidence, Follower, Fork, against
from timeline.log import decode_header, encode_header
from timeline.log.reading import stored_hashes
from timeline.log.sqlite import SqliteLog
from timeline.log.verify import verify
from timeline.tlog import Signer


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return tampering.make(tmp_path_factory.mktemp("tamper"))


@pytest.fixture
def bent(made):
    connection = relaxed(made.path)
    yield connection
    connection.close()


def finding(connection):
    found = verify(connection).finding
    return None if found is None else (found.check, found.position)

def compare(connection, note):
    """Compare a log with a checkpoint kept elsewhere."""
    def hashes(level, start, stop):
        return stored_hashes(connection, level, start, stop)

    size = connection.execute("SELECT count(*) FROM record").fetchone()[0]
    return against(note, size, lambda n: merkle.root_at(n, hashes), ORIGIN, VKEY)


def test_the_kept_checkpoint_agrees_with_the_log_it_was_made_of(made, bent):
    assert compare(bent, made.note) == "the log agrees with the signed checkpoint: all 300 records are the same"


@pytest.mark.parametrize("size", [*range(ERASURES[-1], SIZE), 0, 1, SOURCE - 1])
def test_a_tail_cut_off_consistently_is_found_only_against_a_checkpoint_kept_elsewhere(made, bent, size):
    tampering.cut(bent, size)
    report = verify(bent)

    assert report.sound
    assert size == report.head.size
    with pytest.raises(Corrupt, match=f"the log has {size} records and the checkpoint 300: the log was cut short"):
        compare(bent, made.note)


@pytest.mark.parametrize(("size", "position"), [
    (SOURCE, SOURCE), (QUOTE, SOURCE), (ERASURES[0] - 1, SOURCE), (ERASURES[0], QUOTE), (ERASURES[1], EVENT),
])
@pytest.mark.parametrize(("kept", "check"), [(False, "missing-part"), (True, "undeclared-erasure")])
def test_a_tail_cut_off_before_an_erasure_leaves_a_hole_that_is_found(bent, size, position, kept, check):
    """What was erased cannot be put back, so the record that declares it cannot be taken away."""
    rows = bent.execute("SELECT * FROM erasure").fetchall()
    tampering.cut(bent, size)
    if kept:
        bent.execute("DELETE FROM erasure")
        bent.executemany("INSERT INTO erasure VALUES (?, ?, ?)", [row for row in rows if row[0] <= size])

    assert (check, position) == finding(bent)


def test_an_older_copy_of_the_file_is_found_only_against_a_checkpoint_kept_elsewhere(made):
    older = open_reader(made.older)
    report = verify(older)

    assert report.sound
    assert report.head.size == YOUNGER
    with pytest.raises(Corrupt, match="or the file is an older one"):
        compare(older, made.note)
    older.close()


def forge(connection, position, **changes):
    """Change a header and everything that follows from it, as whoever keeps the file can."""
    data = connection.execute("SELECT CAST(header AS BLOB) FROM record WHERE position = ?", (position,)).fetchone()[0]
    header = encode_header(msgspec.structs.replace(decode_header(data), **changes))
    connection.execute("UPDATE record SET header = ? WHERE position = ?", (header.decode(), position))
    tampering.rederive(connection)


@pytest.mark.parametrize("position", [1, 17, 256, 257, SIZE])
def test_a_rewritten_record_is_found_only_against_a_checkpoint(made, bent, position):
    """Those that the log keeps itself are found to disagree, and are thrown away with a statement more."""
    forge(bent, position, author="eve")
    assert finding(bent) == ("checkpoint", 0)
    bent.execute("DELETE FROM checkpoint")
    assert verify(bent).sound

    with pytest.raises(Fork, match="the log has the size of the checkpoint, 300, and another root") as caught:
        compare(bent, made.note)
    with pytest.raises(Invalid, match="no good signature"):
        caught.value.evidence.check(VKEY)  # nobody signed what the file says now
    signed = tampering.signed(SIZE, verify(bent).head.root)
    assert Evidence(made.note, signed, None).check(VKEY).proved


def test_a_history_rewritten_and_grown_since_is_found_against_a_checkpoint(made, tmp_path):
    """The older copy gets another future, longer than the one that was shown."""
    path = tmp_path / "timeline.db"
    path.write_bytes(made.older.read_bytes())
    with closing(SqliteLog(path)) as log:
        tampering.fill(log, SIZE + 20, "eve")
        assert verify(log.reader()).sound

        with pytest.raises(Fork, match="the history was rewritten: the first 300 of the 320 records are others"):
            compare(log.reader(), made.note)


def branch(folder, made, name, size):
    """Give another future to the older copy: head, signed note, consistency proof."""
    path = folder / f"{name}.db"
    path.write_bytes(made.older.read_bytes())
    log = SqliteLog(path, clock=tampering.ticks(500), entropy=tampering.salts(name.encode()))
    tampering.fill(log, size, name)
    assert verify(log.reader()).sound
    return log


@pytest.mark.parametrize(("left", "right", "finding", "proved"), [
    (290, 290, "same-size", True),
    (290, 310, "not-extended", True),
    (512, 600, "not-extended", False),
    (310, 290, "shorter", True),
])
def test_two_logs_of_one_prefix_are_a_fork_and_the_evidence_proves_what_it_can(
    made, tmp_path, left, right, finding, proved
):
    """A proof that starts at a power of two starts from the smaller root itself, and so cannot prove (RFC 9162)."""
    with closing(branch(tmp_path, made, "one", left)) as one, closing(branch(tmp_path, made, "two", right)) as two:
        follower = Follower(tmp_path / "follow.json", VKEY)
        follower.check(tampering.signed(YOUNGER, merkle.root_at(YOUNGER, one.hashes)), lambda *_: [])
        follower.check(tampering.signed(left, one.head().root),
                       lambda old, new: merkle.consistency_proof(old, new, one.hashes))
        larger = one if left > right else two
        with pytest.raises(Fork) as caught:
            follower.check(tampering.signed(right, two.head().root),
                           lambda old, new: merkle.consistency_proof(old, new, larger.hashes))

    evidence = caught.value.evidence
    assert finding == evidence.finding
    assert evidence == Evidence.parse(evidence.text())
    assert proved is evidence.check(VKEY).proved
    with pytest.raises(Invalid, match="no good signature"):
        evidence.check(Signer(ORIGIN, bytes(32)).verifier)


def test_whoever_follows_both_futures_from_their_prefix_alone_cannot_tell(made, tmp_path):
    """Each extends what was shown before: only two followers who compare, or a witness, see two histories."""
    with closing(branch(tmp_path, made, "one", 290)) as one, closing(branch(tmp_path, made, "two", 290)) as two:
        for log in (one, two):
            follower = Follower(tmp_path / f"{log.path.stem}.json", VKEY)
            follower.check(tampering.signed(YOUNGER, merkle.root_at(YOUNGER, log.hashes)), lambda *_: [])
            outcome = follower.check(tampering.signed(290, log.head().root),
                                     lambda old, new, log=log: merkle.consistency_proof(old, new, log.hashes))
            assert outcome.kind == "advanced"
        assert one.head().root != two.head().root
