"""Serving with granian: one process, one writer, a clean end on SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ipaddress
import os
import resource
import signal
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import uvloop
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

from timeline.api.app import common_headers, create_app
from timeline.api.embedding import Embedding
from timeline.api.hub import MOST, Hub
from timeline.api.limits import FairThreads, Limited, Limits
from timeline.api.operations import set_up_logging
from timeline.api.stream import Streams
from timeline.chronicle import Timeline
from timeline.errors import Invalid
from timeline.tlog import Signer
from timeline.tokens import Tokens, tokens_path

ROOM: Final = 1_000
"""Connections beside those of the streams."""

GRACE: Final = 1.2
"""Seconds in which streams and other answers under way have to end."""

IDLE: Final = 15_000
"""Milliseconds in which the head of a request has to be here; a connection that is idle for as long ends."""

HEAD: Final = 65_536
"""Bytes that the head of a request may have, and that are held of an answer on its way to a client."""

STUCK: Final = 60_000
"""Milliseconds after which a client that takes nothing of what it was sent is let go."""

GARBAGE: Final = 10_000
"""Objects that may be garbage before somebody looks for it: a few MB of them."""

THREADS: Final = min(32, (os.cpu_count() or 1) + 4)
"""Threads for questions that take longer than the event loop should be held up for."""


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def run(  # noqa: PLR0913 - what a server can be told
    path: Path, *, host: str = "127.0.0.1", port: int = 8000, public_read: bool = True, extra: Iterable[Any] = (),
    signer: Signer | None = None, max_streams: int = MOST, embedding: Embedding | None = None,
    limits: Limits | None = None,
) -> None:
    """Open the timeline and serve it until SIGINT or SIGTERM. What was acknowledged is durable already.

    `signer` signs its checkpoints; `max_streams` live streams may be open at once; `embedding` says where the world
    knows the server, and who may frame its embeds; `limits` how much may be asked (without it, anything).

    Raises:
        Busy: another process is writing the log.
        Invalid: the port cannot be had, or the key is another log's.

    """
    set_up_logging()
    with Timeline.open(path) as timeline:
        if signer is not None:
            timeline.sign_with(signer)
        _check_free(host, port)
        timeline.announce(f"http://{host}:{port}")
        limits = limits or Limits()
        streams = Streams(timeline, Hub(timeline, max_streams))
        app = create_app(timeline, Tokens(tokens_path(path)), public_read=public_read, extra=extra, streams=streams,
                         embedding=embedding, limits=limits)
        connections = max_streams + ROOM
        _allow(connections)
        uvloop.run(_serve(Limited(app, limits, common_headers), host, port, connections=connections))


def serve_app(app: Any, *, host: str, port: int) -> None:  # noqa: ANN401 - an ASGI application
    """Serve an application that needs nothing opened or announced (a witness) until SIGINT or SIGTERM.

    Raises:
        Invalid: the port cannot be had.

    """
    set_up_logging()
    _check_free(host, port)
    uvloop.run(_serve(app, host, port, connections=ROOM))


def _check_free(host: str, port: int) -> None:
    """Say in a sentence what the server would say in a page of Rust."""
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where)
            probe.listen(1)
    except (OSError, OverflowError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise Invalid(f"cannot listen on {host}:{port}: {reason}; choose another --port") from None


def _allow(connections: int) -> None:
    """Let this process hold so many connections, as far as the system permits: each is an open file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + ROOM
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _serve(
    app: Any,  # noqa: ANN401 - an ASGI application
    host: str, port: int, *, connections: int,
) -> None:
    """Serve until SIGINT or SIGTERM; then end, and wait no longer than a moment.

    The server beneath would wait for ever for a client that does not read what it was sent; what was appended is
    durable, whoever has heard of it. It takes no more connections than `connections`: any further ones wait.

    HTTP/1.1 only, as proxies speak it: where the server has to find out which version it is, a client that sends
    nothing at all is never let go (measured).
    """
    server = Server(app, address=host, port=port, interface=Interfaces.ASGI, log_access=False, log_enabled=False,
                    websockets=False, backlog=ROOM, backpressure=connections, http=HTTPModes.http1,
                    http1_settings=HTTP1Settings(header_read_timeout=IDLE, max_buffer_size=HEAD))
    loop = asyncio.get_running_loop()
    loop.set_default_executor(FairThreads(THREADS))
    _collect_less()
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    serving, ending = loop.create_task(server.serve()), loop.create_task(told.wait())
    guarding = loop.create_task(_guard(port))
    await asyncio.wait({serving, ending}, return_when=asyncio.FIRST_COMPLETED)
    ending.cancel()
    guarding.cancel()
    loop.call_soon(server.stop)
    done, _ = await asyncio.wait({serving}, timeout=GRACE)
    for task in done:
        task.result()


def _collect_less() -> None:
    """Leave what is there now, for good, out of the search for garbage, and search less often.

    As it is by default, searching takes 7 % of the processor under load, and stops everybody for 50 ms now and then to
    look at 300,000 objects of which none will ever go (measured; with this: 2 %, and 4 ms). Nothing of ours is a cycle
    that holds a file: what a request leaves behind goes at once, or is found a little later.
    """
    gc.freeze()
    gc.set_threshold(GARBAGE, *gc.get_threshold()[1:])


async def _guard(port: int) -> None:
    """Wait until the server listens, and have those let go who take nothing."""
    while not let_go_of_the_stuck(port):  # noqa: ASYNC110 - the server beneath does not say that it listens
        await asyncio.sleep(0.05)


def let_go_of_the_stuck(port: int) -> bool:
    """Have the system end connections whose client takes nothing for `STUCK`; says whether that is settled.

    The server beneath has no such limit and does not show its sockets, so ours is looked for among the open files of
    this process. Connections inherit the option of the socket that listens (Linux; elsewhere nothing is done).
    """
    option, files = getattr(socket, "TCP_USER_TIMEOUT", None), Path("/proc/self/fd")
    if option is None or not files.is_dir():
        return True
    found = False
    with contextlib.suppress(OSError):
        for name in os.listdir(files):  # noqa: PTH208 - numbers are wanted, not paths
            with contextlib.suppress(OSError), socket.socket(fileno=os.dup(int(name))) as ours:
                if ours.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) and ours.getsockname()[1] == port:
                    ours.setsockopt(socket.IPPROTO_TCP, option, STUCK)
                    found = True
    return found
