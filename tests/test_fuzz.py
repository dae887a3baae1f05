"""Whatever comes in from outside: cursors, proofs, bundles, files, dates, events. Refused in our own words, or right.

By hand, for longer: TIMELINE_FUZZ=20 pytest tests/test_fuzz.py (see tests/fuzz_long.py).
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import tempfile
from contextlib import closing
from itertools import count
from pathlib import Path
from xml.etree import ElementTree as ET

import html5lib
import msgspec
import pytest
from api_client import SEEDS, problem, seeded, serving
from click.testing import CliRunner
from hypothesis import HealthCheck, Phase, assume, event, given, settings
from hypothesis import strategies as st
from icalendar import Calendar
from msgspec import inspect
from test_edtf_laws import ANY, NEARLY, ZONES

from timeline import Timeline, parse_query
from timeline.cli.root import cli
from timeline.edtf import Edtf, EdtfError, parse
from timeline.errors import Malformed, TimelineError
from timeline.formats import FORMATS, Sheet
from timeline.importing import Importer, Local, Manner, find, write_log
from timeline.log.sqlite import LogFile
from timeline.merkle import ProofError, leaf_hash
from timeline.model import Degrees, Event
from timeline.query import make_cursor, resume
from timeline.records import canonical
from timeline.snapshots import decode_bundle, make_bundle, publish, verify_bundle
from timeline.tlog import (
    AddCheckpoint,
    NoteError,
    Signer,
    TileError,
    TlogProof,
    Verifier,
    open_checkpoint,
    parse_tile_path,
    read_entry_bundle,
)
from timeline.views.chart import Frame
from timeline.web.chart import chart
from timeline.web.show import shape
from timeline.wording import when_in_words

FUZZ = int(os.environ.get("TIMELINE_FUZZ", "0"))
FOREIGN = sorted(path for path in (Path(__file__).parent.parent / "fixtures" / "foreign").rglob("*") if path.is_file())


def form(examples):
    """Give the short form, the same each time, or the long one that TIMELINE_FUZZ asks for."""
    shrink = [Phase.shrink] if not FUZZ or os.environ.get("TIMELINE_SHRINK") else []
    return settings(max_examples=examples * max(1, FUZZ), deadline=None, derandomize=not FUZZ, database=None,
                    suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate, *shrink])


# ---------------------------------------------------------------------------------------------- damage

@st.composite
def damaged(draw, whole, tokens=(), most=3):
    """Give bytes with some of them changed, taken out, repeated, moved or put in; never the same bytes."""
    data = whole
    for _ in range(draw(st.integers(1, most))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        to = min(len(data), at + draw(st.integers(1, 1 + draw(st.sampled_from([0, 3, 40, len(whole)])))))
        match draw(st.sampled_from(["flip", "cut", "end", "repeat", "insert", "replace", "move"])):
            case "flip" if data:
                data = data[:at] + bytes([data[at] ^ 1 << draw(st.integers(0, 7))]) + data[at + 1:]
            case "cut":
                data = data[:at] + data[to:]
            case "end":
                data = data[:at]
            case "repeat":
                data = data[:to] + data[at:to] + data[to:]
            case "move":
                data = data[:at] + data[to:] + data[at:to]
            case _ as how:
                token = draw(st.sampled_from(tokens) | st.binary(max_size=4) if tokens else st.binary(max_size=4))
                data = data[:at] + token + data[at if how == "insert" else to:]
    assume(data != whole)
    return data


def places(value, path=()):
    """Yield the path of every value in a JSON document."""
    yield path
    for name, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(item, (*path, name))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2**64, 2**64) | st.sampled_from([0, 1, -1, 2**63 - 1, 2**53, "", "x"])
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=4)


@st.composite
def bent(draw, whole):
    """Give a JSON document with some of its values taken out, exchanged, repeated or replaced; never the same one."""
    value = json.loads(whole)
    for _ in range(draw(st.integers(1, 2))):
        *above, last = draw(st.sampled_from([path for path in places(value) if path] or [("x",)]))
        target = value
        for step in above:
            target = target[step]
        if not isinstance(target, list | dict) or (isinstance(target, dict) and last not in target):
            continue
        match draw(st.sampled_from(["drop", "other", "repeat", "neighbour", "near"])):
            case "drop":
                del target[last]
            case "repeat" if isinstance(target, list):
                target.insert(last, target[last])
            case "neighbour":
                target[last] = target[draw(st.sampled_from([*target] if isinstance(target, dict)
                                                           else range(len(target))))]
            case "near" if isinstance(target[last], int):
                target[last] += draw(st.sampled_from([-1, 1]))
            case "near" if isinstance(target[last], str) and target[last]:
                at = draw(st.integers(0, len(target[last]) - 1))
                target[last] = target[last][:at] + draw(st.sampled_from("0aAb=/\n")) + target[last][at + 1:]
            case _:
                target[last] = draw(JSON)
    assume(value != json.loads(whole))
    return value


# ---------------------------------------------------------------------------------------------- cursors

QUESTIONS = ([], [("actor", "donald-trump")], [("from", "2025-08-15"), ("to", "2025-09-04")], [("order", "desc")],
             [("q", "troops")], [("retracted", "include"), ("kind", "statement")])
PATHS = ("/v1/events", "/v1/actors/donald-trump/timeline")


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with seeded(tmp_path_factory.mktemp("fuzz")) as client:
        yield client


@pytest.fixture(scope="module")
def cursors(client):
    found = []
    for pairs in QUESTIONS:
        page = client.get("/v1/events", params=[*pairs, ("limit", "3")]).json()
        found.append(page["next"].rpartition("cursor=")[2])
    return found


def written(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


NUMBERS = st.integers(-2**70, 2**70) | st.sampled_from([0, -1, 1, 196, 197, 2**53, 2**62, 2**63, -2**63, 1.5, 1e30])
FORGED = st.tuples(st.text("0123456789abcdef", min_size=12, max_size=12), NUMBERS,
                   st.lists(NUMBERS, min_size=3, max_size=5)).map(written)


@given(data=st.data(), path=st.sampled_from(PATHS))
@form(120)
def test_a_cursor_that_is_not_one_is_refused(client, cursors, data, path):
    number = data.draw(st.sampled_from([0, *range(2, len(QUESTIONS))]))
    cursor = data.draw(damaged(cursors[number].encode()).map(lambda raw: raw.decode("latin-1")) | FORGED
                       | st.text(max_size=60) | JSON.map(written))
    response = client.get(path, params=[*QUESTIONS[number], ("limit", "3"), ("cursor", cursor)])
    if response.status_code != 200:  # a cursor is not signed: who makes a good one of his own is answered
        assert response.status_code == 404 or problem(response, 400, "?cursor")
    else:
        assert {"items", "position"} <= response.json().keys()


@given(data=st.data())
@form(40)
def test_a_cursor_with_a_right_beginning_and_any_place_is_answered_or_refused(client, data):
    pairs = data.draw(st.sampled_from(QUESTIONS))
    key = data.draw(st.lists(NUMBERS, min_size=4, max_size=4))
    cursor = written([parse_query(pairs).fingerprint(), data.draw(NUMBERS), key])
    response = client.get("/v1/events", params=[*pairs, ("limit", "3"), ("cursor", cursor)])
    assert response.status_code in (200, 400, 404), response.text


@given(st.data())
@form(80)
def test_a_place_in_what_changed_or_in_a_list_is_read_or_refused(client, data):
    address, name, good = data.draw(st.sampled_from([
        ("/v1/changes", "after", "8.alaska-summit"), ("/v1/records", "after", "59"), ("/v1/actors", "after", "axios"),
        ("/v1/sources", "after", "axios"), ("/v1/snapshots", "before", "198")]))
    place = data.draw(damaged(good.encode(), (b".", b"-", b"9" * 20, b"%00")).map(lambda raw: raw.decode("latin-1")))
    response = client.get(address, params={name: place, "limit": 2})
    assert response.status_code == 200 or problem(response, 400, f"?{name}")


@pytest.mark.parametrize("number", range(len(QUESTIONS)))
def test_cursors_of_other_questions_and_cut_ones_are_refused(client, cursors, number):
    own = QUESTIONS[number]
    for other in range(len(QUESTIONS)):
        response = client.get("/v1/events", params=[*own, ("cursor", cursors[other])])
        assert response.status_code == 200 if other == number else problem(response, 400, "?cursor")
    for length in range(len(cursors[number])):
        problem(client.get("/v1/events", params=[*own, ("cursor", cursors[number][:length])]), 400, "?cursor")


@given(st.integers(0, 2**53 - 1), st.tuples(*[st.integers(-2**62, 2**62)] * 4), st.sampled_from(QUESTIONS))
@form(60)
def test_a_cursor_reads_back_as_the_place_it_was_made_of(position, key, pairs):
    query = parse_query(pairs)
    again = resume(query, make_cursor(query, position, key))
    assert (again.at, again.after) == (position, key)


# ---------------------------------------------------------------------------------------------- proofs and bundles

ORIGIN = "fuzz.example/log"


class Evidence(msgspec.Struct):
    bundle: bytes
    id: str
    signer: Signer
    checkpoint: str
    proof: str
    leaf: bytes
    position: int


@pytest.fixture(scope="module")
def evidence():
    """A published snapshot with its bundle, a checkpoint and a proof, all signed."""
    with tempfile.TemporaryDirectory() as folder, Timeline(Path(folder) / "t.db", origin=ORIGIN) as timeline:
        timeline.sign_with(signer := Signer.generate(ORIGIN))
        timeline.describe_actor(id="ann", kind="person", name="Ann")
        timeline.describe_source(id="wire", title="Wire", published="2025-08-16")
        for number in range(4):
            timeline.record(id=f"e{number}", title="Title", when=f"2025-08-1{number}", actors=[{"id": "ann"}],
                            citations=[{"source": "wire"}])
        timeline.revise("e1", {"title": "Better"}, reason="better known")
        timeline.retract("e2", reason="never was")
        timeline.merge("e0", ["e3"], reason="one")
        made = publish(timeline, parse_query([("actor", "ann"), ("retracted", "include")]))
        bundle = make_bundle(timeline, made.snapshot, made.position).encoded()
        note = timeline.checkpoint_text()
        proof = TlogProof(2, tuple(timeline.prove_inclusion(3, timeline.log_size)), note)
        leaf = leaf_hash(timeline.record_at(3).header_bytes)
        yield Evidence(bundle, made.snapshot.id, signer, note, proof.text, leaf, 3)


def verdict(evidence, raw):
    """Say what a bundle is worth; anything but our own errors escapes and fails the test."""
    try:
        report = verify_bundle(decode_bundle(raw), id_=evidence.id, vkey=evidence.signer.verifier.vkey)
    except TimelineError:
        return "refused"
    states = {check.name: check.state for check in report.checks}
    return report.verdict if report.verdict == "failed" else states


@given(st.data())
@form(150)
def test_a_damaged_bundle_is_never_accepted(evidence, data):
    raw = data.draw(damaged(evidence.bundle))
    assume(raw.strip(b"\n") != evidence.bundle.strip(b"\n"))
    good = verdict(evidence, evidence.bundle)
    assert "failed" not in good.values()
    assert verdict(evidence, raw) != good or same_but_for_the_hint(evidence, json.loads(raw))


@given(st.data())
@form(250)
def test_a_bent_bundle_is_never_accepted(evidence, data):
    """Written anew in canonical form, as a forger would: what is refused is what it says."""
    value = data.draw(bent(evidence.bundle))
    try:
        raw = canonical(value)
    except (UnicodeEncodeError, OverflowError):
        return
    assert verdict(evidence, raw) != verdict(evidence, evidence.bundle) or same_but_for_the_hint(evidence, value)


def same_but_for_the_hint(evidence, value):
    """The key in the bundle is a hint that nothing rests on; the one from elsewhere counts."""
    good = json.loads(evidence.bundle)
    return {**value, "key": None} == {**good, "key": None}


def signed_again(raw, whole):
    """Whether nothing but the signature stands there once more: repeated lines are dropped (`open_note`)."""
    text, empty, signature = whole.rpartition(b"\n\n")
    return raw in {text + empty + signature * number for number in (2, 3, 4, 5, 8)}


def test_a_signature_that_is_repeated_changes_nothing(evidence):
    text, empty, signature = evidence.checkpoint.rpartition("\n\n")
    again = open_checkpoint(text + empty + signature * 3, ORIGIN, evidence.signer.verifier)
    assert again.checkpoint == open_checkpoint(evidence.checkpoint, ORIGIN, evidence.signer.verifier).checkpoint
    assert len(again.note.verified) == 1


@given(st.data())
@form(150)
def test_a_damaged_checkpoint_is_never_accepted(evidence, data):
    raw = data.draw(damaged(evidence.checkpoint.encode()))
    assume(not signed_again(raw, evidence.checkpoint.encode()))
    with pytest.raises(NoteError):
        open_checkpoint(raw, ORIGIN, evidence.signer.verifier, extensions=True)


@given(st.data())
@form(150)
def test_a_damaged_proof_is_never_accepted(evidence, data):
    raw = data.draw(damaged(evidence.proof.encode()))
    assume(not signed_again(raw, evidence.proof.encode()))
    with pytest.raises((NoteError, ProofError)):
        TlogProof.parse(raw).verify(evidence.leaf, ORIGIN, evidence.signer.verifier)


@given(st.data())
@form(100)
def test_what_logs_and_witnesses_read_is_read_or_refused(evidence, data):
    add = AddCheckpoint(3, (evidence.leaf,), evidence.checkpoint).body()
    with contextlib.suppress(NoteError):
        request = AddCheckpoint.parse(data.draw(damaged(add.encode()) | st.binary(max_size=80)))
        assert AddCheckpoint.parse(request.body()) == request
    with contextlib.suppress(NoteError):
        Verifier.parse(data.draw(damaged(evidence.signer.verifier.vkey.encode())).decode("latin-1"))
    with contextlib.suppress(TileError):
        parse_tile_path(data.draw(st.text("0123456789x/.petilnrs", max_size=30) | st.text(max_size=20)))
    with contextlib.suppress(TileError):
        read_entry_bundle(data.draw(st.binary(max_size=60)))


@given(data=st.data())
@form(25)
def test_the_command_line_refuses_damaged_evidence_in_a_sentence(evidence, data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("evidence")
    vkey = evidence.signer.verifier.vkey
    cases = (["snapshot", "verify"], evidence.bundle), (["proof", "verify"], evidence.proof.encode())
    command, whole = data.draw(st.sampled_from(cases))
    (path := folder / "evidence").write_bytes(data.draw(damaged(whole)))
    result = CliRunner().invoke(cli, [*command, str(path), "--key", vkey])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.output


# ---------------------------------------------------------------------------------------------- files

TOKENS = (b"\0", b"\xff", b"\xef\xbb\xbf", b"\r\n", b"\n", b'"', b'""', b",", b"{", b"}", b"[", b"]", b"null", b"true",
          b"-1", b"1e999", b"99999999999999999999", b"\\ud800", b"\\u0000", b"NaN", b"2025-02-30", b"0000", b"http://[",
          b"https://example.org", b"<a href='http://[x'>", b"&#x110000;", b"\xf0\x9f\x8e\x89", b"T25:61:00", b"+99:99",
          b"DTSTART;TZID=Nowhere:20250815T100000", b"RRULE:FREQ=SECONDLY", b"BEGIN:VEVENT", b"END:VEVENT", b"GEO:x;y",
          b"DURATION:P1", b"id", b"type", b"start", b"end")


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """Files of our own formats, small ones."""
    folder = tmp_path_factory.mktemp("own")
    with Timeline(folder / "t.db") as timeline:
        timeline.describe_actor(id="ann", kind="person", name="Ann")
        for number in range(3):
            timeline.record(id=f"e{number}", title=f"Title {number}", when=f"2025-08-1{number}",
                            actors=[{"id": "ann", "role": "speaker"}], topics=["nato"],
                            relations=[{"type": "follows", "event": "e0"}] if number else [])
        timeline.revise("e1", {"title": "Better"}, reason="better known")
        bodies = [json.dumps(event) for event in timeline.events()]
    with closing(LogFile(folder / "t.db")) as log:
        (folder / "log.ndjson").write_bytes(b"".join(write_log(log)))
    for name in ("csv", "json", "ndjson"):
        (folder / f"export.{name}").write_bytes(FORMATS[name].encode(Sheet(bodies, 5)))
    (folder / "seed.ndjson").write_bytes(b"".join(SEEDS[0].read_bytes().splitlines(keepends=True)[:12]))
    return [folder / name for name in ("log.ndjson", "export.csv", "export.json", "export.ndjson", "seed.ndjson")]


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    """Files of other tools: those with every fault there is, and good ones, as we write them."""
    folder = tmp_path_factory.mktemp("foreign")
    with Timeline.temporary() as timeline:
        timeline.describe_actor(id="ann", kind="person", name="Ann")
        timeline.describe_source(id="wire", title="Wire", url="https://example.org/wire")
        for number, when in enumerate(("2025-08-15", "2025-08-15T10:00:00Z", "2025-08-15/2025-08-18")):
            timeline.record(id=f"f{number}", title=f"Title {number}", when=when, summary="Words <b>", topics=["nato"],
                            actors=[{"id": "ann", "role": "speaker"}], citations=[{"source": "wire"}],
                            place={"name": "Alaska", "lat": 61.2, "lon": -149.9})
        bodies = [json.dumps(event) for event in timeline.events()]
    written_ = []
    for name in ("timelinejs", "vis", "fullcalendar", "geojson", "ics", "timesketch"):
        written_.append(folder / f"{name}.{FORMATS[name].extension}")
        written_[-1].write_bytes(FORMATS[name].encode(Sheet(bodies, 5)))
    return [*FOREIGN, *written_, *written_]


def imported(timeline, path, **manner):
    """Import a file; give what it did, or the error in our own words."""
    with closing(Local(timeline)) as target:
        try:
            return Importer(target, Manner(**manner)).run(find([path]))
        except TimelineError as error:
            return error


def settled(folder, path, adopted=False, **manner):
    """Import a file twice: the log stays whole, and the second time changes nothing."""
    with Timeline(folder / "t.db") as timeline:
        if not adopted:
            timeline.describe_actor(id="ann", kind="person", name="Ann")
        before = timeline.position
        first = imported(timeline, path, **manner)
        reached = timeline.position
        again = imported(timeline, path, **manner)
        assert type(first) is type(again), (first, again)
        assert timeline.position == reached, (first, again)
        if isinstance(first, TimelineError):
            assert str(first).strip()
            assert "Traceback" not in str(first)
        else:
            assert reached - before == first.new
        report = timeline.verify()
        assert (report.sound, report.head.size) == (True, timeline.log_size)
        list(timeline.events(retracted="include"))
        event(f"{path.suffix}: {type(first).__name__}, {'written' if reached > before else 'nothing written'}")


@given(st.data())
@form(50)
def test_a_damaged_import_of_another_tool_s_file_is_read_or_refused_and_leaves_the_log_whole(foreign, data):
    source = data.draw(st.sampled_from(foreign))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / source.name
        path.write_bytes(data.draw(damaged(source.read_bytes(), TOKENS)))
        named = data.draw(st.sampled_from(["", "", "", "timelinejs", "vis", "ics", "geojson"]))
        settled(Path(folder), path, format=named, day_first=data.draw(st.sampled_from([None, True, False])))


@given(st.data())
@form(40)
def test_a_bent_import_of_another_tool_s_document_is_read_or_refused_and_leaves_the_log_whole(foreign, data):
    source = data.draw(st.sampled_from([path for path in foreign if path.suffix in {".json", ".geojson"}]))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / source.name
        path.write_text(json.dumps(data.draw(bent(source.read_bytes()))))
        settled(Path(folder), path)


@given(st.data())
@form(40)
def test_a_damaged_import_of_our_own_file_is_read_or_refused_and_leaves_the_log_whole(own, data):
    source = data.draw(st.sampled_from(own))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / source.name
        path.write_bytes(data.draw(damaged(source.read_bytes(), TOKENS)))
        settled(Path(folder), path, adopted=source.stem == "log")


def test_an_address_that_only_looks_like_one_is_imported_as_it_stands(tmp_path):
    """Found by fuzzing: urlsplit takes it for half an IPv6 address."""
    path = tmp_path / "c.ics"
    path.write_text("BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:one\nDTSTART;VALUE=DATE:20250815\nSUMMARY:One\n"
                    "URL:http://[\nEND:VEVENT\nEND:VCALENDAR\n")
    with Timeline.temporary() as timeline:
        assert imported(timeline, path).new == 2
        source = timeline.source(timeline.event("one")["citations"][0]["source"])
        assert (source["url"], source["title"]) == ("http://[", "[")


@pytest.mark.parametrize("name", ["a.json", "a.ndjson", "a.geojson", "a"])
@pytest.mark.parametrize(("content", "sentence"), [
    (b'{"title":"\xff"}', "not UTF-8"),
    (b'{"\x80":1,"header":"{}"}\n{}', "not UTF-8"),
    (b'{"a":' * 100_000, "nested deeper"),
    (b"[" * 100_000, "nested deeper"),
    (b'{"features":[' * 5_000 + b"1" + b"]}" * 5_000, "nested deeper"),
])
def test_bytes_that_are_no_text_and_nesting_without_end_are_refused_whatever_the_file_is_called(
    tmp_path, name, content, sentence
):
    """Found by fuzzing: what a file is was looked up before it was looked at."""
    (tmp_path / name).write_bytes(content)
    with Timeline.temporary() as timeline:
        error = imported(timeline, tmp_path / name)
        assert isinstance(error, Malformed)
        assert sentence in error.faults[0].detail
        assert timeline.position == 0


# ---------------------------------------------------------------------------------------------- dates and words

@given(ANY, ZONES, st.sampled_from(["en", "fr", "de", "fr-CA"]), st.booleans())
@form(300)
def test_every_date_has_words_and_a_shape(when, tz, lang, expected):
    words = when_in_words(when, lang, tz, expected=expected)
    assert words.strip() == words != ""
    assert not any(mark in words for mark in ("{", "}", "None")), words
    assert shape(str(when))


@given(NEARLY | st.tuples(NEARLY, ANY.map(str), NEARLY).map("".join), ZONES)
@form(200)
def test_a_text_is_a_date_with_its_bounds_in_order_or_refused(text, tz):
    try:
        when = parse(text)
    except EdtfError:
        return
    earliest, latest = when.bounds(tz)
    assert str(when) == text == str(parse(str(when)))
    assert earliest is None or latest is None or earliest <= latest
    assert when_in_words(when, "en", tz)
    assert when_in_words(when, "fr", tz)


# ---------------------------------------------------------------------------------------------- events

KNOWN = ("ann", "b2", "c-c")
"""Ids of actors, sources and events at once: whatever an event refers to is there."""

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12) | st.sampled_from(
    ["=1+1", "<b>&amp;</b>", "]]>", "a\nb", "x" * 300, "\u202e", "e\u0301", "\u2028", "🎉" * 40, "', --", "\\", "\t"])


def generated(info, name=""):  # noqa: C901, PLR0911 - one line for each type msgspec knows
    """Make a strategy for the JSON of a type of the model, from what msgspec knows of it."""
    match info:
        case inspect.Metadata(type=inner):
            return generated(inner, name)
        case inspect.CustomType(cls=cls) if cls is Edtf:
            return ANY.map(str)
        case inspect.CustomType(cls=cls) if cls is Degrees:
            return st.floats(-90, 90) | st.integers(-90, 90)
        case inspect.StructType(fields=fields):
            given_ = {each.encode_name: generated(each.type, each.encode_name) for each in fields}
            wanted = {each.encode_name for each in fields if each.required}
            return st.fixed_dictionaries({each: given_[each] for each in wanted}, optional={
                each: given_[each] for each in given_.keys() - wanted}).map(tidy)
        case inspect.UnionType(types=types):
            return st.one_of([generated(each, name) for each in types if not isinstance(each, inspect.NoneType)])
        case inspect.ListType(item_type=item):
            return st.lists(generated(item, name), max_size=2)
        case inspect.DictType(key_type=_, value_type=value):
            return st.dictionaries(st.sampled_from(["fr", "de-AT", "zh"]), generated(value, name), max_size=2)
        case inspect.LiteralType(values=values):
            return st.sampled_from(values)
        case inspect.IntType(ge=low, le=high):
            return st.integers(max(low or 0, -32768), min(high or 99, 32767))
        case inspect.StrType(pattern=None, max_length=most):
            return TEXT.map(lambda text: text[:most])
        case inspect.StrType():
            return PATTERNS[name] if name in PATTERNS else st.sampled_from(KNOWN)
    raise AssertionError(info)


PATTERNS = {
    "tz": st.sampled_from(["Europe/Paris", "America/Anchorage", "Pacific/Apia", "UTC"]),
    "lang": st.sampled_from(["en", "fr", "zh-Hant"]), "url": st.sampled_from(["https://example.org/a?b=c&d", "http://["]),
    "wikidata": st.just("Q797"), "span_sha256": st.just("0" * 64),
}


def tidy(fields):
    """Leave halves out that would only be refused."""
    for one, other in (("lat", "lon"), ("start", "end")):
        if (one in fields) != (other in fields):
            fields = {name: value for name, value in fields.items() if name not in (one, other)}
    if "end" in fields:
        fields = {**fields, "end": fields["start"] + 1 + fields["end"] % 1000}
    return fields


EVENTS = generated(inspect.type_info(Event)).map(lambda event: {**event, "id": None})
NUMBER = count()


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stored")
    with Timeline(folder / "t.db") as timeline, serving(timeline, folder) as client:
        for name in KNOWN:
            timeline.describe_actor(id=name, kind="person", name=name)
            timeline.describe_source(id=name, title=name)
            timeline.record(id=name, title=name)
        yield client


READERS = {"json": json.loads, "vis": json.loads, "timelinejs": json.loads, "fullcalendar": json.loads,
           "jsonfeed": json.loads, "geojson": json.loads, "jsonld": json.loads, "ics": Calendar.from_ical,
           "atom": ET.fromstring, "html": html5lib.HTMLParser(strict=True).parse}


@given(EVENTS)
@form(120)
def test_every_event_that_is_stored_can_be_shown_in_every_format_and_on_every_page(stored, fields):
    timeline = stored.timeline
    values = {**fields, "id": f"x{next(NUMBER)}"}
    try:
        body = timeline.record(**values)
    except TimelineError as error:
        assert error.status == 422  # noqa: PT017 - either outcome is good
        event(error.detail[:40])
        return
    event("stored")
    for name, written_ in FORMATS.items():
        content = written_.encode(Sheet([json.dumps(body)], 9, origin=ORIGIN, base="https://example.org",
                                        address="/v1/events"))
        READERS.get(name, bytes.decode)(content)
    for address in (f"/events/{values['id']}", f"/events/{values['id']}?lang=fr", f"/v1/events/{values['id']}/history"):
        assert stored.get(address).status_code == 200, address
    for lanes in ("actor", "kind"):
        for on in ("when", "about"):
            query = parse_query([("on", on), ("at", str(timeline.position)), ("lang", "fr")])
            msgspec.json.encode(chart(timeline, query, (None, None), Frame(lanes, 12, 96))[0])
    if "when" in fields:
        window = parse(fields["when"]).bounds(fields.get("tz"))
        drawn, _ = chart(timeline, parse_query([]), window, Frame("topic", 12, 96))
        assert drawn["in_window"] >= 1


def test_a_picture_without_words_is_linked_by_its_address(stored):
    """Found by fuzzing: the page took caption and credit for granted."""
    stored.timeline.record(id="bare-media", title="Picture", media=[{"url": "https://example.org/p.jpg"}])
    page = stored.get("/events/bare-media")
    assert page.status_code == 200
    assert ">https://example.org/p.jpg</a></dd>" in page.text
