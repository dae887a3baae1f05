"""Verifying a bundle offline: no network, no database, nothing but the file (and the key it should be signed with).

The question is answered a second time from the records in the bundle (`replay`, `membership`), after every one of them
was proved to be in the log. Each check has a verdict of its own, and says what it rests on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from timeline import merkle
from timeline.edtf import iso
from timeline.errors import TimelineError
from timeline.log import Header, Part, Record, commitment, decode_header, encode_header
from timeline.merkle import ProofError, leaf_hash
from timeline.parts import BODY, QUOTES, TEXT
from timeline.query import Query
from timeline.records import PartErased, SnapshotPublished, canonical, restore
from timeline.snapshots.bundle import Bundle
from timeline.snapshots.document import FORMAT, PROJECTOR, Entry, digest
from timeline.snapshots.membership import Seen, candidates, events_in, expected, members_in
from timeline.snapshots.question import question
from timeline.snapshots.replay import Replay
from timeline.snapshots.report import Check, Report
from timeline.snapshots.standing import Members
from timeline.tlog import Checkpoint, NoteError, Verifier, open_note, parse_note
from timeline.tlog.text import parse_hash

ORDER: Final = ("form", "id", "content", "checkpoint", "tree", "parts", "entries", "complete", "published")


class Refused(Exception):
    """A check failed; the sentence says how."""


def verify_bundle(bundle: Bundle, *, id_: str | None = None, vkey: str | None = None) -> Report:
    """Check a bundle that was read strictly (`decode_bundle`).

    `id_` is the snapshot that was cited, `vkey` the log's public key as known from elsewhere.
    """
    return _Verification(bundle, id_, vkey).run()


class _Verification:
    """One pass over a bundle; what one check proves, the next ones build on."""

    def __init__(self, bundle: Bundle, id_: str | None, vkey: str | None) -> None:
        self._bundle = bundle
        self._wanted = id_
        self._vkey = vkey
        self._snapshot = bundle.snapshot
        self._checkpoint: Checkpoint | None = None
        self._headers: dict[int, Header] = {}
        self._records: dict[int, Record] = {}
        self._replay = Replay()
        self._query: Query = Query()
        self._seen: dict[str, Seen] = {}
        self._members: Members = {}
        self._published: SnapshotPublished | None = None

    def run(self) -> Report:
        try:
            checks = [self._check_form()]
        except Refused as refused:
            return Report("that cannot be read", (Check("form", "failed", str(refused)),))
        stages: tuple[tuple[str, Callable[[], Check]], ...] = (
            ("checkpoint", self._check_checkpoint), ("tree", self._check_tree), ("parts", self._check_parts),
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

    # ------------------------------------------------------------------ the log's word

    def _check_checkpoint(self) -> Check:
        text = self._bundle.checkpoint
        try:
            note = parse_note(text, unsigned=True)
            self._checkpoint = found = Checkpoint.parse(note.text)
        except NoteError as error:
            raise Refused(f"the checkpoint cannot be read: {error}") from None
        if found.origin != self._snapshot.log.origin:
            raise Refused(f"the checkpoint is of {found.origin}, the snapshot of {self._snapshot.log.origin}")
        told = f"size {found.size}, root {found.root.hex()[:16]}…"
        if self._vkey is not None:
            _signed(text, self._vkey)
            return Check("checkpoint", "ok", f"{told}, signed by the key given")
        if not note.unverified:
            return Check("checkpoint", "unknown", f"{told}: not signed, the log has no key; compare the root with one "
                                                  "kept elsewhere")
        if self._bundle.key is None:
            return Check("checkpoint", "unknown", f"{told}: signed, but the key was not given (--key)")
        _signed(text, self._bundle.key)
        return Check("checkpoint", "unknown", f"{told}: signed by the key in the bundle; give the key you know (--key) "
                                              "to be sure whose it is")

    def _check_tree(self) -> Check:
        checkpoint = self._checkpoint
        if checkpoint is None:
            raise Refused("without a checkpoint nothing can be proved")
        if self._bundle.evidence == "headers":
            return self._whole_tree(checkpoint)
        return self._proved(checkpoint)

    def _whole_tree(self, checkpoint: Checkpoint) -> Check:
        """Compute both roots from all the headers."""
        headers, size = self._bundle.headers, self._snapshot.log.size
        if len(headers) != checkpoint.size:
            raise Refused(f"{len(headers)} headers for a log of {checkpoint.size}: one was left out or added")
        edge = merkle.Frontier()
        root = edge.root() if size == 0 else b""
        for position, text in enumerate(headers, 1):
            self._take_header(position, text)
            edge.append(leaf_hash(text.encode()))
            if position == size:
                root = edge.root()
        if edge.root() != checkpoint.root:
            raise Refused("the headers do not give the checkpoint's root: one was altered, left out, added or moved")
        self._compare_root(root)
        for line in self._bundle.records:
            if line.header is not None:
                raise Refused(f"the header of position {line.position} is there twice")
        return Check("tree", "ok", f"all {len(headers)} headers give the root")

    def _proved(self, checkpoint: Checkpoint) -> Check:
        """Prove the headers that are there, and that the checkpoint's log extends the snapshot's."""
        leaves = {}
        for line in self._bundle.records:
            if line.header is None:
                raise Refused(f"the header of position {line.position} is not there")
            self._take_header(line.position, line.header)
            leaves[line.position - 1] = leaf_hash(line.header.encode())
        try:
            if leaves and merkle.root_from_multiproof(leaves, checkpoint.size, _hashes(self._bundle.proof)) != (
                    checkpoint.root):
                raise Refused("the records do not lead to the checkpoint's root: one was altered, left out or added")
        except ProofError as error:
            raise Refused(f"the proof does not fit the records: {error}") from None
        self._check_extends(checkpoint)
        return Check("tree", "ok", f"{len(leaves)} records are proved to be in the log of {checkpoint.size}")

    def _check_extends(self, checkpoint: Checkpoint) -> None:
        log = self._snapshot.log
        if log.size == checkpoint.size:
            self._compare_root(checkpoint.root)
        elif not log.size:
            self._compare_root(merkle.EMPTY)
        else:
            proof = _hashes(self._bundle.consistency)
            try:
                merkle.verify_consistency(log.size, checkpoint.size, proof, bytes.fromhex(log.root), checkpoint.root)
            except ProofError as error:
                raise Refused(f"the checkpoint's log does not extend the snapshot's: {error}") from None

    def _compare_root(self, root: bytes) -> None:
        if root.hex() != self._snapshot.log.root:
            raise Refused("the snapshot names another root than the log had at its size")

    def _take_header(self, position: int, text: str) -> None:
        header = decode_header(text.encode())
        if header.position != position or encode_header(header) != text.encode():
            raise Refused(f"the header at position {position} is not the one of that position, or not canonical")
        self._headers[position] = header

    def _check_parts(self) -> Check:
        count = 0
        for line in self._bundle.records:
            header = self._headers.get(line.position)
            if header is None or line.position in self._records:
                raise Refused(f"the record at position {line.position} has no header, or is there twice")
            parts = tuple(Part(part.name, _salt(part.salt), part.data.encode()) for part in line.parts)
            promised = dict(header.parts)
            for part in parts:
                if promised.pop(part.name, None) != commitment(part.salt, part.data):
                    raise Refused(f"part {part.name} at position {line.position} is not what was committed to")
                count += 1
            self._records[line.position] = Record(line.position, b"", parts, tuple(line.erased), header)
        self._check_missing()
        self._replay_all()
        return Check("parts", "ok", f"{count} parts open the commitments in their headers")

    def _check_missing(self) -> None:
        """Tell what was erased, which a record of the log declares, from what is merely gone."""
        declared = set(self._declared())
        for position, record in self._records.items():
            there = {part.name for part in record.parts}
            absent = {name for name, _ in record.header.parts} - there
            gone = absent - {TEXT}
            undeclared = {name for name in gone if (position, name) not in declared}
            if undeclared and self._needed(position):
                raise Refused(f"part {min(undeclared)} at position {position} is missing; no erasure is declared")
            if set(record.erased) - absent or set(record.erased) & undeclared:
                raise Refused(f"a part at position {position} is called erased, and is there, or no record declares it")

    def _declared(self) -> Iterator[tuple[int, str]]:
        """Give what the records of erasure that are here declare erased: (position, part)."""
        for record in self._records.values():
            if record.header.type == "part.erased":
                change = restore(record.header.type, record.header.v, record.part(BODY))
                if isinstance(change, PartErased):
                    names = (change.part, QUOTES) if change.part == BODY else (change.part,)
                    yield from ((position, name) for position in change.records for name in names)

    def _needed(self, position: int) -> bool:
        return position <= self._snapshot.log.size or position == self._bundle.published

    def _replay_all(self) -> None:
        size = self._snapshot.log.size
        self._query = question(self._snapshot.query, size)
        past = [self._headers[position] for position in sorted(self._headers) if position <= size]
        self._seen = events_in(past)
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

    def _check_gone(self, entry: Entry) -> None:
        """An event that lost its body may say only what headers say: nobody could tell whether the rest is true."""
        event, position = entry.event["id"], entry.positions[-1]
        header = self._headers.get(position)
        streams = header.streams if header else ()
        number = next((sequence for name, sequence, _ in streams if name == f"event/{event}"), 0)
        if header is None or not number:
            raise Refused(f"event {event} was not changed at position {position}")
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
        for type_, shown in (("actor", self._snapshot.actors), ("source", self._snapshot.sources)):
            for thing in shown:
                described = self._replay.things.get((type_, thing["id"]), [])
                position = thing["revision"]["position"]
                again = next((each.shown() for each in described if each.header.position == position), None)
                if again is None and self._is_bare(type_, thing):
                    continue
                if again is None or canonical(again) != canonical(thing):
                    raise Refused(f"{type_} {thing['id']} is not described so at position {position}")

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
        standings += [self._seen[name].standing() for name in bare]
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


def _signed(note: str, vkey: str) -> None:
    """Check the signature, or refuse."""
    try:
        open_note(note, [Verifier.parse(vkey)])
    except NoteError as error:
        raise Refused(f"the signature does not hold: {error}") from None


def _hashes(texts: Sequence[str]) -> list[bytes]:
    return [parse_hash(text, "a hash of a proof") for text in texts]


def _salt(text: str) -> bytes:
    """Read a salt in its one form: lower-case hexadecimal."""
    salt = bytes.fromhex(text)
    if salt.hex() != text:
        raise Refused("a salt is not in lower-case hexadecimal")
    return salt


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
