"""Everybody who listens to the live stream: how many there may be, who wakes them, and how they end.

The writer thread says once that the log has grown; the event loop then wakes the listeners, some at a time, so that
other requests are answered in between. A listener is never handed anything: it only remembers its place in the log and
reads what it missed by itself, so nobody waits for a slow one and nothing queues up.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Final

from timeline.chronicle import Timeline
from timeline.errors import Busy

MOST: Final = 10_000
"""Listeners at once, unless the server is told otherwise."""

AT_ONCE: Final = 250
"""Listeners woken in one turn of the event loop."""

GRACE: Final = 0.5
"""Seconds in which listeners end by themselves when the server does."""

TRY_AGAIN: Final = 5
"""Seconds after which to come again, where there was no room."""


class Listener:
    """One open stream, as the hub sees it: it can be woken, and told that its client has gone."""

    __slots__ = ("gone", "task", "wake")

    def __init__(self) -> None:
        """Begin awake: there may be something to read already."""
        self.wake = asyncio.Event()
        self.wake.set()
        self.gone = False
        self.task: asyncio.Task[object] | None = None

    def leave(self) -> None:
        """Hear that the client has gone."""
        self.gone = True
        self.wake.set()


class Hub:
    """The listeners of one timeline, and the threads that read for them."""

    def __init__(self, timeline: Timeline, most: int = MOST) -> None:
        """Take at most `most` listeners at once."""
        self._timeline = timeline
        self._most = most
        self._listeners: set[Listener] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._subscribed = False
        self._told = False  # the loop was told that the log has grown, and has not looked yet
        self._left: Iterator[Listener] | None = None
        self.closing = False
        # Threads of their own: the questions of streams do not keep those of readers waiting.
        self.threads = ThreadPoolExecutor(2, thread_name_prefix="timeline-stream")

    def __len__(self) -> int:
        """Count the listeners."""
        return len(self._listeners)

    def enter(self) -> Listener:
        """Take one more listener. While the server ends, it is let out at once: a browser told 503 would never return.

        Raises:
            Busy: there is no room; says when to come again.

        """
        if len(self._listeners) >= self._most:
            raise Busy(f"there are {self._most:,} streams open already, as many as this server takes: come again "
                       "later, or ask /v1/changes from time to time", retry_after=TRY_AGAIN)
        self._loop = asyncio.get_running_loop()
        if not self._subscribed:
            self._subscribed = True
            self._timeline.subscribe(self._grown)
        listener = Listener()
        self._listeners.add(listener)
        return listener

    def exit(self, listener: Listener) -> None:
        """Forget a listener."""
        self._listeners.discard(listener)

    # ------------------------------------------------------------------ waking

    def _grown(self, _: int) -> None:
        """Hear in the writer thread that the log has grown: the loop is told once, however often that happens."""
        if self._told or self._loop is None or self.closing:
            return
        self._told = True
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._wake_all)

    def _wake_all(self) -> None:
        """Wake every listener; where that is under way, those already woken are woken again."""
        self._told = False
        running, self._left = self._left is not None, iter(list(self._listeners))
        if not running:
            self._wake_some()

    def _wake_some(self) -> None:
        some = list(islice(self._left or (), AT_ONCE))
        for listener in some:
            listener.wake.set()
        if len(some) < AT_ONCE:
            self._left = None
        else:
            asyncio.get_running_loop().call_soon(self._wake_some)

    # ------------------------------------------------------------------ the end

    async def close(self) -> None:
        """Let every stream end: clients come back with the id of the last message they have, so nothing is lost."""
        self.closing = True
        for listener in self._listeners:
            listener.wake.set()
        tasks = {listener.task for listener in self._listeners if listener.task is not None}
        late = (await asyncio.wait(tasks, timeout=GRACE))[1] if tasks else ()
        for task in late:
            task.cancel()
        await asyncio.to_thread(self.threads.shutdown, wait=True, cancel_futures=True)


__all__ = ["MOST", "Hub", "Listener"]
