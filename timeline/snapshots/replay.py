"""The fold in memory, from records alone: no database, so that a bundle can be checked anywhere.

It uses the same pure functions as the views (`timeline.fold`) and nothing else of them: that both give the same entries
at every position is tested. Records may be a selection, as long as every record of the events in it is there.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from timeline import fold
from timeline.edtf import iso
from timeline.errors import Corrupt
from timeline.log import Header, Record
from timeline.model import Actor, Event, Source
from timeline.parts import BODY, join
from timeline.records import (
    ActorDescribed,
    AnyFact,
    EventRecorded,
    EventRetracted,
    EventRevised,
    EventsMerged,
    PartErased,
    SnapshotPublished,
    SourceDescribed,
    plain,
    restore,
)
from timeline.snapshots.document import Entry
from timeline.snapshots.standing import MERGED, RETRACTED, SHOWN, Standing, of_event


@dataclass(frozen=True, slots=True)
class Version:
    """An event after one of its records. `positions` are those of every record that formed it."""

    event: Event
    first: int
    positions: tuple[int, ...]
    revision: dict[str, Any]
    hidden: int = SHOWN
    merged_from: tuple[str, ...] = ()
    retracted: dict[str, Any] | None = None

    def standing(self) -> Standing:
        """Give what decides membership."""
        return of_event(self.event, str(self.event.id), self.first, self.hidden)

    def entry(self) -> Entry:
        """Give the version as a snapshot shows it."""
        earliest, latest = fold.happened(self.event) or (None, None)
        return Entry(
            event=plain(self.event), positions=list(self.positions), revision=self.revision,
            earliest=None if earliest is None else iso(earliest), latest=None if latest is None else iso(latest),
            merged_from=list(self.merged_from), retracted=self.retracted,
        )


@dataclass(frozen=True, slots=True)
class Description:
    """An actor or source as one record described it."""

    value: Actor | Source
    header: Header

    def shown(self) -> dict[str, Any]:
        """Give the description as a snapshot shows it."""
        header = self.header
        revision = {"author": header.author, "position": header.position, "recorded_at": header.recorded_at}
        return {**plain(self.value), "revision": revision}


@dataclass(slots=True)
class Replay:
    """Versions of events and descriptions of things, oldest first, by id. Events that lost their body are `gone`."""

    events: dict[str, list[Version]] = field(default_factory=dict)
    things: dict[tuple[str, str], list[Description]] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)

    def apply(self, record: Record) -> None:
        """Fold the next record.

        Raises:
            Corrupt: it does not follow from those before it, or lost its body and no erasure was declared.

        """
        header = record.header
        events = [name[6:] for name, _, _ in header.streams if name.startswith("event/")]
        if BODY in record.erased or not self.gone.isdisjoint(events):
            self.gone.update(events[:1])
            return
        try:
            self._fold(header, restore(header.type, header.v, join(record.contents())))
        except KeyError:
            raise Corrupt(f"the records before position {header.position} that it needs are not there") from None

    def _fold(self, header: Header, change: AnyFact) -> None:
        match change:
            case EventRecorded(event=event):
                revision = _revision(header, 1, None)
                self.events[str(event.id)] = [Version(event, header.position, (header.position,), revision)]
            case EventRevised():
                old = self.events[change.id][-1]
                self._next(header, change.id, change.reason, event=fold.revise(old.event, change.patch))
            case EventRetracted():
                self._next(header, change.id, change.reason, hidden=RETRACTED, retracted={"reason": change.reason})
            case EventsMerged():
                self._merged(header, change)
            case ActorDescribed(actor=actor):
                self.things.setdefault(("actor", str(actor.id)), []).append(Description(actor, header))
            case SourceDescribed(source=source):
                self.things.setdefault(("source", str(source.id)), []).append(Description(source, header))
            case PartErased() | SnapshotPublished():
                """They change no event."""

    def _merged(self, header: Header, change: EventsMerged) -> None:
        kept = self.events[change.id][-1]
        others = [self.events[duplicate][-1] for duplicate in change.duplicates]
        formed = sorted({*kept.positions, *(place for other in others for place in other.positions)})
        self._next(header, change.id, change.reason, event=fold.absorb(kept.event, [each.event for each in others]),
                   merged_from=(*kept.merged_from, *change.duplicates), positions=tuple(formed))
        for duplicate in change.duplicates:
            self._next(header, duplicate, change.reason, hidden=MERGED)

    def _next(self, header: Header, event_id: str, reason: str, **changes: Any) -> None:  # noqa: ANN401
        versions = self.events[event_id]
        old = versions[-1]
        formed = (*changes.pop("positions", old.positions), header.position)
        revision = _revision(header, old.revision["number"] + 1, reason)
        versions.append(replace(old, positions=formed, revision=revision, **changes))


def _revision(header: Header, number: int, reason: str | None) -> dict[str, Any]:
    revision = {
        "number": number, "position": header.position, "recorded_at": header.recorded_at, "author": header.author,
        "type": header.type,
    }
    return revision if reason is None else {**revision, "reason": reason}


__all__ = ["Description", "Replay", "Version"]
