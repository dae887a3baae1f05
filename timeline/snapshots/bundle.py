"""A snapshot with everything that offline verification needs, in one canonical JSON file.

Beside the snapshot: the checkpoint (signed, where the log has a key), the records that formed its entries with the
salts that open their commitments, and evidence that nothing is missing:

- ``headers``: every header of the log: from them anyone computes the root and asks the question again. For logs of a
  newsroom's size.
- ``streams``: the headers of one actor's (topic's, place's ...) records. Every header says which number it has in its
  stream and which record came before it, so none can be left out; the record that published the snapshot stands last
  in those streams and so proves that nothing came after.
- ``none``: the question names nothing that streams could prove; completeness then needs the log.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from timeline.chronicle import AnyTimeline
from timeline.log import Header, Record
from timeline.parts import TEXT
from timeline.query import Query
from timeline.records import canonical
from timeline.snapshots.document import Snapshot, decode_strictly
from timeline.snapshots.membership import candidates, events_in, members_in
from timeline.snapshots.question import question

FORMAT: Final = "timeline.bundle/1"
MEDIA_TYPE: Final = "application/vnd.timeline.bundle+json"
ALL_HEADERS: Final = 5_000
"""Logs up to this size send all their headers: some 1.5 MB, a third of it compressed."""

Evidence = Literal["headers", "streams", "none"]
Position = Annotated[int, Meta(ge=1)]


class PartLine(Struct, frozen=True, forbid_unknown_fields=True):
    """One part of a record: the bytes committed to as text, and the salt in hexadecimal."""

    data: str
    name: str
    salt: str


class RecordLine(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One record. `header` is left out where all headers are there anyway."""

    parts: list[PartLine]
    position: Position
    erased: list[str] = []
    header: str | None = None


class Bundle(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a bundle holds. Hashes are base64; `proof` is a multiproof of the records' leaves (`timeline.merkle`).

    `consistency` proves that the checkpoint's log extends the snapshot's; `published` is the position of the record
    that published it; `key` is the log's public key (C2SP vkey): a hint, since only a key known from elsewhere proves
    who signed.
    """

    checkpoint: str
    evidence: Evidence
    format: str
    records: list[RecordLine]
    snapshot: Snapshot
    consistency: list[str] = []
    headers: list[str] = []
    key: str | None = None
    proof: list[str] = []
    published: Position | None = None
    streams: dict[str, list[Position]] = {}

    def encoded(self) -> bytes:
        """Give the canonical bytes."""
        return canonical(self)


_decoder = msgspec.json.Decoder(Bundle)


def decode_bundle(data: bytes) -> Bundle:
    """Read a bundle; see `decode_strictly` for the errors."""
    return decode_strictly(data, _decoder, "bundle", FORMAT)


def make_bundle(timeline: AnyTimeline, snapshot: Snapshot, published: int | None) -> Bundle:
    """Collect what proves a snapshot. `published` is the position of the record that published it, if one did."""
    maker = _Maker(timeline, snapshot, published)
    evidence = maker.evidence()
    positions, streams = maker.needed(evidence)
    erasures = set(timeline.erasures(positions).values())
    size = max(maker.size, *erasures, 0)  # the checkpoint covers what declares the erasures
    positions |= erasures
    whole = evidence == "headers"
    return Bundle(
        checkpoint=timeline.checkpoint_text(size), evidence=evidence, format=FORMAT,
        records=[_line(timeline.record_at(each), whole=whole, opened=maker.opened(each) or each in erasures)
                 for each in sorted(positions)],
        snapshot=snapshot, published=published, streams=streams,
        consistency=[] if whole else _text(timeline.prove_consistency(snapshot.log.size, size)),
        headers=[record.header_bytes.decode() for record in timeline.records(0, size)] if whole else [],
        key=timeline.signer.verifier.vkey if timeline.signer else None,
        proof=[] if whole or not positions else _text(timeline.prove_all(positions, size)),
    )


class _Maker:
    """Finds what a bundle needs."""

    def __init__(self, timeline: AnyTimeline, snapshot: Snapshot, published: int | None) -> None:
        self._timeline = timeline
        self._snapshot = snapshot
        self._published = published
        self.size: int = published or snapshot.log.size
        self.query: Query = question(snapshot.query, snapshot.log.size)

    def opened(self, position: int) -> bool:
        """Whether a record's parts are sent: what came after the snapshot only counts."""
        return position <= self._snapshot.log.size or position == self._published

    def evidence(self) -> Evidence:
        """Choose how completeness is proved."""
        if self.size <= ALL_HEADERS:
            return "headers"
        by_stream = self.query.facets() and not self.query.members and self.query.reported_by is None
        return "streams" if by_stream else "none"

    def needed(self, evidence: Evidence) -> tuple[set[int], dict[str, list[int]]]:
        """Give the positions of the records to send, and the streams that are sent whole."""
        positions = {place for entry in self._snapshot.entries for place in entry.positions}
        positions |= {thing["revision"]["position"] for thing in (*self._snapshot.actors, *self._snapshot.sources)}
        if self._published is not None:
            positions.add(self._published)
        streams: dict[str, list[int]] = {}
        if evidence == "headers":
            positions |= self._candidates(self._headers())
        elif evidence == "streams":
            streams = self._streams()
            positions |= self._through(streams)
        return positions, streams

    def _headers(self) -> Iterable[Header]:
        return (record.header for record in self._timeline.records(0, self._snapshot.log.size))

    def _candidates(self, all_headers: Iterable[Header]) -> set[int]:
        """Give the records of events that only content keeps out of the answer, and of sources for their dates."""
        if not self.query.roles and self.query.reported_by is None:
            return set()
        headers = list(all_headers)
        seen = events_in(headers)
        found = candidates(self.query, seen, members_in(headers, self.query))
        positions = {place for event in found for place in seen[event].positions}
        if self.query.reported_by is not None:
            positions |= {header.position for header in headers if header.type == "source.described"}
        return positions

    def _streams(self) -> dict[str, list[int]]:
        """Give the shortest group of streams that every event of the answer stands in."""
        until = self._published or self._snapshot.log.size
        groups = [{name: self._timeline.stream(name, until) for name in group} for group in self.query.facets()]
        return min(groups, key=lambda group: sum(map(len, group.values())))

    def _through(self, streams: dict[str, list[int]]) -> set[int]:
        """Give the records of those streams, and all records of the events they speak of, up to the snapshot."""
        positions = {place for places in streams.values() for place in places}
        events: set[str] = set()
        for place in sorted(positions):
            header = self._timeline.record_at(place).header
            if place <= self._snapshot.log.size:
                events |= {name for name, _, _ in header.streams if name.startswith("event/")}
        waiting = sorted(events)
        while waiting:
            name = waiting.pop()
            for place in self._timeline.stream(name, self._snapshot.log.size):
                positions.add(place)
                more = {other for other, _, _ in self._timeline.record_at(place).header.streams
                        if other.startswith("event/")} - events
                events |= more
                waiting += more
        return positions


def _line(record: Record, *, whole: bool, opened: bool) -> RecordLine:
    """Write a record as a bundle holds it. The stored text of a source is in no answer, and in no bundle."""
    shown = [part for part in record.parts if opened and part.name != TEXT]
    parts = [PartLine(part.data.decode(), part.name, part.salt.hex()) for part in shown]
    header = None if whole else record.header_bytes.decode()
    return RecordLine(parts=parts, position=record.position, erased=list(record.erased), header=header)


def _text(hashes: Iterable[bytes]) -> list[str]:
    return [b64encode(each).decode() for each in hashes]


__all__ = ["ALL_HEADERS", "FORMAT", "MEDIA_TYPE", "Bundle", "PartLine", "RecordLine", "decode_bundle",
           "make_bundle"]
