"""The public interface against a model of a few lines: whatever is done in whatever order, both tell the same story.

By hand, for longer: TIMELINE_FUZZ=20 pytest tests/test_state_machine.py (see tests/fuzz_long.py).
"""

from __future__ import annotations

import os
import tempfile
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import count, pairwise
from math import inf
from pathlib import Path
from typing import NamedTuple

from api_client import serving
from hypothesis import HealthCheck, Phase, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from timeline import Timeline, parse_query
from timeline.chronicle import rebuild_views
from timeline.errors import TimelineError
from timeline.merkle import verify_consistency
from timeline.snapshots import decode_bundle, find, make_bundle, publish, verify_bundle

FUZZ = int(os.environ.get("TIMELINE_FUZZ", "0"))
PHASES = [Phase.explicit, Phase.generate, *([Phase.shrink] if os.environ.get("TIMELINE_SHRINK") else [])]
"""A long history takes minutes to shrink: only where somebody asks for it."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EXTRAS = {"earliest", "latest", "recorded_at", "revision", "retracted", "merged_into", "merged_from"}
DEFAULTS = {"kind": "occurrence", "status": "reported", "certainty": "stated"}
JOINED = ("actors", "topics", "citations", "relations")


def second(*when):
    return (datetime(*when, tzinfo=UTC) - EPOCH).total_seconds()


# First and last second of each date, written down here rather than computed by what is tested.
DATES = {
    "2025-08-15": (second(2025, 8, 15), second(2025, 8, 15, 23, 59, 59)),
    "2025-08-16?": (second(2025, 8, 16), second(2025, 8, 16, 23, 59, 59)),
    "2025-08": (second(2025, 8, 1), second(2025, 8, 31, 23, 59, 59)),
    "[2025-08-15..2025-08-18]": (second(2025, 8, 15), second(2025, 8, 18, 23, 59, 59)),
    "2025-08-15T10:00:00Z": (second(2025, 8, 15, 10), second(2025, 8, 15, 10)),
    "2025-08-15T02:00:00+03:00": (second(2025, 8, 14, 23), second(2025, 8, 14, 23)),
    "2025-08-16/..": (second(2025, 8, 16), inf),
    "../2025-08-16": (-inf, second(2025, 8, 16, 23, 59, 59)),
    "1900/2000": (second(1900, 1, 1), second(2000, 12, 31, 23, 59, 59)),
    "-0043-03-15": (second(357, 3, 15) - 146_097 * 86_400, second(357, 3, 16) - 146_097 * 86_400 - 1),
}
PUBLISHED = {"s0": "2025-08-15", "s1": "2025-08-20", "s2": None}


# ---------------------------------------------------------------------------------------------- the model

class Told(NamedTuple):
    """An event as it stood: what it said, which revision that was, its first record, and what hid it."""

    event: dict
    number: int
    first: int
    hidden: str = ""


class State(NamedTuple):
    """Events and the names of actors after so many records."""

    events: dict
    actors: dict


def patched(target, patch):
    if not isinstance(patch, dict):
        return patch
    merged = {**(target if isinstance(target, dict) else {})}
    merged |= {name: patched(merged.get(name), value) for name, value in patch.items()}
    return {name: value for name, value in merged.items() if patch.get(name, 0) is not None}


def joined(told, gone):
    event = {**told[0].event}
    for name in JOINED:
        items = [item for each in told for item in each.event.get(name, [])]
        event[name] = [item for number, item in enumerate(items) if item not in items[:number]
                       and not (name == "relations" and item["event"] in gone)]
    return event


def free(title, events):
    names = (title.lower() + (f"-{n}" if n > 1 else "") for n in count(1))
    return next(name for name in names if name not in events)


def refusal(state, change):
    """Give the status a change is refused with, or 0."""
    events = state.events

    def unchangeable(name, expected=None):
        if name not in events:
            return 404
        return 412 if expected not in (None, events[name].number) else 409 if events[name].hidden else 0

    def wrong(event, own):
        names = [item["event"] for item in event.get("relations", [])]
        known = own not in names and {*names} <= {*events} and "title" in event
        return 0 if known and {item["id"] for item in event.get("actors", [])} <= {*state.actors} else 422

    match change:
        case {"type": "actor.described"}:
            return 0
        case {"type": "event.recorded", "event": event}:
            return 409 if event.get("id") in events else wrong(event, event.get("id"))
        case {"type": "events.merged", "id": name, "duplicates": others} if len({name, *others}) <= len(others):
            return 422
    status = unchangeable(change["id"], change.get("expected"))
    if change["type"] == "event.revised" and not status:
        return wrong(patched(events[change["id"]].event, change["patch"]), change["id"])
    return status or next(filter(None, map(unchangeable, change.get("duplicates", []))), 0)


def folded(state, change, position):
    """Give the state after a change that is not refused; the same one where it changes nothing."""
    events, actors = {**state.events}, {**state.actors}
    if change["type"] == "actor.described":
        actors[change["actor"]["id"]] = change["actor"]["name"]
        return State(events, actors) if actors != state.actors else state
    if change["type"] == "event.recorded":
        name = change["event"].get("id") or free(change["event"]["title"], events)
        events[name] = Told(tidy({**change["event"], "id": name}), 1, position)
        return State(events, actors)
    name, old = change["id"], events[change["id"]]
    others = change.get("duplicates", [])
    event, hidden = old.event, "retracted" if change["type"] == "event.retracted" else ""
    if change["type"] == "event.revised":
        event = tidy(patched(event, change["patch"]))
        if event == old.event:
            return state
    elif others:
        event = tidy(joined([events[each] for each in (name, *others)], {name, *others}))
    events[name] = Told(event, old.number + 1, old.first, hidden)
    events |= {each: events[each]._replace(number=events[each].number + 1, hidden="merged") for each in others}
    return State(events, actors)


def plainly(change):
    """Give a change without what goes without saying: it has the same content."""
    return {**change, "event": tidy(change["event"])} if "event" in change else change


def tidy(event):
    return {name: value for name, value in event.items() if value not in ([], 0)}


def reported(states, by):
    """Give of each event the newest version that rests on sources published by then, or that hides it."""
    found = {}
    for state in states:
        for name, told in state.events.items():
            dates = [PUBLISHED[each["source"]] for each in told.event.get("citations", [])]
            rests = dates and all(date is not None and date <= by for date in dates)
            if told.hidden or rests:
                found[name] = told if rests else told._replace(hidden="not reported")
    return found


def answer(states, asked):
    """Give what a question asked at the last of some states means, in order."""
    told = reported(states, asked["reported_by"]) if "reported_by" in asked else states[-1].events
    found = []
    for said, number, first, hidden in told.values():
        first_second, last_second = DATES.get(said.get("when"), (inf, inf))
        if hidden and not (hidden == "retracted" and asked.get("retracted") == "include"):
            continue
        if "actor" in asked and asked["actor"] not in [part["id"] for part in said.get("actors", [])]:
            continue
        if "from" in asked:
            lower, upper = DATES[asked["from"]][0], DATES[asked["to"]][1]
            inside = lower <= first_second and last_second <= upper
            if "when" not in said or not (
                    inside if asked.get("match") == "must" else first_second <= upper and lower <= last_second):
                continue
        found.append(("when" not in said, first_second, last_second, said.get("sequence", 0), first, number, said))
    return [(number, said) for *_, number, said in sorted(found, key=lambda each: each[:5])]


# ---------------------------------------------------------------------------------------------- what is tested

class Library:
    """The package as a program uses it. A change is answered with a position, or with the status of its refusal."""

    def __init__(self, folder, clock):
        self.folder, self.clock = folder, clock
        self.start()

    def start(self):
        self.timeline = Timeline(self.folder / "timeline.db", clock=self.clock, author="newsroom")

    def stop(self):
        self.timeline.close()

    def send(self, changes, key=None):
        if key is not None and len(changes) == 1:
            return self._positions([{**changes[0], "key": key}], None)
        return self._positions(changes, key)

    def _positions(self, changes, key):
        try:
            return 0, [done.position for done in self.timeline.append(changes, key=key)]
        except TimelineError as error:
            return error.status, []

    def ask(self, asked, limit):
        return list(self.timeline.events(limit=limit, **{f"{name}_": value for name, value in asked.items()}))

    def actor(self, name, at):
        try:
            return self.timeline.actor(name, at)["name"]
        except TimelineError as error:
            return error.status

    def publish(self, asked):
        return publish(self.timeline, parse_query(list(asked.items()))).snapshot.id

    def snapshot(self, id_):
        return find(self.timeline, id_).snapshot.content()

    def bundle(self, id_):
        made = find(self.timeline, id_)
        return make_bundle(self.timeline, made.snapshot, made.position).encoded()

    def root(self, size):
        return self.timeline.root_at(size)


class Http(Library):
    """The same through the server: every change by the route a client would take."""

    def start(self):
        super().start()
        self.context = serving(self.timeline, self.folder)
        self.client = self.context.__enter__()

    def stop(self):
        self.context.__exit__(None, None, None)
        (self.folder / "test.tokens.db").unlink()
        super().stop()

    def send(self, changes, key=None):
        headers = {} if key is None else {"Idempotency-Key": f'"{key}"'}
        if len(changes) > 1 or changes[0]["type"] == "events.merged":
            response = self.client.write("POST", "/v1/records", json=changes, headers=headers)
            found = [item["position"] for item in response.json().get("items", [])]
        else:
            response = self._one(changes[0], headers)
            found = [int(response.headers.get("Timeline-Position", 0))]
        return (0, found) if response.is_success else (response.status_code, [])

    def _one(self, change, headers):
        if "expected" in change:
            headers = {**headers, "If-Match": f'"{change["expected"]}"'}
        match change:
            case {"type": "event.recorded", "event": event}:
                return self.client.write("POST", "/v1/events", json=event, headers=headers)
            case {"type": "event.revised", "id": name, "patch": patch, "reason": reason}:
                return self.client.write("PATCH", f"/v1/events/{name}", json={**patch, "reason": reason},
                                         headers=headers)
            case {"type": "event.retracted", "id": name, "reason": reason}:
                return self.client.write("DELETE", f"/v1/events/{name}", params={"reason": reason}, headers=headers)
            case {"actor": actor}:
                return self.client.write("PUT", f"/v1/actors/{actor['id']}", json=actor, headers=headers)
        raise AssertionError(change)

    def ask(self, asked, limit):
        items, address, params = [], "/v1/events", {**asked, "limit": limit}
        while address:
            response = self.client.get(address, params=params)
            assert response.status_code == 200, response.text
            page = response.json()
            items, address, params = items + page["items"], page.get("next"), None
        return items

    def actor(self, name, at):
        response = self.client.get(f"/v1/actors/{name}", params={"at": at})
        return response.json()["name"] if response.is_success else response.status_code

    def publish(self, asked):
        response = self.client.write("POST", "/v1/snapshots", json=asked)
        assert response.status_code in (200, 201), response.text
        return response.json()["id"]

    def snapshot(self, id_):
        return self.client.get(f"/v1/snapshots/{id_}").content

    def bundle(self, id_):
        return self.client.get(f"/v1/snapshots/{id_}", params={"f": "bundle"}).content

    def root(self, size):
        return bytes.fromhex(self.client.get("/v1/checkpoint", params={"size": size}).json()["root"])


# ---------------------------------------------------------------------------------------------- the machine

NAMES = st.sampled_from(["e0", "e1", "e2", "summit", "summit-2", "briefing"])
SOME = st.sampled_from(["e0", "e0", "e1", "e1", "e2", "summit", "summit-2"])
TITLES = st.sampled_from(["Summit", "Summit", "Briefing"])
ACTORS = st.sampled_from(["ann", "bob", "ann", "bob", "stranger"])
FIELDS = st.fixed_dictionaries({}, optional={
    "when": st.sampled_from([*DATES]),
    "sequence": st.integers(-1, 1),
    "topics": st.lists(st.sampled_from(["nato", "troops"]), max_size=2, unique=True),
    "actors": st.lists(st.builds(lambda id_, role: {"id": id_, "role": role}, ACTORS,
                                 st.sampled_from(["speaker", "host"])), max_size=2),
    "citations": st.lists(st.sampled_from([*PUBLISHED]), max_size=2, unique=True).map(
        lambda names: [{"source": name} for name in names]),
    "relations": st.lists(SOME, max_size=1).map(lambda names: [{"type": "denies", "event": name} for name in names]),
    "place": st.fixed_dictionaries({"name": st.just("Alaska"), "id": st.just("alaska")}, optional={
        "wikidata": st.just("Q797")}),
})
NULLS = st.lists(st.sampled_from(["when", "topics", "actors", "place", "sequence", "summary", "title"]), max_size=2)
PATCHES = st.builds(lambda fields, nulls, title: {**fields, **title, **dict.fromkeys(nulls)}, FIELDS, NULLS,
                    st.just({}) | TITLES.map(lambda title: {"title": title}))
QUESTIONS = st.fixed_dictionaries({}, optional={
    "actor": st.sampled_from(["ann", "bob"]),
    "retracted": st.just("include"),
    "reported_by": st.sampled_from(["2025-08-14", "2025-08-15", "2025-08-20"]),
    "from": st.sampled_from(["2025-08-15", "2025-08", "1900/2000"]),
    "match": st.sampled_from(["may", "must"]),
}).map(lambda asked: {**asked, "to": "2025-08"} if "from" in asked else asked)
RECORDED = st.builds(lambda id_, title, fields: {"type": "event.recorded", "event": {
    **({"id": id_} if id_ else {}), "title": title, **fields}}, st.none() | NAMES, TITLES, FIELDS)
EXPECTED = st.none() | st.none() | st.integers(1, 4)


def steered(change, expected):
    return change if expected is None else {**change, "expected": expected}


REVISED = st.builds(lambda id_, patch, expected: steered(
    {"type": "event.revised", "id": id_, "patch": patch, "reason": "better known"}, expected), SOME, PATCHES, EXPECTED)
RETRACTED = st.builds(lambda id_, expected: steered(
    {"type": "event.retracted", "id": id_, "reason": "never was"}, expected), SOME, EXPECTED)
MERGED = st.builds(lambda id_, others: {
    "type": "events.merged", "id": id_, "duplicates": others, "reason": "one and the same"},
    SOME, st.lists(SOME, min_size=1, max_size=2))
DESCRIBED = st.builds(lambda id_, name: {"type": "actor.described", "actor": {
    "id": id_, "kind": "person", "name": name}}, st.sampled_from(["ann", "bob", "cat"]),
    st.sampled_from(["Ann", "Anna", "Bob"]))
BEGUN = (
    {"id": "e0", "title": "Summit", "when": "2025-08-15", "citations": [{"source": "s0"}]},
    {"id": "e1", "title": "Briefing", "when": "2025-08", "actors": [{"id": "ann", "role": "speaker"}]},
    {"id": "summit", "title": "Summit", "relations": [{"type": "follows", "event": "e0"}]},
)
KEYS = st.none() | st.sampled_from(["a", "b", "c"])
PLACES = st.floats(0, 1)


class Machine(RuleBasedStateMachine):
    """What everybody may do, at random; after each step, what is told is what the model tells."""

    adapter = Library

    def __init__(self):
        super().__init__()
        self.temporary = tempfile.TemporaryDirectory(prefix="timeline-machine-")
        self.seconds = 0
        self.tested = self.adapter(Path(self.temporary.name), self.tick)
        self.states = [State({}, {})]
        self.kept = {}
        self.sent = []
        self.roots = {}
        self.snapshots = {}

    def tick(self):
        """Give what is sent together a second of its own, so that as_of can name it."""
        self.seconds += 1
        return (EPOCH + timedelta(seconds=self.seconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    @initialize()
    def begin(self):
        actors = [{"type": "actor.described", "actor": {"id": name, "kind": "person", "name": name}}
                  for name in ("ann", "bob")]
        sources = [{"type": "source.described", "source": {
            "id": name, "title": name, **({"published": date} if date else {})}} for name, date in PUBLISHED.items()]
        assert self.tested.send([*actors, *sources]) == (0, [1, 2, 3, 4, 5])
        self.states += [State({}, {"ann": "ann"})] + [State({}, {"ann": "ann", "bob": "bob"})] * 4
        self.send([{"type": "event.recorded", "event": event} for event in BEGUN], None)

    @property
    def position(self):
        return len(self.states) - 1

    # ------------------------------------------------------------------ what may be done

    def expected_of(self, changes):
        """Give the status the model refuses a batch with, or the states that follow from it."""
        states = [self.states[-1]]
        for change in changes:
            status = refusal(states[-1], change)
            if status:
                return status, []
            new = folded(states[-1], change, self.position + len(states))
            states += [new] if new is not states[-1] else []
        return 0, states[1:]

    def send(self, changes, key):
        if key is not None and key in self.kept:
            return
        status, states = self.expected_of(changes)
        for change in changes[:2]:
            event(f"{'alone' if len(changes) == 1 else 'together'}: {change['type']}", status)
        got, positions = self.tested.send(changes, key)
        assert got == status, (changes, got, status)
        before = self.position
        self.states += states
        if not status:
            assert len(positions) == len(changes)
            new = [place for place in dict.fromkeys(positions) if place > before]
            assert new == list(range(before + 1, self.position + 1))
            if key is not None:
                self.kept[key] = changes, positions

    @rule(change=RECORDED, key=KEYS)
    def record(self, change, key):
        self.send([change], key)

    @rule(change=REVISED, key=KEYS)
    def revise(self, change, key):
        self.send([change], key)

    @rule(change=REVISED, key=KEYS)
    def revise_what_was_read(self, change, key):
        if change["id"] in self.states[-1].events:
            self.send([{**change, "expected": self.states[-1].events[change["id"]].number}], key)

    @rule(change=RETRACTED, key=KEYS)
    def retract(self, change, key):
        self.send([change], key)

    @rule(change=MERGED, key=KEYS)
    def merge(self, change, key):
        self.send([change], key)

    @rule(change=DESCRIBED, key=KEYS)
    def describe(self, change, key):
        self.send([change], key)

    @rule(changes=st.lists(RECORDED | RECORDED | REVISED | RETRACTED | MERGED | DESCRIBED, min_size=2, max_size=4),
          key=KEYS)
    def send_together(self, changes, key):
        self.send(changes, key)

    @precondition(lambda self: self.kept)
    @rule(data=st.data())
    def repeat(self, data):
        key = data.draw(st.sampled_from(sorted(self.kept)))
        changes, positions = self.kept[key]
        assert self.tested.send(changes, key) == (0, positions)

    @precondition(lambda self: self.kept)
    @rule(data=st.data(), change=RECORDED)
    def use_a_key_for_something_else(self, data, change):
        key = data.draw(st.sampled_from(sorted(self.kept)))
        if list(map(plainly, self.kept[key][0])) != [plainly(change)]:
            assert self.tested.send([change], key) == (409, [])

    @rule(asked=QUESTIONS)
    def publish(self, asked):
        made = self.tested.publish(asked)
        if made not in self.snapshots:
            size = self.position
            self.states.append(self.states[-1])
            self.snapshots[made] = self.tested.snapshot(made)
            bundle = decode_bundle(self.tested.bundle(made))
            assert [entry.event["id"] for entry in bundle.snapshot.entries] == [
                event["id"] for _, event in answer(self.states[:size + 1], asked)]
        report = verify_bundle(decode_bundle(self.tested.bundle(made)), id_=made)
        assert [check for check in report.checks if check.state == "failed"] == []

    @rule()
    def reopen(self):
        self.tested.stop()
        self.tested.start()

    @rule()
    def rebuild(self):
        self.tested.stop()
        assert rebuild_views(self.tested.folder / "timeline.db") == self.position
        self.tested.start()

    # ------------------------------------------------------------------ what may be asked

    def agrees(self, asked, place, limit):
        """Compare an answer at a position with the model's."""
        self.same(self.tested.ask({**asked, "at": str(place)}, limit), answer(self.states[:place + 1], asked))

    def same(self, got, wanted):
        bare = [{name: value for name, value in body.items() if name not in EXTRAS} for body in got]
        assert bare == [{**DEFAULTS, **event} for _, event in wanted]
        assert [body["revision"]["number"] for body in got] == [number for number, _ in wanted]

    @rule(asked=QUESTIONS, part=PLACES, limit=st.integers(1, 4), order=st.sampled_from(["asc", "desc"]))
    def ask(self, asked, part, limit, order):
        place = round(part * self.position)
        got = self.tested.ask({**asked, "at": str(place), "order": order}, limit)
        self.same(got if order == "asc" else got[::-1], answer(self.states[:place + 1], asked))

    @rule(asked=QUESTIONS, part=PLACES)
    def ask_for_what_was_known_at_a_time(self, asked, part):
        place = max(1, round(part * self.position))
        moments = [record.header.recorded_at for record in self.tested.timeline.records()]
        got = self.tested.ask({**asked, "as_of": f"{moments[place - 1][:19]}Z"}, 3)
        last = len(moments) - moments[::-1].index(moments[place - 1])  # what is sent together is of one moment
        self.same(got, answer(self.states[:last + 1], asked))

    @rule(name=st.sampled_from(["ann", "bob", "cat"]), part=PLACES)
    def read_an_actor(self, name, part):
        place = round(part * self.position)
        assert self.tested.actor(name, place) == self.states[place].actors.get(name, 404)

    @precondition(lambda self: self.snapshots)
    @rule(data=st.data())
    def cite(self, data):
        id_ = data.draw(st.sampled_from(sorted(self.snapshots)))
        assert self.tested.snapshot(id_) == self.snapshots[id_]

    # ------------------------------------------------------------------ what always holds

    @invariant()
    def the_answer_of_today_is_that_of_the_model(self):
        assert self.tested.timeline.position == self.tested.timeline.log_size == self.position
        self.agrees({}, self.position, 50)

    @invariant()
    def roots_never_change(self):
        for size in {0, self.position // 2, self.position}:
            root = self.tested.root(size)
            assert self.roots.setdefault(size, root) == root

    def teardown(self):
        try:
            if self.position:
                self.look_back()
        finally:
            self.tested.stop()
            self.temporary.cleanup()

    def look_back(self):
        timeline = self.tested.timeline
        records = list(timeline.records())
        assert [record.position for record in records] == list(range(1, self.position + 1))
        report = timeline.verify()
        assert (report.sound, report.head.size) == (True, self.position)
        for place in range(self.position + 1):
            self.agrees({"retracted": "include"}, place, 3)
        leaves = [record.header_bytes for record in records]
        for size, root in self.roots.items():
            assert root == tree_hash(leaves[:size]) == self.tested.root(size)
        for old, new in pairwise(sorted(size for size in self.roots if size)):
            verify_consistency(old, new, timeline.prove_consistency(old, new), self.roots[old], self.roots[new])


def tree_hash(leaves):
    """Give MTH (RFC 9162 section 2.1.1), word for word."""
    if len(leaves) < 2:
        return sha256(b"\0" + leaves[0]).digest() if leaves else sha256().digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\1" + tree_hash(leaves[:split]) + tree_hash(leaves[split:])).digest()


class OverHttp(Machine):
    """The same machine, through the server."""

    adapter = Http


def form(examples):
    """Give the short form, the same each time, or the long one that TIMELINE_FUZZ asks for."""
    return settings(max_examples=examples * max(1, FUZZ), stateful_step_count=60 if FUZZ else 30, deadline=None,
                    derandomize=not FUZZ, suppress_health_check=list(HealthCheck), phases=PHASES)


TestLibrary = Machine.TestCase
TestLibrary.settings = form(40)
TestHttp = OverHttp.TestCase
TestHttp.settings = form(6)
