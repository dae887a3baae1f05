"""One writer thread and group commit: appends that wait together share one durable commit.

Each request is decided, sealed and folded in turn against what those before it in the group have done; a request that
fails leaves no trace and does not touch the others. The log commits first (fsync), then the views; only then does
anybody hear "appended". If the process dies between the two commits, the views catch up at the next start.
"""

from __future__ import annotations

import contextlib
import queue
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

import msgspec

from timeline.decisions import Decision, decide, digest
from timeline.errors import Busy, Conflict, Invalid, TimelineError
from timeline.log import ERASED_DIGEST, ERASURE, Batch, Header, Receipt, Record
from timeline.log.sqlite import SqliteLog, read_record
from timeline.metrics import Appends
from timeline.records import (
    ActorDescribed,
    AnyFact,
    EventRecorded,
    PartErased,
    SnapshotPublished,
    SourceDescribed,
    payload,
)
from timeline.views.projector import Current
from timeline.views.reader import Reader
from timeline.views.store import Views

GROUP: Final = 512
"""Most requests in one commit."""

PURGE: Final = 5.0
"""Seconds an erasure waits for readers to let go of the files' past; they hold it for milliseconds."""

WAITING: Final = 10_000
"""Most requests waiting; more are turned away rather than remembered without bound."""


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of one change: the record's position, or the thing's present state where nothing changed.

    `new` is False for a repeated request (same key, same content) and for a change that changed nothing.
    """

    type: str
    id: str
    position: int
    new: bool


@dataclass(slots=True)
class Request:
    """Changes that enter together or not at all."""

    changes: Sequence[AnyFact]
    author: str
    key: str | None = None
    adopt: Sequence[tuple[Record, str | None, bytes | None]] = ()
    done: Future[list[Appended]] = field(default_factory=Future)
    begun: float = field(default_factory=time.perf_counter)


class Writer:
    """Owns the writing side of log and views, in a thread of its own."""

    def __init__(self, log: SqliteLog, views: Views, after_commit: Callable[[int], None]) -> None:
        """Start the thread. `after_commit(position)` is called in it once records are visible."""
        self._log, self._views, self._after_commit = log, views, after_commit
        self._state = _State(views, log)
        self.figures = Appends()
        self._rewritten = False
        self._queue: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._closing = False
        self._gate = threading.Lock()  # nothing is queued behind the end
        self._thread = threading.Thread(target=self._run, name="timeline-writer", daemon=True)
        self._thread.start()

    def submit(self, request: Request) -> Future[list[Appended]]:
        """Queue a request. Its future resolves when the records are durable and visible.

        Raises:
            Busy: the queue is full, or the writer is closing.

        """
        with self._gate:
            if self._closing:
                raise Busy("the timeline is closing", retry_after=1)
            if self._queue.qsize() >= WAITING:
                raise Busy("too many appends are waiting", retry_after=1)
            self._queue.put(request)
        return request.done

    @property
    def is_alive(self) -> bool:
        """Whether requests are taken."""
        return self._thread.is_alive() and not self._closing

    def close(self) -> None:
        """Finish what is queued, then stop."""
        with self._gate:
            first, self._closing = not self._closing, True
        if first:
            self._queue.put(None)
        self._thread.join()

    # ------------------------------------------------------------------ in the thread

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            group = [first]
            with contextlib.suppress(queue.Empty):
                while len(group) < GROUP:
                    item = self._queue.get_nowait()
                    if item is None:
                        self._commit(_wanted(group))
                        return
                    group.append(item)
            self._commit(_wanted(group))

    def _commit(self, group: list[Request]) -> None:
        """Append a group: one durable commit, then tell everybody. An erasure has a commit of its own."""
        if any(map(_erases, group)):
            for some in _apart(group):
                if _erases(some[0]):
                    self._commit_erasure(some[0])
                else:
                    self._commit(some)
            return
        answers: list[tuple[Request, list[Appended] | BaseException]] = []
        before = self._log.size
        try:
            self._catch_up()
            self._views.begin()
            with self._log.batch() as batch:
                self._expect(group, batch)
                answers.extend((request, self._try(request, batch)) for request in group)
                self._views.flush_behind()  # while the log commits
            self._views.commit()
        except BaseException as error:  # noqa: BLE001 - whatever went wrong, every waiting caller must hear of it
            recovered = self._recover()
            if self._log.size == before and recovered and len(group) > 1:
                for request in group:  # one by one, so that only the culprit fails
                    self._commit([request])
                return
            if self._log.size == before or not recovered:
                answers = [(request, error) for request in group]
        self._tell(answers)
        if self._rewritten and self._log.unpurged:
            self.purge(0)  # a reader was in the way, and may have gone

    def _tell(self, answers: Sequence[tuple[Request, list[Appended] | BaseException]]) -> None:
        """Tell listeners and callers."""
        try:
            self._after_commit(self._views.position)
        finally:
            self._count(answers)
            for request, answer in answers:
                if isinstance(answer, BaseException):
                    request.done.set_exception(_explained(answer))
                else:
                    request.done.set_result(answer)

    def _count(self, answers: Sequence[tuple[Request, list[Appended] | BaseException]]) -> None:
        """Count a commit: how many it was for, and how long those who are acknowledged have waited."""
        if answers:
            self.figures.groups.observe(len(answers))
        now = time.perf_counter()
        for request, answer in answers:
            if isinstance(answer, BaseException):
                self.figures.refused += 1
            else:
                self.figures.seconds.observe(now - request.begun)

    def _commit_erasure(self, request: Request) -> None:
        """Let the log go of what an erasure declares first; the views then fold what is left, as in a rebuild."""
        answer: list[Appended] | BaseException
        before = self._log.size
        try:
            self._catch_up()
            with self._log.batch() as batch:
                answer = self._erase(request, batch)
            self._catch_up()
            self._after_commit(self._views.position)  # first of all, nobody is answered from memory any more
            self._rewritten = self._rewritten and self._log.size == before
            self.purge()
        except BaseException as error:  # noqa: BLE001 - whatever went wrong, the caller must hear of it
            answer = error
            self._rewritten = False
            if self._recover() and self._log.size > before and not isinstance(error, TimelineError):
                self.purge()
        self._tell([(request, answer)])

    def _erase(self, request: Request, batch: Batch) -> list[Appended]:
        """Stage the one record of an erasure, decided here or adopted from another log."""
        for record, key, content in request.adopt:
            batch.adopt(record)  # refuses an erasure that is not alone
            if key is not None and content is not None:
                batch.remember(key, Receipt(content, record.position, record.position))
        if request.adopt:
            return [Appended("record", "", record.position, new=True) for record, _, _ in request.adopt]
        if len(request.changes) > 1:
            raise Invalid("an erasure is asked for by itself")
        decision = decide(request.changes[0], self._state, request.author)
        if decision.draft is None:
            return [Appended(decision.type, decision.id, self._state.erased_at(decision.type, decision.id), new=False)]
        return [Appended(decision.type, decision.id, batch.seal(decision.draft).position, new=True)]

    def purge(self, seconds: float = PURGE) -> bool:
        """Leave no erased byte in the files of log and views; False where a reader was in the way for too long."""
        if not self._log.unpurged:
            return True
        self._rewritten = self._rewritten or (self._log.rewrite() and self._views.rewrite())
        done = all([self._log.cut(seconds), self._views.cut(seconds)]) and self._rewritten
        if done:
            self._log.purged()
        return done

    def _recover(self) -> bool:
        """Take back in the views what did not enter the log and fold what did; say whether they now agree."""
        with contextlib.suppress(Exception):
            self._views.rollback()
            self._state.forget()
            self._catch_up()
            return True
        return False

    def _catch_up(self) -> None:
        """Fold what the views missed by failing after the log committed: nothing may be decided before."""
        if self._views.position < self._log.size:
            self._views.catch_up(self._log.read(self._views.position))

    def _expect(self, group: Sequence[Request], batch: Batch) -> None:
        """Look up together what each change would look up for itself: that its id and key were never used."""
        changes = [(request, change) for request in group for change in request.changes]
        if len(changes) < 2:
            return
        new = [change.event.id for _, change in changes if isinstance(change, EventRecorded) and change.event.id]
        keys = [_owned(change.key, request) for request, change in changes if change.key is not None]
        self._views.projector.expect(new)
        batch.expect([f"event/{event_id}" for event_id in new], keys)

    def _try(self, request: Request, batch: Batch) -> list[Appended] | BaseException:
        """Append one request, or take all of it back and give the reason."""
        several = len(request.changes) > 1 or bool(request.adopt)
        mark = batch.savepoint() if several else None
        if several:
            self._views.savepoint()
        try:
            answer = self._append(request, batch)
        except TimelineError as error:
            if several:
                batch.rollback(mark)
                self._views.rollback_item()
            self._state.forget()
            return error
        if several:
            self._views.release()
        return answer

    def _append(self, request: Request, batch: Batch) -> list[Appended]:
        for record, key, content in request.adopt:
            self._views.apply(batch.adopt(record))
            if key is not None and content is not None:
                batch.remember(key, Receipt(content, record.position, record.position))
        if request.adopt:
            return [Appended("record", "", record.position, new=True) for record, _, _ in request.adopt]
        if request.key is None:
            return [self._change(change, number, request, batch) for number, change in enumerate(request.changes)]
        content = sha256(b"".join(map(digest, request.changes))).digest()
        key = _owned(request.key, request)
        if receipt := self._repeated(key, content, batch):
            return self._answer_again(request.changes, receipt, batch)
        before = self._views.position
        answer = [self._change(change, number, request, batch) for number, change in enumerate(request.changes)]
        if self._views.position > before:
            batch.remember(key, Receipt(content, before + 1, self._views.position))
        elif len(answer) == 1:
            batch.remember(key, Receipt(content, answer[0].position, answer[0].position))
        return answer

    def _change(self, change: AnyFact, number: int, request: Request, batch: Batch) -> Appended:
        try:
            return self._keyed(change, request, batch)
        except TimelineError as error:
            raise error.at(f"/{number}") if len(request.changes) > 1 else error from None

    def _keyed(self, change: AnyFact, request: Request, batch: Batch) -> Appended:
        if change.key is None:
            return self._seal(decide(change, self._state, request.author), batch)
        sent = payload(change)
        key, content = _owned(change.key, request), digest(change, sent)
        if receipt := self._repeated(key, content, batch):
            return self._answer_again([change], receipt, batch)[0]
        answer = self._seal(decide(change, self._state, request.author, sent), batch)
        batch.remember(key, Receipt(content, answer.position, answer.position))
        return answer

    def _seal(self, decision: Decision, batch: Batch) -> Appended:
        if decision.draft is None:
            return Appended(decision.type, decision.id, self._state.position_of(decision.type, decision.id), new=False)
        record = batch.seal(decision.draft)
        try:
            self._views.apply(record, decision.change)
        except TimelineError as error:  # a bug: the record is staged already, so the whole batch must go
            raise RuntimeError(f"the views refuse what was decided for position {record.position}") from error
        return Appended(decision.type, decision.id, record.position, new=True)

    @staticmethod
    def _repeated(key: str, content: bytes, batch: Batch) -> Receipt | None:
        receipt = batch.receipt(key)
        if receipt is not None and receipt.digest == ERASED_DIGEST:
            raise Conflict("this idempotency key was used before, for something that was erased since",
                           position=receipt.first)
        if receipt is not None and receipt.digest != content:
            raise Conflict("this idempotency key was used before, for something else: choose a new one",
                           position=receipt.first)
        return receipt


    def _answer_again(self, changes: Sequence[AnyFact], receipt: Receipt, batch: Batch) -> list[Appended]:
        """Answer a repeated request: with its records, and the present state of what it left unchanged."""
        positions = deque(range(receipt.first, receipt.last + 1))
        answers = []
        for change in changes:
            subject = batch.subject(positions[0]) if positions else None
            type_, id_ = _target(change)
            if subject is not None and (id_ is None or subject == f"{type_}/{id_}"):
                answers.append(Appended(type_, subject.partition("/")[2], positions.popleft(), new=False))
            elif id_ is not None:
                answers.append(Appended(type_, id_, self._state.position_of(type_, id_), new=False))
        return answers


def _explained(error: BaseException) -> BaseException:
    """Say in a sentence what the system says where it cannot write: no room, a fault of the disk, a read-only file.

    Whether such a commit took place is not always known (an fsync that failed may have written everything), so the
    sentence does not say that nothing happened: only the same key makes it safe to send it again.
    """
    if not isinstance(error, sqlite3.OperationalError):
        return error
    cause = "the disk is full" if "full" in str(error) else f"the log cannot be written ({error})"
    explained = Busy(f"{cause}: this was not acknowledged; send it again, with the same idempotency key, once there is "
                     "room and the disk is sound", retry_after=5)
    explained.__cause__ = error
    return explained


def _wanted(group: list[Request]) -> list[Request]:
    """Leave out what was cancelled while it waited; what is left can no longer be cancelled."""
    return [request for request in group if request.done.set_running_or_notify_cancel()]


_ERASES: Final = f'"type":"{ERASURE}"'.encode()


def _erases(request: Request) -> bool:
    """Whether a request takes something away: it then is about nothing else.

    The bytes are looked at: a header that cannot be read must not stop the writer.
    """
    adopted = (_ERASES in record.header_bytes for record, _, _ in request.adopt)
    return any(isinstance(change, PartErased) for change in request.changes) or any(adopted)


def _apart(group: Sequence[Request]) -> Iterator[list[Request]]:
    """Split a group so that each erasure is alone, in order."""
    waiting: list[Request] = []
    for request in group:
        if _erases(request):
            if waiting:
                yield waiting
            yield [request]
            waiting = []
        else:
            waiting.append(request)
    if waiting:
        yield waiting


def _owned(key: str, request: Request) -> str:
    """Make a key its author's own: two authors may use one. No author's name and no key has a line break."""
    return f"{request.author}\n{key}"


def _target(change: AnyFact) -> tuple[str, str | None]:
    """Give type and id of what a change is about; without an id it makes something new."""
    match change:
        case EventRecorded():
            return "event", change.event.id
        case ActorDescribed():
            return "actor", change.actor.id
        case SourceDescribed():
            return "source", change.source.id
        case SnapshotPublished():
            return "snapshot", change.id
        case _:
            return "event", change.id


class _State:
    """`timeline.decisions.State` over the views' writing connection: it sees its own batch."""

    def __init__(self, views: Views, log: SqliteLog) -> None:
        self._views = views
        self._log = log
        self._reader = Reader(views.connection)
        self._known: set[tuple[str, str]] = set()

    def event(self, event_id: str) -> Current | None:
        """Give the newest version of an event."""
        return self._views.projector.find(event_id)

    def thing(self, type_: str, id_: str) -> tuple[int, dict[str, Any]] | None:
        """Give revision and body of an actor or source."""
        body = self._reader.thing(type_, id_, self._views.position)
        if body is None:
            return None
        values = msgspec.json.decode(body)
        return values["revision"]["number"], values

    def knows(self, type_: str, id_: str) -> bool:
        """Whether there is one; what was once known stays known."""
        if type_ == "event":
            return self._views.projector.exists(id_)
        if (type_, id_) in self._known:
            return True
        found = self._reader.thing(type_, id_, self._views.position) is not None
        if found and len(self._known) < WAITING * 10:
            self._known.add((type_, id_))
        return found

    def forget(self) -> None:
        """Forget what was known: a rolled back batch may have described it."""
        self._known.clear()

    def near(self, type_: str, id_: str) -> list[str]:
        """Give ids that might have been meant."""
        return self._reader.near(type_, id_)

    def text(self, source_id: str) -> str | None:
        """Give the stored text of a source."""
        return self._reader.source_text(source_id, self._views.position)

    def published(self, snapshot_id: str) -> bool:
        """Whether a snapshot was published."""
        return self._reader.snapshot(snapshot_id) is not None

    def own_records(self, type_: str, id_: str) -> list[tuple[Header, frozenset[str]]]:
        """Give the headers of the records about a thing, oldest first, with the parts that are still there."""
        stream = f"{type_}/{id_}"
        _, position = self._log.stream_head(stream)
        found = []
        while position:
            header = self._log.header(position)
            gone = self._log.erased(position)
            if header.streams[0][0] == stream or header.type == "events.merged":
                found.append((header, frozenset(name for name, _ in header.parts if name not in gone)))
            position = next(before for name, _, before in header.streams if name == stream)
        return found[::-1]

    def body(self, position: int) -> bytes:
        """Give the body of a committed record that still has it."""
        record = read_record(self._log.reader(), position)
        return b"" if record is None else record.part()

    def erased_at(self, type_: str, id_: str) -> int:
        """Give the position of the last erasure of a thing, 0 where there is none."""
        own = (header.position for header, _ in self.own_records(type_, id_) if header.type == ERASURE)
        return max(own, default=0)

    def position_of(self, type_: str, id_: str) -> int:
        """Give the position that formed the present state of a thing."""
        if type_ == "snapshot":
            published = self._reader.snapshot(id_)
            return published[0] if published else 0
        if type_ == "event":
            current = self.event(id_)
            return 0 if current is None else current.position
        found = self.thing(type_, id_)
        return 0 if found is None else int(found[1]["revision"]["position"])


__all__ = ["Appended", "Request", "Writer"]
