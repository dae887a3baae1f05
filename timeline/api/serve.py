"""Serving with granian: one process, one writer, a clean end on SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import signal
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import uvloop
from granian.constants import Interfaces
from granian.server.embed import Server

from timeline.api.app import create_app
from timeline.chronicle import Timeline
from timeline.errors import Invalid
from timeline.tlog import Signer
from timeline.tokens import Tokens, tokens_path


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def run(
    path: Path, *, host: str = "127.0.0.1", port: int = 8000, public_read: bool = True, extra: Iterable[Any] = (),
    signer: Signer | None = None,
) -> None:
    """Open the timeline and serve it until SIGINT or SIGTERM. What was acknowledged is durable already.

    `signer` signs its checkpoints.

    Raises:
        Busy: another process is writing the log.
        Invalid: the port cannot be had, or the key is another log's.

    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    with Timeline.open(path) as timeline:
        if signer is not None:
            timeline.sign_with(signer)
        _check_free(host, port)
        timeline.announce(f"http://{host}:{port}")
        app = create_app(timeline, Tokens(tokens_path(path)), public_read=public_read, extra=extra)
        uvloop.run(_serve(app, host, port))


def serve_app(app: Any, *, host: str, port: int) -> None:  # noqa: ANN401 - an ASGI application
    """Serve an application that needs nothing opened or announced (a witness) until SIGINT or SIGTERM.

    Raises:
        Invalid: the port cannot be had.

    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    _check_free(host, port)
    uvloop.run(_serve(app, host, port))


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


async def _serve(app: Any, host: str, port: int) -> None:  # noqa: ANN401 - an ASGI application
    server = Server(app, address=host, port=port, interface=Interfaces.ASGI, log_access=False, log_enabled=False,
                    websockets=False)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, server.stop)
    await server.serve()
