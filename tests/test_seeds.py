"""The seed timeline: importable as it is, true to the five texts, and in our own words."""

import hashlib
import json
import re
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from timeline.model import Event
from timeline.records import convert, decode_change, merge, wire

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "seeds").glob("*.ndjson"))
TEXTS = Path(__file__).parents[2] / "shared" / "seeds"
needs_texts = pytest.mark.skipif(not TEXTS.is_dir(), reason=f"the five texts are not here: {TEXTS}")

LONGEST_SHARED_RUN = 39
"""A run of 40 characters found in an article is a quotation; names and titles of office are shorter."""

ANCHORED = {"allies-deployment-plan"}
"""Events that hang on something without a date ("the day after a ceasefire"): an anchor stands instead of `when`."""


class Fold:
    """What the log says after some records: just enough of it to check that every reference is known in time."""

    def __init__(self) -> None:
        self.actors: dict[str, Any] = {}
        self.sources: dict[str, Any] = {}
        self.events: dict[str, Any] = {}

    def apply(self, change: dict[str, Any]) -> None:
        match change["type"]:
            case "actor.described":
                self.actors[change["actor"]["id"]] = change["actor"]
            case "source.described":
                self.sources[change["source"]["id"]] = change["source"]
            case "event.recorded":
                event = change["event"]
                assert event["id"] not in self.events, "recorded twice"
                self.check(event)
                self.events[event["id"]] = event
            case "event.revised":
                before = self.events[change["id"]]
                after = merge(before, change["patch"])
                assert after != before, "a revision that changes nothing"
                self.check(after)
                self.events[change["id"]] = after
            case other:
                pytest.fail(f"{other}: teach this fold the type")

    def check(self, event: dict[str, Any]) -> None:
        convert(event, Event)
        actors = {part["id"] for part in event.get("actors", [])}
        actors |= {part["on_behalf_of"] for part in event.get("actors", []) if "on_behalf_of" in part}
        actors |= {stance["actor"] for stance in event.get("stances", [])}
        assert actors <= self.actors.keys()
        assert {citation["source"] for citation in event["citations"]} <= self.sources.keys()
        events = {relation["event"] for relation in event.get("relations", [])} | set(event.get("depends_on", []))
        events |= set(event.get("outcome", {}).get("evidence", []))
        events |= {event["anchor"]["event"]} if "event" in event.get("anchor", {}) else set()
        assert events <= self.events.keys() - {event["id"]}
        assert {stance["topic"] for stance in event.get("stances", [])} <= set(event.get("topics", []))


def lines_of(file):
    return file.read_text(encoding="utf-8").splitlines()


def replayed():
    """Yield (file, change, the fold after it), line by line; the fold is one object that grows."""
    fold = Fold()
    for file in FILES:
        for number, line in enumerate(lines_of(file), 1):
            change = json.loads(line)
            try:
                fold.apply(change)
            except (AssertionError, KeyError, ValueError) as error:
                pytest.fail(f"{file.name}:{number}: {error!r}")
            yield file, change, fold


@cache
def final():
    fold = Fold()
    for _, _, fold in replayed():  # noqa: B007 - the last one is wanted
        pass
    return fold


def history(event_id, field):
    """Return the values a field had, in order, without repetitions."""
    values = []
    for _, _, fold in replayed():
        value = fold.events.get(event_id, {}).get(field)
        if value is not None and (not values or values[-1] != value):
            values.append(value)
    return values


def facts():
    return json.loads((TEXTS / "facts.json").read_text(encoding="utf-8"))


def documents():
    return json.loads((TEXTS / "documents.json").read_text(encoding="utf-8"))


def source_of_document():
    by_digest = {source["sha256"]: source["id"] for source in final().sources.values()}
    return {document["file"]: by_digest[document["sha256"]] for document in documents()}


# ---------------------------------------------------------------------------------------------- form

@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_line_decodes_and_is_written_the_way_the_service_writes_it(file):
    """One line is one valid change in compact JSON, with the fields in the order of the model."""
    for line in lines_of(file):
        assert line == wire(decode_change(line)).decode()


def test_references_are_known_in_time():
    """Actors, sources and events are described before they are named, record by record."""
    fold = final()
    assert (len(fold.actors), len(fold.sources), len(fold.events)) == (57, 5, 97)


def test_actors_belong_to_actors_that_are_described_before_them():
    """Memberships, offices and spokespersons point backwards, so that the file also imports line by line."""
    known = set()
    for line in lines_of(FILES[0]):
        actor = json.loads(line)["actor"]
        named = {*actor.get("member_of", []), actor.get("head_of"), actor.get("spokesperson_of")} - {None}
        assert named <= known
        known.add(actor["id"])


def test_no_line_occurs_twice():
    """The importer goes by content: a repeated line would be a line without effect."""
    lines = [line for file in FILES for line in lines_of(file)]
    assert len(set(lines)) == len(lines)


def test_each_text_speaks_for_itself():
    """A file opens with its source; what it records cites that source and no other."""
    for file in FILES[1:]:
        first, *rest = map(json.loads, lines_of(file))
        assert first["type"] == "source.described"
        recorded = [change["event"] for change in rest if change["type"] == "event.recorded"]
        cited = {citation["source"] for event in recorded for citation in event["citations"]}
        assert cited == {first["source"]["id"]}


def test_every_event_speaks_english_and_french():
    """Each event has a title in both languages, a summary in both or neither, and so has each past state."""
    for _, change, fold in replayed():
        if change["type"].startswith("event."):
            event = fold.events[change["event"]["id"] if "event" in change else change["id"]]
            french = event["translations"]["fr"]
            assert event["lang"] == "en"
            assert event["title"] != french["title"]
            assert ("summary" in event) == ("summary" in french)


# ---------------------------------------------------------------------------------------------- the story

def test_the_alaska_summit_is_dated_step_by_step():
    """Recent, last week, 15 August: each text narrows what the one before it left open."""
    assert history("alaska-summit", "when") == ["[..2025-08-18]", "2025-08-11/2025-08-17", "2025-08-15"]
    assert history("alaska-summit", "status") == ["reported", "confirmed"]


@pytest.mark.parametrize(
    ("event_id", "statuses"),
    [
        ("putin-accepts-guarantees-claim", ["reported", "disputed"]),
        ("putin-promise-to-meet-claim", ["reported", "disputed"]),
        ("macron-26-pledge", ["reported", "disputed"]),
        ("zelensky-to-moscow-plan", ["planned", "denied"]),
        ("trump-rules-out-troops", ["reported", "confirmed"]),
        ("leavitt-no-us-troops", ["reported", "confirmed"]),
        ("washington-meeting", ["reported", "confirmed"]),
        ("putin-zelensky-meeting-plan", ["planned"]),
    ],
)
def test_status_follows_what_the_texts_add(event_id, statuses):
    """A claim stays reported until a further text confirms or disputes it; a plan stays a plan."""
    assert history(event_id, "status") == statuses


@pytest.mark.parametrize(
    ("plan", "state"),
    [
        ("putin-zelensky-meeting-plan", "not-held"),
        ("trilateral-meeting-plan", "not-held"),
        ("zelensky-to-moscow-plan", "rejected"),
    ],
)
def test_plans_end_with_an_outcome_and_its_evidence(plan, state):
    """What became of a plan is recorded with the event that shows it, and the plan was recorded without it."""
    (outcome,) = history(plan, "outcome")
    assert outcome["state"] == state
    assert outcome["evidence"]


def test_trump_on_us_troops_changes_within_a_day():
    """He leaves the question open on 18 August and closes it on the 19th; nothing before or after differs."""
    positions = defaultdict(set)
    for event in final().events.values():
        for stance in event.get("stances", []):
            if (stance["actor"], stance["topic"]) == ("donald-trump", "us-troops"):
                positions[event["when"]].add(stance["position"])
    assert dict(sorted(positions.items())) == {"2025-08-18": {"open"}, "2025-08-19": {"against"}}


# ---------------------------------------------------------------------------------------------- against the texts

@needs_texts
def test_the_import_ends_in_the_facts():
    """After the last line every fact is there as gathered: what, when, how certain, who, where, how related."""
    gathered = {fact["id"]: fact for fact in facts()}
    events = final().events
    assert events.keys() == gathered.keys()
    for name, fact in gathered.items():
        assert as_fact(events[name], len(fact["actors"])) == expected(fact), name


def as_fact(event, own_actors):
    outcome = event.get("outcome", {})
    return {
        "title": event["title"], "kind": event["kind"], "certainty": event["certainty"], "status": event["status"],
        "when": event.get("when"), "about": event.get("about"), "announced": event.get("announced"),
        "place": event.get("place", {}).get("id"),
        "actors": [(part["id"], part["role"]) for part in event.get("actors", [])[:own_actors]],
        "relations": sorted((r["type"], r["event"], r.get("sense", "")) for r in event.get("relations", [])),
        "outcome": (outcome.get("state"), outcome.get("as_of"), outcome.get("evidence")),
    }


def expected(fact):
    outcome = fact.get("outcome", {})
    return {
        "title": fact["title_en"], "kind": fact["kind"], "certainty": fact["certainty"], "status": fact["status"],
        "when": None if fact["id"] in ANCHORED else fact["when"],
        "about": fact.get("about_when"), "announced": fact.get("asserted_on"), "place": fact["place"],
        "actors": [(part["id"], part["role"]) for part in fact["actors"]],
        "relations": sorted((r["type"], r["target"], r.get("sense", "")) for r in fact["relations"]),
        "outcome": (outcome.get("state"), outcome.get("as_of"), [outcome["evidence"]] if outcome else None),
    }


@needs_texts
def test_actors_beyond_the_facts_are_those_who_passed_it_on():
    """The only actors added are relayers that the fact's own chain of attribution names."""
    for fact in facts():
        added = final().events[fact["id"]].get("actors", [])[len(fact["actors"]):]
        assert {part["role"] for part in added} <= {"relayer"}
        assert {part["id"] for part in added} <= set(fact.get("attribution", []))


def test_what_has_no_date_has_an_anchor():
    """An event has a date or says what it hangs on; none has a guessed date."""
    for name, event in final().events.items():
        assert ("when" in event) == (name not in ANCHORED)
        assert ("anchor" in event) == (name in ANCHORED)


@needs_texts
def test_every_citation_is_there_and_holds():
    """All 130 spans are cited, each digest is that of the span, and a phrase stands in the span it dates."""
    source_of = source_of_document()
    text_of = {source_of[name]: (TEXTS / name).read_text(encoding="utf-8") for name in source_of}
    count = 0
    for fact in facts():
        cited = final().events[fact["id"]]["citations"]
        selectors = sorted((c["source"], c["start"], c["end"], c["span_sha256"]) for c in cited)
        gathered = [(source_of[c["document"]], c["start"], c["end"], c["span_sha256"]) for c in fact["citations"]]
        assert selectors == sorted(gathered), fact["id"]
        for citation in cited:
            span = text_of[citation["source"]][citation["start"] : citation["end"]]
            assert hashlib.sha256(span.encode()).hexdigest() == citation["span_sha256"]
            assert citation.get("phrase", "") in span
            assert "exact" not in citation
            count += 1
    assert count == 130


@needs_texts
def test_the_sources_are_the_documents():
    """Digest and length are those of the files, and the date says that it was inferred."""
    source_of = source_of_document()
    for document in documents():
        source = final().sources[source_of[document["file"]]]
        content = (TEXTS / document["file"]).read_bytes()
        assert source["sha256"] == hashlib.sha256(content).hexdigest()
        assert source["characters"] == len(content.decode())
        assert source["published"] == document["publication_date"] + "?"
        assert "text" not in source


def folded(text):
    """Make the spellings of one sentence equal: quotes, apostrophes, spaces and case."""
    text = re.sub("[\u2018\u2019]", "'", re.sub("[“”«»]", '"', text))
    return re.sub(r"\s+", " ", text).lower()


@needs_texts
def test_no_sentence_of_the_articles_is_in_the_seeds():
    """The timeline is in our own words: no 40 characters in a row occur in any of the texts."""
    size = LONGEST_SHARED_RUN + 1
    articles = [folded(file.read_text(encoding="utf-8")) for file in TEXTS.glob("*.txt")]
    runs = {article[at : at + size] for article in articles for at in range(len(article) - size + 1)}
    for file in FILES:
        for line in map(folded, lines_of(file)):
            shared = [run for at in range(len(line) - size + 1) if (run := line[at : at + size]) in runs]
            assert not shared, file.name
