"""`<timeline-view>` as a newsroom embeds it: what it asks, what it keeps, and what it never does."""

from __future__ import annotations

import re

import pytest
from api_client import Client
from api_client import serving as serving_app
from widget_harness import CSP, EVIL, Opened, document, fill, free_port, nursery, serving, shared

from timeline import Timeline
from timeline.api import pages
from timeline.tokens import Tokens, tokens_path

browser_test = pytest.mark.browser


@pytest.fixture
def client(tmp_path):
    with Timeline(tmp_path / "timeline.db") as timeline, serving_app(timeline, tmp_path) as client:
        yield client


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    return shared(97, tmp_path_factory)


@pytest.fixture(scope="module")
def context(browser):
    """Hold the pages of all tests: none leaves anything that another would find."""
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        yield context


@pytest.fixture
def opened(context, server):
    pages_ = []

    def open_(attributes="", inner="", *, path="/"):
        found = Opened(context.new_page(), server)
        pages_.append(found.page)
        return found.show(document(server, attributes, inner), path).ready()

    yield open_
    for page in pages_:
        page.close()


def root(found, code):
    return found.page.evaluate(
        f"(() => {{ const root = document.querySelector('timeline-view').shadowRoot; return {code}; }})()")


def hear(found, name):
    found.page.evaluate("""(name) => { window.heard = [];
      document.body.addEventListener(name, e => heard.push(e.detail)); }""", f"timeline-{name}")


def test_the_script_has_one_address_for_everybody(client: Client):
    answer = client.get("/timeline-view.js")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/javascript")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "must-revalidate" in answer.headers["Cache-Control"]
    assert client.get("/timeline-view.js", headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304


def test_the_page_about_it_shows_it_under_its_own_policy(client: Client):
    answer = client.get("/docs/widget")

    assert answer.status_code == 200
    assert answer.headers["Content-Security-Policy"] == pages.WIDGET_POLICY
    assert "<timeline-view src=" in answer.text
    assert "style=" not in answer.text
    assert "<script>" not in answer.text


@browser_test
def test_all_examples_of_the_page_about_it_come_up(context, server):
    page = context.new_page()
    found = Opened(page, server)
    page.goto(f"{server}/docs/widget")
    for index in range(page.locator("timeline-view").count()):
        page.locator("timeline-view").nth(index).locator("#count:not(:empty)").wait_for()

    assert page.locator("timeline-view").count() == 7
    assert found.errors == found.foreign == found.said == []
    assert page.title() != "1"
    page.close()


@browser_test
def test_it_opens_where_most_of_it_happened_and_says_what_lies_outside(opened):
    found = opened()

    said = root(found, "root.querySelector('#count').textContent")
    assert said.startswith("93 of 97 events")
    assert "1 undated" in said
    assert "position 196" in said


@browser_test
def test_an_event_stands_in_every_lane_of_its_actors_and_once_in_the_list(opened):
    found = opened('datetime="2025-08-15"')

    assert found.cells().count("alaska-summit") == 2
    listed = []
    while True:
        listed += root(found, "[...root.querySelectorAll('#list article')].map(e => e.dataset.id)")
        following = found.page.locator("timeline-view a[rel=next]")
        if not following.count():
            break
        following.click()
        found.page.locator(f"timeline-view article[data-id={listed[-1]}]").wait_for(state="detached")
    assert listed.count("alaska-summit") == 1
    assert len(listed) == len(set(listed)) > 12


@browser_test
def test_details_hold_history_relations_and_sources_in_the_readers_language(opened):
    found = opened('selected="trump-rules-out-troops" lang="fr"')
    panel = found.page.locator("timeline-view #panel")
    panel.locator("h3").wait_for()

    text = panel.inner_text()
    for said in ("Trump exclut l'envoi", "19 août 2025", "Change la position de", "Historique",
                 "A fourth text recalls"):
        assert said in text
    assert root(found, "root.querySelectorAll('#arcs path').length") > 0


@browser_test
def test_a_relation_in_the_details_leads_on_and_escape_back(opened):
    found = opened('datetime="2025-08-18/2025-08-20"')
    hear(found, "select")
    found.page.locator("timeline-view [data-event-id=trump-rules-out-troops]").first.click()
    found.page.locator("timeline-view #panel").get_by_role("link", name="Trump does not rule out").first.click()
    found.page.locator("timeline-view #panel h3", has_text="Trump does not rule out").wait_for()

    found.page.locator("timeline-view #close").focus()
    found.page.keyboard.press("Escape")

    assert found.page.evaluate("heard.map(e => e.id)") == ["trump-rules-out-troops", "trump-leaves-troops-open", None]
    assert not found.page.locator("timeline-view #panel").is_visible()
    assert found.page.evaluate("document.activeElement.localName") == "timeline-view"


@browser_test
def test_clocks_show_the_past_and_lead_back(opened):
    found = opened()
    hear(found, "asof")
    found.page.evaluate("document.querySelector('timeline-view').setAttribute('as-of', '59')")
    found.settle()
    past = root(found, "root.querySelector('#count').textContent + root.querySelector('#past').textContent")
    assert "of 1 events" in past
    assert "97 known today" in past
    assert "position 59" in past

    found.page.locator("timeline-view #past a").click()
    found.settle()

    assert "of 97 events" in root(found, "root.querySelector('#count').textContent")
    assert [each["asOf"] for each in found.page.evaluate("heard")] == ["59", None]


@browser_test
def test_published_by_hides_what_was_reported_later_in_details_too(opened):
    found = opened('reported-by="2025-08-18" selected="alaska-summit"')
    panel = found.page.locator("timeline-view #panel")
    panel.locator("h3").wait_for()

    assert "Only what sources published by 18 August 2025" in root(found, "root.querySelector('#past').textContent")
    assert "on or before 18 August 2025" in panel.inner_text()
    assert "trump-rules-out-troops" not in found.cells()


@browser_test
def test_a_deep_link_says_everything_and_is_read_again(opened):
    found = opened("deep-link", path="/#datetime=2025-08-18/2025-08-19&selected=alaska-summit&lanes=topic&view=chart")
    page = found.page
    assert "18–19August2025" in re.sub(r"\s", "", root(found, "root.querySelector('#count').textContent"))
    assert root(found, "root.querySelector('#lanes').value") == "topic"
    assert page.locator("timeline-view #panel").is_visible()

    page.locator("timeline-view #view").click()
    assert "view=list" in page.url
    page.evaluate("location.hash = 'view=chart&lanes=kind'")
    found.settle()

    assert root(found, "root.querySelector('#lanes').value") == "kind"
    assert not page.locator("timeline-view #panel").is_visible()


@browser_test
def test_without_the_attribute_the_address_is_left_alone(opened):
    found = opened(path="/#chapter-2")

    found.page.locator("timeline-view #in").click()
    found.settle()

    assert found.page.url.endswith("#chapter-2")


@browser_test
def test_zoom_tells_the_window_and_the_ends_of_the_overview_move_it(opened):
    found = opened()
    hear(found, "window")
    found.page.locator("timeline-view #in").click()
    found.settle()
    found.page.locator("timeline-view #start").focus()
    found.page.keyboard.press("ArrowRight")
    found.settle()

    first, second = found.page.evaluate("heard")
    assert first["end"] - first["start"] > second["end"] - second["start"]
    assert first["end"] == second["end"]
    assert found.focused() == "Window start"


@browser_test
def test_the_list_of_the_page_stays_until_something_else_is_asked(opened):
    found = opened(inner="<ol><li>As the page told it</li></ol>")
    assert found.page.get_by_text("As the page told it").is_visible()
    assert root(found, "root.querySelectorAll('#list article').length") == 0

    found.page.evaluate("document.querySelector('timeline-view').setAttribute('as-of', '100')")
    found.settle()

    assert not found.page.get_by_text("As the page told it").is_visible()
    assert root(found, "root.querySelectorAll('#list article').length") > 0


@browser_test
def test_a_phone_gets_the_list_and_the_band(opened):
    found = opened()
    found.page.set_viewport_size({"width": 360, "height": 780})
    found.settle()

    assert not found.page.locator("timeline-view #chart").is_visible()
    assert found.page.locator("timeline-view #bins").is_visible()
    found.page.locator("timeline-view #view").click()
    assert found.page.locator("timeline-view #chart").is_visible()


@browser_test
def test_print_is_the_list(opened):
    found = opened()
    found.page.emulate_media(media="print")

    assert not found.page.locator("timeline-view #chart").is_visible()
    assert not found.page.locator("timeline-view #fit").is_visible()
    assert found.page.locator("timeline-view article").first.is_visible()
    assert "position 196" in found.page.locator("timeline-view #count").inner_text()


@browser_test
def test_what_changes_is_offered_and_not_forced_on_the_reader(context, tmp_path):
    with serving(tmp_path, 1) as server:
        token = Tokens(tokens_path(tmp_path / "1.db")).create("desk", ["write"])
        page = context.new_page()
        found = Opened(page, server)
        found.show(document(server, "live"))
        page.locator("timeline-view #count:not(:empty)").wait_for()
        page.wait_for_timeout(300)
        sent = page.request.post(f"{server}/v1/events", headers={"Authorization": f"Bearer {token}"},
                                 data={"id": "news", "kind": "occurrence", "title": "News", "when": "2025-06-01"})
        assert sent.status == 201
        page.locator("timeline-view #new:not([hidden])").wait_for()
        assert page.locator("timeline-view article").count() == 1

        page.locator("timeline-view #new").focus()
        page.keyboard.press("Enter")
        page.locator("timeline-view #count", has_text="of 2 events").wait_for()

        assert found.focused() == "fit"
        assert found.errors == []
        page.close()


@browser_test
def test_hostile_text_stays_text(context, tmp_path):
    with Timeline(tmp_path / "3.db") as timeline:
        timeline.describe_actor(id="evil", kind="person", name=EVIL)
        timeline.record(id="hostile", title=EVIL, summary=EVIL, when="2025-08-15",
                        actors=[{"id": "evil", "role": "speaker"}], note=EVIL, place={"name": EVIL})
        timeline.record(id="ancient", title="Ides", when="-0043-03-15")
        timeline.record(id="far", title="Deep", when="Y170000002")
    with serving(tmp_path, 3) as server:
        page = context.new_page()
        found = Opened(page, server)
        found.show(document(server, 'selected="hostile"'), policy=CSP).ready()
        page.locator("timeline-view #panel h3").wait_for()
        page.locator("timeline-view #fit").click()
        found.settle()

        assert page.evaluate("window.hurt") is None
        assert root(found, "root.querySelectorAll('img, script, iframe, [style*=url]').length") == 0
        assert EVIL in root(found, "root.querySelector('#panel').textContent")
        assert found.errors == found.foreign == []
        page.close()


@browser_test
def test_a_browser_hears_everything_once_and_in_order_although_the_server_starts_anew(context, tmp_path):
    path, port = tmp_path / "1.db", free_port()
    fill(path, 1)
    token, number = Tokens(tokens_path(path)).create("desk", ["write"]), nursery().start(path, port)
    page, server = context.new_page(), f"http://127.0.0.1:{port}"

    def post(*ids):
        for id_ in ids:
            sent = page.request.post(f"{server}/v1/events", headers={"Authorization": f"Bearer {token}"},
                                     data={"id": id_, "kind": "occurrence", "title": id_, "when": "2025-06-01"})
            assert sent.status == 201

    Opened(page, server).show("<!doctype html><title>Listening</title>")
    start = page.request.get(f"{server}/v1/events").json()["position"]
    page.evaluate("""(start) => { window.heard = []; window.breaks = 0;
      window.source = new EventSource(`/v1/stream?last_event_id=${start}`);
      source.onerror = () => { breaks += 1; };
      for (const kind of ['added', 'revised', 'retracted', 'merged', 'removed', 'erased', 'reset'])
        source.addEventListener(kind, m => heard.push([kind, m.lastEventId, JSON.parse(m.data).event])); }""", start)
    post("before-1", "before-2", "before-3")
    page.wait_for_function("heard.length === 3")
    nursery().stop(number)
    page.wait_for_function("breaks && source.readyState !== EventSource.OPEN")
    with Timeline(path) as timeline:
        timeline.record(id="meanwhile-1", title="Meanwhile", when="2025-06-02")
        timeline.revise("before-1", {"when": "2025-06-03"}, reason="it was later")
    number = nursery().start(path, port)
    try:
        post("after-1", "after-2")
        page.wait_for_function("heard.some(([, , event]) => event === 'after-2')")
        post("last")
        page.wait_for_function("heard.some(([, , event]) => event === 'last')")

        heard = page.evaluate("heard")
        assert [(kind, event) for kind, _, event in heard] == [
            ("added", "before-1"), ("added", "before-2"), ("added", "before-3"), ("added", "meanwhile-1"),
            ("revised", "before-1"), ("added", "after-1"), ("added", "after-2"), ("added", "last")]
        assert [int(position) for _, position, _ in heard] == list(range(start + 1, start + 9))
    finally:
        page.close()
        nursery().stop(number)


@browser_test
def test_a_server_that_is_gone_is_told_in_words_and_can_be_tried_again(opened):
    found = opened()
    found.page.route("**/v1/chart**", lambda route: route.fulfill(
        status=503, json={"detail": "the log is being copied"}))
    found.page.evaluate("document.querySelector('timeline-view').setAttribute('lanes', 'topic')")
    found.page.locator("timeline-view #past", has_text="the log is being copied").wait_for()

    found.page.unroute("**/v1/chart**")
    found.page.locator("timeline-view #again").click()
    found.settle()

    assert not found.page.locator("timeline-view #past").is_visible()


@browser_test
def test_no_listener_is_left_when_it_goes(opened):
    found = opened("deep-link")

    found.page.evaluate("document.querySelector('timeline-view').remove(); location.hash = 'view=list'")
    found.page.wait_for_timeout(100)

    assert found.errors == []
