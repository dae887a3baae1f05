"""Embeds in a browser: in a page of another origin, refused where they should be; and the panel to share."""

import os
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from api_client import load_seeds

from timeline import Timeline, parse_query
from timeline.snapshots import publish

pytestmark = pytest.mark.browser

SHOTS = os.environ.get("TIMELINE_SHOTS")
"""A folder to write pictures into, for whoever wants to look: TIMELINE_SHOTS=/tmp/shots pytest ..."""

PROGRAM = """
import sys
from pathlib import Path
from timeline.api.embedding import Embedding
from timeline.api.serve import run
run(Path(sys.argv[1]), port=int(sys.argv[2]), embedding=Embedding("", sys.argv[3]))
"""


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture(scope="module")
def outer():
    """A page of somebody else's, on an origin of its own: whatever HTML is put into `server.html`."""
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = self.server.html.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.html = ""
    server.url = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def serve(tmp_path_factory):
    """Start servers in processes of their own: gives the address of one with these frame-ancestors."""
    started = []

    def start(ancestors):
        path = tmp_path_factory.mktemp("framed") / "timeline.db"
        with Timeline(path) as timeline:
            load_seeds(timeline)
            timeline.record(id="right-to-left", title="قمة ألاسكا بين الرئيسين (2025)", lang="ar", when="2025-08-15",
                            topics=["alaska"])
            timeline.record(id="long", title="W" * 300, when="2025-08", topics=["alaska"])
            timeline.record(id="gone", title="It never happened", when="2025-08-16", topics=["alaska"])
            timeline.retract("gone", reason="it was another day")
            publish(timeline, parse_query([("topic", "alaska")]))
        port = free_port()
        process = subprocess.Popen([sys.executable, "-c", PROGRAM, path, str(port), ancestors],
                                   stderr=subprocess.DEVNULL)
        started.append(process)
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 5).close()
                return f"http://127.0.0.1:{port}"
            except OSError:
                assert time.monotonic() < deadline
                assert process.poll() is None
                time.sleep(0.05)

    yield start
    for process in started:
        process.terminate()
        assert process.wait(5) == 0


@pytest.fixture(scope="module")
def address(serve):
    return serve("*")


@pytest.fixture
def open_page(browser):
    """Open an address; gives the page and what its console said."""
    contexts = []

    def open_(url, **options):
        context = browser.new_context(**options)
        contexts.append(context)
        page, said = context.new_page(), []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(url)
        return page, said

    yield open_
    for context in contexts:
        context.close()


def shoot(what, name):
    if SHOTS:
        Path(SHOTS).mkdir(exist_ok=True)
        what.screenshot(path=Path(SHOTS) / f"{name}.png")


def embedding(address, path):
    """Take the HTML that a consumer of oEmbed would put into its page."""
    answer = httpx.get(f"{address}/oembed", params={"url": f"{address}{path}"})
    assert answer.status_code == 200
    return f"<!doctype html><title>News</title><p>Before</p>{answer.json()['html']}<p>After</p>"


def test_a_page_of_another_origin_shows_the_events(address, outer, open_page):
    outer.html = embedding(address, "/actors/axios")
    page, said = open_page(outer.url)
    frame = page.frame_locator("iframe")
    frame.locator("li").first.wait_for()
    assert frame.locator("h1").inner_text() == "Axios"
    assert frame.locator("main li").count() == 2
    assert "one unknown day between 15 and 18 August 2025" in frame.locator("main").inner_text()
    assert frame.locator("body").evaluate("body => getComputedStyle(body).paddingTop") == "12px", "styled by embed.css"
    assert frame.locator("body").evaluate("() => self.origin") == "null", "it has no origin to do anything with"
    assert said == []
    shoot(page, "framed")


def test_its_links_open_in_a_tab_of_their_own(address, outer, open_page):
    outer.html = embedding(address, "/actors/axios")
    page, _ = open_page(outer.url)
    with page.context.expect_page() as opened:
        page.frame_locator("iframe").locator("main h2 a").first.click()
    tab = opened.value
    tab.wait_for_load_state()
    assert tab.url.startswith(f"{address}/events/axios-")
    assert tab.locator("article.single").count() == 1
    assert tab.evaluate("window.opener") is None
    assert page.url == outer.url


def test_only_those_who_may_frame_it_show_it(serve, outer, open_page):
    origin = outer.url.rstrip("/")
    for ancestors, shown in (("https://news.example", False), ("'none'", False), ("'self'", False), (origin, True)):
        address = serve(ancestors)
        outer.html = embedding(address, "/events/alaska-summit")
        page, said = open_page(outer.url)
        page.wait_for_load_state("networkidle")
        inside = page.frames[1]
        assert bool(inside.locator("main li").count()) is shown, ancestors
        assert any("frame-ancestors" in text for text in said) is not shown, said
        assert page.get_by_text("After").is_visible()


def test_no_other_page_can_be_framed(address, outer, open_page):
    for path in ("/", "/events/alaska-summit", "/actors/axios", "/topics/us-troops", "/snapshots", "/docs"):
        outer.html = f'<!doctype html><title>x</title><iframe src="{address}{path}"></iframe>'
        page, said = open_page(outer.url)
        page.wait_for_load_state("networkidle")
        assert page.frames[1].url.startswith("chrome-error:"), path
        assert any("frame-ancestors" in text for text in said), path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [280, 360, 1280])
@pytest.mark.parametrize("path", ["/embed?topic=alaska&retracted=include", "/embed?at=120&lang=fr&limit=5",
                                  "/embed/events/alaska-summit", "/embed/events/right-to-left", "/embed?from=2025-13"])
def test_an_embed_fits(address, open_page, path, width, scheme):
    page, said = open_page(address + path, viewport={"width": width, "height": 480}, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert [text for text in said if "400" not in text] == []
    small = page.evaluate("[...document.querySelectorAll('a')].map(e => [e.textContent, e.getBoundingClientRect()])"
                          ".filter(([_, r]) => r.height < 16).map(([t]) => t)")
    assert small == []
    shoot(page, f"embed-{path.strip('/').replace('/', '-').split('?')[0]}-{len(path)}-{width}-{scheme}")


def test_right_to_left_titles_start_on_their_own_side(address, open_page):
    page, _ = open_page(f"{address}/embed?topic=alaska")
    assert page.locator("main h2 [dir=auto]", has_text="2025").evaluate("e => getComputedStyle(e).direction") == "rtl"


PANELS = ["/", "/actors/donald-trump?lang=fr&from=2025-08", "/topics/us-troops?at=120"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 360, 1280])
@pytest.mark.parametrize("path", PANELS)
def test_the_panel_opens_without_javascript_and_fits(address, open_page, path, width, scheme):
    page, said = open_page(address + path, viewport={"width": width, "height": 900}, color_scheme=scheme,
                           java_script_enabled=False)
    panel = page.locator("#page_share")
    assert not panel.locator("section").first.is_visible()
    panel.locator("summary").click()
    assert panel.locator("section").count() == 4
    assert all(section.is_visible() for section in panel.locator("section").all())
    assert not panel.locator("button").first.is_visible()
    assert panel.locator("textarea").first.is_visible()
    assert said == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    shoot(panel, f"panel-{PANELS.index(path)}-{width}-{scheme}")


def test_copying(address, open_page):
    page, said = open_page(f"{address}/actors/axios", permissions=["clipboard-read", "clipboard-write"])
    page.locator("#page_share summary").click()
    wanted = page.locator("#share_snippet").input_value()
    page.locator("[data-copy=share_snippet]").click()
    page.get_by_text("Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == wanted
    assert wanted.startswith(f'<iframe src="{address}/embed?actor=axios"')
    assert said == []


def test_the_copied_snippet_shows_events_elsewhere(address, outer, open_page):
    page, _ = open_page(f"{address}/topics/us-troops?lang=fr")
    outer.html = f'<!doctype html><title>x</title>{page.locator("#share_snippet").input_value()}'
    other, said = open_page(outer.url, viewport={"width": 360, "height": 640})
    other.frame_locator("iframe").locator("main li").first.wait_for()
    assert other.evaluate("document.documentElement.scrollWidth") <= 360
    assert said == []


@pytest.mark.parametrize("path", ["/", "/events/alaska-summit", "/actors/axios", "/topics/us-troops", "/embed"])
def test_the_policy_of_a_page_refuses_nothing_of_it(address, open_page, path):
    """JSON-LD is data: browsers do not run it, and script-src does not speak of it."""
    page, said = open_page(address + path)
    page.wait_for_load_state("networkidle")
    assert said == []
    blocks = page.locator("script[type='application/ld+json']")
    assert blocks.count() == (1 if path.startswith("/events") else 0)
