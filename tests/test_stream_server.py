"""The live stream of the real server, in a process of its own: its end, and clients that read nothing."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
from pathlib import Path

import pytest
from test_serve import ended, server
from test_stream import SOON, parse

from timeline import Timeline
from timeline.tokens import Tokens, tokens_path


class Reader(threading.Thread):
    """A client of the real server, in a thread of its own, that reads until the server ends the stream."""

    def __init__(self, port, asked="", last=None):
        super().__init__()
        self.text, self.complete = "", False
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SOON)
        self._connection.request("GET", f"/v1/stream{asked}", headers={} if last is None else {"Last-Event-ID": last})
        self._response = self._connection.getresponse()
        assert self._response.status == 200
        self.start()

    def run(self):
        try:
            for line in self._response:
                self.text += line.decode()
            self.complete = True
        except (OSError, http.client.HTTPException):
            pass
        finally:
            self._response.close()
            self._connection.close()

    @property
    def whole(self):
        return self.text[: self.text.rfind("\n\n") + 2]

    @property
    def messages(self):
        return [message for message in parse(self.whole)[0] if message["event"] not in ("hello", "reset")]

    @property
    def last(self):
        return parse(self.whole)[1]

    def until(self, holds):
        deadline = time.monotonic() + SOON
        while not holds(self):
            assert time.monotonic() < deadline, self.text[-500:]
            time.sleep(0.01)
        return self


class Writing:
    """Appends over HTTP, and remembers what was acknowledged."""

    def __init__(self, port, secret):
        self.acknowledged = []
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SOON)
        self._headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._connection.close()

    def append(self, *events):
        body = json.dumps([{"type": "event.recorded", "event": event} for event in events])
        self._connection.request("POST", "/v1/records", body, self._headers)
        response = self._connection.getresponse()
        response.read()
        if response.status == 201:
            self.acknowledged += [event["id"] for event in events]
        return response.status


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "timeline.db"
    Timeline(path).close()
    return path


@pytest.fixture
def secret(path):
    tokens = Tokens(tokens_path(path))
    yield tokens.create("newsroom", ["write"])
    tokens.close()


@contextlib.contextmanager
def stuck(port, count, ask=b"GET /v1/stream HTTP/1.1\r\nHost: x\r\n\r\n"):
    """Ask for something and read nothing."""
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            client = stack.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", port))
            client.sendall(ask)
        yield


def numbered(start, end):
    return [{"id": f"e{number}", "title": "t", "note": "n" * 1_900} for number in range(start, end)]


def test_the_server_ends_with_open_streams_and_nothing_is_lost(path, secret):
    """Readers at work, some who read nothing, a writer in the midst of it; then they come back to the next server."""
    with server(path) as (process, port), stuck(port, 3), Writing(port, secret) as writing:
        readers = [Reader(port, last="0") for _ in range(30)]

        def write():
            with contextlib.suppress(OSError, http.client.HTTPException):
                for number in range(100_000):
                    if writing.append(*numbered(number, number + 1)) != 201:
                        return

        thread = threading.Thread(target=write)
        thread.start()
        readers[0].until(lambda reader: len(reader.messages) > 100)
        assert ended(process) < 3
        for each in (*readers, thread):
            each.join(SOON)
        assert all(reader.complete for reader in readers)
    with Timeline.open(path) as timeline:
        expected = [record.header.streams[0][0].removeprefix("event/") for record in timeline.records()]
    assert set(writing.acknowledged) <= set(expected)
    with server(path) as (process, port):
        back = [Reader(port, last=reader.last) for reader in readers]
        for first, second in zip(readers, back, strict=True):
            second.until(lambda reader: reader.last == str(len(expected)))
            found = first.messages + second.messages
            assert [message["data"]["event"] for message in found] == expected
            assert [message["id"] for message in found] == [str(n) for n in range(1, len(expected) + 1)]
        assert ended(process) < 3


def memory(process):
    """Give the megabytes a process holds."""
    return int(Path(f"/proc/{process.pid}/status").read_text().partition("VmRSS:")[2].split()[0]) / 1024


def read_all(port, last, end):
    """Read on until a place, as often as the server ends a connection that has carried enough."""
    found = []
    while last != end:
        reader = Reader(port, last=last)
        reader.until(lambda reader: reader.complete or reader.last == end)
        found += reader.messages
        last = reader.last
    return [message["data"]["event"] for message in found]


def test_the_server_ends_though_somebody_does_not_read_what_they_asked_for(path, secret):
    """More than the system's buffers hold, in answers that do end."""
    with server(path) as (process, port), Writing(port, secret) as writing:
        for start in range(0, 2_000, 100):
            assert writing.append(*numbered(start, start + 100)) == 201
        ask = b"GET /v1/records?limit=1000 HTTP/1.1\r\nHost: x\r\n\r\n"
        with stuck(port, 3, ask * 5), stuck(port, 3):
            time.sleep(1)
            assert ended(process) < 3


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system does not say what a process holds")
def test_clients_that_read_nothing_cost_only_so_much(path, secret):
    """Some 10 MB for each of sixty who take nothing, while another is told everything, in several connections."""
    with server(path) as (process, port), Writing(port, secret) as writing:
        for start in range(0, 4_000, 100):
            assert writing.append(*numbered(start, start + 100)) == 201
        assert read_all(port, "0", "4000") == [f"e{number}" for number in range(4_000)]
        before = memory(process)
        with stuck(port, 60):
            for start in range(4_000, 8_000, 100):
                assert writing.append(*numbered(start, start + 100)) == 201
            assert read_all(port, "4000", "8000") == [f"e{number}" for number in range(4_000, 8_000)]
            assert memory(process) - before < 60 * 1.5 + 40
            assert ended(process) < 3
