"""Snapshots: the same bytes however they are made, and a bundle that cannot be bent without being caught."""

import json
from contextlib import contextmanager
from hashlib import sha256

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_views import START, append, histories, modest, pairs, query, questions, sensible

from timeline import Timeline, parse_query
from timeline.errors import Invalid, Malformed, NotFound
from timeline.log import commitment
from timeline.records import canonical
from timeline.snapshots import (
    bundle as bundles,
)
from timeline.snapshots import (
    compare_with_log,
    decode_bundle,
    decode_snapshot,
    digest,
    find,
    freeze,
    listed,
    make_bundle,
    publish,
    verify_bundle,
)
from timeline.snapshots.question import normal_form, question
from timeline.tlog import Signer


@contextmanager
def at_most(headers):
    """Send all headers only of logs up to a size, so that small logs take the way of large ones."""
    before = bundles.ALL_HEADERS
    bundles.ALL_HEADERS = headers
    try:
        yield
    finally:
        bundles.ALL_HEADERS = before


def states(report):
    return {check.name: check.state for check in report.checks}


def failed(report):
    return [(check.name, check.detail) for check in report.checks if check.state == "failed"]


# ------------------------------------------------------------------------------- one answer, made twice

@given(histories, st.lists(questions.filter(sensible), min_size=2, max_size=5), st.booleans())
@settings(modest, max_examples=40)
def test_the_answer_of_the_views_is_the_answer_replayed_from_records_at_every_position(history, asked, whole):
    """A bundle is checked by folding its records and asking again, without the views that made it."""
    with Timeline.temporary() as timeline, at_most(5_000 if whole else -1):
        timeline.append(START)
        for change in history:
            append(timeline, change)
        for n in range(0, timeline.position + 1, 3):
            for one in [{}, {"retracted": "include"}, *asked]:
                made = freeze(timeline, query(one, at=n))
                report = verify_bundle(decode_bundle(make_bundle(timeline, made, None).encoded()), id_=made.id)
                assert failed(report) == [], (n, one)
                decided = whole and "q" not in one
                assert states(report)["complete"] == ("ok" if decided else "unknown")


@given(histories, st.lists(questions.filter(sensible), min_size=2, max_size=5))
@settings(modest, max_examples=20)
def test_a_published_snapshot_of_a_stream_is_proved_whole_without_all_headers(history, asked):
    with Timeline.temporary() as timeline, at_most(-1):
        timeline.append(START)
        for change in history:
            append(timeline, change)
        size = timeline.position
        for one in [{"actor": ["ann"]}, {"topic": ["nato"], "at": str(size // 2)}, *asked]:
            published = publish(timeline, parse_query(pairs(one)))
            bundle = make_bundle(timeline, published.snapshot, published.position)
            report = verify_bundle(bundle, id_=published.snapshot.id)
            assert failed(report) == [], one
            named = {"actor", "topic", "place", "source", "related"} & {name for name, value in one.items() if value}
            by_stream = named and one.get("members") != "true" and "reported_by" not in one and "q" not in one
            assert states(report)["complete"] == ("ok" if by_stream else "unknown"), one


@given(questions.filter(sensible))
@modest
def test_a_normal_form_reads_back_as_the_question_it_came_from(asked):
    form = normal_form(query(asked))
    assert normal_form(question(form, 7)) == form
    assert question(form, 7).at == 7
    assert json.loads(canonical(form)) == form


@pytest.mark.parametrize("form", [
    {"lang": "fr"}, {"limit": 5}, {"at": 3}, {"nonsense": 1}, {"actors": "ann"}, {"match": "may"}, {"lower": 1.5},
])
def test_what_is_no_normal_form_is_refused(form):
    with pytest.raises(Invalid):
        question(form, 7)


def test_presentation_is_no_part_of_a_snapshot():
    with story() as timeline:
        plain = freeze(timeline, parse_query([]))
        for more in [("lang", "fr"), ("limit", "1"), ("order", "desc")]:
            assert freeze(timeline, parse_query([more])).content() == plain.content()


def test_the_snapshot_of_an_empty_log_can_be_made_and_checked():
    with Timeline.temporary() as timeline:
        published = publish(timeline, parse_query([]))
        assert published.snapshot.entries == []
        report = verify_bundle(make_bundle(timeline, published.snapshot, published.position))
        assert failed(report) == []
        assert states(report)["published"] == "ok"


# ------------------------------------------------------------------------------- publishing

@contextmanager
def story():
    """A log with three events of one actor and one of another, of which two were corrected."""
    with Timeline.temporary() as timeline:
        for name in ("ann", "bob"):
            timeline.describe_actor(id=name, kind="person", name=name.title())
        for number in (1, 2, 3):
            timeline.record(id=f"e{number}", title=f"Event {number}", when=f"2025-08-1{number}", actors=[{"id": "ann"}])
        timeline.record(id="other", title="Other", when="2025-08-12", actors=[{"id": "bob"}])
        timeline.revise("e2", {"title": "Event two"}, reason="spelled out")
        timeline.retract("other", reason="never happened")
        yield timeline


def test_publishing_twice_is_publishing_once():
    with story() as timeline:
        first = publish(timeline, parse_query([("actor", "ann")]))
        again = publish(timeline, parse_query([("actor", "ann"), ("at", str(first.snapshot.log.size))]))
        assert (again.position, again.snapshot.id) == (first.position, first.snapshot.id)
        assert [item["id"] for item in listed(timeline, 2**62, 10)] == [first.snapshot.id]
        assert first.intact
        assert timeline.verify().sound


def test_a_snapshot_keeps_its_id_and_bytes_while_the_log_grows_and_views_are_rebuilt():
    with story() as timeline:
        first = publish(timeline, parse_query([("actor", "ann")]))
        timeline.revise("e1", {"title": "Something else"}, reason="later")
        again = find(timeline, first.snapshot.id)
        assert again.snapshot.content() == first.snapshot.content()
        assert digest(first.snapshot.content()) == first.content
        size = again.snapshot.log.size
        check = compare_with_log(again.snapshot, timeline.origin, timeline.records(0, size), timeline.record_at)
        assert check.state == "ok", check


def test_an_unknown_snapshot_is_not_found():
    with story() as timeline, pytest.raises(NotFound, match="no snapshot"):
        find(timeline, "0" * 64)


def test_publishing_changes_no_answer_and_no_etag():
    with story() as timeline:
        before = timeline.ask(parse_query([("actor", "ann")])).bodies
        heads = timeline.heads
        publish(timeline, parse_query([("actor", "ann")]))
        assert timeline.ask(parse_query([("actor", "ann")])).bodies == before
        assert timeline.heads.events == heads.events
        assert timeline.reader().last_change(parse_query([("actor", "ann")]), timeline.heads) <= heads.events


# ------------------------------------------------------------------------------- bending a bundle

@pytest.fixture(scope="module")
def published():
    """The same publication as a bundle with all headers and as one with streams, and the key that signed both."""
    with story() as timeline:
        signer = Signer.generate(timeline.origin)
        timeline.sign_with(signer)
        made = publish(timeline, parse_query([("actor", "ann")]))
        timeline.revise("e3", {"title": "Later"}, reason="after the snapshot")
        found = {}
        for name, limit in (("headers", 5_000), ("streams", -1)):
            with at_most(limit):
                found[name] = make_bundle(timeline, made.snapshot, made.position).encoded()
        yield found, made.snapshot.id, signer.verifier.vkey


@pytest.mark.parametrize("kind", ["headers", "streams"])
def test_a_good_bundle_is_verified_in_every_respect(published, kind):
    found, id_, vkey = published
    report = verify_bundle(decode_bundle(found[kind]), id_=id_, vkey=vkey)
    assert report.verdict == "ok"
    assert set(states(report).values()) == {"ok"}, report.checks
    assert "nobody" in "\n".join(report.lines()).lower()


def bent(published, kind, bend):
    """Verify a bundle after `bend` had its way with its JSON."""
    found, _, vkey = published
    values = json.loads(found[kind])
    bend(values)
    return verify_bundle(decode_bundle(canonical(values)), vkey=vkey)


def drop(number):
    def bend(values):
        del values["snapshot"]["entries"][number]
    return bend


@pytest.mark.parametrize("kind", ["headers", "streams"])
@pytest.mark.parametrize(("number", "which"), [(0, "the first event"), (1, "a middle event"), (2, "the last event")])
def test_dropping_an_event_is_refused_with_its_own_reason(published, kind, number, which):
    report = bent(published, kind, drop(number))
    assert dict(failed(report))["complete"].startswith(f"{which} is left out")
    assert "published" in dict(failed(report))  # and it is not what was published


def test_dropping_an_event_changes_the_id(published):
    found, id_, _ = published
    values = json.loads(found["headers"])
    drop(0)(values)
    report = verify_bundle(decode_bundle(canonical(values)), id_=id_)
    assert "not the one that was cited" in dict(failed(report))["id"]


def without_publication(values):
    """Pretend that it was never published, as a forger would who makes a snapshot of his own."""
    values.pop("published")


def drop_record(number):
    """Leave out an event together with every record of it, as a forger would."""
    def bend(values):
        gone = values["snapshot"]["entries"].pop(number)
        values["records"] = [each for each in values["records"] if each["position"] not in gone["positions"]]
        for name, places in values.get("streams", {}).items():
            values["streams"][name] = [place for place in places if place not in gone["positions"]]
    return bend


@pytest.mark.parametrize("number", [0, 1, 2])
def test_dropping_an_event_with_its_records_is_refused(published, number):
    report = bent(published, "streams", drop_record(number))
    assert [name for name, _ in failed(report)][:1] == ["tree"]
    report = bent(published, "headers", drop_record(number))
    assert dict(failed(report))["complete"].endswith("is meant by the question")


def test_a_stream_cut_at_its_end_is_refused_even_with_a_new_proof():
    """The record that published the snapshot names the one before it in the stream."""
    with story() as timeline, at_most(-1):
        made = publish(timeline, parse_query([("actor", "ann")]))
        honest = make_bundle(timeline, made.snapshot, made.position)
        last = made.snapshot.entries[-1]
        cut = msgspec.structs.replace(
            honest,
            snapshot=msgspec.structs.replace(made.snapshot, entries=made.snapshot.entries[:-1]),
            records=[line for line in honest.records if line.position not in last.positions],
            streams={name: [place for place in places if place not in last.positions]
                     for name, places in honest.streams.items()},
        )
        places = [line.position for line in cut.records]
        cut = msgspec.structs.replace(cut, proof=bundles._text(timeline.prove_all(places, made.position)))
        reason = dict(failed(verify_bundle(cut)))["complete"]
        assert "of stream actor/ann is left out" in reason
        for number, which in ((0, "the first record"), (1, "record 2")):
            first = next(iter(honest.streams.values()))[number]
            without = msgspec.structs.replace(
                honest, records=[line for line in honest.records if line.position != first],
                streams={"actor/ann": [place for place in honest.streams["actor/ann"] if place != first]})
            places = [line.position for line in without.records]
            without = msgspec.structs.replace(without, proof=bundles._text(timeline.prove_all(places, made.position)))
            details = " ".join(detail for _, detail in failed(verify_bundle(without)))
            assert f"{which} of stream" in details or "contradicts itself" in details or "not described" in details


def title(values):
    values["snapshot"]["entries"][1]["event"]["title"] = "Forged"


def revision(values):
    values["snapshot"]["entries"][0]["revision"]["author"] = "somebody"


def order(values):
    values["snapshot"]["entries"].reverse()


def positions(values):
    values["snapshot"]["entries"][1]["positions"] = values["snapshot"]["entries"][1]["positions"][:1]


def salt(values):
    part = values["records"][0]["parts"][0]
    part["salt"] = ("0" if part["salt"][0] != "0" else "1") + part["salt"][1:]


def data(values):
    part = values["records"][2]["parts"][0]
    part["data"] = part["data"].replace("Event", "Tale")


def part_gone(values):
    values["records"][2]["parts"] = []


def root(values):
    values["snapshot"]["log"]["root"] = "0" * 64


def origin(values):
    values["snapshot"]["log"]["origin"] = "elsewhere.example/log"


def signature(values):
    note = values["checkpoint"]
    at = len(note) - 20
    values["checkpoint"] = note[:at] + ("A" if note[at] != "A" else "B") + note[at + 1:]


def size(values):
    lines = values["checkpoint"].split("\n")
    lines[1] = str(int(lines[1]) - 1)
    values["checkpoint"] = "\n".join(lines)


def actor(values):
    values["snapshot"]["actors"][0]["name"] = "Nobody"


def actor_gone(values):
    values["snapshot"]["actors"] = []


def forged_commitment(values):
    """A body with a commitment that opens, in a header that is not the one in the log."""
    line = values["records"][2]
    part = line["parts"][0]
    part["data"] = part["data"].replace("Event", "Tale")
    place = values["headers"].index(next(h for h in values["headers"] if f'"position":{line["position"]},' in h))
    header = json.loads(values["headers"][place])
    header["parts"] = [["body", commitment(bytes.fromhex(part["salt"]), part["data"].encode())]]
    values["headers"][place] = canonical(header).decode()


def header_moved(values):
    values["headers"][0], values["headers"][1] = values["headers"][1], values["headers"][0]


def header_gone(values):
    del values["headers"][-1]


@pytest.mark.parametrize(("bend", "check", "reason"), [
    (title, "entries", "event e2 does not follow from its records: event"),
    (revision, "entries", "event e1 does not follow from its records: revision"),
    (order, "complete", "not in chronological order"),
    (positions, "entries", "event e2 does not follow from its records"),
    (salt, "parts", "not what was committed to"),
    (data, "parts", "not what was committed to"),
    (part_gone, "parts", "is missing; no erasure is declared"),
    (root, "tree", "another root"),
    (origin, "checkpoint", "the checkpoint is of"),
    (signature, "checkpoint", "the signature does not hold"),
    (size, "checkpoint", "the signature does not hold"),
    (actor, "entries", "actor ann is not described so"),
    (actor_gone, "entries", "not those that the events name"),
    (forged_commitment, "tree", "do not give the checkpoint's root"),
    (header_moved, "tree", "not the one of that position"),
    (header_gone, "tree", "one was left out or added"),
])
def test_each_way_of_bending_a_bundle_has_its_own_verdict(published, bend, check, reason):
    report = bent(published, "headers", bend)
    assert report.verdict == "failed"
    assert reason in dict(failed(report))[check], failed(report)


def test_an_older_description_of_an_actor_is_refused():
    with story() as timeline:
        old = freeze(timeline, parse_query([("actor", "ann")]))
        timeline.describe_actor(id="ann", kind="person", name="Ann B.")
        new = freeze(timeline, parse_query([("actor", "ann")]))
        stale = msgspec.structs.replace(new, actors=old.actors)
        assert "described anew" in dict(failed(verify_bundle(make_bundle(timeline, stale, None))))["entries"]


def test_every_flipped_character_of_a_bundle_is_noticed(published):
    found, id_, vkey = published
    raw = found["headers"]
    for at in range(0, len(raw), 97):
        flipped = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1:]
        try:
            report = verify_bundle(decode_bundle(flipped), id_=id_, vkey=vkey)
        except (Malformed, Invalid):
            continue
        assert report.verdict == "failed" or states(report) != states(
            verify_bundle(decode_bundle(raw), id_=id_, vkey=vkey)), (at, raw[at - 20:at + 20])


@pytest.mark.parametrize("change", [
    lambda raw: b" " + raw, lambda raw: raw.replace(b'"evidence"', b'"evidence" '), lambda raw: raw + b"x",
    lambda raw: raw.replace(b'{"checkpoint"', b'{"checkpoint":"a","checkpoint"', 1), lambda _: b"", lambda _: b"{}",
    lambda raw: b"\xef\xbb\xbf" + raw, lambda raw: raw.replace(b'"format":"timeline.bundle/1"', b'"format":"x/2"'),
    lambda raw: raw.replace(b'"size":8', b'"size":8.0', 1),
])
def test_a_bundle_that_is_not_in_canonical_form_is_refused(published, change):
    with pytest.raises((Malformed, Invalid)):
        decode_bundle(change(published[0]["headers"]))


def test_another_key_does_not_verify(published):
    found, id_, _ = published
    bundle = decode_bundle(found["headers"])
    other = Signer.generate(bundle.snapshot.log.origin).verifier.vkey
    assert "signature" in dict(failed(verify_bundle(bundle, id_=id_, vkey=other)))["checkpoint"]


def test_the_key_in_the_bundle_is_only_a_hint(published):
    report = verify_bundle(decode_bundle(published[0]["headers"]))
    assert states(report)["checkpoint"] == "unknown"
    assert states(report)["id"] == "unknown"


# ------------------------------------------------------------------------------- against a log

def test_another_history_and_a_log_cut_short_have_their_own_verdicts():
    with story() as timeline, story() as other:
        made = freeze(timeline, parse_query([]))
        records = list(timeline.records())
        assert compare_with_log(made, timeline.origin, records, timeline.record_at).state == "ok"
        assert "cut short" in compare_with_log(made, timeline.origin, records[:-1], timeline.record_at).detail
        assert "is of" in compare_with_log(made, other.origin, records, timeline.record_at).detail
        assert "another root" in compare_with_log(made, timeline.origin, list(other.records()), other.record_at).detail


def test_a_forged_snapshot_does_not_agree_with_the_log():
    with story() as timeline:
        made = freeze(timeline, parse_query([]))
        records = list(timeline.records())
        forged = msgspec.structs.replace(made.entries[0], event={**made.entries[0].event, "title": "Forged"})
        for entries, reason in (
            (made.entries[1:], "is left out"), ([forged, *made.entries[1:]], "is not what the log says"),
            (made.entries[::-1], "not the same bytes"),
        ):
            snapshot = msgspec.structs.replace(made, entries=entries)
            assert reason in compare_with_log(snapshot, timeline.origin, records, timeline.record_at).detail


def test_the_snapshot_alone_reads_back_strictly():
    with story() as timeline:
        made = freeze(timeline, parse_query([]))
        assert decode_snapshot(made.content()) == made
        assert sha256(canonical(made.manifest())).hexdigest() == made.id
        with pytest.raises(Malformed, match="canonical"):
            decode_snapshot(made.content().replace(b'"when":', b'"when": ', 1))
