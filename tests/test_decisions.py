"""Decisions, as given / when / then: what stands, what is asked for, which record it becomes or why not."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import pytest

from timeline.decisions import Decision, decide, digest
from timeline.errors import Conflict, Fault, Invalid, NotFound, VersionMismatch
from timeline.log import Draft
from timeline.model import Event
from timeline.records import convert, convert_change, payload

TEXT = "The presidents met in Anchorage. They spoke for three hours."


@dataclass
class Standing:
    """The newest version of an event."""

    event: Event
    revision: int = 1
    hidden: int = 0
    is_erased: bool = False


@dataclass
class Given:
    """What is known when a decision is taken: `timeline.decisions.State` without a database."""

    events: dict[str, Standing] = field(default_factory=dict)
    things: dict[tuple[str, str], tuple[int, dict[str, Any]]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)

    def event(self, event_id):
        return self.events.get(event_id)

    def thing(self, type_, id_):
        return self.things.get((type_, id_))

    def knows(self, type_, id_):
        return id_ in self.events if type_ == "event" else (type_, id_) in self.things

    def near(self, type_, _):
        return [name for kind, name in [*self.things, *(("event", name) for name in self.events)] if kind == type_]

    def text(self, source_id):
        return self.texts.get(source_id)


def standing(id_="alaska-summit", *, revision=1, hidden=0, **fields):
    return {id_: Standing(convert({"id": id_, "title": "A summit", **fields}, Event), revision, hidden)}


@pytest.fixture
def given():
    given = Given(standing() | standing("gone", hidden=1) | standing("merged-away", hidden=2))
    for name in ("donald-trump", "karoline-leavitt"):
        given.things["actor", name] = (1, {"id": name, "kind": "person", "name": name, "revision": {"number": 1}})
    source = {"id": "report", "title": "Report", "characters": len(TEXT), "sha256": sha256(TEXT.encode()).hexdigest()}
    given.things["source", "report"] = (2, {**source, "revision": {"number": 2}})
    given.things["source", "unread"] = (1, {"id": "unread", "title": "Unread", "revision": {"number": 1}})
    given.things["source", "long"] = (1, {"id": "long", "title": "L", "characters": 100, "revision": {"number": 1}})
    given.texts["report"] = TEXT
    return given


def when(change, given, author="ada"):
    return decide(convert_change(change), given, author)


def record(**event):
    return {"type": "event.recorded", "event": {"title": "A briefing", **event}}


def revise(id_="alaska-summit", **patch):
    return {"type": "event.revised", "id": id_, "patch": patch, "reason": "better known"}


def refused(kind, change, given):
    with pytest.raises(kind) as caught:
        when(change, given)
    return caught.value


# ---------------------------------------------------------------------------------------------- what is decided

def test_a_recorded_event_becomes_a_draft(given):
    """With its streams, its bounds in its own zone, and its body without steering."""
    change = record(id="briefing", when="2025-08-15", tz="America/Anchorage", kind="statement", topics=["us-troops"],
                    actors=[{"id": "karoline-leavitt", "role": "speaker", "on_behalf_of": "donald-trump"}],
                    citations=[{"source": "unread"}], place={"name": "White House"},
                    relations=[{"type": "follows", "event": "alaska-summit"}])
    decision = when(change | {"key": "k", "expected": 0}, given)

    assert (decision.type, decision.id) == ("event", "briefing")
    assert decision.draft == Draft(
        type="event.recorded", version=1, author="ada", kind="statement", status="reported",
        when=(1755244800, 1755331199),
        streams=("event/briefing", "actor/donald-trump", "actor/karoline-leavitt", "place/white-house",
                 "related/alaska-summit", "source/unread", "topic/us-troops"),
        parts=(("body", payload(decision.change)),),
    )
    assert set(json.loads(decision.draft.parts[0][1])) == {"event"}


def test_an_event_without_an_id_is_named_after_its_title(given):
    """With the first free number, where the name is taken."""
    given.events |= standing("a-briefing") | standing("a-briefing-2")

    assert when(record(title="Élysée: “Sommet”"), given).id == "elysee-sommet"
    assert when(record(title="首脑会议"), given).id == "untitled"
    assert when(record(), given).id == "a-briefing-3"


def test_a_revision_is_stored_as_the_smallest_patch(given):
    """Whatever was said twice, or said again as it is, is not in the record."""
    decision = when(revise(title="A summit", topics=["nato"], note=None), given)

    assert json.loads(decision.draft.parts[0][1]) == {
        "id": "alaska-summit", "patch": {"topics": ["nato"]}, "reason": "better known"}


def test_a_revision_stands_in_the_streams_it_leaves_and_enters(given):
    """Both timelines change, so both are named."""
    given.events |= standing(topics=["us-troops"], when="2025")
    decision = when(revise(topics=["nato"], when=None), given)

    assert decision.draft.streams == ("event/alaska-summit", "topic/nato", "topic/us-troops")
    assert decision.draft.when is None


def test_a_header_tells_the_newest_version(given):
    """Kind, status and bounds after the revision, not before it: membership is decided from headers alone."""
    given.events |= standing(kind="plan", status="planned", when="2025")
    draft = when(revise(kind="occurrence", status="confirmed", when="1970-01-01"), given).draft

    assert (draft.kind, draft.status, draft.when) == ("occurrence", "confirmed", (0, 86_399))


@pytest.mark.parametrize("patch", [{}, {"title": "A summit"}, {"note": None}, {"id": "alaska-summit"}, {"actors": []},
                                   {"kind": "occurrence", "sequence": 0}])
def test_a_revision_that_changes_nothing_appends_nothing(given, patch):
    """There is no draft, and that is an answer."""
    assert when(revise(**patch), given) == Decision("event", "alaska-summit", None, None)


def test_a_retraction_names_every_stream_the_event_stood_in(given):
    """Nobody's timeline loses it silently."""
    given.events |= standing(topics=["us-troops"], status="disputed", when="2025-08-15")
    decision = when({"type": "event.retracted", "id": "alaska-summit", "reason": "it was not"}, given)

    assert decision.draft.streams == ("event/alaska-summit", "topic/us-troops")
    assert (decision.draft.status, decision.draft.when) == ("disputed", (1755216000, 1755302399))


def test_bounds_beyond_what_every_parser_keeps_exact_are_cut(given):
    """The header stays within 2^53 (RFC 8785), the event keeps its year."""
    decision = when(record(when="Y-10000000000/.."), given)

    assert decision.draft.when == (-(2**53) + 1, None)
    assert str(decision.change.event.when) == "Y-10000000000/.."


def test_text_is_settled_before_it_is_decided_on(given):
    """NFC in what is recorded and in what is revised; control characters in neither."""
    composed = when(revise(title="Zelensky\u0301"), given)

    assert json.loads(composed.draft.parts[0][1])["patch"] == {"title": "Zelensk\u00fd"}
    assert refused(Invalid, revise(note="a\x00"), given).faults == (
        Fault("/patch/note", "control character or noncharacter U+0000 at 1: remove it"),)


def test_one_request_has_one_digest():
    """Whatever steers it, and however it was spelled; another request has another."""
    one = convert_change(record(topics=["a"], sequence=0))

    assert digest(one) == digest(convert_change(record(topics=["a"]) | {"key": "x", "expected": 0}))
    assert digest(one) != digest(convert_change(record(topics=["b"])))
    retracted, merged = ({"type": type_, "id": "a", "reason": "r", **more} for type_, more in (
        ("event.retracted", {}), ("events.merged", {"duplicates": ["b"]})))
    assert digest(convert_change(retracted)) != digest(convert_change(merged))


# ---------------------------------------------------------------------------------------------- what is named

@pytest.mark.parametrize(("fields", "pointer", "detail"), [
    ({"actors": [{"id": "donald-trum"}]}, "/actors/0/id", "unknown actor donald-trum, did you mean donald-trump?"),
    ({"actors": [{"id": "somebody-else"}]}, "/actors/0/id", "unknown actor somebody-else: describe it first"),
    ({"actors": [{"id": "donald-trump", "on_behalf_of": "nobody"}]}, "/actors/0/on_behalf_of",
     "unknown actor nobody: describe it first"),
    ({"stances": [{"actor": "carolina", "topic": "t", "position": "for"}]}, "/stances/0/actor",
     "unknown actor carolina: describe it first"),
    ({"citations": [{"source": "unread"}, {"source": "reprot"}]}, "/citations/1/source",
     "unknown source reprot, did you mean report?"),
    ({"relations": [{"type": "denies", "event": "alaska-sumit"}]}, "/relations/0/event",
     "unknown event alaska-sumit, did you mean alaska-summit?"),
    ({"depends_on": ["nothing-like-it"]}, "/depends_on/0", "unknown event nothing-like-it: record it first"),
    ({"anchor": {"relation": "after", "event": "truce"}}, "/anchor/event", "unknown event truce: record it first"),
    ({"outcome": {"state": "rejected", "evidence": ["gone", "x"]}}, "/outcome/evidence/1",
     "unknown event x: record it first"),
    ({"tz": "America/Ancorage"}, "/tz",
     "unknown time zone America/Ancorage: expected an IANA name such as America/Anchorage"),
    ({"tz": "Europe"}, "/tz", "unknown time zone Europe: expected an IANA name such as America/Anchorage"),
])
def test_whatever_an_event_names_must_be_known(given, fields, pointer, detail):
    """The fault says where, and what was probably meant; for new events and for revisions."""
    error = refused(Invalid, record(**fields), given)
    assert error.faults == (Fault(f"/event{pointer}", detail),)
    assert str(error) == f"/event{pointer}: {detail}"

    assert refused(Invalid, revise(**fields), given).faults == (Fault(f"/patch{pointer}", detail),)


def test_everything_unknown_is_reported_at_once(given):
    """In the order of the model."""
    change = record(actors=[{"id": "x"}, {"id": "y"}], citations=[{"source": "z"}], tz="No/Where")
    error = refused(Invalid, change, given)

    assert [fault.pointer for fault in error.faults] == [
        "/event/actors/0/id", "/event/actors/1/id", "/event/citations/0/source", "/event/tz"]


@pytest.mark.parametrize("fields", [
    {"relations": [{"type": "confirms", "event": "alaska-summit"}]}, {"depends_on": ["alaska-summit"]},
    {"anchor": {"relation": "after", "event": "alaska-summit"}},
    {"outcome": {"state": "rejected", "evidence": ["alaska-summit"]}},
])
def test_an_event_cannot_refer_to_itself(given, fields):
    """Neither when it is revised nor when it is recorded."""
    (fault,) = refused(Invalid, revise(**fields), given).faults
    assert fault.detail == "an event cannot refer to itself"
    given.events.clear()
    (fault,) = refused(Invalid, record(id="alaska-summit", **fields), given).faults
    assert fault.detail == "an event cannot refer to itself"


def test_retracted_events_may_still_be_spoken_of(given):
    """A denial of something withdrawn stays a denial."""
    assert when(record(relations=[{"type": "denies", "event": "gone"}]), given).draft is not None


# ---------------------------------------------------------------------------------------------- citations

START, END = TEXT.index("three"), TEXT.index(" hours")


def citation(**fields):
    return record(citations=[{"source": "report", **fields}])


@pytest.mark.parametrize("fields", [
    {}, {"start": START, "end": END}, {"exact": "not looked for without a place"},
    {"start": START, "end": END, "exact": "three", "span_sha256": sha256(b"three").hexdigest()},
    {"start": 0, "end": len(TEXT)},
])
def test_a_citation_that_points_at_what_it_says_is_good(given, fields):
    """Checked against the stored text, character by character."""
    assert when(citation(**fields), given).draft is not None


@pytest.mark.parametrize(("fields", "pointer", "detail"), [
    ({"start": START, "end": END, "exact": "Three"}, "exact", "the source's text at start..end is not this"),
    ({"start": START, "end": END, "span_sha256": "0" * 64}, "span_sha256",
     "the source's text at start..end has another digest"),
    ({"start": 0, "end": len(TEXT) + 1}, "end", f"beyond the end of the source, which has {len(TEXT)} characters"),
])
def test_a_citation_that_points_elsewhere_is_refused(given, fields, pointer, detail):
    """With the field that is wrong."""
    assert refused(Invalid, citation(**fields), given).faults == (Fault(f"/event/citations/0/{pointer}", detail),)


def test_both_faults_of_a_citation_are_reported(given):
    """A digest and a quotation can be wrong together."""
    error = refused(Invalid, citation(start=0, end=3, exact="x", span_sha256="0" * 64), given)

    assert [fault.pointer.rpartition("/")[2] for fault in error.faults] == ["span_sha256", "exact"]


def test_a_citation_of_a_text_we_do_not_have_is_kept_unchecked(given):
    """But for its end, where the length is known."""
    unread = record(citations=[{"source": "unread", "start": 5, "end": 10**9, "exact": "anything"}])
    beyond = record(citations=[{"source": "long", "start": 5, "end": 101}])

    assert when(unread, given).draft is not None
    assert refused(Invalid, beyond, given).faults[0].pointer == "/event/citations/0/end"


def test_citations_count_code_points(given):
    """Not bytes, not UTF-16 units."""
    given.texts["report"] = "😂é three"

    assert when(citation(start=3, end=8, exact="three"), given).draft is not None


# ---------------------------------------------------------------------------------------------- ids, versions, ends

def test_an_id_is_taken_once_and_for_ever(given):
    """Also by an event that was retracted; the answer names its revision."""
    given.events |= standing(revision=3)
    error = refused(Conflict, record(id="alaska-summit"), given)

    assert error.faults == (Fault("/event/id", "this id is taken"),)
    assert error.members == {"id": "alaska-summit", "revision": 3}
    refused(Conflict, record(id="gone"), given)


@pytest.mark.parametrize(("change", "current"), [
    (record(id="alaska-summit") | {"expected": 2}, 1), (record(id="new") | {"expected": 1}, 0),
    (revise(title="x") | {"expected": 2}, 1), (revise(title="x") | {"expected": 0}, 1),
    ({"type": "event.retracted", "id": "alaska-summit", "reason": "r", "expected": 7}, 1),
    ({"type": "events.merged", "id": "alaska-summit", "duplicates": ["b"], "reason": "r", "expected": 7}, 1),
    ({"type": "actor.described", "actor": {"id": "donald-trump", "kind": "person", "name": "T"}, "expected": 0}, 1),
    ({"type": "actor.described", "actor": {"id": "new", "kind": "person", "name": "T"}, "expected": 1}, 0),
    ({"type": "source.described", "source": {"id": "report", "title": "R"}, "expected": 1}, 2),
])
def test_an_expectation_that_is_not_met_is_refused(given, change, current):
    """Somebody changed it since: the current revision is in the answer."""
    error = refused(VersionMismatch, change, given)

    assert error.members == {"expected": change["expected"], "current": current}
    assert str(error) == (f"expected revision {change['expected']}, but the current one is {current}: "
                          "read it again before you change it")


@pytest.mark.parametrize("change", [
    record(id="new") | {"expected": 0}, record() | {"expected": 0}, revise(title="x") | {"expected": 1},
    {"type": "event.retracted", "id": "alaska-summit", "reason": "r", "expected": 1},
    {"type": "source.described", "source": {"id": "report", "title": "R"}, "expected": 2},
])
def test_an_expectation_that_is_met_passes(given, change):
    """Nought means: it must not exist yet."""
    assert when(change, given).draft is not None


@pytest.mark.parametrize("change", [
    revise("alaska-sumit", title="x"), {"type": "event.retracted", "id": "alaska-sumit", "reason": "r"},
    {"type": "events.merged", "id": "alaska-sumit", "duplicates": ["gone"], "reason": "r"},
    {"type": "events.merged", "id": "alaska-summit", "duplicates": ["alaska-sumit"], "reason": "r"},
])
def test_what_is_not_there_cannot_change(given, change):
    """With what was probably meant."""
    assert str(refused(NotFound, change, given)) == "there is no event alaska-sumit, did you mean alaska-summit?"


def test_what_is_like_nothing_is_just_not_there(given):
    """No advice is better than foolish advice."""
    assert str(refused(NotFound, revise("zzz"), given)) == "there is no event zzz"


@pytest.mark.parametrize("name", ["gone", "merged-away"])
def test_retracted_and_merged_events_no_longer_change(given, name):
    """Neither revised, nor retracted again, nor merged in either direction."""
    for change in (revise(name, title="x"), revise(name), {"type": "event.retracted", "id": name, "reason": "r"},
                   {"type": "events.merged", "id": name, "duplicates": ["alaska-summit"], "reason": "r"},
                   {"type": "events.merged", "id": "alaska-summit", "duplicates": [name], "reason": "r"}):
        assert str(refused(Conflict, change, given)) == (
            f"event {name} was retracted or merged into another: it no longer changes")


@pytest.mark.parametrize("id_", ["other", None])
def test_an_event_keeps_its_id_for_ever(given, id_):
    """A patch may repeat it, not change or remove it."""
    assert refused(Invalid, revise(id=id_), given).faults == (Fault("/patch/id", "an id cannot be changed"),)


@pytest.mark.parametrize(("patch", "pointer", "detail"), [
    ({"title": None}, "/patch/title", "required field is missing"),
    ({"titel": "x"}, "/patch/titel", "unknown field"),
    ({"place": {"lat": 5}}, "/patch/place/name", "required field is missing"),
    ({"sequence": 10**30}, "/patch/sequence", "expected `int` <= 32767"),
    ({"when": "2025-02-30"}, "/patch/when", "there is no day 30; 2025-02 has 28 days\n  2025-02-30\n          ^"),
    ({"actors": {"0": {"id": "donald-trump"}}}, "/patch/actors", "expected `array`, got `object`"),
])
def test_a_patch_must_leave_an_event(given, patch, pointer, detail):
    """The fault points into the patch."""
    assert refused(Invalid, revise(**patch), given).faults == (Fault(pointer, detail),)


# ---------------------------------------------------------------------------------------------- merging

def merge(*duplicates, id_="alaska-summit"):
    return {"type": "events.merged", "id": id_, "duplicates": list(duplicates), "reason": "one meeting"}


@pytest.mark.parametrize("change", [merge("alaska-summit"), merge("talks", "talks"), merge("talks", "alaska-summit")])
def test_a_merge_names_each_duplicate_once_and_not_itself(given, change):
    """Whatever else it says."""
    given.events |= standing("talks")

    assert refused(Invalid, change, given).faults == (Fault("/duplicates", "expected other events, each once"),)


def test_a_merge_stands_in_every_stream_of_everything_merged(given):
    """Its own first, then the duplicates', then each facet any of them had."""
    given.events |= standing("talks", topics=["us-troops"], relations=[{"type": "confirms", "event": "alaska-summit"}])
    given.events |= standing("meeting", actors=[{"id": "donald-trump"}])
    decision = when(merge("talks", "meeting"), given)

    assert decision.id == "alaska-summit"
    assert decision.draft.streams == ("event/alaska-summit", "event/talks", "event/meeting", "actor/donald-trump",
                                      "related/alaska-summit", "topic/us-troops")


def test_events_that_are_too_much_for_one_are_not_merged(given):
    """What could not be recorded cannot come about by merging."""
    given.events |= standing("many", topics=[f"t{number}" for number in range(30)])
    given.events |= standing("more", topics=[f"u{number}" for number in range(30)])

    assert refused(Invalid, merge("more", id_="many"), given).faults == (
        Fault("/duplicates", "together they are too much for one event: /topics: expected `array` of length <= 50"),)


# ---------------------------------------------------------------------------------------------- actors, sources

def actor(**fields):
    return {"type": "actor.described", "actor": {"kind": "person", "name": "Donald Trump", **fields}}


def source(**fields):
    return {"type": "source.described", "source": {"title": "Report", **fields}}


def test_an_actor_stands_in_its_own_stream_and_in_its_groups(given):
    """So that a group's stream tells who came and who left."""
    change = actor(id="marco", member_of=["cabinet", "senate"], head_of="state", spokesperson_of="senate")
    decision = when(change, given)

    assert decision.draft.streams == ("actor/marco", "actor/cabinet", "actor/senate", "actor/state")
    assert (decision.draft.kind, decision.draft.when) == (None, None)


def test_a_new_actor_or_source_is_named_after_its_name(given):
    """Unless that is taken: then an id must be given, for it may be the same one or another."""
    assert when(actor(name="Volodymyr Zelensky"), given).id == "volodymyr-zelensky"
    assert refused(Conflict, actor(), given).faults == (Fault("/actor/id", "donald-trump is taken"),)
    error = refused(Conflict, source(), given)
    assert (str(error), error.faults) == (
        "there is a source report already: give an id", (Fault("/source/id", "report is taken"),))


@pytest.mark.parametrize("change", [
    actor(id="donald-trump", name="donald-trump"), actor(id="donald-trump", name="donald-trump") | {"reason": "r"},
    source(id="report", text=TEXT), source(id="unread", title="Unread"),
])
def test_a_description_that_says_nothing_new_appends_nothing(given, change):
    """A source's text counts: the same text is nothing new."""
    assert when(change, given).draft is None


def test_another_text_of_a_source_is_news(given):
    """Also where the description is the same."""
    assert when(source(id="report", text="Another text."), given).draft is not None


def test_a_text_is_a_part_of_its_own_and_describes_itself(given):
    """Length and digest are filled in; the body does not hold the text."""
    decision = when(source(id="new", text="Zelensky\u0301"), given)
    (_, body), (name, text) = decision.draft.parts

    assert (name, text.decode()) == ("text", "Zelensk\u00fd")
    assert json.loads(body)["source"] == {
        "id": "new", "title": "Report", "characters": 8, "sha256": sha256(text).hexdigest()}


@pytest.mark.parametrize(("fields", "pointer", "detail"), [
    ({"sha256": "0" * 64}, "/source/sha256", f"the text's SHA-256 is {sha256(TEXT.encode()).hexdigest()}"),
    ({"characters": 5}, "/source/characters", f"the text has {len(TEXT)} characters"),
])
def test_a_digest_or_length_of_another_text_is_refused(given, fields, pointer, detail):
    """The fault says what is right."""
    assert refused(Invalid, source(id="new", text=TEXT, **fields), given).faults == (Fault(pointer, detail),)
