"""Sudden death, lost files, a full disk, a second writer: what was acknowledged is there, and nothing is torn."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from hashlib import sha256
from pathlib import Path

import pytest
import tampering
from tampering import ORIGIN

from timeline import merkle
from timeline.chronicle import Timeline, verify_file
from timeline.connections import open_reader
from timeline.errors import Busy, Corrupt
from timeline.following import against
from timeline.log.reading import read_records, stored_hashes
from timeline.log.sqlite import SqliteLog, _authorize

HERE = Path(__file__).parent
KILLS = 32

NURSERY = """
import os, sys
sys.path.insert(0, sys.argv[2])
import test_tamper_crashes as children

for line in sys.stdin:
    if (pid := os.fork()) == 0:
        work, number = line.split()
        getattr(children, work)(sys.argv[1], int(number), lambda *words: os.write(1, f"{' '.join(words)}\\n".encode()))
    os.write(1, f"pid {pid}\\n".encode())
    os.waitpid(pid, 0)
    os.write(1, b"dead\\n")
"""
"""Imports once, and makes a child for each line: to be killed, not to be waited for."""


def requests(round_, number):
    """Give the changes of a request, one to five of them, and its key."""
    ids = [f"r{round_}-{number}-{item}" for item in range(number % 5 + 1)]
    return [{"type": "event.recorded", "event": {"id": id_, "title": f"Event {id_}", "when": "2025-08",
                                                 "note": "long enough for a page of its own " * (number % 7 * 10)}}
            for id_ in ids], f"key-{round_}-{number}"


def append_for_ever(path, round_, say):
    """Append one request after the other, and say which positions were acknowledged."""
    with Timeline.open(path) as timeline:
        number = 0
        while True:
            changes, key = requests(round_, number)
            answers = timeline.append(changes, key=key)
            say("ok", str(number), *(str(answer.position) for answer in answers))
            number += 1


def secret(round_, number):
    """Give words nobody would write by chance."""
    return sha256(f"{round_} {number}".encode()).hexdigest()


def erase_for_ever(path, round_, say):
    """Record something, erase it, purge the file, and say so."""
    log = SqliteLog(path)
    number = 0
    while True:
        tampering.fill(log, log.size + 1)
        event = log.header(log.size).streams[0][0].removeprefix("event/")
        tampering.fill_with(log, event, secret(round_, number))
        tampering.erase(log, "event", event, "body", log.size)
        say("ok", str(number), str(log.size))
        number += 1


def make_for_ever(path, round_, say):
    """Make one log after the other."""
    number = 0
    while True:
        SqliteLog(f"{path}-{round_}-{number}", origin=ORIGIN).close()
        say("ok", str(number))
        number += 1


@pytest.fixture
def nursery(tmp_path):
    """Start what makes children, and end it with the test."""
    command = [sys.executable, "-c", NURSERY, str(tmp_path / "timeline.db"), str(HERE)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.stdin.close()


def killed(nursery, work, round_, chance, *, least=0):
    """Let a child work for some acknowledgements and some milliseconds, kill it, and give what it acknowledged."""
    nursery.stdin.write(f"{work} {round_}\n")
    nursery.stdin.flush()
    pid, acknowledged, enough = 0, [], least + chance.randrange(12)
    for line in nursery.stdout:
        word, *rest = line.split()
        if word == "pid":
            pid = int(rest[0])
        elif word == "ok":
            acknowledged.append([int(each) for each in rest])
        else:
            break
        if pid and len(acknowledged) >= enough:
            time.sleep(chance.random() / 125)
            with suppress(ProcessLookupError):  # it died of itself, which shows in what it acknowledged
                os.kill(pid, signal.SIGKILL)
            enough = sys.maxsize
    return acknowledged


# ---------------------------------------------------------------------------------------------- SIGKILL

@pytest.mark.slow
def test_whoever_is_killed_while_appending_leaves_a_sound_log_with_all_that_was_acknowledged(nursery, tmp_path):
    """Killed over and over: no gap, whole requests, and a request sent again is answered as before."""
    path, chance = tmp_path / "timeline.db", random.Random(11)
    Timeline(path).close()
    expected = {}
    for round_ in range(KILLS):
        acknowledged = killed(nursery, "append_for_ever", round_, chance)
        assert verify_file(path).sound
        with Timeline.open(path) as timeline:
            streams = {record.position: record.header.streams[0][0] for record in timeline.records()}
            assert list(range(1, timeline.head().size + 1)) == list(streams)
            for number, *positions in acknowledged:
                changes, key = requests(round_, number)
                again = timeline.append(changes, key=key)
                assert positions == [answer.position for answer in again]
                assert not any(answer.new for answer in again)
                expected |= {at: f"event/{one['event']['id']}" for at, one in zip(positions, changes, strict=True)}
            assert expected.items() <= streams.items()
            changes, key = requests(round_, len(acknowledged))  # in the log whole, or not at all
            there = [f"event/{one['event']['id']}" in streams.values() for one in changes]
            assert len(set(there)) == 1
            answers = timeline.append(changes, key=key)
            assert [not each for each in there] == [answer.new for answer in answers]
            assert timeline.verify().sound
    assert len(expected) > KILLS


@pytest.mark.slow
def test_whoever_is_killed_while_erasing_leaves_a_sound_log_and_a_note_that_says_what_is_left_to_do(nursery, tmp_path):
    """What was said to be erased is in no file; what was not may be, and then the note is there."""
    path, chance = tmp_path / "timeline.db", random.Random(12)
    SqliteLog(path).close()
    erased = 0
    for round_ in range(KILLS // 2):
        acknowledged = killed(nursery, "erase_for_ever", round_, chance)
        files = b"".join(each.read_bytes() for each in tmp_path.iterdir())
        assert not any(secret(round_, number).encode() in files for number, _ in acknowledged)
        report = verify_file(path)
        assert report.sound
        with closing(SqliteLog(path)) as log:
            types = [record.header.type for record in read_records(log.reader(), 0, None)]
            assert types.count("part.erased") == report.erased
            started = report.erased - erased - len(acknowledged)
            assert started in {0, 1}
            if started and log.unpurged:  # else it was done with, and killed before it could say so
                assert log.rewrite()
                assert log.cut(5)
                log.purged()
        erased = report.erased
        if started:
            files = b"".join(each.read_bytes() for each in tmp_path.iterdir())
            assert secret(round_, len(acknowledged)).encode() not in files
    assert erased > KILLS // 2


def test_whoever_is_killed_while_making_a_log_leaves_one_or_none(nursery, tmp_path):
    """A file without tables is made a log by the next who opens it; one with tables has all of them and its name."""
    chance = random.Random(13)
    for round_ in range(8):
        acknowledged = killed(nursery, "make_for_ever", round_, chance)
        for number in range(len(acknowledged) + 1):
            path = tmp_path / f"timeline.db-{round_}-{number}"
            with closing(SqliteLog(path, origin=ORIGIN)) as log:
                tampering.fill(log, 3)
            assert verify_file(path).head.size == 3
            assert verify_file(path).sound


# ---------------------------------------------------------------------------------------------- the WAL

def root_at(path, size):
    connection = open_reader(path)
    try:
        return merkle.root_at(size, lambda level, start, stop: stored_hashes(connection, level, start, stop))
    finally:
        connection.close()


def without_wal(path, name):
    """Copy the file, and neither its WAL nor its shared memory."""
    return shutil.copy(path, path.with_name(name))


def test_a_log_that_was_closed_is_in_its_one_file(tmp_path):
    path = tmp_path / "timeline.db"
    with closing(SqliteLog(path)) as log:
        tampering.fill(log, 40)
        head = log.head()

    assert not path.with_name("timeline.db-wal").exists()
    assert head == verify_file(without_wal(path, "copy.db")).head
    assert verify_file(path).sound


def test_a_wal_deleted_after_a_kill_loses_what_was_in_it_and_only_a_kept_checkpoint_shows_it(nursery, tmp_path):
    """Acknowledged records are lost with the WAL, and nothing in the file says so: it is an older file."""
    path = tmp_path / "timeline.db"
    with closing(SqliteLog(path, origin=ORIGIN)) as log:
        tampering.fill(log, 40)
    Timeline(path).close()
    acknowledged = killed(nursery, "append_for_ever", 0, random.Random(14), least=1)
    last = acknowledged[-1][-1]
    lost = without_wal(path, "lost.db")
    whole, report = verify_file(path), verify_file(lost)

    assert whole.sound
    assert whole.head.size >= last
    assert report.sound
    assert report.head.size == 40
    assert report.head.root == root_at(path, 40)
    note = tampering.signed(last, root_at(path, last))
    assert against(note, whole.head.size, lambda size: root_at(path, size), ORIGIN, tampering.VKEY)
    with pytest.raises(Corrupt, match="the log was cut short"):
        against(note, report.head.size, lambda size: root_at(lost, size), ORIGIN, tampering.VKEY)


def test_the_index_of_the_wal_can_be_deleted_after_a_kill(nursery, tmp_path):
    """It is made anew from the WAL: nothing is lost."""
    path = tmp_path / "timeline.db"
    Timeline(path).close()
    acknowledged = killed(nursery, "append_for_ever", 0, random.Random(14), least=1)
    path.with_name("timeline.db-shm").unlink()

    with Timeline.open(path) as timeline:
        assert timeline.head().size >= acknowledged[-1][-1]
        assert timeline.verify().sound


# ---------------------------------------------------------------------------------------------- a full disk

def pages(log, count):
    """Let the file have so many pages and no more: SQLite then says what it says of a full disk."""
    log._connection.set_authorizer(None)
    found = log._connection.execute(f"PRAGMA max_page_count = {count}").fetchone()[0]
    log._connection.set_authorizer(_authorize)
    return found


def test_an_append_to_a_full_disk_fails_whole_and_can_be_sent_again(tmp_path):
    with Timeline(tmp_path / "timeline.db") as timeline:
        pages(timeline._log, timeline._log.reader().execute("PRAGMA page_count").fetchone()[0] + 4)
        answers, refused = [], None
        for number in range(100):
            changes, key = requests(0, number)
            try:
                answers += timeline.append(changes, key=key)
            except (sqlite3.OperationalError, Busy) as error:
                refused = error
                break
        assert "full" in str(refused)
        assert len(answers) == timeline.head().size == len(list(timeline.records()))
        assert timeline.verify().sound
        assert len(list(timeline.events(limit=100))) == len(answers)
        pages(timeline._log, 2**30)
        again = timeline.append(changes, key=key)

        assert all(answer.new for answer in again)
        assert [answers[-1].position + 1] == [again[0].position]
        assert timeline.verify().sound


LIMITED = """
import resource, sqlite3, sys
sys.path.insert(0, sys.argv[2])
import tampering
from timeline.log.sqlite import SqliteLog
from timeline.log.verify import verify

log = SqliteLog(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
try:
    while True:
        tampering.fill(log, log.size + 5)
except sqlite3.OperationalError as error:
    print(error, log.size, verify(log.reader()).sound, len(list(log.read())))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
tampering.fill(log, log.size + 5)
print("went on", log.size, verify(log.reader()).sound)
log.close()
"""


def test_a_write_that_the_system_refuses_tears_nothing(tmp_path):
    """Files may not grow beyond a limit: the WAL is refused its next page, in the middle of a commit."""
    path = tmp_path / "timeline.db"
    command = [sys.executable, "-c", LIMITED, str(path), str(HERE)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    error, went_on = result.stdout.splitlines()
    size = int(went_on.split()[2]) - 5

    assert size > 0
    assert error == f"disk I/O error {size} True {size}"
    assert went_on == f"went on {size + 5} True"
    assert verify_file(path).sound
    assert verify_file(path).head.size == size + 5


# ---------------------------------------------------------------------------------------------- two writers

def test_a_second_writer_is_busy_until_the_first_is_dead(nursery, tmp_path):
    """The right to write dies with its process, however that died."""
    path = tmp_path / "timeline.db"
    nursery.stdin.write("append_for_ever 0\n")
    nursery.stdin.flush()
    pid, acknowledged = 0, 0
    while not (pid and acknowledged):
        word, *rest = nursery.stdout.readline().split()
        pid, acknowledged = (int(rest[0]), acknowledged) if word == "pid" else (pid, acknowledged + 1)
    for opened in (SqliteLog, Timeline):
        with pytest.raises(Busy, match=f"timeline.db is being written by process {pid}: wait until it has finished"):
            opened(path)
    os.kill(pid, signal.SIGKILL)
    while nursery.stdout.readline() != "dead\n":
        pass

    with Timeline(path) as timeline:
        assert timeline.head().size >= acknowledged
        assert timeline.verify().sound
