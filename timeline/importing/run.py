"""Rows to records: batches that enter whole or not at all, in order, and can be sent again without harm.

While one batch is written the next one is read: there is never more than one on its way, so that what is in the log is
always a beginning of what was sent. Each change carries an idempotency key made from its content, so a second run of
the same import finds everything in place, and an import that was cut off goes on where it stopped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from timeline.chronicle import Timeline
from timeline.errors import (
    Busy,
    Conflict,
    Corrupt,
    Fault,
    Forbidden,
    Invalid,
    Malformed,
    NotFound,
    TimelineError,
    TooCostly,
    Unauthorized,
)
from timeline.importing.archive import read_log
from timeline.importing.drafts import Reading
from timeline.importing.files import File, sniff
from timeline.importing.foreign import Adopter, Known
from timeline.importing.ordering import opened, ordered, references
from timeline.importing.rows import Correction, Open, Row, column, rows
from timeline.log.sqlite import LogFile
from timeline.model import Event
from timeline.records import AnyChange, EventRecorded, EventRevised, canonical, convert, difference, plain, settle
from timeline.views.versions import event_of, is_tombstone
from timeline.writer import Appended

BATCH: Final = 1000
MAX_FAULTS: Final = 20
MAX_BYTES: Final = 800_000
"""Most canonical bytes in a batch (but for one change that is larger): a server takes 1 MB at once."""

SAMPLE: Final = 10
"""Events shown as examples of what was read."""

SMALL_BATCH: Final = 200
"""Changes sent together once their sizes are not counted any more."""

ASK: Final = 500
"""Most keys looked up in one statement."""


class Item(NamedTuple):
    """One change on its way, and where it came from."""

    file: File
    line: int
    change: AnyChange
    correct: Correction | None = None


@dataclass(frozen=True, slots=True)
class Manner:
    """How files are to be read.

    `revise` is the reason for which events that say something else now are corrected, `format` the name of the format
    where it is not to be found out (`timeline.importing.kinds.NAMES`); `day_first`, `tz` as for `Reading`, `prefix` as
    for `Adopter`: these three speak of other tools' files only.
    """

    revise: str | None = None
    format: str = ""
    day_first: bool | None = None
    tz: str | None = None
    prefix: str = ""


@dataclass(slots=True)
class Outcome:
    """What an import did. `unchanged` rows were in the log already, `sample` are the first events that were read."""

    read: int = 0
    new: int = 0
    unchanged: int = 0
    revised: int = 0
    position: int = 0
    notes: list[str] = field(default_factory=list)
    sample: list[Event] = field(default_factory=list)

    @property
    def settled(self) -> int:
        """How many changes are certainly in the log."""
        return self.new + self.unchanged

    def __str__(self) -> str:
        """Say what is in, and what of it was in before."""
        there = f", {self.unchanged:,} were there already" if self.unchanged else ""
        return f"imported {self.new:,} changes{there}"


class Target(Known, Protocol):
    """Where changes go."""

    def submit(self, changes: Sequence[AnyChange]) -> Future[list[Appended]]:
        """Append changes together, or none of them."""

    def known(self, keys: Sequence[str]) -> set[str]:
        """Tell which of the keys were used before."""

    def current(self, event_id: str) -> dict[str, Any] | None:
        """Give the present body of an event."""


class Local:
    """A log on this machine, opened for writing."""

    def __init__(self, timeline: Timeline) -> None:
        """Write to this timeline."""
        self.timeline = timeline
        self._log = LogFile(timeline.path)

    def submit(self, changes: Sequence[AnyChange]) -> Future[list[Appended]]:
        """Queue the changes."""
        return self.timeline.submit(changes)

    def known(self, keys: Sequence[str]) -> set[str]:
        """Look the keys up in the log as it is committed."""
        found: set[str] = set()
        author = f"{self.timeline.author}\n"
        for start in range(0, len(keys), ASK):
            asked = [author + key for key in keys[start : start + ASK]]
            query = f"SELECT key FROM receipt WHERE key IN ({','.join('?' * len(asked))})"  # noqa: S608 - only marks
            found |= {row[0].removeprefix(author) for row in self._log.connection().execute(query, asked)}
        return found

    def current(self, event_id: str) -> dict[str, Any] | None:
        """Read the event."""
        try:
            return self.timeline.event(event_id)
        except NotFound:
            return None

    def things(self, type_: str) -> Iterator[dict[str, Any]]:
        """Read all actors or sources."""
        reader, position, after = self.timeline.reader(), self.timeline.position, ""
        while rows := reader.things(type_, position, after=after, limit=ASK):
            yield from (msgspec.json.decode(body) for _, body in rows)
            after = rows[-1][0]

    def close(self) -> None:
        """Close what was opened to look."""
        self._log.close()


class Importer:
    """One import run. `progress(outcome)` is called after each batch."""

    def __init__(
        self, target: Target, manner: Manner = Manner(), *, progress: Callable[[Outcome], None] = lambda _: None
    ) -> None:
        """Import into `target`."""
        self.outcome = Outcome()
        self._target, self._manner, self._revise, self._progress = target, manner, manner.revise, progress
        self._adopter = Adopter(target, manner.prefix)
        self._seen: Counter[bytes] = Counter()
        self._faults: list[tuple[TimelineError, str, Fault]] = []
        self._bytes = 0
        self._pending: tuple[list[Item], Future[list[Appended]]] | None = None
        self._waiting: list[Item] = []
        self._last = False

    def run(self, files: Iterable[File]) -> Outcome:
        """Import files in order.

        Raises:
            TimelineError: of the kind of the first fault; its faults name file, line and field.
            KeyboardInterrupt: from the user, once what was on its way has arrived.

        """
        batch: list[Item] = []
        try:
            for file in files:
                batch = self._file(file, batch)
            self._flush(batch)
            self._settle()
            self._complete()
        except KeyboardInterrupt:
            with suppress(TimelineError):
                self._settle()
            raise
        if self._faults:
            raise self._failure()
        return self.outcome

    def _file(self, file: File, batch: list[Item]) -> list[Item]:
        manner = self._manner
        opened = Open(file, self._adopter, manner.format, Reading(manner.day_first, manner.tz))
        with file.open() as stream:
            try:
                lines, kind = sniff(file, stream)
            except Malformed as error:
                self._fault(file, 1, error)
                return batch
            if kind == "log":
                self._flush(batch)
                self._settle()
                if not self._faults:
                    self._adopt(file, lines)
                return []
            for row in rows(opened, lines):
                self._take(file, row, batch)
                if len(batch) >= BATCH or self._bytes >= MAX_BYTES:
                    self._flush(batch)
                    batch, self._bytes = [], 0
                if len(self._faults) >= MAX_FAULTS:
                    break
        self._tell(opened)
        return batch

    def _tell(self, opened: Open) -> None:
        """Note what a file was taken for, and what of it could not be carried over."""
        file, reading = opened.file, opened.reading
        said = [*reading.notes, *(f"left out {count:,}: {what}" for what, count in reading.skipped.most_common()),
                *(f"lost in {count:,}: {what}" for what, count in reading.losses.most_common())]
        if file.ignored:
            said.append("fields that are derived (earliest, latest, recorded_at, revision, ...) were left out of "
                        f"{file.ignored:,} events")
        if file.format:
            self.outcome.notes.append(f"{file.name} is read as {file.format}")
        if self._adopter.described:
            said.append(_described(self._adopter.described))
            self._adopter.described.clear()
        self.outcome.notes += [f"{file.name}: {sentence}" for sentence in said]

    def _adopt(self, file: File, lines: Iterable[bytes]) -> None:
        if not isinstance(self._target, Local):
            raise Conflict(f"{file.name} is a log: only a log on this machine can take it over, not a server")
        timeline, before = self._target.timeline, (self.outcome.new, self.outcome.unchanged, self.outcome.read)

        def adopted(new: int, there: int) -> None:
            self.outcome.new, self.outcome.unchanged = before[0] + new, before[1] + there
            self.outcome.read = before[2] + new + there
            self._progress(self.outcome)

        adopted(*read_log(timeline, file, lines, adopted))
        self.outcome.position = timeline.position

    def _take(self, file: File, row: Row, batch: list[Item]) -> None:
        self.outcome.read += 1
        if row.change is None:
            self._fault(file, row.line, row.error or TimelineError("unreadable"))
        elif not self._faults:
            try:
                batch.append(Item(file, row.line, self._keyed(row.change), row.correct))
                if isinstance(row.change, EventRecorded) and len(self.outcome.sample) < SAMPLE:
                    self.outcome.sample.append(row.change.event)
            except TimelineError as error:
                self._fault(file, row.line, error)

    def _keyed(self, change: AnyChange) -> AnyChange:
        """Give a change its key, unless it brought one: its content, and the how-manieth of that content it is."""
        content = _canonical(change)
        self._bytes += len(content)
        if change.key is not None:
            return change
        digest, number = sha256(content), 1
        if not (isinstance(change, EventRecorded) and change.event.id is not None):
            self._seen[digest.digest()] += 1
            number = self._seen[digest.digest()]
        return msgspec.structs.replace(change, key=f"import:{digest.hexdigest()}-{number}")

    # ------------------------------------------------------------------ batches

    def _flush(self, batch: list[Item]) -> None:
        """Send a batch once the one before it has arrived; after a fault nothing more is sent."""
        self._settle()
        if self._faults or not batch:
            return
        fresh = self._unknown(batch)
        if fresh:
            self._pending = fresh, self._target.submit([item.change for item in fresh])

    def _unknown(self, batch: list[Item]) -> list[Item]:
        """Leave out what an earlier run brought in: a key made from the content needs no second look."""
        known = self._target.known([item.change.key or "" for item in batch])
        fresh = [item for item in batch if not (item.change.key in known and item.change.key.startswith("import:"))]
        self.outcome.unchanged += len(batch) - len(fresh)
        return fresh

    def _settle(self) -> None:
        """Wait for the batch on its way."""
        if self._pending is None:
            return
        (batch, future), self._pending = self._pending, None
        try:
            self._count(future.result())
        except TimelineError as error:
            self._rescue(batch, error)
        self._progress(self.outcome)

    def _count(self, answers: Sequence[Appended]) -> None:
        new = sum(answer.new for answer in answers)
        self.outcome.new += new
        self.outcome.unchanged += len(answers) - new
        self.outcome.position = max([self.outcome.position, *(answer.position for answer in answers)])

    def _rescue(self, batch: list[Item], error: TimelineError) -> None:
        """Find out what is wrong with a batch; an event that is there already need not be."""
        if isinstance(error, Busy | Corrupt | Forbidden | TooCostly | Unauthorized):  # no line can be mended
            detail = f"{error.detail}; {self.outcome} so far, and what is in stays in"
            raise type(error)(detail, imported=self.outcome.settled)
        number, faults = _located(error, len(batch))
        if number is not None and not self._last and isinstance(error, Invalid) and references(batch[number].change):
            ready, late = ordered(batch, self._exists)
            if ready != batch:
                self._waiting += late
                self._again(ready)
                return
        if number is None or not (isinstance(error, Conflict) and "revision" in error.members):
            item = batch[number or 0]
            somewhere = " (in the batch that begins at this line)" if number is None else ""
            for fault in faults:
                self._fault_at(item.file, item.line, error, fault._replace(detail=fault.detail + somewhere))
            return
        before, rest = batch[:number], batch[number:]
        if self._revise is not None and before:  # a correction needs what it corrects to be there
            self._again(before)
            rest = [] if self._faults else rest
        else:
            rest = batch
        settled = self._reconciled(rest)
        if not self._faults and settled:
            self._again(settled)

    def _again(self, batch: list[Item]) -> None:
        try:
            self._count(self._target.submit([item.change for item in batch]).result())
        except TimelineError as error:
            self._rescue(batch, error)

    def _exists(self, event_id: str) -> bool:
        return self._target.current(event_id) is not None

    def _complete(self) -> None:
        """Send what waited for events further down; open circles of events that name each other."""
        if not self._waiting:
            return
        while self._waiting and not self._faults:
            ready, late = ordered(self._waiting, self._exists)
            self._waiting = late if ready else []
            for start in range(0, len(ready), SMALL_BATCH):
                self._again(ready[start : start + SMALL_BATCH])
            if not ready:
                self._open(late)
        self._progress(self.outcome)

    def _open(self, circle: list[Item]) -> None:
        """Record events that name each other, or what is nowhere: the log then says what is unknown."""
        self._last = True
        inside = {item.change.event.id for item in circle if isinstance(item.change, EventRecorded)}
        bare, full = [], []
        for item in circle:
            missing = references(item.change) & inside
            if not isinstance(item.change, EventRecorded) or not missing:
                full.append(item)
                continue
            first, then = opened(item.change, missing - {None})
            bare.append(item._replace(change=self._keyed(first), correct=item.correct))
            full.append(item._replace(change=self._keyed(then)))
        for start in range(0, len(found := [*bare, *full]), SMALL_BATCH):
            self._again(found[start : start + SMALL_BATCH])

    def _reconciled(self, batch: list[Item]) -> list[Item]:
        """Drop what is in the log as it is, turn what is there otherwise into corrections, or say what is wrong."""
        kept: list[Item] = []
        first: dict[str, Item] = {}
        for item in self._unknown(batch):
            change = item.change
            if not isinstance(change, EventRecorded) or change.event.id is None:
                kept.append(item)
                continue
            current = self._target.current(change.event.id)
            if current is None:
                twin = first.setdefault(change.event.id, item)
                if twin is item or self._revise is not None or twin.change.key == change.key:
                    kept.append(item)
                else:
                    self._taken(item, f"line {twin.line:,} of {twin.file.name} records it with other content: leave it "
                                      'out, or correct it with --revise "reason"')
            elif (new := self._correction(item, current)) is not None:
                kept.append(new)
        return kept

    def _correction(self, item: Item, current: dict[str, Any]) -> Item | None:
        """Give the change that makes the event say what the row says; None where it does."""
        change = item.change
        if not isinstance(change, EventRecorded):
            return item
        old = plain(event_of(current))
        new = settle(change).event if item.correct is None else settle(convert(item.correct(old), Event))
        patch = difference(old, plain(new))
        if not patch:
            self.outcome.unchanged += 1
            return None
        gone = _gone(current)
        if self._revise is None or gone:
            fields = ", ".join(sorted(patch))
            self._taken(item, gone or f"is in the log with other content ({fields}): leave it out, or correct it with "
                                      '--revise "reason"')
            return None
        self.outcome.revised += 1
        revised = EventRevised(id=str(change.event.id), patch=patch, reason=self._revise, key=change.key)
        return item._replace(change=revised)

    def _taken(self, item: Item, why: str) -> None:
        event_id = item.change.event.id if isinstance(item.change, EventRecorded) else ""
        detail = f"event {event_id} {why}"
        self._fault_at(item.file, item.line, Conflict(detail), Fault("/event/id", detail))

    # ------------------------------------------------------------------ faults

    def _fault(self, file: File, line: int, error: TimelineError) -> None:
        for fault in error.faults or (Fault("", error.detail),):
            self._fault_at(file, line, error, fault)

    def _fault_at(self, file: File, line: int, error: TimelineError, fault: Fault) -> None:
        if len(self._faults) < MAX_FAULTS:
            pointer = fault.pointer
            if file.kind == "csv" and not file.format:
                pointer = f"column {column(pointer)}" if pointer else ""
            place = f"{file.name}:{line}" + (f": {pointer}" if pointer else "")
            self._faults.append((error, f"line {line:,} of {file.name}", Fault(place, fault.detail)))

    def _failure(self) -> TimelineError:
        faults = tuple(fault for _, _, fault in self._faults)
        first, where, _ = self._faults[0]
        count = f"{MAX_FAULTS} or more" if len(faults) >= MAX_FAULTS else len(faults)
        more = f" ({count} faults)" if len(faults) > 1 else ""
        detail = f"{self.outcome}; fix {where}{more} and run the same command again: what is in stays in"
        return type(first)(detail, faults=faults, imported=self.outcome.settled)


def _described(names: Sequence[str]) -> str:
    shown = ", ".join(names[:SAMPLE]) + (f" and {len(names) - SAMPLE:,} more" if len(names) > SAMPLE else "")
    return f"actors that the log did not know by name were described with their names alone: {shown}"


def _gone(current: dict[str, Any]) -> str:
    """Say why an event no longer changes, if so."""
    if is_tombstone(current):
        return "was erased for a lawful reason: take it out of the file too"
    return "was retracted or merged: choose another id" if {"retracted", "merged_into"} & current.keys() else ""


def _canonical(change: AnyChange) -> bytes:
    try:
        return canonical(change)
    except UnicodeEncodeError:
        settle(change)
        raise


def _located(error: TimelineError, size: int) -> tuple[int | None, Sequence[Fault]]:
    """Take the number of the change out of an error's pointers: a batch of one may have none in them."""
    faults = error.faults or (Fault("", error.detail),)
    head, _, _ = faults[0].pointer.removeprefix("/").partition("/")
    if not (faults[0].pointer.startswith("/") and head.isdigit()):
        return (0 if size == 1 else None), faults
    return int(head), [Fault(fault.pointer[len(head) + 1 :], fault.detail) for fault in faults]


__all__ = ["BATCH", "Importer", "Local", "Manner", "Outcome", "Target"]
