"""The command line: what each command prints, what it says when it fails, and the code it ends with."""

import json
import os
import socket
import sqlite3
import subprocess
import sys

import httpx
import pytest
from click.testing import CliRunner

from timeline import Timeline
from timeline.cli import cli
from timeline.cli.commands import ALL
from timeline.query import PARAMETERS

COMMANDS = [command.name for command in ALL]
EVENTS = [
    {"type": "actor.described", "actor": {"id": "ada", "kind": "person", "name": "Ada [red]Lovelace"}},
    {"type": "event.recorded", "event": {"id": "note-g", "title": "Note G", "when": "1843-08", "topics": ["engines"],
                                         "actors": [{"id": "ada", "role": "author"}]}},
    {"type": "event.recorded", "event": {"id": "letter", "title": "=A letter [bold]é", "when": "1843-09?",
                                         "certainty": "inferred"}},
    {"type": "event.revised", "id": "note-g", "patch": {"when": "1843-09"}, "reason": "the journal came late"},
]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "events.ndjson"
    path.write_text("".join(json.dumps(change) + "\n" for change in EVENTS))
    return path


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a command on this test's log."""
    for name in ("TIMELINE_DB", "TIMELINE_URL", "TIMELINE_TOKEN", "TIMELINE_DEBUG", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)

    def call(*arguments, code=0, **options):
        result = CliRunner().invoke(cli, [str(each) for each in arguments], **options)
        assert result.exit_code == code, result.output
        assert "Traceback" not in result.output
        return result

    return call


@pytest.fixture
def log(run, file, tmp_path):
    """Make a log with some events."""
    run("import", file)
    return tmp_path / "timeline.db"


@pytest.fixture
def held(log):
    """Let another process hold the right to write."""
    script = ("import sys; from timeline import Timeline\n"
              "with Timeline(sys.argv[1]): print('open', flush=True); sys.stdin.read()")
    with subprocess.Popen([sys.executable, "-c", script, log], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"open\n"
        yield other
        other.stdin.close()


# ---------------------------------------------------------------------------------------------- help

@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "bench"])
def test_help_has_examples(run, command):
    """Every command explains itself with examples that begin as one would type them."""
    assert f"timeline {command}" in run(command, "--help").stdout


def test_help_of_all(run):
    """The root command lists all commands and the exit codes; so does no arguments at all."""
    shown = run("--help").stdout
    assert all(name in shown for name in COMMANDS)
    assert "130 interrupted" in " ".join(shown.split())
    assert run("--version").stdout.startswith("timeline ")


@pytest.mark.parametrize("command", ["create", "list", "revoke"])
def test_help_of_token_commands(run, command):
    """Subcommands explain themselves too."""
    assert f"token {command}" in run("token", command, "--help").stdout


def test_every_parameter_of_a_question_is_an_option(run):
    """The command line mirrors the one table of parameters."""
    for command in ("show", "export"):
        options = {option for parameter in cli.commands[command].params for option in parameter.opts}
        expected = {"--" + parameter.name.replace("_", "-") for parameter in PARAMETERS}
        assert expected - options == (set() if command == "show" else {"--cursor"})


def test_starting_is_quick():
    """Asking for help loads neither the server nor the terminal's tables."""
    heavy = ("litestar", "httpx", "granian", "sqlite_utils", "jinja2")
    script = f"import sys; from timeline.cli import cli; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout == b"[]\n"


# ---------------------------------------------------------------------------------------------- reading

def test_show(run, log):
    """A table: dates in words, names of actors, status, a mark where the date is inferred; markup is only text."""
    shown = run("show").stdout
    for text in ("September 1843", "Note G", "Ada [red]Lovelace (author)", "=A letter [bold]é", "(?)", "reported",
                 "2 events as of position 4"):
        assert text in shown
    assert "\x1b[" not in shown


def test_show_json_and_pages(run, log):
    """JSON has the events and a cursor to go on."""
    page = json.loads(run("show", "--json", "--limit", 1).stdout)
    assert [event["id"] for event in page["items"]] == ["note-g"]
    rest = json.loads(run("show", "--json", "--limit", 1, "--cursor", page["cursor"]).stdout)
    assert [event["id"] for event in rest["items"]] == ["letter"]
    assert "cursor" not in rest


def test_show_takes_questions(run, log):
    """Parameters that repeat, positions gone by, other languages."""
    items = json.loads(run("show", "--json", "--topic", "engines", "--topic", "looms", "--at", 2).stdout)["items"]
    assert [event["when"] for event in items] == ["1843-08"]
    assert "août 1843" in run("show", "--at", 2, "--lang", "fr").stdout
    assert run("show", "--actor", "ada", "--from", "1900").stdout == "0 events as of position 4\n"


def test_show_marks_what_was_withdrawn(run, log, tmp_path):
    """A retracted event is shown where it is asked for, with its mark; a merged one in its history."""
    (tmp_path / "r.ndjson").write_text(
        '{"type":"events.merged","id":"note-g","duplicates":["letter"],"reason":"the same"}\n'
        '{"type":"event.retracted","id":"note-g","reason":"it never was"}\n')
    run("import", "r.ndjson")
    assert run("show").stdout == "0 events as of position 6\n"
    assert "✗ retracted" in run("show", "--retracted", "include").stdout
    assert "retracted by local" in run("history", "note-g").stdout
    assert "merged into note-g" in run("history", "letter").stdout


def test_history(run, log):
    """Revisions with their reasons and differences."""
    shown = run("history", "note-g").stdout
    for text in ("revision 2 · position 4", "corrected by local", "the journal came late", "- 1843-08", "+ 1843-09"):
        assert text in shown
    assert json.loads(run("history", "note-g", "--json").stdout)[1]["changes"] == {"when": "1843-09"}


@pytest.mark.parametrize(("name", "start"), [
    ("json", b'{"items":['), ("ndjson", b'{"id":"note-g"'), ("csv", b"id,kind"),
])
def test_export(run, log, tmp_path, name, start):
    """To standard output, or to a file that is complete or not there."""
    written = run("export", "-f", name).stdout_bytes
    assert written.startswith(start)
    run("export", "-f", name, "-o", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == written
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_export_narrows(run, log):
    """Questions and limits hold for exports; formulas are made harmless in CSV."""
    assert run("export", "--limit", 1).stdout.count("\n") == 1
    assert run("export", "--topic", "engines").stdout.count("\n") == 1
    assert "'=A letter" in run("export", "-f", "csv").stdout


def test_a_failed_export_leaves_the_file_as_it_was(run, log, tmp_path):
    """What stood there stays; no half of anything is left behind."""
    (tmp_path / "out").write_text("before")
    run("export", "--at", 99, "-o", tmp_path / "out", code=3)
    assert (tmp_path / "out").read_text() == "before"
    assert "no directory" in run("export", "-o", tmp_path / "nowhere" / "out", code=3).stderr


def test_a_log_goes_out_and_in(run, log, tmp_path):
    """The exported log gives the same size and root."""
    run("export", "-f", "log", "-o", "log.ndjson")
    run("--db", "copy.db", "import", "log.ndjson")
    roots = [json.loads(run("--db", db, "verify", "--json").stdout)["root"] for db in ("timeline.db", "copy.db")]
    assert roots[0] == roots[1]
    assert "without a question" in run("export", "-f", "log", "--topic", "x", code=2).stderr


# ---------------------------------------------------------------------------------------------- files in

def test_import_reports(run, file):
    """What is new, and what was there."""
    assert run("import", file).stdout == "imported 4 changes\n"
    assert run("import", file).stdout == "imported 0 changes, 4 were there already\n"
    assert json.loads(run("import", file, "--json").stdout) == {
        "read": 4, "new": 0, "unchanged": 4, "revised": 0, "position": 0, "notes": [], "dry_run": False}


def test_import_from_standard_input(run):
    """A dash reads what is piped in."""
    run("import", "-", input='{"title":"X"}\n')
    assert json.loads(run("show", "--json").stdout)["items"][0]["id"] == "x"


def test_a_dry_run_checks_everything_and_writes_nothing(run, log, file, tmp_path):
    """References are checked against what is in the log; the first events are shown as they would stand."""
    (tmp_path / "more.csv").write_text("title,when,actors\nXylophone,1843-09,ada\n")
    shown = run("import", "more.csv", "--dry-run").stdout
    assert shown.endswith("would import 1 changes\n")
    assert "Xylophone" in shown
    assert "September 1843" in shown
    (tmp_path / "bad.csv").write_text("title,actors\nX,eve\n")
    failed = run("import", "bad.csv", "--dry-run", code=2).stderr
    assert failed.startswith("error: nothing was written; would import 0 changes")
    assert "bad.csv:2: column actors: unknown actor eve" in failed
    assert "4 records" in run("verify").stdout
    assert run("--db", "other.db", "import", file, "--dry-run").stdout.endswith("would import 4 changes\n")
    assert not (tmp_path / "other.db").exists()


def test_a_conflict_names_the_way_out(run, log, tmp_path):
    """Other content under the same id is a conflict, or with --revise a correction."""
    (tmp_path / "c.csv").write_text("id,title,when\nletter,A letter,1843-09\n")
    failed = run("import", "c.csv", code=4).stderr
    assert "c.csv:2: column id: event letter is in the log with other content" in failed
    assert "1 of them corrections" in run("import", "c.csv", "--revise", "the archive says so").stdout


# ---------------------------------------------------------------------------------------------- failing

@pytest.mark.parametrize(("arguments", "code", "text"), [
    (["show", "--fron", "1843"], 2, "error: No such option '--fron'"),
    (["frobnicate"], 2, "error: No such command 'frobnicate'"),
    (["show", "--from", "1843-13"], 2, "no month 13"),
    (["show", "--limit", "0"], 2, "expected a whole number 1..1000"),
    (["show", "--actor", "adda"], 3, "did you mean ada?"),
    (["show", "--at", "99"], 3, "the log ends at position 4"),
    (["history", "note-h"], 3, "did you mean note-g?"),
    (["import", "nowhere.csv"], 3, "there is no file nowhere.csv"),
    (["--db", "nowhere.db", "show"], 3, "there is no log at nowhere.db"),
    (["--db", "nowhere.db", "verify"], 3, "there is no log at nowhere.db"),
    (["--db", "nowhere/x.db", "import", "events.ndjson"], 3, "there is no directory nowhere"),
    (["--db", "events.ndjson", "show"], 4, "not a timeline log"),
    (["token", "revoke", "1"], 3, "there is no token 1"),
    (["token", "create", "x", "--expires", "soon"], 2, "expected a day"),
    (["serve", "--host", "192.0.2.1"], 2, "--public-read"),
    (["demo", "--host", "192.0.2.1"], 2, "this machine only"),
    (["--url", "http://127.0.0.1:9", "show"], 6, "cannot reach the server"),
    (["--url", "ftp://x", "show"], 2, "expected http://"),
    (["--url", "http://127.0.0.1:9", "export", "-f", "log"], 2, "leave out --url"),
], ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_errors_are_one_line_and_a_code(run, log, arguments, code, text):
    """`error: ...` on standard error, nothing on standard output, and no file made by asking."""
    result = run(*arguments, code=code)
    assert result.stderr.startswith("error: ")
    assert text in result.stderr
    assert result.stdout == ""
    assert not (log.parent / "nowhere.db").exists()


def test_a_bug_is_not_shown_as_a_traceback(run, log, monkeypatch):
    """Neither traceback nor SQL nor paths of ours: a sentence."""
    def broken(*_):
        raise ZeroDivisionError("/secret/path.py SELECT 1")

    monkeypatch.setattr(Timeline, "ask", broken)
    failed = run("show", code=1).stderr
    assert failed == "error: internal error, which is a bug: set TIMELINE_DEBUG=1 to see where\n"


def test_ctrl_c_is_quiet(run, log, monkeypatch):
    """Interrupted means 130 and no words but the end of the line that ^C stands on."""
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Timeline, "ask", interrupted)
    assert run("show", code=130).output == "\n"


def test_the_token_is_never_printed(run):
    """Not by an error and not by a dump of the settings."""
    secret = "tl_very-secret"
    assert secret not in run("--url", "http://127.0.0.1:9", "--token", secret, "show", code=6).output
    assert secret not in run("--help", env={"TIMELINE_TOKEN": secret}).output


# ---------------------------------------------------------------------------------------------- a writer at work

def test_reading_while_another_process_writes(run, held, tmp_path):
    """Everything that only reads works; what would write says who is writing."""
    assert "2 events" in run("show").stdout
    assert "revision 2" in run("history", "note-g").stdout
    assert run("export").stdout.count("\n") == 2
    assert run("export", "-f", "log").stdout.count("\n") == 4
    assert "is sound" in run("verify").stdout
    assert f"being written by process {held.pid}" in " ".join(run("doctor").stdout.split())
    for command in (["import", "events.ndjson"], ["rebuild"]):
        assert f"is being written by process {held.pid}" in run(*command, code=6).stderr
    assert run("import", "events.ndjson", "--dry-run").stdout.endswith("would import 0 changes, 4 were there already\n")


# ---------------------------------------------------------------------------------------------- care

def test_verify_says_what_is_proved(run, log):
    """Size and root, and what no verification can say."""
    shown = run("verify").stdout
    assert "timeline.db is sound: 4 records, 4 parts" in shown
    assert "does not prove" in shown


def test_verify_finds_damage(run, log):
    """Exit code 7 and the first bad position, for people and for programs."""
    with sqlite3.connect(log) as connection:
        connection.execute("DROP TRIGGER part_no_update")
        connection.execute("UPDATE part SET bytes = replace(bytes, 'Note G', 'Note H') WHERE position = 2")
    connection.close()
    failed = run("verify", code=7).stderr
    assert failed.startswith("error: timeline.db is damaged at position 2")
    assert "the 1 records before it are sound" in failed
    finding = json.loads(run("verify", "--json", code=7).stdout)["finding"]
    assert (finding["position"], finding["check"]) == (2, "part")
    assert "fail" in run("doctor", code=1).stdout


def test_rebuild(run, log, tmp_path):
    """Views that were deleted or spoiled are made anew."""
    next(tmp_path.glob("*.views-v*.db")).write_text("spoiled")
    assert run("rebuild").stdout == "the views stand at position 4\n"
    assert "2 events" in run("show").stdout


def test_doctor(run, log):
    """Looks at everything and finds it in order; without a log there is only advice."""
    checks = {check["name"]: check for check in json.loads(run("doctor", "--json").stdout)}
    assert {name for name, check in checks.items() if check["state"] == "ok"} >= {
        "SQLite", "time zones", "log", "writer", "views", "hashes"}
    assert "there is no log" in run("--db", "nowhere.db", "doctor").stdout


def test_doctor_sees_what_is_no_log(run, log):
    """A file of something else fails."""
    assert "not a timeline log" in run("--db", "events.ndjson", "doctor", code=1).stdout


def test_tokens(run, tmp_path):
    """Made, listed without the secret, revoked."""
    made = run("token", "create", "newsroom", "--scope", "read", "--expires", "2099-01-01")
    secret = made.stdout.strip()
    assert secret.startswith("tl_")
    listed = run("token", "list").stdout
    assert "newsroom" in listed
    assert secret not in listed
    assert run("token", "revoke", 1).stdout == "token 1 is revoked\n"
    assert json.loads(run("token", "list", "--json").stdout)[0]["revoked"]
    assert json.loads(run("token", "create", "x", "--json").stdout)["scopes"] == ["write"]


# ---------------------------------------------------------------------------------------------- demo

def test_demo(run, tmp_path):
    """The milestones in order, a spokeswoman's timeline, a change of stance with its sources, then and now."""
    shown = run("demo", "--no-serve").stdout
    assert str(tmp_path / "data" / "timeline" / "demo.db") in shown
    places = [shown.index(text) for text in (
        "alaska-summit", "washington-meeting", "leavitt-briefing", "paris-summit", "Karoline Leavitt's own timeline",
        "leavitt-no-us-troops", "Who stood where on US troops", "open → against", "What this log knew then",
        "11 to 17 August 2025", "15 August 2025 (confirmed", "Dated by the 20 August dispatch")]
    assert places == sorted(places)
    assert "reused" in run("demo", "--no-serve").stdout
    run("--db", "mine.db", "demo", "--no-serve")
    assert (tmp_path / "mine.db").is_file()


# ---------------------------------------------------------------------------------------------- through a server

@pytest.fixture
def served(run, tmp_path):
    """Serve this test's log; give the address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "timeline.cli", "serve", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        address = f"http://127.0.0.1:{port}"
        with httpx.Client(transport=httpx.HTTPTransport(retries=8)) as client:
            assert client.get(f"{address}/readyz").is_success
        yield address
        server.terminate()
        assert server.wait(10) == 0


def test_everything_goes_through_a_server(run, served, file, tmp_path):
    """Import, show, export and history by HTTP, while the file itself is the server's to write."""
    token = run("token", "create", "newsroom").stdout.strip()
    assert "send a token" in run("--url", served, "import", file, code=5).stderr
    assert "is unknown" in run("--url", served, "--token", "tl_no", "import", file, code=5).stderr
    remote = ["--url", served, "--token", token]
    assert run(*remote, "import", file).stdout == "imported 4 changes\n"
    assert run(*remote, "import", file).stdout == "imported 0 changes, 4 were there already\n"
    assert f"go through it with --url {served}" in run("import", file, code=6).stderr
    page = json.loads(run("--url", served, "show", "--json", "--limit", 1).stdout)
    assert [event["id"] for event in page["items"]] == ["note-g"]
    rest = json.loads(run("--url", served, "show", "--json", "--limit", 1, "--cursor", page["cursor"]).stdout)
    assert [event["id"] for event in rest["items"]] == ["letter"]
    assert run("--url", served, "export", "-f", "csv").stdout_bytes == run("export", "-f", "csv").stdout_bytes
    assert "corrected by newsroom" in run("--url", served, "history", "note-g").stdout
    assert "no event nope" in run("--url", served, "history", "nope", code=3).stderr
    assert "--revise works on a log on this machine" in run(*remote, "import", file, "--revise", "x", code=2).stderr


@pytest.mark.parametrize(("line", "code", "text"), [
    ('{"title":"X","actors":[{"id":"eve"}]}', 2, "standard input:1: /event/actors/0/id: unknown actor eve"),
    ('{"id":"letter","title":"Other"}', 4, "event letter is in the log with other content"),
    ('{"id":"letter","title":"Y"}', 0, "1 were there already"),
])
def test_faults_through_a_server(run, served, line, code, text):
    """They are told as if the log were here; content that is there already is none."""
    token = run("token", "create", "newsroom").stdout.strip()
    other = run("token", "create", "other").stdout.strip()
    run("--url", served, "--token", other, "import", "-", input='{"id":"letter","title":"Y"}\n')
    assert text in run("--url", served, "--token", token, "import", "-", input=line, code=code).output


# ---------------------------------------------------------------------------------------------- as a program

def program(*arguments, **environment):
    command = [sys.executable, "-m", "timeline.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=False, env={"PATH": os.environ["PATH"], **environment})


@pytest.mark.parametrize("lang", ["C", "C.UTF-8", "en_US.ISO-8859-1"])
def test_any_locale(log, lang):
    """No character of a title can fail the output."""
    done = program("--db", log, "show", LANG=lang, LC_ALL=lang)
    assert done.returncode == 0, done.stderr
    assert b"=A letter [bold]" in done.stdout


def test_a_narrow_character_set(log):
    """Where the terminal has no such character, an escape stands for it."""
    done = program("--db", log, "show", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert b"\\xe9" in done.stdout


def test_a_pipe_that_closes(log):
    """`timeline export | head -0` ends quietly."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([sys.executable, "-m", "timeline.cli", "--db", log, "export"], stdout=writing,
                          stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")
