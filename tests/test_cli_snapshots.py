"""`timeline snapshot` as its users type it."""

import json

import pytest
from click.testing import CliRunner

from timeline import Timeline
from timeline.cli import cli
from timeline.snapshots import decode_bundle


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run the command line beside a log of two events."""
    monkeypatch.chdir(tmp_path)
    with Timeline.open("timeline.db") as timeline:
        timeline.describe_actor(id="ann", kind="person", name="Ann")
        timeline.record(id="e1", title="One", when="2025-08-15", actors=[{"id": "ann"}])
        timeline.record(id="e2", title="[bold]Two[/]", when="-0043-03-15", actors=[{"id": "ann"}])
        timeline.record(id="e3", title="حدث", when="2025-08-16")

    def ran(*arguments, code=0):
        result = CliRunner().invoke(cli, arguments)
        assert result.exit_code == code, result.output + result.stderr
        return " ".join((result.output + result.stderr).split())

    return ran


def test_a_bundle_is_made_checked_and_shown(run, tmp_path):
    told = run("snapshot", "create", "--actor", "ann", "-o", "a.json")
    id_ = told.split()[1]
    assert "2 events at position 4" in told
    assert decode_bundle((tmp_path / "a.json").read_bytes()).snapshot.id == id_
    assert "verified, but for what is not known: checkpoint" in run("snapshot", "verify", "a.json", "--id", id_)
    assert "rebuilt from 4 records" in run("snapshot", "verify", "a.json", "--log")
    shown = run("snapshot", "show", "a.json")
    assert "[bold]Two[/]" in shown
    assert run("snapshot", "show", id_) == shown
    assert id_ in run("snapshot", "list")
    again = json.loads(run("snapshot", "create", "--actor", "ann", "--at", "4", "--json"))
    assert (again["id"], again["published"]["position"]) == (id_, 5)


def test_a_snapshot_without_evidence_is_checked_with_the_log(run, tmp_path):
    run("snapshot", "create", "--no-publish", "--write", "content", "-o", "c.json")
    assert "the same" in run("snapshot", "verify", "c.json")
    assert "no snapshot was published yet" in run("snapshot", "list")
    path = tmp_path / "c.json"
    path.write_bytes(path.read_bytes().replace(b'"One"', b'"Won"'))
    assert "event e1 is not what the log says" in run("snapshot", "verify", "c.json", code=7)


@pytest.mark.parametrize("bad", [b"", b"{}", b"\xff\xfe", b"[" * 100_000, b'{"format":"timeline.bundle/1"}', b"null"])
def test_what_is_no_snapshot_is_refused_in_a_sentence(run, tmp_path, bad):
    (tmp_path / "bad.json").write_bytes(bad)
    told = run("snapshot", "verify", "bad.json", code=7)
    assert "FAILED" in told
    assert "Traceback" not in told


@pytest.mark.parametrize(("arguments", "code", "sentence"), [
    (("create", "--actor", "nobody"), 3, "no actor nobody"),
    (("create", "--no-publish"), 2, "--output"),
    (("create", "--at", "99"), 3, "there is no position 99"),
    (("create", "--from", "2025-99"), 2, "there is no month 99"),
    (("create", "--limit", "5"), 2, "No such option"),
    (("show", "nowhere.json"), 3, "there is no file"),
    (("show", "0" * 64), 3, "no snapshot"),
    (("verify", "nowhere.json"), 2, "does not exist"),
])
def test_mistakes_are_told(run, arguments, code, sentence):
    assert sentence in run("snapshot", *arguments, code=code)


def test_an_id_is_64_hexadecimal_digits(run):
    run("snapshot", "create", "-o", "a.json")
    assert "64" in run("snapshot", "verify", "a.json", "--id", "ABC", code=2)
    assert "not the one that was" in run("snapshot", "verify", "a.json", "--id", "0" * 64, code=7)
