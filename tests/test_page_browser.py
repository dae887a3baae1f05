"""The pages in a browser: no overflow on a small phone, no request to anybody else, no script needed."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from timeline import Timeline
from timeline.records import decode_change
from timeline.web import page as pages

CSP = ("default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
       "frame-ancestors 'none'")
SEEDS = sorted(Path(__file__).parent.parent.joinpath("seeds").glob("*.ndjson"))
PATHS = ["/", "/?lang=fr&limit=100", "/events/trump-rules-out-troops", "/actors/donald-trump", "/topics/us-troops",
         "/actors", "/topics?lang=fr", "/?q=nothing+at+all", "/?from=2025-13&at=120#page_filters", "/events/hostile"]

pytestmark = pytest.mark.browser


def render(timeline, path, query):
    if path == "/":
        return pages.timeline_page(timeline, query, asset=lambda name: f"/assets/{name}")
    kind, _, name = path.strip("/").partition("/")
    one = {"events": pages.event_page, "actors": pages.actor_page, "topics": pages.topic_page}
    every = {"actors": pages.actors_page, "topics": pages.topics_page}
    if name:
        return one[kind](timeline, name, query, asset=lambda name: f"/assets/{name}")
    return every[kind](timeline, query, asset=lambda name: f"/assets/{name}")


@pytest.fixture(scope="module")
def server():
    timeline = Timeline.temporary()
    for path in SEEDS:
        timeline.append([decode_change(line) for line in path.read_bytes().splitlines()])
    timeline.record(id="hostile", title="W" * 500, summary="<script>document.title='owned'</script>" + "y" * 9000,
                    when="2025-08-15", topics=["w" * 100])
    css = resources.files("timeline.web").joinpath("static/page.css").read_bytes()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            parts = urlsplit(self.path)
            if parts.path.startswith("/assets/"):
                status, body, kind = 200, css, "text/css"
            else:
                page = render(timeline, parts.path, parse_qsl(parts.query, keep_blank_values=True))
                status, body, kind = page.status, page.html.encode(), "text/html; charset=utf-8"
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Security-Policy", CSP)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{http.server_port}"
    http.shutdown()
    thread.join()
    http.server_close()
    timeline.close()


@pytest.fixture
def open_page(server, browser):
    """Open a path; gives the page, what it asked of others, and what the console said of the CSP."""
    contexts = []

    def open_(path, **options):
        context = browser.new_context(**options)
        contexts.append(context)
        page, asked, said = context.new_page(), [], []
        page.on("request", lambda request: request.url.startswith((server, "data:")) or asked.append(request.url))
        page.on("console", lambda message: "Security Policy" in message.text and said.append(message.text))
        page.goto(server + path)
        return page, asked, said

    yield open_
    for context in contexts:
        context.close()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_small_phone(open_page, path, scheme):
    page, asked, said = open_page(path, viewport={"width": 320, "height": 640}, color_scheme=scheme)

    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    assert asked == []
    assert said == []
    assert page.title() != "owned"
    assert page.locator("h1").count() == 1
    assert page.evaluate("getComputedStyle(document.body).maxWidth") == "1216px", "the stylesheet was applied"


@pytest.mark.parametrize("path", PATHS)
def test_targets_are_large_enough(open_page, path):
    page, _, _ = open_page(path, viewport={"width": 390, "height": 844})

    small = page.evaluate(
        "[...document.querySelectorAll('button, input:not([type=hidden]), select, summary, .button, .chips a, nav a, "
        ".languages a, .people a')].filter(e => e.checkVisibility())"
        ".map(e => [e.textContent, e.getBoundingClientRect()])"
        ".filter(([_, r]) => r.height < 24 || r.width < 24).map(([t]) => t)")
    assert small == []


def test_the_form_works_without_javascript(open_page):
    page, _, _ = open_page("/", java_script_enabled=False, viewport={"width": 390, "height": 844})

    page.get_by_role("link", name="Search and filter").click()
    page.get_by_label("From", exact=True).fill("2025-08-18")
    page.get_by_label("To", exact=True).fill("2025-08-19")
    page.get_by_label("Actor", exact=True).select_option("karoline-leavitt")
    page.get_by_role("button", name="Show events").click()

    assert "actor=karoline-leavitt" in page.url
    assert page.locator("article").count() == 12
    assert page.get_by_text("12 events · position").is_visible()
    page.get_by_role("link", name="FR", exact=True).click()
    assert page.get_by_text("12 évènements · position").is_visible()


def test_the_skip_link_is_first(open_page):
    page, _, _ = open_page("/")

    page.keyboard.press("Tab")

    assert page.evaluate("document.activeElement.textContent") == "Skip to the events"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "page_main"


def test_print_has_no_form(open_page):
    page, _, _ = open_page("/")

    page.emulate_media(media="print")

    assert not page.locator("form").is_visible()
    assert page.locator("article").first.is_visible()
