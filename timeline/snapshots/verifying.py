"""Verifying a bundle offline: no network, no database, nothing but the file (and the key it should be signed with).

The question is answered a second time from the records in the bundle (`replay`, `membership`), after every one of them
was proved to be in the log. Each check has a verdict of its own, and says what it rests on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from timeline.edtf import iso
from timeline.errors import TimelineError
from timeline.log import ERASURE, Header
from timeline.parts import BODY
from timeline.query import Query
from timeline.records import SnapshotPublished, canonical, restore
from timeline.snapshots.bundle import Bundle
from timeline.snapshots.document import FORMAT, PROJECTOR, Entry, digest, named
from timeline.snapshots.evidence import Evidence, Refused
from timeline.snapshots.membership import Seen, candidates, events_in, expected, members_in
from timeline.snapshots.question import question
from timeline.snapshots.replay import Replay
from timeline.snapshots.report import Check, Report
from timeline.snapshots.standing import Members
from timeline.tlog import NoteError

ORDER: Final = ("form", "id", "content", "checkpoint", "tree", "parts", "entries", "complete", "published")


def verify_bundle(bundle: Bundle, *, id_: str | None = None, vkey: str | None = None) -> Report:
    """Check a bundle that was read strictly (`decode_bundle`).

    `id_` is the snapshot that was cited, `vkey` the log's public key as known from elsewhere.
    """
    return _Verification(bundle, id_, vkey).run()


class _Verification(Evidence):
    """One pass over a bundle: what its evidence proves, and what follows for the snapshot."""

    def __init__(self, bundle: Bundle, id_: str | None, vkey: str | None) -> None:
        super().__init__(bundle, vkey)
        self._wanted = id_
        self._replay = Replay()
        self._query: Query = Query()
        self._seen: dict[str, Seen] = {}
        self._described: dict[str, int] = {}
        self._members: Members = {}

    def run(self) -> Report:
        try:
            checks = [self._check_form()]
        except Refused as refused:
            return Report("that cannot be read", (Check("form", "failed", str(refused)),))
        stages: tuple[tuple[str, Callable[[], Check]], ...] = (
            ("checkpoint", self._check_checkpoint), ("tree", self._check_tree), ("parts", self._check_opened),
            ("id", self._check_id), ("content", self._check_content), ("entries", self._check_entries),
            ("complete", self._check_complete), ("published", self._check_published),
        )
        for name, stage in stages:
            try:
                checks.append(stage())
            except Refused as refused:
                checks.append(Check(name, "failed", str(refused)))
                if name in ("tree", "parts"):  # nothing after it would rest on anything
                    break
            except (TimelineError, msgspec.MsgspecError, ValueError, KeyError, TypeError, IndexError) as error:
                checks.append(Check(name, "failed", f"the bundle contradicts itself: {_sentence(error)}"))
                break
        checks.sort(key=lambda check: ORDER.index(check.name))
        return Report(self._snapshot.id, tuple(checks), tuple(self._erased()))

    def _check_form(self) -> Check:
        """Check what every later check takes for granted."""
        made = self._snapshot
        if made.format != FORMAT or made.projector != PROJECTOR:
            raise Refused(f"the snapshot is of format {made.format}, folded by {made.projector}: this program reads "
                          f"{FORMAT}, folded by {PROJECTOR}")
        events = (entry.event for entry in made.entries)
        if not all(isinstance(each.get("id"), str) for each in (*events, *made.actors, *made.sources)):
            raise Refused("an event, actor or source in the snapshot has no id")
        if not all(entry.positions for entry in made.entries):
            raise Refused("an event in the snapshot was formed by no record")
        return Check("form", "ok", f"{len(made.entries)} events at position {made.log.size} of {made.log.origin}, in "
                                   "canonical form")

    def _check_opened(self) -> Check:
        """Open the parts, and fold what they say."""
        check = self._check_parts()
        self._replay_all()
        return check

    def _replay_all(self) -> None:
        size = self._snapshot.log.size
        self._query = question(self._snapshot.query, size)
        past = [self._headers[position] for position in sorted(self._headers) if position <= size]
        self._seen = events_in(past)
        self._described = {header.streams[0][0]: header.position for header in past
                           if header.type.endswith(".described")}
        self._members = members_in(past, self._query)
        for position in sorted(self._records):
            if position <= size:
                self._replay.apply(self._records[position])

    # ------------------------------------------------------------------ the snapshot

    def _check_id(self) -> Check:
        own = self._snapshot.id
        if self._wanted is not None and self._wanted != own:
            raise Refused(f"this is snapshot {own}, not the one that was cited: something in it was changed")
        told = "it is the one that was cited" if self._wanted else "compare it with the citation"
        return Check("id", "ok" if self._wanted else "unknown", f"computed from what it holds: {told}")

    def _check_content(self) -> Check:
        published = self._publication()
        if published is None:
            return Check("content", "unknown", f"SHA-256 {digest(self._snapshot.content())}")
        if published.content == digest(self._snapshot.content()):
            return Check("content", "ok", f"SHA-256 {published.content}, as published")
        if any(True for _ in self._erased()):
            return Check("content", "unknown", "other bytes than when it was published: parts were erased since")
        raise Refused("other bytes than when it was published, and no erasure is declared")

    def _check_entries(self) -> Check:
        gone = 0
        for entry in self._snapshot.entries:
            event = entry.event["id"]
            if event in self._replay.gone:
                gone += 1
                self._check_gone(entry)
                continue
            again = self._again(event, entry.positions)
            if _compared(again) != _compared(entry):
                raise Refused(f"event {event} does not follow from its records: {_differing(again, entry)}")
        self._check_things()
        lost = f"; {gone} were erased, and are known by their headers only" if gone else ""
        return Check("entries", "ok", f"{len(self._snapshot.entries) - gone} events follow from their records{lost}")

    def _erasures_before(self, event: str, position: int) -> int:
        return sum(header.type == ERASURE and place < position and header.streams[0][0] == f"event/{event}"
                   for place, header in self._headers.items())

    def _check_gone(self, entry: Entry) -> None:
        """An event that lost its body may say only what headers say: nobody could tell whether the rest is true."""
        event, position = entry.event["id"], entry.positions[-1]
        header = self._headers.get(position)
        streams = header.streams if header else ()
        number = next((sequence for name, sequence, _ in streams if name == f"event/{event}"), 0)
        if header is None or not number:
            raise Refused(f"event {event} was not changed at position {position}")
        number -= self._erasures_before(event, position)  # they stand in the event's stream, and are no revisions
        earliest, latest = header.when or (None, None)
        said = {"id": event}, _bound(earliest), _bound(latest), {
            "number": number, "position": position, "recorded_at": header.recorded_at, "author": header.author,
            "type": header.type,
        }
        merged = {name for place in entry.positions if place in self._headers
                  for name, _, _ in self._headers[place].streams}
        if (entry.event, entry.earliest, entry.latest, entry.revision) != said or entry.retracted or (
                entry.erased is None or {f"event/{name}" for name in entry.merged_from} - merged):
            raise Refused(f"event {event} was erased, and says more than the headers of its records")

    def _again(self, event: str, positions: Sequence[int]) -> Entry:
        for version in self._replay.events.get(event, ()):
            if version.revision["position"] == positions[-1]:
                return version.entry()
        raise Refused(f"event {event} was not changed at position {positions[-1]}")

    def _check_things(self) -> None:
        for type_, shown, wanted in zip(("actor", "source"), (self._snapshot.actors, self._snapshot.sources),
                                        named(self._snapshot.entries), strict=True):
            if [thing["id"] for thing in shown] != sorted(wanted):
                raise Refused(f"the {type_}s are not those that the events name")
            for thing in shown:
                self._check_newest(type_, thing)
                described = self._replay.things.get((type_, thing["id"]), [])
                position = thing["revision"]["position"]
                again = next((each.shown() for each in described if each.header.position == position), None)
                if again is None and self._is_bare(type_, thing):
                    continue
                if again is None or canonical(again) != canonical(thing):
                    raise Refused(f"{type_} {thing['id']} is not described so at position {position}")

    def _check_newest(self, type_: str, thing: dict[str, Any]) -> None:
        """Check that no younger description was passed over, as far as headers tell."""
        newest = self._described.get(f"{type_}/{thing['id']}", 0)
        if newest > thing["revision"]["position"]:
            raise Refused(f"{type_} {thing['id']} was described anew at position {newest}")

    def _is_bare(self, type_: str, thing: dict[str, Any]) -> bool:
        """Whether an actor or source lost its body, and says nothing but who was described, when and by whom."""
        position = thing["revision"]["position"]
        record = self._records.get(position)
        if record is None or BODY not in record.erased or record.header.streams[0][0] != f"{type_}/{thing['id']}":
            return False
        header = record.header
        revision = {"author": header.author, "position": position, "recorded_at": header.recorded_at}
        return thing == {"id": thing["id"], "erased": thing.get("erased", {}), "revision": revision}

    def _check_complete(self) -> Check:
        if self._bundle.evidence == "none":
            return Check("complete", "unknown", "the bundle holds no evidence of it: verify it with the log")
        if self._query.text is not None:
            return Check("complete", "unknown", "which events contain the words can only be decided with the log")
        tail = self._check_streams() if self._bundle.evidence == "streams" else True
        meant = self._meant()
        shown = [entry.event["id"] for entry in self._snapshot.entries]
        if missing := [event for event in meant if event not in set(shown)]:
            raise Refused(f"{_place(missing[0], meant)} event is left out: {missing[0]} is meant by the question")
        if extra := [event for event in shown if event not in set(meant)]:
            raise Refused(f"event {extra[0]} is not meant by the question")
        if meant != shown:
            raise Refused("the events are not in chronological order")
        self._check_formed()
        if not tail:
            return Check("complete", "unknown", "no record proves where the streams end: the newest events could be "
                                                "missing; publish the snapshot, or verify it with the log")
        over = "headers" if self._bundle.evidence == "headers" else "records of its streams"
        return Check("complete", "ok", f"the question, asked again of all {over}, means these {len(shown)} events")

    def _meant(self) -> list[str]:
        """Answer the question again: from content, and from headers where there is none."""
        names = candidates(self._query, self._seen, self._members)
        bare = {name for name in names if name not in self._replay.events or name in self._replay.gone}
        by_content = self._query.roles or self._query.reported_by is not None
        if by_content and (hidden := sorted(bare - self._replay.gone)):
            raise Refused(f"the records of event {hidden[0]}, which may be meant, are left out")
        told = [name for name in names if name not in bare]
        self._check_whole(told)
        standings = expected(self._query, told, self._replay, self._members)
        shown = {entry.event["id"] for entry in self._snapshot.entries}
        standings += [self._seen[name].standing() for name in bare if not by_content or name in shown]
        return [standing.id for standing in sorted(standings, key=lambda each: each.place(self._query))]

    def _check_whole(self, told: Sequence[str]) -> None:
        """Check that no record was left out that decides who is meant: an older version may mean another thing."""
        for event in told:
            if list(self._replay.events[event][-1].positions) != sorted(self._seen[event].positions):
                raise Refused(f"a record of event {event}, which may be meant, is left out")
        if self._query.reported_by is not None:
            for position, header in self._headers.items():
                if header.type == "source.described" and position <= self._snapshot.log.size and (
                        position not in self._records):
                    raise Refused(f"the description of a source at position {position} is left out")

    def _check_formed(self) -> None:
        for entry in self._snapshot.entries:
            event = entry.event["id"]
            formed = sorted(self._seen[event].positions)
            if self._query.reported_by is not None:
                formed = [place for place in formed if place <= entry.positions[-1]]
            if entry.positions != formed:
                raise Refused(f"event {event} was formed by other records: {_gap(formed, entry.positions)}")

    def _check_streams(self) -> bool:
        """Check that the streams that answer the question are whole; say whether their ends are proved."""
        streams = self._bundle.streams
        group = next((group for group in self._query.facets() if set(group) == set(streams)), None)
        if group is None:
            raise Refused("the streams in the bundle are not those the question names")
        for name in group:
            _whole_stream(name, streams[name], self._headers)
        for event, found in self._seen.items():
            _whole_stream(f"event/{event}", _own(found, event, self._headers), self._headers)
        published = self._bundle.published
        return published is not None and all(published in streams[name] for name in group)

    # ------------------------------------------------------------------ publication, erasure

    def _publication(self) -> SnapshotPublished | None:
        position = self._bundle.published
        if position is None:
            return None
        record = self._records.get(position)
        if record is None:
            raise Refused("the record that published it is left out")
        change = restore(record.header.type, record.header.v, record.part(BODY))
        if not isinstance(change, SnapshotPublished):
            raise Refused(f"the record at position {position} publishes no snapshot")
        return change

    def _check_published(self) -> Check:
        published = self._publication()
        if published is None:
            return Check("published", "unknown", "the bundle names no record that published it")
        if canonical(published.manifest) != canonical(self._snapshot.manifest()) or published.id != self._snapshot.id:
            raise Refused("the record that should have published it published another snapshot")
        header = self._headers[self._bundle.published or 0]
        return Check("published", "ok", f"at position {header.position}, recorded {header.recorded_at}")

    def _erased(self) -> list[dict[str, Any]]:
        found = []
        for entry in self._snapshot.entries:
            records = [self._records[place] for place in entry.positions if place in self._records]
            parts = {name for record in records for name in record.erased}
            if parts:
                found.append({"event": entry.event["id"], "parts": sorted(parts), **(entry.erased or {})})
        return found





def _bound(seconds: int | None) -> str | None:
    return None if seconds is None else iso(seconds)


def _compared(entry: Entry) -> bytes:
    """Give what must agree. What was erased is looked at in the records, not in what the entry says of it."""
    return canonical(msgspec.structs.replace(entry, erased=None))


def _differing(again: Entry, entry: Entry) -> str:
    for name in entry.__struct_fields__:
        if name != "erased" and canonical(getattr(again, name)) != canonical(getattr(entry, name)):
            return f"{name} is not what they say"
    return "it is not what they say"


def _place(event: str, meant: Sequence[str]) -> str:
    if event == meant[0]:
        return "the first"
    return "the last" if event == meant[-1] else "a middle"


def _gap(formed: Sequence[int], shown: Sequence[int]) -> str:
    missing, extra = sorted(set(formed) - set(shown)), sorted(set(shown) - set(formed))
    return f"position {missing[0]} is missing" if missing else f"position {extra[0]} is not one of them"


def _own(found: Seen, event: str, headers: Mapping[int, Header]) -> list[int]:
    """Give the positions, among those at hand, of an event's own stream up to the last record that counts."""
    last = max(found.positions)
    name = f"event/{event}"
    return [place for place in sorted(headers)
            if place <= last and any(stream == name for stream, _, _ in headers[place].streams)]


def _whole_stream(name: str, positions: Sequence[int], headers: Mapping[int, Header]) -> None:
    """Check that a stream's records are numbered 1, 2, 3 ... and that each names the one before it."""
    before = 0
    for number, position in enumerate(positions, 1):
        header = headers.get(position)
        place = next(((sequence, previous) for stream, sequence, previous in (header.streams if header else ())
                      if stream == name), None)
        if place != (number, before):
            which = "the first record" if number == 1 else f"record {number}"
            raise Refused(f"{which} of stream {name} is left out: after position {before}, position {position} is "
                          f"number {place[0] if place else 'none'} of it")
        before = position


def _sentence(error: Exception) -> str:
    text = str(error) if isinstance(error, TimelineError | NoteError) else type(error).__name__
    return text.splitlines()[0] if text else type(error).__name__


__all__ = ["verify_bundle"]
