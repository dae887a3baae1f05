"""Pages over HTTP: what they may load, how long they may be kept, and that errors are pages for people too."""

import re
import shutil
import socket
import subprocess
import sys
import time

import pytest
from api_client import load_seeds, problem, seeded

from timeline import Timeline
from timeline.api.pages import ASKING_POLICY, ASSETS, DOCS_POLICY
from timeline.api.problems import PAGE_POLICY

CHROMIUM = shutil.which("chromium")
PAGES = [
    "/",
    "/events/alaska-summit",
    "/actors",
    "/actors/donald-trump",
    "/topics",
    "/topics/us-troops",
    "/problems/invalid",
    "/docs",
]
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with seeded(tmp_path_factory.mktemp("pages")) as client:
        yield client


@pytest.mark.parametrize("path", PAGES)
def test_a_page_loads_nothing_from_elsewhere(client, path):
    response = client.get(path)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    policy = response.headers["Content-Security-Policy"]
    asking = path == "/" or path.startswith("/actors/")  # their chart asks this server
    assert policy == (DOCS_POLICY if path == "/docs" else ASKING_POLICY if asking else PAGE_POLICY)
    assert "http" not in policy
    assert "'unsafe-eval'" not in policy
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert {"Accept-Language", "Accept-Encoding"} <= set(response.headers["Vary"].split(", "))
    loaded = re.findall(r'<(?:link|script|img)[^>]+(?:href|src)="([^"]+)"', response.text)
    for url in loaded:
        assert url.startswith(("/", "data:"))
        if url.startswith("/assets/"):
            assert "immutable" in client.get(url).headers["Cache-Control"]
    again = client.get(path, headers={"If-None-Match": response.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["Content-Security-Policy"] == policy


def test_a_page_of_the_past_is_kept_for_a_day(client):
    assert client.get("/?at=120").headers["Cache-Control"] == "public, max-age=86400"
    assert client.get("/").headers["Cache-Control"] == "public, max-age=0, must-revalidate"
    assert client.get("/?at=999999").headers["Cache-Control"] == "no-store"


def test_languages(client):
    assert '<html lang="fr"' in client.get("/", headers={"Accept-Language": "de;q=0.3, fr-FR, en;q=0.8"}).text
    assert '<html lang="en"' in client.get("/", headers={"Accept-Language": "fr;q=0, x;q=nan, " + "y," * 500}).text
    assert '<html lang="fr"' in client.get("/?lang=fr", headers={"Accept-Language": "en"}).text


@pytest.mark.parametrize("name", ASSETS)
def test_assets(client, name):
    response = client.get(f"/assets/{name}")
    assert response.headers["Cache-Control"] == "public, max-age=0, must-revalidate"
    assert response.headers["Content-Type"].partition(";")[0] in ("text/css", "text/javascript")
    digest = response.headers["ETag"].removeprefix("W/").strip('"')
    stem, _, extension = name.rpartition(".")
    hashed = client.get(f"/assets/{stem}.{digest}.{extension}", headers={"Accept-Encoding": "identity"})
    assert hashed.content == response.content
    assert hashed.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    again = client.get(f"/assets/{name}", headers={"If-None-Match": response.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "name",
    [
        "../page.py",
        "..%2fpage.py",
        "%2e%2e/page.py",
        "..%5cpage.py",
        "%00",
        "page.css%00",
        "%2e",
        "page.css/",
        "static/page.css",
        "%2fetc%2fpasswd",
        "page.000000000000.css",
        "PAGE.CSS",
        "page.css ",
        "%252e%252e%252fpage.py",
    ],
)
def test_only_assets_are_assets(client, name):
    response = client.get(f"/assets/{name}")
    if response.status_code == 200:
        assert name == "page.css/"
        return
    problem(response, 404)


def test_errors_are_pages_where_a_page_was_wanted(client):
    for path in ("/events/nothing-here", "/events/Not%20An%20Id", "/nowhere", "/problems/none", "/assets/none"):
        page = client.get(path, headers={"Accept": BROWSER})
        assert page.status_code == 404
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        assert page.headers["Content-Security-Policy"] == PAGE_POLICY
        assert "<h1" in page.text
        head = client.head(path, headers={"Accept": BROWSER})
        assert (head.status_code, head.content) == (404, b"")
    for path in ("/nowhere", "/problems/none", "/events/Not%20An%20Id"):
        problem(client.get(path), 404)
        problem(client.get(path, headers={"Accept": "application/json"}), 404)
    problem(client.get("/v1/events/nothing-here", headers={"Accept": BROWSER}), 404)
    evil = client.get("/events/%3Cscript%3Ealert(1)%3C%2Fscript%3E", headers={"Accept": BROWSER})
    assert "<script>" not in evil.text


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    path = tmp_path_factory.mktemp("docs") / "timeline.db"
    with Timeline(path) as timeline:
        load_seeds(timeline)
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    program = f"from pathlib import Path; from timeline.api.serve import run; run(Path({str(path)!r}), port={port})"
    process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.DEVNULL)
    base, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 15
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 5).close()
            break
        except OSError:
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.05)
    yield base
    process.terminate()
    assert process.wait(5) == 0


@pytest.mark.browser
def test_the_documentation_is_all_ours(address, browser):
    """The API's documentation renders in a browser, with its own policy, and asks nobody else for anything."""
    page = browser.new_page()
    asked, complaints = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{address}/docs")
    page.locator("text=Events in chronological order").first.wait_for(timeout=15_000)
    assert page.locator(".opblock").count() >= 20
    page.locator(".opblock-summary").nth(1).click()
    page.locator("text=Parameters").first.wait_for(timeout=15_000)
    page.goto(f"{address}/events/nothing-here")
    assert page.locator("h1").count() == 1
    page.close()
    assert {url for url in asked if not url.startswith((address, "data:"))} == set()
    assert [text for text in complaints if "404" not in text] == []
