"""Importing: every form, every kind of fault by file, line and field, and runs that can be repeated."""

import io
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
from contextlib import closing

import pytest

from timeline import Timeline
from timeline.errors import Conflict, Invalid, Malformed, NotFound, TimelineError
from timeline.formats import FORMATS, Sheet
from timeline.importing import Importer, Local, Manner, find, write_log
from timeline.log.sqlite import LogFile

ADA = {"type": "actor.described", "actor": {"id": "ada", "kind": "person", "name": "Ada Lovelace"}}
SOURCE = {"type": "source.described", "source": {"id": "src", "title": "A source"}}


def event(number, **fields):
    return {"id": f"event-{number}", "title": f"Event {number}", "when": "1843-09",
            "actors": [{"id": "ada", "role": "author"}], **fields}


def recorded(number, **fields):
    return {"type": "event.recorded", "event": event(number, **fields)}


def ndjson(*values):
    return "".join(json.dumps(value) + "\n" for value in values).encode()


@pytest.fixture
def timeline(tmp_path):
    with Timeline(tmp_path / "t.db") as opened:
        yield opened


@pytest.fixture
def put(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()

    def write(name, content):
        path = folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def load(timeline, *paths, revise=None, progress=lambda _: None):
    with closing(Local(timeline)) as target:
        return Importer(target, Manner(revise=revise), progress=progress).run(find(paths))


def refused(timeline, *paths, error=TimelineError, revise=None):
    """Import what must fail; give the places and details of the faults."""
    before = timeline.position
    with pytest.raises(error) as caught:
        load(timeline, *paths, revise=revise)
    assert "what is in stays in" in caught.value.detail
    assert timeline.position >= before
    return [(fault.pointer.rpartition("/in/")[2], fault.detail) for fault in caught.value.faults]


# ---------------------------------------------------------------------------------------------- forms

def test_changes_and_bare_events(timeline, put):
    """NDJSON may mix changes and bare events; spaces, blank lines and a byte order mark do not matter."""
    path = put("a.ndjson", b"\xef\xbb\xbf" + ndjson(ADA) + b"\n  \n" + ndjson(recorded(1), event(2)))
    assert load(timeline, path).new == 3
    assert [each["id"] for each in timeline.events()] == ["event-1", "event-2"]


@pytest.mark.parametrize("content", [
    json.dumps([ADA, recorded(1)]), json.dumps([ADA, event(1)], indent=2),
    json.dumps({"items": [ADA, event(1)], "position": 7}), json.dumps({"items": [ADA, event(1)]}, indent=1),
], ids=["list", "indented", "page", "indented page"])
@pytest.mark.parametrize("name", ["a.json", "a.txt"])
def test_json_documents(timeline, put, content, name):
    """A list, a page with items, on one line or on many."""
    assert load(timeline, put(name, content)).new == 2


def test_one_object_is_one_event(timeline, put):
    """A single event, spread over lines."""
    load(timeline, put("a.json", json.dumps({"id": "x", "title": "X"}, indent=2)))
    assert timeline.event("x")["title"] == "X"


def test_lines_named_json(timeline, put):
    """NDJSON that is called .json is read all the same."""
    assert load(timeline, put("a.json", ndjson(ADA, event(1), event(2)))).new == 3


def test_nothing_to_import(timeline, put):
    """Empty files are no fault."""
    assert load(timeline, put("a.ndjson", b""), put("b.json", b" \n"), put("c.csv", b"")).read == 0


def test_what_an_export_writes_goes_in_again(timeline, put):
    """Fields that views derive are left out, with a note; what is there already changes nothing."""
    load(timeline, put("a.ndjson", ndjson(ADA, recorded(1), recorded(2))))
    bodies = [json.dumps(body) for body in timeline.events()]
    for name in ("ndjson", "json"):
        path = put(f"b.{name}", FORMATS[name].encode(Sheet(bodies, 3)))
        outcome = load(timeline, path)
        assert (outcome.new, outcome.unchanged) == (0, 2)
        assert "derived" in outcome.notes[0]
    assert timeline.position == 3


def test_directories_go_by_name(timeline, put):
    """Known extensions in lexical order; hidden and other files are left alone."""
    put("20-events.ndjson", ndjson(recorded(1)))
    put("10-actors.ndjson", ndjson(ADA))
    put(".hidden.ndjson", b"{broken")
    folder = put("notes.txt", b"{broken").parent
    assert load(timeline, folder).new == 2


def test_an_empty_directory(timeline, tmp_path):
    """There is nothing to import, and that is said; as it is of a file that is not there."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFound, match=r"nothing to import in .*\*\.ndjson"):
        load(timeline, tmp_path / "empty")
    with pytest.raises(NotFound, match="there is no file"):
        load(timeline, tmp_path / "nowhere.csv")


def test_standard_input(timeline, monkeypatch):
    """A dash is standard input; its form is found out from the content."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(ndjson(ADA, recorded(1)))))
    assert load(timeline, "-").new == 2
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"title;when\nX;1843\n")))
    assert load(timeline, "-").new == 1


# ---------------------------------------------------------------------------------------------- CSV

@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_csv_delimiters(timeline, put, separator):
    """Comma, semicolon and tab are told apart by the first line."""
    load(timeline, put("a.ndjson", ndjson(ADA)))
    lines = [["id", "title", "when", "actors"], ["x", "Ada’s note", "1843-09", "ada:author"]]
    path = put("a.csv", "\ufeff" + "\r\n".join(separator.join(line) for line in lines))
    load(timeline, path)
    assert timeline.event("x")["actors"] == [{"id": "ada", "role": "author"}]


def test_csv_roundtrip_and_formulas(timeline, put, tmp_path):
    """Text that a spreadsheet would run comes back as it was."""
    texts = ["=1+1", "+x", "-x", "@x", "'=x", 'a "quoted"; cell, with\nlines', "plain"]
    load(timeline, put("a.ndjson", ndjson(ADA, *(recorded(n, title=text, topics=["x", "y"])
                                                for n, text in enumerate(texts)))))
    path = put("b.csv", FORMATS["csv"].encode(Sheet([json.dumps(body) for body in timeline.events()], 9)))
    assert load(timeline, path).unchanged == len(texts)
    with Timeline(tmp_path / "other.db") as other:
        load(other, put("c.ndjson", ndjson(ADA)))
        assert load(other, path).new == len(texts)
        assert [each["title"] for each in other.events()] == texts


def test_a_spreadsheet_corrects_only_what_it_says(timeline, put):
    """What CSV cannot carry, and what its cells leave empty, stays as it is."""
    full = event(1, status="disputed", stances=[{"actor": "ada", "topic": "engines", "position": "for"}],
                 place={"name": "London", "lat": 51.5, "lon": -0.12},
                 translations={"fr": {"title": "Un", "summary": "S"}},
                 citations=[{"source": "src", "start": 1, "end": 5, "span_sha256": "ab" * 32}])
    load(timeline, put("a.ndjson", ndjson(ADA, SOURCE, full)))
    table = FORMATS["csv"].encode(Sheet([json.dumps(body) for body in timeline.events()], 3))
    assert load(timeline, put("b.csv", table), revise="edited").new == 0
    load(timeline, put("c.csv", table.replace(b"Event 1", b"Event One").replace(b"Un,", b"Une,")), revise="edited")
    load(timeline, put("d.csv", "id,title,summary,actors\nevent-1,Event One,,ada:author\n"), revise="edited")
    versions = timeline.history("event-1")
    assert [each["changes"] for each in versions[1:]] == [
        {"title": "Event One", "translations": {"fr": {"title": "Une"}}}]


@pytest.mark.parametrize(("content", "place", "detail"), [
    ("id,titel\nx,X\n", "a.csv:1: column titel", "did you mean title?"),
    ("id,when\nx,1843\n", "a.csv:1: column title", "no column title"),
    ("title,title\nx,X\n", "a.csv:1: column title", "stands twice"),
    ("id,title\nx,X\ny\n", "a.csv:3", "expected 2 cells"),
    ('id,title\nx,"a\nb"\ny,Y,Z\n', "a.csv:4", "expected 2 cells"),
    ("title,when\nX,1843\nY,1843-13\n", "a.csv:3: column when", "no month 13"),
    ("title,actors\nX,Ada Lovelace\n", "a.csv:2: column actors", "expected a slug"),
    ("title,sequence\nX,first\n", "a.csv:2: column sequence", "expected `int`"),
    ("id,title,title_fr\nx,X,\ny,Y,\nZ!,Z,\n", "a.csv:4: column id", "expected a slug"),
    ('title\n"X\n', "a.csv:2", "malformed CSV"),
])
def test_faults_of_csv(timeline, put, content, place, detail):
    """Each names the line and the column, and what would be right."""
    found = refused(timeline, put("a.csv", content))
    assert found[0][0] == place
    assert detail in found[0][1]
    assert timeline.position == 0


def test_csv_that_is_not_utf8(timeline, put):
    """A spreadsheet's old encoding is named with its line."""
    assert refused(timeline, put("a.csv", b"title\nX\nZ\xfcrich\n"), error=Malformed) == [
        ("a.csv:3", "not UTF-8: byte 0xfc at column 2; save the file as “CSV UTF-8”")]


def test_an_unknown_actor_in_a_csv(timeline, put):
    """What only the log can know is also told by line and column."""
    load(timeline, put("a.ndjson", ndjson(ADA)))
    found = refused(timeline, put("a.csv", "title,actors\nX,ada\nY,ava:author\n"), error=Invalid)
    assert found == [("a.csv:3: column actors", "unknown actor ava, did you mean ada?")]
    assert timeline.position == 1


# ---------------------------------------------------------------------------------------------- faults

@pytest.mark.parametrize(("line", "place", "detail"), [
    (b'{"type":"event.recorded"', ":2", "malformed JSON"),
    (b"[1, 2]", ":2", "expected a JSON object"),
    (b"hello", ":2", "malformed JSON"),
    (b'{"type":"event.recorded","event":{"title":"X"},"event":{"title":"Y"}}', ":2: /event", "given twice"),
    (b'{"type":"event.recorded","event":{"title":"X","title":"Y","lang":"en","lang":"fr","summary":"x","summary":"y"}}',
     ":2: /event/title", "given twice"),  # as many members as kind, status and certainty, which are filled in
    (b'{"type":"event.recorded","event":{"title":"X","when":"1843-13"}}', ":2: /event/when", "no month 13"),
    (b'{"type":"event.recorded","event":{"when":"1843"}}', ":2: /event/title", "required field is missing"),
    (b'{"type":"event.told","event":{"title":"X"}}', ":2: /type", "expected"),
    (b'{"title":"X","colour":"red"}', ":2: /colour", "unknown field"),
    (b'{"title":"X","sequence":"1"}', ":2: /sequence", "expected `int`"),
    (b'{"title":"Z\xfcrich"}', ":2", "not UTF-8"),
    (b'{"type":"event.recorded","event":{"title":"a\\u0007b"}}', ":2: /event/title", "control character"),
    (b'{"title":"X","actors":[{"id":"nobody"}]}', ":2: /event/actors/0/id", "unknown actor nobody"),
    (b'{"type":"event.revised","id":"nothing","patch":{},"reason":"x"}', ":2", "there is no event nothing"),
])
def test_faults_of_ndjson(timeline, put, line, place, detail):
    """Each names the line and the field; nothing of its batch is written."""
    found = refused(timeline, put("a.ndjson", ndjson(ADA) + line + b"\n" + ndjson(recorded(1))))
    assert found[0][0] == f"a.ndjson{place}"
    assert detail in found[0][1]
    assert timeline.position == 0


def test_faults_of_json_documents_name_lines(timeline, put):
    """Items of a list are found by line; a broken document by line and column."""
    path = put("a.json", json.dumps([ADA, event(1), event(2, when="soon")], indent=1))
    found = refused(timeline, path)
    line = next(n for n, text in enumerate(path.read_text().splitlines(), 1) if '"event-2"' in text) - 1
    assert found[0][0] == f"a.json:{line}: /when"
    assert refused(timeline, put("b.json", '[\n{"title":"X"},\n{"title" "Y"}\n]')) == [
        ("b.json:3", "malformed JSON: expecting ':' delimiter at column 10")]


def test_decoding_faults_are_collected(timeline, put):
    """All that is wrong is told at once, up to twenty."""
    bad = [event(n, when="soon") for n in range(30)]
    assert len(refused(timeline, put("a.ndjson", ndjson(ADA, *bad)))) == 20
    found = refused(timeline, put("b.ndjson", ndjson(ADA, bad[0], event(40), bad[1])))
    assert [place for place, _ in found] == ["b.ndjson:2: /when", "b.ndjson:4: /when"]


def test_batches_before_a_fault_stay(timeline, put):
    """The error says how much is in; after the line is mended the same command goes on."""
    changes = [ADA, *(recorded(n) for n in range(2400))]
    changes[2314] = recorded(2313, actors=[{"id": "eve"}])
    path = put("a.ndjson", ndjson(*changes))
    with pytest.raises(Invalid, match=r"imported 2,000 changes; fix line 2,315 of .*a\.ndjson and run the same"):
        load(timeline, path)
    assert timeline.position == 2000
    changes[2314] = recorded(2313)
    path = put("a.ndjson", ndjson(*changes))
    outcome = load(timeline, path)
    assert (outcome.unchanged, outcome.new, timeline.position) == (2000, 401, 2401)


# ---------------------------------------------------------------------------------------------- again

def test_importing_twice_changes_nothing(timeline, put):
    """Neither does it matter whether ids are given, whether lines repeat, or whether things were described anew."""
    anew = {"type": "actor.described", "actor": {"id": "ada", "kind": "person", "name": "Ada King"}}
    revised = {"type": "event.revised", "id": "event-1", "patch": {"title": "One"}, "reason": "better"}
    same = {"title": "No id"}
    path = put("a.ndjson", ndjson(ADA, same, same, recorded(1), recorded(1), revised, anew, ADA))
    assert load(timeline, path).new == 7
    assert [each["id"] for each in timeline.events()] == ["event-1", "no-id", "no-id-2"]
    assert timeline.actor("ada")["name"] == "Ada Lovelace"
    root = timeline.head().root
    for _ in range(2):
        outcome = load(timeline, path)
        assert (outcome.new, outcome.unchanged) == (0, 8)
    assert timeline.head().root == root


def test_keys_of_ones_own(timeline, put):
    """A line may bring its key; used for something else it is a conflict."""
    path = put("a.ndjson", ndjson(ADA, {**recorded(1), "key": "k1"}, {**event(2), "key": "k2"}))
    assert load(timeline, path).new == 3
    assert load(timeline, path).new == 0
    found = refused(timeline, put("b.ndjson", ndjson({**recorded(3), "key": "k1"})), error=Conflict)
    assert "idempotency key" in found[0][1]


def test_later_corrections_survive_a_second_import(timeline, put):
    """An event that was corrected since is not put back, not even with --revise."""
    path = put("a.ndjson", ndjson(ADA, recorded(1)))
    load(timeline, path)
    timeline.revise("event-1", {"title": "Better"}, reason="it was wrong")
    load(timeline, path)
    load(timeline, path, revise="again")
    assert timeline.event("event-1")["title"] == "Better"


def test_an_event_that_is_there_with_other_content(timeline, put):
    """The error says so and names the way out, which then makes a correction with its reason."""
    load(timeline, put("a.ndjson", ndjson(ADA, recorded(1), recorded(2))))
    path = put("b.ndjson", ndjson(recorded(3), recorded(1, title="Changed"), recorded(2), event(4)))
    found = refused(timeline, path, error=Conflict)
    assert found[0][0] == "b.ndjson:2: /event/id"
    assert "other content (title)" in found[0][1]
    assert '--revise "reason"' in found[0][1]
    assert timeline.position == 3
    outcome = load(timeline, path, revise="the printer's error")
    assert (outcome.new, outcome.unchanged, outcome.revised) == (3, 1, 1)
    last = timeline.history("event-1")[-1]
    assert last["changes"] == {"title": "Changed"}
    assert last["revision"]["reason"] == "the printer's error"
    assert load(timeline, path, revise="the printer's error").new == 0


def test_one_id_twice_in_a_file(timeline, put):
    """The second line names the first; with --revise it corrects it."""
    path = put("a.ndjson", ndjson(ADA, recorded(1), recorded(1, title="Changed")))
    assert "line 2 of" in refused(timeline, path, error=Conflict)[0][1]
    load(timeline, path, revise="later lines win")
    assert timeline.event("event-1")["title"] == "Changed"
    assert load(timeline, path).new == 0


def test_a_retracted_event_is_not_revised(timeline, put):
    """What was withdrawn stays so."""
    load(timeline, put("a.ndjson", ndjson(ADA, recorded(1))))
    timeline.retract("event-1", reason="it never happened")
    found = refused(timeline, put("b.ndjson", ndjson(recorded(1, title="Other"))), error=Conflict, revise="x")
    assert "was retracted or merged: choose another id" in found[0][1]


def test_twenty_thousand_lines(timeline, put):
    """A large file streams through, with progress on the way."""
    lines = b"".join(b'{"id":"e-%d","title":"Event %d","when":"18%02d"}\n' % (n, n, n % 100) for n in range(20_000))
    seen = []
    timeline.bulk(active=True)
    outcome = load(timeline, put("a.ndjson", lines), progress=lambda outcome: seen.append(outcome.settled))
    assert (outcome.new, timeline.position) == (20_000, 20_000)
    assert seen == list(range(1000, 20_001, 1000))


KILLED = """
import os, signal, sys
from timeline import Timeline
from timeline.importing import Importer, Local, find

def stop(outcome):
    if outcome.new >= 1500:
        os.kill(os.getpid(), signal.{signal})

with Timeline(sys.argv[1]) as timeline:
    try:
        Importer(Local(timeline), progress=stop).run(find(sys.argv[2:]))
    except KeyboardInterrupt:
        sys.exit(130)
"""


@pytest.mark.parametrize(("name", "code"), [("SIGKILL", -9), ("SIGINT", 130)])
def test_an_import_that_was_cut_off_goes_on(tmp_path, put, name, code):
    """Killed or interrupted between batches, the same import finishes the work and loses nothing."""
    path = put("a.ndjson", ndjson(ADA, *(recorded(n) for n in range(4000))))
    script = textwrap.dedent(KILLED.format(signal=name))
    done = subprocess.run([sys.executable, "-c", script, tmp_path / "t.db", path], check=False)
    assert done.returncode == code
    with Timeline(tmp_path / "t.db") as timeline:
        held = timeline.position
        assert 1500 < held < 4001
        outcome = load(timeline, path)
        assert (outcome.unchanged, outcome.new) == (held, 4001 - held)
        assert timeline.verify().sound


def test_interruption_waits_for_what_is_on_its_way(timeline, put):
    """Ctrl-C while a batch is being written: it arrives, and is counted."""
    calls = []

    class Slow(Local):
        def submit(self, changes):
            calls.append(len(changes))
            if len(calls) == 2:
                threading.Timer(0, os.kill, (os.getpid(), signal.SIGINT)).start()
                threading.Event().wait(5)
            return super().submit(changes)

    with closing(Slow(timeline)) as target:
        importer = Importer(target)
        with pytest.raises(KeyboardInterrupt):
            importer.run(find([put("a.ndjson", ndjson(ADA, *(recorded(n) for n in range(3000))))]))
    assert importer.outcome.settled == timeline.position


# ---------------------------------------------------------------------------------------------- logs

@pytest.fixture
def exported(timeline, put):
    """Give a log with all kinds of records, exported."""
    revised = {"type": "event.revised", "id": "event-1", "patch": {"title": "One"}, "reason": "better"}
    text = {"type": "source.described", "source": {"id": "src", "title": "S", "text": "Bonjour à tous"}}
    load(timeline, put("a.ndjson", ndjson(ADA, text, *(recorded(n) for n in range(700)), revised)))
    with closing(LogFile(timeline.path)) as log:
        return put("x.ndjson", b"".join(write_log(log)))


def test_a_log_comes_back_the_same(timeline, exported, tmp_path, put):
    """Into an empty log: the same Merkle root, the same answers, and the same keys."""
    with Timeline(tmp_path / "other.db") as other:
        assert load(other, exported).new == timeline.position
        assert other.head().root == timeline.head().root
        assert list(other.events()) == list(timeline.events())
        assert load(other, put("a.ndjson", (exported.parent / "a.ndjson").read_bytes())).new == 0
        assert load(other, exported).unchanged == timeline.position
        assert other.verify().sound


def test_a_log_continues(timeline, exported, tmp_path, put):
    """A longer export adds what is missing."""
    with Timeline(tmp_path / "other.db") as other:
        lines = exported.read_bytes().splitlines(keepends=True)
        load(other, put("first.ndjson", b"".join(lines[:300])))
        outcome = load(other, exported)
        assert (outcome.new, outcome.unchanged) == (len(lines) - 300, 300)
        assert other.head().root == timeline.head().root


def test_a_log_does_not_go_into_another(exported, tmp_path, put):
    """Another beginning is a conflict."""
    with Timeline(tmp_path / "other.db") as other:
        load(other, put("b.ndjson", ndjson(SOURCE)))
        with pytest.raises(Conflict, match="another record at position 1"):
            load(other, exported)


def test_a_log_that_was_altered(exported, tmp_path, put):
    """The line is named whose bytes do not hash to what they should."""
    lines = exported.read_bytes().splitlines(keepends=True)
    lines[650] = lines[650].replace(b"Event 648", b"Event 649")
    with Timeline(tmp_path / "other.db") as other:
        with pytest.raises(Invalid, match=r"line 651: .*do not match") as caught:
            load(other, put("bad.ndjson", b"".join(lines)))
        assert caught.value.faults[0].pointer.endswith("bad.ndjson:651")
        assert other.position == 650
        with pytest.raises(Malformed, match="line 2: not a record of a log"):
            load(other, put("worse.ndjson", lines[0] + b'{"position":2}\n'))


# ---------------------------------------------------------------------------------------------- order

def named(number, *others):
    return event(number, relations=[{"type": "follows", "event": f"event-{other}"} for other in others])


def test_events_may_name_events_further_down(timeline, put):
    """A chronological export is full of such references; the file's order is kept where it can be."""
    load(timeline, put("a.ndjson", ndjson(ADA, named(1, 3), named(2), named(3, 4), named(4))))
    recorded = [each.header.streams[0][0] for each in timeline.records() if each.header.type == "event.recorded"]
    assert recorded == ["event/event-2", "event/event-4", "event/event-3", "event/event-1"]
    assert all(each["revision"]["number"] == 1 for each in timeline.events())


def test_events_that_name_each_other_are_completed_by_a_revision(timeline, put):
    path = put("a.ndjson", ndjson(ADA, named(1, 2), named(2, 1), named(3, 1)))
    load(timeline, path)
    for number, other in ((1, 2), (2, 1), (3, 1)):
        assert timeline.event(f"event-{number}")["relations"] == [{"type": "follows", "event": f"event-{other}"}]
    assert "named" not in timeline.history("event-1")[-1]["revision"]["reason"]
    assert "recorded after it" in timeline.history("event-1")[-1]["revision"]["reason"]
    position = timeline.position
    assert load(timeline, path).new == 0
    assert timeline.position == position


def test_an_event_that_names_one_that_is_nowhere_is_a_fault(timeline, put):
    path = put("a.ndjson", ndjson(ADA, named(1), named(2, 9), named(3, 2)))
    places = refused(timeline, path, error=Invalid)
    assert [place for place, _ in places] == ["a.ndjson:3: /event/relations/0/event"]
    assert "unknown event event-9" in places[0][1]


def test_references_across_batches_are_found(timeline, put, monkeypatch):
    monkeypatch.setattr("timeline.importing.run.BATCH", 3)
    monkeypatch.setattr("timeline.importing.run.SMALL_BATCH", 2)
    load(timeline, put("a.ndjson", ndjson(ADA, *(named(number, 11 - number) for number in range(1, 11)))))
    assert len(list(timeline.events())) == 10
    assert all(each["relations"] for each in timeline.events())


def test_a_retraction_waits_for_its_event(timeline, put):
    gone = {"type": "event.retracted", "id": "event-1", "reason": "never happened"}
    load(timeline, put("a.ndjson", ndjson(ADA, {"type": "event.recorded", "event": named(1, 2)}, gone, named(2))))
    assert "retracted" in timeline.event("event-1")
