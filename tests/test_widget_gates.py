"""The gates of `<timeline-view>`: what axe sees, and the ten things that matter more because axe does not see them.

A small matrix always runs; TIMELINE_WIDGET_MATRIX=1 runs every number of events in both directions and three colour
schemes. axe-core comes from npm (TIMELINE_NODE_MODULES names the folder) and is skipped where it is not at hand.
"""

from __future__ import annotations

import gzip
import itertools
import os
import re
from importlib import resources

import pytest
from widget_harness import CSP, MANY, Opened, document, node_modules, serving

pytestmark = pytest.mark.browser

COUNTS = (0, 1, 30, 97, MANY)
ALL = list(itertools.product((0, 1, 30, MANY), ("ltr", "rtl"), ("light", "dark", "forced")))
FEW = [(0, "ltr", "light"), (1, "rtl", "dark"), (30, "ltr", "forced"), (97, "ltr", "light"), (97, "rtl", "dark"),
       (MANY, "ltr", "light")]
MATRIX = ALL if os.environ.get("TIMELINE_WIDGET_MATRIX") else FEW
BUDGET = 15 * 1024
"""Bytes of the script with its style sheet and both languages, gzip -9. The aim, 12 KiB, is not met yet."""

LABEL = "document.querySelector('timeline-view').shadowRoot.activeElement.ariaLabel"
CUT_SHORT = "elmPartiallyObscuring"
"""A label that is cut short reaches, unseen, beyond its own opaque background: axe cannot tell, and says so."""

ZONES = ("UTC", "America/Anchorage", "Pacific/Kiritimati")


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    """Give the address of a server with so many events, started when first asked for."""
    folder, running = tmp_path_factory.mktemp("widget"), {}

    def server(count):
        if count not in running:
            running[count] = serving(folder, count)
            running[count] = (running[count].__enter__(), running[count])
        return running[count][0]

    yield server
    for _, each in running.values():
        each.__exit__(None, None, None)


@pytest.fixture
def show(browser, servers):
    contexts = []

    def shown(count, attributes="", inner="", *, lang="en", direction="ltr", path="/", policy=None, **options):
        options.setdefault("viewport", {"width": 1280, "height": 800})
        context = browser.new_context(reduced_motion="reduce", bypass_csp=False, **options)
        contexts.append(context)
        opened = Opened(context.new_page(), servers(count))
        html = document("" if policy else servers(count), attributes, inner, lang=lang, direction=direction)
        opened.show(html, path, policy=policy)
        return opened.ready() if options.get("java_script_enabled", True) else opened

    yield shown
    for context in contexts:
        context.close()


def colours(scheme):
    return {"forced_colors": "active"} if scheme == "forced" else {"color_scheme": scheme}


@pytest.mark.parametrize(("count", "direction", "scheme"), MATRIX)
def test_axe_finds_nothing_and_is_sure_of_it(show, count, direction, scheme):
    found = node_modules("axe-core/axe.min.js")
    if not found:
        pytest.skip("no axe-core from npm: set TIMELINE_NODE_MODULES")
    opened = show(count, direction=direction, **colours(scheme))
    opened.page.evaluate(found[0].read_text())

    result = opened.page.evaluate("axe.run(document, {resultTypes: ['violations', 'incomplete']})")

    assert [(each["id"], [node["target"] for node in each["nodes"]][:3]) for each in result["violations"]] == []
    assert [node["target"] for each in result["incomplete"] for node in each["nodes"]
            if node["any"][0]["data"]["messageKey"] != CUT_SHORT] == []


@pytest.mark.parametrize(("count", "direction", "scheme"), MATRIX)
def test_nodes_are_few_and_nothing_breaks(show, count, direction, scheme):
    opened = show(count, direction=direction, **colours(scheme))

    nodes = opened.page.evaluate("""() => { let n = 0; const walk = (e) => { n += 1;
      if (e.shadowRoot) walk(e.shadowRoot); for (const c of e.childNodes) walk(c); };
      walk(document.querySelector('timeline-view')); return n; }""")
    elements = opened.page.evaluate("document.querySelectorAll('timeline-view, timeline-view *').length + "
                                    "document.querySelector('timeline-view').shadowRoot.querySelectorAll('*').length")

    assert elements <= 1500
    assert nodes >= elements
    assert opened.errors == opened.foreign == opened.said == []


@pytest.mark.parametrize("count", [30, 97])
@pytest.mark.parametrize("direction", ["ltr", "rtl"])
def test_every_event_in_the_window_is_reached_by_keys_alone(show, count, direction):
    opened = show(count, direction=direction)
    page = opened.page
    page.focus("#elsewhere")
    tabs = 0
    while not page.evaluate("document.querySelector('timeline-view').shadowRoot.activeElement?.role === 'gridcell'"):
        page.keyboard.press("Tab")
        tabs += 1
        assert tabs <= 15

    expected = set(page.evaluate("""async () => {
      const src = document.querySelector('timeline-view').getAttribute('src');
      return (await (await fetch(src)).json()).events.map(e => e.id); }"""))
    assert len(expected) in {30, 96}
    page.keyboard.press("0")
    opened.settle()
    seen = set()
    page.keyboard.press("Control+Home")
    forward = "ArrowLeft" if direction == "rtl" else "ArrowRight"
    rows = page.evaluate("document.querySelector('timeline-view').shadowRoot.querySelectorAll('[role=row]').length")
    for _ in range(rows):
        page.keyboard.press("ArrowUp")
    for _ in range(rows):
        page.keyboard.press("Home")
        before = None
        while (here := page.evaluate(LABEL)) != before:
            before = here
            name = opened.focused()
            if name == here:
                page.keyboard.press("Enter")
                seen |= set(page.evaluate("[...document.querySelector('timeline-view').shadowRoot.querySelectorAll("
                                          "'#panel a')].map(a => new URL(a.href).pathname.split('/').pop())"))
                page.keyboard.press("Escape")
            else:
                seen.add(name)
            page.keyboard.press(forward)
        page.keyboard.press("ArrowDown")

    assert expected - seen == set()


def test_chart_and_list_say_the_same(show):
    opened = show(30)

    tree = opened.view.aria_snapshot()
    listed = set(opened.page.evaluate("[...document.querySelector('timeline-view').shadowRoot"
                                      ".querySelectorAll('#list article')].map(e => e.dataset.id)"))
    for _ in range(4):
        if not opened.page.locator("timeline-view a[rel=next]").count():
            break
        last = opened.page.locator("timeline-view article").last.get_attribute("data-id")
        opened.page.locator("timeline-view a[rel=next]").click()
        opened.page.locator(f"timeline-view article[data-id={last}]").wait_for(state="detached")
        listed |= set(opened.page.evaluate("[...document.querySelector('timeline-view').shadowRoot"
                                           ".querySelectorAll('#list article')].map(e => e.dataset.id)"))

    assert listed == {f"event-{number}" for number in range(30)}
    for said in ("Event number 3", "one unknown day between", "on or before", "disputed", "sources: 1"):
        assert said in tree


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

    for _ in range(6):
        opened.page.keyboard.press("PageDown")
    opened.settle()

    assert opened.page.evaluate("document.activeElement.localName") == "timeline-view"


@pytest.mark.parametrize("width", [360, 1280])
def test_targets_are_large_enough(show, width):
    opened = show(97, viewport={"width": width, "height": 800})

    small = opened.page.evaluate(
        "[...document.querySelector('timeline-view').shadowRoot.querySelectorAll('button, select, summary, "
        "[role=gridcell], input:not([id=start],[id=end])')].filter(e => e.checkVisibility())"
        ".map(e => [e.id + e.className, e.getBoundingClientRect()])"
        ".filter(([_, r]) => r.height < 24 || r.width < 24).map(([t, r]) => t + r.width + 'x' + r.height)")
    assert small == []


def test_keys_outside_change_nothing(show):
    opened = show(97)
    state = "[document.querySelector('timeline-view').shadowRoot.querySelector('#count').textContent, location.href]"
    before = opened.page.evaluate(state)
    opened.page.focus("#elsewhere")

    opened.page.keyboard.type("+-0[]? \u2192")
    opened.page.keyboard.press("ArrowLeft")
    opened.page.keyboard.press("PageDown")

    assert opened.page.evaluate(state) == before
    assert opened.focused() == "elsewhere"


def test_a_flood_of_changes_is_one_announcement(show, servers):
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
    data = resources.files("timeline.web").joinpath("static/timeline-view.js").read_bytes()

    assert len(gzip.compress(data, 9)) <= BUDGET


@pytest.mark.parametrize("count", [97, MANY])
def test_it_costs_little_time(show, servers, count):
    opened = show(count)
    page = opened.page
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def spent():
        found = session.send("Performance.getMetrics")["metrics"]
        return next(each["value"] for each in found if each["name"] == "TaskDuration")

    page.goto("about:blank")
    start = spent()
    page.goto(f"{opened.server}/page")
    opened.ready()
    ready = spent() - start
    start = spent()
    page.locator("timeline-view #in").click()
    opened.settle()
    zoom = spent() - start
    print(f"{count} events: ready {ready * 1000:.0f} ms, zoom {zoom * 1000:.0f} ms of main thread")

    assert ready <= 0.3
    assert zoom <= 0.1


def test_it_works_under_a_strict_policy(show):
    opened = show(97, policy=CSP)

    assert opened.errors == opened.said == []
    assert len(opened.cells()) > 20
