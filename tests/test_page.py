"""The server-rendered pages."""

import re
import time
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from timeline import Timeline
from timeline.query import BY_NAME
from timeline.records import decode_change
from timeline.web import page as pages
from timeline.web.words import WORDS

SEEDS = sorted(Path(__file__).parent.parent.joinpath("seeds").glob("*.ndjson"))
ROUTES = re.compile(
    r"/|/actors|/topics|/compare|/edit|/snapshots|/(actors|topics|events)/[a-z0-9-]+|/v1/events|/v1/events/[a-z0-9-]+|"
    r"/assets/page\.0123\.css"
)
HOSTILE = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "مرحبا بالعالم", "{{ 7 * 7 }}",
           "' onfocus='x")
LONG = "x" * 20_000


def asset(name):
    return f"/assets/{name.replace('.', '.0123.')}"


def chronicle():
    timeline = Timeline.temporary()
    for path in SEEDS:
        timeline.append([decode_change(line) for line in path.read_bytes().splitlines()])
    return timeline


@pytest.fixture(scope="module")
def seeded():
    with chronicle() as timeline:
        yield timeline


@pytest.fixture
def empty():
    with Timeline.temporary() as timeline:
        yield timeline


@pytest.fixture
def hostile():
    with Timeline.temporary() as timeline:
        for number, text in enumerate(HOSTILE):
            timeline.describe_actor(id=f"actor-{number}", kind="person", name=text, description=text,
                                    aliases=[{"text": text}])
            timeline.describe_source(id=f"source-{number}", title=text, publisher=text, author=text)
            timeline.record(
                id=f"event-{number}", title=text, summary=(text + LONG)[:20_000], when="2025-08-15", note=text,
                phrase=text, actors=[{"id": f"actor-{number}", "role": "speaker"}],
                stances=[{"actor": f"actor-{number}", "topic": "topic", "position": "for", "note": text}],
                place={"name": text}, media=[{"url": "https://example.org/a'b", "caption": text, "credit": text}],
                citations=[{"source": f"source-{number}", "start": 1, "end": 9, "exact": text, "phrase": text}],
                outcome={"state": "pending", "note": text})
            timeline.revise(f"event-{number}", {"title": f"{text}!"}, reason=text)
        yield timeline


class Markup(HTMLParser):
    """Every tag with its attributes, and whether the tags balance."""

    VOID = frozenset({"meta", "link", "input", "img", "br", "use", "path", "circle"})

    def __init__(self, html):
        super().__init__()
        self.tags, self.open, self.faults = [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag in self.VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.faults.append(tag)


def every_page(timeline, query=()):
    """Render one page of each kind."""
    bodies = list(timeline.events(limit=3))
    yield pages.timeline_page(timeline, query, asset=asset)
    for body in bodies:
        yield pages.event_page(timeline, body["id"], query, asset=asset)
        for part in body.get("actors", []):
            yield pages.actor_page(timeline, part["id"], query, asset=asset)
        for stance in body.get("stances", []):
            yield pages.topic_page(timeline, stance["topic"], query, asset=asset)
    yield pages.actors_page(timeline, query, asset=asset)
    yield pages.topics_page(timeline, query, asset=asset)
    yield pages.problem_page(503, "Busy", "try again", "fr", asset)


def check_clean(html):
    """Nothing a strict CSP would refuse, nothing from elsewhere, no id twice."""
    markup = Markup(html)
    assert not markup.faults
    assert not markup.open
    ids = [attributes["id"] for _, attributes in markup.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in markup.tags:
        assert tag not in ("script", "style", "img", "iframe", "object", "base")
        assert not [name for name in attributes if name == "style" or name.startswith("on")]
        for name in ("src", "action"):
            assert (attributes.get(name) or "/").startswith("/")
        if tag == "link":
            assert attributes["href"].startswith(("/", "data:,"))
    return markup


def check_links(markup):
    """Every link leads to a page there is, within this one, or plainly out by http(s)."""
    ids = {attributes["id"] for _, attributes in markup.tags if "id" in attributes}
    for tag, attributes in markup.tags:
        href = attributes.get("href", "")
        if tag != "a" or not href:
            continue
        parts = urlsplit(href)
        if parts.scheme:
            assert parts.scheme in ("http", "https")
            assert "noreferrer" in attributes["rel"]
        elif href.startswith("#"):
            assert href[1:] in ids
        else:
            assert ROUTES.fullmatch(parts.path), href
            known = {"event", "actor", "lang"} if parts.path == "/edit" else set(BY_NAME)
            assert {name for name, _ in parse_qsl(parts.query)} <= known


@pytest.mark.parametrize("lang", ["en", "fr"])
def test_every_page_is_clean_and_its_links_lead_somewhere(seeded, lang):
    for page in every_page(seeded, [("lang", lang)]):
        assert page.status in (200, 503)
        check_links(check_clean(page.html))


def test_hostile_text_is_inert(hostile):
    for page in every_page(hostile):
        check_links(check_clean(page.html))
        assert "<script" not in page.html
        assert "<img" not in page.html
    assert "{{ 7 * 7 }}" in pages.event_page(hostile, "event-3", [], asset=asset).html


def test_hostile_parameters_are_inert(seeded):
    for name in BY_NAME:
        page = pages.timeline_page(seeded, [(name, HOSTILE[0]), ("q", HOSTILE[1])], asset=asset)
        check_clean(page.html)
    page = pages.timeline_page(seeded, [(HOSTILE[1], "1")], asset=asset)
    check_clean(page.html)
    assert page.status == 400


def test_the_list_in_both_languages(seeded):
    english = pages.timeline_page(seeded, [("limit", "100")], asset=asset, languages=["en"])
    french = pages.timeline_page(seeded, [("limit", "100")], asset=asset, languages=["fr"])

    assert english.html.count("<article") == french.html.count("<article") == 97
    assert "97 events · position 196" in english.html
    assert "97 évènements · position 196" in french.html
    assert '<html lang="fr"' in french.html
    assert "Rencontre Trump–Poutine en Alaska" in french.html
    assert "Trump and Putin meet in Alaska" in english.html
    assert "one unknown day between 15 and 18 August 2025" in english.html
    assert "the day after a ceasefire in Ukraine (not dated)" in english.html
    assert "changes the stance of" in english.html
    assert "stance changed by" in english.html
    assert "change la position de" in french.html


def test_lang_comes_before_what_the_reader_accepts(seeded):
    page = pages.timeline_page(seeded, [("lang", "fr")], asset=asset, languages=["en-GB", "en"])

    assert '<html lang="fr"' in page.html


def test_text_in_another_language_says_so(empty):
    empty.record(id="e", title="Der Gipfel", lang="de", when="2025")

    assert '<span dir="auto" lang="de">Der Gipfel</span>' in pages.timeline_page(empty, [], asset=asset).html


def test_filters_keep_each_other(seeded):
    given = [("actor", "donald-trump"), ("from", "2025-08"), ("status", "confirmed"), ("place", "alaska"),
             ("lang", "fr")]
    page = pages.timeline_page(seeded, given, asset=asset)
    markup = Markup(page.html)

    switch = next(a["href"] for tag, a in markup.tags if tag == "a" and a.get("hreflang") == "en")
    assert sorted(parse_qsl(urlsplit(switch).query)) == sorted([*given[:-1], ("lang", "en")])
    hidden = {(a["name"], a["value"]) for tag, a in markup.tags if tag == "input" and a.get("type") == "hidden"}
    assert hidden == {("place", "alaska"), ("lang", "fr")}
    assert re.search(r'<option value="donald-trump" selected>Donald Trump \(34\)', page.html)
    chips = [a["href"] for tag, a in markup.tags if a.get("title") == "Retirer le filtre"]
    assert [len(parse_qsl(urlsplit(chip).query)) for chip in chips] == [4, 4, 4, 4]


def test_an_error_stands_beside_its_field_and_the_rest_holds(seeded):
    page = pages.timeline_page(
        seeded, [("from", "2025-13"), ("actor", "donald-trump"), ("at", "999"), ("zork", "1"), ("to", "")], asset=asset)

    assert page.status == 400
    assert not page.final
    field = re.search(r'<input id="f_from".*?</p>', page.html, re.DOTALL)[0]
    assert 'value="2025-13"' in field
    assert 'aria-invalid="true"' in field
    assert "there is no month 13" in field
    assert "there is no position 999 yet" in re.search(r'<input id="f_at".*?</p>', page.html, re.DOTALL)[0]
    assert "<code>zork</code>" in page.html
    assert "34 events" in page.html


def test_pages_lead_on_and_back(seeded):
    for order in ("asc", "desc"):
        path, seen = f"/?limit=20&order={order}", []
        trail = []
        while path:
            page = pages.timeline_page(seeded, parse_qsl(urlsplit(path).query), asset=asset)
            trail.append(path)
            seen.append(re.findall(r'<article class="[^"]*" id="([^"]*)"', page.html))
            path = _link(page.html, "next")
        assert [len(ids) for ids in seen] == [20, 20, 20, 20, 17]
        assert len({id_ for ids in seen for id_ in ids}) == 97
        for number in (4, 3, 2, 1):
            page = pages.timeline_page(seeded, parse_qsl(urlsplit(trail[number]).query), asset=asset)
            back = pages.timeline_page(seeded, parse_qsl(urlsplit(_link(page.html, "prev")).query), asset=asset)
            assert re.findall(r'<article class="[^"]*" id="([^"]*)"', back.html) == seen[number - 1]
        assert not _link(back.html, "prev")


def _link(html, rel):
    found = re.search(rf'<a class="button[^"]*" rel="{rel}" href="([^"]*)"', html)
    return found[1].replace("&amp;", "&") if found else ""


def test_the_past_is_kept_by_every_link(seeded):
    page = pages.timeline_page(seeded, [("at", "120"), ("reported_by", "2025-08-20")], asset=asset)

    assert (page.position, page.final) == (120, True)
    assert "the log as it stood at position 120" in page.html
    assert "Only what sources published by 20 August 2025 had reported." in page.html
    links = re.findall(r'<h3[^>]*><a href="([^"]*)"', page.html)
    assert links
    assert all("at=120" in link and "reported_by=2025-08-20" in link for link in links)


def test_every_link_of_a_page_of_the_past_can_be_followed(seeded):
    html = pages.timeline_page(seeded, [("at", "120"), ("reported_by", "2025-08-20")], asset=asset).html
    for path in {link.replace("&amp;", "&") for link in re.findall(r'href="(/[^"]*)"', html)}:
        parts = urlsplit(path)
        names, query = parts.path.strip("/").split("/"), parse_qsl(parts.query)
        if names[0] in ("events", "actors", "topics") and len(names) == 2:
            render = {"events": pages.event_page, "actors": pages.actor_page, "topics": pages.topic_page}[names[0]]
            assert render(seeded, names[1], query, asset=asset).status == 200, path
        elif names[0] in ("actors", "topics"):
            render = {"actors": pages.actors_page, "topics": pages.topics_page}[names[0]]
            assert render(seeded, query, asset=asset).status == 200, path


def test_one_event_with_its_history(seeded):
    page = pages.event_page(seeded, "alaska-summit", [], asset=asset)

    assert page.status == 200
    assert '<time datetime="2025-08-15">15 August 2025</time>' in page.html
    assert "corrected 4 times" in page.html
    assert "characters 2050–2158" in page.html
    assert "af8746ec…" in page.html
    assert ('<del dir="auto">on or before 18 August 2025, day unknown</del> → '
            '<ins dir="auto">11 to 17 August 2025</ins>') in page.html
    assert "The 19 August report places the meeting in the week before" in page.html
    early = pages.event_page(seeded, "alaska-summit", [("at", "60")], asset=asset)
    assert early.final
    assert "revision 2" not in early.html


def test_what_is_not_there_names_what_is_near(seeded):
    page = pages.event_page(seeded, "alaska-sumit", [], asset=asset)

    assert page.status == 404
    assert "did you mean alaska-summit?" in page.html
    assert pages.actor_page(seeded, "nobody", [], asset=asset).status == 404
    assert pages.topic_page(seeded, "nothing", [], asset=asset).status == 404
    assert pages.event_page(seeded, "alaska-summit", [("zork", "1")], asset=asset).status == 400


def test_tombstones(empty):
    for name in ("first", "second", "third"):
        empty.record(id=name, title=name, when="2025-08-15")
    empty.retract("first", reason="it never happened")
    empty.merge("second", ["third"], reason="the same thing")

    assert "Reason: it never happened" in pages.event_page(empty, "first", [], asset=asset).html
    assert "This event was merged into another one." in pages.event_page(empty, "third", [], asset=asset).html
    assert "it never happened" not in pages.timeline_page(empty, [], asset=asset).html
    assert "it never happened" in pages.timeline_page(empty, [("retracted", "include")], asset=asset).html


def test_changes_of_stance_are_marked(seeded):
    html = pages.topic_page(seeded, "us-troops", [], asset=asset).html

    text = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html))
    assert "open → against stance changed" in text
    assert "sous conditions" in pages.topic_page(seeded, "us-troops", [("lang", "fr")], asset=asset).html


@pytest.mark.parametrize("lang", ["en", "fr"])
def test_nothing_recorded_yet(empty, lang):
    for page in every_page(empty, [("lang", lang)]):
        check_links(check_clean(page.html))
    assert WORDS["empty-log"][lang == "fr"].split("“")[0] in pages.timeline_page(
        empty, [("lang", lang)], asset=asset).html


def test_no_match_says_what_to_do(seeded):
    html = pages.timeline_page(seeded, [("q", "zzzz")], asset=asset).html

    assert "Remove one of them above" in html


def test_years_html_does_not_know(empty):
    for number, when in enumerate(["-0043-03-15", "-0043", "0000", "Y-17E7", "Y170000002", "XXXX", "../..", "0043-XX"]):
        empty.record(id=f"event-{number}", title="t", when=when)
    page = pages.timeline_page(empty, [], asset=asset)

    check_links(check_clean(page.html))
    assert "15 March 44 BC" in page.html
    assert "<time" not in page.html
    assert all(pages.event_page(empty, f"event-{n}", [], asset=asset).status == 200 for n in range(8))


def test_only_http_links_leave(empty):
    empty.describe_source(id="s", title="Report", url="https://example.org/?a=1&b=\u00e9")
    empty.record(id="e", title="t", citations=[{"source": "s"}])
    html = pages.timeline_page(empty, [], asset=asset).html

    assert 'href="https://example.org/?a=1&amp;b=é" rel="noreferrer nofollow"' in html


def test_fifty_events_render_quickly(seeded):
    pages.timeline_page(seeded, [], asset=asset)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        pages.timeline_page(seeded, [], asset=asset)
        times.append(time.perf_counter() - start)

    assert min(times) < 0.2, "about 0.03 s on an idle machine"


def test_the_stylesheet_fetches_nothing():
    css = resources.files("timeline.web").joinpath("static/page.css").read_text()

    assert "url(" not in css
    assert "@import" not in css


def test_every_sentence_is_there_in_both_languages():
    templates = resources.files("timeline.web").joinpath("templates")
    sentence = re.compile(r"""t\(["']([a-z-]*[a-z])["']""")
    used = {key for path in templates.iterdir() for key in sentence.findall(path.read_text())}

    assert used <= set(WORDS)
    for english, french in WORDS.values():
        assert set(re.findall(r"\{\w+\}", english)) == set(re.findall(r"\{\w+\}", french))
        assert ("|" in english) == ("|" in french)
