"""The torture: it finds nothing in the program as it is, and does find what is done to it here."""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from concurrent.futures import Future
from functools import partial
from pathlib import Path

import pytest

from timeline import torture
from timeline.chronicle import Timeline
from timeline.cli.root import cli
from timeline.cli.tormenting import NAMES
from timeline.errors import Busy, Corrupt
from timeline.log import Head
from timeline.log.sqlite import SqliteLog
from timeline.torture import TRIALS, Run, children, killing, power, registers, show, striking
from timeline.torture.judging import Sent, judge, judge_requests
from timeline.torture.linear import Operation, violation
from timeline.torture.nursery import Nursery
from timeline.torture.power import Disk, image
from timeline.torture.replacing import UNNOTICED, noticed
from timeline.torture.tearing import tear
from timeline.torture.tracing import Change, changes, counted, why_not
from timeline.torture.verdicts import FAULTS, Verdict
from timeline.views.store import Views

HERE = Path(__file__).parent
FAULT = "TIMELINE_TEST_FAULT"


# ---------------------------------------------------------------------------------------------- children with faults

def forgetful():
    """Acknowledge before the commit: it comes with every fourth request."""
    commit, waiting = SqliteLog._commit, []

    def later(log, batch):
        waiting.append(batch)
        if len(waiting) == 4:
            for each in waiting:
                commit(log, each)
            waiting.clear()
        log._frontier, log._last_time = batch.frontier, batch.last
        log._heads.update(batch.heads)

    SqliteLog._commit = later


def piecemeal():
    """Commit each change of a batch by itself."""
    submit = Timeline.submit

    def one_by_one(timeline, changes, *, author=None, key=None):
        done = Future()
        done.set_result([submit(timeline, [each], author=author).result()[0] for each in changes])
        return done

    Timeline.submit = one_by_one


def hurried():
    """Leave out fsync."""
    from timeline.log import sqlite

    opened = sqlite.open_writer
    sqlite.open_writer = lambda path, **_: opened(path, synchronous="OFF")


def misled():
    """Tell a root that is not the log's."""
    head = Timeline.head
    Timeline.head = lambda timeline: Head(head(timeline).size, bytes(32), "")


def proud():
    """Say that a batch is in that the system refused."""
    from timeline.writer import Appended, Writer

    tell = Writer._tell

    def told(writer, answers):
        tell(writer, [(request, [Appended("event", each.event.id, 1000, new=True) for each in request.changes])
                      if isinstance(answer, sqlite3.OperationalError) and len(request.changes) > 1 else
                      (request, answer) for request, answer in answers])

    Writer._tell = told


def silent():
    """Say of a full disk no more than that something went wrong."""
    from timeline import writer

    writer._explained = lambda error: error


def open_to_all():
    """Let everybody write."""
    fcntl.flock = lambda *_: None


def blind():
    """Do not look whether the file is still there."""
    SqliteLog._check_file = lambda _: None


def careless():
    """Do not look at If-Match."""
    from timeline.api import writes

    writes._expecting = lambda change, _: change


def hasty():
    """Answer a write with whatever stands there by now."""
    body = Timeline.body
    Timeline.states = lambda *_: {}
    Timeline.body = lambda timeline, type_, id_, _=None: body(timeline, type_, id_)


def crooked():
    """Write into the views what is not in the log."""
    commit = Views.commit

    def bent(views):
        views.connection.execute("UPDATE event SET kind = 'plan' WHERE n = 1")
        commit(views)

    Views.commit = bent


def boastful(say, _):
    say("append", "done", 1)
    say("verify", "Conflict", "timeline.db is not a timeline log")
    say("read", "done", 1)


def faulty(work, say, given):
    """Do a work with the fault that is named in a file."""
    name = Path(os.environ[FAULT]).read_text()
    if name == "boastful":
        boastful(say, given)
        return
    globals()[name]()
    getattr(children, work)(say, given)


serve, append, import_, toil, hold, powerless = (
    partial(faulty, work) for work in ("serve", "append", "import_", "toil", "hold", "powerless"))


@pytest.fixture(scope="module")
def nursery(tmp_path_factory):
    with Nursery("timeline.torture.children", tmp_path_factory.mktemp("sound") / "errors.txt") as found:
        yield found


@pytest.fixture(scope="module")
def fault(tmp_path_factory):
    """Give the nursery of children with faults, and the file that says which."""
    folder = tmp_path_factory.mktemp("faults")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(HERE))
        patch.setenv(FAULT, str(folder / "fault"))
        with Nursery("test_torture", folder / "errors.txt") as found:
            yield found, folder / "fault"


class Impatient(Run):
    """Ends with the first finding."""

    def goes_on(self, verdict, most=None):
        return not verdict.findings and super().goes_on(verdict, most)


@pytest.fixture
def folder():
    """Give a folder that a user without rights can reach, which that of pytest is not."""
    with tempfile.TemporaryDirectory(prefix="timeline-test-") as name:
        yield Path(name)


def held(run, name):
    verdict = torture._hold(run, name)
    if verdict.skipped:
        pytest.skip(verdict.skipped)
    return verdict


# ---------------------------------------------------------------------------------------------- the trials

@pytest.mark.slow
@pytest.mark.parametrize("name", TRIALS)
def test_the_program_as_it_is_passes_every_trial(nursery, folder, monkeypatch, name):
    monkeypatch.setattr(killing, "IMPORTED", 500)
    verdict = held(Run(folder, nursery, rounds=3, seconds=1), name)
    assert verdict.findings == []
    assert verdict.good
    assert verdict.rounds
    assert verdict.acknowledged or name == "import"  # which may be killed before anything was in


@pytest.mark.slow
@pytest.mark.parametrize(("name", "what", "counts"), [
    ("kill", "forgetful", {"lost"}),
    ("kill", "crooked", {"differing"}),
    ("import", "piecemeal", {"torn"}),
    ("syscalls", "forgetful", {"lost"}),
    ("power", "hurried", {"lost", "unsound"}),
    ("wal", "misled", {"unsound"}),
    ("disk", "proud", {"lost"}),
    ("disk", "silent", {"lies"}),
    ("readonly", "boastful", {"lies"}),
    ("writers", "open_to_all", {"lies"}),
    ("replaced", "blind", {"lost"}),
    ("linear", "careless", {"lies"}),
    ("linear", "hasty", {"lies"}),
])
def test_every_trial_finds_what_it_is_there_for(fault, folder, monkeypatch, name, what, counts):
    monkeypatch.setattr(killing, "IMPORTED", 300)
    monkeypatch.setattr(striking, "CALLS", ("fdatasync",))
    nursery, file = fault
    file.write_text(what)
    verdict = held(Impatient(folder, nursery, rounds=30, seconds=60), name)
    assert any(getattr(verdict, count) for count in counts), verdict
    assert any(sentence.split(",")[0] in counts for sentence in verdict.findings)


def test_a_clock_that_is_believed_is_found(nursery, folder, monkeypatch):
    monkeypatch.setattr("timeline.log.batches.max", lambda now, _: now, raising=False)
    verdict = held(Run(folder, nursery, rounds=1), "clock")
    assert verdict.unsound
    assert verdict.lies


def test_batches_in_pieces_are_found_after_a_kill():
    verdict = Verdict(trial="kill", what="")
    there = {"a": [1], "b": [2], "c": [5], "d": [7], "e": [8, 9], "f": [3], "h": [10]}
    judge_requests(verdict, there, [
        Sent("whole", ["a", "b"], [1, 2]), Sent("nothing", ["x", "y"]), Sent("f", ["f"]),
        Sent("a part", ["a", "x"]), Sent("spread", ["c", "d"]), Sent("twice", ["e"]), Sent("lost", ["y"], [4]),
        Sent("elsewhere", ["f"], [4]), Sent("refused", ["h"], refused=True),
    ])
    assert [getattr(verdict, name) for name in FAULTS] == [2, 2, 1, 0, 0, 1]


def test_a_log_that_cannot_be_opened_is_a_finding(tmp_path):
    verdict = Verdict(trial="kill", what="")
    (tmp_path / "timeline.db").write_bytes(b"no log at all" * 400)
    assert judge(verdict, tmp_path / "timeline.db", []) == 0
    assert verdict.unsound == 1


def test_a_trial_that_breaks_off_is_a_finding(nursery, folder, monkeypatch):
    def broken(_):
        raise RuntimeError("the server did not start")

    monkeypatch.setitem(TRIALS, "kill", broken)
    verdict = held(Run(folder, nursery), "kill")
    assert not verdict.good
    assert "the server did not start" in verdict.findings[0]


def test_where_nothing_speaks_of_the_past_a_replaced_file_goes_unnoticed(tmp_path):
    with Timeline(tmp_path / "timeline.db") as timeline:
        timeline.record(id="a", title="A")
    agreeing = "news.example/log\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
    assert noticed(tmp_path / "timeline.db", agreeing, lambda *_: "agrees") == UNNOTICED
    assert noticed(tmp_path / "timeline.db", agreeing) == "verify --against: Conflict"


@pytest.mark.parametrize("how", ["replaced", "removed"])
def test_a_log_that_was_taken_away_acknowledges_nothing(tmp_path, how):
    path = tmp_path / "timeline.db"
    with Timeline(path) as timeline:
        timeline.record(id="a", title="A")
        if how == "replaced":
            (tmp_path / "other").write_bytes(path.read_bytes())
            (tmp_path / "other").replace(path)
        else:
            path.unlink()
        for _ in range(2):
            with pytest.raises(Corrupt, match=r"timeline\.db was removed or replaced while it was open"):
                timeline.record(id="b", title="B")
        assert timeline.event("a")["title"] == "A"


def test_a_log_with_a_relative_name_is_found_from_another_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Timeline("timeline.db") as timeline:
        monkeypatch.chdir("/")
        assert timeline.append([{"type": "event.recorded", "event": {"id": "a", "title": "A"}}])[0].new


@pytest.mark.parametrize(("said", "told"), [
    ("database or disk is full", "the disk is full"), ("disk I/O error", "the log cannot be written (disk I/O error)"),
])
def test_what_the_system_refuses_to_write_is_a_sentence_and_may_be_sent_again(tmp_path, monkeypatch, said, told):
    def refuse(*_):
        raise sqlite3.OperationalError(said)

    with Timeline(tmp_path / "timeline.db") as timeline:
        with monkeypatch.context() as patch:
            patch.setattr(SqliteLog, "_commit", refuse)
            with pytest.raises(Busy) as caught:
                timeline.append([{"type": "event.recorded", "event": {"id": "a", "title": "A"}}], key="k")
        assert caught.value.detail.startswith(f"{told}: this was not acknowledged")
        assert timeline.append([{"type": "event.recorded", "event": {"id": "a", "title": "A"}}], key="k")[0].new


# ---------------------------------------------------------------------------------------------- one order of all

def read(begin, end, revision, value=""):
    return Operation("read", begin, end, value, revision)


def write(begin, end, revision, value, expected=None):
    return Operation("write", begin, end, value, revision, expected)


def refused(begin, end, expected):
    return Operation("write", begin, end, "never", 0, expected, "mismatch")


def unheard(begin, value, expected=None):
    return Operation("write", begin, begin, value, 0, expected, "unknown")


@pytest.mark.parametrize("history", [
    [],
    [read(0, 1, 0), write(2, 3, 1, "a", 0), read(4, 5, 1, "a")],
    [write(0, 9, 1, "a"), read(1, 2, 0), read(3, 4, 1, "a")],
    [write(0, 9, 1, "a"), write(0, 9, 2, "b"), read(1, 8, 2, "b"), read(1, 8, 1, "a"), read(1, 8, 0)],
    [write(0, 1, 1, "a"), write(2, 9, 2, "b", 1), refused(3, 8, 1), read(10, 11, 2, "b")],
    [write(0, 1, 1, "a"), write(2, 9, 2, "b", 1), refused(3, 8, 2)],
    [write(0, 1, 1, "a"), unheard(2, "b", 1), read(3, 4, 1, "a"), read(5, 6, 2, "b")],
    [write(0, 1, 1, "a"), unheard(2, "b", 1), read(3, 4, 1, "a"), write(5, 6, 2, "c", 1), read(7, 8, 2, "c")],
    [unheard(0, "a"), unheard(0, "b"), read(5, 6, 2, "a")],
])
def test_histories_that_one_order_explains(history):
    for order in itertools.islice(itertools.permutations(history), 120):
        assert violation(order) is None


@pytest.mark.parametrize(("history", "sentence"), [
    ([write(0, 1, 1, "a"), read(2, 3, 0)], "a read of revision 0"),  # a write that had ended is not seen
    ([write(0, 1, 1, "a"), write(2, 3, 2, "b"), read(4, 5, 1, "a")], "a read of revision 1"),  # an old answer
    ([write(0, 9, 1, "a"), read(1, 2, 1, "a"), read(3, 4, 0)], "a read of revision 0"),  # reads go backwards
    ([write(0, 9, 1, "a", 0), write(0, 9, 1, "b", 0)], "done as revision 1"),  # one revision given out twice
    ([write(0, 1, 1, "a"), write(2, 3, 3, "b", 1)], "done as revision 3"),  # the expected version was not looked at
    ([write(0, 1, 1, "a"), write(2, 3, 2, "b"), write(4, 5, 3, "c", 1)], "expecting 1"),  # a lost update
    ([read(0, 1, 1, "a"), write(2, 3, 1, "a")], "a read of revision 1"),  # seen before it was sent
    ([write(0, 1, 1, "a"), refused(2, 3, 1), read(4, 5, 1, "a")], "mismatch"),  # refused although it fitted
    ([write(0, 1, 1, "a"), refused(2, 3, 0), read(4, 5, 2, "never")], "'never'"),  # refused, and done all the same
    ([write(0, 1, 1, "a"), read(2, 3, 1, "b")], "revision 1 'b'"),  # a value nobody wrote
    ([write(0, 1, 1, "a"), unheard(2, "b", 1), read(3, 4, 2, "b"), read(5, 6, 1, "a")], "revision 1"),  # done, undone
    ([write(0, 1, 1, "a"), read(2, 3, 2, "b"), unheard(4, "b", 1)], "revision 2"),  # seen before it was sent
])
def test_histories_that_no_order_explains(history, sentence):
    for order in itertools.islice(itertools.permutations(history), 24):
        assert sentence in violation(order)


def test_long_histories_are_searched_in_no_time_and_one_wrong_answer_in_them_is_found():
    chance, state, history = random.Random(5), (0, ""), []
    for number in range(400):
        begin, end = number * 10 - chance.randrange(200), number * 10 + chance.randrange(200)
        match chance.randrange(3):
            case 0:
                history.append(read(begin, end, *state))
            case 1:
                history.append(write(begin, end, state[0] + 1, f"v{number}", state[0]))
                state = (state[0] + 1, f"v{number}")
            case _:
                history.append(refused(begin, end, state[0] + 1))
    assert violation(history) is None
    history.append(read(100, 101, *state))
    assert violation(history) is not None


def test_an_answer_nobody_expects_is_told(monkeypatch):
    verdict = Verdict(trial="linear", what="")
    client = registers.Client(None, 1, ["r"], 0)
    monkeypatch.setattr(registers, "_read", lambda *_: registers.Heard(500, {}, {"detail": "broken"}))
    monkeypatch.setattr(registers, "_write", lambda *_: registers.Heard(500, {}, {"detail": "broken"}))
    assert client._step(None, "r", "a")
    registers._history(verdict, [client])
    assert "500 broken" in verdict.findings[0]


# ---------------------------------------------------------------------------------------------- disks

def written(offset, data, path="/d/f"):
    return Change("write", path, offset, data)


def test_a_disk_keeps_what_was_synchronised_and_any_of_the_rest():
    done = [written(0, b"a" * 512), Change("sync", "/d/f"), written(512, b"b" * 512), written(1024, b"c" * 512)]
    cuts = {image(done, "/d", random.Random(seed), manner)["f"]
            for seed in range(40) for manner in ("none", "all", "first", "some")}
    assert all(cut.startswith(b"a" * 512) for cut in cuts)
    assert cuts >= {b"a" * 512, b"a" * 512 + b"b" * 512, b"a" * 512 + b"b" * 512 + b"c" * 512,
                    b"a" * 512 + bytes(512) + b"c" * 512}
    assert image(done[:1], "/d", random.Random(0), "none") == {"f": b""}


def test_writes_are_torn_at_sectors_only():
    disk = Disk(since=[written(0, b"x" * 4096)])
    lengths = {len(disk.after(random.Random(seed), "some")) for seed in range(300)}
    assert lengths == {0, *range(512, 4097, 512)}


def test_names_and_sizes_follow_what_was_done_to_them():
    done = [Change("create", "/d/a"), written(0, b"1234", "/d/a"), Change("truncate", "/d/a", 2),
            Change("create", "/d/b"), Change("unlink", "/d/b"), Change("rename", "/d/a", to="/d/c"),
            written(0, b"x", "/elsewhere/f"), written(0, b"x", "/d/t.db-shm"), written(0, b"x", "/d/a (deleted)")]
    assert image(done, "/d", random.Random(0), "all") == {"c": b"12"}


def hexed(text):
    return "".join(f"\\x{byte:02x}" for byte in text.encode())


def test_what_strace_writes_is_read():
    name = hexed("/d/f")
    lines = [
        f'11  openat(AT_FDCWD</d>, "{name}", O_RDWR|O_CREAT|O_CLOEXEC, 0644) = 4<{name}>',
        f'11  openat(AT_FDCWD</d>, "{name}", O_RDONLY) = 4<{name}>',
        f'12  pwrite64(4<{name}>, "{hexed("ab,)")}", 4, 8192 <unfinished ...>',
        f'11  fdatasync(5<{hexed("/d/g")}> <unfinished ...>',
        "12  <... pwrite64 resumed>)          = 4",
        "11  <... fdatasync resumed>)         = 0",
        f'11  pwrite64(4<{name}>, "{hexed("z")}", 1, 0) = 1',
        f'11  pwrite64(4<{name}>, "{hexed("z")}", 1, 0) = -1 ENOSPC (No space left on device)',
        f"11  ftruncate(4<{name}>, 3)          = 0",
        f'11  rename("{name}", "{hexed("/d/h")}") = 0',
        f'11  unlink("{name}") = -1 ENOENT (No such file or directory)',
        f'11  write(1<pipe:[7]>, "{hexed("[0]")}", 3) = 3',
        "11  +++ killed by SIGKILL +++",
    ]
    assert list(changes(lines)) == [
        Change("create", "/d/f"), Change("write", "/d/f", 8192, b"ab,)"), Change("sync", "/d/g"),
        Change("write", "/d/f", 0, b"z"), Change("truncate", "/d/f", 3), Change("rename", "/d/f", to="/d/h"),
        Change("said", data=b"[0]"),
    ]
    assert counted(lines) == {"openat": 2, "pwrite64": 2, "fdatasync": 1, "ftruncate": 1, "rename": 1, "unlink": 1,
                              "write": 1}


def test_without_strace_it_is_said_why_two_trials_are_not_held(nursery, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda _: None)
    run = Run(tmp_path, nursery)
    assert [TRIALS[name](run).skipped for name in ("syscalls", "power")] == ["strace is not installed"] * 2


def test_a_strace_that_may_not_trace_is_named(monkeypatch, tmp_path):
    program = tmp_path / "strace"
    program.write_text("#!/bin/sh\necho 'ptrace: Operation not permitted' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert why_not() == "strace does not work here: ptrace: Operation not permitted"


def test_every_way_to_tear_changes_the_end_of_a_wal():
    seen = set()
    for seed in range(40):
        wal = bytearray(b"w" * 9000)
        seen.add(tear(random.Random(seed), wal).split(" at ")[0])
        assert wal != b"w" * 9000
    assert seen == {"cut off", "zeroed", "bent", "grown"}


def test_a_child_that_cannot_append_is_no_reason_to_be_content(nursery, tmp_path, monkeypatch):
    monkeypatch.setattr(power, "why_not", lambda: "")
    monkeypatch.setattr(power, "_recorded", lambda *_: [])
    assert power.cuts(Run(tmp_path, nursery)).lies == 1


# ---------------------------------------------------------------------------------------------- the command

def command(*words):
    with pytest.raises(SystemExit) as caught:
        cli.main(list(words))
    return caught.value.code


@pytest.mark.slow
def test_the_command_prints_a_table_and_touches_nothing_of_the_user(tmp_path, capfd, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    own = tmp_path / "own.db"
    assert command("--db", str(own), "torture", "--only", "wal,clock", "--rounds", "1") == 0
    out, err = capfd.readouterr()
    assert "nothing was lost, torn or said wrongly" in out
    assert out.index("clock") > out.index("wal")
    assert "--db and --url are not touched" in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_what_was_found_ends_with_exit_code_7_and_is_kept_where_that_is_asked_for(tmp_path, capfd, monkeypatch):
    def bad(run):
        verdict = Verdict(trial="clock", what="a clock", rounds=1, acknowledged=2)
        verdict.fault("lost", "key-1 was acknowledged")
        run.fresh()
        return verdict

    monkeypatch.setitem(TRIALS, "clock", bad)
    assert command("torture", "--only", "clock", "--rounds", "1", "--json", "--keep", str(tmp_path)) == 7
    report = json.loads(capfd.readouterr().out)
    assert report["summary"] == "1 rounds, 2 acknowledged requests: 1 faults were found"
    assert (report["trials"][0]["lost"], report["trials"][0]["good"]) == (1, False)
    assert len(list(tmp_path.glob("timeline-torture-*/*"))) == 2


@pytest.mark.parametrize("words", [
    ("--only", "speed"), ("--rounds", "0"), ("--seconds", "none"), ("--keep", "/none/x"),
])
def test_wrong_options_are_refused_with_a_sentence(words, capfd):
    assert command("torture", *words) == 2
    assert words[0] in capfd.readouterr().err


@pytest.mark.slow
def test_an_interruption_leaves_no_process_and_no_file(tmp_path):
    words = [sys.executable, "-m", "timeline.cli", "torture", "--only", "kill", "--rounds", "1000"]
    process = subprocess.Popen(words, env={**os.environ, "TMPDIR": str(tmp_path)}, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob("*/*/timeline.db")) and time.monotonic() < deadline:
            time.sleep(0.05)
        scratch = next(tmp_path.iterdir())
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    finally:
        process.kill()
        process.wait()
    assert list(tmp_path.iterdir()) == []
    lines = [line for line in Path("/proc").glob("[0-9]*/cmdline") if str(scratch).encode() in commandline(line)]
    assert lines == []


def commandline(path):
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_the_command_knows_the_trials_by_name():
    assert list(TRIALS) == list(NAMES)


def test_a_trial_that_was_not_held_is_in_the_table_with_its_reason(capsys):
    from rich.console import Console

    Console(width=140).print(show.table([Verdict(trial="power", what="x", skipped="strace is not installed")]))
    assert "skipped: strace is not installed" in capsys.readouterr().out
