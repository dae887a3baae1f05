"""How much may be asked of a server at once and a second, so that nobody's asking keeps others from being answered.

Rates are token buckets (the generic cell rate algorithm: one number for each key), for each address and each token.
Addresses of this machine are not counted: they are whoever runs the server, or a proxy that was not declared, which
would count as one client. Memory is bounded: so many keys are remembered, and those are forgotten that matter least.

Requests in hand are counted, altogether and for each address; an answer that is large is counted for as long as its
reader takes to read it, and handed over piece by piece, so that what a slow reader holds is bounded too. Threads go
round among the addresses that wait for one, so that costly questions of one do not delay the others.

Whoever asks too often is refused before the framework hears of it, which would cost as much as many an answer: such
refusals have a figure of their own and no line in the log, as there may be thousands a second.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache, partial
from ipaddress import IPv6Address, ip_address, ip_network
from itertools import chain, islice
from typing import Any, Final, ParamSpec, TypeVar

from litestar import Request, Response
from litestar.enums import ScopeType
from litestar.response.base import ASGIResponse
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from timeline.api.operations import request_id
from timeline.api.problems import TooManyRequests, TooSlow, problem
from timeline.errors import Busy
from timeline.metrics import several, single
from timeline.tokens import Grant

REQUESTS: Final = 1_000
"""Requests in hand at once, unless the server is told otherwise. Live streams are counted by the hub."""

RATE: Final = 200
"""Requests a second of one address: what a page and its assets take, twenty times over."""

TOKEN_RATE: Final = 500
"""Requests a second with one token."""

BURST: Final = 10
"""Seconds' worth of a rate that may come at once."""

SHARE: Final = 4
"""One address may have one in so many of the requests in hand."""

FAILURES: Final = 20
"""Bad tokens that may come from one address at once; then one every `FORGIVEN` seconds."""

FORGIVEN: Final = 6.0
MOST: Final = 50_000
"""Addresses (or tokens) that are remembered, some 10 MB of them."""

BODY_SECONDS: Final = 30.0
"""Seconds in which the body of a request has to be here: 1 MB at 33 kB/s."""

LARGE: Final = 131_072
"""Bytes from which on an answer is handed over piece by piece."""

PIECE: Final = 32_768
DELIVERIES: Final = 128 * 2**20
"""Bytes of large answers that are being read at once."""

SLOWEST: Final = 50_000
"""Bytes a second at which a large answer has to be read, after the first `HEAD_START` seconds."""

HEAD_START: Final = 20.0
FORWARDED: Final = b"x-forwarded-for"
KNOWN: Final = 100
"""Bytes of that header up to which what it says is remembered."""

ALWAYS: Final = frozenset({"/healthz", "/readyz"})
"""Whether the server lives is answered however busy it is."""

REASONS: Final = ("address", "busy", "guessing", "large", "token")
READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
HTTP: Final[str] = ScopeType.HTTP.value
_asking: ContextVar[str | None] = ContextVar("timeline_asking", default=None)
P = ParamSpec("P")
T = TypeVar("T")
Common = Callable[[list[tuple[bytes, bytes]], Scope, Mapping[bytes, bytes]], None]


# ---------------------------------------------------------------------------------------------- counting

class Rates:
    """So many a second for each key, and `burst` at once. Keys that may send their whole burst again are forgotten."""

    def __init__(self, rate: float, burst: int, most: int = MOST) -> None:
        """Let `rate` a second pass; 0 lets everything pass."""
        self._interval = 1 / rate if rate else 0.0
        self._room = (burst - 1) * self._interval + 1e-9
        self._most = most
        self._due: dict[str, float] = {}

    def __len__(self) -> int:
        """Count the keys that are remembered."""
        return len(self._due)

    def wait(self, key: str, now: float) -> float:
        """Give the seconds after which the next one may come: 0 for now. Counts nothing."""
        return max(0.0, self._due.get(key, now) - now - self._room)

    def take(self, key: str, now: float) -> float:
        """Count one, if it may come now: gives 0. Otherwise gives the seconds after which to come again."""
        if not self._interval:
            return 0.0
        due = self._due.get(key, now)
        if due < now:
            due = now
        elif (early := due - now - self._room) > 0:
            return early
        self._due[key] = due + self._interval
        if len(self._due) > self._most:
            self._forget(now)
        return 0.0

    def _forget(self, now: float) -> None:
        """Keep at most half of the keys, those that asked for most: the others are as good as new, or nearly so."""
        latest = sorted((due for due in self._due.values() if due > now), reverse=True)[: self._most // 2]
        least, room = latest[-1] if latest else math.inf, len(latest)
        self._due = dict(islice(((key, due) for key, due in self._due.items() if due >= least), room))


class Places:
    """Room for so much at once, of which one key may have its share. Who has no key counts for the whole alone.

    Whoever has nothing may have anything, if there is room at all: what is larger than a share can be had singly.
    """

    def __init__(self, most: int, share: int = SHARE) -> None:
        """Take `most` at once; 0 takes any number."""
        self._most, self._own = most, most // share
        self._keys: dict[str, int] = {}
        self.taken = 0

    def enter(self, key: str | None, size: int = 1) -> bool:
        """Take room, if there is so much for this key."""
        if self._most and self.taken and self.taken + size > self._most:
            return False
        if key is not None:
            own = self._keys.get(key, 0)
            if own and own + size > self._own and self._most:
                return False
            self._keys[key] = own + size
        self.taken += size
        return True

    def leave(self, key: str | None, size: int = 1) -> None:
        """Give room back."""
        self.taken -= size
        if key is not None:
            own = self._keys[key] - size
            if own:
                self._keys[key] = own
            else:
                del self._keys[key]


class FairThreads(ThreadPoolExecutor):
    """Threads that take the work of each address in turn, whoever has most of it waiting."""

    def __init__(self, threads: int) -> None:
        """Work in so many threads."""
        super().__init__(threads, thread_name_prefix="timeline-reader")
        self._guard = threading.Lock()
        self._waiting: OrderedDict[str | None, deque[tuple[Future[Any], Callable[[], Any]]]] = OrderedDict()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Put work at the end of what its address has waiting."""
        future: Future[T] = Future()
        with self._guard:
            self._waiting.setdefault(_asking.get(), deque()).append((future, partial(fn, *args, **kwargs)))
        super().submit(self._next)
        return future

    def _next(self) -> None:
        """Do the first work of the address whose turn it is; the address then waits for its next turn."""
        with self._guard:
            key, own = self._waiting.popitem(last=False)
            future, work = own.popleft()
            if own:
                self._waiting[key] = own
        if not future.set_running_or_notify_cancel():
            return
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - whoever waits for it is told
            future.set_exception(error)
        else:
            future.set_result(result)


# ---------------------------------------------------------------------------------------------- addresses

@lru_cache(10_000)
def network(host: str) -> str | None:
    """Give what one client has: an IPv4 address, or the /64 of an IPv6 one. None for this machine and no address.

    >>> network("203.0.113.9"), network("2001:db8::1:2:3:4"), network("::ffff:203.0.113.9")
    ('203.0.113.9', '2001:db8::/64', '203.0.113.9')
    >>> network("127.0.0.1"), network("::1"), network("unknown")
    (None, None, None)
    """
    try:
        found = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    if isinstance(found, IPv6Address):
        found = found.ipv4_mapped or found
    if found.is_loopback:
        return None
    return str(ip_network((found, 64), strict=False)) if isinstance(found, IPv6Address) else str(found)


def forwarded(headers: Iterable[tuple[bytes, bytes]], proxies: int) -> str | None:
    """Give the client's key as the outermost of so many trusted proxies saw it; None where the header does not say.

    Each proxy adds the address it saw to the end of X-Forwarded-For; whatever stands before was sent by the client.
    """
    given = b""
    for name, value in headers:
        if name == FORWARDED:
            given = given + b"," + value if given else value
    return (_seen if len(given) <= KNOWN else _seen.__wrapped__)(given, proxies)


@lru_cache(10_000)
def _seen(given: bytes, proxies: int) -> str | None:
    seen = given.decode("latin-1").split(",")
    if len(seen) < proxies:
        return None
    host = seen[-proxies].strip()
    if host.startswith("["):  # [2001:db8::1]:443
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:  # 203.0.113.9:443
        host = host.partition(":")[0]
    return network(host)


# ---------------------------------------------------------------------------------------------- limits

class Limits:
    """What a server takes, and how much of it is taken. Used on the event loop only."""

    def __init__(
        self, *, requests: int = 0, rate: float = 0, token_rate: float = 0, proxies: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take so many `requests` at once, `rate` a second from an address and `token_rate` with a token; 0: any.

        `proxies` is how many trusted ones stand between the clients and this server.
        """
        self.places, self.deliveries = Places(requests), Places(DELIVERIES)
        self._rate = rate
        self._rates = Rates(rate, max(1, int(rate * BURST)))
        self._token_rates = Rates(token_rate, max(1, int(token_rate * BURST)))
        self._failures = Rates(1 / FORGIVEN, FAILURES)
        self._proxies, self._clock = proxies, clock
        self.refused: Counter[str] = Counter()

    def address(self, scope: Scope) -> str | None:
        """Give the key of whoever asks; None for this machine."""
        if self._proxies and (key := forwarded(scope["headers"], self._proxies)) is not None:
            return key
        client = scope["client"]
        return network(client[0]) if client else None

    def pace(self, scope: Scope) -> TooManyRequests | None:
        """Count a request for its address, or say why it may not come now."""
        if not self._rate or (key := self.address(scope)) is None:
            return None
        if not (seconds := self._rates.take(key, self._clock())):
            return None
        self.refused["address"] += 1
        return _too_many("this address asks more often than this server allows", seconds)

    @contextmanager
    def hand(self, request: Request[Any, Any, Any]) -> Iterator[None]:
        """Take a request in hand while the block runs: its thread work in turn, its body as long as it comes in time.

        Raises:
            Busy: there are as many in hand as may be.

        """
        key = self.address(request.scope)
        if not self.places.enter(key):
            self.refused["busy"] += 1
            raise Busy("this server has as many requests in hand as it takes: come again in a moment", retry_after=1)
        _asking.set(key)
        if request.method not in READING:
            request.receive = _prompt(request.receive)
        try:
            yield
        finally:
            self.places.leave(key)

    def check_guessing(self, scope: Scope) -> None:
        """Refuse to look at any token of an address that has sent too many bad ones.

        Raises:
            TooManyRequests: it has.

        """
        key = self.address(scope)
        if key is not None and (seconds := self._failures.wait(key, self._clock())):
            self.refused["guessing"] += 1
            raise _too_many("too many bad tokens came from this address", seconds)

    def guessed(self, scope: Scope) -> None:
        """Count a bad token."""
        key = self.address(scope)
        if key is not None:
            self._failures.take(key, self._clock())

    def spend(self, grant: Grant | None) -> None:
        """Count a request for its token.

        Raises:
            TooManyRequests: the token is used too often.

        """
        if grant is not None and (seconds := self._token_rates.take(str(grant.id), self._clock())):
            self.refused["token"] += 1
            raise _too_many(f"the token {grant.name} is used more often than this server allows", seconds)

    def deliver(self, response: Response[bytes], scope: Scope) -> Response[bytes]:
        """Hand a large answer over piece by piece.

        Raises:
            Busy: as many are being read as may be.

        """
        key, size = self.address(scope), len(response.content)
        if not self.deliveries.enter(key, size):
            self.refused["large"] += 1
            raise Busy("as many large answers are being read as this server takes: come again, or ask for fewer items "
                       "at once (limit)", retry_after=5)
        return _Large(response, partial(self.deliveries.leave, key, size))

    def figures(self) -> str:
        """Give what `/metrics` says of limits."""
        refused = [({"reason": reason}, self.refused[reason]) for reason in REASONS]
        lines: Iterator[str] = chain(
            several("timeline_refused_total", "counter", "Requests refused because there were too many.", refused),
            single("timeline_requests_in_hand", "gauge", "Requests being answered.", self.places.taken),
            single("timeline_large_answer_bytes", "gauge", "Bytes of large answers being read.", self.deliveries.taken),
        )
        return "".join(f"{line}\n" for line in lines)


def _too_many(why: str, seconds: float) -> TooManyRequests:
    wait = max(1, math.ceil(seconds))
    return TooManyRequests(f"{why}: come again in {wait} s", retry_after=wait)


class Limited:
    """An application, with the limits on addresses before it."""

    def __init__(self, app: ASGIApp, limits: Limits, common: Common) -> None:
        """Put the limits on addresses around an application; `common` adds the headers that all of its answers have."""
        self._app, self._limits, self._common = app, limits, common

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Answer, or refuse at once. Not a coroutine of its own: that would cost as much as all the rest."""
        if scope["type"] == HTTP and scope["path"] not in ALWAYS and (refusal := self._limits.pace(scope)) is not None:
            return self._refuse(scope, send, refusal)
        return self._app(scope, receive, send)

    async def _refuse(self, scope: Scope, send: Send, error: TooManyRequests) -> None:
        """Send a problem document (RFC 9457) with Retry-After (RFC 9110 section 10.2.3)."""
        members = {"request_id": request_id(scope)}
        made = problem(error.status, error.code, error.title, error.detail, members=members)
        headers = [(name.lower().encode(), value.encode()) for name, value in made.headers.items()]
        headers += [(b"content-type", str(made.media_type).encode()), (b"content-length", b"%d" % len(made.content)),
                    (b"retry-after", str(error.members["retry_after"]).encode()),
                    (b"x-request-id", members["request_id"].encode())]
        self._common(headers, scope, dict(scope["headers"]))
        body = b"" if scope["method"] == "HEAD" else made.content  # type: ignore[typeddict-item]
        await send({"type": "http.response.start", "status": error.status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})


def _prompt(receive: Receive, seconds: float | None = None) -> Receive:
    """Give the body of a request as long as it comes in time.

    Raises:
        TooSlow: it does not.

    """
    deadline = asyncio.get_running_loop().time() + (BODY_SECONDS if seconds is None else seconds)

    async def prompt() -> Any:  # noqa: ANN401 - a message of ASGI
        try:
            async with asyncio.timeout_at(deadline):
                return await receive()
        except TimeoutError:
            raise TooSlow(f"the body did not come within {BODY_SECONDS:g} s: send smaller batches") from None

    return prompt


# ---------------------------------------------------------------------------------------------- large answers

class _Large(Response[bytes]):
    """An answer that is handed over as fast as it is read."""

    def __init__(self, response: Response[bytes], done: Callable[[], None]) -> None:
        super().__init__(response.content, status_code=response.status_code, headers=dict(response.headers),
                         media_type=response.media_type)
        self._done = done

    def to_asgi_response(self, *_: Any, **__: Any) -> ASGIResponse:  # noqa: ANN401 - the framework's many options
        """Give what writes it; nothing it could be told makes a difference."""
        return _Pieces(self._done, body=self.content, status_code=self.status_code, media_type=self.media_type,
                       headers=dict(self.headers))


class _Pieces(ASGIResponse):
    """Writes an answer in pieces: the server beneath takes the next when some of those before have gone."""

    def __init__(self, done: Callable[[], None], **shape: Any) -> None:  # noqa: ANN401 - see ASGIResponse
        super().__init__(**shape)
        self._done = done

    async def send_body(self, send: Send, receive: Receive) -> None:  # noqa: ARG002 - the framework's
        """Write; a reader who takes too long is left with what they have, and the connection ends."""
        size = len(self.body)
        try:
            async with asyncio.timeout(HEAD_START + size / SLOWEST):
                for start in range(0, size, PIECE):
                    message: Message = {"type": "http.response.body", "body": self.body[start : start + PIECE],
                                        "more_body": start + PIECE < size}
                    await send(message)
        except TimeoutError:
            return
        finally:
            self._done()


__all__ = ["LARGE", "RATE", "REQUESTS", "TOKEN_RATE", "FairThreads", "Limited", "Limits"]
