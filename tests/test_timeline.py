"""The facade: appending together, once, all or nothing; dying at the wrong moment; asking in plain Python."""

from __future__ import annotations

import json
import logging
import threading
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path

import pytest

from timeline import Timeline, TimelineError, parse_query
from timeline.chronicle import rebuild_views, verify_file
from timeline.errors import Busy, Conflict, Corrupt, Fault, Invalid, NotFound, VersionMismatch
from timeline.log import Draft, Part, Record
from timeline.log.sqlite import SqliteLog
from timeline.records import convert_change, decode_change
from timeline.views.store import views_path
from timeline.writer import Appended, Request

SEEDS = sorted((Path(__file__).parents[1] / "seeds").glob("*.ndjson"))


@pytest.fixture
def timeline():
    with Timeline.temporary() as timeline:
        yield timeline


def event(id_, **fields):
    return {"type": "event.recorded", "event": {"id": id_, "title": f"Title of {id_}", **fields}}


def revision(id_, **patch):
    return {"type": "event.revised", "id": id_, "patch": patch, "reason": "better known"}


def bodies(timeline, **asked):
    return [json.dumps(each, sort_keys=True) for each in timeline.events(limit=1000, retracted="include", **asked)]


class Held:
    """Stops the writer inside a listener, so that what is submitted meanwhile becomes one group."""

    def __init__(self, timeline):
        self.timeline, self.reached, self.go = timeline, threading.Event(), threading.Event()
        self.first = True
        timeline.subscribe(self.wait)

    def wait(self, _):
        if self.first:
            self.first = False
            self.reached.set()
            self.go.wait(10)

    def __enter__(self):
        self.timeline.submit([convert_change(event("held"))])
        self.reached.wait(10)

    def __exit__(self, *_):
        self.go.set()


# ---------------------------------------------------------------------------------------------- writing and reading

def test_a_timeline_is_written_and_read_in_plain_python(timeline):
    """Every method of writing gives the thing as it now stands; every method of reading gives values."""
    actor = timeline.describe_actor(id="ada", kind="person", name="Ada Lovelace")
    source = timeline.describe_source(title="Memoir", published="1843")
    first = timeline.record(title="Note G", when="1843-08", actors=[{"id": "ada", "role": "author"}])
    second = timeline.revise("note-g", {"when": "1843-09"}, reason="the journal appeared", expected=1)
    timeline.record(id="note-h", title="Note H", when="1843-10")
    merged = timeline.merge("note-g", ["note-h"], reason="one note")
    gone = timeline.retract("note-g", reason="misread", expected=3)

    assert (actor, source) == (timeline.actor("ada"), timeline.source("memoir"))
    assert [each["revision"]["number"] for each in (first, second, merged, gone)] == [1, 2, 3, 4]
    assert timeline.event("note-g") == gone
    assert timeline.event("note-g", at=3) == first
    assert (timeline.position, timeline.head().size) == (7, 7)
    assert timeline.verify().sound


def test_reading_takes_the_parameters_of_the_api(timeline):
    """Numbers, truth values and lists as Python has them, `from_` for a word Python keeps for itself."""
    timeline.describe_actor(id="ada", kind="person", name="Ada", member_of=["club"])
    timeline.append([event("a", when="1843-08", actors=[{"id": "ada"}]), event("b", when="1844"), event("c")])

    assert [e["id"] for e in timeline.between("1843", "1843-12")] == ["a"]
    assert [e["id"] for e in timeline.events(actor=["ada", "club"], members=True, limit=1)] == ["a"]
    assert [e["id"] for e in timeline.events(from_="1844", undated="include", order="desc")] == ["c", "b"]
    assert [e["id"] for e in timeline.timeline("ada", at=4)] == ["a"]
    with pytest.raises(NotFound, match="there is no actor adda, did you mean ada"):
        timeline.timeline("adda")


@pytest.mark.parametrize(("read", "sentence"), [
    (lambda t: t.event("alaska-sumit"), "there is no event alaska-sumit, did you mean alaska-summit?"),
    (lambda t: t.event("zzz"), "there is no event zzz"),
    (lambda t: t.event("alaska-summit", at=0), "there is no event alaska-summit at position 0"),
    (lambda t: t.event("alaska-summit", at=2), "the log ends at position 1; there is no position 2 yet"),
    (lambda t: t.actor("zzz"), "there is no actor zzz"),
    (lambda t: t.source("zzz"), "there is no source zzz"),
    (lambda t: t.history("alaska-sumit"), "there is no event alaska-sumit, did you mean alaska-summit?"),
    (lambda t: t.history("alaska-summit", at=9), "the log ends at position 1; there is no position 9 yet"),
])
def test_what_is_not_there_is_not_found(timeline, read, sentence):
    """Now, or yet, with what was probably meant."""
    timeline.record(id="alaska-summit", title="A")
    with pytest.raises(NotFound) as caught:
        read(timeline)

    assert str(caught.value) == sentence


def test_history_tells_who_said_what_when_and_why(timeline):
    """Every revision with its changes; tombstones and merges too."""
    timeline.append([event("a", topics=["x"])], author="ada")
    timeline.append([revision("a", topics=None, when="2025")], author="bob")
    timeline.append([event("b")])
    timeline.merge("a", ["b"], reason="one")
    timeline.retract("a", reason="none")
    history = timeline.history("a")

    assert [(v["revision"]["author"], v["revision"]["type"], v["revision"].get("reason")) for v in history] == [
        ("ada", "event.recorded", None), ("bob", "event.revised", "better known"), ("local", "events.merged", "one"),
        ("local", "event.retracted", "none")]
    assert [v.get("changes") for v in history] == [None, {"topics": None, "when": "2025"}, {}, {}]
    assert [(v.get("merged_from"), v.get("retracted")) for v in history[2:]] == [
        (["b"], None), (["b"], {"reason": "none"})]
    assert timeline.history("b")[-1]["merged_into"] == "a"
    assert [v["revision"]["number"] for v in timeline.history("a", at=2)] == [1, 2]


def test_positions_mark_every_change_of_stance(timeline):
    """In the order in which things were said, not in which they were recorded."""
    for name in ("ada", "bob"):
        timeline.describe_actor(id=name, kind="person", name=name)

    def stance(id_, when, actor, position):
        return event(id_, when=when, stances=[{"actor": actor, "topic": "nato", "position": position},
                                              {"actor": actor, "topic": "other", "position": "open"}])

    timeline.append([stance("c", "2025-08-17", "ada", "against"), stance("a", "2025-08-15", "ada", "for"),
                     stance("b", "2025-08-16", "bob", "for"), stance("d", "2025-08-18", "ada", "against")])
    found = [(entry["event"], entry["actor"], entry["position"], entry.get("changed_from"))
             for entry in timeline.positions("nato")]

    assert found == [("a", "ada", "for", None), ("b", "bob", "for", None), ("c", "ada", "against", "for"),
                     ("d", "ada", "against", None)]
    assert [entry["event"] for entry in timeline.positions("nato", at=4)] == ["a", "c"]
    assert timeline.positions("nothing") == []


def test_density_counts_every_dated_event_once(timeline):
    """Over the range asked for, or over all there is; open and undated ones do not stretch it."""
    timeline.append([event("a", when="2025-01-01"), event("b", when="2025-12-31"), event("c", when="2025-12-31/.."),
                     event("d"), event("e", when="../2025-06")])
    found = timeline.density(parse_query([]), 12)

    assert (found["start"], found["end"], found["total"]) == ("2025-01-01T00:00:00Z", "2025-12-31T23:59:59Z", 4)
    assert [bucket["count"] for bucket in found["buckets"]] == [2, 2]
    ranged = timeline.density(parse_query([("from", "2025-12"), ("to", "2025-12")]))
    assert (ranged["total"], ranged["start"], len(ranged["buckets"])) == (2, "2025-12-01T00:00:00Z", 1)
    assert timeline.density(parse_query([("actor", "nobody")]))["buckets"] == []
    assert timeline.density(parse_query([("at", "0")])) == {"position": 0, "buckets": [], "total": 0, "final": True}
    assert timeline.density(parse_query([("undated", "exclude"), ("from", "2025"), ("q", "e")]))["total"] == 1


# ---------------------------------------------------------------------------------------------- group commit

def test_sixty_four_threads_append_in_one_order(timeline):
    """Each answer is right, positions are gapless, and what fails disturbs nobody."""
    def work(number):
        answers = []
        for step in range(6):
            name = f"e{number}-{step}"
            answers.append((name, timeline.append([event(name, topics=[f"t{number}"])])))
            with pytest.raises(Conflict):
                timeline.append([event(name)])
            with pytest.raises(NotFound):
                timeline.append([event(f"{name}-lost"), revision("nothing")])
        return answers

    with ThreadPoolExecutor(64) as pool:
        answers = [answer for found in pool.map(work, range(64)) for answer in found]

    assert sorted(appended.position for _, (appended,) in answers) == list(range(1, 385))
    assert all(Appended("event", name, appended.position, new=True) == appended for name, (appended,) in answers)
    assert {f"event/{name}": appended.position for name, (appended,) in answers} == {
        record.header.streams[0][0]: record.position for record in timeline.records()}
    assert timeline.verify().sound
    assert len(list(timeline.events(limit=100))) == 384


def test_a_group_sees_its_own_changes(timeline):
    """Requests of one commit build on each other, in the order in which they were made."""
    with Held(timeline):
        futures = [timeline.submit([convert_change(change)]) for change in (
            {"type": "actor.described", "actor": {"id": "ada", "kind": "person", "name": "Ada"}},
            event("a", actors=[{"id": "ada"}]), revision("a", when="2025"), event("a"), revision("b", when="2025"),
            revision("a", when="2026") | {"expected": 2}, revision("a", when="2027") | {"expected": 2}, event("b"),
        )]
    found = [type(future.exception(10)) for future in futures]

    nothing = type(None)
    assert found == [nothing, nothing, nothing, Conflict, NotFound, nothing, VersionMismatch, nothing]
    times = {record.header.recorded_at for record in timeline.records(1)}
    assert (timeline.position, len(times)) == (6, 1)
    assert [e["id"] for e in timeline.timeline("ada")] == ["a"]


def test_a_rolled_back_description_is_not_remembered(timeline):
    """An actor that a failed batch introduced is unknown to the next request of the same group."""
    with Held(timeline):
        batch = timeline.submit([convert_change(change) for change in (
            {"type": "actor.described", "actor": {"id": "ada", "kind": "person", "name": "Ada"}},
            event("a", when="1900/2000", topics=["new"], actors=[{"id": "ada"}]), revision("nothing"))])
        after = timeline.submit([convert_change(event("b", actors=[{"id": "ada"}]))])
        good = timeline.submit([convert_change(event("c", when="1900/2000", topics=["new"]))])

    assert type(batch.exception(10)) is NotFound
    assert after.exception(10).faults == (Fault("/event/actors/0/id", "unknown actor ada: describe it first"),)
    assert good.result(10)[0].position == 2
    assert [e["id"] for e in timeline.events(topic="new", from_="1950", to="1960")] == ["c"]
    position = timeline.position
    timeline.record(id="d", title="D", topics=["new"])
    assert timeline.reader().last_change(parse_query([("topic", "new")]), timeline.heads) == position + 1


def test_a_cancelled_request_is_not_appended_and_stops_nobody(timeline):
    """A client that hung up while its request waited: the writer goes on."""
    with Held(timeline):
        cancelled = timeline.submit([convert_change(event("a"))])
        kept = timeline.submit([convert_change(event("b"))])
        assert cancelled.cancel()

    assert kept.result(10)[0].position == 2
    with pytest.raises(CancelledError):
        cancelled.result(10)
    assert timeline.record(id="c", title="C")["revision"]["position"] == 3


def test_an_unforeseen_fault_hits_only_its_own_request(timeline, monkeypatch):
    """A bug in one request of a group: the others are appended all the same."""
    from timeline import writer

    def decide(change, state, author):
        if getattr(change, "id", "") == "bad":
            raise ZeroDivisionError
        return decided(change, state, author)

    decided = writer.decide
    monkeypatch.setattr(writer, "decide", decide)
    with Held(timeline):
        futures = [timeline.submit([convert_change(change)]) for change in (
            event("a"), revision("bad"), event("b"), revision("a", when="2025"))]

    assert [type(future.exception(10)).__name__ for future in futures] == [
        "NoneType", "ZeroDivisionError", "NoneType", "NoneType"]
    assert [e["id"] for e in timeline.events()] == ["a", "held", "b"]
    assert timeline.verify().sound


def test_what_the_fold_refuses_is_not_in_the_log(timeline, monkeypatch):
    """Decision and fold disagree, which is a bug: nothing of the request stays, and the next one is good."""
    apply = timeline._views.apply

    def refuse(record, change=None):
        if getattr(change, "event", None) is not None and change.event.id == "bad":
            raise Corrupt("no")
        apply(record, change)

    monkeypatch.setattr(timeline._views, "apply", refuse)
    with pytest.raises(RuntimeError, match="the views refuse what was decided for position 1"):
        timeline.append([event("bad")])
    timeline.append([event("good")])

    assert [record.header.streams[0][0] for record in timeline.records()] == ["event/good"]


def test_when_too_many_wait_more_are_turned_away(timeline, monkeypatch):
    """Busy, at once, rather than remembered without bound."""
    import queue

    with Held(timeline):
        monkeypatch.setattr(timeline._writer, "_queue", queue.SimpleQueue())
        monkeypatch.setattr("timeline.writer.WAITING", 1)
        timeline._writer._queue.put(None)
        with pytest.raises(Busy, match="too many appends are waiting"):
            timeline.submit([convert_change(event("a"))])
        monkeypatch.undo()


def test_closing_finishes_what_is_queued_and_takes_nothing_more(tmp_path):
    """What was submitted before is there; after it there is Busy, and closing twice is no fault."""
    timeline = Timeline.open(tmp_path / "timeline.db")
    with Held(timeline):
        future = timeline.submit([convert_change(event("a"))])
    timeline.close()
    timeline.close()

    assert future.result(0)[0].position == 2
    with pytest.raises(Busy, match="the timeline is closing"):
        timeline.append([event("b")])
    with Timeline.open(tmp_path / "timeline.db") as again:
        assert again.position == 2


def test_every_request_made_while_closing_is_answered(tmp_path):
    """Appended or Busy: nobody waits for ever, and what was acknowledged is there."""
    timeline = Timeline.open(tmp_path / "timeline.db")
    started = threading.Barrier(9)

    def work(number):
        started.wait()
        acknowledged = []
        for step in range(200):
            try:
                timeline.submit([convert_change(event(f"e{number}-{step}"))]).result(10)
            except Busy:
                break
            acknowledged.append(f"e{number}-{step}")
        return acknowledged

    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(work, number) for number in range(8)]
        started.wait()
        timeline.close()
        acknowledged = {name for future in futures for name in future.result(20)}
    with Timeline.open(tmp_path / "timeline.db") as again:
        assert acknowledged == {e["id"] for e in again.events(limit=1000)}


# ---------------------------------------------------------------------------------------------- all or nothing

@pytest.mark.parametrize(("third", "kind", "fault"), [
    (event("c", actors=[{"id": "nobody"}]), Invalid,
     Fault("/2/event/actors/0/id", "unknown actor nobody: describe it first")),
    (event("c", titel="x"), Invalid, Fault("/2/event/titel", "unknown field")),
    ({"type": "event.record"}, Invalid, Fault("/2/type", "expected actor.described, event.recorded, event.retracted, "
                                              "event.revised, events.merged or source.described, got 'event.record'")),
    (event("a"), Conflict, Fault("/2/event/id", "this id is taken")),
    (revision("zzz"), NotFound, Fault("/2", "there is no event zzz")),
    (revision("a", title=None), Invalid, Fault("/2/patch/title", "required field is missing")),
    (revision("a", note="x\x00"), Invalid,
     Fault("/2/patch/note", "control character or noncharacter U+0000 at 1: remove it")),
    (event("c") | {"key": "used"}, Conflict,
     Fault("/2", "this idempotency key was used before, for something else: choose a new one")),
])
def test_when_the_third_of_five_is_wrong_nothing_is_stored(timeline, third, kind, fault):
    """The pointer says which and where; log, views and keys are as they were."""
    timeline.append([event("old") | {"key": "used"}])
    head, before = timeline.head(), bodies(timeline)
    with pytest.raises(kind) as caught:
        timeline.append([event("a"), event("b"), third, event("d"), event("e")], key="batch")

    assert caught.value.faults == (fault,)
    assert (head, before) == (timeline.head(), bodies(timeline))
    assert [a.new for a in timeline.append([event("a"), event("b")], key="batch")] == [True, True]


def test_a_single_change_has_no_number_in_its_pointer(timeline):
    """There is only one it could be."""
    with pytest.raises(Invalid) as caught:
        timeline.append([event("a", titel="x")])
    assert caught.value.faults[0].pointer == "/event/titel"
    with pytest.raises(Invalid) as caught:
        timeline.append([event("a", actors=[{"id": "x"}])])
    assert caught.value.faults[0].pointer == "/event/actors/0/id"


def test_a_batch_builds_on_itself(timeline):
    """Later changes of a batch see the earlier ones, and enter in one moment."""
    appended = timeline.append([
        {"type": "actor.described", "actor": {"id": "ada", "kind": "person", "name": "Ada"}},
        event("a", actors=[{"id": "ada"}]), revision("a", when="2025"), event("b"),
        {"type": "events.merged", "id": "a", "duplicates": ["b"], "reason": "one"}])

    assert [(a.type, a.id, a.position, a.new) for a in appended] == [
        ("actor", "ada", 1, True), ("event", "a", 2, True), ("event", "a", 3, True), ("event", "b", 4, True),
        ("event", "a", 5, True)]
    assert timeline.event("a")["revision"]["number"] == 3
    assert timeline.append([]) == []


# ---------------------------------------------------------------------------------------------- idempotency

def test_a_repeated_request_gets_the_first_answer_for_ever(tmp_path):
    """Same key, same content: nothing is appended, also after years and restarts."""
    changes = [event("a"), revision("a", when="2025"), event("b")]
    with Timeline.open(tmp_path / "timeline.db") as timeline:
        first = timeline.append(changes, key="k")
        timeline.revise("a", {"when": "2026"}, reason="later")
        again = timeline.append(changes, key="k")
    with Timeline.open(tmp_path / "timeline.db") as timeline:
        for_ever = timeline.append(changes, key="k")
        position = timeline.position

    assert [(a.type, a.id, a.position) for a in first] == [("event", "a", 1), ("event", "a", 2), ("event", "b", 3)]
    assert [(a.type, a.id, a.position, a.new) for a in again] == [(a.type, a.id, a.position, False) for a in first]
    assert again == for_ever
    assert position == 4


def test_a_request_without_an_id_is_recognised_too(timeline):
    """The name it was given the first time is in the answer."""
    change = {"type": "event.recorded", "event": {"title": "A briefing"}, "key": "k"}
    timeline.record(title="A briefing")
    first, again = timeline.append([change])[0], timeline.append([change])[0]

    assert (first.id, first.new, again.id, again.new) == ("a-briefing-2", True, "a-briefing-2", False)
    assert first.position == again.position


def test_a_key_used_for_something_else_is_a_conflict(timeline):
    """For a change's own key and for a request's, and the answer names the first use."""
    timeline.append([event("a") | {"key": "k"}])
    for changes, key in (([event("b") | {"key": "k"}], None), ([event("b")], "k"), ([event("a")], "k")):
        with pytest.raises(Conflict, match="was used before, for something else") as caught:
            timeline.append(changes, key=key)
        assert caught.value.members == {"position": 1}


def test_keys_belong_to_their_author(timeline):
    """Two authors may use one key; no author and key spell another's."""
    answers = [timeline.append([event(name)], author=author, key=key)[0].new for name, author, key in (
        ("a", "ada", "k"), ("b", "bob", "k"), ("c", "ada:bob", "k"), ("d", "ada", "bob:k"))]

    assert answers == [True] * 4


def test_a_key_is_used_up_within_its_batch(timeline):
    """The same change twice in one batch is one record; another one under the same key is a conflict."""
    first, second = timeline.append([event("a") | {"key": "k"}, event("a") | {"key": "k"}])
    with pytest.raises(Conflict):
        timeline.append([event("b") | {"key": "l"}, event("c") | {"key": "l"}])

    assert (first.position, first.new, second.position, second.new) == (1, True, 1, False)
    assert timeline.position == 1


def test_a_request_that_changed_nothing_keeps_its_answer(timeline):
    """Sent again after somebody changed the thing, it still changes nothing."""
    same = {"type": "actor.described", "actor": {"id": "ada", "kind": "person", "name": "Ada"}}
    timeline.append([same])
    first = timeline.append([same | {"key": "k"}]), timeline.append([same], key="l")
    timeline.describe_actor(id="ada", kind="person", name="Ada Lovelace")
    again = timeline.append([same | {"key": "k"}]), timeline.append([same], key="l")

    assert first == again == ([Appended("actor", "ada", 1, new=False)], [Appended("actor", "ada", 1, new=False)])
    assert timeline.actor("ada")["name"] == "Ada Lovelace"


def test_a_batch_that_changed_only_something_is_answered_in_full(timeline):
    """One answer for each change, the first time and ever after."""
    same = {"type": "actor.described", "actor": {"id": "ada", "kind": "person", "name": "Ada"}}
    timeline.append([same, event("old")])
    changes = [same, event("a"), revision("old"), event("b"), same]
    first, again = timeline.append(changes, key="k"), timeline.append(changes, key="k")

    assert [(a.id, a.position) for a in first] == [("ada", 1), ("a", 3), ("old", 2), ("b", 4), ("ada", 1)]
    assert [(a.id, a.position) for a in again] == [(a.id, a.position) for a in first]
    assert [a.new for a in first] == [False, True, False, True, False]


def test_a_revision_that_changes_nothing_appends_nothing(timeline):
    """The answer is the present state."""
    timeline.append([event("a", when="2025")])
    (answer,) = timeline.append([revision("a", when="2025", note=None)])

    assert answer == Appended("event", "a", 1, new=False)
    assert timeline.position == 1


def test_the_seeds_imported_twice_change_nothing(timeline):
    """Real events, each with a key: the second import appends nothing, and answers as the first did."""
    changes = []
    for file in SEEDS:
        for number, line in enumerate(file.read_bytes().splitlines(), 1):
            change = decode_change(line)
            changes.append(convert_change({**json.loads(line), "key": f"{file.stem}:{number}"}))
            assert type(change) is type(changes[-1])
    first = [timeline.append([change])[0] for change in changes]
    head, before = timeline.head(), bodies(timeline)
    again = timeline.append(changes)

    assert (head, before) == (timeline.head(), bodies(timeline))
    assert [(a.type, a.id, a.position, False) for a in first] == [(a.type, a.id, a.position, a.new) for a in again]
    assert timeline.verify().sound
    assert timeline.timeline("donald-trump")


# ---------------------------------------------------------------------------------------------- listeners

def test_listeners_hear_of_every_commit_once_it_can_be_read(timeline):
    """With the position that reads then see; a request that appends nothing is no news of another position."""
    heard = []
    timeline.subscribe(lambda position: heard.append((position, timeline.position)))
    timeline.append([event("a"), event("b")])
    timeline.append([event("c")])
    timeline.append([revision("c")])

    assert heard == [(2, 2), (3, 3), (3, 3)]


def test_a_listener_that_fails_stops_neither_the_writer_nor_the_others(timeline, caplog):
    """It is named in the log of the program, with its traceback."""
    heard = []
    timeline.subscribe(lambda _: 1 / 0)
    timeline.subscribe(heard.append)
    with caplog.at_level(logging.ERROR, "timeline"):
        timeline.append([event("a")])
        timeline.append([event("b")])

    assert heard == [1, 2]
    assert [record.exc_info[0] for record in caplog.records] == [ZeroDivisionError] * 2


# ---------------------------------------------------------------------------------------------- the wrong moment

def test_dying_between_the_two_commits_loses_nothing(tmp_path):
    """The log has it, the views do not: at the next start they catch up by the same fold."""
    path = tmp_path / "timeline.db"
    with Timeline.open(path) as timeline:
        timeline.append([event("a", topics=["x"])])
    log = SqliteLog(path)
    with log.batch() as batch:
        body = b'{"id":"a","patch":{"when":"2025"},"reason":"r"}'
        batch.seal(Draft(type="event.revised", version=1, author="ada", streams=("event/a", "topic/x"),
                         parts=(("body", body),)))
    log.close()
    with Timeline.open(path) as timeline:
        assert (timeline.position, timeline.event("a")["when"]) == (2, "2025")
        assert [record.position for record in timeline.records()] == [1, 2]


@pytest.mark.parametrize("step", ["commit", "begin"])
def test_views_that_fail_after_the_log_committed_are_caught_up_with(timeline, monkeypatch, step):
    """The record is in the log, so the answer is yes; where nothing was logged, it is the fault."""
    timeline.append([event("a")])
    real = getattr(timeline._views, step)
    failing = [OSError("disk full")]

    def fail():
        if failing:
            raise failing.pop()
        real()

    monkeypatch.setattr(timeline._views, step, fail)
    future = timeline.submit([convert_change(event("b"))])
    if step == "commit":
        assert future.result(10)[0].position == 2
    else:
        with pytest.raises(OSError, match="disk full"):
            future.result(10)
    position = timeline.append([event("c")])[0].position

    assert position == timeline.position == timeline.head().size == (3 if step == "commit" else 2)
    assert timeline.verify().sound


def test_nothing_is_decided_on_views_that_are_behind(timeline, monkeypatch):
    """As long as the views cannot be brought up to the log, every append fails; then all is well again."""
    catch_up = timeline._views.catch_up
    broken = True

    def fail(*arguments):
        if broken:
            raise OSError("disk full")
        catch_up(*arguments)

    def fail_once():
        monkeypatch.setattr(timeline._views, "commit", commit)
        raise OSError("disk full")

    commit = timeline._views.commit
    monkeypatch.setattr(timeline._views, "catch_up", fail)
    monkeypatch.setattr(timeline._views, "commit", fail_once)
    for name in ("a", "a", "b"):
        with pytest.raises(OSError, match="disk full"):
            timeline.append([event(name)])
    broken = False
    with pytest.raises(Conflict):
        timeline.append([event("a")])

    assert timeline.append([event("b")])[0].position == 2
    assert [e["id"] for e in timeline.events()] == ["a", "b"]


def test_a_log_that_cannot_commit_appends_nothing(timeline, monkeypatch):
    """Every caller of the group hears of it, and the views forget what they had."""
    commit = timeline._log._commit
    failing = True

    def fail(batch):
        if failing:
            raise OSError("disk full")
        commit(batch)

    monkeypatch.setattr(timeline._log, "_commit", fail)
    with Held(timeline):
        futures = [timeline.submit([convert_change(event(name))]) for name in "abc"]
    assert [str(future.exception(10)) for future in futures] == ["disk full"] * 3
    failing = False

    assert timeline.append([event("a")])[0].position == 1
    assert [e["id"] for e in timeline.events()] == ["a"]


def copy(path, to):
    """Copy a closed log without its views."""
    to.write_bytes(path.read_bytes())


def test_views_newer_than_an_older_copy_of_the_log_are_built_anew(tmp_path):
    """The log was restored from a backup: its views speak of records that are not there."""
    path = tmp_path / "timeline.db"
    with Timeline.open(path) as timeline:
        timeline.append([event("a")])
    copy(path, tmp_path / "backup")
    with Timeline.open(path) as timeline:
        timeline.append([event("b"), event("c")])
    copy(tmp_path / "backup", path)
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)

    with Timeline.open(path) as timeline:
        assert (timeline.position, [e["id"] for e in timeline.events()]) == (1, ["a"])
        assert timeline.append([event("d"), event("e"), event("f")])[-1].position == 4


def test_views_of_another_history_of_the_same_length_are_built_anew(tmp_path):
    """One origin, two futures: the digest of the last header folded tells them apart."""
    path = tmp_path / "timeline.db"
    with Timeline.open(path) as timeline:
        timeline.append([event("a")])
    copy(path, tmp_path / "backup")
    with Timeline.open(path) as timeline:
        timeline.append([event("b")])
    views = views_path(path)
    kept = views.read_bytes()
    copy(tmp_path / "backup", path)
    with Timeline.open(path) as timeline:
        timeline.append([event("c")])
    for suffix in ("-wal", "-shm"):
        Path(f"{views}{suffix}").unlink(missing_ok=True)
    views.write_bytes(kept)

    with Timeline.open(path) as timeline:
        assert [e["id"] for e in timeline.events()] == ["a", "c"]


@pytest.mark.parametrize("damage", [
    lambda views: views.unlink(), lambda views: views.write_bytes(b"no database " * 500),
    lambda views: views.write_bytes(b""), lambda views: views.write_bytes(views.read_bytes()[:4096]),
])
def test_views_that_are_lost_or_damaged_are_built_anew(tmp_path, damage):
    """Deleting the views is always safe."""
    path = tmp_path / "timeline.db"
    with Timeline.open(path) as timeline:
        timeline.append([event("a", topics=["x"]), event("b")])
        before = bodies(timeline)
    damage(views_path(path))

    with Timeline.open(path) as timeline:
        assert bodies(timeline) == before


def test_views_of_another_log_are_not_taken_for_ours(tmp_path):
    """Whoever moves files about gets the events of the log they open."""
    for name in ("one", "two"):
        with Timeline.open(tmp_path / f"{name}.db") as timeline:
            timeline.append([event(name)])
    views_path(tmp_path / "two.db").write_bytes(views_path(tmp_path / "one.db").read_bytes())

    with Timeline.open(tmp_path / "two.db") as timeline:
        assert [e["id"] for e in timeline.events()] == ["two"]


def test_a_log_with_a_damaged_body_says_so_when_its_views_are_built(tmp_path):
    """Rather than leave the event out."""
    import sqlite3

    path = tmp_path / "timeline.db"
    with Timeline.open(path) as timeline:
        timeline.append([event("a"), event("b")])
    connection = sqlite3.connect(path)
    connection.executescript("DROP TRIGGER part_no_delete; DELETE FROM part WHERE position = 2;")
    connection.close()
    views_path(path).unlink()

    for _ in range(2):
        with pytest.raises(Corrupt, match="record 2 has lost its body: run `timeline verify`"):
            Timeline.open(path)
    assert verify_file(path).finding.check == "missing-part"


def test_rebuilding_and_verifying_report_their_progress(tmp_path):
    """Both end with the position they reach."""
    path = tmp_path / "timeline.db"
    with Timeline.open(path) as timeline:
        timeline.append([event("a"), event("b")])
        with pytest.raises(Busy):
            rebuild_views(path)
    seen = []

    assert rebuild_views(path, seen.append) == 2
    assert verify_file(path, seen.append).sound
    assert seen == [2, 2]


# ---------------------------------------------------------------------------------------------- exported logs

def exported(timeline):
    return [(Record(r.position, r.header_bytes, r.parts), None, None) for r in timeline.records()]


def test_an_exported_log_is_adopted_with_its_receipts(timeline):
    """Same root, same answers, and a request that was made there is recognised here."""
    timeline.describe_source(id="s", title="S", text="The text.")
    timeline.append([event("a", citations=[{"source": "s"}])])
    timeline.append([revision("a", when="2025")])
    with Timeline.temporary() as other:
        records = exported(timeline)
        other.adopt([(*records[0][:1], "ada\nkey", bytes(32)), *records[1:]])

        assert other.head() == timeline.head()
        assert bodies(other) == bodies(timeline)
        assert other.reader().source_text("s", 3) == "The text."
        with pytest.raises(Conflict):
            other.append([event("b")], author="ada", key="key")
        other.append([event("b")])
        assert other.verify().sound


def test_a_record_that_cannot_be_adopted_leaves_nothing_and_disturbs_nobody(timeline):
    """Whether it does not fit into the log or into the views; alone or in a group with others."""
    timeline.append([event("a")])
    timeline.append([revision("a", when="2025")])
    first, second = (record for record, _, _ in exported(timeline))
    with Timeline.temporary() as other:
        for name, records in (
            ("next", [second]), ("twice", [first, first]), ("both", [second, first]),
            ("part", [Record(1, first.header_bytes, (Part("body", bytes(16), b"{}"),))]),
            ("bare", [Record(1, b"", ())]),
        ):
            with Held(other) if name == "next" else Timeline.temporary():
                refused = other._writer.submit(
                    Request((), "ada", adopt=[(record, None, None) for record in records]))
                kept = other.submit([convert_change(event(name))])
                if name != "next":
                    assert isinstance(refused.exception(10), TimelineError), name
            assert isinstance(refused.exception(10), TimelineError), name
            assert kept.result(10)[0].new
        assert other.verify().sound
        assert other.position == other.head().size == 6


def test_records_that_contradict_each_other_are_not_adopted(tmp_path):
    """Well sealed, but it revises what was never recorded: neither log nor views take it."""
    log = SqliteLog(tmp_path / "forged.db")
    with log.batch() as batch:
        batch.seal(Draft(type="event.revised", version=1, author="eve", streams=("event/ghost",),
                         parts=(("body", b'{"id":"ghost","patch":{},"reason":"r"}'),)))
    (forged,) = log.read()
    log.close()
    with Timeline.temporary() as timeline:
        with pytest.raises(Corrupt, match="record 1 speaks of an event that was never recorded: ghost"):
            timeline.adopt([(forged, None, None)])
        timeline.append([event("a")])

        assert [record.header.streams[0][0] for record in timeline.records()] == ["event/a"]
        assert timeline.verify().sound


@pytest.mark.parametrize(("type_", "body", "sentence"), [
    ("event.recorded", b"nonsense", "is not JSON"), ("event.recorded", b'{"event":{"id":"a"}}', "/event/title"),
    ("event.forgotten", b"{}", "newer than this program"),
])
def test_bodies_that_cannot_be_read_are_not_adopted(tmp_path, type_, body, sentence):
    """The commitment is right, the body is not one of ours: Invalid, and nothing stays."""
    log = SqliteLog(tmp_path / "forged.db")
    with log.batch() as batch:
        batch.seal(Draft(type=type_, version=1, author="eve", streams=("event/a",), parts=(("body", body),)))
    (forged,) = log.read()
    log.close()
    with Timeline.temporary() as timeline:
        with pytest.raises(Invalid, match=sentence):
            timeline.adopt([(forged, None, None)])

        assert timeline.head().size == 0


# ---------------------------------------------------------------------------------------------- opening

def test_a_temporary_timeline_is_gone_when_it_is_closed():
    """With everything beside it."""
    with Timeline.temporary() as timeline:
        folder = timeline.path.parent
        assert {file.suffix for file in folder.iterdir()} >= {".db", ".lock"}

    assert not folder.exists()


def test_where_there_is_no_directory_there_is_no_timeline(tmp_path):
    """It is said before anything is made."""
    with pytest.raises(NotFound, match=r"there is no directory .*nowhere to keep timeline\.db in"):
        Timeline.open(tmp_path / "nowhere" / "timeline.db")

    assert list(tmp_path.iterdir()) == []


def test_a_second_timeline_of_one_file_is_told_who_writes(tmp_path):
    """And the first one goes on."""
    with Timeline.open(tmp_path / "timeline.db") as timeline:
        with pytest.raises(Busy, match=r"timeline\.db is being written by process"):
            Timeline.open(tmp_path / "timeline.db")
        timeline.append([event("a")])


def test_bulk_mode_changes_nothing_but_speed(timeline):
    """Appending goes on in it and after it."""
    timeline.bulk(active=True)
    timeline.append([event("a")])
    timeline.bulk(active=False)
    timeline.append([event("b")])

    assert timeline.verify().sound


def test_a_question_that_takes_too_long_is_too_costly(timeline, monkeypatch):
    """With a way on, and without harm to the next one."""
    from timeline.errors import TooCostly

    timeline.append([event(f"e{number}") for number in range(1000)])
    monkeypatch.setattr("timeline.reading.BUDGET", -1.0)
    with pytest.raises(TooCostly, match="narrow the date range or add a filter"):
        timeline.ask(parse_query([("limit", "1000")]))
    monkeypatch.undo()

    assert len(timeline.ask(parse_query([("limit", "1000")])).bodies) == 1000


def test_a_version_mismatch_names_the_current_revision(timeline):
    """So that a client can read it again and try once more."""
    timeline.append([event("a")])
    with pytest.raises(VersionMismatch) as caught:
        timeline.revise("a", {"when": "2025"}, reason="r", expected=4)

    assert caught.value.members == {"expected": 4, "current": 1}
