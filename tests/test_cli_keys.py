"""Keys, checkpoints and proofs on the command line, and what `verify --against` catches."""

import json
import os
import re
import shutil
import sqlite3
import stat
import threading
import time
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from api_client import serving
from click.testing import CliRunner

from timeline import Timeline, merkle
from timeline.cli import cli, keys, remote
from timeline.cli.keys import key_path
from timeline.log.sqlite import SqliteLog
from timeline.tlog import CosignatureSigner, Signer, TlogProof, Verifier, cosigned_at, open_checkpoint, open_note
from timeline.witness.judging import Stale, Witness
from timeline.witness.store import Store

NEEDLESS = ("TIMELINE_DB", "TIMELINE_URL", "TIMELINE_TOKEN", "TIMELINE_DEBUG", "TIMELINE_KEY", "COLUMNS")


def fill(timeline, count, name="s"):
    timeline.append([{"type": "source.described", "source": {"id": f"{name}-{n}", "title": f"{name} {n}"}}
                     for n in range(timeline.log_size, timeline.log_size + count)])


@pytest.fixture
def run(tmp_path, monkeypatch):
    for name in NEEDLESS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)

    def call(*arguments, code=0, **options):
        result = CliRunner().invoke(cli, [str(each) for each in arguments], **options)
        assert result.exit_code == code, result.output
        assert "Traceback" not in result.output
        assert not re.search(r"PRIVATE\+KEY\+\w", result.output)
        return result

    return call


@pytest.fixture
def log(tmp_path):
    """A log of 20 records, without a key."""
    path = tmp_path / "timeline.db"
    with Timeline(path) as timeline:
        fill(timeline, 20)
    return path


@pytest.fixture
def vkey(run, log):
    return run("key", "generate").stdout.strip()


@pytest.fixture
def through(log, tmp_path, monkeypatch):
    """Let --url ask the application itself."""
    with Timeline(log) as timeline, serving(timeline, tmp_path) as client:
        def request(_, method, path, **options):
            answer = client.request(method, path, **options)
            if answer.is_success:
                return answer.content
            raise remote._problem(answer)

        monkeypatch.setattr(remote.Remote, "_request", request)
        yield timeline


@contextmanager
def witness(store, signer, *logs):
    """A witness on a port of its own."""
    with closing(Store(store)) as opened:
        judge = Witness(opened, signer, {log.name: log for log in logs}, time.time)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                try:
                    self.answer(200, "text/plain", judge.add_checkpoint(body))
                except Stale as error:
                    self.answer(error.status, "text/x.tlog.size", f"{error.size}\n")

            def answer(self, status, type_, text):
                self.send_response(status)
                self.send_header("Content-Type", type_)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_):
                pass

        with HTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            try:
                yield f"http://127.0.0.1:{server.server_port}"
            finally:
                server.shutdown()
                thread.join()


# ---------------------------------------------------------------------------------------------- keys


def test_a_key_is_made_for_this_log_and_only_its_owner_can_read_it(run, log, vkey, tmp_path):
    file = tmp_path / "timeline.key"
    assert key_path(log) == file
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    signer = Signer.parse(file.read_text().strip())
    with Timeline(log) as timeline:
        assert signer.name == timeline.origin
    assert Verifier.parse(vkey) == signer.verifier
    shown = run("key", "show").stdout
    assert all(text in shown for text in (vkey, signer.key_id.hex(), signer.name, "timeline.key, beside the log"))
    as_json = json.loads(run("key", "show", "--json").stdout)
    assert as_json == {"vkey": vkey, "key_id": signer.key_id.hex(), "origin": signer.name,
                       "from": "timeline.key, beside the log"}


def test_the_mode_of_a_key_file_does_not_depend_on_the_umask(run, log, tmp_path):
    before = os.umask(0)
    try:
        run("key", "generate")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "timeline.key").stat().st_mode) == 0o600


def test_a_key_is_never_overwritten(run, log, vkey, tmp_path):
    secret = (tmp_path / "timeline.key").read_bytes()
    assert "never overwritten" in run("key", "generate", code=4).stderr
    (tmp_path / "link.key").symlink_to("nowhere")
    assert "never overwritten" in run("key", "generate", "--out", "link.key", code=4).stderr
    assert (tmp_path / "timeline.key").read_bytes() == secret
    assert not (tmp_path / "nowhere").exists()
    assert "no directory" in run("key", "generate", "--out", "no/such/timeline.key", code=3).stderr


def test_a_key_kept_elsewhere_is_named_by_option_or_environment(run, log, tmp_path):
    made = run("key", "generate", "--out", "far.key")
    assert "--key or TIMELINE_KEY" in made.stderr
    assert not (tmp_path / "timeline.key").exists()
    assert "not signed" in run("checkpoint").stderr
    for given in ({"arguments": ("--key", "far.key")}, {"env": {"TIMELINE_KEY": str(tmp_path / "far.key")}}):
        before = given.get("arguments", ())
        assert run(*before, "key", "show", env=given.get("env")).stdout.startswith(made.stdout.strip())
        note = run(*before, "checkpoint", env=given.get("env")).stdout
        verifier = Verifier.parse(made.stdout.strip())
        assert open_checkpoint(note, verifier.name, verifier).checkpoint.size == 20
    assert "there is no key file gone.key" in run("--key", "gone.key", "checkpoint", code=3).stderr


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610])
def test_a_key_that_others_can_use_is_refused(run, log, vkey, tmp_path, mode):
    (tmp_path / "timeline.key").chmod(mode)
    for command in (("checkpoint",), ("key", "show"), ("proof", "inclusion", 1), ("serve",)):
        assert "chmod 600 timeline.key" in run(*command, code=5).stderr
    run("show")  # which signs nothing
    (tmp_path / "timeline.key").chmod(0o400)
    run("checkpoint")


def test_a_file_that_holds_no_key_is_refused_without_showing_it(run, log, vkey, tmp_path):
    file = tmp_path / "timeline.key"
    secret = file.read_text()
    for content in (b"", b"\xff\xfe", secret.replace("PRIVATE", "SECRET").encode(), secret[:-6].encode()):
        file.write_bytes(content)
        refused = run("checkpoint", code=2).stderr
        assert "timeline.key does not hold the key of a log" in refused
        assert secret.strip()[-20:-6] not in refused
    file.unlink()
    file.mkdir(mode=0o700)
    assert "is a directory" in run("checkpoint", code=2).stderr


def test_the_key_of_another_log_is_refused(run, log, tmp_path):
    (tmp_path / "timeline.key").write_text(Signer("news.example/other", bytes(32)).skey)
    (tmp_path / "timeline.key").chmod(0o600)
    for command in (("checkpoint",), ("key", "show")):
        assert "this key is for news.example/other" in run(*command, code=2).stderr


def test_without_cryptography_one_sentence_says_how_to_install_it(run, log, vkey, monkeypatch):
    monkeypatch.setattr(keys, "find_spec", lambda _: None)
    for command in (("key", "generate", "--out", "new.key"), ("checkpoint",), ("key", "show")):
        assert "pip install 'timeline[sign]'" in run(*command, code=1).stderr


def test_without_a_key_or_a_log_it_says_how_to_make_one(run, log):
    assert "timeline key generate" in run("key", "show", code=3).stderr
    assert "there is no log" in run("--db", "gone.db", "key", "generate", code=3).stderr
    assert "leave out --url" in run("--url", "http://x", "key", "generate", code=2).stderr


# ---------------------------------------------------------------------------------------------- checkpoints


def test_a_checkpoint_is_printed_signed_or_bare(run, log):
    bare = run("checkpoint")
    with Timeline(log) as timeline:
        assert bare.stdout == timeline.checkpoint_text()
    assert "not signed" in bare.stderr
    verifier = Verifier.parse(run("key", "generate").stdout.strip())
    signed = run("checkpoint")
    assert signed.stdout.startswith(bare.stdout)
    assert signed.stderr == ""
    assert open_checkpoint(signed.stdout, verifier.name, verifier).checkpoint.size == 20
    assert run("checkpoint", "-o", "kept.txt").stdout == ""
    assert Path("kept.txt").read_text() == signed.stdout
    earlier = json.loads(run("checkpoint", "--size", 7, "--json").stdout)
    assert (earlier["size"], earlier["key"]) == (7, verifier.vkey)
    assert "it has not reached 21 yet" in run("checkpoint", "--size", 21, code=3).stderr


def test_a_server_is_asked_for_the_same(run, log, vkey, through):
    through.sign_with(keys.read_signer(key_path(log)))
    there = ("--url", "http://server")
    for command in (("checkpoint", "--json"), ("checkpoint", "--size", 7), ("proof", "inclusion", 5, "--json"),
                    ("proof", "inclusion", 5, 9, "--size", 10, "--json"), ("proof", "consistency", 5, 9, "--json"),
                    ("proof", "consistency", 5)):
        assert run(*there, *command).stdout == run(*command).stdout
    assert json.loads(run(*there, "key", "show", "--json").stdout)["vkey"] == vkey
    run(*there, "proof", "inclusion", 5, "-o", "there.tlog-proof")
    run("proof", "inclusion", 5, "-o", "here.tlog-proof")
    assert Path("there.tlog-proof").read_text() == Path("here.tlog-proof").read_text()
    assert "it has not reached 30 yet" in run(*there, "proof", "consistency", 5, 30, code=3).stderr


@pytest.mark.parametrize(("command", "old", "new"), [
    (("checkpoint",), b'"size":20', b'"size":19'),
    (("checkpoint",), b'"root":"', b'"root":"00'),
    (("proof", "inclusion", 5), b'"proof":["', b'"proof":["x'),
    (("proof", "inclusion", 5), b'"header":{"author":"local"', b'"header":{"author":"LOCAL"'),
    (("proof", "inclusion", 5), b'"size":20', b'"size":21'),
    (("proof", "inclusion", 5, 6), b'"positions":[5,6]', b'"positions":[5,7]'),
    (("proof", "inclusion", 5, 6), b'"positions":[5,6]', b'"positions":[5]'),
    (("proof", "consistency", 5), b'"old_root":"', b'"old_root":"00'),
    (("proof", "consistency", 0), b'"proof":[]', b'"proof":["AAAA"]'),
])
def test_what_a_server_says_is_checked_before_it_is_shown(run, through, monkeypatch, command, old, new):
    honest = remote.Remote._request

    def lying(self, method, path, **options):
        answer = honest(self, method, path, **options)
        assert old in answer
        return answer.replace(old, new)

    monkeypatch.setattr(remote.Remote, "_request", lying)
    refused = run("--url", "http://server", *command, "--json", code=7)
    assert refused.stdout == ""


def test_a_witness_cosigns_a_checkpoint(run, log, vkey, tmp_path):
    signer = CosignatureSigner("other.example/witness", bytes(range(32)))
    with witness(tmp_path / "witness.db", signer, Verifier.parse(vkey)) as url:
        options = ("--witness", url, "--witness-key", signer.verifier.vkey)
        run("checkpoint", "--size", 5, *options)
        note = run("checkpoint", *options).stdout
        opened = open_note(note, [Verifier.parse(vkey), signer.verifier])
        assert len(opened.verified) == 2
        assert cosigned_at(opened.signed_by(signer.verifier)) > 0
        assert "was cut short" in run("checkpoint", "--size", 4, *options, code=4).stderr
        assert "expected one for each --witness" in run("checkpoint", "--witness", url, code=2).stderr
        wrong = run("checkpoint", "--witness", url, "--witness-key", vkey, code=2)
        assert "--witness-key" in wrong.stderr


def test_a_checkpoint_without_a_signature_is_not_cosigned(run, log):
    key = CosignatureSigner("other.example/witness", bytes(32)).verifier.vkey
    refused = run("checkpoint", "--witness", "http://127.0.0.1:9", "--witness-key", key, code=2)
    assert "signed checkpoints only" in refused.stderr


def facts(log):
    with closing(SqliteLog(log)) as opened:
        return opened.facts("key/"), opened.checkpoints()


def test_the_log_remembers_its_public_key_and_the_checkpoints_it_keeps(run, log, vkey, tmp_path):
    known = {f"key/{Verifier.parse(vkey).key_id.hex()}": vkey}
    assert facts(log) == (known, [])
    kept = run("checkpoint", "--size", 9, "--keep").stdout
    assert run("checkpoint", "--size", 9, "--keep").stdout == kept
    assert facts(log) == (known, [(9, kept)])
    run("verify")
    with Timeline(log):
        assert "writ" in run("checkpoint", "--keep", code=6).stderr
        (tmp_path / "timeline.key").unlink()
        run("key", "generate")  # remembered by whoever writes the log
    assert facts(log)[0] == known
    assert "leave out --url" in run("--url", "http://x", "checkpoint", "--keep", code=2).stderr


def test_a_bare_checkpoint_is_not_kept(run, log):
    assert "only signed" in run("checkpoint", "--keep", code=2).stderr
    assert facts(log) == ({}, [])


def test_a_log_is_named_once(run, log, tmp_path):
    named = ("--db", tmp_path / "named.db", "--origin", "news.example/log")
    made = run(*named, "key", "generate").stdout
    assert made.startswith("news.example/log+")
    assert run("--db", tmp_path / "named.db", "checkpoint").stdout.startswith("news.example/log\n0\n")
    (tmp_path / "one.ndjson").write_text('{"title": "A thing", "when": "2025"}\n')
    run(*named, "import", "one.ndjson")
    run("--db", tmp_path / "other.db", "--origin", "news.example/other", "import", "one.ndjson")
    assert run("--db", tmp_path / "other.db", "checkpoint").stdout.startswith("news.example/other\n1\n")
    for command in (("import", "one.ndjson"), ("key", "generate"), ("serve",)):
        refused = run("--origin", "news.example/log", *command, code=4).stderr
        assert "a log keeps the name it was made with" in refused
    assert run("--db", "bad.db", "--origin", "two words", "import", "one.ndjson", code=2)
    assert not (tmp_path / "bad.db").exists()


# ---------------------------------------------------------------------------------------------- proofs


def test_proofs_of_inclusion_are_printed_and_lead_to_the_root(run, log):
    one = json.loads(run("proof", "inclusion", 6, "--json").stdout)
    with Timeline(log) as timeline:
        root, header = timeline.root_at(20), timeline.record_at(6).header_bytes
        assert one["proof"] == hashed(timeline.prove_inclusion(6, 20))
    assert one["root"] == root.hex()
    assert one["leaf_hash"] == merkle.leaf_hash(header).hex()
    shown = run("proof", "inclusion", 6).stdout
    assert all(hash_ in shown for hash_ in (*one["proof"], one["root"], one["leaf_hash"]))
    many = json.loads(run("proof", "inclusion", 9, 6, 9, "--size", 11, "--json").stdout)
    assert many["positions"] == [6, 9]
    assert "are in the log of size 11" in run("proof", "inclusion", 9, 6, "--size", 11).stdout
    for command, code in (((6, "--size", 5), 2), ((21,), 2), ((6, "--size", 21), 3), ((0,), 2), (("x",), 2), ((), 2)):
        run("proof", "inclusion", *command, code=code)


def hashed(proof):
    from timeline.tlog.text import encode_base64

    return [encode_base64(hash_) for hash_ in proof]


def test_a_proof_of_consistency_is_printed(run, log):
    shown = run("proof", "consistency", 6, 15).stdout
    with Timeline(log) as timeline:
        for text in (*hashed(timeline.prove_consistency(6, 15)), timeline.root_at(6).hex(), timeline.root_at(15).hex()):
            assert text in shown
    assert "extends that of size 0" in run("proof", "consistency", 0).stdout
    assert "cannot extend" in run("proof", "consistency", 6, 5, code=2).stderr
    assert "not reached 21" in run("proof", "consistency", 6, 21, code=3).stderr


@pytest.fixture
def kept(run, vkey, tmp_path):
    """The proof of record 6 in a file."""
    run("proof", "inclusion", 6, "-o", "6.tlog-proof")
    return tmp_path / "6.tlog-proof"


def test_a_proof_in_a_file_is_verified_without_the_log(run, log, vkey, kept):
    log.unlink()
    told = run("proof", "verify", kept, "--key", vkey).stdout
    assert "the record at position 6 is in the log" in told
    assert "source/s-5" in told
    assert "signed by the key given" in told
    assert "signature was not verified" in run("proof", "verify", kept).stdout
    shown = json.loads(run("proof", "verify", kept, "--key", vkey, "--json").stdout)
    assert (shown["position"], shown["size"], shown["signature"]) == (6, 20, "verified")


def test_a_proof_without_a_header_takes_it_from_a_file(run, log, vkey, kept, tmp_path, through):
    found = TlogProof.parse(kept.read_text())
    bare = tmp_path / "bare.tlog-proof"
    bare.write_text(TlogProof(found.index, found.hashes, found.checkpoint).text)
    assert "--header" in run("proof", "verify", bare, code=2).stderr
    header, record = tmp_path / "header.json", tmp_path / "record.json"
    header.write_bytes(through.record_at(6).header_bytes)
    record.write_text(json.dumps({"position": 6, "header": json.loads(header.read_text()), "parts": []}, indent=2))
    for given in (header, record):
        assert "position 6" in run("proof", "verify", bare, "--header", given, "--key", vkey).stdout
    header.write_bytes(through.record_at(7).header_bytes)
    assert "does not hold for this header" in run("proof", "verify", kept, "--header", header, code=2).stderr
    header.write_text("[]")
    run("proof", "verify", bare, "--header", header, code=2)
    header.write_text("{")
    run("proof", "verify", bare, "--header", header, code=2)
    run("proof", "verify", bare, "--header", tmp_path / "gone", code=3)


def test_a_proof_that_was_changed_is_refused(run, vkey, kept):
    lines = kept.read_text().split("\n")
    for at, line in enumerate(lines):
        if line.strip():
            middle = len(line) // 2
            letter = "B" if line[middle] != "B" else "C"
            changed = [*lines[:at], line[:middle] + letter + line[middle + 1 :], *lines[at + 1 :]]
            kept.write_text("\n".join(changed))
            run("proof", "verify", kept, "--key", vkey, code=2)
    kept.write_text("\n".join(lines))
    other = Signer("news.example/log", bytes(32)).verifier.vkey
    run("proof", "verify", kept, "--key", other, code=2)
    run("proof", "verify", kept, "--key", "nonsense", code=2)
    run("proof", "verify", "gone.tlog-proof", code=3)


def test_a_file_of_its_own_needs_a_key_and_one_position(run, log, tmp_path):
    assert "timeline key generate" in run("proof", "inclusion", 6, "-o", "6.tlog-proof", code=3).stderr
    assert "one position" in run("proof", "inclusion", 6, 7, "-o", "6.tlog-proof", code=2).stderr
    assert not (tmp_path / "6.tlog-proof").exists()


# ---------------------------------------------------------------------------------------------- verify --against


def test_a_log_that_grew_agrees_with_the_checkpoint(run, log, vkey, tmp_path):
    note = run("checkpoint", "-o", "kept.txt") and (tmp_path / "kept.txt").read_text()
    with Timeline(log) as timeline:
        fill(timeline, 5)
    told = run("verify", "--against", "kept.txt", "--key", vkey).stdout
    assert "its first 20 of 25 records are the same" in told
    assert "nothing of it was rewritten" in told
    assert "signature was not verified" not in told
    assert "signature was not verified" in run("verify", "--against", "kept.txt").stdout
    for text in (note, note.rstrip("\n"), "\n".join(note.split("\n")[:3])):
        assert json.loads(run("verify", "--against", text, "--json").stdout)["against"]["agrees"]
    assert "--against" in run("verify").stdout
    assert run("verify", "--against", "gone.txt", code=3)
    assert "add --against" in run("verify", "--key", vkey, code=2).stderr


def test_a_log_that_was_cut_short_is_caught(run, log, tmp_path):
    older = tmp_path / "older.db"
    shutil.copy(log, older)
    with Timeline(log) as timeline:
        fill(timeline, 5)
    run("checkpoint", "-o", "kept.txt")
    assert "was cut short" in run("--db", older, "verify", "--against", "kept.txt", code=7).stderr
    shown = json.loads(run("--db", older, "verify", "--against", "kept.txt", "--json", code=7).stdout)
    assert (shown["sound"], shown["against"]["agrees"]) == (True, False)
    assert not list(tmp_path.glob("fork-*"))


def test_a_log_that_was_rewritten_is_caught_and_the_evidence_written(run, log, vkey, tmp_path):
    other = tmp_path / "other.db"
    shutil.copy(log, other)
    with Timeline(log) as timeline:
        fill(timeline, 2)
    with Timeline(other) as timeline:
        fill(timeline, 5, "rewritten")
    run("checkpoint", "-o", "kept.txt")
    refused = run("--db", other, "verify", "--against", "kept.txt", "--key", vkey, code=7).stderr
    assert "history was rewritten" in refused
    (evidence,) = tmp_path.glob("fork-*.txt")
    assert evidence.name in refused
    assert (tmp_path / "kept.txt").read_text() in evidence.read_text()
    shown = json.loads(run("--db", other, "verify", "--against", "kept.txt", "--json", code=7).stdout)
    assert shown["against"]["evidence"] == evidence.name


def test_a_checkpoint_of_another_log_or_key_is_no_use(run, log, vkey, tmp_path):
    with Timeline(tmp_path / "foreign.db") as timeline:
        (tmp_path / "foreign.txt").write_text(timeline.checkpoint_text())
    assert "of another log" in run("verify", "--against", "foreign.txt", code=4).stderr
    run("checkpoint", "-o", "kept.txt")
    wrong = Signer(Verifier.parse(vkey).name, bytes(32)).verifier.vkey
    assert "no good signature" in run("verify", "--against", "kept.txt", "--key", wrong, code=2).stderr
    (tmp_path / "kept.txt").write_bytes(b"x" * 200_000)
    assert "larger than any checkpoint" in run("verify", "--against", "kept.txt", code=2).stderr
    (tmp_path / "kept.txt").write_text("nonsense\n")
    run("verify", "--against", "kept.txt", code=2)


def test_a_checkpoint_of_nothing_shows_nothing(run, log):
    told = run("checkpoint", "--size", 0).stdout
    assert "does not prove that nobody rewrote" in run("verify", "--against", told).stdout


def test_damage_is_told_before_any_comparison(run, log):
    note = run("checkpoint").stdout
    with sqlite3.connect(log) as connection:
        connection.execute("DROP TRIGGER record_no_update")
        connection.execute("UPDATE record SET leaf_hash = zeroblob(32) WHERE position = 3")
    connection.close()
    assert "damaged at position 3" in run("verify", "--against", note, code=7).stderr
    assert "against" not in json.loads(run("verify", "--against", note, "--json", code=7).stdout)
