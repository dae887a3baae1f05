"""Everybody who listens to the live stream: how many there may be, who wakes them, and how they end.

The writer thread says once that the log has grown. Those who have been told all there was, and rest, are an `Audience`
with the others who ask the same: what is new to them is read and encoded once, and the same bytes are handed to each
of them in turn, without a turn of its own for each task. Everybody else is woken and reads on from their place by
themselves, so nobody waits for a slow one and nothing queues up. Either goes on some at a time, so that other requests
are answered in between.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, Final, NamedTuple

from timeline.api.replay import Message, Place
from timeline.chronicle import Timeline
from timeline.errors import Busy

MOST: Final = 10_000
"""Listeners at once, unless the server is told otherwise."""

AT_ONCE: Final = 250
"""Listeners told or woken in one turn of the event loop."""

BLOCK: Final = 64_000
"""Bytes that are handed over at once."""

GRACE: Final = 0.5
"""Seconds in which listeners end by themselves when the server does."""

TRY_AGAIN: Final = 5
"""Seconds after which to come again, where there was no room."""

LOOKS: Final = 16
"""How often the hub looks for silence, in the time after which it is broken."""


class Listener:
    """One open stream: how far its client is, how much it was sent and when, and how it can be woken.

    `hand` gives bytes to a server that takes them at once; None where it may have to be waited for. What such a server
    gives back for once is in `owed`: the listener's own task waits for it.
    """

    __slots__ = ("at", "audience", "gone", "hand", "owed", "place", "sent", "task", "waiter")

    def __init__(self) -> None:
        """Begin having been told nothing."""
        self.place, self.sent, self.at = Place(0), 0, 0.0
        self.gone = False
        self.task: asyncio.Task[object] | None = None
        self.hand: Callable[[Any], Awaitable[None]] | None = None
        self.owed: Awaitable[None] | None = None
        self.audience: Audience | None = None
        self.waiter: asyncio.Future[None] | None = None

    def wake(self) -> None:
        """Let its task go on; its place is its own again."""
        if self.audience is not None:
            self.audience.leave(self)
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    def leave(self) -> None:
        """Hear that the client has gone."""
        self.gone = True
        self.wake()


class Told(NamedTuple):
    """What there is to tell to everybody at one place, and the place behind it."""

    messages: list[Message]
    behind: Place


Tell = Callable[[Place], Awaitable[Told]]
"""Reads what there is after a place."""


class Audience:
    """Listeners with one question who are all at one place and rest; `tell` reads for them."""

    def __init__(self, hub: Hub, tell: Tell, carried: int) -> None:
        """Begin without anybody; nobody is told more than `carried` bytes without waking."""
        self._hub, self._tell, self._carried = hub, tell, carried
        self._place = Place(0)
        self._members: dict[Listener, None] = {}
        self._joining: dict[Listener, None] = {}
        self._task: asyncio.Task[None] | None = None
        self._again = False

    def __len__(self) -> int:
        """Count the members, and those who are about to be."""
        return len(self._members) + len(self._joining)

    def enter(self, listener: Listener) -> bool:
        """Take somebody who is at the same place as the others; while those are being told, as soon as they were."""
        if self._task is None and self._members and self._place != listener.place:
            return False
        self._joining[listener] = None
        listener.audience = self
        if self._task is None:
            self._settle()
        return True

    def leave(self, listener: Listener) -> None:
        """Let somebody go on alone, from where all of them are or where only they are."""
        if listener in self._members and listener.place.order < self._place.order:
            listener.place = self._place
        self._members.pop(listener, None)
        self._joining.pop(listener, None)
        listener.audience = None

    def grown(self) -> None:
        """Hear that the log has grown: tell what is new, or tell on."""
        self._again = True
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        try:
            while self._again and self:
                self._again = False
                if self._members:
                    await self._once()
                self._settle()
        except Exception:  # noqa: BLE001 - whatever it was: each meets it in a task of their own
            _wake([*self._members, *self._joining])
        finally:
            self._task = None

    def _settle(self) -> None:
        """Take those who join: who is behind reads on alone, who is ahead is waited for, as the log has grown."""
        if not self._members and self._joining:
            self._place = max((listener.place for listener in self._joining), key=lambda place: place.order)
        for listener in list(self._joining):
            if listener.place == self._place:
                del self._joining[listener]
                self._members[listener] = None
            elif listener.place.order < self._place.order:
                listener.wake()

    async def _once(self) -> None:
        """Tell everybody what is new. Nobody is told anything that was made before something was erased."""
        erasures = self._hub.erasures
        messages, behind = await self._tell(self._place)
        if sum(len(message.content) for message in messages) > BLOCK:
            _wake(list(self._members))
            return
        content = b"".join([message.content for message in messages])
        waiting = iter(list(self._members) if content else ())
        while some := list(islice(waiting, AT_ONCE)):
            if self._hub.closing or self._hub.erasures != erasures:
                _wake([*some, *waiting])
                break
            self._hand(some, content, behind)
            await asyncio.sleep(0)
        self._place = behind

    def _hand(self, some: Iterable[Listener], content: bytes, behind: Place) -> None:
        """Hand the same bytes to each; who has carried enough, or has to be waited for, goes on alone."""
        message = {"type": "http.response.body", "body": content, "more_body": True}
        size, now = len(content), asyncio.get_running_loop().time()
        for listener in some:
            if listener.audience is not self or listener.hand is None:
                continue
            try:
                owed = listener.hand(message)
            except Exception:  # noqa: BLE001 - the connection is no more: its task finds out what there is to say
                listener.leave()
                continue
            listener.place, listener.at = behind, now
            listener.sent += size
            if may_wait(owed):
                listener.owed = owed
                listener.wake()
            elif listener.sent >= self._carried:
                listener.wake()

    def break_silence(self, before: float) -> None:
        """Send a ping to everybody who was sent nothing since `before`."""
        if self._task is None:
            silent = [listener for listener in self._members if listener.at <= before]
            self._hand(silent, ping(self._place), self._place)


def _wake(some: Iterable[Listener]) -> None:
    for listener in some:
        listener.wake()


def ping(place: Place) -> bytes:
    """Write a comment that carries a place (WHATWG HTML section 9.2): somebody whom nothing concerns keeps up."""
    return f": ping\nid: {place}\n\n".encode()


def may_wait(given: object) -> bool:
    """Whether what `send` gave may have to be waited for: a coroutine does nothing before, a future may be pending."""
    return asyncio.iscoroutine(given) or hasattr(given, "add_done_callback")


class Hub:
    """The listeners of one timeline, and the threads that read for them."""

    def __init__(self, timeline: Timeline, most: int = MOST) -> None:
        """Take at most `most` listeners at once."""
        self._timeline = timeline
        self._most = most
        self._listeners: set[Listener] = set()
        self._audiences: dict[bytes, Audience] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._subscribed = False
        self._told = False  # the loop was told that the log has grown, and has not looked yet
        self._left: Iterator[Listener | Audience] | None = None
        self._looking: asyncio.TimerHandle | None = None
        self.closing = False
        # Threads of their own: the questions of streams do not keep those of readers waiting.
        self.threads = ThreadPoolExecutor(2, thread_name_prefix="timeline-stream")

    def __len__(self) -> int:
        """Count the listeners."""
        return len(self._listeners)

    @property
    def erasures(self) -> int:
        """The position of the last record that erased something."""
        return self._timeline.heads.erasures

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
        listener.wake()

    async def rest(self, listener: Listener, key: bytes, tell: Tell, silence: float, carried: int) -> bool:
        """Wait until there may be something that the listener has to do by itself; True where a ping is due.

        It rests with those who have the same question (`key`) where it can. Then what is new is told to it here.
        """
        loop = asyncio.get_running_loop()
        listener.waiter = loop.create_future()
        audience = self._audiences.setdefault(key, Audience(self, tell, carried)) if listener.hand else None
        if audience is not None and audience.enter(listener):
            self._look(silence)
            try:
                await self._until_woken(listener)
            finally:
                audience.leave(listener)
                if not audience and self._audiences.get(key) is audience:
                    del self._audiences[key]
            return False
        left = listener.at + silence - loop.time()
        if left <= 0:
            return True
        timer = loop.call_later(left, listener.wake)
        try:
            await self._until_woken(listener)
        finally:
            timer.cancel()
        return False

    @staticmethod
    async def _until_woken(listener: Listener) -> None:
        """Wait, and then for what the server beneath has not taken yet."""
        if listener.waiter is not None:
            await listener.waiter
        listener.waiter = None
        if listener.owed is not None:
            owed, listener.owed = listener.owed, None
            await owed

    # ------------------------------------------------------------------ silence

    def _look(self, silence: float) -> None:
        """Look for silence from now on, unless that is done already."""
        if self._looking is None and not self.closing:
            self._looking = asyncio.get_running_loop().call_later(silence / LOOKS, self._break_silence, silence)

    def _break_silence(self, silence: float) -> None:
        """Have audiences break the silence of those who were told nothing for so long, and look again later."""
        self._looking = None
        before = asyncio.get_running_loop().time() - silence
        for audience in list(self._audiences.values()):
            audience.break_silence(before)
        if self._audiences:
            self._look(silence)

    # ------------------------------------------------------------------ waking

    def _grown(self, _: int) -> None:
        """Hear in the writer thread that the log has grown: the loop is told once, however often that happens."""
        if self._told or self._loop is None or self.closing:
            return
        self._told = True
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._wake_all)

    def _wake_all(self) -> None:
        """Have every audience told and wake everybody else; where that is under way, it begins anew."""
        self._told = False
        alone = (listener for listener in self._listeners if listener.audience is None)
        everybody: list[Listener | Audience] = [*self._audiences.values(), *alone]
        running, self._left = self._left is not None, iter(everybody)
        if not running:
            self._wake_some()

    def _wake_some(self) -> None:
        some = list(islice(self._left or (), AT_ONCE))
        for one in some:
            if isinstance(one, Audience):
                one.grown()
            elif one.audience is None:
                one.wake()
        if len(some) < AT_ONCE:
            self._left = None
        else:
            asyncio.get_running_loop().call_soon(self._wake_some)

    # ------------------------------------------------------------------ the end

    async def close(self) -> None:
        """Let every stream end: clients come back with the id of the last message they have, so nothing is lost."""
        self.closing = True
        if self._looking is not None:
            self._looking.cancel()
        for listener in self._listeners:
            listener.wake()
        tasks = {listener.task for listener in self._listeners if listener.task is not None}
        late = (await asyncio.wait(tasks, timeout=GRACE))[1] if tasks else ()
        for task in late:
            task.cancel()
        await asyncio.to_thread(self.threads.shutdown, wait=True, cancel_futures=True)


__all__ = ["BLOCK", "MOST", "Audience", "Hub", "Listener", "Told", "may_wait", "ping"]
