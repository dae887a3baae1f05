"""The real server in a process of its own: it answers, it refuses clearly, and it ends without losing anything."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager

import pytest
from api_client import load_seeds

from timeline import Timeline
from timeline.errors import Busy
from timeline.tokens import Tokens, tokens_path

PROGRAM = """
import sys
from pathlib import Path
from timeline.api.serve import run
from timeline.errors import TimelineError
try:
    run(Path(sys.argv[1]), port=int(sys.argv[2]))
except TimelineError as error:
    sys.exit(error.detail)
"""
SOON = 15.0
"""Seconds in which whatever should happen has happened, on a slow machine too."""


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def command(path, port):
    return [sys.executable, "-c", PROGRAM, str(path), str(port)]


def get(port, url="/healthz"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", url)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


@contextmanager
def server(path):
    port = free_port()
    process = subprocess.Popen(command(path, port), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + SOON
    while True:
        try:
            assert get(port)[0] == 200
            break
        except OSError:
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.05)
    try:
        yield process, port
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def ended(process):
    """Ask it to end, and give how long it took."""
    start = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(SOON) == 0
    return time.monotonic() - start


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "timeline.db"
    with Timeline(path) as timeline:
        load_seeds(timeline)
    return path


def test_it_answers_refuses_and_ends(path):
    with server(path) as (process, port):
        status, body = get(port, "/v1/events?limit=1&actor=donald-trump")
        assert status == 200
        assert json.loads(body)["items"]
        for url, expected in (
            ("/v1/events/%00", 404),
            ("/v1/events/%ff", 404),
            ("/v1/events?q=%ff", 400),
            ("/", 200),
            ("/v1/events/..%2f..", 404),
            ("/assets/..%2f..%2fpage.py", 404),
            ("/v1/events?%ff", 400),
            ("/v1/events?cursor=%0d%0aX:1", 400),
            ("/v1/events?q=" + "x" * 20_000, 414),
        ):
            assert get(port, url)[0] == expected, url
        weird = b"BREW /v1/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        with socket.create_connection(("127.0.0.1", port), 5) as raw:
            raw.sendall(weird)
            assert b" 405 " in raw.recv(4000).partition(b"\r\n")[0]
        with pytest.raises(Busy, match=rf"server at http://127\.0\.0\.1:{port}: go through it with --url"):
            Timeline.open(path)
        second = subprocess.run(command(path, free_port()), capture_output=True, text=True, timeout=SOON, check=False)
        assert second.returncode == 1
        assert f"http://127.0.0.1:{port}" in second.stderr
        assert "Traceback" not in second.stderr
        idle = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        idle.request("GET", "/v1")
        assert idle.getresponse().read()
        assert ended(process) < 3
        idle.close()
    with Timeline.open(path) as timeline:
        assert timeline.position == 196


def test_a_port_in_use(path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(command(path, port), capture_output=True, text=True, timeout=SOON, check=False)
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in done.stderr
    assert "Traceback" not in done.stderr
    Timeline.open(path).close()


def test_nothing_acknowledged_is_lost(path):
    tokens = Tokens(tokens_path(path))
    secrets = {name: tokens.create(name, ["write"]) for name in ("ada", "bob", "eve", "joe")}
    tokens.close()
    acknowledged = []

    def append(port, name):
        headers = {"Authorization": f"Bearer {secrets[name]}", "Content-Type": "application/json"}
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
            for number in range(100_000):
                event = json.dumps({"id": f"{name}-{number}", "title": name})
                try:
                    connection.request("POST", "/v1/events", event, headers)
                    with connection.getresponse() as response:
                        body = json.loads(response.read())
                except (OSError, http.client.HTTPException, ValueError):
                    return
                if response.status == 201:
                    acknowledged.append((body["id"], body["revision"]["author"]))

    with server(path) as (process, port):
        threads = [threading.Thread(target=append, args=(port, name)) for name in secrets]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + SOON
        while len(acknowledged) < 200 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert ended(process) < 3
        for thread in threads:
            thread.join(SOON)
    assert len(acknowledged) >= 200
    with Timeline.open(path) as timeline:
        for event_id, author in acknowledged:
            assert timeline.event(event_id)["revision"]["author"] == author == event_id.partition("-")[0]


def test_an_interrupt_ends_it_too(path):
    with server(path) as (process, _):
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(SOON) == 0
