"""Clients of a server that is about to be hurt: they send, and remember exactly what they heard."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from timeline.tokens import Tokens, tokens_path
from timeline.torture.children import changes_of
from timeline.torture.judging import Sent
from timeline.torture.nursery import SOON, Child, Nursery

HOST: Final = "127.0.0.1"
BROKEN: Final = (OSError, http.client.HTTPException, ValueError)
"""What a client sees of a server that dies: then it knows nothing of the request that was on its way."""


class Heard:
    """An answer: its status, headers and JSON."""

    def __init__(self, status: int, headers: Mapping[str, str], body: Any) -> None:  # noqa: ANN401 - JSON
        """Keep them."""
        self.status, self.body = status, body
        self.headers = {name.lower(): value for name, value in headers.items()}

    @property
    def detail(self) -> str:
        """The sentence of a problem document (RFC 9457), or nothing."""
        return str(self.body.get("detail", "")) if isinstance(self.body, dict) else ""


class Connection:
    """One kept connection to the server, with a token that may write."""

    def __init__(self, port: int, token: str, seconds: float = 10.0) -> None:
        """Connect with the first request."""
        self._http = http.client.HTTPConnection(HOST, port, timeout=seconds)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> Heard:
        """Send a request and read the whole answer; one of `BROKEN` where there is none."""
        content = None if body is None else json.dumps(body)
        self._http.request(method, path, content, self._headers | {n.replace("_", "-"): v for n, v in headers.items()})
        with self._http.getresponse() as response:
            data = response.read()
            return Heard(response.status, dict(response.headers.items()), json.loads(data) if data else None)

    def close(self) -> None:
        """Close it."""
        self._http.close()


class Server:
    """A server process of a trial."""

    def __init__(self, child: Child, port: int, token: str) -> None:
        """Remember where it listens."""
        self.child, self.port, self.token = child, port, token

    def connect(self, seconds: float = 10.0) -> Connection:
        """Give a connection of its own."""
        return Connection(self.port, self.token, seconds)


def token_for(path: Path) -> str:
    """Make a token that may write."""
    with closing(Tokens(tokens_path(path))) as tokens:
        return tokens.create("torture", ["write"])


def started(nursery: Nursery, path: Path, token: str) -> Server:
    """Start a server and wait until it answers.

    Raises:
        RuntimeError: it ended instead, or did not answer.

    """
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = free.getsockname()[1]
    child = nursery.child("serve", path=str(path), port=port)
    child.await_pid()
    deadline = time.monotonic() + SOON
    while time.monotonic() < deadline:
        try:
            with closing(Connection(port, token, 5)) as connection:
                if connection.ask("GET", "/readyz").status == 200:
                    return Server(child, port, token)
        except BROKEN:
            time.sleep(0.01)
        if child.is_dead:
            break
    raise RuntimeError(f"the server did not start: {child.said[-1] if child.said else 'it says nothing'}")


def send(connection: Connection, request: Sent, changes: list[dict[str, Any]]) -> Heard:
    """Send a request under its key, a single event or a batch, and note what was heard; one of `BROKEN` is passed on.

    A status of 5xx says that it may have been done: only 2xx acknowledges, and only 4xx refuses.
    """
    request.tried += 1
    if len(changes) == 1:
        heard = connection.ask("POST", "/v1/events", changes[0]["event"], Idempotency_Key=request.key)
    else:
        heard = connection.ask("POST", "/v1/records", changes, Idempotency_Key=request.key)
    if heard.status in (200, 201):
        request.positions = ([int(heard.headers["timeline-position"])] if len(changes) == 1
                             else [item["position"] for item in heard.body["items"]])
    request.refused = 400 <= heard.status < 500
    return heard


class Sender(threading.Thread):
    """Sends requests of its own, one after the other, until the server is gone or it is told to stop."""

    def __init__(self, server: Server, name: str, failed: Callable[[Sent, Heard], None] | None = None) -> None:
        """`failed(request, heard)` is told of answers that acknowledge nothing; then it goes on."""
        super().__init__(daemon=True)
        self.sent: list[Sent] = []
        self._server, self._stem, self._failed = server, name, failed
        self._stopping = threading.Event()

    def run(self) -> None:
        """Send."""
        number = 0
        with closing(self._server.connect()) as connection:
            while not self._stopping.is_set():
                request, changes = request_of(self._stem, number)
                self.sent.append(request)
                number += 1
                try:
                    heard = send(connection, request, changes)
                except BROKEN:
                    return
                if request.positions is None and self._failed is not None:
                    self._failed(request, heard)

    def stop(self) -> None:
        """End after the request under way."""
        self._stopping.set()

    @property
    def acknowledged(self) -> int:
        """How many requests were answered as done."""
        return sum(request.positions is not None for request in self.sent)


def request_of(name: str, number: int) -> tuple[Sent, list[dict[str, Any]]]:
    """Give a request and its changes."""
    changes, key = changes_of(name, number)
    return Sent(key, [change["event"]["id"] for change in changes]), changes


def again(connection: Connection, request: Sent) -> Sent:
    """Send a request again under its key; gives what was heard this time."""
    name, _, number = request.key.removeprefix("key-").rpartition("-")
    repeated, changes = request_of(name, int(number))
    send(connection, repeated, changes)
    return repeated


@contextmanager
def sending(server: Server, name: str, count: int, failed: Callable[[Sent, Heard], None] | None = None
            ) -> Iterator[list[Sender]]:
    """Let some clients send at once; they have ended when the block has."""
    senders = [Sender(server, f"{name}-{number}", failed) for number in range(count)]
    for sender in senders:
        sender.start()
    try:
        yield senders
    finally:
        for sender in senders:
            sender.stop()
        for sender in senders:
            sender.join(SOON)


__all__ = ["BROKEN", "Connection", "Heard", "Sender", "Server", "again", "request_of", "send", "sending", "started",
           "token_for"]
