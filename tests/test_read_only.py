"""Reading a log where nothing can be written: a read-only medium, or a folder that this user may not write."""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from functools import cache

import pytest
from click.testing import CliRunner

from timeline import ReadOnlyTimeline, Timeline
from timeline.cli import cli
from timeline.connections import may_write, open_reader
from timeline.views.store import views_path

MOUNT = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
"""The folder becomes read-only in a mount namespace of the command's own: this holds for root too."""


@cache
def can_mount():
    done = subprocess.run(["unshare", "--mount", "sh", "-c", MOUNT, "/var", "true"], capture_output=True, check=False)
    return done.returncode == 0


@pytest.fixture
def shelf(tmp_path):
    """A folder with a log and its views, closed as usual."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    with Timeline(folder / "timeline.db") as timeline:
        timeline.describe_actor(id="ada", kind="person", name="Ada Lovelace")
        timeline.record(id="note-g", title="Note G", when="1843-08", actors=[{"id": "ada", "role": "author"}])
        timeline.revise("note-g", {"when": "1843-09"}, reason="the journal came late")
    return folder


@pytest.fixture
def sealed(shelf, tmp_path):
    """Run something while nothing can be written to the shelf; `start` gives the process."""
    rooted = hasattr(os, "geteuid") and os.geteuid() == 0
    if rooted and not (shutil.which("unshare") and can_mount()):
        pytest.skip("root may write everywhere, and cannot make a read-only mount here")
    scratch = tmp_path / "scratch"
    scratch.mkdir()

    def start(*command):
        around = ["unshare", "--mount", "sh", "-c", MOUNT, str(shelf)] if rooted else []
        if not rooted:
            shelf.chmod(0o555)
        return subprocess.Popen([*around, *map(str, command)], cwd=scratch, text=True, stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                env={**os.environ, "TMPDIR": str(scratch)})

    yield start
    shelf.chmod(0o755)
    left = [path.name for path in scratch.iterdir() if path.name.startswith("timeline-")]
    assert not left  # views that were built for a command go with it


@pytest.fixture
def run(shelf, sealed):
    """Run `timeline` on the sealed shelf and give its output."""
    def call(*arguments, code=0, log=None):
        process = sealed(sys.executable, "-m", "timeline.cli", "--db", log or shelf / "timeline.db", *arguments)
        out, told = process.communicate()
        assert process.returncode == code, told
        assert "Traceback" not in told
        return out, told
    return call


def without_views(views):
    views.unlink()


def with_old_views(views):
    """Put views in the place that know less than the log."""
    with closing(sqlite3.connect(views)) as connection:
        connection.executescript("UPDATE state SET position = 1; PRAGMA wal_checkpoint(TRUNCATE)")


def with_views_of_another(views):
    with closing(sqlite3.connect(views)) as connection:
        connection.executescript("UPDATE state SET origin = 'other.example/log'; PRAGMA wal_checkpoint(TRUNCATE)")
        connection.commit()


def with_torn_views(views):
    views.write_bytes(views.read_bytes()[:4000])


def with_views_and_a_wal(views):
    """Leave views behind as somebody does who is killed: their last pages only in the WAL."""
    views.with_name(views.name + "-wal").write_bytes(b"\0" * 4000)


def elsewhere(folder, *command):
    """Run `timeline` on a copy of the shelf that may be written."""
    return subprocess.run([sys.executable, "-m", "timeline.cli", "--db", folder / "timeline.db", *command],
                          capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("command", [
    ("show",), ("export",), ("export", "-f", "log"), ("verify",), ("history", "note-g"), ("changes", "--since", "2"),
    ("proof", "inclusion", "2"), ("checkpoint",)], ids=" ".join)
def test_every_command_that_reads_says_what_it_says_elsewhere(shelf, run, tmp_path, command):
    copy = shutil.copytree(shelf, tmp_path / "copy")
    before = sorted(path.name for path in shelf.iterdir())
    assert run(*command)[0] == elsewhere(copy, *command)
    assert sorted(path.name for path in shelf.iterdir()) == before


@pytest.mark.parametrize("spoil", [without_views, with_old_views, with_views_of_another, with_torn_views,
                                   with_views_and_a_wal])
def test_views_that_are_not_there_or_not_good_are_built_for_the_command(shelf, run, tmp_path, spoil):
    copy = shutil.copytree(shelf, tmp_path / "copy")
    spoil(views_path(shelf / "timeline.db"))
    assert run("show", "--json", "--actor", "ada")[0] == elsewhere(copy, "show", "--json", "--actor", "ada")


def test_a_wal_with_records_in_it_is_not_left_out_in_silence(shelf, run, tmp_path):
    path = shelf / "timeline.db"
    with Timeline(path) as timeline:
        timeline.record(id="letter", title="A letter", when="1843-10")
        for suffix in ("", "-wal"):
            shutil.copy(f"{path}{suffix}", f"{tmp_path / 'torn.db'}{suffix}")
    for suffix in ("", "-wal"):
        shutil.copy(f"{tmp_path / 'torn.db'}{suffix}", f"{path}{suffix}")
    for command in (("show",), ("verify",), ("export", "-f", "log")):
        told = run(*command, code=4)[1]
        assert "timeline.db-wal beside it holds what is not in it yet" in told
        assert "copy both to a folder of your own" in told
    assert "A letter" in subprocess.run(  # and so it is
        [sys.executable, "-m", "timeline.cli", "--db", tmp_path / "torn.db", "show"], capture_output=True, text=True,
        check=True).stdout


def test_what_a_writer_elsewhere_has_in_its_wal_is_read(shelf, run):
    with Timeline(shelf / "timeline.db") as timeline:
        timeline.record(id="letter", title="A letter", when="1843-10")
        assert "A letter" in run("show")[0]
        assert "4 records" in run("verify")[0]


@pytest.mark.parametrize("command", [("rebuild",), ("import", "-"),
                                     ("erase", "note-g", "--part", "body", "--reason", "asked to", "--yes")])
def test_what_writes_says_that_it_cannot(run, command):
    told = run(*command, code=5 if os.geteuid() == 0 else 1)[1]  # not root: a folder, and no medium
    assert "is on a read-only medium: it can be read there, not written" in told or "no permission for" in told
    assert told.count("\n") == 1


def test_an_empty_wal_is_none(shelf, run):
    (shelf / "timeline.db-wal").touch()
    assert "Note G" in run("show")[0]


def test_a_file_that_is_written_after_all_is_not_vouched_for(shelf, sealed):
    script = """if 1:
        import sys
        from timeline.errors import Busy
        from timeline.log.reading import LogFile
        log = LogFile(sys.argv[1])
        print(log.size(), flush=True)
        sys.stdin.readline()
        try:
            log.close()
        except Busy as error:
            print(error)
    """
    process = sealed(sys.executable, "-c", script, shelf / "timeline.db")
    assert process.stdout.readline() == "3\n"
    shelf.chmod(0o755)
    with Timeline(shelf / "timeline.db") as timeline:
        timeline.record(id="letter", title="A letter", when="1843-10")
    out, told = process.communicate("\n")
    assert out == "timeline.db was written while it was read as a file that nobody writes: run this again\n", told


def test_evidence_of_a_fork_is_written_here_where_the_log_cannot_have_it(shelf, run, tmp_path):
    other = tmp_path / "other.db"
    with ReadOnlyTimeline(shelf / "timeline.db") as timeline:
        origin = timeline.origin
    with Timeline(other, origin=origin) as timeline:
        timeline.record(id="rival", title="Another history", when="1843")
        kept = timeline.checkpoint_text()
    told = run("verify", "--against", kept, code=7)[1]
    assert "the evidence is in fork-" in told
    assert list((tmp_path / "scratch").glob("fork-*.txt"))


def test_the_whole_shelf_can_be_followed_by_a_link(shelf, run, tmp_path):
    (tmp_path / "link.db").symlink_to(shelf / "timeline.db")
    assert "Note G" in run("show", log=tmp_path / "link.db")[0]


def test_who_may_write_is_asked_of_the_folder_too(tmp_path, monkeypatch):
    path = tmp_path / "timeline.db"
    assert may_write(path)  # it may be made
    path.touch()
    assert may_write(path)
    monkeypatch.setattr("os.access", lambda place, _: place != tmp_path)
    assert not may_write(path)
    monkeypatch.setattr("os.access", lambda place, _: place != path)
    assert not may_write(path)


def test_what_may_not_be_read_is_no_missing_file(shelf, monkeypatch):
    monkeypatch.setattr("os.access", lambda *_: False)

    def refuse(*_, **__):
        raise sqlite3.OperationalError("unable to open database file")

    monkeypatch.setattr("sqlite3.connect", refuse)
    with pytest.raises(PermissionError):
        open_reader(shelf / "timeline.db")


def test_a_large_log_whose_views_are_built_each_time_says_what_is_quicker(shelf, monkeypatch):
    monkeypatch.setattr("timeline.connections.may_write", lambda _: False)
    monkeypatch.setattr("timeline.views.elsewhere.may_write", lambda _: False)
    monkeypatch.setattr("timeline.cli.opening.LARGE", 3)
    command = ["--db", str(shelf / "timeline.db"), "show"]
    assert "note:" not in CliRunner().invoke(cli, command).output  # its views are there
    views_path(shelf / "timeline.db").unlink()
    done = CliRunner().invoke(cli, command)
    assert "Note G" in done.stdout
    assert "nothing can be kept beside timeline.db" in done.stderr
    monkeypatch.setattr("timeline.cli.opening.LARGE", 4)
    assert "note:" not in CliRunner().invoke(cli, command).output
