"""The law of `timeline.log.Log`, which every implementation obeys. A test module names its log in a subclass.

Not collected by itself: the class has no ``Test`` in its name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from timeline import merkle
from timeline.errors import Invalid
from timeline.log import Draft, Log, Part, Receipt, Record, commitment, decode_header, encode_header

Clock = Callable[[], str]


def draft(number: int = 0, *streams: str, parts: int = 1) -> Draft:
    """Give a record about event ``e<number>`` with some parts."""
    return Draft(
        type="event.recorded",
        version=1,
        author="ada",
        streams=(f"event/e{number}", *streams),
        parts=tuple((f"part{i}" if i else "body", f'{{"number":{number},"é":{i}}}'.encode()) for i in range(parts)),
        kind="occurrence",
        status="reported",
        when=(number, None),
    )


def mth(leaves: list[bytes]) -> bytes:
    """MTH of RFC 9162 section 2.1.1, written out once more: no storage, no cleverness."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def append(log: Log, *drafts: Draft) -> list[Record]:
    """Append drafts in one batch."""
    with log.batch() as batch:
        return [batch.seal(each) for each in drafts]


def resealed(record: Record, **changes: Any) -> Record:
    """Give a record with another header, canonically encoded."""
    values = json.loads(record.header_bytes) | changes
    return Record(record.position, encode_header(decode_header(json.dumps(values).encode())), record.parts)


class LogContract:
    """What every log must do."""

    def open(self, folder: Path, clock: Clock) -> Log:
        """Open the log of a folder, making it where there is none."""
        raise NotImplementedError

    @pytest.fixture
    def clock(self):
        seconds = count()
        return lambda: f"2026-01-01T00:{(second := next(seconds)) // 60:02}:{second % 60:02}.000000Z"

    @pytest.fixture
    def log(self, tmp_path, clock):
        log = self.open(tmp_path, clock)
        yield log
        log.close()

    @pytest.fixture
    def other(self, tmp_path, clock):
        (tmp_path / "other").mkdir()
        log = self.open(tmp_path / "other", clock)
        yield log
        log.close()

    # ------------------------------------------------------------------ order

    def test_an_empty_log_has_size_nought_and_the_empty_root(self, log):
        """Nothing has been recorded."""
        assert (0, hashlib.sha256(b"").digest()) == (log.head().size, log.head().root)
        assert list(log.read()) == []

    def test_positions_are_gapless(self, log):
        """Batches of any size continue where the last one ended."""
        for size in (1, 3, 2, 0, 1):
            append(log, *(draft(number) for number in range(size)))

        assert list(range(1, 8)) == [record.position for record in log.read()]
        assert list(range(1, 8)) == [record.header.position for record in log.read()]

    def test_a_record_is_what_was_drafted(self, log):
        """The header repeats the draft; each part opens its commitment."""
        append(log, draft(7, "actor/ada", parts=3))

        record = next(log.read())
        header = record.header
        assert (header.type, header.v, header.author) == ("event.recorded", 1, "ada")
        assert (header.kind, header.status, header.when) == ("occurrence", "reported", (7, None))
        assert [(name, data) for name, data in draft(7, parts=3).parts] == [(p.name, p.data) for p in record.parts]
        assert header.parts == [(part.name, commitment(part.salt, part.data)) for part in record.parts]
        assert record.part() == b'{"number":7,"\xc3\xa9":0}'

    def test_equal_records_have_different_salts_and_ids(self, log):
        """Nothing about the content shows in the header: the same body twice has two commitments."""
        first, second = append(log, draft(), draft())

        assert first.parts[0].data == second.parts[0].data
        assert first.header.parts != second.header.parts
        assert first.header.id != second.header.id

    def test_a_part_that_is_not_there_is_a_key_error(self, log):
        """A record does not invent parts."""
        (record,) = append(log, draft())

        with pytest.raises(KeyError, match="quotes"):
            record.part("quotes")

    # ------------------------------------------------------------------ batches

    def test_a_batch_that_raises_leaves_nothing(self, log):
        """All of it or none of it."""
        append(log, draft(1))
        before = log.head()

        def fail():
            with log.batch() as batch:
                batch.seal(draft(2))
                batch.remember("key", Receipt(b"\x00" * 32, 2, 2))
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail()
        assert before == log.head()
        assert [record.position for record in log.read()] == [1]
        (after,) = append(log, draft(1))
        assert after.header.streams == [("event/e1", 2, 1)]
        with log.batch() as batch:
            assert batch.receipt("key") is None

    def test_a_savepoint_takes_back_records_streams_receipts_and_time(self, log):
        """What was staged since the mark never was."""
        with log.batch() as batch:
            batch.seal(draft(1, "actor/ada"))
            batch.remember("kept", Receipt(b"\x01" * 32, 1, 1))
            mark = batch.savepoint()
            batch.seal(draft(1, "actor/ada", "topic/new"))
            batch.remember("lost", Receipt(b"\x02" * 32, 2, 2))
            batch.rollback(mark)
            second = batch.seal(draft(1, "actor/ada", "topic/new"))
            assert batch.receipt("lost") is None
            assert Receipt(b"\x01" * 32, 1, 1) == batch.receipt("kept")

        assert second.header.streams == [("event/e1", 2, 1), ("actor/ada", 2, 1), ("topic/new", 1, 0)]
        assert [record.position for record in log.read()] == [1, 2]
        assert mth([record.header_bytes for record in log.read()]) == log.head().root

    def test_a_savepoint_can_be_come_back_to_twice(self, log):
        """A mark is not used up, whatever was staged in between."""
        with log.batch() as batch:
            batch.seal(draft(1))
            mark = batch.savepoint()
            for number in (2, 3):
                batch.seal(draft(number))
                batch.remember("key", Receipt(b"\x02" * 32, 2, 2))
                batch.rollback(mark)
                assert batch.receipt("key") is None
            batch.seal(draft(4))

        assert [record.header.streams[0][0] for record in log.read()] == ["event/e1", "event/e4"]
        assert mth([record.header_bytes for record in log.read()]) == log.head().root

    def test_the_subject_is_the_first_stream_in_the_log_and_in_the_batch(self, log):
        """Receipts are answered with it."""
        append(log, draft(1))
        with log.batch() as batch:
            batch.seal(draft(2, "actor/ada"))

            assert [batch.subject(1), batch.subject(2)] == ["event/e1", "event/e2"]

    def test_streams_number_their_records_and_name_the_one_before(self, log):
        """Within a batch, across batches: 1, 2, 3 without a gap, each with the position before."""
        append(log, draft(1, "actor/ada"), draft(2), draft(3, "actor/ada"))
        append(log, draft(4, "actor/ada", "topic/t"))

        found = [(sequence, previous) for record in log.read()
                 for stream, sequence, previous in record.header.streams if stream == "actor/ada"]
        assert found == [(1, 0), (2, 1), (3, 3)]

    # ------------------------------------------------------------------ durability

    def test_what_was_acknowledged_is_there_when_the_log_is_opened_again(self, tmp_path, clock):
        """Records, root, streams and time survive the process."""
        log = self.open(tmp_path, clock)
        append(log, *(draft(number, "actor/ada", parts=2) for number in range(600)))
        head, origin = log.head(), log.origin
        records = [(r.position, r.header_bytes, r.parts) for r in log.read()]
        log.close()

        log = self.open(tmp_path, clock)
        assert (head, origin) == (log.head(), log.origin)
        assert records == [(r.position, r.header_bytes, r.parts) for r in log.read()]
        (after,) = append(log, draft(3, "actor/ada"))
        log.close()
        assert after.header.streams == [("event/e3", 2, 4), ("actor/ada", 601, 600)]

    def test_receipts_are_kept_for_ever(self, tmp_path, clock):
        """A key finds its answer in its batch, in the next one, and after the log was opened again."""
        log = self.open(tmp_path, clock)
        receipt = Receipt(b"\x07" * 32, 1, 2)
        with log.batch() as batch:
            batch.seal(draft(1))
            batch.seal(draft(2))
            batch.remember("key", receipt)
            found = [batch.receipt("key"), batch.receipt("other")]
        with log.batch() as batch:
            found.append(batch.receipt("key"))
        log.close()
        log = self.open(tmp_path, clock)
        with log.batch() as batch:
            found.append(batch.receipt("key"))
        log.close()

        assert [receipt, None, receipt, receipt] == found

    def test_a_receipt_alone_is_kept_too(self, log):
        """A request that changed nothing has an answer as well."""
        append(log, draft(1))
        with log.batch() as batch:
            batch.remember("key", Receipt(b"\x07" * 32, 1, 1))
        with log.batch() as batch:
            assert Receipt(b"\x07" * 32, 1, 1) == batch.receipt("key")

    # ------------------------------------------------------------------ time

    def test_recorded_at_never_goes_backwards(self, tmp_path):
        """Not even when the clock does, and not across opening the log again."""
        times = iter(["2026-01-01T00:00:02.000000Z", "2026-01-01T00:00:01.000000Z", "2025-01-01T00:00:00.000000Z",
                      "2026-01-01T00:00:03.000000Z"])
        log = self.open(tmp_path, lambda: next(times))
        append(log, draft(1))
        append(log, draft(2))
        log.close()
        log = self.open(tmp_path, lambda: next(times))
        append(log, draft(3))
        append(log, draft(4))
        found = [record.header.recorded_at for record in log.read()]
        log.close()

        assert [time[17:19] for time in found] == ["02", "02", "02", "03"]
        assert sorted(found) == found

    def test_a_batch_has_one_time(self, log):
        """Records that enter together were recorded together."""
        records = append(log, draft(1), draft(2), draft(3))

        assert len({record.header.recorded_at for record in records}) == 1

    def test_position_at_gives_the_last_position_of_a_time(self, log):
        """Before anything was recorded it is 0, after everything the head."""
        for size in (2, 1, 3):
            append(log, *(draft(number) for number in range(size)))
        records = list(log.read())

        assert log.position_at("2025-12-31T23:59:59.999999Z") == 0
        for number in range(6):
            time = records[number].header.recorded_at
            assert max(r.position for r in records if r.header.recorded_at <= time) == log.position_at(time)
        assert log.position_at("9999-12-31T23:59:59.999999Z") == 6

    # ------------------------------------------------------------------ the tree

    def test_the_root_is_the_merkle_tree_hash_of_the_headers(self, tmp_path, clock):
        """At every size, also of a tree that is opened again, around the width of a tile."""
        log = self.open(tmp_path, clock)
        headers: list[bytes] = []
        for size in (1, 2, 1, 3, 1, 247, 1, 1, 1, 254, 2):
            headers += [r.header_bytes for r in append(log, *(draft(len(headers) + n) for n in range(size)))]
            assert (len(headers), mth(headers)) == (log.head().size, log.head().root)
            log.close()
            log = self.open(tmp_path, clock)
            assert (len(headers), mth(headers)) == (log.head().size, log.head().root)
        log.close()

    def test_stored_hashes_prove_inclusion_and_consistency(self, log):
        """Proofs at historical sizes are made from leaf hashes and tile roots alone."""
        headers = [r.header_bytes for r in append(log, *(draft(number) for number in range(520)))]

        for index, size in ((0, 1), (0, 520), (255, 256), (256, 513), (519, 520)):
            proof = merkle.inclusion_proof(index, size, log.hashes)
            merkle.verify_inclusion(index, size, merkle.leaf_hash(headers[index]), proof, mth(headers[:size]))
        for old, new in ((1, 520), (255, 257), (256, 512), (300, 519)):
            proof = merkle.consistency_proof(old, new, log.hashes)
            merkle.verify_consistency(old, new, proof, mth(headers[:old]), mth(headers[:new]))

    # ------------------------------------------------------------------ reading

    def test_reading_starts_after_a_position_and_stops_at_a_limit(self, log):
        """Pages of any size add up."""
        append(log, *(draft(number) for number in range(1203)))

        assert [record.position for record in log.read(1202)] == [1203]
        assert list(log.read(1203)) == []
        assert [record.position for record in log.read(500, 2)] == [501, 502]
        assert list(log.read(0, 0)) == []
        assert list(range(1, 1002)) == [record.position for record in log.read(0, 1001)]

    def test_reading_beside_a_writer_is_safe(self, log):
        """A read that has begun goes on while records are appended, without gaps."""
        append(log, *(draft(number) for number in range(700)))
        reading = log.read()
        seen = [next(reading).position for _ in range(3)]
        append(log, *(draft(number) for number in range(700)))
        seen += [record.position for record in reading]

        assert list(range(1, 1401)) == seen

    # ------------------------------------------------------------------ adopting

    def test_an_exported_log_can_be_adopted_and_has_the_same_root(self, log, other):
        """Bytes unchanged: whoever kept a checkpoint of the first log finds it in the second."""
        append(log, *(draft(number % 7, "actor/ada", parts=2) for number in range(300)))
        for start in (0, 150):
            with other.batch() as batch:
                for record in log.read(start, 150):
                    batch.adopt(Record(record.position, record.header_bytes, record.parts))

        assert log.head() == other.head()
        assert [(r.header_bytes, r.parts) for r in log.read()] == [(r.header_bytes, r.parts) for r in other.read()]

    def test_what_is_appended_after_adopting_is_recorded_now(self, log, other):
        """A record of yesterday does not date today's, not even in one batch."""
        yesterday = resealed(append(log, draft(1))[0], recorded_at="2020-01-01T00:00:00.000000Z")
        with other.batch() as batch:
            batch.adopt(yesterday)
            after = batch.seal(draft(2))

        assert yesterday.header.recorded_at[:4] == "2020"
        assert after.header.recorded_at[:4] == "2026"

    @pytest.mark.parametrize(("why", "spoil"), [
        ("expected the record at position 2", lambda r: Record(3, r.header_bytes, r.parts)),
        ("expected the record at position 2", lambda r: resealed(r, position=3)),
        ("not in canonical form", lambda r: Record(2, r.header_bytes.replace(b":", b": ", 1), r.parts)),
        ("not in canonical form", lambda r: Record(2, r.header_bytes[:-1] + b',"v":1}', r.parts)),
        ("cannot be read", lambda r: Record(2, r.header_bytes[:-1], r.parts)),
        ("cannot be read", lambda r: Record(2, r.header_bytes[:-1] + b',"more":1}', r.parts)),
        ("cannot be read", lambda r: Record(2, r.header_bytes.replace(b"ada", b"\xff\xff\xff"), r.parts)),
        ("commitments", lambda r: Record(2, r.header_bytes, (Part("body", r.parts[0].salt, b"{}"),))),
        ("commitments", lambda r: Record(2, r.header_bytes, (Part("body", bytes(16), r.parts[0].data),))),
        ("commitments", lambda r: Record(2, r.header_bytes, ())),
        ("commitments", lambda r: Record(2, r.header_bytes, (*r.parts, Part("more", bytes(16), b"{}")))),
        ("16 bytes", lambda r: Record(2, resealed(r, parts=[["body", commitment(b"salt", b"{}")]]).header_bytes,
                                      (Part("body", b"salt", b"{}"),))),
        ("recorded before", lambda r: resealed(r, recorded_at="2020-01-01T00:00:00.000000Z")),
        ("not written as", lambda r: resealed(r, recorded_at="tomorrow")),
        ("not written as", lambda r: resealed(r, recorded_at="2026-01-01T00:00:09Z")),
        ("out of order in stream event/e1", lambda r: resealed(r, streams=[["event/e1", 1, 0]])),
        ("out of order in stream event/e1", lambda r: resealed(r, streams=[["event/e1", 2, 0]])),
        ("out of order in stream event/e1", lambda r: resealed(r, streams=[["event/e1", 3, 1]])),
        ("out of order in stream event/new", lambda r: resealed(r, streams=[["event/new", 2, 1]])),
        ("no stream", lambda r: resealed(r, streams=[])),
    ])
    def test_adopting_refuses_whatever_is_not_exactly_the_next_record(self, log, other, why, spoil):
        """Each fault has its own sentence, and nothing of the record stays behind."""
        first, second = append(log, draft(1)) + append(log, draft(1, "actor/ada"))
        with other.batch() as batch:
            batch.adopt(first)
            mark = batch.savepoint()
            with pytest.raises(Invalid, match=why):
                batch.adopt(spoil(second))
            batch.rollback(mark)
            batch.adopt(second)

        assert log.head() == other.head()
