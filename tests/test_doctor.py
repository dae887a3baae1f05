"""What `timeline doctor` says of each thing that can be wrong, and that what it advises helps."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from timeline import Timeline
from timeline.cli import checks, cli
from timeline.connections import WriterLock
from timeline.views.store import VERSION, views_path


@pytest.fixture
def log(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("TIMELINE_DB", "TIMELINE_URL", "TIMELINE_TOKEN", "TIMELINE_KEY"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "timeline.db"
    with Timeline(path) as timeline:
        for number in range(12):
            timeline.record(id=f"event-{number}", title=f"Event {number}", when="2025-08", summary="words " * 200)
    return path


def timeline(*arguments, code=0):
    done = CliRunner().invoke(cli, [str(each) for each in arguments])
    assert done.exit_code == code, done.output
    return done


def examined(path, *arguments, code=None):
    """Give what is not in order: name -> (state, detail). The exit code says whether something fails."""
    done = CliRunner().invoke(cli, [*map(str, arguments), "--db", str(path), "doctor", "--json"])
    found = json.loads(done.stdout)
    assert done.exit_code == (1 if any(each["state"] == "fail" for each in found) else 0)
    assert code in (None, done.exit_code)
    return {each["name"]: (each["state"], each["detail"]) for each in found if each["state"] != "ok"}


def all_of(path):
    found = json.loads(CliRunner().invoke(cli, ["--db", str(path), "doctor", "--json"]).stdout)
    return {each["name"]: each["detail"] for each in found}


def edit(path, *statements):
    """Change a file behind the program's back; it ends without a WAL."""
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def test_where_all_is_well_nothing_is_said_and_nothing_changes(log):
    before = {each: each.read_bytes() for each in log.parent.iterdir()}
    assert examined(log, code=0) == {}
    assert {each: each.read_bytes() for each in before} == before


def test_no_lock_is_made_by_looking(log):
    lock = log.with_name("timeline.db.lock")
    lock.unlink()
    assert all_of(log)["writer"] == "nobody is writing"
    assert not lock.exists()


# ---------------------------------------------------------------------------------------------- the log

@pytest.mark.parametrize(("size", "said"), [
    (0, "the file is empty"), (60, "is not a timeline log"), (4096, "the file was cut short: it has 4,096 bytes of "),
    (30_000, "the file was cut short: it has 30,000 bytes of "),
])
def test_a_file_that_was_cut(log, size, said):
    backup = log.parent / "backup"
    timeline("--db", log, "backup", backup)
    os.truncate(log, size)
    state, detail = examined(log, code=1)["log"]
    assert state == "fail"
    assert said in detail
    assert "keep a copy of it and of what is beside it as they are, then restore a backup" in detail
    timeline("restore", backup, "--db", log.parent / "again.db")
    assert examined(log.parent / "again.db", code=0) == {}


def test_another_file(log):
    (log.parent / "letter.txt").write_text("Dear all, " * 50)
    state, detail = examined(log.parent / "letter.txt", code=1)["log"]
    assert (state, "choose another --db" in detail) == ("fail", True)
    other = log.parent / "other.db"
    edit(other, "CREATE TABLE t (a)")
    assert "not a timeline log: choose another --db" in examined(other, code=1)["log"][1]


def test_a_log_of_a_newer_program(log):
    edit(log, "PRAGMA user_version = 9")
    state, detail = examined(log, code=1)["log"]
    assert state == "fail"
    assert "written by a newer program (format 9; this one reads format 2): use that program, or upgrade this" in detail


def test_a_record_that_was_altered_and_how_the_rest_is_saved(log):
    edit(log, "DROP TRIGGER IF EXISTS part_no_update")
    with closing(sqlite3.connect(log)) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f'DROP TRIGGER "{name}"')
        connection.execute("UPDATE part SET bytes = replace(bytes, 'Event 7', 'Evemt 7') WHERE position = 8")
        connection.commit()
    state, detail = examined(log, code=1)["hashes"]
    assert state == "fail"
    assert detail.startswith("position 8: ")
    command = detail.partition("without a backup, `timeline ")[2].partition("`")[0]
    assert command == "restore timeline.db --db saved.db --at 7"
    timeline(*command.split())
    assert examined(log.parent / "saved.db", code=0) == {}
    assert json.loads(timeline("--db", "saved.db", "verify", "--json").stdout)["size"] == 7


def test_pages_that_sqlite_cannot_read(log):
    with log.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 8192)
    found = examined(log, code=1)
    assert any("restore a backup" in detail for _, detail in found.values())


def test_a_log_that_is_gone_while_its_views_are_there(log):
    log.unlink()
    state, detail = examined(log, code=1)["log"]
    assert state == "fail"
    assert detail.startswith("timeline.db is gone, and files that belong to it are still there")
    assert "`timeline restore BACKUP --db timeline.db`" in detail


def test_a_log_that_never_was(tmp_path):
    state, detail = examined(tmp_path / "new.db", code=0)["log"]
    assert (state, "`timeline import FILE` makes one" in detail) == ("warn", True)
    assert examined(tmp_path / "none" / "new.db", code=1)["disk"][0] == "fail"


def test_a_wal_that_a_crash_left(log):
    with Timeline(log) as other:
        other.record(id="late", title="Late", when="2025-09")
        for suffix in ("", "-wal"):
            shutil.copy(f"{log}{suffix}", f"{log.parent / 'torn.db'}{suffix}")
    torn = log.parent / "torn.db"
    said = all_of(torn)["WAL"]
    assert said.startswith("torn.db-wal holds the newest records, as after a crash")
    assert "never move one without the other" in said
    timeline("--db", torn, "show")
    assert "WAL" not in all_of(torn)


def test_a_wal_that_somebody_keeps_from_being_emptied(log, monkeypatch):
    monkeypatch.setattr(checks, "LONG_WAL", 100)
    with Timeline(log) as other:
        other.record(id="late", title="Late", when="2025-09")
        state, detail = examined(log, code=0)["WAL"]
    assert state == "warn"
    assert "end old readers" in detail


# ---------------------------------------------------------------------------------------------- the views

def test_views_that_are_gone_or_behind_are_mended_by_the_next_command(log):
    views = views_path(log)
    views.unlink()
    assert examined(log, code=0)["views"] == ("warn", "not there: the next command builds them; nothing is lost")
    timeline("--db", log, "show")
    assert examined(log, code=0) == {}
    copy = shutil.copy(views, log.parent / "kept")
    with Timeline(log) as other:
        other.record(id="late", title="Late", when="2025-09")
    shutil.copy(copy, views)
    state, detail = examined(log, code=0)["views"]
    assert (state, "1 records behind" in detail) == ("warn", True)
    timeline("--db", log, "show")
    assert examined(log, code=0) == {}


@pytest.mark.parametrize("content", [b"x" * 5000, None])
def test_views_that_cannot_be_read_are_rebuilt(log, content):
    views = views_path(log)
    views.write_bytes(views.read_bytes()[:5000] if content is None else content)
    state, detail = examined(log, code=1)["views"]
    assert (state, "run `timeline rebuild` (nothing is lost)" in detail) == ("fail", True)
    timeline("--db", log, "rebuild")
    assert examined(log, code=0) == {}


def test_views_of_another_log(log):
    with Timeline(log.parent / "other.db") as other:
        other.record(id="x", title="X")
    shutil.copy(views_path(log.parent / "other.db"), views_path(log))
    state, detail = examined(log, code=0)["views"]
    assert (state, "belongs to another log: the next command builds it anew" in detail) == ("warn", True)
    timeline("--db", log, "show")
    assert examined(log, code=0) == {}


def test_an_older_log_under_newer_views_is_looked_at_before_anything_hides_it(log):
    older = log.read_bytes()
    with Timeline(log) as other:
        other.record(id="late", title="Late", when="2025-09")
    log.write_bytes(older)
    state, detail = examined(log, code=1)["views"]
    assert state == "fail"
    assert "it has seen 13 records and the log has 12. An older file was put in the log's place" in detail
    assert "write nothing" in detail
    timeline("--db", log, "rebuild")
    assert examined(log, code=0) == {}


def test_views_of_a_history_that_was_replaced(log):
    older = log.read_bytes()
    with Timeline(log) as other:
        other.record(id="late", title="Late", when="2025-09")
    views = views_path(log).read_bytes()
    log.write_bytes(older)
    with Timeline(log) as other:
        other.record(id="rival", title="Rival", when="2025-09")
    views_path(log).write_bytes(views)
    state, detail = examined(log, code=1)["views"]
    assert state == "fail"
    assert "record 13 is not the one it saw" in detail


def test_views_of_other_versions_and_what_an_erasure_left(log):
    old = log.with_name(f"timeline.views-v{VERSION - 1}.db")
    old.touch()
    (log.parent / "timeline.db.erasing").touch()
    found = examined(log, code=0)
    assert old.name in found["old views"][1]
    assert "an erasure is not finished" in found["erasure"][1]
    timeline("--db", log, "show")
    assert "erasure" not in examined(log, code=0)


# ---------------------------------------------------------------------------------------------- who writes, and who may

def test_who_writes_is_named_with_the_way_through(log):
    script = ("import sys; from timeline import Timeline\n"
              "with Timeline(sys.argv[1]) as t: t.announce('http://127.0.0.1:8000'); print('open', flush=True); "
              "sys.stdin.read()")
    with subprocess.Popen([sys.executable, "-c", script, log], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"open\n"
        said = all_of(log)["writer"]
        other.stdin.close()
    assert said == ("timeline.db is being written by the server at http://127.0.0.1:8000: go through it with --url "
                    "http://127.0.0.1:8000")


def test_looking_does_not_take_the_note_of_who_writes_away(log):
    lock = log.with_name("timeline.db.lock")
    held = WriterLock(lock, {"url": "http://here"})
    before = lock.read_bytes()
    assert "http://here" in WriterLock.holder_of(lock).detail
    assert lock.read_bytes() == before
    held.release()
    assert WriterLock.holder_of(lock) is None


def test_a_lock_that_nobody_holds_is_no_writer(log):
    log.with_name("timeline.db.lock").write_text('{"pid": 1}')
    assert all_of(log)["writer"] == "nobody is writing"


def denied(monkeypatch, refused):
    """Let `os.access` refuse: root may do everything."""
    monkeypatch.setattr(os, "access", lambda place, how: not refused(os.fspath(place), how))


def test_a_log_that_may_not_be_read(log, monkeypatch):
    denied(monkeypatch, lambda place, _: place == str(log))
    found = {each.name: each for each in checks.examine(log)}
    _, state, detail = found["permissions"]
    assert state == "fail"
    assert "may not read timeline.db, which belongs to " in detail
    assert ": run this as " in detail


def test_a_folder_that_may_not_be_written(log, monkeypatch):
    denied(monkeypatch, lambda place, how: place == str(log.parent) and how & os.W_OK)
    found = examined(log, code=0)
    assert found["permissions"][0] == "warn"
    assert "everything can be read, nothing recorded; to write, run this as " in found["permissions"][1]


def test_a_file_beside_that_belongs_to_somebody_else(log, monkeypatch):
    denied(monkeypatch, lambda place, _: place.endswith(".lock"))
    state, detail = examined(log, code=1)["permissions"]
    assert state == "fail"
    assert "may not write timeline.db.lock" in detail
    assert "`chown " in detail


def test_a_key_that_others_may_read(log):
    key = log.with_name("timeline.key")
    key.write_text("secret")
    key.chmod(0o644)
    assert "`chmod 600 timeline.key`" in examined(log, code=0)["key"][1]
    key.chmod(0o600)
    assert examined(log, code=0) == {}
    assert "there is no file" in examined(log, "--key", log.with_name("gone.key"), code=1)["key"][1]


# ---------------------------------------------------------------------------------------------- the machine

@pytest.mark.parametrize(("free", "state", "said"), [
    (0, "fail", "the disk is full (0.0 MB free): appends fail, and nothing that was acknowledged is lost; make room"),
    (50 * 2**20, "warn", "too little to rebuild the views, to erase or to back up in safety; make room"),
])
def test_a_disk_that_is_full_or_nearly(log, monkeypatch, free, state, said):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(total=2**30, used=2**30 - free, free=free))
    found = examined(log)["disk"]
    assert found[0] == state
    assert said in found[1]


def test_a_disk_without_inodes(log, monkeypatch):
    found = os.statvfs(log)
    full = os.statvfs_result([*found[:7], 0, *found[8:]])
    monkeypatch.setattr(os, "statvfs", lambda _: full)
    if found.f_files:
        assert "no inodes are left" in examined(log, code=1)["disk"][1]


@pytest.mark.parametrize(("seconds", "said"), [(7_200.5, "2 hours behind"), (600, "10 minutes behind"),
                                               (864_000, "10 days behind"), (30, "30 seconds behind")])
def test_a_clock_behind_the_log(log, monkeypatch, seconds, said):
    from datetime import datetime, timedelta

    from timeline.log import timestamp

    with closing(sqlite3.connect(log)) as connection:
        newest = connection.execute("SELECT max(recorded_at) FROM record").fetchone()[0]
    early = datetime.fromisoformat(newest) - timedelta(seconds=seconds)
    monkeypatch.setattr("timeline.log.timestamp", lambda: timestamp(early))
    state, detail = examined(log, code=0)["clock"]
    assert state == "warn"
    assert said in detail
    assert "set the clock (NTP) before more is written" in detail
