"""What the writer has done, brought to the event loop once for each commit.

Those whose requests shared a commit are told together: the writer's thread puts each answer down where it stands, and
wakes the loop with the first of them only. The loop then reads from the views, in one question, what all of them are
going to show, and lets each go on. A future of threads for each of them, chained to one of the loop, costs four times
as much, and a look at the views for each one hand-over of the interpreter's lock more.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Final

from timeline.chronicle import Timeline
from timeline.records import AnyChange
from timeline.writer import Appended

Shown = dict[tuple[str, int], str]
_NOT_BEGUN: Final = "not begun"


class _Promise(Future[list[Appended]]):
    """The writer's answer to one request: taken by whoever waits for it on the loop, and by nobody else.

    It is a future of threads as far as the writer can see, without the lock and the list of those who wait.
    """

    def __init__(self, landing: _Landing) -> None:
        """Begin as a request that may still be withdrawn. The lock of the base is not made: it is what costs."""
        self.waiter: asyncio.Future[Shown] = landing.loop.create_future()
        self.answer: list[Appended] = []
        self.error: BaseException | None = None
        self._landing = landing
        self._claim = [_NOT_BEGUN]  # whoever takes it out decides: taking is one step, whichever thread does it

    def cancel(self) -> bool:
        """Withdraw the request, unless the writer has begun with it."""
        return self._claimed()

    def set_running_or_notify_cancel(self) -> bool:
        """Let the writer begin, unless the request was withdrawn."""
        return self._claimed()

    def _claimed(self) -> bool:
        with contextlib.suppress(IndexError):
            self._claim.pop()
            return True
        return False

    def set_result(self, result: list[Appended]) -> None:
        """Put the answer down (in the writer's thread)."""
        self.answer = result
        self._landing.put(self)

    def set_exception(self, exception: BaseException | None) -> None:
        """Put down why there is none (in the writer's thread)."""
        self.error = exception
        self._landing.put(self)


class _Landing:
    """Where answers for one event loop are put down."""

    def __init__(self, timeline: Timeline, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._timeline = timeline
        self._arrived: deque[_Promise] = deque()
        self._told = False

    def put(self, promise: _Promise) -> None:
        """Put an answer down; the loop is told of the first, and finds the others there."""
        self._arrived.append(promise)
        if not self._told:
            self._told = True
            with contextlib.suppress(RuntimeError):  # the loop has ended, and everybody on it
                self.loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        """Let everybody go on whose answer has arrived. What arrives from now on tells the loop anew."""
        self._told = False
        arrived = [self._arrived.popleft() for _ in range(len(self._arrived))]
        shown = self._shown([one.answer[0] for one in arrived if len(one.answer) == 1])
        for promise in arrived:
            if promise.waiter.done():
                continue
            if promise.error is None:
                promise.waiter.set_result(shown)
            else:
                promise.waiter.set_exception(promise.error)

    def _shown(self, appended: Sequence[Appended]) -> Shown:
        """Look up events as they stood when they were appended. What is not found, its reader looks for again."""
        wanted = [(one.id, one.position) for one in appended if one.type == "event"]
        with contextlib.suppress(sqlite3.Error):
            return self._timeline.states(wanted)
        return {}


class Arrivals:
    """Appends for callers on the event loop."""

    def __init__(self, timeline: Timeline) -> None:
        """Append to this timeline."""
        self._timeline = timeline
        self._landing: _Landing | None = None

    async def append(
        self, changes: Sequence[AnyChange], *, author: str, key: str | None
    ) -> tuple[list[Appended], Shown]:
        """Append changes together or not at all; returns when they are durable and visible.

        The second value holds events by id and position, that of a single change most of the time.

        Raises:
            TimelineError: as `Timeline.append`.

        """
        loop = asyncio.get_running_loop()
        landing = self._landing
        if landing is None or landing.loop is not loop:
            landing = self._landing = _Landing(self._timeline, loop)
        promise = _Promise(landing)
        self._timeline.submit(changes, author=author, key=key, done=promise)
        try:
            shown = await promise.waiter
        except asyncio.CancelledError:
            promise.cancel()
            raise
        return promise.answer, shown


__all__ = ["Arrivals"]
