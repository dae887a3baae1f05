"""The page of a snapshot: what it says, and that a browser checks the bundle and tells what is wrong with it."""

import json
import re
import socket
import subprocess
import sys
import time

import pytest
from api_client import load_seeds, seeded

from timeline import Timeline, parse_query
from timeline.api.pages import ASKING_POLICY
from timeline.api.problems import PAGE_POLICY
from timeline.query import Query
from timeline.records import canonical
from timeline.snapshots import publish
from timeline.tlog import Signer
from timeline.web.snapshot import CHECKS

QUESTIONS = {
    "leavitt": [("actor", "karoline-leavitt")], "all": [],
    "reported": [("topic", "us-troops"), ("reported_by", "2025-08-18")],
    "range": [("from", "2025-08-15"), ("to", "2025-08-19"), ("match", "must"), ("place", "alaska")],
    "group": [("actor", "united-states"), ("members", "true"), ("role", "speaker")],
    "empty": [("at", "0")], "about": [("on", "about"), ("from", "2025-09-04T12:00:00Z"), ("retracted", "include")],
    "undated": [("undated", "exclude"), ("kind", "plan"), ("related", "alaska-summit"), ("q", "<script>")],
}
SEEN = ".verdict[data-state=ok], .verdict[data-state=failed], .verdict[data-state=unknown]"


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with seeded(tmp_path_factory.mktemp("snapshot-pages")) as client:
        client.ids = {name: publish(client.timeline, parse_query(asked)).snapshot.id
                      for name, asked in QUESTIONS.items()}
        yield client


def text_of(html):
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


# ---------------------------------------------------------------------------------------------- what it says

@pytest.mark.parametrize("name", QUESTIONS)
@pytest.mark.parametrize("lang", ["en", "fr"])
def test_every_snapshot_has_a_page(client, name, lang):
    response = client.get(f"/snapshots/{client.ids[name]}", params={"lang": lang})
    assert response.status_code == 200
    html = response.text
    assert f'<html lang="{lang}"' in html
    assert response.headers["Content-Security-Policy"] == ASKING_POLICY
    assert "'unsafe" not in ASKING_POLICY
    assert html.count("<script") == 1
    assert not re.search(r"<script(?![^>]* src=\"/assets/snapshot\.[0-9a-f]{12}\.js\")", html)
    assert not re.search(r"\sstyle=|\son\w+=", html)
    assert client.ids[name] in text_of(html)
    assert f"timeline snapshot verify {client.ids[name][:16]}.bundle.json --id {client.ids[name]}" in html
    for check in CHECKS:
        assert f'data-check="{check}"' in html
    for href in set(re.findall(r'(?:href|src|data-verifier|data-bundle)="(/[^"]*)"', html)):
        answer = client.get(href.replace("&amp;", "&"))
        assert answer.status_code == 200, href


def test_what_was_asked_is_told_in_words(client):
    def says(name, lang="en"):
        return text_of(client.get(f"/snapshots/{client.ids[name]}", params={"lang": lang}).text)

    assert "Actor: Karoline Leavitt" in says("leavitt")
    assert "Acteur : Karoline Leavitt" in says("leavitt", "fr")
    assert "As reported by: 18 August 2025" in says("reported")
    assert "From: 15 August 2025 · To: 19 August 2025" in says("range")
    assert "the members of the groups too" in says("group")
    assert "All events" in says("all")
    assert "Nothing in the log answered this question then." in says("empty")
    assert "From: 4 September 2025, 12:00 (UTC)" in says("about")
    assert "&lt;script&gt;" in client.get(f"/snapshots/{client.ids['undated']}").text


def test_events_are_shown_as_they_stood_and_lead_to_that_position(tmp_path):
    with seeded(tmp_path) as client:
        made = publish(client.timeline, Query(places=("alaska",)))
        size = made.snapshot.log.size
        title = next(entry.event["title"] for entry in made.snapshot.entries if entry.event["id"] == "alaska-summit")
        url = f"/snapshots/{made.snapshot.id}"
        assert "none of its events was corrected" in text_of(client.get(url).text)
        client.timeline.revise("alaska-summit", {"title": "Otherwise"}, reason="a test")
        html = client.get(url).text
        assert title in html
        assert "Otherwise" not in html
        assert f"/events/alaska-summit?at={size}" in html
        assert "Corrected since: one of these events." in text_of(html)
        changes = re.search(r'href="(/v1/changes[^"]*)"', html)[1].replace("&amp;", "&")
        assert [item["event"] for item in client.get(changes).json()["items"]] == ["alaska-summit"]


def test_the_list_tells_of_every_snapshot_and_pages(client):
    html = client.get("/snapshots").text
    assert re.findall(r"<code>([0-9a-f]{64})</code>", html) == list(client.ids.values())[::-1]
    response = client.get("/snapshots", params={"lang": "fr"})
    assert "Instantanés" in response.text
    assert response.headers["Content-Security-Policy"] == PAGE_POLICY
    assert client.get("/snapshots?before=1").status_code == 200
    assert "No snapshot was published" in text_of(client.get("/snapshots?before=1&lang=en").text)
    assert client.get("/snapshots?colour=red").status_code == 400


# ---------------------------------------------------------------------------------------------- in a browser

@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A server of its own process, and the ids of what it has published."""
    path = tmp_path_factory.mktemp("snapshot-browser") / "timeline.db"
    with Timeline(path) as timeline:
        load_seeds(timeline)
        signer = Signer.generate(timeline.origin)
        ids = {name: publish(timeline, parse_query(asked)).snapshot.id for name, asked in QUESTIONS.items()}
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    program = (
        "from pathlib import Path; from timeline.api.serve import run; from timeline.tlog import Signer; "
        f"run(Path({str(path)!r}), port={port}, signer=Signer.parse({signer.skey!r}))")
    process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 15
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 5).close()
            break
        except OSError:
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.05)
    yield f"http://127.0.0.1:{port}", ids
    process.terminate()
    assert process.wait(5) == 0


@pytest.fixture
def open_page(address, browser):
    """Open the page of a snapshot; gives it, and what it asked of others or complained of."""
    base, ids = address
    contexts = []

    def open_(name, *, query="", spoil=None, script="", **options):
        context = browser.new_context(**options)
        contexts.append(context)
        page, complaints = context.new_page(), []
        page.on("request", lambda request: request.url.startswith((base, "data:")) or complaints.append(request.url))
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        if script:
            page.add_init_script(script)
        if spoil is not None:
            page.route("**/v1/snapshots/*", lambda route: route.fulfill(body=spoil(route.fetch().body())))
        page.goto(f"{base}/snapshots/{ids[name]}{query}")
        return page, complaints

    yield open_
    for context in contexts:
        context.close()


@pytest.mark.browser
@pytest.mark.parametrize("name", QUESTIONS)
def test_a_browser_verifies_it(open_page, name):
    page, complaints = open_page(name)
    page.locator(SEEN).wait_for(timeout=15_000)
    assert page.locator(".verdict").get_attribute("role") == "status"
    assert page.locator(".verdict").inner_text().startswith("Verified in your browser")
    assert page.locator("[data-check]").count() == len(CHECKS)
    states = page.eval_on_selector_all("[data-check]", "all => all.map(each => each.dataset.state)")
    wanted = {"checkpoint": "unknown", "complete": "unknown"} if name == "undated" else {"checkpoint": "unknown"}
    assert states == [wanted.get(check, "ok") for check in CHECKS]
    words = page.eval_on_selector_all(".checks .state", "all => all.map(each => each.textContent)")
    assert words == ["Holds" if state == "ok" else "Not known" for state in states]
    assert page.locator(".checks .state svg").count() == len(CHECKS)
    assert "signed by the key in the bundle" in page.locator("[data-check=checkpoint] .found").inner_text()
    assert complaints == []


def without_an_event(body):
    values = json.loads(body)
    values["snapshot"]["entries"].pop()
    return canonical(values)


@pytest.mark.browser
@pytest.mark.parametrize(("spoil", "check"), [
    (without_an_event, "Completeness"), (lambda body: body.replace(b"Trump", b"Tramp", 1), "Records’ content"),
    (lambda body: body[:-1], "Form"), (lambda body: body.replace(b'"evidence":"headers"', b'"evidence":"none"'), "Log"),
])
def test_a_browser_says_what_is_wrong_with_what_was_tampered_with(open_page, spoil, check):
    page, _ = open_page("leavitt", spoil=spoil, viewport={"width": 390, "height": 844})
    page.locator(SEEN).wait_for(timeout=15_000)
    assert page.locator(".verdict").get_attribute("data-state") == "failed"
    said = page.locator(".verdict").inner_text()
    assert said.startswith("Not verified")
    failed = page.locator("[data-check][data-state=failed]:visible")
    assert check in " ".join(failed.all_inner_texts())
    assert failed.first.locator(".found").inner_text() in said


@pytest.mark.browser
def test_french_and_a_small_dark_phone(open_page):
    page, complaints = open_page("all", query="?lang=fr", viewport={"width": 320, "height": 640}, color_scheme="dark")
    page.locator(SEEN).wait_for(timeout=15_000)
    assert page.locator(".verdict").inner_text().startswith("Vérifié dans votre navigateur")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.locator(".checks summary").click()
    assert page.get_by_text("Rien de ce que la question désigne n’a été omis.").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    assert complaints == []


@pytest.mark.browser
def test_without_javascript_it_says_how_to_verify_it_offline(open_page):
    page, complaints = open_page("leavitt", java_script_enabled=False)
    assert "takes JavaScript" in page.locator(".verdict").inner_text()
    assert not page.locator(".checks").is_visible()
    assert page.get_by_text("timeline snapshot verify").is_visible()
    assert page.locator("article").count() == 12
    assert complaints == []


@pytest.mark.browser
def test_without_webcrypto_nothing_is_claimed(open_page):
    page, _ = open_page("leavitt", script="Object.defineProperty(crypto, 'subtle', { value: undefined })")
    page.locator(SEEN).wait_for(timeout=15_000)
    assert page.locator(".verdict").get_attribute("data-state") == "unknown"
    assert "could not be checked in this browser" in page.locator(".verdict").inner_text()
    assert not page.locator(".checks").is_visible()


@pytest.mark.browser
def test_without_ed25519_the_signature_is_not_known(open_page):
    page, _ = open_page("leavitt", script="crypto.subtle.importKey = () => Promise.reject(new Error('no Ed25519'))")
    page.locator(SEEN).wait_for(timeout=15_000)
    assert page.locator(".verdict").get_attribute("data-state") == "ok"
    assert "cannot check Ed25519" in page.locator("[data-check=checkpoint] .found").text_content()


@pytest.mark.browser
def test_print_shows_the_answer_and_how_to_cite_it(open_page):
    page, _ = open_page("leavitt")
    page.locator(SEEN).wait_for(timeout=15_000)
    page.emulate_media(media="print")
    assert page.locator(".citation").is_visible()
    assert page.locator("article").first.is_visible()
    assert not page.locator(".languages").is_visible()
