"""The gates of `<timeline-view>`: what axe sees, and the ten things that matter more because axe does not see them.

A small matrix always runs; TIMELINE_WIDGET_MATRIX=1 runs every number of events in both directions and three colour
schemes. axe-core comes from npm (TIMELINE_NODE_MODULES names the folder) and is skipped where it is not at hand.
What it costs in time is no test: `python -m tests.benchmarks.widgets` measures it beside other people's widgets.
"""

from __future__ import annotations

import gzip
import itertools
import os
import re
from urllib.parse import urlsplit

import pytest
from widget_harness import CSP, MANY, Opened, document, node_modules, shared

from timeline.api.pages import Assets

pytestmark = pytest.mark.browser

ALL = list(itertools.product((0, 1, 30, MANY), ("ltr", "rtl"), ("light", "dark", "forced")))
FEW = [(0, "ltr", "light"), (1, "rtl", "dark"), (30, "ltr", "forced"), (97, "ltr", "light"), (97, "rtl", "dark"),
       (MANY, "ltr", "light")]
MATRIX = ALL if os.environ.get("TIMELINE_WIDGET_MATRIX") else FEW
BUDGET = 12 * 1024
"""Bytes of the script with its style sheet as the server sends it, gzip -9."""

LATER = 2304
"""Bytes of the module that comes on first use: French, arcs, changes as they happen, the controls of the clocks."""

VIEW = "document.querySelector('timeline-view')"
ROOT = f"{VIEW}.shadowRoot"
CUT_SHORT = "elmPartiallyObscuring"
"""A label that is cut short reaches, unseen, beyond its own opaque background: axe cannot tell, and says so."""

ZONES = ("UTC", "America/Anchorage", "Pacific/Kiritimati")
WINDOW = {"width": 1280, "height": 800}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    return lambda count: shared(count, tmp_path_factory)


@pytest.fixture(scope="module")
def contexts(browser):
    """Give a context with such options, the same for all tests that ask for them."""
    found = {}

    def context(**options):
        key = repr(sorted(options.items()))
        if key not in found:
            found[key] = browser.new_context(**{"viewport": WINDOW, "reduced_motion": "reduce", **options})
        return found[key]

    yield context
    for each in found.values():
        each.close()


@pytest.fixture
def show(contexts, server):
    pages = []

    def shown(count, attributes="", inner="", *, policy=None, **options):
        pages.append(contexts(**options).new_page())
        opened = Opened(pages[-1], server(count))
        opened.show(document("" if policy else server(count), attributes, inner), policy=policy)
        return opened.ready() if options.get("java_script_enabled", True) else opened

    yield shown
    for page in pages:
        page.close()


@pytest.fixture(scope="module", params=MATRIX, ids=lambda row: "-".join(map(str, row)))
def gate(contexts, server, request):
    """Show one page for all gates of a row of the matrix: none leaves anything that another would find."""
    count, direction, scheme = request.param
    opened = Opened(contexts(**colours(scheme)).new_page(), server(count))
    opened.count, opened.direction = count, direction
    yield opened.show(document(opened.server, direction=direction)).ready()
    opened.page.close()


def colours(scheme):
    return {"forced_colors": "active"} if scheme == "forced" else {"color_scheme": scheme}


def test_axe_finds_nothing_and_is_sure_of_it(gate):
    found = node_modules("axe-core/axe.min.js")
    if not found:
        pytest.skip("no axe-core from npm: set TIMELINE_NODE_MODULES")
    gate.page.evaluate(found[0].read_text())

    result = gate.page.evaluate("axe.run(document, {resultTypes: ['violations', 'incomplete']})")

    assert [(each["id"], [node["target"] for node in each["nodes"]][:3]) for each in result["violations"]] == []
    assert [node["target"] for each in result["incomplete"] for node in each["nodes"]
            if node["any"][0]["data"]["messageKey"] != CUT_SHORT] == []


def test_elements_are_few_and_nobody_else_is_asked(gate):
    elements = gate.page.evaluate(f"document.querySelectorAll('timeline-view, timeline-view *').length + "
                                  f"{ROOT}.querySelectorAll('*').length")

    assert 10 < elements <= 1500
    assert gate.errors == gate.foreign == gate.said == []


def test_targets_are_large_enough(gate):
    assert small_targets(gate) == []


@pytest.mark.parametrize("width", [360, 1280])
def test_targets_are_large_enough_on_any_screen(show, width):
    assert small_targets(show(97, viewport={"width": width, "height": 800})) == []


def small_targets(opened):
    return opened.page.evaluate(
        f"[...{ROOT}.querySelectorAll('button, select, summary, [role=gridcell], input:not([id=start],[id=end])')]"
        ".filter(e => e.checkVisibility()).map(e => [e.id + e.className, e.getBoundingClientRect()])"
        ".filter(([_, r]) => r.height < 24 || r.width < 24).map(([t, r]) => t + r.width + 'x' + r.height)")


def test_keys_outside_change_nothing(gate):
    state = f"[{ROOT}.querySelector('#count').textContent, location.href, {ROOT}.querySelector('#lanes').value]"
    before = gate.page.evaluate(state)
    gate.page.focus("#elsewhere")

    gate.page.keyboard.type("+-0[]? \u2192")
    for key in ("ArrowLeft", "PageDown", "Home", "Escape"):
        gate.page.keyboard.press(key)
    gate.settle()

    assert gate.page.evaluate(state) == before
    assert gate.focused() == "elsewhere"


def test_every_event_in_the_window_is_reached_by_keys_alone(gate):
    page = gate.page
    if not gate.count:
        assert gate.cells() == []
        return
    tab_to_the_grid(gate)
    page.keyboard.press("0")
    gate.settle()
    drawn = page.evaluate(f"{ROOT}.querySelectorAll('[role=gridcell]').length")
    chart = asked(gate, "v1/chart")

    missed, reached, listed = walk(gate)

    assert missed == []
    assert 0 < drawn <= 240
    assert {event["id"] for event in chart["events"]} <= reached | listed
    behind = page.evaluate(f"[...{ROOT}.querySelectorAll('[role=gridcell]')].reduce((sum, e) => sum + e.item.n, 0)")
    assert behind == lane_places(chart)
    page.keyboard.press("0")
    gate.settle()


def tab_to_the_grid(opened):
    """Come from outside with Tab alone, and not by many."""
    opened.page.focus("#elsewhere")
    for _ in range(15):
        opened.page.keyboard.press("Tab")
        if opened.page.evaluate(f"{ROOT}.activeElement?.role === 'gridcell'"):
            return
    pytest.fail("15 times Tab do not lead to the events")


def walk(opened):
    """Go along every lane by keys; give the marks that had no focus, the events that had it, and those counts list.

    Where a key leads is known from what is drawn, so a key that does not lead there leaves a mark out.
    """
    page, forward = opened.page, "ArrowLeft" if opened.direction == "rtl" else "ArrowRight"
    page.evaluate(f"""() => {{ const root = {ROOT}, marks = () => [...root.querySelectorAll('[role=gridcell]')];
      window.focused = new Set([root.activeElement]);
      root.addEventListener('focusin', e => e.target.item && focused.add(e.target));
      window.missed = () => marks().filter(e => !focused.has(e)).map(e => e.ariaLabel); }}""")
    lanes = page.evaluate(f"[...{ROOT}.querySelectorAll('[role=row]')].map(row => [...row.querySelectorAll("
                          "'[role=gridcell]')].map(e => (e.item.many && e.item.held?.length) || 0))")
    lanes, listed = [lane for lane in lanes if lane], set()
    for _ in lanes:
        page.keyboard.press("ArrowUp")
    for lane in lanes:
        page.keyboard.press("Home")
        for place, held in enumerate(lane):
            if place:
                page.keyboard.press(forward)
            if held:
                listed |= listed_by_a_count(page, held)
        page.keyboard.press("ArrowDown")
    reached = set(page.evaluate("[...focused].map(e => e.dataset.eventId).filter(Boolean)"))
    return page.evaluate("missed()"), reached, listed


def listed_by_a_count(page, held):
    """Open the count that has the focus, read what it lists, and close it; the focus is back where it was."""
    before = page.evaluate(f"{ROOT}.activeElement.ariaLabel")
    page.keyboard.press("Enter")
    links = page.evaluate(f"[...{ROOT}.querySelectorAll('#panel a')].map(a => a.href)")
    page.keyboard.press("Escape")
    assert len(links) == held
    assert page.evaluate(f"{ROOT}.activeElement.ariaLabel") == before
    return {urlsplit(link).path.rpartition("/")[2] for link in links}


def asked(opened, path, **question):
    return opened.page.request.get(f"{opened.server}/{path}", params=question).json()


def lane_places(chart):
    """Count the places that a chart's events have: one in every lane of theirs."""
    return sum(max(1, len(event["lanes"])) for event in chart["events"]) + sum(
        cluster["count"] for cluster in chart["clusters"])


def test_a_count_that_is_opened_shows_its_stretch_and_keeps_the_focus(show):
    opened = show(MANY)
    opened.focus_grid()
    opened.page.keyboard.press("End")
    said = f"[{ROOT}.activeElement.item.n, {ROOT}.querySelector('#count').textContent]"
    _, whole = opened.page.evaluate(said)

    opened.page.keyboard.press("Enter")
    opened.settle()
    held, part = opened.page.evaluate(said)

    assert number(part) < number(whole) == MANY
    assert 0 < held <= number(part)


def test_a_count_that_is_opened_again_and_again_leads_to_its_events(show):
    """To a mark, to links in the details, or, where events of one day split no further, to the list of them."""
    opened = show(MANY)
    opened.focus_grid()
    opened.page.keyboard.press("ArrowRight")
    links = f"[...{ROOT}.querySelectorAll('#panel a[href*=\"/events/\"]')].length"
    shown = f"({ROOT}.querySelector('#panel').checkVisibility() && {links})"
    found = f"{ROOT}.activeElement?.dataset.eventId || {shown} || !!{ROOT}.activeElement?.closest('#list')"
    for _ in range(8):
        if opened.page.evaluate(found):
            break
        opened.page.keyboard.press("Enter")
        opened.settle()

    assert opened.page.evaluate(found)


def number(text):
    """Read the number that a text begins with."""
    return int(re.match(r"[\d,]+", text)[0].replace(",", ""))


@pytest.mark.parametrize("count", [1, 30, 97])
def test_chart_list_and_service_say_the_same(show, count):
    opened = show(count)
    if count > 1:
        opened.focus_grid()
        opened.page.keyboard.press("0")
        opened.settle()
    chart = {event["id"]: event for event in asked(opened, "v1/chart", lang="en")["events"]}
    sources = {source["id"]: source["title"] for source in asked(opened, "v1/sources", limit=1000)["items"]}
    events = {event["id"]: event for event in asked(opened, "v1/events", limit=1000, undated="include")["items"]}

    told = told_by_the_list(opened)

    assert told.keys() == events.keys()
    assert len(events) == count
    for id_, text in told.items():
        names = {plain(sources[citation["source"]]) for citation in events[id_].get("citations", ())}
        assert {name for name in names if name not in text} == set(), id_
        if id_ in chart:
            assert plain(chart[id_]["title"]) in text
            assert plain(chart[id_]["words"]) in text
    assert events.keys() - chart.keys() == {id_ for id_ in events if "when" not in events[id_]}


def told_by_the_list(opened):
    """Turn all pages of the list, and give what an assistive tool is told of each event with its sources opened."""
    told, page = {}, opened.page
    while True:
        page.evaluate(f"{ROOT}.querySelectorAll('#list details').forEach(each => {{ each.open = true; }})")
        articles = page.locator("timeline-view #list article")
        ids = articles.evaluate_all("all => all.map(each => each.dataset.id)")
        assert not told.keys() & set(ids)
        told |= {id_: plain(articles.nth(index).aria_snapshot()) for index, id_ in enumerate(ids)}
        following = page.locator("timeline-view #list a[rel=next]")
        if not following.count():
            return told
        following.click()
        opened.settle(0)


def plain(text):
    """Give a text without what YAML adds to it."""
    return re.sub(r"[\s\"'\\]+", " ", text)


def test_what_is_unsure_or_disputed_is_said_in_the_chart_and_in_the_list(show):
    opened = show(30)

    drawn = plain(opened.page.locator("timeline-view #grid").aria_snapshot())
    listed = " ".join(told_by_the_list(opened).values())

    for said in ("one unknown day between", "on or before", "disputed"):
        assert said in drawn
        assert said in listed


def test_an_empty_timeline_says_so_and_offers_nothing_to_press(show):
    opened = show(0)

    assert "No event meets this." in opened.view.aria_snapshot()
    assert opened.cells() == []
    assert opened.page.locator("timeline-view article").count() == 0
    assert [each for each in opened.view.locator("button, select, input").all() if each.is_visible()] == []


@pytest.mark.parametrize("count", [0, 97, MANY])
def test_print_is_text_alone_with_its_sources_open(show, count):
    opened = show(count)
    opened.page.emulate_media(media="print")

    def seen(selector):
        return opened.page.evaluate(f"[...{ROOT}.querySelectorAll('{selector}')].filter(e => e.checkVisibility())"
                                    ".map(e => e.textContent)")

    assert seen("button, select, input, #chart, #over, #key, .pager") == []
    assert len(seen("#count")) == 1
    assert bool(seen("article")) == bool(count)
    assert len(seen("article details.cites cite")) >= len(seen("article"))


@pytest.mark.parametrize("keys", [["+"], ["-"], ["+", "+", "0"], ["0", "+", "+", "-"], ["["], ["PageDown", "PageUp"]])
def test_focus_stays_on_the_event_whatever_is_drawn_anew(show, keys):
    opened = show(97, 'datetime="2025-08-18/2025-08-20"')
    opened.focus_grid()
    opened.page.keyboard.press("End")
    before = opened.focused()

    for key in keys:
        opened.page.keyboard.press(key)
        assert opened.focused() != "BODY"
    opened.settle()

    assert before in opened.page.evaluate("""(() => { const { it, held } = document.querySelector('timeline-view')
      .shadowRoot.activeElement.item; return [it.id, ...(held ?? []).map(e => e.id)]; })()""")
    assert opened.page.evaluate("document.activeElement.localName") == "timeline-view"


def test_an_event_that_leaves_gives_the_focus_to_the_nearest_and_says_so(show):
    opened = show(30)
    opened.focus_grid()
    opened.page.evaluate(f"""() => {{ const status = {ROOT}.querySelector('#status'); window.told = [];
      new MutationObserver(() => told.push(status.textContent)).observe(status, {{childList: true}}); }}""")
    before = opened.focused()

    for _ in range(6):
        opened.page.keyboard.press("PageDown")
        if opened.focused() != before:
            break
    opened.settle()

    assert before not in opened.cells()
    assert opened.focused() in opened.cells()
    assert any("Out of view" in said for said in opened.page.evaluate("told"))


def test_a_flood_of_changes_is_one_announcement(show):
    flood = "retry: 100000\n\n" + "".join(
        f'event: added\nid: {200 + n}\ndata: {{"event":"new-{n}"}}\n\n' for n in range(100))
    opened = show(0)
    opened.page.route("**/v1/stream**", lambda route: route.fulfill(
        body=flood, content_type="text/event-stream", headers={"Access-Control-Allow-Origin": "*"}))
    opened.page.evaluate("""() => { const v = document.querySelector('timeline-view'); window.told = [];
      v.setAttribute('live', ''); new MutationObserver(() => told.push(
        v.shadowRoot.querySelector('#status').textContent)).observe(v.shadowRoot,
        {subtree: true, childList: true}); }""")
    button = opened.page.locator("timeline-view #new")
    opened.page.locator("timeline-view #new", has_text="100").wait_for()

    assert button.inner_text() == "100 new events"
    assert len({text for text in opened.page.evaluate("told") if text}) == 1


def test_it_flows_in_320_pixels_with_wide_spacing(show):
    opened = show(97, viewport={"width": 320, "height": 640})
    opened.page.evaluate("""() => { const s = new CSSStyleSheet(); s.replaceSync('*{line-height:1.5!important;' +
      'letter-spacing:.12em!important;word-spacing:.16em!important}'); document.adoptedStyleSheets = [s];
      document.querySelector('timeline-view').shadowRoot.adoptedStyleSheets.push(s); }""")

    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 320
    assert opened.page.evaluate("document.getAnimations().length") == 0


def test_without_javascript_the_list_is_there(show):
    inner = '<ol><li>An event, <a href="https://example.org/">its source</a></li></ol>'
    opened = show(97, inner=inner, java_script_enabled=False)

    assert "An event, its source" in opened.view.inner_text()


@pytest.mark.parametrize("zone", ZONES)
def test_a_day_is_the_same_day_for_every_reader(show, zone):
    opened = show(97, 'datetime="2025-08-11/2025-08-20"', timezone_id=zone)

    said = opened.page.locator("timeline-view #count").inner_text()
    assert "11–20August2025" in re.sub(r"\s", "", said)
    assert "15 August 2025" in opened.view.aria_snapshot()


def test_the_script_keeps_to_its_budget():
    assets = Assets()

    assert len(gzip.compress(assets.bytes_of("timeline-view.js"), 9)) <= BUDGET
    assert len(gzip.compress(assets.bytes_of("timeline-view-more.js"), 9)) <= LATER


def test_it_works_under_a_strict_policy(show):
    opened = show(97, policy=CSP)

    assert opened.errors == opened.said == []
    assert len(opened.cells()) > 20
