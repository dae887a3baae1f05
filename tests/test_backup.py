"""Backups are good because they were restored; what was killed, cut, bent or had no room leaves nothing behind."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing, suppress
from pathlib import Path

import pytest
import tampering
import test_golden
from click.testing import CliRunner
from test_log_erasing import old  # noqa: F401 - a fixture

from timeline import Timeline, merkle, parse_query
from timeline.backup import LOG, MANIFEST, TOKENS, back_up, restore
from timeline.backup.unfinished import unfinished
from timeline.chronicle import verify_file
from timeline.cli import cli
from timeline.connections import open_reader
from timeline.errors import Busy, Conflict, Corrupt, NotFound
from timeline.log.files import format_of
from timeline.log.sqlite import LogFile
from timeline.snapshots import freeze
from timeline.tokens import Tokens, tokens_path

HERE = Path(__file__).parent


@pytest.fixture
def path(tmp_path):
    return tmp_path / "timeline.db"


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    """The seeds, with the clock and the randomness of the golden digests."""
    folder = tmp_path_factory.mktemp("seeds")
    test_golden.made(folder)
    return folder / "seeds.db"


@pytest.fixture(scope="module")
def saved(seeds):
    back_up(seeds, seeds.with_name("saved"))
    return seeds.with_name("saved")


@pytest.fixture(scope="module")
def bent(tmp_path_factory):
    """The log of every sort of row: erasures, receipts, kept checkpoints, a fact."""
    return tampering.make(tmp_path_factory.mktemp("bent")).path


@pytest.fixture
def copied(saved, tmp_path):
    """A copy of the backup, to be spoiled."""
    shutil.copytree(saved, tmp_path / "copied")
    return tmp_path / "copied"


@pytest.fixture
def run():
    def call(*arguments, code=0):
        result = CliRunner().invoke(cli, [str(each) for each in arguments])
        assert result.exit_code == code, result.output
        assert "Traceback" not in result.output
        return result

    return call


def roots(path):
    """Derive the root of every size from the headers alone."""
    edge, found = merkle.Frontier(), []
    with closing(LogFile(path)) as log:
        for record in log.read():
            edge.append(merkle.leaf_hash(record.header_bytes))
            found.append(edge.root())
    return [merkle.Frontier().root(), *found]


def rows(path):
    with closing(open_reader(path)) as connection:
        return tampering.contents(connection)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def spoil(path, statement, *values):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        assert connection.execute(statement, values).rowcount > 0


# ---------------------------------------------------------------------------------------------- there and back

def test_a_log_comes_back_row_by_row_with_the_golden_root(seeds, saved, tmp_path):
    done = restore(saved, tmp_path / "back.db")
    assert (done.head.size, done.root.hex()) == (test_golden.golden()["size"], test_golden.golden()["root"])
    assert rows(tmp_path / "back.db") == rows(seeds)
    with Timeline(tmp_path / "back.db") as timeline:
        assert test_golden.cited(timeline) == test_golden.golden()


def test_a_backup_is_log_and_manifest_in_a_folder_for_its_owner_and_needs_no_other_file(saved):
    assert names(saved) == sorted([LOG, MANIFEST])
    assert saved.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in saved.iterdir()} == {0o600}
    told = json.loads((saved / MANIFEST).read_text())
    assert (told["size"], told["root"]) == (test_golden.golden()["size"], test_golden.golden()["root"])
    with closing(sqlite3.connect(f"file:{saved / LOG}?immutable=1", uri=True)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "delete"


@pytest.mark.parametrize("at", [0, 1, 59, 120, 195, 196])
def test_a_restore_to_a_position_has_the_root_of_that_position(seeds, saved, tmp_path, at):
    done = restore(saved, tmp_path / "then.db", at=at)
    assert done.root == done.head.root == roots(seeds)[at]
    assert (done.head.size, done.at, done.redeclared) == (at, at, 0)
    assert verify_file(tmp_path / "then.db").sound
    with Timeline(seeds) as now, Timeline(tmp_path / "then.db") as then:
        if at:
            query = parse_query([("at", str(at)), ("undated", "include"), ("retracted", "include")])
            assert freeze(then, query).content() == freeze(now, query).content()
        assert then.append([{"type": "event.recorded", "event": {"title": "It goes on"}}])[0].position == at + 1


@pytest.mark.parametrize("at", [-1, 197, 10**30])
def test_a_position_that_the_backup_has_not_is_not_found(saved, tmp_path, at):
    with pytest.raises(NotFound, match=r"--at: saved has the positions 0 to 196, not"):
        restore(saved, tmp_path / "then.db", at=at)
    assert names(tmp_path) == []


def test_receipts_facts_and_checkpoints_come_along_as_far_as_they_speak_of_what_does(bent, tmp_path):
    back_up(bent, tmp_path / "saved")
    done = restore(tmp_path / "saved", tmp_path / "then.db", at=280)
    was, now = rows(bent), rows(tmp_path / "then.db")
    assert done.later == 1
    assert now["meta"] == was["meta"]
    assert now["checkpoint"] == [row for row in was["checkpoint"] if row[0] <= 280]
    assert now["receipt"] == [row for row in was["receipt"] if row[3] <= 280]
    assert now["erasure"] == was["erasure"] != []
    with Timeline(tmp_path / "then.db") as timeline:
        again = timeline.append([tampering.change(268)], key=tampering.key(268))
        assert [(each.position, each.new) for each in again] == [(268, False)]


def test_a_log_of_format_1_is_brought_to_format_2_by_its_restore_and_keeps_its_root(old, path, tmp_path):  # noqa: F811
    root = roots(path)[-1]
    made = back_up(path, tmp_path / "saved")
    with closing(open_reader(tmp_path / "saved" / LOG)) as connection:
        assert format_of(connection) == 1
    assert restore(tmp_path / "saved", tmp_path / "new.db").head.root == made.head.root == root
    assert restore(tmp_path / "saved", tmp_path / "then.db", at=2).root == roots(path)[2]
    for name in ("new.db", "then.db"):
        with closing(open_reader(tmp_path / name)) as connection:
            assert format_of(connection) == 2


def test_a_bare_file_of_a_log_is_restored_too_also_beside_its_writer(seeds, tmp_path):
    shutil.copy(seeds, tmp_path / "live.db")
    with Timeline(tmp_path / "live.db") as timeline:
        timeline.record(id="late", title="Only in the WAL yet", when="2025-09-06")
        done = restore(tmp_path / "live.db", tmp_path / "back.db")
        assert done.head == timeline.head()


# ---------------------------------------------------------------------------------------------- beside writers

def test_a_backup_made_while_threads_append_is_a_prefix_and_waits_for_none_of_them(tmp_path):
    path, stop, sizes = tmp_path / "t.db", threading.Event(), []

    def append(name):
        number = 0
        while not stop.is_set():
            timeline.record(id=f"{name}-{number}", title=name * 500, when="2025-08")
            number += 1

    with Timeline(path) as timeline:
        timeline.append([{"type": "event.recorded", "event": {"title": "x" * 400}} for _ in range(500)])
        threads = [threading.Thread(target=append, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        try:
            sizes += [back_up(path, tmp_path / f"saved-{number}").head.size for number in range(4)]
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert sizes == sorted(sizes)
        assert 500 <= sizes[0] < timeline.head().size  # it was written meanwhile
    found = roots(path)
    for number, size in enumerate(sizes):
        done = restore(tmp_path / f"saved-{number}", tmp_path / f"back-{number}.db")
        assert (done.head.size, done.head.root) == (size, found[size])


WRITER = """
import sys
from timeline import Timeline
with Timeline(sys.argv[1]) as timeline:
    for number in range(10**9):
        timeline.record(id=f"e{number}", title="Written elsewhere " * 20, when="2025")
        if number == 200:
            print("going", flush=True)
"""


def test_a_backup_made_while_another_process_appends_is_a_prefix(tmp_path):
    path = tmp_path / "t.db"
    with subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, text=True) as other:
        try:
            assert other.stdout.readline() == "going\n"
            sizes = [back_up(path, tmp_path / f"saved-{number}").head.size for number in range(3)]
        finally:
            other.kill()
    found = roots(path)
    assert sizes == sorted(sizes)
    assert 200 < sizes[0] < len(found) - 1  # it was written meanwhile
    assert [json.loads((tmp_path / f"saved-{number}" / MANIFEST).read_text())["root"] for number in range(3)] == [
        found[size].hex() for size in sizes]


# ---------------------------------------------------------------------------------------------- killed

CHILD = """
import sys
from pathlib import Path
from timeline.backup import back_up, restore

def told(what, done, total):
    print(what, flush=True)
    sys.stdin.readline()

work, source, target = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
if work == "restore":
    restore(source, target, tokens=target.with_name("new.tokens.db"), progress=told)
else:
    import timeline.backup.making as making
    making.settle = lambda *_: told("settling", 0, 0)
    back_up(source, target, tokens=source.with_name("seeds.tokens.db"), progress=told)
"""


def killed(work, source, target, stage):
    """Let a child work until it says that it does something, and kill it there."""
    command = [sys.executable, "-c", CHILD, work, source, target]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        for line in child.stdout:
            if line.strip() == stage:
                os.kill(child.pid, signal.SIGKILL)
                break
            with suppress(BrokenPipeError):
                child.stdin.write("\n")
                child.stdin.flush()
        assert child.wait() == -signal.SIGKILL


@pytest.mark.parametrize("stage", ["copying", "verifying", "settling"])
def test_whoever_is_killed_in_a_backup_leaves_only_what_says_it_is_unfinished(seeds, tmp_path, stage):
    target = tmp_path / "saved"
    killed("backup", seeds, target, stage)
    assert names(tmp_path) == ["saved.unfinished-backup"]
    back_up(seeds, tmp_path / "another")
    assert names(tmp_path) == ["another"]


@pytest.mark.parametrize("stage", ["copying", "verifying", "building views"])
def test_whoever_is_killed_in_a_restore_leaves_only_what_says_it_is_unfinished(saved, tmp_path, stage):
    target = tmp_path / "new.db"
    killed("restore", saved, target, stage)
    assert names(tmp_path) == ["new.db.unfinished-restore"]
    restore(saved, target)
    assert names(tmp_path) == ["new.db", "new.views-v2.db"]


def test_a_restore_killed_between_its_names_goes_on_where_it_was(seeds, tmp_path):
    shutil.copy(seeds, tmp_path / "seeds.db")
    tokens = Tokens(tokens_path(tmp_path / "seeds.db"))
    tokens.create("newsroom", ["write"])
    tokens.close()
    back_up(tmp_path / "seeds.db", tmp_path / "saved", tokens=tokens_path(tmp_path / "seeds.db"))
    shutil.copy(tmp_path / "saved" / TOKENS, tmp_path / "new.tokens.db")
    (tmp_path / "new.views-v2.db").write_bytes(b"views of a log that never got its name")
    assert restore(tmp_path / "saved", tmp_path / "new.db", tokens=tmp_path / "new.tokens.db").tokens
    with Timeline(tmp_path / "new.db") as timeline:
        assert timeline.position == 196


def test_two_at_work_on_one_target_do_not_meet(seeds, tmp_path):
    with unfinished(tmp_path / "saved", ".unfinished-backup") as folder:
        (folder / LOG).write_text("half")
        with pytest.raises(Busy, match="saved is being made by another process"):
            back_up(seeds, tmp_path / "saved")
        back_up(seeds, tmp_path / "other")
        assert (folder / LOG).read_text() == "half"
    assert names(tmp_path) == ["other"]


# ---------------------------------------------------------------------------------------------- refused

@pytest.mark.parametrize("make", [Path.mkdir, Path.touch, lambda path: path.symlink_to("nowhere")])
def test_what_is_there_is_never_overwritten(seeds, saved, tmp_path, make):
    make(tmp_path / "taken")
    with pytest.raises(Conflict, match="taken is there already, and nothing is overwritten"):
        back_up(seeds, tmp_path / "taken")
    with pytest.raises(Conflict, match="taken is there already, and nothing is overwritten"):
        restore(saved, tmp_path / "taken")
    assert names(tmp_path) == ["taken"]


def test_a_strangers_wal_beside_the_new_log_is_refused_and_an_empty_one_is_not(saved, tmp_path):
    (tmp_path / "new.db-wal").write_bytes(b"frames")
    with pytest.raises(Conflict, match=r"new\.db-wal is there already"):
        restore(saved, tmp_path / "new.db")
    (tmp_path / "new.db-wal").write_bytes(b"")
    assert restore(saved, tmp_path / "new.db").head.size == 196
    assert verify_file(tmp_path / "new.db").sound


def test_a_log_that_would_share_its_views_with_another_is_refused(saved, tmp_path):
    restore(saved, tmp_path / "news.db")
    with pytest.raises(Conflict, match=r"news would share its views with news\.db"):
        restore(saved, tmp_path / "news")


def test_what_came_to_be_there_meanwhile_is_not_overwritten_either(saved, seeds, tmp_path):
    def appear(what, done, total):
        (tmp_path / "new.db").write_text("mine")
        (tmp_path / "saved").write_text("mine")

    with pytest.raises(Conflict):
        restore(saved, tmp_path / "new.db", progress=appear)
    with pytest.raises(Conflict):
        back_up(seeds, tmp_path / "saved", progress=appear)
    assert {path.read_text() for path in tmp_path.iterdir()} == {"mine"}


@pytest.mark.parametrize(("statement", "check"), [
    ("UPDATE part SET bytes = replace(bytes, 'e', 'f') WHERE position = 59 AND name = 'body'", "part"),
    ("UPDATE record SET header = replace(header, ':59', ':58') WHERE position = 59", "leaf"),
    ("DELETE FROM part WHERE position = 59", "missing-part"),
])
def test_a_damaged_backup_is_refused_by_the_first_bad_position_and_what_comes_before_can_be_had(
        copied, seeds, tmp_path, statement, check):
    spoil(copied / LOG, statement)
    for at in (None, 59, 196):
        with pytest.raises(Corrupt, match=rf"copied is damaged at position 59: .*check: {check}.*58 records before"):
            restore(copied, tmp_path / "new.db", at=at)
    assert names(tmp_path) == ["copied"]
    done = restore(copied, tmp_path / "new.db", at=58)
    assert done.root == roots(seeds)[58]
    assert "damaged at position 59" in done.damage


def test_a_backup_that_was_cut_as_a_whole_agrees_with_itself_and_is_refused(copied, tmp_path):
    restore(copied, tmp_path / "short.db", at=100)
    shutil.copy(tmp_path / "short.db", copied / LOG)
    assert verify_file(copied / LOG).sound
    for at in (None, 59):
        with pytest.raises(Corrupt, match="it was altered or cut as a whole"):
            restore(copied, tmp_path / "new.db", at=at)


@pytest.mark.parametrize(("name", "content", "sentence"), [
    (LOG, b"", "damaged"),
    (LOG, b"no log at all" * 1000, "SQLite cannot read its log"),
    (MANIFEST, b"{}", r"backup\.json cannot be read"),
    (MANIFEST, b'{"format":"timeline-backup/2"}', r"backup\.json cannot be read"),
    (MANIFEST, b"\xff", r"backup\.json cannot be read"),
])
def test_a_backup_whose_files_are_something_else_is_refused(copied, tmp_path, name, content, sentence):
    (copied / name).write_bytes(content)
    with pytest.raises(Corrupt, match=sentence):
        restore(copied, tmp_path / "new.db")
    assert names(tmp_path) == ["copied"]


def test_any_page_of_a_backup_torn_out_is_refused(copied, seeds, tmp_path):
    whole = (copied / LOG).read_bytes()
    for page in range(0, len(whole) // 4096, 7):
        (copied / LOG).write_bytes(whole[:page * 4096] + b"\xa5" * 4096 + whole[(page + 1) * 4096:])
        try:
            done = restore(copied, tmp_path / f"new-{page}.db")
        except Corrupt:
            continue
        assert done.root == roots(seeds)[-1]  # nothing was in that page
        assert rows(tmp_path / f"new-{page}.db") == rows(seeds)


def test_what_is_no_backup_is_refused(seeds, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("hello")
    for name, error, sentence in (("folder", NotFound, r"folder is no backup: there is no backup\.json"),
                                  ("file", Conflict, "not a timeline log"), ("none", NotFound, "there is no backup")):
        with pytest.raises(error, match=sentence):
            restore(tmp_path / name, tmp_path / "new.db")
    with pytest.raises(NotFound, match="there is no directory"):
        back_up(seeds, tmp_path / "nowhere" / "saved")
    with pytest.raises(NotFound, match="no database"):
        back_up(tmp_path / "nothing.db", tmp_path / "saved")


def test_a_damaged_log_gives_no_backup(seeds, tmp_path):
    path = tmp_path / "seeds.db"
    shutil.copy(seeds, path)
    spoil(path, "UPDATE part SET bytes = replace(bytes, 'e', 'f') WHERE position = 7 AND name = 'body'")
    with pytest.raises(Corrupt, match=r"the copy of seeds\.db is damaged at position 7"):
        back_up(path, tmp_path / "saved")
    assert {name for name in names(tmp_path) if "saved" in name} == set()


# ---------------------------------------------------------------------------------------------- a full disk

FULL = """
import resource, sys
from timeline.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)), resource.RLIM_INFINITY))
main()
"""


@pytest.mark.parametrize("room", [40_000, 100_000, 350_000])
def test_where_there_is_no_room_nothing_is_left(seeds, saved, tmp_path, room):
    """Files may not grow beyond a limit, which the system says as it says that a disk is full."""
    alone = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}  # it writes too
    for arguments in (["--db", seeds, "backup", tmp_path / "saved"], ["restore", saved, "--db", tmp_path / "new.db"],
                      ["restore", saved, "--db", tmp_path / "new.db", "--at", "190"]):
        done = subprocess.run([sys.executable, "-c", FULL, str(room), *arguments], capture_output=True, text=True,
                              check=False, env=alone)
        assert done.returncode == 1
        assert done.stderr.startswith("error: ")
        assert "Traceback" not in done.stderr
        assert names(tmp_path) == []


# ---------------------------------------------------------------------------------------------- erased

SECRET, LATER = "Xylophonic", "Quixotical"


@pytest.fixture
def erased(tmp_path):
    """A log that lost an event's body at position 6 and, later, the body of one that was merged since."""
    path = tmp_path / "erased.db"
    with Timeline(path) as timeline:
        for number, word in enumerate([SECRET, LATER, "Plain", LATER]):
            timeline.append([{"type": "event.recorded", "key": f"import:{number}", "event": {
                "id": f"e{number}", "title": word, "when": "2025-08", "topics": ["peace"]}}])
        timeline.revise("e1", {"topics": ["war"]}, reason="it was that")
        timeline.erase("e0", "body", reason="under seal")
        timeline.record(id="e4", title="In between", when="2025-08")
        timeline.merge("e1", ["e3"], reason="the same")
        timeline.erase("e1", "body", reason="forgotten", ground="GDPR Art. 17")
        assert timeline.position == 9
    return path


def test_a_log_with_erasures_comes_back_whole_and_without_what_was_erased(erased, tmp_path):
    made = back_up(erased, tmp_path / "saved")
    done = restore(tmp_path / "saved", tmp_path / "new.db")
    assert (done.head.root, made.erased, done.redeclared) == (roots(erased)[-1], 5, 0)
    assert rows(tmp_path / "new.db") == rows(erased)
    files = [*(tmp_path / "saved").iterdir(), *tmp_path.glob("new.*")]
    assert not [path.name for path in files if SECRET.encode() in path.read_bytes() or LATER.encode() in
                path.read_bytes()]


@pytest.mark.parametrize(("at", "redeclared", "gone"), [
    (1, 1, {"e0"}), (4, 3, {"e0", "e1", "e3"}), (5, 3, {"e0", "e1", "e3"}), (6, 2, {"e0", "e1", "e3"}),
    (8, 1, {"e0", "e1"}), (9, 0, {"e0", "e1"}),
])
def test_what_was_erased_after_the_position_stays_erased_and_is_declared_again(
        erased, tmp_path, at, redeclared, gone):
    back_up(erased, tmp_path / "saved")
    done = restore(tmp_path / "saved", tmp_path / "then.db", at=at)
    assert (done.root, done.redeclared, done.head.size) == (roots(erased)[at], redeclared, at + redeclared)
    assert roots(tmp_path / "then.db")[at] == roots(erased)[at]
    report = verify_file(tmp_path / "then.db")
    assert report.sound
    with Timeline(tmp_path / "then.db") as timeline:
        assert timeline.undeclared() == 0
        assert timeline.is_purged
        shown = {event["id"]: event for event in timeline.events(limit=100)}
        assert gone.isdisjoint(shown)
        tombstone = timeline.event("e0")["erased"]
        assert tombstone["reason"].startswith("under seal")
        assert "e2" in shown or at < 3
        freeze(timeline, parse_query([("topic", "peace")]))
        assert timeline.record(id="new", title="It goes on", when="2025-09")["id"] == "new"
        assert verify_file(tmp_path / "then.db").sound
        with pytest.raises(Conflict, match="e0"):
            timeline.record(id="e0", title="Once more")


def test_a_backup_leaves_out_what_was_erased_and_is_not_yet_purged(erased, tmp_path):
    with Timeline(erased) as timeline:
        timeline.record(id="e9", title="Wherewithalx", when="2025-08")
        reader = open_reader(erased)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM part").fetchone()
        timeline._writer.purge = lambda *_: False  # as if the reader stayed for longer than is waited
        timeline.erase("e9", "body", reason="under seal")
        assert not timeline.is_purged
        back_up(erased, tmp_path / "saved")
        reader.close()
    assert b"Wherewithalx" not in (tmp_path / "saved" / LOG).read_bytes()


# ---------------------------------------------------------------------------------------------- tokens

@pytest.fixture
def guarded(seeds, tmp_path):
    shutil.copy(seeds, tmp_path / "guarded.db")
    tokens = Tokens(tokens_path(tmp_path / "guarded.db"))
    secret = tokens.create("newsroom", ["write"])
    tokens.close()
    (tmp_path / "guarded.key").write_text("PRIVATE+KEY+guarded")
    return tmp_path / "guarded.db", secret


def test_tokens_come_along_as_digests_and_the_key_does_not(guarded, tmp_path, run):
    path, secret = guarded
    run("--db", path, "backup", tmp_path / "saved")
    assert names(tmp_path / "saved") == sorted([LOG, MANIFEST, TOKENS])
    for file in (tmp_path / "saved").iterdir():
        assert secret.encode() not in file.read_bytes()
        assert b"PRIVATE+KEY" not in file.read_bytes()
    run("restore", tmp_path / "saved", "--db", tmp_path / "new.db")
    assert (tmp_path / "new.tokens.db").stat().st_mode & 0o777 == 0o600
    with closing(Tokens(tmp_path / "new.tokens.db")) as tokens:
        assert tokens.check(secret).name == "newsroom"


def test_tokens_can_stay_behind_on_either_way(guarded, tmp_path, run):
    path, _ = guarded
    run("--db", path, "backup", tmp_path / "bare", "--no-tokens")
    assert names(tmp_path / "bare") == sorted([LOG, MANIFEST])
    run("--db", path, "backup", tmp_path / "saved")
    run("restore", tmp_path / "saved", "--db", tmp_path / "new.db", "--no-tokens")
    assert not (tmp_path / "new.tokens.db").exists()


def test_tokens_of_another_log_are_not_overwritten(guarded, tmp_path, run):
    path, _ = guarded
    run("--db", path, "backup", tmp_path / "saved")
    (tmp_path / "new.tokens.db").write_text("others")
    assert "--no-tokens" in run("restore", tmp_path / "saved", "--db", tmp_path / "new.db", code=4).stderr
    assert (tmp_path / "new.tokens.db").read_text() == "others"


def test_damaged_tokens_are_refused_and_the_log_can_be_had_without_them(guarded, tmp_path, run):
    path, _ = guarded
    run("--db", path, "backup", tmp_path / "saved")
    data = bytearray((tmp_path / "saved" / TOKENS).read_bytes())
    data[-1] ^= 1
    (tmp_path / "saved" / TOKENS).write_bytes(data)
    assert "tokens.db is gone or was changed" in run(
        "restore", tmp_path / "saved", "--db", tmp_path / "new.db", code=7).stderr
    run("restore", tmp_path / "saved", "--db", tmp_path / "new.db", "--no-tokens")


# ---------------------------------------------------------------------------------------------- the command line

def test_the_commands_say_size_and_root_and_end_with_the_codes_of_the_house(seeds, copied, tmp_path, run):
    root = test_golden.golden()["root"]
    shown = run("--db", seeds, "backup", tmp_path / "one").stdout
    assert f"size 196  root {root}" in shown
    assert "restored for a trial" in shown
    assert f"size 196  root {root}" in run("restore", tmp_path / "one", "--db", tmp_path / "a.db").stdout
    told = json.loads(run("restore", tmp_path / "one", "--db", tmp_path / "b.db", "--at", "59", "--json").stdout)
    assert (told["at"], told["root_at"], told["size"]) == (59, roots(seeds)[59].hex(), 59)
    assert json.loads(run("--db", seeds, "backup", tmp_path / "two", "--json").stdout)["root"] == root
    run("--db", seeds, "backup", tmp_path / "one", code=4)
    run("restore", tmp_path / "one", "--db", tmp_path / "a.db", code=4)
    run("restore", tmp_path / "none", "--db", tmp_path / "c.db", code=3)
    run("--db", tmp_path / "none.db", "backup", tmp_path / "three", code=3)
    run("restore", tmp_path / "one", "--db", tmp_path / "c.db", "--at", "197", code=3)
    run("restore", tmp_path / "one", code=2)
    assert "--url" in run("--url", "http://127.0.0.1:9", "backup", tmp_path / "three", code=2).stderr
    spoil(copied / LOG, "UPDATE part SET bytes = replace(bytes, 'e', 'f') WHERE position = 59 AND name = 'body'")
    assert "position 59" in run("restore", copied, "--db", tmp_path / "c.db", code=7).stderr
    assert "comes before that, and is sound" in run(
        "restore", copied, "--db", tmp_path / "c.db", "--at", "58").stderr
