"""The editor in a browser, as people without curl use it: nothing they type is lost, nothing is done twice."""

import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from api_client import load_seeds

from timeline import Timeline
from timeline.records import difference, merge
from timeline.tokens import Tokens, tokens_path

pytestmark = pytest.mark.browser

EVIL = '<img src=x onerror="window.hurt=1"><script>window.hurt=1</script>'
ARTICLE = "😀 Le sommet 🇫🇷 s’ouvre à l’Élysée.\nMacron\u00a0: « 26 pays 👩‍👩‍👧 s’engagent » — fin."
PASSAGE = "26 pays 👩‍👩‍👧 s’engagent"
AXE = Path(os.environ.get("TIMELINE_NODE_MODULES") or "node_modules") / "axe-core/axe.min.js"


class Site:
    """A running server, a token of each kind, and a client that may write."""

    def __init__(self, base, tokens):
        self.base, self.tokens = base, tokens
        self.http = httpx.Client(base_url=base, headers={"Authorization": f"Bearer {tokens['write']}"})
        self.made = 0

    def record(self, **event):
        self.made += 1
        body = {"id": f"made-{self.made}", "title": f"A thing happens {self.made}", "when": "2025-08-20", **event}
        response = self.http.post("/v1/events", json=body)
        assert response.status_code == 201, response.text
        return body["id"]

    def revise(self, id_, reason="a second reader found it", **patch):
        response = self.http.patch(f"/v1/events/{id_}", json={**patch, "reason": reason})
        assert response.status_code == 200, response.text

    def event(self, id_):
        return self.http.get(f"/v1/events/{id_}").json()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    path = tmp_path_factory.mktemp("edit-browser") / "timeline.db"
    with Timeline(path) as timeline:
        load_seeds(timeline)
    tokens = Tokens(tokens_path(path))
    secrets = {scope: tokens.create(f"{scope}-desk", [scope]) for scope in ("read", "write")}
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    program = f"from pathlib import Path; from timeline.api.serve import run; run(Path({str(path)!r}), port={port})"
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
    site = Site(f"http://127.0.0.1:{port}", secrets)
    site.revoke = lambda: [tokens.revoke(one["id"]) for one in tokens.all() if one["name"] == "passing"]
    site.passing = lambda: tokens.create("passing", ["write"])
    yield site
    site.http.close()
    process.terminate()
    assert process.wait(5) == 0
    tokens.close()


@pytest.fixture
def opened(site, browser):
    """Open the editor; every page notes what it asked, and is checked at the end for errors and for the token."""
    contexts, complaints, asked = [], [], []

    def open_(path="/edit", *, token="write", **options):  # noqa: S107 - the name of a token of the site
        options = {"viewport": {"width": 1100, "height": 900}, **options}
        context = browser.new_context(**options)
        context.set_default_timeout(8_000)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request))  # noqa: PLW0108 - Playwright marks its handlers
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: "Security Policy" in message.text and complaints.append(message.text))
        page.asked = asked
        page.goto(site.base + path)
        if token:
            sign_in(page, site.tokens[token])
            page.locator(".session span").wait_for()
        return page

    yield open_
    for context in contexts:
        for page in context.pages:
            assert page.evaluate("window.hurt") is None
        context.close()
    assert complaints == []
    secrets = set(site.tokens.values())
    for request in asked:
        assert request.url.startswith((site.base, "data:"))
        assert not any(secret in request.url or secret in (request.post_data or "") for secret in secrets)


def sign_in(page, secret):
    page.locator("input[type=password]").fill(secret)
    page.keyboard.press("Enter")


def title_of(page):
    return page.locator(".field-title input").first


def options_of(page, **options):
    return page.locator("[role=listbox]").get_by_role("option", **options)


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)


def choose(page, text, *, of="Actors"):
    """Type into the combobox that has the focus, and take the first choice by keyboard."""
    page.keyboard.type(text)
    page.get_by_role("listbox", name=of).get_by_role("option").first.wait_for()
    press(page, "ArrowDown", "Enter")


def review(page):
    page.get_by_role("button", name="Check and save").click()
    page.get_by_role("heading", name="What will").wait_for()


def changed_fields(page):
    return page.eval_on_selector_all(".change", "all => all.map(one => one.dataset.field)")


def save(page, reason="the second dispatch says so"):
    if page.get_by_role("textbox", name="Reason").first.is_visible():
        page.get_by_role("textbox", name="Reason").first.fill(reason)
    page.locator(".review .primary").click()
    page.locator(".saved").wait_for()


# ---------------------------------------------------------------------------------------------- signing in

def test_a_wrong_token_is_told_beside_its_field(opened):
    page = opened(token=None)
    for typed in ("tl_nothing", "mot de passe", ""):
        sign_in(page, typed)
        page.locator(".sign-in .error").wait_for()
        token = page.locator("input[type=password]")
        assert token.get_attribute("aria-invalid") == "true"
        assert page.locator(".sign-in .error").get_attribute("id") in token.get_attribute("aria-describedby")
        page.wait_for_function("() => document.activeElement.type === 'password'")
    assert page.locator(".session span").count() == 0


def test_a_token_that_may_only_read_is_told_what_is_missing(opened, site):
    page = opened(token=None)
    sign_in(page, site.tokens["read"])
    said = page.locator(".sign-in .error")
    said.wait_for()
    assert "read-desk" in said.inner_text()
    assert "lacks the scope write" in said.inner_text()
    assert page.locator(".session span").count() == 0


def test_a_token_is_kept_only_where_asked_and_gone_after_signing_out(opened, site):
    page = opened()
    kept = "[...Object.keys(localStorage), ...Object.keys(sessionStorage), document.cookie].join('')"
    assert page.evaluate(kept) == ""
    page.reload()
    page.locator("input[type=password]").wait_for()
    page.get_by_label("Keep me signed in").check()
    sign_in(page, site.tokens["write"])
    page.locator(".session span").wait_for()
    page.reload()
    page.locator(".session span").wait_for()
    assert page.evaluate("Object.keys(localStorage).length + document.cookie.length") == 0
    page.get_by_role("button", name="Sign out").click()
    page.locator("input[type=password]").wait_for()
    assert page.evaluate("Object.keys(sessionStorage).length") == 0


def test_a_token_that_ends_while_somebody_writes_loses_nothing(opened, site):
    id_ = site.record()
    page = opened(f"/edit?event={id_}", token=None)
    passing = site.passing()
    sign_in(page, passing)
    title_of(page).fill("Typed while the token was good")
    review(page)
    site.revoke()
    page.get_by_role("textbox", name="Reason").first.fill("it was misheard")
    page.locator(".review .primary").click()
    page.locator(".again input[type=password]").wait_for()
    sign_in(page, site.tokens["write"])
    page.locator(".again .sign-in").wait_for(state="detached")
    page.locator(".review .primary").click()
    page.locator(".saved").wait_for()
    assert site.event(id_)["title"] == "Typed while the token was good"
    assert passing not in json.dumps([request.url for request in page.asked])


# ---------------------------------------------------------------------------------------------- recording

def test_an_event_is_recorded_from_start_to_end_with_the_keyboard_alone(opened, site):
    page = opened(token=None)
    page.mouse.move(0, 0)
    page.wait_for_function("() => document.activeElement.type === 'password'")
    page.keyboard.type(site.tokens["write"])
    press(page, "Enter")
    page.locator(".session span").wait_for()
    page.wait_for_function("() => document.activeElement.tagName === 'H1'")

    def tab_to(selector, most=60):
        for _ in range(most):
            if page.evaluate("wanted => document.activeElement.matches(wanted)", selector):
                return
            press(page, "Tab")
        raise AssertionError(selector)

    tab_to('a[href*="new=event"]')
    press(page, "Enter")
    tab_to(".field-title input")
    page.keyboard.type("The Kremlin answers")
    tab_to(".field-kind select")
    page.keyboard.type("statement")
    tab_to(".field-when input")
    page.keyboard.type("[2025-08-15..2025-08-18]")
    tab_to(".list-actors .add")
    press(page, "Enter")
    choose(page, "the Kremlin")
    tab_to(".field-role input")
    choose(page, "speak", of="Roles")
    tab_to(".list-actors .add")
    press(page, "Enter")
    choose(page, "Moscow")
    tab_to(".list-topics .add", 20)
    press(page, "Enter")
    page.keyboard.type("Foreign troops")
    tab_to(".act .primary")
    press(page, "Enter")
    page.wait_for_function("() => document.activeElement.textContent === 'What will be recorded'")
    tab_to(".review .primary")
    press(page, "Enter")
    page.locator(".saved").wait_for()
    event = site.event("the-kremlin-answers")
    assert (event["kind"], event["when"], event["lang"]) == ("statement", "[2025-08-15..2025-08-18]", "en")
    assert event["actors"] == [{"id": "kremlin", "role": "speaker"}, {"id": "russia", "role": "participant"}]
    assert event["topics"] == ["foreign-troops"]
    assert event["revision"]["author"] == "write-desk"
    assert page.evaluate("document.activeElement.className") == "saved"


def test_a_date_is_said_in_words_while_it_is_typed(opened):
    page = opened("/edit?new=event")
    when, words = page.locator(".field-when input"), page.locator(".field-when .words-of-date")
    when.fill("[2025-08-15..2025-08-18]")
    words.get_by_text("one unknown day between 15 and 18 August 2025").wait_for()
    assert words.get_attribute("id") in when.get_attribute("aria-describedby")
    when.fill("2025-13")
    words.get_by_text("there is no month 13").wait_for()
    assert "write 01 to 12" in words.inner_text()
    assert when.get_attribute("aria-invalid") == "true"
    when.fill("2025-12")
    words.get_by_text("December 2025").wait_for()
    assert when.get_attribute("aria-invalid") is None
    page.get_by_text("How to write a date").click()
    page.get_by_role("button", name="Use 2025-08-15~: about 15 August 2025").click()
    words.get_by_text("about 15 August 2025").wait_for()
    assert when.input_value() == "2025-08-15~"


def test_french_is_complete_and_a_plan_has_no_end_rather_than_going_on(opened):
    page = opened("/edit?new=event&lang=fr")
    page.locator(".field-when input").fill("2025-08-15/..")
    page.get_by_text("depuis le 15 août 2025").wait_for()
    page.locator(".field-kind select").first.select_option(label="projet")
    page.get_by_text("à partir du 15 août 2025").wait_for()
    page.get_by_role("button", name="Vérifier et enregistrer").click()
    assert page.locator(".faults").inner_text().startswith("1 chose à corriger")
    assert "Ce champ est obligatoire" in page.locator(".field-title .error").inner_text()


def test_faults_stand_beside_their_fields_and_in_a_summary_that_takes_the_focus(opened, site):
    page = opened("/edit?new=event")
    page.locator(".field-when input").fill("2025-08")
    page.locator(".list-actors .add").click()
    page.keyboard.type("Nobody Known")
    page.get_by_role("button", name="Check and save").click()
    page.wait_for_function("() => document.activeElement.className === 'faults'")
    assert page.locator(".faults li").count() == 2
    title = page.locator(".field-title input").first
    assert title.get_attribute("aria-invalid") == "true"
    error = page.locator(".field-title .error").first
    assert error.get_attribute("id") in title.get_attribute("aria-describedby")
    page.locator(".faults a").first.click()
    assert page.evaluate("document.activeElement.matches('.field-title input')")
    title.fill("A meeting")
    page.get_by_role("button", name="Remove: Actor 1").click()
    page.locator(".list-topics .add").click()
    page.keyboard.type("首脑会议")
    page.get_by_role("button", name="Check and save").click()
    page.locator(".field-topics .error").get_by_text("Latin letters").wait_for()
    assert page.locator(".field-topics input").input_value() == "首脑会议"
    page.locator(".field-topics input").fill("Summit meetings")
    # What only the server knows: the zone and the id. Both come back beside their fields, folded away or not.
    page.get_by_label("Time zone of the place").fill("Mars/Olympus")
    review(page)
    page.locator(".review .primary").click()
    page.wait_for_function("() => document.activeElement.className === 'faults'")
    assert "unknown time zone Mars/Olympus" in page.locator(".field-tz .error").inner_text()
    page.get_by_label("Time zone of the place").fill("UTC")
    page.locator("[data-section=rest] > summary").click()
    page.get_by_label("Id", exact=True).fill("alaska-summit")
    page.locator("[data-section=rest] > summary").click()
    review(page)
    page.locator(".review .primary").click()
    page.locator("[data-section=rest] .field-id .error").wait_for()
    assert "taken" in page.locator("[data-section=rest] .field-id .error").inner_text()
    page.get_by_label("Id", exact=True).fill("a-meeting-on-mars")
    review(page)
    save(page)
    event = site.event("a-meeting-on-mars")
    assert (event["tz"], event["topics"]) == ("UTC", ["summit-meetings"])


def test_a_lost_answer_and_a_second_click_record_once(opened, site):
    page = opened("/edit?new=event")
    title_of(page).fill("Recorded once only")
    review(page)
    lost = []

    def lose(route):
        if route.request.method == "POST" and not lost:
            lost.append(route.fetch().status)  # the server has it, the browser never hears
            route.abort()
        else:
            route.continue_()

    page.route("**/v1/events", lose)
    page.locator(".review .primary").click()
    page.locator(".faults").get_by_text("No answer came").wait_for()
    assert lost == [201]
    page.locator(".review .primary").dblclick()
    page.locator(".saved").wait_for()
    found = site.http.get("/v1/events", params={"q": '"Recorded once only"'}).json()["items"]
    assert [event["id"] for event in found] == ["recorded-once-only"]


def test_a_draft_outlives_a_reload(opened, site):
    page = opened("/edit?new=event")
    title_of(page).fill("Half a title")
    page.wait_for_function("() => sessionStorage.length === 1")
    assert not any(secret in page.evaluate("JSON.stringify(sessionStorage)") for secret in site.tokens.values())
    kinds = []
    page.on("dialog", lambda dialog: (kinds.append(dialog.type), dialog.accept()))
    page.reload()
    assert kinds == ["beforeunload"]
    sign_in(page, site.tokens["write"])
    page.get_by_role("button", name="Go on with it").click()
    assert title_of(page).input_value() == "Half a title"
    review(page)
    save(page)
    assert page.evaluate("sessionStorage.length") == 0


# ---------------------------------------------------------------------------------------------- revising

def test_revising_shows_the_difference_wants_a_reason_and_sends_only_what_changed(opened, site):
    shown = {"summary": "One line.\n\nAnother line.  ", "place": {"name": "Paris", "lat": 48.8566, "lon": 2.35},
             "actors": [{"id": "emmanuel-macron", "role": "host"}, {"id": "france", "role": "chief-negotiator"}],
             "translations": {"fr": {"title": "Une chose"}, "de": {"title": "Ein Ding"}},
             "outcome": {"state": "pending", "note": "n"}, "media": [{"url": "https://example.org/a.jpg", "alt": "A"}],
             "anchor": {"relation": "after", "text": "a ceasefire"}, "sequence": 3, "note": "as heard"}
    id_ = site.record(**shown)
    before = site.event(id_)
    page = opened(f"/edit?event={id_}")
    title_of(page).fill("A thing happens in Paris")
    page.get_by_role("button", name="Move up: Actor 2").click()
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Move up: Actor 1"
    page.locator(".field-when input").first.fill("2025-08-21")
    review(page)
    assert changed_fields(page) == ["title", "when", "actors"]
    change = page.locator(".change[data-field=title]")
    assert "happens" in change.locator(".before").inner_text()
    assert change.locator("ins").inner_text().strip() == "in Paris"
    assert "20 August 2025" in page.locator(".change[data-field=when] .before").inner_text()
    page.locator(".review .primary").click()
    page.locator(".review .error").wait_for()
    assert site.event(id_) == before
    with page.expect_request(lambda request: request.method == "PATCH") as sent:
        save(page, "the photograph shows it")
    assert sent.value.post_data_json == {
        "title": "A thing happens in Paris", "when": "2025-08-21", "actors": before["actors"][::-1],
        "reason": "the photograph shows it"}
    assert sent.value.headers["if-match"] == '"1"'
    after = site.event(id_)
    assert after["revision"]["reason"] == "the photograph shows it"
    untouched = before.keys() - {"title", "when", "actors", "revision", "recorded_at", "earliest", "latest"}
    assert {name: after[name] for name in untouched} == {name: before[name] for name in untouched}


def test_opening_every_seed_and_changing_nothing_changes_nothing(opened, site):
    page = opened("/edit?event=alaska-summit")
    for id_ in ("alaska-summit", "paris-summit", "putin-accepts-guarantees-claim", "macron-26-pledge"):
        page.evaluate("id => { const link = document.querySelector('.session a'); "
                      "link.href = `/edit?event=${id}`; link.click(); }", id_)
        page.locator(".lead code").get_by_text(id_, exact=True).wait_for()
        page.get_by_role("button", name="Check and save").click()
        page.locator(".faults").get_by_text("No field differs").wait_for()
        title_of(page).fill(title_of(page).input_value() + "!")
        review(page)
        assert changed_fields(page) == ["title"]
        page.get_by_role("button", name="Back to the form").click()


def test_a_conflict_shows_both_versions_and_lets_each_field_be_chosen(opened, site):
    id_ = site.record(summary="As it was.", topics=["us-troops"])
    page = opened(f"/edit?event={id_}")
    title_of(page).fill("My title")
    page.get_by_label("Summary").first.fill("My summary.")
    page.locator(".field-when input").first.fill("2025-08-22")
    site.revise(id_, "another desk was faster", title="Their title", summary="Their summary.", status="confirmed")
    review(page)
    page.get_by_role("textbox", name="Reason").first.fill("mine")
    page.locator(".review .primary").click()
    page.get_by_role("heading", name="Somebody else revised it").wait_for()
    conflict = page.locator(".conflict")
    told = conflict.inner_text()
    for words in ("Revision 2, by write-desk", "another desk was faster", "My title", "Their title", "A thing happens"):
        assert words in told
    fields = page.eval_on_selector_all(
        ".conflict fieldset", "all => all.map(one => [one.dataset.field, one.className])")
    assert sorted(fields) == [["status", "settled"], ["summary", "contest"], ["title", "contest"], ["when", "settled"]]
    page.get_by_role("button", name="Go on with these").click()
    conflict.get_by_text("Choose a version for 2 more fields").wait_for()
    conflict.locator("[data-field=title] input[value=mine]").check()
    conflict.locator("[data-field=summary] input[value=theirs]").check()
    page.get_by_role("button", name="Go on with these").click()
    page.get_by_role("heading", name="What will change").wait_for()
    assert changed_fields(page) == ["title", "when"]
    assert page.get_by_role("textbox", name="Reason").first.input_value() == "mine"
    page.locator(".review .primary").click()
    page.locator(".saved").wait_for()
    event = site.event(id_)
    assert (event["title"], event["summary"], event["when"], event["status"], event["topics"]) == (
        "My title", "Their summary.", "2025-08-22", "confirmed", ["us-troops"])
    assert event["revision"]["number"] == 3


# ---------------------------------------------------------------------------------------------- the event as a whole

def test_retracting_takes_a_reason_and_a_confirmation(opened, site):
    id_ = site.record()
    page = opened(f"/edit?event={id_}")
    page.get_by_text("It should not be here").click()
    act = page.locator("[data-act=retract]")
    act.get_by_role("button", name="Retract this event").click()
    assert act.locator(".field .error:visible").count() == 2
    assert "retracted" not in site.event(id_)
    act.get_by_label("Reason").fill("it never took place & more")
    act.get_by_role("checkbox").check()
    act.get_by_role("button", name="Retract this event").click()
    page.locator(".tombstone").wait_for()
    assert "it never took place & more" in page.locator(".tombstone").inner_text()
    assert site.event(id_)["retracted"]["reason"] == "it never took place & more"


def test_merging_compares_both_and_keeps_the_one_that_was_chosen(opened, site):
    kept = site.record(title="The quartz summit opens", actors=[{"id": "donald-trump", "role": "host"}])
    gone = site.record(title="Quartz summit begins", actors=[{"id": "kremlin", "role": "participant"}])
    page = opened(f"/edit?event={gone}")
    page.get_by_text("It is a duplicate").click()
    act = page.locator("[data-act=merge]")
    act.get_by_label("The other event").first.focus()
    page.keyboard.type("quartz opens")
    options_of(page, name="The quartz summit opens").click()
    rows = act.locator(".three .line")
    actors = rows.filter(has_text="Actors")
    actors.get_by_text("Kremlin").first.wait_for()
    cells = actors.locator("[role=cell]").all_inner_texts()
    assert "Kremlin" in cells[1]
    assert "Donald Trump" in cells[2]
    assert "Kremlin" in cells[2]
    act.get_by_label("Reason").fill("one and the same")
    act.get_by_role("checkbox").check()
    act.get_by_role("button", name="Merge them").click()
    page.locator(".saved").get_by_text("Merged.").wait_for()
    assert site.event(gone)["merged_into"] == kept
    event = site.event(kept)
    assert [actor["id"] for actor in event["actors"]] == ["donald-trump", "kremlin"]
    assert event["title"] == "The quartz summit opens"


# ---------------------------------------------------------------------------------------------- actors and sources

def test_an_actor_is_found_by_alias_and_described_where_there_is_none(opened, site):
    page = opened("/edit?new=event")
    title_of(page).fill("Somebody new speaks")
    page.locator(".list-actors .add").click()
    box = page.locator(".field-id [role=combobox]").first
    page.keyboard.type("locataire du K")
    option = options_of(page).first
    option.wait_for()
    assert "Vladimir Putin" in option.inner_text()
    assert box.get_attribute("aria-expanded") == "true"
    press(page, "ArrowDown")
    assert box.get_attribute("aria-activedescendant") == option.get_attribute("id")
    assert option.get_attribute("aria-selected") == "true"
    press(page, "Escape")
    assert box.get_attribute("aria-expanded") == "false"
    assert box.get_attribute("aria-activedescendant") is None
    box.fill("Zoé Nouvelle")
    options_of(page, name="Describe a new actor: Zoé Nouvelle").wait_for()
    press(page, "ArrowUp", "Enter")
    inline = page.locator(".inline-form .box")
    assert inline.get_by_label("Name").first.input_value() == "Zoé Nouvelle"
    inline.get_by_role("button", name="Add another name").click()
    page.keyboard.type("la porte-parole")
    inline.get_by_role("button", name="Describe the actor").click()
    page.locator(".field-id .chosen").get_by_text("zoe-nouvelle").wait_for()
    review(page)
    save(page)
    assert site.event("somebody-new-speaks")["actors"] == [{"id": "zoe-nouvelle", "role": "participant"}]
    actor = site.http.get("/v1/actors/zoe-nouvelle").json()
    assert (actor["kind"], actor["aliases"]) == ("person", [{"text": "la porte-parole"}])


def test_an_actor_is_described_anew_with_a_reason(opened, site):
    before = site.http.get("/v1/actors/vladimir-putin").json()
    page = opened("/edit?actor=vladimir-putin")
    page.get_by_role("button", name="Add another name").click()
    page.keyboard.type("VVP")
    review(page)
    assert page.locator(".change").count() == 1
    save(page, "an acronym in use")
    after = site.http.get("/v1/actors/vladimir-putin").json()
    assert after["revision"]["reason"] == "an acronym in use"
    assert after["aliases"] == [*before["aliases"], {"text": "VVP"}]
    kept = before.keys() - {"aliases", "revision"}
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}


@pytest.mark.parametrize("store", [False, True])
def test_a_citation_counts_code_points_as_python_does(opened, site, store):
    page = opened("/edit?new=event")
    title = f"Macron announces pledges, stored {store}"
    title_of(page).fill(title)
    page.get_by_role("button", name="Cite a source").click()
    page.keyboard.type(f"Dépêche du 4, {store}")
    options_of(page, name="Describe a new source").click()
    inline = page.locator(".inline-form .box")
    inline.get_by_label("Published").fill("2025-09-04")
    inline.get_by_label("Text of the source").fill(ARTICLE)
    inline.get_by_label("Store the text").set_checked(store)
    inline.get_by_role("button", name="Describe the source").click()
    text = page.locator(".passage textarea")
    text.wait_for()
    assert text.input_value() == ARTICLE
    page.get_by_text("this is the text on record").wait_for()
    page.get_by_label("Find words in it").fill(PASSAGE)
    press(page, "Enter")
    page.wait_for_function("() => document.activeElement.matches('.passage textarea')")
    page.get_by_role("button", name="Use the selected passage").click()
    page.get_by_text("Taken: characters").wait_for()
    review(page)
    save(page)
    start = ARTICLE.index(PASSAGE)
    slug = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    assert site.event(slug)["citations"] == [{
        "source": f"depeche-du-4-{str(store).lower()}", "start": start, "end": start + len(PASSAGE),
        "span_sha256": hashlib.sha256(PASSAGE.encode()).hexdigest(), "exact": PASSAGE,
        "prefix": ARTICLE[max(0, start - 32):start], "suffix": ARTICLE[start + len(PASSAGE):][:32]}]
    source = site.http.get(f"/v1/sources/depeche-du-4-{str(store).lower()}").json()
    assert source["characters"] == len(ARTICLE)
    assert source["sha256"] == hashlib.sha256(ARTICLE.encode()).hexdigest()
    sent = [request.post_data_json for request in page.asked
            if "/v1/sources/" in request.url and request.method == "PUT"]
    assert ["text" in body for body in sent] == [store]


TEXTS = ["plain text here", "😀😀 a passage",
         "e\u0301te\u0301 à l’Élysée", "👩‍👩‍👧 famille", "\U0001d518\U0001d52b\U0001d526\ncode\n", "سلام 🇮🇷 دنیا"]


def test_selectors_are_those_python_would_make(opened):
    page = opened(token=None)
    make = "async ([text, from, to]) => (await import('/assets/edit-cite.js')).selectors(text, from, to)"
    for text in TEXTS:
        for start, end in [(0, 1), (1, 4), (2, len(text)), (0, len(text))]:
            units = [len(text[:at].encode("utf-16-le")) // 2 for at in (start, end)]
            found = page.evaluate(make, [text, *units])
            span = text[start:end]
            expected = {"start": start, "end": end, "exact": span, "prefix": text[max(0, start - 32):start],
                        "suffix": text[end:end + 32], "span_sha256": hashlib.sha256(span.encode()).hexdigest()}
            assert {name: value for name, value in found.items() if value is not None} == {
                name: value for name, value in expected.items() if value != ""}
    for units, whole in {(2, 4): (1, 3, "😀b"), (1, 2): (1, 2, "😀"), (0, 2): (0, 2, "a😀")}.items():
        half = page.evaluate(make, ["a😀b", *units])
        assert (half["start"], half["end"], half["exact"]) == whole


PATCHES = [
    ({"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"c": 2, "d": 4}, "e": 5}), ({"a": [1, 2]}, {"a": [2, 1]}), ({}, {"a": {}}),
    ({"a": {"b": 1}}, {"a": [1]}), ({"a": "x"}, {"a": "x"}), ({"a": {"b": {"c": "d"}}}, {"a": {"b": {}}}),
    ({"a": [{"b": 1, "c": 2}]}, {"a": [{"c": 2, "b": 1}]}), ({"constructor": "c"}, {"toString": "t", "valueOf": {}}),
]


def test_the_merge_patch_is_the_one_python_would_make(opened):
    page = opened(token=None)
    make = "async ([old, now]) => (await import('/assets/edit-compare.js')).difference(old, now)"
    for old, new in PATCHES:
        patch = page.evaluate(make, [old, new])
        assert patch == difference(old, new)
        assert merge(old, patch) == new


# ---------------------------------------------------------------------------------------------- hostile text, looks

def test_hostile_text_runs_nothing_and_is_shown_as_it_is(opened, site):
    actor = site.http.put("/v1/actors/evil", json={"kind": "person", "name": EVIL, "aliases": [{"text": EVIL}]})
    assert actor.status_code == 201
    id_ = site.record(title=EVIL, summary=EVIL, note="\u202eغير معروف", place={"name": EVIL}, tz="Europe/Paris",
                      actors=[{"id": "evil", "role": "host"}], translations={"fr": {"title": EVIL}})
    page = opened(f"/edit?event={id_}")
    page.locator(".form").wait_for()
    assert page.locator("h1").inner_text() == EVIL
    page.locator(".list-actors .add").click()
    page.keyboard.type("<img")
    options_of(page).first.wait_for()
    press(page, "Escape", "Escape")
    title_of(page).fill(EVIL + "2")
    review(page)
    assert EVIL in page.locator(".change .before").inner_text()
    save(page, EVIL)
    assert page.locator("#edit_app img, #edit_app script").count() == 0
    assert site.event(id_)["revision"]["reason"] == EVIL


@pytest.mark.parametrize("options", [
    {"viewport": {"width": 360, "height": 740}, "color_scheme": "dark"}, {"viewport": {"width": 1280, "height": 900}},
    {"viewport": {"width": 360, "height": 740}, "forced_colors": "active"},
], ids=["phone, dark", "desktop", "phone, forced colours"])
def test_it_fits_and_its_targets_are_large_enough(opened, options):
    page = opened("/edit?event=alaska-summit&lang=fr", **options)
    page.locator(".form").wait_for()
    page.eval_on_selector_all("details", "all => all.forEach(one => { one.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= options["viewport"]["width"]
    small = page.evaluate(
        "[...document.querySelectorAll('#edit_app :is(button, input, select, textarea, summary, a)')]"
        ".filter(e => e.checkVisibility()).map(e => [e.outerHTML.slice(0, 90), e.getBoundingClientRect()])"
        ".filter(([e, r]) => r.height < 24 || r.width < 24).filter(([e]) => !e.startsWith('<a')).map(([e]) => e)")
    assert small == []
    unnamed = page.evaluate(
        "[...document.querySelectorAll('#edit_app :is(input, select, textarea)')]"
        ".filter(e => !e.labels.length && !e.ariaLabel).map(e => e.outerHTML)")
    assert unnamed == []
    ids = page.eval_on_selector_all("[id]", "all => all.map(one => one.id)")
    assert len(ids) == len(set(ids))


def test_axe_finds_nothing(opened, site):
    if not AXE.exists():
        pytest.skip("no axe-core from npm: set TIMELINE_NODE_MODULES")

    def faults(page):
        page.evaluate(AXE.read_text())
        rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
        found = page.evaluate("rules => axe.run(document, { runOnly: rules })", rules)
        return [(one["id"], node["html"]) for one in found["violations"] for node in one["nodes"]]

    page = opened(token=None, bypass_csp=True)
    assert faults(page) == []
    sign_in(page, site.tokens["write"])
    page.locator(".begin").wait_for()
    assert faults(page) == []
    page.get_by_label("Find an event").fill("alaska")
    options_of(page).first.click()
    page.locator(".form").wait_for()
    page.eval_on_selector_all("details", "all => all.forEach(one => { one.open = true; })")
    title_of(page).fill("")
    page.get_by_role("button", name="Check and save").click()
    page.locator(".list-actors .add").click()
    page.keyboard.type("moscow")
    options_of(page).first.wait_for()
    assert faults(page) == []
    press(page, "Escape", "Escape")
    title_of(page).fill("Another title")
    review(page)
    assert faults(page) == []


def test_without_javascript_the_page_says_so(opened):
    page = opened(token=None, java_script_enabled=False)
    assert "The editor needs JavaScript" in page.locator("noscript .past").inner_text()
    assert urlsplit(page.locator("noscript a").get_attribute("href")).path == "/docs"
