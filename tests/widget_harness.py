"""What the tests of `<timeline-view>` share: real servers with few or many events, and pages that hold the element."""

from __future__ import annotations

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
from pathlib import Path

from api_client import load_seeds

from timeline import Timeline
from timeline.records import decode_change

PROGRAM = """import sys
from pathlib import Path
from timeline.api.serve import run
run(Path(sys.argv[1]), port=int(sys.argv[2]))
"""
SOON = 20.0
MANY = 10_000
CSP = ("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
       "base-uri 'none'; form-action 'none'")
DEEP = """(() => { let a = document.activeElement; while (a?.shadowRoot?.activeElement) a = a.shadowRoot.activeElement;
  return a?.dataset.eventId || a?.getAttribute('aria-label') || a?.id || a?.tagName; })()"""
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


@contextmanager
def serving(folder, count):
    """Serve so many events from a process of its own; gives the server's address."""
    path = Path(folder) / f"{count}.db"
    if not path.exists():
        fill(path, count)
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(path), str(port)], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + SOON
    try:
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            try:
                connection.request("GET", "/healthz")
                connection.getresponse().read()
                break
            except OSError:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
            finally:
                connection.close()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(SOON)


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
        self.page.wait_for_load_state("networkidle")
        return self

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

    def settle(self):
        self.page.wait_for_timeout(260)
        self.page.wait_for_load_state("networkidle")
