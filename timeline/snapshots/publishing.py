"""Publishing: a record in the log that names the snapshot, keeps its manifest and so dates it.

The record also joins the streams the question names: as the last member of those streams it proves where they ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from timeline.chronicle import AnyTimeline, Timeline
from timeline.errors import Corrupt, NotFound
from timeline.parts import BODY
from timeline.query import Query
from timeline.records import SnapshotPublished, restore
from timeline.snapshots.document import Snapshot, digest
from timeline.snapshots.freezing import assemble, freeze


@dataclass(frozen=True, slots=True)
class Published:
    """A published snapshot as it can be given today. `content` is the digest it had when it was published."""

    snapshot: Snapshot
    position: int
    recorded_at: str
    author: str
    content: str

    @property
    def intact(self) -> bool:
        """Whether it still says what it said: false after an erasure of something it shows."""
        return digest(self.snapshot.content()) == self.content


def publish(timeline: Timeline, query: Query, *, author: str | None = None) -> Published:
    """Freeze the answer to a question and record that it was published; asked again, it gives the first publication.

    Raises:
        NotFound: the log has not reached the position asked for.
        Invalid: the answer is too large for one snapshot.

    """
    snapshot = freeze(timeline, query)
    streams = sorted({name for group in query.facets() for name in group})
    change = SnapshotPublished(id=snapshot.id, content=digest(snapshot.content()), entries=len(snapshot.entries),
                               manifest=snapshot.manifest(), streams=streams)
    timeline.publish(change, author=author)
    return find(timeline, snapshot.id)


def find(timeline: AnyTimeline, id_: str) -> Published:
    """Give a published snapshot.

    Raises:
        NotFound: no snapshot of that id was published in this log.

    """
    position, change = publication(timeline, id_)
    manifest = change.manifest
    formed = [(event, positions) for event, positions in manifest["entries"]]
    snapshot = assemble(timeline, manifest["query"], manifest["log"]["size"], formed)
    header = timeline.record_at(position).header
    return Published(snapshot, position, header.recorded_at, header.author, change.content)


def publication(timeline: AnyTimeline, id_: str) -> tuple[int, SnapshotPublished]:
    """Give the record that published a snapshot: its position and what it says; `NotFound` where there is none."""
    row = timeline.reader().snapshot(id_)
    if row is None:
        raise NotFound(f"no snapshot {id_[:16]}… was published here: the id is 64 hexadecimal digits, and "
                       "`timeline snapshot create` publishes one")
    record = timeline.record_at(row[0])
    change = restore(record.header.type, record.header.v, record.part(BODY))
    if not isinstance(change, SnapshotPublished):
        raise Corrupt(f"the record at position {row[0]} publishes no snapshot: run `timeline rebuild`")
    return row[0], change


def listed(timeline: AnyTimeline, before: int, limit: int) -> list[dict[str, Any]]:
    """List published snapshots, newest first."""
    return [msgspec.json.decode(body) for _, body in timeline.reader().snapshots(before, limit)]


__all__ = ["Published", "find", "listed", "publication", "publish"]
