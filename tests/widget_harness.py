"""What the tests of `<timeline-view>` share: real servers with few or many events, and pages that hold the element."""

from __future__ import annotations

import atexit
import http.client
import json
import os
import random
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import date, timedelta
from functools import cache
from pathlib import Path

from api_client import load_seeds

from timeline import Timeline
from timeline.records import decode_change

NURSERY = """import os, signal, sys
from pathlib import Path
from timeline.api.serve import run
running = set()
for line in sys.stdin:
    order, *rest = line.rstrip("\\n").split("\\t")
    if order == "start":
        child = os.fork()
        if not child:
            os.dup2(os.open(os.devnull, os.O_RDWR), 0)
            run(Path(rest[0]), port=int(rest[1]))
            os._exit(0)
        running.add(child)
    else:
        child = int(rest[0])
        running.discard(child)
        os.kill(child, signal.SIGTERM)
        os.waitpid(child, 0)
    print(child, flush=True)
for child in running:
    os.kill(child, signal.SIGTERM)
    os.waitpid(child, 0)
"""
"""Starts servers without importing the program anew for each, which is most of what starting costs; and ends them with
the tests, however those end."""

SOON = 20.0
MANY = 10_000
CSP = ("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
       "base-uri 'none'; form-action 'none'")
DEEP = """(() => { let a = document.activeElement; while (a?.shadowRoot?.activeElement) a = a.shadowRoot.activeElement;
  return a?.dataset.eventId || a?.getAttribute('aria-label') || a?.id || a?.tagName; })()"""
WATCH = """(() => { let under = 0; const real = window.fetch, rest = (ms) => new Promise(done => setTimeout(done, ms));
  window.fetch = async (...given) => { under += 1; try { const answer = await real(...given);
    await answer.clone().arrayBuffer(); return answer; } finally { setTimeout(() => { under -= 1; }); } };
  window.still = async (ms) => { await rest(ms); let calm = 0; while (calm < 2) { await rest(15); calm = under ? 0
    : calm + 1; } }; })()"""
"""Gives a page `still(ms)`: so many milliseconds later, and when nothing is being fetched any more."""

EVIL = '<img src=x onerror="window.hurt=1"><script>window.hurt=1</script>'


def made(count):
    """Make events of one year in eight lanes, with sources, of every shape of date."""
    rng = random.Random(5)
    yield from ({"type": "actor.described", "actor": {"id": f"actor-{n}", "kind": "person", "name": f"Actor {n}"}}
                for n in range(8))
    paper = {"id": "paper", "title": "The Paper of Record", "published": "2025-12-31"}
    yield {"type": "source.described", "source": paper}
    for number in range(count):
        day = date(2025, 1, 1) + timedelta(rng.randrange(365))
        later = day + timedelta(rng.randrange(1, 5))
        when = rng.choice((f"{day}", f"{day}", f"{day}", f"[{day}..{later}]", f"{day}/{later}", f"[..{day}]",
                           f"{day}/.."))
        yield {"type": "event.recorded", "event": {
            "id": f"event-{number}", "title": f"Event number {number}", "when": when,
            "kind": rng.choice(("occurrence", "statement", "plan")),
            "status": rng.choice(("reported", "confirmed", "disputed")),
            "actors": [{"id": f"actor-{rng.randrange(8)}", "role": "speaker"}], "citations": [{"source": "paper"}]}}


def fill(path, count):
    """Write a log: the seeds where `count` is 97, else so many made-up events."""
    with Timeline(path) as timeline:
        if count == 97:
            load_seeds(timeline)
            return
        changes = [decode_change(json.dumps(change)) for change in made(count)] if count else []
        for start in range(0, len(changes), 1000):
            timeline.append(changes[start:start + 1000])


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Nursery:
    """A process of its own that starts servers when asked to."""

    def __init__(self):
        self._process = subprocess.Popen([sys.executable, "-c", NURSERY], stdin=subprocess.PIPE, text=True,
                                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        atexit.register(self.close)

    def start(self, path, port):
        """Start a server, and give its number when it answers."""
        number, deadline = self._order("start", path, port), time.monotonic() + SOON
        while not answers(port):
            assert time.monotonic() < deadline, f"no server of {path}"
            time.sleep(0.02)
        return number

    def stop(self, number):
        self._order("stop", number)

    def close(self):
        self._process.stdin.close()
        self._process.wait(SOON)
        self._process.stdout.close()

    def _order(self, *words):
        print(*words, sep="\t", file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())


@cache
def nursery():
    return Nursery()


def answers(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SOON)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().read() is not None
    except OSError:
        return False
    finally:
        connection.close()


@contextmanager
def serving(folder, count):
    """Serve so many events from a process of its own; gives the server's address."""
    path = Path(folder) / f"{count}.db"
    if not path.exists():
        fill(path, count)
    port = free_port()
    number = nursery().start(path, port)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        nursery().stop(number)


SHARED = {}
"""The addresses of the servers that nobody writes to, by number of events: one each for all tests of this process."""


def shared(count, factory):
    """Give the address of a server with so many events, started when first asked for; it ends with the tests."""
    if count not in SHARED:
        path, port = factory.mktemp("widget") / f"{count}.db", free_port()
        fill(path, count)
        nursery().start(path, port)
        SHARED[count] = f"http://127.0.0.1:{port}"
    return SHARED[count]


def document(server, attributes="", inner="", *, lang="en", direction="ltr"):
    """Write a page of a newsroom that holds one element."""
    return (f'<!doctype html><html lang="{lang}" dir="{direction}"><head><meta charset="utf-8"><title>News</title>'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f'<link rel="stylesheet" href="{server}/assets/page.css"><link rel="icon" href="data:,">'
            f'<script type="module" src="{server}/timeline-view.js"></script></head><body><main><h1>News</h1>'
            '<p><label>Elsewhere <input id="elsewhere"></label></p>'
            f'<timeline-view src="{server}/v1/chart" {attributes}>{inner}</timeline-view></main></body></html>')


def node_modules(*names):
    """Give the files of these packages under TIMELINE_NODE_MODULES, or None."""
    root = Path(os.environ.get("TIMELINE_NODE_MODULES") or "node_modules")
    found = [root / name for name in names]
    return found if all(path.exists() for path in found) else None


class Opened:
    """A page with the element, and what went wrong on it."""

    def __init__(self, page, server):
        self.page, self.server = page, server
        self.errors, self.foreign, self.said = [], [], []
        page.add_init_script(WATCH)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: request.url.startswith((server, "data:"))
                or self.foreign.append(request.url))
        page.on("console", lambda message: message.type == "error" and self.said.append(message.text))

    def show(self, html, path="/", *, policy=None):
        """Show the page as one of the server's own: browsers keep other origins away from this machine's address."""
        home = self.server
        headers = {"Content-Security-Policy": policy} if policy else {}
        self.page.route(f"{home}/page*", lambda route: route.fulfill(body=html, content_type="text/html",
                                                                     headers=headers))
        self.page.goto(f"{home}/page{path.lstrip('/')}")
        return self

    def ready(self):
        self.page.locator("timeline-view #count:not(:empty)").wait_for()
        return self.settle(0)

    @property
    def view(self):
        return self.page.locator("timeline-view")

    def cells(self):
        return self.page.evaluate("[...document.querySelector('timeline-view').shadowRoot"
                                  ".querySelectorAll('[role=gridcell]')].map(e => e.dataset.eventId ?? '')")

    def focused(self):
        return self.page.evaluate(DEEP)

    def focus_grid(self):
        self.page.locator("timeline-view [role=gridcell][tabindex='0']").focus()

    def settle(self, rest=200):
        """Wait until what the reader asked for is there: it asks when the hand has rested for 150 ms."""
        self.page.evaluate(f"still({rest})")
        return self
