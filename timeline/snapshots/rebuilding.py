"""The strongest check: build the views anew from the records of a log, ask again, and compare every byte.

The records may come from a file or from a server; their root is computed on the way, so they are the records of that
root or the check fails. What was erased since cannot be asked about again: it is compared by its headers.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Self

from timeline.connections import Readers
from timeline.errors import NotFound
from timeline.log import Record
from timeline.merkle import Frontier, leaf_hash
from timeline.reading import Reading
from timeline.snapshots.document import Snapshot
from timeline.snapshots.freezing import freeze
from timeline.snapshots.question import question
from timeline.snapshots.report import Check
from timeline.views.store import Read, Views, readers

Progress = Callable[[int], None]


class Rebuilt(Reading):
    """Views built from records in a folder that goes when this is closed; what was read gives the root."""

    def __init__(self, origin: str, records: Iterable[Record], read: Read, progress: Progress = lambda _: None) -> None:
        """Fold the records, from position 1 on; `read` gives one of them again, by its position."""
        self._origin = origin
        self._edge = Frontier()
        self._erased: set[str] = set()
        self._folder = tempfile.TemporaryDirectory(prefix="timeline-rebuild-")
        path = Path(self._folder.name) / "rebuilt.views.db"
        views = Views(path, origin, read)
        try:
            views.connection.execute("PRAGMA synchronous = OFF")
            views.catch_up(self._hashed(records), progress)
        finally:
            views.close()
        self._readers: Readers = readers(path)

    def _hashed(self, records: Iterable[Record]) -> Iterator[Record]:
        for record in records:
            self._edge.append(leaf_hash(record.header_bytes))
            if record.erased:
                self._erased.add(record.header.streams[0][0])
            yield record

    @property
    def origin(self) -> str:
        """The log's name."""
        return self._origin

    @property
    def size(self) -> int:
        """How many records were read."""
        return self._edge.size

    def root_at(self, size: int) -> bytes:
        """Give the root of what was read; only that size is known."""
        if size != self._edge.size:
            raise NotFound(f"{self._edge.size} records were read, not {size}")
        return self._edge.root()

    def lost(self, event: str) -> bool:
        """Whether something of an event was erased."""
        return f"event/{event}" in self._erased

    def __enter__(self) -> Self:
        """Use in a `with` block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the folder."""
        self._readers.close()
        self._folder.cleanup()


def compare_with_log(
    snapshot: Snapshot, origin: str, records: Iterable[Record], read: Read, progress: Progress = lambda _: None
) -> Check:
    """Compare a snapshot with the records 1 to its size of the log it names; the check is called ``log``.

    `read` gives one record by its position: what was erased is drawn from its records once more.
    """
    size = snapshot.log.size
    if origin != snapshot.log.origin:
        return Check("log", "failed", f"the log at hand is {origin}, the snapshot is of {snapshot.log.origin}")
    with Rebuilt(origin, records, read, progress) as rebuilt:
        if rebuilt.size < size:
            return Check("log", "failed", f"the log at hand ends at position {rebuilt.size}, before the snapshot's "
                                          f"{size}: it was cut short, or is an older copy")
        if rebuilt.root_at(size).hex() != snapshot.log.root:
            return Check("log", "failed", f"the log at hand had another root at position {size}: it is not the history "
                                          "that was cited")
        return _compared(snapshot, freeze(rebuilt, question(snapshot.query, size)), rebuilt)


def _compared(snapshot: Snapshot, again: Snapshot, rebuilt: Rebuilt) -> Check:
    if again.content() == snapshot.content():
        return Check("log", "ok", f"rebuilt from {rebuilt.size} records: the same {len(again.content()):,} bytes")
    then = {entry.event["id"]: entry for entry in snapshot.entries}
    now = {entry.event["id"]: entry for entry in again.entries}
    for event, entry in now.items():
        if event not in then:
            return Check("log", "failed", f"event {event} is left out: the log's answer has it")
        if entry != then[event] and not rebuilt.lost(event):
            return Check("log", "failed", f"event {event} is not what the log says")
    for event in then:
        if event not in now and not rebuilt.lost(event):
            return Check("log", "failed", f"event {event} is not in the log's answer")
    if not any(rebuilt.lost(event) for event in then):
        return Check("log", "failed", "the same events, but not the same bytes: order, actors or sources differ")
    return Check("log", "ok", "rebuilt: the same events, but for what was erased since")


__all__ = ["Rebuilt", "compare_with_log"]
